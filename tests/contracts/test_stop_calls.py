"""Who can make use of the emergency stop, and that it can't be chained."""

from __future__ import annotations

import pytest

from tests.contracts.assembly import NINE
from tests.contracts.node import Contract, Event, reverts
from tests.contracts.story import (
    DAY,
    HANGZHOU,
    LANZHOU,
    NINGBO,
    NOON,
    SHANGHAI,
    STOP_LENGTH,
    XUZHOU,
    ZERO_ADDRESS,
    City,
    World,
    deploy,
    found_consortium,
)


def call(consortium: Contract, house: Contract, *cities: City, at: int | None = None) -> None:
    for city in cities:
        consortium.callStop(city.code, house, sender=city.admin, at=at)


def test_settlement_stops_with_the_call_that_makes_a_quarter(consortium: Contract, clearinghouse: Contract) -> None:
    receipt = consortium.callStop(SHANGHAI.code, clearinghouse, sender=SHANGHAI.admin, at=NOON)
    assert receipt.events == (Event("StopCalled", clearinghouse=clearinghouse.address, city=SHANGHAI.code),)
    assert consortium.stopCalls(clearinghouse) == (1, 2, NOON + DAY)
    assert clearinghouse.stoppedUntil() == 0
    receipt = consortium.callStop(NINGBO.code, clearinghouse, sender=NINGBO.admin, at=NOON + 60)
    assert receipt.events == (
        Event("StopCalled", clearinghouse=clearinghouse.address, city=NINGBO.code),
        Event("SettlementStopped", until=NOON + 60 + STOP_LENGTH),
    )
    assert consortium.stopCalls(clearinghouse) == (0, 2, 0)


@pytest.mark.parametrize(("members", "needed"), [(1, 1), (2, 2), (3, 2), (4, 2), (8, 2), (9, 3)])
def test_a_quarter_rounded_up_and_two_at_least_are_needed(world: World, members: int, needed: int) -> None:
    consortium, registry = found_consortium(world.node, NINE[:members])
    house = deploy(world.node, "Clearinghouse", registry, world.token, ZERO_ADDRESS)
    assert consortium.stopCalls(house) == (0, needed, 0)
    call(consortium, house, *NINE[: needed - 1])
    assert house.stoppedUntil() == 0
    call(consortium, house, NINE[needed - 1])
    assert house.stoppedUntil() == world.node.now + STOP_LENGTH


def test_calls_lapse_a_day_after_the_first(consortium: Contract, clearinghouse: Contract) -> None:
    call(consortium, clearinghouse, SHANGHAI, at=NOON)
    call(consortium, clearinghouse, NINGBO, at=NOON + DAY)
    assert clearinghouse.stoppedUntil() == 0
    assert consortium.stopCalls(clearinghouse) == (1, 2, NOON + 2 * DAY)


def test_a_call_in_the_days_last_second_counts(consortium: Contract, clearinghouse: Contract) -> None:
    call(consortium, clearinghouse, SHANGHAI, at=NOON)
    call(consortium, clearinghouse, NINGBO, at=NOON + DAY - 1)
    assert clearinghouse.stoppedUntil() == NOON + DAY - 1 + STOP_LENGTH


def test_a_city_calls_once(consortium: Contract, clearinghouse: Contract) -> None:
    call(consortium, clearinghouse, SHANGHAI)
    with reverts(consortium, "StopAlreadyCalled", city=SHANGHAI.code):
        call(consortium, clearinghouse, SHANGHAI)


def test_the_call_of_a_city_that_left_does_not_count(
    world: World, consortium: Contract, clearinghouse: Contract
) -> None:
    call(consortium, clearinghouse, SHANGHAI, at=NOON)
    world.leave(SHANGHAI, at=NOON + 60)
    call(consortium, clearinghouse, NINGBO)
    assert consortium.stopCalls(clearinghouse)[:2] == (1, 2)
    assert clearinghouse.stoppedUntil() == 0
    call(consortium, clearinghouse, HANGZHOU)
    assert clearinghouse.stoppedUntil() != 0


def test_a_suspended_city_calls_as_before(world: World, consortium: Contract, clearinghouse: Contract) -> None:
    """Its call from before its suspension counts, and so does one from after it."""
    call(consortium, clearinghouse, SHANGHAI, at=NOON)
    world.suspend(SHANGHAI, at=NOON + 60)
    world.suspend(XUZHOU, at=NOON + 120)
    assert consortium.stopCalls(clearinghouse)[:2] == (1, 2)
    call(consortium, clearinghouse, XUZHOU)
    assert clearinghouse.stoppedUntil() != 0


@pytest.mark.parametrize("city", [LANZHOU, XUZHOU])
def test_only_members_call(world: World, consortium: Contract, clearinghouse: Contract, city: City) -> None:
    world.leave(XUZHOU, at=NOON)
    with reverts(consortium, "NoVote", city=city.code, countsFrom=0):
        call(consortium, clearinghouse, city)


def test_calls_for_one_clearinghouse_stop_no_other(world: World, consortium: Contract, clearinghouse: Contract) -> None:
    other = deploy(world.node, "Clearinghouse", world.registry, world.token, ZERO_ADDRESS)
    call(consortium, clearinghouse, SHANGHAI)
    call(consortium, other, NINGBO)
    assert (clearinghouse.stoppedUntil(), other.stoppedUntil()) == (0, 0)


def test_stops_are_not_chained(consortium: Contract, clearinghouse: Contract) -> None:
    """The last call of a second stop is refused, and the calls before it lapse."""
    call(consortium, clearinghouse, SHANGHAI, NINGBO, at=None)
    until = clearinghouse.stoppedUntil()
    earliest = until + 27 * DAY
    call(consortium, clearinghouse, XUZHOU, at=earliest - 1)
    with reverts(clearinghouse, "StopTooSoon", earliest=earliest):
        consortium.callStop(HANGZHOU.code, clearinghouse, sender=HANGZHOU.admin, at=earliest - 1)
    call(consortium, clearinghouse, HANGZHOU, at=earliest)
    assert clearinghouse.stoppedUntil() == earliest + STOP_LENGTH
