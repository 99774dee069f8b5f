"""Seats: whose count in votes, from when on, until when; how many there are, and how fast they can be used up."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from tests.contracts.assembly import LONG, NINE, Assembly, assemble
from tests.contracts.node import Contract, reverts
from tests.contracts.story import (
    DAY,
    DEPLOYER_ACCOUNT,
    HANGZHOU,
    LANZHOU,
    NINGBO,
    NOON,
    SHANGHAI,
    XUZHOU,
    City,
    World,
    deploy,
    found_consortium,
)

YEAR = 365 * DAY
A_YEAR, SEATS = 32, 216


@pytest.fixture
def trio(world: World) -> Assembly:
    """Shanghai, Hangzhou and Ningbo."""
    return assemble(world.node, 3)


def newcomer(number: int) -> City:
    """A city of nobody's, with accounts of its own."""
    return City(4100 + number, f"City {number}", 30 + number)


def a_registry(world: World, founders: Sequence[City] = ()) -> Contract:
    """A registry of the deployer's own, who can do by himself what a consortium votes for."""
    return deploy(world.node, "CityRegistry", [(c.code, c.name, c.admin, c.treasury, c.recovery) for c in founders])


def admit(registry: Contract, code: int, *, at: int | None = None) -> None:
    registry.admit(code, f"City {code}", XUZHOU.admin, XUZHOU.treasury, XUZHOU.recovery, sender=DEPLOYER_ACCOUNT, at=at)


# ---------------------------------------------------------------- from when on a seat counts


def test_founders_seats_count_at_once(world: World) -> None:
    consortium, registry = found_consortium(world.node, NINE[:3], at=NOON)
    assert registry.votingSeats() == 0b111
    assert [registry.voterOf(city.code)[2:] for city in NINE[:3]] == [(0, NOON), (1, NOON), (2, NOON)]
    call = registry.call("admit", LANZHOU.code, "Lanzhou", LANZHOU.admin, LANZHOU.treasury, LANZHOU.recovery)
    consortium.propose(SHANGHAI.code, call.contract, call.data, sender=SHANGHAI.admin, at=NOON)


def test_a_newcomers_seat_counts_after_exactly_seven_days_in_the_denominator(trio: Assembly) -> None:
    number = trio.propose(trio.admission(newcomer(1)), by=SHANGHAI, at=NOON)
    counts_from = trio.admit(LANZHOU, at=NOON)
    assert counts_from == NOON + LONG
    trio.node.mine(at=counts_from - 1)
    assert (trio.tally(number), trio.registry.votingSeats()) == ((1, 2), 0b0111)
    trio.node.mine(at=counts_from)
    assert (trio.tally(number), trio.registry.votingSeats()) == ((1, 3), 0b1111)


def test_a_newcomers_seat_counts_after_exactly_seven_days_in_the_numerator(trio: Assembly) -> None:
    number = trio.propose(trio.admission(newcomer(1)), by=SHANGHAI, at=NOON)
    counts_from = trio.admit(LANZHOU, at=NOON)
    error = {"city": LANZHOU.code, "countsFrom": counts_from}
    with reverts(trio.consortium, "NoVote", **error):
        trio.approve(number, LANZHOU, at=counts_from - 1)
    trio.approve(number, LANZHOU, at=counts_from)
    assert trio.tally(number) == (2, 3)


@pytest.mark.parametrize("act", ["propose", "callStop"])
def test_a_newcomer_proposes_and_calls_for_a_stop_after_exactly_seven_days(trio: Assembly, act: str) -> None:
    call = trio.admission(newcomer(1))
    arguments = (call.contract, call.data) if act == "propose" else (trio.registry,)
    counts_from = trio.admit(LANZHOU, at=NOON)
    with reverts(trio.consortium, "NoVote", city=LANZHOU.code, countsFrom=counts_from):
        getattr(trio.consortium, act)(LANZHOU.code, *arguments, sender=LANZHOU.admin, at=counts_from - 1)
    getattr(trio.consortium, act)(LANZHOU.code, *arguments, sender=LANZHOU.admin, at=counts_from)


def test_only_a_newcomers_admin_is_told_when_its_seat_counts(trio: Assembly) -> None:
    trio.admit(LANZHOU, at=NOON)
    with reverts(trio.consortium, "NotCityAdmin", city=LANZHOU.code, caller=LANZHOU.treasury):
        trio.consortium.callStop(LANZHOU.code, trio.registry, sender=LANZHOU.treasury)


def test_puppets_raise_nothing_for_a_week(world: World) -> None:
    """Twelve in a row: a stop of eight takes two calls, of twenty five."""
    eight = assemble(world.node, 8)
    for number in range(12):
        counts_from = eight.admit(newcomer(number))
    first_counts_from = counts_from - 11
    world.node.mine(at=first_counts_from - 1)
    assert eight.consortium.stopCalls(eight.registry)[1] == 2
    world.node.mine(at=counts_from)
    assert eight.consortium.stopCalls(eight.registry)[1] == 5


# ---------------------------------------------------------------- until when


@pytest.mark.parametrize("act", ["leave", "expel"])
def test_a_seat_counts_until_its_city_is_out(trio: Assembly, act: str) -> None:
    number = trio.propose(trio.admission(), by=NINGBO, at=NOON)
    trio.approve(number, SHANGHAI)
    if act == "leave":
        trio.leave(NINGBO, at=NOON + DAY)
    else:
        trio.registry.expel(NINGBO.code, sender=trio.consortium.address, at=NOON + DAY)
    assert trio.registry.votingSeats() == 0b011
    assert trio.tally(number) == (1, 2)


