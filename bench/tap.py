"""A tap at the gate: a frame of its camera read, verified, and durably written, before the gate opens.

Beside it, in turns, what the machine allows: the decoder alone, the two signatures alone, and 4 KiB written and
synced on the same disk.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import zxingcpp
from PIL import Image

from bench.phones import DOMAIN, NOW, OPERATOR, STATIONS, Phone, phones, trust_list
from bench.results import QUICK, machine, machine_line, table
from bench.signatures import Prepared, prepare, two_signatures
from bench.timing import Times, in_turns, median, percentile, ratios
from gate_client.gate import Gate
from gate_client.journal import Journal
from gate_client.reader import read_picture
from gate_client.tap import Direction
from gate_client.trust_list import TrustListFile
from gate_client.verifier import Verifier
from interline.reasons import GateReason
from interline.signatures import to_checksum
from tests.support.riders import qr_picture

TAPS: Final = 600
WARM_UP: Final = 20
STARTS: Final = 20
DAY: Final = 86_400
FRAME: Final = (640, 480)
PAGE: Final = bytes(range(256)) * 16  # 4 KiB
QR_CODE: Final = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
PACKAGES: Final = ("zxing-cpp", "pillow", "coincurve", "cryptography")

TAP: Final = "tap: frame read, verified, durably written"
READ: Final = "of it: frame to text (PNG, decoder)"
UNPACK: Final = "of that: the PNG unpacked (Pillow)"
CHECK: Final = "of it: text to decision (base45, verification)"
WRITE: Final = "of it: the rest, above all the durable write"
DECODER: Final = "the decoder alone, pixels at hand (zxing-cpp)"
SIGNATURES: Final = "the two signature checks alone"
SYNC: Final = "4 KiB appended and synced on the same disk"
BOUND: Final = "bound: decoder + signatures + sync"
SCAN: Final = "`gate-client scan` of one frame, a process of its own"
PYTHON: Final = "python that does nothing"


@dataclass(frozen=True)
class Frame:
    """A picture of a phone, and what is in it."""

    path: Path
    pixels: memoryview
    code: Prepared


def measure(*, quick: bool = False) -> dict[str, Any]:
    """All figures, as a document for JSON; times in milliseconds."""
    taps, starts = (40, 4) if quick else (TAPS, STARTS)
    QUICK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=QUICK, prefix="tap-") as name:
        folder = Path(name)
        times = _measure_taps(folder, taps)
        processes = _measure_processes(folder, starts)
        disk = _file_system(folder)
    return {
        "machine": machine(PACKAGES),
        "disk": disk,
        "taps": taps,
        "frame": list(FRAME),
        "milliseconds": {name: _spread(some) for name, some in times.items()},
        "ratio": {"median": median(ratios(times[TAP], times[BOUND]))},
        "starts": starts,
        "process_milliseconds": {name: _spread(some) for name, some in processes.items()},
    }


def page(found: dict[str, Any]) -> str:
    """The page of the figures: Markdown."""
    columns = ("median", "p99", "worst")
    rows = [(name, *(f"{spread[key]:.2f}" for key in columns)) for name, spread in found["milliseconds"].items()]
    processes = [
        (name, *(f"{spread[key]:.0f}" for key in ("best", "median", "worst")))
        for name, spread in found["process_milliseconds"].items()
    ]
    tap, bound, sync = (found["milliseconds"][name] for name in (TAP, BOUND, SYNC))
    return (
        f"# A tap\n\nMade by `{found['command']}` on {machine_line(found)} Disk: {found['disk']}.\n\n"
        f"A tap takes {tap['median']:.1f} ms at the median and {tap['p99']:.1f} ms at the 99th percentile: "
        f"{found['ratio']['median']:.2f} times what the decoder, the two signature checks and one synced write take on "
        f"this machine. (The bound's own 99th percentile was {bound['p99']:.1f} ms in this run, a synced write's "
        f"{sync['p99']:.1f}.) {found['taps']} entries, each a PNG of {found['frame'][0]} x {found['frame'][1]}, "
        f"through `gate_client.gate.Gate`, in turns with the other lines.\n\n"
        "Best seen elsewhere (quoted, not measured here): median 3.2, p99 4.9 for the same work; 240 for a whole gate, "
        "500 is the limit in London.\n\n"
        + table(("milliseconds", *columns), rows)
        + f"\n## Start of a process\n\n{found['starts']} starts, in turns. A gate at work is a process that stays.\n\n"
        + table(("milliseconds", "best", "median", "worst"), processes)
    )


def _measure_taps(folder: Path, taps: int) -> Times:
    (folder / "trust-list.json").write_text(trust_list().to_json())
    trust = TrustListFile(folder / "trust-list.json")
    verifier = Verifier(trust.current(), max_age=DAY)
    disk = _Disk(folder / "pages")
    with Journal(folder / "gate.db", operator=OPERATOR.code, domain=DOMAIN) as journal:
        station = STATIONS[0]
        gate = Gate(
            journal, trust, direction=Direction.ENTRY, station=station, trust_list_max_age=DAY, clock=lambda: NOW
        )
        things: dict[str, Callable[[Frame], object]] = {
            TAP: lambda frame: _tap(gate, frame),
            READ: lambda frame: read_picture(frame.path),
            UNPACK: lambda frame: _unpack(frame.path),
            CHECK: lambda frame: verifier.check_text(frame.code.text, Direction.ENTRY, NOW),
            DECODER: lambda frame: zxingcpp.read_barcodes(frame.pixels, formats=QR_CODE),
            SIGNATURES: lambda frame: two_signatures(frame.code),
            SYNC: lambda _: disk.append(PAGE),
        }
        in_turns(things, _frames(folder, phones(WARM_UP)))
        times = in_turns(things, _frames(folder, phones(taps, first_serial=WARM_UP)))
    times[WRITE] = [tap - read - check for tap, read, check in zip(times[TAP], times[READ], times[CHECK], strict=True)]
    bound = zip(times[DECODER], times[SIGNATURES], times[SYNC], strict=True)
    times[BOUND] = [sum(three) for three in bound]
    order = (TAP, READ, UNPACK, CHECK, WRITE, BOUND, DECODER, SIGNATURES, SYNC)
    return {name: [time / 1_000 for time in times[name]] for name in order}


def _frames(folder: Path, riders: Sequence[Phone]) -> Iterator[Frame]:
    """Frames, each made when it is asked for; that isn't timed."""
    for rider in riders:
        path = qr_picture(rider.code.to_text(), folder / "frame.png", size=FRAME)
        grey = _unpack(path)
        pixels = memoryview(grey.tobytes()).cast("B", (grey.height, grey.width))
        yield Frame(path, pixels, prepare(rider.code))


