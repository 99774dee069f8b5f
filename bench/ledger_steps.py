"""One step of the ledger's benchmark, in a process of its own, so that its memory can be told: JSON on standard output.

python -m bench.ledger_steps STEP URL CLEARINGHOUSE FOLDER
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

from web3 import Web3

from bench import ledger_peer
from bench.compiler import REPOSITORY
from interline.cities import load_cities
from interline.domain import Domain, ticket_hash
from interline.settlements import BATCH_SETTLED
from interline.signatures import recover_address
from ledger.chain import Chain
from ledger.index.store import Index
from ledger.index.sync import sync
from ledger.reconcile.command import Wish, reconcile
from ledger.statement.build import build_statement
from ledger.statement.formats import FORMATS
from ledger.statement.model import Basis
from ledger.statement.period import Period
from rpc import Node

CITY: Final = "Shanghai"
MONTH: Final = "2019-07"
SAMPLE: Final = 40_000  # signatures
TYPED_SAMPLE: Final = 1_000
ROUNDS: Final = 7  # the best counts: a bound is what nobody gets under, whatever else the machine does
AT_ONCE: Final = 100  # transactions in a request


def _web3(url: str) -> Web3:
    return Web3(Web3.HTTPProvider(url, request_kwargs={"timeout": 600}))


def _file(folder: Path) -> Path:
    return folder / "index.duckdb"


def sync_step(url: str, clearinghouse: str, folder: Path) -> dict[str, Any]:
    """The index from the first block."""
    _file(folder).unlink(missing_ok=True)
    with Index.open(_file(folder), write=True) as index:
        done = sync(index, Chain(Node.at(url), clearinghouse), load_cities(REPOSITORY / "cities"))
    size = _file(folder).stat().st_size
    return {"rides": done.rides, "batches": done.batches, "blocks": done.blocks, "events": done.events, "bytes": size}


def again_step(url: str, clearinghouse: str, folder: Path) -> dict[str, Any]:
    """The index once more, where nothing is new."""
    with Index.open(_file(folder), write=True) as index:
        sync(index, Chain(Node.at(url), clearinghouse), load_cities(REPOSITORY / "cities"))
    return {}


def peer_step(url: str, clearinghouse: str, folder: Path) -> dict[str, Any]:
    """web3 and SQLite."""
    return dict(ledger_peer.index(url, clearinghouse, folder / "peer.sqlite"))


def quick_step(url: str, clearinghouse: str, folder: Path) -> dict[str, Any]:
    """`ape run reconcile --quick` over the index that is there: the books against the contracts."""
    return _reconciled(Wish(quick=True), url, clearinghouse, folder)


def reconcile_step(url: str, clearinghouse: str, folder: Path) -> dict[str, Any]:
    """`ape run reconcile --bank FILE --tariff`: the index audited, the bank's book, every ride priced again."""
    return _reconciled(Wish(bank=folder / "bank.csv", tariff=True), url, clearinghouse, folder)


def _reconciled(wish: Wish, url: str, clearinghouse: str, folder: Path) -> dict[str, Any]:
    found = reconcile(wish, Chain(Node.at(url), clearinghouse), _file(folder), REPOSITORY / "cities")
    return {"differences": found.document()["differences"], "checks": [result.verdict for result in found.results]}


def bytes_step(url: str, clearinghouse: str, folder: Path) -> dict[str, Any]:
    """Nothing but the bytes: every event and every batch's transaction out of the node, undecoded."""
    chain = Chain(Node.at(url), clearinghouse)
    told, sent, txs = 0, 0, []
    for first in range(chain.since, chain.head.number + 1, 100):
        for log in chain.logs(first, min(first + 99, chain.head.number)):
            told += len(log.data) + 32 * len(log.topics)
            if log.topics[0] == BATCH_SETTLED:
                txs.append(log.tx)
    for first in range(0, len(txs), AT_ONCE):
        sent += sum(len(one.input) for one in chain.transactions(txs[first : first + AT_ONCE]) if one is not None)
    return {"bytes": told + sent, "transactions": len(txs)}


