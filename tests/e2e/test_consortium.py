"""Governing from the command line: four cities held by four different keys, on a running chain.

The commands run inside this process, on one chain that goes back to its start after each test; a few run as people
run them, `ape run consortium …`. All accounts are those of the public test mnemonic.
"""

import datetime
import json
import os
import runpy
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from eth_account import Account
from web3 import HTTPProvider, Web3

from interline.batch import Batch, sign_batch
from interline.contracts import load_abi
from interline.domain import Domain, ticket_hash
from interline.ride import Ride
from interline.signatures import sign_compact
from interline.tariff import tariff_hash
from network.accounts import BANK, DEPLOYER, Role, city_index, test_address, test_private_key
from network.chain import Chain
from tests.support.ape_provider import connect_once
from tests.support.patience import PATIENCE

REPOSITORY = Path(__file__).resolve().parents[2]
CITIES = {"Shanghai": 3100, "Hangzhou": 3301, "Ningbo": 3302, "Wenzhou": 3303}
DAY = 86_400
STRANGER, NEW_ADMIN, NEW_TREASURY, NEW_KEY, NEW_SUBMITTER = (test_address(index) for index in range(230, 235))
NEW_RECOVERY = test_address(235)
"""Test accounts that belong to no city."""
TARIFF = REPOSITORY / "cities" / "tariffs" / "hangzhou"
RIDER = bytes.fromhex("d4f770e3f584dc670b59accd40157bd3540eed82")


def of(city: str, role: Role) -> str:
    """The address of a city's test account."""
    return test_address(city_index(list(CITIES).index(city), role))


def key_of(city: str, role: Role) -> bytes:
    return test_private_key(city_index(list(CITIES).index(city), role))


@cache
def command(script: str) -> Any:
    """The command of a script in `scripts/`."""
    connect_once()
    return runpy.run_path(str(REPOSITORY / "scripts" / f"{script}.py"))["cli"]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What it printed with --json."""
        assert len(self.out.splitlines()) == 1, self.out + self.err
        return json.loads(self.out)


@dataclass(frozen=True)
class World:
    """The chain with the four cities, and the folder of its deployments."""

    url: str
    deployments: Path

    def options(self, deployment: str = "local") -> list[str]:
        network = f"ethereum:local:{self.url}"
        return ["--network", network, "--deployments", str(self.deployments), "--deployment", deployment]

    def run(self, script: str, *arguments: str, deployment: str = "local") -> Ended:
        """Run a script in this process."""
        run = CliRunner(mix_stderr=False).invoke(command(script), [*arguments, *self.options(deployment)])
        assert run.exception is None or isinstance(run.exception, SystemExit), run.exception
        return Ended(run.exit_code, run.stdout, run.stderr)

    def does(self, *arguments: str, status: int = 0, deployment: str = "local") -> Any:
        """Run an act of `consortium` that has to end with this status; what it says with --json."""
        ended = self.run("consortium", *arguments, "--json", deployment=deployment)
        assert ended.status == status, (arguments, ended.err)
        return ended.document

    def refused(self, *arguments: str, deployment: str = "local") -> str:
        """Run an act that can't work; what it says. Nothing was sent."""
        before = self.state
        ended = self.run("consortium", *arguments, "--json", deployment=deployment)
        assert (ended.status, ended.out) == (2, ""), (arguments, ended)
        assert self.state == before
        return ended.err

    @property
    def web3(self) -> Web3:
        return Web3(HTTPProvider(self.url))

    @property
    def state(self) -> tuple[int, str]:
        """The chain's head: the same while nothing was sent."""
        block = self.web3.eth.get_block("latest")
        return block["number"], block["stateRoot"].hex()

    @property
    def now(self) -> int:
        return self.web3.eth.get_block("latest")["timestamp"]

    def rpc(self, method: str, *arguments: Any) -> Any:
        answer = self.web3.provider.make_request(method, list(arguments))  # type: ignore[arg-type]
        assert "error" not in answer, answer
        return answer["result"]

    def wait(self, seconds: int) -> None:
        """Let time pass on the chain."""
        self.rpc("evm_increaseTime", seconds)
        self.rpc("evm_mine")

    def read(self, contract: str, function: str, *arguments: Any, deployment: str = "local") -> Any:
        """What a view function returns."""
        file = json.loads((self.deployments / f"{deployment}.json").read_text())
        address = file["contracts"][contract]["address"]
        target: Any = self.web3.eth.contract(address=address, abi=load_abi(contract))
        return target.functions[function](*arguments).call()

    def passes(self, *motion: str, wait: int) -> int:
        """Have three cities vote for a motion, wait, and carry it out; the proposal's number."""
        number: int = self.does(*motion, "--as", "Shanghai")["proposals"][0]["id"]
        voters = [city for city in CITIES if city != "Shanghai" and city not in motion][:2]
        self.does("vote", str(number), *(f"--as={city}" for city in voters))
        if wait:
            self.wait(wait)
        after = self.does("execute", str(number), "--account", STRANGER)
        assert after["proposals"][0]["state"] == "executed"
        return number

    def settles(self, issuer: str, operator: str, fare: int, *, serial: int = 0) -> bytes:
        """Settle a ride of an issuer's rider with an operator; the batch."""
        house = self.contract("Clearinghouse")
        domain = Domain(self.web3.eth.chain_id, bytes.fromhex(house.address[2:]))
        entered = self.now - 3_600
        ticket = {
            "serial": serial,
            "not_after": entered + DAY,
            "fare_cap": fare,
            "rider": RIDER,
        }
        digest = ticket_hash(domain, issuer=CITIES[issuer], key_id=1, operator=CITIES[operator], **ticket)
        ride = Ride(
            **ticket,
            entry_station=1,
            exit_station=2,
            entered_at=entered,
            exited_at=entered + 600,
            fare=fare,
            issuer_signature=sign_compact(key_of(issuer, Role.ISSUER_KEY), digest),
        )
        batch = Batch.build(CITIES[operator], [(CITIES[issuer], 1, ride)])
        signature = sign_batch(domain, key_of(operator, Role.SUBMITTER), batch)
        self.send(house.functions.settle(batch.to_bytes(), signature))
        return batch.to_bytes()

    def contract(self, name: str) -> Any:
        file = json.loads((self.deployments / "local.json").read_text())
        return self.web3.eth.contract(address=file["contracts"][name]["address"], abi=load_abi(name))

    def send(self, function: Any, key: bytes = test_private_key(DEPLOYER)) -> None:
        """Send a transaction that isn't a command's."""
        web3, sender = self.web3, Account.from_key(key).address
        transaction = function.build_transaction(
            {"from": sender, "nonce": web3.eth.get_transaction_count(sender), "gas": 8_000_000, "gasPrice": 0}
        )
        sent = web3.eth.send_raw_transaction(Account.sign_transaction(transaction, key).raw_transaction)
        assert web3.eth.wait_for_transaction_receipt(sent)["status"] == 1


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Shanghai, Hangzhou and Ningbo founded the consortium, and Wenzhou joined, a week ago: its seat counts."""
    with Chain(block_time=None) as chain:
        world = World(chain.url, tmp_path_factory.mktemp("deployments"))
        for ended in (world.run("deploy"), world.run("onboard", "all", "cities/wenzhou.yaml")):
            assert ended.status == 0, ended.err
        world.wait(7 * DAY)
        yield world


@pytest.fixture
def four(founded: World) -> Iterator[World]:
    """The four cities as they were at the beginning, whatever other tests did."""
    snapshot = founded.rpc("evm_snapshot")
    yield founded
    founded.rpc("evm_revert", snapshot)
    for file in founded.deployments.glob("local-*.json"):
        file.unlink()


# ---------------------------------------------------------------- each act, and everybody who may not do it


NOT_ADMIN, NOT_TREASURY, NOT_OF_CITY, NOT_PROPOSED = "NotCityAdmin", "NotTreasury", "NotOfCity", "NotProposed"


@dataclass(frozen=True)
class Act:
    """An act of Hangzhou's, and who may do it."""

    words: tuple[str, ...]
    """The command."""
    error: str
    """What everybody else is refused with."""
    done: Callable[[World], Any]
    """Reads what the act changes."""
    becomes: Any
    may: tuple[str, ...] = (of("Hangzhou", Role.ADMIN),)
    """Addresses that may do it."""
    given: tuple[tuple[str, ...], ...] = ()
    """Acts before it."""
    wait: int = 0
    """Seconds after those."""

    def __str__(self) -> str:
        return self.words[0]


