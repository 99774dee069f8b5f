"""The index's file: opened, made, and asked how far it has come."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import duckdb
from duckdb import DuckDBPyConnection

from ledger.errors import IndexFileError
from ledger.head import Head
from ledger.index.schema import SCHEMA_VERSION, TABLES

__all__ = ["Head", "Index"]

_IN_MEMORY: Final = ":memory:"  # instead of a path: an index that is gone when it is closed
_MEMORY_LIMIT: Final = "384MB"  # of DuckDB's buffers; what doesn't fit goes to the file or beside it
_HOLDER: Final = re.compile(r"\(PID (\d+)\)")


class Index:
    """An open index. Use `Index.open`, and `with`.

    One process at a time has it open to write; others can't open it meanwhile, not even to read. In that process any
    number of threads read by cursors of their own, and see whole transactions only.
    """

    def __init__(self, connection: DuckDBPyConnection, path: str, *, write: bool) -> None:
        self.path = path
        self.write = write
        self.late_reads = 0
        """How many batches' rides were read since it was opened whose bytes were missing before."""
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path | str, *, write: bool) -> Self:
        """Open an index; to write, it is made where there is none, or made anew where it has another version's tables.

        Raises:
            IndexFileError: another program has it open, it isn't there, or it is no index.
        """
        name = str(path)
        index = cls(_connect(name, write=write), name, write=write)
        try:
            index._require_tables()
        except duckdb.Error as error:
            index.close()
            raise damaged(name, error) from error
        except BaseException:
            index.close()
            raise
        return index

    def close(self) -> None:
        """Close it; its cursors end."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------ to read

    def cursor(self) -> DuckDBPyConnection:
        """A connection of one's own to the same file: each thread needs its own."""
        with self._lock:
            return self._connection.cursor()

    def head(self) -> Head:
        """The last block that was read.

        Raises:
            IndexFileError: none was.
        """
        head = self.find_head()
        if head is None:
            raise IndexFileError(f"{self.path}: expected an index of a chain, nothing is indexed yet: index it first")
        return head

    def find_head(self) -> Head | None:
        """The last block that was read; None where nothing is indexed yet."""
        return self._head("ORDER BY number DESC LIMIT 1")

    def block(self, number: int) -> Head | None:
        """A block that the index keeps: each with an event, and the last ones; None where it doesn't."""
        return self._head("WHERE number = ?", number)

    def meta(self, key: str) -> str:
        """What the index is of: chain_id, clearinghouse, registry, refunds, consortium, token, since, schema.

        Raises:
            IndexFileError: nothing is indexed yet.
        """
        value = self.find_meta(key)
        if value is None:
            raise IndexFileError(f"{self.path}: expected what the index is of ({key}), nothing is indexed yet")
        return value

    def find_meta(self, key: str) -> str | None:
        """What the index says under a key; None if it says nothing."""
        row = self.cursor().execute("SELECT value FROM meta WHERE key = ?", [key]).fetchone()
        return None if row is None else str(row[0])

    # ------------------------------------------------------------ to write

    @contextmanager
    def writing(self) -> Iterator[DuckDBPyConnection]:
        """A transaction: all that is written in it is kept, or, after an error, nothing."""
        cursor = self.cursor()
        cursor.begin()
        try:
            yield cursor
        except BaseException:
            cursor.rollback()
            raise
        else:
            cursor.commit()
        finally:
            cursor.close()

    def bind(self, of: Mapping[str, str]) -> None:
        """Say what the index is of; chain_id and clearinghouse at least. An index is of one Clearinghouse for ever.

        Raises:
            IndexFileError: it is of another.
        """
        known = dict(self.cursor().execute("SELECT key, value FROM meta").fetchall())
        for key, value in of.items():
            if known.get(key, value) != value:
                raise IndexFileError(
                    f"{self.path}: expected an index of {key} {value}, it is of {known[key]}: name another file, or "
                    "delete this one to index anew"
                )
        new = [[key, value] for key, value in of.items() if key not in known]
        if new:
            with self.writing() as cursor:
                cursor.executemany("INSERT INTO meta VALUES (?, ?)", new)

    # ------------------------------------------------------------ internals

    def _head(self, which: str, *arguments: int) -> Head | None:
        row = self.cursor().execute(f"SELECT number, hash, time FROM blocks {which}", arguments).fetchone()
        return None if row is None else Head(row[0], f"0x{row[1].hex()}", row[2])

    def _require_tables(self) -> None:
        there = {row[0] for row in self.cursor().execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        version = self._version() if "meta" in there else None
        if version == SCHEMA_VERSION and TABLES.keys() <= there:
            self._require_columns()
            return
        if there and version is None:
            raise IndexFileError(
                f"{self.path}: expected an index, came a database of something else ({', '.join(sorted(there))}): "
                "name another file"
            )
        if not self.write:
            came = f"of version {version}" if there else "an empty file"
            raise IndexFileError(
                f"{self.path}: expected an index of version {SCHEMA_VERSION}, came {came}: index the chain again"
            )
        with self.writing() as cursor:
            for name, columns in TABLES.items():
                cursor.execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
            cursor.execute("INSERT INTO meta VALUES ('schema', ?)", [str(SCHEMA_VERSION)])

    def _require_columns(self) -> None:
        """Make sure that the columns are those of an index of this version.

        Raises:
            IndexFileError: others; somebody changed the file.
        """
        with duckdb.connect(_IN_MEMORY) as fresh:
            for name, columns in TABLES.items():
                fresh.execute(f"CREATE TABLE {name} ({columns})")
            expected = _columns(fresh)
        came = _columns(self.cursor())
        for table, made in expected.items():
            if came.get(table) != made:
                raise IndexFileError(
                    f"{self.path}: expected the table {table} as it was made, somebody changed its columns: delete the "
                    "file to index anew"
                )

    def _version(self) -> int | None:
        row = self.cursor().execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
        return int(row[0]) if row is not None and str(row[0]).isdigit() else None


def damaged(path: str, error: duckdb.Error) -> IndexFileError:
    """What to say where DuckDB can't read what it wrote."""
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return IndexFileError(
        f"{path}: expected an index as it was written, came {first}: delete the file to index anew, and see whether "
        "the disk is full or failing"
    )


def _columns(cursor: DuckDBPyConnection) -> dict[str, list[tuple[str, str]]]:
    """(name, type) of each column of each table."""
    found: dict[str, list[tuple[str, str]]] = {}
    rows = cursor.execute(
        "SELECT c.table_name, c.column_name, c.data_type FROM duckdb_columns() c JOIN duckdb_tables() t "
        "ON t.table_oid = c.table_oid ORDER BY c.table_name, c.column_index"
    ).fetchall()
    for table, name, kind in rows:
        found.setdefault(table, []).append((name, kind))
    return found


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise IndexFileError(
            f"{folder}: expected a folder for the index, came {error}: name another file with --index"
        ) from error


def _connect(path: str, *, write: bool) -> DuckDBPyConnection:
    in_memory = path == _IN_MEMORY
    if not in_memory:
        if write:
            _make_folder(Path(path).parent)
        elif not Path(path).exists():
            raise IndexFileError(f"{path}: expected an index, there is no such file: index the chain first")
    try:
        return duckdb.connect(
            path,
            read_only=not write and not in_memory,
            config={"memory_limit": _MEMORY_LIMIT, "autoload_known_extensions": False},
        )
    except duckdb.Error as error:
        holder = _HOLDER.search(str(error))
        if holder is not None:
            raise IndexFileError(
                f"{path}: expected an index that nobody writes, process {holder[1]} has it open: wait until it ends, "
                "stop it, or name another file (while `ledger serve` runs, take statements from its pages)"
            ) from error
        raise IndexFileError(
            f"{path}: expected an index, came {error}: name another file, or delete this one to index anew"
        ) from error
