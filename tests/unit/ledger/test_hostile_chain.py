"""The accountant's programs on a chain with every hostile value in every place: index, audit, pages, every form."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import openpyxl
import pytest
import xmlschema
from beancount import loader
from starlette.testclient import TestClient

from interline.chain_data import Entry, event_entry, topic_of
from interline.contracts import load_abi
from interline.hashing import keccak256
from interline.safe_text import short_name, text_of
from interline.settlements import ChainLog
from ledger.chain import TELLING
from ledger.head import Head
from ledger.index.store import Index
from ledger.index.sync import sync
from ledger.pages.app import make_app
from ledger.pages.live import Follower
from ledger.reconcile.audit import check_index
from ledger.statement.build import build_statement
from ledger.statement.formats import FORMATS, file_name
from ledger.statement.model import Basis, Statement
from ledger.statement.period import Period
from tests.support.fake_chain import FakeBlock, FakeChain
from tests.support.hostile import BIDI, REFERENCES, TEXTS, encode_raw, hostile_events, hostile_values
from tests.support.index_rows import IndexRows, moment

HANGZHOU = 3301
FIRST_HOSTILE = 5_000
NAMES = dict(enumerate(TEXTS.values(), FIRST_HOSTILE))
"""Each hostile text is the name of a city, by its code."""
BOOKED = {
    *("Deposited", "Withdrawn", "ArrearsPaid", "PairSettled", "BatchSettled", "RideRejected"),
    *("RideRefunded", "RideDisputed", "RideUpheld", "FaresWithheld", "WithheldReleased"),
}
"""Events whose amounts the books hold against each other: nobody puts just any number into them."""
SCHEMA = xmlschema.XMLSchema(Path(__file__).parents[2] / "schemas" / "camt.053.001.08.xsd")
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]|[" + BIDI + "]")
"""What may be in no form and on no page; lines may end."""
ACTING = re.compile(r"<script>alert|<img src=x|href=.javascript:")
"""What may be on no page."""


def hostile_chain() -> FakeChain:
    """Hangzhou carries a rider of each hostile city, who deposits with a hostile reference; then all other events."""
    with Index.open(":memory:", write=True) as index:
        rows = IndexRows(index, start=moment("2019-12-01 08:00"))
        for code in (HANGZHOU, *NAMES):
            rows.admit(code, "to be replaced")
        for number, reference in enumerate(REFERENCES.values()):
            rows.deposit(FIRST_HOSTILE + number % len(NAMES), 1_000, reference)
        rows.deposit(HANGZHOU, 1_000, REFERENCES["formula ="])
        batch = rows.settle(HANGZHOU, [(code, 400) for code in NAMES], at=moment("2019-12-02 09:00"))
        rows.dispute(batch, 0)
        rows.refund(batch, 1, 100)
        rows.settle(FIRST_HOSTILE + 2, [(HANGZHOU, 300)], at=moment("2019-12-03 09:00"))
        chain = FakeChain.of(rows)
    _rename(chain)
    _append(chain)
    return chain


def _rename(chain: FakeChain) -> None:
    entry = event_entry("CityRegistry", "CityAdmitted")
    plain = [one for one in entry["inputs"] if not one["indexed"]]
    for block in chain.blocks.values():
        for at, log in enumerate(block.logs):
            if log.topics[0] == topic_of(entry):
                name = NAMES.get(int.from_bytes(log.topics[1], "big"), b"Hangzhou")
                values = [name if one["type"] == "string" else hostile_values(one)[0][0] for one in plain]
                block.logs[at] = replace(log, data=encode_raw(plain, values))


def _append(chain: FakeChain) -> None:
    """A block with every hostile value of every event that isn't booked, admissions and keys first."""
    number = max(chain.blocks) + 1
    head = Head(number, f"0x{keccak256(b'hostile').hex()}", moment("2019-12-20 09:00"))
    logs = []
    for contract, entry in sorted(events(), key=lambda one: (one[1]["name"] != "CityAdmitted", one[1]["name"])):
        address = bytes.fromhex(chain.contracts[contract][2:])
        for topics, data, _ in hostile_events(contract, entry):
            tx = keccak256(b"hostile %d" % len(logs))
            block_hash = bytes.fromhex(head.hash[2:])
            logs.append(ChainLog(address, topics, data, number, block_hash, tx, len(logs)))
    chain.blocks[number] = FakeBlock(head, logs)


def events() -> list[tuple[str, Entry]]:
    found = [(contract, one) for contract in TELLING for one in load_abi(contract) if one["type"] == "event"]
    return [(contract, one) for contract, one in found if one["name"] not in BOOKED]


@pytest.fixture(scope="module")
def chain() -> FakeChain:
    return hostile_chain()


