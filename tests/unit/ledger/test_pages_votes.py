"""Votes as the pages count them: what the Consortium would say, from events alone."""

from typing import Any

from web3 import Web3

from ledger.pages.votes import EXECUTION_PERIOD, VOTING_PERIOD, Proposal, Standing, count_votes

REGISTRY, CLEARINGHOUSE = "0x" + "01" * 20, "0x" + "02" * 20
SHANGHAI, HANGZHOU, XUZHOU = 3100, 3301, 3203
DAY = 86_400

Event = tuple[str, dict[str, Any], int]
MEMBERS: list[Event] = [("CityAdmitted", {"city": city}, 0) for city in (SHANGHAI, HANGZHOU, XUZHOU)]


def call(function: str, city: int) -> str:
    return Web3.to_hex(Web3.keccak(text=function)[:4]) + f"{city:064x}"


def proposed(target: str, data: str, at: int = DAY) -> list[Event]:
    return [
        ("Proposed", {"id": 1, "city": SHANGHAI, "target": target, "data": data}, at),
        ("Approved", {"id": 1, "city": SHANGHAI}, at),
    ]


def one_of(*events: Event) -> Proposal:
    (proposal,) = count_votes([*MEMBERS, *events], REGISTRY)
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
    later = [("CityAdmitted", {"city": city}, 2 * DAY) for city in (3201, 3302, 3303, 3401)]
    assert one_of(*RESUME, *events, *later).tally == (2, 2)
    assert one_of(*RESUME, events[0], *later).tally == (2, 5)


def test_a_suspended_members_vote_counts_again_once_it_is_reinstated() -> None:
    suspended = [*RESUME, ("CitySuspended", {"city": SHANGHAI}, DAY)]
    assert one_of(*suspended).tally == (0, 2)
    assert one_of(*suspended, ("CityReinstated", {"city": SHANGHAI}, DAY)).tally == (1, 2)


def test_who_left_and_came_back_inherits_no_vote() -> None:
    events = (("CityExited", {"city": SHANGHAI}, DAY), ("CityAdmitted", {"city": SHANGHAI}, DAY))
    assert one_of(*RESUME, *events).tally == (0, 2)


def test_the_city_that_is_concerned_is_not_counted() -> None:
    assert one_of(*proposed(REGISTRY, call("expel(uint16)", XUZHOU))).tally == (1, 2)
    assert one_of(*proposed(REGISTRY, call("suspend(uint16)", SHANGHAI))).tally == (0, 2)


def test_the_same_call_to_another_contract_concerns_no_city() -> None:
    assert one_of(*proposed(CLEARINGHOUSE, call("suspend(uint16)", SHANGHAI))).tally == (1, 2)
