"""Disputes and refunds with the commands of both sides, against the real contracts on a real chain."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interline.code import sign_code
from interline.rider_keys import RiderPrivateKey
from interline.signatures import to_checksum
from network.accounts import Role
from network.chain import Chain
from tests.support.deploy import City, Deployment, deploy, deploy_successor
from tests.support.disputes import DAY, Place, carry, chain_time, issue, pass_time, rows
from tests.support.gates import GateFolder, gate_folder
from tests.support.offices import OfficeFolder, office_folder, ride_on, settle
from tests.support.patience import PATIENCE, running, wait_until
from tests.support.riders import Rider, TicketOffice
from tests.support.succession import chain_in_the_past, name_successor

FEE = 500
FARE = 500
LONE_FARE = 800


@pytest.fixture
def chain() -> Iterator[Chain]:
    """One for each test: time passes on it."""
    with Chain(block_time=None) as running:
        yield running


@pytest.fixture
def deployment(chain: Chain) -> Deployment:
    return deploy(chain.url, cities=["Shanghai", "Hangzhou", "Xuzhou"])


@pytest.fixture
def hangzhou(deployment: Deployment) -> City:
    return deployment.cities["Hangzhou"]


@pytest.fixture
def xuzhou(deployment: Deployment) -> City:
    return deployment.cities["Xuzhou"]


@pytest.fixture
def gate(deployment: Deployment, hangzhou: City, tmp_path: Path) -> GateFolder:
    """Hangzhou's gates and back office, synced."""
    folder = gate_folder(tmp_path / "hangzhou", deployment, hangzhou)
    folder.json("sync")
    return folder


@pytest.fixture
def office(deployment: Deployment, xuzhou: City, tmp_path: Path) -> OfficeFolder:
    """Xuzhou's ticket office, with its treasury's keystore."""
    return office_folder(tmp_path / "xuzhou", deployment, xuzhou)


def disputed(office: OfficeFolder, ride_places: list[Place]) -> list[dict[str, Any]]:
    """Dispute rides of one batch."""
    document = office.json("dispute", ride_places[0].batch, *(place.index for place in ride_places))
    assert {one["state"] for one in document["disputes"]} == {"disputed"}
    return list(document["disputes"])


def states(document: dict[str, Any], key: str = "disputes") -> dict[int, str]:
    return {one["index"]: one["state"] for one in document[key]}


def balance(deployment: Deployment, city: City) -> int:
    return int(deployment.clearinghouse.functions.balanceOf(city.code).call())


def sent_by(deployment: Deployment, city: City, role: Role = Role.SUBMITTER) -> int:
    """How many transactions an account has in blocks."""
    address = {Role.SUBMITTER: city.file.submitters[0], Role.TREASURY: city.file.treasury}[role]
    return deployment.web3.eth.get_transaction_count(address)  # type: ignore[arg-type]


def books_agree(deployment: Deployment) -> bool:
    """Do the balances add up to what is held, and do arrears cancel out?"""
    functions = deployment.clearinghouse.functions
    codes = [city.code for city in deployment.cities.values()]
    return bool(
        sum(functions.balanceOf(code).call() for code in codes)
        == functions.held().call()
        == sum(functions.position(code).call() for code in codes)
    )


