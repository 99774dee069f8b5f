"""The Clearinghouse's parameters: set by vote, within bounds, and none against rides already carried."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import pytest

from interline.reasons import RideReason
from network.accounts import Role
from tests.contracts.node import Contract, Event, reverts
from tests.contracts.story import (
    ANSWER_TIME,
    ARRIVAL,
    DAY,
    DEPLOYER_ACCOUNT,
    DISPUTE_FEE,
    DISPUTE_TIME,
    GRACE,
    HOUR,
    MAX_FARE,
    NOON,
    SHANGHAI,
    STOP_LENGTH,
    STRANGER,
    SUBMISSION_WINDOW,
    City,
    Parameters,
    World,
    deploy,
)

VOTED = NOON - 8 * DAY
"""When parameters are voted for, if nothing else is said."""
DELAY = SUBMISSION_WINDOW + 2 * STOP_LENGTH + DISPUTE_TIME
"""How much later what doesn't only lengthen holds: a ride that ended just before may be sent for the window and, where
a stop comes between, the stop's length and as long again; and then it may be disputed."""
NOTHING_PENDING = (astuple(Parameters(0, 0, 0, 0, 0, 0)), 0)

LONGER = {
    "max_fare": MAX_FARE + 1,
    "grace": GRACE + 1,
    "submission_window": SUBMISSION_WINDOW + 1,
    "dispute_time": DISPUTE_TIME + 1,
    "answer_time": ANSWER_TIME + 1,
}
OTHERWISE = {
    "max_fare": MAX_FARE - 1,
    "grace": GRACE - 1,
    "submission_window": SUBMISSION_WINDOW - 1,
    "dispute_time": DISPUTE_TIME - 1,
    "answer_time": ANSWER_TIME - 1,
}
GETTERS = ["maxFare", "grace", "submissionWindow", "disputeTime", "answerTime", "disputeFee"]


def in_force(clearinghouse: Contract) -> Parameters:
    """As one struct and one by one, which must be the same."""
    whole = Parameters(*clearinghouse.parameters())
    assert astuple(whole) == tuple(getattr(clearinghouse, name)() for name in GETTERS)
    return whole


def start_with(world: World, **changes: int) -> None:
    """Parameters that were voted for before anybody rode, and hold at noon."""
    world.set_parameters(at=NOON - DELAY, **changes)


# ---------------------------------------------------------------- what they are


def test_the_parameters_start_as_the_protocol_says(clearinghouse: Contract) -> None:
    day = 24 * 3600
    assert in_force(clearinghouse) == Parameters(20_000, day, 30 * day, 30 * day, 10 * day, 500)
    assert clearinghouse.pendingParameters() == NOTHING_PENDING


@pytest.mark.parametrize(
    "caller", [SHANGHAI.admin, DEPLOYER_ACCOUNT, STRANGER], ids=["an admin", "deployer", "stranger"]
)
def test_nobody_but_the_consortium_sets_them(clearinghouse: Contract, caller: str) -> None:
    with reverts(clearinghouse, "NotConsortium", caller=caller):
        clearinghouse.setParameters(astuple(Parameters()), sender=caller)


