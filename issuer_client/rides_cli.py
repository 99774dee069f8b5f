"""`issuer-client rides` and `move-domain`: what the office has to do with the chain."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from interline.batch_source import read_batch_files
from interline.errors import BatchFileError
from interline.fields import UINT16_MAX
from interline.money import format_yuan
from interline.settings import contract_address
from interline.signatures import to_checksum
from issuer_client.commands import EXIT_REFUSED, configuration, counted, local_time, print_json, print_table
from issuer_client.config import IssuerConfig
from issuer_client.errors import ConfigError, DomainRefusedError
from issuer_client.feed import WITHDRAWN, Feed, Statement
from issuer_client.feed_output import Names, Total, statement_document, total_of, totals, update_csv
from issuer_client.feed_reading import FeedReader
from issuer_client.office import city_files
from issuer_client.register import TicketRegister, open_database

if TYPE_CHECKING:
    from issuer_client.chain import Chain

TIMES = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")

batch_option = click.option(
    "--batch",
    "batch_files",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    help="A settled batch's bytes, raw or as 0x and digits, where the node doesn't show them; may be repeated.",
)
rpc_option = click.option("--rpc", metavar="URL", help="The node's JSON-RPC, in place of the settings' `rpc`.")


def open_chain(config: IssuerConfig, rpc: str | None) -> "Chain":
    """The chain at `rpc`, or at the settings'; what asks a node is loaded here and not before.

    Raises:
        ConfigError: there is neither.
        ChainError: the Clearinghouse isn't there, or is none.
    """
    from issuer_client.chain import Chain

    url = rpc or config.rpc
    if url is None:
        raise ConfigError("rpc: expected the address of a node, came none; give --rpc, or set `rpc`")
    chain = Chain(url, config.clearinghouse)
    chain.check_domain(config.domain)
    return chain


@click.command("rides")
@click.option("--all", "every", is_flag=True, help="List from the start, not only what is new.")
@click.option("--since", type=click.DateTime(TIMES), help="Rides that ended then or later (this machine's time zone).")
@click.option("--until", type=click.DateTime(TIMES), help="Rides that ended before then.")
@click.option("--operator", type=click.IntRange(0, UINT16_MAX), help="Rides in this city alone.")
@click.option("--flagged", is_flag=True, help="Only what doesn't match what was issued.")
@click.option(
    "--csv", "csv_file", type=click.Path(path_type=Path), help="Bring FILE up to the feed's end, an entry a line."
)
@batch_option
@click.option("--offline", is_flag=True, help="List what was read before, without asking the chain.")
@click.option("--confirmations", type=click.IntRange(0), help="Leave the newest blocks for later: how many.")
@rpc_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def list_rides(
    ctx: click.Context,
    every: bool,
    since: datetime | None,
    until: datetime | None,
    operator: int | None,
    flagged: bool,
    csv_file: Path | None,
    batch_files: tuple[Path, ...],
    offline: bool,
    confirmations: int | None,
    rpc: str | None,
    as_json: bool,
) -> None:
    """List the rides that settled on this city's tickets, read from the chain: what its riders are to be billed for.

    Without --all, --since, --until, --operator and --flagged, those that are new since the last time this was asked:
    new rides, and earlier ones of which something was refunded. Run again after it was stopped, it goes on where it
    was; nothing is lost or there twice. A batch whose bytes weren't found is listed as unread, with its fares; they are
    looked for each time, and its rides take its place when they turn up, or are given with --batch.

    Exit status: 0 all match what was issued; 1 some of those listed are flagged; 2 cannot work.
    """
    config = configuration(ctx)
    if offline and batch_files:
        raise click.UsageError("--batch is read with the chain: leave out --offline")
    given = read_batch_files(batch_files)
    cities = city_files(config)
    names = Names(cities)
    with Feed(config) as feed:
        if not offline:
            with TicketRegister(config) as register:
                depth = config.confirmations if confirmations is None else confirmations
                chain = open_chain(config, rpc)
                FeedReader(config.city, chain, feed, register, cities, confirmations=depth, given=given).read()
            keep_given(feed, given)
        if csv_file is not None:
            update_csv(csv_file, feed, names)
        chosen = every or flagged or any(value is not None for value in (since, until, operator))
        after, last = (0 if chosen else feed.delivered()), feed.last_number()
        statements = feed.statements(after=after, since=_seconds(since), until=_seconds(until), operator=operator)
        statements = [one for one in statements if one.flags or not flagged]
        if as_json:
            print_json(_document(config, feed, statements, names, after, last))
        else:
            _show(config, statements, names, after, chosen)
        if not chosen:
            feed.deliver(last)
    if any(one.flags and one.there for one in statements):
        ctx.exit(EXIT_REFUSED)


def keep_given(feed: Feed, given: Mapping[bytes, bytes]) -> None:
    """Keep the bytes that were given by hand, each of a batch that the feed has.

    Raises:
        BatchFileError: the feed has no such batch.
    """
    for batch_id in given:
        if not feed.has_batch(batch_id):
            unread = ", ".join(f"0x{one.batch_id.hex()}" for one in feed.unread()) or "none"
            raise BatchFileError(
                f"--batch: expected bytes whose hash is the id of a batch with rides on this city's tickets (unread: "
                f"{unread}), got 0x{batch_id.hex()}: they are of another batch, or were changed; ask its operator again"
            )
    if given:
        feed.keep_given(given)


@click.command("move-domain")
@click.argument("address")
@click.option("--unchecked", is_flag=True, help="Don't ask the chain whether it is the successor.")
@rpc_option
@click.pass_context
def move_domain(ctx: click.Context, address: str, unchecked: bool, rpc: str | None) -> None:
    """Go on at the Clearinghouse at ADDRESS, the successor of the one in the settings; or back at the one before it,
    where the successor was called off.

    Its tickets are signed for the new one from then on. Serials go on where they are; tickets that were issued before
    keep their Clearinghouse, settle there, and stay in the feed. Set `clearinghouse` in the settings afterwards: until
    then the office issues nothing.
    """
    config = configuration(ctx)
    successor = contract_address(address, Path())
    with open_database(config, anywhere=True) as database:
        current = contract_address(database.known["clearinghouse"], Path())
    if current not in (config.clearinghouse, successor):
        raise ConfigError(
            f"clearinghouse: expected {to_checksum(current)}, where the office is, came "
            f"{to_checksum(config.clearinghouse)}; correct the settings"
        )
    with TicketRegister(replace(config, clearinghouse=current)) as register:
        back = register.has_left(successor)
        if current != successor and not unchecked:
            _check_move(config, rpc, current, successor, back)
        issued = register.move(successor, back=back)
    click.echo(
        f"Moved to {to_checksum(successor)} after {counted(issued, 'ticket')}. "
        f'Set clearinghouse = "{to_checksum(successor)}" in {ctx.find_object(Path)}.'
    )


def _check_move(config: IssuerConfig, rpc: str | None, current: bytes, address: bytes, back: bool) -> None:
    """Ask the chain whether an office may go on there: to a successor, or back from one that was called off.

    Raises:
        DomainRefusedError: it may not.
    """
    line = [
        house.address for house in open_chain(replace(config, clearinghouse=address) if back else config, rpc).line()
    ]
    if back and current in line:
        raise DomainRefusedError(
            f"Clearinghouse: expected one that the office has not left, came {to_checksum(address)}; it is at "
            f"{to_checksum(current)}, which the chain names as its successor: stay there"
        )
    if not back and address not in line[line.index(current) + 1 :]:
        raise DomainRefusedError(
            f"Clearinghouse: expected a successor of {to_checksum(current)}, came {to_checksum(address)}, which "
            "the chain doesn't name as one; correct it, or wait until the consortium has named it"
        )


def _document(
    config: IssuerConfig, feed: Feed, statements: list[Statement], names: Names, after: int, last: int
) -> dict[str, object]:
    by_operator = totals(statements, after)
    operators: list[dict[str, object]] = [
        {"operator": operator, "name": names.city(operator), **total.document()}
        for operator, total in by_operator.items()
    ]
    block, block_hash = next(iter(feed.checkpoints()), (None, b""))
    return {
        "issuer": config.city,
        "clearinghouse": to_checksum(config.clearinghouse),
        "block": block,
        "block_hash": f"0x{block_hash.hex()}",
        "after": after,
        "last": last,
        "rides": [statement_document(one, names) for one in statements if one.item.ride is not None],
        "unread": [statement_document(one, names) for one in statements if one.item.ride is None],
        "operators": operators,
        "total": total_of(by_operator.values()).document(),
    }


def _show(config: IssuerConfig, statements: list[Statement], names: Names, after: int, chosen: bool) -> None:
    news = "" if chosen else "new or changed "
    print_table(
        f"{counted(len(statements), f'{news}ride')} on tickets of {config.city}, yuan",
        ("ended", "city", "serial", "from – to", "fare", "net", "batch", "flags"),
        [_line(one, names) for one in statements],
        wrapped=("from – to", "flags"),
    )
    by_operator = totals(statements, after)
    print_table(
        "In all, yuan",
        ("city", "rides", "fares", "refunded", "net", "flagged"),
        [
            *((names.city(operator) or operator, *_sums(total)) for operator, total in by_operator.items()),
            ("all", *_sums(total_of(by_operator.values()))),
        ],
    )


def _line(statement: Statement, names: Names) -> tuple[object, ...]:
    item, ride = statement.item, statement.item.ride
    city = names.city(item.operator) or item.operator
    batch = item.batch_id.hex()[:6]
    flags = " ".join(statement.flags if statement.there else (*statement.flags, WITHDRAWN))
    fare, net = format_yuan(item.amount), format_yuan(statement.net)
    if ride is None:
        return local_time(item.time)[:16], city, "", counted(item.rides, "ride"), fare, net, batch, flags

    def station(number: int) -> str:
        return names.station(item.operator, number) or str(number or "?")

    way = f"{station(ride.entry_station)} – {station(ride.exit_station)}"
    return local_time(ride.exited_at)[:16], city, ride.serial, way, fare, net, f"{batch}:{item.place}", flags


def _sums(total: Total) -> tuple[object, ...]:
    amounts = map(format_yuan, (total.fares, total.refunded, total.net))
    return (total.rides, *amounts, total.flagged)


def _seconds(when: datetime | None) -> int | None:
    return None if when is None else int(when.timestamp())
