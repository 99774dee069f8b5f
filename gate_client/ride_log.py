"""The journal's rides and batches: each change of state is one durable transaction.

A ride goes `ready` -> `batched` -> `settled` or `rejected`; a rejected one may be made `ready` again.
A batch goes `signed` -> `sent` -> `done`, and back, if no ride of it settled and it is tried again. Its bytes and
signature are on disk before anything is sent, and a ride is `batched` in the same transaction, so that it can't come
into a second batch while the first may still land.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gate_client.errors import SubmissionError
from gate_client.journal import Journal
from gate_client.pairing import ALONE_AFTER, Journey, pair_taps
from gate_client.pricing import PricedRide, price_journey
from gate_client.tap import Tap
from gate_client.tap_log import waiting_taps
from interline.batch import Batch
from interline.domain import Domain
from interline.errors import TariffError
from interline.reasons import RideReason
from interline.ride import Ride
from interline.tariff import Tariff


@dataclass(frozen=True, slots=True)
class StoredRide:
    """A priced ride and its row in the journal."""

    id: int
    priced: PricedRide


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A signed batch that isn't done: `tx` is the last transaction it was sent with, None if it never was.

    `signed_block` is the chain's newest block when it was signed, `from_block` that when it was opened last: what
    came of it stands in a later one. `signer` is the address (20 bytes) whose signature this is.
    """

    id: int
    batch_id: bytes
    data: bytes
    signature: bytes
    signer: bytes
    signed_block: int
    from_block: int
    tx: bytes | None

    @property
    def batch(self) -> Batch:
        """The batch that the bytes are."""
        return Batch.from_bytes(self.data)


@dataclass(frozen=True, slots=True)
class Unpriced:
    """A journey that can't be priced, and why; its taps wait."""

    taps: tuple[Tap, ...]
    problem: str


@dataclass(frozen=True, slots=True)
class RejectedRide:
    """A ride that the chain refused; the reason is None where it can no longer be found out."""

    issuer: int
    serial: int
    reason: RideReason | None


def close_rides(journal: Journal, domain: Domain, tariff: Tariff, now: int) -> tuple[int, list[Unpriced]]:
    """Pair a domain's waiting taps, price the journeys and make them rides; returns how many, and what has no price.

    Raises:
        JournalError: nothing could be written.
    """
    alone_before = now - ALONE_AFTER
    if not waiting_taps(journal, domain, alone_before=alone_before) and not _late_exits(journal, domain):
        return 0, []  # nothing to write, so scanning isn't held up
    unpriced: list[Unpriced] = []
    closed = 0
    with journal.transaction() as db:
        for journey in pair_taps(waiting_taps(journal, domain, alone_before=alone_before), now):
            try:
                _write_ride(journal, domain, journey, price_journey(journey, tariff), now)
            except TariffError as error:
                unpriced.append(Unpriced(journey.taps, str(error)))
                continue
            closed += 1
        db.executemany("UPDATE taps SET state = 'unused' WHERE id = ?", _late_exits(journal, domain))
    return closed, unpriced


def ready_rides(journal: Journal, domain: Domain) -> list[StoredRide]:
    """The rides of a domain that may go into a batch, in the order of issuer, key and serial."""
    rows = journal.db.execute(
        """
        SELECT id, issuer, key_id, ride FROM rides WHERE state = 'ready' AND domain = ?
        ORDER BY issuer, key_id, serial
        """,
        (journal.domain_id(domain),),
    )
    return [StoredRide(i, PricedRide(issuer, key_id, Ride.from_bytes(data))) for i, issuer, key_id, data in rows]


