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
from tests.contracts.corrections import Corrections, evidence_of, ridden
from tests.contracts.node import Call, Contract, Reverted, reverts
from tests.contracts.story import (
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
    """For rides before the theft too. The treasury agrees to another admin, and three of four vote for it."""
    others = world.balances(SHANGHAI, NINGBO)
    registry.addIssuerKey(XUZHOU.code, 77, THIEF, 0, 2**40 - 1, sender=XUZHOU.admin)
    earlier = NOON - 20 * DAY
    past = {"entered_at": earlier, "exited_at": earlier + 60, "not_after": earlier}
    forged = {"key_id": 77, "signer": STRANGER_KEY, "fare": MAX_FARE, "fare_cap": MAX_FARE}
    world.settle(*world.rides(range(DEPOSIT // MAX_FARE + 1), **forged, **past))
    assert (world.balances(XUZHOU)[XUZHOU], clearinghouse.arrearsOf(XUZHOU.code)) == (0, MAX_FARE)
    assert (world.balances(SHANGHAI, NINGBO), tokens_of(world, THIEF)) == (others, 0)

    new = XUZHOU.account(Role.SPARE)
    registry.consentToRecovery(XUZHOU.code, new, XUZHOU.treasury, sender=XUZHOU.treasury)
    call = registry.call("recover", XUZHOU.code, new, XUZHOU.treasury)
    number = proposal(world, call, by=SHANGHAI, approved_by=(HANGZHOU, NINGBO))
    passed = world.node.now
    consortium.execute(number, sender=STRANGER, at=passed + DAY)
    ended = passed + DAY + 1
    registry.endIssuerKey(XUZHOU.code, 77, ended, sender=new, at=ended)
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
        registry.call("admit", XUZHOU.code, "Xuzhou", XUZHOU.treasury, XUZHOU.treasury),
        by=SHANGHAI,
        approved_by=(HANGZHOU, NINGBO),
    )
    with reverts(registry, "CityAlreadyAdmitted", city=XUZHOU.code):
        consortium.execute(number, sender=STRANGER)


def test_an_admins_key_moves_no_fen_and_is_replaced_by_vote_with_the_treasurys_consent(
    world: World, clearinghouse: Contract, registry: Contract, consortium: Contract
) -> None:
    """The thief names himself treasury and admin; the treasury calls it off each time, until the vote is through."""
    with nobody_loses_a_fen(world):
        for _ in range(2):
            registry.proposeTreasury(XUZHOU.code, THIEF, sender=XUZHOU.admin)
            registry.proposeAdmin(XUZHOU.code, THIEF, sender=XUZHOU.admin)
            with pytest.raises(Reverted, match="TooEarly"):
                registry.acceptTreasury(XUZHOU.code, sender=THIEF)
            registry.cancelChanges(XUZHOU.code, sender=XUZHOU.treasury)
            with reverts(registry, "NotProposed", city=XUZHOU.code, caller=THIEF):
                registry.acceptTreasury(XUZHOU.code, sender=THIEF, at=world.node.now + 2 * DAY)
        with reverts(clearinghouse, "NotTreasury", city=XUZHOU.code, caller=XUZHOU.admin):
            clearinghouse.withdraw(XUZHOU.code, 1, NO_REFERENCE, sender=XUZHOU.admin)

        new = XUZHOU.account(Role.SPARE)
        registry.consentToRecovery(XUZHOU.code, new, XUZHOU.treasury, sender=XUZHOU.treasury)
        call = registry.call("recover", XUZHOU.code, new, XUZHOU.treasury)
        number = proposal(world, call, by=SHANGHAI, approved_by=(HANGZHOU, NINGBO))
        stopped = world.node.now + DAY
        with reverts(consortium, "TooEarly", id=number, executableFrom=stopped):
            consortium.execute(number, sender=STRANGER, at=stopped - 1)
        consortium.execute(number, sender=STRANGER, at=stopped)
        with reverts(registry, "NotCityAdmin", city=XUZHOU.code, caller=XUZHOU.admin):
            registry.freezeTreasury(XUZHOU.code, True, sender=XUZHOU.admin)
    registry.addSubmitter(XUZHOU.code, new, sender=new)


def test_an_admins_key_can_not_recover_its_city_to_the_thief_alone(
    world: World, registry: Contract, consortium: Contract
) -> None:
    """It consents, but one vote of four is not two thirds."""
    registry.consentToRecovery(XUZHOU.code, THIEF, THIEF, sender=XUZHOU.admin)
    number = proposal(world, registry.call("recover", XUZHOU.code, THIEF, THIEF), by=XUZHOU)
    with reverts(consortium, "NotPassed", id=number, votes=1, votesNeeded=3):
        consortium.execute(number, sender=THIEF, at=world.node.now + 7 * DAY)


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


@pytest.mark.parametrize("act", ["withdraw", "post", "recover", "settle"])
def test_two_thirds_of_the_admins_have_no_way_to_a_balance(
    world: World, registry: Contract, consortium: Contract, clearinghouse: Contract, act: str
) -> None:
    """Whatever they vote for is a call of the Consortium's, which has no more rights than its rows in the table."""
    calls = {
        "withdraw": clearinghouse.call("withdraw", XUZHOU.code, 1, NO_REFERENCE),
        "post": clearinghouse.call("post", XUZHOU.code, SHANGHAI.code, 1),
        "recover": registry.call("recover", XUZHOU.code, THIEF, THIEF),
        "settle": clearinghouse.call("settle", b"", b""),
    }
    number = proposal(world, calls[act], by=SHANGHAI, approved_by=(HANGZHOU, NINGBO))
    errors = {
        "withdraw": ("NotTreasury", {"city": XUZHOU.code, "caller": consortium.address}),
        "post": ("NotRefunds", {"caller": consortium.address}),
        "recover": ("NoConsent", {"city": XUZHOU.code, "admin": THIEF, "treasury": THIEF}),
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
        call = registry.call("admit", LANZHOU.code, "Lanzhou", LANZHOU.admin, THIEF)
        number = proposal(world, call, by=SHANGHAI, approved_by=(NINGBO, XUZHOU))
        consortium.execute(number, sender=THIEF)
        world.add_issuer_key(LANZHOU, 1, Role.ISSUER_KEY)
        assert world.judge(issuer=LANZHOU, fare=MAX_FARE, fare_cap=MAX_FARE) is None
    assert clearinghouse.arrears(LANZHOU.code, HANGZHOU.code) == MAX_FARE


def test_two_thirds_of_the_others_suspend_all_who_are_not_in_it_a_day_later(
    world: World, registry: Contract, consortium: Contract
) -> None:
    """Two of four. The two that are suspended still withdraw and leave."""
    numbers = [
        proposal(world, registry.call("suspend", city.code), by=SHANGHAI, approved_by=(HANGZHOU,))
        for city in (NINGBO, XUZHOU)
    ]
    stopped = world.node.now + seconds_until_stopped("two thirds of the others")
    with pytest.raises(Reverted, match="TooEarly"):
        consortium.execute(numbers[1], sender=THIEF, at=stopped - 1)
    for number in numbers:
        consortium.execute(number, sender=THIEF, at=stopped if number == numbers[0] else None)
    assert registry.activeCount() == 2
    world.withdraw(XUZHOU, DEPOSIT)
    registry.leaveConsortium(XUZHOU.code, sender=XUZHOU.admin)


def test_a_longer_grace_makes_tickets_good_again_of_a_key_that_ended_because_it_was_stolen(
    world: World, registry: Contract
) -> None:
    """What SECURITY.md accepts: it takes two thirds, and a week in which the city sees it."""
    registry.endIssuerKey(XUZHOU.code, 1, NOON - 2 * DAY, sender=XUZHOU.admin, at=NOON - 2 * DAY)
    assert world.judge(serial=1) is RideReason.KeyNotValid
    world.set_parameters(grace=3 * DAY)
    assert world.judge(serial=1, at=EVENING + 60) is None
