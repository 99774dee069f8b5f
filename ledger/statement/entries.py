"""The entries behind a statement, each one event on chain, and the lines that they make."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from interline.money import format_yuan
from interline.signatures import to_checksum
from ledger.bank_reference import reference_text
from ledger.errors import BooksError
from ledger.statement import query
from ledger.statement.model import CAUSES, KINDS, RIDE_KINDS, Batch, CorrectedRide, Entry, Kind, Line, RideRow, Rides

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_EPOCH: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Dated:
    """An entry with its day, that doesn't know its line yet; `batch` is the index's own number."""

    day: date
    kind: Kind
    other: int
    batch: int | None
    entry: Entry

    @property
    def order(self) -> tuple[date, int, int, int, int]:
        """The order of a statement."""
        return self.day, KINDS.index(self.kind), self.other, self.entry.block, self.entry.place


def gather(cursor: DuckDBPyConnection, scope: query.Scope) -> list[Dated]:
    """Everything that belongs on the statement, in its order. What is in the city's favour is above 0.

    Raises:
        BooksError: events and rides contradict each other.
    """
    found = [
        *_rides(cursor, scope),
        *_unread_rides(cursor, scope),
        *_corrections(cursor, scope),
        *_transfers(cursor, scope),
    ]
    if scope.cash:
        found += _arrears_payments(cursor, scope)
    return sorted(found, key=lambda dated: dated.order)


def hex_of(raw: bytes) -> str:
    """0x and the digits."""
    return f"0x{bytes(raw).hex()}"


def _entry(block: int, place: int, tx: bytes, time: int, amount: int, paid: int | None, **more: Any) -> Entry:
    count = more.pop("count", 1)
    return Entry(0, block, place, hex_of(tx), time, count, int(amount), None if paid is None else int(paid), **more)


# ---------------------------------------------------------------- rides


def _rides(cursor: DuckDBPyConnection, scope: query.Scope) -> Iterator[Dated]:
    rows = query.ride_entries(cursor, scope)
    known = _known_batches(cursor, {row[3] for row in rows})
    _require_same_fares(cursor, scope)
    paid = _paid(cursor, scope) if scope.cash else {}
    for day, taken, other, batch, rides, fares, late, late_fares in rows:
        _, _, _, block, place, tx, settled_at, *_ = known[batch]
        sign, funds = -1 if taken else 1, None
        if scope.cash:
            amount, place = paid[batch, other, taken]
            funds = sign * amount
        counted = {"count": rides, "late": late, "late_amount": sign * int(late_fares)}
        entry = _entry(block, place, tx, settled_at, sign * fares, funds, **counted)
        yield Dated(day, Kind.RIDES_TAKEN if taken else Kind.RIDES_CARRIED, other, batch, entry)


def _unread_rides(cursor: DuckDBPyConnection, scope: query.Scope) -> Iterator[Dated]:
    """Of batches whose bytes weren't found: what PairSettled tells, by the time of the settlement."""
    for row in query.unread_pairs(cursor, scope):
        day, issuer, operator, batch, rides, fares, funds, block, batch_place, pair_place, tx, time, late = row
        taken = issuer == scope.city
        sign = -1 if taken else 1
        paid, place = (sign * int(funds), pair_place) if scope.cash else (None, batch_place)
        counted = {"count": rides, "unread": rides, "late": rides if late else 0}
        amount = sign * int(fares)
        entry = _entry(block, place, tx, time, amount, paid, **counted, late_amount=amount if late else 0)
        kind, other = (Kind.RIDES_TAKEN, operator) if taken else (Kind.RIDES_CARRIED, issuer)
        yield Dated(day, kind, other, batch, entry)


def _known_batches(cursor: DuckDBPyConnection, ids: Collection[int]) -> dict[int, query.Row]:
    """Batches by the index's number, in the chain's order."""
    known = {row[0]: row for row in query.batches(cursor, sorted(ids))}
    for missing in sorted(set(ids) - known.keys()):
        raise BooksError(f"expected batch {missing} in the index, which rides or refunds name, came none; index anew")
    return known


def _require_same_fares(cursor: DuckDBPyConnection, scope: query.Scope) -> None:
    """Rides are counted one by one, what they moved is told by their pair: the two must agree."""
    wrong = query.unequal_pair(cursor, scope)
    if wrong is not None:
        batch_id, issuer, rides, fares, came_rides, came_fares = wrong
        raise BooksError(
            f"batch {hex_of(batch_id)}: expected {rides} rides of {issuer}, {format_yuan(int(fares))} yuan, as "
            f"PairSettled tells, came {came_rides}, {format_yuan(int(came_fares))} yuan; make the index anew"
        )


def _paid(cursor: DuckDBPyConnection, scope: query.Scope) -> dict[tuple[int, int, bool], tuple[int, int]]:
    """(paid at once, place of the event) by (batch, other, taken)."""
    return {
        (batch, issuer if operator == scope.city else operator, operator != scope.city): (int(funds), place)
        for batch, issuer, operator, funds, place in query.pairs(cursor, scope)
    }


# ---------------------------------------------------------------- refunds, fees, payments, transfers


def _corrections(cursor: DuckDBPyConnection, scope: query.Scope) -> Iterator[Dated]:
    unread = query.unread_numbers(cursor, scope)
    for row in query.refunds(cursor, scope):
        yield _correction(scope, (Kind.REFUND_GIVEN, Kind.REFUND_RECEIVED), -1, row, unread)
    for row in query.fees(cursor, scope):
        yield _correction(scope, (Kind.FEE_EARNED, Kind.FEE_OWED), 1, row, unread)


