"""What a city does alone with its recovery address, its arrears and its daily limit, from facts alone."""

from dataclasses import replace

import pytest

from consortium.acts import Actor
from consortium.calls import decode_call
from consortium.errors import InputError
from consortium.money import Debt, Withheld, pay_arrears, release_withheld, set_daily_limit
from consortium.recovery import change_recovery
from consortium.standing import Account, City, House, Parameters, Recovery, Standing, Suspension
from consortium.status import city_keys, money_tables, rules_lines, suspension_lines, votes_lines
from consortium.steps import Status
from consortium.times import format_day, parse_day

NOON = 1_575_172_800
"""2019-12-01 04:00 UTC, day 18231."""
DAY = 86_400
ADMIN, TREASURY, RECOVERY, NEW, OTHER, HOUSE, REGISTRY = (f"0x{digit * 40}" for digit in "1234567")
RULES = Parameters(20_000, DAY, 30 * DAY, 30 * DAY, 10 * DAY, 500)


@pytest.fixture
def hangzhou() -> City:
    recovery = Recovery(RECOVERY, None, None, 0)
    return City(3301, "Hangzhou", Status.ACTIVE, ADMIN, TREASURY, 0, 0, False, None, 0, None, 0, recovery, 0, ())


@pytest.fixture
def standing(hangzhou: City) -> Standing:
    return of(hangzhou, Account(5_000_000, 0, 5_000_000, 0, 0, 0, 0, 0))


def of(city: City, account: Account, *others: City) -> Standing:
    """A consortium of a city with an account, and of others that have the same."""
    cities = {one.code: one for one in (city, *others)}
    house = House(HOUSE, OTHER, RULES, RULES, None, 0, 0, 0, 2, 0, None, None, 0, dict.fromkeys(cities, account))
    return Standing(7, NOON, OTHER, REGISTRY, OTHER, cities, (house,))


# ---------------------------------------------------------------- the recovery address


def test_the_first_key_that_names_a_recovery_address_is_told_what_the_other_has_to_do(
    standing: Standing, hangzhou: City
) -> None:
    for actor, other in ((ADMIN, "treasury"), (TREASURY, "admin")):
        deed = change_recovery(standing, hangzhou, Actor(actor, "a key of Hangzhou"), NEW, False)
        assert decode_call("CityRegistry", "changeRecovery", deed.calls[0].data) == (3301, NEW)
        assert deed.notes == (
            f"within 14 days its {other} has to name it, too: `change-recovery {NEW} --role {other}`",
        )


def test_the_second_key_is_told_when_it_can_be_accepted(standing: Standing, hangzhou: City) -> None:
    named = replace(hangzhou, recovery=Recovery(RECOVERY, NEW, ADMIN, 0))
    deed = change_recovery(standing, named, Actor(TREASURY, "treasury of Hangzhou"), NEW, False)
    assert len(deed.calls) == 1
    assert deed.notes[0].startswith("both keys named it: in 14 days it accepts with `accept-recovery`")


def test_what_a_key_said_before_it_says_no_second_time(standing: Standing, hangzhou: City) -> None:
    admin = Actor(ADMIN, "admin of Hangzhou")
    half = replace(hangzhou, recovery=Recovery(RECOVERY, NEW, ADMIN, 0))
    assert change_recovery(standing, half, admin, NEW, True).calls == ()
    agreed = replace(hangzhou, recovery=Recovery(RECOVERY, NEW, ADMIN, NOON + 14 * DAY))
    said = change_recovery(standing, agreed, admin, NEW, True)
    assert said.says == (f"nothing to do: {NEW} may accept from 2019-12-15 04:00:00 UTC on",)
    lapsed = change_recovery(standing, half, admin, NEW, False)  # as the registry takes it again
    assert len(lapsed.calls) == 1


def test_naming_another_says_which_one_is_forgotten(standing: Standing, hangzhou: City) -> None:
    half = replace(hangzhou, recovery=Recovery(RECOVERY, OTHER, TREASURY, 0))
    deed = change_recovery(standing, half, Actor(ADMIN, "admin of Hangzhou"), NEW, False)
    assert deed.notes[1] == f"{OTHER}, which was named before, isn't any more"


# ---------------------------------------------------------------- arrears and daily limits


def test_only_what_is_not_withheld_is_paid(hangzhou: City) -> None:
    shanghai, ningbo = (
        replace(hangzhou, code=code, name=name) for code, name in ((3100, "Shanghai"), (3302, "Ningbo"))
    )
    poor = of(hangzhou, Account(700, 0, 0, 1_900, 0, 900, 1_000, 1_000))
    debts = [Debt(shanghai, 900, 400), Debt(ningbo, 1_000, 500)]
    deed = pay_arrears(poor, hangzhou, Actor(TREASURY, "treasury of Hangzhou"), debts)
    assert deed.says == (
        "Hangzhou (3301) owes Shanghai (3100) 4.00 yuan that is above its daily limit, and withheld",
        "Hangzhou (3301) pays Shanghai (3100) 5.00 yuan of the 5.00 yuan that it owes",
        "Hangzhou (3301) owes Ningbo (3302) 5.00 yuan that is above its daily limit, and withheld",
        "Hangzhou (3301) pays Ningbo (3302) 2.00 yuan of the 5.00 yuan that it owes",
    )
    assert len(deed.calls) == 2


