"""The accountant's only way to the network: accounts, events and transactions, read through web3 and never written."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final, NamedTuple

import requests
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.exceptions import BlockNotFound, Web3Exception, Web3RPCError
from web3.providers import JSONBaseProvider
from web3.types import BlockIdentifier, RPCEndpoint, TxParams

from interline.batch import OUTCOME_BYTES
from interline.batch_source import (
    TRACE_METHOD,
    Transaction,
    read_trace,
    trace_arguments,
    trace_of,
    trace_request,
)
from interline.chain_data import decode_answer, encode_call
from interline.errors import ChainDataError, TraceError
from interline.hashing import keccak256
from interline.safe_text import short_name
from interline.settlements import ChainLog
from ledger.balances import Balances, CityBalance
from ledger.errors import ChainMovedError, LedgerError, NoClearinghouseError, TooMuchError
from ledger.head import Head

logger = logging.getLogger(__name__)

_TOGETHER: Final = 32
"""Transactions or blocks that are asked for in one request: of transactions with a batch each, 7 MB of JSON at most."""
_TRACE_TIMEOUT: Final = 30.0
_CHUNK: Final = 65_536
TELLING: Final = ("Clearinghouse", "Refunds", "CityRegistry", "Consortium")
"""The contracts whose events are read."""
_BATCHES: Final = keccak256(b"batches(bytes32)")[:4]
_OUTCOME_AT: Final = 64  # behind operator and settledAt, a word each
_NAME: Final = 0  # of what CityRegistry.city returns


class _Contract(NamedTuple):
    """One of our contracts, by its ABI's name and its address."""

    name: str
    address: str