def _correction(
    scope: query.Scope, kinds: tuple[Kind, Kind], sign: int, row: query.Row, unread: Collection[int]
) -> Dated:
    """`kinds` and `sign` are the operator's; the issuer's kind and sign are the others. `unread` are batches."""
    day, issuer, operator, block, place, tx, time, amount, paid, batch, index, cause, *facts = row
    exit_day, exited_at, entry_station, exit_station, fare, before = facts
    if exit_day is None and batch not in unread:
        raise BooksError(f"batch {batch} of the index, ride {index}: expected a settled ride, came none; make it anew")
    carried = operator == scope.city
    sign = sign if carried else -sign
    entry = _entry(
        block,
        place,
        tx,
        time,
        sign * amount,
        sign * paid if scope.cash else None,
        index=index,
        cause=None if cause is None else CAUSES[cause],
        ride=None
        if exit_day is None
        else CorrectedRide(exit_day, exited_at, entry_station, exit_station, fare, int(before)),
    )
    return Dated(day, kinds[0] if carried else kinds[1], issuer if carried else operator, batch, entry)


def _transfers(cursor: DuckDBPyConnection, scope: query.Scope) -> Iterator[Dated]:
    for kind, block, place, tx, time, amount, address, reference in query.transfers(cursor, scope):
        signed = amount if kind == "deposit" else -amount
        told = {"bank_reference": reference_text(bytes(reference)), "address": to_checksum(bytes(address))}
        entry = _entry(block, place, tx, time, signed, signed if scope.cash else None, **told)
        yield Dated(scope.own.day_of(time), Kind(kind), 0, None, entry)


def _arrears_payments(cursor: DuckDBPyConnection, scope: query.Scope) -> Iterator[Dated]:
    for debtor, creditor, block, place, tx, time, amount, set_off in query.arrears_payments(cursor, scope):
        received = creditor == scope.city
        entry = _entry(block, place, tx, time, 0, amount if received else -amount, set_off=set_off)
        kind, other = (Kind.ARREARS_RECEIVED, debtor) if received else (Kind.ARREARS_PAID, creditor)
        yield Dated(scope.own.day_of(time), kind, other, None, entry)


# ---------------------------------------------------------------- what they make


def batches_of(cursor: DuckDBPyConnection, dated: Iterable[Dated]) -> tuple[tuple[Batch, ...], dict[int, int]]:
    """The batches that entries refer to, in the chain's order; and each one's place in them, by the index's number."""
    rides: Counter[int] = Counter()
    amounts: Counter[int] = Counter()
    for one in dated:
        if one.batch is not None:
            of_rides = one.kind in RIDE_KINDS
            rides[one.batch] += one.entry.count if of_rides else 0
            amounts[one.batch] += one.entry.amount if of_rides else 0
    made, position = [], {}
    for number, row in enumerate(_known_batches(cursor, rides).values()):
        id_, batch_id, operator, block, _, tx, settled_at, settled, refused, fares = row
        position[id_] = number
        facts = (hex_of(batch_id), operator, block, hex_of(tx), settled_at, settled, refused, fares)
        made.append(Batch(*facts, rides_here=rides[id_], amount_here=amounts[id_]))
    return tuple(made), position


def lines_of(dated: Sequence[Dated], position: Mapping[int, int]) -> tuple[tuple[Line, ...], tuple[Entry, ...]]:
    """The lines that entries make, one for each day, kind and city; and the entries, which know their line now."""
    lines: list[Line] = []
    entries: list[Entry] = []
    ride = 0
    for (day, kind, other), grouped in groupby(dated, key=lambda one: (one.day, one.kind, one.other)):
        number = len(lines) + 1
        own = [
            replace(one.entry, line=number, batch=None if one.batch is None else position[one.batch]) for one in grouped
        ]
        paid = [one.paid for one in own if one.paid is not None]
        line = Line(
            number,
            day,
            kind,
            other,
            count=sum(one.count for one in own),
            amount=sum(one.amount for one in own),
            paid=sum(paid) if paid else None,
            late=sum(one.late for one in own),
            late_amount=sum(one.late_amount for one in own),
            first_entry=len(entries),
            entries=len(own),
            first_ride=ride if kind in RIDE_KINDS else 0,
            unread=sum(one.unread for one in own),
        )
        entries += own
        lines.append(line)
        ride += line.count - line.unread if kind in RIDE_KINDS else 0
    return tuple(lines), tuple(entries)


def rides_of(
    cursor: DuckDBPyConnection, scope: query.Scope, lines: Iterable[Line], position: Mapping[int, int]
) -> Rides:
    """The rides behind the lines.

    Raises:
        BooksError: there are more or fewer than the lines say.
    """
    numbers = array("q")
    for line in lines:
        if line.kind in RIDE_KINDS:
            numbers.extend([line.number] * (line.count - line.unread))
    made = {name: array("q", column.tobytes()) for name, column in query.ride_columns(cursor, scope).items()}
    if len(numbers) != len(made["batch"]):
        raise BooksError(f"expected {len(numbers)} rides behind the lines, came {len(made['batch'])}; index anew")
    made["line"] = numbers
    made["batch"] = array("q", (position[batch] for batch in made["batch"]))
    made["ride_index"] = made["index"]
    made["exit_day"] = array("q", (day + _EPOCH for day in made["exit_day"]))
    return Rides(tuple(made[name] for name in RideRow._fields))
