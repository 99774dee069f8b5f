"""The contracts' governance, compared with the reference on random histories of consortia of one to six cities.

After each act every getter of the registry and the consortium is compared, and refusals by their names. Time stops
where something begins or ends: a second before, at it, and a second after. INTERLINE_SEED chooses other histories.
"""

from __future__ import annotations

import os
from random import Random

from tests.contracts.governing import ANYBODY, CONSORTIUM_ACTS, REGISTRY_ACTS, Governed, govern
from tests.contracts.story import DAY, HOUR, World
from tests.reference.governance import EXECUTION_PERIOD, STOP_PAUSE, VOTING_PERIOD, Call, Governance
from tests.reference.members import Status
from tests.reference.registry import HANDOVER_PERIOD, NONE, RECOVERY_DELAY

DEFAULT_SEED = 20191201
HISTORIES = 12
ACTS = 80
NEWCOMERS = 4
"""How many cities a history may admit, so that its votes stay few."""

REFUSALS = {
    "AlreadyApproved",
    "AlreadyExecuted",
    "AlreadySo",
    "HandoverExpired",
    "NoVote",
    "NotApproved",
    "NotCityAdmin",
    "NotOfCity",
    "NotPassed",
    "NotProposed",
    "NotRecoveryAddress",
    "NotStopped",
    "NotTreasury",
    "ProposalExpired",
    "RecoveryAlreadyNamed",
    "RecoveryNeedsRequest",
    "RequestIsWithdrawn",
    "SameAddress",
    "StopAlreadyCalled",
    "StopTooSoon",
    "TooEarly",
    "TreasuryFrozen",
    "TreasuryIsFrozen",
    "UnknownProposal",
    "WrongStatus",
    "ZeroAddress",
}


