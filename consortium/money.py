"""What a city does with its money, and what its tickets may take from it: which contract is called, and by whom.

Facts come in, calls go out; no network and no accounts here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consortium.acts import Actor, Deed, nothing
from consortium.calls import Call, Step, encode_call
from consortium.standing import City, Standing, yuan
from consortium.times import format_day, format_moment


@dataclass(frozen=True, slots=True)
class Debt:
    """What a city owes another in arrears, fen."""

    creditor: City
    owed: int
    withheld: int
    """Part of it that can't be paid yet."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """Fares of a day above the debtor's daily limit, which can't be paid yet."""

    creditor: City
    day: int
    """UTC, since 1970."""
    amount: int
    """fen; 0 where all of it was set off against corrections, which is noted when the day is released."""
    until: int
    """From when on anyone can release it, Unix seconds."""

    def says(self, now: int) -> str:
        """For people."""
        when = "can be released by anyone" if now >= self.until else f"until {format_moment(self.until)}"
        return f"{yuan(self.amount)} to {self.creditor.label}, settled on {format_day(self.day)} (UTC): {when}"

    def to_json(self) -> dict[str, Any]:
        """Its entry in an act's document. Fen and Unix seconds; `day` is the UTC date."""
        return {
            "creditor": self.creditor.code,
            "day": format_day(self.day),
            "amount": self.amount,
            "releasable_from": self.until,
        }


def deposit(standing: Standing, city: City, actor: Actor, amount: int, reference: bytes, allowance: int) -> Deed:
    """Take tokens of the sender into a city's balance, fen."""
    says = (f"{actor.address} deposits {yuan(amount)} to {city.label}",)
    house = standing.house.address
    calls = []
    if allowance < amount:
        data = encode_call("SettlementToken", "approve", house, amount)
        what = f"{actor.address} allows the deposit"
        calls.append(Call(Step.ALLOW, what, actor.address, actor.role, standing.token, data))
    data = encode_call("Clearinghouse", "deposit", city.code, amount, reference)
    calls.append(Call(Step.DEPOSIT, says[0], actor.address, actor.role, house, data))
    return Deed("deposit", says, tuple(calls))


def withdraw(standing: Standing, city: City, actor: Actor, amount: int, reference: bytes) -> Deed:
    """Pay a part of the city's balance out to its treasury, fen."""
    says = (f"{city.label} withdraws {yuan(amount)} to its treasury {city.treasury}",)
    data = encode_call("Clearinghouse", "withdraw", city.code, amount, reference)
    return Deed("withdraw", says, (Call(Step.ACT, says[0], actor.address, actor.role, standing.house.address, data),))


def pay_arrears(standing: Standing, debtor: City, actor: Actor, debts: Sequence[Debt]) -> Deed:
    """Pay a debtor's arrears to its creditors, as far as its balance reaches, but for what is withheld; anyone may."""
    balance = standing.house.accounts[debtor.code].balance
    if not debts:
        return nothing("pay-arrears", f"{debtor.label} owes nothing")
    says, calls = [], []
    for debt in debts:
        amount = debt.owed - debt.withheld
        paid = min(amount, balance)
        balance -= paid
        owes = f"{debtor.label} owes {debt.creditor.label}"
        if debt.withheld:
            says.append(f"{owes} {yuan(debt.withheld)} that is above its daily limit, and withheld")
        if not paid:
            if amount:
                says.append(f"{owes} {yuan(amount)}, and has nothing to pay it from")
            continue
        what = f"{debtor.label} pays {debt.creditor.label} {yuan(paid)} of the {yuan(amount)} that it owes"
        data = encode_call("Clearinghouse", "payArrears", debtor.code, debt.creditor.code)
        says.append(what)
        calls.append(Call(Step.ACT, what, actor.address, actor.role, standing.house.address, data))
    return Deed("pay-arrears", tuple(says), tuple(calls))


def set_daily_limit(standing: Standing, city: City, actor: Actor, limit: int) -> Deed:
    """Set what a city's tickets may take from it in a day (UTC), fen; 0 for no limit."""
    account = standing.house.accounts[city.code]
    if limit == account.daily_limit:
        return nothing("daily-limit", f"{city.label} has {says_limit(limit)}")
    says = [f"{city.label} sets {says_limit(limit)}; so far {says_limit(account.daily_limit)}"]
    notes = []
    if limit:
        says.append("what settles above it on a day (UTC) is owed, but withheld: the operator is paid later")
        notes.append(
            "while anything is withheld the city withdraws nothing; `release-withheld` shows it, and confirms it"
        )
        if account.daily_limit and account.taken_today >= limit:
            notes.append(
                f"its tickets took {yuan(account.taken_today)} today: what settles today from now on is withheld"
            )
    elif account.withheld:
        notes.append(f"{yuan(account.withheld)} stay withheld: `release-withheld` lets them be paid")
    data = encode_call("Clearinghouse", "setDailyLimit", city.code, limit)
    call = Call(Step.ACT, says[0], actor.address, actor.role, standing.house.address, data)
    return Deed("daily-limit", tuple(says), (call,), tuple(notes))


def says_limit(limit: int) -> str:
    """A daily limit in fen, for people."""
    return f"a daily limit of {yuan(limit)}" if limit else "no daily limit"


def release_withheld(standing: Standing, debtor: City, actor: Actor, chosen: Sequence[Withheld]) -> Deed:
    """Let what was withheld on days be paid as other arrears: its treasury any time, anyone once the time is over."""
    calls = []
    for one in chosen:
        day = format_day(one.day)
        what = f"{debtor.label} lets {yuan(one.amount)} of {day}, owed to {one.creditor.label}, be paid"
        data = encode_call("Clearinghouse", "releaseWithheld", debtor.code, one.creditor.code, one.day)
        calls.append(Call(Step.ACT, what, actor.address, actor.role, standing.house.address, data))
    notes = ("`pay-arrears` pays it",) if calls else ()
    return Deed("release-withheld", tuple(call.what for call in calls), tuple(calls), notes)
