"""The books, posted again from what the chain's events say: double entry, in fen.

No network here: who reads the chain brings the entries in the order in which they happened.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from ledger.errors import BooksError


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
    """Every city's account. Amounts in fen; cities by code (uint16).

    Each posting takes from one account what it gives to another; deposits and withdrawals stand against `held`.

    Raises, from each posting:
        BooksError: an amount that an account doesn't have, or one that can't be.
    """

    balances: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    arrears: defaultdict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    """By (debtor, creditor)."""
    deposits: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    withdrawals: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    pairs: defaultdict[tuple[int, int], PairTotals] = field(default_factory=lambda: defaultdict(PairTotals))
    """By (issuer, operator)."""

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
        return sum(amount for (owing, _), amount in self.arrears.items() if owing == debtor)

    def arrears_due(self, creditor: int) -> int:
        """What a city is owed in arrears, in all."""
        return sum(amount for (_, owed), amount in self.arrears.items() if owed == creditor)

    def partners(self, city: int) -> Iterator[tuple[int, PairTotals, PairTotals]]:
        """(other city, what it owed this one, what this one owed it), by code."""
        others = {other for pair in self.pairs if city in pair for other in pair if other != city}
        for other in sorted(others):
            yield other, self.pairs.get((other, city), PairTotals()), self.pairs.get((city, other), PairTotals())

    # ------------------------------------------------------------ postings

    def deposit(self, city: int, amount: int) -> None:
        """Funds came in."""
        _require(amount > 0, f"a deposit above 0, came {amount}")
        self.balances[city] += amount
        self.deposits[city] += amount

    def withdraw(self, city: int, amount: int) -> None:
        """Funds went out."""
        _require(amount > 0, f"a withdrawal above 0, came {amount}")
        self._take(city, amount)
        self.withdrawals[city] += amount

    def settle(self, issuer: int, operator: int, rides: int, fares: int, paid: int) -> None:
        """One issuer's rides of a batch: `paid` of the fares came from its balance, the rest is arrears."""
        self._owe(issuer, operator, fares, paid)
        pair = self.pairs[issuer, operator]
        pair.rides += rides
        pair.fares += fares

    def pay_arrears(self, debtor: int, creditor: int, amount: int) -> None:
        """Arrears were paid."""
        owed = self.arrears[debtor, creditor]
        _require(
            0 < amount <= owed, f"at most {owed} fen of arrears to be paid by {debtor} to {creditor}, came {amount}"
        )
        self.arrears[debtor, creditor] -= amount
        self._move(debtor, creditor, amount)

    def refund(self, issuer: int, operator: int, amount: int, paid: int) -> None:
        """A part of a fare went back: the operator owes it."""
        pair = self.pairs[issuer, operator]
        left = pair.fares - pair.refunded
        _require(0 < amount <= left, f"a refund of at most {left} fen from {operator} to {issuer}, came {amount}")
        self._owe(operator, issuer, amount, paid)
        pair.refunded += amount

    def fee(self, issuer: int, operator: int, fee: int, paid: int) -> None:
        """A dispute was answered: the issuer owes the fee."""
        self._owe(issuer, operator, fee, paid)
        self.pairs[issuer, operator].fees += fee

    def hang(self, issuer: int, operator: int, amount: int) -> None:
        """Opens (above 0) or ends (below) what hangs on a dispute; nothing is moved by that."""
        pair = self.pairs[issuer, operator]
        pair.disputed += amount
        _require(pair.disputed >= 0, f"no less than 0 fen in dispute, came {pair.disputed}")

    def _owe(self, debtor: int, creditor: int, amount: int, paid: int) -> None:
        _require(debtor != creditor, f"two cities, came {debtor} twice")
        _require(0 <= paid <= amount, f"at most {amount} fen paid, came {paid}")
        self._move(debtor, creditor, paid)
        self.arrears[debtor, creditor] += amount - paid

    def _move(self, debtor: int, creditor: int, amount: int) -> None:
        self._take(debtor, amount)
        self.balances[creditor] += amount

    def _take(self, city: int, amount: int) -> None:
        balance = self.balances[city]
        _require(balance >= amount, f"city {city} to hold at least {amount} fen, it holds {balance}")
        self.balances[city] = balance - amount


def _require(true: bool, expected: str) -> None:
    if not true:
        raise BooksError(f"expected {expected}: the events don't add up; ask another node")
