"""Every form of statements that were built from an index: arrears, set-offs, late and early rides, disputes."""

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import openpyxl
import pytest
import xmlschema

from interline.cities import Invoicing, LegalEntity
from ledger.statement.beancount_form import beancount
from ledger.statement.build import build_statement
from ledger.statement.camt053 import camt053
from ledger.statement.formats import FORMATS
from ledger.statement.model import Basis, Statement
from ledger.statement.period import Period
from ledger.statement.xlsx import xlsx
from tests.support.ledger_story import HANGZHOU, SHANGHAI, XUZHOU, city_file
from tests.support.patience import PATIENCE
from tests.support.winter import NAMES, winter

BEAN_CHECK = Path(sys.executable).with_name("bean-check")
PERIODS = ("2019-10", "2019-11", "2019-12", "2019-12-01", "2019-12-03", "2020-01")
Case = tuple[int, str, Basis]
Statements = dict[Case, Statement]
CASES = [(city, period, basis) for city in (SHANGHAI, HANGZHOU, XUZHOU) for period in PERIODS for basis in Basis]


@pytest.fixture(scope="module")
def statements() -> Statements:
    index = winter().index()
    return {
        (city, period, basis): build_statement(index, city, Period.parse(period), basis)
        for city, period, basis in CASES
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{NAMES[case[0]]}-{case[1]}-{case[2]}")
def test_bean_check_is_content(case: Case, statements: Statements, tmp_path: Path) -> None:
    path = tmp_path / "statement.beancount"
    path.write_bytes(beancount(statements[case]))
    checked = subprocess.run(
        [BEAN_CHECK, "--no-cache", path], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_camt_message_is_valid(statements: Statements) -> None:
    schema = xmlschema.XMLSchema(Path(__file__).parents[2] / "schemas" / "camt.053.001.08.xsd")
    cash = [statement for statement in statements.values() if statement.basis is Basis.SETTLEMENT]
    assert len(cash) == len(CASES) // 2
    for statement in cash:
        schema.validate(camt053(statement).decode())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{NAMES[case[0]]}-{case[1]}-{case[2]}")
def test_all_checks_of_the_workbook_agree(case: Case, statements: Statements) -> None:
    statement = statements[case]
    page = openpyxl.load_workbook(BytesIO(xlsx(statement)), data_only=True)["Statement"]
    cells = [cell for row in page.iter_rows(values_only=True) for cell in row]
    closing = next(row for row in page.iter_rows(values_only=True) if str(row[0]).startswith("Closing "))
    assert "DIFFERS 不符" not in cells
    assert cells.count("agrees 相符") == (8 if statement.basis is Basis.SETTLEMENT else 7)
    assert closing[5] == statement.closing_amount / 100


@pytest.mark.parametrize(("name", "basis"), [(name, basis) for name, form in FORMATS.items() for basis in form.bases])
def test_every_form_of_a_time_before_the_membership_is_whole_and_says_so(
    name: str, basis: Basis, statements: Statements
) -> None:
    statement, form = statements[SHANGHAI, "2019-10", basis], FORMATS[name]
    written = form.write(statement)
    assert EMPTY_READERS[name](written) == []
    if name in ("table", "beancount"):
        assert b"Shanghai was admitted on 2019-11-01" in written


def test_the_readers_of_empty_forms_find_what_is_in_others() -> None:
    invoicing = Invoicing(Decimal("0.03"), (LegalEntity("Metro", "地铁", "91310000", 0, 99),))
    cities = [city_file(code, name, invoicing=invoicing) for code, name in NAMES.items()]
    december = Period.parse("2019-12")
    statement = build_statement(winter().index(), SHANGHAI, december, Basis.SETTLEMENT, cities=cities)
    for name, form in FORMATS.items():
        assert EMPTY_READERS[name](form.write(statement)), name


def _lines_of_csv(written: bytes) -> list[object]:
    with zipfile.ZipFile(BytesIO(written)) as archive:
        tables = {name: archive.read(name).decode("utf-8-sig").splitlines() for name in archive.namelist()}
    return [row for name in ("lines.csv", "entries.csv", "rides.csv") for row in tables[name][1:]]


def _lines_of_workbook(written: bytes) -> list[object]:
    book = openpyxl.load_workbook(BytesIO(written), data_only=True)
    return [row for row in book["Rides"].iter_rows(values_only=True) if isinstance(row[0], int)]  # the line's number


EMPTY_READERS: dict[str, Callable[[bytes], list[object]]] = {
    "table": lambda written: re.findall(r"^ *2019-\d\d-\d\d ", written.decode(), re.MULTILINE),
    "json": lambda written: [*json.loads(written)["lines"], *json.loads(written)["rides"]["rows"]],
    "csv": _lines_of_csv,
    "xlsx": _lines_of_workbook,
    "camt053": lambda written: re.findall("<Ntry>", written.decode()),
    "beancount": lambda written: re.findall(r'^\S+ \* "', written.decode(), re.MULTILINE),
    "invoices": lambda written: list(written.decode("utf-8-sig").splitlines()[1:]),
}
"""Each reads a form with what programs read it with, and returns what should not be there."""


def test_a_set_off_is_said_to_be_one(statements: Statements) -> None:
    statement = statements[SHANGHAI, "2019-12", Basis.SETTLEMENT]
    assert "arrears received 收回欠款, set off" in camt053(statement).decode()
    assert '"arrears received, set off"' in beancount(statement).decode()
