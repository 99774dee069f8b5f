"""A wait counts only while its two thirds stand: how it is lost, starts anew, and ends for good."""

from __future__ import annotations

import pytest

from tests.contracts.assembly import (
    ACTIVE,
    EXECUTION_PERIOD,
    LONG,
    VOTING_PERIOD,
    Assembly,
    assemble,
    passed,
    reserve,
)
from tests.contracts.node import Event, reverts
from tests.contracts.story import (
    DAY,
    HANGZHOU,
    HEFEI,
    HOUR,
    LANZHOU,
    NINGBO,
    NOON,
    SHANGHAI,
    STRANGER,
    WENZHOU,
    XUZHOU,
    World,
)


@pytest.fixture
def six(world: World) -> Assembly:
    """The four, Wenzhou and Hefei: of them four are two thirds."""
    return assemble(world.node, 6)


FOUR_OF_SIX = [SHANGHAI, HANGZHOU, NINGBO, XUZHOU]


def test_a_wait_is_lost_when_members_that_approved_leave(six: Assembly) -> None:
    """Four of six; one of the four leaves, then one of the two: three of four are two thirds, but weren't meanwhile."""
    number = passed(six, reserve(six), by=FOUR_OF_SIX)
    executable_from = six.executable_from(number)
    assert six.consortium.isPassed(number)
    six.leave(XUZHOU, at=NOON + DAY)
    assert (six.tally(number), six.executable_from(number)) == ((3, 4), 0)
    assert not six.consortium.isPassed(number)
    six.leave(HEFEI, at=NOON + 2 * DAY)
    assert (six.tally(number), six.executable_from(number)) == ((3, 3), 0)
    assert (six.consortium.isPassed(number), six.consortium.isExecutable(number)) == (False, False)
    with reverts(six.consortium, "TooEarly", id=number, executableFrom=0):
        six.execute(number, at=executable_from)


def test_members_that_leave_in_one_second_leave_no_moment_below_two_thirds(six: Assembly) -> None:
    number = passed(six, reserve(six), by=FOUR_OF_SIX)
    executable_from = six.executable_from(number)
    six.leave(XUZHOU, at=NOON + DAY)
    six.leave(HEFEI, at=NOON + DAY)
    assert (six.tally(number), six.executable_from(number)) == ((3, 3), executable_from)
    six.execute(number, at=executable_from)


def test_a_wait_outlasts_members_that_leave_as_long_as_two_thirds_stand(six: Assembly) -> None:
    number = passed(six, reserve(six), by=[*FOUR_OF_SIX, WENZHOU])
    executable_from = six.executable_from(number)
    for city in (WENZHOU, XUZHOU, HEFEI, NINGBO):
        six.leave(city)
    assert (six.tally(number), six.executable_from(number)) == ((2, 2), executable_from)
    six.execute(number, at=executable_from)


@pytest.mark.parametrize(("later", "lost"), [(0, True), (1, False)], ids=["in its last second", "a second later"])
def test_a_wait_is_lost_when_a_newcomer_comes_to_count(world: World, later: int, lost: bool) -> None:
    """Two of three pass it; with a fourth member three are needed, by the very second in which the wait is over."""
    trio = assemble(world.node, 3)
    number = trio.propose(reserve(trio), by=SHANGHAI, at=NOON)
    trio.approve(number, HANGZHOU, at=NOON + HOUR)
    executable_from = NOON + HOUR + LONG
    assert trio.admit(LANZHOU, at=NOON + HOUR + later) == executable_from + later
    if lost:
        with reverts(trio.consortium, "NotPassed", id=number, votes=2, votesNeeded=3):
            trio.execute(number, at=executable_from)
        assert trio.executable_from(number) == 0
        trio.approve(number, LANZHOU, at=executable_from + HOUR)
        assert trio.executable_from(number) == executable_from + HOUR + LONG
    else:
        trio.execute(number, at=executable_from)


