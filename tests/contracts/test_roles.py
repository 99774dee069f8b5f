"""Every function that changes anything, called as every role: who is refused is what the table in SECURITY.md says.

A function without a row, or a row without a function, fails. Those who are named succeed; all others get the error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import pytest

from interline.batch import Batch
from interline.contracts import CONTRACTS, load_abi
from network.accounts import Role
from tests.contracts.assembly import admission_of
from tests.contracts.corrections import Corrections, Settled, evidence_of, ridden
from tests.contracts.node import Call, Reverted
from tests.contracts.story import (
    ANSWER_TIME,
    BANK_ACCOUNT,
    DAY,
    DEPLOYER_ACCOUNT,
    EVENING,
    HANGZHOU,
    KEYS_FROM,
    LANZHOU,
    MAX_FARE,
    NINGBO,
    NO_END,
    NO_REFERENCE,
    SHANGHAI,
    STRANGER,
    WENZHOU,
    XUZHOU,
    World,
    deploy,
)
from tests.support.deploy import REPOSITORY

NEW = XUZHOU.account(Role.SPARE)
"""Who is proposed as Xuzhou's admin, treasury or recovery address."""
ROLES: dict[str, Callable[[World], str]] = {
    "the city's admin": lambda world: XUZHOU.admin,
    "the city's treasury": lambda world: XUZHOU.treasury,
    "the city's recovery address": lambda world: XUZHOU.recovery,
    "the city's submitter": lambda world: XUZHOU.submitter,
    "the city's issuer key": lambda world: XUZHOU.account(Role.ISSUER_KEY),
    "the address proposed": lambda world: NEW,
    "the operator's admin": lambda world: HANGZHOU.admin,
    "the operator's treasury": lambda world: HANGZHOU.treasury,
    "another city's admin": lambda world: SHANGHAI.admin,
    "another city's treasury": lambda world: SHANGHAI.treasury,
    "another city's recovery address": lambda world: SHANGHAI.recovery,
    "an expelled city's admin": lambda world: WENZHOU.admin,
    "an expelled city's treasury": lambda world: WENZHOU.treasury,
    "the bank": lambda world: BANK_ACCOUNT,
    "the deployer": lambda world: DEPLOYER_ACCOUNT,
    "a stranger": lambda world: STRANGER,
    "the Consortium": lambda world: world.consortium.address,
    "Clearinghouse": lambda world: world.clearinghouse.address,
    "Refunds": lambda world: world.refunds.address,
    "the registry": lambda world: world.registry.address,
}
WHO: dict[str, set[str]] = {
    "anyone": set(ROLES),
    "the city's admin": {"the city's admin"},
    "the city's treasury": {"the city's treasury"},
    "the city's admin or treasury": {"the city's admin", "the city's treasury"},
    "the city's recovery address": {"the city's recovery address"},
    "the issuer's treasury": {"the city's treasury"},  # Xuzhou issued the ticket
    "the operator's treasury": {"the operator's treasury"},
    "the address proposed": {"the address proposed"},
    "the Consortium": {"the Consortium"},
    "Refunds": {"Refunds"},
    "the bank": {"the bank"},
}
ROW = re.compile(r"^\| `(\w+)\.(\w+)` \| ([^|]+) \| ([^|]+) \|[^|]*\| (?:`(\w+)`)? ?\|$", re.MULTILINE)


@dataclass(frozen=True)
class Rule:
    """A row: who may, with whose consent, and what the others get."""

    who: str
    consent: str
    error: str


@cache
def table() -> dict[tuple[str, str], Rule]:
    text = (REPOSITORY / "SECURITY.md").read_text(encoding="utf-8")
    return {(m[1], m[2]): Rule(m[3].strip(), m[4].strip(), m[5] or "") for m in ROW.finditer(text)}


def functions() -> list[tuple[str, str]]:
    """(contract, function) of all that changes anything."""
    return [
        (contract, entry["name"])
        for contract in CONTRACTS
        for entry in load_abi(contract)
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    ]


# ---------------------------------------------------------------- a good call of each function


GOOD: dict[tuple[str, str], Callable[[World, str], Call]] = {}
"""What has to be so before, and the call, for a caller."""


def good(contract: str) -> Callable[[Callable[[World, str], Call]], Callable[[World, str], Call]]:
    """Registers the good call of a contract's function, which has the decorated function's name."""

    def register(prepare: Callable[[World, str], Call]) -> Callable[[World, str], Call]:
        GOOD[contract, prepare.__name__.rstrip("_")] = prepare
        return prepare

    return register


