"""The index follows its chain: block by block, from where it was, and over to another branch; it takes no lie."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from copy import copy, deepcopy
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from interline.batch import Batch
from interline.batch_source import Transaction
from interline.errors import InterlineError
from interline.hashing import keccak256
from interline.operating_day import OperatingDay
from interline.ride import RIDE_BYTES
from interline.settlements import ChainLog
from ledger.errors import BooksError, ChainMovedError, IndexFileError, LedgerError, TooMuchError
from ledger.head import Head
from ledger.index import query
from ledger.index.reading import EventDecoder
from ledger.index.schema import TABLES
from ledger.index.store import Index
from ledger.index.sync import Synced, sync
from ledger.index.writing import RECENT
from ledger.reconcile.audit import check_index
from tests.support.fake_chain import FakeBlock, FakeChain, encode_log
from tests.support.index_rows import FIRST_BLOCK, REVOKED, IndexRows, WrittenBatch, moment

SHANGHAI, HANGZHOU, XUZHOU = 3100, 3301, 3203


@pytest.fixture
def index() -> Iterator[Index]:
    with Index.open(":memory:", write=True) as opened:
        yield opened


class World:
    """A winter of three cities by hand: the index that it makes, and the chain that it stands on."""

    def __init__(self) -> None:
        self.index = Index.open(":memory:", write=True)
        self.rows = rows = IndexRows(self.index)
        for code, name in ((SHANGHAI, "Shanghai"), (HANGZHOU, "Hangzhou"), (XUZHOU, "Xuzhou")):
            rows.admit(code, name)
        rows.deposit(SHANGHAI, 10_000, reference=b"\x07" * 32)
        rows.deposit(XUZHOU, 1_000)
        self.first = rows.settle(HANGZHOU, [(SHANGHAI, 400), (SHANGHAI, 500), (XUZHOU, 1_500)])
        self.second = rows.settle(SHANGHAI, [(XUZHOU, 700), (XUZHOU, 300)], refused={0: 3})
        rows.refund(self.first, 0, 150)
        rows.dispute(self.first, 1)
        rows.answer(self.first, 1)
        rows.refund(self.second, 1, 300, cause=REVOKED)  # Set off: Xuzhou is in arrears with Shanghai
        rows.dispute(self.first, 2)
        rows.withdraw(HANGZHOU, 100)
        rows.deposit(XUZHOU, 200)
        rows.pay_arrears(XUZHOU, HANGZHOU)
        rows.told("Consortium", "Approved", id=1, city=SHANGHAI)
        self.chain = FakeChain.of(rows)


@pytest.fixture(scope="module")
def told() -> Iterator[World]:
    made = World()
    yield made
    made.index.close()


@pytest.fixture
def world(told: World) -> World:
    """The winter, on a chain that the test may spoil; its rows are for reading."""
    world = copy(told)
    world.chain = deepcopy(told.chain)
    return world


@pytest.fixture
def going_on() -> Iterator[World]:
    """The winter, to be gone on with."""
    made = World()
    yield made
    made.index.close()


def contents(index: Index) -> dict[str, list[tuple[object, ...]]]:
    """All tables, each in an order of its own."""
    cursor = index.cursor()
    return {table: cursor.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall() for table in TABLES}


# ---------------------------------------------------------------- what it reads


def test_what_is_read_from_the_chain_is_what_happened(world: World, index: Index) -> None:
    done = sync(index, world.chain)
    assert (done.batches, done.rides) == (2, 4)
    assert contents(index) == contents(world.index)


def test_the_books_are_those_of_the_events(world: World, index: Index) -> None:
    sync(index, world.chain)
    books, expected = query.books(index.cursor()), world.rows.books
    assert dict(books.balances) == dict(expected.balances)
    assert {pair: owed for pair, owed in books.arrears.items() if owed} == {
        pair: owed for pair, owed in expected.arrears.items() if owed
    }
    between = books.pairs[XUZHOU, HANGZHOU]
    assert (between.rides, between.fares, between.disputed) == (1, 1_500, 1_500)
    assert books.pairs[SHANGHAI, HANGZHOU].fees == 500


def test_block_by_block_is_the_same_as_at_once(world: World, index: Index) -> None:
    for number in range(world.chain.since, max(world.chain.blocks) + 1):
        sync(index, world.chain, until=number)
    assert contents(index) == contents(world.index)


def test_where_nothing_is_new_only_the_newest_block_is_asked_for(world: World, index: Index) -> None:
    sync(index, world.chain)
    world.chain.asked.clear()
    assert sync(index, world.chain) == Synced(0, 0, 0, 0, pytest.approx(0, abs=1))
    assert world.chain.asked == ["latest"]


def test_a_new_block_is_read_alone(going_on: World, index: Index) -> None:
    sync(index, going_on.chain)
    number = going_on.rows.settle(HANGZHOU, [(SHANGHAI, 600)]).number
    going_on.chain.blocks = FakeChain.of(going_on.rows).blocks
    assert sync(index, going_on.chain).events == 2
    assert contents(index) == contents(going_on.index)
    assert index.cursor().execute("SELECT max(id) FROM batches").fetchall() == [(number,)]


def test_an_index_is_not_taken_for_that_of_another_clearinghouse(world: World, index: Index) -> None:
    sync(index, world.chain)
    world.chain.address = world.chain.contracts["Refunds"]
    with pytest.raises(IndexFileError, match="expected an index of clearinghouse"):
        sync(index, world.chain)


def test_a_node_that_finds_it_too_much_is_asked_for_less(world: World, index: Index) -> None:
    logs = world.chain.logs

    def stingy(first: int, last: int) -> list[ChainLog]:
        if last - first >= 3:
            raise TooMuchError("at most 3 blocks")
        return logs(first, last)

    world.chain.logs = stingy  # type: ignore[method-assign]
    sync(index, world.chain)
    assert contents(index) == contents(world.index)


def test_pieces_of_few_rides_make_the_same_index(world: World, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.index.reading.PIECE_RIDES", 1)
    sync(index, world.chain)
    assert contents(index) == contents(world.index)


def test_only_the_last_blocks_are_kept_without_an_event(going_on: World, index: Index) -> None:
    sync(index, going_on.chain)
    for _ in range(RECENT + 20):
        going_on.rows.empty_block()
        going_on.chain.blocks = FakeChain.of(going_on.rows).blocks
        sync(index, going_on.chain)
    assert contents(index)["blocks"] == contents(going_on.index)["blocks"]
    with_events = index.cursor().execute("SELECT DISTINCT block FROM events").fetchall()
    assert len(contents(index)["blocks"]) == len(with_events) + RECENT


def test_a_city_whose_day_begins_at_another_time_gets_its_rides_days_anew(
    going_on: World, index: Index, city_file: Callable[..., Any]
) -> None:
    going_on.rows.settle(HANGZHOU, [(SHANGHAI, 600, moment("2019-11-01 05:30"))])
    going_on.chain.blocks = FakeChain.of(going_on.rows).blocks
    sync(index, going_on.chain)
    at = "SELECT exit_day::VARCHAR FROM rides WHERE fare = 600"
    assert index.cursor().execute(at).fetchall() == [("2019-11-01",)]
    sync(index, going_on.chain, [city_file(HANGZHOU, "06:00")])
    assert index.cursor().execute(at).fetchall() == [("2019-10-31",)]
    sync(index, going_on.chain)  # Nothing said of cities: as before
    assert index.cursor().execute(at).fetchall() == [("2019-10-31",)]
    sync(index, going_on.chain, [])
    assert index.cursor().execute(at).fetchall() == [("2019-11-01",)]


@pytest.fixture
def city_file() -> Callable[..., Any]:
    return lambda code, starts: SimpleNamespace(code=code, operating_day=OperatingDay(starts=starts))


# ---------------------------------------------------------------- reorganised blocks


def branch(world: World, above: int) -> FakeChain:
    """The same chain up to a block, and other blocks after it: without what had happened there, but a deposit."""
    chain = deepcopy(world.chain)
    chain.blocks = {number: block for number, block in chain.blocks.items() if number <= above}
    told = {"city": SHANGHAI, "from": chain.address, "amount": 77, "bankReference": bytes(32)}
    topics, data = encode_log("Clearinghouse", "Deposited", told)
    for number in range(above + 1, above + 4):
        block_hash = keccak256(b"other %d" % number)
        head = Head(number, f"0x{block_hash.hex()}", moment("2019-12-24 12:00") + number)
        address = bytes.fromhex(chain.address[2:])
        chain.blocks[number] = FakeBlock(head, [ChainLog(address, topics, data, number, block_hash, block_hash, 0)])
    return chain


@pytest.mark.parametrize("back", [0, 1, 2, 7, 15])
def test_after_a_reorganisation_the_index_is_as_if_made_anew(world: World, index: Index, back: int) -> None:
    sync(index, world.chain)
    other = branch(world, max(world.chain.blocks) - back)
    sync(index, other)
    with Index.open(":memory:", write=True) as anew:
        sync(anew, other)
        assert contents(index) == contents(anew)


def test_after_a_reorganisation_only_what_is_new_is_read_again(world: World, index: Index) -> None:
    sync(index, world.chain)
    assert sync(index, branch(world, max(world.chain.blocks) - 2)).blocks == 3


def test_a_chain_that_lost_its_last_blocks_cuts_the_index(world: World, index: Index) -> None:
    sync(index, world.chain)
    last = max(world.chain.blocks)
    del world.chain.blocks[last]
    del world.chain.blocks[last - 1]
    sync(index, world.chain)
    assert index.head() == world.chain.latest()


def test_another_chain_altogether_is_read_from_its_beginning(world: World, index: Index) -> None:
    sync(index, world.chain)
    other = branch(world, FIRST_BLOCK - 1)
    sync(index, other)
    assert index.head() == other.latest()
    assert contents(index)["batches"] == []


def test_up_to_an_older_block_nothing_is_cut_off(world: World, index: Index) -> None:
    sync(index, world.chain)
    sync(index, world.chain, until=FIRST_BLOCK + 3)
    assert contents(index) == contents(world.index)


def test_a_chain_that_moves_while_it_is_read_is_read_again(world: World, index: Index) -> None:
    other, logs = branch(world, max(world.chain.blocks) - 2), world.chain.logs

    def moving(first: int, last: int) -> list[ChainLog]:
        found = logs(first, last)
        world.chain.blocks = other.blocks
        return found

    world.chain.logs = moving  # type: ignore[method-assign]
    sync(index, world.chain)
    with Index.open(":memory:", write=True) as anew:
        sync(anew, other)
        assert contents(index) == contents(anew)


def test_a_chain_whose_end_moves_after_its_events_were_read_is_read_again(world: World, index: Index) -> None:
    number = block_of(world, world.second).head.number
    other, transactions = branch(world, number), world.chain.transactions
    world.chain.blocks = {at: block for at, block in world.chain.blocks.items() if at <= number}
    world.chain.blocks[number + 1] = FakeBlock(Head(number + 1, "0x" + "ee" * 32, 0))

    def moving(txs: Sequence[bytes]) -> list[Transaction | None]:
        found = transactions(txs)
        world.chain.blocks = other.blocks
        return found

    world.chain.transactions = moving  # type: ignore[method-assign]
    sync(index, world.chain)
    with Index.open(":memory:", write=True) as anew:
        sync(anew, other)
        assert contents(index) == contents(anew)


def test_a_chain_that_never_rests_is_given_up(world: World, index: Index) -> None:
    heads = world.chain.heads

    def restless(numbers: list[int]) -> list[Head | None]:
        return [head and replace(head, hash="0x" + "00" * 32) for head in heads(numbers)]

    world.chain.heads = restless  # type: ignore[method-assign,assignment]
    with pytest.raises(ChainMovedError):
        sync(index, world.chain)
    assert index.find_head() is None


# ---------------------------------------------------------------- a node that lies


def block_of(world: World, batch: WrittenBatch) -> FakeBlock:
    [block] = [one for one in world.chain.blocks.values() for log in one.logs if log.topics[1] == batch.batch.id][:1]
    return block


def change_event(world: World, name: str, **changes: Any) -> None:
    """Change arguments of the first event of a name."""
    decoder = EventDecoder(world.chain.contracts)
    for block in world.chain.blocks.values():
        for at, log in enumerate(block.logs):
            event = decoder.decode(log)
            if event.name == name:
                topics, data = encode_log(event.contract, name, {**event.arguments, **changes})
                block.logs[at] = replace(log, topics=topics, data=data)
                return
    raise AssertionError(f"no {name}")


def drop_event(world: World, name: str) -> None:
    """Leave out the first event of a name."""
    decoder = EventDecoder(world.chain.contracts)
    for block in world.chain.blocks.values():
        for log in block.logs:
            if decoder.decode(log).name == name:
                block.logs.remove(log)
                return
    raise AssertionError(f"no {name}")


def refused(world: World, index: Index) -> str:
    """What sync says; nothing of the piece may be kept."""
    with pytest.raises((LedgerError, InterlineError)) as caught:
        sync(index, world.chain)
    assert index.find_head() is None
    assert all(rows == [] for table, rows in contents(index).items() if table != "meta")
    return str(caught.value)


LIES: list[tuple[str, dict[str, Any], str]] = [
    ("PairSettled", {"fares": 901}, "PairSettled"),
    ("PairSettled", {"paid": 899}, "expected 900 of 900 fen paid at once by 3100 to 3301, came 899"),
    ("PairSettled", {"rides": 3}, "PairSettled"),
    ("BatchSettled", {"fares": 2_401}, "BatchSettled"),
    ("BatchSettled", {"settled": 2}, "BatchSettled"),
    ("BatchSettled", {"operator": XUZHOU}, "expected operator 3203, came 3301"),
    ("RideRejected", {"index": 1}, "BatchSettled"),
    ("RideRejected", {"reason": 2}, "expected refused rides whose outcome is 0x"),
    ("RideRefunded", {"amount": 401}, "expected a refund of at most 400 fen, came 401"),
    ("RideRefunded", {"issuer": XUZHOU}, "expected a ride of 3100 with 3301, came 3203 and 3301"),
    ("RideRefunded", {"index": 900}, "expected a ride that settled before, came none"),
    ("RideRefunded", {"paid": 149}, "expected 150 of 150 fen paid at once by 3301 to 3100, came 149"),
    ("RideDisputed", {"amount": 499}, "expected a dispute of what is left of a fare"),
    ("RideUpheld", {"fee": 501}, "expected an open dispute with a fee of 500 fen"),
    ("Deposited", {"amount": 0}, "expected a deposit above 0"),
    ("ArrearsPaid", {"amount": 1}, "set off"),
]


@pytest.mark.parametrize(("name", "changes", "message"), LIES, ids=[f"{name} {changes}" for name, changes, _ in LIES])
def test_a_changed_event_is_found(world: World, index: Index, name: str, changes: dict[str, Any], message: str) -> None:
    change_event(world, name, **changes)
    came = refused(world, index)
    assert message in came
    assert "transaction 0x" in came


@pytest.mark.parametrize("name", ["PairSettled", "RideRejected", "Deposited", "RideDisputed", "ArrearsPaid"])
def test_a_missing_event_is_found(world: World, index: Index, name: str) -> None:
    drop_event(world, name)
    assert "transaction 0x" in refused(world, index)


def test_a_missing_batch_event_is_named(world: World, index: Index) -> None:
    drop_event(world, "BatchSettled")
    assert f"batch 0x{world.first.batch.id.hex()}" in refused(world, index)


def spoil_ride(world: World, offset: int, bits: int) -> None:
    """Change bits of a byte of the first batch's second ride; everything that follows from its hash is changed, too."""
    batch = world.first.batch
    data = bytearray(batch.to_bytes())
    data[7 + RIDE_BYTES + offset] ^= bits
    changed, block = bytes(data), block_of(world, world.first)
    for one in world.chain.blocks.values():
        one.logs = [
            replace(log, topics=tuple(keccak256(changed) if topic == batch.id else topic for topic in log.topics))
            for log in one.logs
        ]
    [(tx, sent)] = block.inputs.items()
    block.inputs[tx] = b"rely" + sent[4:].replace(batch.to_bytes(), changed)


