"""Bank references as people read them."""

import pytest

from ledger.bank_reference import reference_text


@pytest.mark.parametrize("text", ["ICBC 2019-12-09 0007", "工行 0007", "x" * 32])
def test_text_is_shown_as_it_was_written(text: str) -> None:
    assert reference_text(text.encode().ljust(32, b"\0")) == text


def test_no_reference_is_none() -> None:
    assert reference_text(bytes(32)) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff" * 32,
        b"a\0b".ljust(32, b"\0"),
        b"a\nb".ljust(32, b"\0"),
        b" a".ljust(32, b"\0"),
        b"0xab".ljust(32, b"\0"),
    ],
)
def test_bytes_that_are_no_text_are_shown_as_digits(raw: bytes) -> None:
    assert reference_text(raw) == "0x" + raw.hex()
