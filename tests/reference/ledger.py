"""Rides and money (protocol sections 5, 6 and 7)."""

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby

from interline.batch import Batch, outcome
from interline.domain import Domain, batch_digest, ticket_hash
from interline.errors import MalformedError
from interline.hashing import keccak256
from interline.reasons import RideReason
from interline.ride import Ride
from interline.signatures import recover_address
from tests.reference.errors import NotAllowed
from tests.reference.members import Members, Status
from tests.reference.parameters import Parameters, Schedule
from tests.reference.rules import DAY, STOP_LENGTH, Judgement, reason_for
from tests.reference.withholding import Withholding

STOP_PAUSE = 27 * DAY
WITHHOLDING = 4 * DAY


class Cause(StrEnum):
    """Why a whole batch is refused."""

    MALFORMED = "its bytes or order are malformed"
    SIGNATURE_LENGTH = "its signature is not 64 bytes"
    NOT_A_MEMBER = "the operator was never a member"
    NOT_A_SUBMITTER = "its signature is not by a submitter of that operator"
    ALREADY_SETTLED = "the batch is already there"
    STOPPED = "settlement is stopped"


class BatchRefused(Exception):
    """A whole batch is refused; `causes` are all that apply, of which the protocol prefers none."""

    def __init__(self, causes: frozenset[Cause]) -> None:
        super().__init__(", ".join(sorted(causes)))
        self.causes = causes


