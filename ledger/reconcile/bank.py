"""Deposits and withdrawals on chain, held against what the settlement bank booked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

from duckdb import DuckDBPyConnection

from interline.cities import CityFile
from interline.money import format_yuan
from interline.operating_day import OperatingDay
from ledger.bank_reference import reference_text
from ledger.reconcile import query
from ledger.reconcile.bank_file import BankEntry, BankFile
from ledger.reconcile.findings import Finding, Result, result_of
from ledger.reconcile.query import Transfer

CHECK: Final = "bank"
_PREFIXES: Final = ("bank reference ",)  # as our own camt.053 has it
_AMOUNT: Final = (
    "the transfer was typed in with another amount, or the bank took a fee out of it",
    "see the transfer's voucher; settle what differs by another deposit or withdrawal, each with its own reference",
)
_REFERENCE: Final = (
    "the reference was typed in otherwise on one side; the amount is the same, and the days are close",
    "see the voucher; write down for the auditor which reference stands for which: the chain's can't be changed",
)
_CITY: Final = (
    "the bank booked it for another city than the one whose funds it became",
    "call the bank and both cities; the city that has the funds withdraws them, the other one deposits them",
)
_NOT_ON_CHAIN: Final = (
    "the bank booked it, and no deposit or withdrawal followed; or it followed in another Clearinghouse",
    "a deposit: mint and deposit it with this reference; a withdrawal: find out who ordered it before anything else",
)
_NOT_AT_BANK: Final = (
    "tokens were minted or burned without money behind them, or the bank's file lacks a booking",
    "ask the bank for its book of that day; if it has none, pay nothing out and call the consortium",
)
_TWICE_AT_BANK: Final = (
    "the bank booked the same twice, or the file has a booking twice; on chain it is once",
    "ask the bank: if the money did come or go twice, return it, or deposit or withdraw the second with its reference",
)
_TWICE_ON_CHAIN: Final = (
    "a voucher was typed in twice: tokens were minted or burned twice for one booking",
    "see the voucher; if the bank booked it once, withdraw the second deposit, or deposit the second withdrawal again",
)
_EMPTY: Final = (
    "the file was exported for another account or for other days, or its bookings are all another city's",
    "export it again for the city's account and the days to be compared",
)
_CLOSE: Final = 3  # days


def check_bank(
    cursor: DuckDBPyConnection, book: BankFile, cities: Sequence[CityFile], block: int, only: int | None = None
) -> Result:
    """The chain's deposits and withdrawals up to a block against a bank's book, of one city or all.

    Of the chain's transfers only those of the days that the book is about can be missing from it; a booking is looked
    for among all. A day is the city's calendar day of the block's time.
    """
    clocks = {city.code: OperatingDay(city.operating_day.timezone, "00:00") for city in cities}

    def day_of(transfer: Transfer) -> date:
        return clocks.get(transfer.city, OperatingDay(starts="00:00")).day_of(transfer.time)

    entries = [entry for entry in book.entries if only is None or entry.city in (None, only)]
    transfers = query.transfers(cursor, block, only)
    match = _Match(entries, transfers, day_of)
    match.run()
    findings, outside = match.findings, 0
    for transfer in match.transfers:
        if book.first is not None and book.last is not None and book.first <= day_of(transfer) <= book.last:
            findings.append(_lone_transfer(transfer, day_of(transfer), match.twin_of(transfer)))
        else:
            outside += 1
    if not entries and transfers:
        where, came = "the bank's file", f"none, beside {len(transfers)} deposits and withdrawals on chain"
        findings.append(Finding(CHECK, where, "bookings", came, *_EMPTY))
    days = f" from {book.first} to {book.last}" if book.first else ""
    compared = f"{len(entries)} bookings{days} with {len(transfers) - outside} deposits and withdrawals"
    if outside:
        compared += f"; {outside} on other days were left out"
    return result_of(CHECK, compared, findings)


class _Match:
    """Finds for each booking its transfer: first the same in all, then what differs in one thing."""

    def __init__(
        self, entries: Sequence[BankEntry], transfers: Sequence[Transfer], day_of: Callable[[Transfer], date]
    ) -> None:
        self.entries, self.transfers = list(entries), list(transfers)
        self.findings: list[Finding] = []
        self._day_of = day_of
        self._matched: list[tuple[BankEntry, Transfer]] = []

    def run(self) -> None:
        """What is left over afterwards stands in `transfers`; bookings left over are findings."""
        self._take(_same, None)
        self._take(lambda e, t: _same_reference(e, t) and _same_city(e, t), self._amount_differs)
        self._take(
            lambda e, t: e.amount == t.amount and _same_city(e, t) and self._days_apart(e, t) <= _CLOSE,
            self._reference_differs,
        )
        self._take(lambda e, t: _same_reference(e, t) and e.amount == t.amount, self._city_differs)
        for entry in self.entries:
            twin = next((t for _, t in self._matched if t.came_in == entry.came_in and _same(entry, t)), None)
            if twin is not None:
                came = f"it is there once more, and once on chain, {_place(twin)}"
                where = f"{entry.where}, reference {_shown(entry)}"
                self._add(where, f"{format_yuan(entry.amount)} yuan, booked once", came, _TWICE_AT_BANK)
                continue
            expected = "a deposit on chain" if entry.came_in else "a withdrawal on chain"
            expected += f" of {format_yuan(entry.amount)} yuan with reference {_shown(entry)}"
            self._add(entry.where, expected, "none", _NOT_ON_CHAIN)

    def twin_of(self, transfer: Transfer) -> BankEntry | None:
        """The booking of another transfer that is the same in all: this one was made twice."""
        twins = (e for e, t in self._matched if t.came_in == transfer.came_in and t.city == transfer.city)
        return next((entry for entry in twins if _same(entry, transfer)), None)

    def _take(
        self, fits: Callable[[BankEntry, Transfer], bool], differs: Callable[[BankEntry, Transfer], None] | None
    ) -> None:
        left = []
        for entry in self.entries:
            fitting = [one for one in self.transfers if one.came_in == entry.came_in and fits(entry, one)]
            if not fitting:
                left.append(entry)
                continue
            nearest = min(fitting, key=lambda one: self._days_apart(entry, one))
            self.transfers.remove(nearest)
            self._matched.append((entry, nearest))
            if differs is not None:
                differs(entry, nearest)
        self.entries = left

    def _days_apart(self, entry: BankEntry, transfer: Transfer) -> int:
        return abs((entry.day - self._day_of(transfer)).days)

    def _amount_differs(self, entry: BankEntry, transfer: Transfer) -> None:
        off = f"({transfer.amount - entry.amount:+d} fen)"
        came = f"{format_yuan(transfer.amount)} yuan on chain {off}, {_place(transfer)}"
        where = f"{entry.where}, reference {_shown(entry)}"
        self._add(where, f"{format_yuan(entry.amount)} yuan, as the bank booked", came, _AMOUNT)

    def _reference_differs(self, entry: BankEntry, transfer: Transfer) -> None:
        came = f"{reference_text(transfer.reference) or 'none'} on chain, {_place(transfer)}"
        where = f"{entry.where}, {format_yuan(entry.amount)} yuan"
        self._add(where, f"reference {_shown(entry)}, as the bank booked", came, _REFERENCE)

    def _city_differs(self, entry: BankEntry, transfer: Transfer) -> None:
        came = f"city {transfer.city} on chain, {_place(transfer)}"
        self._add(f"{entry.where}, reference {_shown(entry)}", f"city {entry.city}, as the bank booked", came, _CITY)

    def _add(self, where: str, expected: str, came: str, why: tuple[str, str]) -> None:
        self.findings.append(Finding(CHECK, where, expected, came, *why))


def _same(entry: BankEntry, transfer: Transfer) -> bool:
    """But for the direction, and the day, which the bank and the chain have each their own."""
    return _same_reference(entry, transfer) and entry.amount == transfer.amount and _same_city(entry, transfer)


def _same_reference(entry: BankEntry, transfer: Transfer) -> bool:
    text = reference_text(transfer.reference)
    if text is None:
        return False
    said = {part for one in entry.references for part in (one, *(one.removeprefix(prefix) for prefix in _PREFIXES))}
    return text in said


def _same_city(entry: BankEntry, transfer: Transfer) -> bool:
    return entry.city in (None, transfer.city)


def _shown(entry: BankEntry) -> str:
    return entry.references[0] if entry.references else "none"


def _place(transfer: Transfer) -> str:
    return f"block {transfer.block}, transaction 0x{transfer.tx.hex()}"


def _lone_transfer(transfer: Transfer, day: date, twin: BankEntry | None) -> Finding:
    kind = "deposit" if transfer.came_in else "withdrawal"
    where = f"{kind} of city {transfer.city} on {day}, {_place(transfer)}"
    reference = reference_text(transfer.reference) or "none"
    expected = f"a booking of {format_yuan(transfer.amount)} yuan with reference {reference}"
    if twin is not None:
        came = f"one in the bank's file, {twin.where}, for two on chain"
        return Finding(CHECK, where, expected, came, *_TWICE_ON_CHAIN)
    return Finding(CHECK, where, expected, "none in the bank's file", *_NOT_AT_BANK)
