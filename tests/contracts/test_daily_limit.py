"""Protocol section 6: how much a city's tickets may take from it in a day, and what becomes of the fares above that."""

from __future__ import annotations

import pytest

from network.accounts import Role
from tests.contracts.corrections import Corrections, Settled, evidence_of, refunded, ridden, settled
from tests.contracts.node import Contract, Event, Receipt, reverts
from tests.contracts.story import (
    ANSWER_TIME,
    BANK_ACCOUNT,
    DAY,
    DEPLOYER_ACCOUNT,
    DEPOSIT,
    DISPUTE_FEE,
    EVENING,
    GRACE,
    HANGZHOU,
    HOUR,
    NINGBO,
    NO_REFERENCE,
    NOON,
    SHANGHAI,
    STRANGER,
    XUZHOU,
    City,
    World,
)

TODAY = EVENING // DAY
"""The day of UTC on which rides are settled, if nothing else is said."""
MIDNIGHT = (TODAY + 1) * DAY
RELEASABLE = MIDNIGHT + ANSWER_TIME + 4 * DAY
"""When anybody may release what was withheld on that day."""
MOST = 2**40 - 1


def limit(world: World, fen: int, *, city: City = XUZHOU, at: int | None = None) -> Receipt:
    receipt: Receipt = world.clearinghouse.setDailyLimit(city.code, fen, sender=city.treasury, at=at)
    return receipt


def carried(
    world: World, fare: int, *, at: int = EVENING, serial: int = 0, issuer: City = XUZHOU, operator: City = HANGZHOU
) -> tuple[int, int]:
    """One ride settled for that fare, a few hours after it: (paid, withheld)."""
    ride = world.ride(
        issuer=issuer,
        operator=operator,
        serial=serial,
        fare=fare,
        fare_cap=fare,
        entered_at=at - 3 * HOUR,
        exited_at=at - 2 * HOUR,
        not_after=at,
    )
    return outcome(world.settle(ride, operator=operator, at=at))


def outcome(receipt: Receipt) -> tuple[int, int]:
    """(paid, withheld) of a batch of one pair."""
    [pair] = receipt.named("PairSettled")
    return pair.args["paid"], sum(event.args["amount"] for event in receipt.named("FaresWithheld"))


def release(world: World, *, day: int = TODAY, sender: str = STRANGER, at: int | None = None) -> Receipt:
    receipt: Receipt = world.clearinghouse.releaseWithheld(XUZHOU.code, HANGZHOU.code, day, sender=sender, at=at)
    return receipt


def pay(world: World, *, at: int | None = None) -> int:
    receipt = world.clearinghouse.payArrears(XUZHOU.code, HANGZHOU.code, sender=STRANGER, at=at)
    paid: int = receipt.returned
    return paid


def owed(world: World) -> tuple[int, int]:
    """(Xuzhou's arrears to Hangzhou, what of them is withheld)"""
    pair = XUZHOU.code, HANGZHOU.code
    return world.clearinghouse.arrears(*pair), world.clearinghouse.withheld(*pair)


# ---------------------------------------------------------------- who sets it


def test_a_city_has_no_limit_until_it_sets_one(world: World, clearinghouse: Contract) -> None:
    assert clearinghouse.dailyLimit(XUZHOU.code) == (0, 0)
    assert carried(world, 20_000) == (20_000, 0)
    assert clearinghouse.dailyLimit(XUZHOU.code) == (0, 0)


@pytest.mark.parametrize("fen", [1, 50_000, MOST, 0])
def test_its_treasury_sets_it(world: World, clearinghouse: Contract, fen: int) -> None:
    assert limit(world, fen).events == (Event("DailyLimitSet", city=XUZHOU.code, limit=fen),)
    assert clearinghouse.dailyLimit(XUZHOU.code) == (fen, 0)


