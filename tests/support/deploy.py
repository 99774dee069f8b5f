"""The contracts, deployed with web3 alone from what ape compiled: for tests that need a chain but no ape.

    deployment = deploy(chain.url, cities=["Shanghai", "Hangzhou", "Xuzhou"])

makes the cities founders, registers their test keys and submitters, and makes their deposits.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from eth_account import Account
from web3 import Web3
from web3.contract import Contract

from interline.cities import CityFile, load_cities
from interline.domain import Domain
from network.accounts import BANK, DEPLOYER, Role, city_index, test_private_key

REPOSITORY = Path(__file__).resolve().parents[2]
CONTRACTS = REPOSITORY / "contracts"
MANIFEST = REPOSITORY / ".build" / "__local__.json"

GAS = 16_000_000
"""More than anything here takes: 8.7 million to deploy a Consortium of 13 founders, 8.5 million for a Clearinghouse."""
NO_PREDECESSOR = "0x" + "00" * 20


@dataclass(frozen=True)
class City:
    """A city of `cities/`, and where its test accounts are."""

    file: CityFile
    position: int

    @property
    def code(self) -> int:
        return self.file.code

    @property
    def name(self) -> str:
        return self.file.name

    def private_key(self, role: Role) -> bytes:
        return test_private_key(city_index(self.position, role))


@dataclass(frozen=True)
class Deployment:
    """Deployed contracts, and the cities in them by name."""

    url: str
    web3: Web3
    consortium: Contract
    registry: Contract
    token: Contract
    clearinghouse: Contract
    refunds: Contract
    cities: dict[str, City]
    domain: Domain

    def call(self, private_key: bytes, function: Any) -> Any:
        """Send one call and wait for it; returns the receipt. Fails if the call does."""
        return send_all(self.web3, [(private_key, function)])[0]

    def as_admin(self, city: City, name: str, *arguments: object) -> Any:
        """Let a city's admin call its registry: `as_admin(xuzhou, "endIssuerKey", 1, until)`."""
        return self.call(city.private_key(Role.ADMIN), self.registry.functions[name](city.code, *arguments))

    def by_vote(self, function: Any) -> None:
        """What the Consortium calls after a vote and a wait of days; how it votes is for other tests."""
        consortium = self.consortium.address
        provider = self.web3.provider
        provider.make_request("anvil_impersonateAccount", [consortium])  # type: ignore[arg-type]
        tx = function.transact({"from": consortium, "gas": GAS, "gasPrice": 0})
        assert self.web3.eth.wait_for_transaction_receipt(tx, poll_latency=0.02)["status"] == 1, f"{function} failed"


@cache
def city(name: str) -> City:
    """One of the cities of `cities/`, with its test accounts."""
    for position, file in enumerate(load_cities(REPOSITORY / "cities")):
        if file.name == name:
            return City(file, position)
    raise ValueError(f"no city {name} in cities/")


def deploy(url: str, *, cities: Sequence[str], deposit: int | None = None) -> Deployment:
    """Deploy everything with these cities as founders; `deposit` (fen) instead of each city file's own."""
    web3 = Web3(Web3.HTTPProvider(url))
    founders = [city(name) for name in cities]
    deployer, bank = test_private_key(DEPLOYER), test_private_key(BANK)
    consortium = _create(
        web3,
        "Consortium",
        deployer,
        [(c.code, c.name, c.file.admin, c.file.treasury, c.file.recovery) for c in founders],
    )
    registry = _at(web3, "CityRegistry", consortium.functions.registry().call())
    token = _create(web3, "SettlementToken", deployer, Account.from_key(bank).address)
    clearinghouse = _create(web3, "Clearinghouse", deployer, registry.address, token.address, NO_PREDECESSOR)
    domain = Domain(web3.eth.chain_id, bytes.fromhex(clearinghouse.address[2:]))
    refunds = _at(web3, "Refunds", clearinghouse.functions.refunds().call())
    by_name = {c.name: c for c in founders}
    deployment = Deployment(url, web3, consortium, registry, token, clearinghouse, refunds, by_name, domain)
    _register(deployment)
    _fund(deployment, deposit)
    return deployment


