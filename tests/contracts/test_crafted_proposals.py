"""Proposals made to deceive: crafted calldata, contracts of a thief's, calls that come back, seats of others."""

from __future__ import annotations

import pytest

from interline.contracts import CONTRACTS, load_abi
from tests.contracts.assembly import LONG, SHORT, Assembly, assemble
from tests.contracts.node import Call, Contract, Reverted, reverts
from tests.contracts.story import (
    DAY,
    HANGZHOU,
    LANZHOU,
    NINGBO,
    NOON,
    SHANGHAI,
    STRANGER,
    XUZHOU,
    City,
    World,
)

WAITS_LESS = {
    ("CityRegistry", "admit"): 0,
    ("CityRegistry", "reinstate"): 0,
    ("Clearinghouse", "resumeSettlement"): 0,
    ("CityRegistry", "suspend"): SHORT,
    ("CityRegistry", "recover"): SHORT,
    ("Clearinghouse", "cancelSuccessor"): SHORT,
}
"""Every other function of every contract waits a week."""


@pytest.fixture
def four(world: World) -> Assembly:
    """The story's own consortium: Shanghai, Hangzhou, Ningbo and Xuzhou."""
    return Assembly(world.node, world.consortium, world.registry, [SHANGHAI, HANGZHOU, NINGBO, XUZHOU])


def put(of: Assembly, target: Contract | str, data: bytes, *, by: City = SHANGHAI) -> int:
    """A proposal of these very bytes."""
    number: int = of.consortium.propose(by.code, target, data, sender=by.admin).returned
    return number


def forwarder(world: World, call: Call) -> Contract:
    """A contract of a thief's that makes this call whatever it is called with, and passes its error on."""
    size = len(call.data)
    to = bytes.fromhex(call.contract.address[2:])
    head = 54  # bytes of code before the data
    code = b"".join(
        (
            b"\x61" + size.to_bytes(2, "big") + b"\x60" + bytes([head]) + b"\x5f\x39",  # codecopy(0, head, size)
            b"\x5f\x5f\x61" + size.to_bytes(2, "big") + b"\x5f\x5f\x73" + to + b"\x5a\xf1",  # call(gas, to, 0, 0, size)
            b"\x60" + bytes([head - 2]) + b"\x57\x3d\x5f\x5f\x3e\x3d\x5f\xfd",  # if it failed: its error
            b"\x5b\x00",
        )
    )
    code = code[: -len(b"\x5b\x00")].ljust(head - 2, b"\x5b") + b"\x5b\x00" + call.data
    start = b"\x61" + len(code).to_bytes(2, "big") + b"\x80\x60\x0a\x5f\x39\x5f\xf3"
    return world.node.deploy([], "0x" + (start + code).hex(), sender=STRANGER)


# ---------------------------------------------------------------- what a call is taken for


def test_only_these_six_functions_of_all_contracts_wait_less_than_a_week(world: World) -> None:
    addresses = {
        "CityRegistry": world.registry,
        "Clearinghouse": world.clearinghouse,
        "Consortium": world.consortium,
        "Refunds": world.refunds,
        "SettlementToken": world.token,
    }
    assert set(addresses) == set(CONTRACTS)
    waits = {}
    for name, contract in addresses.items():
        for entry in load_abi(name):
            if entry["type"] == "function":
                selector = contract.selector(entry)
                waits[name, entry["name"]] = world.consortium.delayOf(contract, selector + bytes(256))
    assert {function: wait for function, wait in waits.items() if wait != LONG} == WAITS_LESS


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_a_selector_that_was_cut_short_waits_longest(world: World, length: int) -> None:
    for call in (
        world.registry.call("reinstate", XUZHOU.code),
        world.clearinghouse.call("resumeSettlement"),
        world.clearinghouse.call("cancelSuccessor"),
    ):
        assert world.consortium.delayOf(call.contract, call.data[:length]) == LONG


@pytest.mark.parametrize("act", ["suspend", "expel"])
def test_a_word_that_is_more_than_a_citys_code_suspends_and_expels_nobody(four: Assembly, act: str) -> None:
    """Its low bits name Xuzhou; the registry takes it for no city at all."""
    call = four.registry.call(act, XUZHOU.code)
    number = put(four, four.registry, call.data[:4] + (2**16 + XUZHOU.code).to_bytes(32, "big"))
    four.approve(number, HANGZHOU, NINGBO)
    with pytest.raises(Reverted, match="FailedCall"):
        four.execute_when_it_may(number)
    assert four.registry.city(XUZHOU.code)[1] == 1


