"""`issuer-client`: the ticket office's commands. Those of the wallet are in :mod:`issuer_client.wallet_cli`."""

import logging
from pathlib import Path
from typing import TextIO

import click

from interline.fields import UINT16_MAX, UINT32_MAX
from interline.money import format_yuan
from interline.ticket import Ticket
from issuer_client.commands import (
    FailingGroup,
    configuration,
    counted,
    keystore_password,
    local_time,
    open_wallet,
    print_json,
    print_table,
)
from issuer_client.config import IssuerConfig
from issuer_client.disputes_cli import COMMANDS as DISPUTE_COMMANDS
from issuer_client.documents import issued_document, read_rider_keys, rider_key, ticket_document, to_hex
from issuer_client.durations import parse_duration
from issuer_client.office import TicketOffice
from issuer_client.register import TicketRegister
from issuer_client.rides_cli import list_rides, move_domain
from issuer_client.wallet_cli import wallet_group

MAX_COUNT = 10_000


class Duration(click.ParamType):
    """A length of time: 7d, 12h, 30m, 90s, or seconds."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group(cls=FailingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("issuer.toml"),
    show_default=True,
    help="The office's settings.",
)
@click.option("-v", "--verbose", is_flag=True, help="Say on standard error what is done.")
@click.pass_context
def main(ctx: click.Context, config: Path, verbose: bool) -> None:
    """A home city's ticket office, and a wallet for tests and demos. Tickets are issued without a network.

    Exit status: 0 done; 1 refused: nothing was issued or added, and asking for something else may succeed; 2 cannot
    work: settings, keystore, files or command line.
    """
    ctx.obj = config
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")


main.add_command(wallet_group)
main.add_command(list_rides)
main.add_command(move_domain)
for dispute_command in DISPUTE_COMMANDS:
    main.add_command(dispute_command)


@main.command()
@click.option(
    "--operator",
    required=True,
    type=click.IntRange(0, UINT16_MAX),
    help="The city that will carry the riders: its code.",
)
@click.option(
    "--count",
    type=click.IntRange(1, MAX_COUNT),
    help="How many tickets. Without rider keys, the test wallet makes so many; by default, one.",
)
@click.option(
    "--fare-cap",
    type=click.IntRange(0, UINT32_MAX),
    metavar="FEN",
    help="The most that is paid for a ride, in fen (1500 is 15 yuan). By default the operator's highest fare: what "
    "its gates ask for.",
)
@click.option(
    "--valid-for",
    type=Duration(),
    help="How long from now a ride may begin: 7d, 12h, 30m, 90s, or seconds. By default up to the end of a period of "
    "13 weeks, at least 7 days: the same for all riders.",
)
@click.option(
    "--wallet",
    "wallet_path",
    type=click.Path(path_type=Path),
    help="The test wallet to use, in place of the settings'.",
)
@click.option(
    "--rider-key",
    "rider_key_texts",
    multiple=True,
    metavar="HEX",
    help="A rider's key, 33 bytes; once for each ticket.",
)
@click.option(
    "--rider-keys",
    "rider_key_file",
    type=click.File(encoding="utf-8"),
    metavar="FILE",
    help="A file of rider keys, one on a line, or JSON of `wallet new-keys`; - is standard input.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def issue(
    ctx: click.Context,
    operator: int,
    count: int | None,
    fare_cap: int | None,
    valid_for: int | None,
    wallet_path: Path | None,
    rider_key_texts: tuple[str, ...],
    rider_key_file: TextIO | None,
    as_json: bool,
) -> None:
    """Issue tickets: one for each rider key, all of them or none.

    The riders' phones make the keys, a new one for each ticket. Without --rider-key and --rider-keys, the test wallet
    makes them, and the tickets go into it; with them, and without --json, each ticket is a line of hexadecimals on
    standard output. Every ticket is in the database before it is printed or stored.
    """
    config = configuration(ctx)
    given = _given_rider_keys(rider_key_texts, rider_key_file)
    if given is not None:
        if wallet_path is not None:
            raise click.UsageError("--wallet makes the rider keys itself: leave out --rider-key and --rider-keys")
        if count is not None and count != len(given):
            raise click.UsageError(f"--count {count}, but there are {len(given)} rider keys: leave out --count")
    stored_in: Path | None = None
    with TicketOffice.unlock(config, keystore_password(config)) as office:
        office.check_operator(operator)
        if given is not None:
            tickets = office.issue(operator, given, fare_cap=fare_cap, valid_for=valid_for)
        else:
            with open_wallet(config, wallet_path) as wallet:
                keys = wallet.new_keys(count or 1)
                tickets = office.issue(operator, keys, fare_cap=fare_cap, valid_for=valid_for)
                wallet.add(tickets)
                stored_in = wallet.path
        _warn_of_low_cap(office, operator, tickets[0].fare_cap)
        _warn_of_marks(office, tickets[0], valid_for)
    _show_issued(config, tickets, stored_in, as_json)


@main.command("tickets")
@click.option("--operator", type=click.IntRange(0, UINT16_MAX), help="Those for this city alone.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def list_tickets(ctx: click.Context, operator: int | None, as_json: bool) -> None:
    """List the tickets issued, in the order in which they were."""
    config = configuration(ctx)
    with TicketRegister(config) as register:
        issued = list(register.tickets(operator))
    if as_json:
        print_json({"issuer": config.city, "tickets": [issued_document(one) for one in issued]})
        return
    print_table(
        f"{counted(len(issued), 'ticket')} issued by {config.city}",
        ("operator", "serial", "issued", "good until", "cap, yuan"),
        [(one.ticket.operator, one.ticket.serial, local_time(one.issued_at), *_promise(one.ticket)) for one in issued],
    )


@main.command("serials")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def list_serials(ctx: click.Context, as_json: bool) -> None:
    """Show how many serials have been handed out for each operator."""
    config = configuration(ctx)
    with TicketRegister(config) as register:
        counts = register.serials()
    if as_json:
        print_json(
            {
                "issuer": config.city,
                "operators": [
                    {
                        "operator": count.operator,
                        "handed_out": count.handed_out,
                        "block": count.block,
                        "left_in_block": count.left_in_block,
                    }
                    for count in counts
                ],
            }
        )
        return
    print_table(
        f"Serials of {config.city}",
        ("operator", "handed out", "block", "left in block"),
        [(count.operator, count.handed_out, count.block, count.left_in_block) for count in counts],
    )


def _given_rider_keys(texts: tuple[str, ...], file: TextIO | None) -> list[bytes] | None:
    """The rider keys of the command line; None if it names none."""
    if not texts and file is None:
        return None
    keys = [rider_key(text) for text in texts]
    if file is not None:
        try:
            keys += read_rider_keys(file.read())
        except UnicodeDecodeError:
            raise click.UsageError("--rider-keys: expected text, came other bytes") from None
    return keys


def _warn_of_low_cap(office: TicketOffice, operator: int, fare_cap: int) -> None:
    if office.knows_fares and fare_cap < office.highest_fare(operator):
        click.echo(
            f"Warning: the gates of {operator} ask for a cap of {office.highest_fare(operator)} fen and will refuse "
            f"{fare_cap} (fare_cap_too_low)",
            err=True,
        )


def _warn_of_marks(office: TicketOffice, ticket: Ticket, valid_for: int | None) -> None:
    """The cap and the last second stand on the chain: others than everybody's tell a rider's rides from the rest."""
    own_cap = office.knows_fares and ticket.fare_cap != office.highest_fare(ticket.operator)
    fields = [name for name, own in (("--fare-cap", own_cap), ("--valid-for", valid_for is not None)) if own]
    if fields:
        click.echo(
            f"Warning: {' and '.join(fields)} can be seen on the chain and tell these tickets from all others: leave "
            "them out for riders' tickets",
            err=True,
        )


def _show_issued(config: IssuerConfig, tickets: list[Ticket], stored_in: Path | None, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "issuer": config.city,
                "operator": tickets[0].operator,
                "fare_cap": tickets[0].fare_cap,
                "not_after": tickets[0].not_after,
                "wallet": None if stored_in is None else str(stored_in),
                "tickets": [ticket_document(ticket, config.domain) for ticket in tickets],
            }
        )
    elif stored_in is None:
        for ticket in tickets:
            click.echo(to_hex(ticket.to_bytes()))
    else:
        print_table(
            f"{counted(len(tickets), 'ticket')} for {tickets[0].operator}, in {stored_in}",
            ("serial", "good until", "cap, yuan", "ticket hash"),
            [(ticket.serial, *_promise(ticket), f"0x{ticket.hash(config.domain).hex()[:8]}…") for ticket in tickets],
        )


def _promise(ticket: Ticket) -> tuple[str, str]:
    """Until when a ticket is good, and for how much."""
    return local_time(ticket.not_after), format_yuan(ticket.fare_cap)
