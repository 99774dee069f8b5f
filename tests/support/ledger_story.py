"""A Clearinghouse in miniature, whose history is written straight into an index's tables.

    story = Story({SHANGHAI: "Shanghai", HANGZHOU: "Hangzhou"}, at="2019-11-01 09:00")
    story.deposit(HANGZHOU, 50_00, "ICBC 1", at="2019-11-02 10:00")
    batch = story.settle(SHANGHAI, [Trip(HANGZHOU, 4_00, "2019-11-30 23:50")], at="2019-12-01 01:00")
    index = story.index()

It follows the contracts' rules (protocol sections 6 and 8): balances pay as far as they reach, the rest is arrears, and
refunds and fees are set off against arrears first. What it posts is written down here, apart from `ledger.books`.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from interline.cities import DEFAULT_OPERATING_DAY, CityFile
from interline.operating_day import OperatingDay
from ledger.index.schema import SCHEMA_VERSION, TABLES

SHANGHAI, HANGZHOU, XUZHOU, NINGBO = 3100, 3301, 3203, 3302
CLEARINGHOUSE = "0x" + "c1" * 20
BY_OPERATOR, UNANSWERED, REVOKED = range(3)


def moment(text: str) -> int:
    """Unix seconds of a time in Shanghai, like 2019-12-01 04:00."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai")).timestamp())


def city_file(code: int, name: str, operating_day: OperatingDay = DEFAULT_OPERATING_DAY, **more: Any) -> CityFile:
    """A city file of which only what accounts need is true."""
    nothing: dict[str, Any] = {"path": Path(f"{name.lower()}.yaml"), "tariff": Path(name), "founder": True}
    nothing |= {
        "joined": "2019",
        "admin": "",
        "treasury": "",
        "recovery": "",
        "issuer_keys": (),
        "submitters": (),
        "deposit": 0,
    }
    return CityFile(code=code, name=name, operating_day=operating_day, **({"name_zh": None} | nothing | more))


def _second(at: str | int) -> int:
    return moment(at) if isinstance(at, str) else at


@dataclass(frozen=True)
class Trip:
    """A ride to be settled: whose rider, its fare (fen), when it ended, and where."""

    issuer: int
    fare: int
    exited_at: str | int
    entry_station: int = 1
    exit_station: int = 9


@dataclass
class Case:
    """A settled ride that can be corrected."""

    batch: int
    index: int
    issuer: int
    operator: int
    fare: int
    refunded: int = 0
    fee: int | None = None
    """Of its open dispute."""


