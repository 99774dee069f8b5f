"""Rides of a journal that settled: what disputes are about."""

from __future__ import annotations

from gate_client import ride_log
from gate_client.journal import Journal
from gate_client.tap import Direction
from gate_client.tap_log import Attempt, record_attempt
from gate_client.verifier import Decision
from interline.batch import Batch
from interline.domain import Domain
from interline.reasons import GateReason, RideReason
from interline.tariff import Tariff
from tests.support.riders import Rider

FAR = 10**9
"""Long after any tap of these tests, so that lone ones are closed, too."""


def ride_through(journal: Journal, rider: Rider, entered: int, exited: int | None) -> None:
    """A rider's taps; without `exited`, the entry's alone."""
    for direction, shown_at, station in ((Direction.ENTRY, entered, 1), (Direction.EXIT, exited, 9)):
        if shown_at is not None:
            code = rider.shows(shown_at)
            decision = Decision(GateReason.ACCEPTED, code, rider.ticket.hash(rider.domain), rider.domain)
            attempt = Attempt(direction, station, shown_at, 1_000, code.to_text())
            assert record_attempt(journal, attempt, decision) is GateReason.ACCEPTED


def settle_all(journal: Journal, tariff: Tariff, refused: tuple[int, ...] = ()) -> Batch:
    """Close all rides, put them into a batch, and have it settled; but for those with these indexes."""
    domain: Domain = journal.line.domain
    ride_log.close_rides(journal, domain, tariff, now=2 * FAR)
    ready = ride_log.ready_rides(journal, domain)
    batch = Batch.build(journal.operator, [(one.priced.issuer, one.priced.key_id, one.priced.ride) for one in ready])
    ride_log.record_signed(
        journal, domain, ready, batch, signature=bytes(64), signer=bytes(20), from_block=1, now=2 * FAR
    )
    [stored] = ride_log.open_batches(journal, domain)
    ride_log.record_outcome(journal, stored, [(index, RideReason.TooLate) for index in refused], bytes(32))
    return batch
