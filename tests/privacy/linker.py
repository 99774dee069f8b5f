"""A linker: given two rides as the chain shows them, how likely are they one person's?

It is trained on other riders of the same office and city, of whom it is told who took which ride: more than any
stranger has. Its features are everything that two rides show beside each other: serials (distance, same block
of 256, order against time), last seconds, caps, rider addresses, keys, batches, places in them, times and stations.
The score is a small neural network over them, and a ride's best match is the one with the highest score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.privacy.population import DAY, PublicRide

Matrix = NDArray[np.float64]
BLOCK = 256
HIDDEN = 24
STEPS = 400
PERMUTATIONS = 300
AUC_SIGMAS, TOP1_SIGMAS = 4.0, 5.0
"""How far above chance is no chance any more; few right matches are spread wider than a normal curve says."""


@dataclass(frozen=True, slots=True)
class Score:
    """How well rides of one person are found: `auc` over all pairs of rides (0.5 is chance), and `top1`, how often the
    best match of a ride is of the same rider, against `top1_chance`.

    `auc_low` and `auc_high` hold 95 % of what the same scores give if riders are dealt out to rides at random (so
    does chance look here), `auc_spread` is their standard deviation; `top1_spread` is top1's.
    """

    rides: int
    riders: int
    auc: float
    auc_low: float
    auc_high: float
    auc_spread: float
    top1: float
    top1_chance: float
    top1_spread: float

    @property
    def better_than_chance(self) -> bool:
        """By more than chance alone does once in some ten thousand times, in pairs or in best matches."""
        pairs = self.auc - 0.5 > AUC_SIGMAS * self.auc_spread
        return bool(pairs or self.top1 - self.top1_chance > TOP1_SIGMAS * self.top1_spread)

    def __str__(self) -> str:
        return (
            f"AUC {self.auc:.3f} (chance: {self.auc_low:.3f} to {self.auc_high:.3f}), best match right "
            f"{self.top1:.1%} (chance {self.top1_chance:.1%}), {self.rides} rides of {self.riders} riders"
        )


@dataclass(frozen=True, slots=True)
class Columns:
    """The rides' fields as arrays."""

    serial: Matrix
    not_after: Matrix
    fare_cap: Matrix
    key: Matrix
    rider: NDArray[np.uint8]
    entered: Matrix
    exited: Matrix
    stations: NDArray[np.int64]
    batch: Matrix
    index: Matrix
    block_start: Matrix
    block_end: Matrix
    drift: Matrix
    operator: Matrix

    @classmethod
    def of(cls, rides: Sequence[PublicRide], among: Sequence[PublicRide]) -> Columns:
        """Those of `rides`, with what all rides of the city (`among`) say of their serials."""

        def column(values: Sequence[int]) -> Matrix:
            return np.array(values, dtype=np.float64)

        serial = column([one.ride.serial for one in rides])
        entered = column([one.ride.entered_at for one in rides])
        block_start, block_end, drift = np.zeros(len(rides)), np.zeros(len(rides)), np.zeros(len(rides))
        operator = column([one.operator for one in rides])
        for city in {one.operator for one in rides}:
            here = operator == city
            others = [one.ride for one in among if one.operator == city]
            serials, times = column([one.serial for one in others]), column([one.entered_at for one in others])
            for block in set(serial[here] // BLOCK):
                span = times[serials // BLOCK == block]
                inside = here & (serial // BLOCK == block)
                block_start[inside], block_end[inside] = span.min(), span.max()
            # When a ride with this serial would be, if serials were used in their order.
            rank = np.searchsorted(np.sort(serials), serial[here])
            drift[here] = entered[here] - np.sort(times)[np.minimum(rank, len(times) - 1)]
        return cls(
            serial=serial,
            not_after=column([one.ride.not_after for one in rides]),
            fare_cap=column([one.ride.fare_cap for one in rides]),
            key=column([one.key_id for one in rides]),
            rider=np.array([list(one.ride.rider) for one in rides], dtype=np.uint8),
            entered=entered,
            exited=column([one.ride.exited_at for one in rides]),
            stations=np.array([(one.ride.entry_station, one.ride.exit_station) for one in rides]),
            batch=column([one.batch for one in rides]),
            index=column([one.index for one in rides]),
            block_start=block_start,
            block_end=block_end,
            drift=drift,
            operator=operator,
        )


def features(data: Columns, first: NDArray[np.intp], second: NDArray[np.intp]) -> Matrix:
    """What pairs of rides show, a row for each pair; the same whichever of the two comes first."""

    def gap(values: Matrix) -> Matrix:
        return np.abs(values[first] - values[second])

    def same(values: NDArray[np.generic]) -> Matrix:
        return (values[first] == values[second]).astype(np.float64)  # type: ignore[no-any-return]

    serial, seconds = gap(data.serial), gap(data.entered)
    bits = np.unpackbits(data.rider[first] ^ data.rider[second], axis=1).sum(axis=1).astype(np.float64)
    clock = seconds % DAY
    bought_then = np.maximum(
        *(
            (data.entered[one] >= data.block_start[other]) & (data.entered[one] <= data.block_end[other])
            for one, other in ((first, second), (second, first))
        )
    )
    ahead = [data.entered[one] - data.block_start[other] for one, other in ((first, second), (second, first))]
    entry, exit_ = data.stations[:, 0], data.stations[:, 1]
    same_city = same(data.operator)
    columns = [
        same_city,
        np.log1p(serial),
        (serial == 1).astype(np.float64),
        (serial <= 3).astype(np.float64),
        same(data.serial // BLOCK),
        same(data.serial // BLOCK) * same_city,
        np.log1p(gap(data.serial // BLOCK)),
        np.log1p(gap(data.serial % BLOCK)),
        np.log1p(gap(data.not_after)),
        same(data.not_after),
        same(data.fare_cap),
        np.log1p(gap(data.fare_cap)),
        same(data.key),
        bits / 160,
        (bits == 0).astype(np.float64),
        (data.rider[first, 0] == data.rider[second, 0]).astype(np.float64),
        (data.rider[first, -1] == data.rider[second, -1]).astype(np.float64),
        np.log1p(seconds),
        np.log1p(np.minimum(clock, DAY - clock)),
        np.log1p(np.abs(data.exited[first] - data.entered[second])),
        gap(data.batch) / (1 + gap(data.batch)),
        same(data.batch) * same_city,
        np.log1p(gap(data.index)),
        bought_then.astype(np.float64),
        np.log1p(np.minimum(*map(np.abs, ahead))),
        np.log1p(gap(data.drift)),
        np.log1p(np.minimum(np.abs(data.drift[first]), np.abs(data.drift[second]))),
        same(entry),
        same(exit_),
        ((entry[first] == exit_[second]) & (exit_[first] == entry[second])).astype(np.float64),
        ((entry[first] == entry[second]) & (exit_[first] == exit_[second])).astype(np.float64),
    ]
    return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)


class Linker:
    """A network of one hidden layer, trained with Adam on as many pairs of one rider as of two."""

    def __init__(
        self, known: Sequence[tuple[Sequence[PublicRide], Sequence[int]]], *, seed: int, pairs: int = 24_000
    ) -> None:
        """Learn from populations whose riders are known: their rides, and who took each."""
        self._dice = np.random.default_rng(seed)
        parts = [self._pairs(rides, np.array(riders), pairs // (2 * len(known))) for rides, riders in known]
        given = np.concatenate([part[0] for part in parts])
        alike = np.concatenate([part[1] for part in parts])
        self._mean, self._scale = given.mean(axis=0), given.std(axis=0)
        self._scale[self._scale < 1e-9] = 1e9  # a feature that never differs says nothing
        self._train((given - self._mean) / self._scale, alike)

    def scores(self, rides: Sequence[PublicRide], among: Sequence[PublicRide]) -> Matrix:
        """How likely each two rides are one rider's: a symmetric matrix; -inf for a ride and itself."""
        data = Columns.of(rides, among)
        first, second = np.triu_indices(len(rides), 1)
        scores = np.full((len(rides), len(rides)), -np.inf)
        for start in range(0, len(first), 100_000):
            part = slice(start, start + 100_000)
            given = (features(data, first[part], second[part]) - self._mean) / self._scale
            scores[first[part], second[part]] = scores[second[part], first[part]] = self._forward(given)[1]
        return scores

    def _pairs(self, rides: Sequence[PublicRide], who: NDArray[np.int64], count: int) -> tuple[Matrix, Matrix]:
        """As many pairs of one rider as of two, `count` of each, with repetitions where there are fewer."""
        first, second = np.triu_indices(len(rides), 1)
        alike = who[first] == who[second]
        chosen = np.concatenate([self._dice.choice(np.flatnonzero(kind), count) for kind in (alike, ~alike)])
        data = Columns.of(rides, rides)
        return features(data, first[chosen], second[chosen]), alike[chosen].astype(np.float64)

    def _forward(self, given: Matrix) -> tuple[Matrix, Matrix]:
        hidden = np.tanh(np.clip(given, -6, 6) @ self._w1 + self._b1)
        return hidden, hidden @ self._w2 + self._b2

    def _train(self, given: Matrix, alike: Matrix) -> None:
        width = given.shape[1]
        self._w1 = self._dice.normal(0, 1 / np.sqrt(width), (width, HIDDEN))
        self._b1 = np.zeros(HIDDEN)
        self._w2 = self._dice.normal(0, 1 / np.sqrt(HIDDEN), HIDDEN)
        self._b2 = np.zeros(1)
        moments = [(np.zeros_like(p), np.zeros_like(p)) for p in (self._w1, self._b1, self._w2, self._b2)]
        for step in range(1, STEPS + 1):
            some = self._dice.integers(0, len(given), 2_048)
            x, y = np.clip(given[some], -6, 6), alike[some]
            hidden, scores = self._forward(x)
            wrong = (1 / (1 + np.exp(-np.clip(scores, -30, 30))) - y) / len(some)
            back = np.outer(wrong, self._w2) * (1 - hidden**2)
            slopes = (
                x.T @ back + 1e-4 * self._w1,
                back.sum(axis=0),
                hidden.T @ wrong + 1e-4 * self._w2,
                np.array([wrong.sum()]),
            )
            for parameter, slope, (mean, square) in zip(
                (self._w1, self._b1, self._w2, self._b2), slopes, moments, strict=True
            ):
                mean += 0.1 * (slope - mean)
                square += 0.001 * (slope**2 - square)
                parameter -= 0.01 * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)


def judge(scores: Matrix, riders: Sequence[int], *, seed: int, groups: Sequence[object] | None = None) -> Score:
    """How well scores find rides of one rider; with `groups`, only rides of one group are compared with each other."""
    dice = np.random.default_rng(seed)
    who = np.array(riders)
    group = np.unique([str(one) for one in groups or [0] * len(riders)], return_inverse=True)[1]
    first, second = np.triu_indices(len(who), 1)
    kept = group[first] == group[second]
    first, second = first[kept], second[kept]
    ranks = _ranks(scores[first, second])
    masked = np.where(group[:, None] == group[None, :], scores, -np.inf)
    has_best = np.isfinite(masked.max(axis=1))
    # Among equal scores the best match is any of them: a tiny noise decides.
    best = np.argmax(masked + dice.uniform(0, 1e-9, masked.shape), axis=1)

    def dealt() -> NDArray[np.int64]:
        """Riders dealt out to rides at random, within each group."""
        order = np.lexsort((dice.random(len(who)), group))
        labels = np.empty_like(who)
        labels[np.argsort(group, kind="stable")] = who[order]
        return labels

    def auc(labels: NDArray[np.generic]) -> float:
        alike = labels[first] == labels[second]
        one, other = int(alike.sum()), int((~alike).sum())
        return float((ranks[alike].sum() - one * (one + 1) / 2) / (one * other))

    def top1(labels: NDArray[np.generic]) -> float:
        return float((labels == labels[best])[has_best].mean())

    by_chance = [dealt() for _ in range(PERMUTATIONS)]
    aucs, tops = np.array([auc(labels) for labels in by_chance]), np.array([top1(labels) for labels in by_chance])
    low, high = np.quantile(aucs, [0.025, 0.975])
    return Score(
        rides=len(who),
        riders=len(set(riders)),
        auc=auc(who),
        auc_low=float(low),
        auc_high=float(high),
        auc_spread=float(aucs.std()),
        top1=top1(who),
        top1_chance=float(tops.mean()),
        top1_spread=float(tops.std()),
    )


def _ranks(values: Matrix) -> Matrix:
    """Ranks from 1; equal values share theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    shared: Matrix = (ends - (counts - 1) / 2)[inverse]
    return shared