def registry(function: str, *arguments: Any) -> Callable[[World], Any]:
    return lambda world: world.read("CityRegistry", function, 3301, *arguments)


def words_of(text: str) -> str:
    """What is on a page, however its lines are broken."""
    return " ".join(text.split())


def votes(number: int) -> Callable[[World], Any]:
    return lambda world: world.read("Consortium", "proposal", number)[5] if proposals(world) >= number else 0


def proposals(world: World) -> int:
    count: int = world.read("Consortium", "proposalCount")
    return count


HANGZHOU = ("--as", "Hangzhou")
ADMIN, TREASURY, RECOVERY = (of("Hangzhou", role) for role in (Role.ADMIN, Role.TREASURY, Role.RECOVERY))
ALONE = [
    Act(("add-key", "--id", "7", "--address", NEW_KEY), NOT_ADMIN, lambda w: registry("issuerKey", 7)(w)[0], NEW_KEY),
    Act(("end-key", "--id", "1"), NOT_ADMIN, lambda w: registry("issuerKey", 1)(w)[2] < w.now + DAY, True),
    Act(("add-submitter", NEW_SUBMITTER), NOT_ADMIN, registry("isSubmitter", NEW_SUBMITTER), True),
    Act(
        ("remove-submitter", of("Hangzhou", Role.SUBMITTER)),
        NOT_ADMIN,
        registry("isSubmitter", of("Hangzhou", Role.SUBMITTER)),
        False,
    ),
    Act(("move-admin", NEW_ADMIN), NOT_ADMIN, lambda w: registry("proposedChanges")(w)[0], NEW_ADMIN),
    Act(
        ("accept-admin",),
        NOT_PROPOSED,
        lambda w: registry("city")(w)[2],
        NEW_ADMIN,
        may=(NEW_ADMIN,),
        given=(("move-admin", NEW_ADMIN, *HANGZHOU),),
        wait=2 * DAY,
    ),
    Act(
        ("move-treasury", NEW_TREASURY),
        NOT_TREASURY,
        lambda w: registry("proposedChanges")(w)[2],
        NEW_TREASURY,
        may=(TREASURY,),
    ),
    Act(
        ("accept-treasury",),
        NOT_PROPOSED,
        lambda w: registry("city")(w)[3],
        NEW_TREASURY,
        may=(NEW_TREASURY,),
        given=(("move-treasury", NEW_TREASURY, *HANGZHOU),),
        wait=2 * DAY,
    ),
    Act(
        ("cancel-changes",),
        NOT_OF_CITY,
        lambda w: registry("proposedChanges")(w)[1],
        0,
        may=(ADMIN, TREASURY),
        given=(("move-admin", NEW_ADMIN, *HANGZHOU),),
    ),
    Act(("freeze",), NOT_ADMIN, registry("isFrozen"), True),
    Act(("unfreeze",), NOT_ADMIN, registry("isFrozen"), False, given=(("freeze", *HANGZHOU),)),
    Act(
        ("change-recovery", NEW_RECOVERY),
        NOT_OF_CITY,
        lambda w: registry("proposedRecovery")(w)[0],
        NEW_RECOVERY,
        may=(ADMIN, TREASURY),
    ),
    Act(
        ("accept-recovery",),
        NOT_PROPOSED,
        registry("recoveryOf"),
        NEW_RECOVERY,
        may=(NEW_RECOVERY,),
        given=(
            ("change-recovery", NEW_RECOVERY, *HANGZHOU),
            ("change-recovery", NEW_RECOVERY, "--role", "treasury", *HANGZHOU),
        ),
        wait=14 * DAY,
    ),
    Act(("tariff", str(TARIFF), "--uri", "https://hangzhou.example/1"), NOT_ADMIN, registry("tariffCount"), 1),
    Act(
        ("revoke", "--operator", "Shanghai", "5", "7-9"),
        NOT_ADMIN,
        lambda w: [registry("revokedAt", 3100, serial)(w) > 0 for serial in range(5, 11)],
        [True, False, True, True, True, False],
    ),
    Act(("leave", "--yes"), NOT_ADMIN, lambda w: registry("city")(w)[1], 3),
    Act(
        ("withdraw", "1200.00"),
        NOT_TREASURY,
        lambda w: w.read("Clearinghouse", "balanceOf", 3301),
        4_880_000,
        may=(TREASURY,),
    ),
]
MOTIONS = [
    Act(words, NOT_ADMIN, proposals, 2)
    for words in (
        ("suspend", "Ningbo"),
        ("reinstate", "Ningbo"),
        ("expel", "Ningbo"),
        ("reserve", "Ningbo", "5000"),
        ("parameters", "--max-fare", "150"),
        ("resume",),
        ("successor",),
    )
]
PROPOSED = ("reserve", "Ningbo", "5000", "--as", "Shanghai")  # proposal 2; Wenzhou's admission was the first
VOTES = [
    Act(("vote", "2"), NOT_ADMIN, votes(2), 2, given=(PROPOSED,)),
    Act(("withdraw-vote", "2"), NOT_ADMIN, votes(2), 1, given=(PROPOSED, ("vote", "2", *HANGZHOU))),
    Act(
        ("stop",),
        NOT_ADMIN,
        lambda w: w.read("Consortium", "stopCalls", w.contract("Clearinghouse").address)[0],
        1,
    ),
]
EVERYBODY = {
    "Hangzhou's admin": ADMIN,
    "Hangzhou's treasury": TREASURY,
    "Hangzhou's issuer key": of("Hangzhou", Role.ISSUER_KEY),
    "Hangzhou's submitter": of("Hangzhou", Role.SUBMITTER),
    "Ningbo's admin": of("Ningbo", Role.ADMIN),
    "Ningbo's treasury": of("Ningbo", Role.TREASURY),
    "the bank": test_address(BANK),
    "the deployer": test_address(DEPLOYER),
    "a stranger": STRANGER,
}


