"""What can hurt a member waits, and a city has no vote in its own suspension or expulsion."""

from __future__ import annotations

import pytest

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
    ZERO_ADDRESS,
    City,
    World,
    deploy,
)
from tests.contracts.test_votes import NINE, VOTING_PERIOD, Assembly, assemble

SHORT, LONG = DAY, 7 * DAY
EXECUTION_PERIOD = 14 * DAY


@pytest.fixture
def four(world: World) -> Assembly:
    """Shanghai, Hangzhou, Ningbo and Xuzhou."""
    return assemble(world.node, 4)


def suspension(of: Assembly, city: City = XUZHOU) -> Call:
    return of.registry.call("suspend", city.code)


def expulsion(of: Assembly, city: City = XUZHOU) -> Call:
    return of.registry.call("expel", city.code)


# ---------------------------------------------------------------- how long


def test_each_call_has_its_wait(world: World) -> None:
    registry, house = world.registry, world.clearinghouse
    waits: list[tuple[Call, int]] = [
        (registry.call("admit", LANZHOU.code, "Lanzhou", STRANGER, STRANGER), 0),
        (registry.call("reinstate", XUZHOU.code), 0),
        (registry.call("suspend", XUZHOU.code), SHORT),
        (registry.call("recover", XUZHOU.code, STRANGER, STRANGER), SHORT),
        (registry.call("expel", XUZHOU.code), LONG),
        (house.call("setReserve", XUZHOU.code, 1), LONG),
        (house.call("setParameters", (20_000, DAY, 30 * DAY, 30 * DAY, 10 * DAY, 500)), LONG),
        (house.call("nameSuccessor", STRANGER, 1), LONG),
        (house.call("stopSettlement"), LONG),
        (house.call("resumeSettlement"), 0),
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
    for call in (world.registry.call("reinstate", XUZHOU.code), suspension_of(world)):
        assert world.consortium.delayOf(other, call.data) == LONG


def suspension_of(world: World) -> Call:
    return world.registry.call("suspend", XUZHOU.code)


# ---------------------------------------------------------------- from when, until when


@pytest.mark.parametrize(("act", "wait"), [(suspension, SHORT), (expulsion, LONG)], ids=["suspend", "expel"])
def test_the_wait_begins_with_the_approval_that_makes_two_thirds(four: Assembly, act, wait: int) -> None:
    number = four.propose(act(four), by=SHANGHAI, at=NOON)
    assert four.consortium.proposal(number)[5:] == (1, 2, 0, NOON + VOTING_PERIOD)
    receipt = four.consortium.approve(number, HANGZHOU.code, sender=HANGZHOU.admin, at=NOON + HOUR)
    executable_from = NOON + HOUR + wait
    assert receipt.events == (
        Event("Approved", id=number, city=HANGZHOU.code),
        Event("Passed", id=number, executableFrom=executable_from),
    )
    assert four.consortium.proposal(number)[5:] == (2, 2, executable_from, NOON + VOTING_PERIOD)
    with reverts(four.consortium, "TooEarly", id=number, executableFrom=executable_from):
        four.execute(number, at=executable_from - 1)
    four.execute(number, at=executable_from)
    assert four.registry.city(XUZHOU.code)[1] in (2, 3)


def test_a_further_approval_does_not_begin_the_wait_anew(four: Assembly) -> None:
    number = four.propose(expulsion(four), by=SHANGHAI, at=NOON)
    four.consortium.approve(number, HANGZHOU.code, sender=HANGZHOU.admin, at=NOON + HOUR)
    receipt = four.consortium.approve(number, NINGBO.code, sender=NINGBO.admin, at=NOON + DAY)
    assert receipt.events == (Event("Approved", id=number, city=NINGBO.code),)
    assert four.consortium.proposal(number)[7] == NOON + HOUR + LONG


def test_a_proposal_that_passes_at_once_waits_from_then_on(world: World) -> None:
    two = assemble(world.node, 2)
    receipt = two.consortium.propose(
        SHANGHAI.code, two.registry, expulsion(two, HANGZHOU).data, sender=SHANGHAI.admin, at=NOON
    )
    assert receipt.named("Passed") == (Event("Passed", id=1, executableFrom=NOON + LONG),)


def test_two_thirds_have_to_stand_when_it_is_carried_out(four: Assembly) -> None:
    number = four.propose(expulsion(four), by=SHANGHAI, at=NOON)
    four.consortium.approve(number, HANGZHOU.code, sender=HANGZHOU.admin, at=NOON + HOUR)
    four.registry.leaveConsortium(HANGZHOU.code, sender=HANGZHOU.admin)
    with reverts(four.consortium, "NotPassed", id=number, votes=1, votesNeeded=2):
        four.execute(number, at=NOON + HOUR + LONG)


def test_what_passed_late_can_be_carried_out_for_two_weeks_after_its_wait(four: Assembly) -> None:
    number = four.propose(expulsion(four), by=SHANGHAI, at=NOON)
    passed = NOON + VOTING_PERIOD
    four.consortium.approve(number, HANGZHOU.code, sender=HANGZHOU.admin, at=passed)
    expires = passed + LONG + EXECUTION_PERIOD
    assert four.consortium.proposal(number)[8] == expires
    four.node.mine(at=expires)
    assert four.consortium.isPassed(number)
    with reverts(four.consortium, "ProposalExpired", id=number, expiredAt=expires):
        four.execute(number, at=expires + 1)


def test_what_passed_late_is_carried_out_in_its_last_second(four: Assembly) -> None:
    number = four.propose(expulsion(four), by=SHANGHAI, at=NOON)
    four.consortium.approve(number, HANGZHOU.code, sender=HANGZHOU.admin, at=NOON + VOTING_PERIOD)
    four.execute(number, at=NOON + VOTING_PERIOD + LONG + EXECUTION_PERIOD)
    assert four.registry.city(XUZHOU.code)[1] == 3


# ---------------------------------------------------------------- passing because others left


def test_a_proposal_that_passes_because_others_left_waits_once_somebody_says_so(four: Assembly) -> None:
    number = four.propose(four_reserve(four), by=SHANGHAI, at=NOON)
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


def four_reserve(four: Assembly) -> Call:
    """Some call that waits, of a contract that obeys this Consortium."""
    token = deploy(four.node, "SettlementToken", STRANGER)
    house = deploy(four.node, "Clearinghouse", four.registry, token, ZERO_ADDRESS)
    return house.call("setReserve", XUZHOU.code, 1)


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
    number = four.propose(expulsion(four), by=SHANGHAI, at=NOON)
    four.consortium.approve(number, HANGZHOU.code, sender=HANGZHOU.admin, at=NOON + HOUR)
    four.consortium.withdrawApproval(number, HANGZHOU.code, sender=HANGZHOU.admin, at=NOON + DAY)
    assert four.consortium.proposal(number)[7] == 0
    four.consortium.approve(number, NINGBO.code, sender=NINGBO.admin, at=NOON + 6 * DAY)
    with reverts(four.consortium, "TooEarly", id=number, executableFrom=NOON + 6 * DAY + LONG):
        four.execute(number, at=NOON + 8 * DAY)


def test_an_approval_too_many_can_be_taken_back_without_a_new_wait(four: Assembly) -> None:
    number = four.propose(expulsion(four), by=SHANGHAI, at=NOON)
    four.consortium.approve(number, HANGZHOU.code, sender=HANGZHOU.admin, at=NOON + HOUR)
    four.approve(number, NINGBO)
    four.consortium.withdrawApproval(number, NINGBO.code, sender=NINGBO.admin)
    assert four.consortium.proposal(number)[7] == NOON + HOUR + LONG


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
@pytest.mark.parametrize(("members", "needed"), [(2, 1), (3, 2), (4, 2), (5, 3), (6, 4), (7, 4), (8, 5), (9, 6)])
def test_two_thirds_of_the_others_decide_on_a_suspension_or_expulsion(
    world: World, act, members: int, needed: int
) -> None:
    assembly = assemble(world.node, members)
    concerned = assembly.members[-1]
    number = assembly.propose(act(assembly, concerned), by=assembly.members[0])
    assert assembly.consortium.proposal(number)[5:7] == (1, needed)
    for city in assembly.members[1:needed]:
        assembly.approve(number, city)
    assert assembly.consortium.isPassed(number)
    assembly.execute_when_it_may(number)
    assert assembly.registry.city(concerned.code)[1] == (2 if act is suspension else 3)


@pytest.mark.parametrize("act", [suspension, expulsion], ids=["suspend", "expel"])
def test_the_city_that_is_concerned_may_vote_but_is_not_counted(four: Assembly, act) -> None:
    number = four.propose(act(four), by=XUZHOU)
    assert four.consortium.proposal(number)[5:7] == (0, 2)
    four.approve(number, SHANGHAI)
    with reverts(four.consortium, "NotPassed", id=number, votes=1, votesNeeded=2):
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
    assert four.consortium.proposal(number)[5:7] == (1, 2)


def test_all_members_vote_on_whatever_else_concerns_a_city(four: Assembly) -> None:
    four.registry.consentToRecovery(XUZHOU.code, STRANGER, STRANGER, sender=XUZHOU.treasury)
    recovery = four.propose(four.registry.call("recover", XUZHOU.code, STRANGER, STRANGER), by=XUZHOU)
    assert four.consortium.proposal(recovery)[5:7] == (1, 3)


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
    assert four.consortium.proposal(number)[5:7] == (1, 2)
    assert four.consortium.delayOf(four.registry, data) == SHORT


def test_thirteen_members_can_all_vote(world: World) -> None:
    """Twelve others: eight decide on the thirteenth."""
    thirteen = [*NINE, *(City(4100 + i, f"City {i}", 22 + i) for i in range(4))]
    assembly = Assembly(world.node, *_found(world, thirteen), thirteen)
    number = assembly.propose(expulsion(assembly, thirteen[-1]), by=SHANGHAI)
    assert assembly.consortium.proposal(number)[5:7] == (1, 8)


def _found(world: World, cities: list[City]):
    from tests.contracts.story import found_consortium

    return found_consortium(world.node, cities)


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
    with reverts(four.consortium, "NotPassed", id=victim, votes=1, votesNeeded=2):
        four.execute_when_it_may(number)
