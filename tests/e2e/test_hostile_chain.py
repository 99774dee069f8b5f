"""A real chain on which members and strangers put all that they can; afterwards every program goes on.

Hostile texts are names in proposals and of a city that was admitted, and addresses of tariffs; calldata of proposals is
spoilt; keys' windows are at the extremes; deposits have hostile references; proposals call contracts that answer with
anything. What is put on the chain goes by the ABIs and `tests.support.hostile`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from eth_account import Account
from starlette.testclient import TestClient

from interline.chain_data import function_entry, topic_of
from interline.safe_text import short_name, text_of
from interline.tariff import tariff_hash
from ledger.chain import Chain as LedgerChain
from ledger.index.store import Index
from ledger.pages.app import make_app
from ledger.pages.live import Follower
from ledger.reconcile.command import Wish, reconcile
from network.accounts import BANK, Role, test_private_key
from network.chain import Chain
from rpc.provider import node_of
from tests.e2e.test_consortium import Ended
from tests.e2e.test_consortium import World as Commands
from tests.support.deploy import REPOSITORY, Deployment, deploy
from tests.support.disputes import Place, carry, issue
from tests.support.gates import GateFolder, gate_folder
from tests.support.hostile import BIDI, REFERENCES, TEXTS, call_of, encode_raw, hostile_calls
from tests.support.offices import OfficeFolder, office_folder

CITIES = ["Shanghai", "Hangzhou", "Xuzhou"]
GAS_LIMIT = 1_000_000_000
GAS = 150_000_000
"""Of one transaction: 100 kB of text take half of it."""
HOSTILE_CODE = 9_001
NAME = TEXTS["a terminal's escapes"] + TEXTS["not UTF-8"] + TEXTS["markup that ends nothing"]
NO_END = 2**40 - 1
WINDOWS = [(0, 1), (0, NO_END), (NO_END - 1, NO_END), (253_402_300_800, 253_402_300_801), (2**33, 2**39)]
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]|[" + BIDI + "]")
EVERY = 61
"""Of the spoilt calls, which are thousands, one in so many is proposed."""


@dataclass(frozen=True)
class World:
    """The chain after all of it, with a gate, an office, an index and a folder of deployments."""

    deployment: Deployment
    gate: GateFolder
    office: OfficeFolder
    before: list[Place]
    proposals: int
    index: Path
    commands: Commands

    def ledger(self) -> LedgerChain:
        return LedgerChain(node_of(self.deployment.web3), self.deployment.clearinghouse.address)

    def ape(self, *arguments: str) -> Ended:
        """Run a script in this process, which has to work; nothing that it prints steers a terminal."""
        done = self.commands.run(*arguments)
        assert done.status == 0, done.err
        assert CONTROLS.search(done.out) is None, arguments
        return done


def calldata(contract: str, function: str, *values: object) -> bytes:
    """A call with bytes for texts."""
    entry = function_entry(contract, function)
    return topic_of(entry)[:4] + encode_raw(entry["inputs"], values)


def send(deployment: Deployment, private_key: bytes, calls: list[tuple[str | None, bytes]]) -> list[Any]:
    """Send raw calls of one account; all must be carried out."""
    web3 = deployment.web3
    sender = Account.from_key(private_key).address
    nonce = web3.eth.get_transaction_count(sender, "pending")
    receipts = []
    for number, (to, data) in enumerate(calls):
        fields: dict[str, Any] = {"data": data, "nonce": nonce + number, "gas": GAS, "gasPrice": 0, "value": 0}
        fields |= {"chainId": web3.eth.chain_id} | ({} if to is None else {"to": to})
        tx = web3.eth.send_raw_transaction(Account.sign_transaction(fields, private_key).raw_transaction)
        receipts.append(web3.eth.wait_for_transaction_receipt(tx, poll_latency=0.02))
    assert [receipt["status"] for receipt in receipts] == [1] * len(calls)
    return receipts


def refusing(answer: bytes) -> bytes:
    """Code that makes a contract which refuses every call with these bytes."""
    size = len(answer).to_bytes(2, "big")
    code = b"\x61" + size + bytes.fromhex("80 600c 6000 39 6000 fd") + answer
    return b"\x61" + len(code).to_bytes(2, "big") + bytes.fromhex("80 600c 6000 39 6000 f3") + code


LOOPING = bytes.fromhex("6004 600c 6000 39 6004 6000 f3 5b600056")
"""Code that makes a contract which never ends."""
ANSWERS = {
    "text that isn't UTF-8": bytes.fromhex("08c379a0") + encode_raw([{"type": "string"}], [b"no\xff\x1b[2J"]),
    "text cut short": bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + b"\xff" * 32,
    "an address on the web": bytes.fromhex("556f1830") + b"\xff" * 320,
    "an error of ours cut short": topic_of({"name": "NotMember", "inputs": [{"type": "uint16"}]})[:4] + b"\xff",
    "panic": bytes.fromhex("4e487b71") + b"\xff" * 32,
    "junk": b"\xff" * 10_000,
    "nothing": b"",
}


def admission(code: int, name: bytes) -> bytes:
    """A call that admits a city under any name."""
    return call_of("CityRegistry", "admit", code=code, name=name)


def propose(deployment: Deployment) -> int:
    """Shanghai proposes all that can be; how many there are then."""
    shanghai, consortium = deployment.cities["Shanghai"], deployment.consortium.address
    registry, house = deployment.registry.address, deployment.clearinghouse.address
    key = shanghai.private_key(Role.ADMIN)
    strangers = [receipt["contractAddress"] for receipt in send(deployment, key, _strangers())]
    spoilt = [(registry, data) for data, _ in hostile_calls("CityRegistry")]
    spoilt += [(house, data) for data, _ in hostile_calls("Clearinghouse")]
    wanted = [
        *((registry, admission(7_000 + n, name)) for n, name in enumerate(TEXTS.values())),
        *((stranger, b"\x01\x02\x03\x04") for stranger in strangers),
        *(one for one in spoilt[::EVERY] if len(one[1]) < 2_000),
        (house, calldata("Clearinghouse", "nameSuccessor", strangers[0], 2**256 - 1)),
        (house, calldata("Clearinghouse", "nameSuccessor", strangers[0], NO_END)),
        (consortium, calldata("Consortium", "propose", 1, consortium, b"\xff" * 5_000)),
    ]
    calls = [(consortium, calldata("Consortium", "propose", shanghai.code, *one)) for one in wanted]
    send(deployment, key, [*calls])
    return len(calls)


def _strangers() -> list[tuple[str | None, bytes]]:
    return [(None, refusing(answer)) for answer in ANSWERS.values()] + [(None, LOOPING)]


def admit(deployment: Deployment) -> None:
    """Two of three vote for a city with a hostile name."""
    consortium = deployment.consortium
    data = admission(HOSTILE_CODE, NAME)
    keys = [deployment.cities[name].private_key(Role.ADMIN) for name in ("Shanghai", "Hangzhou")]
    codes = [deployment.cities[name].code for name in ("Shanghai", "Hangzhou")]
    make = calldata("Consortium", "propose", codes[0], deployment.registry.address, data)
    send(deployment, keys[0], [(consortium.address, make)])
    number = consortium.functions.proposalCount().call()
    deployment.call(keys[1], consortium.functions.approve(number, codes[1]))
    deployment.call(keys[1], consortium.functions.execute(number))


def publish(deployment: Deployment) -> None:
    """Xuzhou's admin publishes each text as a tariff's address, and keys at the extremes."""
    xuzhou, registry = deployment.cities["Xuzhou"], deployment.registry.address
    tariffs = [
        (registry, calldata("CityRegistry", "publishTariff", xuzhou.code, uri, bytes(31) + b"\1", NO_END - n % 2))
        for n, uri in enumerate(TEXTS.values())
    ]
    keys = [
        (registry, calldata("CityRegistry", "addIssuerKey", xuzhou.code, 200 + n, registry, *window))
        for n, window in enumerate(WINDOWS)
    ]
    send(deployment, xuzhou.private_key(Role.ADMIN), [*tariffs, *keys])


def pay_in(deployment: Deployment) -> None:
    """A deposit with each hostile reference, and one to the city with the hostile name."""
    xuzhou, house = deployment.cities["Xuzhou"], deployment.clearinghouse
    amount = 100 * (len(REFERENCES) + 1)
    deployment.call(test_private_key(BANK), deployment.token.functions.mint(xuzhou.file.treasury, amount))
    treasury = xuzhou.private_key(Role.TREASURY)
    deployment.call(treasury, deployment.token.functions.approve(house.address, amount))
    deposits = [calldata("Clearinghouse", "deposit", xuzhou.code, 100, one) for one in REFERENCES.values()]
    deposits.append(calldata("Clearinghouse", "deposit", HOSTILE_CODE, 100, REFERENCES["formula ="]))
    send(deployment, treasury, [(house.address, data) for data in deposits])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("hostile")
    with Chain(block_time=None, extra=("--gas-limit", str(GAS_LIMIT))) as chain:
        deployment = deploy(chain.url, cities=CITIES)
        hangzhou, xuzhou = deployment.cities["Hangzhou"], deployment.cities["Xuzhou"]
        deployment.as_admin(hangzhou, "publishTariff", "https://x.example", tariff_hash(hangzhou.file.tariff), 0)
        gate = gate_folder(folder / "hangzhou", deployment, hangzhou)
        gate.json("sync")
        office = office_folder(folder / "xuzhou", deployment, xuzhou)
        before = carry(gate, issue(office, hangzhou, 2))
        proposals = propose(deployment)
        admit(deployment)
        publish(deployment)
        pay_in(deployment)
        commands = Commands(chain.url, folder / "deployments")
        write_deployment(commands.deployments, deployment)
        yield World(deployment, gate, office, before, proposals + 1, folder / "index.duckdb", commands)


def write_deployment(folder: Path, deployment: Deployment) -> None:
    """The deployment's file, as `ape run deploy` writes it."""
    made = {
        "Clearinghouse": deployment.clearinghouse,
        "CityRegistry": deployment.registry,
        "Refunds": deployment.refunds,
        "Consortium": deployment.consortium,
        "SettlementToken": deployment.token,
    }
    contracts = {
        name: {"address": contract.address, "block": 1, "transaction": "0x" + "00" * 32}
        for name, contract in made.items()
    }
    folder.mkdir()
    document = {"chain_id": deployment.domain.chain_id, "contracts": contracts}
    (folder / "local.json").write_text(json.dumps(document))


