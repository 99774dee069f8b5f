"""Any city computes any other's totals again from the chain, without a key, and finds what does not add up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from interline.batch import Batch, sign_batch
from interline.batch_source import Transaction
from interline.contracts import load_abi
from interline.errors import SettlementError, TraceError
from interline.ride import Ride
from interline.rider_keys import RiderPrivateKey
from interline.settlements import ChainLog
from ledger import chain as ledger_chain
from ledger.errors import BooksError
from ledger.index.reading import Event, EventDecoder
from ledger.recompute import Recomputed, recompute
from network.accounts import Role
from network.chain import Chain
from rpc import Node
from tests.support.deploy import City, deploy
from tests.support.riders import TicketOffice

DAY = 86_400


class Story:
    """Xuzhou's riders go to Hangzhou and Shanghai and run it into arrears; rides are disputed and refunded."""

    def __init__(self, url: str) -> None:
        self.deployment = deploy(url, cities=["Shanghai", "Hangzhou", "Xuzhou"], deposit=3_000)
        self.shanghai, self.hangzhou, self.xuzhou = self.deployment.cities.values()
        web3 = self.deployment.web3
        self.refunds: Any = web3.eth.contract(
            address=self.deployment.clearinghouse.functions.refunds().call(), abi=load_abi("Refunds")
        )
        self.offices = {
            city.code: TicketOffice(self.deployment.domain, city) for city in self.deployment.cities.values()
        }
        self.phones: dict[bytes, RiderPrivateKey] = {}

    def rides(self, issuer: City, operator: City, fares: Sequence[int], **changes: int) -> list[tuple[int, int, Ride]]:
        now = int(self.deployment.web3.eth.get_block("latest")["timestamp"])
        return [(issuer.code, 1, self._ride(issuer, operator, now, fare, changes)) for fare in fares]

    def _ride(self, issuer: City, operator: City, now: int, fare: int, changes: dict[str, int]) -> Ride:
        rider = self.offices[issuer.code].issue(operator, not_after=now + DAY)
        self.phones[rider.phone.public.address] = rider.phone
        ticket = rider.ticket
        ride = Ride(
            serial=ticket.serial,
            not_after=ticket.not_after,
            fare_cap=ticket.fare_cap,
            rider=rider.phone.public.address,
            entry_station=1,
            exit_station=9,
            entered_at=now - 600,
            exited_at=now,
            fare=fare,
            issuer_signature=ticket.signature,
        )
        return replace(ride, **changes)

    def settle(self, operator: City, rides: Sequence[tuple[int, int, Ride]]) -> Batch:
        batch = Batch.build(operator.code, rides)
        signature = sign_batch(self.deployment.domain, operator.private_key(Role.SUBMITTER), batch)
        house = self.deployment.clearinghouse.functions
        self.deployment.call(operator.private_key(Role.SUBMITTER), house.settle(batch.to_bytes(), signature))
        return batch

    def treasury(self, city: City, function: Any) -> None:
        self.deployment.call(city.private_key(Role.TREASURY), function)

    def later(self, seconds: int) -> None:
        provider = self.deployment.web3.provider
        provider.make_request("evm_increaseTime", [seconds])  # type: ignore[arg-type]
        provider.make_request("evm_mine", [])  # type: ignore[arg-type]

    def tell(self) -> None:
        """What happens, from the first ride to the last refund."""
        house, refunds = self.deployment.clearinghouse.functions, self.refunds.functions
        first = self.settle(
            self.hangzhou,
            [
                *self.rides(self.xuzhou, self.hangzhou, [400, 500, 1_800]),
                *self.rides(self.shanghai, self.hangzhou, [300]),
            ],
        )
        second = self.settle(self.shanghai, self.rides(self.xuzhou, self.shanghai, [700, 2_001]))
        assert house.arrearsOf(self.xuzhou.code).call() == 400 + 500 + 1_800 + 700 - 3_000
        refused = b"\x00\x01\x03"  # ride 1, AboveFareCap: above the ticket's 20 yuan
        self.treasury(self.shanghai, refunds.refund(second.to_bytes(), refused, 0, 150))
        self.treasury(self.shanghai, house.withdraw(self.shanghai.code, 100, b"\x01".ljust(32, b"\0")))
        in_batch = [(issuer, ride) for _, issuer, _, ride in first.iter_rides()]
        of_xuzhou = [index for index, (issuer, _) in enumerate(in_batch) if issuer == self.xuzhou.code]
        for index in of_xuzhou[:2]:
            self.treasury(self.xuzhou, refunds.dispute(first.to_bytes(), b"", index))
        self.later(11 * DAY)
        self.treasury(self.hangzhou, refunds.refundUnanswered(first.id, of_xuzhou[0]))
        third = self.settle(self.hangzhou, self.rides(self.shanghai, self.hangzhou, [250, 260]))
        self.treasury(self.shanghai, refunds.dispute(third.to_bytes(), b"", 0))
        self.treasury(self.hangzhou, refunds.refund(third.to_bytes(), b"", 1, 260))


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with Chain(block_time=None) as running:
        told = Story(running.url)
        told.tell()
        yield told


