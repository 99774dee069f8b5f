"""The feed: read from a chain that stops, fails, or replaces its blocks, every entry is there once."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import issuer_client.feed_reading as reading
from interline.batch import Batch
from interline.errors import BatchNotFoundError, SettlementError
from interline.hashing import keccak256
from interline.ride import Ride
from interline.settlements import Pair, RideRefund, Settlement
from interline.ticket import Ticket
from issuer_client.chain_types import Block, House, Revocation, Terms
from issuer_client.config import IssuerConfig
from issuer_client.errors import ChainError, ChainMovedError, ChainUnavailableError, FeedFileError
from issuer_client.feed import WITHDRAWN, Feed, Kind, Statement
from issuer_client.feed_output import Names, totals, update_csv
from issuer_client.feed_reading import FeedReader
from issuer_client.office import TicketOffice

from .conftest import CLEARINGHOUSE, HANGZHOU, NOON, XUZHOU, rider_keys

REFUNDS = bytes([0xEE] * 20)
FARE = 300


@dataclass
class Happening:
    """What a block holds: batches of rides (with their settlement), refunds, revocations."""

    batches: list[tuple[Settlement, bytes]] = field(default_factory=list)
    refunds: list[RideRefund] = field(default_factory=list)
    revocations: list[Revocation] = field(default_factory=list)


class FakeChain:
    """A chain in memory, a block every ten seconds; `fail_at` lets the call of that number fail."""

    def __init__(self) -> None:
        self.blocks: list[Happening] = [Happening()]
        self.forks: list[bytes] = [b"a"]
        self.fail_at: int | None = None
        self.calls = 0
        self.hidden: set[bytes] = set()
        self.houses = (House(CLEARINGHOUSE, REFUNDS, 0),)
        self.called_off: dict[bytes, House | ChainError] = {}
        """Clearinghouses that aren't of the line any more, and what they answer."""

    # building

    def mine(self, happening: Happening | None = None, fork: bytes = b"a") -> int:
        """One more block; its number."""
        number = len(self.blocks)
        made = happening or Happening()
        self.blocks.append(
            Happening(
                [
                    (replace(one, block=number, block_hash=b"", tx=self.tx(number, fork)), data)
                    for one, data in made.batches
                ],
                [replace(one, block=number, tx=self.tx(number, fork)) for one in made.refunds],
                [replace(one, block=number) for one in made.revocations],
            )
        )
        self.forks.append(fork)
        return number

    def cut(self, number: int) -> None:
        """Forget the blocks from that number on."""
        del self.blocks[number:], self.forks[number:]

    def tx(self, number: int, fork: bytes) -> bytes:
        return keccak256(b"tx" + fork + bytes([number]))

    def hash(self, number: int) -> bytes:
        return keccak256(b"|".join(self.forks[: number + 1]))

    # what the feed asks

    def _call(self) -> None:
        self.calls += 1
        if self.calls == self.fail_at:
            raise ChainUnavailableError("the node doesn't answer")

    def head(self) -> Block:
        found = self.block(None)
        assert found is not None
        return found

    def block(self, number: int | None) -> Block | None:
        self._call()
        number = len(self.blocks) - 1 if number is None else number
        return Block(number, self.hash(number), NOON + 10 * number) if number < len(self.blocks) else None

    def first_block(self) -> int:
        return 0

    def line(self) -> tuple[House, ...]:
        self._call()
        return self.houses

    def house(self, address: bytes) -> House:
        self._call()
        found = self.called_off[address]
        if isinstance(found, ChainError):
            raise found
        return found

    def terms(self, house: bytes, exited_at: int) -> Terms:
        return Terms(grace=86_400, dispute_time=30 * 86_400, answer_time=10 * 86_400, fee=500)

    def settlements(self, house: bytes, issuer: int, from_block: int, to_block: int) -> list[Settlement]:
        self._call()
        assert issuer == XUZHOU
        found = [one for block in self.blocks[from_block : to_block + 1] for one, _ in block.batches]
        return [one for one in found if one.clearinghouse == house]

    def batch(self, settlement: Settlement, given: Mapping[bytes, bytes]) -> bytes:
        self._call()
        if settlement.batch_id in given:
            return given[settlement.batch_id]
        if settlement.batch_id in self.hidden:
            raise BatchNotFoundError("not there")
        return next(data for block in self.blocks for one, data in block.batches if one.batch_id == settlement.batch_id)

    def outcome(self, house: bytes, batch_id: bytes) -> bytes:
        self._call()
        return bytes(25)

    def refunded(self, refunds: bytes, issuer: int, from_block: int, to_block: int) -> list[RideRefund]:
        self._call()
        assert (refunds, issuer) == (REFUNDS, XUZHOU)
        return [one for block in self.blocks[from_block : to_block + 1] for one in block.refunds]

    def revocations(self, issuer: int, from_block: int, to_block: int) -> list[Revocation]:
        self._call()
        return [one for block in self.blocks[from_block : to_block + 1] for one in block.revocations]


