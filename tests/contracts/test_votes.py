"""The consortium: one city, one vote; two thirds of the active members; the deployer has no power."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.contracts.node import Call, Contract, Event, Node, Receipt, reverts
from tests.contracts.story import (
    DAY,
    DEPLOYER_ACCOUNT,
    HANGZHOU,
    HEFEI,
    LANZHOU,
    NANJING,
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
    found_consortium,
)

VOTING_PERIOD = 30 * DAY
NINE = [SHANGHAI, HANGZHOU, NINGBO, XUZHOU, WENZHOU, HEFEI, NANJING, City(4001, "Eighth", 20), City(4002, "Ninth", 21)]


@dataclass(frozen=True)
class Assembly:
    """A consortium of its own, of so many founders."""

    node: Node
    consortium: Contract
    registry: Contract
    members: list[City]

    def propose(self, call: Call, *, by: City, at: int | None = None) -> int:
        number: int = self.consortium.propose(by.code, call.contract, call.data, sender=by.admin, at=at).returned
        return number

    def approve(self, number: int, *cities: City) -> None:
        for city in cities:
            self.consortium.approve(number, city.code, sender=city.admin)

    def execute(self, number: int, *, at: int | None = None) -> Receipt:
        receipt: Receipt = self.consortium.execute(number, sender=STRANGER, at=at)
        return receipt

    def decide(self, call: Call) -> None:
        """All active members vote for it."""
        active = [city for city in self.members if self.registry.city(city.code)[1] == 1]
        number = self.propose(call, by=active[0])
        self.approve(number, *active[1:])
        self.execute_when_it_may(number)

    def execute_when_it_may(self, number: int) -> Receipt:
        """As soon as the proposal's wait, if it has one, is over."""
        return self.execute(number, at=self.consortium.proposal(number)[7] or None)

    def admission(self, city: City = LANZHOU) -> Call:
        return self.registry.call("admit", city.code, city.name, city.admin, city.treasury)


def assemble(node: Node, count: int) -> Assembly:
    consortium, registry = found_consortium(node, NINE[:count])
    return Assembly(node, consortium, registry, NINE[:count])


@pytest.fixture
def trio(world: World) -> Assembly:
    """Shanghai, Hangzhou and Ningbo."""
    return assemble(world.node, 3)


# ---------------------------------------------------------------- how many votes


@pytest.mark.parametrize(
    ("members", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 4), (7, 5), (8, 6), (9, 6)]
)
def test_admitting_a_city_takes_two_thirds_of_the_active_members(world: World, members: int, needed: int) -> None:
    assembly = assemble(world.node, members)
    consortium = assembly.consortium
    number = assembly.propose(assembly.admission(), by=assembly.members[0])
    for votes in range(1, needed):
        assert consortium.proposal(number)[5:7] == (votes, needed)
        assert not consortium.isPassed(number)
        with reverts(consortium, "NotPassed", id=number, votes=votes, votesNeeded=needed):
            assembly.execute(number)
        assembly.approve(number, assembly.members[votes])
    assert consortium.proposal(number)[5:7] == (needed, needed)
    assert consortium.isPassed(number)
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
    number = trio.propose(trio.admission(), by=shanghai)
    trio.approve(number, ningbo)
    receipt = trio.execute(number)
    admitted = {"name": "Lanzhou", "admin": LANZHOU.admin, "treasury": LANZHOU.treasury}
    assert receipt.events == (
        Event("Executed", id=number),
        Event("CityAdmitted", city=LANZHOU.code, **admitted),
    )
    assert trio.consortium.proposal(number)[4] is True
    assert not trio.consortium.isPassed(number)


def test_proposals_are_numbered_from_1_and_stand_apart(trio: Assembly, shanghai: City, hangzhou: City) -> None:
    first = trio.propose(trio.admission(), by=shanghai)
    second = trio.propose(trio.admission(), by=hangzhou)
    assert (first, second, trio.consortium.proposalCount()) == (1, 2, 2)
    trio.approve(second, shanghai)
    assert not trio.consortium.hasApproved(first, hangzhou.code)
    trio.execute(second)
    with reverts(trio.consortium, "NotPassed", id=first, votes=1, votesNeeded=3):
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


@pytest.mark.parametrize("standing", ["suspended", "left", "never admitted"])
def test_only_active_cities_propose_and_approve(trio: Assembly, ningbo: City, standing: str) -> None:
    city = LANZHOU if standing == "never admitted" else ningbo
    if standing == "suspended":
        trio.decide(trio.registry.call("suspend", city.code))
    if standing == "left":
        trio.registry.leaveConsortium(city.code, sender=city.admin)
    call = trio.admission()
    with reverts(trio.consortium, "CityNotActive", city=city.code):
        trio.propose(call, by=city)
    number = trio.propose(call, by=SHANGHAI)
    with reverts(trio.consortium, "CityNotActive", city=city.code):
        trio.approve(number, city)


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


def test_votes_of_cities_that_are_no_longer_active_do_not_count(world: World) -> None:
    """Of four members two approve; one of those leaves: one vote of the two that three need."""
    assembly = assemble(world.node, 4)
    number = assembly.propose(assembly.admission(), by=SHANGHAI)
    assembly.approve(number, XUZHOU)
    assembly.registry.leaveConsortium(XUZHOU.code, sender=XUZHOU.admin)
    assert assembly.consortium.proposal(number)[5:7] == (1, 2)
    with reverts(assembly.consortium, "NotPassed", id=number, votes=1, votesNeeded=2):
        assembly.execute(number)
    assembly.approve(number, HANGZHOU)
    assembly.execute(number)


def test_a_suspended_citys_vote_counts_again_once_it_is_reinstated(world: World) -> None:
    assembly = assemble(world.node, 4)
    number = assembly.propose(assembly.admission(), by=XUZHOU)
    assembly.decide(assembly.registry.call("suspend", XUZHOU.code))
    assert assembly.consortium.proposal(number)[5:7] == (0, 2)
    assembly.decide(assembly.registry.call("reinstate", XUZHOU.code))
    assert assembly.consortium.proposal(number)[5:7] == (1, 3)


def test_a_city_that_joins_counts_for_what_was_proposed_before(trio: Assembly, shanghai: City) -> None:
    pending = trio.propose(trio.registry.call("suspend", NINGBO.code), by=shanghai)
    trio.decide(trio.admission())
    assert trio.consortium.proposal(pending)[5:7] == (1, 2)
    trio.approve(pending, LANZHOU)
    trio.execute_when_it_may(pending)
    assert trio.registry.city(NINGBO.code)[1] == 2


def test_a_consortium_that_all_have_left_decides_nothing(trio: Assembly, shanghai: City) -> None:
    number = trio.propose(trio.admission(), by=shanghai)
    for city in trio.members:
        trio.registry.leaveConsortium(city.code, sender=city.admin)
    assert not trio.consortium.isPassed(number)
    with reverts(trio.consortium, "NotPassed", id=number, votes=0, votesNeeded=1):
        trio.execute(number)


def test_a_city_can_be_suspended_against_its_will_and_not_by_itself_alone(trio: Assembly, ningbo: City) -> None:
    number = trio.propose(trio.registry.call("suspend", ningbo.code), by=SHANGHAI)
    with reverts(trio.consortium, "NotPassed", id=number, votes=1, votesNeeded=2):
        trio.execute(number)
    trio.approve(number, HANGZHOU)
    trio.execute_when_it_may(number)
    assert trio.registry.city(ningbo.code)[1] == 2
