"""Calls of our contracts: what they say, and what contracts answer when they refuse them. No network."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from web3 import Web3

from interline import chain_data
from interline.chain_data import decode_answer, encode_call
from interline.contracts import load_abi
from interline.safe_text import short_hex

__all__ = ["Call", "DecodedCall", "Refusal", "Step", "decode_answer", "decode_call", "decode_revert", "encode_call"]

MOST_SHOWN: Final = 2_000
"""Characters of an argument: a proposal may bring a list of thousands."""


class Step(StrEnum):
    """What a transaction is for."""

    DEPLOY = "deploy"
    PROPOSE = "propose"
    APPROVE = "approve"
    EXECUTE = "execute"
    MINT = "mint"
    ALLOW = "allow"
    ADD_ISSUER_KEY = "add issuer key"
    ADD_SUBMITTER = "add submitter"
    DEPOSIT = "deposit"
    WITHDRAW_VOTE = "withdraw vote"
    MARK_PASSED = "mark passed"
    REQUEST_RECOVERY = "request recovery"
    WITHDRAW_REQUEST = "withdraw request"
    STOP = "call stop"
    ACT = "act"


@dataclass(frozen=True, slots=True)
class Call:
    """A transaction to sign and send."""

    step: Step
    what: str
    """For people: which city does what."""
    sender: str
    """Checksummed address of the account that signs."""
    role: str
    """What that account is, such as "admin of Xuzhou"."""
    to: str | None
    """Checksummed address of the contract; None makes a contract."""
    data: bytes
    """Calldata."""


@dataclass(frozen=True, slots=True)
class DecodedCall:
    """A call of one of our contracts' functions."""

    function: str
    arguments: Mapping[str, Any]
    """By name; addresses are checksummed, structs are tuples."""

    def __str__(self) -> str:
        return f"{self.function}({', '.join(f'{name}={_text(value)}' for name, value in self.arguments.items())})"


def encode_constructor(contract: str, bytecode: str, *arguments: Any) -> bytes:
    """Calldata that makes one of our contracts.

    Args:
        bytecode: what the compiler made of it, in hexadecimal digits.
    """
    factory = Web3().eth.contract(abi=load_abi(contract), bytecode=bytecode)
    return bytes.fromhex(str(factory.constructor(*arguments).data_in_transaction)[2:])


def decode_call(contract: str, function: str, data: bytes) -> tuple[Any, ...] | None:
    """The arguments of a call, None where the data is no call of that function."""
    found = chain_data.decode_call(contract, data)
    return found[1] if found is not None and found[0]["name"] == function else None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of one of our contracts."""

    name: str
    signature: str
    """Its name and types, such as `NotPassed(uint256,uint256,uint256)`."""
    arguments: Mapping[str, Any]
    """By name; addresses are checksummed."""

    malformed: str = ""
    """`malformed: 0x…` where its arguments can't be read."""

    @property
    def shown(self) -> str:
        """Such as `NotPassed(id=1, votes=1, votesNeeded=2)`."""
        arguments = ", ".join(f"{name}={_text(value)}" for name, value in self.arguments.items())
        return f"{self.name}({self.malformed or arguments})"


def decode_revert(data: bytes) -> Refusal | None:
    """The error that a contract refused a call with, None where it is none of ours."""
    found = chain_data.decode_error(data)
    return None if found is None else Refusal(found.name, found.signature, found.arguments, found.malformed)


def function_of(contract: str, data: bytes) -> DecodedCall | None:
    """The call of one of our contracts' functions that calldata is, None where it is none.

    Data that says more or less than the call needs is none: what can't be made again from what was read wasn't read.
    """
    found = chain_data.decode_call(contract, data)
    if found is None:
        return None
    entry, values = found
    return DecodedCall(entry["name"], dict(zip((p["name"].rstrip("_") for p in entry["inputs"]), values, strict=True)))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return short_hex(value)
    text = str(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}… ({len(text):,} characters)"
