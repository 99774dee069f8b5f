"""Which rides go into a batch together, and the bound on its gas."""

from __future__ import annotations

import random

import pytest

from gate_client.batching import GAS_LIMIT, gas_bound, plan_batches
from gate_client.pricing import PricedRide
from gate_client.ride_log import StoredRide
from interline.batch import Batch
from interline.ride import Ride
from tests.unit.gate.conftest import NOW


def stored(number: int, issuer: int, serial: int, key_id: int = 1) -> StoredRide:
    ride = Ride(serial, NOW, 2_000, bytes(20), 1, 2, NOW - 600, NOW, 500, bytes(64))
    return StoredRide(number, PricedRide(issuer, key_id, ride))


def dense(count: int, issuer: int = 3100) -> list[StoredRide]:
    return [stored(serial, issuer, serial) for serial in range(count)]


def sparse(count: int, issuer: int = 3100) -> list[StoredRide]:
    """Every ride in a storage word of its own."""
    return [stored(number, issuer, 256 * number) for number in range(count)]


@pytest.mark.parametrize(
    ("rides", "most", "sizes"),
    [(0, 256, []), (1, 256, [1]), (256, 256, [256]), (257, 256, [256, 1]), (5, 2, [2, 2, 1]), (3, 1, [1, 1, 1])],
)
def test_a_batch_holds_at_most_so_many_rides(rides: int, most: int, sizes: list[int]) -> None:
    assert [len(batch) for batch in plan_batches(dense(rides), max_rides=most)] == sizes


def test_every_ride_is_in_one_batch_in_its_order() -> None:
    rides = dense(700) + sparse(700, issuer=3203)
    assert [ride for batch in plan_batches(rides, max_rides=256) for ride in batch] == rides


def test_a_thousand_dense_rides_fit_into_one_batch() -> None:
    assert len(plan_batches(dense(1_000), max_rides=1_000)) == 1


def test_a_thousand_rides_in_words_of_their_own_do_not() -> None:
    batches = plan_batches(sparse(1_000), max_rides=1_000)
    assert len(batches) > 1
    assert all(gas_bound(ride.priced for ride in batch) <= GAS_LIMIT for batch in batches)


def test_batches_are_as_full_as_the_limit_allows() -> None:
    first, second, *_ = plan_batches(sparse(1_000), max_rides=1_000)
    assert gas_bound(ride.priced for ride in [*first, second[0]]) > GAS_LIMIT


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_rides_no_batch_is_above_the_limit(seed: int) -> None:
    chance = random.Random(seed)
    rides = {
        (chance.choice([3100, 3203, 3302]), chance.choice([1, 2]), chance.randrange(2**40)) for _ in range(900)
    } | {(3401, 1, serial) for serial in range(chance.randrange(300))}
    listed = [stored(n, issuer, serial, key) for n, (issuer, key, serial) in enumerate(sorted(rides))]
    for batch in plan_batches(listed, max_rides=chance.randrange(1, 1_001)):
        assert gas_bound(ride.priced for ride in batch) <= GAS_LIMIT
        built = Batch.build(3301, [(r.priced.issuer, r.priced.key_id, r.priced.ride) for r in batch])
        assert built.ride_count == len(batch)


def test_a_ride_of_its_own_is_a_batch_even_where_the_limit_is_too_low() -> None:
    """It will be refused with a reason, rather than wait for ever without one."""
    assert [len(batch) for batch in plan_batches(dense(2), max_rides=9, gas_limit=1)] == [1, 1]
