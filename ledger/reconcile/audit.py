"""The index itself, audited: made again from the chain's own events, row by row, and each ride's signature checked.

The events are the node's. The batches' bytes are the index's where they hash to the batch id that the chain settled,
else the transaction's. What follows from both is what the index should hold; what it holds besides, or otherwise, or
doesn't hold, is a finding that names the batch and the ride. Nothing of it is kept in memory beyond one piece.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Final, Protocol

from duckdb import DuckDBPyConnection

from interline.cities import CityFile
from interline.domain import Domain
from interline.hashing import keccak256
from interline.settlements import BATCH_SETTLED, ChainLog, batch_bytes
from ledger.books import Books
from ledger.head import Head
from ledger.index.checking import BadSignature, SignatureChecker
from ledger.index.decode import decode_batch
from ledger.index.posting import Clocks, Poster, Ride, corrected_rides
from ledger.index.query import RideCase
from ledger.index.reading import UNKNOWN, Keys, Piece, Reader, Source
from ledger.index.store import Index
from ledger.index.sync import UNKNOWN_ADVICE
from ledger.index.writing import Rows
from ledger.reconcile import query
from ledger.reconcile.deviations import Describer
from ledger.reconcile.findings import MOST, Finding, Findings, Result, ride_name

CHECK: Final = "index"
_BEFORE_ALL: Final = -(2**62)
_AFTER_ALL: Final = 2**62
_AT_ONCE: Final = 512  # blocks that are asked for together

_SIGNATURE_CAUSE: Final = "a ride that no issuer signed was settled, or the node gave another key than the registry's"
_SIGNATURE_ACTION: Final = (
    "ask another node; if it says the same, call the issuer: its key is out, or the contracts are wrong"
)
_BLOCK_CAUSE: Final = "the chain was reorganised, the index was changed, or the node is on another branch"
_BLOCK_ACTION: Final = "run again, which follows the chain; if it stays, ask another node"
_UNKNOWN_CAUSE: Final = "the contracts are of a newer version than this program, or the node makes events up"
_SERIAL_CAUSE: Final = "a batch was put into the index twice under two names, or a ride's row was changed"
_SERIAL_ACTION: Final = "see what else is found of the two batches; delete the index's file and run again"


class AuditSource(Source, Protocol):
    """The chain that the index is of: `ledger.chain.Chain`."""

    @property
    def address(self) -> str:
        """The Clearinghouse's, checksummed."""

    @property
    def chain_id(self) -> int:
        """The chain's."""

    @property
    def since(self) -> int:
        """The first block that can have an event."""


def check_index(
    index: Index,
    chain: AuditSource,
    cities: Iterable[CityFile] = (),
    *,
    tell: Callable[[str], None] = lambda line: None,
    processes: int | None = None,
) -> Result:
    """Every row of the index against the chain, up to the index's last block.

    Args:
        index: open to write, though nothing is written; nobody may write to it meanwhile.
        chain: the one that it is of.
        cities: their files, for the operating days, as when it was brought up to date.
        tell: is told how far it has come, a line now and then.
        processes: that check signatures; one for each core if None.

    Raises:
        BooksError, SettlementError: the chain contradicts itself; names the batch and the ride.
        LedgerError: as Chain.
    """
    audit = _Audit(index, chain, Clocks.of_files(cities), tell)
    audit.run(processes)
    compared = (
        f"{audit.batches:,} batches, {audit.rides:,} rides with their issuers' signatures, and each posting, made "
        f"again from {audit.events:,} events up to block {index.head().number}"
    )
    return audit.findings.result(compared)


