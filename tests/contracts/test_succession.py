"""A Clearinghouse replaced while rides are in flight: nothing lost, nothing settled twice (protocol section 7).

How its successor is named, replaced and called off is in test_naming_successors.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from interline.batch import Batch
from interline.domain import Domain
from interline.reasons import RideReason
from interline.signatures import parse_address
from tests.contracts.corrections import PHONE, UPHELD, Corrections, evidence_of, ridden
from tests.contracts.node import Contract, reverts
from tests.contracts.story import (
    DAY,
    DEPOSIT,
    EVENING,
    GRACE,
    HANGZHOU,
    HOUR,
    NO_REFERENCE,
    SUBMISSION_WINDOW,
    XUZHOU,
    Claim,
    World,
    deploy,
)

NAMED = EVENING
CLOSES = NAMED + 30 * DAY
UINT40_MAX = 2**40 - 1


@pytest.fixture
def heir(world: World, clearinghouse: Contract) -> World:
    """The world of the Clearinghouse that is to take over: the same members, the same token."""
    new = deploy(world.node, "Clearinghouse", world.registry, world.token, clearinghouse)
    refunds = world.node.contract(new.refunds(), world.refunds.abi)
    domain = Domain(world.domain.chain_id, parse_address(new.address))
    return replace(world, clearinghouse=new, refunds=refunds, domain=domain)


@pytest.fixture
def succession(world: World, heir: World) -> Succession:
    """The successor is named, and has some of Xuzhou's money."""
    world.by_vote(world.clearinghouse, "nameSuccessor", heir.clearinghouse, CLOSES, at=NAMED)
    heir.deposit(XUZHOU, DEPOSIT)
    return Succession(world, heir)


@dataclass(frozen=True)
class Succession:
    """The old Clearinghouse's world and the new one's."""

    old: World
    new: World

    def outcome(self, where: World, claim: Claim, *, at: int) -> RideReason | None:
        """What becomes of a ride in a batch that is signed for one of the two."""
        receipt = where.settle(claim, at=at)
        reasons = [RideReason(e.args["reason"]) for e in receipt.named("RideRejected")]
        return reasons[0] if reasons else None


def begun_at(world: World, moment: int, **fields: int) -> Claim:
    """A ride that began then, on a ticket of the world's domain."""
    return world.ride(**{"entered_at": moment, "exited_at": moment + 600, "not_after": moment} | fields)


# ---------------------------------------------------------------- rides in flight


def test_each_ride_settles_where_its_ticket_was_signed_for(succession: Succession) -> None:
    old, new = succession.old, succession.new
    one, two = begun_at(old, NAMED, serial=1), begun_at(new, NAMED, serial=1)
    assert succession.outcome(old, one, at=NAMED + DAY) is None
    assert succession.outcome(new, two, at=NAMED + DAY) is None


@pytest.mark.parametrize("at", [NAMED + 6 * DAY, CLOSES + DAY])
def test_the_same_rides_never_settle_on_the_other_one(succession: Succession, at: int) -> None:
    """Even where the operator signs the batch for it, too: the issuer signed the tickets for one of them."""
    old, new = succession.old, succession.new
    one, two = (begun_at(where, NAMED + 5 * DAY, serial=serial) for serial, where in enumerate((old, new)))
    assert succession.outcome(new, one, at=at) == RideReason.BadIssuerSignature
    assert succession.outcome(old, two, at=at + 1) == RideReason.BadIssuerSignature
    assert succession.outcome(old, one, at=at + 2) is None
    assert succession.outcome(new, two, at=at + 3) is None


def test_a_batch_signed_for_one_is_no_batch_of_the_others(succession: Succession) -> None:
    old, new = succession.old, succession.new
    batch = Batch.build(HANGZHOU.code, [begun_at(old, NAMED)])
    signature = old.sign(batch)
    with pytest.raises(Exception, match="NotSubmitter"):
        new.send(batch, signature, at=NAMED + DAY)
    assert old.send(batch, signature, at=NAMED + DAY + 1).returned[1:] == (1, 0)


@pytest.mark.parametrize(
    ("entered_at", "reason"),
    [
        (CLOSES - 1, None),
        (CLOSES, None),
        (CLOSES + GRACE - 1, None),
        (CLOSES + GRACE, RideReason.KeyNotValid),
        (CLOSES + 300 * DAY, RideReason.KeyNotValid),
    ],
)
def test_for_the_old_one_every_issuer_key_ends_when_it_closes(
    succession: Succession, entered_at: int, reason: RideReason | None
) -> None:
    """And a gate whose list is stale by up to `grace` is paid, as when any key ends."""
    ride = begun_at(succession.old, entered_at)
    assert succession.outcome(succession.old, ride, at=entered_at + HOUR) == reason


