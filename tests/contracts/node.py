"""A chain of the tests' own, and contracts on it: exact events, return values and errors, at exact times.

A contract's functions are called by name: those that only read return their value; the others take the account that
sends them, and may take the time of their block:

    clearinghouse.balanceOf(3100)
    receipt = clearinghouse.settle(batch, signature, sender=stranger, at=NOON)
    assert receipt.events == (Event("BatchSettled", batchId=..., ...),)

    with reverts(clearinghouse, "NotTreasury", city=3100, caller=stranger):
        clearinghouse.withdraw(3100, 1, bytes(32), sender=stranger)

The error's whole data is compared: its name and every argument.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from eth_abi import decode, encode
from eth_utils.abi import (
    abi_to_signature,
    collapse_if_tuple,
    event_abi_to_log_topic,
    function_abi_to_4byte_selector,
    function_signature_to_4byte_selector,
)

from interline.signatures import parse_address, to_checksum
from network.chain import HOST, Chain
from tests.support.patience import PATIENCE

CALLS_AT_ONCE: Final = 1_000
"""In one JSON-RPC request: some 300 kB, of the 2 MB that anvil takes."""
GAS = 20_000_000

Abi = Mapping[str, Any]


class _Named:
    """A name and its arguments, equal by value."""

    def __init__(self, name: str, /, **args: Any) -> None:
        self.name = name
        self.args = {key: _plain(value) for key, value in args.items()}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and (self.name, self.args) == (other.name, other.args)

    def __hash__(self) -> int:
        return hash((self.name, *self.args.values()))

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={_shown(v)}' for k, v in self.args.items())})"


class Event(_Named):
    """An event of a contract that this node knows."""


class Error(_Named):
    """A custom error; or, without arguments, what else a call ended with."""


class Reverted(Exception):
    """A call or transaction that changed nothing."""

    def __init__(self, error: Error, data: bytes) -> None:
        super().__init__(repr(error))
        self.error = error
        self.data = data


@dataclass(frozen=True)
class Receipt:
    """A transaction that went through. `returned` is what its function returned, `timestamp` its block's."""

    hash: str
    returned: Any
    events: tuple[Event, ...]
    gas_used: int
    timestamp: int

    def named(self, name: str) -> tuple[Event, ...]:
        """Its events of one name."""
        return tuple(event for event in self.events if event.name == name)


