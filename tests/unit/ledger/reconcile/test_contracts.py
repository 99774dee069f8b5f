"""A fen between the books and the contracts is found, and the account named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from ledger.balances import Balances, CityBalance
from ledger.index import query
from ledger.index.store import Index
from ledger.reconcile.contracts import check_contracts
from tests.support.index_rows import IndexRows

SHANGHAI, HANGZHOU = 3100, 3301


@dataclass
class Contracts:
    """What the contracts say between two cities."""

    owed: dict[tuple[int, int], int] = field(default_factory=dict)
    hangs: dict[tuple[int, int], int] = field(default_factory=dict)
    above: dict[tuple[int, int], int] = field(default_factory=dict)

    def arrears(self, debtor: int, creditor: int) -> int:
        return self.owed.get((debtor, creditor), 0)

    def withheld(self, debtor: int, creditor: int) -> int:
        return self.above.get((debtor, creditor), 0)

    def disputed(self, issuer: int, operator: int) -> int:
        return self.hangs.get((issuer, operator), 0)


BALANCES = Balances(
    1_005,
    "0x" + "ab" * 32,
    (CityBalance(SHANGHAI, "Shanghai", 0, -500, 500, 0), CityBalance(HANGZHOU, "Hangzhou", 1_000, 1_500, 0, 500)),
    held=1_000,
    tokens_held=1_000,
)
CONTRACTS = Contracts({(SHANGHAI, HANGZHOU): 500}, {(SHANGHAI, HANGZHOU): 800})


@pytest.fixture
def index() -> Iterator[Index]:
    """Shanghai's riders ride to Hangzhou for 15 yuan, of which Shanghai has 10; one ride is disputed."""
    with Index.open(":memory:", write=True) as opened:
        world = IndexRows(opened)
        world.admit(SHANGHAI, "Shanghai")
        world.admit(HANGZHOU, "Hangzhou")
        world.deposit(SHANGHAI, 1_000)
        batch = world.settle(HANGZHOU, [(SHANGHAI, 700), (SHANGHAI, 800)])
        world.dispute(batch, 1)
        yield opened


def test_books_and_contracts_that_agree_have_no_findings(index: Index) -> None:
    result = check_contracts(query.books(index.cursor()), BALANCES, CONTRACTS)
    assert (result.count, result.findings) == (0, ())
    assert "2 cities" in result.compared


def test_a_fen_in_a_balance_is_found_with_its_city_and_in_the_sums(index: Index) -> None:
    shanghai, hangzhou = BALANCES.cities
    wrong = replace(BALANCES, cities=(shanghai, replace(hangzhou, balance=1_001, position=1_501)))
    found = check_contracts(query.books(index.cursor()), wrong, CONTRACTS).findings
    assert [one.where for one in found] == ["the contracts' own sums", "Hangzhou: balance"]
    assert found[1].expected == "10.00 yuan, by the rides and events"
    assert found[1].came == "10.01 yuan in the contract (+1 fen)"
    assert found[1].cause
    assert found[1].action


@pytest.mark.parametrize(
    ("contracts", "where"),
    [
        (replace(CONTRACTS, owed={(SHANGHAI, HANGZHOU): 499}), "arrears of 3100 to 3301"),
        (replace(CONTRACTS, hangs={}), "disputed between 3100 and 3301"),
        (replace(CONTRACTS, above={(SHANGHAI, HANGZHOU): 1}), "withheld of 3100's arrears to 3301"),
    ],
)
def test_what_stands_between_two_cities_is_compared(index: Index, contracts: Contracts, where: str) -> None:
    [found] = check_contracts(query.books(index.cursor()), BALANCES, contracts).findings
    assert found.where == where


def test_a_citys_sum_of_what_is_withheld_is_compared(index: Index) -> None:
    shanghai, hangzhou = BALANCES.cities
    wrong = replace(BALANCES, cities=(replace(shanghai, arrears_withheld=1), hangzhou))
    [found] = check_contracts(query.books(index.cursor()), wrong, CONTRACTS).findings
    assert found.where == "Shanghai: arrears withheld"


def test_a_city_that_never_was_a_member_is_named(index: Index) -> None:
    books = query.books(index.cursor())
    books.deposit(9_999, 5)
    found = check_contracts(books, BALANCES, CONTRACTS).findings
    assert {one.where for one in found} == {"city 9999", "held()"}
