"""A chain in a few lines: settles batches by the rules that a client can see, and fails on demand."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from gate_client.errors import ChainRefusalError, ChainUnavailableError, StaleNonceError
from gate_client.settlement import (
    ARREARS_PAID,
    BATCH_SETTLED,
    RIDE_REJECTED,
    WITHHELD_RELEASED,
    BatchRecord,
    Log,
    Receipt,
    SignedTransaction,
    TransactionState,
    Withholding,
)
from gate_client.trust_list import Owing
from interline.batch import Batch, outcome
from interline.hashing import keccak256
from interline.reasons import RideReason


class Killed(BaseException):
    """Stands for SIGKILL: nothing that catches errors may catch it."""


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


@dataclass
class FakeChain:
    """`refused` are rides that don't settle, `refused_whole` what the contract answers to a batch."""

    operator: int
    refused: dict[tuple[int, int], RideReason] = field(default_factory=dict)
    refused_whole: Callable[[Batch], ChainRefusalError | None] = lambda batch: None
    mine_at_once: bool = True
    away: bool = False
    without_logs: bool = False
    stale_nonces: int = 0
    owed: dict[int, int] = field(default_factory=dict)
    withheld: dict[tuple[int, int], int] = field(default_factory=dict)
    """By (debtor, day): of what is owed."""
    due_until: int = -1
    """The last day of which anyone may release what is withheld."""
    no_funds: set[int] = field(default_factory=set)
    block: int = 100
    settled: dict[tuple[int, int], int] = field(default_factory=dict)
    records: dict[bytes, BatchRecord] = field(default_factory=dict)
    logs: list[tuple[int, Log]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    pending: dict[bytes, Callable[[bytes], list[Log] | None]] = field(default_factory=dict)
    mined: dict[bytes, Receipt] = field(default_factory=dict)
    kill_at: int | None = None
    calls: int = 0
    _known: dict[bytes, Callable[[bytes], list[Log] | None]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    # ------------------------------------------------------------ what a test does to it

    def mine(self) -> None:
        """A block with everything that is pending."""
        self.block += 1
        for tx, execute in self.pending.items():
            logs = execute(tx)
            self.mined[tx] = Receipt(
                TransactionState.FAILED if logs is None else TransactionState.SUCCEEDED, tuple(logs or ())
            )
            self.logs += [(self.block, log) for log in logs or []]
        self.pending.clear()

    def drop_pending(self) -> None:
        """The node restarts and forgets what it hasn't mined."""
        self.pending.clear()

    def relay(self, data: bytes) -> None:
        """Someone else brings a batch's bytes to the chain."""
        self.pending[word(next(self._numbers) + 2**200)] = lambda tx: self._settle(data, tx)
        self.mine()

    # ------------------------------------------------------------ SettlementChain

    def head(self) -> int:
        self._step()
        return self.block

    def deployed_at(self) -> int:
        self._step()
        return 1

    def submission_window(self, exited_at: int) -> int:
        self._step()
        return 30 * 86_400

    def batch_record(self, batch_id: bytes) -> BatchRecord | None:
        self._step()
        return self.records.get(batch_id)

    def settlement_logs(self, batch_id: bytes, from_block: int) -> list[Log]:
        self._step()
        if self.without_logs:
            return []
        return [log for block, log in self.logs if block >= from_block and log.topics[1] == batch_id]

    def is_settled(self, issuer: int, operator: int, serial: int) -> bool:
        self._step()
        return (issuer, serial) in self.settled

    def check_settle(self, sender: bytes, batch: bytes, signature: bytes, gas: int) -> None:
        self._step()
        refusal = self._refusal(Batch.from_bytes(batch))
        if refusal:
            raise refusal

    def sign_settle(self, private_key: bytes, batch: bytes, signature: bytes, gas: int) -> SignedTransaction:
        self._step()
        return self._sign(lambda tx: self._settle(batch, tx))

    def send(self, transaction: SignedTransaction) -> None:
        self._step()
        if self.stale_nonces:
            self.stale_nonces -= 1
            raise StaleNonceError("nonce too low")
        self.sent.append(transaction.hash)
        self.pending[transaction.hash] = self._known[transaction.hash]
        self._step()  # killed after it was sent, before anyone heard of it
        if self.mine_at_once:
            self.mine()

    def receipt(self, tx: bytes) -> Receipt:
        self._step()
        if tx in self.mined:
            return self.mined[tx]
        return Receipt(TransactionState.PENDING if tx in self.pending else TransactionState.UNKNOWN)

    def owing_cities(self, creditor: int) -> list[Owing]:
        self._step()
        return [Owing(b"", city, amount, self._withheld(city)) for city, amount in self.owed.items() if amount]

    def has_funds(self, city: int) -> bool:
        self._step()
        return city not in self.no_funds

    def withholdings(self, creditor: int, from_block: int, to_block: int) -> list[Withholding]:
        self._step()
        return [Withholding(debtor, day, amount, False) for (debtor, day), amount in sorted(self.withheld.items())]

    def releasable(self, sender: bytes, debtor: int, creditor: int, day: int) -> int:
        self._step()
        if day > self.due_until:
            raise ChainRefusalError("StillWithheld", ((day + 15) * 86_400,))
        return self.withheld.get((debtor, day), 0)

    def sign_release(self, private_key: bytes, debtor: int, creditor: int, day: int) -> SignedTransaction:
        self._step()

        def release(tx: bytes) -> list[Log]:
            amount = self.withheld.pop((debtor, day), 0)
            data = word(day) + word(amount)
            return [Log((WITHHELD_RELEASED, word(debtor), word(creditor)), data, tx)] if amount else []

        return self._sign(release)

    def sign_pay_arrears(self, private_key: bytes, debtor: int, creditor: int) -> SignedTransaction:
        self._step()

        def pay(tx: bytes) -> list[Log]:
            left = self._withheld(debtor)
            amount, self.owed[debtor] = self.owed[debtor] - left, left
            return [Log((ARREARS_PAID, word(debtor), word(creditor)), word(amount), tx)]

        return self._sign(pay)

    # ------------------------------------------------------------ internals

    def _withheld(self, city: int) -> int:
        return sum(amount for (debtor, _), amount in self.withheld.items() if debtor == city)

    def _step(self) -> None:
        self.calls += 1
        if self.kill_at is not None and self.calls == self.kill_at:
            raise Killed
        if self.away:
            raise ChainUnavailableError("http://127.0.0.1:1 doesn't answer")

    def _sign(self, execute: Callable[[bytes], list[Log] | None]) -> SignedTransaction:
        tx = keccak256(word(next(self._numbers)))
        self._known[tx] = execute
        return SignedTransaction(tx, b"")

    def _refusal(self, batch: Batch) -> ChainRefusalError | None:
        if batch.id in self.records:
            return ChainRefusalError("BatchAlreadySettled", ("0x" + batch.id.hex(),))
        return self.refused_whole(batch)

    def _settle(self, data: bytes, tx: bytes) -> list[Log] | None:
        batch = Batch.from_bytes(data)
        if self._refusal(batch):
            return None
        refused: list[tuple[int, int]] = []
        fares = 0
        for index, issuer, _, ride in batch.iter_rides():
            reason = self.refused.get((issuer, ride.serial))
            if reason is None and (issuer, ride.serial) in self.settled:
                reason = RideReason.AlreadySettled
            if reason is not None:
                refused.append((index, int(reason)))
                continue
            self.settled[issuer, ride.serial] = ride.fare
            fares += ride.fare
        count = batch.ride_count - len(refused)
        if count:
            self.records[batch.id] = BatchRecord(batch.operator, self.block, outcome(refused))
        return [
            *(Log((RIDE_REJECTED, batch.id), word(index) + word(reason), tx) for index, reason in refused),
            Log((BATCH_SETTLED, batch.id, word(batch.operator)), word(count) + word(len(refused)) + word(fares), tx),
        ]
