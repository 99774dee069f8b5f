"""Workbooks row by row: columns with two-lined headings, amounts in yuan from fen, formulas with their values.

Every text is written as a text, so that nothing from outside becomes a formula. Rows go to disk as they come: memory
doesn't grow with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from io import BytesIO
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_range_abs, xl_rowcol_to_cell
from xlsxwriter.worksheet import Worksheet

from ledger.errors import FormError
from ledger.statement.words import Words

MOST_ROWS: Final = 1_048_576
"""Of a sheet, in Excel and LibreOffice alike."""
_MOST_LINKS: Final = 65_000
_A4: Final = 9
_EPOCH: Final = date(1899, 12, 30)
"""Day 0 of spreadsheets."""
_SECONDS: Final = 86_400
_INK, _HEAD, _RULE, _LINK, _LATE = "#1F2933", "#E4EAF1", "#9AA5B1", "#1B4F91", "#FFF1D6"
_MONEY: Final = '#,##0.00;-#,##0.00;"–"'
_STYLES: Final[dict[str, dict[str, object]]] = {
    "text": {"indent": 1},
    "wrapped": {"indent": 1, "text_wrap": True, "valign": "top"},
    "mono": {"indent": 1, "font_name": "Courier New", "font_size": 8},
    "code": {"indent": 1, "num_format": "0", "align": "left"},
    "count": {"num_format": '#,##0;-#,##0;"–"'},
    "number": {"num_format": "0", "align": "right"},
    "money": {"num_format": _MONEY},
    "exact": {"num_format": "#,##0.00"},
    "day": {"indent": 1, "num_format": "yyyy-mm-dd", "align": "left"},
    "moment": {"indent": 1, "num_format": "yyyy-mm-dd hh:mm:ss", "align": "left"},
    "link": {"indent": 1, "font_color": _LINK, "underline": 1},
    "title": {"indent": 1, "bold": True, "font_size": 14},
    "subtitle": {"indent": 1, "font_color": "#52606D"},
    "label": {"indent": 1, "font_color": "#52606D"},
    "section": {"indent": 1, "bold": True, "font_size": 11, "bottom": 1, "bottom_color": _INK},
    "heading": {
        "indent": 1,
        "bold": True,
        "text_wrap": True,
        "valign": "vcenter",
        "bg_color": _HEAD,
        "top": 1,
        "bottom": 1,
        "top_color": _RULE,
        "bottom_color": _RULE,
    },
    "flag": {"bg_color": _LATE},
    "wrong": {"bg_color": "#C62828", "font_color": "#FFFFFF", "bold": True},
}
_NUMERIC: Final = ("count", "number", "money", "exact")


class Column(NamedTuple):
    """A column of a table: what it is called, how wide it is (in characters), how its cells are written."""

    words: Words
    width: float
    style: str = "text"


class Formula(NamedTuple):
    """A formula, and what it comes to: fen in a column of money, else a number or a text."""

    text: str
    value: int | str


class Link(NamedTuple):
    """A text that leads to a row of another sheet."""

    sheet: str
    row: int
    text: str


Cell = str | int | date | Formula | Link | None
"""What a cell may hold. Of an int the column says what it is: fen, a count, or Unix seconds."""


@dataclass(slots=True)
class Sheet:
    """A sheet, written from the top down. Rows and columns count from 0."""

    book: Book
    name: str
    sheet: Worksheet
    row: int = 0
    """The next one."""
    head: int = 0
    """The row of the table's headings."""
    columns: Sequence[Column] = ()
    links: int = 0

    def put(self, column: int, value: Cell, style: str = "text", *, total: bool = False) -> None:
        """One cell of the row that is being written."""
        form = self.book.style(style, total)
        if value is None or value == "":
            if total:
                self.sheet.write_blank(self.row, column, None, form)
        elif isinstance(value, Formula):
            number = yuan(value.value) if style in ("money", "exact") and isinstance(value.value, int) else value.value
            self.sheet.write_formula(self.row, column, value.text, form, number)
        elif isinstance(value, Link):
            self._link(column, value, total)
        elif isinstance(value, str):
            self.sheet.write_string(self.row, column, value, form)
        elif isinstance(value, date):
            self.sheet.write_number(self.row, column, (value - _EPOCH).days, form)
        elif style in ("money", "exact"):
            self.sheet.write_number(self.row, column, yuan(value), form)
        elif style == "moment":
            self.sheet.write_number(self.row, column, self.book.moment(value), form)
        else:
            self.sheet.write_number(self.row, column, value, form)

    def _link(self, column: int, link: Link, total: bool) -> None:
        self.links += 1
        if self.links > _MOST_LINKS:
            self.sheet.write_string(self.row, column, link.text, self.book.style("text", total))
            return
        target = f"internal:'{link.sheet}'!A{link.row + 1}"
        self.sheet.write_url(self.row, column, target, self.book.style("link", total), link.text)

    def next(self, rows: int = 1, height: float | None = None) -> None:
        """On to another row; `height` is that of the row just written.

        Raises:
            FormError: a sheet has no more of them.
        """
        if height is not None:
            self.sheet.set_row(self.row, height)
        self.row += rows
        if self.row >= MOST_ROWS:
            raise FormError(
                f"expected at most {MOST_ROWS:,} rows in the sheet {self.name}, came more: take a shorter period, or "
                "the form csv"
            )

    def title(self, words: Words, subtitle: str) -> None:
        """The sheet's first two rows, and an empty one."""
        self.put(0, f"{words.en} {words.zh}", "title")
        self.next(height=22)
        self.put(0, subtitle, "subtitle")
        self.next(2)

    def headings(self, columns: Sequence[Column], *, repeat: bool = True) -> None:
        """A table's row of headings; the first one of a sheet stays in sight, and is printed on every page."""
        for number, column in enumerate(columns):
            style = "heading right" if column.style in _NUMERIC else "heading"
            self.put(number, f"{column.words.en}\n{column.words.zh}", style)
            if repeat:
                self.sheet.set_column(number, number, column.width)
        self.head, self.columns = self.row, columns
        if repeat:
            self.sheet.freeze_panes(self.row + 1, 0)
            self.sheet.repeat_rows(self.row)
        self.next(height=2 + 14 * max(_heading_lines(column) for column in columns) if repeat else 30)

    def add(self, *cells: Cell, total: bool = False) -> None:
        """A row of the table."""
        for number, (cell, column) in enumerate(zip(cells, self.columns, strict=True)):
            self.put(number, cell, column.style, total=total)
        self.next()

    def filtered(self, last: int) -> None:
        """Lets people filter the table's rows down to `last`."""
        self.sheet.autofilter(self.head, 0, max(last, self.head), len(self.columns) - 1)

    def printed(self, last: int) -> None:
        """Leaves what stands right of the columns on the screen, hashes, off the paper."""
        column = max(number for number, column in enumerate(self.columns) if column.style != "mono")
        self.sheet.print_area(0, 0, last, column)

    def flag(self, first: int, last: int, formula: str, style: str = "flag") -> None:
        """Colours the rows of the table for which a formula is true."""
        if last >= first:
            condition = {"type": "formula", "criteria": formula, "format": self.book.style(style)}
            self.sheet.conditional_format(first, 0, last, len(self.columns) - 1, condition)

    def range(self, column: int, first: int, last: int) -> str:
        """Cells of a column, as other sheets' formulas call them."""
        return f"'{self.name}'!{xl_range_abs(first, column, last, column)}"

    def cell(self, column: int, row: int | None = None) -> str:
        """A cell of this sheet, as its own formulas call it; of the row that is being written unless one is given."""
        return str(xl_rowcol_to_cell(self.row if row is None else row, column))


