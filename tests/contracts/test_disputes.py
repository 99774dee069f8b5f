"""Protocol section 8: disputes, which the chain decides by what only the rider's phone could have made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from eth_abi import encode

from interline.domain import Domain
from interline.hashing import keccak256
from tests.contracts.corrections import (
    ANOTHER_PHONE,
    CLOSED,
    OPEN,
    P256_ORDER,
    PHONE,
    UNANSWERED,
    UPHELD,
    Corrections,
    Evidence,
    Settled,
    evidence_of,
    in_upper_half,
    refunded,
    ridden,
    settled,
    shown_at,
)
from tests.contracts.node import Contract, Event, Reverted, reverts
from tests.contracts.story import (
    ANSWER_TIME,
    ARRIVAL,
    BANK_ACCOUNT,
    DAY,
    DEPLOYER_ACCOUNT,
    DEPOSIT,
    DISPUTE_FEE,
    DISPUTE_TIME,
    EVENING,
    GRACE,
    HANGZHOU,
    HOUR,
    NOON,
    SHANGHAI,
    STRANGER,
    XUZHOU,
    City,
    World,
)

ASKED = EVENING + DAY
ANSWER_UNTIL = ASKED + ANSWER_TIME


@pytest.fixture
def ride(world: World) -> Settled:
    """5.03 yuan from Xuzhou to Hangzhou, by the story's rider."""
    return ridden(world)


@pytest.fixture
def disputed(corrections: Corrections, ride: Settled) -> Settled:
    """The same, and Xuzhou asked for evidence the next day."""
    corrections.dispute(ride, at=ASKED)
    return ride


@pytest.fixture
def evidence(domain: Domain, ride: Settled) -> Evidence:
    """The right one."""
    return evidence_of(domain, ride.claim())


# ---------------------------------------------------------------- asking


def test_the_issuer_asks_for_evidence(corrections: Corrections, ride: Settled) -> None:
    receipt = corrections.dispute(ride, at=ASKED)
    event = {"batchId": ride.id, "index": 0, "issuer": XUZHOU.code, "operator": HANGZHOU.code, "amount": 503}
    assert receipt.events == (Event("RideDisputed", **event, answerUntil=ANSWER_UNTIL, fee=DISPUTE_FEE),)
    assert corrections.case(ride) == (XUZHOU.code, HANGZHOU.code, 503, 0, DISPUTE_FEE, ANSWER_UNTIL, OPEN)


def test_a_dispute_moves_no_money(world: World, corrections: Corrections, ride: Settled) -> None:
    before = world.balances(XUZHOU, HANGZHOU)
    corrections.dispute(ride)
    assert world.balances(XUZHOU, HANGZHOU) == before


@pytest.mark.parametrize(
    "caller",
    [
        pytest.param(XUZHOU.admin, id="the issuer's admin"),
        pytest.param(HANGZHOU.treasury, id="the operator's treasury"),
        pytest.param(SHANGHAI.treasury, id="another city's treasury"),
        pytest.param(BANK_ACCOUNT, id="the bank"),
        pytest.param(DEPLOYER_ACCOUNT, id="the deployer"),
        pytest.param(STRANGER, id="a stranger"),
    ],
)
def test_only_the_issuers_treasury_asks(corrections: Corrections, ride: Settled, caller: str) -> None:
    with reverts(corrections.contract, "NotTreasury", city=XUZHOU.code, caller=caller):
        corrections.dispute(ride, sender=caller)


def test_an_issuer_asks_for_its_own_rides_only(world: World, corrections: Corrections) -> None:
    batch = settled(world, world.ride(issuer=SHANGHAI), world.ride())
    with reverts(corrections.contract, "NotTreasury", city=SHANGHAI.code, caller=XUZHOU.treasury):
        corrections.dispute(batch, index=0)
    corrections.dispute(batch, index=1)


@pytest.mark.parametrize("late", [0, 1])
def test_a_ride_can_be_disputed_until_30_days_after_its_settlement(
    corrections: Corrections, ride: Settled, late: int
) -> None:
    at = EVENING + DISPUTE_TIME + late
    if not late:
        assert corrections.dispute(ride, at=at).named("RideDisputed")
        return
    with reverts(corrections.contract, "DisputeTooLate", settledAt=EVENING, disputableFrom=EVENING + 1):
        corrections.dispute(ride, at=at)


