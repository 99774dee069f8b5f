"""What `make setup` promises: the compiler's place, lock files without hosts, targets that say what they do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from network.chain import REPOSITORY

LAUNCHER = REPOSITORY / "network" / "toolchain" / "solc-v0.8.37"
GATE = REPOSITORY / "requirements" / "gate.lock"
DEV = REPOSITORY / "requirements" / "dev.lock"
METER = """\
// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;
import {Unit} from "units/Unit.sol";
contract Meter is Unit {}
"""
UNIT = """\
// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;
contract Unit { uint256 public fen; }
"""


def compile_meter(*arguments: str, cwd: Path) -> dict[str, Any]:
    """Compile METER as ape, forge and slither do: standard JSON in, standard JSON out, nothing else."""
    document = {
        "language": "Solidity",
        "sources": {"Meter.sol": {"content": METER}},
        "settings": {"outputSelection": {"*": {"*": ["evm.bytecode.object"]}}},
    }
    command = [str(LAUNCHER), "--standard-json", *arguments]
    done = subprocess.run(command, input=json.dumps(document), cwd=cwd, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def pins(lock: Path) -> dict[str, set[str]]:
    """The pinned versions of each package in a lock file."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==([^ ]+)", lock.read_text(encoding="utf-8"), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_the_compilers_launcher_tells_its_version_as_solc_does() -> None:
    done = subprocess.run([LAUNCHER, "--version"], capture_output=True, text=True, check=True)
    assert re.search(r"^Version: 0\.8\.37\+commit\.[0-9a-f]{8}\.Linux\.g\+\+$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    "option", [["--base-path", "lib"], ["--include-path=lib"], ["--base-path", ".", "--include-path", "lib"]]
)
def test_the_compilers_launcher_finds_imports_below_the_given_folders(option: list[str], tmp_path: Path) -> None:
    unit = tmp_path / "lib" / "units" / "Unit.sol"
    unit.parent.mkdir(parents=True)
    unit.write_text(UNIT, encoding="utf-8")
    answer = compile_meter(*option, "--allow-paths", ".", cwd=tmp_path)
    assert "errors" not in answer
    assert answer["contracts"]["Meter.sol"]["Meter"]["evm"]["bytecode"]["object"]


def test_the_compilers_launcher_reports_a_missing_import_as_solc_does(tmp_path: Path) -> None:
    answer = compile_meter("--base-path", ".", cwd=tmp_path)
    assert "units/Unit.sol" in answer["errors"][0]["message"]


def test_the_compilers_launcher_refuses_what_it_cannot_do() -> None:
    done = subprocess.run([LAUNCHER, "--gas"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "expected --version or --standard-json" in done.stderr


def test_the_virtual_environment_finds_the_compiler_without_activation() -> None:
    bare = {name: value for name, value in os.environ.items() if name not in ("SOLCX_BINARY_PATH", "VIRTUAL_ENV")}
    program = "import os; print(os.environ['SOLCX_BINARY_PATH'])"
    done = subprocess.run([sys.executable, "-c", program], env=bare, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == LAUNCHER.parent


def test_what_the_gate_runs_with_is_what_the_tests_run_with() -> None:
    tested = pins(DEV)
    assert {name: tested.get(name) for name in pins(GATE)} == pins(GATE)


def test_every_locked_python_package_has_its_hashes_and_no_address() -> None:
    for lock in (GATE, DEV):
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text
        for entry in re.split(r"\n(?=[a-z0-9])", text)[1:]:
            assert "--hash=sha256:" in entry, entry


def test_every_locked_npm_package_has_its_hash_and_no_address() -> None:
    packages = json.loads((REPOSITORY / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    dependencies = {path: entry for path, entry in packages.items() if path}
    assert [path for path, entry in dependencies.items() if "resolved" in entry] == []
    assert [path for path, entry in dependencies.items() if "integrity" not in entry] == []


def test_make_help_tells_what_every_target_does() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile.replace("\\\n", ""), re.MULTILINE)
    assert phony is not None
    said = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert set(phony[1].split()) == {line.split()[0] for line in said.splitlines()}
    assert all(len(line.split()) > 1 for line in said.splitlines())
