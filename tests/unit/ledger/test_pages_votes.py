"""Votes as the pages count them: what the Consortium would say, from events alone."""

from typing import Any

import pytest
from web3 import Web3

from ledger.pages.votes import EXECUTION_PERIOD, VOTING_PERIOD, Proposal, Standing, count_votes

REGISTRY, CLEARINGHOUSE = "0x" + "01" * 20, "0x" + "02" * 20
SHANGHAI, HANGZHOU, XUZHOU = 3100, 3301, 3203
DAY = 86_400

Event = tuple[str, dict[str, Any], int]
MEMBERS: list[Event] = [("CityAdmitted", {"city": city, "countsFrom": 0}, 0) for city in (SHANGHAI, HANGZHOU, XUZHOU)]


def call(function: str, city: int) -> str:
    return Web3.to_hex(Web3.keccak(text=function)[:4]) + f"{city:064x}"


def proposed(target: str, data: str, at: int = DAY) -> list[Event]:
    return [
        ("Proposed", {"id": 1, "city": SHANGHAI, "target": target, "data": data}, at),
        ("Approved", {"id": 1, "city": SHANGHAI}, at),
    ]


def one_of(*events: Event, now: int | None = None) -> Proposal:
    """The vote of these events, as of a time; of the last event's, if none is given."""
    last = max(time for *_, time in events)
    (proposal,) = count_votes([*MEMBERS, *events], REGISTRY, last if now is None else now)
    return proposal


RESUME = proposed(CLEARINGHOUSE, Web3.to_hex(Web3.keccak(text="resumeSettlement()")[:4]))


def test_a_vote_without_its_two_thirds_lapses_after_its_last_second() -> None:
    one = one_of(*RESUME)
    assert one.tally == (1, 2)
    assert one.standing(DAY + VOTING_PERIOD) is Standing.OPEN
    assert one.standing(DAY + VOTING_PERIOD + 1) is Standing.LAPSED
    assert not one.is_open(DAY + VOTING_PERIOD + 1)


def test_one_that_waits_can_be_carried_out_for_two_weeks_after_its_wait() -> None:
    passed = DAY + VOTING_PERIOD
    events = (("Approved", {"id": 1, "city": XUZHOU}, passed), ("Passed", {"id": 1, "executableFrom": passed}, passed))
    one = one_of(*RESUME, *events)
    assert one.standing(passed + EXECUTION_PERIOD) is Standing.WAITS
    assert one.standing(passed + EXECUTION_PERIOD + 1) is Standing.LAPSED


def test_an_approval_taken_back_ends_the_wait() -> None:
    events = (
        ("Approved", {"id": 1, "city": XUZHOU}, DAY),
        ("Passed", {"id": 1, "executableFrom": 2 * DAY}, DAY),
        ("ApprovalWithdrawn", {"id": 1, "city": XUZHOU}, DAY),
    )
    one = one_of(*RESUME, *events)
    assert (one.standing(3 * DAY), one.executable_from) == (Standing.OPEN, 0)


def test_one_that_was_carried_out_is_counted_by_the_members_of_that_time() -> None:
    events = (("Approved", {"id": 1, "city": XUZHOU}, DAY), ("Executed", {"id": 1}, DAY))
    later = [("CityAdmitted", {"city": city, "countsFrom": 2 * DAY}, DAY) for city in (3201, 3302, 3303, 3401)]
    assert one_of(*RESUME, *events, *later, now=2 * DAY).tally == (2, 2)
    assert one_of(*RESUME, events[0], *later, now=2 * DAY).tally == (2, 5)


def test_a_suspended_member_keeps_its_vote() -> None:
    suspended = [*RESUME, ("CitySuspended", {"city": SHANGHAI}, DAY)]
    assert one_of(*suspended).tally == (1, 2)
    assert one_of(*suspended, ("CityReinstated", {"city": SHANGHAI}, DAY)).tally == (1, 2)


def test_who_left_has_no_vote() -> None:
    assert one_of(*RESUME, ("CityExited", {"city": SHANGHAI}, DAY)).tally == (0, 2)


def test_the_same_call_to_another_contract_concerns_no_city() -> None:
    assert one_of(*proposed(CLEARINGHOUSE, call("suspend(uint16)", SHANGHAI))).tally == (1, 2)


WEEK = 7 * DAY
NANJING, NINGBO = 3201, 3302
NAME = Web3.to_hex(Web3.keccak(text="nameSuccessor(address,uint256)")[:4]) + "00" * 64


