"""The tables of a statement's workbook: lines, what they add up to, and what is behind them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import Final

from ledger.statement.model import KINDS, RIDE_KINDS, Basis, Entry, Kind, Line, Statement
from ledger.statement.sheet import Book, Cell, Column, Formula, Link, Sheet
from ledger.statement.words import CAUSE_WORDS, KIND_WORDS, LATE, TIMING_WORDS, Words, printable, running_words

TABLE_ROWS: Final = 4
"""Rows of a table's sheet above its first: title, subtitle, an empty one, headings."""
RIDES_A_SHEET: Final = 1_000_000
# columns of the sheet Lines, which formulas of other sheets add up
DAY, CODE, WHAT, COUNT, LATES, IN, OUT, RUNNING, POSITION, ARREARS = 1, 2, 4, 5, 6, 8, 9, 10, 11, 12
_EARNED, _OWED = 11, 12
"""Columns of the sheets of rides."""
CORRECTIONS: Final = (Kind.REFUND_GIVEN, Kind.REFUND_RECEIVED, Kind.FEE_EARNED, Kind.FEE_OWED)
TRANSFERS: Final = (Kind.ARREARS_RECEIVED, Kind.ARREARS_PAID, Kind.DEPOSIT, Kind.WITHDRAWAL)
_SHOWN: Final = 60
"""Characters of a note."""


@dataclass(slots=True)
class Tables:
    """What is being written, and where it stands."""

    statement: Statement
    book: Book
    lines: Sheet
    first: int = 0
    """The row of the lines' opening."""
    last: int = 0
    """The row of the last line, or of the opening where there is none."""
    event_rows: dict[int, Link] = field(default_factory=dict)
    """Where the events of a line stand, by its number."""
    ride_sheets: list[tuple[Sheet, int, int]] = field(default_factory=list)
    """With the rows of the first and the last ride."""
    totals: dict[str, str] = field(default_factory=dict)
    """Cells that the page Statement refers to, as formulas call them."""

    @property
    def cash(self) -> bool:
        """Whether the statement is on the settlement basis."""
        return self.statement.basis is Basis.SETTLEMENT

    def city(self, code: int) -> str:
        """Its names."""
        if not code:
            return ""
        party = self.statement.party(code)
        return printable(f"{party.name} {party.name_zh}" if party.name_zh else party.name)

    def column(self, column: int) -> str:
        """All cells of a column of the lines."""
        return self.lines.range(column, self.first, self.last)

    def summed(self, column: int, **conditions: str) -> str:
        """A formula's part: a column of the lines, added up where columns are what `conditions` say (`kind`, `code`,
        `day`: a cell or a constant)."""
        columns = {"kind": WHAT, "code": CODE, "day": DAY}
        pairs = "".join(f",{self.column(columns[name])},{value}" for name, value in conditions.items())
        return f"SUMIFS({self.column(column)}{pairs})" if pairs else f"SUM({self.column(column)})"

    def net(self, **conditions: str) -> str:
        """As `summed`, of what came in less what went out."""
        return f"{self.summed(IN, **conditions)}-{self.summed(OUT, **conditions)}"


def kind_name(kind: Kind) -> str:
    """As it stands in the column of kinds."""
    return f"{KIND_WORDS[kind].en.capitalize()} {KIND_WORDS[kind].zh}"


def kinds_of(basis: Basis) -> tuple[Kind, ...]:
    """The kinds that a basis knows."""
    if basis is Basis.SETTLEMENT:
        return KINDS
    return tuple(kind for kind in KINDS if kind not in (Kind.ARREARS_RECEIVED, Kind.ARREARS_PAID))


def rounded(text: str) -> str:
    """A formula whose sum of yuan is exact to the fen again."""
    return f"=ROUND({text},2)"


# ---------------------------------------------------------------- lines


def in_and_out(basis: Basis) -> tuple[Words, Words]:
    """What the two columns of amounts are called."""
    if basis is Basis.SETTLEMENT:
        return Words("Received", "收入"), Words("Paid", "支出")
    return Words("Earned", "应收"), Words("Owed", "应付")


