"""A statement made by hand, to test forms on: Shanghai in December 2019, with Hangzhou and Suzhou."""

import hashlib
from array import array
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, timedelta

from interline.operating_day import OperatingDay
from ledger.statement.model import (
    KINDS,
    RIDE_KINDS,
    Account,
    Basis,
    Batch,
    BridgeRow,
    CorrectedRide,
    Counterparty,
    Entry,
    Kind,
    Line,
    OpenDispute,
    Party,
    RideRow,
    Rides,
    Statement,
    Timing,
    totals_of,
)
from ledger.statement.period import Period

SHANGHAI, SUZHOU, HANGZHOU = 3100, 3205, 3301
CLOCK = OperatingDay()
PARTIES = (
    Party(SHANGHAI, "Shanghai", "上海", CLOCK),
    Party(SUZHOU, "Suzhou", "苏州", CLOCK),
    Party(HANGZHOU, "Hangzhou", "杭州", CLOCK),
)
CLEARINGHOUSE = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
PERIOD = Period.parse("2019-12")
_IN_FAVOUR = (Kind.RIDES_CARRIED, Kind.REFUND_RECEIVED, Kind.FEE_EARNED, Kind.ARREARS_RECEIVED, Kind.DEPOSIT)
_ARREARS = (Kind.ARREARS_RECEIVED, Kind.ARREARS_PAID)


@dataclass(frozen=True, slots=True)
class Deal:
    """Something that happened: one event on chain. Amounts in fen, none below 0."""

    day: int
    """Of December."""
    kind: Kind
    other: int
    amounts: tuple[int, ...]
    """The fare of each ride; else one amount."""
    paid: int | None = None
    """What moved in the Clearinghouse; None is all of it."""
    late: int = 0
    """How many of its rides, the first ones, had their exit the day before the period."""
    reference: str | None = None
    cause: str | None = None


DEALS = (
    Deal(2, Kind.DEPOSIT, 0, (2_000_000,), reference="ICBC 20191202-0017"),
    Deal(2, Kind.RIDES_CARRIED, SUZHOU, (300, 400, 1150, 3), late=2),
    Deal(2, Kind.RIDES_CARRIED, SUZHOU, (600, 701)),
    Deal(2, Kind.RIDES_TAKEN, HANGZHOU, (200, 999, 1)),
    Deal(3, Kind.RIDES_CARRIED, HANGZHOU, (500, 500, 700), paid=1_033),
    Deal(3, Kind.RIDES_TAKEN, SUZHOU, (412,)),
    Deal(9, Kind.REFUND_RECEIVED, SUZHOU, (112,), cause="by_operator"),
    Deal(9, Kind.REFUND_GIVEN, HANGZHOU, (500,), cause="unanswered"),
    Deal(17, Kind.FEE_EARNED, HANGZHOU, (2_000,), paid=0),
    Deal(17, Kind.FEE_OWED, SUZHOU, (2_000,)),
    Deal(18, Kind.ARREARS_RECEIVED, HANGZHOU, (1_501,)),
    Deal(30, Kind.WITHDRAWAL, 0, (123_456,), reference='=HYPERLINK("http://bank")'),
    Deal(31, Kind.DEPOSIT, 0, (7,)),
)
"""Every kind but arrears paid; not all that was earned is paid; a reference that would like to be a formula."""


def statement_of(
    basis: Basis = Basis.SETTLEMENT,
    deals: tuple[Deal, ...] = DEALS,
    opening: Account = Account(balance=5_000_001, due=77, owed=30),  # noqa: B008
) -> Statement:
    """Shanghai's statement for December 2019, with those deals. Opening arrears are with Suzhou."""
    if basis is Basis.ACCRUAL:
        deals = tuple(deal for deal in deals if deal.kind not in _ARREARS)
    made = _Maker(basis)
    groups: dict[tuple[int, int, int], list[Deal]] = defaultdict(list)
    for deal in deals:
        groups[deal.day, KINDS.index(deal.kind), deal.other].append(deal)
    for key in sorted(groups):
        made.line(groups[key])
    return made.statement(opening)


