"""What reconciliation asks the index: all of its SQL."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from duckdb import DuckDBPyConnection

from ledger.head import Head
from ledger.index.schema import TABLES
from ledger.index.writing import COLUMNS, CUT, Rows

Row = tuple[Any, ...]
_EXPECTED: Final = "expected"  # the name of the tables in memory that hold what should be there


# ---------------------------------------------------------------- rows that should be there, and rows that are


@dataclass(frozen=True, slots=True)
class Deviation:
    """Rows of a table that should be there and aren't, and rows that are there and shouldn't be."""

    table: str
    missing: list[Row]
    surplus: list[Row]


class Expected:
    """The rows that should be in the index, a piece at a time. Its cursor writes into memory, and reads the index."""

    def __init__(self, cursor: DuckDBPyConnection, name: str) -> None:
        self._cursor = cursor
        self._name = '"' + name.replace('"', '""') + '"'

    def compare(self, rows: Rows, above: int, until: int) -> Iterator[Deviation]:
        """Hold the index's rows of the blocks above one, up to another, against those that should be there."""
        for table in CUT:
            self._cursor.execute(f"TRUNCATE {_EXPECTED}.main.{table}")
        rows.insert(self._cursor)
        for table in CUT:
            ours = f"FROM {_EXPECTED}.main.{table}"
            theirs = f"FROM {self._name}.main.{table} WHERE block > $above AND block <= $until"
            span = {"above": above, "until": until}
            missing = self._cursor.execute(f"({ours}) EXCEPT ALL ({theirs})", span).fetchall()
            surplus = self._cursor.execute(f"({theirs}) EXCEPT ALL ({ours})", span).fetchall()
            if missing or surplus:
                yield Deviation(table, sorted(map(_plain, missing), key=repr), sorted(map(_plain, surplus), key=repr))

    def has(self, table: str, row: Row) -> bool:
        """Whether that row should be there (in the piece that was compared last)."""
        same = " AND ".join(f'"{name}" IS NOT DISTINCT FROM ?' for name in COLUMNS[table])
        found = self._cursor.execute(f"SELECT 1 FROM {_EXPECTED}.main.{table} WHERE {same} LIMIT 1", list(row))
        return found.fetchone() is not None


@contextmanager
def expected_rows(cursor: DuckDBPyConnection) -> Iterator[Expected]:
    """Room for what should be there, in memory; the index itself isn't written to."""
    row = cursor.execute("SELECT current_database()").fetchone()
    assert row is not None
    cursor.execute(f"ATTACH ':memory:' AS {_EXPECTED}")
    try:
        cursor.execute(f"USE {_EXPECTED}")
        for table in CUT:
            cursor.execute(f"CREATE TABLE {table} ({TABLES[table]})")
        yield Expected(cursor, str(row[0]))
    finally:
        name = str(row[0]).replace('"', '""')
        cursor.execute(f'USE "{name}"')
        cursor.execute(f"DETACH {_EXPECTED}")


def _plain(row: Row) -> Row:
    return tuple(bytes(value) if isinstance(value, bytearray | memoryview) else value for value in row)


# ---------------------------------------------------------------- blocks, batches, serials


def blocks(cursor: DuckDBPyConnection) -> list[Head]:
    """Every block that is kept, ascending."""
    rows = cursor.execute("SELECT number, hash, time FROM blocks ORDER BY number").fetchall()
    return [Head(number, f"0x{hash_.hex()}", time) for number, hash_, time in rows]


def batches_of(
    cursor: DuckDBPyConnection, txs: Sequence[bytes]
) -> dict[tuple[bytes, bytes], tuple[bytes | None, bytes | None]]:
    """(bytes, submitter's signature) that the index has of batches that some transactions settled, either None where it
    has none, by (transaction, batch id)."""
    rows = cursor.execute(
        "SELECT tx, batch_id, data, signature FROM batches WHERE tx IN (SELECT unnest($txs::BLOB[]))",
        {"txs": list(txs)},
    ).fetchall()
    return {
        (bytes(tx), bytes(batch_id)): (data and bytes(data), signature and bytes(signature))
        for tx, batch_id, data, signature in rows
    }


