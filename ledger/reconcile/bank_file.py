"""A bank's file of what it booked on the settlement account: CSV, or ISO 20022 camt.053 of any version."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

from interline.errors import MoneyError
from interline.money import FEN_PER_YUAN, parse_yuan
from ledger.errors import BankFileError

_COLUMNS: Final = ("date", "direction", "amount", "reference")
_DIRECTIONS: Final = {"in": True, "credit": True, "CRDT": True, "out": False, "debit": False, "DBIT": False}
_REFERENCES: Final = ("EndToEndId", "InstrId", "TxId", "AcctSvcrRef", "NtryRef", "Ustrd", "AddtlNtryInf", "AddtlTxInf")
_CURRENCY: Final = "CNY"
_OURS: Final = "INTERLINE"  # who says what an entry is, in a statement of ours
_OF_BANKS: Final = ("DEPOSIT", "WITHDRAWAL")  # those of our kinds of entries that a bank books, too


@dataclass(frozen=True, slots=True)
class BankEntry:
    """A booking. `came_in` on the settlement account: a deposit; else a withdrawal. `amount` in fen, above 0."""

    where: str
    """Its place in the file, for messages."""
    day: date
    city: int | None
    """None where the file doesn't say."""
    came_in: bool
    amount: int
    references: tuple[str, ...]
    """What the bank says of it, most telling first; the city's reference may be any of them."""


@dataclass(frozen=True, slots=True)
class BankFile:
    """All bookings, and the days that the file is about (both inclusive; None where it has none)."""

    path: Path
    entries: tuple[BankEntry, ...]
    first: date | None
    last: date | None


def read_bank_file(path: Path) -> BankFile:
    """A bank's file, CSV or camt.053, as its first character says.

    Raises:
        BankFileError: it can't be read; names the line or the entry.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BankFileError(f"{path}: expected a bank's file, came {error.strerror}: name one that is there") from error
    entries = tuple(
        _of_camt(path, data) if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else _of_csv(path, data)
    )
    days = [entry.day for entry in entries]
    return BankFile(path, entries, min(days, default=None), max(days, default=None))


# ---------------------------------------------------------------- CSV


def _of_csv(path: Path, data: bytes) -> Iterator[BankEntry]:
    reader = csv.DictReader(io.StringIO(_text(path, data), newline=""), strict=True)
    missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise BankFileError(
            f"{path}, line 1: expected the columns {', '.join(_COLUMNS)} (and city, if it is of several), came "
            f"{', '.join(reader.fieldnames or ()) or 'nothing'}: add {', '.join(missing)}"
        )
    try:
        for row in reader:
            yield _row(f"{path.name}, line {reader.line_num}", row)
    except csv.Error as error:
        raise BankFileError(
            f"{path}, line {reader.line_num}: expected CSV, came {error}: correct its quotes"
        ) from error


def _text(path: Path, data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BankFileError(f"{path}: expected text in UTF-8 or GB 18030, came other bytes: export it again as UTF-8")


def _row(where: str, row: Mapping[str, str | None]) -> BankEntry:
    cells = {name: (row.get(name) or "").strip() for name in (*_COLUMNS, "city")}
    if cells["direction"] not in _DIRECTIONS:
        raise _wrong(where, "direction", "in or out", cells["direction"])
    city = cells["city"]
    if city and not (city.isascii() and city.isdigit()):
        raise _wrong(where, "city", "a city's code", city)
    return BankEntry(
        where,
        _day(where, "date", cells["date"]),
        int(city) if city else None,
        _DIRECTIONS[cells["direction"]],
        _yuan(where, cells["amount"].replace(",", "")),
        (cells["reference"],) if cells["reference"] else (),
    )


# ---------------------------------------------------------------- camt.053


def _of_camt(path: Path, data: bytes) -> Iterator[BankEntry]:
    try:
        document: Element = fromstring(data)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise BankFileError(
            f"{path}: expected camt.053, came XML that can't be read: {error}: export it again"
        ) from error
    for element in document.iter():
        element.tag = element.tag.rpartition("}")[2]  # any version of it
    statements = document.findall("./BkToCstmrStmt/Stmt")
    if not statements:
        raise BankFileError(
            f"{path}: expected camt.053 (Document/BkToCstmrStmt/Stmt), came {document.tag}: export the statement as "
            "camt.053, or as CSV"
        )
    number = 0
    for statement in statements:
        for entry in statement.iter("Ntry"):
            number += 1
            yield from _entry(f"{path.name}, entry {number}", entry)


def _entry(where: str, entry: Element) -> Iterator[BankEntry]:
    status = entry.findtext("Sts/Cd") or (entry.findtext("Sts") or "").strip() or "BOOK"
    if status != "BOOK":
        return  # announced, and not booked yet
    if entry.findtext("BkTxCd/Prtry/Issr") == _OURS and entry.findtext("BkTxCd/Prtry/Cd") not in _OF_BANKS:
        return  # rides, refunds, arrears: no money goes through the bank
    day = _day(where, "BookgDt", (entry.findtext("BookgDt/Dt") or entry.findtext("BookgDt/DtTm") or "")[:10])
    direction = (entry.findtext("CdtDbtInd") or "").strip()
    if direction not in ("CRDT", "DBIT"):
        raise _wrong(where, "CdtDbtInd", "CRDT or DBIT", direction)
    amount = _camt_amount(where, entry)
    parts = entry.findall("NtryDtls/TxDtls")
    amounts = [part.find("Amt") is not None and _camt_amount(where, part) for part in parts]
    if len(parts) > 1 and sum(amounts) == amount:
        for place, (part, own) in enumerate(zip(parts, amounts, strict=True), 1):
            references = _references(part)
            yield BankEntry(f"{where}, part {place}", day, None, direction == "CRDT", int(own), references)
        return
    yield BankEntry(where, day, None, direction == "CRDT", amount, _references(entry))


def _camt_amount(where: str, element: Element) -> int:
    amount = element.find("Amt")
    text = "" if amount is None or amount.text is None else amount.text.strip()
    if amount is not None and amount.get("Ccy") != _CURRENCY:
        raise _wrong(where, "Amt", f"an amount in {_CURRENCY}", f"{text} {amount.get('Ccy')}")
    try:
        fen = Decimal(text) * FEN_PER_YUAN
    except InvalidOperation:
        raise _wrong(where, "Amt", "an amount", text) from None
    if not fen.is_finite() or fen != fen.to_integral_value() or fen <= 0:
        raise _wrong(where, "Amt", "an amount in whole fen, above 0", text)
    return int(fen)


def _references(element: Element) -> tuple[str, ...]:
    texts = [(one.text or "").strip() for name in _REFERENCES for one in element.iter(name)]
    return tuple(dict.fromkeys(text for text in texts if text and text != "NOTPROVIDED"))


# ---------------------------------------------------------------- values


def _day(where: str, name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _wrong(where, name, "a day like 2019-12-05", text) from None


def _yuan(where: str, text: str) -> int:
    try:
        fen = parse_yuan(text)
    except MoneyError:
        fen = 0
    if not fen:
        raise _wrong(where, "amount", "yuan above 0 such as 50000.00", text)
    return fen


def _wrong(where: str, name: str, expected: str, came: str) -> BankFileError:
    return BankFileError(f"{where}: {name}: expected {expected}, came {came!r}: correct it, or export the file again")
