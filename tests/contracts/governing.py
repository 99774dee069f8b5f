"""A consortium governed on a chain and in the reference at once, and compared after each act in all that can be read.

Addresses are texts in the reference ("admin 3"); on the chain, each is the end of its text's hash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from interline.hashing import keccak256
from interline.signatures import to_checksum
from tests.contracts.node import Call as ChainCall
from tests.contracts.node import Contract, Receipt, Reverted
from tests.contracts.story import BANK_ACCOUNT, NO_REFERENCE, STRANGER, ZERO_ADDRESS, World, deploy
from tests.reference.governance import Call, Governance
from tests.reference.registry import NONE, City, Handover, Refused
from tests.support.deploy import compiled

ANYBODY = "anybody"
RESERVE = 1
"""What the rule that is voted on sets, fen."""
DEPOSIT = 1_000

REGISTRY_ACTS = (
    "leave_consortium",
    "propose_admin",
    "accept_admin",
    "propose_treasury",
    "accept_treasury",
    "change_recovery",
    "accept_recovery",
    "cancel_changes",
    "freeze_treasury",
)
CONSORTIUM_ACTS = (
    "approve",
    "withdraw_approval",
    "mark_passed",
    "execute",
    "request_recovery",
    "withdraw_request",
)


def account(name: str) -> str:
    """The address on the chain that a name of the reference stands for."""
    if name == NONE:
        return ZERO_ADDRESS
    return STRANGER if name == ANYBODY else to_checksum(keccak256(name.encode())[-20:])


def chain_name(name: str) -> str:
    """A contract's function by its name in the reference: "accept_admin" is acceptAdmin."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


