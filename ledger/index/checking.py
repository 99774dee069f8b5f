"""Signatures of many rides, checked on all cores.

Each is checked as the chain does: the signer is recovered and compared with the key that is registered.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from threading import Thread
from types import TracebackType
from typing import Final, Self

import numpy as np

from interline.domain import Domain, batch_digest, ticket_hash
from interline.signatures import recover_address
from ledger.errors import BooksError
from ledger.index.decode import decode_batch

FEW: Final = 4_000
"""Rides that are checked in this process: starting others takes longer."""
_PIECE: Final = 2_000  # rides that a process gets at a time, about


@dataclass(frozen=True, slots=True)
class SignedBatch:
    """What there is to check of a batch."""

    name: str
    """For messages."""
    batch_id: bytes
    data: bytes
    rides: int
    refused: tuple[int, ...]
    """Indices of the rides that did not settle: their signatures don't matter."""
    keys: tuple[tuple[int, int, bytes], ...]
    """(issuer, key id, address) of each key of its groups that was registered."""
    signature: bytes | None
    """The submitter's, where it is known."""
    submitters: frozenset[bytes]
    """Addresses that were registered for its operator."""


class SignatureChecker:
    """Checks batches; starts other processes once there is much to check. Use with `with`."""

    def __init__(self, domain: Domain, processes: int | None = None) -> None:
        self._domain = domain
        self._processes = processes or os.cpu_count() or 1
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def start(self, batches: Sequence[SignedBatch]) -> Checks:
        """Begin to check; `Checks.finish` waits for the outcome."""
        rides = sum(batch.rides for batch in batches)
        if self._pool is None:
            if rides <= FEW or self._processes == 1:
                return Checks(self._domain, batches, [])
            self._pool = ProcessPoolExecutor(self._processes, get_context("spawn"), _end_with_parent)
        futures = [self._pool.submit(find_bad_signatures, self._domain, piece) for piece in _pieces(batches)]
        return Checks(self._domain, batches, futures)


def _end_with_parent() -> None:
    """In each process: end when the one that started it does, be it killed."""
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()


@dataclass(frozen=True, slots=True)
class Checks:
    """Checks under way."""

    domain: Domain
    batches: Sequence[SignedBatch]
    futures: Sequence[Future[list[BadSignature]]]

    def finish(self) -> None:
        """Wait until all are done.

        Raises:
            BooksError: a signature is not that of the key that is registered; names the batch and the ride.
        """
        for bad in self.bad():
            raise BooksError(str(bad))

    def bad(self) -> Iterator[BadSignature]:
        """Wait for all, and name each signature that isn't right."""
        if not self.futures:
            yield from find_bad_signatures(self.domain, self.batches)
        for future in self.futures:
            yield from future.result()


@dataclass(frozen=True, slots=True)
class BadSignature:
    """A signature that isn't right: a submitter's of a batch, or the issuer's of the ride at `index`."""

    name: str
    batch_id: bytes
    index: int | None
    expected: str
    came: str

    def __str__(self) -> str:
        ride = "" if self.index is None else f", ride {self.index}"
        return f"{self.name}{ride}: expected {self.expected}, came {self.came}"


def find_bad_signatures(domain: Domain, batches: Sequence[SignedBatch]) -> list[BadSignature]:
    """The signatures of these batches and their rides that aren't right."""
    return [bad for batch in batches for bad in (*_bad_submitter(domain, batch), *_bad_issuers(domain, batch))]


def _bad_submitter(domain: Domain, batch: SignedBatch) -> Iterator[BadSignature]:
    if batch.signature is None:
        return
    operator = int.from_bytes(batch.data[:2], "big")
    signer = recover_address(batch_digest(domain, operator, batch.batch_id), batch.signature)
    if signer not in batch.submitters:
        came = "none that anybody made" if signer is None else f"one by 0x{signer.hex()}"
        expected = f"a submitter's signature of operator {operator}"
        yield BadSignature(batch.name, batch.batch_id, None, expected, came)


def _bad_issuers(domain: Domain, batch: SignedBatch) -> Iterator[BadSignature]:
    arrays = decode_batch(batch.data)
    keys = {(issuer, key_id): address for issuer, key_id, address in batch.keys}
    settled = np.ones(len(arrays.rides), bool)
    settled[list(batch.refused)] = False
    columns = [
        arrays.issuers.tolist(),
        arrays.key_ids.tolist(),
        arrays.serials.tolist(),
        arrays.rides["not_after"].tolist(),
        arrays.rides["fare_cap"].tolist(),
        arrays.rides["rider"].tolist(),
        arrays.rides["issuer_signature"].tolist(),
    ]
    for index, (skip, issuer, key_id, serial, not_after, fare_cap, rider, signature) in enumerate(
        zip((~settled).tolist(), *columns, strict=True)
    ):
        if skip:
            continue
        digest = ticket_hash(
            domain,
            issuer=issuer,
            key_id=key_id,
            operator=arrays.operator,
            serial=serial,
            not_after=not_after,
            fare_cap=fare_cap,
            rider=rider,
        )
        expected = keys.get((issuer, key_id))
        if expected is None or recover_address(digest, signature) != expected:
            expected_signer = f"a ticket signed by issuer {issuer}'s key {key_id}"
            yield BadSignature(batch.name, batch.batch_id, index, expected_signer, "another")


def _pieces(batches: Sequence[SignedBatch]) -> Iterable[list[SignedBatch]]:
    piece: list[SignedBatch] = []
    rides = 0
    for batch in batches:
        piece.append(batch)
        rides += batch.rides
        if rides >= _PIECE:
            yield piece
            piece, rides = [], 0
    if piece:
        yield piece