@dataclass(frozen=True)
class StoryIndex:
    """What a statement needs of an index."""

    connection: duckdb.DuckDBPyConnection

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection for one thread."""
        return self.connection.cursor()


@dataclass
class Story:
    """What happened, block after block; a block for each call, unless two have the same time."""

    cities: Mapping[int, str]
    at: str | int
    clocks: Mapping[int, OperatingDay] = field(default_factory=dict)
    balances: Counter[int] = field(default_factory=Counter)
    arrears: Counter[tuple[int, int]] = field(default_factory=Counter)
    """By (debtor, creditor)."""
    tables: defaultdict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(list))
    block: int = 0
    time: int = 0

    def __post_init__(self) -> None:
        self._place = count()
        self._serials: defaultdict[tuple[int, int], count[int]] = defaultdict(count)
        self._batches = count(1)
        self._begin(self.at)
        told = json.dumps({"parameters": {"submissionWindow": 30 * 86_400}, "validFrom": self.time})
        row = (self.block, next(self._place), b"\0" * 32, "Clearinghouse", "ParametersSet", told)
        self.tables["events"].append(row)
        for code in self.cities:
            self.admit(code, self.at)

    def clock(self, city: int) -> OperatingDay:
        """The city's operating day."""
        return self.clocks.get(city, OperatingDay())

    def position(self, city: int) -> int:
        """As the contract has it."""
        due = sum(amount for (_, creditor), amount in self.arrears.items() if creditor == city)
        return self.balances[city] + due - self.owed(city)

    def owed(self, city: int) -> int:
        """All its arrears."""
        return sum(amount for (debtor, _), amount in self.arrears.items() if debtor == city)

    # ------------------------------------------------------------ what can happen

    def admit(self, code: int, at: str | int) -> None:
        """A city joins."""
        tx = self._begin(at)
        addresses = {"admin": "0x" + "ad" * 20, "treasury": "0x" + "ee" * 20, "recovery": "0x" + "7e" * 20}
        told = {"city": code, "name": self.cities[code], **addresses, "countsFrom": _second(at)}
        row = (self.block, next(self._place), tx, "CityRegistry", "CityAdmitted", json.dumps(told))
        self.tables["events"].append(row)

    def quiet_block(self, at: str | int) -> int:
        """A block in which nothing happened, as the last one read."""
        self._begin(at)
        return self.block

    def deposit(self, city: int, amount: int, reference: str, at: str | int) -> None:
        """Money comes in."""
        self._transfer("deposit", city, amount, reference, at)

    def withdraw(self, city: int, amount: int, reference: str, at: str | int) -> None:
        """Money goes out; the contract lets no city in arrears do that."""
        assert amount <= self.balances[city]
        assert not self.owed(city)
        self._transfer("withdrawal", city, amount, reference, at)

    def settle(self, operator: int, trips: Sequence[Trip], at: str | int) -> list[Case]:
        """A batch of rides; the cases are in the order of `trips`."""
        tx, batch = self._begin(at), next(self._batches)
        ordered = sorted(range(len(trips)), key=lambda n: trips[n].issuer)
        cases: dict[int, Case] = {}
        fares: Counter[int] = Counter()
        rides: Counter[int] = Counter()
        for index, number in enumerate(ordered):
            trip = trips[number]
            self._ride(batch, index, operator, trip)
            cases[number] = Case(batch, index, trip.issuer, operator, trip.fare)
            fares[trip.issuer] += trip.fare
            rides[trip.issuer] += 1
        for issuer in sorted(rides):
            paid = 0 if self.owed(issuer) else min(self.balances[issuer], fares[issuer])
            place = next(self._place)
            row = (batch, issuer, operator, rides[issuer], fares[issuer], paid, self.time, self.block, place)
            self.tables["pairs"].append(row)
            accounts = ("fares_owed", "fares_earned")
            self._owe(place, "settlement", issuer, operator, fares[issuer], (paid, 0), accounts, batch)
        name = sha256(f"batch {batch}".encode()).digest()
        place = next(self._place)
        total = sum(fares.values())
        self.tables["batches"].append(
            (batch, name, operator, self.block, place, tx, self.time, len(trips), 0, total, b"", None)
        )
        return [cases[number] for number in range(len(trips))]

    def pay_arrears(self, debtor: int, creditor: int, at: str | int) -> int:
        """Pays what the balance allows; nothing is told where that is nothing."""
        amount = min(self.arrears[debtor, creditor], self.balances[debtor])
        if amount:
            tx, place = self._begin(at), next(self._place)
            self.tables["arrears_payments"].append((self.block, place, tx, self.time, debtor, creditor, amount))
            self.arrears[debtor, creditor] -= amount
            self.balances[debtor] -= amount
            self.balances[creditor] += amount
            self._posted(place, "arrears", debtor, {"funds": -amount, "owed": amount}, creditor)
            self._posted(place, "arrears", creditor, {"funds": amount, "due": -amount}, debtor)
        return amount

    def refund(self, case: Case, amount: int, at: str | int, cause: int = BY_OPERATOR) -> None:
        """A part of a fare goes back."""
        assert 0 < amount <= case.fare - case.refunded
        tx = self._begin(at)
        paid = self._post(tx, case.operator, case.issuer, amount)
        place = next(self._place)
        facts = (self.block, place, tx, self.time, case.batch, case.index, case.issuer, case.operator)
        self.tables["refunds"].append((*facts, amount, paid[0], cause))
        accounts = ("refunds_given", "refunds_received")
        self._owe(place, "refund", case.operator, case.issuer, amount, paid, accounts, case.batch, case.index)
        case.refunded += amount
        if case.refunded == case.fare:
            case.fee = None

    def dispute(self, case: Case, at: str | int, fee: int = 100) -> None:
        """The issuer asks for evidence."""
        tx, place = self._begin(at), next(self._place)
        facts = (self.block, place, tx, self.time, case.batch, case.index, case.issuer, case.operator)
        self.tables["disputes"].append((*facts, case.fare - case.refunded, self.time + 10 * 86_400, fee))
        case.fee = fee

    def answer(self, case: Case, at: str | int) -> None:
        """The ride is upheld: the issuer owes the fee."""
        assert case.fee is not None
        tx = self._begin(at)
        paid = self._post(tx, case.issuer, case.operator, case.fee)
        place = next(self._place)
        facts = (self.block, place, tx, self.time, case.batch, case.index, case.issuer, case.operator)
        self.tables["answers"].append((*facts, case.fee, paid[0]))
        accounts = ("fees_owed", "fees_earned")
        self._owe(place, "fee", case.issuer, case.operator, case.fee, paid, accounts, case.batch, case.index)
        case.fee = None

    # ------------------------------------------------------------ the index

    def index(self) -> StoryIndex:
        """Tables in memory that hold all of it."""
        connection = duckdb.connect(":memory:")
        for table, columns in TABLES.items():
            connection.execute(f"CREATE TABLE {table} ({columns})")
        meta = {"chain_id": "1337", "clearinghouse": CLEARINGHOUSE, "schema": str(SCHEMA_VERSION), "since": "1"}
        self._fill(connection, "meta", meta.items())
        for table, rows in self.tables.items():
            self._fill(connection, table, rows)
        return StoryIndex(connection)

    @staticmethod
    def _fill(connection: duckdb.DuckDBPyConnection, table: str, rows: Iterable[Sequence[Any]]) -> None:
        rows = list(rows)
        if not rows:
            return
        marks = f"({', '.join('?' * len(rows[0]))})"
        values = [value for row in rows for value in row]
        connection.execute(f"INSERT INTO {table} VALUES {', '.join([marks] * len(rows))}", values)

    # ------------------------------------------------------------ internals

    def _begin(self, at: str | int) -> bytes:
        """A block at that time; the transaction's hash."""
        second = _second(at)
        assert second >= self.time, f"{at} is before the block before"
        if second > self.time:
            self.block, self.time, self._place = self.block + 1, second, count()
            self.tables["blocks"].append((self.block, block_hash(self.block), second))
        self._txs = getattr(self, "_txs", 0) + 1
        return sha256(f"transaction {self._txs}".encode()).digest()

    def _transfer(self, kind: str, city: int, amount: int, reference: str, at: str | int) -> None:
        tx, place = self._begin(at), next(self._place)
        words = reference.encode().ljust(32, b"\0")
        row = (self.block, place, tx, self.time, kind, city, b"\xee" * 20, amount, words)
        self.tables["transfers"].append(row)
        signed = amount if kind == "deposit" else -amount
        self.balances[city] += signed
        self._posted(place, kind, city, {"funds": signed, "bank": -signed})

    def _ride(self, batch: int, index: int, operator: int, trip: Trip) -> None:
        exited = _second(trip.exited_at)
        day = self.clock(operator).day_of(exited)
        serial = next(self._serials[trip.issuer, operator])
        stations = (trip.entry_station, trip.exit_station)
        lone = 0 in stations
        times = (exited if lone else exited - 1_200, exited)
        ride = (batch, index, trip.issuer, 1, operator, serial, *stations, *times, 2_000, trip.fare)
        self.tables["rides"].append((*ride, self.time, day, self.block))

    def _post(self, tx: bytes, debtor: int, creditor: int, amount: int) -> tuple[int, int]:
        """As Clearinghouse.post: (paid, of it set off); a set-off is told here, and posted with what it belongs to."""
        set_off = min(amount, self.arrears[creditor, debtor])
        if set_off:
            row = (self.block, next(self._place), tx, self.time, creditor, debtor, set_off)
            self.tables["arrears_payments"].append(row)
            self.arrears[creditor, debtor] -= set_off
        moved = 0 if self.owed(debtor) else min(amount - set_off, self.balances[debtor])
        return set_off + moved, set_off

    def _owe(
        self,
        place: int,
        kind: str,
        debtor: int,
        creditor: int,
        amount: int,
        paid: tuple[int, int],
        what: tuple[str, str],
        *ride: int,
    ) -> None:
        """Posts what a city owes another; `paid` as _post says, `what` is the debtor's and the creditor's account."""
        rest, set_off, (expense, income) = amount - paid[0], paid[1], what
        moved = paid[0] - set_off
        self.arrears[debtor, creditor] += rest
        self.balances[debtor] -= moved
        self.balances[creditor] += moved
        debits = {expense: amount, "funds": -moved, "due": -set_off, "owed": -rest}
        credits = {income: -amount, "funds": moved, "owed": set_off, "due": rest}
        self._posted(place, kind, debtor, debits, creditor, *ride)
        self._posted(place, kind, creditor, credits, debtor, *ride)

    def _posted(
        self, place: int, kind: str, city: int, lines: Mapping[str, int], other: int = 0, *ride: int | None
    ) -> None:
        assert sum(lines.values()) == 0
        batch, index = (*ride, None, None)[:2]
        for account, amount in lines.items():
            if amount:
                row = (self.block, place, self.time, kind, city, account, other, amount, batch, index)
                self.tables["postings"].append(row)


def block_hash(number: int) -> bytes:
    """The hash of a block of the story, 32 bytes."""
    return sha256(f"block {number}".encode()).digest()
