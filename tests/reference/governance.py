"""Votes, waits, recoveries by request and calls for a stop: the Consortium in plain Python.

The one rule that everything else serves: a call that waits is executed only if it had its two thirds during the whole
of its wait, whoever came to count or left meanwhile. So time moves by {Governance.advance}, which ends every wait that
lacked its two thirds at any moment that has passed.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from tests.reference.registry import DAY, NONE, Refused, Registry

VOTING_PERIOD = 30 * DAY
EXECUTION_PERIOD = 14 * DAY
SHORT_DELAY = DAY
LONG_DELAY = 7 * DAY
CALL_PERIOD = DAY
STOP_LENGTH = 3 * DAY
STOP_PAUSE = 27 * DAY

DELAYS = {
    "admit": 0,
    "reinstate": 0,
    "resume_settlement": 0,
    "suspend": SHORT_DELAY,
    "recover": SHORT_DELAY,
    "cancel_successor": SHORT_DELAY,
}
"""How long calls wait; all others wait {LONG_DELAY}."""

HURTS_ONE = ("suspend", "expel")
"""The city that they name has no vote in them, and counts all the same."""


class Call(NamedTuple):
    """What a proposal calls: a function of the registry by its name here, "resume_settlement", or any other rule."""

    name: str
    args: tuple[Hashable, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A call that members vote on."""

    call: Call
    proposer: int
    proposed_at: int
    delay: int
    concerned: int = 0
    """The city that has no vote in it, or 0."""
    requester: str = NONE
    """Of a recovery: who asked for it."""
    approvals: frozenset[int] = frozenset()
    passed_at: int = 0
    """When its wait began; 0 if it isn't waiting."""
    executed: bool = False
    withdrawn: bool = False