# ---------------------------------------------------------------- a contract between


def test_a_contract_that_can_be_called_without_a_wait_has_no_rights_of_the_consortiums(
    world: World, four: Assembly
) -> None:
    """A thief's contract answers to the name of what needs no wait, and calls what needs a week."""
    thiefs = forwarder(world, four.registry.call("expel", XUZHOU.code))
    number = put(four, thiefs, world.clearinghouse.call("resumeSettlement").data)
    four.approve(number, HANGZHOU, NINGBO)
    with reverts(four.registry, "NotConsortium", caller=thiefs.address):
        four.execute(number)


def test_a_call_that_comes_back_to_its_own_proposal_finds_it_executed(world: World, four: Assembly) -> None:
    number = four.consortium.proposalCount() + 1
    thiefs = forwarder(world, four.consortium.call("execute", number))
    assert put(four, thiefs, world.clearinghouse.call("resumeSettlement").data) == number
    four.approve(number, HANGZHOU, NINGBO)
    with reverts(four.consortium, "AlreadyExecuted", id=number):
        four.execute(number)
    assert four.consortium.proposal(number)[4] is False


def test_a_call_that_comes_back_to_another_proposal_finds_it_waiting(world: World, four: Assembly) -> None:
    expulsion = put(four, four.registry, four.registry.call("expel", XUZHOU.code).data)
    four.approve(expulsion, HANGZHOU, NINGBO)
    thiefs = forwarder(world, four.consortium.call("execute", expulsion))
    number = put(four, thiefs, world.clearinghouse.call("resumeSettlement").data)
    four.approve(number, HANGZHOU, NINGBO)
    with reverts(four.consortium, "TooEarly", id=expulsion, executableFrom=four.consortium.proposal(expulsion)[7]):
        four.execute(number)


def test_a_clearinghouse_of_a_thiefs_gains_nothing_by_being_stopped(world: World, four: Assembly) -> None:
    """It calls for the real one's stop in Hangzhou's name, which is for Hangzhou's admin to do."""
    thiefs = forwarder(world, four.consortium.call("callStop", HANGZHOU.code, world.clearinghouse))
    four.consortium.callStop(SHANGHAI.code, thiefs, sender=SHANGHAI.admin)
    with reverts(four.consortium, "NotCityAdmin", city=HANGZHOU.code, caller=thiefs.address):
        four.consortium.callStop(NINGBO.code, thiefs, sender=NINGBO.admin)
    assert world.clearinghouse.stoppedUntil() == 0


def test_a_clearinghouse_that_calls_back_while_it_is_stopped_finds_the_calls_gone(world: World) -> None:
    """A thief's contract is itself the admin of a city: not even its own call is left to be counted twice."""
    thiefs = City(4001, "Thiefs", 20)
    two = assemble(world.node, 2)
    contract = forwarder(world, two.consortium.call("callStop", thiefs.code, STRANGER))
    admission = two.registry.call("admit", thiefs.code, thiefs.name, contract, thiefs.treasury, thiefs.recovery)
    joined = two.decide(admission).timestamp
    world.node.mine(at=joined + LONG)
    two.consortium.callStop(SHANGHAI.code, contract, sender=SHANGHAI.admin)
    two.consortium.callStop(HANGZHOU.code, contract, sender=HANGZHOU.admin)
    assert two.consortium.stopCalls(contract) == (0, 2, 0)
    assert two.consortium.stopCalls(STRANGER)[0] == 1


# ---------------------------------------------------------------- seats


@pytest.mark.parametrize("act", ["suspend", "expel"])
def test_a_proposal_against_a_city_that_never_joined_leaves_no_vote_out(four: Assembly, act: str) -> None:
    """A city without a seat must not be taken for that on seat 0, Shanghai."""
    number = put(four, four.registry, four.registry.call(act, LANZHOU.code).data)
    assert four.tally(number) == (1, 3)
    four.approve(number, HANGZHOU, NINGBO)
    with reverts(four.registry, "WrongStatus", city=LANZHOU.code, status=0):
        four.execute_when_it_may(number)


