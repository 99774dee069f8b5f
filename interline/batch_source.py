"""Where the bytes of a settled batch come from: its transaction, a trace of that, or whoever has them.

The chain keeps no rides. A signed batch is public and anyone may relay it, so its bytes stand in the input of the
transaction that settled it, or in that of a call that the transaction made, or in neither that a node shows. Whatever
they come from, nothing is taken whose keccak256 isn't the batch id. This module only computes; whoever has a node
brings transactions and traces.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from interline.batch import MAX_RIDES, Batch
from interline.errors import BatchFileError, BatchNotFoundError, MalformedError, TraceError
from interline.hashing import keccak256
from interline.ride import RIDE_BYTES
from interline.signatures import SIGNATURE_BYTES

SETTLE: Final = keccak256(b"settle(bytes,bytes)")[:4]
TRACE_METHOD: Final = "debug_traceTransaction"
GIVE: Final = "ask its operator for the batch, and give it with --batch FILE; or ask a node that traces transactions"
"""What to do about a batch whose bytes weren't found."""

_WORD: Final = 32
_SMALLEST_BATCH: Final = 2 + 5 + RIDE_BYTES
_LARGEST_BATCH: Final = 2 + MAX_RIDES * (5 + RIDE_BYTES)
_MOST_HASHED: Final = 64 * _LARGEST_BATCH
"""Bytes that are hashed in a search: an input made to look like a thousand batches is given up."""
_MOST_ANSWERED: Final = 32 * 1024 * 1024
"""Bytes of a node's answer with a trace: of one whole batch through a hundred relays."""
_LONGEST_ANSWER: Final = 30.0  # seconds
_MOST_FRAMES: Final = 50_000
_LARGEST_FILE: Final = 4 * _LARGEST_BATCH
_HEX: Final = re.compile(rb"(0[xX])?((?:[0-9a-fA-F]{2})+)")


@dataclass(frozen=True, slots=True)
class Transaction:
    """What was sent: `to` is the contract (20 bytes; None for one that makes a contract), `input` its data."""

    to: bytes | None
    input: bytes


@dataclass(frozen=True, slots=True)
class FoundBatch:
    """A batch's bytes, whose hash is its id; and its submitter's signature (64 bytes), where that was seen.

    A signature is taken only from a call of the Clearinghouse's `settle`: what stands anywhere else is anybody's word.
    """

    data: bytes
    signature: bytes | None = None


def find_batch(
    batch_id: bytes,
    clearinghouse: bytes,
    transaction: Transaction | None,
    trace: Callable[[], object],
    given: Mapping[bytes, bytes] | None = None,
) -> FoundBatch:
    """The batch that a transaction settled: in its input, among those given by hand, or in its trace.

    Args:
        batch_id: keccak256 of the batch, 32 bytes.
        clearinghouse: where it settled, 20 bytes.
        transaction: the one that settled it; None where the node hasn't got it.
        trace: asks the node for the transaction's trace (callTracer); may raise TraceError.
        given: bytes by the ids that they are said to have.
    Raises:
        BatchNotFoundError: it is in none of them; says what was looked at and what to do.
    """
    found = None if transaction is None else find_in_transaction(transaction, batch_id, clearinghouse)
    if found is not None:
        return found
    data = (given or {}).get(batch_id)
    if data is not None and keccak256(data) == batch_id:
        return FoundBatch(data)
    try:
        found = find_in_trace(trace(), batch_id, clearinghouse)
        missing = "a trace without them"
    except TraceError as error:
        missing = f"no trace ({error})"
    if found is None:
        size = "no transaction" if transaction is None else f"{len(transaction.input)} bytes without them"
        raise BatchNotFoundError(
            f"batch 0x{batch_id.hex()}: expected its bytes in the input of the transaction that settled it, got {size} "
            f"and {missing}; {GIVE}"
        )
    return found


