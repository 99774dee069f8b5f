"""A city's folder on a local chain, which its gate and its ticket office can work with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import gate_client.config
import issuer_client.config
from interline.cities import load_cities
from interline.keystores import load_keystore
from interline.signatures import address_of, parse_address
from network import local_city
from network.accounts import test_address
from network.chain import REPOSITORY
from network.local_city import main, write_local_city

CITIES = REPOSITORY / "cities"
CLEARINGHOUSE = test_address(239)
RPC = "http://127.0.0.1:8545"
PASSWORD = "through 13 gates"


@pytest.fixture
def xuzhou(tmp_path: Path) -> Path:
    folder = tmp_path / "xuzhou"
    write_local_city(load_cities(CITIES), 3203, clearinghouse=CLEARINGHOUSE, rpc=RPC, out=folder, password=PASSWORD)
    return folder


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a deployment named `local`, and the password in the environment."""
    deployment = {"chain_id": 1337, "contracts": {"Clearinghouse": {"address": CLEARINGHOUSE}}}
    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments" / "local.json").write_text(json.dumps(deployment), encoding="utf-8")
    monkeypatch.setattr(local_city, "REPOSITORY", tmp_path)
    monkeypatch.setenv("INTERLINE_TEST_PASSWORD", PASSWORD)
    return tmp_path


def test_the_gate_can_read_its_settings(xuzhou: Path) -> None:
    config = gate_client.config.load_config(xuzhou / "gate.toml")
    assert config.operator == 3203
    assert config.station != 0
    assert config.rpc == RPC
    assert config.clearinghouse == parse_address(CLEARINGHOUSE)
    assert config.tariff.resolve() == (CITIES / "tariffs" / "xuzhou").resolve()
    assert config.journal.parent == xuzhou


def test_the_ticket_office_can_read_its_settings(xuzhou: Path) -> None:
    config = issuer_client.config.load_config(xuzhou / "issuer.toml")
    assert (config.city, config.chain_id, config.key_id) == (3203, 1337, 1)
    assert config.clearinghouse == parse_address(CLEARINGHOUSE)
    assert config.cities.resolve() == CITIES.resolve()


def test_the_keystores_hold_the_keys_that_the_city_file_names(xuzhou: Path) -> None:
    city = next(city for city in load_cities(CITIES) if city.code == 3203)
    issuer_key = load_keystore(xuzhou / "issuer-key.json", PASSWORD)
    submitter = load_keystore(xuzhou / "submitter.json", PASSWORD)
    assert address_of(issuer_key) == city.issuer_keys[0].address
    assert address_of(submitter) == parse_address(city.submitters[0])


def test_written_again_nothing_but_the_keystores_encryption_differs(xuzhou: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    write_local_city(load_cities(CITIES), 3203, clearinghouse=CLEARINGHOUSE, rpc=RPC, out=again, password=PASSWORD)
    assert {path.name for path in again.iterdir()} == {path.name for path in xuzhou.iterdir()}
    for name in ("gate.toml", "issuer.toml"):
        assert (again / name).read_text(encoding="utf-8") == (xuzhou / name).read_text(encoding="utf-8")


def test_the_command_takes_the_clearinghouse_from_the_deployment(deployed: Path) -> None:
    done = CliRunner().invoke(main, ["xuzhou", "--rpc", RPC, "--out", str(deployed / "folder")])
    assert done.exit_code == 0, done.output
    config = gate_client.config.load_config(deployed / "folder" / "gate.toml")
    assert config.clearinghouse == parse_address(CLEARINGHOUSE)


def test_an_unknown_city_is_an_error_that_names_the_known_ones(deployed: Path) -> None:
    done = CliRunner().invoke(main, ["Atlantis", "--out", str(deployed / "folder")])
    assert done.exit_code == 1
    assert "Xuzhou" in done.output
    assert "'Atlantis'" in done.output


def test_a_missing_deployment_is_an_error_that_says_what_writes_it(deployed: Path) -> None:
    done = CliRunner().invoke(main, ["Xuzhou", "--deployment", "elsewhere", "--out", str(deployed / "folder")])
    assert done.exit_code == 1
    assert "`ape run deploy` writes it" in done.output
