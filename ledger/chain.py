"""The accountant's only way to the chain: accounts, events and transactions at one block, read and never written."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final, NamedTuple

from interline.batch import OUTCOME_BYTES
from interline.batch_source import Transaction
from interline.hashing import keccak256
from interline.safe_text import short_name
from interline.settlements import ChainLog
from interline.signatures import to_checksum
from ledger.balances import Balances, CityBalance
from ledger.errors import ChainMovedError, LedgerError, NoClearinghouseError, TooMuchError
from ledger.head import Head
from rpc import Node, NodeAwayError, NodeBehindError, Reads, RpcError, Wanted, answers, ask_logs, read
from rpc.answers import Block
from rpc.blocks import get_block
from rpc.transactions import get_trace

logger = logging.getLogger(__name__)

_TOGETHER: Final = 32
"""Transactions that are asked for in one request: of such with a batch each, 7 MB of JSON at most."""
TELLING: Final = ("Clearinghouse", "Refunds", "CityRegistry", "Consortium")
"""The contracts whose events are read."""
_BATCHES: Final = keccak256(b"batches(bytes32)")[:4]
_OUTCOME_AT: Final = 64  # behind operator and settledAt, a word each
_NAME: Final = 0  # of what CityRegistry.city returns


class _Contract(NamedTuple):
    """One of our contracts, by its ABI's name and its address (20 bytes)."""

    name: str
    address: bytes


