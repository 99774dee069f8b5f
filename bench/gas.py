"""The gas benchmark: what `settle` costs, by batch, by issuer, by serials, and where each 100 gas of it goes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench import evm
from bench.bound import ONE_SIGNATURE, ONE_TICKET_HASH, batch_bound, batch_memory, issuer_bound
from bench.compiler import REPOSITORY
from bench.issued import Habit, one_per_word, ridden
from bench.naive import NaiveSettlement
from bench.settlement import FIRST_SERIAL, Consortium, Settled, consortium
from bench.trace import BATCH, batch_counters, by_purpose, loop_purposes, read_steps
from interline.batch import Batch
from tests.support.deploy import City, compiled

TARGET: Final = 5_800
"""Gas per ride, 256 rides of one issuer in a batch, all checks on."""
TEN: Final = 10
TARGET_OF_TEN: Final = 6_500
"""Gas per ride, 10 issuers with 26 rides each in a batch, once their storage words are in use."""
WHOLE: Final = 256
HALF: Final = 128
SIZES: Final = (1, 4, 16, 64, HALF, WHOLE, 1_000)
QUICK_SIZES: Final = (1, 16, HALF, WHOLE)
RIDES_PER_ISSUER: Final = 26
HABITS: Final = (Habit(used=1.0, delay=0), Habit(used=0.3, delay=0), Habit(used=0.3, delay=2_200))
CALLDATA: Final = "calldata"
TRANSACTION: Final = "the transaction itself"


@dataclass(frozen=True)
class _Traced:
    """A settled batch with its gas by purpose: the parts add up to the receipt's gas."""

    settled: Settled
    purposes: Counter[str]


def measure(*, quick: bool = False) -> dict[str, Any]:
    """All figures, as a document for JSON. `quick` leaves out the large and the many."""
    with consortium() as city_network:
        creations = city_network.creations()
        bench = _GasBench(city_network)
        document = {
            "made_with": _made_with(city_network),
            "founders": len(city_network.deployment.cities),
            "target": TARGET,
            "target_of_ten": TARGET_OF_TEN,
            "batches": bench.batches(QUICK_SIZES if quick else SIZES),
            "one_more_ride": bench.one_more_ride(),
            "whole_batch": bench.whole_batch(),
            "issuers": bench.issuers((1, 2, 3) if quick else range(1, TEN + 1)),
            "as_issued": bench.as_issued(batches=2 if quick else 12),
            "contracts": _contracts(city_network, creations),
        }
        document["naive"] = _naive(city_network, QUICK_SIZES if quick else SIZES[:-1])
    return document


def of_ten(document: dict[str, Any]) -> float | None:
    """Gas per ride of the batch of ten issuers with their words in use; None where it wasn't measured."""
    last = document["issuers"]["in_use"][-1]
    return last["gas"] / last["rides"] if last["issuers"] == TEN else None


def target_met(document: dict[str, Any]) -> bool:
    """Is a ride within the target, in the batch of 256 and in the one of ten issuers?"""
    whole, ten = document["whole_batch"], of_ten(document)
    ten_met = ten is None or ten <= document["target_of_ten"]
    return bool(whole["gas"] / whole["rides"] <= document["target"] and ten_met)


