"""The accountant's only way to the network: accounts, events and transactions, read through web3 and never written."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import requests
from eth_typing import BlockNumber
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import BlockNotFound, TransactionNotFound, Web3Exception
from web3.types import BlockIdentifier

from interline.contracts import load_abi
from interline.settlements import ChainLog
from ledger.balances import Balances, CityBalance
from ledger.errors import ChainMovedError, LedgerError, NoClearinghouseError

logger = logging.getLogger(__name__)

LOG_CHUNK: Final = 5_000
"""Blocks whose logs are asked for at once; less where a node finds that too much."""
_LEAST_CHUNK: Final = 50
_NAME: Final = 0  # of what CityRegistry.city returns


@dataclass(frozen=True, slots=True)
class Head:
    """The block that is read at: its number and its hash, 0x and 64 hexadecimal digits."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Event:
    """A decoded event: its contract's kind (`Clearinghouse`, `Refunds` or `CityRegistry`), its name and arguments."""

    contract: str
    name: str
    arguments: Mapping[str, Any]
    log: ChainLog


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
            self.head = Head(int(head["number"]), Web3.to_hex(head["hash"]))
            self.chain_id = web3.eth.chain_id
            if not web3.eth.get_code(self.address, self.head.number):
                raise NoClearinghouseError(
                    f"expected the Clearinghouse at {self.address}, there is no contract at block {self.head.number}: "
                    "is this the chain that it was deployed on?"
                )
            self._house = self._at("Clearinghouse", self.address)
            self._registry = self._at("CityRegistry", self._call(self._house, "registry"))
            self._token = self._at("SettlementToken", self._call(self._house, "token"))

    # ------------------------------------------------------------ accounts

    def balances(self) -> Balances:
        """All accounts, and what backs them.

        Raises:
            ChainMovedError: the block was replaced by another one meanwhile.
        """
        house = self._house
        with _translated(self.head.number):
            cities = tuple(
                CityBalance(
                    code=code,
                    name=self._call(self._registry, "city", code)[_NAME],
                    balance=self._call(house, "balanceOf", code),
                    position=self._call(house, "position", code),
                    arrears_owed=self._call(house, "arrearsOf", code),
                    arrears_due=self._call(house, "arrearsDue", code),
                )
                for code in self._call(self._registry, "cities")
            )
            held, tokens = self._call(house, "held"), self._call(self._token, "balanceOf", self.address)
        self.require_same_block()
        logger.info("read the balances of %d cities at block %d", len(cities), self.head.number)
        return Balances(self.head.number, self.head.hash, cities, held, tokens)

    def arrears(self, debtor: int, creditor: int) -> int:
        """What one city owes another in arrears, fen."""
        with _translated(self.head.number):
            return int(self._call(self._house, "arrears", debtor, creditor))

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

    # ------------------------------------------------------------ events and transactions

    def events(self) -> list[Event]:
        """All that the Clearinghouse and its Refunds told, and the registry of issuer keys, in the chain's order."""
        with _translated(self.head.number):
            since = int(self._call(self._house, "deployedAt"))
            registered = int(self._call(self._registry, "deployedAt"))
            told = [
                *self._events_of("Clearinghouse", self._house, since),
                *self._events_of("Refunds", self._refunds(), since),
                *self._events_of("CityRegistry", self._registry, registered, "IssuerKeyAdded"),
            ]
        return sorted(told, key=lambda event: (event.log.block, event.log.place))

    def input_of(self, tx: bytes) -> bytes:
        """The input of a transaction, by its hash (32 bytes)."""
        with _translated(self.head.number):
            return bytes(self._web3.eth.get_transaction(HexBytes(tx))["input"])

    # ------------------------------------------------------------ internals

    def _at(self, name: str, address: str) -> Any:
        return self._web3.eth.contract(address=Web3.to_checksum_address(address), abi=load_abi(name))

    def _refunds(self) -> Any:
        return self._at("Refunds", self._call(self._house, "refunds"))

    def _call(self, contract: Any, function: str, *arguments: Any) -> Any:
        return contract.functions[function](*arguments).call(block_identifier=self.head.number)

    def _events_of(self, kind: str, contract: Any, since: int, *names: str) -> Iterator[Event]:
        """The events of a contract (those of `names`, else all), decoded."""
        known = {
            bytes(Web3.keccak(text=_signature(entry))): entry
            for entry in contract.abi
            if entry["type"] == "event" and (not names or entry["name"] in names)
        }
        topics = [[Web3.to_hex(topic) for topic in known]]
        for log in self._logs(contract.address, topics, since):
            entry = known[bytes(log["topics"][0])]
            decoded = contract.events[entry["name"]]().process_log(log)
            yield Event(kind, entry["name"], decoded["args"], _plain(log))

    def _logs(self, address: str, topics: list[Any], since: int) -> Iterator[Any]:
        start, chunk = since, LOG_CHUNK
        while start <= self.head.number:
            end = min(start + chunk - 1, self.head.number)
            try:
                logs = self._web3.eth.get_logs(
                    {
                        "address": Web3.to_checksum_address(address),
                        "topics": topics,
                        "fromBlock": BlockNumber(start),
                        "toBlock": BlockNumber(end),
                    }
                )
            except Web3Exception:
                if chunk == _LEAST_CHUNK:
                    raise
                chunk = max(chunk // 10, _LEAST_CHUNK)
                continue
            yield from logs
            start = end + 1


def read_balances(web3: Web3, clearinghouse: str, block: BlockIdentifier = "latest") -> Balances:
    """All accounts, and what backs them, at one block; arguments and errors are those of Chain."""
    return Chain(web3, clearinghouse, block).balances()


@contextmanager
def _translated(block: BlockIdentifier) -> Iterator[None]:
    try:
        yield
    except BlockNotFound as error:
        raise LedgerError(f"expected a block {block!r}, the node has none: name a block that it still keeps") from error
    except TransactionNotFound as error:
        raise LedgerError(f"expected a node that keeps all transactions, it lacks one: {error}") from error
    except (Web3Exception, requests.RequestException, OSError) as error:
        raise LedgerError(
            f"expected the node's answer, came {type(error).__name__}: {error}; is it still there?"
        ) from error


def _signature(entry: Mapping[str, Any]) -> str:
    return f"{entry['name']}({','.join(map(_type, entry['inputs']))})"


def _type(argument: Mapping[str, Any]) -> str:
    if not argument["type"].startswith("tuple"):
        return str(argument["type"])
    return f"({','.join(map(_type, argument['components']))}){argument['type'].removeprefix('tuple')}"


def _plain(log: Any) -> ChainLog:
    return ChainLog(
        address=bytes.fromhex(log["address"][2:]),
        topics=tuple(map(bytes, log["topics"])),
        data=bytes(log["data"]),
        block=int(log["blockNumber"]),
        block_hash=bytes(log["blockHash"]),
        tx=bytes(log["transactionHash"]),
        place=int(log["logIndex"]),
    )
