"""What the exploration says of coalitions of stolen keys (tests/governance), played against the contracts.

Each cell of the table in SECURITY.md: the coalition does what the search found, and the harm is there; with any one of
its keys less, the stranger who tries that key's part is refused, and the harm isn't there. Then the faults that these
rules were made against.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from tests.contracts.governing import ANYBODY, Governed, account, govern
from tests.contracts.story import DAY, World
from tests.governance.coalitions import (
    START,
    Act,
    Coalition,
    Step,
    Thieves,
    Wait,
    address,
    consortium,
)
from tests.governance.harms import HARMS, Harm
from tests.governance.liveness import NEWCOMER, honest_steps, honest_voters
from tests.governance.table import find
from tests.reference.governance import Call
from tests.reference.members import Status

SIZES = (1, 2, 3, 4)
BY_NAME = {harm.name: harm for harm in HARMS}
PLAYED = tuple(name for name in BY_NAME if name not in ("admins", "undone"))
"""The two that no coalition reaches have nothing to play."""


@cache
def witness(name: str, cities: int) -> tuple[Coalition, tuple[Step, ...]] | None:
    """The smallest coalition that reaches a harm, and how; the same for all tests of this file."""
    found = find(BY_NAME[name], cities)
    return None if found.coalition is None or found.steps is None else (found.coalition, found.steps)


def begin(world: World, coalition: Coalition, harm: Harm | None = None) -> Governed:
    """The consortium in which the search began, on the chain."""
    frozen = harm is not None and harm.name == "frozen"
    governed = govern(world, consortium(coalition, now=START))
    for code, kind in enumerate(coalition, 1):
        if frozen and "T" in kind:
            assert governed.act("freeze_treasury", address("A", code), code, True, now=START) is None
    return governed


def play(governed: Governed, steps: tuple[Step, ...], *, without: str | None = None) -> list[str | None]:
    """Do what the search found; why each act was refused, or None. A stranger tries what a missing key did."""
    outcomes: list[str | None] = []
    for step in steps:
        for act in instead(step, without):
            if isinstance(act, Wait):
                governed.wait(max(act.until, governed.model.now))
                continue
            sender = ANYBODY if act.sender == without else act.sender
            outcome = governed.act(act.name, sender, *act.args, now=governed.model.now)
            assert act.sender != without or outcome is not None, f"a stranger did {act}"
            outcomes.append(outcome)
    return outcomes


def instead(step: Step, without: str | None) -> list[Act | Wait]:
    """A step in which a key that isn't there proposes nothing: the first who would approve proposes instead."""
    acts = list(step)
    first = acts[0]
    if isinstance(first, Act) and first.name == "propose" and first.sender == without and len(acts) > 1:
        second = acts[1]
        if isinstance(second, Act) and second.name == "approve":
            number, code = second.args
            acts[:2] = [
                Act("propose", second.sender, (code, first.args[1])),
                Act("approve", first.sender, (number, first.args[0])),
            ]
    return acts


# ------------------------------------------------------------ what is seen on the chain


def moved_money(governed: Governed, thieves: Thieves) -> bool:
    """The thieves' withdrawal of a fen has gone out."""
    return any(
        governed.world.token.balanceOf(account(city.treasury)) > 0
        for city in governed.model.cities.values()
        if thieves.hold(city.treasury)
    )


def executed(governed: Governed) -> list[Call]:
    """The calls that wait and were carried out, but for recoveries."""
    numbers = range(1, governed.consortium.proposalCount() + 1)
    done = [number for number in numbers if governed.consortium.proposal(number)[4]]
    proposals = [governed.model.proposals[number] for number in done]
    return [p.call for p in proposals if p.delay and p.call.name != "recover"]


def status(governed: Governed, code: int) -> int:
    return int(governed.registry.city(code)[1])


def punished(governed: Governed, thieves: Thieves) -> bool:
    whole = [code for code, kind in enumerate(thieves.coalition, 1) if kind == ""]
    return any(status(governed, code) in (Status.SUSPENDED, Status.EXITED) for code in whole)


def nobody_left(governed: Governed, thieves: Thieves) -> bool:
    everybody = all(status(governed, code) == Status.EXITED for code in governed.model.cities)
    return everybody and governed.registry.votingSeats() == 0


