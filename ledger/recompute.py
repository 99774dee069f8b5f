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

from ledger.balances import Balances
from ledger.books import Books
from ledger.chain import Chain
from ledger.errors import BooksError
from ledger.index import query
from ledger.index.query import Unread
from ledger.index.status import not_read
from ledger.index.store import Index
from ledger.index.sync import sync
from ledger.reconcile import contracts


@dataclass(frozen=True, slots=True)
class Recomputed:
    """The books as they follow from the chain, and where the contracts say otherwise. Amounts in fen."""

    books: Books
    balances: Balances
    """What the contracts say, at the same block."""
    batches: int
    rides: int
    """How many settled; each that was read with its signature checked."""
    differences: tuple[str, ...]
    """A sentence each; empty where everything agrees to the fen."""
    unread: tuple[Unread, ...] = ()
    """The batches whose bytes weren't found: their rides count, and weren't read."""
    unseen: int = 0
    """Of how many batches the submitter's signature wasn't seen: the contract alone checked it."""

    def verdict(self) -> str:
        """One line for people: that nothing differs, or what does."""
        if self.differences:
            return f"DIFFERS: {'; '.join(self.differences)}; at block {self.balances.block_number}"
        return (
            f"0 fen off: {self.rides} rides in {self.batches} batches make what the contracts say, "
            f"at block {self.balances.block_number}"
        )

    def remarks(self) -> list[str]:
        """What wasn't read or seen, a line each for people, with what to do."""
        return not_read(self.unread, self.unseen)

    def to_json(self, cities: Sequence[int]) -> dict[str, Any]:
        """The document of `ape run recompute --json` for these cities; amounts in fen, integers."""
        return {
            "block_number": self.balances.block_number,
            "block_hash": self.balances.block_hash,
            "batches": self.batches,
            "rides": self.rides,
            "differences": list(self.differences),
            "unread_batches": [one.to_json() for one in self.unread],
            "signatures_not_seen": self.unseen,
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
            "arrears_withheld": books.withheld_of(code),
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
    sync(index, chain, tell=tell, until=chain.head.number)
    books, balances, differences = compare(chain, index)
    cursor = index.cursor()
    batches, rides = query.counts(cursor, chain.head.number)
    unread, unseen = query.unread(cursor, chain.head.number), query.unseen_signatures(cursor, chain.head.number)
    return Recomputed(books, balances, batches, rides, (*balances.faults(), *differences), tuple(unread), unseen)


def compare(chain: Chain, index: Index) -> tuple[Books, Balances, list[str]]:
    """The books of an index and the contracts' figures at the chain's block, and a sentence for each difference.

    Args:
        index: read up to the chain's block at least.

    Raises:
        ChainMovedError: the block was replaced meanwhile.
        LedgerError: as Chain.
    """
    balances = chain.balances()
    chain.require_same_block()
    books = query.books(index.cursor(), chain.head.number)
    found = [f"city {code}: expected a member, it is none" for code in contracts.strangers(books, balances)]
    found += [str(difference) for difference in contracts.differences(books, balances, chain)]
    return books, balances, found


def require_agreement(chain: Chain, index: Index) -> None:
    """Make sure that an index's books are what the contracts say, before figures are given out of it.

    Raises:
        BooksError: they differ; says where, and what to do.
    """
    _, balances, differences = compare(chain, index)
    if differences:
        raise BooksError(
            f"expected the index's books to be the contracts' at block {balances.block_number}, they differ: "
            f"{'; '.join(differences)}. The likely cause is a node that left events out when the index was read: read "
            "it again into another file (--index), through another node if it stays so"
        )
