"""`answer` and `disputes` put together: the chain, the journal and its lock, once or for as long as it runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from gate_client.answering import DisputeDesk, Review, Standing
from gate_client.chain import Chain
from gate_client.config import GateConfig
from gate_client.errors import ChainUnavailableError, SubmissionError
from gate_client.files import locked_within
from gate_client.journal import Journal, bound_line, require_journal
from gate_client.line import find_line
from gate_client.rounds import back_off
from gate_client.session import LINE_EVERY, stopped_by_signals

_log = logging.getLogger(__name__)

POLL = 0.2
"""Seconds between two looks at answers that are on their way."""

EXIT_DONE = 0
EXIT_SOME_STUCK = 1
EXIT_CANNOT_WORK = 2


@dataclass(frozen=True, slots=True)
class AnswerReport:
    """All disputes of an operator at one time of the chain (Unix seconds); `problem` is what ended it early."""

    now: int
    reviews: tuple[Review, ...]
    problem: str | None = None

    def urgent(self, near: int) -> list[Review]:
        """Those that can't be answered as things are, less than `near` seconds before their deadline."""
        return [each for each in self.reviews if each.is_stuck and each.dispute.answer_until - self.now < near]

    def exit_code(self, near: int) -> int:
        """0 done; 1 something that is due within `near` seconds can't be answered; 2 something couldn't be done."""
        if self.problem:
            return EXIT_CANNOT_WORK
        return EXIT_SOME_STUCK if self.urgent(near) else EXIT_DONE


def list_disputes(config: GateConfig, *, try_answers: bool = False) -> AnswerReport:
    """Every dispute of the operator's rides; nothing is sent. With `try_answers`, what each answer would take.

    Another answer may be at work on the journal meanwhile.

    Raises:
        ChainUnavailableError: the node doesn't answer.
    """
    require_journal(config.journal, config.trust_list)
    with _desks(config, None) as desks:
        report, _ = _step(desks, send=False, try_answers=try_answers)
        return report


def answer(config: GateConfig, private_key: bytes, *, timeout: float) -> AnswerReport:
    """Answer whatever can be answered, and wait up to `timeout` seconds for the chain to say so.

    Raises:
        ChainUnavailableError: the node doesn't answer, before anything was done.
        SubmissionError: another answer is at work on this journal.
    """
    require_journal(config.journal, config.trust_list)
    with _alone(config, timeout), _desks(config, private_key) as desks:
        deadline = time.monotonic() + timeout
        report, busy = _step(desks)
        while busy and time.monotonic() < deadline:
            time.sleep(POLL)
            try:
                report, busy = _step(desks)
            except ChainUnavailableError as error:
                return AnswerReport(report.now, report.reviews, str(error))
        problem = f"no outcome within {timeout:g} s; run answer again" if busy else None
        return AnswerReport(report.now, report.reviews, problem)


def watch(config: GateConfig, private_key: bytes, *, every: float, show: Callable[[AnswerReport], None]) -> None:
    """Answer disputes as they come, until SIGTERM or SIGINT; the chain may come and go, a successor be named.

    `every` is in seconds; `show` gets the report of every round in which something is other than before.

    Raises:
        SubmissionError: another answer is at work on this journal.
    """
    stop = threading.Event()
    require_journal(config.journal, config.trust_list)
    shown: list[tuple[Review, ...]] = []
    with stopped_by_signals(stop), _alone(config, 0):
        waits = back_off()
        while not stop.is_set():
            try:
                with _desks(config, private_key) as desks:
                    waits = back_off()
                    _watch_chain(desks, stop, every, shown, show)
            except ChainUnavailableError as error:
                wait = next(waits)
                _log.warning("%s; trying again in %g s", error, wait)
                stop.wait(wait)


def _watch_chain(
    desks: Sequence[DisputeDesk],
    stop: threading.Event,
    every: float,
    shown: list[tuple[Review, ...]],
    show: Callable[[AnswerReport], None],
) -> None:
    """Rounds, until it is time to look for a successor again."""
    until = time.monotonic() + max(LINE_EVERY, every)
    while not stop.is_set() and time.monotonic() < until:
        report, busy = _step(desks)
        if shown != [report.reviews]:
            show(report)
            shown[:] = [report.reviews]
        stop.wait(min(every, POLL) if busy else every)


def _step(desks: Sequence[DisputeDesk], *, send: bool = True, try_answers: bool = True) -> tuple[AnswerReport, bool]:
    """Look at every dispute and answer what is ready; the report, and whether an answer is on its way."""
    now, reviews = 0, list[Review]()
    for desk in desks:
        now, found = desk.review()
        for review in found:
            ready = review.standing is Standing.READY
            reviews.append(desk.answer(review, send=send) if ready and try_answers else review)
    return AnswerReport(now, tuple(reviews)), any(each.standing is Standing.ANSWERED for each in reviews)


@contextmanager
def _desks(config: GateConfig, private_key: bytes | None) -> Iterator[list[DisputeDesk]]:
    chain = Chain(config.rpc, config.clearinghouse)
    line = find_line(chain, known=bound_line(config.journal))
    with Journal(
        config.journal, operator=config.operator, domain=line.domain, predecessors=line.predecessors
    ) as journal:
        domains = (*line.domains, *journal.line.called_off)
        houses = [(domain, chain.at(domain.clearinghouse)) for domain in domains]
        yield [
            DisputeDesk(journal, there, domain, private_key)
            for domain, there in houses
            if there.refunds() is not None  # another vendor's, that knows no disputes
        ]


@contextmanager
def _alone(config: GateConfig, patience: float) -> Iterator[None]:
    """Keep two answers off one journal; the lock goes with the process, however it ends."""
    path = config.journal.with_name(config.journal.name + ".answer.lock")
    try:
        with locked_within(path, patience):
            yield
    except TimeoutError:
        raise SubmissionError(
            f"another gate-client answer is at work on {config.journal}; wait for it, or stop it"
        ) from None
