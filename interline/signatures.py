"""secp256k1: the signatures of issuers and submitters, and the addresses that stand for their keys.

Compact form (EIP-2098): 64 bytes, r, then yParity in the top bit of s.
"""

import re
from typing import Final

from interline.errors import MalformedError
from interline.hashing import keccak256

try:
    from coincurve import PrivateKey, PublicKey
except ImportError as error:
    raise ImportError(
        "expected the package coincurve (libsecp256k1), which is not installed: pip install coincurve. "
        "Without it one signature check costs 6.5 ms instead of 0.06 ms"
    ) from error

SIGNATURE_BYTES: Final = 64
ADDRESS_BYTES: Final = 20
PRIVATE_KEY_BYTES: Final = 32
DIGEST_BYTES: Final = 32

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_PARITY_BIT: Final = 0x80


def sign_compact(private_key: bytes, digest: bytes) -> bytes:
    """Signs a digest of 32 bytes: 64 bytes, s in the lower half; always the same for the same input (RFC 6979).

    Raises:
        MalformedError: the key is none of secp256k1's, or the digest not 32 bytes.
    """
    _check_digest(digest)
    signature: bytes = _load_private_key(private_key).sign_recoverable(digest, hasher=None)
    # A nonce whose x is not below the group's order (2^-127) gives a recovery id of 2 or 3, which the form can't carry.
    parity = signature[64]
    if parity > 1:
        raise MalformedError(f"expected a recovery id of 0 or 1, came {parity}: sign something else")
    return signature[:32] + bytes((signature[32] | parity << 7,)) + signature[33:64]


def recover_address(digest: bytes, signature: bytes) -> bytes | None:
    """Who signed a digest: the 20 bytes of an address, or None if no key could have made this signature.

    Takes s in either half, as the chain does: what is spent once is the serial, never a signature (section 2).
    A signature that is not 64 bytes has no signer: None.

    Raises:
        MalformedError: the digest is not 32 bytes.
    """
    _check_digest(digest)
    if len(signature) != SIGNATURE_BYTES:
        return None
    top = signature[32]
    recoverable = b"%b%c%b%c" % (signature[:32], top & 0x7F, signature[33:], top >> 7)
    try:
        public = PublicKey.from_signature_and_message(recoverable, digest, hasher=None)
    except ValueError:
        return None
    return _address_of_point(public)


def address_of(private_key: bytes) -> bytes:
    """The 20 bytes of the address of a private key of 32 bytes.

    Raises:
        MalformedError: the key is none of secp256k1's.
    """
    return _address_of_point(_load_private_key(private_key).public_key)


def to_checksum(address: bytes) -> str:
    """An address of 20 bytes as people see it: 0x and hex, with the checksum of EIP-55 in its capitals.

    Raises:
        MalformedError: not 20 bytes.
    """
    if len(address) != ADDRESS_BYTES:
        raise MalformedError(f"address: expected {ADDRESS_BYTES} bytes, came {len(address)}")
    digits = address.hex()
    capitals = keccak256(digits.encode("ascii")).hex()
    return "0x" + "".join(
        digit.upper() if capital >= "8" else digit for digit, capital in zip(digits, capitals, strict=False)
    )


def parse_address(text: str) -> bytes:
    """The 20 bytes of an address: 0x and 40 hex digits, all of one case or with a right EIP-55 checksum.

    Raises:
        MalformedError: anything else.
    """
    if not isinstance(text, str) or _ADDRESS.fullmatch(text) is None:
        raise MalformedError(f"address: expected 0x and 40 hex digits, came {text!r}")
    digits = text[2:]
    address = bytes.fromhex(digits)
    if digits not in (digits.lower(), digits.upper()) and text != to_checksum(address):
        raise MalformedError(
            f"address: expected the EIP-55 checksum {to_checksum(address)}, came {text}: a digit is wrong, or write "
            "it in lower case"
        )
    return address


def _check_digest(digest: bytes) -> None:
    if len(digest) != DIGEST_BYTES:
        raise MalformedError(f"digest: expected {DIGEST_BYTES} bytes, came {len(digest)}")


def _load_private_key(private_key: bytes) -> PrivateKey:
    # The messages never carry the key.
    if len(private_key) != PRIVATE_KEY_BYTES:
        raise MalformedError(f"private key: expected {PRIVATE_KEY_BYTES} bytes, came {len(private_key)}")
    try:
        return PrivateKey(private_key)
    except ValueError:
        raise MalformedError(
            "private key: expected a number from 1 to the order of secp256k1 less one, came one outside"
        ) from None


def _address_of_point(public: PublicKey) -> bytes:
    return keccak256(public.format(compressed=False)[1:])[12:]
