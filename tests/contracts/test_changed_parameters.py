"""A change of the parameters and the rides on either side of it: each is judged, and corrected, by those of when it
ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from interline.reasons import RideReason
from tests.contracts.corrections import REVOKED, Corrections, evidence_of, refunded, ridden
from tests.contracts.node import Reverted, reverts
from tests.contracts.story import (
    ANSWER_TIME,
    DAY,
    DISPUTE_FEE,
    DISPUTE_TIME,
    GRACE,
    HANGZHOU,
    HOUR,
    MAX_FARE,
    NOON,
    SUBMISSION_WINDOW,
    XUZHOU,
    Claim,
    World,
    deploy,
)

CHANGE = NOON
"""From when on, included, other parameters hold."""
UINT32_MAX = 2**32 - 1


def change(world: World, *, at: int = CHANGE, **changes: int) -> None:
    """Set parameters so that they hold then, after those that the contract started with."""
    world.set_parameters(at=at - GRACE, **changes)


def times(exited_at: int, *, lasted: int = 600) -> dict[str, int]:
    """A ride that ended then, on a ticket that held as long."""
    return {"entered_at": exited_at - lasted, "exited_at": exited_at, "not_after": exited_at}


# ---------------------------------------------------------------- the highest fare, the window


@pytest.mark.parametrize(
    ("max_fare", "exited_at", "fare", "reason"),
    [
        pytest.param(1_000, CHANGE - 1, MAX_FARE, None, id="lowered, ended before"),
        pytest.param(
            1_000, CHANGE - 1, MAX_FARE + 1, RideReason.AboveFareCap, id="lowered, ended before, too dear then"
        ),
        pytest.param(1_000, CHANGE, 1_000, None, id="lowered, ended after"),
        pytest.param(1_000, CHANGE, 1_001, RideReason.AboveFareCap, id="lowered, ended after, too dear by now"),
        pytest.param(30_000, CHANGE - 1, MAX_FARE + 1, RideReason.AboveFareCap, id="raised, ended before"),
        pytest.param(30_000, CHANGE, 30_000, None, id="raised, ended after"),
        pytest.param(30_000, CHANGE, 30_001, RideReason.AboveFareCap, id="raised, ended after, too dear"),
    ],
)
def test_a_fare_is_held_against_the_highest_of_when_the_ride_ended(
    world: World, max_fare: int, exited_at: int, fare: int, reason: RideReason | None
) -> None:
    change(world, max_fare=max_fare)
    assert world.judge(fare=fare, fare_cap=UINT32_MAX, at=CHANGE + DAY, **times(exited_at)) == reason


@pytest.mark.parametrize(
    ("window", "exited_at", "sent_after", "reason"),
    [
        pytest.param(2 * DAY, CHANGE - 1, SUBMISSION_WINDOW, None, id="shortened, ended before"),
        pytest.param(
            2 * DAY, CHANGE - 1, SUBMISSION_WINDOW + 1, RideReason.TooLate, id="shortened, ended before, late"
        ),
        pytest.param(2 * DAY, CHANGE, 2 * DAY, None, id="shortened, ended after"),
        pytest.param(2 * DAY, CHANGE, 2 * DAY + 1, RideReason.TooLate, id="shortened, ended after, late"),
        pytest.param(60 * DAY, CHANGE - 1, SUBMISSION_WINDOW, None, id="lengthened, ended before"),
        pytest.param(
            60 * DAY, CHANGE - 1, SUBMISSION_WINDOW + 1, RideReason.TooLate, id="lengthened, ended before, late"
        ),
        pytest.param(60 * DAY, CHANGE, 60 * DAY, None, id="lengthened, ended after"),
        pytest.param(60 * DAY, CHANGE, 60 * DAY + 1, RideReason.TooLate, id="lengthened, ended after, late"),
    ],
)
def test_a_ride_is_sent_within_the_window_of_when_it_ended(
    world: World, window: int, exited_at: int, sent_after: int, reason: RideReason | None
) -> None:
    change(world, submission_window=window)
    assert world.judge(at=exited_at + sent_after, **times(exited_at)) == reason


def test_a_ride_that_a_change_found_on_its_way_goes_by_what_held_when_it_ended(world: World) -> None:
    change(world, max_fare=1_000)
    ride = {"entered_at": CHANGE - HOUR, "exited_at": CHANGE, "not_after": CHANGE}
    assert world.judge(fare=1_001, at=CHANGE + HOUR, **ride) == RideReason.AboveFareCap


@pytest.mark.parametrize(("exited_at", "reason"), [(CHANGE - 1, None), (CHANGE, RideReason.TooLate)])
def test_after_a_stop_too_the_window_is_that_of_when_a_ride_ended(
    world: World, exited_at: int, reason: RideReason | None
) -> None:
    change(world, submission_window=2 * DAY)
    world.by_vote(world.clearinghouse, "stopSettlement", at=CHANGE + 10 * DAY)
    assert world.judge(at=CHANGE + 13 * DAY, **times(exited_at)) == reason


# ---------------------------------------------------------------- the grace


@dataclass(frozen=True)
class Ending:
    """Something that gates may not know of for a grace, which moment of a ride it is held against, and the reason it
    gives.
    """

    bring_about: Callable[[World, int], object]
    reason: RideReason
    by_exit: bool = False
    notice: int = 0

    def ride(self, moment: int) -> dict[str, int]:
        """A ride whose entry or exit, whichever counts, was then."""
        entered_at = moment - 60 if self.by_exit else moment
        return {"entered_at": entered_at, "exited_at": entered_at + 60, "not_after": entered_at}


def _close(world: World, at: int) -> None:
    old = world.clearinghouse
    successor = deploy(world.node, "Clearinghouse", world.registry, world.token, old)
    world.by_vote(old, "nameSuccessor", successor, at, at=at - 30 * DAY)


def _end_key(world: World, at: int) -> None:
    world.registry.endIssuerKey(XUZHOU.code, 1, at, sender=XUZHOU.admin, at=at)


ENDINGS = {
    "an ended key": Ending(_end_key, RideReason.KeyNotValid),
    "a closing": Ending(_close, RideReason.KeyNotValid, notice=30 * DAY),
    "a suspended issuer": Ending(lambda world, at: world.suspend(XUZHOU, at=at), RideReason.IssuerSuspended),
    "an issuer that left": Ending(lambda world, at: world.leave(XUZHOU, at=at), RideReason.IssuerSuspended),
    "a suspended operator": Ending(
        lambda world, at: world.suspend(HANGZHOU, at=at), RideReason.OperatorSuspended, by_exit=True
    ),
    "an operator that left": Ending(
        lambda world, at: world.leave(HANGZHOU, at=at), RideReason.OperatorSuspended, by_exit=True
    ),
}

endings = pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)


def end_and_change(world: World, ending: Ending, ended_at: int, *, grace: int, change_at: int = CHANGE) -> None:
    """Both, in the order of time."""
    acts: list[tuple[int, Callable[[], object]]] = [
        (ended_at - ending.notice, lambda: ending.bring_about(world, ended_at)),
        (change_at - GRACE, lambda: change(world, at=change_at, grace=grace)),
    ]
    for _, act in sorted(acts, key=lambda timed: timed[0]):
        act()


def last_good(world: World, ending: Ending, last: int, *, sent: int) -> None:
    """Of two rides the one whose moment is that second settles, and the one a second later doesn't."""
    good = world.judge(serial=1, at=sent, **ending.ride(last))
    bad = world.judge(serial=2, at=sent + 1, **ending.ride(last + 1))
    assert (good, bad) == (None, ending.reason)


