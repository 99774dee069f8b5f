"""What can hurt a member waits, and the wait counts only while its two thirds stand; no city votes on itself."""

from __future__ import annotations

import pytest

from tests.contracts.assembly import (
    EXECUTION_PERIOD,
    EXITED,
    LONG,
    NINE,
    SHORT,
    SUSPENDED,
    VOTING_PERIOD,
    Assembly,
    assemble,
    passed,
    reserve,
)
from tests.contracts.node import Call, Event, Reverted, reverts
from tests.contracts.story import (
    DAY,
    HANGZHOU,
    HOUR,
    LANZHOU,
    NINGBO,
    NOON,
    SHANGHAI,
    STRANGER,
    WENZHOU,
    XUZHOU,
    City,
    World,
    deploy,
    found_consortium,
)


@pytest.fixture
def four(world: World) -> Assembly:
    """Shanghai, Hangzhou, Ningbo and Xuzhou."""
    return assemble(world.node, 4)


def suspension(of: Assembly, city: City = XUZHOU) -> Call:
    return of.suspension(city)


def expulsion(of: Assembly, city: City = XUZHOU) -> Call:
    return of.expulsion(city)


# ---------------------------------------------------------------- how long


def test_each_call_has_its_wait(world: World) -> None:
    registry, house = world.registry, world.clearinghouse
    waits: list[tuple[Call, int]] = [
        (registry.call("admit", LANZHOU.code, "Lanzhou", STRANGER, STRANGER, STRANGER), 0),
        (registry.call("reinstate", XUZHOU.code), 0),
        (registry.call("suspend", XUZHOU.code), SHORT),
        (registry.call("recover", XUZHOU.code, STRANGER), SHORT),
        (registry.call("expel", XUZHOU.code), LONG),
        (house.call("setReserve", XUZHOU.code, 1), LONG),
        (house.call("setParameters", (20_000, DAY, 30 * DAY, 30 * DAY, 10 * DAY, 500)), LONG),
        (house.call("nameSuccessor", STRANGER, 1), LONG),
        (house.call("stopSettlement"), LONG),
        (house.call("resumeSettlement"), 0),
        (house.call("cancelSuccessor"), SHORT),
    ]
    came = {call.function["name"]: world.consortium.delayOf(call.contract, call.data) for call, _ in waits}
    assert came == {call.function["name"]: wait for call, wait in waits}


@pytest.mark.parametrize("data", [b"", b"\x00", b"\xff" * 4, b"\xff" * 100])
def test_what_nobody_can_read_waits_longest(world: World, data: bytes) -> None:
    for target in (world.registry, world.clearinghouse, world.token, world.consortium):
        assert world.consortium.delayOf(target, data) == LONG


def test_a_call_that_hurts_nobody_on_the_registry_waits_where_another_contract_is_called(world: World) -> None:
    """The selector alone says nothing: a contract of the thief's may have a function of that name."""
    other = deploy(world.node, "SettlementToken", STRANGER)
    for act in ("reinstate", "suspend"):
        assert world.consortium.delayOf(other, world.registry.call(act, XUZHOU.code).data) == LONG


# ---------------------------------------------------------------- from when, until when


@pytest.mark.parametrize(("act", "wait"), [(suspension, SHORT), (expulsion, LONG)], ids=["suspend", "expel"])
def test_the_wait_begins_with_the_approval_that_makes_two_thirds(four: Assembly, act, wait: int) -> None:
    number = four.propose(act(four), by=SHANGHAI, at=NOON)
    four.approve(number, NINGBO)
    assert four.consortium.proposal(number)[5:] == (2, 3, 0, NOON + VOTING_PERIOD)
    receipt = four.approve(number, HANGZHOU, at=NOON + HOUR)
    executable_from = NOON + HOUR + wait
    assert receipt.events == (
        Event("Approved", id=number, city=HANGZHOU.code),
        Event("Passed", id=number, executableFrom=executable_from),
    )
    assert four.consortium.proposal(number)[5:] == (3, 3, executable_from, NOON + VOTING_PERIOD)
    with reverts(four.consortium, "TooEarly", id=number, executableFrom=executable_from):
        four.execute(number, at=executable_from - 1)
    assert (four.consortium.isPassed(number), four.consortium.isExecutable(number)) == (True, False)
    four.execute(number, at=executable_from)
    assert four.status(XUZHOU) in (SUSPENDED, EXITED)


