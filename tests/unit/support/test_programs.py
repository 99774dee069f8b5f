"""Programs run by a process that forks, held against the same programs run as anybody runs them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.programs import REPOSITORY, run_program

APE = str(Path(sys.executable).with_name("ape"))
COMMANDS = {
    "help": [sys.executable, "-m", "gate_client", "--help"],
    "no such command": [sys.executable, "-m", "issuer_client", "dance"],
    "no settings": [sys.executable, "-m", "gate_client", "--config", "none.toml", "status"],
    "no index": [sys.executable, "-m", "ledger", "index", "--index", "none.duckdb", "--deployment", "nowhere"],
    "a script": [APE, "run", "balances", "--help"],
    "a script's mistake": [APE, "run", "balances", "--network", "nowhere"],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_both_ways_end_alike(command: list[str]) -> None:
    whole = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, input="")
    forked = run_program(command, cwd=REPOSITORY)
    assert (forked.returncode, forked.stdout, forked.stderr) == (whole.returncode, whole.stdout, whole.stderr)


def test_a_run_has_what_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text("operator = 1")
    environment = os.environ | {"LC_ALL": "C"}
    done = run_program([sys.executable, "-m", "gate_client", "status"], env=environment, cwd=tmp_path)
    assert done.returncode == 2
    assert "gate.toml" in done.stderr


def test_each_run_is_a_process_that_leaves_nothing_behind(tmp_path: Path) -> None:
    before = run_program([sys.executable, "-m", "gate_client", "--help"])
    failed = run_program([sys.executable, "-m", "gate_client", "status"], cwd=tmp_path)
    assert failed.returncode == 2
    again = run_program([sys.executable, "-m", "gate_client", "--help"])
    assert (before.returncode, before.stdout) == (again.returncode, again.stdout)


def test_one_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        run_program([sys.executable, "-m", "ledger", "serve", "--help"], timeout=0.0001)
    assert time.monotonic() - began < 60


def test_a_variable_that_the_interpreter_reads_at_its_start_is_read(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONHASHSEED": "not a number"}
    done = run_program([sys.executable, "-m", "gate_client", "--help"], env=environment)
    assert done.returncode != 0
    assert "PYTHONHASHSEED" in done.stderr


def test_what_is_not_ours_is_not_run() -> None:
    with pytest.raises(ValueError, match="found ls"):
        run_program(["/bin/ls"])
