"""The public test accounts, and that anvil, ape and the city files have the same."""

from __future__ import annotations

import pytest
import yaml
from eth_account import Account

from interline.cities import load_cities
from network.accounts import (
    BANK,
    DEPLOYER,
    HD_PATH,
    TEST_MNEMONIC,
    Role,
    city_index,
    test_address,
    test_private_key,
)
from network.chain import REPOSITORY


@pytest.mark.parametrize(
    ("index", "address"),
    [(BANK, "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"), (DEPLOYER, "0x70997970C51812dc3A010C7d01b50e0d17dc79C8")],
)
def test_the_first_accounts_are_those_that_anvil_prints(index: int, address: str) -> None:
    assert test_address(index) == address


@pytest.mark.parametrize("index", [0, 1, 100, 203, 225])
def test_a_key_is_the_one_that_a_wallet_derives_from_the_mnemonic(index: int) -> None:
    Account.enable_unaudited_hdwallet_features()
    wallet = Account.from_mnemonic(TEST_MNEMONIC, account_path=HD_PATH.format(index))
    assert test_private_key(index) == bytes(wallet.key)
    assert test_address(index) == wallet.address


def test_no_two_roles_share_an_account() -> None:
    indexes = [city_index(position, role) for position in range(13) for role in Role]
    assert len({BANK, DEPLOYER, *indexes}) == 2 + 13 * len(Role)


def test_the_city_files_name_these_accounts() -> None:
    for position, city in enumerate(load_cities(REPOSITORY / "cities")):
        assert city.admin == test_address(city_index(position, Role.ADMIN)), city.name
        assert city.treasury == test_address(city_index(position, Role.TREASURY)), city.name
        assert city.recovery == test_address(city_index(position, Role.RECOVERY)), city.name
        assert list(city.submitters) == [test_address(city_index(position, Role.SUBMITTER))], city.name


def test_ape_has_them_all_as_its_test_accounts() -> None:
    config = yaml.safe_load((REPOSITORY / "ape-config.yaml").read_text(encoding="utf-8"))
    assert config["test"]["mnemonic"] == TEST_MNEMONIC
    assert config["test"]["hd_path"] + "/{}" == HD_PATH
    assert config["test"]["number_of_accounts"] > city_index(12, max(Role))
