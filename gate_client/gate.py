"""One code's way through the gate: read, verify, journal, answer (protocol section 4).

Nothing in here knows of a network. The answer is given only after the journal has it on disk (step 10).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gate_client.errors import TrustListError
from gate_client.journal import Journal
from gate_client.tap import Direction
from gate_client.tap_log import Attempt, record_attempt
from gate_client.trust_list import TrustList, TrustListFile
from gate_client.verifier import Decision, Verifier
from interline.code import Code
from interline.reasons import GateReason
from interline.signatures import to_checksum

Clock = Callable[[], float]
"""The time in Unix seconds; `time.time` at a real gate."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gate answers for one code.

    `code` and `ticket_hash` are None where the code can't be read; `elapsed_ms` runs from the picture or text to the
    durable record; `image` is the picture's path, None for a text.
    """

    reason: GateReason
    direction: Direction
    station: int
    image: str | None
    code: Code | None
    ticket_hash: bytes | None
    elapsed_ms: float

    @property
    def accepted(self) -> bool:
        """Did the gate open?"""
        return self.reason is GateReason.ACCEPTED


class Gate:
    """A gate of one station, for one direction. Line ends are stripped from what is read, nothing else (section 3).

    Raises:
        TrustListError: on making one, where the station isn't in the tariff.
    """

    def __init__(
        self,
        journal: Journal,
        trust: TrustListFile,
        *,
        direction: Direction,
        station: int,
        trust_list_max_age: int,
        clock: Clock = time.time,
    ) -> None:
        self._journal = journal
        self._trust = trust
        self._direction = direction
        self._station = station
        self._max_age = trust_list_max_age
        self._clock = clock
        trust.current().check_station(station)
        self._verifier = self._verifier_for(trust.current())

    def scan_text(self, text: str) -> Answer:
        """Answer for a text as a scanner types it.

        Raises:
            JournalError: the tap couldn't be recorded; the gate stays shut.
        """
        return self._answer(text, time.perf_counter(), None)

    def scan_picture(self, path: Path) -> Iterator[Answer]:
        """Answer for every code in a picture, or once, `malformed`, where there is none.

        Raises:
            PictureError: the file is no picture.
            JournalError: the tap couldn't be recorded; the gate stays shut.
        """
        from gate_client.reader import read_picture  # texts alone don't need the decoder

        started = time.perf_counter()
        texts: list[str] = read_picture(path)
        if not texts:
            yield self._answer(None, started, str(path))
        for text in texts:
            yield self._answer(text, started, str(path))
            started = time.perf_counter()

    def _answer(self, text: str | None, started: float, image: str | None) -> Answer:
        now = int(self._clock())
        text = None if text is None else text.rstrip("\r\n")
        verifier = self._current_verifier()
        decision = verifier.check_text(text, self._direction, now)
        attempt = Attempt(self._direction, self._station, now, verifier.trust.block, text)
        reason = record_attempt(self._journal, attempt, decision)
        return self._answered(reason, decision, image, (time.perf_counter() - started) * 1_000)

    def _answered(self, reason: GateReason, decision: Decision, image: str | None, elapsed_ms: float) -> Answer:
        return Answer(
            reason=reason,
            direction=self._direction,
            station=self._station,
            image=image,
            code=decision.code,
            ticket_hash=decision.ticket_hash,
            elapsed_ms=elapsed_ms,
        )

    def _current_verifier(self) -> Verifier:
        trust = self._trust.current()
        if trust is not self._verifier.trust:
            self._verifier = self._verifier_for(trust)
        return self._verifier

    def _verifier_for(self, trust: TrustList) -> Verifier:
        self._journal.extend(trust.line)  # before a tap in a new domain
        return Verifier(trust, max_age=self._max_age)


def check_trust_list(trust: TrustList, *, operator: int, clearinghouse: bytes) -> None:
    """Refuse a trust list that isn't made for this gate's settings.

    Raises:
        TrustListError: it is another operator's or another Clearinghouse's.
    """
    if trust.operator != operator:
        raise TrustListError(
            f"the trust list is operator {trust.operator}'s, gate.toml says {operator}; "
            f"correct gate.toml, or use a journal of its own and run gate-client sync"
        )
    known = [domain.clearinghouse for domain in (*trust.line.domains, *trust.called_off)]
    if clearinghouse not in known:
        raise TrustListError(
            f"the trust list is of Clearinghouse {', '.join(map(to_checksum, known))}, gate.toml says "
            f"{to_checksum(clearinghouse)}; run gate-client sync if that is its successor, correct gate.toml if not, "
            f"or use a journal of its own"
        )
