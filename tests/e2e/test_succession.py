"""A Clearinghouse is replaced while rides are in flight: nothing is lost, and nothing settles twice.

The real contracts and the real command lines, on anvil. The end of protocol section 7.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from interline.signatures import to_checksum
from interline.tariff import load_tariff
from network.accounts import Role
from network.chain import Chain
from tests.support.deploy import City, Deployment, deploy, deploy_successor
from tests.support.gates import GateFolder, gate_folder
from tests.support.patience import PATIENCE, running
from tests.support.riders import Rider, TicketOffice
from tests.support.succession import (
    DAYS_AGO,
    chain_in_the_past,
    come_to_the_present,
    name_successor,
    pass_time,
    wait_until,
)

CITIES = ["Shanghai", "Hangzhou", "Xuzhou"]
DEPOSIT = 100_000
STALE = (DAYS_AGO + 5) * 86_400
"""A gate whose settings would let it work on with a list of so many seconds; the chain's grace is 24 h."""


@dataclass(frozen=True)
class Story:
    """Two Clearinghouses, Shanghai's office for each, and Hangzhou's gates."""

    old: Deployment
    new: Deployment
    folder: Path

    @property
    def hangzhou(self) -> City:
        return self.old.cities["Hangzhou"]

    def gate(self, name: str, clearinghouse: Deployment | None = None) -> GateFolder:
        """A gate of Hangzhou with a journal of its own, whose gate.toml names the old one unless told otherwise."""
        deployment = clearinghouse or self.old
        return gate_folder(self.folder / name, deployment, self.hangzhou, trust_list_max_age=STALE)

    def offices(self) -> tuple[TicketOffice, TicketOffice]:
        """Shanghai's tickets for either; under the successor it counts its serials anew."""
        shanghai = self.old.cities["Shanghai"]
        return TicketOffice(self.old.domain, shanghai), TicketOffice(self.new.domain, shanghai)

    def riders(self, office: TicketOffice, count: int) -> list[Rider]:
        return [office.issue(self.hangzhou, not_after=int(time.time()) + 3_600) for _ in range(count)]

    def settled(self, deployment: Deployment, riders: Sequence[Rider]) -> int:
        """How many of these riders' serials have paid in a Clearinghouse."""
        is_settled = deployment.clearinghouse.functions.isSettled
        return sum(is_settled(r.ticket.issuer, r.ticket.operator, r.ticket.serial).call() for r in riders)

    def earned(self, deployment: Deployment) -> int:
        """What Hangzhou's balance there has grown by."""
        return int(deployment.clearinghouse.functions.balanceOf(self.hangzhou.code).call()) - DEPOSIT

    @property
    def fare(self) -> int:
        return load_tariff(self.hangzhou.file.tariff).fare(1, 9)


@pytest.fixture
def chain() -> Iterator[Chain]:
    with chain_in_the_past() as running:
        yield running


@pytest.fixture
def story(chain: Chain, tmp_path: Path) -> Story:
    """Both are deployed, 45 days ago; the successor isn't named yet."""
    old = deploy(chain.url, cities=CITIES, deposit=DEPOSIT)
    return Story(old, deploy_successor(old, deposit=DEPOSIT), tmp_path)


def scan(gate: GateFolder, direction: str, riders: Sequence[Rider]) -> list[str]:
    """The reasons with which a gate answers them; a second before, so that an exit can follow at once."""
    shown_at = int(time.time()) - (1 if direction == "entry" else 0)
    station = {"entry": 1, "exit": 9}[direction]
    answers = gate.scan_texts(direction, [rider.shows(shown_at).to_text() for rider in riders], station=station)
    return [answer["reason"] for answer in answers]


def through(gate: GateFolder, riders: Sequence[Rider]) -> None:
    for direction in ("entry", "exit"):
        assert set(scan(gate, direction, riders)) == {"accepted"}


