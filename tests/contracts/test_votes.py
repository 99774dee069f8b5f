"""The consortium: one city, one vote; two thirds of the members; the deployer has no power."""

from __future__ import annotations

import pytest

from tests.contracts.assembly import EXITED, SUSPENDED, VOTING_PERIOD, Assembly, assemble
from tests.contracts.node import Contract, Event, reverts
from tests.contracts.story import (
    DAY,
    DEPLOYER_ACCOUNT,
    HANGZHOU,
    LANZHOU,
    NINGBO,
    NOON,
    SEAT_DELAY,
    SHANGHAI,
    STRANGER,
    XUZHOU,
    ZERO_ADDRESS,
    City,
    World,
    deploy,
    found_consortium,
)


@pytest.fixture
def trio(world: World) -> Assembly:
    """Shanghai, Hangzhou and Ningbo."""
    return assemble(world.node, 3)


# ---------------------------------------------------------------- how many votes


@pytest.mark.parametrize(
    ("members", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 4), (7, 5), (8, 6), (9, 6)]
)
def test_admitting_a_city_takes_two_thirds_of_the_members(world: World, members: int, needed: int) -> None:
    assembly = assemble(world.node, members)
    consortium = assembly.consortium
    number = assembly.propose(assembly.admission(), by=assembly.members[0])
    for votes in range(1, needed):
        assert consortium.proposal(number)[5:7] == (votes, needed)
        assert not consortium.isPassed(number)
        assert not consortium.isExecutable(number)
        with reverts(consortium, "NotPassed", id=number, votes=votes, votesNeeded=needed):
            assembly.execute(number)
        assembly.approve(number, assembly.members[votes])
    assert consortium.proposal(number)[5:7] == (needed, needed)
    assert consortium.isPassed(number)
    assert consortium.isExecutable(number)
    assembly.execute(number)
    assert LANZHOU.code in assembly.registry.cities()


def test_a_consortium_of_no_city_is_none(world: World) -> None:
    with reverts(world.consortium, "NoFounders"):
        deploy(world.node, "Consortium", [])


def test_a_founder_is_named_once(world: World) -> None:
    with reverts(world.registry, "CityAlreadyAdmitted", city=SHANGHAI.code):
        found_consortium(world.node, [SHANGHAI, HANGZHOU, SHANGHAI])


# ---------------------------------------------------------------- a proposal's way


def test_a_proposal_counts_as_its_proposers_vote(trio: Assembly, shanghai: City) -> None:
    call = trio.admission()
    receipt = trio.consortium.propose(shanghai.code, call.contract, call.data, sender=shanghai.admin, at=NOON)
    assert receipt.returned == 1
    assert receipt.events == (
        Event("Proposed", id=1, city=shanghai.code, target=trio.registry.address, data=call.data),
        Event("Approved", id=1, city=shanghai.code),
    )
    assert trio.consortium.proposalCount() == 1
    assert trio.consortium.hasApproved(1, shanghai.code)
    assert not trio.consortium.hasApproved(1, HANGZHOU.code)
    assert trio.consortium.proposal(1) == (
        trio.registry.address,
        call.data,
        shanghai.code,
        NOON,
        False,
        1,
        2,
        0,
        NOON + VOTING_PERIOD,
    )


def test_a_city_approves_in_its_own_name(trio: Assembly, shanghai: City, ningbo: City) -> None:
    number = trio.propose(trio.admission(), by=shanghai)
    receipt = trio.consortium.approve(number, ningbo.code, sender=ningbo.admin)
    assert receipt.events == (Event("Approved", id=number, city=ningbo.code),)
    assert trio.consortium.hasApproved(number, ningbo.code)
    assert not trio.consortium.hasApproved(number, HANGZHOU.code)


def test_anyone_executes_what_was_passed(trio: Assembly, shanghai: City, ningbo: City) -> None:
    number = trio.propose(trio.admission(), by=shanghai, at=NOON - 60)
    trio.approve(number, ningbo)
    receipt = trio.execute(number, at=NOON)
    admitted = {
        "name": "Lanzhou",
        "admin": LANZHOU.admin,
        "treasury": LANZHOU.treasury,
        "recovery": LANZHOU.recovery,
        "countsFrom": NOON + SEAT_DELAY,
    }
    assert receipt.events == (
        Event("Executed", id=number),
        Event("CityAdmitted", city=LANZHOU.code, **admitted),
    )
    assert trio.consortium.proposal(number)[4] is True
    assert not trio.consortium.isPassed(number)
    assert not trio.consortium.isExecutable(number)


