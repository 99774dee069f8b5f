"""An issuer's register of tickets held against the chain: every ride that settled on its tickets."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from duckdb import DuckDBPyConnection

from interline.batch import Batch
from interline.domain import Domain
from interline.errors import MalformedError
from interline.ride import Ride
from interline.signatures import parse_address
from interline.ticket import Ticket
from issuer_client.register import IssuedTicket
from issuer_client.ride_checks import Circumstances, RideFlag, check_ride
from ledger.errors import RecordFileError
from ledger.head import Head
from ledger.reconcile import query
from ledger.reconcile.feed import feed_of
from ledger.reconcile.findings import Finding, Findings, Result, ride_name, unread_note
from ledger.reconcile.query import KeptBatch
from ledger.reconcile.sqlite_file import opened

CHECK: Final = "issued"
_KIND: Final = "a ticket office's register"
_STOLEN: Final = (
    "the issuer key signed it somewhere else, or the register is an older copy",
    "restore the register's newest copy; if the ticket isn't there either, end the issuer key at once: it is out",
)
_CHANGED: Final = (
    "the office's register was changed, or the issuer key signed another ticket of the same serial somewhere else",
    "compare with the register's backup; if that says the same, end the issuer key at once: it is out",
)
_REVOKED: Final = (
    "the rider went on with a ticket that was revoked, at a gate whose list should have had that",
    "run issuer-client claim: the fare goes back on the proof of the revocation",
)
_WITHIN_GRACE: Final = (
    "the rider went on with a ticket that was revoked, while gates could still lack that",
    "nothing can be claimed: it is the issuer's loss; see why the ticket was given out",
)
_EARLY: Final = (
    "a clock is wrong: the ride began before its ticket was issued; or the operator wrote other times",
    "dispute the ride (issuer-client dispute): the operator shows the rider's codes, which have the times",
)
_WHY: Final = {
    RideFlag.NEVER_ISSUED: ("a ticket of this serial in the register", "none", _STOLEN),
    RideFlag.UNKNOWN_KEY: ("a key that the office issued under", "another key of its city", _STOLEN),
    RideFlag.OPERATOR_DIFFERS: ("a ticket for this operator", "its rider's ticket is for another", _CHANGED),
    RideFlag.DOMAIN_DIFFERS: ("a ticket for this Clearinghouse", "a ticket for another", _CHANGED),
    RideFlag.KEY_DIFFERS: ("the key that the ticket was issued under", "another", _CHANGED),
    RideFlag.RIDER_DIFFERS: ("the rider key that the ticket was issued to", "another", _CHANGED),
    RideFlag.NOT_AFTER_DIFFERS: ("the last second that the ticket was issued with", "another", _CHANGED),
    RideFlag.FARE_CAP_DIFFERS: ("the fare cap that the ticket was issued with", "another", _CHANGED),
    RideFlag.BEFORE_ISSUE: ("a ride that begins after its ticket was issued", "one that began before", _EARLY),
    RideFlag.REVOKED: ("no ride after the ticket was revoked, and the grace over", "one", _REVOKED),
    RideFlag.REVOKED_WITHIN_GRACE: ("no ride after the ticket was revoked", "one, within the grace", _WITHIN_GRACE),
}
_GIVEN_BACK: Final = frozenset({RideFlag.REVOKED, RideFlag.BEFORE_ISSUE})
"""What is settled once the fare went back."""


def check_issued(cursor: DuckDBPyConnection, path: Path, domain: Domain, head: Head, only: int | None = None) -> Result:
    """Every ride that settled on an issuer's tickets up to a block, against its register, and the feed in that.

    What holds is `issuer_client.ride_checks`; fares are `check_tariffs`' business. The arguments are those of
    `check_journals`, but for the register, an SQLite file that is only read.

    Raises:
        RecordFileError: it is no such register, or of another city or chain.
    """
    with opened(path, _KIND) as db:
        register = _Register(db, path, domain, only)
        revoked = query.revocations(cursor, register.city, head.number)
        back = query.given_back(cursor, register.city, head.number)
        parameters = query.parameters(cursor, head.number)
        feed = feed_of(db, domain.clearinghouse, head.number, query.refunds(cursor, register.city, head.number))
        findings, rides, unread = Findings(CHECK), 0, 0
        for batch in query.batches_with(cursor, head.number, register.city):
            unread += batch.data is None
            for index, operator, key_id, ride in _rides(batch, register.city):
                rides += 1
                grace = parameters.at(ride.exited_at).get("grace", 0)
                known = register.about(operator, ride, key_id, revoked.get((operator, ride.serial)), grace)
                name = f"0x{batch.batch_id.hex()}"
                for flag in check_ride(ride, known):
                    if flag in _GIVEN_BACK and (batch.batch_id, index) in back:
                        continue
                    expected, came, why = _WHY[flag]
                    where = f"{ride_name(name, index)}, serial {ride.serial} for {operator} ({flag})"
                    findings.add([Finding(CHECK, where, expected, came, *why, name, index)])
            if feed is not None:
                findings.add(feed.of_batch(batch, register.city))
        compared = f"{rides:,} rides on tickets of {register.city} with {register.count():,} tickets in {path.name}"
        if feed is not None:
            findings.add(feed.rest())
            compared += f"; and {feed.rides:,} of them with its feed, which was read up to block {feed.until}"
    findings.notes += unread_note(unread)
    return findings.result(compared)


def _rides(batch: KeptBatch, issuer: int) -> Iterator[tuple[int, int, int, Ride]]:
    """(index, operator, key id, ride) of each that settled on an issuer's ticket, as far as they were read."""
    if batch.data is None:
        return
    parsed = Batch.from_bytes(batch.data)
    for index, of, key_id, ride in parsed.iter_rides():
        if of == issuer and index not in batch.refused:
            yield index, parsed.operator, key_id, ride


