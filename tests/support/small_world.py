"""A small world: three weeks of eight metros on a chain of their own, made of nothing random.

    with small_world() as world:
        world.url          # the chain's node
        world.head_time    # 2019-12-14, at night
        world.settle_some(XUZHOU, HANGZHOU, 3)   # a new block, with a batch

It has all that a page can say: rides of each pair of cities, late ones and lone ones, refused ones by each reason,
disputes that are open, upheld, unanswered and closed by a refund, refunds for each cause, arrears and their payment,
deposits and withdrawals with their banks' references, a suspended member, and votes: carried out, passed and waiting,
open. Times are those of Shanghai in November and December 2019; block hashes are the same each time.
"""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from interline.cities import load_cities
from interline.domain import Domain, code_message
from interline.signatures import parse_address
from interline.tariff import Tariff, load_tariff
from network.accounts import Role
from network.chain import Chain
from tests.contracts.corrections import (
    PHONE,
    Corrections,
    Evidence,
    Settled,
    evidence_of,
    hash_of,
    in_lower_half,
    settled,
)
from tests.contracts.node import Call, Node, Receipt
from tests.contracts.story import (
    BANK_ACCOUNT,
    DAY,
    HANGZHOU,
    HEFEI,
    HOUR,
    NANJING,
    NINGBO,
    SHANGHAI,
    STRANGER,
    WENZHOU,
    XUZHOU,
    City,
    Claim,
    Parameters,
    World,
    compiled,
    deploy,
    found_consortium,
)
from tests.support.deploy import REPOSITORY

SHANGHAI_TIME: Final = ZoneInfo("Asia/Shanghai")
SUZHOU: Final = City(3205, "Suzhou", 6)
CHANGZHOU: Final = City(3204, "Changzhou", 11)
MEMBERS: Final = (SHANGHAI, HANGZHOU, NINGBO, WENZHOU, HEFEI, NANJING, SUZHOU, XUZHOU)
"""In the order in which they joined."""
SIZE: Final = {
    SHANGHAI: 9,
    HANGZHOU: 7,
    NINGBO: 3,
    WENZHOU: 2,
    HEFEI: 3,
    NANJING: 6,
    SUZHOU: 4,
    XUZHOU: 2,
}
"""How much travels to a city and from it; Ningbo's riders travel far more than its balance allows."""
FIRST_DAY: Final = datetime(2019, 11, 20, tzinfo=SHANGHAI_TIME)
DAYS: Final = 25
LAST_TICKET: Final = datetime(2020, 2, 29, tzinfo=SHANGHAI_TIME)
LOST_SERIAL: Final = 1_000_000
NO_PREDECESSOR: Final = "0x" + "00" * 20


