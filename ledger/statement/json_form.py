"""A statement as one JSON document, for programs; docs/statements.md says what each key means.

Amounts are integers in fen, times Unix seconds, days 2019-12-05, hashes 0x and digits. Rides are rows without names,
of which there may be 200,000; everything else is objects.
"""

import json
from dataclasses import fields
from typing import Any, Final

from ledger.statement.model import (
    Account,
    Batch,
    BridgeRow,
    CorrectedRide,
    Counterparty,
    Entry,
    Line,
    OpenDispute,
    Party,
    RideRow,
    Statement,
    Total,
)
from ledger.statement.words import BASIS_SENTENCES

DOCUMENT: Final = "interline statement"
VERSION: Final = 1


def statement_json(statement: Statement) -> bytes:
    """The document, UTF-8, on one line."""
    document = statement_document(statement)
    return (json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def statement_document(statement: Statement) -> dict[str, Any]:
    """The document as Python has it."""
    return {
        "document": DOCUMENT,
        "version": VERSION,
        "chain_id": statement.chain_id,
        "clearinghouse": statement.clearinghouse,
        "block": {"number": statement.block_number, "hash": statement.block_hash, "time": statement.block_time},
        "city": statement.city.code,
        "cities": [_party(party) for party in statement.parties],
        "basis": str(statement.basis),
        "basis_in_words": BASIS_SENTENCES[statement.basis]._asdict(),
        "period": {
            "name": statement.period.name,
            "first_day": str(statement.period.first),
            "last_day": str(statement.period.last),
            "begins": statement.begins,
            "ends": statement.ends,
            "is_over": statement.is_over,
            "rides_until": statement.rides_until,
            "may_grow": statement.may_grow,
        },
        "opening": _account(statement.opening),
        "closing": _account(statement.closing),
        "at_block": _account(statement.at_block),
        "opening_amount": statement.opening_amount,
        "closing_amount": statement.closing_amount,
        "totals": [_plain(total) for total in statement.totals()],
        "lines": [_plain(line) for line in statement.lines],
        "entries": [_plain(entry) for entry in statement.entries],
        "batches": [_plain(batch) for batch in statement.batches],
        "rides": {"columns": list(RideRow._fields), "rows": _rides(statement)},
        "counterparties": [_plain(one) for one in statement.counterparties],
        "disputes": [_plain(one) for one in statement.disputes],
        "bridge": [_plain(row) for row in statement.bridge],
    }


def _party(party: Party) -> dict[str, Any]:
    clock = party.operating_day
    return {
        "code": party.code,
        "name": party.name,
        "name_zh": party.name_zh,
        "operating_day": {"timezone": clock.timezone, "starts": clock.starts},
    }


def _account(account: Account) -> dict[str, Any]:
    return _plain(account) | {"position": account.position, "accrued": account.accrued}


def _plain(
    one: Account | Batch | BridgeRow | CorrectedRide | Counterparty | Entry | Line | OpenDispute | Total,
) -> dict[str, Any]:
    return {field.name: _value(getattr(one, field.name)) for field in fields(one)}


def _value(value: Any) -> Any:
    if value is None or type(value) in (int, bool, str):
        return value
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, CorrectedRide):
        return _plain(value)
    return str(value)  # days and names of kinds


def _rides(statement: Statement) -> list[list[Any]]:
    day = RideRow._fields.index("exit_day")
    rows = []
    for ride in statement.rides:
        row: list[Any] = list(ride)
        row[day] = str(ride.exit_day)
        rows.append(row)
    return rows
