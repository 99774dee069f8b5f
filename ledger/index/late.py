"""Batches whose bytes weren't found: counted in money all the while, their rides read when the bytes turn up.

Each is one transaction of the index, so that a killed run goes on where it was.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from duckdb import DuckDBPyConnection

from interline.domain import Domain
from interline.errors import BatchFileError, BatchNotFoundError
from ledger.errors import BooksError
from ledger.index import query
from ledger.index.batch_source import BatchFinder, TransactionSource, given_batches, keep_given
from ledger.index.checking import find_bad_signatures
from ledger.index.posting import Clocks, When, ride_columns
from ledger.index.query import Unread
from ledger.index.reading import ReadBatch, read_batch, signed_batch
from ledger.index.store import Index
from ledger.index.writing import Columns, Rows, set_bytes

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 32  # transactions that are asked for together


def give(index: Index, given: Mapping[bytes, bytes]) -> None:
    """Keep bytes that were given by hand, by the batches' ids; they are read with the next `read_late`, and stay.

    Raises:
        BatchFileError: the index has no such batch.
    """
    known = query.known_batches(index.cursor(), [*given])
    strange = [batch_id for batch_id in given if batch_id not in known]
    if strange:
        unread = ", ".join(f"0x{one.batch_id.hex()}" for one in query.unread(index.cursor())) or "none"
        raise BatchFileError(
            f"--batch: expected bytes whose hash is the id of a batch that settled (unread: {unread}), got "
            f"0x{strange[0].hex()}: they are of another Clearinghouse's batch, or were changed; ask its operator again"
        )
    if given:
        with index.writing() as cursor:
            keep_given(cursor, given)


def read_late(index: Index, source: TransactionSource, domain: Domain, clocks: Clocks, last: int | None = None) -> int:
    """Look again for the bytes of unread batches, and read the rides of those that are found; how many were.

    `last` is the number of the last batch to look for; None looks for all.

    Raises:
        BooksError, SettlementError: what was found contradicts the events; nothing of that batch is kept.
        LedgerError: the node doesn't answer.
    """
    cursor = index.cursor()
    unread = [one for one in query.unread(cursor) if last is None or one.number <= last]
    finder = BatchFinder(source, given_batches(cursor)) if unread else None
    count = 0
    for start in range(0, len(unread), _AT_ONCE):
        assert finder is not None
        some = unread[start : start + _AT_ONCE]
        for one, found in zip(some, finder.find([one.settlement for one in some]), strict=True):
            if isinstance(found, BatchNotFoundError):
                logger.info("%s", found)
                continue
            _keep(index, one, read_batch(one.settlement, found), domain, clocks)
            count += 1
    return count


def _keep(index: Index, unread: Unread, batch: ReadBatch, domain: Domain, clocks: Clocks) -> None:
    keys = query.keys(index.cursor(), (unread.settlement.block, unread.place))
    for bad in find_bad_signatures(domain, [signed_batch(batch, keys)]):
        raise BooksError(str(bad))
    when: When = (unread.number, unread.settled_at, unread.settlement.block)
    rides = ride_columns([(batch, when)], clocks)
    require_fresh_serials(index.cursor(), rides, {unread.number: batch})
    rows = Rows()
    rows.add_columns("rides", rides)
    with index.writing() as cursor:
        set_bytes(cursor, unread.number, batch.data, batch.signature)
        rows.insert(cursor)
        wrong = query.wrong_correction(cursor, unread.number)
        if wrong is not None:
            raise BooksError(
                f"batch 0x{unread.batch_id.hex()}, ride {wrong}: expected refunds and a dispute of at most its fare, "
                "by its issuer, got others: the events don't add up; ask another node"
            )
    index.late_reads += 1
    logger.info("batch 0x%s: its bytes turned up, %d rides were read", unread.batch_id.hex(), len(batch.settled))


def require_fresh_serials(cursor: DuckDBPyConnection, rides: Columns, batches: Mapping[int, ReadBatch]) -> None:
    """Make sure that no serial settled before, in the index or among these rides.

    Args:
        rides: about to be written, of `batches` by their numbers.
    Raises:
        BooksError: one did.
    """
    if not rides:
        return
    spent = query.spent_twice(rides) or query.spent_before(cursor, rides)
    if spent is None:
        return
    number, at, before = spent
    batch = batches[number]
    raise BooksError(
        f"batch 0x{batch.settlement.batch_id.hex()}, ride {at}: serial {batch.arrays.serials[at]} of "
        f"{batch.arrays.issuers[at]} for {batch.arrays.operator} had settled before, in batch {before} of the "
        "index: the events don't add up; ask another node"
    )
