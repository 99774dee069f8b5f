"""What a statement asks the index: all of this subpackage's SQL. Every question leaves out what is above a block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from interline.operating_day import OperatingDay
from ledger.statement.model import Basis
from ledger.statement.period import Period

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """Of which city, up to which block, for which days and by whose clock a question is asked."""

    city: int
    block: int
    period: Period
    basis: Basis
    clocks: Mapping[int, OperatingDay]
    """Of every city there is."""

    @property
    def own(self) -> OperatingDay:
        """The city's own clock."""
        return self.clocks[self.city]

    def clock(self, operator: int, basis: Basis | None = None) -> OperatingDay:
        """By which things between the city and another are dated that this operator carried."""
        return self.own if (basis or self.basis) is Basis.SETTLEMENT else self.clocks[operator]

    @property
    def cash(self) -> bool:
        """Whether it is about what moved the balance."""
        return self.basis is Basis.SETTLEMENT

    @property
    def begins(self) -> int:
        """First second of the period by the city's own clock."""
        return self.own.start_of(self.period.first)

    @property
    def ends(self) -> int:
        """First second after it."""
        return self.own.start_of(self.period.after)

    def days(self) -> dict[str, Any]:
        """Parameters of the relation `days`: when each day of the period, and the one after, begins for whom."""
        rows = [
            (operator, self.clock(operator).start_of(day), day)
            for operator in sorted(self.clocks)
            for day in (*self.period.days(), self.period.after)
        ]
        return {"days_city": [r[0] for r in rows], "days_start": [r[1] for r in rows], "days_day": [r[2] for r in rows]}

    def edges(self, basis: Basis) -> dict[str, Any]:
        """Parameters of the relation `edges`: when the period begins and ends for whom."""
        cities = sorted(self.clocks)
        return {
            "edges_city": cities,
            "edges_opening": [self.clock(city, basis).start_of(self.period.first) for city in cities],
            "edges_closing": [self.clock(city, basis).start_of(self.period.after) for city in cities],
        }

    def instants(self) -> dict[str, Any]:
        """Parameters: when the period begins and ends by the city's own clock."""
        return {"begins": self.begins, "ends": self.ends}

    def common(self) -> dict[str, Any]:
        """Parameters that nearly every question has."""
        return {"city": self.city, "block": self.block}


_DAYS: Final = """
    days AS (
        SELECT unnest($days_city::USMALLINT[]) AS city, unnest($days_start::BIGINT[]) AS start,
            unnest($days_day::DATE[]) AS day
    )"""
_EDGES: Final = """
    edges AS (
        SELECT unnest($edges_city::USMALLINT[]) AS city, unnest($edges_opening::BIGINT[]) AS opening,
            unnest($edges_closing::BIGINT[]) AS closing
    )"""


# ---------------------------------------------------------------- blocks and cities


