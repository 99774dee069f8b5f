"""What syncing asks the index itself: how far it is, and what the next events follow on."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from duckdb import DuckDBPyConnection

from interline.money import format_yuan
from interline.settlements import Pair, Settlement
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
    fare: int | None
    """None while its batch's bytes weren't found, and it wasn't disputed, which tells what is left of it."""
    refunded: int = 0
    fee: int | None = None
    """Of its dispute; None if it never was disputed."""
    answered: bool = False

    @property
    def left(self) -> int | None:
        """What of the fare was not refunded; None while the fare isn't known."""
        return None if self.fare is None else self.fare - self.refunded

    @property
    def hangs(self) -> bool:
        """Whether its dispute is open."""
        return self.fee is not None and not self.answered and bool(self.left)


def kept_blocks(cursor: DuckDBPyConnection, first: int = 0) -> list[int]:
    """The numbers of all blocks that are kept, from one on, ascending."""
    rows = cursor.execute("SELECT number FROM blocks WHERE number >= ? ORDER BY number", [first]).fetchall()
    return [row[0] for row in rows]


def counts(cursor: DuckDBPyConnection, block: int) -> tuple[int, int]:
    """(batches, rides) up to a block."""
    sql = "SELECT count(*), coalesce(sum(settled), 0)::BIGINT FROM batches WHERE block <= ?"
    [[batches, rides]] = cursor.execute(sql, [block]).fetchall()
    return batches, rides


@dataclass(frozen=True, slots=True)
class Unread:
    """A batch whose bytes weren't found: its number, where its BatchSettled stands, and what the events say of it."""

    number: int
    place: int
    settled_at: int
    settlement: Settlement

    @property
    def batch_id(self) -> bytes:
        """Its id, 32 bytes."""
        return self.settlement.batch_id

    def to_json(self) -> dict[str, Any]:
        """As programs get it; fares in fen."""
        one = self.settlement
        return {
            "batch_id": f"0x{one.batch_id.hex()}",
            "operator": one.operator,
            "block": one.block,
            "tx": f"0x{one.tx.hex()}",
            "settled_at": self.settled_at,
            "rides": one.settled,
            "fares": one.fares,
        }

    def __str__(self) -> str:
        one = self.settlement
        return (
            f"batch 0x{one.batch_id.hex()} of {one.operator} (block {one.block}, transaction 0x{one.tx.hex()}): "
            f"{one.settled} rides, {format_yuan(one.fares)} yuan"
        )


def unread(cursor: DuckDBPyConnection, block: int = 2**62) -> list[Unread]:
    """The batches up to a block whose bytes weren't found, in the chain's order."""
    given = {"block": block}
    rows = cursor.execute(
        """
        SELECT id, place, settled_at, batch_id, operator, settled, refused, fares, block, tx,
            (SELECT hash FROM blocks WHERE number = batches.block)
        FROM batches WHERE data IS NULL AND block <= $block ORDER BY id
        """,
        given,
    ).fetchall()
    pairs: defaultdict[int, list[Pair]] = defaultdict(list)
    for number, *pair in cursor.execute(
        "SELECT batch, issuer, rides, fares, paid FROM pairs "
        "WHERE batch IN (SELECT id FROM batches WHERE data IS NULL) ORDER BY batch, issuer"
    ).fetchall():
        pairs[number].append(Pair(*pair))
    refused: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, index, reason in cursor.execute(
        "SELECT batch, index, reason FROM refused_rides WHERE batch IN (SELECT id FROM batches WHERE data IS NULL) "
        "ORDER BY batch, index"
    ).fetchall():
        refused[number].append((index, reason))
    [[address]] = cursor.execute("SELECT value FROM meta WHERE key = 'clearinghouse'").fetchall() if rows else [[""]]
    house = bytes.fromhex(address[2:])
    return [
        Unread(
            number,
            place,
            settled_at,
            Settlement(
                clearinghouse=house,
                batch_id=bytes(batch_id),
                operator=operator,
                settled=settled,
                rejected=rejected,
                fares=fares,
                refused=tuple(refused[number]),
                pairs=tuple(pairs[number]),
                block=at,
                block_hash=bytes(block_hash),
                tx=bytes(tx),
            ),
        )
        for number, place, settled_at, batch_id, operator, settled, rejected, fares, at, tx, block_hash in rows
    ]


def unseen_signatures(cursor: DuckDBPyConnection, block: int = 2**62) -> int:
    """Of how many batches up to a block the submitter's signature wasn't seen: the contract alone checked it."""
    sql = "SELECT count(*) FROM batches WHERE signature IS NULL AND block <= ?"
    [[count]] = cursor.execute(sql, [block]).fetchall()
    return int(count)


def known_batches(cursor: DuckDBPyConnection, wanted: Sequence[bytes]) -> set[bytes]:
    """Of these batch ids, those that the index has."""
    sql = "SELECT batch_id FROM batches WHERE batch_id IN (SELECT unnest($wanted::BLOB[]))"
    return {bytes(row[0]) for row in cursor.execute(sql, {"wanted": list(wanted)}).fetchall()}


