"""Every ride of the year, as columns of numbers: who, where, when, for how much, and when it is settled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from demo.year.days import rides_of_days, settlement_times
from demo.year.story import (
    BEGIN,
    DAY,
    END,
    HOUR,
    LATE,
    LEAST,
    LONE,
    NEW_KEY_CITY,
    NEW_KEY_FROM,
    REFUSED,
    SAME_STATION,
    Member,
    midnight,
)
from interline.reasons import RideReason
from interline.tariff import Tariff
from issuer_client.office import end_of_period
from issuer_client.serials import BLOCK

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FIRST_TRAIN: Final = 5 * HOUR + HOUR // 2
LAST_TRAIN: Final = 22 * HOUR + 55 * 60
SUBMISSION_WINDOW: Final = 30 * DAY
_AFTER_EXIT: Final = 600  # seconds from an exit until its ride can be in a batch
_WHY_REFUSED: Final = (RideReason.BadIssuerSignature, RideReason.AboveFareCap, RideReason.TooLate)


@dataclass(frozen=True, slots=True)
class Rides:
    """The columns: one entry for each ride, refused ones among them, in the order in which they were entered.

    Cities are codes, times Unix seconds, money fen. `reason` is 0 for a ride that settles. `slot` is the number of its
    settlement among `times`. A ride that is sent twice is there twice; its copy is refused.
    """

    issuer: Ints
    operator: Ints
    key_id: Ints
    serial: Ints
    entry_station: Ints
    exit_station: Ints
    entered_at: Ints
    exited_at: Ints
    not_after: Ints
    fare_cap: Ints
    fare: Ints
    reason: Ints
    slot: Ints
    times: Ints
    per_day: Ints
    """Rides that settle, by day of entry."""

    def __len__(self) -> int:
        return len(self.issuer)


def plan_rides(rides: int, seed: int, members: Sequence[Member]) -> Rides:
    """The year's rides: `rides` that settle, and a few more that are refused. The same for the same arguments."""
    extra = _at_least("refused", rides, REFUSED)
    new, copies = extra - extra // 4, extra // 4
    dice = np.random.default_rng([seed, 2])
    per_day = rides_of_days(rides, seed)
    days = np.sort(np.concatenate([np.repeat(np.arange(len(per_day)), per_day), _days_of_refused(dice, per_day, new)]))
    entered = BEGIN + days * DAY + _times_of_day(dice, len(days))
    order = np.argsort(entered, kind="stable")
    days, entered = days[order], entered[order]
    issuer, operator = _pairs(dice, days, members)
    columns = {"issuer": issuer, "operator": operator, "entered_at": entered}
    columns |= _ways(dice, seed, columns, members)
    columns |= _tickets(seed, columns, members)
    columns["reason"] = _refused(columns["entered_at"], per_day, days, new)
    columns["fare"] = np.where(columns["reason"] == RideReason.AboveFareCap, columns["fare_cap"] + 100, columns["fare"])
    times = settlement_times(rides)
    columns["slot"] = _slots(dice, columns, times)
    columns = _with_copies(dice, columns, copies, times)
    return Rides(**columns, times=times, per_day=per_day)


def _at_least(what: str, rides: int, share: float) -> int:
    return max(LEAST[what], round(rides * share))


def _days_of_refused(dice: np.random.Generator, per_day: Ints, count: int) -> Ints:
    """Days of rides that are refused: not in the last five weeks, or they could not come too late."""
    open_days = np.flatnonzero(per_day[:-40])
    chosen: Ints = dice.choice(open_days, count)
    return chosen


def _times_of_day(dice: np.random.Generator, count: int) -> Ints:
    """Seconds after midnight: two peaks, and the rest of the day."""
    kind = dice.random(count)
    morning, evening = dice.normal(8.2 * HOUR, 0.9 * HOUR, count), dice.normal(18 * HOUR, 1.3 * HOUR, count)
    other = dice.uniform(FIRST_TRAIN, LAST_TRAIN, count)
    seconds = np.where(kind < 0.25, morning, np.where(kind < 0.53, evening, other))
    inside = (seconds >= FIRST_TRAIN) & (seconds < LAST_TRAIN)
    return np.where(inside, seconds, other).astype(np.int64)


