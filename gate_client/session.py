"""`submit` put together: the key, the chain, the journal and its lock, once or for as long as it runs."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType

from gate_client.arrears import ArrearsCollector
from gate_client.chain import Chain
from gate_client.config import GateConfig
from gate_client.errors import ChainUnavailableError, ConfigError, SubmissionError
from gate_client.files import locked_within
from gate_client.journal import Journal
from gate_client.rounds import POLL, Report, Watch, back_off, submit_once
from gate_client.submitter import Submitter
from interline.keystores import load_keystore
from interline.tariff import load_tariff

_log = logging.getLogger(__name__)

PASSWORD_VARIABLE = "GATE_KEYSTORE_PASSWORD"


@dataclass(frozen=True, slots=True)
class _Session:
    submitter: Submitter
    arrears: ArrearsCollector


def unlock(config: GateConfig, ask: Callable[[GateConfig], str]) -> bytes:
    """The submitter's private key; the password comes from the environment, or from `ask`.

    Raises:
        ConfigError: the settings name no keystore.
        KeystoreError: it can't be read, or the password is wrong.
    """
    if config.keystore is None:
        raise ConfigError("keystore is missing in gate.toml: submit needs the submitter's")
    if not config.keystore.exists():
        raise ConfigError(f"{config.keystore}: no such keystore; correct keystore in gate.toml")
    password = os.environ.get(PASSWORD_VARIABLE)
    return load_keystore(config.keystore, ask(config) if password is None else password)


def submit(config: GateConfig, private_key: bytes, *, timeout: float, retry_rejected: bool) -> Report:
    """One round; waits up to `timeout` seconds for another submit on the same journal to end, and then for outcomes.

    Raises:
        ChainUnavailableError: the node doesn't answer, before anything was done.
        SubmissionError: another submit is at work on this journal.
    """
    with _alone(config, timeout), _session(config, private_key) as session:
        if retry_rejected:
            session.submitter.retry_rejected()
        return submit_once(session.submitter, session.arrears, timeout=timeout)


def watch(
    config: GateConfig,
    private_key: bytes,
    *,
    every: float,
    retry_rejected: bool,
    show: Callable[[Report], None],
) -> None:
    """Submit rides as they become ready, until SIGTERM or SIGINT; the chain may come and go meanwhile.

    `every` is in seconds; `show` gets the report of every round in which something came in.

    Raises:
        SubmissionError: another submit is at work on this journal.
    """
    stop = threading.Event()
    with _stopped_by_signals(stop), _alone(config, 0):
        waits = back_off()
        retry = retry_rejected
        while not stop.is_set():
            try:
                with _session(config, private_key) as session:
                    if retry:
                        session.submitter.retry_rejected()
                        retry = False
                    waits = back_off()
                    _watch_chain(session, stop, every, show)
            except ChainUnavailableError as error:
                wait = next(waits)
                _log.warning("%s; trying again in %g s", error, wait)
                stop.wait(wait)


def _watch_chain(session: _Session, stop: threading.Event, every: float, show: Callable[[Report], None]) -> None:
    """Rounds, for as long as the chain answers."""
    rounds = Watch(session.submitter, session.arrears)
    while not stop.is_set():
        try:
            report = rounds.step()
        except ChainUnavailableError:
            _show_if_any(rounds.interrupted(), show)
            raise
        _show_if_any(report, show)
        stop.wait(min(every, POLL) if rounds.busy else every)


def _show_if_any(report: Report, show: Callable[[Report], None]) -> None:
    if report.batches or report.arrears_paid:
        show(report)


@contextmanager
def _session(config: GateConfig, private_key: bytes) -> Iterator[_Session]:
    chain = Chain(config.rpc, config.clearinghouse)
    tariff = load_tariff(config.tariff)
    with Journal(config.journal, operator=config.operator, domain=chain.domain()) as journal:
        yield _Session(
            Submitter(journal, chain, tariff, private_key, max_rides=config.batch_max_rides),
            ArrearsCollector(chain, private_key, config.operator),
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
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