@dataclass
class Governed:
    """Both sides, and what has happened so far."""

    world: World
    consortium: Contract
    registry: Contract
    clearinghouse: Contract
    model: Governance
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    # ------------------------------------------------------------ acts

    def act(self, name: str, sender: str, *args: Any, now: int) -> str | None:
        """Do the same on both sides; the error's name, where both refuse it for one reason."""
        assert now >= self.model.now
        try:
            getattr(self.model, name)(sender, *args, now=now)
            expected = None
        except Refused as refusal:
            expected = refusal.cause
        self.model.advance(now)
        try:
            receipt = self._send(name, sender, args, now)
        except Reverted as refusal:
            got: str | None = refusal.error.name
        else:
            got = None
            assert receipt.timestamp == now
        assert got == expected, f"{name}{args} by {sender} at {now}: expected {expected}, the contracts say {got}"
        self.done[name] += expected is None
        if expected is not None:
            self.refused[expected] += 1
        return expected

    def wait(self, now: int) -> None:
        """Let time pass on both sides."""
        self.model.advance(now)
        self.world.node.mine(at=now)

    def _send(self, name: str, sender: str, args: Sequence[Any], now: int) -> Receipt:
        contract, function, arguments = self._target(name, args)
        receipt: Receipt = getattr(contract, function)(*arguments, sender=account(sender), at=now)
        return receipt

    def _target(self, name: str, args: Sequence[Any]) -> tuple[Contract, str, list[Any]]:
        plain = [account(arg) if isinstance(arg, str) else arg for arg in args]
        if name in REGISTRY_ACTS:
            return self.registry, chain_name(name), plain
        if name in CONSORTIUM_ACTS:
            return self.consortium, chain_name(name), plain
        if name == "propose":
            city, call = args
            target = self.call(call)
            return self.consortium, "propose", [city, target.contract, target.data]
        if name == "call_stop":
            return self.consortium, "callStop", [*plain, self.clearinghouse]
        assert name == "withdraw"
        return self.clearinghouse, "withdraw", [*plain, 1, NO_REFERENCE]

    def call(self, call: Call) -> ChainCall:
        """The contract's function that a call of the reference stands for."""
        args = [account(arg) if isinstance(arg, str) else arg for arg in call.args]
        if call.name == "rule":
            return self.clearinghouse.call("setReserve", next(iter(self.model.cities)), RESERVE)
        if call.name == "resume_settlement":
            return self.clearinghouse.call("resumeSettlement")
        if call.name == "admit":
            args.insert(1, f"City {args[0]}")
        return self.registry.call(call.name, *args)

    # ------------------------------------------------------------ comparing

    def compare(self, *, past: int, proposals: Sequence[int]) -> None:
        """Hold everything that can be read now to the reference.

        Args:
            past: a moment before, of which rolls and suspensions are asked.
            proposals: the numbers of those that are looked at.
        """
        expected: list[Any] = []
        calls: list[ChainCall] = []
        for call, value in [*self._members(past), *self._votes(proposals)]:
            calls.append(call)
            expected.append(value)
        answers = self.world.node.read_all(calls)
        for call, answer, value in zip(calls, answers, expected, strict=True):
            what = f"{call.function['name']} {call.data[4:].hex()} at {self.model.now}"
            assert answer == value, f"{what}: expected {value}, the contracts say {answer}"
        [rolls] = self.world.node.read_all([self.registry.call("rollsSince", past)])
        assert set(rolls) == self._rolls_since(past)

    def _members(self, past: int) -> list[tuple[ChainCall, Any]]:
        model, call = self.model, self.registry.call
        rows: list[tuple[ChainCall, Any]] = [
            (call("cities"), tuple(model.cities)),
            (call("votingSeats"), self._word(model.voters_at(model.now))),
        ]
        for code, city in model.cities.items():
            admin, treasury, recovery = account(city.admin), account(city.treasury), account(city.recovery)
            facts = (f"City {code}", int(city.status), admin, treasury, city.admitted_at, city.suspended_at)
            rows += [
                (call("city", code), facts),
                (call("exitedAt", code), city.exited_at),
                (call("recoveryOf", code), recovery),
                (call("voterOf", code), (int(city.status), admin, model.seat(code), city.counts_from)),
                (call("isFrozen", code), city.frozen),
                (call("spendingTreasury", code), ZERO_ADDRESS if city.frozen else treasury),
                (call("proposedChanges", code), (*_change(city.next_admin), *_change(city.next_treasury))),
                (call("proposedRecovery", code), _recovery(city)),
                (call("suspensions", code), city.suspensions),
                (call("suspendedFrom", code, past), city.suspended_from(past)),
            ]
            for start, end in city.suspensions[-2:]:
                for moment in (start - 1, start, end - 1, end):
                    rows.append((call("suspendedFrom", code, moment), city.suspended_from(moment)))
        return rows

    def _votes(self, proposals: Sequence[int]) -> list[tuple[ChainCall, Any]]:
        model, call = self.model, self.consortium.call
        rows: list[tuple[ChainCall, Any]] = [
            (call("proposalCount"), len(model.proposals)),
            (call("stopCalls", self.clearinghouse), model.standing_calls()),
        ]
        for number in proposals:
            p = model.proposals[number]
            target = self.call(p.call)
            votes = (*model.tally(number), model.executable_from(number), model.expires_at(number))
            facts = (target.contract.address, target.data, p.proposer, p.proposed_at, p.executed, *votes)
            rows += [
                (call("proposal", number), facts),
                (call("isPassed", number), model.is_passed(number)),
                (call("isExecutable", number), model.is_executable(number)),
            ]
            rows += [(call("hasApproved", number, code), code in p.approvals) for code in model.cities]
        return rows

    def _rolls_since(self, past: int) -> set[int]:
        changes = [moment for city in self.model.cities.values() for moment in (city.counts_from, city.exited_at)]
        moments = {past, *(moment for moment in changes if past < moment <= self.model.now)}
        return {self._word(self.model.voters_at(moment)) for moment in moments}

    def _word(self, codes: frozenset[int]) -> int:
        return sum(1 << self.model.seat(code) for code in codes)


def _change(change: Handover | None) -> tuple[str, int]:
    return (account(change.to), change.acceptable_from) if change else (ZERO_ADDRESS, 0)


def _recovery(city: City) -> tuple[str, str, int]:
    to, acceptable_from = _change(city.next_recovery)
    return to, account(city.recovery_named_by) if city.next_recovery else ZERO_ADDRESS, acceptable_from


def govern(world: World, model: Governance) -> Governed:
    """The founders' contracts as the reference has them, at the same time; each city has money."""
    people = [
        (code, f"City {code}", account(city.admin), account(city.treasury), account(city.recovery))
        for code, city in model.cities.items()
    ]
    consortium = deploy(world.node, "Consortium", people, at=model.now)
    registry = world.node.contract(consortium.registry(), compiled("CityRegistry")[0])
    clearinghouse = deploy(world.node, "Clearinghouse", registry, world.token, ZERO_ADDRESS, at=model.now)
    governed = Governed(world, consortium, registry, clearinghouse, model)
    for code in model.cities:
        world.token.mint(BANK_ACCOUNT, DEPOSIT, sender=BANK_ACCOUNT, at=model.now)
        world.token.approve(clearinghouse, DEPOSIT, sender=BANK_ACCOUNT, at=model.now)
        clearinghouse.deposit(code, DEPOSIT, NO_REFERENCE, sender=BANK_ACCOUNT, at=model.now)
    return governed
