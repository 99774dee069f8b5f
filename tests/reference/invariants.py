"""What is always true (protocol section 6), for books that were read from outside; the numbers are README.md's."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Books:
    """All that can be read of the cities' money at one moment, in fen."""

    held: int
    tokens: int
    balances: Mapping[int, int]
    arrears: Mapping[tuple[int, int], int]
    arrears_of: Mapping[int, int]
    arrears_due: Mapping[int, int]
    positions: Mapping[int, int]
    withdrawable: Mapping[int, int]
    disputed: Mapping[tuple[int, int], int]
    withheld: Mapping[tuple[int, int], int]


@dataclass(slots=True)
class Statement:
    """The books rebuilt from events alone."""

    balances: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    arrears: defaultdict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    withheld: defaultdict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    hanging: defaultdict[tuple[int, int], dict[tuple[bytes, int], int]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    """What hangs on open disputes, by issuer and operator, then by batch and index."""
    refunded: defaultdict[tuple[bytes, int], int] = field(default_factory=lambda: defaultdict(int))
    deposited: int = 0
    withdrawn: int = 0

    def read(self, name: str, args: Mapping[str, Any]) -> None:
        """Take in one event of the Clearinghouse or its refunds; those that move nothing leave no trace."""
        match name:
            case "Deposited":
                self.balances[args["city"]] += args["amount"]
                self.deposited += args["amount"]
            case "Withdrawn":
                self.balances[args["city"]] -= args["amount"]
                self.withdrawn += args["amount"]
            case "PairSettled":
                self.balances[args["issuer"]] -= args["paid"]
                self.balances[args["operator"]] += args["paid"]
                self.arrears[args["issuer"], args["operator"]] += args["fares"] - args["paid"]
            case "ArrearsPaid":
                self.balances[args["debtor"]] -= args["amount"]
                self.balances[args["creditor"]] += args["amount"]
                pair = args["debtor"], args["creditor"]
                self.arrears[pair] -= args["amount"]
                self.withheld[pair] = min(self.withheld[pair], self.arrears[pair])
            case "FaresWithheld":
                self.withheld[args["issuer"], args["operator"]] += args["amount"]
            case "WithheldReleased":
                self.withheld[args["issuer"], args["operator"]] -= args["amount"]
            case "RideDisputed":
                self.hanging[args["issuer"], args["operator"]][args["batchId"], args["index"]] = args["amount"]
            case "RideRefunded":
                ride, pair = (args["batchId"], args["index"]), (args["issuer"], args["operator"])
                self.refunded[ride] += args["amount"]
                if ride in self.hanging[pair]:
                    self.hanging[pair][ride] -= args["amount"]
                self._correct(args["operator"], args["issuer"], args["amount"], args["paid"])
            case "RideUpheld":
                del self.hanging[args["issuer"], args["operator"]][args["batchId"], args["index"]]
                self._correct(args["issuer"], args["operator"], args["fee"], args["paid"])

    def _correct(self, debtor: int, creditor: int, amount: int, paid: int) -> None:
        self.balances[debtor] -= paid
        self.balances[creditor] += paid
        self.arrears[debtor, creditor] += amount - paid


def broken(books: Books, statement: Statement) -> Iterator[str]:
    """Every invariant of money that does not hold, in words; nothing if all do."""
    if sum(books.balances.values()) != books.held:
        yield f"1: balances add up to {sum(books.balances.values())}, held is {books.held}"
    if books.tokens < books.held:
        yield f"2: {books.tokens} tokens for {books.held} held"
    if sum(books.positions.values()) != statement.deposited - statement.withdrawn:
        yield f"4: positions {dict(books.positions)}, deposited {statement.deposited}, withdrawn {statement.withdrawn}"
    for city, balance in books.balances.items():
        owed = sum(amount for (debtor, _), amount in books.arrears.items() if debtor == city)
        due = sum(amount for (_, creditor), amount in books.arrears.items() if creditor == city)
        if (books.arrears_of[city], books.arrears_due[city]) != (owed, due):
            said = (books.arrears_of[city], books.arrears_due[city])
            yield f"5: {city} owes {owed} and is owed {due}, but says {said}"
        if books.positions[city] != balance + due - owed:
            yield f"4: position of {city} is {books.positions[city]}"
        if owed and books.withdrawable[city]:
            yield f"6: {city} owes {owed} and could withdraw {books.withdrawable[city]}"
        if statement.balances[city] != balance:
            yield f"8: {city} holds {balance}, by its events {statement.balances[city]}"
    for pair, amount in books.arrears.items():
        if statement.arrears[pair] != amount:
            yield f"8: arrears {pair} are {amount}, by their events {statement.arrears[pair]}"
    for pair, amount in books.withheld.items():
        if not 0 <= amount <= books.arrears[pair]:
            yield f"10: {amount} of the arrears {pair} are withheld, which are {books.arrears[pair]}"
        if statement.withheld[pair] != amount:
            yield f"8: {amount} are withheld of {pair}, by their events {statement.withheld[pair]}"
    for pair, amount in books.disputed.items():
        if sum(statement.hanging[pair].values()) != amount:
            yield f"9: {amount} hang on disputes of {pair}, by their events {statement.hanging[pair]}"
