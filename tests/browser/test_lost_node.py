"""A node that is lost, and a server that is lost, are said in words; both come back by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.server import serving
from tests.browser.test_live import shown_head, wait_for_head
from tests.browser.visiting import LANGUAGES, Language, Visitor
from tests.browser.wire import Wire
from tests.support.patience import PATIENCE
from tests.support.small_world import HANGZHOU, NANJING, SmallWorld

pytestmark = pytest.mark.browser

WORDS = {"en": "node", "zh": "节点"}


def connection(page: Page, state: str) -> None:
    expect(page.locator("[role=status][data-state]")).to_have_attribute("data-state", state, timeout=1_000 * PATIENCE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_lost_node_is_said_and_what_it_missed_appears_when_it_is_back(
    visitor: Visitor, wire: Wire, small: SmallWorld, language: Language
) -> None:
    with visitor.visit(f"/{language}/", language=language) as visit:
        page = visit.page
        wait_for_head(page, small.head)
        before = small.head
        with wire.cut():
            connection(page, "lost")
            assert WORDS[language] in page.locator("[role=status][data-state]").inner_text()
            small.settle_some(NANJING, HANGZHOU, 2)
            page.reload()
            connection(page, "lost")
            assert shown_head(page) == before
        connection(page, "live")
        wait_for_head(page, small.head)


def test_a_lost_server_is_said_and_the_page_goes_on_when_it_is_back(
    visitor: Visitor, small: SmallWorld, tmp_path: Path
) -> None:
    with serving(tmp_path, small.deployment(), small.url) as server:
        port = int(server.url.rpartition(":")[2])
        visit_there = Visitor(visitor.browser, server.url).visit("/en/")
        visit = visit_there.__enter__()
        wait_for_head(visit.page, small.head)
    try:
        connection(visit.page, "lost")
        with serving(tmp_path, small.deployment(), small.url, port=port):
            connection(visit.page, "live")
            small.settle_some(NANJING, HANGZHOU, 1)
            wait_for_head(visit.page, small.head)
    finally:
        visit_there.__exit__(None, None, None)
