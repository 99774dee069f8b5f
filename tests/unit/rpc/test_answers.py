"""What results are made of: each kind of thing, and all that a node may send in its place."""

from collections.abc import Callable
from typing import Any

import pytest

from rpc import BadAnswerError, answers

HASH = "0x" + "ab" * 32
NONSENSE = [
    None,
    True,
    7,
    -1,
    1.5,
    "",
    "0x",
    "0",
    "x1",
    "0xg",
    " 0x1",
    "0x1 ",
    "-0x1",
    "٣",
    [],
    ["0x1"],
    {},
    "0x" + "f" * 65,
]
RECEIPT: dict[str, Any] = {
    "transactionHash": HASH,
    "blockNumber": "0x5",
    "gasUsed": "0x5208",
    "status": "0x1",
    "contractAddress": None,
    "logs": [],
}
LOG = {
    "address": "0x" + "01" * 20,
    "topics": [HASH],
    "data": "0x",
    "blockNumber": "0x5",
    "blockHash": HASH,
    "transactionHash": HASH,
    "logIndex": "0x0",
}


@pytest.mark.parametrize(("came", "number"), [("0x0", 0), ("0xFf", 255), ("0x00", 0), ("0x" + "f" * 64, 2**256 - 1)])
def test_a_number_is_read(came: str, number: int) -> None:
    assert answers.quantity(came, "node, number") == number


@pytest.mark.parametrize("came", NONSENSE)
def test_what_is_no_number_is_said_to_be_none(came: Any) -> None:
    with pytest.raises(BadAnswerError, match=r"^node, number: expected a number in hexadecimal digits, came "):
        answers.quantity(came, "node, number")


@pytest.mark.parametrize("came", [None, 7, "", "0", "0x1", "0xzz", "0X11", [], {}, b"0x11"])
def test_what_are_no_bytes_is_said_to_be_none(came: Any) -> None:
    with pytest.raises(BadAnswerError, match="expected bytes in hexadecimal digits"):
        answers.data(came, "node, data")
    assert answers.data("0x", "node, data") == b""
    with pytest.raises(BadAnswerError, match="expected 32 bytes"):
        answers.data("0x11", "node, hash", size=32)


def test_a_block_is_read_with_or_without_a_base_fee() -> None:
    header = {"number": "0x5", "hash": HASH, "timestamp": "0x7", "transactions": []}
    assert answers.block(header, "node") == answers.Block(5, bytes.fromhex(HASH[2:]), 7, None)
    assert answers.block({**header, "baseFeePerGas": "0x9"}, "node").base_fee == 9


@pytest.mark.parametrize("read", [answers.block, answers.log, answers.transaction, answers.receipt])
@pytest.mark.parametrize("came", [None, 7, "0x", [], [{}], {}, {"number": None}])
def test_what_is_no_such_thing_is_an_error_of_the_node(read: Callable[[Any, str], Any], came: Any) -> None:
    with pytest.raises(BadAnswerError, match=r"^node\b.*: expected "):
        read(came, "node")


@pytest.mark.parametrize("field", ["transactionHash", "blockNumber", "gasUsed"])
@pytest.mark.parametrize("came", [None, 7, "0x", "0xzz", [], {}])
def test_a_receipt_with_a_field_that_is_none_is_refused(field: str, came: Any) -> None:
    with pytest.raises(BadAnswerError, match=f"^node, {field}: expected"):
        answers.receipt({**RECEIPT, field: came}, "node")


@pytest.mark.parametrize(("status", "logs", "succeeded"), [("0x1", [], True), ("0x0", [], False), (None, [LOG], True)])
def test_a_receipt_says_whether_it_succeeded(status: str | None, logs: list[Any], succeeded: bool) -> None:
    assert answers.receipt({**RECEIPT, "status": status, "logs": logs}, "node").succeeded is succeeded


def test_a_receipt_without_a_status_succeeded_where_it_has_events() -> None:
    without = {name: value for name, value in RECEIPT.items() if name != "status"}
    assert answers.receipt(without, "node").succeeded is False
    assert answers.receipt({**without, "logs": [LOG]}, "node").succeeded is True
    with pytest.raises(BadAnswerError, match="expected 0 or 1, or the logs"):
        answers.receipt({**without, "logs": None}, "node")


@pytest.mark.parametrize("status", ["0x2", 1, True, "", [], "0x"])
def test_a_status_that_is_none_is_refused(status: Any) -> None:
    with pytest.raises(BadAnswerError, match="status: expected"):
        answers.receipt({**RECEIPT, "status": status}, "node")


def test_a_transaction_has_its_data_by_either_name_and_may_make_a_contract() -> None:
    assert answers.transaction({"to": None, "input": "0x12"}, "node") == answers.Transaction(None, b"\x12")
    assert answers.transaction({"to": LOG["address"], "data": "0x12"}, "node").to == b"\x01" * 20
    with pytest.raises(BadAnswerError, match="to: expected 20 bytes"):
        answers.transaction({"to": "0x12", "input": "0x12"}, "node")


def test_no_logs_may_be_null() -> None:
    assert answers.logs(None, "node") == []
    for came in ({}, "0x", 7, True):
        with pytest.raises(BadAnswerError, match="expected a list of logs"):
            answers.logs(came, "node")
