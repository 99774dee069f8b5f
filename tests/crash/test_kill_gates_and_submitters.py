"""Gates and submitters are killed with SIGKILL at random moments, the chain stops and freezes meanwhile, and in the end
every tap that a gate answered for and every ride are there exactly once, in the journal and on chain.

The seed is printed: `CRASH_SEED=... make test-crash` draws the same moments again; what they hit is up to the machine.
The chain is stopped and frozen, but not killed: anvil would come back with an older state, and no client can mend that.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from interline.tariff import load_tariff
from network.chain import Chain
from tests.support.deploy import City, Deployment, deploy
from tests.support.gates import GateFolder, gate_folder
from tests.support.killing import Kills, run_and_kill, work_together
from tests.support.patience import PATIENCE, running
from tests.support.riders import Rider, TicketOffice

pytestmark = [pytest.mark.crash, pytest.mark.timeout(3_600)]  # what hangs is found sooner: tests/support/killing.py

WANTED = {"entry": 40, "exit": 40, "submit": 45}
"""How often gates at the entry, gates at the exit and submitters are killed, at least."""
CODES_AT_ONCE = 120
ENTRY_STATION, EXIT_STATION = 1, 9


@dataclass(eq=False)
class Passenger:
    """A rider on the way: whether the present code is a second try, for the gate died over the first."""

    rider: Rider
    entered_at: int = 0
    second_try: bool = False


@dataclass
class Story:
    """What the world outside the gate has seen: the answers, and who is where."""

    deployment: Deployment
    gate: GateFolder
    offices: list[TicketOffice]
    operator: City
    chance: random.Random
    outside: deque[Passenger] = field(default_factory=deque)
    inside: deque[Passenger] = field(default_factory=deque)
    accepted: Counter[tuple[int, int, str]] = field(default_factory=Counter)
    kills: Kills = field(default_factory=lambda: Kills(WANTED))

    def arrivals(self, count: int) -> list[Passenger]:
        """Those whom a dead gate left standing, and new ones."""
        waiting = [self.outside.popleft() for _ in range(min(count, len(self.outside)))]
        until = int(time.time()) + 86_400
        new = [
            self.chance.choice(self.offices).issue(self.operator, not_after=until) for _ in range(count - len(waiting))
        ]
        return waiting + [Passenger(rider) for rider in new]

    def departures(self, count: int) -> list[Passenger]:
        """Riders inside who have been so for a second: their exit code must be later than the entry's."""
        ready = [self.inside.popleft() for _ in range(min(count, len(self.inside)))]
        now = int(time.time())
        self.inside.extend(p for p in ready if p.entered_at >= now)
        return [p for p in ready if p.entered_at < now]


def test_every_answered_tap_and_every_ride_is_there_exactly_once(tmp_path: Path) -> None:
    seed = int(os.environ.get("CRASH_SEED", time.time_ns() % 1_000_000))
    print(f"CRASH_SEED={seed}")
    chain = Chain(block_time=1, state=tmp_path / "state.json")
    with chain:
        story = begin(chain, tmp_path, seed)
        failures = run_everyone(story, chain, seed)
        assert not failures, f"CRASH_SEED={seed}\n" + "\n".join(failures)
        finish(story)
        print(f"killed: {dict(story.kills.counts)}, taps answered: {sum(story.accepted.values())}")
        check_journal(story)
        check_chain(story)
        assert sum(story.kills.counts.values()) >= 100


# ---------------------------------------------------------------- the cast


def begin(chain: Chain, folder: Path, seed: int) -> Story:
    deployment = deploy(chain.url, cities=["Shanghai", "Hangzhou", "Xuzhou"], deposit=100_000_000)
    operator = deployment.cities["Hangzhou"]
    gate = gate_folder(folder / "hangzhou", deployment, operator, batch_max_rides=20)
    gate.json("sync")
    offices = [TicketOffice(deployment.domain, deployment.cities[name]) for name in ("Shanghai", "Xuzhou")]
    return Story(deployment, gate, offices, operator, random.Random(seed))


