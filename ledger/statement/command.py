"""What `ape run statement` does between its options and its answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from interline.cities import load_cities
from ledger.chain import Chain
from ledger.command import open_synced_index
from ledger.errors import FormError, PeriodError
from ledger.head import Head
from ledger.index.store import Index
from ledger.recompute import require_agreement
from ledger.statement.build import build_statement
from ledger.statement.formats import Form, form_of
from ledger.statement.json_form import statement_document
from ledger.statement.model import Basis, Statement
from ledger.statement.output import write_out
from ledger.statement.period import Period, RelativePeriod, parse_period
from ledger.statement.table import statement_tables
from ledger.statement.words import remarks


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asked for on the command line."""

    city: str
    period: str | None
    first: str | None
    last: str | None
    basis: str | None
    form: str
    out: Path | None
    block: int | None


@dataclass(frozen=True, slots=True)
class Made:
    """What there is to answer."""

    statement: Statement
    tables: Sequence[RenderableType]
    """To be printed, where nothing else is."""
    output: bytes | None
    """To be written to standard output as it is."""
    remarks: Sequence[str]

    def document(self) -> dict[str, Any]:
        """For --json."""
        return statement_document(self.statement)


def make(wish: Wish, chain: Chain, index_path: Path, cities: Path, tell: Callable[[str], None]) -> Made:
    """Bring the index up to date, hold it against the contracts, make the statement, write it.

    Raises:
        LedgerError, CityFileError, SettlementError: with a sentence that says what to do.
    """
    form, period = form_of(wish.form), chosen_period(wish)
    basis = chosen_basis(wish, form)
    if wish.out is None and not form.is_text:
        raise FormError(f"expected --out for {form.name}, which is no text, came none: name a file or a folder")
    files = load_cities(cities)
    with open_synced_index(chain, index_path, files, tell) as index:
        require_agreement(chain, index)
        block = find_block(index, chain, wish.block)
        statement = build_statement(index, wish.city, period, basis, block=block, cities=files)
    said = [remark.en for remark in remarks(statement)]
    if wish.out is not None:
        written = write_out(statement, form, wish.out)
        made = f"at block {statement.block_number}, {statement.block_hash}"
        return Made(statement, (), None, [*said, *(f"wrote {path}, {made}" for path in written)])
    if form.name == "table":
        return Made(statement, statement_tables(statement), None, ())
    return Made(statement, (), form.write(statement), said)


def chosen_period(wish: Wish) -> Period | RelativePeriod:
    """The period that was asked for; this month, if none was.

    Raises:
        PeriodError: it was given twice, or by halves, or it is none.
    """
    if wish.first is None and wish.last is None:
        return RelativePeriod.THIS_MONTH if wish.period is None else parse_period(wish.period)
    if wish.period is None and wish.first is not None and wish.last is not None:
        return Period.between(wish.first, wish.last)
    raise PeriodError("expected either --period, or --from and --to: name the days once")


def chosen_basis(wish: Wish, form: Form) -> Basis:
    """The basis that was asked for; else the first that the form has."""
    return form.bases[0] if wish.basis is None else Basis(wish.basis)


def find_block(index: Index, chain: Chain, number: int | None) -> Head | int | None:
    """The block to make it as of. Of one in which nothing happened the node tells the hash: the index keeps none."""
    if number is None or number > index.head().number or index.block(number) is not None:
        return number
    return chain.heads([number])[0] or number