@endings
def test_a_ride_of_before_a_shorter_grace_has_the_longer_one(world: World, ending: Ending) -> None:
    ended_at = CHANGE - GRACE - HOUR
    end_and_change(world, ending, ended_at, grace=HOUR)
    last_good(world, ending, ended_at + GRACE - 1, sent=CHANGE + DAY)


@endings
def test_a_ride_after_a_shorter_grace_has_that_whatever_it_is_counted_from(world: World, ending: Ending) -> None:
    ended_at = CHANGE - HOUR // 2
    end_and_change(world, ending, ended_at, grace=HOUR)
    last_good(world, ending, ended_at + HOUR - 1, sent=CHANGE + DAY)


@endings
@pytest.mark.parametrize("ended_at", [CHANGE - 1, CHANGE - HOUR], ids=["just before", "an hour before"])
def test_a_longer_grace_brings_back_nothing_that_ended_before_it(world: World, ending: Ending, ended_at: int) -> None:
    """A gate that goes by a list of before it ended had that list for the shorter grace at most."""
    end_and_change(world, ending, ended_at, grace=7 * DAY)
    last_good(world, ending, ended_at + GRACE - 1, sent=CHANGE + 8 * DAY)


@endings
def test_what_ends_once_a_longer_grace_holds_has_all_of_it(world: World, ending: Ending) -> None:
    end_and_change(world, ending, CHANGE, grace=7 * DAY)
    last_good(world, ending, CHANGE + 7 * DAY - 1, sent=CHANGE + 8 * DAY)


