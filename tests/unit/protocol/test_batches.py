"""Batches: order, counts, ids and outcomes."""

from collections.abc import Callable

import pytest

from interline.batch import MAX_RIDES, Batch, Group, outcome, sign_batch
from interline.domain import Domain, batch_digest
from interline.errors import MalformedError
from interline.hashing import keccak256
from interline.reasons import RideReason
from interline.ride import RIDE_BYTES, Ride
from interline.signatures import address_of, recover_address

from .conftest import City

MakeRide = Callable[..., Ride]


def group_bytes(issuer: int, key_id: int, *rides: Ride, count: int | None = None) -> bytes:
    header = issuer.to_bytes(2, "big") + bytes((key_id,)) + (len(rides) if count is None else count).to_bytes(2, "big")
    return header + b"".join(ride.to_bytes() for ride in rides)


def refused(*parts: bytes) -> str:
    with pytest.raises(MalformedError) as error:
        Batch.from_bytes(b"".join(parts))
    return str(error.value)


HANGZHOU = bytes.fromhex("0ce5")


def test_a_batch_is_its_operator_and_groups_in_order(batch: Batch, make_ride: MakeRide) -> None:
    assert batch.to_bytes() == (
        HANGZHOU
        + group_bytes(3100, 1, make_ride(serial=300), make_ride(serial=2**40 - 1))
        + group_bytes(3100, 2, make_ride(serial=7))
        + group_bytes(3203, 1, make_ride(serial=7), make_ride(serial=9))
    )
    assert Batch.from_bytes(batch.to_bytes()) == batch
    assert batch.ride_count == 5


def test_rides_are_counted_over_the_whole_batch_from_0(batch: Batch) -> None:
    assert [(index, issuer, key_id, ride.serial) for index, issuer, key_id, ride in batch.iter_rides()] == [
        (0, 3100, 1, 300),
        (1, 3100, 1, 2**40 - 1),
        (2, 3100, 2, 7),
        (3, 3203, 1, 7),
        (4, 3203, 1, 9),
    ]


def test_the_batch_id_is_the_hash_of_its_bytes(batch: Batch) -> None:
    assert batch.id == keccak256(batch.to_bytes())


def test_the_submitter_signs_operator_and_id(domain: Domain, batch: Batch, hangzhou: City, shanghai: City) -> None:
    signature = sign_batch(domain, hangzhou.submitter_key, batch)
    submitter = address_of(hangzhou.submitter_key)
    assert recover_address(batch_digest(domain, 3301, batch.id), signature) == submitter
    assert recover_address(batch_digest(domain, shanghai.code, batch.id), signature) != submitter
    # Mistake 16: on another chain or contract it is nobody's.
    for elsewhere in (Domain(1, domain.clearinghouse), Domain(domain.chain_id, bytes(20))):
        assert recover_address(batch_digest(elsewhere, 3301, batch.id), signature) != submitter


def test_the_digest_of_what_is_no_batch_is_refused(domain: Domain) -> None:
    with pytest.raises(MalformedError, match="batch id: expected 32 bytes, came 31"):
        batch_digest(domain, 3301, bytes(31))
    with pytest.raises(MalformedError, match="operator: expected an integer from 0 to 65535, came 65536"):
        batch_digest(domain, 65_536, bytes(32))


def test_one_ride_is_a_batch(make_ride: MakeRide) -> None:
    data = HANGZHOU + group_bytes(3203, 1, make_ride())
    assert Batch.from_bytes(data).to_bytes() == data


@pytest.mark.parametrize("data", [b"", b"\x0c"])
def test_half_an_operator_is_refused(data: bytes) -> None:
    assert f"expected 2 bytes of operator, came {len(data)}" in refused(data)


def test_a_batch_without_groups_is_refused() -> None:
    assert "expected at least one group, came none" in refused(HANGZHOU)


def test_a_group_without_rides_is_refused(make_ride: MakeRide) -> None:
    assert "group (3203, 1): expected 1 to 1000 rides, came 0" in refused(HANGZHOU, group_bytes(3203, 1))
    ride = make_ride()
    assert "came 0" in refused(HANGZHOU, group_bytes(3100, 1, ride), group_bytes(3203, 1))


@pytest.mark.parametrize(
    ("first", "second"),
    [((3203, 1), (3203, 1)), ((3203, 1), (3100, 1)), ((3203, 2), (3203, 1)), ((3203, 1), (3100, 2))],
)
def test_groups_out_of_order_are_refused(make_ride: MakeRide, first: tuple[int, int], second: tuple[int, int]) -> None:
    groups = group_bytes(*first, make_ride(serial=1)) + group_bytes(*second, make_ride(serial=2))
    assert f"expected a group above {first} after it, came {second}" in refused(HANGZHOU, groups)


@pytest.mark.parametrize(("first", "second"), [(7, 7), (7, 6), (2**40 - 1, 0), (2**32, 2**32 - 1)])
def test_serials_out_of_order_are_refused(make_ride: MakeRide, first: int, second: int) -> None:
    group = group_bytes(3203, 1, make_ride(serial=first), make_ride(serial=second))
    assert f"expected a serial above {first} after it, came {second}" in refused(HANGZHOU, group)