def test_the_gate_syncs_and_goes_on(world: World) -> None:
    done = world.gate.run("sync")
    assert done.returncode == 0, done.stderr
    assert CONTROLS.search(done.stdout) is None
    document = world.gate.json("sync")
    names = {city["code"]: city["name"] for city in document["cities"]}
    assert names[HOSTILE_CODE] == short_name(text_of(NAME))
    places = carry(world.gate, issue(world.office, world.deployment.cities["Hangzhou"], 2))
    assert len(places) == 2
    assert world.gate.json("status")["rides"]


def test_the_office_reads_its_rides_and_disputes_one(world: World) -> None:
    assert len(world.office.json("rides", "--all")["rides"]) >= len(world.before)
    place = world.before[0]
    assert world.office.json("dispute", place.batch, place.index, "--dry-run")
    world.office.json("disputes")


def test_the_accounts_add_up_and_reconcile_to_the_fen(world: World, tmp_path: Path) -> None:
    world.office.json("rides")
    balances = world.ledger().balances()
    assert balances.faults() == []
    assert {city.code: city.name for city in balances.cities}[HOSTILE_CODE] == short_name(text_of(NAME))
    wish = Wish(journals=(world.gate.journal,), registers=(world.office.config.database,), tariff=True)
    found = reconcile(wish, world.ledger(), world.index, REPOSITORY / "cities")
    assert [result.check for result in found.results] == ["contracts", "index", "journal", "issued", "tariff"]
    assert not found.differs, found.document()


