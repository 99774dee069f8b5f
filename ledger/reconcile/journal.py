"""An operator's gate journals held against the chain: every ride that its gates took, and every one that settled.

An operator may have several back offices, each with a journal of its own: what one of them has, the operator has.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
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
from interline.safe_text import moment_text
from ledger.errors import RecordFileError
from ledger.head import Head
from ledger.reconcile import query
from ledger.reconcile.findings import Finding, Findings, Result, ride_name, unread_note
from ledger.reconcile.query import KeptBatch, Parameters, Stop
from ledger.reconcile.sqlite_file import named, opened

CHECK: Final = "journal"
_KIND: Final = "a gate's journal"
_VERSION: Final = 2
_LOT: Final = 10_000  # rides of the journal that are looked for together
_FIELDS: Final = tuple(Ride.__dataclass_fields__)
_SOON: Final = 86_400
"""Seconds before its deadline from which on a ride that wasn't sent is a finding: a back office sends daily."""

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

_REASON: Final = (
    "the journal took the refusal from a chain that was reorganised, or was changed",
    "the chain's reason counts; run gate-client submit and look again",
)
_SOON_LATE: Final = (
    "the back office doesn't send, or its batch has to wait",
    "run gate-client submit now; if the batch waits, gate-client status says what for",
)
_LATE: Final = (
    "the back office didn't send it while there was time, or its batch had to wait too long",
    "the contract takes it no more: the fare is lost; see why gate-client submit wasn't run, and run it each day",
)


def check_journals(
    cursor: DuckDBPyConnection, paths: Iterable[Path], domain: Domain, head: Head, only: int | None = None
) -> list[Result]:
    """Journals' rides and batches in a domain against those that settled up to a block; a result for each operator.

    Args:
        cursor: of the index.
        paths: the journals, SQLite files; they are only read.
        domain: the chain's and Clearinghouse's that the index is of.
        head: the last block that counts; its time says what is late.
        only: the operator that they should be of.

    Raises:
        RecordFileError: one is no such journal, or of another operator or Clearinghouse.
    """
    with ExitStack() as stack:
        journals: defaultdict[int, list[_Journal]] = defaultdict(list)
        for path in dict.fromkeys(path.resolve() for path in paths):
            journal = _Journal(stack.enter_context(opened(path, _KIND)), path, domain, only)
            journals[journal.operator].append(journal)
        return [_Comparison(cursor, operator, of, head).run() for operator, of in sorted(journals.items())]