def lines_columns(basis: Basis) -> list[Column]:
    """Of the sheet Lines."""
    came_in, went_out = in_and_out(basis)
    running = running_words(basis)
    columns = [
        Column(Words("No.", "序号"), 7, "count"),
        Column(Words("Operating day", "运营日"), 15, "day"),
        Column(Words("Code", "代码"), 8, "code"),
        Column(Words("Counterparty", "对方城市"), 18),
        Column(Words("What", "项目"), 29),
        Column(Words("Count", "笔数"), 9, "count"),
        Column(Words("Late", LATE.zh), 9, "count"),
        Column(Words("Late, yuan", f"{LATE.zh}金额"), 14, "money"),
        Column(came_in, 14, "money"),
        Column(went_out, 14, "money"),
        Column(Words(running.en.capitalize(), running.zh), 16, "exact"),
    ]
    if basis is Basis.SETTLEMENT:
        columns.append(Column(Words("Effect on position", "头寸变动"), 20, "money"))
        columns.append(Column(Words("Became arrears", "转为欠款"), 16, "money"))
    columns.append(Column(Words("Events", "链上事件"), 19, "text"))
    columns.append(Column(Words("Rides", "行程"), 16, "text"))
    columns.append(Column(Words("Note", "备注"), 44, "text"))
    return columns


def write_lines(tables: Tables, subtitle: str) -> None:
    """Every line between the opening and the closing, with the running figure."""
    statement, sheet = tables.statement, tables.lines
    columns = lines_columns(statement.basis)
    sheet.title(Words("Lines", "明细账"), subtitle)
    sheet.headings(columns)
    blank: list[Cell] = [None] * (len(columns) - RUNNING - 1)
    assert sheet.row == tables.first
    sheet.add(*[None] * WHAT, "Opening 期初", *[None] * (RUNNING - WHAT - 1), statement.opening_amount, *blank)
    running = statement.opening_amount
    for line in statement.lines:
        running += statement.effect(line)
        sheet.add(*_line_cells(tables, line, running))
    closing: list[Cell] = [None, None, None, None, "Closing 期末"]
    for column, value in ((COUNT, sum(line.count for line in statement.lines)), (LATES, _lates(statement))):
        closing.append(Formula(f"={tables.summed(column)}", value))
    closing.append(Formula(rounded(tables.summed(LATES + 1)), sum(line.late_amount for line in statement.lines)))
    effects = [statement.effect(line) for line in statement.lines]
    closing.append(Formula(rounded(tables.summed(IN)), sum(max(effect, 0) for effect in effects)))
    closing.append(Formula(rounded(tables.summed(OUT)), sum(max(-effect, 0) for effect in effects)))
    start = sheet.cell(RUNNING, tables.first)
    added = f"{start}+{sheet.cell(IN)}-{sheet.cell(OUT)}"
    closing.append(Formula(rounded(added), statement.opening_amount + sum(effects)))
    if tables.cash:
        position = sum(line.amount for line in statement.lines)
        closing.append(Formula(rounded(tables.summed(POSITION)), position))
        closing.append(Formula(rounded(tables.summed(ARREARS)), position - sum(effects)))
    closing += [None] * (len(columns) - len(closing))
    tables.totals["closing"] = f"'{sheet.name}'!{sheet.cell(RUNNING)}"
    sheet.add(*closing, total=True)
    sheet.flag(tables.first + 1, tables.last, f"=${chr(65 + LATES)}{tables.first + 2}>0")
    sheet.filtered(tables.last)


def _line_cells(tables: Tables, line: Line, running: int) -> list[Cell]:
    statement, sheet = tables.statement, tables.lines
    effect = statement.effect(line)
    above = sheet.cell(RUNNING, sheet.row - 1)
    cells: list[Cell] = [line.number, line.day, line.other or None, tables.city(line.other), kind_name(line.kind)]
    cells += [line.count, line.late or None, line.late_amount or None]
    cells += [effect if effect > 0 else None, -effect if effect < 0 else None]
    cells.append(Formula(rounded(f"{above}+{sheet.cell(IN)}-{sheet.cell(OUT)}"), running))
    if tables.cash:
        arrears = Formula(rounded(f"{sheet.cell(POSITION)}-{sheet.cell(IN)}+{sheet.cell(OUT)}"), line.amount - effect)
        cells += [line.amount or None, arrears]
    cells += [tables.event_rows[line.number], _ride_link(tables, line), _note(statement, line)]
    return cells


