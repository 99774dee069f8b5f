"""From taps to rides (end of protocol section 4). Pure: no journal, no tariff, no clock of its own.

Pairing is kept apart from scanning, so that the two taps of a ride may come from different stations.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gate_client.tap import Direction, Tap
from gate_client.verifier import CODE_MAX_AGE

LONGEST_RIDE = 86_400
"""Seconds between entry and exit beyond which two taps don't pair."""

ALONE_AFTER = LONGEST_RIDE + CODE_MAX_AGE
"""Seconds after which a tap without its other half is closed alone.

A code may be shown for the last time within the 24 h and held to the gate up to 30 s later.
"""


@dataclass(frozen=True, slots=True)
class Journey:
    """The taps of one ride: both, or the only one there is (the other is None)."""

    entry: Tap | None
    exit: Tap | None

    def __post_init__(self) -> None:
        if self.entry is None and self.exit is None:
            raise ValueError("a journey has at least one tap")

    @property
    def taps(self) -> tuple[Tap, ...]:
        """The taps that there are."""
        return tuple(tap for tap in (self.entry, self.exit) if tap is not None)


def pair_taps(taps: Iterable[Tap], now: int) -> list[Journey]:
    """Make journeys of waiting taps; what may still find its other half is left out.

    `taps` hold at most one entry and one exit for each (issuer, serial); `now` is in Unix seconds.

    - An entry and an exit after it, by at most 24 h, are a journey.
    - A tap whose other half hasn't come within 24 h is a journey alone.
    - An exit that doesn't pair with its entry is part of none: the entry is a journey alone once its 24 h are over.
    """
    tickets: dict[tuple[int, int], dict[Direction, Tap]] = {}
    for tap in taps:
        tickets.setdefault((tap.issuer, tap.serial), {})[tap.direction] = tap
    journeys: list[Journey] = []
    for ticket in tickets.values():
        entry, exit_ = ticket.get(Direction.ENTRY), ticket.get(Direction.EXIT)
        if entry and exit_ and 0 < exit_.shown_at - entry.shown_at <= LONGEST_RIDE:
            journeys.append(Journey(entry, exit_))
        elif entry and _is_overdue(entry, now):
            journeys.append(Journey(entry, None))
        elif exit_ and not entry and _is_overdue(exit_, now):
            journeys.append(Journey(None, exit_))
    return journeys


def _is_overdue(tap: Tap, now: int) -> bool:
    return now > tap.shown_at + ALONE_AFTER
