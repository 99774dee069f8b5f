"""What an accountant does at the end: holds the books against the contracts and the journals, and makes statements."""

from dataclasses import dataclass
from typing import Any, Final

from web3 import Web3

from demo.errors import DemoError
from demo.world import DEPLOYMENT, World
from interline.operating_day import OperatingDay

FORMS: Final = (("accrual", "xlsx"), ("settlement", "camt053"))
"""Statements that are made: basis and form."""


@dataclass(frozen=True, slots=True)
class Books:
    """What came of it."""

    checks: list[dict[str, Any]]
    """Of `ape run reconcile`: what each check compared, and how many differences it found."""
    city: int
    statement: dict[str, Any]
    """The last one's totals, opening and closing, as `ape run statement --json` has them; fen."""
    files: list[str]
    """Names of the statements' files."""


def keep_books(world: World, web3: Web3, city: int) -> Books:
    """Reconcile everything with the contracts and one city's journal; make its statements, into `out/demo/books`.

    Raises DemoError where a command fails.
    """
    folder = world.out / "books"
    folder.mkdir()
    index = ("--index", str(folder / "index.duckdb"), "--deployment", DEPLOYMENT)
    journal = ("--journal", str(world.folder(city) / "journal.db"))
    found = world.ape("reconcile", str(city), "--tariff", *journal, *index)
    begun, now = (int(web3.eth.get_block(number)["timestamp"]) for number in (1, "latest"))
    period = days_of(world.city(city).operating_day, begun, now)
    statement: dict[str, Any] = {}
    for basis, form in FORMS:
        made = ("--basis", basis, "--format", form, "--out", str(folder))
        statement = world.ape("statement", str(city), *period, *made, *index)
    files = sorted(path.name for path in folder.iterdir() if path.suffix != ".duckdb" and path.is_file())
    if len(files) != len(FORMS):
        raise DemoError(f"expected {len(FORMS)} statements in {folder}, came {files}")
    shown = {key: statement[key] for key in ("basis", "period", "opening", "closing", "totals")}
    return Books(found["checks"], city, shown, files)


def days_of(clock: OperatingDay, first: int, last: int) -> tuple[str, str, str, str]:
    """The options for the operating days from one moment to another, Unix seconds."""
    return "--from", clock.day_of(first).isoformat(), "--to", clock.day_of(last).isoformat()
