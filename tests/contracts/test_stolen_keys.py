"""One key of each kind in a thief's hands: the worst that he can do, in fen, and how long after it was noticed.

SECURITY.md has the same figures; each test is held to its row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from interline.reasons import RideReason
from network.accounts import Role
from tests.contracts.assembly import EXECUTABLE_FROM, admission_of, assemble
from tests.contracts.corrections import Corrections, evidence_of, ridden
from tests.contracts.node import Call, Contract, reverts
from tests.contracts.story import (
    ANSWER_TIME,
    ARRIVAL,
    BANK_ACCOUNT,
    DAY,
    DEPOSIT,
    DISPUTE_FEE,
    EVENING,
    GRACE,
    HANGZHOU,
    LANZHOU,
    MAX_FARE,
    NINGBO,
    NO_REFERENCE,
    NOON,
    SHANGHAI,
    STOP_LENGTH,
    STRANGER,
    STRANGER_KEY,
    XUZHOU,
    City,
    World,
    deploy,
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


# ---------------------------------------------------------------- the bank, and many admins


def test_the_banks_key_makes_tokens_and_no_balance_of_anybodys(world: World, clearinghouse: Contract) -> None:
    held = clearinghouse.held()
    before = world.balances(*MEMBERS)
    world.token.mint(THIEF, 10**12, sender=BANK_ACCOUNT)
    world.token.mint(clearinghouse.address, 10**12, sender=BANK_ACCOUNT)
    assert (world.balances(*MEMBERS), clearinghouse.held()) == (before, held)
    with reverts(clearinghouse, "NotTreasury", city=XUZHOU.code, caller=BANK_ACCOUNT):
        clearinghouse.withdraw(XUZHOU.code, 1, NO_REFERENCE, sender=BANK_ACCOUNT)


def test_a_quarter_of_the_admins_stops_settlement_for_three_days_and_takes_nothing(
    world: World, consortium: Contract, clearinghouse: Contract
) -> None:
    with nobody_loses_a_fen(world):
        for city in (SHANGHAI, NINGBO):
            consortium.callStop(city.code, clearinghouse, sender=city.admin)
        until = clearinghouse.stoppedUntil()
        assert until - world.node.now == STOP_LENGTH == seconds_until_stopped("a quarter of the admins")
        with reverts(clearinghouse, "SettlementIsStopped", until=until):
            world.settle(world.ride(), at=until - 1)
        consortium.callStop(SHANGHAI.code, clearinghouse, sender=SHANGHAI.admin, at=until)
        with reverts(clearinghouse, "StopTooSoon", earliest=until + 27 * DAY):
            consortium.callStop(NINGBO.code, clearinghouse, sender=NINGBO.admin)
    now = world.node.now
    times = {"entered_at": now - 60, "exited_at": now, "not_after": now}
    assert world.judge(**times, at=now + 60) is None


def test_two_thirds_of_the_admins_can_not_take_what_a_member_withdraws_within_a_week(
    world: World, registry: Contract, consortium: Contract, clearinghouse: Contract
) -> None:
    """Three of four lock Xuzhou's funds in by a reserve, and expel it. Xuzhou sees both, withdraws and leaves."""
    three = (HANGZHOU, NINGBO)
    lock = proposal(world, clearinghouse.call("setReserve", XUZHOU.code, DEPOSIT), by=SHANGHAI, approved_by=three)
    expulsion = proposal(world, registry.call("expel", XUZHOU.code), by=SHANGHAI, approved_by=three)
    for number in (lock, expulsion):
        executable_from = consortium.proposal(number)[7]
        assert executable_from - world.node.now >= seconds_until_stopped("two thirds of the admins") - 10
        with reverts(consortium, "TooEarly", id=number, executableFrom=executable_from):
            consortium.execute(number, sender=THIEF)
    world.withdraw(XUZHOU, DEPOSIT)
    registry.leaveConsortium(XUZHOU.code, sender=XUZHOU.admin)
    assert tokens_of(world, XUZHOU.treasury) == DEPOSIT


