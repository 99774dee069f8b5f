"""SQLite files of the other programs, read and never written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.errors import RecordFileError

_BUSY: Final = 20  # seconds that another program may hold it


@contextmanager
def opened(path: Path, kind: str) -> Iterator[sqlite3.Connection]:
    """A file, open to read; `kind` is what it should be, for messages.

    Raises:
        RecordFileError: it isn't there, it is something else, or it is damaged.
    """
    if not path.is_file():
        raise RecordFileError(f"{path}: expected {kind}, there is no such file: check the path")
    db = None
    try:
        with named(path, kind):
            db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_BUSY)
            yield db
    finally:
        if db is not None:
            db.close()


@contextmanager
def named(path: Path, kind: str) -> Iterator[None]:
    """What SQLite says against a file, said with its name: where several are open, around each question to one.

    Raises:
        RecordFileError: SQLite can't read the file.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise RecordFileError(
            f"{path}: expected {kind}, came a file that can't be read ({error}): check the path, or restore the file"
        ) from error
