"""Batches read with numpy are what `interline` reads, and what it refuses is refused."""

from __future__ import annotations

from dataclasses import replace
from struct import pack

import pytest

from interline.batch import MAX_RIDES, Batch
from interline.errors import MalformedError
from interline.ride import Ride
from ledger.index.decode import decode_batch

HANGZHOU, SHANGHAI, XUZHOU = 3301, 3100, 3203
RIDE = Ride(
    serial=(7 << 32) + 5,
    not_after=2**32 - 1,
    fare_cap=3_000,
    rider=bytes(range(20)),
    entry_station=0,
    exit_station=65_535,
    entered_at=1_575_500_000,
    exited_at=1_575_501_234,
    fare=400,
    issuer_signature=bytes(range(64)),
)


def a_batch() -> Batch:
    """Two keys of Shanghai and one of Xuzhou."""
    rides = [(SHANGHAI, 1, replace(RIDE, serial=serial)) for serial in (0, 255, 2**40 - 1)]
    rides += [(SHANGHAI, 2, RIDE), (XUZHOU, 1, replace(RIDE, serial=9, rider=bytes(20), issuer_signature=bytes(64)))]
    return Batch.build(HANGZHOU, rides)


@pytest.mark.parametrize(
    "batch",
    [a_batch(), Batch.build(HANGZHOU, [(SHANGHAI, 1, replace(RIDE, serial=number)) for number in range(MAX_RIDES)])],
    ids=["three groups", "as many rides as there can be"],
)
def test_each_field_of_each_ride_is_the_protocols(batch: Batch) -> None:
    arrays = decode_batch(batch.to_bytes())
    assert arrays.operator == batch.operator
    who = [(index, issuer, key_id) for index, issuer, key_id, _ in batch.iter_rides()]
    assert list(zip(range(len(arrays.rides)), arrays.issuers.tolist(), arrays.key_ids.tolist(), strict=True)) == who
    for index, _, _, ride in batch.iter_rides():
        fields = arrays.rides[index]
        assert int(arrays.serials[index]) == ride.serial
        assert bytes(fields["rider"]) == ride.rider
        assert bytes(fields["issuer_signature"]) == ride.issuer_signature
        for name in ("not_after", "fare_cap", "entry_station", "exit_station", "entered_at", "exited_at", "fare"):
            assert int(fields[name]) == getattr(ride, name)


def test_the_groups_are_those_of_the_batch() -> None:
    assert decode_batch(a_batch().to_bytes()).groups == [(SHANGHAI, 1), (SHANGHAI, 2), (XUZHOU, 1)]


def group(issuer: int, key_id: int, *serials: int) -> bytes:
    rides = b"".join(replace(RIDE, serial=serial).to_bytes() for serial in serials)
    return pack(">HBH", issuer, key_id, len(serials)) + rides


OPERATOR = pack(">H", HANGZHOU)
BROKEN = {
    "nothing": b"",
    "no group": OPERATOR,
    "half a header": OPERATOR + group(SHANGHAI, 1, 1)[:4],
    "a group without rides": OPERATOR + pack(">HBH", SHANGHAI, 1, 0),
    "a ride cut off": (OPERATOR + group(SHANGHAI, 1, 1, 2))[:-1],
    "a byte left over": OPERATOR + group(SHANGHAI, 1, 1) + b"\0",
    "serials that descend": OPERATOR + group(SHANGHAI, 1, 2, 1),
    "a serial twice": OPERATOR + group(SHANGHAI, 1, 1, 1),
    "groups that descend": OPERATOR + group(XUZHOU, 1, 1) + group(SHANGHAI, 1, 1),
    "a group twice": OPERATOR + group(SHANGHAI, 1, 1) + group(SHANGHAI, 1, 2),
    "own tickets": OPERATOR + group(HANGZHOU, 1, 1),
    "too many rides": OPERATOR + group(SHANGHAI, 1, *range(600)) + group(XUZHOU, 1, *range(401)),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_what_the_protocol_refuses_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Batch.from_bytes(data)
    with pytest.raises(MalformedError):
        decode_batch(data)
