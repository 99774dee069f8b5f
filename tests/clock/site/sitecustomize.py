"""Python imports this at its start under a shifted clock, where it is on PYTHONPATH (tests/clock/shifting.py).

It undoes what libfaketime 0.9.10 does beside shifting the clock:

- `time.sleep` waits for a moment of the monotonic clock (`clock_nanosleep`), to which libfaketime answers EINVAL.
  `select` waits as long, and is left alone.
- The memory that it shares with child processes takes the first free file descriptor: where standard input is closed,
  that is standard input.
"""

import os
import select
import sys
import time
from contextlib import suppress


def sleep(seconds: float) -> None:
    """As `time.sleep`."""
    select.select([], [], [], seconds)


time.sleep = sleep

for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
    with suppress(OSError):
        if os.readlink(f"/proc/self/fd/{descriptor}").startswith("/dev/shm/faketime_"):
            os.close(descriptor)
            setattr(sys, name, None)
            setattr(sys, f"__{name}__", None)
