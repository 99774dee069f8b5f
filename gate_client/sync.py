"""Making the trust list from the chain, all of it as of one block (protocol section 4)."""

from __future__ import annotations

import logging
from typing import Protocol

from gate_client.errors import ChainError, ChainUnavailableError, TrustListError
from gate_client.trust_list import CityStatus, TrustedCity, TrustedTariff, TrustList
from interline.domain import Domain
from interline.tariff import Tariff

_log = logging.getLogger(__name__)

ATTEMPTS = 3
OVERLAP = 1_000
"""Blocks before the old list's that are read again for revocations."""


class RegistryChain(Protocol):
    """What a sync needs of a chain; :class:`gate_client.chain.Chain` is the real one."""

    def domain(self) -> Domain:
        """The Clearinghouse's domain, checked."""
        ...

    def head_and_time(self) -> tuple[int, int]:
        """The newest block's number and time."""
        ...

    def cities(self, block: int) -> tuple[TrustedCity, ...]:
        """Every city and its keys."""
        ...

    def max_fare(self, block: int) -> int:
        """The highest fare that settles, in fen."""
        ...

    def deployed_at(self) -> int:
        """The first block with anything to read."""
        ...

    def revoked(self, operator: int, from_block: int, to_block: int) -> frozenset[tuple[int, int]]:
        """The revocations in a range of blocks."""
        ...


def make_trust_list(chain: RegistryChain, operator: int, tariff: Tariff, old: TrustList | None) -> TrustList:
    """Read the chain at its newest block; revocations only since the old list, which holds those before.

    Raises:
        ChainUnavailableError: the node doesn't answer.
        ChainError: there is no such Clearinghouse, or the node can't tell about its newest block.
        TrustListError: the operator has never been a member.
    """
    domain = chain.domain()
    if old is not None and (old.domain != domain or old.operator != operator):
        old = None
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _read(chain, domain, operator, tariff, old)
        except ChainUnavailableError:
            raise
        except ChainError:  # a node that prunes may have dropped the block in the meantime
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _read(chain: RegistryChain, domain: Domain, operator: int, tariff: Tariff, old: TrustList | None) -> TrustList:
    block, block_time = chain.head_and_time()
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
    since = chain.deployed_at()
    known: frozenset[tuple[int, int]] = frozenset()
    if old is not None and old.block <= block:
        since, known = max(since, old.block - OVERLAP), old.revoked
    revoked = known | chain.revoked(operator, since, block)
    return TrustList(domain, operator, block, block_time, cities, revoked, trusted_tariff)


def _trusted_tariff(tariff: Tariff) -> TrustedTariff:
    return TrustedTariff(
        digest=tariff.digest.hex(),
        highest_fare=tariff.highest_fare,
        stations=tuple(station.number for station in tariff.stations),
    )
