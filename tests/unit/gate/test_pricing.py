"""From a journey to a ride: stations, times and the fare."""

from __future__ import annotations

import pytest

from gate_client.pairing import Journey
from gate_client.pricing import price_journey
from gate_client.tap import Direction, Tap
from interline.errors import TariffError
from interline.tariff import Tariff
from tests.support.deploy import City
from tests.support.riders import Rider, TicketOffice
from tests.unit.gate.conftest import NOW


def tap(rider: Rider, direction: Direction, station: int, shown_at: int) -> Tap:
    code = rider.shows(shown_at).to_bytes()
    return Tap(1, rider.ticket.issuer, rider.ticket.serial, direction, station, shown_at, code)


@pytest.fixture
def last_station(hangzhou_tariff: Tariff) -> int:
    return hangzhou_tariff.stations[-1].number


def test_a_ride_carries_its_ticket_and_costs_what_the_tariff_says(rider: Rider, hangzhou_tariff: Tariff) -> None:
    journey = Journey(tap(rider, Direction.ENTRY, 3, NOW), tap(rider, Direction.EXIT, 14, NOW + 900))
    priced = price_journey(journey, hangzhou_tariff)
    ride = priced.ride
    assert (priced.issuer, priced.key_id) == (3100, 1)
    assert (ride.entry_station, ride.exit_station, ride.entered_at, ride.exited_at) == (3, 14, NOW, NOW + 900)
    assert ride.fare == hangzhou_tariff.fare(3, 14) < ride.fare_cap
    assert (ride.serial, ride.not_after, ride.fare_cap) == (0, NOW + 3_600, 2_000)
    assert ride.rider == rider.phone.public.address
    assert ride.issuer_signature == rider.ticket.signature


def test_the_way_back_is_priced_as_the_way_back(rider: Rider, hangzhou_tariff: Tariff) -> None:
    journey = Journey(tap(rider, Direction.ENTRY, 14, NOW), tap(rider, Direction.EXIT, 3, NOW + 900))
    assert price_journey(journey, hangzhou_tariff).ride.fare == hangzhou_tariff.fare(14, 3)


@pytest.mark.parametrize("below", [0, 1])
def test_the_fare_never_exceeds_the_tickets_cap(
    office: TicketOffice, hangzhou: City, hangzhou_tariff: Tariff, last_station: int, below: int
) -> None:
    full = hangzhou_tariff.fare(1, last_station)
    rider = office.issue(hangzhou, not_after=NOW + 3_600, fare_cap=full - below)
    journey = Journey(tap(rider, Direction.ENTRY, 1, NOW), tap(rider, Direction.EXIT, last_station, NOW + 900))
    assert price_journey(journey, hangzhou_tariff).ride.fare == full - below


def test_a_lone_entry_has_no_exit_station_and_the_highest_fare_from_there(
    rider: Rider, hangzhou_tariff: Tariff
) -> None:
    ride = price_journey(Journey(tap(rider, Direction.ENTRY, 5, NOW), None), hangzhou_tariff).ride
    assert (ride.entry_station, ride.exit_station) == (5, 0)
    assert ride.entered_at == ride.exited_at == NOW
    assert ride.fare == hangzhou_tariff.highest_from(5)


def test_a_lone_exit_has_no_entry_station(rider: Rider, hangzhou_tariff: Tariff) -> None:
    ride = price_journey(Journey(None, tap(rider, Direction.EXIT, 5, NOW)), hangzhou_tariff).ride
    assert (ride.entry_station, ride.exit_station) == (0, 5)
    assert ride.entered_at == ride.exited_at == NOW
    assert ride.fare == hangzhou_tariff.lone_exit_fare(5)


def test_a_lone_rides_fare_is_capped_too(office: TicketOffice, hangzhou: City, hangzhou_tariff: Tariff) -> None:
    rider = office.issue(hangzhou, not_after=NOW + 3_600, fare_cap=100)
    assert price_journey(Journey(None, tap(rider, Direction.EXIT, 5, NOW)), hangzhou_tariff).ride.fare == 100


@pytest.mark.parametrize("station", [0, 999])
def test_a_station_that_the_tariff_does_not_know_has_no_price(
    rider: Rider, hangzhou_tariff: Tariff, station: int
) -> None:
    journey = Journey(tap(rider, Direction.ENTRY, 1, NOW), tap(rider, Direction.EXIT, station, NOW + 900))
    with pytest.raises(TariffError):
        price_journey(journey, hangzhou_tariff)
