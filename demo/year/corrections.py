"""Which rides are corrected, how, and when: refunds, disputes with and without an answer, revoked tickets."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from demo.year.batches import Batches
from demo.year.rides import Rides
from demo.year.story import BEGIN, DAY, DISPUTES, END, HOUR, LEAST, REFUNDS, REVOKED

DISPUTE_FEE: Final = 500
ANSWER_TIME: Final = 10 * DAY
PART: Final = 100
"""What a refund of a part of a fare gives back, fen."""


class Kind(StrEnum):
    """What becomes of a ride."""

    REFUND = "refund"
    PART = "part"
    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    GIVEN_BACK = "given_back"
    OPEN = "open"
    REVOKED = "revoked"


_DISPUTES: Final = (
    Kind.ANSWERED,
    Kind.UNANSWERED,
    Kind.ANSWERED,
    Kind.OPEN,
    Kind.ANSWERED,
    Kind.GIVEN_BACK,
    Kind.ANSWERED,
    Kind.UNANSWERED,
    Kind.ANSWERED,
    Kind.OPEN,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One act on a ride: `what` is `refund`, `dispute`, `answer`, `claim`, `revoke` or `refund_revoked`."""

    time: int
    ride: int
    what: str
    amount: int
    """Fen that go back or hang on it."""
    ends_dispute: bool = False
    """Whether a refund is of a disputed ride, whose dispute it ends."""


def plan_corrections(
    rides: Rides, batches: Batches, settling: int, seed: int
) -> tuple[dict[Kind, list[int]], list[Step]]:
    """The rides that are corrected, by kind, and every step of it in the order of time."""
    dice = np.random.default_rng([seed, 5])
    settled_at = np.array([plan.time for plan in batches.plans])[batches.batch_of]
    fine = (rides.reason == 0) & (rides.entered_at > BEGIN + 10 * DAY)
    early = dice.permutation(np.flatnonzero(fine & (settled_at < END - 46 * DAY)))
    recent = dice.permutation(np.flatnonzero(fine & (settled_at > END - 25 * DAY) & (settled_at < END - 6 * DAY)))
    kinds = _kinds(settling)
    chosen: dict[Kind, list[int]] = {kind: [] for kind in Kind}
    taken = {True: iter(recent.tolist()), False: iter(early.tolist())}
    steps: list[Step] = []
    for kind in kinds:
        ride = next(taken[kind is Kind.OPEN])
        chosen[kind].append(ride)
        steps += _steps(dice, kind, ride, int(settled_at[ride]), int(rides.entered_at[ride]), int(rides.fare[ride]))
    return chosen, sorted(steps, key=lambda step: (step.time, step.ride))


def _kinds(settling: int) -> Iterator[Kind]:
    for number in range(max(LEAST["refunds"], round(settling * REFUNDS))):
        yield Kind.PART if number % 2 else Kind.REFUND
    for number in range(max(LEAST["disputes"], round(settling * DISPUTES))):
        yield _DISPUTES[number % len(_DISPUTES)]
    for _ in range(max(LEAST["revoked"], round(settling * REVOKED))):
        yield Kind.REVOKED


def _steps(
    dice: np.random.Generator, kind: Kind, ride: int, settled_at: int, entered_at: int, fare: int
) -> Iterator[Step]:
    office = settled_at - (settled_at - BEGIN) % DAY + 14 * HOUR  # the afternoon of the day of settlement
    first = office + int(dice.integers(1, 20)) * DAY + int(dice.integers(0, 180)) * 60
    later = first + int(dice.integers(2, 8)) * DAY
    if kind in (Kind.REFUND, Kind.PART):
        yield Step(first, ride, "refund", fare if kind is Kind.REFUND else PART)
    elif kind is Kind.REVOKED:
        yield Step(entered_at - 2 * DAY, ride, "revoke", 0)
        yield Step(office + 2 * DAY, ride, "refund_revoked", fare)
    elif kind is Kind.OPEN:
        yield Step(max(office + DAY, END - 5 * DAY + int(dice.integers(0, DAY))), ride, "dispute", fare)
    else:
        yield Step(first, ride, "dispute", fare)
        if kind is Kind.ANSWERED:
            yield Step(later, ride, "answer", fare)
        elif kind is Kind.GIVEN_BACK:
            yield Step(later, ride, "refund", fare, ends_dispute=True)
        else:
            yield Step(first + ANSWER_TIME + DAY, ride, "claim", fare)
