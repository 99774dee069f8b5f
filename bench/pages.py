"""The pages on a given index: how long the server takes, how many readers it bears, what memory it needs."""

from __future__ import annotations

import http.client
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from bench.compiler import REPOSITORY
from bench.results import machine, machine_line, table, verdict
from bench.timing import median, percentile
from interline.cities import load_cities
from ledger.chain import Chain
from ledger.index.store import Index
from ledger.index.sync import sync
from network.chain import HOST, free_port
from rpc import Node
from tests.support.small_world import small_world

PACKAGES: Final = ("duckdb", "starlette", "uvicorn", "jinja2")
OVERVIEW: Final = "overview"
TARGET: Final = 50.0
"""Milliseconds at the server that 95 of 100 overviews take at most, for one reader."""
READERS: Final = (1, 4, 16)
COLD_STARTS: Final = 5
PATIENCE: Final = 300.0
"""Seconds until a server must have begun, or ended: no figure, and nothing that decides on a busy machine."""
_STATIC: Final = re.compile(rb'href="(/static/[^"]+\.css[^"]*)"')
_DURATION: Final = re.compile(r"dur=([0-9.]+)")
_NAIVE: Final = (
    "SELECT issuer, operator, count(*), sum(fare) FROM rides GROUP BY issuer, operator",
    "SELECT exit_day, count(*), sum(fare) FROM rides GROUP BY exit_day",
    "SELECT city, account, other, sum(amount) FROM postings GROUP BY city, account, other",
)
"""What an overview says, asked of the rides and postings themselves."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One page: milliseconds until it was there, and of those in the application; its bytes."""

    whole: float
    server: float
    size: int


class Reader:
    """Somebody with a connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=120)

    def read(self, path: str) -> Answer:
        """Ask for a page and read all of it. Raises RuntimeError where it isn't there."""
        started = time.perf_counter()
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        body = answer.read()
        whole = (time.perf_counter() - started) * 1_000
        if answer.status != 200:
            raise RuntimeError(f"expected {path}, came status {answer.status}: {body[:200]!r}")
        timing = _DURATION.search(answer.getheader("Server-Timing") or "")
        return Answer(whole, float(timing[1]) if timing else whole, len(body))

    def body(self, path: str) -> bytes:
        """What is on a page."""
        self._connection.request("GET", path)
        return self._connection.getresponse().read()


def measure(index: Path | None, *, quick: bool = False) -> dict[str, Any]:
    """All figures, as a document for JSON; times in milliseconds, memory in MiB. Without an index, a small one's."""
    if index is None:
        with tempfile.TemporaryDirectory() as folder:
            return measure(_small_index(Path(folder) / "small.duckdb"), quick=quick)
    times = 30 if quick else 300
    paths = _paths(index)
    cold = [_cold(index, paths) for _ in range(1 if quick else COLD_STARTS)]
    with _serving(index) as (port, process, started):
        reader = Reader(port)
        paths["a static file (the bound)"] = _static(reader)
        fresh = _memory(process.pid)
        warm = {name: _spread([reader.read(path) for _ in range(times)]) for name, path in paths.items()}
        readers = {
            name: [_crowd(port, paths[name], count, times) for count in READERS]
            for name in (OVERVIEW, "a static file (the bound)")
        }
        memory = {"fresh": fresh, "after": _memory(process.pid), "peak": _memory(process.pid, "VmHWM")}
    return {
        "machine": machine(PACKAGES),
        "index": _index_facts(index),
        "target": TARGET,
        "requests": times,
        "started": started,
        "cold": {name: [one[name] for one in cold] for name in paths if name in cold[0]},
        "warm": warm,
        "readers": readers,
        "memory": memory,
        "naive": _naive(index, 3 if quick else 20),
    }


def target_met(document: dict[str, Any]) -> bool:
    """Is the overview's 95th percentile at the server within the target?"""
    return bool(document["warm"][OVERVIEW]["server"]["p95"] <= document["target"])


