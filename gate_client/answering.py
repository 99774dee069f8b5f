"""Answering disputes with what the gates took: the codes that riders showed (protocol section 8).

Killed at any point and run again, each dispute is answered once: the transaction is in the journal before it is sent,
and the chain, which takes one answer, is asked before another is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from gate_client import dispute_log
from gate_client.dispute_log import DisputeState, StoredDispute
from gate_client.errors import ChainError, ChainRefusalError, ChainUnavailableError
from gate_client.journal import Journal
from gate_client.sending import send_signed
from gate_client.settlement import Receipt, SignedTransaction, TransactionState
from interline.batch import Batch
from interline.code import Code
from interline.disputes import Case, Evidence, RideDispute, RideFacts, Stage, evidence_of, ride_at
from interline.domain import Domain
from interline.errors import EvidenceError, MalformedError
from interline.hashing import keccak256
from interline.settlements import SettledRide
from interline.signatures import address_of

_log = logging.getLogger(__name__)

OVERLAP = 1_000
"""Blocks before the remembered one that are read again: they may have been replaced."""

SETTLED_AFTER = 86_400
"""Seconds after its deadline in which a closed case is still looked at: the block that closed it may be replaced."""

UNKNOWN_PATIENCE = 10.0
"""Seconds after which an answer that the node doesn't know is taken for lost, and sent again."""

NOBODY = bytes(20)


class Standing(StrEnum):
    """Where a dispute stands, for the operator."""

    READY = "ready"
    """The evidence is there, and verifies; no answer was sent."""
    ANSWERED = "answered"
    """An answer is on its way."""
    UPHELD = "upheld"
    REFUNDED = "refunded"
    NO_EVIDENCE = "no_evidence"
    REFUSED = "refused"
    """The chain or the node doesn't take the answer."""
    TOO_LATE = "too_late"
    """The time for an answer is over, and nobody has had the ride refunded yet."""


@dataclass(frozen=True, slots=True)
class Review:
    """A dispute as it was found.

    `ride` is None where the journal doesn't have it; `gas` what an answer takes, if it was tried; `problem` says why
    there is no evidence, or no answer, and what to do.
    """

    domain: Domain
    dispute: StoredDispute
    standing: Standing
    ride: SettledRide | None = None
    problem: str | None = None
    gas: int | None = None

    @property
    def is_stuck(self) -> bool:
        """Is it open, and can't be answered as things are?"""
        return self.standing in (Standing.NO_EVIDENCE, Standing.REFUSED)


class DisputeChain(Protocol):
    """What answering needs of a chain; :class:`gate_client.chain.Chain` is the real one.

    Every method may raise ChainUnavailableError.
    """

    def head_and_time(self) -> tuple[int, int]:
        """The newest block's number and time."""
        ...

    def deployed_at(self) -> int:
        """The block from which on there is anything to read."""
        ...

    def disputes(self, operator: int, from_block: int, to_block: int) -> list[RideDispute]:
        """The disputes of an operator's rides that were opened in these blocks."""
        ...

    def case(self, batch_id: bytes, index: int) -> Case:
        """Where the dispute of a ride stands."""
        ...

    def answer_gas(self, sender: bytes, batch_id: bytes, index: int, facts: RideFacts, evidence: Evidence) -> int:
        """Try an answer; raises ChainRefusalError where the contract refuses it."""
        ...

    def sign_answer(
        self, private_key: bytes, batch_id: bytes, index: int, facts: RideFacts, evidence: Evidence, gas: int
    ) -> SignedTransaction:
        """A transaction that answers."""
        ...

    def send(self, transaction: SignedTransaction) -> None:
        """Send it."""
        ...

    def receipt(self, tx: bytes) -> Receipt:
        """What has become of a transaction."""
        ...


