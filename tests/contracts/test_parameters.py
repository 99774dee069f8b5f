"""The Clearinghouse's parameters: set by vote, within bounds, and from when on they hold.

What they do to rides on either side of a change is in test_changed_parameters.py.
"""

from __future__ import annotations

from dataclasses import asdict, astuple
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
HOLDS = VOTED + GRACE
"""When they hold: by then every gate's list tells of them."""
FORGOTTEN = GRACE + DAY + SUBMISSION_WINDOW + 2 * STOP_LENGTH + DISPUTE_TIME + ANSWER_TIME
"""How long after that those before them are needed: for a ride within the grace, of a day, sent at the last after a
stop, then disputed and not answered.
"""
NOTHING_PENDING = (astuple(Parameters(0, 0, 0, 0, 0, 0)), 0)

GETTERS = ["maxFare", "grace", "submissionWindow", "disputeTime", "answerTime", "disputeFee"]


def in_force(clearinghouse: Contract) -> Parameters:
    """As one struct and one by one, which must be the same."""
    whole = Parameters(*clearinghouse.parameters())
    assert astuple(whole) == tuple(getattr(clearinghouse, name)() for name in GETTERS)
    return whole


def start_with(world: World, **changes: int) -> None:
    """Parameters that were voted for before anybody rode, and hold a day before noon."""
    world.set_parameters(at=NOON - GRACE - DAY, **changes)


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


@pytest.mark.parametrize(
    "changes",
    [
        *({name: value + step} for name, value in asdict(Parameters()).items() for step in (-1, 1)),
        {},
        {"max_fare": MAX_FARE + 1, "grace": GRACE - 1},
    ],
    ids=str,
)
def test_they_hold_for_rides_that_end_a_grace_after_the_vote(
    world: World, clearinghouse: Contract, changes: dict[str, int]
) -> None:
    """Whatever changes, longer or shorter: by then no gate goes by a list that doesn't tell of it."""
    changed = Parameters(**changes)
    receipt = world.set_parameters(at=VOTED, **changes)
    assert receipt.events == (Event("ParametersSet", parameters=astuple(changed), validFrom=HOLDS),)
    world.node.mine(at=HOLDS - 1)
    assert in_force(clearinghouse) == Parameters()
    assert clearinghouse.pendingParameters() == (astuple(changed), HOLDS)
    world.node.mine(at=HOLDS)
    assert in_force(clearinghouse) == changed
    assert clearinghouse.pendingParameters() == NOTHING_PENDING
    assert Parameters(*clearinghouse.parametersAt(HOLDS - 1)) == Parameters()
    assert Parameters(*clearinghouse.parametersAt(HOLDS)) == changed


@pytest.mark.parametrize("moment", [0, VOTED, 2**32, 2**256 - 1])
def test_before_the_first_change_the_same_hold_for_all_times(clearinghouse: Contract, moment: int) -> None:
    assert Parameters(*clearinghouse.parametersAt(moment)) == Parameters()


def test_those_of_a_time_are_known_before_they_hold_and_after(world: World, clearinghouse: Contract) -> None:
    world.set_parameters(at=VOTED, max_fare=200)
    for moment, max_fare in [(0, MAX_FARE), (HOLDS - 1, MAX_FARE), (HOLDS, 200), (2**256 - 1, 200)]:
        assert Parameters(*clearinghouse.parametersAt(moment)) == Parameters(max_fare=max_fare)


def test_the_wait_is_the_grace_in_force_not_the_new_one(world: World) -> None:
    world.set_parameters(at=VOTED, grace=HOUR)
    [event] = world.set_parameters(at=HOLDS - 1, grace=7 * DAY).events
    assert event.args["validFrom"] == HOLDS - 1 + GRACE
    changed = HOLDS - 1 + GRACE
    [event] = world.set_parameters(at=changed + 7 * DAY + FORGOTTEN - GRACE).events
    assert event.args["validFrom"] == changed + 7 * DAY + FORGOTTEN - GRACE + 7 * DAY


def test_a_later_vote_replaces_what_does_not_hold_yet(world: World, clearinghouse: Contract) -> None:
    world.set_parameters(at=VOTED, max_fare=100)
    world.set_parameters(at=HOLDS - 1, max_fare=200)
    assert clearinghouse.pendingParameters() == (astuple(Parameters(max_fare=200)), HOLDS - 1 + GRACE)
    world.node.mine(at=HOLDS)
    assert in_force(clearinghouse) == Parameters()
    world.node.mine(at=HOLDS - 1 + GRACE)
    assert in_force(clearinghouse) == Parameters(max_fare=200)
    assert Parameters(*clearinghouse.parametersAt(HOLDS - 2 + GRACE)) == Parameters()


@pytest.mark.parametrize("at", [HOLDS, HOLDS + FORGOTTEN - 1])
def test_once_they_hold_no_others_are_set_before_all_is_over_that_goes_by_those_before_them(
    world: World, clearinghouse: Contract, at: int
) -> None:
    world.set_parameters(at=VOTED, max_fare=100)
    with reverts(clearinghouse, "ParametersTooSoon", earliest=HOLDS + FORGOTTEN):
        world.set_parameters(at=at, max_fare=200)
    world.set_parameters(at=HOLDS + FORGOTTEN, max_fare=200)
    assert in_force(clearinghouse) == Parameters(max_fare=100)
    assert clearinghouse.pendingParameters() == (astuple(Parameters(max_fare=200)), HOLDS + FORGOTTEN + GRACE)


@pytest.mark.parametrize("which", ["before the change", "after the change"])
@pytest.mark.parametrize("name", ["grace", "submission_window", "dispute_time", "answer_time"])
def test_the_longer_of_both_counts_for_how_long_those_before_are_needed(
    world: World, clearinghouse: Contract, name: str, which: str
) -> None:
    """What was closed by the one mustn't be opened by the other: so each time counts as it is in the set where it is
    longer.
    """
    start, longer = getattr(Parameters(), name), BOUNDS[name][1]
    world.set_parameters(at=VOTED, **{name: longer})
    if which == "before the change":
        again = HOLDS + FORGOTTEN + longer - start
        world.set_parameters(at=again)
        holds = again + (longer if name == "grace" else GRACE)
    else:
        holds = HOLDS
    earliest = holds + FORGOTTEN + longer - start
    with reverts(clearinghouse, "ParametersTooSoon", earliest=earliest):
        world.set_parameters(at=earliest - 1)
    world.set_parameters(at=earliest)


def test_settling_goes_by_what_holds_by_now_and_changes_none_of_it(world: World, clearinghouse: Contract) -> None:
    start_with(world, max_fare=502)
    assert world.judge(serial=1) == RideReason.AboveFareCap
    assert in_force(clearinghouse) == Parameters(max_fare=502)
    assert clearinghouse.pendingParameters() == NOTHING_PENDING
    assert world.judge(serial=2, fare=502) is None


@pytest.mark.parametrize(("at", "max_fare"), [(HOLDS - 1, MAX_FARE), (HOLDS, 30_000)])
def test_a_new_clearinghouse_takes_the_parameters_in_force_from_the_one_before(
    world: World, clearinghouse: Contract, at: int, max_fare: int
) -> None:
    world.set_parameters(at=VOTED, max_fare=30_000)
    successor = deploy(world.node, "Clearinghouse", world.registry, world.token, clearinghouse, at=at)
    assert in_force(successor) == Parameters(max_fare=max_fare)
    assert successor.pendingParameters() == NOTHING_PENDING


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
    world.node.mine(at=world.node.now + GRACE)
    assert in_force(clearinghouse).max_fare == 100
    assert what_settled() == before
