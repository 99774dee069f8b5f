"""The line of Clearinghouses: each is named as successor by the one before it (end of protocol section 7).

A ride settles where its ticket was signed for. So a gate, its journal and `submit` know the newest Clearinghouse and
all that came before it, wherever in the line `gate.toml` points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

from gate_client.errors import SuccessionError
from interline.domain import Domain
from interline.signatures import to_checksum


@dataclass(frozen=True, slots=True)
class Predecessor:
    """A Clearinghouse that has a successor: for it, every issuer key ends at `closes_at` (Unix seconds)."""

    domain: Domain
    closes_at: int


@dataclass(frozen=True, slots=True)
class Line:
    """The newest Clearinghouse's domain, and those before it, the nearest first."""

    domain: Domain
    predecessors: tuple[Predecessor, ...] = ()

    @property
    def domains(self) -> tuple[Domain, ...]:
        """Every domain of the line, the newest first."""
        return (self.domain, *(predecessor.domain for predecessor in self.predecessors))

    def closes_at(self, domain: Domain) -> int | None:
        """When a domain closes or closed, Unix seconds; None for the newest, and for one that isn't in the line."""
        return next((each.closes_at for each in self.predecessors if each.domain == domain), None)

    def continues(self, other: Line) -> bool:
        """Is this the same line, come as far or further? Then it holds the newest domain of `other`."""
        return other.domain in self.domains


def predecessor_documents(line: Line) -> list[dict[str, object]]:
    """The predecessors as files and programs have them."""
    return [
        {"clearinghouse": to_checksum(before.domain.clearinghouse), "closes_at": before.closes_at}
        for before in line.predecessors
    ]


@dataclass(frozen=True, slots=True)
class Links:
    """What a Clearinghouse says of its neighbours: addresses (20 bytes), None where there is none.

    `closes_at` is in Unix seconds, None as long as there is no successor.
    """

    predecessor: bytes | None
    successor: bytes | None
    closes_at: int | None


class LinkedChain(Protocol):
    """A Clearinghouse and its neighbours; :class:`gate_client.chain.Chain` is the real one."""

    clearinghouse: bytes

    def at(self, clearinghouse: bytes) -> Self:
        """Another Clearinghouse on the same chain."""
        ...

    def domain(self) -> Domain:
        """The Clearinghouse's domain, checked."""
        ...

    def registry(self) -> bytes:
        """Its registry's address."""
        ...

    def links(self, block: int | None) -> Links:
        """Its neighbours, as of a block; None for the newest."""
        ...


AnyChain = TypeVar("AnyChain", bound=LinkedChain)


def find_line(chain: AnyChain, block: int | None = None) -> Line:
    """The line that a Clearinghouse belongs to, from any of its members, as of a block (None: the newest).

    Each step must be confirmed from the other side: a successor names the one that named it, has the same registry, and
    a predecessor has named the one that names it. Otherwise anyone could put a contract into the line.

    Raises:
        SuccessionError: a step isn't confirmed.
        ChainUnavailableError: the node doesn't answer.
        ChainError: a neighbour is no Clearinghouse.
    """
    later = list(_later(chain, block))
    newest = later[-1][0] if later else chain
    before = [(named_by, closes_at) for _, named_by, closes_at in reversed(later)]
    before += _earlier(chain, block)
    return Line(newest.domain(), tuple(Predecessor(each.domain(), closes_at) for each, closes_at in before))


def _later(chain: AnyChain, block: int | None) -> Iterator[tuple[AnyChain, AnyChain, int]]:
    """Each successor with the one that named it and when that closes."""
    seen = {chain.clearinghouse}
    while True:
        links = chain.links(block)
        if links.successor is None or links.closes_at is None:
            return
        successor = chain.at(links.successor)
        successor.domain()
        if successor.links(block).predecessor != chain.clearinghouse or successor.clearinghouse in seen:
            raise SuccessionError(
                f"{to_checksum(chain.clearinghouse)} names {to_checksum(successor.clearinghouse)} as its successor, "
                f"which doesn't name it as its predecessor; nothing is changed, ask the consortium"
            )
        _check_registry(chain, successor)
        seen.add(successor.clearinghouse)
        yield successor, chain, links.closes_at
        chain = successor


def _earlier(chain: AnyChain, block: int | None) -> Iterator[tuple[AnyChain, int]]:
    """Each predecessor and when it closes, the nearest first."""
    while True:
        address = chain.links(block).predecessor
        if address is None:
            return
        before = chain.at(address)
        before.domain()
        links = before.links(block)
        if links.successor != chain.clearinghouse or links.closes_at is None:
            raise SuccessionError(
                f"{to_checksum(chain.clearinghouse)} says that it takes over from {to_checksum(address)}, which has "
                f"named {'nobody' if links.successor is None else to_checksum(links.successor)}; until it does, "
                f"put {to_checksum(address)} into gate.toml: sync follows from there"
            )
        _check_registry(before, chain)
        yield before, links.closes_at
        chain = before


def _check_registry(before: LinkedChain, after: LinkedChain) -> None:
    if before.registry() != after.registry():
        raise SuccessionError(
            f"{to_checksum(after.clearinghouse)} follows {to_checksum(before.clearinghouse)}, but its registry is "
            f"{to_checksum(after.registry())}, not {to_checksum(before.registry())}; nothing is changed, "
            f"ask the consortium"
        )
