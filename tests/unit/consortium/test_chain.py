"""Which chain is the right one, and what a transaction offers for its gas."""

from types import SimpleNamespace
from typing import Any

import pytest

from consortium.calls import Call, Step
from consortium.chain import Chain
from consortium.deployments import DeployedContract, Deployment
from consortium.errors import DeploymentError, TransactionError
from consortium.onboarding import require_on_chain
from interline.contracts import CONTRACTS

ADDRESS = "0xCD5691EA878D262516be278cb46f2fd7fF132083"
GWEI = 10**9


@pytest.fixture
def deployment() -> Deployment:
    return Deployment(1337, dict.fromkeys(CONTRACTS, DeployedContract(ADDRESS, 3, "0x" + 64 * "a")))


def with_contracts(chain_id: int, *, there: bool) -> Any:
    return SimpleNamespace(chain_id=chain_id, has_code=lambda address: there)


def test_a_deployment_is_used_on_its_own_chain_alone(deployment: Deployment) -> None:
    require_on_chain(with_contracts(1337, there=True), deployment)
    with pytest.raises(
        DeploymentError, match="expected chain 1337, for which the deployment was made, this is chain 1:"
    ):
        require_on_chain(with_contracts(1, there=True), deployment)


def test_a_chain_without_the_contracts_is_another_one_of_the_same_id(deployment: Deployment) -> None:
    with pytest.raises(DeploymentError, match=f"expected CityRegistry at {ADDRESS}, there is no contract"):
        require_on_chain(with_contracts(1337, there=False), deployment)


def chain(*, price: int, base_fee: int | None, local: bool, balance: int) -> Chain:
    made = Chain.__new__(Chain)
    made._price, made._base_fee, made.is_local = price, base_fee, local
    made._balance = lambda address: balance  # type: ignore[method-assign]
    return made


@pytest.mark.parametrize(
    ("price", "base_fee", "local", "balance", "free"),
    [
        (0, 0, False, 0, True),
        (0, None, False, 0, True),  # a chain from before base fees
        (GWEI, 0, True, 0, True),  # anvil suggests a tip on a free chain too
        (GWEI, 0, False, 0, True),
        (GWEI, 0, False, 50_000 * GWEI, False),  # it can pay: Ape decides
        (GWEI, 7, True, 0, False),
        (GWEI, 7, False, 0, False),
        (GWEI, None, True, 0, False),
    ],
)
def test_no_fee_is_offered_only_where_none_is_asked_for(
    price: int, base_fee: int | None, local: bool, balance: int, free: bool
) -> None:
    one = chain(price=price, base_fee=base_fee, local=local, balance=balance)
    assert one._is_free_for(ADDRESS, 50_000) is free


class Signs:
    """An account that gives what it signed, as a Safe's gives its owner's transaction, or nothing."""

    alias = "safe"

    def __init__(self, signed: Any) -> None:
        self.signed = signed

    def prepare_transaction(self, transaction: Any) -> Any:
        return transaction

    def sign_transaction(self, transaction: Any) -> Any:
        return self.signed


def sends_through(account: Signs) -> tuple[Chain, list[bytes]]:
    made, sent = Chain.__new__(Chain), list[bytes]()
    made._price = 0
    made.signers = SimpleNamespace(require=lambda address, role: account)  # type: ignore[assignment]
    ecosystem = SimpleNamespace(create_transaction=lambda **fields: fields)
    made._provider = SimpleNamespace(network=SimpleNamespace(ecosystem=ecosystem))

    def ask(method: str, raw: str) -> str:
        assert method == "eth_sendRawTransaction"
        sent.append(bytes.fromhex(raw[2:]))
        return f"0x{bytes(32).hex()}"

    made._node = SimpleNamespace(ask=ask, name="node")  # type: ignore[assignment]
    return made, sent


CALL = Call(Step.ACT, "Ningbo freezes", ADDRESS, "admin of Ningbo", ADDRESS, b"\1")


def test_what_an_account_signed_is_sent_though_it_is_another_transaction() -> None:
    made, sent = sends_through(Signs(SimpleNamespace(serialize_transaction=lambda: b"by an owner")))
    made._sign_and_send(CALL, 0, 50_000)
    assert sent == [b"by an owner"]


def test_an_account_that_gives_no_signature_is_named_and_nothing_is_sent() -> None:
    made, sent = sends_through(Signs(None))
    with pytest.raises(TransactionError, match=r"\(admin of Ningbo\), none came.*Safe's other owners"):
        made._sign_and_send(CALL, 0, 50_000)
    assert sent == []
