"""A city's statement of account: what every format of it is made from.

Amounts are in fen, times in Unix seconds, cities their codes (0 stands for none). An amount above 0 is in the city's
favour. Nothing in here depends on when or where a statement is made: the same block gives the same statement.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple

from interline.cities import Invoicing
from interline.operating_day import OperatingDay
from ledger.statement.period import Period


class Basis(StrEnum):
    """By which day things are put into a period, and which account a statement runs over."""

    ACCRUAL = "accrual"
    """Rides by the operating day of their exit, over what was earned and owed, settled or not yet."""
    SETTLEMENT = "settlement"
    """Everything by the time of its block, over the balance in the Clearinghouse (cash)."""


class Kind(StrEnum):
    """What a line is about, in the order in which a day's lines stand."""

    RIDES_CARRIED = "rides_carried"
    """Fares of the other city's riders, whom this city carried: earned."""
    RIDES_TAKEN = "rides_taken"
    """Fares of this city's riders, whom the other city carried: owed."""
    REFUND_GIVEN = "refund_given"
    REFUND_RECEIVED = "refund_received"
    FEE_EARNED = "fee_earned"
    """The other city disputed a ride that was upheld."""
    FEE_OWED = "fee_owed"
    ARREARS_RECEIVED = "arrears_received"
    """The other city paid arrears, or they were set off. Moves the balance, not the position; settlement basis only."""
    ARREARS_PAID = "arrears_paid"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"


KINDS: Final = tuple(Kind)
CAUSES: Final = ("by_operator", "unanswered", "revoked")
"""Of refunds, numbered as in IRefunds.Cause."""
RIDE_KINDS: Final = (Kind.RIDES_CARRIED, Kind.RIDES_TAKEN)


@dataclass(frozen=True, slots=True)
class Party:
    """A city that the statement is of, or that it names."""

    code: int
    name: str
    name_zh: str | None
    operating_day: OperatingDay
    invoicing: Invoicing | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """What a city had at one moment."""

    balance: int = 0
    """Funds in the Clearinghouse: balanceOf()."""
    due: int = 0
    """Arrears that others owed it."""
    owed: int = 0
    """Arrears that it owed others, not negative."""
    unsettled: int = 0
    """What its operating day has brought and its block hadn't yet, net: the bridge's sum."""
    due_withheld: int = 0
    """What of `due` is above the debtors' daily limits, and can't be paid yet."""
    owed_withheld: int = 0
    """What of `owed` is above its own daily limit."""

    @property
    def position(self) -> int:
        """balance + due - owed: position() of the contract."""
        return self.balance + self.due - self.owed

    @property
    def accrued(self) -> int:
        """position + unsettled: what the accrual basis runs over."""
        return self.position + self.unsettled


@dataclass(frozen=True, slots=True)
class Line:
    """One day's dealings of one kind with one city."""

    number: int
    """From 1; `Statement.lines[number - 1]`."""
    day: date
    kind: Kind
    other: int
    """The counterparty, 0 for deposits and withdrawals."""
    count: int
    """Rides, or refunds, fees, payments, transfers."""
    amount: int
    """Effect on the position."""
    paid: int | None
    """Effect on the balance; None on the accrual basis, which doesn't ask when fares were paid."""
    late: int = 0
    """How many of its rides are late: settled in a later period than the one of their exit."""
    late_amount: int = 0
    first_entry: int = 0
    """Its entries are `Statement.entries[first_entry : first_entry + entries]`."""
    entries: int = 0
    first_ride: int = 0
    """Its rides are `Statement.rides[first_ride : first_ride + count - unread]`; only lines of rides have any."""
    unread: int = 0
    """How many of its rides aren't among `Statement.rides`: their batches' bytes weren't found."""


