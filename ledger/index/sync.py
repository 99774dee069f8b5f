"""The index brought up to date with the chain: read, checked, and written, some blocks after another.

Each piece is one transaction of the index: a killed run goes on where it was. Where the chain was reorganised, all
above the last block that both have is forgotten, and read again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final, Protocol

from interline.cities import CityFile
from interline.domain import Domain
from interline.errors import SettlementError
from ledger.errors import BooksError, ChainMovedError
from ledger.head import Head
from ledger.index import query
from ledger.index.batch_source import BatchFinder, given_batches
from ledger.index.checking import Checks, SignatureChecker
from ledger.index.late import read_late, require_fresh_serials
from ledger.index.posting import Clocks, Poster, corrected_rides
from ledger.index.reading import UNKNOWN, Piece, ReadBatch, Reader, Source
from ledger.index.store import Index
from ledger.index.writing import RECENT, Rows, cut_off, keep_blocks, replace_days, set_meta

logger = logging.getLogger(__name__)

UNKNOWN_ADVICE: Final = "install the newest version of Interline, or, if this is it, ask another node"
"""What to do about events that the contracts' interfaces don't have."""
_ATTEMPTS: Final = 20  # while the chain moves


class SyncSource(Source, Protocol):
    """The chain to follow: `ledger.chain.Chain`."""

    @property
    def address(self) -> str:
        """The Clearinghouse's, checksummed."""

    @property
    def chain_id(self) -> int:
        """The chain's."""

    @property
    def since(self) -> int:
        """The first block that can have an event."""

    def latest(self) -> Head:
        """The newest block."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What one run did: how many blocks, events, batches and rides it read, and in how many seconds.

    `unknown` of the events are none that the contracts' interfaces have.
    """

    blocks: int
    events: int
    batches: int
    rides: int
    seconds: float
    unknown: int = 0


def sync(
    index: Index,
    chain: SyncSource,
    cities: Iterable[CityFile] | None = None,
    *,
    tell: Callable[[str], None] = lambda line: None,
    until: int | None = None,
    processes: int | None = None,
    again: bool = True,
) -> Synced:
    """Bring the index up to date with the chain, or up to a block of it.

    Where nothing is new, that is one question to the node, and a few for each batch whose bytes weren't found before,
    which are looked for again. Such a batch stops nothing: its money is in the books by its events.

    Everything is checked before it is kept: each batch's hash, its counts, sums and outcome, one PairSettled for each
    issuer, its submitter's signature, where that was seen, and that of each ride's issuer, each serial once, refunds
    and disputes against their rides, and what was paid against the books.

    Args:
        index: open to write.
        chain: the Clearinghouse's.
        cities: their files, for the operating days; other cities have the defaults. None for what the index was made
            with before.
        tell: is told how far it has come, a line now and then.
        until: the last block to read; the newest if None. Nothing is cut off that the index has above it.
        processes: that check signatures; one for each core if None.
        again: look again for the bytes of batches that were unread before.

    Raises:
        IndexFileError: the index is of another Clearinghouse.
        BooksError, SettlementError: something doesn't add up; names the batch and the ride. What was read with it isn't
            kept; what was kept before stays.
        LedgerError: as Chain.
    """
    started = monotonic()
    _bind(index, chain)
    clocks = _clocks(index, cities)
    done, before = Synced(0, 0, 0, 0, 0.0), query.last_batch(index.cursor())
    for attempt in range(_ATTEMPTS):
        run = _Run(index, chain, clocks, tell, processes)
        try:
            run.to(until)
        except ChainMovedError as moved:
            if attempt == _ATTEMPTS - 1:
                raise
            logger.info("%s", moved)
        done = run.added_to(done, monotonic() - started)
        if run.finished:
            break
    if done.unknown:
        line = f"{done.unknown:,} events of the contracts are unknown here: {UNKNOWN_ADVICE}"
        logger.warning("%s", line)
        tell(line)
    if again:
        read_late(index, chain, _domain(chain), clocks, before)
    return done


def _domain(chain: SyncSource) -> Domain:
    return Domain(chain.chain_id, bytes.fromhex(chain.address[2:]))


def _bind(index: Index, chain: SyncSource) -> None:
    names = {"CityRegistry": "registry", "Refunds": "refunds", "Consortium": "consortium", "SettlementToken": "token"}
    others = {short: chain.contracts[name] for name, short in names.items()}
    of = {"chain_id": str(chain.chain_id), "clearinghouse": chain.address, **others, "since": str(chain.since)}
    index.bind(of)


_CLOCKS: Final = "operating_days"  # in `meta`: those that aren't the default's


def _clocks(index: Index, cities: Iterable[CityFile] | None) -> Clocks:
    """The operating days; where a city's is another than when its rides were indexed, they get their days anew."""
    before = json.loads(index.find_meta(_CLOCKS) or "{}")
    clocks = Clocks.of_text(before) if cities is None else Clocks.of_files(cities)
    now = clocks.others()
    changed = sorted(int(code) for code in {*now, *before} if now.get(code) != before.get(code))
    if changed:
        with index.writing() as cursor:
            for operator in changed:
                span = query.exits(cursor, operator)
                if span is not None:
                    replace_days(cursor, operator, clocks.spans(operator, *span))
            set_meta(cursor, _CLOCKS, json.dumps(now, sort_keys=True))
    return clocks