class DisputeDesk:
    """One journal's disputes at one Clearinghouse. Only one may be at work on them at a time.

    `private_key` (32 bytes) is whoever's who brings the answers: anyone may. Without it nothing can be sent.
    """

    def __init__(
        self,
        journal: Journal,
        chain: DisputeChain,
        domain: Domain,
        private_key: bytes | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._chain = chain
        self._domain = domain
        self._private_key = private_key
        self._clock = clock
        self._sent_at: dict[tuple[bytes, int], float] = {}

    def review(self) -> tuple[int, list[Review]]:
        """Read what is new on the chain, and look at every dispute; the chain's time and what was found.

        Raises:
            ChainUnavailableError: the node doesn't answer; run again, and it goes on where it was.
        """
        head, now = self._chain.head_and_time()
        self._read(head)
        stored = dispute_log.stored_disputes(self._journal, self._domain)
        return now, [review for each in stored for review in self._look(each, now)]

    def answer(self, review: Review, *, send: bool = True) -> Review:
        """Answer a dispute that is ready, or only try it; what has become of it then.

        Raises:
            ChainUnavailableError: the node doesn't answer; the answer may have been sent or not.
        """
        try:
            return self._answer(review, send)
        except ChainUnavailableError:
            raise
        except ChainRefusalError as refusal:
            if refusal.name in ("NotDisputed", "AnswerTooLate"):  # somebody was faster, or time has run out
                _, now = self._chain.head_and_time()
                again = next(self._look(review.dispute, now), None)
                if again is not None and again.standing is not Standing.READY:
                    return again
            return replace(review, standing=Standing.REFUSED, problem=f"the chain refuses the answer: {refusal}")
        except ChainError as error:
            return replace(review, standing=Standing.REFUSED, problem=f"the answer can't be sent: {error}")

    def _answer(self, review: Review, send: bool) -> Review:
        dispute = review.dispute
        facts, evidence = self._evidence(dispute, review.ride)
        key, sender = self._private_key, NOBODY if self._private_key is None else address_of(self._private_key)
        gas = self._chain.answer_gas(sender, dispute.batch_id, dispute.index, facts, evidence)
        if key is None or not send:
            return replace(review, gas=gas)
        tx = send_signed(
            self._chain,
            lambda: self._chain.sign_answer(key, dispute.batch_id, dispute.index, facts, evidence, gas * 5 // 4),
            lambda tx: dispute_log.record_answer(self._journal, self._domain, dispute, tx),
        )
        self._sent_at[dispute.batch_id, dispute.index] = self._clock()
        return replace(review, standing=Standing.ANSWERED, dispute=replace(dispute, tx=tx), gas=gas)

    def _read(self, head: int) -> None:
        known = dispute_log.read_up_to(self._journal, self._domain)
        first = self._chain.deployed_at()
        start = first if known is None else max(first, min(known, head) - OVERLAP)
        found = self._chain.disputes(self._journal.operator, start, head)
        if found or known != head:
            dispute_log.record_disputes(self._journal, self._domain, found, head)

    def _look(self, dispute: StoredDispute, now: int) -> Iterator[Review]:
        """What is there to say of a dispute; nothing, if it isn't on the chain any more."""
        ride = self._ride(dispute)
        if dispute.state is not DisputeState.OPEN and now > dispute.answer_until + SETTLED_AFTER:
            yield Review(self._domain, dispute, Standing(dispute.state.value), ride)
            return
        case = self._chain.case(dispute.batch_id, dispute.index)
        if case.stage is Stage.NONE:
            _log.warning("the dispute of ride %d of 0x%s is gone", dispute.index, dispute.batch_id.hex())
            dispute_log.forget(self._journal, self._domain, dispute)
            return
        state = _STATES[case.stage]
        if state is not dispute.state:
            dispute_log.record_state(self._journal, self._domain, dispute, state)
            dispute = replace(dispute, state=state)
        if state is not DisputeState.OPEN:
            yield Review(self._domain, dispute, Standing(state.value), ride)
            return
        yield self._open(replace(dispute, amount=case.left), ride, now)

    def _open(self, dispute: StoredDispute, ride: SettledRide | None, now: int) -> Review:
        def review(standing: Standing, problem: str | None = None) -> Review:
            return Review(self._domain, dispute, standing, ride, problem)

        if self._is_under_way(dispute):
            return review(Standing.ANSWERED)
        if now > dispute.answer_until:
            return review(Standing.TOO_LATE)
        try:
            self._evidence(dispute, ride)
        except EvidenceError as error:
            return review(Standing.NO_EVIDENCE, str(error))
        return review(Standing.READY)

    def _is_under_way(self, dispute: StoredDispute) -> bool:
        if dispute.tx is None:
            return False
        state = self._chain.receipt(dispute.tx).state
        if state is TransactionState.UNKNOWN:
            sent_at = self._sent_at.get((dispute.batch_id, dispute.index))
            return sent_at is not None and self._clock() - sent_at < UNKNOWN_PATIENCE
        return state is not TransactionState.FAILED

    def _ride(self, dispute: StoredDispute) -> SettledRide | None:
        data = dispute_log.batch_in(self._journal, self._domain, dispute.batch_id)
        if data is None or keccak256(data) != dispute.batch_id:
            return None
        return ride_at(Batch.from_bytes(data), dispute.index)

    def _evidence(self, dispute: StoredDispute, ride: SettledRide | None) -> tuple[RideFacts, Evidence]:
        """The facts of a disputed ride and the evidence for it, checked as the chain will.

        Raises:
            EvidenceError: it isn't in the journal, or isn't the ride's; the message says what to do.
        """
        if ride is None:
            raise EvidenceError(self._why_no_ride(dispute))
        facts = RideFacts.of(self._domain, self._journal.operator, ride.issuer, ride.key_id, ride.ride)
        codes = dispute_log.codes_of(self._journal, self._domain, dispute.batch_id, dispute.index)
        kept = [code for code in codes if code is not None]
        if len(kept) < len(codes):
            raise EvidenceError("its codes were deleted by gate-client prune; restore the journal from before, or wait")
        try:
            return facts, evidence_of(facts, map(Code.from_bytes, kept))
        except (EvidenceError, MalformedError) as error:
            raise EvidenceError(
                f"the codes in {self._journal.path} don't prove the ride: {error}; restore the journal from a copy"
            ) from None

    def _why_no_ride(self, dispute: StoredDispute) -> str:
        if dispute_log.batch_in(self._journal, self._domain, dispute.batch_id) is None:
            return (
                f"the batch isn't in {self._journal.path}; answer with the journal of the gates that sent it "
                f"(journal in gate.toml)"
            )
        return f"the batch in {self._journal.path} is damaged; restore the journal from a copy"


_STATES = {
    Stage.OPEN: DisputeState.OPEN,
    Stage.UPHELD: DisputeState.UPHELD,
    Stage.CLOSED: DisputeState.REFUNDED,
}
