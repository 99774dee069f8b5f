"""The table of SECURITY.md: for each harm and size of a consortium, the smallest coalition that reaches it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.governance.coalitions import ROLES, Coalition
from tests.governance.harms import HARMS, Harm
from tests.governance.harms import Path as Steps
from tests.governance.search import Count

SECURITY = Path(__file__).resolve().parents[2] / "SECURITY.md"
BEGIN = "<!-- made by `make governance UPDATE=1`: what coalitions of stolen keys reach -->"
END = "<!-- end of what `make governance UPDATE=1` makes -->"
SIZES = (1, 2, 3, 4, 5, 6)
NEVER = "never"


@dataclass(frozen=True, slots=True)
class Finding:
    """A cell of the table: the smallest coalition and its steps; None for both if none reaches the harm."""

    harm: Harm
    cities: int
    coalition: Coalition | None
    steps: Steps | None
    count: Count
    seconds: float

    @property
    def words(self) -> str:
        return NEVER if self.coalition is None else in_words(self.coalition)


def find(harm: Harm, cities: int) -> Finding:
    """A cell of the table."""
    count, began = Count(), time.perf_counter()
    found = harm.smallest(cities, count)
    coalition, steps = found if found else (None, None)
    return Finding(harm, cities, coalition, steps, count, time.perf_counter() - began)


def in_words(coalition: Coalition) -> str:
    """A coalition's keys: "2 admin, 1 recovery"; those of one city together: "admin + treasury of one city"."""
    parts = []
    for kind, times in sorted(Counter(kind for kind in coalition if kind).items()):
        names = " + ".join(ROLES[letter] for letter in kind)
        of = "one city" if times == 1 else f"{times} cities"
        parts.append(f"{times} {names}" if len(kind) == 1 else f"{names} of {of}")
    return ", ".join(parts)


def markdown(findings: Iterable[Finding]) -> list[str]:
    """The table's lines: a row for each harm, a column for each size."""
    cells = {(finding.harm.name, finding.cities): finding.words for finding in findings}
    sizes = sorted({cities for _, cities in cells})
    lines = [f"| cities | {' | '.join(map(str, sizes))} |", f"|---|{'---|' * len(sizes)}"]
    for harm in HARMS:
        lines.append(f"| {harm.words} | {' | '.join(cells[harm.name, cities] for cities in sizes)} |")
    return lines


def written(security: str) -> list[str]:
    """The table's lines between the markers of SECURITY.md."""
    return security.split(BEGIN)[1].split(END)[0].strip().splitlines()


def update(security: str, lines: list[str]) -> str:
    """SECURITY.md with another table between its markers."""
    before, rest = security.split(BEGIN)
    return before + BEGIN + "\n\n" + "\n".join(lines) + "\n\n" + END + rest.split(END)[1]


def columns(lines: list[str], cities: int) -> dict[str, str]:
    """One size's cells of such a table, by their row's words."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    place = rows[0].index(str(cities))
    return {row[0]: row[place] for row in rows[2:]}
