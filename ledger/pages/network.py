"""What the pages are made from: the network's figures at one block, asked once; names of cities and stations."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from interline.cities import DEFAULT_OPERATING_DAY, CityFile
from interline.errors import InterlineError
from interline.operating_day import OperatingDay
from interline.tariff import Station, load_tariff
from ledger.books import Books
from ledger.head import Head
from ledger.index import query as index_query
from ledger.index.store import Index
from ledger.pages import query
from ledger.pages.live import Follower
from ledger.pages.text import Text
from ledger.pages.votes import Proposal

logger = logging.getLogger(__name__)

SHADES: Final = 5
"""Of the matrix: more is darker."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a city has now, fen."""

    balance: int = 0
    due: int = 0
    """Arrears that others owe it."""
    owed: int = 0
    """Arrears that it owes, not negative."""
    withheld: int = 0
    """What of those is above its daily limit, and can't be paid yet."""

    @property
    def position(self) -> int:
        """As position() of the contract."""
        return self.balance + self.due - self.owed


@dataclass(frozen=True)
class CityFigures:
    """What a city's page says besides: its days as an operator, its batches, transfers and corrections."""

    days: list[query.Day]
    batches: list[query.BatchRow]
    transfers: list[query.Transfer]
    corrections: list[query.CityCorrection]


@dataclass(frozen=True)
class Network:
    """What the overview says, as of one block: asked once for each block, and kept."""

    head: Head
    books: Books
    days: list[query.Day]
    members: Mapping[int, query.Member]
    proposals: list[Proposal]
    disputes: list[query.OpenDispute]
    batches: list[query.BatchRow]
    unread: list[query.BatchRow]
    late_reads: int = 0
    """Of the index, when this was asked."""
    by_city: dict[int, CityFigures] = field(default_factory=dict)
    """Those that were asked for."""

    @cached_property
    def accounts(self) -> Mapping[int, Account]:
        """Each member's, by its code."""
        books = self.books
        return {
            code: Account(
                books.balances.get(code, 0), books.arrears_due(code), books.arrears_of(code), books.withheld_of(code)
            )
            for code in self.members
        }

    @cached_property
    def arrears(self) -> Mapping[tuple[int, int], int]:
        """What is owed now, fen, by (debtor, creditor)."""
        return {pair: amount for pair, amount in sorted(self.books.arrears.items()) if amount}

    @cached_property
    def withheld(self) -> Mapping[tuple[int, int], int]:
        """What of the arrears is above the debtors' daily limits, fen, by (debtor, creditor)."""
        return {pair: amount for pair, amount in self.books.withheld.items() if amount}

    @cached_property
    def fares(self) -> Mapping[tuple[int, int], tuple[int, int]]:
        """(rides, fares in fen) that settled, by (issuer, operator)."""
        return {pair: (one.rides, one.fares) for pair, one in self.books.pairs.items()}

    def corrected(self, city: int) -> Mapping[int, tuple[int, int]]:
        """(refunds, dispute fees) with each other city, by its code; fen, above 0 in the city's favour."""
        return {
            other: (owed.refunded - earned.refunded, earned.fees - owed.fees)
            for other, earned, owed in self.books.partners(city)
        }

    @property
    def deposits(self) -> int:
        """All that came in, fen."""
        return sum(self.books.deposits.values())

    @property
    def withdrawals(self) -> int:
        """All that went out, fen."""
        return sum(self.books.withdrawals.values())

    @property
    def rides(self) -> int:
        """All that settled."""
        return sum(rides for rides, _ in self.fares.values())

    @property
    def amount(self) -> int:
        """Their fares, fen."""
        return sum(amount for _, amount in self.fares.values())

    @property
    def held(self) -> int:
        """All balances together, fen."""
        return self.books.held

    @property
    def adds_up(self) -> bool:
        """Whether the balances are what came in less what went out."""
        return self.held == self.deposits - self.withdrawals

    @cached_property
    def shades(self) -> Mapping[tuple[int, int], int]:
        """1 to SHADES for each pair with fares, by their share of the most."""
        most = max((amount for _, amount in self.fares.values()), default=0) + 1
        return {pair: 1 + SHADES * amount // most for pair, (_, amount) in self.fares.items()}

    def open_votes(self) -> list[Proposal]:
        """Those that can still be voted on or carried out."""
        return [one for one in self.proposals if one.is_open(self.head.time)]


@dataclass
class Pages:
    """All that the pages are made from."""

    index: Index
    follower: Follower
    cities: Mapping[int, CityFile]
    _network: Network | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stations: dict[int, Mapping[int, Station]] = field(default_factory=dict)

    def network(self) -> Network:
        """As of the newest block. Raises IndexFileError where nothing is indexed yet."""
        with self._lock:
            head = self.index.head()
            late = self.index.late_reads
            if self._network is None or (self._network.head, self._network.late_reads) != (head, late):
                cursor = self.index.cursor()
                cursor.begin()  # all of it as of one block, whatever is indexed meanwhile
                try:
                    self._network = Network(
                        head,
                        index_query.books(cursor),
                        query.days(cursor),
                        query.members(cursor),
                        query.proposals(cursor, head.time),
                        query.open_disputes(cursor),
                        query.latest_batches(cursor),
                        query.unread_batches(cursor),
                        late,
                    )
                finally:
                    cursor.rollback()
            return self._network

    def city(self, code: int, network: Network) -> CityFigures:
        """Of one city, asked once for each block."""
        if code not in network.by_city:
            cursor = self.index.cursor()
            network.by_city[code] = CityFigures(
                query.days(cursor, code),
                query.latest_batches(cursor, code),
                query.transfers(cursor, code),
                query.city_corrections(cursor, code),
            )
        return network.by_city[code]

    def operating_day(self, code: int) -> OperatingDay:
        """By which a city's statements count days: its file's, or China's where there is none."""
        file = self.cities.get(code)
        return DEFAULT_OPERATING_DAY if file is None else file.operating_day

    def stations(self, operator: int) -> Mapping[int, Station]:
        """A city's by their numbers, as far as its file is there."""
        if operator not in self._stations:
            self._stations[operator] = {}
            if operator in self.cities:
                try:
                    tariff = load_tariff(self.cities[operator].tariff)
                    self._stations[operator] = {station.number: station for station in tariff.stations}
                except InterlineError as error:
                    logger.warning("stations of %d have no names: %s", operator, error)
        return self._stations[operator]

    def name(self, code: int, language: str, network: Network) -> str:
        """A city's name in a language: its file's Chinese one, the registry's, or its code."""
        file, member = self.cities.get(code), network.members.get(code)
        if language == "zh" and file is not None and file.name_zh:
            return file.name_zh
        return member.name if member else file.name if file else str(code)

    def station(self, operator: int, number: int, text: Text) -> str:
        """A station's name, or its number."""
        if not number:
            return text.unknown_station
        found = self.stations(operator).get(number)
        if found is None:
            return str(number)
        return (text.language == "zh" and found.name_zh) or found.name