@pytest.mark.parametrize("act", ["withdraw", "post", "proposeTreasury", "releaseWithheld", "setDailyLimit", "settle"])
def test_two_thirds_of_the_admins_have_no_way_to_a_balance(
    world: World, registry: Contract, consortium: Contract, clearinghouse: Contract, act: str
) -> None:
    """Whatever they vote for is a call of the Consortium's, which has no more rights than its rows in the table."""
    calls = {
        "withdraw": clearinghouse.call("withdraw", XUZHOU.code, 1, NO_REFERENCE),
        "post": clearinghouse.call("post", XUZHOU.code, SHANGHAI.code, 1),
        "proposeTreasury": registry.call("proposeTreasury", XUZHOU.code, THIEF),
        "releaseWithheld": clearinghouse.call("releaseWithheld", XUZHOU.code, SHANGHAI.code, 2**40),
        "setDailyLimit": clearinghouse.call("setDailyLimit", XUZHOU.code, 0),
        "settle": clearinghouse.call("settle", b"", b""),
    }
    number = proposal(world, calls[act], by=SHANGHAI, approved_by=(HANGZHOU, NINGBO))
    errors = {
        "withdraw": ("NotTreasury", {"city": XUZHOU.code, "caller": consortium.address}),
        "post": ("NotRefunds", {"caller": consortium.address}),
        "proposeTreasury": ("NotTreasury", {"city": XUZHOU.code, "caller": consortium.address}),
        "releaseWithheld": ("StillWithheld", {"releasableFrom": (2**40 + 1) * DAY + ANSWER_TIME + 4 * DAY}),
        "setDailyLimit": ("NotTreasury", {"city": XUZHOU.code, "caller": consortium.address}),
        "settle": ("MalformedBatch", {"offset": 0}),
    }
    name, arguments = errors[act]
    with nobody_loses_a_fen(world), reverts(calls[act].contract, name, **arguments):
        consortium.execute(number, sender=THIEF, at=consortium.proposal(number)[7])


def test_a_clearinghouse_of_the_thiefs_making_is_no_successor_without_its_notice(
    world: World, consortium: Contract, clearinghouse: Contract
) -> None:
    """Even two thirds name one 30 days ahead at least, after a week's wait; the funds stay in the old one."""
    successor = deploy(world.node, "Clearinghouse", world.registry, world.token, clearinghouse)
    closes = world.node.now + 30 * DAY
    call = clearinghouse.call("nameSuccessor", successor, closes)
    number = proposal(world, call, by=SHANGHAI, approved_by=(HANGZHOU, NINGBO))
    at = consortium.proposal(number)[7]
    with nobody_loses_a_fen(world), reverts(clearinghouse, "ClosesTooSoon", closesAt=closes, earliest=at + 30 * DAY):
        consortium.execute(number, sender=THIEF, at=at)


def test_two_thirds_of_the_admins_admit_a_city_that_never_pays(
    world: World, registry: Contract, consortium: Contract, clearinghouse: Contract
) -> None:
    """At once, and whoever carries its riders is owed the fares; what the others hold stays theirs."""
    with nobody_loses_a_fen(world):
        call = registry.call("admit", LANZHOU.code, "Lanzhou", LANZHOU.admin, THIEF, LANZHOU.recovery)
        number = proposal(world, call, by=SHANGHAI, approved_by=(NINGBO, XUZHOU))
        consortium.execute(number, sender=THIEF)
        world.add_issuer_key(LANZHOU, 1, Role.ISSUER_KEY)
        assert world.judge(issuer=LANZHOU, fare=MAX_FARE, fare_cap=MAX_FARE) is None
    assert clearinghouse.arrears(LANZHOU.code, HANGZHOU.code) == MAX_FARE