@dataclass(frozen=True, slots=True)
class PairTotal:
    """What one issuer's settled rides of a batch came to; `paid` of it at once, the rest became arrears, of which
    `withheld` are above the issuer's daily limit.
    """

    issuer: int
    rides: int
    fares: int
    paid: int
    withheld: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a batch. `refused` holds (index, reason), ascending."""

    batch_id: bytes
    operator: int
    settled: int
    rejected: int
    fares: int
    pairs: tuple[PairTotal, ...]
    refused: tuple[tuple[int, RideReason], ...]
    settled_serials: tuple[tuple[int, int, int], ...]


@dataclass(slots=True)
class Ledger:
    """The cities' money, and the serials that have paid."""

    domain: Domain
    members: Members
    schedule: Schedule = field(default_factory=Schedule)
    balances: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    arrears: defaultdict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    withholding: Withholding = field(default_factory=Withholding)
    reserves: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    settled: set[tuple[int, int, int]] = field(default_factory=set)
    batches: dict[bytes, tuple[int, int, bytes]] = field(default_factory=dict)
    closes_at: int | None = None
    stopped_from: int = 0
    stopped_until: int = 0
    deposited: int = 0
    withdrawn: int = 0

    # ------------------------------------------------------------ rides

    def settle(self, data: bytes, signature: bytes, now: int) -> Settlement:
        """Settle a batch's bytes at block time `now`.

        Raises:
            BatchRefused: the whole batch is.
        """
        if causes := self._causes(data, signature, now):
            raise BatchRefused(causes)
        batch = Batch.from_bytes(data)
        settled, refused = self._judge_rides(batch, now)
        pairs = self._post(batch.operator, settled, now)
        if settled:
            self.batches[batch.id] = (batch.operator, now, outcome(refused))
        return Settlement(
            batch_id=batch.id,
            operator=batch.operator,
            settled=len(settled),
            rejected=len(refused),
            fares=sum(ride.fare for _, ride in settled),
            pairs=pairs,
            refused=tuple(refused),
            settled_serials=tuple((issuer, batch.operator, ride.serial) for issuer, ride in settled),
        )

    def _causes(self, data: bytes, signature: bytes, now: int) -> frozenset[Cause]:
        causes = set()
        try:
            Batch.from_bytes(data)
        except MalformedError:
            causes.add(Cause.MALFORMED)
        if len(signature) != 64:
            causes.add(Cause.SIGNATURE_LENGTH)
        if len(data) >= 2:
            operator = self.members.cities.get(int.from_bytes(data[:2], "big"))
            if operator is None:
                causes.add(Cause.NOT_A_MEMBER)
            if operator is None or self.signer_of(data, signature) not in operator.submitters:
                causes.add(Cause.NOT_A_SUBMITTER)
        if now < self.stopped_until:
            causes.add(Cause.STOPPED)
        if keccak256(data) in self.batches:
            causes.add(Cause.ALREADY_SETTLED)
        return frozenset(causes)

    def signer_of(self, data: bytes, signature: bytes) -> bytes | None:
        """Who signed a batch's bytes: 20 bytes, or None if nobody could have."""
        operator = int.from_bytes(data[:2], "big")
        return recover_address(batch_digest(self.domain, operator, keccak256(data)), signature)

    def _judge_rides(self, batch: Batch, now: int) -> tuple[list[tuple[int, Ride]], list[tuple[int, RideReason]]]:
        settled: list[tuple[int, Ride]] = []
        refused: list[tuple[int, RideReason]] = []
        for index, issuer, key_id, ride in batch.iter_rides():
            reason = self._reason(batch.operator, issuer, key_id, ride, now)
            if reason is None:
                self.settled.add((issuer, batch.operator, ride.serial))
                settled.append((issuer, ride))
            else:
                refused.append((index, reason))
        return settled, refused

    def _reason(self, operator: int, issuer: int, key_id: int, ride: Ride, now: int) -> RideReason | None:
        """Why a ride doesn't settle, judged by the parameters in force when it ended. Where those needn't be known any
        more it is refused for sure, but for a reason that the oldest known ones give.
        """
        parameters, known = self.schedule.at(ride.exited_at), self.schedule.known_at(ride.exited_at)
        reason = reason_for(self._judgement(operator, issuer, key_id, ride, now, parameters))
        if known == parameters:
            return reason
        by_known = reason_for(self._judgement(operator, issuer, key_id, ride, now, known))
        assert (reason is None) == (by_known is None), f"{ride} was forgotten too soon: {reason}, now {by_known}"
        return by_known

    def _judgement(
        self, operator: int, issuer: int, key_id: int, ride: Ride, now: int, parameters: Parameters
    ) -> Judgement:
        digest = ticket_hash(
            self.domain,
            issuer=issuer,
            key_id=key_id,
            operator=operator,
            serial=ride.serial,
            not_after=ride.not_after,
            fare_cap=ride.fare_cap,
            rider=ride.rider,
        )
        return Judgement(
            ride=ride,
            now=now,
            signer=recover_address(digest, ride.issuer_signature),
            key=self.members.issuer_key(issuer, key_id),
            issuer=self.members.cities.get(issuer),
            operator=self.members.cities[operator],
            spent=(issuer, operator, ride.serial) in self.settled,
            max_fare=parameters.max_fare,
            submission_window=parameters.submission_window,
            grace_after=self.schedule.grace_after(ride.exited_at),
            on_time_at=self.stopped_from if self._may_be_late(now) else now,
            closes_at=self.closes_at,
        )

    def _may_be_late(self, now: int) -> bool:
        """Whether a stop ended so little while ago that rides may still come that it held up."""
        return self.stopped_until > 0 and now <= self.stopped_until + STOP_LENGTH

    def _post(self, operator: int, settled: list[tuple[int, Ride]], now: int) -> tuple[PairTotal, ...]:
        pairs = []
        for issuer, group in groupby(settled, key=lambda item: item[0]):
            rides = [ride for _, ride in group]
            fares = sum(ride.fare for ride in rides)
            within = self.withholding.take(issuer, fares, now)
            paid = min(within, self.balances[issuer]) if self.owes_nothing_due(issuer) else 0
            self.balances[issuer] -= paid
            self.balances[operator] += paid
            self.arrears[issuer, operator] += fares - paid
            self.withholding.withhold(issuer, operator, fares - within, now)
            pairs.append(PairTotal(issuer, len(rides), fares, paid, fares - within))
        return tuple(pairs)

    # ------------------------------------------------------------ money

    def pay_arrears(self, debtor: int, creditor: int) -> int:
        """Pay what isn't withheld, as far as the debtor's balance reaches; 0 where that is nothing."""
        due = self.arrears[debtor, creditor] - self.withholding.of(debtor, creditor)
        paid = min(due, self.balances[debtor])
        self.arrears[debtor, creditor] -= paid
        self.balances[debtor] -= paid
        self.balances[creditor] += paid
        return paid

    def deposit(self, city: int, amount: int) -> None:
        """Take in tokens for a city.

        Raises:
            NotAllowed: the city was never a member.
        """
        if city not in self.members.cities:
            raise NotAllowed("not a member")
        self.balances[city] += amount
        self.deposited += amount

    def withdraw(self, city: int, amount: int, now: int) -> None:
        """Pay out to a city's treasury.

        Raises:
            NotAllowed: more than is withdrawable.
        """
        if amount > self.withdrawable(city, now):
            raise NotAllowed("more than withdrawable")
        self.balances[city] -= amount
        self.withdrawn += amount

    def post(self, debtor: int, creditor: int, amount: int) -> tuple[int, int]:
        """Owe a correction: set off first, against what is withheld last, then paid if the debtor has no arrears but
        what is withheld, then owed. (paid, set off)
        """
        set_off = min(amount, self.arrears[creditor, debtor])
        self.arrears[creditor, debtor] -= set_off
        self.withholding.cap(creditor, debtor, self.arrears[creditor, debtor])
        moved = min(amount - set_off, self.balances[debtor]) if self.owes_nothing_due(debtor) else 0
        self.balances[debtor] -= moved
        self.balances[creditor] += moved
        self.arrears[debtor, creditor] += amount - set_off - moved
        return set_off + moved, set_off

    def release_withheld(self, debtor: int, creditor: int, day: int, by: int | None, now: int) -> int:
        """Let what was withheld on a day be paid: the debtor's treasury, if `by` is its code, at any time, others
        later.

        Raises:
            NotAllowed: it isn't time yet.
        """
        if not self.may_release(debtor, day, by, now):
            raise NotAllowed("StillWithheld")
        return self.withholding.release(debtor, creditor, day)

    def may_release(self, debtor: int, day: int, by: int | None, now: int) -> bool:
        """Whether the debtor's treasury asks, or each dispute of those rides is over that began within 4 days."""
        answer_time = max(each.answer_time for each in self.schedule.last_two)
        return by == debtor or now >= (day + 1) * DAY + answer_time + WITHHOLDING

    # ------------------------------------------------------------ by vote

    def stop(self, now: int) -> int:
        """Stop settlement; until when.

        Raises:
            NotAllowed: the last stop ended less than 27 days ago, or hasn't.
        """
        if self.stopped_until and now < self.stopped_until + STOP_PAUSE:
            raise NotAllowed("StopTooSoon")
        self.stopped_from, self.stopped_until = now, now + STOP_LENGTH
        return self.stopped_until

    def resume(self, now: int) -> None:
        """Lift a stop.

        Raises:
            NotAllowed: there is none.
        """
        if now >= self.stopped_until:
            raise NotAllowed("NotStopped")
        self.stopped_until = now

    # ------------------------------------------------------------ what there is to read

    @property
    def held(self) -> int:
        return sum(self.balances.values())

    def arrears_of(self, debtor: int) -> int:
        return sum(amount for (owes, _), amount in self.arrears.items() if owes == debtor)

    def arrears_due(self, creditor: int) -> int:
        return sum(amount for (_, owed), amount in self.arrears.items() if owed == creditor)

    def owes_nothing_due(self, city: int) -> bool:
        """Whether a city has no arrears but what is withheld."""
        return self.arrears_of(city) == self.withholding.owed_by(city)

    def reserve(self, city: int, now: int) -> int:
        member = self.members.cities[city]
        if member.status == Status.EXITED and now > member.exited_at + self.schedule.longest_claim:
            return 0
        return self.reserves[city]

    def withdrawable(self, city: int, now: int) -> int:
        if self.arrears_of(city):
            return 0
        return max(0, self.balances[city] - self.reserve(city, now))

    def position(self, city: int) -> int:
        return self.balances[city] + self.arrears_due(city) - self.arrears_of(city)
