"""`ape run consortium`: giving a city back to its recovery address, and changing that address."""

from pathlib import Path
from typing import Any, Final

import click

from consortium import recovery
from consortium.act_options import act_options, answer, open_desk, signing_options
from consortium.acts import Actor
from consortium.calls import encode_call
from consortium.chain import Chain
from consortium.command import Answer, ChainCommand, common_options
from consortium.errors import InputError
from consortium.governing import Desk, checked_address
from consortium.standing import City

_ANY: Final = {"ignore_unknown_options": True, "allow_extra_args": True}
"""Of commands that are gone: whatever options they had, what they say comes first."""


@click.command("request-recovery", cls=ChainCommand)
@click.argument("city")
@signing_options
def request_recovery(chain: Chain, path: Path, city: str, **who: Any) -> Answer:
    """Ask the others to give CITY back to its recovery address, which signs.

    For keys that were stolen or lost. Two thirds of the other members, then a day's wait; where there are no others, a
    week's. The recovery address is then the city's admin, and names a treasury with `move-treasury`.
    """
    desk = open_desk(chain, path, **who)
    return answer(desk.request_recovery(desk.city(city)))


@click.command("withdraw-request", cls=ChainCommand)
@click.argument("number", metavar="ID", type=click.IntRange(min=1))
@signing_options
def withdraw_request(chain: Chain, path: Path, number: int, **who: Any) -> Answer:
    """Take a request for a recovery back; the recovery address that asked signs."""
    return answer(open_desk(chain, path, **who).withdraw_request(number))


@click.command("change-recovery", cls=ChainCommand)
@click.argument("address")
@click.option(
    "--role",
    type=click.Choice(["admin", "treasury"]),
    help="The key of the city that names it here; the admin, where its account is here, unless given.",
)
@act_options
def change_recovery(chain: Chain, path: Path, address: str, role: str | None, **who: Any) -> Answer:
    """Name another recovery address: the admin and the treasury each do, within 14 days.

    14 days after the second of them it may accept. A key is lost, or in wrong hands: this takes longer than a recovery.
    """
    desk = open_desk(chain, path, **who)
    city, actor = desk.acting(role) if role else desk.acting("admin", "treasury")
    new = checked_address(address, "ADDRESS")
    deed = recovery.change_recovery(desk.standing, city, actor, new, _is_refused(desk, city, actor, new))
    return answer(desk.do(deed))


def _is_refused(desk: Desk, city: City, actor: Actor, address: str) -> bool:
    data = encode_call("CityRegistry", "changeRecovery", city.code, address)
    return desk.chain.refusal(actor.address, desk.standing.registry, data) is not None


@click.command("accept-recovery", cls=ChainCommand)
@act_options
def accept_recovery(chain: Chain, path: Path, **who: Any) -> Answer:
    """Take over as the city's recovery address; who was named signs."""
    desk = open_desk(chain, path, **who)
    city, named = desk.acting("proposed recovery address")
    return answer(desk.do(recovery.accept_recovery(desk.standing, city, named)))


# ---------------------------------------------------------------- gone


@click.command(cls=ChainCommand, context_settings=_ANY)
@click.argument("city")
@common_options
def recover(chain: Chain, path: Path, city: str) -> Answer:
    """Not proposed by members any more: says what to do instead. See `request-recovery`."""
    desk = open_desk(chain, path)
    whose = desk.city(city)
    found = desk.open_request(whose)
    if found is not None:
        number = found.proposal.id
        raise InputError(
            f"expected a vote for the request of {whose.label}'s recovery address, proposal {number}: read it with "
            f"`ape run consortium show {number}`, then `ape run consortium vote {number} --as CITY`"
        )
    raise InputError(
        f"expected {whose.label}'s recovery address to ask, no member proposes a recovery any more: let the holder of "
        f"{whose.recovery.address} run `ape run consortium request-recovery {whose.name}`; then vote for its proposal"
    )


@click.command(context_settings=_ANY)
def consent() -> None:
    """Not needed any more: says what to do instead. See `request-recovery`."""
    raise click.UsageError(
        "no key of a city consents to a recovery any more, and no vote brings addresses along: the city's recovery "
        "address asks with `ape run consortium request-recovery CITY`, and two thirds of the others vote for it"
    )


RECOVERY_COMMANDS: Final = (
    request_recovery,
    withdraw_request,
    change_recovery,
    accept_recovery,
    recover,
    consent,
)