def stands_still(governed: Governed, thieves: Thieves) -> bool:
    """The others do what they can, and then try an admission."""
    go_on(governed, thieves)
    voters = honest_voters(governed.model, thieves)
    if not voters:
        return True
    now = governed.model.now
    for place, code in enumerate(voters):
        admin = governed.model.cities[code].admin
        if place == 0:
            governed.act("propose", admin, code, NEWCOMER, now=now)
        else:
            governed.act("approve", admin, len(governed.model.proposals), code, now=now)
    return governed.act("execute", ANYBODY, len(governed.model.proposals), now=now) == "NotPassed"


def stays_out(governed: Governed, thieves: Thieves) -> bool:
    """The others do what they can; a city that has its recovery key still doesn't have its keys."""
    go_on(governed, thieves)
    for code, kind in enumerate(thieves.coalition, 1):
        _, _, admin, treasury, *_ = governed.registry.city(code)
        city = governed.model.cities[code]
        assert (account(city.admin), account(city.treasury)) == (admin, treasury)
        if kind and "R" not in kind and (thieves.hold(city.admin) or thieves.hold(city.treasury) or not city.treasury):
            return True
    return False


def go_on(governed: Governed, thieves: Thieves) -> None:
    """All that honest members can do, for as long as time brings anything new."""
    for _ in range(4):
        while any(
            governed.act(act.name, act.sender, *act.args, now=governed.model.now) is None
            for step in honest_steps(governed.model, thieves)
            for act in step
            if isinstance(act, Act)
        ):
            pass
        governed.wait(governed.model.now + 7 * DAY)


SEEN: dict[str, Callable[[Governed, Thieves], bool]] = {
    "balance": moved_money,
    "apart": moved_money,
    "frozen": moved_money,
    "call": lambda governed, thieves: executed(governed) != [],
    "expel": punished,
    "blocked": stands_still,
    "ended": nobody_left,
    "locked": stays_out,
    "unnoticed": stays_out,
    "left": lambda governed, thieves: any(status(governed, code) == Status.EXITED for code in governed.model.cities),
    "stopped": lambda governed, thieves: governed.clearinghouse.stoppedUntil() > governed.model.now,
}


@pytest.mark.parametrize("cities", SIZES)
@pytest.mark.parametrize("name", PLAYED)
def test_the_smallest_coalition_does_on_the_chain_what_the_search_found(world: World, name: str, cities: int) -> None:
    found = witness(name, cities)
    if found is None:
        assert (name, cities) in {("expel", 1), ("expel", 2), ("locked", 1)}
        return
    coalition, steps = found
    governed = begin(world, coalition, BY_NAME[name])
    outcomes = play(governed, steps)
    assert outcomes == [None] * len(outcomes)
    assert SEEN[name](governed, Thieves.of(coalition))


@pytest.mark.parametrize("cities", SIZES)
@pytest.mark.parametrize("name", PLAYED)
def test_with_any_key_less_a_stranger_is_refused_in_its_place_and_the_harm_is_not_there(
    world: World, name: str, cities: int
) -> None:
    found = witness(name, cities)
    for letter, code in [(letter, code) for code, kind in enumerate(found[0] if found else (), 1) for letter in kind]:
        coalition, steps = found or ((), ())
        less = (*coalition[: code - 1], coalition[code - 1].replace(letter, ""), *coalition[code:])
        with world.node.rolled_back():
            governed = begin(world, coalition, BY_NAME[name])
            play(governed, steps, without=address(letter, code))
            assert not SEEN[name](governed, Thieves.of(less)), f"{name} by {less}, without the {letter} of {code}"


# ------------------------------------------------------------ the faults that these rules were made against


def founded(world: World, cities: int) -> Governed:
    return govern(world, consortium(("",) * cities, now=START))


def admin(code: int) -> str:
    return address("A", code)


def propose(governed: Governed, call: Call, *voters: int) -> int:
    """A proposal with these cities' approvals."""
    first, *others = voters
    now = governed.model.now
    assert governed.act("propose", admin(first), first, call, now=now) is None
    number = len(governed.model.proposals)
    for code in others:
        assert governed.act("approve", admin(code), number, code, now=now) is None
    return number


def execute(governed: Governed, number: int) -> str | None:
    return governed.act("execute", ANYBODY, number, now=governed.model.now)


def later(governed: Governed, seconds: int) -> None:
    governed.wait(governed.model.now + seconds)