def test_rides_in_flight_settle_once_each_where_its_ticket_was_signed_for(story: Story) -> None:
    gate, hub = story.gate("gate"), story.gate("hub")
    gate.sync_in_the_past()
    hub.json("sync")
    old_office, new_office = story.offices()
    unsent, signed, inside, late, stale = (story.riders(old_office, count) for count in (3, 2, 2, 1, 1))

    # Before: a batch that is signed and can't be sent, and rides that nobody has submitted.
    submitter = story.hangzhou.file.submitters[0]
    began = time.monotonic()
    through(gate, signed)
    story.old.as_admin(story.hangzhou, "removeSubmitter", submitter)
    waiting = json.loads(gate.run("submit", "--json").stdout)["waiting"]
    assert [batch["problem"].split("(")[0] for batch in waiting] == ["NotSubmitter"]
    story.old.as_admin(story.hangzhou, "addSubmitter", submitter)
    through(gate, unsent)

    # The successor is named. The gate syncs, the hub is out of contact. Until it closes there is time for several times
    # as many commands as it takes, by what they take here.
    spent = time.monotonic() - began
    closes_at = name_successor(story.old, story.new, closes_in=25 + round(8 * spent))
    document = gate.json("sync")
    assert document["clearinghouse"] == story.new.clearinghouse.address
    assert document["predecessors"] == [{"clearinghouse": story.old.clearinghouse.address, "closes_at": closes_at}]
    renewed = story.riders(new_office, 4)
    assert {rider.ticket.serial for rider in renewed} < {rider.ticket.serial for rider in (*unsent, *signed, *inside)}
    through(gate, renewed)
    assert set(scan(gate, "entry", inside)) == {"accepted"}

    # It closes. Who is inside gets out; who comes with an old ticket doesn't get in. The hub's list is from before the
    # naming, 30 days ago: it is good for nothing, whatever its settings say.
    wait_until(closes_at)
    assert scan(gate, "entry", late) == ["key_not_valid"]
    assert set(scan(gate, "exit", inside)) == {"accepted"}
    assert scan(hub, "entry", stale) == ["trust_list_expired"]
    assert scan(hub, "entry", story.riders(new_office, 1)) == ["trust_list_expired"]

    settled = [batch for batch in gate.json("submit")["batches"] if not batch["rejected"]]
    by_address = dict.fromkeys((story.old.clearinghouse.address, story.new.clearinghouse.address), 0)
    for batch in settled:
        by_address[batch["clearinghouse"]] += batch["settled"]
    assert list(by_address.values()) == [len(signed) + len(unsent) + len(inside), len(renewed)]
    assert waiting[0]["batch_id"] in {batch["batch_id"] for batch in settled}
    assert hub.json("sync")["clearinghouse"] == story.new.clearinghouse.address
    assert scan(hub, "entry", stale) == ["key_not_valid"]
    assert hub.json("submit")["batches"] == []

    # Nothing lost, nothing twice.
    olds = [*unsent, *signed, *inside]
    assert story.settled(story.old, olds) == len(olds)
    assert story.settled(story.old, [*late, *stale]) == 0
    assert story.settled(story.new, renewed) == len(renewed)
    assert story.earned(story.old) == len(olds) * story.fare
    assert story.earned(story.new) == len(renewed) * story.fare
    for each in (gate, hub):
        assert each.json("submit")["batches"] == []
    rides = {d["clearinghouse"]: d["rides"]["settled"] for d in gate.json("status")["domains"]}
    assert rides == {story.new.clearinghouse.address: 4, story.old.clearinghouse.address: 7}


@pytest.mark.parametrize("named", ["the first", "the newest"])
def test_any_clearinghouse_of_the_line_may_be_named_in_the_settings(story: Story, named: str) -> None:
    """And a gate that is set up after the succession sees what was revoked before its Clearinghouse was there."""
    story.old.as_admin(story.old.cities["Shanghai"], "revokeTickets", story.hangzhou.code, [77])
    name_successor(story.old, story.new, closes_in=3_600)
    gate = story.gate("gate", story.old if named == "the first" else story.new)
    document = gate.json("sync")
    assert document["clearinghouse"] == story.new.clearinghouse.address
    assert [each["clearinghouse"] for each in document["predecessors"]] == [story.old.clearinghouse.address]
    assert document["revoked"] == 1
    revoked = story.offices()[1].issue(story.hangzhou, not_after=int(time.time()) + 60, serial=77)
    assert scan(gate, "entry", [revoked]) == ["revoked"]


