"""Other programs' files are read, and never written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ledger.errors import RecordFileError
from ledger.reconcile.sqlite_file import opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    db = sqlite3.connect(tmp_path / "a #1?.db")
    db.execute("CREATE TABLE rides (fare INTEGER)")
    db.close()
    return tmp_path / "a #1?.db"


def test_a_file_is_read(path: Path) -> None:
    with opened(path, "a journal") as db:
        assert db.execute("SELECT count(*) FROM rides").fetchall() == [(0,)]


def test_nothing_can_be_written(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(RecordFileError, match="readonly"), opened(path, "a journal") as db:
        db.execute("INSERT INTO rides VALUES (1)")
    assert path.read_bytes() == before


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with (
        pytest.raises(RecordFileError, match="expected a journal, there is no such file"),
        opened(tmp_path / "x", "a journal"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("nothing of the kind" * 100)
    with pytest.raises(RecordFileError, match="not a database"), opened(tmp_path / "x", "a journal") as db:
        db.execute("SELECT 1 FROM rides")