def _pairs(dice: np.random.Generator, days: Ints, members: Sequence[Member]) -> tuple[Ints, Ints]:
    """Issuer and operator of each ride, among the members of its day."""
    joined = np.array([(midnight(member.joined) - BEGIN) // DAY for member in members])
    issuer, operator = np.zeros_like(days), np.zeros_like(days)
    phases = [*np.unique(joined).tolist(), int(days.max()) + 1]
    for since, until in pairwise(phases):
        chosen = np.flatnonzero((days >= since) & (days < until))
        here = [member for member, day in zip(members, joined, strict=True) if day <= since]
        pairs = [(a, b) for a in here for b in here if a is not b]
        weights = np.array([a.traits.sends * b.traits.receives for a, b in pairs])
        drawn = dice.choice(len(pairs), len(chosen), p=weights / weights.sum())
        issuer[chosen] = np.array([a.code for a, _ in pairs])[drawn]
        operator[chosen] = np.array([b.code for _, b in pairs])[drawn]
    return issuer, operator


def _ways(
    dice: np.random.Generator, seed: int, columns: Mapping[str, Ints], members: Sequence[Member]
) -> dict[str, Ints]:
    """From where to where, how long, and the fare by the operator's tariff."""
    count = len(columns["operator"])
    entry, exit_, fare, cap = (np.zeros(count, dtype=np.int64) for _ in range(4))
    lone = np.zeros(count)
    lone[dice.choice(count, _at_least("lone", count, LONE), replace=False)] = 1
    lone *= dice.choice([-1, 1], count)  # -1: never left; 1: never entered
    for member in members:
        here = np.flatnonzero(columns["operator"] == member.code)
        entry[here], exit_[here] = _stations(dice, seed, member, len(here))
        entry[here[lone[here] > 0]] = 0
        exit_[here[lone[here] < 0]] = 0
        fare[here] = _fares(member.tariff)[entry[here], exit_[here]]
        cap[here] = member.tariff.highest_fare
    seconds = 240 + 130 * np.abs(entry - exit_) + dice.integers(0, 300, count)
    exited = columns["entered_at"] + np.where(lone != 0, 0, np.where(entry == exit_, 900, seconds))
    return {"entry_station": entry, "exit_station": exit_, "exited_at": exited, "fare": fare, "fare_cap": cap}


def _stations(dice: np.random.Generator, seed: int, member: Member, count: int) -> tuple[Ints, Ints]:
    """Stations of entry and exit: a few are busy, most aren't."""
    numbers = np.array([station.number for station in member.tariff.stations])
    weights = 1 / (3 + np.random.default_rng([seed, 3, member.code]).permutation(len(numbers)))
    weights /= weights.sum()
    entry, exit_ = dice.choice(len(numbers), count, p=weights), dice.choice(len(numbers), count, p=weights)
    move = (entry == exit_) & (dice.random(count) >= SAME_STATION)
    exit_ = np.where(move, (exit_ + 1 + dice.integers(0, len(numbers) - 1, count)) % len(numbers), exit_)
    return numbers[entry], numbers[exit_]


def _fares(tariff: Tariff) -> Ints:
    """Fares by entry and exit station; row or column 0 is for the end that is missing."""
    numbers = [station.number for station in tariff.stations]
    table = np.zeros((max(numbers) + 1, max(numbers) + 1), dtype=np.int64)
    for (entry, exit_), fare in tariff.fares.items():
        table[entry, exit_] = fare
    for number in numbers:
        table[number, 0], table[0, number] = tariff.lone_entry_fare(number), tariff.lone_exit_fare(number)
    return table


def _tickets(seed: int, columns: Mapping[str, Ints], members: Sequence[Member]) -> dict[str, Ints]:
    """Serials, dense for each pair and shuffled within blocks; keys; ends of validity, the same for all riders."""
    issuer, operator, entered = columns["issuer"], columns["operator"], columns["entered_at"]
    serial = np.zeros_like(issuer)
    for a in members:
        for b in members:
            mine = np.flatnonzero((issuer == a.code) & (operator == b.code))
            dice = np.random.default_rng([seed, 4, a.code, b.code])
            shuffled = [dice.permutation(BLOCK) + start for start in range(0, len(mine), BLOCK)]
            if shuffled:
                serial[mine] = np.concatenate(shuffled)[: len(mine)]
    changes = next(member.code for member in members if member.name == NEW_KEY_CITY)
    key_id = np.where((issuer == changes) & (entered >= midnight(NEW_KEY_FROM)), 2, 1)
    day_ends = np.array([end_of_period(int(day)) for day in range(BEGIN, END + DAY, DAY)])
    return {"serial": serial, "key_id": key_id, "not_after": day_ends[(entered - BEGIN) // DAY + 1]}


def _refused(entered: Ints, per_day: Ints, days: Ints, count: int) -> Ints:
    """Why each ride is refused, 0 where it isn't: on days that have more rides than settle, the last of them."""
    reason = np.zeros_like(entered)
    allowed = np.concatenate([[0], np.cumsum(per_day)])
    starts = np.searchsorted(days, np.arange(len(per_day) + 1))
    extra = [
        at
        for day in np.flatnonzero(np.diff(starts) > np.diff(allowed))
        for at in range(starts[day] + per_day[day], starts[day + 1])
    ]
    assert len(extra) == count
    reason[extra] = [_WHY_REFUSED[number % len(_WHY_REFUSED)] for number in range(count)]
    return reason


def _slots(dice: np.random.Generator, columns: Mapping[str, Ints], times: Ints) -> Ints:
    """Which settlement each ride is in: the next one, or days later."""
    count = len(columns["issuer"])
    wait = np.full(count, _AFTER_EXIT)
    late = dice.choice(count, _at_least("late", count, LATE), replace=False)
    wait[late] += dice.integers(DAY, 20 * DAY, len(late))
    wait[columns["reason"] == RideReason.TooLate] = SUBMISSION_WINDOW + DAY
    slots: Ints = np.minimum(np.searchsorted(times, columns["exited_at"] + wait), len(times) - 1)
    return slots


def _with_copies(dice: np.random.Generator, columns: dict[str, Ints], count: int, times: Ints) -> dict[str, Ints]:
    """A few rides a second time, in the next settlement or a later one: refused, for their ticket has paid."""
    able = np.flatnonzero((columns["reason"] == 0) & (columns["slot"] < len(times) - 6))
    twice = np.sort(dice.choice(able, count, replace=False))
    copied = {name: np.concatenate([column, column[twice]]) for name, column in columns.items()}
    copied["reason"][-count:] = RideReason.AlreadySettled
    copied["slot"][-count:] += dice.integers(1, 6, count)
    return copied