def serials_in_two_batches(cursor: DuckDBPyConnection, most: int) -> list[tuple[int, int, int, int, int, int, int]]:
    """(issuer, operator, serial, batch, index, other batch, its index) of tickets that settled in several batches."""
    rows: list[tuple[int, int, int, int, int, int, int]] = cursor.execute(
        """
        WITH twice AS (
            SELECT issuer, operator, serial FROM rides GROUP BY ALL HAVING count(DISTINCT batch) > 1
        )
        SELECT issuer, operator, serial, min(batch), arg_min(index, batch), max(batch),
            arg_max(index, batch)
        FROM rides JOIN twice USING (issuer, operator, serial)
        GROUP BY issuer, operator, serial ORDER BY issuer, operator, serial LIMIT ?
        """,
        [most],
    ).fetchall()
    return rows


# ---------------------------------------------------------------- deposits and withdrawals


@dataclass(frozen=True, slots=True)
class Transfer:
    """A deposit (`came_in`) or withdrawal; fen."""

    block: int
    tx: bytes
    time: int
    came_in: bool
    city: int
    amount: int
    reference: bytes


def transfers(cursor: DuckDBPyConnection, block: int, city: int | None = None) -> list[Transfer]:
    """Those up to a block, of one city or all, as they happened."""
    rows = cursor.execute(
        """
        SELECT block, tx, time, kind = 'deposit', city, amount, reference FROM transfers
        WHERE block <= $block AND ($city IS NULL OR city = $city) ORDER BY block, place
        """,
        {"block": block, "city": city},
    ).fetchall()
    return [Transfer(*row) for row in rows]


# ---------------------------------------------------------------- tariffs and fares


@dataclass(frozen=True, slots=True)
class Published:
    """A tariff that a city published: where, its hash (32 bytes), and from when on it holds (Unix seconds)."""

    uri: str
    digest: bytes
    valid_from: int


def published_tariffs(cursor: DuckDBPyConnection, block: int) -> dict[int, list[Published]]:
    """Each city's, up to a block, as they were published."""
    rows = cursor.execute(
        """
        SELECT arguments FROM events
        WHERE contract = 'CityRegistry' AND name = 'TariffPublished' AND block <= ? ORDER BY block, place
        """,
        [block],
    ).fetchall()
    found: defaultdict[int, list[Published]] = defaultdict(list)
    for (arguments,) in rows:
        told = json.loads(arguments)
        found[told["city"]].append(Published(told["uri"], bytes.fromhex(told["hash"][2:]), told["validFrom"]))
    return dict(found)


def last_batch(cursor: DuckDBPyConnection) -> int:
    """The highest number of a batch that rides are of; 0 if there is none."""
    row = cursor.execute("SELECT coalesce(max(batch), 0) FROM rides").fetchone()
    assert row is not None
    return int(row[0])


def fares(cursor: DuckDBPyConnection, first: int, last: int, block: int) -> dict[str, npt.NDArray[Any]]:
    """What prices the rides of the batches with these numbers, a column each."""
    found: dict[str, npt.NDArray[Any]] = cursor.execute(
        """
        SELECT batch, index, operator, entry_station, exit_station, entered_at, exited_at, fare_cap, fare FROM rides
        WHERE batch BETWEEN ? AND ? AND block <= ? ORDER BY batch, index
        """,
        [first, last, block],
    ).fetchnumpy()
    return {name: np.asarray(column).astype(np.int64) for name, column in found.items()}


def batch_names(cursor: DuckDBPyConnection, numbers: Collection[int]) -> dict[int, str]:
    """Batch ids, 0x and 64 digits, by the batches' numbers; a batch that isn't there has its number as its name."""
    rows = cursor.execute(
        "SELECT id, batch_id FROM batches WHERE id IN (SELECT unnest($numbers::INTEGER[]))", {"numbers": list(numbers)}
    ).fetchall()
    return {number: f"number {number}" for number in numbers} | {row[0]: f"0x{row[1].hex()}" for row in rows}