def test_a_further_approval_does_not_begin_the_wait_anew(four: Assembly) -> None:
    number = four.propose(reserve(four), by=SHANGHAI, at=NOON)
    four.approve(number, HANGZHOU)
    four.approve(number, XUZHOU, at=NOON + HOUR)
    receipt = four.approve(number, NINGBO, at=NOON + DAY)
    assert receipt.events == (Event("Approved", id=number, city=NINGBO.code),)
    assert four.executable_from(number) == NOON + HOUR + LONG


def test_a_proposal_that_passes_at_once_waits_from_then_on(world: World) -> None:
    one = assemble(world.node, 1)
    call = reserve(one)
    receipt = one.consortium.propose(SHANGHAI.code, call.contract, call.data, sender=SHANGHAI.admin, at=NOON)
    assert receipt.named("Passed") == (Event("Passed", id=1, executableFrom=NOON + LONG),)


def test_two_thirds_have_to_stand_when_it_is_carried_out(four: Assembly) -> None:
    number = passed(four, expulsion(four), by=[SHANGHAI, HANGZHOU, NINGBO])
    executable_from = four.executable_from(number)
    for city in (HANGZHOU, NINGBO):
        four.leave(city)
    with reverts(four.consortium, "NotPassed", id=number, votes=1, votesNeeded=2):
        four.execute(number, at=executable_from)


def test_what_passed_late_can_be_carried_out_for_two_weeks_after_its_wait(four: Assembly) -> None:
    number = four.propose(expulsion(four), by=SHANGHAI, at=NOON)
    four.approve(number, NINGBO)
    passed_at = NOON + VOTING_PERIOD
    four.approve(number, HANGZHOU, at=passed_at)
    expires = passed_at + LONG + EXECUTION_PERIOD
    assert four.expires_at(number) == expires
    four.node.mine(at=expires)
    assert (four.consortium.isPassed(number), four.consortium.isExecutable(number)) == (True, True)
    with reverts(four.consortium, "ProposalExpired", id=number, expiredAt=expires):
        four.execute(number, at=expires + 1)
    assert (four.consortium.isPassed(number), four.consortium.isExecutable(number)) == (False, False)


def test_what_passed_late_is_carried_out_in_its_last_second(four: Assembly) -> None:
    number = four.propose(expulsion(four), by=SHANGHAI, at=NOON)
    four.approve(number, NINGBO)
    four.approve(number, HANGZHOU, at=NOON + VOTING_PERIOD)
    four.execute(number, at=NOON + VOTING_PERIOD + LONG + EXECUTION_PERIOD)
    assert four.status(XUZHOU) == EXITED


# ---------------------------------------------------------------- passing because others left


def test_a_proposal_that_passes_because_others_left_waits_once_somebody_says_so(four: Assembly) -> None:
    number = four.propose(reserve(four), by=SHANGHAI, at=NOON)
    four.approve(number, HANGZHOU)
    assert four.consortium.proposal(number)[5:7] == (2, 3)
    with reverts(four.consortium, "NotPassed", id=number, votes=2, votesNeeded=3):
        four.consortium.markPassed(number, sender=STRANGER)
    four.registry.leaveConsortium(NINGBO.code, sender=NINGBO.admin)
    with reverts(four.consortium, "TooEarly", id=number, executableFrom=0):
        four.execute(number)
    receipt = four.consortium.markPassed(number, sender=STRANGER, at=NOON + DAY)
    assert receipt.events == (Event("Passed", id=number, executableFrom=NOON + DAY + LONG),)
    assert four.consortium.markPassed(number, sender=STRANGER).events == ()


