"""Every ride priced again by the tariff that its operator had published for its time.

Of the tariffs that a city published and that had begun, the one published last holds (protocol, Tariffs). A fare is the
lower of the tariff's and the ticket's cap. A ride that began under one tariff and ended under the next may have the
fare of either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from duckdb import DuckDBPyConnection

from interline.money import format_yuan
from interline.tariff import Tariff, load_tariff, tariff_hash
from ledger.reconcile import query
from ledger.reconcile.findings import MOST, Finding, Findings, Result, ride_name
from ledger.reconcile.query import Published

CHECK: Final = "tariff"
_LOT: Final = 1_000  # batches, of 300 rides at most, that are priced together
_UNPUBLISHED: Final = -1
_NO_FARE: Final = -1
_UNKNOWN: Final = -2  # a price by a tariff that isn't here
_TOO_MUCH: Final = (
    "a gate priced by another tariff than the published one, or added something",
    "the operator refunds what is too much (gate-client refund), and syncs its gates' tariff",
)
_TOO_LITTLE: Final = (
    "a gate priced by another tariff than the published one",
    "nothing is owed: the operator loses it; it syncs its gates' tariff",
)
_NO_STATION: Final = (
    "a gate has a station number that the published tariff lacks",
    "the operator corrects the gate's station, or publishes a tariff with it, and says what the ride costs",
)
_NOT_PUBLISHED: Final = (
    "the operator let riders of others in before it published a tariff",
    "the operator says by which tariff it priced; issuers decide whether they take it",
)
_NOT_GIVEN: Final = (
    "the tariff's files aren't here: the city files have another version of it, or it was replaced",
    "fetch it from the address that the operator published, and name its folder with --tariffs",
)

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class PriceTable:
    """A tariff as an array: fares by entry and exit station, 0 for the end that is missing; -1 where there is none."""

    digest: bytes
    """The hash that a city publishes, 32 bytes."""
    fares: Array

    @classmethod
    def load(cls, folder: Path) -> PriceTable:
        """The tariff in a GTFS folder.

        Raises:
            TariffError: it is none.
        """
        return cls(tariff_hash(folder), _fares(load_tariff(folder)))

    def price(self, entry: Array, exit_: Array) -> Array:
        """The fares of rides; -1 where a station isn't in it."""
        size = len(self.fares)
        known = (entry < size) & (exit_ < size)
        found = np.full(len(entry), _NO_FARE, np.int64)
        found[known] = self.fares[entry[known], exit_[known]]
        return found


def _fares(tariff: Tariff) -> Array:
    numbers = [station.number for station in tariff.stations]
    table = np.full((max(numbers) + 1, max(numbers) + 1), _NO_FARE, np.int64)
    pairs = np.array(list(tariff.fares), np.int64)
    table[pairs[:, 0], pairs[:, 1]] = list(tariff.fares.values())
    for number in numbers:
        table[number, 0], table[0, number] = tariff.lone_entry_fare(number), tariff.lone_exit_fare(number)
    return table


def check_tariffs(
    cursor: DuckDBPyConnection, tables: Iterable[PriceTable], block: int, only: int | None = None
) -> Result:
    """Every ride up to a block, of one operator or all, against the published tariffs, whose files are `tables`."""
    pricing = _Pricing(query.published_tariffs(cursor, block), {table.digest: table for table in tables})
    for first in range(1, query.last_batch(cursor) + 1, _LOT):
        rides = query.fares(cursor, first, first + _LOT - 1, block)
        if only is not None:
            rides = {name: column[rides["operator"] == only] for name, column in rides.items()}
        pricing.take(rides)
    names = query.batch_names(cursor, {one.batch for one in pricing.wrong})
    findings = Findings(CHECK)
    findings.add(pricing.missing())
    findings.add(_wrong_fare(names, one) for one in pricing.wrong)
    findings.count += pricing.more
    compared = f"{pricing.priced:,} of {pricing.rides:,} rides priced by {len(pricing.used)} published tariffs"
    return findings.result(compared)


@dataclass(frozen=True, slots=True)
class _Wrong:
    """A ride with another fare than `price`, the tariff's; `batch` is its batch's number."""

    batch: int
    index: int
    entry: int
    exit: int
    cap: int
    fare: int
    price: int
    digest: bytes


