"""Answering disputes: what is found, what is sent, and being killed anywhere on the way."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest

from gate_client.answer_session import AnswerReport
from gate_client.answering import OVERLAP, UNKNOWN_PATIENCE, DisputeDesk, Review, Standing
from gate_client.dispute_log import DisputeState, stored_disputes
from gate_client.errors import ChainError, ChainRefusalError, ChainUnavailableError
from gate_client.journal import Journal
from gate_client.settlement import Receipt, SignedTransaction, TransactionState
from interline.batch import Batch
from interline.disputes import Case, Evidence, RideDispute, RideFacts, Stage, check_evidence, ride_at
from interline.tariff import Tariff
from network.accounts import Role
from tests.support.deploy import City
from tests.support.riders import TicketOffice
from tests.unit.gate.conftest import NOW
from tests.unit.gate.fake_chain import Killed
from tests.unit.gate.settled_rides import ride_through, settle_all

DEADLINE = NOW + 10 * 86_400
FEE = 500


@dataclass
class FakeDisputes:
    """A chain that takes one answer for each dispute, if its evidence is good; killed at its `kill_at`th call."""

    operator: int
    facts: dict[tuple[bytes, int], RideFacts] = field(default_factory=dict)
    opened: list[RideDispute] = field(default_factory=list)
    cases: dict[tuple[bytes, int], Case] = field(default_factory=dict)
    block: int = 5_000
    time: int = NOW
    mines: bool = True
    sent: list[bytes] = field(default_factory=list)
    upheld: list[tuple[bytes, int]] = field(default_factory=list)
    asked: list[tuple[int, int]] = field(default_factory=list)
    refusal: ChainError | None = None
    kill_at: int | None = None
    calls: int = 0
    _signed: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)
    _states: dict[bytes, TransactionState] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def open(self, batch: Batch, index: int, domain: object) -> None:
        one = ride_at(batch, index)
        facts = RideFacts.of(domain, self.operator, one.issuer, one.key_id, one.ride)  # type: ignore[arg-type]
        fare, place = one.ride.fare, (batch.id, index)
        self.facts[place] = facts
        self.cases[place] = Case(one.issuer, self.operator, fare, 0, FEE, DEADLINE, Stage.OPEN)
        self.opened.append(
            RideDispute(
                bytes(20), batch.id, index, one.issuer, self.operator, fare, DEADLINE, FEE, self.block, bytes(32)
            )
        )

    def close(self, place: tuple[bytes, int], stage: Stage) -> None:
        self.cases[place] = replace(self.cases[place], stage=stage)

    def mine(self) -> None:
        for tx, state in self._states.items():
            if state is TransactionState.PENDING:
                place = self._signed[tx]
                good = self.cases[place].stage is Stage.OPEN
                self._states[tx] = TransactionState.SUCCEEDED if good else TransactionState.FAILED
                if good:
                    self.close(place, Stage.UPHELD)
                    self.upheld.append(place)

    def forget(self) -> None:
        """The node restarts and forgets what it hasn't mined."""
        self._states = {tx: state for tx, state in self._states.items() if state is not TransactionState.PENDING}

    def head_and_time(self) -> tuple[int, int]:
        self._step()
        return self.block, self.time

    def deployed_at(self) -> int:
        self._step()
        return 3

    def disputes(self, operator: int, from_block: int, to_block: int) -> list[RideDispute]:
        self._step()
        assert operator == self.operator
        self.asked.append((from_block, to_block))
        return [one for one in self.opened if from_block <= one.block <= to_block]

    def case(self, batch_id: bytes, index: int) -> Case:
        self._step()
        return self.cases.get((batch_id, index), Case(0, 0, 0, 0, 0, 0, Stage.NONE))

    def answer_gas(self, sender: bytes, batch_id: bytes, index: int, facts: RideFacts, evidence: Evidence) -> int:
        self._step()
        if self.refusal is not None:
            raise self.refusal
        if self.cases[batch_id, index].stage is not Stage.OPEN:
            raise ChainRefusalError("NotDisputed", (batch_id, index))
        assert facts.commitment == self.facts[batch_id, index].commitment
        check_evidence(facts, evidence)
        return 400_000

    def sign_answer(
        self, private_key: bytes, batch_id: bytes, index: int, facts: RideFacts, evidence: Evidence, gas: int
    ) -> SignedTransaction:
        self._step()
        assert gas == 500_000
        tx = next(self._numbers).to_bytes(32, "big")
        self._signed[tx] = (batch_id, index)
        return SignedTransaction(tx, tx)

    def send(self, transaction: SignedTransaction) -> None:
        self._step()
        self.sent.append(transaction.hash)
        self._states[transaction.hash] = TransactionState.PENDING
        self._step()  # killed after it was sent, before anyone heard of it
        if self.mines:
            self.mine()

    def receipt(self, tx: bytes) -> Receipt:
        self._step()
        return Receipt(self._states.get(tx, TransactionState.UNKNOWN))

    def _step(self) -> None:
        self.calls += 1
        if self.calls == self.kill_at:
            raise Killed


