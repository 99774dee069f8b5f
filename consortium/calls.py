"""Calls of our contracts: what they say, and what contracts answer when they refuse them. No network."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from eth_abi.abi import decode
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


def describe_revert(data: bytes) -> str:
    """What a contract refused a call with, such as `NotPassed(id=1, votes=1, votesNeeded=2)`."""
    for contract in CONTRACTS:
        for entry in load_abi(contract):
            if entry["type"] != "error":
                continue
            selector, types = _selector(entry)
            if data[:4] == selector:
                values = decode(types, data[4:])
                names = [parameter["name"] for parameter in entry["inputs"]]
                inside = ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
                return f"{entry['name']}({inside})"
    return f"0x{data.hex()}" if data else "no reason"


def _selector(entry: dict[str, Any]) -> tuple[bytes, Sequence[str]]:
    types = [parameter["type"] for parameter in entry["inputs"]]
    return keccak256(f"{entry['name']}({','.join(types)})".encode())[:4], types