@dataclass(frozen=True, slots=True)
class CorrectedRide:
    """The ride that a refund or a fee is about, whichever period it was in."""

    exit_day: date
    exited_at: int
    entry_station: int
    exit_station: int
    fare: int
    refunded_before: int
    """What of its fare had gone back before this refund."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event on chain behind a line: a batch's rides with one city, a refund, a fee, a payment, a transfer."""

    line: int
    """`Line.number`."""
    block: int
    place: int
    """The event's number in its block; of BatchSettled where the line is one of rides on the accrual basis."""
    tx: str
    """Transaction hash, 0x and 64 hexadecimal digits."""
    time: int
    """The block's."""
    count: int
    """Rides; 1 for everything else."""
    amount: int
    """Effect on the position."""
    paid: int | None
    """Effect on the balance; None on the accrual basis."""
    late: int = 0
    late_amount: int = 0
    batch: int | None = None
    """`Statement.batches[batch]`; None for payments and transfers."""
    index: int | None = None
    """The ride in that batch, where the entry is about one."""
    cause: str | None = None
    """Of a refund: `by_operator`, `unanswered` or `revoked`."""
    set_off: bool = False
    """Of an arrears payment: no funds moved; a refund or a fee the other way round was set off against it."""
    bank_reference: str | None = None
    """Of a transfer: the text that its 32 bytes hold, else 0x and 64 digits; None where they are all zero."""
    address: str | None = None
    """Of a transfer: who paid it in, or got it."""
    ride: CorrectedRide | None = None
    """Of a refund or a fee: its ride; None where that wasn't read."""
    unread: int = 0
    """Of a batch whose bytes weren't found: its rides here, dated by their settlement, as PairSettled counts them."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that a line, a refund or a fee refers to."""

    batch_id: str
    """0x and 64 hexadecimal digits."""
    operator: int
    block: int
    tx: str
    settled_at: int
    settled: int
    """Rides of it that settled, with all cities."""
    refused: int
    fares: int
    """Of all that settled."""
    rides_here: int
    """Rides of it on this statement; 0 where only a refund or a fee refers to it."""
    amount_here: int
    """Their effect on the position."""


class RideRow(NamedTuple):
    """One ride behind a line. Named by its batch and its index in it; its ticket's serial is nobody's business here."""

    line: int
    """`Line.number`."""
    batch: int
    """`Statement.batches[batch]`."""
    ride_index: int
    """In the batch, from 0."""
    issuer: int
    operator: int
    entry_station: int
    """0 is unknown, as for `exit_station`."""
    exit_station: int
    entered_at: int
    exited_at: int
    exit_day: date
    """Operating day of the exit, by the operator's clock."""
    fare: int
    """Above 0 whoever earned it."""
    settled_at: int
    late: bool


@dataclass(frozen=True, slots=True)
class Rides:
    """Rides in columns, 8 bytes a field: a month may have 200,000. In the order of lines, batches and indices."""

    columns: tuple[array[int], ...] = field(default_factory=lambda: tuple(array("q") for _ in RideRow._fields))
    """One for each field of RideRow; days as ordinals."""

    def __len__(self) -> int:
        return len(self.columns[0])

    @property
    def fares(self) -> int:
        """All fares together, whoever earned them."""
        return sum(self.columns[RideRow._fields.index("fare")])

    def __iter__(self) -> Iterator[RideRow]:
        return self.rows(0, len(self))

    def rows(self, first: int, count: int) -> Iterator[RideRow]:
        """`count` rides from the one at `first` on."""
        for row in zip(*(column[first : first + count] for column in self.columns), strict=True):
            yield RideRow._make((*row[:_DAY], date.fromordinal(row[_DAY]), *row[_DAY + 1 : -1], bool(row[-1])))


_DAY: Final = RideRow._fields.index("exit_day")


@dataclass(frozen=True, slots=True)
class Total:
    """All lines of one kind together."""

    kind: Kind
    count: int = 0
    amount: int = 0
    paid: int | None = None
    """None on the accrual basis."""
    late: int = 0
    late_amount: int = 0


@dataclass(frozen=True, slots=True)
class Counterparty:
    """What passed between the city and another in the period, and the arrears between them at its edges."""

    code: int
    totals: tuple[Total, ...]
    """One for each kind, in the order of KINDS."""
    due_opening: int
    """Arrears that it owed the statement's city."""
    due_closing: int
    owed_opening: int
    """Arrears that the statement's city owed it."""
    owed_closing: int
    disputed_carried: int
    """Of fares that the statement's city earned: what hangs on open disputes at the end of the period."""
    disputed_taken: int
    """Of fares that the statement's city owed."""

    def total(self, kind: Kind) -> Total:
        """All its lines of one kind."""
        return self.totals[KINDS.index(kind)]

    @property
    def amount(self) -> int:
        """Effect on the position."""
        return sum(total.amount for total in self.totals)

    @property
    def paid(self) -> int | None:
        """Effect on the balance; None on the accrual basis."""
        known = [total.paid for total in self.totals if total.paid is not None]
        return sum(known) if len(known) == len(self.totals) else None


@dataclass(frozen=True, slots=True)
class OpenDispute:
    """A dispute that was open at the end of the period (and at the statement's block, if that is before it)."""

    batch_id: str
    index: int
    issuer: int
    operator: int
    amount: int
    """What hangs on it: part of the fares above, not yet sure."""
    opened_at: int
    tx: str
    answer_until: int
    """The last second for an answer."""
    fee: int
    """What the issuer will owe the operator if the ride is upheld."""


