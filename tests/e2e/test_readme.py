"""The README's tour, run as a newcomer would: its own commands, on a chain of this test's."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from network.chain import Chain
from tests.support.patience import PATIENCE

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOYMENT = "readme-tour"
pytestmark = pytest.mark.timeout(15 * PATIENCE)  # some thirty commands, one after another


@pytest.fixture
def chain() -> Iterator[Chain]:
    written = [
        REPOSITORY / "deployments" / f"{DEPLOYMENT}.json",
        REPOSITORY / "out" / "ledger" / f"{DEPLOYMENT}.duckdb",
    ]
    for path in written:
        path.unlink(missing_ok=True)  # of a run that was killed
    with Chain(block_time=1) as chain:
        yield chain
    for path in written:
        path.unlink(missing_ok=True)


def tour() -> str:
    """The `sh` blocks of the README, one after another."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def test_the_tour_needs_nothing_of_the_shell_but_its_commands() -> None:
    """A `$(date)` would name the machine's day, which isn't the city's."""
    assert re.findall(r"[$`]", tour()) == []


def test_every_command_of_the_readme_works_in_its_order(chain: Chain, tmp_path: Path) -> None:
    commands = tour().replace("source .venv/bin/activate\n", "").replace("out/local", str(tmp_path))
    commands = re.sub(
        r"(python -m network\.local_city (\w+)).*",
        lambda found: f"{found[1]} --deployment {DEPLOYMENT} --rpc {chain.url} --out {tmp_path}/{found[2].lower()}",
        commands,
    )
    script = (
        "set -euo pipefail\n"
        f'ape() {{ command ape "$@" --deployment {DEPLOYMENT} --network ethereum:local:{chain.url}; }}\n{commands}'
    )
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=REPOSITORY,
        env=os.environ | {"PATH": programs},
        capture_output=True,
        text=True,
        timeout=10 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.count("✓ open") == 6
    assert re.search(r"Hefei +complete", done.stdout)
    assert "adds up: balances 250,000.00 = held() 250,000.00" in done.stdout
    assert (tmp_path / "hangzhou.xlsx").read_bytes().startswith(b"PK")