class Chain:
    """One Clearinghouse, its Refunds and its registry, as a node shows them at one block.

    Args:
        web3: connected to the chain.
        clearinghouse: address of the Clearinghouse, 0x and 40 hexadecimal digits; all else is found through it.
        block: number, hash or name of the block to read at.

    Raises, from the class and every method:
        NoClearinghouseError: no Clearinghouse is there.
        LedgerError: the node doesn't answer, or has no such block.
    """

    def __init__(self, web3: Web3, clearinghouse: str, block: BlockIdentifier = "latest") -> None:
        self._web3 = web3
        self.address = Web3.to_checksum_address(clearinghouse)
        with _translated(block):
            head = web3.eth.get_block(block)
            self.head = Head(int(head["number"]), Web3.to_hex(head["hash"]), int(head["timestamp"]))
            self.chain_id = web3.eth.chain_id
            if not web3.eth.get_code(self.address, self.head.number):
                raise NoClearinghouseError(
                    f"expected the Clearinghouse at {self.address}, there is no contract at block {self.head.number}: "
                    "is this the chain that it was deployed on?"
                )
            self._house = _Contract("Clearinghouse", self.address)
            self._registry = _Contract("CityRegistry", self._call(self._house, "registry"))
            self._token = _Contract("SettlementToken", self._call(self._house, "token"))

    # ------------------------------------------------------------ accounts

    def balances(self) -> Balances:
        """All accounts, and what backs them.

        Raises:
            ChainMovedError: the block was replaced by another one meanwhile.
        """
        house = self._house
        with _translated(self.head.number):
            codes = self._call(self._registry, "cities")
            cities = tuple(self._city_balance(code, codes) for code in codes)
            held, tokens = self._call(house, "held"), self._call(self._token, "balanceOf", self.address)
        self.require_same_block()
        logger.info("read the balances of %d cities at block %d", len(cities), self.head.number)
        return Balances(self.head.number, self.head.hash, cities, held, tokens)

    def _city_balance(self, code: int, others: Sequence[int]) -> CityBalance:
        house = self._house
        owed = int(self._call(house, "arrearsOf", code))
        withheld = sum(self._call(house, "withheld", code, other) for other in others) if owed else 0
        return CityBalance(
            code=code,
            name=short_name(self._call(self._registry, "city", code)[_NAME]),
            balance=self._call(house, "balanceOf", code),
            position=self._call(house, "position", code),
            arrears_owed=owed,
            arrears_due=self._call(house, "arrearsDue", code),
            arrears_withheld=withheld,
        )

    def arrears(self, debtor: int, creditor: int) -> int:
        """What one city owes another in arrears, fen."""
        with _translated(self.head.number):
            return int(self._call(self._house, "arrears", debtor, creditor))

    def withheld(self, debtor: int, creditor: int) -> int:
        """What of those arrears is above the debtor's daily limit, fen."""
        with _translated(self.head.number):
            return int(self._call(self._house, "withheld", debtor, creditor))

    def disputed(self, issuer: int, operator: int) -> int:
        """What hangs on open disputes between two cities, fen."""
        with _translated(self.head.number):
            return int(self._call(self._refunds(), "disputed", issuer, operator))

    def predecessor(self) -> str | None:
        """The Clearinghouse that this one took over from."""
        with _translated(self.head.number):
            address = str(self._call(self._house, "predecessor"))
        return address if int(address, 16) else None

    def require_same_block(self) -> None:
        """Make sure that the block that is read at is still part of the chain.

        Raises:
            ChainMovedError: another took its place.
        """
        with _translated(self.head.number):
            now = Web3.to_hex(self._web3.eth.get_block(self.head.number)["hash"])
        if now != self.head.hash:
            raise ChainMovedError(
                f"expected block {self.head.number} to stay {self.head.hash}, another took its place: read again"
            )

    # ------------------------------------------------------------ blocks, events and transactions

    @cached_property
    def contracts(self) -> Mapping[str, str]:
        """Addresses (checksummed) of what the Clearinghouse works with, by the names of the ABIs."""
        with _translated(self.head.number):
            return {
                "Clearinghouse": self.address,
                "Refunds": str(self._refunds().address),
                "CityRegistry": str(self._registry.address),
                "Consortium": self._call(self._registry, "consortium"),
                "SettlementToken": str(self._token.address),
            }

    @cached_property
    def since(self) -> int:
        """The first block that can have an event: a registry is older than its Clearinghouse."""
        with _translated(self.head.number):
            return min(int(self._call(one, "deployedAt")) for one in (self._registry, self._house))

    def latest(self) -> Head:
        """The newest block now, which may be above the one that accounts are read at."""
        with _translated("latest"):
            return _head(self._ask([("eth_getBlockByNumber", ["latest", False])])[0])

    def heads(self, numbers: Sequence[int]) -> list[Head | None]:
        """Blocks by their numbers; None where there is none yet, or none any more."""
        asked = [("eth_getBlockByNumber", [hex(number), False]) for number in numbers]
        with _translated("latest"):
            return [None if block is None else _head(block) for block in self._ask(asked)]

    def logs(self, first: int, last: int) -> list[ChainLog]:
        """All that the Clearinghouse, its Refunds, the registry and the Consortium told in a range of blocks, in order.

        Raises:
            TooMuchError: the node finds that too much at once: ask for less.
        """
        addresses = [self.contracts[name] for name in TELLING]
        given = {"address": addresses, "fromBlock": hex(first), "toBlock": hex(last)}
        try:
            with _translated(last):
                [logs] = self._ask([("eth_getLogs", [given])])
        except LedgerError as error:
            if first < last:
                raise TooMuchError(f"events of the blocks {first} to {last}: {error}") from error
            raise
        return sorted(map(_plain, logs), key=lambda log: (log.block, log.place))

    def transactions(self, txs: Sequence[bytes]) -> list[Transaction | None]:
        """Transactions by their hashes (32 bytes); None for one that the node lacks."""
        asked = [("eth_getTransactionByHash", [Web3.to_hex(tx)]) for tx in txs]
        with _translated(self.head.number):
            return [None if found is None else _transaction(found) for found in self._ask(asked)]

    def trace(self, tx: bytes) -> object:
        """The calls that a transaction made, as the node's callTracer tells of them; `find_in_trace` reads it.

        Raises:
            TraceError: the node doesn't trace, or its answer is no trace, or longer than one may be.
        """
        provider = self._web3.provider
        try:
            if not isinstance(provider, HTTPProvider):
                return trace_of(provider.make_request(RPCEndpoint(TRACE_METHOD), trace_arguments(tx)))
            given = {"timeout": _TRACE_TIMEOUT, **provider.get_request_kwargs()}
            with requests.post(str(provider.endpoint_uri), json=trace_request(tx), stream=True, **given) as answer:
                return read_trace(answer.iter_content(_CHUNK))
        except (Web3Exception, requests.RequestException, OSError, ValueError) as error:
            raise TraceError(f"the node doesn't answer: {type(error).__name__}") from error

    def outcomes(self, batch_ids: Sequence[bytes]) -> list[bytes]:
        """What the contract keeps now of refused rides, 25 bytes for each batch (32 bytes); 0 if there were none."""
        asked = [{"to": self.address, "data": Web3.to_hex(_BATCHES + batch_id)} for batch_id in batch_ids]
        with _translated("latest"):
            found = [bytes.fromhex(came[2:]) for came in self._ask([("eth_call", [call, "latest"]) for call in asked])]
        return [words[_OUTCOME_AT : _OUTCOME_AT + OUTCOME_BYTES] for words in found]

    # ------------------------------------------------------------ internals

    def _refunds(self) -> _Contract:
        return _Contract("Refunds", self._call(self._house, "refunds"))

    def _call(self, contract: _Contract, function: str, *arguments: Any) -> Any:
        data = encode_call(contract.name, function, *arguments)
        call: TxParams = {"to": Web3.to_checksum_address(contract.address), "data": HexBytes(data)}
        answer = bytes(self._web3.eth.call(call, self.head.number, ccip_read_enabled=False))
        return decode_answer(contract.name, function, answer)

    def _ask(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """Answers as the node gives them, many to a request: web3 dresses them more slowly than the node gives them."""
        provider = self._web3.provider
        answers: list[Any] = []
        for start in range(0, len(calls), _TOGETHER):
            asked = [(RPCEndpoint(method), given) for method, given in calls[start : start + _TOGETHER]]
            if len(asked) > 1 and isinstance(provider, JSONBaseProvider):
                came = provider.make_batch_request(asked)
                answers += came if isinstance(came, list) else [came]
            else:
                answers += [provider.make_request(method, given) for method, given in asked]
        for answer in answers:
            if answer.get("error") is not None:
                raise Web3RPCError(str(answer["error"]))
        if len(answers) != len(calls):
            raise Web3RPCError(f"expected {len(calls)} answers, came {len(answers)}")
        return [answer["result"] for answer in answers]


def read_balances(web3: Web3, clearinghouse: str, block: BlockIdentifier = "latest") -> Balances:
    """All accounts, and what backs them, at one block; arguments and errors are those of Chain."""
    return Chain(web3, clearinghouse, block).balances()


@contextmanager
def _translated(block: BlockIdentifier) -> Iterator[None]:
    try:
        yield
    except BlockNotFound as error:
        raise LedgerError(f"expected a block {block!r}, the node has none: name a block that it still keeps") from error
    except (Web3Exception, ChainDataError, requests.RequestException, OSError) as error:
        raise LedgerError(
            f"expected the node's answer, came {type(error).__name__}: {error}; is it still there?"
        ) from error


def _head(block: Mapping[str, Any]) -> Head:
    return Head(int(block["number"], 16), str(block["hash"]), int(block["timestamp"], 16))


def _transaction(found: Mapping[str, Any]) -> Transaction:
    to = found.get("to")
    return Transaction(None if to is None else bytes.fromhex(to[2:]), bytes.fromhex(found["input"][2:]))


def _plain(log: Mapping[str, Any]) -> ChainLog:
    return ChainLog(
        address=bytes.fromhex(log["address"][2:]),
        topics=tuple(bytes.fromhex(topic[2:]) for topic in log["topics"]),
        data=bytes.fromhex(log["data"][2:]),
        block=int(log["blockNumber"], 16),
        block_hash=bytes.fromhex(log["blockHash"][2:]),
        tx=bytes.fromhex(log["transactionHash"][2:]),
        place=int(log["logIndex"], 16),
    )
