"""A node's answers to requests, one at a time or many together, with the rules of JSON-RPC 2.0 held.

What comes back is the `result` as the node gave it; `rpc.answers` makes numbers, bytes, blocks and logs of it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, NoReturn

from interline.safe_text import safe_text
from rpc.errors import BadAnswerError, NodeAwayError, NodeRefusalError, RpcError
from rpc.transport import AwayError, HttpTransport, Response, Transport

TOGETHER: Final = 100
"""Requests that go in one, until the node finds that too many."""
_SHOWN: Final = 300  # characters of a node's words in a message

Request = tuple[str, Sequence[Any]]
"""Method and parameters."""


class Node:
    """One node, asked through one transport.

    Raises, from every method that asks:
        NodeAwayError: no answer came.
        NodeRefusalError: the node refuses.
        BadAnswerError: what came is no answer that JSON-RPC allows.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._ids = itertools.count(1)
        self._together = TOGETHER

    @classmethod
    def at(cls, url: str) -> Node:
        """The node at an address on the web."""
        return cls(HttpTransport(url))

    @property
    def name(self) -> str:
        """Which node this is, for messages."""
        return self.transport.name

    def ask(self, method: str, *params: Any) -> Any:
        """The result of one request."""
        asked = f"{self.name}, {method}"
        number = next(self._ids)
        response = self._post(asked, _encoded(number, method, params))
        answer = _document(asked, response)
        if isinstance(answer, list) or not _is_answer(answer, number):
            _refuse_status(asked, response)
            raise BadAnswerError(asked, f"expected the answer to request {number}, came {response.shown}")
        return _result(asked, answer)

    def stream(self, method: str, *params: Any) -> AbstractContextManager[Iterator[bytes]]:
        """The whole answer to one request as it comes in, for whoever reads long ones with care.

        Raises NodeAwayError, also while it is read.
        """
        return self._streamed(f"{self.name}, {method}", _encoded(next(self._ids), method, params))

    @contextmanager
    def _streamed(self, asked: str, body: bytes) -> Iterator[Iterator[bytes]]:
        try:
            with self.transport.stream(body) as pieces:
                yield pieces
        except AwayError as error:
            raise NodeAwayError(asked, str(error)) from None

    def ask_all(self, requests: Sequence[Request]) -> list[Any]:
        """The results of many requests, in their order. Raises the first of their errors."""
        found = self.outcomes(requests)
        for one in found:
            if isinstance(one, RpcError):
                raise one
        return found

    def outcomes(self, requests: Sequence[Request]) -> list[Any]:
        """For each of many requests its result, or the RpcError that it met.

        They go together as far as the node lets them: one that takes no more than some, or none, is asked for fewer.

        Raises:
            NodeAwayError: no answer came to some of them.
        """
        found: list[Any] = []
        while len(found) < len(requests):
            some = requests[len(found) : len(found) + self._together]
            answers = self._many(some) if len(some) > 1 else [self._alone(*some[0])]
            if answers is None:
                self._together = max(1, len(some) // 2)
            else:
                found += answers
        return found

    def _alone(self, method: str, params: Sequence[Any]) -> Any:
        try:
            return self.ask(method, *params)
        except NodeAwayError:
            raise
        except RpcError as error:
            return error

    def _many(self, requests: Sequence[Request]) -> list[Any] | None:
        """Their results or errors; None where the node doesn't take so many at once."""
        asked = [f"{self.name}, {method}" for method, _ in requests]
        numbers = [next(self._ids) for _ in requests]
        calls = (_encoded(number, method, params) for number, (method, params) in zip(numbers, requests, strict=True))
        response = self._post(f"{self.name}, {len(requests)} requests at once", b"[" + b",".join(calls) + b"]")
        try:
            answers = _document("", response)
        except RpcError:
            return None
        if not isinstance(answers, list):
            return None
        by_number = {}
        for answer in answers:
            number = answer.get("id") if isinstance(answer, dict) else None
            if not isinstance(number, int) or not _is_answer(answer, number):
                return None
            by_number[number] = answer
        if len(answers) != len(numbers) or by_number.keys() != set(numbers):
            return None
        return [_outcome(one, by_number[number]) for one, number in zip(asked, numbers, strict=True)]

    def _post(self, asked: str, body: bytes) -> Response:
        try:
            return self.transport.post(body)
        except AwayError as error:
            raise NodeAwayError(asked, str(error)) from None


def _encoded(number: int, method: str, params: Sequence[Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}).encode()


def _document(asked: str, response: Response) -> Any:
    try:
        return json.loads(response.body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        _refuse_status(asked, response)
        raise BadAnswerError(asked, f"expected JSON, came {response.shown}") from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _refuse_status(asked: str, response: Response) -> None:
    if response.status != 200:
        raise NodeRefusalError(asked, response.status, f"HTTP {response.status}: {response.shown}")


def _is_answer(answer: Any, number: int) -> bool:
    """Whether it is one to that request: an error may be to one that the node couldn't read."""
    if not isinstance(answer, dict) or isinstance(answer.get("id"), bool):
        return False
    if answer.get("error") is not None:
        return answer.get("id") in (number, None)
    return answer.get("id") == number and "result" in answer


def _outcome(asked: str, answer: dict[str, Any]) -> Any:
    try:
        return _result(asked, answer)
    except RpcError as error:
        return error


def _result(asked: str, answer: dict[str, Any]) -> Any:
    error = answer.get("error")
    if error is None:
        return answer["result"]
    code = error.get("code") if isinstance(error, dict) else None
    words = error.get("message", error) if isinstance(error, dict) else error
    data = error.get("data") if isinstance(error, dict) else None
    known = code if isinstance(code, int) else 0
    raise NodeRefusalError(asked, known, safe_text(str(words)[:_SHOWN]), data)