def test_proposals_are_numbered_from_1_and_stand_apart(trio: Assembly, shanghai: City, hangzhou: City) -> None:
    first = trio.propose(trio.admission(), by=shanghai)
    second = trio.propose(trio.admission(), by=hangzhou)
    assert (first, second, trio.consortium.proposalCount()) == (1, 2, 2)
    trio.approve(second, shanghai)
    assert not trio.consortium.hasApproved(first, hangzhou.code)
    trio.execute(second)
    with reverts(trio.consortium, "NotPassed", id=first, votes=1, votesNeeded=2):
        trio.execute(first)


def test_the_consortium_governs_the_clearinghouse_too(world: World, clearinghouse: Contract) -> None:
    call = clearinghouse.call("setReserve", XUZHOU.code, 1_000)
    assembly = Assembly(world.node, world.consortium, world.registry, [SHANGHAI, HANGZHOU, NINGBO, XUZHOU])
    assembly.decide(call)
    assert clearinghouse.reserve(XUZHOU.code) == 1_000


# ---------------------------------------------------------------- who may not


@pytest.mark.parametrize(
    "caller",
    [
        pytest.param(SHANGHAI.treasury, id="its treasury"),
        pytest.param(HANGZHOU.admin, id="another city's admin"),
        pytest.param(DEPLOYER_ACCOUNT, id="the deployer"),
        pytest.param(STRANGER, id="a stranger"),
    ],
)
def test_only_a_citys_admin_speaks_for_it(trio: Assembly, hangzhou: City, ningbo: City, caller: str) -> None:
    call = trio.admission()
    with reverts(trio.consortium, "NotCityAdmin", city=SHANGHAI.code, caller=caller):
        trio.consortium.propose(SHANGHAI.code, call.contract, call.data, sender=caller)
    number = trio.propose(call, by=ningbo)
    with reverts(trio.consortium, "NotCityAdmin", city=SHANGHAI.code, caller=caller):
        trio.consortium.approve(number, SHANGHAI.code, sender=caller)
    assert trio.consortium.proposal(number)[5] == 1


def test_a_city_approves_once(trio: Assembly, shanghai: City) -> None:
    number = trio.propose(trio.admission(), by=shanghai)
    with reverts(trio.consortium, "AlreadyApproved", id=number, city=shanghai.code):
        trio.approve(number, shanghai)


@pytest.mark.parametrize("standing", ["left", "expelled", "never admitted"])
def test_only_members_propose_and_approve(trio: Assembly, ningbo: City, standing: str) -> None:
    city = LANZHOU if standing == "never admitted" else ningbo
    if standing == "left":
        trio.leave(city)
    if standing == "expelled":
        trio.decide(trio.expulsion(city))
    call = trio.admission()
    with reverts(trio.consortium, "NoVote", city=city.code, countsFrom=0):
        trio.propose(call, by=city)
    number = trio.propose(call, by=SHANGHAI)
    with reverts(trio.consortium, "NoVote", city=city.code, countsFrom=0):
        trio.approve(number, city)
    with reverts(trio.consortium, "NoVote", city=city.code, countsFrom=0):
        trio.consortium.withdrawApproval(number, city.code, sender=city.admin)


def test_a_proposal_calls_a_contract(trio: Assembly, shanghai: City) -> None:
    for target in (STRANGER, ZERO_ADDRESS):
        with reverts(trio.consortium, "TargetHasNoCode", target=target):
            trio.consortium.propose(shanghai.code, target, b"", sender=shanghai.admin)


@pytest.mark.parametrize("number", [0, 2, 2**256 - 1])
def test_a_proposal_that_was_not_made_is_not_there(trio: Assembly, shanghai: City, number: int) -> None:
    trio.propose(trio.admission(), by=shanghai)
    consortium = trio.consortium
    acts = [
        lambda: trio.approve(number, HANGZHOU),
        lambda: trio.execute(number),
        lambda: consortium.proposal(number),
        lambda: consortium.isPassed(number),
        lambda: consortium.isExecutable(number),
        lambda: consortium.markPassed(number, sender=STRANGER),
        lambda: consortium.withdrawApproval(number, SHANGHAI.code, sender=SHANGHAI.admin),
        lambda: consortium.withdrawRequest(number, sender=SHANGHAI.recovery),
        lambda: consortium.hasApproved(number, SHANGHAI.code),
    ]
    for act in acts:
        with reverts(consortium, "UnknownProposal", id=number):
            act()