class Fate:
    """Chooses what happens next in one consortium."""

    def __init__(self, random: Random, governed: Governed) -> None:
        self.random = random
        self.governed = governed
        self.model = governed.model
        self.start = self.model.now

    def next_step(self) -> None:
        """Some time passes, and something happens."""
        acts = {
            self.propose: 10,
            self.vote: 22,
            self.vote_together: 14,
            self.execute: 14,
            self.mark_passed: 3,
            self.request: 6,
            self.withdraw_request: 2,
            self.leave: 2,
            self.hand_on: 14,
            self.accept: 12,
            self.change_recovery: 9,
            self.cancel: 3,
            self.freeze: 5,
            self.withdraw: 4,
            self.call_stop: 7,
        }
        [act] = self.random.choices(list(acts), list(acts.values()))
        act()

    # ------------------------------------------------------------ both sides

    def do(self, name: str, sender: str, *args: object) -> None:
        """An act in a while, and everything compared after it."""
        now = self._then()
        if now > self.model.now and self.random.random() < 0.3:
            self.governed.wait(now)
            self.compare()
        self.governed.act(name, sender, *args, now=now)
        self.compare()

    def compare(self) -> None:
        numbers = list(self.model.proposals)
        alive = [number for number in numbers if self.model.is_open(number)]
        chosen = {*alive[-8:], *numbers[-3:], *self.random.sample(numbers, min(2, len(numbers)))}
        past = self.random.randint(self.start, self.model.now)
        self.governed.compare(past=past, proposals=sorted(chosen))

    def _then(self) -> int:
        """Now, soon, or within a second of when something begins or ends."""
        now = self.model.now
        if self.random.random() < 0.6:
            return now + self.random.choice([0, 0, 0, 1, 60, HOUR, DAY])
        moments = [moment + shift for moment in self._moments() for shift in (-1, 0, 0, 1)]
        ahead = [moment for moment in moments if now <= moment <= now + 20 * DAY]
        return self.random.choice(ahead) if ahead else now + HOUR

    def _moments(self) -> list[int]:
        model = self.model
        moments = [city.counts_from for city in model.cities.values()]
        for number, p in model.proposals.items():
            if model.is_open(number):
                moments.append(model.expires_at(number))
                moments += [p.passed_at + p.delay, p.passed_at + p.delay + EXECUTION_PERIOD] if p.passed_at else []
            else:
                moments.append(p.proposed_at + VOTING_PERIOD)
        for city in model.cities.values():
            for change in city.changes:
                if change:
                    moments += [change.acceptable_from, change.acceptable_from + HANDOVER_PERIOD]
            if city.next_recovery:
                lapses = city.recovery_named_at + HANDOVER_PERIOD
                moments += [lapses, lapses + RECOVERY_DELAY]
        return [*moments, model.calls_until, model.stopped_until, model.stopped_until + STOP_PAUSE]

    # ------------------------------------------------------------ who

    def _anyone(self) -> int:
        members = [code for code, city in self.model.cities.items() if city.is_member]
        return self.random.choice(members if members and self.random.random() < 0.9 else list(self.model.cities))

    def _by(self, name: str) -> str:
        """Mostly the one who may, else somebody who plays a part somewhere."""
        if self.random.random() < 0.92:
            return name
        city = self.model.cities[self._anyone()]
        return self.random.choice([city.admin, city.treasury, city.recovery, ANYBODY]) or ANYBODY

    def _somebody(self, code: int) -> str:
        """An address for a city: mostly one that nobody has, seldom one of its own or none."""
        city = self.model.cities[code]
        new = [f"{code} new {number}" for number in range(3)]
        proposed = [change.to for change in city.changes if change]
        return self.random.choice([*new * 4, *proposed * 2, city.admin, city.treasury, city.recovery, NONE])

    def _number(self) -> int:
        """Mostly an open proposal."""
        numbers = list(self.model.proposals)
        alive = [number for number in numbers if self.model.is_open(number)]
        if alive and self.random.random() < 0.85:
            return self.random.choice(alive)
        return self.random.choice([*numbers, len(numbers) + 1])

    # ------------------------------------------------------------ votes

    def propose(self) -> None:
        code = self._anyone()
        self.do("propose", self._by(self.model.cities[code].admin), code, self._call())

    def _call(self) -> Call:
        code = self._anyone()
        suspended = [code for code, city in self.model.cities.items() if city.status == Status.SUSPENDED]
        new = 50 + self.random.randrange(NEWCOMERS)
        names = [f"admin {new}", f"treasury {new}", f"recovery {new}"]
        if self.random.random() < 0.1:
            names[self.random.randrange(3)] = self.random.choice([NONE, *names])
        options = {
            Call("rule"): 5,
            Call("resume_settlement"): 4,
            Call("admit", (new, *names)): 5,
            Call("suspend", (code,)): 4,
            Call("reinstate", (self.random.choice(suspended or [code]),)): 4 if suspended else 1,
            Call("expel", (code,)): 2,
            Call("recover", (code, self.model.cities[code].recovery)): 3,
        }
        [call] = self.random.choices(list(options), list(options.values()))
        return call

    def vote(self) -> None:
        code = self._anyone()
        name = self.random.choice(["approve", "approve", "withdraw_approval"])
        self.do(name, self._by(self.model.cities[code].admin), self._number(), code)

    def vote_together(self) -> None:
        """All who count and haven't yet approve, but for one now and then."""
        number = self._number()
        if number not in self.model.proposals:
            return
        for code in sorted(self.model.voters_at(self.model.now) - self.model.proposals[number].approvals):
            if self.random.random() < 0.9:
                self.do("approve", self.model.cities[code].admin, number, code)

    def execute(self) -> None:
        numbers = list(self.model.proposals)
        ready = [number for number in numbers if self.model.is_passed(number)]
        number = self.random.choice(ready) if ready and self.random.random() < 0.8 else self._number()
        if number in ready and self.random.random() < 0.6:
            due = self.model.executable_from(number) + self.random.choice([-1, 0, 0, 1])
            if self.model.now < due:
                self.governed.wait(due)
                self.compare()
        self.governed.act("execute", ANYBODY, number, now=self.model.now)
        self.compare()

    def mark_passed(self) -> None:
        self.do("mark_passed", ANYBODY, self._number())

    def request(self) -> None:
        code = self._anyone()
        self.do("request_recovery", self._by(self.model.cities[code].recovery), code)

    def withdraw_request(self) -> None:
        number = self._number()
        p = self.model.proposals.get(number)
        self.do("withdraw_request", self._by(p.requester if p and p.requester else ANYBODY), number)

    def call_stop(self) -> None:
        """Once, or again."""
        code = self._anyone()
        for _ in range(self.random.choice([1, 1, 2])):
            self.do("call_stop", self._by(self.model.cities[code].admin), code)

    # ------------------------------------------------------------ a city's own affairs

    def leave(self) -> None:
        code = self._anyone()
        if len(self.model.voters_at(self.model.now)) > 2 or self.random.random() < 0.2:
            self.do("leave_consortium", self._by(self.model.cities[code].admin), code)

    def hand_on(self) -> None:
        code = self._anyone()
        city = self.model.cities[code]
        if self.random.random() < 0.5:
            self.do("propose_admin", self._by(city.admin), code, self._somebody(code))
        else:
            self.do("propose_treasury", self._by(city.treasury or city.admin), code, self._somebody(code))

    def accept(self) -> None:
        """By who was proposed, mostly when it may."""
        names = ("admin", "treasury", "recovery")
        waiting = [
            (code, name, change)
            for code, city in self.model.cities.items()
            for name, change in zip(names, city.changes, strict=True)
            if change
        ]
        if not waiting:
            self.do(f"accept_{self.random.choice(names)}", ANYBODY, self._anyone())
            return
        code, name, change = self.random.choice(waiting)
        moment = change.acceptable_from + self.random.choice([-1, 0, 0, 0, HANDOVER_PERIOD, HANDOVER_PERIOD + 1])
        if self.model.now < moment and self.random.random() < 0.7:
            self.governed.wait(moment)
            self.compare()
        self.governed.act(f"accept_{name}", self._by(change.to), code, now=self.model.now)
        self.compare()

    def change_recovery(self) -> None:
        """By one key, or by both."""
        code = self._anyone()
        to = self._somebody(code)
        city = self.model.cities[code]
        for key in self.random.choice([[city.admin], [city.treasury], [city.admin, city.treasury]]):
            self.do("change_recovery", self._by(key or ANYBODY), code, to)

    def cancel(self) -> None:
        code = self._anyone()
        city = self.model.cities[code]
        self.do("cancel_changes", self._by(self.random.choice([city.admin, city.treasury]) or ANYBODY), code)

    def freeze(self) -> None:
        code = self._anyone()
        city = self.model.cities[code]
        frozen = not city.frozen if self.random.random() < 0.8 else city.frozen
        self.do("freeze_treasury", self._by(city.admin), code, frozen)

    def withdraw(self) -> None:
        code = self.random.choice([code for code in self.model.cities if code < 50])
        self.do("withdraw", self._by(self.model.cities[code].treasury or ANYBODY), code)