def settled(*tickets: Ticket) -> Happening:
    """A block with one batch: a ride on each ticket."""
    rides = [
        Ride(one.serial, one.not_after, one.fare_cap, one.rider, 1, 2, NOON, NOON + 600, FARE, one.signature)
        for one in tickets
    ]
    batch = Batch.build(HANGZHOU, [(XUZHOU, 1, ride) for ride in rides])
    fares = FARE * len(rides)
    pair = Pair(XUZHOU, len(rides), fares, fares)
    settlement = Settlement(
        CLEARINGHOUSE, batch.id, HANGZHOU, len(rides), 0, fares, (), (pair,), 0, bytes(32), bytes(32)
    )
    return Happening(batches=[(settlement, batch.to_bytes())])


def refund(happening: Happening, index: int, amount: int) -> RideRefund:
    """A refund of a ride of that block's batch."""
    settlement, _ = happening.batches[0]
    return RideRefund(REFUNDS, settlement.batch_id, index, XUZHOU, HANGZHOU, amount, amount, 0, 0, bytes(32), 0)


@pytest.fixture
def chain() -> FakeChain:
    return FakeChain()


@pytest.fixture
def tickets(office: TicketOffice) -> list[Ticket]:
    """Twelve tickets for Hangzhou, by serial."""
    return sorted(office.issue(HANGZHOU, rider_keys(12)), key=lambda ticket: ticket.serial)


@pytest.fixture
def feed(config: IssuerConfig) -> Iterator[Feed]:
    with Feed(config) as opened:
        yield opened


@pytest.fixture
def reader(chain: FakeChain, feed: Feed, office: TicketOffice) -> FeedReader:
    return FeedReader(XUZHOU, chain, feed, office.register)


def entries(feed: Feed) -> list[tuple[int, str, int]]:
    return [(entry.number, entry.kind, entry.amount) for entry in feed.entries()]


def statement(feed: Feed, serial: int) -> Statement:
    [found] = [one for one in feed.statements() if one.item.ride and one.item.ride.serial == serial]
    return found