class _Audit:
    def __init__(self, index: Index, chain: AuditSource, clocks: Clocks, tell: Callable[[str], None]) -> None:
        self.findings = Findings(CHECK)
        self.batches = self.rides = self.events = self._unknown = 0
        self._index, self._chain, self._tell = index, chain, tell
        self._poster = Poster(Books(), 0, clocks)
        self._cases = _Cases(index.cursor(), chain)
        self._describer = Describer(self._cases.names)
        self._heads: dict[int, Head] = {}
        self._told = monotonic()

    def run(self, processes: int | None) -> None:
        """Go through the chain once."""
        chain, head = self._chain, self._index.head()
        domain = Domain(chain.chain_id, bytes.fromhex(chain.address[2:]))
        reader = Reader(_Kept(chain, self._index.cursor()), Keys())
        above = _BEFORE_ALL
        with (
            SignatureChecker(domain, processes) as checker,
            query.expected_rows(self._index.cursor()) as expected,
        ):
            for piece in reader.through(chain.since, head.number):
                checks = checker.start(piece.signed)
                self._compare(expected, self._post(piece), above, piece.last.number)
                self.findings.add(_bad_signature(bad) for bad in checks.bad())
                above = piece.last.number
                self._count(piece)
            self._compare(expected, Rows(), above, _AFTER_ALL)
        self._check_serials()
        self._check_blocks()
        self._check_unknown()

    def _post(self, piece: Piece) -> Rows:
        cases = self._cases.of(piece)
        rows, _ = self._poster.post(piece, cases)
        return rows

    def _compare(self, expected: query.Expected, rows: Rows, above: int, until: int) -> None:
        for deviation in expected.compare(rows, above, until):
            self.findings.add(self._describer.findings(deviation, expected.has))

    def _count(self, piece: Piece) -> None:
        self._heads |= piece.heads
        self.batches += len(piece.batches)
        self.rides += piece.rides
        self.events += len(piece.events)
        self._unknown += sum(event.name == UNKNOWN for event in piece.events)
        if monotonic() - self._told >= 2:
            self._told = monotonic()
            self._tell(f"block {piece.last.number}: {self.rides:,} rides audited, {self.findings.count} findings")

    def _check_serials(self) -> None:
        for issuer, operator, serial, batch, index, other, other_index in query.serials_in_two_batches(
            self._index.cursor(), MOST
        ):
            first, then = self._cases.names.get(batch, f"{batch}"), self._cases.names.get(other, f"{other}")
            texts = f"serial {serial} of {issuer} for {operator} once", f"it is in {ride_name(first, index)}, too"
            where = ride_name(then, other_index)
            found = Finding(CHECK, where, *texts, _SERIAL_CAUSE, _SERIAL_ACTION, then, other_index)
            self.findings.add([found])

    def _check_blocks(self) -> None:
        """Every block that is kept must be the chain's, and each with an event must be kept."""
        kept = query.blocks(self._index.cursor())
        asked = [block.number for block in kept if block.number not in self._heads]
        for start in range(0, len(asked), _AT_ONCE):
            some = asked[start : start + _AT_ONCE]
            self._heads |= {head.number: head for head in self._chain.heads(some) if head is not None}
        numbers = {block.number for block in kept}
        for block in kept:
            expected = self._heads.get(block.number)
            if block != expected:
                self._block(block.number, "none" if expected is None else _of(expected), _of(block))
        for number in sorted(self._heads.keys() - numbers):
            self._block(number, _of(self._heads[number]), "no such block in the index")

    def _check_unknown(self) -> None:
        if self._unknown:
            texts = (
                "events that the contracts' interfaces have",
                f"{self._unknown:,} others, of which nothing was posted",
            )
            self.findings.add([Finding(CHECK, "events", *texts, _UNKNOWN_CAUSE, UNKNOWN_ADVICE)])

    def _block(self, number: int, expected: str, came: str) -> None:
        self.findings.add([Finding(CHECK, f"block {number}", expected, came, _BLOCK_CAUSE, _BLOCK_ACTION)])


def _bad_signature(bad: BadSignature) -> Finding:
    where, why = ride_name(bad.batch_id, bad.index), (_SIGNATURE_CAUSE, _SIGNATURE_ACTION)
    return Finding(CHECK, where, bad.expected, bad.came, *why, f"0x{bad.batch_id.hex()}", bad.index)


