"""Processes that are killed at random moments, and people who work beside each other until all have had their kills.

Nobody waits for ever: each looks after `over` in its loop, each process has an end, and who lacks kills and gets none
for PATIENCE seconds is named as a failure. No limit in here decides on a machine that is only slow.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.support.patience import PATIENCE, running

LAST_WORDS = 60.0
"""Seconds that everybody gets to end after it is over."""


@dataclass
class Kills:
    """How often each party's processes have to be killed, and how often they have been."""

    wanted: Mapping[str, int]
    counts: Counter[str] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)
    """Set when there is nothing to go on for: something failed, or all have had their kills."""
    _last: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._last = dict.fromkeys(self.wanted, time.monotonic())

    def begin(self, party: str) -> None:
        """Its kills begin now, and not before."""
        self._last[party] = time.monotonic()

    def add(self, party: str) -> None:
        """One more."""
        self.counts[party] += 1
        self._last[party] = time.monotonic()

    @property
    def lacking(self) -> list[str]:
        """Who hasn't had its kills."""
        return [party for party, wanted in self.wanted.items() if self.counts[party] < wanted]

    @property
    def go_on(self) -> bool:
        """Whether there is something to go on for. As long as one party lacks kills all others work for it."""
        return bool(self.lacking) and not self.over.is_set()

    def stalled(self, patience: float = PATIENCE) -> list[str]:
        """Who lacks kills, and hasn't had one for so many seconds."""
        now = time.monotonic()
        return [party for party in self.lacking if now - self._last[party] > patience]


def work_together(
    parts: Sequence[Callable[[], None]], kills: Kills, *, patience: float = PATIENCE, last_words: float = LAST_WORDS
) -> list[str]:
    """Run each part in a thread until all have returned; returns what went wrong, in words, nothing if nothing did.

    The first failure ends it for all, and so does a party that gets no kills any more. The threads are daemons: what
    hangs is named, and keeps no process from ending.
    """
    failures: list[str] = []

    def guarded(part: Callable[[], None]) -> None:
        try:
            part()
        except BaseException:
            failures.append(f"{part.__name__}: {traceback.format_exc()}")
            kills.over.set()

    threads = [threading.Thread(target=guarded, args=(part,), name=part.__name__, daemon=True) for part in parts]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) and not kills.over.wait(0.1):
        if stalled := kills.stalled(patience):
            failures.append(f"no kill of {', '.join(stalled)} for {patience:g} s; killed so far: {dict(kills.counts)}")
            break
        if not kills.lacking:
            break
    kills.over.set()
    until = time.monotonic() + last_words
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    failures += [
        f"{thread.name} still runs {last_words:g} s after it was over" for thread in threads if thread.is_alive()
    ]
    return failures


@dataclass
class Ended:
    """How a process ended: its status, below 0 by a signal, and what it wrote on standard error."""

    status: int
    errors: str
    seconds: float

    @property
    def was_killed(self) -> bool:
        """By SIGKILL."""
        return self.status == -signal.SIGKILL


def run_and_kill(command: Sequence[str], environment: Mapping[str, str], *, after: float) -> Ended:
    """Run a command, and kill it after so many seconds if it is still there."""
    began = time.monotonic()
    with running(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        with suppress(subprocess.TimeoutExpired):
            process.wait(after)
        process.kill()
        _, errors = process.communicate()
    return Ended(process.returncode, errors, time.monotonic() - began)
