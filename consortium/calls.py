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
def _contract(contract: str) -> Any:
    return Web3().eth.contract(abi=load_abi(contract))


def encode_call(contract: str, function: str, *arguments: Any) -> bytes:
    """Calldata of a function of one of our contracts."""
    return bytes.fromhex(_contract(contract).encode_abi(function, arguments)[2:])


def encode_constructor(contract: str, bytecode: str, *arguments: Any) -> bytes:
    """Calldata that makes one of our contracts.

    Args:
        bytecode: what the compiler made of it, in hexadecimal digits.
    """
    factory = Web3().eth.contract(abi=load_abi(contract), bytecode=bytecode)
    return bytes.fromhex(str(factory.constructor(*arguments).data_in_transaction)[2:])


def decode_call(contract: str, function: str, data: bytes) -> tuple[Any, ...] | None:
    """The arguments of a call, None where the data is no call of that function."""
    entry = next(e for e in load_abi(contract) if e["type"] == "function" and e["name"] == function)
    selector, types = _selector(entry)
    if data[:4] != selector:
        return None
    try:
        arguments: tuple[Any, ...] = decode(types, data[4:])
    except DecodingError:
        return None
    return arguments


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
        return DecodedCall(entry["name"], dict(zip((p["name"] for p in entry["inputs"]), shown, strict=True)))
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