def test_a_ride_is_disputed_once(corrections: Corrections, disputed: Settled) -> None:
    with reverts(corrections.contract, "AlreadyDisputed", batchId=disputed.id, index=0):
        corrections.dispute(disputed)


def test_a_ride_that_was_upheld_is_not_disputed_again(
    corrections: Corrections, disputed: Settled, evidence: Evidence
) -> None:
    corrections.answer(disputed, evidence)
    with reverts(corrections.contract, "AlreadyDisputed", batchId=disputed.id, index=0):
        corrections.dispute(disputed)


def test_a_ride_that_was_refunded_unanswered_is_not_disputed_again(corrections: Corrections, disputed: Settled) -> None:
    corrections.refund_unanswered(disputed, at=ANSWER_UNTIL + 1)
    with reverts(corrections.contract, "AlreadyDisputed", batchId=disputed.id, index=0):
        corrections.dispute(disputed)


def test_a_ride_that_was_refunded_has_nothing_to_dispute(corrections: Corrections, ride: Settled) -> None:
    corrections.refund(ride, 503)
    with reverts(corrections.contract, "NothingLeft", batchId=ride.id, index=0):
        corrections.dispute(ride)


def test_a_ride_for_nothing_has_nothing_to_dispute(world: World, corrections: Corrections) -> None:
    free = ridden(world, fare=0)
    with reverts(corrections.contract, "NothingLeft", batchId=free.id, index=0):
        corrections.dispute(free)


def test_what_is_left_after_a_refund_is_disputed(corrections: Corrections, ride: Settled) -> None:
    corrections.refund(ride, 500)
    assert corrections.dispute(ride).events[0].args["amount"] == 3
    assert corrections.disputed() == 3


def test_the_dispute_holds_the_hash_of_what_an_answer_must_say(
    world: World, corrections: Corrections, disputed: Settled, evidence: Evidence
) -> None:
    """The ticket hash is that of the Clearinghouse's domain, as the rider's phone signed it."""
    came = evidence.but(ticket_hash=bytes(32))
    expected = keccak256(encode(["bytes32", "bytes20", "uint32", "uint32"], evidence.facts))
    wrong = keccak256(encode(["bytes32", "bytes20", "uint32", "uint32"], came.facts))
    with reverts(corrections.contract, "WrongRideFacts", expected=expected, came=wrong):
        corrections.answer(disputed, came)


# ---------------------------------------------------------------- answered


def test_real_evidence_upholds_the_ride_and_the_issuer_pays_for_having_asked(
    world: World, corrections: Corrections, disputed: Settled, evidence: Evidence
) -> None:
    receipt = corrections.answer(disputed, evidence, at=ANSWER_UNTIL)
    event = {"batchId": disputed.id, "index": 0, "issuer": XUZHOU.code, "operator": HANGZHOU.code}
    assert receipt.events == (Event("RideUpheld", **event, fee=DISPUTE_FEE, paid=DISPUTE_FEE),)
    assert world.balances(XUZHOU, HANGZHOU) == {XUZHOU: DEPOSIT - 503 - 500, HANGZHOU: DEPOSIT + 503 + 500}
    assert corrections.stage(disputed) == UPHELD
    assert corrections.disputed() == 0


def test_a_ride_of_any_group_is_upheld_by_its_own_phone(world: World, corrections: Corrections) -> None:
    rider = {"rider": ANOTHER_PHONE.public.address}
    refused = {"wire": {"issuer_signature": bytes(64)}}
    rides = [world.ride(issuer=SHANGHAI), world.ride(serial=1, **refused), world.ride(serial=2, **rider)]
    batch = settled(world, *rides)
    corrections.dispute(batch, index=2)
    corrections.answer(batch, evidence_of(world.domain, batch.claim(2), phone=ANOTHER_PHONE), index=2)
    assert corrections.stage(batch, 2) == UPHELD