def run_everyone(story: Story, chain: Chain, seed: int) -> list[str]:
    """Entry gates, exit gates, submitters and the chain's troubles, all at the same time; returns what went wrong.

    Each works until all have had their kills: the exit gates need riders whom entry gates bring, and the submitters
    need rides that end.
    """

    def entries() -> None:
        entry_gates(story, random.Random(seed + 1))

    def exits() -> None:
        exit_gates(story, random.Random(seed + 2))

    def submissions() -> None:
        submitters(story, random.Random(seed + 3))

    def troubles() -> None:
        chain_troubles(story, chain, random.Random(seed + 4))

    return work_together([entries, exits, submissions, troubles], story.kills)


def entry_gates(story: Story, chance: random.Random) -> None:
    while story.kills.go_on:
        passengers = story.arrivals(CODES_AT_ONCE)
        answered = scan_and_kill(story, "entry", ENTRY_STATION, passengers, chance)
        for passenger in passengers:
            (story.inside if passenger in answered else story.outside).append(passenger)
        story.kills.over.wait(chance.uniform(0, 0.5))


def exit_gates(story: Story, chance: random.Random) -> None:
    while story.kills.go_on:
        passengers = story.departures(CODES_AT_ONCE)
        if not passengers:
            story.kills.over.wait(0.1)
            continue
        answered = scan_and_kill(story, "exit", EXIT_STATION, passengers, chance)
        story.inside.extend(passenger for passenger in passengers if passenger not in answered)
        story.kills.over.wait(chance.uniform(0, 0.5))


def submitters(story: Story, chance: random.Random) -> None:
    """The moments are drawn over what a whole run takes on this machine: too early ones and too late ones are few."""
    whole = 3.5
    while story.kills.go_on:
        after = chance.uniform(0.1 * whole, whole)
        ended = run_and_kill(story.gate.command("submit", "--json"), story.gate.environment, after=after)
        if ended.was_killed:
            story.kills.add("submit")
        else:
            whole = max(0.3, ended.seconds)
        assert ended.was_killed or ended.status in (0, 2), ended.errors  # 1 would be a rejected ride
        assert "Traceback" not in ended.errors, ended.errors


def chain_troubles(story: Story, chain: Chain, chance: random.Random) -> None:
    """The chain is stopped and started again, which loses what it has not mined, or freezes for a moment."""
    over = story.kills.over
    while not over.wait(chance.uniform(2, 6)):
        if chance.random() < 0.6:
            chain.stop()
            over.wait(chance.uniform(0, 2))
            chain.start()
        else:
            process = chain._process
            assert process is not None
            process.send_signal(signal.SIGSTOP)
            try:
                over.wait(chance.uniform(0, 2))
            finally:
                process.send_signal(signal.SIGCONT)


def scan_and_kill(
    story: Story, direction: str, station: int, passengers: list[Passenger], chance: random.Random
) -> list[Passenger]:
    """Hold everyone's code to a gate that is killed meanwhile; returns who got an answer in time.

    A quarter of the gates die some moment after their start, however far they are. The others die some moment after
    their first answer, however long a start takes here: so riders do get through on any machine.
    """
    shown_at = int(time.time())
    codes = "".join(f"{passenger.rider.shows(shown_at).to_text()}\n" for passenger in passengers)
    at_once, life = chance.random() < 0.25, chance.uniform(0.0, 0.6)
    with tempfile.TemporaryFile("w+") as errors, gate_process(story, direction, station, errors) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        timer = killer(process, life if at_once else PATIENCE)
        feeder = threading.Thread(target=feed, args=(process.stdin, codes), daemon=True)
        feeder.start()
        answers = []
        for line in process.stdout:
            if not answers and not at_once:
                timer.cancel()
                timer = killer(process, life)
            if line.endswith("\n"):
                answers.append(json.loads(line))
        process.wait()
        timer.cancel()
        feeder.join(PATIENCE)
        errors.seek(0)
        assert process.returncode == -signal.SIGKILL, errors.read()
        assert answers or at_once, f"a gate at the {direction} gave no answer within {PATIENCE:g} s: {errors.read()}"
    story.kills.add(direction)
    return list(judge(story, direction, shown_at, passengers, answers))