@pytest.mark.parametrize("act", [*ALONE, *MOTIONS, *VOTES], ids=str)
def test_an_act_is_done_by_those_who_may_and_refused_to_all_others_with_the_error_named(four: World, act: Act) -> None:
    for words in act.given:
        four.does(*words)
    if act.wait:
        four.wait(act.wait)
    words = (*act.words, *HANGZHOU)
    for who, account in EVERYBODY.items():
        if account not in act.may:
            said = four.refused(*words, "--account", account)
            assert f"{act.error}(city=3301, caller={account}): " in said, (who, said)

    before, state = act.done(four), four.state
    planned = four.does(*words, "--dry-run", status=1 if act.words[0] == "leave" and "--yes" not in words else 0)
    assert (act.done(four), four.state) == (before, state)
    assert planned["dry_run"] is True
    assert planned["transactions"] == []
    assert planned["gas"] > 21_000
    assert all(int(cost["fee"]) == 0 for cost in planned["costs"])  # this chain asks for none

    for account in act.may:
        start = four.rpc("evm_snapshot")
        assert act.done(four) != act.becomes
        sent = four.does(*words, *(("--account", account) if len(act.may) > 1 else ()))
        assert act.done(four) == act.becomes
        assert {it["sender"] for it in sent["transactions"] if it["step"] != "deploy"} == {account}
        four.rpc("evm_revert", start)


def test_an_act_that_is_done_sends_nothing_when_it_is_run_again(four: World) -> None:
    for words in (
        ("add-key", "--id", "7", "--address", NEW_KEY),
        ("end-key", "--id", "1"),
        ("add-submitter", NEW_SUBMITTER),
        ("remove-submitter", of("Hangzhou", Role.SUBMITTER)),
        ("move-admin", NEW_ADMIN),
        ("freeze",),
        ("change-recovery", NEW_RECOVERY),
        ("tariff", str(TARIFF), "--uri", "https://hangzhou.example/1"),
        ("revoke", "--operator", "3100", "5"),
        ("reserve", "Ningbo", "5000"),
        ("successor",),
    ):
        assert four.does(*words, *HANGZHOU)["transactions"], words
        if words[0] == "end-key":
            four.wait(61)
        assert four.does(*words, *HANGZHOU)["transactions"] == [], words


# ---------------------------------------------------------------- by vote


def test_a_city_is_suspended_by_the_others_after_a_day_and_reinstated_at_once(four: World) -> None:
    proposed = four.does("suspend", "Ningbo", "--as", "Shanghai")["proposals"][0]
    assert proposed["says"].startswith("suspends Ningbo (3302), which is active")
    assert proposed["votes"] == {"cast": 1, "needed": 3}  # two thirds of all four, without its own
    own = four.does("vote", "2", "--as", "Ningbo", "--as", "Hangzhou")["proposals"][0]
    assert (own["votes"], own["approved_by"]) == ({"cast": 2, "needed": 3}, [3100, 3301, 3302])
    waiting = four.does("vote", "2", "--as", "Wenzhou", "--execute", status=1)
    assert waiting["proposals"][0]["state"] == "waiting"
    assert "can be carried out from" in waiting["waits_for"][0]
    four.wait(DAY)
    four.does("execute", "2", "--account", STRANGER)
    assert four.read("CityRegistry", "city", 3302)[1] == 2

    four.does("reinstate", "Ningbo", "--as", "Shanghai")
    four.does("vote", "3", "--as", "Ningbo")  # it keeps its vote, also in this
    assert four.does("vote", "3", "--as", "Wenzhou", "--execute")["proposals"][0]["state"] == "executed"
    assert four.read("CityRegistry", "city", 3302)[1] == 1
    (past,) = four.does("status")["cities"][2]["suspensions"]
    assert (past["start"] < past["end"], past["end"]) == (True, four.read("CityRegistry", "suspensions", 3302)[0][1])
    assert "Ningbo (3302) was suspended from 20" in words_of(four.run("consortium", "status").out)


def test_a_city_is_expelled_after_a_week_and_keeps_its_money(four: World) -> None:
    four.does("expel", "Ningbo", "--as", "Shanghai")
    four.does("vote", "2", "--as", "Wenzhou", *HANGZHOU)
    four.wait(7 * DAY - 60)
    assert "can be carried out from" in four.does("execute", "2", status=1)["waits_for"][0]
    four.wait(60)
    four.does("execute", "2")
    assert four.read("CityRegistry", "city", 3302)[1] == 3
    four.does("withdraw", "all", "--as", "Ningbo")
    assert four.read("SettlementToken", "balanceOf", of("Ningbo", Role.TREASURY)) == 5_000_000


