"""The basis for invoices: each ride and each refund of a statement, with its company, its gross, net and tax in fen.

The companies and the rate are those of the operator's city file. Fares contain the tax: net is gross / (1 + rate),
rounded to whole fen for each ride, halves up; tax is the rest. Sums are sums of those, never rounded again. A refund
takes back the difference between the ride's net before and after it, so that a ride refunded in parts leaves nothing.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from interline.cities import Invoicing, LegalEntity
from interline.ride import UNKNOWN_STATION
from ledger.errors import CityBooksError
from ledger.statement.csv_form import csv_bytes
from ledger.statement.model import Entry, Kind, Line, Party, RideRow, Statement


class InvoiceLine(NamedTuple):
    """One ride, or a part of its fare that went back. Amounts in fen."""

    line: int
    """`Line.number` of the statement."""
    direction: str
    """`issued` where the statement's city carried the ride, `received` where it was the other."""
    kind: str
    """`ride` or `refund`."""
    day: str
    """Of the ride by its exit, or of the refund: as on the statement."""
    batch: str
    ride_index: int
    """With the batch it names the ride; a refund has those of its ride."""
    ride_day: str
    """Operating day of the ride's exit: the original's, where it is a refund."""
    operator: int
    operator_name: str
    entity: str
    """The company that issues the invoice."""
    entity_zh: str
    tax_id: str
    station: int
    """By which the company was found: the exit, or the entry where the exit is unknown."""
    issuer: int
    issuer_name: str
    """Whose rider it was: who gets the invoice."""
    gross_fen: int
    rate: str
    net_fen: int
    tax_fen: int
    tx: str


_REFUNDS: Final = (Kind.REFUND_GIVEN, Kind.REFUND_RECEIVED)


def invoices_csv(statement: Statement) -> bytes:
    """The table as CSV."""
    return csv_bytes(InvoiceLine._fields, invoice_lines(statement))


def invoice_lines(statement: Statement) -> Iterator[InvoiceLine]:
    """Rides and refunds in the order of the statement.

    Raises:
        CityBooksError: an operator's file says nothing of invoicing, or a station belongs to no company in it.
    """
    desk = _Desk(statement)
    for line in statement.lines:
        for ride in statement.rides_of(line):
            yield desk.ride(line, ride)
        if line.kind in _REFUNDS:
            for entry in statement.entries_of(line):
                if entry.ride is not None:  # of a ride that wasn't read neither the fare nor its refund is invoiced yet
                    yield desk.refund(line, entry)


def net_of(gross: int, rate: Decimal) -> int:
    """What of an amount isn't tax, in whole fen, halves up."""
    exact = Fraction(gross) / (1 + Fraction(rate))
    return (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)


class _Desk:
    """Makes the lines; companies and nets are looked up once each."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._companies: dict[tuple[int, int], LegalEntity | None] = {}
        self._nets: dict[tuple[Decimal, int], int] = {}

    def ride(self, line: Line, ride: RideRow) -> InvoiceLine:
        """All of a ride's fare."""
        batch = self._statement.batches[ride.batch]
        named = (batch.batch_id, ride.ride_index, ride.exit_day)
        between = (ride.operator, ride.issuer)
        return self._line(
            line, "ride", named, between, (ride.entry_station, ride.exit_station), (0, ride.fare), batch.tx
        )

    def refund(self, line: Line, entry: Entry) -> InvoiceLine:
        """What went back of a ride's fare."""
        ride, city = entry.ride, self._statement.city.code
        assert ride is not None
        assert entry.batch is not None
        assert entry.index is not None
        named = (self._statement.batches[entry.batch].batch_id, entry.index, ride.exit_day)
        between = (city, line.other) if line.kind is Kind.REFUND_GIVEN else (line.other, city)
        left = ride.fare - ride.refunded_before
        change = (left, left - abs(entry.amount))
        return self._line(line, "refund", named, between, (ride.entry_station, ride.exit_station), change, entry.tx)

    def _line(
        self,
        line: Line,
        kind: str,
        ride: tuple[str, int, date],
        between: tuple[int, int],
        stations: tuple[int, int],
        change: tuple[int, int],
        tx: str,
    ) -> InvoiceLine:
        """`ride`: batch, index, exit day; `between`: operator and issuer; `change`: the fare before and after."""
        (batch, index, ride_day), (operator, issuer), (before, after) = ride, between, change
        station = stations[0] if stations[1] == UNKNOWN_STATION else stations[1]
        seller = self._statement.party(operator)
        company = self._company(seller, station, f"batch {batch}, ride {index}")
        rate = _invoicing(seller).rate
        gross, net = after - before, self._net(after, rate) - self._net(before, rate)
        return InvoiceLine(
            line=line.number,
            direction="issued" if operator == self._statement.city.code else "received",
            kind=kind,
            day=str(line.day),
            batch=batch,
            ride_index=index,
            ride_day=str(ride_day),
            operator=operator,
            operator_name=seller.name,
            entity=company.name,
            entity_zh=company.name_zh,
            tax_id=company.tax_id,
            station=station,
            issuer=issuer,
            issuer_name=self._statement.party(issuer).name,
            gross_fen=gross,
            rate=f"{rate:f}",
            net_fen=net,
            tax_fen=gross - net,
            tx=tx,
        )

    def _company(self, seller: Party, station: int, where: str) -> LegalEntity:
        key = (seller.code, station)
        if key not in self._companies:
            self._companies[key] = _invoicing(seller).entity_of(station)
        company = self._companies[key]
        if company is None:
            raise CityBooksError(
                f"{where}: expected station {station} of {seller.name} to belong to a company, it belongs to none: add "
                f"it to `invoicing` in {seller.name}'s city file"
            )
        return company

    def _net(self, gross: int, rate: Decimal) -> int:
        key = (rate, gross)
        if key not in self._nets:
            self._nets[key] = net_of(gross, rate)
        return self._nets[key]


def _invoicing(party: Party) -> Invoicing:
    if party.invoicing is None:
        raise CityBooksError(
            f"expected `invoicing` in {party.name}'s city file, with its companies and its rate of tax, there is none: "
            "add it (cities/README.md)"
        )
    return party.invoicing