def test_a_proposal_is_executed_once(trio: Assembly, shanghai: City, hangzhou: City, ningbo: City) -> None:
    number = trio.propose(trio.admission(), by=shanghai)
    trio.approve(number, hangzhou)
    trio.execute(number)
    with reverts(trio.consortium, "AlreadyExecuted", id=number):
        trio.execute(number)
    with reverts(trio.consortium, "AlreadyExecuted", id=number):
        trio.approve(number, ningbo)


def test_what_the_target_refuses_is_refused_with_its_error(trio: Assembly, shanghai: City, hangzhou: City) -> None:
    number = trio.propose(trio.admission(HANGZHOU), by=shanghai)
    trio.approve(number, hangzhou)
    with reverts(trio.registry, "CityAlreadyAdmitted", city=HANGZHOU.code):
        trio.execute(number)
    assert trio.consortium.proposal(number)[4] is False


# ---------------------------------------------------------------- time


def test_a_proposal_is_executed_within_30_days(trio: Assembly, shanghai: City, hangzhou: City) -> None:
    number = trio.propose(trio.admission(), by=shanghai, at=NOON)
    trio.approve(number, hangzhou)
    trio.node.mine(at=NOON + VOTING_PERIOD)
    assert trio.consortium.isPassed(number)
    trio.execute(number, at=NOON + VOTING_PERIOD)


def test_a_proposal_is_void_after_30_days(trio: Assembly, shanghai: City, hangzhou: City) -> None:
    number = trio.propose(trio.admission(), by=shanghai, at=NOON)
    trio.approve(number, hangzhou)
    expiry = NOON + VOTING_PERIOD
    with reverts(trio.consortium, "ProposalExpired", id=number, expiredAt=expiry):
        trio.execute(number, at=expiry + 1)
    assert not trio.consortium.isPassed(number)


def test_a_void_proposal_is_not_approved(trio: Assembly, shanghai: City, hangzhou: City) -> None:
    number = trio.propose(trio.admission(), by=shanghai, at=NOON)
    trio.consortium.approve(number, hangzhou.code, sender=hangzhou.admin, at=NOON + VOTING_PERIOD)
    with reverts(trio.consortium, "ProposalExpired", id=number, expiredAt=NOON + VOTING_PERIOD):
        trio.consortium.approve(number, NINGBO.code, sender=NINGBO.admin, at=NOON + VOTING_PERIOD + 1)


# ---------------------------------------------------------------- members that come and go


def test_votes_of_cities_that_left_do_not_count(world: World) -> None:
    """Of four members two approve; one of those leaves: one vote of the two that three need."""
    assembly = assemble(world.node, 4)
    number = assembly.propose(assembly.admission(), by=SHANGHAI)
    assembly.approve(number, XUZHOU)
    assembly.leave(XUZHOU)
    assert assembly.tally(number) == (1, 2)
    with reverts(assembly.consortium, "NotPassed", id=number, votes=1, votesNeeded=2):
        assembly.execute(number)
    assembly.approve(number, HANGZHOU)
    assembly.execute(number)


def test_a_suspended_citys_vote_counts_as_before(world: World) -> None:
    """What it approved, and what it approves, proposes and takes back from then on."""
    assembly = assemble(world.node, 4)
    before = assembly.propose(assembly.admission(), by=XUZHOU)
    assembly.decide(assembly.suspension())
    assert assembly.status(XUZHOU) == SUSPENDED
    assert assembly.tally(before) == (1, 3)
    later = assembly.propose(assembly.admission(City(4101, "Other", 30)), by=XUZHOU)
    assembly.approve(later, SHANGHAI)
    assert assembly.tally(later) == (2, 3)
    assembly.consortium.withdrawApproval(later, XUZHOU.code, sender=XUZHOU.admin)
    assert assembly.tally(later) == (1, 3)
    assembly.approve(later, HANGZHOU, XUZHOU)
    assembly.execute(later)


def test_suspended_cities_reinstate_each_other(world: World) -> None:
    """However many are: their votes are what an honest two thirds goes on with."""
    assembly = assemble(world.node, 4)
    for city in (SHANGHAI, HANGZHOU, NINGBO):
        assembly.registry.suspend(city.code, sender=assembly.consortium.address)
    number = assembly.propose(assembly.registry.call("reinstate", SHANGHAI.code), by=SHANGHAI)
    assembly.approve(number, HANGZHOU, NINGBO)
    assembly.execute(number)
    assert assembly.status(SHANGHAI) == 1


