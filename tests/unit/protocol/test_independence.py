"""The protocol's package stands on its own: no network, no database, no ape, and none of our other packages."""

import subprocess
import sys

import pytest

FORBIDDEN = {
    "web3",
    "ape",
    "sqlite3",
    "requests",
    "aiohttp",
    "urllib3",
    "httpx",
    "websockets",
    "http",
    "ssl",
    "gate_client",
    "issuer_client",
    "ledger",
    "consortium",
    "network",
    "rpc",
    "demo",
}
IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
import interline
for module in pkgutil.walk_packages(interline.__path__, "interline."):
    importlib.import_module(module.name)
{more}
print(*sorted({{name.split(".")[0] for name in sys.modules}}))
print(*sorted(name for name in sys.modules if name.startswith("interline.")))
"""


def modules_after_import(more: str = "") -> tuple[set[str], set[str]]:
    """The top-level modules, and those of interline, that are loaded once all of interline is."""
    script = IMPORT_EVERYTHING.format(more=more)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    top, own = run.stdout.splitlines()
    return set(top.split()), set(own.split())


def test_interline_loads_no_web3_no_ape_and_no_database() -> None:
    top, own = modules_after_import()
    assert not top & FORBIDDEN
    assert {"interline.code", "interline.batch", "interline.keystores", "interline.tariff"} <= own


@pytest.mark.parametrize("module", ["web3", "sqlite3"])
def test_a_module_that_loaded_one_would_be_found(module: str) -> None:
    top, _ = modules_after_import(f"import {module}")
    assert module in top & FORBIDDEN
