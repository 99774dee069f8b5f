"""A history played against the contracts and against the reference, and compared after every step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import pytest

from interline.batch import Batch
from interline.domain import Domain
from interline.reasons import RideReason
from interline.signatures import parse_address, to_checksum
from tests.contracts.corrections import list_of
from tests.contracts.node import Call, Error, Event, Receipt, Reverted, reverts
from tests.contracts.random_rides import ROLES
from tests.contracts.story import (
    BANK_ACCOUNT,
    DAY,
    HANGZHOU,
    HEFEI,
    KEYS_FROM,
    NINGBO,
    NO_REFERENCE,
    NOON,
    SHANGHAI,
    STRANGER,
    WENZHOU,
    XUZHOU,
    ZERO_ADDRESS,
    City,
    World,
    deploy,
    found_consortium,
)
from tests.reference import (
    Answer,
    BatchRefused,
    Case,
    Cause,
    Corrections,
    IssuerKey,
    Ledger,
    Members,
    Named,
    NotAllowed,
    Parameters,
    Posted,
    Settlement,
)
from tests.reference.invariants import Books, Statement, broken
from tests.reference.members import NO_END

FOUNDERS = [SHANGHAI, HANGZHOU, NINGBO, XUZHOU, WENZHOU, HEFEI]
ALL_THE_MONEY = 10**12

WINDOWS = {1: (KEYS_FROM, NO_END), 2: (NOON - 60 * DAY, NOON + 90 * DAY), 3: (0, NOON - 20 * DAY), 4: (NOON, NO_END)}
"""When the issuer keys of each city are valid."""

ERRORS = {
    Cause.MALFORMED: {"MalformedBatch", "OutOfOrder", "TooManyRides", "OwnTickets"},
    Cause.SIGNATURE_LENGTH: {"InvalidSignatureLength"},
    Cause.NOT_A_MEMBER: {"OperatorNotMember"},
    Cause.NOT_A_SUBMITTER: {"NotSubmitter"},
    Cause.ALREADY_SETTLED: {"BatchAlreadySettled"},
    Cause.STOPPED: {"SettlementIsStopped"},
}
"""The contract's errors for each cause of the reference."""


def found(world: World) -> History:
    """Six founders, each with four issuer keys, and treasuries that may deposit."""
    consortium, registry = found_consortium(world.node, FOUNDERS)
    clearinghouse = deploy(world.node, "Clearinghouse", registry, world.token, ZERO_ADDRESS)
    refunds = world.node.contract(clearinghouse.refunds(), world.refunds.abi)
    domain = Domain(world.domain.chain_id, parse_address(clearinghouse.address))
    fresh = World(world.node, consortium, registry, world.token, clearinghouse, refunds, domain)
    members = Members()
    for city in FOUNDERS:
        member = members.admit(city.code)
        for key_id, role in ROLES.items():
            fresh.add_issuer_key(city, key_id, role, valid_from=WINDOWS[key_id][0], valid_until=WINDOWS[key_id][1])
            member.issuer_keys[key_id] = IssuerKey(parse_address(city.account(role)), *WINDOWS[key_id])
        registry.addSubmitter(city.code, city.submitter, sender=city.admin)
        member.submitters.add(parse_address(city.submitter))
        fresh.token.mint(city.treasury, ALL_THE_MONEY, sender=BANK_ACCOUNT)
        fresh.token.approve(clearinghouse, ALL_THE_MONEY, sender=city.treasury)
    return History(fresh, Corrections(Ledger(domain, members)), now=NOON)