def events_of(*events: Event) -> list[Proposal]:
    return count_votes([*MEMBERS, *events], REGISTRY, max(time for *_, time in events))


class TestWhoCounts:
    def test_a_newcomer_counts_a_week_after_it_joined(self) -> None:
        joined = ("CityAdmitted", {"city": NANJING, "countsFrom": DAY + WEEK}, DAY)
        assert one_of(*RESUME, joined, now=DAY + WEEK - 1).tally == (1, 2)
        assert one_of(*RESUME, joined, now=DAY + WEEK).tally == (1, 3)

    def test_one_that_left_before_it_counted_never_does(self) -> None:
        joined = ("CityAdmitted", {"city": NANJING, "countsFrom": DAY + WEEK}, DAY)
        left = ("CityExited", {"city": NANJING}, 2 * DAY)
        assert one_of(*RESUME, joined, left, now=DAY + WEEK).tally == (1, 2)

    def test_who_leaves_counts_neither_now_nor_with_the_newcomers(self) -> None:
        joined = ("CityAdmitted", {"city": NANJING, "countsFrom": DAY + WEEK}, DAY)
        left = ("CityExited", {"city": XUZHOU}, 2 * DAY)
        assert one_of(*RESUME, joined, left, now=2 * DAY).tally == (1, 2)
        assert one_of(*RESUME, joined, left, now=DAY + WEEK).tally == (1, 2)


class TestWaits:
    def waiting(self, *more: Event, now: int) -> Proposal:
        """A successor is to be named: Shanghai and Xuzhou, two of three, approved it on the second day."""
        events: list[Event] = [
            *proposed(CLEARINGHOUSE, NAME),
            ("Approved", {"id": 1, "city": XUZHOU}, DAY),
            ("Passed", {"id": 1, "executableFrom": DAY + WEEK}, DAY),
        ]
        return one_of(*events, *more, now=now)

    def test_a_wait_stands_while_the_two_thirds_do(self) -> None:
        one = self.waiting(now=DAY + WEEK)
        assert (one.standing(DAY + WEEK), one.executable_from) == (Standing.WAITS, DAY + WEEK)

    @pytest.mark.parametrize("days", [0, 1])
    def test_it_is_lost_when_newcomers_come_to_count(self, days: int) -> None:
        joined = [("CityAdmitted", {"city": city, "countsFrom": 3 * DAY}, DAY) for city in (NANJING, NINGBO)]
        one = self.waiting(*joined, now=(3 + days) * DAY)
        assert (one.tally, one.executable_from) == ((2, 4), 0)
        assert one.standing(3 * DAY) is Standing.OPEN

    def test_it_stands_until_the_second_before_that(self) -> None:
        joined = [("CityAdmitted", {"city": city, "countsFrom": 3 * DAY}, DAY) for city in (NANJING, NINGBO)]
        assert self.waiting(*joined, now=3 * DAY - 1).standing(3 * DAY - 1) is Standing.WAITS

    def test_it_is_lost_though_the_two_thirds_are_there_again(self) -> None:
        """For one day two newcomers count, whose leaving takes the approvals back above two thirds."""
        joined = [("CityAdmitted", {"city": city, "countsFrom": 3 * DAY}, DAY) for city in (NANJING, NINGBO)]
        left = [("CityExited", {"city": city}, 4 * DAY) for city in (NANJING, NINGBO)]
        one = self.waiting(*joined, *left, now=5 * DAY)
        assert (one.tally, one.executable_from, one.standing(5 * DAY)) == ((2, 2), 0, Standing.ENOUGH)

    def test_a_wait_that_begins_anew_counts_from_then_on(self) -> None:
        joined = [("CityAdmitted", {"city": city, "countsFrom": 3 * DAY}, DAY) for city in (NANJING, NINGBO)]
        left = [("CityExited", {"city": city}, 4 * DAY) for city in (NANJING, NINGBO)]
        marked = ("Passed", {"id": 1, "executableFrom": 5 * DAY + WEEK}, 5 * DAY)
        one = self.waiting(*joined, *left, marked, now=6 * DAY)
        assert (one.executable_from, one.standing(6 * DAY)) == (5 * DAY + WEEK, Standing.WAITS)

    def test_one_that_was_lost_does_not_keep_the_proposal_open(self) -> None:
        late = DAY + VOTING_PERIOD - DAY
        events: list[Event] = [
            *proposed(CLEARINGHOUSE, NAME),
            ("Approved", {"id": 1, "city": XUZHOU}, late),
            ("Passed", {"id": 1, "executableFrom": late + WEEK}, late),
        ]
        kept = one_of(*events, now=late + WEEK)
        assert kept.standing(late + WEEK) is Standing.WAITS
        joined = [("CityAdmitted", {"city": city, "countsFrom": late + 1}, DAY) for city in (NANJING, NINGBO)]
        lost = one_of(*joined, *events, now=late + WEEK)
        assert lost.standing(late + WEEK) is Standing.LAPSED

    def test_a_suspension_takes_nothing_of_it(self) -> None:
        one = self.waiting(("CitySuspended", {"city": XUZHOU}, 2 * DAY), now=3 * DAY)
        assert (one.tally, one.standing(3 * DAY)) == ((2, 2), Standing.WAITS)

    def test_an_approval_that_is_taken_back_where_enough_are_left_keeps_it(self) -> None:
        taken: list[Event] = [
            ("Approved", {"id": 1, "city": HANGZHOU}, 2 * DAY),
            ("ApprovalWithdrawn", {"id": 1, "city": XUZHOU}, 2 * DAY),
        ]
        assert self.waiting(*taken, now=3 * DAY).executable_from == DAY + WEEK


