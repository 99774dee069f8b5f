"""Times of things that are done in turns, so that whatever else the machine does befalls all of them alike."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter_ns
from typing import TypeVar

Input = TypeVar("Input")
Times = dict[str, list[float]]


def in_turns(things: Mapping[str, Callable[[Input], object]], inputs: Iterable[Input], rounds: int = 1) -> Times:
    """Do each of `things` with every input, one after the other, every other time in the reverse order.

    Returns the times in microseconds, by thing; the same position is the same input and round.
    """
    forward = list(things.items())
    times: Times = {name: [] for name in things}
    with _undisturbed():
        for turn in range(rounds):
            for position, value in enumerate(inputs):
                order = forward[::-1] if (turn + position) % 2 else forward
                for name, do in order:
                    started = perf_counter_ns()
                    do(value)
                    times[name].append((perf_counter_ns() - started) / 1_000)
    return times


def median(times: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(times)


def percentile(times: Sequence[float], percent: float) -> float:
    """The time that so many percent don't exceed."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def ratios(times: Sequence[float], base: Sequence[float]) -> list[float]:
    """Pair by pair."""
    return [time / other for time, other in zip(times, base, strict=True)]


@contextmanager
def _undisturbed() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