class Node:
    """A local chain that makes a block for each transaction, for any sender, at gas price 0.

    It is asked for each block. A node that makes them by itself tells its pool a moment later which transactions are
    in; gone back to a snapshot within that moment, the pool takes the next transaction for one of those and drops it.
    """

    def __init__(self, chain: Chain) -> None:
        self._connection = http.client.HTTPConnection(HOST, chain.port, timeout=PATIENCE)
        self._contracts: dict[bytes, Contract] = {}

    # ------------------------------------------------------------ requests

    def request(self, method: str, *params: Any) -> Any:
        """One JSON-RPC request's result; raises RuntimeError where the node refuses it."""
        [answer] = self._post([(method, params)])
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _post(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[dict[str, Any]]:
        body = [{"jsonrpc": "2.0", "id": i, "method": m, "params": list(p)} for i, (m, p) in enumerate(requests)]
        self._connection.request("POST", "/", json.dumps(body), {"Content-Type": "application/json"})
        answers = json.loads(self._connection.getresponse().read())
        return sorted(answers, key=lambda answer: answer["id"])

    # ------------------------------------------------------------ time

    @property
    def now(self) -> int:
        """The time of the last block, Unix seconds."""
        return int(self.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def next_block_at(self, moment: int) -> None:
        """Give the next block that time; it must not be before the last one's."""
        self.request("evm_setNextBlockTimestamp", hex(moment))

    def mine(self, *, at: int) -> None:
        """An empty block at that time, so that what is read is read then."""
        self.next_block_at(at)
        self.request("evm_mine")

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        """Undo afterwards whatever happens within."""
        snapshot = self.request("evm_snapshot")
        try:
            yield
        finally:
            assert self.request("evm_revert", snapshot), "expected to go back to a snapshot, the node did not"

    # ------------------------------------------------------------ transactions and calls

    def send(self, sender: str, to: str | None, data: bytes, *, at: int | None = None) -> dict[str, Any]:
        """The receipt of a transaction, failed ones too."""
        if at is not None:
            self.next_block_at(at)
        transaction = {"from": sender, "data": _hex(data), "gas": hex(GAS), "gasPrice": "0x0"}
        if to is not None:
            transaction["to"] = to
        sent = self.request("eth_sendTransaction", transaction)
        self.request("evm_mine")
        receipt: dict[str, Any] | None = self.request("eth_getTransactionReceipt", sent)
        assert receipt is not None, f"expected {sent} in the block that was mined for it, it isn't there"
        return receipt

    def output_of(self, transaction: str) -> bytes:
        """What a transaction's own call returned, or reverted with."""
        options = {"tracer": "callTracer", "tracerConfig": {"onlyTopCall": True}}
        trace = self.request("debug_traceTransaction", transaction, options)
        return _bytes(trace.get("output", "0x"))

    def storage_writes(self, transaction: str) -> dict[str, dict[str, str]]:
        """The storage words that a transaction left changed: {contract: {slot: word}}."""
        options = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
        after = self.request("debug_traceTransaction", transaction, options)["post"]
        return {address: state["storage"] for address, state in after.items() if state.get("storage")}

    def read_all(self, calls: Sequence[Call]) -> list[Any]:
        """What many reading calls return, at the last block; in few requests, none larger than nodes take."""
        requests = [("eth_call", ({"to": c.contract.address, "data": _hex(c.data)}, "latest")) for c in calls]
        starts = range(0, len(requests), CALLS_AT_ONCE)
        answers = [answer for start in starts for answer in self._post(requests[start : start + CALLS_AT_ONCE])]
        values = []
        for call, answer in zip(calls, answers, strict=True):
            if "error" in answer:
                raise self._reverted(call.contract, _bytes(answer["error"].get("data", "0x")))
            values.append(_decode_outputs(call.function, _bytes(answer["result"])))
        return values

    def deploy(
        self, abi: Sequence[Abi], bytecode: str, *arguments: Any, sender: str, at: int | None = None
    ) -> Contract:
        """A new contract."""
        inputs = next((entry["inputs"] for entry in abi if entry["type"] == "constructor"), [])
        receipt = self.send(sender, None, _bytes(bytecode) + _encode_inputs(inputs, arguments), at=at)
        if receipt["status"] != "0x1":
            probe = Contract(self, "0x" + "00" * 20, abi)
            raise self._reverted(probe, self.output_of(receipt["transactionHash"]))
        return self.contract(receipt["contractAddress"], abi)

    def contract(self, address: str, abi: Sequence[Abi]) -> Contract:
        """The contract at an address; its events are read from now on."""
        known = Contract(self, to_checksum(parse_address(address)), abi)
        self._contracts[parse_address(address)] = known
        return known

    def events_of(self, receipt: Mapping[str, Any]) -> tuple[Event, ...]:
        """The events of a receipt, in order; every one must be of a known contract."""
        return tuple(self._contracts[parse_address(log["address"])].decode_log(log) for log in receipt["logs"])

    def _reverted(self, contract: Contract, data: bytes) -> Reverted:
        others = [other for other in self._contracts.values() if other is not contract]
        for known in (contract, *others):
            if (error := known.decode_error(data)) is not None:
                return Reverted(error, data)
        return Reverted(Error(f"unknown error 0x{data.hex()}"), data)


@dataclass(frozen=True)
class Call:
    """A function with its arguments."""

    contract: Contract
    function: Abi
    data: bytes


class Contract:
    """A contract on a node; see the module's own words."""

    def __init__(self, node: Node, address: str, abi: Sequence[Abi]) -> None:
        self.node = node
        self.address = address
        self.abi = abi
        self._functions = {entry["name"]: entry for entry in abi if entry["type"] == "function"}
        self._errors = {
            function_signature_to_4byte_selector(abi_to_signature(e)): e for e in abi if e["type"] == "error"
        }
        self._events = {event_abi_to_log_topic(e): e for e in abi if e["type"] == "event"}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        try:
            function = self.__dict__["_functions"][name]
        except KeyError:
            raise AttributeError(f"expected a function of the contract, came {name!r}") from None
        if function["stateMutability"] in ("view", "pure"):
            return lambda *arguments: self.node.read_all([self.call(name, *arguments)])[0]
        return lambda *arguments, sender, at=None: self._send(self.call(name, *arguments), sender, at)

    def call(self, name: str, *arguments: Any) -> Call:
        """A function with its arguments, not called yet."""
        function = self._functions[name]
        return Call(self, function, self.selector(function) + _encode_inputs(function["inputs"], arguments))

    @staticmethod
    def selector(function: Abi) -> bytes:
        """The four bytes that a call of it begins with."""
        return bytes(function_abi_to_4byte_selector(function))

    def error_data(self, name: str, args: Mapping[str, Any]) -> bytes:
        """The bytes of one of its errors, with all of its arguments by name."""
        for selector, error in self._errors.items():
            if error["name"] == name:
                names = [entry["name"] for entry in error["inputs"]]
                assert sorted(args) == sorted(names), f"expected the arguments {names} of {name}, came {sorted(args)}"
                return selector + _encode_inputs(error["inputs"], [args[key] for key in names])
        raise AssertionError(f"expected an error of the contract, came {name!r}")

    def decode_error(self, data: bytes) -> Error | None:
        """The custom error of revert data, if it is one of this contract's."""
        error = self._errors.get(data[:4])
        return None if error is None else Error(error["name"], **_decode_named(error["inputs"], data[4:]))

    def decode_log(self, log: Mapping[str, Any]) -> Event:
        """One of its events."""
        topics = [_bytes(topic) for topic in log["topics"]]
        event = self._events[topics[0]]
        indexed = [entry for entry in event["inputs"] if entry["indexed"]]
        inline = [entry for entry in event["inputs"] if not entry["indexed"]]
        values = _decode_named(indexed, b"".join(topics[1:])) | _decode_named(inline, _bytes(log["data"]))
        return Event(event["name"], **{entry["name"]: values[entry["name"]] for entry in event["inputs"]})

    def _send(self, call: Call, sender: str, at: int | None) -> Receipt:
        receipt = self.node.send(sender, self.address, call.data, at=at)
        output = self.node.output_of(receipt["transactionHash"])
        if receipt["status"] != "0x1":
            raise self.node._reverted(self, output)
        block = self.node.request("eth_getBlockByNumber", receipt["blockNumber"], False)
        return Receipt(
            hash=receipt["transactionHash"],
            returned=_decode_outputs(call.function, output),
            events=self.node.events_of(receipt),
            gas_used=int(receipt["gasUsed"], 16),
            timestamp=int(block["timestamp"], 16),
        )


@contextmanager
def reverts(contract: Contract, name: str, /, **args: Any) -> Iterator[None]:
    """Expect that a call reverts with this very error: one of the contract's, and all of its arguments."""
    expected = contract.error_data(name, args)
    try:
        yield
    except Reverted as refusal:
        if refusal.data != expected:
            raise AssertionError(f"expected {Error(name, **args)}, came {refusal.error}") from refusal
    else:
        raise AssertionError(f"expected {Error(name, **args)}, nothing was refused")


def _types(entries: Sequence[Abi]) -> list[str]:
    return [collapse_if_tuple(dict(entry)) for entry in entries]


def _encode_inputs(entries: Sequence[Abi], values: Sequence[Any]) -> bytes:
    assert len(entries) == len(values), f"expected {len(entries)} arguments, came {len(values)}"
    return encode(_types(entries), [_encodable(value) for value in values])


def _encodable(value: Any) -> Any:
    return value.address if isinstance(value, Contract) else value


def _decode_outputs(function: Abi, data: bytes) -> Any:
    values = tuple(_plain(value) for value in _decode_typed(function["outputs"], data))
    return values[0] if len(values) == 1 else values


def _decode_named(entries: Sequence[Abi], data: bytes) -> dict[str, Any]:
    return dict(zip((entry["name"] for entry in entries), _decode_typed(entries, data), strict=True))


def _decode_typed(entries: Sequence[Abi], data: bytes) -> list[Any]:
    values = decode(_types(entries), data)
    return [
        to_checksum(parse_address(value)) if entry["type"] == "address" else value
        for entry, value in zip(entries, values, strict=True)
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, Contract):
        return value.address
    return tuple(_plain(item) for item in value) if isinstance(value, list | tuple) else value


def _shown(value: Any) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else repr(value)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
