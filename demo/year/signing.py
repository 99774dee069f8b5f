"""Tickets, batches and transactions, signed with real keys, in processes of their own.

Every rider key follows from the year's seed, so that disputes can be answered, by whoever knows it: for tests alone.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_account import Account

from consortium.calls import encode_call
from interline.batch import Batch, Group, sign_batch
from interline.disputes import Evidence, RideFacts, in_lower_half
from interline.domain import Domain, code_message, ticket_hash
from interline.hashing import keccak256
from interline.reasons import RideReason
from interline.ride import Ride
from interline.signatures import sign_compact

GAS_LIMIT: Final = 15_000_000
"""No client sends a batch that takes more (protocol section 5)."""
_CURVE: Final = ec.SECP256R1()


@dataclass(frozen=True, slots=True)
class Keys:
    """What signing needs: the domain, the seed of riders' keys, and the cities' keys."""

    domain: Domain
    seed: int
    house: str
    """The Clearinghouse's checksummed address."""
    issuers: Mapping[tuple[int, int], bytes]
    """By (issuer, key id), 32 bytes each."""
    submitters: Mapping[int, bytes]
    """By operator."""


@dataclass(frozen=True, slots=True)
class Fields:
    """What a ride is made from; all numbers as in protocol section 5, `reason` why it is to be refused, or 0."""

    issuer: int
    key_id: int
    serial: int
    not_after: int
    fare_cap: int
    entry_station: int
    exit_station: int
    entered_at: int
    exited_at: int
    fare: int
    reason: int


@dataclass(frozen=True, slots=True)
class Signed:
    """A batch as it goes to the chain: its bytes, the transaction, and the seconds of processor time that took."""

    data: bytes
    transaction: bytes
    seconds: float


_keys: Keys | None = None


def begin(keys: Keys) -> None:
    """Give a process the keys."""
    global _keys
    _keys = keys


def sign_one(operator: int, nonce: int, rides: Sequence[tuple[int, ...]]) -> Signed:
    """Make an operator's batch of rides (tuples of :class:`Fields`, in the batch's order) and its transaction."""
    assert _keys is not None
    began = time.process_time()
    fields = [Fields(*row) for row in rides]
    groups = tuple(
        Group(issuer, key_id, tuple(_ride(_keys, operator, one) for one in some))
        for (issuer, key_id), some in groupby(fields, key=lambda one: (one.issuer, one.key_id))
    )
    batch = Batch(operator, groups)
    signature = sign_batch(_keys.domain, _keys.submitters[operator], batch)
    call = encode_call("Clearinghouse", "settle", batch.to_bytes(), signature)
    sent = transaction(_keys.submitters[operator], nonce, _keys.house, call, _keys.domain.chain_id)
    return Signed(batch.to_bytes(), sent, time.process_time() - began)


def transaction(private_key: bytes, nonce: int, to: str | None, data: bytes, chain_id: int) -> bytes:
    """A signed transaction, gas price 0."""
    fields: dict[str, Any] = {"nonce": nonce, "gas": GAS_LIMIT, "gasPrice": 0, "chainId": chain_id, "value": 0}
    fields |= {"data": data} if to is None else {"data": data, "to": to}
    return bytes(Account.sign_transaction(fields, private_key).raw_transaction)


def answer(domain: Domain, seed: int, operator: int, one: Fields) -> tuple[RideFacts, Evidence]:
    """The evidence of a ride: what its rider's phone would have shown."""
    scalar = rider_scalar(seed, one.issuer, operator, one.serial)
    key = ec.derive_private_key(int.from_bytes(scalar, "big"), _CURVE)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
    facts = RideFacts(
        _hash(domain, operator, one, keccak256(point)[12:]), keccak256(point)[12:], one.entered_at, one.exited_at
    )
    signatures = []
    for shown_at in facts.shown_at:
        der = key.sign(code_message(facts.ticket_hash, shown_at), ec.ECDSA(SHA256(), deterministic_signing=True))
        r, s = decode_dss_signature(der)
        signatures.append(in_lower_half(r.to_bytes(32, "big") + s.to_bytes(32, "big")))
    return facts, Evidence(point[:32], point[32:], signatures[0], b"".join(signatures[1:]))


def rider_scalar(seed: int, issuer: int, operator: int, serial: int) -> bytes:
    """The private number (32 bytes) of the rider key of a ticket."""
    name = b"%d %d %d %d" % (seed, issuer, operator, serial)
    return b"\0" + hashlib.sha256(b"Interline year, rider key " + name).digest()[1:]


def _ride(keys: Keys, operator: int, one: Fields) -> Ride:
    scalar = rider_scalar(keys.seed, one.issuer, operator, one.serial)
    key = ec.derive_private_key(int.from_bytes(scalar, "big"), _CURVE).public_key()
    rider = keccak256(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:])[12:]
    signature = sign_compact(keys.issuers[one.issuer, one.key_id], _hash(keys.domain, operator, one, rider))
    if one.reason == RideReason.BadIssuerSignature:
        signature = signature[:-1] + bytes((signature[-1] ^ 1,))
    return Ride(
        serial=one.serial,
        not_after=one.not_after,
        fare_cap=one.fare_cap,
        rider=rider,
        entry_station=one.entry_station,
        exit_station=one.exit_station,
        entered_at=one.entered_at,
        exited_at=one.exited_at,
        fare=one.fare,
        issuer_signature=signature,
    )


def _hash(domain: Domain, operator: int, one: Fields, rider: bytes) -> bytes:
    return ticket_hash(
        domain,
        issuer=one.issuer,
        key_id=one.key_id,
        operator=operator,
        serial=one.serial,
        not_after=one.not_after,
        fare_cap=one.fare_cap,
        rider=rider,
    )
