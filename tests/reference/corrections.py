"""Refunds and disputes (protocol section 8)."""

from dataclasses import dataclass, field
from enum import IntEnum

from interline.batch import Batch
from interline.domain import code_message, ticket_hash
from interline.errors import MalformedError
from interline.hashing import keccak256
from interline.ride import Ride
from interline.rider_keys import RiderPublicKey
from tests.reference.errors import NotAllowed
from tests.reference.ledger import Ledger
from tests.reference.parameters import Parameters

P256_ORDER = 0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551


class Cause(IntEnum):
    """Why a refund was made."""

    BY_OPERATOR = 0
    UNANSWERED = 1
    REVOKED = 2


class Stage(IntEnum):
    """Where the dispute of a ride stands."""

    NEVER = 0
    OPEN = 1
    UPHELD = 2
    CLOSED = 3


@dataclass(frozen=True, slots=True)
class Named:
    """A ride as a correction names it: batch, `index (2) || reason (1)` of each of its refused rides, and an index."""

    batch: bytes
    refused: bytes
    index: int

    @property
    def key(self) -> tuple[bytes, int]:
        return keccak256(self.batch), self.index


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer says of a ride, the rider key's coordinates, and the signatures that its phone made."""

    facts: tuple[bytes, bytes, int, int]
    """(ticket hash, rider, enteredAt, exitedAt)"""
    x: bytes
    y: bytes
    entry: bytes
    exit: bytes


@dataclass(slots=True)
class Case:
    """What there is about one ride, in the order in which the contract returns it."""

    issuer: int
    operator: int
    fare: int
    refunded: int = 0
    fee: int = 0
    answer_until: int = 0
    stage: Stage = Stage.NEVER
    facts: tuple[bytes, bytes, int, int] | None = None

    @property
    def left(self) -> int:
        return self.fare - self.refunded

    @property
    def hanging(self) -> int:
        """What of the fare hangs on an open dispute."""
        return self.left if self.stage == Stage.OPEN else 0

    def as_tuple(self) -> tuple[int, ...]:
        return (self.issuer, self.operator, self.fare, self.refunded, self.fee, self.answer_until, int(self.stage))


@dataclass(frozen=True, slots=True)
class Posted:
    """What a correction came to: `amount` owed, `paid` of it at once, `set_off` of that against what is owed back."""

    case: Case
    amount: int
    paid: int
    set_off: int


