"""Reads of view functions at one block, put together in few requests.

    reads = chain.reads(block)
    name, limit = reads("CityRegistry", registry, "city", 3100), reads("Clearinghouse", house, "maxFare")
    print(name(), limit())

A survey of all members is hundreds of reads, and most of each is the way to the node and back: nothing is sent until
an answer is needed, and then all that was asked by then goes together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from consortium.errors import ChainError


@dataclass(frozen=True, slots=True)
class Read:
    """A call of a view function of one of our contracts."""

    contract: str
    address: str
    function: str
    arguments: tuple[Any, ...]


class Answer:
    """What a view function returns: call it to have it."""

    def __init__(self, send: Callable[[], None]) -> None:
        self._send = send
        self._found: Any = None
        self._is_there = False

    def __call__(self) -> Any:
        """The value; raises ChainError where the node doesn't answer, or there is no such contract."""
        if not self._is_there:
            self._send()
        if isinstance(self._found, ChainError):
            raise self._found
        return self._found

    def put(self, found: Any) -> None:
        """Store what came: the value, or the ChainError that it is to raise."""
        self._found, self._is_there = found, True


class Reads:
    """Collects reads, and sends those that wait when the first of their answers is needed.

    Args:
        send: asks the node; gives for each read its value, or a ChainError.
    """

    def __init__(self, send: Callable[[Sequence[Read]], Sequence[Any]]) -> None:
        self._ask = send
        self._waiting: list[tuple[Read, Answer]] = []

    def __call__(self, contract: str, address: str, function: str, *arguments: Any) -> Answer:
        """Ask for one, without waiting for it."""
        answer = Answer(self._send)
        self._waiting.append((Read(contract, address, function, arguments), answer))
        return answer

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        found = self._ask([read for read, _ in waiting])
        for (_, answer), value in zip(waiting, found, strict=True):
            answer.put(value)
