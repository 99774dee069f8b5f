"""What a Clearinghouse's parameters say to a gate: those in force, those to come, and those before the last change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gate_client.errors import ChainError

DELAYED_BY_STOPS: Final = 6 * 86_400
"""Seconds by which a ride may settle later than its submission window: a stop of 3 days, and 3 days after it."""

_DAY: Final = 86_400
_LEAST: Final = 3_600
_MOST: Final = 3_650 * _DAY


@dataclass(frozen=True, slots=True)
class EvidenceTimes:
    """How long after its end a ride may be submitted, then disputed, and then answered for, in seconds."""

    submission: int
    dispute: int
    answer: int

    @property
    def total(self) -> int:
        """How long after a ride its codes may be asked for, if an emergency stop delayed it, too; seconds."""
        return self.submission + DELAYED_BY_STOPS + self.dispute + self.answer


@dataclass(frozen=True, slots=True)
class Terms:
    """One set of parameters: the highest fare (fen), how old a gate's list may be (seconds), and the times of rides."""

    max_fare: int
    grace: int
    times: EvidenceTimes

    def require_sane(self) -> None:
        """Refuse what no Clearinghouse that gates can work with would say.

        Raises:
            ChainError: a time below an hour or above ten years, or no fare at all.
        """
        times = (self.grace, self.times.submission, self.times.dispute, self.times.answer)
        if self.max_fare < 1 or not all(_LEAST <= time <= _MOST for time in times):
            raise ChainError(
                f"expected a highest fare above 0, and times of {_LEAST} to {_MOST} s, found {self.max_fare} fen and "
                f"{', '.join(map(str, times))} s"
            )


PROTOCOL_TERMS: Final = Terms(20_000, _DAY, EvidenceTimes(30 * _DAY, 30 * _DAY, 10 * _DAY))
"""Those that protocol sections 4, 6 and 8 give, for another vendor's Clearinghouse that says nothing of its own."""


@dataclass(frozen=True, slots=True)
class TermSets:
    """The parameters of a Clearinghouse as of a block.

    A ride is judged by the set that holds when it ends: `before` is that of rides from before the last change, `coming`
    that of rides from `valid_from` on (Unix seconds; 0 and None where nothing is to come).
    """

    in_force: Terms
    before: Terms | None = None
    coming: Terms | None = None
    valid_from: int = 0

    @property
    def all_sets(self) -> tuple[Terms, ...]:
        """Every set by which a ride may still be judged."""
        return tuple(one for one in (self.in_force, self.before, self.coming) if one is not None)

    @property
    def grace(self) -> int:
        """How old a gate's list may be: the least of the grace in force and the grace to come, seconds."""
        return min(one.grace for one in (self.in_force, self.coming) if one is not None)

    @property
    def evidence_for(self) -> int:
        """How long after a ride its codes may be asked for: the longest of all sets, seconds."""
        return max(one.times.total for one in self.all_sets)

    def require_sane(self) -> None:
        """As of each set.

        Raises:
            ChainError: one of them isn't.
        """
        for one in self.all_sets:
            one.require_sane()
