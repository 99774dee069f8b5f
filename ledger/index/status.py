"""How far an index has come, and which batches' rides it couldn't read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from interline.batch_source import GIVE
from ledger.head import Head
from ledger.index import query
from ledger.index.query import Unread
from ledger.index.store import Index


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """The last block, what settled up to it, the batches that weren't read, and how many signatures weren't seen."""

    head: Head
    batches: int
    rides: int
    unread: tuple[Unread, ...]
    unseen: int

    def document(self) -> dict[str, Any]:
        """For programs; fares in fen."""
        return {
            "block_number": self.head.number,
            "block_hash": self.head.hash,
            "batches": self.batches,
            "rides": self.rides,
            "unread_batches": [one.to_json() for one in self.unread],
            "signatures_not_seen": self.unseen,
        }

    def lines(self) -> list[str]:
        """For people, a line each."""
        said = [f"block {self.head.number}: {self.rides:,} rides in {self.batches:,} batches"]
        return said + not_read(self.unread, self.unseen)


def not_read(unread: Sequence[Unread], unseen: int) -> list[str]:
    """What wasn't read or seen, a line each for people, with what to do."""
    said = []
    if unseen:
        said.append(f"submitters' signatures that weren't seen, which the contract alone checked: {unseen:,}")
    said += [f"rides not read, money counted: {one}" for one in unread]
    return said + [f"to have them read: {GIVE}"] * bool(unread)


def index_status(index: Index) -> IndexStatus:
    """How an index stands.

    Raises:
        IndexFileError: nothing is indexed yet.
    """
    head, cursor = index.head(), index.cursor()
    batches, rides = query.counts(cursor, head.number)
    return IndexStatus(head, batches, rides, tuple(query.unread(cursor)), query.unseen_signatures(cursor))
