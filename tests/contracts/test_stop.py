"""The emergency stop of settlement: 3 days at most, never chained, and of settlement alone."""

from __future__ import annotations

import pytest

from interline.batch import Batch
from interline.reasons import RideReason
from tests.contracts.corrections import OPEN, UPHELD, Corrections, evidence_of, refunded, ridden
from tests.contracts.node import Contract, Event, Receipt, reverts
from tests.contracts.story import (
    ARRIVAL,
    DAY,
    DEPLOYER_ACCOUNT,
    EVENING,
    HANGZHOU,
    HOUR,
    NO_REFERENCE,
    SHANGHAI,
    STOP_LENGTH,
    STRANGER,
    SUBMISSION_WINDOW,
    XUZHOU,
    City,
    World,
)

STOPPED = EVENING
"""When settlement is stopped, if nothing else is said."""
OVER = STOPPED + STOP_LENGTH
PAUSE = 27 * DAY


def stop(world: World, *, at: int = STOPPED) -> Receipt:
    """What the Consortium calls when enough members asked for it; how they do is test_votes.py's."""
    return world.by_vote(world.clearinghouse, "stopSettlement", at=at)


def resume(world: World, *, at: int) -> Receipt:
    return world.by_vote(world.clearinghouse, "resumeSettlement", at=at)


# ---------------------------------------------------------------- how long


def test_settlement_is_not_stopped_from_the_start(world: World, clearinghouse: Contract) -> None:
    assert clearinghouse.stoppedUntil() == 0
    assert world.judge() is None


def test_a_stop_says_until_when(world: World, clearinghouse: Contract) -> None:
    assert stop(world).events == (Event("SettlementStopped", until=OVER),)
    assert clearinghouse.stoppedUntil() == OVER


@pytest.mark.parametrize("at", [STOPPED, OVER - 1])
def test_nothing_settles_for_3_days(world: World, clearinghouse: Contract, at: int) -> None:
    batch = Batch.build(HANGZHOU.code, [world.ride()])
    signature = world.sign(batch)
    stop(world)
    with reverts(clearinghouse, "SettlementIsStopped", until=OVER):
        world.send(batch, signature, at=at)
    assert world.send(batch, signature, at=OVER).returned[1:] == (1, 0)


@pytest.mark.parametrize(
    "caller",
    [SHANGHAI.admin, SHANGHAI.treasury, DEPLOYER_ACCOUNT, STRANGER],
    ids=["admin", "treasury", "bare", "?"],
)
def test_nobody_but_the_consortium_stops_or_resumes(world: World, clearinghouse: Contract, caller: str) -> None:
    with reverts(clearinghouse, "NotConsortium", caller=caller):
        clearinghouse.stopSettlement(sender=caller)
    stop(world)
    with reverts(clearinghouse, "NotConsortium", caller=caller):
        clearinghouse.resumeSettlement(sender=caller)


@pytest.mark.parametrize("at", [STOPPED + 1, OVER - 1, OVER, OVER + PAUSE - 1])
def test_stops_are_not_chained(world: World, clearinghouse: Contract, at: int) -> None:
    stop(world)
    with reverts(clearinghouse, "StopTooSoon", earliest=OVER + PAUSE):
        stop(world, at=at)


def test_27_days_after_a_stop_there_can_be_another(world: World, clearinghouse: Contract) -> None:
    """So that of any 30 days at least 27 settle."""
    stop(world)
    stop(world, at=OVER + PAUSE)
    assert clearinghouse.stoppedUntil() == OVER + PAUSE + STOP_LENGTH


# ---------------------------------------------------------------- lifted


def test_a_stop_is_lifted_by_vote(world: World, clearinghouse: Contract) -> None:
    stop(world)
    assert resume(world, at=STOPPED + HOUR).events == (Event("SettlementResumed"),)
    assert clearinghouse.stoppedUntil() == STOPPED + HOUR
    assert world.judge(at=STOPPED + HOUR) is None


@pytest.mark.parametrize("when", ["never stopped", "over", "lifted"])
def test_there_must_be_a_stop_to_lift(world: World, clearinghouse: Contract, when: str) -> None:
    if when != "never stopped":
        stop(world)
    if when == "lifted":
        resume(world, at=STOPPED + HOUR)
    with reverts(clearinghouse, "NotStopped"):
        resume(world, at=OVER)


def test_a_stop_that_was_lifted_is_not_chained_either(world: World, clearinghouse: Contract) -> None:
    stop(world)
    resume(world, at=STOPPED + HOUR)
    with reverts(clearinghouse, "StopTooSoon", earliest=STOPPED + HOUR + PAUSE):
        stop(world, at=STOPPED + HOUR + PAUSE - 1)
    stop(world, at=STOPPED + HOUR + PAUSE)


# ---------------------------------------------------------------- what goes on


