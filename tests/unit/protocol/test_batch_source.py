"""Where batches' bytes come from: calls, traces and files; nothing is believed without its hash."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from interline import batch_source
from interline.batch import Batch, Group
from interline.batch_source import (
    SETTLE,
    FoundBatch,
    Transaction,
    batch_bytes,
    find_batch,
    find_in_trace,
    find_in_transaction,
    read_batch_files,
    read_trace,
    require_batch,
)
from interline.errors import BatchFileError, BatchNotFoundError, TraceError
from interline.ride import Ride

HOUSE, STRANGER = bytes([1] * 20), bytes([2] * 20)
SIGNATURE, JUNK = bytes([5] * 64), bytes([6] * 64)
BATCH = Batch(3301, (Group(3100, 1, (Ride(1, 2_000, 2_000, bytes(20), 1, 2, 1_000, 1_500, 300, bytes(64)),)),))
OTHER = Batch(3301, (Group(3100, 1, (Ride(2, 2_000, 2_000, bytes(20), 1, 2, 1_000, 1_500, 300, bytes(64)),)),))


def settle(batch: Batch = BATCH, signature: bytes = SIGNATURE) -> bytes:
    return SETTLE + encode(["bytes", "bytes"], [batch.to_bytes(), signature])


def frame(to: bytes = HOUSE, data: bytes | None = None, **more: Any) -> dict[str, Any]:
    return {"type": "CALL", "to": f"0x{to.hex()}", "input": f"0x{(settle() if data is None else data).hex()}", **more}


def no_trace() -> object:
    raise TraceError("the node says 'no'")


class TestSignatures:
    def test_of_a_call_of_the_clearinghouse_is_taken(self) -> None:
        assert find_in_transaction(Transaction(HOUSE, settle()), BATCH.id, HOUSE) == FoundBatch(
            BATCH.to_bytes(), SIGNATURE
        )

    @pytest.mark.parametrize("to", [STRANGER, None])
    def test_of_a_call_of_anybody_else_is_not(self, to: bytes | None) -> None:
        found = find_in_transaction(Transaction(to, settle(signature=JUNK)), BATCH.id, HOUSE)
        assert found == FoundBatch(BATCH.to_bytes())

    def test_of_another_function_of_the_clearinghouse_is_not(self) -> None:
        data = b"else" + settle()[4:]
        assert find_in_transaction(Transaction(HOUSE, data), BATCH.id, HOUSE) == FoundBatch(BATCH.to_bytes())

    def test_of_another_batch_is_not(self) -> None:
        """A call that settles another batch, with this one behind it."""
        data = settle(OTHER) + len(BATCH.to_bytes()).to_bytes(32) + BATCH.to_bytes()
        assert find_in_transaction(Transaction(HOUSE, data), BATCH.id, HOUSE) == FoundBatch(BATCH.to_bytes())

    @pytest.mark.parametrize("signature", [SIGNATURE[:-1], SIGNATURE + b"\x00", b""])
    def test_of_another_length_is_none(self, signature: bytes) -> None:
        found = find_in_transaction(Transaction(HOUSE, settle(signature=signature)), BATCH.id, HOUSE)
        assert found == FoundBatch(BATCH.to_bytes())

    def test_that_stands_nowhere_is_none(self) -> None:
        data = bytearray(settle())
        data[36:68] = b"\xff" * 32
        assert find_in_transaction(Transaction(HOUSE, bytes(data)), BATCH.id, HOUSE) == FoundBatch(BATCH.to_bytes())


class TestTraces:
    @pytest.mark.parametrize(
        "trace",
        [
            frame(STRANGER, b"", calls=[frame()]),
            frame(STRANGER, b"", calls=[frame(STRANGER, b"", calls=[frame(STRANGER), frame()])]),
            frame(STRANGER, b"", calls=[frame(data=settle(OTHER)), frame(error="execution reverted"), frame()]),
        ],
        ids=["one level", "two levels", "after other calls"],
    )
    def test_the_call_that_settled_has_batch_and_signature(self, trace: object) -> None:
        assert find_in_trace(trace, BATCH.id, HOUSE) == FoundBatch(BATCH.to_bytes(), SIGNATURE)

    @pytest.mark.parametrize(
        "trace",
        [
            frame(STRANGER),
            frame(data=settle(OTHER)),
            frame(type="DELEGATECALL"),
            frame(error="execution reverted"),
            frame(STRANGER, b"", error="out of gas", calls=[frame()]),
            frame(data=b"else" + settle()[4:]),
            {**frame(), "input": "0xzz"},
            {**frame(), "input": 5},
            {**frame(), "to": None},
            {"calls": {"0": frame()}},
            {"calls": [None, 7, "x", [frame()]]},
            None,
            7,
            "0x",
            [],
        ],
    )
    def test_nothing_else_is_taken(self, trace: object) -> None:
        assert find_in_trace(trace, BATCH.id, HOUSE) is None

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda some: st.lists(some) | st.dictionaries(st.sampled_from(["to", "type", "input", "calls", "x"]), some),
        )
    )
    def test_whatever_a_node_says_is_read_without_an_error(self, trace: object) -> None:
        assert find_in_trace(trace, BATCH.id, HOUSE) is None

    def test_more_calls_than_a_transaction_can_make_are_given_up(self) -> None:
        assert find_in_trace({"calls": [*[{}] * 60_000, frame()]}, BATCH.id, HOUSE) is None

    def test_an_answer_in_parts_is_put_together(self) -> None:
        answer = json.dumps({"jsonrpc": "2.0", "id": 1, "result": frame()}).encode()
        assert read_trace([answer[:10], answer[10:]]) == frame()

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (b"", "JSONDecodeError"),
            (b'{"a":"\xff"}', "UnicodeDecodeError"),
            (b'{"result":' + b"[" * 100_000, "RecursionError"),
            (b'{"error":{"code":-32601,"message":"no such method"}}', "the node says 'no such method'"),
            (b'{"error":5}', "the node says '5'"),
            (b'{"result":null}', "the node gives none"),
            (b"[]", "the node gives none"),
        ],
    )
    def test_an_answer_that_is_no_trace_is_refused(self, answer: bytes, words: str) -> None:
        with pytest.raises(TraceError, match=words):
            read_trace([answer])

    def test_an_answer_without_an_end_is_read_no_further_than_it_may_be(self) -> None:
        def endless() -> Any:
            while True:
                yield b"0" * 1_000_000

        with pytest.raises(TraceError, match="expected at most"):
            read_trace(endless())

    def test_an_answer_that_takes_too_long_is_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(batch_source, "_LONGEST_ANSWER", -1.0)
        with pytest.raises(TraceError, match="within"):
            read_trace([b"{", b"}"])


class TestTheOrder:
    def test_what_was_given_is_taken_before_a_trace_is_asked_for(self) -> None:
        given_by_hand = {BATCH.id: BATCH.to_bytes()}
        assert find_batch(BATCH.id, HOUSE, None, no_trace, given_by_hand) == FoundBatch(BATCH.to_bytes())

    def test_what_was_given_and_is_another_batch_is_not_taken(self) -> None:
        with pytest.raises(BatchNotFoundError, match="give it with --batch FILE"):
            find_batch(BATCH.id, HOUSE, Transaction(STRANGER, b"abc"), no_trace, {BATCH.id: OTHER.to_bytes()})

    def test_a_search_that_is_made_long_is_given_up(self) -> None:
        """An input in which everything looks as long as a batch can be."""
        words = (100_000).to_bytes(32) * 20_000
        with pytest.raises(BatchNotFoundError):
            batch_bytes(words, BATCH.id)


class TestFiles:
    @pytest.mark.parametrize(
        "form",
        [
            lambda data: data,
            lambda data: b"0x" + data.hex().encode(),
            lambda data: b" 0X" + data.hex().upper().encode() + b"\r\n",
            lambda data: b"\n".join(data.hex().encode()[at : at + 64] for at in range(0, 2 * len(data), 64)),
        ],
        ids=["raw", "hex", "hex with a newline", "hex in lines"],
    )
    def test_a_batch_is_read_as_it_is_written(self, tmp_path: Path, form: Callable[[bytes], bytes]) -> None:
        (tmp_path / "batch").write_bytes(form(BATCH.to_bytes()))
        assert read_batch_files([tmp_path / "batch"]) == {BATCH.id: BATCH.to_bytes()}

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            BATCH.to_bytes()[:-1],
            BATCH.to_bytes() + b"\x00",
            b"0x" + BATCH.to_bytes().hex().encode()[:-1],
            b"0x" + BATCH.to_bytes().hex().encode()[:-2] + b"zz",
            b"0" * 1_000_000,
        ],
    )
    def test_what_is_no_whole_batch_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "batch").write_bytes(content)
        with pytest.raises(BatchFileError, match=r"expected a whole batch, raw or as 0x and hexadecimal digits, got"):
            read_batch_files([tmp_path / "batch"])

    def test_a_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(BatchFileError, match="expected a file with a batch, got Is a directory"):
            read_batch_files([tmp_path])

    def test_bytes_of_another_batch_are_not_the_one_that_is_meant(self) -> None:
        require_batch({BATCH.id: BATCH.to_bytes()}, BATCH.id)
        with pytest.raises(BatchFileError, match=f"expected bytes with the hash 0x{BATCH.id.hex()}"):
            require_batch({OTHER.id: OTHER.to_bytes()}, BATCH.id)
