"""`submit` put together: the key, the chain, the journal and its lock, once or for as long as it runs."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from gate_client.arrears import ArrearsCollector
from gate_client.chain import Chain
from gate_client.config import GateConfig
from gate_client.errors import ChainUnavailableError, ConfigError, SubmissionError
from gate_client.files import locked_within
from gate_client.journal import Journal, bound_line, require_journal
from gate_client.line import Line, find_line
from gate_client.rounds import POLL, Lane, Report, Watch, back_off, submit_once
from gate_client.submitter import Submitter
from interline.domain import Domain
from interline.keystores import load_keystore
from interline.signatures import to_checksum
from interline.tariff import Tariff, load_tariff

_log = logging.getLogger(__name__)

PASSWORD_VARIABLE = "GATE_KEYSTORE_PASSWORD"


LINE_EVERY = 60.0
"""Seconds between two looks for a successor, while a watch goes on."""


@dataclass(frozen=True, slots=True)
class _Session:
    chain: Chain
    line: Line
    lanes: tuple[Lane, ...]

    def retry_rejected(self) -> None:
        for lane in self.lanes:
            lane.submitter.retry_rejected()


def unlock(config: GateConfig, ask: Callable[[Path, str], str]) -> bytes:
    """The submitter's private key; the password comes from the environment, or from `ask`, which gets the keystore and
    the variable that isn't set.

    Raises:
        ConfigError: the settings name no keystore.
        KeystoreError: it can't be read, or the password is wrong.
    """
    if config.keystore is None:
        raise ConfigError("keystore is missing in gate.toml: submit and answer need the submitter's")
    if not config.keystore.exists():
        raise ConfigError(f"{config.keystore}: no such keystore; correct keystore in gate.toml")
    password = os.environ.get(PASSWORD_VARIABLE)
    return load_keystore(config.keystore, ask(config.keystore, PASSWORD_VARIABLE) if password is None else password)


def submit(config: GateConfig, private_key: bytes, *, timeout: float, retry_rejected: bool) -> Report:
    """One round; waits up to `timeout` seconds for another submit on the same journal to end, and then for outcomes.

    Raises:
        ChainUnavailableError: the node doesn't answer, before anything was done.
        SubmissionError: another submit is at work on this journal.
    """
    require_journal(config.journal, config.trust_list)
    with _alone(config, timeout), _session(config, private_key) as session:
        if retry_rejected:
            session.retry_rejected()
        return submit_once(session.lanes, timeout=timeout)


def watch(
    config: GateConfig,
    private_key: bytes,
    *,
    every: float,
    retry_rejected: bool,
    show: Callable[[Report], None],
) -> None:
    """Submit rides as they become ready, until SIGTERM or SIGINT; the chain may come and go, a successor be named.

    `every` is in seconds; `show` gets the report of every round in which something came in.

    Raises:
        SubmissionError: another submit is at work on this journal.
    """
    stop = threading.Event()
    require_journal(config.journal, config.trust_list)
    with stopped_by_signals(stop), _alone(config, 0):
        waits = back_off()
        retry = retry_rejected
        while not stop.is_set():
            try:
                with _session(config, private_key) as session:
                    if retry:
                        session.retry_rejected()
                        retry = False
                    waits = back_off()
                    _watch_chain(session, stop, every, show)
            except ChainUnavailableError as error:
                wait = next(waits)
                _log.warning("%s; trying again in %g s", error, wait)
                stop.wait(wait)


def _watch_chain(session: _Session, stop: threading.Event, every: float, show: Callable[[Report], None]) -> None:
    """Rounds, for as long as the chain answers and the line of Clearinghouses stays as it is."""
    rounds = Watch(session.lanes)
    look_again = time.monotonic() + LINE_EVERY
    while not stop.is_set():
        if time.monotonic() > look_again:
            if find_line(session.chain, known=session.line) != session.line:
                return  # what is on its way is in the journal, and is found again
            look_again = time.monotonic() + LINE_EVERY
        try:
            report = rounds.step()
        except ChainUnavailableError:
            _show_if_any(rounds.interrupted(), show)
            raise
        _show_if_any(report, show)
        stop.wait(min(every, POLL) if rounds.busy else every)


def _show_if_any(report: Report, show: Callable[[Report], None]) -> None:
    if report.batches or report.arrears_paid or report.withheld_released:
        show(report)


@contextmanager
def _session(config: GateConfig, private_key: bytes) -> Iterator[_Session]:
    chain = Chain(config.rpc, config.clearinghouse)
    line = find_line(chain, known=bound_line(config.journal))
    tariff = load_tariff(config.tariff)
    with Journal(
        config.journal, operator=config.operator, domain=line.domain, predecessors=line.predecessors
    ) as journal:
        off = journal.line.called_off
        for domain in journal.line.domains:
            if domain not in line.domains:
                _log.warning(
                    "the journal has come to Clearinghouse %s, of which %s doesn't know yet: its rides wait; "
                    "ask a node that is up to date",
                    to_checksum(domain.clearinghouse),
                    config.rpc,
                )
        for domain in off:
            _log.warning(
                "Clearinghouse %s was called off; rides that were carried on its tickets are settled there all the "
                "same",
                to_checksum(domain.clearinghouse),
            )
        lanes = (_lane(config, journal, chain, tariff, private_key, domain) for domain in (*line.domains, *off))
        yield _Session(chain, line, tuple(lanes))


def _lane(
    config: GateConfig, journal: Journal, chain: Chain, tariff: Tariff, private_key: bytes, domain: Domain
) -> Lane:
    there = chain.at(domain.clearinghouse)
    return Lane(
        Submitter(journal, there, tariff, private_key, domain=domain, max_rides=config.batch_max_rides),
        ArrearsCollector(there, private_key, config.operator, domain),
    )


@contextmanager
def _alone(config: GateConfig, patience: float) -> Iterator[None]:
    """Keep two submits off one journal; the lock goes with the process, however it ends."""
    path = config.journal.with_name(config.journal.name + ".submit.lock")
    with ExitStack() as stack:
        try:
            stack.enter_context(locked_within(path, patience))
        except TimeoutError:
            raise SubmissionError(
                f"another gate-client submit is at work on {config.journal}; wait for it, or stop it"
            ) from None
        yield


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
