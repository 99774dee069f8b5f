"""The line of Clearinghouses: each is named as successor by the one before it (end of protocol section 7).

A ride settles where its ticket was signed for. So a gate, its journal and `submit` know the newest Clearinghouse and
all that came before it, wherever in the line `gate.toml` points.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Protocol, Self, TypeVar

from gate_client.errors import ChainError, GateError, SuccessionError
from interline.domain import Domain
from interline.signatures import to_checksum

_log = logging.getLogger(__name__)

LONGEST: Final = 100
"""More Clearinghouses than one line will ever have."""


@dataclass(frozen=True, slots=True)
class Predecessor:
    """A Clearinghouse that has a successor: for it, every issuer key ends at `closes_at` (Unix seconds)."""

    domain: Domain
    closes_at: int


@dataclass(frozen=True, slots=True)
class Line:
    """The newest Clearinghouse's domain, and those before it, the nearest first.

    `ends` is when the newest closes (Unix seconds), although it has no successor that can be used: `problem` says what
    is wrong with the one that was named. `called_off` are domains that were of the line, and that it was voted or found
    not to go on with: their tickets don't count any more, but rides that were carried on them are still settled there.
    """

    domain: Domain
    predecessors: tuple[Predecessor, ...] = ()
    ends: int | None = None
    problem: str | None = field(default=None, compare=False)
    called_off: tuple[Domain, ...] = ()

    @property
    def domains(self) -> tuple[Domain, ...]:
        """Every domain of the line, the newest first."""
        return (self.domain, *(predecessor.domain for predecessor in self.predecessors))

    def closes_at(self, domain: Domain) -> int | None:
        """When a domain closes or closed, Unix seconds; None if it doesn't, and for one that isn't in the line."""
        if domain == self.domain:
            return self.ends
        return next((each.closes_at for each in self.predecessors if each.domain == domain), None)

    def continues(self, other: Line) -> bool:
        """Is this the same line, come as far or further? Then it holds the newest domain of `other`."""
        return other.domain in self.domains

    def meets(self, other: Line) -> bool:
        """Have the two a domain in common? Then they are one line, of which one may have lost its end: a successor that
        was called off, or replaced by another."""
        return not set(self.domains).isdisjoint(other.domains)

    def without(self, off: Iterable[Domain]) -> Line | None:
        """The line as it was before these came into it; None if nothing of it is left."""
        lost = set(off)
        left = [domain for domain in self.domains if domain not in lost]
        if not left:
            return None
        at = self.domains.index(left[0])
        if not at:
            return self
        before = tuple(each for each in self.predecessors[at:] if each.domain not in lost)
        return Line(left[0], before, called_off=self.called_off)

    def after(self, known: Line) -> Line:
        """This line, with all that `known` had at its end and this one hasn't, or had called off before, called off."""
        at = next((place for place, domain in enumerate(known.domains) if domain in self.domains), 0)
        lost = (*known.called_off, *known.domains[:at], *self.called_off)
        off = tuple(dict.fromkeys(domain for domain in lost if domain not in self.domains))
        return replace(self, called_off=off)


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

    def require_answers(self, block: int | None) -> None:
        """Ask it for all that gates and submitters ask a Clearinghouse for; ChainError where an answer is missing."""
        ...


AnyChain = TypeVar("AnyChain", bound=LinkedChain)


def find_line(chain: AnyChain, block: int | None = None, known: Line | None = None) -> Line:
    """The line that a Clearinghouse belongs to, from any of its members, as of a block (None: the newest).

    Each step must be confirmed from the other side: a successor names the one that named it, has the same registry, and
    a predecessor has named the one that names it. Otherwise anyone could put a contract into the line. A successor that
    doesn't, or that doesn't answer as a Clearinghouse, isn't in the line: it ends with the one that named it, and says
    why. Where the member itself was called off, its predecessor is asked, if `known` has it.

    Raises:
        SuccessionError: a predecessor doesn't confirm a step.
        ChainUnavailableError: the node doesn't answer.
        ChainError: a predecessor is no Clearinghouse.
    """
    try:
        line = _found(chain, block)
    except SuccessionError as error:
        before = _before(chain, known)
        if before is None:
            raise
        line = _found(before, block)
        _log.warning("%s; the gate goes on with %s", error, to_checksum(before.clearinghouse))
    if line.problem is not None:
        _log.warning("%s", line.problem)
    return line