@pytest.mark.parametrize(
    "caller",
    [
        pytest.param(XUZHOU.admin, id="its admin"),
        pytest.param(XUZHOU.submitter, id="its submitter"),
        pytest.param(SHANGHAI.treasury, id="another city's treasury"),
        pytest.param(BANK_ACCOUNT, id="the bank"),
        pytest.param(DEPLOYER_ACCOUNT, id="the deployer"),
        pytest.param(STRANGER, id="a stranger"),
    ],
)
def test_nobody_else_sets_it(world: World, clearinghouse: Contract, caller: str) -> None:
    for sender in (caller, world.consortium.address):
        with reverts(clearinghouse, "NotTreasury", city=XUZHOU.code, caller=sender):
            clearinghouse.setDailyLimit(XUZHOU.code, 1, sender=sender)


def test_a_frozen_treasury_neither_raises_nor_removes_it(world: World, clearinghouse: Contract) -> None:
    limit(world, 1_000)
    world.registry.freezeTreasury(XUZHOU.code, True, sender=XUZHOU.admin)
    for fen in (2_000, 0):
        with reverts(clearinghouse, "TreasuryFrozen", city=XUZHOU.code):
            limit(world, fen)
    assert clearinghouse.dailyLimit(XUZHOU.code) == (1_000, 0)


def test_a_limit_that_does_not_fit_is_refused(world: World, clearinghouse: Contract) -> None:
    with reverts(clearinghouse, "SafeCastOverflowedUintDowncast", bits=40, value=MOST + 1):
        limit(world, MOST + 1)


# ---------------------------------------------------------------- what is within it, and what above


@pytest.mark.parametrize(
    ("fen", "paid"), [(504, 503), (503, 503), (502, 502), (1, 1)], ids=["room", "just", "a fen short", "a fen"]
)
def test_fares_are_paid_as_far_as_the_limit_allows_and_the_rest_is_withheld(
    world: World, clearinghouse: Contract, fen: int, paid: int
) -> None:
    limit(world, fen)
    receipt = world.settle(world.ride(fare=503))
    batch_id = receipt.returned[0]
    pair = {"issuer": XUZHOU.code, "operator": HANGZHOU.code}
    above = (Event("FaresWithheld", **pair, day=TODAY, amount=503 - paid),) if paid < 503 else ()
    assert receipt.events == (
        *above,
        Event("PairSettled", batchId=batch_id, **pair, rides=1, fares=503, paid=paid),
        Event("BatchSettled", batchId=batch_id, operator=HANGZHOU.code, settled=1, rejected=0, fares=503),
    )
    assert owed(world) == (503 - paid, 503 - paid)
    assert world.balances(XUZHOU, HANGZHOU) == {XUZHOU: DEPOSIT - paid, HANGZHOU: DEPOSIT + paid}
    assert clearinghouse.dailyLimit(XUZHOU.code) == (fen, paid)
    assert (clearinghouse.arrearsOf(XUZHOU.code), clearinghouse.arrearsDue(HANGZHOU.code)) == (503 - paid, 503 - paid)
    assert clearinghouse.position(XUZHOU.code) == DEPOSIT - 503
    assert clearinghouse.position(HANGZHOU.code) == DEPOSIT + 503


def test_each_issuer_of_a_batch_has_its_own_limit(world: World) -> None:
    limit(world, 400, city=XUZHOU)
    limit(world, 900, city=SHANGHAI)
    claims = [*world.rides([1, 2], fare=500), *world.rides([1, 2], issuer=SHANGHAI, fare=500)]
    receipt = world.settle(*claims, world.ride(issuer=NINGBO, fare=300))
    assert [(e.args["issuer"], e.args["paid"]) for e in receipt.named("PairSettled")] == [
        (SHANGHAI.code, 900),
        (XUZHOU.code, 400),
        (NINGBO.code, 0),
    ]
    assert [(e.args["issuer"], e.args["amount"]) for e in receipt.named("FaresWithheld")] == [
        (SHANGHAI.code, 100),
        (XUZHOU.code, 600),
    ]
    assert world.clearinghouse.withheld(NINGBO.code, HANGZHOU.code) == 0


def test_all_keys_of_an_issuer_share_its_limit(world: World) -> None:
    limit(world, 700)
    world.add_issuer_key(XUZHOU, 2, Role.SPARE_ISSUER_KEY)
    second = world.ride(key_id=2, signer=XUZHOU.key(Role.SPARE_ISSUER_KEY), serial=9, fare=500)
    assert outcome(world.settle(world.ride(fare=500), second)) == (700, 300)


