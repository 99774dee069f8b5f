"""The administrators' commands, run as people run them: `ape run deploy`, `onboard` and `balances` on a real chain.

The chain makes five blocks a second. Test accounts of cities have no ether. Each test brings in cities of its own, so
that none depends on another.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from web3 import HTTPProvider, Web3

from interline.cities import load_city
from interline.contracts import load_abi
from interline.signatures import to_checksum
from network.accounts import Role, city_index, test_address
from network.chain import Chain
from tests.support.patience import running
from tests.support.programs import run_program

REPOSITORY = Path(__file__).resolve().parents[2]
APE = str(Path(sys.executable).parent / "ape")
FOUNDERS = ["Shanghai", "Hangzhou", "Ningbo"]
STRANGER = test_address(city_index(13, Role.ADMIN))
"""A test account that belongs to no city."""
NOBODY = "0x000000000000000000000000000000000000dEaD"
"""An address whose account is nowhere here."""


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
class Network:
    """A chain, and the folder of its deployments."""

    url: str
    deployments: Path

    def command(self, *arguments: str) -> list[str]:
        """The command line of a script on this chain."""
        network = f"ethereum:local:{self.url}"
        return [APE, "run", *arguments, "--network", network, "--deployments", str(self.deployments)]

    def run(self, *arguments: str) -> Ended:
        """Run a script until its end."""
        return ended(self.command(*arguments))

    def run_killed(self, sent: int, *arguments: str) -> None:
        """Run a script, and kill it as soon as it has sent so many transactions."""
        pipe = subprocess.PIPE
        with running(self.command(*arguments), cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=pipe) as process:
            assert process.stderr is not None
            seen: list[str] = []
            while sum(line.startswith("sent: ") for line in seen) < sent:
                line = process.stderr.readline()
                assert line, f"expected {sent} transactions before it ended: {seen}"
                seen.append(line)

    @property
    def web3(self) -> Web3:
        return Web3(HTTPProvider(self.url))

    def contract(self, name: str, deployment: str = "local") -> Any:
        """A contract of a deployment."""
        address = json.loads((self.deployments / f"{deployment}.json").read_text())["contracts"][name]["address"]
        return self.web3.eth.contract(address=address, abi=load_abi(name))


def ended(command: list[str]) -> Ended:
    done = run_program(command, cwd=REPOSITORY)
    assert "Traceback" not in done.stderr, done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


def city_file(name: str) -> str:
    return f"cities/{name.lower()}.yaml"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with Chain(block_time=0.2) as chain:
        yield Network(chain.url, tmp_path_factory.mktemp("deployments"))


@pytest.fixture(scope="module")
def deployed(network: Network) -> Ended:
    """What the first deployment said."""
    return network.run("deploy", "--json")


@pytest.fixture
def consortium(network: Network, deployed: Ended) -> Network:
    """The network with Shanghai, Hangzhou and Ningbo as founders."""
    assert deployed.status == 0, deployed.err
    return network


@pytest.fixture
def altered(tmp_path: Path) -> Callable[..., str]:
    """Makes a city file that differs from the city's own in one place."""

    def make(name: str, old: str, new: str) -> str:
        text = (REPOSITORY / city_file(name)).read_text(encoding="utf-8")
        assert text.count(old) == 1
        (tmp_path / "tariffs").mkdir(exist_ok=True)
        shutil.copytree(REPOSITORY / "cities" / "tariffs" / name.lower(), tmp_path / "tariffs" / name.lower())
        path = tmp_path / f"{name.lower()}.yaml"
        path.write_text(text.replace(old, new), encoding="utf-8")
        return str(path)

    return make


def admin_of(name: str) -> str:
    return load_city(REPOSITORY / city_file(name)).admin


# ---------------------------------------------------------------- deploy