@dataclass(slots=True)
class Corrections:
    """The cases of a ledger's rides. What it refuses it refuses with NotAllowed, whose cause is the error's name."""

    ledger: Ledger
    cases: dict[tuple[bytes, int], Case] = field(default_factory=dict)

    # ------------------------------------------------------------ refunds

    def refund(self, ride: Named, by: int | None, amount: int, now: int) -> Posted:
        """The operator, if `by` is its code, gives `amount` fen back."""
        case, _, _ = self._find(ride)
        _require(by == case.operator, "NotTreasury")
        _require(amount > 0, "ZeroAmount")
        _require(amount <= case.left, "AboveFare")
        self.cases[ride.key] = case
        return self._give_back(case, amount)

    def refund_revoked(self, ride: Named, now: int) -> Posted:
        case, settled, settled_at = self._find(ride)
        parameters = self._require_disputable(settled, settled_at, now)
        revoked_at = self.ledger.members.revoked.get((case.issuer, case.operator, settled.serial))
        late_enough = revoked_at is not None and settled.entered_at > revoked_at + parameters.grace
        _require(late_enough, "NotRevokedInTime")
        _require(case.left > 0, "NothingLeft")
        self.cases[ride.key] = case
        return self._give_back(case, case.left)

    def refund_unanswered(self, key: tuple[bytes, int], now: int) -> Posted:
        case = self._open(key)
        _require(now > case.answer_until, "AnswerStillPossible")
        return self._give_back(case, case.left)

    # ------------------------------------------------------------ disputes

    def dispute(self, ride: Named, by: int | None, now: int) -> Case:
        """The issuer, if `by` is its code, asks for evidence."""
        case, settled, settled_at = self._find(ride)
        _require(by == case.issuer, "NotTreasury")
        _require(case.stage == Stage.NEVER, "AlreadyDisputed")
        parameters = self._require_disputable(settled, settled_at, now)
        _require(case.left > 0, "NothingLeft")
        self.cases[ride.key] = case
        case.stage, case.fee = Stage.OPEN, parameters.dispute_fee
        case.answer_until = now + parameters.answer_time
        key_id = next(k for i, _, k, _ in Batch.from_bytes(ride.batch).iter_rides() if i == ride.index)
        case.facts = self._facts(case, key_id, settled)
        return case

    def answer(self, key: tuple[bytes, int], answer: Answer, now: int) -> Posted:
        case = self._open(key)
        _require(now <= case.answer_until, "AnswerTooLate")
        _require(answer.facts == case.facts, "WrongRideFacts")
        ticket, rider, entered_at, exited_at = answer.facts
        _require(keccak256(answer.x + answer.y)[12:] == rider, "WrongRiderKey")
        shown = [(entered_at, answer.entry)] + ([(exited_at, answer.exit)] if exited_at != entered_at else [])
        good = all(_signed(answer, code_message(ticket, moment), signature) for moment, signature in shown)
        _require(good and (len(shown) == 2 or not answer.exit), "BadRiderSignature")
        case.stage = Stage.UPHELD
        return Posted(case, case.fee, *self.ledger.post(case.issuer, case.operator, case.fee))

    # ------------------------------------------------------------ what there is to read

    def disputed(self, issuer: int, operator: int) -> int:
        return sum(c.hanging for c in self.cases.values() if (c.issuer, c.operator) == (issuer, operator))

    # ------------------------------------------------------------ the ride

    def _find(self, ride: Named) -> tuple[Case, Ride, int]:
        """Its case (a new one, if there is none yet), the ride itself, and when it settled."""
        batch_id, index = ride.key
        _require(batch_id in self.ledger.batches, "UnknownBatch")
        operator, settled_at, expected = self.ledger.batches[batch_id]
        came = keccak256(ride.refused)[:25] if ride.refused else bytes(25)
        _require(came == expected, "WrongRefusedList")
        refused = {int.from_bytes(ride.refused[at : at + 2], "big") for at in range(0, len(ride.refused), 3)}
        rides = {at: (issuer, settled) for at, issuer, _, settled in Batch.from_bytes(ride.batch).iter_rides()}
        _require(index in rides, "NoSuchRide")
        _require(index not in refused, "RideWasRefused")
        issuer, settled = rides[index]
        return self.cases.get(ride.key) or Case(issuer, operator, settled.fare), settled, settled_at

    def _facts(self, case: Case, key_id: int, ride: Ride) -> tuple[bytes, bytes, int, int]:
        digest = ticket_hash(
            self.ledger.domain,
            issuer=case.issuer,
            key_id=key_id,
            operator=case.operator,
            serial=ride.serial,
            not_after=ride.not_after,
            fare_cap=ride.fare_cap,
            rider=ride.rider,
        )
        return digest, ride.rider, ride.entered_at, ride.exited_at

    def _open(self, key: tuple[bytes, int]) -> Case:
        case = self.cases.get(key)
        if case is None or case.stage != Stage.OPEN:
            raise NotAllowed("NotDisputed")
        return case

    def _give_back(self, case: Case, amount: int) -> Posted:
        case.refunded += amount
        if case.stage == Stage.OPEN and not case.left:
            case.stage = Stage.CLOSED
        return Posted(case, amount, *self.ledger.post(case.operator, case.issuer, amount))

    def _require_disputable(self, ride: Ride, settled_at: int, now: int) -> Parameters:
        """There is time for a dispute, by the parameters in force when the ride ended; those are returned. Where they
        needn't be known any more that time is over for sure.
        """
        parameters = self.ledger.schedule.at(ride.exited_at)
        known = self.ledger.schedule.known_at(ride.exited_at)
        in_time = settled_at + parameters.dispute_time >= now
        assert in_time == (settled_at + known.dispute_time >= now), f"{ride} was forgotten too soon"
        _require(in_time, "DisputeTooLate")
        return parameters


def _signed(answer: Answer, message: bytes, signature: bytes) -> bool:
    """By the rider key, in 64 bytes, s in the lower half."""
    if len(signature) != 64 or int.from_bytes(signature[32:], "big") > P256_ORDER // 2:
        return False
    try:
        key = RiderPublicKey(bytes([2 + answer.y[31] % 2]) + answer.x)
    except MalformedError:
        return False
    return key.y == answer.y and key.verify(message, signature)


def _require(holds: bool, cause: str) -> None:
    if not holds:
        raise NotAllowed(cause)
