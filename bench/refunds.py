"""What correcting one ride costs: refunds, disputes and answers, by the size of the batch that names it."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from web3.contract.contract import ContractFunction

from bench import results
from bench.settlement import CHAIN_START, DEPOSIT, FIRST_SERIAL, ISSUERS, OPERATOR, Consortium
from interline.batch import Batch
from interline.domain import code_message, ticket_hash
from interline.hashing import keccak256
from interline.ride import Ride
from interline.rider_keys import RiderPrivateKey
from network.accounts import Role
from network.chain import Chain
from tests.support.deploy import City, deploy

SIZES: Final = (1, 16, 256, 1_000)
"""Rides in the batch; the one in its middle is corrected."""
QUICK_SIZES: Final = (1, 16)
HARDFORKS: Final = {"prague": "P-256 in Solidity", "osaka": "P-256 as a precompile (EIP-7951)"}
LIMIT: Final = 15_000_000
"""What a client sends at most in one transaction."""
P256_ORDER: Final = 0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551
NONE_REFUSED: Final = b""
ANSWER_TIME: Final = 10 * 86_400
OPENING: Final = CHAIN_START - 2 * 86_400
"""When the chain starts: the revocation comes more than `grace`, a day, before the rides."""

ACTS: Final = {
    "refund": "`refund` by the operator",
    "second refund": "`refund`, a second part",
    "dispute": "`dispute` by the issuer",
    "answer": "`answer`, two signatures",
    "refundUnanswered": "`refundUnanswered`",
    "refundRevoked": "`refundRevoked`",
}

NOTES: Final = """
`refund`, `dispute` and `refundRevoked` name the ride by the whole batch that it settled in. From some 40 rides on they
cost what EIP-7623 asks for their bytes (40 gas for each that isn't zero, 10 for each that is), and
nothing for what they do.
`answer` and `refundUnanswered` name it by the batch's id. OpenZeppelin's `P256` uses the precompile where there is one.
"""


def measure(*, quick: bool = False) -> dict[str, Any]:
    """Gas of each act in batches of each size, on a chain of each hard fork."""
    sizes = QUICK_SIZES if quick else SIZES
    return {"limit": LIMIT, "hardforks": {fork: _on(fork, sizes) for fork in HARDFORKS}}


def target_met(document: dict[str, Any]) -> bool:
    """Whether each act, in a batch of any size measured, can be sent at all."""
    rows = [row for rows in document["hardforks"].values() for row in rows]
    return all(row["gas"][act] <= document["limit"] for row in rows for act in ACTS)


def page(document: dict[str, Any]) -> str:
    """The page of bench/results."""
    forks = document["hardforks"]
    sizes = [row["rides"] for row in next(iter(forks.values()))]
    rows = []
    for act, name in ACTS.items():
        for fork, words in HARDFORKS.items():
            same = act != "answer"
            if same and fork != "prague":
                continue
            what = name if same else f"{name}, {words}"
            rows.append([what, *(f"{row['gas'][act]:,}" for row in forks[fork])])
    calldata = [f"{row['calldata']:,}" for row in forks["prague"]]
    head = ["gas of correcting one ride of a batch of", *(f"{size:,}" for size in sizes)]
    return (
        "# Refunds and disputes\n\n"
        f"Made by `{document['command']}`: anvil v1.7.1, solc 0.8.37 (via IR, optimized for 1,000,000 runs). Every\n"
        "run gives the same figures.\n\n"
        f"Target: {document['limit']:,} gas or less for each: {results.verdict(target_met(document))}.\n\n"
        + results.table(head, [*rows, ["calldata of `dispute`, bytes", *calldata]])
        + NOTES
    )


def _on(fork: str, sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    start = ("--timestamp", str(OPENING))
    with Chain(block_time=None, hardfork=fork, extra=start) as chain:
        world = Consortium(deploy(chain.url, cities=[OPERATOR, *ISSUERS], deposit=DEPOSIT))
        issuer = world.issuers[0]
        revoke = world.deployment.registry.functions.revokeTickets
        serials = [FIRST_SERIAL + size // 2 for size in sizes]
        _as(world, issuer, Role.ADMIN, revoke(issuer.code, world.operator.code, serials))
        return [_in_batch(world, size) for size in sizes]


def _in_batch(world: Consortium, size: int) -> dict[str, Any]:
    with world.undone():
        batch = world.batch([(world.issuers[0], range(FIRST_SERIAL, FIRST_SERIAL + size))])
        world.settle(batch)
        dispute = world.deployment.refunds.encode_abi("dispute", [batch.to_bytes(), NONE_REFUSED, size // 2])
        return {"rides": size, "calldata": len(dispute) // 2 - 1, "gas": _acts(world, batch, size // 2)}


def _acts(world: Consortium, batch: Batch, index: int) -> dict[str, int]:
    """Each act on a ride that nobody has corrected before; nobody owes anything."""
    refunds, issuer, operator = world.deployment.refunds.functions, world.issuers[0], world.operator
    _, _, key_id, ride = list(batch.iter_rides())[index]
    named = (batch.to_bytes(), NONE_REFUSED, index)
    gas = {}
    with world.undone():
        gas["refund"] = _as(world, operator, Role.TREASURY, refunds.refund(*named, ride.fare - 100))
        gas["second refund"] = _as(world, operator, Role.TREASURY, refunds.refund(*named, 100))
    with world.undone():
        gas["refundRevoked"] = _as(world, operator, Role.TREASURY, refunds.refundRevoked(*named))
    gas["dispute"] = _as(world, issuer, Role.TREASURY, refunds.dispute(*named))
    with world.undone():
        answer = refunds.answer(batch.id, index, *_evidence(world, issuer, key_id, ride))
        gas["answer"] = _as(world, operator, Role.SUBMITTER, answer)
    late = world.web3.eth.get_block("latest")["timestamp"] + ANSWER_TIME + 1
    gas["refundUnanswered"] = _as(world, operator, Role.SUBMITTER, refunds.refundUnanswered(batch.id, index), at=late)
    return gas


def _as(world: Consortium, city: City, role: Role, function: ContractFunction, *, at: int | None = None) -> int:
    """Let a city send a call; its gas."""
    if at is not None:
        world.next_block_at(at)
    return int(world.deployment.call(city.private_key(role), function)["gasUsed"])


def _evidence(world: Consortium, issuer: City, key_id: int, ride: Ride) -> tuple[Any, Any]:
    ticket = ticket_hash(
        world.deployment.domain,
        issuer=issuer.code,
        key_id=key_id,
        operator=world.operator.code,
        serial=ride.serial,
        not_after=ride.not_after,
        fare_cap=ride.fare_cap,
        rider=ride.rider,
    )
    phone = world.phone(issuer, ride.serial)
    shown = [sign(phone, code_message(ticket, moment)) for moment in (ride.entered_at, ride.exited_at)]
    return (ticket, ride.rider, ride.entered_at, ride.exited_at), (phone.public.x, phone.public.y, *shown)


def sign(phone: RiderPrivateKey, message: bytes) -> bytes:
    """A rider signature with s in the lower half and a nonce made from key and message: the same in every run."""
    secret = int.from_bytes(phone.to_scalar(), "big")
    nonce = b"\0" + keccak256(phone.to_scalar() + message)[1:]
    r = int.from_bytes(RiderPrivateKey.from_scalar(nonce).public.x, "big") % P256_ORDER
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    s = pow(int.from_bytes(nonce, "big"), -1, P256_ORDER) * (digest + r * secret) % P256_ORDER
    signature = r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")
    if not phone.public.verify(message, signature):
        raise RuntimeError("expected a rider signature that verifies, made one that doesn't")
    return signature
