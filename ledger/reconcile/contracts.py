"""The books that follow from the rides and events, held against what the contracts say at the same block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from interline.money import format_yuan
from ledger.balances import Balances
from ledger.books import Books
from ledger.reconcile.findings import Finding, Result, result_of

CHECK: Final = "contracts"
_CAUSE: Final = (
    "the index lacks an event, has one that didn't happen, or one with another amount; or the node that the contracts "
    "are asked through is wrong"
)
_ACTION: Final = (
    "see the findings of the index, which name the event; if there are none, delete the index's file and run again; "
    "if it stays, ask another node, and then the consortium's technicians"
)
_FAULT_CAUSE: Final = "the contracts contradict themselves, or the node made the answers up"
_FAULT_ACTION: Final = "ask another node; if it says the same, pay nothing out and call the consortium's technicians"


class Pairs(Protocol):
    """What the contracts say between two cities: `ledger.chain.Chain`."""

    def arrears(self, debtor: int, creditor: int) -> int:
        """Arrears, fen."""

    def withheld(self, debtor: int, creditor: int) -> int:
        """What of them is above the debtor's daily limit, fen."""

    def disputed(self, issuer: int, operator: int) -> int:
        """What hangs on open disputes, fen."""


@dataclass(frozen=True, slots=True)
class Difference:
    """An account that the contracts have otherwise; fen."""

    what: str
    expected: int
    came: int

    def __str__(self) -> str:
        return (
            f"{self.what}: the rides and events make {format_yuan(self.expected)}, the contract says "
            f"{format_yuan(self.came)} yuan ({self.came - self.expected:+d} fen)"
        )


def strangers(books: Books, balances: Balances) -> list[int]:
    """Cities that something was posted to, and that never were members, by code."""
    return sorted(books.cities() - {city.code for city in balances.cities})


def differences(books: Books, balances: Balances, pairs: Pairs) -> Iterator[Difference]:
    """Every account that differs by a fen: each city's, each pair's, and the sum.

    What is withheld is asked for where the books have arrears: without any, the contract withholds nothing, and each
    city's sum is compared in any case.
    """
    if books.held != balances.held:
        yield Difference("held()", books.held, balances.held)
    for city in balances.cities:
        for what, expected, came in (
            ("balance", books.balances[city.code], city.balance),
            ("arrears owed", books.arrears_of(city.code), city.arrears_owed),
            ("arrears due", books.arrears_due(city.code), city.arrears_due),
            ("arrears withheld", books.withheld_of(city.code), city.arrears_withheld),
        ):
            if expected != came:
                yield Difference(f"{city.name}: {what}", expected, came)
    for debtor, creditor in sorted({*books.arrears, *books.pairs}):
        owed, came = books.arrears.get((debtor, creditor), 0), pairs.arrears(debtor, creditor)
        if owed != came:
            yield Difference(f"arrears of {debtor} to {creditor}", owed, came)
        withheld = books.withheld.get((debtor, creditor), 0)
        came = pairs.withheld(debtor, creditor) if owed or withheld else 0
        if withheld != came:
            yield Difference(f"withheld of {debtor}'s arrears to {creditor}", withheld, came)
    for issuer, operator in sorted(books.pairs):
        hangs, came = books.pairs[issuer, operator].disputed, pairs.disputed(issuer, operator)
        if hangs != came:
            yield Difference(f"disputed between {issuer} and {operator}", hangs, came)


def check_contracts(books: Books, balances: Balances, pairs: Pairs) -> Result:
    """The books against the contracts, to the fen."""
    found = [
        Finding(CHECK, "the contracts' own sums", "balances that add up", fault, _FAULT_CAUSE, _FAULT_ACTION)
        for fault in balances.faults()
    ]
    found += [
        Finding(CHECK, f"city {code}", "a member", "none that ever was one", _CAUSE, _ACTION)
        for code in strangers(books, balances)
    ]
    found += [
        Finding(
            CHECK,
            one.what,
            f"{format_yuan(one.expected)} yuan, by the rides and events",
            f"{format_yuan(one.came)} yuan in the contract ({one.came - one.expected:+d} fen)",
            _CAUSE,
            _ACTION,
        )
        for one in differences(books, balances, pairs)
    ]
    compared = (
        f"{len(balances.cities)} cities' balances and arrears (and what of them is withheld) and {len(books.pairs)} "
        f"pairs, made from all rides and events, with the contracts at block {balances.block_number}, which hold "
        f"{format_yuan(balances.held)} yuan"
    )
    return result_of(CHECK, compared, found)