def test_a_successor_that_nobody_has_named_is_refused(story: Story) -> None:
    come_to_the_present(story.old)
    gate = story.gate("early", story.new)
    done = gate.run("sync")
    assert done.returncode == 2
    old, new = story.old.clearinghouse.address, story.new.clearinghouse.address
    assert f"{new} says that it takes over from {old}, which has named nobody" in done.stderr
    assert "Traceback" not in done.stderr
    assert gate.run("submit").returncode == 2
    assert not gate.journal.exists()


def test_another_journal_is_told_that_it_is_of_another_line(story: Story, tmp_path: Path) -> None:
    come_to_the_present(story.old)
    gate = story.gate("gate")
    gate.json("sync")
    through(gate, story.riders(story.offices()[0], 1))
    other = deploy(story.old.url, cities=CITIES, deposit=DEPOSIT)
    text = gate.config.read_text()
    gate.config.write_text(
        text.replace(to_checksum(story.old.domain.clearinghouse), to_checksum(other.domain.clearinghouse))
    )
    for command in ("sync", "submit"):
        done = gate.run(command)
        assert done.returncode == 2, command
        assert "use a new journal" in done.stderr


def _ended(process: subprocess.Popen[str], errors: IO[str]) -> str:
    process.wait(PATIENCE)
    errors.seek(0)
    return f"it ended with status {process.returncode}: {errors.read()}"


def test_a_watch_that_runs_on_follows_the_successor(story: Story) -> None:
    """`submit --watch` was started before there was one, and is never restarted."""
    gate = story.gate("gate")
    gate.json("sync")
    old_office, new_office = story.offices()
    often = "from gate_client import cli, session; session.LINE_EVERY = 0.5; cli.main()"
    command = [sys.executable, "-c", often, *gate.command("submit", "--json", "--watch", "0.1")[3:]]
    with tempfile.TemporaryFile("w+") as errors, running(command, stderr=errors, env=gate.environment) as watch:
        assert watch.stdout is not None
        name_successor(story.old, story.new, closes_in=3_600)
        gate.json("sync")
        for office, deployment in ((old_office, story.old), (new_office, story.new)):
            through(gate, story.riders(office, 2))
            line = watch.stdout.readline()
            assert line, _ended(watch, errors)
            [batch] = json.loads(line)["batches"]
            assert (batch["settled"], batch["clearinghouse"]) == (2, deployment.clearinghouse.address)
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(PATIENCE) == 0
        errors.seek(0)
        assert "Traceback" not in errors.read()


def test_during_an_emergency_stop_batches_wait_and_go_out_afterwards(story: Story) -> None:
    come_to_the_present(story.old)
    gate = story.gate("gate")
    gate.json("sync")
    riders = story.riders(story.offices()[0], 3)
    through(gate, riders)
    functions = story.old.clearinghouse.functions
    for city in list(story.old.cities.values())[:2]:
        story.old.call(
            city.private_key(Role.ADMIN),
            story.old.consortium.functions.callStop(city.code, story.old.clearinghouse.address),
        )
    done = gate.run("submit", "--json")
    assert done.returncode == 2
    [waiting] = json.loads(done.stdout)["waiting"]
    until = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(functions.stoppedUntil().call()))
    assert f"settlement is stopped until {until}" in waiting["problem"]
    assert gate.json("status")["waiting"][0]["problem"] == waiting["problem"]
    pass_time(story.old, 3 * 86_400)
    [batch] = gate.json("submit")["batches"]
    assert (batch["batch_id"], batch["settled"]) == (waiting["batch_id"], 3)
    assert story.settled(story.old, riders) == 3