class TestRecovery:
    def requested(self, number: int, at: int) -> Event:
        data = call("recover(uint16,address)", XUZHOU) + "00" * 12 + "ab" * 20
        return ("Proposed", {"id": number, "city": XUZHOU, "target": REGISTRY, "data": data}, at)

    def test_only_the_others_are_counted(self) -> None:
        one = one_of(self.requested(1, DAY))
        assert (one.tally, one.concerned) == ((0, 2), XUZHOU)

    def test_the_city_itself_has_no_vote_in_it(self) -> None:
        assert one_of(self.requested(1, DAY), ("Approved", {"id": 1, "city": XUZHOU}, DAY)).tally == (0, 2)

    def test_one_that_is_taken_back_is_not_open(self) -> None:
        one = one_of(self.requested(1, DAY), ("RequestWithdrawn", {"id": 1}, 2 * DAY))
        assert (one.standing(2 * DAY), one.is_open(2 * DAY)) == (Standing.WITHDRAWN, False)

    def test_a_later_request_takes_the_place_of_an_earlier_one(self) -> None:
        later, earlier = events_of(self.requested(1, DAY), self.requested(2, 2 * DAY))
        assert (earlier.standing(2 * DAY), later.standing(2 * DAY)) == (Standing.WITHDRAWN, Standing.OPEN)

    def test_one_that_was_carried_out_stays_so(self) -> None:
        later, earlier = events_of(self.requested(1, DAY), ("Executed", {"id": 1}, 2 * DAY), self.requested(2, 3 * DAY))
        assert (earlier.standing(3 * DAY), later.standing(3 * DAY)) == (Standing.EXECUTED, Standing.OPEN)

    def test_where_there_are_no_others_none_is_needed(self) -> None:
        left = [("CityExited", {"city": city}, DAY) for city in (SHANGHAI, HANGZHOU)]
        passed = ("Passed", {"id": 1, "executableFrom": 2 * DAY + WEEK}, 2 * DAY)
        one = one_of(*left, self.requested(1, 2 * DAY), passed, now=3 * DAY)
        assert (one.tally, one.standing(3 * DAY)) == ((0, 0), Standing.WAITS)

    def test_nor_is_any_needed_once_others_joined(self) -> None:
        left = [("CityExited", {"city": city}, DAY) for city in (SHANGHAI, HANGZHOU)]
        passed = ("Passed", {"id": 1, "executableFrom": 2 * DAY + WEEK}, 2 * DAY)
        joined = ("CityAdmitted", {"city": NANJING, "countsFrom": 2 * DAY + WEEK}, 2 * DAY)
        one = one_of(*left, self.requested(1, 2 * DAY), passed, joined, now=2 * DAY + WEEK)
        assert (one.tally, one.standing(2 * DAY + WEEK)) == ((0, 0), Standing.WAITS)


@pytest.mark.parametrize(
    ("data", "tally"),
    [(call("suspend(uint16)", XUZHOU), (1, 2)), (call("expel(uint16)", SHANGHAI), (0, 2))],
)
def test_the_city_that_a_vote_is_against_counts_but_has_no_vote(data: str, tally: tuple[int, int]) -> None:
    assert one_of(*proposed(REGISTRY, data)).tally == tally


def test_a_bare_selector_concerns_no_city() -> None:
    assert one_of(*proposed(REGISTRY, call("expel(uint16)", XUZHOU)[:10])).concerned == 0
