"""What a voter reads of a call, from facts alone."""

from dataclasses import replace

import pytest

from consortium.calls import encode_call
from consortium.standing import Account, City, House, Parameters, Recovery, Standing, votes_needed
from consortium.steps import Status
from consortium.words import Reading, read_call

NOON = 1_575_172_800
"""2019-12-01 04:00 UTC."""
DAY = 86_400
CONSORTIUM, REGISTRY, TOKEN, HOUSE, REFUNDS, ADMIN, TREASURY, NEW, RECOVERY = (f"0x{d * 40}" for d in "123456789")
STRANGER = f"0x{1:040}"
RULES = Parameters(20_000, DAY, 30 * DAY, 30 * DAY, 10 * DAY, 500)


@pytest.fixture
def standing() -> Standing:
    """Hangzhou alone, with 50,000.00 yuan and a reserve of 1,000.00."""
    recovery = Recovery(RECOVERY, None, None, 0)
    hangzhou = City(3301, "Hangzhou", Status.ACTIVE, ADMIN, TREASURY, 0, 0, False, None, 0, None, 0, recovery, 0, ())
    account = Account(5_000_000, 100_000, 4_900_000, 0, 0, 0, 0, 0)
    house = House(HOUSE, REFUNDS, RULES, RULES, None, 0, 0, 0, 2, 0, None, None, 0, {3301: account})
    return Standing(7, NOON, CONSORTIUM, REGISTRY, TOKEN, {3301: hangzhou}, (house,))


def read(standing: Standing, target: str, contract: str, function: str, *arguments: object) -> Reading:
    return read_call(target, encode_call(contract, function, *arguments), standing, None)


def with_house(standing: Standing, **changes: object) -> Standing:
    return replace(standing, houses=(replace(standing.house, **changes),))  # type: ignore[arg-type]


def test_an_admission_says_who_will_hold_the_keys_and_what_becomes_of_two_thirds(standing: Standing) -> None:
    reading = read(standing, REGISTRY, "CityRegistry", "admit", 3203, "Xuzhou", NEW, TREASURY, STRANGER)
    assert reading.sentence == "admits Xuzhou (3203)"
    assert reading.effects == (
        f"its admin is {NEW}",
        f"its treasury is {TREASURY}",
        f"its recovery address is {STRANGER}",
        "its seat counts 7 days later; members with a vote: 1 → 2; votes for two thirds: 1 → 2",
    )
    assert reading.warnings == (f"{TREASURY}, which becomes its treasury, is the treasury of Hangzhou (3301)",)


def test_a_city_that_never_was_a_member_is_said_to_be_none(standing: Standing) -> None:
    reading = read(standing, REGISTRY, "CityRegistry", "suspend", 3203)
    assert reading.sentence == "suspends city 3203, which never was a member"


def test_a_newcomer_whose_seat_does_not_count_yet_is_no_vote_but_will_be_one(standing: Standing) -> None:
    newcomer = replace(standing.cities[3301], code=3100, name="Shanghai", counts_from=NOON + 1)
    two = replace(standing, cities={**standing.cities, 3100: newcomer})
    admit = read(two, REGISTRY, "CityRegistry", "admit", 3203, "Xuzhou", NEW, STRANGER, STRANGER)
    assert admit.effects[-1].endswith("members with a vote: 1 → 3; votes for two thirds: 1 → 2")
    suspended = replace(newcomer, counts_from=NOON, status=Status.SUSPENDED)
    both = replace(standing, cities={**standing.cities, 3100: suspended})
    assert [city.code for city in both.voters] == [3301, 3100]  # a suspended city keeps its vote
    gone = replace(standing, cities={**standing.cities, 3100: replace(suspended, status=Status.EXITED)})
    assert [city.code for city in gone.voters] == [3301]


@pytest.mark.parametrize("function", ["suspend", "expel"])
@pytest.mark.parametrize(
    ("members", "warning"),
    [
        (2, "of 2 members 2 have to vote for it, and the vote of Hangzhou (3301) doesn't count in it: it can't pass"),
        (3, None),
    ],
)
def test_in_a_consortium_of_two_nobody_can_be_suspended_or_expelled(
    standing: Standing, function: str, members: int, warning: str | None
) -> None:
    hangzhou = standing.cities[3301]
    cities = {3301: hangzhou} | {code: replace(hangzhou, code=code) for code in range(3302, 3301 + members)}
    cities |= {3100: replace(hangzhou, code=3100, counts_from=NOON + 1)}  # whose seat doesn't count yet
    reading = read(replace(standing, cities=cities), REGISTRY, "CityRegistry", function, 3301)
    assert reading.warnings == (() if warning is None else (warning,))


