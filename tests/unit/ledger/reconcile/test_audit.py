"""In a copy of the index one thing is changed: the audit names it, with its batch and its ride."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from ledger.errors import BooksError
from ledger.index.store import Index
from ledger.index.sync import sync
from ledger.reconcile import command
from ledger.reconcile.audit import check_index
from ledger.reconcile.command import bring_up_to_date
from ledger.reconcile.findings import Finding
from tests.support.fake_chain import FakeChain
from tests.support.index_rows import UNANSWERED, IndexRows, WrittenBatch

SHANGHAI, HANGZHOU, XUZHOU = 3100, 3301, 3203


@dataclass
class World:
    """A chain, an index of it, and the batches by which tests know what is where."""

    chain: FakeChain
    index: Index
    first: WrittenBatch
    second: WrittenBatch

    def change(self, sql: str, *values: object) -> None:
        """Change the copy behind the ledger's back."""
        with self.index.writing() as cursor:
            cursor.execute(sql, list(values))

    def audit(self) -> tuple[Finding, ...]:
        return check_index(self.index, self.chain, processes=1).findings


@pytest.fixture
def world() -> Iterator[World]:
    """Shanghai's and Xuzhou's riders in Hangzhou, arrears, a refund, a dispute, and one that nobody answers."""
    with Index.open(":memory:", write=True) as by_hand, Index.open(":memory:", write=True) as index:
        rows = IndexRows(by_hand)
        for code, name in ((SHANGHAI, "Shanghai"), (HANGZHOU, "Hangzhou"), (XUZHOU, "Xuzhou")):
            rows.admit(code, name)
        rows.deposit(SHANGHAI, 1_000, b"ICBC 1".ljust(32, b"\0"))
        first = rows.settle(HANGZHOU, [(SHANGHAI, 700), (SHANGHAI, 800), (XUZHOU, 300)])
        second = rows.settle(HANGZHOU, [(SHANGHAI, n) for n in (300, 310, 320, 330, 340, 350)], refused={2: 3})
        rows.refund(first, 0, 100)
        rows.dispute(first, 1)
        rows.refund(first, 1, 800, cause=UNANSWERED)
        rows.dispute(second, 0)
        rows.answer(second, 0)
        rows.deposit(SHANGHAI, 5_000)
        rows.pay_arrears(SHANGHAI, HANGZHOU)
        rows.withdraw(HANGZHOU, 100)
        chain = FakeChain.of(rows)
        sync(index, chain, processes=1)
        yield World(chain, index, first, second)


def named(batch: WrittenBatch) -> str:
    return f"0x{batch.batch.id.hex()}"


def test_an_index_as_the_chain_has_it_has_no_findings_and_needs_no_transactions(world: World) -> None:
    world.chain.asked.clear()
    result = check_index(world.index, world.chain, processes=1)
    assert result.findings == ()
    assert result.compared.startswith("2 batches, 8 rides")
    assert "transactions" not in world.chain.asked


def test_an_index_that_was_changed_while_it_was_behind_is_named_and_not_the_node(world: World) -> None:
    """Arrears of 800 fen were made less by one: their payment, which comes later, can't be posted on that."""
    last = world.index.head().number
    with Index.open(":memory:", write=True) as behind:
        sync(behind, world.chain, until=last - 2, processes=1)
        with behind.writing() as cursor:
            cursor.execute(
                "UPDATE postings SET amount = amount + CASE account WHEN 'owed' THEN 1 ELSE -1 END "
                "WHERE city = ? AND kind = 'settlement' AND account IN ('owed', 'fares_owed') AND batch = 1",
                [SHANGHAI],
            )
        result = bring_up_to_date(behind, world.chain, last, [])
        assert result is not None
        assert {finding.batch for finding in result.findings} == {named(world.first)}
        assert all("postings" in finding.where or "posting" in finding.where for finding in result.findings)


