"""A chain in memory, as `ledger.index.sync` reads it: blocks and transactions, which tests replace and spoil."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import encode

from interline.batch import OUTCOME_BYTES, outcome
from interline.batch_source import SETTLE, Transaction
from interline.contracts import load_abi
from interline.domain import Domain, batch_digest
from interline.errors import TraceError
from interline.hashing import keccak256
from interline.settlements import ChainLog
from interline.signatures import sign_compact
from ledger.head import Head
from ledger.index.store import Index
from tests.support.index_rows import IndexRows, submitter_key


@dataclass
class FakeBlock:
    """A block: its events as the chain has them, and its transactions' inputs by their hashes."""

    head: Head
    logs: list[ChainLog] = field(default_factory=list)
    inputs: dict[bytes, bytes] = field(default_factory=dict)


class FakeChain:
    """What `ledger.chain.Chain` is to `sync`; `blocks` may be changed in between."""

    def __init__(self, contracts: Mapping[str, str], chain_id: int, since: int, blocks: Sequence[FakeBlock]) -> None:
        self.contracts = contracts
        self.address = contracts["Clearinghouse"]
        self.chain_id = chain_id
        self.since = since
        self.blocks = {block.head.number: block for block in blocks}
        self.stored: dict[bytes, bytes] = {}
        self.asked: list[str] = []
        self.traces: dict[bytes, object] = {}
        self.to: dict[bytes, bytes] = {}
        """Contracts that transactions were sent to; the Clearinghouse, if not said."""

    @classmethod
    def of(cls, world: IndexRows) -> FakeChain:
        """The chain that would make the index that was filled by hand."""
        index = world.index
        names = {"Clearinghouse": "clearinghouse", "CityRegistry": "registry", "Refunds": "refunds"}
        names |= {"Consortium": "consortium", "SettlementToken": "token"}
        contracts = {name: index.meta(key) for name, key in names.items()}
        rows = index.cursor().execute("SELECT number, hash, time FROM blocks ORDER BY number").fetchall()
        blocks = {number: FakeBlock(Head(number, f"0x{hash.hex()}", time)) for number, hash, time in rows}
        _add_logs(index, contracts, blocks)
        _add_inputs(index, world.domain, blocks)
        since = int(index.meta("since"))
        for number in range(since, max(blocks)):
            blocks.setdefault(number, FakeBlock(Head(number, f"0x{keccak256(b'empty %d' % number).hex()}", 0)))
        chain = cls(contracts, world.domain.chain_id, since, list(blocks.values()))
        chain.stored = _outcomes(index)
        return chain

    # ------------------------------------------------------------ as Chain

    def latest(self) -> Head:
        self.asked.append("latest")
        return self.blocks[max(self.blocks)].head

    def heads(self, numbers: Sequence[int]) -> list[Head | None]:
        self.asked.append("heads")
        return [self.blocks[number].head if number in self.blocks else None for number in numbers]

    def logs(self, first: int, last: int) -> list[ChainLog]:
        self.asked.append("logs")
        return [log for number in range(first, last + 1) for log in self.blocks[number].logs]

    def transactions(self, txs: Sequence[bytes]) -> list[Transaction | None]:
        self.asked.append("transactions")
        every = {tx: data for block in self.blocks.values() for tx, data in block.inputs.items()}
        own = bytes.fromhex(self.address[2:])
        return [Transaction(self.to.get(tx, own), every[tx]) if tx in every else None for tx in txs]

    def trace(self, tx: bytes) -> object:
        self.asked.append("trace")
        if tx not in self.traces:
            raise TraceError("the node says 'method not found'")
        return self.traces[tx]

    def outcomes(self, batch_ids: Sequence[bytes]) -> list[bytes]:
        self.asked.append("outcomes")
        return [self.stored.get(batch_id, bytes(OUTCOME_BYTES)) for batch_id in batch_ids]


def encode_log(contract: str, name: str, arguments: Mapping[str, Any]) -> tuple[tuple[bytes, ...], bytes]:
    """An event's topics and data, from arguments as the index has them."""
    [entry] = [one for one in load_abi(contract) if one["type"] == "event" and one["name"] == name]
    signature = f"{name}({','.join(one['type'] for one in entry['inputs'])})"
    topics = [keccak256(signature.encode())]
    plain = []
    for one in entry["inputs"]:
        value = arguments[one["name"]]
        if one["type"].startswith("bytes") and isinstance(value, str):
            value = bytes.fromhex(value[2:])
        if one["indexed"]:
            topics.append(encode([one["type"]], [value]))
        else:
            plain.append((one["type"], value))
    return tuple(topics), encode([kind for kind, _ in plain], [value for _, value in plain])


def _add_logs(index: Index, contracts: Mapping[str, str], blocks: Mapping[int, FakeBlock]) -> None:
    sql = "SELECT block, place, tx, contract, name, arguments FROM events ORDER BY block, place"
    for number, place, tx, contract, name, arguments in index.cursor().execute(sql).fetchall():
        block = blocks[number]
        topics, data = encode_log(contract, name, json.loads(arguments))
        address, block_hash = bytes.fromhex(contracts[contract][2:]), bytes.fromhex(block.head.hash[2:])
        block.logs.append(ChainLog(address, topics, data, number, block_hash, bytes(tx), place))


def _outcomes(index: Index) -> dict[bytes, bytes]:
    sql = "SELECT b.batch_id, r.index, r.reason FROM batches b JOIN refused_rides r ON r.batch = b.id ORDER BY ALL"
    refused: defaultdict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for batch_id, at, reason in index.cursor().execute(sql).fetchall():
        refused[bytes(batch_id)].append((at, reason))
    return {batch_id: outcome(rides) for batch_id, rides in refused.items()}


def _add_inputs(index: Index, domain: Domain, blocks: Mapping[int, FakeBlock]) -> None:
    sql = "SELECT block, tx, operator, batch_id, data FROM batches"
    for number, tx, operator, batch_id, data in index.cursor().execute(sql).fetchall():
        signature = sign_compact(submitter_key(operator), batch_digest(domain, operator, bytes(batch_id)))
        blocks[number].inputs[bytes(tx)] = SETTLE + encode(["bytes", "bytes"], [bytes(data), signature])