@pytest.mark.parametrize(
    ("offset", "bits"),
    [(4, 1 << 6), (8, 1), (12, 1), (32, 1), (RIDE_BYTES - 1, 1), (RIDE_BYTES - 32, 0x80)],
    ids=["serial", "notAfter", "fareCap", "rider", "signature", "parity of the signature"],
)
def test_a_ride_whose_ticket_the_issuer_did_not_sign_is_named(
    world: World, index: Index, offset: int, bits: int
) -> None:
    spoil_ride(world, offset, bits)
    assert "ride 1: expected a ticket signed by issuer 3100's key 1, came another" in refused(world, index)


def test_a_batch_that_nobody_signed_for_the_operator_is_named(world: World, index: Index) -> None:
    block = block_of(world, world.first)
    [(tx, sent)] = block.inputs.items()
    block.inputs[tx] = sent[:-1] + bytes([sent[-1] ^ 1])
    assert "expected a submitter's signature of operator 3301" in refused(world, index)


def test_a_submitter_that_was_removed_before_signs_no_more(world: World, index: Index) -> None:
    decoder = EventDecoder(world.chain.contracts)
    events = [decoder.decode(log) for block in world.chain.blocks.values() for log in block.logs]
    [key] = [
        event.arguments["key"]
        for event in events
        if event.name == "SubmitterAdded" and event.arguments["city"] == HANGZHOU
    ]
    block = block_of(world, world.first)
    topics, data = encode_log("CityRegistry", "SubmitterRemoved", {"city": HANGZHOU, "key": key})
    registry = bytes.fromhex(world.chain.contracts["CityRegistry"][2:])
    block.logs.insert(0, replace(block.logs[0], address=registry, topics=topics, data=data))
    assert f"batch 0x{world.first.batch.id.hex()}" in refused(world, index)


