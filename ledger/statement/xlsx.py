"""A statement as a workbook: a page to sign, and behind it every line, batch and ride that it adds up.

All totals are formulas, and their values stand in the file as well. Amounts are exact to the fen: each formula that
adds up yuan rounds to two decimals, so that what a spreadsheet's binary numbers lose never shows.
"""

from typing import Final

from ledger.statement.model import RIDE_KINDS, Basis, Kind, RideRow, Statement, Total
from ledger.statement.sheet import Book, Cell, Column, Formula, Sheet, width_of
from ledger.statement.words import (
    BASIS_SENTENCES,
    BASIS_WORDS,
    STATEMENT,
    Words,
    local_time,
    printable,
    remarks,
    running_words,
)
from ledger.statement.xlsx_tables import (
    COUNT,
    IN,
    LATES,
    OUT,
    POSITION,
    TABLE_ROWS,
    Tables,
    fares_listed,
    in_and_out,
    kind_name,
    kinds_of,
    make_ride_sheets,
    rounded,
    write_arrears,
    write_batches,
    write_bridge,
    write_corrections,
    write_counterparties,
    write_days,
    write_lines,
    write_rides,
    write_transfers,
)

_BLANK: Final = Column(Words("", ""), 0)
_DAYS_A_PAGE: Final = 31
_NAME_LENGTH: Final = 60
"""Of a city in headings and footers: a footer holds 255 characters."""


def xlsx(statement: Statement) -> bytes:
    """The workbook.

    Raises:
        FormError: more rows than a sheet has.
    """
    city, basis = statement.city, BASIS_WORDS[statement.basis].en
    name = printable(city.name)[:_NAME_LENGTH]
    subtitle = f"{name}, {statement.period}, {basis}, yuan 元; block 区块 {statement.block_number}"
    footer = f"{name}, {statement.period}, {basis}, block {statement.block_number}".replace("&", "&&")
    title = f"{name} {statement.period}, {basis}"
    book = Book(title, footer, statement.block_time, city.operating_day.timezone)
    page = book.sheet("Statement", pages=1)
    lines = book.sheet("Lines")
    tables = Tables(statement, book, lines, TABLE_ROWS, TABLE_ROWS + len(statement.lines))
    days = book.sheet("Days", pages=int((statement.period.last - statement.period.first).days <= _DAYS_A_PAGE))
    counterparties, arrears = book.sheet("Counterparties"), book.sheet("Arrears")
    transfers, corrections, batches = (book.sheet(name) for name in ("Transfers", "Corrections", "Batches"))
    rides = make_ride_sheets(tables)
    bridge, about = book.sheet("Bridge"), book.sheet("About")
    # what lines lead to is written before them, and what the page refers to before the page
    write_transfers(tables, transfers, subtitle)
    write_corrections(tables, corrections, subtitle)
    write_batches(tables, batches, subtitle)
    write_rides(tables, rides, subtitle)
    write_lines(tables, subtitle)
    write_days(tables, days, subtitle)
    write_counterparties(tables, counterparties, subtitle)
    write_arrears(tables, arrears, subtitle)
    write_bridge(tables, bridge, subtitle)
    _page(tables, page)
    _about(tables, about, subtitle)
    return book.finish()


# ---------------------------------------------------------------- the page to sign


def _page(tables: Tables, sheet: Sheet) -> None:
    sheet.sheet.center_horizontally()
    for column, width in enumerate((44, 13, 13, 18, 18, 20, 20)):
        sheet.sheet.set_column(column, column, width)
    _facts(tables, sheet)
    closing = _summary(tables, sheet)
    position = _account(tables, sheet)
    _checks(tables, sheet, closing, position)
    sheet.next(2)
    for column, label in ((0, "Prepared by 制表: ____________________"), (2, "Checked by 复核: ____________________")):
        sheet.put(column, label, "label")
    sheet.put(5, "Date 日期: ____________________", "label")


def _facts(tables: Tables, sheet: Sheet) -> None:
    statement, city = tables.statement, tables.statement.city
    sheet.put(0, f"{STATEMENT.en} {STATEMENT.zh}", "title")
    sheet.next(2, height=24)
    basis = BASIS_WORDS[statement.basis]
    facts = (
        ("City 城市", f"{tables.city(city.code)} ({city.code})"),
        ("Period 账期", f"{statement.period.first} – {statement.period.last}; days begin at {city.operating_day}"),
        ("Basis 口径", f"{basis.en} {basis.zh}"),
        ("Currency 币种", "CNY 人民币元"),
        ("Block 区块", f"{statement.block_number}, {local_time(statement, statement.block_time)}"),
        ("Block hash 区块哈希", statement.block_hash),
        ("Clearinghouse 清算合约", f"{statement.clearinghouse}, chain {statement.chain_id}"),
    )
    for label, fact in facts:
        sheet.put(0, label, "label")
        sheet.put(1, fact)
        sheet.next()
    for remark in remarks(statement):
        sheet.put(0, f"{remark.en} {remark.zh}", "flag")
        sheet.next()
    sheet.next()


