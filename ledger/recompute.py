"""Every number of the books, computed again from the chain alone and held against what the contracts say.

Nobody's key and nobody's word is needed: the rides stand in the transactions, each with its issuer's signature, and
what became of them in the events.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from interline.domain import Domain, ticket_hash
from interline.money import format_yuan
from interline.settlements import SettledRide, Settlement, batch_bytes, read_settlements, settled_rides
from interline.signatures import recover_address
from ledger.balances import Balances
from ledger.books import Books
from ledger.chain import Chain, Event
from ledger.errors import BooksError


@dataclass(frozen=True, slots=True)
class Recomputed:
    """The books as they follow from the chain, and where the contracts say otherwise. Amounts in fen."""

    books: Books
    balances: Balances
    """What the contracts say, at the same block."""
    batches: int
    rides: int
    """How many were read, each with its signature checked."""
    differences: tuple[str, ...]
    """A sentence each; empty where everything agrees to the fen."""

    def verdict(self) -> str:
        """One line for people: that nothing differs, or what does."""
        if self.differences:
            return f"DIFFERS: {'; '.join(self.differences)}; at block {self.balances.block_number}"
        return (
            f"0 fen off: {self.rides} rides in {self.batches} batches make what the contracts say, "
            f"at block {self.balances.block_number}"
        )

    def to_json(self, cities: Sequence[int]) -> dict[str, Any]:
        """The document of `ape run recompute --json` for these cities; amounts in fen, integers."""
        return {
            "block_number": self.balances.block_number,
            "block_hash": self.balances.block_hash,
            "batches": self.batches,
            "rides": self.rides,
            "differences": list(self.differences),
            "cities": [self._city_json(code) for code in cities],
        }

    def _city_json(self, code: int) -> dict[str, Any]:
        books = self.books
        return {
            "code": code,
            "balance": books.balances[code],
            "deposits": books.deposits[code],
            "withdrawals": books.withdrawals[code],
            "arrears_owed": books.arrears_of(code),
            "arrears_due": books.arrears_due(code),
            "counterparties": [
                {
                    "code": other,
                    **{
                        f"{side}_{key}": getattr(totals, key)
                        for side, totals in (("earned", earned), ("owed", owed))
                        for key in ("rides", "fares", "refunded", "fees", "disputed")
                    },
                }
                for other, earned, owed in books.partners(code)
            ],
        }


def recompute(chain: Chain, tell: Callable[[str], None] = lambda line: None) -> Recomputed:
    """Read all rides and events up to the chain's block, post them, and compare.

    `tell` is told how far it has come, a line now and then.

    Raises:
        BooksError: events or rides that can't have happened.
        SettlementError: a batch's bytes and its events contradict each other.
        LedgerError: as Chain.
    """
    balances = chain.balances()
    events = chain.events()
    tell(f"{len(events)} events up to block {chain.head.number}")
    replay = _Replay(Domain(chain.chain_id, bytes.fromhex(chain.address[2:])), chain.input_of)
    replay.expect_settlements(events)
    set_offs = _set_offs(events)
    for number, event in enumerate(events, 1):
        if number - 1 not in set_offs:
            replay.set_off = set_offs.get(number - 2, 0)
            replay.post(event)
        if number % _TELL_EVERY == 0:
            tell(f"{number} of {len(events)} events, {replay.rides} rides checked")
    chain.require_same_block()
    differences = [*_account_differences(replay.books, balances), *_pair_differences(replay.books, chain)]
    return Recomputed(replay.books, balances, replay.batches, replay.rides, tuple(differences))


_TELL_EVERY: Final = 5_000


def _set_offs(events: Sequence[Event]) -> dict[int, int]:
    """What was set off, by the number of the ArrearsPaid that tells of it, right before the refund or fee it is of."""
    found = {}
    for number, (one, then) in enumerate(pairwise(events)):
        if one.name != "ArrearsPaid" or then.log.tx != one.log.tx or then.name not in ("RideRefunded", "RideUpheld"):
            continue
        between = {one.arguments["debtor"], one.arguments["creditor"]}
        same = between == {then.arguments["issuer"], then.arguments["operator"]}
        if same and then.arguments["paid"] >= one.arguments["amount"]:
            found[number] = int(one.arguments["amount"])
    return found


class _Replay:
    """Posts events one after another; the rides behind them are read from the transactions and checked."""

    def __init__(self, domain: Domain, input_of: Callable[[bytes], bytes]) -> None:
        self.books = Books()
        self.set_off = 0
        self.batches = 0
        self.rides = 0
        self._domain = domain
        self._input_of = input_of
        self._keys: dict[tuple[int, int], bytes] = {}
        self._spent: set[tuple[int, int, int]] = set()
        self._fares: dict[tuple[bytes, int], int] = {}
        self._open: dict[tuple[bytes, int], int] = {}
        self._settlements: dict[tuple[bytes, bytes], Settlement] = {}

    def expect_settlements(self, events: Sequence[Event]) -> None:
        """Put together what the events of all batches say; each is posted in its turn."""
        logs = [event.log for event in events if event.contract == "Clearinghouse"]
        self._settlements = {(one.tx, one.batch_id): one for one in read_settlements(logs)}

    def post(self, event: Event) -> None:
        """Post one event; those that move nothing are let by."""
        posting: Callable[[Event, Mapping[str, Any]], None] | None = getattr(self, f"_{event.name}", None)
        if posting is not None:
            posting(event, event.arguments)

    def _IssuerKeyAdded(self, event: Event, told: Mapping[str, Any]) -> None:
        self._keys[told["city"], told["keyId"]] = bytes.fromhex(told["key"][2:])

    def _Deposited(self, event: Event, told: Mapping[str, Any]) -> None:
        self.books.deposit(told["city"], told["amount"])

    def _Withdrawn(self, event: Event, told: Mapping[str, Any]) -> None:
        self.books.withdraw(told["city"], told["amount"])

    def _ArrearsPaid(self, event: Event, told: Mapping[str, Any]) -> None:
        self.books.pay_arrears(told["debtor"], told["creditor"], told["amount"])

    def _PairSettled(self, event: Event, told: Mapping[str, Any]) -> None:
        self.books.settle(told["issuer"], told["operator"], told["rides"], told["fares"], told["paid"])

    def _BatchSettled(self, event: Event, told: Mapping[str, Any]) -> None:
        if not told["settled"]:
            return
        settlement = self._settlements[event.log.tx, told["batchId"]]
        data = batch_bytes(self._input_of(event.log.tx), settlement.batch_id)
        rides = settled_rides(settlement, data)
        self._check_pairs(settlement, rides)
        for one in rides:
            self._check_ride(settlement, one)
        self.batches += 1
        self.rides += len(rides)

    def _check_pairs(self, settlement: Settlement, rides: Sequence[SettledRide]) -> None:
        """settled_rides compares each pair that there is an event of; here, that there is one of each."""
        fares: defaultdict[int, int] = defaultdict(int)
        for one in rides:
            fares[one.issuer] += one.ride.fare
        told = {pair.issuer: pair.fares for pair in settlement.pairs}
        if told != dict(fares):
            raise BooksError(
                f"batch 0x{settlement.batch_id.hex()}: expected what PairSettled says by issuer, {told} fen, "
                f"its rides make {dict(fares)}"
            )

    def _check_ride(self, settlement: Settlement, one: SettledRide) -> None:
        ride, name = one.ride, f"batch 0x{settlement.batch_id.hex()}, ride {one.index}"
        digest = ticket_hash(
            self._domain,
            issuer=one.issuer,
            key_id=one.key_id,
            operator=settlement.operator,
            serial=ride.serial,
            not_after=ride.not_after,
            fare_cap=ride.fare_cap,
            rider=ride.rider,
        )
        expected, came = self._keys.get((one.issuer, one.key_id)), recover_address(digest, ride.issuer_signature)
        if expected is None or came != expected:
            raise BooksError(
                f"{name}: expected a ticket signed by issuer {one.issuer}'s key {one.key_id}, came another"
            )
        serial = (one.issuer, settlement.operator, ride.serial)
        if serial in self._spent:
            raise BooksError(
                f"{name}: serial {ride.serial} of {one.issuer} for {settlement.operator} had settled before"
            )
        self._spent.add(serial)
        self._fares[settlement.batch_id, one.index] = ride.fare

    def _RideRefunded(self, event: Event, told: Mapping[str, Any]) -> None:
        ride, amount = (told["batchId"], told["index"]), told["amount"]
        left = self._fares.get(ride)
        if left is None or amount > left:
            raise BooksError(
                f"batch 0x{ride[0].hex()}, ride {ride[1]}: expected a refund of at most {left or 0} fen, came {amount}"
            )
        self._fares[ride] = left - amount
        self.books.refund(told["issuer"], told["operator"], amount, told["paid"], self.set_off)
        if ride in self._open:
            self.books.hang(told["issuer"], told["operator"], -amount)
            self._open[ride] -= amount
            if told["cause"] != _BY_OPERATOR:
                del self._open[ride]

    def _RideDisputed(self, event: Event, told: Mapping[str, Any]) -> None:
        self._open[told["batchId"], told["index"]] = told["amount"]
        self.books.hang(told["issuer"], told["operator"], told["amount"])

    def _RideUpheld(self, event: Event, told: Mapping[str, Any]) -> None:
        self.books.fee(told["issuer"], told["operator"], told["fee"], told["paid"], self.set_off)
        self.books.hang(told["issuer"], told["operator"], -self._open.pop((told["batchId"], told["index"])))


_BY_OPERATOR: Final = 0  # IRefunds.Cause


def _account_differences(books: Books, balances: Balances) -> list[str]:
    found = balances.faults()
    codes = {city.code for city in balances.cities}
    found += [f"city {code}: expected a member, it is none" for code in sorted(books.cities() - codes)]
    if books.held != balances.held:
        found.append(_difference("held()", books.held, balances.held))
    for city in balances.cities:
        for what, expected, came in (
            ("balance", books.balances[city.code], city.balance),
            ("arrears owed", books.arrears_of(city.code), city.arrears_owed),
            ("arrears due", books.arrears_due(city.code), city.arrears_due),
        ):
            if expected != came:
                found.append(_difference(f"{city.name}: {what}", expected, came))
    return found


def _pair_differences(books: Books, chain: Chain) -> list[str]:
    found = []
    for debtor, creditor in sorted({*books.arrears, *books.pairs}):
        owed, came = books.arrears.get((debtor, creditor), 0), chain.arrears(debtor, creditor)
        if owed != came:
            found.append(_difference(f"arrears of {debtor} to {creditor}", owed, came))
    for issuer, operator in sorted(books.pairs):
        hangs, came = books.pairs[issuer, operator].disputed, chain.disputed(issuer, operator)
        if hangs != came:
            found.append(_difference(f"disputed between {issuer} and {operator}", hangs, came))
    return found


def _difference(what: str, expected: int, came: int) -> str:
    return (
        f"{what}: the rides and events make {format_yuan(expected)}, the contract says {format_yuan(came)} yuan "
        f"({came - expected:+d} fen)"
    )
