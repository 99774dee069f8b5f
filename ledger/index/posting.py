"""Events into rows: each is checked against what happened before it, posted, and laid out for the tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from interline.batch import MAX_RIDES
from interline.cities import CityFile
from interline.operating_day import OperatingDay
from ledger.books import Books, Entry
from ledger.daily_limits import DAY
from ledger.errors import BooksError
from ledger.index.query import RideCase
from ledger.index.reading import UNKNOWN, Event, Piece, ReadBatch, UnreadBatch
from ledger.index.writing import Columns, Rows

_EPOCH: Final = date(1970, 1, 1)
_PLAIN: Final = ("entry_station", "exit_station", "entered_at", "exited_at", "fare_cap", "fare")  # as in the bytes

Array = npt.NDArray[Any]
Ride = tuple[bytes, int]
"""A ride by its batch's id and its index."""


class Clocks:
    """The cities' operating days; cities without a file have the defaults (Asia/Shanghai, 04:00)."""

    def __init__(self, by_city: Mapping[int, OperatingDay]) -> None:
        self._by_city = by_city

    @classmethod
    def of_files(cls, cities: Iterable[CityFile]) -> Self:
        """As their files say."""
        return cls({city.code: city.operating_day for city in cities})

    @classmethod
    def of_text(cls, others: Mapping[str, str]) -> Self:
        """As `others` gave them."""
        parts = {int(code): text.split(" ", 1) for code, text in others.items()}
        return cls({code: OperatingDay(timezone, starts) for code, (starts, timezone) in parts.items()})

    def of(self, city: int) -> OperatingDay:
        """A city's, by its code."""
        return self._by_city.get(city, OperatingDay())

    def others(self) -> dict[str, str]:
        """Those that aren't the default's, by code, as text."""
        return {str(code): str(day) for code, day in sorted(self._by_city.items()) if day != OperatingDay()}

    def spans(self, city: int, first: int, last: int) -> list[tuple[int, int, int]]:
        """The city's days from that of one moment to that of another: (days since 1970, first second, the next's)."""
        rule = self.of(city)
        day, until = rule.day_of(first), rule.day_of(last)
        dates = [day + timedelta(days=number) for number in range((until - day).days + 2)]
        starts = [rule.start_of(one) for one in dates]
        return [((one - _EPOCH).days, *span) for one, span in zip(dates, pairwise(starts), strict=False)]

    def days(self, city: int, seconds: Array) -> Array:
        """The city's days of many moments, as days since 1970."""
        spans = self.spans(city, int(seconds.min()), int(seconds.max()))
        found: Array = np.searchsorted([start for _, start, _ in spans], seconds, "right") - 1 + spans[0][0]
        return found


class Poster:
    """Posts pieces in the chain's order.

    Args:
        books: as they stand before the first piece.
        last_batch: the number of the last batch before it.
        clocks: by which rides get their days.

    Raises, from `post`:
        BooksError: an event that can't have happened after those before it; names the batch and the ride.
    """

    def __init__(self, books: Books, last_batch: int, clocks: Clocks) -> None:
        self.books = books
        self.last_batch = last_batch
        """The number of the last batch that was posted."""
        self._clocks = clocks

    def post(self, piece: Piece, cases: Mapping[Ride, RideCase]) -> tuple[Rows, Columns]:
        """The rows of a piece, and its rides, which are among them.

        `cases` are those of the rides that its refunds and disputes are about, as they stand before it.
        """
        posting = _Posting(self.books, self._clocks, piece, self.last_batch, dict(cases))
        rides = posting.run()
        self.last_batch += len(piece.batches)
        return posting.rows, rides


def corrected_rides(piece: Piece) -> list[Ride]:
    """The rides that a piece's refunds, disputes and answers are about."""
    corrections = [event for event in piece.events if event.contract == "Refunds" and event.name != UNKNOWN]
    rides = {(event.log.topics[1], event.arguments["index"]) for event in corrections}
    return sorted(ride for ride in rides if ride[1] < MAX_RIDES)


When = tuple[int, int, int]
"""A batch's number in the index, the time of its block, and that block."""


