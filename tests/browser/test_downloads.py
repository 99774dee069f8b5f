"""Every statement can be had from a city's page in every form, and is what the statement code makes at that block."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
from defusedxml.ElementTree import fromstring
from playwright.sync_api import Page

from interline.cities import load_cities
from ledger.chain import Chain
from ledger.index.store import Index
from ledger.index.sync import sync
from ledger.statement.build import build_statement
from ledger.statement.formats import FORMATS, file_name
from ledger.statement.model import Basis
from ledger.statement.period import Period
from rpc import Node
from tests.browser.visiting import LANGUAGES, Language, Visitor
from tests.support.deploy import REPOSITORY
from tests.support.small_world import NINGBO, SmallWorld

pytestmark = pytest.mark.browser

MONTH = "2019-11"
"""It is over, so that nothing that other tests do changes it."""


@pytest.fixture(scope="module")
def index(small: SmallWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """An index of the test's own, apart from the server's."""
    with Index.open(tmp_path_factory.mktemp("own") / "index.duckdb", write=True) as made:
        chain = Chain(Node.at(small.url), small.clearinghouse)
        sync(made, chain, load_cities(REPOSITORY / "cities"), processes=1)
        yield made


def download(page: Page, basis: Basis, form: str) -> tuple[str, bytes]:
    """Fill in the form as a keyboard does, and take what comes: its name and its bytes."""
    page.get_by_label(re.compile("period|期间", re.IGNORECASE)).first.fill(MONTH)
    page.locator("[name=basis]").select_option(str(basis))
    with page.expect_download() as coming:
        page.locator(f"button[name=form][value={form}]").focus()
        page.keyboard.press("Enter")
    path = Path(coming.value.path())
    return coming.value.suggested_filename, path.read_bytes()


@pytest.mark.parametrize(("form", "basis"), [(form.name, basis) for form in FORMATS.values() for basis in form.bases])
def test_each_form_is_what_the_statement_code_makes(
    visitor: Visitor, small: SmallWorld, index: Index, basis: Basis, form: str
) -> None:
    with visitor.visit(f"/en/cities/{NINGBO.code}") as visit:
        name, came = download(visit.page, basis, form)
    block = int(re.search(r"block-(\d+)", name)[1])  # type: ignore[index]
    files = load_cities(REPOSITORY / "cities")
    expected = build_statement(index, NINGBO.code, Period.parse(MONTH), basis, block=block, cities=files)
    assert name == file_name(expected, FORMATS[form])
    assert came == FORMATS[form].write(expected)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_comes_can_be_opened(visitor: Visitor, language: Language) -> None:
    with visitor.visit(f"/{language}/cities/{NINGBO.code}", language=language) as visit:
        files = {form: download(visit.page, Basis.SETTLEMENT, form)[1] for form in FORMATS}
    assert openpyxl.load_workbook(io.BytesIO(files["xlsx"])).sheetnames
    assert zipfile.ZipFile(io.BytesIO(files["csv"])).testzip() is None
    assert "camt.053" in fromstring(files["camt053"]).tag
    assert json.loads(files["json"])
    assert "Ningbo" in files["table"].decode() + files["beancount"].decode()
    assert files["invoices"].decode().count(",") > 5


def test_a_period_that_is_none_is_answered_with_what_to_write(visitor: Visitor) -> None:
    with visitor.visit(f"/en/cities/{NINGBO.code}") as visit:
        page = visit.page
        page.get_by_label(re.compile("period", re.IGNORECASE)).first.fill("last month")
        page.locator("button[name=form]").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_load_state()
        said = page.locator("main").inner_text()
        assert "2019-12" in said
        assert "Traceback" not in said
