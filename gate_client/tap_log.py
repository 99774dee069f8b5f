"""The journal's scans and taps: written by `scan`, read by pairing and `status`."""

from __future__ import annotations

from dataclasses import dataclass

from gate_client.journal import Journal
from gate_client.tap import Direction, Tap, TicketState
from gate_client.verifier import Decision, check_ticket_state
from interline.domain import Domain
from interline.reasons import GateReason

CODE_KEPT = 4_296
"""Bytes kept of a text that was scanned: the most that a QR symbol of alphanumeric mode holds."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Where and when a code was held to the gate, and what was read (None: a picture without a code)."""

    direction: Direction
    station: int
    scanned_at: int
    trust_list_block: int
    text: str | None


def record_attempt(journal: Journal, attempt: Attempt, decision: Decision) -> GateReason:
    """Steps 9 and 10: look up the ticket, decide, and write the scan and, if accepted, its tap.

    All in one transaction that holds the journal's write lock from the look-up on, so that of two gates with
    one ticket only one can accept it. When this returns, everything is on disk.

    Raises:
        JournalError: nothing could be written; then the gate stays shut.
    """
    with journal.transaction():
        reason = decision.reason
        if decision.accepted:
            reason = check_ticket_state(decision, attempt.direction, ticket_state(journal, decision))
        scan = _write_scan(journal, attempt, decision, reason)
        if reason is GateReason.ACCEPTED:
            _write_tap(journal, scan, attempt, decision)
    return reason


def ticket_state(journal: Journal, decision: Decision) -> TicketState | None:
    """What the journal knows of a code's (issuer, serial) in its domain; None where it has never tapped there."""
    assert decision.code is not None
    ticket = decision.code.ticket
    rows = journal.db.execute(
        "SELECT direction, shown_at, ticket_hash FROM taps WHERE domain = ? AND issuer = ? AND serial = ?",
        (_domain_id(journal, decision), ticket.issuer, ticket.serial),
    ).fetchall()
    if not rows:
        return None
    shown = {direction: shown_at for direction, shown_at, _ in rows}
    return TicketState(
        ticket_hash=rows[0][2],
        entered_at=shown.get(Direction.ENTRY.value),
        exited=Direction.EXIT.value in shown,
    )


def waiting_taps(journal: Journal, domain: Domain, *, alone_before: int) -> list[Tap]:
    """The waiting taps of a domain's tickets that have both, and those shown before `alone_before` (Unix seconds).

    Tickets that have a ride already are left out.
    """
    rows = journal.db.execute(
        """
        SELECT id, issuer, serial, direction, station, shown_at, code FROM taps
        WHERE state = 'waiting' AND domain = :domain AND direction IN ('entry', 'exit') AND shown_at < :alone_before
          AND NOT EXISTS (
            SELECT 1 FROM rides
            WHERE rides.domain = taps.domain AND rides.issuer = taps.issuer AND rides.serial = taps.serial)
        UNION
        SELECT tap.id, tap.issuer, tap.serial, tap.direction, tap.station, tap.shown_at, tap.code
        FROM taps AS exit
        JOIN taps AS entry ON entry.domain = exit.domain AND entry.issuer = exit.issuer
                          AND entry.serial = exit.serial AND entry.direction = 'entry' AND entry.state = 'waiting'
        JOIN taps AS tap ON tap.id IN (entry.id, exit.id)
        WHERE exit.direction = 'exit' AND exit.state = 'waiting' AND exit.domain = :domain
        ORDER BY 1
        """,
        {"domain": journal.domain_id(domain), "alone_before": alone_before},
    )
    return [Tap(i, issuer, serial, Direction(way), *rest) for i, issuer, serial, way, *rest in rows]


def count_scans(journal: Journal) -> dict[str, int]:
    """Scans by reason."""
    return dict(journal.db.execute("SELECT reason, count(*) FROM scans GROUP BY reason ORDER BY reason"))


def count_taps(journal: Journal, domain: Domain | None = None) -> dict[str, int]:
    """Taps by state, of one domain or of all."""
    if domain is None:
        return dict(journal.db.execute("SELECT state, count(*) FROM taps GROUP BY state"))
    query = "SELECT state, count(*) FROM taps WHERE domain = ? GROUP BY state"
    return dict(journal.db.execute(query, (journal.domain_id(domain),)))


def _write_scan(journal: Journal, attempt: Attempt, decision: Decision, reason: GateReason) -> int:
    code = decision.code
    text = None if attempt.text is None else attempt.text.encode("utf-8", "surrogateescape")[:CODE_KEPT]
    cursor = journal.db.execute(
        """
        INSERT INTO scans (scanned_at, direction, station, reason, trust_list_block, code,
                           issuer, serial, ticket_hash, shown_at, domain)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            attempt.scanned_at,
            attempt.direction.value,
            attempt.station,
            reason.value,
            attempt.trust_list_block,
            text,
            code.ticket.issuer if code else None,
            code.ticket.serial if code else None,
            decision.ticket_hash,
            code.shown_at if code else None,
            None if decision.domain is None else journal.domain_id(decision.domain),
        ),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _write_tap(journal: Journal, scan: int, attempt: Attempt, decision: Decision) -> None:
    code = decision.code
    assert code is not None
    journal.db.execute(
        """
        INSERT INTO taps (domain, scan, issuer, serial, direction, station, shown_at, ticket_hash, code)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            _domain_id(journal, decision),
            scan,
            code.ticket.issuer,
            code.ticket.serial,
            attempt.direction.value,
            attempt.station,
            code.shown_at,
            decision.ticket_hash,
            code.to_bytes(),
        ),
    )


def _domain_id(journal: Journal, decision: Decision) -> int:
    if decision.domain is None:
        raise ValueError("a code is accepted in a domain")
    return journal.domain_id(decision.domain)
