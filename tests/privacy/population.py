"""A home city's riders in other cities: who rides when, with which of the real office's tickets.

The tickets are issued by the real office, the rides are real bytes in real batches. Only one thing is made up: who
travels when and where. A `Population` says that, and its riders have no habits unless it is told so: each ride
is at a time and between stations that say nothing about its rider. All that is random, the office's shuffle and the
phones' keys too, comes from one seed.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from interline.batch import Batch
from interline.ride import Ride
from interline.rider_keys import RiderPrivateKey
from interline.ticket import Ticket, sign_ticket
from issuer_client.config import IssuerConfig
from issuer_client.office import TicketOffice
from tests.support.offices import ride_on, tariff_of

DAY = 86_400
RIDE_SECONDS = 1_800
BEFORE_RIDE = 240
"""How long before a ride the phone fetches what it lacks, seconds."""
TRIP = 6 * 3_600
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Buying(Enum):
    """How a phone gets its tickets."""

    SINGLY = "one at a time"
    TOGETHER = "two to five at a time"


class Habit(Enum):
    """What a rider's rides have in common beside the rider."""

    NONE = "none"
    TRIPS = "out and back"
    """Rides come in pairs: there, and back between the same stations within some hours."""
    COMMUTE = "same way, same hour"
    """Every ride of a rider is between the same stations, within a quarter of an hour of the same time of day."""


@dataclass(frozen=True, slots=True)
class Travel:
    """One ride that somebody takes: when (Unix seconds), in which city, between which stations."""

    rider: int
    operator: int
    entered_at: int
    stations: tuple[int, int]


REGULAR = 0
"""The rider that a population may have take more rides than others."""


@dataclass(frozen=True, slots=True)
class Population:
    """Riders of one home city: over `days` days from `start` on, as many rides in each operator's city as `rides` says.

    `regular` are those of them that the rider REGULAR takes; who takes each other one is chance.
    """

    riders: int
    rides: Mapping[int, int]
    start: int
    days: int
    habit: Habit = Habit.NONE
    regular: Mapping[int, int] = field(default_factory=dict)

    def travels(self, dice: random.Random) -> list[Travel]:
        """Who rides when and where, ascending by time."""
        hours = {rider: dice.randrange(DAY) for rider in range(self.riders)}
        ways: dict[tuple[int, int], tuple[int, int]] = {}
        travels: list[Travel] = []
        for operator, count in self.rides.items():
            certain = self.regular.get(operator, 0)
            for number in range(count):
                rider = REGULAR if number < certain else dice.randrange(bool(self.regular), self.riders)
                at = self.start + dice.randrange(self.days * DAY)
                stations = stations_of(operator, dice)
                if self.habit is Habit.COMMUTE:
                    stations = ways.setdefault((rider, operator), stations)
                    at = self.start + dice.randrange(self.days) * DAY + hours[rider] + dice.randrange(-900, 900)
                travels.append(Travel(rider, operator, at, stations))
                if self.habit is Habit.TRIPS:
                    back = at + dice.randrange(RIDE_SECONDS, TRIP)
                    travels.append(Travel(rider, operator, back, stations[::-1]))
        return sorted(travels, key=lambda travel: travel.entered_at)


def stations_of(operator: int, dice: random.Random) -> tuple[int, int]:
    """Two stations of a city."""
    numbers = [station.number for station in tariff_of(operator).stations]
    return dice.choice(numbers), dice.choice(numbers)


@dataclass(frozen=True, slots=True)
class Carried:
    """A ride that was taken: by whom (what the chain doesn't say), with which ticket, and as it settles."""

    rider: int
    ticket: Ticket
    ride: Ride


@dataclass
class Leaks:
    """What a bad office does: each field is one way to betray its riders."""

    serials_in_sequence: bool = False
    not_after_to_the_second: bool = False
    one_rider_key: bool = False
    own_fare_caps: bool = False