class _Comparison:
    """Of all journals of one operator with the index, up to a block."""

    def __init__(self, cursor: DuckDBPyConnection, operator: int, journals: Sequence[_Journal], head: Head) -> None:
        self._cursor, self._operator, self._journals, self._head = cursor, operator, journals, head
        self._findings = Findings(CHECK)

    def run(self) -> Result:
        """Compare, both ways round."""
        batches = rides = unsent = 0
        unread: set[bytes] = set()
        for batch in query.batches_by(self._cursor, self._head.number, self._operator):
            data = batch.data or self._kept(batch.batch_id)
            if data is None:
                unread.add(batch.batch_id)
                continue
            batches += 1
            rides += Batch.from_bytes(data).ride_count - len(batch.refused)
            self._findings.add(_of_batch(self._journals, batch, data))
            if batch.data is None:
                unread.add(batch.batch_id)
        for journal in self._journals:
            for one in self._not_on_chain(journal.rides_that("settled")):
                if one.batch not in unread:
                    self._findings.add([_not_settled(journal, one)])
            unsent += self._unsent(journal)
        there = " and ".join(f"{journal.count():,} rides in {journal.path.name}" for journal in self._journals)
        compared = f"{rides:,} rides in {batches:,} batches that {self._operator} settled with {there}"
        if unsent:
            compared += f"; {unsent:,} didn't settle yet"
        self._findings.notes += unread_note(len(unread))
        return self._findings.result(compared)

    def _kept(self, batch_id: bytes) -> bytes | None:
        """A batch whose bytes the index lacks, from a journal, if they are the ones that were signed."""
        found = (journal.batch(batch_id) for journal in self._journals)
        return next((data for data in found if data is not None and keccak256(data) == batch_id), None)

    def _not_on_chain(self, rides: Iterator[_Kept]) -> Iterator[_Kept]:
        while some := list(islice(rides, _LOT)):
            tickets = [(one.issuer, one.serial) for one in some]
            missing = query.unsettled(self._cursor, self._operator, self._head.number, tickets)
            yield from (one for one in some if (one.issuer, one.serial) in missing)

    def _unsent(self, journal: _Journal) -> int:
        """Those that are late, or will be soon, are findings; how many didn't settle yet in all."""
        parameters = query.parameters(self._cursor, self._head.number)
        stop, count = query.last_stop(self._cursor, self._head.number), 0
        for one in self._not_on_chain(journal.rides_that("ready", "batched")):
            count += 1
            if parameters.sets:
                self._findings.add(_late(journal, one, parameters, stop, self._head.time))
        return count


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
        self.path = path
        self._db = db
        with named(path, _KIND):
            self.operator, self._domain = self._bound_to(domain, only)

    def _bound_to(self, domain: Domain, only: int | None) -> tuple[int, int]:
        """Its operator, and its own number of the domain."""
        db, path = self._db, self.path
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version != _VERSION:
            raise RecordFileError(
                f"{path}: expected {_KIND} of version {_VERSION}, came version {version}: run gate-client status with "
                "it once, which brings an older one up to date; or name another file"
            )
        (operator,) = db.execute("SELECT operator FROM binding").fetchone()
        if only is not None and operator != only:
            raise RecordFileError(f"{path}: expected a journal of {only}, came one of {operator}: name its city")
        row = db.execute(
            "SELECT id FROM domains WHERE chain_id = ? AND clearinghouse = ?", (domain.chain_id, domain.clearinghouse)
        ).fetchone()
        if row is None:
            raise RecordFileError(
                f"{path}: expected a journal with rides for Clearinghouse 0x{domain.clearinghouse.hex()} on chain "
                f"{domain.chain_id}, came one for others: name the deployment that it is of"
            )
        return operator, row[0]

    def count(self) -> int:
        """How many rides it has in the domain."""
        [(count,)] = self._rows("SELECT count(*) FROM rides WHERE domain = ?", self._domain)
        return int(count)

    def ride(self, issuer: int, serial: int) -> _Kept | None:
        """The ride on a ticket."""
        rows = self._rows(
            """
            SELECT issuer, serial, key_id, fare, ride, state, reason FROM rides
            WHERE domain = ? AND issuer = ? AND serial = ?
            """,
            self._domain,
            issuer,
            serial,
        )
        return next((_Kept(*row) for row in rows), None)

    def batch(self, batch_id: bytes) -> bytes | None:
        """A batch's bytes."""
        rows = self._rows("SELECT bytes FROM batches WHERE domain = ? AND batch_id = ?", self._domain, batch_id)
        return next((bytes(data) for (data,) in rows), None)

    def last_batch(self, issuer: int, serial: int) -> bytes | None:
        """The id of the batch that a ride was sent in last."""
        rows = self._rows(
            """
            SELECT b.batch_id FROM rides r JOIN batch_rides br ON br.ride = r.id JOIN batches b ON b.id = br.batch
            WHERE r.domain = ? AND r.issuer = ? AND r.serial = ? ORDER BY b.id DESC LIMIT 1
            """,
            self._domain,
            issuer,
            serial,
        )
        return next((bytes(batch_id) for (batch_id,) in rows), None)

    def rides_that(self, *states: str) -> Iterator[_Kept]:
        """The rides of which it says so, each with its last batch and its place there."""
        for row in self._rows(
            f"""
            SELECT r.issuer, r.serial, r.key_id, r.fare, r.ride, r.state, r.reason, b.batch_id, br.position
            FROM rides r LEFT JOIN batch_rides br ON br.ride = r.id AND br.batch = (
                SELECT max(batch) FROM batch_rides WHERE ride = r.id
            ) LEFT JOIN batches b ON b.id = br.batch
            WHERE r.domain = ? AND r.state IN ({", ".join("?" for _ in states)}) ORDER BY r.id
            """,
            self._domain,
            *states,
        ):
            yield _Kept(*row)

    def _rows(self, sql: str, *given: object) -> Iterator[tuple[Any, ...]]:
        with named(self.path, _KIND):
            yield from self._db.execute(sql, given)


