"""Runs tests at other moments: `python -m tests.clock [MOMENT …] [--quick | --files FILE …]`; `--list` names them.

First it holds the shifted clock against the programs that have to see it: Python, a process that Python starts, anvil.
Exit status: 0 all passed, 1 a test failed, 2 it can't work.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from datetime import UTC, datetime

from tests.clock.selection import QUICK, REPOSITORY, clock_dependent
from tests.clock.shifting import MOMENTS, Moment, NoFakeTimeError, environment_at

UNMARKED = "not crash and not office and not browser"
NEAR = 60
"""Seconds that clocks of processes which are started one after another may differ, on a busy machine."""
_CLOCKS = """
import subprocess, sys, threading, time
from web3 import HTTPProvider, Web3
from network.chain import Chain
began = time.monotonic()
time.sleep(0.2)
threading.Event().wait(0.2)
assert time.monotonic() - began < 60, "waiting takes longer"
print(time.time())
print(subprocess.check_output(["date", "+%s"], text=True).strip())
with Chain(block_time=None) as chain:
    Web3(HTTPProvider(chain.url)).provider.make_request("evm_mine", [])
    print(Web3(HTTPProvider(chain.url)).eth.get_block("latest")["timestamp"])
"""


class ClockError(Exception):
    """Not all programs see the same shifted clock."""


def main() -> None:
    """Run, and end with the worst status."""
    parser = argparse.ArgumentParser(prog="python -m tests.clock", description=__doc__)
    parser.add_argument("moments", nargs="*", metavar="MOMENT", help=f"of {', '.join(MOMENTS)} [all]")
    parser.add_argument("--list", action="store_true", help="say what each moment is, and which files look at a clock")
    parser.add_argument("--quick", action="store_true", help="one moment and few files: what CI has time for")
    parser.add_argument("--files", nargs="+", default=None, metavar="FILE", help="[all that look at a clock]")
    options = parser.parse_args()
    unknown = [name for name in options.moments if name not in MOMENTS]
    if unknown:
        parser.error(f"expected moments of {', '.join(MOMENTS)}, found {', '.join(unknown)}")
    if options.list:
        for name, moment in MOMENTS.items():
            print(f"{name:12} {moment.why}")
        print(*clock_dependent(), sep="\n")
        return
    names = options.moments or (["month-utc"] if options.quick else list(MOMENTS))
    files = options.files or (list(QUICK) if options.quick else clock_dependent())
    try:
        failed = [name for name in names if not run(name, MOMENTS[name], files)]
    except (NoFakeTimeError, ClockError) as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    print(f"moments: {len(names)}, failed: {', '.join(failed) or 'none'}")
    raise SystemExit(bool(failed))


def run(name: str, moment: Moment, files: list[str]) -> bool:
    """Whether all tests passed at a moment.

    Raises:
        ClockError: not all programs see it.
    """
    environment = environment_at(moment)
    shown = datetime.fromtimestamp(time.time() + moment.offset(time.time()), UTC)
    print(f"=== {name}: {moment.why}; {shown:%Y-%m-%d %H:%M} UTC, TZ {moment.zone or 'as it is'}", flush=True)
    require_shifted(moment, environment)
    workers = str(2 * (os.cpu_count() or 1))  # as `make test`
    options = ["-n", workers, "--dist", "loadfile", "--no-loadscope-reorder", "--max-worker-restart=0"]
    command = [sys.executable, "-m", "pytest", "-q", "-m", UNMARKED, *options, *files]
    return subprocess.run(command, cwd=REPOSITORY, env=environment_at(moment), check=False).returncode == 0


def require_shifted(moment: Moment, environment: dict[str, str]) -> None:
    """Hold every program's clock against the moment.

    Raises:
        ClockError: one has another, or can't wait.
    """
    command = [sys.executable, "-c", _CLOCKS]
    began = time.time()
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    expected = began + moment.offset(began)
    found = [float(line) for line in done.stdout.split()]
    late = time.time() - began
    if len(found) != 3 or not all(-NEAR <= one - expected <= late + NEAR for one in found):
        raise ClockError(
            f"expected Python, its child and anvil at {expected:.0f}, found {found}: {done.stderr.strip()[-2_000:]}"
        )


if __name__ == "__main__":
    main()