def test_a_city_that_joined_counts_a_week_later_for_what_was_proposed_before(trio: Assembly, shanghai: City) -> None:
    pending = trio.propose(trio.admission(City(4101, "Other", 30)), by=shanghai, at=NOON)
    counts_from = trio.admit(LANZHOU)
    assert trio.tally(pending) == (1, 2)
    trio.node.mine(at=counts_from)
    assert trio.tally(pending) == (1, 3)
    trio.approve(pending, LANZHOU, HANGZHOU)
    trio.execute(pending)


def test_a_consortium_that_all_have_left_decides_nothing(trio: Assembly, shanghai: City) -> None:
    number = trio.propose(trio.admission(), by=shanghai)
    for city in trio.members:
        trio.leave(city)
    assert not trio.consortium.isPassed(number)
    with reverts(trio.consortium, "NotPassed", id=number, votes=0, votesNeeded=1):
        trio.execute(number)


# ---------------------------------------------------------------- suspended and expelled by two thirds of all

AGAINST = {"suspend": SUSPENDED, "expel": EXITED}


@pytest.mark.parametrize("act", AGAINST)
@pytest.mark.parametrize(("members", "needed"), [(3, 2), (4, 3), (5, 4), (6, 4), (7, 5), (8, 6), (9, 6)])
def test_the_concerned_citys_seat_counts_and_its_vote_does_not(
    world: World, act: str, members: int, needed: int
) -> None:
    """Two thirds of all members, but of the others' votes alone."""
    assembly = assemble(world.node, members)
    concerned = assembly.members[-1]
    number = assembly.propose(assembly.registry.call(act, concerned.code), by=concerned)
    assert assembly.tally(number) == (0, needed)
    for votes, city in enumerate(assembly.members[:needed]):
        with reverts(assembly.consortium, "NotPassed", id=number, votes=votes, votesNeeded=needed):
            assembly.consortium.markPassed(number, sender=STRANGER)
        assembly.approve(number, city)
    assert assembly.tally(number) == (needed, needed)
    assembly.execute_when_it_may(number)
    assert assembly.status(concerned) == AGAINST[act]


@pytest.mark.parametrize("act", AGAINST)
@pytest.mark.parametrize(("members", "needed"), [(1, 1), (2, 2)])
def test_of_one_or_two_members_none_is_suspended_or_expelled(world: World, act: str, members: int, needed: int) -> None:
    assembly = assemble(world.node, members)
    number = assembly.propose(assembly.registry.call(act, assembly.members[-1].code), by=SHANGHAI)
    if members == 2:
        assembly.approve(number, HANGZHOU)
    others = members - 1
    with reverts(assembly.consortium, "NotPassed", id=number, votes=others, votesNeeded=needed):
        assembly.execute(number, at=world.node.now + 7 * DAY)


@pytest.mark.parametrize("act", AGAINST)
def test_of_three_members_both_others_suspend_or_expel_one(trio: Assembly, act: str) -> None:
    number = trio.propose(trio.registry.call(act, NINGBO.code), by=SHANGHAI)
    trio.approve(number, NINGBO)
    with reverts(trio.consortium, "NotPassed", id=number, votes=1, votesNeeded=2):
        trio.execute(number)
    trio.approve(number, HANGZHOU)
    trio.execute_when_it_may(number)
    assert trio.status(NINGBO) == AGAINST[act]


@pytest.mark.parametrize(("members", "coalition"), [(2, 1), (3, 1), (4, 2), (5, 3), (6, 3), (7, 4), (8, 5), (9, 5)])
def test_fewer_than_two_thirds_suspend_nobody_and_leave_a_consortium_that_goes_on(
    world: World, members: int, coalition: int
) -> None:
    """They try it on each of the others, one after the other; and then they leave, all of them."""
    assembly = assemble(world.node, members)
    plotters, others = assembly.members[:coalition], assembly.members[coalition:]
    needed = -(-2 * members // 3)
    for victim in others:
        number = assembly.propose(assembly.suspension(victim), by=plotters[0])
        assembly.approve(number, *plotters[1:])
        with reverts(assembly.consortium, "NotPassed", id=number, votes=coalition, votesNeeded=needed):
            assembly.consortium.markPassed(number, sender=STRANGER)
    for city in plotters:
        assembly.leave(city)
    number = assembly.propose(assembly.admission(), by=others[0])
    assembly.approve(number, *others[1:])
    assembly.execute(number)
    assert assembly.status(LANZHOU) == 1
