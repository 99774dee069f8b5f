"""Sending: what nodes say where a transaction is there already, or its nonce is taken, and what a call costs."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from eth_account import Account

from interline.errors import TraceError
from interline.signatures import address_of
from network.accounts import test_private_key as private_key
from rpc import BadAnswerError, Node, NodeRefusalError
from rpc.transactions import (
    Call,
    SignedTransaction,
    StaleNonceError,
    get_receipt,
    get_trace,
    get_transaction,
    send,
    sign,
)
from rpc.transport import AwayError, Response

KEY = private_key(1)
CALL = Call(b"\x01" * 20, b"\x12")
SENT = SignedTransaction(b"\x02" * 32, b"\x03")


class Played:
    """A node with a result, or an error, for each method."""

    name = "node"

    def __init__(self, results: Mapping[str, Any]) -> None:
        self._results = results
        self.asked: list[Any] = []

    def post(self, body: bytes) -> Response:
        asked = json.loads(body)
        self.asked.append((asked["method"], asked["params"]))
        result = self._results[asked["method"]]
        if isinstance(result, str) and not result.startswith("0x"):
            return Response(200, json.dumps({"id": asked["id"], "error": {"code": -32000, "message": result}}).encode())
        return Response(200, json.dumps({"id": asked["id"], "result": result}).encode())

    @contextmanager
    def stream(self, body: bytes) -> Iterator[Iterator[bytes]]:
        raise AwayError("no answer (ReadTimeout)")
        yield iter([])


def sending(message: str) -> None:
    send(Node(Played({"eth_sendRawTransaction": message})), SENT)


@pytest.mark.parametrize("message", ["already known", "AlreadyKnown: already known", "known transaction: 0x12"])
def test_a_transaction_that_the_node_has_is_as_good_as_sent(message: str) -> None:
    sending(message)


@pytest.mark.parametrize("message", ["nonce too low: next 7", "replacement transaction underpriced", "OldNonce"])
def test_a_nonce_that_another_took_is_said_to_be(message: str) -> None:
    with pytest.raises(StaleNonceError, match=message):
        sending(message)


def test_what_a_node_does_not_take_is_refused_with_its_words() -> None:
    with pytest.raises(NodeRefusalError, match="insufficient funds") as refused:
        sending("insufficient funds")
    assert not isinstance(refused.value, StaleNonceError)


@pytest.mark.parametrize(
    ("price", "balance", "block", "offered"),
    [
        ("0x0", "0x0", {}, 0),
        ("0x9", hex(9 * 21_000), {}, 9),
        ("0x9", hex(9 * 21_000 - 1), {}, 0),
        ("0x9", "0x0", {"baseFeePerGas": "0x7"}, 7),
    ],
)
def test_the_price_is_the_nodes_or_what_the_block_asks_where_it_can_t_be_paid(
    price: str, balance: str, block: dict[str, str], offered: int
) -> None:
    played = Played(
        {
            "eth_gasPrice": price,
            "eth_getBalance": balance,
            "eth_getBlockByNumber": {"number": "0x5", "hash": "0x" + "ab" * 32, "timestamp": "0x7", **block},
            "eth_getTransactionCount": "0x3",
            "eth_chainId": "0x539",
        }
    )
    signed = sign(Node(played), KEY, CALL, 21_000)
    assert bytes.fromhex(Account.recover_transaction(signed.raw)[2:]) == address_of(KEY)
    assert ("eth_getTransactionCount", [f"{Account.from_key(KEY).address}", "pending"]) in played.asked
    expected = {
        "to": "0x0101010101010101010101010101010101010101",
        "data": "0x12",
        "value": 0,
        "gas": 21_000,
        "gasPrice": offered,
        "nonce": 3,
        "chainId": 1337,
    }
    assert signed.raw == bytes(Account.sign_transaction(expected, KEY).raw_transaction)


def test_what_is_in_no_block_or_unknown_is_none() -> None:
    node = Node(Played({"eth_getTransactionReceipt": None, "eth_getTransactionByHash": None}))
    assert (get_receipt(node, SENT.hash), get_transaction(node, SENT.hash)) == (None, None)


@pytest.mark.parametrize("came", [[], {}, 7, {"chainId": 1}])
def test_nonsense_in_place_of_a_number_is_an_error_of_the_node(came: Any) -> None:
    with pytest.raises(BadAnswerError, match="expected a number"):
        sign(Node(Played({"eth_gasPrice": came})), KEY, CALL, 21_000)


def test_a_node_that_does_not_answer_for_a_trace_is_said_to() -> None:
    with pytest.raises(TraceError, match="node doesn't answer"):
        get_trace(Node(Played({})), SENT.hash)
