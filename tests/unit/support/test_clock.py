"""Other clocks for the tests: which moments, for which processes, and which tests look at a clock."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from interline.operating_day import OperatingDay
from tests.clock import shifting
from tests.clock.selection import QUICK, REPOSITORY, clock_dependent
from tests.clock.shifting import MOMENTS, Moment, NoFakeTimeError

CHINA = timezone(timedelta(hours=8))
HOUR = timedelta(hours=1)
LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
THEN = Moment("then", datetime(2038, 1, 19, 3, 13, tzinfo=UTC))


def at(name: str) -> datetime:
    moment = MOMENTS[name].at
    assert moment is not None
    return moment


@pytest.mark.parametrize(
    ("name", "zone", "length"),
    [("month-utc", UTC, 7), ("month-china", CHINA, 7), ("year-utc", UTC, 4), ("year-china", CHINA, 4)],
)
def test_the_last_hour_is_the_last_hour_and_long_enough(name: str, zone: timezone, length: int) -> None:
    """In another month or year an hour later, and still in the old one after a run of three quarters of an hour."""
    local = at(name).astimezone(zone)
    assert str(local + HOUR)[:length] != str(local)[:length] == str(local + 0.75 * HOUR)[:length]


def test_in_the_small_hours_the_calendar_is_a_month_ahead_of_the_operating_day() -> None:
    day = OperatingDay().day_of(int(at("small-hours").timestamp()))
    assert (day.month + 1, 1) == (at("small-hours").astimezone(CHINA).month, at("small-hours").astimezone(CHINA).day)


def test_31_bits_of_seconds_end_within_the_run_of_2038_and_have_ended_in_2039() -> None:
    assert 0 < 2**31 - at("2038").timestamp() < 120
    assert at("2039").timestamp() > 2**31


def test_the_clock_is_shifted_by_one_offset_for_all_that_a_process_starts() -> None:
    environment = THEN.environment(THEN.offset(0) - 1_000.0, LIBRARY, {"PATH": "/bin", "LD_PRELOAD": "/lib/other.so"})
    assert environment["FAKETIME"] == "+1000"
    assert environment["LD_PRELOAD"] == f"{LIBRARY}:/lib/other.so"
    assert environment["FAKETIME_DONT_FAKE_MONOTONIC"] == "1"
    assert environment["PATH"] == "/bin"
    assert "TZ" not in environment


def test_a_moment_in_the_past_is_an_offset_below_zero() -> None:
    assert THEN.environment(THEN.offset(0) + 1_000.0, LIBRARY, {})["FAKETIME"] == "-1000"


def test_another_zone_needs_no_other_clock() -> None:
    assert MOMENTS["kiritimati"].environment(0.0, LIBRARY, {"PATH": "/bin"}) == {
        "PATH": "/bin",
        "TZ": "Pacific/Kiritimati",
    }


def test_without_libfaketime_it_is_said_what_installs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shifting, "LIBRARIES", (f"{tmp_path}/*.so",))
    with pytest.raises(NoFakeTimeError, match="found none; `make tools` installs it"):
        shifting.faketime_library()


def test_tests_that_look_at_the_machines_or_a_chains_clock_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    for name, text in {"machine": "x = time.time()", "chain": "with Chain() as c:", "none": "x = 1"}.items():
        (folder / f"test_{name}.py").write_text(text)
    assert clock_dependent(folder) == ["tests/test_chain.py", "tests/test_machine.py"]
    assert "tests/e2e/test_readme.py" in clock_dependent()


def test_what_ci_has_time_for_is_there() -> None:
    assert [name for name in QUICK if not (REPOSITORY / name).exists()] == []
