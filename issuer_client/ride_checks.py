"""What an office holds against each ride that settled on its tickets: the flags of `issuer-client rides`.

The chain has checked the issuer's signature, the cap and the times (protocol section 6). What it can't know is what
the office issued, to whom and when, and what the operator's tariff says.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from interline.errors import TariffError
from interline.ride import UNKNOWN_STATION, Ride
from interline.tariff import Tariff
from interline.ticket import Ticket
from issuer_client.register import IssuedTicket

CLOCKS_APART: Final = 60
"""How far a phone's clock and the office's may be apart, seconds."""


class RideFlag(StrEnum):
    """Why a ride doesn't match what the office issued. Programs may rely on these names."""

    NEVER_ISSUED = "never_issued"
    """No ticket of that serial was issued for that operator: the issuer key signed it somewhere else, or the register
    is an older copy."""
    UNKNOWN_KEY = "unknown_key"
    """The office has never issued under that key id."""
    OPERATOR_DIFFERS = "operator_differs"
    """A ticket of that serial for that rider was issued for another operator."""
    DOMAIN_DIFFERS = "domain_differs"
    """The ticket was issued for another Clearinghouse than the one where the ride settled."""
    KEY_DIFFERS = "key_differs"
    """The ticket was issued under another key id."""
    RIDER_DIFFERS = "rider_differs"
    """The ticket was issued to another rider key."""
    NOT_AFTER_DIFFERS = "not_after_differs"
    """The ticket was issued with another last second."""
    FARE_CAP_DIFFERS = "fare_cap_differs"
    """The ticket was issued with another fare cap."""
    BEFORE_ISSUE = "before_issue"
    """The ride began before the ticket was issued."""
    REVOKED = "revoked"
    """The ride began more than the grace after the ticket was revoked: it can be refunded on proof."""
    REVOKED_WITHIN_GRACE = "revoked_within_grace"
    """The ride began after the ticket was revoked, while a gate's list could still lack that: the issuer's loss."""
    BILLED_TWICE = "billed_twice"
    """Another ride on the same ticket is in the feed."""
    ABOVE_TARIFF = "above_tariff"
    """The fare is above what the operator's tariff, as the office has it, says for these stations."""
    UNKNOWN_STATION = "unknown_station"
    """The operator's tariff, as the office has it, has no such station."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the office knows about a ride beside the ride itself.

    `key_id` and `clearinghouse` (20 bytes) are those of the batch; `issued` is its ticket of that operator
    and serial, if there is one, `namesakes` those of the same serial for other operators; `key_ids` are all that it
    has issued under; `revoked_at` is when it revoked the ticket (Unix seconds; None if it didn't), `grace` seconds.
    """

    key_id: int
    clearinghouse: bytes
    issued: IssuedTicket | None
    namesakes: Sequence[Ticket]
    key_ids: frozenset[int]
    revoked_at: int | None
    grace: int
    billed_before: bool
    tariff: Tariff | None


def check_ride(ride: Ride, known: Circumstances) -> tuple[RideFlag, ...]:
    """What is wrong with a settled ride; empty where it is what the office issued."""
    return (*_by_ticket(ride, known), *_by_time(ride, known), *_by_fare(ride, known))


def _by_ticket(ride: Ride, known: Circumstances) -> Iterator[RideFlag]:
    if known.key_id not in known.key_ids:
        yield RideFlag.UNKNOWN_KEY
    if known.issued is None:
        same_rider = any(ticket.rider == ride.rider for ticket in known.namesakes)
        yield RideFlag.OPERATOR_DIFFERS if same_rider else RideFlag.NEVER_ISSUED
        return
    ticket = known.issued.ticket
    if known.issued.domain.clearinghouse != known.clearinghouse:
        yield RideFlag.DOMAIN_DIFFERS
    if ticket.key_id != known.key_id:
        yield RideFlag.KEY_DIFFERS
    if ticket.rider != ride.rider:
        yield RideFlag.RIDER_DIFFERS
    if ticket.not_after != ride.not_after:
        yield RideFlag.NOT_AFTER_DIFFERS
    if ticket.fare_cap != ride.fare_cap:
        yield RideFlag.FARE_CAP_DIFFERS


def _by_time(ride: Ride, known: Circumstances) -> Iterator[RideFlag]:
    if known.issued is not None and ride.entered_at + CLOCKS_APART < known.issued.issued_at:
        yield RideFlag.BEFORE_ISSUE
    if known.revoked_at is not None and ride.entered_at > known.revoked_at:
        late = ride.entered_at > known.revoked_at + known.grace
        yield RideFlag.REVOKED if late else RideFlag.REVOKED_WITHIN_GRACE
    if known.billed_before:
        yield RideFlag.BILLED_TWICE


def _by_fare(ride: Ride, known: Circumstances) -> Iterator[RideFlag]:
    if known.tariff is None:
        return
    try:
        if ride.fare > _fare(ride, known.tariff):
            yield RideFlag.ABOVE_TARIFF
    except TariffError:
        yield RideFlag.UNKNOWN_STATION


def _fare(ride: Ride, tariff: Tariff) -> int:
    """The tariff's fare, fen; for a ride with one known end, that of a lone ride (protocol section 4)."""
    if ride.exit_station == UNKNOWN_STATION:
        return tariff.lone_entry_fare(ride.entry_station)
    if ride.entry_station == UNKNOWN_STATION:
        return tariff.lone_exit_fare(ride.exit_station)
    return tariff.fare(ride.entry_station, ride.exit_station)