class Book:
    """A workbook, made in memory and on disk: the same cells give the same bytes."""

    def __init__(self, title: str, footer: str, made_at: int, timezone: str) -> None:
        self._buffer = BytesIO()
        self._zone = ZoneInfo(timezone)
        self._footer = footer
        options = {
            "constant_memory": True,
            "default_format_properties": {"font_name": "Arial", "font_size": 10},
        }
        self._book = Workbook(self._buffer, options)
        self._book.set_calc_mode("auto")
        created = datetime.fromtimestamp(made_at, UTC).replace(tzinfo=None)
        self._book.set_properties({"title": title, "created": created})
        self._styles: dict[tuple[str, bool], Format] = {}
        self.offset = lru_cache(maxsize=4096)(self._offset)

    def sheet(self, name: str, *, pages: int = 0) -> Sheet:
        """A new sheet, the last one; on paper A4 across, as wide as a page, and as many pages as that (0: any)."""
        sheet = self._book.add_worksheet(name)
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.fit_to_pages(1, pages)
        sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
        sheet.set_footer(f"&L&8{self._footer}&R&8&A, &P / &N")
        sheet.hide_gridlines(2)
        return Sheet(self, name, sheet)

    def style(self, name: str, total: bool = False) -> Format:
        """The format of that name; `… right` is turned to the right; of a total, bold between rules."""
        if (name, total) not in self._styles:
            base = name.removesuffix(" right")
            properties = {"valign": "vcenter", **_STYLES[base]}
            if name != base:
                properties |= {"align": "right", "indent": 0}
            if total:
                properties |= {"bold": True, "top": 1, "bottom": 6}
            self._styles[name, total] = self._book.add_format(properties)
        return self._styles[name, total]

    def moment(self, second: int) -> float:
        """Unix seconds as spreadsheets count days, by the clock of the workbook's time zone."""
        local = second + self.offset(second // 900)
        return (_UNIX_EPOCH * _SECONDS + local) / _SECONDS

    def _offset(self, quarter: int) -> int:
        """Of local time from UTC in a quarter of an hour, seconds: no zone changes its clock within one."""
        offset = datetime.fromtimestamp(quarter * 900, self._zone).utcoffset()
        assert offset is not None
        return int(offset.total_seconds())

    def finish(self) -> bytes:
        """The file."""
        self._book.close()
        return self._buffer.getvalue()


_UNIX_EPOCH: Final = (date(1970, 1, 1) - _EPOCH).days


def width_of(text: str) -> int:
    """In columns of Latin letters: a Chinese character takes two."""
    return sum(2 if ord(character) > 0x2E7F else 1 for character in text)


def _heading_lines(column: Column) -> int:
    """Lines of a heading, bold, in its column."""
    return sum(-(-width_of(text) * 105 // int(100 * (column.width - 1))) for text in column.words)


def yuan(fen: int) -> Decimal:
    """Fen as yuan, exactly."""
    return Decimal(fen).scaleb(-2)
