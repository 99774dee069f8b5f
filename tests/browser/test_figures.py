"""What the pages say is what the contracts say."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.places import ride_path
from tests.browser.test_live import wait_for_head
from tests.browser.visiting import Visitor
from tests.support.small_world import MEMBERS, SmallWorld

pytestmark = pytest.mark.browser


def fen(page: Page, selector: str) -> int:
    """The one amount there, as a program reads it; and it must say the same to people."""
    element = page.locator(selector)
    value = int(element.get_attribute("data-fen") or "none")
    text = element.inner_text().replace(",", "").replace("−", "-").replace("¥", "").strip()
    assert text.startswith(f"{value / 100:.2f}"), f"expected {value} fen as yuan, came {text!r}"
    return value


def test_each_citys_account_is_the_contracts(visitor: Visitor, small: SmallWorld) -> None:
    house = small.world.clearinghouse
    with visitor.visit("/en/") as visit:
        wait_for_head(visit.page, small.head)
        for city in MEMBERS:
            row = f"[data-city='{city.code}']"
            shown = {
                name: fen(visit.page, f"{row} [data-account='{name}']")
                for name in ("balance", "position", "owed", "due")
            }
            assert shown == {
                "balance": house.balanceOf(city.code),
                "position": house.position(city.code),
                "owed": house.arrearsOf(city.code),
                "due": house.arrearsDue(city.code),
            }


def test_the_matrix_is_the_sum_of_the_rides(visitor: Visitor, small: SmallWorld) -> None:
    """Each pair's fares, from the events of the node itself."""
    fares = pair_fares(small)
    with visitor.visit("/en/") as visit:
        wait_for_head(visit.page, small.head)
        for (issuer, operator), amount in fares.items():
            cell = f"[data-issuer='{issuer}'][data-operator='{operator}']"
            assert fen(visit.page, cell) == amount


def pair_fares(small: SmallWorld) -> dict[tuple[int, int], int]:
    """(issuer, operator) to the fares that settled, fen."""
    house = small.world.clearinghouse
    topic = next("0x" + topic.hex() for topic, event in house._events.items() if event["name"] == "PairSettled")
    query = {"address": house.address, "topics": [topic], "fromBlock": "0x0", "toBlock": "latest"}
    fares: dict[tuple[int, int], int] = {}
    for log in small.world.node.request("eth_getLogs", query):
        told = house.decode_log(log).args
        pair = told["issuer"], told["operator"]
        fares[pair] = fares.get(pair, 0) + told["fares"]
    return fares


def test_a_ride_says_its_fare_its_refunds_and_its_dispute(visitor: Visitor, small: SmallWorld) -> None:
    of = small.batches["disputed"]
    words = {0: "", 1: "Open", 2: "Upheld", 3: "Refunded"}
    for index in range(6):
        _, _, fare, refunded, _, _, stage = small.world.refunds.caseOf(of.id, index)
        ride = of.claim(index)[2]
        with visitor.visit(f"/en{ride_path(of, index)}") as visit:
            assert fen(visit.page, "main [data-amount='fare']") == ride.fare
            assert fare in (0, ride.fare)
            if refunded:
                assert fen(visit.page, "main [data-amount='refunded']") == refunded
            assert words[stage].lower() in visit.page.locator("main").inner_text().lower()


def test_the_charts_are_drawn_and_their_figures_stand_beside_them(visitor: Visitor) -> None:
    with visitor.visit("/en/") as visit:
        charts = visit.page.locator("[data-chart]")
        expect(charts.locator("canvas")).to_have_count(charts.count())
        assert charts.count() >= 2
        assert visit.page.locator("details table").count() == charts.count()
