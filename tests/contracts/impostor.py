"""A contract that answers functions with bytes that a test chose, and knows no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eth_abi import encode
from eth_utils.abi import collapse_if_tuple

from interline.signatures import parse_address
from tests.contracts.node import Contract
from tests.contracts.story import World

RUNS_OUT = b"\xfe"
"""In place of bytes to answer with: an instruction that is none, which takes all gas that the call has."""


@dataclass
class Impostor:
    """What stands in for a contract of a kind; its answers are code on the chain once `stand` has put them there."""

    world: World
    address: str
    like: Contract
    answers: dict[str, bytes] = field(default_factory=dict)

    def copy(self, *names: str) -> None:
        """Answer these functions, without arguments, as the contract does that it is like."""
        for name in names:
            request = {"to": self.like.address, "data": "0x" + self.like.call(name).data.hex()}
            said: str = self.world.node.request("eth_call", request, "latest")
            self.answers[name] = bytes.fromhex(said[2:])

    def say(self, name: str, *values: Any) -> None:
        """Answer a function with these values."""
        outputs = self.like.call(name).function["outputs"]
        encodable = [value.address if isinstance(value, Contract) else value for value in values]
        self.answers[name] = encode([collapse_if_tuple(dict(entry)) for entry in outputs], encodable)

    def stand(self) -> None:
        by_selector = {self.like.selector(self.like.call(name).function): said for name, said in self.answers.items()}
        self.world.node.request("anvil_setCode", self.address, "0x" + code_that_answers(by_selector).hex())


def code_that_answers(answers: Mapping[bytes, bytes]) -> bytes:
    """Runtime code: for each selector the bytes that it is answered with; other calls revert."""
    push2 = b"\x61"
    compared, case = 11, 16  # bytes of each comparison, and of each answer's instructions
    head = bytes.fromhex("60003560e01c")  # the selector onto the stack
    fail = bytes.fromhex("60006000fd")
    cases_at = len(head) + compared * len(answers) + len(fail)
    compare, cases, data = b"", b"", b""
    data_at = cases_at + case * len(answers)
    for n, (selector, said) in enumerate(answers.items()):
        target = (cases_at + case * n).to_bytes(2, "big")
        compare += b"\x80\x63" + selector + b"\x14" + push2 + target + b"\x57"  # DUP1 PUSH4 EQ PUSH2 JUMPI
        length, at = len(said).to_bytes(2, "big"), (data_at + len(data)).to_bytes(2, "big")
        if said == RUNS_OUT:
            cases += b"\x5b" + RUNS_OUT + bytes(case - 2)
            continue
        copy = push2 + length + push2 + at + bytes.fromhex("600039")  # CODECOPY(0, at, length)
        cases += b"\x5b" + copy + push2 + length + bytes.fromhex("6000f3")  # RETURN(0, length)
        data += said
    return head + compare + fail + cases + data


def address_like(number: int) -> str:
    """An address at which nothing stands."""
    return "0x" + parse_address("0x" + f"{0xBAD0 + number:040x}").hex()