def page(found: dict[str, Any]) -> str:
    """The page of the figures: Markdown."""
    facts, memory = found["index"], found["memory"]
    overview = found["warm"][OVERVIEW]["server"]
    warm = [
        (
            name,
            *(f"{one['server'][key]:.1f}" for key in _KEYS),
            f"{one['whole']['p95']:.1f}",
            f"{one['size'] / 1024:.0f}",
        )
        for name, one in found["warm"].items()
    ]
    cold = [(name, f"{median(times):.0f}", f"{max(times):.0f}") for name, times in found["cold"].items()]
    crowds = [
        (f"{name}, {one['readers']} readers", f"{one['rate']:,.0f}", *(f"{one[key]:.1f}" for key in _KEYS))
        for name, several in found["readers"].items()
        for one in several
    ]
    naive = [(name, *(f"{one[key]:,.0f}" for key in _KEYS)) for name, one in found["naive"].items()]
    return (
        f"# The pages\n\nMade by `{found['command']}` on {machine_line(found)}\n\n"
        f"The index: {facts['rides']:,} rides in {facts['batches']:,} batches of {facts['cities']} cities, "
        f"{facts['mebibytes']:,.0f} MiB on disk. The server listens {found['started']:.1f} s after its start.\n\n"
        f"Target: 95 of 100 overviews within {found['target']:.0f} ms at the server: **{overview['p95']:.1f} ms**, "
        f"{verdict(target_met(found))}.\n\n"
        f"## Warm: one reader, {found['requests']} times each\n\nMilliseconds in the application (`Server-Timing`); "
        "the last time is the reader's own, on a connection that stays open.\n\n"
        + table(("", "p50", "p95", "p99", "p95 at the reader", "KiB"), warm)
        + "\n## Cold: the first of each after a start\n\nMilliseconds, the files in the system's cache.\n\n"
        + table(("", "median", "highest"), cold)
        + "\n## Readers at once\n\nEach asks again as soon as it has its answer; milliseconds at the reader. "
        "Readers and server share the machine's cores.\n\n"
        + table(("", "pages a second", "p50", "p95", "p99"), crowds)
        + f"\n## Memory\n\nOf the server's process: {memory['fresh']:,.0f} MiB after the first pages, "
        f"{memory['after']:,.0f} after all of the above, {memory['peak']:,.0f} at most.\n"
        "\n## Peer: the same figures without any preparation\n\nWhat the overview says (fares by pair, rides by day, "
        "accounts by city), asked of the rides and postings for each reader anew; milliseconds, no page made of it.\n\n"
        + table(("", "p50", "p95", "p99"), naive)
    )


_KEYS: Final = ("p50", "p95", "p99")


def _small_index(path: Path) -> Path:
    with small_world() as small, Index.open(path, write=True) as made:
        sync(made, Chain(Node.at(small.url), small.clearinghouse), load_cities(REPOSITORY / "cities"))
    return path


# ---------------------------------------------------------------- the server


@contextmanager
def _serving(index: Path) -> Iterator[tuple[int, subprocess.Popen[bytes], float]]:
    """The server on an index, with no chain to follow: its port, its process, and the seconds until it listened."""
    port = free_port()
    command = [sys.executable, "-m", "ledger", "serve", "--index", str(index), "--port", str(port), "--archive"]
    started = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=log)
        try:
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > started + PATIENCE:
                    log.seek(0)
                    raise RuntimeError(f"expected a server within {PATIENCE} s, it said: {log.read().decode()}")
                time.sleep(0.01)
            yield port, process, time.monotonic() - started
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()


