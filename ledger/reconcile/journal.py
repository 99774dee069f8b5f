"""An operator's gate journal held against the chain: every ride that its gates took, and every one that settled."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from duckdb import DuckDBPyConnection

from interline.batch import Batch
from interline.domain import Domain
from interline.errors import MalformedError
from interline.hashing import keccak256
from interline.money import format_yuan
from interline.reasons import RideReason
from interline.ride import Ride
from ledger.errors import RecordFileError
from ledger.reconcile import query
from ledger.reconcile.findings import Finding, Findings, Result, ride_name
from ledger.reconcile.query import KeptBatch
from ledger.reconcile.sqlite_file import opened

CHECK: Final = "journal"
_KIND: Final = "a gate's journal"
_VERSION: Final = 2
_LOT: Final = 10_000  # rides of the journal that are looked for together
_FIELDS: Final = tuple(Ride.__dataclass_fields__)

_CHANGED: Final = (
    "the journal was changed after the batch was signed, or restored from a copy and filled anew",
    "the chain's ride counts, and bears the issuer's signature; find out who changed the journal, restore its backup",
)
_LOST: Final = (
    "the journal lost the ride: a file was deleted, or an older copy restored",
    "restore the journal's backup: without the codes in it a dispute of this ride can't be answered",
)
_BATCH_LOST: Final = (
    "the journal lost the batch, or another back office of the operator settled it from its own journal",
    "name the other journal, too; else restore the backup: its rides' disputes need the codes in it",
)
_BATCH_CHANGED: Final = (
    "the batch's bytes in the journal were changed after it was signed",
    "the chain has the bytes that were signed; restore the journal's backup",
)
_NOT_SETTLED: Final = (
    "the journal was told that it settled by a chain that was reorganised, or was changed, or is ahead of this block",
    "run gate-client submit, which sends again what didn't settle; if it stays, send the journal to the maintainers",
)
_NOT_LEARNT: Final = (
    "the batch settled, and the back office hasn't read that yet",
    "run gate-client submit, which reads what became of its batches",
)
_REFUSED: Final = (
    "the journal took a refusal from a chain that was reorganised, or was changed",
    "the fare is earned: keep the ride's codes for disputes; run gate-client submit and look again",
)


def check_journal(
    cursor: DuckDBPyConnection, path: Path, domain: Domain, block: int, only: int | None = None
) -> Result:
    """A journal's rides and batches in a domain against those that its operator settled up to a block.

    Args:
        cursor: of the index.
        path: the journal, an SQLite file; it is only read.
        domain: the chain's and Clearinghouse's that the index is of.
        block: the last one that counts.
        only: the operator that it should be of.

    Raises:
        RecordFileError: it is no such journal, or of another operator or Clearinghouse.
    """
    with opened(path, _KIND) as db:
        journal = _Journal(db, path, domain, only)
        findings = Findings(CHECK)
        batches = rides = 0
        settled = journal.settled()
        for batch in query.batches_by(cursor, block, journal.operator):
            batches += 1
            rides += Batch.from_bytes(batch.data).ride_count - len(batch.refused)
            findings.add(_of_batch(journal, batch))
        while some := list(islice(settled, _LOT)):
            missing = query.unsettled(cursor, journal.operator, block, [(one.issuer, one.serial) for one in some])
            findings.add(_not_settled(one) for one in some if (one.issuer, one.serial) in missing)
        compared = (
            f"{rides:,} rides in {batches:,} batches that {journal.operator} settled with {journal.count():,} rides in "
            f"{path.name}"
        )
    return findings.result(compared)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A ride as the journal has it."""

    issuer: int
    serial: int
    key_id: int
    fare: int
    ride: bytes
    state: str
    reason: int | None
    batch: bytes | None = None
    position: int | None = None


