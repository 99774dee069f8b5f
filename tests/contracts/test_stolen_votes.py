"""Many keys in a thief's hands, or the bank's, or a member that plays along: the worst, held to SECURITY.md."""

from __future__ import annotations

import pytest

from interline.reasons import RideReason
from network.accounts import Role
from tests.contracts.assembly import admission_of
from tests.contracts.node import Contract, reverts
from tests.contracts.story import (
    ANSWER_TIME,
    BANK_ACCOUNT,
    DAY,
    DEPOSIT,
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
    World,
    deploy,
)
from tests.contracts.test_stolen_keys import (
    MEMBERS,
    THIEF,
    nobody_loses_a_fen,
    proposal,
    seconds_until_stopped,
    tokens_of,
)


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
    """It is admitted at once, says that it carried what the thief's own issuer keys sign, and withdraws."""
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
        world.settle(
            *world.rides(range(DEPOSIT // MAX_FARE), **ticket, **invented), operator=LANZHOU, at=world.node.now + 60
        )
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
