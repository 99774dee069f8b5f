"""Codes: what the rider's phone shows, as bytes and as the text of a QR symbol (protocol section 3)."""

from dataclasses import dataclass
from typing import Final, Self

from base45 import b45decode, b45encode

from interline.domain import Domain, code_message
from interline.errors import MalformedError
from interline.fields import UINT32_MAX, check_bytes, check_uint
from interline.rider_keys import RIDER_SIGNATURE_BYTES, RiderPrivateKey, RiderPublicKey
from interline.ticket import TICKET_BYTES, Ticket, check_version

CODE_BYTES: Final = 184
TEXT_PREFIX: Final = "IL1:"

_SIGNATURE_AT: Final = CODE_BYTES - RIDER_SIGNATURE_BYTES


@dataclass(frozen=True, slots=True)
class Code:
    """A ticket, the time at which the phone showed it (Unix seconds), and the rider's signature over both (r || s).

    The signature need not be a right one: `rider` is the key to check it with.

    Raises:
        MalformedError: a time that is no uint32, or a signature that is not 64 bytes.
    """

    ticket: Ticket
    shown_at: int
    rider_signature: bytes

    def __post_init__(self) -> None:
        check_uint("shownAt", self.shown_at, UINT32_MAX)
        check_bytes("riderSignature", self.rider_signature, RIDER_SIGNATURE_BYTES)

    @property
    def rider(self) -> RiderPublicKey:
        """The ticket's rider key."""
        return self.ticket.rider_public_key

    def to_bytes(self) -> bytes:
        """The code's 184 bytes."""
        return self.ticket.to_bytes() + self.shown_at.to_bytes(4, "big") + self.rider_signature

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The code of 184 bytes, checked in the order of section 4, step 1.

        Raises:
            UnsupportedVersionError: the first byte is not 1, whatever the length.
            MalformedError: nothing in it, another length, operator = issuer, or a rider key that is no point.
        """
        check_version("code", data)
        if len(data) != CODE_BYTES:
            raise MalformedError(f"code: expected {CODE_BYTES} bytes, came {len(data)}")
        return cls(
            Ticket.from_bytes(data[:TICKET_BYTES]),
            int.from_bytes(data[TICKET_BYTES:_SIGNATURE_AT], "big"),
            data[_SIGNATURE_AT:],
        )

    def to_text(self) -> str:
        """The text of the QR symbol: IL1: and the bytes in base45, 280 characters."""
        encoded: bytes = b45encode(self.to_bytes())
        return TEXT_PREFIX + encoded.decode("ascii")

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The code in the text of a QR symbol, line ends behind it taken off; a space there is data.

        Raises:
            UnsupportedVersionError: the first byte is not 1, whatever the length.
            MalformedError: no `IL1:`, not base45, or what :meth:`from_bytes` refuses.
        """
        return cls.from_bytes(bytes_from_text(text))


def bytes_from_text(text: str) -> bytes:
    """The bytes in the text of a QR symbol, of whatever length and version.

    Raises:
        MalformedError: no `IL1:` before them, or not base45 (RFC 9285).
    """
    if not text.startswith(TEXT_PREFIX):
        raise MalformedError(f"code: expected text that begins with {TEXT_PREFIX}, came {text[:12]!r}")
    try:
        # As bytes: given a str, the library would drop line ends of its own.
        data: bytes = b45decode(text.rstrip("\r\n")[len(TEXT_PREFIX) :].encode("ascii"))
    except ValueError:
        raise MalformedError(f"code: expected base45 (RFC 9285) after {TEXT_PREFIX}, came {_shorten(text)!r}") from None
    return data


def sign_code(domain: Domain, ticket: Ticket, rider_private_key: RiderPrivateKey, shown_at: int) -> Code:
    """The code that a phone shows at `shown_at` (Unix seconds).

    The key isn't compared with the ticket's: a gate refuses a code signed with another one.

    Raises:
        MalformedError: a time that is no uint32.
    """
    return Code(ticket, shown_at, rider_private_key.sign(code_message(ticket.hash(domain), shown_at)))


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else text[:40] + "…"
