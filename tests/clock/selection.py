"""Which tests look at a clock at all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
_LOOKS: Final = re.compile(
    r"\btime\.time\(|datetime\.now|date\.today|time\.localtime|\bTZ\b|\bnow\(\)"  # at the machine's
    r"|\bChain\(|chain_in_the_past|small_world|year_world|local_city"  # at a chain's, whose blocks have the machine's
    r"|\bGateFolder\b|\bOfficeFolder\b|\bDesk\b|\bNetwork\b"  # runs commands that do
)
"""In a test's source. Rather too many files than too few."""
QUICK: Final = (
    "tests/e2e/test_readme.py",
    "tests/unit/ledger/test_statement.py",
    "tests/unit/issuer/test_cli.py",
    "tests/unit/gate/test_scan_command.py",
    "tests/unit/network/test_local_city.py",
)
"""A few that together walk through every program, in the time that CI has."""


def clock_dependent(folder: Path = REPOSITORY / "tests") -> list[str]:
    """The files with tests that look at a clock, relative to the repository."""
    return sorted(
        str(path.relative_to(folder.parent))
        for path in folder.rglob("test_*.py")
        if _LOOKS.search(path.read_text(encoding="utf-8"))
    )