@pytest.mark.parametrize("limit", [0, 100_000], ids=["without limits", "with limits"])
def test_two_thirds_of_the_admins_make_a_city_of_the_thiefs_earn_from_their_own_what_the_limits_allow(
    world: World, registry: Contract, consortium: Contract, clearinghouse: Contract, limit: int
) -> None:
    """It is admitted at once, it says that it carried what the thief's own issuer keys sign, and its treasury withdraws."""
    robbed = (SHANGHAI, HANGZHOU, XUZHOU)
    for city in robbed if limit else ():
        clearinghouse.setDailyLimit(city.code, limit, sender=city.treasury)
    call = registry.call("admit", LANZHOU.code, "Lanzhou", LANZHOU.admin, THIEF, LANZHOU.recovery)
    consortium.execute(proposal(world, call, by=SHANGHAI, approved_by=(HANGZHOU, XUZHOU)), sender=THIEF)
    registry.addSubmitter(LANZHOU.code, LANZHOU.submitter, sender=LANZHOU.admin)
    now = world.node.now
    invented = {"entered_at": now - 60, "exited_at": now, "not_after": now, "fare": MAX_FARE, "fare_cap": MAX_FARE}
    for city in robbed:
        registry.addIssuerKey(city.code, 77, THIEF, 0, 2**40 - 1, sender=city.admin)
        ticket = {"issuer": city, "key_id": 77, "signer": STRANGER_KEY, "operator": LANZHOU}
        world.settle(*world.rides(range(DEPOSIT // MAX_FARE), **ticket, **invented), operator=LANZHOU, at=world.node.now + 60)
    stolen = len(robbed) * (limit or DEPOSIT)
    clearinghouse.withdraw(LANZHOU.code, stolen, NO_REFERENCE, sender=THIEF)
    assert tokens_of(world, THIEF) == stolen
    assert world.balances(*robbed) == dict.fromkeys(robbed, DEPOSIT - (limit or DEPOSIT))


def test_two_thirds_of_the_admins_suspend_a_member_a_day_later_and_it_keeps_its_vote_and_its_money(
    world: World, registry: Contract, consortium: Contract
) -> None:
    """Three of four. The one that is suspended still withdraws, votes and leaves."""
    call = registry.call("suspend", XUZHOU.code)
    number = proposal(world, call, by=SHANGHAI, approved_by=(HANGZHOU, NINGBO))
    stopped = world.node.now + DAY
    with reverts(consortium, "TooEarly", id=number, executableFrom=stopped):
        consortium.execute(number, sender=THIEF, at=stopped - 1)
    consortium.execute(number, sender=THIEF, at=stopped)
    later = proposal(world, registry.call("expel", SHANGHAI.code), by=XUZHOU)
    assert consortium.proposal(later)[5:7] == (1, 3)
    world.withdraw(XUZHOU, DEPOSIT)
    registry.leaveConsortium(XUZHOU.code, sender=XUZHOU.admin)


def test_half_of_the_admins_suspend_nobody_and_leave_nobody_behind(
    world: World, registry: Contract, consortium: Contract
) -> None:
    """Two of four: they neither get the others' votes, nor take the consortium with them when they leave."""
    for victim in (NINGBO, XUZHOU):
        number = proposal(world, registry.call("suspend", victim.code), by=SHANGHAI, approved_by=(HANGZHOU,))
        with reverts(consortium, "NotPassed", id=number, votes=2, votesNeeded=3):
            consortium.execute(number, sender=THIEF, at=world.node.now + DAY)
    for city in (SHANGHAI, HANGZHOU):
        registry.leaveConsortium(city.code, sender=city.admin)
    admission = registry.call("admit", *admission_of(LANZHOU))
    consortium.execute(proposal(world, admission, by=NINGBO, approved_by=(XUZHOU,)), sender=STRANGER)


def test_a_longer_grace_makes_no_ticket_good_again_of_a_key_that_ended(world: World, registry: Contract) -> None:
    """Two thirds set one, and it holds; the key that was stolen ended before, and stays ended."""
    ended = NOON - 2 * DAY
    registry.endIssuerKey(XUZHOU.code, 1, ended, sender=XUZHOU.admin, at=ended)
    world.set_parameters(grace=7 * DAY)
    holds = world.node.now + GRACE
    for serial, reason in enumerate((None, RideReason.KeyNotValid)):
        entered = ended + GRACE - 1 + serial
        exited = entered + 1200
        assert exited >= holds, "a ride of after the change"
        times = {"entered_at": entered, "exited_at": exited, "not_after": exited}
        assert world.judge(serial=serial, **times, at=EVENING + serial) is reason


def test_a_leaver_gives_its_whole_reserve_to_an_accomplice_by_rides_that_nobody_took(
    world: World, registry: Contract, clearinghouse: Contract
) -> None:
    """Shanghai's 250 rides of 200 yuan are first. What honest Hangzhou carried and sends an hour later is arrears."""
    world.by_vote(clearinghouse, "setReserve", XUZHOU.code, DEPOSIT)
    world.leave(XUZHOU, at=EVENING)
    before = world.balances(SHANGHAI, HANGZHOU)
    invented = {"operator": SHANGHAI, "fare": MAX_FARE, "fare_cap": MAX_FARE}
    world.settle(*world.rides(range(250), **invented), operator=SHANGHAI, at=EVENING + 60)
    world.settle(world.ride(), at=EVENING + 3660)
    assert world.balances(XUZHOU, SHANGHAI, HANGZHOU) == {
        XUZHOU: 0,
        SHANGHAI: before[SHANGHAI] + DEPOSIT,
        HANGZHOU: before[HANGZHOU],
    }
    assert clearinghouse.arrears(XUZHOU.code, HANGZHOU.code) == 503
