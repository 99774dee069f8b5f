"""`settle` of the Clearinghouse, with its loop in assembly, against its plain twin and the Python reference.

The twin (`tests/twin/PlainClearinghouse.sol`) is the same in plain Solidity. Each batch of a random history goes to all
three: bytes of every kind, all reasons, several issuers and keys, unknown ones, suspended cities, whole storage words,
emergency stops and a successor. Both contracts must revert with the same bytes, or return the same with the same events
in the same order and the same books afterwards, which must be the reference's.

INTERLINE_SEED chooses another history, INTERLINE_FUZZ how many batches it has.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from bench.compiler import compile_contract
from interline.batch import Batch, sign_batch
from interline.errors import MalformedError
from interline.reasons import RideReason
from network.accounts import Role
from tests.contracts.history import FOUNDERS, History, found
from tests.contracts.node import Contract, Event, Receipt, Reverted
from tests.contracts.random_rides import Fields, RideMaker
from tests.contracts.story import DAY, DEPLOYER_ACCOUNT, HOUR, LANZHOU, STRANGER, City, World
from tests.contracts.test_against_reference import WHOLE_REFUSALS, Fate
from tests.reference import Parameters
from tests.reference.ledger import STOP_PAUSE

SOURCE = "tests/twin/PlainClearinghouse.sol"
BATCHES = int(os.environ.get("INTERLINE_FUZZ", "240"))
SECONDS_EACH = 5
"""Of a batch's share in the time limit: many times what it takes, so that a busy machine doesn't decide."""
DEFAULT_SEED = 20260101
NOTICE = 30 * DAY

Outcome = tuple[Any, tuple[Event, ...]] | bytes
"""What a call returned and its events; or the bytes it reverted with."""


class TwinnedHistory(History):
    """A history in which the twin, too, takes part."""

    twin: Contract
    last_told: tuple[Any, ...] = ()

    def settle(self, data: bytes, signature: bytes) -> None:
        """Send a batch's bytes to both contracts and to the reference."""
        self._tell()
        with self.world.node.rolled_back():
            real = self._outcome(self.world.clearinghouse, data, signature)
        twin = self._outcome(self.twin, data, signature)
        assert real == twin, f"the Clearinghouse: {real!r}; its twin: {twin!r}; batch 0x{data.hex()}"
        super().settle(data, signature)
        self._compare_serials_with_twin(data)

    def deposit(self, city: City, amount: int) -> None:
        self.twin.give(city.code, amount, sender=STRANGER, at=self.now)
        super().deposit(city, amount)

    def withdraw(self, city: City, amount: int) -> None:
        if amount <= self.ledger.withdrawable(city.code, self.now):
            self.twin.take(city.code, amount, sender=STRANGER, at=self.now)
        super().withdraw(city, amount)

    def set_daily_limit(self, city: City, limit: int) -> None:
        self.twin.setDailyLimit(city.code, limit, sender=STRANGER, at=self.now)
        super().set_daily_limit(city, limit)

    def release_withheld(self, debtor: City, creditor: City, day: int, *, by: City | None = None) -> None:
        if self.ledger.may_release(debtor.code, day, by.code if by else None, self.now):
            self.twin.releaseWithheld(debtor.code, creditor.code, day, sender=STRANGER, at=self.now)
        super().release_withheld(debtor, creditor, day, by=by)

    def pay_arrears(self, debtor: City, creditor: City) -> None:
        self.twin.payArrears(debtor.code, creditor.code, sender=STRANGER, at=self.now)
        super().pay_arrears(debtor, creditor)

    def compare(self) -> None:
        """The twin's books, too, are the reference's."""
        super().compare()
        codes = [city.code for city in FOUNDERS]
        pairs = [(a, b) for a in codes for b in codes]
        calls = [self.twin.call("balanceOf", code) for code in codes]
        calls += [self.twin.call("arrearsOf", code) for code in codes]
        calls += [self.twin.call("arrears", *pair) for pair in pairs]
        calls += [self.twin.call("withheld", *pair) for pair in pairs]
        expected = [self.ledger.balances[code] for code in codes]
        expected += [self.ledger.arrears_of(code) for code in codes]
        expected += [self.ledger.arrears[pair] for pair in pairs]
        expected += [self.ledger.withholding.of(*pair) for pair in pairs]
        assert self.world.node.read_all(calls) == expected

    def _tell(self) -> None:
        """Tell the twin what holds: what the reference knows, not what the Clearinghouse says."""
        ledger = self.ledger
        before, afterwards = ledger.schedule.last_two[0], ledger.schedule.last_two[-1]
        situation = (
            rules_of(before),
            rules_of(afterwards),
            ledger.schedule.changes[-1][0],
            ledger.stopped_from,
            ledger.stopped_until,
            ledger.closes_at or 0,
        )
        if situation != self.last_told:
            self.twin.tell(situation, sender=STRANGER, at=self.now)
            self.last_told = situation

    def _outcome(self, contract: Contract, data: bytes, signature: bytes) -> Outcome:
        try:
            receipt: Receipt = contract.settle(data, signature, sender=STRANGER, at=self.now)
        except Reverted as refusal:
            return refusal.data
        return receipt.returned, receipt.events

    def _compare_serials_with_twin(self, data: bytes) -> None:
        try:
            batch = Batch.from_bytes(data)
        except MalformedError:
            return
        serials = [(issuer, batch.operator, ride.serial) for _, issuer, _, ride in batch.iter_rides()]
        calls = [self.twin.call("isSettled", *serial) for serial in serials] + [self.twin.call("batches", batch.id)]
        settled = [serial in self.ledger.settled for serial in serials]
        expected = [*settled, self.ledger.batches.get(batch.id, (0, 0, bytes(25)))]
        assert self.world.node.read_all(calls) == expected


