"""Bringing rides to the chain: sign, send, read back (protocol sections 5 to 7).

Killed at any point and run again, it neither loses nor doubles a ride: a batch's bytes are on disk before they are
sent, it is looked for on chain before it is sent again, and it is always sent as the same bytes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gate_client import ride_log
from gate_client.batching import GAS_LIMIT, gas_bound, plan_batches
from gate_client.errors import ChainError, ChainRefusalError, ChainUnavailableError, SubmissionError
from gate_client.journal import Journal
from gate_client.pricing import PricedRide
from gate_client.ride_log import RejectedRide, StoredBatch, Unpriced
from gate_client.sending import send_signed
from gate_client.settlement import BatchRecord, Settlement, SettlementChain, TransactionState, decode_settlements
from interline.batch import Batch, outcome, sign_batch
from interline.domain import Domain
from interline.reasons import RideReason
from interline.safe_text import moment_text
from interline.signatures import address_of
from interline.tariff import Tariff

_log = logging.getLogger(__name__)

UNKNOWN_PATIENCE = 10.0
"""Seconds after which a transaction that the node doesn't know is taken for lost, and the batch is sent again."""

STOP_LENGTH = 3 * 86_400
"""Seconds that an emergency stop lasts at most."""

AFTER_A_STOP = 3 * 86_400
"""Seconds after an emergency stop in which rides still settle whose submission window ended during it."""

ALL_SETTLED = bytes(25)


@dataclass(frozen=True, slots=True)
class ClosedBatch:
    """A batch whose outcome is known; `tx` is the transaction that settled it, None where it isn't known."""

    domain: Domain
    batch_id: bytes
    tx: bytes | None
    rides: int
    settled: int
    rejected: tuple[RejectedRide, ...]


@dataclass(frozen=True, slots=True)
class WaitingBatch:
    """A batch that the chain won't take for now, and why."""

    domain: Domain
    batch_id: bytes
    problem: str


@dataclass(frozen=True, slots=True)
class _Outcome:
    refused: tuple[tuple[int, RideReason | None], ...]
    tx: bytes | None


