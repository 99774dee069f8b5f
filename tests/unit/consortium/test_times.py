"""Times as administrators write and read them."""

import pytest

from consortium.act_options import parse_reference, parse_serials
from consortium.errors import InputError
from consortium.times import format_length, format_moment, parse_length, parse_moment
from interline.cities import NO_END

NOON = 1_575_172_800
"""2019-12-01 12:00 in Xuzhou."""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", NOON),
        ("+7d", NOON + 7 * 86_400),
        ("1575172801", NOON + 1),
        ("2019-12-01T12:00:00+08:00", NOON),
        ("2019-12-01T04:00:00Z", NOON),
    ],
)
def test_a_moment_is_read(text: str, seconds: int) -> None:
    assert parse_moment(text, NOON) == seconds


@pytest.mark.parametrize("text", ["2019-12-01T12:00:00", "2019-12-01", "tomorrow", "+", "-5", ""])
def test_what_is_no_moment_or_has_no_offset_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected"):
        parse_moment(text, NOON)


def test_times_are_shown_for_people() -> None:
    assert format_moment(NOON) == "2019-12-01 04:00:00 UTC"
    assert format_moment(NO_END) == "no end"
    assert format_length(parse_length("30d")) == "30 days"
    assert format_length(5_400) == "1 hour 30 minutes"
    assert format_length(90_061) == "1 day 1 hour"
    assert format_length(0) == "0 seconds"


def test_serials_are_read_with_ranges_each_once() -> None:
    assert parse_serials(["7-9", "5", "8"]) == [5, 7, 8, 9]


@pytest.mark.parametrize("text", ["9-7", "a", "5-", "-5", "1099511627776", "0-100000", "٣"])
def test_what_is_no_serial_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected"):
        parse_serials([text])


def test_a_reference_is_text_or_hexadecimal_digits_of_32_bytes_at_most() -> None:
    assert parse_reference("CNAPS 1") == b"CNAPS 1".ljust(32, b"\0")
    assert parse_reference("0x0102") == b"\1\2".ljust(32, b"\0")
    assert parse_reference("") == bytes(32)
    for text in ("0x01020", "x" * 33):
        with pytest.raises(InputError, match="expected a reference"):
            parse_reference(text)
