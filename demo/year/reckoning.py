"""The generator's own reckoning: what each act does to each city's account, by protocol sections 6 and 8.

It shares nothing with the contracts or with `ledger`, so that it can be compared with both.
"""

from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(slots=True)
class Pair:
    """What passed between an issuer and an operator: counts, and fen."""

    rides: int = 0
    fares: int = 0
    refunded: int = 0
    fees: int = 0
    disputed: int = 0
    """What hangs on open disputes."""


@dataclass(slots=True)
class Reckoning:
    """All accounts. Amounts in fen, cities by code."""

    balances: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    arrears: defaultdict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    """By (debtor, creditor)."""
    deposits: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    withdrawals: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    pairs: defaultdict[tuple[int, int], Pair] = field(default_factory=lambda: defaultdict(Pair))
    """By (issuer, operator)."""
    arrears_paid: int = 0

    def arrears_of(self, debtor: int) -> int:
        """What a city owes in arrears."""
        return sum(amount for (owing, _), amount in self.arrears.items() if owing == debtor)

    def arrears_due(self, creditor: int) -> int:
        """What a city is owed in arrears."""
        return sum(amount for (_, owed), amount in self.arrears.items() if owed == creditor)

    def position(self, city: int) -> int:
        """Balance, with what others owe the city and without what it owes."""
        return self.balances[city] + self.arrears_due(city) - self.arrears_of(city)

    def creditors(self, debtor: int) -> list[tuple[int, int]]:
        """(city, fen) of all that a city owes arrears to."""
        return sorted((to, amount) for (owing, to), amount in self.arrears.items() if owing == debtor and amount)

    def deposit(self, city: int, amount: int) -> None:
        """Funds come in."""
        self.balances[city] += amount
        self.deposits[city] += amount

    def withdraw(self, city: int, amount: int) -> None:
        """Funds go out."""
        assert amount <= self.balances[city]
        self.balances[city] -= amount
        self.withdrawals[city] += amount

    def settle(self, issuer: int, operator: int, rides: int, fares: int) -> int:
        """An issuer's rides of a batch; returns what was paid at once."""
        pair = self.pairs[issuer, operator]
        pair.rides += rides
        pair.fares += fares
        return self._owe(issuer, operator, fares)

    def pay_arrears(self, debtor: int, creditor: int) -> int:
        """Arrears are paid as far as the balance reaches; returns what was."""
        paid = min(self.arrears[debtor, creditor], self.balances[debtor])
        self._move(debtor, creditor, paid)
        self.arrears[debtor, creditor] -= paid
        self.arrears_paid += paid
        return paid

    def refund(self, issuer: int, operator: int, amount: int) -> None:
        """A part of a fare goes back."""
        self.pairs[issuer, operator].refunded += amount
        self._post(operator, issuer, amount)

    def fee(self, issuer: int, operator: int, amount: int) -> None:
        """A dispute was answered."""
        self.pairs[issuer, operator].fees += amount
        self._post(issuer, operator, amount)

    def _post(self, debtor: int, creditor: int, amount: int) -> None:
        set_off = min(amount, self.arrears[creditor, debtor])
        self.arrears[creditor, debtor] -= set_off
        self.arrears_paid += set_off
        self._owe(debtor, creditor, amount - set_off)

    def _owe(self, debtor: int, creditor: int, amount: int) -> int:
        paid = 0 if self.arrears_of(debtor) else min(amount, self.balances[debtor])
        self._move(debtor, creditor, paid)
        self.arrears[debtor, creditor] += amount - paid
        return paid

    def _move(self, debtor: int, creditor: int, amount: int) -> None:
        self.balances[debtor] -= amount
        self.balances[creditor] += amount
