"""The rides of each settlement, in the batches that their operators sign and send."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from demo.year.rides import Ints, Rides
from interline.batch import MAX_RIDES

BATCH_LIMIT: Final = MAX_RIDES


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """A batch: `rides` are the numbers of its rides, in its order (by issuer, key and serial)."""

    number: int
    operator: int
    time: int
    rides: Ints


@dataclass(frozen=True, slots=True)
class Batches:
    """All batches in the order in which they are sent, and where each ride is."""

    plans: list[BatchPlan]
    batch_of: Ints
    """By number of the ride."""
    index_of: Ints
    """The ride's index in its batch, by number of the ride."""


def plan_batches(rides: Rides, limit: int = BATCH_LIMIT) -> Batches:
    """Each operator's rides of each settlement, at most `limit` in a batch."""
    order = np.lexsort((rides.serial, rides.key_id, rides.issuer, rides.operator, rides.slot))
    slot, operator = rides.slot[order], rides.operator[order]
    starts = np.flatnonzero(np.diff(slot * 65_536 + operator, prepend=-1))
    ends = [*starts[1:].tolist(), len(order)]
    batch_of, index_of = np.zeros_like(order), np.zeros_like(order)
    plans: list[BatchPlan] = []
    for start, end in zip(starts.tolist(), ends, strict=True):
        for first in range(start, end, limit):
            mine = order[first : min(first + limit, end)]
            batch_of[mine], index_of[mine] = len(plans), np.arange(len(mine))
            plans.append(BatchPlan(len(plans), int(operator[start]), int(rides.times[slot[start]]), mine))
    return Batches(plans, batch_of, index_of)
