"""Protocol sections 6 and 7: what settling a batch leaves behind: money, events, return values, the outcome."""

from __future__ import annotations

import pytest

from interline.batch import Batch, outcome
from interline.reasons import RideReason
from interline.signatures import to_checksum
from network.accounts import Role
from tests.contracts.node import Contract, Event
from tests.contracts.story import (
    DEPOSIT,
    EVENING,
    HANGZHOU,
    KEYS_FROM,
    NINGBO,
    NO_END,
    NOON,
    SHANGHAI,
    XUZHOU,
    City,
    World,
)

NOT_THERE = (0, 0, bytes(25))


def test_a_ride_is_paid_by_the_city_that_issued_its_ticket_to_the_city_that_carried_its_rider(
    world: World, xuzhou: City, hangzhou: City, shanghai: City
) -> None:
    world.settle(world.ride(fare=503))
    assert world.balances(xuzhou, hangzhou, shanghai) == {
        xuzhou: DEPOSIT - 503,
        hangzhou: DEPOSIT + 503,
        shanghai: DEPOSIT,
    }


def test_a_batch_says_what_became_of_it(world: World, xuzhou: City, hangzhou: City) -> None:
    batch = Batch.build(hangzhou.code, [world.ride(fare=503)])
    receipt = world.send(batch, world.sign(batch))
    assert receipt.returned == (batch.id, 1, 0)
    assert receipt.events == (
        Event(
            "PairSettled",
            batchId=batch.id,
            issuer=xuzhou.code,
            operator=hangzhou.code,
            rides=1,
            fares=503,
            paid=503,
        ),
        Event("BatchSettled", batchId=batch.id, operator=hangzhou.code, settled=1, rejected=0, fares=503),
    )


def test_a_batch_of_many_issuers_posts_each_once_all_its_keys_together_in_ascending_order(world: World) -> None:
    """Shanghai with two keys, Xuzhou with one good ride of three, Ningbo without money; two refusals."""
    world.add_issuer_key(SHANGHAI, 9, Role.SPARE_ISSUER_KEY)
    spare = SHANGHAI.key(Role.SPARE_ISSUER_KEY)
    batch = Batch.build(
        HANGZHOU.code,
        [
            world.ride(issuer=SHANGHAI, serial=1, fare=100),
            world.ride(issuer=SHANGHAI, serial=2, fare=200),
            world.ride(issuer=SHANGHAI, serial=0, key_id=9, signer=spare, fare=400),
            world.ride(serial=7, fare=1_501),
            world.ride(serial=8, fare=800),
            world.ride(serial=9, exited_at=NOON - 1),
            world.ride(issuer=NINGBO, serial=5, fare=1_000),
        ],
    )
    receipt = world.send(batch, world.sign(batch))
    assert receipt.returned == (batch.id, 5, 2)

    def pair(issuer: City, rides: int, fares: int, paid: int) -> Event:
        return Event(
            "PairSettled",
            batchId=batch.id,
            issuer=issuer.code,
            operator=HANGZHOU.code,
            rides=rides,
            fares=fares,
            paid=paid,
        )

    def refusal(index: int, reason: RideReason) -> Event:
        return Event("RideRejected", batchId=batch.id, index=index, reason=reason)

    assert receipt.events == (
        pair(SHANGHAI, 3, 700, 700),
        refusal(3, RideReason.AboveFareCap),
        refusal(5, RideReason.BadTimes),
        pair(XUZHOU, 1, 800, 800),
        pair(NINGBO, 1, 1_000, 0),
        Event("BatchSettled", batchId=batch.id, operator=HANGZHOU.code, settled=5, rejected=2, fares=2_500),
    )
    assert world.balances(SHANGHAI, XUZHOU, NINGBO, HANGZHOU) == {
        SHANGHAI: DEPOSIT - 700,
        XUZHOU: DEPOSIT - 800,
        NINGBO: 0,
        HANGZHOU: DEPOSIT + 1_500,
    }
    assert world.clearinghouse.batches(batch.id) == (HANGZHOU.code, EVENING, outcome([(3, 3), (5, 5)]))


def test_an_issuer_of_whose_rides_none_settles_is_not_posted(world: World, shanghai: City, xuzhou: City) -> None:
    receipt = world.settle(world.ride(fare=1_501), world.ride(issuer=shanghai))
    assert [event.args["issuer"] for event in receipt.named("PairSettled")] == [shanghai.code]


def test_a_batch_that_settles_whole_has_an_outcome_of_zero(world: World, clearinghouse: Contract) -> None:
    batch_id = world.settle(*world.rides(range(3))).returned[0]
    assert clearinghouse.batches(batch_id) == (HANGZHOU.code, EVENING, bytes(25))


@pytest.mark.parametrize("refused", [(0,), (2,), (0, 1), (0, 2), (1, 2)], ids=str)
def test_the_outcome_names_the_refused_rides(world: World, clearinghouse: Contract, refused: tuple[int, ...]) -> None:
    claims = [world.ride(serial=s, fare=1_501 if s in refused else 503) for s in range(3)]
    batch_id = world.settle(*claims).returned[0]
    expected = outcome([(index, RideReason.AboveFareCap) for index in refused])
    assert clearinghouse.batches(batch_id)[2] == expected


