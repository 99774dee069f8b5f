"""Making the trust list from the chain, all of it as of one block (protocol section 4)."""

from __future__ import annotations

import logging
from typing import Protocol

from gate_client.errors import ChainError, ChainUnavailableError, TrustListError
from gate_client.line import Line, LinkedChain, find_line
from gate_client.trust_list import CityStatus, EvidenceTimes, TrustedCity, TrustedTariff, TrustList
from interline.tariff import Tariff

_log = logging.getLogger(__name__)

ATTEMPTS = 3
OVERLAP = 1_000
"""Blocks before the old list's that are read again for revocations."""


class RegistryChain(LinkedChain, Protocol):
    """What a sync needs of a chain; :class:`gate_client.chain.Chain` is the real one."""

    def head_and_time(self) -> tuple[int, int]:
        """The newest block's number and time."""
        ...

    def cities(self, block: int) -> tuple[TrustedCity, ...]:
        """Every city and its keys."""
        ...

    def max_fare(self, block: int) -> int:
        """The highest fare that settles, in fen."""
        ...

    def registry_deployed_at(self) -> int:
        """The registry's first block with anything to read: those before the Clearinghouse's count, too."""
        ...

    def evidence_times(self, block: int) -> EvidenceTimes:
        """How long codes may be asked for."""
        ...

    def revoked(self, operator: int, from_block: int, to_block: int) -> frozenset[tuple[int, int]]:
        """The revocations in a range of blocks."""
        ...


def make_trust_list(chain: RegistryChain, operator: int, tariff: Tariff, old: TrustList | None) -> TrustList:
    """Read the chain at its newest block; revocations only since the old list, which holds those before.

    `chain` may be any Clearinghouse of the line: the list is the newest's, with those before it.

    Raises:
        ChainUnavailableError: the node doesn't answer.
        ChainError: there is no such Clearinghouse, or the node can't tell about its newest block.
        SuccessionError: the Clearinghouses of the line don't agree.
        TrustListError: the operator has never been a member.
    """
    chain.domain()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _read(chain, operator, tariff, old)
        except ChainUnavailableError:
            raise
        except ChainError:  # a node that prunes may have dropped the block in the meantime
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _read(start: RegistryChain, operator: int, tariff: Tariff, old: TrustList | None) -> TrustList:
    block, block_time = start.head_and_time()
    line = find_line(start, block)
    chain = start.at(line.domain.clearinghouse)
    cities = chain.cities(block)
    status = next((city.status for city in cities if city.code == operator), CityStatus.NONE)
    if status is CityStatus.NONE:
        members = ", ".join(str(city.code) for city in cities)
        raise TrustListError(
            f"operator {operator} has never been a member; the members are {members}. "
            f"Correct operator in gate.toml, or let the consortium admit the city first"
        )
    if status is not CityStatus.ACTIVE:
        _log.warning("operator %d is %s: its new rides will not be settled", operator, status.name.lower())
    trusted_tariff = _trusted_tariff(tariff)
    max_fare = chain.max_fare(block)
    if trusted_tariff.highest_fare > max_fare:
        _log.warning(
            "the tariff's highest fare, %d fen, is above the %d fen that the chain settles: rides will be rejected",
            trusted_tariff.highest_fare,
            max_fare,
        )
    since = first = chain.registry_deployed_at()
    known: frozenset[tuple[int, int]] = frozenset()
    if old is not None and _lends(old, line, operator, first) and old.block <= block:
        since, known = max(first, old.block - OVERLAP), old.revoked
    return TrustList(
        domain=line.domain,
        operator=operator,
        block=block,
        block_time=block_time,
        cities=cities,
        revoked=known | chain.revoked(operator, since, block),
        tariff=trusted_tariff,
        predecessors=line.predecessors,
        revoked_from=first,
        evidence_for=_evidence_for(chain, line, block, old),
    )


def _evidence_for(chain: RegistryChain, line: Line, block: int, old: TrustList | None) -> int:
    """The longest of all Clearinghouses; never less than before, for disputes keep the times they were opened with."""
    times = [chain.at(domain.clearinghouse).evidence_times(block).total for domain in line.domains]
    return max(*times, 0 if old is None else old.evidence_for or 0)


def _lends(old: TrustList, line: Line, operator: int, first: int) -> bool:
    """Does the old list hold all earlier revocations? They are the registry's, which a whole line shares."""
    return (
        line.continues(old.line)
        and old.operator == operator
        and old.revoked_from is not None
        and old.revoked_from <= first
    )


def _trusted_tariff(tariff: Tariff) -> TrustedTariff:
    return TrustedTariff(
        digest=tariff.digest.hex(),
        highest_fare=tariff.highest_fare,
        stations=tuple(station.number for station in tariff.stations),
    )
