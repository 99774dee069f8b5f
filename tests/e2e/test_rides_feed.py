"""`issuer-client rides` against the real contracts on a real chain."""

from __future__ import annotations

import csv
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interline.domain import Domain
from interline.rider_keys import RiderPrivateKey
from interline.signatures import to_checksum
from interline.ticket import Ticket, sign_ticket
from network.accounts import DEPLOYER, Role, test_private_key
from network.chain import Chain
from tests.support.deploy import City, Deployment, compiled, deploy
from tests.support.killing import run_and_kill
from tests.support.node_proxy import NodeProxy
from tests.support.offices import OfficeFolder, office_folder, ride_on, settle, signed_batch, tariff_of
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
from tests.support.relays import FORWARD, contract_of, hoard_of, send_data, settle_call

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
def office(deployment: Deployment, xuzhou: City, tmp_path: Path) -> OfficeFolder:
    """Xuzhou's ticket office."""
    return office_folder(tmp_path / "xuzhou", deployment, xuzhou)


def now() -> int:
    return int(time.time())


def issued(office: OfficeFolder, operator: City, count: int = 1, ago: int = 3_600) -> list[Ticket]:
    """Tickets that the office issued a while ago."""
    keys = [RiderPrivateKey.generate().public.data for _ in range(count)]
    with office.open(lambda: time.time() - ago) as opened:
        return opened.issue(operator.code, keys)


def carried(ticket: Ticket, **changes: Any) -> tuple[Ticket, Any]:
    """A ride of ten minutes on the ticket, just over."""
    return ticket, ride_on(ticket, **{"entered_at": now() - 660, "exited_at": now() - 60} | changes)


def succeeded(old: Deployment, *, named: bool = True) -> Deployment:
    """Another Clearinghouse that says it takes over; the consortium named it as the successor, 31 days ahead."""
    abi, bytecode = compiled("Clearinghouse")
    contract = old.web3.eth.contract(abi=abi, bytecode=bytecode)
    made = contract.constructor(old.registry.address, old.token.address, old.clearinghouse.address)
    address = old.call(test_private_key(DEPLOYER), made)["contractAddress"]
    if named:
        time = old.web3.eth.get_block("latest")["timestamp"]
        old.by_vote(old.clearinghouse.functions.nameSuccessor(address, time + 31 * 86_400))
    domain = Domain(old.domain.chain_id, bytes.fromhex(address[2:]))
    return replace(old, clearinghouse=old.web3.eth.contract(address=address, abi=abi), domain=domain)


def mine(deployment: Deployment, blocks: int = 1) -> None:
    deployment.web3.provider.make_request("anvil_mine", [hex(blocks)])  # type: ignore[arg-type]


