"""The index itself, audited: made again from the chain's own events, row by row, and each ride's signature checked.

The events are the node's. The batches' bytes are the index's where they hash to the batch id that the chain settled,
else those that the node has; of a batch that is in neither the money alone is compared. What follows from both is what
the index should hold; what it holds besides, or otherwise, or doesn't hold, is a finding that names the batch and the
ride. Nothing of it is kept in memory beyond one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from time import monotonic
from typing import Final, Protocol

from duckdb import DuckDBPyConnection

from interline.batch_source import FoundBatch, Transaction
from interline.cities import CityFile
from interline.domain import Domain
from interline.errors import TraceError
from interline.hashing import keccak256
from interline.settlements import Settlement
from ledger.books import Books
from ledger.head import Head
from ledger.index.batch_source import BatchFinder, Found, TransactionSource, given_batches
from ledger.index.checking import BadSignature, SignatureChecker
from ledger.index.posting import Clocks, Poster, Ride, corrected_rides, ride_case
from ledger.index.query import RideCase
from ledger.index.reading import UNKNOWN, Keys, Piece, Reader, Source, read_found
from ledger.index.store import Index
from ledger.index.sync import UNKNOWN_ADVICE
from ledger.index.writing import Rows
from ledger.reconcile import query
from ledger.reconcile.deviations import Describer
from ledger.reconcile.findings import MOST, Finding, Findings, Result, ride_name, unread_note

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
        f"again from {audit.events:,} events up to block {index.head().number}; "
        f"{audit.unseen:,} submitters' signatures were not seen, which the contract alone checked"
    )
    audit.findings.notes += unread_note(audit.unread)
    return audit.findings.result(compared)


class _Audit:
    def __init__(self, index: Index, chain: AuditSource, clocks: Clocks, tell: Callable[[str], None]) -> None:
        self.findings = Findings(CHECK)
        self.batches = self.rides = self.events = self.unread = self.unseen = self._unknown = 0
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
        reader = Reader(chain, Keys(), _Kept(chain, self._index.cursor()).find)
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
        self.unread += len(piece.unread)
        self.unseen += sum(batch.signature is None for batch in piece.batches.values())
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
    """Batches' bytes that the index has: what hashes to the id that settled needs no node, nor does a signature.

    Where it lacks one of them, the node is asked; for a trace only where the index should have the bytes and hasn't.
    """

    def __init__(self, chain: TransactionSource, cursor: DuckDBPyConnection) -> None:
        self._chain, self._cursor = chain, cursor
        self._given = given_batches(cursor)

    def find(self, settlements: Sequence[Settlement]) -> list[Found]:
        """The batches, in the order of the settlements."""
        there = query.batches_of(self._cursor, [one.tx for one in settlements])
        kept = [there.get((one.tx, one.batch_id), (b"", None)) for one in settlements]
        found: dict[int, Found] = {}
        asked = []
        for at, (one, (data, signature)) in enumerate(zip(settlements, kept, strict=True)):
            if data and signature is not None and keccak256(data) == one.batch_id:
                found[at] = FoundBatch(data, signature)
            else:
                asked.append(at)
        have = {one.batch_id: data for one, (data, _) in zip(settlements, kept, strict=True) if data}
        unread = {one.tx for one, (data, _) in zip(settlements, kept, strict=True) if data is None}
        finder = BatchFinder(_Untraced(self._chain, unread), self._given | have)
        found |= dict(zip(asked, finder.find([settlements[at] for at in asked]), strict=True))
        return [found[at] for at in range(len(settlements))]


class _Untraced:
    """A node that isn't asked for the traces of some transactions: what they'd show, syncing would have found."""

    def __init__(self, chain: TransactionSource, untraced: Collection[bytes]) -> None:
        self._chain, self._untraced = chain, untraced

    def transactions(self, txs: Sequence[bytes]) -> list[Transaction | None]:
        """Transactions by their hashes."""
        return self._chain.transactions(txs)

    def trace(self, tx: bytes) -> object:
        """The calls that a transaction made."""
        if tx in self._untraced:
            raise TraceError("not asked for")
        return self._chain.trace(tx)


class _Cases:
    """The rides that are refunded or disputed, and what became of each so far; and the batches' names by number."""

    def __init__(self, cursor: DuckDBPyConnection, chain: TransactionSource) -> None:
        self.names: dict[int, str] = {}
        self._kept = _Kept(chain, cursor)
        self._batches: dict[bytes, tuple[int, Settlement]] = {}
        self._cases: dict[Ride, RideCase] = {}

    def of(self, piece: Piece) -> dict[Ride, RideCase]:
        """The cases of the rides that a piece's refunds and disputes are about."""
        batches = {}
        for (_, batch_id), batch in piece.batches.items():
            self._batches[batch_id] = len(self._batches) + 1, batch.settlement
            self.names[len(self._batches)] = f"0x{batch_id.hex()}"
            batches[batch_id] = batch
        found = {}
        for ride in corrected_rides(piece):
            batch_id = ride[0]
            if ride not in self._cases and batch_id in self._batches:
                number, settlement = self._batches[batch_id]
                if batch_id not in batches:
                    batches[batch_id] = read_found(settlement, self._kept.find([settlement])[0])
                case = ride_case(batches[batch_id], number, ride[1])
                if case is not None:
                    self._cases[ride] = case
            if ride in self._cases:
                found[ride] = self._cases[ride]
        return found