@pytest.fixture(scope="module")
def index(chain: FakeChain) -> Iterator[Index]:
    with Index.open(":memory:", write=True) as opened:
        done = sync(opened, chain, processes=1)
        assert done.unknown == 0
        assert done.events > 500
        yield opened


@pytest.fixture(scope="module")
def client(index: Index) -> TestClient:
    return TestClient(make_app(index, Follower(index, None, []), []), follow_redirects=False)


def statement_of(index: Index, city: int, basis: Basis = Basis.SETTLEMENT) -> Statement:
    return build_statement(index, city, Period.parse("2019-12"), basis)


def test_the_events_that_are_booked_are_events_of_the_contracts() -> None:
    assert {entry["name"] for contract in TELLING for entry in load_abi(contract) if entry["type"] == "event"} > BOOKED


def test_the_index_is_what_the_chain_says(index: Index, chain: FakeChain) -> None:
    assert check_index(index, chain, processes=1).findings == ()


def test_the_index_keeps_safe_texts(index: Index) -> None:
    kept = index.cursor().execute("SELECT arguments FROM events WHERE name = 'CityAdmitted'").fetchall()
    names = {told["city"]: told["name"] for told in (json.loads(row[0]) for row in kept) if told["city"] in NAMES}
    assert names == {code: text_of(name) for code, name in NAMES.items()}


def paths(language: str) -> list[str]:
    cities = [f"/{language}/cities/{code}" for code in (HANGZHOU, *NAMES)]
    return [f"/{language}/", f"/{language}/votes", f"/{language}/batches", *cities]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_answers_and_nothing_of_it_acts(client: TestClient, language: str) -> None:
    for path in paths(language):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert CONTROLS.search(answer.text) is None, path
        assert ACTING.search(answer.text) is None, path
    batches = re.findall(rf'href="(/{language}/batches/0x[0-9a-f]{{64}})"', client.get(f"/{language}/batches").text)
    for path in dict.fromkeys(batches):
        assert client.get(path).status_code == 200
        assert client.get(f"{path}/rides/0").status_code == 200


def test_a_page_shows_a_name_as_it_is_safe_to(client: TestClient) -> None:
    code = next(code for code, name in NAMES.items() if name == TEXTS["not UTF-8"])
    assert r"<h1>Shanghai\xff\xfe</h1>" in client.get(f"/en/cities/{code}").text


@pytest.mark.parametrize("basis", Basis)
@pytest.mark.parametrize("city", [HANGZHOU, FIRST_HOSTILE + 2, *[*NAMES][-4:]])
def test_every_form_of_a_statement_is_clean(index: Index, city: int, basis: Basis) -> None:
    statement = statement_of(index, city, basis)
    for form in FORMATS.values():
        if basis in form.bases and form.name != "invoices":  # those need companies in city files
            content = form.write(statement)
            assert content == form.write(statement)
            assert re.fullmatch(r"[a-z0-9-]+\.[a-z0-9]+", file_name(statement, form))
    for name in ("table", "json", "beancount"):
        assert CONTROLS.search(FORMATS[name].write(statement).decode()) is None, name
    json.loads(FORMATS["json"].write(statement))
    entries, errors, _ = loader.load_string(FORMATS["beancount"].write(statement).decode())
    assert errors == []
    assert entries
    if basis is Basis.SETTLEMENT:
        SCHEMA.validate(FORMATS["camt053"].write(statement).decode())


def test_no_cell_of_a_workbook_or_a_table_is_a_formula_of_somebody_else(index: Index) -> None:
    statement = statement_of(index, HANGZHOU)
    book = openpyxl.load_workbook(BytesIO(FORMATS["xlsx"].write(statement)))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    formulas = [str(cell.value) for cell in cells if cell.data_type == "f"]
    assert formulas
    assert not [one for one in formulas if re.search("evil|cmd|1\\+1|2\\+3", one)]
    shown = {str(cell.value) for cell in cells}
    assert {short_name(text_of(TEXTS[name])) for name in ("formula =", "formula @", "script")} <= shown
    with zipfile.ZipFile(BytesIO(FORMATS["csv"].write(statement))) as archive:
        for name in archive.namelist():
            for row in csv.reader(io.StringIO(archive.read(name).decode("utf-8-sig"), newline="")):
                for cell in row:
                    assert not cell.startswith(FORMULAS) or re.fullmatch(r"-\d+(\.\d\d)?", cell), (name, cell)
                    assert cell.isprintable(), (name, cell)


def test_markup_and_emoji_in_a_name_stay_text(index: Index) -> None:
    text = FORMATS["table"].write(statement_of(index, HANGZHOU)).decode()
    shown = "".join(text.split())
    for name in ("markup that ends nothing", "a picture's name"):
        assert "".join(TEXTS[name].decode().split()) in shown
