"""What a voter reads of a call, from facts alone."""

from dataclasses import replace

import pytest

from consortium.calls import encode_call
from consortium.standing import Account, City, House, Parameters, Standing, votes_needed
from consortium.steps import Status
from consortium.words import Reading, holds_at_once, read_call

NOON = 1_575_172_800
"""2019-12-01 04:00 UTC."""
DAY = 86_400
CONSORTIUM, REGISTRY, TOKEN, HOUSE, REFUNDS, ADMIN, TREASURY, NEW = (f"0x{digit * 40}" for digit in "12345678")
RULES = Parameters(20_000, DAY, 30 * DAY, 30 * DAY, 10 * DAY, 500)


@pytest.fixture
def standing() -> Standing:
    """Hangzhou alone, with 50,000.00 yuan and a reserve of 1,000.00."""
    hangzhou = City(3301, "Hangzhou", Status.ACTIVE, ADMIN, TREASURY, 0, 0, False, None, 0, None, 0)
    account = Account(5_000_000, 100_000, 4_900_000, 0, 0)
    house = House(HOUSE, REFUNDS, RULES, None, 0, 0, 0, 2, 0, None, None, 0, {3301: account})
    return Standing(7, NOON, CONSORTIUM, REGISTRY, TOKEN, {3301: hangzhou}, (house,))


def read(standing: Standing, target: str, contract: str, function: str, *arguments: object) -> Reading:
    return read_call(target, encode_call(contract, function, *arguments), standing, None)


def with_house(standing: Standing, **changes: object) -> Standing:
    return replace(standing, houses=(replace(standing.house, **changes),))  # type: ignore[arg-type]


def test_an_admission_says_who_will_hold_the_keys_and_what_becomes_of_two_thirds(standing: Standing) -> None:
    reading = read(standing, REGISTRY, "CityRegistry", "admit", 3203, "Xuzhou", NEW, TREASURY)
    assert reading.sentence == "admits Xuzhou (3203)"
    assert reading.effects == (
        f"its admin is {NEW}, its treasury {TREASURY}",
        "members with a vote: 1 → 2; votes for two thirds: 1 → 2",
    )
    assert reading.warnings == (f"{TREASURY}, which becomes its treasury, is the treasury of Hangzhou (3301)",)


def test_a_city_that_never_was_a_member_is_said_to_be_none(standing: Standing) -> None:
    reading = read(standing, REGISTRY, "CityRegistry", "suspend", 3203)
    assert reading.sentence == "suspends city 3203, which never was a member"


@pytest.mark.parametrize(
    ("amount", "sentence", "effect", "warnings"),
    [
        (
            150_000,
            "raises the reserve of Hangzhou (3301) from 1,000.00 yuan to 1,500.00 yuan",
            "Hangzhou (3301) can withdraw 500.00 yuan less: 48,500.00 yuan instead of 49,000.00 yuan",
            0,
        ),
        (
            0,
            "lowers the reserve of Hangzhou (3301) from 1,000.00 yuan to 0.00 yuan",
            "Hangzhou (3301) can withdraw 1,000.00 yuan more: 50,000.00 yuan instead of 49,000.00 yuan",
            0,
        ),
        (
            100_000,
            "leaves the reserve of Hangzhou (3301) at 1,000.00 yuan",
            "Hangzhou (3301) can withdraw 49,000.00 yuan as before",
            1,
        ),
        (
            5_000_001,
            "raises the reserve of Hangzhou (3301) from 1,000.00 yuan to 50,000.01 yuan",
            "Hangzhou (3301) can withdraw 49,000.00 yuan less: 0.00 yuan instead of 49,000.00 yuan",
            1,
        ),
    ],
)
def test_a_reserve_says_what_the_city_can_still_withdraw(
    standing: Standing, amount: int, sentence: str, effect: str, warnings: int
) -> None:
    reading = read(standing, HOUSE, "Clearinghouse", "setReserve", 3301, amount)
    assert (reading.sentence, reading.effects, len(reading.warnings)) == (sentence, (effect,), warnings)


@pytest.mark.parametrize(
    ("changes", "at_once"),
    [
        ({}, True),
        ({"max_fare": 20_001, "grace": 2 * DAY}, True),
        ({"max_fare": 19_999}, False),
        ({"submission_window": 29 * DAY}, False),
        ({"answer_time": 9 * DAY}, False),
        ({"dispute_fee": 400}, False),
        ({"dispute_fee": 600}, False),
    ],
)
def test_only_what_lengthens_and_leaves_the_fee_holds_at_once(changes: dict[str, int], at_once: bool) -> None:
    assert holds_at_once(RULES, RULES._replace(**changes)) is at_once


def test_parameters_say_which_pending_ones_they_replace(standing: Standing) -> None:
    waiting = with_house(standing, pending=RULES._replace(max_fare=15_000), pending_from=NOON)
    new = RULES._replace(dispute_fee=600)
    reading = read(waiting, HOUSE, "Clearinghouse", "setParameters", tuple(new))
    assert reading.effects[0] == "fee of an upheld dispute: 5.00 yuan → 6.00 yuan"
    assert reading.warnings == (
        "it takes the place of the parameters that are to hold from 2019-12-01 04:00:00 UTC (highest fare of a ride "
        "150.00 yuan)",
    )


def test_a_refusal_is_the_last_of_the_warnings(standing: Standing) -> None:
    data = encode_call("Clearinghouse", "resumeSettlement")
    reading = read_call(HOUSE, data, standing, "NotStopped(): settlement isn't stopped")
    assert reading.warnings == (
        "settlement isn't stopped",
        "carried out now, it would be refused: NotStopped(): settlement isn't stopped",
    )


@pytest.mark.parametrize(("target", "data"), [(NEW, b"\xde\xad\xbe\xef"), (HOUSE, b"\xde\xad\xbe\xef"), (NEW, b"")])
def test_what_cannot_be_read_is_not_to_be_voted_for(standing: Standing, target: str, data: bytes) -> None:
    reading = read_call(target, data, standing, None)
    assert not reading.readable
    assert reading.warnings == ("DON'T VOTE FOR WHAT YOU CAN'T READ",)
    assert (f"0x{data.hex()}" in reading.sentence, target in reading.sentence) == (True, True)


def test_two_thirds_are_rounded_up_and_at_least_one() -> None:
    assert [votes_needed(voters) for voters in range(8)] == [1, 1, 2, 2, 3, 4, 4, 5]
