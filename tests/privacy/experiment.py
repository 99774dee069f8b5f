"""One measurement: riders of a city, an office, and a linker that learnt from other riders of the same office.

`python -m tests.privacy.experiment` (`make privacy`) prints every score of docs/privacy.md, with a fresh seed each
time; `--seed` gives those of a run again.
"""

from __future__ import annotations

import argparse
import random
import secrets
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from interline.cities import load_cities
from issuer_client.config import IssuerConfig
from issuer_client.office import end_of_period
from network.accounts import Role, city_index, test_private_key
from tests.privacy.linker import BLOCK, Linker, Score, judge
from tests.privacy.population import (
    DAY,
    Buying,
    Counter,
    Habit,
    Leaks,
    Population,
    PublicRide,
    built,
    carry,
    counter_in,
    daily_batches,
    public_rides,
)
from tests.support.offices import CITIES

HANGZHOU, WENZHOU = 3301, 3303
START = end_of_period(1_767_225_600) + 1
"""The beginning of a period, so that what is measured lies within one."""
BUSY = Population(riders=150, rides={HANGZHOU: 1_200}, start=START + DAY, days=20)
"""Sixty rides a day, eight for each rider."""
THIN = Population(riders=40, rides={WENZHOU: 196}, start=START + DAY, days=56)
"""Three or four rides a day, five for each rider."""
LOOKED_AT = 500
"""Of a busy city, so many rides at most are compared with each other."""

LEAKS = {
    "serials in sequence": Leaks(serials_in_sequence=True),
    "last second by the second": Leaks(not_after_to_the_second=True),
    "one key for a rider": Leaks(one_rider_key=True),
    "caps of their own": Leaks(own_fare_caps=True),
}
LEAKY = Leaks(serials_in_sequence=True, not_after_to_the_second=True, one_rider_key=True)
"""An office that does all that must not be done, but for the caps."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured: who rides, how phones buy, and whether the office leaks."""

    population: Population
    buying: Buying
    leaks: Leaks | None = None


def settings(folder: Path) -> tuple[IssuerConfig, bytes]:
    """The settings of Shanghai's office, and its test key."""
    codes = [city.code for city in load_cities(CITIES)]
    config = IssuerConfig(
        city=3100,
        chain_id=1337,
        clearinghouse=bytes(range(1, 21)),
        key_id=1,
        keystore=folder / "issuer-key.json",
        database=folder / "tickets.db",
        cities=CITIES,
    )
    return config, test_private_key(city_index(codes.index(3100), Role.ISSUER_KEY))


def simulated(case: Case, folder: Path, dice: random.Random) -> tuple[list[PublicRide], list[int]]:
    """The rides as the chain would show them, and who took each."""
    counter: Counter = counter_in(folder, *settings(folder), dice, case.leaks)
    try:
        carried = carry(case.population.travels(dice), counter, case.buying, dice)
    finally:
        counter.close()
    rides = public_rides([built(rides) for _, rides in daily_batches(carried)])
    # Known by the issuer alone: the signature names the ticket, whatever the office leaks.
    riders = {one.ride.issuer_signature: one.rider for one in carried}
    return rides, [riders[one.ride.issuer_signature] for one in rides]


def measure(case: Case, folder: Path, dice: random.Random, *, within_block: bool = False) -> Score:
    """Train a linker on some populations of the case, and judge it by another.

    `within_block` compares only rides whose serials are in the same block of 256.
    """
    lessons = 2 if sum(case.population.rides.values()) > LOOKED_AT else 6
    known = [simulated(case, folder / f"lesson-{number}", dice) for number in range(lessons)]
    linker = Linker(known, seed=dice.randrange(2**32))
    rides, riders = simulated(case, folder / "test", dice)
    return judged(linker, rides, riders, dice, within=block_of if within_block else None)


def block_of(ride: PublicRide) -> tuple[int, int]:
    """The block of 256 that a ride's serial is in."""
    return ride.operator, ride.ride.serial // BLOCK


def judged(
    linker: Linker,
    rides: Sequence[PublicRide],
    riders: Sequence[int],
    dice: random.Random,
    *,
    within: Callable[[PublicRide], object] | None = None,
    before: Sequence[int] = (),
) -> Score:
    """Judge a linker by the rides of some riders, those of `before` among them, at most `LOOKED_AT` rides.

    With `within`, only rides for which it gives the same are compared.
    """
    chosen: list[int] = []
    for rider in [*before, *dice.sample(sorted(set(riders) - {*before}), len(set(riders) - {*before}))]:
        own = [place for place, one in enumerate(riders) if one == rider]
        if len(chosen) + len(own) > LOOKED_AT:
            break
        chosen += own
    some, who = [rides[place] for place in chosen], [riders[place] for place in chosen]
    groups = [within(one) for one in some] if within else None
    return judge(linker.scores(some, rides), who, seed=dice.randrange(2**32), groups=groups)


def all_cases() -> dict[str, tuple[Case, bool]]:
    """Every line of docs/privacy.md: its name, the case, and whether pairs within a block alone are compared."""
    cases: dict[str, tuple[Case, bool]] = {}
    for name, population in (("busy", BUSY), ("thin", THIN)):
        cases[f"{name}, tickets {Buying.SINGLY.value}"] = (Case(population, Buying.SINGLY), False)
        cases[f"{name}, tickets {Buying.TOGETHER.value}"] = (Case(population, Buying.TOGETHER), False)
    cases[f"busy, tickets {Buying.TOGETHER.value}, within a block of 256"] = (Case(BUSY, Buying.TOGETHER), True)
    for name, population in (("busy", BUSY), ("thin", THIN)):
        for habit in (Habit.TRIPS, Habit.COMMUTE):
            with_habit = replace(population, habit=habit)
            cases[f"{name}, {habit.value}"] = (Case(with_habit, Buying.SINGLY), False)
    across = replace(THIN, start=END_OF_PERIOD - 28 * DAY)
    cases["thin, tickets two to five at a time, across the end of a period"] = (Case(across, Buying.TOGETHER), False)
    for name, leaks in (LEAKS | {"all three": LEAKY}).items():
        cases[f"leaky office ({name}), thin"] = (Case(THIN, Buying.TOGETHER, leaks), False)
        cases[f"leaky office ({name}), busy"] = (Case(BUSY, Buying.TOGETHER, leaks), False)
    return cases


END_OF_PERIOD = end_of_period(START)


def main() -> None:
    """Print every score."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="of an earlier run [a fresh one]")
    seed = parser.parse_args().seed
    print(f"seed {seed}; the same again with --seed {seed}", flush=True)
    for name, (case, within_block) in all_cases().items():
        with tempfile.TemporaryDirectory() as folder:
            score = measure(case, Path(folder), random.Random(seed), within_block=within_block)
        print(f"{name}: {score}", flush=True)


if __name__ == "__main__":
    main()
