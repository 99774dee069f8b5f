"""From a journey to the ride that is settled: stations, times and the fare (protocol, sections 4 and 5)."""

from __future__ import annotations

from dataclasses import dataclass

from gate_client.pairing import Journey
from interline.code import Code
from interline.ride import Ride
from interline.tariff import Tariff

UNKNOWN_STATION = 0


@dataclass(frozen=True, slots=True)
class PricedRide:
    """A ride and whose ticket it was: the issuer's code and the key that signed the ticket."""

    issuer: int
    key_id: int
    ride: Ride


def price_journey(journey: Journey, tariff: Tariff) -> PricedRide:
    """The ride of a journey. The fare (fen) is the tariff's or the ticket's cap, whichever is lower.

    A lone tap gives station 0 for the missing end, its own time for both, and the tariff's fare for a lone ride: the
    highest from its station, unless the tariff has a rule of its own.

    Raises:
        TariffError: a station isn't in the tariff.
    """
    known = journey.taps[0]
    code = Code.from_bytes(known.code)
    ticket = code.ticket
    entry, exit_ = journey.entry, journey.exit
    ride = Ride(
        serial=ticket.serial,
        not_after=ticket.not_after,
        fare_cap=ticket.fare_cap,
        rider=code.rider.address,
        entry_station=entry.station if entry else UNKNOWN_STATION,
        exit_station=exit_.station if exit_ else UNKNOWN_STATION,
        entered_at=(entry or known).shown_at,
        exited_at=(exit_ or known).shown_at,
        fare=min(_tariff_fare(journey, tariff), ticket.fare_cap),
        issuer_signature=ticket.signature,
    )
    return PricedRide(ticket.issuer, ticket.key_id, ride)


def _tariff_fare(journey: Journey, tariff: Tariff) -> int:
    if journey.entry and journey.exit:
        return tariff.fare(journey.entry.station, journey.exit.station)
    if journey.entry:
        return tariff.lone_entry_fare(journey.entry.station)
    return tariff.lone_exit_fare(journey.taps[0].station)
