"""A suspension is an interval: what is dated in it stays refused for ever, whatever comes later (protocol section
6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from interline.reasons import RideReason
from tests.contracts.story import DAY, GRACE, HANGZHOU, HOUR, NOON, XUZHOU, City, World

BEGAN = NOON - 10 * DAY
ENDED = NOON - 5 * DAY
LATER = NOON + DAY
"""When rides are sent."""


@dataclass(frozen=True)
class Side:
    """The city that is suspended, and the moment of a ride that counts for it."""

    city: City
    reason: RideReason
    by_exit: bool

    def ride(self, moment: int) -> dict[str, int]:
        entered_at = moment - 60 if self.by_exit else moment
        return {"entered_at": entered_at, "exited_at": entered_at + 60, "not_after": entered_at}

    def judge(self, world: World, moment: int, *, serial: int = 7, at: int = LATER) -> RideReason | None:
        return world.judge(serial=serial, at=at, **self.ride(moment))


ISSUER = Side(XUZHOU, RideReason.IssuerSuspended, by_exit=False)
OPERATOR = Side(HANGZHOU, RideReason.OperatorSuspended, by_exit=True)

sides = pytest.mark.parametrize("side", [ISSUER, OPERATOR], ids=["issuer", "operator"])


def suspended(world: World, side: Side, *intervals: tuple[int, int]) -> None:
    for began, ended in intervals:
        world.suspend(side.city, at=began)
        world.reinstate(side.city, at=ended)


@sides
@pytest.mark.parametrize(
    ("moment", "refused"),
    [
        pytest.param(BEGAN - 1, False, id="before"),
        pytest.param(BEGAN, False, id="as it began"),
        pytest.param(BEGAN + GRACE - 1, False, id="the last second that gates may not know of it"),
        pytest.param(BEGAN + GRACE, True, id="a second later"),
        pytest.param(ENDED - 1, True, id="its last second"),
        pytest.param(ENDED, False, id="as it ended"),
        pytest.param(NOON, False, id="after"),
    ],
)
def test_after_a_reinstatement_rides_of_the_suspension_stay_refused(
    world: World, side: Side, moment: int, refused: bool
) -> None:
    suspended(world, side, (BEGAN, ENDED))
    assert side.judge(world, moment) == (side.reason if refused else None)


@sides
def test_200_forged_rides_dated_in_a_suspension_settle_neither_in_it_nor_after_it(world: World, side: Side) -> None:
    """40,000 yuan: refused while the city was suspended, and settled once it was reinstated, before this was an
    interval.
    """
    world.suspend(side.city, at=BEGAN)
    rides = [
        world.ride(serial=serial, fare=20_000, fare_cap=20_000, **side.ride(BEGAN + 2 * DAY + serial))
        for serial in range(200)
    ]
    before = world.balances(XUZHOU, HANGZHOU)
    for reinstated in (False, True):
        if reinstated:
            world.reinstate(side.city, at=ENDED)
        receipt = world.settle(*rides, at=ENDED + HOUR if reinstated else ENDED - HOUR)
        assert receipt.returned[1:] == (0, 200)
        assert {event.args["reason"] for event in receipt.named("RideRejected")} == {side.reason}
    assert world.balances(XUZHOU, HANGZHOU) == before


@sides
def test_in_one_batch_each_ride_is_held_against_the_interval(world: World, side: Side) -> None:
    """Rides of before, within and after it, in the order of their serials and in the opposite one."""
    suspended(world, side, (BEGAN, ENDED))
    moments = [BEGAN - 1, BEGAN, BEGAN + GRACE - 1, BEGAN + GRACE, ENDED - 1, ENDED, NOON]
    for first, order in ((0, moments), (300, moments[::-1])):
        claims = [world.ride(serial=first + n, **side.ride(moment)) for n, moment in enumerate(order)]
        receipt = world.settle(*claims, at=LATER + first)
        refused = [event.args["index"] for event in receipt.named("RideRejected")]
        assert refused == [n for n, moment in enumerate(order) if BEGAN + GRACE <= moment < ENDED]


@sides
def test_of_several_suspensions_each_refuses_its_own_rides_after_its_own_grace(world: World, side: Side) -> None:
    intervals = [(BEGAN, BEGAN + 2 * DAY), (BEGAN + 3 * DAY, BEGAN + 5 * DAY), (BEGAN + 5 * DAY + 1, BEGAN + 7 * DAY)]
    suspended(world, side, *intervals)
    serial = 0
    for began, ended in intervals:
        for moment in (began - 1, began, began + GRACE - 1, began + GRACE, ended - 1, ended):
            refused = any(start + GRACE <= moment < end for start, end in intervals)
            serial += 1
            came = side.judge(world, moment, serial=serial, at=LATER + serial)
            assert came == (side.reason if refused else None), f"{moment - BEGAN} s after the first began"


@sides
def test_a_suspension_shorter_than_the_grace_refuses_nothing(world: World, side: Side) -> None:
    """No gate had to know of it."""
    suspended(world, side, (BEGAN, BEGAN + GRACE))
    for serial, moment in enumerate((BEGAN, BEGAN + GRACE - 1, BEGAN + GRACE)):
        assert side.judge(world, moment, serial=serial, at=LATER + serial) is None


@sides
def test_many_short_suspensions_do_not_add_up_to_one(world: World, side: Side) -> None:
    suspended(world, side, *[(BEGAN + n * HOUR, BEGAN + n * HOUR + 60) for n in range(40)])
    assert side.judge(world, BEGAN + 39 * HOUR + 30) is None


@sides
def test_past_suspensions_count_while_there_is_another(world: World, side: Side) -> None:
    suspended(world, side, (BEGAN, ENDED))
    world.suspend(side.city, at=NOON)
    moments = {BEGAN + GRACE: True, ENDED: False, NOON + GRACE - 1: False, NOON + GRACE: True}
    for serial, (moment, refused) in enumerate(moments.items()):
        came = side.judge(world, moment, serial=serial, at=NOON + 2 * DAY + serial)
        assert came == (side.reason if refused else None)


Exit = Callable[[World, City, int], object]


def _left(world: World, city: City, at: int) -> None:
    world.leave(city, at=at)


def _expelled(world: World, city: City, at: int) -> None:
    world.by_vote(world.registry, "expel", city.code, at=at)


@sides
@pytest.mark.parametrize("leave", [_left, _expelled])
def test_past_suspensions_count_after_the_city_left(world: World, side: Side, leave: Exit) -> None:
    suspended(world, side, (BEGAN, ENDED))
    leave(world, side.city, NOON)
    moments = {BEGAN + GRACE: True, ENDED - 1: True, ENDED: False, NOON + GRACE - 1: False, NOON + GRACE: True}
    for serial, (moment, refused) in enumerate(moments.items()):
        came = side.judge(world, moment, serial=serial, at=NOON + 2 * DAY + serial)
        assert came == (side.reason if refused else None)


def test_one_citys_suspension_is_not_the_others(world: World) -> None:
    """The issuer's counts for its tickets, the operator's for its rides: neither as the other."""
    suspended(world, ISSUER, (BEGAN, ENDED))
    ride = ISSUER.ride(BEGAN + 2 * DAY)
    claim = world.ride(issuer=HANGZHOU, operator=XUZHOU, **ride)
    receipt = world.settle(claim, operator=XUZHOU, at=LATER)
    assert [event.args["reason"] for event in receipt.named("RideRejected")] == [RideReason.OperatorSuspended]


def test_a_ride_begun_before_the_operators_suspension_and_ended_in_it_is_refused(world: World) -> None:
    suspended(world, OPERATOR, (BEGAN, ENDED))
    times = {"entered_at": BEGAN + GRACE - HOUR, "exited_at": BEGAN + GRACE, "not_after": NOON}
    assert world.judge(at=LATER, **times) == RideReason.OperatorSuspended


def test_a_ride_begun_in_the_operators_suspension_and_ended_after_it_settles(world: World) -> None:
    suspended(world, OPERATOR, (BEGAN, ENDED))
    times = {"entered_at": ENDED - HOUR, "exited_at": ENDED, "not_after": NOON}
    assert world.judge(at=LATER, **times) is None


def test_the_registry_says_when_a_city_was_suspended(world: World) -> None:
    registry, code = world.registry, XUZHOU.code
    assert registry.suspensions(code) == ()
    intervals = ((BEGAN, BEGAN + DAY), (BEGAN + 2 * DAY, ENDED))
    suspended(world, ISSUER, *intervals)
    world.suspend(XUZHOU, at=NOON)
    assert registry.suspensions(code) == intervals
    for began, ended in intervals:
        said = [registry.suspendedFrom(code, moment) for moment in (began - 1, began, ended - 1, ended)]
        assert said == [0, began, began, 0]
    assert registry.suspendedFrom(code, NOON + DAY) == 0
    assert registry.city(code)[-1] == NOON
