"""The server of the pages as people start it: `ledger serve`, a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from network.chain import HOST, free_port
from tests.support.deploy import REPOSITORY
from tests.support.patience import PATIENCE


@dataclass
class Server:
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def json(self, path: str) -> Any:
        """A JSON document of it."""
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as answer:
            return json.load(answer)

    def get(self, path: str) -> bytes:
        """What it answers."""
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as answer:
            body: bytes = answer.read()
            return body

    def answers(self) -> bool:
        """Is it there?"""
        try:
            self.get("/en/")
        except (OSError, urllib.error.URLError):
            return False
        return True


@contextmanager
def serving(
    folder: Path, deployment: dict[str, Any], rpc: str, *, port: int = 0, index: str = "index"
) -> Iterator[Server]:
    """Serve what a node shows; index and log are in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "small.json").write_text(json.dumps(deployment))
    port = port or free_port()
    command = [sys.executable, "-m", "ledger", "serve", "--port", str(port), "--rpc", rpc]
    command += ["--deployments", str(folder), "--deployment", "small", "--index", str(folder / f"{index}.duckdb")]
    log = folder / "serve.log"
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=REPOSITORY, env=os.environ, stdout=output, stderr=output)
        server = Server(f"http://{HOST}:{port}", process, log)
        try:
            _wait(server)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()


def _wait(server: Server) -> None:
    until = time.monotonic() + PATIENCE
    while not server.answers():
        said = server.log.read_text()
        assert server.process.poll() is None, f"expected a server at {server.url}, it ended: {said}"
        assert time.monotonic() < until, f"expected an answer of {server.url} within {PATIENCE:.0f} s: {said}"
        time.sleep(0.05)
