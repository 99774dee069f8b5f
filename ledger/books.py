"""The rules of bookkeeping, here and nowhere else: what each event of the chain posts to the cities' accounts, in fen.

Each city keeps books of its own, in double entry. Its accounts: `funds` it holds in the Clearinghouse, arrears `due` to
it, arrears `owed` by it; what it earned and spent (`fares_earned`, `fares_owed`, `refunds_given` as an operator,
`refunds_received` as an issuer, `fees_earned`, `fees_owed` for disputes); `bank`, where deposits come from and
withdrawals go to. A debit is above 0, a credit below. So a city's balance is the sum of its `funds`, its position that
of `funds`, `due` and `owed`, and all of an entry's postings to one city add up to 0. What is withheld, because it is
above a city's daily limit, is a part of `owed` and `due`, and posts nothing of its own.

No network and no database here: who reads the chain brings the events in the order in which they happened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ledger.daily_limits import DailyLimits
from ledger.errors import BooksError


class Account(StrEnum):
    """An account of a city, by its name in the index."""

    FUNDS = "funds"
    DUE = "due"
    OWED = "owed"
    FARES_EARNED = "fares_earned"
    FARES_OWED = "fares_owed"
    REFUNDS_GIVEN = "refunds_given"
    REFUNDS_RECEIVED = "refunds_received"
    FEES_EARNED = "fees_earned"
    FEES_OWED = "fees_owed"
    BANK = "bank"


class EntryKind(StrEnum):
    """What an entry is about, by its name in the index."""

    SETTLEMENT = "settlement"
    ARREARS = "arrears"
    REFUND = "refund"
    FEE = "fee"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"


@dataclass(frozen=True, slots=True)
class Posting:
    """A line of an entry. `amount`, fen: a debit above 0, a credit below; `other` is the counterparty, 0 for none."""

    city: int
    account: Account
    other: int
    amount: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What one event posts; the lines of each city add up to 0."""

    kind: EntryKind
    postings: tuple[Posting, ...]


# ---------------------------------------------------------------- the rules


def settlement(issuer: int, operator: int, fares: int, paid: int) -> Entry:
    """One issuer's rides of a batch (PairSettled): `paid` of the fares came from its balance, the rest is arrears."""
    postings = _obligation(issuer, operator, Account.FARES_OWED, Account.FARES_EARNED, fares, paid)
    return Entry(EntryKind.SETTLEMENT, postings)


def arrears_payment(debtor: int, creditor: int, amount: int) -> Entry:
    """Arrears were paid from a balance (ArrearsPaid, where nothing was set off)."""
    return Entry(
        EntryKind.ARREARS,
        (
            Posting(debtor, Account.OWED, creditor, amount),
            Posting(debtor, Account.FUNDS, creditor, -amount),
            Posting(creditor, Account.FUNDS, debtor, amount),
            Posting(creditor, Account.DUE, debtor, -amount),
        ),
    )


def refund(issuer: int, operator: int, amount: int, paid: int, set_off: int = 0) -> Entry:
    """A part of a fare goes back (RideRefunded).

    `set_off` of it cancelled arrears of the issuer: the contract tells that by an ArrearsPaid right before, which posts
    nothing of its own. `paid` includes it; the rest of `paid` came from the operator's balance.
    """
    accounts = Account.REFUNDS_GIVEN, Account.REFUNDS_RECEIVED
    return Entry(EntryKind.REFUND, _obligation(operator, issuer, *accounts, amount, paid, set_off))


def fee(issuer: int, operator: int, amount: int, paid: int, set_off: int = 0) -> Entry:
    """A dispute was answered (RideUpheld): the issuer owes the operator a fee; the rest as in a refund."""
    postings = _obligation(issuer, operator, Account.FEES_OWED, Account.FEES_EARNED, amount, paid, set_off)
    return Entry(EntryKind.FEE, postings)


def deposit(city: int, amount: int) -> Entry:
    """Funds came in (Deposited)."""
    return Entry(EntryKind.DEPOSIT, (Posting(city, Account.FUNDS, 0, amount), Posting(city, Account.BANK, 0, -amount)))


def withdrawal(city: int, amount: int) -> Entry:
    """Funds went out (Withdrawn)."""
    return Entry(
        EntryKind.WITHDRAWAL, (Posting(city, Account.FUNDS, 0, -amount), Posting(city, Account.BANK, 0, amount))
    )


def _obligation(
    debtor: int, creditor: int, expense: Account, income: Account, amount: int, paid: int, set_off: int = 0
) -> tuple[Posting, ...]:
    """One city owes another: a part is set off against what that one owes it, a part is paid, the rest is arrears."""
    moved, left = paid - set_off, amount - paid
    lines = (
        Posting(debtor, expense, creditor, amount),
        Posting(debtor, Account.FUNDS, creditor, -moved),
        Posting(debtor, Account.DUE, creditor, -set_off),
        Posting(debtor, Account.OWED, creditor, -left),
        Posting(creditor, income, debtor, -amount),
        Posting(creditor, Account.FUNDS, debtor, moved),
        Posting(creditor, Account.OWED, debtor, set_off),
        Posting(creditor, Account.DUE, debtor, left),
    )
    return tuple(line for line in lines if line.amount)


