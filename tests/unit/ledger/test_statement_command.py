"""What the command line makes of its options, and what it writes."""

from dataclasses import replace
from pathlib import Path

import pytest

from ledger.errors import FormError, PeriodError
from ledger.statement.build import build_statement
from ledger.statement.command import Wish, chosen_basis, chosen_period
from ledger.statement.csv_form import csv_tables
from ledger.statement.formats import FORMATS
from ledger.statement.model import Basis, Statement
from ledger.statement.output import write_out
from ledger.statement.period import Period, RelativePeriod
from tests.support.ledger_story import SHANGHAI
from tests.support.winter import winter

WISH = Wish("Shanghai", "2019-12", None, None, None, "table", None, None)


@pytest.fixture(scope="module")
def statement() -> Statement:
    return build_statement(winter().index(), SHANGHAI, Period.parse("2019-12"), Basis.SETTLEMENT)


def test_a_period_is_given_by_its_name_or_by_its_ends() -> None:
    assert chosen_period(WISH) == Period.parse("2019-12")
    assert chosen_period(replace(WISH, period=None, first="2019-12-01", last="2019-12-31")) == Period.parse("2019-12")


def test_without_a_period_it_is_this_months() -> None:
    assert chosen_period(replace(WISH, period=None)) is RelativePeriod.THIS_MONTH
    assert chosen_period(replace(WISH, period="yesterday")) is RelativePeriod.YESTERDAY


@pytest.mark.parametrize(
    "changes",
    [
        {"first": "2019-12-01"},
        {"last": "2019-12-01"},
        {"period": None, "first": "2019-12-01"},
        {"period": None, "last": "2019-12-01"},
        {"first": "2019-12-01", "last": "2019-12-31"},
        {"period": "this-month", "first": "2019-12-01", "last": "2019-12-31"},
    ],
)
def test_a_period_given_twice_or_by_halves_is_refused(changes: dict[str, str | None]) -> None:
    with pytest.raises(PeriodError, match="either --period, or --from and --to"):
        chosen_period(replace(WISH, **changes))  # type: ignore[arg-type]


def test_the_basis_is_accrual_unless_the_form_has_only_the_other() -> None:
    assert chosen_basis(WISH, FORMATS["table"]) is Basis.ACCRUAL
    assert chosen_basis(WISH, FORMATS["camt053"]) is Basis.SETTLEMENT
    assert chosen_basis(replace(WISH, basis="settlement"), FORMATS["table"]) is Basis.SETTLEMENT


@pytest.mark.parametrize("name", ["json", "xlsx", "table"])
def test_a_form_is_written_to_its_file(statement: Statement, tmp_path: Path, name: str) -> None:
    out = tmp_path / "new" / "statement"
    assert write_out(statement, FORMATS[name], out) == [out]
    assert out.read_bytes() == FORMATS[name].write(statement)
    assert list(out.parent.iterdir()) == [out]


def test_a_file_in_a_folder_gets_a_name_that_says_what_is_in_it(statement: Statement, tmp_path: Path) -> None:
    (path,) = write_out(statement, FORMATS["json"], tmp_path)
    assert path == tmp_path / "shanghai-2019-12-settlement-block-16.json"


def test_csv_goes_into_a_folder_or_a_zip(statement: Statement, tmp_path: Path) -> None:
    written = write_out(statement, FORMATS["csv"], tmp_path / "december")
    assert {path.name: path.read_bytes() for path in written} == csv_tables(statement)
    (packed,) = write_out(statement, FORMATS["csv"], tmp_path / "december.zip")
    assert packed.read_bytes() == FORMATS["csv"].write(statement)


def test_a_place_that_cannot_be_written_to_is_named(statement: Statement, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FormError, match=r"expected a place to write to, came .*file/statement"):
        write_out(statement, FORMATS["json"], tmp_path / "file" / "statement.json")
