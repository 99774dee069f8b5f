"""Both sides of the privacy claim on one chain: ten cities, four weeks, some thousand rides, one rider with 227.

The home city lists all 227 and their sum; who has the chain alone can't tell them from anybody's. Run with `-s` to
see the scores. All randomness comes from SEED, the office's too; only the dates are today's, and no score depends on
them: all days are shifted by whole periods.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from interline.batch import Batch, sign_batch
from interline.batch_source import batch_bytes
from interline.settlements import BATCH_SETTLED
from issuer_client.office import end_of_period
from network.accounts import Role
from network.chain import Chain
from tests.privacy.experiment import judged
from tests.privacy.linker import Linker
from tests.privacy.population import (
    DAY,
    REGULAR,
    Buying,
    Carried,
    Population,
    PublicRide,
    built,
    carry,
    counter_in,
    daily_batches,
    public_rides,
)
from tests.support.deploy import Deployment, deploy, send_all
from tests.support.offices import OfficeFolder, office_folder

pytestmark = pytest.mark.timeout(900)  # minutes on a machine that has other work

SEED = 20191201
HOME = "Shanghai"
RIDES = {
    "Hangzhou": (1_200, 80),
    "Suzhou": (900, 60),
    "Nanjing": (400, 27),
    "Ningbo": (300, 20),
    "Wuxi": (100, 7),
    "Hefei": (100, 7),
    "Changzhou": (100, 7),
    "Wenzhou": (100, 7),
    "Xiamen": (100, 6),
    "Qingdao": (100, 6),
}
"""How many rides there are in each city, and how many of them are the regular rider's: 227. He goes where the others
go, in the same proportion: that somebody likes a city that few others visit is a habit, too, and would tell."""
BUSIEST = ["Hangzhou"]
THIN = [name for name, (every, _) in RIDES.items() if every == 100]
RIDERS = 120


@dataclass(frozen=True)
class World:
    """What happened, and where it can be read."""

    deployment: Deployment
    office: OfficeFolder
    population: Population
    carried: list[Carried]

    @property
    def riders(self) -> dict[bytes, int]:
        """Who took which ride, by its signature: the issuer's knowledge."""
        return {one.ride.issuer_signature: one.rider for one in self.carried}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Four weeks of rides on tickets of Shanghai's office, all settled, day by day."""
    dice = random.Random(SEED)
    folder = tmp_path_factory.mktemp("world")
    with Chain(block_time=None) as chain:
        deployment = deploy(chain.url, cities=[HOME, *RIDES])
        cities = {name: deployment.cities[name].code for name in RIDES}
        population = Population(
            riders=RIDERS,
            rides={cities[name]: every for name, (every, _) in RIDES.items()},
            start=end_of_period(int(time.time())) + 1 + DAY,
            days=28,
            regular={cities[name]: his for name, (_, his) in RIDES.items()},
        )
        office = office_folder(folder / "office", deployment, deployment.cities[HOME])
        counter = counter_in(office.folder, office.config, deployment.cities[HOME].private_key(Role.ISSUER_KEY), dice)
        carried = carry(population.travels(dice), counter, Buying.SINGLY, dice)
        counter.close()
        settle_daily(deployment, carried)
        yield World(deployment, office, population, carried)


def settle_daily(deployment: Deployment, carried: list[Carried]) -> None:
    """Bring the batches of each day to the chain, at its end."""
    operators = {city.code: city for city in deployment.cities.values()}
    calls: dict[int, list[Any]] = {}
    for at, rides in daily_batches(carried):
        batch = built(rides)
        key = operators[batch.operator].private_key(Role.SUBMITTER)
        settle = deployment.clearinghouse.functions.settle
        calls.setdefault(at, []).append(settle(batch.to_bytes(), sign_batch(deployment.domain, key, batch)))
    stranger = bytes(Account.create().key)
    for at, settles in calls.items():
        deployment.web3.provider.make_request("evm_setNextBlockTimestamp", [at])  # type: ignore[arg-type]
        send_all(deployment.web3, [(stranger, settle) for settle in settles])


