"""A statement as ISO 20022 camt.053.001.08, BankToCustomerStatement: what accounting software reads from banks.

The account is the city's in the Clearinghouse, so only the settlement basis has one. Each event that moved funds is
an entry; what became arrears is said in words. Hashes are longer than the 35 characters of a reference: they stand
whole in the remittance information, and the reference is the event's block and place, which name it as well.
"""

from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from interline.money import FEN_PER_YUAN, format_yuan
from ledger.errors import FormError
from ledger.statement.model import RIDE_KINDS, Basis, Entry, Kind, Line, Party, Statement
from ledger.statement.words import CAUSE_WORDS, KIND_WORDS, local_time, printable

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
CURRENCY: Final = "CNY"
_ISSUER: Final = "INTERLINE"
"""Of codes that aren't ISO 20022's own."""
_REFERENCE_LENGTH: Final = 35
_NAME_LENGTH: Final = 140
_BANK_CODES: Final = {True: "RCDT", False: "ICDT"}
"""Received and issued credit transfers; whether an entry is a credit."""


def camt053(statement: Statement) -> bytes:
    """The message, UTF-8.

    Raises:
        FormError: a statement on the accrual basis.
    """
    if statement.basis is not Basis.SETTLEMENT:
        raise FormError(
            f"expected a statement on the settlement basis, came one on the {statement.basis} basis: camt.053 is what "
            "moved on an account; take the settlement basis, or another form"
        )
    document = Element("Document", xmlns=NAMESPACE)
    message = SubElement(document, "BkToCstmrStmt")
    header = SubElement(message, "GrpHdr")
    _add(header, "MsgId", _name(statement, statement.block_hash[2:17]))
    _add(header, "CreDtTm", local_time(statement, statement.block_time))
    _statement(SubElement(message, "Stmt"), statement)
    indent(document)
    written: bytes = tostring(document, encoding="UTF-8", xml_declaration=True)
    return written + b"\n"


def _statement(parent: Element, statement: Statement) -> None:
    moved = [entry for entry in statement.entries if entry.paid]
    _add(parent, "Id", _name(statement, str(statement.block_number)))
    _add(parent, "CreDtTm", local_time(statement, statement.block_time))
    period = SubElement(parent, "FrToDt")
    _add(period, "FrDtTm", local_time(statement, statement.begins))
    _add(period, "ToDtTm", local_time(statement, min(statement.ends - 1, statement.block_time)))
    _account(SubElement(parent, "Acct"), statement)
    closing_day = min(statement.period.last, statement.city.operating_day.day_of(statement.block_time))
    _balance(parent, "OPBD", statement.opening.balance, f"{statement.period.first}")
    _balance(parent, "CLBD" if statement.is_over else "ITBD", statement.closing.balance, f"{closing_day}")
    _summary(SubElement(parent, "TxsSummry"), moved)
    place_in_line = 0
    for before, entry in zip([None, *moved], moved, strict=False):
        place_in_line = place_in_line + 1 if before is not None and before.line == entry.line else 1
        _entry(SubElement(parent, "Ntry"), statement, entry, f"{entry.line}-{place_in_line}")
    _add(parent, "AddtlStmtInf", _remarks(statement, len(statement.entries) - len(moved)))


def _account(parent: Element, statement: Statement) -> None:
    city, address = statement.city, statement.clearinghouse
    other = SubElement(SubElement(parent, "Id"), "Othr")
    # 34 characters at most: the address is whole in the servicer's name
    _add(other, "Id", f"{statement.chain_id}/{city.code}/{address[2:12].lower()}")
    _add(SubElement(other, "SchmeNm"), "Prtry", "CHAIN/CITY/CLEARINGHOUSE")
    _add(parent, "Ccy", CURRENCY)
    _add(parent, "Nm", "Balance in the Clearinghouse")
    _party(SubElement(parent, "Ownr"), city)
    institution = SubElement(SubElement(parent, "Svcr"), "FinInstnId")
    _add(institution, "Nm", f"Clearinghouse {address} on chain {statement.chain_id}")


def _balance(parent: Element, code: str, amount: int, day: str) -> None:
    balance = SubElement(parent, "Bal")
    _add(SubElement(SubElement(balance, "Tp"), "CdOrPrtry"), "Cd", code)
    _amount(balance, "Amt", amount)
    _add(balance, "CdtDbtInd", _side(amount))
    _add(SubElement(balance, "Dt"), "Dt", day)


def _summary(parent: Element, moved: list[Entry]) -> None:
    amounts = [entry.paid or 0 for entry in moved]
    entries = SubElement(parent, "TtlNtries")
    _add(entries, "NbOfNtries", str(len(amounts)))
    _add(entries, "Sum", _yuan(sum(map(abs, amounts))))
    net = SubElement(entries, "TtlNetNtry")
    _add(net, "Amt", _yuan(sum(amounts)))
    _add(net, "CdtDbtInd", _side(sum(amounts)))
    for tag, those in (
        ("TtlCdtNtries", [amount for amount in amounts if amount > 0]),
        ("TtlDbtNtries", [amount for amount in amounts if amount < 0]),
    ):
        side = SubElement(parent, tag)
        _add(side, "NbOfNtries", str(len(those)))
        _add(side, "Sum", _yuan(sum(those)))


