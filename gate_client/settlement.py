"""What the chain says about batches, and the part of it that the submitter talks to.

Log decoding lives here rather than in :mod:`gate_client.chain`, so that it needs neither web3 nor a network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from gate_client.trust_list import Owing
from interline.hashing import keccak256

BATCH_SETTLED = keccak256(b"BatchSettled(bytes32,uint16,uint256,uint256,uint256)")
RIDE_REJECTED = keccak256(b"RideRejected(bytes32,uint256,uint8)")
TICKET_REVOKED = keccak256(b"TicketRevoked(uint16,uint16,uint40)")
ARREARS_PAID = keccak256(b"ArrearsPaid(uint16,uint16,uint256)")
FARES_WITHHELD = keccak256(b"FaresWithheld(uint16,uint16,uint256,uint256)")
WITHHELD_RELEASED = keccak256(b"WithheldReleased(uint16,uint16,uint256,uint256)")


@dataclass(frozen=True, slots=True)
class Log:
    """An event of the Clearinghouse, undecoded: topics of 32 bytes each, and the transaction's hash."""

    topics: tuple[bytes, ...]
    data: bytes
    tx: bytes


@dataclass(frozen=True, slots=True)
class Settlement:
    """One settling of a batch, as its transaction's events tell it.

    `refused` holds (index over the whole batch, reason code of section 6), ascending.
    """

    batch_id: bytes
    operator: int
    settled: int
    rejected: int
    fares: int
    tx: bytes
    refused: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """What `batches(batchId)` holds of a batch of which a ride settled."""

    operator: int
    settled_at: int
    outcome: bytes


class TransactionState(Enum):
    """What a node knows of a transaction."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction's state; its Clearinghouse events if it succeeded."""

    state: TransactionState
    logs: tuple[Log, ...] = ()


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction that is ready to be sent; its hash (32 bytes) is known before it is."""

    hash: bytes
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Withholding:
    """What of a debtor's fares of a day (UTC, since 1970) was withheld, or, where `released`, released; fen."""

    debtor: int
    day: int
    amount: int
    released: bool


@dataclass(frozen=True, slots=True)
class RefundCall:
    """The arguments of a refund: the batch, its refused rides (`index (2) || reason (1)` each), the ride, and fen."""

    batch: bytes
    refused: bytes
    index: int
    amount: int

    @property
    def arguments(self) -> tuple[object, ...]:
        """As the contract takes them."""
        return (self.batch, self.refused, self.index, self.amount)


class SettlementChain(Protocol):
    """What the submitter needs of a chain; :class:`gate_client.chain.Chain` is the real one.

    Every method may raise ChainUnavailableError.
    """

    def head(self) -> int:
        """The newest block's number."""
        ...

    def deployed_at(self) -> int:
        """The block from which on there is anything to read."""
        ...

    def submission_window(self, exited_at: int) -> int:
        """How long after its end (Unix seconds) a ride may be settled, in seconds."""
        ...

    def batch_record(self, batch_id: bytes) -> BatchRecord | None:
        """What the chain stores of a batch, None if it stores nothing."""
        ...

    def settlement_logs(self, batch_id: bytes, from_block: int) -> list[Log]:
        """The BatchSettled and RideRejected events that name a batch, in the chain's order."""
        ...

    def is_settled(self, issuer: int, operator: int, serial: int) -> bool:
        """Has this serial paid?"""
        ...

    def check_settle(self, sender: bytes, batch: bytes, signature: bytes, gas: int) -> None:
        """Try `settle` without sending it; raises ChainRefusalError where the batch is refused as a whole."""
        ...

    def sign_settle(self, private_key: bytes, batch: bytes, signature: bytes, gas: int) -> SignedTransaction:
        """A transaction that calls `settle`, with the account's next nonce."""
        ...

    def send(self, transaction: SignedTransaction) -> None:
        """Send it; raises StaleNonceError where another transaction has taken its nonce."""
        ...

    def receipt(self, tx: bytes) -> Receipt:
        """What has become of a transaction."""
        ...

    def owing_cities(self, creditor: int) -> list[Owing]:
        """The cities that owe this one arrears, and what of them is withheld."""
        ...

    def has_funds(self, city: int) -> bool:
        """Is there anything in a city's balance?"""
        ...

    def withholdings(self, creditor: int, from_block: int, to_block: int) -> list[Withholding]:
        """What was withheld of, and released to, one city in these blocks, both included, in the chain's order."""
        ...

    def releasable(self, sender: bytes, debtor: int, creditor: int, day: int) -> int:
        """Try a release: how much it would be, fen; ChainRefusalError where it is too early."""
        ...

    def sign_release(self, private_key: bytes, debtor: int, creditor: int, day: int) -> SignedTransaction:
        """A transaction that calls `releaseWithheld`, with the account's next nonce."""
        ...

    def sign_pay_arrears(self, private_key: bytes, debtor: int, creditor: int) -> SignedTransaction:
        """A transaction that calls `payArrears`, with the account's next nonce."""
        ...


def decode_settlements(logs: Iterable[Log], batch_id: bytes) -> list[Settlement]:
    """The settlings of one batch among the Clearinghouse's events, in the chain's order.

    Each is a BatchSettled with the RideRejected events of the same transaction before it. There may be several:
    a batch of which no ride settles may be sent again.
    """
    settlements: list[Settlement] = []
    refused: list[tuple[int, int]] = []
    tx = b""
    for log in logs:
        if len(log.topics) < 2 or log.topics[1] != batch_id:
            continue
        if log.tx != tx:
            refused, tx = [], log.tx
        if log.topics[0] == RIDE_REJECTED:
            index, reason = _words(log.data)
            refused.append((index, reason))
        elif log.topics[0] == BATCH_SETTLED:
            settlements.append(_settlement(log, refused))
            refused = []
    return settlements


def decode_arrears_paid(logs: Iterable[Log], debtor: int, creditor: int) -> int:
    """How much (fen) one city paid another of its arrears in a transaction; 0 if nothing."""
    return sum(
        _words(log.data)[0]
        for log in logs
        if [*map(_number, log.topics[1:])] == [debtor, creditor] and log.topics[0] == ARREARS_PAID
    )


def decode_released(logs: Iterable[Log], debtor: int, creditor: int) -> int:
    """How much (fen) of what was withheld between two cities a transaction released; 0 if nothing."""
    return sum(
        _words(log.data)[1]
        for log in logs
        if [*map(_number, log.topics[1:])] == [debtor, creditor] and log.topics[0] == WITHHELD_RELEASED
    )


def read_withholding(log: Log) -> Withholding:
    """What a FaresWithheld or WithheldReleased event tells."""
    day, amount = _words(log.data)
    return Withholding(_number(log.topics[1]), day, amount, log.topics[0] == WITHHELD_RELEASED)


def _settlement(log: Log, refused: Iterable[tuple[int, int]]) -> Settlement:
    settled, rejected, fares = _words(log.data)
    return Settlement(
        batch_id=log.topics[1],
        operator=_number(log.topics[2]),
        settled=settled,
        rejected=rejected,
        fares=fares,
        tx=log.tx,
        refused=tuple(sorted(refused)),
    )


def _words(data: bytes) -> Sequence[int]:
    return [_number(data[start : start + 32]) for start in range(0, len(data), 32)]


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")
