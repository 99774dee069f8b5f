"""Everything that happens in the year, in its order, and what it does to each account."""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np

from demo.year.acts import Act, Transfer, account
from demo.year.batches import Batches, BatchPlan
from demo.year.corrections import DISPUTE_FEE, Kind, Step, plan_corrections
from demo.year.membership import FUNDED_AT, RESERVE, RESERVE_FROM, joined_at, new_key, set_up, votes
from demo.year.reckoning import Reckoning
from demo.year.rides import Rides
from demo.year.story import DAY, END, HOUR, Member, midnight
from demo.year.treasury import Treasury
from network.accounts import Role

_MONDAY: Final = midnight(date(2018, 12, 3)) + 10 * HOUR
_CLAIM_EVERY: Final = 4  # weeks: then creditors have paid what a debtor's balance allows

# What comes first where two things happen in one second.
_VOTE, _TREASURY, _CORRECTION, _SETTLEMENT = range(4)


@dataclass(frozen=True, slots=True)
class Block:
    """What goes into one block at one time: acts and batches, in their order, one of each sender."""

    time: int
    items: list[Act | BatchPlan]


@dataclass(frozen=True, slots=True)
class Schedule:
    """The year's blocks, and what they come to."""

    blocks: list[Block]
    books: Reckoning
    transfers: list[Transfer]
    corrected: Mapping[Kind, list[int]]
    """Numbers of the rides that are corrected."""
    arrears_days: Mapping[int, int]
    """By city, on how many settlements it went into arrears, or deeper."""


@dataclass(slots=True)
class _Planner:
    rides: Rides
    batches: Batches
    members: Sequence[Member]
    addresses: Mapping[str, str]
    treasury: Treasury
    books: Reckoning
    deeper: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))

    def events(self, steps: Sequence[Step]) -> Iterator[tuple[int, int, object]]:
        """(time, rank, what): votes, then the funds, the corrections and the batches of a second."""
        for act in (*votes(self.members, self.addresses), *new_key(self.members)):
            yield act.time, _VOTE, act
        for member in self.members:
            for act in set_up(member, self.addresses["Clearinghouse"]):
                yield act.time, _VOTE, act
            opened = FUNDED_AT if member.founder else joined_at(member) + 600
            yield opened, _TREASURY, ("opening", member)
            for week in range((END - _MONDAY) // (7 * DAY) + 1):
                time = _MONDAY + week * 7 * DAY + member.position * 420
                if time > opened:
                    yield time, _TREASURY, ("look", member)
                if time > opened and week % _CLAIM_EVERY == _CLAIM_EVERY - 1:
                    yield time + HOUR, _TREASURY, ("claim", member)
        for step in steps:
            yield step.time, _CORRECTION, step
        for plan in self.batches.plans:
            yield plan.time, _SETTLEMENT, plan

    def items(self, time: int, what: object) -> list[Act | BatchPlan]:
        """What an event puts into a block; the reckoning takes it in."""
        if isinstance(what, Act):
            return [what]
        if isinstance(what, BatchPlan):
            self._settle(what)
            return [what]
        if isinstance(what, Step):
            return [self._correct(what)]
        assert isinstance(what, tuple)
        name, member = what
        if name == "opening":
            return [*self.treasury.opening(member, self.rides, time)]
        if time > RESERVE_FROM:
            self.treasury.reserves[next(it.code for it in self.members if it.name == "Ningbo")] = RESERVE
        return [*(self.treasury.look if name == "look" else self.treasury.claim)(member, time)]

    def _settle(self, plan: BatchPlan) -> None:
        mine = plan.rides[self.rides.reason[plan.rides] == 0]
        issuers, places = np.unique(self.rides.issuer[mine], return_inverse=True)
        counts, fares = np.bincount(places), np.bincount(places, weights=self.rides.fare[mine])
        for issuer, count, fare in zip(issuers.tolist(), counts.tolist(), fares.tolist(), strict=True):
            paid = self.books.settle(issuer, plan.operator, count, int(fare))
            self.treasury.note(issuer, plan.time, int(fare))
            self.deeper[issuer] += paid < int(fare)

    def _correct(self, step: Step) -> Act:
        ride = step.ride
        issuer, operator = int(self.rides.issuer[ride]), int(self.rides.operator[ride])
        by_code = {member.code: member for member in self.members}
        home, carrier = by_code[issuer], by_code[operator]
        theirs, ours = account(carrier, Role.TREASURY), account(home, Role.TREASURY)
        pair = self.books.pairs[issuer, operator]
        if step.what == "revoke":
            call = (issuer, operator, [int(self.rides.serial[ride])])
            return Act(step.time, account(home, Role.ADMIN), "CityRegistry", "revokeTickets", call)
        if step.what == "dispute":
            pair.disputed += step.amount
            return Act(step.time, ours, "Refunds", "dispute", ride=ride)
        if step.what == "answer":
            pair.disputed -= step.amount
            self.books.fee(issuer, operator, DISPUTE_FEE)
            return Act(step.time, theirs, "Refunds", "answer", ride=ride, by_batch=False)
        self.books.refund(issuer, operator, step.amount)
        if step.what == "claim":
            pair.disputed -= step.amount
            return Act(step.time, ours, "Refunds", "refundUnanswered", ride=ride, by_batch=False)
        if step.what == "refund_revoked":
            return Act(step.time, ours, "Refunds", "refundRevoked", ride=ride)
        pair.disputed -= step.amount if step.ends_dispute else 0
        return Act(step.time, theirs, "Refunds", "refund", (step.amount,), ride=ride)


def plan_year(
    rides: Rides, batches: Batches, members: Sequence[Member], addresses: Mapping[str, str], *, settling: int, seed: int
) -> Schedule:
    """The year's blocks; `addresses` are those of the contracts, by name."""
    books = Reckoning()
    planner = _Planner(rides, batches, members, addresses, Treasury(members, books), books)
    corrected, steps = plan_corrections(rides, batches, settling, seed)
    queue = [(time, rank, number, what) for number, (time, rank, what) in enumerate(planner.events(steps))]
    heapq.heapify(queue)
    blocks: list[Block] = []
    while queue:
        time, _, _, what = heapq.heappop(queue)
        for item in planner.items(time, what):
            _add(blocks, time, item)
    return Schedule(blocks, books, planner.treasury.transfers, corrected, dict(planner.deeper))


def _add(blocks: list[Block], time: int, item: Act | BatchPlan) -> None:
    """Puts an item into the last block, or into one after it that is no earlier than `time`.

    A sender has one transaction in a block: a node that makes blocks of what waits may else take another order.
    """
    last = blocks[-1] if blocks else None
    if last is not None and last.time >= time and _sender(item) not in map(_sender, last.items):
        last.items.append(item)
    else:
        blocks.append(Block(time if last is None else max(time, last.time + 1), [item]))


def _sender(item: Act | BatchPlan) -> tuple[str, int]:
    return ("submitter of", item.operator) if isinstance(item, BatchPlan) else ("account", item.account)