def test_what_needs_no_wait_needs_no_mark(four: Assembly) -> None:
    number = four.propose(four.admission(), by=SHANGHAI)
    four.approve(number, HANGZHOU, NINGBO)
    assert four.consortium.markPassed(number, sender=STRANGER).events == ()
    assert four.consortium.proposal(number)[7] == 0
    four.execute(number)


# ---------------------------------------------------------------- taking an approval back


def test_an_approval_can_be_taken_back_and_given_again(four: Assembly) -> None:
    number = four.propose(four.admission(), by=SHANGHAI)
    four.approve(number, HANGZHOU)
    receipt = four.consortium.withdrawApproval(number, HANGZHOU.code, sender=HANGZHOU.admin)
    assert receipt.events == (Event("ApprovalWithdrawn", id=number, city=HANGZHOU.code),)
    assert not four.consortium.hasApproved(number, HANGZHOU.code)
    with reverts(four.consortium, "NotApproved", id=number, city=HANGZHOU.code):
        four.consortium.withdrawApproval(number, HANGZHOU.code, sender=HANGZHOU.admin)
    four.approve(number, HANGZHOU)
    assert four.consortium.proposal(number)[5] == 2


def test_the_wait_begins_anew_where_an_approval_was_missing_meanwhile(four: Assembly) -> None:
    number = passed(four, reserve(four), by=[SHANGHAI, XUZHOU, HANGZHOU])
    four.consortium.withdrawApproval(number, HANGZHOU.code, sender=HANGZHOU.admin, at=NOON + DAY)
    assert (four.executable_from(number), four.consortium.isPassed(number)) == (0, False)
    four.approve(number, NINGBO, at=NOON + 6 * DAY)
    with reverts(four.consortium, "TooEarly", id=number, executableFrom=NOON + 6 * DAY + LONG):
        four.execute(number, at=NOON + 8 * DAY)


def test_an_approval_too_many_can_be_taken_back_without_a_new_wait(four: Assembly) -> None:
    number = passed(four, reserve(four), by=[SHANGHAI, XUZHOU, HANGZHOU])
    executable_from = four.executable_from(number)
    four.approve(number, NINGBO, at=NOON + HOUR)
    four.consortium.withdrawApproval(number, NINGBO.code, sender=NINGBO.admin)
    assert four.executable_from(number) == executable_from


def test_what_was_carried_out_or_is_void_is_not_taken_back(four: Assembly) -> None:
    done = four.propose(four.admission(), by=SHANGHAI, at=NOON)
    four.approve(done, HANGZHOU, NINGBO)
    void = four.propose(four.admission(WENZHOU), by=SHANGHAI, at=NOON + HOUR)
    four.execute(done)
    with reverts(four.consortium, "AlreadyExecuted", id=done):
        four.consortium.withdrawApproval(done, SHANGHAI.code, sender=SHANGHAI.admin)
    expiry = NOON + HOUR + VOTING_PERIOD
    with reverts(four.consortium, "ProposalExpired", id=void, expiredAt=expiry):
        four.consortium.withdrawApproval(void, SHANGHAI.code, sender=SHANGHAI.admin, at=expiry + 1)


# ---------------------------------------------------------------- the city that is concerned


@pytest.mark.parametrize("act", [suspension, expulsion], ids=["suspend", "expel"])
def test_the_city_that_is_concerned_may_vote_but_its_vote_is_not_counted(four: Assembly, act) -> None:
    number = four.propose(act(four), by=XUZHOU)
    assert four.tally(number) == (0, 3)
    four.approve(number, SHANGHAI, HANGZHOU)
    with reverts(four.consortium, "NotPassed", id=number, votes=2, votesNeeded=3):
        four.execute(number)