class Timing(StrEnum):
    """Why something is on one basis's side of an edge and not on the other's."""

    LATE = "late"
    """Its operating day is before the edge, its block after: on the accrual basis already."""
    EARLY = "early"
    """Its block is before the edge, its operating day after: on the settlement basis already, so its sign is turned."""


@dataclass(frozen=True, slots=True)
class BridgeRow:
    """What lies between the two bases at the period's edges: position + all rows = accrued."""

    other: int
    kind: Kind
    timing: Timing
    opening_count: int
    opening_amount: int
    closing_count: int
    closing_amount: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A city's statement of account for a period, on one basis, as of one block."""

    city: Party
    basis: Basis
    period: Period
    begins: int
    """First second of the period by the city's own clock."""
    ends: int
    """First second after it."""
    chain_id: int
    clearinghouse: str
    """Its address, 0x and 40 hexadecimal digits."""
    block_number: int
    block_hash: str
    """0x and 64 hexadecimal digits."""
    block_time: int
    opening: Account
    closing: Account
    at_block: Account
    """What the contracts say at the statement's block (`unsettled` is 0 there)."""
    lines: tuple[Line, ...]
    entries: tuple[Entry, ...]
    batches: tuple[Batch, ...]
    """In the chain's order."""
    rides: Rides
    counterparties: tuple[Counterparty, ...]
    """By code."""
    disputes: tuple[OpenDispute, ...]
    bridge: tuple[BridgeRow, ...]
    parties: tuple[Party, ...]
    """Every city that the statement names, itself too, by code."""
    rides_until: int | None = None
    """The last second at which rides of the period could settle, by the parameters at the block; None if not known."""
    admitted: date | None = None
    """The operating day on which the city became a member; None if not known."""

    @property
    def is_before_membership(self) -> bool:
        """Whether the city wasn't a member yet on any day of the period: then nothing is on it."""
        return self.admitted is not None and self.period.last < self.admitted

    @property
    def is_over(self) -> bool:
        """Whether the period had ended at the statement's block. Where not, closing is what the contracts say."""
        return self.block_time >= self.ends

    @property
    def may_grow(self) -> bool:
        """Whether later rides can change it, made at a later block: on the accrual basis, until `rides_until`."""
        if self.basis is Basis.SETTLEMENT:
            return not self.is_over
        return self.rides_until is None or self.block_time <= self.rides_until

    @property
    def opening_amount(self) -> int:
        """Of the account that the basis runs over: opening_amount + the lines' effects = closing_amount."""
        return self.running(self.opening)

    @property
    def closing_amount(self) -> int:
        """Of the account that the basis runs over."""
        return self.running(self.closing)

    def running(self, account: Account) -> int:
        """The figure that the basis runs over: the balance, or what was accrued."""
        return account.balance if self.basis is Basis.SETTLEMENT else account.accrued

    def effect(self, of: Line | Entry | Total) -> int:
        """Its effect on the account that the basis runs over."""
        if self.basis is Basis.ACCRUAL:
            return of.amount
        return of.paid or 0

    def party(self, code: int) -> Party:
        """The city of that code, one of `parties`."""
        return next(party for party in self.parties if party.code == code)

    def entries_of(self, line: Line) -> tuple[Entry, ...]:
        """What is behind a line."""
        return self.entries[line.first_entry : line.first_entry + line.entries]

    def rides_of(self, line: Line) -> Iterator[RideRow]:
        """The rides behind a line."""
        return self.rides.rows(line.first_ride, line.count - line.unread if line.kind in RIDE_KINDS else 0)

    def unread_fares(self, *kinds: Kind) -> int:
        """Fares of rides that weren't read, above 0 whoever earned them, on lines of these kinds."""
        return sum(abs(one.amount) for one in self.entries if one.unread and self.lines[one.line - 1].kind in kinds)

    @property
    def unread_batches(self) -> int:
        """How many batches there are on it whose rides weren't read."""
        about = {one.batch for one in self.entries if one.unread}
        corrected = {one.batch for one in self.entries if one.index is not None and one.ride is None}
        return len(about | corrected)

    def totals(self) -> tuple[Total, ...]:
        """All lines together, one for each kind."""
        return totals_of(self.lines, self.basis)


def totals_of(lines: Iterable[Line], basis: Basis) -> tuple[Total, ...]:
    """Lines added up, one total for each kind."""
    sums = {kind: [0, 0, 0, 0, 0] for kind in KINDS}
    for line in lines:
        for place, value in enumerate((line.count, line.amount, line.paid or 0, line.late, line.late_amount)):
            sums[line.kind][place] += value
    cash = basis is Basis.SETTLEMENT
    return tuple(
        Total(kind, count, amount, paid if cash else None, late, late_amount)
        for kind, (count, amount, paid, late, late_amount) in sums.items()
    )