class Submitter:
    """The way of one journal's rides of one domain to their Clearinghouse. Only one may be at work on them at a time.

    `chain` is the view of that Clearinghouse. `private_key` is the submitter's (32 bytes). `clock` gives Unix seconds.
    """

    def __init__(
        self,
        journal: Journal,
        chain: SettlementChain,
        tariff: Tariff,
        private_key: bytes,
        *,
        domain: Domain,
        max_rides: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._journal = journal
        self._chain = chain
        self._tariff = tariff
        self._private_key = private_key
        self._address = address_of(private_key)
        self._domain = domain
        self._max_rides = max_rides
        self._clock = clock
        self._flying: dict[int, bytes] = {}
        self._unknown_since: dict[int, float] = {}
        self._problems: dict[int, WaitingBatch] = {}
        self.unpriced: list[Unpriced] = []

    @property
    def waiting(self) -> list[WaitingBatch]:
        """The batches that the chain won't take; :meth:`reconsider` tries them again."""
        return list(self._problems.values())

    @property
    def busy(self) -> bool:
        """Is any batch on its way, its outcome still to come?"""
        return any(stored.id not in self._problems for stored in ride_log.open_batches(self._journal, self._domain))

    def reconsider(self) -> None:
        """Forget what was found out about the chain: after it was away, or to try again what it refused."""
        self._flying.clear()
        self._unknown_since.clear()
        self._problems.clear()

    def retry_rejected(self) -> int:
        """Let the rejected rides be sent again; returns how many.

        Raises:
            ChainUnavailableError: the node doesn't answer.
        """
        return ride_log.retry_rejected(self._journal, self._domain, from_block=self._chain.head())

    def collect(self) -> None:
        """Pair taps, price rides, and sign batches of all that are ready.

        Raises:
            ChainUnavailableError: the node doesn't answer; the rides stay ready.
        """
        now = int(self._clock())
        _, self.unpriced = ride_log.close_rides(self._journal, self._domain, self._tariff, now)
        ready = ride_log.ready_rides(self._journal, self._domain)
        if not ready:
            return
        head = self._chain.head()
        for rides in plan_batches(ready, max_rides=self._max_rides):
            batch = Batch.build(
                self._journal.operator, [(r.priced.issuer, r.priced.key_id, r.priced.ride) for r in rides]
            )
            ride_log.record_signed(
                self._journal,
                self._domain,
                rides,
                batch,
                signature=sign_batch(self._domain, self._private_key, batch),
                signer=self._address,
                from_block=head,
                now=now,
            )

    def advance(self) -> Iterator[ClosedBatch]:
        """Take every open batch one step further; yields those whose outcome is known now, and on disk.

        One batch that can't go on never blocks the others: it becomes part of :attr:`waiting`.

        Raises:
            ChainUnavailableError: the node doesn't answer.
        """
        for stored in ride_log.open_batches(self._journal, self._domain):
            if stored.id in self._problems:
                continue
            try:
                closed = self._advance(stored)
            except ChainUnavailableError:
                raise
            except (ChainError, SubmissionError) as error:
                self._keep_waiting(stored, error)
                continue
            if closed:
                yield closed

    def _advance(self, stored: StoredBatch) -> ClosedBatch | None:
        tx = self._flying.get(stored.id)
        if tx is None:
            return self._resume(stored)
        receipt = self._chain.receipt(tx)
        if receipt.state is TransactionState.UNKNOWN:
            self._lose_patience(stored)
            return None
        self._unknown_since.pop(stored.id, None)
        if receipt.state is TransactionState.PENDING:
            return None
        if receipt.state is TransactionState.SUCCEEDED:
            settlements = decode_settlements(receipt.logs, stored.batch_id)
            if settlements:
                return self._read_back(stored, settlements[-1])
        return self._after_failure(stored, tx)

    def _resume(self, stored: StoredBatch) -> ClosedBatch | None:
        """A batch of which this process doesn't know a transaction: it may have been sent before we were killed."""
        if stored.tx is not None:
            found = self._find(stored)
            if found is not None:
                return self._close(stored, found)
            if self._chain.receipt(stored.tx).state is TransactionState.PENDING:
                self._flying[stored.id] = stored.tx
                return None
        return self._launch(stored)

    def _launch(self, stored: StoredBatch) -> ClosedBatch | None:
        signature = self._signature(stored)
        gas = _gas(stored.batch)
        try:
            self._chain.check_settle(self._address, stored.data, signature, gas)
        except ChainRefusalError as refusal:
            found = self._find(stored) if refusal.name == "BatchAlreadySettled" else None
            if found is None:
                raise
            return self._close(stored, found)
        self._flying[stored.id] = send_signed(
            self._chain,
            lambda: self._chain.sign_settle(self._private_key, stored.data, signature, gas),
            lambda tx: ride_log.record_sent(self._journal, stored, tx),
        )
        return None

    def _signature(self, stored: StoredBatch) -> bytes:
        """The batch's signature, by the key that we have now: the one that signed it may be no submitter any more."""
        if stored.signer == self._address:
            return stored.signature
        signature = sign_batch(self._domain, self._private_key, stored.batch)
        ride_log.record_resigned(self._journal, stored, signature=signature, signer=self._address)
        return signature

    def _read_back(self, stored: StoredBatch, settlement: Settlement) -> ClosedBatch | None:
        """Take the outcome from a transaction's events, if the chain's own record agrees with them."""
        if settlement.settled:
            record = self._chain.batch_record(stored.batch_id)
            if record is None:
                return None  # a node behind the one that gave the receipt; the next look will tell
            if not _agrees(settlement, record):
                raise SubmissionError(
                    f"the events of 0x{settlement.tx.hex()} don't agree with what the chain stores of the batch"
                )
        _check_counts(stored, settlement)
        return self._close(stored, _outcome(settlement))

    def _after_failure(self, stored: StoredBatch, tx: bytes) -> ClosedBatch | None:
        """Our transaction changed nothing: someone else may have brought the batch, or the chain refuses it."""
        self._flying.pop(stored.id, None)
        found = self._find(stored)
        if found is not None:
            return self._close(stored, found)
        self._chain.check_settle(self._address, stored.data, stored.signature, _gas(stored.batch))
        raise SubmissionError(
            f"transaction 0x{tx.hex()} failed, though the chain takes the batch now; run submit again"
        )

    def _find(self, stored: StoredBatch) -> _Outcome | None:
        """What came of a batch, from the chain alone; None if it isn't there."""
        record = self._chain.batch_record(stored.batch_id)
        if record is None:
            # Of a batch that the chain doesn't store, no ride settled; before `from_block` it was another try.
            tries = self._settlements(stored, stored.from_block + 1)
            refused = [settlement for settlement in tries if not settlement.settled]
            if not refused:
                return None
            _check_counts(stored, refused[-1])
            return _outcome(refused[-1])
        if record.operator != self._journal.operator:
            raise SubmissionError(f"the chain names {record.operator} as this batch's operator")
        return self._from_events(stored, record) or self._without_events(stored, record)

    def _from_events(self, stored: StoredBatch, record: BatchRecord) -> _Outcome | None:
        """The outcome from the events: as a rule later than our signature, but the same bytes may have come before."""
        for from_block in (stored.signed_block + 1, self._chain.deployed_at()):
            for settlement in self._settlements(stored, from_block):
                if settlement.settled and _agrees(settlement, record):
                    return _outcome(settlement)
        return None

    def _without_events(self, stored: StoredBatch, record: BatchRecord) -> _Outcome:
        """The outcome where the node no longer has the events: which rides are settled, but not why others aren't."""
        if record.outcome == ALL_SETTLED:
            return _Outcome((), None)
        operator = self._journal.operator
        refused = tuple(
            (index, None)
            for index, issuer, _, ride in stored.batch.iter_rides()
            if not self._chain.is_settled(issuer, operator, ride.serial)
        )
        return _Outcome(refused, None)

    def _settlements(self, stored: StoredBatch, from_block: int) -> list[Settlement]:
        try:
            logs = self._chain.settlement_logs(stored.batch_id, from_block)
        except ChainUnavailableError:
            raise
        except ChainError as error:
            _log.warning("the node doesn't give the events of batch 0x%s: %s", stored.batch_id.hex(), error)
            return []
        settlements = decode_settlements(logs, stored.batch_id)
        return [settlement for settlement in settlements if settlement.operator == self._journal.operator]

    def _close(self, stored: StoredBatch, found: _Outcome) -> ClosedBatch:
        rejected = ride_log.record_outcome(self._journal, stored, found.refused, found.tx)
        self._flying.pop(stored.id, None)
        self._unknown_since.pop(stored.id, None)
        rides = stored.batch.ride_count
        return ClosedBatch(self._domain, stored.batch_id, found.tx, rides, rides - len(rejected), tuple(rejected))

    def _keep_waiting(self, stored: StoredBatch, error: ChainError | SubmissionError) -> None:
        problem = self._stop_remark(stored, error) or _advice(error)
        _log.warning("batch 0x%s waits: %s", stored.batch_id.hex(), problem)
        ride_log.record_refusal(self._journal, stored, problem)
        self._flying.pop(stored.id, None)
        self._problems[stored.id] = WaitingBatch(self._domain, stored.batch_id, problem)

    def _stop_remark(self, stored: StoredBatch, error: ChainError | SubmissionError) -> str | None:
        """Until when an emergency stop holds, and how long the rides have after it; None for any other error."""
        if not isinstance(error, ChainRefusalError) or error.name != "SettlementIsStopped":
            return None
        until = int(str(error.details[0]))
        settle_by = self._settle_by(sorted({ride.exited_at for *_, ride in stored.batch.iter_rides()}))
        if settle_by >= until - STOP_LENGTH:  # else they were too late before it began
            settle_by = max(settle_by, until + AFTER_A_STOP)
        return (
            f"settlement is stopped until {_time(until)}; the batch is kept and goes out with the first submit after "
            f"that; its rides can be settled until {_time(settle_by)}"
        )

    def _settle_by(self, exits: Sequence[int]) -> int:
        """Until when all rides of a batch can be settled, by when they ended, ascending: each has the window of its own
        time, and there are two at most."""
        window = self._chain.submission_window(exits[0])
        if window <= self._chain.submission_window(exits[-1]):
            return exits[0] + window
        return min(exited_at + self._chain.submission_window(exited_at) for exited_at in exits)

    def _lose_patience(self, stored: StoredBatch) -> None:
        since = self._unknown_since.setdefault(stored.id, time.monotonic())
        if time.monotonic() - since > UNKNOWN_PATIENCE:
            del self._flying[stored.id], self._unknown_since[stored.id]


def _advice(error: ChainError | SubmissionError) -> str:
    advice = {
        "NotSubmitter": "let the city's admin register this key as a submitter, or name another keystore",
        "OperatorNotMember": "let the consortium admit the operator, or correct gate.toml",
    }
    if isinstance(error, ChainRefusalError) and error.name in advice:
        return f"{error}: {advice[error.name]}; then run submit again"
    return str(error)


def _time(seconds: int) -> str:
    return moment_text(seconds)


def _agrees(settlement: Settlement, record: BatchRecord) -> bool:
    return settlement.operator == record.operator and outcome(settlement.refused) == record.outcome


def _check_counts(stored: StoredBatch, settlement: Settlement) -> None:
    rides = stored.batch.ride_count
    if settlement.settled + settlement.rejected != rides or settlement.rejected != len(settlement.refused):
        raise SubmissionError(
            f"expected an outcome for {rides} rides, found {settlement.settled} settled, {settlement.rejected} "
            f"rejected and {len(settlement.refused)} reasons in 0x{settlement.tx.hex()}"
        )


def _outcome(settlement: Settlement) -> _Outcome:
    return _Outcome(tuple((index, _reason(code)) for index, code in settlement.refused), settlement.tx)


def _reason(code: int) -> RideReason | None:
    try:
        return RideReason(code)
    except ValueError:
        return None


def _gas(batch: Batch) -> int:
    return min(gas_bound(PricedRide(issuer, key_id, ride) for _, issuer, key_id, ride in batch.iter_rides()), GAS_LIMIT)
