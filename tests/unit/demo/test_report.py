"""The demo's own judgement of its run: each thing that can be wrong is found, and named."""

from typing import Any

import pytest

from demo.report import percentile, shortfalls, targets_missed


@pytest.fixture
def report() -> dict[str, Any]:
    """A run of two cities in which all is well."""
    return {
        "cities": ["Shanghai", "Hangzhou"],
        "directed_pairs": 2,
        "rides_taken": 20,
        "rides_settled": 20,
        "rides_rejected": 1,
        "rides_rejected_by_reason": {"TooLate": 1},
        "corrections": [{"amount": 500}] * 3,
        "balances": {"Shanghai": 4_999_000, "Hangzhou": 5_001_000},
        "held": 10_000_000,
        "tokens_held": 10_000_000,
        "differences": [],
        "books": {"checks": [{"check": "contracts", "count": 0}, {"check": "index", "count": 0}]},
        "seconds_tap_to_balance": {"p50": 0.7, "p99": 1.6},
    }


def test_a_run_in_which_all_is_well_has_no_shortfall(report: dict[str, Any]) -> None:
    assert shortfalls(report) == []


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("books", {"checks": [{"check": "index", "count": 2}]}, "index: 2 differ"),
        ("books", None, "nothing was reconciled"),
        ("differences", ["balances add up to 99999.99, held() says 100000.00 yuan"], "balances add up to 99999.99"),
        ("rides_settled", 19, "20 rides were taken, 19 settled"),
        ("directed_pairs", 1, "1 directed pairs have rides"),
        ("corrections", [{"amount": 500}] * 2, "expected 3 corrections"),
        ("corrections", [{"amount": 500}] * 2 + [{"amount": 0}], "expected 3 corrections"),
        ("rides_rejected", 2, "2 rides were refused"),
    ],
)
def test_each_shortfall_is_named(report: dict[str, Any], field: str, value: object, words: str) -> None:
    [found] = shortfalls(report | {field: value})
    assert words in found


@pytest.mark.parametrize(("p99", "words"), [(3.0, []), (3.01, ["took 3.01 s"])])
def test_a_slow_run_is_said_to_be_slow_but_not_wrong(report: dict[str, Any], p99: float, words: list[str]) -> None:
    slow = report | {"seconds_tap_to_balance": {"p50": 0.7, "p99": p99}}
    assert shortfalls(slow) == []
    found = targets_missed(slow)
    assert len(found) == len(words)
    assert all(word in line for word, line in zip(words, found, strict=True))


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99), (100, 100), (1, 1)])
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(percent: int, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_a_percentile_of_few_values_is_never_below_them() -> None:
    assert percentile([3.0], 99) == 3.0
    assert percentile([1.0, 2.0], 99) == 2.0
