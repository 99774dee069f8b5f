"""The index of a real chain: block by block or at once, killed and resumed, reorganised, always the same."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3

from interline.batch_source import Transaction
from interline.errors import TraceError
from interline.settlements import ChainLog
from ledger.chain import Chain
from ledger.errors import BooksError, LedgerError
from ledger.index import checking, query
from ledger.index.schema import TABLES
from ledger.index.store import Index
from ledger.index.sync import sync
from ledger.recompute import recompute
from rpc import Node
from tests.contracts.story import HANGZHOU, NANJING, SHANGHAI, XUZHOU
from tests.e2e.test_scripts import Network
from tests.support.patience import PATIENCE, running, wait_until
from tests.support.provider import (
    Habit,
    Provider,
    always,
    changed,
    limited_batch,
    limited_range,
    limited_results,
    one_too_many,
)
from tests.support.small_world import SmallWorld, small_world

_SYNC = """
import sys
from rpc import Node
from ledger.chain import Chain
from ledger.index import reading
from ledger.index.store import Index
from ledger.index.sync import sync
reading.PIECE_RIDES = 30
with Index.open(sys.argv[1], write=True) as index:
    print("begins", flush=True)
    sync(index, Chain(Node.at(sys.argv[2]), sys.argv[3]), processes=1)