def deploy_successor(before: Deployment, *, deposit: int | None = None) -> Deployment:
    """A Clearinghouse that takes over from another's, with its registry, token and cities; it isn't named yet."""
    registry, token, predecessor = before.registry.address, before.token.address, before.clearinghouse.address
    deployer = test_private_key(DEPLOYER)
    clearinghouse = _create(before.web3, "Clearinghouse", deployer, registry, token, predecessor)
    after = replace(
        before,
        clearinghouse=clearinghouse,
        refunds=_at(before.web3, "Refunds", clearinghouse.functions.refunds().call()),
        domain=replace(before.domain, clearinghouse=bytes.fromhex(clearinghouse.address[2:])),
    )
    _fund(after, deposit)
    return after


def send_all(web3: Web3, calls: Sequence[tuple[bytes, Any]]) -> list[Any]:
    """Send many calls at once, gas price 0, and wait for all of them; fails if any does."""
    nonces: dict[str, int] = {}
    hashes = []
    for private_key, function in calls:
        sender = Account.from_key(private_key).address
        nonce = nonces.get(sender, web3.eth.get_transaction_count(sender, "pending"))
        nonces[sender] = nonce + 1
        transaction = function.build_transaction(
            {"from": sender, "nonce": nonce, "gas": GAS, "gasPrice": 0, "chainId": web3.eth.chain_id}
        )
        signed = Account.sign_transaction(transaction, private_key)
        hashes.append(web3.eth.send_raw_transaction(signed.raw_transaction))
    receipts = [web3.eth.wait_for_transaction_receipt(tx, poll_latency=0.02) for tx in hashes]
    for (_, function), receipt in zip(calls, receipts, strict=True):
        assert receipt["status"] == 1, f"{function} failed"
    return receipts


def compiled(name: str) -> tuple[list[Any], str]:
    """ABI and deployment bytecode of a contract; compiles first where the sources are newer."""
    contract = _manifest(_newest_source())["contractTypes"][name]
    return contract["abi"], contract["deploymentBytecode"]["bytecode"]


@cache
def _manifest(newest: float) -> dict[str, Any]:
    MANIFEST.parent.mkdir(exist_ok=True)
    with (MANIFEST.parent / "tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not MANIFEST.exists() or MANIFEST.stat().st_mtime < newest:
            ape = Path(sys.executable).with_name("ape")
            subprocess.run([ape, "compile", "--force"], cwd=REPOSITORY, check=True, capture_output=True)
            MANIFEST.touch()
        document: dict[str, Any] = json.loads(MANIFEST.read_text())
    return document


def _newest_source() -> float:
    return max(path.stat().st_mtime for path in CONTRACTS.rglob("*.sol"))


def _create(web3: Web3, name: str, private_key: bytes, *arguments: object) -> Contract:
    abi, bytecode = compiled(name)
    [receipt] = send_all(web3, [(private_key, web3.eth.contract(abi=abi, bytecode=bytecode).constructor(*arguments))])
    return _at(web3, name, receipt["contractAddress"])


def _at(web3: Web3, name: str, address: str) -> Contract:
    return web3.eth.contract(address=Web3.to_checksum_address(address), abi=compiled(name)[0])


def _register(deployment: Deployment) -> None:
    registry = deployment.registry.functions
    calls = []
    for member in deployment.cities.values():
        admin = member.private_key(Role.ADMIN)
        for key in member.file.issuer_keys:
            calls.append(
                (admin, registry.addIssuerKey(member.code, key.id, key.checksummed, key.valid_from, key.valid_until))
            )
        calls += [(admin, registry.addSubmitter(member.code, address)) for address in member.file.submitters]
    send_all(deployment.web3, calls)


def _fund(deployment: Deployment, deposit: int | None) -> None:
    bank = test_private_key(BANK)
    token, clearinghouse = deployment.token.functions, deployment.clearinghouse
    amounts = {c: c.file.deposit if deposit is None else deposit for c in deployment.cities.values()}
    amounts = {c: amount for c, amount in amounts.items() if amount}
    send_all(deployment.web3, [(bank, token.mint(c.file.treasury, amount)) for c, amount in amounts.items()])
    calls = []
    for member, amount in amounts.items():
        treasury = member.private_key(Role.TREASURY)
        calls.append((treasury, token.approve(clearinghouse.address, amount)))
        calls.append((treasury, clearinghouse.functions.deposit(member.code, amount, bytes(32))))
    send_all(deployment.web3, calls)
