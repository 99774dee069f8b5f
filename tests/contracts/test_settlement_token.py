"""The settlement currency of test networks."""

from __future__ import annotations

from tests.contracts.node import Contract, Event, reverts
from tests.contracts.story import BANK_ACCOUNT, ZERO_ADDRESS, City, World, deploy


def test_its_smallest_unit_is_the_fen(token: Contract) -> None:
    assert token.decimals() == 2


def test_the_bank_mints(token: Contract, bank: str, xuzhou: City) -> None:
    supply = token.totalSupply()
    receipt = token.mint(xuzhou.treasury, 1_000, sender=bank)
    assert receipt.events == (Event("Transfer", **{"from": ZERO_ADDRESS, "to": xuzhou.treasury, "value": 1_000}),)
    assert token.balanceOf(xuzhou.treasury) == 1_000
    assert token.totalSupply() == supply + 1_000
    assert token.bank() == BANK_ACCOUNT


def test_nobody_else_mints(world: World, token: Contract, deployer: str, stranger: str, xuzhou: City) -> None:
    for caller in (deployer, stranger, xuzhou.admin, xuzhou.treasury, world.consortium.address):
        with reverts(token, "NotBank", caller=caller):
            token.mint(caller, 1, sender=caller)


def test_it_has_a_bank(world: World, token: Contract) -> None:
    with reverts(token, "ZeroBank"):
        deploy(world.node, "SettlementToken", ZERO_ADDRESS)
