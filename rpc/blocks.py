"""Blocks by number, hash or name."""

from rpc import answers
from rpc.answers import Block
from rpc.errors import BadAnswerError
from rpc.node import Node


def get_block(node: Node, which: int | bytes | str = "latest") -> Block | None:
    """A block by its number, its hash (32 bytes, or 0x and 64 digits) or a name; None where the node has none.

    Raises RpcError.
    """
    if isinstance(which, bytes):
        which = f"0x{which.hex()}"
    by_hash = isinstance(which, str) and which.startswith("0x") and len(which) == 2 + 2 * answers.HASH_BYTES
    method = "eth_getBlockByHash" if by_hash else "eth_getBlockByNumber"
    result = node.ask(method, hex(which) if isinstance(which, int) else which, False)
    return answers.optional(result, f"{node.name}, block {which}", answers.block)


def head(node: Node) -> Block:
    """The newest block. Raises RpcError."""
    found = get_block(node)
    if found is None:
        raise BadAnswerError(f"{node.name}, the newest block", "came null: ask another node")
    return found
