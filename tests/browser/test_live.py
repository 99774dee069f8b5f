"""New blocks appear by themselves, within two seconds, and whoever reads the page is left where they were."""

from __future__ import annotations

import time
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visiting import Visitor
from tests.support.patience import PATIENCE
from tests.support.small_world import HANGZHOU, SHANGHAI, SUZHOU, XUZHOU, SmallWorld

pytestmark = pytest.mark.browser

LIMIT: Final = 2.0
"""Seconds from the block to the page, where the machine has nothing else to do."""
TIMES: Final = 5


def shown_head(page: Page) -> int:
    return int(page.locator("[data-head]").first.get_attribute("data-head") or 0)


def wait_for_head(page: Page, block: int, timeout: float = 1_000 * PATIENCE) -> None:
    page.wait_for_function(
        "block => Number(document.querySelector('[data-head]').dataset.head) >= block", arg=block, timeout=timeout
    )


def fares_shown(page: Page, issuer: int, operator: int) -> int:
    cell = page.locator(f"[data-issuer='{issuer}'][data-operator='{operator}']").first
    return int(cell.get_attribute("data-fen") or 0)


def test_a_new_blocks_rides_appear_within_two_seconds(visitor: Visitor, small: SmallWorld) -> None:
    seconds = []
    with visitor.visit("/en/") as visit:
        page = visit.page
        wait_for_head(page, small.head)
        for _ in range(TIMES):
            before = fares_shown(page, XUZHOU.code, HANGZHOU.code)
            batch = small.settle_some(XUZHOU, HANGZHOU, 3)
            started = time.monotonic()
            wait_for_head(page, small.head)
            seconds.append(time.monotonic() - started)
            fares = sum(ride.fare for _, _, _, ride in batch.batch.iter_rides())
            assert fares_shown(page, XUZHOU.code, HANGZHOU.code) == before + fares
    print(f"seconds from block to page: {', '.join(f'{one:.2f}' for one in seconds)}")
    assert min(seconds) < LIMIT, "not even once, and other work on the machine is no reason for that"


def test_focus_and_place_stay_when_a_block_comes(visitor: Visitor, small: SmallWorld) -> None:
    with visitor.visit("/en/", device="phone") as visit:
        page = visit.page
        link = page.locator(f"main a[href*='{SUZHOU.code}']").last
        link.focus()
        page.evaluate("window.scrollBy(0, 37)")
        place, href = page.evaluate("window.scrollY"), link.get_attribute("href")
        small.settle_some(SHANGHAI, HANGZHOU, 2)
        wait_for_head(page, small.head)
        page.wait_for_timeout(200)
        assert page.evaluate("window.scrollY") == place
        expect(page.locator(":focus")).to_have_attribute("href", href or "")