class _Maker:
    """Collects lines, and what is behind them."""

    def __init__(self, basis: Basis) -> None:
        self.basis = basis
        self.lines: list[Line] = []
        self.entries: list[Entry] = []
        self.batches: list[Batch] = []
        self.columns: tuple[array[int], ...] = Rides().columns

    def line(self, deals: list[Deal]) -> None:
        deal = deals[0]
        number, first_entry, first_ride = len(self.lines) + 1, len(self.entries), len(self.columns[0])
        for one in deals:
            self.entry(number, one)
        those = self.entries[first_entry:]
        paid = [entry.paid for entry in those if entry.paid is not None]
        self.lines.append(
            Line(
                number,
                date(2019, 12, deal.day),
                deal.kind,
                deal.other,
                sum(entry.count for entry in those),
                sum(entry.amount for entry in those),
                sum(paid) if paid else None,
                sum(entry.late for entry in those),
                sum(entry.late_amount for entry in those),
                first_entry,
                len(those),
                first_ride,
            )
        )

    def entry(self, line: int, deal: Deal) -> None:
        sign = 1 if deal.kind in _IN_FAVOUR else -1
        whole = sum(deal.amounts)
        block, time = 1_000 + len(self.entries), CLOCK.start_of(date(2019, 12, deal.day)) + 3_600 + len(self.entries)
        entry = Entry(
            line,
            block,
            len(self.entries) % 3,
            _hash("tx", block),
            time,
            len(deal.amounts),
            0 if deal.kind in _ARREARS else sign * whole,
            None if self.basis is Basis.ACCRUAL else sign * (whole if deal.paid is None else deal.paid),
            cause=deal.cause,
            bank_reference=deal.reference,
            address=CLEARINGHOUSE if deal.other == 0 else None,
        )
        if deal.kind in RIDE_KINDS:
            entry = replace(
                entry, batch=self.batch(entry, deal), late=deal.late, late_amount=sign * sum(deal.amounts[: deal.late])
            )
            self.rides(entry, deal)
        elif deal.cause or deal.kind in (Kind.FEE_EARNED, Kind.FEE_OWED):
            ride = CorrectedRide(date(2019, 12, 2), time - 700_000, 4, 17, 900, 0)
            entry = replace(entry, batch=self.batch(entry, replace(deal, amounts=())), index=1, ride=ride)
        self.entries.append(entry)

    def batch(self, entry: Entry, deal: Deal) -> int:
        operator = SHANGHAI if deal.kind is Kind.RIDES_CARRIED else deal.other
        here, amount = len(deal.amounts), entry.amount if deal.amounts else 0
        self.batches.append(
            Batch(
                _hash("batch", entry.block),
                operator,
                entry.block,
                entry.tx,
                entry.time,
                here + 2,
                1,
                abs(amount) + 600,
                here,
                amount,
            )
        )
        return len(self.batches) - 1

    def rides(self, entry: Entry, deal: Deal) -> None:
        carried = deal.kind is Kind.RIDES_CARRIED
        for index, fare in enumerate(deal.amounts):
            late = index < deal.late
            exit_day = date(2019, 11, 30) if late else date(2019, 12, deal.day)
            exited_at = CLOCK.start_of(exit_day) + 3_000 + index
            row = RideRow(
                entry.line,
                entry.batch or 0,
                index,
                deal.other if carried else SHANGHAI,
                SHANGHAI if carried else deal.other,
                index % 9,
                22,
                exited_at - 1_800,
                exited_at,
                exit_day,
                fare,
                entry.time,
                late,
            )
            for column, value in zip(self.columns, row, strict=True):
                column.append(value.toordinal() if isinstance(value, date) else int(value))

    def statement(self, opening: Account) -> Statement:
        amount = sum(line.amount for line in self.lines)
        paid = amount if self.basis is Basis.ACCRUAL else sum(line.paid or 0 for line in self.lines)
        bridge = self.bridge()
        unsettled = sum(row.closing_amount for row in bridge)
        closing = Account(
            opening.balance + paid - unsettled * (self.basis is Basis.ACCRUAL),
            opening.due + amount - paid,
            opening.owed,
            unsettled,
        )
        begins, ends = CLOCK.start_of(PERIOD.first), CLOCK.start_of(PERIOD.last + timedelta(days=1))
        return Statement(
            city=PARTIES[0],
            basis=self.basis,
            period=PERIOD,
            begins=begins,
            ends=ends,
            chain_id=1337,
            clearinghouse=CLEARINGHOUSE,
            block_number=4_321,
            block_hash=_hash("block", 4_321),
            block_time=ends + 60,
            opening=opening,
            closing=closing,
            at_block=replace(closing, unsettled=0),
            lines=tuple(self.lines),
            entries=tuple(self.entries),
            batches=tuple(self.batches),
            rides=Rides(self.columns),
            counterparties=tuple(self.counterparty(code, opening) for code in (SUZHOU, HANGZHOU)),
            disputes=(
                OpenDispute(
                    _hash("batch", 1_001), 3, SUZHOU, SHANGHAI, 3, ends - 9_000, _hash("tx", 9), ends + 80_000, 2_000
                ),
            ),
            bridge=bridge,
            parties=PARTIES,
        )

    def counterparty(self, code: int, opening: Account) -> Counterparty:
        lines = [line for line in self.lines if line.other == code]
        arrears = 0 if self.basis is Basis.ACCRUAL else sum(line.amount - (line.paid or 0) for line in lines)
        due, owed = (opening.due, opening.owed) if code == SUZHOU else (0, 0)
        return Counterparty(code, totals_of(lines, self.basis), due, due + arrears, owed, owed, 3 * (code == SUZHOU), 0)

    def bridge(self) -> tuple[BridgeRow, ...]:
        """On the accrual basis, what was earned from Suzhou on the last day isn't settled yet."""
        return (BridgeRow(SUZHOU, Kind.RIDES_CARRIED, Timing.LATE, 0, 0, 2, 701),)


def _hash(what: str, number: int) -> str:
    return "0x" + hashlib.sha256(f"{what} {number}".encode()).hexdigest()
