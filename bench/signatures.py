"""The two signature checks that no gate can do without, by the same libraries, called directly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coincurve import PublicKey
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from bench.phones import DOMAIN
from interline.code import Code
from interline.domain import code_message

CURVE: Final = ec.SECP256R1()
ECDSA: Final = ec.ECDSA(SHA256())


@dataclass(frozen=True)
class Prepared:
    """A code in every form that a contender may start from, so that each is timed for its own work alone."""

    data: bytes
    text: str
    code: Code
    ticket_hash: bytes
    recoverable: bytes  # r || s || recovery id
    point: bytes
    key: ec.EllipticCurvePublicKey
    der: bytes
    message: bytes


def prepare(code: Code) -> Prepared:
    """A code made ready."""
    ticket_hash = code.ticket.hash(DOMAIN)
    compact, rider = code.ticket.signature, code.rider_signature
    s = bytes((compact[32] & 0x7F,)) + compact[33:]
    return Prepared(
        data=code.to_bytes(),
        text=code.to_text(),
        code=code,
        ticket_hash=ticket_hash,
        recoverable=compact[:32] + s + bytes((compact[32] >> 7,)),
        point=code.ticket.rider_key,
        key=load_point(code.ticket.rider_key),
        der=encode_dss_signature(int.from_bytes(rider[:32], "big"), int.from_bytes(rider[32:], "big")),
        message=code_message(ticket_hash, code.shown_at),
    )


def load_point(point: bytes) -> ec.EllipticCurvePublicKey:
    """A compressed P-256 point as a key (OpenSSL)."""
    return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, point)


def recover(one: Prepared) -> PublicKey:
    """The issuer's public key from its signature (libsecp256k1)."""
    return PublicKey.from_signature_and_message(one.recoverable, one.ticket_hash, hasher=None)


def two_signatures(one: Prepared) -> None:
    """Recover the issuer's key; load the rider's key, and verify with it. Raises InvalidSignature."""
    recover(one)
    load_point(one.point).verify(one.der, one.message, ECDSA)
