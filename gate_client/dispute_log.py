"""The journal's disputes, and the evidence that it has for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gate_client.journal import Journal
from interline.disputes import RideDispute
from interline.domain import Domain


class DisputeState(StrEnum):
    """What the chain said of a dispute when it was looked at last."""

    OPEN = "open"
    UPHELD = "upheld"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class StoredDispute:
    """A dispute of a ride of ours; `amount` and `fee` in fen, `tx` the last transaction that we answered with."""

    batch_id: bytes
    index: int
    issuer: int
    amount: int
    fee: int
    answer_until: int
    state: DisputeState
    tx: bytes | None


def read_up_to(journal: Journal, domain: Domain) -> int | None:
    """The block up to which disputes in a domain were read; None if they never were."""
    query = "SELECT block FROM dispute_reads WHERE domain = ?"
    row = journal.db.execute(query, (journal.domain_id(domain),)).fetchone()
    return int(row[0]) if row else None


def record_disputes(journal: Journal, domain: Domain, disputes: Iterable[RideDispute], block: int) -> None:
    """Write down disputes that were read, and up to which block that was; those that are known change nothing.

    Raises:
        JournalError: nothing could be written.
    """
    domain_id = journal.domain_id(domain)
    with journal.transaction() as db:
        db.executemany(
            """
            INSERT INTO disputes (domain, batch_id, place, issuer, amount, fee, answer_until, state)
            VALUES (?, ?, ?, ?, ?, ?, ?, 'open')
            ON CONFLICT DO UPDATE SET amount = excluded.amount, fee = excluded.fee, answer_until = excluded.answer_until
            """,
            [
                (domain_id, each.batch_id, each.index, each.issuer, each.amount, each.fee, each.answer_until)
                for each in disputes
            ],
        )
        db.execute("INSERT OR REPLACE INTO dispute_reads VALUES (?, ?)", (domain_id, block))


def stored_disputes(journal: Journal, domain: Domain) -> list[StoredDispute]:
    """Every dispute in a domain that was read, the most urgent first."""
    rows = journal.db.execute(
        """
        SELECT batch_id, place, issuer, amount, fee, answer_until, state, tx FROM disputes WHERE domain = ?
        ORDER BY answer_until, batch_id, place
        """,
        (journal.domain_id(domain),),
    )
    return [
        StoredDispute(batch_id, place, issuer, amount, fee, until, DisputeState(state), tx)
        for batch_id, place, issuer, amount, fee, until, state, tx in rows
    ]


def record_state(journal: Journal, domain: Domain, dispute: StoredDispute, state: DisputeState) -> None:
    """Write what the chain says of a dispute."""
    with journal.transaction() as db:
        query = "UPDATE disputes SET state = ? WHERE domain = ? AND batch_id = ? AND place = ?"
        db.execute(query, (state.value, *_key(journal, domain, dispute)))


def record_answer(journal: Journal, domain: Domain, dispute: StoredDispute, tx: bytes) -> None:
    """Write that a dispute is about to be answered with this transaction (32 bytes)."""
    with journal.transaction() as db:
        query = "UPDATE disputes SET tx = ? WHERE domain = ? AND batch_id = ? AND place = ?"
        db.execute(query, (tx, *_key(journal, domain, dispute)))


def forget(journal: Journal, domain: Domain, dispute: StoredDispute) -> None:
    """Forget a dispute that isn't on the chain any more: its block was replaced by another."""
    with journal.transaction() as db:
        query = "DELETE FROM disputes WHERE domain = ? AND batch_id = ? AND place = ?"
        db.execute(query, _key(journal, domain, dispute))


def batch_in(journal: Journal, domain: Domain, batch_id: bytes) -> bytes | None:
    """The bytes that the journal has of a batch; None if it isn't of this journal."""
    query = "SELECT bytes FROM batches WHERE domain = ? AND batch_id = ?"
    row = journal.db.execute(query, (journal.domain_id(domain), batch_id)).fetchone()
    return bytes(row[0]) if row else None


def codes_of(journal: Journal, domain: Domain, batch_id: bytes, index: int) -> list[bytes | None]:
    """The codes (184 bytes) of the taps of a ride in a batch; None for one that was deleted."""
    rows = journal.db.execute(
        """
        SELECT taps.code FROM batches
        JOIN batch_rides ON batch_rides.batch = batches.id AND batch_rides.position = ?
        JOIN taps ON taps.ride = batch_rides.ride
        WHERE batches.domain = ? AND batches.batch_id = ?
        """,
        (index, journal.domain_id(domain), batch_id),
    )
    return [code for (code,) in rows]


def _key(journal: Journal, domain: Domain, dispute: StoredDispute) -> tuple[int, bytes, int]:
    return journal.domain_id(domain), dispute.batch_id, dispute.index
