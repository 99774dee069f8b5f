"""How the cities' treasurers keep their accounts: deposits, withdrawals, forgotten top-ups, arrears, their payment."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from demo.year.acts import Act, Transfer, account, reference_bytes
from demo.year.reckoning import Reckoning
from demo.year.rides import Rides
from demo.year.story import DAY, FORGETFUL, Member, day_of, midnight
from network.accounts import BANK, Role

_LEAST_FLOAT: Final = 1_000  # fen
_WEEKS: Final = 4  # that a treasurer looks back


@dataclass(slots=True)
class Treasury:
    """All treasurers. Each looks at the account once a week, and keeps funds for `float_days` of its people's rides."""

    members: Sequence[Member]
    books: Reckoning
    transfers: list[Transfer] = field(default_factory=list)
    owed: defaultdict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    """Fares by (city, week), fen."""
    reserves: dict[int, int] = field(default_factory=dict)

    def opening(self, member: Member, rides: Rides, time: int) -> list[Act]:
        """The deposit that a city joins with."""
        first_month = (rides.issuer == member.code) & (rides.entered_at < midnight(member.joined) + 28 * DAY)
        expected = int(rides.fare[first_month & (rides.reason == 0)].sum())
        return self._deposit(member, time, _round(max(_LEAST_FLOAT, expected * member.traits.float_days // 28)))

    def note(self, issuer: int, time: int, fares: int) -> None:
        """A city's people rode."""
        self.owed[issuer, time // (7 * DAY)] += fares

    def look(self, member: Member, time: int) -> list[Act]:
        """What a city's treasurer does on the weekly day."""
        books, code = self.books, member.code
        if _forgets(member, time):
            return []
        wanted = self._float(member, time)
        arrears = books.arrears_of(code)
        if arrears:
            return self._deposit(member, time, _round(arrears + wanted)) + self._pay_all(member, time)
        if books.balances[code] < wanted // 2:
            return self._deposit(member, time, _round(wanted - books.balances[code]))
        surplus = min(books.balances[code] - 2 * wanted, books.balances[code] - self.reserves.get(code, 0))
        return self._withdraw(member, time, surplus) if surplus >= wanted else []

    def claim(self, member: Member, time: int) -> list[Act]:
        """What a city's creditors have paid of its arrears, though its treasurer forgets: anyone may call it."""
        calls = []
        by_code = {other.code: other for other in self.members}
        for creditor, _ in self.books.creditors(member.code):
            if self.books.pay_arrears(member.code, creditor):
                who = account(by_code[creditor], Role.TREASURY)
                calls.append(Act(time, who, "Clearinghouse", "payArrears", (member.code, creditor)))
        return calls

    def _float(self, member: Member, time: int) -> int:
        week = time // (7 * DAY)
        weeks = [self.owed[member.code, week - back] for back in range(1, _WEEKS + 1)]
        return max(_LEAST_FLOAT, int(np.mean(weeks)) * member.traits.float_days // 7)

    def _deposit(self, member: Member, time: int, amount: int) -> list[Act]:
        self.books.deposit(member.code, amount)
        reference = self._booked(member, time, True, amount)
        treasury = account(member, Role.TREASURY)
        return [
            Act(time, BANK, "SettlementToken", "mint", (member.file.treasury, amount)),
            Act(time, treasury, "Clearinghouse", "deposit", (member.code, amount, reference)),
        ]

    def _withdraw(self, member: Member, time: int, amount: int) -> list[Act]:
        amount -= amount % 10 ** max(0, len(str(amount)) - 2)
        self.books.withdraw(member.code, amount)
        reference = self._booked(member, time, False, amount)
        call = (member.code, amount, reference)
        return [Act(time, account(member, Role.TREASURY), "Clearinghouse", "withdraw", call)]

    def _booked(self, member: Member, time: int, into: bool, amount: int) -> bytes:
        number = 1 + sum(transfer.city == member.code for transfer in self.transfers)
        text = f"{'D' if into else 'W'}{day_of(time):%Y%m%d}-{member.code}-{number:03d}"
        self.transfers.append(Transfer(time, member.code, into, amount, text))
        return reference_bytes(text)

    def _pay_all(self, member: Member, time: int) -> list[Act]:
        calls = []
        for creditor, _ in self.books.creditors(member.code):
            self.books.pay_arrears(member.code, creditor)
            who = account(member, Role.TREASURY)
            calls.append(Act(time, who, "Clearinghouse", "payArrears", (member.code, creditor)))
        return calls


def _forgets(member: Member, time: int) -> bool:
    return any(name == member.name and midnight(since) <= time < midnight(until) for name, since, until in FORGETFUL)


def _round(amount: int) -> int:
    """The next amount above with two digits and zeros."""
    unit: int = 10 ** max(0, len(str(amount)) - 2)
    return -(-amount // unit) * unit