# ---------------------------------------------------------------- a transaction's input


def find_in_transaction(transaction: Transaction, batch_id: bytes, clearinghouse: bytes) -> FoundBatch | None:
    """The batch in a transaction's input, wherever it stands; its signature, if that calls the Clearinghouse."""
    if transaction.to == clearinghouse:
        found = _settled_by(transaction.input, batch_id)
        if found is not None:
            return found
    try:
        return FoundBatch(batch_bytes(transaction.input, batch_id))
    except BatchNotFoundError:
        return None


def batch_bytes(data: bytes, batch_id: bytes) -> bytes:
    """The bytes of a batch in the input of the transaction that settled it.

    Where the input calls `settle` itself, they are its first argument. Where a relay or a multicall made the call,
    they are looked for in its arguments, however these are packed: any bytes that stand after their own length, and
    whose keccak256 is the batch id. No others are taken.

    Args:
        data: the input of the transaction.
        batch_id: keccak256 of the batch, 32 bytes.
    Raises:
        BatchNotFoundError: the batch is not in the input: whoever sent it made it somewhere else.
    """
    if data[:4] == SETTLE and (found := _argument(data, 0)) is not None and keccak256(found) == batch_id:
        return found
    hashed = 0
    for found in _counted(data):
        hashed += len(found)
        if hashed > _MOST_HASHED:
            break
        if keccak256(found) == batch_id:
            return found
    raise BatchNotFoundError(
        f"batch 0x{batch_id.hex()}: expected its bytes in the input of the transaction that settled it, got "
        f"{len(data)} bytes without them; {GIVE}"
    )


def _counted(data: bytes) -> Iterator[bytes]:
    """All that stands after its own length, and could be a batch by that."""
    # A length of a batch has 29 bytes of zero before it: look only where they are.
    at = data.find(bytes(_WORD - 3))
    while at != -1:
        found = _after_length(data, at)
        if found is not None:
            yield found
        at = data.find(bytes(_WORD - 3), at + 1)


def _settled_by(data: bytes, batch_id: bytes) -> FoundBatch | None:
    """The arguments of `settle`, if the first one is the batch."""
    batch = _argument(data, 0) if data[:4] == SETTLE else None
    if batch is None or keccak256(batch) != batch_id:
        return None
    at = _offset(data, 1)
    signature = data[at + _WORD : at + _WORD + SIGNATURE_BYTES]
    whole = _number(data[at : at + _WORD]) == len(signature) == SIGNATURE_BYTES
    return FoundBatch(batch, signature if whole else None)


def _argument(data: bytes, number: int) -> bytes | None:
    """An argument of a call that takes bytes, if it could be a batch by its length."""
    return _after_length(data, _offset(data, number))


def _offset(data: bytes, number: int) -> int:
    """Where the length of an argument stands; the end of the data, if that is nowhere in it."""
    start = 4 + number * _WORD
    return min(4 + _number(data[start : start + _WORD]), len(data))


def _after_length(data: bytes, at: int) -> bytes | None:
    """The bytes after their length, which stands at `at`, if they could be a batch by that."""
    length = _number(data[at : at + _WORD])
    if not _SMALLEST_BATCH <= length <= min(_LARGEST_BATCH, len(data) - at - _WORD):
        return None
    return data[at + _WORD : at + _WORD + length]


def _number(word: bytes) -> int:
    return int.from_bytes(word, "big") if len(word) == _WORD else 2**256 - 1


# ---------------------------------------------------------------- a trace


def trace_arguments(tx: bytes) -> list[object]:
    """What TRACE_METHOD is asked with for a transaction (its hash, 32 bytes)."""
    return [f"0x{tx.hex()}", {"tracer": "callTracer", "timeout": "20s"}]