class Chain:
    """One Clearinghouse, its Refunds and its registry, as a node shows them at one block.

    Args:
        node: of the chain.
        clearinghouse: address of the Clearinghouse, 0x and 40 hexadecimal digits; all else is found through it.
        block: number, hash or name of the block to read at.

    Raises, from the class and every method:
        NoClearinghouseError: no Clearinghouse is there.
        LedgerError: the node doesn't answer, or has no such block.
    """

    def __init__(self, node: Node, clearinghouse: str, block: int | str = "latest") -> None:
        self._node = node
        self._house = _Contract("Clearinghouse", bytes.fromhex(clearinghouse[2:]))
        self.address = to_checksum(self._house.address)
        with _translated():
            found = self._block(block)
            if found is None:
                raise LedgerError(f"expected a block {block!r}, the node has none: name a block that it still keeps")
            self.head = found
            self.chain_id = answers.quantity(node.ask("eth_chainId"), f"{node.name}, chain id")
            code = node.ask("eth_getCode", self.address, hex(self.head.number))
            if not answers.data(code, f"{node.name}, code of {self.address}"):
                raise NoClearinghouseError(
                    f"expected the Clearinghouse at {self.address}, there is no contract at block {self.head.number}: "
                    "is this the chain that it was deployed on?"
                )
            self._registry = _Contract("CityRegistry", self._addressed(self._house, "registry"))
            self._token = _Contract("SettlementToken", self._addressed(self._house, "token"))

    # ------------------------------------------------------------ accounts

    def balances(self) -> Balances:
        """All accounts, and what backs them.

        Raises:
            ChainMovedError: the block was replaced by another one meanwhile.
        """
        ask = Reads(self._node, self.head.number)
        held = ask(*self._house, "held")
        tokens = ask(*self._token, "balanceOf", self.address)
        with _translated():
            codes = self._call(self._registry, "cities")
            figures = ("balanceOf", "position", "arrearsOf", "arrearsDue")
            asked = {code: [ask(*self._house, name, code) for name in figures] for code in codes}
            names = {code: ask(*self._registry, "city", code) for code in codes}
            owing = {code: answered[2]() for code, answered in asked.items()}
            withheld = {
                code: [ask(*self._house, "withheld", code, other) for other in codes] if owed else []
                for code, owed in owing.items()
            }
            cities = tuple(
                CityBalance(
                    code=code,
                    name=short_name(names[code]()[_NAME]),
                    balance=balance(),
                    position=position(),
                    arrears_owed=owed(),
                    arrears_due=due(),
                    arrears_withheld=sum(one() for one in withheld[code]),
                )
                for code, (balance, position, owed, due) in asked.items()
            )
            balances = Balances(self.head.number, self.head.hash, cities, held(), tokens())
        self.require_same_block()
        logger.info("read the balances of %d cities at block %d", len(cities), self.head.number)
        return balances

    def arrears(self, debtor: int, creditor: int) -> int:
        """What one city owes another in arrears, fen."""
        with _translated():
            return int(self._call(self._house, "arrears", debtor, creditor))

    def withheld(self, debtor: int, creditor: int) -> int:
        """What of those arrears is above the debtor's daily limit, fen."""
        with _translated():
            return int(self._call(self._house, "withheld", debtor, creditor))

    def disputed(self, issuer: int, operator: int) -> int:
        """What hangs on open disputes between two cities, fen."""
        with _translated():
            return int(self._call(self._refunds(), "disputed", issuer, operator))

    def predecessor(self) -> str | None:
        """The Clearinghouse that this one took over from."""
        with _translated():
            address = str(self._call(self._house, "predecessor"))
        return address if int(address, 16) else None

    def require_same_block(self) -> None:
        """Make sure that the block that is read at is still part of the chain.

        Raises:
            ChainMovedError: another took its place.
        """
        with _translated():
            now = self._block(self.head.number)
        if now is None or now.hash != self.head.hash:
            raise ChainMovedError(
                f"expected block {self.head.number} to stay {self.head.hash}, another took its place: read again"
            )

    # ------------------------------------------------------------ blocks, events and transactions

    @cached_property
    def contracts(self) -> Mapping[str, str]:
        """Addresses (checksummed) of what the Clearinghouse works with, by the names of the ABIs."""
        with _translated():
            return {
                "Clearinghouse": self.address,
                "Refunds": to_checksum(self._refunds().address),
                "CityRegistry": to_checksum(self._registry.address),
                "Consortium": self._call(self._registry, "consortium"),
                "SettlementToken": to_checksum(self._token.address),
            }

    @cached_property
    def since(self) -> int:
        """The first block that can have an event: a registry is older than its Clearinghouse."""
        with _translated():
            return min(int(self._call(one, "deployedAt")) for one in (self._registry, self._house))

    def latest(self) -> Head:
        """The newest block now, which may be above the one that accounts are read at."""
        with _translated():
            found = self._block("latest")
        if found is None:
            raise LedgerError(f"{self._node.name}: expected the newest block, came none: ask another node")
        return found

    def heads(self, numbers: Sequence[int]) -> list[Head | None]:
        """Blocks by their numbers; None where there is none yet, or none any more."""
        with _translated():
            found = self._node.ask_all([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
            blocks = [
                answers.optional(one, f"{self._node.name}, block {number}", answers.block)
                for one, number in zip(found, numbers, strict=True)
            ]
        return [None if block is None else _head(block) for block in blocks]

    def logs(self, first: int, last: int) -> list[ChainLog]:
        """All that the Clearinghouse, its Refunds, the registry and the Consortium told in a range of blocks, in order.

        Raises:
            TooMuchError: the node finds that too much at once: ask for less.
        """
        wanted = Wanted([bytes.fromhex(self.contracts[name][2:]) for name in TELLING])
        try:
            return ask_logs(self._node, wanted, first, last, self.head.number)
        except RpcError as error:
            if first == last or isinstance(error, NodeAwayError | NodeBehindError):
                raise _unread(error) from None
            raise TooMuchError(f"events of the blocks {first} to {last}: {error}") from None

    def transactions(self, txs: Sequence[bytes]) -> list[Transaction | None]:
        """Transactions by their hashes (32 bytes); None for one that the node lacks."""
        found: list[Any] = []
        with _translated():
            for start in range(0, len(txs), _TOGETHER):
                some = txs[start : start + _TOGETHER]
                found += self._node.ask_all([("eth_getTransactionByHash", [f"0x{tx.hex()}"]) for tx in some])
            return [
                answers.optional(one, f"{self._node.name}, transaction 0x{tx.hex()}", answers.transaction)
                for one, tx in zip(found, txs, strict=True)
            ]

    def trace(self, tx: bytes) -> object:
        """The calls that a transaction made, as the node's callTracer tells of them; `find_in_trace` reads it.

        Raises:
            TraceError: the node doesn't trace, or its answer is no trace, or longer than one may be.
        """
        return get_trace(self._node, tx)

    def outcomes(self, batch_ids: Sequence[bytes]) -> list[bytes]:
        """What the contract keeps now of refused rides, 25 bytes for each batch (32 bytes); 0 if there were none."""
        asked = [{"to": self.address, "data": f"0x{(_BATCHES + batch_id).hex()}"} for batch_id in batch_ids]
        what = f"{self._node.name}, outcomes of batches"
        with _translated():
            found = self._node.ask_all([("eth_call", [call, "latest"]) for call in asked])
            words = [answers.data(one, what) for one in found]
        return [one[_OUTCOME_AT : _OUTCOME_AT + OUTCOME_BYTES] for one in words]

    # ------------------------------------------------------------ internals

    def _refunds(self) -> _Contract:
        return _Contract("Refunds", self._addressed(self._house, "refunds"))

    def _call(self, contract: _Contract, function: str, *arguments: Any) -> Any:
        return read(self._node, *contract, function, *arguments, block=self.head.number)

    def _addressed(self, contract: _Contract, function: str) -> bytes:
        return bytes.fromhex(self._call(contract, function)[2:])

    def _block(self, block: int | str) -> Head | None:
        """A block by its number, hash or name."""
        found = get_block(self._node, block)
        return None if found is None else _head(found)


def read_balances(node: Node, clearinghouse: str, block: int | str = "latest") -> Balances:
    """All accounts, and what backs them, at one block; arguments and errors are those of Chain."""
    return Chain(node, clearinghouse, block).balances()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except RpcError as error:
        raise _unread(error) from error


def _unread(error: RpcError) -> LedgerError:
    return LedgerError(f"expected the node's answer, came {error}; is it still there?")


def _head(block: Block) -> Head:
    return Head(block.number, f"0x{block.hash.hex()}", block.time)
