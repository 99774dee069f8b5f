"""How the consortium stands at one block: its members, their money, the rules in force. Facts alone; no network."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

from consortium.errors import InputError
from consortium.steps import Status
from interline.money import format_yuan
from interline.naming import find_city

STOP_LENGTH: Final = 3 * 86_400
"""How long an emergency stop holds, seconds."""
LONGEST_RIDE: Final = 86_400
"""Seconds."""
WITHHOLDING: Final = 4 * 86_400
"""How long fares above a daily limit stay withheld beyond the time for an answer to a dispute of them, seconds."""


class Parameters(NamedTuple):
    """What the members set by vote, in the order of `IClearinghouse.Parameters`. Fen and seconds."""

    max_fare: int
    grace: int
    submission_window: int
    dispute_time: int
    answer_time: int
    dispute_fee: int


class Suspension(NamedTuple):
    """A suspension that is over: from its start up to, not including, its end; Unix seconds."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """The address that the others can give a city back to, and the one that is to take its place."""

    address: str
    new: str | None
    """Another address, which one of the city's keys or both named."""
    named_by: str | None
    """The key that named it first."""
    new_from: int
    """When it may accept, Unix seconds; 0 until both keys named it."""


@dataclass(frozen=True, slots=True)
class City:
    """A city that is or was a member. Addresses are checksummed, times Unix seconds."""

    code: int
    name: str
    status: Status
    admin: str
    treasury: str | None
    """None after a recovery, until its admin names one and that accepts."""
    suspended_at: int
    """Start of the present suspension or exit; 0 while it is active."""
    exited_at: int
    """0 unless it left or was expelled."""
    frozen: bool
    """Whether its admin froze the treasury."""
    new_admin: str | None
    new_admin_from: int
    """When the proposed admin may accept; 0 if there is none."""
    new_treasury: str | None
    new_treasury_from: int
    recovery: Recovery
    counts_from: int
    """When its seat counts in votes, if it is a member then: a week after it was admitted, a founder's at once."""
    suspensions: tuple[Suspension, ...]
    """Those that are over, in their order. What was ridden in them stays refused."""

    @property
    def is_member(self) -> bool:
        """Whether it is active or suspended: a suspended city keeps its vote."""
        return self.status in (Status.ACTIVE, Status.SUSPENDED)

    @property
    def label(self) -> str:
        """For people: `Hangzhou (3301)`."""
        return f"{self.name} ({self.code})"


@dataclass(frozen=True, slots=True)
class Account:
    """A city's money in one Clearinghouse, fen."""

    balance: int
    reserve: int
    withdrawable: int
    owes: int
    """Arrears that it owes, in all."""
    is_owed: int
    """Arrears that it is owed, in all."""
    withheld: int
    """Part of the arrears that it owes: what is above its daily limit, and can't be paid yet."""
    daily_limit: int
    """What its tickets may take from it in a day (UTC); 0 for no limit."""
    taken_today: int
    """What they took today, where there is a limit."""


