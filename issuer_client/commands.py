"""What the commands share: the configuration, the password, output for people and programs, exit statuses."""

import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.box import HEAVY_HEAD, SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from interline.errors import InterlineError
from issuer_client.config import IssuerConfig, load_config
from issuer_client.errors import ConfigError, IssuerError, RefusedError
from issuer_client.wallet import Wallet

PASSWORD_VARIABLE = "ISSUER_KEYSTORE_PASSWORD"
EXIT_REFUSED = 1
EXIT_CANNOT_WORK = 2


class Failure(click.ClickException):
    """An error that ends the command: its message on standard error, and its exit status."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.exit_code = EXIT_REFUSED if isinstance(error, RefusedError) else EXIT_CANNOT_WORK


class FailingGroup(click.Group):
    """A group whose commands' errors become messages and exit statuses."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (IssuerError, InterlineError) as error:
            raise Failure(error) from error


def configuration(ctx: click.Context) -> IssuerConfig:
    """The configuration that `--config` names."""
    path = ctx.find_object(Path)
    assert path is not None
    return load_config(path)


def open_wallet(config: IssuerConfig, path: Path | None) -> Wallet:
    """The wallet at `path`, or the one that the configuration names."""
    chosen = path or config.wallet
    if chosen is None:
        raise ConfigError("wallet: expected the path of a test wallet, came none; give --wallet, or set `wallet`")
    return Wallet(chosen, config.domain)


def keystore_password(config: IssuerConfig) -> str:
    """The keystore's password, from the environment or from the person at the terminal; never from the command line."""
    password = os.environ.get(PASSWORD_VARIABLE)
    if password is not None:
        return password
    if not sys.stdin.isatty():
        raise ConfigError(
            f"password: expected one in {PASSWORD_VARIABLE}, or a terminal to ask at, came neither; set the variable"
        )
    return str(click.prompt(f"Password of {config.keystore}", hide_input=True, err=True))


def print_json(document: object) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(document, ensure_ascii=False))


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, wrapped: Sequence[str] = ()
) -> None:
    """A table for people; numbers stand to the right. The columns `wrapped` give way in a narrow terminal."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD if wrapped else HEAVY_HEAD)
    for index, column in enumerate(columns):
        is_number = bool(rows) and all(isinstance(row[index], int) for row in rows)
        table.add_column(
            column, justify="right" if is_number else "left", no_wrap=column not in wrapped, overflow="fold"
        )
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console(markup=False, emoji=False).print(table)


def local_time(seconds: int) -> str:
    """Unix seconds as local date and time."""
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}"


def counted(number: int, thing: str) -> str:
    """`1 ticket`, `2 tickets`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
