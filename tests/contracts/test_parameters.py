"""The Clearinghouse's parameters: set by vote, within bounds, and looked at when a ride is judged."""

from __future__ import annotations

import pytest

from interline.reasons import RideReason
from network.accounts import Role
from tests.contracts.node import Contract, Event, reverts
from tests.contracts.story import (
    ARRIVAL,
    DAY,
    DEPLOYER_ACCOUNT,
    GRACE,
    HOUR,
    MAX_FARE,
    NOON,
    SHANGHAI,
    STRANGER,
    SUBMISSION_WINDOW,
    City,
    World,
)


def set_parameters(
    world: World, *, max_fare: int = MAX_FARE, grace: int = GRACE, window: int = SUBMISSION_WINDOW
) -> tuple[Event, ...]:
    return world.by_vote(world.clearinghouse, "setParameters", max_fare, grace, window).events


def test_the_parameters_start_as_the_protocol_says(clearinghouse: Contract) -> None:
    assert clearinghouse.maxFare() == 20_000
    assert clearinghouse.grace() == 24 * 3600
    assert clearinghouse.submissionWindow() == 30 * 24 * 3600


def test_the_parameters_are_set_by_vote(world: World, clearinghouse: Contract) -> None:
    values = {"maxFare": 30_000, "grace": 2 * DAY, "submissionWindow": 60 * DAY}
    assert set_parameters(world, max_fare=30_000, grace=2 * DAY, window=60 * DAY) == (Event("ParametersSet", **values),)
    assert {name: getattr(clearinghouse, name)() for name in values} == values


@pytest.mark.parametrize(
    "caller", [SHANGHAI.admin, DEPLOYER_ACCOUNT, STRANGER], ids=["an admin", "deployer", "stranger"]
)
def test_nobody_else_sets_them(clearinghouse: Contract, caller: str) -> None:
    with reverts(clearinghouse, "NotConsortium", caller=caller):
        clearinghouse.setParameters(MAX_FARE, GRACE, SUBMISSION_WINDOW, sender=caller)


BOUNDS = {"max_fare": (100, 100_000), "grace": (HOUR, 7 * DAY), "window": (2 * DAY, 365 * DAY)}


@pytest.mark.parametrize("name", BOUNDS)
def test_a_parameter_stays_within_its_bounds(world: World, clearinghouse: Contract, name: str) -> None:
    lowest, highest = BOUNDS[name]
    for value in (lowest, highest):
        assert len(set_parameters(world, **{name: value})) == 1
    for value in (0, lowest - 1, highest + 1, 2**256 - 1):
        with reverts(clearinghouse, "ParameterOutOfBounds", value=value, lowest=lowest, highest=highest):
            set_parameters(world, **{name: value})


@pytest.mark.parametrize(("fare", "reason"), [(1_000, None), (1_001, RideReason.AboveFareCap)])
def test_the_highest_fare_is_the_one_set(world: World, fare: int, reason: RideReason | None) -> None:
    set_parameters(world, max_fare=1_000)
    assert world.judge(fare=fare) == reason


@pytest.mark.parametrize(("at", "reason"), [(ARRIVAL + 2 * DAY, None), (ARRIVAL + 2 * DAY + 1, RideReason.TooLate)])
def test_the_submission_window_is_the_one_set(world: World, at: int, reason: RideReason | None) -> None:
    set_parameters(world, window=2 * DAY)
    assert world.judge(at=at) == reason


@pytest.mark.parametrize(("entered_at", "reason"), [(NOON + HOUR - 1, None), (NOON + HOUR, RideReason.KeyNotValid)])
def test_the_grace_of_keys_is_the_one_set(
    world: World, xuzhou: City, entered_at: int, reason: RideReason | None
) -> None:
    set_parameters(world, grace=HOUR)
    world.add_issuer_key(xuzhou, 2, Role.SPARE_ISSUER_KEY, valid_until=NOON)
    spare = xuzhou.key(Role.SPARE_ISSUER_KEY)
    assert world.judge(key_id=2, signer=spare, entered_at=entered_at, exited_at=entered_at + 60) == reason


@pytest.mark.parametrize(("entered_at", "reason"), [(NOON + HOUR - 1, None), (NOON + HOUR, RideReason.IssuerSuspended)])
def test_the_grace_of_a_suspended_issuer_is_the_one_set(
    world: World, xuzhou: City, entered_at: int, reason: RideReason | None
) -> None:
    set_parameters(world, grace=HOUR)
    world.suspend(xuzhou, at=NOON)
    assert world.judge(entered_at=entered_at, exited_at=entered_at + 60) == reason


@pytest.mark.parametrize(
    ("exited_at", "reason"), [(NOON + HOUR - 1, None), (NOON + HOUR, RideReason.OperatorSuspended)]
)
def test_the_grace_of_a_suspended_operator_is_the_one_set(
    world: World, hangzhou: City, exited_at: int, reason: RideReason | None
) -> None:
    set_parameters(world, grace=HOUR)
    world.suspend(hangzhou, at=NOON)
    assert world.judge(exited_at=exited_at) == reason


def test_no_parameter_changes_what_has_settled(world: World, clearinghouse: Contract, xuzhou: City) -> None:
    batch_id = world.settle(world.ride(fare=1_500)).returned[0]
    before = (clearinghouse.batches(batch_id), clearinghouse.balanceOf(xuzhou.code))
    set_parameters(world, max_fare=100, grace=HOUR, window=2 * DAY)
    assert (clearinghouse.batches(batch_id), clearinghouse.balanceOf(xuzhou.code)) == before
