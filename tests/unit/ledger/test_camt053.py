"""Statements as camt.053: held against ISO 20022's own schema."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
import xmlschema

from ledger.errors import FormError
from ledger.statement.camt053 import NAMESPACE, camt053
from ledger.statement.model import Account, Basis, Kind
from tests.support.statements import DEALS, SUZHOU, Deal, statement_of

SPACE = {"c": NAMESPACE}


@pytest.fixture(scope="module")
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(Path(__file__).parents[2] / "schemas" / "camt.053.001.08.xsd")


def read(message: bytes) -> Element:
    """The message's one statement."""
    found = ElementTree.fromstring(message).find("c:BkToCstmrStmt/c:Stmt", SPACE)
    assert found is not None
    return found


def fen(element: Element) -> int:
    """A balance's or an entry's amount, with its sign."""
    yuan, _, rest = (element.findtext("c:Amt", None, SPACE) or "").partition(".")
    assert len(rest) == 2
    sign = {"CRDT": 1, "DBIT": -1}[element.findtext("c:CdtDbtInd", "", SPACE)]
    return sign * (100 * int(yuan) + int(rest))


def test_a_statement_is_valid_against_the_schema(schema: xmlschema.XMLSchema) -> None:
    schema.validate(camt053(statement_of()).decode())


def test_the_schema_would_refuse_an_amount_without_a_currency(schema: xmlschema.XMLSchema) -> None:
    message = camt053(statement_of()).decode()
    with pytest.raises(xmlschema.XMLSchemaValidationError, match="missing required attribute 'Ccy'"):
        schema.validate(message.replace(' Ccy="CNY"', "", 1))


def test_an_empty_statement_is_valid(schema: xmlschema.XMLSchema) -> None:
    message = camt053(statement_of(deals=()))
    schema.validate(message.decode())
    assert read(message).findall("c:Ntry", SPACE) == []


def test_a_statement_with_the_longest_of_everything_is_valid(schema: xmlschema.XMLSchema) -> None:
    statement = statement_of(deals=(Deal(2, Kind.DEPOSIT, 0, (10**17 - 1,), reference="0x" + "ab" * 32),))
    city = replace(statement.city, code=2**16 - 1, name="x" * 200)
    schema.validate(camt053(replace(statement, city=city, chain_id=2**53, block_number=2**40)).decode())


def test_opening_and_entries_make_the_closing_balance() -> None:
    statement = statement_of()
    message = read(camt053(statement))
    opening, closing = message.findall("c:Bal", SPACE)
    entries = message.findall("c:Ntry", SPACE)
    assert opening.findtext("c:Tp/c:CdOrPrtry/c:Cd", None, SPACE) == "OPBD"
    assert closing.findtext("c:Tp/c:CdOrPrtry/c:Cd", None, SPACE) == "CLBD"
    assert fen(opening) == statement.opening.balance
    assert fen(closing) == statement.closing.balance
    assert fen(opening) + sum(map(fen, entries)) == fen(closing)


def test_the_summary_is_that_of_the_entries() -> None:
    message = read(camt053(statement_of()))
    amounts = [fen(entry) for entry in message.findall("c:Ntry", SPACE)]
    for side, those in (("Ntries", amounts), ("CdtNtries", [a for a in amounts if a > 0])):
        assert message.findtext(f"c:TxsSummry/c:Ttl{side}/c:NbOfNtries", None, SPACE) == str(len(those))
        total = sum(map(abs, those))
        assert message.findtext(f"c:TxsSummry/c:Ttl{side}/c:Sum", None, SPACE) == f"{total // 100}.{total % 100:02}"


def test_a_batch_says_its_rides_its_event_and_its_hashes_whole() -> None:
    statement = statement_of()
    entry = read(camt053(statement)).findall("c:Ntry", SPACE)[0]
    behind = statement.entries[0]
    texts = [text.text for text in entry.findall("c:NtryDtls/c:TxDtls/c:RmtInf/c:Ustrd", SPACE)]
    assert entry.findtext("c:NtryDtls/c:Btch/c:NbOfTxs", None, SPACE) == "4"
    assert entry.findtext("c:AcctSvcrRef", None, SPACE) == f"{behind.block}-{behind.place}"
    assert texts == [f"transaction {behind.tx}", f"batch {statement.batches[0].batch_id}"]
    assert entry.findtext("c:NtryDtls/c:TxDtls/c:RltdPties/c:Dbtr/c:Pty/c:Nm", None, SPACE) == "Suzhou"


def test_a_deposit_has_its_bank_reference_as_the_end_to_end_id() -> None:
    message = read(camt053(statement_of()))
    references = [
        entry.findtext("c:NtryDtls/c:TxDtls/c:Refs/c:EndToEndId", None, SPACE)
        for entry in message.findall("c:Ntry", SPACE)
        if entry.findtext("c:BkTxCd/c:Prtry/c:Cd", None, SPACE) in ("DEPOSIT", "WITHDRAWAL")
    ]
    assert references == ["ICBC 20191202-0017", '=HYPERLINK("http://bank")', "NOTPROVIDED"]


def test_a_bank_reference_that_xml_cannot_hold_is_given_in_hexadecimal(schema: xmlschema.XMLSchema) -> None:
    message = camt053(statement_of(deals=(Deal(2, Kind.DEPOSIT, 0, (1,), reference="a\0\x1b"),)))
    schema.validate(message.decode())
    assert b"<EndToEndId>0x61001b</EndToEndId>" in message


def test_what_became_arrears_is_no_entry_but_is_said() -> None:
    message = read(camt053(statement_of(deals=(Deal(2, Kind.RIDES_CARRIED, SUZHOU, (300,), paid=0),))))
    assert message.findall("c:Ntry", SPACE) == []
    assert "no entries: 1." in message.findtext("c:AddtlStmtInf", "", SPACE)


def test_what_was_paid_in_part_says_what_it_was_in_all() -> None:
    message = read(camt053(statement_of(deals=(Deal(2, Kind.RIDES_CARRIED, SUZHOU, (300, 200), paid=120),))))
    entry = message.findall("c:Ntry", SPACE)[0]
    assert fen(entry) == 120
    assert entry.findtext("c:AddtlNtryInf", None, SPACE) == (
        "rides carried 承运行程, 2 rides, 5.00 yuan in all, the rest became arrears"
    )


def test_a_period_that_is_not_over_closes_in_between() -> None:
    statement = statement_of()
    message = read(camt053(replace(statement, block_time=statement.ends - 1)))
    assert message.findall("c:Bal", SPACE)[1].findtext("c:Tp/c:CdOrPrtry/c:Cd", None, SPACE) == "ITBD"


def test_the_time_is_the_block_s_and_not_the_clock_s() -> None:
    message = read(camt053(statement_of()))
    assert message.findtext("c:CreDtTm", None, SPACE) == "2020-01-01T04:01:00+08:00"


def test_an_accrual_statement_is_refused_and_the_other_basis_named() -> None:
    with pytest.raises(FormError, match=r"came one on the accrual basis.*take the settlement basis"):
        camt053(statement_of(Basis.ACCRUAL))


def test_a_city_that_has_nothing_has_a_balance_of_nothing(schema: xmlschema.XMLSchema) -> None:
    message = camt053(statement_of(deals=(), opening=Account()))
    schema.validate(message.decode())
    assert fen(read(message).findall("c:Bal", SPACE)[1]) == 0


def test_every_deal_that_moved_funds_is_an_entry() -> None:
    moved = [deal for deal in DEALS if deal.paid != 0]
    assert len(read(camt053(statement_of())).findall("c:Ntry", SPACE)) == len(moved)
