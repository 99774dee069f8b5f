"""The year before it is on a chain: how many ride, when, where and for how much."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from demo.year import Plan, make_plan
from demo.year.days import rides_of_days, settlement_times
from demo.year.rides import FIRST_TRAIN, LAST_TRAIN
from demo.year.story import BEGIN, DAY, DAYS, END, FIRST_DAY, PEAK_DAY, RIDES, Member, midnight
from interline.reasons import RideReason

SMALL = 900


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(SMALL, seed=7)


@pytest.fixture(scope="module")
def members(plan: Plan) -> dict[int, Member]:
    return {member.code: member for member in plan.members}


def test_the_busiest_day_of_three_million_rides_is_in_july_and_has_the_articles_scans() -> None:
    per_day = rides_of_days(RIDES, seed=2019)
    assert int(per_day.sum()) == RIDES
    assert FIRST_DAY + timedelta(days=int(per_day.argmax())) == PEAK_DAY
    assert (PEAK_DAY.year, PEAK_DAY.month) == (2019, 7)
    assert 20_700 <= 2 * int(per_day.max()) < 25_000


def test_days_off_have_more_rides_than_days_of_work_around_them() -> None:
    per_day = rides_of_days(RIDES, seed=2019)
    weekend, work = ([per_day[(date(2019, 11, day) - FIRST_DAY).days] for day in days] for days in ((9, 10), (7, 12)))
    assert min(weekend) > 1.1 * max(work)


def test_rides_grow_with_the_members() -> None:
    per_day = rides_of_days(RIDES, seed=2019)
    assert per_day[:31].mean() < 0.7 * per_day[-31:].mean()


@pytest.mark.parametrize("rides", [300, 601, 4_999])
def test_a_smaller_year_has_just_as_many_rides_as_were_asked_for(rides: int) -> None:
    small = make_plan(rides, seed=3)
    assert int((small.rides.reason == 0).sum()) == rides
    assert sum(pair.rides for pair in small.schedule.books.pairs.values()) == rides


def test_the_same_seed_gives_the_same_year_and_another_another(plan: Plan) -> None:
    again, other = make_plan(SMALL, seed=7), make_plan(SMALL, seed=8)
    assert again.schedule.blocks[0].items == plan.schedule.blocks[0].items
    for column in ("issuer", "serial", "entered_at", "fare", "slot"):
        assert np.array_equal(getattr(again.rides, column), getattr(plan.rides, column))
    assert not np.array_equal(other.rides.entered_at, plan.rides.entered_at)
    assert again.schedule.books == plan.schedule.books


def test_nobody_rides_before_both_cities_are_members(plan: Plan, members: dict[int, Member]) -> None:
    joined = {code: midnight(member.joined) for code, member in members.items()}
    for city in (plan.rides.issuer, plan.rides.operator):
        assert all(entered >= joined[code] for code, entered in zip(city, plan.rides.entered_at, strict=True))
    assert set(plan.rides.issuer.tolist()) == set(members)
    assert not np.any(plan.rides.issuer == plan.rides.operator)


def test_rides_are_entered_while_trains_run(plan: Plan) -> None:
    seconds = (plan.rides.entered_at - BEGIN) % DAY
    assert seconds.min() >= FIRST_TRAIN
    assert seconds.max() < LAST_TRAIN
    assert plan.rides.entered_at.max() < BEGIN + DAYS * DAY


def test_every_fare_is_the_operators_tariff(plan: Plan, members: dict[int, Member]) -> None:
    rides = plan.rides
    for at in np.flatnonzero(rides.reason != RideReason.AboveFareCap):
        tariff = members[int(rides.operator[at])].tariff
        entry, exit_ = int(rides.entry_station[at]), int(rides.exit_station[at])
        if entry and exit_:
            expected = tariff.fare(entry, exit_)
        else:
            expected = tariff.lone_entry_fare(entry) if entry else tariff.lone_exit_fare(exit_)
        assert rides.fare[at] == expected


def test_lone_rides_have_one_time_and_one_station(plan: Plan) -> None:
    lone = plan.rides.entered_at == plan.rides.exited_at
    one_station = (plan.rides.entry_station == 0) != (plan.rides.exit_station == 0)
    assert lone.any()
    assert np.array_equal(lone, one_station)


def test_serials_are_dense_and_shuffled_within_blocks_of_256() -> None:
    rides = make_plan(20_000, seed=7).rides
    mine = np.flatnonzero(
        (rides.issuer == 3100) & (rides.operator == 3301) & (rides.reason != RideReason.AlreadySettled)
    )
    serials = rides.serial[mine]
    whole = serials[: len(serials) // 256 * 256]
    blocks = whole.reshape(-1, 256)
    assert np.array_equal(np.sort(whole), np.arange(len(whole)))
    assert all(np.array_equal(block // 256, np.full(256, number)) for number, block in enumerate(blocks))
    assert not np.array_equal(whole[:256], np.arange(256))


def test_a_ride_is_settled_after_it_ended_and_within_the_year(plan: Plan) -> None:
    settled_at = plan.rides.times[plan.rides.slot]
    assert np.all(settled_at > plan.rides.exited_at)
    assert settled_at.max() == END


def test_some_rides_come_late_and_some_of_those_in_another_month() -> None:
    rides = make_plan(20_000, seed=7).rides
    settled_at = rides.times[rides.slot]
    late = np.flatnonzero((rides.reason == 0) & (settled_at - rides.exited_at > DAY + DAY // 2))
    months = [(_month(rides.exited_at[at]), _month(settled_at[at])) for at in late]
    assert len(late) >= 40
    assert any(ridden != settled for ridden, settled in months)


def test_large_years_settle_more_often_than_small_ones() -> None:
    assert len(settlement_times(RIDES)) > len(settlement_times(20_000)) > len(settlement_times(300))


def test_a_block_has_one_transaction_of_each_sender_and_comes_after_the_one_before(plan: Plan) -> None:
    blocks = plan.schedule.blocks
    assert all(before.time < block.time for before, block in pairwise(blocks))
    for block in blocks:
        senders = [("s", item.operator) if hasattr(item, "operator") else ("a", item.account) for item in block.items]
        assert len(set(senders)) == len(senders)


def test_cities_that_forget_to_top_up_run_into_arrears_and_some_are_open_in_the_end() -> None:
    books = (year := make_plan(20_000)).schedule.books
    code = {member.name: member.code for member in year.members}
    assert {code["Ningbo"], code["Hefei"], code["Xuzhou"]} <= {
        city for city, times in year.schedule.arrears_days.items() if times
    }
    assert books.arrears_of(code["Xuzhou"]) > 0
    assert books.arrears_paid > 0
    assert sum(books.balances.values()) == sum(books.deposits.values()) - sum(books.withdrawals.values())


def _month(moment: int) -> str:
    return f"{FIRST_DAY + timedelta(days=int(moment - BEGIN) // DAY):%Y-%m}"