class _Run:
    """One run, over a chain that doesn't move meanwhile."""

    def __init__(
        self,
        index: Index,
        chain: SyncSource,
        clocks: Clocks,
        tell: Callable[[str], None],
        processes: int | None,
    ) -> None:
        self.finished = False
        self._cut = False
        self._index, self._chain, self._clocks, self._tell, self._processes = index, chain, clocks, tell, processes
        self._blocks = self._events = self._batches = self._rides = self._unknown = 0
        self._poster: Poster | None = None
        self._target: Head
        self._first = 0
        self._started = self._told = monotonic()

    def added_to(self, done: Synced, seconds: float) -> Synced:
        """What was done in all."""
        return Synced(
            done.blocks + self._blocks,
            done.events + self._events,
            done.batches + self._batches,
            done.rides + self._rides,
            seconds,
            done.unknown + self._unknown,
        )

    def to(self, until: int | None) -> None:
        """Read up to a block, or to the newest."""
        self._target = self._chain.latest() if until is None else self._head(until)
        base = self._common(until is None)
        if base is None or base.number < self._target.number:
            self._first = self._chain.since if base is None else base.number + 1
            try:
                self._read()
            except (BooksError, SettlementError) as error:
                if not self._has_target():
                    raise self._moved() from error
                raise
        elif base == self._target and self._cut:
            self._write(Rows(), [base])
        self.finished = True

    # ------------------------------------------------------------ where to begin

    def _common(self, follow: bool) -> Head | None:
        """The last block that the index and the chain both have; what the index has above it is cut off."""
        head = self._index.find_head()
        if head is None or self._has(head) or (not follow and head.number > self._target.number):
            return head
        kept = query.kept_blocks(self._index.cursor())
        low, high = 0, len(kept) - 1  # all below `low` are common, none from `high` on
        while low < high:
            middle = (low + high) // 2
            block = self._index.block(kept[middle])
            assert block is not None
            low, high = (middle + 1, high) if self._has(block) else (low, middle)
        base = self._index.block(kept[low - 1]) if low else None
        above = -1 if base is None else base.number
        self._tell(f"the chain was reorganised: blocks above {above} are read again")
        logger.warning("the chain was reorganised above block %d, the index had come to %d", above, head.number)
        with self._index.writing() as cursor:
            cut_off(cursor, above)
        self._cut = True
        return base

    def _has(self, block: Head) -> bool:
        if block.number > self._target.number:
            return False
        if block.number == self._target.number:
            return block == self._target
        return self._chain.heads([block.number]) == [block]

    def _head(self, number: int) -> Head:
        [head] = self._chain.heads([number])
        if head is None:
            raise ChainMovedError(f"expected block {number}, the node has none: name a lower one")
        return head

    # ------------------------------------------------------------ reading

    def _read(self) -> None:
        cursor = self._index.cursor()
        finder = BatchFinder(self._chain, given_batches(cursor))
        reader = Reader(self._chain, query.keys(cursor), finder.find)
        with SignatureChecker(_domain(self._chain), self._processes) as checker:
            under_way: tuple[Piece, Checks] | None = None
            for piece in reader.through(self._first, self._target.number):
                checks = checker.start(piece.signed)
                if under_way is not None:
                    self._finish(*under_way)
                under_way = piece, checks
            assert under_way is not None
            self._finish(*under_way)

    def _finish(self, piece: Piece, checks: Checks) -> None:
        """Wait for the signatures of a piece, post it, and write it."""
        checks.finish()
        cursor = self._index.cursor()
        if self._poster is None:
            self._poster = Poster(query.books(cursor), query.last_batch(cursor), self._clocks)
        rows, rides = self._poster.post(piece, query.cases(cursor, corrected_rides(piece)))
        first = self._poster.last_batch - len(piece.batches) + 1
        read = {first + at: one for at, one in enumerate(piece.batches.values()) if isinstance(one, ReadBatch)}
        require_fresh_serials(cursor, rides, read)
        self._write(rows, [*piece.heads.values(), piece.last])
        self._count(piece)

    def _write(self, rows: Rows, heads: Sequence[Head]) -> None:
        """Write rows and the blocks that they are of, the last of which is then the index's head."""
        recent = self._recent() if heads[-1] == self._target else []
        if not self._has_target():
            raise self._moved()
        with self._index.writing() as cursor:
            rows.insert(cursor)
            keep_blocks(cursor, [*recent, *heads])

    def _recent(self) -> list[Head]:
        """The blocks up to the newest that are kept though nothing happened in them."""
        lowest = max(self._chain.since, self._target.number - RECENT + 1)
        kept = set(query.kept_blocks(self._index.cursor(), lowest))
        numbers = [number for number in range(lowest, self._target.number) if number not in kept]
        return [head for head in self._chain.heads(numbers) if head is not None]

    def _has_target(self) -> bool:
        return self._chain.heads([self._target.number]) == [self._target]

    def _moved(self) -> ChainMovedError:
        return ChainMovedError(f"block {self._target.number} was replaced while it was read: read again")

    def _count(self, piece: Piece) -> None:
        self._blocks = piece.last.number - self._first + 1
        self._events += len(piece.events)
        self._unknown += sum(event.name == UNKNOWN for event in piece.events)
        self._batches += len(piece.batches)
        self._rides += piece.rides
        for unread in piece.unread:
            logger.warning("%s", unread.reason)
        now = monotonic()
        if now - self._told >= 2:
            self._told = now
            rate = self._rides / (now - self._started)
            self._tell(
                f"block {piece.last.number} of {self._target.number}: {self._rides:,} rides, {rate:,.0f} a second"
            )
