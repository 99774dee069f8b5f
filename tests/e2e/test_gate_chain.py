"""`gate-client` against the real contracts on a real chain: the trust list, settling, and what can go wrong."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from web3.logs import DISCARD

from interline.tariff import load_tariff
from network.accounts import BANK, Role, test_private_key
from network.chain import Chain
from tests.support.deploy import City, Deployment, city, deploy, send_all
from tests.support.gates import GateFolder, gate_folder
from tests.support.patience import PATIENCE, running, wait_until
from tests.support.provider import (
    Habit,
    Provider,
    always,
    changed,
    limited_batch,
    limited_range,
    limited_results,
    one_too_many,
)
from tests.support.riders import Rider, TicketOffice

CITIES = ["Shanghai", "Hangzhou", "Xuzhou"]


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with Chain(block_time=None) as running:
        yield running


@pytest.fixture
def deployment(chain: Chain) -> Deployment:
    """Contracts of its own for each test, on one chain."""
    return deploy(chain.url, cities=CITIES)


@pytest.fixture
def shanghai(deployment: Deployment) -> City:
    return deployment.cities["Shanghai"]


@pytest.fixture
def hangzhou(deployment: Deployment) -> City:
    return deployment.cities["Hangzhou"]


@pytest.fixture
def xuzhou(deployment: Deployment) -> City:
    return deployment.cities["Xuzhou"]


@pytest.fixture
def office(deployment: Deployment, shanghai: City) -> TicketOffice:
    return TicketOffice(deployment.domain, shanghai)


@pytest.fixture
def gate(deployment: Deployment, hangzhou: City, tmp_path: Path) -> GateFolder:
    """Hangzhou's gates, synced."""
    folder = gate_folder(tmp_path / "hangzhou", deployment, hangzhou)
    folder.json("sync")
    return folder


Ride = Callable[..., list[Rider]]


@pytest.fixture
def ride(gate: GateFolder, office: TicketOffice, hangzhou: City) -> Ride:
    """Riders from Shanghai go from station 1 to station 9, all of them through `gate-client scan`."""

    def run(count: int, *, through: GateFolder = gate, office: TicketOffice = office) -> list[Rider]:
        now = int(time.time())
        riders = [office.issue(hangzhou, not_after=now + 3_600) for _ in range(count)]
        through.pass_through(riders)
        return riders

    return run


def fare(city: City) -> int:
    return load_tariff(city.file.tariff).fare(1, 9)


def balances(deployment: Deployment) -> dict[str, int]:
    balance_of = deployment.clearinghouse.functions.balanceOf
    return {name: balance_of(city.code).call() for name, city in deployment.cities.items()}


