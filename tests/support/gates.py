"""A gate's folder as an operator would set it up, and its command run as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interline.keystores import save_keystore
from interline.signatures import to_checksum
from network.accounts import Role
from tests.support.deploy import City, Deployment
from tests.support.programs import run_program
from tests.support.riders import Rider

PASSWORD = "a password for tests"


@dataclass(frozen=True)
class GateFolder:
    """`gate.toml`, keystore and journal of one city's gates."""

    config: Path

    @property
    def folder(self) -> Path:
        return self.config.parent

    @property
    def journal(self) -> Path:
        return self.folder / "gate.db"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "gate_client", "--config", str(self.config), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"GATE_KEYSTORE_PASSWORD": PASSWORD, "GATE_TREASURY_PASSWORD": PASSWORD}

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `gate-client` and wait for it."""
        return run_program(self.command(*arguments), input=stdin, env=self.environment)

    def scan_texts(self, direction: str, texts: Sequence[str], *, station: int = 1) -> list[dict[str, Any]]:
        """Type texts into `gate-client scan -` and return its answers."""
        lines = "".join(f"{text}\n" for text in texts)
        done = self.run("scan", "--direction", direction, "--station", str(station), "--json", "-", stdin=lines)
        assert done.returncode in (0, 1), done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def pass_through(self, riders: Sequence[Rider], *, stations: tuple[int, int] = (1, 9)) -> tuple[int, int]:
        """Let riders in and out; the times of their codes, each made right before its scan, for it is good for 30 s."""
        shown = []
        for direction, station, ago in (("entry", stations[0], 1), ("exit", stations[1], 0)):
            shown.append(int(time.time()) - ago)
            answers = self.scan_texts(direction, [r.shows(shown[-1]).to_text() for r in riders], station=station)
            assert {answer["reason"] for answer in answers} == {"accepted"}
        return shown[0], shown[1]

    def sync_in_the_past(self) -> None:
        """Sync with a chain whose clock is days behind, so that the list holds all the same: as one of the version
        before, which doesn't say what the chain's grace is, it is good for as long as the settings say."""
        self.json("sync")
        path = self.journal.with_name(self.journal.name + ".trust-list.json")
        document = json.loads(path.read_text())
        del document["grace"]
        path.write_text(json.dumps(document))

    def json(self, *arguments: str, status: int = 0) -> Any:
        """Run a command with `--json` and return its document, holding it to an exit status."""
        done = self.run(*arguments, "--json")
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)


def gate_folder(folder: Path, deployment: Deployment, operator: City, **settings: object) -> GateFolder:
    """Make the folder of an operator's gates: station 1, the city's tariff, its first submitter's keystore."""
    folder.mkdir(parents=True, exist_ok=True)
    save_keystore(folder / "submitter.json", operator.private_key(Role.SUBMITTER), PASSWORD, scrypt_n=2)
    save_keystore(folder / "treasury.json", operator.private_key(Role.TREASURY), PASSWORD, scrypt_n=2)
    document: dict[str, object] = {
        "operator": operator.code,
        "station": 1,
        "rpc": deployment.url,
        "clearinghouse": to_checksum(deployment.domain.clearinghouse),
        "journal": "gate.db",
        "keystore": "submitter.json",
        "tariff": str(operator.file.tariff.resolve()),
    }
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in (document | settings).items()]
    config = folder / "gate.toml"
    config.write_text("".join(lines))
    return GateFolder(config)