def _of(head: Head) -> str:
    return f"hash {head.hash}, time {head.time}"


class _Kept:
    """The chain, but for batches' bytes that the index has: what hashes to the id that settled needs no node."""

    def __init__(self, chain: Source, cursor: DuckDBPyConnection) -> None:
        self._chain, self._cursor = chain, cursor
        self._settled: defaultdict[bytes, list[bytes]] = defaultdict(list)

    @property
    def contracts(self) -> Mapping[str, str]:
        """Addresses by the contracts' names."""
        return self._chain.contracts

    def heads(self, numbers: Sequence[int]) -> list[Head | None]:
        """Blocks by number."""
        return self._chain.heads(numbers)

    def logs(self, first: int, last: int) -> list[ChainLog]:
        """Events of a range of blocks; which transaction settled what is remembered until it is asked for."""
        logs = self._chain.logs(first, last)
        self._settled.clear()
        for log in logs:
            if log.topics[:1] == (BATCH_SETTLED,):
                self._settled[log.tx].append(log.topics[1])
        return logs

    def inputs(self, txs: Sequence[bytes]) -> list[bytes]:
        """For each transaction its batches, each after its length; or its own input, where the index lacks one."""
        there = query.batches_of(self._cursor, txs)
        made = {tx: self._input(tx, there) for tx in txs}
        asked = [tx for tx, data in made.items() if data is None]
        real = dict(zip(asked, self._chain.inputs(asked), strict=True)) if asked else {}
        return [data if (data := made[tx]) is not None else real[tx] for tx in txs]

    def outcomes(self, batch_ids: Sequence[bytes]) -> list[bytes]:
        """What the contract keeps of batches' refused rides."""
        return self._chain.outcomes(batch_ids)

    def _input(self, tx: bytes, there: Mapping[tuple[bytes, bytes], bytes]) -> bytes | None:
        parts = []
        for batch_id in self._settled[tx]:
            data = there.get((tx, batch_id))
            if data is None or keccak256(data) != batch_id:
                return None
            parts.append(len(data).to_bytes(32) + data)
        return b"\xff" * 4 + b"".join(parts)


class _Cases:
    """The rides that are refunded or disputed, and what became of each so far; and the batches' names by number."""

    def __init__(self, cursor: DuckDBPyConnection, chain: Source) -> None:
        self.names: dict[int, str] = {}
        self._cursor, self._chain = cursor, chain
        self._batches: dict[bytes, tuple[int, bytes]] = {}
        self._cases: dict[Ride, RideCase] = {}

    def of(self, piece: Piece) -> dict[Ride, RideCase]:
        """The cases of the rides that a piece's refunds and disputes are about."""
        data = {}
        for (tx, batch_id), batch in piece.batches.items():
            self._batches[batch_id] = len(self._batches) + 1, tx
            self.names[len(self._batches)] = f"0x{batch_id.hex()}"
            data[batch_id] = batch.data
        found = {}
        for ride in corrected_rides(piece):
            batch_id = ride[0]
            if ride not in self._cases and batch_id in self._batches:
                if batch_id not in data:
                    data[batch_id] = self._data(batch_id)
                self._add(ride, data[batch_id])
            if ride in self._cases:
                found[ride] = self._cases[ride]
        return found

    def _add(self, ride: Ride, data: bytes) -> None:
        batch_id, index = ride
        arrays = decode_batch(data)
        if index < len(arrays.rides):
            number, _ = self._batches[batch_id]
            issuer, fare = int(arrays.issuers[index]), int(arrays.rides["fare"][index])
            self._cases[ride] = RideCase(number, issuer, arrays.operator, fare)

    def _data(self, batch_id: bytes) -> bytes:
        _, tx = self._batches[batch_id]
        data = query.batches_of(self._cursor, [tx]).get((tx, batch_id))
        if data is not None and keccak256(data) == batch_id:
            return data
        return batch_bytes(self._chain.inputs([tx])[0], batch_id)
