"""A stolen issuer key takes a day's limit and no more at once; what honest operators carried is paid in time.

The real contracts, the submitter's own collecting, and the accountant's books, on a chain whose clock the test sets.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gate_client.arrears import ArrearsCollector
from gate_client.chain import PAY_ARREARS_GAS, RELEASE_GAS
from gate_client.chain import Chain as GateChain
from interline.batch import Batch
from interline.domain import Domain
from ledger.chain import Chain as LedgerChain
from ledger.index import query
from ledger.index.store import Index
from ledger.index.sync import sync
from ledger.recompute import recompute
from ledger.reconcile.contracts import check_contracts
from network.accounts import Role
from network.chain import Chain
from rpc import Node as ChainNode
from tests.contracts.node import Node, reverts
from tests.contracts.story import (
    DAY,
    EVENING,
    HANGZHOU,
    NOON,
    OPENING,
    SHANGHAI,
    XUZHOU,
    City,
    Claim,
    World,
    build_world,
)

LIMIT = 1_000
WAIT = 14 * DAY
"""The time for an answer, and four days."""
TODAY = EVENING // DAY


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    extra = ("--timestamp", str(OPENING - 1), "--auto-impersonate", "--no-mining")
    with Chain(block_time=None, extra=extra) as running:
        yield running


@pytest.fixture(scope="module")
def node(chain: Chain) -> Node:
    node = Node(chain)
    node.request("anvil_setBlockTimestampInterval", 1)
    return node


@pytest.fixture(scope="module")
def built(node: Node) -> World:
    return build_world(node)


@pytest.fixture
def world(built: World) -> Iterator[World]:
    """Xuzhou's tickets may take 10.00 yuan a day; 26.00 settled, with Hangzhou and Shanghai."""
    with built.node.rolled_back():
        built.clearinghouse.setDailyLimit(XUZHOU.code, LIMIT, sender=XUZHOU.treasury, at=EVENING - 60)
        built.settle(*claims(built, HANGZHOU, 700, 800), operator=HANGZHOU, at=EVENING)
        built.settle(*claims(built, SHANGHAI, 1_100), operator=SHANGHAI, at=EVENING + 60)
        yield built


def claims(world: World, operator: City, *fares: int) -> list[Claim]:
    return [world.ride(operator=operator, serial=1_000 + n, fare=fare) for n, fare in enumerate(fares)]


def of_the_next_day(world: World) -> list[Claim]:
    """Two rides of 8.00 yuan with Hangzhou."""
    times = {"entered_at": NOON + DAY, "exited_at": NOON + DAY + 600, "not_after": NOON + 2 * DAY}
    return [world.ride(serial=2_000 + n, fare=800, **times) for n in range(2)]


@pytest.fixture
def collector(chain: Chain, world: World) -> ArrearsCollector:
    """Hangzhou's."""
    there = GateChain(chain.url, bytes.fromhex(world.clearinghouse.address[2:]))
    domain = Domain(there.domain().chain_id, there.clearinghouse)
    return ArrearsCollector(there, HANGZHOU.key(Role.SUBMITTER), HANGZHOU.code, domain)


def round_of(world: World, collector: ArrearsCollector) -> tuple[list[tuple[int, int]], list[int]]:
    """((day, fen) released, fen paid) of one round, and the block that it takes."""
    collector.start()
    world.node.mine(at=world.node.now + 1)
    paid = [one.amount for one in collector.poll()]
    assert not collector.busy
    return [(one.day, one.amount) for one in collector.take_released()], paid


def accountant(chain: Chain, world: World) -> LedgerChain:
    return LedgerChain(ChainNode.at(chain.url), world.clearinghouse.address)


def test_what_is_above_the_limit_is_paid_after_its_time_and_not_before(
    chain: Chain, world: World, collector: ArrearsCollector
) -> None:
    house, between = world.clearinghouse, (XUZHOU.code, HANGZHOU.code)
    assert (house.arrears(*between), house.withheld(*between)) == (500, 500)
    assert round_of(world, collector) == ([], [])

    due = (TODAY + 1) * DAY + WAIT
    world.node.mine(at=due - 10)
    assert round_of(world, collector) == ([], [])
    world.node.mine(at=due)
    assert round_of(world, collector) == ([(TODAY, 500)], [500])
    assert (house.arrears(*between), house.withheld(*between)) == (0, 0)
    assert house.withheld(XUZHOU.code, SHANGHAI.code) == 1_100  # whose own submitter releases it
    assert round_of(world, collector) == ([], [])