@endings
def test_a_ride_of_before_a_longer_grace_has_the_shorter_one(world: World, ending: Ending) -> None:
    ended_at = CHANGE - GRACE - HOUR
    end_and_change(world, ending, ended_at, grace=7 * DAY)
    last_good(world, ending, ended_at + GRACE - 1, sent=CHANGE + DAY)


def test_a_past_suspension_has_the_grace_of_when_it_began(world: World) -> None:
    """It began before a longer grace held, and ended after."""
    suspended = CHANGE - HOUR
    change(world, grace=7 * DAY)
    world.suspend(XUZHOU, at=suspended)
    world.reinstate(XUZHOU, at=CHANGE + 8 * DAY)
    last_good(world, ENDINGS["a suspended issuer"], suspended + GRACE - 1, sent=CHANGE + 9 * DAY)
    assert world.judge(serial=3, at=CHANGE + 10 * DAY, **times(CHANGE + 8 * DAY + 60, lasted=60)) is None


# ---------------------------------------------------------------- corrections


def revoke(world: World, *, at: int) -> None:
    world.registry.revokeTickets(XUZHOU.code, HANGZHOU.code, [7], sender=XUZHOU.admin, at=at)


def test_a_settled_ride_is_not_taken_back_by_a_shorter_grace_that_came_later(
    world: World, corrections: Corrections
) -> None:
    """A gate that couldn't know yet by what held then stays paid."""
    entered_at, revoked_at = CHANGE - 601, CHANGE - 601 - GRACE
    revoke(world, at=revoked_at)
    change(world, grace=HOUR)
    ride = ridden(world, at=CHANGE + DAY, **times(CHANGE - 1))
    error = {"enteredAt": entered_at, "revokedAt": revoked_at, "grace": GRACE}
    with reverts(corrections.contract, "NotRevokedInTime", **error):
        corrections.refund_revoked(ride)


def test_a_ride_after_a_shorter_grace_is_taken_back_by_that(world: World, corrections: Corrections) -> None:
    change(world, grace=HOUR)
    revoke(world, at=CHANGE)
    rides = [ridden(world, serial=7, at=CHANGE + DAY, entered_at=CHANGE + HOUR + 1, exited_at=CHANGE + 2 * HOUR)]
    assert corrections.refund_revoked(rides[0]).events == (refunded(rides[0], 503, cause=REVOKED),)


def test_a_ride_within_a_longer_grace_that_came_later_is_taken_back_by_the_shorter(
    world: World, corrections: Corrections
) -> None:
    revoke(world, at=CHANGE - 602 - GRACE)
    change(world, grace=7 * DAY)
    ride = ridden(world, at=CHANGE + DAY, **times(CHANGE - 1))
    corrections.refund_revoked(ride)


@pytest.mark.parametrize(
    ("dispute_time", "exited_at", "disputable_for"),
    [
        pytest.param(7 * DAY, CHANGE - 1, DISPUTE_TIME, id="shortened, ended before"),
        pytest.param(7 * DAY, CHANGE, 7 * DAY, id="shortened, ended after"),
        pytest.param(90 * DAY, CHANGE - 1, DISPUTE_TIME, id="lengthened, ended before"),
        pytest.param(90 * DAY, CHANGE, 90 * DAY, id="lengthened, ended after"),
    ],
)
@pytest.mark.parametrize("act", ["dispute", "refund_revoked"])
def test_a_ride_can_be_disputed_for_as_long_as_when_it_ended(
    world: World, corrections: Corrections, act: str, dispute_time: int, exited_at: int, disputable_for: int
) -> None:
    """Its evidence is kept so long and no longer: a longer time opens no ride that was closed."""
    revoke(world, at=CHANGE - 2 * GRACE)
    change(world, dispute_time=dispute_time)
    settled_at = CHANGE + DAY
    ride = ridden(world, at=settled_at, **times(exited_at))
    last = settled_at + disputable_for
    with world.node.rolled_back():
        getattr(corrections, act)(ride, at=last)
    with reverts(corrections.contract, "DisputeTooLate", settledAt=settled_at, disputableFrom=settled_at + 1):
        getattr(corrections, act)(ride, at=last + 1)


