"""The pages count votes as the Consortium does: held against it after every act of random histories on a real chain."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from interline.domain import Domain
from interline.signatures import parse_address
from ledger.chain import Chain as LedgerChain
from ledger.index.store import Index
from ledger.index.sync import sync
from ledger.pages import query
from ledger.pages.votes import Proposal, Standing
from network.chain import Chain
from rpc import Node as ChainNode
from tests.contracts.node import Call, Contract, Node, Reverted
from tests.contracts.story import (
    BANK_ACCOUNT,
    DAY,
    HANGZHOU,
    HEFEI,
    NANJING,
    NINGBO,
    SEAT_DELAY,
    SHANGHAI,
    STRANGER,
    WENZHOU,
    XUZHOU,
    ZERO_ADDRESS,
    City,
    World,
    compiled,
    deploy,
    found_consortium,
)

START = 1_900_000_000
FOUNDERS = (SHANGHAI, HANGZHOU, NINGBO, WENZHOU)
NEWCOMERS = (HEFEI, NANJING, XUZHOU)
ACTS = 60


@dataclass
class Votes:
    """A consortium of four, the index that follows it, and what random members do."""

    url: str
    world: World
    index: Index
    random: random.Random
    compared: set[Standing] = field(default_factory=set)

    @property
    def now(self) -> int:
        return self.world.node.now

    # ------------------------------------------------------------ comparing

    def counted(self) -> list[Proposal]:
        chain = LedgerChain(ChainNode.at(self.url), self.world.clearinghouse.address)
        sync(self.index, chain)
        return query.proposals(self.index.cursor(), self.index.head().time)

    def compare(self) -> None:
        """Every proposal: votes, votes needed, its wait, its end, and whether it is passed and can be carried out."""
        consortium, now = self.world.consortium, self.now
        found = self.counted()
        assert len(found) == consortium.proposalCount()
        for one in found:
            *_, executed, votes, needed, executable_from, expires_at = consortium.proposal(one.number)
            standing = one.standing(now)
            told = (standing is Standing.EXECUTED, 0 if standing is Standing.WITHDRAWN else one.expires_at)
            assert told == (executed, expires_at), (one, now)
            if not executed:
                assert (*one.tally, one.executable_from) == (votes, needed, executable_from), (one, now)
                passed = standing is Standing.WAITS or (standing is Standing.ENOUGH and not self._waits(one))
                assert consortium.isPassed(one.number) == passed, (one, now)
            self.compared.add(standing)

    def _waits(self, one: Proposal) -> bool:
        return bool(self.world.consortium.delayOf(one.target, bytes.fromhex(one.data[2:])))

    # ------------------------------------------------------------ acting

    def live(self, acts: int) -> None:
        """Random acts, most of which some rule allows, with hours or days in between."""
        for _ in range(acts):
            at = self.now + self.random.choice([1, 60, 3_600, DAY - 1, DAY, 3 * DAY, SEAT_DELAY, SEAT_DELAY + 1])
            try:
                self._act(at)
            except Reverted:
                self.world.node.mine(at=max(at, self.now + 1))
            self.compare()

    def _act(self, at: int) -> None:
        consortium, pick = self.world.consortium, self.random.choice
        city, number = pick([*FOUNDERS, *NEWCOMERS]), self.random.randint(1, max(1, consortium.proposalCount()))
        recent = max(1, consortium.proposalCount() - self.random.randint(0, 3))
        kind = self.random.choices(
            ["propose", "approve", "execute", "withdraw", "mark", "leave", "recover", "take back"],
            [5, 12, 4, 2, 2, 0.4, 1.5, 0.5],
        )[0]
        if kind == "propose":
            call = self._some_call()
            consortium.propose(city.code, call.contract, call.data, sender=city.admin, at=at)
        elif kind == "approve":
            for one in self.random.sample([*FOUNDERS, *NEWCOMERS], 6):
                try:
                    consortium.approve(recent, one.code, sender=one.admin)
                except Reverted:
                    continue
        elif kind == "execute":
            self.world.node.mine(at=at)
            for open_one in range(max(1, consortium.proposalCount() - 4), consortium.proposalCount() + 1):
                try:
                    consortium.execute(open_one, sender=STRANGER)
                except Reverted:
                    continue
        elif kind == "withdraw":
            consortium.withdrawApproval(number, city.code, sender=city.admin, at=at)
        elif kind == "mark":
            consortium.markPassed(number, sender=STRANGER, at=at)
        elif kind == "leave":
            self.world.registry.leaveConsortium(city.code, sender=city.admin, at=at)
        elif kind == "recover":
            consortium.requestRecovery(city.code, sender=city.recovery, at=at)
        else:
            consortium.withdrawRequest(number, sender=city.recovery, at=at)

    def _some_call(self) -> Call:
        registry, house = self.world.registry, self.world.clearinghouse
        city, newcomer = self.random.choice(FOUNDERS), self.random.choice(NEWCOMERS)
        people = (newcomer.admin, newcomer.treasury, newcomer.recovery)
        admit = registry.call("admit", newcomer.code, newcomer.name, *people)
        return self.random.choice(
            [
                admit,
                admit,
                registry.call("suspend", city.code),
                registry.call("reinstate", city.code),
                registry.call("expel", newcomer.code),
                house.call("setReserve", city.code, 1_000),
                house.call("setReserve", city.code, 2_000),
            ]
        )


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    extra = ("--timestamp", str(START), "--auto-impersonate", "--no-mining")
    with Chain(block_time=None, extra=extra) as running:
        yield running


@pytest.fixture(scope="module")
def node(chain: Chain) -> Node:
    node = Node(chain)
    node.request("anvil_setBlockTimestampInterval", 1)
    return node


def build(node: Node, founders: Sequence[City]) -> World:
    consortium, registry = found_consortium(node, founders)
    token = deploy(node, "SettlementToken", BANK_ACCOUNT)
    house: Contract = deploy(node, "Clearinghouse", registry, token, ZERO_ADDRESS)
    refunds = node.contract(house.refunds(), compiled("Refunds")[0])
    domain = Domain(int(node.request("eth_chainId"), 16), parse_address(house.address))
    return World(node, consortium, registry, token, house, refunds, domain)


@pytest.fixture
def votes(chain: Chain, node: Node, request: pytest.FixtureRequest) -> Iterator[Votes]:
    seed, founders = request.param
    with node.rolled_back(), Index.open(":memory:", write=True) as index:
        yield Votes(chain.url, build(node, founders), index, random.Random(seed))


@pytest.mark.parametrize("votes", [(1, FOUNDERS), (2, FOUNDERS), (3, FOUNDERS[:2])], indirect=True, ids=str)
def test_after_every_act_all_votes_are_those_of_the_contract(votes: Votes) -> None:
    votes.live(ACTS)
    assert votes.compared >= {Standing.OPEN, Standing.LAPSED}
    if len(votes.world.registry.cities()) >= len(FOUNDERS):  # of two, one that leaves takes all votes along
        assert Standing.EXECUTED in votes.compared


@pytest.mark.parametrize("votes", [(4, FOUNDERS[:1])], indirect=True, ids=["one city"])
def test_a_city_alone_is_given_back_without_a_vote_whoever_joins_meanwhile(votes: Votes) -> None:
    """Played by hand, because chance seldom finds it: request, admission, and the newcomer comes to count."""
    world, consortium = votes.world, votes.world.consortium
    consortium.requestRecovery(SHANGHAI.code, sender=SHANGHAI.recovery)
    people = (HEFEI.admin, HEFEI.treasury, HEFEI.recovery)
    call = world.registry.call("admit", HEFEI.code, HEFEI.name, *people)
    consortium.propose(SHANGHAI.code, call.contract, call.data, sender=SHANGHAI.admin)
    consortium.execute(2, sender=STRANGER)
    votes.compare()
    world.node.mine(at=votes.now + SEAT_DELAY)
    votes.compare()
    assert votes.counted()[-1].tally == (0, 0)
    consortium.execute(1, sender=STRANGER)
    votes.compare()


@pytest.mark.parametrize("votes", [(5, FOUNDERS[:3])], indirect=True, ids=["three cities"])
def test_a_wait_is_lost_in_the_very_second_in_which_a_newcomer_counts(votes: Votes) -> None:
    world, consortium = votes.world, votes.world.consortium
    people = (HEFEI.admin, HEFEI.treasury, HEFEI.recovery)
    admission = world.registry.call("admit", HEFEI.code, HEFEI.name, *people)
    reserve = world.clearinghouse.call("setReserve", SHANGHAI.code, 1_000)
    for number, call in ((1, admission), (2, reserve)):
        consortium.propose(SHANGHAI.code, call.contract, call.data, sender=SHANGHAI.admin)
        consortium.approve(number, HANGZHOU.code, sender=HANGZHOU.admin)
    consortium.execute(1, sender=STRANGER)
    counts_from = votes.now + SEAT_DELAY
    world.node.mine(at=counts_from - 1)
    votes.compare()
    assert votes.counted()[0].executable_from
    world.node.mine(at=counts_from)
    votes.compare()
    assert not votes.counted()[0].executable_from
    consortium.approve(2, NINGBO.code, sender=NINGBO.admin)
    votes.compare()
