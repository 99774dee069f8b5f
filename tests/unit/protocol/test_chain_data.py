"""The one decoder: no content stops it, and what no contract can have said is refused in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, fromstring, tostring

import pytest
from eth_abi.abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from interline.chain_data import (
    Entry,
    as_json,
    decode,
    decode_answer,
    decode_call,
    decode_error,
    decode_event,
    event_topics,
    signature_of,
    topic_of,
)
from interline.contracts import CONTRACTS, load_abi
from interline.errors import ChainDataError
from interline.safe_text import MOST_CHARACTERS, safe_text, text_of
from tests.support.hostile import (
    TEXTS,
    call_of,
    encode_raw,
    hostile_answers,
    hostile_calls,
    hostile_events,
    hostile_values,
    spoilt,
)

ADDRESS = "0xCD5691EA878D262516be278cb46f2fd7fF132083"
EVENTS = [(contract, entry) for contract in CONTRACTS for entry in load_abi(contract) if entry["type"] == "event"]
GETTERS = [
    (contract, entry)
    for contract in CONTRACTS
    for entry in load_abi(contract)
    if entry["type"] == "function" and entry["outputs"]
]
ERRORS = [(contract, entry) for contract in CONTRACTS for entry in load_abi(contract) if entry["type"] == "error"]


def named(one: Any) -> str:
    return str(one) if isinstance(one, str) else str(one["name"])


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for one in value.values() for text in texts_in(one))
    elif isinstance(value, list | tuple):
        yield from (text for one in value for text in texts_in(one))


def require_safe(value: Any) -> None:
    """All texts in a value can be shown anywhere, and the value is JSON."""
    assert json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8").decode("utf-8")) is not Ellipsis
    for text in texts_in(value):
        assert text.isprintable(), ascii(text)
        assert text == safe_text(text)
        element = Element("x")
        element.text = text
        assert (fromstring(tostring(element, encoding="utf-8")).text or "") == text


@pytest.mark.parametrize(("contract", "entry"), EVENTS, ids=named)
def test_every_event_decodes_whatever_is_in_it(contract: str, entry: Entry) -> None:
    for topics, data, what in hostile_events(contract, entry):
        event = decode_event(contract, topics, data)
        assert event is not None, what
        assert event.name == entry["name"], what
        require_safe(event.to_json())


@pytest.mark.parametrize(("contract", "entry"), GETTERS, ids=named)
def test_every_answer_decodes_whatever_is_in_it(contract: str, entry: Entry) -> None:
    for data, what in hostile_answers(contract, entry):
        values = decode_answer(contract, entry["name"], data)
        values = [values] if len(entry["outputs"]) == 1 else [*values]
        assert len(values) == len(entry["outputs"]), what
        require_safe([as_json(one, value) for one, value in zip(entry["outputs"], values, strict=True)])


@pytest.mark.parametrize(("contract", "entry"), EVENTS, ids=named)
def test_an_event_that_no_contract_emits_is_refused(contract: str, entry: Entry) -> None:
    topics, data, _ = next(iter(hostile_events(contract, entry)))
    for wrong in ((*topics, bytes(32)), topics[:-1]):
        if wrong:
            with pytest.raises(ChainDataError, match=f"{contract}.{entry['name']}: expected {len(topics)} topics"):
                decode_event(contract, wrong, data)
    if {one["type"] for one in entry["inputs"]} & {"string", "bytes"}:
        data = data[:-32]  # without the text's last word, not just its padding
    elif data:
        data = data[:-1]
    else:
        return
    with pytest.raises(ChainDataError, match=f"{contract}.{entry['name']}: expected"):
        decode_event(contract, topics, data)


def test_an_event_that_the_interfaces_lack_is_none() -> None:
    assert decode_event("Consortium", [b"\x01" * 32], b"") is None
    assert decode_event("Consortium", [], b"") is None


@pytest.mark.parametrize(
    ("at", "value"),
    [
        *((0, offset) for offset in (256, 2**31, 2**256 - 1, 2**256 - 32)),
        *((192, length) for length in (33, 2**64, 2**256 - 1)),
        *((32, 256), (64, 2**160), (128, 2**40), (160, 2**255)),
    ],
)
def test_an_answer_is_refused_whose_offset_length_or_word_is_none_of_its_type(at: int, value: int) -> None:
    honest = encode(["string", "uint8", "address", "address", "uint40", "uint40"], ["x", 1, ADDRESS, ADDRESS, 1, 0])
    assert decode_answer("CityRegistry", "city", honest) == ("x", 1, ADDRESS, ADDRESS, 1, 0)
    with pytest.raises(ChainDataError, match=r"CityRegistry\.city: expected"):
        decode_answer("CityRegistry", "city", honest[:at] + value.to_bytes(32, "big") + honest[at + 32 :])


def test_spoilt_answers_decode_or_are_refused_in_words() -> None:
    honest = encode(["string", "uint8", "address", "address", "uint40", "uint40"], ["x", 1, ADDRESS, ADDRESS, 1, 0])
    outcomes = [outcome_of("CityRegistry", "city", data[4:]) for data, _ in spoilt(b"????" + honest)]
    assert outcomes.count("refused") > len(outcomes) / 2


def outcome_of(contract: str, function: str, data: bytes) -> str:
    """How decoding ends: nothing but these two ways."""
    try:
        decode_answer(contract, function, data)
    except ChainDataError:
        return "refused"
    return "decoded"


def test_parts_that_many_offsets_share_are_refused() -> None:
    parameter = {"name": "x", "type": "bytes[]"}
    shared = (32).to_bytes(32, "big") + (1_000).to_bytes(32, "big") + (32_000).to_bytes(32, "big") * 1_000
    with pytest.raises(ChainDataError, match="expected each part of the data once"):
        decode([parameter], shared + (64).to_bytes(32, "big") + b"\xff" * 64)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=700), at=st.integers(0, len(GETTERS) - 1))
def test_any_bytes_decode_or_are_refused_in_words(data: bytes, at: int) -> None:
    contract, entry = GETTERS[at]
    assert outcome_of(contract, entry["name"], data) in ("decoded", "refused")


class TestCalls:
    @pytest.mark.parametrize("contract", CONTRACTS)
    def test_any_calldata_is_a_call_or_none(self, contract: str) -> None:
        calls = 0
        for data, what in hostile_calls(contract):
            found = decode_call(contract, data)
            if found is not None:
                entry, values = found
                calls += 1
                require_safe([as_json(one, value) for one, value in zip(entry["inputs"], values, strict=True)])
            elif "whole" in what or not what.startswith(f"{contract}."):
                raise AssertionError(what)
        assert calls

    @pytest.mark.parametrize("name", TEXTS)
    def test_an_admission_under_any_name_is_read(self, name: str) -> None:
        found = decode_call("CityRegistry", call_of("CityRegistry", "admit", code=9_999, name=TEXTS[name]))
        assert found is not None
        assert found[1][:2] == (9_999, text_of(TEXTS[name]))


class TestErrors:
    @pytest.mark.parametrize(("contract", "entry"), ERRORS, ids=named)
    def test_every_error_is_read_and_one_cut_short_is_said_to_be(self, contract: str, entry: Entry) -> None:
        values = [hostile_values(one)[0][0] for one in entry["inputs"]]
        data = topic_of(entry)[:4] + encode_raw(entry["inputs"], values)
        found = decode_error(data)
        assert found is not None
        assert (found.signature, len(found.arguments), found.malformed) == (signature_of(entry), len(values), "")
        for cut in (data[:-32],) if values else ():
            short = decode_error(cut)
            assert short is not None
            assert short.arguments == {}
            assert short.malformed.startswith("malformed: 0x")

    def test_a_strangers_words_are_made_safe(self) -> None:
        data = bytes.fromhex("08c379a0") + encode(["bytes"], [b"pay\x1b[2J\xff\n"])
        found = decode_error(data)
        assert found is not None
        assert found.arguments == {"reason": r"pay\x1b[2J\xff\x0a"}

    def test_what_is_no_error_of_ours_is_none(self) -> None:
        assert decode_error(b"") is None
        assert decode_error(b"\xff" * 1_000) is None


def test_logs_are_asked_for_by_the_indexed_arguments_given() -> None:
    topics = event_topics("Clearinghouse", "Deposited", {"city": 3100})
    assert topics[1:] == [(3100).to_bytes(32, "big"), None]
    assert topics[0] == topic_of(next(one for _, one in EVENTS if one["name"] == "Deposited"))


def test_a_type_of_no_known_hostility_fails_the_corpus() -> None:
    with pytest.raises(ValueError, match="expected a type whose hostile values are known"):
        hostile_values({"name": "x", "type": "fixed128x18"})


def test_the_corpus_has_what_a_strict_decoder_refuses() -> None:
    """It would prove nothing if all of it were honest."""
    refused = []
    for name, text in TEXTS.items():
        try:
            text.decode()
        except UnicodeDecodeError:
            refused.append(name)
    assert len(refused) >= 5
    assert sum(len(text) > MOST_CHARACTERS for text in TEXTS.values()) >= 3
