"""The contracts, compared with the reference ledger on a random history of at least 300 batches.

Every event, return value, balance, arrears, reserve, position, batch and serial is compared after every step, and the
invariants of tests/reference/README.md hold all along. INTERLINE_SEED chooses another history.
"""

from __future__ import annotations

import os
from dataclasses import replace
from random import Random

from interline.batch import Batch
from interline.domain import batch_digest
from interline.hashing import keccak256
from interline.reasons import RideReason
from interline.ride import RIDE_BYTES
from interline.signatures import sign_compact
from network.accounts import Role
from tests.contracts.corrections import evidence_of, in_upper_half
from tests.contracts.history import FOUNDERS, History, found
from tests.contracts.random_rides import PHONES, RideMaker
from tests.contracts.story import DAY, HOUR, LANZHOU, STRANGER_KEY, City, World
from tests.reference import Answer, Case, Named, Parameters, Stage, Status

BATCHES = 300
FEWEST_OF_EACH_REASON = 20
DEFAULT_SEED = 20191201

NEVER = 2**40

WHOLE_REFUSALS = {
    "MalformedBatch",
    "OutOfOrder",
    "TooManyRides",
    "OwnTickets",
    "InvalidSignatureLength",
    "OperatorNotMember",
    "NotSubmitter",
    "BatchAlreadySettled",
    "SettlementIsStopped",
}
CORRECTIONS_REFUSED = {
    "UnknownBatch",
    "WrongRefusedList",
    "NoSuchRide",
    "RideWasRefused",
    "NotTreasury",
    "ZeroAmount",
    "AboveFare",
    "NothingLeft",
    "AlreadyDisputed",
    "NotDisputed",
    "AnswerTooLate",
    "AnswerStillPossible",
    "WrongRideFacts",
    "WrongRiderKey",
    "BadRiderSignature",
    "NotRevokedInTime",
}
ACTS = (
    *("pay arrears", "withdraw", "refused withdrawal", "suspend", "reinstate"),
    *("set parameters", "replace parameters", "refused parameters", "stopSettlement", "resumeSettlement"),
    *("name successor", "replace successor", "cancel successor"),
    *("set daily limit", "set no daily limit", "release", "refused release"),
    *("refund", "dispute", "answer", "refundUnanswered", "refundRevoked", "revoke"),
)