class TestEvidence:
    def test_a_dispute_that_is_answered_out_of_the_journal_is_upheld_and_costs_the_fee(
        self, gate: GateFolder, office: OfficeFolder, deployment: Deployment, hangzhou: City, xuzhou: City
    ) -> None:
        ride, other = carry(gate, issue(office, hangzhou, 2))
        [asked] = disputed(office, [ride])
        before = balance(deployment, hangzhou), balance(deployment, xuzhou)
        assert (asked["amount"], asked["fee"]) == (FARE, FEE)

        [listed] = gate.json("disputes")["disputes"]
        assert (listed["state"], listed["index"], listed["serial"]) == ("ready", ride.index, asked["serial"])
        assert listed["answer_until"] == asked["answer_until"]
        assert listed["time_left"] == asked["answer_until"] - chain_time(deployment)
        [tried] = gate.json("answer", "--dry-run")["disputes"]
        assert (tried["state"], tried["tx"]) == ("ready", None)
        assert 100_000 < tried["gas"] < 2_000_000

        [answered] = gate.json("answer")["disputes"]
        assert answered["state"] == "upheld"
        assert deployment.web3.eth.get_transaction_receipt(answered["tx"])["status"] == 1
        assert (balance(deployment, hangzhou), balance(deployment, xuzhou)) == (before[0] + FEE, before[1] - FEE)
        document = office.json("disputes")
        [case] = document["cases"]
        assert (case["state"], case["serial"], case["refunded"]) == ("upheld", asked["serial"], 0)
        assert document["total"] == {"open": 0, "disputed": 0, "refunded": 0, "fees": FEE}

        count = sent_by(deployment, hangzhou)
        assert states(gate.json("answer")) == {ride.index: "upheld"}
        assert sent_by(deployment, hangzhou) == count
        again = office.json("dispute", *ride.arguments, other.index, "--dry-run", status=1)
        assert states(again) == {ride.index: "refused", other.index: "would_dispute"}
        assert "never disputed, came one that is upheld" in again["disputes"][0]["problem"]

    def test_a_lone_ride_needs_the_one_code_that_there_is(
        self, gate: GateFolder, office: OfficeFolder, hangzhou: City, deployment: Deployment
    ) -> None:
        [ride] = carry(gate, issue(office, hangzhou, 1), lone=True)
        [asked] = disputed(office, [ride])
        assert (asked["fare"], asked["entered_at"]) == (LONE_FARE, asked["exited_at"])
        assert states(gate.json("answer")) == {ride.index: "upheld"}
        assert books_agree(deployment)

    def test_codes_that_do_not_prove_the_ride_are_not_sent_and_the_fares_go_back_when_time_is_over(
        self, gate: GateFolder, office: OfficeFolder, deployment: Deployment, hangzhou: City, xuzhou: City
    ) -> None:
        riders = issue(office, hangzhou, len(SPOILERS) + 1)
        start = balance(deployment, xuzhou)
        ride_places = carry(gate, riders)
        disputed(office, ride_places)
        for spoil, rider in zip(SPOILERS, riders, strict=False):
            spoil(gate, rider)
        count = sent_by(deployment, hangzhou)
        done = gate.json("answer")
        expected = dict.fromkeys((place.index for place in ride_places), "no_evidence")
        assert states(done) == expected | {ride_places[-1].index: "upheld"}
        assert sent_by(deployment, hangzhou) == count + 1  # the good one
        problems = {one["index"]: one["problem"] for one in done["disputes"]}
        for place, words in zip(ride_places, SPOILERS.values(), strict=False):
            assert words in problems[place.index]

        assert gate.run("answer", "--near", "1").returncode == 0
        assert gate.run("answer", "--near", "1000").returncode == 1
        assert "no_evidence" not in gate.run("disputes").stdout
        assert "no evidence" in gate.run("disputes").stdout

        assert office.json("claim")["claims"] == []
        assert office.json("disputes")["total"]["disputed"] == len(SPOILERS) * FARE
        pass_time(deployment, 10 * DAY + 60)
        assert set(states(gate.json("answer")).values()) == {"too_late", "upheld"}
        assert {one["state"] for one in office.json("claim", "--dry-run")["claims"]} == {"claimable"}
        claims = office.json("claim")["claims"]
        assert [(one["kind"], one["amount"], one["state"]) for one in claims] == [
            ("unanswered", FARE, "claimed") for _ in SPOILERS
        ]
        assert balance(deployment, xuzhou) == start - FARE - FEE  # for the ride that was upheld
        assert set(states(gate.json("disputes")).values()) == {"refunded", "upheld"}
        assert office.json("claim")["claims"] == []
        assert office.json("disputes")["total"] == {
            "open": 0,
            "disputed": 0,
            "refunded": len(SPOILERS) * FARE,
            "fees": FEE,
        }
        assert books_agree(deployment)


