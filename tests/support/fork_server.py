"""`python -m tests.support.fork_server PROGRAM SOCKET`: imports a program once, and forks for each run of it.

Asked by `tests/support/programs.py`. A run is a process of its own that begins where a program begins when its imports
are done: with its own arguments, environment, folder and files, and random numbers of its own. It is the child of a
process of its own, which tells the asking test its number at the start and its status at the end.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

PROGRAMS: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "gate_client": ("gate_client.cli", "main", ("gate_client.chain",)),
    "issuer_client": ("issuer_client.cli", "main", ("issuer_client.chain",)),
    "ledger": ("ledger.cli", "main", ()),
    "ape": ("ape._cli", "cli", ("ape", "ape_accounts", "ape_ethereum", "ape_node.provider", "consortium.command")),
}
"""Where each one's main function is, and what it imports only when it is needed."""
MOST_ASKED: Final = 1 << 20
"""Bytes of a request."""


def main() -> None:
    """Serve until the asking process is gone."""
    name, path = sys.argv[1:]
    program = _load(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes that wait for the runs
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(64)
        print("ready", flush=True)
        asking = os.getppid()
        server.settimeout(1.0)
        while os.getppid() == asking:
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            if os.fork() == 0:
                server.close()
                connection.setblocking(True)
                run = _attend(connection)
                break
            connection.close()
        else:
            return
    _begin(program, *run)


def _load(name: str) -> Callable[[], Any]:
    module, function, others = PROGRAMS[name]
    for other in others:
        importlib.import_module(other)
    return getattr(importlib.import_module(module), function)  # type: ignore[no-any-return]


def _attend(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What a run is asked with: returns in its process alone; the one that waits for it ends here."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, files, _, _ = socket.recv_fds(connection, MOST_ASKED, 3)
    while not message.endswith(b"\n"):
        message += connection.recv(MOST_ASKED)
    number = os.fork()
    if number == 0:
        connection.close()
        return json.loads(message), files
    connection.sendall(f"{number}\n".encode())
    _, status = os.waitpid(number, 0)
    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _begin(program: Callable[[], Any], asked: dict[str, Any], files: list[int]) -> None:
    """Be the program: ends with what it ends with."""
    for target, file in enumerate(files):
        os.dup2(file, target)
        os.close(file)
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    os.chdir(asked["folder"])
    sys.argv = asked["arguments"]
    sys.modules["__main__"] = _main_module(asked)
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0)), encoding="utf-8")
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(
            io.BufferedWriter(io.FileIO(number, "w")), encoding="utf-8", errors=errors, line_buffering=flush
        )
        for number, errors, flush in ((1, "strict", False), (2, "backslashreplace", True))
    )
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    random.seed()
    sys.exit(program())


def _main_module(asked: dict[str, Any]) -> ModuleType:
    """What usage lines name, and what a process that the program starts imports first."""
    module = ModuleType("__main__")
    module.__package__, module.__file__ = asked["package"], asked["arguments"][0]
    if asked["package"]:
        module.__spec__ = ModuleSpec(f"{asked['package']}.__main__", None, origin=module.__file__)
    return module


if __name__ == "__main__":
    main()