def test_a_newcomer_that_came_to_count_and_left_takes_the_wait_with_it(world: World) -> None:
    """If only for a second it counted, two of four weren't enough then."""
    trio = assemble(world.node, 3)
    number = trio.propose(reserve(trio), by=SHANGHAI, at=NOON)
    counts_from = trio.admit(LANZHOU, at=NOON + 1)
    trio.approve(number, HANGZHOU, at=NOON + DAY)
    trio.leave(LANZHOU, at=counts_from + 1)
    assert trio.tally(number) == (2, 2)
    with reverts(trio.consortium, "TooEarly", id=number, executableFrom=0):
        trio.execute(number, at=NOON + DAY + LONG)


def test_a_newcomer_that_left_in_the_second_in_which_it_came_to_count_took_nothing_with_it(world: World) -> None:
    trio = assemble(world.node, 3)
    number = trio.propose(reserve(trio), by=SHANGHAI, at=NOON)
    counts_from = trio.admit(LANZHOU, at=NOON + 1)
    trio.approve(number, HANGZHOU, at=NOON + DAY)
    trio.leave(LANZHOU, at=counts_from)
    trio.execute(number, at=NOON + DAY + LONG)


def test_a_lost_wait_starts_anew_when_somebody_says_so(six: Assembly) -> None:
    number = passed(six, reserve(six), by=FOUR_OF_SIX)
    six.leave(XUZHOU, at=NOON + DAY)
    with reverts(six.consortium, "NotPassed", id=number, votes=3, votesNeeded=4):
        six.consortium.markPassed(number, sender=STRANGER)
    six.leave(HEFEI, at=NOON + 2 * DAY)
    receipt = six.consortium.markPassed(number, sender=STRANGER, at=NOON + 3 * DAY)
    executable_from = NOON + 3 * DAY + LONG
    assert receipt.events == (Event("Passed", id=number, executableFrom=executable_from),)
    with reverts(six.consortium, "TooEarly", id=number, executableFrom=executable_from):
        six.execute(number, at=executable_from - 1)
    six.execute(number, at=executable_from)


def test_a_wait_is_held_against_nobody_who_left_before_it_began(six: Assembly) -> None:
    """Two of six; three leave, and it passes in that very second. A third approval looks back no further."""
    number = passed(six, reserve(six), by=[SHANGHAI, HANGZHOU])
    for city in (XUZHOU, WENZHOU, HEFEI):
        six.leave(city, at=NOON + DAY)
    six.consortium.markPassed(number, sender=STRANGER, at=NOON + DAY)
    executable_from = NOON + DAY + LONG
    assert six.executable_from(number) == executable_from
    six.approve(number, NINGBO, at=NOON + 2 * DAY)
    assert six.executable_from(number) == executable_from
    six.execute(number, at=executable_from)


def test_a_lost_wait_starts_anew_with_the_next_approval_even_of_one_too_many(six: Assembly) -> None:
    number = passed(six, reserve(six), by=FOUR_OF_SIX)
    six.leave(XUZHOU, at=NOON + DAY)
    six.leave(HEFEI, at=NOON + 2 * DAY)
    receipt = six.approve(number, WENZHOU, at=NOON + 3 * DAY)
    assert receipt.named("Passed") == (Event("Passed", id=number, executableFrom=NOON + 3 * DAY + LONG),)


def test_an_approval_taken_back_does_not_keep_a_wait_that_was_lost_before(six: Assembly) -> None:
    """The loss of two days before isn't forgotten by an act in between that changes no majority."""
    number = passed(six, reserve(six), by=[*FOUR_OF_SIX])
    six.leave(XUZHOU, at=NOON + DAY)
    six.leave(HEFEI, at=NOON + 2 * DAY)
    six.leave(WENZHOU, at=NOON + 3 * DAY)
    six.consortium.withdrawApproval(number, NINGBO.code, sender=NINGBO.admin)
    assert six.tally(number) == (2, 2)
    assert (six.executable_from(number), six.consortium.isPassed(number)) == (0, False)