def _summary(tables: Tables, sheet: Sheet) -> str:
    """Lines by kind, between opening and closing; the cell of the closing."""
    statement = tables.statement
    running = running_words(statement.basis)
    columns = [
        Column(Words("Summary", "汇总"), 0),
        Column(Words("Count", "笔数"), 0, "count"),
        Column(Words("Late", "迟到结算"), 0, "count"),
        *(Column(words, 0, "money") for words in in_and_out(statement.basis)),
        Column(Words(running.en.capitalize(), running.zh), 0, "exact"),
    ]
    if tables.cash:
        columns.append(Column(Words("Effect on position", "头寸变动"), 0, "money"))
    sheet.headings(columns, repeat=False)
    spare: list[Cell] = [None] * tables.cash
    opening = sheet.cell(5)
    sheet.add(f"Opening {running.en} 期初{running.zh}", *[None] * 4, statement.opening_amount, *spare)
    first = sheet.row
    totals = [total for total in statement.totals() if total.kind in kinds_of(statement.basis)]
    for total in totals:
        sheet.add(*_kind_cells(tables, total))
    effects = [statement.effect(total) for total in totals]
    added = [f"SUM({sheet.cell(column, first)}:{sheet.cell(column, sheet.row - 1)})" for column in range(7)]
    closing = sheet.cell(5)
    row: list[Cell] = [f"Closing {running.en} 期末{running.zh}"]
    row.append(Formula(f"={added[1]}", sum(total.count for total in totals)))
    row.append(Formula(f"={added[2]}", sum(total.late for total in totals)))
    row.append(Formula(rounded(added[3]), sum(max(effect, 0) for effect in effects)))
    row.append(Formula(rounded(added[4]), sum(max(-effect, 0) for effect in effects)))
    in_all = f"{opening}+{sheet.cell(3)}-{sheet.cell(4)}"
    row.append(Formula(rounded(in_all), statement.opening_amount + sum(effects)))
    if tables.cash:
        row.append(Formula(rounded(added[6]), sum(total.amount for total in totals)))
    sheet.add(*row, total=True)
    sheet.next()
    return closing


def _kind_cells(tables: Tables, total: Total) -> list[Cell]:
    """The row of all lines of one kind."""
    name, effect = f'"{kind_name(total.kind)}"', tables.statement.effect(total)
    cells: list[Cell] = [f"    {kind_name(total.kind)}"]
    cells.append(Formula(f"={tables.summed(COUNT, kind=name)}", total.count))
    cells.append(Formula(f"={tables.summed(LATES, kind=name)}", total.late))
    cells.append(Formula(rounded(tables.summed(IN, kind=name)), max(effect, 0)))
    cells.append(Formula(rounded(tables.summed(OUT, kind=name)), max(-effect, 0)))
    cells.append(None)
    if tables.cash:
        cells.append(Formula(rounded(tables.summed(POSITION, kind=name)), total.amount))
    return cells


def _account(tables: Tables, sheet: Sheet) -> int:
    """The city's account at both ends and at the block: the row of the position."""
    statement = tables.statement
    accounts = (statement.opening, statement.closing, statement.at_block)
    spare: list[Cell] = [None] * tables.cash
    sheet.headings(
        [
            Column(Words("Account by the contracts", "合约账户"), 0),
            *[_BLANK] * 2,
            Column(Words("Opening", "期初"), 0, "exact"),
            Column(Words("Closing", "期末"), 0, "exact"),
            Column(Words(f"At block {statement.block_number}", "区块时点"), 0, "exact"),
            *([_BLANK] * tables.cash),
        ],
        repeat=False,
    )
    start = sheet.row
    for label, values in (
        ("    Balance in the Clearinghouse 清算合约余额", [account.balance for account in accounts]),
        ("    + arrears that others owe 加：应收欠款", [account.due for account in accounts]),
        ("    – arrears that it owes 减：应付欠款", [account.owed for account in accounts]),
    ):
        sheet.add(label, None, None, *values, *spare)
    position = sheet.row
    positions = [
        _added(sheet, column, (start, start + 1), account.position, less=start + 2)
        for column, account in enumerate(accounts, 3)
    ]
    sheet.add("Position 头寸", None, None, *positions, *spare, total=True)
    unsettled = [_unsettled(tables, edge) for edge in _EDGES]
    cells = [f"={tables.totals[f'unsettled {edge}']}" for edge in _EDGES]
    bridge = [Formula(cell, amount) for cell, amount in zip(cells, unsettled, strict=True)]
    sheet.add("    + not settled yet, net (Bridge) 加：尚未结算净额", None, None, *bridge, None, *spare)
    accrued = [
        _added(sheet, column, (position, position + 1), account.position + amount)
        for column, account, amount in zip((3, 4), accounts, unsettled, strict=False)
    ]
    sheet.add("Accrued position 应计头寸", None, None, *accrued, None, *spare, total=True)
    sheet.next()
    return position


