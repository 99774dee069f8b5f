"""Statements as workbooks: what the cells hold as they were written. LibreOffice opens them in tests/office."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from io import BytesIO

import openpyxl
import pytest
from openpyxl.cell.cell import Cell
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from ledger.errors import FormError
from ledger.statement import sheet as sheet_module
from ledger.statement import xlsx_tables
from ledger.statement.model import Account, Basis, Kind, Statement
from ledger.statement.xlsx import xlsx
from tests.support.statements import SUZHOU, Deal, statement_of

BASES = pytest.mark.parametrize("basis", Basis)
SHEETS = ["Statement", "Lines", "Days", "Counterparties", "Arrears", "Transfers"]
SHEETS += ["Corrections", "Batches", "Rides", "Bridge", "About"]


def opened(statement: Statement, *, values: bool = False) -> Workbook:
    """The workbook with its formulas, or with the values that it brings along."""
    return openpyxl.load_workbook(BytesIO(xlsx(statement)), data_only=values)


def cells(book: Workbook) -> Iterator[Cell]:
    for sheet in book.worksheets:
        for row in sheet.iter_rows():
            yield from row


def column(sheet: Worksheet, heading: str) -> list[object]:
    """What stands under a heading, by its first line."""
    for row in sheet.iter_rows():
        for cell in row:
            if str(cell.value).split("\n")[0] == heading:
                return [sheet.cell(number, cell.column).value for number in range(cell.row + 1, sheet.max_row + 1)]
    raise AssertionError(f"{sheet.title} has no column {heading}")


def beside(sheet: Worksheet, label: str) -> list[object]:
    """The row that begins with a label."""
    for row in sheet.iter_rows(values_only=True):
        if str(row[0]).strip().startswith(label):
            return list(row[1:])
    raise AssertionError(f"{sheet.title} has no row {label}")


def fen(value: object) -> int:
    """Yuan of a cell as fen: exactly that many."""
    assert isinstance(value, int | float)
    whole = round(value * 100)
    assert whole / 100 == value
    return whole


@BASES
def test_the_sheets_are_those_that_an_accountant_asks_for(basis: Basis) -> None:
    assert opened(statement_of(basis)).sheetnames == SHEETS


@BASES
def test_opening_and_closing_are_the_statement_s(basis: Basis) -> None:
    statement = statement_of(basis)
    page = opened(statement, values=True)["Statement"]
    assert fen(beside(page, "Opening")[4]) == statement.opening_amount
    assert fen(beside(page, "Closing")[4]) == statement.closing_amount
    assert [fen(cell) for cell in beside(page, "Position")[2:5]] == [
        statement.opening.position,
        statement.closing.position,
        statement.at_block.position,
    ]


@BASES
def test_totals_are_formulas_and_not_only_numbers(basis: Basis) -> None:
    page = opened(statement_of(basis))["Statement"]
    assert str(beside(page, "Closing")[4]).startswith("=ROUND(")
    assert "SUMIFS('Lines'!" in str(beside(page, "Rides carried")[2])


@BASES
def test_every_check_agrees(basis: Basis) -> None:
    page = opened(statement_of(basis), values=True)["Statement"]
    found = [value for value in column(page, "Difference") if value is not None]
    assert found == [0] * (8 if basis is Basis.SETTLEMENT else 7)
    assert sum(cell.value == "agrees 相符" for cell in cells(page.parent)) == len(found)


def test_a_line_that_the_contracts_know_nothing_of_is_said_to_differ() -> None:
    statement = statement_of()
    closing = replace(statement.closing, balance=statement.closing.balance + 1)
    page = opened(replace(statement, closing=closing), values=True)["Statement"]
    assert beside(page, "Closing by the lines")[3:5] == [-0.01, "DIFFERS 不符"]


@BASES
def test_every_line_has_its_row_and_its_running_figure(basis: Basis) -> None:
    statement = statement_of(basis)
    lines = opened(statement, values=True)["Lines"]
    running = [statement.opening_amount]
    for line in statement.lines:
        running.append(running[-1] + statement.effect(line))
    assert column(lines, "No.")[1:-1] == [line.number for line in statement.lines]
    heading = "Balance" if basis is Basis.SETTLEMENT else "Accrued position"
    assert [fen(value) for value in column(lines, heading)] == [*running, statement.closing_amount]


def test_a_line_leads_to_its_batches_and_to_its_first_ride() -> None:
    book = opened(statement_of())
    links = {cell.coordinate: cell.hyperlink.location for cell in cells(book) if cell.hyperlink}
    assert (links["N6"], links["O6"]) == ("'Batches'!A5", "'Rides'!A5")
    assert (links["N7"], links["O7"]) == ("'Batches'!A7", "'Rides'!A11")
    assert book["Rides"]["A11"].value == 2
    assert book["Batches"]["A7"].value == 2


def test_late_rides_say_so_and_are_coloured() -> None:
    rides = opened(statement_of())["Rides"]
    assert column(rides, "Late")[:3] == ["late 迟到结算", "late 迟到结算", None]
    (area,) = rides.conditional_formatting
    assert str(area.sqref) == "A5:N17"
    assert area.rules[0].formula == ['$N5<>""']


def test_times_are_by_the_city_s_clock() -> None:
    rides = opened(statement_of())["Rides"]
    assert column(rides, "Exit")[0] == datetime(2019, 11, 30, 4, 50)
    assert column(rides, "Operating day")[0] == datetime(2019, 11, 30)


def test_a_ride_is_earned_or_owed() -> None:
    rides = opened(statement_of())["Rides"]
    assert column(rides, "Earned")[5:8] == [7.01, None, None]
    assert column(rides, "Owed")[5:8] == [None, 2, 9.99]


def test_texts_from_outside_never_become_formulas() -> None:
    statement = statement_of()
    parties = tuple(
        replace(party, name="=1+1", name_zh=None) if party.code == SUZHOU else party for party in statement.parties
    )
    book = opened(replace(statement, parties=parties))
    texts = [cell for cell in cells(book) if cell.value in ("=1+1", '=HYPERLINK("http://bank")')]
    assert all(cell.data_type != "f" for cell in texts)
    assert {cell.value for cell in texts} == {"=1+1", '=HYPERLINK("http://bank")'}


@pytest.mark.parametrize("name", ["Su\0zhou", "a & b", "&&&", "x" * 300, "<v>", "苏州\n"])
@pytest.mark.filterwarnings("error")
def test_any_name_of_a_city_makes_a_workbook(name: str) -> None:
    statement = statement_of()
    parties = tuple(replace(party, name=name, name_zh=None) for party in statement.parties)
    book = opened(replace(statement, parties=parties, city=parties[0]))
    shown = name if name.isprintable() else "0x" + name.encode().hex()
    assert book["Lines"]["D6"].value == shown


def test_deposits_and_withdrawals_have_their_bank_references() -> None:
    transfers = opened(statement_of())["Transfers"]
    assert column(transfers, "Bank reference") == ["ICBC 20191202-0017", None, '=HYPERLINK("http://bank")', None]
    assert column(transfers, "Amount") == [20_000, 15.01, -1_234.56, 0.07]


def test_a_refund_names_its_ride() -> None:
    corrections = opened(statement_of())["Corrections"]
    assert column(corrections, "Cause")[0] == "dispute not answered 争议逾期未举证"
    assert column(corrections, "Fare")[0] == 9
    assert column(corrections, "Batch")[0] == statement_of().batches[5].batch_id


def test_open_disputes_are_listed() -> None:
    corrections = opened(statement_of())["Corrections"]
    assert column(corrections, "Operator")[0] == "Shanghai 上海"
    assert column(corrections, "In dispute")[0] == 0.03


def test_a_table_stays_readable_on_the_screen_and_on_paper() -> None:
    book = opened(statement_of())
    for name in SHEETS[1:-1]:
        sheet = book[name]
        assert sheet.freeze_panes == "A5"
        assert sheet.print_title_rows == "$4:$4"
        assert sheet.page_setup.orientation == "landscape"
        assert sheet.auto_filter.ref.startswith("A4:")
    assert book["Lines"].page_setup.fitToHeight == 0
    assert book["Statement"].page_setup.fitToHeight is None  # one page


@BASES
def test_an_empty_statement_has_its_sheets_and_agrees(basis: Basis) -> None:
    book = opened(statement_of(basis, deals=(), opening=Account()), values=True)
    assert book.sheetnames == SHEETS
    assert not any(cell.value == "DIFFERS 不符" for cell in cells(book))


def test_the_file_says_that_it_was_made_at_the_block_s_time() -> None:
    assert opened(statement_of()).properties.created == datetime(2019, 12, 31, 20, 1)


def test_a_period_that_is_not_over_is_said_to_be_so() -> None:
    statement = statement_of()
    page = opened(replace(statement, block_time=statement.ends - 1))["Statement"]
    assert any(str(row[0]).startswith("The period is not over") for row in page.iter_rows(values_only=True))


def test_more_rides_than_a_sheet_holds_go_on_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx_tables, "RIDES_A_SHEET", 5)
    book = opened(statement_of())
    assert [name for name in book.sheetnames if name.startswith("Rides")] == ["Rides", "Rides 2", "Rides 3"]
    assert [book[name].max_row - 4 for name in ("Rides", "Rides 2", "Rides 3")] == [5, 5, 3]
    assert book["Lines"]["O7"].hyperlink.location == "'Rides 2'!A6"
    fares = [value for name in ("Rides", "Rides 2", "Rides 3") for value in column(book[name], "Earned")]
    assert sum(fen(value) for value in fares if value) == 300 + 400 + 1150 + 3 + 600 + 701 + 1700


def test_more_rows_than_a_sheet_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_module, "MOST_ROWS", 12)
    with pytest.raises(FormError, match=r"at most 12 rows in the sheet Rides, came more: take a shorter period"):
        xlsx(statement_of(deals=(Deal(2, Kind.RIDES_CARRIED, SUZHOU, (1,) * 9),)))


def test_large_amounts_keep_their_fen() -> None:
    statement = statement_of(deals=(Deal(2, Kind.DEPOSIT, 0, (99_999_999_999_99,)),), opening=Account(balance=1))
    page = opened(statement, values=True)["Statement"]
    assert beside(page, "Closing balance")[4] == 100_000_000_000.00


def test_a_day_is_a_date_and_not_a_text() -> None:
    days = column(opened(statement_of())["Days"], "Operating day")
    assert days[0] == datetime(2019, 12, 1)
    assert len(days) == 32
    assert isinstance(days[30], date)
