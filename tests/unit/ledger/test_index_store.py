"""The index's file: who may open it, and what it is of."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from ledger.errors import IndexFileError
from ledger.head import Head
from ledger.index.schema import TABLES
from ledger.index.store import Index
from tests.support.patience import running

_HOLD = """
import sys
from ledger.index.store import Index
with Index.open(sys.argv[1], write=True):
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "nanjing.duckdb"


@contextmanager
def another_process(path: Path) -> Iterator[int]:
    """Another process that has the index open to write; its id."""
    command = [sys.executable, "-c", _HOLD, str(path)]
    with running(command, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process.pid


def test_an_index_is_made_where_there_is_none(path: Path) -> None:
    with Index.open(path, write=True) as index:
        names = {row[0] for row in index.cursor().execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        assert names == set(TABLES)
        assert index.find_head() is None


@pytest.mark.parametrize("write", [True, False])
def test_while_a_process_writes_no_other_opens_the_index_and_is_told_which_one_has_it(path: Path, write: bool) -> None:
    with another_process(path) as holder, pytest.raises(IndexFileError, match=f"process {holder} has it open"):
        Index.open(path, write=write)


def test_when_the_writer_was_killed_the_index_opens(path: Path) -> None:
    with another_process(path):
        pass
    with Index.open(path, write=True) as index:
        assert index.find_head() is None


def test_two_readers_at_once(path: Path) -> None:
    Index.open(path, write=True).close()
    with Index.open(path, write=False) as one, Index.open(path, write=False) as other:
        assert one.find_head() is other.find_head() is None


def test_a_reader_needs_an_index(path: Path) -> None:
    with pytest.raises(IndexFileError, match="there is no such file: index the chain first"):
        Index.open(path, write=False)


@pytest.mark.parametrize("write", [True, False])
def test_a_database_of_something_else_is_left_alone(path: Path, write: bool) -> None:
    with duckdb.connect(str(path)) as database:
        database.execute("CREATE TABLE wages (amount INTEGER)")
    with pytest.raises(IndexFileError, match="came a database of something else"):
        Index.open(path, write=write)
    with duckdb.connect(str(path)) as database:
        assert database.execute("SELECT count(*) FROM wages").fetchall() == [(0,)]


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_bytes(b"fares of December\n" * 1_000)
    with pytest.raises(IndexFileError, match="name another file"):
        Index.open(path, write=True)
    assert path.read_bytes().startswith(b"fares of December")


def of_another_version(path: Path) -> None:
    with Index.open(path, write=True) as index, index.writing() as cursor:
        cursor.execute("INSERT INTO blocks VALUES (1, ?, 0)", [bytes(32)])
        cursor.execute("UPDATE meta SET value = '0' WHERE key = 'schema'")


def test_an_index_of_another_version_is_made_anew_by_who_writes(path: Path) -> None:
    of_another_version(path)
    with Index.open(path, write=True) as index:
        assert index.find_head() is None


def test_an_index_of_another_version_is_refused_to_who_reads(path: Path) -> None:
    of_another_version(path)
    with pytest.raises(IndexFileError, match="index the chain again"):
        Index.open(path, write=False)


@pytest.mark.parametrize("change", ["ALTER TABLE pairs ADD COLUMN note VARCHAR", "ALTER TABLE rides DROP COLUMN fare"])
def test_an_index_whose_columns_were_changed_is_refused(path: Path, change: str) -> None:
    with Index.open(path, write=True) as index:
        index.cursor().execute(change)
    with pytest.raises(IndexFileError, match="somebody changed its columns: delete the file"):
        Index.open(path, write=True)


def test_a_folder_that_cannot_be_made_is_named(path: Path) -> None:
    path.write_text("a file")
    with pytest.raises(IndexFileError, match="expected a folder for the index"):
        Index.open(path / "index.duckdb", write=True)


def test_an_index_stays_that_of_its_clearinghouse(path: Path) -> None:
    with Index.open(path, write=True) as index:
        index.bind({"chain_id": "1337", "clearinghouse": "0x01"})
        index.bind({"chain_id": "1337", "clearinghouse": "0x01", "since": "7"})
        assert index.meta("since") == "7"
        with pytest.raises(IndexFileError, match="expected an index of clearinghouse 0x02, it is of 0x01"):
            index.bind({"chain_id": "1337", "clearinghouse": "0x02"})


def test_the_head_is_the_highest_block_that_is_kept(path: Path) -> None:
    with Index.open(path, write=True) as index:
        with index.writing() as cursor:
            cursor.execute("INSERT INTO blocks VALUES (9, ?, 90), (7, ?, 70)", [b"\x09" * 32, b"\x07" * 32])
        assert index.head() == Head(9, "0x" + "09" * 32, 90)
        assert index.block(7) == Head(7, "0x" + "07" * 32, 70)
        assert index.block(8) is None


def test_nothing_of_a_transaction_with_an_error_is_kept(path: Path) -> None:
    with Index.open(path, write=True) as index:
        with pytest.raises(duckdb.Error), index.writing() as cursor:
            cursor.execute("INSERT INTO blocks VALUES (9, $hash, 90), (9, $hash, 90)", {"hash": bytes(32)})
        assert index.find_head() is None