def record_signed(
    journal: Journal,
    domain: Domain,
    rides: Sequence[StoredRide],
    batch: Batch,
    *,
    signature: bytes,
    signer: bytes,
    from_block: int,
    now: int,
) -> None:
    """Write a batch signed for a domain and move its rides from `ready` to `batched`, in one durable step.

    Raises:
        SubmissionError: a ride isn't ready any more, or is another domain's.
        JournalError: nothing could be written.
    """
    with journal.transaction() as db:
        moved = 0
        domain_id = journal.domain_id(domain)
        for ride in rides:
            moved += db.execute(
                "UPDATE rides SET state = 'batched' WHERE id = ? AND state = 'ready' AND domain = ?",
                (ride.id, domain_id),
            ).rowcount
        if moved != len(rides):
            raise SubmissionError(f"expected {len(rides)} rides that are ready, found {moved}; run submit again")
        row = db.execute(
            """
            INSERT INTO batches (domain, batch_id, bytes, signature, signer, state, signed_block, from_block, signed_at)
            VALUES (?, ?, ?, ?, ?, 'signed', ?, ?, ?)
            """,
            (domain_id, batch.id, batch.to_bytes(), signature, signer, from_block, from_block, now),
        ).lastrowid
        places = {(ride.priced.issuer, ride.priced.ride.serial): ride.id for ride in rides}
        db.executemany(
            "INSERT INTO batch_rides (batch, position, ride) VALUES (?, ?, ?)",
            [(row, index, places[issuer, ride.serial]) for index, issuer, _, ride in batch.iter_rides()],
        )


def record_resigned(journal: Journal, stored: StoredBatch, *, signature: bytes, signer: bytes) -> None:
    """Keep the bytes of a waiting batch and change its signature: the submitter's key is another one now."""
    with journal.transaction() as db:
        db.execute("UPDATE batches SET signature = ?, signer = ? WHERE id = ?", (signature, signer, stored.id))


def record_sent(journal: Journal, stored: StoredBatch, tx: bytes) -> None:
    """Write that a batch is about to be sent with this transaction (32 bytes)."""
    with journal.transaction() as db:
        db.execute("UPDATE batches SET state = 'sent', tx = ?, refusal = NULL WHERE id = ?", (tx, stored.id))


def record_refusal(journal: Journal, stored: StoredBatch, refusal: str) -> None:
    """Write what keeps a batch waiting, for `status`."""
    with journal.transaction() as db:
        db.execute("UPDATE batches SET refusal = ? WHERE id = ?", (refusal, stored.id))


def record_outcome(
    journal: Journal, stored: StoredBatch, refused: Iterable[tuple[int, RideReason | None]], tx: bytes | None
) -> list[RejectedRide]:
    """Mark each ride of a batch settled or rejected, and the batch done, in one durable step.

    `refused` are the indexes over the whole batch and their reasons. Returns the rejected rides.

    Raises:
        JournalError: nothing could be written.
    """
    reasons = dict(refused)
    rejected: list[RejectedRide] = []
    with journal.transaction() as db:
        rows = db.execute("SELECT position, ride FROM batch_rides WHERE batch = ?", (stored.id,)).fetchall()
        rides = dict(rows)
        for index, issuer, _, ride in stored.batch.iter_rides():
            state, reason = ("rejected", reasons[index]) if index in reasons else ("settled", None)
            db.execute(
                "UPDATE rides SET state = ?, reason = ? WHERE id = ?",
                (state, None if reason is None else int(reason), rides[index]),
            )
            if state == "rejected":
                rejected.append(RejectedRide(issuer, ride.serial, reason))
        db.execute(
            "UPDATE batches SET state = 'done', refusal = NULL, settled_tx = ?, settled = ? WHERE id = ?",
            (tx, len(rides) - len(rejected), stored.id),
        )
    return rejected


def open_batches(journal: Journal, domain: Domain) -> list[StoredBatch]:
    """The batches of a domain that aren't done, oldest first."""
    rows = journal.db.execute(
        """
        SELECT id, batch_id, bytes, signature, signer, signed_block, from_block, tx FROM batches
        WHERE state <> 'done' AND domain = ? ORDER BY id
        """,
        (journal.domain_id(domain),),
    )
    return [StoredBatch(*row) for row in rows]