def test_the_batches_of_a_day_and_all_operators_share_it(world: World, clearinghouse: Contract) -> None:
    limit(world, 1_000)
    assert carried(world, 400, serial=1) == (400, 0)
    assert carried(world, 500, serial=1, operator=SHANGHAI, at=EVENING + 1) == (500, 0)
    assert carried(world, 300, serial=2, at=EVENING + 2) == (100, 200)
    assert carried(world, 300, serial=2, operator=SHANGHAI, at=EVENING + 3) == (0, 300)
    assert clearinghouse.dailyLimit(XUZHOU.code) == (1_000, 1_000)


def test_the_next_day_begins_at_midnight_of_utc(world: World, clearinghouse: Contract) -> None:
    limit(world, 500)
    assert carried(world, 500, serial=1) == (500, 0)
    assert carried(world, 200, serial=2, at=MIDNIGHT - 1) == (0, 200)
    assert carried(world, 500, serial=3, at=MIDNIGHT) == (500, 0)
    assert clearinghouse.dailyLimit(XUZHOU.code) == (500, 500)
    assert [e for e in range(2) if carried(world, 1, serial=4 + e, at=MIDNIGHT + 1 + e) != (0, 1)] == []
    world.node.mine(at=MIDNIGHT + DAY)
    assert clearinghouse.dailyLimit(XUZHOU.code) == (500, 0)


def test_the_day_is_that_of_the_settlement_not_of_the_ride(world: World) -> None:
    limit(world, 500)
    yesterday = {"entered_at": NOON - DAY, "exited_at": NOON - DAY + 60}
    assert outcome(world.settle(world.ride(serial=1, fare=500, **yesterday))) == (500, 0)
    assert outcome(world.settle(world.ride(serial=2, fare=500), at=EVENING + 1)) == (0, 500)


def test_a_limit_raised_within_the_day_leaves_room_for_the_difference(world: World, clearinghouse: Contract) -> None:
    limit(world, 500)
    carried(world, 500, serial=1)
    limit(world, 700)
    assert clearinghouse.dailyLimit(XUZHOU.code) == (700, 500)
    assert carried(world, 300, serial=2, at=EVENING + 60) == (200, 100)


@pytest.mark.parametrize("lowered", [400, 500])
def test_a_limit_lowered_below_what_was_taken_leaves_no_room(
    world: World, clearinghouse: Contract, lowered: int
) -> None:
    limit(world, 1_000)
    carried(world, 500, serial=1)
    limit(world, lowered)
    assert carried(world, 1, serial=2, at=EVENING + 60) == (0, 1)
    assert clearinghouse.dailyLimit(XUZHOU.code) == (lowered, 500)
    limit(world, 501)
    assert carried(world, 2, serial=3, at=EVENING + 120) == (1, 1)


def test_without_the_limit_all_is_paid_again_and_what_is_withheld_stays_so(
    world: World, clearinghouse: Contract
) -> None:
    limit(world, 100)
    assert carried(world, 500, serial=1) == (100, 400)
    limit(world, 0)
    assert carried(world, 500, serial=2, at=EVENING + 60) == (500, 0)
    assert owed(world) == (400, 400)


def test_a_limit_set_anew_counts_what_is_taken_from_then_on(world: World, clearinghouse: Contract) -> None:
    limit(world, 500)
    carried(world, 500, serial=1)
    limit(world, 0)
    limit(world, 500)
    assert clearinghouse.dailyLimit(XUZHOU.code) == (500, 0)
    assert carried(world, 600, serial=2, at=EVENING + 60) == (500, 100)


def test_fares_that_the_balance_cannot_pay_are_taken_all_the_same(world: World, clearinghouse: Contract) -> None:
    """They are the city's debt at once, so that the limit holds for what it owes too."""
    limit(world, 300, city=NINGBO)
    assert carried(world, 500, issuer=NINGBO) == (0, 200)
    assert clearinghouse.arrears(NINGBO.code, HANGZHOU.code) == 500
    assert clearinghouse.withheld(NINGBO.code, HANGZHOU.code) == 200
    assert clearinghouse.dailyLimit(NINGBO.code) == (300, 300)


