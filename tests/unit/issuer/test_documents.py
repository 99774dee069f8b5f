"""What the commands read: rider keys and tickets, as lines or as JSON; and lengths of time."""

import json
from typing import Any

import pytest

from issuer_client.documents import read_rider_keys, read_tickets, rider_key, ticket_document, to_hex
from issuer_client.durations import parse_duration
from issuer_client.errors import RiderKeyError, WalletError
from issuer_client.office import TicketOffice

from .conftest import HANGZHOU, rider_keys


def test_rider_keys_are_read_from_lines_and_from_json() -> None:
    keys = rider_keys(3)
    lines = [to_hex(keys[0]), keys[1].hex(), keys[2].hex().upper()]
    assert read_rider_keys("\n".join(lines)) == keys
    assert read_rider_keys("\r\n\r\n".join(lines) + "\n") == keys
    assert read_rider_keys(json.dumps(lines)) == keys
    assert read_rider_keys(json.dumps({"rider_keys": lines}, indent=2)) == keys
    assert read_rider_keys("\n") == []


@pytest.mark.parametrize("text", ["0x", "0x123", "no key", "0x02zz", "０２"])
def test_what_is_not_hexadecimal_is_no_rider_key(text: str) -> None:
    with pytest.raises(RiderKeyError, match="rider key: expected the 33 bytes"):
        rider_key(text)


@pytest.mark.parametrize("text", ["{", '{"keys": []}', '{"rider_keys": 5}', "[1]", "[null]", "[[]]", "[" * 100_000])
def test_other_json_holds_no_rider_keys(text: str) -> None:
    with pytest.raises(RiderKeyError, match="expected"):
        read_rider_keys(text)


def test_tickets_are_read_from_lines_and_from_json(office: TicketOffice) -> None:
    tickets = office.issue(HANGZHOU, rider_keys(3))
    documents = [ticket_document(ticket, office.config.domain) for ticket in tickets]
    assert read_tickets("\n".join(document["ticket"] for document in documents)) == tickets
    assert read_tickets(json.dumps({"issuer": 3203, "tickets": documents})) == tickets
    assert read_tickets(json.dumps(documents)) == tickets


def test_a_ticket_document_says_what_the_ticket_says(office: TicketOffice) -> None:
    (ticket,) = office.issue(HANGZHOU, rider_keys(1))
    assert ticket_document(ticket, office.config.domain) == {
        "clearinghouse": "0x0102030405060708090a0B0c0d0e0f1011121314",
        "issuer": 3203,
        "key_id": 1,
        "operator": 3301,
        "serial": ticket.serial,
        "not_after": ticket.not_after,
        "fare_cap": ticket.fare_cap,
        "rider_key": "0x" + ticket.rider_key.hex(),
        "ticket_hash": "0x" + ticket.hash(office.config.domain).hex(),
        "ticket": "0x" + ticket.to_bytes().hex(),
    }


def changed(data: bytes, position: int, value: int) -> bytes:
    return data[:position] + bytes([value]) + data[position + 1 :]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], "expected 116 bytes, came 115"),
        (lambda data: changed(data, 0, 2), "expected version 1, came 2"),
        (lambda data: data[:4] + data[1:3] + data[6:], "expected another city than the issuer"),
        (lambda data: changed(data, 19, 5), "point of P-256"),
    ],
)
def test_what_is_no_ticket_is_refused(office: TicketOffice, change: Any, message: str) -> None:
    good, bad = office.issue(HANGZHOU, rider_keys(2))
    with pytest.raises(WalletError, match=f"ticket 2: .*{message}"):
        read_tickets(f"{good.to_bytes().hex()}\n{change(bad.to_bytes()).hex()}\n")


@pytest.mark.parametrize("text", ["0x01zz", '[{"serial": 1}]', '[{"ticket": 5}]', '{"tickets": {}}', "[5]"])
def test_what_is_not_in_hexadecimals_is_no_ticket(text: str) -> None:
    with pytest.raises(WalletError, match="expected"):
        read_tickets(text)


@pytest.mark.parametrize(("text", "seconds"), [("7d", 604_800), ("12h", 43_200), ("30m", 1_800), ("90s", 90), ("5", 5)])
def test_a_length_of_time_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "0", "0d", "-1", "1.5h", "7 d", "7w", "7D", "1d1h", "99999999999"])
def test_anything_else_is_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="expected a length of time like 7d"):
        parse_duration(text)
