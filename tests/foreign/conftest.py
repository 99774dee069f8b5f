"""The people and places: another vendor's client, Hangzhou's gate, and riders from Shanghai and Xuzhou."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from interline.keystores import save_keystore
from network.accounts import Role
from network.chain import Chain
from tests.support.deploy import REPOSITORY, City, Deployment, deploy
from tests.support.patience import PATIENCE

CLIENT = Path(__file__).with_name("cli.mjs")
PASSWORD = "a password of the tests"
LIGHT_SCRYPT = 2**12  # test keystores needn't withstand anybody

Json = dict[str, Any]


def run_client(*arguments: str, document: object = None) -> tuple[int, Any]:
    """Run the foreign client; its exit status, and the JSON it wrote."""
    run = subprocess.run(
        ["node", str(CLIENT), *arguments],
        input=json.dumps(document),
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
        timeout=PATIENCE,
    )
    assert run.returncode in (0, 1), run.stderr
    return run.returncode, json.loads(run.stdout)


@dataclass(frozen=True)
class ForeignVendor:
    """Another vendor: its software is the foreign client, its keys are those of the cities that bought it."""

    deployment: Deployment

    def ask(self, command: str, document: Json | list[Json], *, expect: int = 0) -> Any:
        """Run one command; the domain is added to what it reads."""
        domain = {"chainId": self.deployment.web3.eth.chain_id, "clearinghouse": self.deployment.clearinghouse.address}
        many = [domain | one for one in document] if isinstance(document, list) else domain | document
        status, answer = run_client(command, document=many)
        assert status == expect, answer
        return answer

    def issue(self, issuer: City, operator: City, serials: Sequence[int]) -> list[Json]:
        """A ticket for each serial, each with a rider key of its own; good for a day."""
        ticket = {
            "issuerKey": "0x" + issuer.private_key(Role.ISSUER_KEY).hex(),
            "issuer": issuer.code,
            "keyId": 1,
            "operator": operator.code,
            "notAfter": int(time.time()) + 86_400,
            "fareCap": 2_000,
        }
        tickets: list[Json] = self.ask("ticket", [ticket | {"serial": serial} for serial in serials])
        return tickets

    def show(self, ticket: Json, *shown_at: int) -> list[Json]:
        """The codes that the rider's phone shows at these times."""
        shown = {"ticket": ticket["ticket"], "riderPrivateKey": ticket["riderPrivateKey"]}
        codes: list[Json] = self.ask("code", [shown | {"shownAt": at} for at in shown_at])
        return codes

    def batch(self, operator: City, rides: list[Json]) -> Json:
        """A batch of rides, built and signed by the operator's back office."""
        batch: Json = self.ask("batch", self._signing(operator) | {"rides": rides})
        return batch

    def sign(self, operator: City, batch: bytes) -> Json:
        """A batch given as bytes, signed as it is."""
        signed: Json = self.ask("batch", self._signing(operator) | {"batch": "0x" + batch.hex()})
        return signed

    def settle(self, batch: Json, *, expect: int = 0) -> Json:
        """Send a batch from an account that is nobody's: who relays it does not matter."""
        relay = {"rpc": self.deployment.url, "relayerKey": "0x" + "5e" * 32, "batch": batch["batch"]}
        answer: Json = self.ask("settle", relay | {"signature": batch["signature"]}, expect=expect)
        return answer

    def _signing(self, operator: City) -> Json:
        key = operator.private_key(Role.SUBMITTER)
        return {"operator": operator.code, "submitterKey": "0x" + key.hex()}


@dataclass(frozen=True)
class Gate:
    """Our gate-client at a station, in a folder of its own."""

    config: Path

    def run(self, *arguments: str, lines: Sequence[str] = ()) -> tuple[int, list[Json]]:
        """Run one command; its exit status, and what it wrote, one JSON document a line."""
        run = subprocess.run(
            [Path(sys.executable).with_name("gate-client"), "--config", self.config, *arguments],
            input="".join(line + "\n" for line in lines),
            capture_output=True,
            text=True,
            env=os.environ | {"GATE_KEYSTORE_PASSWORD": PASSWORD},
            check=False,
            timeout=PATIENCE,
        )
        assert run.returncode in (0, 1), run.stderr
        return run.returncode, [json.loads(line) for line in run.stdout.splitlines()]

    def scan(self, direction: str, station: int, *texts: str) -> tuple[int, list[Json]]:
        """Scan codes as text."""
        given = [argument for text in texts for argument in ("--text", text)]
        return self.run("scan", "--direction", direction, "--station", str(station), "--json", *given)


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    with Chain(block_time=None) as chain:
        yield deploy(chain.url, cities=["Shanghai", "Hangzhou", "Ningbo", "Xuzhou"])


@pytest.fixture(scope="session")
def vendor(deployment: Deployment) -> ForeignVendor:
    return ForeignVendor(deployment)


@pytest.fixture(scope="session")
def shanghai(deployment: Deployment) -> City:
    return deployment.cities["Shanghai"]


@pytest.fixture(scope="session")
def hangzhou(deployment: Deployment) -> City:
    return deployment.cities["Hangzhou"]


@pytest.fixture(scope="session")
def ningbo(deployment: Deployment) -> City:
    return deployment.cities["Ningbo"]


@pytest.fixture(scope="session")
def xuzhou(deployment: Deployment) -> City:
    return deployment.cities["Xuzhou"]


@pytest.fixture
def gate(tmp_path: Path, deployment: Deployment, hangzhou: City) -> Gate:
    """A gate of Hangzhou, with a trust list of now."""
    save_keystore(tmp_path / "submitter.json", hangzhou.private_key(Role.SUBMITTER), PASSWORD, scrypt_n=LIGHT_SCRYPT)
    settings = {
        "operator": hangzhou.code,
        "station": 1,
        "rpc": deployment.url,
        "clearinghouse": deployment.clearinghouse.address,
        "journal": "journal.db",
        "keystore": "submitter.json",
        "tariff": str(hangzhou.file.tariff),
    }
    config = tmp_path / "gate.toml"
    config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    gate = Gate(config)
    gate.run("sync", "--json")
    return gate