# ---------------------------------------------------------------- what withheld fares do to others


def test_withheld_fares_do_not_turn_others_into_arrears(world: World) -> None:
    limit(world, 500)
    assert carried(world, 600, serial=1) == (500, 100)
    assert carried(world, 500, serial=1, operator=SHANGHAI, at=MIDNIGHT + HOUR) == (500, 0)
    assert carried(world, 200, serial=2, at=MIDNIGHT + DAY) == (200, 0)
    assert owed(world) == (100, 100)


def test_arrears_that_are_due_do(world: World) -> None:
    limit(world, 300, city=NINGBO)
    carried(world, 500, issuer=NINGBO)
    world.deposit(NINGBO, 10_000)
    assert carried(world, 100, issuer=NINGBO, serial=1, at=MIDNIGHT + HOUR) == (0, 0)
    world.clearinghouse.payArrears(NINGBO.code, HANGZHOU.code, sender=STRANGER)
    assert world.clearinghouse.arrears(NINGBO.code, HANGZHOU.code) == 200
    assert carried(world, 100, issuer=NINGBO, serial=2, at=MIDNIGHT + 2 * HOUR) == (100, 0)


def test_a_city_that_owes_withheld_fares_withdraws_nothing(world: World, clearinghouse: Contract) -> None:
    limit(world, 502)
    carried(world, 503)
    assert clearinghouse.withdrawable(XUZHOU.code) == 0
    with reverts(clearinghouse, "InsufficientFunds", city=XUZHOU.code, withdrawable=0, amount=1):
        world.withdraw(XUZHOU, 1)
    release(world, sender=XUZHOU.treasury)
    pay(world)
    world.withdraw(XUZHOU, DEPOSIT - 503)


def test_a_city_with_withheld_fares_alone_pays_a_correction_from_its_balance(
    world: World, corrections: Corrections
) -> None:
    """Xuzhou refunds a ride that it carried for Shanghai."""
    ride = settled(world, world.ride(issuer=SHANGHAI, operator=XUZHOU, fare=300), operator=XUZHOU)
    limit(world, 1)
    carried(world, 500, at=EVENING + 60)
    receipt = corrections.refund(ride, 300, sender=XUZHOU.treasury)
    assert receipt.events == (refunded(ride, 300, issuer=SHANGHAI, operator=XUZHOU),)


# ---------------------------------------------------------------- paid later


def test_what_is_withheld_is_not_paid(world: World) -> None:
    limit(world, 500)
    carried(world, 600)
    assert pay(world) == 0
    assert owed(world) == (100, 100)


def test_of_arrears_only_what_is_not_withheld_is_paid(world: World, clearinghouse: Contract) -> None:
    limit(world, 300, city=NINGBO)
    carried(world, 500, issuer=NINGBO)
    world.deposit(NINGBO, 10_000)
    receipt = clearinghouse.payArrears(NINGBO.code, HANGZHOU.code, sender=STRANGER)
    event = Event("ArrearsPaid", debtor=NINGBO.code, creditor=HANGZHOU.code, amount=300)
    assert (receipt.returned, receipt.events) == (300, (event,))
    assert clearinghouse.payArrears(NINGBO.code, HANGZHOU.code, sender=STRANGER).returned == 0
    assert clearinghouse.withheld(NINGBO.code, HANGZHOU.code) == 200


def test_the_treasury_releases_at_once_and_then_it_is_paid(world: World) -> None:
    limit(world, 500)
    carried(world, 600)
    receipt = release(world, sender=XUZHOU.treasury, at=EVENING + 1)
    released = Event("WithheldReleased", issuer=XUZHOU.code, operator=HANGZHOU.code, day=TODAY, amount=100)
    assert (receipt.returned, receipt.events) == (100, (released,))
    assert owed(world) == (100, 0)
    assert pay(world) == 100
    assert world.balances(XUZHOU, HANGZHOU) == {XUZHOU: DEPOSIT - 600, HANGZHOU: DEPOSIT + 600}


