"""Proposals of the Consortium: how each stands, and what it waits for. Facts alone; no network."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from consortium.standing import Standing
from consortium.times import format_length, format_moment
from consortium.words import Reading


class State(StrEnum):
    """How a proposal stands."""

    VOTING = "voting"
    """Votes are missing."""
    WAIT_NOT_BEGUN = "wait not begun"
    """It has its two thirds, but its wait didn't begin with its last vote, because others left, or was lost, because it
    lacked them for a time. It begins, anew, when somebody says so (`mark-passed`, or `execute`)."""
    WAITING = "waiting"
    """It passed; what can hurt a member waits."""
    READY = "ready"
    """Anyone can carry it out now."""
    EXECUTED = "executed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    """A recovery that its recovery address asks for no more, or asked for anew."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal at one block. Times are Unix seconds."""

    id: int
    target: str
    """Checksummed address of the contract that it calls."""
    data: bytes
    """Calldata."""
    proposer: int
    proposed_at: int
    executed: bool
    votes: int
    """Approvals by members whose seats count now, without the city that it suspends, expels or recovers."""
    votes_needed: int
    approved_by: tuple[int, ...]
    """Codes of the cities that approved it, whether their seats count or not."""
    delay: int
    """How long it waits once it passed, seconds."""
    executable_from: int
    """When its wait is or was over; 0 if it hasn't passed, lost its two thirds since, or needs none."""
    expires_at: int
    """0 if it was taken back."""

    def state(self, now: int) -> State:
        """How it stands at a time."""
        if self.executed:
            return State.EXECUTED
        if self.expires_at == 0:
            return State.WITHDRAWN
        if now > self.expires_at:
            return State.EXPIRED
        if self.votes < self.votes_needed:
            return State.VOTING
        if self.delay == 0:
            return State.READY
        if self.executable_from == 0:
            return State.WAIT_NOT_BEGUN
        return State.WAITING if now < self.executable_from else State.READY

    def is_open(self, now: int) -> bool:
        """Whether it can still be voted on or carried out."""
        return self.state(now) not in (State.EXECUTED, State.EXPIRED, State.WITHDRAWN)

    def says_when(self, now: int) -> str:
        """For people: what it waits for, or what became of it."""
        state = self.state(now)
        if state is State.VOTING:
            after = f", then it waits {format_length(self.delay)}" if self.delay else ""
            missing = self.votes_needed - self.votes
            return f"{missing} more vote{'' if missing == 1 else 's'} needed by {format_moment(self.expires_at)}{after}"
        if state is State.WAITING:
            return f"passed; can be carried out from {format_moment(self.executable_from)}"
        if state is State.WAIT_NOT_BEGUN:
            length = format_length(self.delay)
            begun = f"its wait of {length} hasn't begun, or was lost: `mark-passed {self.id}` begins it anew"
            return f"has its votes, but {begun}"
        if state is State.READY:
            return f"can be carried out by anyone until {format_moment(self.expires_at)}"
        if state is State.WITHDRAWN:
            return "taken back by the recovery address that asked for it, or asked for anew"
        return "carried out" if state is State.EXECUTED else f"expired at {format_moment(self.expires_at)}"


@dataclass(frozen=True, slots=True)
class ReadProposal:
    """A proposal, and what it would do."""

    proposal: Proposal
    reading: Reading

    def to_json(self, standing: Standing) -> dict[str, Any]:
        """Its entry in `ape run consortium proposals --json`."""
        one = self.proposal
        return {
            "id": one.id,
            "state": str(one.state(standing.now)),
            "when": one.says_when(standing.now),
            "says": self.reading.sentence,
            "effects": list(self.reading.effects),
            "warnings": list(self.reading.warnings),
            "call": self.reading.call,
            "target": one.target,
            "data": f"0x{one.data.hex()}",
            "proposer": one.proposer,
            "proposed_at": one.proposed_at,
            "votes": {"cast": one.votes, "needed": one.votes_needed},
            "approved_by": list(one.approved_by),
            "executable_from": one.executable_from,
            "expires_at": one.expires_at,
        }
