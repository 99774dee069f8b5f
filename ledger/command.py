"""What the accountant's command lines share: where the index is, and bringing it up to date."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from interline.cities import CityFile
from ledger.chain import Chain
from ledger.index.store import Index
from ledger.index.sync import sync

INDEXES: Final = Path("out") / "ledger"
"""Where indexes are, one for each deployment."""


def index_path(deployment: str, given: Path | None = None) -> Path:
    """The file of a deployment's index: the one given, else `out/ledger/NAME.duckdb`."""
    return given if given is not None else INDEXES / f"{deployment}.duckdb"


@contextmanager
def open_synced_index(
    chain: Chain, path: Path, cities: Iterable[CityFile], tell: Callable[[str], None] = lambda line: None
) -> Iterator[Index]:
    """The index, up to date with the chain; it is made where there is none.

    Raises:
        LedgerError, SettlementError: as `Index.open` and `sync`.
    """
    with Index.open(path, write=True) as index:
        sync(index, chain, cities, tell=tell)
        yield index
