"""Coalitions of stolen keys, the addresses in play, and states of a consortium up to the cities' names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement
from typing import NamedTuple

from tests.reference.governance import LONG_DELAY, Governance, Proposal
from tests.reference.registry import DAY, NONE, City, Handover

START = 19_000 * DAY
"""When the thieves begin."""
PUPPET = 90
"""The code of the first city that thieves have admitted."""
ROLES = {"A": "admin", "T": "treasury", "R": "recovery"}
KINDS = tuple("".join(kind) for size in range(4) for kind in combinations("ATR", size))
"""Which of its keys a city can have lost: none, or one, two or three of admin, treasury and recovery key."""

Coalition = tuple[str, ...]
"""Which keys each city has lost; cities are interchangeable, so in one order only."""


class Act(NamedTuple):
    """An act of the model: its name, who does it, and its arguments."""

    name: str
    sender: str
    args: tuple[object, ...] = ()


class Wait(NamedTuple):
    """Time passes, until then."""

    until: int


Step = tuple[Act | Wait, ...]
"""What a search does at once."""


def coalitions(cities: int, keys: int) -> Iterator[Coalition]:
    """All coalitions of so many keys, up to the cities' names; those with most admin keys first."""
    chosen = [c for c in combinations_with_replacement(KINDS, cities) if sum(map(len, c)) == keys]
    chosen.sort(key=lambda c: (-sum("A" in kind for kind in c), sum(kind != "" for kind in c)))
    for coalition in chosen:
        yield tuple(sorted(coalition, key=lambda kind: (-len(kind), kind)))


def address(letter: str, code: int) -> str:
    """A city's own address, as it was when the thieves began."""
    return f"{ROLES[letter]} {code}"


def thiefs(letter: str, code: int) -> str:
    """The address that thieves put in its place."""
    return f"thief's {ROLES[letter]} {code}"


def honest(letter: str, code: int) -> str:
    """The address that the city itself puts in its place."""
    return f"new {ROLES[letter]} {code}"


@dataclass(frozen=True, slots=True)
class Thieves:
    """A coalition, and which addresses it holds."""

    coalition: Coalition
    stolen: frozenset[str]

    @classmethod
    def of(cls, coalition: Coalition) -> Thieves:
        keys = [(letter, code) for code, kind in enumerate(coalition, 1) for letter in kind]
        return cls(coalition, frozenset(address(letter, code) for letter, code in keys))

    def hold(self, account: str) -> bool:
        return account in self.stolen or account.startswith("thief")

    def stole(self, letter: str, code: int) -> bool:
        return code <= len(self.coalition) and letter in self.coalition[code - 1]

    def voters(self, g: Governance) -> list[int]:
        """The cities for which they vote now."""
        return sorted(code for code in g.voters_at(g.now) if self.hold(g.cities[code].admin))


def consortium(coalition: Coalition, *, now: int = START) -> Governance:
    """As many founders as the coalition has places."""
    founders = {
        code: (address("A", code), address("T", code), address("R", code)) for code in range(1, len(coalition) + 1)
    }
    return Governance.found(founders, now=now)


def with_frozen_treasuries(g: Governance, coalition: Coalition) -> Governance:
    """Each stolen treasury key is frozen already."""
    for code, kind in enumerate(coalition, 1):
        if "T" in kind:
            g.freeze_treasury(address("A", code), code, True, now=g.now)
    return g


@dataclass(frozen=True, slots=True)
class State:
    """A consortium, and since when each waiting proposal has had its two thirds without a gap, counted here anew."""

    g: Governance
    complete_since: dict[int, int]

    def after(self, step: Step) -> State:
        """The state after a step.

        Raises:
            Refused: an act of it is.
        """
        g, since = self.g.copy(), dict(self.complete_since)
        for act in step:
            if isinstance(act, Wait):
                pass_time(g, since, act.until)
                continue
            known = len(g.proposals)
            getattr(g, act.name)(act.sender, *act.args, now=g.now)
            if len(g.proposals) > known:
                since[len(g.proposals)] = g.now
        return State(g, {number: since[number] for number in since if g.is_open(number)})

    @property
    def next_moment(self) -> int | None:
        """When something becomes possible that isn't yet."""
        g = self.g
        moments = [city.counts_from for city in g.cities.values() if city.is_member]
        moments += [change.acceptable_from for city in g.cities.values() for change in city.changes if change]
        moments += [p.passed_at + p.delay for n, p in g.proposals.items() if p.passed_at and g.is_open(n)]
        return min((moment for moment in moments if moment > g.now), default=None)


def pass_time(g: Governance, since: dict[int, int], until: int) -> None:
    """Let the model's time pass, and note for each proposal whether its two thirds were there all along."""
    ahead = sorted({c.counts_from for c in g.cities.values() if g.now < c.counts_from < until} | {until})
    for begin, end in zip([g.now, *ahead], ahead, strict=False):
        for number in since:
            if not complete(g, g.proposals[number], begin):
                since[number] = end
    g.advance(until)


def complete(g: Governance, p: Proposal, moment: int) -> bool:
    """Whether two thirds of all members approve (of the others, a recovery), told apart from the model's own count."""
    members = {code for code, city in g.cities.items() if city.counts_at(moment)}
    electorate = members - {p.concerned} if p.requester else members
    alone = p.requester != NONE and p.delay == LONG_DELAY
    return alone or 3 * len((p.approvals & members) - {p.concerned}) >= 2 * len(electorate) > 0


# ------------------------------------------------------------ up to names

Key = tuple[object, ...]


def canonical(state: State, thieves: Thieves) -> Key:
    """The same for states that differ in names alone: of cities, of addresses in one hand, and of days."""
    g = state.g
    proposals = [(_proposal(g, p, thieves, since), p) for p, since in _open(state)]
    proposals.sort(key=lambda pair: pair[0])
    cities = sorted(_city(g, city, thieves, [p for _, p in proposals]) for city in g.cities.values())
    return (tuple(descriptor for descriptor, _ in proposals), tuple(cities))


def _open(state: State) -> Iterator[tuple[Proposal, int]]:
    for number, since in state.complete_since.items():
        yield state.g.proposals[number], since


def _proposal(g: Governance, p: Proposal, thieves: Thieves, since: int) -> tuple[object, ...]:
    times = (p.proposed_at - g.now, p.passed_at - g.now if p.passed_at else 1, since - g.now)
    return (p.call.name, thieves.hold(p.requester), p.delay, *times)


def _city(g: Governance, city: City, thieves: Thieves, proposals: list[Proposal]) -> tuple[object, ...]:
    return (
        int(city.status),
        _hand(thieves, city.admin),
        _hand(thieves, city.treasury),
        _hand(thieves, city.recovery),
        thieves.stole("T", city.code),
        thieves.stole("R", city.code),
        city.code <= len(thieves.coalition) and thieves.coalition[city.code - 1] == "",
        city.frozen,
        max(city.counts_from - g.now, 0),
        tuple(_change(g, change, thieves) for change in city.changes),
        (city.recovery_named_by == city.admin, city.recovery_named_at - g.now) if city.next_recovery else (False, 0),
        tuple((city.code in p.approvals, p.call.args[:1] == (city.code,)) for p in proposals),
    )


def _hand(thieves: Thieves, account: str) -> int:
    return 0 if account == NONE else 1 + thieves.hold(account)


def _change(g: Governance, change: Handover | None, thieves: Thieves) -> tuple[int, int]:
    if change is None:
        return (0, 0)
    return (_hand(thieves, change.to), change.acceptable_from - g.now if change.acceptable_from else 1)
