"""A statement as tables of comma-separated values (RFC 4180), several in a folder or in a zip.

Amounts are in yuan with two decimals and no separators. The files begin with a byte order mark, without which Excel
doesn't read Chinese. Text that a spreadsheet would take for a formula has an apostrophe before it.
"""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from interline.money import FEN_PER_YUAN
from ledger.statement.model import Account, Entry, Kind, Statement
from ledger.statement.words import BASIS_SENTENCES, local_time, remarks

Table = tuple[Sequence[str], Iterable[Sequence[Any]]]
"""Column names, and rows."""
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say


def csv_tables(statement: Statement) -> dict[str, bytes]:
    """Each file by its name."""
    tables = {
        "statement.csv": _statement(statement),
        "lines.csv": _lines(statement),
        "entries.csv": _entries(statement),
        "rides.csv": _rides(statement),
        "batches.csv": _batches(statement),
        "totals.csv": _totals(statement),
        "counterparties.csv": _counterparties(statement),
        "bridge.csv": _bridge(statement),
        "disputes.csv": _disputes(statement),
    }
    return {name: csv_bytes(*table) for name, table in tables.items()}


def csv_zip(statement: Statement) -> bytes:
    """All of them in a zip, not compressed: libraries do that differently, and it has to be the same bytes for ever."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in csv_tables(statement).items():
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.create_system = 3  # Unix, on whatever system it is made
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return out.getvalue()


def csv_bytes(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """One table: None is an empty cell, text is made safe for spreadsheets."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def yuan(fen: int | None) -> str | None:
    """Fen as 1234.56, without separators; `csv_bytes` leaves it as it is."""
    if fen is None:
        return None
    whole, rest = divmod(abs(fen), FEN_PER_YUAN)
    return _Number(f"{'-' if fen < 0 else ''}{whole}.{rest:02}")


class _Number(str):
    """Text that a spreadsheet should take for a number."""

    __slots__ = ()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, _Number) and value.startswith(_FORMULAS):
        return f"'{value}"
    return value


# ---------------------------------------------------------------- the tables


def _statement(statement: Statement) -> Table:
    def accounts() -> Iterator[tuple[str, Any]]:
        account: Account
        edges = (("opening", statement.opening), ("closing", statement.closing), ("at_block", statement.at_block))
        for edge, account in edges:
            for name in ("balance", "due", "owed", "position", "unsettled", "accrued"):
                yield f"{edge}_{name}", yuan(getattr(account, name))

    rows = [
        ("city", statement.city.code),
        ("name", statement.city.name),
        ("name_zh", statement.city.name_zh),
        ("basis", statement.basis),
        ("basis_en", BASIS_SENTENCES[statement.basis].en),
        ("basis_zh", BASIS_SENTENCES[statement.basis].zh),
        ("first_day", statement.period.first),
        ("last_day", statement.period.last),
        ("begins", local_time(statement, statement.begins)),
        ("ends", local_time(statement, statement.ends)),
        ("timezone", statement.city.operating_day.timezone),
        ("day_starts", statement.city.operating_day.starts),
        ("period_is_over", _truth(statement.is_over)),
        ("rides_until", None if statement.rides_until is None else local_time(statement, statement.rides_until)),
        ("remark", " ".join(remark.en for remark in remarks(statement)) or None),
        ("remark_zh", "".join(remark.zh for remark in remarks(statement)) or None),
        ("block", statement.block_number),
        ("block_hash", statement.block_hash),
        ("block_time", local_time(statement, statement.block_time)),
        ("chain_id", statement.chain_id),
        ("clearinghouse", statement.clearinghouse),
        ("opening_yuan", yuan(statement.opening_amount)),
        ("closing_yuan", yuan(statement.closing_amount)),
        *accounts(),
    ]
    return ("key", "value"), rows


def _lines(statement: Statement) -> Table:
    columns = (
        *("line", "day", "kind", "city", "name", "name_zh", "count", "amount_yuan", "paid_yuan", "late"),
        *("late_yuan", "running_yuan"),
    )

    def rows() -> Iterator[Sequence[Any]]:
        running = statement.opening_amount
        for line in statement.lines:
            running += statement.effect(line)
            yield (
                line.number,
                line.day,
                line.kind,
                *_city(statement, line.other),
                line.count,
                yuan(line.amount),
                yuan(line.paid),
                line.late,
                yuan(line.late_amount),
                yuan(running),
            )

    return columns, rows()