@pytest.mark.parametrize("missing", ["entry_station", "exit_station"])
def test_a_lone_ride_is_upheld_by_one_signature(world: World, corrections: Corrections, missing: str) -> None:
    lone = ridden(world, exited_at=NOON, **{missing: 0})
    corrections.dispute(lone)
    evidence = evidence_of(world.domain, lone.claim())
    assert evidence.exit == b""
    with reverts(corrections.contract, "BadRiderSignature", shownAt=NOON):
        corrections.answer(lone, evidence.but(exit=evidence.entry))
    corrections.answer(lone, evidence)
    assert corrections.stage(lone) == UPHELD


def test_an_issuer_without_funds_owes_the_fee(
    world: World, corrections: Corrections, clearinghouse: Contract, ningbo: City
) -> None:
    world.deposit(ningbo, 503)
    ride = settled(world, world.ride(issuer=ningbo, rider=PHONE.public.address))
    corrections.dispute(ride, sender=ningbo.treasury)
    receipt = corrections.answer(ride, evidence_of(world.domain, ride.claim()))
    assert receipt.events[-1].args["paid"] == 0
    assert clearinghouse.arrears(ningbo.code, HANGZHOU.code) == DISPUTE_FEE


def test_the_fee_is_set_off_against_what_the_operator_owes(
    world: World, corrections: Corrections, clearinghouse: Contract, ningbo: City
) -> None:
    """Ningbo carried Xuzhou's rider and owes Xuzhou 6.00 for another ride."""
    ride = settled(world, world.ride(operator=ningbo, rider=PHONE.public.address), operator=ningbo)
    world.withdraw(ningbo, 503)
    world.settle(world.ride(issuer=ningbo, operator=XUZHOU, fare=600), operator=XUZHOU, at=EVENING + HOUR)
    corrections.dispute(ride)
    receipt = corrections.answer(ride, evidence_of(world.domain, ride.claim(), operator=ningbo))
    paid = Event("ArrearsPaid", debtor=ningbo.code, creditor=XUZHOU.code, amount=DISPUTE_FEE)
    assert receipt.events[0] == paid
    assert receipt.events[1].args["paid"] == DISPUTE_FEE
    assert clearinghouse.arrears(ningbo.code, XUZHOU.code) == 100
    assert world.balances(XUZHOU, ningbo) == {XUZHOU: DEPOSIT - 503, ningbo: 0}


def test_without_a_fee_nothing_is_posted(world: World, corrections: Corrections) -> None:
    world.set_parameters(dispute_fee=0, at=NOON - GRACE)
    ride = ridden(world)
    corrections.dispute(ride)
    receipt = corrections.answer(ride, evidence_of(world.domain, ride.claim()))
    assert [(e.name, e.args["fee"], e.args["paid"]) for e in receipt.events] == [("RideUpheld", 0, 0)]


def test_an_operator_may_refund_what_was_upheld(
    world: World, corrections: Corrections, disputed: Settled, evidence: Evidence
) -> None:
    corrections.answer(disputed, evidence)
    assert corrections.refund(disputed, 503).events == (refunded(disputed, 503),)
    assert (corrections.stage(disputed), corrections.disputed()) == (UPHELD, 0)


# ---------------------------------------------------------------- answered wrongly

