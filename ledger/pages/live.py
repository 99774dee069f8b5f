"""Following the chain in a thread: what the pages show is never older than a moment, or it is said since when."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from interline.cities import CityFile
from interline.errors import InterlineError
from ledger.chain import Chain
from ledger.errors import BooksError, IndexFileError, LedgerError, NoClearinghouseError
from ledger.index.store import Index
from ledger.index.sync import sync

logger = logging.getLogger(__name__)

INTERVAL: Final = 0.25
"""Seconds between two questions to the node."""
AGAIN: Final = 300.0
"""Seconds between two looks for the bytes of batches that weren't found."""


class State(StrEnum):
    """How the pages stand to the chain."""

    LIVE = "live"
    READING = "reading"
    """It is catching up: what is shown is an older block's."""
    LOST = "lost"
    """The node doesn't answer."""
    WRONG = "wrong"
    """What the node says doesn't add up: nothing of it is taken over."""
    UNFIT = "unfit"
    """The index, the deployment and the node aren't of one Clearinghouse."""
    BROKEN = "broken"
    """Following it failed in a way that nobody foresaw; the log says how. It is tried again."""
    ARCHIVE = "archive"
    """No chain is followed."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands now, and the number of the newest block in the index."""

    state: State
    head: int
    problem: str = ""
    """What the node or the books said, for people; empty where all is well. It may name files and a node's address."""

    @property
    def public_problem(self) -> str:
        """What everybody may read of it: what doesn't add up. Of the rest the server's log tells."""
        return self.problem if self.state is State.WRONG else ""


class Follower:
    """Keeps an index up to date, from `start` to `stop`.

    Args:
        index: open to write.
        connect: makes the chain; asked again until it answers. None follows no chain.
        cities: their files.
    """

    def __init__(self, index: Index, connect: Callable[[], Chain] | None, cities: Iterable[CityFile]) -> None:
        self._index, self._connect, self._cities = index, connect, tuple(cities)
        head = index.find_head()
        self._standing = Standing(State.ARCHIVE if connect is None else State.READING, head.number if head else 0)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    @property
    def standing(self) -> Standing:
        """How it stands now."""
        return self._standing

    def start(self) -> None:
        """Begin to follow."""
        if self._connect is not None:
            self._thread.start()

    def stop(self) -> None:
        """End, when what is under way is written."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        assert self._connect is not None
        chain: Chain | None = None
        looked = -AGAIN
        while not self._stopped.wait(INTERVAL):
            try:
                chain = chain or self._connect()
                again = time.monotonic() >= looked + AGAIN
                sync(self._index, chain, self._cities, tell=self._tell, again=again)
                looked = time.monotonic() if again else looked
                self._stand(State.LIVE)
            except (BooksError, InterlineError) as error:
                self._stand(State.WRONG, str(error))
                time.sleep(INTERVAL * 4)
            except (IndexFileError, NoClearinghouseError) as error:
                chain = None
                self._stand(State.UNFIT, str(error))
                self._stopped.wait(INTERVAL * 4)
            except LedgerError as error:
                chain = None
                self._stand(State.LOST, str(error))
            except Exception as error:  # a thread that ended would leave the pages saying that all is well
                logger.exception("following the chain failed")
                chain = None
                self._stand(State.BROKEN, f"{type(error).__name__}: {error}")
                self._stopped.wait(INTERVAL * 4)

    def _tell(self, line: str) -> None:
        logger.info("%s", line)
        self._stand(State.READING)

    def _stand(self, state: State, problem: str = "") -> None:
        if state is not self._standing.state:
            logger.log(
                logging.INFO if state in (State.LIVE, State.READING) else logging.WARNING, "%s %s", state, problem
            )
        try:
            head = self._index.find_head()
            number = head.number if head else 0
        except Exception:
            logger.exception("the index can't be read")
            state, number = State.BROKEN, self._standing.head
        self._standing = Standing(state, number, problem)