def test_reserve_and_parameters_hold_as_their_proposals_said(four: World) -> None:
    four.passes("reserve", "Hangzhou", "5000", wait=7 * DAY)
    assert four.read("Clearinghouse", "withdrawable", 3301) == 4_500_000
    over = four.refused("withdraw", "45000.01", *HANGZHOU)
    assert (
        "InsufficientFunds(city=3301, withdrawable=4500000, amount=4500001): city 3301 can withdraw 45,000.00" in over
    )

    longer = four.does("parameters", "--submission-window", "40d", "--as", "Shanghai", "--dry-run")
    assert any(
        it.startswith("holds for rides that end 1 day after it is carried out, or later;") for it in longer["says"]
    )
    four.passes("parameters", "--max-fare", "150", "--dispute-fee", "6.00", wait=7 * DAY)
    assert four.read("Clearinghouse", "maxFare") == 20_000
    rules = four.does("status")["clearinghouses"][0]
    assert (rules["pending"]["max_fare"], rules["pending"]["submission_window"]) == (15_000, 30 * DAY)
    assert rules["pending_from"] == four.now + DAY
    assert "those to come hold for rides that end from" in words_of(four.run("consortium", "status").out)
    four.wait(DAY)
    assert four.read("Clearinghouse", "maxFare") == 15_000
    rules = four.does("status")["clearinghouses"][0]
    assert (rules["pending"], rules["parameters"]["dispute_fee"], rules["before"]["dispute_fee"]) == (None, 600, 500)
    shown = words_of(four.run("consortium", "status").out)
    assert "rides that ended before the last change: highest fare of a ride 200.00 yuan, fee of an upheld" in shown

    four.does("parameters", "--max-fare", "180", "--as", "Shanghai")
    number = str(four.does("vote", "4", *HANGZHOU, "--as", "Ningbo")["proposals"][0]["id"])
    four.wait(7 * DAY)
    assert "ParametersTooSoon(earliest=" in four.refused("execute", number)
    four.wait(59 * DAY)
    assert "ProposalExpired" not in four.does("proposals", "--all")[0]["when"]


def test_a_parameter_out_of_its_bounds_is_said_when_it_is_proposed(four: World) -> None:
    proposed = four.does("parameters", "--grace", "30d", "--as", "Shanghai")["proposals"][0]
    assert any("ParameterOutOfBounds(value=2592000, lowest=3600, highest=604800)" in it for it in proposed["warnings"])


RECOVERED = ("request-recovery", "Hangzhou")


def test_a_city_is_given_back_to_its_recovery_address_by_the_others(four: World) -> None:
    before = four.does("status")["cities"][1]
    assert (before["recovery"]["address"], before["counts"]) == (RECOVERY, True)
    for who, account in (EVERYBODY | {"Ningbo's recovery": of("Ningbo", Role.RECOVERY)}).items():
        said = four.refused(*RECOVERED, "--account", account)
        assert "NotRecoveryAddress(city=3301" in said, (who, said)
    planned, state = four.does(*RECOVERED, "--dry-run"), four.state
    assert (planned["transactions"], planned["gas"] > 21_000, four.state) == ([], True, state)

    asked = four.does(*RECOVERED)
    assert [it["sender"] for it in asked["transactions"]] == [RECOVERY]
    shown = asked["proposals"][0]
    assert (shown["id"], shown["votes"], shown["warnings"]) == (2, {"cast": 0, "needed": 2}, [])
    assert shown["says"] == f"gives Hangzhou (3301) back to its recovery address {RECOVERY}"
    assert f"its admin: {ADMIN} → {RECOVERY}" in shown["effects"]
    assert any(it.startswith(f"its treasury: {TREASURY} → none") for it in shown["effects"])
    people = words_of(four.run("consortium", "show", "2").out)
    assert "asked for by the recovery address of Hangzhou (3301)" in people

    four.does("freeze", *HANGZHOU)
    four.does("vote", "2", *HANGZHOU)  # which doesn't count
    four.does("vote", "2", "--as", "Ningbo", "--as", "Wenzhou")
    four.wait(DAY)
    four.does("execute", "2", "--account", STRANGER)
    nobody = "0x" + 40 * "0"
    assert four.read("CityRegistry", "city", 3301)[2:4] == [RECOVERY, nobody]
    assert four.read("CityRegistry", "isFrozen", 3301) is False
    recovered = four.does("status")["cities"][1]
    assert (recovered["admin"], recovered["treasury"]) == (RECOVERY, None)
    assert "no treasury" in words_of(four.run("consortium", "status").out)
    assert "expected a treasury of Hangzhou (3301), there is none: its admin names one" in four.refused(
        "withdraw", "all", *HANGZHOU
    )

    four.does("move-treasury", NEW_TREASURY, *HANGZHOU)  # its admin signs, as there is no treasury
    four.does("move-admin", NEW_ADMIN, *HANGZHOU)
    four.wait(2 * DAY)
    four.does("accept-treasury", *HANGZHOU)
    four.does("accept-admin", *HANGZHOU)
    four.does("withdraw", "all", *HANGZHOU)
    assert four.read("SettlementToken", "balanceOf", NEW_TREASURY) == 5_000_000


def test_a_request_is_taken_back_by_who_asked_and_by_a_new_one(four: World) -> None:
    four.does(*RECOVERED)
    four.does("vote", "2", "--as", "Ningbo")
    assert "NotRecoveryAddress" in four.refused("withdraw-request", "2", "--account", ADMIN)
    taken = four.does("withdraw-request", "2")
    assert (taken["proposals"][0]["state"], taken["transactions"][0]["sender"]) == ("withdrawn", RECOVERY)
    assert four.does("proposals") == []
    assert "expected an open proposal, proposal 2" in four.refused("execute", "2")
    assert "RequestIsWithdrawn(id=2): the recovery address took request 2 back" in four.refused(
        "vote", "2", "--as", "Wenzhou"
    )

    four.does(*RECOVERED)
    again = four.does(*RECOVERED)
    assert "it takes the place of the request that is open, proposal 3, with its votes" in again["notes"]
    assert [one["id"] for one in four.does("proposals")] == [4]
    assert [one["state"] for one in four.does("proposals", "--all")] == ["voting", "withdrawn", "withdrawn", "executed"]


def test_commands_that_are_gone_say_what_to_do_instead(four: World) -> None:
    old = ("--admin", NEW_ADMIN, "--treasury", NEW_TREASURY, "--as", "Shanghai")
    said = four.refused("recover", "Hangzhou", *old)
    assert f"let the holder of {RECOVERY} run `ape run consortium request-recovery Hangzhou`" in said
    assert "request-recovery CITY" in four.refused("consent", *old)
    four.does(*RECOVERED)
    assert "proposal 2: read it with `ape run consortium show 2`" in four.refused("recover", "3301", *old)


