"""One key of each kind in a thief's hands: the worst that he can do, in fen, and how long after it was noticed.

SECURITY.md has the same figures; each test is held to its row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from interline.reasons import RideReason
from network.accounts import Role
from tests.contracts.assembly import EXECUTABLE_FROM, admission_of, assemble
from tests.contracts.corrections import Corrections, evidence_of, ridden
from tests.contracts.node import Call, Contract, reverts
from tests.contracts.story import (
    ANSWER_TIME,
    ARRIVAL,
    DAY,
    DEPOSIT,
    DISPUTE_FEE,
    EVENING,
    GRACE,
    HANGZHOU,
    MAX_FARE,
    NINGBO,
    NO_REFERENCE,
    NOON,
    SHANGHAI,
    STRANGER,
    STRANGER_KEY,
    XUZHOU,
    City,
    World,
    reason_of,
)
from tests.support.deploy import REPOSITORY

THIEF = STRANGER
MEMBERS = (SHANGHAI, HANGZHOU, NINGBO, XUZHOU)


def seconds_until_stopped(key: str) -> int:
    """What SECURITY.md says."""
    text = (REPOSITORY / "SECURITY.md").read_text(encoding="utf-8")
    [row] = re.findall(rf"^\| {re.escape(key)}(?: \([^)]*\))? \|[^|]*\| ([\d,]+) \|", text, re.MULTILINE)
    return int(row.replace(",", ""))


def tokens_of(world: World, *accounts: str) -> int:
    return sum(world.token.balanceOf(account) for account in accounts)


@contextmanager
def nobody_loses_a_fen(world: World) -> Iterator[None]:
    before = world.balances(*MEMBERS)
    yield
    assert world.balances(*MEMBERS) == before
    assert tokens_of(world, THIEF) == 0


def proposal(world: World, call: Call, *, by: City, approved_by: tuple[City, ...] = ()) -> int:
    number = world.consortium.propose(by.code, call.contract, call.data, sender=by.admin).returned
    for city in approved_by:
        world.consortium.approve(number, city.code, sender=city.admin)
    return int(number)


# ---------------------------------------------------------------- riders, issuers, submitters


def test_a_riders_key_is_worth_one_ride_up_to_its_tickets_cap(world: World) -> None:
    """The thief rides as far as the cap reaches, and then tries the ticket again, in another batch."""
    before = world.balances(XUZHOU, HANGZHOU)
    assert world.judge(fare=1_500, fare_cap=1_500) is None
    again = {"entered_at": NOON + 60, "exited_at": ARRIVAL + 60, "fare": 1_400, "fare_cap": 1_500}
    assert world.judge(**again, at=EVENING + seconds_until_stopped("rider") + 1) is RideReason.AlreadySettled
    assert world.balances(XUZHOU, HANGZHOU) == {XUZHOU: before[XUZHOU] - 1_500, HANGZHOU: before[HANGZHOU] + 1_500}


def test_an_issuer_key_pays_members_at_most_the_highest_fare_a_ticket_until_grace_is_over(
    world: World, registry: Contract
) -> None:
    """The thief signs as many tickets as a batch of a friendly operator holds, each for the highest fare there is."""
    before = world.balances(*MEMBERS)
    dear = {"fare": MAX_FARE, "fare_cap": 2**32 - 1}
    world.settle(*world.rides(range(50), **dear))
    assert reason_of(world.settle(world.ride(serial=100, **dear | {"fare": MAX_FARE + 1}))) is RideReason.AboveFareCap
    after = world.balances(*MEMBERS)
    assert {city: after[city] - before[city] for city in MEMBERS} == {
        SHANGHAI: 0,
        HANGZHOU: 50 * MAX_FARE,
        NINGBO: 0,
        XUZHOU: -50 * MAX_FARE,
    }
    assert tokens_of(world, THIEF) == 0

    noticed = NOON + DAY
    registry.endIssuerKey(XUZHOU.code, 1, noticed, sender=XUZHOU.admin, at=noticed)
    stopped = noticed + seconds_until_stopped("issuer")
    assert stopped == noticed + GRACE
    last = {"entered_at": stopped - 1, "exited_at": stopped + 60, "not_after": stopped + DAY}
    assert world.judge(serial=201, **last, at=stopped + 120) is None
    first_refused = last | {"entered_at": stopped}
    assert world.judge(serial=202, **first_refused, at=stopped + 180) is RideReason.KeyNotValid


def test_an_issuer_key_and_a_submitters_make_rides_that_nobody_took_until_their_dates_are_too_late(
    world: World, clearinghouse: Contract, registry: Contract
) -> None:
    """The thief's own phone answers the dispute; the last ride is dated into the last second of grace."""
    others = world.balances(SHANGHAI, NINGBO)
    dear = {"fare": MAX_FARE, "fare_cap": MAX_FARE}
    world.settle(*world.rides(range(DEPOSIT // MAX_FARE + 1), **dear))
    assert (world.balances(XUZHOU)[XUZHOU], clearinghouse.arrearsOf(XUZHOU.code)) == (0, MAX_FARE)
    assert world.balances(SHANGHAI, NINGBO) == others
    corrections, invented = Corrections(world), ridden(world, serial=900, **dear, at=EVENING + 60)
    corrections.dispute(invented)
    corrections.answer(invented, evidence_of(world.domain, invented.claim()))

    noticed = NOON + DAY
    registry.endIssuerKey(XUZHOU.code, 1, noticed, sender=XUZHOU.admin, at=noticed)
    stopped = noticed + seconds_until_stopped("issuer, and a submitter of any member")
    entered = noticed + GRACE - 1
    last = {"entered_at": entered, "exited_at": entered + DAY, "not_after": entered} | dear
    assert world.judge(serial=901, **last, at=stopped - 1) is None
    assert world.judge(serial=902, **last, at=stopped) is RideReason.TooLate


def test_invented_rides_take_no_more_cash_a_day_than_the_citys_limit(world: World, clearinghouse: Contract) -> None:
    """The rest is owed, and withheld. A day later as much again; and in the hour after midnight, too."""
    limit = 100_000
    clearinghouse.setDailyLimit(XUZHOU.code, limit, sender=XUZHOU.treasury)
    dear = {"fare": MAX_FARE, "fare_cap": MAX_FARE}
    for day in range(3):
        at = EVENING + day * DAY
        world.settle(*world.rides(range(100 * day, 100 * day + 50), **dear), at=at)
        world.settle(*world.rides(range(100 * day + 50, 100 * day + 60), **dear), at=at + 60)
        taken = limit * (day + 1)
        assert world.balances(XUZHOU)[XUZHOU] == DEPOSIT - taken
        assert clearinghouse.withheld(XUZHOU.code, HANGZHOU.code) == 60 * MAX_FARE * (day + 1) - taken
        assert clearinghouse.payArrears(XUZHOU.code, HANGZHOU.code, sender=THIEF).returned == 0
    assert clearinghouse.withdrawable(XUZHOU.code) == 0


def test_what_is_withheld_is_payable_14_days_after_its_day_unless_it_was_given_back_until_then(
    world: World, clearinghouse: Contract
) -> None:
    """Of two rides the honest operator refunds one; the other's phone is the thief's own, and it answers."""
    clearinghouse.setDailyLimit(XUZHOU.code, 1, sender=XUZHOU.treasury)
    corrections, dear = Corrections(world), {"fare": MAX_FARE, "fare_cap": MAX_FARE}
    given_back, answered = (ridden(world, serial=serial, **dear, at=EVENING + serial) for serial in (1, 2))
    corrections.refund(given_back, MAX_FARE)
    corrections.dispute(answered)
    corrections.answer(answered, evidence_of(world.domain, answered.claim()))
    day = EVENING // DAY
    payable = (day + 1) * DAY + seconds_until_stopped("issuer, and a submitter of any member, with a daily limit")
    assert payable == (day + 1) * DAY + ANSWER_TIME + 4 * DAY
    pair = (XUZHOU.code, HANGZHOU.code)
    with reverts(clearinghouse, "StillWithheld", releasableFrom=payable):
        clearinghouse.releaseWithheld(*pair, day, sender=THIEF, at=payable - 1)
    owed = clearinghouse.arrears(*pair)
    assert owed == MAX_FARE - 1, "the fee was paid from the balance"
    clearinghouse.releaseWithheld(*pair, day, sender=THIEF, at=payable)
    assert clearinghouse.payArrears(*pair, sender=THIEF).returned == owed


def test_a_submitters_key_spends_a_ticket_for_its_cap_or_for_nothing(world: World) -> None:
    """The first is given back by the operator, the second is its loss."""
    before = world.balances(XUZHOU, HANGZHOU)
    dearest = ridden(world, serial=1, fare=1_500, fare_cap=1_500)
    assert world.judge(serial=2, fare=0, at=EVENING + 60) is None
    assert world.judge(serial=2, fare=503, at=EVENING + 120) is RideReason.AlreadySettled
    assert world.balances(XUZHOU, HANGZHOU) == {XUZHOU: before[XUZHOU] - 1_500, HANGZHOU: before[HANGZHOU] + 1_500}
    Corrections(world).refund(dearest, 1_500 - 503)
    assert world.balances(XUZHOU)[XUZHOU] == before[XUZHOU] - 503


def test_a_submitters_key_makes_no_ride_of_nothing(world: World, clearinghouse: Contract, registry: Contract) -> None:
    """Without tickets nothing settles; with one, its cap is the most, and its issuer can ask for evidence."""
    before = world.balances(XUZHOU, HANGZHOU)
    forged = world.ride(serial=1, signer=STRANGER_KEY, fare=1_500)
    assert reason_of(world.settle(forged)) is RideReason.BadIssuerSignature
    assert world.judge(serial=2, fare=1_501, fare_cap=1_500) is RideReason.AboveFareCap
    invented = ridden(world, serial=3, fare=1_500, at=EVENING)
    assert world.balances(HANGZHOU)[HANGZHOU] == before[HANGZHOU] + 1_500

    corrections = Corrections(world)
    corrections.dispute(invented, at=EVENING + 60)
    corrections.refund_unanswered(invented, at=EVENING + 60 + 10 * DAY + 1)
    assert world.balances(XUZHOU, HANGZHOU) == before

    noticed = EVENING + 20 * DAY
    registry.removeSubmitter(HANGZHOU.code, HANGZHOU.submitter, sender=HANGZHOU.admin, at=noticed)
    with reverts(clearinghouse, "NotSubmitter", operator=HANGZHOU.code, signer=HANGZHOU.submitter):
        world.settle(world.ride(serial=4), at=noticed + max(1, seconds_until_stopped("submitter")))


# ---------------------------------------------------------------- a city's two keys


def test_a_treasurys_key_takes_what_its_city_can_withdraw_and_no_other_citys_fen(
    world: World, clearinghouse: Contract, registry: Contract
) -> None:
    world.by_vote(clearinghouse, "setReserve", XUZHOU.code, 1_000_000)
    others = world.balances(SHANGHAI, HANGZHOU, NINGBO)
    stolen = clearinghouse.withdrawable(XUZHOU.code)
    assert stolen == DEPOSIT - 1_000_000
    with reverts(clearinghouse, "InsufficientFunds", city=XUZHOU.code, withdrawable=stolen, amount=stolen + 1):
        world.withdraw(XUZHOU, stolen + 1)
    world.withdraw(XUZHOU, stolen - 1)
    registry.freezeTreasury(XUZHOU.code, True, sender=XUZHOU.admin)
    assert seconds_until_stopped("treasury") == 0
    with reverts(clearinghouse, "TreasuryFrozen", city=XUZHOU.code):
        world.withdraw(XUZHOU, 1)
    with reverts(registry, "TreasuryIsFrozen", city=XUZHOU.code):
        registry.proposeTreasury(XUZHOU.code, THIEF, sender=XUZHOU.treasury)
    assert world.balances(SHANGHAI, HANGZHOU, NINGBO) == others
    assert world.balances(XUZHOU)[XUZHOU] == 1_000_001


def test_a_treasurys_key_gives_fares_back_and_pays_fees_to_members_until_it_is_frozen(
    world: World, registry: Contract, refunds: Contract
) -> None:
    """Hangzhou's: it refunds what Hangzhou earned. Xuzhou's: it disputes a good ride, and pays the fee for that."""
    before = world.balances(XUZHOU, HANGZHOU)
    corrections, first = Corrections(world), ridden(world, serial=1)
    corrections.refund(first, 503)
    assert world.balances(XUZHOU, HANGZHOU) == before
    second = ridden(world, serial=2, at=EVENING + 100)
    corrections.dispute(second)
    corrections.answer(second, evidence_of(world.domain, second.claim()))
    lost = before[XUZHOU] - world.balances(XUZHOU)[XUZHOU]
    assert lost == 503 + DISPUTE_FEE
    third = ridden(world, serial=3, at=EVENING + 200)
    for city in (XUZHOU, HANGZHOU):
        registry.freezeTreasury(city.code, True, sender=city.admin)
    with reverts(refunds, "NotTreasury", city=HANGZHOU.code, caller=HANGZHOU.treasury):
        corrections.refund(third, 1)
    with reverts(refunds, "NotTreasury", city=XUZHOU.code, caller=XUZHOU.treasury):
        corrections.dispute(third)


def test_a_treasurys_key_gives_back_what_its_city_has_no_longer(world: World, clearinghouse: Contract) -> None:
    """It takes the balance first; the fares that Hangzhou earned are its arrears then, to the city that paid them."""
    earned = ridden(world)
    world.withdraw(HANGZHOU, DEPOSIT + 503)
    Corrections(world).refund(earned, 503)
    assert clearinghouse.arrears(HANGZHOU.code, XUZHOU.code) == 503
    assert clearinghouse.withdrawable(HANGZHOU.code) == 0


def test_an_admins_key_makes_issuer_keys_of_the_thiefs_until_its_city_is_recovered(
    world: World, clearinghouse: Contract, registry: Contract, consortium: Contract
) -> None:
    """For rides before the theft too. Its recovery address asks for it, and two of the three others vote for that."""
    others = world.balances(SHANGHAI, NINGBO)
    registry.addIssuerKey(XUZHOU.code, 77, THIEF, 0, 2**40 - 1, sender=XUZHOU.admin)
    earlier = NOON - 20 * DAY
    past = {"entered_at": earlier, "exited_at": earlier + 60, "not_after": earlier}
    forged = {"key_id": 77, "signer": STRANGER_KEY, "fare": MAX_FARE, "fare_cap": MAX_FARE}
    world.settle(*world.rides(range(DEPOSIT // MAX_FARE + 1), **forged, **past))
    assert (world.balances(XUZHOU)[XUZHOU], clearinghouse.arrearsOf(XUZHOU.code)) == (0, MAX_FARE)
    assert (world.balances(SHANGHAI, NINGBO), tokens_of(world, THIEF)) == (others, 0)

    number = consortium.requestRecovery(XUZHOU.code, sender=XUZHOU.recovery).returned
    for city in (SHANGHAI, NINGBO):
        consortium.approve(number, city.code, sender=city.admin)
    passed = world.node.now
    consortium.execute(number, sender=STRANGER, at=passed + DAY)
    ended = passed + DAY + 1
    registry.endIssuerKey(XUZHOU.code, 77, ended, sender=XUZHOU.recovery, at=ended)
    stopped = ended - 1 + seconds_until_stopped("admin") - DAY
    last = {"entered_at": stopped, "exited_at": stopped + 60, "not_after": stopped}
    assert world.judge(serial=901, **forged, **last, at=stopped + 120) is None
    first_refused = {"entered_at": stopped + 1, "exited_at": stopped + 60, "not_after": stopped + 1}
    assert world.judge(serial=902, **forged, **first_refused, at=stopped + 180) is RideReason.KeyNotValid


def test_an_admins_key_ruins_its_citys_membership_for_ever(
    world: World, registry: Contract, consortium: Contract
) -> None:
    """All key ids used up, and the city's leaving. Its money is still its treasury's, and no other member is hurt."""
    for key_id in {*range(256)} - {1}:
        registry.addIssuerKey(XUZHOU.code, key_id, THIEF, 0, 1, sender=XUZHOU.admin)
    registry.leaveConsortium(XUZHOU.code, sender=XUZHOU.admin)
    world.withdraw(XUZHOU, DEPOSIT)
    number = proposal(
        world,
        registry.call("admit", *admission_of(XUZHOU)),
        by=SHANGHAI,
        approved_by=(HANGZHOU, NINGBO),
    )
    with reverts(registry, "CityAlreadyAdmitted", city=XUZHOU.code):
        consortium.execute(number, sender=STRANGER)


def test_an_admins_key_moves_no_fen_and_is_replaced_through_the_recovery_address(
    world: World, clearinghouse: Contract, registry: Contract, consortium: Contract
) -> None:
    """The thief freezes the treasury and names himself whatever he can; his own vote keeps nobody from ending that."""
    with nobody_loses_a_fen(world):
        registry.freezeTreasury(XUZHOU.code, True, sender=XUZHOU.admin)
        with reverts(registry, "NotTreasury", city=XUZHOU.code, caller=XUZHOU.admin):
            registry.proposeTreasury(XUZHOU.code, THIEF, sender=XUZHOU.admin)
        registry.proposeAdmin(XUZHOU.code, THIEF, sender=XUZHOU.admin)
        registry.changeRecovery(XUZHOU.code, THIEF, sender=XUZHOU.admin)
        with reverts(registry, "TooEarly", acceptableFrom=0):
            registry.acceptRecovery(XUZHOU.code, sender=THIEF)
        with reverts(clearinghouse, "NotTreasury", city=XUZHOU.code, caller=THIEF):
            registry.freezeTreasury(XUZHOU.code, False, sender=XUZHOU.admin)
            clearinghouse.withdraw(XUZHOU.code, 1, NO_REFERENCE, sender=THIEF)

        number = consortium.requestRecovery(XUZHOU.code, sender=XUZHOU.recovery).returned
        for city in (SHANGHAI, NINGBO):
            consortium.approve(number, city.code, sender=city.admin)
        stopped = world.node.now + DAY
        with reverts(consortium, "TooEarly", id=number, executableFrom=stopped):
            consortium.execute(number, sender=STRANGER, at=stopped - 1)
        consortium.execute(number, sender=STRANGER, at=stopped)
        for former in (XUZHOU.admin, THIEF):
            with reverts(registry, "NotCityAdmin", city=XUZHOU.code, caller=former):
                registry.freezeTreasury(XUZHOU.code, True, sender=former)
    registry.addSubmitter(XUZHOU.code, STRANGER, sender=XUZHOU.recovery)


def test_an_admins_key_frozen_and_gone_locks_nothing_up(
    world: World, clearinghouse: Contract, registry: Contract, consortium: Contract
) -> None:
    """It freezes the treasury and leaves. The city comes back to its recovery address, and to its balance."""
    registry.freezeTreasury(XUZHOU.code, True, sender=XUZHOU.admin)
    registry.leaveConsortium(XUZHOU.code, sender=XUZHOU.admin)
    number = consortium.requestRecovery(XUZHOU.code, sender=XUZHOU.recovery).returned
    for city in (SHANGHAI, HANGZHOU):
        consortium.approve(number, city.code, sender=city.admin)
    new = _installed_treasury(world, number)
    clearinghouse.withdraw(XUZHOU.code, DEPOSIT, NO_REFERENCE, sender=new)


def _installed_treasury(world: World, recovery: int) -> str:
    """Of Xuzhou, recovered as soon as may be: another treasury, which its new admin names."""
    new = XUZHOU.account(Role.SPARE)
    world.consortium.execute(recovery, sender=STRANGER, at=world.consortium.proposal(recovery)[EXECUTABLE_FROM])
    world.registry.proposeTreasury(XUZHOU.code, new, sender=XUZHOU.recovery)
    world.registry.acceptTreasury(XUZHOU.code, sender=new, at=world.registry.proposedChanges(XUZHOU.code)[3])
    return new


def test_both_of_a_citys_keys_take_its_balance_and_are_replaced_all_the_same(
    world: World, registry: Contract, consortium: Contract, clearinghouse: Contract
) -> None:
    """A recovery address of the thief's own, named by both, would take 14 days: who notices within 13 is before him."""
    world.withdraw(XUZHOU, DEPOSIT)
    for key in (XUZHOU.admin, XUZHOU.treasury):
        registry.changeRecovery(XUZHOU.code, THIEF, sender=key, at=EVENING)
    number = consortium.requestRecovery(XUZHOU.code, sender=XUZHOU.recovery, at=EVENING + 13 * DAY - 60).returned
    for city in (SHANGHAI, NINGBO):
        consortium.approve(number, city.code, sender=city.admin)
    passed = world.node.now
    _installed_treasury(world, number)
    assert passed + DAY + GRACE - passed == seconds_until_stopped("admin and treasury")
    with reverts(registry, "NotProposed", city=XUZHOU.code, caller=THIEF):
        registry.acceptRecovery(XUZHOU.code, sender=THIEF)
    assert clearinghouse.balanceOf(XUZHOU.code) == 0


# ---------------------------------------------------------------- a recovery address


def test_a_recovery_key_gets_nothing_without_two_thirds_of_the_others(world: World, consortium: Contract) -> None:
    with nobody_loses_a_fen(world):
        assert seconds_until_stopped("recovery address") == 0
        number = consortium.requestRecovery(XUZHOU.code, sender=XUZHOU.recovery).returned
        consortium.approve(number, XUZHOU.code, sender=XUZHOU.admin)
        consortium.approve(number, SHANGHAI.code, sender=SHANGHAI.admin)
        with reverts(consortium, "NotPassed", id=number, votes=1, votesNeeded=2):
            consortium.execute(number, sender=THIEF, at=world.node.now + 7 * DAY)


def test_a_recovery_key_of_the_only_member_is_the_city_after_a_week(world: World) -> None:
    """Nothing ends the request but its maker; the treasury withdraws meanwhile."""
    alone = assemble(world.node, 1)
    number = alone.consortium.requestRecovery(SHANGHAI.code, sender=SHANGHAI.recovery, at=NOON).returned
    week = seconds_until_stopped("recovery address of the only member")
    alone.execute(number, at=NOON + week)
    assert alone.registry.city(SHANGHAI.code)[2] == SHANGHAI.recovery


def test_two_thirds_and_a_recovery_key_take_a_city_in_three_days(
    world: World, consortium: Contract, clearinghouse: Contract
) -> None:
    """A day for the vote, two for a treasury. Until then the true one withdraws."""
    number = consortium.requestRecovery(XUZHOU.code, sender=XUZHOU.recovery).returned
    for city in (SHANGHAI, NINGBO):
        consortium.approve(number, city.code, sender=city.admin)
    passed = world.node.now
    new = _installed_treasury(world, number)
    assert world.node.now - passed - 1 == seconds_until_stopped(
        "two thirds of the other admins, and a recovery address"
    )
    clearinghouse.withdraw(XUZHOU.code, DEPOSIT, NO_REFERENCE, sender=new)
