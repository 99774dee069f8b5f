"""Transactions: what a call would do, what it costs, signing and sending it, and what became of it."""

from dataclasses import dataclass
from typing import Any, Final

from eth_account import Account

from interline.batch_source import TRACE_METHOD, Transaction, read_trace, trace_arguments
from interline.errors import TraceError
from interline.signatures import address_of, to_checksum
from rpc import answers
from rpc.answers import Receipt
from rpc.blocks import head
from rpc.errors import NodeRefusalError, RpcError
from rpc.node import Node

STALE_NONCE: Final = ("nonce too low", "underpriced", "oldnonce", "nonce is too low")
"""What nodes say, in lower case, where another transaction of the account has taken the nonce."""
ALREADY_SENT: Final = ("already known", "already imported", "known transaction")
"""What they say where they have the transaction already."""


class StaleNonceError(NodeRefusalError):
    """Another transaction of the same account has taken this one's nonce: sign it anew."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that a transaction makes: the contract (20 bytes) and its data."""

    to: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction to be sent: its hash (32 bytes) and its bytes."""

    hash: bytes
    raw: bytes


def try_call(node: Node, sender: bytes | None, call: Call, gas: int | None = None) -> bytes:
    """What a call by an address (None: by anybody) would return now, without sending it.

    Raises:
        NodeRefusalError: the contract refuses it; `revert` is what with.
        RpcError: as `Node.ask`.
    """
    fields = _fields(sender, call)
    if gas is not None:
        fields["gas"] = hex(gas)
    return answers.data(node.ask("eth_call", fields, "latest"), f"{node.name}, a call of {to_checksum(call.to)}")


def estimate_gas(node: Node, sender: bytes, call: Call) -> int:
    """The gas that a call takes; errors as of `try_call`."""
    result = node.ask("eth_estimateGas", _fields(sender, call))
    return answers.quantity(result, f"{node.name}, gas of a call of {to_checksum(call.to)}")


def sign(node: Node, private_key: bytes, call: Call, gas: int) -> SignedTransaction:
    """A transaction with the account's next nonce, and the node's price. Raises RpcError."""
    sender = address_of(private_key)
    signed = Account.sign_transaction(
        {
            "to": to_checksum(call.to),
            "data": f"0x{call.data.hex()}",
            "value": 0,
            "gas": gas,
            "gasPrice": gas_price(node, sender, gas),
            "nonce": nonce(node, sender, "pending"),
            "chainId": answers.quantity(node.ask("eth_chainId"), f"{node.name}, chain id"),
        },
        private_key,
    )
    return SignedTransaction(bytes(signed.hash), bytes(signed.raw_transaction))


def gas_price(node: Node, sender: bytes, gas: int) -> int:
    """The node's price (wei), or on a chain without fees 0: nodes suggest a tip to accounts without ether, too."""
    price = answers.quantity(node.ask("eth_gasPrice"), f"{node.name}, gas price")
    if price:
        balance = node.ask("eth_getBalance", to_checksum(sender), "latest")
        if answers.quantity(balance, f"{node.name}, balance of {to_checksum(sender)}") < price * gas:
            return head(node).base_fee or 0
    return price


def nonce(node: Node, account: bytes, at: str) -> int:
    """How many transactions of an account are in blocks ("latest"), or those and what waits for one ("pending")."""
    address = to_checksum(account)
    return answers.quantity(node.ask("eth_getTransactionCount", address, at), f"{node.name}, nonce of {address}")


def send(node: Node, transaction: SignedTransaction) -> None:
    """Send a signed transaction; one that the node has already is as good as sent.

    Raises:
        StaleNonceError: another transaction of the account has taken its nonce.
        NodeRefusalError: the node doesn't take it.
        NodeAwayError: no answer came; the node may have got it or not.
    """
    try:
        node.ask("eth_sendRawTransaction", f"0x{transaction.raw.hex()}")
    except NodeRefusalError as error:
        message = error.message.lower()
        if any(phrase in message for phrase in ALREADY_SENT):
            return
        if any(phrase in message for phrase in STALE_NONCE):
            raise StaleNonceError(error.asked, error.code, error.message, error.data) from None
        raise


def get_receipt(node: Node, tx: bytes) -> Receipt | None:
    """What became of a transaction (its hash, 32 bytes); None while it is in no block."""
    asked = f"{node.name}, receipt of 0x{tx.hex()}"
    return answers.optional(node.ask("eth_getTransactionReceipt", f"0x{tx.hex()}"), asked, answers.receipt)


def get_transaction(node: Node, tx: bytes) -> Transaction | None:
    """What was sent; None where the node hasn't got it."""
    asked = f"{node.name}, transaction 0x{tx.hex()}"
    return answers.optional(node.ask("eth_getTransactionByHash", f"0x{tx.hex()}"), asked, answers.transaction)


def get_trace(node: Node, tx: bytes) -> object:
    """The calls that a transaction made, as callTracer tells of them; `interline.batch_source` reads it.

    Raises:
        TraceError: the node doesn't trace, or its answer is no trace, or longer than one may be.
    """
    try:
        with node.stream(TRACE_METHOD, *trace_arguments(tx)) as pieces:
            return read_trace(pieces)
    except RpcError as error:
        raise TraceError(f"{node.name} doesn't answer: {error.came}") from None


def _fields(sender: bytes | None, call: Call) -> dict[str, Any]:
    fields = {"to": to_checksum(call.to), "data": f"0x{call.data.hex()}"}
    return fields if sender is None else {**fields, "from": to_checksum(sender), "gasPrice": "0x0"}
