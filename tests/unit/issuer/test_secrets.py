"""What never leaves: private keys and passwords; and what is never used: a network."""

import re
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import issuer_client

from .conftest import HANGZHOU, PASSWORD, XUZHOU, Desk, rider_keys


def run_everything(desk: Desk) -> str:
    """Run every command, successfully and not; all that they print."""
    code = desk.folder / "code.png"
    key = rider_keys(1)[0].hex()
    runs = [
        desk.run("--verbose", "issue", "--operator", HANGZHOU, "--count", 3),
        desk.run("--verbose", "issue", "--operator", HANGZHOU, "--json"),
        desk.run("--verbose", "issue", "--operator", HANGZHOU, "--rider-key", key),
        desk.run("issue", "--operator", HANGZHOU, "--rider-key", key),
        desk.run("issue", "--operator", XUZHOU),
        desk.run("issue", "--operator", HANGZHOU, password="another password"),
        *(desk.run(command, *json) for command in ("tickets", "serials") for json in ([], ["--json"])),
        *(desk.run("wallet", "new-keys", *json) for json in ([], ["--json"])),
        *(desk.run("wallet", "list", *json) for json in ([], ["--json"])),
        desk.run("wallet", "show", "--operator", HANGZHOU, "--png", code, "--json"),
        desk.run("wallet", "show", "--operator", HANGZHOU, "--text"),
        desk.run("wallet", "add", "-", input="0x00"),
    ]
    assert {result.exit_code for result in runs} == {0, 1, 2}
    return "".join(result.stdout + result.stderr for result in runs)


def test_no_private_key_and_no_password_is_ever_printed_or_logged(
    desk: Desk, xuzhou_key: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    printed = run_everything(desk).lower() + caplog.text.lower()
    with sqlite3.connect(desk.folder / "wallet.db") as sql:
        riders = [private for (private,) in sql.execute("SELECT private FROM rider_keys")]
    assert len(riders) > 4
    assert "0x" in printed
    for secret in (xuzhou_key, *riders):
        assert secret.hex() not in printed
        assert str(int.from_bytes(secret, "big")) not in printed
    assert PASSWORD not in printed
    assert "another password" not in printed


def test_the_issuer_never_holds_what_makes_a_code(desk: Desk) -> None:
    """Mistake 13: codes from a secret that can be exported, shared with the issuer."""
    run_everything(desk)
    with sqlite3.connect(desk.folder / "wallet.db") as sql:
        riders = [private for (private,) in sql.execute("SELECT private FROM rider_keys")]
    files = [path for path in desk.folder.iterdir() if not path.name.startswith("wallet.db")]
    assert {"tickets.db", "code.png"} <= {path.name for path in files}
    for path in files:
        assert not [rider for rider in riders if rider in path.read_bytes()], path


def test_tickets_and_codes_are_made_without_a_network(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mistake 13: codes that need a network."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a network was used")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    run_everything(desk)


def test_the_package_loads_nothing_that_speaks_to_a_network() -> None:
    names = "web3 ape requests urllib3 aiohttp http.client urllib.request websockets"
    program = f"import sys, issuer_client.cli; print([n for n in {names.split()!r} if n in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"


def test_one_module_of_the_package_names_what_speaks_to_a_network() -> None:
    """`chain.py`, which the commands of rides and disputes import when they run."""
    folder = Path(issuer_client.__file__).parent
    speaks = re.compile(
        r"^\s*(?:import|from) (?:rpc|web3|requests|urllib|http|socket|aiohttp|websockets)\b", re.MULTILINE
    )
    assert [path.name for path in folder.glob("*.py") if speaks.search(path.read_text(encoding="utf-8"))] == [
        "chain.py"
    ]


def test_nothing_below_the_command_line_prints_asks_or_exits() -> None:
    folder = Path(issuer_client.__file__).parent
    command_line = {"cli.py", "rides_cli.py", "disputes_cli.py", "wallet_cli.py", "commands.py", "__main__.py"}
    for path in folder.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(print|input|exit|quit)\(|sys\.exit", text, re.MULTILINE), path
        assert path.name in command_line or "click" not in text, path
