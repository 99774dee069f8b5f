"""Where gas goes, from a transaction's trace: every step is counted once, so that the parts add up to the receipt.

One round of the ride loop, from where it copies a ride up to where it copies the next, is straight-line code. Each of
its steps is put down to the purpose its result serves: the stack is followed step by step, so that `AND` of a mask
counts as reading a field and `AND` of two comparisons as a condition. What only moves values on the stack is a purpose
of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

ECRECOVER: Final = "ecrecover"
ECRECOVER_INPUT: Final = "laying out ecrecover's input"
HASHING: Final = "hashing the ticket"
STRUCT: Final = "laying out the ticket's struct"
FIELDS: Final = "reading fields"
CONDITIONS: Final = "conditions"
TOTALS: Final = "spent bit, running totals"
LOOP: Final = "loop and serial order"
MOVES: Final = "moving values on the stack"
BATCH: Final = "copying and hashing the batch"

LOOP_PURPOSES: Final = (
    ECRECOVER, HASHING, MOVES, CONDITIONS, FIELDS, LOOP, ECRECOVER_INPUT, STRUCT, TOTALS,
)  # fmt: skip

_ARITY: Final[Mapping[str, tuple[int, int]]] = {
    **dict.fromkeys(("ADD", "SUB", "MUL", "DIV", "MOD", "AND", "OR", "XOR", "LT", "GT", "EQ", "SHL", "SHR"), (2, 1)),
    **dict.fromkeys(("BYTE", "SLT", "SGT", "KECCAK256"), (2, 1)),
    **dict.fromkeys(("ISZERO", "NOT", "MLOAD", "CALLDATALOAD"), (1, 1)),
    **dict.fromkeys(("MSTORE", "MSTORE8", "JUMPI"), (2, 0)),
    **dict.fromkeys(("JUMP", "POP"), (1, 0)),
    **dict.fromkeys(("GAS", "PC", "CALLDATASIZE"), (0, 1)),
    "JUMPDEST": (0, 0),
    "MCOPY": (3, 0),
    "STATICCALL": (6, 1),
}
_FIELD_MASK: Final = 0xFFFF  # the narrowest mask that cuts a field out of a word


@dataclass(frozen=True, slots=True)
class Step:
    """One executed instruction: its own gas (without what a call's callee takes), and the stack before it."""

    op: str
    pc: int
    depth: int
    gas: int
    stack: tuple[int, ...]

    def operand(self, position: int) -> int:
        """An operand; 0 is the one on top of the stack."""
        return self.stack[-1 - position]

    @property
    def recovers(self) -> bool:
        """Is it a call of ecrecover? (Needs a trace with stacks.)"""
        return self.op == "STATICCALL" and self.operand(1) == 1


def read_steps(logs: Sequence[Mapping[str, Any]]) -> list[Step]:
    """The steps of `structLogs`, each with its own gas."""
    own = [0] * len(logs)
    calls: list[tuple[int, int]] = []  # index of the call, gas that its callee got
    for index, log in enumerate(logs[:-1]):
        after = logs[index + 1]
        if after["depth"] == log["depth"]:
            own[index] = log["gas"] - after["gas"]
        elif after["depth"] > log["depth"]:
            calls.append((index, after["gas"]))
        else:
            own[index] = log["gasCost"]
            call, granted = calls.pop()
            used = granted - (log["gas"] - log["gasCost"])
            own[call] = logs[call]["gas"] - after["gas"] - used
    own[-1] = logs[-1]["gasCost"]
    return [
        Step(log["op"], log["pc"], log["depth"], gas, tuple(int(word, 16) for word in log.get("stack") or ()))
        for log, gas in zip(logs, own, strict=True)
    ]


def loop_purposes(steps: Sequence[Step]) -> dict[int, str]:
    """The purpose of each program counter of the ride loop, from a trace with stacks of three rides or more."""
    batch_at = max(step.operand(0) for step in steps if step.op == "CALLDATACOPY" and step.depth == 1)
    copies = [index for index, step in enumerate(steps) if step.depth == 1 and _copies_from(step, batch_at)]
    start, end = copies[-2:]
    purposes = _Round(steps[start:end], batch_at).purposes()
    return {step.pc: purpose for step, purpose in zip(steps[start:end], purposes, strict=True)}


def _copies_from(step: Step, batch_at: int) -> bool:
    """Does it copy a ride of the batch to where the loop looks at it? With that a round begins."""
    return step.op == "MCOPY" and step.operand(1) >= batch_at


def batch_counters(steps: Sequence[Step], batch_bytes: int) -> dict[int, str]:
    """The program counters that copy and hash a batch of so many bytes, from a trace with stacks."""
    size_at = {"CALLDATACOPY": 2, "KECCAK256": 1}
    return {
        step.pc: BATCH
        for step in steps
        if step.depth == 1 and step.op in size_at and step.operand(size_at[step.op]) == batch_bytes
    }


def by_purpose(steps: Sequence[Step], purposes: Mapping[int, str]) -> Counter[str]:
    """Gas by purpose; what is outside the loop by kind."""
    gas: Counter[str] = Counter()
    for index, step in enumerate(steps):
        calls_out = step.op == "STATICCALL" and index + 1 < len(steps) and steps[index + 1].depth > step.depth
        if step.depth > 1 or calls_out:
            gas["asking the registry"] += step.gas
        elif step.pc in purposes:
            gas[purposes[step.pc]] += step.gas
        else:
            gas[_kind(step)] += step.gas
    return gas


def _kind(step: Step) -> str:
    if step.op == "STATICCALL":
        return "the submitter's signature"
    if step.op in ("SLOAD", "SSTORE"):
        return "storage: serial word, balances, batch, parameters"
    if step.op.startswith("LOG"):
        return "events"
    return "all else outside the loop"


class _Round:
    """One round of the loop: who uses what whom made."""

    def __init__(self, steps: Sequence[Step], batch_at: int) -> None:
        self._steps = steps
        self._batch_at = batch_at
        struct = next(step for step in steps if step.op == "KECCAK256")
        self._struct = range(struct.operand(0), struct.operand(0) + struct.operand(1))
        self._copy = range(steps[0].operand(0), steps[0].operand(0) + steps[0].operand(2))
        self._makers: list[list[int | None]] = []  # of each step's operands; None: made before this round
        self._users: list[list[int]] = [[] for _ in steps]
        self._purposes: list[str | None] = [None] * len(steps)
        self._follow_the_stack()

    def purposes(self) -> list[str]:
        """The purpose of each step."""
        for index in reversed(range(len(self._steps))):  # users come after makers
            self._purposes[index] = self._purpose(index)
        return [purpose or TOTALS for purpose in self._purposes]

    def _follow_the_stack(self) -> None:
        stack: list[int | None] = [None] * 1024
        for index, step in enumerate(self._steps):
            makers: list[int | None] = []
            if step.op.startswith("DUP"):
                stack.append(stack[-int(step.op[3:])])
            elif step.op.startswith("SWAP"):
                other = -1 - int(step.op[4:])
                stack[-1], stack[other] = stack[other], stack[-1]
            else:
                pops, pushes = (0, 1) if step.op.startswith("PUSH") else _ARITY[step.op]
                makers = [stack.pop() for _ in range(pops)]
                stack += [index] * pushes
            for maker in makers:
                if maker is not None and step.op != "POP":
                    self._users[maker].append(index)
            self._makers.append(makers)

    def _purpose(self, index: int) -> str:
        step = self._steps[index]
        if step.op.startswith(("DUP", "SWAP", "POP")):
            return MOVES
        if step.op == "STATICCALL":
            return ECRECOVER
        if step.op == "KECCAK256":
            return HASHING
        if index == 0:
            return FIELDS
        if step.op in ("MSTORE", "MCOPY"):
            return self._purpose_of_store(index)
        if step.op in ("JUMP", "JUMPDEST"):
            return LOOP
        if step.op == "JUMPI":
            return CONDITIONS if self._depends_on_terms(index) else LOOP
        return self._purpose_of_value(index)

    def _purpose_of_store(self, index: int) -> str:
        step = self._steps[index]
        value = self._makers[index][1]
        if value is not None and self._steps[value].op == "KECCAK256":
            return HASHING
        return STRUCT if step.operand(0) in self._struct else ECRECOVER_INPUT

    def _purpose_of_value(self, index: int) -> str:
        served = {self._purposes[user] for user in self._users[index]}
        if ECRECOVER in served:
            served = {ECRECOVER_INPUT}
        if served != {ECRECOVER_INPUT} and self._cuts_a_field(index):
            return FIELDS
        if len(served) == 1:
            return served.pop() or TOTALS
        if LOOP in served:
            return LOOP
        return FIELDS if served and FIELDS in served else TOTALS

    def _cuts_a_field(self, index: int) -> bool:
        """Does it load a word of the batch, or shift or mask one?"""
        step = self._steps[index]
        if step.op == "MLOAD":
            return step.operand(0) >= self._batch_at or step.operand(0) in self._copy
        if step.op in ("SHR", "SHL"):
            word = self._makers[index][1]
        elif step.op == "AND" and max(step.operand(0), step.operand(1)) >= _FIELD_MASK:
            word = next((m for m in self._makers[index] if m is not None and self._cuts_a_field(m)), None)
        else:
            return False
        return word is not None and self._cuts_a_field(word)

    def _depends_on_terms(self, index: int) -> bool:
        """Does it use memory that isn't of the batch: what was recovered, or what rides are held against?"""
        step = self._steps[index]
        if step.op == "MLOAD" and step.operand(0) < self._batch_at:
            return True
        return any(maker is not None and self._depends_on_terms(maker) for maker in self._makers[index])
