"""The gate's bound on a batch's gas, held against what the Clearinghouse uses.

The bound is the gas limit of the transaction: one that is too low would let a good batch fail.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

import pytest

from gate_client.batching import GAS_LIMIT, gas_bound
from gate_client.pricing import PricedRide
from interline.batch import Batch, sign_batch
from interline.cities import load_cities
from interline.ride import Ride
from interline.signatures import address_of, to_checksum
from network.accounts import Role
from network.chain import Chain
from tests.support.deploy import REPOSITORY, City, Deployment, deploy, send_all
from tests.support.riders import TicketOffice


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with Chain(block_time=None) as running:
        yield running


@pytest.fixture
def deployment(chain: Chain) -> Deployment:
    """All 13 cities, none of which has any money: every ride makes arrears, the dearest way to settle."""
    names = [city.name for city in load_cities(REPOSITORY / "cities")]
    return deploy(chain.url, cities=names, deposit=0)


@pytest.fixture
def operator(deployment: Deployment) -> City:
    return deployment.cities["Hangzhou"]


def ride(deployment: Deployment, issuer: City, operator: City, serial: int, **changes: int) -> PricedRide:
    """A ride from 10 minutes ago, its ticket signed anew unless the changes are to be noticed."""
    now = int(time.time())
    role = Role(changes.pop("role", Role.ISSUER_KEY))
    key_id = changes.pop("key_id", 1)
    terms = {"not_after": changes.pop("not_after", now + 3_600), "fare_cap": changes.pop("fare_cap", 2_000)}
    office = TicketOffice(deployment.domain, issuer)
    rider = office.issue(operator, serial=serial, key_id=key_id, role=role, **terms)
    fields = {"entry_station": 1, "exit_station": 9, "entered_at": now - 600, "exited_at": now, "fare": 500} | changes
    ticket = rider.ticket
    return PricedRide(
        issuer.code,
        key_id,
        Ride(
            serial=serial,
            **terms,
            rider=rider.phone.public.address,
            issuer_signature=ticket.signature,
            **fields,
        ),
    )


def dense(deployment: Deployment, operator: City) -> list[PricedRide]:
    return [ride(deployment, deployment.cities["Shanghai"], operator, serial) for serial in range(200)]


def one(deployment: Deployment, operator: City) -> list[PricedRide]:
    return dense(deployment, operator)[:1]


def sparse(deployment: Deployment, operator: City) -> list[PricedRide]:
    return [ride(deployment, deployment.cities["Shanghai"], operator, 256 * number) for number in range(60)]


def every_issuer(deployment: Deployment, operator: City) -> list[PricedRide]:
    issuers = [city for city in deployment.cities.values() if city is not operator]
    return [ride(deployment, issuer, operator, serial) for issuer, serial in itertools.product(issuers, [0, 300])]


def two_keys(deployment: Deployment, operator: City) -> list[PricedRide]:
    issuers = [city for city in deployment.cities.values() if city is not operator]
    for issuer in issuers:
        spare = issuer.private_key(Role.SPARE_ISSUER_KEY)
        deployment.as_admin(issuer, "addIssuerKey", 2, to_checksum(address_of(spare)), 1_500_000_000, 2**40 - 1)
    return [
        *(ride(deployment, issuer, operator, 0) for issuer in issuers),
        *(ride(deployment, issuer, operator, 1, key_id=2, role=Role.SPARE_ISSUER_KEY) for issuer in issuers),
    ]


def refused_for_every_reason(deployment: Deployment, operator: City) -> list[PricedRide]:
    now = int(time.time())
    flaws: list[dict[str, int]] = [
        {"role": Role.SPARE},
        {"not_after": now - 601},
        {"fare": 2_001},
        {"exited_at": now + 3_600},
        {"entered_at": now - 600, "exited_at": now - 601},
        {"entered_at": now - 40 * 86_400, "exited_at": now - 40 * 86_400 + 60, "not_after": now},
        {"entered_at": 1_400_000_000, "exited_at": 1_400_000_600},
    ]
    issuer = deployment.cities["Shanghai"]
    return [ride(deployment, issuer, operator, 256 * n, **flaws[n % len(flaws)]) for n in range(70)]


def of_a_suspended_operator(deployment: Deployment, operator: City) -> list[PricedRide]:
    """Refused for the last reason that there is, so that all the others are looked at first."""
    deployment.by_vote(deployment.registry.functions.suspend(operator.code))
    deployment.web3.provider.make_request("evm_increaseTime", [93_600])  # type: ignore[arg-type]
    later = int(time.time()) + 93_400
    shanghai = deployment.cities["Shanghai"]
    times = {"not_after": later, "entered_at": later, "exited_at": later + 100}
    return [ride(deployment, shanghai, operator, serial, **times) for serial in range(200)]


Make = Callable[[Deployment, City], list[PricedRide]]


@pytest.mark.parametrize(
    "make", [one, dense, sparse, every_issuer, two_keys, refused_for_every_reason], ids=lambda make: make.__name__
)
def test_no_batch_takes_more_gas_than_the_bound(deployment: Deployment, operator: City, make: Make) -> None:
    check_bound(deployment, operator, make(deployment, operator))


def test_not_even_one_of_an_operator_that_is_suspended() -> None:
    with Chain(block_time=None) as chain:  # its own, for the test moves the clock
        deployment = deploy(chain.url, cities=["Shanghai", "Hangzhou", "Ningbo"], deposit=0)
        operator = deployment.cities["Hangzhou"]
        reasons = check_bound(deployment, operator, of_a_suspended_operator(deployment, operator))
        assert reasons == [9] * 200


def test_nor_does_one_that_has_paid_already(deployment: Deployment, operator: City) -> None:
    rides = sparse(deployment, operator)
    settle(deployment, operator, rides)
    again = [*rides, ride(deployment, deployment.cities["Shanghai"], operator, 1)]
    assert check_bound(deployment, operator, again) == [4] * len(rides)


def check_bound(deployment: Deployment, operator: City, rides: list[PricedRide]) -> list[int]:
    """Settle, and hold the gas against the bound; returns the reasons of refused rides."""
    used, reasons = settle(deployment, operator, rides)
    bound = gas_bound(rides)
    print(f"{len(rides)} rides, {len(reasons)} refused: {used} gas of {bound}, {used / bound:.0%}")
    assert used <= bound <= GAS_LIMIT
    assert bound < 5 * used
    return reasons


def settle(deployment: Deployment, operator: City, rides: list[PricedRide]) -> tuple[int, list[int]]:
    batch = Batch.build(operator.code, [(priced.issuer, priced.key_id, priced.ride) for priced in rides])
    submitter = operator.private_key(Role.SUBMITTER)
    function = deployment.clearinghouse.functions.settle(
        batch.to_bytes(), sign_batch(deployment.domain, submitter, batch)
    )
    [receipt] = send_all(deployment.web3, [(submitter, function)])
    topic = deployment.web3.keccak(text="RideRejected(bytes32,uint256,uint8)")
    reasons = [int.from_bytes(log["data"][32:], "big") for log in receipt["logs"] if log["topics"][0] == topic]
    return receipt["gasUsed"], reasons
