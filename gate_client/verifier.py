"""What a gate checks, in the order of protocol section 4. No clock, no disk, no network in here.

Steps 1 to 8 need the code, the time and the trust list (:class:`Verifier`); step 9 needs what the journal
knows of the ticket (:func:`check_ticket_state`); step 10, the durable tap, is :mod:`gate_client.gate`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

from gate_client.tap import Direction, TicketState
from gate_client.trust_list import CityStatus, TrustedKey, TrustList
from interline.code import Code
from interline.domain import Domain, code_message
from interline.errors import MalformedError, UnsupportedVersionError
from interline.reasons import GateReason
from interline.signatures import recover_address
from interline.ticket import Ticket

CLOCK_TOLERANCE = 60
"""Seconds that the gate's clock may lie behind the trust list's block (step 2)."""

EXIT_GRACE = 86_400
"""Seconds after notAfter in which a rider may still leave (step 6)."""

CODE_MAX_AGE = 30
CODE_MAX_AHEAD = 10
"""Seconds that a code's time may differ from the gate's, either way (step 7)."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate makes of one code: a reason, and as much of the code as could be read.

    `code` and `ticket_hash` (32 bytes) are None for a code that can't be read at all. `domain` is the one that the
    issuer signed the ticket in, and the ticket hash's; None where that wasn't found out, and the hash is the newest's.
    """

    reason: GateReason
    code: Code | None = None
    ticket_hash: bytes | None = None
    domain: Domain | None = None

    @property
    def accepted(self) -> bool:
        """Does the gate open?"""
        return self.reason is GateReason.ACCEPTED


class Verifier:
    """Steps 1 to 8 for one operator's gates, by one trust list.

    A ticket counts in the domain that its issuer signed it in: the newest Clearinghouse's is tried first, then those
    before it (end of section 7). `max_age` is how old the list may be by the gate's settings, in seconds; the chain may
    allow less.
    """

    def __init__(self, trust: TrustList, *, max_age: int) -> None:
        self.trust = trust
        self._limit = trust.limit(max_age)
        self._domain = trust.domain
        self._predecessors = trust.predecessors
        self._operator = trust.operator
        self._highest_fare = trust.tariff.highest_fare
        self._statuses = {city.code: city.status for city in trust.cities}
        self._keys = {(city.code, key.id): key for city in trust.cities for key in city.keys}

    def check_text(self, text: str | None, direction: Direction, now: int) -> Decision:
        """Steps 1 to 8 for the text of a QR symbol; None for a picture that has no code in it.

        `now` is the gate's clock in Unix seconds. ACCEPTED means: accepted so far, step 9 comes next.
        """
        if text is None:
            return Decision(GateReason.MALFORMED)
        try:
            code = Code.from_text(text)  # step 1
        except UnsupportedVersionError:
            return Decision(GateReason.UNSUPPORTED_VERSION)
        except MalformedError:
            return Decision(GateReason.MALFORMED)
        return self._check_code(code, direction, now)

    def check_bytes(self, data: bytes, direction: Direction, now: int) -> Decision:
        """Steps 1 to 8 for the 184 bytes of a code."""
        try:
            code = Code.from_bytes(data)  # step 1
        except UnsupportedVersionError:
            return Decision(GateReason.UNSUPPORTED_VERSION)
        except MalformedError:
            return Decision(GateReason.MALFORMED)
        return self._check_code(code, direction, now)

    def _check_code(self, code: Code, direction: Direction, now: int) -> Decision:
        entry = direction is Direction.ENTRY
        key = self._keys.get((code.ticket.issuer, code.ticket.key_id))
        reason = (
            self._check_clock(now) or self._check_cities(code, entry) or _check_key(code, key, entry, now)
        )  # 2 to 4
        if reason or key is None:
            return Decision(reason or GateReason.UNKNOWN_KEY, code, code.ticket.hash(self._domain))
        signed = self._signed_in(code.ticket, key, entry)
        if signed is None:
            return Decision(GateReason.BAD_ISSUER_SIGNATURE, code, code.ticket.hash(self._domain))
        domain, ticket_hash, closes_at = signed
        reason = (
            _check_closing(code, closes_at, entry, now)
            or self._check_ticket(code, entry, now)
            or _check_freshness(code, now)
            or _check_rider(code, ticket_hash)
            or GateReason.ACCEPTED
        )
        return Decision(reason, code, ticket_hash, domain)

    def _check_clock(self, now: int) -> GateReason | None:
        """Step 2."""
        if now + CLOCK_TOLERANCE < self.trust.block_time:
            return GateReason.CLOCK_UNRELIABLE
        if now - self.trust.block_time >= self._limit:
            return GateReason.TRUST_LIST_EXPIRED
        return None

    def _check_cities(self, code: Code, entry: bool) -> GateReason | None:
        """Step 3."""
        if code.ticket.operator != self._operator:
            return GateReason.WRONG_OPERATOR
        status = self._statuses.get(code.ticket.issuer, CityStatus.NONE)
        if status is CityStatus.NONE or (entry and status is CityStatus.EXITED):
            return GateReason.UNKNOWN_ISSUER
        if entry and status is CityStatus.SUSPENDED:
            return GateReason.ISSUER_SUSPENDED
        return None

    def _signed_in(self, ticket: Ticket, key: TrustedKey, entry: bool) -> tuple[Domain, bytes, int | None] | None:
        """Step 5: the domain that the issuer signed in, the ticket hash there, and when it closes; None if in none.

        A domain that was called off counts at an exit alone: the rider is inside.
        """
        ticket_hash = ticket.hash(self._domain)
        if recover_address(ticket_hash, ticket.signature) == key.address:
            return self._domain, ticket_hash, self.trust.ends
        for before in self._predecessors:
            ticket_hash = ticket.hash(before.domain)
            if recover_address(ticket_hash, ticket.signature) == key.address:
                return before.domain, ticket_hash, before.closes_at
        for domain in () if entry else self.trust.called_off:
            ticket_hash = ticket.hash(domain)
            if recover_address(ticket_hash, ticket.signature) == key.address:
                return domain, ticket_hash, None
        return None

    def _check_ticket(self, code: Code, entry: bool, now: int) -> GateReason | None:
        """Step 6."""
        ticket = code.ticket
        if not entry:
            last = ticket.not_after + EXIT_GRACE
            return GateReason.TICKET_EXPIRED if now > last or code.shown_at > last else None
        if (ticket.issuer, ticket.serial) in self.trust.revoked:
            return GateReason.REVOKED
        if now > ticket.not_after or code.shown_at > ticket.not_after:
            return GateReason.TICKET_EXPIRED
        if ticket.fare_cap < self._highest_fare:
            return GateReason.FARE_CAP_TOO_LOW
        return None


def check_ticket_state(decision: Decision, direction: Direction, state: TicketState | None) -> GateReason:
    """Step 9, for a code that passed steps 1 to 8: may this ticket, as the journal knows it, tap now?

    `state` is what the journal knows of the code's (issuer, serial); None for a serial never seen.
    """
    if decision.code is None or decision.ticket_hash is None:
        raise ValueError("step 9 is for a code that could be read")
    if state is None:
        return GateReason.ACCEPTED
    if state.ticket_hash != decision.ticket_hash:
        return GateReason.SERIAL_CONFLICT
    if state.exited:
        return GateReason.ALREADY_USED
    if state.entered_at is None:
        return GateReason.ACCEPTED
    if direction is Direction.ENTRY:
        return GateReason.ALREADY_ENTERED
    return GateReason.ACCEPTED if decision.code.shown_at > state.entered_at else GateReason.CODE_EXPIRED


def _check_key(code: Code, key: TrustedKey | None, entry: bool, now: int) -> GateReason | None:
    """Step 4."""
    if key is None:
        return GateReason.UNKNOWN_KEY
    if entry and not (key.valid_from <= code.shown_at < key.valid_until and now < key.valid_until):
        return GateReason.KEY_NOT_VALID
    return None


def _check_closing(code: Code, closes_at: int | None, entry: bool, now: int) -> GateReason | None:
    """Step 4 for a ticket of a domain that closes: there, every key ends when it does."""
    if entry and closes_at is not None and not (code.shown_at < closes_at and now < closes_at):
        return GateReason.KEY_NOT_VALID
    return None


def _check_freshness(code: Code, now: int) -> GateReason | None:
    """Step 7."""
    if code.shown_at < now - CODE_MAX_AGE:
        return GateReason.CODE_EXPIRED
    if code.shown_at > now + CODE_MAX_AHEAD:
        return GateReason.CODE_IN_FUTURE
    return None


def _check_rider(code: Code, ticket_hash: bytes) -> GateReason | None:
    """Step 8."""
    if not code.rider.verify(code_message(ticket_hash, code.shown_at), code.rider_signature):
        return GateReason.BAD_RIDER_SIGNATURE
    return None
