"""The chain, read piece by piece: events decoded, batches found in transactions and held against their events."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from interline.batch import outcome
from interline.batch_source import FoundBatch
from interline.chain_data import decode_event
from interline.errors import BatchNotFoundError, ChainDataError, MalformedError, SettlementError
from interline.settlements import ChainLog, Settlement, read_settlements
from ledger.errors import BooksError, ChainMovedError, TooMuchError
from ledger.head import Head
from ledger.index.batch_source import BatchFinder, Found, TransactionSource
from ledger.index.checking import SignedBatch
from ledger.index.decode import BatchArrays, decode_batch

logger = logging.getLogger(__name__)

PIECE_RIDES: Final = 20_000
"""Rides that are read, checked and written together, about."""
_RANGE: Final = 250
"""Blocks whose events are asked for at once, to begin with."""
_MOST: Final = 10_000
_MANY: Final = 5_000  # events at once, which take 20 MB
_WORD: Final = 32


class Source(TransactionSource, Protocol):
    """What is read from: `ledger.chain.Chain`."""

    @property
    def contracts(self) -> Mapping[str, str]:
        """Addresses by the contracts' names."""

    def heads(self, numbers: Sequence[int]) -> list[Head | None]:
        """Blocks by number."""

    def logs(self, first: int, last: int) -> list[ChainLog]:
        """Events of a range of blocks, in the chain's order."""

    def outcomes(self, batch_ids: Sequence[bytes]) -> list[bytes]:
        """What the contract keeps of batches' refused rides."""


# ---------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Event:
    """A decoded event of one of the contracts. Arguments are as JSON has them: bytes as 0x…, addresses checksummed."""

    contract: str
    name: str
    arguments: Mapping[str, Any]
    log: ChainLog


UNKNOWN: Final = "Unknown"
"""The name of an event of our contracts that the ABIs don't have; its arguments are `topics` and `data`."""


class EventDecoder:
    """Decodes the events of some contracts, given by their addresses."""

    def __init__(self, contracts: Mapping[str, str]) -> None:
        self._kinds = {bytes.fromhex(address[2:]): name for name, address in contracts.items()}

    def decode(self, log: ChainLog) -> Event:
        """One event. What members put into it is content, and never refused (`interline.chain_data`).

        Raises:
            SettlementError: it isn't of these contracts, or none that they can have emitted.
        """
        kind = self._kinds.get(log.address)
        if kind is None or not log.topics:
            raise _not_ours(log, f"found one of 0x{log.address.hex()} with {len(log.topics)} topics")
        try:
            event = decode_event(kind, log.topics, log.data)
        except ChainDataError as error:
            raise _not_ours(log, str(error)) from error
        if event is None:
            topics = [f"0x{topic.hex()}" for topic in log.topics]
            return Event(kind, UNKNOWN, {"topics": topics, "data": f"0x{log.data.hex()}"}, log)
        return Event(kind, event.name, event.to_json(), log)


def _not_ours(log: ChainLog, found: str) -> SettlementError:
    return SettlementError(
        f"block {log.block}, transaction 0x{log.tx.hex()}: expected an event of the contracts' interfaces, {found}; "
        "ask another node"
    )


# ---------------------------------------------------------------- members' keys


