"""Deploying the contracts with their founders. A run that was ended goes on where it stopped, once it is run again."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from consortium.calls import Call, Step, encode_constructor
from consortium.chain import Chain, Receipt
from consortium.deployments import DeployedContract, Deployment, load_deployment, write_deployment
from consortium.errors import ConsortiumError, DeploymentError
from consortium.onboarding import Office, require_on_chain
from interline.cities import CityFile

logger = logging.getLogger(__name__)

Bytecode = Callable[[str], str]
"""What the compiler made of a contract, in hexadecimal digits, by the contract's name."""
_NAMES: Final = ("Consortium", "SettlementToken", "Clearinghouse")
"""What is deployed, in its order."""
_MADE_WITH: Final = (("Consortium", "registry", "CityRegistry"), ("Clearinghouse", "refunds", "Refunds"))
"""Contracts that another's constructor makes, and the function that tells where."""
_NO_PREDECESSOR: Final = "0x" + "00" * 20


@dataclass(frozen=True, slots=True)
class Deployed:
    """What one run did."""

    path: Path
    deployment: Deployment
    receipts: tuple[Receipt, ...]
    """The transactions of this run; none where nothing was missing."""

    def to_json(self) -> dict[str, Any]:
        """The document of `ape run deploy --json`: that of the file, and what this run sent."""
        return {
            **self.deployment.to_json(),
            "file": str(self.path),
            "gas": sum(receipt.gas for receipt in self.receipts),
            "transactions": [
                {"what": it.call.what, "transaction": it.transaction, "block": it.block, "gas": it.gas}
                for it in self.receipts
            ],
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What to deploy, and who does it."""

    path: Path
    """The deployment's file."""
    founders: Sequence[CityFile]
    deployer: str
    """Checksummed address that pays for the contracts' gas; it has no power over them."""
    bank: str
    """Checksummed address that mints the settlement token."""
    bytecode: Bytecode
    replace: bool = False
    """Whether to begin anew where the file names contracts that aren't on this chain, or are."""


def deploy(chain: Chain, plan: Plan) -> Deployed:
    """Deploy what is missing, and set the founders up: keys, submitters, tokens, opening deposits.

    The file is written as soon as a contract is there. A run that is killed between a contract's transaction and the
    file leaves a contract that nobody uses.

    Raises:
        DeploymentError: the file is of another chain, or its contracts belong to others.
        ConsortiumError: there is no founder, or a step can't be done.
    """
    if not plan.founders:
        raise DeploymentError("expected city files that say `founder: true`, came none: correct --cities, or the files")
    deployment = None if plan.replace else load_deployment(plan.path)
    if deployment is not None:
        require_on_chain(chain, deployment)
    deployment, receipts = _contracts(chain, plan, deployment or Deployment(chain.chain_id, {}))
    _require_wired(chain, deployment)
    _require_founders(chain, plan, deployment)
    receipts += Office(chain, deployment).set_up(plan.founders)
    return Deployed(plan.path, deployment, tuple(receipts))


def _contracts(chain: Chain, plan: Plan, deployment: Deployment) -> tuple[Deployment, list[Receipt]]:
    """Deploys the missing ones: Consortium and token in one block, then the Clearinghouse, which needs both."""
    receipts: list[Receipt] = []
    first = [name for name in _NAMES[:2] if name in deployment.missing]
    chain.wait_for_pending([plan.deployer])
    for names in (first, ["Clearinghouse"]):
        calls = [_creation(plan, deployment, name) for name in names if name in deployment.missing]
        for name, receipt in zip(names, chain.send(calls), strict=bool(calls)):
            receipts.append(receipt)
            deployment = _with(chain, deployment, name, receipt)
        if calls:
            write_deployment(plan.path, deployment)
    return deployment, receipts


def _creation(plan: Plan, deployment: Deployment, name: str) -> Call:
    arguments: tuple[Any, ...]
    if name == "Consortium":
        arguments = ([(city.code, city.name, city.admin, city.treasury, city.recovery) for city in plan.founders],)
    elif name == "SettlementToken":
        arguments = (plan.bank,)
    else:
        arguments = (deployment.address("CityRegistry"), deployment.address("SettlementToken"), _NO_PREDECESSOR)
    data = encode_constructor(name, plan.bytecode(name), *arguments)
    return Call(Step.DEPLOY, f"deploy {name}", plan.deployer, "deployer", None, data)


def _with(chain: Chain, deployment: Deployment, name: str, receipt: Receipt) -> Deployment:
    if receipt.contract is None:
        raise ConsortiumError(f"expected transaction {receipt.transaction} to make {name}, it made no contract")
    deployment = deployment.plus(**{name: DeployedContract(receipt.contract, receipt.block, receipt.transaction)})
    for maker, function, made in _MADE_WITH:
        if name == maker:
            address = chain.read(maker, receipt.contract, function, block=receipt.block)
            deployment = deployment.plus(**{made: DeployedContract(address, receipt.block, receipt.transaction)})
    return deployment


def _require_wired(chain: Chain, deployment: Deployment) -> None:
    """The contracts must be those of each other, as a file put together by hand might not be."""
    for contract, function, expected in (
        ("Consortium", "registry", "CityRegistry"),
        ("CityRegistry", "consortium", "Consortium"),
        ("Clearinghouse", "registry", "CityRegistry"),
        ("Clearinghouse", "token", "SettlementToken"),
        ("Clearinghouse", "refunds", "Refunds"),
    ):
        came = chain.read(contract, deployment.address(contract), function)
        if came != deployment.address(expected):
            raise DeploymentError(
                f"expected {contract}.{function}() to be the deployment's {expected} {deployment.address(expected)}, "
                f"came {came}: the file names contracts of different deployments; restore it"
            )


def _require_founders(chain: Chain, plan: Plan, deployment: Deployment) -> None:
    members = chain.read("CityRegistry", deployment.address("CityRegistry"), "cities")
    strangers = [city.name for city in plan.founders if city.code not in members]
    if strangers:
        raise DeploymentError(
            f"expected {', '.join(strangers)} among the founders of the deployment {plan.path.stem}, they aren't "
            "members: founders are set when it is deployed. Bring them in with `ape run onboard`, or deploy anew with "
            "--replace"
        )