@pytest.mark.parametrize(
    "caller",
    [
        pytest.param(XUZHOU.admin, id="the debtor's admin"),
        pytest.param(HANGZHOU.treasury, id="the creditor's treasury"),
        pytest.param(SHANGHAI.treasury, id="another city's treasury"),
        pytest.param(STRANGER, id="a stranger"),
    ],
)
def test_anyone_else_releases_from_the_second_on_in_which_the_wait_is_over(
    world: World, clearinghouse: Contract, caller: str
) -> None:
    limit(world, 500)
    carried(world, 600)
    with reverts(clearinghouse, "StillWithheld", releasableFrom=RELEASABLE):
        release(world, sender=caller, at=RELEASABLE - 1)
    assert release(world, sender=caller, at=RELEASABLE).returned == 100


def test_a_frozen_treasury_releases_nothing_before_others_may(world: World, clearinghouse: Contract) -> None:
    """A thief of the treasury's key doesn't hand the thief of the issuer's key its fares."""
    limit(world, 500)
    carried(world, 600)
    world.registry.freezeTreasury(XUZHOU.code, True, sender=XUZHOU.admin)
    with reverts(clearinghouse, "StillWithheld", releasableFrom=RELEASABLE):
        release(world, sender=XUZHOU.treasury, at=RELEASABLE - 1)
    assert release(world, sender=XUZHOU.treasury, at=RELEASABLE).returned == 100


def test_nothing_is_released_where_nothing_was_withheld_or_all_was_released(world: World) -> None:
    limit(world, 500)
    carried(world, 600)
    for day in (TODAY - 1, TODAY + 1):
        receipt = release(world, day=day, sender=XUZHOU.treasury)
        assert (receipt.returned, receipt.events) == (0, ())
    release(world, sender=XUZHOU.treasury)
    receipt = release(world, sender=XUZHOU.treasury)
    assert (receipt.returned, receipt.events) == (0, ())
    assert owed(world) == (100, 0)


def test_each_day_is_released_by_itself(world: World, clearinghouse: Contract) -> None:
    limit(world, 500)
    carried(world, 600, serial=1)
    carried(world, 750, serial=2, at=MIDNIGHT + HOUR)
    with reverts(clearinghouse, "StillWithheld", releasableFrom=RELEASABLE + DAY):
        release(world, day=TODAY + 1, at=RELEASABLE)
    assert release(world, at=RELEASABLE + 1).returned == 100
    assert (owed(world), pay(world)) == ((350, 250), 100)
    assert release(world, day=TODAY + 1, at=RELEASABLE + DAY).returned == 250
    assert (owed(world), pay(world)) == ((250, 0), 250)


def test_each_creditor_is_released_by_itself(world: World, clearinghouse: Contract) -> None:
    limit(world, 500)
    carried(world, 600, serial=1)
    carried(world, 70, serial=1, operator=SHANGHAI, at=EVENING + 1)
    release(world, sender=XUZHOU.treasury)
    assert clearinghouse.withheld(XUZHOU.code, SHANGHAI.code) == 70
    assert owed(world) == (100, 0)


def test_a_limit_that_changes_does_not_change_what_is_withheld(world: World) -> None:
    limit(world, 500)
    carried(world, 600)
    limit(world, 10_000)
    assert (pay(world), owed(world)) == (0, (100, 100))


@pytest.mark.parametrize("changed", ["shorter", "longer"])
def test_the_longer_time_for_an_answer_counts(world: World, clearinghouse: Contract, changed: str) -> None:
    """Rides of either side of a change may have been withheld: each dispute of theirs must be over before."""
    limit(world, 500)
    longest = ANSWER_TIME if changed == "shorter" else 30 * DAY
    world.set_parameters(answer_time=3 * DAY if changed == "shorter" else 30 * DAY, at=EVENING - GRACE)
    carried(world, 600, at=EVENING + HOUR)
    with reverts(clearinghouse, "StillWithheld", releasableFrom=MIDNIGHT + longest + 4 * DAY):
        release(world, at=MIDNIGHT + longest + 4 * DAY - 1)
    assert release(world, at=MIDNIGHT + longest + 4 * DAY).returned == 100


