"""Rows that the index has otherwise than the chain: told as findings that name the batch and the ride."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

from interline.errors import MalformedError
from interline.hashing import keccak256
from interline.money import format_yuan
from ledger.index.decode import RIDE, BatchArrays, decode_batch
from ledger.index.writing import COLUMNS
from ledger.reconcile.findings import Finding, ride_name
from ledger.reconcile.query import Deviation, Row

_CHECK: Final = "index"
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "batches": ("batch_id",),
    "refused_rides": ("batch", "index"),
    "rides": ("batch", "index"),
    "pairs": ("batch", "issuer"),
    "postings": ("block", "place", "city", "account", "other"),
}
"""What tells a table's rows apart; of all others it is the event."""
_EVENT: Final = ("block", "place")
_AMOUNTS: Final = frozenset({"fare", "fares", "fare_cap", "amount", "paid", "fee"})
_FEW: Final = 3
"""Rows of one batch that each have a finding of their own; more have one together."""
_ACTION: Final = (
    "delete the index's file and run again: all of it follows from the chain; then find out who can write to the file"
)
_CAUSES: Final = {
    "changed": "the row was changed after it was indexed",
    "dropped": "the row was deleted after it was indexed",
    "twice": "the row was put in once more, so it counts twice",
    "invented": "the row was put in, and nothing on the chain is behind it",
}

Names = Mapping[int, str]
"""Batch ids (0x and 64 digits) by the batches' numbers."""