def _entry(parent: Element, statement: Statement, entry: Entry, reference: str) -> None:
    line, paid = statement.lines[entry.line - 1], entry.paid or 0
    _add(parent, "NtryRef", reference)
    _amount(parent, "Amt", paid)
    _add(parent, "CdtDbtInd", _side(paid))
    _add(SubElement(parent, "Sts"), "Cd", "BOOK")
    _add(SubElement(parent, "BookgDt"), "Dt", f"{line.day}")
    _add(SubElement(parent, "ValDt"), "DtTm", local_time(statement, entry.time))
    _add(parent, "AcctSvcrRef", f"{entry.block}-{entry.place}")
    _code(SubElement(parent, "BkTxCd"), line.kind, paid)
    details = SubElement(parent, "NtryDtls")
    if line.kind in RIDE_KINDS:
        batch = SubElement(details, "Btch")
        _add(batch, "NbOfTxs", str(entry.count))
        _amount(batch, "TtlAmt", paid)
        _add(batch, "CdtDbtInd", _side(paid))
    _details(SubElement(details, "TxDtls"), statement, line, entry)
    _add(parent, "AddtlNtryInf", _description(entry, line))


def _details(parent: Element, statement: Statement, line: Line, entry: Entry) -> None:
    paid = entry.paid or 0
    references = SubElement(parent, "Refs")
    _add(references, "AcctSvcrRef", f"{entry.block}-{entry.place}")
    bank = printable(entry.bank_reference or "")
    _add(references, "EndToEndId", bank if bank and len(bank) <= _REFERENCE_LENGTH else "NOTPROVIDED")
    _amount(parent, "Amt", paid)
    _add(parent, "CdtDbtInd", _side(paid))
    if line.other:
        parties = SubElement(parent, "RltdPties")
        city, other = statement.city, statement.party(line.other)
        for tag, party in zip(("Dbtr", "Cdtr"), (other, city) if paid > 0 else (city, other), strict=True):
            _party(SubElement(SubElement(parties, tag), "Pty"), party)
    remittance = SubElement(parent, "RmtInf")
    for text in _remittance(statement, entry, bank):
        _add(remittance, "Ustrd", text)


def _remittance(statement: Statement, entry: Entry, bank: str) -> list[str]:
    """What names the event, whole, each at most 140 characters."""
    texts = [f"transaction {entry.tx}"]
    if entry.batch is not None:
        ride = "" if entry.index is None else f" ride {entry.index}"
        texts.append(f"batch {statement.batches[entry.batch].batch_id}{ride}")
    if bank:
        texts.append(f"bank reference {bank}")
    if entry.address:
        texts.append(f"{'from' if (entry.paid or 0) > 0 else 'to'} {entry.address}")
    return texts


def _description(entry: Entry, line: Line) -> str:
    parts = [f"{KIND_WORDS[line.kind].en} {KIND_WORDS[line.kind].zh}"]
    if line.kind in RIDE_KINDS:
        parts.append(f"{entry.count} ride{'s' * (entry.count != 1)}")
    if entry.late:
        parts.append(f"{entry.late} of them late, {format_yuan(abs(entry.late_amount))} yuan")
    if entry.set_off:
        parts.append("set off")
    if entry.cause:
        parts.append(CAUSE_WORDS[entry.cause].en if entry.cause in CAUSE_WORDS else entry.cause)
    if line.kind in RIDE_KINDS and entry.amount != entry.paid:
        parts.append(f"{format_yuan(abs(entry.amount))} yuan in all, the rest became arrears")
    return ", ".join(parts)


def _remarks(statement: Statement, unmoved: int) -> str:
    closing = statement.closing
    return (
        f"Made at block {statement.block_number}, {statement.block_hash}. Settlement basis: everything by the time of "
        f"its block; days begin at {statement.city.operating_day}. At the end: position {format_yuan(closing.position)}"
        f", arrears due {format_yuan(closing.due)}, arrears owed {format_yuan(closing.owed)} yuan. Events that moved "
        f"no funds, and so are no entries: {unmoved}."
    )


def _code(parent: Element, kind: Kind, paid: int) -> None:
    domain = SubElement(parent, "Domn")
    _add(domain, "Cd", "PMNT")
    family = SubElement(domain, "Fmly")
    _add(family, "Cd", _BANK_CODES[paid > 0])
    _add(family, "SubFmlyCd", "DMCT" if kind in (Kind.DEPOSIT, Kind.WITHDRAWAL) else "BOOK")
    own = SubElement(parent, "Prtry")
    _add(own, "Cd", kind.upper())
    _add(own, "Issr", _ISSUER)


def _party(parent: Element, party: Party) -> None:
    _add(parent, "Nm", (printable(party.name) or str(party.code))[:_NAME_LENGTH])
    other = SubElement(SubElement(SubElement(parent, "Id"), "OrgId"), "Othr")
    _add(other, "Id", str(party.code))
    _add(SubElement(other, "SchmeNm"), "Prtry", "GB/T 2260")


def _amount(parent: Element, tag: str, fen: int) -> None:
    """An amount without its sign, which stands in CdtDbtInd."""
    _add(parent, tag, _yuan(fen)).set("Ccy", CURRENCY)


def _yuan(fen: int) -> str:
    yuan, rest = divmod(abs(fen), FEN_PER_YUAN)
    return f"{yuan}.{rest:02}"


def _side(amount: int) -> str:
    return "CRDT" if amount >= 0 else "DBIT"


def _name(statement: Statement, rest: str) -> str:
    """An id of at most 35 characters that another statement doesn't have."""
    period = statement.period
    return f"{statement.city.code}-{period.first:%y%m%d}-{period.last:%y%m%d}-{rest}"


def _add(parent: Element, tag: str, text: str) -> Element:
    element = SubElement(parent, tag)
    element.text = text
    return element