@pytest.mark.parametrize(
    ("present", "taken", "withheld", "limit", "notes"),
    [
        (0, 0, 0, 1_000, ["while anything is withheld"]),
        (2_000, 1_000, 0, 1_000, ["while anything is withheld", "its tickets took 10.00 yuan today"]),
        (2_000, 999, 0, 1_000, ["while anything is withheld"]),
        (2_000, 2_000, 500, 0, ["5.00 yuan stay withheld"]),
        (2_000, 2_000, 0, 0, []),
    ],
)
def test_a_daily_limit_says_what_follows_from_it(
    hangzhou: City, present: int, taken: int, withheld: int, limit: int, notes: list[str]
) -> None:
    standing = of(hangzhou, Account(5_000, 0, 0, withheld, 0, withheld, present, taken))
    deed = set_daily_limit(standing, hangzhou, Actor(TREASURY, "treasury of Hangzhou"), limit)
    assert decode_call("Clearinghouse", "setDailyLimit", deed.calls[0].data) == (3301, limit)
    assert [note.startswith(start) for note, start in zip(deed.notes, notes, strict=True)] == [True] * len(notes)


def test_a_daily_limit_that_holds_already_is_set_no_second_time(hangzhou: City) -> None:
    standing = of(hangzhou, Account(5_000, 0, 0, 0, 0, 0, 1_000, 0))
    deed = set_daily_limit(standing, hangzhou, Actor(TREASURY, "treasury of Hangzhou"), 1_000)
    assert (deed.says, deed.calls) == (("nothing to do: Hangzhou (3301) has a daily limit of 10.00 yuan",), ())


def test_each_day_of_each_creditor_is_released_by_a_call_of_its_own(standing: Standing, hangzhou: City) -> None:
    chosen = [Withheld(hangzhou, 18_231, 500, NOON), Withheld(hangzhou, 18_232, 600, NOON)]
    deed = release_withheld(standing, hangzhou, Actor(OTHER, "anyone"), chosen)
    days = [decode_call("Clearinghouse", "releaseWithheld", call.data) for call in deed.calls]
    assert days == [(3301, 3301, 18_231), (3301, 3301, 18_232)]


def test_a_day_reads_as_its_date_and_back() -> None:
    assert (format_day(18_231), parse_day("2019-12-01")) == ("2019-12-01", 18_231)
    with pytest.raises(InputError, match=r"expected a day \(UTC\) such as 2026-12-01, found '2019-13-01'"):
        parse_day("2019-13-01")


# ---------------------------------------------------------------- how all stand


@pytest.mark.parametrize(
    ("members", "lines"),
    [
        (1, ["1 seat counts in votes, 1 are two thirds", "with so few nobody", "a recovery takes no vote"]),
        (2, ["2 seats count in votes, 2 are two thirds", "with so few nobody can be suspended or expelled"]),
        (3, ["3 seats count in votes, 2 are two thirds", "to suspend or expel one takes all others"]),
        (5, ["5 seats count in votes, 4 are two thirds", "to suspend or expel one takes all others"]),
        (6, ["6 seats count in votes, 4 are two thirds"]),
    ],
)
def test_small_consortia_are_told_what_they_cannot_do(hangzhou: City, members: int, lines: list[str]) -> None:
    others = [replace(hangzhou, code=code) for code in range(1, members)]
    found = votes_lines(of(hangzhou, Account(0, 0, 0, 0, 0, 0, 0, 0), *others))
    assert [line.startswith(start) for line, start in zip(found, lines, strict=True)] == [True] * len(lines)


def test_a_seat_that_does_not_count_yet_and_a_suspension_that_is_over_are_said(hangzhou: City) -> None:
    newcomer = replace(hangzhou, code=3203, name="Xuzhou", counts_from=NOON + 1)
    once = replace(hangzhou, suspensions=(Suspension(NOON - DAY, NOON),))
    standing = of(once, Account(0, 0, 0, 0, 0, 0, 0, 0), newcomer)
    assert votes_lines(standing)[:2] == [
        "1 seat counts in votes, 1 are two thirds",
        "the seat of Xuzhou (3203) counts from 2019-12-01 04:00:01 UTC on",
    ]
    assert suspension_lines(standing) == [
        "Hangzhou (3301) was suspended from 2019-11-30 04:00:00 UTC to 2019-12-01 04:00:00 UTC"
    ]


def test_keys_show_the_recovery_address_and_what_is_proposed(hangzhou: City) -> None:
    assert city_keys(hangzhou) == [ADMIN, TREASURY, f"recovery: {RECOVERY}"]
    recovered = replace(hangzhou, treasury=None, recovery=Recovery(RECOVERY, NEW, ADMIN, 0))
    assert city_keys(recovered)[1:] == [
        "no treasury",
        f"recovery: {RECOVERY}",
        "recovery once the other key names it, too:",
        f"  {NEW}",
    ]


def test_rules_say_for_which_rides_the_others_hold(standing: Standing) -> None:
    house = standing.house
    assert rules_lines(house) == []
    pending = replace(house, pending=RULES._replace(max_fare=1), pending_from=NOON + DAY)
    assert rules_lines(pending) == ["those to come hold for rides that end from 2019-12-02 04:00:00 UTC on"]
    changed = replace(house, parameters=RULES._replace(dispute_fee=600))
    assert rules_lines(changed) == ["rides that ended before the last change: fee of an upheld dispute 5.00 yuan"]


def test_limits_are_shown_where_there_is_one(standing: Standing, hangzhou: City) -> None:
    assert money_tables(standing, {}) == []
    limited = of(hangzhou, Account(0, 0, 0, 0, 0, 0, 1_000, 0))
    assert len(money_tables(limited, {})) == 1
    assert len(money_tables(limited, {3301: [Withheld(hangzhou, 18_231, 500, NOON)]})) == 2