def test_where_the_index_is_as_it_was_made_it_is_the_node_that_is_doubted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sync_that_fails(*_: object, **__: object) -> None:
        raise BooksError("expected other events")

    monkeypatch.setattr(command, "sync", sync_that_fails)
    with pytest.raises(BooksError, match="expected other events"):
        bring_up_to_date(world.index, world.chain, world.index.head().number, [])


def test_the_audit_writes_nothing_and_can_be_made_again(world: World) -> None:
    count = "SELECT count(*) FROM rides"
    before = world.index.cursor().execute(count).fetchone()
    assert world.audit() == world.audit() == ()
    assert world.index.cursor().execute(count).fetchone() == before


def test_a_fare_one_fen_higher_is_named(world: World) -> None:
    world.change("UPDATE rides SET fare = fare + 1 WHERE batch = 2 AND index = 3")
    [found] = world.audit()
    assert (found.batch, found.index) == (named(world.second), 3)
    assert (found.expected, found.came) == ("fare 3.30 yuan", "fare 3.31 yuan")
    assert found.cause
    assert "delete the index's file" in found.action


def test_a_ride_dropped_from_the_index_is_named(world: World) -> None:
    world.change("DELETE FROM rides WHERE batch = 1 AND index = 2")
    [found] = world.audit()
    assert (found.batch, found.index, found.came) == (named(world.first), 2, "no such row")
    assert f"issuer {XUZHOU}" in found.expected


def test_a_ride_that_is_there_twice_is_named(world: World) -> None:
    world.change("INSERT INTO rides FROM rides WHERE batch = 1 AND index = 2")
    [found] = world.audit()
    assert (found.batch, found.index, found.came) == (named(world.first), 2, "it is there once more")


def test_a_batch_that_is_there_twice_is_named(world: World) -> None:
    for table, column in (("batches", "id"), ("rides", "batch"), ("pairs", "batch"), ("postings", "batch")):
        world.change(f"INSERT INTO {table} FROM {table} WHERE {column} = 2")
    found = world.audit()
    assert {one.batch for one in found} == {named(world.second)}
    assert all("once more" in one.came for one in found)
    [rides] = [one for one in found if "(table rides)" in one.where]
    assert "rides 0, 1, 3, 4, 5" in rides.expected
    assert [one.where for one in found if "(table batches)" in one.where] == [
        f"batch {named(world.second)} (table batches)"
    ]


def test_a_batch_put_in_again_under_another_number_is_named_by_its_serials(world: World) -> None:
    world.change("INSERT INTO rides SELECT * REPLACE (9 AS batch) FROM rides WHERE batch = 2")
    found = world.audit()
    assert "number 9" in {one.batch for one in found}
    twice = [one for one in found if "it is in batch" in one.came]
    assert len(twice) == 5
    assert f"it is in batch {named(world.second)}, ride 0, too" in {one.came for one in twice}


def test_a_dropped_batch_is_named_though_its_bytes_are_gone(world: World) -> None:
    for table, column in (("batches", "id"), ("rides", "batch"), ("pairs", "batch"), ("postings", "batch")):
        world.change(f"DELETE FROM {table} WHERE {column} = 1")
    found = world.audit()
    assert {one.batch for one in found} == {named(world.first)}
    assert {one.where.rsplit("table ", 1)[1] for one in found} == {"batches)", "rides)", "pairs)", "postings)"}


def test_a_bad_signature_in_the_kept_bytes_is_named(world: World) -> None:
    data = bytearray(world.first.batch.to_bytes())
    data[-1] ^= 1  # the last ride's signature is the last of the bytes
    world.change("UPDATE batches SET data = ? WHERE id = 1", bytes(data))
    of_batch, of_ride = world.audit()
    assert (of_batch.batch, of_batch.index) == (named(world.first), None)
    assert of_batch.expected == f"bytes with the hash {named(world.first)}"
    assert (of_ride.batch, of_ride.index) == (named(world.first), 2)
    assert of_ride.expected.startswith("issuer_signature 0x")
    assert of_ride.expected != of_ride.came