def test_deploying_writes_where_the_five_contracts_are(consortium: Network, deployed: Ended) -> None:
    file = json.loads((consortium.deployments / "local.json").read_text())
    assert file["chain_id"] == 1337
    assert set(file["contracts"]) == {"Clearinghouse", "CityRegistry", "Consortium", "Refunds", "SettlementToken"}
    for name, contract in file["contracts"].items():
        receipt = consortium.web3.eth.get_transaction_receipt(contract["transaction"])
        assert receipt["status"] == 1
        assert receipt["blockNumber"] == contract["block"], name
        assert consortium.web3.eth.get_code(contract["address"]), name
    assert {key: deployed.document[key] for key in file} == file
    assert (
        consortium.contract("Clearinghouse").functions.deployedAt().call()
        == file["contracts"]["Clearinghouse"]["block"]
    )


def test_founders_have_their_keys_submitters_and_deposits_after_deploying(consortium: Network) -> None:
    registry, house = consortium.contract("CityRegistry"), consortium.contract("Clearinghouse")
    for name in FOUNDERS:
        city = load_city(REPOSITORY / city_file(name))
        assert registry.functions.city(city.code).call()[:4] == [city.name, 1, city.admin, city.treasury]
        for key in city.issuer_keys:
            registered = registry.functions.issuerKey(city.code, key.id).call()
            assert registered == [to_checksum(key.address), key.valid_from, key.valid_until]
        assert all(registry.functions.isSubmitter(city.code, key).call() for key in city.submitters)
        assert house.functions.balanceOf(city.code).call() == city.deposit
        assert consortium.web3.eth.get_balance(city.admin) == 0  # it needed no ether


def test_deploying_again_sends_nothing_and_changes_nothing(consortium: Network) -> None:
    before = (consortium.deployments / "local.json").read_bytes()
    again = consortium.run("deploy", "--json")
    assert again.status == 0, again.err
    assert again.document["transactions"] == []
    assert (consortium.deployments / "local.json").read_bytes() == before


def test_a_deployment_killed_half_way_is_finished_by_the_next_run(network: Network) -> None:
    network.run_killed(6, "deploy", "--deployment", "killed")
    finished = network.run("deploy", "--deployment", "killed", "--json")
    assert finished.status == 0, finished.err
    assert not any(it["what"].startswith("deploy ") for it in finished.document["transactions"])
    house = network.contract("Clearinghouse", "killed")
    deposits = house.events.Deposited().get_logs(from_block=0)
    assert [(it["args"]["city"], it["args"]["amount"]) for it in deposits] == [
        (load_city(REPOSITORY / city_file(name)).code, 5_000_000) for name in FOUNDERS
    ]


# ---------------------------------------------------------------- onboard


A_ROLL = 22_100 + 2_900
"""Gas for a word more in a list: an admission in the same second as the one before it writes none of its own."""


def _gas_of(city: dict[str, Any], step: str) -> int:
    return sum(it["gas"] for it in city["transactions"] if it["step"] == step)


def test_all_brings_cities_in_at_a_cost_that_does_not_depend_on_the_members(consortium: Network) -> None:
    joined = consortium.run("onboard", "all", city_file("Wenzhou"), city_file("Hefei"), "--json")
    assert joined.status == 0, joined.err
    wenzhou, hefei = joined.document
    assert (wenzhou["city"], wenzhou["code"], hefei["city"]) == ("Wenzhou", 3303, "Hefei")
    assert hefei["members_before"] == wenzhou["members_before"] + 1
    [before, after] = (_gas_of(city, "execute") for city in (wenzhou, hefei))
    assert -A_ROLL <= after - before <= 0.02 * before
    assert abs((hefei["gas"] - after) - (wenzhou["gas"] - before)) <= 0.001 * wenzhou["gas"]
    for city in (wenzhou, hefei):
        votes_of_others = city["votes"]["needed"] - 1
        assert sum(it["step"] == "approve" for it in city["transactions"]) == votes_of_others
        assert sum(it["gas"] for it in city["transactions"]) == city["gas"] + city["vote_gas"]
        assert city["vote_gas"] == sum(it["gas"] for it in city["transactions"] if it["step"] == "approve") > 0
        assert city["status"] == "complete"
        assert city["balance"] == 5_000_000

    again = consortium.run("onboard", "all", city_file("Wenzhou"), city_file("Hefei"), "--json")
    assert again.status == 0
    assert [(it["transactions"], it["gas"], it["vote_gas"]) for it in again.document] == [([], 0, 0)] * 2


