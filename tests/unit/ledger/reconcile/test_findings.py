"""What a check says of itself, for people and for programs."""

from __future__ import annotations

import io
import json

from rich.console import Console

from ledger.reconcile.command import Reconciled
from ledger.reconcile.findings import MOST, Finding, Result, result_of
from ledger.reconcile.table import findings_tables

BATCH = "0x" + "ab" * 32
WHY = ("the row was changed", "make the index anew")


def finding(index: int, why: tuple[str, str] = WHY) -> Finding:
    return Finding("index", f"batch {BATCH}, ride {index}", "3.30 yuan", "3.31 yuan", *why, BATCH, index)


def shown(*results: Result) -> str:
    console = Console(file=io.StringIO(), width=120)
    for table in findings_tables(results):
        console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_check_without_findings_says_what_it_compared() -> None:
    result = result_of("bank", "3 bookings with 3 deposits", [])
    assert result.verdict == "bank: nothing differs: 3 bookings with 3 deposits"
    assert shown(result) == ""


def test_more_findings_than_are_listed_are_counted() -> None:
    result = result_of("index", "rides", [finding(n) for n in range(MOST + 5)])
    assert (len(result.findings), result.count) == (MOST, MOST + 5)
    assert result.verdict == f"index: {MOST + 5} DIFFER, of which {MOST} are listed: rides"


def test_findings_of_one_cause_stand_together_and_batch_ids_in_one_piece() -> None:
    text = shown(result_of("index", "rides", [finding(1), finding(2), finding(3, ("it was deleted", "ask"))]))
    assert text.count("Cause: the row was changed.") == 1
    assert text.count("What to do: ask.") == 1
    assert [text.count(f"batch {BATCH}, ride {n}") for n in (1, 2, 3)] == [1, 1, 1]
    assert "index: 2 differences" in text
    assert "index: 1 difference " in text


def test_what_a_bank_wrote_is_shown_as_it_is() -> None:
    odd = Finding("bank", "bank.csv, line 2", "reference [red]x[/]", "\x1b[31mnone", *WHY)
    text = shown(result_of("bank", "1 booking", [odd]))
    assert "reference [red]x[/]" in text
    assert "\x1b" not in text


def test_the_document_names_batch_and_ride() -> None:
    made = Reconciled(7, "0x" + "cd" * 32, (result_of("index", "rides", [finding(4)]),))
    document = json.loads(json.dumps(made.document()))
    assert document["differences"] == 1
    assert made.differs
    [check] = document["checks"]
    assert (check["check"], check["count"]) == ("index", 1)
    assert (check["findings"][0]["batch"], check["findings"][0]["index"]) == (BATCH, 4)
