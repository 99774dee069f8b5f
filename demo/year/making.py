"""The year, made: planned, signed in processes beside the node, sent block by block, and compared with its plan."""

import multiprocessing
import os
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from consortium.calls import decode_answer, encode_call
from consortium.deployments import Deployment
from demo.errors import DemoError
from demo.year import signing
from demo.year.acts import Act
from demo.year.batches import Batches, BatchPlan, plan_batches
from demo.year.founding import contract_addresses, found
from demo.year.node import Node
from demo.year.rides import Rides, plan_rides
from demo.year.schedule import Block, Schedule, plan_year
from demo.year.story import CITIES, Member, load_members
from interline.domain import Domain
from interline.hashing import keccak256
from interline.settlements import refused_list
from interline.signatures import parse_address
from network.accounts import Role, test_private_key
from network.chain import CHAIN_ID, Chain

SEED: Final = 2019
CHAIN_BEGINS: Final = 1_543_104_000  # 2018-11-25T00:00Z
_AHEAD: Final = 48  # batches that are signed before they are needed
_FULL_HISTORY: Final = 50_000  # rides up to which the node keeps the storage of every block
_BATCH_SETTLED: Final = "0x" + keccak256(b"BatchSettled(bytes32,uint16,uint256,uint256,uint256)").hex()

Tell = Callable[[int], None]
"""Is told how many more rides were sent."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A year before it is made: the same for the same count and seed."""

    rides: Rides
    batches: Batches
    schedule: Schedule
    members: list[Member]
    addresses: dict[str, str]
    settling: int
    seed: int
    seconds: float
    """How long the planning took."""

    @property
    def domain(self) -> Domain:
        """The EIP-712 domain of the year's Clearinghouse."""
        return Domain(chain_id=CHAIN_ID, clearinghouse=parse_address(self.addresses["Clearinghouse"]))

    def refused(self, batch: int) -> list[tuple[int, int]]:
        """(index, reason) of a batch's refused rides."""
        reasons = self.rides.reason[self.batches.plans[batch].rides].tolist()
        return [(index, reason) for index, reason in enumerate(reasons) if reason]


@dataclass(slots=True)
class Made:
    """A year on a chain: the plan, the contracts, and how long each part took, in seconds."""

    plan: Plan
    deployment: Deployment
    seconds: dict[str, float] = field(default_factory=dict)
    transactions: int = 0
    blocks: int = 0
    gas: int = 0


def make_plan(rides: int, seed: int = SEED) -> Plan:
    """Plans a year of so many rides that settle."""
    began = time.monotonic()
    members, addresses = load_members(CITIES), contract_addresses()
    planned = plan_rides(rides, seed, members)
    batches = plan_batches(planned)
    schedule = plan_year(planned, batches, members, addresses, settling=rides, seed=seed)
    return Plan(planned, batches, schedule, members, addresses, rides, seed, time.monotonic() - began)


def year_chain(rides: int, *, port: int = 0, extra: tuple[str, ...] = ()) -> Chain:
    """A chain that such a year fits on: it makes blocks when told to, and keeps every transaction and log.

    Of large years it keeps no older block's storage: calls at older blocks fail there.
    """
    options = ["--no-mining", "--order", "fifo", "--timestamp", str(CHAIN_BEGINS), "--gas-limit", "30000000000"]
    options += ["--no-request-size-limit"]
    if rides > _FULL_HISTORY:
        options += ["--prune-history"]
    return Chain(port=port, block_time=None, extra=(*options, *extra))


def make_year(plan: Plan, url: str, tell: Tell = lambda rides: None, processes: int | None = None) -> Made:
    """Plays a planned year on a new chain (see year_chain) that listens at `url`, and compares it with the plan.

    Raises:
        DemoError: the chain did anything else than planned.
    """
    node = Node(url)
    began = time.monotonic()
    try:
        made = Made(plan, found(node, plan.members, plan.addresses), {"planning": plan.seconds})
        with _signers(plan, processes) as pool:
            _Maker(made, node, pool, tell).play()
        made.seconds["playing"] = time.monotonic() - began
        compare(plan, node)
        made.seconds["comparing"] = time.monotonic() - began - made.seconds["playing"]
        made.seconds["all"] = plan.seconds + made.seconds["playing"] + made.seconds["comparing"]
        node.ask("evm_setAutomine", True)  # what is sent from now on is carried out at once
    finally:
        node.close()
    return made


def compare(plan: Plan, node: Node) -> None:
    """Compares the contracts' accounts with the plan's reckoning, to the fen.

    Raises:
        DemoError: one differs.
    """
    books, codes = plan.schedule.books, [member.code for member in plan.members]
    expected: dict[tuple[str, str, tuple[int, ...]], int] = {
        ("Clearinghouse", "held", ()): sum(books.balances.values())
    }
    for code in codes:
        expected["Clearinghouse", "balanceOf", (code,)] = books.balances[code]
        expected["Clearinghouse", "position", (code,)] = books.position(code)
        for other in codes:
            expected["Clearinghouse", "arrears", (code, other)] = books.arrears[code, other]
            expected["Refunds", "disputed", (code, other)] = books.pairs[code, other].disputed
    for (contract, function, arguments), value in expected.items():
        call = {"to": plan.addresses[contract], "data": "0x" + encode_call(contract, function, *arguments).hex()}
        answer = bytes.fromhex(node.ask("eth_call", call, "latest")[2:])
        came = decode_answer(contract, function, answer)
        if came != value:
            raise DemoError(f"expected {function}{arguments} to be {value}, the contract says {came}")


