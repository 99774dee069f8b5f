"""`sync` and `submit` are killed with SIGKILL at random moments while one Clearinghouse takes over from another.

In the end every ride has settled exactly once, in the Clearinghouse that its ticket was signed for.
The seed is printed: `CRASH_SEED=... make test-crash` draws the same moments again.
"""

from __future__ import annotations

import math
import os
import random
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from interline.tariff import load_tariff
from tests.support.deploy import City, Deployment, deploy, deploy_successor
from tests.support.gates import GateFolder, gate_folder
from tests.support.killing import Kills, run_and_kill
from tests.support.riders import Rider, TicketOffice
from tests.support.succession import DAYS_AGO, chain_in_the_past, name_successor

pytestmark = [pytest.mark.crash, pytest.mark.timeout(3_600)]  # what hangs is found sooner: tests/support/killing.py

WANTED = {"sync": 6, "submit": 25}
DEPOSIT = 100_000_000


@dataclass
class Switch:
    """The two Clearinghouses, a gate, and who has ridden on whose tickets."""

    old: Deployment
    new: Deployment
    gate: GateFolder
    chance: random.Random
    closes_at: float = math.inf
    """When the old one closes, Unix seconds."""
    ridden: dict[str, list[Rider]] = field(default_factory=lambda: {"old": [], "new": []})
    kills: Kills = field(default_factory=lambda: Kills(WANTED))
    whole: dict[str, float] = field(default_factory=lambda: {"sync": 1.5, "submit": 3.5})
    """Seconds that each command takes here when nobody kills it."""

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
        """From station 1 to station 9; with an old ticket only as long as it gets anybody in."""
        now = int(time.time())
        office = self.office(which)
        riders = [office.issue(self.hangzhou, not_after=now + 3_600) for _ in range(count)]
        reasons = self.scan("entry", riders, now - 1, 1)
        if which == "old" and time.time() >= self.closes_at:
            assert set(reasons) <= {"accepted", "key_not_valid"}, reasons
            riders = [rider for rider, reason in zip(riders, reasons, strict=True) if reason == "accepted"]
        else:
            assert set(reasons) == {"accepted"}
        assert set(self.scan("exit", riders, int(time.time()), 9)) <= {"accepted"}
        self.ridden[which] += riders

    def scan(self, direction: str, riders: list[Rider], shown_at: int, station: int) -> list[str]:
        """What the gate answers them, in words."""
        answers = self.gate.scan_texts(direction, [r.shows(shown_at).to_text() for r in riders], station=station)
        assert len(answers) == len(riders)
        return [answer["reason"] for answer in answers]

    def run_and_kill(self, command: str) -> None:
        """At a moment that is drawn over what a whole run takes on this machine."""
        after = self.chance.uniform(0.1, 1.0) * self.whole[command]
        ended = run_and_kill(self.gate.command(command), self.gate.environment, after=after)
        if ended.was_killed:
            self.kills.add(command)
        else:
            self.whole[command] = max(0.3, ended.seconds)
        assert ended.was_killed or ended.status == 0, ended.errors
        assert "Traceback" not in ended.errors, ended.errors
        assert command not in self.kills.stalled(), f"no {command} was killed any more: {dict(self.kills.counts)}"

    def lacks(self, command: str) -> bool:
        """Whether it has to be killed more often."""
        return command in self.kills.lacking


def test_every_ride_settles_once_where_its_ticket_was_signed_for(tmp_path: Path) -> None:
    seed = int(os.environ.get("CRASH_SEED", time.time_ns() % 1_000_000))
    print(f"CRASH_SEED={seed}")
    with chain_in_the_past(block_time=1) as chain:
        old = deploy(chain.url, cities=["Shanghai", "Hangzhou", "Xuzhou"], deposit=DEPOSIT)
        new = deploy_successor(old, deposit=DEPOSIT)
        settings = {"batch_max_rides": 4, "trust_list_max_age": (DAYS_AGO + 5) * 86_400}
        gate = gate_folder(tmp_path / "gate", old, old.cities["Hangzhou"], **settings)
        switch = Switch(old, new, gate, random.Random(seed))
        gate.sync_in_the_past()
        began = time.monotonic()
        leave_batches_signed(switch)
        # Half of the kills ahead are to be before it closes, however long they take here.
        closes_in = max(75, 10 * round(time.monotonic() - began))
        switch.closes_at = closes_at = name_successor(old, new, closes_in=closes_in)
        switch.kills.begin("sync")
        while switch.lacks("sync"):
            switch.ride("old", 2)  # by the list that the gate has
            switch.run_and_kill("sync")
        gate.json("sync")
        switch.kills.begin("submit")
        while switch.lacks("submit") or time.time() < closes_at:
            for which in ("old", "new") if time.time() < closes_at else ("new",):
                switch.ride(which, switch.chance.randint(1, 9))
            switch.run_and_kill("submit")
        finish(switch)
        check(switch)
        print(
            f"killed: {dict(switch.kills.counts)}, rides: { {name: len(who) for name, who in switch.ridden.items()} }"
        )


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
