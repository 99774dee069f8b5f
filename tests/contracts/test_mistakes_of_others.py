"""The mistakes of other systems' contracts and ledgers that no test of one rule covers, by their numbers.

12 (revocation by a hash) is in test_members.py, 19 (paying one member's claim from another's money) in test_funds.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from coincurve import PrivateKey

from interline.batch import MAX_RIDES, Batch, outcome, sign_batch
from interline.domain import Domain, batch_digest, ticket_hash
from interline.reasons import RideReason
from interline.signatures import parse_address, recover_address, to_checksum
from network.accounts import Role
from tests.contracts.conftest import CHAIN_ID
from tests.contracts.corrections import Corrections, refunded, ridden, settled
from tests.contracts.node import Contract, Reverted, reverts
from tests.contracts.story import (
    ANSWER_TIME,
    DAY,
    DEPOSIT,
    EVENING,
    HANGZHOU,
    HOUR,
    KEYS_FROM,
    NO_END,
    NOON,
    SHANGHAI,
    XUZHOU,
    ZERO_ADDRESS,
    City,
    World,
    deploy,
)

NOBODYS = {
    "zero": bytes(64),
    "ones": b"\xff" * 64,
    "r of zero": bytes(63) + b"\1",
    "s of zero": bytes(31) + b"\1" + bytes(32),
    "r that is no point": bytes(31) + b"\5" + bytes(31) + b"\1",
}
"""Signatures that ecrecover says nothing about: it succeeds, and returns no bytes."""

nobodys = pytest.mark.parametrize("signature", NOBODYS.values(), ids=NOBODYS)


def reasons(world: World, *claims: tuple, **how: object) -> dict[int, RideReason]:
    """The refused rides of a batch of claims, and why."""
    receipt = world.settle(*claims, **how)
    return {e.args["index"]: RideReason(e.args["reason"]) for e in receipt.named("RideRejected")}


# ---------------------------------------------------------------- 14


@nobodys
def test_a_signature_of_nobodys_does_not_pass_for_that_of_the_ride_before(world: World, signature: bytes) -> None:
    """Mistake 14: what ecrecover left of the ride before it."""
    claims = world.rides(range(4))
    claims[1] = world.ride(serial=1, wire={"issuer_signature": signature})
    claims[3] = world.ride(serial=3, wire={"issuer_signature": signature})
    assert reasons(world, *claims) == dict.fromkeys((1, 3), RideReason.BadIssuerSignature)


@nobodys
def test_a_signature_of_nobodys_does_not_pass_for_that_of_the_group_before(world: World, signature: bytes) -> None:
    """Mistake 14: two cities with one key."""
    world.registry.addIssuerKey(
        XUZHOU.code, 2, SHANGHAI.account(Role.ISSUER_KEY), KEYS_FROM, NO_END, sender=XUZHOU.admin
    )
    claims = [
        world.ride(issuer=SHANGHAI),
        world.ride(key_id=2, wire={"issuer_signature": signature}),
    ]
    assert reasons(world, *claims) == {1: RideReason.BadIssuerSignature}


@nobodys
def test_a_signature_of_nobodys_does_not_pass_for_the_batchs(world: World, signature: bytes) -> None:
    """Mistake 14: an issuer key that submits batches, too; the batch's signature was recovered before the ride's."""
    world.registry.addIssuerKey(XUZHOU.code, 2, HANGZHOU.submitter, KEYS_FROM, NO_END, sender=XUZHOU.admin)
    claim = world.ride(key_id=2, wire={"issuer_signature": signature})
    assert reasons(world, claim) == {0: RideReason.BadIssuerSignature}


@nobodys
@pytest.mark.parametrize(("issuer", "key_id"), [(XUZHOU, 2), (City(1, "Nowhere", 0), 1)], ids=["key", "issuer"])
def test_a_key_that_nobody_registered_is_not_the_key_of_nobody(
    world: World, signature: bytes, issuer: City, key_id: int
) -> None:
    """Mistake 14: both are zero, if one doesn't look."""
    claim = world.ride(issuer=issuer, key_id=key_id, wire={"issuer_signature": signature})
    assert reasons(world, claim) == {0: RideReason.BadIssuerSignature}


def test_a_batch_that_nobody_signed_is_not_by_a_submitter(world: World, clearinghouse: Contract) -> None:
    """Mistake 14, for the batch's own signature."""
    for signature in NOBODYS.values():
        batch = Batch.build(HANGZHOU.code, [world.ride()])
        signer = recover_address(batch_digest(world.domain, batch.operator, batch.id), signature)
        assert signer is None
        with reverts(clearinghouse, "NotSubmitter", operator=HANGZHOU.code, signer=to_checksum(bytes(20))):
            world.send(batch, signature)


