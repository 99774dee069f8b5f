"""A statement as a Beancount ledger: the city's own books for the period, double entry, which `bean-check` proves.

Every event behind a line is a transaction. What a city and another owe each other in arrears is one account for each
counterparty, above 0 in the city's favour. On the accrual basis transactions go through `Transit`, because a ride is
earned before anybody knows how it will be paid; a last transaction spreads the period's change over the balance, the
arrears and what isn't settled yet, and leaves nothing in transit. The balances asserted at both ends come from the
contracts, so that a line that were missing or a fen off would be refused: they allow no tolerance.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Final

from interline.money import FEN_PER_YUAN
from ledger.statement.model import RIDE_KINDS, Account, Basis, Entry, Kind, Statement
from ledger.statement.words import BASIS_SENTENCES, CAUSE_WORDS, KIND_WORDS, local_time, printable, remarks

FUNDS: Final = "Assets:Clearinghouse:Balance"
TRANSIT: Final = "Assets:Clearinghouse:Transit"
BANK: Final = "Assets:Bank-Transit"
"""Between the Clearinghouse and the city's bank: the bank's own books clear it."""
OPENING: Final = "Equity:Opening-Balances"
_ARREARS: Final = "Assets:Clearinghouse:Arrears"
_UNSETTLED: Final = "Assets:Clearinghouse:Unsettled"
_RESULTS: Final[dict[Kind, str]] = {
    Kind.RIDES_CARRIED: "Income:Fares",
    Kind.RIDES_TAKEN: "Expenses:Fares",
    Kind.REFUND_GIVEN: "Expenses:Refunds",
    Kind.REFUND_RECEIVED: "Income:Refunds",
    Kind.FEE_EARNED: "Income:Dispute-Fees",
    Kind.FEE_OWED: "Expenses:Dispute-Fees",
}
_ONE_DAY: Final = timedelta(days=1)

Posting = tuple[str, int]
"""An account, and fen: a debit is above 0."""


def beancount(statement: Statement) -> bytes:
    """The ledger, UTF-8."""
    books = _Books(statement)
    sections = [
        "\n".join(_head(statement)),
        "\n".join(f"{statement.period.first - _ONE_DAY} open {account} CNY" for account in books.accounts()),
        _transaction(statement.period.first - _ONE_DAY, "Opening", "Brought forward", (), books.opening()),
        "\n".join(_assertions(statement.period.first, books.assets(statement.opening, closing=False))),
        *(_booked(statement, entry, books.postings(entry)) for entry in statement.entries),
    ]
    if statement.basis is Basis.ACCRUAL:
        sections.append(_transaction(statement.period.last, "Closing", "How it was paid", (), books.spread()))
    closing = [*books.assets(statement.closing, closing=True), *books.results()]
    sections.append("\n".join(_assertions(statement.period.after, closing)))
    return "\n\n".join(section for section in sections if section).encode() + b"\n"


class _Books:
    """The accounts of one statement, and what is in them."""

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self.names = {party.code: _component(party.name, party.code) for party in statement.parties}

    def account(self, of: str, other: int) -> str:
        return f"{of}:{self.names[other]}"

    def assets(self, account: Account, *, closing: bool) -> list[Posting]:
        """What is in the accounts of the balance sheet at the beginning or the end."""
        those = [(FUNDS, account.balance)]
        for one in self.statement.counterparties:
            due, owed = (one.due_closing, one.owed_closing) if closing else (one.due_opening, one.owed_opening)
            those.append((self.account(_ARREARS, one.code), due - owed))
        if self.statement.basis is Basis.ACCRUAL:
            unsettled: dict[int, int] = defaultdict(int)
            for row in self.statement.bridge:
                unsettled[row.other] += row.closing_amount if closing else row.opening_amount
            those += [(self.account(_UNSETTLED, other), unsettled[other]) for other in sorted(unsettled)]
            those.append((TRANSIT, 0))
        return those

    def opening(self) -> list[Posting]:
        those = self.assets(self.statement.opening, closing=False)
        return [*those, (OPENING, -sum(amount for _, amount in those))]

    def postings(self, entry: Entry) -> list[Posting]:
        """An event's: what it did to the assets, and the income, expense or transfer that it stands against."""
        line = self.statement.lines[entry.line - 1]
        against = self.account(_RESULTS[line.kind], line.other) if line.kind in _RESULTS else BANK
        if self.statement.basis is Basis.ACCRUAL:
            return [(TRANSIT, entry.amount), (against, -entry.amount)]
        paid = entry.paid or 0
        if not line.other:
            return [(FUNDS, paid), (against, -paid)]
        arrears = (self.account(_ARREARS, line.other), entry.amount - paid)
        return [(FUNDS, paid), arrears, (against, -entry.amount)]

    def spread(self) -> list[Posting]:
        """On the accrual basis: the period's change, out of transit into what it has become."""
        before = dict(self.assets(self.statement.opening, closing=False))
        changes = [
            (account, amount - before.get(account, 0))
            for account, amount in self.assets(self.statement.closing, closing=True)
            if account != TRANSIT
        ]
        return [*changes, (TRANSIT, -sum(amount for _, amount in changes))]

    def results(self) -> list[Posting]:
        """Income, expenses and transfers of the period, as the statement's lines add them up."""
        sums: dict[str, int] = defaultdict(int)
        for line in self.statement.lines:
            if line.kind in _RESULTS:
                sums[self.account(_RESULTS[line.kind], line.other)] -= line.amount
            elif not line.other:
                sums[BANK] -= self.statement.effect(line)
        return sorted(sums.items())

    def accounts(self) -> list[str]:
        """All that are used, in the order of the balance sheet."""
        used = {account for account, _ in (*self.assets(self.statement.closing, closing=True), *self.results())}
        used |= {account for entry in self.statement.entries for account, amount in self.postings(entry) if amount}
        return sorted(used | {OPENING})


