"""A ride after midnight belongs to the day before; days are of the operator's clock, and have no gaps."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interline.errors import OperatingDayError
from interline.operating_day import OperatingDay

SHANGHAI = OperatingDay()


def moment(text: str, zone: str = "Asia/Shanghai") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("2019-12-01T03:59:59", date(2019, 11, 30)),
        ("2019-12-01T04:00:00", date(2019, 12, 1)),
        ("2019-12-01T23:59:59", date(2019, 12, 1)),
        ("2019-12-02T00:00:00", date(2019, 12, 1)),
        ("2020-01-01T03:59:59", date(2019, 12, 31)),
    ],
)
def test_a_ride_before_four_belongs_to_the_day_before(at: str, day: date) -> None:
    assert SHANGHAI.day_of(moment(at)) == day


def test_a_day_starts_at_its_own_time() -> None:
    assert SHANGHAI.start_of(date(2019, 12, 1)) == moment("2019-12-01T04:00:00") == 1_575_144_000


def test_another_beginning_moves_the_edge() -> None:
    early = OperatingDay(starts="02:30")
    assert early.day_of(moment("2019-12-01T02:29:59")) == date(2019, 11, 30)
    assert early.day_of(moment("2019-12-01T02:30:00")) == date(2019, 12, 1)


def test_a_day_has_23_or_25_hours_where_clocks_are_put() -> None:
    berlin = OperatingDay("Europe/Berlin", "02:00")
    # 31 March 2019: 02:00 doesn't exist, so it begins at 03:00; 27 October: 02:00 comes twice
    assert berlin.start_of(date(2019, 3, 31)) == moment("2019-03-31T03:00:00", "Europe/Berlin")
    hours = {
        day: (berlin.start_of(day + timedelta(days=1)) - berlin.start_of(day)) // 3600
        for day in (date(2019, 3, 31), date(2019, 6, 1), date(2019, 10, 27))
    }
    assert hours == {date(2019, 3, 31): 23, date(2019, 6, 1): 24, date(2019, 10, 27): 25}


def test_shanghai_kept_summer_time_until_1991() -> None:
    # clocks went forward on 14 April 1991 at 02:00: 04:00 was 19:00 UTC
    assert SHANGHAI.start_of(date(1991, 6, 1)) - SHANGHAI.start_of(date(1991, 1, 1)) == (151 * 24 - 1) * 3600


def test_a_date_that_samoa_skipped_has_no_moment() -> None:
    samoa = OperatingDay("Pacific/Apia", "00:00")
    skipped = date(2011, 12, 30)
    assert samoa.start_of(skipped) == samoa.start_of(date(2011, 12, 31))
    assert samoa.day_of(samoa.start_of(skipped)) == date(2011, 12, 31)
    assert samoa.day_of(samoa.start_of(skipped) - 1) == date(2011, 12, 29)


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "UTC"])
@given(second=st.integers(0, 2**32), minute=st.integers(0, 1439))
def test_every_second_is_in_exactly_one_day(zone: str, second: int, minute: int) -> None:
    rule = OperatingDay(zone, f"{minute // 60:02}:{minute % 60:02}")
    day = rule.day_of(second)
    assert rule.start_of(day) <= second < rule.start_of(day + timedelta(days=1))


@pytest.mark.parametrize("zone", ["Asia/Xanadu", "", "../etc/passwd", 8])
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(OperatingDayError, match="expected a time zone like Asia/Shanghai"):
        OperatingDay(zone)


@pytest.mark.parametrize("starts", ["4:00", "24:00", "04:60", "04:00:00", "", 240])
def test_a_beginning_that_is_no_time_of_day_is_refused(starts: str) -> None:
    with pytest.raises(OperatingDayError, match="expected a time of day"):
        OperatingDay(starts=starts)
