"""What became of batches on chain, told from events and transactions alone (protocol sections 5 to 8).

The chain keeps no rides: `interline.batch_source` finds a batch's bytes, and its events say which rides were refused.
This module reads the events, and holds one against the other. It only computes; whoever has a node brings the logs.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from interline.batch import Batch, outcome
from interline.errors import MalformedError, SettlementError
from interline.fields import UINT256_MAX
from interline.hashing import keccak256
from interline.ride import Ride

BATCH_SETTLED: Final = keccak256(b"BatchSettled(bytes32,uint16,uint256,uint256,uint256)")
PAIR_SETTLED: Final = keccak256(b"PairSettled(bytes32,uint16,uint16,uint256,uint256,uint256)")
RIDE_REJECTED: Final = keccak256(b"RideRejected(bytes32,uint256,uint8)")
RIDE_REFUNDED: Final = keccak256(b"RideRefunded(bytes32,uint256,uint16,uint16,uint256,uint256,uint8)")
TICKET_REVOKED: Final = keccak256(b"TicketRevoked(uint16,uint16,uint40)")

_WORD: Final = 32


@dataclass(frozen=True, slots=True)
class ChainLog:
    """An event as a node gives it: its contract (20 bytes), topics (32 bytes each) and data, and where it stands.

    `block` is the block's number, `tx` the transaction's hash (32 bytes), `place` the event's number in the block.
    """

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    block_hash: bytes
    tx: bytes
    place: int


@dataclass(frozen=True, slots=True)
class Pair:
    """One issuer's part of a settlement: how many of its rides settled, their fares, and what of it was paid (fen)."""

    issuer: int
    rides: int
    fares: int
    paid: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """One settling of a batch, as the events of its transaction tell it.

    `clearinghouse` (20 bytes) settled it; `refused` holds (index over the whole batch, reason of section 6),
    ascending; `pairs` are those of the events at hand, by issuer. `settled`, `rejected` and `fares` (fen) are for
    the whole batch.
    """

    clearinghouse: bytes
    batch_id: bytes
    operator: int
    settled: int
    rejected: int
    fares: int
    refused: tuple[tuple[int, int], ...]
    pairs: tuple[Pair, ...]
    block: int
    block_hash: bytes
    tx: bytes


@dataclass(frozen=True, slots=True)
class SettledRide:
    """A ride that settled: its place in the batch, whose ticket it was, and under which of its issuer's keys."""

    index: int
    issuer: int
    key_id: int
    ride: Ride


@dataclass(frozen=True, slots=True)
class RideRefund:
    """A part of a ride's fare that went back, `amount` of which `paid` at once (fen); `cause` counts as in IRefunds."""

    refunds: bytes
    batch_id: bytes
    index: int
    issuer: int
    operator: int
    amount: int
    paid: int
    cause: int
    block: int
    tx: bytes
    place: int


def read_settlements(logs: Iterable[ChainLog]) -> list[Settlement]:
    """The settlings that BatchSettled, PairSettled and RideRejected events tell of, in the chain's order.

    `logs` are of one Clearinghouse or several, in any order, each once; a batch of which no ride settled may be there
    several times. Events of a batch whose BatchSettled isn't among them are left out.

    Raises:
        SettlementError: an event that the ABI doesn't allow.
    """
    found: list[Settlement] = []
    refused: defaultdict[tuple[bytes, bytes, bytes], list[tuple[int, int]]] = defaultdict(list)
    pairs: defaultdict[tuple[bytes, bytes, bytes], list[Pair]] = defaultdict(list)
    for log in sorted(logs, key=lambda log: (log.block, log.place)):
        if len(log.topics) < 2:
            continue
        at = (log.address, log.tx, log.topics[1])
        if log.topics[0] == RIDE_REJECTED:
            index, reason = event_words(log, topics=2, words=2)
            refused[at].append((index, reason))
        elif log.topics[0] == PAIR_SETTLED:
            rides, fares, paid = event_words(log, topics=4, words=3)
            pairs[at].append(Pair(_number(log.topics[2]), rides, fares, paid))
        elif log.topics[0] == BATCH_SETTLED:
            settled, rejected, fares = event_words(log, topics=3, words=3)
            found.append(
                Settlement(
                    clearinghouse=log.address,
                    batch_id=log.topics[1],
                    operator=_number(log.topics[2]),
                    settled=settled,
                    rejected=rejected,
                    fares=fares,
                    refused=tuple(sorted(refused.pop(at, ()))),
                    pairs=tuple(sorted(pairs.pop(at, ()), key=lambda pair: pair.issuer)),
                    block=log.block,
                    block_hash=log.block_hash,
                    tx=log.tx,
                )
            )
    return found


