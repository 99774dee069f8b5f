"""Moments at which programs went wrong elsewhere, and the environment in which it is then, for all processes alike.

libfaketime (Debian's) shifts the clock of every process that is started with it, anvil and Node too, by one offset:
time goes on as ever. The monotonic clock stays, so that nothing that waits waits longer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

SITE: Final = Path(__file__).with_name("site")
LIBRARIES: Final = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


class NoFakeTimeError(Exception):
    """libfaketime isn't here."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When and where the tests are to run."""

    why: str
    at: datetime | None = None
    """In UTC; None is now."""
    zone: str | None = None
    """Of the machine (`TZ`); None leaves it."""

    def offset(self, now: float) -> int:
        """By how many seconds the clock has to be shifted."""
        return 0 if self.at is None else round(self.at.timestamp() - now)

    def environment(self, now: float, library: Path, before: Mapping[str, str]) -> dict[str, str]:
        """That of a process for which it is then, and of all that it starts."""
        changed = {} if self.zone is None else {"TZ": self.zone}
        if self.at is None:
            return {**before, **changed}
        return {
            **before,
            **changed,
            "LD_PRELOAD": f"{library}:{before['LD_PRELOAD']}" if before.get("LD_PRELOAD") else str(library),
            "FAKETIME": f"{self.offset(now):+d}",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(SITE), before.get("PYTHONPATH", "")))),
        }


def _utc(*fields: int) -> datetime:
    return datetime(*fields, tzinfo=UTC)  # type: ignore[misc,arg-type]


MOMENTS: Final[dict[str, Moment]] = {
    "month-utc": Moment("the last hour of a month in UTC: another month in China", _utc(2027, 4, 30, 23, 10)),
    "month-china": Moment("the last hour of a month in China", _utc(2027, 4, 30, 15, 10)),
    "small-hours": Moment("a new month in China whose first operating day hasn't begun", _utc(2027, 4, 30, 17, 0)),
    "year-utc": Moment("the last hour of a year in UTC: another year in China", _utc(2027, 12, 31, 23, 10)),
    "year-china": Moment("the last hour of a year in China", _utc(2027, 12, 31, 15, 10)),
    "leap-day": Moment("29 February", _utc(2028, 2, 29, 9, 0)),
    "2038": Moment("the end of 31 bits of seconds, a minute after the start", _utc(2038, 1, 19, 3, 13)),
    "2039": Moment("after the end of 31 bits of seconds", _utc(2039, 6, 15, 10, 0)),
    "los-angeles": Moment("a machine that keeps the time of Los Angeles", zone="America/Los_Angeles"),
    "kiritimati": Moment("a machine that keeps the time of Kiritimati, 14 hours before UTC", zone="Pacific/Kiritimati"),
}


def faketime_library() -> Path:
    """libfaketime's, the one for programs with threads.

    Raises:
        NoFakeTimeError: it isn't installed.
    """
    found = sorted(path for pattern in LIBRARIES for path in Path("/").glob(pattern.lstrip("/")))
    if not found:
        raise NoFakeTimeError(f"expected libfaketime at {' or '.join(LIBRARIES)}, found none; `make tools` installs it")
    return found[0]


def environment_at(moment: Moment) -> dict[str, str]:
    """This process's environment, but at that moment.

    Raises:
        NoFakeTimeError: libfaketime isn't installed, and is needed.
    """
    return moment.environment(time.time(), Path() if moment.at is None else faketime_library(), os.environ)
