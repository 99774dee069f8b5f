"""Codes: the bytes, the text, and section 4 step 1 in its order."""

import pickle
from dataclasses import replace

import base45
import pytest

from interline.code import CODE_BYTES, Code, bytes_from_text, sign_code
from interline.domain import Domain, code_message
from interline.errors import MalformedError, UnsupportedVersionError
from interline.rider_keys import RiderPrivateKey
from interline.ticket import Ticket

from .conftest import NOON
from .strategies import P256_ORDER


def text_of(data: bytes) -> str:
    encoded: bytes = base45.b45encode(data)
    return "IL1:" + encoded.decode()


def malformed(text: str) -> str:
    """Why the text is refused as malformed, and as nothing else."""
    with pytest.raises(MalformedError) as refused:
        Code.from_text(text)
    assert type(refused.value) is MalformedError
    return str(refused.value)


def test_a_code_is_its_ticket_the_time_and_the_riders_signature(code: Code, ticket: Ticket) -> None:
    data = code.to_bytes()
    assert len(data) == CODE_BYTES == 184
    assert data == ticket.to_bytes() + bytes.fromhex("5de33ac0") + code.rider_signature


def test_a_code_can_be_sent_to_another_process(code: Code) -> None:
    again = pickle.loads(pickle.dumps(code))
    assert again == code
    assert again.rider.address == code.ticket.rider


def test_the_message_of_a_code_is_53_bytes(domain: Domain, ticket: Ticket) -> None:
    message = code_message(ticket.hash(domain), 0x01020304)
    assert message == b"Interline code v1" + ticket.hash(domain) + b"\x01\x02\x03\x04"
    assert len(message) == 53


@pytest.mark.parametrize("shown_at", [-1, 2**32, 1.5, True])
def test_a_time_beyond_its_range_is_refused(domain: Domain, ticket: Ticket, code: Code, shown_at: int) -> None:
    with pytest.raises(MalformedError, match="shownAt: expected an integer from 0 to 4294967295"):
        code_message(ticket.hash(domain), shown_at)
    with pytest.raises(MalformedError, match="shownAt: expected an integer from 0 to 4294967295"):
        replace(code, shown_at=shown_at)


def test_the_rider_signed_this_ticket_at_this_time(domain: Domain, code: Code, ticket: Ticket) -> None:
    ticket_hash = ticket.hash(domain)
    assert code.rider.verify(code_message(ticket_hash, NOON), code.rider_signature)
    # Mistake 13: a code is made anew for each moment, by a key that never leaves the phone.
    assert not code.rider.verify(code_message(ticket_hash, NOON + 1), code.rider_signature)
    other = replace(ticket, serial=ticket.serial + 1)
    assert not code.rider.verify(code_message(other.hash(domain), NOON), code.rider_signature)


def test_a_riders_signature_turned_round_verifies_and_names_the_same_ticket(domain: Domain, code: Code) -> None:
    # Mistakes 9 and 15: anyone can make other bytes of a code with the other half's s. What is spent is the ticket.
    s = int.from_bytes(code.rider_signature[32:], "big")
    turned = replace(code, rider_signature=code.rider_signature[:32] + (P256_ORDER - s).to_bytes(32, "big"))
    assert Code.from_bytes(turned.to_bytes()) != code
    assert turned.ticket.hash(domain) == code.ticket.hash(domain)
    assert turned.rider.verify(code_message(turned.ticket.hash(domain), NOON), turned.rider_signature)


def test_a_thiefs_code_does_not_verify(domain: Domain, ticket: Ticket) -> None:
    copied = sign_code(domain, ticket, RiderPrivateKey.generate(), NOON)
    assert not copied.rider.verify(code_message(ticket.hash(domain), NOON), copied.rider_signature)


def test_a_picture_of_something_else_is_malformed() -> None:
    assert "expected text that begins with IL1:, came 'https://exam'" in malformed("https://example.org/")


