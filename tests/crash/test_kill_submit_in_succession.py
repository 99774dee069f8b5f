"""`sync` and `submit` are killed with SIGKILL at random moments while one Clearinghouse takes over from another.

In the end every ride has settled exactly once, in the Clearinghouse that its ticket was signed for.
The seed is printed: `CRASH_SEED=... make test-crash` draws the same moments again.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from interline.tariff import load_tariff
from tests.support.deploy import City, Deployment, deploy, deploy_successor
from tests.support.gates import GateFolder, gate_folder
from tests.support.riders import Rider, TicketOffice
from tests.support.succession import DAYS_AGO, chain_in_the_past, name_successor

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]

SYNC_KILLS, SUBMIT_KILLS = 6, 25
DEPOSIT = 100_000_000


@dataclass
class Switch:
    """The two Clearinghouses, a gate, and who has ridden on whose tickets."""

    old: Deployment
    new: Deployment
    gate: GateFolder
    chance: random.Random
    ridden: dict[str, list[Rider]] = field(default_factory=lambda: {"old": [], "new": []})
    kills: Counter[str] = field(default_factory=Counter)

    @property
    def hangzhou(self) -> City:
        return self.old.cities["Hangzhou"]

    def office(self, which: str) -> TicketOffice:
        """Shanghai's; under the successor it counts its serials anew."""
        deployment = self.old if which == "old" else self.new
        office = TicketOffice(deployment.domain, self.old.cities["Shanghai"])
        office.serials[self.hangzhou.code] = iter(range(len(self.ridden[which]), 2**40))
        return office

    def ride(self, which: str, count: int) -> None:
        """From station 1 to station 9."""
        now = int(time.time())
        office = self.office(which)
        riders = [office.issue(self.hangzhou, not_after=now + 3_600) for _ in range(count)]
        for direction, shown_at, station in (("entry", now - 1, 1), ("exit", now, 9)):
            answers = self.gate.scan_texts(direction, [r.shows(shown_at).to_text() for r in riders], station=station)
            assert {answer["reason"] for answer in answers} == {"accepted"}
        self.ridden[which] += riders

    def run_and_kill(self, command: str, *, within: float) -> None:
        process = subprocess.Popen(
            self.gate.command(command),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=self.gate.environment,
        )
        timer = threading.Timer(self.chance.uniform(0.3, within), process.kill)
        timer.start()
        _, errors = process.communicate()
        timer.cancel()
        self.kills[command] += process.returncode == -signal.SIGKILL
        assert process.returncode in (0, -signal.SIGKILL), errors
        assert "Traceback" not in errors, errors


def test_every_ride_settles_once_where_its_ticket_was_signed_for(tmp_path: Path) -> None:
    seed = int(os.environ.get("CRASH_SEED", time.time_ns() % 1_000_000))
    print(f"CRASH_SEED={seed}")
    with chain_in_the_past(block_time=1) as chain:
        old = deploy(chain.url, cities=["Shanghai", "Hangzhou", "Xuzhou"], deposit=DEPOSIT)
        new = deploy_successor(old, deposit=DEPOSIT)
        settings = {"batch_max_rides": 4, "trust_list_max_age": (DAYS_AGO + 5) * 86_400}
        gate = gate_folder(tmp_path / "gate", old, old.cities["Hangzhou"], **settings)
        switch = Switch(old, new, gate, random.Random(seed))
        gate.json("sync")
        leave_batches_signed(switch)
        closes_at = name_successor(old, new, closes_in=75)
        while switch.kills["sync"] < SYNC_KILLS:
            switch.ride("old", 2)  # by the list that the gate has
            switch.run_and_kill("sync", within=1.5)
        gate.json("sync")
        while switch.kills["submit"] < SUBMIT_KILLS or time.time() < closes_at:
            for which in ("old", "new") if time.time() < closes_at - 10 else ("new",):
                switch.ride(which, switch.chance.randint(1, 9))
            switch.run_and_kill("submit", within=3.5)
        finish(switch)
        check(switch)
        print(f"killed: {dict(switch.kills)}, rides: { {name: len(who) for name, who in switch.ridden.items()} }")


def leave_batches_signed(switch: Switch) -> None:
    """Rides that were signed for the old one before anyone knew of a successor, and couldn't be sent."""
    submitter = switch.hangzhou.file.submitters[0]
    switch.ride("old", 9)
    switch.old.as_admin(switch.hangzhou, "removeSubmitter", submitter)
    assert switch.gate.run("submit").returncode == 2
    switch.old.as_admin(switch.hangzhou, "addSubmitter", submitter)


def finish(switch: Switch) -> None:
    for _ in range(5):
        if not switch.gate.json("submit")["batches"]:
            return


def check(switch: Switch) -> None:
    fare = load_tariff(switch.hangzhou.file.tariff).fare(1, 9)
    with sqlite3.connect(switch.gate.journal) as journal:
        batches = dict(
            journal.execute("SELECT batch_id, clearinghouse FROM batches JOIN domains ON domains.id = batches.domain")
        )
        twice = journal.execute("SELECT ride FROM batch_rides GROUP BY ride HAVING count(*) > 1").fetchall()
    assert twice == [], "a ride is in two batches"
    for which, deployment in (("old", switch.old), ("new", switch.new)):
        house, riders = deployment.clearinghouse, switch.ridden[which]
        mine = {batch for batch, address in batches.items() if address == deployment.domain.clearinghouse}
        settled = house.events.BatchSettled().get_logs(from_block=0)
        assert Counter(event["args"]["batchId"] for event in settled) == Counter(mine)
        assert sum(event["args"]["settled"] for event in settled) == len(riders)
        assert house.events.RideRejected().get_logs(from_block=0) == [], "a ride was sent twice"
        for rider in riders:
            assert house.functions.isSettled(rider.ticket.issuer, rider.ticket.operator, rider.ticket.serial).call()
        assert house.functions.balanceOf(switch.hangzhou.code).call() == DEPOSIT + fare * len(riders)
        assert house.functions.held().call() == 3 * DEPOSIT
    document = switch.gate.json("status")
    assert document["rides"] == {
        "ready": 0,
        "batched": 0,
        "settled": sum(map(len, switch.ridden.values())),
        "rejected": 0,
    }
