"""Python imports this at its start under a shifted clock, where it is on PYTHONPATH (tests/clock/shifting.py).

`time.sleep` waits for a moment of the monotonic clock (`clock_nanosleep`), and libfaketime 0.9.10 answers EINVAL to
that. `select` waits as long, and is left alone.
"""

import select
import time


def sleep(seconds: float) -> None:
    """As `time.sleep`."""
    select.select([], [], [], seconds)


time.sleep = sleep
