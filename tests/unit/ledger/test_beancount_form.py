"""Statements as Beancount ledgers: `bean-check` itself is asked, as an accountant would."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from beancount import loader
from beancount.core.data import Transaction

from ledger.statement.beancount_form import beancount
from ledger.statement.model import Account, Basis, Kind, Statement
from tests.support.patience import PATIENCE
from tests.support.statements import DEALS, SUZHOU, Deal, statement_of

BEAN_CHECK = Path(sys.executable).with_name("bean-check")
BASES = pytest.mark.parametrize("basis", Basis)


def bean_check(ledger: bytes, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "statement.beancount"
    path.write_bytes(ledger)
    return subprocess.run(
        [BEAN_CHECK, "--no-cache", path], capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def require_clean(statement: Statement, folder: Path) -> None:
    checked = bean_check(beancount(statement), folder)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@BASES
def test_bean_check_finds_nothing_to_say(basis: Basis, tmp_path: Path) -> None:
    require_clean(statement_of(basis), tmp_path)


@BASES
def test_bean_check_finds_nothing_to_say_of_an_empty_statement(basis: Basis, tmp_path: Path) -> None:
    require_clean(statement_of(basis, deals=(), opening=Account()), tmp_path)


@pytest.mark.parametrize(
    ("basis", "account", "right", "wrong"),
    [
        (Basis.SETTLEMENT, "Assets:Clearinghouse:Balance", "18.53", "18.54"),
        (Basis.SETTLEMENT, "Assets:Clearinghouse:Arrears:Hangzhou-3301", "6.67", "6.68"),
        (Basis.ACCRUAL, "Assets:Clearinghouse:Transit", "18.53", "18.54"),
        (Basis.ACCRUAL, "Income:Fares:Hangzhou-3301", "-17.00", "-17.01"),
    ],
)
def test_one_fen_changed_is_refused(basis: Basis, account: str, right: str, wrong: str, tmp_path: Path) -> None:
    text = beancount(statement_of(basis)).decode()
    posting = f"  {account:<50} {right:>16} CNY"
    assert posting in text
    checked = bean_check(text.replace(posting, f"  {account:<50} {wrong:>16} CNY", 1).encode(), tmp_path)
    assert checked.returncode == 1
    assert "does not balance" in checked.stderr


@BASES
def test_one_fen_more_on_both_sides_of_a_batch_is_refused(basis: Basis, tmp_path: Path) -> None:
    """It balances, but the balance isn't the one that the contract has."""
    ledger = beancount(statement_of(basis))
    assert ledger.count(b"18.53 CNY") == 2
    checked = bean_check(ledger.replace(b"18.53 CNY", b"18.54 CNY"), tmp_path)
    assert checked.returncode == 1
    assert "(0.01 too much)" in checked.stderr


@BASES
def test_a_batch_left_out_is_refused(basis: Basis, tmp_path: Path) -> None:
    sections = beancount(statement_of(basis)).decode().split("\n\n")
    without = [section for section in sections if '"rides carried: 2"' not in section]
    assert len(without) == len(sections) - 1
    checked = bean_check("\n\n".join(without).encode(), tmp_path)
    assert checked.returncode == 1
    assert "(13.01 too little)" in checked.stderr


def test_a_transaction_names_its_block_batch_and_bank_reference(tmp_path: Path) -> None:
    statement = statement_of()
    transactions = loaded(statement, tmp_path)
    carried = transactions[1]
    assert (carried.date, carried.payee) == (statement.lines[0].day, "Suzhou")
    assert carried.narration == "rides carried: 4, of them late: 2"
    assert carried.meta["block"] == 1_000
    assert carried.meta["tx"] == statement.entries[0].tx
    assert carried.meta["batch"] == statement.batches[0].batch_id
    assert [one.meta["bank"] for one in transactions if "bank" in one.meta] == [
        "ICBC 20191202-0017",
        '=HYPERLINK("http://bank")',
    ]


@BASES
def test_every_event_that_moved_something_is_a_transaction(basis: Basis, tmp_path: Path) -> None:
    deals = [deal for deal in DEALS if basis is Basis.SETTLEMENT or deal.kind is not Kind.ARREARS_RECEIVED]
    extra = 1 if basis is Basis.SETTLEMENT else 2  # the opening; and what came out of transit
    assert len(loaded(statement_of(basis), tmp_path)) == len(deals) + extra


@pytest.mark.parametrize("name", ["苏州", "", 'Su"zhou\\', "s u\nzhou", "-"])
def test_any_name_of_a_city_makes_a_legal_account(name: str, tmp_path: Path) -> None:
    statement = statement_of()
    parties = tuple(replace(party, name=name) if party.code == SUZHOU else party for party in statement.parties)
    require_clean(replace(statement, parties=parties), tmp_path)


@pytest.mark.parametrize("reference", ['"', "\\", '\\" x: "', "a\nb", "a\0b", "账单 17"])
def test_any_bank_reference_is_kept_in_its_quotes(reference: str, tmp_path: Path) -> None:
    statement = statement_of(deals=(Deal(2, Kind.DEPOSIT, 0, (1,), reference=reference),))
    kept = loaded(statement, tmp_path)[1].meta["bank"]
    assert kept == (reference if reference.isprintable() else "0x" + reference.encode().hex())


def loaded(statement: Statement, folder: Path) -> list[Transaction]:
    path = folder / "loaded.beancount"
    path.write_bytes(beancount(statement))
    entries, errors, _ = loader.load_file(str(path))
    assert errors == []
    return [entry for entry in entries if isinstance(entry, Transaction)]
