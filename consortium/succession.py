"""A Clearinghouse that takes over: deployed with the old one as its predecessor, and written to a deployment's file."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consortium.calls import Call, Step, encode_constructor
from consortium.chain import Chain, Receipt
from consortium.costs import Cost
from consortium.deployments import DeployedContract, Deployment, deployment_path, load_deployment, write_deployment
from consortium.errors import ConsortiumError, DeploymentError
from consortium.onboarding import require_on_chain

_NUMBERED: Final = re.compile(r"(.+)-([0-9]+)")


@dataclass(frozen=True, slots=True)
class Successor:
    """The Clearinghouse that is to take over."""

    path: Path
    """Its deployment's file."""
    deployment: Deployment | None
    """None in a dry run that would make it."""
    receipts: tuple[Receipt, ...]
    costs: tuple[Cost, ...]

    @property
    def address(self) -> str | None:
        """Its checksummed address; None in a dry run that would make it."""
        return None if self.deployment is None else self.deployment.address("Clearinghouse")


def next_path(path: Path, name: str | None) -> Path:
    """The file of the successor's deployment: of that name, or `local-2` after `local`.

    Raises DeploymentError where the name isn't one, or is the old one's.
    """
    if name is None:
        numbered = _NUMBERED.fullmatch(path.stem)
        name = f"{numbered[1]}-{int(numbered[2]) + 1}" if numbered else f"{path.stem}-2"
    found = deployment_path(path.parent, name)
    if found == path:
        raise DeploymentError(f"expected another name than the present deployment's, came {name}: choose one")
    return found


def make_successor(
    chain: Chain, old: Deployment, path: Path, deployer: str, bytecode: Callable[[str], str], *, dry_run: bool
) -> Successor:
    """Deploy the Clearinghouse that is to take over from `old`, unless its file says that it is there.

    Raises:
        DeploymentError: the file is of another deployment.
        TransactionError, ChainError, AccountMissingError: it can't be deployed.
    """
    there = load_deployment(path)
    if there is not None:
        _require_follows(chain, old, there, path)
        return Successor(path, there, (), ())
    arguments = [old.address(name) for name in ("CityRegistry", "SettlementToken", "Clearinghouse")]
    data = encode_constructor("Clearinghouse", bytecode("Clearinghouse"), *arguments)
    call = Call(Step.DEPLOY, "deploy the Clearinghouse that takes over", deployer, "deployer", None, data)
    if dry_run:
        return Successor(path, None, (), tuple(chain.costs([call])))
    chain.wait_for_pending([deployer])
    (receipt,) = chain.send([call])
    if receipt.contract is None:
        raise ConsortiumError(f"expected transaction {receipt.transaction} to make a contract, it made none")
    refunds = chain.read("Clearinghouse", receipt.contract, "refunds", block=receipt.block)
    made = old.plus(
        Clearinghouse=DeployedContract(receipt.contract, receipt.block, receipt.transaction),
        Refunds=DeployedContract(refunds, receipt.block, receipt.transaction),
    )
    write_deployment(path, made)
    return Successor(path, made, (receipt,), ())


def _require_follows(chain: Chain, old: Deployment, there: Deployment, path: Path) -> None:
    require_on_chain(chain, there)
    came = chain.read("Clearinghouse", there.address("Clearinghouse"), "predecessor")
    if came != old.address("Clearinghouse"):
        raise DeploymentError(
            f"{path}: expected a Clearinghouse that takes over from {old.address('Clearinghouse')}, that at "
            f"{there.address('Clearinghouse')} takes over from {came}: choose another --name"
        )
