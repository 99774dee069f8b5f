"""Whatever happens between three metros: every form of its statements is clean."""

from io import BytesIO
from pathlib import Path

import openpyxl
import xmlschema
from beancount import loader
from hypothesis import HealthCheck, given, settings

from ledger.statement.beancount_form import beancount
from ledger.statement.camt053 import camt053
from ledger.statement.model import Basis
from ledger.statement.xlsx import xlsx
from tests.unit.ledger.test_statement_property import CITIES, MONTHS, History, histories

SCHEMA = xmlschema.XMLSchema(Path(__file__).parents[2] / "schemas" / "camt.053.001.08.xsd")


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(history=histories())
def test_every_form_of_every_statement_is_clean(history: History) -> None:
    for city in CITIES:
        for month in MONTHS:
            for basis in Basis:
                statement = history.statement(city, month, basis)
                _, errors, _ = loader.load_string(beancount(statement).decode())
                assert errors == []
                page = openpyxl.load_workbook(BytesIO(xlsx(statement)), data_only=True)["Statement"]
                assert "DIFFERS 不符" not in {cell for row in page.iter_rows(values_only=True) for cell in row}
            SCHEMA.validate(camt053(history.statement(city, month, Basis.SETTLEMENT)).decode())
