"""Disputes and claims: what an issuer asks of rides that settled on its tickets (protocol section 8).

The chain keeps every case; nothing of it is kept here. A command that was stopped is simply run again: what was asked
or claimed meanwhile is found there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from interline.disputes import Case, RideDispute, Stage
from interline.errors import BatchNotFoundError, SettlementError
from interline.reasons import RideReason
from interline.settlements import RideRefund, SettledRide, Settlement, refused_list, settled_rides
from interline.signatures import to_checksum
from issuer_client.chain_types import Block, Call, House, Terms
from issuer_client.errors import ChainError, ChainRefusalError, DisputeRefusedError
from issuer_client.feed import Item

log = logging.getLogger(__name__)


class DisputeChain(Protocol):
    """What disputes need of a chain; :class:`issuer_client.chain.Chain` is the real one."""

    def head(self) -> Block:
        """The newest block."""
        ...

    def line(self) -> tuple[House, ...]:
        """The Clearinghouses of the line of succession, the oldest first."""
        ...

    def settled_at(self, house: bytes, batch_id: bytes) -> int | None:
        """When a batch settled there."""
        ...

    def settlement(self, house: bytes, batch_id: bytes, from_block: int) -> Settlement | None:
        """The settlement of one batch."""
        ...

    def batch(self, settlement: Settlement, given: Mapping[bytes, bytes]) -> bytes:
        """The bytes of a settled batch; BatchNotFoundError if they are nowhere."""
        ...

    def outcome(self, house: bytes, batch_id: bytes) -> bytes:
        """What the chain stores of a batch's refused rides."""
        ...

    def disputes(self, refunds: bytes, issuer: int, from_block: int, to_block: int) -> list[RideDispute]:
        """The disputes that an issuer opened in these blocks."""
        ...

    def refunded(self, refunds: bytes, issuer: int, from_block: int, to_block: int) -> list[RideRefund]:
        """The refunds of rides on an issuer's tickets in these blocks."""
        ...

    def case(self, refunds: bytes, batch_id: bytes, index: int) -> Case:
        """Where the dispute of a ride stands."""
        ...

    def terms(self, house: bytes, exited_at: int) -> Terms:
        """What holds for a ride that ended then."""
        ...

    def treasury(self, city: int) -> bytes:
        """The address of a city's treasury."""
        ...

    def refunds_call(self, refunds: bytes, function: str, *arguments: object) -> Call:
        """A call to a contract for refunds."""
        ...

    def gas(self, sender: bytes, call: Call) -> int:
        """Try a call; ChainRefusalError where the contract refuses it."""
        ...


@dataclass(frozen=True, slots=True)
class SettledBatch:
    """A batch as it settled: its bytes, the rides that did, and why the others didn't. `settled_at` is Unix seconds."""

    house: House
    settlement: Settlement
    data: bytes
    rides: dict[int, SettledRide]
    settled_at: int

    @property
    def refused(self) -> bytes:
        """The list that the contract asks for."""
        return refused_list(self.settlement.refused)


@dataclass(frozen=True, slots=True)
class Intent:
    """A dispute that can be opened: the ride, the call, and the gas that it takes.

    `amount` is what of the fare hangs on it, `fee` what the city pays if the ride is upheld (fen); `answer_until` is
    until when an answer would be possible, if it were opened now (Unix seconds).
    """

    batch: SettledBatch
    ride: SettledRide
    amount: int
    fee: int
    answer_until: int
    call: Call
    gas: int


class CaseState(StrEnum):
    """Where a ride stands, for its issuer. Programs may rely on these names."""

    OPEN = "open"
    CLAIMABLE = "claimable"
    """No answer came in time: `claim` has it refunded."""
    UPHELD = "upheld"
    REFUNDED = "refunded"
    """Nothing of the fare is left, whether it was disputed or not."""
    PARTLY_REFUNDED = "partly_refunded"
    """The operator gave something back, unasked."""


@dataclass(frozen=True, slots=True)
class KnownCase:
    """A ride that was disputed or refunded, with what was refunded of it, in the chain's order."""

    house: House
    batch_id: bytes
    index: int
    case: Case
    state: CaseState
    refunds: tuple[RideRefund, ...] = field(default=())


class ClaimKind(StrEnum):
    """Why a ride is to be refunded, as `IRefunds.Cause` names it."""

    UNANSWERED = "unanswered"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Claim:
    """A refund that anyone can make happen now; `amount` is what is left of the fare, fen."""

    kind: ClaimKind
    house: House
    batch_id: bytes
    index: int
    operator: int
    amount: int
    call: Call