@pytest.mark.parametrize("refused", [range(0, MAX_RIDES, 2), range(999), range(1, MAX_RIDES)], ids=str)
def test_a_long_list_of_refused_rides_does_not_grow_into_the_batch(world: World, refused: range) -> None:
    """Mistake 14: the throwaway contract's own bug: refusals were written over rides that were still to be read."""
    claims = world.rides(range(MAX_RIDES), fare=1)
    for serial in refused:
        claims[serial] = world.ride(serial=serial, wire={"issuer_signature": bytes(64)})
    receipt = world.settle(*claims)
    batch_id, settled, rejected = receipt.returned
    assert (settled, rejected) == (MAX_RIDES - len(refused), len(refused))
    assert [e.args["index"] for e in receipt.named("RideRejected")] == list(refused)
    [pair] = receipt.named("PairSettled")
    assert pair.args["fares"] == MAX_RIDES - len(refused)
    expected = outcome([(index, RideReason.BadIssuerSignature) for index in refused])
    assert world.clearinghouse.batches(batch_id) == (HANGZHOU.code, EVENING, expected)


# ---------------------------------------------------------------- 15


def test_a_ticket_signed_twice_pays_once(world: World) -> None:
    """Mistake 15: another nonce makes other bytes of signature; the serial is what is spent."""
    issuer, key_id, ride = world.ride()
    digest = ticket_hash(
        world.domain,
        issuer=issuer,
        key_id=key_id,
        operator=HANGZHOU.code,
        serial=ride.serial,
        not_after=ride.not_after,
        fare_cap=ride.fare_cap,
        rider=ride.rider,
    )
    again = _signed_with_another_nonce(XUZHOU.key(Role.ISSUER_KEY), digest)
    assert again != ride.issuer_signature
    assert recover_address(digest, again) == parse_address(XUZHOU.account(Role.ISSUER_KEY))
    assert reasons(world, (issuer, key_id, ride)) == {}
    twin = world.ride(wire={"issuer_signature": again})
    assert reasons(world, twin, at=EVENING + 1) == {0: RideReason.AlreadySettled}


def test_a_batch_signed_twice_settles_once(world: World, clearinghouse: Contract) -> None:
    """Mistake 15: the batch's id comes from its bytes alone."""
    batch = Batch.build(HANGZHOU.code, [world.ride()])
    digest = batch_digest(world.domain, batch.operator, batch.id)
    again = _signed_with_another_nonce(HANGZHOU.key(Role.SUBMITTER), digest)
    assert again != world.sign(batch)
    assert world.send(batch, world.sign(batch)).returned[0] == batch.id
    with reverts(clearinghouse, "BatchAlreadySettled", batchId=batch.id):
        world.send(batch, again, at=EVENING + 1)


def _signed_with_another_nonce(private_key: bytes, digest: bytes) -> bytes:
    """A compact signature whose nonce is 12345: never do that."""
    order = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
    nonce = 12345
    point = PrivateKey.from_int(nonce).public_key.format(compressed=True)
    parity, r = point[0] - 2, int.from_bytes(point[1:], "big")
    s = pow(nonce, -1, order) * (int.from_bytes(digest, "big") + r * int.from_bytes(private_key, "big")) % order
    if s > order // 2:
        parity, s = 1 - parity, order - s
    return point[1:] + (parity << 255 | s).to_bytes(32, "big")


# ---------------------------------------------------------------- 16


def test_a_batch_does_not_settle_in_a_second_clearinghouse(world: World, clearinghouse: Contract) -> None:
    """Mistake 16: the same members, the same token, the same chain; another contract."""
    second = deploy(world.node, "Clearinghouse", world.registry, world.token, ZERO_ADDRESS)
    batch = Batch.build(HANGZHOU.code, [world.ride()])
    signature = world.sign(batch)
    domain = Domain(CHAIN_ID, parse_address(second.address))
    signer = recover_address(batch_digest(domain, batch.operator, batch.id), signature)
    assert signer is not None
    with reverts(second, "NotSubmitter", operator=HANGZHOU.code, signer=to_checksum(signer)):
        second.settle(batch.to_bytes(), signature, sender=HANGZHOU.submitter, at=EVENING)
    # Even where the operator signs it for the second one, too, its tickets aren't for that one.
    again = sign_batch(domain, HANGZHOU.key(Role.SUBMITTER), batch)
    receipt = second.settle(batch.to_bytes(), again, sender=HANGZHOU.submitter, at=EVENING)
    assert [e.args["reason"] for e in receipt.named("RideRejected")] == [RideReason.BadIssuerSignature]


@pytest.fixture
def forked(world: World) -> Iterator[int]:
    """The chain goes on under another id."""
    other = CHAIN_ID + 1
    world.node.request("anvil_setChainId", other)
    yield other
    world.node.request("anvil_setChainId", CHAIN_ID)


