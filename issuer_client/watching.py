"""Commands that stay: rounds until they are told to stop, while the chain may come and go."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from issuer_client.errors import ChainMovedError, ChainUnavailableError

log = logging.getLogger(__name__)

BACK_OFF_FIRST: Final = 0.25
BACK_OFF_MOST: Final = 4.0


def watch(step: Callable[[], None], every: float) -> None:
    """Take steps, `every` seconds apart, until SIGTERM or SIGINT; one that finds the chain away is taken again soon."""
    stop = threading.Event()
    wait = BACK_OFF_FIRST
    with stopped_by_signals(stop):
        while not stop.is_set():
            try:
                step()
                wait = BACK_OFF_FIRST
                stop.wait(every)
            except (ChainUnavailableError, ChainMovedError) as error:
                log.warning("%s; trying again in %g s", error, wait)
                stop.wait(wait)
                wait = min(wait * 2, BACK_OFF_MOST)


@contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Set an event on SIGTERM and SIGINT, for as long as the block runs."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
