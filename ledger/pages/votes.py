"""The cities' votes, counted from events as the Consortium counts them.

A member's seat counts from a week after it joined (founders' at once) until it leaves, while it is suspended, too.
Which seats count is a roll; one follows another. A proposal keeps its wait as long as its approvals are two thirds of
every roll that comes into force; else the wait is lost, whatever was told of it before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from interline.hashing import keccak256

VOTING_PERIOD: Final = 30 * 86_400
EXECUTION_PERIOD: Final = 14 * 86_400
"""Seconds, as in the Consortium."""

STATUS: Final = {
    "CityAdmitted": "active",
    "CitySuspended": "suspended",
    "CityReinstated": "active",
    "CityExited": "left",
}
"""What each of the registry's events makes of a member."""


class Standing(StrEnum):
    """How a proposal stands."""

    OPEN = "open"
    ENOUGH = "enough"
    """It has its two thirds, and no wait that is known."""
    WAITS = "waits"
    EXECUTED = "executed"
    WITHDRAWN = "withdrawn"
    """A recovery that was asked for and taken back, or asked for anew."""
    LAPSED = "lapsed"


@dataclass(slots=True)
class Proposal:
    """A vote. Times in Unix seconds, 0 where there is none."""

    number: int
    proposer: int
    """The city that proposed it, or whose recovery address asked for its recovery."""
    target: str
    data: str
    time: int
    concerned: int = 0
    """The city that it suspends, expels or recovers, which has no vote in that; 0 for any other call."""
    requested: bool = False
    """Whether it is a recovery: two thirds of the others are needed, and the city itself doesn't count."""
    alone: bool = False
    """Of a recovery: there were no others when it was asked for, so it needs no vote, whoever joins then."""
    votes: set[int] = field(default_factory=set)
    executable_from: int = 0
    kept_until: int = 0
    """Until when its two thirds were seen to be there; only while it waits."""
    executed_at: int = 0
    withdrawn: bool = False
    tally: tuple[int, int] = (0, 1)
    """(votes that count, votes needed): when it was carried out, or now."""

    @property
    def expires_at(self) -> int:
        """The last second in which it can be carried out, as things are."""
        voting_ends = self.time + VOTING_PERIOD
        return max(voting_ends, self.executable_from + EXECUTION_PERIOD) if self.executable_from else voting_ends

    def standing(self, now: int) -> Standing:
        """How it stands at a time."""
        if self.executed_at:
            return Standing.EXECUTED
        if self.withdrawn:
            return Standing.WITHDRAWN
        if now > self.expires_at:
            return Standing.LAPSED
        if self.tally[0] < self.tally[1]:
            return Standing.OPEN
        return Standing.WAITS if self.executable_from else Standing.ENOUGH

    def is_open(self, now: int) -> bool:
        """Whether it can still be voted on or carried out."""
        return self.standing(now) not in (Standing.EXECUTED, Standing.WITHDRAWN, Standing.LAPSED)

    def count(self, roll: frozenset[int]) -> tuple[int, int]:
        """(votes that count, votes needed) of the cities of a roll."""
        voters = roll - {self.concerned} if self.requested else roll
        needed = 0 if self.alone else max(1, (2 * len(voters) + 2) // 3)
        return len(self.votes & roll - {self.concerned}), needed

    def passes(self, roll: frozenset[int]) -> bool:
        """Whether it has two thirds of a roll."""
        votes, needed = self.count(roll)
        return votes >= needed


class Rolls:
    """The cities whose seats count, from one time to the next; those of newcomers lie ahead."""

    def __init__(self) -> None:
        self._rolls: list[tuple[int, frozenset[int]]] = [(0, frozenset())]

    def admit(self, city: int, counts_from: int) -> None:
        """A city joined. All newcomers wait equally long, so the order of time is kept."""
        since, last = self._rolls[-1]
        roll = counts_from, last | {city}
        if since >= counts_from:
            self._rolls[-1] = roll
        else:
            self._rolls.append(roll)

    def drop(self, city: int, now: int) -> None:
        """A city left: it counts neither in the roll that holds nor in those ahead."""
        begun = self._begun(now)
        since, current = self._rolls[begun - 1]
        ahead = [(start, roll - {city}) for start, roll in self._rolls[begun:]]
        if since == now or city not in current:
            self._rolls[begun - 1 :] = [(since, current - {city}), *ahead]
        else:
            self._rolls[begun:] = [(now, current - {city}), *ahead]

    def at(self, now: int) -> frozenset[int]:
        """The cities that count at a time."""
        return self._rolls[self._begun(now) - 1][1]

    def between(self, since: int, until: int) -> Iterator[frozenset[int]]:
        """Every roll that held at a moment of these."""
        for _, roll in self._rolls[self._begun(since) - 1 : self._begun(until)]:
            yield roll

    def _begun(self, now: int) -> int:
        return max(bisect_right(self._rolls, now, key=lambda one: one[0]), 1)


def count_votes(events: Iterable[tuple[str, dict[str, Any], int]], registry: str, now: int) -> list[Proposal]:
    """All votes as of a time (Unix seconds, not before the last event), the newest first.

    Args:
        events: (name, arguments, Unix seconds) of the registry and the consortium together, in the chain's order.
        registry: the registry's address.
        now: the block's time.
    """
    count = _Count(registry)
    for name, told, time in events:
        count.take(name, told, time)
    return count.finish(now)


class _Count:
    """The votes as far as the events were taken in."""

    def __init__(self, registry: str) -> None:
        self._registry = registry
        self._rolls = Rolls()
        self._found: dict[int, Proposal] = {}
        self._requests: dict[int, Proposal] = {}
        """The last recovery that was asked for, by its city."""

    def take(self, name: str, told: Mapping[str, Any], time: int) -> None:
        """One more event."""
        if name == "CityAdmitted":
            self._rolls.admit(told["city"], told["countsFrom"])
        elif name == "CityExited":
            self._rolls.drop(told["city"], time)
        elif name == "Proposed":
            self._propose(told, time)
        elif told.get("id") in self._found:
            self._happened(self._found[told["id"]], name, told, time)

    def finish(self, now: int) -> list[Proposal]:
        """All of them as they stand at a time, the newest first."""
        for one in self._found.values():
            if not one.executed_at:
                self._keep(one, now)
                one.tally = one.count(self._rolls.at(now))
        return sorted(self._found.values(), key=lambda one: -one.number)

    def _propose(self, told: Mapping[str, Any], time: int) -> None:
        act, concerned = _concerned(told["target"], told["data"], self._registry)
        one = Proposal(told["id"], told["city"], told["target"], told["data"], time, concerned, act == "recover")
        if one.requested:
            one.alone = not self._rolls.at(time) - {concerned}
            before = self._requests.get(concerned)
            if before is not None and not before.executed_at:
                before.withdrawn = True
            self._requests[concerned] = one
        self._found[one.number] = one

    def _happened(self, to: Proposal, name: str, told: Mapping[str, Any], time: int) -> None:
        if name == "Approved":
            self._keep(to, time)
            to.votes.add(told["city"])
        elif name == "ApprovalWithdrawn":
            self._keep(to, time)
            to.votes.discard(told["city"])
            if not to.passes(self._rolls.at(time)):
                to.executable_from = 0
        elif name == "Passed":
            to.executable_from, to.kept_until = told["executableFrom"], time
        elif name == "RequestWithdrawn":
            to.withdrawn = True
        elif name == "Executed":
            to.executed_at, to.tally = time, to.count(self._rolls.at(time))

    def _keep(self, of: Proposal, now: int) -> None:
        """End a wait whose two thirds fell away since they were last seen, if only for a time."""
        if not of.executable_from:
            return
        if all(of.passes(roll) for roll in self._rolls.between(of.kept_until, now)):
            of.kept_until = now
        else:
            of.executable_from = 0


def _concerned(target: str, data: str, registry: str) -> tuple[str, int]:
    """The act against, or for, one city, and that city; an empty text and 0 for any other call."""
    if target.lower() != registry.lower() or len(data) < 74:
        return "", 0
    act = _OF_ONE.get(data[:10].lower(), "")
    return act, int(data[10:74], 16) & 0xFFFF if act else 0


def _selector(signature: str) -> str:
    return f"0x{keccak256(signature.encode())[:4].hex()}"


_OF_ONE: Final = {
    _selector("suspend(uint16)"): "suspend",
    _selector("expel(uint16)"): "expel",
    _selector("recover(uint16,address)"): "recover",
}