def test_a_run_that_fails_anywhere_is_taken_up_again_and_every_entry_is_there_once(
    chain: FakeChain, reader: FeedReader, feed: Feed, tickets: list[Ticket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails at its first call, then at its second, and so on, on a chain that is read three blocks at a time."""
    monkeypatch.setattr(reading, "RANGE", 3)
    for start in range(0, 12, 3):
        happening = settled(*tickets[start : start + 3])
        chain.mine(happening)
        chain.mine()
        chain.mine(Happening(refunds=[refund(happening, 1, 100)]))
    fails, done = 0, False
    while not done:
        fails += 1
        chain.calls, chain.fail_at = 0, fails
        try:
            reader.read()
            done = True
        except ChainUnavailableError:
            found = entries(feed)
            assert [number for number, _, _ in found] == list(range(1, len(found) + 1))
    assert fails > 10
    assert entries(feed) == [
        (number + 4 * part, kind, amount)
        for part in range(4)
        for number, kind, amount in ((1, "ride", FARE), (2, "ride", FARE), (3, "ride", FARE), (4, "refund", -100))
    ]


def test_reading_again_makes_no_new_entries(
    chain: FakeChain, reader: FeedReader, feed: Feed, tickets: list[Ticket]
) -> None:
    happening = settled(tickets[0])
    chain.mine(happening)
    chain.mine(Happening(refunds=[refund(happening, 0, 10), refund(happening, 0, 10)]))
    reader.read()
    before = entries(feed)
    reader.read()
    feed.start_over([])
    reader.read()
    assert entries(feed) == before == [(1, "ride", FARE), (2, "refund", -10), (3, "refund", -10)]


def test_blocks_that_are_replaced_twice_leave_the_right_bill(
    chain: FakeChain, reader: FeedReader, feed: Feed, tickets: list[Ticket]
) -> None:
    """The ride goes, comes back, and its refund with another amount."""
    happening = settled(tickets[0])
    chain.mine()
    reader.read()
    chain.mine(happening)
    chain.mine(Happening(refunds=[refund(happening, 0, 50)]))
    reader.read()
    assert statement(feed, tickets[0].serial).net == FARE - 50
    chain.cut(2)
    for _ in range(4):
        chain.mine(fork=b"b")
    reader.read()
    gone = statement(feed, tickets[0].serial)
    assert (gone.there, gone.net, gone.fare, gone.refunded) == (False, 0, 0, 0)
    assert [kind for _, kind, _ in entries(feed)] == ["ride", "refund", WITHDRAWN, WITHDRAWN]
    chain.cut(3)
    chain.mine(happening, fork=b"c")
    for number in range(4):
        chain.mine(Happening(refunds=[refund(happening, 0, 70)] if number == 1 else []), fork=b"c")
    reader.read()
    back = statement(feed, tickets[0].serial)
    assert (back.there, back.net, back.fare, back.refunded) == (True, FARE - 70, FARE, 70)


def test_a_run_that_stops_between_forgetting_and_finding_withdraws_nothing(
    chain: FakeChain, reader: FeedReader, feed: Feed, tickets: list[Ticket]
) -> None:
    """The blocks were replaced, the ride is in a new one, and the node fails before that is read."""
    chain.mine()
    reader.read()
    chain.mine(settled(tickets[0]))
    reader.read()
    chain.cut(2)
    chain.mine(fork=b"b")
    chain.mine(settled(tickets[0]), fork=b"b")
    chain.calls, chain.fail_at = 0, 6
    with pytest.raises(ChainUnavailableError):
        reader.read()
    chain.fail_at = None
    reader.read()
    assert entries(feed) == [(1, "ride", FARE)]
    assert statement(feed, tickets[0].serial).item.block == 3


def test_a_revocation_in_a_replaced_block_is_forgotten(
    chain: FakeChain, reader: FeedReader, feed: Feed, tickets: list[Ticket]
) -> None:
    serial = tickets[0].serial
    chain.mine()
    reader.read()
    chain.mine(Happening(revocations=[Revocation(HANGZHOU, serial, 0)]))
    reader.read()
    assert feed.revoked_at(HANGZHOU, serial) == NOON + 20
    chain.cut(2)
    chain.mine(fork=b"b")
    reader.read()
    assert feed.revoked_at(HANGZHOU, serial) is None


def test_a_chain_that_goes_on_changing_is_left_for_later(
    chain: FakeChain, reader: FeedReader, feed: Feed, tickets: list[Ticket], monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.mine(settled(tickets[0]))
    ask = chain.settlements

    def and_change(*arguments: object) -> list[Settlement]:
        found = ask(*arguments)  # type: ignore[arg-type]
        chain.forks[1] += b"x"
        return found

    monkeypatch.setattr(chain, "settlements", and_change)
    with pytest.raises(ChainMovedError, match="others took its place 5 times"):
        reader.read()
    assert entries(feed) == []


def test_a_node_that_is_behind_takes_nothing_back(
    chain: FakeChain, reader: FeedReader, feed: Feed, tickets: list[Ticket]
) -> None:
    chain.mine(settled(tickets[0]))
    reader.read()
    chain.cut(1)
    with pytest.raises(ChainError, match="the node is behind"):
        reader.read()
    assert entries(feed) == [(1, "ride", FARE)]


def test_a_batch_that_cannot_be_read_counts_and_is_flagged(
    chain: FakeChain, reader: FeedReader, feed: Feed, tickets: list[Ticket]
) -> None:
    hidden = settled(*tickets[:2])
    chain.hidden = {hidden.batches[0][0].batch_id}
    chain.mine(hidden)
    chain.mine(Happening(refunds=[refund(hidden, 1, 100)]))
    reader.read()
    assert entries(feed) == [(1, "unread", 2 * FARE), (2, "refund", -100)]
    unread, refunded = feed.statements()
    assert (unread.item.kind, unread.flags, unread.item.rides) == (Kind.UNREAD, ("unread",), 2)
    assert (refunded.net, refunded.refunded) == (-100, 100)
    total = totals(feed.statements(), 0)[HANGZHOU]
    assert (total.rides, total.net) == (2, 2 * FARE - 100)


def test_a_node_whose_answers_do_not_fit_together_stops_it(
    chain: FakeChain, reader: FeedReader, feed: Feed, tickets: list[Ticket]
) -> None:
    happening = settled(tickets[0])
    settlement, data = happening.batches[0]
    happening.batches = [(replace(settlement, fares=FARE + 1), data)]
    chain.mine(happening)
    with pytest.raises(SettlementError, match="as rides settled, rides refused and fares"):
        reader.read()
    assert entries(feed) == []


def test_a_file_is_brought_up_to_date_wherever_it_was_cut(
    chain: FakeChain, reader: FeedReader, feed: Feed, tickets: list[Ticket], tmp_path: Path
) -> None:
    first, second = settled(*tickets[:3]), settled(*tickets[3:6])
    path, names = tmp_path / "feed.csv", Names(None)
    chain.mine(first)
    reader.read()
    assert update_csv(path, feed, names) == 3
    early = path.read_bytes()
    chain.mine(second)
    chain.mine(Happening(refunds=[refund(first, 0, 5)]))
    reader.read()
    assert update_csv(path, feed, names) == 4
    whole = path.read_bytes()
    assert whole.startswith(early)
    for cut in range(0, len(whole), 37):
        path.write_bytes(whole[:cut])
        update_csv(path, feed, names)
        assert path.read_bytes() == whole
    rows = list(csv.DictReader(path.open()))
    assert sum(int(row["amount_fen"]) for row in rows) == 6 * FARE - 5
    assert path.stat().st_mode & 0o077 == 0, "it says who rode when"


def test_a_file_of_another_register_is_refused(
    chain: FakeChain, reader: FeedReader, feed: Feed, tickets: list[Ticket], tmp_path: Path
) -> None:
    chain.mine(settled(tickets[0]))
    reader.read()
    path = tmp_path / "feed.csv"
    update_csv(path, feed, Names(None))
    path.write_text(path.read_text() + "2,ride\n")
    with pytest.raises(FeedFileError, match="it is of another register"):
        update_csv(path, feed, Names(None))


def test_the_register_issues_on_while_the_feed_is_open(
    chain: FakeChain, reader: FeedReader, office: TicketOffice, tickets: list[Ticket]
) -> None:
    chain.mine(settled(tickets[0]))
    reader.read()
    assert office.issue(HANGZHOU, rider_keys(1))


class TestASuccessorThatWasCalledOff:
    OFF = bytes([0xCC] * 20)

    @pytest.fixture
    def read(self, chain: FakeChain, reader: FeedReader, tickets: list[Ticket]) -> int:
        """A ride settled at each Clearinghouse of the line before it was called off; the last block."""
        chain.houses = (*chain.houses, House(self.OFF, None, 0))
        chain.mine(settled(tickets[0]))
        happening = settled(tickets[1])
        happening.batches = [(replace(one, clearinghouse=self.OFF), data) for one, data in happening.batches]
        number = chain.mine(happening)
        reader.read()
        chain.houses = chain.houses[:1]
        return number

    def test_its_rides_stay_though_blocks_are_read_again(
        self, chain: FakeChain, reader: FeedReader, feed: Feed, read: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        chain.called_off = {self.OFF: House(self.OFF, None, 0)}
        again = chain.blocks[read]
        chain.cut(read)
        chain.mine(again, fork=b"b")
        chain.mine()
        reader.read()
        assert [(kind, amount) for _, kind, amount in entries(feed)] == [("ride", FARE)] * 2
        assert "was called off; rides that settled there stay in the feed" in caplog.text

    def test_one_that_answers_no_more_stops_nothing(
        self, chain: FakeChain, reader: FeedReader, feed: Feed, tickets: list[Ticket], read: int
    ) -> None:
        chain.called_off = {self.OFF: ChainError("execution reverted")}
        chain.mine(settled(tickets[2]))
        reader.read()
        assert [(kind, amount) for _, kind, amount in entries(feed)] == [("ride", FARE)] * 3


def test_the_grace_after_a_revocation_is_that_of_when_the_ride_ended(
    chain: FakeChain, reader: FeedReader, feed: Feed, tickets: list[Ticket], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[bytes, int]] = []

    def terms(house: bytes, exited_at: int) -> Terms:
        asked.append((house, exited_at))
        return Terms(grace=0, dispute_time=0, answer_time=0, fee=0)

    monkeypatch.setattr(chain, "terms", terms)
    monkeypatch.setattr(feed, "revoked_at", lambda operator, serial: NOON - 1 if serial == tickets[0].serial else None)
    chain.mine(settled(*tickets[:2]))
    reader.read()
    assert asked == [(CLEARINGHOUSE, NOON + 600)]
    assert "revoked" in statement(feed, tickets[0].serial).flags


# ---------------------------------------------------------------- batches whose bytes turn up


def hide(chain: FakeChain, happening: Happening) -> None:
    chain.hidden.add(happening.batches[0][0].batch_id)


def test_a_batch_whose_bytes_turn_up_is_taken_back_and_its_rides_are_entered_once(
    chain: FakeChain, reader: FeedReader, feed: Feed, tickets: list[Ticket]
) -> None:
    happening = settled(*tickets[:2])
    hide(chain, happening)
    chain.mine(happening)
    chain.mine(Happening(refunds=[refund(happening, 1, 100)]))
    chain.mine(settled(tickets[2]))
    reader.read()
    chain.hidden.clear()
    for _ in range(3):
        reader.read()
    assert entries(feed) == [
        (1, "unread", 2 * FARE),
        (2, "refund", -100),
        (3, "ride", FARE),
        (4, WITHDRAWN, -2 * FARE),
        (5, "ride", FARE),
        (6, "ride", FARE),
    ]
    assert statement(feed, tickets[1].serial).net == FARE - 100
    assert feed.unread() == []


def test_killed_anywhere_while_late_rides_are_entered_each_is_there_once(
    chain: FakeChain, reader: FeedReader, feed: Feed, tickets: list[Ticket]
) -> None:
    for number in range(3):
        happening = settled(*tickets[2 * number : 2 * number + 2])
        hide(chain, happening)
        chain.mine(happening)
    reader.read()
    chain.hidden.clear()
    fails, done = 0, False
    while not done:
        fails += 1
        chain.calls, chain.fail_at = 0, fails
        try:
            reader.read()
            done = not feed.unread()
        except ChainUnavailableError:
            assert sum(amount for _, _, amount in entries(feed)) == 6 * FARE
    assert fails > 5
    kinds = [kind for _, kind, _ in entries(feed)]
    assert {kind: kinds.count(kind) for kind in kinds} == {"unread": 3, WITHDRAWN: 3, "ride": 6}


def test_bytes_given_by_hand_are_there_after_a_reorganisation_too(
    chain: FakeChain, feed: Feed, office: TicketOffice, tickets: list[Ticket]
) -> None:
    happening = settled(*tickets[:2])
    [(settlement, data)] = happening.batches
    hide(chain, happening)
    number = chain.mine(happening)
    FeedReader(XUZHOU, chain, feed, office.register).read()
    feed.keep_given({settlement.batch_id: data})
    chain.cut(number)
    chain.mine(fork=b"b")
    chain.mine(happening, fork=b"b")
    FeedReader(XUZHOU, chain, feed, office.register).read()
    assert [kind for _, kind, _ in entries(feed)] == ["unread", WITHDRAWN, "ride", "ride"]
    assert sum(amount for _, _, amount in entries(feed)) == 2 * FARE


def test_rides_that_were_read_stay_when_their_batch_settles_again_without_its_bytes(
    chain: FakeChain, reader: FeedReader, feed: Feed, tickets: list[Ticket]
) -> None:
    happening = settled(*tickets[:2])
    number = chain.mine(happening)
    reader.read()
    chain.cut(number)
    chain.mine(fork=b"b")
    hide(chain, happening)
    chain.mine(happening, fork=b"b")
    reader.read()
    assert [kind for _, kind, _ in entries(feed)] == ["ride", "ride"]
    [one, _] = feed.statements()
    assert (one.there, one.item.block) == (True, number + 1)


def test_rides_of_a_batch_that_settles_otherwise_and_without_its_bytes_are_taken_back(
    chain: FakeChain, reader: FeedReader, feed: Feed, tickets: list[Ticket]
) -> None:
    """On the other branch one of the two was refused; which one is billed isn't known until the bytes turn up."""
    happening = settled(*tickets[:2])
    number = chain.mine(happening)
    reader.read()
    [(settlement, data)] = happening.batches
    one = replace(
        settlement, settled=1, rejected=1, fares=FARE, refused=((0, 4),), pairs=(Pair(XUZHOU, 1, FARE, FARE),)
    )
    chain.cut(number)
    chain.hidden.add(settlement.batch_id)
    chain.mine(Happening(batches=[(one, data)]), fork=b"b")
    chain.mine(fork=b"b")
    reader.read()
    assert sum(amount for _, _, amount in entries(feed)) == FARE
    assert [item.amount for item in feed.unread()] == [FARE]
