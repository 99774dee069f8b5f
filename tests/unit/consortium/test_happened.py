"""Which days' fares are still withheld, from what was withheld on each and what is left of all of it."""

import pytest

from consortium.happened import newest_first


@pytest.mark.parametrize(
    ("still", "left"),
    [
        (900, {18: 300, 19: 400, 20: 200}),
        (899, {18: 299, 19: 400, 20: 200}),
        (600, {18: 0, 19: 400, 20: 200}),
        (150, {18: 0, 19: 0, 20: 150}),
        (0, {18: 0, 19: 0, 20: 0}),
    ],
)
def test_corrections_were_set_off_against_the_oldest_days(still: int, left: dict[int, int]) -> None:
    assert newest_first({19: 400, 18: 300, 20: 200}, still) == left
