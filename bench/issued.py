"""Serials as rides bring them: issued by the ticket office, in its order, and only some of them ever used."""

from __future__ import annotations

import random
from dataclasses import dataclass

from bench.settlement import FIRST_SERIAL
from issuer_client.serials import BLOCK, SerialPlace


@dataclass(frozen=True)
class Habit:
    """What riders do with tickets: the share that is used, and after how many later tickets at most."""

    used: float
    delay: int


@dataclass(frozen=True)
class Window:
    """A stretch of rides in the order of riding, and the serials that were ridden before it."""

    before: list[int]
    serials: list[int]


def ridden(habit: Habit, rides: int, *, seed: int = 0) -> Window:
    """So many rides from a moment on at which riding has long been what it stays."""
    dice = random.Random(f"{habit.used} {habit.delay} {seed}")
    start = 2 * max(habit.delay, BLOCK) + dice.random() * BLOCK  # in tickets issued; anywhere in a block
    before: list[int] = []
    after: list[tuple[float, int]] = []
    issued = 0
    while len(after) < rides or sorted(after)[rides - 1][0] >= issued:
        for serial in _issue_block(FIRST_SERIAL // BLOCK + issued // BLOCK, dice):
            if dice.random() < habit.used:
                moment = issued + dice.uniform(0, habit.delay)
                if moment < start:
                    before.append(serial)
                else:
                    after.append((moment, serial))
            issued += 1
    return Window(before, [serial for _, serial in sorted(after)[:rides]])


def one_per_word(serials: list[int]) -> list[int]:
    """One of them for each storage word that they are in."""
    return sorted({serial >> 8: serial for serial in serials}.values())


def _issue_block(block: int, dice: random.Random) -> list[int]:
    """A block of serials as the office hands them out; shuffled by known dice, for figures that stay the same."""
    place = SerialPlace(block=block, shuffled=bytes(dice.sample(range(BLOCK), BLOCK)), used=0)
    return place.take(BLOCK)[0]
