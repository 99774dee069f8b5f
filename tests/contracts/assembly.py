"""A consortium of its own, of so many founders, and what its members do when they vote."""

from __future__ import annotations

from dataclasses import dataclass

from tests.contracts.node import Call, Contract, Node, Receipt
from tests.contracts.story import (
    DAY,
    HANGZHOU,
    HEFEI,
    LANZHOU,
    NANJING,
    NINGBO,
    NOON,
    SHANGHAI,
    STRANGER,
    WENZHOU,
    XUZHOU,
    ZERO_ADDRESS,
    City,
    deploy,
    found_consortium,
)

VOTING_PERIOD = 30 * DAY
EXECUTION_PERIOD = 14 * DAY
SHORT, LONG = DAY, 7 * DAY
NINE = [SHANGHAI, HANGZHOU, NINGBO, XUZHOU, WENZHOU, HEFEI, NANJING, City(4001, "Eighth", 20), City(4002, "Ninth", 21)]
ACTIVE, SUSPENDED, EXITED = 1, 2, 3
EXECUTABLE_FROM, EXPIRES_AT = 7, 8
"""Where they are in what `proposal` returns."""


@dataclass(frozen=True)
class Assembly:
    """A consortium, its registry, and the cities that vote in it."""

    node: Node
    consortium: Contract
    registry: Contract
    members: list[City]

    # ------------------------------------------------------------ proposals

    def propose(self, call: Call, *, by: City, at: int | None = None) -> int:
        number: int = self.consortium.propose(by.code, call.contract, call.data, sender=by.admin, at=at).returned
        return number

    def approve(self, number: int, *cities: City, at: int | None = None) -> Receipt | None:
        """Each approves, the first of them at that time; the last one's receipt."""
        receipt = None
        for city in cities:
            receipt = self.consortium.approve(number, city.code, sender=city.admin, at=at)
            at = None
        return receipt

    def execute(self, number: int, *, at: int | None = None) -> Receipt:
        receipt: Receipt = self.consortium.execute(number, sender=STRANGER, at=at)
        return receipt

    def decide(self, call: Call) -> Receipt:
        """All members whose seats count vote for it, and it is carried out as soon as it may be."""
        voters = self.voters()
        number = self.propose(call, by=voters[0])
        self.approve(number, *voters[1:])
        return self.execute_when_it_may(number)

    def execute_when_it_may(self, number: int) -> Receipt:
        """As soon as the proposal's wait, if it has one, is over."""
        return self.execute(number, at=self.consortium.proposal(number)[EXECUTABLE_FROM] or None)

    def tally(self, number: int) -> tuple[int, int]:
        """(votes, votes needed)"""
        votes, needed = self.consortium.proposal(number)[5:7]
        return votes, needed

    def executable_from(self, number: int) -> int:
        return int(self.consortium.proposal(number)[EXECUTABLE_FROM])

    def expires_at(self, number: int) -> int:
        return int(self.consortium.proposal(number)[EXPIRES_AT])

    # ------------------------------------------------------------ members

    def voters(self) -> list[City]:
        """The members whose seats count now."""
        return [city for city in self.members if self.counts(city)]

    def counts(self, city: City) -> bool:
        status, _, seat, _ = self.registry.voterOf(city.code)
        return status != 0 and bool(self.registry.votingSeats() >> seat & 1)

    def status(self, city: City) -> int:
        return int(self.registry.city(city.code)[1])

    def leave(self, city: City, *, at: int | None = None) -> None:
        self.registry.leaveConsortium(city.code, sender=city.admin, at=at)

    def admit(self, city: City, *, at: int | None = None) -> int:
        """By the Consortium, without the vote; from when on its seat counts."""
        receipt = self.registry.admit(*admission_of(city), sender=self.consortium.address, at=at)
        return receipt.timestamp + LONG

    # ------------------------------------------------------------ calls

    def admission(self, city: City = LANZHOU) -> Call:
        return self.registry.call("admit", *admission_of(city))

    def suspension(self, city: City = XUZHOU) -> Call:
        return self.registry.call("suspend", city.code)

    def expulsion(self, city: City = XUZHOU) -> Call:
        return self.registry.call("expel", city.code)


def admission_of(city: City) -> tuple[int, str, str, str, str]:
    """The arguments of a city's admission."""
    return city.code, city.name, city.admin, city.treasury, city.recovery


def assemble(node: Node, count: int) -> Assembly:
    """A consortium of so many of the nine."""
    consortium, registry = found_consortium(node, NINE[:count])
    return Assembly(node, consortium, registry, NINE[:count])


def passed(of: Assembly, call: Call, *, by: list[City], at: int = NOON) -> int:
    """A proposal that these approve, one second after the other from then on; the last of them makes it pass."""
    number = of.propose(call, by=by[0], at=at)
    of.approve(number, *by[1:])
    return number


def reserve(of: Assembly) -> Call:
    """Some call that waits, of a contract that obeys this Consortium."""
    token = deploy(of.node, "SettlementToken", STRANGER)
    house = deploy(of.node, "Clearinghouse", of.registry, token, ZERO_ADDRESS)
    return house.call("setReserve", SHANGHAI.code, 1)