class _Pricing:
    """Prices lots of rides, and keeps those that cost something else."""

    def __init__(self, published: Mapping[int, Sequence[Published]], tables: Mapping[bytes, PriceTable]) -> None:
        self.rides = self.priced = 0
        self.more = 0  # wrong fares beyond those that are kept
        self.used: set[tuple[int, bytes]] = set()
        self.wrong: list[_Wrong] = []
        self._published, self._tables = published, tables
        self._missing: Counter[tuple[int, bytes | None]] = Counter()

    def take(self, rides: Mapping[str, Array]) -> None:
        """Some rides, by their columns."""
        self.rides += len(rides["operator"])
        for operator in np.unique(rides["operator"]).tolist():
            here = rides["operator"] == operator
            self._take(operator, {name: column[here] for name, column in rides.items()})

    def _take(self, operator: int, rides: Mapping[str, Array]) -> None:
        published = self._published.get(operator, ())
        at_exit = _in_force(published, rides["exited_at"])
        at_entry = _in_force(published, rides["entered_at"])
        price = self._prices(operator, published, at_exit, rides, note=True)
        other = self._prices(operator, published, at_entry, rides, note=False)
        fare, cap = rides["fare"], rides["fare_cap"]
        known = price != _UNKNOWN
        self.priced += int(known.sum())
        right = (fare == np.minimum(price, cap)) & (price >= 0)
        right |= (fare == np.minimum(other, cap)) & (other >= 0)
        names = ("batch", "index", "entry_station", "exit_station", "fare_cap", "fare")
        wrong = np.flatnonzero(known & ~right).tolist()
        room = MOST - len(self.wrong)
        self.more += max(len(wrong) - room, 0)
        for at in wrong[:room]:
            batch, index, entry, exit_, limit, came = (int(rides[name][at]) for name in names)
            digest = published[int(at_exit[at])].digest
            self.wrong.append(_Wrong(batch, index, entry, exit_, limit, came, int(price[at]), digest))

    def _prices(
        self, operator: int, published: Sequence[Published], force: Array, rides: Mapping[str, Array], *, note: bool
    ) -> Array:
        prices = np.full(len(force), _UNKNOWN, np.int64)
        for number in np.unique(force).tolist():
            here = np.flatnonzero(force == number)
            digest = None if number == _UNPUBLISHED else published[number].digest
            table = None if digest is None else self._tables.get(digest)
            if table is not None and digest is not None:
                prices[here] = table.price(rides["entry_station"][here], rides["exit_station"][here])
                self.used.add((operator, digest))
            elif note:
                self._missing[operator, digest] += len(here)
        return prices

    def missing(self) -> list[Finding]:
        """Findings for the tariffs that weren't published in time, or aren't here."""
        found = []
        for (operator, digest), count in sorted(self._missing.items(), key=str):
            where, rides = f"operator {operator}", f"{count:,} rides not priced"
            if digest is None:
                texts = "a tariff that was published for the time of its rides", f"none; {rides}"
                found.append(Finding(CHECK, where, *texts, *_NOT_PUBLISHED))
            else:
                uri = next(one.uri for one in self._published[operator] if one.digest == digest)
                texts = f"the tariff with the hash 0x{digest.hex()}, published at {uri}", f"none; {rides}"
                found.append(Finding(CHECK, where, *texts, *_NOT_GIVEN))
        return found


def _in_force(published: Sequence[Published], seconds: Array) -> Array:
    """The number of the tariff that holds at each time; _UNPUBLISHED where there is none."""
    force = np.full(len(seconds), _UNPUBLISHED, np.int64)
    for number, one in enumerate(published):
        force[seconds >= one.valid_from] = number
    return force


def _wrong_fare(names: Mapping[int, str], wrong: _Wrong) -> Finding:
    name, by = names[wrong.batch], f"by the tariff 0x{wrong.digest.hex()}"
    way = f"from station {wrong.entry or 'unknown'} to {wrong.exit or 'unknown'}"
    if wrong.price < 0:
        expected, why = f"stations of the tariff, {way}, {by}", _NO_STATION
    else:
        right = min(wrong.price, wrong.cap)
        capped = f", capped at {format_yuan(wrong.cap)}" if wrong.cap < wrong.price else ""
        expected = f"{format_yuan(right)} yuan {way}{capped}, {by}"
        why = _TOO_MUCH if wrong.fare > right else _TOO_LITTLE
    came = f"{format_yuan(wrong.fare)} yuan"
    return Finding(CHECK, ride_name(name, wrong.index), expected, came, *why, name, wrong.index)