def test_a_batch_does_not_settle_on_a_fork_of_the_chain(world: World, clearinghouse: Contract, forked: int) -> None:
    """Mistake 16: the domain is that of the chain as it is, not as it was at deployment."""
    batch = Batch.build(HANGZHOU.code, [world.ride()])
    domain = Domain(forked, world.domain.clearinghouse)
    assert clearinghouse.eip712Domain()[3] == forked
    signer = recover_address(batch_digest(domain, batch.operator, batch.id), world.sign(batch))
    assert signer is not None
    with reverts(clearinghouse, "NotSubmitter", operator=HANGZHOU.code, signer=to_checksum(signer)):
        world.send(batch, world.sign(batch))
    there = Batch.build(HANGZHOU.code, [world.ride(domain=domain)])
    signature = sign_batch(domain, HANGZHOU.key(Role.SUBMITTER), there)
    assert world.send(there, signature).returned[1:] == (1, 0)


# ---------------------------------------------------------------- 17


def test_a_correction_names_the_ride_that_it_corrects(world: World, corrections: Corrections) -> None:
    """Mistake 17: whoever reads the refund finds the batch, the ride in it, both cities and the cause."""
    batch = settled(world, world.ride(serial=1), world.ride(serial=2, fare=700))
    [event] = corrections.refund(batch, 700, index=1).events
    assert event == refunded(batch, 700, index=1)
    assert world.clearinghouse.batches(event.args["batchId"])[0] == event.args["operator"]
    _, _, ride = batch.claim(event.args["index"])
    assert (ride.serial, ride.fare) == (2, event.args["amount"])


def test_a_disputed_amount_is_in_the_totals_once(world: World, corrections: Corrections) -> None:
    """Mistake 17: it stays with the operator while the dispute is open, and goes back once, or not at all."""
    house = world.clearinghouse

    def totals() -> tuple[int, ...]:
        return (house.position(XUZHOU.code), house.position(HANGZHOU.code), house.held(), corrections.disputed())

    ride = ridden(world)
    before = totals()
    corrections.dispute(ride)
    assert totals() == (*before[:3], 503)
    corrections.refund_unanswered(ride, at=world.node.now + ANSWER_TIME + 1)
    assert totals() == (before[0] + 503, before[1] - 503, before[2], 0)


@pytest.mark.parametrize("order", list(itertools.permutations(["refund", "dispute", "revoked", "silence"])))
def test_no_order_of_corrections_gives_back_more_than_the_fare(
    world: World, corrections: Corrections, order: tuple[str, ...]
) -> None:
    """Mistake 17: a cap that was breached where windows settled in another order."""
    world.registry.revokeTickets(XUZHOU.code, HANGZHOU.code, [7], sender=XUZHOU.admin, at=NOON - 2 * DAY)
    ride = ridden(world)
    acts = {
        "refund": lambda at: corrections.refund(ride, 300, at=at),
        "dispute": lambda at: corrections.dispute(ride, at=at),
        "revoked": lambda at: corrections.refund_revoked(ride, at=at),
        "silence": lambda at: corrections.refund_unanswered(ride, at=at),
    }
    given = 0
    for round_, name in enumerate([*order, *order]):
        try:
            receipt = acts[name](EVENING + (round_ + 1) * (ANSWER_TIME + 1) // 5)
        except Reverted:
            continue
        given += sum(event.args["amount"] for event in receipt.named("RideRefunded"))
    assert given == corrections.case(ride)[3] == 503
    assert world.balances(XUZHOU, HANGZHOU) == {XUZHOU: DEPOSIT, HANGZHOU: DEPOSIT}
    assert corrections.disputed() == 0


def test_every_transfer_has_its_time(world: World, corrections: Corrections) -> None:
    """Mistake 17: what was moved when is on chain, for settlements and for what corrects them."""
    ride = ridden(world)
    assert world.clearinghouse.batches(ride.id)[1] == EVENING
    refund = corrections.refund(ride, 100, at=EVENING + HOUR)
    asked = corrections.dispute(ride, at=EVENING + 2 * HOUR)
    assert (refund.timestamp, asked.timestamp) == (EVENING + HOUR, EVENING + 2 * HOUR)
    assert corrections.case(ride)[5] == asked.events[0].args["answerUntil"] == asked.timestamp + ANSWER_TIME


# ---------------------------------------------------------------- 18


def writes(world: World, *claims: tuple) -> int:
    """How many storage words settling changes."""
    [words] = world.node.storage_writes(world.settle(*claims).hash).values()
    return len(words)


def test_rides_of_one_page_of_serials_share_one_storage_word(world: World) -> None:
    """Mistake 18: 256 rides change the word of their serials, the batch's, and two balances'."""
    assert writes(world, *world.rides(range(256, 512), fare=1)) == 4


def test_each_page_of_serials_adds_one_storage_word(world: World) -> None:
    """Mistake 18."""
    assert writes(world, *world.rides(range(250, 770), fare=1)) == 4 + 3


def test_each_issuer_adds_its_balance_and_the_word_of_its_serials(world: World) -> None:
    """Mistake 18: the operator's balance and the batch's word are written once."""
    claims = [*world.rides(range(100), fare=1), *world.rides(range(100), issuer=SHANGHAI, fare=1)]
    assert writes(world, *claims) == 2 + 2 * 2
