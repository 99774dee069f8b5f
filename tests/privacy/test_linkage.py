"""What the chain alone tells of who rode: nothing, where phones fetch tickets as they need them.

The linker and the riders are described in `linker.py` and `population.py`; docs/privacy.md tells what the scores mean.
Run with `-s` to see them. All randomness comes from SEED, the office's too, so a test passes always or never; other
seeds are what `make privacy` is for, and there a score beyond the bound now and then is chance.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.privacy.experiment import BUSY, LEAKS, LEAKY, THIN, WENZHOU, Case, measure, simulated
from tests.privacy.linker import Score
from tests.privacy.population import Buying, Habit, Leaks, Population

SEED = 20191201
pytestmark = pytest.mark.timeout(900)  # minutes on a machine that has other work

Measure = Callable[..., Score]
PAIRS = pytest.mark.parametrize("population", [BUSY, THIN], ids=["busy", "thin"])


@pytest.fixture
def measured(tmp_path: Path, request: pytest.FixtureRequest) -> Measure:
    """Measures a case and prints its score."""

    def run(case: Case, *, within_block: bool = False) -> Score:
        score = measure(case, tmp_path, random.Random(SEED), within_block=within_block)
        print(f"\n{request.node.name} (seed {SEED}): {score}")
        return score

    return run


@pytest.mark.parametrize("leaks", [None, LEAKY], ids=["the real office", "a leaky one"])
def test_one_seed_gives_the_same_rides_again_to_the_byte(tmp_path: Path, leaks: Leaks | None) -> None:
    """Tickets, keys, signatures and batches: nothing comes from the system's randomness, or scores would differ."""
    case = Case(replace(THIN, riders=5, rides={WENZHOU: 300}), Buying.TOGETHER, leaks)
    first, again = (simulated(case, tmp_path / name, random.Random(SEED)) for name in ("first", "again"))
    assert first == again
    assert simulated(case, tmp_path / "other", random.Random(SEED + 1)) != first


@PAIRS
def test_rides_with_tickets_fetched_one_at_a_time_are_linked_no_better_than_by_chance(
    measured: Measure, population: Population
) -> None:
    assert not measured(Case(population, Buying.SINGLY)).better_than_chance


def test_on_a_thin_pair_tickets_fetched_together_are_linked_no_better_than_by_chance(measured: Measure) -> None:
    """A block of 256 lasts for months."""
    assert not measured(Case(THIN, Buying.TOGETHER)).better_than_chance


def test_on_a_busy_pair_tickets_fetched_together_share_their_block_and_no_more(measured: Measure) -> None:
    assert not measured(Case(BUSY, Buying.TOGETHER), within_block=True).better_than_chance


@pytest.mark.parametrize("leak", LEAKS)
def test_the_linker_finds_every_single_leak(measured: Measure, leak: str) -> None:
    score = measured(Case(THIN, Buying.TOGETHER, LEAKS[leak]))
    assert score.better_than_chance
    assert score.auc > 0.6
    assert score.top1 > 5 * score.top1_chance


@PAIRS
def test_an_office_that_does_it_all_wrong_betrays_everybody(measured: Measure, population: Population) -> None:
    """Serials in sequence, last seconds by the second, one key for each rider.

    All pairs are found; a best match isn't right for who rode once: one to five of the 196 rides of a thin pair.
    """
    score = measured(Case(population, Buying.SINGLY, LEAKY))
    assert (score.auc > 0.98, score.top1 > 0.95) == (True, True)


@PAIRS
@pytest.mark.parametrize("habit", [Habit.TRIPS, Habit.COMMUTE], ids=lambda habit: habit.name)
def test_habits_link_rides_whatever_the_tickets_say(measured: Measure, population: Population, habit: Habit) -> None:
    """The limit of the claim: times and stations are public. This fails the day they aren't."""
    score = measured(Case(replace(population, habit=habit), Buying.SINGLY))
    assert score.better_than_chance
    assert score.top1 > 0.5
