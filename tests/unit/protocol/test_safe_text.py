"""Texts and times of strangers, made safe to show."""

from __future__ import annotations

import unicodedata
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interline.naming import find_city
from interline.safe_text import (
    MOST_CHARACTERS,
    moment_of,
    moment_text,
    safe_text,
    short_hex,
    short_name,
    text_of,
)
from tests.support.hostile import BIDI, LARGEST, TEXTS, YEAR_10000

SHANGHAI = ZoneInfo("Asia/Shanghai")


def test_honest_names_stay_as_they_are() -> None:
    for name in ("Shanghai", "上海", "Ürümqi", "São Paulo", "Nice-Côte d'Azur", "(a) [b] {c}", "Đà Nẵng"):
        assert text_of(name.encode()) == name
        assert safe_text(name) == name
        assert short_name(name) == name


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"Shanghai\xff", r"Shanghai\xff"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        (b"a\nb", r"a\x0ab"),
        (b"a\0b", r"a\x00b"),
        ("a\x85b".encode(), r"a\u0085b"),
        (b"\x1b[2J", r"\x1b[2J"),
        ("a\N{RIGHT-TO-LEFT OVERRIDE}b".encode(), r"a\u202eb"),
        ("\U000e0041".encode(), r"\U000e0041"),
        (b"a\\xff", r"a\\xff"),
        (b" a", r"\x20a"),
        (b"a ", r"a\x20"),
        (b"a  b", r"a \x20b"),
        (b"", ""),
    ],
)
def test_what_cannot_be_shown_stands_as_an_escape(raw: bytes, shown: str) -> None:
    assert text_of(raw) == shown


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_text_is_safe(name: str) -> None:
    shown = text_of(TEXTS[name])
    assert shown.isprintable()
    assert not set(shown) & set(BIDI)
    assert len(shown) <= MOST_CHARACTERS + 120
    assert safe_text(shown) == shown
    shown.encode("utf-8")
    assert len(short_name(shown)) <= 64
    assert short_name(shown)


def test_no_two_texts_of_the_corpus_look_the_same() -> None:
    assert len({text_of(text) for text in TEXTS.values()}) == len(TEXTS)


@given(one=st.binary(max_size=40), other=st.binary(max_size=40))
def test_two_texts_that_differ_are_shown_differently(one: bytes, other: bytes) -> None:
    assert (text_of(one) == text_of(other)) == (one == other)


@given(text=st.text(max_size=200))
def test_making_a_text_safe_twice_changes_nothing(text: str) -> None:
    shown = safe_text(text)
    assert safe_text(shown) == shown
    assert shown.isprintable()
    assert unicodedata.category(shown[:1] or "a") not in ("Mn", "Me")


def test_of_a_long_text_the_beginning_is_shown_with_its_length_and_hash() -> None:
    one, other = b"A" * 100_000, b"A" * 99_999 + b"B"
    assert text_of(one).startswith("A" * MOST_CHARACTERS + "… (100,000 bytes, keccak256 0x")
    assert text_of(one) != text_of(other)


def test_bytes_are_cut_with_their_length_and_hash() -> None:
    assert short_hex(b"\1\2") == "0x0102"
    assert short_hex(b"\1" * 65).startswith(f"0x{'01' * 64}… (65 bytes, keccak256 0x")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (1_575_172_800, "2019-12-01 04:00:00 UTC"),
        (0, "1970-01-01 00:00:00 UTC"),
        (-1, "1969-12-31 23:59:59 UTC"),
        (YEAR_10000 - 1, "9999-12-31 23:59:59 UTC"),
        (YEAR_10000, f"far future (second {YEAR_10000})"),
        (2**40 - 2, f"far future (second {2**40 - 2})"),
        (2**40 - 1, "no end"),
        (2**40, f"far future (second {2**40})"),
        (2**63, f"far future (second {2**63})"),
        (LARGEST, f"far future (second {LARGEST})"),
        (-LARGEST, f"far past (second {-LARGEST})"),
    ],
)
def test_any_number_is_a_time_in_words(seconds: int, shown: str) -> None:
    assert moment_text(seconds) == shown


def test_a_time_that_a_clock_in_the_east_no_longer_shows_is_far() -> None:
    assert moment_of(YEAR_10000 - 1, UTC) is not None
    assert moment_of(YEAR_10000 - 1, SHANGHAI) is None
    assert moment_text(YEAR_10000 - 1, "%Y", SHANGHAI) == f"far future (second {YEAR_10000 - 1})"


def test_nobody_takes_a_members_place_by_a_name() -> None:
    cities = [(3301, ("Hangzhou",)), (9001, ("hangzhou",)), (9002, ("3301",)), (9003, ("3302",)), (3302, ("Ningbo",))]
    assert find_city("HANGZHOU", cities) == 3301
    assert find_city("3301", cities) == 3301
    assert find_city("3302", cities) == 3302
    assert find_city("Xuzhou", cities) is None
    assert find_city("", [(1, ("", None))]) is None