def ride_columns(batches: Sequence[tuple[ReadBatch, When]], clocks: Clocks) -> Columns:
    """The rows of `rides` of batches, at least one."""
    read = [batch for batch, _ in batches]
    counts = [len(batch.settled) for batch in read]
    rides = np.concatenate([batch.arrays.rides[batch.settled] for batch in read])
    operators = np.repeat(np.array([batch.arrays.operator for batch in read], np.int64), counts)
    whens = np.repeat(np.array([when for _, when in batches], np.int64), counts, axis=0)
    exited = rides["exited_at"].astype(np.int64)
    days = np.empty(len(rides), np.int64)
    for operator in np.unique(operators):
        own = operators == operator
        days[own] = clocks.days(int(operator), exited[own])
    return {
        **{name: rides[name].astype(np.int64) for name in _PLAIN},
        **{name: whens[:, at] for at, name in enumerate(("batch", "settled_at", "block"))},
        "index": np.concatenate([batch.settled for batch in read]),
        "issuer": np.concatenate([batch.arrays.issuers[batch.settled] for batch in read]).astype(np.int64),
        "key_id": np.concatenate([batch.arrays.key_ids[batch.settled] for batch in read]).astype(np.int64),
        "operator": operators,
        "serial": np.concatenate([batch.arrays.serials[batch.settled] for batch in read]),
        "exit_day": days,
    }