@pytest.mark.parametrize("act", [suspension, expulsion], ids=["suspend", "expel"])
def test_the_last_member_is_not_thrown_out_by_nobodys_vote(world: World, act) -> None:
    one = assemble(world.node, 1)
    number = one.propose(act(one, SHANGHAI), by=SHANGHAI)
    with reverts(one.consortium, "NotPassed", id=number, votes=0, votesNeeded=1):
        one.execute(number, at=world.node.now + LONG)


def test_a_city_that_is_suspended_already_changes_nothing_in_the_count_for_its_expulsion(four: Assembly) -> None:
    four.decide(suspension(four))
    number = four.propose(expulsion(four), by=SHANGHAI)
    assert four.tally(number) == (1, 3)


@pytest.mark.parametrize("act", ["reinstate", "admit"])
def test_all_members_vote_on_whatever_else_concerns_a_city(four: Assembly, act: str) -> None:
    arguments = ("Xuzhou", XUZHOU.admin, XUZHOU.treasury, XUZHOU.recovery) if act == "admit" else ()
    number = four.propose(four.registry.call(act, XUZHOU.code, *arguments), by=XUZHOU)
    assert four.tally(number) == (1, 3)


def test_calldata_that_is_too_short_to_name_a_city_concerns_none(four: Assembly) -> None:
    """And is refused by the registry when it is carried out."""
    data = suspension(four).data[:35]
    number = four.consortium.propose(SHANGHAI.code, four.registry, data, sender=SHANGHAI.admin).returned
    assert four.consortium.proposal(number)[5:7] == (1, 3)
    four.approve(number, HANGZHOU, NINGBO)
    with pytest.raises(Reverted, match="FailedCall"):
        four.execute_when_it_may(number)


def test_calldata_with_something_behind_it_still_concerns_its_city(four: Assembly) -> None:
    data = suspension(four).data + b"\x01" * 32
    number = four.consortium.propose(SHANGHAI.code, four.registry, data, sender=SHANGHAI.admin).returned
    four.approve(number, XUZHOU)
    assert four.tally(number) == (1, 3)
    assert four.consortium.delayOf(four.registry, data) == SHORT


def test_thirteen_members_can_all_vote(world: World) -> None:
    """Nine decide on the thirteenth."""
    thirteen = [*NINE, *(City(4100 + i, f"City {i}", 22 + i) for i in range(4))]
    assembly = Assembly(world.node, *found_consortium(world.node, thirteen), thirteen)
    number = assembly.propose(expulsion(assembly, thirteen[-1]), by=SHANGHAI)
    assert assembly.tally(number) == (1, 9)


# ---------------------------------------------------------------- what the Consortium may call


def test_a_proposal_may_not_make_the_consortium_vote_for_itself(four: Assembly) -> None:
    """It isn't any city's admin."""
    inner = four.consortium.call("approve", 1, XUZHOU.code)
    number = four.propose(inner, by=SHANGHAI)
    four.approve(number, HANGZHOU, NINGBO)
    with reverts(four.consortium, "NotCityAdmin", city=XUZHOU.code, caller=four.consortium.address):
        four.execute_when_it_may(number)


def test_a_proposal_that_executes_itself_is_refused(four: Assembly) -> None:
    inner = four.consortium.call("execute", 1)
    number = four.propose(inner, by=SHANGHAI)
    four.approve(number, HANGZHOU, NINGBO)
    with reverts(four.consortium, "AlreadyExecuted", id=number):
        four.execute_when_it_may(number)


def test_a_proposal_that_executes_another_goes_by_that_ones_votes_and_wait(four: Assembly) -> None:
    victim = four.propose(expulsion(four), by=SHANGHAI)
    number = four.propose(four.consortium.call("execute", victim), by=SHANGHAI)
    four.approve(number, HANGZHOU, NINGBO)
    with reverts(four.consortium, "NotPassed", id=victim, votes=1, votesNeeded=3):
        four.execute_when_it_may(number)
