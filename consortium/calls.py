"""Calls of our contracts: what they say, and what contracts answer when they refuse them. No network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from web3 import Web3

from interline.contracts import CONTRACTS, load_abi
from interline.hashing import keccak256


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


@cache
def _function(contract: str, function: str) -> dict[str, Any]:
    """The ABI's entry of a function; none of ours shares its name with another of its contract."""
    return next(entry for entry in load_abi(contract) if entry["type"] == "function" and entry["name"] == function)


def encode_call(contract: str, function: str, *arguments: Any) -> bytes:
    """Calldata of a function of one of our contracts."""
    selector, types = _selector(_function(contract, function))
    return selector + encode(types, arguments)


def encode_constructor(contract: str, bytecode: str, *arguments: Any) -> bytes:
    """Calldata that makes one of our contracts.

    Args:
        bytecode: what the compiler made of it, in hexadecimal digits.
    """
    factory = Web3().eth.contract(abi=load_abi(contract), bytecode=bytecode)
    return bytes.fromhex(str(factory.constructor(*arguments).data_in_transaction)[2:])


def decode_call(contract: str, function: str, data: bytes) -> tuple[Any, ...] | None:
    """The arguments of a call, None where the data is no call of that function."""
    selector, types = _selector(_function(contract, function))
    if data[:4] != selector:
        return None
    try:
        arguments: tuple[Any, ...] = decode(types, data[4:])
    except DecodingError:
        return None
    return arguments


def decode_answer(contract: str, function: str, data: bytes) -> Any:
    """What a function returned: its one value, or a tuple of them; addresses are checksummed.

    Raises DecodingError where it can't have returned that.
    """
    types = [_type(output) for output in _function(contract, function)["outputs"]]
    values = [checksummed(kind, value) for kind, value in zip(types, decode(types, data), strict=True)]
    return values[0] if len(values) == 1 else tuple(values)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of one of our contracts."""

    name: str
    signature: str
    """Its name and types, such as `NotPassed(uint256,uint256,uint256)`."""
    arguments: Mapping[str, Any]
    """By name; addresses are checksummed."""

    @property
    def shown(self) -> str:
        """Such as `NotPassed(id=1, votes=1, votesNeeded=2)`."""
        return f"{self.name}({', '.join(f'{name}={_text(value)}' for name, value in self.arguments.items())})"


def decode_revert(data: bytes) -> Refusal | None:
    """The error that a contract refused a call with, None where it is none of ours."""
    for contract in CONTRACTS:
        for entry in load_abi(contract):
            if entry["type"] != "error":
                continue
            selector, types = _selector(entry)
            if data[:4] != selector:
                continue
            values = [checksummed(kind, value) for kind, value in zip(types, decode(types, data[4:]), strict=True)]
            names = [parameter["name"] for parameter in entry["inputs"]]
            signature = f"{entry['name']}({','.join(types)})"
            return Refusal(entry["name"], signature, dict(zip(names, values, strict=True)))
    return None


def function_of(contract: str, data: bytes) -> DecodedCall | None:
    """The call of one of our contracts' functions that calldata is, None where it is none.

    Data that says more or less than the call needs is none: what can't be made again from what was read wasn't read.
    """
    for entry in load_abi(contract):
        if entry["type"] != "function" or data[:4] != _selector(entry)[0]:
            continue
        types = _selector(entry)[1]
        try:
            values = decode(types, data[4:])
        except DecodingError:
            return None
        if encode(types, values) != data[4:]:
            return None
        shown = [checksummed(kind, value) for kind, value in zip(types, values, strict=True)]
        return DecodedCall(
            entry["name"], dict(zip((p["name"].rstrip("_") for p in entry["inputs"]), shown, strict=True))
        )
    return None


def checksummed(kind: str, value: Any) -> Any:
    """A decoded value of an ABI type, an address with its checksum."""
    return Web3.to_checksum_address(value) if kind == "address" else value


def _text(value: Any) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)


def _selector(entry: dict[str, Any]) -> tuple[bytes, Sequence[str]]:
    types = [_type(parameter) for parameter in entry["inputs"]]
    return keccak256(f"{entry['name']}({','.join(types)})".encode())[:4], types


def _type(parameter: dict[str, Any]) -> str:
    """The type of a parameter as signatures have it: a struct's is those of its fields."""
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_type(field) for field in parameter['components'])}){kind.removeprefix('tuple')}"
