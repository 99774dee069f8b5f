"""Statements as tables, CSV, JSON and the basis for invoices."""

import csv
import io
import json
import zipfile
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from interline.cities import CityFile, Invoicing, LegalEntity
from ledger.errors import CityBooksError, FormError
from ledger.statement.build import build_statement
from ledger.statement.csv_form import csv_bytes, csv_tables
from ledger.statement.formats import FORMATS, Form, file_name, form_of
from ledger.statement.invoices import InvoiceLine, invoice_lines, net_of
from ledger.statement.json_form import statement_document
from ledger.statement.model import Basis, Statement
from ledger.statement.period import Period
from tests.support.ledger_story import (
    HANGZHOU,
    SHANGHAI,
    XUZHOU,
    Story,
    StoryIndex,
    Trip,
    city_file,
    moment,
)
from tests.support.winter import winter

DECEMBER = Period.parse("2019-12")
WEST = LegalEntity("Metro West", "地铁西", "TEST-WEST", 1, 22)
EAST = LegalEntity("Metro East", "地铁东", "TEST-EAST", 23, 30)
HANGZHOU_METRO = LegalEntity("Hangzhou Metro", "杭州地铁", "TEST-3301-01", 1, 28)
RATE = Decimal("0.03")


def cities(**shanghai: Any) -> list[CityFile]:
    """Shanghai has two companies, Hangzhou one, Xuzhou says nothing."""
    known: dict[str, Any] = {"name_zh": "上海", "invoicing": Invoicing(RATE, (WEST, EAST))} | shanghai
    return [
        city_file(SHANGHAI, "Shanghai", **known),
        city_file(HANGZHOU, "Hangzhou", name_zh="杭州", invoicing=Invoicing(RATE, (HANGZHOU_METRO,))),
    ]


@pytest.fixture(scope="module")
def index() -> StoryIndex:
    return winter().index()


@pytest.fixture(scope="module", params=Basis)
def statement(request: pytest.FixtureRequest, index: StoryIndex) -> Statement:
    """Shanghai's December, on each basis."""
    return build_statement(index, SHANGHAI, DECEMBER, request.param, cities=cities())


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


# ---- all forms


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
def test_a_form_is_the_same_bytes_made_again_after_more_blocks(form: Form) -> None:
    story = winter()
    block = story.block

    def made(basis: Basis) -> bytes:
        statement = build_statement(story.index(), SHANGHAI, DECEMBER, basis, block=block, cities=cities())
        return form.write(statement)

    before = [made(basis) for basis in form.bases]
    story.settle(SHANGHAI, [Trip(HANGZHOU, 30, "2019-12-30 09:00")], at="2020-01-04 09:00")
    story.deposit(SHANGHAI, 10, "CCB 8", at="2020-01-05 09:00")
    assert [made(basis) for basis in form.bases] == before


def test_a_file_is_named_after_what_is_in_it(statement: Statement) -> None:
    names = [file_name(statement, form_of(name)) for name in ("csv", "invoices")]
    stem = f"shanghai-2019-12-{statement.basis}-block-16"
    assert names == [f"{stem}.zip", f"{stem}-invoices.csv"]


def test_a_form_that_does_not_exist_is_refused() -> None:
    with pytest.raises(FormError, match=r"expected one of the forms table, csv, .* came 'pdf'"):
        form_of("pdf")


# ---- the table


def test_the_table_says_what_it_is_and_fits_120_columns(statement: Statement) -> None:
    text = FORMATS["table"].write(statement).decode()
    assert max(map(len, text.splitlines())) <= 120
    for part in ("Shanghai 上海 (3100)", "2019-12", str(statement.block_number), statement.block_hash):
        assert part in text
    assert ("Accrual basis" in text) == (statement.basis is Basis.ACCRUAL)
    assert "not over" not in text


def test_the_table_of_a_period_that_is_not_over_says_so(index: StoryIndex) -> None:
    statement = build_statement(index, SHANGHAI, Period.parse("2020-01"), Basis.ACCRUAL, cities=cities())
    assert "The period is not over" in FORMATS["table"].write(statement).decode()