@good("Clearinghouse")
def settle(world: World, caller: str) -> Call:
    batch = Batch.build(HANGZHOU.code, [world.ride()])
    return world.clearinghouse.call("settle", batch.to_bytes(), world.sign(batch))


@good("Clearinghouse")
def payArrears(world: World, caller: str) -> Call:
    world.settle(world.ride(issuer=NINGBO))
    world.deposit(NINGBO, 1)
    return world.clearinghouse.call("payArrears", NINGBO.code, HANGZHOU.code)


@good("Clearinghouse")
def deposit(world: World, caller: str) -> Call:
    world.token.mint(caller, 7, sender=BANK_ACCOUNT)
    world.token.approve(world.clearinghouse, 7, sender=caller)
    return world.clearinghouse.call("deposit", XUZHOU.code, 7, NO_REFERENCE)


@good("Clearinghouse")
def withdraw(world: World, caller: str) -> Call:
    return world.clearinghouse.call("withdraw", XUZHOU.code, 1, NO_REFERENCE)


@good("Clearinghouse")
def setReserve(world: World, caller: str) -> Call:
    return world.clearinghouse.call("setReserve", XUZHOU.code, 1)


@good("Clearinghouse")
def setParameters(world: World, caller: str) -> Call:
    return world.clearinghouse.call("setParameters", (MAX_FARE, DAY, 30 * DAY, 30 * DAY, 10 * DAY, 500))


@good("Clearinghouse")
def stopSettlement(world: World, caller: str) -> Call:
    return world.clearinghouse.call("stopSettlement")


@good("Clearinghouse")
def resumeSettlement(world: World, caller: str) -> Call:
    world.by_vote(world.clearinghouse, "stopSettlement")
    return world.clearinghouse.call("resumeSettlement")


@good("Clearinghouse")
def nameSuccessor(world: World, caller: str) -> Call:
    successor = deploy(world.node, "Clearinghouse", world.registry, world.token, world.clearinghouse)
    return world.clearinghouse.call("nameSuccessor", successor, world.node.now + 60 * DAY)


@good("Clearinghouse")
def cancelSuccessor(world: World, caller: str) -> Call:
    named = nameSuccessor(world, caller)
    world.clearinghouse._send(named, world.consortium.address, None)
    return world.clearinghouse.call("cancelSuccessor")


@good("Clearinghouse")
def setDailyLimit(world: World, caller: str) -> Call:
    return world.clearinghouse.call("setDailyLimit", XUZHOU.code, 1)


@good("Clearinghouse")
def releaseWithheld(world: World, caller: str) -> Call:
    """What was withheld so long ago that nobody has to confirm it any more."""
    world.clearinghouse.setDailyLimit(XUZHOU.code, 1, sender=XUZHOU.treasury)
    world.settle(world.ride())
    day = EVENING // DAY
    world.node.mine(at=(day + 1) * DAY + ANSWER_TIME + 4 * DAY)
    return world.clearinghouse.call("releaseWithheld", XUZHOU.code, HANGZHOU.code, day)


@good("Clearinghouse")
def post(world: World, caller: str) -> Call:
    return world.clearinghouse.call("post", HANGZHOU.code, XUZHOU.code, 1)


@good("Refunds")
def refund(world: World, caller: str) -> Call:
    of = ridden(world)
    return world.refunds.call("refund", of.data, of.refused, 0, 1)


@good("Refunds")
def dispute(world: World, caller: str) -> Call:
    of = ridden(world)
    return world.refunds.call("dispute", of.data, of.refused, 0)


def disputed(world: World) -> Settled:
    of = ridden(world)
    Corrections(world).dispute(of)
    return of


@good("Refunds")
def answer(world: World, caller: str) -> Call:
    of = disputed(world)
    evidence = evidence_of(world.domain, of.claim())
    return world.refunds.call("answer", of.id, 0, evidence.facts, evidence.shown)


@good("Refunds")
def refundUnanswered(world: World, caller: str) -> Call:
    of = disputed(world)
    world.node.mine(at=world.node.now + 10 * DAY + 1)
    return world.refunds.call("refundUnanswered", of.id, 0)


@good("Refunds")
def refundRevoked(world: World, caller: str) -> Call:
    world.registry.revokeTickets(XUZHOU.code, HANGZHOU.code, [7], sender=XUZHOU.admin)
    later = world.node.now + DAY + 1
    times = {"entered_at": later, "exited_at": later + 60, "not_after": later + DAY}
    of = ridden(world, at=later + 120, **times)
    return world.refunds.call("refundRevoked", of.data, of.refused, 0)


@good("CityRegistry")
def admit(world: World, caller: str) -> Call:
    return world.registry.call("admit", *admission_of(LANZHOU))


