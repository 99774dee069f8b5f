"""Every form that a statement can be had in, by its name: the command line's and the pages' downloads."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ledger.errors import FormError
from ledger.statement.beancount_form import beancount
from ledger.statement.camt053 import camt053
from ledger.statement.csv_form import csv_zip
from ledger.statement.invoices import invoices_csv
from ledger.statement.json_form import statement_json
from ledger.statement.model import Basis, Statement
from ledger.statement.table import table_text
from ledger.statement.xlsx import xlsx

_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True, slots=True)
class Form:
    """One form. `write` gives the same bytes for the same statement, always."""

    name: str
    suffix: str
    """Of a file, with its dot."""
    media_type: str
    write: Callable[[Statement], bytes]
    is_text: bool = True
    """Whether it can be shown on a terminal."""
    bases: tuple[Basis, ...] = tuple(Basis)
    """On which it can be had."""


FORMATS: Final[dict[str, Form]] = {
    form.name: form
    for form in (
        Form("table", ".txt", "text/plain; charset=utf-8", table_text),
        Form("csv", ".zip", "application/zip", csv_zip, is_text=False),
        Form("json", ".json", "application/json", statement_json),
        Form("xlsx", ".xlsx", _XLSX, xlsx, is_text=False),
        Form("camt053", ".xml", "application/xml", camt053, bases=(Basis.SETTLEMENT,)),
        Form("beancount", ".beancount", "text/plain; charset=utf-8", beancount),
        Form("invoices", "-invoices.csv", "text/csv; charset=utf-8", invoices_csv),
    )
}


def form_of(name: str) -> Form:
    """The form of that name.

    Raises:
        FormError: there is none.
    """
    if name not in FORMATS:
        raise FormError(f"expected one of the forms {', '.join(FORMATS)}, came {name!r}: correct it")
    return FORMATS[name]


def file_name(statement: Statement, form: Form) -> str:
    """The name of its file, which says what is in it: `shanghai-2019-12-accrual-block-4711.csv`."""
    letters = "".join(c if c.isascii() and c.isalnum() else "-" for c in statement.city.name.lower()).strip("-")
    city = letters or str(statement.city.code)
    return f"{city}-{statement.period.name}-{statement.basis}-block-{statement.block_number}{form.suffix}"