def read_trace(chunks: Iterable[bytes]) -> object:
    """The trace in a node's answer to TRACE_METHOD, which arrives in parts and is read no further than it may be.

    Raises:
        TraceError: the node refuses, or answers what is no JSON, too long, too deep or too late.
    """
    until, answer = time.monotonic() + _LONGEST_ANSWER, bytearray()
    for chunk in chunks:
        answer += chunk
        if len(answer) > _MOST_ANSWERED:
            raise TraceError(f"expected at most {_MOST_ANSWERED:,} bytes from the node, got more")
        if time.monotonic() > until:
            raise TraceError(f"expected the node's answer within {_LONGEST_ANSWER:g} s, got a part of it")
    try:
        document = json.loads(bytes(answer))
    except (ValueError, RecursionError) as error:
        raise TraceError(f"expected JSON from the node, got what can't be read ({type(error).__name__})") from error
    return _trace_of(document)


def _trace_of(answer: object) -> object:
    """The trace in a JSON-RPC answer.

    Raises:
        TraceError: there is none: the node refuses, or doesn't know the method.
    """
    if not isinstance(answer, Mapping) or answer.get("result") is None:
        error = answer.get("error") if isinstance(answer, Mapping) else None
        message = error.get("message") if isinstance(error, Mapping) else error
        raise TraceError(f"the node says {str(message)[:200]!r}" if message else "the node gives none")
    return answer["result"]


def find_in_trace(trace: object, batch_id: bytes, clearinghouse: bytes) -> FoundBatch | None:
    """The batch in the calls that a transaction made of the Clearinghouse, as callTracer tells of them.

    What isn't as a trace has it is passed over: a node may answer anything. Calls that failed settled nothing.
    """
    address = f"0x{clearinghouse.hex()}"
    waiting: list[object] = [trace]
    for _ in range(_MOST_FRAMES):
        if not waiting:
            break
        frame = waiting.pop()
        if not isinstance(frame, Mapping) or frame.get("error"):
            continue
        to, kind = frame.get("to"), frame.get("type")
        if isinstance(to, str) and to.lower() == address and kind == "CALL":
            found = _settled_by(_unhex(frame.get("input")), batch_id)
            if found is not None:
                return found
        calls = frame.get("calls")
        if isinstance(calls, list):
            waiting += reversed(calls)
    return None


def _unhex(text: Any) -> bytes:
    if not isinstance(text, str) or len(text) > 2 * (_LARGEST_BATCH + 64 * _WORD):
        return b""
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        return b""


# ---------------------------------------------------------------- given by hand


def read_batch_files(paths: Sequence[Path]) -> dict[bytes, bytes]:
    """Batches from files, by their ids: each its raw bytes, or as hexadecimal digits, with 0x or without.

    Raises:
        BatchFileError: a file can't be read, or holds no batch.
    """
    batches = (_read_batch_file(path) for path in paths)
    return {keccak256(data): data for data in batches}


def require_batch(given: Mapping[bytes, bytes], batch_id: bytes) -> None:
    """Make sure that what was given by hand is of one batch.

    Raises:
        BatchFileError: something is of another.
    """
    for other in given:
        if other != batch_id:
            raise BatchFileError(
                f"--batch: expected bytes with the hash 0x{batch_id.hex()}, got some with 0x{other.hex()}: they are of "
                "another batch, or were changed; ask its operator again"
            )


def _read_batch_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise BatchFileError(f"{path}: expected a file with a batch, got {error.strerror}; correct --batch") from error
    text = b"".join(raw.split())
    digits = _HEX.fullmatch(text)
    forms = [raw] if digits is None else [raw, bytes.fromhex(digits[2].decode("ascii"))]
    reason = ""
    for data in forms:
        try:
            Batch.from_bytes(data)
        except MalformedError as error:
            reason = str(error)
        else:
            return data
    raise BatchFileError(
        f"{path}: expected a whole batch, raw or as 0x and hexadecimal digits, got {len(raw):,} bytes: {reason}; ask "
        "its operator for it again"
    )
