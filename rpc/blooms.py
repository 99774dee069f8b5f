"""Whether a node left events out: what the blocks' own headers say, held against the logs that came.

Behind one address there may be many nodes, and one that is a few blocks behind answers for blocks that it hasn't got
with no logs at all, as if there were none. A header holds a bloom of all addresses and topics of the block's events
(the Yellow Paper's M3:2048): where it says that there may be one of those asked for, and none came, the receipts of
the block's transactions say whether there is. They are looked at block by block, so only the newest blocks of a range
are held against their headers: nodes that are behind catch up.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from interline.hashing import keccak256
from interline.settlements import ChainLog
from rpc import answers
from rpc.errors import BadAnswerError, NodeBehindError
from rpc.node import Node
from rpc.wanted import Wanted

NEWEST: Final = 1_000
"""Blocks before the newest one that are held against their headers."""
BLOOM_BYTES: Final = 256
_BITS: Final = 2_047
_ADVICE: Final = "the node that answered is behind the others: run the same command again later, or ask another node"


def require_all(node: Node, wanted: Wanted, first: int, last: int, found: Sequence[ChainLog]) -> None:
    """Hold the logs of a range of blocks, both included, against the blocks' headers.

    Raises:
        NodeBehindError: all those of a block are missing, or the block.
        RpcError: as `Node.ask`.
    """
    asked = f"{node.name}, logs of the blocks {first} to {last}"
    numbers = range(first, last + 1)
    headers = node.ask_all([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
    came = {log.block for log in found}
    for number, header in zip(numbers, headers, strict=True):
        if header is None:
            raise NodeBehindError(asked, f"expected block {number}, came null: {_ADVICE}")
        answers.block(header, f"{node.name}, block {number}")
        if number not in came and may_have(header.get("logsBloom"), wanted) and _has(node, header, wanted, number):
            raise NodeBehindError(asked, f"expected the events of block {number}, came none: {_ADVICE}")


def may_have(bloom: Any, wanted: Wanted) -> bool:
    """Whether a block can have an event of those; a header without a bloom says nothing, so it may."""
    bits = bloom_bits(bloom)
    if bits is None:
        return True
    if not any(_within(bits, address) for address in wanted.addresses):
        return False
    return all(not some or any(_within(bits, topic) for topic in some) for some in wanted.topics)


def bloom_bits(bloom: Any) -> int | None:
    """A header's bloom as a number; None where it is none."""
    try:
        return int.from_bytes(answers.data(bloom, "", size=BLOOM_BYTES), "big")
    except BadAnswerError:
        return None


def bloom_of(entries: Iterable[bytes]) -> int:
    """The bloom of addresses and topics: three bits for each, of the first six bytes of its hash."""
    bits = 0
    for entry in entries:
        hashed = keccak256(entry)
        for at in (0, 2, 4):
            bits |= 1 << (int.from_bytes(hashed[at : at + 2], "big") & _BITS)
    return bits


def _within(bits: int, entry: bytes) -> bool:
    one = bloom_of([entry])
    return bits & one == one


def _has(node: Node, header: Any, wanted: Wanted, number: int) -> bool:
    """Whether the receipts of a block's transactions have an event of those."""
    asked = f"{node.name}, transactions of block {number}"
    transactions = header.get("transactions")
    if not isinstance(transactions, list):
        raise BadAnswerError(asked, "expected their hashes, came none")
    hashes = [answers.data(one, asked, size=answers.HASH_BYTES) for one in transactions]
    receipts = node.ask_all([("eth_getTransactionReceipt", [f"0x{one.hex()}"]) for one in hashes])
    for one, receipt in zip(hashes, receipts, strict=True):
        if receipt is None:
            raise NodeBehindError(f"{node.name}, receipt of 0x{one.hex()}", f"expected one, came null: {_ADVICE}")
        logs = answers.receipt(receipt, f"{node.name}, receipt of 0x{one.hex()}").logs
        if any(wanted.has(log, number, number) for log in logs):
            return True
    return False
