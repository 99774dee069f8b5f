"""What fills an index by hand for other tests is right itself: its entries add up, its batches are real."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from interline.batch import Batch
from ledger.index.store import Index
from tests.support.index_rows import IndexRows, moment

SHANGHAI, HANGZHOU = 3100, 3301


@pytest.fixture
def index() -> Iterator[Index]:
    with Index.open(":memory:", write=True) as opened:
        yield opened


@pytest.fixture
def world(index: Index) -> IndexRows:
    world = IndexRows(index)
    world.admit(SHANGHAI, "Shanghai")
    world.admit(HANGZHOU, "Hangzhou")
    world.deposit(SHANGHAI, 1_000)
    first = world.settle(HANGZHOU, [(SHANGHAI, 700), (SHANGHAI, 800)], at=moment("2019-12-05 03:00"))
    world.settle(HANGZHOU, [(SHANGHAI, 300), (SHANGHAI, 300, moment("2019-12-03 12:00"))], refused={0: 3})
    world.refund(first, 0, 600)
    world.dispute(first, 1)
    world.answer(first, 1)
    world.withdraw(HANGZHOU, 100)
    world.deposit(SHANGHAI, 5_000)
    world.pay_arrears(SHANGHAI, HANGZHOU)
    return world


def rows(index: Index, sql: str) -> list[tuple[object, ...]]:
    return index.cursor().execute(sql).fetchall()


def test_the_postings_of_each_event_add_up_to_nothing_for_each_city(index: Index, world: IndexRows) -> None:
    assert rows(index, "SELECT block FROM postings GROUP BY block, place, city HAVING sum(amount) <> 0") == []
    totals = rows(index, "SELECT city, sum(amount) FROM postings WHERE account = 'funds' GROUP BY city ORDER BY city")
    assert totals == [(SHANGHAI, world.books.balances[SHANGHAI]), (HANGZHOU, world.books.balances[HANGZHOU])]


def test_the_rides_are_those_of_the_batches_bytes(index: Index, world: IndexRows) -> None:
    data = [bytes(row[0]) for row in index.cursor().execute("SELECT data FROM batches ORDER BY id").fetchall()]
    fares = [ride.fare for one in data for *_, ride in Batch.from_bytes(one).iter_rides()]
    assert fares == [700, 800, 300, 300]
    kept = rows(index, "SELECT batch, index, fare, exit_day::VARCHAR FROM rides ORDER BY batch, index")
    assert kept == [(1, 0, 700, "2019-12-04"), (1, 1, 800, "2019-12-04"), (2, 1, 300, "2019-12-03")]
