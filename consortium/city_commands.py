"""`ape run consortium`: acts that one city does alone with its keys, tariff and tickets, and how all stand."""

from pathlib import Path
from typing import Any, Final

import click

from consortium import acts
from consortium.act_options import act_options, answer, open_desk, parse_serials
from consortium.chain import Chain
from consortium.command import NOT_YET, Answer, ChainCommand, common_options
from consortium.governing import Desk, checked_address
from consortium.happened import read_called_off, read_withheld
from consortium.standing import City
from consortium.tables import status_tables
from consortium.times import format_moment, parse_moment
from interline.cities import NO_END
from interline.tariff import tariff_hash

_SOON: Final = 60
"""Seconds from now at which a key ends that is to end now: the chain takes no end before its block's time."""
ADDRESS = click.argument("address")
KEY_ID = click.option("--id", "key_id", required=True, type=click.IntRange(0, 255), help="The key's number.")


@click.command("add-key", cls=ChainCommand)
@KEY_ID
@click.option("--address", required=True, help="The secp256k1 key's address.")
@click.option("--from", "valid_from", metavar="TIME", default="now", show_default=True, help="May lie in the past.")
@click.option("--until", metavar="TIME", help="Not included; no end unless it is given.")
@act_options
def add_key(
    chain: Chain, path: Path, key_id: int, address: str, valid_from: str, until: str | None, **who: Any
) -> Answer:
    """Register an issuer key, for ever: it signs the city's tickets."""
    desk = open_desk(chain, path, **who)
    city, admin = desk.acting("admin")
    now, key = desk.standing.now, checked_address(address, "--address")
    window = parse_moment(valid_from, now), NO_END if until is None else parse_moment(until, now)
    present = desk.survey.issuer_key(city.code, key_id)
    if valid_from == "now" and present[0] == key:
        window = present[1], window[1]  # it was registered by an earlier run
    return answer(desk.do(acts.add_key(desk.standing, city, admin, key_id, key, window, present)))


@click.command("end-key", cls=ChainCommand)
@KEY_ID
@click.option("--at", metavar="TIME", help="Its end, forward of the present one; a minute from now unless given.")
@act_options
def end_key(chain: Chain, path: Path, key_id: int, at: str | None, **who: Any) -> Answer:
    """Bring the end of an issuer key forward: tickets that it signed no longer open gates."""
    desk = open_desk(chain, path, **who)
    city, admin = desk.acting("admin")
    until = desk.standing.now + _SOON if at is None else parse_moment(at, desk.standing.now)
    present = desk.survey.issuer_key(city.code, key_id)
    return answer(desk.do(acts.end_key(desk.standing, city, admin, key_id, until, present)))


@click.command("add-submitter", cls=ChainCommand)
@ADDRESS
@act_options
def add_submitter(chain: Chain, path: Path, address: str, **who: Any) -> Answer:
    """Let a key sign the city's batches."""
    desk = open_desk(chain, path, **who)
    city, admin = desk.acting("admin")
    key = checked_address(address, "ADDRESS")
    is_one = desk.survey.is_submitter(city.code, key)
    return answer(desk.do(acts.add_submitter(desk.standing, city, admin, key, is_one)))


@click.command("remove-submitter", cls=ChainCommand)
@ADDRESS
@act_options
def remove_submitter(chain: Chain, path: Path, address: str, **who: Any) -> Answer:
    """Stop a key from signing the city's batches."""
    desk = open_desk(chain, path, **who)
    city, admin = desk.acting("admin")
    key = checked_address(address, "ADDRESS")
    is_one = desk.survey.is_submitter(city.code, key)
    return answer(desk.do(acts.remove_submitter(desk.standing, city, admin, key, is_one)))


@click.command("move-admin", cls=ChainCommand)
@ADDRESS
@act_options
def move_admin(chain: Chain, path: Path, address: str, **who: Any) -> Answer:
    """Propose another admin of the city; in 2 days it may accept."""
    desk = open_desk(chain, path, **who)
    city, admin = desk.acting("admin")
    return answer(desk.do(acts.move_admin(desk.standing, city, admin, checked_address(address, "ADDRESS"))))


@click.command("accept-admin", cls=ChainCommand)
@act_options
def accept_admin(chain: Chain, path: Path, **who: Any) -> Answer:
    """Take over as the city's admin; who was proposed signs."""
    desk = open_desk(chain, path, **who)
    city, proposed = desk.acting("proposed admin")
    return answer(desk.do(acts.accept_admin(desk.standing, city, proposed)))


@click.command("move-treasury", cls=ChainCommand)
@ADDRESS
@act_options
def move_treasury(chain: Chain, path: Path, address: str, **who: Any) -> Answer:
    """Propose another treasury of the city; in 2 days it may accept.

    The treasury signs; the admin does where the city has none, because it was recovered.
    """
    desk = open_desk(chain, path, **who)
    city, actor = desk.acting("treasury", "admin")
    return answer(desk.do(acts.move_treasury(desk.standing, city, actor, checked_address(address, "ADDRESS"))))


@click.command("accept-treasury", cls=ChainCommand)
@act_options
def accept_treasury(chain: Chain, path: Path, **who: Any) -> Answer:
    """Take over as the city's treasury; who was proposed signs. Not while the treasury is frozen."""
    desk = open_desk(chain, path, **who)
    city, proposed = desk.acting("proposed treasury")
    return answer(desk.do(acts.accept_treasury(desk.standing, city, proposed)))


