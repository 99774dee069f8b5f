"""Events in pieces: nodes with limits of every kind, down to a block at a time."""

import json
from typing import Any

import pytest
from eth_bloom import BloomFilter

from interline.settlements import ChainLog
from rpc import BadAnswerError, Node, NodeAwayError, NodeBehindError, NodeRefusalError, Wanted, read_logs
from rpc.blooms import NEWEST, bloom_of, may_have
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
        return Response(
            200, json.dumps([*map(self.answer, asked)] if isinstance(asked, list) else self.answer(asked)).encode()
        )

    def answer(self, asked: Any) -> Any:
        made = {"eth_chainId": lambda: "0x1", "eth_getBlockByNumber": lambda: self.header(int(asked["params"][0], 16))}
        if asked["method"] in made:
            return {"id": asked["id"], "result": made[asked["method"]]()}
        if asked["method"] == "eth_getTransactionReceipt":
            return {"id": asked["id"], "result": self.receipt(int(asked["params"][0], 16))}
        first, last = (int(asked["params"][0][name], 16) for name in ("fromBlock", "toBlock"))
        self.asked.append((first, last))
        found = self.logs(first, last)
        if last - first + 1 > self.most or len(found) > self.results:
            if self.silent:
                raise AwayError("no answer (ReadTimeout)")
            return {"id": asked["id"], "error": {"code": -32005, "message": "too much"}}
        return {"id": asked["id"], "result": found}

    def logs(self, first: int, last: int) -> list[Any]:
        return [log(block, place) for place, block in enumerate(BLOCKS) if first <= block <= last]

    def header(self, number: int) -> Any:
        """One transaction in each block with events, of the block's number."""
        entries = [HOUSE, TOPIC] if number in BLOCKS else []
        return {
            "number": hex(number),
            "hash": f"0x{number:064x}",
            "parentHash": f"0x{number:064x}",
            "timestamp": hex(number),
            "logsBloom": f"0x{bloom_of(entries):0512x}",
            "transactions": [f"0x{number:064x}"] if entries else [],
        }

    def receipt(self, number: int) -> Any:
        return {
            "transactionHash": f"0x{number:064x}",
            "blockNumber": hex(number),
            "gasUsed": "0x1",
            "status": "0x1",
            "logs": self.logs_there(number),
        }

    def logs_there(self, number: int) -> list[Any]:
        return [log(block, place) for place, block in enumerate(BLOCKS) if block == number]


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

    def logs(self, first: int, last: int) -> Any:
        return self._logs


class Behind(Played):
    """A balancer: nodes behind it have all blocks, but the one that gives logs none above a block."""

    def __init__(self, until: int) -> None:
        super().__init__()
        self.until = until

    def logs(self, first: int, last: int) -> list[Any]:
        return super().logs(first, min(last, self.until))


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


@pytest.mark.parametrize(("until", "last"), [(4_999, 5_000), (899, 1_800), (3, 4), (0, 3), (5_000, 5_001)])
def test_a_node_that_is_behind_is_said_to_leave_events_out(until: int, last: int) -> None:
    behind = Behind(until)
    with pytest.raises(NodeBehindError, match=r"^node, logs of the blocks \d+ to \d+: expected the events of block"):
        read(behind, last=last)
    assert len(behind.asked) == 1  # and isn't asked for less


def test_a_node_that_lacks_a_block_of_the_range_is_behind() -> None:
    class Short(Played):
        def header(self, number: int) -> Any:
            return None if number == 20 else super().header(number)

    with pytest.raises(NodeBehindError, match="expected block 20, came null"):
        read(Short(), last=20)


def test_a_bloom_that_says_there_may_be_events_is_not_believed_against_the_receipts() -> None:
    class Elsewhere(Behind):
        """Another contract's, or another topic's, whose bits in the bloom are the same."""

        def logs_there(self, number: int) -> list[Any]:
            return [log(number, 0, address=f"0x{STRANGER.hex()}"), log(number, 1, topics=[f"0x{OTHER.hex()}"])]

    assert read(Elsewhere(0), last=5_000) == []


def test_only_the_newest_blocks_are_held_against_their_headers() -> None:
    behind = Behind(0)
    until = BLOCKS[2] + NEWEST + 1
    assert [found for _, found in read_logs(Node(behind), WANTED, 0, 4, newest=until)] == [[]]
    with pytest.raises(NodeBehindError):
        list(read_logs(Node(behind), WANTED, 0, 4, newest=until - 1))


@pytest.mark.parametrize("bloom", [None, "0x", "0x00", 7, "0x" + "g" * 512, ["0x"]])
def test_a_header_without_a_bloom_says_that_there_may_be_any(bloom: Any) -> None:
    assert may_have(bloom, WANTED)


def test_a_bloom_has_three_bits_for_each_entry_as_the_yellow_paper_says() -> None:
    """The first of its hash's words mod 2048, as py-evm's eth_bloom has them."""
    for entry in (HOUSE, TOPIC, b"", b"\xff" * 32):
        assert bloom_of([entry]) == int(BloomFilter.from_iterable([entry]))
    both = f"0x{bloom_of([HOUSE, TOPIC]):0512x}"
    assert may_have(both, WANTED)
    assert may_have(both, Wanted([STRANGER, HOUSE], [[OTHER, TOPIC], []]))
    assert not may_have(both, Wanted([STRANGER], [[TOPIC]]))
    assert not may_have(both, Wanted([HOUSE], [[OTHER]]))


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
