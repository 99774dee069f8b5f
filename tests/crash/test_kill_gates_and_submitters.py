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
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from interline.tariff import load_tariff
from network.chain import Chain
from tests.support.deploy import City, Deployment, deploy
from tests.support.gates import GateFolder, gate_folder
from tests.support.riders import Rider, TicketOffice

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]

SCAN_KILLS = 40  # of entry gates, and as many of exit gates
SUBMIT_KILLS = 45
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
    kills: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

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
        run_everyone(story, chain, seed)
        assert story.failures == []
        finish(story)
        print(f"killed: {dict(story.kills)}, taps answered: {sum(story.accepted.values())}")
        check_journal(story)
        check_chain(story)
        assert sum(story.kills.values()) >= 100


# ---------------------------------------------------------------- the cast


def begin(chain: Chain, folder: Path, seed: int) -> Story:
    deployment = deploy(chain.url, cities=["Shanghai", "Hangzhou", "Xuzhou"], deposit=100_000_000)
    operator = deployment.cities["Hangzhou"]
    gate = gate_folder(folder / "hangzhou", deployment, operator, batch_max_rides=20)
    gate.json("sync")
    offices = [TicketOffice(deployment.domain, deployment.cities[name]) for name in ("Shanghai", "Xuzhou")]
    return Story(deployment, gate, offices, operator, random.Random(seed))


def run_everyone(story: Story, chain: Chain, seed: int) -> None:
    """Entry gates, exit gates, submitters and the chain's troubles, all at the same time."""
    people = [
        threading.Thread(target=guarded, args=(story, entry_gates, random.Random(seed + 1))),
        threading.Thread(target=guarded, args=(story, exit_gates, random.Random(seed + 2))),
        threading.Thread(target=guarded, args=(story, submitters, random.Random(seed + 3))),
    ]
    for person in people:
        person.start()
    trouble = threading.Thread(target=chain_troubles, args=(story, chain, random.Random(seed + 4)))
    trouble.start()
    for person in people:
        person.join()
    story.over.set()
    trouble.join()


def guarded(story: Story, part: Any, chance: random.Random) -> None:
    try:
        part(story, chance)
    except BaseException as error:
        story.failures.append(f"{part.__name__}: {error!r}")
        raise


def entry_gates(story: Story, chance: random.Random) -> None:
    while story.kills["entry"] < SCAN_KILLS and not story.failures:
        passengers = story.arrivals(CODES_AT_ONCE)
        answered = scan_and_kill(story, "entry", ENTRY_STATION, passengers, chance.uniform(0.15, 0.7))
        for passenger in passengers:
            (story.inside if passenger in answered else story.outside).append(passenger)
        time.sleep(chance.uniform(0, 0.5))


def exit_gates(story: Story, chance: random.Random) -> None:
    while story.kills["exit"] < SCAN_KILLS and not story.failures:
        passengers = story.departures(CODES_AT_ONCE)
        if not passengers:
            time.sleep(0.1)
            continue
        answered = scan_and_kill(story, "exit", EXIT_STATION, passengers, chance.uniform(0.15, 0.7))
        story.inside.extend(passenger for passenger in passengers if passenger not in answered)
        time.sleep(chance.uniform(0, 0.5))


def submitters(story: Story, chance: random.Random) -> None:
    while story.kills["submit"] < SUBMIT_KILLS and not story.failures:
        process = subprocess.Popen(
            story.gate.command("submit", "--json"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=story.gate.environment,
        )
        timer = threading.Timer(chance.uniform(0.3, 3.5), process.kill)
        timer.start()
        _, errors = process.communicate()
        timer.cancel()
        if process.returncode == -signal.SIGKILL:
            story.kills["submit"] += 1
        assert process.returncode in (0, 2, -signal.SIGKILL), errors  # 1 would be a rejected ride
        assert "Traceback" not in errors, errors


def chain_troubles(story: Story, chain: Chain, chance: random.Random) -> None:
    """The chain is stopped and started again, which loses what it has not mined, or freezes for a moment."""
    while not story.over.wait(chance.uniform(2, 6)):
        if chance.random() < 0.6:
            chain.stop()
            story.over.wait(chance.uniform(0, 2))
            chain.start()
        else:
            process = chain._process
            assert process is not None
            process.send_signal(signal.SIGSTOP)
            story.over.wait(chance.uniform(0, 2))
            process.send_signal(signal.SIGCONT)


def scan_and_kill(
    story: Story, direction: str, station: int, passengers: list[Passenger], life: float
) -> list[Passenger]:
    """Hold everyone's code to a gate that is killed after `life` seconds; returns who got an answer in time."""
    shown_at = int(time.time())
    codes = "".join(f"{passenger.rider.shows(shown_at).to_text()}\n" for passenger in passengers)
    process = subprocess.Popen(
        story.gate.command("scan", "--direction", direction, "--station", str(station), "--json", "-"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    timer = threading.Timer(life, process.kill)
    timer.start()
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        process.stdin.write(codes)
        process.stdin.flush()
    except BrokenPipeError:
        pass
    answers = [json.loads(line) for line in process.stdout if line.endswith("\n")]
    process.wait()
    assert process.returncode == -signal.SIGKILL, process.stderr.read()
    process.stderr.close()
    story.kills[direction] += 1
    return list(judge(story, direction, shown_at, passengers, answers))


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
