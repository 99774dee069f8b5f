"""With scripts forbidden, everything is still there and still works; and no page tells who rode twice."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.places import PLACES
from tests.browser.visiting import DEVICES, Device, Visitor
from tests.contracts.corrections import PHONE
from tests.support.small_world import MEMBERS, SmallWorld

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("place", PLACES)
def test_every_page_is_whole(visitor: Visitor, paths: dict[str, str], place: str, device: Device) -> None:
    with visitor.visit(f"/en{paths[place]}", device=device, scripts=False) as visit:
        assert (visit.complaints, visit.strangers) == ([], [])
        assert visit.page.locator("main table").count() >= 1
        assert visit.page.locator("main").inner_text().strip()


def test_a_reader_finds_a_ride_from_the_overview(visitor: Visitor, small: SmallWorld) -> None:
    """Overview, city, batch, ride: by links alone."""
    with visitor.visit("/en/", scripts=False) as visit:
        page = visit.page
        page.locator("main a[href*='/cities/3301']").first.click()
        expect(page.locator("h1")).to_contain_text("Hangzhou")
        page.locator("main a[href*='/batches/']").first.click()
        expect(page.locator("h1")).to_contain_text("Batch")
        page.locator("main a[href*='/rides/']").first.click()
        expect(page.locator("h1")).to_contain_text("Ride")
        page.locator(f"main a[href$='/cities/{MEMBERS[1].code}']").first.click()
        expect(page.locator("h1")).to_contain_text("Hangzhou")


@pytest.mark.parametrize("place", PLACES)
def test_no_page_names_a_rider(visitor: Visitor, paths: dict[str, str], place: str) -> None:
    """The rider key's address is on chain five times; a page that showed it would link five rides."""
    with visitor.visit(f"/en{paths[place]}") as visit:
        assert PHONE.public.address.hex() not in visit.page.content().lower()
