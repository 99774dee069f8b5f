"""The people and places of the story, and the contracts between them.

A rider of Xuzhou travels in Hangzhou on 1 December 2019, the day on which Xuzhou joined. Shanghai, Hangzhou and
Ningbo are founders; Ningbo has no money. Lanzhou was never a member. Keys come from the public test mnemonic that
anvil starts with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

from interline.batch import Batch, sign_batch
from interline.domain import Domain, ticket_hash
from interline.reasons import RideReason
from interline.ride import Ride
from interline.signatures import parse_address, sign_compact
from network.accounts import BANK, DEPLOYER, Role, city_index, test_address, test_private_key
from tests.contracts.node import Contract, Node, Receipt
from tests.support.deploy import compiled

HOUR = 3600
DAY = 24 * HOUR
NOON = 1_575_172_800
"""2019-12-01 12:00 in Xuzhou: when rides begin, if nothing else is said."""
ARRIVAL = NOON + 1200
"""When they end."""
EVENING = NOON + 6 * HOUR
"""When they are submitted."""
OPENING = NOON - 100 * DAY
"""When the contracts are deployed."""
KEYS_FROM = NOON - 365 * DAY
NO_END = 2**40 - 1
MAX_FARE = 20_000
GRACE = DAY
SUBMISSION_WINDOW = 30 * DAY
DISPUTE_TIME = 30 * DAY
ANSWER_TIME = 10 * DAY
DISPUTE_FEE = 500
STOP_LENGTH = 3 * DAY
SEAT_DELAY = 7 * DAY
"""How long a city is a member until its seat counts in votes."""
DEPOSIT = 5_000_000
"""50,000.00 yuan, in fen."""
RIDER = bytes.fromhex("d4f770e3f584dc670b59accd40157bd3540eed82")
NO_REFERENCE = bytes(32)
ZERO_ADDRESS = "0x" + "00" * 20

Claim = tuple[int, int, Ride]
"""A ride with the issuer and key id that it is claimed from."""


@dataclass(frozen=True)
class City:
    """A city, with its test accounts."""

    code: int
    name: str
    position: int

    def key(self, role: Role) -> bytes:
        """A private key of the city, 32 bytes."""
        return test_private_key(city_index(self.position, role))

    def account(self, role: Role) -> str:
        return test_address(city_index(self.position, role))

    @property
    def admin(self) -> str:
        return self.account(Role.ADMIN)

    @property
    def treasury(self) -> str:
        return self.account(Role.TREASURY)

    @property
    def recovery(self) -> str:
        return self.account(Role.RECOVERY)

    @property
    def submitter(self) -> str:
        return self.account(Role.SUBMITTER)

    def __repr__(self) -> str:
        return self.name


SHANGHAI = City(3100, "Shanghai", 0)
HANGZHOU = City(3301, "Hangzhou", 1)
NINGBO = City(3302, "Ningbo", 2)
WENZHOU = City(3303, "Wenzhou", 3)
HEFEI = City(3401, "Hefei", 4)
NANJING = City(3201, "Nanjing", 5)
XUZHOU = City(3203, "Xuzhou", 10)
LANZHOU = City(6201, "Lanzhou", 12)

BANK_ACCOUNT = test_address(BANK)
DEPLOYER_ACCOUNT = test_address(DEPLOYER)
STRANGER = test_address(2)
STRANGER_KEY = test_private_key(2)


def deploy(node: Node, name: str, *arguments: Any, at: int | None = None) -> Contract:
    """One of the contracts, deployed by the deployer."""
    abi, bytecode = compiled(name)
    return node.deploy(abi, bytecode, *arguments, sender=DEPLOYER_ACCOUNT, at=at)


def found_consortium(node: Node, founders: Sequence[City], *, at: int | None = None) -> tuple[Contract, Contract]:
    """A Consortium of these founders, and the registry that it made."""
    people = [(city.code, city.name, city.admin, city.treasury, city.recovery) for city in founders]
    consortium = deploy(node, "Consortium", people, at=at)
    return consortium, node.contract(consortium.registry(), compiled("CityRegistry")[0])


@dataclass(frozen=True)
class Parameters:
    """What the members set by vote: fen and seconds, in the contract's order."""

    max_fare: int = MAX_FARE
    grace: int = GRACE
    submission_window: int = SUBMISSION_WINDOW
    dispute_time: int = DISPUTE_TIME
    answer_time: int = ANSWER_TIME
    dispute_fee: int = DISPUTE_FEE