class _GasBench:
    def __init__(self, network: Consortium) -> None:
        self._network = network
        self._issuer = network.issuers[0]

    def batches(self, sizes: Sequence[int]) -> list[dict[str, Any]]:
        """Batches of one issuer, serials dense from the first of a fresh storage word on."""
        found = []
        for size in sizes:
            batch = self._dense(size)
            settled = self._settle(batch)
            bound = batch_bound(settled.calldata, len(batch.to_bytes()), size)
            found.append(
                {
                    "rides": size,
                    "gas": settled.gas,
                    "per_ride": settled.gas / size,
                    "calldata_bytes": len(settled.calldata),
                    "bound": sum(bound.values()),
                    "bound_parts": bound,
                    "calldata_floor": evm.floor_gas(settled.calldata),
                }
            )
        return found

    def one_more_ride(self) -> dict[str, Any]:
        """The mean of the 129th to the 256th ride of a batch, by purpose."""
        half, whole = self._trace(HALF), self._trace(WHOLE)
        more = WHOLE - HALF
        difference = Counter(whole.purposes)
        difference.subtract(half.purposes)
        # What isn't the loop's grows with the batch alone: memory behind it, the offsets in calldata.
        loop = set(self._counters().values())
        purposes: Counter[str] = Counter()
        for purpose, gas in difference.items():
            purposes[purpose if purpose in loop | {CALLDATA} else BATCH] += gas
        gas = whole.settled.gas - half.settled.gas
        _require_sum(purposes, gas)
        bytes_of_batch = [len(self._dense(size).to_bytes()) for size in (HALF, WHOLE)]
        bound = {
            "ecrecover": ONE_SIGNATURE,
            "calldata": purposes[CALLDATA] / more,
            "hashing the ticket": ONE_TICKET_HASH,
            "copying and hashing the batch": (batch_memory(bytes_of_batch[1]) - batch_memory(bytes_of_batch[0])) / more,
        }
        return {
            "gas": gas / more,
            "purposes": {purpose: gas / more for purpose, gas in purposes.most_common() if gas},
            "bound": sum(bound.values()),
            "bound_parts": bound,
        }

    def whole_batch(self) -> dict[str, Any]:
        """The batch of 256, by purpose."""
        traced = self._trace(WHOLE)
        return {"rides": WHOLE, "gas": traced.settled.gas, "purposes": dict(traced.purposes.most_common())}

    def issuers(self, counts: Sequence[int]) -> dict[str, Any]:
        """Batches of one to ten issuers: what each one adds, with its serials in fresh words and in words in use."""
        return {
            "rides_each": RIDES_PER_ISSUER,
            "fresh": self._by_issuers(counts, fresh=True),
            "in_use": self._by_issuers(counts, fresh=False),
            "bound_fresh": issuer_bound(fresh=True),
            "bound_in_use": issuer_bound(fresh=False),
        }

    def as_issued(self, *, batches: int) -> list[dict[str, Any]]:
        """Serials as the ticket office hands them out, of one issuer, then of ten; mean of batches in a row."""
        one, ten = [self._issuer], self._network.issuers
        cases = [(habit, one, WHOLE) for habit in HABITS] + [(HABITS[-1], ten, RIDES_PER_ISSUER)]
        return [self._in_a_row(*case, batches) for case in cases]

    def _dense(self, size: int) -> Batch:
        return self._network.batch([(self._issuer, range(FIRST_SERIAL, FIRST_SERIAL + size))])

    def _settle(self, batch: Batch) -> Settled:
        with self._network.undone():
            return self._network.settle(batch)

    def _counters(self) -> dict[int, str]:
        """Purposes by program counter, from a batch small enough to look at its stacks."""
        batch = self._dense(4)
        with self._network.undone():
            steps = read_steps(self._network.trace(self._network.settle(batch).transaction, stacks=True))
        return loop_purposes(steps) | batch_counters(steps, len(batch.to_bytes()))

    def _trace(self, size: int) -> _Traced:
        counters = self._counters()
        with self._network.undone():
            settled = self._network.settle(self._dense(size))
            purposes = by_purpose(read_steps(self._network.trace(settled.transaction)), counters)
        purposes[TRANSACTION] = evm.TRANSACTION
        purposes[CALLDATA] = evm.calldata_gas(settled.calldata)
        _require_sum(purposes, settled.gas)
        return _Traced(settled, purposes)

    def _by_issuers(self, counts: Sequence[int], *, fresh: bool) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        with self._network.undone():
            if not fresh:
                used = [(issuer, [FIRST_SERIAL + 200]) for issuer in self._network.issuers]
                self._network.settle(self._network.batch(used))
            for count in counts:
                serials = range(FIRST_SERIAL, FIRST_SERIAL + RIDES_PER_ISSUER)
                batch = self._network.batch([(issuer, serials) for issuer in self._network.issuers[:count]])
                with self._network.undone():
                    gas = self._network.settle(batch).gas
                adds = gas - found[-1]["gas"] if found else None
                found.append({"issuers": count, "rides": batch.ride_count, "gas": gas, "adds": adds})
        return found

    def _in_a_row(self, habit: Habit, issuers: Sequence[City], rides_each: int, batches: int) -> dict[str, Any]:
        windows = [ridden(habit, batches * rides_each, seed=seed) for seed in range(len(issuers))]
        gas = words = fresh = 0
        with self._network.undone():
            known = [one_per_word(window.before) for window in windows]
            self._network.settle(self._network.batch(zip(issuers, known, strict=True)))
            seen = {(issuer.code, serial >> 8) for issuer, some in zip(issuers, known, strict=True) for serial in some}
            for start in range(0, batches * rides_each, rides_each):
                some = [sorted(window.serials[start : start + rides_each]) for window in windows]
                gas += self._network.settle(self._network.batch(zip(issuers, some, strict=True))).gas
                touched = {
                    (issuer.code, serial >> 8) for issuer, few in zip(issuers, some, strict=True) for serial in few
                }
                words += len(touched)
                fresh += len(touched - seen)
                seen |= touched
        rides = rides_each * len(issuers)
        return {
            "issuers": len(issuers),
            "rides": rides,
            "used": habit.used,
            "delay": habit.delay,
            "batches": batches,
            "words_per_batch": words / batches,
            "fresh_words_per_batch": fresh / batches,
            "per_ride": gas / batches / rides,
        }


def _naive(network: Consortium, sizes: Sequence[int]) -> dict[str, Any]:
    naive = NaiveSettlement(network)
    found = {}
    for size in sizes:
        with network.undone():
            found[size] = naive.gas(network.issuers[0], range(FIRST_SERIAL, FIRST_SERIAL + size))
    return {
        "batches": [{"rides": size, "gas": gas, "per_ride": gas / size} for size, gas in found.items()],
        "one_more_ride": (found[WHOLE] - found[HALF]) / (WHOLE - HALF),
    }


def _made_with(network: Consortium) -> str:
    node = network.web3.client_version.partition("/")[2].partition("+")[0]
    solc = json.loads((REPOSITORY / "node_modules" / "solc" / "package.json").read_text())["version"]
    return f"anvil {node} (Prague), solc {solc} (via IR, optimized for 1,000,000 runs)"


def _contracts(network: Consortium, creations: dict[str, int]) -> list[dict[str, Any]]:
    deployment = network.deployment
    contracts = {
        "Consortium": deployment.consortium,
        "CityRegistry": deployment.registry,
        "Clearinghouse": deployment.clearinghouse,
        "SettlementToken": deployment.token,
    }
    return [
        {
            "name": name,
            "bytes": len(network.web3.eth.get_code(contract.address)),
            "initcode_bytes": len(compiled(name)[1]) // 2 - 1,
            "creation_gas": creations.get(contract.address),
        }
        for name, contract in contracts.items()
    ]


def _require_sum(purposes: Counter[str], gas: int) -> None:
    if purposes.total() != gas:
        raise RuntimeError(f"expected the parts of the trace to add up to {gas} gas, they are {purposes.total()}")