@contextmanager
def _signers(plan: Plan, processes: int | None) -> Iterator[Executor]:
    """Processes that sign batches; none but this one where a year is small."""
    keys = signing.Keys(
        plan.domain,
        plan.seed,
        plan.addresses["Clearinghouse"],
        {(member.code, 1): member.private_key(Role.ISSUER_KEY) for member in plan.members}
        | {(member.code, 2): member.private_key(Role.SPARE_ISSUER_KEY) for member in plan.members},
        {member.code: member.private_key(Role.SUBMITTER) for member in plan.members},
    )
    count = os.cpu_count() or 1 if processes is None else processes
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, initializer=signing.begin, initargs=(keys,)) as pool:
        yield pool


@dataclass(slots=True)
class _Maker:
    """Makes block after block. Batches are signed ahead, acts when their block comes."""

    made: Made
    node: Node
    pool: Executor
    tell: Tell
    nonces: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    kept: dict[int, bytes] = field(default_factory=dict)
    """The bytes of batches with rides that are corrected later, by number."""
    wanted: set[int] = field(default_factory=set)
    waits: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def play(self) -> None:
        """The whole year after the founding."""
        plan = self.made.plan
        self.nonces[1] = 3  # the deployer's
        self.wanted = {int(plan.batches.batch_of[ride]) for some in plan.schedule.corrected.values() for ride in some}
        signed = self._signed(plan.batches.plans)
        for block in plan.schedule.blocks:
            self._block(block, signed)
        self.made.seconds |= self.waits

    def _signed(self, plans: Sequence[BatchPlan]) -> Iterator[signing.Signed]:
        """The batches in their order, some of them in the making."""
        nonces: defaultdict[int, int] = defaultdict(int)
        queue: deque[Future[signing.Signed]] = deque()
        ahead = iter(plans)
        while True:
            for plan in islice(ahead, _AHEAD - len(queue)):
                rows = self._rows(plan)
                queue.append(self.pool.submit(signing.sign_one, plan.operator, nonces[plan.operator], rows))
                nonces[plan.operator] += 1
            if not queue:
                return
            began = time.monotonic()
            done = queue.popleft().result()
            self.waits["waiting for signatures"] += time.monotonic() - began
            self.waits["signing, processor time"] += done.seconds
            yield done

    def _rows(self, plan: BatchPlan) -> list[tuple[int, ...]]:
        rides, mine = self.made.plan.rides, plan.rides
        columns = (
            rides.issuer,
            rides.key_id,
            rides.serial,
            rides.not_after,
            rides.fare_cap,
            rides.entry_station,
            rides.exit_station,
            rides.entered_at,
            rides.exited_at,
            rides.fare,
            rides.reason,
        )
        return list(zip(*(column[mine].tolist() for column in columns), strict=True))

    def _block(self, block: Block, signed: Iterator[signing.Signed]) -> None:
        raw: list[bytes] = []
        for item in block.items:
            if isinstance(item, BatchPlan):
                batch = next(signed)
                raw.append(batch.transaction)
                if item.number in self.wanted:
                    self.kept[item.number] = batch.data
            else:
                raw.append(self._act(item))
        began = time.monotonic()
        receipts = self.node.mine(block.time, raw)
        self.waits["node"] += time.monotonic() - began
        self.made.blocks += 1
        self.made.transactions += len(raw)
        for item, receipt in zip(block.items, receipts, strict=True):
            self.made.gas += int(receipt["gasUsed"], 16)
            if isinstance(item, BatchPlan):
                self._require_outcome(item, receipt)
                self.tell(len(item.rides))

    def _require_outcome(self, plan: BatchPlan, receipt: dict[str, Any]) -> None:
        rides = self.made.plan.rides
        fine = rides.reason[plan.rides] == 0
        (event,) = [log for log in receipt["logs"] if log["topics"][0] == _BATCH_SETTLED]
        words = bytes.fromhex(event["data"][2:])
        came = [int.from_bytes(words[at : at + 32], "big") for at in range(0, len(words), 32)]
        expected = [int(fine.sum()), int((~fine).sum()), int(rides.fare[plan.rides][fine].sum())]
        if came != expected:
            raise DemoError(f"batch {plan.number}: expected settled, refused and fares {expected}, came {came}")

    def _act(self, act: Act) -> bytes:
        arguments = act.arguments if act.ride is None else self._about_ride(act, act.ride)
        data = encode_call(act.contract, act.function, *arguments)
        nonce = self.nonces[act.account]
        self.nonces[act.account] += 1
        to = self.made.plan.addresses[act.contract]
        return signing.transaction(test_private_key(act.account), nonce, to, data, CHAIN_ID)

    def _about_ride(self, act: Act, ride: int) -> tuple[Any, ...]:
        plan = self.made.plan
        number, index = int(plan.batches.batch_of[ride]), int(plan.batches.index_of[ride])
        if act.by_batch:
            return (self.kept[number], refused_list(plan.refused(number)), index, *act.arguments)
        named = (keccak256(self.kept[number]), index)
        if act.function != "answer":
            return named
        batch = plan.batches.plans[number]
        fields = signing.Fields(*self._rows(batch)[index])
        facts, evidence = signing.answer(plan.domain, plan.seed, batch.operator, fields)
        said = (facts.ticket_hash, facts.rider, facts.entered_at, facts.exited_at)
        shown = (evidence.x, evidence.y, evidence.entry_signature, evidence.exit_signature)
        return (*named, said, shown)