def test_a_newcomer_inherits_no_vote_and_no_seat(four: Assembly) -> None:
    number = put(four, four.registry, four.admission().data, by=NINGBO)
    four.leave(NINGBO)
    four.approve(number, SHANGHAI, HANGZHOU)
    joined = four.execute(number).timestamp
    later = put(four, four.registry, four.registry.call("reinstate", NINGBO.code).data, by=XUZHOU)
    seats = [four.registry.voterOf(city.code)[2] for city in (*four.members, LANZHOU)]
    assert seats == [0, 1, 2, 3, 4]
    assert not four.consortium.hasApproved(number, LANZHOU.code)
    four.node.mine(at=joined + LONG)
    assert four.tally(later) == (1, 3)


@pytest.mark.parametrize("act", ["suspend", "expel"])
def test_a_word_of_nonsense_behind_a_city_that_never_joined_does_not_hide_a_citys_vote(
    four: Assembly, act: str
) -> None:
    """Whatever follows the first word, it is the first word that says which city has no vote."""
    data = four.registry.call(act, XUZHOU.code).data + LANZHOU.code.to_bytes(32, "big")
    number = put(four, four.registry, data, by=XUZHOU)
    four.approve(number, SHANGHAI, HANGZHOU)
    assert four.tally(number) == (2, 3)


@pytest.mark.parametrize("extra", [b"", b"\x00", bytes(32)], ids=["whole", "a byte more", "a word more"])
def test_no_spelling_of_a_recovery_is_a_members_to_propose(four: Assembly, extra: bytes) -> None:
    data = four.registry.call("recover", XUZHOU.code, XUZHOU.recovery).data + extra
    with reverts(four.consortium, "RecoveryNeedsRequest", city=XUZHOU.code):
        put(four, four.registry, data)


def test_a_recovery_cut_short_is_refused_by_the_registry(four: Assembly) -> None:
    number = put(four, four.registry, four.registry.call("recover", XUZHOU.code, XUZHOU.recovery).data[:35])
    four.approve(number, HANGZHOU, NINGBO)
    with pytest.raises(Reverted, match="FailedCall"):
        four.execute_when_it_may(number)


def test_a_recovery_through_another_contract_is_not_the_consortiums(world: World, four: Assembly) -> None:
    thiefs = forwarder(world, four.registry.call("recover", XUZHOU.code, XUZHOU.recovery))
    number = put(four, thiefs, four.registry.call("recover", XUZHOU.code, XUZHOU.recovery).data)
    four.approve(number, HANGZHOU, NINGBO)
    with reverts(four.registry, "NotConsortium", caller=thiefs.address):
        four.execute_when_it_may(number)


def test_a_thiefs_approvals_are_the_citys_to_take_back_once_it_is_recovered(four: Assembly) -> None:
    number = put(four, four.registry, four.registry.call("expel", NINGBO.code).data, by=XUZHOU)
    recovery = four.consortium.requestRecovery(XUZHOU.code, sender=XUZHOU.recovery).returned
    four.approve(recovery, HANGZHOU, NINGBO)
    four.execute_when_it_may(recovery)
    four.consortium.withdrawApproval(number, XUZHOU.code, sender=XUZHOU.recovery)
    assert four.tally(number)[0] == 0


# ---------------------------------------------------------------- tariffs


def test_a_tariff_with_a_wrong_date_is_put_right_by_another(registry: Contract) -> None:
    """Or else a typing error, or a thief, would keep the city from publishing any more."""
    publish = registry.publishTariff
    publish(XUZHOU.code, "https://example.org/1", b"\x01" * 32, 2**40 - 1, sender=XUZHOU.admin, at=NOON)
    publish(XUZHOU.code, "https://example.org/2", b"\x02" * 32, NOON + DAY, sender=XUZHOU.admin)
    publish(XUZHOU.code, "https://example.org/3", b"\x03" * 32, NOON + DAY, sender=XUZHOU.admin)
    assert [registry.tariff(XUZHOU.code, index)[2] for index in range(3)] == [2**40 - 1, NOON + DAY, NOON + DAY]