class TestSync:
    def test_the_trust_list_holds_what_the_contracts_say(
        self, deployment: Deployment, gate: GateFolder, shanghai: City, xuzhou: City, hangzhou: City
    ) -> None:
        deployment.as_admin(shanghai, "addIssuerKey", 7, xuzhou.file.admin, 1_600_000_000, 2**40 - 1)
        deployment.as_admin(shanghai, "endIssuerKey", 1, 2_000_000_000)
        deployment.as_admin(shanghai, "revokeTickets", hangzhou.code, [3, 2**40 - 1])
        deployment.as_admin(shanghai, "revokeTickets", xuzhou.code, [4])
        deployment.by_vote(deployment.registry.functions.suspend(xuzhou.code))
        document = gate.json("sync")
        assert [(city["code"], city["status"]) for city in document["cities"]] == [
            (shanghai.code, "active"),
            (hangzhou.code, "active"),
            (xuzhou.code, "suspended"),
        ]
        assert document["block"] == deployment.web3.eth.block_number
        stored = json.loads((gate.folder / "gate.db.trust-list.json").read_text())
        assert stored["revoked"] == {str(shanghai.code): [3, 2**40 - 1]}
        assert [(key["id"], key["valid_until"]) for key in stored["cities"][0]["keys"]] == [
            (1, 2_000_000_000),
            (7, 2**40 - 1),
        ]

    def test_it_does_not_go_back_to_a_lower_block(
        self, gate: GateFolder, deployment: Deployment, tmp_path: Path
    ) -> None:
        """The same contracts at the same addresses on a chain that has not come as far."""
        with Chain(block_time=None) as young:
            older = deploy(young.url, cities=CITIES)
            folder = gate_folder(tmp_path / "gate", older, older.cities["Hangzhou"])
            folder.json("sync")
            path = folder.folder / "gate.db.trust-list.json"
            document = json.loads(path.read_text())
            path.write_text(json.dumps(document | {"block": document["block"] + 1}))
            before = path.read_bytes()
            done = folder.run("sync")
            assert done.returncode == 2
            assert "the old list stays" in done.stderr
            assert path.read_bytes() == before
            older.web3.provider.make_request("anvil_mine", ["0x1"])  # type: ignore[arg-type]
            folder.json("sync")

    def test_a_city_that_is_no_member_gets_none(self, deployment: Deployment, tmp_path: Path) -> None:
        done = gate_folder(tmp_path / "stranger", deployment, city("Lanzhou")).run("sync")
        assert done.returncode == 2
        assert "operator 6201 has never been a member" in done.stderr

    @pytest.mark.parametrize("what", ["nothing there", "something else there"])
    def test_an_address_that_is_no_clearinghouse_is_refused(
        self, deployment: Deployment, hangzhou: City, tmp_path: Path, what: str
    ) -> None:
        address = deployment.token.address if what == "something else there" else "0x" + "12" * 20
        done = gate_folder(tmp_path / "gate", deployment, hangzhou, clearinghouse=address).run("sync")
        assert done.returncode == 2
        assert ("there is no contract" if what == "nothing there" else "is no Clearinghouse") in done.stderr
        assert "Traceback" not in done.stderr


