"""The small world: it has what a page or a statement can say, and it is the same each time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from interline.reasons import RideReason
from tests.support.small_world import MEMBERS, NINGBO, WENZHOU, SmallWorld, small_world

SUSPENDED = 2


@pytest.fixture(scope="module")
def small() -> Iterator[SmallWorld]:
    with small_world() as world:
        yield world


def newest_hash(small: SmallWorld) -> str:
    return str(small.world.node.request("eth_getBlockByNumber", "latest", False)["hash"])


def test_it_is_the_same_each_time(small: SmallWorld) -> None:
    with small_world() as again:
        assert newest_hash(again) == newest_hash(small)


def test_its_accounts_add_up_and_one_city_is_in_arrears(small: SmallWorld) -> None:
    house = small.world.clearinghouse
    assert sum(house.balanceOf(city.code) for city in MEMBERS) == house.held()
    assert [city for city in MEMBERS if house.arrearsOf(city.code)] == [NINGBO]


def test_a_ride_of_the_story_was_refused_for_each_reason_of_one_ride(small: SmallWorld) -> None:
    reasons = sorted(reason for _, reason in small.batches["refused"].refusals)
    assert reasons == [
        RideReason.BadIssuerSignature,
        RideReason.TicketExpired,
        RideReason.AboveFareCap,
        RideReason.AlreadySettled,
        RideReason.BadTimes,
    ]


def test_disputes_stand_at_each_stage(small: SmallWorld) -> None:
    of = small.batches["disputed"]
    stages = sorted(small.world.refunds.caseOf(of.id, index)[-1] for index in range(6))
    assert stages == [0, 0, 1, 2, 3, 3]


def test_one_member_is_suspended_and_two_votes_are_open(small: SmallWorld) -> None:
    registry, consortium = small.world.registry, small.world.consortium
    assert [city for city in MEMBERS if registry.city(city.code)[1] == SUSPENDED] == [WENZHOU]
    executed = [consortium.proposal(number)[4] for number in range(1, consortium.proposalCount() + 1)]
    assert executed == [True, True, False, False]
