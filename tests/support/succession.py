"""A successor on a test chain: named 30 days ahead, and yet before the command lines' own clocks are through with it.

The commands have a real clock, and no option that sets it. So the chain begins in the past, the vote is held there,
and then the chain comes to the present: the 30 days lie behind, and the closing as few seconds ahead as one likes.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from web3 import Web3

from network.accounts import Role
from network.chain import Chain
from tests.support.deploy import Deployment

DAYS_AGO = 45
"""When a chain begins: the delay of the vote and the 30 days' notice fit in between."""

WEEK = 7 * 86_400


def chain_in_the_past(*, block_time: float | None = None, state: Path | None = None) -> Chain:
    """A chain that isn't started yet, whose first block lies DAYS_AGO days back."""
    first = int(time.time()) - DAYS_AGO * 86_400
    return Chain(block_time=block_time, state=state, extra=("--timestamp", str(first)))


def come_to_the_present(deployment: Deployment) -> None:
    """Let the chain's clock go with the machine's from here on."""
    request: Any = deployment.web3.provider.make_request
    request("anvil_setTime", [int(time.time())])
    request("evm_mine", [])


def name_successor(old: Deployment, new: Deployment, *, closes_in: int) -> int:
    """Name it by vote, in the past, and come to the present; returns when the old one closes, `closes_in` s later."""
    closes_at = int(time.time()) + closes_in
    vote(old, old.clearinghouse.functions.nameSuccessor(new.clearinghouse.address, closes_at))
    come_to_the_present(old)
    return closes_at


def vote(deployment: Deployment, function: Any) -> None:
    """Every city approves, a week passes, and the call is carried out."""
    consortium = deployment.consortium.functions
    proposer, *others = deployment.cities.values()
    admin, data = proposer.private_key(Role.ADMIN), function._encode_transaction_data()
    deployment.call(admin, consortium.propose(proposer.code, Web3.to_checksum_address(function.address), data))
    number = consortium.proposalCount().call()
    for city in others:
        deployment.call(city.private_key(Role.ADMIN), consortium.approve(number, city.code))
    pass_time(deployment, WEEK)
    deployment.call(admin, consortium.execute(number))


def pass_time(deployment: Deployment, seconds: int) -> None:
    """Let the chain's clock run ahead."""
    request: Any = deployment.web3.provider.make_request
    request("evm_increaseTime", [seconds])
    request("evm_mine", [])


def wait_until(moment: int) -> None:
    """Until a Unix second of the real clock has begun."""
    time.sleep(max(0.0, moment - time.time()) + 0.05)