def test_bytes_that_are_no_batch_are_named(world: World) -> None:
    world.change("UPDATE batches SET data = ? WHERE id = 1", world.first.batch.to_bytes()[:-1])
    found = world.audit()
    assert {one.batch for one in found} == {named(world.first)}
    assert len(found) == 2


def test_a_ride_that_no_issuer_signed_is_named(world: World) -> None:
    """The chain itself has another key than the one that signed."""
    for block in world.chain.blocks.values():
        for at, log in enumerate(block.logs):
            key = log.data[12:32]
            if key and len(log.data) == 96 and log.topics[1][-2:] == XUZHOU.to_bytes(2):
                changed = bytes(12) + b"\x77" * 20 + log.data[32:]
                block.logs[at] = type(log)(
                    log.address, log.topics, changed, log.block, log.block_hash, log.tx, log.place
                )
    found = [one for one in world.audit() if one.index is not None]
    assert [(one.batch, one.index) for one in found] == [(named(world.first), 2)]
    assert found[0].expected == f"a ticket signed by issuer {XUZHOU}'s key 1"


@pytest.mark.parametrize(
    ("sql", "where", "index"),
    [
        ("DELETE FROM refunds WHERE amount = 100", "(table refunds)", 0),
        ("DELETE FROM disputes WHERE batch = 1", "(table disputes)", 1),
        ("UPDATE refunds SET paid = paid - 1 WHERE amount = 100", "(table refunds)", 0),
        ("UPDATE postings SET amount = amount + 1 WHERE kind = 'refund' AND index = 1", "(table postings)", 1),
    ],
)
def test_what_is_changed_of_a_rides_correction_is_named(world: World, sql: str, where: str, index: int) -> None:
    world.change(sql)
    found = world.audit()
    assert found
    assert {(one.batch, one.index) for one in found} == {(named(world.first), index)}
    assert all(one.where.endswith(where) for one in found)


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("UPDATE transfers SET reference = 'ICBC 2'::BLOB WHERE kind = 'deposit' AND amount = 1000", "reference 0x"),
        ("UPDATE transfers SET amount = 1001 WHERE amount = 1000", "amount 10.00 yuan"),
        ("DELETE FROM arrears_payments WHERE block = (SELECT max(block) FROM arrears_payments)", "debtor 3100"),
        ("UPDATE pairs SET paid = paid + 1 WHERE batch = 1 AND issuer = 3100", "paid 10.00 yuan"),
        ("UPDATE batches SET fares = fares + 1 WHERE id = 2", "fares "),
        ("UPDATE batches SET signature = NULL WHERE id = 2", "signature of 64 bytes"),
        ("UPDATE batches SET signature = '\\x07'::BLOB WHERE id = 2", "a submitter's signature of operator 3301"),
        ("DELETE FROM refused_rides", "reason 3"),
        ("UPDATE events SET arguments = '{}' WHERE name = 'Withdrawn'", '"city":3301'),
        ("UPDATE rides SET exit_day = exit_day + 1 WHERE batch = 1 AND index = 0", "exit_day 2019-"),
        ("UPDATE blocks SET hash = '\\x00'::BLOB WHERE number = 1004", "hash 0x"),
        ("DELETE FROM blocks WHERE number = 1004", "hash 0x"),
    ],
)
def test_any_other_row_that_is_changed_is_found(world: World, sql: str, says: str) -> None:
    world.change(sql)
    found = world.audit()
    assert len(found) == 1
    assert says in found[0].expected


def test_a_batch_that_the_index_calls_unread_and_the_chain_shows_is_found(world: World) -> None:
    world.change("UPDATE batches SET data = NULL, signature = NULL WHERE id = 1")
    world.change("DELETE FROM rides WHERE batch = 1")
    found = world.audit()
    assert {one.batch for one in found} == {named(world.first)}


def test_a_row_that_nothing_on_the_chain_is_behind_is_found(world: World) -> None:
    world.change("INSERT INTO transfers SELECT * REPLACE (block + 100_000 AS block) FROM transfers LIMIT 1")
    [found] = world.audit()
    assert found.expected == "no such row"
    assert "kind deposit" in found.came