def _forget(gate: GateFolder, rider: Rider) -> None:
    rows(gate, "UPDATE taps SET code = NULL WHERE serial = ? AND direction = 'exit'", rider.ticket.serial)


def _change(gate: GateFolder, rider: Rider, change: Callable[[int], bytes], direction: str = "exit") -> None:
    where = "WHERE serial = ? AND direction = ?"
    [[shown_at]] = rows(gate, f"SELECT shown_at FROM taps {where}", rider.ticket.serial, direction)
    assert isinstance(shown_at, int)
    rows(gate, f"UPDATE taps SET code = ? {where}", change(shown_at), rider.ticket.serial, direction)


def _forge(gate: GateFolder, rider: Rider) -> None:
    stranger = RiderPrivateKey.generate()
    _change(gate, rider, lambda at: sign_code(rider.domain, rider.ticket, stranger, at).to_bytes())


def _swap(gate: GateFolder, rider: Rider) -> None:
    """The signature over the exit's code, in the entry's code."""

    def swapped(at: int) -> bytes:
        return replace(rider.shows(at), rider_signature=rider.shows(at + 5).rider_signature).to_bytes()

    _change(gate, rider, swapped, "entry")


def _age(gate: GateFolder, rider: Rider) -> None:
    _change(gate, rider, lambda at: replace(rider.shows(at - 3_600), shown_at=at).to_bytes())


def _retime(gate: GateFolder, rider: Rider) -> None:
    _change(gate, rider, lambda at: rider.shows(at + 1).to_bytes())


def _lose(gate: GateFolder, rider: Rider) -> None:
    """The ride isn't known in its batch: it came from another journal."""
    rows(gate, "UPDATE taps SET ride = NULL, state = 'unused' WHERE serial = ?", rider.ticket.serial)


SPOILERS = {
    _forget: "deleted by gate-client prune",
    _forge: "signature over this ticket's code",
    _swap: "signature over this ticket's code",
    _age: "signature over this ticket's code",
    _retime: "came none of",
    _lose: "only of no time",
}


class TestAJournalThatDoesNotKnow:
    def test_it_says_which_journal_is_needed(
        self, gate: GateFolder, office: OfficeFolder, hangzhou: City, deployment: Deployment, tmp_path: Path
    ) -> None:
        [ride] = carry(gate, issue(office, hangzhou, 1))
        disputed(office, [ride])
        other = gate_folder(tmp_path / "another office", deployment, hangzhou)
        other.json("sync")
        [found] = other.json("answer", "--near", "1000", status=1)["disputes"]
        assert (found["state"], found["serial"]) == ("no_evidence", None)
        assert "answer with the journal of the gates that sent it" in found["problem"]
        assert states(gate.json("answer")) == {ride.index: "upheld"}
        assert states(other.json("answer")) == {ride.index: "upheld"}  # somebody else did


class TestRevokedTickets:
    def test_a_ride_that_began_after_the_grace_is_refunded_at_once_and_one_within_it_is_not(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City, xuzhou: City
    ) -> None:
        riders = issue(office, hangzhou, 3)
        late, soon, never = (rider.ticket for rider in riders)
        deployment.as_admin(xuzhou, "revokeTickets", hangzhou.code, [late.serial, soon.serial])
        revoked = chain_time(deployment)
        pass_time(deployment, DAY + 3_600)
        times = {late: revoked + DAY + 1, soon: revoked + DAY, never: revoked + DAY + 1}
        batch = settle(
            deployment,
            hangzhou,
            [(ticket, ride_on(ticket, entered_at=at, exited_at=at + 60)) for ticket, at in times.items()],
        )
        assert office.run("claim", "--dry-run").returncode == 0
        before = balance(deployment, xuzhou)
        [claim] = office.json("claim")["claims"]
        assert (claim["kind"], claim["state"], claim["amount"]) == ("revoked", "claimed", FARE)
        assert claim["batch_id"] == f"0x{batch.id.hex()}"
        assert balance(deployment, xuzhou) == before + FARE
        [case] = office.json("disputes")["cases"]
        assert (case["serial"], case["state"], case["refunds"][0]["cause"]) == (late.serial, "refunded", "revoked")
        assert office.json("claim")["claims"] == []


