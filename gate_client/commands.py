"""What the commands share: exit statuses, failing, documents and passwords."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NoReturn

import click

from gate_client.errors import ConfigError

EXIT_CANNOT_WORK = 2


def fail(message: str) -> NoReturn:
    """End the command with one line on standard error."""
    click.echo(f"error: {message}", err=True)
    raise click.exceptions.Exit(EXIT_CANNOT_WORK)


def print_document(document: dict[str, object]) -> None:
    """One JSON document on standard output, at once."""
    click.echo(json.dumps(document, ensure_ascii=False))
    sys.stdout.flush()


def ask_password(keystore: Path, variable: str) -> str:
    """A keystore's password from the person at the terminal; `variable` is where it could have been.

    Raises:
        ConfigError: there is nobody to ask.
    """
    try:
        return str(click.prompt(f"Password of {keystore}", hide_input=True, err=True))
    except (click.Abort, AttributeError):  # a closed standard input has no lines to read
        if sys.stdin is not None and sys.stdin.isatty():
            raise
        raise ConfigError(
            f"nobody gave the password of {keystore}; set {variable}, or run this at a terminal"
        ) from None
