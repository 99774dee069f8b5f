"""A shift at one operator's gates: riders show codes as PNG pictures, and a real `gate-client scan` reads them.

A shift knows the folder of its gate and of its riders' wallets, and no address of any chain.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.errors import DemoError
from demo.mischief import ISSUER, Forger
from demo.world import gate_command, run_lines
from interline.code import Code
from interline.domain import Domain
from issuer_client.qr import write_png
from issuer_client.wallet import Wallet


@dataclass(frozen=True, slots=True)
class Rider:
    """A ticket in a wallet, and the two stations of its ride."""

    wallet: Path
    issuer: int
    serial: int
    entry_station: int
    exit_station: int


@dataclass(frozen=True, slots=True)
class Shift:
    """What happens at one operator's gates while there is no network."""

    operator: int
    folder: Path
    pictures: Path
    domain: Domain
    riders: tuple[Rider, ...]
    forger: Forger | None = None


@dataclass(slots=True)
class Log:
    """What the gate answered."""

    accepted: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    """Refused codes, by reason."""
    elapsed_ms: list[float] = field(default_factory=list)
    """Of each code: decoding, verifying, and the durable write."""
    drawn_seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)
    """Answers that were not what the plan said."""

    def add(self, answer: dict[str, Any], expected: str) -> None:
        """Takes one of the gate's answers in."""
        reason = answer["reason"]
        if reason == "accepted":
            self.accepted += 1
        else:
            self.rejected[reason] = self.rejected.get(reason, 0) + 1
        self.elapsed_ms.append(answer["elapsed_ms"])
        if reason != expected:
            self.wrong.append(f"{answer.get('image')}: expected {expected}, came {reason}")

    def merge(self, other: "Log") -> None:
        """Takes another log in."""
        self.accepted += other.accepted
        for reason, count in other.rejected.items():
            self.rejected[reason] = self.rejected.get(reason, 0) + count
        self.elapsed_ms += other.elapsed_ms
        self.drawn_seconds += other.drawn_seconds
        self.wrong += other.wrong


def work(shift: Shift) -> Log:
    """Lets every rider in and, a second later at the earliest, out; shows copies and forgeries in between.

    Raises DemoError where the gate can't work.
    """
    log = Log()
    entered = _wave(shift, "entry", log)
    _show_again(shift, "entry", "already_entered", log)
    _show_planted(shift, log)
    time.sleep(max(0.0, entered + 1 - time.time()))
    _wave(shift, "exit", log)
    _show_again(shift, "exit", "already_used", log)
    _show_again(shift, "entry", "already_used", log)
    if log.wrong:
        raise DemoError("the gate gave another answer than planned: " + "; ".join(log.wrong[:5]))
    return log


def draw(code: Code, picture: Path) -> Path:
    """Writes a code's QR symbol as a PNG file."""
    write_png(code.to_text(), picture)
    return picture


def scan(folder: Path, direction: str, station: int | None, pictures: Sequence[Path]) -> list[dict[str, Any]]:
    """One run of a real gate over pictures; an answer for each."""
    place = () if station is None else ("--station", str(station))
    command = gate_command(folder, "scan", "--json", "--direction", direction, *place, *map(str, pictures))
    answers = run_lines(command, accept=(0, 1))
    if len(answers) != len(pictures):
        raise DemoError(f"expected {len(pictures)} answers of the gate, came {len(answers)}")
    return answers


def _wave(shift: Shift, direction: str, log: Log) -> float:
    """All riders show a fresh code at their stations; returns when the last of them was made, Unix seconds."""
    made = 0.0
    for station, riders in _by_station(shift.riders, direction):
        began = time.monotonic()
        pictures = [_fresh_picture(shift, rider, direction) for rider in riders]
        made = time.time()
        log.drawn_seconds += time.monotonic() - began
        for answer in scan(shift.folder, direction, station, pictures):
            log.add(answer, "accepted")
    return made


def _show_again(shift: Shift, direction: str, reason: str, log: Log) -> None:
    """The first rider's phone shows one more code."""
    picture = _fresh_picture(shift, shift.riders[0], "again")
    for answer in scan(shift.folder, direction, None, [picture]):
        log.add(answer, reason)


def _show_planted(shift: Shift, log: Log) -> None:
    if shift.forger is None:
        return
    inside = next(rider.serial for rider in shift.riders if rider.issuer == ISSUER)
    planted = shift.forger.plant(inside)
    answers = scan(shift.folder, "entry", None, [bad.picture for bad in planted])
    for bad, answer in zip(planted, answers, strict=True):
        log.add(answer, bad.reason)


def _fresh_picture(shift: Shift, rider: Rider, name: str) -> Path:
    wallet = Wallet(rider.wallet, shift.domain)
    code = wallet.code(rider.issuer, shift.operator, rider.serial)
    return draw(code, shift.pictures / f"{shift.operator}-{rider.issuer}-{rider.serial}-{name}.png")


def _by_station(riders: Iterable[Rider], direction: str) -> list[tuple[int, list[Rider]]]:
    """The riders by the station at which they show a code."""
    groups: dict[int, list[Rider]] = {}
    for rider in riders:
        groups.setdefault(rider.entry_station if direction == "entry" else rider.exit_station, []).append(rider)
    return sorted(groups.items())