class _Journal:
    """What is asked of a journal; its tables are in gate_client/journal.py."""

    def __init__(self, db: sqlite3.Connection, path: Path, domain: Domain, only: int | None) -> None:
        self._db = db
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version != _VERSION:
            raise RecordFileError(
                f"{path}: expected {_KIND} of version {_VERSION}, came version {version}: run gate-client status with "
                "it once, which brings an older one up to date; or name another file"
            )
        (self.operator,) = db.execute("SELECT operator FROM binding").fetchone()
        if only is not None and self.operator != only:
            raise RecordFileError(f"{path}: expected a journal of {only}, came one of {self.operator}: name its city")
        row = db.execute(
            "SELECT id FROM domains WHERE chain_id = ? AND clearinghouse = ?", (domain.chain_id, domain.clearinghouse)
        ).fetchone()
        if row is None:
            raise RecordFileError(
                f"{path}: expected a journal with rides for Clearinghouse 0x{domain.clearinghouse.hex()} on chain "
                f"{domain.chain_id}, came one for others: name the deployment that it is of"
            )
        self._domain = row[0]

    def count(self) -> int:
        """How many rides it has in the domain."""
        return int(self._db.execute("SELECT count(*) FROM rides WHERE domain = ?", (self._domain,)).fetchone()[0])

    def ride(self, issuer: int, serial: int) -> _Kept | None:
        """The ride on a ticket."""
        row = self._db.execute(
            """
            SELECT issuer, serial, key_id, fare, ride, state, reason FROM rides
            WHERE domain = ? AND issuer = ? AND serial = ?
            """,
            (self._domain, issuer, serial),
        ).fetchone()
        return None if row is None else _Kept(*row)

    def batch(self, batch_id: bytes) -> tuple[bytes, str] | None:
        """A batch's bytes and state."""
        found: tuple[bytes, str] | None = self._db.execute(
            "SELECT bytes, state FROM batches WHERE domain = ? AND batch_id = ?", (self._domain, batch_id)
        ).fetchone()
        return found

    def settled(self) -> Iterator[_Kept]:
        """The rides that it says settled, each with its last batch and its place there."""
        for row in self._db.execute(
            """
            SELECT r.issuer, r.serial, r.key_id, r.fare, r.ride, r.state, r.reason, b.batch_id, br.position
            FROM rides r LEFT JOIN batch_rides br ON br.ride = r.id AND br.batch = (
                SELECT max(batch) FROM batch_rides WHERE ride = r.id
            ) LEFT JOIN batches b ON b.id = br.batch
            WHERE r.domain = ? AND r.state = 'settled' ORDER BY r.id
            """,
            (self._domain,),
        ):
            yield _Kept(*row)


def _of_batch(journal: _Journal, batch: KeptBatch) -> Iterator[Finding]:
    name = f"0x{batch.batch_id.hex()}"
    kept = journal.batch(batch.batch_id)
    if kept is None:
        yield Finding(CHECK, ride_name(name), "this batch in the journal", "none", *_BATCH_LOST, name)
    elif kept[0] != batch.data:
        came = f"bytes with the hash 0x{keccak256(kept[0]).hex()}"
        yield Finding(CHECK, ride_name(name), "the bytes that were signed", came, *_BATCH_CHANGED, name)
    for index, issuer, key_id, settled in Batch.from_bytes(batch.data).iter_rides():
        if index in batch.refused:
            continue
        mine = journal.ride(issuer, settled.serial)
        if mine is None:
            if kept is not None:  # else the batch has a finding already
                expected = f"the ride of serial {settled.serial} of {issuer}, {format_yuan(settled.fare)} yuan"
                yield Finding(CHECK, ride_name(name, index), expected, "none in the journal", *_LOST, name, index)
            continue
        yield from _ride_differs(name, index, settled, key_id, mine)


def _ride_differs(name: str, index: int, settled: Ride, key_id: int, mine: _Kept) -> Iterator[Finding]:
    where = ride_name(name, index)
    chain = {field: getattr(settled, field) for field in _FIELDS} | {"key_id": key_id, "fare column": settled.fare}
    try:
        ride = Ride.from_bytes(mine.ride)
    except MalformedError as error:
        yield Finding(CHECK, where, f"the ride 0x{settled.to_bytes().hex()}", f"{error}", *_CHANGED, name, index)
        return
    own = {field: getattr(ride, field) for field in _FIELDS} | {"key_id": mine.key_id, "fare column": mine.fare}
    differing = [field for field in chain if chain[field] != own[field]]
    if differing:
        texts = (", ".join(f"{field} {_text(field, one[field])}" for field in differing) for one in (chain, own))
        expected, came = texts
        yield Finding(CHECK, where, f"{expected}, as settled", f"{came}, in the journal", *_CHANGED, name, index)
    if mine.state == "rejected":
        reasons = {reason.value: reason.name for reason in RideReason}
        reason = reasons.get(mine.reason or 0, "an unknown reason")
        yield Finding(CHECK, where, "settled, as on chain", f"refused for {reason}", *_REFUSED, name, index)
    elif mine.state != "settled":
        yield Finding(CHECK, where, "settled, as on chain", f"{mine.state}", *_NOT_LEARNT, name, index)


def _not_settled(ride: _Kept) -> Finding:
    name = None if ride.batch is None else f"0x{ride.batch.hex()}"
    where = f"serial {ride.serial} of {ride.issuer}"
    if name is not None:
        where = f"{ride_name(name, ride.position)}, {where}"
    came = f"settled for {format_yuan(ride.fare)} yuan, in the journal"
    return Finding(CHECK, where, "a ride that didn't settle, as on chain", came, *_NOT_SETTLED, name, ride.position)


def _text(field: str, value: Any) -> str:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    return f"{format_yuan(value)} yuan" if field.startswith("fare") else f"{value}"