def gate_process(
    story: Story, direction: str, station: int, errors: IO[str]
) -> AbstractContextManager[subprocess.Popen[str]]:
    """A gate that waits for codes."""
    command = story.gate.command("scan", "--direction", direction, "--station", str(station), "--json", "-")
    return running(command, stdin=subprocess.PIPE, stderr=errors)


def killer(process: subprocess.Popen[str], seconds: float) -> threading.Timer:
    """Kills a process after so many seconds, unless it is cancelled."""
    timer = threading.Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    return timer


def feed(pipe: IO[str], text: str) -> None:
    """Write to a process that may be killed meanwhile, and leave the pipe open."""
    with suppress(BrokenPipeError, ValueError):
        pipe.write(text)
        pipe.flush()


def judge(
    story: Story, direction: str, shown_at: int, passengers: list[Passenger], answers: list[dict[str, Any]]
) -> Iterator[Passenger]:
    """Hold each answer against what the passenger has lived through; yields those who are through the gate."""
    again = "already_entered" if direction == "entry" else "already_used"
    for passenger, answer in zip(passengers, answers, strict=False):
        ticket = passenger.rider.ticket
        assert (answer["issuer"], answer["serial"]) == (ticket.issuer, ticket.serial)
        if answer["reason"] == "accepted":
            story.accepted[ticket.issuer, ticket.serial, direction] += 1
        else:
            # The gate died between writing the tap and answering: the rider is known, and was never answered.
            assert answer["reason"] == again, answer
            assert passenger.second_try, answer
        passenger.entered_at = shown_at
        passenger.second_try = False
        yield passenger
    for passenger in passengers[len(answers) :]:
        passenger.second_try = True


# ---------------------------------------------------------------- the end


def finish(story: Story) -> None:
    """Nobody is killed any more: everything that can be settled is."""
    for _ in range(5):
        document = story.gate.json("submit")
        if not document["batches"]:
            break
    assert story.gate.json("submit")["batches"] == []


def check_journal(story: Story) -> None:
    with sqlite3.connect(story.gate.journal) as journal:
        taps = Counter(journal.execute("SELECT issuer, serial, direction FROM taps").fetchall())
        scans = Counter(
            journal.execute("SELECT issuer, serial, direction FROM scans WHERE reason = 'accepted'").fetchall()
        )
        rides = Counter(journal.execute("SELECT issuer, serial FROM rides").fetchall())
        states = dict(journal.execute("SELECT state, count(*) FROM rides GROUP BY state").fetchall())
        batched = Counter(journal.execute("SELECT ride FROM batch_rides").fetchall())
        assert journal.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert set(story.accepted.values()) == {1}, "a tap was answered twice"
    assert set(taps.values()) == {1}, "a tap is there twice"
    assert story.accepted.keys() <= taps.keys(), "an answered tap is lost"
    assert taps == scans
    pairs = {(i, s) for i, s, way in taps if way == "exit"} & {(i, s) for i, s, way in taps if way == "entry"}
    assert rides.keys() == pairs
    assert states == {"settled": len(pairs)}
    assert len(batched) == len(pairs)
    assert set(batched.values()) == {1}, "a ride is in two batches"


def check_chain(story: Story) -> None:
    with sqlite3.connect(story.gate.journal) as journal:
        rides = journal.execute("SELECT issuer, serial, fare FROM rides").fetchall()
        batches = {row[0] for row in journal.execute("SELECT batch_id FROM batches")}
    house = story.deployment.clearinghouse
    fare = load_tariff(story.operator.file.tariff).fare(ENTRY_STATION, EXIT_STATION)
    assert {ride[2] for ride in rides} == {fare}
    for issuer, serial, _ in rides:
        assert house.functions.isSettled(issuer, story.operator.code, serial).call()
    settled = house.events.BatchSettled().get_logs(from_block=0)
    assert Counter(event["args"]["batchId"] for event in settled) == Counter(batches)
    assert sum(event["args"]["settled"] for event in settled) == len(rides)
    assert house.events.RideRejected().get_logs(from_block=0) == [], "a ride was sent twice"
    balances = {city.name: house.functions.balanceOf(city.code).call() for city in story.deployment.cities.values()}
    assert balances["Hangzhou"] == 100_000_000 + fare * len(rides)
    assert sum(balances.values()) == 300_000_000 == house.functions.held().call()
