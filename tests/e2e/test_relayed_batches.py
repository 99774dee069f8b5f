"""Batches that strangers relay: whatever a node shows of them, the index follows and the books come out to the fen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from eth_abi.abi import encode
from starlette.testclient import TestClient
from web3 import Web3

from interline.batch import Batch, sign_batch
from interline.batch_source import SETTLE
from interline.cities import load_cities
from interline.hashing import keccak256
from ledger.chain import Chain as LedgerChain
from ledger.cli import main
from ledger.index import late, query
from ledger.index.late import give
from ledger.index.schema import TABLES
from ledger.index.store import Index
from ledger.index.sync import sync
from ledger.pages.app import make_app
from ledger.pages.live import Follower
from ledger.recompute import recompute
from ledger.reconcile.audit import check_index
from ledger.statement.build import build_statement
from ledger.statement.formats import FORMATS
from ledger.statement.model import Basis
from ledger.statement.period import Period
from network.accounts import Role
from network.chain import Chain
from rpc.provider import node_of
from tests.e2e.test_recompute import Story
from tests.support.deploy import REPOSITORY
from tests.support.node_proxy import REFUSED, NodeProxy
from tests.support.relays import FORWARD, contract_of, hoard_of, send_data, settle_call

FARES = (400, 500)


@pytest.fixture(scope="module")
def told() -> Iterator[Story]:
    with Chain(block_time=None) as running:
        yield Story(running.url)


@pytest.fixture
def story(told: Story) -> Iterator[Story]:
    """Three cities without a ride; the chain is put back after the test."""
    taken = rpc(told, "evm_snapshot")
    yield told
    rpc(told, "evm_revert", taken)


@pytest.fixture
def index() -> Iterator[Index]:
    with Index.open(":memory:", write=True) as opened:
        yield opened


@pytest.fixture
def node(story: Story) -> Iterator[NodeProxy]:
    """One that gives no traces."""
    with NodeProxy(story.deployment.url) as proxy:
        yield proxy


def rpc(story: Story, method: str, *arguments: object) -> Any:
    return story.deployment.web3.provider.make_request(method, list(arguments))["result"]  # type: ignore[arg-type]


def chain_at(story: Story, url: str | None = None) -> LedgerChain:
    web3 = Web3(Web3.HTTPProvider(url or story.deployment.url))
    return LedgerChain(node_of(web3), story.deployment.clearinghouse.address)


def signed(story: Story) -> tuple[Batch, bytes]:
    """A batch of two of Xuzhou's riders in Hangzhou, and its submitter's signature."""
    batch = Batch.build(story.hangzhou.code, story.rides(story.xuzhou, story.hangzhou, FARES))
    return batch, sign_batch(story.deployment.domain, story.hangzhou.private_key(Role.SUBMITTER), batch)


def out_of_its_code(story: Story, batch: Batch, signature: bytes) -> None:
    """Settled by a contract that has the batch in its own code."""
    send_data(story.deployment, hoard_of(story.deployment, batch, signature), b"")


def through_two_levels(story: Story, batch: Batch, signature: bytes) -> None:
    """A contract calls another, which has the batch in its own code."""
    hoard = hoard_of(story.deployment, batch, signature)
    send_data(story.deployment, contract_of(story.deployment, FORWARD), bytes.fromhex(hoard[2:]) + b"any")


def beside_junk(story: Story, batch: Batch, signature: bytes) -> None:
    """To a stranger's contract, with data that look like `settle` with the batch and junk in place of a signature."""
    junk = SETTLE + encode(["bytes", "bytes"], [batch.to_bytes(), bytes([7] * 64)])
    send_data(story.deployment, hoard_of(story.deployment, batch, signature), junk)


def in_its_input(story: Story, batch: Batch, signature: bytes) -> None:
    """A contract that takes the call from its input, and makes it."""
    data = story.deployment.domain.clearinghouse + settle_call(story.deployment, batch, signature)
    send_data(story.deployment, contract_of(story.deployment, FORWARD), data)


