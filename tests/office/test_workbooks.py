"""Workbooks as an accountant's own program sees them: LibreOffice calculates every formula anew."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter

from ledger.statement.build import build_statement
from ledger.statement.model import Basis
from ledger.statement.period import Period
from ledger.statement.xlsx import xlsx
from tests.support.ledger_story import SHANGHAI
from tests.support.office import convert
from tests.support.statements import statement_of
from tests.support.winter import winter

pytestmark = pytest.mark.office


def test_a_total_that_was_written_wrong_is_mended(tmp_path: Path) -> None:
    """Else the other tests here would only read back what we wrote."""
    workbook = tmp_path / "wrong.xlsx"
    with xlsxwriter.Workbook(workbook) as book:
        sheet = book.add_worksheet()
        sheet.write_column("A1", [12.34, 0.01])
        sheet.write_formula("A3", "=SUM(A1:A2)", value=99.99)
    (tmp_path / "calculated").mkdir()

    calculated = convert(workbook, "xlsx", tmp_path / "calculated")

    assert openpyxl.load_workbook(calculated, data_only=True).active["A3"].value == 12.35


@pytest.mark.parametrize("made", ["by hand", "from an index"])
@pytest.mark.parametrize("basis", Basis)
def test_every_total_of_a_statement_is_calculated_to_what_it_was_written_as(
    basis: Basis, made: str, tmp_path: Path
) -> None:
    """All values that came along with formulas are spoilt first, so that none can be read back."""
    statement = statement_of(basis)
    if made == "from an index":
        statement = build_statement(winter().index(), SHANGHAI, Period.parse("2019-12"), basis)
    workbook, spoilt = tmp_path / "statement.xlsx", tmp_path / "spoilt.xlsx"
    workbook.write_bytes(xlsx(statement))
    count = spoil(workbook, spoilt)
    (tmp_path / "calculated").mkdir()

    calculated = openpyxl.load_workbook(convert(spoilt, "xlsx", tmp_path / "calculated"), data_only=True)

    formulas = openpyxl.load_workbook(workbook)
    written = openpyxl.load_workbook(workbook, data_only=True)
    places = [
        (sheet.title, cell.coordinate)
        for sheet in formulas
        for row in sheet.iter_rows()
        for cell in row
        if cell.data_type == "f"
    ]
    assert len(places) == count > 250
    differing = [
        (place, written[place[0]][place[1]].value, calculated[place[0]][place[1]].value)
        for place in places
        if written[place[0]][place[1]].value != calculated[place[0]][place[1]].value
    ]
    assert differing == []
    page = calculated["Statement"]
    closing = next(row for row in page.iter_rows(values_only=True) if str(row[0]).startswith("Closing "))
    assert closing[5] == statement.closing_amount / 100
    assert "DIFFERS 不符" not in {cell.value for row in page.iter_rows() for cell in row}


@pytest.mark.parametrize("basis", Basis)
def test_one_fen_changed_in_a_ride_shows_as_a_difference(basis: Basis, tmp_path: Path) -> None:
    workbook, changed = tmp_path / "statement.xlsx", tmp_path / "changed.xlsx"
    workbook.write_bytes(xlsx(statement_of(basis)))
    rewrite(workbook, changed, lambda text: text.replace("<v>11.50</v>", "<v>11.51</v>", 1), sheet="Rides")
    (tmp_path / "calculated").mkdir()

    page = openpyxl.load_workbook(convert(changed, "xlsx", tmp_path / "calculated"), data_only=True)["Statement"]

    differing = [row for row in page.iter_rows(values_only=True) if "DIFFERS 不符" in row]
    assert [(str(row[0]).strip().split(" = ")[0], row[4]) for row in differing] == [
        ("Fares of rides listed, earned", 0.01)
    ]


def spoil(workbook: Path, to: Path) -> int:
    """Writes another number, or text, in the place of every formula's value; how many."""
    spoilt = 0

    def replaced(text: str) -> str:
        nonlocal spoilt
        text, numbers = re.subn(r"(</f><v>)-?[0-9.]+(</v>)", r"\g<1>987654.32\2", text)
        text, texts = re.subn(r"(</f><v>)[^<0-9-][^<]*(</v>)", r"\g<1>spoilt\2", text)
        spoilt += numbers + texts
        return text

    rewrite(workbook, to, replaced)
    return spoilt


def rewrite(workbook: Path, to: Path, change: Callable[[str], str], sheet: str | None = None) -> None:
    """A copy of a workbook with other text in its sheets, or in one of them."""
    only = None if sheet is None else openpyxl.load_workbook(workbook).sheetnames.index(sheet) + 1
    with zipfile.ZipFile(workbook) as source, zipfile.ZipFile(to, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.startswith("xl/worksheets/sheet") and only in (None, int(re.sub(r"\D", "", name))):
                changed = change(data.decode()).encode()
                assert changed != data or only is None
                data = changed
            target.writestr(name, data)