def test_a_suspended_citys_seat_counts_on_both_sides(trio: Assembly) -> None:
    number = trio.propose(trio.admission(), by=NINGBO)
    trio.registry.suspend(NINGBO.code, sender=trio.consortium.address)
    assert trio.registry.votingSeats() == 0b111
    assert trio.tally(number) == (1, 2)


def test_a_newcomer_that_leaves_before_its_week_is_over_never_counts(trio: Assembly) -> None:
    """And those behind it count as they would have."""
    first = trio.admit(LANZHOU, at=NOON)
    second = trio.admit(newcomer(1), at=NOON + DAY)
    trio.leave(LANZHOU, at=NOON + 2 * DAY)
    trio.node.mine(at=first)
    assert trio.registry.votingSeats() == 0b00111
    trio.node.mine(at=second)
    assert trio.registry.votingSeats() == 0b10111


def test_a_member_that_leaves_is_in_none_of_the_rolls_ahead(trio: Assembly) -> None:
    counts_from = trio.admit(LANZHOU, at=NOON)
    trio.leave(HANGZHOU, at=NOON + DAY)
    assert trio.registry.votingSeats() == 0b0101
    trio.node.mine(at=counts_from)
    assert trio.registry.votingSeats() == 0b1101


def test_a_seat_is_used_once(trio: Assembly) -> None:
    """A newcomer gets no seat of a city that left, and none of its votes."""
    trio.leave(NINGBO)
    trio.admit(LANZHOU)
    assert [trio.registry.voterOf(city.code)[2] for city in (*trio.members, LANZHOU)] == [0, 1, 2, 3]


# ---------------------------------------------------------------- the rolls that were


@pytest.mark.parametrize("seed", range(4))
def test_the_rolls_are_those_of_who_was_a_member_when(world: World, seed: int) -> None:
    """A random history of joining and leaving, at times in one second, held against who counted at each moment."""
    rng = random.Random(seed)
    registry = a_registry(world, NINE[:4])
    now = begin = world.node.now
    counted: dict[int, tuple[int, int | None]] = dict.fromkeys(range(4), (begin, None))
    cities = dict(enumerate(NINE[:4]))
    for _ in range(40):
        now += rng.choice([0, 0, 1, 3600, DAY, LONG - 1, LONG, LONG + 1]) if now > begin else 1
        here = [seat for seat, (_, left) in counted.items() if left is None]
        if len(counted) < A_YEAR and rng.random() < 0.6:
            seat = len(counted)
            city = cities[seat] = newcomer(seat)
            people = (city.admin, city.treasury, city.recovery)
            registry.admit(city.code, city.name, *people, sender=DEPLOYER_ACCOUNT, at=now)
            counted[seat] = (now + LONG, None)
        elif here:
            seat = rng.choice(here)
            registry.leaveConsortium(cities[seat].code, sender=cities[seat].admin, at=now)
            counted[seat] = (counted[seat][0], now)
        for since in {now, now - rng.randrange(20 * DAY), begin}:
            since = max(since, begin)
            moments = {since} | {t for times in counted.values() for t in times if t is not None and since < t <= now}
            expected = [_seats_at(counted, moment) for moment in sorted(moments, reverse=True)]
            assert _without_repeats(registry.rollsSince(since)) == _without_repeats(expected)
        assert registry.votingSeats() == _seats_at(counted, now)


def _seats_at(counted: dict[int, tuple[int, int | None]], moment: int) -> int:
    return sum(
        1 << seat for seat, (since, left) in counted.items() if since <= moment and (left is None or moment < left)
    )


def _without_repeats(words: Sequence[int]) -> list[int]:
    return [word for i, word in enumerate(words) if i == 0 or word != words[i - 1]]


# ---------------------------------------------------------------- how many, how fast


def test_32_cities_are_admitted_in_365_days(world: World) -> None:
    """A window that slides: three founders, and 29 more; the next when the founders' year is over."""
    registry = a_registry(world, NINE[:3])
    begin = world.node.now
    for code in range(1, 30):
        admit(registry, code, at=begin + code * DAY)
    with reverts(registry, "TooManyAdmissions", limit=A_YEAR, earliest=begin + YEAR):
        admit(registry, 30, at=begin + YEAR - 1)
    for code in (30, 31, 32):
        admit(registry, code, at=begin + YEAR)
    with reverts(registry, "TooManyAdmissions", limit=A_YEAR, earliest=begin + DAY + YEAR):
        admit(registry, 33)
    admit(registry, 33, at=begin + DAY + YEAR)


def test_cities_that_left_count_among_the_32(world: World) -> None:
    """Or else seats could be used up by cities that come and go."""
    registry = a_registry(world)
    admit(registry, 1, at=NOON)
    for code in range(2, A_YEAR + 1):
        admit(registry, code)
        registry.leaveConsortium(code, sender=XUZHOU.admin)
    with reverts(registry, "TooManyAdmissions", limit=A_YEAR, earliest=NOON + YEAR):
        admit(registry, A_YEAR + 1)


def test_32_founders_are_the_most(world: World) -> None:
    founders = [newcomer(number) for number in range(A_YEAR + 1)]
    a_registry(world, founders[:-1])
    now = world.node.now + 1
    with reverts(world.registry, "TooManyAdmissions", limit=A_YEAR, earliest=now + YEAR):
        a_registry(world, founders)


def test_there_are_216_seats(world: World) -> None:
    registry = a_registry(world)
    for code in range(1, SEATS + 1):
        admit(registry, code, at=NOON + (code - 1) // A_YEAR * YEAR)
    world.node.mine(at=world.node.now + LONG)
    assert registry.votingSeats() == 2**SEATS - 1
    with reverts(registry, "TooManyCities", limit=SEATS):
        admit(registry, SEATS + 1, at=NOON + 20 * YEAR)