def _entries(statement: Statement) -> Table:
    columns = (
        *("line", "day", "kind", "city", "name", "name_zh", "block", "place", "tx", "time", "count", "amount_yuan"),
        *("paid_yuan", "late", "late_yuan", "batch", "ride_index", "ride_day", "ride_fare_yuan", "cause", "set_off"),
        *("bank_reference", "address"),
    )

    def row(entry: Entry) -> Sequence[Any]:
        line = statement.lines[entry.line - 1]
        ride = entry.ride
        return (
            entry.line,
            line.day,
            line.kind,
            *_city(statement, line.other),
            entry.block,
            entry.place,
            entry.tx,
            local_time(statement, entry.time),
            entry.count,
            yuan(entry.amount),
            yuan(entry.paid),
            entry.late,
            yuan(entry.late_amount),
            None if entry.batch is None else statement.batches[entry.batch].batch_id,
            entry.index,
            ride.exit_day if ride else None,
            yuan(ride.fare) if ride else None,
            entry.cause,
            _truth(entry.set_off),
            entry.bank_reference,
            entry.address,
        )

    return columns, map(row, statement.entries)


def _rides(statement: Statement) -> Table:
    columns = (
        *("line", "batch", "ride_index", "issuer", "operator", "entry_station", "exit_station"),
        *("entered_at", "exited_at", "exit_day", "fare_yuan", "settled_at", "late"),
    )
    times = _Times(statement)
    rows = (
        (
            ride.line,
            statement.batches[ride.batch].batch_id,
            ride.ride_index,
            ride.issuer,
            ride.operator,
            ride.entry_station,
            ride.exit_station,
            times[ride.entered_at],
            times[ride.exited_at],
            ride.exit_day,
            yuan(ride.fare),
            times[ride.settled_at],
            _truth(ride.late),
        )
        for ride in statement.rides
    )
    return columns, rows


def _batches(statement: Statement) -> Table:
    columns = (
        *("batch", "operator", "block", "tx", "settled_at", "settled", "refused", "fares_yuan"),
        *("rides_here", "amount_here_yuan"),
    )
    rows = (
        (
            batch.batch_id,
            batch.operator,
            batch.block,
            batch.tx,
            local_time(statement, batch.settled_at),
            batch.settled,
            batch.refused,
            yuan(batch.fares),
            batch.rides_here,
            yuan(batch.amount_here),
        )
        for batch in statement.batches
    )
    return columns, rows


def _totals(statement: Statement) -> Table:
    columns = ("city", "name", "name_zh", "kind", "count", "amount_yuan", "paid_yuan", "late", "late_yuan")

    def rows() -> Iterator[Sequence[Any]]:
        transfers = [total for total in statement.totals() if total.kind in (Kind.DEPOSIT, Kind.WITHDRAWAL)]
        parts = [(0, transfers), *((one.code, one.totals) for one in statement.counterparties)]
        for code, totals in parts:
            for total in totals:
                if total.count:
                    figures = (total.count, yuan(total.amount), yuan(total.paid), total.late, yuan(total.late_amount))
                    yield (*_city(statement, code), total.kind, *figures)

    return columns, rows()


def _counterparties(statement: Statement) -> Table:
    columns = (
        *("city", "name", "name_zh", "amount_yuan", "paid_yuan", "due_opening_yuan", "due_closing_yuan"),
        *("owed_opening_yuan", "owed_closing_yuan", "disputed_carried_yuan", "disputed_taken_yuan"),
    )
    rows = (
        (
            *_city(statement, one.code),
            yuan(one.amount),
            yuan(one.paid),
            yuan(one.due_opening),
            yuan(one.due_closing),
            yuan(one.owed_opening),
            yuan(one.owed_closing),
            yuan(one.disputed_carried),
            yuan(one.disputed_taken),
        )
        for one in statement.counterparties
    )
    return columns, rows


def _bridge(statement: Statement) -> Table:
    columns = ("city", "kind", "timing", "opening_count", "opening_yuan", "closing_count", "closing_yuan")
    rows = (
        (
            row.other,
            row.kind,
            row.timing,
            row.opening_count,
            yuan(row.opening_amount),
            row.closing_count,
            yuan(row.closing_amount),
        )
        for row in statement.bridge
    )
    return columns, rows


def _disputes(statement: Statement) -> Table:
    columns = (
        "batch",
        "ride_index",
        "issuer",
        "operator",
        "amount_yuan",
        "opened_at",
        "tx",
        "answer_until",
        "fee_yuan",
    )
    rows = (
        (
            one.batch_id,
            one.index,
            one.issuer,
            one.operator,
            yuan(one.amount),
            local_time(statement, one.opened_at),
            one.tx,
            local_time(statement, one.answer_until),
            yuan(one.fee),
        )
        for one in statement.disputes
    )
    return columns, rows


class _Times(dict[int, str]):
    """Local times, each worked out once: a batch's rides share theirs."""

    def __init__(self, statement: Statement) -> None:
        super().__init__()
        self._statement = statement

    def __missing__(self, second: int) -> str:
        text = self[second] = local_time(self._statement, second)
        return text


def _city(statement: Statement, code: int) -> tuple[int | None, str | None, str | None]:
    """Code and names; nothing where there is no counterparty."""
    if not code:
        return None, None, None
    party = statement.party(code)
    return party.code, party.name, party.name_zh


def _truth(value: bool) -> str:
    return "yes" if value else "no"