def test_the_contracts_govern_as_the_reference_does_on_random_histories(world: World) -> None:
    seed = int(os.environ.get("INTERLINE_SEED", DEFAULT_SEED))
    print(f"seed {seed}; the same again with INTERLINE_SEED={seed}")
    random = Random(seed)
    done: set[str] = set()
    refused: set[str] = set()
    for number in range(HISTORIES):
        with world.node.rolled_back():
            governed = play(world, random, founders=1 + number % 6)
        print(
            f"{len(governed.model.proposals)} proposals; done {dict(governed.done)}; refused {dict(governed.refused)}"
        )
        done |= set(governed.done)
        refused |= set(governed.refused)
    if seed != DEFAULT_SEED:
        return  # other histories needn't have a bit of everything
    everything = {*REGISTRY_ACTS, *CONSORTIUM_ACTS, "propose", "call_stop", "withdraw"}
    assert done == everything, f"expected histories in which somebody does {everything - done}"
    assert refused >= REFUSALS, f"expected histories in which something is refused as {REFUSALS - refused}"


def play(world: World, random: Random, *, founders: int) -> Governed:
    """One history."""
    codes = range(1, founders + 1)
    names = {code: (f"admin {code}", f"treasury {code}", f"recovery {code}") for code in codes}
    governed = govern(world, Governance.found(names, now=world.node.now))
    fate = Fate(random, governed)
    fate.compare()
    for _ in range(ACTS):
        fate.next_step()
    governed.compare(past=fate.start, proposals=list(governed.model.proposals))
    return governed