class TestWhatIsListed:
    def test_every_ride_on_its_tickets_and_no_other(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City, shanghai: City, tmp_path: Path
    ) -> None:
        other = office_folder(tmp_path / "shanghai", deployment, shanghai)
        here, there = issued(office, hangzhou, 3), issued(office, shanghai, 2)
        batches = [
            settle(deployment, hangzhou, map(carried, [*here, *issued(other, hangzhou, 2)])),
            settle(deployment, shanghai, map(carried, there)),
        ]
        document = office.json("rides")
        rides = document["rides"]
        assert sorted((ride["operator"], ride["serial"]) for ride in rides) == sorted(
            (ticket.operator, ticket.serial) for ticket in here + there
        )
        assert {ride["batch_id"] for ride in rides} == {"0x" + batch.id.hex() for batch in batches}
        assert document["total"] == {
            "rides": 5,
            "fares": 3 * tariff_of(hangzhou.code).fare(1, 9) + 2 * tariff_of(shanghai.code).fare(1, 9),
            "refunded": 0,
            "net": sum(ride["fare"] for ride in rides),
            "flagged": 0,
        }
        assert [(one["name"], one["rides"]) for one in document["operators"]] == [("Shanghai", 2), ("Hangzhou", 3)]

    def test_a_ride_with_stations_times_batch_and_transaction(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City
    ) -> None:
        [ticket] = issued(office, hangzhou)
        _, ride = carried(ticket)
        batch = settle(deployment, hangzhou, [(ticket, ride)])
        [found] = office.json("rides")["rides"]
        block = deployment.web3.eth.get_block(found["block"], full_transactions=True)
        names = {station.number: station.name for station in tariff_of(hangzhou.code).stations}
        assert block["transactions"][0]["hash"].hex() == found["tx"][2:]  # type: ignore[index, union-attr]
        assert found == {
            "clearinghouse": to_checksum(deployment.domain.clearinghouse),
            "batch_id": "0x" + batch.id.hex(),
            "index": 0,
            "key_id": 1,
            "operator": hangzhou.code,
            "operator_name": "Hangzhou",
            "serial": ticket.serial,
            "entry_station": 1,
            "entry_station_name": names[1],
            "exit_station": 9,
            "exit_station_name": names[9],
            "entered_at": ride.entered_at,
            "exited_at": ride.exited_at,
            "fare": ride.fare,
            "refunded": 0,
            "net": ride.fare,
            "withdrawn": False,
            "flags": [],
            "block": block["number"],
            "settled_at": block["timestamp"],
            "tx": found["tx"],
            "entries": [
                {"number": 1, "kind": "ride", "amount": ride.fare, "block": block["number"], "tx": found["tx"]}
            ],
        }

    def test_refused_rides_are_not_listed(self, office: OfficeFolder, deployment: Deployment, hangzhou: City) -> None:
        good, dear, early = issued(office, hangzhou, 3)
        rides = [carried(good), carried(dear, fare=dear.fare_cap + 1), carried(early, exited_at=now() + 7_200)]
        settle(deployment, hangzhou, rides)
        document = office.json("rides")
        assert [ride["serial"] for ride in document["rides"]] == [good.serial]

    def test_a_batch_of_which_nothing_settled_is_not_listed_until_something_does(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City
    ) -> None:
        [ticket] = issued(office, hangzhou)
        ride = carried(ticket, exited_at=now() + 120)
        first = settle(deployment, hangzhou, [ride])
        assert office.json("rides")["rides"] == []
        deployment.web3.provider.make_request("evm_increaseTime", [120])  # type: ignore[arg-type]
        second = settle(deployment, hangzhou, [ride])
        assert first.id == second.id
        assert [one["serial"] for one in office.json("rides")["rides"]] == [ticket.serial]

    def test_run_again_it_lists_what_is_new(self, office: OfficeFolder, deployment: Deployment, hangzhou: City) -> None:
        first, second = issued(office, hangzhou, 2)
        settle(deployment, hangzhou, [carried(first)])
        assert [ride["serial"] for ride in office.json("rides")["rides"]] == [first.serial]
        settle(deployment, hangzhou, [carried(second)])
        document = office.json("rides")
        assert [ride["serial"] for ride in document["rides"]] == [second.serial]
        assert (document["after"], document["last"]) == (1, 2)
        assert office.json("rides")["rides"] == []
        assert [ride["serial"] for ride in office.json("rides", "--all")["rides"]] == [first.serial, second.serial]

    def test_they_are_chosen_by_city_and_by_the_time_at_which_they_ended(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City, shanghai: City
    ) -> None:
        old, young = issued(office, hangzhou, 2, ago=90_000)
        [other] = issued(office, shanghai)
        end = now() - 86_400
        settle(deployment, hangzhou, [carried(old, entered_at=end - 60, exited_at=end), carried(young)])
        settle(deployment, shanghai, [carried(other)])

        def serials(*arguments: str) -> list[tuple[int, int]]:
            rides = office.json("rides", *arguments)["rides"]
            return [(ride["operator"], ride["serial"]) for ride in rides]

        def local(seconds: int) -> str:
            return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))

        assert serials("--until", local(end + 1)) == [(hangzhou.code, old.serial)]
        assert serials("--until", local(end)) == []
        assert serials("--since", local(end), "--operator", str(hangzhou.code)) == [
            (hangzhou.code, serial) for serial in sorted([old.serial, young.serial])
        ]
        assert serials("--operator", str(shanghai.code)) == [(shanghai.code, other.serial)]
        assert len(serials()) == 3, "choosing took nothing off the new ones"

    def test_a_table_for_people(self, office: OfficeFolder, deployment: Deployment, hangzhou: City) -> None:
        [ticket] = issued(office, hangzhou)
        settle(deployment, hangzhou, [carried(ticket)])
        done = office.run("rides")
        assert done.returncode == 0, done.stderr
        assert "1 new or changed ride on tickets of 3203" in done.stdout
        assert "Hangzhou" in done.stdout

    def test_without_a_node_it_says_what_to_set(self, deployment: Deployment, xuzhou: City, tmp_path: Path) -> None:
        office = office_folder(tmp_path / "alone", deployment, xuzhou)
        lines = office.settings.read_text().splitlines(keepends=True)
        office.settings.write_text("".join(line for line in lines if not line.startswith("rpc")))
        done = office.run("rides")
        assert done.returncode == 2
        assert "give --rpc, or set `rpc`" in done.stderr
        assert office.json("rides", "--offline")["rides"] == []

    def test_a_node_that_is_away_is_told(self, office: OfficeFolder) -> None:
        done = office.run("rides", "--rpc", "http://127.0.0.1:9")
        assert done.returncode == 2
        assert "doesn't answer" in done.stderr