@pytest.mark.parametrize(
    ("exited_at", "answer_time", "fee"), [(CHANGE - 1, ANSWER_TIME, DISPUTE_FEE), (CHANGE, 3 * DAY, 5_000)]
)
def test_a_dispute_waits_and_costs_what_it_did_when_the_ride_ended(
    world: World, corrections: Corrections, exited_at: int, answer_time: int, fee: int
) -> None:
    """Whoever carried a rider knew by then how long the evidence has to be at hand."""
    change(world, answer_time=3 * DAY, dispute_fee=5_000)
    ride = ridden(world, at=CHANGE + DAY, **times(exited_at))
    asked = CHANGE + 2 * DAY
    [event] = corrections.dispute(ride, at=asked).events
    assert (event.args["answerUntil"], event.args["fee"]) == (asked + answer_time, fee)
    receipt = corrections.answer(ride, evidence_of(world.domain, ride.claim()), at=asked + answer_time)
    assert receipt.named("RideUpheld")[0].args["fee"] == fee


def test_an_open_dispute_stays_as_it_was_when_other_parameters_come_to_hold(
    world: World, corrections: Corrections
) -> None:
    ride = ridden(world, at=CHANGE - HOUR, **times(CHANGE - 2 * HOUR))
    change_set = CHANGE - HOUR + 1
    world.set_parameters(at=change_set, answer_time=3 * DAY, dispute_fee=5_000)
    corrections.dispute(ride, at=change_set + 1)
    world.node.mine(at=change_set + GRACE)
    assert world.clearinghouse.disputeFee() == 5_000
    receipt = corrections.answer(ride, evidence_of(world.domain, ride.claim()), at=change_set + 1 + ANSWER_TIME)
    assert receipt.events[0].args["fee"] == DISPUTE_FEE


# ---------------------------------------------------------------- batches with rides of both sides

BEFORE, AFTER = times(CHANGE - 1), times(CHANGE)
MOST_FOR_A_RIDE_OF_THE_OTHER_SIDE = 2_500
"""Gas: the loop looks at the rides of its first one's side, and asks about the others."""


def mixed(world: World, count: int, *, first: str, **fields: int) -> list[Claim]:
    """Rides by turns of either side of the change."""
    sides = (BEFORE, AFTER) if first == "before" else (AFTER, BEFORE)
    return [world.ride(serial=serial, **sides[serial % 2], **fields) for serial in range(count)]


first_side = pytest.mark.parametrize("first", ["before", "after"])


@first_side
def test_in_a_batch_of_both_sides_each_ride_goes_by_its_own(world: World, first: str) -> None:
    change(world, max_fare=1_000)
    receipt = world.settle(*mixed(world, 256, first=first, fare=1_001), at=CHANGE + DAY)
    refused = [(e.args["index"], e.args["reason"]) for e in receipt.named("RideRejected")]
    late = 1 if first == "before" else 0
    assert refused == [(index, RideReason.AboveFareCap) for index in range(late, 256, 2)]
    [pair] = receipt.named("PairSettled")
    assert (pair.args["rides"], pair.args["fares"]) == (128, 128 * 1_001)


@first_side
def test_each_group_of_a_batch_looks_at_its_own_first_ride(world: World, shanghai: object, first: str) -> None:
    """Shanghai's group begins on the other side than Xuzhou's."""
    change(world, submission_window=2 * DAY)
    sides = (BEFORE, AFTER) if first == "before" else (AFTER, BEFORE)
    claims = [world.ride(issuer=city, **side) for city, side in zip((shanghai, XUZHOU), sides, strict=True)]  # type: ignore[arg-type]
    receipt = world.settle(*claims, at=CHANGE + 10 * DAY)
    refused = [(e.args["index"], e.args["reason"]) for e in receipt.named("RideRejected")]
    assert refused == [(1 if first == "before" else 0, RideReason.TooLate)]