class Governance(Registry):
    """A consortium: its members, its proposals, its calls for a stop, and what time it is."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.proposals: dict[int, Proposal] = {}
        self.stop_calls: dict[int, int] = {}
        """When each city called for a stop; those that stand together."""
        self.calls_until = 0
        self.stopped_until = 0

    @classmethod
    def found(cls, founders: dict[int, tuple[str, str, str]], *, now: int) -> Self:
        """A consortium of these cities: admin, treasury and recovery address by code."""
        if not founders:
            raise Refused("NoFounders")
        self = cls()
        self.now = now
        for code, addresses in founders.items():
            self.admit(code, *addresses, now=now, founder=True)
        return self

    def copy(self) -> Self:
        """Another that goes its own way."""
        other = type(self)()
        other.now = self.now
        other.cities, other.proposals = dict(self.cities), dict(self.proposals)
        other.stop_calls, other.calls_until = dict(self.stop_calls), self.calls_until
        other.stopped_until = self.stopped_until
        return other

    # ------------------------------------------------------------ time

    def advance(self, now: int) -> None:
        """Let time pass. What lacked its two thirds at any moment up to `now`, not included, has lost its wait.

        Members change by acts, all of which are behind, and where newcomers come to count.
        """
        assert now >= self.now
        if now == self.now:
            return
        waiting = [number for number, p in self.proposals.items() if p.passed_at and not p.executed]
        if waiting:
            counting = [city.counts_from for city in self.cities.values() if self.now < city.counts_from < now]
            for moment in sorted({self.now, *counting}):
                voters = self.voters_at(moment)
                for number in waiting:
                    if not self._has_two_thirds(self.proposals[number], voters):
                        self._vary(number, passed_at=0)
        self.now = now

    def lost_its_wait(self, number: int) -> bool:
        """Whether it waits and lacks its two thirds at this very moment."""
        p = self.proposals[number]
        return p.passed_at != 0 and not self._has_two_thirds(p, self.voters_at(self.now))

    # ------------------------------------------------------------ proposing, approving, executing

    def propose(self, sender: str, city: int, call: Call, *, now: int) -> int:
        """The number of the new proposal."""
        self.advance(now)
        self._require_vote(sender, city)
        if call.name == "recover":
            raise Refused("RecoveryNeedsRequest")
        [concerned] = call.args if call.name in HURTS_ONE else (0,)
        assert isinstance(concerned, int)
        delay = DELAYS.get(call.name, LONG_DELAY)
        number = len(self.proposals) + 1
        approvals = frozenset({city})
        self.proposals[number] = Proposal(call, city, now, delay, concerned, approvals=approvals)
        self._begin_wait(number)
        return number

    def approve(self, sender: str, number: int, city: int, *, now: int) -> None:
        self.advance(now)
        self._require_vote(sender, city)
        p = self._open(number)
        if city in p.approvals:
            raise Refused("AlreadyApproved")
        if self.lost_its_wait(number):
            self._vary(number, passed_at=0)
        self._vary(number, approvals=p.approvals | {city})
        self._begin_wait(number)

    def withdraw_approval(self, sender: str, number: int, city: int, *, now: int) -> None:
        self.advance(now)
        self._require_vote(sender, city)
        p = self._open(number)
        if city not in p.approvals:
            raise Refused("NotApproved")
        lost = self.lost_its_wait(number)
        self._vary(number, approvals=p.approvals - {city})
        if lost or self.lost_its_wait(number):
            self._vary(number, passed_at=0)

    def mark_passed(self, sender: str, number: int, *, now: int) -> None:
        self.advance(now)
        self._require_passed(number)
        self._begin_wait(number)

    def execute(self, sender: str, number: int, *, now: int) -> None:
        self.advance(now)
        self._require_passed(number)
        p = self.proposals[number]
        if not self._is_due(p):
            raise Refused("TooEarly")
        self._call(p.call, now)
        self._vary(number, executed=True)

    def _call(self, call: Call, now: int) -> None:
        if call.name in ("admit", "suspend", "reinstate", "expel", "recover"):
            getattr(self, call.name)(*call.args, now=now)
        elif call.name == "resume_settlement":
            if now >= self.stopped_until:
                raise Refused("NotStopped")
            self.stopped_until = now

    # ------------------------------------------------------------ recovery

    def request_recovery(self, sender: str, code: int, *, now: int) -> int:
        """The number of the proposal that asks the others to give the city back to its recovery address.

        It takes the place of the city's request before it.
        """
        self.advance(now)
        if sender == NONE or sender != self.city(code).recovery:
            raise Refused("NotRecoveryAddress")
        for number, p in self.proposals.items():
            if p.requester and p.proposer == code and not p.executed:
                self._vary(number, withdrawn=True)
        delay = SHORT_DELAY if self.voters_at(now) - {code} else LONG_DELAY
        number = len(self.proposals) + 1
        self.proposals[number] = Proposal(Call("recover", (code, sender)), code, now, delay, code, sender)
        self._begin_wait(number)
        return number

    def withdraw_request(self, sender: str, number: int, *, now: int) -> None:
        self.advance(now)
        p = self._open(number)
        if p.requester == NONE or sender != p.requester:
            raise Refused("NotRecoveryAddress")
        self._vary(number, withdrawn=True)

    # ------------------------------------------------------------ emergency stop

    def call_stop(self, sender: str, city: int, *, now: int) -> None:
        self.advance(now)
        self._require_vote(sender, city)
        standing = now < self.calls_until
        if standing and city in self.stop_calls:
            raise Refused("StopAlreadyCalled")
        calls = {**(self.stop_calls if standing else {}), city: now}
        voters = self.voters_at(now)
        if len(voters & calls.keys()) < stop_calls_needed(len(voters)):
            self.stop_calls, self.calls_until = calls, self.calls_until if standing else now + CALL_PERIOD
            return
        if self.stopped_until and now < self.stopped_until + STOP_PAUSE:
            raise Refused("StopTooSoon")
        self.stop_calls, self.calls_until, self.stopped_until = {}, 0, now + STOP_LENGTH

    def standing_calls(self) -> tuple[int, int, int]:
        """How many calls for a stop stand, how many are needed, and until when those stand."""
        voters = self.voters_at(self.now)
        needed = stop_calls_needed(len(voters))
        if self.now >= self.calls_until:
            return 0, needed, 0
        return len(voters & self.stop_calls.keys()), needed, self.calls_until

    # ------------------------------------------------------------ what there is to read

    def tally(self, number: int) -> tuple[int, int]:
        """Votes, and votes needed."""
        return self._tally(self.proposals[number], self.voters_at(self.now))

    def executable_from(self, number: int) -> int:
        """When its wait is over; 0 if it isn't waiting."""
        p = self.proposals[number]
        if p.passed_at == 0 or (not p.executed and self.lost_its_wait(number)):
            return 0
        return p.passed_at + p.delay

    def expires_at(self, number: int) -> int:
        """The last second in which it is open, as things are; 0 if it was withdrawn."""
        p = self.proposals[number]
        if p.withdrawn:
            return 0
        end, executable_from = p.proposed_at + VOTING_PERIOD, self.executable_from(number)
        return max(end, executable_from + EXECUTION_PERIOD) if executable_from else end

    def is_passed(self, number: int) -> bool:
        p = self.proposals[number]
        if p.executed or self.now > self.expires_at(number):
            return False
        return self._has_two_thirds(p, self.voters_at(self.now)) and (p.delay == 0 or p.passed_at != 0)

    def is_executable(self, number: int) -> bool:
        return self.is_passed(number) and self._is_due(self.proposals[number])

    def is_open(self, number: int) -> bool:
        p = self.proposals[number]
        return not p.executed and not p.withdrawn and self.now <= self.expires_at(number)

    # ------------------------------------------------------------ internals

    def _vary(self, number: int, **fields: object) -> None:
        self.proposals[number] = replace(self.proposals[number], **fields)  # type: ignore[arg-type]

    def _require_vote(self, sender: str, code: int) -> None:
        city = self.city(code)
        if not city.is_member:
            raise Refused("NoVote")
        if sender != city.admin:
            raise Refused("NotCityAdmin")
        if self.now < city.counts_from:
            raise Refused("NoVote")

    def _open(self, number: int) -> Proposal:
        if number not in self.proposals:
            raise Refused("UnknownProposal")
        p = self.proposals[number]
        if p.executed:
            raise Refused("AlreadyExecuted")
        if p.withdrawn:
            raise Refused("RequestIsWithdrawn")
        if self.now > self.expires_at(number):
            raise Refused("ProposalExpired")
        return p

    def _require_passed(self, number: int) -> None:
        if not self._has_two_thirds(self._open(number), self.voters_at(self.now)):
            raise Refused("NotPassed")

    def _begin_wait(self, number: int) -> None:
        p = self.proposals[number]
        if p.delay and not p.passed_at and self._has_two_thirds(p, self.voters_at(self.now)):
            self._vary(number, passed_at=self.now)

    def _is_due(self, p: Proposal) -> bool:
        return p.delay == 0 or (p.passed_at != 0 and self.now >= p.passed_at + p.delay)

    def _has_two_thirds(self, p: Proposal, voters: frozenset[int]) -> bool:
        votes, needed = self._tally(p, voters)
        return votes >= needed

    def _tally(self, p: Proposal, voters: frozenset[int]) -> tuple[int, int]:
        """Two thirds of all who count, at least one; of a recovery, of the others, but none if there were none."""
        votes = len(p.approvals & voters - {p.concerned})
        if p.requester and p.delay == LONG_DELAY:
            return votes, 0
        return votes, max(1, two_thirds(len(voters - {p.concerned} if p.requester else voters)))


def two_thirds(count: int) -> int:
    """Rounded up."""
    return -(-2 * count // 3)


def stop_calls_needed(voters: int) -> int:
    """A quarter, rounded up, and at least two where there are two."""
    return min(voters, max(2, -(-voters // 4)))
