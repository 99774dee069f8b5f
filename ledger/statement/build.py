"""A city's statement, made from the index at one block; it adds up, or it isn't made."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from interline.cities import DEFAULT_OPERATING_DAY, CityFile
from interline.money import format_yuan
from interline.naming import find_city
from interline.safe_text import short_name
from interline.signatures import to_checksum
from ledger.errors import BooksError, PeriodError, UnknownCityError
from ledger.head import Head
from ledger.statement import entries, query
from ledger.statement.model import (
    KINDS,
    RIDE_KINDS,
    Account,
    Basis,
    BridgeRow,
    Counterparty,
    Kind,
    Line,
    OpenDispute,
    Party,
    Statement,
    Timing,
    totals_of,
)
from ledger.statement.period import Period, RelativePeriod

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

logger = logging.getLogger(__name__)

_BRIDGE_KINDS: Final = {
    ("fare", False): Kind.RIDES_CARRIED,
    ("fare", True): Kind.RIDES_TAKEN,
    ("refund", False): Kind.REFUND_GIVEN,
    ("refund", True): Kind.REFUND_RECEIVED,
    ("fee", False): Kind.FEE_EARNED,
    ("fee", True): Kind.FEE_OWED,
}
_AGAINST: Final = frozenset({Kind.RIDES_TAKEN, Kind.REFUND_GIVEN, Kind.FEE_OWED})


class ReadableIndex(Protocol):
    """What a statement needs of an index: a connection of its own to ask."""

    def cursor(self) -> DuckDBPyConnection:
        """One that no other thread uses."""


def build_statement(
    index: ReadableIndex,
    city: int | str,
    period: Period | RelativePeriod,
    basis: Basis,
    *,
    block: int | Head | None = None,
    cities: Iterable[CityFile] = (),
) -> Statement:
    """The statement of a city.

    Args:
        index: of the chain, as far as it has come.
        city: its code, or its name in the registry.
        period: operating days by the city's clock; a relative one by the operating day of the block. One that ends
            before the city joined gives a statement without lines.
        basis: see Basis.
        block: to make it as of; a number, or a block that a node told of where the index keeps none of that number.
            None is the last one indexed.
        cities: city files; those of cities that have none keep China's operating day and can't be invoiced.
    Raises:
        UnknownCityError: no such city was a member at the block.
        PeriodError: the block isn't indexed, or the period hasn't begun.
        BooksError: what the index says doesn't add up.
    """
    cursor = index.cursor()
    cursor.begin()  # all that follows sees the index as it is now, whatever is indexed meanwhile
    try:
        statement = _build(cursor, city, period, basis, block, cities)
    finally:
        cursor.rollback()
    require_balanced(statement)
    return statement


def _build(
    cursor: DuckDBPyConnection,
    city: int | str,
    period: Period | RelativePeriod,
    basis: Basis,
    block: int | Head | None,
    cities: Iterable[CityFile],
) -> Statement:
    head = find_block(cursor, block)
    members = _members(cursor, head, cities)
    member = _choose(members, city, head)
    parties = [one.party for one in members]
    clocks = {one.code: one.operating_day for one in parties}
    if isinstance(period, RelativePeriod):
        period = period.on(member.party.operating_day.day_of(head.time))
    scope = query.Scope(member.party.code, head.number, period, basis, clocks)
    _require_begun(member, period, head, scope.begins)
    return _put_together(cursor, scope, head, member, parties)


def find_block(cursor: DuckDBPyConnection, wanted: int | Head | None) -> Head:
    """The block to make a statement as of; the newest where none is wanted.

    Raises:
        PeriodError: it isn't indexed, or the index keeps no block of that number.
    """
    newest = query.newest_block(cursor)
    if newest is None:
        raise PeriodError("expected an index of a chain, came an empty one: bring it up to date first")
    number = newest if wanted is None else wanted if isinstance(wanted, int) else wanted.number
    if number > newest:
        raise PeriodError(
            f"expected a block that is indexed, came {number}; the index has come to {newest}: bring it up to date, "
            "or name a lower one"
        )
    found = query.find_block(cursor, number)
    if found is not None:
        number, hash_, time = found
        return Head(number, entries.hex_of(hash_), time)
    if isinstance(wanted, Head):
        return wanted
    below, above = query.nearest_blocks(cursor, number)
    near = " or ".join(str(one) for one in (below, above) if one is not None)
    raise PeriodError(
        f"expected a block that the index keeps, came {number}, in which nothing happened: name {near}, or ask with a "
        "node at hand"
    )


# ---------------------------------------------------------------- who and when


@dataclass(frozen=True, slots=True)
class _Member:
    party: Party
    since: int
    """When it was admitted, Unix seconds."""


def _members(cursor: DuckDBPyConnection, head: Head, cities: Iterable[CityFile]) -> list[_Member]:
    files = {one.code: one for one in cities}
    found = []
    for code, name, since in query.members(cursor, head.number):
        file = files.get(code)
        zh, day, invoicing = None, DEFAULT_OPERATING_DAY, None
        if file is not None:
            zh, day, invoicing = file.name_zh, file.operating_day, file.invoicing
        found.append(_Member(Party(code, short_name(name), zh, day, invoicing), since))
    return found


def _choose(members: Sequence[_Member], city: int | str, head: Head) -> _Member:
    code = find_city(str(city), [(one.party.code, (one.party.name, one.party.name_zh)) for one in members])
    for one in members:
        if one.party.code == code:
            return one
    known = ", ".join(f"{one.party.name} ({one.party.code})" for one in members) or "none"
    raise UnknownCityError(
        f"expected a city that is or was a member at block {head.number} ({known}), came {str(city)!r}: correct it"
    )


def _require_begun(member: _Member, period: Period, head: Head, begins: int) -> None:
    if head.time < begins:
        raise PeriodError(
            f"expected a period that has begun, found {period}; block {head.number} is of "
            f"{member.party.operating_day.day_of(head.time)}: choose an earlier one, or a later block"
        )


# ---------------------------------------------------------------- the statement


def _put_together(
    cursor: DuckDBPyConnection, scope: query.Scope, head: Head, member: _Member, parties: Sequence[Party]
) -> Statement:
    own, meta = member.party, query.meta(cursor)
    dated = entries.gather(cursor, scope)
    batches, position = entries.batches_of(cursor, dated)
    lines, made = entries.lines_of(dated, position)
    (opening, closing, at_block), arrears = _accounts(cursor, scope)
    bridge = _bridge(cursor, scope)
    disputes = _disputes(cursor, scope)
    window = query.submission_window(cursor, head.number)
    counterparties = _counterparties(scope, lines, arrears, disputes)
    named = {own.code, *(one.code for one in counterparties), *(row.other for row in bridge)}
    return Statement(
        city=own,
        basis=scope.basis,
        period=scope.period,
        begins=scope.begins,
        ends=scope.ends,
        chain_id=int(meta["chain_id"]),
        clearinghouse=to_checksum(bytes.fromhex(meta["clearinghouse"].removeprefix("0x"))),
        block_number=head.number,
        block_hash=head.hash,
        block_time=head.time,
        opening=replace(opening, unsettled=sum(row.opening_amount for row in bridge)),
        closing=replace(closing, unsettled=sum(row.closing_amount for row in bridge)),
        at_block=at_block,
        lines=lines,
        entries=made,
        batches=batches,
        rides=entries.rides_of(cursor, scope, lines, position),
        counterparties=counterparties,
        disputes=disputes,
        bridge=bridge,
        parties=tuple(sorted((one for one in parties if one.code in named), key=lambda one: one.code)),
        rides_until=None if window is None else scope.ends - 1 + window,
        admitted=own.operating_day.day_of(member.since),
    )


_Arrears = Mapping[tuple[str, int], tuple[int, int]]
"""By ('due' or 'owed', other city): at the opening and at the closing."""


def _accounts(cursor: DuckDBPyConnection, scope: query.Scope) -> tuple[tuple[Account, Account, Account], _Arrears]:
    """The account at the opening, at the closing and at the block; and the arrears."""
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    arrears = {}
    for account, other, *values in query.accounts(cursor, scope):
        sign = -1 if account == "owed" else 1
        signed = [sign * int(value) for value in values]
        sums[account] = [a + b for a, b in zip(sums[account], signed, strict=True)]
        if account != "funds":
            arrears[account, other] = (signed[0], signed[1])
    withheld = {bool(owed): [int(value) for value in values] for owed, *values in query.withheld(cursor, scope)}
    opening, closing, at_block = (
        Account(
            balance=sums["funds"][n],
            due=sums["due"][n],
            owed=sums["owed"][n],
            due_withheld=withheld.get(False, [0, 0, 0])[n],
            owed_withheld=withheld.get(True, [0, 0, 0])[n],
        )
        for n in range(3)
    )
    return (opening, closing, at_block), arrears


def _disputes(cursor: DuckDBPyConnection, scope: query.Scope) -> tuple[OpenDispute, ...]:
    return tuple(
        OpenDispute(
            entries.hex_of(batch_id), at, issuer, operator, int(hangs), opened_at, entries.hex_of(tx), until, int(fee)
        )
        for batch_id, at, issuer, operator, hangs, opened_at, tx, until, fee in query.open_disputes(cursor, scope)
    )


def _bridge(cursor: DuckDBPyConnection, scope: query.Scope) -> tuple[BridgeRow, ...]:
    rows = []
    for what, taken, other, early, *sums in query.bridge(cursor, scope):
        kind = _BRIDGE_KINDS[what, taken]
        sign = (-1 if kind in _AGAINST else 1) * (-1 if early else 1)
        count, amount, later_count, later_amount = map(int, sums)
        timing = Timing.EARLY if early else Timing.LATE
        rows.append(BridgeRow(other, kind, timing, count, sign * amount, later_count, sign * later_amount))
    return tuple(sorted(rows, key=lambda row: (row.other, KINDS.index(row.kind), row.timing)))


def _counterparties(
    scope: query.Scope, lines: Sequence[Line], arrears: _Arrears, disputes: Iterable[OpenDispute]
) -> tuple[Counterparty, ...]:
    hangs: Counter[tuple[int, int]] = Counter()
    for one in disputes:
        hangs[one.issuer, one.operator] += one.amount
    others = {line.other for line in lines if line.other}
    others |= {other for (_, other), amounts in arrears.items() if any(amounts)}
    others |= {code for pair in hangs for code in pair if code != scope.city}
    by_other: defaultdict[int, list[Line]] = defaultdict(list)
    for line in lines:
        by_other[line.other].append(line)
    return tuple(
        Counterparty(
            code,
            totals_of(by_other[code], scope.basis),
            *arrears.get(("due", code), (0, 0)),
            *arrears.get(("owed", code), (0, 0)),
            disputed_carried=hangs[code, scope.city],
            disputed_taken=hangs[scope.city, code],
        )
        for code in sorted(others)
    )


# ---------------------------------------------------------------- it adds up


def require_balanced(statement: Statement) -> None:
    """Make sure that a statement adds up: both accounts by its lines, arrears by counterparties.

    Raises:
        BooksError: it doesn't.
    """
    for what, expected, came in _checks(statement):
        if expected != came:
            name = f"{statement.city.name}, {statement.period}, {statement.basis}, block {statement.block_number}"
            raise BooksError(
                f"{name}: {what}: expected {format_yuan(expected)}, came {format_yuan(came)} yuan; make the index "
                "anew, and tell the maintainers if that doesn't help"
            )
    logger.info(
        "made %s's statement of %s (%s) at block %d: %d lines, %d rides",
        statement.city.name,
        statement.period,
        statement.basis,
        statement.block_number,
        len(statement.lines),
        len(statement.rides),
    )


def _checks(statement: Statement) -> Iterator[tuple[str, int, int]]:
    """What has to be equal: what it is, and the two figures."""
    opening, closing = statement.opening, statement.closing
    amount = sum(line.amount for line in statement.lines)
    if statement.basis is Basis.ACCRUAL:
        yield "opening and lines make the closing, accrued", opening.accrued + amount, closing.accrued
    else:
        paid = sum(line.paid or 0 for line in statement.lines)
        yield "opening and lines make the closing balance", opening.balance + paid, closing.balance
        yield "opening and lines make the closing position", opening.position + amount, closing.position
    others = statement.counterparties
    for edge, account, due, owed in (
        ("opening", opening, sum(one.due_opening for one in others), sum(one.owed_opening for one in others)),
        ("closing", closing, sum(one.due_closing for one in others), sum(one.owed_closing for one in others)),
    ):
        yield f"arrears due by counterparty at the {edge}", account.due, due
        yield f"arrears owed by counterparty at the {edge}", account.owed, owed
    yield (
        "fares of the rides",
        sum(abs(x.amount) for x in statement.lines if x.kind in RIDE_KINDS),
        statement.rides.fares + statement.unread_fares(*RIDE_KINDS),
    )
    if not statement.is_over:
        yield "closing balance is that at the block", statement.at_block.balance, closing.balance
        yield "closing position is that at the block", statement.at_block.position, closing.position
