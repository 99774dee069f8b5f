"""`issuer-client wallet`: the commands of the wallet for tests and demos."""

import time
from pathlib import Path
from typing import TextIO

import click

from interline.code import Code
from interline.fields import UINT16_MAX, UINT40_MAX
from interline.money import format_yuan
from interline.ticket import Ticket
from issuer_client.commands import configuration, counted, local_time, open_wallet, print_json, print_table
from issuer_client.documents import code_document, read_tickets, ticket_document, to_hex
from issuer_client.errors import QrError, WalletError
from issuer_client.office import city_files
from issuer_client.qr import terminal_text, write_png
from issuer_client.wallet import Wallet

DEFAULT_BOX = 8
"""Pixels to a module where a person looks at the picture."""

_as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
_wallet_path = click.option(
    "--wallet", "wallet_path", type=click.Path(path_type=Path), help="The wallet's file, in place of the settings'."
)


@click.group("wallet")
def wallet_group() -> None:
    """A wallet for tests and demos. NOT a rider's wallet.

    A rider's wallet lives on a phone, and its keys in the phone's secure hardware, which never gives them away. This
    one keeps its private keys unencrypted in a file that only you can read.
    """


@wallet_group.command("new-keys")
@click.option("--count", type=click.IntRange(1, 10_000), default=1, show_default=True, help="How many keys.")
@_wallet_path
@_as_json
@click.pass_context
def new_keys(ctx: click.Context, count: int, wallet_path: Path | None, as_json: bool) -> None:
    """Make rider keys, one for each ticket to come, and print their public halves, one on a line."""
    with open_wallet(configuration(ctx), wallet_path) as wallet:
        keys = [to_hex(key) for key in wallet.new_keys(count)]
    if as_json:
        print_json({"rider_keys": keys})
    else:
        click.echo("\n".join(keys))


@wallet_group.command("add")
@click.argument("file", type=click.File(encoding="utf-8"))
@click.option(
    "--mine", is_flag=True, help="Leave out tickets for rider keys of other wallets, instead of refusing all."
)
@_wallet_path
@_as_json
@click.pass_context
def add(ctx: click.Context, file: TextIO, mine: bool, wallet_path: Path | None, as_json: bool) -> None:
    """Take in the tickets of FILE (- is standard input), all of them or none.

    It holds lines of hexadecimals, or the JSON of `issue` or `tickets`. Each ticket must be for a rider key of this
    wallet, and, where the settings name the cities' files, signed by its issuer's key.
    """
    config = configuration(ctx)
    try:
        tickets = read_tickets(file.read())
    except UnicodeDecodeError:
        raise click.UsageError("FILE: expected text, came other bytes") from None
    cities = city_files(config)
    issuer_keys = None
    if cities is not None:
        issuer_keys = {(city.code, key.id): key.address for city in cities.values() for key in city.issuer_keys}
    with open_wallet(config, wallet_path) as wallet:
        if mine:
            tickets = [ticket for ticket in tickets if wallet.has_key(ticket.rider_key)]
        added = wallet.add(tickets, issuer_keys=issuer_keys)
    if as_json:
        print_json({"added": added, "known": len(tickets) - added})
    else:
        click.echo(f"{counted(added, 'ticket')} added, {len(tickets) - added} there already")


@wallet_group.command("list")
@_wallet_path
@_as_json
@click.pass_context
def list_wallet(ctx: click.Context, wallet_path: Path | None, as_json: bool) -> None:
    """List the wallet's tickets, oldest first."""
    config = configuration(ctx)
    with open_wallet(config, wallet_path) as wallet:
        tickets, keys = wallet.tickets(), wallet.key_count()
    if as_json:
        print_json(
            {
                "tickets": [ticket_document(ticket, config.domain) for ticket in tickets],
                "rider_keys": keys.keys,
                "rider_keys_without_ticket": keys.without_ticket,
            }
        )
        return
    print_table(
        f"{counted(len(tickets), 'ticket')}; {counted(keys.without_ticket, 'rider key')} without one",
        ("issuer", "operator", "serial", "good until", "cap, yuan"),
        [
            (ticket.issuer, ticket.operator, ticket.serial, local_time(ticket.not_after), format_yuan(ticket.fare_cap))
            for ticket in tickets
        ],
    )


