"""How many rides there are on each day, and when what was ridden is settled."""

from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from demo.year.story import (
    BEGIN,
    DAY,
    DAY_OFF,
    DAYS,
    END,
    FIRST_DAY,
    HOLIDAYS,
    HOUR,
    MONTHS,
    PEAK_ABOVE,
    PEAK_DAY,
    WEEKDAY,
)

_NOISE: Final = 0.02  # standard deviation of a day's rides, relative
_OFTEN: Final[tuple[int, ...]] = (11 * HOUR, 16 * HOUR, 20 * HOUR + HOUR // 2, 23 * HOUR + 50 * 60)


def rides_of_days(rides: int, seed: int) -> NDArray[np.int64]:
    """Rides of each day from the first on; they add up to `rides`, and no day has more than the busiest."""
    noise = np.random.default_rng([seed, 1]).normal(1.0, _NOISE, DAYS)
    weights = np.array([_weight(FIRST_DAY + timedelta(days=day)) for day in range(DAYS)]) * noise
    weights[(PEAK_DAY - FIRST_DAY).days] = PEAK_ABOVE * weights.max()
    exact = weights * (rides / weights.sum())
    counts: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    order = np.argsort(counts - exact, kind="stable")
    counts[order[: rides - int(counts.sum())]] += 1
    return counts


def settlement_times(rides: int) -> NDArray[np.int64]:
    """When operators send their batches, Unix seconds: the more there are, the more often."""
    if rides >= 200_000:
        step, moments = 1, _OFTEN
    else:
        step, moments = (1 if rides >= 20_000 else 3 if rides >= 2_000 else 7), _OFTEN[-1:]
    times = [BEGIN + day * DAY + moment for day in range(0, DAYS, step) for moment in moments]
    return np.array([*times, END], dtype=np.int64)


def _weight(day: date) -> float:
    off = day.weekday() >= 5 or any(first <= day <= last for first, last in HOLIDAYS)
    return MONTHS[day.year, day.month] * (DAY_OFF if off else WEEKDAY)