class Describer:
    """Makes findings of deviations."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def findings(self, deviation: Deviation, is_expected: Callable[[str, Row], bool]) -> list[Finding]:
        """A finding for each row; one for all of a batch, where there are many."""
        table = deviation.table
        by_kind: defaultdict[tuple[str, str | None], list[tuple[Row | None, Row | None]]] = defaultdict(list)
        for expected, came in _matched(table, deviation):
            row = expected or came
            assert row is not None
            if expected is not None:
                kind = "dropped" if came is None else "changed"
            else:
                kind = "twice" if is_expected(table, row) else "invented"
            by_kind[kind, self._batch(table, row)].append((expected, came))
        found: list[Finding] = []
        for (kind, batch), rows in by_kind.items():
            if kind != "changed" and batch is not None and len(rows) > _FEW:
                found.append(_together(table, kind, batch, [one or other for one, other in rows]))
            else:
                found += [one for pair in rows for one in self._each(table, kind, *pair)]
        return found

    def _each(self, table: str, kind: str, expected: Row | None, came: Row | None) -> Iterator[Finding]:
        row = expected or came
        assert row is not None
        batch, index = self._batch(table, row), _value(table, row, "index")
        if table == "batches" and expected is not None and came is not None:
            yield from _bytes_differ(f"{batch}", _value(table, expected, "data"), _value(table, came, "data"))
        texts = _texts(table, kind, expected, came)
        if texts is None:
            return
        yield Finding(_CHECK, _where(table, row, batch, index), *texts, _CAUSES[kind], _ACTION, batch, index)

    def _batch(self, table: str, row: Row) -> str | None:
        if table == "batches":
            return f"0x{_value(table, row, 'batch_id').hex()}"
        number = _value(table, row, "batch")
        return None if number is None else self._names.get(number, f"number {number}")


def _matched(table: str, deviation: Deviation) -> Iterator[tuple[Row | None, Row | None]]:
    """(the row that should be there, the row that is), either of which may be missing."""
    surplus: defaultdict[Row, list[Row]] = defaultdict(list)
    for row in deviation.surplus:
        surplus[_key(table, row)].append(row)
    for row in deviation.missing:
        others = surplus[_key(table, row)]
        yield row, others.pop(0) if others else None
    for others in surplus.values():
        for row in others:
            yield None, row


def _key(table: str, row: Row) -> Row:
    return tuple(_value(table, row, name) for name in _KEYS.get(table, _EVENT))


def _value(table: str, row: Row, name: str) -> Any:
    return row[COLUMNS[table].index(name)] if name in COLUMNS[table] else None


def _where(table: str, row: Row, batch: str | None, index: int | None) -> str:
    about = [] if batch is None else [ride_name(batch, index)]
    if "place" in COLUMNS[table] and table != "batches":
        about.append(f"block {_value(table, row, 'block')}, event {_value(table, row, 'place')}")
    return f"{', '.join(about)} (table {table})"


def _texts(table: str, kind: str, expected: Row | None, came: Row | None) -> tuple[str, str] | None:
    """What was expected and what came; None where all that differs has findings of its own."""
    if expected is not None and came is not None:
        columns = COLUMNS[table]
        differing = [n for n, one, other in zip(columns, expected, came, strict=True) if one != other and n != "data"]
        if not differing:
            return None
        return _said(table, expected, differing), _said(table, came, differing)
    row = expected or came
    assert row is not None
    shown = _said(table, row, [name for name in COLUMNS[table] if name not in ("batch", "index", "block", "place")])
    return {
        "dropped": (shown, "no such row"),
        "twice": (f"once: {shown}", "it is there once more"),
        "invented": ("no such row", shown),
    }[kind]


def _said(table: str, row: Row, names: Sequence[str]) -> str:
    return ", ".join(f"{name} {_text(name, _value(table, row, name))}" for name in names)


def _text(name: str, value: Any) -> str:
    if isinstance(value, bytes):
        return f"0x{value.hex()}" if len(value) <= 32 else f"of {len(value):,} bytes"
    if name in _AMOUNTS and isinstance(value, int):
        return f"{format_yuan(value)} yuan"
    return value.isoformat() if isinstance(value, date) else f"{value}"


def _together(table: str, kind: str, batch: str, rows: Sequence[Row | None]) -> Finding:
    indices = [_value(table, row, "index") for row in rows if row is not None]
    listed = ", ".join(str(index) for index in sorted({one for one in indices if one is not None}))
    what = f"{len(rows)} rows of {table}" + (f" (rides {listed})" if listed else "")
    expected, came = {
        "dropped": (what, "none of them"),
        "twice": (f"{what}, once", "each is there once more"),
        "invented": ("none", what),
    }[kind]
    return Finding(_CHECK, f"{ride_name(batch)} (table {table})", expected, came, _CAUSES[kind], _ACTION, batch)


# ---------------------------------------------------------------- a batch's bytes


def _bytes_differ(batch: str, expected: bytes | None, came: bytes | None) -> Iterator[Finding]:
    """A finding for the batch's hash, and one for each ride whose bytes are others."""
    if expected == came:
        return
    if expected is None or came is None:
        here, there = ("no bytes", "some") if expected is None else (f"bytes with the hash {batch}", "none")
        cause = "the batch's bytes were put in or taken away after it was indexed"
        yield Finding(_CHECK, f"{ride_name(batch)} (its bytes)", here, there, cause, _ACTION, batch)
        return
    cause = "the batch's bytes were changed after they were indexed"
    where = f"{ride_name(batch)} (its bytes)"
    yield Finding(_CHECK, where, f"bytes with the hash {batch}", f"0x{keccak256(came).hex()}", cause, _ACTION, batch)
    try:
        theirs = decode_batch(came)
    except MalformedError as error:
        yield Finding(_CHECK, where, "a batch", f"{error}", cause, _ACTION, batch)
        return
    ours = decode_batch(expected)
    if len(ours.rides) != len(theirs.rides):
        count = f"{len(ours.rides)} rides", f"{len(theirs.rides)}"
        yield Finding(_CHECK, where, *count, cause, _ACTION, batch)
        return
    for index in range(len(ours.rides)):
        one, other = _ride(ours, index), _ride(theirs, index)
        names = [name for name in one if one[name] != other[name]]
        if names:
            texts = (", ".join(f"{name} {_text(name, ride[name])}" for name in names) for ride in (one, other))
            said = tuple(texts)
            yield Finding(
                _CHECK, f"{ride_name(batch, index)} (its bytes)", said[0], said[1], cause, _ACTION, batch, index
            )


def _ride(arrays: BatchArrays, index: int) -> dict[str, Any]:
    ride = arrays.rides[index]
    fields = {name: ride[name].item() for name in RIDE.names or ()}
    signature = fields["issuer_signature"]
    return {
        "issuer": int(arrays.issuers[index]),
        "key id": int(arrays.key_ids[index]),
        **fields,
        "rider": bytes(fields["rider"]),
        "issuer_signature": f"0x{bytes(signature).hex()}",
    }