class Fate:
    """Chooses what happens next."""

    def __init__(self, seed: int, history: History) -> None:
        self.random = Random(seed)
        self.history = history
        self.rides = RideMaker(self.random, history.ledger, FOUNDERS, LANZHOU)

    def next_step(self) -> None:
        """Some time passes, and something happens."""
        self.history.now += self.random.choice([0, 1, 60, 300, 900, HOUR])
        acts = {
            self.send_batch: 60,
            self.send_what_is_refused: 12,
            self.deposit: 12,
            self.withdraw: 8,
            self.pay_arrears: 8,
            self.settle_up: 6,
            self.suspend_or_reinstate: 6,
            self.end_key: 1,
            self.switch_submitter: 3,
            self.set_reserve: 2,
            self.set_parameters: 3,
            self.set_daily_limit: 4,
            self.release_withheld: 5,
            self.wait: 2,
            self.leave: 1,
            self.refund: 14,
            self.dispute: 14,
            self.answer: 12,
            self.refund_unanswered: 5,
            self.revoke: 4,
            self.refund_revoked: 9,
            self.stop_or_resume: 2,
            self.name_successor: 2,
        }
        [act] = self.random.choices(list(acts), list(acts.values()))
        act()

    # ------------------------------------------------------------ batches

    def send_batch(self) -> None:
        operator = self._anyone()
        batch = self.rides.batch(operator, self.history.now)
        self.history.settle(batch.to_bytes(), self._sign(operator, batch.to_bytes()))

    def send_what_is_refused(self) -> None:
        """Bytes or a signature that are wrong as a whole, in most cases."""
        operator = self._anyone()
        data = self.rides.batch(operator, self.history.now).to_bytes()
        how = self.random.randrange(9)
        if how < 4:
            data = self._break(data, operator)
            self.history.settle(data, self._sign(operator, data))
        elif how == 4:
            self.history.settle(data, (self._sign(operator, data) * 2)[: self.random.choice([0, 63, 65, 128])])
        elif how == 5:
            self.history.settle(data, self._sign(self._anyone(), data))
        elif how == 6:
            digest = batch_digest(self.history.ledger.domain, operator.code, keccak256(data))
            signature = self.random.choice([bytes(64), self.random.randbytes(64), sign_compact(STRANGER_KEY, digest)])
            self.history.settle(data, signature)
        elif how == 7:
            data = self.rides.batch(LANZHOU, self.history.now).to_bytes()
            self.history.settle(data, self._sign(LANZHOU, data))
        elif self.history.sent:
            self.history.settle(*self.random.choice(self.history.sent))

    def _break(self, data: bytes, operator: City) -> bytes:
        how = self.random.randrange(7)
        if how == 0:
            return data[: self.random.randrange(len(data))]
        if how == 1:
            return data + self.random.randbytes(self.random.choice([1, 4, 5, RIDE_BYTES, 5 + RIDE_BYTES]))
        if how == 2:
            place = self.random.randrange(len(data))
            return data[:place] + bytes([data[place] ^ 1 << self.random.randrange(8)]) + data[place + 1 :]
        if how == 3:  # the last ride once more
            return data[:5] + bytes([data[5], data[6] + 1]) + data[7:] + data[-RIDE_BYTES:]
        if how == 4:  # the first group once more
            group = data[2 : 7 + RIDE_BYTES * int.from_bytes(data[5:7], "big")]
            return data[:2] + group + data[2:]
        if how == 5:  # its own tickets
            return data[:2] + operator.code.to_bytes(2, "big") + data[4:]
        first = data[7 : 7 + RIDE_BYTES]
        rides = b"".join(serial.to_bytes(5, "big") + first[5:] for serial in range(1001))
        return data[:5] + (1001).to_bytes(2, "big") + rides

    def _sign(self, signer: City, data: bytes) -> bytes:
        """The signer's submitter's signature for the operator that the bytes name."""
        operator = int.from_bytes(data[:2], "big")
        digest = batch_digest(self.history.ledger.domain, operator, keccak256(data))
        return sign_compact(signer.key(Role.SUBMITTER), digest)

    # ------------------------------------------------------------ corrections

    def refund(self) -> None:
        """A part or the whole; now and then too much, nothing, or by somebody else."""
        ride, case = self._settled_ride()
        amount = self.random.choice([case.left, case.left // 2, 1, case.left + 1, 0, 2**256 - 1])
        self.history.refund(ride, self._usually(case.operator), amount)

    def dispute(self) -> None:
        ride, case = self._settled_ride()
        self.history.dispute(ride, self._usually(case.issuer))

    def answer(self) -> None:
        """Mostly with what the phone really made, else with what is forged, swapped, stale or missing."""
        if (key := self._disputed_ride()) is None:
            return
        good = self._evidence(key)
        ticket, rider, entered_at, exited_at = good.facts
        other = self._evidence(self._disputed_ride() or key)
        wrong = [
            replace(good, entry=good.exit, exit=good.entry),
            replace(good, entry=in_upper_half(good.entry)),
            replace(good, entry=good.entry[:-1]),
            replace(good, exit=b"" if good.exit else good.entry),
            replace(good, entry=self.random.randbytes(64)),
            replace(good, facts=(ticket, rider, entered_at + 1, exited_at)),
            replace(good, x=other.x, y=other.y),
            other,
        ]
        self.history.answer(key, self.random.choice([good] * 4 + wrong))

    def refund_unanswered(self) -> None:
        if (key := self._disputed_ride()) is not None:
            self.history.refund_unanswered(key)

    def revoke(self) -> None:
        """Tickets that will be used, in a while."""
        issuer, operator = self.random.sample(FOUNDERS, 2)
        serials = self.rides.next_serials(issuer, operator)
        self.history.revoke(issuer, operator, self.random.choices(serials, k=self.random.randint(0, 20)))

    def refund_revoked(self) -> None:
        """Of a ride on a revoked ticket, if there is one."""
        revoked = self.history.ledger.members.revoked
        rides = [
            Named(batch.to_bytes(), refused, index)
            for batch, refused in self.history.settled_batches
            for index, issuer, _, ride in batch.iter_rides()
            if revoked.get((issuer, batch.operator, ride.serial), NEVER) < ride.entered_at
        ]
        ride, _ = self._settled_ride()
        self.history.refund_revoked(self.random.choice([*rides, *rides, ride]))

    def stop_or_resume(self) -> None:
        if self.history.now < self.history.ledger.stopped_until or self.random.random() < 0.2:
            self.history.resume()
        else:
            self.history.stop()

    def name_successor(self) -> None:
        """At first for a day far away, replaced and called off; in the end for one that comes."""
        closes_at, now = self.history.ledger.closes_at, self.history.now
        if closes_at is not None and now >= closes_at:
            return
        if self.history.batches > 0.7 * BATCHES:
            if closes_at is None or closes_at > now + 30 * DAY:
                self.history.name_successor(now + 30 * DAY)
        elif closes_at is not None and self.random.random() < 0.5:
            self.history.cancel_successor()
        else:
            self.history.name_successor(now + 2_000 * DAY)

    def _settled_ride(self) -> tuple[Named, Case]:
        """A ride of a settled batch, seldom one that was refused or isn't there, and what there is about it."""
        while not self.history.settled_batches:
            self.send_batch()
        while True:
            batch, refused = self.random.choice(self.history.settled_batches[-40:])
            index = self.random.randrange(batch.ride_count)
            good = index not in {int.from_bytes(refused[at : at + 2], "big") for at in range(0, len(refused), 3)}
            if good or self.random.random() < 0.05:
                break
        _, issuer, _, ride = list(batch.iter_rides())[index]
        case = self.history.corrections.cases.get((batch.id, index)) or Case(issuer, batch.operator, ride.fare)
        chance = self.random.random()
        if chance < 0.03:
            index = self.random.choice([batch.ride_count, 2**16 + index, 2**256 - 1])
        elif chance < 0.09:
            refused = self.random.choice([b"", refused[:-3], refused + b"\0\0\1", self.random.randbytes(2)])
        data = batch.to_bytes() if chance < 0.97 else batch.to_bytes()[:-1]
        return Named(data, refused, index), case

    def _disputed_ride(self) -> tuple[bytes, int] | None:
        """Mostly one whose dispute is open, and can be answered still."""
        cases = self.history.corrections.cases
        stage = self.random.choice([Stage.OPEN] * 9 + [Stage.UPHELD, Stage.CLOSED, Stage.NEVER])
        keys = [key for key, case in cases.items() if case.stage == stage]
        in_time = [key for key in keys if cases[key].answer_until >= self.history.now]
        keys = in_time if in_time and self.random.random() < 0.6 else keys
        return self.random.choice(keys) if keys else None

    def _evidence(self, key: tuple[bytes, int]) -> Answer:
        """What the rider's phone made for it."""
        batch = next(batch for batch, _ in self.history.settled_batches if batch.id == key[0])
        _, issuer, key_id, ride = list(batch.iter_rides())[key[1]]
        phone = next(phone for phone in PHONES if phone.public.address == ride.rider)
        operator = next(city for city in FOUNDERS if city.code == batch.operator)
        made = evidence_of(self.history.ledger.domain, (issuer, key_id, ride), operator=operator, phone=phone)
        return Answer(made.facts, *made.shown)

    def _usually(self, code: int) -> City:
        """That city; now and then another, and so where it is no member's ride but a refused one of the outsider's."""
        cities = [city for city in FOUNDERS if city.code == code]
        return cities[0] if cities and self.random.random() < 0.9 else self._anyone()

    # ------------------------------------------------------------ the rest of life

    def deposit(self) -> None:
        self.history.deposit(self._anyone(), self.random.choice([100, 5_000, 200_000]))

    def withdraw(self) -> None:
        city = self._anyone()
        most = self.history.ledger.withdrawable(city.code, self.history.now)
        self.history.withdraw(city, max(1, self.random.choice([1, most // 2, most, most + 1, most + 10_000])))

    def pay_arrears(self) -> None:
        owed = [pair for pair, amount in self.history.ledger.arrears.items() if amount]
        if owed and self.random.random() < 0.7:
            debtor, creditor = self.random.choice(sorted(owed))
            by_code = {city.code: city for city in FOUNDERS}
            self.history.pay_arrears(by_code[debtor], by_code[creditor])
        else:
            self.history.pay_arrears(self._anyone(), self._anyone())

    def settle_up(self) -> None:
        """A debtor deposits what it owes, and its creditors are paid."""
        debtor, ledger = self._anyone(), self.history.ledger
        if owed := ledger.arrears_of(debtor.code):
            self.history.deposit(debtor, owed)
            for creditor in FOUNDERS:
                if ledger.arrears[debtor.code, creditor.code]:
                    self.history.pay_arrears(debtor, creditor)

    def suspend_or_reinstate(self) -> None:
        suspended = [city for city in FOUNDERS if self._status(city) == Status.SUSPENDED]
        city = suspended[0] if len(suspended) > 1 else self._anyone()
        match self._status(city):
            case Status.SUSPENDED:
                self.history.reinstate(city)
            case Status.ACTIVE if self._how_many(Status.ACTIVE) > 4:
                self.history.suspend(city)

    def leave(self) -> None:
        city = self._anyone()
        if not self._how_many(Status.EXITED) and self.history.batches > 0.8 * BATCHES:
            self.history.leave(city)

    def end_key(self) -> None:
        """The second key only, so that there are always good tickets."""
        city = self._anyone()
        now = self.history.now
        key = self.history.ledger.members.cities[city.code].issuer_keys[2]
        if key.valid_until > now:
            self.history.end_key(city, 2, self.random.choice([now, (now + key.valid_until) // 2]))

    def switch_submitter(self) -> None:
        absent = [city for city in FOUNDERS if not self.history.ledger.members.cities[city.code].submitters]
        self.history.switch_submitter(absent[0] if absent else self._anyone())

    def set_reserve(self) -> None:
        self.history.set_reserve(self._anyone(), self.random.choice([0, 1_000, 50_000]))

    def set_parameters(self) -> None:
        """Now and then as soon as it is possible again, so that a history sees several."""
        choice, earliest = self.random.choice, self.history.ledger.schedule.earliest_change
        if earliest > self.history.now and not self._pending() and self.random.random() < 0.3:
            self.history.wait(earliest - self.history.now - choice([0, 1]))
        self.history.set_parameters(
            Parameters(
                max_fare=choice([2_500, 20_000, 30_000]),
                grace=choice([HOUR, DAY, 3 * DAY]),
                submission_window=choice([5 * DAY, 30 * DAY]),
                dispute_time=choice([7 * DAY, 30 * DAY]),
                answer_time=choice([3 * DAY, 10 * DAY]),
                dispute_fee=choice([0, 500]),
            )
        )

    def _pending(self) -> bool:
        return self.history.ledger.schedule.pending_at(self.history.now)[1] > 0

    def set_daily_limit(self) -> None:
        """Of one or two cities at a time, so that the others pay as ever."""
        limited = [city for city in FOUNDERS if self.history.ledger.withholding.limits[city.code]]
        city = self.random.choice(limited) if len(limited) > 1 else self._anyone()
        self.history.set_daily_limit(city, self.random.choice([0, 1, 2_000, 20_000]))

    def release_withheld(self) -> None:
        """What is withheld, by the debtor's treasury, another city's or anyone, too soon or not; now and then
        nothing.
        """
        by_code = {city.code: city for city in FOUNDERS}
        on_day = self.history.ledger.withholding.on_day
        days = [(pair, day) for pair, days in on_day.items() for day, amount in days.items() if amount]
        if not days or self.random.random() < 0.1:
            self.history.release_withheld(self._anyone(), self._anyone(), self.history.now // DAY - 30)
            return
        (debtor, creditor), day = self.random.choice(days)
        by = self.random.choice([None, None, None, by_code[debtor], by_code[creditor]])
        self.history.release_withheld(by_code[debtor], by_code[creditor], day, by=by)

    def wait(self) -> None:
        self.history.wait(self.random.choice([HOUR, DAY, 3 * DAY, 4 * DAY]))

    # ------------------------------------------------------------ who

    def _anyone(self) -> City:
        return self.random.choice(FOUNDERS)

    def _status(self, city: City) -> Status:
        return self.history.ledger.members.cities[city.code].status

    def _how_many(self, status: Status) -> int:
        return sum(self._status(city) == status for city in FOUNDERS)


def test_the_contracts_do_what_the_reference_does_on_random_histories(world: World) -> None:
    """Mistake 14, and whatever else nobody thought of."""
    seed = int(os.environ.get("INTERLINE_SEED", DEFAULT_SEED))
    print(f"seed {seed}; the same again with INTERLINE_SEED={seed}")
    history = found(world)
    fate = Fate(seed, history)
    while history.batches < BATCHES:
        fate.next_step()
    history.compare_all_that_settled()

    refused = {reason.name: history.reasons[reason] for reason in RideReason}
    print(f"{history.settled_rides} rides settled in {history.batches} batches; refused: {refused}")
    print(f"whole batches refused: {dict(history.causes)}; acts: {dict(history.acts)}")
    print(f"corrections refused: {dict(history.refusals)}")
    if seed != DEFAULT_SEED:
        return  # another history needn't have a bit of everything
    rare = {reason.name for reason in RideReason if history.reasons[reason] < FEWEST_OF_EACH_REASON}
    assert not rare, f"expected each reason {FEWEST_OF_EACH_REASON} times or more, {rare} came less often"
    assert history.settled_rides > 1_000
    assert set(history.causes) == WHOLE_REFUSALS
    assert set(history.refusals) >= CORRECTIONS_REFUSED
    for act in ACTS:
        assert history.acts[act], f"expected a history in which somebody does {act!r}"


def test_a_batch_is_the_same_bytes_for_both_sides(world: World) -> None:
    """Or else the comparison would compare nothing."""
    history = found(world)
    maker = RideMaker(Random(1), history.ledger, FOUNDERS, LANZHOU)
    batch = maker.batch(FOUNDERS[0], history.now)
    assert Batch.from_bytes(batch.to_bytes()) == batch