def test_a_recovery_address_changes_when_both_keys_named_it_and_it_accepts(four: World) -> None:
    named = four.does("change-recovery", NEW_RECOVERY, *HANGZHOU)
    assert f"its treasury has to name it, too: `change-recovery {NEW_RECOVERY} --role treasury`" in named["notes"][0]
    assert "TooEarly(acceptableFrom=0): the city's other key has to name it first" in four.refused(
        "accept-recovery", *HANGZHOU
    )
    recovery = four.does("status")["cities"][1]["recovery"]
    assert recovery == {"address": RECOVERY, "new": NEW_RECOVERY, "named_by": ADMIN, "new_from": 0}
    assert "recovery once the other key names it, too:" in words_of(four.run("consortium", "status").out)
    four.does("change-recovery", NEW_RECOVERY, "--role", "treasury", *HANGZHOU)
    four.wait(14 * DAY - 60)
    assert "TooEarly(acceptableFrom=" in four.refused("accept-recovery", *HANGZHOU)
    four.wait(60)
    four.does("accept-recovery", *HANGZHOU)
    assert four.read("CityRegistry", "recoveryOf", 3301) == NEW_RECOVERY


def test_a_recovery_address_that_only_one_key_named_is_forgotten_after_a_fortnight(four: World) -> None:
    four.does("change-recovery", NEW_RECOVERY, *HANGZHOU)
    four.wait(14 * DAY + 60)
    four.does("change-recovery", NEW_RECOVERY, "--role", "treasury", *HANGZHOU)
    assert four.read("CityRegistry", "proposedRecovery", 3301)[1:] == [TREASURY, 0]
    called_off = four.does("cancel-changes", *HANGZHOU)
    assert called_off["says"] == [f"Hangzhou (3301) calls off its recovery address becoming {NEW_RECOVERY}"]


def test_two_of_four_stop_settlement_for_three_days_and_three_lift_it(four: World) -> None:
    first = four.does("stop", "--as", "Ningbo")
    assert first["stop"] == {"calls": 1, "needed": 2, "stopped_until": 0}
    assert "StopAlreadyCalled(city=3302)" in four.refused("stop", "--as", "Ningbo")
    stopped = four.does("stop", "--as", "Wenzhou")
    assert stopped["stop"]["stopped_until"] == four.now + 3 * DAY
    assert four.run("consortium", "status").status == 1
    four.does("withdraw", "1", *HANGZHOU)  # a stop holds no money back

    lifted = four.does("resume", "--as", "Shanghai")["proposals"][0]
    assert lifted["says"].startswith("lifts the stop of settlement, which would end at")
    four.does("vote", "2", *HANGZHOU)
    four.does("vote", "2", "--as", "Ningbo", "--execute")
    assert four.run("consortium", "status").status == 0
    for city in ("Ningbo", "Wenzhou"):
        said = four.run("consortium", "stop", "--as", city)
    assert said.status == 2
    assert "StopTooSoon(earliest=" in said.err


def test_a_successor_is_deployed_written_to_a_file_and_named(four: World) -> None:
    made = four.does("successor", "--as", "Shanghai", "--in-days", "60")
    assert (made["file"], made["successor"]) == (
        str(four.deployments / "local-2.json"),
        json.loads((four.deployments / "local-2.json").read_text())["contracts"]["Clearinghouse"]["address"],
    )
    old = four.contract("Clearinghouse").address
    assert four.read("Clearinghouse", "predecessor", deployment="local-2") == old
    says = made["proposals"][0]
    assert says["says"] == f"names {made['successor']} as the Clearinghouse that takes over"
    four.does("vote", "2", *HANGZHOU, "--as", "Ningbo")
    four.wait(7 * DAY)
    four.does("execute", "2")
    assert four.read("Clearinghouse", "successor") == made["successor"]
    houses = four.does("status", deployment="local-2")["clearinghouses"]
    assert [house["address"] for house in houses] == [made["successor"], old]


def test_a_successor_is_replaced_and_called_off_before_it_takes_over(four: World) -> None:
    wrong = four.does("successor", "--as", "Shanghai", "--in-days", "60")["successor"]
    four.does("vote", "2", *HANGZHOU, "--as", "Ningbo")
    four.wait(7 * DAY)
    four.does("execute", "2")
    right = four.does("successor", "--as", "Shanghai", "--in-days", "60", "--name", "local-right")
    assert any(f"it takes the place of {wrong}, named to take" in it for it in right["proposals"][0]["warnings"])
    four.does("vote", "3", *HANGZHOU, "--as", "Ningbo")
    four.wait(7 * DAY)
    four.does("execute", "3")
    assert four.read("Clearinghouse", "successor") == right["successor"]

    called_off = four.does("cancel-successor", "--as", "Shanghai")["proposals"][0]
    assert called_off["says"].startswith(f"calls off {right['successor']}, named to take over at ")
    four.does("vote", "4", *HANGZHOU, "--as", "Ningbo")
    four.wait(DAY)
    four.does("execute", "4")
    assert (four.read("Clearinghouse", "closesAt"), four.does("status")["clearinghouses"][0]["successor"]) == (0, None)
    house = four.contract("Clearinghouse").address
    assert four.does("status")["successors_called_off"] == {house: [right["successor"]]}
    assert f"the successor {right['successor']} was called off by vote" in words_of(
        four.run("consortium", "status").out
    )
    assert "NoSuccessor()" in four.does("cancel-successor", "--as", "Shanghai")["proposals"][0]["warnings"][1]


# ---------------------------------------------------------------- reading proposals


def test_a_proposal_is_read_in_plain_words_with_the_present_value_beside_the_new_one(four: World) -> None:
    four.does("reserve", "Hangzhou", "48800", "--as", "Shanghai")
    shown = four.does("show", "2")
    assert shown["says"] == "raises the reserve of Hangzhou (3301) from 0.00 yuan to 48,800.00 yuan"
    assert shown["effects"] == [
        "Hangzhou (3301) can withdraw 48,800.00 yuan less: 1,200.00 yuan instead of 50,000.00 yuan"
    ]
    assert shown["warnings"] == []
    assert (shown["votes"], shown["approved_by"], shown["state"]) == ({"cast": 1, "needed": 3}, [3100], "voting")
    assert shown["when"].startswith("2 more votes needed by ")

    four.does("parameters", "--max-fare", "150", "--answer-time", "12d", "--as", "Shanghai")
    listed = words_of(four.run("consortium", "proposals").out)
    assert "highest fare of a ride: 200.00 yuan → 150.00 yuan" in listed
    assert "time to answer a dispute: 10 days → 12 days" in listed
    assert "holds for rides that end 1 day after it is carried out, or later" in listed
    assert [one["id"] for one in four.does("proposals")] == [3, 2]
    assert [one["id"] for one in four.does("proposals", "--all")] == [3, 2, 1]


