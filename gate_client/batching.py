"""Which rides go into a batch together: never too many, and never more gas than a transaction may take.

The figures are upper bounds for the Clearinghouse of this repository, each refused ride's event included; the tests
hold them against what the contract uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gate_client.pricing import PricedRide
from gate_client.ride_log import StoredRide

GAS_LIMIT = 15_000_000
"""The most that one batch may take (protocol section 5)."""

GAS_PER_BATCH = 150_000
GAS_PER_ISSUER = 100_000
GAS_PER_KEY = 25_000
GAS_PER_WORD = 26_000
GAS_PER_RIDE = 10_000

SERIALS_PER_WORD = 256


def gas_bound(rides: Iterable[PricedRide]) -> int:
    """The most gas that settling these rides in one batch can take, whatever becomes of them."""
    count = 0
    keys: set[tuple[int, int]] = set()
    words: set[tuple[int, int, int]] = set()
    for priced in rides:
        count += 1
        keys.add((priced.issuer, priced.key_id))
        words.add((priced.issuer, priced.key_id, priced.ride.serial // SERIALS_PER_WORD))
    issuers = {issuer for issuer, _ in keys}
    return (
        GAS_PER_BATCH
        + GAS_PER_ISSUER * len(issuers)
        + GAS_PER_KEY * len(keys)
        + GAS_PER_WORD * len(words)
        + GAS_PER_RIDE * count
    )


def plan_batches(rides: Sequence[StoredRide], *, max_rides: int, gas_limit: int = GAS_LIMIT) -> list[list[StoredRide]]:
    """Cut rides, in the order they come, into batches of at most `max_rides` that keep within the gas limit.

    Rides in the order of issuer, key and serial make the cheapest batches: few issuers and few words in each.
    """
    batches: list[list[StoredRide]] = []
    current: list[StoredRide] = []
    used = 0
    for ride in rides:
        added = _gas_added(current, ride)
        if current and (len(current) == max_rides or used + added > gas_limit):
            batches.append(current)
            current, used = [], 0
            added = _gas_added(current, ride)
        current.append(ride)
        used += added
    return [*batches, current] if current else batches


def _gas_added(before: Sequence[StoredRide], ride: StoredRide) -> int:
    """What one more ride adds to the bound, if rides come in order, so that only the last one matters.

    Where they don't come in order this adds too much rather than too little.
    """
    gas = GAS_PER_RIDE
    last = before[-1].priced if before else None
    new = ride.priced
    if last is None:
        gas += GAS_PER_BATCH
    if last is None or last.issuer != new.issuer:
        gas += GAS_PER_ISSUER
    if last is None or (last.issuer, last.key_id) != (new.issuer, new.key_id):
        return gas + GAS_PER_KEY + GAS_PER_WORD
    if last.ride.serial // SERIALS_PER_WORD != new.ride.serial // SERIALS_PER_WORD:
        gas += GAS_PER_WORD
    return gas