def _unpack(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("L")


def _tap(gate: Gate, frame: Frame) -> None:
    [answer] = gate.scan_picture(frame.path)
    if answer.reason is not GateReason.ACCEPTED:
        raise RuntimeError(f"expected an accepted code, came {answer.reason}")


def _measure_processes(folder: Path, starts: int) -> Times:
    """A gate's command started, one frame scanned, ended; its clock is the machine's."""
    config = folder / "gate.toml"
    settings = {
        "operator": OPERATOR.code,
        "station": STATIONS[0],
        "rpc": "http://127.0.0.1:1",
        "clearinghouse": to_checksum(DOMAIN.clearinghouse),
        "journal": "process.db",
        "tariff": str(OPERATOR.tariff.resolve()),
    }
    config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    now = int(time.time())
    (folder / "process.db.trust-list.json").write_text(trust_list(block_time=now).to_json())
    gate_client = str(Path(sys.executable).with_name("gate-client"))
    scan = [gate_client, "--config", str(config), "scan", "--direction", "entry", "--json"]
    things: dict[str, Callable[[Path], object]] = {
        SCAN: lambda path: _run([*scan, str(path)]),
        PYTHON: lambda _: _run([sys.executable, "-c", "pass"]),
    }
    times = in_turns(things, _fresh_pictures(folder, phones(starts + 1)))
    return {name: [time / 1_000 for time in some[1:]] for name, some in times.items()}


def _fresh_pictures(folder: Path, riders: Sequence[Phone]) -> Iterator[Path]:
    for rider in riders:
        yield qr_picture(rider.shows(int(time.time())).to_text(), folder / "process.png", size=FRAME)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")


class _Disk:
    """A file that grows, page by page, each on the disk before the next."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def append(self, data: bytes) -> None:
        os.write(self._descriptor, data)
        os.fsync(self._descriptor)


def _spread(times: Sequence[float]) -> dict[str, float]:
    return {
        "best": min(times),
        "median": median(times),
        "p99": percentile(times, 99),
        "worst": max(times),
    }


def _file_system(folder: Path) -> str:
    """The kind of file system that a folder is in."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    holding = [mount for mount in mounts if folder.resolve().is_relative_to(mount[1])]
    return max(holding, key=lambda mount: len(mount[1]))[2] if holding else "unknown"