def _of_batch(journals: Sequence[_Journal], batch: KeptBatch, settled_data: bytes) -> Iterator[Finding]:
    """A batch that settled, and its bytes: the journal that has it is asked for its rides first, then the others."""
    name = f"0x{batch.batch_id.hex()}"
    kept = {journal: data for journal in journals if (data := journal.batch(batch.batch_id)) is not None}
    asked = sorted(journals, key=lambda journal: journal not in kept)
    if not kept:
        yield Finding(CHECK, ride_name(name), f"this batch in {_called(journals)}", "none", *_BATCH_LOST, name)
    for data in kept.values():
        if data != settled_data:
            came = f"bytes with the hash 0x{keccak256(data).hex()}"
            yield Finding(CHECK, ride_name(name), "the bytes that were signed", came, *_BATCH_CHANGED, name)
    for index, issuer, key_id, settled in Batch.from_bytes(settled_data).iter_rides():
        there = ((journal, mine) for journal in asked if (mine := journal.ride(issuer, settled.serial)) is not None)
        journal, mine = next(there, (None, None))
        if journal is not None and mine is not None:
            if index not in batch.refused:
                yield from _ride_differs(name, index, settled, key_id, mine)
            elif journal.last_batch(issuer, settled.serial) == batch.batch_id:
                yield from _refusal_differs(name, index, batch.refused[index], mine)
        elif kept and index not in batch.refused:  # else the batch has a finding already
            expected = f"the ride of serial {settled.serial} of {issuer}, {format_yuan(settled.fare)} yuan"
            came = f"none in {_called(journals)}"
            yield Finding(CHECK, ride_name(name, index), expected, came, *_LOST, name, index)


def _called(journals: Sequence[_Journal]) -> str:
    return "the journal" if len(journals) == 1 else "any of the journals"


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
        yield Finding(CHECK, where, "settled, as on chain", _refused(mine.reason), *_REFUSED, name, index)
    elif mine.state != "settled":
        yield Finding(CHECK, where, "settled, as on chain", f"{mine.state}", *_NOT_LEARNT, name, index)


def _refusal_differs(name: str, index: int, reason: int, mine: _Kept) -> Iterator[Finding]:
    """A ride that the chain refused, in the batch that the journal sent it in last."""
    where, expected = ride_name(name, index), f"{_refused(reason)}, as on chain"
    if mine.state == "rejected" and mine.reason not in (None, reason):
        yield Finding(CHECK, where, expected, _refused(mine.reason), *_REASON, name, index)
    elif mine.state == "batched":
        yield Finding(CHECK, where, expected, mine.state, *_NOT_LEARNT, name, index)


def _refused(reason: int | None) -> str:
    names = {one.value: one.name for one in RideReason}
    return f"refused for {names.get(reason or 0, 'an unknown reason')}"


def _not_settled(journal: _Journal, ride: _Kept) -> Finding:
    where, name = _place(journal, ride)
    came = f"settled for {format_yuan(ride.fare)} yuan, in the journal"
    return Finding(CHECK, where, "a ride that didn't settle, as on chain", came, *_NOT_SETTLED, name, ride.position)


def _late(journal: _Journal, kept: _Kept, parameters: Parameters, stop: Stop | None, now: int) -> Iterator[Finding]:
    """A ride that waits, and whose deadline is near or over: protocol section 6, TooLate, and what a stop adds."""
    where, name = _place(journal, kept)
    try:
        exited_at = Ride.from_bytes(kept.ride).exited_at
    except MalformedError as error:
        yield Finding(CHECK, where, "a ride", f"{error}", *_CHANGED, name, kept.position)
        return
    deadline = exited_at + parameters.at(exited_at)["submissionWindow"]
    if stop is not None and deadline >= stop.began:
        deadline = max(deadline, stop.until + stop.length)
    if now <= deadline - _SOON:
        return
    expected = f"settled by {moment_text(deadline)}"
    came = f"{kept.state}, {format_yuan(kept.fare)} yuan, at {moment_text(now)}"
    yield Finding(CHECK, where, expected, came, *(_LATE if now > deadline else _SOON_LATE), name, kept.position)


def _place(journal: _Journal, ride: _Kept) -> tuple[str, str | None]:
    """Where a ride of the journal stands, and its last batch's id."""
    name = None if ride.batch is None else f"0x{ride.batch.hex()}"
    where = f"serial {ride.serial} of {ride.issuer} in {journal.path.name}"
    return where if name is None else f"{ride_name(name, ride.position)}, {where}", name


def _text(field: str, value: Any) -> str:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    return f"{format_yuan(value)} yuan" if field.startswith("fare") else f"{value}"
