"""The period of a statement: operating days, from the first to the last.

A period may be named by its days, or by today's (`this-month`). Which day today is says the chain, not this machine: it
is the operating day, by the city's own clock, of the block that the statement is made at. So a statement of this month
made again at its block is the same, a chain whose clock isn't the machine's has a month of its own, and the machine's
time zone plays no part.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final, Self

from ledger.errors import PeriodError

_YEAR: Final = re.compile(r"[0-9]{4}")
_MONTH: Final = re.compile(r"[0-9]{4}-[0-9]{2}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEARS: Final = range(1970, 2106)  # those of a uint32 of seconds
_ONE: Final = timedelta(days=1)
_EXAMPLES: Final = "2019-12, 2019-12-05 or 2019"


@dataclass(frozen=True, slots=True)
class Period:
    """Operating days from `first` to `last`, both included.

    Raises:
        PeriodError: the last day is before the first, or a year in which no block can be.
    """

    first: date
    last: date

    def __post_init__(self) -> None:
        for day in (self.first, self.last):
            if day.year not in _YEARS:
                raise PeriodError(f"expected a day from 1970 to 2105, came {day}: correct the year")
        if self.last < self.first:
            raise PeriodError(
                f"expected a period whose last day isn't before its first, came {self.first} to {self.last}: "
                "exchange the two"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """The period that `2019-12` (a month), `2019-12-05` (a day) or `2019` (a year) names.

        Raises:
            PeriodError: it names none.
        """
        found = cls._named(text)
        if found is None:
            raise PeriodError(f"expected a period like {_EXAMPLES}, found {text!r}: correct it")
        return found

    @classmethod
    def month_of(cls, day: date) -> Self:
        """The month that a day is in."""
        first = day.replace(day=1)
        return cls(first, (first.replace(day=28) + 4 * _ONE).replace(day=1) - _ONE)

    @classmethod
    def _named(cls, text: str) -> Self | None:
        try:
            if _DAY.fullmatch(text):
                day = date.fromisoformat(text)
                return cls(day, day)
            if _MONTH.fullmatch(text):
                return cls.month_of(date.fromisoformat(f"{text}-01"))
            if _YEAR.fullmatch(text):
                return cls(date(int(text), 1, 1), date(int(text), 12, 31))
        except (ValueError, OverflowError):
            pass
        return None

    @classmethod
    def between(cls, first: str, last: str) -> Self:
        """The period from one day to another, each like 2019-12-05.

        Raises:
            PeriodError: no such day, or the last is before the first.
        """
        return cls(cls.parse(_one_day(first)).first, cls.parse(_one_day(last)).first)

    @property
    def after(self) -> date:
        """The day after the last."""
        return self.last + _ONE

    def days(self) -> Iterator[date]:
        """Each day, in order."""
        for offset in range((self.last - self.first).days + 1):
            yield self.first + timedelta(days=offset)

    @property
    def name(self) -> str:
        """Of one day, a whole month or year what `parse` takes, else `2019-12-01_2019-12-15`."""
        for length in (10, 7, 4):
            text = self.first.isoformat()[:length]
            if self == Period.parse(text):
                return text
        return f"{self.first}_{self.last}"

    def __str__(self) -> str:
        return self.name.replace("_", " to ")


class RelativePeriod(StrEnum):
    """A period that is named by the day on which it is asked for."""

    THIS_MONTH = "this-month"
    LAST_MONTH = "last-month"
    TODAY = "today"
    YESTERDAY = "yesterday"

    def on(self, today: date) -> Period:
        """Its days, if it is asked for on operating day `today`.

        Raises:
            PeriodError: they are in a year in which no block can be.
        """
        match self:
            case RelativePeriod.THIS_MONTH:
                return Period.month_of(today)
            case RelativePeriod.LAST_MONTH:
                return Period.month_of(today.replace(day=1) - _ONE)
            case RelativePeriod.TODAY:
                return Period(today, today)
            case RelativePeriod.YESTERDAY:
                return Period(today - _ONE, today - _ONE)


def parse_period(text: str) -> Period | RelativePeriod:
    """What `Period.parse` reads, and `this-month`, `last-month`, `today` and `yesterday`.

    Raises:
        PeriodError: it names no period.
    """
    if text in set(RelativePeriod):
        return RelativePeriod(text)
    found = Period._named(text)
    if found is None:
        names = ", ".join(RelativePeriod)
        raise PeriodError(f"expected a period like {_EXAMPLES}, or one of {names}, found {text!r}: correct it")
    return found


def _one_day(text: str) -> str:
    if not _DAY.fullmatch(text):
        raise PeriodError(f"expected a day like 2019-12-05, came {text!r}: correct it")
    return text