def read_refund(log: ChainLog) -> RideRefund:
    """The refund that a RideRefunded event tells of.

    Raises:
        SettlementError: it is no such event.
    """
    if log.topics[:1] != (RIDE_REFUNDED,):
        raise SettlementError(f"transaction 0x{log.tx.hex()}: expected RideRefunded, came another event")
    index, amount, paid, cause = event_words(log, topics=4, words=4)
    return RideRefund(
        refunds=log.address,
        batch_id=log.topics[1],
        index=index,
        issuer=_number(log.topics[2]),
        operator=_number(log.topics[3]),
        amount=amount,
        paid=paid,
        cause=cause,
        block=log.block,
        tx=log.tx,
        place=log.place,
    )


def settled_rides(settlement: Settlement, data: bytes, stored_outcome: bytes | None = None) -> list[SettledRide]:
    """The rides of a batch that settled, in its order, each part held against the others.

    Args:
        settlement: what the events say.
        data: the batch's bytes.
        stored_outcome: the 25 bytes that `batches(batchId)` keeps; None leaves that comparison out.
    Raises:
        SettlementError: bytes of another batch, a refused ride that isn't in it, or counts, sums or an outcome that
            differ from the events.
    """
    name = f"batch 0x{settlement.batch_id.hex()}, transaction 0x{settlement.tx.hex()}"
    batch = _parsed(name, settlement, data)
    refused = dict(settlement.refused)
    if len(refused) != len(settlement.refused) or any(index >= batch.ride_count for index in refused):
        raise SettlementError(
            f"{name}: expected refused rides once each, below {batch.ride_count}, came {[*settlement.refused]}; "
            "ask another node"
        )
    rides = [SettledRide(*one) for one in batch.iter_rides() if one[0] not in refused]
    expected = (settlement.settled, settlement.rejected, settlement.fares)
    came = (len(rides), len(refused), sum(one.ride.fare for one in rides))
    if expected != came:
        raise SettlementError(
            f"{name}: expected {expected} as rides settled, rides refused and fares (BatchSettled), came {came} from "
            "its bytes; ask another node"
        )
    for pair in settlement.pairs:
        fares = [one.ride.fare for one in rides if one.issuer == pair.issuer]
        if (len(fares), sum(fares)) != (pair.rides, pair.fares):
            raise SettlementError(
                f"{name}: expected {pair.rides} rides of {pair.issuer} with fares of {pair.fares} fen (PairSettled), "
                f"came {len(fares)} with {sum(fares)} from its bytes; ask another node"
            )
    if stored_outcome is not None and outcome(settlement.refused) != stored_outcome:
        raise SettlementError(
            f"{name}: expected refused rides whose outcome is 0x{stored_outcome.hex()}, came "
            f"{[*settlement.refused]}; ask another node"
        )
    return rides


def refused_list(refused: Sequence[tuple[int, int]]) -> bytes:
    """index (2) || reason (1) of each refused ride, ascending: what `Refunds` asks for beside the batch (section 8)."""
    return b"".join(index.to_bytes(2, "big") + reason.to_bytes(1, "big") for index, reason in sorted(refused))


def event_words(log: ChainLog, *, topics: int, words: int) -> list[int]:
    """The numbers in an event's data, if it has so many topics and words.

    Raises:
        SettlementError: it has others.
    """
    if len(log.topics) != topics or len(log.data) != words * _WORD:
        raise SettlementError(
            f"transaction 0x{log.tx.hex()}: expected an event with {topics} topics and {words} words, came "
            f"{len(log.topics)} topics and {len(log.data)} bytes; is this the Clearinghouse?"
        )
    return [_number(log.data[start : start + _WORD]) for start in range(0, len(log.data), _WORD)]


def _parsed(name: str, settlement: Settlement, data: bytes) -> Batch:
    if keccak256(data) != settlement.batch_id:
        raise SettlementError(
            f"{name}: expected bytes with this hash, came 0x{keccak256(data).hex()}; ask its operator"
        )
    try:
        batch = Batch.from_bytes(data)
    except MalformedError as error:
        raise SettlementError(f"{name}: {error}; ask another node") from error
    if batch.operator != settlement.operator:
        raise SettlementError(f"{name}: expected operator {settlement.operator}, came {batch.operator}")
    return batch


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big") if len(data) == _WORD else UINT256_MAX