class TestRefunds:
    def test_the_operators_treasury_gives_back_a_part_and_then_the_rest(
        self, gate: GateFolder, office: OfficeFolder, deployment: Deployment, hangzhou: City, xuzhou: City
    ) -> None:
        [ride] = carry(gate, issue(office, hangzhou, 1))
        start = balance(deployment, xuzhou)
        tried = gate.json("refund", *ride.arguments, "100", "--dry-run")
        assert (tried["amount"], tried["left"], tried["tx"], tried["fare"]) == (100, FARE - 100, None, FARE)
        assert 50_000 < tried["gas"] < 200_000
        treasury = ["--keystore", str(gate.folder / "treasury.json")]
        assert gate.json("refund", *ride.arguments, "100", *treasury)["left"] == FARE - 100
        assert balance(deployment, xuzhou) == start + 100
        twice = gate.run("refund", *ride.arguments, "100", *treasury)
        assert (twice.returncode, "give --again" in twice.stderr) == (2, True)
        too_much = gate.run("refund", *ride.arguments, "401", "--again", *treasury)
        assert "expected an amount from 1 to 400 fen" in too_much.stderr
        done = gate.json("refund", *ride.arguments, "all", "--again", *treasury)
        assert (done["amount"], done["left"]) == (FARE - 100, 0)
        [case] = office.json("disputes")["cases"]
        assert (case["state"], case["left"], case["answer_until"]) == ("refunded", 0, None)
        assert [one["amount"] for one in case["refunds"]] == [100, FARE - 100]
        refused = office.json("dispute", *ride.arguments, status=1)
        assert "all of its fare" in refused["disputes"][0]["problem"]
        assert books_agree(deployment)

    def test_what_calldata_prints_does_it_when_the_treasury_sends_it(
        self, gate: GateFolder, office: OfficeFolder, deployment: Deployment, hangzhou: City, xuzhou: City
    ) -> None:
        [ride] = carry(gate, issue(office, hangzhou, 1))
        document = office.json("dispute", *ride.arguments, "--calldata")
        send_as(deployment, document["transactions"][0])
        assert states(gate.json("disputes")) == {ride.index: "ready"}
        send_as(deployment, gate.json("refund", *ride.arguments, "all", "--calldata"))
        assert states(gate.json("disputes")) == {ride.index: "refunded"}

    def test_a_refused_ride_of_a_batch_can_neither_be_refunded_nor_disputed_and_the_others_can(
        self, gate: GateFolder, office: OfficeFolder, deployment: Deployment, hangzhou: City
    ) -> None:
        now = int(time.time())
        paid, first, last = (rider.ticket for rider in issue(office, hangzhou, 3))
        made = [(one, ride_on(one, entered_at=now - 120, exited_at=now - 60)) for one in (paid, first, last)]
        settle(deployment, hangzhou, made[:1])
        batch = settle(deployment, hangzhou, made)
        index = {ride.serial: i for i, _, _, ride in batch.iter_rides()}
        name = f"0x{batch.id.hex()}"
        for command in (gate.run("refund", name, str(index[paid.serial]), "all", "--dry-run"),):
            assert (command.returncode, "was refused on chain (AlreadySettled)" in command.stderr) == (2, True)
        answer = office.json("dispute", name, index[paid.serial], index[first.serial], 3, status=1)
        assert states(answer) == {index[paid.serial]: "refused", index[first.serial]: "disputed", 3: "refused"}
        problems = {one["index"]: one["problem"] for one in answer["disputes"]}
        assert "(AlreadySettled); nobody paid it" in problems[index[paid.serial]]
        assert "one of the batch's 3 rides" in problems[3]
        treasury = ["--keystore", str(gate.folder / "treasury.json")]
        assert gate.json("refund", name, str(index[last.serial]), "all", *treasury)["left"] == 0