def rides_in(index: Index) -> int:
    [[count]] = index.cursor().execute("SELECT count(*) FROM rides").fetchall()
    return int(count)


def contents(index: Index) -> dict[str, list[tuple[object, ...]]]:
    """All that follows from the chain, but for signatures, which a node may show or not."""
    cursor = index.cursor()
    tables = {
        table: cursor.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
        for table in TABLES
        if table not in ("batches", "given_batches")
    }
    return tables | {"batches": cursor.execute("SELECT * EXCLUDE (signature) FROM batches ORDER BY ALL").fetchall()}


def require_right_books(story: Story, index: Index, chain: LedgerChain, unread: int) -> None:
    """Everything that reads an index says what the contracts say, and how many batches weren't read."""
    assert recompute(chain, index).differences == ()
    audit = check_index(index, chain)
    assert (audit.count, audit.findings) == (0, ())
    assert len(audit.notes) == (1 if unread else 0)
    house = story.deployment.clearinghouse.functions
    month, files = Period.parse(_today(story)), load_cities(REPOSITORY / "cities")
    for basis in Basis:
        for city in (story.xuzhou, story.hangzhou):
            statement = build_statement(index, city.code, month, basis, cities=files)
            assert statement.closing.balance == house.balanceOf(city.code).call()
            assert statement.unread_batches == unread
            assert all(form.write(statement) for form in FORMATS.values() if basis in form.bases)
    client = TestClient(make_app(index, Follower(index, None, ()), ()))
    for batch in query.unread(index.cursor()):
        page = client.get(f"/en/batches/0x{batch.batch_id.hex()}")
        assert page.status_code == 200
        assert "give them with ledger index --batch FILE" in page.text
    overview = client.get("/en/").text
    assert ("Batches whose rides weren&#39;t read" in overview or "weren't read" in overview) == bool(unread)


def _today(story: Story) -> str:
    time = int(story.deployment.web3.eth.get_block("latest")["timestamp"])
    return str(story.hangzhou.file.operating_day.day_of(time))[:7]


# ---------------------------------------------------------------- from a node that traces


@pytest.mark.parametrize("relay", [out_of_its_code, through_two_levels])
def test_a_trace_shows_a_batch_and_its_signature(
    story: Story, index: Index, relay: Callable[[Story, Batch, bytes], None]
) -> None:
    relay(story, *signed(story))
    found = recompute(chain_at(story), index)
    assert (found.differences, found.rides, found.unread, found.unseen) == ((), 2, (), 0)
    assert rides_in(index) == 2


@pytest.mark.parametrize("relay", [beside_junk, in_its_input])
def test_what_a_strangers_contract_got_is_no_signature(
    story: Story, index: Index, relay: Callable[[Story, Batch, bytes], None]
) -> None:
    relay(story, *signed(story))
    found = recompute(chain_at(story), index)
    assert (found.differences, found.unread, found.unseen) == ((), (), 1)
    assert any("signatures that weren't seen" in line for line in found.remarks())
    assert "1 submitters' signatures were not seen" in check_index(index, chain_at(story)).compared


# ---------------------------------------------------------------- from nodes that don't