def _head(statement: Statement) -> Iterator[str]:
    city, clearinghouse = statement.city, f"{statement.clearinghouse} on chain {statement.chain_id}"
    yield f"; {printable(city.name)}: statement of account, {statement.period}, {statement.basis} basis, yuan"
    yield f"; {BASIS_SENTENCES[statement.basis].en}"
    yield f"; Clearinghouse {clearinghouse}"
    yield f"; made at block {statement.block_number}, {statement.block_hash}"
    yield f"; of {local_time(statement, statement.block_time)}; days begin at {city.operating_day}"
    for remark in remarks(statement):
        yield f"; {remark.en}"
    yield ""
    yield f'option "title" {_quoted(f"{city.name} {statement.period}, {statement.basis} basis")}'
    yield 'option "operating_currency" "CNY"'


def _booked(statement: Statement, entry: Entry, postings: list[Posting]) -> str:
    line = statement.lines[entry.line - 1]
    payee = statement.party(line.other).name if line.other else statement.city.name
    words = KIND_WORDS[line.kind].en
    if line.kind in RIDE_KINDS:
        words += f": {entry.count}, of them late: {entry.late}" if entry.late else f": {entry.count}"
    if entry.cause:
        words += f": {CAUSE_WORDS[entry.cause].en if entry.cause in CAUSE_WORDS else entry.cause}"
    if entry.set_off:
        words += ", set off"
    facts: list[tuple[str, str | int | None]] = [
        ("line", entry.line),
        ("block", entry.block),
        ("place", entry.place),
        ("tx", entry.tx),
        ("batch", None if entry.batch is None else statement.batches[entry.batch].batch_id),
        ("ride", entry.index),
        ("bank", entry.bank_reference),
        ("address", entry.address),
    ]
    return _transaction(line.day, payee, words, facts, postings)


def _transaction(
    day: date, payee: str, words: str, facts: Iterable[tuple[str, str | int | None]], postings: list[Posting]
) -> str:
    """Empty where nothing moved."""
    lines = [f"{day} * {_quoted(payee)} {_quoted(words)}"]
    lines += [f"  {key}: {_quoted(fact) if isinstance(fact, str) else fact}" for key, fact in facts if fact is not None]
    moved = [f"  {account:<50} {_yuan(amount):>16} CNY" for account, amount in postings if amount]
    return "\n".join([*lines, *moved]) if moved else ""


def _assertions(day: date, amounts: Iterable[Posting]) -> Iterator[str]:
    """Beancount allows a cent of difference, unless told to allow none."""
    for account, amount in amounts:
        yield f"{day} balance {account:<50} {_yuan(amount):>16} ~ 0.00 CNY"


def _yuan(fen: int) -> str:
    yuan, rest = divmod(abs(fen), FEN_PER_YUAN)
    return f"{'-' if fen < 0 else ''}{yuan}.{rest:02}"


def _component(name: str, code: int) -> str:
    """The last part of a city's accounts: letters and digits of its name, and the code, which no other has."""
    letters = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
    return f"{letters[:1].upper()}{letters[1:]}-{code}" if letters else f"City-{code}"


def _quoted(text: str) -> str:
    escaped = printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