@pytest.mark.parametrize("act", ["suspend", "expel"])
def test_the_concerned_citys_leaving_and_the_others_count_as_everybodys(six: Assembly, act: str) -> None:
    """Xuzhou's approval is none; four of the others are needed of six, and were there all the time."""
    number = passed(six, six.registry.call(act, XUZHOU.code), by=[SHANGHAI, HANGZHOU, NINGBO, WENZHOU])
    executable_from = six.executable_from(number)
    six.approve(number, XUZHOU)
    six.leave(WENZHOU, at=NOON + HOUR)
    assert (six.tally(number), six.executable_from(number)) == ((3, 4), 0)
    with reverts(six.consortium, "NotPassed", id=number, votes=3, votesNeeded=4):
        six.execute(number, at=executable_from)
    assert six.status(XUZHOU) == ACTIVE


def test_what_lost_its_wait_comes_to_life_again_with_all_of_a_wait_before_it(six: Assembly) -> None:
    """28 days later: two approvals are enough for the votes, and not for the wait."""
    number = passed(six, reserve(six), by=FOUR_OF_SIX)
    six.leave(XUZHOU, at=NOON + DAY)
    again = NOON + 28 * DAY
    six.approve(number, HEFEI, at=again)
    with reverts(six.consortium, "TooEarly", id=number, executableFrom=again + LONG):
        six.execute(number, at=again + 2)
    six.execute(number, at=again + LONG)


def test_what_lost_its_wait_expires_with_the_time_for_votes(six: Assembly) -> None:
    """And not two weeks after a wait that counts no more."""
    number = six.propose(reserve(six), by=SHANGHAI, at=NOON)
    six.approve(number, HANGZHOU, NINGBO)
    six.approve(number, XUZHOU, at=NOON + 29 * DAY)
    assert six.expires_at(number) == NOON + 29 * DAY + LONG + EXECUTION_PERIOD
    six.leave(XUZHOU, at=NOON + 30 * DAY)
    assert six.expires_at(number) == NOON + VOTING_PERIOD
    for act in (lambda: six.approve(number, HEFEI), lambda: six.consortium.markPassed(number, sender=STRANGER)):
        with reverts(six.consortium, "ProposalExpired", id=number, expiredAt=NOON + VOTING_PERIOD):
            act()


def test_an_approval_on_its_last_day_is_the_last_that_a_proposal_lives_by(six: Assembly) -> None:
    """Each loss ends it for good after its 30 days: it can't be kept alive from wait to wait."""
    number = passed(six, reserve(six), by=FOUR_OF_SIX)
    six.leave(XUZHOU, at=NOON + DAY)
    six.approve(number, HEFEI, at=NOON + VOTING_PERIOD)
    executable_from = NOON + VOTING_PERIOD + LONG
    six.consortium.withdrawApproval(number, HEFEI.code, sender=HEFEI.admin, at=executable_from - HOUR)
    for act in (lambda: six.approve(number, HEFEI), lambda: six.execute(number, at=executable_from)):
        with reverts(six.consortium, "ProposalExpired", id=number, expiredAt=NOON + VOTING_PERIOD):
            act()
    assert not six.consortium.isPassed(number)


def test_what_needs_no_wait_needs_its_two_thirds_when_it_is_carried_out_alone(six: Assembly) -> None:
    number = passed(six, six.admission(), by=FOUR_OF_SIX)
    six.leave(XUZHOU)
    assert (six.consortium.isPassed(number), six.consortium.isExecutable(number)) == (False, False)
    six.leave(HEFEI)
    assert (six.consortium.isPassed(number), six.consortium.isExecutable(number)) == (True, True)
    six.execute(number)


def test_what_was_carried_out_still_says_when_it_could_be(six: Assembly) -> None:
    """However the members have changed since."""
    number = passed(six, reserve(six), by=FOUR_OF_SIX)
    executable_from, expires_at = six.executable_from(number), six.expires_at(number)
    six.execute(number, at=executable_from)
    six.leave(XUZHOU)
    assert (six.executable_from(number), six.expires_at(number)) == (executable_from, expires_at)
