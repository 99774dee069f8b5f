"""What syncing asks the index itself: how far it is, and what the next events follow on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from duckdb import DuckDBPyConnection

from ledger.books import Account, Books, Posting
from ledger.daily_limits import DAY
from ledger.index.reading import KEY_EVENTS, Keys


@dataclass(slots=True)
class RideCase:
    """A settled ride and what became of its fare since; amounts in fen."""

    batch: int
    """The batch's number in the index."""
    issuer: int
    operator: int
    fare: int
    refunded: int = 0
    fee: int | None = None
    """Of its dispute; None if it never was disputed."""
    answered: bool = False

    @property
    def left(self) -> int:
        """What of the fare was not refunded."""
        return self.fare - self.refunded

    @property
    def hangs(self) -> bool:
        """Whether its dispute is open."""
        return self.fee is not None and not self.answered and self.left > 0


def kept_blocks(cursor: DuckDBPyConnection, first: int = 0) -> list[int]:
    """The numbers of all blocks that are kept, from one on, ascending."""
    rows = cursor.execute("SELECT number FROM blocks WHERE number >= ? ORDER BY number", [first]).fetchall()
    return [row[0] for row in rows]


def counts(cursor: DuckDBPyConnection, block: int) -> tuple[int, int]:
    """(batches, rides) up to a block."""
    sql = "SELECT count(*), coalesce(sum(settled), 0)::BIGINT FROM batches WHERE block <= ?"
    [[batches, rides]] = cursor.execute(sql, [block]).fetchall()
    return batches, rides


def last_batch(cursor: DuckDBPyConnection) -> int:
    """The number of the last batch; 0 if there is none."""
    [[number]] = cursor.execute("SELECT coalesce(max(id), 0) FROM batches").fetchall()
    return int(number)


def exits(cursor: DuckDBPyConnection, operator: int) -> tuple[int, int] | None:
    """When the first and the last ride of an operator ended; None if it carried none."""
    sql = "SELECT min(exited_at), max(exited_at) FROM rides WHERE operator = ?"
    [[first, last]] = cursor.execute(sql, [operator]).fetchall()
    return None if first is None else (first, last)


def keys(cursor: DuckDBPyConnection) -> Keys:
    """The members' keys as the events so far have them."""
    known = Keys()
    rows = cursor.execute(
        """
        SELECT name, arguments FROM events
        WHERE contract = 'CityRegistry' AND name IN (SELECT unnest($names)) ORDER BY block, place
        """,
        {"names": list(KEY_EVENTS)},
    ).fetchall()
    for name, arguments in rows:
        known.take(name, json.loads(arguments))
    return known


def books(cursor: DuckDBPyConnection, block: int | None = None) -> Books:
    """The books as they stand after a block; after the last one, if none is given."""
    books = Books()
    given = {"block": 2**62 if block is None else block}
    rows = cursor.execute(
        """
        SELECT city, account, other, sum(amount)::BIGINT FROM postings WHERE block <= $block
        GROUP BY city, account, other ORDER BY city, account, other
        """,
        given,
    ).fetchall()
    books.add([Posting(city, Account(account), other, amount) for city, account, other, amount in rows])
    for city, kind, amount in cursor.execute(
        "SELECT city, kind, sum(amount)::BIGINT FROM transfers WHERE block <= $block GROUP BY city, kind", given
    ).fetchall():
        (books.deposits if kind == "deposit" else books.withdrawals)[city] = amount
    _add_withheld(books, cursor, given)
    for issuer, operator, rides, fares, refunded, fees, disputed in cursor.execute(_PAIR_TOTALS, given).fetchall():
        pair = books.pairs[issuer, operator]
        pair.rides, pair.fares, pair.refunded, pair.fees, pair.disputed = rides, fares, refunded, fees, disputed
    return books


def _add_withheld(books: Books, cursor: DuckDBPyConnection, given: Mapping[str, int]) -> None:
    """What is withheld, and what the daily limits leave."""
    for debtor, creditor, amount in cursor.execute(
        "SELECT debtor, creditor, sum(amount)::BIGINT FROM withholdings WHERE block <= $block GROUP BY ALL", given
    ).fetchall():
        books.withheld[debtor, creditor] = amount
    for debtor, creditor, day, amount in cursor.execute(_WITHHELD_ON, given).fetchall():
        books.withheld_on[debtor, creditor, day] = amount
    limits = [(place, "", json.loads(arguments)) for *place, arguments in cursor.execute(_LIMITS, given).fetchall()]
    if not limits:
        return
    cities = {"cities": sorted({told["city"] for _, _, told in limits})}
    taken = [(place, "pair", of) for *place, of in cursor.execute(_TAKEN, {**given, **cities}).fetchall()]
    for _, kind, told in sorted([*limits, *taken], key=lambda one: one[0]):
        if kind:
            books.limits.take(told["issuer"], told["day"], told["fares"])
        else:
            books.limits.set(told["city"], told["limit"])


