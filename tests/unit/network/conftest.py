"""A chain with a meter on it: a contract that writes the block's number down and logs it, each time it is called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from web3 import Web3

from network.accounts import Role, city_index, test_address, test_private_key
from network.chain import Chain

XUZHOU_SUBMITTER = city_index(10, Role.SUBMITTER)
"""An account without ether: anvil gives some to the first ten of the mnemonic."""

# NUMBER DUP1 PUSH1 0 SSTORE PUSH1 0 MSTORE PUSH1 32 PUSH1 0 LOG0 STOP, and what returns it from a constructor.
_RUNTIME = bytes.fromhex("43805f555f5260205fa000")
_CREATION = bytes([0x60, len(_RUNTIME), 0x60, 12, 0x60, 0, 0x39, 0x60, len(_RUNTIME), 0x60, 0, 0xF3]) + _RUNTIME


@dataclass
class Town:
    """A chain, and Xuzhou's submitter who uses it."""

    chain: Chain
    web3: Web3

    def send(self, to: str | None, data: bytes = b"") -> Any:
        """Send a call at the gas price that the node asks for; returns the receipt."""
        eth = self.web3.eth
        call: dict[str, Any] = {
            "nonce": eth.get_transaction_count(test_address(XUZHOU_SUBMITTER)),
            "gasPrice": eth.gas_price,
            "gas": 200_000,
            "chainId": eth.chain_id,
            "data": data,
        }
        if to is not None:
            call["to"] = to
        signed = Account.sign_transaction(call, test_private_key(XUZHOU_SUBMITTER))
        return eth.wait_for_transaction_receipt(eth.send_raw_transaction(signed.raw_transaction), 10, 0.02)

    def install_meter(self) -> Any:
        return self.send(None, _CREATION)["contractAddress"]

    def read_meter(self, meter: str) -> int:
        return int.from_bytes(self.web3.eth.get_storage_at(meter, 0))


def open_town(chain: Chain) -> Town:
    return Town(chain, Web3(Web3.HTTPProvider(chain.url)))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "chain" / "state.json"


@pytest.fixture
def town(state: Path) -> Iterator[Town]:
    with Chain(state=state, block_time=None) as chain:
        yield open_town(chain)
