"""Events in pieces: nodes with limits of every kind, down to a block at a time."""

import json
from typing import Any

import pytest

from interline.settlements import ChainLog
from rpc import BadAnswerError, Node, NodeAwayError, NodeRefusalError, Wanted, read_logs
from rpc.logs import Pieces
from rpc.transport import AwayError, Response

HOUSE, STRANGER, TOPIC, OTHER = b"\x01" * 20, b"\x02" * 20, b"\x0a" * 32, b"\x0b" * 32
WANTED = Wanted([HOUSE], [[TOPIC]])
BLOCKS = [3, 4, 4, 900, 5_000, 5_001, 40_000]
"""Where there are events."""


def log(block: int, place: int, **changed: Any) -> dict[str, Any]:
    made = {
        "address": f"0x{HOUSE.hex()}",
        "topics": [f"0x{TOPIC.hex()}"],
        "data": "0x07",
        "blockNumber": hex(block),
        "blockHash": f"0x{block:064x}",
        "transactionHash": f"0x{place:064x}",
        "logIndex": hex(place),
    }
    return {**made, **changed}


class Played:
    """A node with events in some blocks, which answers for so many blocks, or so many events, at most."""

    name = "node"

    def __init__(self, most: int = 10**9, results: int = 10**9, silent: bool = False) -> None:
        self.most, self.results, self.silent = most, results, silent
        self.asked: list[tuple[int, int]] = []

    def post(self, body: bytes) -> Response:
        asked = json.loads(body)
        if asked["method"] == "eth_chainId":
            return Response(200, json.dumps({"id": asked["id"], "result": "0x1"}).encode())
        first, last = (int(asked["params"][0][name], 16) for name in ("fromBlock", "toBlock"))
        self.asked.append((first, last))
        found = [log(block, place) for place, block in enumerate(BLOCKS) if first <= block <= last]
        if last - first + 1 > self.most or len(found) > self.results:
            if self.silent:
                raise AwayError("no answer (ReadTimeout)")
            error = {"code": -32005, "message": "too much"}
            return Response(200, json.dumps({"id": asked["id"], "error": error}).encode())
        return Response(200, json.dumps({"id": asked["id"], "result": found}).encode())


def read(played: Any, first: int = 0, last: int = 50_000, wanted: Wanted = WANTED) -> list[ChainLog]:
    until, found = first - 1, []
    for end, some in read_logs(Node(played), wanted, first, last):
        assert all(until < one.block <= end for one in some)
        until, found = end, found + some
    assert until == max(last, first - 1)
    return found


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("most", [1, 10, 11, 2_000, 10_000, 100_000])
def test_no_event_is_left_out_whatever_a_node_takes(most: int, silent: bool) -> None:
    played = Played(most, silent=silent)
    assert [one.block for one in read(played, last=5_500)] == BLOCKS[:-1]
    assert len(played.asked) < 30 + 5_500 / most * 1.5


def test_a_limit_of_results_makes_pieces_smaller_where_there_is_much() -> None:
    played = Played(results=2)
    assert [one.block for one in read(played)] == BLOCKS
    assert len(played.asked) < 60


def test_a_node_that_doesn_t_even_answer_for_a_block_refuses() -> None:
    with pytest.raises(NodeRefusalError, match="too much"):
        read(Played(most=0))


def test_a_node_that_is_away_is_not_asked_for_less() -> None:
    class Away(Played):
        def post(self, body: bytes) -> Response:
            self.asked.append((0, 0))
            raise AwayError("reset")

    away = Away()
    with pytest.raises(NodeAwayError):
        read(away)
    assert len(away.asked) == 2  # and once whether it is there at all


def test_a_range_of_no_blocks_is_not_asked_for() -> None:
    played = Played()
    assert read(played, 5, 4) == []
    assert played.asked == []


class Says(Played):
    """A node that answers with these logs."""

    def __init__(self, *logs: Any) -> None:
        super().__init__()
        self._logs = logs

    def post(self, body: bytes) -> Response:
        return Response(200, json.dumps({"id": json.loads(body)["id"], "result": self._logs}).encode())


def test_what_a_node_took_back_does_not_count_and_order_is_the_chains() -> None:
    found = read(Says(log(4, 2), log(3, 9), log(4, 1), log(4, 0, removed=True)), 3, 4)
    assert [(one.block, one.place) for one in found] == [(3, 9), (4, 1), (4, 2)]


@pytest.mark.parametrize(
    "came",
    [
        log(3, 0, address=f"0x{STRANGER.hex()}"),
        log(3, 0, topics=[f"0x{OTHER.hex()}"]),
        log(3, 0, topics=[]),
        log(2, 0),
        log(4, 0),
        log(3, 0, address="0x01"),
        log(3, 0, topics=[f"0x{TOPIC.hex()}"] * 5),
        log(3, 0, topics="0x"),
        log(3, 0, data="0x0"),
        log(3, 0, data=None),
        log(3, 0, blockNumber=3),
        log(3, 0, blockNumber="0x"),
        log(3, 0, blockNumber="0x" + "f" * 65),
        log(3, 0, blockHash="0x"),
        log(3, 0, logIndex="-0x1"),
        {},
        [],
        None,
        7,
        "0x",
    ],
)
def test_what_wasn_t_asked_for_or_is_no_event_is_an_error_of_the_node(came: Any) -> None:
    with pytest.raises(BadAnswerError, match=r"^node, logs of the blocks 3 to 3"):
        read(Says(came), 3, 3)


def test_two_events_at_one_place_are_an_error_of_the_node() -> None:
    with pytest.raises(BadAnswerError, match="two with one place"):
        read(Says(log(3, 0), log(3, 0, data="0x08")), 3, 3)


def test_topics_at_any_place_are_asked_for_and_held_against_what_comes() -> None:
    wanted = Wanted([HOUSE], [[], [TOPIC, OTHER]])
    assert wanted.filter(1, 2)["topics"] == [None, [f"0x{TOPIC.hex()}", f"0x{OTHER.hex()}"]]
    two = [f"0x{STRANGER.hex()}{12 * '00'}", f"0x{OTHER.hex()}"]
    assert len(read(Says(log(3, 0, topics=two)), 3, 3, wanted)) == 1


@pytest.mark.parametrize("limit", [1, 10, 77, 9_999])
def test_pieces_stay_near_a_limit_of_blocks_and_seldom_ask_for_more(limit: int) -> None:
    pieces, read = Pieces(first=1_000, most=100_000), 0
    for _ in range(1_000):
        size = pieces.size
        if size <= limit:
            read += size
            pieces.taken(size)
        else:
            pieces.refused(size)
    assert read > 1_000 * limit * 0.9
    for _ in range(400):
        pieces.taken(pieces.size)
    assert pieces.size == 100_000