@click.command("cancel-changes", cls=ChainCommand)
@act_options
def cancel_changes(chain: Chain, path: Path, **who: Any) -> Answer:
    """Call off the proposed changes of admin, treasury and recovery address; the city's admin or treasury signs."""
    desk = open_desk(chain, path, **who)
    city, actor = desk.acting("admin", "treasury")
    return answer(desk.do(acts.cancel_changes(desk.standing, city, actor)))


@click.command(cls=ChainCommand)
@act_options
def freeze(chain: Chain, path: Path, **who: Any) -> Answer:
    """Stop the treasury's withdrawals, refunds, disputes, limits, and its handing on; the admin signs."""
    desk = open_desk(chain, path, **who)
    city, admin = desk.acting("admin")
    return answer(desk.do(acts.freeze(desk.standing, city, admin, True)))


@click.command(cls=ChainCommand)
@act_options
def unfreeze(chain: Chain, path: Path, **who: Any) -> Answer:
    """Allow again what `freeze` stopped; the admin signs."""
    desk = open_desk(chain, path, **who)
    city, admin = desk.acting("admin")
    return answer(desk.do(acts.freeze(desk.standing, city, admin, False)))


# ---------------------------------------------------------------- tariff, tickets, leaving


@click.command(cls=ChainCommand)
@click.argument("gtfs", type=click.Path(exists=True, path_type=Path))
@click.option("--uri", required=True, help="Where anyone can get it.")
@click.option("--from", "valid_from", metavar="TIME", help="From when it holds; at once unless it is given.")
@act_options
def tariff(chain: Chain, path: Path, gtfs: Path, uri: str, valid_from: str | None, **who: Any) -> Answer:
    """Publish a tariff: the URI and the hash of GTFS, a folder or a zip, and from when it holds."""
    desk = open_desk(chain, path, **who)
    city, admin = desk.acting("admin")
    since = 0 if valid_from in (None, "now") else parse_moment(str(valid_from), desk.standing.now)
    digest = tariff_hash(gtfs)
    deed = acts.publish_tariff(desk.standing, city, admin, uri, digest, since, desk.survey.tariffs(city.code))
    return answer(desk.do(deed, hash=f"0x{digest.hex()}"))


@click.command(cls=ChainCommand)
@click.argument("serials", nargs=-1, required=True)
@click.option("--operator", required=True, metavar="CITY", help="The city that the tickets are good for.")
@act_options
def revoke(chain: Chain, path: Path, serials: tuple[str, ...], operator: str, **who: Any) -> Answer:
    """Revoke tickets that the city issued, by SERIALS such as 5 or 7-12."""
    desk = open_desk(chain, path, **who)
    city, admin = desk.acting("admin")
    where = desk.city(operator)
    revoked = desk.survey.revoked(city.code, where.code)
    return answer(desk.do(acts.revoke(desk.standing, city, admin, where, parse_serials(serials), revoked)))


@click.command(cls=ChainCommand)
@click.option("--yes", is_flag=True, help="Leave: it is for good.")
@act_options
def leave(chain: Chain, path: Path, yes: bool, **who: Any) -> Answer:
    """Leave the consortium, and show what is left to do until the city has all of its money.

    Without --yes, shows that alone; exit status 1 unless it has left.
    """
    desk = open_desk(chain, path, **who)
    city, admin = desk.acting("admin")
    if city.exited_at:
        deed = acts.Deed("leave", (f"nothing to do: {city.label} left at {format_moment(city.exited_at)}",))
    else:
        deed = acts.leave(desk.standing, city, admin)
    if not (yes or city.exited_at):
        desk.dry_run = True
    outcome = desk.do(deed)
    after = desk.standing.cities[city.code]
    left = acts.left_to_do(desk.standing, after, _disputed(desk, after))
    waits = () if yes or city.exited_at or who["dry_run"] else (f"{city.label} hasn't left: add --yes",)
    return answer(outcome.saying(*left, waits_for=waits))


def _disputed(desk: Desk, city: City) -> int:
    others = [code for code in desk.standing.cities if code != city.code]
    return sum(
        desk.survey.disputed(desk.standing.house, *pair)
        for other in others
        for pair in ((city.code, other), (other, city.code))
    )


# ---------------------------------------------------------------- how all stand


@click.command(cls=ChainCommand)
@common_options
def status(chain: Chain, path: Path) -> Answer:
    """Show members, their seats, keys, money and limits, rules, a stop, a successor, open proposals.

    Exit status: 0, and 1 while settlement stands still.
    """
    desk = open_desk(chain, path)
    found = desk.proposals()
    standing = desk.standing
    limited = [city for city in standing.cities.values() if standing.house.accounts[city.code].withheld]
    withheld = {city.code: [one for one in read_withheld(chain, standing, city) if one.amount] for city in limited}
    called_off = read_called_off(chain, standing)
    document = standing.to_json() | {
        "proposals": [one.to_json(standing) for one in found],
        "withheld": {str(code): [one.to_json() for one in some] for code, some in withheld.items()},
        "successors_called_off": called_off,
    }
    status = NOT_YET if standing.house.stopped_until > standing.now else 0
    return Answer(document, status_tables(standing, found, withheld, called_off), (), status)


CITY_COMMANDS: Final = (
    status,
    add_key,
    end_key,
    add_submitter,
    remove_submitter,
    move_admin,
    accept_admin,
    move_treasury,
    accept_treasury,
    cancel_changes,
    freeze,
    unfreeze,
    tariff,
    revoke,
    leave,
)