def test_a_call_that_cannot_be_read_is_said_to_be_one_loudly(four: World) -> None:
    consortium, token = four.contract("Consortium"), four.contract("SettlementToken")
    house, shanghai = four.contract("Clearinghouse"), key_of("Shanghai", Role.ADMIN)
    stranger = consortium.address  # ours, but asked for nothing that it has
    reserve = house.encode_abi("setReserve", [3301, 1])
    for target, data in (
        (house.functions.refunds().call(), "0xdeadbeef"),
        (stranger, "0x12345678"),
        (house.address, reserve + "00"),
        (token.address, token.encode_abi("transfer", [STRANGER, 5])),
    ):
        four.send(consortium.functions.propose(3100, target, data), shanghai)
    transfer, padded, other, refunds = four.does("proposals")
    for one in (padded, other, refunds):
        assert one["warnings"][0] == "DON'T VOTE FOR WHAT YOU CAN'T READ"
        assert f"with selector {one['call'].removeprefix('selector ')}" in one["says"]
    assert transfer["says"] == f"calls SettlementToken.transfer(to={STRANGER}, value=5)"
    assert "find out what it is for" in transfer["warnings"][0]
    listed = four.run("consortium", "proposals")
    assert "proposal 2: warning: DON'T VOTE FOR WHAT YOU CAN'T READ" in listed.err


def test_a_call_of_a_strangers_contract_is_said_to_be_one(four: World) -> None:
    consortium = four.contract("Consortium")
    four.does("successor", "--as", "Shanghai", "--name", "local-unknown")  # a contract that no vote has named
    file = json.loads((four.deployments / "local-unknown.json").read_text())
    target = file["contracts"]["Clearinghouse"]["address"]
    data = four.contract("Clearinghouse").encode_abi("setReserve", [3301, 1])
    four.send(consortium.functions.propose(3100, target, data), key_of("Shanghai", Role.ADMIN))
    shown = four.does("show", "3")
    assert shown["says"] == f"calls an unknown contract {target} with selector {data[:10]}"
    assert shown["warnings"][0] == "DON'T VOTE FOR WHAT YOU CAN'T READ"


def test_a_call_that_would_be_refused_is_flagged(four: World) -> None:
    shown = four.does("reinstate", "Ningbo", "--as", "Shanghai")["proposals"][0]
    assert shown["says"] == "ends the suspension of Ningbo (3302), which is active"
    assert shown["warnings"] == [
        "carried out now, it would be refused: WrongStatus(city=3302, status=1): city 3302 is active, and this needs "
        "one that stands otherwise"
    ]


def test_votes_that_others_leaving_made_enough_begin_their_wait_when_it_is_carried_out(four: World) -> None:
    four.does("reserve", "Hangzhou", "1", "--as", "Shanghai")
    four.does("vote", "2", "--as", "Ningbo")
    four.does("leave", "--yes", "--as", "Wenzhou")  # three are left; two thirds of them are two
    assert four.does("show", "2")["state"] == "wait not begun"
    begun = four.does("execute", "2", status=1)
    assert [it["step"] for it in begun["transactions"]] == ["mark passed"]
    assert four.does("show", "2")["state"] == "waiting"
    assert four.does("mark-passed", "2")["transactions"] == []
    four.wait(7 * DAY)
    four.does("execute", "2")


def test_a_wait_that_lost_its_two_thirds_for_a_time_is_said_to_be_lost_and_begins_anew(four: World) -> None:
    four.does("reserve", "Hangzhou", "1", "--as", "Shanghai")
    four.does("vote", "2", "--as", "Ningbo", "--as", "Wenzhou")
    four.wait(6 * DAY)
    four.does("withdraw-vote", "2", "--as", "Ningbo")
    assert four.does("show", "2")["state"] == "voting"
    four.does("leave", "--yes", "--as", "Ningbo")  # of three, two are two thirds
    lost = four.does("show", "2")
    assert (lost["state"], lost["votes"], lost["executable_from"]) == ("wait not begun", {"cast": 2, "needed": 2}, 0)
    assert lost["when"].endswith("its wait of 7 days hasn't begun, or was lost: `mark-passed 2` begins it anew")
    planned = four.does("mark-passed", "2", "--dry-run")
    assert (planned["transactions"], [cost["step"] for cost in planned["costs"]]) == ([], ["mark passed"])
    begun = four.does("mark-passed", "2", "--account", STRANGER)
    assert begun["proposals"][0]["executable_from"] == four.now + 7 * DAY
    four.wait(7 * DAY)
    four.does("execute", "2")


def test_a_newcomer_votes_a_week_after_it_joined(four: World) -> None:
    assert four.run("onboard", "all", "cities/hefei.yaml").status == 0
    said = four.refused("reserve", "Hangzhou", "1", "--as", "Hefei")
    assert "NoVote(city=3401, countsFrom=" in said
    assert "a week after it joined" in said
    status = four.does("status")
    assert status["votes"] == {"members": 4, "two_thirds": 3}
    assert (status["cities"][4]["counts"], status["cities"][4]["counts_from"] > four.now) == (False, True)
    people = words_of(four.run("consortium", "status").out)
    assert "4 seats count in votes, 3 are two thirds the seat of Hefei (3401) counts from 20" in people
    assert "to suspend or expel one takes all others" in people
    again = four.run("onboard", "all", "cities/hefei.yaml", "--json").document[0]
    assert again["notes"][0].startswith("its seat counts in votes from ")
    four.wait(7 * DAY)
    assert four.does("status")["votes"] == {"members": 5, "two_thirds": 4}
    assert four.does("reserve", "Hangzhou", "1", "--as", "Hefei")["proposals"][0]["votes"] == {"cast": 1, "needed": 4}


# ---------------------------------------------------------------- a city alone