def test_the_last_ride_may_be_sent_for_the_whole_submission_window(succession: Succession) -> None:
    exited_at = CLOSES + GRACE - 1 + 600
    last = [begun_at(succession.old, CLOSES + GRACE - 1, serial=serial) for serial in (1, 2)]
    assert succession.outcome(succession.old, last[0], at=exited_at + SUBMISSION_WINDOW) is None
    assert succession.outcome(succession.old, last[1], at=exited_at + SUBMISSION_WINDOW + 1) == RideReason.TooLate


def test_a_key_that_ends_before_the_old_one_closes_ends_then(succession: Succession, world: World) -> None:
    world.registry.endIssuerKey(XUZHOU.code, 1, NAMED + DAY, sender=XUZHOU.admin, at=NAMED + HOUR)
    ride = begun_at(world, NAMED + DAY + GRACE)
    assert succession.outcome(world, ride, at=NAMED + DAY + GRACE + HOUR) == RideReason.KeyNotValid


def test_for_the_new_one_no_key_ends_when_the_old_one_closes(succession: Succession) -> None:
    ride = begun_at(succession.new, CLOSES + 300 * DAY)
    assert succession.outcome(succession.new, ride, at=CLOSES + 300 * DAY + HOUR) is None


def test_a_key_without_an_end_has_none_after_the_latest_close(world: World, heir: World) -> None:
    world.by_vote(world.clearinghouse, "nameSuccessor", heir.clearinghouse, UINT40_MAX, at=NAMED)
    assert world.judge(at=NAMED + HOUR) is None


# ---------------------------------------------------------------- what has no end


def test_money_refunds_and_disputes_go_on_in_the_old_one(succession: Succession, world: World) -> None:
    corrections = Corrections(world)
    ride = ridden(world, entered_at=CLOSES, exited_at=CLOSES + 600, not_after=CLOSES, at=CLOSES + 30 * DAY)
    corrections.dispute(ride, at=CLOSES + 60 * DAY)
    corrections.answer(ride, evidence_of(world.domain, ride.claim()), at=CLOSES + 70 * DAY)
    assert corrections.stage(ride) == UPHELD
    corrections.refund(ride, 503)
    world.withdraw(XUZHOU, DEPOSIT - 500)
    world.clearinghouse.withdraw(HANGZHOU.code, DEPOSIT + 500, NO_REFERENCE, sender=HANGZHOU.treasury)


def test_evidence_for_one_is_no_evidence_for_the_other(succession: Succession) -> None:
    """One rider key on two tickets, one for each: the code names its ticket, and the ticket its Clearinghouse."""
    old, new = succession.old, succession.new
    fields = {"rider": PHONE.public.address, "entered_at": NAMED, "exited_at": NAMED + 600}
    rides = [ridden(world, **fields, at=NAMED + DAY + n) for n, world in enumerate((old, new))]
    corrections = Corrections(new)
    corrections.dispute(rides[1])
    theirs = evidence_of(old.domain, rides[0].claim())
    ours = evidence_of(new.domain, rides[1].claim())
    with reverts(corrections.contract, "BadRiderSignature", shownAt=NAMED):
        corrections.answer(rides[1], ours.but(entry=theirs.entry))
    corrections.answer(rides[1], ours)


def test_nothing_is_lost_and_nothing_settles_twice(succession: Succession) -> None:
    """Forty rides around the day of the change, each sent to both again and again: each pays once, where it belongs."""
    old, new = succession.old, succession.new
    houses = (old, new)
    rides = [(n % 2, begun_at(houses[n % 2], CLOSES - 10 * HOUR + n * HOUR // 2, serial=n)) for n in range(40)]
    paid = [0] * len(rides)
    for days in (1, 2, 29):
        for n, (home, claim) in enumerate(rides):
            for place, where in enumerate(houses):
                at = CLOSES + days * DAY + 10 * n + place
                batch = Batch.build(HANGZHOU.code, [claim, begun_at(where, CLOSES, serial=10**6 + 100 * days + n)])
                settled = where.send(batch, where.sign(batch), at=at).returned[1] - 1
                assert settled == (1 if place == home and not paid[n] else 0)
                paid[n] += settled
    assert paid == [1] * len(rides)
    for where, home in zip(houses, (0, 1), strict=True):
        serials = [claim[2].serial for of, claim in rides if of == home]
        assert all(where.clearinghouse.isSettled(XUZHOU.code, HANGZHOU.code, serial) for serial in serials)