@pytest.fixture
def chain(hangzhou: City) -> FakeDisputes:
    return FakeDisputes(hangzhou.code)


@pytest.fixture
def batch(journal: Journal, office: TicketOffice, hangzhou: City, hangzhou_tariff: Tariff) -> Batch:
    """Three settled rides from Shanghai; the last one's exit isn't known."""
    riders = [office.issue(hangzhou, not_after=NOW + 3_600) for _ in range(3)]
    for rider in riders:
        ride_through(journal, rider, NOW - 600, None if rider is riders[-1] else NOW)
    return settle_all(journal, hangzhou_tariff)


Work = Callable[..., list[Review]]


@pytest.fixture
def answer(journal: Journal, chain: FakeDisputes, hangzhou: City) -> Work:
    """One `gate-client answer`: every call is a process of its own, as far as memory goes."""

    def run(*, send: bool = True) -> list[Review]:
        desk = DisputeDesk(journal, chain, journal.line.domain, hangzhou.private_key(Role.SUBMITTER))
        _, reviews = desk.review()
        return [desk.answer(one, send=send) if one.standing is Standing.READY else one for one in reviews]

    return run


def standings(reviews: list[Review]) -> list[str]:
    return [one.standing.value for one in reviews]


@pytest.fixture
def disputed(chain: FakeDisputes, batch: Batch, journal: Journal) -> list[tuple[bytes, int]]:
    """All three rides are disputed."""
    for index in range(3):
        chain.open(batch, index, journal.line.domain)
    return list(chain.cases)


