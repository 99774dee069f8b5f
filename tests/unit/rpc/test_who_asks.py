"""Who talks to a chain, and with what: web3 and requests are for few."""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
ASKING = {"web3", "requests", "urllib3", "httpx", "aiohttp", "http"}
"""Modules that can talk to a node."""
ALLOWED = {
    "rpc": {"rpc/transport.py", "rpc/provider.py"},
    "ledger": set[str](),
    "issuer_client": set[str](),
    "gate_client": set[str](),
    "consortium": {"consortium/chain.py", "consortium/calls.py"},
    "interline": set[str](),
}
"""By package the files that may import one of them."""


def imported(path: Path) -> set[str]:
    """The top-level modules that a file imports, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_asks_nodes_in_one_place(package: str) -> None:
    files = {str(path.relative_to(REPOSITORY)): path for path in (REPOSITORY / package).rglob("*.py")}
    assert {name for name, path in files.items() if imported(path) & ASKING} <= ALLOWED[package]
    assert len(files) > 3


def test_web3_is_known_to_one_module_of_the_chain_s_package() -> None:
    assert [path.name for path in (REPOSITORY / "rpc").glob("*.py") if "web3" in imported(path)] == ["provider.py"]