def _traced(frame: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": frame}).encode()


ANSWERS: dict[str, bytes] = {
    "no such method": REFUSED,
    "no JSON": b"<html>busy</html>",
    "nothing": b"",
    "a number": _traced(7),
    "calls that are none": _traced({"type": "CALL", "to": None, "input": 5, "calls": {"0": []}}),
    "another batch": _traced({"type": "CALL", "to": "HOUSE", "input": "0x" + SETTLE.hex() + "00" * 400}),
    "deep": b'{"jsonrpc":"2.0","id":1,"result":' + b'{"calls":[' * 50_000 + b"]}" * 50_000 + b"}",
    "huge": b'{"jsonrpc":"2.0","id":1,"result":"' + b"0" * (33 * 1024 * 1024) + b'"}',
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_batch_that_no_trace_shows_is_counted_in_money(
    story: Story, index: Index, node: NodeProxy, answer: str
) -> None:
    house = story.deployment.clearinghouse.address.lower().encode()
    node.trace = lambda tx: ANSWERS[answer].replace(b"HOUSE", house)
    out_of_its_code(story, *signed(story))
    found = recompute(chain_at(story, node.url), index)
    assert node.asked
    assert (found.differences, found.rides, rides_in(index)) == ((), 2, 0)
    [unread] = found.unread
    assert (unread.settlement.settled, unread.settlement.fares) == (2, sum(FARES))
    assert any("give it with --batch FILE" in line for line in found.remarks())


def test_all_that_reads_an_index_goes_on_without_a_batchs_bytes(story: Story, index: Index, node: NodeProxy) -> None:
    story.settle(story.hangzhou, story.rides(story.xuzhou, story.hangzhou, [300]))
    out_of_its_code(story, *signed(story))
    story.settle(story.hangzhou, story.rides(story.shanghai, story.hangzhou, [250]))
    chain = chain_at(story, node.url)
    sync(index, chain)
    assert rides_in(index) == 2
    require_right_books(story, index, chain, unread=1)
    sync(index, chain_at(story))
    assert rides_in(index) == 4
    require_right_books(story, index, chain_at(story), unread=0)
    with Index.open(":memory:", write=True) as anew:
        sync(anew, chain_at(story))
        assert contents(index) == contents(anew)


def test_a_node_that_lost_the_transaction_stops_nothing(story: Story, index: Index, node: NodeProxy) -> None:
    batch = story.settle(story.hangzhou, story.rides(story.xuzhou, story.hangzhou, FARES))
    sync(index, chain_at(story))
    [[tx]] = index.cursor().execute("SELECT tx FROM batches").fetchall()
    node.lost.add(f"0x{tx.hex()}")
    with Index.open(":memory:", write=True) as other:
        found = recompute(chain_at(story, node.url), other)
        assert (found.differences, [one.batch_id for one in found.unread]) == ((), [batch.id])


def test_corrections_of_rides_that_were_not_read_are_right(story: Story, index: Index, node: NodeProxy) -> None:
    batch, signature = signed(story)
    out_of_its_code(story, batch, signature)
    refunds = story.refunds.functions
    story.treasury(story.hangzhou, refunds.refund(batch.to_bytes(), b"", 0, 100))
    chain = chain_at(story, node.url)
    sync(index, chain)
    story.treasury(story.xuzhou, refunds.dispute(batch.to_bytes(), b"", 0))
    story.treasury(story.xuzhou, refunds.dispute(batch.to_bytes(), b"", 1))
    story.treasury(story.hangzhou, refunds.refund(batch.to_bytes(), b"", 1, 50))
    chain = chain_at(story, node.url)
    sync(index, chain)
    require_right_books(story, index, chain, unread=1)
    sync(index, chain_at(story))
    require_right_books(story, index, chain_at(story), unread=0)
    with Index.open(":memory:", write=True) as anew:
        sync(anew, chain_at(story))
        assert contents(index) == contents(anew)


# ---------------------------------------------------------------- bytes that turn up


def test_bytes_that_were_given_stay_given_when_the_chain_is_reorganised(
    story: Story, index: Index, node: NodeProxy
) -> None:
    before = rpc(story, "evm_snapshot")
    batch, signature = signed(story)
    out_of_its_code(story, batch, signature)
    sync(index, chain_at(story, node.url))
    give(index, {batch.id: batch.to_bytes()})
    sync(index, chain_at(story, node.url))
    assert rides_in(index) == 2
    rpc(story, "evm_revert", before)
    sync(index, chain_at(story, node.url))
    assert (rides_in(index), query.counts(index.cursor(), 2**40)) == (0, (0, 0))
    story.settle(story.hangzhou, story.rides(story.shanghai, story.hangzhou, [250]))
    out_of_its_code(story, batch, signature)
    sync(index, chain_at(story, node.url))
    assert (rides_in(index), query.unread(index.cursor())) == (3, [])
    assert recompute(chain_at(story, node.url), index).differences == ()


def test_killed_while_late_batches_are_read_each_is_read_once(
    story: Story, index: Index, node: NodeProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        out_of_its_code(story, *signed(story))
    sync(index, chain_at(story, node.url))
    real, calls = query.wrong_correction, []

    def killed(*given: Any) -> int | None:
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(late.query, "wrong_correction", killed)
    with pytest.raises(KeyboardInterrupt):
        sync(index, chain_at(story))
    assert (rides_in(index), len(query.unread(index.cursor()))) == (2, 2)
    sync(index, chain_at(story))
    assert (rides_in(index), query.unread(index.cursor())) == (6, [])
    require_right_books(story, index, chain_at(story), unread=0)


# ---------------------------------------------------------------- ledger index


class Command:
    """`ledger index` against a node, with a file that a test writes."""

    def __init__(self, story: Story, node: NodeProxy, folder: Path) -> None:
        document = {"contracts": {"Clearinghouse": {"address": story.deployment.clearinghouse.address}}}
        (folder / "here.json").write_text(json.dumps(document | {"chain_id": 1337}))
        self.batch = folder / "batch"
        self._common = ["--rpc", node.url, "--deployment", "here", "--deployments", str(folder)]
        self._common += ["--index", str(folder / "index.duckdb"), "--cities", str(REPOSITORY / "cities")]

    def __call__(self, *arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["index", *self._common, *arguments])
        return done.exit_code, done.output

    def given(self) -> tuple[int, str]:
        return self("--batch", str(self.batch))


@pytest.fixture
def command(story: Story, node: NodeProxy, tmp_path: Path) -> Command:
    return Command(story, node, tmp_path)


@pytest.mark.parametrize("form", ["raw", "hex with a newline", "hex without 0x, in lines"])
def test_bytes_given_by_hand_are_read(story: Story, command: Command, form: str) -> None:
    batch, signature = signed(story)
    out_of_its_code(story, batch, signature)
    status, said = command()
    assert status == 1
    assert f"rides not read, money counted: batch 0x{batch.id.hex()} of 3301" in said
    assert "2 rides, 9.00 yuan" in said
    digits = batch.to_bytes().hex()
    lines = "\r\n".join(digits[at : at + 60] for at in range(0, len(digits), 60))
    forms = {
        "raw": batch.to_bytes(),
        "hex with a newline": f"0x{digits}\n".encode(),
        "hex without 0x, in lines": lines.encode(),
    }
    command.batch.write_bytes(forms[form])
    status, said = command.given()
    assert (status, "rides not read" in said) == (0, False), said
    status, said = command("--json")
    assert (status, json.loads(said)["unread_batches"], json.loads(said)["signatures_not_seen"]) == (0, [], 1)


def test_bytes_of_another_batch_are_refused(story: Story, command: Command) -> None:
    out_of_its_code(story, *signed(story))
    other, _ = signed(story)
    command.batch.write_bytes(other.to_bytes())
    status, said = command.given()
    assert status == 2
    assert f"got 0x{keccak256(other.to_bytes()).hex()}: they are of another Clearinghouse's batch" in said


def test_bytes_that_are_cut_short_are_refused(story: Story, command: Command) -> None:
    batch, signature = signed(story)
    out_of_its_code(story, batch, signature)
    command.batch.write_bytes(batch.to_bytes()[:-1])
    status, said = command.given()
    assert status == 2
    assert "expected a whole batch, raw or as 0x and hexadecimal digits, got" in said


def test_a_file_that_is_not_there_is_named(command: Command) -> None:
    status, said = command.given()
    assert status == 2
    assert f"{command.batch}: expected a file with a batch, got No such file or directory" in said
