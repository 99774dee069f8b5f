"""An issuer's feed, by which it bills its riders, held against the chain: each ride, each refund, and what was billed.

The feed is in the register's file (issuer_client/feed.py), and is compared as far as it was read. Of a batch that it
couldn't read it has the sum only, so that batch's rides are left out.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from interline.batch import Batch
from interline.money import format_yuan
from issuer_client.feed import Kind, State
from ledger.reconcile.findings import Finding, ride_name
from ledger.reconcile.query import KeptBatch

CHECK: Final = "issued"
_UNREAD: Final = -1  # in the place of a ride's index: a batch that the feed couldn't read
_MISSING: Final = (
    "the feed was changed, or restored from an older copy: its rider wasn't billed, or has nothing back yet",
    "restore the register's newest copy and run issuer-client rides, then look again",
)
_INVENTED: Final = (
    "the feed took it from a chain that was reorganised, or was changed",
    "run issuer-client rides and look again; if it stays, restore the register's backup, and correct the rider's bill",
)
_AMOUNT: Final = (
    "the feed was changed after it was read",
    "the chain's amount counts; restore the register's backup, and correct the rider's bill",
)
_BILLED: Final = (
    "an entry of the feed was changed or deleted, so that the rider is billed something else",
    "restore the register's backup, and correct the rider's bill",
)

Ride = tuple[bytes, int]
"""(batch id, index)."""


@dataclass(slots=True)
class _Kept:
    """What the feed has of one ride; fen."""

    fare: int | None = None
    refunds: list[int] = field(default_factory=list)
    in_all: int = 0
    billed: int = 0


class FeedCheck:
    """The feed in an office's register, against batches one after another, and then the rest of it.

    `refunds` are the chain's, in its order, by ride, of the blocks up to `until`, which is how far the feed was read.
    """

    def __init__(self, db: sqlite3.Connection, house: bytes, until: int, refunds: Mapping[Ride, list[int]]) -> None:
        self.until, self.rides = until, 0
        self._db, self._house, self._refunds = db, house, refunds
        self._seen: set[bytes] = set()

    def of_batch(self, batch: KeptBatch, issuer: int) -> Iterator[Finding]:
        """A batch that settled with rides on the issuer's tickets."""
        if batch.block > self.until:
            return
        self._seen.add(batch.batch_id)
        kept = self._kept(batch.batch_id)
        if batch.data is None or _UNREAD in kept:
            return  # its sum only, in one of the two
        for index, of, _, ride in Batch.from_bytes(batch.data).iter_rides():
            if of == issuer and index not in batch.refused:
                self.rides += 1
                refunds = self._refunds.get((batch.batch_id, index), [])
                yield from _differs((batch.batch_id, index), ride.fare, refunds, kept.pop(index, _Kept()))
        for index, one in kept.items():
            yield _invented((batch.batch_id, index), one)

    def rest(self) -> Iterator[Finding]:
        """What the feed has of batches that didn't settle, or not with this issuer's rides."""
        rows = self._db.execute(
            "SELECT DISTINCT batch_id FROM feed_items WHERE house = ? AND state <> ? AND block <= ? ORDER BY batch_id",
            (self._house, State.GONE, self.until),
        )
        for batch_id in [bytes(batch_id) for (batch_id,) in rows]:
            if batch_id not in self._seen:
                for index, one in self._kept(batch_id).items():
                    yield _invented((batch_id, index), one)

    def _kept(self, batch_id: bytes) -> dict[int, _Kept]:
        kept: defaultdict[int, _Kept] = defaultdict(_Kept)
        for place, kind, amount, billed in self._db.execute(
            """
            SELECT i.place, i.kind, i.amount, (SELECT coalesce(sum(amount), 0) FROM feed_entries WHERE item = i.id)
            FROM feed_items i WHERE i.house = ? AND i.batch_id = ? AND i.state <> ? AND i.block <= ?
            ORDER BY i.place, i.part
            """,
            (self._house, batch_id, State.GONE, self.until),
        ):
            one = kept[place]
            one.in_all += amount
            one.billed += billed
            if kind == Kind.REFUND:
                one.refunds.append(-amount)
            else:
                one.fare = amount
        return dict(kept)


def feed_of(
    db: sqlite3.Connection, house: bytes, block: int, refunds: Mapping[Ride, list[tuple[int, int]]]
) -> FeedCheck | None:
    """The check of a register's feed up to a block; None where it has no feed of that Clearinghouse.

    `refunds` are the chain's by ride, each (block, amount).
    """
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'feed_items'").fetchone():
        return None
    if not db.execute("SELECT 1 FROM feed_houses WHERE address = ?", (house,)).fetchone():
        return None
    (read,) = db.execute("SELECT max(number) FROM feed_blocks").fetchone()
    if read is None:
        return None
    until = min(int(read), block)
    before = {ride: [amount for at, amount in some if at <= until] for ride, some in refunds.items()}
    return FeedCheck(db, house, until, before)


def _differs(ride: Ride, fare: int, refunds: list[int], kept: _Kept) -> Iterator[Finding]:
    name, index = f"0x{ride[0].hex()}", ride[1]
    where = f"{ride_name(name, index)} (the feed)"
    if kept.fare is None:
        yield Finding(CHECK, where, f"the ride, {format_yuan(fare)} yuan", "none", *_MISSING, name, index)
    elif kept.fare != fare:
        texts = f"{format_yuan(fare)} yuan, as settled", f"{format_yuan(kept.fare)} yuan"
        yield Finding(CHECK, where, *texts, *_AMOUNT, name, index)
    if kept.refunds != refunds:
        short = len(kept.refunds) - len(refunds)
        why = _MISSING if short < 0 else _INVENTED if short > 0 else _AMOUNT
        yield Finding(CHECK, where, f"{_refunds(refunds)}, as on chain", _refunds(kept.refunds), *why, name, index)
    if kept.billed != kept.in_all:
        texts = f"{format_yuan(kept.in_all)} yuan billed in all", f"{format_yuan(kept.billed)} yuan, by its entries"
        yield Finding(CHECK, where, *texts, *_BILLED, name, index)


def _refunds(amounts: list[int]) -> str:
    each = ", ".join(f"{format_yuan(amount)}" for amount in amounts)
    return f"refunds of {each} yuan" if amounts else "no refund"


def _invented(ride: Ride, kept: _Kept) -> Finding:
    name, index = f"0x{ride[0].hex()}", ride[1] if ride[1] >= 0 else None
    came = f"{format_yuan(kept.in_all)} yuan in the feed"
    where = f"{ride_name(name, index)} (the feed)"
    return Finding(CHECK, where, "no such ride, as on chain", came, *_INVENTED, name, index)
