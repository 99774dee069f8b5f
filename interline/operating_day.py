"""A city's operating day: the day that a ride belongs to for accounts. It begins at night, when no train runs."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from interline.errors import OperatingDayError

_STARTS: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class OperatingDay:
    """The rule by which moments become days: an IANA time zone, and the local time at which a day begins.

    The day of a date lasts from that local time on the date up to, not including, that of the next date. Where clocks
    are put forward or back, a day has 23 or 25 hours; a beginning that falls into the missing hour is an hour later on
    the clock, one that comes twice counts the first time.

    Raises:
        OperatingDayError: a time zone that isn't known here, or a time not written like 04:00.
    """

    timezone: str = "Asia/Shanghai"
    starts: str = "04:00"

    def __post_init__(self) -> None:
        if not isinstance(self.starts, str) or not _STARTS.fullmatch(self.starts):
            raise OperatingDayError(f'expected a time of day like "04:00", came {self.starts!r}: write HH:MM in quotes')
        _zone(self.timezone)

    def day_of(self, second: int) -> date:
        """The operating day of a moment (Unix seconds)."""
        for start, day in _around(self, second // _SECONDS):
            if second >= start:
                return day
        raise AssertionError(f"no operating day around {second}")  # pragma: no cover

    def start_of(self, day: date) -> int:
        """The first second of an operating day, Unix seconds."""
        local = datetime.combine(day, time.fromisoformat(self.starts), _zone(self.timezone))
        return int(local.timestamp())

    def __str__(self) -> str:
        return f"{self.starts} {self.timezone}"


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise OperatingDayError(
            f"expected a time zone like Asia/Shanghai, came {name!r}, which isn't known here: correct it, or install "
            "the package tzdata"
        ) from error


@lru_cache(maxsize=4096)
def _around(rule: OperatingDay, utc_day: int) -> tuple[tuple[int, date], ...]:
    """(first second, operating day) of the days that a UTC day may touch, the latest first."""
    middle = datetime.fromtimestamp(utc_day * _SECONDS, UTC).date()
    days = [middle + timedelta(days=offset) for offset in (2, 1, 0, -1, -2, -3)]
    return tuple((rule.start_of(day), day) for day in days)