"""
KILLS = 8


@pytest.fixture(scope="module")
def world() -> Iterator[SmallWorld]:
    with small_world() as made:
        yield made


@pytest.fixture
def chain(world: SmallWorld) -> Chain:
    """What anybody with a node sees."""
    return Chain(Node.at(world.url), world.clearinghouse)


@pytest.fixture
def snapshot(world: SmallWorld) -> Iterator[None]:
    """The chain is put back after the test."""
    taken = rpc(world, "evm_snapshot")
    yield
    rpc(world, "evm_revert", taken)


def rpc(world: SmallWorld, method: str, *given: Any) -> Any:
    answer = Web3(Web3.HTTPProvider(world.url)).provider.make_request(method, list(given))  # type: ignore[arg-type]
    assert "error" not in answer, answer
    return answer["result"]


def contents(index: Index) -> dict[str, list[tuple[object, ...]]]:
    """All tables, each in an order of its own."""
    cursor = index.cursor()
    return {table: cursor.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall() for table in TABLES}


def made_anew(chain: Chain, until: int | None = None) -> dict[str, list[tuple[object, ...]]]:
    with Index.open(":memory:", write=True) as index:
        sync(index, chain, until=until, processes=None if until is None else 1)
        return contents(index)


# ---------------------------------------------------------------- the same, however it came about


def test_the_rides_of_three_weeks_make_what_the_contracts_say(chain: Chain, tmp_path: Path) -> None:
    with Index.open(tmp_path / "index.duckdb", write=True) as index:
        found = recompute(chain, index)
        assert found.differences == ()
        assert found.rides > 4_000
        wrong = "SELECT block, place, city FROM postings GROUP BY block, place, city HAVING sum(amount) <> 0"
        assert index.cursor().execute(wrong).fetchall() == []
        per_city = "SELECT city, sum(amount)::BIGINT FROM postings WHERE account = 'funds' GROUP BY city"
        assert dict(index.cursor().execute(per_city).fetchall()) == {
            city.code: city.balance for city in found.balances.cities
        }


@pytest.mark.parametrize(
    "habit",
    [
        limited_range(10),
        limited_range(1, status=413),
        limited_range(100, status=400),
        limited_results(20),
        limited_batch(0),
        limited_batch(2, status=413),
        limited_batch(10),
        one_too_many(7, **{"Retry-After": "0"}),
        changed("eth_getLogs", lambda logs: logs or None),
    ],
)
def test_behind_a_provider_with_habits_it_is_the_same(world: SmallWorld, chain: Chain, habit: Habit) -> None:
    with Provider(world.url, habit) as provider:
        behind = Chain(Node.at(provider.url), world.clearinghouse)
        assert made_anew(behind, until=60) == made_anew(chain, until=60)
        assert behind.balances() == chain.balances()


@pytest.mark.parametrize(
    ("habit", "said"),
    [
        (always(502, b"<html>Bad Gateway</html>"), "HTTP 502: <html>Bad Gateway</html>"),
        (always(200, b"<html>Welcome</html>"), "expected JSON, came <html>Welcome</html>"),
        (always(403, b"no key"), "HTTP 403: no key"),
        (always(0, b""), "no answer"),
        (changed("eth_getBlockByNumber", lambda block: {**block, "hash": "0x"}), "expected 32 bytes, came 0x"),
        (changed("eth_getBlockByNumber", lambda block: [block]), "expected a block, came"),
        (changed("eth_getLogs", lambda logs: {"logs": logs}), "expected a list of logs, came"),
        (changed("eth_getTransactionByHash", lambda found: {**found, "input": 7}), "input: expected bytes"),
        (
            changed("eth_getLogs", lambda logs: [log for log in logs if int(log["blockNumber"], 16) <= 200]),
            "is behind the others: run the same command again later",
        ),
        (changed("eth_chainId", lambda number: int(number, 16)), "expected a number"),
        (changed("eth_call", lambda data: None), "expected bytes in hexadecimal digits, came null"),
    ],
)
def test_a_provider_that_answers_nonsense_is_said_to_and_nothing_is_entered(
    world: SmallWorld, habit: Habit, said: str
) -> None:
    with Provider(world.url, habit) as provider, Index.open(":memory:", write=True) as index:
        with pytest.raises(LedgerError) as error:
            sync(index, Chain(Node.at(provider.url), world.clearinghouse))
        assert said in str(error.value)
        assert provider.url in str(error.value)
        assert index.cursor().execute("SELECT count(*) FROM rides").fetchone() == (0,)


def test_in_steps_it_is_the_same_as_at_once(chain: Chain) -> None:
    with Index.open(":memory:", write=True) as index:
        for until in (1, 20, 21, 150, 151, chain.head.number):
            sync(index, chain, until=until)
            assert index.head().number == until
        assert contents(index) == made_anew(chain)


def test_a_new_batch_is_there_at_once(world: SmallWorld, chain: Chain, snapshot: None) -> None:
    with Index.open(":memory:", write=True) as index:
        sync(index, chain)
        world.settle_some(XUZHOU, HANGZHOU, 3)
        done = sync(index, chain)
        assert (done.blocks, done.batches, done.rides) == (1, 1, 3)
        assert contents(index) == made_anew(chain)


def test_killed_at_any_moment_it_goes_on_where_it_was(world: SmallWorld, chain: Chain, tmp_path: Path) -> None:
    path, moments = tmp_path / "index.duckdb", random.Random(4)
    status, whole = _run(tmp_path / "whole.duckdb", world, kill_after=None)
    assert status == 0
    heads, again = [-1], 0
    while len(heads) <= KILLS or not any(0 < head < chain.head.number for head in heads):
        _run(path, world, kill_after=moments.uniform(0.05, 0.6) * whole)
        with Index.open(path, write=True) as index:
            head = index.find_head()
            heads.append(-1 if head is None else head.number)
        if heads[-1] == chain.head.number and not any(0 < head < heads[-1] for head in heads):
            path.unlink()  # no kill has hit the middle yet: once more from the beginning
            heads, again = [-1], again + 1
            assert again < 20, "expected a kill amid the work, found none"
    assert heads == sorted(heads)
    assert _run(path, world, kill_after=None)[0] == 0
    with Index.open(path, write=False) as index:
        assert contents(index) == made_anew(chain)


def _run(path: Path, world: SmallWorld, kill_after: float | None) -> tuple[int, float]:
    """The status with which it ended, and how many seconds it worked."""
    command = [sys.executable, "-c", _SYNC, str(path), world.url, world.clearinghouse]
    with running(command) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begins\n"
        began = time.monotonic()
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE if kill_after is None else kill_after)
        worked = time.monotonic() - began
    return process.returncode, worked


def test_the_command_recomputes_from_an_index_what_it_recomputes_without(
    world: SmallWorld, chain: Chain, tmp_path: Path
) -> None:
    (tmp_path / "local.json").write_text(json.dumps(world.deployment()))
    network = Network(world.url, tmp_path)
    without = network.run("recompute", "--json")
    assert without.status == 0, without
    path = tmp_path / "index.duckdb"
    for _ in range(2):
        assert network.run("recompute", "--json", "--index", str(path)).document == without.document
    with Index.open(path, write=False) as index:
        assert index.head().number == chain.head.number


# ---------------------------------------------------------------- reorganised blocks


def test_blocks_that_were_replaced_are_read_again(world: SmallWorld, chain: Chain, snapshot: None) -> None:
    with Index.open(":memory:", write=True) as index:
        before = rpc(world, "evm_snapshot")
        world.settle_some(XUZHOU, HANGZHOU, 3)
        world.settle_some(NANJING, SHANGHAI, 2)
        sync(index, chain)
        rpc(world, "evm_revert", before)
        world.settle_some(NANJING, SHANGHAI, 4)
        sync(index, chain)
        assert contents(index) == made_anew(chain)
        assert recompute(Chain(Node.at(world.url), world.clearinghouse), index).differences == ()


def test_blocks_that_were_taken_back_are_forgotten(world: SmallWorld, chain: Chain, snapshot: None) -> None:
    with Index.open(":memory:", write=True) as index:
        before = rpc(world, "evm_snapshot")
        world.settle_some(XUZHOU, HANGZHOU, 3)
        sync(index, chain)
        rpc(world, "evm_revert", before)
        sync(index, chain)
        assert contents(index) == made_anew(chain)


def test_after_a_reorganisation_it_is_as_if_made_anew() -> None:
    with small_world() as world, Index.open(":memory:", write=True) as index:  # anvil can't take a reorg back
        chain = Chain(Node.at(world.url), world.clearinghouse)
        sync(index, chain)
        for depth in (1, 3, 20):
            rpc(world, "anvil_reorg", depth, [])
            assert sync(index, chain).blocks == depth
            assert contents(index) == made_anew(chain)


# ---------------------------------------------------------------- a node that lies


class Liar:
    """A node that changes a byte of a transaction, or leaves out what one transaction told."""

    def __init__(self, chain: Chain, *, spoil: int | None = None, without: bytes = b"") -> None:
        self._chain, self._spoil, self._without = chain, spoil, without

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    def logs(self, first: int, last: int) -> list[ChainLog]:
        return [log for log in self._chain.logs(first, last) if log.tx != self._without]

    def transactions(self, txs: Sequence[bytes]) -> list[Transaction | None]:
        found = self._chain.transactions(txs)
        return found if self._spoil is None else [spoilt(one, self._spoil) for one in found]

    def trace(self, tx: bytes) -> object:
        raise TraceError("the node says 'method not found'")


def spoilt(transaction: Transaction | None, at: int) -> Transaction:
    """The transaction with one byte of its input changed."""
    assert transaction is not None
    data = transaction.input
    return replace(transaction, input=data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


@pytest.fixture
def indexed(chain: Chain) -> Iterator[Index]:
    with Index.open(":memory:", write=True) as index:
        sync(index, chain)
        yield index


def test_of_a_batch_that_a_node_changed_the_money_alone_is_kept(
    world: SmallWorld, chain: Chain, indexed: Index, snapshot: None
) -> None:
    batch = world.settle_some(XUZHOU, HANGZHOU, 3)
    sync(indexed, Liar(chain, spoil=300))
    [unread] = query.unread(indexed.cursor())
    assert (unread.batch_id, unread.settlement.settled) == (batch.batch.id, 3)
    assert contents(indexed)["postings"] == made_anew(chain)["postings"]
    sync(indexed, chain)
    assert contents(indexed) == made_anew(chain)


def test_a_batch_that_a_node_leaves_out_is_missed(
    world: SmallWorld, chain: Chain, indexed: Index, snapshot: None
) -> None:
    cursor = indexed.cursor()
    [[tx]] = cursor.execute("SELECT tx FROM batches WHERE id = (SELECT min(batch) FROM refunds)").fetchall()
    with Index.open(":memory:", write=True) as other, pytest.raises(BooksError, match="expected"):
        sync(other, Liar(chain, without=bytes(tx)))


def test_a_bad_signature_is_found_by_other_processes_too(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checking, "FEW", 10)
    logs = chain.logs

    def without_keys(first: int, last: int) -> list[ChainLog]:
        added = Web3.keccak(text="IssuerKeyAdded(uint16,uint8,address,uint40,uint40)")
        told = logs(first, last)
        last_key = [log for log in told if log.topics[0] == bytes(added)][-1:]
        return [log for log in told if log not in last_key]

    monkeypatch.setattr(chain, "logs", without_keys)
    with Index.open(tmp_path / "index.duckdb", write=True) as index:
        with pytest.raises(BooksError, match=r"batch 0x[0-9a-f]{64}, .*ride \d+: expected a ticket signed by issuer"):
            sync(index, chain, processes=2)
        assert index.find_head() is None


_CHECK = """
import sys
from interline.domain import Domain
from ledger.index import checking, query
from ledger.index.checking import SignatureChecker, SignedBatch
if __name__ == "__main__":
    checking.FEW = 0
    checker = SignatureChecker(Domain(1, bytes(20)), 2)
    empty = bytes(2) + bytes((12, 28, 1, 0, 1)) + bytes(113)
    batch = SignedBatch("", bytes(32), empty, 1, (0,), (), None, frozenset())
    checker.start([batch]).finish()
    print(*checker._pool._processes, flush=True)
    sys.stdin.read()
"""


def test_the_processes_that_check_signatures_end_with_the_one_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "check.py").write_text(_CHECK)
    command = [sys.executable, str(tmp_path / "check.py")]
    with running(command, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        workers = [int(pid) for pid in process.stdout.readline().split()]
        assert workers
        process.kill()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), f"the end of {workers}")


def test_a_node_that_does_not_answer_is_said_so(tmp_path: Path, chain: Chain) -> None:
    chain._node = Node.at("http://127.0.0.1:9")
    with Index.open(":memory:", write=True) as index, pytest.raises(LedgerError, match="expected the node's answer"):
        sync(index, chain)