def test_an_honest_operator_is_paid_in_full_in_the_end(world: World, clearinghouse: Contract) -> None:
    """Ten days on which Xuzhou's riders ride for more than its limit: all of it is paid, none later than 16 days
    after.
    """
    limit(world, 1_000)
    fares = [600, 1_000, 1_001, 2_500, 10, 20_000, 1_500, 999, 3_000, 1_200]
    for day, fare in enumerate(fares):
        carried(world, fare, serial=day, at=EVENING + day * DAY)
    for day in range(len(fares)):
        released = release(world, day=TODAY + day, at=RELEASABLE + day * DAY).returned
        assert released == max(0, fares[day] - 1_000)
        assert pay(world) == released
        assert RELEASABLE + day * DAY - (EVENING + day * DAY) < 16 * DAY
    assert owed(world) == (0, 0)
    assert clearinghouse.balanceOf(HANGZHOU.code) == DEPOSIT + sum(fares)
    assert clearinghouse.withdrawable(XUZHOU.code) == DEPOSIT - sum(fares)


# ---------------------------------------------------------------- corrections of what is withheld


def test_a_refund_is_set_off_against_what_is_due_first_and_what_is_withheld_last(
    world: World, corrections: Corrections, clearinghouse: Contract
) -> None:
    limit(world, 300, city=NINGBO)
    ride = settled(world, world.ride(issuer=NINGBO, fare=500))
    pair = NINGBO.code, HANGZHOU.code
    for amount, left, withheld in [(250, 250, 200), (50, 200, 200), (1, 199, 199), (199, 0, 0)]:
        receipt = corrections.refund(ride, amount)
        assert receipt.events == (
            Event("ArrearsPaid", debtor=NINGBO.code, creditor=HANGZHOU.code, amount=amount),
            refunded(ride, amount, issuer=NINGBO),
        )
        assert (clearinghouse.arrears(*pair), clearinghouse.withheld(*pair)) == (left, withheld)
    assert clearinghouse.arrearsOf(NINGBO.code) == 0
    assert clearinghouse.balanceOf(HANGZHOU.code) == DEPOSIT


def test_what_was_set_off_is_not_released(world: World, corrections: Corrections) -> None:
    limit(world, 500)
    ride = ridden(world, fare=800, fare_cap=800)
    corrections.refund(ride, 120)
    assert owed(world) == (180, 180)
    receipt = release(world, at=RELEASABLE)
    released = Event("WithheldReleased", issuer=XUZHOU.code, operator=HANGZHOU.code, day=TODAY, amount=180)
    assert (receipt.returned, receipt.events) == (180, (released,))
    assert (owed(world), pay(world)) == ((180, 0), 180)


def test_an_upheld_disputes_fee_is_owed_by_the_issuer_besides_what_is_withheld(
    world: World, corrections: Corrections
) -> None:
    limit(world, 500)
    ride = ridden(world, fare=800, fare_cap=800)
    corrections.dispute(ride, at=EVENING + HOUR)
    receipt = corrections.answer(ride, evidence_of(world.domain, ride.claim()))
    assert receipt.named("RideUpheld")[0].args["paid"] == DISPUTE_FEE
    assert owed(world) == (300, 300)
    release(world, at=RELEASABLE)
    assert pay(world) == 300


@pytest.mark.parametrize("days_apart", [0, 1, 20])
def test_a_day_that_was_set_off_releases_nothing_of_another_day(
    world: World, corrections: Corrections, clearinghouse: Contract, days_apart: int
) -> None:
    """Or else an operator would prepare, by a refund that costs it nothing, to be paid at once what comes later."""
    limit(world, 1)
    ride = ridden(world, fare=1_001)
    corrections.refund(ride, 1_000)
    assert owed(world) == (0, 0)
    later = RELEASABLE + days_apart * DAY
    carried(world, 2_001, serial=50, at=later)
    assert owed(world) == (2_000, 2_000)
    assert release(world, at=later + 1).returned == 0
    assert (pay(world), owed(world)) == (0, (2_000, 2_000))
    day = later // DAY
    with reverts(clearinghouse, "StillWithheld", releasableFrom=(day + 1) * DAY + ANSWER_TIME + 4 * DAY):
        release(world, day=day)
    assert release(world, day=day, at=(day + 1) * DAY + ANSWER_TIME + 4 * DAY).returned == 2_000


