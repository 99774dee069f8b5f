"""Yuan at the edges, fen inside."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interline.errors import MoneyError
from interline.money import format_yuan, parse_yuan


@pytest.mark.parametrize(
    ("text", "fen"),
    [("50000.00", 5_000_000), ("0", 0), ("0.01", 1), ("0.1", 10), ("3.5", 350), ("007", 700), ("15", 1_500)],
)
def test_yuan_become_fen(text: str, fen: int) -> None:
    assert parse_yuan(text) == fen


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1.", ".5", "1.234", "1,000", "1e3", " 1", "1\n", "1.0.0", "٣", "５", "nan", "1_0", "¥5"]
)
def test_text_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(MoneyError, match=re.escape(f"came {text!r}")):
        parse_yuan(text)


@pytest.mark.parametrize("value", [50000.0, 50000, None, b"5", True])
def test_a_number_that_yaml_or_json_already_read_is_refused(value: Any) -> None:
    with pytest.raises(MoneyError, match="put it in quotes"):
        parse_yuan(value)


@pytest.mark.parametrize(
    ("fen", "text"),
    [(0, "0.00"), (1, "0.01"), (-1, "-0.01"), (123_456, "1,234.56"), (-123_456, "-1,234.56"), (5_000_000, "50,000.00")],
)
def test_fen_are_shown_as_yuan(fen: int, text: str) -> None:
    assert format_yuan(fen) == text


@pytest.mark.parametrize("value", [1.0, "1", None, True])
def test_only_whole_fen_are_shown(value: Any) -> None:
    with pytest.raises(MoneyError, match="expected fen as an int"):
        format_yuan(value)


@given(fen=st.integers(0, 10**30))
def test_what_is_shown_reads_back(fen: int) -> None:
    assert parse_yuan(format_yuan(fen).replace(",", "")) == fen