def _listens(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        connection.connect()
    except OSError:
        return False
    connection.close()
    return True


def _memory(process: int, which: str = "VmRSS") -> float:
    """MiB that a process holds now, or held at most (`VmHWM`)."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(which):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"expected {which} of process {process}, there is none")


def _static(reader: Reader) -> str:
    found = _STATIC.search(reader.body("/en/"))
    if found is None:
        raise RuntimeError("expected a style sheet in the overview, there is none")
    return found[1].decode()


# ---------------------------------------------------------------- what is asked for, and how long it takes


def _paths(index: Path) -> dict[str, str]:
    """Pages of the busiest city, the fullest batch, and a ride in it."""
    with duckdb.connect(str(index), read_only=True) as db:
        (city,) = _one(
            db,
            "SELECT operator FROM rides GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1",
        )
        batch, number = _one(db, "SELECT lower(hex(batch_id)), id FROM batches ORDER BY settled DESC, id LIMIT 1")
        (ride,) = _one(db, "SELECT min(index) FROM rides WHERE batch = ?", number)
    return {
        OVERVIEW: "/en/",
        "overview, Chinese": "/zh/",
        "a city": f"/en/cities/{city}",
        "a batch": f"/en/batches/0x{batch}",
        "a ride": f"/en/batches/0x{batch}/rides/{ride}",
    }


def _one(db: duckdb.DuckDBPyConnection, query: str, *parameters: object) -> tuple[Any, ...]:
    found = db.execute(query, list(parameters)).fetchone()
    if found is None:
        raise RuntimeError("expected an index with rides, there are none")
    return tuple(found)


def _index_facts(index: Path) -> dict[str, Any]:
    with duckdb.connect(str(index), read_only=True) as db:
        rides, batches, cities = _one(
            db,
            "SELECT (SELECT count(*) FROM rides), (SELECT count(*) FROM batches), count(DISTINCT city) FROM postings",
        )
    return {"rides": rides, "batches": batches, "cities": cities, "mebibytes": index.stat().st_size / 2**20}


def _cold(index: Path, paths: dict[str, str]) -> dict[str, float]:
    """Milliseconds of the first of each page, the overview first of all."""
    with _serving(index) as (port, _, _):
        reader = Reader(port)
        return {name: reader.read(path).whole for name, path in paths.items()}


def _spread(answers: list[Answer]) -> dict[str, Any]:
    return {
        "server": _percentiles([one.server for one in answers]),
        "whole": _percentiles([one.whole for one in answers]),
        "size": answers[0].size,
    }


def _percentiles(times: list[float]) -> dict[str, float]:
    return {"p50": median(times), "p95": percentile(times, 95), "p99": percentile(times, 99)}


def _crowd(port: int, path: str, readers: int, times: int) -> dict[str, Any]:
    """So many readers at once, who together read a page so many times."""
    whole: list[float] = []

    def read_on() -> None:
        reader = Reader(port)
        whole.extend(reader.read(path).whole for _ in range(times // readers))

    threads = [threading.Thread(target=read_on, daemon=True) for _ in range(readers)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()  # each answer has a limit of its own
    if len(whole) != times // readers * readers:
        raise RuntimeError(f"expected {times // readers * readers} answers of {path}, found {len(whole)}")
    rate = len(whole) / (time.perf_counter() - started)
    return {"readers": readers, "rate": rate, **_percentiles(whole)}


# ---------------------------------------------------------------- the peer


def _naive(index: Path, times: int) -> dict[str, dict[str, float]]:
    """The same figures, from the rides themselves each time: in SQLite, and in DuckDB."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(str(index), read_only=True) as db:
        lite = sqlite3.connect(Path(folder) / "rides.db")
        for name, columns in (
            ("rides", "issuer, operator, fare, exit_day"),
            ("postings", "city, account, other, amount"),
        ):
            lite.execute(f"CREATE TABLE {name} ({columns})")
            rows = db.execute(f"SELECT {columns.replace('exit_day', 'exit_day::VARCHAR')} FROM {name}")
            marks = ", ".join("?" * (columns.count(",") + 1))
            while chunk := rows.fetchmany(50_000):
                lite.executemany(f"INSERT INTO {name} VALUES ({marks})", chunk)
        lite.commit()
        try:
            return {
                "SQLite": _percentiles(_timed(lambda query: lite.execute(query).fetchall(), times)),
                "DuckDB": _percentiles(_timed(lambda query: db.execute(query).fetchall(), times)),
            }
        finally:
            lite.close()


def _timed(ask: Callable[[str], object], times: int) -> list[float]:
    found = []
    for _ in range(times):
        started = time.perf_counter()
        for query in _NAIVE:
            ask(query)
        found.append((time.perf_counter() - started) * 1_000)
    return found