BOUNDS = {
    "max_fare": (100, 100_000),
    "grace": (HOUR, 7 * DAY),
    "submission_window": (2 * DAY, 365 * DAY),
    "dispute_time": (7 * DAY, 90 * DAY),
    "answer_time": (3 * DAY, 30 * DAY),
    "dispute_fee": (0, 5_000),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_a_parameter_stays_within_its_bounds(world: World, clearinghouse: Contract, name: str) -> None:
    lowest, highest = BOUNDS[name]
    for value in (lowest, highest):
        [event] = world.set_parameters(**{name: value}).events
        assert event.args["parameters"] == astuple(Parameters(**{name: value}))
    for value in {highest + 1} | ({0, lowest - 1} if lowest else set()):
        with reverts(clearinghouse, "ParameterOutOfBounds", value=value, lowest=lowest, highest=highest):
            world.set_parameters(**{name: value})


# ---------------------------------------------------------------- from when on they hold


@pytest.mark.parametrize("name", LONGER)
def test_what_only_lengthens_holds_at_once(world: World, clearinghouse: Contract, name: str) -> None:
    changed = Parameters(**{name: LONGER[name]})
    receipt = world.set_parameters(at=VOTED, **{name: LONGER[name]})
    assert receipt.events == (Event("ParametersSet", parameters=astuple(changed), validFrom=VOTED),)
    assert in_force(clearinghouse) == changed
    assert clearinghouse.pendingParameters() == NOTHING_PENDING


@pytest.mark.parametrize("name", [*OTHERWISE, "a higher fee", "a lower fee", "one longer, one shorter"])
def test_anything_else_holds_when_no_ride_carried_before_can_be_sent_or_disputed(
    world: World, clearinghouse: Contract, name: str
) -> None:
    others: dict[str, dict[str, int]] = {
        "a higher fee": {"dispute_fee": DISPUTE_FEE + 1},
        "a lower fee": {"dispute_fee": DISPUTE_FEE - 1},
        "one longer, one shorter": {"max_fare": MAX_FARE + 1, "grace": GRACE - 1},
    }
    changes = others.get(name) or {name: OTHERWISE[name]}
    changed = Parameters(**changes)
    receipt = world.set_parameters(at=VOTED, **changes)
    assert receipt.events == (Event("ParametersSet", parameters=astuple(changed), validFrom=VOTED + DELAY),)
    world.node.mine(at=VOTED + DELAY - 1)
    assert in_force(clearinghouse) == Parameters()
    assert clearinghouse.pendingParameters() == (astuple(changed), VOTED + DELAY)
    world.node.mine(at=VOTED + DELAY)
    assert in_force(clearinghouse) == changed
    assert clearinghouse.pendingParameters() == NOTHING_PENDING


def test_the_wait_is_as_long_as_the_times_in_force(world: World) -> None:
    world.set_parameters(at=VOTED, submission_window=60 * DAY, dispute_time=90 * DAY)
    [event] = world.set_parameters(at=VOTED + 1).events
    assert event.args["validFrom"] == VOTED + 1 + 60 * DAY + 2 * STOP_LENGTH + 90 * DAY


def test_the_same_parameters_once_more_hold_at_once(world: World, clearinghouse: Contract) -> None:
    [event] = world.set_parameters(at=VOTED).events
    assert event.args["validFrom"] == VOTED
    assert in_force(clearinghouse) == Parameters()


def test_a_later_vote_replaces_what_does_not_hold_yet(world: World, clearinghouse: Contract) -> None:
    world.set_parameters(at=VOTED, max_fare=100)
    world.set_parameters(at=VOTED + DAY, max_fare=200)
    assert clearinghouse.pendingParameters() == (astuple(Parameters(max_fare=200)), VOTED + DAY + DELAY)
    world.node.mine(at=VOTED + DELAY)
    assert in_force(clearinghouse) == Parameters()
    world.node.mine(at=VOTED + DAY + DELAY)
    assert in_force(clearinghouse) == Parameters(max_fare=200)


def test_what_lengthens_drops_what_does_not_hold_yet(world: World, clearinghouse: Contract) -> None:
    world.set_parameters(at=VOTED, max_fare=100)
    world.set_parameters(at=VOTED + DAY, max_fare=MAX_FARE + 1)
    assert clearinghouse.pendingParameters() == NOTHING_PENDING
    world.node.mine(at=VOTED + 2 * DELAY)
    assert in_force(clearinghouse) == Parameters(max_fare=MAX_FARE + 1)


def test_what_holds_by_now_is_what_a_later_vote_is_compared_with(world: World, clearinghouse: Contract) -> None:
    """200 fen are less than what the contract started with, and more than what came to hold since."""
    world.set_parameters(at=VOTED, max_fare=100)
    [event] = world.set_parameters(at=VOTED + DELAY, max_fare=200).events
    assert event.args["validFrom"] == VOTED + DELAY
    assert in_force(clearinghouse) == Parameters(max_fare=200)


def test_what_holds_by_now_stays_when_other_parameters_are_set_for_later(world: World, clearinghouse: Contract) -> None:
    world.set_parameters(at=VOTED, max_fare=200)
    world.set_parameters(at=VOTED + DELAY, max_fare=100)
    assert in_force(clearinghouse) == Parameters(max_fare=200)
    assert clearinghouse.pendingParameters() == (astuple(Parameters(max_fare=100)), VOTED + 2 * DELAY)


def test_settling_goes_by_what_holds_by_now_and_changes_none_of_it(world: World, clearinghouse: Contract) -> None:
    start_with(world, max_fare=502)
    assert world.judge(serial=1) == RideReason.AboveFareCap
    assert in_force(clearinghouse) == Parameters(max_fare=502)
    assert clearinghouse.pendingParameters() == NOTHING_PENDING
    assert world.judge(serial=2, fare=502) is None


def test_a_shorter_window_refuses_no_ride_that_was_carried_before(world: World) -> None:
    """The last ride before the vote, in the last second of the window that held then."""
    world.set_parameters(at=ARRIVAL, submission_window=2 * DAY)
    assert world.judge(at=ARRIVAL + SUBMISSION_WINDOW) is None


def test_a_new_clearinghouse_takes_its_parameters_from_the_one_before(world: World, clearinghouse: Contract) -> None:
    world.set_parameters(max_fare=30_000, dispute_fee=DISPUTE_FEE)
    successor = deploy(world.node, "Clearinghouse", world.registry, world.token, clearinghouse)
    assert in_force(successor) == Parameters(max_fare=30_000)


# ---------------------------------------------------------------- what they do


@pytest.mark.parametrize(("fare", "reason"), [(1_000, None), (1_001, RideReason.AboveFareCap)])
def test_the_highest_fare_is_the_one_set(world: World, fare: int, reason: RideReason | None) -> None:
    start_with(world, max_fare=1_000)
    assert world.judge(fare=fare) == reason


@pytest.mark.parametrize(("at", "reason"), [(ARRIVAL + 2 * DAY, None), (ARRIVAL + 2 * DAY + 1, RideReason.TooLate)])
def test_the_submission_window_is_the_one_set(world: World, at: int, reason: RideReason | None) -> None:
    start_with(world, submission_window=2 * DAY)
    assert world.judge(at=at) == reason


@pytest.mark.parametrize(("entered_at", "reason"), [(NOON + HOUR - 1, None), (NOON + HOUR, RideReason.KeyNotValid)])
def test_the_grace_of_keys_is_the_one_set(
    world: World, xuzhou: City, entered_at: int, reason: RideReason | None
) -> None:
    start_with(world, grace=HOUR)
    world.add_issuer_key(xuzhou, 2, Role.SPARE_ISSUER_KEY, valid_until=NOON)
    spare = xuzhou.key(Role.SPARE_ISSUER_KEY)
    assert world.judge(key_id=2, signer=spare, entered_at=entered_at, exited_at=entered_at + 60) == reason


@pytest.mark.parametrize(("entered_at", "reason"), [(NOON + HOUR - 1, None), (NOON + HOUR, RideReason.IssuerSuspended)])
def test_the_grace_of_a_suspended_issuer_is_the_one_set(
    world: World, xuzhou: City, entered_at: int, reason: RideReason | None
) -> None:
    start_with(world, grace=HOUR)
    world.suspend(xuzhou, at=NOON)
    assert world.judge(entered_at=entered_at, exited_at=entered_at + 60) == reason


@pytest.mark.parametrize(
    ("exited_at", "reason"), [(NOON + HOUR - 1, None), (NOON + HOUR, RideReason.OperatorSuspended)]
)
def test_the_grace_of_a_suspended_operator_is_the_one_set(
    world: World, hangzhou: City, exited_at: int, reason: RideReason | None
) -> None:
    start_with(world, grace=HOUR)
    world.suspend(hangzhou, at=NOON)
    assert world.judge(exited_at=exited_at) == reason


def test_no_parameter_changes_what_has_settled(world: World, clearinghouse: Contract, xuzhou: City) -> None:
    batch_id = world.settle(world.ride(fare=1_500)).returned[0]

    def what_settled() -> list[Any]:
        return [clearinghouse.batches(batch_id), clearinghouse.balanceOf(xuzhou.code)]

    before = what_settled()
    world.set_parameters(max_fare=100, grace=HOUR, submission_window=2 * DAY)
    world.node.mine(at=world.node.now + DELAY)
    assert in_force(clearinghouse).max_fare == 100
    assert what_settled() == before
