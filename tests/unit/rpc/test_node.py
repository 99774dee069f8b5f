"""A node's answers: JSON-RPC's rules, many requests at once, and nodes that don't keep to either."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from rpc import BadAnswerError, Node, NodeAwayError, NodeRefusalError, RpcError
from rpc.transport import AwayError, Response

ASKED = [("eth_call", [number]) for number in range(5)]
Come = Callable[[Any], Any]


class Played:
    """A transport that answers what `come` makes of what is asked: a document, a Response, bytes, or an error."""

    name = "http://node"

    def __init__(self, come: Come) -> None:
        self._come = come
        self.sizes: list[int] = []

    def post(self, body: bytes) -> Response:
        asked = json.loads(body)
        self.sizes.append(len(asked) if isinstance(asked, list) else 1)
        came = self._come(asked)
        if isinstance(came, Exception):
            raise came
        if isinstance(came, Response):
            return came
        return Response(200, came if isinstance(came, bytes) else json.dumps(came).encode())

    @contextmanager
    def stream(self, body: bytes) -> Iterator[Iterator[bytes]]:
        yield iter([self.post(body).body])


def well(asked: Any) -> Any:
    if isinstance(asked, list):
        return [well(one) for one in asked]
    return {"jsonrpc": "2.0", "id": asked["id"], "result": asked["params"][0]}


def together(come: Callable[[list[Any]], Any]) -> Come:
    """Answers single requests well, and many at once as given."""
    return lambda asked: come(asked) if isinstance(asked, list) else well(asked)


def test_the_result_of_a_request_is_what_the_node_says() -> None:
    assert Node(Played(well)).ask("eth_call", 7) == 7
    assert Node(Played(lambda asked: {"id": asked["id"], "result": None})).ask("eth_call", 7) is None


@pytest.mark.parametrize(
    "come",
    [
        lambda asked: None,
        lambda asked: 7,
        lambda asked: "0x7",
        lambda asked: [],
        lambda asked: [well(asked)],
        lambda asked: {},
        lambda asked: {"id": asked["id"]},
        lambda asked: {"id": asked["id"], "error": None},
        lambda asked: {"id": asked["id"] + 1, "result": 7},
        lambda asked: {"id": str(asked["id"]), "result": 7},
        lambda asked: {"id": None, "result": 7},
        lambda asked: {"id": True, "result": 7},
        lambda asked: {"result": 7},
        lambda asked: b"",
        lambda asked: b"<html>busy</html>",
        lambda asked: b'{"id": 1, "result": NaN}',
        lambda asked: b'{"id": 1, "result": ' + b"9" * 5_000 + b"}",
        lambda asked: b'{"id": 1, "result": ' + b"[" * 100_000,
        lambda asked: b"\xff\xfe\x00",
        lambda asked: b'{"id": 1, "result": "\xff"}',
    ],
)
def test_what_is_no_answer_is_said_with_what_was_asked_and_what_came(come: Come) -> None:
    with pytest.raises(BadAnswerError, match=r"^http://node, eth_call: expected .*, came "):
        Node(Played(come)).ask("eth_call", 7)


@pytest.mark.parametrize(
    ("error", "code", "message", "revert"),
    [
        ({"code": -32000, "message": "no"}, -32000, "no", None),
        ({"code": 3, "message": "execution reverted", "data": "0x1234"}, 3, "execution reverted", b"\x12\x34"),
        ({"code": 3, "message": "VM", "data": {"data": "Reverted 0x12"}}, 3, "VM", b"\x12"),
        ({"code": "3", "message": 4, "data": [1]}, 0, "4", None),
        ({"data": "0x123"}, 0, "{'data': '0x123'}", None),
        ("a word", 0, "a word", None),
        (["a", "list"], 0, "['a', 'list']", None),
        ({"message": "\u202edna\n"}, 0, "\\u202edna\\x0a", None),
    ],
)
def test_a_refusal_has_the_nodes_words(error: Any, code: int, message: str, revert: bytes | None) -> None:
    with pytest.raises(NodeRefusalError) as refused:
        Node(Played(lambda asked: {"id": asked["id"], "error": error})).ask("eth_call", 7)
    assert (refused.value.code, refused.value.message, refused.value.revert) == (code, message, revert)
    assert str(refused.value) == f"http://node, eth_call: {message}"


def test_a_refusal_of_a_request_that_the_node_could_not_read_is_one() -> None:
    with pytest.raises(NodeRefusalError, match="parse error"):
        Node(Played(lambda asked: {"id": None, "error": {"code": -32700, "message": "parse error"}})).ask("eth_call")


def test_a_status_of_http_without_an_answer_is_a_refusal() -> None:
    with pytest.raises(NodeRefusalError, match="HTTP 403: Forbidden") as refused:
        Node(Played(lambda asked: Response(403, b"Forbidden"))).ask("eth_call", 7)
    assert refused.value.code == 403


def test_an_answer_counts_whatever_status_it_came_with() -> None:
    def come(asked: Any) -> Response:
        return Response(400, json.dumps({"id": asked["id"], "error": {"code": -1, "message": "10 blocks"}}).encode())

    with pytest.raises(NodeRefusalError, match="10 blocks") as refused:
        Node(Played(come)).ask("eth_getLogs", {})
    assert refused.value.code == -1


def test_a_node_that_is_away_is_said_to_be() -> None:
    with pytest.raises(NodeAwayError, match=r"^http://node, eth_call: no answer$"):
        Node(Played(lambda asked: AwayError("no answer"))).ask("eth_call", 7)


# ---------------------------------------------------------------- many at once


def test_many_go_together_a_hundred_at_a_time_and_one_alone() -> None:
    played = Played(well)
    assert Node(played).ask_all([("eth_call", [number]) for number in range(206)]) == list(range(206))
    assert played.sizes == [100, 100, 6]
    assert Node(played).ask_all(ASKED[:1]) == [0]
    assert played.sizes[-1] == 1
    assert Node(played).ask_all([]) == []


def test_answers_in_another_order_are_put_right() -> None:
    assert Node(Played(together(lambda asked: [*reversed(well(asked))]))).ask_all(ASKED) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "come",
    [
        lambda asked: {"id": None, "error": {"code": -32600, "message": "no batches"}},
        lambda asked: None,
        lambda asked: [],
        lambda asked: well(asked)[:-1],
        lambda asked: [*well(asked), well(asked[0])],
        lambda asked: [*well(asked)[:-1], well(asked[0])],
        lambda asked: [*well(asked)[:-1], None],
        lambda asked: [*well(asked)[:-1], {"id": None, "error": "too many"}],
        lambda asked: [{**answer, "id": str(answer["id"])} for answer in well(asked)],
        lambda asked: [{**answer, "id": [1]} for answer in well(asked)],
        lambda asked: b"<html>too large</html>",
        lambda asked: b"[" * 100_000,
        lambda asked: Response(413, b"Request Entity Too Large"),
        lambda asked: Response(400, b'{"message": "batch size"}'),
    ],
)
def test_a_node_that_takes_no_batches_is_asked_one_by_one(come: Callable[[list[Any]], Any]) -> None:
    played = Played(together(come))
    node = Node(played)
    assert node.ask_all(ASKED) == [0, 1, 2, 3, 4]
    assert played.sizes == [5, 2, 1, 1, 1, 1, 1]
    assert node.ask_all(ASKED) == [0, 1, 2, 3, 4]
    assert played.sizes[7:] == [1] * 5


@pytest.mark.parametrize("most", [1, 2, 10, 99])
def test_a_node_that_takes_some_is_asked_for_no_more_from_then_on(most: int) -> None:
    def come(asked: list[Any]) -> Any:
        return well(asked) if len(asked) <= most else {"id": None, "error": {"code": -32600, "message": "too many"}}

    played = Played(together(come))
    node, asked = Node(played), [("eth_call", [number]) for number in range(250)]
    assert node.ask_all(asked) == list(range(250))
    before = len(played.sizes)
    assert node.ask_all(asked) == list(range(250))
    assert most // 2 <= max(played.sizes[before:]) <= most


def test_an_error_that_one_of_many_meets_is_its_own() -> None:
    def come(asked: Any) -> Any:
        if isinstance(asked, list):
            return [come(one) for one in asked]
        refused = {"id": asked["id"], "error": {"code": 3, "message": "reverted"}}
        return refused if asked["params"][0] == 3 else well(asked)

    for node in (Node(Played(come)), Node(Played(lambda asked: come(asked) if isinstance(asked, dict) else None))):
        outcomes = node.outcomes(ASKED)
        assert outcomes[:3] + outcomes[4:] == [0, 1, 2, 4]
        assert isinstance(outcomes[3], NodeRefusalError)
        with pytest.raises(NodeRefusalError, match="reverted"):
            node.ask_all(ASKED)


@pytest.mark.parametrize("asked", [ASKED, ASKED[:1]])
def test_a_node_that_is_away_is_not_asked_for_fewer(asked: Sequence[tuple[str, list[int]]]) -> None:
    played = Played(lambda asked: AwayError("reset"))
    with pytest.raises(NodeAwayError):
        Node(played).outcomes(asked)
    assert played.sizes == [len(asked)]


def test_every_error_is_an_error_of_this_package() -> None:
    for kind in (BadAnswerError, NodeAwayError, NodeRefusalError):
        assert issubclass(kind, RpcError)