def _added(sheet: Sheet, column: int, rows: tuple[int, ...], value: int, less: int | None = None) -> Formula:
    """Some cells of a column added up, less another."""
    text = "+".join(sheet.cell(column, row) for row in rows)
    return Formula(rounded(text if less is None else f"{text}-{sheet.cell(column, less)}"), value)


_EDGES: Final = ("opening", "closing")


def _unsettled(tables: Tables, edge: str) -> int:
    """What the bridge adds up to at one end of the period."""
    rows = tables.statement.bridge
    return sum(row.opening_amount if edge == "opening" else row.closing_amount for row in rows)


# ---------------------------------------------------------------- checks


def _checks(tables: Tables, sheet: Sheet, closing: str, position: int) -> None:
    """Differences that must be nothing, with what they are."""
    sheet.headings(
        [
            Column(Words("Checks", "核对"), 0),
            *[_BLANK] * 3,
            Column(Words("Difference", "差额"), 0, "exact"),
            *([_BLANK] * (1 + tables.cash)),
        ],
        repeat=False,
    )
    first = sheet.row
    for label, formula, difference in _differences(tables, sheet, closing, position):
        found = Formula(rounded(formula), difference)
        verdict = f'=IF({sheet.cell(4)}=0,"{_AGREES}","{_DIFFERS}")'
        said = Formula(verdict, _DIFFERS if difference else _AGREES)
        sheet.add(f"    {label}", None, None, None, found, said, *[None] * tables.cash)
    sheet.flag(first, sheet.row - 1, f"=$E{first + 1}<>0", "wrong")


_AGREES: Final = "agrees 相符"
_DIFFERS: Final = "DIFFERS 不符"


def _differences(tables: Tables, sheet: Sheet, closing: str, position: int) -> list[tuple[str, str, int]]:
    """(what, formula, what it comes to, fen)."""
    statement = tables.statement
    effects = sum(statement.effect(line) for line in statement.lines)
    amounts = sum(line.amount for line in statement.lines)
    contracts = sheet.cell(4, position - 3 if tables.cash else position + 2)
    rows = [
        (
            "Closing by the lines = closing by the contracts 明细推算期末 = 合约期末",
            f"{closing}-{contracts}",
            statement.opening_amount + effects - statement.closing_amount,
        ),
        (
            "Closing here = closing in Lines 汇总期末 = 明细账期末",
            f"{closing}-{tables.totals['closing']}",
            0,
        ),
    ]
    if tables.cash:
        before, after = sheet.cell(3, position), sheet.cell(4, position)
        rows.append(
            (
                "Position: opening + lines = closing 头寸：期初 + 明细 = 期末",
                f"{before}+{tables.summed(POSITION)}-{after}",
                statement.opening.position + amounts - statement.closing.position,
            )
        )
    transfers = "-".join(
        f"({tables.net(kind=chr(34) + kind_name(kind) + chr(34))})" for kind in (Kind.DEPOSIT, Kind.WITHDRAWAL)
    )
    between = sum(statement.effect(total) for one in statement.counterparties for total in one.totals)
    moved = sum(statement.effect(line) for line in statement.lines if not line.other)
    rows.append(
        (
            "Counterparties, deposits and withdrawals = lines 各城市与存取 = 明细",
            f"({tables.net()})-{tables.totals['counterparties']}-{transfers}",
            effects - between - moved,
        )
    )
    return [*rows, *_behind(tables, sheet, position)]


