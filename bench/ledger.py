"""The ledger over the article's first year: indexed from its first block, a month's statement, and what allows it.

Beside it, over the same chain: a plain script of web3 and SQLite, and the bounds that nobody gets under: the bytes out
of the node alone, and the signatures alone. Each step is a process of its own, so that its memory can be told.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.compiler import REPOSITORY
from bench.ledger_steps import STEPS
from bench.results import QUICK, machine
from demo.year import make_plan, make_year, year_chain
from demo.year.report import report, write_bank_book

RIDES: Final = 100_000
QUICK_RIDES: Final = 5_000
PACKAGES: Final = ("duckdb", "web3", "coincurve", "eth-account")


@dataclass(frozen=True)
class Where:
    """A year's chain: its node, its Clearinghouse, and the report of its making."""

    url: str
    clearinghouse: str
    made: dict[str, Any]
    folder: Path
    """Where `bank.csv` is, and where the index and the peer's file are written."""


def measure(*, rides: int = RIDES, node: Path | None = None, quick: bool = False) -> dict[str, Any]:
    """All figures, as a document for JSON: seconds and bytes.

    Args:
        node: the folder of a year that `python -m demo.year --serve` keeps running; one is made if None. The index
            stays in it.
    """
    QUICK.mkdir(parents=True, exist_ok=True)
    with _year(QUICK_RIDES if quick else rides, node) as where:
        steps = {name: _step(name, where) for name in STEPS}
    return {"machine": machine(PACKAGES), "made": where.made, "steps": steps}


@contextmanager
def _year(rides: int, node: Path | None) -> Iterator[Where]:
    if node is not None:
        made = json.loads((node / "report.json").read_text(encoding="utf-8"))
        url = (node / "url").read_text(encoding="utf-8").strip()
        yield Where(url, made["contracts"]["Clearinghouse"], made, node)
        return
    with year_chain(rides) as chain, tempfile.TemporaryDirectory(dir=QUICK) as folder:
        year = make_year(make_plan(rides), chain.url)
        write_bank_book(Path(folder) / "bank.csv", year)
        made = report(year)
        yield Where(chain.url, made["contracts"]["Clearinghouse"], made, Path(folder))


def _step(name: str, where: Where) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.ledger_steps", name, where.url, where.clearinghouse, str(where.folder)]
    sys.stderr.write(f"ledger: {name}\n")
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found