def test_all_admin_keys_together_freeze_and_vote_and_none_becomes_a_treasury(world: World) -> None:
    """B1: stolen admin keys froze a treasury, consented, voted, and the thief was the treasury a day later."""
    governed = founded(world, 4)
    now = governed.model.now
    assert governed.act("freeze_treasury", admin(1), 1, True, now=now) is None
    assert governed.act("propose_treasury", admin(1), 1, "thief", now=now) == "NotTreasury"
    recover = Call("recover", (1, "thief"))
    assert governed.act("propose", admin(2), 2, recover, now=now) == "RecoveryNeedsRequest"
    for key in (admin(1), admin(2), address("T", 1)):
        assert governed.act("request_recovery", key, 1, now=now) == "NotRecoveryAddress"
    assert governed.act("request_recovery", address("R", 1), 1, now=now) is None
    for code in (2, 3, 4):
        assert governed.act("approve", admin(code), 1, code, now=now) is None
    later(governed, DAY)
    assert execute(governed, 1) is None
    assert governed.registry.city(1)[2:4] == (account(address("R", 1)), account(""))


def test_a_recovery_cant_be_passed_beforehand_to_wait_for_a_stolen_key(world: World) -> None:
    """B1: two thirds passed a recovery, and waited; one stolen key consented, and 2 s later the account was empty."""
    governed = founded(world, 4)
    assert (
        governed.act("propose", admin(2), 2, Call("recover", (1, address("R", 1))), now=START) == "RecoveryNeedsRequest"
    )
    assert governed.act("request_recovery", address("R", 1), 1, now=START) is None
    for code in (2, 3, 4):
        assert governed.act("approve", admin(code), 1, code, now=START) is None
    assert governed.act("withdraw_request", address("R", 1), 1, now=START) is None
    later(governed, DAY)
    assert execute(governed, 1) == "RequestIsWithdrawn"


def test_a_request_for_an_address_that_the_city_has_replaced_comes_to_nothing(world: World) -> None:
    governed = founded(world, 4)
    for key in (admin(1), address("T", 1)):
        assert governed.act("change_recovery", key, 1, "safer", now=START) is None
    later(governed, 10 * DAY)
    now = governed.model.now
    assert governed.act("request_recovery", address("R", 1), 1, now=now) is None
    for code in (2, 3, 4):
        assert governed.act("approve", admin(code), 1, code, now=now) is None
    later(governed, 4 * DAY)
    assert governed.act("accept_recovery", "safer", 1, now=governed.model.now) is None
    assert execute(governed, 1) == "NotRecoveryAddress"


def test_a_frozen_treasury_gets_no_more_and_hands_itself_on_to_nobody(world: World) -> None:
    """B1: a thief of a treasury key who was noticed and frozen."""
    governed = founded(world, 3)
    thief = address("T", 1)
    assert governed.act("propose_treasury", thief, 1, "thief", now=START) is None
    assert governed.act("freeze_treasury", admin(1), 1, True, now=START) is None
    assert governed.act("withdraw", thief, 1, now=START) == "TreasuryFrozen"
    assert governed.act("propose_treasury", thief, 1, "thief again", now=START) == "TreasuryIsFrozen"
    later(governed, 2 * DAY)
    assert governed.act("accept_treasury", "thief", 1, now=governed.model.now) == "TreasuryIsFrozen"
    assert governed.act("freeze_treasury", thief, 1, False, now=governed.model.now) == "NotCityAdmin"


def test_a_city_that_lost_both_keys_comes_back_by_its_recovery_address(world: World) -> None:
    governed = founded(world, 4)
    assert governed.act("request_recovery", address("R", 1), 1, now=START) is None
    for code in (2, 3):
        assert governed.act("approve", admin(code), 1, code, now=START) is None
    later(governed, DAY)
    now = governed.model.now
    assert execute(governed, 1) is None
    assert governed.act("propose_treasury", address("R", 1), 1, "new treasury", now=now) is None
    later(governed, 2 * DAY)
    assert governed.act("accept_treasury", "new treasury", 1, now=governed.model.now) is None
    assert governed.act("withdraw", "new treasury", 1, now=governed.model.now) is None


