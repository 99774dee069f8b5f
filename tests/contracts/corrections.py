"""What corrects a settled ride: refunds, disputes, and the evidence that only a rider's phone can make."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from interline.batch import Batch
from interline.domain import Domain, code_message, ticket_hash
from interline.ride import Ride
from interline.rider_keys import RiderPrivateKey
from tests.contracts.node import Contract, Event, Receipt
from tests.contracts.story import EVENING, HANGZHOU, STRANGER, XUZHOU, City, Claim, World

P256_ORDER = 0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551
PHONE = RiderPrivateKey.from_scalar((42).to_bytes(32, "big"))
"""The phone of the rider that the tests look at."""
ANOTHER_PHONE = RiderPrivateKey.from_scalar((43).to_bytes(32, "big"))

BY_OPERATOR, UNANSWERED, REVOKED = range(3)
"""The causes of a refund."""
NEVER, OPEN, UPHELD, CLOSED = range(4)
"""Where a dispute stands."""


@dataclass(frozen=True)
class Settled:
    """A batch that settled, with the list of its refused rides: what a correction names its ride by."""

    batch: Batch
    refusals: tuple[tuple[int, int], ...] = ()

    @property
    def id(self) -> bytes:
        return self.batch.id

    @property
    def data(self) -> bytes:
        return self.batch.to_bytes()

    @property
    def refused(self) -> bytes:
        """The list as the outcome is made from it."""
        return list_of(self.refusals)

    def claim(self, index: int = 0) -> Claim:
        """The ride with its issuer and key."""
        [found] = [(issuer, key_id, ride) for at, issuer, key_id, ride in self.batch.iter_rides() if at == index]
        return found


def list_of(refusals: Iterable[tuple[int, int]]) -> bytes:
    """`index (2) || reason (1)` of each."""
    return b"".join(index.to_bytes(2, "big") + bytes([reason]) for index, reason in refusals)


def settled(world: World, *claims: Claim, operator: City = HANGZHOU, at: int = EVENING) -> Settled:
    """A batch of these rides, settled."""
    batch = Batch.build(operator.code, claims)
    receipt = world.send(batch, world.sign(batch, operator=operator), at=at)
    refusals = tuple((e.args["index"], e.args["reason"]) for e in receipt.named("RideRejected"))
    return Settled(batch, refusals)


def ridden(world: World, *, at: int = EVENING, **fields: object) -> Settled:
    """One ride of the story's rider for 5.03 yuan, or with these fields, settled."""
    return settled(world, world.ride(**({"rider": PHONE.public.address} | fields)), at=at)  # type: ignore[arg-type]


# ---------------------------------------------------------------- what people do


@dataclass(frozen=True)
class Corrections:
    """The refunds contract of a world, and what the story's cities do with it."""

    world: World

    @property
    def contract(self) -> Contract:
        return self.world.refunds

    def refund(
        self, of: Settled, amount: int, *, index: int = 0, sender: str = HANGZHOU.treasury, at: int | None = None
    ) -> Receipt:
        """The operator gives `amount` fen back."""
        receipt: Receipt = self.contract.refund(of.data, of.refused, index, amount, sender=sender, at=at)
        return receipt

    def dispute(self, of: Settled, *, index: int = 0, sender: str = XUZHOU.treasury, at: int | None = None) -> Receipt:
        """The issuer asks for evidence."""
        receipt: Receipt = self.contract.dispute(of.data, of.refused, index, sender=sender, at=at)
        return receipt

    def refund_revoked(self, of: Settled, *, index: int = 0, sender: str = STRANGER, at: int | None = None) -> Receipt:
        """Anyone has a ride on a revoked ticket refunded."""
        receipt: Receipt = self.contract.refundRevoked(of.data, of.refused, index, sender=sender, at=at)
        return receipt

    def refund_unanswered(
        self, of: Settled, *, index: int = 0, sender: str = STRANGER, at: int | None = None
    ) -> Receipt:
        """Anyone makes the refund happen that follows from silence."""
        receipt: Receipt = self.contract.refundUnanswered(of.id, index, sender=sender, at=at)
        return receipt

    def answer(self, of: Settled, evidence: Evidence, *, index: int = 0, at: int | None = None) -> Receipt:
        """Anyone answers."""
        receipt: Receipt = self.contract.answer(of.id, index, evidence.facts, evidence.shown, sender=STRANGER, at=at)
        return receipt

    def case(self, of: Settled, index: int = 0) -> tuple[int, ...]:
        """(issuer, operator, fare, refunded, fee, answerUntil, stage)"""
        whole: tuple[int, ...] = self.contract.caseOf(of.id, index)
        return whole

    def stage(self, of: Settled, index: int = 0) -> int:
        return self.case(of, index)[-1]

    def disputed(self, issuer: City = XUZHOU, operator: City = HANGZHOU) -> int:
        amount: int = self.contract.disputed(issuer.code, operator.code)
        return amount


