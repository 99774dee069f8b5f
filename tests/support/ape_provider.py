"""Ape in the tests' own process, many commands one after another."""

from functools import cache
from typing import Any

from ape_ethereum.provider import Web3Provider


@cache
def connect_once() -> None:
    """Keep Ape from connecting once more with each command.

    `Web3Provider.__new__` wraps the class's `connect` for every provider that is made (ape 0.8.51), so that the
    hundredth does a hundred times what follows on a connection.
    """
    made: Any = Web3Provider.__new__

    def make(cls: Any, *arguments: Any, **named: Any) -> Any:
        one = made(cls, *arguments, **named)
        inner = cls.connect.__wrapped__
        if hasattr(inner, "__wrapped__"):
            cls.connect = inner
        return one

    Web3Provider.__new__ = make  # type: ignore[method-assign]