@good("CityRegistry")
def suspend(world: World, caller: str) -> Call:
    return world.registry.call("suspend", XUZHOU.code)


@good("CityRegistry")
def reinstate(world: World, caller: str) -> Call:
    world.suspend(XUZHOU, at=EVENING)
    return world.registry.call("reinstate", XUZHOU.code)


@good("CityRegistry")
def expel(world: World, caller: str) -> Call:
    return world.registry.call("expel", XUZHOU.code)


@good("CityRegistry")
def recover(world: World, caller: str) -> Call:
    return world.registry.call("recover", XUZHOU.code, XUZHOU.recovery)


@good("CityRegistry")
def leaveConsortium(world: World, caller: str) -> Call:
    return world.registry.call("leaveConsortium", XUZHOU.code)


@good("CityRegistry")
def addIssuerKey(world: World, caller: str) -> Call:
    return world.registry.call("addIssuerKey", XUZHOU.code, 9, NEW, KEYS_FROM, NO_END)


@good("CityRegistry")
def endIssuerKey(world: World, caller: str) -> Call:
    return world.registry.call("endIssuerKey", XUZHOU.code, 1, NO_END - 1)


@good("CityRegistry")
def addSubmitter(world: World, caller: str) -> Call:
    return world.registry.call("addSubmitter", XUZHOU.code, NEW)


@good("CityRegistry")
def removeSubmitter(world: World, caller: str) -> Call:
    return world.registry.call("removeSubmitter", XUZHOU.code, XUZHOU.submitter)


@good("CityRegistry")
def revokeTickets(world: World, caller: str) -> Call:
    return world.registry.call("revokeTickets", XUZHOU.code, HANGZHOU.code, [7, 8])


@good("CityRegistry")
def publishTariff(world: World, caller: str) -> Call:
    return world.registry.call("publishTariff", XUZHOU.code, "https://example.org/xuzhou.zip", b"\x11" * 32, 0)


@good("CityRegistry")
def proposeAdmin(world: World, caller: str) -> Call:
    return world.registry.call("proposeAdmin", XUZHOU.code, NEW)


@good("CityRegistry")
def acceptAdmin(world: World, caller: str) -> Call:
    world.registry.proposeAdmin(XUZHOU.code, NEW, sender=XUZHOU.admin)
    world.node.mine(at=world.node.now + 2 * DAY)
    return world.registry.call("acceptAdmin", XUZHOU.code)


@good("CityRegistry")
def proposeTreasury(world: World, caller: str) -> Call:
    return world.registry.call("proposeTreasury", XUZHOU.code, NEW)


@good("CityRegistry")
def acceptTreasury(world: World, caller: str) -> Call:
    world.registry.proposeTreasury(XUZHOU.code, NEW, sender=XUZHOU.treasury)
    world.node.mine(at=world.node.now + 2 * DAY)
    return world.registry.call("acceptTreasury", XUZHOU.code)


@good("CityRegistry")
def cancelChanges(world: World, caller: str) -> Call:
    world.registry.proposeAdmin(XUZHOU.code, NEW, sender=XUZHOU.admin)
    return world.registry.call("cancelChanges", XUZHOU.code)


@good("CityRegistry")
def freezeTreasury(world: World, caller: str) -> Call:
    return world.registry.call("freezeTreasury", XUZHOU.code, True)


@good("CityRegistry")
def changeRecovery(world: World, caller: str) -> Call:
    return world.registry.call("changeRecovery", XUZHOU.code, NEW)


@good("CityRegistry")
def acceptRecovery(world: World, caller: str) -> Call:
    for key in (XUZHOU.admin, XUZHOU.treasury):
        world.registry.changeRecovery(XUZHOU.code, NEW, sender=key)
    world.node.mine(at=world.node.now + 14 * DAY)
    return world.registry.call("acceptRecovery", XUZHOU.code)


def proposed(world: World) -> int:
    """A proposal of Shanghai's that Hangzhou and Ningbo approve too: two thirds of four."""
    call = admit(world, STRANGER)
    number = world.consortium.propose(SHANGHAI.code, call.contract, call.data, sender=SHANGHAI.admin).returned
    for city in (HANGZHOU, NINGBO):
        world.consortium.approve(number, city.code, sender=city.admin)
    return int(number)


@good("Consortium")
def propose(world: World, caller: str) -> Call:
    call = admit(world, caller)
    return world.consortium.call("propose", XUZHOU.code, call.contract, call.data)


@good("Consortium")
def approve(world: World, caller: str) -> Call:
    return world.consortium.call("approve", proposed(world), XUZHOU.code)