def test_propose_approve_and_complete_are_steps_of_different_people(consortium: Network) -> None:
    nanjing = city_file("Nanjing")
    proposed = consortium.run("onboard", "propose", nanjing, "--as", "hangzhou", "--json")
    assert proposed.status == 0, proposed.err
    (sent,) = proposed.document[0]["transactions"]
    assert (sent["step"], sent["sender"]) == ("propose", admin_of("Hangzhou"))

    waiting = consortium.run("onboard", "complete", nanjing, "--json")
    needed = waiting.document[0]["votes"]["needed"]
    assert waiting.status == 1
    assert f"has 1 of the {needed} votes it needs" in waiting.err
    assert waiting.document[0]["transactions"] == []

    rest = consortium.run("onboard", "approve", nanjing, "--json")
    assert rest.status == 0, rest.err
    assert rest.document[0]["votes"] == {"cast": needed, "needed": needed}
    assert len(rest.document[0]["transactions"]) == needed - 1

    complete = consortium.run("onboard", "complete", nanjing)
    assert complete.status == 0, complete.err
    assert "Nanjing" in complete.out
    assert "complete" in complete.out
    assert consortium.contract("Clearinghouse").functions.balanceOf(3201).call() == 5_000_000


def test_a_city_killed_at_any_step_joins_once_and_deposits_once(consortium: Network) -> None:
    qingdao = load_city(REPOSITORY / city_file("Qingdao"))
    before = consortium.contract("Consortium").functions.proposalCount().call()
    for sent in (1, 1, 3):
        consortium.run_killed(sent, "onboard", "all", city_file("Qingdao"))
    resumed = consortium.run("onboard", "all", city_file("Qingdao"), "--json")
    assert resumed.status == 0, resumed.err
    assert resumed.document[0]["status"] == "complete"
    assert consortium.contract("Consortium").functions.proposalCount().call() == before + 1
    house, token = consortium.contract("Clearinghouse"), consortium.contract("SettlementToken")
    deposits = house.events.Deposited().get_logs(from_block=0, argument_filters={"city": qingdao.code})
    assert [it["args"]["amount"] for it in deposits] == [qingdao.deposit]
    assert deposits[0]["args"]["bankReference"].rstrip(b"\0") == b"deposit 3702 opening"
    assert token.functions.balanceOf(qingdao.treasury).call() == 0


def test_a_proposal_with_another_admin_is_not_completed_as_this_city(
    consortium: Network, altered: Callable[..., str]
) -> None:
    forged = altered("Xiamen", admin_of("Xiamen"), STRANGER)
    assert consortium.run("onboard", "propose", forged).status == 0
    assert consortium.run("onboard", "approve", forged).status == 0

    refused = consortium.run("onboard", "complete", city_file("Xiamen"), "--json")
    assert refused.status == 1
    assert refused.document[0]["transactions"] == []
    assert f"otherwise than its file says: as Xiamen, with admin {STRANGER}" in refused.err
    assert consortium.contract("CityRegistry").functions.city(3502).call()[1] == 0


def test_a_file_that_contradicts_the_chain_is_refused_with_the_difference(
    consortium: Network, altered: Callable[..., str], tmp_path: Path
) -> None:
    other_admin = altered("Shanghai", admin_of("Shanghai"), STRANGER)
    key = to_checksum(load_city(REPOSITORY / city_file("Ningbo")).issuer_keys[0].address)
    other_key = altered("Ningbo", key, STRANGER)
    with ThreadPoolExecutor(2) as pool:
        admin, issuer_key = pool.map(lambda file: consortium.run("onboard", "all", file), (other_admin, other_key))
    assert admin.status == issuer_key.status == 2
    assert f"admin is {STRANGER} in the file, {admin_of('Shanghai')} on chain" in admin.err
    assert f"issuer key 1: address is {STRANGER} in the file, {key} on chain" in issuer_key.err
    assert admin.out == issuer_key.out == ""