@dataclass(frozen=True, slots=True)
class House:
    """One Clearinghouse."""

    address: str
    refunds: str
    parameters: Parameters
    """Of rides that end now."""
    before: Parameters
    """Of rides that ended before the last change of the parameters; the same as now where there was none."""
    pending: Parameters | None
    """Of rides that end later; None where nothing else was set."""
    pending_from: int
    """Of rides that end from then on; 0 if there are none."""
    stopped_until: int
    """0 if it never was stopped."""
    stop_calls: int
    stop_needed: int
    stop_lapses: int
    """When the calls for a stop lapse; 0 if there are none."""
    predecessor: str | None
    successor: str | None
    closes_at: int
    """0 as long as no successor is named."""
    accounts: Mapping[int, Account]
    """By the city's code."""

    @property
    def longest_claim(self) -> int:
        """How long after a city left its last ride can lead to a refund, seconds: that long its reserve stays.

        The ride begins a grace period later at the latest, ends, is sent, disputed, and not answered. Of each time the
        longer one counts, before and after the last change.
        """
        both = zip(self.before, self.pending or self.parameters, strict=True)
        longer = Parameters(*(max(pair) for pair in both))
        sent = longer.grace + LONGEST_RIDE + longer.submission_window + 2 * STOP_LENGTH
        return sent + longer.dispute_time + longer.answer_time

    def releasable_from(self, day: int) -> int:
        """From when on anyone can release what was withheld on a day (UTC, since 1970), Unix seconds."""
        answer_time = max(self.before.answer_time, (self.pending or self.parameters).answer_time)
        return (day + 1) * 86_400 + answer_time + WITHHOLDING


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything at one block."""

    block: int
    now: int
    """The block's time."""
    consortium: str
    registry: str
    token: str
    cities: Mapping[int, City]
    """All that ever joined, by code, in the order in which they did."""
    houses: tuple[House, ...]
    """The deployment's Clearinghouse first, then its predecessors and successors, as far as votes named them."""

    @property
    def house(self) -> House:
        """The deployment's Clearinghouse."""
        return self.houses[0]

    @property
    def voters(self) -> list[City]:
        """The members whose seats count in votes."""
        return [city for city in self.cities.values() if city.is_member and city.counts_from <= self.now]

    @property
    def members(self) -> list[City]:
        """All members, newcomers and suspended ones too."""
        return [city for city in self.cities.values() if city.is_member]

    def city(self, who: str) -> City:
        """The city of a name or code. Raises InputError where none is meant."""
        code = find_city(who, [(city.code, (city.name,)) for city in self.cities.values()])
        if code is not None:
            return self.cities[code]
        known = ", ".join(city.label for city in self.cities.values())
        raise InputError(f"expected the name or code of a city that is or was a member, came {who!r}: try {known}")

    def label(self, code: int) -> str:
        """For people: a city's name and code, or its code alone where it never was a member."""
        return self.cities[code].label if code in self.cities else f"city {code}"

    def house_at(self, address: str) -> House | None:
        """The Clearinghouse at a checksummed address, if it is one of ours."""
        return next((house for house in self.houses if house.address == address), None)

    def contract_at(self, address: str) -> str | None:
        """Which of our contracts is at a checksummed address; None for a stranger's."""
        ours = {self.consortium: "Consortium", self.registry: "CityRegistry", self.token: "SettlementToken"}
        ours |= {house.refunds: "Refunds" for house in self.houses}
        ours |= {house.address: "Clearinghouse" for house in self.houses}
        return ours.get(address)

    def to_json(self) -> dict[str, Any]:
        """The document of `ape run consortium status --json`. Fen and Unix seconds."""
        return {
            "block": self.block,
            "time": self.now,
            "consortium": self.consortium,
            "registry": self.registry,
            "token": self.token,
            "votes": {"members": len(self.voters), "two_thirds": votes_needed(len(self.voters))},
            "cities": [self._city_json(city) for city in self.cities.values()],
            "clearinghouses": [_house_json(house) for house in self.houses],
        }

    def _city_json(self, city: City) -> dict[str, Any]:
        suspensions = [suspension._asdict() for suspension in city.suspensions]
        more = {"status": city.status.name.lower(), "counts": city in self.voters, "suspensions": suspensions}
        return asdict(city) | more


def votes_needed(voters: int) -> int:
    """Two thirds of so many voters, rounded up, at least 1."""
    return max(1, (2 * voters + 2) // 3)


def yuan(fen: int) -> str:
    """Fen for people, with the currency."""
    return f"{format_yuan(fen)} yuan"


def _house_json(house: House) -> dict[str, Any]:
    document = asdict(house)
    document["parameters"] = house.parameters._asdict()
    document["before"] = house.before._asdict()
    document["pending"] = None if house.pending is None else house.pending._asdict()
    document["accounts"] = {str(code): asdict(account) for code, account in house.accounts.items()}
    return document