def test_a_treasury_moves_itself_in_two_steps_but_not_while_it_is_frozen(four: World) -> None:
    four.does("freeze", *HANGZHOU)
    assert "TreasuryFrozen(city=3301)" in four.refused("withdraw", "1", *HANGZHOU)
    assert "TreasuryIsFrozen(city=3301)" in four.refused("move-treasury", NEW_TREASURY, *HANGZHOU)
    four.does("unfreeze", *HANGZHOU)
    moved = four.does("move-treasury", NEW_TREASURY, *HANGZHOU)
    assert [it["sender"] for it in moved["transactions"]] == [TREASURY]
    assert "SameAddress" in four.refused("move-admin", TREASURY, *HANGZHOU)
    four.wait(2 * DAY - 60)
    assert "TooEarly(acceptableFrom=" in four.refused("accept-treasury", *HANGZHOU)
    four.wait(60)
    four.does("freeze", *HANGZHOU)
    assert "TreasuryIsFrozen" in four.refused("accept-treasury", *HANGZHOU)
    four.does("unfreeze", *HANGZHOU)
    four.does("accept-treasury", *HANGZHOU)
    four.does("withdraw", "all", *HANGZHOU)
    assert four.read("SettlementToken", "balanceOf", NEW_TREASURY) == 5_000_000


def test_a_change_that_nobody_accepted_for_a_fortnight_is_proposed_anew(four: World) -> None:
    four.does("move-admin", NEW_ADMIN, *HANGZHOU)
    four.wait(16 * DAY + 60)
    assert "HandoverExpired(until=" in four.refused("accept-admin", *HANGZHOU)


def test_a_tariff_is_published_with_a_hash_that_folder_and_zip_share(four: World, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "hangzhou.zip", "w") as archive:
        for file in sorted(TARIFF.iterdir(), reverse=True):
            archive.write(file, file.name)
    uri = "https://hangzhou.example/tariff/2"
    four.does("tariff", str(TARIFF), "--uri", uri, "--from", "+7d", *HANGZHOU)
    published = four.read("CityRegistry", "tariff", 3301, 0)
    assert (published[0], published[1]) == (uri, tariff_hash(tmp_path / "hangzhou.zip"))
    assert abs(published[2] - four.now - 7 * DAY) < 60
    sooner = four.does("tariff", str(TARIFF), "--uri", uri, "--from", "+6d", *HANGZHOU)
    assert sooner["transactions"] != []
    assert abs(four.read("CityRegistry", "tariff", 3301, 1)[2] - four.now - 6 * DAY) < 60
    early = four.refused("tariff", str(TARIFF), "--uri", uri + "b", "--from", str(four.now - DAY), *HANGZHOU)
    assert "TariffTooEarly(validFrom=" in early


def test_a_city_in_arrears_deposits_pays_and_withdraws_again(four: World) -> None:
    four.does("withdraw", "all", "--as", "Shanghai")
    four.settles("Shanghai", "Hangzhou", 1_500)
    refused = four.refused("withdraw", "1", "--as", "Shanghai")
    assert "InsufficientFunds(city=3100, withdrawable=0, amount=100)" in refused
    left = four.does("pay-arrears", "--as", "Shanghai", status=1)
    assert "Shanghai (3100) still owes 15.00 yuan: deposit first" in left["waits_for"]
    assert [it["gas"] > 0 for it in four.does("deposit", "20", "--as", "Shanghai", "--dry-run")["costs"]] == [
        True,
        True,
    ]
    four.does("deposit", "20", "--as", "Shanghai", "--reference", "CNAPS 1")
    four.does("pay-arrears", "--debtor", "Shanghai", "--account", STRANGER)
    assert four.read("Clearinghouse", "balanceOf", 3301) == 5_001_500
    four.does("withdraw", "5", "--as", "Shanghai")


def test_fares_above_a_daily_limit_are_owed_but_withheld_until_they_are_confirmed_or_due(four: World) -> None:
    wrong = four.refused("daily-limit", "Shanghai", "10.00", "--account", of("Shanghai", Role.ADMIN))
    assert "NotTreasury(city=3100" in wrong
    assert four.does("daily-limit", "Shanghai", "10.00", "--dry-run")["transactions"] == []
    four.does("daily-limit", "Shanghai", "10.00")
    assert four.does("daily-limit", "Shanghai", "10.00")["transactions"] == []
    four.settles("Shanghai", "Hangzhou", 600, serial=1)
    four.settles("Shanghai", "Hangzhou", 900, serial=2)
    account = four.does("status")["clearinghouses"][0]["accounts"]["3100"]
    assert [account[name] for name in ("daily_limit", "taken_today", "owes", "withheld")] == [1_000, 1_000, 500, 500]
    day = four.now // DAY
    due = (day + 1) * DAY + 14 * DAY
    withheld = [{"creditor": 3301, "day": date(day), "amount": 500, "releasable_from": due}]
    assert four.does("status")["withheld"] == {"3100": withheld}
    people = words_of(four.run("consortium", "status").out)
    assert "Shanghai (3100) 10.00 10.00 5.00" in people
    assert f"withholds 5.00 yuan to Hangzhou (3301), settled on {date(day)} (UTC): until " in people

    assert "InsufficientFunds(city=3100, withdrawable=0" in four.refused("withdraw", "1", "--as", "Shanghai")
    paid = four.does("pay-arrears", "--as", "Shanghai", status=1)
    assert paid["transactions"] == []
    assert "owes Hangzhou (3301) 5.00 yuan that is above its daily limit, and withheld" in paid["says"][0]
    assert paid["waits_for"][0].startswith("withheld: 5.00 yuan to Hangzhou (3301), settled on ")

    shown = four.does("release-withheld", "Shanghai", status=1)
    assert (shown["transactions"], shown["withheld"]) == ([], withheld)
    assert "StillWithheld(releasableFrom=" in four.refused(
        "release-withheld", "Shanghai", "--all", "--account", STRANGER
    )
    assert "found nothing of 2019-12-01" in four.refused("release-withheld", "Shanghai", "--day", "2019-12-01")
    assert four.does("release-withheld", "Shanghai", "--to", "Ningbo", "--all", status=1)["transactions"] == []
    confirmed = four.does("release-withheld", "Shanghai", "--day", date(day))
    assert [it["sender"] for it in confirmed["transactions"]] == [of("Shanghai", Role.TREASURY)]
    four.does("pay-arrears", "--as", "Shanghai")
    assert four.read("Clearinghouse", "balanceOf", 3301) == 5_001_500
    assert four.does("release-withheld", "Shanghai")["says"] == ["nothing of Shanghai (3100)'s arrears is withheld"]

    four.settles("Shanghai", "Hangzhou", 700, serial=3)
    four.wait(due - four.now + DAY)
    released = four.does("release-withheld", "Shanghai", "--account", STRANGER)
    assert [it["sender"] for it in released["transactions"]] == [STRANGER]
    four.does("pay-arrears", "--debtor", "Shanghai", "--account", STRANGER)
    assert four.read("Clearinghouse", "balanceOf", 3301) == 5_002_200
    four.does("daily-limit", "Shanghai", "none")
    assert four.read("Clearinghouse", "dailyLimit", 3100)[0] == 0


