"""A Clearinghouse's successor: which contract can be one, and how it is named, replaced and called off (section 7)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from interline.reasons import RideReason
from tests.contracts.impostor import RUNS_OUT, Impostor, address_like
from tests.contracts.node import Contract, Event, Receipt, reverts
from tests.contracts.story import (
    DAY,
    DEPLOYER_ACCOUNT,
    EVENING,
    GRACE,
    HANGZHOU,
    HOUR,
    NINGBO,
    SHANGHAI,
    STRANGER,
    ZERO_ADDRESS,
    World,
    deploy,
    found_consortium,
)

NAMED = EVENING
NOTICE = 30 * DAY
CLOSES = NAMED + NOTICE
UINT40_MAX = 2**40 - 1

anybody = pytest.mark.parametrize(
    "caller", [SHANGHAI.admin, DEPLOYER_ACCOUNT, STRANGER], ids=["admin", "deployer", "?"]
)


@pytest.fixture
def heir(world: World, clearinghouse: Contract) -> Contract:
    """The Clearinghouse that is to take over: the same members, the same token."""
    return deploy(world.node, "Clearinghouse", world.registry, world.token, clearinghouse)


@pytest.fixture
def other_heir(world: World, heir: Contract, clearinghouse: Contract) -> Contract:
    return deploy(world.node, "Clearinghouse", world.registry, world.token, clearinghouse)


def name(world: World, successor: Contract | str, closes_at: int = CLOSES, *, at: int | None = NAMED) -> Receipt:
    return world.by_vote(world.clearinghouse, "nameSuccessor", successor, closes_at, at=at)


def cancel(world: World, *, at: int | None = None) -> Receipt:
    return world.by_vote(world.clearinghouse, "cancelSuccessor", at=at)


def named(clearinghouse: Contract) -> tuple[str, int]:
    return clearinghouse.successor(), clearinghouse.closesAt()


def judge_at(world: World, moment: int, *, serial: int = 7) -> RideReason | None:
    """What becomes of a ride that began then and is sent an hour later."""
    return world.judge(
        serial=serial, entered_at=moment, exited_at=moment + 600, not_after=moment, at=moment + HOUR + serial
    )


# ---------------------------------------------------------------- naming


def test_a_successor_is_named_by_vote(world: World, heir: Contract, clearinghouse: Contract) -> None:
    assert named(clearinghouse) == (ZERO_ADDRESS, 0)
    assert name(world, heir).events == (Event("SuccessorNamed", successor=heir.address, closesAt=CLOSES),)
    assert named(clearinghouse) == (heir.address, CLOSES)
    assert heir.predecessor() == clearinghouse.address
    assert clearinghouse.predecessor() == ZERO_ADDRESS


@anybody
def test_nobody_but_the_consortium_names_one(heir: Contract, clearinghouse: Contract, caller: str) -> None:
    with reverts(clearinghouse, "NotConsortium", caller=caller):
        clearinghouse.nameSuccessor(heir, CLOSES, sender=caller)


@pytest.mark.parametrize("closes", [CLOSES - 1, NAMED, 0])
def test_a_successor_is_named_30_days_ahead(world: World, heir: Contract, clearinghouse: Contract, closes: int) -> None:
    with reverts(clearinghouse, "ClosesTooSoon", closesAt=closes, earliest=CLOSES):
        name(world, heir, closes)


@pytest.mark.parametrize("closes", [UINT40_MAX + 1, 2**256 - 1])
def test_a_close_beyond_all_times_is_refused(
    world: World, heir: Contract, clearinghouse: Contract, closes: int
) -> None:
    with reverts(clearinghouse, "ClosesTooSoon", closesAt=closes, earliest=CLOSES):
        name(world, heir, closes)
    name(world, heir, UINT40_MAX)


# ---------------------------------------------------------------- replaced


@pytest.mark.parametrize("at", [NAMED + 1, CLOSES - 1])
def test_a_successor_can_be_replaced_until_it_takes_over_with_new_notice(
    world: World, heir: Contract, other_heir: Contract, clearinghouse: Contract, at: int
) -> None:
    name(world, heir)
    with reverts(clearinghouse, "ClosesTooSoon", closesAt=at + NOTICE - 1, earliest=at + NOTICE):
        name(world, other_heir, at + NOTICE - 1, at=at)
    assert named(clearinghouse) == (heir.address, CLOSES)
    receipt = name(world, other_heir, at + NOTICE, at=at)
    assert receipt.events == (Event("SuccessorNamed", successor=other_heir.address, closesAt=at + NOTICE),)
    assert named(clearinghouse) == (other_heir.address, at + NOTICE)


def test_the_same_successor_can_be_named_for_a_later_day(world: World, heir: Contract, clearinghouse: Contract) -> None:
    name(world, heir)
    name(world, heir, CLOSES + DAY, at=NAMED + DAY)
    assert named(clearinghouse) == (heir.address, CLOSES + DAY)


def test_keys_end_when_the_last_one_named_takes_over(world: World, heir: Contract, other_heir: Contract) -> None:
    name(world, heir)
    name(world, other_heir, CLOSES + 10 * DAY, at=NAMED + 10 * DAY)
    assert judge_at(world, CLOSES + GRACE, serial=1) is None
    assert judge_at(world, CLOSES + 10 * DAY + GRACE - 1, serial=2) is None
    assert judge_at(world, CLOSES + 10 * DAY + GRACE, serial=3) == RideReason.KeyNotValid


# ---------------------------------------------------------------- called off


def test_a_successor_is_called_off_by_vote(world: World, heir: Contract, clearinghouse: Contract) -> None:
    name(world, heir)
    assert cancel(world, at=CLOSES - 1).events == (Event("SuccessorCancelled", successor=heir.address),)
    assert named(clearinghouse) == (ZERO_ADDRESS, 0)


@anybody
def test_nobody_but_the_consortium_calls_one_off(
    world: World, heir: Contract, clearinghouse: Contract, caller: str
) -> None:
    name(world, heir)
    with reverts(clearinghouse, "NotConsortium", caller=caller):
        clearinghouse.cancelSuccessor(sender=caller)


@pytest.mark.parametrize("before", [[], ["name", "cancel"]], ids=["never named", "called off before"])
def test_there_must_be_one_to_call_off(
    world: World, heir: Contract, clearinghouse: Contract, before: list[str]
) -> None:
    for act in before:
        name(world, heir, at=None) if act == "name" else cancel(world)
    with reverts(clearinghouse, "NoSuccessor"):
        cancel(world)


def test_once_it_is_called_off_no_key_ends(world: World, heir: Contract) -> None:
    name(world, heir)
    cancel(world, at=CLOSES - 1)
    assert judge_at(world, CLOSES + GRACE) is None


def test_after_one_was_called_off_another_is_named(
    world: World, heir: Contract, other_heir: Contract, clearinghouse: Contract
) -> None:
    name(world, heir)
    cancel(world, at=NAMED + DAY)
    name(world, other_heir, CLOSES + 2 * DAY, at=NAMED + 2 * DAY)
    assert named(clearinghouse) == (other_heir.address, CLOSES + 2 * DAY)


def test_to_call_one_off_takes_a_vote_and_a_day(world: World, heir: Contract, clearinghouse: Contract) -> None:
    """A wrong one is named, and three of the four members call it off."""
    name(world, heir)
    consortium, data = world.consortium, clearinghouse.call("cancelSuccessor").data
    made = consortium.propose(SHANGHAI.code, clearinghouse, data, sender=SHANGHAI.admin, at=NAMED + HOUR)
    consortium.approve(made.returned, HANGZHOU.code, sender=HANGZHOU.admin, at=NAMED + 2 * HOUR)
    consortium.approve(made.returned, NINGBO.code, sender=NINGBO.admin, at=NAMED + 3 * HOUR)
    due = NAMED + 3 * HOUR + DAY
    with reverts(consortium, "TooEarly", id=made.returned, executableFrom=due):
        consortium.execute(made.returned, sender=STRANGER, at=due - 1)
    receipt = consortium.execute(made.returned, sender=STRANGER, at=due)
    assert receipt.named("SuccessorCancelled") == (Event("SuccessorCancelled", successor=heir.address),)
    assert named(clearinghouse) == (ZERO_ADDRESS, 0)


@pytest.mark.parametrize("at", [CLOSES, CLOSES + 400 * DAY])
def test_one_that_took_over_is_neither_replaced_nor_called_off(
    world: World, heir: Contract, other_heir: Contract, clearinghouse: Contract, at: int
) -> None:
    name(world, heir)
    with reverts(clearinghouse, "AlreadyClosed", closedAt=CLOSES):
        cancel(world, at=at)
    with reverts(clearinghouse, "AlreadyClosed", closedAt=CLOSES):
        name(world, other_heir, at + 1 + NOTICE, at=at + 1)
    assert named(clearinghouse) == (heir.address, CLOSES)


# ---------------------------------------------------------------- what can be one


def test_a_successor_has_the_same_registry_token_and_this_predecessor(world: World, clearinghouse: Contract) -> None:
    _, registry = found_consortium(world.node, [SHANGHAI])
    token = deploy(world.node, "SettlementToken", DEPLOYER_ACCOUNT)
    strangers = [
        deploy(world.node, "Clearinghouse", world.registry, world.token, ZERO_ADDRESS).address,
        deploy(world.node, "Clearinghouse", registry, world.token, clearinghouse).address,
        deploy(world.node, "Clearinghouse", world.registry, token, clearinghouse).address,
        world.refunds.address,
        world.registry.address,
        clearinghouse.address,
        ZERO_ADDRESS,
        STRANGER,
    ]
    for successor in strangers:
        with reverts(clearinghouse, "NotASuccessor", successor=successor):
            name(world, successor, at=None)


def test_a_successor_that_has_one_itself_is_none(world: World, heir: Contract, clearinghouse: Contract) -> None:
    """Gates would go on to that one at once."""
    next_one = deploy(world.node, "Clearinghouse", world.registry, world.token, heir)
    world.by_vote(heir, "nameSuccessor", next_one, CLOSES, at=NAMED)
    with reverts(clearinghouse, "NotASuccessor", successor=heir.address):
        name(world, heir, at=None)


ASKED = (
    *("predecessor", "registry", "token", "successor", "closesAt", "deployedAt", "parameters", "pendingParameters"),
    *("stoppedUntil", "held"),
)
"""What gates, offices and accountants ask a Clearinghouse for, besides its refunds and its EIP-712 domain."""


@pytest.fixture
def impostor(world: World, heir: Contract) -> Impostor:
    """It has answers to all that is asked for, as a true one would give them; a test takes some away, or changes
    them.
    """
    refunds = Impostor(world, address_like(1), world.refunds)
    one = Impostor(world, address_like(0), heir)
    refunds.say("clearinghouse", one.address)
    refunds.stand()
    one.copy(*ASKED)
    one.say("refunds", refunds.address)
    one.say("eip712Domain", *domain(world, one))
    return one


def domain(world: World, of: Impostor, **changes: object) -> tuple[object, ...]:
    fields = {"name": "Interline", "version": "1", "chain": world.domain.chain_id, "contract": of.address} | changes
    return b"\x0f", fields["name"], fields["version"], fields["chain"], fields["contract"], bytes(32), []


def refused(world: World, impostor: Impostor) -> None:
    """It can't be named, and nothing is left of the attempt."""
    impostor.stand()
    with reverts(world.clearinghouse, "NotASuccessor", successor="0x" + impostor.address[2:]):
        name(world, impostor.address, at=None)
    assert named(world.clearinghouse) == (ZERO_ADDRESS, 0)