@first_side
def test_a_ride_of_the_other_side_costs_a_bounded_amount_of_gas(world: World, first: str) -> None:
    change(world, max_fare=1_000)

    def gas(claims: list[Claim]) -> int:
        with world.node.rolled_back():
            receipt = world.settle(*claims, at=CHANGE + DAY)
        assert receipt.returned[1:] == (256, 0)
        return receipt.gas_used

    side = BEFORE if first == "before" else AFTER
    plain = gas([world.ride(serial=serial, **side) for serial in range(256)])
    both = gas(mixed(world, 256, first=first))
    extra = (both - plain) / 128
    print(f"256 rides of one side: {plain} gas; half of them of the other: {extra:.0f} gas more for each of those")
    assert 0 < extra < MOST_FOR_A_RIDE_OF_THE_OTHER_SIDE


# ---------------------------------------------------------------- the change after

LONG = {"grace": 7 * DAY, "submission_window": 365 * DAY, "dispute_time": 90 * DAY, "answer_time": 30 * DAY}
SHORT = {"grace": HOUR, "submission_window": 2 * DAY, "dispute_time": 7 * DAY, "answer_time": 3 * DAY}


def change_again(world: World, **changes: int) -> int:
    """A second change as soon as it is possible; when that is."""
    with pytest.raises(Reverted, match="ParametersTooSoon") as refused:
        world.set_parameters(at=max(world.node.now, CHANGE) + 1)
    earliest: int = refused.value.error.args["earliest"]
    world.set_parameters(at=earliest, **changes)
    return earliest


@pytest.mark.parametrize("second", [LONG, SHORT, {}], ids=["long", "short", "as at first"])
@pytest.mark.parametrize("longer", LONG)
def test_no_ride_that_was_too_late_settles_once_its_parameters_are_forgotten(
    world: World, longer: str, second: dict[str, int]
) -> None:
    change(world, **{longer: LONG[longer]})
    again = change_again(world, **second)
    for n, exited_at in enumerate((CHANGE - 1, CHANGE - 10 * DAY)):
        assert world.judge(serial=n, at=again + 1 + n, **times(exited_at)) == RideReason.TooLate


@pytest.mark.parametrize("act", ["dispute", "refund_revoked"])
def test_no_ride_that_was_closed_is_opened_once_its_parameters_are_forgotten(
    world: World, corrections: Corrections, act: str
) -> None:
    """Nor is a settled one taken back by a grace that came later."""
    revoke(world, at=CHANGE - 2 * GRACE)
    change(world, submission_window=2 * DAY, dispute_time=90 * DAY, grace=HOUR)
    sent = CHANGE - 1 + SUBMISSION_WINDOW
    ride = ridden(world, at=sent, **times(CHANGE - 1))
    change_again(world, **SHORT | {"dispute_time": 90 * DAY})
    with pytest.raises(Reverted, match="DisputeTooLate"):
        getattr(corrections, act)(ride)


@endings
def test_nothing_that_ended_is_revived_once_the_shorter_grace_is_forgotten(world: World, ending: Ending) -> None:
    """The ride ended under the first change's longer grace; what it counts from lies before it."""
    ended_at = CHANGE - HOUR
    acts = [
        (ended_at - ending.notice, lambda: ending.bring_about(world, ended_at)),
        (CHANGE - GRACE, lambda: change(world, **LONG)),
    ]
    for _, act in sorted(acts, key=lambda timed: timed[0]):
        act()
    again = change_again(world, **LONG)
    assert world.judge(at=again + 1, **ending.ride(ended_at + GRACE)) is not None


def test_an_open_dispute_outlives_its_parameters(world: World, corrections: Corrections) -> None:
    change(world, **SHORT)
    ride = ridden(world, at=CHANGE - 1 + SUBMISSION_WINDOW, **times(CHANGE - 1))
    asked = CHANGE - 1 + SUBMISSION_WINDOW + DISPUTE_TIME
    corrections.dispute(ride, at=asked)
    receipt = corrections.answer(ride, evidence_of(world.domain, ride.claim()), at=asked + ANSWER_TIME)
    assert receipt.events[0].args["fee"] == DISPUTE_FEE
