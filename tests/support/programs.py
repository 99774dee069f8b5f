"""Runs our programs as processes of their own, without waiting each time until they have imported all they need.

    done = run_program([sys.executable, "-m", "gate_client", "sync"], env=environment)

Half a test's time went into imports, some 1 s of computing for each command. A process for each program
(`fork_server.py`) has them done, and forks. Where a test is about how a program starts, what it loads, or that it can
be killed at any moment, let it use `subprocess` or `patience.running`; `tests/unit/support/test_programs.py` holds
both ways against each other.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

from tests.support.fork_server import PROGRAMS
from tests.support.patience import PATIENCE

REPOSITORY = Path(__file__).resolve().parents[2]
INTERPRETERS_OWN = ("PYTHON", "LD_", "FAKETIME")
"""Beginnings of variables that are read when a process starts, and no more."""


def run_program(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    input: str | None = None,
    cwd: Path | None = None,
    timeout: float = PATIENCE,
) -> subprocess.CompletedProcess[str]:
    """Run `[python, "-m", PROGRAM, …]` or `[…/ape, …]` to its end; what it wrote is text, as with `subprocess.run`.

    Raises:
        subprocess.TimeoutExpired: it took longer than `timeout` seconds, and was killed.
    """
    environment = dict(os.environ if env is None else env)
    by_module = list(command[:2]) == [sys.executable, "-m"]
    name = command[2] if by_module else Path(command[0]).name
    arguments = [f"{name}/__main__.py", *command[3:]] if by_module else list(command)
    if _read_at_start(environment) != _read_at_start(os.environ):
        return subprocess.run(
            command, env=environment, input=input or "", cwd=cwd, capture_output=True, text=True, timeout=timeout
        )
    package = name if by_module else ""
    asked = {"arguments": arguments, "package": package, "environment": environment, "folder": str(cwd or Path.cwd())}
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write((input or "").encode())
        given.seek(0)
        status = _run(_server(name), asked, [given, out, err], timeout)
        texts = [_text(file) for file in (out, err)]
    if status is None:
        raise subprocess.TimeoutExpired(list(command), timeout, *texts)
    return subprocess.CompletedProcess(list(command), status, *texts)


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(INTERPRETERS_OWN)}


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


# ---------------------------------------------------------------- the process that forks


@cache
def _server(name: str) -> str:
    """The path of its socket; it is started at the first run, and ended with the tests."""
    if name not in PROGRAMS:
        raise ValueError(f"expected a program of {', '.join(PROGRAMS)}, found {name}")
    folder = tempfile.TemporaryDirectory(prefix="programs-")
    path = str(Path(folder.name) / name)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.fork_server", name, path],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )

    def end() -> None:
        process.kill()
        process.wait()
        folder.cleanup()

    atexit.register(end)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", f"{name} can't be imported"
    return path


def _run(path: str, asked: object, files: Sequence[IO[bytes]], timeout: float) -> int | None:
    """The status with which a run ended; None if it was killed because its time was over."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        message = json.dumps(asked).encode() + b"\n"
        sent = socket.send_fds(connection, [message], [file.fileno() for file in files])
        connection.sendall(message[sent:])
        connection.settimeout(PATIENCE)
        answers = connection.makefile("r")
        number = int(answers.readline())
        connection.settimeout(timeout)
        try:
            return int(answers.readline())
        except TimeoutError:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
            return None
