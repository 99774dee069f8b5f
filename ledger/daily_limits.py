"""What a city's tickets may take from it in a day (UTC), counted as the contract counts it (protocol section 6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

DAY: Final = 86_400
"""Seconds of a day of the chain: it begins at midnight, UTC."""


@dataclass(slots=True)
class _Limit:
    """A city's: fen a day, and what of it was taken on one day (since 1970)."""

    most: int
    taken: int = 0
    day: int = 0


@dataclass(slots=True)
class DailyLimits:
    """The limits of the cities that have one, by code (uint16). Amounts in fen, days since 1970."""

    _of: dict[int, _Limit] = field(default_factory=dict)

    def set(self, city: int, most: int) -> None:
        """A city's treasury set its limit; 0 for none. Who had none before has taken nothing of it."""
        if not most:
            self._of.pop(city, None)
        elif city in self._of:
            self._of[city].most = most
        else:
            self._of[city] = _Limit(most)

    def limit(self, city: int) -> int:
        """A city's limit; 0 for none."""
        return self._of[city].most if city in self._of else 0

    def room(self, city: int, day: int, fares: int) -> int:
        """What of some fares is within a city's limit on a day."""
        limit = self._of.get(city)
        if limit is None:
            return fares
        return min(fares, max(limit.most - (limit.taken if limit.day == day else 0), 0))

    def take(self, city: int, day: int, fares: int) -> None:
        """Some fares settled on a day: what of them is within the limit counts."""
        limit = self._of.get(city)
        if limit is not None:
            within = self.room(city, day, fares)
            limit.taken = within + (limit.taken if limit.day == day else 0)
            limit.day = day