class TestProviders:
    @pytest.mark.parametrize("known", ["none", "half"])
    def test_no_ride_is_left_unbilled_by_a_node_that_is_behind(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City, known: str
    ) -> None:
        """It gives no logs above a block, while all else is answered by nodes that have all blocks."""
        first, second = issued(office, hangzhou, 2), issued(office, hangzhou, 2)
        before = deployment.web3.eth.block_number
        settle(deployment, hangzhou, map(carried, first))
        until = deployment.web3.eth.block_number if known == "half" else before
        settle(deployment, hangzhou, map(carried, second))
        mine(deployment, 20)
        behind = changed("eth_getLogs", lambda logs: [log for log in logs if int(log["blockNumber"], 16) <= until])
        with Provider(deployment.url, behind) as provider:
            done = office.run("rides", "--rpc", provider.url)
        assert done.returncode == 2
        assert "is behind the others: run the same command again later, or ask another node" in done.stderr
        found = office.json("rides")["rides"]
        assert sorted(ride["serial"] for ride in found) == sorted(ticket.serial for ticket in first + second)

    @pytest.mark.parametrize(
        "habit",
        [
            limited_range(7, status=413),
            limited_range(1),
            limited_results(2),
            limited_batch(0),
            one_too_many(5, **{"Retry-After": "0"}),
            changed("eth_getLogs", lambda logs: logs or None),
        ],
    )
    def test_whatever_a_provider_limits_all_rides_are_listed(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City, habit: Habit
    ) -> None:
        tickets = issued(office, hangzhou, 3)
        for ticket in tickets:
            settle(deployment, hangzhou, [carried(ticket)])
        with Provider(deployment.url, habit) as provider:
            found = office.json("rides", "--rpc", provider.url)["rides"]
        assert [ride["serial"] for ride in found] == [ticket.serial for ticket in tickets]

    @pytest.mark.parametrize(
        ("habit", "said"),
        [
            (always(502, b"<html>Bad Gateway</html>"), "doesn't answer (HTTP 502: <html>Bad Gateway</html>)"),
            (always(200, b"<html>Welcome</html>"), "expected JSON, came <html>Welcome</html>"),
            (always(200, b"[" * 100_000), "expected JSON, came ["),
            (changed("eth_getLogs", lambda logs: [{**log, "data": {}} for log in logs]), "data: expected bytes"),
            (changed("eth_getBlockByNumber", lambda block: [block]), "expected a block, came"),
            (changed("eth_call", lambda data: {"data": data}), "expected bytes in hexadecimal digits, came"),
        ],
    )
    def test_nonsense_is_said_in_words_and_nothing_is_lost(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City, habit: Habit, said: str
    ) -> None:
        [ticket] = issued(office, hangzhou)
        settle(deployment, hangzhou, [carried(ticket)])
        with Provider(deployment.url, habit) as provider:
            done = office.run("rides", "--rpc", provider.url)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)
        assert said in done.stderr
        assert [ride["serial"] for ride in office.json("rides")["rides"]] == [ticket.serial]