@pytest.mark.parametrize("prefix", ["", "IL1", "il1:", "IL2:", " IL1:", "IL1;"])
def test_only_the_prefix_itself_is_the_prefix(code: Code, prefix: str) -> None:
    assert "expected text that begins with IL1:" in malformed(prefix + code.to_text()[4:])


def test_lower_case_is_not_base45(code: Code) -> None:
    assert "expected base45" in malformed("IL1:" + code.to_text()[4:].lower())


@pytest.mark.parametrize("strange", ["_", ",", "é", "中", "\x00", "\n", "\r", "\t", "\ud800", "４"])
def test_a_character_outside_of_base45_is_malformed(code: Code, strange: str) -> None:
    text = code.to_text()
    assert "expected base45" in malformed(text[:100] + strange + text[101:])


@pytest.mark.parametrize("rest", [":::", "GGW", "::", "V5", "A", "AAAA"])
def test_digits_that_stand_for_no_bytes_are_malformed(rest: str) -> None:
    # RFC 9285, section 6: "GGW" would be 65,536 and "V5" 256; one lone character stands for nothing.
    with pytest.raises(MalformedError, match="expected base45"):
        bytes_from_text("IL1:" + rest)


@pytest.mark.parametrize("text", ["IL1:", "IL1:\n", "IL1:\r\n"])
def test_nothing_behind_the_prefix_is_malformed(text: str) -> None:
    assert "came nothing" in malformed(text)


@pytest.mark.parametrize("version", [0, 2, 255])
@pytest.mark.parametrize("length", [1, 2, 183, 184, 185, 500])
def test_another_version_is_unsupported_whatever_its_length(code: Code, version: int, length: int) -> None:
    # Mistake 3: the version is asked before the length.
    data = bytes((version,)) + code.to_bytes().ljust(length, b"\0")[1:length]
    with pytest.raises(UnsupportedVersionError, match=f"expected version 1, came {version}"):
        Code.from_text(text_of(data))


def test_another_version_of_a_newer_alphabet_is_malformed_first(code: Code) -> None:
    assert "expected base45" in malformed(text_of(b"\x02" + code.to_bytes()[1:]) + "é")


@pytest.mark.parametrize("length", [1, 115, 116, 117, 120, 183, 185, 248])
def test_another_length_is_malformed(code: Code, length: int) -> None:
    # Mistake 1: 116 bytes are a genuine ticket whose second signature was stripped. It is no code.
    data = (code.to_bytes() + bytes(64))[:length]
    assert f"expected 184 bytes, came {length}" in malformed(text_of(data))


def test_a_ticket_of_the_operators_own_is_malformed(code: Code) -> None:
    data = bytearray(code.to_bytes())
    data[1:3] = data[4:6]
    assert "expected another city than the issuer, came 3301" in malformed(text_of(bytes(data)))


@pytest.mark.parametrize(
    "key",
    [
        b"\x00" + bytes(32),
        b"\x02" + b"\xff" * 32,  # not below the field's prime
        b"\x04" + bytes(31) + b"\x01",
        b"\x02" + bytes(31) + b"\x01",  # no square root
    ],
    ids=["infinity", "beyond the prime", "uncompressed", "off the curve"],
)
def test_a_rider_key_that_is_no_point_is_malformed(code: Code, key: bytes) -> None:
    data = code.to_bytes()
    assert "expected a compressed point of P-256" in malformed(text_of(data[:19] + key + data[52:]))


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r", "\n\n"])
def test_a_scanners_line_end_is_no_part_of_the_code(code: Code, ending: str) -> None:
    assert Code.from_text(code.to_text() + ending) == code


def test_a_space_is_data_and_never_stripped(code: Code) -> None:
    assert bytes_from_text("IL1: 50") == b"\x01\x05"
    # At the end it is a digit too many (no group of base45 ends in one: 36 * 2025 > 65535), and no line end.
    for ending in (" ", " \n", "\n ", "\t"):
        assert "expected base45" in malformed(code.to_text() + ending)
