"""Workbooks as an accountant's own program sees them: LibreOffice calculates every formula anew."""

from pathlib import Path

import openpyxl
import pytest
import xlsxwriter

from tests.support.office import convert

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
