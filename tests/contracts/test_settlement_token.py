"""The settlement currency of test networks."""

from __future__ import annotations

import pytest

from tests.contracts.node import Contract, Error, Event, Reverted, reverts
from tests.contracts.story import BANK_ACCOUNT, STRANGER, ZERO_ADDRESS, City, World, deploy


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


@pytest.mark.parametrize("decimals", [0, 1, 3, 6, 18, 255])
def test_a_clearinghouse_settles_in_no_currency_whose_unit_is_not_the_fen(world: World, decimals: int) -> None:
    """A fare of 503 would be a 5 quadrillionth of a yuan, or 503 of them."""
    token = deploy(world.node, "SettlementToken", BANK_ACCOUNT)
    push_and_return = f"0x60{decimals:02x}60005260206000f3"
    world.node.request("anvil_setCode", token.address, push_and_return)
    with pytest.raises(Reverted) as refused:
        deploy(world.node, "Clearinghouse", world.registry, token, ZERO_ADDRESS)
    assert refused.value.error == Error("WrongDecimals", decimals=decimals)


@pytest.mark.parametrize("what", ["an account without code", "a contract that knows no decimals"])
def test_nor_in_one_that_does_not_say_what_its_unit_is(world: World, what: str) -> None:
    token = STRANGER if what == "an account without code" else world.registry.address
    with pytest.raises(Reverted):
        deploy(world.node, "Clearinghouse", world.registry, token, ZERO_ADDRESS)


def test_it_has_a_bank(world: World, token: Contract) -> None:
    with reverts(token, "ZeroBank"):
        deploy(world.node, "SettlementToken", ZERO_ADDRESS)
