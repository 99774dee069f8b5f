"""Batches: rides of one operator, sent to the chain together (protocol sections 5 and 7)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from struct import Struct
from typing import Final, Self

from interline.domain import Domain, batch_digest
from interline.errors import MalformedError
from interline.fields import UINT8_MAX, UINT16_MAX, check_uint
from interline.hashing import keccak256
from interline.ride import RIDE_BYTES, Ride
from interline.signatures import sign_compact

MAX_RIDES: Final = 1000
OUTCOME_BYTES: Final = 25

_OPERATOR: Final = Struct(">H")
_GROUP_HEADER: Final = Struct(">HBH")
_REFUSAL: Final = Struct(">HB")


@dataclass(frozen=True, slots=True)
class Group:
    """The rides of one issuer key in a batch, at least one, their serials strictly ascending.

    Raises:
        MalformedError: a field out of its range, no ride, too many, or serials out of order.
    """

    issuer: int
    key_id: int
    rides: tuple[Ride, ...]

    def __post_init__(self) -> None:
        check_uint("issuer", self.issuer, UINT16_MAX)
        check_uint("keyId", self.key_id, UINT8_MAX)
        if not 1 <= len(self.rides) <= MAX_RIDES:
            raise MalformedError(f"{self._name}: expected 1 to {MAX_RIDES} rides, came {len(self.rides)}")
        for before, ride in pairwise(self.rides):
            if ride.serial <= before.serial:
                raise MalformedError(
                    f"{self._name}: expected a serial above {before.serial} after it, came {ride.serial}"
                )

    @property
    def _name(self) -> str:
        return f"group ({self.issuer}, {self.key_id})"

    def to_bytes(self) -> bytes:
        """issuer (2) || keyId (1) || count (2) || rides."""
        header = _GROUP_HEADER.pack(self.issuer, self.key_id, len(self.rides))
        return header + b"".join([ride.to_bytes() for ride in self.rides])


@dataclass(frozen=True, slots=True)
class Batch:
    """The rides that one operator sends together: groups in strictly ascending order of (issuer, keyId).

    Raises:
        MalformedError: an operator that is no uint16, no group, groups out of order, more than 1,000 rides in all, or
            an issuer that is the operator.
    """

    operator: int
    groups: tuple[Group, ...]
    _encoded: bytes = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_uint("operator", self.operator, UINT16_MAX)
        if not self.groups:
            raise MalformedError("batch: expected at least one group, came none")
        for before, group in pairwise(self.groups):
            if (group.issuer, group.key_id) <= (before.issuer, before.key_id):
                raise MalformedError(
                    f"batch: expected a group above ({before.issuer}, {before.key_id}) after it, "
                    f"came ({group.issuer}, {group.key_id})"
                )
        if any(group.issuer == self.operator for group in self.groups):
            raise MalformedError(f"batch: expected issuers other than the operator, came {self.operator} for both")
        if self.ride_count > MAX_RIDES:
            raise MalformedError(f"batch: expected at most {MAX_RIDES} rides, came {self.ride_count}")
        encoded = _OPERATOR.pack(self.operator) + b"".join([group.to_bytes() for group in self.groups])
        object.__setattr__(self, "_encoded", encoded)

    @classmethod
    def build(cls, operator: int, rides: Iterable[tuple[int, int, Ride]]) -> Self:
        """The batch of rides in any order, each with its (issuer, key_id).

        Raises:
            MalformedError: no ride, too many, an issuer that is the operator, or a serial twice under one key.
        """
        by_key: defaultdict[tuple[int, int], list[Ride]] = defaultdict(list)
        for issuer, key_id, ride in rides:
            by_key[issuer, key_id].append(ride)
        return cls(
            operator,
            tuple(
                Group(issuer, key_id, tuple(sorted(by_key[issuer, key_id], key=lambda ride: ride.serial)))
                for issuer, key_id in sorted(by_key)
            ),
        )

    @property
    def id(self) -> bytes:
        """The batch id: keccak256 of its bytes, 32 bytes."""
        return keccak256(self._encoded)

    @property
    def ride_count(self) -> int:
        """How many rides it holds, 1 to 1,000."""
        return sum(len(group.rides) for group in self.groups)

    def iter_rides(self) -> Iterator[tuple[int, int, int, Ride]]:
        """(index, issuer, key_id, ride) of every ride; the index counts over the whole batch from 0."""
        index = 0
        for group in self.groups:
            for ride in group.rides:
                yield index, group.issuer, group.key_id, ride
                index += 1

    def to_bytes(self) -> bytes:
        """operator (2) || groups."""
        return self._encoded

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The batch of the bytes that `settle` takes.

        Raises:
            MalformedError: cut off, something left over, or what the constructor refuses.
        """
        if len(data) < _OPERATOR.size:
            raise MalformedError(f"batch: expected {_OPERATOR.size} bytes of operator, came {len(data)}")
        (operator,) = _OPERATOR.unpack_from(data)
        return cls(operator, tuple(_read_groups(data, _OPERATOR.size)))


def sign_batch(domain: Domain, private_key: bytes, batch: Batch) -> bytes:
    """A submitter's signature of a batch, compact, 64 bytes.

    Raises:
        MalformedError: the private key is none.
    """
    return sign_compact(private_key, batch_digest(domain, batch.operator, batch.id))


def outcome(refused: Sequence[tuple[int, int]]) -> bytes:
    """What `batches` keeps of a batch's refused rides, given as ascending (index, reason): 25 bytes (section 7).

    Zero if every ride settled, else the head of keccak256 over index (2) || reason (1) of each.

    Raises:
        MalformedError: an index or reason out of range, or indices out of order.
    """
    for index, reason in refused:
        check_uint("index", index, MAX_RIDES - 1)
        if not 1 <= reason <= UINT8_MAX:
            raise MalformedError(f"reason: expected an integer from 1 to {UINT8_MAX}, came {reason!r}")
    for (before, _), (index, _) in pairwise(refused):
        if index <= before:
            raise MalformedError(f"refused rides: expected an index above {before} after it, came {index}")
    if not refused:
        return bytes(OUTCOME_BYTES)
    return keccak256(b"".join([_REFUSAL.pack(index, reason) for index, reason in refused]))[:OUTCOME_BYTES]


def _read_groups(data: bytes, at: int) -> Iterator[Group]:
    total = 0
    while at < len(data):
        if len(data) - at < _GROUP_HEADER.size:
            raise MalformedError(
                f"batch: expected a group's header of {_GROUP_HEADER.size} bytes at byte {at}, came {len(data) - at}"
            )
        issuer, key_id, count = _GROUP_HEADER.unpack_from(data, at)
        at += _GROUP_HEADER.size
        total += count
        if total > MAX_RIDES:  # before any ride is read
            raise MalformedError(f"batch: expected at most {MAX_RIDES} rides, came {total} or more")
        end = at + count * RIDE_BYTES
        if end > len(data):
            raise MalformedError(
                f"batch: expected {count} rides of {RIDE_BYTES} bytes at byte {at}, came {len(data) - at} bytes"
            )
        rides = tuple(Ride.from_bytes(data[start : start + RIDE_BYTES]) for start in range(at, end, RIDE_BYTES))
        yield Group(issuer, key_id, rides)
        at = end
