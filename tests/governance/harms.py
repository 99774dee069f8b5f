"""What thieves may reach, each a row of the table, and how it is looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.governance.acts import RULE, admission, all_steps, useful_steps, vote_for
from tests.governance.coalitions import (
    PUPPET,
    START,
    Act,
    Coalition,
    State,
    Step,
    Thieves,
    Wait,
    coalitions,
    consortium,
    with_frozen_treasuries,
)
from tests.governance.liveness import NOTICED_WITHIN, WAITS, can_execute, honest_win, locked_out, reachable
from tests.governance.search import Count, Node, executed_by, explore
from tests.reference.governance import stop_calls_needed
from tests.reference.registry import Refused

ALWAYS = 10**9

Path = tuple[Step, ...]
Search = Callable[[Coalition, Count], Path | None]
"""How a coalition reaches a harm: the steps; None if it doesn't."""


@dataclass(frozen=True, slots=True)
class Harm:
    """A row: its words, how it is looked for, and the coalitions that hold all others that are looked at."""

    name: str
    words: str
    search: Search
    largest: Callable[[int], list[Coalition]]
    never_up_to: int = 0
    """Up to how many cities the largest are looked at first, since none may reach it."""
    likely: str = "A"
    """A key that those which reach it are likely to have: of as many keys, such coalitions are tried first."""

    def smallest(self, cities: int, count: Count) -> tuple[Coalition, Path] | None:
        """The smallest coalition that reaches it, and how; None if no coalition does.

        More keys allow more acts and forbid none: what the largest coalitions don't reach, none does.
        """
        largest = self.largest(cities)
        if cities <= self.never_up_to and all(self.search(coalition, count) is None for coalition in largest):
            return None
        for keys in range(1, 3 * cities + 1):
            for coalition in sorted(coalitions(cities, keys), key=lambda c: self.likely not in "".join(c)):
                if not any(_within(coalition, top) for top in largest):
                    continue
                if (path := self.search(coalition, count)) is not None:
                    return coalition, path
        raise AssertionError(f"expected the largest coalition to be found again for {self.name!r}")


def _within(coalition: Coalition, top: Coalition) -> bool:
    """Whether a coalition has no key that another, in the best order, hasn't."""
    left = sorted(top, key=len)
    for kind in sorted(coalition, key=len, reverse=True):
        fitting = next((place for place, other in enumerate(left) if set(kind) <= set(other)), None)
        if fitting is None:
            return False
        del left[fitting]
    return True


# ------------------------------------------------------------ how each is looked for


def _first(nodes: Iterator[Node], reached: Callable[[Node], Step | None]) -> Path | None:
    """The path to the first node at which a harm is there, with the step that does it."""
    for node in nodes:
        if (last := reached(node)) is not None:
            return (*node.path(), last) if last else node.path()
    return None


def _by_thieves(
    reached: Callable[[Node, Thieves], Step | None], harmless: frozenset[str], *, frozen: bool = False
) -> Search:
    """By thieves alone, nobody else does anything."""

    def search(coalition: Coalition, count: Count) -> Path | None:
        thieves = Thieves.of(coalition)
        g = consortium(coalition)
        start = State(with_frozen_treasuries(g, coalition) if frozen else g, {})
        nodes = explore(
            start,
            thieves,
            lambda state: useful_steps(state, thieves, harmless),
            waits=WAITS,
            count=count,
        )
        return _first(nodes, lambda node: reached(node, thieves))

    return search


def _balance(node: Node, thieves: Thieves, *, of: str | None = None) -> Step | None:
    """Some city's money can be moved; `of`: "T", of one whose treasury key was stolen, "", of one whose wasn't."""
    g = node.state.g
    for code in range(1, len(thieves.coalition) + 1):
        city = g.cities[code]
        if thieves.hold(city.treasury) and (of is None or thieves.stole("T", code) == (of == "T")):
            try:
                g.copy().withdraw(city.treasury, code, now=g.now)
            except Refused:
                continue
            return (Act("withdraw", city.treasury, (code,)),)
    return None


def _frozen_balance(node: Node, thieves: Thieves) -> Step | None:
    return _balance(node, thieves, of="T")


def _balance_apart(node: Node, thieves: Thieves) -> Step | None:
    return _balance(node, thieves, of="")


def _waiting_call(node: Node, thieves: Thieves) -> Step | None:
    """A call that waits was executed; not a recovery, which brings nobody's address along."""
    proposals = node.state.g.proposals
    done = [proposals[number] for number in executed_by(node)]
    return () if any(p.delay and not p.requester for p in done) else None


def _punished(node: Node, thieves: Thieves) -> Step | None:
    """A city that lost no key was suspended or expelled."""
    done = [node.state.g.proposals[number].concerned for number in executed_by(node)]
    return () if any(code and code < PUPPET and thieves.coalition[code - 1] == "" for code in done) else None


def _nobody_left(node: Node, thieves: Thieves) -> Step | None:
    return None if any(city.is_member for city in node.state.g.cities.values()) else ()


def _has_left(node: Node, thieves: Thieves) -> Step | None:
    return () if any(isinstance(act, Act) and act.name == "leave_consortium" for act in node.step) else None


def wait_undone(node: Node) -> bool:
    """Whether the last step carried out a call that lacked its two thirds at any moment of its wait."""
    if node.before is None:
        return False
    before = node.before.state
    return any(
        before.g.now < before.complete_since[number] + before.g.proposals[number].delay
        for number in executed_by(node)
        if before.g.proposals.get(number) is not None and before.g.proposals[number].delay
    )


