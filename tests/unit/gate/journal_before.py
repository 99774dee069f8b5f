"""A journal as version 1 left it, with one ride in every state: for the tests of the migration."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from interline.domain import Domain

SCHEMA = """
CREATE TABLE binding (
  operator INTEGER NOT NULL,
  chain_id INTEGER NOT NULL,
  clearinghouse BLOB NOT NULL
);
CREATE TABLE scans (
  id INTEGER PRIMARY KEY,
  scanned_at INTEGER NOT NULL,
  direction TEXT NOT NULL CHECK (direction IN ('entry', 'exit')),
  station INTEGER NOT NULL,
  reason TEXT NOT NULL,
  trust_list_block INTEGER NOT NULL,
  code BLOB,
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
  reason INTEGER,
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
  signed_block INTEGER NOT NULL,
  from_block INTEGER NOT NULL,
  signed_at INTEGER NOT NULL,
  tx BLOB,
  refusal TEXT,
  settled_tx BLOB,
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

STATES = ("ready", "batched", "settled", "rejected")


def write_journal(path: Path, operator: int, domain: Domain) -> None:
    """Four rides (serials 0 to 3), one lone tap (serial 4), a refused scan, a signed batch and one that is done."""
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(SCHEMA)
        db.execute("INSERT INTO binding VALUES (?, ?, ?)", (operator, domain.chain_id, domain.clearinghouse))
        scan = "INSERT INTO scans VALUES (?, 1, ?, 1, ?, 9, x'00', 3100, ?, ?, 1)"
        tap = "INSERT INTO taps VALUES (NULL, ?, 3100, ?, ?, 1, 1, ?, zeroblob(184), ?, ?)"
        numbers = iter(range(1, 100))
        for serial, state in enumerate(STATES):
            reason = 7 if state == "rejected" else None
            ride = (serial + 1, serial, state, reason)
            db.execute("INSERT INTO rides VALUES (?, 3100, 1, ?, 300, zeroblob(113), ?, ?, 1)", ride)
            for way in ("entry", "exit"):
                number = next(numbers)
                db.execute(scan, (number, way, "accepted", serial, bytes(32)))
                db.execute(tap, (number, serial, way, bytes(32), "paired", serial + 1))
        lone, refused = next(numbers), next(numbers)
        db.execute(scan, (lone, "entry", "accepted", 4, bytes(32)))
        db.execute(tap, (lone, 4, "entry", bytes(32), "waiting", None))
        db.execute(scan, (refused, "entry", "already_used", 0, bytes(32)))
        batch = "INSERT INTO batches VALUES (?, ?, x'01', zeroblob(64), x'02', ?, 5, 5, 1, ?, NULL, NULL, ?)"
        db.execute(batch, (1, b"\x01" * 32, "done", b"\x11" * 32, 1))
        db.execute(batch, (2, b"\x02" * 32, "sent", b"\x12" * 32, None))
        db.executemany("INSERT INTO batch_rides VALUES (?, ?, ?)", [(1, 0, 3), (1, 1, 4), (2, 0, 2)])
        db.execute("PRAGMA user_version = 1")
    db.close()