def test_two_thirds_that_fell_away_and_came_back_wait_anew(world: World) -> None:
    """B2: 28 days after its two thirds fell away, two approvals and an expulsion followed in 2 s."""
    governed = founded(world, 4)
    number = propose(governed, Call("expel", (4,)), 1, 2, 3)
    for code in (2, 3):
        assert governed.act("withdraw_approval", admin(code), number, code, now=START) is None
    later(governed, 28 * DAY)
    now = governed.model.now
    for code in (2, 3):
        assert governed.act("approve", admin(code), number, code, now=now) is None
    assert execute(governed, number) == "TooEarly"
    later(governed, 7 * DAY - 1)
    assert execute(governed, number) == "TooEarly"
    later(governed, 1)
    assert execute(governed, number) is None


def test_two_thirds_that_newcomers_took_away_for_a_time_wait_anew(world: World) -> None:
    """B2: a newcomer counts for an hour, and leaves; the two thirds are there before and after, not during it."""
    governed = founded(world, 3)
    admission = Call("admit", (50, "admin 50", "treasury 50", "recovery 50"))
    assert execute(governed, propose(governed, admission, 1, 2)) is None
    later(governed, DAY)
    number = propose(governed, Call("rule"), 1, 2)
    later(governed, 6 * DAY)
    assert not governed.consortium.isPassed(number)
    assert governed.act("leave_consortium", "admin 50", 50, now=governed.model.now + 3600) is None
    later(governed, 2 * DAY)
    assert execute(governed, number) == "TooEarly"
    assert governed.act("mark_passed", ANYBODY, number, now=governed.model.now) is None
    later(governed, 7 * DAY)
    assert execute(governed, number) is None


@pytest.mark.parametrize(("thieves", "cities"), [(1, 2), (2, 4), (3, 5), (4, 7), (5, 8)])
def test_fewer_than_two_thirds_suspend_nobody_one_after_the_other(world: World, thieves: int, cities: int) -> None:
    """B3: they suspended all others in turn, and had the whole vote."""
    governed = founded(world, cities)
    coalition = range(1, thieves + 1)
    for victim in range(thieves + 1, cities + 1):
        number = propose(governed, Call("suspend", (victim,)), *coalition)
        later(governed, DAY)
        assert execute(governed, number) == "NotPassed"
    assert governed.registry.votingSeats() == 2**cities - 1


def test_a_coalition_that_leaves_takes_nothing_but_itself(world: World) -> None:
    """B3: they suspended the rest and left; nobody could do anything any more, for ever."""
    governed = founded(world, 4)
    for code in (1, 2):
        assert governed.act("leave_consortium", admin(code), code, now=START) is None
    assert execute(governed, propose(governed, NEWCOMER, 3, 4)) is None


def test_suspended_members_keep_their_votes(world: World) -> None:
    governed = founded(world, 4)
    number = propose(governed, Call("suspend", (4,)), 1, 2, 3)
    later(governed, DAY)
    assert execute(governed, number) is None
    assert status(governed, 4) == Status.SUSPENDED
    number = propose(governed, NEWCOMER, 4, 1)
    assert execute(governed, number) == "NotPassed"
    assert governed.act("approve", admin(2), number, 2, now=governed.model.now) is None
    assert execute(governed, number) is None


def test_puppets_admitted_in_a_minute_dont_raise_what_a_stop_needs(world: World) -> None:
    """B4: 12 puppets in 92 s raised it from 2 to 4."""
    governed = founded(world, 4)
    for number in range(12):
        code = 50 + number
        puppet = Call("admit", (code, f"admin {code}", f"treasury {code}", f"recovery {code}"))
        assert execute(governed, propose(governed, puppet, 1, 2, 3)) is None
    assert governed.act("propose", "admin 50", 50, Call("rule"), now=START) == "NoVote"
    assert governed.act("call_stop", "admin 50", 50, now=START) == "NoVote"
    assert governed.act("call_stop", admin(3), 3, now=START) is None
    assert governed.act("call_stop", admin(4), 4, now=START + 60) is None
    assert governed.clearinghouse.stoppedUntil() > START


def test_seats_arent_used_up_in_a_year(world: World) -> None:
    """B4: all seats were used up in 21 minutes."""
    governed = founded(world, 1)
    for number in range(31):
        code = 100 + number
        puppet = Call("admit", (code, f"admin {code}", f"treasury {code}", f"recovery {code}"))
        assert execute(governed, propose(governed, puppet, 1)) is None
    one_more = propose(governed, NEWCOMER, 1)
    assert execute(governed, one_more) == "TooManyAdmissions"
