"""The article's first year, small: the chain comes to what the generator reckoned, in the year's own dates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from demo.year.story import PEAK_DAY, day_of
from ledger.chain import Chain
from tests.support.year import YearWorld, year_world

RIDES = 600


@pytest.fixture(scope="module")
def year() -> Iterator[YearWorld]:
    with year_world(RIDES) as world:
        yield world


def test_the_contracts_hold_what_the_year_was_reckoned_to_come_to(year: YearWorld) -> None:
    books = year.made.plan.schedule.books
    balances = Chain(year.web3, year.clearinghouse).balances()
    assert {city.code: city.balance for city in balances.cities} == dict(books.balances)
    assert {city.code: city.position for city in balances.cities} == {
        member.code: books.position(member.code) for member in year.made.plan.members
    }
    assert sum(city.arrears_owed for city in balances.cities) > 0


def test_every_ride_that_was_to_settle_did_and_no_other(year: YearWorld) -> None:
    events = Chain(year.web3, year.clearinghouse).events()
    settled = sum(event.arguments["settled"] for event in events if event.name == "BatchSettled")
    refused = [event.arguments["reason"] for event in events if event.name == "RideRejected"]
    assert settled == RIDES
    assert sorted(refused) == sorted(year.made.plan.rides.reason[year.made.plan.rides.reason > 0].tolist())


def test_everything_that_befalls_a_ride_befell_some(year: YearWorld) -> None:
    names = [event.name for event in Chain(year.web3, year.clearinghouse).events()]
    corrected = year.made.plan.schedule.corrected
    for name in ("RideRefunded", "RideDisputed", "RideUpheld", "Withdrawn", "Deposited", "ArrearsPaid", "RideRejected"):
        assert name in names, name
    assert names.count("RideDisputed") == sum(len(corrected[kind]) for kind in corrected if kind in _DISPUTED)


_DISPUTED = ("answered", "unanswered", "given_back", "open")


def test_blocks_carry_the_dates_of_the_year(year: YearWorld) -> None:
    eth = year.web3.eth
    first = eth.get_block(1)["timestamp"]
    last = eth.get_block(year.made.deployment.contracts["Clearinghouse"].block + year.made.blocks)["timestamp"]
    assert (day_of(first), day_of(last)) == (date(2018, 11, 26), date(2020, 1, 1))


def test_no_day_has_more_rides_than_the_busiest(year: YearWorld) -> None:
    per_day = year.made.plan.rides.per_day
    assert per_day[(PEAK_DAY - date(2018, 12, 1)).days] == per_day.max()
