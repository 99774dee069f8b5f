"""Deployments' files."""

import json
from pathlib import Path
from typing import Any

import pytest

from consortium.deployments import (
    DeployedContract,
    Deployment,
    deployment_path,
    load_deployment,
    require_deployment,
    write_deployment,
)
from consortium.errors import DeploymentError
from interline.contracts import CONTRACTS

ADDRESS = "0xCD5691EA878D262516be278cb46f2fd7fF132083"


@pytest.fixture
def deployment() -> Deployment:
    contract = DeployedContract(ADDRESS, 3, "0x" + 64 * "a")
    return Deployment(1337, dict.fromkeys(CONTRACTS, contract))


def test_what_is_written_is_read_again(tmp_path: Path, deployment: Deployment) -> None:
    path = tmp_path / "new" / "local.json"
    write_deployment(path, deployment)
    assert require_deployment(path) == load_deployment(path) == deployment
    assert [file.name for file in path.parent.iterdir()] == ["local.json"]


def test_the_file_is_the_agreed_document(tmp_path: Path, deployment: Deployment) -> None:
    path = tmp_path / "local.json"
    write_deployment(path, deployment)
    entry = {"address": ADDRESS, "block": 3, "transaction": "0x" + 64 * "a"}
    assert json.loads(path.read_text()) == {"chain_id": 1337, "contracts": dict.fromkeys(CONTRACTS, entry)}


def test_a_missing_file_says_which_there_are_and_what_to_run(tmp_path: Path, deployment: Deployment) -> None:
    assert load_deployment(tmp_path / "nix.json") is None
    with pytest.raises(DeploymentError, match="there is none yet: run `ape run deploy --deployment nix`"):
        require_deployment(tmp_path / "nix.json")
    write_deployment(tmp_path / "local.json", deployment)
    with pytest.raises(DeploymentError, match="there are local: "):
        require_deployment(tmp_path / "nix.json")


def test_a_deployment_that_was_never_finished_is_refused_where_all_is_needed(
    tmp_path: Path, deployment: Deployment
) -> None:
    contracts = {name: it for name, it in deployment.contracts.items() if name != "Clearinghouse"}
    unfinished = Deployment(1337, contracts)
    write_deployment(tmp_path / "local.json", unfinished)
    assert load_deployment(tmp_path / "local.json") == unfinished
    with pytest.raises(
        DeploymentError, match="Clearinghouse is missing: run `ape run deploy --deployment local` again"
    ):
        require_deployment(tmp_path / "local.json")
    with pytest.raises(DeploymentError, match="expected Clearinghouse in the deployment"):
        unfinished.address("Clearinghouse")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("chain_id",), "1337"),
        (("contracts",), []),
        (("contracts", "Consortium", "address"), "0x12"),
        (("contracts", "Consortium", "block"), "3"),
        (("contracts", "Consortium", "transaction"), "0x12"),
        (("contracts", "Consortium"), None),
    ],
)
def test_a_file_with_one_wrong_entry_is_refused(
    tmp_path: Path, deployment: Deployment, where: tuple[str, ...], value: Any
) -> None:
    document = deployment.to_json()
    inner = document
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    path = tmp_path / "local.json"
    path.write_text(json.dumps(document))
    with pytest.raises(DeploymentError, match="ape run deploy --replace"):
        load_deployment(path)


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "local.json").write_text("{")
    with pytest.raises(DeploymentError, match="expected JSON of a deployment"):
        load_deployment(tmp_path / "local.json")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a.json", "a b"])
def test_a_name_that_could_lead_elsewhere_is_no_name(name: str) -> None:
    with pytest.raises(DeploymentError, match="expected a deployment's name"):
        deployment_path(Path("deployments"), name)


def test_a_name_leads_to_its_file() -> None:
    assert deployment_path(Path("deployments"), "test-2_b") == Path("deployments/test-2_b.json")
