"""Making the trust list from the chain, all of it as of one block (protocol section 4)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Protocol

from gate_client.errors import ChainError, ChainUnavailableError, SuccessionError, TrustListError
from gate_client.line import Line, LinkedChain, find_line
from gate_client.terms import TermSets
from gate_client.trust_list import CityStatus, Owing, TrustedCity, TrustedTariff, TrustList
from interline.signatures import to_checksum
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

    def terms(self, block: int | None) -> TermSets:
        """Its parameters."""
        ...

    def owing_cities(self, creditor: int) -> list[Owing]:
        """The cities that owe this one arrears."""
        ...

    def registry_deployed_at(self) -> int:
        """The registry's first block with anything to read: those before the Clearinghouse's count, too."""
        ...

    def revoked(self, operator: int, from_block: int, to_block: int) -> frozenset[tuple[int, int]]:
        """The revocations in a range of blocks."""
        ...


def make_trust_list(chain: RegistryChain, operator: int, tariff: Tariff, old: TrustList | None) -> TrustList:
    """Read the chain at its newest block; revocations only since the old list, which holds those before.

    `chain` may be any Clearinghouse of the line: the list is the newest's, with those before it. A successor that was
    named and can't be used doesn't keep it from being made: gates go on with the one that named it until that closes.

    Raises:
        ChainUnavailableError: the node doesn't answer.
        ChainError: there is no such Clearinghouse, or the node can't tell about its newest block.
        SuccessionError: the Clearinghouses of the line don't agree; or the newest of the old list, which has taken
            over, can't be used now.
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
    line = find_line(start, block, None if old is None else old.line)
    if old is not None:
        _check_newest(line, old, block_time)
        line = line.after(old.line)
        _tell_called_off(line, old)
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
    terms = {domain: chain.at(domain.clearinghouse).terms(block) for domain in line.domains}
    _check_fares(trusted_tariff.highest_fare, terms[line.domain])
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
        evidence_for=_evidence_for(terms.values(), old),
        grace=min(one.grace for one in terms.values()),
        ends=line.ends,
        problem=line.problem,
        called_off=line.called_off,
        owing=tuple(_owing(chain, line, operator)),
    )


def _check_newest(line: Line, old: TrustList, block_time: int) -> None:
    """The old list is better than a new one without the Clearinghouse that has taken over."""
    closed = line.ends is not None and line.ends <= block_time
    if closed and line.domain in old.line.domains[1:]:
        raise SuccessionError(f"{line.problem}; the old list stays, run sync again")


def _tell_called_off(line: Line, old: TrustList) -> None:
    for domain in line.called_off:
        if domain in old.line.domains:
            _log.warning(
                "Clearinghouse %s is in the line no more: its tickets are refused from now on, and tickets of %s count",
                to_checksum(domain.clearinghouse),
                to_checksum(line.domain.clearinghouse),
            )


def _check_fares(highest: int, terms: TermSets) -> None:
    if highest > terms.in_force.max_fare:
        _log.warning(
            "the tariff's highest fare, %d fen, is above the %d fen that the chain settles: rides will be rejected",
            highest,
            terms.in_force.max_fare,
        )
    elif terms.coming is not None and highest > terms.coming.max_fare:
        _log.warning(
            "the tariff's highest fare, %d fen, is above the %d fen that the chain settles of rides that end from %d "
            "on (Unix seconds): they will be rejected",
            highest,
            terms.coming.max_fare,
            terms.valid_from,
        )


def _evidence_for(terms: Iterable[TermSets], old: TrustList | None) -> int:
    """The longest of all Clearinghouses; never less than before, for disputes keep the times they were opened with."""
    return max(0 if old is None else old.evidence_for or 0, *(one.evidence_for for one in terms))


def _owing(chain: RegistryChain, line: Line, operator: int) -> Iterator[Owing]:
    """What others owe the operator, as far as it can be read: no list fails for that."""
    for domain in (*line.domains, *line.called_off):
        try:
            yield from chain.at(domain.clearinghouse).owing_cities(operator)
        except ChainUnavailableError:
            raise
        except ChainError as error:
            _log.warning("arrears in %s can't be read: %s", to_checksum(domain.clearinghouse), error)


def _lends(old: TrustList, line: Line, operator: int, first: int) -> bool:
    """Does the old list hold all earlier revocations? They are the registry's, which a whole line shares."""
    return (
        line.meets(old.line) and old.operator == operator and old.revoked_from is not None and old.revoked_from <= first
    )


def _trusted_tariff(tariff: Tariff) -> TrustedTariff:
    return TrustedTariff(
        digest=tariff.digest.hex(),
        highest_fare=tariff.highest_fare,
        stations=tuple(station.number for station in tariff.stations),
    )
