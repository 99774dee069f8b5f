"""What view functions of our contracts return at one block: one at a time, or many together.

    reads = Reads(node, block)
    name, limit = reads("CityRegistry", registry, "city", 3100), reads("Clearinghouse", house, "maxFare")
    print(name(), limit())

A survey of all members is hundreds of reads, and most of each is the way to the node and back: nothing is sent until
an answer is needed, and then all that was asked by then goes together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from interline.chain_data import decode_answer, encode_call
from interline.errors import ChainDataError
from interline.signatures import to_checksum
from rpc import answers
from rpc.errors import BadAnswerError, BadReturnError, RpcError
from rpc.node import Node

At = int | str
"""A block's number, or one of the names that nodes have for some, such as "latest"."""


@dataclass(frozen=True, slots=True)
class Read:
    """A call of a view function of one of our contracts (by its ABI's name), at an address of 20 bytes."""

    contract: str
    address: bytes
    function: str
    arguments: tuple[Any, ...]

    @property
    def what(self) -> str:
        """For messages."""
        return f"{self.contract}.{self.function} at {to_checksum(self.address)}"


class Answer:
    """What a view function returns: call it to have it."""

    def __init__(self, send: Callable[[], None], error: Callable[[RpcError], Exception]) -> None:
        self._send = send
        self._error = error
        self._found: Any = None
        self._is_there = False

    def __call__(self) -> Any:
        """The value; raises what an RpcError is for its reader, where there is no such contract or no node."""
        if not self._is_there:
            self._send()
        if isinstance(self._found, RpcError):
            raise self._error(self._found) from None
        return self._found

    def put(self, found: Any) -> None:
        """Store what came: the value, or the RpcError that it is to raise."""
        self._found, self._is_there = found, True


class Reads:
    """Collects reads at one block, and sends those that wait when the first of their answers is needed.

    Args:
        error: makes what its reader raises of an RpcError.
    """

    def __init__(
        self, node: Node, block: At = "latest", error: Callable[[RpcError], Exception] = lambda error: error
    ) -> None:
        self._node = node
        self._block = block
        self._error = error
        self._waiting: list[tuple[Read, Answer]] = []

    def __call__(self, contract: str, address: bytes, function: str, *arguments: Any) -> Answer:
        """Ask for one, without waiting for it."""
        answer = Answer(self._send, self._error)
        self._waiting.append((Read(contract, address, function, arguments), answer))
        return answer

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            found = read_all(self._node, [read for read, _ in waiting], self._block)
        except RpcError as error:
            found = [error] * len(waiting)
        for (_, answer), value in zip(waiting, found, strict=True):
            answer.put(value)


def read(node: Node, contract: str, address: bytes, function: str, *arguments: Any, block: At = "latest") -> Any:
    """What one view function returns; raises RpcError."""
    (found,) = read_all(node, [Read(contract, address, function, arguments)], block)
    if isinstance(found, RpcError):
        raise found
    return found


def read_all(node: Node, reads: Sequence[Read], block: At = "latest") -> list[Any]:
    """For each read what it returns, or the RpcError that it met; raises NodeAwayError."""
    at = hex(block) if isinstance(block, int) else block
    calls = [{"to": to_checksum(one.address), "data": _calldata(one)} for one in reads]
    found = node.outcomes([("eth_call", [call, at]) for call in calls])
    return [_value(node, one, result) for one, result in zip(reads, found, strict=True)]


def _calldata(read: Read) -> str:
    return f"0x{encode_call(read.contract, read.function, *read.arguments).hex()}"


def _value(node: Node, read: Read, result: Any) -> Any:
    if isinstance(result, RpcError):
        return result
    asked = f"{node.name}, {read.what}"
    try:
        return decode_answer(read.contract, read.function, answers.data(result, asked))
    except ChainDataError as error:
        return BadReturnError(asked, f"expected what it returns, came {error}")
    except BadAnswerError as error:
        return error