def date(day: int) -> str:
    """A day since 1970 as the commands write it."""
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=day)).isoformat()


def test_a_daily_limit_is_an_amount_or_none(four: World) -> None:
    for amount in ("0", "0.00", "1.234", "lots"):
        assert "expected a daily limit" in four.refused("daily-limit", "Shanghai", amount), amount


def test_a_frozen_treasury_sets_no_limit_and_confirms_nothing(four: World) -> None:
    four.does("daily-limit", "Shanghai", "10.00")
    four.settles("Shanghai", "Hangzhou", 1_500, serial=1)
    four.does("freeze", "--as", "Shanghai")
    assert "TreasuryFrozen(city=3100)" in four.refused("daily-limit", "Shanghai", "none")
    assert "StillWithheld(releasableFrom=" in four.refused("release-withheld", "Shanghai", "--all")


def test_what_corrections_were_set_off_against_is_taken_from_the_oldest_days_and_holds_back_no_other(
    four: World,
) -> None:
    four.does("daily-limit", "Shanghai", "10.00")
    batch = four.settles("Shanghai", "Hangzhou", 1_500, serial=1)
    refund = four.contract("Refunds").functions.refund(batch, b"", 0, 1_500)
    four.send(refund, key_of("Hangzhou", Role.TREASURY))  # 5.00 of it are set off against what is withheld
    assert four.does("release-withheld", "Shanghai")["withheld"] == []
    four.wait(16 * DAY)
    four.settles("Shanghai", "Hangzhou", 1_700, serial=2)
    shown = four.does("release-withheld", "Shanghai", status=1)
    today = date(four.now // DAY)
    assert [(it["day"], it["amount"]) for it in shown["withheld"]] == [(today, 700)]
    assert shown["transactions"] == []
    confirmed = four.does("release-withheld", "Shanghai", "--all")
    assert len(confirmed["transactions"]) == 2  # the old day first, of which nothing is left
    assert four.read("Clearinghouse", "withheld", 3100, 3301) == 0
    four.does("pay-arrears", "--as", "Shanghai")
    assert four.read("Clearinghouse", "arrearsOf", 3100) == 0


def test_a_deposit_of_more_than_there_is_says_what_is_missing(four: World) -> None:
    said = four.refused("deposit", "20", *HANGZHOU)
    assert f"expected {TREASURY} (treasury of Hangzhou) to have 20.00 yuan of tokens, it has 0.00 yuan" in said


def test_leaving_shows_first_what_there_is_to_do_and_then_what_is_left(four: World) -> None:
    four.passes("reserve", "Hangzhou", "5000", wait=7 * DAY)
    asked = four.does("leave", *HANGZHOU, status=1)
    assert "it holds 50,000.00 yuan, of which it can withdraw 45,000.00 yuan now" in asked["says"]
    assert "its reserve of 5,000.00 yuan stays until 78 days after it left" in asked["says"]
    assert four.read("CityRegistry", "city", 3301)[1] == 1
    four.does("leave", "--yes", *HANGZHOU)
    four.does("withdraw", "all", *HANGZHOU)
    again = four.does("leave", *HANGZHOU)
    assert again["transactions"] == []
    assert "it holds 5,000.00 yuan, of which it can withdraw 0.00 yuan now" in again["says"]
    four.wait(77 * DAY)
    assert four.read("Clearinghouse", "withdrawable", 3301) == 0
    four.wait(DAY + 60)
    four.does("withdraw", "all", *HANGZHOU)
    assert four.read("Clearinghouse", "balanceOf", 3301) == 0


# ---------------------------------------------------------------- who acts, and how


def test_without_a_city_named_the_cities_whose_accounts_are_here_are(four: World) -> None:
    said = four.refused("freeze")
    assert "expected --as with the city that acts, for accounts of Shanghai (3100), Hangzhou (3301)" in said
    assert "came 'Atlantis': try Shanghai (3100)" in four.refused("freeze", "--as", "Atlantis")


def test_the_commands_show_people_what_they_did(four: World) -> None:
    planned = four.run("consortium", "reserve", "Hangzhou", "5000", "--as", "Shanghai", "--dry-run").out
    assert "would, were it sent now:" in planned
    assert "raises the reserve of Hangzhou (3301) from 0.00 yuan to 5,000.00 yuan" in planned
    status = words_of(four.run("consortium", "status").out)
    for text in ("Wenzhou (3303)", of("Wenzhou", Role.ADMIN), "time to submit a ride", "30 days", "No open proposal"):
        assert text in status


def test_a_keyfile_account_governs_as_a_test_account_does(four: World, tmp_path: Path) -> None:
    """In a process of its own, with Ape's own folder, where there is that one account."""
    keyfile = tmp_path / "ape" / "accounts" / "ningbo-admin.json"
    keyfile.parent.mkdir(parents=True)
    admin = test_address(300)  # beyond those that Ape has as test accounts
    four.does("move-admin", admin, "--as", "Ningbo")
    four.wait(2 * DAY)
    keyfile.write_text(json.dumps(Account.encrypt(test_private_key(300), "correct horse", iterations=2)))

    def ape(*words: str) -> Ended:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "ape"), "run", "consortium", *words, *four.options()],
            cwd=REPOSITORY,
            env=os.environ
            | {"APE_DATA_FOLDER": str(tmp_path / "ape"), "APE_ACCOUNTS_ningbo-admin_PASSPHRASE": "correct horse"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)

    absent = four.refused("accept-admin", "--as", "Ningbo")
    assert f"expected the account {admin} (proposed admin of Ningbo) among Ape's accounts" in absent
    for words in (("accept-admin", "--as", "Ningbo"), ("reserve", "Hangzhou", "5000", "--as", "Ningbo")):
        right = ape(*words, "--json")
        assert right.status == 0, right.err
        assert [it["sender"] for it in right.document["transactions"]] == [admin]
    assert four.does("show", "2")["approved_by"] == [3302]
