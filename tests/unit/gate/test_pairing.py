"""From taps to journeys (end of protocol section 4): a table of what pairs, what waits, and what stays alone."""

from __future__ import annotations

import pytest

from gate_client.pairing import ALONE_AFTER, LONGEST_RIDE, Journey, pair_taps
from gate_client.tap import Direction, Tap
from tests.unit.gate.conftest import NOW

DAY = 86_400


def entry(shown_at: int, *, issuer: int = 3100, serial: int = 5, station: int = 1) -> Tap:
    return Tap(2 * serial, issuer, serial, Direction.ENTRY, station, shown_at, b"")


def exit_(shown_at: int, *, issuer: int = 3100, serial: int = 5, station: int = 9) -> Tap:
    return Tap(2 * serial + 1, issuer, serial, Direction.EXIT, station, shown_at, b"")


@pytest.mark.parametrize("apart", [1, 600, LONGEST_RIDE - 1, LONGEST_RIDE])
def test_an_entry_and_an_exit_within_24_h_after_it_are_a_journey(apart: int) -> None:
    taps = [entry(NOW), exit_(NOW + apart)]
    assert pair_taps(taps, NOW + apart) == [Journey(*taps)]


def test_which_of_the_two_is_known_first_makes_no_difference() -> None:
    taps = [exit_(NOW + 600), entry(NOW)]
    assert pair_taps(taps, NOW + 600) == [Journey(entry(NOW), exit_(NOW + 600))]


@pytest.mark.parametrize(
    ("taps", "age", "journeys"),
    [
        ([entry(NOW)], ALONE_AFTER, []),
        ([entry(NOW)], ALONE_AFTER + 1, [Journey(entry(NOW), None)]),
        ([exit_(NOW)], ALONE_AFTER, []),
        ([exit_(NOW)], ALONE_AFTER + 1, [Journey(None, exit_(NOW))]),
        ([entry(NOW), exit_(NOW + DAY + 1)], ALONE_AFTER, []),
        ([entry(NOW), exit_(NOW + DAY + 1)], ALONE_AFTER + 1, [Journey(entry(NOW), None)]),
        ([entry(NOW), exit_(NOW)], ALONE_AFTER, []),
        ([entry(NOW), exit_(NOW)], ALONE_AFTER + 1, [Journey(entry(NOW), None)]),
        ([entry(NOW), exit_(NOW - 1)], ALONE_AFTER + 1, [Journey(entry(NOW), None)]),
    ],
    ids=[
        "a lone entry waits for its exit",
        "until 24 h are over",
        "a lone exit waits for its entry",
        "until 24 h are over, too",
        "an exit after more than 24 h doesn't pair",
        "then the entry alone is the journey",
        "an exit at the very second of the entry doesn't pair",
        "and the entry alone is the journey",
        "nor does an exit before its entry",
    ],
)
def test_a_tap_without_its_other_half_waits_and_then_stands_alone(
    taps: list[Tap], age: int, journeys: list[Journey]
) -> None:
    assert pair_taps(taps, NOW + age) == journeys


def test_a_code_shown_in_the_24th_hour_may_still_be_held_to_the_gate() -> None:
    """A code is good for 30 s: only then is it certain that no exit can pair any more."""
    assert ALONE_AFTER == LONGEST_RIDE + 30


def test_taps_of_different_tickets_never_pair() -> None:
    taps = [entry(NOW, serial=5), exit_(NOW + 600, serial=6), exit_(NOW + 600, serial=5, issuer=3203)]
    assert pair_taps(taps, NOW + 600) == []


def test_many_journeys_come_out_of_many_taps() -> None:
    taps = [tap for serial in range(100) for tap in (entry(NOW, serial=serial), exit_(NOW + 60, serial=serial))]
    journeys = pair_taps(reversed(taps), NOW + 60)
    assert sorted(tap.id for journey in journeys for tap in journey.taps) == list(range(200))


def test_a_journey_has_a_tap() -> None:
    with pytest.raises(ValueError, match="at least one tap"):
        Journey(None, None)