def _found(chain: AnyChain, block: int | None) -> Line:
    later: list[tuple[AnyChain, AnyChain, int]] = []
    ends = problem = None
    before = list(_earlier(chain, block))
    try:
        for step in _later(chain, block):
            later.append(step)
    except _UnfitError as unfit:
        ends, problem = unfit.closes_at, str(unfit)
    newest = later[-1][0] if later else chain
    named = [(named_by, closes_at) for _, named_by, closes_at in reversed(later)]
    predecessors = tuple(Predecessor(each.domain(), closes_at) for each, closes_at in [*named, *before])
    return Line(newest.domain(), predecessors, ends, problem)


def _before(chain: AnyChain, known: Line | None) -> AnyChain | None:
    """The nearest predecessor that a member had when it was in the line; None if it isn't known to have had one."""
    if known is None:
        return None
    addresses = [domain.clearinghouse for domain in known.domains]
    off = [domain.clearinghouse for domain in known.called_off]
    if chain.clearinghouse in off:
        return chain.at(addresses[0])
    if chain.clearinghouse not in addresses[:-1]:
        return None
    return chain.at(addresses[addresses.index(chain.clearinghouse) + 1])


class _UnfitError(GateError):
    """A successor that was named can't be used; `closes_at` is when the one that named it closes all the same."""

    def __init__(self, named_by: bytes, successor: bytes, closes_at: int, problem: str) -> None:
        super().__init__(
            f"{to_checksum(named_by)} names {to_checksum(successor)} as its successor, which can't be used: {problem}; "
            f"gates go on with {to_checksum(named_by)} until {closes_at} (Unix seconds): ask the consortium to call it "
            f"off or to name another before that"
        )
        self.closes_at = closes_at


def _later(chain: AnyChain, block: int | None) -> Iterator[tuple[AnyChain, AnyChain, int]]:
    """Each successor with the one that named it and when that closes.

    Raises:
        _UnfitError: one that can't be used.
    """
    seen = {chain.clearinghouse}
    while True:
        links = chain.links(block)
        if links.successor is None or links.closes_at is None:
            return
        successor = chain.at(links.successor)
        problem = _problem(chain, successor, seen, block)
        if problem is not None:
            raise _UnfitError(chain.clearinghouse, successor.clearinghouse, links.closes_at, problem)
        seen.add(successor.clearinghouse)
        yield successor, chain, links.closes_at
        chain = successor


def _problem(chain: LinkedChain, successor: LinkedChain, seen: set[bytes], block: int | None) -> str | None:
    """What keeps a successor from being used; None if nothing does. It may be any contract, and say anything."""
    try:
        successor.domain()
        if successor.clearinghouse in seen or len(seen) >= LONGEST:
            return "the successors lead back to where they began, or never end"
        if successor.links(block).predecessor != chain.clearinghouse:
            return "it doesn't name it as its predecessor"
        if successor.registry() != chain.registry():
            return f"its registry is {to_checksum(successor.registry())}, not {to_checksum(chain.registry())}"
        successor.require_answers(block)
    except ChainError as error:
        chain.links(block)  # if this fails as well, it is the node
        return str(error)
    return None


def _earlier(chain: AnyChain, block: int | None) -> Iterator[tuple[AnyChain, int]]:
    """Each predecessor and when it closes, the nearest first."""
    seen = {chain.clearinghouse}
    while True:
        address = chain.links(block).predecessor
        if address is None:
            return
        before = chain.at(address)
        before.domain()
        links = before.links(block)
        if links.successor != chain.clearinghouse or links.closes_at is None or address in seen:
            raise SuccessionError(
                f"{to_checksum(chain.clearinghouse)} says that it takes over from {to_checksum(address)}, which has "
                f"named {'nobody' if links.successor is None else to_checksum(links.successor)}; until it does, "
                f"put {to_checksum(address)} into gate.toml: sync follows from there"
            )
        if before.registry() != chain.registry():
            raise SuccessionError(
                f"{to_checksum(chain.clearinghouse)} follows {to_checksum(address)}, but its registry is "
                f"{to_checksum(chain.registry())}, not {to_checksum(before.registry())}; nothing is changed, "
                f"ask the consortium"
            )
        seen.add(address)
        yield before, links.closes_at
        chain = before