def _undone(coalition: Coalition, count: Count) -> Path | None:
    """Each single vote and withdrawal, each leaving, a puppet admitted: is a call ever carried out too early?"""
    thieves = Thieves.of(coalition)

    def steps(state: State) -> Iterator[Step]:
        yield from all_steps(state, thieves, (RULE,), keys=False)
        if PUPPET not in state.g.cities:
            yield from vote_for(state.g, thieves, admission(PUPPET))

    nodes = explore(State(consortium(coalition), {}), thieves, steps, waits=WAITS, count=count)
    return _first(nodes, lambda node: () if wait_undone(node) else None)


def _blocked(coalition: Coalition, count: Count) -> Path | None:
    """From a state that thieves reach, the honest members never get anything executed, whatever they do."""
    thieves = Thieves.of(coalition)

    def lost(state: State, idle: bool) -> bool:
        return not honest_win(state, thieves, can_execute, count, idle=idle)

    return _until_lost(coalition, count, lost, ())


def _locked(coalition: Coalition, count: Count) -> Path | None:
    """From a state that thieves reach, a city never gets its keys again, whatever it and the others do from then on."""
    thieves = Thieves.of(coalition)
    return _until_lost(coalition, count, lambda state, idle: locked_out(state, thieves, count, idle=idle) != [], ())


def _locked_in_time(coalition: Coalition, count: Count) -> Path | None:
    """The same, where the city and the others begin to act a few days after the thieves did."""
    thieves = Thieves.of(coalition)
    wait: Step = (Wait(START + NOTICED_WITHIN),)

    def lost(state: State, idle: bool) -> bool:
        return locked_out(state.after(wait), thieves, count, idle=idle) != []

    return _until_lost(coalition, count, lost, wait, waits=0)


def _until_lost(
    coalition: Coalition, count: Count, lost: Callable[[State, bool], bool], last: Step, *, waits: int = WAITS
) -> Path | None:
    """The way to a state that is lost to honest members; if there is one, where thieves needn't do anything more."""
    found = None
    for node in reachable(coalition, count, waits=waits):
        if (found is not None or lost(node.state, False)) and lost(node.state, True):
            return (*node.path(), last) if last else node.path()
        if found is None and lost(node.state, False):
            found = (*node.path(), last) if last else node.path()
    return found


def _stopped(coalition: Coalition, count: Count) -> Path | None:
    """All call for a stop."""
    thieves = Thieves.of(coalition)
    g = consortium(coalition)
    needed = stop_calls_needed(len(coalition))
    voters = thieves.voters(g)[:needed]
    count.states += 1
    if len(voters) < needed:
        return None
    calls = tuple(Act("call_stop", g.cities[code].admin, (code,)) for code in voters)
    after = State(g, {}).after(calls)
    count.transitions += 1
    return (calls,) if after.g.stopped_until > g.now else None


# ------------------------------------------------------------ the rows


def _all_keys(cities: int) -> list[Coalition]:
    return [("ATR",) * cities]


def _all_keys_but(kept: str) -> Callable[[int], list[Coalition]]:
    """All keys of all cities but one, and of that one all but these."""
    kind = "".join(letter for letter in "ATR" if letter not in kept)
    return lambda cities: [("ATR",) * (cities - 1) + (kind,)]


def _admins(cities: int) -> list[Coalition]:
    return [("A",) * cities]


NO_RULES = frozenset({"rule", "suspend"})
NOTHING = frozenset[str]()

HARMS = (
    Harm("balance", "moves a city's balance", _by_thieves(_balance, NO_RULES), _all_keys, likely="T"),
    Harm(
        "apart",
        "moves the balance of a city whose treasury key it hasn't",
        _by_thieves(_balance_apart, NO_RULES),
        _all_keys_but("T"),
        likely="R",
    ),
    Harm(
        "admins",
        "moves a balance with admin keys alone, however many",
        _by_thieves(_balance, NO_RULES),
        _admins,
        never_up_to=ALWAYS,
    ),
    Harm(
        "frozen",
        "moves a balance after the stolen treasury key was frozen",
        _by_thieves(_frozen_balance, NO_RULES, frozen=True),
        _all_keys,
    ),
    Harm(
        "call",
        "has a call executed that waits: rules, a successor, an expulsion",
        _by_thieves(_waiting_call, NOTHING),
        _all_keys,
    ),
    Harm(
        "expel",
        "suspends or expels a city that lost no key",
        _by_thieves(_punished, NOTHING),
        _all_keys_but("ATR"),
        never_up_to=ALWAYS,
    ),
    Harm("undone", "has one executed without two thirds during its whole wait", _undone, _admins, never_up_to=ALWAYS),
    Harm("blocked", "stops every vote for as long as it likes", _blocked, _all_keys),
    Harm("ended", "ends the consortium: no member is left", _by_thieves(_nobody_left, NO_RULES), _all_keys),
    Harm(
        "locked",
        "locks a city out for ever, which has its recovery key and asks within 6 days",
        _locked_in_time,
        _all_keys_but("R"),
        never_up_to=1,
    ),
    Harm("unnoticed", "the same, where nobody asks in time", _locked, _all_keys_but("R")),
    Harm("left", "ends a city's membership for ever", _by_thieves(_has_left, NO_RULES), _all_keys),
    Harm("stopped", "stops settlement for 3 days in 30", _stopped, _all_keys),
)

SEEN_BY_THIEVES = {
    "balance": _balance,
    "apart": _balance_apart,
    "call": _waiting_call,
    "expel": _punished,
    "ended": _nobody_left,
    "left": _has_left,
}
"""The harms that thieves reach alone, and what they are seen by."""