@dataclass(frozen=True)
class World:
    """The deployed contracts, and what the story's people do with them."""

    node: Node
    consortium: Contract
    registry: Contract
    token: Contract
    clearinghouse: Contract
    refunds: Contract
    domain: Domain

    # ------------------------------------------------------------ membership

    def by_vote(self, target: Contract, name: str, *arguments: Any, at: int | None = None) -> Receipt:
        """What the Consortium calls after a vote; how it votes is test_votes.py's."""
        function = getattr(target, name)
        receipt: Receipt = function(*arguments, sender=self.consortium.address, at=at)
        return receipt

    def admit(self, city: City, *, at: int | None = None) -> Receipt:
        people = (city.admin, city.treasury, city.recovery)
        return self.by_vote(self.registry, "admit", city.code, city.name, *people, at=at)

    def suspend(self, city: City, *, at: int) -> Receipt:
        return self.by_vote(self.registry, "suspend", city.code, at=at)

    def reinstate(self, city: City, *, at: int | None = None) -> Receipt:
        return self.by_vote(self.registry, "reinstate", city.code, at=at)

    def leave(self, city: City, *, at: int) -> Receipt:
        """The city leaves by its own will."""
        receipt: Receipt = self.registry.leaveConsortium(city.code, sender=city.admin, at=at)
        return receipt

    def move_treasury(self, city: City, new: str) -> None:
        """The city's treasury proposes another, and that one accepts as soon as it may."""
        self.registry.proposeTreasury(city.code, new, sender=city.treasury)
        _, _, _, acceptable_from = self.registry.proposedChanges(city.code)
        self.registry.acceptTreasury(city.code, sender=new, at=acceptable_from)

    def register_keys(self, city: City) -> None:
        """Issuer key 1 and the submitter."""
        self.add_issuer_key(city, 1, Role.ISSUER_KEY)
        self.registry.addSubmitter(city.code, city.submitter, sender=city.admin)

    def add_issuer_key(
        self, city: City, key_id: int, role: Role, *, valid_from: int = KEYS_FROM, valid_until: int = NO_END
    ) -> None:
        self.registry.addIssuerKey(city.code, key_id, city.account(role), valid_from, valid_until, sender=city.admin)

    def set_parameters(self, *, at: int | None = None, **changes: int) -> Receipt:
        """What the parameters start with, but for these changes."""
        return self.by_vote(self.clearinghouse, "setParameters", astuple(Parameters(**changes)), at=at)

    # ------------------------------------------------------------ money

    def deposit(self, city: City, amount: int, *, at: int | None = None) -> Receipt:
        """The bank mints what came in for a city, and its treasury deposits it."""
        self.token.mint(city.treasury, amount, sender=BANK_ACCOUNT)
        self.token.approve(self.clearinghouse, amount, sender=city.treasury)
        receipt: Receipt = self.clearinghouse.deposit(city.code, amount, NO_REFERENCE, sender=city.treasury, at=at)
        return receipt

    def withdraw(self, city: City, amount: int, *, at: int | None = None) -> Receipt:
        receipt: Receipt = self.clearinghouse.withdraw(city.code, amount, NO_REFERENCE, sender=city.treasury, at=at)
        return receipt

    def balances(self, *cities: City) -> dict[City, int]:
        return {city: self.clearinghouse.balanceOf(city.code) for city in cities}

    # ------------------------------------------------------------ rides

    def ride(
        self,
        *,
        issuer: City = XUZHOU,
        key_id: int = 1,
        operator: City = HANGZHOU,
        signer: bytes | None = None,
        domain: Domain | None = None,
        wire: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Claim:
        """A ride of 20 minutes for 5.03 yuan, on a ticket that its issuer's key 1 signed for what the fields say.

        `signer` is another private key, `domain` another domain, and `wire` holds what is changed after the signing.
        """
        unsigned = Ride(
            **{
                "serial": 7,
                "not_after": NOON + DAY,
                "fare_cap": 1_500,
                "rider": RIDER,
                "entry_station": 241,
                "exit_station": 1019,
                "entered_at": NOON,
                "exited_at": ARRIVAL,
                "fare": 503,
                "issuer_signature": bytes(64),
            }
            | fields
        )
        digest = ticket_hash(
            domain or self.domain,
            issuer=issuer.code,
            key_id=key_id,
            operator=operator.code,
            serial=unsigned.serial,
            not_after=unsigned.not_after,
            fare_cap=unsigned.fare_cap,
            rider=unsigned.rider,
        )
        signature = sign_compact(signer or issuer.key(Role.ISSUER_KEY), digest)
        ride = replace(unsigned, **({"issuer_signature": signature} | dict(wire or {})))
        return issuer.code, key_id, ride

    def rides(self, serials: Iterable[int], **fields: Any) -> list[Claim]:
        """Such a ride for each serial."""
        return [self.ride(serial=serial, **fields) for serial in serials]

    def sign(self, batch: Batch, *, signer: bytes | None = None, operator: City = HANGZHOU) -> bytes:
        """The operator's submitter's signature of a batch."""
        return sign_batch(self.domain, signer or operator.key(Role.SUBMITTER), batch)

    def settle(self, *claims: Claim, operator: City = HANGZHOU, at: int = EVENING, sender: str = STRANGER) -> Receipt:
        """Settle rides in a batch that the operator's submitter signs and anybody relays."""
        batch = Batch.build(operator.code, claims)
        return self.send(batch, self.sign(batch, operator=operator), at=at, sender=sender)

    def send(self, batch: Batch | bytes, signature: bytes, *, at: int = EVENING, sender: str = STRANGER) -> Receipt:
        """Send a batch, or bytes that may be none."""
        data = batch if isinstance(batch, bytes) else batch.to_bytes()
        receipt: Receipt = self.clearinghouse.settle(data, signature, sender=sender, at=at)
        return receipt

    def judge(self, *, at: int = EVENING, **changes: Any) -> RideReason | None:
        """Settle one ride of the factory's, with these changes; why it was refused, or None."""
        receipt = self.settle(self.ride(**changes), operator=changes.get("operator", HANGZHOU), at=at)
        return reason_of(receipt)


def reason_of(receipt: Receipt) -> RideReason | None:
    """Why the only ride of a batch was refused, or None if it settled."""
    batch_id, settled, rejected = receipt.returned
    assert settled + rejected == 1
    if settled:
        assert receipt.named("RideRejected") == ()
        return None
    [refusal] = receipt.named("RideRejected")
    assert (refusal.args["batchId"], refusal.args["index"]) == (batch_id, 0)
    return RideReason(refusal.args["reason"])


def build_world(node: Node) -> World:
    """Three founders, and Xuzhou, admitted later; keys and submitters; money for all but Ningbo; all seats count."""
    consortium, registry = found_consortium(node, [SHANGHAI, HANGZHOU, NINGBO], at=OPENING)
    token = deploy(node, "SettlementToken", BANK_ACCOUNT)
    clearinghouse = deploy(node, "Clearinghouse", registry, token, ZERO_ADDRESS)
    refunds = node.contract(clearinghouse.refunds(), compiled("Refunds")[0])
    domain = Domain(int(node.request("eth_chainId"), 16), parse_address(clearinghouse.address))
    world = World(node, consortium, registry, token, clearinghouse, refunds, domain)
    world.admit(XUZHOU)
    for city in (SHANGHAI, HANGZHOU, NINGBO, XUZHOU):
        world.register_keys(city)
    for city in (SHANGHAI, HANGZHOU, XUZHOU):
        world.deposit(city, DEPOSIT)
    node.mine(at=OPENING + SEAT_DELAY + DAY)
    return world
