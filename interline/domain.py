"""What is signed: EIP-712 digests of tickets and batches, and the message of a code (protocol sections 2, 3, 5)."""

from dataclasses import dataclass, field
from struct import Struct
from struct import error as StructError
from typing import Final

from interline.errors import MalformedError
from interline.fields import (
    UINT8_MAX,
    UINT16_MAX,
    UINT32_MAX,
    UINT40_MAX,
    UINT256_MAX,
    check_bytes,
    check_uint,
)
from interline.hashing import keccak256

DOMAIN_NAME: Final = "Interline"
DOMAIN_VERSION: Final = "1"
TICKET_TYPE: Final = (
    "Ticket(uint16 issuer,uint8 keyId,uint16 operator,uint40 serial,uint32 notAfter,uint32 fareCap,bytes20 rider)"
)
BATCH_TYPE: Final = "Batch(uint16 operator,bytes32 batchId)"
CODE_PREFIX: Final = b"Interline code v1"

_DOMAIN_TYPE: Final = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_DOMAIN_HEAD: Final = b"".join(keccak256(text.encode("ascii")) for text in (_DOMAIN_TYPE, DOMAIN_NAME, DOMAIN_VERSION))
_TICKET_TYPE_HASH: Final = keccak256(TICKET_TYPE.encode("ascii"))
_BATCH_TYPE_HASH: Final = keccak256(BATCH_TYPE.encode("ascii"))

# One word of 32 bytes for each field: integers stand to the right of theirs, bytes20 to the left.
_TICKET_WORDS: Final = Struct(">32s 30xH 31xB 30xH 24xQ 28xI 28xI 20s12x")
_BATCH_WORDS: Final = Struct(">32s 30xH 32s")
_CODE_MESSAGE: Final = Struct(">17s 32s I")


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a signature counts: one Clearinghouse (address, 20 bytes) on one chain.

    `separator` is the EIP-712 domain separator, 32 bytes.

    Raises:
        MalformedError: a chain id that is no uint256, or an address that is not 20 bytes.
    """

    chain_id: int
    clearinghouse: bytes
    separator: bytes = field(init=False, compare=False, repr=False)
    _prefix: bytes = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_uint("chain id", self.chain_id, UINT256_MAX)
        check_bytes("clearinghouse", self.clearinghouse, 20)
        separator = keccak256(_DOMAIN_HEAD + self.chain_id.to_bytes(32, "big") + bytes(12) + self.clearinghouse)
        object.__setattr__(self, "separator", separator)
        object.__setattr__(self, "_prefix", b"\x19\x01" + separator)

    def digest(self, struct_hash: bytes) -> bytes:
        """The EIP-712 digest of a struct hash in this domain: what is signed, 32 bytes."""
        return keccak256(self._prefix + struct_hash)


def ticket_hash(
    domain: Domain,
    *,
    issuer: int,
    key_id: int,
    operator: int,
    serial: int,
    not_after: int,
    fare_cap: int,
    rider: bytes,
) -> bytes:
    """The ticket hash (section 2), 32 bytes: what an issuer signs. `rider` is the 20 bytes of a rider's address.

    Raises:
        MalformedError: a field that does not fit its type.
    """
    try:
        words = _TICKET_WORDS.pack(_TICKET_TYPE_HASH, issuer, key_id, operator, serial, not_after, fare_cap, rider)
    except StructError:
        words = b""
    if not words or serial > UINT40_MAX or len(rider) != 20:
        _refuse_ticket_fields(issuer, key_id, operator, serial, not_after, fare_cap, rider)
    return domain.digest(keccak256(words))


def batch_digest(domain: Domain, operator: int, batch_id: bytes) -> bytes:
    """What a submitter signs (section 5), 32 bytes.

    Raises:
        MalformedError: an operator that is no uint16, or a batch id that is not 32 bytes.
    """
    check_uint("operator", operator, UINT16_MAX)
    check_bytes("batch id", batch_id, 32)
    return domain.digest(keccak256(_BATCH_WORDS.pack(_BATCH_TYPE_HASH, operator, batch_id)))


def code_message(ticket_hash: bytes, shown_at: int) -> bytes:
    """What a rider key signs (section 3), 53 bytes; the signature's own hash is SHA-256.

    Raises:
        MalformedError: a hash that is not 32 bytes, or a time that is no uint32.
    """
    check_bytes("ticket hash", ticket_hash, 32)
    check_uint("shownAt", shown_at, UINT32_MAX)
    return _CODE_MESSAGE.pack(CODE_PREFIX, ticket_hash, shown_at)


def _refuse_ticket_fields(
    issuer: int, key_id: int, operator: int, serial: int, not_after: int, fare_cap: int, rider: bytes
) -> None:
    check_uint("issuer", issuer, UINT16_MAX)
    check_uint("keyId", key_id, UINT8_MAX)
    check_uint("operator", operator, UINT16_MAX)
    check_uint("serial", serial, UINT40_MAX)
    check_uint("notAfter", not_after, UINT32_MAX)
    check_uint("fareCap", fare_cap, UINT32_MAX)
    check_bytes("rider", rider, 20)
    raise MalformedError("expected the fields of a ticket, came others")