def test_a_batch_that_settles_twice_is_named(world: World, index: Index) -> None:
    last, block = world.chain.blocks[max(world.chain.blocks)], block_of(world, world.first)
    last.inputs |= block.inputs
    last.logs += [
        replace(log, block=last.head.number, block_hash=bytes.fromhex(last.head.hash[2:]), place=50 + at)
        for at, log in enumerate(block.logs)
    ]
    assert f"batch 0x{world.first.batch.id.hex()}" in refused(world, index)


def test_a_serial_that_settled_in_an_earlier_batch_is_named(going_on: World, index: Index) -> None:
    sync(index, going_on.chain)
    before = contents(index)
    again = going_on.rows.settle(HANGZHOU, [(SHANGHAI, 600)])
    going_on.chain.blocks = FakeChain.of(going_on.rows).blocks
    ride = next(going_on.first.batch.iter_rides())
    batch = Batch.build(HANGZHOU, [ride[1:]])
    _replace_batch(going_on, again, batch)
    with pytest.raises(BooksError, match=f"batch 0x{batch.id.hex()}, ride 0: serial 0 of 3100 for 3301 had settled"):
        sync(index, going_on.chain)
    assert contents(index) == before


def _replace_batch(world: World, written: WrittenBatch, batch: Batch) -> None:
    """Put another batch, with its own sums, in the place of one that was settled."""
    block, decoder = block_of(world, written), EventDecoder(world.chain.contracts)
    fares = sum(ride.fare for *_, ride in batch.iter_rides())
    for at, log in enumerate(block.logs):
        event = decoder.decode(log)
        paid = {"paid": fares} if event.name == "PairSettled" else {}
        told = {**event.arguments, "batchId": batch.id, "fares": fares, **paid}
        topics, data = encode_log(event.contract, event.name, told)
        block.logs[at] = replace(log, topics=topics, data=data)
    [tx] = block.inputs
    word = len(batch.to_bytes()).to_bytes(32, "big")
    block.inputs[tx] = b"rely" + word + batch.to_bytes()  # As through a relay


