"""Every number of the books, computed again from the chain alone and held against what the contracts say.

Nobody's key and nobody's word is needed: the rides stand in the transactions, each with its issuer's signature, and
what became of them in the events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from interline.money import format_yuan
from ledger.balances import Balances
from ledger.books import Books
from ledger.chain import Chain
from ledger.index import query
from ledger.index.store import Index
from ledger.index.sync import sync


@dataclass(frozen=True, slots=True)
class Recomputed:
    """The books as they follow from the chain, and where the contracts say otherwise. Amounts in fen."""

    books: Books
    balances: Balances
    """What the contracts say, at the same block."""
    batches: int
    rides: int
    """How many were read, each with its signature checked."""
    differences: tuple[str, ...]
    """A sentence each; empty where everything agrees to the fen."""

    def verdict(self) -> str:
        """One line for people: that nothing differs, or what does."""
        if self.differences:
            return f"DIFFERS: {'; '.join(self.differences)}; at block {self.balances.block_number}"
        return (
            f"0 fen off: {self.rides} rides in {self.batches} batches make what the contracts say, "
            f"at block {self.balances.block_number}"
        )

    def to_json(self, cities: Sequence[int]) -> dict[str, Any]:
        """The document of `ape run recompute --json` for these cities; amounts in fen, integers."""
        return {
            "block_number": self.balances.block_number,
            "block_hash": self.balances.block_hash,
            "batches": self.batches,
            "rides": self.rides,
            "differences": list(self.differences),
            "cities": [self._city_json(code) for code in cities],
        }

    def _city_json(self, code: int) -> dict[str, Any]:
        books = self.books
        return {
            "code": code,
            "balance": books.balances[code],
            "deposits": books.deposits[code],
            "withdrawals": books.withdrawals[code],
            "arrears_owed": books.arrears_of(code),
            "arrears_due": books.arrears_due(code),
            "counterparties": [
                {
                    "code": other,
                    **{
                        f"{side}_{key}": getattr(totals, key)
                        for side, totals in (("earned", earned), ("owed", owed))
                        for key in ("rides", "fares", "refunded", "fees", "disputed")
                    },
                }
                for other, earned, owed in books.partners(code)
            ],
        }


def recompute(chain: Chain, index: Index | None = None, tell: Callable[[str], None] = lambda line: None) -> Recomputed:
    """Read all rides and events up to the chain's block, check and post them, and compare.

    Args:
        chain: at the block to compare at.
        index: keeps what was read, and is brought up to date; None reads all of the chain anew.
        tell: is told how far it has come, a line now and then.

    Raises:
        BooksError: events or rides that can't have happened.
        SettlementError: a batch's bytes and its events contradict each other.
        LedgerError: as Chain.
    """
    if index is None:
        with (
            TemporaryDirectory(prefix="interline-") as folder,
            Index.open(Path(folder) / "index.duckdb", write=True) as passing,
        ):
            return recompute(chain, passing, tell)
    balances = chain.balances()
    sync(index, chain, tell=tell, until=chain.head.number)
    chain.require_same_block()
    cursor = index.cursor()
    books = query.books(cursor, chain.head.number)
    batches, rides = query.counts(cursor, chain.head.number)
    differences = [*_account_differences(books, balances), *_pair_differences(books, chain)]
    return Recomputed(books, balances, batches, rides, tuple(differences))


def _account_differences(books: Books, balances: Balances) -> list[str]:
    found = balances.faults()
    codes = {city.code for city in balances.cities}
    found += [f"city {code}: expected a member, it is none" for code in sorted(books.cities() - codes)]
    if books.held != balances.held:
        found.append(_difference("held()", books.held, balances.held))
    for city in balances.cities:
        for what, expected, came in (
            ("balance", books.balances[city.code], city.balance),
            ("arrears owed", books.arrears_of(city.code), city.arrears_owed),
            ("arrears due", books.arrears_due(city.code), city.arrears_due),
        ):
            if expected != came:
                found.append(_difference(f"{city.name}: {what}", expected, came))
    return found


def _pair_differences(books: Books, chain: Chain) -> list[str]:
    found = []
    for debtor, creditor in sorted({*books.arrears, *books.pairs}):
        owed, came = books.arrears.get((debtor, creditor), 0), chain.arrears(debtor, creditor)
        if owed != came:
            found.append(_difference(f"arrears of {debtor} to {creditor}", owed, came))
    for issuer, operator in sorted(books.pairs):
        hangs, came = books.pairs[issuer, operator].disputed, chain.disputed(issuer, operator)
        if hangs != came:
            found.append(_difference(f"disputed between {issuer} and {operator}", hangs, came))
    return found


def _difference(what: str, expected: int, came: int) -> str:
    return (
        f"{what}: the rides and events make {format_yuan(expected)}, the contract says {format_yuan(came)} yuan "
        f"({came - expected:+d} fen)"
    )
