"""Disputes of settled rides: what the chain holds of one, and the evidence that answers it (protocol section 8).

Evidence is what only the rider's phone could have made: the rider key and its signatures over the codes that were shown
at `enteredAt` and `exitedAt`. An operator makes it of the codes that its gates took, and checks it here as the chain
will.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from interline.batch import Batch
from interline.code import Code
from interline.domain import Domain, code_message, ticket_hash
from interline.errors import EvidenceError, MalformedError, SettlementError
from interline.fields import UINT32_MAX, check_bytes, check_uint
from interline.hashing import keccak256
from interline.ride import Ride
from interline.rider_keys import RIDER_SIGNATURE_BYTES, RiderPublicKey
from interline.settlements import ChainLog, SettledRide, event_words
from interline.signatures import ADDRESS_BYTES

RIDE_DISPUTED: Final = keccak256(b"RideDisputed(bytes32,uint256,uint16,uint16,uint256,uint256,uint256)")
RIDE_UPHELD: Final = keccak256(b"RideUpheld(bytes32,uint256,uint16,uint16,uint256,uint256)")

P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_HALF_ORDER: Final = P256_ORDER // 2
_SCALAR: Final = 32


class Stage(IntEnum):
    """Where the dispute of a ride stands: `IRefunds.Stage` by its numbers."""

    NONE = 0
    OPEN = 1
    UPHELD = 2
    CLOSED = 3


@dataclass(frozen=True, slots=True)
class Case:
    """What `caseOf` says of a ride: its cities, fen, and the last second (Unix) for an answer, 0 if never disputed."""

    issuer: int
    operator: int
    fare: int
    refunded: int
    fee: int
    answer_until: int
    stage: Stage

    @property
    def left(self) -> int:
        """What of the fare was not refunded, fen."""
        return self.fare - self.refunded


@dataclass(frozen=True, slots=True)
class RideDispute:
    """A RideDisputed event: `amount` and `fee` in fen, `answer_until` the last second (Unix) for an answer.

    `refunds` (20 bytes) is the contract that holds the case, `block` and `tx` where it was asked.
    """

    refunds: bytes
    batch_id: bytes
    index: int
    issuer: int
    operator: int
    amount: int
    answer_until: int
    fee: int
    block: int
    tx: bytes


@dataclass(frozen=True, slots=True)
class RideFacts:
    """What an answer says about the ride: ticket hash (32 bytes), rider (20 bytes), and its times, Unix seconds.

    Raises:
        MalformedError: a field that has another length or range.
    """

    ticket_hash: bytes
    rider: bytes
    entered_at: int
    exited_at: int

    def __post_init__(self) -> None:
        check_bytes("ticket hash", self.ticket_hash, 32)
        check_bytes("rider", self.rider, ADDRESS_BYTES)
        check_uint("enteredAt", self.entered_at, UINT32_MAX)
        check_uint("exitedAt", self.exited_at, UINT32_MAX)

    @classmethod
    def of(cls, domain: Domain, operator: int, issuer: int, key_id: int, ride: Ride) -> Self:
        """The facts of a ride in a batch of that operator, settled in that domain."""
        return cls(
            ticket_hash(
                domain,
                issuer=issuer,
                key_id=key_id,
                operator=operator,
                serial=ride.serial,
                not_after=ride.not_after,
                fare_cap=ride.fare_cap,
                rider=ride.rider,
            ),
            ride.rider,
            ride.entered_at,
            ride.exited_at,
        )

    @property
    def shown_at(self) -> tuple[int, ...]:
        """The times of the codes that prove the ride: two, or one for a lone ride."""
        return tuple(dict.fromkeys((self.entered_at, self.exited_at)))

    @property
    def commitment(self) -> bytes:
        """What the chain keeps of the facts of a disputed ride: keccak256 of their ABI encoding."""
        times = [time.to_bytes(32, "big") for time in (self.entered_at, self.exited_at)]
        return keccak256(self.ticket_hash + self.rider + bytes(12) + b"".join(times))


@dataclass(frozen=True, slots=True)
class Evidence:
    """The rider key's coordinates (32 bytes each) and r || s (64 bytes) over each code, s in the lower half.

    `exit_signature` is empty where the ride's two times are equal.
    """

    x: bytes
    y: bytes
    entry_signature: bytes
    exit_signature: bytes

    @property
    def signatures(self) -> tuple[bytes, ...]:
        """One for each time of the ride."""
        return tuple(signature for signature in (self.entry_signature, self.exit_signature) if signature)


def evidence_of(facts: RideFacts, codes: Iterable[Code]) -> Evidence:
    """The evidence for a ride from the codes that were shown for it, in any order, checked.

    Raises:
        EvidenceError: there is no code of one of its times, or one that isn't the ride's.
    """
    by_time = {code.shown_at: code for code in codes}
    missing = [time for time in facts.shown_at if time not in by_time]
    if missing:
        raise EvidenceError(
            f"expected codes shown at {_listed(facts.shown_at)}, came none of {_listed(missing)}, only of "
            f"{_listed(sorted(by_time))}"
        )
    shown = [by_time[time] for time in facts.shown_at]
    signatures = [in_lower_half(code.rider_signature) for code in shown]
    evidence = Evidence(shown[0].rider.x, shown[0].rider.y, signatures[0], b"".join(signatures[1:]))
    check_evidence(facts, evidence)
    return evidence


def check_evidence(facts: RideFacts, evidence: Evidence) -> None:
    """Check evidence as the chain does, before it is sent.

    Raises:
        EvidenceError: the key isn't the one that the ticket names, or a signature isn't this key's over the code.
    """
    key = _key(evidence)
    if key is None or key.address != facts.rider:
        came = "no point of P-256" if key is None else f"0x{key.address.hex()}"
        raise EvidenceError(f"expected the rider key of 0x{facts.rider.hex()}, which the ticket names, came {came}")
    if bool(evidence.exit_signature) != (len(facts.shown_at) == 2):
        raise EvidenceError(f"expected {len(facts.shown_at)} signatures, came {len(evidence.signatures)}")
    for time, signature in zip(facts.shown_at, evidence.signatures, strict=True):
        verifies = key.verify(code_message(facts.ticket_hash, time), signature)
        if not verifies or int.from_bytes(signature[_SCALAR:], "big") > _HALF_ORDER:
            raise EvidenceError(
                f"expected the rider key's signature over this ticket's code shown at {time}, came another"
            )


def in_lower_half(signature: bytes) -> bytes:
    """A P-256 signature (r || s, 64 bytes) with s in the lower half: both halves are signatures of the same message.

    Raises:
        MalformedError: not 64 bytes.
    """
    check_bytes("rider signature", signature, RIDER_SIGNATURE_BYTES)
    s = int.from_bytes(signature[_SCALAR:], "big")
    return signature if s <= _HALF_ORDER or s >= P256_ORDER else signature[:_SCALAR] + (P256_ORDER - s).to_bytes(32)


def ride_at(batch: Batch, index: int) -> SettledRide:
    """The ride of that index over the whole batch, from 0.

    Raises:
        MalformedError: the batch has no such ride.
    """
    for place, issuer, key_id, ride in batch.iter_rides():
        if place == index:
            return SettledRide(place, issuer, key_id, ride)
    raise MalformedError(f"ride: expected an index below {batch.ride_count}, came {index}")


def read_dispute(log: ChainLog) -> RideDispute:
    """The dispute that a RideDisputed event tells of.

    Raises:
        SettlementError: it is no such event.
    """
    if log.topics[:1] != (RIDE_DISPUTED,):
        raise SettlementError(f"transaction 0x{log.tx.hex()}: expected RideDisputed, came another event")
    index, amount, answer_until, fee = event_words(log, topics=4, words=4)
    return RideDispute(
        refunds=log.address,
        batch_id=log.topics[1],
        index=index,
        issuer=int.from_bytes(log.topics[2], "big"),
        operator=int.from_bytes(log.topics[3], "big"),
        amount=amount,
        answer_until=answer_until,
        fee=fee,
        block=log.block,
        tx=log.tx,
    )


def _key(evidence: Evidence) -> RiderPublicKey | None:
    parity = evidence.y[-1:] and evidence.y[-1] & 1
    try:
        key = RiderPublicKey(bytes((2 + (parity or 0),)) + evidence.x)
    except MalformedError:
        return None
    return key if key.y == evidence.y else None


def _listed(times: Iterable[int]) -> str:
    return ", ".join(map(str, times)) or "no time"