def send_as(deployment: Deployment, transaction: dict[str, Any]) -> None:
    """Send what a Safe or a hardware account would, as that account."""
    deployment.web3.provider.make_request("anvil_impersonateAccount", [transaction["from"]])  # type: ignore[arg-type]
    tx = deployment.web3.eth.send_transaction(transaction | {"gas": 1_000_000, "gasPrice": 0})  # type: ignore[arg-type]
    assert deployment.web3.eth.wait_for_transaction_receipt(tx)["status"] == 1


class TestWhatCanGoWrong:
    def test_only_the_treasurys_key_disputes_and_refunds(
        self, gate: GateFolder, office: OfficeFolder, hangzhou: City, xuzhou: City, deployment: Deployment
    ) -> None:
        [ride] = carry(gate, issue(office, hangzhou, 1))
        done = office.run("dispute", *ride.arguments, "--keystore", office.folder / "issuer-key.json")
        assert done.returncode == 2
        assert f"the treasury of {xuzhou.code}" in done.stderr
        assert xuzhou.file.treasury in done.stderr
        refund = gate.run("refund", *ride.arguments, "all", "--keystore", str(gate.folder / "submitter.json"))
        assert refund.returncode == 2
        assert f"expected the key of the treasury, {to_checksum(bytes.fromhex(hangzhou.file.treasury[2:]))}" in (
            refund.stderr
        )
        assert office.json("disputes")["cases"] == []

    def test_a_ride_of_another_city_or_batch_is_not_ours_to_dispute(
        self, gate: GateFolder, office: OfficeFolder, hangzhou: City, deployment: Deployment, tmp_path: Path
    ) -> None:
        [ride] = carry(gate, issue(office, hangzhou, 1))
        other = office_folder(tmp_path / "shanghai", deployment, deployment.cities["Shanghai"])
        [answer] = other.json("dispute", *ride.arguments, status=1)["disputes"]
        assert f"expected one on a ticket of 3100, came one of {office.city.code}" in answer["problem"]
        unknown = office.run("dispute", "0x" + "ab" * 32, "0")
        assert (unknown.returncode, "expected one that settled at" in unknown.stderr) == (1, True)
        bad = office.run("dispute", "0xab", "0")
        assert (bad.returncode, "0x and 64 hexadecimals" in bad.stderr) == (2, True)

    def test_after_30_days_it_is_too_late_to_dispute(
        self, gate: GateFolder, office: OfficeFolder, hangzhou: City, deployment: Deployment
    ) -> None:
        [ride] = carry(gate, issue(office, hangzhou, 1))
        pass_time(deployment, 30 * DAY + 60)
        [answer] = office.json("dispute", *ride.arguments, status=1)["disputes"]
        assert "too late to dispute" in answer["problem"]

    def test_a_chain_that_is_away_is_said_and_nothing_is_lost(
        self, gate: GateFolder, office: OfficeFolder, hangzhou: City, deployment: Deployment, chain: Chain
    ) -> None:
        [ride] = carry(gate, issue(office, hangzhou, 1))
        disputed(office, [ride])
        chain.stop()
        for done in (
            gate.run("answer"),
            gate.run("disputes"),
            gate.run("refund", *ride.arguments, "1", "--dry-run"),
            office.run("dispute", *ride.arguments, "--dry-run"),
            office.run("disputes"),
            office.run("claim"),
        ):
            assert (done.returncode, "doesn't answer" in done.stderr) == (2, True), done.stderr
            assert "Traceback" not in done.stderr

    def test_an_answer_killed_before_its_block_is_given_once(
        self, gate: GateFolder, office: OfficeFolder, hangzhou: City, deployment: Deployment
    ) -> None:
        ride_places = carry(gate, issue(office, hangzhou, 2))
        disputed(office, ride_places)
        count = sent_by(deployment, hangzhou)
        deployment.web3.provider.make_request("evm_setAutomine", [False])  # type: ignore[arg-type]
        with running(gate.command("answer"), env=gate.environment, stdout=subprocess.DEVNULL):
            wait_until(lambda: rows(gate, "SELECT count(*) FROM disputes WHERE tx IS NOT NULL")[0][0] == 2)
            time.sleep(0.5)
        again = gate.run("answer", "--timeout", "1", "--json")
        assert again.returncode == 2
        assert "no outcome within 1 s" in again.stderr
        deployment.web3.provider.make_request("evm_setAutomine", [True])  # type: ignore[arg-type]
        deployment.web3.provider.make_request("anvil_mine", ["0x1"])  # type: ignore[arg-type]
        assert set(states(gate.json("answer")).values()) == {"upheld"}
        assert sent_by(deployment, hangzhou) == count + 2
        assert office.json("disputes")["total"]["fees"] == 2 * FEE