class TestAnswers:
    def test_nothing_disputed_is_nothing_to_do(self, answer: Work, batch: Batch) -> None:
        assert answer() == []

    def test_every_dispute_is_answered_once_the_lone_ride_with_one_code(
        self, answer: Work, disputed: list[tuple[bytes, int]], chain: FakeDisputes
    ) -> None:
        assert standings(answer()) == ["answered"] * 3
        assert standings(answer()) == ["upheld"] * 3
        assert sorted(chain.upheld) == sorted(disputed)
        assert len(chain.sent) == 3

    def test_a_dry_run_sends_nothing_and_says_what_it_would_take(
        self, answer: Work, disputed: list[tuple[bytes, int]], chain: FakeDisputes
    ) -> None:
        reviews = answer(send=False)
        assert standings(reviews) == ["ready"] * 3
        assert {one.gas for one in reviews} == {400_000}
        assert not chain.sent

    def test_after_the_deadline_nothing_is_sent(
        self, answer: Work, disputed: list[tuple[bytes, int]], chain: FakeDisputes
    ) -> None:
        chain.time = DEADLINE + 1
        assert standings(answer()) == ["too_late"] * 3
        assert not chain.sent

    def test_in_its_last_second_it_is(
        self, answer: Work, disputed: list[tuple[bytes, int]], chain: FakeDisputes
    ) -> None:
        chain.time = DEADLINE
        assert standings(answer()) == ["answered"] * 3

    def test_one_that_somebody_else_answered_counts_as_done(
        self, answer: Work, disputed: list[tuple[bytes, int]], chain: FakeDisputes, journal: Journal
    ) -> None:
        answer(send=False)
        chain.close(disputed[0], Stage.UPHELD)
        chain.close(disputed[1], Stage.CLOSED)
        assert sorted(standings(answer())) == ["answered", "refunded", "upheld"]
        assert len(chain.sent) == 1

    def test_one_that_somebody_answers_meanwhile_does_too(
        self, disputed: list[tuple[bytes, int]], chain: FakeDisputes, journal: Journal, hangzhou: City
    ) -> None:
        desk = DisputeDesk(journal, chain, journal.line.domain, hangzhou.private_key(Role.SUBMITTER))
        _, reviews = desk.review()
        for place in disputed:
            chain.close(place, Stage.UPHELD)
        assert standings([desk.answer(one) for one in reviews]) == ["upheld"] * 3
        assert not chain.sent

    def test_what_the_chain_refuses_is_said_and_can_be_tried_again(
        self, answer: Work, disputed: list[tuple[bytes, int]], chain: FakeDisputes
    ) -> None:
        chain.refusal = ChainRefusalError("BadRiderSignature", (NOW,))
        reviews = answer()
        assert standings(reviews) == ["refused"] * 3
        assert reviews[0].problem == f"the chain refuses the answer: BadRiderSignature({NOW})"
        chain.refusal = None
        assert standings(answer()) == ["answered"] * 3

    def test_an_account_without_funds_is_said(
        self, answer: Work, disputed: list[tuple[bytes, int]], chain: FakeDisputes
    ) -> None:
        chain.refusal = ChainError("insufficient funds")
        assert answer()[0].problem == "the answer can't be sent: insufficient funds"

    def test_a_chain_that_goes_away_ends_the_round(
        self, answer: Work, disputed: list[tuple[bytes, int]], chain: FakeDisputes
    ) -> None:
        chain.refusal = ChainUnavailableError("away")
        with pytest.raises(ChainUnavailableError):
            answer()


class TestWaiting:
    def test_an_answer_on_its_way_is_waited_for(
        self, answer: Work, disputed: list[tuple[bytes, int]], chain: FakeDisputes
    ) -> None:
        chain.mines = False
        answer()
        assert standings(answer()) == ["answered"] * 3
        assert len(chain.sent) == 3
        chain.mine()
        assert standings(answer()) == ["upheld"] * 3

    def test_one_that_the_node_forgot_is_sent_again(
        self, answer: Work, disputed: list[tuple[bytes, int]], chain: FakeDisputes
    ) -> None:
        chain.mines = False
        answer()
        chain.forget()
        assert standings(answer()) == ["answered"] * 3
        assert len(chain.sent) == 6
        chain.mine()
        assert len(chain.upheld) == 3

    def test_within_one_process_it_is_given_some_time(
        self, disputed: list[tuple[bytes, int]], chain: FakeDisputes, journal: Journal, hangzhou: City
    ) -> None:
        clock = [0.0]
        key = hangzhou.private_key(Role.SUBMITTER)
        desk = DisputeDesk(journal, chain, journal.line.domain, key, clock=lambda: clock[0])
        chain.mines = False
        for one in desk.review()[1]:
            desk.answer(one)
        chain.forget()
        clock[0] = UNKNOWN_PATIENCE - 0.1
        assert standings(desk.review()[1]) == ["answered"] * 3
        clock[0] = UNKNOWN_PATIENCE
        assert standings(desk.review()[1]) == ["ready"] * 3


