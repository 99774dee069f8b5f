"""How long tests wait for what must happen, and processes that don't outlive the test that started them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any, Final

PATIENCE: Final = 240.0
"""Seconds after which something that must happen never will: so many that a busy machine is never what decides.

Below the limit of a test (pyproject.toml), so that what didn't happen is named."""


def wait_until(happened: Callable[[], Any], what: str = "it", *, patience: float = PATIENCE) -> None:
    """Look again and again until something has happened.

    Raises:
        AssertionError: it didn't within `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < deadline, f"expected {what} within {patience:g} s, it never happened"
        time.sleep(0.02)


@contextmanager
def running(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | IO[str] | None = subprocess.PIPE,
    stderr: int | IO[str] | None = None,
    **options: Any,
) -> Iterator[subprocess.Popen[str]]:
    """A process with text in its pipes, which is killed at the end if it is still there, whatever happened.

    Where nobody reads its standard error before its end, let that be a file: a full pipe would stop it.
    """
    process = subprocess.Popen(command, env=env, stdin=stdin, stdout=stdout, stderr=stderr, text=True, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None and not pipe.closed:
                with suppress(BrokenPipeError):  # of what was still to be written to one that is gone
                    pipe.close()