def test_a_release_and_a_payment_take_less_gas_than_is_given(world: World) -> None:
    world.node.mine(at=(TODAY + 1) * DAY + WAIT)
    for name, arguments, most in (
        ("releaseWithheld", (XUZHOU.code, HANGZHOU.code, TODAY), RELEASE_GAS),
        ("payArrears", (XUZHOU.code, HANGZHOU.code), PAY_ARREARS_GAS),
    ):
        receipt = getattr(world.clearinghouse, name)(*arguments, sender=HANGZHOU.submitter)
        assert receipt.gas_used < most / 2


def test_days_of_which_a_correction_left_less_are_released_in_their_order(
    world: World, collector: ArrearsCollector
) -> None:
    """On the next day 6.00 more are withheld; a refund of 4.00 lessens the first day that is released."""
    house = world.clearinghouse
    batch = settled_batch(world, of_the_next_day(world), EVENING + DAY)
    world.refunds.refund(batch, b"", 0, 400, sender=HANGZHOU.treasury)
    assert house.withheld(XUZHOU.code, HANGZHOU.code) == 700
    world.node.mine(at=(TODAY + 2) * DAY + WAIT)
    assert round_of(world, collector) == ([(TODAY, 100), (TODAY + 1, 600)], [700])


def test_a_day_of_which_corrections_left_nothing_does_not_hold_up_the_next(
    world: World, collector: ArrearsCollector
) -> None:
    batch = settled_batch(world, of_the_next_day(world), EVENING + DAY)
    world.refunds.refund(batch, b"", 0, 700, sender=HANGZHOU.treasury)
    world.node.mine(at=(TODAY + 2) * DAY + WAIT)
    assert round_of(world, collector) == ([(TODAY + 1, 400)], [400])
    assert round_of(world, collector) == ([], [])
    assert world.clearinghouse.arrears(XUZHOU.code, HANGZHOU.code) == 0


def settled_batch(world: World, rides: list[Claim], at: int) -> bytes:
    batch = Batch.build(HANGZHOU.code, rides)
    world.send(batch, world.sign(batch), at=at)
    return batch.to_bytes()


def test_the_books_know_of_it_to_the_fen(chain: Chain, world: World, collector: ArrearsCollector) -> None:
    """After each step: withheld amounts, arrears and balances are the contract's, read at once and block by block."""
    with Index.open(":memory:", write=True) as index:

        def agrees() -> None:
            there = accountant(chain, world)
            sync(index, there)
            result = check_contracts(query.books(index.cursor()), there.balances(), there)
            assert (result.count, result.findings) == (0, ())
            assert recompute(there).differences == ()

        agrees()
        assert {city.name: city.arrears_withheld for city in accountant(chain, world).balances().cities} == {
            "Shanghai": 0,
            "Hangzhou": 0,
            "Ningbo": 0,
            "Xuzhou": 1_600,
        }
        batch = settled_batch(world, of_the_next_day(world), EVENING + DAY)
        agrees()
        world.refunds.refund(batch, b"", 0, 400, sender=HANGZHOU.treasury)
        agrees()
        world.clearinghouse.releaseWithheld(XUZHOU.code, SHANGHAI.code, TODAY, sender=XUZHOU.treasury)
        agrees()
        world.clearinghouse.payArrears(XUZHOU.code, SHANGHAI.code, sender=SHANGHAI.submitter)
        world.clearinghouse.setDailyLimit(XUZHOU.code, 0, sender=XUZHOU.treasury)
        agrees()
        world.node.mine(at=(TODAY + 2) * DAY + WAIT)
        round_of(world, collector)
        agrees()


def test_nobody_else_releases_before_the_time(world: World) -> None:
    due = (TODAY + 1) * DAY + WAIT
    with reverts(world.clearinghouse, "StillWithheld", releasableFrom=due):
        world.clearinghouse.releaseWithheld(XUZHOU.code, HANGZHOU.code, TODAY, sender=HANGZHOU.submitter)
