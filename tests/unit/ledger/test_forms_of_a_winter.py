"""Every form of statements that were built from an index: arrears, set-offs, late and early rides, disputes."""

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import openpyxl
import pytest
import xmlschema

from ledger.statement.beancount_form import beancount
from ledger.statement.build import build_statement
from ledger.statement.camt053 import camt053
from ledger.statement.model import Basis, Statement
from ledger.statement.period import Period
from ledger.statement.xlsx import xlsx
from tests.support.ledger_story import HANGZHOU, SHANGHAI, XUZHOU
from tests.support.winter import NAMES, winter

BEAN_CHECK = Path(sys.executable).with_name("bean-check")
PERIODS = ("2019-11", "2019-12", "2019-12-01", "2019-12-03", "2020-01")
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
    checked = subprocess.run([BEAN_CHECK, "--no-cache", path], capture_output=True, text=True, timeout=60, check=False)
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


def test_a_set_off_is_said_to_be_one(statements: Statements) -> None:
    statement = statements[SHANGHAI, "2019-12", Basis.SETTLEMENT]
    assert "arrears received 收回欠款, set off" in camt053(statement).decode()
    assert '"arrears received, set off"' in beancount(statement).decode()
