"""Rounds of submitting: one that ends when everything is settled, and one after the other for as long as it runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from gate_client.arrears import ArrearsCollector, ArrearsPayment
from gate_client.errors import ChainUnavailableError
from gate_client.ride_log import Unpriced
from gate_client.submitter import ClosedBatch, Submitter, WaitingBatch
from gate_client.withheld import WithheldRelease
from interline.signatures import to_checksum

_log = logging.getLogger(__name__)

POLL = 0.1
"""Seconds between two looks at transactions that are on their way."""

ARREARS_EVERY = 30.0
"""Seconds between two looks at what others owe, while nothing is settled."""

REFUSED_EVERY = 60.0
"""Seconds after which a batch that the chain refused as a whole is tried again."""

BACK_OFF_FIRST = 0.25
BACK_OFF_MOST = 4.0
"""Seconds between two attempts to reach a chain that is away."""

EXIT_ALL_SETTLED = 0
EXIT_SOME_REJECTED = 1
EXIT_CANNOT_WORK = 2


@dataclass(frozen=True, slots=True)
class Lane:
    """One Clearinghouse of the line: what is settled with it, and what it holds of ours."""

    submitter: Submitter
    arrears: ArrearsCollector

    @property
    def busy(self) -> bool:
        """Is anything on its way?"""
        return self.submitter.busy or self.arrears.busy


@dataclass(slots=True)
class Report:
    """What a round did; `problem` is what ended it early, and then everything that isn't in here waits."""

    batches: list[ClosedBatch] = field(default_factory=list)
    arrears_paid: list[ArrearsPayment] = field(default_factory=list)
    withheld_released: list[WithheldRelease] = field(default_factory=list)
    waiting: list[WaitingBatch] = field(default_factory=list)
    unpriced: list[Unpriced] = field(default_factory=list)
    problem: str | None = None

    @property
    def exit_code(self) -> int:
        """0 all settled or nothing to do, 1 some ride rejected, 2 something couldn't be done."""
        if self.problem or self.waiting or self.unpriced:
            return EXIT_CANNOT_WORK
        return EXIT_SOME_REJECTED if any(batch.rejected for batch in self.batches) else EXIT_ALL_SETTLED

    def to_document(self) -> dict[str, object]:
        """The report for programs: hashes as 0x and lower-case hexadecimal, amounts in fen."""
        return {
            "batches": [_batch_document(batch) for batch in self.batches],
            "waiting": [
                {
                    "batch_id": _hex(batch.batch_id),
                    "clearinghouse": to_checksum(batch.domain.clearinghouse),
                    "problem": batch.problem,
                }
                for batch in self.waiting
            ],
            "arrears_paid": [
                {
                    "debtor": paid.debtor,
                    "amount": paid.amount,
                    "tx": _hex(paid.tx),
                    "clearinghouse": to_checksum(paid.domain.clearinghouse),
                }
                for paid in self.arrears_paid
            ],
            "withheld_released": [
                {
                    "debtor": released.debtor,
                    "day": released.day,
                    "amount": released.amount,
                    "tx": _hex(released.tx),
                    "clearinghouse": to_checksum(released.domain.clearinghouse),
                }
                for released in self.withheld_released
            ],
            "unpriced": [
                {"issuer": ride.taps[0].issuer, "serial": ride.taps[0].serial, "problem": ride.problem}
                for ride in self.unpriced
            ],
        }


def submit_once(lanes: Sequence[Lane], *, timeout: float) -> Report:
    """Submit everything that is ready, each ride to its own Clearinghouse, wait for the outcomes, and collect arrears.

    A chain that goes away, or takes longer than `timeout` seconds, ends the round early; nothing is lost.
    """
    report = Report()
    deadline = time.monotonic() + timeout
    try:
        for lane in lanes:
            lane.submitter.collect()
        _until(deadline, lambda: _settle_step(lanes, report))
        for lane in lanes:
            lane.arrears.start()
        _until(deadline, lambda: _arrears_step(lanes, report))
        if any(lane.busy for lane in lanes):
            report.problem = f"no outcome within {timeout:g} s; the batches wait, run submit again"
    except ChainUnavailableError as error:
        report.problem = str(error)
    report.waiting = [batch for lane in lanes for batch in lane.submitter.waiting]
    report.unpriced = [ride for lane in lanes for ride in lane.submitter.unpriced]
    return report


class Watch:
    """Submits rides as they become ready. Each :meth:`step` returns at once; nothing in it waits for a block."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes
        self._arrears_due = 0.0
        self._reconsider_due = time.monotonic() + REFUSED_EVERY
        self._told: set[str] = set()
        self._report = Report()

    @property
    def busy(self) -> bool:
        """Is anything on its way?"""
        return any(lane.busy for lane in self._lanes)

    def step(self) -> Report:
        """Sign and send what is ready, and read back what has come in.

        Raises:
            ChainUnavailableError: the node doesn't answer; outcomes that were read before that are in the journal,
                and in the report of :meth:`interrupted`.
        """
        now = time.monotonic()
        if now > self._reconsider_due:
            self._reconsider()
            self._reconsider_due = now + REFUSED_EVERY
        self._report = Report()
        for lane in self._lanes:
            lane.submitter.collect()
            self._warn_of_unpriced(lane)
        _settle_step(self._lanes, self._report)
        if self._report.batches or now > self._arrears_due:
            for lane in self._lanes:
                lane.arrears.start()
            self._arrears_due = now + ARREARS_EVERY
        _arrears_step(self._lanes, self._report)
        return self._report

    def interrupted(self) -> Report:
        """What the last step read back before the chain went away; everything else is looked for anew."""
        self._reconsider()
        report, self._report = self._report, Report()
        return report

    def _reconsider(self) -> None:
        for lane in self._lanes:
            lane.submitter.reconsider()

    def _warn_of_unpriced(self, lane: Lane) -> None:
        for ride in lane.submitter.unpriced:
            if ride.problem not in self._told:
                self._told.add(ride.problem)
                _log.warning("a ride of %d can't be priced: %s", ride.taps[0].issuer, ride.problem)


def back_off() -> Iterator[float]:
    """How long to wait before each further attempt to reach the chain, in seconds."""
    wait = BACK_OFF_FIRST
    while True:
        yield wait
        wait = min(wait * 2, BACK_OFF_MOST)


def _until(deadline: float, step: Callable[[], bool]) -> None:
    """Take steps until one says that there is nothing left to wait for, or time is up."""
    while step() and time.monotonic() < deadline:
        time.sleep(POLL)


def _settle_step(lanes: Sequence[Lane], report: Report) -> bool:
    for lane in lanes:
        for closed in lane.submitter.advance():
            report.batches.append(closed)
    return any(lane.submitter.busy for lane in lanes)


def _arrears_step(lanes: Sequence[Lane], report: Report) -> bool:
    for lane in lanes:
        report.arrears_paid += lane.arrears.poll()
        report.withheld_released += lane.arrears.take_released()
    return any(lane.arrears.busy for lane in lanes)


def _batch_document(batch: ClosedBatch) -> dict[str, object]:
    return {
        "batch_id": _hex(batch.batch_id),
        "clearinghouse": to_checksum(batch.domain.clearinghouse),
        "tx": None if batch.tx is None else _hex(batch.tx),
        "rides": batch.rides,
        "settled": batch.settled,
        "rejected": [
            {"issuer": ride.issuer, "serial": ride.serial, "reason": ride.reason.name if ride.reason else None}
            for ride in batch.rejected
        ],
    }


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