def wrong_correction(cursor: DuckDBPyConnection, batch: int) -> int | None:
    """A ride of a batch, by its index, that was refunded or disputed otherwise than its fare allows; None if none."""
    rows = cursor.execute(
        """
        SELECT f.index FROM (
            SELECT index, min(issuer) AS issuer, max(issuer) AS same, sum(amount) AS amount FROM refunds
            WHERE batch = $batch GROUP BY index
        ) f LEFT JOIN rides r ON r.batch = $batch AND r.index = f.index
        WHERE r.fare IS NULL OR f.amount > r.fare OR f.issuer <> r.issuer OR f.same <> r.issuer
        UNION ALL
        SELECT d.index FROM disputes d LEFT JOIN rides r ON r.batch = $batch AND r.index = d.index
        WHERE d.batch = $batch AND (r.fare IS NULL OR d.issuer <> r.issuer OR d.amount <> r.fare - coalesce((
            SELECT sum(f.amount) FROM refunds f
            WHERE f.batch = $batch AND f.index = d.index AND (f.block, f.place) < (d.block, d.place)), 0))
        LIMIT 1
        """,
        {"batch": batch},
    ).fetchall()
    return int(rows[0][0]) if rows else None


def last_batch(cursor: DuckDBPyConnection) -> int:
    """The number of the last batch; 0 if there is none."""
    [[number]] = cursor.execute("SELECT coalesce(max(id), 0) FROM batches").fetchall()
    return int(number)


def exits(cursor: DuckDBPyConnection, operator: int) -> tuple[int, int] | None:
    """When the first and the last ride of an operator ended; None if it carried none."""
    sql = "SELECT min(exited_at), max(exited_at) FROM rides WHERE operator = ?"
    [[first, last]] = cursor.execute(sql, [operator]).fetchall()
    return None if first is None else (first, last)


def keys(cursor: DuckDBPyConnection, before: tuple[int, int] | None = None) -> Keys:
    """The members' keys as the events so far have them, or those before (block, place of an event in it)."""
    known = Keys()
    block, place = (2**62, 0) if before is None else before
    rows = cursor.execute(
        """
        SELECT name, arguments FROM events
        WHERE contract = 'CityRegistry' AND name IN (SELECT unnest($names)) AND (block, place) < ($block, $place)
        ORDER BY block, place
        """,
        {"names": list(KEY_EVENTS), "block": block, "place": place},
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
    WITH back AS (  -- since the dispute, whose amount is what was left of the fare then
        SELECT r.batch, r.index, sum(r.amount) AS amount FROM refunds r
        JOIN disputes d ON d.batch = r.batch AND d.index = r.index AND (r.block, r.place) > (d.block, d.place)
        WHERE r.block <= $block GROUP BY r.batch, r.index
    ),
    parts AS (
        SELECT issuer, operator, sum(rides) AS rides, sum(fares) AS fares, 0 AS refunded, 0 AS fees, 0 AS disputed
        FROM pairs WHERE block <= $block GROUP BY issuer, operator
        UNION ALL
        SELECT issuer, operator, 0, 0, sum(amount), 0, 0 FROM refunds WHERE block <= $block GROUP BY issuer, operator
        UNION ALL
        SELECT issuer, operator, 0, 0, 0, sum(fee), 0 FROM answers WHERE block <= $block GROUP BY issuer, operator
        UNION ALL
        SELECT d.issuer, d.operator, 0, 0, 0, 0, sum(d.amount - coalesce(back.amount, 0))
        FROM disputes d
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
    """The cases of rides, given by (batch id, index); those that the index can't have are left out.

    Of a ride of a batch whose bytes weren't found, issuer and fare are those that its refunds and its dispute tell, 0
    and None if there are none.
    """
    if not wanted:
        return {}
    rows = cursor.execute(
        """
        WITH wanted AS (SELECT unnest($batches::BLOB[]) AS batch_id, unnest($indices::SMALLINT[]) AS index),
        asked AS (
            SELECT b.batch_id, w.index, b.id AS batch, b.operator,
                (SELECT issuer FROM disputes d WHERE d.batch = b.id AND d.index = w.index
                    UNION SELECT issuer FROM refunds f WHERE f.batch = b.id AND f.index = w.index LIMIT 1) AS told,
                (SELECT max(d.amount + coalesce((SELECT sum(f.amount) FROM refunds f WHERE f.batch = d.batch
                    AND f.index = d.index AND (f.block, f.place) < (d.block, d.place)), 0)) FROM disputes d
                    WHERE d.batch = b.id AND d.index = w.index)::BIGINT AS disputed
            FROM wanted w JOIN batches b ON b.batch_id = w.batch_id
            WHERE b.data IS NULL AND w.index < b.settled + b.refused
                AND NOT EXISTS (FROM refused_rides x WHERE x.batch = b.id AND x.index = w.index)
        ),
        known AS (
            SELECT b.batch_id, r.index, r.batch, r.issuer, r.operator, r.fare
            FROM wanted w JOIN batches b ON b.batch_id = w.batch_id JOIN rides r ON r.batch = b.id AND r.index = w.index
            UNION ALL
            SELECT batch_id, index, batch, coalesce(told, 0), operator, disputed FROM asked
        )
        SELECT k.*,
            coalesce((SELECT sum(amount) FROM refunds f WHERE f.batch = k.batch AND f.index = k.index), 0)::BIGINT,
            (SELECT max(fee) FROM disputes d WHERE d.batch = k.batch AND d.index = k.index),
            EXISTS (FROM answers a WHERE a.batch = k.batch AND a.index = k.index)
        FROM known k
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
