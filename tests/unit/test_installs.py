"""What is installed where: a gate needs no ape."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("package", ["interline", "gate_client", "issuer_client", "ledger"])
def test_no_module_of_a_gate_an_office_or_an_accountant_loads_ape(package: str) -> None:
    program = (
        "import importlib, pkgutil, sys\n"
        f"package = importlib.import_module({package!r})\n"
        "for module in pkgutil.iter_modules(package.__path__, package.__name__ + '.'):\n"
        "    if not module.name.endswith('__main__'):\n"
        "        importlib.import_module(module.name)\n"
        "print([name for name in sys.modules if name == 'ape' or name.startswith('ape_')])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_gates_lock_file_has_no_ape_and_no_registry() -> None:
    lines = (REPOSITORY / "requirements" / "gate.lock").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith(("eth-ape", "ape-", "py-evm"))] == []
    assert [line for line in lines if "://" in line or line.startswith("--index")] == []
    assert any(line.startswith("web3==") for line in lines)