class TestHowBatchesCame:
    def test_through_a_relay(self, office: OfficeFolder, deployment: Deployment, hangzhou: City) -> None:
        """A contract that takes an address and a call, and makes the call."""
        tickets = issued(office, hangzhou, 2)
        batch, signature = signed_batch(deployment, hangzhou, map(carried, tickets))
        relay = contract_of(deployment, FORWARD)
        send_data(deployment, relay, deployment.domain.clearinghouse + settle_call(deployment, batch, signature))
        document = office.json("rides")
        assert sorted(ride["serial"] for ride in document["rides"]) == sorted(ticket.serial for ticket in tickets)
        assert document["unread"] == []

    def test_out_of_a_contracts_own_code_a_trace_shows_it(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City
    ) -> None:
        [hidden] = issued(office, hangzhou)
        batch, signature = signed_batch(deployment, hangzhou, [carried(hidden)])
        send_data(deployment, hoard_of(deployment, batch, signature), b"")
        document = office.json("rides")
        assert [ride["serial"] for ride in document["rides"]] == [hidden.serial]
        assert document["unread"] == []

    def test_from_a_node_without_traces_it_is_told_with_its_transaction_and_its_fares_count(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City
    ) -> None:
        hidden, shown = issued(office, hangzhou, 2)
        batch, signature = signed_batch(deployment, hangzhou, [carried(hidden)])
        tx = send_data(deployment, hoard_of(deployment, batch, signature), b"")
        settle(deployment, hangzhou, [carried(shown)])
        with NodeProxy(deployment.url) as node:
            document = office.json("rides", "--rpc", node.url, status=1)
        assert [ride["serial"] for ride in document["rides"]] == [shown.serial]
        [unread] = document["unread"]
        fare = tariff_of(hangzhou.code).fare(1, 9)
        assert (unread["tx"], unread["rides"], unread["fares"], unread["flags"]) == (tx, 1, fare, ["unread"])
        assert "ask its operator for the batch" in unread["reason"]
        assert (document["total"]["rides"], document["total"]["net"]) == (2, 2 * fare)

    @pytest.mark.parametrize("by_hand", [True, False])
    def test_when_its_bytes_turn_up_its_rides_are_entered_once(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City, tmp_path: Path, by_hand: bool
    ) -> None:
        hidden = issued(office, hangzhou, 2)
        batch, signature = signed_batch(deployment, hangzhou, map(carried, hidden))
        send_data(deployment, hoard_of(deployment, batch, signature), b"")
        table, fare = tmp_path / "rides.csv", tariff_of(hangzhou.code).fare(1, 9)
        with NodeProxy(deployment.url) as node:
            office.json("rides", "--rpc", node.url, "--csv", table, status=1)
            before = table.read_bytes()
            given = []
            if by_hand:
                (tmp_path / "batch").write_text(f"0x{batch.to_bytes().hex()}\n")
                given = ["--batch", tmp_path / "batch"]
            rpc = ["--rpc", node.url] if by_hand else []
            document = office.json("rides", *rpc, *given, "--csv", table)
            again = office.json("rides", *rpc, "--csv", table)
        assert sorted(ride["serial"] for ride in document["rides"]) == sorted(ticket.serial for ticket in hidden)
        assert [one["withdrawn"] for one in document["unread"]] == [True]
        assert (document["total"]["rides"], document["total"]["net"], document["total"]["flagged"]) == (0, 0, 0)
        assert (again["rides"], again["unread"]) == ([], [])
        assert table.read_bytes().startswith(before)
        rows = [(row["kind"], int(row["amount_fen"])) for row in csv.DictReader(table.open())]
        assert rows == [("unread", 2 * fare), ("withdrawn", -2 * fare), ("ride", fare), ("ride", fare)]

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"truncated", "expected a whole batch, raw or as 0x and hexadecimal digits, got"),
            (b"another", "expected bytes whose hash is the id of a batch with rides on this city's tickets"),
            (None, "expected a file with a batch, got No such file or directory"),
        ],
    )
    def test_bytes_that_are_not_the_batchs_are_refused(
        self,
        office: OfficeFolder,
        deployment: Deployment,
        hangzhou: City,
        tmp_path: Path,
        content: bytes | None,
        words: str,
    ) -> None:
        [hidden, never] = issued(office, hangzhou, 2)
        batch, signature = signed_batch(deployment, hangzhou, [carried(hidden)])
        other, _ = signed_batch(deployment, hangzhou, [carried(never)])
        send_data(deployment, hoard_of(deployment, batch, signature), b"")
        path = tmp_path / "batch"
        if content is not None:
            path.write_bytes(batch.to_bytes()[:-1] if content == b"truncated" else other.to_bytes())
        with NodeProxy(deployment.url) as node:
            done = office.run("rides", "--rpc", node.url, "--batch", path)
        assert done.returncode == 2
        assert words in done.stderr


