"""What the consortium may set, and from when on it holds (protocol sections 6 and 7): the whole history of it."""

from collections.abc import Callable
from dataclasses import astuple, dataclass, field

from tests.reference.errors import NotAllowed
from tests.reference.rules import DAY, STOP_LENGTH


@dataclass(frozen=True, slots=True)
class Parameters:
    """Fen and seconds."""

    max_fare: int = 20_000
    grace: int = DAY
    submission_window: int = 30 * DAY
    dispute_time: int = 30 * DAY
    answer_time: int = 10 * DAY
    dispute_fee: int = 500


@dataclass(slots=True)
class Schedule:
    """Which parameters hold for rides that end from when on; what is to hold later comes last."""

    changes: list[tuple[int, Parameters]] = field(default_factory=lambda: [(0, Parameters())])

    def at(self, moment: int) -> Parameters:
        """Those of a ride that ended then."""
        return [each for since, each in self.changes if since <= moment][-1]

    @property
    def last_two(self) -> list[Parameters]:
        """All that has to be known: what ended under earlier ones is over."""
        return [each for _, each in self.changes[-2:]]

    def known_at(self, moment: int) -> Parameters:
        """Those of a ride that ended then, as if there had been no others than the last two."""
        return self.last_two[-1 if moment >= self.changes[-1][0] else 0]

    def pending_at(self, now: int) -> tuple[tuple[int, ...] | None, int]:
        """Those that are to hold later, and from when on; (None, 0) if there are none."""
        since, last = self.changes[-1]
        return (astuple(last), since) if since > now else (None, 0)

    def set(self, to: Parameters, now: int) -> int:
        """Set the parameters; from when on they hold. What was to hold later is forgotten.

        Raises:
            NotAllowed: something may still come that goes by those before the last change.
        """
        if self.changes[-1][0] > now:
            self.changes.pop()
        elif now < self.earliest_change:
            raise NotAllowed("ParametersTooSoon")
        since = now + self.changes[-1][1].grace
        self.changes.append((since, to))
        return since

    @property
    def earliest_change(self) -> int:
        """When all is over that goes by the parameters before the last change; 0 if there was none."""
        if len(self.changes) == 1:
            return 0
        return self.changes[-1][0] + self.longest_claim

    @property
    def longest_claim(self) -> int:
        """How long after a city left, or the parameters changed, a ride can be refunded that began before gates knew of
        it: it ends, is sent, disputed and not answered. Each takes as long as in that of the last two in which it is
        longer.
        """
        graces, windows, disputes, answers = (
            max(getattr(each, name) for each in self.last_two)
            for name in ("grace", "submission_window", "dispute_time", "answer_time")
        )
        return graces + DAY + windows + 2 * STOP_LENGTH + disputes + answers

    def grace_after(self, exited_at: int) -> Callable[[int], int]:
        """The grace of a ride that ended then, after any moment: the shortest in force from that moment on until the
        ride ended, so that a longer one that came later brings nothing back.
        """

        def grace(moment: int) -> int:
            later = [each.grace for since, each in self.changes if moment < since <= exited_at]
            return min([self.at(min(moment, exited_at)).grace, *later])

        return grace
