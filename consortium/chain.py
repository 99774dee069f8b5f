"""The chain, as an Ape provider is connected to it. The only module of this package that touches the network.

Transactions are prepared and signed by Ape's accounts, with the provider that Ape is connected to; all else is asked of
its node through `rpc`. Those of one round don't wait for each other, so that a round takes one block; Ape's own way is
one transaction at a time.
"""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import requests
from web3 import Web3
from web3.exceptions import Web3Exception
from web3.middleware import ExtraDataToPOAMiddleware

from consortium.accounts import Signers
from consortium.calls import Call, Step
from consortium.costs import Cost
from consortium.errors import ChainError, ConsortiumError, TransactionError
from consortium.refusals import explain_revert
from interline.chain_data import decode_event, event_topics
from interline.errors import ChainDataError
from interline.signatures import to_checksum
from rpc import Answer, NodeRefusalError, Reads, RpcError, Wanted, answers, read, read_logs
from rpc.blocks import head
from rpc.provider import node_of
from rpc.transactions import get_receipt, nonce

logger = logging.getLogger(__name__)

NODE_ERRORS: Final = (Web3Exception, requests.RequestException, OSError)
"""What the node's silence and its refusals come as, where Ape asks it."""
Ask = Callable[..., Answer]
"""Asks for what a view function returns: contract, address, function, and its arguments."""
_MINED_WITHIN: Final = 180.0  # seconds
_POLL: Final = 0.05  # seconds
_MOST_GAS: Final = 15_000_000  # for trying a proposal's call: no client sends one that takes more
_MARGIN: Final = (5, 4)  # gas limit over estimate: other people's transactions may come in between


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction that was carried out."""

    call: Call
    transaction: str
    """Its hash: 0x and 64 hexadecimal digits."""
    block: int
    gas: int
    """Gas used."""
    contract: str | None
    """Checksummed address of the contract it made."""


class Chain:
    """Reads, and sends what Ape's accounts signed.

    Args:
        provider: a connected Ape provider.
        signers: the accounts that can sign, given whether the network is a local one.
        tell: is told what goes on, a line at a time.

    Raises:
        ChainError: the node doesn't answer, or has another chain id than the one Ape would sign for.
    """

    def __init__(
        self, provider: Any, signers: Callable[[bool], Signers], tell: Callable[[str], None] = lambda line: None
    ) -> None:
        self._provider = provider
        self._tell = tell
        self.web3: Web3 = provider.web3
        self._node = node_of(self.web3)
        if ExtraDataToPOAMiddleware not in self.web3.middleware_onion:  # Ape overlooks some such chains
            self.web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        self.is_local: bool = provider.network.is_dev
        self.signers = signers(self.is_local)
        try:
            self.chain_id = self._number("eth_chainId")
            self._price = self._number("eth_gasPrice")
            self._base_fee = head(self._node).base_fee
        except RpcError as error:
            raise _no_answer(error) from error
        signs_for = provider.network.chain_id
        if signs_for != self.chain_id:
            raise ChainError(
                f"expected chain id {signs_for}, for which Ape signs on {provider.network_choice}, the node has "
                f"{self.chain_id}: start the chain with that id, or add a custom network to ape-config.yaml, and name "
                "it with --network"
            )

    def read(self, contract: str, address: str, function: str, *arguments: Any, block: int | None = None) -> Any:
        """What a view function of one of our contracts returns.

        Args:
            block: number of the block to read at; the latest one unless it is given.

        Raises:
            ChainError: the node doesn't answer, or there is no such contract.
        """
        at = "latest" if block is None else block
        try:
            return read(self._node, contract, _bytes(address), function, *arguments, block=at)
        except RpcError as error:
            raise _unread(error) from None

    def reads(self, block: int) -> Ask:
        """Collects reads at one block, to have their answers in few requests; they raise ChainError."""
        ask = Reads(self._node, block, _unread)
        return lambda contract, address, function, *arguments: ask(contract, _bytes(address), function, *arguments)

    def events(
        self, contract: str, address: str, event: str, blocks: tuple[int, int], **arguments: Any
    ) -> list[dict[str, Any]]:
        """The arguments of all events of one kind whose indexed arguments are as given, from one block to another."""
        return [found for _, found in self.history(contract, address, [event], blocks, **arguments)]

    def history(
        self, contract: str, address: str, events: Sequence[str], blocks: tuple[int, int], **arguments: Any
    ) -> list[tuple[str, dict[str, Any]]]:
        """Name and arguments of all events of some kinds, in the chain's order, from one block to another.

        Args:
            arguments: of the indexed ones, which all of the kinds have first, and in the same order.
        """
        first, last = blocks
        kinds = [event_topics(contract, event, arguments) for event in events]
        topics = [[kind[0] for kind in kinds if kind[0]], *([topic] if topic else [] for topic in kinds[0][1:])]
        while topics and not topics[-1]:
            topics.pop()
        wanted = Wanted([_bytes(address)], topics)
        what = f"expected the logs of {contract} at {address} from block {first}"
        try:
            logs = [log for _, some in read_logs(self._node, wanted, first, last) for log in some]
        except RpcError as error:
            raise ChainError(f"{what}, came {error}") from error
        try:
            found = [decode_event(contract, list(log.topics), log.data) for log in logs]
        except ChainDataError as error:
            raise ChainError(f"{what}, came {error}: ask another node") from error
        return [(one.name, dict(one.arguments)) for one in found if one is not None]

    def has_code(self, address: str) -> bool:
        """Whether there is a contract at an address."""
        try:
            code = self._node.ask("eth_getCode", Web3.to_checksum_address(address), "latest")
            return bool(answers.data(code, f"{self._node.name}, code of {address}"))
        except RpcError as error:
            raise _no_answer(error) from error

    def head(self) -> tuple[int, int]:
        """The latest block's number and time (Unix seconds)."""
        try:
            block = head(self._node)
        except RpcError as error:
            raise _no_answer(error) from error
        return block.number, block.time

    def wait_for_pending(self, addresses: Collection[str]) -> None:
        """Wait until no transaction of these accounts waits for a block, as those of a run that was killed may do.

        What is read afterwards takes them into account, so nothing is sent twice.

        Raises ChainError where one waits for more than three minutes.
        """
        deadline = time.monotonic() + _MINED_WITHIN
        for address in addresses:
            while self._nonce(address, "pending") > self._nonce(address, "latest"):
                if time.monotonic() > deadline:
                    raise ChainError(
                        f"expected the waiting transactions of {address} in a block within {_MINED_WITHIN:.0f} s, they "
                        "still wait: does the chain make blocks? Run this again when it does"
                    )
                time.sleep(_POLL)

    def send(self, calls: Sequence[Call]) -> list[Receipt]:
        """Sign and send calls that don't depend on each other, then wait until all of them are in a block.

        Returns: their receipts, in the order of the calls.

        Raises:
            TransactionError: a contract refuses one, or its account didn't sign it. Calls before it may have been sent.
            AccountMissingError: the account of one isn't here. Nothing was sent.
            ChainError: the node doesn't answer, or a transaction isn't in a block after three minutes.
        """
        for call in calls:
            self.signers.require(call.sender, call.role)
        nonces = {sender: self._nonce(sender, "pending") for sender in {call.sender for call in calls}}
        gas = [self.estimate(call) * _MARGIN[0] // _MARGIN[1] for call in calls]
        sent = []
        for call, limit in zip(calls, gas, strict=True):
            sent.append(self._sign_and_send(call, nonces[call.sender], limit))
            nonces[call.sender] += 1
            self._tell(f"sent: {call.what}")
        return [self._await(call, transaction) for call, transaction in zip(calls, sent, strict=True)]

    def costs(self, calls: Sequence[Call]) -> list[Cost]:
        """What calls would cost, each of which may need those before it. Sends nothing, and needs no account.

        Raises:
            TransactionError: a contract refuses one.
            ChainError: the node doesn't answer.
        """
        gas: list[int | None] = [self.estimate(calls[0])] if calls else []
        if len(calls) > 1:
            rest = self._simulated(calls)[1:]
            gas += rest
        return [Cost(call, used, self._price) for call, used in zip(calls, gas, strict=True)]

    def refusal(self, sender: str, to: str, data: bytes) -> str | None:
        """What a contract would answer to a call by any address now; None where it would take it.

        Raises ChainError where the node doesn't answer.
        """
        call = {"from": sender, "to": Web3.to_checksum_address(to), "data": Web3.to_hex(data), "gas": hex(_MOST_GAS)}
        try:
            self._node.ask("eth_call", call, "latest")
        except NodeRefusalError as refused:
            return _reason(refused)
        except RpcError as error:
            raise _no_answer(error) from error
        return None

    def _number(self, method: str, *params: Any) -> int:
        return answers.quantity(self._node.ask(method, *params), f"{self._node.name}, {method}")

    def _simulated(self, calls: Sequence[Call]) -> list[int | None]:
        """Gas of calls one after another, where the node can tell; else nothing is known of them."""
        request = {"blockStateCalls": [{"calls": [self._fields(call) for call in calls]}]}
        try:
            (block,) = self._node.ask("eth_simulateV1", request, "latest")
            made = [(int(one["status"], 16), int(one["gasUsed"], 16), one["returnData"]) for one in block["calls"]]
        except (RpcError, KeyError, TypeError, ValueError):
            return [None] * len(calls)
        for call, (status, _, returned) in zip(calls, made, strict=True):
            if status != 1:
                raise TransactionError(
                    f"{call.what}: expected to be carried out, the contract refuses: "
                    f"{explain_revert(bytes.fromhex(returned[2:]))}"
                )
        return [used for _, used, _ in made]

    def _nonce(self, address: str, at: Any) -> int:
        try:
            return nonce(self._node, _bytes(address), at)
        except RpcError as error:
            raise _no_answer(error) from error

    def estimate(self, call: Call) -> int:
        """Gas that a call would take. Raises TransactionError where a contract refuses it, else ChainError."""
        try:
            return self._number("eth_estimateGas", self._fields(call))
        except NodeRefusalError as refused:
            if not refused.by_contract:
                raise ChainError(f"{call.what}: expected an estimate of its gas, came {refused.message}") from refused
            raise TransactionError(
                f"{call.what}: expected to be carried out, the contract refuses: {_reason(refused)}"
            ) from refused
        except RpcError as error:
            raise ChainError(f"{call.what}: expected an estimate of its gas, came {error}") from error

    def _fields(self, call: Call) -> Any:
        fields: dict[str, Any] = {"from": call.sender, "data": Web3.to_hex(call.data)}
        return fields if call.to is None else {**fields, "to": call.to}

    def _is_free_for(self, sender: str, gas: int) -> bool:
        """Whether to offer no fee; else Ape decides.

        Where there is no base fee, nodes still suggest a tip, which accounts without ether can't pay.
        """
        if self._price == 0 or self._base_fee != 0:
            return self._price == 0
        return self.is_local or self._balance(sender) < self._price * gas

    def _balance(self, address: str) -> int:
        try:
            return self._number("eth_getBalance", Web3.to_checksum_address(address), "latest")
        except RpcError as error:
            raise _no_answer(error) from error

    def _sign_and_send(self, call: Call, nonce: int, gas: int) -> str:
        account = self.signers.require(call.sender, call.role)
        fields = {"sender": call.sender, "receiver": call.to, "data": call.data, "nonce": nonce, "gas": gas}
        if self._is_free_for(call.sender, gas):
            fields["gas_price"] = 0
        transaction = account.prepare_transaction(self._provider.network.ecosystem.create_transaction(**fields))
        signed = account.sign_transaction(transaction)
        if signed is None:
            raise TransactionError(
                f"{call.what}: expected a signature of {call.sender} ({call.role}), none came: it was refused, or "
                "waits for a Safe's other owners. Once they have carried it out, run this again to go on"
            )
        try:
            sent = self._node.ask("eth_sendRawTransaction", Web3.to_hex(signed.serialize_transaction()))
            return Web3.to_hex(answers.data(sent, f"{self._node.name}, eth_sendRawTransaction", size=32))
        except RpcError as error:
            raise TransactionError(
                f"{call.what}: expected the node to take the transaction, it says {error}; run this again"
            ) from error

    def _await(self, call: Call, transaction: str) -> Receipt:
        deadline = time.monotonic() + _MINED_WITHIN
        while (receipt := self._receipt(transaction)) is None:
            if time.monotonic() > deadline:
                raise ChainError(
                    f"{call.what}: expected transaction {transaction} in a block within {_MINED_WITHIN:.0f} s, it "
                    "still waits: does the chain make blocks? Run this again when it does"
                )
            time.sleep(_POLL)
        if not receipt.succeeded:
            reason = self._why(call, receipt.block)
            raise TransactionError(
                f"{call.what}: transaction {transaction} was reverted: {reason}; run this again to go on"
            )
        logger.info("%s: block %d, gas %d", call.what, receipt.block, receipt.gas)
        made = to_checksum(receipt.contract) if call.step is Step.DEPLOY and receipt.contract else None
        return Receipt(call, transaction, receipt.block, receipt.gas, made)

    def _receipt(self, transaction: str) -> answers.Receipt | None:
        try:
            return get_receipt(self._node, _bytes(transaction))
        except RpcError as error:
            raise _no_answer(error) from error

    def _why(self, call: Call, block: int) -> str:
        try:
            self._node.ask("eth_call", self._fields(call), hex(block))
        except NodeRefusalError as refused:
            return _reason(refused)
        except RpcError as error:
            return str(error)
        return "something came in between"


def _reason(refused: NodeRefusalError) -> str:
    """What the contract refuses with, or the node's own words."""
    return refused.message if refused.revert is None else explain_revert(refused.revert)


def _bytes(address: str) -> bytes:
    return bytes.fromhex(address[2:])


def _unread(error: RpcError) -> ChainError:
    return ChainError(f"{error.asked}: expected an answer, came {error.came}")


def _no_answer(error: RpcError) -> ConsortiumError:
    return ChainError(f"expected the node's answer, came {error}: is the chain still there?")