def test_a_reinstatement_says_which_rides_stay_refused(standing: Standing) -> None:
    suspended = replace(standing.cities[3301], status=Status.SUSPENDED, suspended_at=NOON - DAY)
    reading = read(replace(standing, cities={3301: suspended}), REGISTRY, "CityRegistry", "reinstate", 3301)
    assert reading.effects == (
        "its rides settle again",
        "rides of the time of its suspension, from 2019-12-01 04:00:00 UTC on, stay refused for good",
    )


def test_a_recovery_says_that_the_address_is_the_registered_one_and_what_becomes_of_the_keys(
    standing: Standing,
) -> None:
    reading = read(standing, REGISTRY, "CityRegistry", "recover", 3301, RECOVERY)
    assert reading.sentence == f"gives Hangzhou (3301) back to its recovery address {RECOVERY}"
    assert reading.effects == (
        f"{RECOVERY} is the recovery address that Hangzhou (3301) has registered, and asked for it",
        f"its admin: {ADMIN} → {RECOVERY}",
        f"its treasury: {TREASURY} → none, until that admin names one, which accepts 2 days later",
        "a freeze of its treasury ends, and what is proposed for its keys is called off",
    )
    assert reading.warnings == ()


def test_a_recovery_to_any_other_address_is_flagged(standing: Standing) -> None:
    reading = read(standing, REGISTRY, "CityRegistry", "recover", 3301, STRANGER)
    assert reading.warnings == (
        f"{STRANGER} isn't the recovery address that Hangzhou (3301) has registered, which is {RECOVERY}",
    )
    unknown = read(standing, REGISTRY, "CityRegistry", "recover", 3203, STRANGER)
    assert unknown.sentence == f"gives city 3203, which never was a member, to {STRANGER}"


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


def test_parameters_say_for_which_rides_they_hold(standing: Standing) -> None:
    patient = with_house(standing, parameters=RULES._replace(grace=2 * DAY))
    reading = read(patient, HOUSE, "Clearinghouse", "setParameters", tuple(RULES))
    assert reading.effects == (
        "grace (how stale a gate's list may be): 2 days → 1 day",
        "holds for rides that end 2 days after it is carried out, or later; rides that end before stay under the rules "
        "of before: settling, refunds and disputes",
        "all others stay",
    )


def test_a_successor_that_replaces_another_says_which(standing: Standing) -> None:
    named = with_house(standing, successor=NEW, closes_at=NOON + 40 * DAY)
    another = read(named, HOUSE, "Clearinghouse", "nameSuccessor", STRANGER, NOON + 60 * DAY)
    assert another.warnings[1] == f"it takes the place of {NEW}, named to take over at 2020-01-10 04:00:00 UTC"
    later = read(named, HOUSE, "Clearinghouse", "nameSuccessor", NEW, NOON + 60 * DAY)
    assert later.warnings[1] == "it takes the place of that one, named to take over at 2020-01-10 04:00:00 UTC"
    first = read(standing, HOUSE, "Clearinghouse", "nameSuccessor", NEW, NOON + 60 * DAY)
    assert len(first.warnings) == 1


def test_calling_a_successor_off_says_which(standing: Standing) -> None:
    named = with_house(standing, successor=NEW, closes_at=NOON + 40 * DAY)
    reading = read(named, HOUSE, "Clearinghouse", "cancelSuccessor")
    assert reading.sentence == f"calls off {NEW}, named to take over at 2020-01-10 04:00:00 UTC"
    assert reading.effects[0] == f"{HOUSE} doesn't close: its tickets and gates go on"
    assert read(standing, HOUSE, "Clearinghouse", "cancelSuccessor").warnings == ("no successor is named",)


def test_a_reserve_stays_as_long_as_the_longest_claim_by_any_parameters_that_rides_have(standing: Standing) -> None:
    assert standing.house.longest_claim == 78 * DAY
    longer = RULES._replace(submission_window=40 * DAY)
    for where in ("before", "pending", "parameters"):
        assert with_house(standing, **{where: longer}).house.longest_claim == 88 * DAY
    patient = RULES._replace(answer_time=30 * DAY)
    assert with_house(standing, before=longer, pending=patient).house.longest_claim == 108 * DAY


def test_what_is_withheld_can_be_released_after_the_longer_of_the_times_for_an_answer(standing: Standing) -> None:
    day = NOON // DAY
    assert standing.house.releasable_from(day) == (day + 1) * DAY + 14 * DAY
    patient = RULES._replace(answer_time=30 * DAY)
    for where in ("before", "pending"):
        assert with_house(standing, **{where: patient}).house.releasable_from(day) == (day + 1) * DAY + 34 * DAY


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
