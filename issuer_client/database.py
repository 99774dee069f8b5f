"""SQLite files whose transactions are on disk when they end, and that know what they belong to."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from issuer_client.errors import DatabaseError

BUSY_SECONDS = 60.0
"""How long a process waits for another one's transaction."""

_META = "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT"


class Database:
    """One SQLite file, readable and writable by its owner alone (mode 0600), in WAL mode with synchronous=FULL.

    `schema` are the statements that make its tables, in a new file; `later` those that files of earlier versions don't
    have yet (CREATE ... IF NOT EXISTS). `belongs_to` is what the file is for, by name: written down when it is made,
    and compared each time that it is opened; a None takes whatever is there, in a file that is there. `known` is what
    was found. One thread uses it; several processes may at once.

    Raises:
        DatabaseError: the file can't be opened, is no such database, or belongs to something else.
    """

    def __init__(
        self, path: Path, *, schema: Sequence[str], belongs_to: Mapping[str, str | None], later: Sequence[str] = ()
    ) -> None:
        self.path = path
        self.known: Mapping[str, str] = {}
        try:
            _make_private(path)
            self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        except OSError as error:
            raise DatabaseError(f"{path}: can't be opened ({error.strerror}); check the path") from None
        except sqlite3.Error as error:
            raise DatabaseError(f"{path}: can't be opened ({error}); check the path") from None
        try:
            self._set_up(schema, later, belongs_to)
        except BaseException:
            self.close()
            raise

    def _set_up(self, schema: Sequence[str], later: Sequence[str], belongs_to: Mapping[str, str | None]) -> None:
        with self._described():
            self._connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
            with _folder_locked(self.path.parent):  # two processes can't change the mode of a new file at once
                (mode,) = self._connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise DatabaseError(f"{self.path}: expected a disk that can do WAL, came mode {mode}; move the file")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
        with self.transaction() as sql:
            tables = {name for (name,) in sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not tables and None in belongs_to.values():
                raise DatabaseError(
                    f"{self.path}: expected a file of {_named(belongs_to)}, came an empty one; check the path"
                )
            if not tables:
                for statement in (_META, *schema):
                    sql.execute(statement)
                sql.executemany("INSERT INTO meta VALUES (?, ?)", belongs_to.items())
            self.known = dict(sql.execute("SELECT name, value FROM meta")) if not tables or "meta" in tables else {}
            expected = {name: self.known.get(name) if value is None else value for name, value in belongs_to.items()}
            if self.known != expected:
                raise DatabaseError(
                    f"{self.path}: expected a file of {_named(belongs_to)}, came one of {_named(self.known)}; "
                    "name another file, and keep this one"
                )
            for statement in later:
                sql.execute(statement)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the write lock from its beginning and is on disk when the block ends.

        If the block raises, nothing of it remains.

        Raises:
            DatabaseError: the file can't be read or written, or another process holds it for too long.
        """
        with self._described():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def read(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query.

        Raises:
            DatabaseError: the file can't be read.
        """
        with self._described():
            return self._connection.execute(query, parameters).fetchall()

    def close(self) -> None:
        """Close the file; it can't be used after this."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _described(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise DatabaseError(f"{self.path}: can't be used ({error}); check the file, its disk and its rights") from (
                error
            )


def _make_private(path: Path) -> None:
    """Make the file, if there is none, so that nobody else can ever read it, and make its name durable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _named(belongs_to: Mapping[str, str | None]) -> str:
    if not belongs_to:
        return "another program"
    return ", ".join(f"{name} {value or '(any)'}" for name, value in sorted(belongs_to.items()))