# ---------------------------------------------------------------- the books


@dataclass(slots=True)
class PairTotals:
    """What passed between an issuer and an operator: counts, and fen."""

    rides: int = 0
    fares: int = 0
    refunded: int = 0
    fees: int = 0
    """What the issuer owed the operator for disputes that were answered."""
    disputed: int = 0
    """Fares that hang on open disputes: still among `fares`."""


@dataclass(slots=True)
class Books:
    """Every city's account, as it stands after the events that were posted. Amounts in fen; cities by code (uint16).

    Each posting gives the entry that it made.

    Raises, from each posting:
        BooksError: an amount that an account doesn't have, or another than the contract would have paid at once.
            Nothing was posted then.
    """

    balances: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    arrears: defaultdict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    """By (debtor, creditor)."""
    deposits: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    withdrawals: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    pairs: defaultdict[tuple[int, int], PairTotals] = field(default_factory=lambda: defaultdict(PairTotals))
    """By (issuer, operator)."""
    withheld: defaultdict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    """What of the arrears is above a daily limit, and can't be paid before it is released; by (debtor, creditor)."""
    withheld_on: defaultdict[tuple[int, int, int], int] = field(default_factory=lambda: defaultdict(int))
    """By (debtor, creditor, day since 1970), as far as it wasn't released; together more than is still withheld, where
    corrections were set off against it: the first days to be released come to less by that."""
    limits: DailyLimits = field(default_factory=DailyLimits)
    _owing: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def held(self) -> int:
        """The sum of all balances."""
        return sum(self.balances.values())

    def cities(self) -> set[int]:
        """The cities that anything was posted to."""
        between = {city for pair in (*self.arrears, *self.pairs) for city in pair}
        return between | self.balances.keys() | self.deposits.keys()

    def arrears_of(self, debtor: int) -> int:
        """What a city owes in arrears, in all."""
        return self._owing.get(debtor, 0)

    def arrears_due(self, creditor: int) -> int:
        """What a city is owed in arrears, in all."""
        return sum(amount for (_, owed), amount in self.arrears.items() if owed == creditor)

    def withheld_of(self, debtor: int) -> int:
        """What of a city's arrears is above its daily limit, in all."""
        return sum(amount for (owing, _), amount in self.withheld.items() if owing == debtor)

    def withheld_due(self, creditor: int) -> int:
        """What of the arrears due to a city is above the debtors' daily limits, in all."""
        return sum(amount for (_, owed), amount in self.withheld.items() if owed == creditor)

    def partners(self, city: int) -> Iterator[tuple[int, PairTotals, PairTotals]]:
        """(other city, what it owed this one, what this one owed it), by code."""
        others = {other for pair in self.pairs if city in pair for other in pair if other != city}
        for other in sorted(others):
            yield other, self.pairs.get((other, city), PairTotals()), self.pairs.get((city, other), PairTotals())

    def payable(self, debtor: int, amount: int) -> int:
        """What of an amount a city pays from its balance at once: nothing while it has arrears that aren't withheld
        (protocol section 6)."""
        arrears = self.arrears_of(debtor)
        if arrears and arrears != self.withheld_of(debtor):
            return 0
        return min(amount, self.balances.get(debtor, 0))

    # ------------------------------------------------------------ postings

    def deposit(self, city: int, amount: int) -> Entry:
        """Funds came in."""
        _require(amount > 0, f"a deposit above 0, came {amount}")
        self.deposits[city] += amount
        return self.post(deposit(city, amount))

    def withdraw(self, city: int, amount: int) -> Entry:
        """Funds went out."""
        _require(amount > 0, f"a withdrawal above 0, came {amount}")
        self._require_funds(city, amount)
        self.withdrawals[city] += amount
        return self.post(withdrawal(city, amount))

    def settle(
        self, issuer: int, operator: int, rides: int, fares: int, paid: int, *, withheld: int = 0, day: int = 0
    ) -> Entry:
        """One issuer's rides of a batch: `paid` of the fares came from its balance, the rest is arrears, `withheld` of
        it because the fares of a day (UTC, since 1970) came above the issuer's limit."""
        above = fares - self.limits.room(issuer, day, fares)
        _require(withheld == above, f"{above} of {fares} fen above the daily limit of {issuer}, came {withheld}")
        self._require_obligation(issuer, operator, fares, paid, None, withheld)
        self.limits.take(issuer, day, fares)
        pair = self.pairs[issuer, operator]
        pair.rides += rides
        pair.fares += fares
        if withheld:
            self.withheld[issuer, operator] += withheld
            self.withheld_on[issuer, operator, day] += withheld
        return self.post(settlement(issuer, operator, fares, paid))

    def release(self, debtor: int, creditor: int, day: int, amount: int) -> None:
        """What was withheld on a day (UTC, since 1970), less what was set off since, can be paid as other arrears;
        nothing is moved by that."""
        still = self.withheld.get((debtor, creditor), 0)
        on_day = self.withheld_on.get((debtor, creditor, day), 0)
        set_off = sum(of for (*pair, _), of in self.withheld_on.items() if pair == [debtor, creditor]) - still
        left = on_day - min(on_day, set_off)
        _require(on_day > 0, f"a day with fares of {debtor} withheld from {creditor}, came {day}")
        _require(amount == left, f"{left} fen of day {day} to be released of {debtor}'s to {creditor}, came {amount}")
        self.withheld_on.pop((debtor, creditor, day))
        self.withheld[debtor, creditor] = still - amount

    def pay_arrears(self, debtor: int, creditor: int, amount: int) -> Entry:
        """Arrears were paid, as far as the balance reaches."""
        owed = self.arrears.get((debtor, creditor), 0) - self.withheld.get((debtor, creditor), 0)
        _require(
            0 < amount <= owed, f"at most {owed} fen of arrears to be paid by {debtor} to {creditor}, came {amount}"
        )
        self._require_funds(debtor, amount)
        most = min(owed, self.balances[debtor])
        _require(amount == most, f"{most} fen of arrears to be paid by {debtor} to {creditor}, came {amount}")
        return self.post(arrears_payment(debtor, creditor, amount))

    def refund(self, issuer: int, operator: int, amount: int, paid: int, set_off: int = 0) -> Entry:
        """A part of a fare went back: the operator owes it; `set_off` of it cancelled the issuer's arrears."""
        pair = self.pairs[issuer, operator]
        left = pair.fares - pair.refunded
        _require(0 < amount <= left, f"a refund of at most {left} fen from {operator} to {issuer}, came {amount}")
        self._require_obligation(operator, issuer, amount, paid, set_off)
        pair.refunded += amount
        entry = self.post(refund(issuer, operator, amount, paid, set_off))
        self._cap_withheld(issuer, operator)
        return entry

    def fee(self, issuer: int, operator: int, amount: int, paid: int, set_off: int = 0) -> Entry:
        """A dispute was answered: the issuer owes the fee; `set_off` of it cancelled the operator's arrears."""
        self._require_obligation(issuer, operator, amount, paid, set_off)
        self.pairs[issuer, operator].fees += amount
        entry = self.post(fee(issuer, operator, amount, paid, set_off))
        self._cap_withheld(operator, issuer)
        return entry

    def hang(self, issuer: int, operator: int, amount: int) -> None:
        """Opens (above 0) or ends (below) what hangs on a dispute; nothing is moved by that."""
        pair = self.pairs[issuer, operator]
        _require(pair.disputed + amount >= 0, f"no less than 0 fen in dispute, came {pair.disputed + amount}")
        pair.disputed += amount

    def post(self, entry: Entry) -> Entry:
        """Add an entry's lines to the accounts, unchecked: for entries that were checked before they were kept."""
        self.add(entry.postings)
        return entry

    def add(self, postings: Sequence[Posting]) -> None:
        """Add lines, or sums of lines, to the accounts that they are of."""
        for line in postings:
            if line.account is Account.FUNDS:
                self.balances[line.city] += line.amount
            elif line.account is Account.OWED:
                self.arrears[line.city, line.other] -= line.amount
                self._owing[line.city] -= line.amount

    def _cap_withheld(self, debtor: int, creditor: int) -> None:
        """No more is withheld than is owed: a correction is set off against what is withheld last."""
        pair = debtor, creditor
        if self.withheld.get(pair, 0) > self.arrears[pair]:
            self.withheld[pair] = self.arrears[pair]

    # ------------------------------------------------------------ what can't be

    def _require_obligation(
        self, debtor: int, creditor: int, amount: int, paid: int, set_off: int | None, withheld: int = 0
    ) -> None:
        """`set_off` is None for fares, of which nothing is set off."""
        _require(debtor != creditor, f"two cities, came {debtor} twice")
        _require(0 <= paid <= amount, f"at most {amount} fen paid, came {paid}")
        if set_off is not None:
            most = min(amount, self.arrears.get((creditor, debtor), 0))
            _require(set_off == most, f"{most} fen set off against arrears of {creditor} to {debtor}, came {set_off}")
        set_off = set_off or 0
        self._require_funds(debtor, paid - set_off)
        rule = set_off + self.payable(debtor, amount - set_off - withheld)
        _require(paid == rule, f"{rule} of {amount} fen paid at once by {debtor} to {creditor}, came {paid}")

    def _require_funds(self, city: int, amount: int) -> None:
        balance = self.balances.get(city, 0)
        _require(balance >= amount, f"city {city} to hold at least {amount} fen, it holds {balance}")


def _require(true: bool, expected: str) -> None:
    if not true:
        raise BooksError(f"expected {expected}: the events don't add up; ask another node")
