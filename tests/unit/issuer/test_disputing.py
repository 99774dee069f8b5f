"""What an office may dispute and claim, by what the chain says of a ride."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from interline.batch import Batch, outcome
from interline.disputes import Case, RideDispute, Stage
from interline.ride import Ride
from interline.settlements import Pair, RideRefund, Settlement
from interline.signatures import to_checksum
from issuer_client.chain_types import Block, Call, House, Terms
from issuer_client.disputing import CaseState, Claim, ClaimKind, Disputes
from issuer_client.errors import ChainError, ChainRefusalError, DisputeRefusedError
from issuer_client.feed import Item, Kind

NOW = 1_800_000_000
DAY = 86_400
XUZHOU, SHANGHAI, HANGZHOU = 3203, 3100, 3301
HOUSE = House(b"\x01" * 20, b"\x02" * 20, 3)
TERMS = Terms(grace=DAY, dispute_time=30 * DAY, answer_time=10 * DAY, fee=500)
UNTOUCHED = Case(0, 0, 0, 0, 0, 0, Stage.NONE)


def ride(serial: int, entered_at: int = NOW - DAY) -> Ride:
    return Ride(serial, NOW, 900, bytes(20), 1, 9, entered_at, entered_at + 600, 400, bytes(64))


BATCH = Batch.build(
    HANGZHOU, [(SHANGHAI, 1, ride(7)), (XUZHOU, 1, ride(1)), (XUZHOU, 1, ride(2)), (XUZHOU, 1, ride(3))]
)
REFUSED = ((3, 4),)
SETTLEMENT = Settlement(
    clearinghouse=HOUSE.address,
    batch_id=BATCH.id,
    operator=HANGZHOU,
    settled=3,
    rejected=1,
    fares=1_200,
    refused=REFUSED,
    pairs=(Pair(SHANGHAI, 1, 400, 400), Pair(XUZHOU, 2, 800, 800)),
    block=9,
    block_hash=bytes(32),
    tx=bytes(32),
)


@dataclass
class FakeChain:
    """One Clearinghouse with one batch: rides 0 (Shanghai's), 1 and 2 settled, ride 3 was refused."""

    houses: tuple[House, ...] = (HOUSE,)
    cases: dict[int, Case] = field(default_factory=dict)
    asked: list[RideDispute] = field(default_factory=list)
    given: list[RideRefund] = field(default_factory=list)
    changed_at: int = 0
    after: Terms = TERMS
    before: Terms = TERMS
    batches_read: int = 0

    def head(self) -> Block:
        return Block(20, bytes(32), NOW)

    def line(self) -> tuple[House, ...]:
        return self.houses

    def settled_at(self, house: bytes, batch_id: bytes) -> int | None:
        return NOW - DAY if batch_id == BATCH.id else None

    def settlement(self, house: bytes, batch_id: bytes, from_block: int) -> Settlement | None:
        return SETTLEMENT

    def batch(self, settlement: Settlement, given: Mapping[bytes, bytes]) -> bytes:
        self.batches_read += 1
        return BATCH.to_bytes()

    def outcome(self, house: bytes, batch_id: bytes) -> bytes:
        return outcome(REFUSED)

    def disputes(self, refunds: bytes, issuer: int, from_block: int, to_block: int) -> list[RideDispute]:
        return self.asked

    def refunded(self, refunds: bytes, issuer: int, from_block: int, to_block: int) -> list[RideRefund]:
        return self.given

    def case(self, refunds: bytes, batch_id: bytes, index: int) -> Case:
        return self.cases.get(index, UNTOUCHED)

    def terms(self, house: bytes, exited_at: int) -> Terms:
        return self.before if exited_at < self.changed_at else self.after

    def treasury(self, city: int) -> bytes:
        return bytes(20)

    def refunds_call(self, refunds: bytes, function: str, *arguments: object) -> Call:
        return Call(refunds, function.encode())

    def gas(self, sender: bytes, call: Call) -> int:
        return 100_000


def case(stage: Stage = Stage.OPEN, *, refunded: int = 0, answer_until: int = NOW) -> Case:
    return Case(XUZHOU, HANGZHOU, 400, refunded, 500, answer_until, stage)


def opened(index: int, block: int = 10) -> RideDispute:
    return RideDispute(HOUSE.refunds or b"", BATCH.id, index, XUZHOU, HANGZHOU, 400, NOW, 500, block, bytes(32))


def given(index: int, amount: int, block: int = 8) -> RideRefund:
    return RideRefund(HOUSE.refunds or b"", BATCH.id, index, XUZHOU, HANGZHOU, amount, amount, 0, block, bytes(32), 0)


@pytest.fixture
def chain() -> FakeChain:
    return FakeChain()


class TestWhatCanBeDisputed:
    def test_a_settled_ride_of_this_city_with_what_is_at_stake(self, chain: FakeChain) -> None:
        disputes = Disputes(XUZHOU, chain)
        intent = disputes.intend(disputes.batches(BATCH.id)[0], 1, NOW)
        assert (intent.amount, intent.fee, intent.answer_until) == (400, 500, NOW + 10 * DAY)
        assert (intent.ride.ride.serial, intent.call.data) == (1, b"dispute")

    def test_after_a_partial_refund_what_is_left(self, chain: FakeChain) -> None:
        chain.cases[1] = case(Stage.NONE, refunded=150, answer_until=0)
        disputes = Disputes(XUZHOU, chain)
        assert disputes.intend(disputes.batches(BATCH.id)[0], 1, NOW).amount == 250

    @pytest.mark.parametrize(
        ("index", "known", "words"),
        [
            (0, UNTOUCHED, "expected one on a ticket of 3203, came one of 3100"),
            (3, UNTOUCHED, r"refused on chain \(AlreadySettled\)"),
            (4, UNTOUCHED, "one of the batch's 4 rides"),
            (1, case(Stage.OPEN), "came one that is open"),
            (1, case(Stage.CLOSED, refunded=400), "came one that is closed"),
            (1, case(Stage.NONE, refunded=400, answer_until=0), "all of its fare of 400 fen"),
        ],
    )
    def test_nothing_else(self, chain: FakeChain, index: int, known: Case, words: str) -> None:
        chain.cases[index] = known
        disputes = Disputes(XUZHOU, chain)
        with pytest.raises(DisputeRefusedError, match=words):
            disputes.intend(disputes.batches(BATCH.id)[0], index, NOW)

    def test_no_ride_that_settled_too_long_ago(self, chain: FakeChain) -> None:
        chain.after = replace(chain.after, dispute_time=DAY - 1)
        disputes = Disputes(XUZHOU, chain)
        with pytest.raises(DisputeRefusedError, match="too late to dispute"):
            disputes.intend(disputes.batches(BATCH.id)[0], 1, NOW)

    def test_by_the_terms_of_when_the_ride_ended(self, chain: FakeChain) -> None:
        """The change lies in the second after the ride's end; those after it are shorter, and dearer."""
        exited_at = ride(1).exited_at
        chain.after = Terms(grace=DAY, dispute_time=DAY - 1, answer_time=3 * DAY, fee=900)
        disputes = Disputes(XUZHOU, chain)
        chain.changed_at = exited_at + 1
        intent = disputes.intend(disputes.batches(BATCH.id)[0], 1, NOW)
        assert (intent.fee, intent.answer_until) == (500, NOW + 10 * DAY)
        chain.changed_at = exited_at
        with pytest.raises(DisputeRefusedError, match="too late to dispute"):
            disputes.intend(disputes.batches(BATCH.id)[0], 1, NOW)

    def test_no_batch_that_did_not_settle(self, chain: FakeChain) -> None:
        with pytest.raises(DisputeRefusedError, match="expected one that settled at 0x0101"):
            Disputes(XUZHOU, chain).batches(bytes(32))

    def test_a_ride_that_settled_at_two_clearinghouses_needs_the_one_to_be_named(self, chain: FakeChain) -> None:
        other = replace(HOUSE, address=bytes([9] * 20))
        chain.houses = (HOUSE, other)
        disputes = Disputes(XUZHOU, chain)
        both = disputes.batches(BATCH.id)
        assert [batch.house for batch in both] == [HOUSE, other]
        words = rf"settled at {to_checksum(HOUSE.address)} and {to_checksum(other.address)}; say at which"
        with pytest.raises(DisputeRefusedError, match=words):
            disputes.choose(both, 1)
        [named] = disputes.batches(BATCH.id, other.address)
        assert disputes.choose([named], 1).house == other

    def test_nothing_where_no_contract_refunds(self, chain: FakeChain) -> None:
        chain.houses = (replace(HOUSE, refunds=None),)
        disputes = Disputes(XUZHOU, chain)
        with pytest.raises(ChainError, match="it knows no disputes"):
            disputes.intend(disputes.batches(BATCH.id)[0], 1, NOW)
        assert disputes.cases()[1] == []


class TestCases:
    @pytest.mark.parametrize(
        ("known", "state"),
        [
            (case(answer_until=NOW), CaseState.OPEN),
            (case(answer_until=NOW - 1), CaseState.CLAIMABLE),
            (case(Stage.UPHELD), CaseState.UPHELD),
            (case(Stage.CLOSED, refunded=400), CaseState.REFUNDED),
            (case(Stage.NONE, refunded=400), CaseState.REFUNDED),
            (case(Stage.NONE, refunded=1), CaseState.PARTLY_REFUNDED),
        ],
    )
    def test_each_has_a_state(self, chain: FakeChain, known: Case, state: CaseState) -> None:
        chain.asked, chain.cases = [opened(1)], {1: known}
        [found] = Disputes(XUZHOU, chain).cases()[1]
        assert found.state is state

    def test_a_ride_is_there_once_with_all_its_refunds_in_the_order_of_the_chain(self, chain: FakeChain) -> None:
        chain.asked, chain.given = [opened(1, block=10)], [given(2, 10, 8), given(1, 5, 9), given(1, 6, 11)]
        chain.cases = {1: case(refunded=11), 2: case(Stage.NONE, refunded=10)}
        _, found = Disputes(XUZHOU, chain).cases()
        assert [(one.index, [refund.amount for refund in one.refunds]) for one in found] == [(2, [10]), (1, [5, 6])]


class TestClaims:
    def claims(self, chain: FakeChain, revoked: list[tuple[Item, int]]) -> list[tuple[ClaimKind, int, int]]:
        disputes = Disputes(XUZHOU, chain)
        found = disputes.claims(disputes.cases()[1], revoked)
        return [(one.kind, one.index, one.amount) for one in found]

    def settled(self, index: int = 2, **changes: Any) -> Item:
        fields: dict[str, Any] = {
            "kind": Kind.RIDE,
            "house": HOUSE.address,
            "batch_id": BATCH.id,
            "place": index,
            "operator": HANGZHOU,
            "amount": 400,
            "block": 9,
            "time": NOW - DAY,
            "tx": bytes(32),
            "ride": ride(2),
        }
        return Item(**fields | changes)

    def test_a_dispute_without_an_answer_in_time_is_one_for_what_is_left(self, chain: FakeChain) -> None:
        chain.asked, chain.cases = [opened(1)], {1: case(answer_until=NOW - 1, refunded=100)}
        assert self.claims(chain, []) == [(ClaimKind.UNANSWERED, 1, 300)]

    def test_one_that_can_be_answered_is_none(self, chain: FakeChain) -> None:
        chain.asked, chain.cases = [opened(1)], {1: case(answer_until=NOW)}
        assert self.claims(chain, []) == []

    @pytest.mark.parametrize(("revoked_at", "count"), [(NOW - 2 * DAY - 1, 1), (NOW - 2 * DAY, 0)])
    def test_a_ride_that_began_more_than_the_grace_after_its_revocation_is_one(
        self, chain: FakeChain, revoked_at: int, count: int
    ) -> None:
        found = self.claims(chain, [(self.settled(), revoked_at)])
        assert found == [(ClaimKind.REVOKED, 2, 400)] * count

    def test_the_grace_is_that_of_when_the_ride_ended(self, chain: FakeChain) -> None:
        chain.before = replace(chain.before, grace=2 * DAY)
        chain.changed_at = ride(2).exited_at + 1
        assert self.claims(chain, [(self.settled(), NOW - 3 * DAY)]) == []
        chain.changed_at -= 1
        assert self.claims(chain, [(self.settled(), NOW - 3 * DAY)]) == [(ClaimKind.REVOKED, 2, 400)]

    def test_nothing_is_claimed_that_went_back_or_is_too_old_or_of_an_unknown_house(self, chain: FakeChain) -> None:
        chain.cases = {2: case(Stage.NONE, refunded=400)}
        long_ago = NOW - 9 * DAY
        assert self.claims(chain, [(self.settled(), long_ago)]) == []
        too_old = NOW - chain.after.dispute_time - 1
        assert self.claims(chain, [(self.settled(1, time=too_old), long_ago)]) == []
        assert self.claims(chain, [(self.settled(1, time=too_old + 1), long_ago)]) == [(ClaimKind.REVOKED, 1, 400)]
        assert self.claims(chain, [(self.settled(1, house=bytes(20)), long_ago)]) == []
        assert chain.batches_read == 1

    @pytest.mark.parametrize(
        ("name", "known", "done"),
        [
            ("NotDisputed", case(Stage.UPHELD), True),
            ("NotDisputed", case(Stage.CLOSED, refunded=400), True),
            ("NothingLeft", case(Stage.NONE, refunded=400), True),
            ("NotDisputed", UNTOUCHED, True),
            ("NotDisputed", case(Stage.OPEN), False),
            ("AnswerStillPossible", case(Stage.CLOSED, refunded=400), False),
        ],
    )
    def test_a_refusal_because_it_was_done_is_told_from_others(
        self, chain: FakeChain, name: str, known: Case, done: bool
    ) -> None:
        chain.cases[1] = known
        claim = Claim(ClaimKind.UNANSWERED, HOUSE, BATCH.id, 1, HANGZHOU, 400, Call(bytes(20), b""))
        assert Disputes(XUZHOU, chain).is_done(claim, ChainRefusalError(name)) is done
