"""The examples of another implementation, on chain: its batch settles, and so do its tickets.

They are signed for a Clearinghouse at an address of their own on chain 31337: so the contract is put there, code and
storage, and the members are given the vectors' keys.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from interline.batch import Batch, sign_batch
from interline.domain import Domain
from interline.hashing import keccak256
from interline.ride import Ride
from interline.signatures import parse_address
from interline.ticket import Ticket
from network.accounts import Role
from tests.contracts.conftest import CHAIN_ID
from tests.contracts.node import Contract, Event, reverts
from tests.contracts.story import (
    BANK_ACCOUNT,
    NO_END,
    NO_REFERENCE,
    STRANGER,
    ZERO_ADDRESS,
    City,
    World,
    deploy,
    found_consortium,
)

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "v1.json").read_text(encoding="utf-8"))
CODES = VECTORS["codes"]
PARAMETERS_SLOTS = range(6)
"""Where a fresh Clearinghouse has written anything: EIP712's two names for long names, and its own parameters."""
SHOWN = 1_799_990_000
"""When the vectors' riders travel, in 2027."""


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


@dataclass(frozen=True)
class ForeignWorld:
    """The Clearinghouse that the vectors name, and the cities in them by code."""

    clearinghouse: Contract
    domain: Domain
    cities: dict[int, City]


@pytest.fixture
def foreign(world: World) -> ForeignWorld:
    codes = {code["ticket"]["issuer"] for code in CODES} | {code["ticket"]["operator"] for code in CODES}
    cities = {code: City(code, f"City {code}", place) for place, code in enumerate(sorted(codes))}
    node = world.node
    _, registry = found_consortium(node, list(cities.values()))
    for key in VECTORS["issuerKeys"]:
        admin = cities[key["issuer"]].admin
        registry.addIssuerKey(key["issuer"], key["keyId"], key["address"], 0, NO_END, sender=admin)
    for city in cities.values():
        registry.addSubmitter(city.code, city.submitter, sender=city.admin)
    operator = cities[VECTORS["batch"]["operator"]]
    registry.addSubmitter(operator.code, VECTORS["batch"]["submitter"], sender=operator.admin)

    model = deploy(node, "Clearinghouse", registry, world.token, ZERO_ADDRESS)
    address = VECTORS["clearinghouse"]
    node.request("anvil_setCode", address, node.request("eth_getCode", model.address, "latest"))
    for slot in PARAMETERS_SLOTS:
        word = node.request("eth_getStorageAt", model.address, hex(slot), "latest")
        node.request("anvil_setStorageAt", address, "0x" + slot.to_bytes(32, "big").hex(), word)
    clearinghouse = node.contract(address, model.abi)
    assert (clearinghouse.maxFare(), clearinghouse.grace()) == (model.maxFare(), model.grace())
    node.mine(at=SHOWN + 3600)
    return ForeignWorld(clearinghouse, Domain(CHAIN_ID, parse_address(address)), cities)


def test_the_domain_is_the_vectors(foreign: ForeignWorld) -> None:
    assert foreign.domain.separator == _bytes(VECTORS["domainSeparator"])
    assert foreign.clearinghouse.eip712Domain()[3:5] == (VECTORS["chainId"], VECTORS["clearinghouse"])


def test_the_vectors_batch_settles(world: World, foreign: ForeignWorld) -> None:
    """Six rides of two issuers, of whom one has money and one hasn't."""
    clearinghouse, vector = foreign.clearinghouse, VECTORS["batch"]
    data = _bytes(vector["batch"])
    world.token.mint(STRANGER, 10_000, sender=BANK_ACCOUNT)
    world.token.approve(clearinghouse, 10_000, sender=STRANGER)
    clearinghouse.deposit(3203, 10_000, NO_REFERENCE, sender=STRANGER)

    receipt = clearinghouse.settle(data, _bytes(vector["signature"]), sender=STRANGER, at=SHOWN + 7200)

    batch_id = _bytes(vector["batchId"])
    fares = {group.issuer: sum(ride.fare for ride in group.rides) for group in Batch.from_bytes(data).groups}
    assert list(fares) == [3203, 3301]
    both = {"batchId": batch_id, "operator": 3100}
    assert receipt.returned == (batch_id, 6, 0)
    assert receipt.events == (
        Event("PairSettled", issuer=3203, rides=3, fares=fares[3203], paid=fares[3203], **both),
        Event("PairSettled", issuer=3301, rides=3, fares=fares[3301], paid=0, **both),
        Event("BatchSettled", settled=6, rejected=0, fares=sum(fares.values()), **both),
    )
    assert clearinghouse.batches(batch_id) == (3100, SHOWN + 7200, bytes(25))
    assert clearinghouse.balanceOf(3100) == fares[3203]
    assert clearinghouse.arrears(3301, 3100) == fares[3301]
    with reverts(clearinghouse, "BatchAlreadySettled", batchId=batch_id):
        clearinghouse.settle(data, _bytes(vector["signature"]), sender=STRANGER)


@pytest.mark.parametrize("vector", CODES, ids=lambda vector: f"serial {vector['ticket']['serial']}")
def test_each_ticket_of_the_vectors_pays_for_a_ride(foreign: ForeignWorld, vector: dict[str, Any]) -> None:
    clearinghouse = foreign.clearinghouse
    ticket = Ticket.from_bytes(_bytes(vector["ticketBytes"]))
    ride = Ride(
        serial=ticket.serial,
        not_after=ticket.not_after,
        fare_cap=ticket.fare_cap,
        rider=ticket.rider,
        entry_station=1,
        exit_station=2,
        entered_at=vector["shownAt"],
        exited_at=vector["shownAt"] + 600,
        fare=500,
        issuer_signature=ticket.signature,
    )
    batch = Batch.build(ticket.operator, [(ticket.issuer, ticket.key_id, ride)])
    submitter = foreign.cities[ticket.operator].key(Role.SUBMITTER)
    receipt = clearinghouse.settle(
        batch.to_bytes(), sign_batch(foreign.domain, submitter, batch), sender=STRANGER, at=SHOWN + 7200
    )
    assert receipt.returned == (keccak256(batch.to_bytes()), 1, 0)
    assert clearinghouse.isSettled(ticket.issuer, ticket.operator, ticket.serial)