def rules_of(parameters: Parameters) -> tuple[int, int, int]:
    """Those by which rides settle, in the twin's order."""
    return parameters.max_fare, parameters.grace, parameters.submission_window


class StoppedRideMaker(RideMaker):
    """Rides that a stop made late are among the late ones, and rides of a day and a second among the odd ones."""

    def _late(self, fields: Fields, issuer: City, key_id: int, operator: City, now: int) -> None:
        sent = self.random.choice([now, self.ledger.stopped_from or now])
        super()._late(fields, issuer, key_id, operator, sent)

    def _odd_times(self, fields: Fields, issuer: City, key_id: int, operator: City, now: int) -> None:
        super()._odd_times(fields, issuer, key_id, operator, now)
        if self.random.random() < 0.6:  # long ago, so that a ride of more than a day isn't of the future, too
            for name in ("entered_at", "exited_at", "not_after"):
                fields[name] -= 2 * DAY


class Strain(Fate):
    """What strains the loop, and what changes the terms of rides; refunds and disputes have nothing to do with it."""

    history: TwinnedHistory

    def __init__(self, seed: int, history: TwinnedHistory) -> None:
        super().__init__(seed, history)
        self.rides = StoppedRideMaker(self.random, history.ledger, FOUNDERS, LANZHOU)

    def next_step(self) -> None:
        self.history.now += self.random.choice([0, 1, 60, 300, 900, HOUR])
        acts = {
            self.send_batch: 60,
            self.send_what_is_refused: 15,
            self.send_whole_words: 1,
            self.deposit: 8,
            self.withdraw: 4,
            self.pay_arrears: 4,
            self.suspend_or_reinstate: 6,
            self.end_key: 1,
            self.switch_submitter: 3,
            self.set_parameters: 3,
            self.set_daily_limit: 4,
            self.release_withheld: 8,
            self.wait: 1,
            self.stop_and_go_on: 2,
        }
        [act] = self.random.choices(list(acts), list(acts.values()))
        act()

    def stop_and_go_on(self) -> None:
        """A stop, which ends by itself or by a vote; batches come while it lasts and right after it."""
        history, ledger = self.history, self.history.ledger
        if ledger.stopped_until and history.now < ledger.stopped_until + STOP_PAUSE:
            return
        history.stop()
        self.send_batch()
        history.wait(self.random.choice([HOUR, ledger.stopped_until - 1 - history.now]))
        self.send_batch()
        if self.random.random() < 0.5:
            history.resume()
        history.now = ledger.stopped_until + self.random.choice([0, 1])
        for _ in range(4):
            self.send_batch()
            history.now += self.random.choice([0, DAY])

    def send_whole_words(self) -> None:
        operator = self.random.choice(FOUNDERS)
        batch = self.rides.dense(operator, self.history.now, self.random.choice([255, 256, 257, 300, 520]))
        self.history.settle(batch.to_bytes(), self._sign(operator, batch.to_bytes()))

    def close(self, batches: int) -> None:
        """Name a successor, and go on around the moment at which this Clearinghouse's keys end."""
        history = self.history
        closes_at = history.now + NOTICE
        history.name_successor(closes_at)
        last = closes_at + history.ledger.schedule.at(closes_at).grace
        history.wait(last - 3 * HOUR - history.now)
        self._play_on(batches)

    def _play_on(self, batches: int) -> None:
        until = self.history.batches + batches
        while self.history.batches < until:
            self.next_step()