def test_what_only_absent_accounts_can_sign_is_named_and_the_rest_is_done(
    consortium: Network, altered: Callable[..., str]
) -> None:
    absent = altered("Wuxi", admin_of("Wuxi"), NOBODY)
    waiting = consortium.run("onboard", "all", absent, "--json")
    assert waiting.status == 1
    (city,) = waiting.document
    assert city["status"] == "member"
    assert city["balance"] == 5_000_000  # the treasury's account is here
    assert f"registers issuer key 1: {NOBODY} (admin of Wuxi) is not among Ape's accounts here" in waiting.err
    assert "ape accounts import" in waiting.err


# ---------------------------------------------------------------- balances


def test_balances_add_up_to_what_is_held(consortium: Network) -> None:
    books = consortium.run("balances", "--json").document
    assert sum(city["balance"] for city in books["cities"]) == books["held"] <= books["tokens_held"]
    assert set(books["cities"][0]) == {
        "code",
        "name",
        "balance",
        "position",
        "arrears_owed",
        "arrears_due",
        "arrears_withheld",
    }
    shanghai = {"code": 3100, "name": "Shanghai", "balance": 5_000_000, "position": 5_000_000}
    assert books["cities"][0] == {**shanghai, "arrears_owed": 0, "arrears_due": 0, "arrears_withheld": 0}


def test_balances_fails_where_tokens_fall_short_of_what_is_held(consortium: Network) -> None:
    house, token = consortium.contract("Clearinghouse"), consortium.contract("SettlementToken")
    slot = Web3.to_hex(Web3.keccak(bytes(12) + bytes.fromhex(house.address[2:]) + bytes(32)))  # of its token balance
    held = house.functions.held().call()
    set_storage(consortium, token.address, slot, held - 1)
    try:
        short = consortium.run("balances", "--json")
    finally:
        set_storage(consortium, token.address, slot, held)
    assert short.status == 1
    assert short.document["tokens_held"] == short.document["held"] - 1
    assert "DOES NOT ADD UP" in short.err


def set_storage(network: Network, address: str, slot: str, value: int) -> None:
    """Changes a contract's storage as no transaction could."""
    answer = network.web3.provider.make_request(
        "anvil_setStorageAt",  # type: ignore[arg-type]
        [address, slot, f"0x{value:064x}"],
    )
    assert "error" not in answer, answer


# ---------------------------------------------------------------- what can't work


def test_bad_input_ends_with_status_2_and_a_sentence(consortium: Network, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("code: [", encoding="utf-8")
    other_chain = [APE, "run", "balances", "--network", "ethereum:local:http://127.0.0.1:1"]
    cases = [
        (other_chain, "expected a chain at http://127.0.0.1:1, came no answer: start one with `make chain`"),
        (consortium.command("balances", "--deployment", "nix"), "run `ape run deploy --deployment nix`"),
        (consortium.command("onboard", "all", str(tmp_path / "bad.yaml")), "expected YAML"),
        (consortium.command("onboard", "propose", city_file("Wuxi"), "--as", "Atlantis"), "came 'Atlantis'"),
    ]
    with ThreadPoolExecutor(2) as pool:
        endings = list(pool.map(ended, [command for command, _ in cases]))
    for (command, sentence), ending in zip(cases, endings, strict=True):
        assert ending.status == 2, (command, ending)
        assert sentence in ending.err, (command, ending)
        assert ending.out == "", command


def test_a_chain_of_another_id_than_ape_signs_for_is_refused(tmp_path: Path) -> None:
    with Chain(block_time=None, chain_id=4242) as chain:
        refused = Network(chain.url, tmp_path).run("deploy")
    assert refused.status == 2
    assert "expected chain id 1337" in refused.err
    assert "the node has 4242" in refused.err


def test_on_a_chain_started_afresh_replace_deploys_anew(consortium: Network, tmp_path: Path) -> None:
    shutil.copy(consortium.deployments / "local.json", tmp_path / "local.json")
    with Chain(block_time=None) as chain:
        fresh = Network(chain.url, tmp_path)
        refused = fresh.run("deploy")
        assert refused.status == 2
        assert "the chain was started afresh" in refused.err
        assert fresh.run("deploy", "--replace").status == 0
