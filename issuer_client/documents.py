"""The JSON that the commands write, and what they read: rider keys and tickets, as JSON or as lines of hexadecimals."""

import json
import re
from typing import Any

from interline.code import Code
from interline.domain import Domain
from interline.errors import MalformedError
from interline.signatures import to_checksum
from interline.ticket import Ticket
from issuer_client.errors import RefusedError, RiderKeyError, WalletError
from issuer_client.register import IssuedTicket

_HEX = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2})+)")


def to_hex(data: bytes) -> str:
    """Bytes as lowercase hexadecimals after 0x."""
    return f"0x{data.hex()}"


def ticket_document(ticket: Ticket, domain: Domain) -> dict[str, Any]:
    """A ticket as JSON: where it counts, its fields, `ticket_hash`, and `ticket`, the 116 bytes."""
    return {
        "clearinghouse": to_checksum(domain.clearinghouse),
        "issuer": ticket.issuer,
        "key_id": ticket.key_id,
        "operator": ticket.operator,
        "serial": ticket.serial,
        "not_after": ticket.not_after,
        "fare_cap": ticket.fare_cap,
        "rider_key": to_hex(ticket.rider_key),
        "ticket_hash": to_hex(ticket.hash(domain)),
        "ticket": to_hex(ticket.to_bytes()),
    }


def issued_document(issued: IssuedTicket) -> dict[str, Any]:
    """A ticket of the register as JSON: as `ticket_document`, and `issued_at`, Unix seconds."""
    return ticket_document(issued.ticket, issued.domain) | {"issued_at": issued.issued_at}


def code_document(code: Code, domain: Domain, png: str | None) -> dict[str, Any]:
    """A code as JSON: which ticket, `shown_at`, `text` (what the QR symbol holds), and the file it was written to."""
    return {
        "issuer": code.ticket.issuer,
        "operator": code.ticket.operator,
        "serial": code.ticket.serial,
        "not_after": code.ticket.not_after,
        "ticket_hash": to_hex(code.ticket.hash(domain)),
        "shown_at": code.shown_at,
        "text": code.to_text(),
        "png": png,
    }


def read_rider_keys(text: str) -> list[bytes]:
    """The rider keys in `text`: one in hexadecimals on each line, or the JSON of `wallet new-keys --json`.

    Raises:
        RiderKeyError: it is neither.
    """
    return [rider_key(item) for item in _items(text, "rider_keys", RiderKeyError)]


def rider_key(text: str) -> bytes:
    """The bytes of one rider key in hexadecimals, with or without 0x. Whether it is one, the office finds.

    Raises:
        RiderKeyError: it is not hexadecimal.
    """
    return _bytes(text, "rider key: expected the 33 bytes of a compressed P-256 point", RiderKeyError)


def read_tickets(text: str) -> list[Ticket]:
    """The tickets in `text`: one in hexadecimals on each line, or the JSON of `issue --json` or `tickets --json`.

    Raises:
        WalletError: it is neither, or one of them is no ticket.
    """
    tickets = []
    for position, item in enumerate(_items(text, "tickets", WalletError), start=1):
        data = item.get("ticket") if isinstance(item, dict) else item
        try:
            tickets.append(Ticket.from_bytes(_bytes(data, "ticket: expected its 116 bytes", WalletError)))
        except MalformedError as error:
            raise WalletError(f"ticket {position}: {error}; ask the issuer for it again") from None
    return tickets


def _items(text: str, name: str, refused: type[RefusedError]) -> list[Any]:
    """The items of a list, of an object's list `name`, or, if it isn't JSON, the lines that aren't empty."""
    if text.lstrip()[:1] not in ("{", "["):
        return text.split()
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise refused(f"{name}: expected JSON or lines of hexadecimals, came {error}; send it again") from None
    items = document.get(name) if isinstance(document, dict) else document
    if not isinstance(items, list):
        raise refused(f"{name}: expected a list under this name, came {type(items).__name__}; send it again")
    return items


def _bytes(item: object, expected: str, refused: type[RefusedError]) -> bytes:
    match = _HEX.fullmatch(item) if isinstance(item, str) else None
    if match is None:
        shown = repr(item)
        raise refused(
            f"{expected}, in hexadecimals, came {shown if len(shown) <= 80 else shown[:80] + '...'}; send it again"
        )
    return bytes.fromhex(match[1])
