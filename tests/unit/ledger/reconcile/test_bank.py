"""Deposits and withdrawals against the bank's book, as CSV and as camt.053."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ledger.errors import BankFileError
from ledger.reconcile.bank import check_bank
from ledger.reconcile.bank_file import read_bank_file
from ledger.reconcile.findings import Finding
from ledger.statement.build import build_statement
from ledger.statement.camt053 import camt053
from ledger.statement.model import Basis
from ledger.statement.period import Period
from tests.support.ledger_story import HANGZHOU, SHANGHAI, Story, Trip, city_file

CITIES = [city_file(SHANGHAI, "Shanghai"), city_file(HANGZHOU, "Hangzhou")]
HEADER = "date,time,city,direction,amount,reference"
DEPOSIT = '2019-11-02,,3301,in,"1,000.00",ICBC 1'
OTHER = "2019-11-05,,3100,in,500.00,CCB 7"
WITHDRAWAL = "2019-12-06,,3301,out,20.50,退款 9"


def story() -> Story:
    """Hangzhou pays in and takes out, Shanghai pays in."""
    told = Story({SHANGHAI: "Shanghai", HANGZHOU: "Hangzhou"}, at="2019-11-01 09:00")
    told.deposit(HANGZHOU, 1_000_00, "ICBC 1", at="2019-11-02 00:30")  # the operating day is still the 1st
    told.deposit(SHANGHAI, 500_00, "CCB 7", at="2019-11-05 10:00")
    told.withdraw(HANGZHOU, 20_50, "退款 9", at="2019-12-06 10:00")
    return told


def compared(tmp_path: Path, lines: Sequence[str], only: int | None = None) -> tuple[Finding, ...]:
    path = tmp_path / "bank.csv"
    path.write_text("\n".join((HEADER, *lines)) + "\n", encoding="utf-8")
    return check_bank(story().index().cursor(), read_bank_file(path), CITIES, 100, only).findings


def test_a_book_that_says_the_same_has_no_findings(tmp_path: Path) -> None:
    assert compared(tmp_path, [WITHDRAWAL, DEPOSIT, OTHER]) == ()
    assert compared(tmp_path, [DEPOSIT, OTHER, WITHDRAWAL], only=HANGZHOU) == ()


def test_a_file_without_bookings_beside_transfers_is_a_finding(tmp_path: Path) -> None:
    [found] = compared(tmp_path, [])
    assert found.came == "none, beside 3 deposits and withdrawals on chain"
    assert "export it again" in found.action


def test_an_amount_one_fen_off_is_named_with_its_reference(tmp_path: Path) -> None:
    [found] = compared(tmp_path, [DEPOSIT, OTHER, WITHDRAWAL.replace("20.50", "20.51")])
    assert found.where == "bank.csv, line 4, reference 退款 9"
    assert found.expected == "20.51 yuan, as the bank booked"
    assert found.came.startswith("20.50 yuan on chain (-1 fen), block ")
    assert found.cause
    assert found.action


def test_another_reference_is_named_with_its_booking(tmp_path: Path) -> None:
    [found] = compared(tmp_path, [DEPOSIT.replace("ICBC 1", "ICBC 2"), OTHER, WITHDRAWAL])
    assert found.where == "bank.csv, line 2, 1,000.00 yuan"
    assert found.expected == "reference ICBC 2, as the bank booked"
    assert found.came.startswith("ICBC 1 on chain")


def test_a_booking_for_another_city_is_named(tmp_path: Path) -> None:
    [found] = compared(tmp_path, [DEPOSIT.replace("3301", "3100"), OTHER, WITHDRAWAL])
    assert found.expected == "city 3100, as the bank booked"
    assert found.came.startswith("city 3301 on chain")


def test_a_booking_without_a_deposit_is_named(tmp_path: Path) -> None:
    [found] = compared(tmp_path, [DEPOSIT, OTHER, "2019-11-20,,3100,in,77.00,CCB 8", WITHDRAWAL])
    assert found.expected == "a deposit on chain of 77.00 yuan with reference CCB 8"
    assert found.came == "none"


def test_a_deposit_that_the_bank_never_booked_is_named(tmp_path: Path) -> None:
    [found] = compared(tmp_path, [DEPOSIT, WITHDRAWAL])
    assert found.where.startswith("deposit of city 3100 on 2019-11-05")
    assert found.expected == "a booking of 500.00 yuan with reference CCB 7"


def test_a_booking_that_is_there_twice_is_named(tmp_path: Path) -> None:
    [found] = compared(tmp_path, [DEPOSIT, OTHER, OTHER, WITHDRAWAL])
    assert found.where == "bank.csv, line 4, reference CCB 7"
    assert found.came.startswith("it is there once more, and once on chain, block ")
    assert "the bank booked the same twice" in found.cause


def test_a_deposit_that_was_made_twice_is_named(tmp_path: Path) -> None:
    told = story()
    told.deposit(SHANGHAI, 500_00, "CCB 7", at="2019-12-06 11:00")
    path = tmp_path / "bank.csv"
    path.write_text("\n".join((HEADER, DEPOSIT, OTHER, WITHDRAWAL)) + "\n", encoding="utf-8")
    [found] = check_bank(told.index().cursor(), read_bank_file(path), CITIES, 100).findings
    assert found.where.startswith("deposit of city 3100 on 2019-12-06")
    assert found.came == "one in the bank's file, bank.csv, line 3, for two on chain"
    assert "typed in twice" in found.cause


def test_a_booking_of_another_city_with_the_same_reference_is_not_its_twin(tmp_path: Path) -> None:
    [found] = compared(tmp_path, [DEPOSIT, OTHER, OTHER.replace("3100", "3301"), WITHDRAWAL])
    assert found.came == "none"


def test_a_direction_turned_round_is_two_findings(tmp_path: Path) -> None:
    found = compared(tmp_path, [DEPOSIT, OTHER.replace("in", "out"), WITHDRAWAL])
    assert [one.came for one in found] == ["none", "none in the bank's file"]


def test_transfers_on_days_that_the_file_is_not_about_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "november.csv"
    path.write_text(f"{HEADER}\n{DEPOSIT}\n{OTHER}\n", encoding="utf-8")
    result = check_bank(story().index().cursor(), read_bank_file(path), CITIES, 100)
    assert result.findings == ()
    assert result.compared == (
        "2 bookings from 2019-11-02 to 2019-11-05 with 2 deposits and withdrawals; 1 on other days were left out"
    )


def test_a_file_in_the_encoding_of_chinese_banks_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_bytes("\n".join((HEADER, DEPOSIT, OTHER, WITHDRAWAL)).encode("gb18030"))
    assert check_bank(story().index().cursor(), read_bank_file(path), CITIES, 100).findings == ()


# ---------------------------------------------------------------- camt.053

NTRY = """<Ntry><Amt Ccy="CNY">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd><Sts><Cd>{status}</Cd></Sts>
<BookgDt><Dt>{day}</Dt></BookgDt>{details}</Ntry>"""
DETAILS = "<NtryDtls>{}</NtryDtls>"
PART = """<TxDtls><Refs><EndToEndId>{reference}</EndToEndId></Refs><Amt Ccy="CNY">{amount}</Amt></TxDtls>"""


def camt(tmp_path: Path, *entries: str, version: str = "08") -> Path:
    path = tmp_path / "bank.xml"
    space = f"urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"
    path.write_text(
        f'<?xml version="1.0"?><Document xmlns="{space}"><BkToCstmrStmt><Stmt>{"".join(entries)}</Stmt>'
        "</BkToCstmrStmt></Document>",
        encoding="utf-8",
    )
    return path


def booked(amount: str, side: str, day: str, reference: str, status: str = "BOOK") -> str:
    details = DETAILS.format(PART.format(reference=reference, amount=amount))
    return NTRY.format(amount=amount, side=side, day=day, status=status, details=details)


THREE = (
    booked("1000", "CRDT", "2019-11-02", "ICBC 1"),
    booked("500.00", "CRDT", "2019-11-06", "CCB 7"),
    booked("20.5", "DBIT", "2019-12-06", "退款 9"),
)


@pytest.mark.parametrize("version", ["02", "08", "13"])
def test_camt_053_of_any_version_is_read(tmp_path: Path, version: str) -> None:
    book = read_bank_file(camt(tmp_path, *THREE, version=version))
    assert check_bank(story().index().cursor(), book, CITIES, 100).findings == ()


def test_an_entry_of_several_transactions_is_taken_apart(tmp_path: Path) -> None:
    parts = [("1000.00", "ICBC 1"), ("500.00", "CCB 7")]
    details = DETAILS.format("".join(PART.format(amount=amount, reference=text) for amount, text in parts))
    both = NTRY.format(amount="1500.00", side="CRDT", day="2019-11-02", status="BOOK", details=details)
    book = read_bank_file(camt(tmp_path, both, THREE[2]))
    assert check_bank(story().index().cursor(), book, CITIES, 100).findings == ()


def test_what_is_announced_and_not_booked_does_not_count(tmp_path: Path) -> None:
    announced = booked("9", "CRDT", "2019-11-07", "CCB 9", status="PDNG")
    book = read_bank_file(camt(tmp_path, *THREE, announced))
    assert check_bank(story().index().cursor(), book, CITIES, 100).findings == ()


def test_of_a_citys_own_statement_its_deposits_and_withdrawals_count(tmp_path: Path) -> None:
    told = story()
    told.settle(HANGZHOU, [Trip(SHANGHAI, 3_00, "2019-12-05 08:00")], at="2019-12-06 11:00")
    index = told.index()
    statement = build_statement(index, HANGZHOU, Period.parse("2019-12"), Basis.SETTLEMENT, cities=CITIES)
    path = tmp_path / "statement.xml"
    path.write_bytes(camt053(statement))
    result = check_bank(index.cursor(), read_bank_file(path), CITIES, 100, HANGZHOU)
    assert result.findings == ()
    assert result.compared.startswith("1 bookings from 2019-12-06 to 2019-12-06 with 1 deposits and withdrawals")


def test_a_fen_in_camt_053_is_named_with_its_entry(tmp_path: Path) -> None:
    book = read_bank_file(camt(tmp_path, THREE[0], THREE[1].replace("500.00", "500.01"), THREE[2]))
    [found] = check_bank(story().index().cursor(), book, CITIES, 100).findings
    assert found.where == "bank.xml, entry 2, reference CCB 7"
    assert "(-1 fen)" in found.came


# ---------------------------------------------------------------- files that can't be read


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date,amount\n", "expected the columns date, direction, amount, reference"),
        (f"{HEADER}\n2019-13-01,,3100,in,1.00,A\n", "line 2: date: expected a day like 2019-12-05"),
        (f"{HEADER}\n2019-12-01,,3100,up,1.00,A\n", "line 2: direction: expected in or out, came 'up'"),
        (f"{HEADER}\n2019-12-01,,3100,in,1.001,A\n", "line 2: amount: expected yuan above 0"),
        (f"{HEADER}\n2019-12-01,,Shanghai,in,1.00,A\n", "line 2: city: expected a city's code"),
        ("<Document>", "XML that can't be read"),
        ("<html/>", "expected camt.053 .* came html"),
        ('<!DOCTYPE d [<!ENTITY a "b">]><Document>&a;</Document>', "XML that can't be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bank.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BankFileError, match=message):
        read_bank_file(path)


def test_another_currency_is_refused(tmp_path: Path) -> None:
    path = camt(tmp_path, THREE[0].replace('Ccy="CNY"', 'Ccy="EUR"'))
    with pytest.raises(BankFileError, match="entry 1: Amt: expected an amount in CNY, came '1000 EUR'"):
        read_bank_file(path)