class _Posting:
    """One piece on its way into rows."""

    def __init__(
        self, books: Books, clocks: Clocks, piece: Piece, last_batch: int, cases: dict[Ride, RideCase]
    ) -> None:
        self.rows = Rows()
        self._books, self._clocks, self._piece, self._cases = books, clocks, piece, cases
        self._numbers = {batch_id: last_batch + 1 + at for at, (_, batch_id) in enumerate(piece.batches)}
        self._in_piece = {batch_id: batch for (_, batch_id), batch in piece.batches.items()}
        self._settled: dict[bytes, When] = {}
        self._set_off = 0
        self._withheld: int | None = None
        """What of an issuer's fares is withheld (fen), at both events that tell of it; None at others."""
        self._acts: Mapping[tuple[str, str], Callable[[Event], None]] = {
            ("Clearinghouse", "Deposited"): self._deposited,
            ("Clearinghouse", "Withdrawn"): self._withdrawn,
            ("Clearinghouse", "ArrearsPaid"): self._arrears_paid,
            ("Clearinghouse", "DailyLimitSet"): self._daily_limit_set,
            ("Clearinghouse", "FaresWithheld"): self._fares_withheld,
            ("Clearinghouse", "WithheldReleased"): self._withheld_released,
            ("Clearinghouse", "PairSettled"): self._pair_settled,
            ("Clearinghouse", "BatchSettled"): self._batch_settled,
            ("Refunds", "RideRefunded"): self._ride_refunded,
            ("Refunds", "RideDisputed"): self._ride_disputed,
            ("Refunds", "RideUpheld"): self._ride_upheld,
        }

    def run(self) -> Columns:
        """Post all of it; gives the rides."""
        set_offs = _set_offs(self._piece.events)
        withheld = _withheld_fares(self._piece.events)
        for number, event in enumerate(self._piece.events):
            log = event.log
            told = json.dumps(event.arguments, ensure_ascii=False, separators=(",", ":"))
            self.rows.add("events", log.block, log.place, log.tx, event.contract, event.name, told)
            act = self._acts.get((event.contract, event.name))
            if number in set_offs:
                self._set_off = set_offs[number]
                self._keep_arrears_payment(event)
            elif act is not None:
                self._withheld = withheld.get(number)
                try:
                    act(event)
                except BooksError as error:
                    raise BooksError(f"{_where(event)}: {error}") from error
                self._set_off = 0
        if not self._settled:
            return {}
        read = [
            (batch, when) for id_, when in self._settled.items() if isinstance(batch := self._in_piece[id_], ReadBatch)
        ]
        if not read:
            return {}
        rides = ride_columns(read, self._clocks)
        self.rows.add_columns("rides", rides)
        return rides

    # ------------------------------------------------------------ funds and arrears

    def _deposited(self, event: Event) -> None:
        told = event.arguments
        self._enter(event, self._books.deposit(told["city"], told["amount"]))
        self._keep_transfer(event, "deposit", told["from"])

    def _withdrawn(self, event: Event) -> None:
        told = event.arguments
        self._enter(event, self._books.withdraw(told["city"], told["amount"]))
        self._keep_transfer(event, "withdrawal", told["to"])

    def _arrears_paid(self, event: Event) -> None:
        told = event.arguments
        self._enter(event, self._books.pay_arrears(told["debtor"], told["creditor"], told["amount"]))
        self._keep_arrears_payment(event)

    def _daily_limit_set(self, event: Event) -> None:
        self._books.limits.set(event.arguments["city"], event.arguments["limit"])

    def _fares_withheld(self, event: Event) -> None:
        """What it says is posted with the PairSettled right after it."""
        told, day = event.arguments, self._time(event.log.block) // DAY
        if self._withheld is None:
            raise BooksError("expected PairSettled of the same cities right after it, came none; ask another node")
        if told["day"] != day:
            raise BooksError(f"expected fares of day {day}, that of its block, came {told['day']}; ask another node")
        self._keep_withholding(event, "withheld", told["issuer"], told["operator"], day, told["amount"])

    def _withheld_released(self, event: Event) -> None:
        told = event.arguments
        between = told["issuer"], told["operator"]
        self._books.release(*between, told["day"], told["amount"])
        self._keep_withholding(event, "released", *between, told["day"], -told["amount"])

    def _keep_withholding(self, event: Event, kind: str, debtor: int, creditor: int, day: int, amount: int) -> None:
        self.rows.add("withholdings", *self._what(event), kind, debtor, creditor, day, amount)

    def _keep_transfer(self, event: Event, kind: str, address: str) -> None:
        told = event.arguments
        values = kind, told["city"], _bytes(address), told["amount"], _bytes(told["bankReference"])
        self.rows.add("transfers", *self._what(event), *values)

    def _keep_arrears_payment(self, event: Event) -> None:
        told = event.arguments
        self.rows.add("arrears_payments", *self._what(event), told["debtor"], told["creditor"], told["amount"])

    # ------------------------------------------------------------ rides

    def _pair_settled(self, event: Event) -> None:
        told, block, place = event.arguments, event.log.block, event.log.place
        number = self._numbers.get(event.log.topics[1])
        if number is None:
            raise BooksError("expected BatchSettled of the same batch after it, came none; ask another node")
        between, totals = (told["issuer"], told["operator"]), (told["rides"], told["fares"], told["paid"])
        withheld = 0 if self._withheld is None else self._withheld
        entry = self._books.settle(*between, *totals, withheld=withheld, day=self._time(block) // DAY)
        self._enter(event, entry, number)
        self.rows.add("pairs", number, *between, *totals, self._time(block), block, place)

    def _batch_settled(self, event: Event) -> None:
        if not event.arguments["settled"]:
            return
        log, batch = event.log, self._piece.batches[event.log.tx, event.log.topics[1]]
        settlement, number, time = batch.settlement, self._numbers[event.log.topics[1]], self._time(log.block)
        totals = settlement.settled, settlement.rejected, settlement.fares
        who = number, settlement.batch_id, settlement.operator
        self.rows.add("batches", *who, log.block, log.place, log.tx, time, *totals, batch.data, batch.signature)
        for index, reason in settlement.refused:
            self.rows.add("refused_rides", number, index, reason, log.block)
        self._settled[settlement.batch_id] = number, time, log.block

    # ------------------------------------------------------------ corrections

    def _ride_refunded(self, event: Event) -> None:
        told, case = event.arguments, self._case(event)
        amount, paid, cause = told["amount"], told["paid"], told["cause"]
        if case.left is not None and amount > case.left:
            raise BooksError(f"expected a refund of at most {case.left} fen, came {amount}")
        withheld = self._books.withheld.get((case.issuer, case.operator), 0)
        entry = self._books.refund(case.issuer, case.operator, amount, paid, self._set_off)
        self._keep_cap(event, case.issuer, case.operator, withheld)
        if case.hangs:
            self._books.hang(case.issuer, case.operator, -amount)
        case.refunded += amount
        ride = case.batch, told["index"]
        self._enter(event, entry, *ride)
        self.rows.add("refunds", *self._what(event), *ride, case.issuer, case.operator, amount, paid, cause)

    def _ride_disputed(self, event: Event) -> None:
        told, case = event.arguments, self._case(event)
        amount, until, fee = told["amount"], told["answerUntil"], told["fee"]
        if case.fare is None:
            case.fare = case.refunded + amount  # a dispute is of all that is left
        if case.fee is not None or not 0 < amount == case.left:
            before = "disputed before" if case.fee is not None else f"of which {case.left} fen are left"
            raise BooksError(f"expected a dispute of what is left of a fare, once; came {amount} fen of one {before}")
        self._books.hang(case.issuer, case.operator, amount)
        case.fee = fee
        values = case.batch, told["index"], case.issuer, case.operator, amount, until, fee
        self.rows.add("disputes", *self._what(event), *values)

    def _ride_upheld(self, event: Event) -> None:
        told, case = event.arguments, self._case(event)
        if not case.hangs or case.left is None or told["fee"] != case.fee:
            raise BooksError(f"expected an open dispute with a fee of {case.fee} fen, came an answer to {told['fee']}")
        withheld = self._books.withheld.get((case.operator, case.issuer), 0)
        entry = self._books.fee(case.issuer, case.operator, told["fee"], told["paid"], self._set_off)
        self._keep_cap(event, case.operator, case.issuer, withheld)
        self._books.hang(case.issuer, case.operator, -case.left)
        case.answered = True
        ride = case.batch, told["index"]
        self._enter(event, entry, *ride)
        values = *ride, case.issuer, case.operator, told["fee"], told["paid"]
        self.rows.add("answers", *self._what(event), *values)

    def _keep_cap(self, event: Event, debtor: int, creditor: int, before: int) -> None:
        """A correction may have been set off against what was withheld, too."""
        less = before - self._books.withheld.get((debtor, creditor), 0)
        if less:
            self._keep_withholding(event, "set_off", debtor, creditor, 0, -less)

    def _case(self, event: Event) -> RideCase:
        """The ride that an event is about."""
        told, batch_id = event.arguments, event.log.topics[1]
        ride = batch_id, told["index"]
        case = self._cases.get(ride)
        if case is None and batch_id in self._in_piece:
            case = ride_case(self._in_piece[batch_id], self._numbers[batch_id], told["index"])
            if case is not None:
                self._cases[ride] = case
        if case is not None and not case.issuer:  # of an unread batch: the first that is told of it
            case.issuer = told["issuer"]
        if case is None:
            raise BooksError("expected a ride that settled before, came none; ask another node")
        if (told["issuer"], told["operator"]) != (case.issuer, case.operator):
            raise BooksError(
                f"expected a ride of {case.issuer} with {case.operator}, came {told['issuer']} and {told['operator']}"
            )
        return case

    # ------------------------------------------------------------ rows

    def _time(self, block: int) -> int:
        return self._piece.heads[block].time

    def _what(self, event: Event) -> tuple[int, int, bytes, int]:
        log = event.log
        return log.block, log.place, log.tx, self._time(log.block)

    def _enter(self, event: Event, entry: Entry, batch: int | None = None, index: int | None = None) -> None:
        block, place, _, time = self._what(event)
        self.rows.add_entry(entry, block=block, place=place, time=time, batch=batch, index=index)


def ride_case(batch: ReadBatch | UnreadBatch, number: int, index: int) -> RideCase | None:
    """The case of a ride that has just settled; None if no such ride did. Of an unread batch little is known of it."""
    settlement = batch.settlement
    if isinstance(batch, ReadBatch):
        if index not in batch.settled:
            return None
        issuer, fare = batch.arrays.issuers[index], batch.arrays.rides["fare"][index]
        return RideCase(number, int(issuer), batch.arrays.operator, int(fare))
    if index >= settlement.settled + settlement.rejected or index in dict(settlement.refused):
        return None
    return RideCase(number, 0, settlement.operator, None)


def _set_offs(events: Sequence[Event]) -> dict[int, int]:
    """What was set off, by the number of the ArrearsPaid that tells of it.

    It stands right before the refund or fee that it is a part of, and the other way round between the same cities.
    """
    found = {}
    for number, (one, then) in enumerate(pairwise(events)):
        if one.name != "ArrearsPaid" or then.log.tx != one.log.tx or then.log.place != one.log.place + 1:
            continue
        operator, issuer = then.arguments.get("operator"), then.arguments.get("issuer")
        parties = {"RideRefunded": (issuer, operator), "RideUpheld": (operator, issuer)}.get(then.name)
        same = parties == (one.arguments["debtor"], one.arguments["creditor"])
        if same and then.arguments["paid"] >= one.arguments["amount"]:
            found[number] = int(one.arguments["amount"])
    return found


def _withheld_fares(events: Sequence[Event]) -> dict[int, int]:
    """What is withheld of an issuer's fares, by the numbers of the FaresWithheld and of the PairSettled after it."""
    found = {}
    for number, (one, then) in enumerate(pairwise(events)):
        if (one.name, then.name) != ("FaresWithheld", "PairSettled"):
            continue
        parties = [(told["issuer"], told["operator"]) for told in (one.arguments, then.arguments)]
        if parties[0] == parties[1] and (then.log.tx, then.log.place) == (one.log.tx, one.log.place + 1):
            found[number] = found[number + 1] = int(one.arguments["amount"])
    return found


def _where(event: Event) -> str:
    """What an error is about: the batch and ride that its event names."""
    told, log = event.arguments, event.log
    batch = f"batch {told['batchId']}, " if "batchId" in told else ""
    ride = f"ride {told['index']}, " if "index" in told else ""
    return f"{batch}{ride}{event.name} in block {log.block}, transaction 0x{log.tx.hex()}"


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])