def test_a_serial_may_return_under_another_key(make_ride: MakeRide) -> None:
    """Whether it settles is the chain's affair (reason 4): it has one ticket of a serial, and either key may be it."""
    groups = group_bytes(3203, 1, make_ride(serial=7)) + group_bytes(3203, 2, make_ride(serial=7))
    assert Batch.from_bytes(HANGZHOU + groups).ride_count == 2


def test_an_operators_own_tickets_are_refused(make_ride: MakeRide) -> None:
    assert "expected issuers other than the operator, came 3301" in refused(
        HANGZHOU, group_bytes(3203, 1, make_ride()), group_bytes(3301, 1, make_ride())
    )


def test_a_thousand_rides_are_a_batch_and_one_more_is_not(make_ride: MakeRide) -> None:
    rides = [make_ride(serial=serial) for serial in range(MAX_RIDES + 1)]
    most = HANGZHOU + group_bytes(3203, 1, *rides[:MAX_RIDES])
    assert Batch.from_bytes(most).to_bytes() == most
    assert "expected at most 1000 rides, came 1001" in refused(HANGZHOU, group_bytes(3203, 1, *rides))
    split = group_bytes(3100, 1, *rides[:600]), group_bytes(3203, 1, *rides[600:])
    assert "expected at most 1000 rides, came 1001" in refused(HANGZHOU, *split)
    with pytest.raises(MalformedError, match="expected at most 1000 rides, came 1001"):
        Batch.build(3301, [(3100 + n % 2, 1, ride) for n, ride in enumerate(rides)])


@pytest.mark.parametrize("count", [2, 255, 256, 1000])
def test_a_count_beyond_the_bytes_is_refused(make_ride: MakeRide, count: int) -> None:
    # Mistake 7: lengths are big-endian integers of two bytes, 256 as well as 2.
    message = refused(HANGZHOU, group_bytes(3203, 1, make_ride(), count=count))
    assert f"expected {count} rides of 113 bytes at byte 7, came {RIDE_BYTES} bytes" in message


@pytest.mark.parametrize("count", [255, 256, 257])
def test_counts_around_a_byte_are_read_right(make_ride: MakeRide, count: int) -> None:
    # Mistake 7
    data = HANGZHOU + group_bytes(3203, 1, *(make_ride(serial=serial) for serial in range(count)))
    assert Batch.from_bytes(data).ride_count == count


def test_a_count_short_of_the_bytes_is_refused(make_ride: MakeRide) -> None:
    rides = make_ride(serial=1), make_ride(serial=2)
    with pytest.raises(MalformedError):
        Batch.from_bytes(HANGZHOU + group_bytes(3203, 1, *rides, count=1))


@pytest.mark.parametrize("more", [1, 4])
def test_half_a_header_is_refused(make_ride: MakeRide, more: int) -> None:
    message = refused(HANGZHOU, group_bytes(3203, 1, make_ride()), bytes(more))
    assert f"expected a group's header of 5 bytes at byte 120, came {more}" in message


def test_building_refuses_a_serial_twice(make_ride: MakeRide) -> None:
    with pytest.raises(MalformedError, match="expected a serial above 7 after it, came 7"):
        Batch.build(3301, [(3203, 1, make_ride()), (3203, 1, make_ride(fare=1))])


def test_building_refuses_no_rides_at_all() -> None:
    with pytest.raises(MalformedError, match="expected at least one group, came none"):
        Batch.build(3301, [])


@pytest.mark.parametrize(("name", "value"), [("issuer", 2**16), ("issuer", -1), ("key_id", 256), ("key_id", -1)])
def test_a_group_of_no_possible_key_is_refused(make_ride: MakeRide, name: str, value: int) -> None:
    fields = {"issuer": 3203, "key_id": 1, name: value}
    with pytest.raises(MalformedError, match=f"expected an integer from 0 to [0-9]+, came {value}"):
        Group(fields["issuer"], fields["key_id"], (make_ride(),))


def test_the_outcome_of_a_batch_that_settled_whole_is_zero() -> None:
    assert outcome([]) == bytes(25)


def test_the_outcome_is_the_head_of_a_hash_over_the_refused_rides() -> None:
    refusals = [(0, RideReason.BadIssuerSignature), (258, RideReason.OperatorSuspended), (999, RideReason.TooLate)]
    expected = keccak256(bytes.fromhex("00000101020903e706"))[:25]
    assert outcome(refusals) == outcome([(0, 1), (258, 9), (999, 6)]) == expected


@pytest.mark.parametrize("refusals", [[(2, 1), (1, 1)], [(1, 1), (1, 2)], [(1000, 1)], [(-1, 1)], [(0, 256)], [(0, 0)]])
def test_an_outcome_of_no_possible_batch_is_refused(refusals: list[tuple[int, int]]) -> None:
    with pytest.raises(MalformedError, match="expected"):
        outcome(refusals)