# ---------------------------------------------------------------- batches for journals and registers


@dataclass(frozen=True, slots=True)
class KeptBatch:
    """A batch of which a ride settled, in a block: its id, its bytes, and each refused ride's reason by its index.

    `data` is None where its bytes weren't found.
    """

    block: int
    batch_id: bytes
    data: bytes | None
    refused: Mapping[int, int]


_LOT: Final = 200  # batches that are read together


def batches_by(cursor: DuckDBPyConnection, block: int, operator: int) -> Iterator[KeptBatch]:
    """Those of an operator up to a block, as they settled."""
    numbers = "SELECT id FROM batches WHERE block <= $block AND operator = $city ORDER BY id"
    return _batches(cursor, numbers, {"block": block, "city": operator})


def batches_with(cursor: DuckDBPyConnection, block: int, issuer: int) -> Iterator[KeptBatch]:
    """Those up to a block in which a ride on an issuer's ticket settled, as they settled."""
    numbers = "SELECT DISTINCT batch FROM pairs WHERE block <= $block AND issuer = $city ORDER BY batch"
    return _batches(cursor, numbers, {"block": block, "city": issuer})


def _batches(cursor: DuckDBPyConnection, numbers: str, given: dict[str, int]) -> Iterator[KeptBatch]:
    every = [row[0] for row in cursor.execute(numbers, given).fetchall()]
    for start in range(0, len(every), _LOT):
        some = {"numbers": every[start : start + _LOT]}
        rows = cursor.execute(
            """
            SELECT id, block, batch_id, data FROM batches WHERE id IN (SELECT unnest($numbers::INTEGER[])) ORDER BY id
            """,
            some,
        ).fetchall()
        refused: defaultdict[int, dict[int, int]] = defaultdict(dict)
        for number, index, reason in cursor.execute(
            "SELECT batch, index, reason FROM refused_rides WHERE batch IN (SELECT unnest($numbers::INTEGER[]))", some
        ).fetchall():
            refused[number][index] = reason
        for number, block, batch_id, data in rows:
            yield KeptBatch(block, bytes(batch_id), data and bytes(data), refused[number])


def unsettled(
    cursor: DuckDBPyConnection, operator: int, block: int, tickets: Sequence[tuple[int, int]]
) -> set[tuple[int, int]]:
    """Of some tickets for an operator, each (issuer, serial), those of which no ride settled up to a block."""
    rows = cursor.execute(
        """
        WITH asked AS (SELECT unnest($issuers::USMALLINT[]) AS issuer, unnest($serials::BIGINT[]) AS serial)
        SELECT issuer, serial FROM asked ANTI JOIN (
            SELECT issuer, serial FROM rides WHERE operator = $operator AND block <= $block
        ) USING (issuer, serial)
        """,
        {
            "issuers": [issuer for issuer, _ in tickets],
            "serials": [serial for _, serial in tickets],
            "operator": operator,
            "block": block,
        },
    ).fetchall()
    return {(issuer, serial) for issuer, serial in rows}


def revocations(cursor: DuckDBPyConnection, issuer: int, block: int) -> dict[tuple[int, int], int]:
    """When an issuer revoked tickets, Unix seconds, by (operator, serial); the first time counts."""
    rows = cursor.execute(
        """
        SELECT e.arguments, b.time FROM events e JOIN blocks b ON b.number = e.block
        WHERE e.contract = 'CityRegistry' AND e.name = 'TicketRevoked' AND e.block <= ? ORDER BY e.block, e.place
        """,
        [block],
    ).fetchall()
    found: dict[tuple[int, int], int] = {}
    for arguments, time in rows:
        told = json.loads(arguments)
        if told["issuer"] == issuer:
            found.setdefault((told["operator"], told["serial"]), time)
    return found


