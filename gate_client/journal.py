"""The journal: one SQLite file that holds every scan, tap, ride and batch of one operator, in one line of domains.

A tap, its ride and its batch belong to the domain that the ticket was signed in. A serial is unique within a domain: an
issuer may count anew under a successor.

WAL with synchronous=FULL: what has been committed survives SIGKILL and a power cut. Several gates may share
a journal; whatever reads and then writes does so inside :meth:`Journal.transaction`, which lets one in at a time.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gate_client.errors import JournalError
from gate_client.files import sync_folder
from gate_client.line import Line, Predecessor
from interline.domain import Domain
from interline.signatures import to_checksum

SCHEMA_VERSION = 2
BUSY_TIMEOUT = 20.0
"""Seconds that a gate waits for another one that is writing to the same journal."""

_SCHEMA = """
CREATE TABLE binding (
  operator INTEGER NOT NULL
);
CREATE TABLE domains (
  id INTEGER PRIMARY KEY,
  chain_id INTEGER NOT NULL,
  clearinghouse BLOB NOT NULL CHECK (length(clearinghouse) = 20),
  place INTEGER NOT NULL,               -- in the line: 0 the newest, 1 its predecessor, and so on; below 0: called off
  closes_at INTEGER,                    -- null: it has no successor
  UNIQUE (chain_id, clearinghouse)
);
CREATE TABLE scans (                    -- every attempt, the refused ones too
  id INTEGER PRIMARY KEY,
  scanned_at INTEGER NOT NULL,          -- the gate's clock
  direction TEXT NOT NULL CHECK (direction IN ('entry', 'exit')),
  station INTEGER NOT NULL,
  reason TEXT NOT NULL,
  trust_list_block INTEGER NOT NULL,
  code BLOB,                            -- the text as it was read; null: a picture without a code, or deleted
  issuer INTEGER,
  serial INTEGER,
  ticket_hash BLOB,
  shown_at INTEGER,
  domain INTEGER REFERENCES domains (id)  -- that the issuer signed in; null: not found out
);
CREATE INDEX scans_by_reason ON scans (reason);
CREATE TABLE rides (
  id INTEGER PRIMARY KEY,
  domain INTEGER NOT NULL REFERENCES domains (id),
  issuer INTEGER NOT NULL,
  key_id INTEGER NOT NULL,
  serial INTEGER NOT NULL,
  fare INTEGER NOT NULL,
  ride BLOB NOT NULL CHECK (length(ride) = 113),
  state TEXT NOT NULL CHECK (state IN ('ready', 'batched', 'settled', 'rejected')),
  reason INTEGER,                       -- section 6, of a rejected ride; null: not known
  closed_at INTEGER NOT NULL,
  UNIQUE (domain, issuer, serial)
);
CREATE INDEX rides_by_state ON rides (state, domain, issuer, key_id, serial);
CREATE TABLE taps (
  id INTEGER PRIMARY KEY,
  domain INTEGER NOT NULL REFERENCES domains (id),
  scan INTEGER NOT NULL UNIQUE REFERENCES scans (id),
  issuer INTEGER NOT NULL,
  serial INTEGER NOT NULL,
  direction TEXT NOT NULL CHECK (direction IN ('entry', 'exit')),
  station INTEGER NOT NULL,
  shown_at INTEGER NOT NULL,
  ticket_hash BLOB NOT NULL CHECK (length(ticket_hash) = 32),
  code BLOB CHECK (length(code) = 184),  -- null: deleted, when nobody could ask for it any more
  state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'paired', 'unused')),
  ride INTEGER REFERENCES rides (id),
  UNIQUE (domain, issuer, serial, direction)
);
CREATE INDEX taps_by_state ON taps (state, domain, direction, shown_at);
CREATE INDEX taps_by_ride ON taps (ride);
CREATE TABLE batches (
  id INTEGER PRIMARY KEY,
  domain INTEGER NOT NULL REFERENCES domains (id),
  batch_id BLOB NOT NULL CHECK (length(batch_id) = 32),
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
  settled INTEGER,
  UNIQUE (domain, batch_id)
);
CREATE INDEX batches_by_state ON batches (state);
CREATE TABLE batch_rides (
  batch INTEGER NOT NULL REFERENCES batches (id),
  position INTEGER NOT NULL,
  ride INTEGER NOT NULL REFERENCES rides (id),
  PRIMARY KEY (batch, position)
) WITHOUT ROWID;
CREATE INDEX batch_rides_by_ride ON batch_rides (ride);
CREATE TABLE disputes (                 -- of our rides, as the chain tells of them
  domain INTEGER NOT NULL REFERENCES domains (id),
  batch_id BLOB NOT NULL CHECK (length(batch_id) = 32),
  place INTEGER NOT NULL,               -- the ride's index over the whole batch
  issuer INTEGER NOT NULL,
  amount INTEGER NOT NULL,              -- what of the fare hangs on it
  fee INTEGER NOT NULL,
  answer_until INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'upheld', 'refunded')),
  tx BLOB,                              -- the last transaction that we answered with
  PRIMARY KEY (domain, batch_id, place)
) WITHOUT ROWID;
CREATE TABLE dispute_reads (            -- up to which block disputes were read
  domain INTEGER PRIMARY KEY REFERENCES domains (id),
  block INTEGER NOT NULL
);
"""


_TABLES_1 = {  # those of version 1, and their columns; none of binding
    "binding": "",
    "scans": "id, scanned_at, direction, station, reason, trust_list_block, code, issuer, serial, ticket_hash, "
    "shown_at",
    "rides": "id, issuer, key_id, serial, fare, ride, state, reason, closed_at",
    "taps": "id, scan, issuer, serial, direction, station, shown_at, ticket_hash, code, state, ride",
    "batches": "id, batch_id, bytes, signature, signer, state, signed_block, from_block, signed_at, tx, refusal, "
    "settled_tx, settled",
    "batch_rides": "batch, position, ride",
}


class Journal:
    """An open journal, bound to one operator and one line of domains. Use it as a context manager, or close it.

    `domain` may be any of the line that the journal knows, or a later one: then `predecessors` lead back to it. One
    that the journal knew as the newest, and that `called_off` names or another took the place of, keeps its rides.

    Raises:
        JournalError: the file can't be opened, is no journal, or belongs to someone else.
    """

    def __init__(
        self,
        path: Path,
        *,
        operator: int,
        domain: Domain,
        predecessors: tuple[Predecessor, ...] = (),
        called_off: tuple[Domain, ...] = (),
    ) -> None:
        self.path = path
        self.operator = operator
        self.db = _connect(path)
        try:
            self._prepare()
            self._check_operator()
            self._read_line()
            self.extend(Line(domain, predecessors, called_off=called_off))
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

    @property
    def line(self) -> Line:
        """The domains that the journal knows."""
        assert self._line is not None
        return self._line

    def domain_id(self, domain: Domain) -> int:
        """The row of a domain.

        Raises:
            JournalError: the journal isn't of a line with this domain.
        """
        if domain not in self._ids:
            self._read_line()  # another process may have extended it
        try:
            return self._ids[domain]
        except KeyError:
            raise JournalError(f"{self.path}: not a journal of {_text(domain)}; run gate-client sync") from None

    def extend(self, line: Line) -> None:
        """Learn of successors (and of predecessors), durably; does nothing where all is known.

        Raises:
            JournalError: the journal is of another line, or nothing could be written.
        """
        if self._line is not None and _joined(self._line, line) == self._line:
            return
        with self.transaction():
            self._read_line()
            joined = line if self._line is None else _joined(self._line, line)
            if joined is None:
                raise JournalError(
                    f"{self.path}: the journal of {_text(self.line.domain)}, not of {_text(line.domain)}, which isn't "
                    f"its successor; use a new journal for a new domain"
                )
            self._write_line(joined)
        self._read_line()

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
            elif version == 1:
                _migrate(db)
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
        _create_tables(db)
        db.execute("INSERT INTO binding VALUES (?)", (self.operator,))
        sync_folder(self.path.parent)

    def _check_operator(self) -> None:
        (operator,) = self.db.execute("SELECT operator FROM binding").fetchone()
        if operator != self.operator:
            raise JournalError(
                f"{self.path}: the journal of operator {operator}, not of {self.operator}; a journal is one operator's"
            )

    def _read_line(self) -> None:
        rows = self.db.execute(_DOMAINS).fetchall()
        self._ids: dict[Domain, int] = {Domain(chain_id, clearinghouse): i for i, chain_id, clearinghouse, _, _ in rows}
        self._line = _line_of(rows)

    def _write_line(self, line: Line) -> None:
        places = [*enumerate(line.domains), *((-1 - at, domain) for at, domain in enumerate(line.called_off))]
        for place, domain in places:
            self.db.execute(
                """
                INSERT INTO domains (chain_id, clearinghouse, place, closes_at) VALUES (?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET place = excluded.place, closes_at = excluded.closes_at
                """,
                (domain.chain_id, domain.clearinghouse, place, line.closes_at(domain)),
            )


def bound_line(path: Path) -> Line | None:
    """The line that an existing journal is bound to; None where there is no journal yet.

    One whose tables another process is about to make, or was killed before it did, is none yet.

    Raises:
        JournalError: the file is no journal.
    """
    if not path.exists():
        return None
    db = _connect(path)
    try:
        db.execute("BEGIN")  # one state of the file for what follows
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version == 0 and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return None
        before = "SELECT NULL, chain_id, clearinghouse, NULL, 0 FROM binding"
        return _line_of(db.execute(before if version == 1 else _DOMAINS).fetchall())
    except sqlite3.Error as error:
        raise JournalError(f"{path}: not a gate's journal ({error})") from None
    finally:
        db.close()


def require_journal(path: Path, trust_list: Path) -> None:
    """Refuse a path at which nobody has scanned or synced: `scan` alone makes a journal of what may be a slip.

    Raises:
        JournalError: there is neither a journal nor a trust list beside it.
    """
    if not path.exists() and not trust_list.exists():
        raise JournalError(
            f"{path}: there is no journal, and no trust list beside it; correct journal in gate.toml, or begin with "
            f"gate-client sync and scan"
        )


_DOMAINS = "SELECT id, chain_id, clearinghouse, closes_at, place FROM domains ORDER BY place < 0, abs(place)"


def _line_of(rows: Sequence[tuple[int, int, bytes, int | None, int]]) -> Line | None:
    if not rows:
        return None
    domains = [(Domain(row[1], row[2]), row[3]) for row in rows if row[4] >= 0]
    (newest, ends), before = domains[0], domains[1:]
    off = tuple(Domain(row[1], row[2]) for row in rows if row[4] < 0)
    return Line(newest, tuple(Predecessor(each, closes_at or 0) for each, closes_at in before), ends, called_off=off)


def _joined(known: Line, told: Line) -> Line | None:
    """What two views of one line come to: the one may have come further, the other reach further back; else None.

    Where the two have different successors of one domain, what is told now counts: the other was called off.
    """
    left = known.without(told.called_off)
    if left is None:
        return told.after(known)
    if left.continues(told) and left.domain != told.domain:
        newer, other = left, told
    elif told.meets(left):
        newer, other = told, left
    else:
        return None
    last = newer.domains[-1]
    earlier = other.predecessors[other.domains.index(last) :] if last in other.domains else ()
    joined = Line(newer.domain, newer.predecessors + earlier, newer.ends, called_off=told.called_off)
    return joined.after(known)


def _create_tables(db: sqlite3.Connection) -> None:
    for statement in _SCHEMA.split(";\n"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _migrate(db: sqlite3.Connection) -> None:
    """From version 1, which had one domain: within the caller's transaction, so all of it or nothing."""
    for table in _TABLES_1:
        db.execute(f"ALTER TABLE {table} RENAME TO before_{table}")
    indices = "SELECT name FROM sqlite_master WHERE type = 'index' AND name NOT LIKE 'sqlite_%'"
    for (index,) in db.execute(indices).fetchall():
        db.execute(f"DROP INDEX {index}")
    _create_tables(db)
    db.execute("INSERT INTO binding SELECT operator FROM before_binding")
    db.execute("INSERT INTO domains SELECT 1, chain_id, clearinghouse, 0, NULL FROM before_binding")
    for table, columns in _TABLES_1.items():
        if columns:
            domain = {"scans": "CASE WHEN reason = 'accepted' THEN 1 END"}.get(table, "1")
            to, since = ("", "") if table == "batch_rides" else ("domain, ", f"{domain}, ")
            db.execute(f"INSERT INTO {table} ({to}{columns}) SELECT {since}{columns} FROM before_{table}")
    for table in reversed(_TABLES_1):  # what refers to another goes first
        db.execute(f"DROP TABLE before_{table}")


def _text(domain: Domain) -> str:
    return f"chain {domain.chain_id}, Clearinghouse {to_checksum(domain.clearinghouse)}"


def _connect(path: Path) -> sqlite3.Connection:
    db = None
    try:
        db = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
        _switch_to_wal(db)
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA secure_delete = ON")  # codes that are deleted leave nothing in the file
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
