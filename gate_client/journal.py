"""The journal: one SQLite file that holds every scan, tap, ride and batch of one operator in one domain.

WAL with synchronous=FULL: what has been committed survives SIGKILL and a power cut. Several gates may share
a journal; whatever reads and then writes does so inside :meth:`Journal.transaction`, which lets one in at a time.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gate_client.errors import JournalError
from gate_client.files import sync_folder
from interline.domain import Domain
from interline.signatures import to_checksum

SCHEMA_VERSION = 1
BUSY_TIMEOUT = 20.0
"""Seconds that a gate waits for another one that is writing to the same journal."""

_SCHEMA = """
CREATE TABLE binding (
  operator INTEGER NOT NULL,
  chain_id INTEGER NOT NULL,
  clearinghouse BLOB NOT NULL
);
CREATE TABLE scans (                    -- every attempt, the refused ones too
  id INTEGER PRIMARY KEY,
  scanned_at INTEGER NOT NULL,          -- the gate's clock
  direction TEXT NOT NULL CHECK (direction IN ('entry', 'exit')),
  station INTEGER NOT NULL,
  reason TEXT NOT NULL,
  trust_list_block INTEGER NOT NULL,
  code BLOB,                            -- the text as it was read; null: a picture without a code
  issuer INTEGER,
  serial INTEGER,
  ticket_hash BLOB,
  shown_at INTEGER
);
CREATE INDEX scans_by_reason ON scans (reason);
CREATE TABLE rides (
  id INTEGER PRIMARY KEY,
  issuer INTEGER NOT NULL,
  key_id INTEGER NOT NULL,
  serial INTEGER NOT NULL,
  fare INTEGER NOT NULL,
  ride BLOB NOT NULL CHECK (length(ride) = 113),
  state TEXT NOT NULL CHECK (state IN ('ready', 'batched', 'settled', 'rejected')),
  reason INTEGER,                       -- section 6, of a rejected ride; null: not known
  closed_at INTEGER NOT NULL,
  UNIQUE (issuer, serial)
);
CREATE INDEX rides_by_state ON rides (state, issuer, key_id, serial);
CREATE TABLE taps (
  id INTEGER PRIMARY KEY,
  scan INTEGER NOT NULL UNIQUE REFERENCES scans (id),
  issuer INTEGER NOT NULL,
  serial INTEGER NOT NULL,
  direction TEXT NOT NULL CHECK (direction IN ('entry', 'exit')),
  station INTEGER NOT NULL,
  shown_at INTEGER NOT NULL,
  ticket_hash BLOB NOT NULL CHECK (length(ticket_hash) = 32),
  code BLOB NOT NULL CHECK (length(code) = 184),
  state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'paired', 'unused')),
  ride INTEGER REFERENCES rides (id),
  UNIQUE (issuer, serial, direction)
);
CREATE INDEX taps_by_state ON taps (state, direction, shown_at);
CREATE INDEX taps_by_ride ON taps (ride);
CREATE TABLE batches (
  id INTEGER PRIMARY KEY,
  batch_id BLOB NOT NULL UNIQUE CHECK (length(batch_id) = 32),
  bytes BLOB NOT NULL,
  signature BLOB NOT NULL CHECK (length(signature) = 64),
  signer BLOB NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('signed', 'sent', 'done')),
  signed_block INTEGER NOT NULL,        -- the chain's newest block when it was signed
  from_block INTEGER NOT NULL,          -- the same when it was opened last: later than signing for a second try
  signed_at INTEGER NOT NULL,
  tx BLOB,                              -- the last transaction that we sent it with
  refusal TEXT,                         -- what keeps it waiting
  settled_tx BLOB,                      -- the transaction that carried it out, whoever sent it
  settled INTEGER
);
CREATE INDEX batches_by_state ON batches (state);
CREATE TABLE batch_rides (
  batch INTEGER NOT NULL REFERENCES batches (id),
  position INTEGER NOT NULL,
  ride INTEGER NOT NULL REFERENCES rides (id),
  PRIMARY KEY (batch, position)
) WITHOUT ROWID;
CREATE INDEX batch_rides_by_ride ON batch_rides (ride);
"""


class Journal:
    """An open journal, bound to one operator and one domain. Use it as a context manager, or close it.

    Raises:
        JournalError: the file can't be opened, is no journal, or belongs to someone else.
    """

    def __init__(self, path: Path, *, operator: int, domain: Domain) -> None:
        self.path = path
        self.operator = operator
        self.domain = domain
        self.db = _connect(path)
        try:
            self._prepare()
            self._check_binding()
        except BaseException:
            self.db.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; everything committed is already on disk."""
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One writer at a time, in this process and any other; durable when the block ends without an error.

        Raises:
            JournalError: the journal is locked for too long, or the disk refuses.
        """
        try:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise JournalError(f"{self.path}: {error}; nothing was recorded") from error

    def _prepare(self) -> None:
        if self._version() == SCHEMA_VERSION:
            return
        with self.transaction() as db:
            version = self._version()
            if version == 0:
                self._create(db)
            elif version != SCHEMA_VERSION:
                raise JournalError(
                    f"{self.path}: a journal of version {version}, this gate-client knows {SCHEMA_VERSION}; "
                    f"use the gate-client that wrote it"
                )

    def _version(self) -> int:
        return int(self.db.execute("PRAGMA user_version").fetchone()[0])

    def _create(self, db: sqlite3.Connection) -> None:
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise JournalError(f"{self.path}: a database of something else; name another file in gate.toml")
        for statement in _SCHEMA.split(";\n"):
            db.execute(statement)
        db.execute(
            "INSERT INTO binding VALUES (?, ?, ?)", (self.operator, self.domain.chain_id, self.domain.clearinghouse)
        )
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        sync_folder(self.path.parent)

    def _check_binding(self) -> None:
        operator, chain_id, clearinghouse = self.db.execute("SELECT * FROM binding").fetchone()
        if operator != self.operator:
            raise JournalError(
                f"{self.path}: the journal of operator {operator}, not of {self.operator}; a journal is one operator's"
            )
        if Domain(chain_id, clearinghouse) != self.domain:
            raise JournalError(
                f"{self.path}: the journal of chain {chain_id}, Clearinghouse {to_checksum(clearinghouse)}, "
                f"not of chain {self.domain.chain_id}, Clearinghouse {to_checksum(self.domain.clearinghouse)}; "
                f"use a new journal for a new domain"
            )


def bound_domain(path: Path) -> Domain | None:
    """The domain that an existing journal is bound to; None where there is no journal yet.

    Raises:
        JournalError: the file is no journal.
    """
    if not path.exists():
        return None
    db = _connect(path)
    try:
        row = db.execute("SELECT chain_id, clearinghouse FROM binding").fetchone()
    except sqlite3.Error as error:
        raise JournalError(f"{path}: not a gate's journal ({error})") from None
    finally:
        db.close()
    return Domain(*row) if row else None


def _connect(path: Path) -> sqlite3.Connection:
    db = None
    try:
        db = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
        _switch_to_wal(db)
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        return db
    except sqlite3.Error as error:
        if db is not None:
            db.close()
        raise JournalError(f"{path}: the journal can't be opened: {error}") from None


def _switch_to_wal(db: sqlite3.Connection) -> None:
    """Changing the mode doesn't wait for other processes by itself, as everything later does."""
    deadline = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
            continue
        if mode != "wal":
            raise sqlite3.OperationalError(f"expected journal mode wal, the file system allows {mode}")
        return