_WITHHELD_ON = """
    WITH released AS (
        SELECT debtor, creditor, day, max((block, place)) AS at FROM withholdings
        WHERE kind = 'released' AND block <= $block GROUP BY ALL
    )
    SELECT w.debtor, w.creditor, w.day, sum(w.amount)::BIGINT
    FROM withholdings w LEFT JOIN released r
        ON r.debtor = w.debtor AND r.creditor = w.creditor AND r.day = w.day
    WHERE w.kind = 'withheld' AND w.block <= $block AND (r.at IS NULL OR (w.block, w.place) > r.at)
    GROUP BY ALL
"""
_LIMITS = """
    SELECT block, place, arguments FROM events
    WHERE contract = 'Clearinghouse' AND name = 'DailyLimitSet' AND block <= $block
"""
# Only a city's last day with fares matters.
_TAKEN = f"""
    SELECT block, place, {{'issuer': issuer, 'day': settled_at // {DAY}, 'fares': fares}} FROM pairs
    WHERE block <= $block AND issuer IN (SELECT unnest($cities))
        AND settled_at // {DAY} = (
            SELECT max(settled_at) // {DAY} FROM pairs last WHERE last.issuer = pairs.issuer AND last.block <= $block
        )
"""
_PAIR_TOTALS = """
    WITH back AS (
        SELECT batch, index, sum(amount) AS amount FROM refunds WHERE block <= $block GROUP BY batch, index
    ),
    parts AS (
        SELECT issuer, operator, sum(rides) AS rides, sum(fares) AS fares, 0 AS refunded, 0 AS fees, 0 AS disputed
        FROM pairs WHERE block <= $block GROUP BY issuer, operator
        UNION ALL
        SELECT issuer, operator, 0, 0, sum(amount), 0, 0 FROM refunds WHERE block <= $block GROUP BY issuer, operator
        UNION ALL
        SELECT issuer, operator, 0, 0, 0, sum(fee), 0 FROM answers WHERE block <= $block GROUP BY issuer, operator
        UNION ALL
        SELECT d.issuer, d.operator, 0, 0, 0, 0, sum(r.fare - coalesce(back.amount, 0))
        FROM disputes d
        JOIN rides r ON r.batch = d.batch AND r.index = d.index
        LEFT JOIN back ON back.batch = d.batch AND back.index = d.index
        WHERE d.block <= $block AND NOT EXISTS (
            FROM answers a WHERE a.batch = d.batch AND a.index = d.index AND a.block <= $block
        )
        GROUP BY d.issuer, d.operator
    )
    SELECT issuer, operator, sum(rides)::BIGINT, sum(fares)::BIGINT, sum(refunded)::BIGINT, sum(fees)::BIGINT,
        sum(disputed)::BIGINT
    FROM parts GROUP BY issuer, operator ORDER BY issuer, operator
"""


def cases(cursor: DuckDBPyConnection, wanted: Sequence[tuple[bytes, int]]) -> dict[tuple[bytes, int], RideCase]:
    """The cases of rides, given by (batch id, index); those that the index doesn't have are left out."""
    if not wanted:
        return {}
    rows = cursor.execute(
        """
        WITH wanted AS (SELECT unnest($batches::BLOB[]) AS batch_id, unnest($indices::SMALLINT[]) AS index)
        SELECT b.batch_id, r.index, r.batch, r.issuer, r.operator, r.fare,
            coalesce((SELECT sum(amount) FROM refunds f WHERE f.batch = r.batch AND f.index = r.index), 0)::BIGINT,
            (SELECT max(fee) FROM disputes d WHERE d.batch = r.batch AND d.index = r.index),
            EXISTS (FROM answers a WHERE a.batch = r.batch AND a.index = r.index)
        FROM wanted w JOIN batches b ON b.batch_id = w.batch_id JOIN rides r ON r.batch = b.id AND r.index = w.index
        """,
        {"batches": [batch for batch, _ in wanted], "indices": [index for _, index in wanted]},
    ).fetchall()
    return {(bytes(row[0]), row[1]): RideCase(*row[2:]) for row in rows}


def spent_before(cursor: DuckDBPyConnection, arriving: Mapping[str, npt.NDArray[Any]]) -> tuple[int, int, int] | None:
    """(batch, index, batch that it settled in before) of a ride whose serial the index has already; None if none."""
    cursor.register("arriving", {name: arriving[name] for name in ("batch", "index", "issuer", "operator", "serial")})
    found = cursor.execute(
        """
        SELECT a.batch, a.index, r.batch FROM rides r
        JOIN arriving a ON r.issuer = a.issuer AND r.operator = a.operator AND r.serial = a.serial
        ORDER BY a.batch, a.index LIMIT 1
        """
    ).fetchall()
    cursor.unregister("arriving")
    return found[0] if found else None


def spent_twice(arriving: Mapping[str, npt.NDArray[Any]]) -> tuple[int, int, int] | None:
    """As spent_before, of a ride whose serial another one before it among these has."""
    order = np.lexsort((arriving["batch"], arriving["serial"], arriving["operator"], arriving["issuer"]))
    same = np.ones(max(len(order) - 1, 0), bool)
    for name in ("issuer", "operator", "serial"):
        ordered = arriving[name][order]
        same &= ordered[1:] == ordered[:-1]
    again = np.flatnonzero(same)
    if not len(again):
        return None
    before, after = order[again[0]], order[again[0] + 1]
    return int(arriving["batch"][after]), int(arriving["index"][after]), int(arriving["batch"][before])
