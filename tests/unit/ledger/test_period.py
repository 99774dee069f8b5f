"""Periods of statements: days, months, years, or from one day to another."""

from datetime import date

import pytest

from ledger.errors import PeriodError
from ledger.statement.period import Period, RelativePeriod, parse_period


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2019-12", date(2019, 12, 1), date(2019, 12, 31)),
        ("2020-02", date(2020, 2, 1), date(2020, 2, 29)),
        ("2019-02", date(2019, 2, 1), date(2019, 2, 28)),
        ("2019-12-05", date(2019, 12, 5), date(2019, 12, 5)),
        ("2019", date(2019, 1, 1), date(2019, 12, 31)),
    ],
)
def test_a_period_is_named_by_its_month_day_or_year(text: str, first: date, last: date) -> None:
    assert Period.parse(text) == Period(first, last)
    assert str(Period.parse(text)) == Period.parse(text).name == text


@pytest.mark.parametrize(
    "text", ["2019-13", "2019-02-29", "19-12", "2019-1", "december", "", "2019-12 ", "０２０１９-12"]
)
def test_a_period_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(PeriodError, match=r"expected a period like 2019-12, 2019-12-05 or 2019, found"):
        Period.parse(text)


@pytest.mark.parametrize(
    ("text", "today", "named"),
    [
        ("this-month", date(2026, 11, 30), "2026-11"),
        ("this-month", date(2028, 2, 29), "2028-02"),
        ("last-month", date(2026, 12, 1), "2026-11"),
        ("last-month", date(2026, 3, 31), "2026-02"),
        ("last-month", date(2027, 1, 1), "2026-12"),
        ("today", date(2028, 2, 29), "2028-02-29"),
        ("yesterday", date(2028, 3, 1), "2028-02-29"),
        ("yesterday", date(2027, 1, 1), "2026-12-31"),
        ("this-month", date(2105, 12, 31), "2105-12"),
    ],
)
def test_a_period_may_be_named_by_the_day_that_it_is(text: str, today: date, named: str) -> None:
    relative = parse_period(text)
    assert isinstance(relative, RelativePeriod)
    assert relative.on(today) == parse_period(named) == Period.parse(named)


@pytest.mark.parametrize("text", ["last month", "This-Month", "tomorrow", "this-year", "", "THIS_MONTH"])
def test_what_names_no_period_is_answered_with_what_does(text: str) -> None:
    known = "2019-12, 2019-12-05 or 2019, or one of this-month, last-month, today, yesterday, found"
    with pytest.raises(PeriodError, match=known):
        parse_period(text)


def test_the_month_before_the_first_of_all_is_refused() -> None:
    with pytest.raises(PeriodError, match="from 1970 to 2105"):
        RelativePeriod.LAST_MONTH.on(date(1970, 1, 1))


def test_a_period_from_a_day_to_another_says_both() -> None:
    period = Period.between("2019-12-01", "2019-12-15")
    assert (period.first, period.last, period.after) == (date(2019, 12, 1), date(2019, 12, 15), date(2019, 12, 16))
    assert (str(period), period.name) == ("2019-12-01 to 2019-12-15", "2019-12-01_2019-12-15")
    assert len(list(period.days())) == 15


def test_a_whole_month_from_day_to_day_is_that_month() -> None:
    assert Period.between("2019-12-01", "2019-12-31") == Period.parse("2019-12")


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(PeriodError, match="2019-12-15 to 2019-12-01: exchange the two"):
        Period.between("2019-12-15", "2019-12-01")


def test_the_edges_are_days() -> None:
    with pytest.raises(PeriodError, match="expected a day like 2019-12-05, came '2019-12'"):
        Period.between("2019-12", "2019-12-31")


@pytest.mark.parametrize("text", ["1969", "2106-01", "9999-12-31", "0001"])
def test_a_year_that_no_block_has_is_refused(text: str) -> None:
    with pytest.raises(PeriodError, match="from 1970 to 2105"):
        Period.parse(text)
