"""Strict both ways: what decodes encodes to the same bytes, and anything else is refused."""

from collections.abc import Callable
from typing import Any

import base45
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interline.batch import Batch
from interline.code import Code
from interline.errors import MalformedError
from interline.ride import Ride
from interline.ticket import Ticket

from . import strategies

CODECS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "ticket": (Ticket, strategies.tickets()),
    "code": (Code, strategies.codes()),
    "ride": (Ride, strategies.rides()),
    "batch": (Batch, strategies.batches()),
}
each_codec = pytest.mark.parametrize(("kind", "things"), CODECS.values(), ids=CODECS)


def check_message(message: str) -> None:
    """A refusal says what was expected and what came."""
    assert "expected" in message
    assert "came" in message


def refused_or_same(decode: Callable[[bytes], Any], data: bytes) -> bool:
    """Whether the bytes were taken; then they must come back as they were."""
    try:
        thing = decode(data)
    except MalformedError as error:
        check_message(str(error))
        return False
    assert thing.to_bytes() == data
    return True


@each_codec
@given(data=st.data())
def test_what_is_encoded_decodes_to_the_same(kind: Any, things: st.SearchStrategy[Any], data: st.DataObject) -> None:
    thing = data.draw(things)
    assert kind.from_bytes(thing.to_bytes()) == thing


@each_codec
@given(data=st.data())
def test_whatever_is_cut_off_is_refused(kind: Any, things: st.SearchStrategy[Any], data: st.DataObject) -> None:
    whole = data.draw(things).to_bytes()
    shorter = whole[: data.draw(st.integers(0, len(whole) - 1))]
    # A batch may end between two groups: what is left is a batch, and another one.
    assert not refused_or_same(kind.from_bytes, shorter) or kind is Batch


@each_codec
@given(data=st.data(), more=st.binary(min_size=1, max_size=130))
def test_nothing_may_follow(kind: Any, things: st.SearchStrategy[Any], data: st.DataObject, more: bytes) -> None:
    longer = data.draw(things).to_bytes() + more
    assert not refused_or_same(kind.from_bytes, longer) or kind is Batch


@each_codec
@settings(max_examples=300)
@given(data=st.data())
def test_changed_bytes_are_refused_or_carried(kind: Any, things: st.SearchStrategy[Any], data: st.DataObject) -> None:
    changed = bytearray(data.draw(things).to_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    refused_or_same(kind.from_bytes, bytes(changed))


@each_codec
@given(noise=st.binary(max_size=400))
def test_noise_is_refused_or_carried(kind: Any, things: st.SearchStrategy[Any], noise: bytes) -> None:
    refused_or_same(kind.from_bytes, noise)


@each_codec
def test_no_two_things_share_their_bytes(kind: Any, things: st.SearchStrategy[Any]) -> None:
    @settings(max_examples=50)
    @given(one=things, other=things)
    def check(one: Any, other: Any) -> None:
        assert (one == other) == (one.to_bytes() == other.to_bytes())

    check()


@given(code=strategies.codes())
def test_a_codes_text_decodes_to_the_same_code(code: Code) -> None:
    text = code.to_text()
    assert len(text) == 280
    assert Code.from_text(text) == code
    assert base45.b45decode(text[4:].encode()) == code.to_bytes()


@given(text=st.text(max_size=300) | st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:", max_size=300))
def test_any_text_is_refused_or_carried(text: str) -> None:
    for whole in (text, "IL1:" + text):
        try:
            assert Code.from_text(whole).to_text() == whole.rstrip("\r\n")
        except MalformedError as error:
            check_message(str(error))


@settings(max_examples=300)
@given(code=strategies.codes(), at=st.integers(0, 279), put=st.characters())
def test_a_changed_character_is_refused_or_carried(code: Code, at: int, put: str) -> None:
    text = code.to_text()
    changed = text[:at] + put + text[at + 1 :]
    try:
        assert Code.from_text(changed).to_text() == changed.rstrip("\r\n")
    except MalformedError:
        assert changed != text