def test_days_that_were_set_off_in_part_release_what_is_left_in_all(world: World, corrections: Corrections) -> None:
    """Whichever is released first is the shorter for it, and no fen is lost or paid twice."""
    limit(world, 1)
    rides = [ridden(world, serial=n, fare=1_001, at=EVENING + n * DAY) for n in range(3)]
    corrections.refund(rides[1], 600)
    corrections.refund(rides[2], 600)
    assert owed(world) == (1_800, 1_800)
    released = [release(world, day=TODAY + n, sender=XUZHOU.treasury).returned for n in (2, 0, 1)]
    assert (released, owed(world)) == ([0, 800, 1_000], (1_800, 0))


# ---------------------------------------------------------------- a stolen issuer key

NIGHT = MIDNIGHT - 1
"""The last second of the day: the shortest time to notice."""


def forged(world: World, *serials: int, at: int) -> Settled:
    """Rides that nobody rode, on tickets that the thief of Xuzhou's issuer key signed, in a batch of Ningbo's
    submitter.
    """
    times = {"entered_at": NOON, "exited_at": NOON + HOUR, "not_after": NOON + DAY}
    rides = [world.ride(operator=NINGBO, serial=s, fare=20_000, fare_cap=20_000, **times) for s in serials]
    return settled(world, *rides, operator=NINGBO, at=at)


def test_a_stolen_issuer_key_takes_a_days_limit_and_the_rest_is_disputed_in_time(
    world: World, corrections: Corrections, clearinghouse: Contract
) -> None:
    """200 rides for 40,000 yuan, at a limit of 1,000: 39,000 are withheld, disputed on the fourth day, never answered
    and set off; the accomplice has 1,000.
    """
    limit(world, 100_000)
    batch = forged(world, *range(200), at=NIGHT)
    pair = XUZHOU.code, NINGBO.code
    assert clearinghouse.balanceOf(NINGBO.code) == 100_000
    assert clearinghouse.withheld(*pair) == 3_900_000
    last = MIDNIGHT + 4 * DAY - 300
    for index in range(200):
        corrections.dispute(batch, index=index, at=last + index)
    world.withdraw(NINGBO, 100_000)
    silent = last + ANSWER_TIME + 1
    for index in range(200):
        corrections.refund_unanswered(batch, index=index, at=silent + index)
    assert silent + 200 < RELEASABLE
    assert (clearinghouse.arrears(*pair), clearinghouse.withheld(*pair)) == (0, 0)
    receipt = clearinghouse.releaseWithheld(*pair, TODAY, sender=STRANGER, at=RELEASABLE)
    assert receipt.returned == 0
    assert clearinghouse.payArrears(*pair, sender=STRANGER).returned == 0
    assert clearinghouse.arrears(NINGBO.code, XUZHOU.code) == 100_000
    assert clearinghouse.withdrawable(XUZHOU.code) == DEPOSIT - 100_000


def test_meanwhile_honest_operators_are_paid_within_the_limit_of_every_other_day(
    world: World, corrections: Corrections
) -> None:
    limit(world, 100_000)
    batch = forged(world, *range(20), at=EVENING)
    world.registry.endIssuerKey(XUZHOU.code, 1, EVENING + HOUR, sender=XUZHOU.admin, at=EVENING + HOUR)
    for index in range(20):
        corrections.dispute(batch, index=index)
    assert carried(world, 503, serial=1, at=MIDNIGHT + 3 * HOUR) == (503, 0)


def test_without_a_limit_the_same_thief_takes_the_whole_balance(world: World, clearinghouse: Contract) -> None:
    """What the limit is for."""
    forged(world, *range(250), at=NIGHT)
    clearinghouse.withdraw(NINGBO.code, DEPOSIT, NO_REFERENCE, sender=NINGBO.treasury)
    assert clearinghouse.balanceOf(XUZHOU.code) == 0
