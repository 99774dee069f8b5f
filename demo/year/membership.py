"""How cities come in, and what they vote on: founders with the deployment, the others by vote at their date.

A newcomer's seat counts a week after it joined: cities that join on one day don't vote for each other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Final

from consortium.calls import encode_call
from demo.year.acts import Act, account
from demo.year.story import DAY, HOUR, NEW_KEY_CITY, NEW_KEY_FROM, OLD_KEY_UNTIL, Member, midnight
from interline.cities import NO_END
from interline.signatures import address_of, to_checksum
from interline.tariff import tariff_hash
from network.accounts import Role

FOUNDED_AT: Final = midnight(date(2018, 11, 26)) + 10 * HOUR
SET_UP_AT: Final = midnight(date(2018, 11, 27)) + 10 * HOUR
FUNDED_AT: Final = midnight(date(2018, 11, 30)) + 10 * HOUR
RESERVE: Final = 1_000
"""The reserve that is voted for, fen: small, so that it fits a year of any size."""
RESERVE_FROM: Final = midnight(date(2019, 3, 23)) + 10 * HOUR
SEAT_DELAY: Final = 7 * DAY
"""From a city's admission until its seat counts in votes, seconds."""
_UNLIMITED: Final = 2**256 - 1
_TARIFF: Final = "https://tariffs.interline.example/{}.zip"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A call that a city proposes; `approvals` of other cities follow (None: of all that vote), and its execution."""

    time: int
    proposer: Member
    contract: str
    data: bytes
    approvals: int | None
    executed_at: int | None


def votes(members: Sequence[Member], addresses: Mapping[str, str]) -> Iterator[Act]:
    """All votes of the year; `addresses` are those of the contracts, by name."""
    proposals = [_admission(members, member) for member in members if not member.founder]
    proposals += _others({member.name: member for member in members})
    for number, it in enumerate(sorted(proposals, key=lambda proposal: proposal.time), 1):
        admin = account(it.proposer, Role.ADMIN)
        call = (it.proposer.code, addresses[it.contract], it.data)
        yield Act(it.time, admin, "Consortium", "propose", call)
        for when, voter in islice(_voters(members, it), it.approvals):
            yield Act(when, account(voter, Role.ADMIN), "Consortium", "approve", (number, voter.code))
        if it.executed_at is not None:
            yield Act(it.executed_at, admin, "Consortium", "execute", (number,))


def set_up(member: Member, clearinghouse: str) -> Iterator[Act]:
    """What a city does once it is a member: keys, submitters, its tariff, and the Clearinghouse's allowance."""
    time = SET_UP_AT if member.founder else joined_at(member) + 300
    admin, file = account(member, Role.ADMIN), member.file
    for key in file.issuer_keys:
        call = (file.code, key.id, key.checksummed, key.valid_from, key.valid_until)
        yield Act(time, admin, "CityRegistry", "addIssuerKey", call)
    for address in file.submitters:
        yield Act(time, admin, "CityRegistry", "addSubmitter", (file.code, address))
    tariff = (file.code, _TARIFF.format(file.tariff.name), tariff_hash(file.tariff), 0)
    yield Act(time, admin, "CityRegistry", "publishTariff", tariff)
    allowance = (clearinghouse, _UNLIMITED)
    yield Act(time, account(member, Role.TREASURY), "SettlementToken", "approve", allowance)


def new_key(members: Sequence[Member]) -> Iterator[Act]:
    """One city signs with a second key from a day on, and ends the first one later."""
    member = next(member for member in members if member.name == NEW_KEY_CITY)
    admin, from_, until = account(member, Role.ADMIN), midnight(NEW_KEY_FROM), midnight(OLD_KEY_UNTIL)
    address = to_checksum(address_of(member.private_key(Role.SPARE_ISSUER_KEY)))
    added = (member.code, 2, address, from_, NO_END)
    yield Act(from_ - 7 * DAY + 10 * HOUR, admin, "CityRegistry", "addIssuerKey", added)
    yield Act(until - DAY + 10 * HOUR, admin, "CityRegistry", "endIssuerKey", (member.code, 1, until))


def joined_at(member: Member) -> int:
    """When a city's admission is carried out, Unix seconds."""
    return midnight(member.joined) + member.position * 600


def _voters(members: Sequence[Member], it: Proposal) -> Iterator[tuple[int, Member]]:
    """Who approves a proposal, and when: the members whose seats count by then, or before it is carried out."""
    for place, voter in enumerate(members, 1):
        votes_from = 0 if voter.founder else joined_at(voter) + SEAT_DELAY + HOUR
        if voter is not it.proposer and votes_from < (it.executed_at or it.time):
            yield max(it.time + place * 2 * HOUR, votes_from), voter


def _admission(members: Sequence[Member], member: Member) -> Proposal:
    file = member.file
    data = encode_call("CityRegistry", "admit", file.code, file.name, file.admin, file.treasury, file.recovery)
    proposed = midnight(member.joined) - 3 * DAY + 9 * HOUR + member.position * 60
    return Proposal(proposed, members[member.position % 3], "CityRegistry", data, None, joined_at(member))


def _others(by_name: Mapping[str, Member]) -> Iterator[Proposal]:
    """A reserve for the city that had run into arrears; and a higher limit of fares, which too few want."""
    reserve = encode_call("Clearinghouse", "setReserve", by_name["Ningbo"].code, RESERVE)
    yield Proposal(RESERVE_FROM - 8 * DAY, by_name["Hangzhou"], "Clearinghouse", reserve, None, RESERVE_FROM)
    fares = encode_call("Clearinghouse", "setParameters", (30_000, DAY, 30 * DAY, 30 * DAY, 10 * DAY, 500))
    at = midnight(date(2019, 9, 5)) + 10 * HOUR
    yield Proposal(at, by_name["Qingdao"], "Clearinghouse", fares, 2, None)