@wallet_group.command("show")
@click.option("--operator", required=True, type=click.IntRange(0, UINT16_MAX), help="The city to ride in: its code.")
@click.option("--issuer", type=click.IntRange(0, UINT16_MAX), help="Tickets of this city alone.")
@click.option(
    "--serial", "serials", multiple=True, type=click.IntRange(0, UINT40_MAX), help="This ticket; may be repeated."
)
@click.option("--all", "every", is_flag=True, help="Every such ticket, expired ones too.")
@click.option("--png", metavar="PATH", help="Write pictures: a file for one code, a folder for several.")
@click.option(
    "--box", type=click.IntRange(1, 64), default=DEFAULT_BOX, show_default=True, help="Pixels to a module of it."
)
@click.option("--text", "as_text", is_flag=True, help="Print what the symbols hold, one code on a line.")
@click.option("--terminal", is_flag=True, help="Draw them in the terminal.")
@_wallet_path
@_as_json
@click.pass_context
def show(
    ctx: click.Context,
    operator: int,
    issuer: int | None,
    serials: tuple[int, ...],
    every: bool,
    png: str | None,
    box: int,
    as_text: bool,
    terminal: bool,
    wallet_path: Path | None,
    as_json: bool,
) -> None:
    """Show codes, freshly signed: a gate takes them for 30 seconds.

    Without --serial and --all, the oldest ticket that can still begin a ride. The same ticket is shown at entry and
    at exit. --json gives the texts too, alone or with --png.
    """
    if bool(png) + as_text + terminal + (as_json and not png) != 1:
        raise click.UsageError("give one of --png PATH, --text, --terminal and --json (--json goes with --png too)")
    if every and serials:
        raise click.UsageError("--all shows every ticket: leave out --serial")
    config = configuration(ctx)
    with open_wallet(config, wallet_path) as wallet:
        tickets = _chosen(wallet, operator, issuer, serials, every)
        codes = [wallet.code(ticket.issuer, ticket.operator, ticket.serial) for ticket in tickets]
    files = _write_pictures(codes, png, box) if png else [None] * len(codes)
    if as_json:
        documents = [code_document(code, config.domain, file) for code, file in zip(codes, files, strict=True)]
        print_json({"codes": documents})
        return
    for code, file in zip(codes, files, strict=True):
        if as_text:
            click.echo(code.to_text())
            continue
        if terminal:
            click.echo(terminal_text(code.to_text(), mask=None))
        click.echo(f"{file or 'Shown'}: ticket {code.ticket.serial} of {code.ticket.issuer} for {code.ticket.operator}")


def _chosen(wallet: Wallet, operator: int, issuer: int | None, serials: tuple[int, ...], every: bool) -> list[Ticket]:
    """The tickets that the options name, at least one."""
    named = bool(serials) or every
    tickets = wallet.tickets(issuer=issuer, operator=operator, good_at=None if named else int(time.time()))
    if not named:
        tickets = tickets[:1]
    for serial in serials:
        found = [ticket.issuer for ticket in tickets if ticket.serial == serial]
        if len(found) > 1:
            cities = ", ".join(map(str, found))
            raise WalletError(
                f"serial {serial}: expected one ticket for {operator}, came those of issuers {cities}; give --issuer"
            )
        if not found:
            raise WalletError(
                f"serial {serial}: expected a ticket of the wallet for {operator}, came none; see `wallet list`"
            )
    if serials:
        tickets = [ticket for ticket in tickets if ticket.serial in serials]
    if not tickets:
        raise WalletError(
            f"operator {operator}: expected a ticket{'' if named else ' that can still begin a ride'} for it in "
            f"{wallet.path}, came none; have one issued"
        )
    return tickets


def _write_pictures(codes: list[Code], png: str, box: int) -> list[str]:
    """Write each code into a file of its own; their paths."""
    path = Path(png)
    if len(codes) == 1 and not png.endswith("/") and not path.is_dir():
        paths = [path]
    else:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise QrError(
                f"{path}: expected a folder for {len(codes)} pictures ({error.strerror}); name another"
            ) from None
        paths = [path / f"{code.ticket.issuer}-{code.ticket.operator}-{code.ticket.serial}.png" for code in codes]
    for code, file in zip(codes, paths, strict=True):
        write_png(code.to_text(), file, box=box, mask=None)
    return [str(file) for file in paths]
