"""Finding who can sign."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from ape_accounts.accounts import InvalidPasswordError

from consortium.accounts import Signers
from consortium.chain import Chain
from consortium.errors import AccountMissingError, ConsortiumError
from consortium.roles import bank_of, deployer_of
from network.accounts import BANK, DEPLOYER, test_address

SHANGHAI = "0x8C3229EC621644789d7F61FAa82c6d0E5F97d43D"
STRANGER = "0xCD5691EA878D262516be278cb46f2fd7fF132083"


@dataclass
class Account:
    """An account as Ape has them."""

    address: str
    alias: str
    autosigns: bool = False

    def set_autosign(self, enabled: bool) -> None:
        self.autosigns = enabled


@dataclass
class Manager:
    """Ape's account manager: keyfiles, and apart from them test accounts."""

    keyfiles: list[Account] = field(default_factory=list)
    test_accounts: list[Account] = field(default_factory=list)

    def __iter__(self) -> Iterator[Account]:
        return iter(self.keyfiles)


@pytest.fixture
def manager() -> Manager:
    tests = [Account(test_address(index), f"TEST::{index}") for index in (BANK, DEPLOYER)]
    return Manager([Account(SHANGHAI, "shanghai")], tests)


def test_keyfiles_are_found_by_address_and_by_alias(manager: Manager) -> None:
    signers = Signers(manager, with_test_accounts=False)
    assert signers.has(SHANGHAI)
    assert signers.require(SHANGHAI, "admin of Shanghai") is manager.keyfiles[0]
    assert signers.by_alias("shanghai") == SHANGHAI


def test_test_accounts_count_on_local_networks_alone(manager: Manager) -> None:
    assert Signers(manager, with_test_accounts=True).has(test_address(BANK))
    assert not Signers(manager, with_test_accounts=False).has(test_address(BANK))


def test_a_missing_account_is_named_with_its_role_and_how_to_import_it(manager: Manager) -> None:
    with pytest.raises(AccountMissingError, match=rf"{STRANGER} \(admin of Xuzhou\).*`ape accounts import NAME`"):
        Signers(manager, with_test_accounts=True).require(STRANGER, "admin of Xuzhou")
    with pytest.raises(AccountMissingError, match="ape accounts import xuzhou"):
        Signers(manager, with_test_accounts=True).by_alias("xuzhou")


def test_a_keyfile_signs_unattended_only_where_its_passphrase_is_in_the_environment(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    Signers(manager, with_test_accounts=False).require(SHANGHAI, "admin of Shanghai")
    assert not manager.keyfiles[0].autosigns
    monkeypatch.setenv("APE_ACCOUNTS_shanghai_PASSPHRASE", "secret")
    signers = Signers(manager, with_test_accounts=False)
    assert signers.has(SHANGHAI)
    assert not manager.keyfiles[0].autosigns  # it isn't needed yet
    signers.require(SHANGHAI, "admin of Shanghai")
    assert manager.keyfiles[0].autosigns


def test_a_wrong_passphrase_is_named_with_its_variable(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(enabled: bool) -> None:
        raise InvalidPasswordError

    monkeypatch.setattr(manager.keyfiles[0], "set_autosign", refuse)
    monkeypatch.setenv("APE_ACCOUNTS_shanghai_PASSPHRASE", "wrong")
    with pytest.raises(AccountMissingError, match=r"in APE_ACCOUNTS_shanghai_PASSPHRASE, it opens nothing"):
        Signers(manager, with_test_accounts=False).require(SHANGHAI, "admin of Shanghai")


def chain(manager: Manager, *, local: bool) -> Chain:
    signers = Signers(manager, with_test_accounts=local)
    return SimpleNamespace(signers=signers, is_local=local)  # type: ignore[return-value]


def test_on_a_local_network_test_accounts_deploy_and_mint(manager: Manager) -> None:
    assert deployer_of(chain(manager, local=True), None) == test_address(DEPLOYER)
    assert bank_of(chain(manager, local=True), None) == test_address(BANK)


def test_elsewhere_the_deployer_and_the_bank_have_to_be_named(manager: Manager) -> None:
    lasting = chain(manager, local=False)
    with pytest.raises(AccountMissingError, match="expected --account"):
        deployer_of(lasting, None)
    with pytest.raises(ConsortiumError, match="expected --bank"):
        bank_of(lasting, None)
    assert deployer_of(lasting, "shanghai") == SHANGHAI
    assert bank_of(lasting, STRANGER.lower()) == STRANGER


def test_a_bank_that_is_no_address_is_refused(manager: Manager) -> None:
    with pytest.raises(ConsortiumError, match="--bank"):
        bank_of(chain(manager, local=True), "0x12")