class TestRefunds:
    def test_a_refund_stands_beside_its_ride_and_the_net_fare_is_right(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City
    ) -> None:
        first, second = sorted(issued(office, hangzhou, 2), key=lambda ticket: ticket.serial)
        batch = settle(deployment, hangzhou, map(carried, [first, second]))
        fare = tariff_of(hangzhou.code).fare(1, 9)
        assert office.json("rides")["total"]["net"] == 2 * fare
        refund = deployment.refunds.functions.refund
        for amount in (100, 100, 50):
            deployment.call(hangzhou.private_key(Role.TREASURY), refund(batch.to_bytes(), b"", 1, amount))
        document = office.json("rides")
        [ride] = document["rides"]
        assert (ride["serial"], ride["fare"], ride["refunded"], ride["net"]) == (second.serial, fare, 250, fare - 250)
        assert [(entry["number"], entry["kind"], entry["amount"]) for entry in ride["entries"]] == [
            (2, "ride", fare),
            (3, "refund", -100),
            (4, "refund", -100),
            (5, "refund", -50),
        ]
        assert {entry.get("cause") for entry in ride["entries"]} == {None, "by_operator"}
        assert document["total"] == {"rides": 0, "fares": 0, "refunded": 250, "net": -250, "flagged": 0}
        assert office.json("rides", "--all")["total"]["net"] == 2 * fare - 250


class TestASuccession:
    def test_rides_of_both_clearinghouses_are_listed_and_matched_with_their_tickets(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City
    ) -> None:
        before, late = issued(office, hangzhou, 2)
        settle(deployment, hangzhou, [carried(before)])
        office.json("rides")
        new = succeeded(deployment)
        address = new.clearinghouse.address
        done = office.run("move-domain", address)
        assert done.returncode == 0, done.stderr
        text = office.settings.read_text()
        office.settings.write_text(text.replace(deployment.clearinghouse.address, address))
        [young] = issued(office, hangzhou)
        settle(new, hangzhou, [carried(young)])
        settle(deployment, hangzhou, [carried(late)])
        document = office.json("rides")
        assert [(ride["clearinghouse"], ride["serial"], ride["flags"]) for ride in document["rides"]] == [
            (address, young.serial, []),
            (deployment.clearinghouse.address, late.serial, []),
        ]
        assert office.json("rides", "--all")["total"]["rides"] == 3

    def test_a_ticket_that_pays_in_both_is_flagged(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City, xuzhou: City
    ) -> None:
        [ticket] = issued(office, hangzhou)
        settle(deployment, hangzhou, [carried(ticket)])
        new = succeeded(deployment)
        fields = ("issuer", "key_id", "operator", "serial", "not_after", "fare_cap", "rider_key")
        twin = sign_ticket(
            new.domain, xuzhou.private_key(Role.ISSUER_KEY), **{name: getattr(ticket, name) for name in fields}
        )
        settle(new, hangzhou, [carried(twin)])
        rides = office.json("rides", status=1)["rides"]
        assert [ride["flags"] for ride in rides] == [[], ["domain_differs", "billed_twice"]]

    def test_a_contract_that_only_says_it_takes_over_is_refused(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City
    ) -> None:
        """Anyone can deploy one."""
        issued(office, hangzhou)
        address = succeeded(deployment, named=False).clearinghouse.address
        assert office.run("move-domain", address).returncode == 1
        assert office.run("move-domain", address, "--unchecked").returncode == 0
        text = office.settings.read_text()
        office.settings.write_text(text.replace(deployment.clearinghouse.address, address))
        done = office.run("rides")
        assert done.returncode == 2
        assert "expected each to name the other" in done.stderr

    def test_the_office_moves_to_no_other_contract(self, office: OfficeFolder, deployment: Deployment) -> None:
        issued(office, deployment.cities["Hangzhou"])
        done = office.run("move-domain", deployment.token.address)
        assert done.returncode == 1
        assert "which the chain doesn't name as one" in done.stderr


