"""Tickets: an issuer's signed promise to pay for one ride with one operator (protocol section 2)."""

from dataclasses import dataclass, field
from struct import Struct
from typing import Final, Self

from interline.domain import Domain, ticket_hash
from interline.errors import MalformedError, UnsupportedVersionError
from interline.fields import UINT8_MAX, UINT16_MAX, UINT32_MAX, UINT40_MAX, check_bytes, check_uint
from interline.rider_keys import RiderPublicKey
from interline.signatures import SIGNATURE_BYTES, sign_compact

VERSION: Final = 1
TICKET_BYTES: Final = 116

# version, issuer, keyId, operator, serial (its first byte and the other four), notAfter, fareCap, riderKey, signature
_TICKET: Final = Struct(">BHBHBIII33s64s")


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket. Cities are uint16 codes, `not_after` is in Unix seconds, `fare_cap` in fen.

    `rider_key` is a compressed P-256 point (33 bytes) and `signature` the issuer's, compact (64 bytes): it need not
    be a right one. `rider_public_key` is the rider key, loaded.

    Raises:
        MalformedError: a field out of its range, an operator that is the issuer, or a rider key that is no point.
    """

    issuer: int
    key_id: int
    operator: int
    serial: int
    not_after: int
    fare_cap: int
    rider_key: bytes
    signature: bytes
    rider_public_key: RiderPublicKey = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_uint("issuer", self.issuer, UINT16_MAX)
        check_uint("keyId", self.key_id, UINT8_MAX)
        check_uint("operator", self.operator, UINT16_MAX)
        check_uint("serial", self.serial, UINT40_MAX)
        check_uint("notAfter", self.not_after, UINT32_MAX)
        check_uint("fareCap", self.fare_cap, UINT32_MAX)
        check_bytes("issuerSignature", self.signature, SIGNATURE_BYTES)
        if self.operator == self.issuer:
            raise MalformedError(f"operator: expected another city than the issuer, came {self.operator} for both")
        object.__setattr__(self, "rider_public_key", RiderPublicKey.from_bytes(self.rider_key))

    @property
    def rider(self) -> bytes:
        """The rider as the issuer signs it: the last 20 bytes of keccak256(x || y) of the rider key."""
        return self.rider_public_key.address

    def hash(self, domain: Domain) -> bytes:
        """The ticket hash in a domain, 32 bytes: what the issuer signed, and the ticket's name."""
        return ticket_hash(
            domain,
            issuer=self.issuer,
            key_id=self.key_id,
            operator=self.operator,
            serial=self.serial,
            not_after=self.not_after,
            fare_cap=self.fare_cap,
            rider=self.rider_public_key.address,
        )

    def to_bytes(self) -> bytes:
        """The ticket's 116 bytes."""
        return _TICKET.pack(
            VERSION,
            self.issuer,
            self.key_id,
            self.operator,
            self.serial >> 32,
            self.serial & UINT32_MAX,
            self.not_after,
            self.fare_cap,
            self.rider_key,
            self.signature,
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The ticket of 116 bytes.

        Raises:
            UnsupportedVersionError: the first byte is not 1.
            MalformedError: nothing in it, another length, operator = issuer, or a rider key that is no point.
        """
        check_version("ticket", data)
        if len(data) != TICKET_BYTES:
            raise MalformedError(f"ticket: expected {TICKET_BYTES} bytes, came {len(data)}")
        _, issuer, key_id, operator, high, low, not_after, fare_cap, rider_key, signature = _TICKET.unpack(data)
        return cls(issuer, key_id, operator, high << 32 | low, not_after, fare_cap, rider_key, signature)


def check_version(what: str, data: bytes) -> None:
    """The first check of a ticket or code: is there anything in it, and is it of version 1?

    Raises:
        MalformedError: it is empty.
        UnsupportedVersionError: its first byte is not 1.
    """
    if not data:
        raise MalformedError(f"{what}: expected a version byte, came nothing")
    if data[0] != VERSION:
        raise UnsupportedVersionError(f"{what}: expected version {VERSION}, came {data[0]}")


def sign_ticket(
    domain: Domain,
    private_key: bytes,
    *,
    issuer: int,
    key_id: int,
    operator: int,
    serial: int,
    not_after: int,
    fare_cap: int,
    rider_key: bytes,
) -> Ticket:
    """A ticket signed with an issuer's private key (32 bytes).

    Raises:
        MalformedError: a field that no ticket can have, or a private key that is none.
    """
    unsigned = Ticket(issuer, key_id, operator, serial, not_after, fare_cap, rider_key, bytes(SIGNATURE_BYTES))
    signature = sign_compact(private_key, unsigned.hash(domain))
    return Ticket(issuer, key_id, operator, serial, not_after, fare_cap, rider_key, signature)