def signatures_step(url: str, clearinghouse: str, folder: Path) -> dict[str, Any]:
    """Nothing but signatures: who signed each ticket of a sample, on all cores (coincurve); the best of some rounds."""
    chain_id, operator, rides = _sample(url, clearinghouse, SAMPLE)
    domain = Domain(chain_id, bytes.fromhex(clearinghouse[2:]))
    digests = [(_hash(domain, operator, ride), ride[2][-1]) for operator, ride in zip(operator, rides, strict=True)]
    cores = os.cpu_count() or 1
    shares = [digests[core::cores] for core in range(cores)]
    with ProcessPoolExecutor(cores) as pool:
        list(pool.map(_recover, [share[:10] for share in shares]))  # the processes are there
        seconds = min(_timed(lambda: all(pool.map(_recover, shares))) for _ in range(ROUNDS))
    return {"signatures": len(digests), "processes": cores, "seconds": seconds}


def typed_step(url: str, clearinghouse: str, folder: Path) -> dict[str, Any]:
    """The peer's signatures: eth_account's typed data, for a sample, in one process; the best of some rounds."""
    chain_id, operators, rides = _sample(url, clearinghouse, TYPED_SAMPLE)
    fields = [
        (operator, (issuer, key_id, ride[0] << 32 | ride[1], ride[2], ride[3], ride[4], ride[-1]))
        for operator, (issuer, key_id, ride) in zip(operators, rides, strict=True)
    ]

    def recover() -> bool:
        return all(ledger_peer.recover_by_typed_data(chain_id, clearinghouse, *one) for one in fields)

    return {"signatures": len(rides), "seconds": min(_timed(recover) for _ in range(ROUNDS))}


def statement_step(url: str, clearinghouse: str, folder: Path) -> dict[str, Any]:
    """A month of one city, in every form."""
    forms: dict[str, float] = {}
    sizes: dict[str, int] = {}
    with Index.open(_file(folder), write=False) as index:
        for basis in Basis:
            began = time.monotonic()
            cities = load_cities(REPOSITORY / "cities")
            statement = build_statement(index, CITY, Period.parse(MONTH), basis, cities=cities)
            forms[f"built, {basis}"] = time.monotonic() - began
            for name, form in FORMATS.items():
                if basis is form.bases[0]:
                    began = time.monotonic()
                    sizes[name] = len(form.write(statement))
                    forms[name] = time.monotonic() - began
    rides = len(statement.rides)
    return {"city": CITY, "month": MONTH, "rides": rides, "forms": forms, "sizes": sizes}


def _timed(do: Callable[[], bool]) -> float:
    began = time.monotonic()
    if not do():
        raise RuntimeError("expected a signer of every ticket, one has none")
    return time.monotonic() - began


def _sample(url: str, clearinghouse: str, count: int) -> tuple[int, list[int], list[Any]]:
    chain = Chain(Node.at(url), clearinghouse)
    operators: list[int] = []
    rides: list[Any] = []
    first = chain.head.number
    while len(rides) < count and first > chain.since:
        first -= 20
        txs = [log.tx for log in chain.logs(max(first, chain.since), first + 19) if log.topics[0] == BATCH_SETTLED]
        for data in (one.input for one in chain.transactions(txs) if one is not None):
            start = 4 + int.from_bytes(data[4:36], "big")
            batch = data[start + 32 : start + 32 + int.from_bytes(data[start : start + 32], "big")]
            some = ledger_peer.rides_of(batch)
            rides += some
            operators += [int.from_bytes(batch[:2], "big")] * len(some)
    return chain.chain_id, operators[:count], rides[:count]


def _hash(domain: Domain, operator: int, ride: Any) -> bytes:
    issuer, key_id, (high, low, not_after, cap, rider, *_) = ride
    return ticket_hash(
        domain,
        issuer=issuer,
        key_id=key_id,
        operator=operator,
        serial=high << 32 | low,
        not_after=not_after,
        fare_cap=cap,
        rider=rider,
    )


def _recover(signed: list[tuple[bytes, bytes]]) -> bool:
    return all(recover_address(digest, signature) is not None for digest, signature in signed)


STEPS: Final[dict[str, Callable[[str, str, Path], dict[str, Any]]]] = {
    "bytes": bytes_step,
    "signatures": signatures_step,
    "sync": sync_step,
    "again": again_step,
    "quick": quick_step,
    "reconcile": reconcile_step,
    "peer": peer_step,
    "typed": typed_step,
    "statement": statement_step,
}


def main() -> None:
    """Do the step that the command line names; memory is in bytes."""
    name, url, clearinghouse, folder = sys.argv[1:]
    began = time.monotonic()
    found = STEPS[name](url, clearinghouse, Path(folder))
    found.setdefault("seconds", time.monotonic() - began)
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found["memory_of_a_worker"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
