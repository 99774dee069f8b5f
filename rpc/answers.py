"""What a node's results are made of: numbers, bytes, blocks, logs, transactions, receipts.

A node can answer anything. Each function takes a result as it came, and what was asked for, and raises BadAnswerError
where the one can't be the other.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from interline.batch_source import Transaction
from interline.safe_text import safe_text
from interline.settlements import ChainLog
from rpc.errors import BadAnswerError

HASH_BYTES: Final = 32
ADDRESS_BYTES: Final = 20
_MOST_TOPICS: Final = 4
_SHOWN: Final = 200  # characters of a result in a message
_QUANTITY: Final = re.compile(r"0x[0-9a-fA-F]{1,64}")
_DATA: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Block:
    """A block: its number, its hash (32 bytes), its time (Unix seconds), and the base fee (wei)."""

    number: int
    hash: bytes
    time: int
    base_fee: int | None
    """None on a chain that has none."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a transaction that is in a block."""

    tx: bytes
    block: int
    succeeded: bool
    """Where the node doesn't say: whether it has events, as each call of our contracts that changes anything has."""
    gas: int
    contract: bytes | None
    """Address (20 bytes) of the contract that it made."""
    logs: tuple[ChainLog, ...]


def quantity(result: Any, asked: str) -> int:
    """A number of at most 256 bits."""
    if not isinstance(result, str) or not _QUANTITY.fullmatch(result):
        raise _bad(asked, "a number in hexadecimal digits", result)
    return int(result, 16)


def data(result: Any, asked: str, *, size: int | None = None) -> bytes:
    """Bytes; exactly `size` of them where that is given."""
    if not isinstance(result, str) or not _DATA.fullmatch(result):
        raise _bad(asked, "bytes in hexadecimal digits", result)
    found = bytes.fromhex(result[2:])
    if size is not None and len(found) != size:
        raise _bad(asked, f"{size} bytes", result)
    return found


def optional(result: Any, asked: str, read: Callable[[Any, str], _T]) -> _T | None:
    """Something that there may not be."""
    return None if result is None else read(result, asked)


def block(result: Any, asked: str) -> Block:
    """A block's header."""
    found = _fields(result, asked, "a block")
    return Block(
        number=quantity(found.get("number"), f"{asked}, number"),
        hash=data(found.get("hash"), f"{asked}, hash", size=HASH_BYTES),
        time=quantity(found.get("timestamp"), f"{asked}, timestamp"),
        base_fee=optional(found.get("baseFeePerGas"), f"{asked}, baseFeePerGas", quantity),
    )


def log(result: Any, asked: str) -> ChainLog:
    """An event."""
    found = _fields(result, asked, "a log")
    topics = found.get("topics")
    if not isinstance(topics, list) or len(topics) > _MOST_TOPICS:
        raise _bad(f"{asked}, topics", f"a list of at most {_MOST_TOPICS}", topics)
    return ChainLog(
        address=data(found.get("address"), f"{asked}, address", size=ADDRESS_BYTES),
        topics=tuple(data(topic, f"{asked}, topics", size=HASH_BYTES) for topic in topics),
        data=data(found.get("data"), f"{asked}, data"),
        block=quantity(found.get("blockNumber"), f"{asked}, blockNumber"),
        block_hash=data(found.get("blockHash"), f"{asked}, blockHash", size=HASH_BYTES),
        tx=data(found.get("transactionHash"), f"{asked}, transactionHash", size=HASH_BYTES),
        place=quantity(found.get("logIndex"), f"{asked}, logIndex"),
    )


def logs(result: Any, asked: str) -> list[ChainLog]:
    """Events, without those that a node says are taken back; some nodes have null for none."""
    if result is None:
        return []
    if not isinstance(result, list):
        raise _bad(asked, "a list of logs", result)
    return [log(one, asked) for one in result if not (isinstance(one, Mapping) and one.get("removed") is True)]


def transaction(result: Any, asked: str) -> Transaction:
    """What was sent."""
    found = _fields(result, asked, "a transaction")
    to = optional(found.get("to"), f"{asked}, to", lambda one, what: data(one, what, size=ADDRESS_BYTES))
    given = found.get("input", found.get("data"))  # some nodes have but the older name
    return Transaction(to, data(given, f"{asked}, input"))


def receipt(result: Any, asked: str) -> Receipt:
    """What became of a transaction."""
    found = _fields(result, asked, "a receipt")
    status = optional(found.get("status"), f"{asked}, status", quantity)
    if status not in (None, 0, 1):
        raise _bad(f"{asked}, status", "0 or 1", found.get("status"))
    made, events = found.get("contractAddress"), logs(found.get("logs"), f"{asked}, logs")
    if status is None and found.get("logs") is None:
        raise _bad(f"{asked}, status", "0 or 1, or the logs", None)
    return Receipt(
        tx=data(found.get("transactionHash"), f"{asked}, transactionHash", size=HASH_BYTES),
        block=quantity(found.get("blockNumber"), f"{asked}, blockNumber"),
        succeeded=bool(events) if status is None else bool(status),
        gas=quantity(found.get("gasUsed"), f"{asked}, gasUsed"),
        contract=optional(made, f"{asked}, contractAddress", lambda one, what: data(one, what, size=ADDRESS_BYTES)),
        logs=tuple(events),
    )


def _fields(result: Any, asked: str, what: str) -> Mapping[str, Any]:
    if not isinstance(result, Mapping):
        raise _bad(asked, what, result)
    return result


def _bad(asked: str, expected: str, came: Any) -> BadAnswerError:
    shown = "null" if came is None else safe_text(str(came)[:_SHOWN])
    return BadAnswerError(asked, f"expected {expected}, came {shown}")