def on_chain(deployment: Deployment) -> list[PublicRide]:
    """All rides, as anybody reads them: events name the batches, transactions hold their bytes."""
    web3 = deployment.web3
    logs = web3.eth.get_logs(
        {
            "address": deployment.clearinghouse.address,
            "topics": ["0x" + BATCH_SETTLED.hex()],  # type: ignore[list-item]
            "fromBlock": 0,
        }
    )
    batches = []
    for log in logs:
        data = bytes(web3.eth.get_transaction(log["transactionHash"])["input"])
        batches.append(Batch.from_bytes(batch_bytes(data, bytes(log["topics"][1]))))
    return public_rides(batches)


def test_the_home_city_lists_all_rides_of_its_rider_and_their_sum_to_the_fen(world: World) -> None:
    his = {(one.ticket.operator, one.ticket.serial): one.ride for one in world.carried if one.rider == REGULAR}
    document = world.office.json("rides")
    listed = {(ride["operator"], ride["serial"]): ride for ride in document["rides"]}
    assert len(document["rides"]) == len(listed) == len(world.carried) == 3_400
    assert document["total"]["flagged"] == 0
    bill = [listed[ticket] for ticket in his]
    assert len(bill) == 227
    assert sum(ride["net"] for ride in bill) == sum(ride.fare for ride in his.values())
    for ticket, ride in his.items():
        assert [
            listed[ticket][name] for name in ("entry_station", "exit_station", "entered_at", "exited_at", "fare")
        ] == [
            ride.entry_station,
            ride.exit_station,
            ride.entered_at,
            ride.exited_at,
            ride.fare,
        ]
    print(f"\n{len(bill)} rides in {len({operator for operator, _ in his})} cities, {sum(r['net'] for r in bill)} fen")


def test_all_that_is_listed_is_what_the_city_paid(world: World) -> None:
    functions = world.deployment.clearinghouse.functions
    home = world.deployment.cities[HOME]
    document = world.office.json("rides", "--all")
    paid = home.file.deposit - functions.position(home.code).call()
    assert document["total"]["net"] == paid == sum(one.ride.fare for one in world.carried)


@pytest.mark.parametrize(
    ("where", "within_city"),
    [(BUSIEST, False), (THIN, True), ([*RIDES], False)],
    ids=["the busiest city", "in each of the thin cities", "over all ten cities"],
)
def test_a_linker_that_has_the_chain_alone_does_no_better_than_chance(
    world: World, where: list[str], within_city: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    dice = random.Random(SEED + 1)  # other riders than those to be found
    lessons = []
    for number in range(2):
        counter = counter_in(
            tmp_path / f"lesson-{number}",
            world.office.config,
            world.deployment.cities[HOME].private_key(Role.ISSUER_KEY),
            dice,
        )
        carried = carry(world.population.travels(dice), counter, Buying.SINGLY, dice)
        counter.close()
        lessons.append(seen(public_rides([built(rides) for _, rides in daily_batches(carried)]), carried, where, world))
    linker = Linker(lessons, seed=SEED)
    rides, riders = seen(on_chain(world.deployment), world.carried, where, world)
    score = judged(linker, rides, riders, dice, before=[REGULAR], within=city_of if within_city else None)
    print(f"\n{request.node.callspec.id} (seed {SEED}): {score}")
    assert not score.better_than_chance


def city_of(ride: PublicRide) -> int:
    """The city that a ride was in."""
    return ride.operator


def seen(
    rides: list[PublicRide], carried: list[Carried], where: list[str], world: World
) -> tuple[list[PublicRide], list[int]]:
    """The rides in some cities, and who took each."""
    riders = {one.ride.issuer_signature: one.rider for one in carried}
    codes = {world.deployment.cities[name].code for name in where}
    rides = [one for one in rides if one.operator in codes]
    return rides, [riders[one.ride.issuer_signature] for one in rides]