def test_an_event_of_money_under_another_name_is_missed(world: World, index: Index) -> None:
    block = block_of(world, world.first)
    block.logs[0] = replace(block.logs[0], topics=(b"\x01" * 32, *block.logs[0].topics[1:]))
    assert "expected the issuers, rides and fares that PairSettled says" in refused(world, index)


def test_an_event_with_a_topic_too_few_is_refused(world: World, index: Index) -> None:
    block = block_of(world, world.first)
    block.logs[0] = replace(block.logs[0], topics=block.logs[0].topics[:-1])
    assert "expected an event of the contracts' interfaces, Clearinghouse.PairSettled" in refused(world, index)


def test_an_event_of_another_contract_is_refused(world: World, index: Index) -> None:
    block = block_of(world, world.first)
    block.logs[0] = replace(block.logs[0], address=b"\x01" * 20)
    assert "expected an event of the contracts' interfaces" in refused(world, index)


def test_an_event_that_the_interfaces_lack_is_kept_counted_and_said(world: World, index: Index) -> None:
    block = block_of(world, world.first)
    topics = b"\x01" * 32, b"\xff" * 32
    block.logs.append(replace(block.logs[-1], topics=topics, data=b"\xff", place=block.logs[-1].place + 1))
    said: list[str] = []
    done = sync(index, world.chain, tell=said.append, processes=1)
    assert done.unknown == 1
    assert [line for line in said if line.startswith("1 events of the contracts are unknown here")]
    kept = index.cursor().execute("SELECT arguments FROM events WHERE name = 'Unknown'").fetchall()
    assert [json.loads(row[0]) for row in kept] == [{"topics": [f"0x{t.hex()}" for t in topics], "data": "0xff"}]
    checked = check_index(index, world.chain, processes=1)
    assert [finding.where for finding in checked.findings] == ["events"]
