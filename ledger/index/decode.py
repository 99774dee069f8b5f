"""Batches as arrays: the bytes of `interline.batch`, read with numpy a few hundred rides at a time.

The format's home is `interline`; a test holds the two against each other. No ride becomes an object, of millions.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from interline.batch import MAX_RIDES
from interline.errors import MalformedError
from interline.ride import RIDE_BYTES

RIDE: Final = np.dtype(
    [
        ("serial_high", "u1"),
        ("serial_low", ">u4"),
        ("not_after", ">u4"),
        ("fare_cap", ">u4"),
        ("rider", "V20"),
        ("entry_station", ">u2"),
        ("exit_station", ">u2"),
        ("entered_at", ">u4"),
        ("exited_at", ">u4"),
        ("fare", ">u4"),
        ("issuer_signature", "V64"),
    ]
)
"""A ride's 113 bytes (protocol section 5)."""
assert RIDE.itemsize == RIDE_BYTES

_OPERATOR: Final = Struct(">H")
_GROUP: Final = Struct(">HBH")

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class BatchArrays:
    """A batch's rides, in its order: the index of a ride is its place in each array."""

    operator: int
    issuers: Array
    key_ids: Array
    serials: Array
    rides: Array
    """Of dtype RIDE."""

    @property
    def groups(self) -> list[tuple[int, int]]:
        """(issuer, key id) of each group, ascending."""
        both = self.issuers.astype(np.int64) << 8 | self.key_ids
        return [(int(one) >> 8, int(one) & 0xFF) for one in np.unique(both)]


def decode_batch(data: bytes) -> BatchArrays:
    """The rides of a batch's bytes.

    Raises:
        MalformedError: what `Batch.from_bytes` refuses.
    """
    if len(data) < _OPERATOR.size:
        raise MalformedError(f"batch: expected {_OPERATOR.size} bytes of operator, came {len(data)}")
    (operator,) = _OPERATOR.unpack_from(data)
    at, total, before = _OPERATOR.size, 0, (-1, -1)
    issuers, keys, rides = [], [], []
    while at < len(data):
        if len(data) - at < _GROUP.size:
            raise MalformedError(f"batch: expected a group's header at byte {at}, came {len(data) - at} bytes")
        issuer, key_id, count = _GROUP.unpack_from(data, at)
        at += _GROUP.size
        total += count
        if not count or total > MAX_RIDES or at + count * RIDE_BYTES > len(data):
            raise MalformedError(f"batch: expected 1 to {MAX_RIDES} rides that are there, came {count} at byte {at}")
        if (issuer, key_id) <= before or issuer == operator:
            raise MalformedError(
                f"batch: expected a group of another issuer than {operator}, above {before}, came ({issuer}, {key_id})"
            )
        issuers.append(np.full(count, issuer, np.uint16))
        keys.append(np.full(count, key_id, np.uint8))
        rides.append(np.frombuffer(data, RIDE, count, at))
        at += count * RIDE_BYTES
        before = issuer, key_id
    if not rides:
        raise MalformedError("batch: expected at least one group, came none")
    return _arrays(operator, np.concatenate(issuers), np.concatenate(keys), np.concatenate(rides))


def _arrays(operator: int, issuers: Array, keys: Array, rides: Array) -> BatchArrays:
    serials = rides["serial_high"].astype(np.int64) << 32 | rides["serial_low"]
    same_group = (issuers[1:] == issuers[:-1]) & (keys[1:] == keys[:-1])
    out_of_order = np.flatnonzero(same_group & (serials[1:] <= serials[:-1]))
    if len(out_of_order):
        at = int(out_of_order[0])
        raise MalformedError(f"batch: expected a serial above {serials[at]} after it, came {serials[at + 1]}")
    return BatchArrays(operator, issuers, keys, serials, rides)
