"""The days of the demo's statements: those of the city, which begin when it opens."""

from datetime import date

import pytest

from demo.books import days_of
from interline.operating_day import OperatingDay
from tests.support.index_rows import moment


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("2026-11-30 23:59", "2026-11-30"),
        ("2026-12-01 00:00", "2026-11-30"),
        ("2026-12-01 03:59", "2026-11-30"),
        ("2026-12-01 04:00", "2026-12-01"),
    ],
)
def test_a_demo_in_the_small_hours_asks_for_a_day_that_has_begun(at: str, day: str) -> None:
    clock, now = OperatingDay(), moment(at)
    assert days_of(clock, now - 60, now)[2:] == ("--to", day)
    assert clock.start_of(date.fromisoformat(day)) <= now


def test_a_demo_over_the_night_has_both_days() -> None:
    assert days_of(OperatingDay(), moment("2026-12-01 03:59"), moment("2026-12-01 04:00")) == (
        *("--from", "2026-11-30"),
        *("--to", "2026-12-01"),
    )