@cache
def compiled_twin() -> tuple[list[Any], str]:
    """The twin's ABI and creation bytecode; compiled once."""
    return compile_contract(SOURCE)


@pytest.fixture
def history(world: World) -> TwinnedHistory:
    plain = found(world)
    history = TwinnedHistory(plain.world, plain.corrections, plain.now)
    abi, bytecode = compiled_twin()
    known: Mapping[str, Any] = {entry["name"]: entry for entry in abi if entry["type"] in ("event", "error")}
    shared = [e for e in plain.world.clearinghouse.abi if e["type"] in ("event", "error") and e["name"] not in known]
    arguments = (plain.world.registry, plain.world.clearinghouse)
    history.twin = world.node.deploy([*abi, *shared], bytecode, *arguments, sender=DEPLOYER_ACCOUNT)
    return history


@pytest.mark.timeout(1_800 + SECONDS_EACH * BATCHES)
def test_the_loop_does_what_its_plain_twin_and_the_reference_do(history: TwinnedHistory) -> None:
    seed = int(os.environ.get("INTERLINE_SEED", DEFAULT_SEED))
    print(f"seed {seed}; the same again with INTERLINE_SEED={seed} INTERLINE_FUZZ={BATCHES}")
    fate = Strain(seed, history)
    fate.send_whole_words()
    while history.batches < 0.9 * BATCHES:
        fate.next_step()
    fate.close(BATCHES - history.batches)
    history.compare_all_that_settled()

    refused = {reason.name: history.reasons[reason] for reason in RideReason}
    print(f"{history.settled_rides} rides settled in {history.batches} batches; refused: {refused}")
    print(f"whole batches refused: {dict(history.causes)}; acts: {dict(history.acts)}")
    assert all(refused.values()), f"expected each reason at least once, came {refused}"
    assert set(history.causes) <= WHOLE_REFUSALS
    assert len(history.causes) >= 8, f"expected at least 8 causes of refusal, came {set(history.causes)}"
    assert history.acts["stopSettlement"], "expected at least one emergency stop"
    assert history.acts["set parameters"], "expected parameters that came to hold"
    assert history.acts["reinstate"], "expected a suspension that ended"
    assert history.statement.withheld, "expected fares above a daily limit"


@pytest.mark.parametrize("start", [2**31 - 2 * HOUR, 2**32 - 20 * DAY])
def test_they_agree_around_2038_and_to_the_last_days_of_32_bits(history: TwinnedHistory, start: int) -> None:
    """The loop holds times against one another in 32 bits, whose top bit begins to be used in 2038."""
    history.wait(start - history.now)
    fate = Strain(DEFAULT_SEED, history)
    for _ in range(25):
        fate.send_batch()
        history.now += 600
    assert history.settled_rides > 50


def test_a_difference_between_them_is_seen(history: TwinnedHistory) -> None:
    """Or else the comparison would compare nothing: this twin thinks that a ride may cost 1 fen at most."""
    batch = Strain(1, history).rides.dense(FOUNDERS[0], history.now, 3)
    signature = sign_batch(history.ledger.domain, FOUNDERS[0].key(Role.SUBMITTER), batch)
    history._tell()
    before, afterwards, *others = history.last_told
    assert before == afterwards
    cheap = (1, *before[1:])
    history.twin.tell((cheap, cheap, *others), sender=STRANGER, at=history.now)
    with pytest.raises(AssertionError, match="its twin"):
        history.settle(batch.to_bytes(), signature)