def test_the_pages_show_the_chain(world: World) -> None:
    reconcile(Wish(quick=True), world.ledger(), world.index, REPOSITORY / "cities")
    with Index.open(world.index, write=True) as index:
        client = TestClient(make_app(index, Follower(index, None, []), []), follow_redirects=False)
        for language in ("en", "zh"):
            for path in ("", "votes", "batches", f"cities/{HOSTILE_CODE}", "cities/3203", "cities/3301"):
                answer = client.get(f"/{language}/{path}")
                assert answer.status_code == 200, path
                assert CONTROLS.search(answer.text) is None, path
                assert "<script>alert" not in answer.text


def test_the_administrators_see_every_proposal_and_how_all_stands(world: World) -> None:
    document = world.ape("consortium", "status", "--json").document
    names = {city["code"]: city["name"] for city in document["cities"]}
    assert names[HOSTILE_CODE] == short_name(text_of(NAME))
    world.ape("consortium", "status")
    proposals = world.ape("consortium", "proposals", "--all", "--json").document
    assert len(proposals) == world.proposals
    says = " ".join(one["says"] for one in proposals)
    for name in TEXTS.values():
        assert f"admits {short_name(text_of(name))} (" in says
    warnings = " ".join(warning for one in proposals for warning in one["warnings"])
    assert r"Error(reason=no\xff\x1b[2J)" in warnings
    assert "DON'T VOTE FOR WHAT YOU CAN'T READ" in warnings
    world.ape("consortium", "proposals")
    for number in (1, len(TEXTS), len(TEXTS) + 1, len(TEXTS) + 2, world.proposals - 2, world.proposals - 1):
        world.ape("consortium", "show", str(number))


def test_the_accountants_scripts_go_on(world: World) -> None:
    index = ("--index", str(world.index))
    world.ape("balances")
    names = {city["code"]: city["name"] for city in world.ape("balances", "--json").document["cities"]}
    assert names[HOSTILE_CODE] == short_name(text_of(NAME))
    world.ape("recompute", str(HOSTILE_CODE), *index)
    world.ape("statement", str(HOSTILE_CODE), "--basis", "settlement", *index, "--period", month(world))
    world.ape("reconcile", *index)


def month(world: World) -> str:
    """The month of the newest block by China's clock."""
    time = world.deployment.web3.eth.get_block("latest")["timestamp"]
    return datetime.fromtimestamp(time, ZoneInfo("Asia/Shanghai")).strftime("%Y-%m")