def test_a_batch_that_was_never_sent_is_not_there(clearinghouse: Contract) -> None:
    assert clearinghouse.batches(b"\1" * 32) == NOT_THERE


def test_a_settled_ride_is_settled_and_a_refused_one_is_not(
    world: World, clearinghouse: Contract, xuzhou: City, hangzhou: City
) -> None:
    world.settle(world.ride(serial=255), world.ride(serial=256, fare=1_501), world.ride(serial=257))
    settled = [clearinghouse.isSettled(xuzhou.code, hangzhou.code, serial) for serial in range(254, 259)]
    assert settled == [False, True, False, True, False]
    assert not clearinghouse.isSettled(hangzhou.code, xuzhou.code, 255)


# ---------------------------------------------------------------- no ride settles


def test_a_batch_of_which_no_ride_settles_says_so_and_stores_nothing(world: World, clearinghouse: Contract) -> None:
    batch = Batch.build(HANGZHOU.code, world.rides([1, 300], fare=1_501))
    receipt = world.send(batch, world.sign(batch))
    assert receipt.returned == (batch.id, 0, 2)
    assert receipt.events == (
        Event("RideRejected", batchId=batch.id, index=0, reason=3),
        Event("RideRejected", batchId=batch.id, index=1, reason=3),
        Event("BatchSettled", batchId=batch.id, operator=HANGZHOU.code, settled=0, rejected=2, fares=0),
    )
    assert world.node.storage_writes(receipt.hash) == {}
    assert clearinghouse.batches(batch.id) == NOT_THERE


def test_a_batch_of_which_no_ride_settled_may_be_sent_again(world: World, clearinghouse: Contract) -> None:
    batch = Batch.build(HANGZHOU.code, [world.ride(exited_at=EVENING + 120)])
    assert world.send(batch, world.sign(batch), at=EVENING).returned[1:] == (0, 1)
    assert world.send(batch, world.sign(batch), at=EVENING + 1).returned[1:] == (0, 1)
    assert world.send(batch, world.sign(batch), at=EVENING + 60).returned[1:] == (1, 0)
    assert clearinghouse.batches(batch.id) == (HANGZHOU.code, EVENING + 60, bytes(25))


def test_rides_refused_for_an_unknown_key_settle_once_it_is_registered(world: World, xuzhou: City) -> None:
    spare = xuzhou.key(Role.SPARE_ISSUER_KEY)
    claim = world.ride(key_id=2, signer=spare)
    assert world.settle(claim).returned[1:] == (0, 1)
    address = xuzhou.account(Role.SPARE_ISSUER_KEY)
    world.registry.addIssuerKey(xuzhou.code, 2, address, KEYS_FROM, NO_END, sender=xuzhou.admin)
    assert world.settle(claim, at=EVENING + 60).returned[1:] == (1, 0)


def test_a_refused_ride_settles_in_a_later_batch(world: World) -> None:
    late = world.ride(serial=2, exited_at=EVENING + 120)
    assert world.settle(world.ride(serial=1), late).returned[1:] == (1, 1)
    assert world.settle(late, at=EVENING + 120).returned[1:] == (1, 0)


# ---------------------------------------------------------------- odd but right


def test_a_ride_of_no_fare_settles_and_moves_nothing(world: World, xuzhou: City, hangzhou: City) -> None:
    receipt = world.settle(world.ride(fare=0))
    [pair] = receipt.named("PairSettled")
    assert (pair.args["rides"], pair.args["fares"], pair.args["paid"]) == (1, 0, 0)
    assert world.balances(xuzhou, hangzhou) == {xuzhou: DEPOSIT, hangzhou: DEPOSIT}
    assert world.clearinghouse.isSettled(xuzhou.code, hangzhou.code, 7)


def test_anyone_may_relay_a_batch(world: World) -> None:
    poor = to_checksum(bytes(19) + b"\7")
    assert world.settle(world.ride(), sender=poor).returned[1:] == (1, 0)


def test_two_cities_carry_each_others_riders(world: World, xuzhou: City, hangzhou: City) -> None:
    world.settle(world.ride(fare=503))
    world.settle(world.ride(issuer=hangzhou, operator=xuzhou, fare=300), operator=xuzhou, at=EVENING + 1)
    assert world.balances(xuzhou, hangzhou) == {xuzhou: DEPOSIT - 203, hangzhou: DEPOSIT + 203}


def test_rides_of_ten_issuers_settle_in_one_batch(world: World) -> None:
    others = [City(4000 + place, f"City {place}", 20 + place) for place in range(7)]
    for city in others:
        world.admit(city)
        world.register_keys(city)
        world.deposit(city, 10_000)
    issuers = [SHANGHAI, NINGBO, XUZHOU, *others]
    claims = [claim for city in issuers for claim in world.rides([0, 255, 256], issuer=city, fare=100)]
    receipt = world.settle(*claims)
    assert receipt.returned[1:] == (30, 0)
    assert [(e.args["issuer"], e.args["paid"]) for e in receipt.named("PairSettled")] == [
        (code, 0 if code == NINGBO.code else 300) for code in sorted(city.code for city in issuers)
    ]
    assert world.clearinghouse.balanceOf(HANGZHOU.code) == DEPOSIT + 9 * 300
    assert world.clearinghouse.arrears(NINGBO.code, HANGZHOU.code) == 300