def _ride_link(tables: Tables, line: Line) -> Cell:
    listed = line.count - line.unread
    if line.kind not in RIDE_KINDS or not listed:
        return None
    sheet, first, _ = tables.ride_sheets[line.first_ride // RIDES_A_SHEET]
    return Link(sheet.name, first + line.first_ride % RIDES_A_SHEET, f"{listed:,} rides 行程")


def _note(statement: Statement, line: Line) -> str:
    """Bank references and causes, as many as there is room for."""
    notes: dict[str, None] = {}
    for entry in islice(statement.entries_of(line), 20):
        notes |= dict.fromkeys(filter(None, (entry.bank_reference, cause_name(entry), "set off 抵销" * entry.set_off)))
    text = printable("; ".join(notes))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def cause_name(entry: Entry) -> str:
    """Why a refund was given, in two languages; empty for what is none."""
    if not entry.cause:
        return ""
    words = CAUSE_WORDS.get(entry.cause)
    return f"{words.en} {words.zh}" if words else entry.cause


def _lates(statement: Statement) -> int:
    return sum(line.late for line in statement.lines)


# ---------------------------------------------------------------- what lines add up to


def write_days(tables: Tables, sheet: Sheet, subtitle: str) -> None:
    """Each operating day of the period: rides, what came in and went out, and the running figure at its end."""
    statement = tables.statement
    came_in, went_out = in_and_out(statement.basis)
    running = running_words(statement.basis)
    sheet.title(Words("Days", "按日汇总"), subtitle)
    sheet.headings(
        [
            Column(Words("Operating day", "运营日"), 14, "day"),
            *(Column(_titled(KIND_WORDS[kind]), 14, "count") for kind in RIDE_KINDS),
            Column(came_in, 16, "money"),
            Column(went_out, 16, "money"),
            Column(Words("Net", "净额"), 16, "money"),
            Column(Words(f"{running.en.capitalize()} at the end", f"日末{running.zh}"), 20, "exact"),
        ]
    )
    first = sheet.row
    by_day: dict[date, list[Line]] = defaultdict(list)
    for line in statement.lines:
        by_day[line.day].append(line)
    amount = statement.opening_amount
    for day in statement.period.days():
        amount += sum(map(statement.effect, by_day[day]))
        before = f"'{tables.lines.name}'!{tables.lines.cell(RUNNING, tables.first)}"
        if sheet.row > first:
            before = sheet.cell(6, sheet.row - 1)
        sheet.add(day, *_day_cells(tables, sheet, by_day[day]), Formula(rounded(f"{before}+{sheet.cell(5)}"), amount))
    last = Formula(f"={sheet.cell(6, sheet.row - 1)}", amount)
    _total_row(sheet, first, {0: "Total 合计", 6: last}, _day_sums(statement))


def _day_cells(tables: Tables, sheet: Sheet, lines: list[Line]) -> list[Cell]:
    """What one day's lines add up to, but for the running figure."""
    effects, day = [tables.statement.effect(line) for line in lines], sheet.cell(0)
    cells: list[Cell] = [
        Formula(f"={tables.summed(COUNT, day=day, kind=_quoted(kind))}", _counted(lines, kind)) for kind in RIDE_KINDS
    ]
    cells.append(Formula(rounded(tables.summed(IN, day=day)), sum(max(effect, 0) for effect in effects)))
    cells.append(Formula(rounded(tables.summed(OUT, day=day)), sum(max(-effect, 0) for effect in effects)))
    cells.append(Formula(rounded(f"{sheet.cell(3)}-{sheet.cell(4)}"), sum(effects)))
    return cells


def _day_sums(statement: Statement) -> dict[int, int]:
    effects = [statement.effect(line) for line in statement.lines]
    return {
        1: _counted(statement.lines, Kind.RIDES_CARRIED),
        2: _counted(statement.lines, Kind.RIDES_TAKEN),
        3: sum(max(effect, 0) for effect in effects),
        4: sum(max(-effect, 0) for effect in effects),
        5: sum(effects),
    }


def write_counterparties(tables: Tables, sheet: Sheet, subtitle: str) -> None:
    """Each city: what was earned from it and owed to it by kind, and what hangs on open disputes."""
    statement = tables.statement
    kinds = [kind for kind in kinds_of(statement.basis) if kind not in (Kind.DEPOSIT, Kind.WITHDRAWAL)]
    sheet.title(Words("Counterparties", "按对方城市汇总"), subtitle)
    sheet.headings(
        [
            Column(Words("Code", "代码"), 8, "code"),
            Column(Words("City", "城市"), 18),
            *(Column(_titled(KIND_WORDS[kind]), 14, "count") for kind in RIDE_KINDS),
            *(Column(_FARES.get(kind) or _titled(KIND_WORDS[kind]), 20, "money") for kind in kinds),
            Column(Words("Net", "净额"), 15, "money"),
            Column(Words("In dispute, earned", "争议中应收"), 20, "money"),
            Column(Words("In dispute, owed", "争议中应付"), 19, "money"),
        ]
    )
    first, net = sheet.row, 4 + len(kinds)
    sums: dict[int, int] = defaultdict(int)
    for one in statement.counterparties:
        code = sheet.cell(0)
        row = [one.total(kind).count for kind in RIDE_KINDS]
        row += [statement.effect(one.total(kind)) for kind in kinds]
        row += [sum(row[2:]), one.disputed_carried, one.disputed_taken]
        for column, value in enumerate(row, 2):
            sums[column] += value
        counts = (f"={tables.summed(COUNT, code=code, kind=_quoted(kind))}" for kind in RIDE_KINDS)
        amounts = (rounded(tables.net(code=code, kind=_quoted(kind))) for kind in kinds)
        added = rounded(f"SUM({sheet.cell(4)}:{sheet.cell(net - 1)})")
        formulas: list[Cell] = [
            Formula(text, value) for text, value in zip((*counts, *amounts, added), row, strict=False)
        ]
        sheet.add(one.code, tables.city(one.code), *formulas, one.disputed_carried, one.disputed_taken)
    tables.totals["counterparties"] = f"'{sheet.name}'!{sheet.cell(net)}"
    _total_row(sheet, first, {1: "Total 合计"}, {column: sums[column] for column in range(2, net + 3)})


def write_arrears(tables: Tables, sheet: Sheet, subtitle: str) -> None:
    """What each city owed and was owed beyond balances, at both ends of the period."""
    statement = tables.statement
    sheet.title(Words("Arrears", "欠款"), subtitle)
    columns = [
        Column(Words("Code", "代码"), 8, "code"),
        Column(Words("City", "城市"), 20),
        Column(Words("Due to us, opening", "期初应收欠款"), 20, "money"),
        Column(Words("Due to us, closing", "期末应收欠款"), 20, "money"),
        Column(Words("Owed by us, opening", "期初应付欠款"), 21, "money"),
        Column(Words("Owed by us, closing", "期末应付欠款"), 21, "money"),
        Column(Words("Net change", "净变动"), 17, "money"),
    ]
    if tables.cash:
        columns.append(Column(Words("By the lines", "明细账变动"), 17, "money"))
    sheet.headings(columns)
    first = sheet.row
    sums: dict[int, int] = defaultdict(int)
    for one in statement.counterparties:
        values = [one.due_opening, one.due_closing, one.owed_opening, one.owed_closing]
        values.append(one.due_closing - one.due_opening - one.owed_closing + one.owed_opening)
        change = rounded(f"{sheet.cell(3)}-{sheet.cell(2)}-{sheet.cell(5)}+{sheet.cell(4)}")
        cells: list[Cell] = [*values[:4], Formula(change, values[4])]
        if tables.cash:
            values.append(one.amount - (one.paid or 0))
            cells.append(Formula(rounded(tables.summed(ARREARS, code=sheet.cell(0))), values[5]))
        for column, value in enumerate(values, 2):
            sums[column] += value
        sheet.add(one.code, tables.city(one.code), *cells)
    tables.totals["due"] = f"'{sheet.name}'!{sheet.cell(3)}"
    tables.totals["owed"] = f"'{sheet.name}'!{sheet.cell(5)}"
    _total_row(sheet, first, {1: "Total 合计"}, {column: sums[column] for column in range(2, len(columns))})


def _total_row(sheet: Sheet, first: int, fixed: dict[int, Cell], sums: dict[int, int]) -> None:
    """A row of totals of the rows from `first` on; `sums` are what its formulas come to, by column."""
    last = sheet.row - 1
    cells: list[Cell] = []
    for column, heading in enumerate(sheet.columns):
        if column in fixed or column not in sums:
            cells.append(fixed.get(column))
        elif last < first:
            cells.append(0)
        else:
            added = f"SUM({sheet.cell(column, first)}:{sheet.cell(column, last)})"
            cells.append(Formula(f"={added}" if heading.style == "count" else rounded(added), sums[column]))
    sheet.add(*cells, total=True)
    sheet.filtered(last)


# ---------------------------------------------------------------- what is behind lines

_EVENT_COLUMNS: Final = (
    Column(Words("Line", "序号"), 7, "count"),
    Column(Words("Operating day", "运营日"), 15, "day"),
    Column(Words("What", "项目"), 29),
    Column(Words("Counterparty", "对方城市"), 18),
)
_BLOCK_COLUMNS: Final = (
    Column(Words("Block", "区块"), 11, "number"),
    Column(Words("Time of the block", "区块时间"), 21, "moment"),
)
_TRANSACTION: Final = Column(Words("Transaction", "交易哈希"), 62, "mono")
_BATCH: Final = Column(Words("Batch", "批次哈希"), 62, "mono")


def write_transfers(tables: Tables, sheet: Sheet, subtitle: str) -> None:
    """Deposits and withdrawals with their bank references, and arrears that were paid."""
    sheet.title(Words("Transfers", "资金划转"), subtitle)
    sheet.headings(
        [
            *_EVENT_COLUMNS,
            Column(Words("Amount", "金额"), 15, "money"),
            Column(Words("Bank reference", "银行凭证号"), 34),
            *_BLOCK_COLUMNS,
            Column(Words("From or to", "付款或收款地址"), 42, "mono"),
            _TRANSACTION,
        ]
    )
    for entry, event in _events(tables, sheet, TRANSFERS):
        reference = "set off 抵销" if entry.set_off else printable(entry.bank_reference or "")
        amount = tables.statement.effect(entry)
        sheet.add(*event, amount, reference, entry.block, entry.time, entry.address or "", entry.tx)
    sheet.filtered(sheet.row - 1)
    sheet.printed(sheet.row - 1)


def write_corrections(tables: Tables, sheet: Sheet, subtitle: str) -> None:
    """Refunds and fees with the rides that they are about; then the disputes that are open."""
    sheet.title(Words("Corrections", "退款与争议"), subtitle)
    columns = [
        *_EVENT_COLUMNS,
        Column(Words("Amount", "金额"), 12, "money"),
        Column(Words("Cause", "原因"), 32),
        Column(Words("Fare", "原票款"), 15, "money"),
        Column(Words("Refunded before", "此前已退"), 17, "money"),
        Column(Words("Day of the ride", "行程运营日"), 17, "day"),
        Column(Words("Exit", "出站时间"), 21, "moment"),
        Column(Words("From station", "进站"), 15, "number"),
        Column(Words("To station", "出站"), 15, "number"),
        Column(Words("Ride no.", "批内序号"), 10, "number"),
        *_BLOCK_COLUMNS,
        _BATCH,
        _TRANSACTION,
    ]
    if tables.cash:
        columns.insert(5, Column(Words("Of it paid", "实付"), 12, "money"))
    sheet.headings(columns)
    for entry, event in _events(tables, sheet, CORRECTIONS):
        amounts: list[Cell] = [entry.amount, entry.paid] if tables.cash else [entry.amount]
        ride, batch = entry.ride, _batch_hash(tables.statement, entry)
        about: list[Cell] = [None] * 6
        if ride:
            about = [ride.fare, ride.refunded_before, ride.exit_day, ride.exited_at]
            about += [ride.entry_station or UNKNOWN, ride.exit_station or UNKNOWN]
        sheet.add(*event, *amounts, cause_name(entry), *about, entry.index, entry.block, entry.time, batch, entry.tx)
    sheet.filtered(sheet.row - 1)
    _open_disputes(tables, sheet)
    sheet.printed(sheet.row)


def _open_disputes(tables: Tables, sheet: Sheet) -> None:
    sheet.next()
    sheet.put(0, "Open disputes 未决争议", "section")
    sheet.next()
    disputes = tables.statement.disputes
    if not disputes:
        sheet.put(0, "None 无", "label")
        return
    hangs = Words("In dispute", "争议金额")
    columns = [
        Column(Words("", ""), 0),
        Column(Words("Opened", "提出日"), 0, "day"),
        Column(Words("Operator", "运营方"), 0),
        Column(Words("Issuer", "发卡方"), 0),
        Column(hangs, 0, "money"),
        *([Column(Words("", ""), 0)] * tables.cash),
        Column(Words("Answer until", "举证期限"), 0, "moment"),
        Column(Words("Fee if upheld", "维持时费用"), 0, "money"),
        *([Column(Words("", ""), 0)] * 5),
        Column(Words("Ride no.", "批内序号"), 0, "number"),
        *([Column(Words("", ""), 0)] * 2),
        _BATCH,
        _TRANSACTION,
    ]
    sheet.headings(columns, repeat=False)
    for one in disputes:
        opened = tables.statement.city.operating_day.day_of(one.opened_at)
        gap: list[Cell] = [None] * tables.cash
        cells: list[Cell] = [None, opened, tables.city(one.operator), tables.city(one.issuer), one.amount, *gap]
        sheet.add(*cells, one.answer_until, one.fee, *[None] * 5, one.index, None, None, one.batch_id, one.tx)


def write_batches(tables: Tables, sheet: Sheet, subtitle: str) -> None:
    """Each batch behind a line of rides, as far as it is with that line's city."""
    statement = tables.statement
    sheet.title(Words("Batches", "批次"), subtitle)
    columns = [
        *_EVENT_COLUMNS,
        Column(Words("Batch no.", "批次序号"), 11, "count"),
        Column(Words("Rides here", "本行行程"), 12, "count"),
        Column(Words("Late", LATE.zh), 8, "count"),
        Column(Words("Fares", "票款"), 14, "money"),
        Column(Words("Batch: settled", "全批结算"), 9, "count"),
        Column(Words("Batch: refused", "全批拒付"), 9, "count"),
        Column(Words("Batch: fares", "全批票款"), 14, "money"),
        *_BLOCK_COLUMNS,
        _BATCH,
        _TRANSACTION,
    ]
    if tables.cash:
        columns.insert(8, Column(Words("Of it paid", "实付"), 14, "money"))
    sheet.headings(columns)
    first = sheet.row
    for entry, event in _events(tables, sheet, RIDE_KINDS):
        number = entry.batch or 0
        batch = statement.batches[number]
        amounts: list[Cell] = [entry.amount, entry.paid] if tables.cash else [entry.amount]
        whole = (batch.settled, batch.refused or None, batch.fares, entry.block, entry.time, batch.batch_id, entry.tx)
        sheet.add(*event, number + 1, entry.count, entry.late or None, *amounts, *whole)
    last = sheet.row - 1
    sheet.filtered(last)
    sheet.printed(sheet.row)
    sheet.flag(first, last, f"=$G{first + 1}>0")
    tables.totals["batches"] = f"SUM({sheet.range(7, first, max(first, last))})"


def make_ride_sheets(tables: Tables) -> list[Sheet]:
    """As many sheets as the rides need, one at least."""
    count = len(tables.statement.rides)
    sheets = []
    for number in range(max(1, -(-count // RIDES_A_SHEET))):
        sheet = tables.book.sheet(f"Rides {number + 1}" if number else "Rides")
        here = min(RIDES_A_SHEET, count - number * RIDES_A_SHEET)
        tables.ride_sheets.append((sheet, TABLE_ROWS, TABLE_ROWS + here - 1))
        sheets.append(sheet)
    return sheets


def write_rides(tables: Tables, sheets: list[Sheet], subtitle: str) -> None:
    """Each ride behind the lines; `sheets` are as many as they need."""
    rows = iter(tables.statement.rides)
    for sheet, (_, first, last) in zip(sheets, tables.ride_sheets, strict=True):
        sheet.title(Words("Rides", "行程明细"), f"{subtitle}; times by the clock of {_clock(tables)}")
        sheet.headings(_RIDE_COLUMNS)
        assert sheet.row == first
        names = {party.code: tables.city(party.code) for party in tables.statement.parties}
        own = tables.statement.city.code
        for ride in islice(rows, last - first + 1):
            line, batch, index, issuer, operator, start, end, entered, exited, day, fare, settled, late = ride
            who = names[issuer], names[operator]
            where = start or UNKNOWN, end or UNKNOWN, entered, exited, day, settled
            fares = (fare, None) if operator == own else (None, fare)
            sheet.add(line, batch + 1, index, *who, *where, *fares, LATE_RIDE if late else None)
        sheet.filtered(last)
        sheet.flag(first, last, f'=$N{first + 1}<>""')


UNKNOWN: Final = "unknown 未知"
"""A station that no gate told of."""
LATE_RIDE: Final = f"{LATE.en} {LATE.zh}"
_RIDE_COLUMNS: Final = (
    Column(Words("Line", "序号"), 7, "count"),
    Column(Words("Batch no.", "批次序号"), 11, "count"),
    Column(Words("Ride no.", "批内序号"), 10, "number"),
    Column(Words("Issuer", "发卡方"), 17),
    Column(Words("Operator", "运营方"), 17),
    Column(Words("From station", "进站"), 15, "number"),
    Column(Words("To station", "出站"), 15, "number"),
    Column(Words("Entry", "进站时间"), 21, "moment"),
    Column(Words("Exit", "出站时间"), 21, "moment"),
    Column(Words("Operating day", "运营日"), 15, "day"),
    Column(Words("Settled", "结算时间"), 21, "moment"),
    Column(Words("Earned", "应收"), 11, "money"),
    Column(Words("Owed", "应付"), 11, "money"),
    Column(Words("Late", LATE.zh), 17),
)


def fares_listed(tables: Tables, kind: Kind) -> str:
    """A formula's part: all fares of the sheets of rides that were earned, or owed."""
    column = _EARNED if kind is Kind.RIDES_CARRIED else _OWED
    return "+".join(f"SUM({sheet.range(column, first, max(first, last))})" for sheet, first, last in tables.ride_sheets)


def write_bridge(tables: Tables, sheet: Sheet, subtitle: str) -> None:
    """What lies between the two bases at both ends of the period: position + these = accrued position."""
    statement = tables.statement
    sheet.title(Words("Between the bases", "两种口径的差异"), subtitle)
    sheet.headings(
        [
            Column(Words("City", "城市"), 20),
            Column(Words("What", "项目"), 29),
            Column(Words("Why", "原因"), 44),
            Column(Words("Count, opening", "期初笔数"), 17, "count"),
            Column(Words("Amount, opening", "期初金额"), 18, "money"),
            Column(Words("Count, closing", "期末笔数"), 17, "count"),
            Column(Words("Amount, closing", "期末金额"), 18, "money"),
        ]
    )
    first = sheet.row
    for row in statement.bridge:
        timing = TIMING_WORDS[row.timing]
        amounts = (row.opening_count, row.opening_amount, row.closing_count, row.closing_amount)
        sheet.add(tables.city(row.other), kind_name(row.kind), f"{timing.en} {timing.zh}", *amounts)
    tables.totals["unsettled opening"] = f"'{sheet.name}'!{sheet.cell(4)}"
    tables.totals["unsettled closing"] = f"'{sheet.name}'!{sheet.cell(6)}"
    rows = statement.bridge
    sums = {
        3: sum(row.opening_count for row in rows),
        4: sum(row.opening_amount for row in rows),
        5: sum(row.closing_count for row in rows),
        6: sum(row.closing_amount for row in rows),
    }
    _total_row(sheet, first, {0: "Total 合计"}, sums)


def _events(tables: Tables, sheet: Sheet, kinds: Iterable[Kind]) -> Iterator[tuple[Entry, list[Cell]]]:
    """The entries of some kinds in order, with the first cells of their rows; notes where each line's begin."""
    for entry in tables.statement.entries:
        line = tables.statement.lines[entry.line - 1]
        if line.kind in kinds:
            if line.number not in tables.event_rows:
                tables.event_rows[line.number] = Link(sheet.name, sheet.row, f"{line.entries:,} × {sheet.name}")
            yield entry, [line.number, line.day, kind_name(line.kind), tables.city(line.other)]


def _batch_hash(statement: Statement, entry: Entry) -> str:
    return "" if entry.batch is None else statement.batches[entry.batch].batch_id


def _clock(tables: Tables) -> str:
    return f"{tables.statement.city.name} ({tables.statement.city.operating_day.timezone})"


def _counted(lines: Iterable[Line], kind: Kind) -> int:
    return sum(line.count for line in lines if line.kind is kind)


def _titled(words: Words) -> Words:
    """As a heading."""
    return Words(words.en.capitalize(), words.zh)


_FARES: Final = {
    Kind.RIDES_CARRIED: Words("Fares earned", "应收票款"),
    Kind.RIDES_TAKEN: Words("Fares owed", "应付票款"),
}


def _quoted(kind: Kind) -> str:
    return f'"{kind_name(kind)}"'