@dataclass(slots=True)
class Keys:
    """The keys that were registered up to an event."""

    issuers: dict[tuple[int, int], bytes] = field(default_factory=dict)
    """Addresses by (issuer, key id)."""
    submitters: defaultdict[int, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    """Addresses by operator."""

    def take(self, name: str, told: Mapping[str, Any]) -> None:
        """Take in an event of the registry; others don't matter."""
        if name == "IssuerKeyAdded":
            self.issuers[told["city"], told["keyId"]] = bytes.fromhex(told["key"][2:])
        elif name == "SubmitterAdded":
            self.submitters[told["city"]].add(bytes.fromhex(told["key"][2:]))
        elif name == "SubmitterRemoved":
            self.submitters[told["city"]].discard(bytes.fromhex(told["key"][2:]))


KEY_EVENTS: Final = ("IssuerKeyAdded", "SubmitterAdded", "SubmitterRemoved")


# ---------------------------------------------------------------- pieces


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """A batch of which a ride settled: what the events say, its bytes, and its rides."""

    settlement: Settlement
    data: bytes
    arrays: BatchArrays
    settled: np.ndarray[Any, np.dtype[np.int64]]
    """Indices of the rides that settled."""
    signature: bytes | None = None
    """Its submitter's, where it was seen."""


@dataclass(frozen=True, slots=True)
class UnreadBatch:
    """A batch of which a ride settled, and whose bytes weren't found: the events alone tell of it."""

    settlement: Settlement
    reason: str
    data: None = None
    signature: None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """What was read of some blocks: the last of them, those with events, the events, the batches by (tx, batch id)."""

    last: Head
    heads: Mapping[int, Head]
    events: Sequence[Event]
    batches: Mapping[tuple[bytes, bytes], ReadBatch | UnreadBatch]
    signed: Sequence[SignedBatch]
    rides: int
    """Those that were read."""

    @property
    def unread(self) -> list[UnreadBatch]:
        """The batches whose bytes weren't found."""
        return [one for one in self.batches.values() if isinstance(one, UnreadBatch)]


class Reader:
    """Reads pieces in the chain's order.

    Args:
        keys: those registered before the first.
        find: finds the bytes of settled batches; by default in their transactions and traces.
    """

    def __init__(
        self, source: Source, keys: Keys, find: Callable[[Sequence[Settlement]], list[Found]] | None = None
    ) -> None:
        self._source = source
        self._keys = keys
        self._find = find or BatchFinder(source).find
        self._decoder = EventDecoder(source.contracts)

    def through(self, first: int, last: int) -> Iterator[Piece]:
        """As `pieces`, of as many blocks as you like: the source is asked for as much at once as it can give."""
        length = _RANGE
        while first <= last:
            until = min(first + length - 1, last)
            events = 0
            try:
                for piece in self.pieces(first, until):
                    events += len(piece.events)
                    yield piece
            except TooMuchError as error:
                logger.info("%s", error)
                length = max((until - first + 1) // 2, 1)
                continue
            length = max(length // 2, 1) if events > _MANY else min(length * 2, _MOST)
            first = until + 1

    def pieces(self, first: int, last: int) -> Iterator[Piece]:
        """What happened in a range of blocks, as pieces of so many blocks that their rides fit into memory.

        Raises:
            SettlementError, BooksError: batches and events contradict each other.
            ChainMovedError: blocks were replaced meanwhile.
            LedgerError: as the source.
        """
        events = [self._decoder.decode(log) for log in self._source.logs(first, last)]
        numbers = sorted({event.log.block for event in events} | {last})
        heads = {number: head for number, head in zip(numbers, self._source.heads(numbers), strict=True) if head}
        for event in events:
            head = heads.get(event.log.block)
            if head is None or head.hash != f"0x{event.log.block_hash.hex()}":
                raise ChainMovedError(f"block {event.log.block} was replaced while it was read: read again")
        if last not in heads:
            raise ChainMovedError(f"block {last} was taken back while it was read: read again")
        for some in _split(events):
            until = last if some is None or some[-1] is events[-1] else some[-1].log.block
            yield self._piece(heads, heads[until], some or [])

    def _piece(self, heads: Mapping[int, Head], last: Head, events: Sequence[Event]) -> Piece:
        logs = [event.log for event in events if event.contract == "Clearinghouse"]
        settled = [one for one in read_settlements(logs) if one.settled]
        found = dict(zip([(one.tx, one.batch_id) for one in settled], self._find(settled), strict=True))
        settlements = {(one.tx, one.batch_id): one for one in settled}
        batches: dict[tuple[bytes, bytes], ReadBatch | UnreadBatch] = {}
        signed = []
        for event in events:
            if event.contract == "CityRegistry":
                self._keys.take(event.name, event.arguments)
            elif event.name == "BatchSettled" and event.arguments["settled"]:
                at = event.log.tx, event.log.topics[1]
                if at in batches:
                    raise BooksError(
                        f"{_name(settlements[at])}: settled twice: the events don't add up; ask another node"
                    )
                batches[at] = batch = read_found(settlements[at], found[at])
                if isinstance(batch, ReadBatch):
                    signed.append(signed_batch(batch, self._keys))
        require_outcomes(self._source, [one.settlement for one in batches.values()])
        of_piece = {event.log.block: heads[event.log.block] for event in events}
        rides = sum(len(one.settled) for one in batches.values() if isinstance(one, ReadBatch))
        return Piece(last, of_piece, events, batches, signed, rides)


def signed_batch(batch: ReadBatch, keys: Keys) -> SignedBatch:
    """What there is to check of a batch, with the keys that were registered when it settled."""
    settlement, arrays = batch.settlement, batch.arrays
    known = [(*group, keys.issuers[group]) for group in arrays.groups if group in keys.issuers]
    return SignedBatch(
        name=_name(settlement),
        batch_id=settlement.batch_id,
        data=batch.data,
        rides=len(batch.settled),
        refused=tuple(index for index, _ in settlement.refused),
        keys=tuple(known),
        signature=batch.signature,
        submitters=frozenset(keys.submitters[arrays.operator]),
    )


def _split(events: Sequence[Event]) -> Iterator[list[Event] | None]:
    """The events of whole blocks, with about PIECE_RIDES rides at a time; None once, where there are none at all."""
    piece: list[Event] = []
    rides = 0
    for event in events:
        if rides >= PIECE_RIDES and piece[-1].log.block != event.log.block:
            yield piece
            piece, rides = [], 0
        piece.append(event)
        if event.name == "BatchSettled":
            rides += event.arguments["settled"]
    yield piece or None


# ---------------------------------------------------------------- batches


def read_found(settlement: Settlement, found: Found) -> ReadBatch | UnreadBatch:
    """The batch that a settlement is of, as far as it was found.

    Raises:
        SettlementError: its rides, counts and sums aren't those of the events, or the events contradict each other.
    """
    if not isinstance(found, BatchNotFoundError):
        return read_batch(settlement, found)
    _require_totals(settlement)
    return UnreadBatch(settlement, str(found))


def read_batch(settlement: Settlement, found: FoundBatch) -> ReadBatch:
    """The batch that a settlement is of, from its bytes, held against what the events say of it.

    Raises:
        SettlementError: its rides, counts and sums aren't those of the events.
    """
    data = found.data
    name = _name(settlement)
    try:
        arrays = decode_batch(data)
    except MalformedError as error:
        raise SettlementError(f"{name}: {error}; ask another node") from error
    if arrays.operator != settlement.operator:
        raise SettlementError(f"{name}: expected operator {settlement.operator}, came {arrays.operator}")
    refused = [index for index, _ in settlement.refused]
    if len(set(refused)) != len(refused) or any(index >= len(arrays.rides) for index in refused):
        raise SettlementError(
            f"{name}: expected refused rides once each, below {len(arrays.rides)}, came {refused}; ask another node"
        )
    settled = np.setdiff1d(np.arange(len(arrays.rides)), refused)
    fares = arrays.rides["fare"].astype(np.int64)
    expected = (settlement.settled, settlement.rejected, settlement.fares)
    came = (len(settled), len(refused), int(fares[settled].sum()))
    if expected != came:
        raise SettlementError(
            f"{name}: expected {expected} as rides settled, rides refused and fares (BatchSettled), came {came} from "
            "its bytes; ask another node"
        )
    _require_pairs(name, settlement, arrays.issuers[settled], fares[settled])
    return ReadBatch(settlement, data, arrays, settled, found.signature)


def require_outcomes(source: Source, settlements: Sequence[Settlement]) -> None:
    """Make sure that the refused rides and their reasons are those that the contract keeps an outcome of.

    Asked for where there are any: how many there are, BatchSettled says.

    Raises:
        SettlementError: they aren't.
    """
    some = [settlement for settlement in settlements if settlement.refused]
    for settlement, stored in zip(some, source.outcomes([one.batch_id for one in some]), strict=True):
        if outcome(settlement.refused) != stored:
            raise SettlementError(
                f"{_name(settlement)}: expected refused rides whose outcome is 0x{stored.hex()}, came "
                f"{[*settlement.refused]}; ask another node"
            )


def _require_pairs(name: str, settlement: Settlement, issuers: Any, fares: Any) -> None:
    """One PairSettled for each issuer, with the count and the sum of its rides."""
    came = {
        int(issuer): (int((issuers == issuer).sum()), int(fares[issuers == issuer].sum()))
        for issuer in np.unique(issuers)
    }
    told = {pair.issuer: (pair.rides, pair.fares) for pair in settlement.pairs}
    if told != came or len(told) != len(settlement.pairs):
        pairs = [(pair.issuer, pair.rides, pair.fares) for pair in settlement.pairs]
        raise SettlementError(
            f"{name}: expected the issuers, rides and fares that PairSettled says, {pairs}, came "
            f"{[(issuer, *both) for issuer, both in came.items()]} from its bytes; ask another node"
        )


def _require_totals(settlement: Settlement) -> None:
    """Of a batch that nobody has: its pairs make its totals, each issuer once."""
    expected = settlement.settled, settlement.fares, len({pair.issuer for pair in settlement.pairs})
    pairs = settlement.pairs
    found = sum(pair.rides for pair in pairs), sum(pair.fares for pair in pairs), len(pairs)
    if found != expected or len(settlement.refused) != settlement.rejected:
        raise SettlementError(
            f"{_name(settlement)}: expected events with {expected} as rides, fares and issuers, and "
            f"{settlement.rejected} refused rides, got {found} and {len(settlement.refused)}; ask another node"
        )


def _name(settlement: Settlement) -> str:
    return f"batch 0x{settlement.batch_id.hex()}, transaction 0x{settlement.tx.hex()}"