@dataclass
class Counter:
    """Where phones get their tickets: the real office, or, with leaks, one that signs with the same key."""

    config: IssuerConfig
    private_key: bytes
    dice: random.Random
    """What the office shuffles serials by and phones make keys from: the same seed gives the same rides again."""
    leaks: Leaks | None = None
    _now: int = 0
    _serials: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    _phones: dict[int, RiderPrivateKey] = field(default_factory=dict)
    _office: TicketOffice = field(init=False)

    def __post_init__(self) -> None:
        self._office = TicketOffice(self.config, self.private_key, clock=lambda: self._now, shuffle=self.dice.shuffle)

    def issue(self, rider: int, operator: int, count: int, now: int) -> list[Ticket]:
        """Tickets for one rider's phone, at `now`."""
        self._now = now
        tickets = self._office.issue(operator, [self._new_key().public.data for _ in range(count)])
        return [self._leak(rider, ticket, now) for ticket in tickets] if self.leaks else tickets

    def close(self) -> None:
        self._office.close()

    def _new_key(self) -> RiderPrivateKey:
        return RiderPrivateKey.from_scalar(self.dice.randrange(1, P256_ORDER).to_bytes(32, "big"))

    def _leak(self, rider: int, ticket: Ticket, now: int) -> Ticket:
        assert self.leaks is not None
        key = self._phones.setdefault(rider, self._new_key()) if self.leaks.one_rider_key else None
        serial = self._serials[ticket.operator]
        self._serials[ticket.operator] += 1
        return sign_ticket(
            self.config.domain,
            self.private_key,
            issuer=ticket.issuer,
            key_id=ticket.key_id,
            operator=ticket.operator,
            serial=serial if self.leaks.serials_in_sequence else ticket.serial,
            not_after=now + 60 * DAY if self.leaks.not_after_to_the_second else ticket.not_after,
            fare_cap=ticket.fare_cap + (rider % 97 if self.leaks.own_fare_caps else 0),
            rider_key=key.public.data if key else ticket.rider_key,
        )


def carry(travels: Sequence[Travel], counter: Counter, buying: Buying, dice: random.Random) -> list[Carried]:
    """Every travel, with a ticket that the rider's phone fetched just before it or had left from the last time."""
    pockets: defaultdict[tuple[int, int], list[Ticket]] = defaultdict(list)
    carried = []
    for travel in travels:
        pocket = pockets[travel.rider, travel.operator]
        while pocket and pocket[0].not_after <= travel.entered_at:
            pocket.pop(0)
        if not pocket:
            count = 1 if buying is Buying.SINGLY else dice.randrange(2, 6)
            pocket += counter.issue(travel.rider, travel.operator, count, travel.entered_at - BEFORE_RIDE)
        ticket = pocket.pop(dice.randrange(len(pocket)))
        exited_at = travel.entered_at + dice.randrange(300, RIDE_SECONDS)
        carried.append(
            Carried(
                travel.rider,
                ticket,
                ride_on(ticket, entered_at=travel.entered_at, exited_at=exited_at, stations=travel.stations),
            )
        )
    return carried


def daily_batches(carried: Sequence[Carried], most: int = 256) -> list[tuple[int, list[Carried]]]:
    """What each operator sends at the end of each day, in batches of at most so many rides: (time, rides) ascending."""
    days: defaultdict[tuple[int, int], list[Carried]] = defaultdict(list)
    for one in carried:
        days[one.ride.exited_at // DAY, one.ticket.operator].append(one)
    return [
        ((day + 1) * DAY, rides[start : start + most])
        for (day, _), rides in sorted(days.items(), key=lambda item: item[0])
        for start in range(0, len(rides), most)
    ]


@dataclass(frozen=True, slots=True)
class PublicRide:
    """A ride as anybody reads it from the chain: all its fields, whose ticket, and where it stands."""

    operator: int
    issuer: int
    key_id: int
    ride: Ride
    batch: int
    """Which batch of its operator's, counted from 0."""
    index: int


def public_rides(batches: Sequence[Batch]) -> list[PublicRide]:
    """All rides of batches, in the order in which they settled."""
    counts: defaultdict[int, int] = defaultdict(int)
    rides = []
    for batch in batches:
        number = counts[batch.operator]
        counts[batch.operator] += 1
        rides += [
            PublicRide(batch.operator, issuer, key_id, ride, number, index)
            for index, issuer, key_id, ride in batch.iter_rides()
        ]
    return rides


def built(carried: Sequence[Carried]) -> Batch:
    """The batch of rides, as an operator builds it."""
    return Batch.build(
        carried[0].ticket.operator, [(one.ticket.issuer, one.ticket.key_id, one.ride) for one in carried]
    )


def counter_in(
    folder: Path, config: IssuerConfig, private_key: bytes, dice: random.Random, leaks: Leaks | None = None
) -> Counter:
    """A counter with a register of its own; a seed is drawn from `dice` for what is random in it."""
    folder.mkdir(parents=True, exist_ok=True)
    own = random.Random(dice.randrange(2**64))
    return Counter(replace(config, database=folder / "tickets.db"), private_key, own, leaks)