class Disputes:
    """One city's disputes at all Clearinghouses of the line; `given` are bytes of batches, by their ids, given by hand.

    Raises, from every method:
        ChainError: the chain can't be asked.
    """

    def __init__(self, issuer: int, chain: DisputeChain, given: Mapping[bytes, bytes] | None = None) -> None:
        self._issuer = issuer
        self._chain = chain
        self._line = chain.line()
        self._given = given or {}
        self._batches: dict[tuple[bytes, bytes], SettledBatch] = {}
        """By Clearinghouse and id: with tickets of two domains, a batch settles in two."""

    # ------------------------------------------------------------ opening

    def batches(self, batch_id: bytes, clearinghouse: bytes | None = None) -> list[SettledBatch]:
        """A batch as it settled at each Clearinghouse of the line, or at that one, each part checked.

        Raises:
            DisputeRefusedError: none of its rides settled there.
            SettlementError: its bytes weren't found, or the node's answers don't fit together.
        """
        line = [house for house in self._line if clearinghouse in (None, house.address)]
        found = [batch for house in line if (batch := self._batch(house, batch_id)) is not None]
        if not found:
            houses = ", ".join(to_checksum(house.address) for house in line or self._line)
            given = "" if line else f", and {to_checksum(clearinghouse or b'')} is none of them"
            raise DisputeRefusedError(
                f"batch 0x{batch_id.hex()}: expected one that settled at {houses}; none did{given}"
            )
        return found

    def choose(self, batches: Sequence[SettledBatch], index: int) -> SettledBatch:
        """Of a batch as it settled at several Clearinghouses, the one where a ride settled; any where it didn't.

        Raises:
            DisputeRefusedError: it settled at more than one.
        """
        there = [batch for batch in batches if index in batch.rides]
        if len(there) > 1:
            houses = " and ".join(to_checksum(batch.house.address) for batch in there)
            raise DisputeRefusedError(f"ride {index}: settled at {houses}; say at which, with --clearinghouse ADDRESS")
        return (there or batches)[0]

    def intend(self, batch: SettledBatch, index: int, now: int) -> Intent:
        """What disputing a ride would ask and cost.

        Raises:
            DisputeRefusedError: it can't be disputed; the message says why.
        """
        ride = self._own_ride(batch, index)
        refunds = _refunds(batch.house)
        case = self._chain.case(refunds, batch.settlement.batch_id, index)
        terms = self._chain.terms(batch.house.address, ride.ride.exited_at)
        if case.stage is not Stage.NONE:
            raise DisputeRefusedError(
                f"ride {index}: expected one that was never disputed, came one that is {case.stage.name.lower()}; see "
                "issuer-client disputes"
            )
        left = ride.ride.fare - case.refunded
        if left == 0:
            raise DisputeRefusedError(f"ride {index}: all of its fare of {ride.ride.fare} fen was refunded before")
        if batch.settled_at + terms.dispute_time < now:
            raise DisputeRefusedError(
                f"ride {index}: expected one that settled at {now - terms.dispute_time} or later, came one of "
                f"{batch.settled_at}: it is too late to dispute it"
            )
        call = self._chain.refunds_call(refunds, "dispute", batch.data, batch.refused, index)
        gas = self._chain.gas(self._chain.treasury(self._issuer), call)
        return Intent(batch, ride, left, terms.fee, now + terms.answer_time, call, gas)

    # ------------------------------------------------------------ what there is

    def cases(self) -> tuple[Block, list[KnownCase]]:
        """Every ride on this city's tickets that was disputed or refunded, in the chain's order, as of the block."""
        head = self._chain.head()
        found = [known for house in self._line if house.refunds for known in self._cases_at(house, head)]
        return head, found

    def ride(self, known: KnownCase) -> SettledRide | None:
        """The ride of a case; None where its batch's bytes can't be read from the chain."""
        try:
            batch = self._batch(known.house, known.batch_id)
            return None if batch is None else batch.rides.get(known.index)
        except (SettlementError, ChainError) as error:
            log.warning("batch 0x%s: %s", known.batch_id.hex(), error)
            return None

    # ------------------------------------------------------------ claiming

    def claims(self, cases: Iterable[KnownCase], revoked: Iterable[tuple[Item, int]]) -> Iterator[Claim]:
        """What can be claimed now: disputes without an answer, and rides that began too late after a revocation.

        Args:
            cases: those of :meth:`cases`.
            revoked: settled rides and when their tickets were revoked, Unix seconds.
        """
        for known in cases:
            if known.state is CaseState.CLAIMABLE:
                call = self._chain.refunds_call(_refunds(known.house), "refundUnanswered", known.batch_id, known.index)
                yield self._claim(ClaimKind.UNANSWERED, known.house, known.batch_id, known.index, known.case, call)
        houses = {house.address: house for house in self._line}
        for item, revoked_at in revoked:
            assert item.ride is not None
            house = houses.get(item.house)
            if house is not None and house.refunds:
                yield from self._revoked(house, item, revoked_at)

    def _revoked(self, house: House, item: Item, revoked_at: int) -> Iterator[Claim]:
        assert item.ride is not None
        if item.ride.entered_at <= revoked_at:
            return
        terms = self._chain.terms(house.address, item.ride.exited_at)
        if item.ride.entered_at <= revoked_at + terms.grace or item.time + terms.dispute_time < self._now():
            return
        case = self._chain.case(_refunds(house), item.batch_id, item.place)
        left = item.ride.fare - case.refunded
        if left == 0:
            return
        try:
            batch = self._batch(house, item.batch_id)
        except BatchNotFoundError as error:  # the other claims go on
            log.warning("ride %d can't be claimed: %s", item.place, error)
            return
        if batch is None:
            return  # its block was replaced meanwhile
        call = self._chain.refunds_call(_refunds(house), "refundRevoked", batch.data, batch.refused, item.place)
        yield Claim(ClaimKind.REVOKED, house, item.batch_id, item.place, item.operator, left, call)

    def _now(self) -> int:
        return self._chain.head().time

    def _claim(self, kind: ClaimKind, house: House, batch_id: bytes, index: int, case: Case, call: Call) -> Claim:
        return Claim(kind, house, batch_id, index, case.operator, case.left, call)

    def is_done(self, claim: Claim, refusal: ChainRefusalError) -> bool:
        """Was a claim refused because somebody else has made it, or the operator has paid back the ride?"""
        if refusal.name not in ("NotDisputed", "NothingLeft"):
            return False
        case = self._chain.case(_refunds(claim.house), claim.batch_id, claim.index)
        return case.left == 0 or case.stage is Stage.UPHELD

    # ------------------------------------------------------------ internals

    def _batch(self, house: House, batch_id: bytes) -> SettledBatch | None:
        """The batch as it settled at one Clearinghouse; None if none of its rides did."""
        at = house.address, batch_id
        if at not in self._batches:
            settled_at = self._chain.settled_at(*at)
            if settled_at is None:
                return None
            settlement = self._chain.settlement(*at, house.deployed_at)
            if settlement is None:
                raise ChainError(
                    f"batch 0x{batch_id.hex()}: expected its events, came none; use a node that keeps all events"
                )
            data = self._chain.batch(settlement, self._given)
            rides = settled_rides(settlement, data, self._chain.outcome(*at))
            self._batches[at] = SettledBatch(house, settlement, data, {one.index: one for one in rides}, settled_at)
        return self._batches[at]

    def _own_ride(self, batch: SettledBatch, index: int) -> SettledRide:
        ride = batch.rides.get(index)
        if ride is None:
            reason = dict(batch.settlement.refused).get(index)
            if reason is None:
                count = batch.settlement.settled + batch.settlement.rejected
                raise DisputeRefusedError(f"ride {index}: expected one of the batch's {count} rides, from 0")
            raise DisputeRefusedError(f"ride {index}: was refused on chain ({RideReason(reason).name}); nobody paid it")
        if ride.issuer != self._issuer:
            raise DisputeRefusedError(
                f"ride {index}: expected one on a ticket of {self._issuer}, came one of {ride.issuer}"
            )
        return ride

    def _cases_at(self, house: House, head: Block) -> Iterator[KnownCase]:
        refunds = _refunds(house)
        went_back: dict[tuple[bytes, int], list[RideRefund]] = {}
        places: dict[tuple[bytes, int], None] = {}
        asked = self._chain.disputes(refunds, self._issuer, house.deployed_at, head.number)
        given = self._chain.refunded(refunds, self._issuer, house.deployed_at, head.number)
        found = [(one.block, one.batch_id, one.index) for one in asked]
        found += [(one.block, one.batch_id, one.index) for one in given]
        for _, batch_id, index in sorted(found, key=lambda one: one[0]):
            places[batch_id, index] = None
        for refund in given:
            went_back.setdefault((refund.batch_id, refund.index), []).append(refund)
        for batch_id, index in places:
            case = self._chain.case(refunds, batch_id, index)
            yield KnownCase(
                house, batch_id, index, case, _state(case, head.time), tuple(went_back.get((batch_id, index), ()))
            )


def _state(case: Case, now: int) -> CaseState:
    if case.stage is Stage.OPEN:
        return CaseState.CLAIMABLE if now > case.answer_until else CaseState.OPEN
    if case.stage is Stage.UPHELD:
        return CaseState.UPHELD
    return CaseState.PARTLY_REFUNDED if case.left else CaseState.REFUNDED


def _refunds(house: House) -> bytes:
    if house.refunds is None:
        raise ChainError(
            f"{to_checksum(house.address)}: expected a contract for refunds, came none: it knows no disputes"
        )
    return house.refunds
