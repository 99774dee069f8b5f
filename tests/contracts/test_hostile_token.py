"""A settlement token that calls the Clearinghouse back in the middle of a transfer: it gets nothing more."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bench.compiler import compile_contract
from tests.contracts.node import Contract
from tests.contracts.story import (
    DEPLOYER_ACCOUNT,
    LANZHOU,
    NO_REFERENCE,
    SHANGHAI,
    STRANGER,
    XUZHOU,
    ZERO_ADDRESS,
    World,
    deploy,
)

OTHERS = 5_000
"""What another city has in the Clearinghouse."""


@dataclass(frozen=True)
class Trap:
    """A Clearinghouse of that token, which is Lanzhou's treasury, too."""

    token: Contract
    house: Contract

    def plan(self, name: str, *arguments: object) -> None:
        """What the token does in the middle of its next transfer."""
        self.token.plan(self.house.address, self.house.call(name, *arguments).data, sender=STRANGER)

    def outcome(self) -> str:
        """What came of it: the error's name and arguments, or that it went through."""
        if self.token.succeeded():
            return "went through"
        return repr(self.house.decode_error(self.token.answer()))

    def sums(self) -> tuple[int, int, int]:
        """(Lanzhou's balance, Shanghai's, held), which must be what the tokens cover."""
        held: int = self.house.held()
        lanzhou, shanghai = (self.house.balanceOf(city.code) for city in (LANZHOU, SHANGHAI))
        assert lanzhou + shanghai == held <= self.token.balanceOf(self.house)
        return lanzhou, shanghai, held


@pytest.fixture
def trap(world: World) -> Trap:
    abi, bytecode = compile_contract("tests/contracts/HostileToken.sol")
    token = world.node.deploy(abi, "0x" + bytecode, sender=DEPLOYER_ACCOUNT)
    house = deploy(world.node, "Clearinghouse", world.registry, token, ZERO_ADDRESS)
    people = (LANZHOU.admin, token.address, LANZHOU.recovery)
    world.by_vote(world.registry, "admit", LANZHOU.code, LANZHOU.name, *people)
    for account, amount in ((SHANGHAI.treasury, OTHERS), (STRANGER, 10_000)):
        token.mint(account, amount, sender=STRANGER)
        token.approve(house, amount, sender=account)
    house.deposit(SHANGHAI.code, OTHERS, NO_REFERENCE, sender=SHANGHAI.treasury)
    return Trap(token, house)


def test_what_is_on_its_way_in_cannot_be_withdrawn_from_what_is_there(trap: Trap) -> None:
    trap.plan("withdraw", LANZHOU.code, 1_000, NO_REFERENCE)
    trap.house.deposit(LANZHOU.code, 1_000, NO_REFERENCE, sender=STRANGER)
    assert trap.outcome() == f"TokensShort(held={OTHERS}, tokens={OTHERS - 1_000})"
    assert trap.sums() == (1_000, OTHERS, OTHERS + 1_000)


def test_what_is_on_its_way_out_cannot_be_withdrawn_again(trap: Trap) -> None:
    trap.house.deposit(LANZHOU.code, 1_000, NO_REFERENCE, sender=STRANGER)
    trap.plan("withdraw", LANZHOU.code, 1, NO_REFERENCE)
    trap.house.withdraw(LANZHOU.code, 1_000, NO_REFERENCE, sender=trap.token.address)
    assert trap.outcome() == f"InsufficientFunds(city={LANZHOU.code}, withdrawable=0, amount=1)"
    assert trap.sums() == (0, OTHERS, OTHERS)


def test_a_withdrawal_within_a_withdrawal_is_paid_from_what_is_left(trap: Trap) -> None:
    trap.house.deposit(LANZHOU.code, 1_000, NO_REFERENCE, sender=STRANGER)
    trap.plan("withdraw", LANZHOU.code, 400, NO_REFERENCE)
    trap.house.withdraw(LANZHOU.code, 600, NO_REFERENCE, sender=trap.token.address)
    assert trap.outcome() == "went through"
    assert trap.token.balanceOf(trap.token) == 1_000
    assert trap.sums() == (0, OTHERS, OTHERS)


def test_a_deposit_within_a_deposit_is_credited_once_each(trap: Trap) -> None:
    """The inner one finds too few tokens for what the outer one credited already, and is refused."""
    trap.token.mint(trap.token.address, 300, sender=STRANGER)
    trap.token.approveFor(trap.house.address, 300, sender=STRANGER)
    trap.plan("deposit", LANZHOU.code, 300, NO_REFERENCE)
    trap.house.deposit(LANZHOU.code, 1_000, NO_REFERENCE, sender=STRANGER)
    assert trap.outcome() == f"TokensShort(held={OTHERS + 1_300}, tokens={OTHERS + 300})"
    assert trap.sums() == (1_000, OTHERS, OTHERS + 1_000)


def test_a_token_has_no_power_over_posts(trap: Trap) -> None:
    trap.plan("post", SHANGHAI.code, XUZHOU.code, OTHERS)
    trap.house.deposit(LANZHOU.code, 1_000, NO_REFERENCE, sender=STRANGER)
    assert trap.outcome() == f"NotRefunds(caller='{trap.token.address}')"
    assert trap.sums() == (1_000, OTHERS, OTHERS + 1_000)