@pytest.fixture
def view(story: Story) -> ledger_chain.Chain:
    """What anybody with a node sees: a connection without any account."""
    return ledger_chain.Chain(Node.at(story.deployment.url), story.deployment.clearinghouse.address)


def test_a_city_recomputes_a_third_citys_totals_to_the_fen(story: Story, view: ledger_chain.Chain) -> None:
    found = recompute(view)
    assert found.differences == ()
    assert (found.batches, found.rides) == (3, 7)
    house = story.deployment.clearinghouse.functions
    for city in story.deployment.cities.values():
        assert found.books.balances[city.code] == house.balanceOf(city.code).call()
        assert found.books.arrears_of(city.code) == house.arrearsOf(city.code).call()
    pairs = found.books.pairs
    to_hangzhou = pairs[story.xuzhou.code, story.hangzhou.code]
    assert (to_hangzhou.rides, to_hangzhou.fares) == (3, 2_700)
    assert to_hangzhou.refunded in (400, 500, 1_800)  # the first by serial, which had no answer
    assert to_hangzhou.disputed in (400, 500, 1_800)  # the second, which nobody has ended yet
    assert pairs[story.shanghai.code, story.hangzhou.code].disputed == 250
    assert pairs[story.shanghai.code, story.hangzhou.code].refunded == 260
    assert pairs[story.xuzhou.code, story.shanghai.code].refunded == 150


class Doctored:
    """A chain whose node leaves out, doubles or changes what it is asked for."""

    def __init__(
        self, view: ledger_chain.Chain, change: Callable[[list[Event]], list[Event]] = list, spoil: bool = False
    ) -> None:
        self._view, self._change, self._spoil = view, change, spoil
        self._decoder = EventDecoder(view.contracts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)

    def logs(self, first: int, last: int) -> list[ChainLog]:
        events = [self._decoder.decode(log) for log in self._view.logs(first, last)]
        return [event.log for event in self._change(events)]

    def transactions(self, txs: Sequence[bytes]) -> list[Transaction | None]:
        found = self._view.transactions(txs)
        return [spoilt(one, 200) for one in found] if self._spoil else found

    def trace(self, tx: bytes) -> object:
        raise TraceError("the node says 'method not found'")


def spoilt(transaction: Transaction | None, at: int) -> Transaction:
    """The transaction with one byte of its input changed."""
    assert transaction is not None
    data = transaction.input
    return replace(transaction, input=data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


def of(events: Sequence[Event], name: str) -> Event:
    return next(event for event in events if event.name == name)


def without(*names: str) -> Callable[[list[Event]], list[Event]]:
    return lambda events: [event for event in events if event.name not in names]


def recomputed(chain: Any) -> Recomputed:
    return recompute(chain)


def test_a_withdrawal_that_the_node_leaves_out_is_a_difference_of_that_city(view: ledger_chain.Chain) -> None:
    found = recomputed(Doctored(view, without("Withdrawn"))).differences
    assert any(line.startswith("Shanghai: balance: ") and line.endswith("(-100 fen)") for line in found), found


def test_a_batch_that_the_node_leaves_out_is_noticed(view: ledger_chain.Chain) -> None:
    def change(events: list[Event]) -> list[Event]:
        tx = of(events, "BatchSettled").log.tx
        return [event for event in events if event.log.tx != tx]

    with pytest.raises(BooksError):
        recomputed(Doctored(view, change))


def test_a_batch_that_settles_twice_is_noticed(view: ledger_chain.Chain) -> None:
    def change(events: list[Event]) -> list[Event]:
        tx = of(events, "BatchSettled").log.tx
        return [*events, *(event for event in events if event.log.tx == tx)]

    with pytest.raises((BooksError, SettlementError)):
        recomputed(Doctored(view, change))


def test_of_a_batch_with_a_byte_changed_no_ride_is_taken_and_the_money_is_right(view: ledger_chain.Chain) -> None:
    found = recomputed(Doctored(view, spoil=True))
    assert found.differences == ()
    assert (found.batches, found.rides, len(found.unread), found.unseen) == (3, 7, 3, 3)
    assert sum(one.settlement.settled for one in found.unread) == 7
    assert any("give it with --batch FILE" in line for line in found.remarks())


def test_rides_under_a_key_that_was_not_registered_are_noticed(view: ledger_chain.Chain) -> None:
    with pytest.raises(BooksError, match="expected a ticket signed by issuer"):
        recomputed(Doctored(view, without("IssuerKeyAdded")))


def test_a_fare_one_fen_higher_in_the_events_is_noticed(view: ledger_chain.Chain) -> None:
    def change(events: list[Event]) -> list[Event]:
        pair = of(events, "PairSettled")
        data = bytearray(pair.log.data)
        data[63] += 1
        changed = replace(pair, log=replace(pair.log, data=bytes(data)))
        return [changed if event is pair else event for event in events]

    with pytest.raises(SettlementError, match="PairSettled"):
        recomputed(Doctored(view, change))