def test_what_answers_all_that_is_asked_for_can_be_named(world: World, impostor: Impostor) -> None:
    """Whether its code is the right one, the voters see to; and it shows that each refusal below has its one cause."""
    impostor.stand()
    name(world, impostor.address, world.node.now + NOTICE + HOUR, at=None)


def test_a_contract_with_three_getters_is_no_successor(world: World, heir: Contract) -> None:
    """It would stop all gates within a minute."""
    three = Impostor(world, address_like(0), heir)
    three.copy("predecessor", "registry", "token")
    refused(world, three)


@pytest.mark.parametrize("missing", [*ASKED, "refunds", "eip712Domain"])
@pytest.mark.parametrize("how", ["no such function", "no bytes", "a word short", "all gas"])
def test_a_contract_that_lacks_an_answer_is_no_successor(
    world: World, impostor: Impostor, missing: str, how: str
) -> None:
    whole = impostor.answers[missing]
    match how:
        case "no such function":
            del impostor.answers[missing]
        case "no bytes":
            impostor.answers[missing] = b""
        case "a word short":
            impostor.answers[missing] = whole[:-32]
        case "all gas":
            impostor.answers[missing] = RUNS_OUT
    refused(world, impostor)


WRONG: dict[str, Callable[[World, Impostor], None]] = {
    "another predecessor": lambda w, i: i.say("predecessor", STRANGER),
    "itself as predecessor": lambda w, i: i.say("predecessor", i.address),
    "another registry": lambda w, i: i.say("registry", STRANGER),
    "another token": lambda w, i: i.say("token", STRANGER),
    "a successor": lambda w, i: i.say("successor", STRANGER),
    "an end": lambda w, i: i.say("closesAt", UINT40_MAX),
    "a block to read from that isn't there yet": lambda w, i: i.say("deployedAt", 2**64),
    "a block to read from before this one's": lambda w, i: i.say("deployedAt", w.clearinghouse.deployedAt() - 1),
    "no highest fare": lambda w, i: i.say("parameters", (0, 1, 1, 1, 1, 1)),
    "an address that is too long": lambda w, i: i.answers.update(token=b"\1" * 32),
    "refunds without code": lambda w, i: i.say("refunds", STRANGER),
    "this one's refunds": lambda w, i: i.say("refunds", w.refunds),
    "refunds that don't say whose they are": lambda w, i: i.say("refunds", w.token),
    "another name": lambda w, i: i.say("eip712Domain", *domain(w, i, name="Interlime")),
    "another version": lambda w, i: i.say("eip712Domain", *domain(w, i, version="2")),
    "another chain": lambda w, i: i.say("eip712Domain", *domain(w, i, chain=1)),
    "another contract's domain": lambda w, i: i.say("eip712Domain", *domain(w, i, contract=w.clearinghouse.address)),
    "a name longer than memory": lambda w, i: i.answers.update(
        eip712Domain=bytes(32) + (32).to_bytes(32, "big") * 6 + b"\xff" * 32
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_contract_with_a_wrong_answer_is_no_successor(world: World, impostor: Impostor, wrong: str) -> None:
    WRONG[wrong](world, impostor)
    refused(world, impostor)