# ---------------------------------------------------------------- evidence


@dataclass(frozen=True)
class Evidence:
    """An answer: what it says of the ride, the rider key, and a signature for each code that was shown."""

    ticket_hash: bytes
    rider: bytes
    entered_at: int
    exited_at: int
    x: bytes
    y: bytes
    entry: bytes
    exit: bytes

    @property
    def facts(self) -> tuple[bytes, bytes, int, int]:
        return self.ticket_hash, self.rider, self.entered_at, self.exited_at

    @property
    def shown(self) -> tuple[bytes, bytes, bytes, bytes]:
        return self.x, self.y, self.entry, self.exit

    def but(self, **changes: object) -> Evidence:
        """The same with these changes."""
        return replace(self, **changes)  # type: ignore[arg-type]


def evidence_of(domain: Domain, claim: Claim, *, operator: City = HANGZHOU, phone: RiderPrivateKey = PHONE) -> Evidence:
    """What a phone made for a ride."""
    issuer, key_id, ride = claim
    ticket = hash_of(domain, issuer, key_id, operator, ride)
    lone = ride.entered_at == ride.exited_at
    return Evidence(
        ticket_hash=ticket,
        rider=ride.rider,
        entered_at=ride.entered_at,
        exited_at=ride.exited_at,
        x=phone.public.x,
        y=phone.public.y,
        entry=shown_at(phone, ticket, ride.entered_at),
        exit=b"" if lone else shown_at(phone, ticket, ride.exited_at),
    )


def shown_at(phone: RiderPrivateKey, ticket: bytes, moment: int) -> bytes:
    """The rider signature of the code at that time, s in the lower half."""
    return in_lower_half(phone.sign(code_message(ticket, moment)))


def in_lower_half(signature: bytes) -> bytes:
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + min(s, P256_ORDER - s).to_bytes(32, "big")


def in_upper_half(signature: bytes) -> bytes:
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + max(s, P256_ORDER - s).to_bytes(32, "big")


def hash_of(domain: Domain, issuer: int, key_id: int, operator: City, ride: Ride) -> bytes:
    """The ticket hash of a ride's ticket."""
    return ticket_hash(
        domain,
        issuer=issuer,
        key_id=key_id,
        operator=operator.code,
        serial=ride.serial,
        not_after=ride.not_after,
        fare_cap=ride.fare_cap,
        rider=ride.rider,
    )


# ---------------------------------------------------------------- events


def refunded(
    of: Settled,
    amount: int,
    *,
    paid: int | None = None,
    cause: int = BY_OPERATOR,
    index: int = 0,
    issuer: City = XUZHOU,
    operator: City = HANGZHOU,
) -> Event:
    """The event of a refund; `paid` at once, all of it if nothing is said."""
    return Event(
        "RideRefunded",
        batchId=of.id,
        index=index,
        issuer=issuer.code,
        operator=operator.code,
        amount=amount,
        paid=amount if paid is None else paid,
        cause=cause,
    )
