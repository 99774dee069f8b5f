"""What a city's tickets may take from it in a day, and what is withheld above that (protocol section 6)."""

from collections import defaultdict
from dataclasses import dataclass, field

from tests.reference.rules import DAY

Pair = tuple[int, int]
"""(debtor, creditor)"""


@dataclass(slots=True)
class Withholding:
    """The cities' daily limits, in fen, and the fares above them, which are arrears that can't be paid yet. Days are
    UTC's.
    """

    limits: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    """0 for none."""
    taken_on: dict[int, tuple[int, int]] = field(default_factory=dict)
    """(day, what a city's tickets took on it): of the last day with a limit on which they took anything."""
    on_day: defaultdict[Pair, defaultdict[int, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    """What was withheld on each day, and not released since."""
    cancelled: defaultdict[Pair, int] = field(default_factory=lambda: defaultdict(int))
    """What of that corrections were set off against; whichever days are released first are the shorter for it."""

    def set_limit(self, city: int, limit: int) -> None:
        if not self.limits[city]:
            self.taken_on.pop(city, None)  # what was taken without a limit doesn't count
        self.limits[city] = limit

    def taken(self, city: int, now: int) -> int:
        day, amount = self.taken_on.get(city, (0, 0))
        return amount if day == now // DAY else 0

    def take(self, city: int, fares: int, now: int) -> int:
        """Count fares against a city's limit; what of them is within it."""
        if not self.limits[city]:
            return fares
        taken = self.taken(city, now)
        within = min(fares, max(0, self.limits[city] - taken))
        self.taken_on[city] = (now // DAY, taken + within)
        return within

    def withhold(self, debtor: int, creditor: int, amount: int, now: int) -> None:
        self.on_day[debtor, creditor][now // DAY] += amount

    def cap(self, debtor: int, creditor: int, arrears: int) -> None:
        """No more can be withheld than is owed."""
        self.cancelled[debtor, creditor] += max(0, self.of(debtor, creditor) - arrears)

    def release(self, debtor: int, creditor: int, day: int) -> int:
        """What was withheld on a day, and isn't cancelled, is withheld no longer."""
        withheld = self.on_day[debtor, creditor].pop(day, 0)
        cancelled = min(withheld, self.cancelled[debtor, creditor])
        self.cancelled[debtor, creditor] -= cancelled
        return withheld - cancelled

    def of(self, debtor: int, creditor: int) -> int:
        return sum(self.on_day[debtor, creditor].values()) - self.cancelled[debtor, creditor]

    def owed_by(self, debtor: int) -> int:
        return sum(self.of(*pair) for pair in list(self.on_day) if pair[0] == debtor)
