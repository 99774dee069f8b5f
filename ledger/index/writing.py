"""Rows into the index's tables, many at once: all SQL that changes the index, but for its making."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from duckdb import DuckDBPyConnection

from ledger.books import Entry
from ledger.head import Head
from ledger.index.schema import TABLES

COLUMNS: Final = {table: tuple(column.split()[0] for column in columns.split(",")) for table, columns in TABLES.items()}
"""Each table's columns, in its order."""
CUT: Final = tuple(table for table in TABLES if table not in ("meta", "blocks", "given_batches"))
"""Tables that are cut off above a block."""
RECENT: Final = 64
"""How many blocks up to the head are kept, events or not: where a reorganised chain is met again."""

_DTYPES: Final = {
    "BIGINT": np.int64,
    "INTEGER": np.int32,
    "SMALLINT": np.int16,
    "USMALLINT": np.uint16,
    "UTINYINT": np.uint8,
}
_KINDS: Final = {
    table: tuple(
        object if optional == [] else _DTYPES.get(kind, object)
        for _, kind, *optional in (column.split() for column in columns.split(","))
    )
    for table, columns in TABLES.items()
}

Columns = Mapping[str, npt.NDArray[Any]]


class Rows:
    """Rows to be inserted together, by their tables."""

    def __init__(self) -> None:
        self._rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self._columns: list[tuple[str, Columns]] = []

    def add(self, table: str, *values: Any) -> None:
        """One row, its values in the order of the table's columns."""
        self._rows[table].append(values)

    def add_columns(self, table: str, columns: Columns) -> None:
        """Many rows, as an array for each of the table's columns; a date as its days since 1970."""
        self._columns.append((table, columns))

    def add_entry(
        self, entry: Entry, *, block: int, place: int, time: int, batch: int | None = None, index: int | None = None
    ) -> None:
        """What an event posts; the event is at (block, place)."""
        for line in entry.postings:
            account, kind = str(line.account), str(entry.kind)
            self.add("postings", block, place, time, kind, line.city, account, line.other, line.amount, batch, index)

    def insert(self, cursor: DuckDBPyConnection) -> None:
        """Write all of them."""
        for table, rows in self._rows.items():
            _insert(cursor, table, _columns(table, rows))
        for table, columns in self._columns:
            _insert(cursor, table, columns)


def cut_off(cursor: DuckDBPyConnection, above: int) -> None:
    """Forget all that is above a block."""
    for table in CUT:
        cursor.execute(f"DELETE FROM {table} WHERE block > ?", [above])
    cursor.execute("DELETE FROM blocks WHERE number > ?", [above])


def keep_blocks(cursor: DuckDBPyConnection, heads: Iterable[Head]) -> None:
    """Keep these blocks, at least one, and of all below the last RECENT ones only those that had an event."""
    rows = sorted({(head.number, bytes.fromhex(head.hash[2:]), head.time) for head in heads})
    [[before]] = cursor.execute("SELECT max(number) FROM blocks").fetchall()
    cursor.register("arriving", _columns("blocks", rows))
    cursor.execute("INSERT INTO blocks SELECT * FROM arriving ON CONFLICT DO NOTHING")
    cursor.unregister("arriving")
    old = rows[-1][0] - RECENT
    lowest = rows[0][0] if before is None else min(rows[0][0], before - RECENT)
    cursor.execute(
        """
        DELETE FROM blocks WHERE number BETWEEN $lowest AND $old
            AND number NOT IN (SELECT block FROM events WHERE block BETWEEN $lowest AND $old)
        """,
        {"lowest": lowest, "old": old},
    )


def set_bytes(cursor: DuckDBPyConnection, batch: int, data: bytes, signature: bytes | None) -> None:
    """Give an unread batch, by its number, its bytes, and its submitter's signature, if that was seen."""
    cursor.execute("UPDATE batches SET data = ?, signature = ? WHERE id = ?", [data, signature, batch])


def set_meta(cursor: DuckDBPyConnection, key: str, value: str) -> None:
    """Say something of the index."""
    cursor.execute("INSERT INTO meta VALUES ($1, $2) ON CONFLICT DO UPDATE SET value = $2", [key, value])


def replace_days(cursor: DuckDBPyConnection, operator: int, days: Sequence[tuple[int, int, int]]) -> None:
    """Give an operator's rides other operating days: each (days since 1970, its first second, that of the next)."""
    spans = dict(zip(("day", "start", "after"), np.array(days, np.int64).T, strict=True))
    cursor.register("spans", spans)
    cursor.execute(
        """
        UPDATE rides SET exit_day = DATE '1970-01-01' + spans.day::INTEGER FROM spans
        WHERE rides.operator = ? AND rides.exited_at >= spans.start AND rides.exited_at < spans.after
        """,
        [operator],
    )
    cursor.unregister("spans")


def _columns(table: str, rows: Sequence[tuple[Any, ...]]) -> Columns:
    values = zip(COLUMNS[table], _KINDS[table], zip(*rows, strict=True), strict=True)
    return {name: np.fromiter(column, kind, len(rows)) for name, kind, column in values}


def _insert(cursor: DuckDBPyConnection, table: str, columns: Columns) -> None:
    arriving = {name: columns[name] for name in COLUMNS[table]}
    listed = ", ".join(
        f"DATE '1970-01-01' + \"{name}\"::INTEGER" if name == "exit_day" else f'"{name}"' for name in arriving
    )
    cursor.register("arriving", arriving)
    cursor.execute(f"INSERT INTO {table} SELECT {listed} FROM arriving")
    cursor.unregister("arriving")