# ---- CSV


def test_the_tables_add_up_to_the_closing(statement: Statement) -> None:
    tables = {name: rows(content) for name, content in csv_tables(statement).items()}
    head = {row["key"]: row["value"] for row in tables["statement.csv"]}
    effect = "paid_yuan" if statement.basis is Basis.SETTLEMENT else "amount_yuan"
    for name in ("lines.csv", "entries.csv", "totals.csv"):
        total = sum(Decimal(row[effect]) for row in tables[name])
        assert Decimal(head["opening_yuan"]) + total == Decimal(head["closing_yuan"]), name
    assert tables["lines.csv"][-1]["running_yuan"] == head["closing_yuan"]
    assert head["block_hash"] == statement.block_hash


def test_every_ride_names_its_batch_and_its_line(statement: Statement) -> None:
    tables = {name: rows(content) for name, content in csv_tables(statement).items()}
    batches = {row["batch"] for row in tables["batches.csv"]}
    kinds = {row["line"]: row["kind"] for row in tables["lines.csv"]}
    assert len(tables["rides.csv"]) == len(statement.rides)
    for row in tables["rides.csv"]:
        assert row["batch"] in batches
        assert kinds[row["line"]] == ("rides_carried" if row["operator"] == "3100" else "rides_taken")


def test_the_zip_holds_the_tables(statement: Statement) -> None:
    with zipfile.ZipFile(io.BytesIO(FORMATS["csv"].write(statement))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == csv_tables(statement)


@pytest.mark.parametrize("text", ["=1+1", "+86 21", "-2", "@SUM(A1)", "\tx", "＝1"])
def test_text_that_a_spreadsheet_would_take_for_a_formula_is_made_safe(text: str) -> None:
    ((cell,),) = list(csv.reader(io.StringIO(csv_bytes(("a",), [(text,)]).decode("utf-8-sig"), newline="")))[1:]
    assert cell == f"'{text}"


def test_no_name_and_no_bank_reference_becomes_a_formula() -> None:
    story = Story({SHANGHAI: '=HYPERLINK("x")'}, at="2019-11-01 09:00")
    story.deposit(SHANGHAI, 100, "=cmd|' /C calc'!A0", at="2019-12-02 09:00")
    statement = build_statement(story.index(), SHANGHAI, DECEMBER, Basis.ACCRUAL)
    for name, content in csv_tables(statement).items():
        for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")):
            assert not any(cell.startswith("=") for cell in row), name


# ---- JSON


def test_the_document_has_integers_and_no_floats(statement: Statement) -> None:
    document = json.loads(FORMATS["json"].write(statement), parse_float=pytest.fail)
    assert document == statement_document(statement)
    assert (document["document"], document["version"]) == ("interline statement", 1)
    assert document["block"] == {"number": 16, "hash": statement.block_hash, "time": moment("2020-01-03 09:00")}
    effect = "paid" if statement.basis is Basis.SETTLEMENT else "amount"
    lines = sum(line[effect] for line in document["lines"])
    assert document["opening_amount"] + lines == document["closing_amount"]
    assert document["closing"]["balance"] + document["closing"]["due"] == document["closing"]["position"]


def test_rides_are_rows_under_their_columns(statement: Statement) -> None:
    rides = statement_document(statement)["rides"]
    first = dict(zip(rides["columns"], rides["rows"][0], strict=True))
    ride = next(iter(statement.rides))
    assert first == ride._asdict() | {"exit_day": str(ride.exit_day)}


# ---- the basis for invoices


def invoices(index: StoryIndex, basis: Basis, files: list[CityFile], city: int = SHANGHAI) -> list[InvoiceLine]:
    return list(invoice_lines(build_statement(index, city, DECEMBER, basis, cities=files)))


def test_each_ride_and_refund_has_its_company_and_its_tax(index: StoryIndex) -> None:
    lines = invoices(index, Basis.ACCRUAL, cities())
    told = [(x.direction, x.kind, x.day, x.tax_id, x.station, x.gross_fen, x.net_fen, x.tax_fen) for x in lines]
    assert told == [
        # 200 / 1.03 = 194.17
        ("received", "ride", "2019-12-02", "TEST-3301-01", 9, 200, 194, 6),
        # of a ride of 700: 679.61 -> 680 before, 200 -> 194 after
        ("issued", "refund", "2019-12-03", "TEST-WEST", 12, -500, -486, -14),
        # 97.09, and 48.54 -> 49; where the exit is unknown, the entry says whose it is
        ("issued", "ride", "2019-12-31", "TEST-WEST", 9, 100, 97, 3),
        ("issued", "ride", "2019-12-31", "TEST-EAST", 24, 50, 49, 1),
    ]


def test_a_refund_is_linked_to_its_ride_and_its_day(index: StoryIndex) -> None:
    refund = next(line for line in invoices(index, Basis.ACCRUAL, cities()) if line.kind == "refund")
    rides = invoices(index, Basis.SETTLEMENT, cities())
    ride = next(line for line in rides if (line.batch, line.ride_index) == (refund.batch, refund.ride_index))
    assert (ride.kind, ride.gross_fen, ride.ride_day, refund.ride_day) == ("ride", 700, "2019-11-30", "2019-11-30")


def test_the_other_city_receives_what_one_issues(index: StoryIndex) -> None:
    def between(lines: list[InvoiceLine]) -> list[tuple[object, ...]]:
        return sorted((x.batch, x.ride_index, x.kind, x.gross_fen, x.net_fen, x.tax_id, x.issuer) for x in lines)

    hangzhou = invoices(index, Basis.ACCRUAL, cities(), HANGZHOU)
    assert between(hangzhou) == between(invoices(index, Basis.ACCRUAL, cities()))
    assert [line.direction for line in hangzhou] == ["issued", "received", "received", "received"]


def test_a_ride_that_is_refunded_in_parts_leaves_neither_net_nor_tax() -> None:
    story = Story({SHANGHAI: "Shanghai", HANGZHOU: "Hangzhou"}, at="2019-11-01 09:00")
    (ride,) = story.settle(SHANGHAI, [Trip(HANGZHOU, 101, "2019-12-02 09:00")], at="2019-12-02 10:00")
    for amount in (33, 34, 34):
        story.refund(ride, amount, at=story.time + 3_600)
    lines = invoices(story.index(), Basis.ACCRUAL, cities())
    assert [line.gross_fen for line in lines] == [101, -33, -34, -34]
    assert (sum(line.net_fen for line in lines), sum(line.tax_fen for line in lines)) == (0, 0)


@pytest.mark.parametrize(("gross", "rate", "net"), [(103, "0.03", 100), (3, "0.2", 3), (9, "0.2", 8), (1, "1", 1)])
def test_net_is_rounded_to_the_nearest_fen_halves_up(gross: int, rate: str, net: int) -> None:
    assert net_of(gross, Decimal(rate)) == net  # 2.5 -> 3, 7.5 -> 8, 0.5 -> 1


def test_an_operator_without_companies_is_named(index: StoryIndex) -> None:
    with pytest.raises(CityBooksError, match="expected `invoicing` in Shanghai's city file"):
        invoices(index, Basis.ACCRUAL, cities(invoicing=None))


def test_a_station_without_a_company_is_named(index: StoryIndex) -> None:
    only = replace(WEST, first_station=10)
    with pytest.raises(CityBooksError, match="expected station 9 of Shanghai to belong to a company"):
        invoices(index, Basis.ACCRUAL, cities(invoicing=Invoicing(RATE, (only, EAST))))


def test_a_city_of_riders_alone_needs_no_companies_of_its_own(index: StoryIndex) -> None:
    statement = build_statement(index, XUZHOU, Period.parse("2019-11"), Basis.ACCRUAL, cities=cities())
    (line,) = invoice_lines(statement)
    assert (line.direction, line.issuer_name, line.gross_fen) == ("received", "Xuzhou", 500)
