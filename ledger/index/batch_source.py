"""Batches found for the index: what stands in transactions, what was given by hand, what a trace shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from duckdb import DuckDBPyConnection

from interline.batch_source import FoundBatch, Transaction, find_batch
from interline.errors import BatchNotFoundError
from interline.settlements import Settlement

Found = FoundBatch | BatchNotFoundError
"""A batch, or why it wasn't found."""


class TransactionSource(Protocol):
    """Where transactions are read from: `ledger.chain.Chain`."""

    def transactions(self, txs: Sequence[bytes]) -> list[Transaction | None]:
        """Transactions by their hashes; None for one that the node lacks."""

    def trace(self, tx: bytes) -> object:
        """The calls that a transaction made; TraceError where the node doesn't say."""


class BatchFinder:
    """Finds the bytes of settled batches; `given` are those that were given by hand, by their ids."""

    def __init__(self, source: TransactionSource, given: Mapping[bytes, bytes] | None = None) -> None:
        self._source = source
        self._given = given or {}

    def find(self, settlements: Sequence[Settlement]) -> list[Found]:
        """The batches that were settled, in the order of the settlements.

        Raises:
            LedgerError: the node doesn't answer.
        """
        txs = list(dict.fromkeys(one.tx for one in settlements))
        transactions = dict(zip(txs, self._source.transactions(txs), strict=True)) if txs else {}
        return [self._find(one, transactions[one.tx]) for one in settlements]

    def _find(self, settlement: Settlement, transaction: Transaction | None) -> Found:
        try:
            return find_batch(
                settlement.batch_id,
                settlement.clearinghouse,
                transaction,
                lambda: self._source.trace(settlement.tx),
                self._given,
            )
        except BatchNotFoundError as error:
            return error


# ---------------------------------------------------------------- bytes given by hand, kept in the index


def given_batches(cursor: DuckDBPyConnection) -> dict[bytes, bytes]:
    """The bytes that were given by hand, by the batches' ids."""
    rows = cursor.execute("SELECT batch_id, data FROM given_batches").fetchall()
    return {bytes(batch_id): bytes(data) for batch_id, data in rows}


def keep_given(cursor: DuckDBPyConnection, given: Mapping[bytes, bytes]) -> None:
    """Keep bytes that were given by hand: a reorganisation doesn't take them away."""
    rows = [[batch_id, data] for batch_id, data in given.items()]
    cursor.executemany("INSERT INTO given_batches VALUES (?, ?) ON CONFLICT DO NOTHING", rows)
