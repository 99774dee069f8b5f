"""A node's answers as they are: many requests in one, where the node takes them so."""

from collections.abc import Sequence
from typing import Any, Final

import requests
from web3 import Web3
from web3.exceptions import Web3Exception

NODE_ERRORS: Final = (Web3Exception, requests.RequestException, OSError)
"""What the node's silence and its refusals come as."""
_TOGETHER: Final = 100  # requests that go as one
_MALFORMED: Final = (NotImplementedError, AttributeError, KeyError, TypeError, ValueError, RecursionError)

Request = tuple[str, list[Any]]
"""Method and parameters."""


class Node:
    """Asks a node through web3's provider, not through its functions: those take four times as long."""

    def __init__(self, web3: Web3) -> None:
        self._provider: Any = web3.provider
        self._takes_many = True

    def answers(self, asked: Sequence[Request]) -> list[Any]:
        """For each request the node's answer as it is, or the error that came instead.

        A node that doesn't take many requests in one, or answers otherwise than it should, is asked one by one.
        """
        found: list[Any] = []
        for start in range(0, len(asked), _TOGETHER):
            some = asked[start : start + _TOGETHER]
            together = self._together(some) if self._takes_many and len(some) > 1 else None
            if together is None:
                self._takes_many = self._takes_many and len(some) == 1
                together = [self._alone(method, params) for method, params in some]
            found += together
        return found

    def _together(self, asked: Sequence[Request]) -> list[Any] | None:
        """The answers in their order; None where the node doesn't take so many at once."""
        try:
            found = self._provider.make_batch_request(list(asked))
        except (*NODE_ERRORS, *_MALFORMED):
            return None
        if not isinstance(found, list) or len(found) != len(asked):
            return None
        ids = [answer.get("id") if isinstance(answer, dict) else None for answer in found]
        first = ids[0]
        follow = isinstance(first, int) and all(one == first + number for number, one in enumerate(ids))
        return found if follow else None  # web3 counts them up, and sorts the answers by them

    def _alone(self, method: str, params: list[Any]) -> Any:
        try:
            return self._provider.make_request(method, params)
        except NODE_ERRORS as error:
            return error
