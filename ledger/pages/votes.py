"""The cities' votes, counted as the consortium counts them: by the members that are active at the time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from web3 import Web3

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
    LAPSED = "lapsed"


@dataclass(slots=True)
class Proposal:
    """A vote. Times in Unix seconds, 0 where there is none."""

    number: int
    proposer: int
    target: str
    data: str
    time: int
    concerned: int = 0
    """The city that it suspends or expels, which has no vote in that; 0 for any other call."""
    votes: set[int] = field(default_factory=set)
    executable_from: int = 0
    executed_at: int = 0
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
        if now > self.expires_at:
            return Standing.LAPSED
        if self.tally[0] < self.tally[1]:
            return Standing.OPEN
        return Standing.WAITS if self.executable_from else Standing.ENOUGH

    def is_open(self, now: int) -> bool:
        """Whether it can still be voted on or carried out."""
        return self.standing(now) not in (Standing.EXECUTED, Standing.LAPSED)


def count_votes(events: Iterable[tuple[str, dict[str, Any], int]], registry: str) -> list[Proposal]:
    """All votes, the newest first.

    Args:
        events: (name, arguments, Unix seconds) of the registry and the consortium together, in the chain's order.
        registry: the registry's address.
    """
    found: dict[int, Proposal] = {}
    active: set[int] = set()
    for name, told, time in events:
        if name in STATUS:
            (active.add if STATUS[name] == "active" else active.discard)(told["city"])
            if STATUS[name] == "left":  # who comes back has another seat, and inherits no vote
                for one in found.values():
                    one.votes -= set() if one.executed_at else {told["city"]}
        elif name == "Proposed":
            concerned = _concerned(told["target"], told["data"], registry)
            found[told["id"]] = Proposal(told["id"], told["city"], told["target"], told["data"], time, concerned)
        elif told.get("id") in found:
            _happened(found[told["id"]], name, told, time, active)
    for one in found.values():
        if not one.executed_at:
            one.tally = _tally(one, active)
    return sorted(found.values(), key=lambda one: -one.number)


def _happened(to: Proposal, name: str, told: dict[str, Any], time: int, active: set[int]) -> None:
    if name == "Approved":
        to.votes.add(told["city"])
    elif name == "ApprovalWithdrawn":
        to.votes.discard(told["city"])
        votes, needed = _tally(to, active)
        if votes < needed:  # its wait begins anew when it has its two thirds again
            to.executable_from = 0
    elif name == "Passed":
        to.executable_from = told["executableFrom"]
    elif name == "Executed":
        to.executed_at, to.tally = time, _tally(to, active)


def _tally(of: Proposal, active: set[int]) -> tuple[int, int]:
    voters = active - {of.concerned}
    return len(of.votes & voters), max(1, (2 * len(voters) + 2) // 3)


def _concerned(target: str, data: str, registry: str) -> int:
    if target.lower() != registry.lower() or len(data) < 74 or not data.startswith(_AGAINST_ONE):
        return 0
    return int(data[10:74], 16) & 0xFFFF


_AGAINST_ONE: Final = tuple(Web3.to_hex(Web3.keccak(text=f"{act}(uint16)")[:4]) for act in ("suspend", "expel"))
