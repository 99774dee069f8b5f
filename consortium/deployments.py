"""Deployments' files: `deployments/NAME.json`, which contract is where. Written whole or not at all."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from consortium.errors import DeploymentError
from interline.contracts import CONTRACTS
from interline.errors import MalformedError
from interline.signatures import parse_address, to_checksum

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_HASH: Final = re.compile(r"0x[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class DeployedContract:
    """Where a contract is, and which transaction made it."""

    address: str
    """Checksummed."""
    block: int
    """The block it was made in."""
    transaction: str
    """Its hash: 0x and 64 lowercase hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """The contracts of one deployment; unfinished until all five are there."""

    chain_id: int
    contracts: Mapping[str, DeployedContract]

    def address(self, contract: str) -> str:
        """The checksummed address of one of the contracts.

        Raises DeploymentError where it isn't deployed yet.
        """
        if contract not in self.contracts:
            raise DeploymentError(f"expected {contract} in the deployment, it isn't there: run `ape run deploy` again")
        return self.contracts[contract].address

    @property
    def missing(self) -> list[str]:
        """The contracts that aren't deployed yet."""
        return [name for name in CONTRACTS if name not in self.contracts]

    def plus(self, **contracts: DeployedContract) -> "Deployment":
        """The same with more contracts."""
        return replace(self, contracts={**self.contracts, **contracts})

    def to_json(self) -> dict[str, Any]:
        """The file's document."""
        return {
            "chain_id": self.chain_id,
            "contracts": {
                name: {"address": it.address, "block": it.block, "transaction": it.transaction}
                for name, it in sorted(self.contracts.items())
            },
        }


def deployment_path(folder: Path, name: str) -> Path:
    """The file of a deployment.

    Raises DeploymentError where the name isn't one.
    """
    if not _NAME.fullmatch(name):
        raise DeploymentError(f"expected a deployment's name (letters, digits, - and _), came {name!r}: try `local`")
    return folder / f"{name}.json"


def load_deployment(path: Path) -> Deployment | None:
    """A deployment as its file says, None where there is no file.

    Raises DeploymentError where the file isn't one of a deployment.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DeploymentError(f"{path}: expected JSON of a deployment, came: {error}; {_ADVICE}") from error
    try:
        contracts = {str(name): _contract(entry) for name, entry in document["contracts"].items()}
        chain_id = document["chain_id"]
        if type(chain_id) is not int:
            raise ValueError(f"chain_id {chain_id!r}")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        what = "nothing at " + str(error) if isinstance(error, KeyError) else str(error)
        raise DeploymentError(
            f"{path}: expected a deployment's chain_id and contracts, came {what}; {_ADVICE}"
        ) from error
    return Deployment(chain_id, contracts)


def require_deployment(path: Path) -> Deployment:
    """A deployment that is finished.

    Raises DeploymentError where there is no such file, or the deployment was never finished.
    """
    deployment = load_deployment(path)
    if deployment is None:
        others = sorted(other.stem for other in path.parent.glob("*.json"))
        known = f"there are {', '.join(others)}" if others else "there is none yet"
        raise DeploymentError(
            f"expected the deployment's file {path}, {known}: run `ape run deploy --deployment {path.stem}`, "
            "or name another with --deployment"
        )
    if deployment.missing:
        raise DeploymentError(
            f"{path}: expected all five contracts, {', '.join(deployment.missing)} is missing: "
            f"run `ape run deploy --deployment {path.stem}` again to finish it"
        )
    return deployment


def write_deployment(path: Path, deployment: Deployment) -> None:
    """Write a deployment's file, durably and at once: whoever reads it finds the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(deployment.to_json(), file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _contract(entry: Mapping[str, Any]) -> DeployedContract:
    try:
        address = to_checksum(parse_address(entry["address"]))
    except MalformedError as error:
        raise ValueError(f"address: {error}") from error
    block, transaction = entry["block"], entry["transaction"]
    if type(block) is not int or not isinstance(transaction, str) or not _HASH.fullmatch(transaction):
        raise ValueError(f"block {block!r}, transaction {transaction!r}")
    return DeployedContract(address, block, transaction)


_ADVICE: Final = "restore it, or deploy anew with `ape run deploy --replace`"
