"""What `ape run reconcile` does between its options and its answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.console import RenderableType

from interline.cities import CityFile, load_cities
from interline.domain import Domain
from interline.errors import SettlementError
from ledger.chain import Chain
from ledger.errors import BooksError
from ledger.index import query
from ledger.index.store import Index
from ledger.index.sync import SyncSource, sync
from ledger.reconcile.audit import AuditSource, check_index
from ledger.reconcile.bank import check_bank
from ledger.reconcile.bank_file import read_bank_file
from ledger.reconcile.contracts import check_contracts
from ledger.reconcile.findings import Result
from ledger.reconcile.issued import check_issued
from ledger.reconcile.journal import check_journals
from ledger.reconcile.table import findings_tables
from ledger.reconcile.tariffs import PriceTable, check_tariffs
from ledger.table import choose_cities


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asked for on the command line."""

    city: str | None = None
    quick: bool = False
    """Leave the audit of the index out."""
    journals: tuple[Path, ...] = ()
    """Operators' journals."""
    registers: tuple[Path, ...] = ()
    """Issuers' registers."""
    bank: Path | None = None
    """A bank's file."""
    tariff: bool = False
    """Price every ride again."""
    tariffs: tuple[Path, ...] = ()
    """GTFS folders of tariffs that held earlier, besides those of the city files."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What there is to answer."""

    block_number: int
    block_hash: str
    results: tuple[Result, ...]

    @property
    def differs(self) -> bool:
        """Whether anything does."""
        return any(result.count for result in self.results)

    @property
    def tables(self) -> list[RenderableType]:
        """For people."""
        return list(findings_tables(self.results))

    @property
    def remarks(self) -> list[str]:
        """A line for each check, and one for each thing that it had to leave out."""
        return [
            line
            for result in self.results
            for line in (result.verdict, *(f"{result.check}: {note}" for note in result.notes))
        ]

    def document(self) -> dict[str, Any]:
        """For --json."""
        return {
            "block_number": self.block_number,
            "block_hash": self.block_hash,
            "differences": sum(result.count for result in self.results),
            "checks": [result.to_json() for result in self.results],
        }


def reconcile(
    wish: Wish, chain: Chain, index_path: Path, cities: Path, tell: Callable[[str], None] = lambda line: None
) -> Reconciled:
    """Bring the index up to the chain's block, and hold against it what was asked for.

    Raises:
        LedgerError, CityFileError, SettlementError: what can't be read, with a sentence that says what to do.
    """
    files = load_cities(cities)
    balances = chain.balances()
    city = None if wish.city is None else choose_cities(balances, [wish.city])[0]
    book = None if wish.bank is None else read_bank_file(wish.bank)
    folders = dict.fromkeys((*(file.tariff for file in files), *wish.tariffs)) if wish.tariff or wish.tariffs else ()
    tables = [PriceTable.load(folder) for folder in folders]
    with Index.open(index_path, write=True) as index:
        changed = bring_up_to_date(index, chain, chain.head.number, files, tell)
        if changed is not None:
            head = index.head()
            return Reconciled(head.number, head.hash, (changed,))
        chain.require_same_block()
        results = [check_contracts(query.books(index.cursor(), chain.head.number), balances, chain)]
        if not wish.quick:
            results.append(check_index(index, chain, files, tell=tell))
        cursor, block = index.cursor(), chain.head.number
        domain = Domain(chain.chain_id, bytes.fromhex(chain.address[2:]))
        results += check_journals(cursor, wish.journals, domain, chain.head, city)
        results += [check_issued(cursor, path, domain, chain.head, city) for path in wish.registers]
        if book is not None:
            results.append(check_bank(cursor, book, files, block, city))
        if tables:
            results.append(check_tariffs(cursor, tables, block, city))
    return Reconciled(chain.head.number, chain.head.hash, tuple(results))


class Followed(AuditSource, SyncSource, Protocol):
    """The chain that an index is of: it can be followed, and audited."""


def bring_up_to_date(
    index: Index,
    chain: Followed,
    block: int,
    files: Sequence[CityFile],
    tell: Callable[[str], None] = lambda line: None,
) -> Result | None:
    """None, once the index has come to the chain's block; what is wrong with it, where it can't because of that.

    Raises:
        BooksError, SettlementError: it can't, and what it has is as the chain says: then it is the node's answer.
    """
    try:
        sync(index, chain, files, tell=tell, until=block)
    except (BooksError, SettlementError) as error:
        if index.find_head() is None:
            raise
        tell(f"{error}; looking whether the index itself was changed")
        audit = check_index(index, chain, files, tell=tell)
        if not audit.count:
            raise
        return audit
    return None
