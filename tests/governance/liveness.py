"""Honest members against thieves: whether those can be kept from what they want, whatever thieves do meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement

from tests.governance.acts import useful_steps
from tests.governance.coalitions import (
    START,
    Act,
    Coalition,
    Key,
    State,
    Step,
    Thieves,
    Wait,
    canonical,
    consortium,
    honest,
)
from tests.governance.search import Count, Node, explore
from tests.reference.governance import Call, Governance
from tests.reference.registry import DAY, NONE, Refused

HARMLESS = frozenset({"rule", "suspend"})
"""Calls that change nothing of who votes."""
WAITS = 3
"""How often time passes on a path, at most: for an expulsion (or a puppet), for a recovery, for a treasury."""
NOTICED_WITHIN = 6 * DAY
"""How long it takes until a city asks for its recovery, where it is said to notice."""
ROUNDS = 8
"""How often time passes, at most, until honest members have what they want."""
NEWCOMER = Call("admit", (80, honest("A", 80), honest("T", 80), honest("R", 80)))

Goal = Callable[[Governance, Thieves], bool]


def can_execute(g: Governance, thieves: Thieves) -> bool:
    """Whether the honest members alone can have something executed now: an admission."""
    g = g.copy()
    voters = honest_voters(g, thieves)
    if not voters:
        return False
    number = g.propose(g.cities[voters[0]].admin, voters[0], NEWCOMER, now=g.now)
    for code in voters[1:]:
        g.approve(g.cities[code].admin, number, code, now=g.now)
    return g.is_executable(number)


def has_its_keys(code: int) -> Goal:
    """Whether a city has an admin and a treasury of its own."""

    def reached(g: Governance, thieves: Thieves) -> bool:
        city = g.cities[code]
        return not thieves.hold(city.admin) and not thieves.hold(city.treasury) and city.treasury != NONE

    return reached


def honest_voters(g: Governance, thieves: Thieves) -> list[int]:
    return sorted(code for code in g.voters_at(g.now) if not thieves.hold(g.cities[code].admin))


def honest_win(state: State, thieves: Thieves, goal: Goal, count: Count, *, idle: bool = False) -> bool:
    """Whether honest members get there, if they do all that they can at every moment, and thieves act after them.

    Args:
        idle: thieves do nothing any more.
    """
    known: dict[Key, bool] = {}
    moves = (lambda here: iter([here])) if idle else (lambda here: in_one_moment(here, thieves, count))
    return _win(state, thieves, goal, count, moves, ROUNDS, known)


def _win(
    state: State,
    thieves: Thieves,
    goal: Goal,
    count: Count,
    moves: Callable[[State], Iterator[State]],
    rounds: int,
    known: dict[Key, bool],
) -> bool:
    state = honest_turn(state, thieves)
    count.states += 1
    if goal(state.g, thieves):
        return True
    key = (rounds, *canonical(state, thieves))
    if rounds == 0 or key in known:
        return known.get(key, False)
    known[key] = all(
        (moment := after.next_moment) is not None
        and _win(after.after((Wait(moment),)), thieves, goal, count, moves, rounds - 1, known)
        for after in moves(state)
    )
    return known[key]


def in_one_moment(state: State, thieves: Thieves, count: Count) -> Iterator[State]:
    """Each state that thieves can bring about before time passes; first the one in which they do nothing."""
    seen, found = {canonical(state, thieves)}, [state]
    for here in found:
        yield here
        for step in useful_steps(here, thieves, HARMLESS):
            if isinstance(step[0], Wait):
                continue
            try:
                after = here.after(step)
            except Refused:
                continue
            count.transitions += 1
            if (key := canonical(after, thieves)) not in seen:
                seen.add(key)
                found.append(after)


def honest_turn(state: State, thieves: Thieves) -> State:
    """What honest members do at once: ask for recoveries, vote for them, carry them out, take a new treasury."""
    while True:
        for step in honest_steps(state.g, thieves):
            try:
                state = state.after(step)
            except Refused:
                continue
            break
        else:
            return state


def honest_steps(g: Governance, thieves: Thieves) -> Iterator[Step]:
    """What honest members may try next."""
    voters = honest_voters(g, thieves)
    asked = {p.concerned: number for number, p in g.proposals.items() if p.requester and g.is_open(number)}
    for code, city in g.cities.items():
        if thieves.hold(city.recovery):
            continue
        if thieves.hold(city.admin) or thieves.hold(city.treasury):
            if code not in asked:
                yield (Act("request_recovery", city.recovery, (code,)),)
                continue
            number = asked[code]
            for voter in voters:
                if voter != code:
                    yield (Act("approve", g.cities[voter].admin, (number, voter)),)
            if not g.proposals[number].passed_at:
                yield (Act("mark_passed", "anybody", (number,)),)
            yield (Act("execute", "anybody", (number,)),)
        elif city.treasury == NONE:
            if city.next_treasury is None:
                yield (Act("propose_treasury", city.admin, (code, honest("T", code))),)
            yield (Act("accept_treasury", honest("T", code), (code,)),)


def reachable(coalition: Coalition, count: Count, *, waits: int = WAITS) -> Iterator[Node]:
    """Each state that thieves reach while nobody else acts, once."""
    thieves = Thieves.of(coalition)
    start = State(consortium(coalition), {})
    nodes = explore(start, thieves, lambda state: useful_steps(state, thieves, HARMLESS), waits=waits, count=count)
    return (node for node in nodes if node.is_new)


def locked_out(state: State, thieves: Thieves, count: Count, *, idle: bool = False) -> list[int]:
    """The cities that lost admin or treasury key, not their recovery key, and never get their own keys again."""
    return [
        code
        for code, kind in enumerate(thieves.coalition, 1)
        if kind and "R" not in kind and not honest_win(state, thieves, has_its_keys(code), count, idle=idle)
    ]


def unstoppable(cities: int, count: Count) -> list[Coalition]:
    """The coalitions of no more than a third of the cities that keep the others from going on: there should be none.

    From every state that thieves reach, the others can have something executed; and a city that lost admin and
    treasury key comes back, if it notices in time. The largest such coalitions hold all others.
    """
    failed = []
    for kinds in combinations_with_replacement(("AT", "ATR"), cities // 3):
        coalition = (*kinds, *("",) * (cities - len(kinds)))
        thieves = Thieves.of(coalition)
        goes_on = all(honest_win(node.state, thieves, can_execute, count) for node in reachable(coalition, count))
        noticed = (node.state.after((Wait(START + NOTICED_WITHIN),)) for node in reachable(coalition, count, waits=0))
        if not goes_on or any(locked_out(state, thieves, count) for state in noticed):
            failed.append(coalition)
    return failed
