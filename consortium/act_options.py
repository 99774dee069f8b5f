"""What the commands of governing share: options, arguments, and how an outcome is answered."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from consortium.chain import Chain
from consortium.command import NOT_YET, Answer, common_options
from consortium.deployments import require_deployment
from consortium.errors import InputError
from consortium.governing import Desk
from consortium.outcome import Outcome
from consortium.tables import outcome_tables
from consortium.times import parse_length
from interline.fields import UINT40_MAX
from interline.money import parse_yuan

_Function = TypeVar("_Function", bound=Callable[..., Any])
_MOST_SERIALS: Final = 100_000


class Yuan(click.ParamType):
    """An amount in yuan with two decimals at most; fen inside."""

    name = "yuan"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Fen."""
        try:
            return value if isinstance(value, int) else parse_yuan(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Length(click.ParamType):
    """A length of time such as 7d, 12h, 30m or 90s; seconds inside."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Seconds."""
        try:
            return value if isinstance(value, int) else parse_length(value)
        except InputError as error:
            self.fail(str(error), param, ctx)


def act_options(function: _Function) -> _Function:
    """The options of every act: --as, --account, --dry-run, and those that every command has."""
    voice = click.option("--as", "voice", metavar="CITY", help="The city that acts: its name or code.")
    return _signing(voice(function))


def signing_options(function: _Function) -> _Function:
    """The same but for --as, for an act whose arguments say whose it is, or that anyone may do."""
    return _signing(function)


def vote_options(function: _Function) -> _Function:
    """The same, for an act of several cities at once."""
    voice = click.option("--as", "voice", metavar="CITY", multiple=True, help="A city that acts; may be repeated.")
    return _signing(voice(function))


def _signing(function: _Function) -> _Function:
    for option in (
        click.option("--account", metavar="NAME", help="Ape account (or address) that signs, not the registered one."),
        click.option("--dry-run", is_flag=True, help="Show what would change and what it costs; send nothing."),
    ):
        function = option(function)
    return common_options(function)


execute_option = click.option(
    "--execute", is_flag=True, help="Carry it out too if it can be now; exit status 1 if it can't yet."
)


def open_desk(
    chain: Chain,
    path: Path,
    voice: str | Sequence[str] | None = None,
    account: str | None = None,
    dry_run: bool = False,
) -> Desk:
    """The desk that an act is done at."""
    voices = [voice] if isinstance(voice, str) else voice or ()
    return Desk(chain, require_deployment(path), voices=voices, account=account, dry_run=dry_run)


def answer(outcome: Outcome) -> Answer:
    """An outcome, as a command says it."""
    remarks = [f"note: {note}" for note in outcome.notes] + [f"not yet: {line}" for line in outcome.waits_for]
    return Answer(outcome.to_json(), outcome_tables(outcome), remarks, NOT_YET if outcome.waits_for else 0)


def parse_serials(texts: Sequence[str]) -> list[int]:
    """Serials and ranges of them: `5 7-12`. Raises InputError where one is neither."""
    serials: set[int] = set()
    for text in texts:
        first, dash, last = text.partition("-")
        if not (first.isascii() and first.isdigit()) or (dash and not (last.isascii() and last.isdigit())):
            raise InputError(f"expected serials such as 5 or 7-12, came {text!r}: write numbers from 0")
        start, end = int(first), int(last) if dash else int(first)
        if not start <= end <= UINT40_MAX:
            raise InputError(f"expected a range from lower to higher, up to {UINT40_MAX}, came {text!r}: correct it")
        if end - start + 1 + len(serials) > _MOST_SERIALS:
            raise InputError(
                f"expected at most {_MOST_SERIALS:,} serials at once, came more with {text!r}: end the key"
            )
        serials.update(range(start, end + 1))
    return sorted(serials)


def parse_reference(text: str) -> bytes:
    """A bank reference, 32 bytes: 0x and 64 hexadecimal digits, or up to 32 bytes of text. Raises InputError."""
    raw = text.encode()
    if text.startswith("0x"):
        try:
            raw = bytes.fromhex(text[2:])
        except ValueError as error:
            raise InputError(f"expected a reference as text or as 0x and hex digits, came {text!r}: {error}") from error
    if len(raw) > 32:
        raise InputError(f"expected a reference of at most 32 bytes, came {len(raw)}: shorten {text!r}")
    return raw.ljust(32, b"\0")