FORGERIES: dict[str, tuple[str, Callable[[World, Settled, Evidence], Evidence]]] = {
    "forged entry": ("entry", lambda w, s, e: e.but(entry=e.entry[:63] + bytes([e.entry[63] ^ 1]))),
    "forged exit": ("exit", lambda w, s, e: e.but(exit=bytes([e.exit[0] ^ 1]) + e.exit[1:])),
    "entry and exit exchanged": ("entry", lambda w, s, e: e.but(entry=e.exit, exit=e.entry)),
    "the entry's twice": ("exit", lambda w, s, e: e.but(exit=e.entry)),
    "no entry": ("entry", lambda w, s, e: e.but(entry=b"")),
    "no exit": ("exit", lambda w, s, e: e.but(exit=b"")),
    "zeros": ("entry", lambda w, s, e: e.but(entry=bytes(64))),
    "r of zero": ("entry", lambda w, s, e: e.but(entry=bytes(32) + e.entry[32:])),
    "s of zero": ("entry", lambda w, s, e: e.but(entry=e.entry[:32] + bytes(32))),
    "a byte less": ("entry", lambda w, s, e: e.but(entry=e.entry[:63])),
    "a byte more": ("exit", lambda w, s, e: e.but(exit=e.exit + b"\0")),
    "another second": ("entry", lambda w, s, e: e.but(entry=shown_at(PHONE, e.ticket_hash, NOON + 1))),
    "a code shown earlier": ("exit", lambda w, s, e: e.but(exit=shown_at(PHONE, e.ticket_hash, ARRIVAL - 10))),
    "another ticket's": ("entry", lambda w, s, e: e.but(entry=shown_at(PHONE, bytes(32), NOON))),
    "another phone's": ("entry", lambda w, s, e: e.but(entry=shown_at(ANOTHER_PHONE, e.ticket_hash, NOON))),
    "another clearinghouse's": (
        "entry",
        lambda w, s, e: e.but(entry=evidence_of(Domain(w.domain.chain_id, bytes(20)), s.claim()).entry),
    ),
    "another chain's": (
        "exit",
        lambda w, s, e: e.but(exit=evidence_of(Domain(1, w.domain.clearinghouse), s.claim()).exit),
    ),
    "s of the entry in the upper half": ("entry", lambda w, s, e: e.but(entry=in_upper_half(e.entry))),
    "s of the exit in the upper half": ("exit", lambda w, s, e: e.but(exit=in_upper_half(e.exit))),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_signature_that_is_not_the_rider_keys_over_that_code_is_no_answer(
    world: World, corrections: Corrections, disputed: Settled, evidence: Evidence, forgery: str
) -> None:
    which, forge = FORGERIES[forgery]
    with reverts(corrections.contract, "BadRiderSignature", shownAt=NOON if which == "entry" else ARRIVAL):
        corrections.answer(disputed, forge(world, disputed, evidence))
    refund = corrections.refund_unanswered(disputed, at=ANSWER_UNTIL + 1)
    assert refund.events == (refunded(disputed, 503, cause=UNANSWERED),)


def test_a_signature_from_another_ride_of_the_same_phone_is_no_answer(world: World, corrections: Corrections) -> None:
    """One rider key on two tickets, against the protocol: the code still names its ticket."""
    rider = {"rider": PHONE.public.address}
    batch = settled(world, world.ride(serial=1, **rider), world.ride(serial=2, **rider))
    corrections.dispute(batch, index=1)
    first, second = (evidence_of(world.domain, batch.claim(index)) for index in (0, 1))
    with reverts(corrections.contract, "BadRiderSignature", shownAt=NOON):
        corrections.answer(batch, second.but(entry=first.entry), index=1)
    with pytest.raises(Reverted, match="WrongRideFacts"):
        corrections.answer(batch, first, index=1)


FACTS: dict[str, Callable[[Evidence], Evidence]] = {
    "ticket": lambda e: e.but(ticket_hash=bytes(32)),
    "rider": lambda e: e.but(rider=ANOTHER_PHONE.public.address),
    "entry": lambda e: e.but(entered_at=e.entered_at - 1),
    "exit": lambda e: e.but(exited_at=e.exited_at + 1),
    "exit as if it were a lone ride": lambda e: e.but(exited_at=e.entered_at, exit=b""),
}


@pytest.mark.parametrize("fact", FACTS)
def test_an_answer_must_say_what_the_ride_says(
    corrections: Corrections, disputed: Settled, evidence: Evidence, fact: str
) -> None:
    """Where the answering city chooses the times, or the key, anybody could answer."""
    with pytest.raises(Reverted, match="WrongRideFacts"):
        corrections.answer(disputed, FACTS[fact](evidence))


def test_another_riders_key_is_no_answer(
    world: World, corrections: Corrections, disputed: Settled, evidence: Evidence
) -> None:
    swapped = evidence_of(world.domain, disputed.claim(), phone=ANOTHER_PHONE)
    error = {"expected": PHONE.public.address, "came": ANOTHER_PHONE.public.address}
    with reverts(corrections.contract, "WrongRiderKey", **error):
        corrections.answer(disputed, swapped)


def test_a_key_that_is_no_point_of_the_curve_is_no_answer(world: World, corrections: Corrections) -> None:
    """A rider that is the hash of no key: whoever names one can't sign for it."""
    x, y = (1).to_bytes(32, "big"), (1).to_bytes(32, "big")
    ride = ridden(world, rider=keccak256(x + y)[12:])
    corrections.dispute(ride)
    evidence = evidence_of(world.domain, ride.claim()).but(x=x, y=y)
    with reverts(corrections.contract, "BadRiderSignature", shownAt=NOON):
        corrections.answer(ride, evidence)


def test_a_wallet_that_signs_with_s_in_the_upper_half_is_answered_for_with_the_lower(
    world: World, corrections: Corrections, disputed: Settled, evidence: Evidence
) -> None:
    """Protocol section 8: s is brought to the lower half for a verifier that asks for that."""
    upper = in_upper_half(evidence.entry)
    s = P256_ORDER - int.from_bytes(upper[32:], "big")
    corrections.answer(disputed, evidence.but(entry=upper[:32] + s.to_bytes(32, "big")))
    assert corrections.stage(disputed) == UPHELD


# ---------------------------------------------------------------- too late, or not asked for


def test_an_answer_after_its_time_is_none(corrections: Corrections, disputed: Settled, evidence: Evidence) -> None:
    with reverts(corrections.contract, "AnswerTooLate", until=ANSWER_UNTIL):
        corrections.answer(disputed, evidence, at=ANSWER_UNTIL + 1)
    assert corrections.refund_unanswered(disputed).events == (refunded(disputed, 503, cause=UNANSWERED),)


def test_nobody_answers_what_was_not_asked(corrections: Corrections, ride: Settled, evidence: Evidence) -> None:
    with reverts(corrections.contract, "NotDisputed", batchId=ride.id, index=0):
        corrections.answer(ride, evidence)


def test_an_answer_is_given_once(world: World, corrections: Corrections, disputed: Settled, evidence: Evidence) -> None:
    """And the fee is paid once."""
    corrections.answer(disputed, evidence)
    with reverts(corrections.contract, "NotDisputed", batchId=disputed.id, index=0):
        corrections.answer(disputed, evidence)
    assert world.balances(XUZHOU) == {XUZHOU: DEPOSIT - 503 - DISPUTE_FEE}


# ---------------------------------------------------------------- not answered


@pytest.mark.parametrize("caller", [STRANGER, XUZHOU.treasury], ids=["stranger", "issuer"])
def test_anyone_makes_the_refund_of_what_was_not_answered_happen(
    world: World, corrections: Corrections, disputed: Settled, caller: str
) -> None:
    receipt = corrections.refund_unanswered(disputed, sender=caller, at=ANSWER_UNTIL + 1)
    assert receipt.events == (refunded(disputed, 503, cause=UNANSWERED),)
    assert world.balances(XUZHOU, HANGZHOU) == {XUZHOU: DEPOSIT, HANGZHOU: DEPOSIT}
    assert (corrections.stage(disputed), corrections.disputed()) == (CLOSED, 0)


def test_there_is_no_refund_while_there_is_time_for_an_answer(corrections: Corrections, disputed: Settled) -> None:
    with reverts(corrections.contract, "AnswerStillPossible", until=ANSWER_UNTIL):
        corrections.refund_unanswered(disputed, at=ANSWER_UNTIL)


def test_silence_is_refunded_once(corrections: Corrections, disputed: Settled) -> None:
    corrections.refund_unanswered(disputed, at=ANSWER_UNTIL + 1)
    with reverts(corrections.contract, "NotDisputed", batchId=disputed.id, index=0):
        corrections.refund_unanswered(disputed)


def test_without_a_dispute_there_is_no_silence(corrections: Corrections, ride: Settled) -> None:
    with reverts(corrections.contract, "NotDisputed", batchId=ride.id, index=0):
        corrections.refund_unanswered(ride)


def test_an_upheld_ride_is_not_refunded_for_silence(
    corrections: Corrections, disputed: Settled, evidence: Evidence
) -> None:
    corrections.answer(disputed, evidence)
    with reverts(corrections.contract, "NotDisputed", batchId=disputed.id, index=0):
        corrections.refund_unanswered(disputed, at=ANSWER_UNTIL + 1)


# ---------------------------------------------------------------- refunds while a dispute is open


def test_a_part_that_the_operator_refunds_hangs_on_the_dispute_no_longer(
    world: World, corrections: Corrections, disputed: Settled
) -> None:
    corrections.refund(disputed, 200)
    assert (corrections.stage(disputed), corrections.disputed()) == (OPEN, 303)
    receipt = corrections.refund_unanswered(disputed, at=ANSWER_UNTIL + 1)
    assert receipt.events == (refunded(disputed, 303, cause=UNANSWERED),)
    assert world.balances(XUZHOU) == {XUZHOU: DEPOSIT}


def test_after_a_part_was_refunded_the_rest_is_upheld(
    world: World, corrections: Corrections, disputed: Settled, evidence: Evidence
) -> None:
    corrections.refund(disputed, 200)
    corrections.answer(disputed, evidence)
    assert (corrections.stage(disputed), corrections.disputed()) == (UPHELD, 0)
    assert world.balances(XUZHOU) == {XUZHOU: DEPOSIT - 303 - DISPUTE_FEE}


def test_an_operator_that_refunds_all_ends_the_dispute_and_gets_no_fee(
    world: World, corrections: Corrections, disputed: Settled, evidence: Evidence
) -> None:
    corrections.refund(disputed, 503)
    assert (corrections.stage(disputed), corrections.disputed()) == (CLOSED, 0)
    with reverts(corrections.contract, "NotDisputed", batchId=disputed.id, index=0):
        corrections.answer(disputed, evidence)
    with reverts(corrections.contract, "NotDisputed", batchId=disputed.id, index=0):
        corrections.refund_unanswered(disputed, at=ANSWER_UNTIL + 1)
    assert world.balances(XUZHOU, HANGZHOU) == {XUZHOU: DEPOSIT, HANGZHOU: DEPOSIT}


# ---------------------------------------------------------------- sums, and cities that left


def test_what_hangs_on_disputes_is_summed_for_each_pair(world: World, corrections: Corrections) -> None:
    batch = settled(
        world,
        world.ride(issuer=SHANGHAI, fare=11),
        world.ride(serial=1, fare=100, rider=PHONE.public.address),
        world.ride(serial=2, fare=1_000),
    )
    corrections.dispute(batch, index=0, sender=SHANGHAI.treasury, at=ASKED)
    corrections.dispute(batch, index=1, at=ASKED)
    corrections.dispute(batch, index=2, at=ASKED)
    assert (corrections.disputed(), corrections.disputed(SHANGHAI)) == (1_100, 11)
    assert corrections.disputed(HANGZHOU, XUZHOU) == 0
    corrections.answer(batch, evidence_of(world.domain, batch.claim(1)), index=1)
    assert (corrections.disputed(), corrections.disputed(SHANGHAI)) == (1_000, 11)
    corrections.refund_unanswered(batch, index=2, at=ANSWER_UNTIL + 1)
    corrections.refund_unanswered(batch, index=0)
    assert (corrections.disputed(), corrections.disputed(SHANGHAI)) == (0, 0)


@pytest.mark.parametrize("who", [XUZHOU, HANGZHOU], ids=["issuer", "operator"])
def test_a_dispute_goes_on_after_one_of_the_two_left(
    world: World, corrections: Corrections, disputed: Settled, evidence: Evidence, who: City
) -> None:
    world.leave(who, at=ASKED + 1)
    corrections.answer(disputed, evidence)
    assert corrections.stage(disputed) == UPHELD


def test_an_issuer_that_was_expelled_can_still_dispute_and_be_refunded(
    world: World, corrections: Corrections, clearinghouse: Contract, ride: Settled
) -> None:
    world.by_vote(world.registry, "expel", XUZHOU.code, at=EVENING + 1)
    corrections.dispute(ride, at=ASKED)
    corrections.refund_unanswered(ride, at=ANSWER_UNTIL + 1)
    assert clearinghouse.withdrawable(XUZHOU.code) == DEPOSIT
