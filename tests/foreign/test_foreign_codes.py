"""Tickets and codes of another vendor at our gate."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import qrcode
from qrcode.util import MODE_ALPHA_NUM, QRData

from tests.foreign.conftest import ForeignVendor, Gate, Json
from tests.support.deploy import City

pytestmark = pytest.mark.foreign

BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

# One byte of each field of a code (protocol sections 2 and 3): where it is, and why a code with another is refused.
FIELDS = {
    "version": (0, "unsupported_version"),
    "issuer": (2, "unknown_issuer"),
    "keyId": (3, "unknown_key"),
    "operator": (5, "wrong_operator"),
    "serial": (10, "bad_issuer_signature"),
    "notAfter": (14, "bad_issuer_signature"),
    "fareCap": (18, "bad_issuer_signature"),
    "riderKey": (19, "bad_issuer_signature"),  # the sign of y: the other point with this x
    "issuerSignature": (115, "bad_issuer_signature"),
    "shownAt": (119, "bad_rider_signature"),
    "riderSignature": (183, "bad_rider_signature"),
}


def base45(data: bytes) -> str:
    """Base45 of an even number of bytes, once more: neither the client's nor ours."""
    values = [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
    return "".join(BASE45[v % 45] + BASE45[v // 45 % 45] + BASE45[v // 2025] for v in values)


def altered(code: bytes, offset: int) -> str:
    """The QR text of a code of which one bit differs."""
    return "IL1:" + base45(code[:offset] + bytes([code[offset] ^ 1]) + code[offset + 1 :])


@pytest.fixture
def ticket(vendor: ForeignVendor, xuzhou: City, hangzhou: City) -> Json:
    return vendor.issue(xuzhou, hangzhou, [1])[0]


def test_a_foreign_ticket_opens_our_gate_at_the_entry_and_at_the_exit(
    vendor: ForeignVendor, gate: Gate, ticket: Json, xuzhou: City, hangzhou: City
) -> None:
    now = int(time.time())
    entry, exit_ = vendor.show(ticket, now - 10, now)

    entered, [at_entry] = gate.scan("entry", 2, entry["text"])
    left, [at_exit] = gate.scan("exit", 9, exit_["text"])

    for status, answer in ((entered, at_entry), (left, at_exit)):
        assert status == 0
        assert (answer["decision"], answer["reason"]) == ("accept", "accepted")
        assert (answer["issuer"], answer["operator"], answer["serial"]) == (xuzhou.code, hangzhou.code, 1)
        assert answer["ticket_hash"] == ticket["ticketHash"]


def test_a_foreign_code_is_read_from_its_qr_symbol_of_version_10(
    vendor: ForeignVendor, gate: Gate, ticket: Json, tmp_path: Path
) -> None:
    [code] = vendor.show(ticket, int(time.time()))
    symbol = qrcode.QRCode(version=10, error_correction=qrcode.ERROR_CORRECT_M)
    symbol.add_data(QRData(code["text"], mode=MODE_ALPHA_NUM))
    symbol.make(fit=False)
    picture = tmp_path / "phone.png"
    symbol.make_image().save(picture)

    status, [answer] = gate.run("scan", "--direction", "entry", "--json", str(picture))

    assert len(code["text"]) == 280
    assert (status, answer["reason"]) == (0, "accepted")
    assert answer["ticket_hash"] == ticket["ticketHash"]


def test_a_foreign_code_of_which_one_field_differs_is_refused_with_that_fields_reason(
    vendor: ForeignVendor, gate: Gate, ticket: Json
) -> None:
    [code] = vendor.show(ticket, int(time.time()))
    data = bytes.fromhex(code["code"][2:])
    texts = [altered(data, offset) for offset, _ in FIELDS.values()]

    status, answers = gate.run("scan", "--direction", "entry", "--json", "-", lines=[*texts, code["text"]])

    *refused, unaltered = answers
    assert status == 1
    assert dict(zip(FIELDS, [answer["reason"] for answer in refused], strict=True)) == {
        field: reason for field, (_, reason) in FIELDS.items()
    }
    assert unaltered["decision"] == "accept"


def test_a_foreign_code_of_which_any_byte_differs_is_refused(vendor: ForeignVendor, gate: Gate, ticket: Json) -> None:
    [code] = vendor.show(ticket, int(time.time()))
    data = bytes.fromhex(code["code"][2:])
    texts = [altered(data, offset) for offset in range(len(data))]

    _, answers = gate.run("scan", "--direction", "entry", "--json", "-", lines=texts)

    assert len(answers) == 184
    assert {answer["decision"] for answer in answers} == {"reject"}


def test_a_foreign_code_signed_by_another_city_is_refused(
    vendor: ForeignVendor, gate: Gate, shanghai: City, xuzhou: City, hangzhou: City
) -> None:
    [ticket] = vendor.issue(shanghai, hangzhou, [2])
    [code] = vendor.show(ticket, int(time.time()))
    data = bytearray.fromhex(code["code"][2:])
    data[1:3] = xuzhou.code.to_bytes(2, "big")

    _, [answer] = gate.scan("entry", 1, "IL1:" + base45(bytes(data)))

    assert (answer["decision"], answer["reason"]) == ("reject", "bad_issuer_signature")