class TestFlags:
    def flags(self, office: OfficeFolder, *, status: int = 1) -> list[list[str]]:
        return [ride["flags"] for ride in office.json("rides", status=status)["rides"]]

    def forged(self, deployment: Deployment, like: Ticket, **changes: Any) -> Ticket:
        """A ticket that Xuzhou's key signed outside the office: as a thief of the key would."""
        issuer = deployment.cities["Xuzhou"]
        fields = {
            name: getattr(like, name)
            for name in ("issuer", "key_id", "operator", "serial", "not_after", "fare_cap", "rider_key")
        }
        return sign_ticket(deployment.domain, issuer.private_key(Role.ISSUER_KEY), **fields | changes)

    @pytest.mark.parametrize(
        ("change", "flag"),
        [
            ({"serial": 2**39}, "never_issued"),
            ({"fare_cap": 20_000}, "fare_cap_differs"),
            ({"rider_key": RiderPrivateKey.generate().public.data}, "rider_differs"),
        ],
    )
    def test_a_ticket_that_the_office_did_not_issue_so(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City, change: dict[str, Any], flag: str
    ) -> None:
        [ticket] = issued(office, hangzhou)
        settle(deployment, hangzhou, [carried(self.forged(deployment, ticket, **change))])
        assert self.flags(office) == [[flag]]

    def test_another_last_second(self, office: OfficeFolder, deployment: Deployment, hangzhou: City) -> None:
        [ticket] = issued(office, hangzhou)
        settle(deployment, hangzhou, [carried(self.forged(deployment, ticket, not_after=ticket.not_after + 1))])
        assert self.flags(office) == [["not_after_differs"]]

    def test_a_ticket_issued_for_another_operator(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City, shanghai: City
    ) -> None:
        [ticket] = issued(office, hangzhou)
        settle(deployment, shanghai, [carried(self.forged(deployment, ticket, operator=shanghai.code))])
        assert self.flags(office) == [["operator_differs"]]

    def test_a_key_that_the_office_never_used(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City, xuzhou: City
    ) -> None:
        [ticket] = issued(office, hangzhou)
        address = to_checksum(bytes.fromhex(xuzhou.file.issuer_keys[0].checksummed[2:]))
        deployment.as_admin(xuzhou, "addIssuerKey", 9, address, 0, 2**40 - 1)
        settle(deployment, hangzhou, [carried(self.forged(deployment, ticket, key_id=9))])
        assert self.flags(office) == [["unknown_key", "key_differs"]]

    def test_a_ride_before_the_ticket_was_issued(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City
    ) -> None:
        [ticket] = issued(office, hangzhou, ago=0)
        settle(deployment, hangzhou, [carried(ticket)])
        assert self.flags(office) == [["before_issue"]]

    def test_a_fare_above_the_tariff_and_a_station_that_it_has_not(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City
    ) -> None:
        dear, far = sorted(issued(office, hangzhou, 2), key=lambda ticket: ticket.serial)
        above = tariff_of(hangzhou.code).fare(1, 9) + 1
        settle(deployment, hangzhou, [carried(dear, fare=above), carried(far, exit_station=999)])
        assert self.flags(office) == [["above_tariff"], ["unknown_station"]]

    def test_a_ride_after_its_ticket_was_revoked_within_and_beyond_the_grace(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City, xuzhou: City
    ) -> None:
        """Both tickets are revoked at once; the second ride begins more than a day later."""
        soon, late = sorted(issued(office, hangzhou, 2), key=lambda ticket: ticket.serial)
        before = carried(soon)
        web3 = deployment.web3
        web3.provider.make_request("evm_increaseTime", [1])  # type: ignore[arg-type]
        deployment.as_admin(xuzhou, "revokeTickets", hangzhou.code, [soon.serial, late.serial])
        revoked = web3.eth.get_block("latest")["timestamp"]
        web3.provider.make_request("evm_increaseTime", [2 * 86_400])  # type: ignore[arg-type]
        rides = [
            (soon, replace(before[1], entered_at=revoked + 86_400, exited_at=revoked + 86_460)),
            carried(late, entered_at=revoked + 86_401, exited_at=revoked + 86_460),
        ]
        settle(deployment, hangzhou, rides)
        assert self.flags(office) == [["revoked_within_grace"], ["revoked"]]

    def test_flagged_ones_alone(self, office: OfficeFolder, deployment: Deployment, hangzhou: City) -> None:
        good, bad = issued(office, hangzhou, 2)
        settle(deployment, hangzhou, [carried(good), carried(self.forged(deployment, bad, fare_cap=19_999))])
        document = office.json("rides", "--flagged", status=1)
        assert [ride["serial"] for ride in document["rides"]] == [bad.serial]
        assert document["total"]["flagged"] == 1