def retry_rejected(journal: Journal, domain: Domain, *, from_block: int) -> int:
    """Let every rejected ride of a domain be sent again, but for those whose serial has paid; returns how many.

    A batch of which no ride settled isn't stored on chain and can still land, whoever sends it: it is opened again,
    the same bytes. Rides of a batch that is stored become ready for a new one. `from_block` is the chain's
    newest block.
    """
    domain_id = journal.domain_id(domain)
    with journal.transaction() as db:
        reopened = db.execute(
            """
            UPDATE rides SET state = 'batched', reason = NULL WHERE state = 'rejected' AND domain = ? AND EXISTS (
              SELECT 1 FROM batch_rides JOIN batches ON batches.id = batch_rides.batch
              WHERE batch_rides.ride = rides.id AND batches.state = 'done' AND batches.settled = 0)
            """,
            (domain_id,),
        ).rowcount
        db.execute(
            """UPDATE batches SET state = 'signed', from_block = ?, settled = NULL, settled_tx = NULL
               WHERE state = 'done' AND settled = 0 AND domain = ?""",
            (from_block, domain_id),
        )
        ready = db.execute(
            """UPDATE rides SET state = 'ready', reason = NULL
               WHERE state = 'rejected' AND reason IS NOT ? AND domain = ?""",
            (int(RideReason.AlreadySettled), domain_id),
        ).rowcount
        return int(reopened + ready)


def count_rides(journal: Journal, domain: Domain | None = None) -> dict[str, int]:
    """Rides by state, of one domain or of all."""
    if domain is None:
        return dict(journal.db.execute("SELECT state, count(*) FROM rides GROUP BY state"))
    query = "SELECT state, count(*) FROM rides WHERE domain = ? GROUP BY state"
    return dict(journal.db.execute(query, (journal.domain_id(domain),)))


def count_rejected(journal: Journal) -> dict[str, int]:
    """Rejected rides by the reason's name in section 6."""
    rows = journal.db.execute("SELECT reason, count(*) FROM rides WHERE state = 'rejected' GROUP BY reason")
    return {"Unknown" if reason is None else RideReason(reason).name: count for reason, count in rows}


def settled_fares(journal: Journal) -> int:
    """What all settled rides come to, in fen."""
    return int(journal.db.execute("SELECT coalesce(sum(fare), 0) FROM rides WHERE state = 'settled'").fetchone()[0])


def waiting_batches(journal: Journal) -> list[tuple[bytes, bytes, str, int, str | None]]:
    """For each batch that isn't done: its Clearinghouse, id, state, number of rides and what keeps it waiting."""
    return list(
        journal.db.execute(
            """
            SELECT clearinghouse, batch_id, state, (SELECT count(*) FROM batch_rides WHERE batch = batches.id), refusal
            FROM batches JOIN domains ON domains.id = batches.domain WHERE state <> 'done' ORDER BY batches.id
            """
        )
    )


def _write_ride(journal: Journal, domain: Domain, journey: Journey, priced: PricedRide, now: int) -> None:
    ride = priced.ride
    row = journal.db.execute(
        """
        INSERT INTO rides (domain, issuer, key_id, serial, fare, ride, state, closed_at)
        VALUES (?, ?, ?, ?, ?, ?, 'ready', ?)
        """,
        (journal.domain_id(domain), priced.issuer, priced.key_id, ride.serial, ride.fare, ride.to_bytes(), now),
    ).lastrowid
    journal.db.executemany(
        "UPDATE taps SET state = 'paired', ride = ? WHERE id = ?", [(row, tap.id) for tap in journey.taps]
    )


def _late_exits(journal: Journal, domain: Domain) -> list[tuple[int]]:
    """Waiting exits whose ride was closed without them."""
    return journal.db.execute(
        """
        SELECT id FROM taps WHERE state = 'waiting' AND domain = ? AND direction = 'exit' AND EXISTS (
          SELECT 1 FROM rides
          WHERE rides.domain = taps.domain AND rides.issuer = taps.issuer AND rides.serial = taps.serial)
        """,
        (journal.domain_id(domain),),
    ).fetchall()
