"""A node in memory that answers each call as it is told to: what a program makes of an answer, without a chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from web3.providers import BaseProvider

from interline.chain_data import decode_call, function_entry
from interline.contracts import CONTRACTS
from tests.support.hostile import encode_raw, hostile_values

HEAD = 100
BLOCK = {
    "number": hex(HEAD),
    "hash": "0x" + "11" * 32,
    "timestamp": hex(1_575_172_800),
    "extraData": "0x",
    "transactions": [],
}
Answers = Mapping[tuple[str, str], Callable[..., list[Any]]]
"""What functions return, by (contract, function): values of their outputs, bytes for texts, made of their arguments."""


class HostileNode(BaseProvider):
    """Answers `eth_call` by `answers`, else with the first value of each output; or with `data`, or an error.

    Contracts are told apart by the functions that they have.
    """

    def __init__(self, answers: Answers | None = None, *, data: bytes | None = None, error: Any = None) -> None:
        super().__init__()
        self.answers = answers or {}
        self.data = data
        self.error = error

    def make_request(self, method: Any, params: Any) -> Any:
        """As JSON-RPC has it."""
        made: dict[str, Callable[[], Any]] = {
            "eth_chainId": lambda: hex(1337),
            "eth_getCode": lambda: "0x00",
            "eth_getBlockByNumber": lambda: BLOCK,
            "eth_getLogs": list,
            "eth_call": lambda: "0x" + self._answer(bytes.fromhex(params[0]["data"][2:])).hex(),
        }
        if method in ("eth_call", "eth_estimateGas") and self.error is not None:
            return {"jsonrpc": "2.0", "id": 1, "error": self.error}
        return {"jsonrpc": "2.0", "id": 1, "result": made[method]()}

    def _answer(self, call: bytes) -> bytes:
        if self.data is not None:
            return self.data
        for contract in CONTRACTS:
            found = decode_call(contract, call)
            if found is None:
                continue
            name = str(found[0]["name"])
            outputs = function_entry(contract, name)["outputs"]
            make = self.answers.get((contract, name))
            return encode_raw(outputs, make(*found[1]) if make else [hostile_values(one)[0][0] for one in outputs])
        raise AssertionError(f"no such function: 0x{call[:4].hex()}")
