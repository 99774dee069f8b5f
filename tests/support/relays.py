"""Strangers' contracts that relay signed batches, in bytecode: out of their input, or out of their own code."""

from __future__ import annotations

from typing import Any

from eth_account import Account

from interline.batch import Batch
from tests.support.deploy import Deployment

# Two contracts in bytecode. Both call the contract whose address (20 bytes) stands before the call: the first takes the
# two from its input, the second from what stands behind its own code.
_CALL_OR_REVERT = "60601c 5af1 15 60{} 57 00 5b 6000 80fd"
FORWARD = bytes.fromhex("36 6014 90 03 80 6014 6000 37 6000 6000 82 6000 6000 6000 35" + _CALL_OR_REVERT.format("21"))
HOARD = bytes.fromhex(
    "6029 38 03 80 6029 6000 39 6014 90 03 6000 6000 82 6014 6000 6000 51" + _CALL_OR_REVERT.format("24")
)


def contract_of(deployment: Deployment, code: bytes) -> str:
    """Deploy a contract of this code; its address."""
    header = b"\x61" + len(code).to_bytes(2, "big") + bytes.fromhex("80 600c 6000 39 6000 f3")
    tx = send_data(deployment, None, header + code)
    return str(deployment.web3.eth.get_transaction_receipt(tx)["contractAddress"])  # type: ignore[arg-type]


def send_data(deployment: Deployment, to: str | None, data: bytes) -> str:
    """Let a stranger send a transaction, which must succeed; its hash."""
    web3 = deployment.web3
    stranger = Account.create()
    fields: dict[str, Any] = {
        "data": data,
        "nonce": 0,
        "gas": 8_000_000,
        "gasPrice": 0,
        "value": 0,
        "chainId": web3.eth.chain_id,
    } | ({"to": to} if to else {})
    tx = web3.eth.send_raw_transaction(stranger.sign_transaction(fields).raw_transaction)
    assert web3.eth.wait_for_transaction_receipt(tx, poll_latency=0.02)["status"] == 1
    return "0x" + tx.hex()


def settle_call(deployment: Deployment, batch: Batch, signature: bytes) -> bytes:
    """The data of a call of `settle`."""
    return bytes.fromhex(deployment.clearinghouse.encode_abi("settle", args=[batch.to_bytes(), signature])[2:])


def hoard_of(deployment: Deployment, batch: Batch, signature: bytes) -> str:
    """The address of a contract that settles a batch out of its own code, whatever it is called with."""
    return contract_of(deployment, HOARD + deployment.domain.clearinghouse + settle_call(deployment, batch, signature))