def _behind(tables: Tables, sheet: Sheet, position: int) -> list[tuple[str, str, int]]:
    """That batches, rides and arrears agree with the lines."""
    statement, totals = tables.statement, tables.totals
    listed = dict.fromkeys(RIDE_KINDS, 0)
    for line, fares in _fares(statement):
        listed[statement.lines[line - 1].kind] += fares
    lines = {kind: sum(line.amount for line in statement.lines if line.kind is kind) for kind in RIDE_KINDS}
    batches = sum(entry.amount for entry in statement.entries if statement.lines[entry.line - 1].kind in RIDE_KINDS)
    carried, taken = (_amount_of(tables, kind) for kind in RIDE_KINDS)
    arrears = sum(one.due_closing - one.owed_closing for one in statement.counterparties)
    contracts = f"{sheet.cell(4, position - 2)}-{sheet.cell(4, position - 1)}"
    return [
        (
            "Fares of rides listed, earned = lines 行程明细应收票款 = 明细",
            f"{fares_listed(tables, Kind.RIDES_CARRIED)}{_unread(statement, Kind.RIDES_CARRIED)}-{carried}",
            listed[Kind.RIDES_CARRIED] + statement.unread_fares(Kind.RIDES_CARRIED) - lines[Kind.RIDES_CARRIED],
        ),
        (
            "Fares of rides listed, owed = lines 行程明细应付票款 = 明细",
            f"{fares_listed(tables, Kind.RIDES_TAKEN)}{_unread(statement, Kind.RIDES_TAKEN)}+{taken}",
            listed[Kind.RIDES_TAKEN] + statement.unread_fares(Kind.RIDES_TAKEN) + lines[Kind.RIDES_TAKEN],
        ),
        (
            "Fares of batches = lines 批次票款 = 明细",
            f"{totals['batches']}-{carried}-{taken}",
            batches - sum(lines.values()),
        ),
        (
            "Arrears by city = arrears by the contracts 分城市欠款 = 合约欠款",
            f"({totals['due']}-{totals['owed']})-({contracts})",
            arrears - statement.closing.due + statement.closing.owed,
        ),
    ]


def _unread(statement: Statement, kind: Kind) -> str:
    """A formula's part: fares of rides that weren't read, in yuan."""
    fares = statement.unread_fares(kind)
    return f"+{fares // 100}.{fares % 100:02}" if fares else ""


def _amount_of(tables: Tables, kind: Kind) -> str:
    """A formula's part: what the lines of a kind did to the position."""
    name = f'"{kind_name(kind)}"'
    return tables.summed(POSITION, kind=name) if tables.cash else f"({tables.net(kind=name)})"


def _fares(statement: Statement) -> list[tuple[int, int]]:
    """(line, fares) of the rides listed."""
    sums: dict[int, int] = {}
    lines, fares = (statement.rides.columns[RideRow._fields.index(name)] for name in ("line", "fare"))
    for line, fare in zip(lines, fares, strict=True):
        sums[line] = sums.get(line, 0) + fare
    return list(sums.items())


# ---------------------------------------------------------------- about


def _about(tables: Tables, sheet: Sheet, subtitle: str) -> None:
    statement = tables.statement
    sheet.sheet.set_column(0, 0, 22)
    sheet.sheet.set_column(1, 1, 110)
    sheet.title(Words("About this statement", "说明"), subtitle)
    basis = BASIS_SENTENCES[statement.basis]
    other = BASIS_SENTENCES[Basis.ACCRUAL if tables.cash else Basis.SETTLEMENT]
    for label, text in (
        ("Basis 口径", basis.en),
        ("", basis.zh),
        ("The other one 另一口径", other.en),
        ("", other.zh),
        *_ABOUT,
        ("Made at 依据", f"block {statement.block_number}, {statement.block_hash}"),
    ):
        sheet.put(0, label, "label")
        sheet.put(1, text, "wrapped")
        sheet.next(height=15.0 * max(1, -(-width_of(text) // 112)))


_ABOUT: Final = (
    (
        "Amounts 金额",
        "Yuan, exact to the fen. In the city's favour above 0; what it paid or owes stands in a column of its own.",
    ),
    ("", "单位为元，精确到分。对本城市有利为正；支出或应付另列一栏。"),
    (
        "Late rides 迟到结算",
        "Rides whose settlement falls into a later period than their exit. They are coloured, and say so in their "
        "column. The sheet Bridge says what of them lies between the two bases at both ends of the period.",
    ),
    ("", "结算晚于出站所在账期的行程，以底色和专栏标明；两种口径在期初、期末的差异见 Bridge 表。"),
    (
        "Sheets 工作表",
        "Statement: to sign. Lines: one day's dealings of one kind with one city; their links lead to the batches, "
        "transfers or corrections and to the rides behind them. Days, Counterparties and Arrears add the lines up.",
    ),
    ("", "Statement 供签字；Lines 为每日、每城市、每类别一行，并链接到批次、划转、退款与行程；其余各表为汇总。"),
    (
        "On paper 打印",
        "Hashes of transactions and batches stand at the right end of their tables: on the screen only.",
    ),
    ("", "交易与批次哈希位于各表最右侧，仅供屏幕查看，不打印。"),
    (
        "Made again 复核",
        "Everything here follows from the chain up to the block named: made again at that block, the file is the "
        "same, byte for byte. Whoever reads the same chain can recompute it.",
    ),
    ("", "本表全部数据来自所列区块及之前的链上记录；按同一区块重新生成，文件逐字节相同，任何人均可复算。"),
)
