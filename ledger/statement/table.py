"""A statement as tables for people, 120 columns wide; amounts in yuan."""

import io
from collections.abc import Iterable
from typing import Final

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from interline.money import format_yuan
from ledger.statement.model import Account, Basis, Counterparty, Kind, Statement
from ledger.statement.words import (
    BASIS_SENTENCES,
    BASIS_WORDS,
    KIND_WORDS,
    TIMING_WORDS,
    local_time,
    printable,
    remarks,
    running_words,
)

_WIDTH: Final = 120


def table_text(statement: Statement) -> bytes:
    """The tables as plain text, UTF-8."""
    console = Console(
        file=io.StringIO(),
        width=_WIDTH,
        color_system=None,
        force_terminal=False,
        legacy_windows=False,
        markup=False,
        emoji=False,
    )
    with console.capture() as captured:
        for part in statement_tables(statement):
            console.print(part)
    lines = (line.rstrip() for line in captured.get().splitlines())
    return ("\n".join(lines) + "\n").encode()


def statement_tables(statement: Statement) -> list[RenderableType]:
    """What is printed: the head, the account, the lines, the cities, the bridge and the disputes."""
    parts: list[RenderableType] = [_head(statement), _accounts(statement), _lines(statement), _cities(statement)]
    if statement.bridge:
        parts.append(_bridge(statement))
    if statement.disputes:
        parts.append(_disputes(statement))
    return parts


def _head(statement: Statement) -> Text:
    city, basis = statement.city, BASIS_WORDS[statement.basis]
    name = f"{printable(city.name)} {city.name_zh or ''}".strip()
    lines = [
        f"{name} ({city.code}): statement of account, {statement.period}, {basis.en} 对账单 {basis.zh}",
        BASIS_SENTENCES[statement.basis].en,
        f"Days from {local_time(statement, statement.begins)} to {local_time(statement, statement.ends - 1)}.",
        f"Block {statement.block_number} of {local_time(statement, statement.block_time)},",
        f"{statement.block_hash}; Clearinghouse {statement.clearinghouse}, chain {statement.chain_id}",
    ]
    lines += [f"{remark.en} {remark.zh}" for remark in remarks(statement)]
    return Text("\n".join(lines))


def _accounts(statement: Statement) -> Table:
    table = _table("Account, yuan", ("", "left"), ("opening", "right"), ("change", "right"), ("closing", "right"))
    table.add_column("at the block", justify="right")
    edges = (statement.opening, statement.closing, statement.at_block)
    for name, title in (
        ("balance", "balance in the Clearinghouse"),
        ("due", "+ arrears due from others"),
        ("owed", "- arrears owed to others"),
        ("position", "= position"),
        ("unsettled", "+ not settled yet (see the bridge)"),
        ("accrued", "= accrued position"),
    ):
        opening, closing, at_block = (_figure(account, name) for account in edges)
        runs = name == ("balance" if statement.basis is Basis.SETTLEMENT else "accrued")
        cells = map(format_yuan, (opening, closing - opening, closing, at_block))
        table.add_row(f"{title} *" if runs else title, *cells)
    table.caption = "* what the lines below run over"
    table.caption_justify = "left"
    return table


def _figure(account: Account, name: str) -> int:
    value: int = getattr(account, name)
    return value


def _lines(statement: Statement) -> Table:
    cash = statement.basis is Basis.SETTLEMENT
    running = running_words(statement.basis).en
    table = _table(f"Lines, yuan: they run over the {running}", ("day", "left"), ("what", "left"), ("with", "left"))
    for heading in ("count", "late", "late fares", "amount", *(("of it paid",) if cash else ()), running):
        table.add_column(heading, justify="right")
    amount = statement.opening_amount
    blank = [""] * (5 if cash else 4)
    table.add_row("", "opening", "", *blank, format_yuan(amount), end_section=True)
    for number, line in enumerate(statement.lines):
        amount += statement.effect(line)
        last_of_day = line is statement.lines[-1] or statement.lines[number + 1].day != line.day
        table.add_row(
            str(line.day),
            KIND_WORDS[line.kind].en,
            _name(statement, line.other),
            f"{line.count:,}",
            f"{line.late:,}" if line.late else "",
            format_yuan(line.late_amount) if line.late else "",
            format_yuan(line.amount),
            *((format_yuan(line.paid or 0),) if cash else ()),
            format_yuan(amount) if last_of_day else "",
        )
    table.add_section()
    table.add_row("", "closing", "", *blank, format_yuan(statement.closing_amount))
    return table


def _cities(statement: Statement) -> Table:
    cash = statement.basis is Basis.SETTLEMENT
    table = _table("By city, yuan", ("with", "left"))
    headings = ("carried", "fares", "taken", "fares", "refunds", "fees", *(("of all paid",) if cash else ()))
    for heading in (*headings, "is owed", "owes", "in dispute"):
        table.add_column(heading, justify="right")
    for one in statement.counterparties:
        carried, taken = one.total(Kind.RIDES_CARRIED), one.total(Kind.RIDES_TAKEN)
        table.add_row(
            _name(statement, one.code),
            f"{carried.count:,}",
            format_yuan(carried.amount),
            f"{taken.count:,}",
            format_yuan(taken.amount),
            format_yuan(_sum(one, (Kind.REFUND_GIVEN, Kind.REFUND_RECEIVED))),
            format_yuan(_sum(one, (Kind.FEE_EARNED, Kind.FEE_OWED))),
            *((format_yuan(one.paid or 0),) if cash else ()),
            format_yuan(one.due_closing),
            format_yuan(one.owed_closing),
            format_yuan(one.disputed_carried + one.disputed_taken),
        )
    table.caption = "is owed, owes: arrears at the end; in dispute: hangs on open disputes, and is among the fares"
    table.caption_justify = "left"
    return table


def _bridge(statement: Statement) -> Table:
    table = _table("From the position to the accrued position, yuan", ("with", "left"), ("what", "left"))
    for heading in ("count", "opening", "count", "closing"):
        table.add_column(heading, justify="right")
    for row in statement.bridge:
        table.add_row(
            _name(statement, row.other),
            f"{KIND_WORDS[row.kind].en} {TIMING_WORDS[row.timing].en}",
            f"{row.opening_count:,}",
            format_yuan(row.opening_amount),
            f"{row.closing_count:,}",
            format_yuan(row.closing_amount),
        )
    return table


def _disputes(statement: Statement) -> Table:
    table = _table("Open disputes, yuan", ("home city", "left"), ("carried by", "left"), ("ride", "left"))
    for heading in ("hangs", "fee", "answer until"):
        table.add_column(heading, justify="right")
    for one in statement.disputes:
        table.add_row(
            _name(statement, one.issuer),
            _name(statement, one.operator),
            f"{one.batch_id[:10]}… {one.index}",
            format_yuan(one.amount),
            format_yuan(one.fee),
            local_time(statement, one.answer_until),
        )
    return table


def _table(title: str, *columns: tuple[str, str]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading, side in columns:
        table.add_column(heading, justify="left" if side == "left" else "right")
    return table


def _name(statement: Statement, code: int) -> str:
    return printable(statement.party(code).name) if code else ""


def _sum(one: Counterparty, kinds: Iterable[Kind]) -> int:
    return sum(one.total(kind).amount for kind in kinds)