@dataclass
class History:
    """Both sides, the time, and what has happened so far."""

    world: World
    corrections: Corrections
    now: int
    statement: Statement = field(default_factory=Statement)
    sent: list[tuple[bytes, bytes]] = field(default_factory=list)
    """(batch, signature) of all batches that were settled, for somebody to send again."""
    settled_batches: list[tuple[Batch, bytes]] = field(default_factory=list)
    """Those of which a ride settled, with the list of their refused rides."""
    refusals: Counter[str] = field(default_factory=Counter)
    """Why corrections were refused."""
    reasons: Counter[RideReason] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    acts: Counter[str] = field(default_factory=Counter)
    settled_rides: int = 0
    _paid: set[tuple[int, int, int]] = field(default_factory=set)
    """The serials that the contract's own events say have paid."""

    @property
    def ledger(self) -> Ledger:
        return self.corrections.ledger

    @property
    def batches(self) -> int:
        """How many batches were not refused as a whole."""
        return self.acts["settle"]

    # ------------------------------------------------------------ rides

    def settle(self, data: bytes, signature: bytes) -> None:
        """Send a batch's bytes to both sides."""
        clearinghouse = self.world.clearinghouse
        try:
            expected = self.ledger.settle(data, signature, self.now)
        except BatchRefused as refusal:
            self._expect_refusal(data, signature, refusal)
            return
        receipt = clearinghouse.settle(data, signature, sender=STRANGER, at=self.now)
        assert receipt.timestamp == self.now
        assert receipt.returned == (expected.batch_id, expected.settled, expected.rejected)
        batch = Batch.from_bytes(data)
        assert receipt.events == expected_events(batch, expected, self.now // DAY)
        self._compare_serials(batch, receipt)
        assert clearinghouse.batches(expected.batch_id) == self.ledger.batches.get(expected.batch_id, (0, 0, bytes(25)))
        self.reasons.update(reason for _, reason in expected.refused)
        self.settled_rides += expected.settled
        self.sent.append((data, signature))
        if expected.settled:
            self.settled_batches.append((batch, list_of(expected.refused)))
        self._done("settle", receipt)

    def _expect_refusal(self, data: bytes, signature: bytes, refusal: BatchRefused) -> None:
        with pytest.raises(Reverted) as raised:
            self.world.clearinghouse.settle(data, signature, sender=STRANGER, at=self.now)
        error = raised.value.error
        allowed = {name for cause in refusal.causes for name in ERRORS[cause]}
        assert error.name in allowed, f"expected one of {allowed}, came {error}"
        if error.name == "NotSubmitter":
            signer = self.ledger.signer_of(data, signature)
            shown = ZERO_ADDRESS if signer is None else to_checksum(signer)
            assert error == Error("NotSubmitter", operator=int.from_bytes(data[:2], "big"), signer=shown)
        self.causes[error.name] += 1
        self._done("refused batch")

    def _compare_serials(self, batch: Batch, receipt: Receipt) -> None:
        rides = list(batch.iter_rides())
        refused = {event.args["index"] for event in receipt.named("RideRejected")}
        paid = {(issuer, batch.operator, ride.serial) for index, issuer, _, ride in rides if index not in refused}
        assert len(paid) == len(rides) - len(refused)
        assert not paid & self._paid, "3: a serial settles at most once"
        self._paid |= paid
        calls = [
            self.world.clearinghouse.call("isSettled", issuer, batch.operator, ride.serial)
            for _, issuer, _, ride in rides
        ]
        expected = [(issuer, batch.operator, ride.serial) in self.ledger.settled for _, issuer, _, ride in rides]
        assert self.world.node.read_all(calls) == expected

    # ------------------------------------------------------------ money

    def set_daily_limit(self, city: City, limit: int) -> None:
        self.ledger.withholding.set_limit(city.code, limit)
        receipt = self.world.clearinghouse.setDailyLimit(city.code, limit, sender=city.treasury, at=self.now)
        assert receipt.events == (Event("DailyLimitSet", city=city.code, limit=limit),)
        self._done("set daily limit" if limit else "set no daily limit", receipt)

    def release_withheld(self, debtor: City, creditor: City, day: int, *, by: City | None = None) -> None:
        """By the treasury of a city, or by anyone; or a refusal because it isn't time yet."""
        clearinghouse, sender = self.world.clearinghouse, by.treasury if by else STRANGER
        pair = debtor.code, creditor.code
        something = self.ledger.withholding.on_day[pair][day] > 0
        try:
            released = self.ledger.release_withheld(*pair, day, by.code if by else None, self.now)
        except NotAllowed as refusal:
            with pytest.raises(Reverted, match=refusal.cause):
                clearinghouse.releaseWithheld(*pair, day, sender=sender, at=self.now)
            self._done("refused release")
            return
        receipt = clearinghouse.releaseWithheld(*pair, day, sender=sender, at=self.now)
        assert receipt.returned == released
        event = Event("WithheldReleased", issuer=pair[0], operator=pair[1], day=day, amount=released)
        assert receipt.events == ((event,) if something else ())
        self._done("release" if released else "release nothing", receipt)

    def pay_arrears(self, debtor: City, creditor: City) -> None:
        paid = self.ledger.pay_arrears(debtor.code, creditor.code)
        receipt = self.world.clearinghouse.payArrears(debtor.code, creditor.code, sender=STRANGER, at=self.now)
        assert receipt.returned == paid
        event = Event("ArrearsPaid", debtor=debtor.code, creditor=creditor.code, amount=paid)
        assert receipt.events == ((event,) if paid else ())
        self._done("pay arrears" if paid else "pay no arrears", receipt)

    def deposit(self, city: City, amount: int) -> None:
        self.ledger.deposit(city.code, amount)
        receipt = self.world.clearinghouse.deposit(city.code, amount, NO_REFERENCE, sender=city.treasury, at=self.now)
        self._done("deposit", receipt)

    def withdraw(self, city: City, amount: int) -> None:
        """A withdrawal, or a refusal with what could be withdrawn."""
        clearinghouse, treasury = self.world.clearinghouse, city.treasury
        most = self.ledger.withdrawable(city.code, self.now)
        if amount > most:
            with reverts(clearinghouse, "InsufficientFunds", city=city.code, withdrawable=most, amount=amount):
                clearinghouse.withdraw(city.code, amount, NO_REFERENCE, sender=treasury, at=self.now)
            self._done("refused withdrawal")
            return
        self.ledger.withdraw(city.code, amount, self.now)
        receipt = clearinghouse.withdraw(city.code, amount, NO_REFERENCE, sender=treasury, at=self.now)
        self._done("withdraw", receipt)

    # ------------------------------------------------------------ corrections

    def refund(self, ride: Named, by: City, amount: int) -> None:
        self._correct(
            "refund",
            ride.key,
            lambda: self.corrections.refund(ride, by.code, amount, self.now),
            (ride.batch, ride.refused, ride.index, amount),
            sender=by.treasury,
        )

    def dispute(self, ride: Named, by: City) -> None:
        self._correct(
            "dispute",
            ride.key,
            lambda: self.corrections.dispute(ride, by.code, self.now),
            (ride.batch, ride.refused, ride.index),
            sender=by.treasury,
        )

    def refund_revoked(self, ride: Named) -> None:
        act = (ride.batch, ride.refused, ride.index)
        self._correct("refundRevoked", ride.key, lambda: self.corrections.refund_revoked(ride, self.now), act)

    def refund_unanswered(self, key: tuple[bytes, int]) -> None:
        self._correct("refundUnanswered", key, lambda: self.corrections.refund_unanswered(key, self.now), key)

    def answer(self, key: tuple[bytes, int], answer: Answer) -> None:
        arguments = (*key, answer.facts, (answer.x, answer.y, answer.entry, answer.exit))
        self._correct("answer", key, lambda: self.corrections.answer(key, answer, self.now), arguments)

    def _correct(
        self,
        name: str,
        key: tuple[bytes, int],
        act: Callable[[], Posted | Case],
        arguments: Sequence[Any],
        *,
        sender: str = STRANGER,
    ) -> None:
        """An act on both sides: it goes through on both with the same events, or neither, for the same reason."""
        try:
            done = act()
        except NotAllowed as refusal:
            self._expect_no_correction(name, arguments, sender, refusal.cause)
            return
        receipt = getattr(self.world.refunds, name)(*arguments, sender=sender, at=self.now)
        assert receipt.events == correction_events(name, key, done)
        case = done.case if isinstance(done, Posted) else done
        assert self.world.refunds.caseOf(*key) == case.as_tuple()
        self._done(name, receipt)

    def _expect_no_correction(self, name: str, arguments: Sequence[Any], sender: str, cause: str) -> None:
        with pytest.raises(Reverted) as raised:
            getattr(self.world.refunds, name)(*arguments, sender=sender, at=self.now)
        assert raised.value.error.name == cause
        self.refusals[cause] += 1
        self._done(f"refused {name}")

    def revoke(self, issuer: City, operator: City, serials: list[int]) -> None:
        fresh = self.ledger.members.revoke(issuer.code, operator.code, serials, self.now)
        registry = self.world.registry
        receipt = registry.revokeTickets(issuer.code, operator.code, serials, sender=issuer.admin, at=self.now)
        assert [event.args["serial"] for event in receipt.named("TicketRevoked")] == fresh
        self._done("revoke", receipt)

    # ------------------------------------------------------------ members and parameters

    def suspend(self, city: City) -> None:
        self.ledger.members.suspend(city.code, self.now)
        self._done("suspend", self.world.suspend(city, at=self.now))

    def reinstate(self, city: City) -> None:
        self.ledger.members.reinstate(city.code, self.now)
        self._done("reinstate", self.world.reinstate(city, at=self.now))

    def leave(self, city: City) -> None:
        self.ledger.members.leave(city.code, self.now)
        self._done("leave", self.world.leave(city, at=self.now))

    def end_key(self, city: City, key_id: int, valid_until: int) -> None:
        self.ledger.members.end_issuer_key(city.code, key_id, valid_until)
        registry = self.world.registry
        self._done("end key", registry.endIssuerKey(city.code, key_id, valid_until, sender=city.admin, at=self.now))

    def switch_submitter(self, city: City) -> None:
        """Take the submitter away, or bring it back."""
        submitters, key = self.ledger.members.cities[city.code].submitters, parse_address(city.submitter)
        name = "removeSubmitter" if key in submitters else "addSubmitter"
        submitters ^= {key}
        act = getattr(self.world.registry, name)
        self._done(name, act(city.code, city.submitter, sender=city.admin, at=self.now))

    def set_reserve(self, city: City, amount: int) -> None:
        self.ledger.reserves[city.code] = amount
        receipt = self.world.by_vote(self.world.clearinghouse, "setReserve", city.code, amount, at=self.now)
        self._done("set reserve", receipt)

    def set_parameters(self, parameters: Parameters) -> None:
        """They hold for rides that end from a grace later on; or a refusal because the last change wasn't long ago."""
        to, replaced = astuple(parameters), self.ledger.schedule.pending_at(self.now)[1]
        try:
            valid_from = self.ledger.schedule.set(parameters, self.now)
        except NotAllowed as refusal:
            with pytest.raises(Reverted, match=refusal.cause):
                self.world.by_vote(self.world.clearinghouse, "setParameters", to, at=self.now)
            self._done("refused parameters")
            return
        receipt = self.world.by_vote(self.world.clearinghouse, "setParameters", to, at=self.now)
        assert receipt.events == (Event("ParametersSet", parameters=to, validFrom=valid_from),)
        self._done("replace parameters" if replaced else "set parameters", receipt)

    def stop(self) -> None:
        """An emergency stop, or a refusal because the last one wasn't long ago."""
        self._halt("stopSettlement", lambda: self.ledger.stop(self.now))

    def resume(self) -> None:
        self._halt("resumeSettlement", lambda: self.ledger.resume(self.now))

    def _halt(self, name: str, act: Callable[[], object]) -> None:
        try:
            act()
        except NotAllowed as refusal:
            with pytest.raises(Reverted, match=refusal.cause):
                self.world.by_vote(self.world.clearinghouse, name, at=self.now)
            self._done(f"refused {name}")
            return
        self._done(name, self.world.by_vote(self.world.clearinghouse, name, at=self.now))

    def name_successor(self, closes_at: int) -> None:
        """A new one each time; one that was named before is replaced."""
        old = self.world.clearinghouse
        new = deploy(self.world.node, "Clearinghouse", self.world.registry, self.world.token, old, at=self.now)
        act = "name successor" if self.ledger.closes_at is None else "replace successor"
        self.ledger.closes_at = closes_at
        self._done(act, self.world.by_vote(old, "nameSuccessor", new, closes_at, at=self.now))

    def cancel_successor(self) -> None:
        self.ledger.closes_at = None
        receipt = self.world.by_vote(self.world.clearinghouse, "cancelSuccessor", at=self.now)
        self._done("cancel successor", receipt)

    def wait(self, seconds: int) -> None:
        self.now += seconds
        self.world.node.mine(at=self.now)
        self._done("wait")

    # ------------------------------------------------------------ comparing

    def _done(self, act: str, receipt: Receipt | None = None) -> None:
        self.acts[act] += 1
        for event in receipt.events if receipt else ():
            self.statement.read(event.name, event.args)
        self.compare()

    def compare(self) -> None:
        """Everything that can be read is what the reference says, and what is always true holds."""
        books, reserves, limits, (in_force, (pending, valid_from)) = self._read_books()
        ledger, codes = self.ledger, [city.code for city in FOUNDERS]
        withholding, schedule = ledger.withholding, ledger.schedule
        assert books == Books(
            held=ledger.held,
            tokens=ledger.deposited - ledger.withdrawn,
            balances={code: ledger.balances[code] for code in codes},
            arrears={(a, b): ledger.arrears[a, b] for a in codes for b in codes},
            arrears_of={code: ledger.arrears_of(code) for code in codes},
            arrears_due={code: ledger.arrears_due(code) for code in codes},
            positions={code: ledger.position(code) for code in codes},
            withdrawable={code: ledger.withdrawable(code, self.now) for code in codes},
            disputed={(a, b): self.corrections.disputed(a, b) for a in codes for b in codes},
            withheld={(a, b): withholding.of(a, b) for a in codes for b in codes},
        )
        assert in_force == astuple(schedule.at(self.now))
        assert (pending if valid_from else None, valid_from) == schedule.pending_at(self.now)
        assert reserves == {code: ledger.reserve(code, self.now) for code in codes}
        assert limits == {code: (withholding.limits[code], withholding.taken(code, self.now)) for code in codes}
        assert list(broken(books, self.statement)) == []

    def _read_books(self) -> tuple[Books, dict[int, int], dict[int, tuple[int, int]], list[Any]]:
        clearinghouse, codes = self.world.clearinghouse, [city.code for city in FOUNDERS]
        pairs = [(a, b) for a in codes for b in codes]
        names = ("balanceOf", "arrearsOf", "arrearsDue", "position", "withdrawable", "reserve", "dailyLimit")
        calls: list[Call] = [clearinghouse.call("held"), self.world.token.call("balanceOf", clearinghouse)]
        calls += [clearinghouse.call("parameters"), clearinghouse.call("pendingParameters")]
        calls += [clearinghouse.call(name, code) for name in names for code in codes]
        calls += [clearinghouse.call("arrears", *pair) for pair in pairs]
        calls += [clearinghouse.call("withheld", *pair) for pair in pairs]
        calls += [self.world.refunds.call("disputed", *pair) for pair in pairs]
        held, tokens, *rest = self.world.node.read_all(calls)
        parameters, values = rest[:2], iter(rest[2:])
        columns = [{code: next(values) for code in codes} for _ in names]
        balances, arrears_of, arrears_due, positions, withdrawable, reserves, limits = columns
        arrears, withheld, disputed = ({pair: next(values) for pair in pairs} for _ in range(3))
        books = Books(
            held, tokens, balances, arrears, arrears_of, arrears_due, positions, withdrawable, disputed, withheld
        )
        return books, reserves, limits, parameters

    def compare_all_that_settled(self) -> None:
        """No batch and no serial has changed since it settled."""
        clearinghouse, ledger = self.world.clearinghouse, self.ledger
        calls = [clearinghouse.call("batches", batch_id) for batch_id in ledger.batches]
        assert self.world.node.read_all(calls) == list(ledger.batches.values())
        assert self._paid == ledger.settled
        cases = self.corrections.cases
        calls = [self.world.refunds.call("caseOf", *key) for key in cases]
        assert self.world.node.read_all(calls) == [case.as_tuple() for case in cases.values()]
        refunded = {key: case.refunded for key, case in cases.items() if case.refunded}
        assert dict(self.statement.refunded) == refunded
        serials = sorted(ledger.settled)
        calls = [clearinghouse.call("isSettled", *serial) for serial in serials]
        assert all(self.world.node.read_all(calls))


def correction_events(name: str, key: tuple[bytes, int], done: Posted | Case) -> tuple[Event, ...]:
    """A correction's events: what was set off, and what was done."""
    ride = {"batchId": key[0], "index": key[1]}
    if isinstance(done, Case):
        cities = {"issuer": done.issuer, "operator": done.operator}
        asked = {"amount": done.left, "answerUntil": done.answer_until, "fee": done.fee}
        return (Event("RideDisputed", **ride, **cities, **asked),)
    case = done.case
    cities = {"issuer": case.issuer, "operator": case.operator}
    if name == "answer":
        debtor, creditor = case.issuer, case.operator
        event = Event("RideUpheld", **ride, **cities, fee=done.amount, paid=done.paid)
    else:
        debtor, creditor = case.operator, case.issuer
        cause = ("refund", "refundUnanswered", "refundRevoked").index(name)
        event = Event("RideRefunded", **ride, **cities, amount=done.amount, paid=done.paid, cause=cause)
    set_off = Event("ArrearsPaid", debtor=creditor, creditor=debtor, amount=done.set_off)
    return (set_off, event) if done.set_off else (event,)


def expected_events(batch: Batch, settlement: Settlement, day: int) -> tuple[Event, ...]:
    """A batch's events in the contract's order: for each issuer its refused rides, what is withheld and its total, then
    the batch's.
    """
    batch_id, operator = settlement.batch_id, settlement.operator
    refused, totals = dict(settlement.refused), {pair.issuer: pair for pair in settlement.pairs}
    events = []
    rides = list(batch.iter_rides())
    for issuer in sorted({issuer for _, issuer, _, _ in rides}):
        for index in [index for index, of, _, _ in rides if of == issuer and index in refused]:
            events.append(Event("RideRejected", batchId=batch_id, index=index, reason=int(refused[index])))
        if issuer in totals:
            pair = totals[issuer]
            total = {"rides": pair.rides, "fares": pair.fares, "paid": pair.paid}
            if pair.withheld:
                above = {"day": day, "amount": pair.withheld}
                events.append(Event("FaresWithheld", issuer=issuer, operator=operator, **above))
            events.append(Event("PairSettled", batchId=batch_id, issuer=issuer, operator=operator, **total))
    count = {"settled": settlement.settled, "rejected": settlement.rejected, "fares": settlement.fares}
    events.append(Event("BatchSettled", batchId=batch_id, operator=operator, **count))
    return tuple(events)