class _Register:
    """What is asked of a register; its tables are in issuer_client/register.py."""

    def __init__(self, db: sqlite3.Connection, path: Path, domain: Domain, only: int | None) -> None:
        self._db, self._path, self._domain = db, path, domain
        meta = dict(db.execute("SELECT name, value FROM meta").fetchall())
        if not str(meta.get("kind", "")).startswith("ticket office"):
            raise RecordFileError(
                f"{path}: expected {_KIND}, came {meta.get('kind', 'something else')}: check the path"
            )
        self.city = int(meta["city"])
        if only is not None and self.city != only:
            raise RecordFileError(f"{path}: expected the register of {only}, came that of {self.city}: name its city")
        if int(meta["chain id"]) != domain.chain_id:
            raise RecordFileError(
                f"{path}: expected a register for chain {domain.chain_id}, came one for {meta['chain id']}: name the "
                "deployment that it is of"
            )
        self._house = parse_address(meta["clearinghouse"])
        self._moved = bool(db.execute("SELECT 1 FROM sqlite_master WHERE name = 'domains'").fetchone())
        self._key_ids = frozenset(key for ((key,),) in db.execute("SELECT DISTINCT substr(ticket, 4, 1) FROM tickets"))

    def count(self) -> int:
        """How many tickets it has."""
        return int(self._db.execute("SELECT count(*) FROM tickets").fetchone()[0])

    def about(self, operator: int, ride: Ride, key_id: int, revoked_at: int | None, grace: int) -> Circumstances:
        """What the office knows of a ride."""
        issued = self._ticket(operator, ride.serial)
        return Circumstances(
            key_id=key_id,
            clearinghouse=self._domain.clearinghouse,
            issued=issued,
            namesakes=() if issued is not None else self._namesakes(ride.serial),
            key_ids=self._key_ids,
            revoked_at=revoked_at,
            grace=grace,
            billed_before=False,  # the contracts settle a serial once
            tariff=None,
        )

    def _ticket(self, operator: int, serial: int) -> IssuedTicket | None:
        row = self._db.execute(
            "SELECT ticket, issued_at, number FROM tickets WHERE operator = ? AND serial = ?", (operator, serial)
        ).fetchone()
        if row is None:
            return None
        return IssuedTicket(self._read(row[0]), row[1], Domain(self._domain.chain_id, self._house_of(row[2])))

    def _namesakes(self, serial: int) -> list[Ticket]:
        return [
            self._read(row[0]) for row in self._db.execute("SELECT ticket FROM tickets WHERE serial = ?", (serial,))
        ]

    def _house_of(self, number: int) -> bytes:
        """The Clearinghouse that a ticket was signed for."""
        row = (
            self._moved
            and self._db.execute(
                "SELECT clearinghouse FROM domains WHERE first_ticket <= ? ORDER BY first_ticket DESC LIMIT 1",
                (number,),
            ).fetchone()
        )
        return bytes(row[0]) if row else self._house

    def _read(self, data: bytes) -> Ticket:
        try:
            return Ticket.from_bytes(data)
        except MalformedError as error:
            raise RecordFileError(f"{self._path}: a ticket in it is damaged: {error}; restore the file") from error