def meta(cursor: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """What the index is of."""
    return dict(cursor.execute("SELECT key, value FROM meta").fetchall())


def newest_block(cursor: duckdb.DuckDBPyConnection) -> int | None:
    """How far the index has come."""
    row = cursor.execute("SELECT max(number) FROM blocks").fetchone()
    return row[0] if row else None


def find_block(cursor: duckdb.DuckDBPyConnection, number: int) -> Row | None:
    """(number, hash, time) of a block that the index keeps."""
    return cursor.execute("SELECT number, hash, time FROM blocks WHERE number = ?", [number]).fetchone()


def nearest_blocks(cursor: duckdb.DuckDBPyConnection, number: int) -> tuple[int | None, int | None]:
    """The last block that the index keeps below, and the first above."""
    row = cursor.execute(
        "SELECT max(number) FILTER (number < $n), min(number) FILTER (number > $n) FROM blocks", {"n": number}
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def members(cursor: duckdb.DuckDBPyConnection, block: int) -> list[Row]:
    """(code, name, time of admission) of every city that is or was a member, in the order in which they came."""
    return cursor.execute(
        """
        SELECT (e.arguments ->> '$.city')::INTEGER AS code, last(e.arguments ->> '$.name' ORDER BY e.block, e.place),
            min(b.time)
        FROM events e JOIN blocks b ON b.number = e.block
        WHERE e.contract = 'CityRegistry' AND e.name = 'CityAdmitted' AND e.block <= ?
        GROUP BY code ORDER BY min((e.block, e.place))
        """,
        [block],
    ).fetchall()


def submission_window(cursor: duckdb.DuckDBPyConnection, block: int) -> int | None:
    """Seconds after its exit in which a ride could settle: the longest that was ever set; None if none was told of."""
    row = cursor.execute(
        """
        SELECT max((arguments ->> '$.parameters.submissionWindow')::BIGINT) FROM events
        WHERE contract = 'Clearinghouse' AND name = 'ParametersSet' AND block <= ?
        """,
        [block],
    ).fetchone()
    return row[0] if row else None


# ---------------------------------------------------------------- accounts


def accounts(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> list[Row]:
    """(account, other, sum before the period, sum by its end, sum at the block) of funds, due and owed."""
    return cursor.execute(
        """
        SELECT account, other, coalesce(sum(amount) FILTER (time < $begins), 0),
            coalesce(sum(amount) FILTER (time < $ends), 0), sum(amount)
        FROM postings
        WHERE city = $city AND block <= $block AND account IN ('funds', 'due', 'owed')
        GROUP BY account, other ORDER BY account, other
        """,
        scope.common() | scope.instants(),
    ).fetchall()


def withheld(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> list[Row]:
    """(1 where the city owes it, sum before the period, sum by its end, sum at the block) of what is withheld."""
    return cursor.execute(
        """
        SELECT debtor = $city, coalesce(sum(amount) FILTER (time < $begins), 0),
            coalesce(sum(amount) FILTER (time < $ends), 0), sum(amount)
        FROM withholdings
        WHERE $city IN (debtor, creditor) AND block <= $block
        GROUP BY 1 ORDER BY 1
        """,
        scope.common() | scope.instants(),
    ).fetchall()


# ---------------------------------------------------------------- rides

# The rides of the statement: `day` by its basis, `taken` is 1 where the city's own rider was carried by the other.
_ACCRUED: Final = """
    mine AS (
        SELECT exit_day AS day, operator <> $city AS taken, CASE operator WHEN $city THEN issuer ELSE operator END
            AS other, settled_at >= $ends AS late, *
        FROM rides
        WHERE block <= $block AND (operator = $city OR issuer = $city) AND exit_day BETWEEN $first AND $last
    )"""
_SETTLED: Final = f"""
    {_DAYS},
    dated AS (
        SELECT batches.id, days.day FROM batches
        ASOF JOIN days ON days.city = batches.operator AND batches.settled_at >= days.start
        WHERE batches.block <= $block AND days.day <= $last
    ),
    mine AS (
        SELECT dated.day, operator <> $city AS taken, CASE operator WHEN $city THEN issuer ELSE operator END AS other,
            exit_day < $first AS late, rides.*
        FROM rides JOIN dated ON dated.id = rides.batch
        WHERE block <= $block AND (operator = $city OR issuer = $city)
    )"""


def _mine(scope: Scope) -> tuple[str, dict[str, Any]]:
    given = scope.common() | {"first": scope.period.first, "last": scope.period.last}
    if scope.basis is Basis.ACCRUAL:
        return _ACCRUED, given | {"ends": scope.ends}
    return _SETTLED, given | scope.days()


def ride_entries(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> list[Row]:
    """(day, taken, other, batch, rides, fares, late rides, their fares), one for each batch and day with each city."""
    mine, given = _mine(scope)
    return cursor.execute(
        f"""
        WITH {mine}
        SELECT day, taken, other, batch, count(*), sum(fare), count(*) FILTER (late),
            coalesce(sum(fare) FILTER (late), 0)
        FROM mine GROUP BY day, taken, other, batch ORDER BY day, taken, other, batch
        """,
        given,
    ).fetchall()


RIDE_COLUMNS: Final = (
    "batch",
    "index",
    "issuer",
    "operator",
    "entry_station",
    "exit_station",
    "entered_at",
    "exited_at",
    "exit_day",
    "fare",
    "settled_at",
    "late",
)


_AS_NUMBER: Final = {"exit_day": "exit_day - DATE '1970-01-01'"}


def ride_columns(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> Mapping[str, Any]:
    """The rides in columns (numpy, integers of 64 bits), in the order of ride_entries, then by index."""
    mine, given = _mine(scope)
    columns = ", ".join(f"({_AS_NUMBER.get(name, name)})::BIGINT AS {name}" for name in RIDE_COLUMNS)
    return cursor.execute(
        f"WITH {mine} SELECT {columns} FROM mine ORDER BY mine.day, mine.taken, mine.other, mine.batch, mine.index",
        given,
    ).fetchnumpy()


def pairs(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> list[Row]:
    """(batch, issuer, operator, paid, place) as PairSettled says, of what was settled in the period."""
    return cursor.execute(
        """
        SELECT batch, issuer, operator, paid, place FROM pairs
        WHERE block <= $block AND (issuer = $city OR operator = $city) AND settled_at >= $begins AND settled_at < $ends
        """,
        scope.common() | scope.instants(),
    ).fetchall()


def unequal_pair(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> Row | None:
    """(batch_id, issuer, rides and fares by PairSettled, rides and fares one by one) of the first that differ."""
    return cursor.execute(
        """
        WITH counted AS (
            SELECT batch, issuer, count(*) AS rides, sum(fare) AS fares FROM rides
            WHERE block <= $block AND (issuer = $city OR operator = $city) GROUP BY batch, issuer
        ),
        told AS (
            FROM pairs WHERE block <= $block AND (issuer = $city OR operator = $city)
                AND batch NOT IN (SELECT id FROM batches WHERE data IS NULL)
        ),
        compared AS (
            SELECT batch, issuer, coalesce(told.rides, 0) AS rides, coalesce(told.fares, 0) AS fares,
                coalesce(counted.rides, 0) AS counted_rides, coalesce(counted.fares, 0) AS counted_fares
            FROM told FULL JOIN counted USING (batch, issuer)
        )
        SELECT b.batch_id, issuer, compared.rides, compared.fares, counted_rides, counted_fares
        FROM compared JOIN batches b ON b.id = compared.batch
        WHERE compared.rides <> counted_rides OR compared.fares <> counted_fares
        ORDER BY batch, issuer LIMIT 1
        """,
        scope.common(),
    ).fetchone()


def unread_numbers(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> set[int]:
    """The numbers of the batches whose bytes weren't found."""
    rows = cursor.execute("SELECT id FROM batches WHERE data IS NULL AND block <= ?", [scope.block]).fetchall()
    return {row[0] for row in rows}


def unread_pairs(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> list[Row]:
    """(day, issuer, operator, batch, rides, fares, paid, block, place of BatchSettled, of PairSettled, tx, time, late).

    Of batches whose bytes weren't found: no exit is known, so that their day is that of the settlement. Late is what
    was settled after the period by the city's own clock.
    """
    return cursor.execute(
        f"""
        WITH {_DAYS},
        told AS (
            SELECT p.*, b.place AS batch_place, b.tx FROM pairs p JOIN batches b ON b.id = p.batch
            WHERE b.data IS NULL AND p.block <= $block AND (p.issuer = $city OR p.operator = $city)
        )
        SELECT days.day, issuer, operator, batch, rides, fares, paid, block, batch_place, place, tx, settled_at,
            settled_at >= $ends
        FROM told ASOF JOIN days ON days.city = told.operator AND told.settled_at >= days.start
        WHERE days.day <= $last ORDER BY batch, issuer
        """,
        scope.common() | scope.days() | {"last": scope.period.last, "ends": scope.ends},
    ).fetchall()


def batches(cursor: duckdb.DuckDBPyConnection, ids: Sequence[int]) -> list[Row]:
    """(id, batch_id, operator, block, place, tx, settled_at, settled, refused, fares) of batches, in their order."""
    return cursor.execute(
        """
        SELECT id, batch_id, operator, block, place, tx, settled_at, settled, refused, fares FROM batches
        WHERE id IN (SELECT unnest($ids::INTEGER[])) ORDER BY id
        """,
        {"ids": list(ids)},
    ).fetchall()


# ---------------------------------------------------------------- refunds, fees, payments, transfers


def refunds(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> list[Row]:
    """(day, issuer, operator, block, place, tx, time, amount, paid, batch, index, cause, …what CorrectedRide holds)."""
    return cursor.execute(
        f"""
        WITH {_DAYS},
        counted AS (
            SELECT *, coalesce(sum(amount) OVER (PARTITION BY batch, index ORDER BY block, place
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
            FROM refunds WHERE block <= $block AND (issuer = $city OR operator = $city)
        )
        SELECT days.day, r.issuer, r.operator, r.block, r.place, r.tx, r.time, r.amount, r.paid, r.batch, r.index,
            r.cause, rides.exit_day, rides.exited_at, rides.entry_station, rides.exit_station, rides.fare, r.before
        FROM counted r
        ASOF JOIN days ON days.city = r.operator AND r.time >= days.start
        LEFT JOIN rides ON rides.batch = r.batch AND rides.index = r.index
        WHERE days.day <= $last
        ORDER BY r.block, r.place
        """,
        scope.common() | scope.days() | {"last": scope.period.last},
    ).fetchall()


def fees(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> list[Row]:
    """As refunds, of disputes that were answered: amount is the fee, there is no cause."""
    return cursor.execute(
        f"""
        WITH {_DAYS}
        SELECT days.day, a.issuer, a.operator, a.block, a.place, a.tx, a.time, a.fee, a.paid, a.batch, a.index, NULL,
            rides.exit_day, rides.exited_at, rides.entry_station, rides.exit_station, rides.fare,
            coalesce((SELECT sum(r.amount) FROM refunds r WHERE r.batch = a.batch AND r.index = a.index
                AND (r.block, r.place) < (a.block, a.place)), 0)
        FROM answers a
        ASOF JOIN days ON days.city = a.operator AND a.time >= days.start
        LEFT JOIN rides ON rides.batch = a.batch AND rides.index = a.index
        WHERE a.block <= $block AND (a.issuer = $city OR a.operator = $city) AND days.day <= $last
        ORDER BY a.block, a.place
        """,
        scope.common() | scope.days() | {"last": scope.period.last},
    ).fetchall()


def arrears_payments(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> list[Row]:
    """(debtor, creditor, block, place, tx, time, amount, whether it was set off).

    A set-off is told right before the refund or the fee that it is a part of: the same transaction's next event, the
    other way round between the same two cities.
    """
    return cursor.execute(
        """
        WITH after AS (
            SELECT block, place, tx, operator AS debtor, issuer AS creditor, paid FROM refunds WHERE block <= $block
            UNION ALL
            SELECT block, place, tx, issuer, operator, paid FROM answers WHERE block <= $block
        )
        SELECT p.debtor, p.creditor, p.block, p.place, p.tx, p.time, p.amount, after.block IS NOT NULL
        FROM arrears_payments p
        LEFT JOIN after ON after.block = p.block AND after.place = p.place + 1 AND after.tx = p.tx
            AND after.debtor = p.creditor AND after.creditor = p.debtor AND after.paid >= p.amount
        WHERE p.block <= $block AND (p.debtor = $city OR p.creditor = $city) AND p.time >= $begins AND p.time < $ends
        ORDER BY p.block, p.place
        """,
        scope.common() | scope.instants(),
    ).fetchall()


def transfers(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> list[Row]:
    """(kind, block, place, tx, time, amount, address, reference)."""
    return cursor.execute(
        """
        SELECT kind, block, place, tx, time, amount, address, reference FROM transfers
        WHERE city = $city AND block <= $block AND time >= $begins AND time < $ends ORDER BY block, place
        """,
        scope.common() | scope.instants(),
    ).fetchall()


def open_disputes(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> list[Row]:
    """(batch_id, index, issuer, operator, what hangs, opened at, tx, answer until, fee) at the end of the period."""
    return cursor.execute(
        f"""
        WITH {_EDGES},
        opened AS (
            SELECT d.*, edges.closing FROM disputes d JOIN edges ON edges.city = d.operator
            WHERE d.block <= $block AND (d.issuer = $city OR d.operator = $city) AND d.time < edges.closing
        ),
        back AS (
            SELECT o.batch, o.index, sum(r.amount) AS amount
            FROM opened o JOIN refunds r ON r.batch = o.batch AND r.index = o.index
            WHERE r.block <= $block AND r.time < o.closing AND (r.block, r.place) > (o.block, o.place)
            GROUP BY o.batch, o.index
        )
        SELECT b.batch_id, o.index, o.issuer, o.operator, o.amount - coalesce(back.amount, 0) AS hangs, o.time, o.tx,
            o.answer_until, o.fee
        FROM opened o JOIN batches b ON b.id = o.batch
        LEFT JOIN back ON back.batch = o.batch AND back.index = o.index
        WHERE hangs > 0 AND NOT EXISTS (
            FROM answers a
            WHERE a.batch = o.batch AND a.index = o.index AND a.block <= $block AND a.time < o.closing
        )
        ORDER BY o.block, o.place
        """,
        scope.common() | scope.edges(scope.basis),
    ).fetchall()


# ---------------------------------------------------------------- between the bases


def bridge(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> list[Row]:
    """(what, taken, other, early, count and sum at the opening, count and sum at the closing).

    `what` is 'fare', 'refund' or 'fee'. At each edge: dated before it by the accrual basis and not by the settlement
    basis, or (early) the other way round. Rides are dated by `exit_day`; the others by the operator's clock.
    """
    return cursor.execute(
        f"""
        WITH {_EDGES},
        dated AS (
            SELECT 'fare' AS what, 1 AS counted, issuer, operator, fare AS amount, settled_at AS time,
                exit_day < $first AS opening, exit_day < $after AS closing
            FROM rides WHERE block <= $block AND (issuer = $city OR operator = $city)
            UNION ALL
            SELECT 'fare', rides, issuer, operator, fares, settled_at, settled_at < edges.opening,
                settled_at < edges.closing
            FROM pairs JOIN edges ON edges.city = operator
            WHERE block <= $block AND (issuer = $city OR operator = $city)
                AND batch IN (SELECT id FROM batches WHERE data IS NULL)
            UNION ALL
            SELECT 'refund', 1, issuer, operator, amount, time, time < edges.opening, time < edges.closing
            FROM refunds JOIN edges ON edges.city = operator
            WHERE block <= $block AND (issuer = $city OR operator = $city)
            UNION ALL
            SELECT 'fee', 1, issuer, operator, fee, time, time < edges.opening, time < edges.closing
            FROM answers JOIN edges ON edges.city = operator
            WHERE block <= $block AND (issuer = $city OR operator = $city)
        ),
        compared AS (
            SELECT *, operator <> $city AS taken, CASE operator WHEN $city THEN issuer ELSE operator END AS other,
                opening AND time >= $begins AS late_opening, closing AND time >= $ends AS late_closing,
                NOT opening AND time < $begins AS early_opening, NOT closing AND time < $ends AS early_closing
            FROM dated
        )
        SELECT what, taken, other, false AS early,
            coalesce(sum(counted) FILTER (late_opening), 0), coalesce(sum(amount) FILTER (late_opening), 0),
            coalesce(sum(counted) FILTER (late_closing), 0), coalesce(sum(amount) FILTER (late_closing), 0)
        FROM compared WHERE late_opening OR late_closing GROUP BY what, taken, other
        UNION ALL
        SELECT what, taken, other, true,
            coalesce(sum(counted) FILTER (early_opening), 0), coalesce(sum(amount) FILTER (early_opening), 0),
            coalesce(sum(counted) FILTER (early_closing), 0), coalesce(sum(amount) FILTER (early_closing), 0)
        FROM compared WHERE early_opening OR early_closing GROUP BY what, taken, other
        ORDER BY other, what, taken, early
        """,
        scope.common()
        | scope.edges(Basis.ACCRUAL)
        | {"first": scope.period.first, "after": scope.period.after}
        | scope.instants(),
    ).fetchall()
