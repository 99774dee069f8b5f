"""Reads that go together: what is asked, what comes back, and nodes that don't answer as they should."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from requests import ConnectionError as NoConnection

from consortium.errors import ChainError
from consortium.node import Node, Request
from consortium.reads import Read, Reads

Batch = Callable[[Sequence[Request]], Any]
ASKED: list[Request] = [("eth_call", [number]) for number in range(5)]


class Provider:
    """A node that answers each request with its parameter, and many together as `batch` says."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self.alone: list[int] = []
        self.together: list[int] = []

    def make_request(self, method: str, params: list[Any]) -> Any:
        self.alone.append(params[0])
        return {"id": 900, "result": params[0]}

    def make_batch_request(self, asked: Sequence[Request]) -> Any:
        self.together.append(len(asked))
        return self._batch(asked)


def well(asked: Sequence[Request]) -> list[Any]:
    return [{"id": 7 + number, "result": params[0]} for number, (_, params) in enumerate(asked)]


def refusing(error: Exception) -> Batch:
    def refuse(asked: Sequence[Request]) -> Any:
        raise error

    return refuse


def results(provider: Provider, asked: list[Request]) -> list[Any]:
    return [answer["result"] for answer in Node(SimpleNamespace(provider=provider)).answers(asked)]  # type: ignore[arg-type]


def test_requests_go_together_a_hundred_at_a_time() -> None:
    provider = Provider(well)
    asked: list[Request] = [("eth_call", [number]) for number in range(205)]
    assert results(provider, asked) == list(range(205))
    assert (provider.together, provider.alone) == ([100, 100, 5], [])


def test_a_single_request_goes_alone() -> None:
    provider = Provider(well)
    assert results(provider, ASKED[:1]) == [0]
    assert (provider.together, provider.alone) == ([], [0])


@pytest.mark.parametrize(
    "batch",
    [
        lambda asked: {"id": None, "error": {"code": -32600, "message": "no batches"}},
        lambda asked: None,
        lambda asked: [],
        lambda asked: well(asked)[:-1],
        lambda asked: [*well(asked), {"id": 12, "result": 5}],
        lambda asked: [*well(asked)[:-1], None],
        lambda asked: [*well(asked)[:-1], {"id": None, "error": "too many"}],
        lambda asked: list(reversed(well(asked))),
        lambda asked: [{**answer, "id": 7} for answer in well(asked)],
        lambda asked: [{**answer, "id": "7"} for answer in well(asked)],
        refusing(NoConnection("413 Request Entity Too Large")),
        refusing(ValueError("not JSON")),
        refusing(RecursionError("maximum recursion depth exceeded")),
        refusing(NotImplementedError()),
    ],
)
def test_a_node_that_doesn_t_take_many_is_asked_one_by_one_from_then_on(batch: Batch) -> None:
    provider = Provider(batch)
    node = Node(SimpleNamespace(provider=provider))  # type: ignore[arg-type]
    for _ in range(2):
        assert [answer["result"] for answer in node.answers(ASKED)] == [0, 1, 2, 3, 4]
    assert (provider.together, len(provider.alone)) == ([5], 10)


def test_an_error_that_one_request_meets_is_its_own() -> None:
    provider = Provider(refusing(NoConnection()))
    silent = NoConnection("reset")

    def answers(method: str, params: list[Any]) -> Any:
        if params[0] == 3:
            raise silent
        return params[0]

    provider.make_request = answers  # type: ignore[method-assign]
    assert Node(SimpleNamespace(provider=provider)).answers(ASKED) == [0, 1, 2, silent, 4]  # type: ignore[arg-type]


def test_what_was_asked_goes_when_the_first_answer_is_needed() -> None:
    sent: list[list[str]] = []

    def send(reads: Sequence[Read]) -> list[Any]:
        sent.append([read.function for read in reads])
        return [ChainError(read.function) if read.function == "refunds" else read.function.upper() for read in reads]

    ask = Reads(send)
    first, second, third = (ask("Clearinghouse", "0x", name) for name in ("grace", "refunds", "maxFare"))
    assert sent == []
    assert third() == "MAXFARE"
    assert sent == [["grace", "refunds", "maxFare"]]
    later = ask("Clearinghouse", "0x", "closesAt")
    assert (first(), third(), later()) == ("GRACE", "MAXFARE", "CLOSESAT")
    for _ in range(2):
        with pytest.raises(ChainError, match="refunds"):
            second()
    assert sent == [["grace", "refunds", "maxFare"], ["closesAt"]]
