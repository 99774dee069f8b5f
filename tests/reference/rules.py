"""Why a ride doesn't settle: the table of protocol section 6, row by row."""

from collections.abc import Callable
from dataclasses import dataclass

from interline.reasons import RideReason
from interline.ride import Ride
from tests.reference.members import City, IssuerKey

DAY = 24 * 3600
CLOCK_TOLERANCE = 60
STOP_LENGTH = 3 * DAY


@dataclass(frozen=True, slots=True)
class Judgement:
    """A ride, and all that is known when it is judged. Times are Unix seconds, money fen."""

    ride: Ride
    now: int
    signer: bytes | None
    """Who signed the ride's ticket: 20 bytes, or None if nobody could have."""
    key: IssuerKey | None
    issuer: City | None
    operator: City
    spent: bool
    """Whether the ticket's serial was settled before, in this batch or another."""
    max_fare: int
    """The highest fare when the ride ended."""
    submission_window: int
    """How long after its end a ride could be sent, by the parameters in force when it ended."""
    grace_after: Callable[[int], int]
    """How long after a moment gates may not know of what happened then: the shortest grace in force from that moment
    until the ride ended.
    """
    on_time_at: int
    """The time by which the ride must have been sent: now, or when a stop began that has ended a little while ago."""
    closes_at: int | None
    """When the Clearinghouse closes: no issuer key is valid then."""


def _signed_by_the_registered_key(j: Judgement) -> bool:
    return j.key is not None and j.signer == j.key.address


def _begun_in_time(j: Judgement) -> bool:
    lone_exit = j.ride.entered_at == j.ride.exited_at and j.ride.entry_station == 0
    return j.ride.entered_at <= j.ride.not_after + (DAY if lone_exit else 0)


def _fare_within_caps(j: Judgement) -> bool:
    return j.ride.fare <= min(j.ride.fare_cap, j.max_fare)


def _serial_is_fresh(j: Judgement) -> bool:
    return not j.spent


def _times_make_sense(j: Judgement) -> bool:
    entered, exited = j.ride.entered_at, j.ride.exited_at
    if exited > j.now + CLOCK_TOLERANCE:
        return False
    if entered == exited:
        return [j.ride.entry_station, j.ride.exit_station].count(0) == 1
    return 0 < exited - entered <= DAY


def _sent_in_time(j: Judgement) -> bool:
    return j.on_time_at <= j.ride.exited_at + j.submission_window


def _key_was_valid(j: Judgement) -> bool:
    if j.key is None:
        return False
    until = j.key.valid_until if j.closes_at is None else min(j.key.valid_until, j.closes_at)
    return j.key.valid_from <= j.ride.entered_at < until + j.grace_after(until)


def _issuer_stood(j: Judgement) -> bool:
    return j.issuer is not None and j.issuer.stood_at(j.ride.entered_at, j.grace_after)


def _operator_stood(j: Judgement) -> bool:
    return j.operator.stood_at(j.ride.exited_at, j.grace_after)


RULES: tuple[tuple[RideReason, Callable[[Judgement], bool]], ...] = (
    (RideReason.BadIssuerSignature, _signed_by_the_registered_key),
    (RideReason.TicketExpired, _begun_in_time),
    (RideReason.AboveFareCap, _fare_within_caps),
    (RideReason.AlreadySettled, _serial_is_fresh),
    (RideReason.BadTimes, _times_make_sense),
    (RideReason.TooLate, _sent_in_time),
    (RideReason.KeyNotValid, _key_was_valid),
    (RideReason.IssuerSuspended, _issuer_stood),
    (RideReason.OperatorSuspended, _operator_stood),
)
"""Each reason, and what must hold or else it is the reason; in order."""


def reason_for(judgement: Judgement) -> RideReason | None:
    """The lowest reason that applies, or None if the ride settles."""
    return next((reason for reason, holds in RULES if not holds(judgement)), None)
