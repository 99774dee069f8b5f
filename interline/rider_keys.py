"""P-256: the keys on riders' phones, one per ticket (protocol sections 1 to 3).

Signatures are ECDSA with SHA-256 as r || s, 64 bytes (IEEE P1363, what WebCrypto gives), s in either half.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from interline.errors import MalformedError
from interline.fields import check_bytes
from interline.hashing import keccak256

RIDER_KEY_BYTES: Final = 33
RIDER_SIGNATURE_BYTES: Final = 64
SCALAR_BYTES: Final = 32

_CURVE: Final = ec.SECP256R1()
_ECDSA: Final = ec.ECDSA(SHA256())


@dataclass(frozen=True, slots=True)
class RiderPublicKey:
    """A rider key: `data` is the compressed point (SEC 1, 33 bytes), `x` and `y` its coordinates (32 bytes each).

    `address` is the last 20 bytes of keccak256(x || y): the `rider` of tickets and rides (section 2).

    Raises:
        MalformedError: `data` is no point of the curve.
    """

    data: bytes
    x: bytes = field(init=False, compare=False, repr=False)
    y: bytes = field(init=False, compare=False, repr=False)
    address: bytes = field(init=False, compare=False, repr=False)
    _key: ec.EllipticCurvePublicKey = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_bytes("rider key", self.data, RIDER_KEY_BYTES)
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, self.data)
        except ValueError:
            raise MalformedError(f"rider key: expected a compressed point of P-256, came {self.data.hex()}") from None
        point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
        object.__setattr__(self, "x", point[:32])
        object.__setattr__(self, "y", point[32:])
        object.__setattr__(self, "address", keccak256(point)[12:])
        object.__setattr__(self, "_key", key)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The rider key of 33 bytes.

        Raises:
            MalformedError: they are no point of the curve.
        """
        return cls(data)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Did this key sign the message? `signature` is r || s; of any other length, it did not."""
        if len(signature) != RIDER_SIGNATURE_BYTES:
            return False
        der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        try:
            self._key.verify(der, message, _ECDSA)
        except InvalidSignature:
            return False
        return True

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.data,)


class RiderPrivateKey:
    """A rider's private key, for wallets that have no secure element to keep it in."""

    __slots__ = ("_key", "public")

    public: RiderPublicKey

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = RiderPublicKey(key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint))

    @classmethod
    def generate(cls) -> Self:
        """A fresh key, for one ticket."""
        return cls(ec.generate_private_key(_CURVE))

    @classmethod
    def from_scalar(cls, scalar: bytes) -> Self:
        """The key of a private number of 32 bytes.

        Raises:
            MalformedError: not 32 bytes, zero, or not below the curve's order.
        """
        check_bytes("rider private key", scalar, SCALAR_BYTES)
        try:
            return cls(ec.derive_private_key(int.from_bytes(scalar, "big"), _CURVE))
        except ValueError:
            raise MalformedError(
                "rider private key: expected a number from 1 to the order of P-256 less one, came one outside"
            ) from None

    def to_scalar(self) -> bytes:
        """The private number, 32 bytes. A secret: whoever has it can ride."""
        return self._key.private_numbers().private_value.to_bytes(SCALAR_BYTES, "big")

    def sign(self, message: bytes) -> bytes:
        """Signs a message: r || s, 64 bytes."""
        r, s = decode_dss_signature(self._key.sign(message, _ECDSA))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def __repr__(self) -> str:
        return f"RiderPrivateKey(public={self.public.data.hex()})"