def _clearinghouse_events(cursor: DuckDBPyConnection, block: int, *names: str) -> list[tuple[str, dict[str, Any], int]]:
    """(name, arguments, time of the block) of those events up to a block, as they happened."""
    rows = cursor.execute(
        """
        SELECT e.name, e.arguments, b.time FROM events e JOIN blocks b ON b.number = e.block
        WHERE e.contract = 'Clearinghouse' AND e.name IN (SELECT unnest($names::VARCHAR[])) AND e.block <= $block
        ORDER BY e.block, e.place
        """,
        {"names": list(names), "block": block},
    ).fetchall()
    return [(name, json.loads(arguments), time) for name, arguments, time in rows]


@dataclass(frozen=True, slots=True)
class Parameters:
    """All sets of the Clearinghouse's parameters that hold or held, by when the rides that they judge began to end."""

    sets: tuple[tuple[int, Mapping[str, int]], ...]
    """(from, parameters), ascending; the first set judges all older rides, too. None if the events tell of none."""

    def at(self, exited_at: int) -> Mapping[str, int]:
        """Those of a ride that ended then (Unix seconds), as parametersAt() of the contract; empty if none were set."""
        found: Mapping[str, int] = self.sets[0][1] if self.sets else {}
        for since, parameters in self.sets:
            if since <= exited_at:
                found = parameters
        return found


def parameters(cursor: DuckDBPyConnection, block: int) -> Parameters:
    """Those that hold, held, or are to hold, as the events up to a block have it.

    Parameters that are set replace those that were to hold later and didn't hold yet.
    """
    sets: list[tuple[int, Mapping[str, int]]] = []
    for _, told, time in _clearinghouse_events(cursor, block, "ParametersSet"):
        if sets and sets[-1][0] > time:
            sets.pop()
        sets.append((told["validFrom"], told["parameters"]))
    return Parameters(tuple(sets))


@dataclass(frozen=True, slots=True)
class Stop:
    """An emergency stop of settlement, Unix seconds. `length` is what it was called for, and the respite after it."""

    began: int
    until: int
    length: int


def last_stop(cursor: DuckDBPyConnection, block: int) -> Stop | None:
    """The last one up to a block; None if there never was one."""
    stop: Stop | None = None
    for name, told, time in _clearinghouse_events(cursor, block, "SettlementStopped", "SettlementResumed"):
        if name == "SettlementStopped":
            stop = Stop(time, told["until"], told["until"] - time)
        elif stop is not None:
            stop = Stop(stop.began, time, stop.length)
    return stop


def refunds(cursor: DuckDBPyConnection, issuer: int, block: int) -> dict[tuple[bytes, int], list[tuple[int, int]]]:
    """Of an issuer's rides, each (batch id, index): the refunds up to a block, each (block, fen), as they happened."""
    rows = cursor.execute(
        """
        SELECT b.batch_id, f.index, f.block, f.amount FROM refunds f JOIN batches b ON b.id = f.batch
        WHERE f.issuer = ? AND f.block <= ? ORDER BY f.block, f.place
        """,
        [issuer, block],
    ).fetchall()
    found: defaultdict[tuple[bytes, int], list[tuple[int, int]]] = defaultdict(list)
    for batch_id, index, at, amount in rows:
        found[bytes(batch_id), index].append((at, amount))
    return dict(found)


def given_back(cursor: DuckDBPyConnection, issuer: int, block: int) -> set[tuple[bytes, int]]:
    """An issuer's rides, each (batch id, index), of which the whole fare was refunded up to a block."""
    rows = cursor.execute(
        """
        SELECT b.batch_id, r.index FROM refunds f JOIN rides r USING (batch, index) JOIN batches b ON b.id = f.batch
        WHERE f.issuer = ? AND f.block <= ? GROUP BY b.batch_id, r.index, r.fare HAVING sum(f.amount) >= r.fare
        """,
        [issuer, block],
    ).fetchall()
    return {(bytes(batch_id), index) for batch_id, index in rows}