@good("Consortium")
def withdrawApproval(world: World, caller: str) -> Call:
    number = proposed(world)
    world.consortium.approve(number, XUZHOU.code, sender=XUZHOU.admin)
    return world.consortium.call("withdrawApproval", number, XUZHOU.code)


@good("Consortium")
def requestRecovery(world: World, caller: str) -> Call:
    return world.consortium.call("requestRecovery", XUZHOU.code)


@good("Consortium")
def withdrawRequest(world: World, caller: str) -> Call:
    number = world.consortium.requestRecovery(XUZHOU.code, sender=XUZHOU.recovery).returned
    return world.consortium.call("withdrawRequest", number)


@good("Consortium")
def callStop(world: World, caller: str) -> Call:
    return world.consortium.call("callStop", XUZHOU.code, world.clearinghouse)


@good("Consortium")
def markPassed(world: World, caller: str) -> Call:
    return world.consortium.call("markPassed", proposed(world))


@good("Consortium")
def execute(world: World, caller: str) -> Call:
    return world.consortium.call("execute", proposed(world))


@good("SettlementToken")
def mint(world: World, caller: str) -> Call:
    return world.token.call("mint", STRANGER, 1)


@good("SettlementToken")
def transfer(world: World, caller: str) -> Call:
    world.token.mint(caller, 1, sender=BANK_ACCOUNT)
    return world.token.call("transfer", STRANGER, 1)


@good("SettlementToken")
def approve_(world: World, caller: str) -> Call:
    return world.token.call("approve", STRANGER, 1)


@good("SettlementToken")
def transferFrom(world: World, caller: str) -> Call:
    world.token.mint(LANZHOU.treasury, 1, sender=BANK_ACCOUNT)
    world.token.approve(caller, 1, sender=LANZHOU.treasury)
    return world.token.call("transferFrom", LANZHOU.treasury, STRANGER, 1)


# ---------------------------------------------------------------- the tests


@pytest.fixture(scope="module", autouse=True)
def _wenzhou_was_expelled(built: World) -> Iterator[None]:
    """For all tests of this module: a city that was a member and is none any more."""
    with built.node.rolled_back():
        built.admit(WENZHOU)
        built.by_vote(built.registry, "expel", WENZHOU.code)
        yield


def call_as(world: World, contract: str, function: str, caller: str) -> str | None:
    """The error's name that a good call ends with for this caller; None if it goes through."""
    return outcome_of(GOOD[contract, function](world, caller), caller)


def outcome_of(call: Call, caller: str) -> str | None:
    """The error's name that a call ends with; None if it goes through."""
    try:
        call.contract._send(call, caller, None)
    except Reverted as refusal:
        return refusal.error.name
    return None


def test_the_table_has_a_row_for_every_function_that_changes_anything() -> None:
    assert set(table()) == set(functions()) == set(GOOD)
    assert {rule.who for rule in table().values()} <= set(WHO)


@pytest.mark.parametrize(("contract", "function"), functions(), ids=[".".join(one) for one in functions()])
def test_every_role_gets_what_the_table_says(world: World, contract: str, function: str) -> None:
    rule = table()[contract, function]
    allowed = WHO[rule.who]
    outcomes, expected = {}, {}
    for role, account in ROLES.items():
        with world.node.rolled_back():
            outcomes[role] = call_as(world, contract, function, account(world))
        expected[role] = None if role in allowed else rule.error
    assert outcomes == expected


OF_THE_CITY = {
    "the city's admin": XUZHOU.admin,
    "the city's treasury": XUZHOU.treasury,
    "the city's recovery address": XUZHOU.recovery,
    "the city's admin or treasury": XUZHOU.treasury,
    "the issuer's treasury": XUZHOU.treasury,
    "the address proposed": NEW,
}
"""Who acts for Xuzhou."""


@pytest.mark.parametrize("act", ["suspend", "expel"])
def test_a_city_that_is_suspended_or_out_does_all_but_what_the_table_says(world: World, act: str) -> None:
    """It has its keys, its money and its recovery address. A suspended one votes; one that is out doesn't."""
    outcomes, expected = {}, {}
    for (contract, function), rule in table().items():
        if rule.who not in OF_THE_CITY:
            continue
        caller = OF_THE_CITY[rule.who]
        with world.node.rolled_back():
            call = GOOD[contract, function](world, caller)
            world.by_vote(world.registry, act, XUZHOU.code)
            outcomes[function] = outcome_of(call, caller)
        votes = "while the city's seat counts" in rule.consent
        expected[function] = "NoVote" if act == "expel" and votes else None
        if (act, function) == ("expel", "leaveConsortium"):
            expected[function] = "WrongStatus"
    assert outcomes == expected
    assert list(expected.values()).count("NoVote") == (4 if act == "expel" else 0)