class TestWatching:
    def test_answer_and_claim_stay_do_what_comes_up_and_stop_when_told_to(
        self, gate: GateFolder, office: OfficeFolder, hangzhou: City, deployment: Deployment
    ) -> None:
        good, spoilt = riders = issue(office, hangzhou, 2)
        ride_places = carry(gate, riders)
        _forge(gate, spoilt)
        assert good is not spoilt
        answer = gate.command("answer", "--watch", "0.3", "--json")
        claim = office.command("claim", "--watch", "0.3", "--json")
        with ExitStack() as until_the_end:
            files = [until_the_end.enter_context(tempfile.TemporaryFile("w+")) for _ in range(2)]
            watchers = [
                until_the_end.enter_context(running(command, env=environment, stdout=file, stderr=subprocess.STDOUT))
                for command, environment, file in (
                    (answer, gate.environment, files[0]),
                    (claim, office.environment, files[1]),
                )
            ]
            disputed(office, ride_places)
            stage = deployment.refunds.functions.caseOf
            wait_until(lambda: stage(ride_places[0].id, ride_places[0].index).call()[-1] == 2)
            pass_time(deployment, 10 * DAY + 60)
            wait_until(lambda: stage(ride_places[1].id, ride_places[1].index).call()[-1] == 3)
            wait_until(lambda: set(states(gate.json("disputes")).values()) == {"upheld", "refunded"})
            second = gate.run("answer", "--timeout", "0")
            assert "another gate-client answer is at work" in second.stderr
            time.sleep(1)
            for watcher in watchers:
                watcher.send_signal(signal.SIGTERM)
            statuses = [watcher.wait(PATIENCE) for watcher in watchers]
            for file in files:
                file.seek(0)
            output = [file.read() for file in files]
        assert statuses == [0, 0], output
        assert '"state": "refunded"' in output[0].splitlines()[-1]
        assert '"state": "claimed"' in output[1]


class TestSuccession:
    def test_rides_of_both_clearinghouses_are_disputed_and_answered_where_they_settled(self, tmp_path: Path) -> None:
        with chain_in_the_past() as running:
            old = deploy(running.url, cities=["Hangzhou", "Xuzhou"])
            new = deploy_successor(old, deposit=50_000)
            hangzhou, xuzhou = old.cities["Hangzhou"], old.cities["Xuzhou"]
            name_successor(old, new, closes_in=3_600)
            gate = gate_folder(tmp_path / "hangzhou", old, hangzhou)
            gate.json("sync")
            office = office_folder(tmp_path / "xuzhou", old, xuzhou)
            later = TicketOffice(new.domain, xuzhou).issue(hangzhou, not_after=int(time.time()) + 3_600)
            for deployment, rider in ((old, issue(office, hangzhou, 1)[0]), (new, later)):
                [ride] = carry(gate, [rider])
                disputed(office, [ride])
                assert deployment.refunds.functions.caseOf(ride.id, ride.index).call()[-1] == 1
            assert sum(one["amount"] for one in gate.json("disputes")["disputes"]) == 2 * FARE
            assert {one["state"] for one in gate.json("answer")["disputes"]} == {"upheld"}
            cases = office.json("disputes")["cases"]
            assert [(one["clearinghouse"], one["state"]) for one in cases] == [
                (to_checksum(deployment.domain.clearinghouse), "upheld") for deployment in (old, new)
            ]