class TestSubmit:
    def test_rides_are_settled_and_the_money_moves(
        self, gate: GateFolder, ride: Ride, deployment: Deployment, hangzhou: City, shanghai: City
    ) -> None:
        before = balances(deployment)
        riders = ride(5)
        document = gate.json("submit")
        [batch] = document["batches"]
        assert (batch["settled"], batch["rejected"]) == (5, [])
        receipt = deployment.web3.eth.get_transaction_receipt(batch["tx"])
        [event] = deployment.clearinghouse.events.BatchSettled().process_receipt(receipt, errors=DISCARD)
        assert "0x" + event["args"]["batchId"].hex() == batch["batch_id"]
        paid = 5 * fare(hangzhou)
        after = balances(deployment)
        assert after["Hangzhou"] == before["Hangzhou"] + paid
        assert after["Shanghai"] == before["Shanghai"] - paid
        is_settled = deployment.clearinghouse.functions.isSettled
        assert all(is_settled(shanghai.code, hangzhou.code, rider.ticket.serial).call() for rider in riders)
        assert gate.json("status")["settled_fares"] == paid

    def test_run_again_it_has_nothing_to_do(self, gate: GateFolder, ride: Ride) -> None:
        ride(1)
        gate.json("submit")
        assert gate.json("submit")["batches"] == []

    def test_one_ticket_at_two_hubs_that_were_out_of_contact_pays_once(
        self, gate: GateFolder, ride: Ride, deployment: Deployment, hangzhou: City, tmp_path: Path
    ) -> None:
        """Mistake 9, where no journal can help: the chain refuses the second ride, and says so."""
        hub = gate_folder(tmp_path / "hub", deployment, hangzhou)
        hub.json("sync")
        riders = ride(2)
        hub.pass_through(riders[:1])
        gate.json("submit")
        document = hub.json("submit", status=1)
        [batch] = document["batches"]
        assert batch["settled"] == 0
        assert batch["rejected"] == [{"issuer": 3100, "serial": riders[0].ticket.serial, "reason": "AlreadySettled"}]

    def test_a_rejected_ride_can_be_sent_again_when_its_reason_is_gone(
        self, gate: GateFolder, ride: Ride, deployment: Deployment
    ) -> None:
        ride(3)
        write_max_fare(deployment, 100)
        document = gate.json("submit", status=1)
        assert {ride["reason"] for ride in document["batches"][0]["rejected"]} == {"AboveFareCap"}
        assert gate.json("status")["rejected"] == {"AboveFareCap": 3}
        assert gate.json("submit")["batches"] == []
        write_max_fare(deployment, 20_000)
        [batch] = gate.json("submit", "--retry-rejected")["batches"]
        assert batch["batch_id"] == document["batches"][0]["batch_id"]
        assert batch["tx"] != document["batches"][0]["tx"]
        assert batch["settled"] == 3
        assert gate.json("status")["rides"] == {"ready": 0, "batched": 0, "settled": 3, "rejected": 0}

    def test_a_submitter_that_was_removed_is_told_and_its_rides_wait(
        self, gate: GateFolder, ride: Ride, deployment: Deployment, hangzhou: City
    ) -> None:
        """Mistake 10."""
        submitter = hangzhou.file.submitters[0]
        deployment.as_admin(hangzhou, "removeSubmitter", submitter)
        ride(2)
        done = gate.run("submit", "--json")
        assert done.returncode == 2
        [waiting] = json.loads(done.stdout)["waiting"]
        assert waiting["problem"].startswith(f"NotSubmitter(3301, {submitter})")
        assert gate.json("status")["waiting"][0]["rides"] == 2
        deployment.as_admin(hangzhou, "addSubmitter", submitter)
        [batch] = gate.json("submit")["batches"]
        assert (batch["batch_id"], batch["settled"]) == (waiting["batch_id"], 2)

    def test_a_batch_that_a_stranger_brought_counts_as_sent(
        self, gate: GateFolder, ride: Ride, deployment: Deployment, hangzhou: City
    ) -> None:
        """Who relays the transaction doesn't matter (protocol section 1)."""
        submitter = hangzhou.file.submitters[0]
        deployment.as_admin(hangzhou, "removeSubmitter", submitter)
        ride(2)
        gate.run("submit")
        deployment.as_admin(hangzhou, "addSubmitter", submitter)
        with sqlite3.connect(gate.journal) as journal:
            data, signature = journal.execute("SELECT bytes, signature FROM batches").fetchone()
        stranger = Account.create().key
        settle = deployment.clearinghouse.functions.settle(data, signature)
        [receipt] = send_all(deployment.web3, [(bytes(stranger), settle)])
        [batch] = gate.json("submit")["batches"]
        assert (batch["settled"], batch["tx"]) == (2, "0x" + receipt["transactionHash"].hex())

    def test_arrears_are_collected_when_the_debtor_has_funds(self, chain: Chain, tmp_path: Path) -> None:
        deployment = deploy(chain.url, cities=CITIES, deposit=150)
        hangzhou, shanghai = deployment.cities["Hangzhou"], deployment.cities["Shanghai"]
        gate = gate_folder(tmp_path / "poor", deployment, hangzhou)
        gate.json("sync")
        office = TicketOffice(deployment.domain, shanghai)
        gate.pass_through([office.issue(hangzhou, not_after=int(time.time()) + 3_600) for _ in range(2)])
        document = gate.json("submit")
        owed = 2 * fare(hangzhou) - 150
        functions = deployment.clearinghouse.functions
        assert document["batches"][0]["settled"] == 2
        assert document["arrears_paid"] == []
        assert functions.arrears(shanghai.code, hangzhou.code).call() == owed
        top_up(deployment, shanghai, owed - 30)
        [paid] = gate.json("submit")["arrears_paid"]
        assert (paid["debtor"], paid["amount"]) == (shanghai.code, owed - 30)
        top_up(deployment, shanghai, 1_000)
        [paid] = gate.json("submit")["arrears_paid"]
        assert (paid["debtor"], paid["amount"]) == (shanghai.code, 30)
        assert gate.json("submit")["arrears_paid"] == []
        assert functions.arrearsOf(shanghai.code).call() == 0

    def test_a_wrong_password_is_told(self, gate: GateFolder, ride: Ride) -> None:
        command = gate.command("submit")
        environment = gate.environment | {"GATE_KEYSTORE_PASSWORD": "another"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 2
        assert "password" in done.stderr
        assert "Traceback" not in done.stderr

    def test_two_submits_at_once_share_the_work(self, gate: GateFolder, ride: Ride) -> None:
        ride(3)
        submit = gate.command("submit", "--json")
        with running(submit, env=gate.environment) as one, running(submit, env=gate.environment) as other:
            documents = [json.loads(process.communicate(timeout=PATIENCE)[0]) for process in (one, other)]
        assert [one.returncode, other.returncode] == [0, 0]
        assert sum(batch["settled"] for document in documents for batch in document["batches"]) == 3


@contextmanager
def behind(gate: GateFolder, deployment: Deployment, habit: Habit) -> Iterator[Provider]:
    """The gate's node is one with a habit."""
    settings = gate.config.read_text()
    with Provider(deployment.url, habit) as provider:
        gate.config.write_text(settings.replace(deployment.url, provider.url))
        yield provider
    gate.config.write_text(settings)


def without_status(receipt: Any) -> Any:
    return None if receipt is None else {name: value for name, value in receipt.items() if name != "status"}


class TestProviders:
    @pytest.mark.parametrize(
        "habit",
        [
            limited_range(3, status=400),
            limited_results(1),
            limited_batch(0),
            limited_batch(2),
            one_too_many(5, **{"Retry-After": "0"}),
            changed("eth_getLogs", lambda logs: logs or None),
            changed("eth_getTransactionReceipt", without_status),
        ],
    )
    def test_whatever_a_provider_limits_or_leaves_out_rides_settle_once(
        self, gate: GateFolder, ride: Ride, deployment: Deployment, hangzhou: City, shanghai: City, habit: Habit
    ) -> None:
        deployment.as_admin(shanghai, "revokeTickets", hangzhou.code, [2**40 - 1])
        before = balances(deployment)
        with behind(gate, deployment, habit):
            gate.json("sync")
            riders = ride(2)
            [batch] = gate.json("submit")["batches"]
        assert (batch["settled"], batch["rejected"]) == (len(riders), [])
        stored = json.loads((gate.folder / "gate.db.trust-list.json").read_text())
        assert stored["revoked"] == {str(shanghai.code): [2**40 - 1]}
        assert balances(deployment)["Hangzhou"] == before["Hangzhou"] + len(riders) * fare(hangzhou)
        assert gate.json("submit")["batches"] == []

    def test_a_ticket_that_was_revoked_is_not_overlooked_at_a_node_that_is_behind(
        self, gate: GateFolder, deployment: Deployment, hangzhou: City, shanghai: City
    ) -> None:
        until = deployment.web3.eth.block_number
        deployment.as_admin(shanghai, "revokeTickets", hangzhou.code, [3])
        lagging = changed("eth_getLogs", lambda logs: [log for log in logs if int(log["blockNumber"], 16) <= until])
        with behind(gate, deployment, lagging):
            done = gate.run("sync")
        assert done.returncode == 2
        assert "is behind the others" in done.stderr
        assert "Traceback" not in done.stderr
        gate.json("sync")
        stored = json.loads((gate.folder / "gate.db.trust-list.json").read_text())
        assert stored["revoked"] == {str(shanghai.code): [3]}

    @pytest.mark.parametrize(
        ("habit", "said"),
        [
            (always(503, b"<html>busy</html>"), "doesn't answer (HTTP 503: <html>busy</html>)"),
            (always(0, b""), "doesn't answer"),
            (always(200, b"<html>Welcome</html>"), "expected JSON, came <html>Welcome</html>"),
            (always(200, b"[" * 100_000), "expected JSON, came ["),
            (always(200, b'{"id": 1, "result": NaN}'), "expected JSON, came"),
            (always(200, b"[]"), "expected the answer to request"),
            (changed("eth_chainId", lambda number: {"id": number}), "chain id: expected a number"),
            (changed("eth_getBlockByNumber", lambda block: {**block, "timestamp": []}), "timestamp: expected a number"),
            (changed("eth_call", list), "expected bytes in hexadecimal digits, came"),
        ],
    )
    def test_nonsense_is_said_in_words_and_nothing_is_lost(
        self, gate: GateFolder, ride: Ride, deployment: Deployment, habit: Habit, said: str
    ) -> None:
        ride(1)
        with behind(gate, deployment, habit):
            for command in ("sync", "submit"):
                done = gate.run(command)
                assert done.returncode == (2 if command == "sync" else done.returncode)
                assert said in done.stderr + done.stdout, (command, done)
                assert "Traceback" not in done.stderr
        [batch] = gate.json("submit")["batches"]
        assert batch["settled"] == 1


class TestAChainThatIsAway:
    def test_gates_work_on_and_the_rides_are_settled_when_it_is_back(self, tmp_path: Path) -> None:
        chain = Chain(block_time=None, state=tmp_path / "state.json")
        with chain:
            deployment = deploy(chain.url, cities=CITIES)
            hangzhou = deployment.cities["Hangzhou"]
            gate = gate_folder(tmp_path / "gate", deployment, hangzhou)
            gate.json("sync")
        office = TicketOffice(deployment.domain, deployment.cities["Shanghai"])
        gate.pass_through([office.issue(hangzhou, not_after=int(time.time()) + 3_600) for _ in range(2)])
        done = gate.run("submit", "--json")
        assert done.returncode == 2
        assert "doesn't answer" in done.stderr
        with chain:
            assert [batch["settled"] for batch in gate.json("submit")["batches"]] == [2]

    def test_the_outcome_of_a_batch_is_found_by_another_process_from_the_chain(self, tmp_path: Path) -> None:
        """Killed after sending: the next `submit` looks for its batch before it sends anything."""
        with Chain(block_time=1) as chain:
            deployment = deploy(chain.url, cities=CITIES)
            hangzhou = deployment.cities["Hangzhou"]
            gate = gate_folder(tmp_path / "gate", deployment, hangzhou)
            gate.json("sync")
            office = TicketOffice(deployment.domain, deployment.cities["Shanghai"])
            gate.pass_through([office.issue(hangzhou, not_after=int(time.time()) + 3_600) for _ in range(2)])
            submitter, count = hangzhou.file.submitters[0], deployment.web3.eth.get_transaction_count
            with running(gate.command("submit"), env=gate.environment, stdout=None):
                wait_until(lambda: count(submitter, "pending") == 1, "its transaction in the pool")
            assert gate.json("status")["rides"]["batched"] == 2
            [batch] = gate.json("submit")["batches"]
            assert batch["settled"] == 2
            assert count(submitter, "pending") == 1

    def test_a_watch_outlives_it(self, tmp_path: Path) -> None:
        chain = Chain(block_time=1, state=tmp_path / "state.json")
        with chain:
            deployment = deploy(chain.url, cities=CITIES)
            hangzhou = deployment.cities["Hangzhou"]
            gate = gate_folder(tmp_path / "gate", deployment, hangzhou)
            gate.json("sync")
        command = gate.command("submit", "--json", "--watch", "0.1")
        with (
            tempfile.TemporaryFile("w+") as errors,
            running(command, stderr=errors, env=gate.environment) as watch,
        ):
            office = TicketOffice(deployment.domain, deployment.cities["Shanghai"])
            assert watch.stdout is not None
            for _ in range(2):
                gate.pass_through([office.issue(hangzhou, not_after=int(time.time()) + 3_600) for _ in range(2)])
                with chain:
                    document = json.loads(watch.stdout.readline())
                    assert [batch["settled"] for batch in document["batches"]] == [2]
            watch.send_signal(signal.SIGTERM)
            assert watch.wait(PATIENCE) == 0
            errors.seek(0)
            assert "Traceback" not in errors.read()


def write_max_fare(deployment: Deployment, fen: int) -> None:
    """Into the contract's storage, behind its back, for rides that were carried before, too: in the word that settling
    asks and in that of the parameters in force."""
    house = deployment.clearinghouse
    request = deployment.web3.provider.make_request
    for slot in (2, 4):
        word = int.from_bytes(deployment.web3.eth.get_storage_at(house.address, slot))
        changed = (word >> 24 << 24) | fen
        request("anvil_setStorageAt", [house.address, hex(slot), "0x" + changed.to_bytes(32).hex()])  # type: ignore[arg-type]
    assert house.functions.maxFare().call() == fen


def top_up(deployment: Deployment, city: City, amount: int) -> None:
    """The bank pays a city's deposit in."""
    token, clearinghouse = deployment.token.functions, deployment.clearinghouse
    deployment.call(test_private_key(BANK), token.mint(city.file.treasury, amount))
    treasury = city.private_key(Role.TREASURY)
    deployment.call(treasury, token.approve(clearinghouse.address, amount))
    deployment.call(treasury, clearinghouse.functions.deposit(city.code, amount, bytes(32)))