def test_money_goes_in_and_out_during_a_stop(
    world: World, clearinghouse: Contract, ningbo: City, hangzhou: City, xuzhou: City
) -> None:
    world.settle(world.ride(issuer=ningbo))
    stop(world)
    world.deposit(ningbo, 503)
    assert clearinghouse.payArrears(ningbo.code, hangzhou.code, sender=STRANGER).returned == 503
    clearinghouse.withdraw(xuzhou.code, 1, NO_REFERENCE, sender=xuzhou.treasury)


def test_refunds_disputes_and_answers_go_on_during_a_stop(world: World, corrections: Corrections) -> None:
    world.registry.revokeTickets(XUZHOU.code, HANGZHOU.code, [3], sender=XUZHOU.admin, at=ARRIVAL - 2 * DAY)
    rides = [ridden(world, serial=serial, at=EVENING - 10 + serial) for serial in range(5)]
    corrections.dispute(rides[4], at=STOPPED - 1)
    stop(world)
    assert corrections.refund(rides[1], 503).events == (refunded(rides[1], 503),)
    corrections.dispute(rides[2])
    assert corrections.stage(rides[2]) == OPEN
    corrections.refund_revoked(rides[3])
    corrections.answer(rides[4], evidence_of(world.domain, rides[4].claim()))
    assert corrections.stage(rides[4]) == UPHELD


def test_silence_is_refunded_during_a_stop(world: World, corrections: Corrections) -> None:
    """A stop gives nobody more time: an answer can be given while it lasts."""
    ride = ridden(world, at=EVENING - 11 * DAY, entered_at=ARRIVAL - 12 * DAY, exited_at=ARRIVAL - 12 * DAY + 60)
    corrections.dispute(ride, at=STOPPED - 10 * DAY)
    stop(world)
    corrections.refund_unanswered(ride, at=STOPPED + 1)


# ---------------------------------------------------------------- rides that a stop would make too late


def carried_at(world: World, exited_at: int, **fields: int) -> Batch:
    """A ride that ended then."""
    times = {"entered_at": exited_at - 60, "exited_at": exited_at, "not_after": exited_at}
    return Batch.build(HANGZHOU.code, [world.ride(**times | fields)])


@pytest.mark.parametrize(
    ("window_ends", "sent", "settles"),
    [
        pytest.param(STOPPED, OVER, True, id="just when it began, sent as soon as it is over"),
        pytest.param(STOPPED, OVER + STOP_LENGTH, True, id="just when it began, sent 3 days after it"),
        pytest.param(STOPPED, OVER + STOP_LENGTH + 1, False, id="just when it began, sent a second later than that"),
        pytest.param(OVER - 1, OVER + STOP_LENGTH, True, id="in its last second"),
        pytest.param(OVER - 1, OVER + STOP_LENGTH + 1, False, id="in its last second, and late"),
        pytest.param(STOPPED - 1, OVER, False, id="a second before it"),
        pytest.param(OVER + HOUR, OVER + STOP_LENGTH, True, id="soon after it"),
        pytest.param(OVER + STOP_LENGTH + 1, OVER + STOP_LENGTH + 1, True, id="later"),
        pytest.param(OVER + STOP_LENGTH + 1, OVER + STOP_LENGTH + 2, False, id="later, and late"),
    ],
)
def test_a_ride_whose_window_ends_during_a_stop_may_be_sent_for_3_days_after_it(
    world: World, window_ends: int, sent: int, settles: bool
) -> None:
    batch = carried_at(world, window_ends - SUBMISSION_WINDOW)
    stop(world)
    receipt = world.send(batch, world.sign(batch), at=sent)
    assert [e.args["reason"] for e in receipt.named("RideRejected")] == ([] if settles else [RideReason.TooLate])


@pytest.mark.parametrize(("after", "settles"), [(STOP_LENGTH, True), (STOP_LENGTH + 1, False)])
def test_after_a_lifted_stop_the_3_days_count_from_its_end(world: World, after: int, settles: bool) -> None:
    lifted = STOPPED + HOUR
    batch = carried_at(world, STOPPED - SUBMISSION_WINDOW)
    stop(world)
    resume(world, at=lifted)
    receipt = world.send(batch, world.sign(batch), at=lifted + after)
    assert receipt.returned[1:] == ((1, 0) if settles else (0, 1))


def test_a_lifted_stop_brings_no_ride_back_that_was_too_late_before_it(world: World) -> None:
    batch = carried_at(world, STOPPED - 1 - SUBMISSION_WINDOW)
    stop(world)
    resume(world, at=STOPPED + HOUR)
    receipt = world.send(batch, world.sign(batch), at=STOPPED + HOUR)
    assert [e.args["reason"] for e in receipt.named("RideRejected")] == [RideReason.TooLate]