class TestBlocksThatWereReplaced:
    def snapshot(self, deployment: Deployment) -> str:
        return str(deployment.web3.provider.make_request("evm_snapshot", [])["result"])  # type: ignore[arg-type]

    def revert(self, deployment: Deployment, snapshot: str) -> None:
        deployment.web3.provider.make_request("evm_revert", [snapshot])  # type: ignore[arg-type]

    def test_a_ride_that_comes_back_in_another_block_is_billed_once(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City
    ) -> None:
        [ticket] = issued(office, hangzhou)
        ride = carried(ticket)
        before = self.snapshot(deployment)
        settle(deployment, hangzhou, [ride])
        [first] = office.json("rides")["rides"]
        self.revert(deployment, before)
        mine(deployment, 3)
        settle(deployment, hangzhou, [ride])
        document = office.json("rides")
        assert document["rides"] == []
        [again] = office.json("rides", "--all")["rides"]
        assert again["block"] == first["block"] + 3
        assert [entry["kind"] for entry in again["entries"]] == ["ride"]

    def test_a_ride_that_does_not_come_back_is_withdrawn(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City
    ) -> None:
        gone, other = issued(office, hangzhou, 2)
        before = self.snapshot(deployment)
        settle(deployment, hangzhou, [carried(gone)])
        office.json("rides")
        self.revert(deployment, before)
        settle(deployment, hangzhou, [carried(other)])
        mine(deployment)
        document = office.json("rides")
        by_serial = {ride["serial"]: ride for ride in document["rides"]}
        assert (by_serial[gone.serial]["withdrawn"], by_serial[gone.serial]["net"]) == (True, 0)
        assert by_serial[other.serial]["withdrawn"] is False
        assert (document["total"]["rides"], document["total"]["net"]) == (0, 0), "one came, one went"
        whole = office.json("rides", "--all")["total"]
        assert (whole["rides"], whole["net"]) == (1, tariff_of(hangzhou.code).fare(1, 9))

    def test_the_newest_blocks_wait_for_confirmations(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City
    ) -> None:
        [ticket] = issued(office, hangzhou)
        settle(deployment, hangzhou, [carried(ticket)])
        assert office.json("rides", "--confirmations", "2")["rides"] == []
        mine(deployment, 2)
        assert len(office.json("rides", "--confirmations", "2")["rides"]) == 1

    def test_a_node_that_is_behind_changes_nothing(self, office: OfficeFolder, deployment: Deployment) -> None:
        before = self.snapshot(deployment)
        mine(deployment, 5)
        office.json("rides")
        self.revert(deployment, before)
        done = office.run("rides")
        assert done.returncode == 2
        assert "the node is behind" in done.stderr


class TestTheFile:
    def test_it_holds_every_entry_once_however_often_the_command_is_killed(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City
    ) -> None:
        tickets = issued(office, hangzhou, 60)
        for start in range(0, 60, 5):
            settle(deployment, hangzhou, map(carried, tickets[start : start + 5]))
        path = office.folder / "feed.csv"
        command = office.command("rides", "--csv", path)
        began = time.monotonic()
        assert office.run("rides", "--csv", office.folder / "other.csv").returncode == 0
        whole = time.monotonic() - began
        with sqlite3.connect(office.folder / "tickets.db") as sql:
            for table in ("feed_entries", "feed_items", "feed_blocks", "feed_houses", "feed_place"):
                sql.execute(f"DELETE FROM {table}")
        for share in (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
            run_and_kill(command, office.environment, after=share * whole)
        assert office.run("rides", "--csv", path).returncode == 0
        assert path.read_text() == (office.folder / "other.csv").read_text()
        rows = list(csv.DictReader(path.open()))
        assert [int(row["number"]) for row in rows] == list(range(1, 61))
        assert sorted(int(row["serial"]) for row in rows) == sorted(ticket.serial for ticket in tickets)

    @pytest.mark.parametrize("cut", [1, 40, 400])
    def test_half_a_line_at_its_end_is_written_again(
        self, office: OfficeFolder, deployment: Deployment, hangzhou: City, cut: int
    ) -> None:
        settle(deployment, hangzhou, map(carried, issued(office, hangzhou, 3)))
        path = office.folder / "feed.csv"
        office.run("rides", "--csv", path)
        whole = path.read_bytes()
        path.write_bytes(whole[:-cut])
        office.run("rides", "--csv", path)
        assert path.read_bytes() == whole

    def test_another_file_is_left_alone(self, office: OfficeFolder) -> None:
        path = office.folder / "letters.csv"
        path.write_text("dear,sir\n")
        done = office.run("rides", "--csv", path)
        assert done.returncode == 2
        assert "expected the feed's columns" in done.stderr
        assert path.read_text() == "dear,sir\n"