def moment(text: str) -> int:
    """Unix seconds of a time in Shanghai: `moment("12-01 09:30")` of 2019, or `"08-23 09:00"`."""
    return int(datetime.strptime(f"2019-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=SHANGHAI_TIME).timestamp())


def reference(text: str) -> bytes:
    """A bank reference as it is on chain: the text, and zeros up to 32 bytes."""
    return text.encode().ljust(32, b"\0")


@cache
def tariff(operator: int) -> Tariff:
    """The committed tariff of a city."""
    return load_tariff(next(city.tariff for city in load_cities(REPOSITORY / "cities") if city.code == operator))


@dataclass
class SmallWorld:
    """The contracts and what happened; and how to let more happen."""

    chain: Chain
    world: World
    random: random.Random
    serials: defaultdict[tuple[City, City], Iterator[int]] = field(default_factory=lambda: defaultdict(itertools.count))
    batches: dict[str, Settled] = field(default_factory=dict)
    """Those that tests look at, by what is remarkable about them."""
    kept_back: list[Claim] = field(default_factory=list)
    """Rides of November that Hefei's back office sends in December."""

    @property
    def url(self) -> str:
        """Where the chain's JSON-RPC is."""
        return self.chain.url

    @property
    def clearinghouse(self) -> str:
        """Its address, 0x and 40 hexadecimal digits."""
        return self.world.clearinghouse.address

    @property
    def head_time(self) -> int:
        """The newest block's time, Unix seconds."""
        return self.world.node.now

    @property
    def head(self) -> int:
        """The newest block's number."""
        return int(self.world.node.request("eth_blockNumber"), 16)

    def deployment(self) -> dict[str, Any]:
        """The document of the deployment's file (deployments/README.md)."""
        contracts = {
            "Clearinghouse": self.world.clearinghouse,
            "CityRegistry": self.world.registry,
            "Consortium": self.world.consortium,
            "Refunds": self.world.refunds,
            "SettlementToken": self.world.token,
        }
        since = {name: self.world.clearinghouse.deployedAt() for name in ("Clearinghouse", "Refunds")}
        since |= {name: self.world.registry.deployedAt() for name in ("CityRegistry", "Consortium")}
        return {
            "chain_id": self.world.domain.chain_id,
            "contracts": {
                name: {
                    "address": contract.address,
                    "block": since.get(name, self.world.registry.deployedAt()),
                    "transaction": "0x" + "00" * 32,
                }
                for name, contract in contracts.items()
            },
        }

    # ------------------------------------------------------------ rides

    def claim(self, issuer: City, operator: City, entered_at: int, *, lone: bool = False, **fields: Any) -> Claim:
        """A ride of the operator's tariff, some 10 to 50 minutes long, on a fresh ticket."""
        stations = [station.number for station in tariff(operator.code).stations]
        entry, exit_ = self.random.sample(stations, 2)
        fare = tariff(operator.code).fare(entry, exit_)
        times = {"entered_at": entered_at, "exited_at": entered_at + self.random.randrange(600, 3_000)}
        if lone:
            exit_, fare = 0, tariff(operator.code).lone_entry_fare(entry)
            times["exited_at"] = entered_at
        usual = {
            "serial": next(self.serials[issuer, operator]),
            "not_after": int(LAST_TICKET.timestamp()),
            "fare_cap": 2_000,
            "rider": self.random.randbytes(20),
            "entry_station": entry,
            "exit_station": exit_,
            "fare": fare,
        }
        return self.world.ride(issuer=issuer, operator=operator, **(usual | times | fields))

    def day_of(self, operator: City, day: datetime, share: float = 0.16) -> list[Claim]:
        """What an operator's gates took in a day that begins at 04:00, its last riders after midnight."""
        claims = []
        for issuer in MEMBERS:
            if issuer is operator or (day < JOINED.get(issuer, day)) or (day < JOINED.get(operator, day)):
                continue
            weekend = 1.6 if day.weekday() >= 5 else 1.0
            for _ in range(round(SIZE[issuer] * SIZE[operator] * share * weekend * self.random.uniform(0.7, 1.3))):
                hour = self.random.choice((6, 7, 8, 8, 9, 11, 13, 15, 17, 18, 18, 19, 21, 23, 23.6))
                entered = day + timedelta(hours=hour, seconds=self.random.randrange(1_500))
                claims.append(self.claim(issuer, operator, int(entered.timestamp())))
        return claims

    def settle(self, operator: City, claims: list[Claim], at: int | None = None) -> Settled:
        """One batch, and a block for it."""
        return settled(self.world, *claims, operator=operator, at=at)  # type: ignore[arg-type]

    def settle_some(self, issuer: City, operator: City, count: int) -> Settled:
        """A new block, a minute later, with a batch of rides that have just ended."""
        now = self.head_time
        claims = [self.claim(issuer, operator, now - 3_600) for _ in range(count)]
        return self.settle(operator, claims, now + 60)

    # ------------------------------------------------------------ money and votes

    def deposit(self, city: City, amount: int, text: str, at: int) -> None:
        """The bank mints what came in, and the city's treasury deposits it with the bank's reference."""
        world = self.world
        world.token.mint(city.treasury, amount, sender=BANK_ACCOUNT, at=at)
        world.token.approve(world.clearinghouse, amount, sender=city.treasury)
        world.clearinghouse.deposit(city.code, amount, reference(text), sender=city.treasury)

    def withdraw(self, city: City, amount: int, text: str, at: int) -> None:
        """The city's treasury takes money out."""
        self.world.clearinghouse.withdraw(city.code, amount, reference(text), sender=city.treasury, at=at)

    def propose(self, call: Call, by: City, *others: City, at: int) -> int:
        """A proposal, and the approvals of others."""
        consortium = self.world.consortium
        number: int = consortium.propose(by.code, call.contract, call.data, sender=by.admin, at=at).returned
        for city in others:
            consortium.approve(number, city.code, sender=city.admin)
        return number

    def execute(self, number: int, at: int) -> Receipt:
        """Anybody carries it out."""
        receipt: Receipt = self.world.consortium.execute(number, sender=STRANGER, at=at)
        return receipt


JOINED: Final = {XUZHOU: datetime(2019, 12, 1, tzinfo=SHANGHAI_TIME)}
"""Cities that weren't there from the first day of rides on."""


@contextmanager
def small_world() -> Iterator[SmallWorld]:
    """The world, its chain running."""
    extra = ("--timestamp", str(moment("11-11 09:00") - 1), "--auto-impersonate", "--no-mining")
    with Chain(block_time=None, extra=extra) as chain:
        node = Node(chain)
        node.request("anvil_setBlockTimestampInterval", 1)
        small = SmallWorld(chain, _contracts(node), random.Random(20191201))
        _begin(small)
        _live(small)
        yield small


# ---------------------------------------------------------------- what happened


def _contracts(node: Node) -> World:
    founders = [city for city in MEMBERS if city is not XUZHOU]
    consortium, registry = found_consortium(node, founders, at=moment("11-11 09:00"))
    token = deploy(node, "SettlementToken", BANK_ACCOUNT)
    clearinghouse = deploy(node, "Clearinghouse", registry, token, NO_PREDECESSOR)
    refunds = node.contract(clearinghouse.refunds(), compiled("Refunds")[0])
    domain = Domain(int(node.request("eth_chainId"), 16), parse_address(clearinghouse.address))
    return World(node, consortium, registry, token, clearinghouse, refunds, domain)


def _begin(small: SmallWorld) -> None:
    """Keys, tariffs and first deposits."""
    for city in MEMBERS:
        if city is not XUZHOU:
            _equip(small, city)
    for number, city in enumerate(MEMBERS[:-1], 1):
        amount = 30_000 if city is NINGBO else 2_000_000
        small.deposit(city, amount, f"ICBC 2019-11-18 {number:04}", moment("11-18 10:00") + 600 * number)


def _equip(small: SmallWorld, city: City) -> None:
    small.world.register_keys(city)
    publish = small.world.registry.publishTariff
    since = small.world.node.now + DAY
    publish(city.code, f"https://tariffs.example/{city.code}", tariff(city.code).digest, since, sender=city.admin)


def _live(small: SmallWorld) -> None:
    """Day after day: what the day before's gates took is settled at 01:00, and the day's other business done."""
    for day in (FIRST_DAY + timedelta(days=n) for n in range(DAYS)):
        label = day.strftime("%m-%d")
        for business in BUSINESS.get(label, ()):
            business(small)
        for number, operator in enumerate(MEMBERS):
            claims = small.day_of(operator, day)
            if operator is HEFEI and label in ("11-29", "11-30"):
                small.kept_back += claims
            elif claims:
                small.settle(operator, claims, int((day + timedelta(hours=25, minutes=5 * number)).timestamp()))


def _admit_xuzhou(small: SmallWorld) -> None:
    call = small.world.registry.call("admit", *_newcomer(XUZHOU))
    at = moment("12-01 04:00")
    number = small.propose(call, SHANGHAI, HANGZHOU, NINGBO, HEFEI, NANJING, at=at)
    small.execute(number, at + 1_800)
    _equip(small, XUZHOU)
    small.deposit(XUZHOU, 5_000_000, "CCB 2019-12-01 0001", at + HOUR)


def _ride_of_the_story(small: SmallWorld) -> None:
    """What will be disputed; one ride of each that the chain refuses."""
    noon = moment("12-01 12:00")
    mine = {"rider": PHONE.public.address}
    small.batches["disputed"] = small.settle(
        HANGZHOU,
        [small.claim(XUZHOU, HANGZHOU, noon + 60 * n, **mine) for n in range(5)]
        + [small.claim(NANJING, HANGZHOU, noon + 900, lone=True)],
        moment("12-01 18:00"),
    )
    paid = small.batches["disputed"].claim(0)
    stranger = WENZHOU.key(Role.SPARE)
    small.batches["refused"] = small.settle(
        HANGZHOU,
        [
            paid,
            small.claim(SHANGHAI, HANGZHOU, noon),
            small.claim(SHANGHAI, HANGZHOU, noon, signer=stranger),
            small.claim(SHANGHAI, HANGZHOU, noon, not_after=noon - DAY),
            small.claim(SHANGHAI, HANGZHOU, noon, fare_cap=100),
            small.claim(SHANGHAI, HANGZHOU, noon, exited_at=noon - 60),
            *(small.claim(city, HANGZHOU, noon + 300) for city in (SHANGHAI, NINGBO, HEFEI, NANJING, XUZHOU)),
        ],
        moment("12-01 18:10"),
    )


def _disputes(small: SmallWorld) -> None:
    """Of the five rides: 0 is upheld, 1 never answered, 2 given back, 3 asked late and open, 4 given back in part."""
    corrections, of = Corrections(small.world), small.batches["disputed"]
    corrections.dispute(of, index=_at(of, 0), at=moment("12-02 10:00"))
    corrections.dispute(of, index=_at(of, 1))
    corrections.dispute(of, index=_at(of, 2))
    corrections.answer(of, _evidence(small, of.claim(_at(of, 0))), index=_at(of, 0), at=moment("12-02 16:00"))


def _evidence(small: SmallWorld, claim: Claim) -> Evidence:
    """What the rider's phone made, signed so that it is the same each time: the chain's hashes hang on it."""
    issuer, key_id, ride = claim
    ticket = hash_of(small.world.domain, issuer, key_id, HANGZHOU, ride)
    key = ec.derive_private_key(int.from_bytes(PHONE.to_scalar()), ec.SECP256R1())

    def shown(at: int) -> bytes:
        signature = key.sign(code_message(ticket, at), ec.ECDSA(SHA256(), deterministic_signing=True))
        return in_lower_half(b"".join(part.to_bytes(32) for part in decode_dss_signature(signature)))

    made = evidence_of(small.world.domain, claim)
    return made.but(entry=shown(ride.entered_at), exit=shown(ride.exited_at))


def _refunds(small: SmallWorld) -> None:
    corrections, of = Corrections(small.world), small.batches["disputed"]
    fare = of.claim(_at(of, 2))[2].fare
    corrections.refund(of, fare, index=_at(of, 2), at=moment("12-05 10:00"))
    corrections.refund(of, 100, index=_at(of, 4))


def _at(of: Settled, number: int) -> int:
    """Where Xuzhou's ride of that number stands in the batch."""
    return [i for i, issuer, _, _ in of.batch.iter_rides() if issuer == XUZHOU.code][number]


def _revoke(small: SmallWorld) -> None:
    """A ticket is revoked that is ridden on two days later, at a gate that doesn't know."""
    revoke = small.world.registry.revokeTickets
    revoke(SUZHOU.code, NANJING.code, [LOST_SERIAL], sender=SUZHOU.admin, at=moment("12-03 09:00"))


def _settle_late(small: SmallWorld) -> None:
    small.batches["late"] = small.settle(HEFEI, small.kept_back, moment("12-03 20:00"))


def _ride_on_the_lost_ticket(small: SmallWorld) -> None:
    claim = small.claim(SUZHOU, NANJING, moment("12-05 11:00"), serial=LOST_SERIAL)
    small.batches["revoked"] = small.settle(NANJING, [claim], moment("12-05 13:00"))


def _claim_back(small: SmallWorld) -> None:
    Corrections(small.world).refund_revoked(small.batches["revoked"], at=moment("12-06 09:00"))


def _pay(small: SmallWorld) -> None:
    """Ningbo pays in too little; Shanghai takes money out."""
    small.deposit(NINGBO, 20_000, "ABC 2019-12-09 0007", moment("12-09 09:30"))
    house = small.world.clearinghouse
    for creditor in (SHANGHAI, HANGZHOU):
        house.payArrears(NINGBO.code, creditor.code, sender=STRANGER)
    small.withdraw(SHANGHAI, 150_000, "ICBC 2019-12-09 OUT 1", moment("12-09 11:00"))


def _propose_to_suspend_wenzhou(small: SmallWorld) -> None:
    call = small.world.registry.call("suspend", WENZHOU.code)
    others = (HANGZHOU, NANJING, SUZHOU, XUZHOU, HEFEI)
    small.propose(call, SHANGHAI, *others, at=moment("12-08 10:00"))


def _suspend_wenzhou(small: SmallWorld) -> None:
    small.execute(small.world.consortium.proposalCount(), moment("12-10 10:00"))


def _last_business(small: SmallWorld) -> None:
    """One vote waits to be carried out, one is open; a dispute is open, and another's time is over."""
    corrections, of = Corrections(small.world), small.batches["disputed"]
    corrections.refund_unanswered(of, index=_at(of, 1), at=moment("12-13 09:00"))
    corrections.dispute(of, index=_at(of, 3), at=moment("12-13 10:00"))
    parameters = small.world.clearinghouse.call("setParameters", astuple(Parameters(dispute_fee=600)))
    others = (HANGZHOU, NINGBO, HEFEI, NANJING, SUZHOU)
    small.propose(parameters, SHANGHAI, *others, at=moment("12-13 11:00"))
    admit = small.world.registry.call("admit", *_newcomer(CHANGZHOU))
    small.propose(admit, NANJING, SUZHOU, at=moment("12-13 15:00"))


def _newcomer(city: City) -> tuple[int, str, str, str, str]:
    """What a city is admitted with."""
    return city.code, city.name, city.admin, city.treasury, city.recovery


BUSINESS: Final = {
    "12-01": (_admit_xuzhou, _ride_of_the_story),
    "12-02": (_disputes,),
    "12-03": (_revoke, _settle_late),
    "12-05": (_refunds, _ride_on_the_lost_ticket),
    "12-06": (_claim_back,),
    "12-08": (_propose_to_suspend_wenzhou,),
    "12-09": (_pay,),
    "12-10": (_suspend_wenzhou,),
    "12-13": (_last_business,),
}
"""What happens besides, in the order of time, by the day."""