class TestReading:
    def test_it_goes_on_where_it_was_with_an_overlap(
        self, answer: Work, disputed: list[tuple[bytes, int]], chain: FakeDisputes
    ) -> None:
        answer()
        chain.block += 10
        answer()
        assert chain.asked == [(3, 5_000), (5_000 - OVERLAP, 5_010)]

    def test_a_chain_that_is_behind_is_read_to_its_end(
        self, answer: Work, disputed: list[tuple[bytes, int]], chain: FakeDisputes
    ) -> None:
        answer()
        chain.block = 4_000
        answer()
        assert chain.asked[-1] == (4_000 - OVERLAP, 4_000)

    def test_one_whose_block_was_replaced_is_forgotten_and_found_again(
        self, answer: Work, disputed: list[tuple[bytes, int]], chain: FakeDisputes
    ) -> None:
        answer(send=False)
        [first, *_] = chain.opened
        case = chain.cases.pop((first.batch_id, first.index))
        chain.opened.remove(first)
        assert len(answer(send=False)) == 2
        chain.cases[first.batch_id, first.index] = case
        chain.opened.append(replace(first, block=5_001))
        chain.block = 5_001
        assert len(answer(send=False)) == 3

    def test_one_that_was_upheld_in_a_replaced_block_is_answered_again(
        self, answer: Work, disputed: list[tuple[bytes, int]], chain: FakeDisputes, journal: Journal
    ) -> None:
        answer()
        answer()
        assert {one.state for one in stored_disputes(journal, journal.line.domain)} == {DisputeState.UPHELD}
        chain.close(disputed[0], Stage.OPEN)
        chain._states.clear()
        assert sorted(standings(answer())) == ["answered", "upheld", "upheld"]

    def test_what_is_left_of_the_fare_hangs_on_it(
        self, answer: Work, disputed: list[tuple[bytes, int]], chain: FakeDisputes
    ) -> None:
        chain.cases[disputed[0]] = replace(chain.cases[disputed[0]], refunded=100)
        amounts = [one.dispute.amount for one in answer(send=False) if one.dispute.index == disputed[0][1]]
        assert amounts == [chain.cases[disputed[0]].fare - 100]


class TestStuck:
    @pytest.fixture
    def spoilt(self, journal: Journal, disputed: list[tuple[bytes, int]]) -> None:
        journal.db.execute("UPDATE taps SET code = NULL")

    def test_without_evidence_the_reason_is_given_and_nothing_sent(
        self, answer: Work, spoilt: None, chain: FakeDisputes
    ) -> None:
        reviews = answer()
        assert standings(reviews) == ["no_evidence"] * 3
        assert "deleted by gate-client prune" in (reviews[0].problem or "")
        assert not chain.sent

    def test_a_damaged_batch_is_said(self, answer: Work, journal: Journal, disputed: list[tuple[bytes, int]]) -> None:
        journal.db.execute("UPDATE batches SET bytes = zeroblob(300)")
        [one, *_] = answer()
        assert one.ride is None
        assert "is damaged; restore the journal" in (one.problem or "")

    @pytest.mark.parametrize(("hours", "status"), [(240, 0), (241, 1)])
    def test_the_exit_status_tells_of_what_is_due_soon(
        self, answer: Work, spoilt: None, hours: int, status: int
    ) -> None:
        report = AnswerReport(NOW, tuple(answer()))
        assert report.exit_code(hours * 3_600) == status
        assert replace(report, problem="no outcome").exit_code(0) == 2


class TestKilled:
    @pytest.mark.parametrize("mines", [True, False], ids=["mined at once", "mined later"])
    @pytest.mark.parametrize("kill_at", range(1, 20))
    def test_at_any_point_each_dispute_is_answered_exactly_once(
        self, answer: Work, disputed: list[tuple[bytes, int]], chain: FakeDisputes, kill_at: int, mines: bool
    ) -> None:
        chain.mines, chain.kill_at = mines, kill_at
        with suppress(Killed):
            answer()
        chain.kill_at = None
        for _ in range(3):
            answer()
            chain.mine()
        assert standings(answer()) == ["upheld"] * 3
        assert sorted(chain.upheld) == sorted(disputed)
        assert len(chain.sent) == 3

    def test_the_points_cover_a_whole_run(
        self, answer: Work, disputed: list[tuple[bytes, int]], chain: FakeDisputes
    ) -> None:
        answer()
        assert chain.calls < 19
