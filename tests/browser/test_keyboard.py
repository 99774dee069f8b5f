"""A keyboard alone reaches and works everything."""

from __future__ import annotations

from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.browser.places import PLACES
from tests.browser.visiting import Visitor

pytestmark = pytest.mark.browser

MOST_TABS: Final = 600
"""Far more than a page has things to reach."""
REACHABLE: Final = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']"

# Numbers the things that can be worked and seen: those within closed details, or of a radio group not chosen, are not.
NUMBER: Final = """selector => {
  const seen = [...document.querySelectorAll(selector)].filter(
    one => !one.disabled && one.checkVisibility({visibilityProperty: true, contentVisibilityAuto: true}));
  seen.forEach((one, number) => one.dataset.number = number);
  return seen.map(one => one.outerHTML.slice(0, 120));
}"""
FOCUSED: Final = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  return {
    number: one.dataset.number ?? null,
    marked: (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none",
    body: one === document.body,
  };
}"""


def tab_through(page: Page) -> list[dict[str, Any]]:
    """What has the focus after each press of Tab, until it is back at the start."""
    steps: list[dict[str, Any]] = []
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        step = page.evaluate(FOCUSED)
        if step["body"] or (steps and step["number"] == steps[0]["number"]):
            return steps
        steps.append(step)
    raise AssertionError(f"expected the focus back at the start within {MOST_TABS} steps: it is trapped")


@pytest.mark.parametrize("place", PLACES)
def test_tab_reaches_everything_and_shows_where_it_is(visitor: Visitor, paths: dict[str, str], place: str) -> None:
    with visitor.visit(f"/en{paths[place]}") as visit:
        there = visit.page.evaluate(NUMBER, REACHABLE)
        steps = tab_through(visit.page)
        reached = {int(step["number"]) for step in steps if step["number"] is not None}
        assert [there[number] for number in range(len(there)) if number not in reached] == []
        unmarked = [there[int(step["number"])] for step in steps if step["number"] is not None and not step["marked"]]
        assert unmarked == []


def test_the_first_thing_is_a_link_past_the_head_of_the_page(visitor: Visitor, paths: dict[str, str]) -> None:
    with visitor.visit(f"/en{paths['overview']}") as visit:
        page = visit.page
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_be_in_viewport()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_the_language_is_switched_on_the_same_page(visitor: Visitor, paths: dict[str, str]) -> None:
    with visitor.visit(f"/en{paths['city']}") as visit:
        page = visit.page
        page.locator("a[hreflang^=zh]").focus()
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/zh{paths['city']}")
        expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
        page.locator("a[hreflang=en]").focus()
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/en{paths['city']}")
