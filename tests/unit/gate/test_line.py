"""The line of Clearinghouses: followed from anywhere in it, and only where both sides agree."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from gate_client.errors import ChainError, SuccessionError
from gate_client.line import Line, Links, Predecessor, find_line
from interline.domain import Domain

FIRST, SECOND, THIRD, STRANGER = (bytes([number]) * 20 for number in (1, 2, 3, 9))
REGISTRY, OTHER_REGISTRY = b"\x77" * 20, b"\x78" * 20
NONE = Links(None, None, None)


def domain(address: bytes) -> Domain:
    return Domain(1337, address)


@dataclass
class Contracts:
    """What is on chain: each Clearinghouse's links and registry."""

    links: dict[bytes, Links]
    registries: dict[bytes, bytes] = field(default_factory=dict)

    def at(self, address: bytes) -> FakeLinks:
        return FakeLinks(self, address)


@dataclass
class FakeLinks:
    contracts: Contracts
    clearinghouse: bytes

    def at(self, clearinghouse: bytes) -> FakeLinks:
        return FakeLinks(self.contracts, clearinghouse)

    def domain(self) -> Domain:
        if self.clearinghouse not in self.contracts.links:
            raise ChainError(f"there is no contract at 0x{self.clearinghouse.hex()}")
        return domain(self.clearinghouse)

    def registry(self) -> bytes:
        return self.contracts.registries.get(self.clearinghouse, REGISTRY)

    def links(self, block: int | None) -> Links:
        assert block == 7
        return self.contracts.links.get(self.clearinghouse, NONE)


@pytest.fixture
def contracts() -> Contracts:
    """Three in a line."""
    return Contracts(
        {
            FIRST: Links(None, SECOND, 1_000),
            SECOND: Links(FIRST, THIRD, 2_000),
            THIRD: Links(SECOND, None, None),
        }
    )


def test_one_that_is_alone_is_a_line(contracts: Contracts) -> None:
    contracts.links = {STRANGER: NONE}
    assert find_line(contracts.at(STRANGER), 7) == Line(domain(STRANGER))


@pytest.mark.parametrize("start", [FIRST, SECOND, THIRD], ids=["the first", "the middle one", "the newest"])
def test_the_whole_line_is_found_from_any_of_it(contracts: Contracts, start: bytes) -> None:
    before = (Predecessor(domain(SECOND), 2_000), Predecessor(domain(FIRST), 1_000))
    assert find_line(contracts.at(start), 7) == Line(domain(THIRD), before)


@pytest.mark.parametrize("claims", [None, THIRD, STRANGER], ids=["nobody", "itself", "another"])
def test_a_successor_that_names_another_predecessor_is_refused(contracts: Contracts, claims: bytes | None) -> None:
    contracts.links[THIRD] = replace(contracts.links[THIRD], predecessor=claims)
    with pytest.raises(SuccessionError, match=r"0x0202\w+ names 0x0303\w+ as its successor, which doesn't name it"):
        find_line(contracts.at(FIRST), 7)


@pytest.mark.parametrize("start", [SECOND, THIRD])
def test_one_with_another_registry_is_refused_whichever_way_it_is_met(contracts: Contracts, start: bytes) -> None:
    contracts.registries[THIRD] = OTHER_REGISTRY
    with pytest.raises(SuccessionError, match=r"its registry is 0x7878\w+, not 0x7777"):
        find_line(contracts.at(start), 7)


@pytest.mark.parametrize("named", [None, STRANGER], ids=["nobody", "another"])
def test_one_that_its_predecessor_has_not_named_is_refused(contracts: Contracts, named: bytes | None) -> None:
    """Anyone can put a contract on chain that says it takes over."""
    contracts.links[SECOND] = Links(FIRST, named, 5_000 if named else None)
    contracts.links[STRANGER] = NONE
    with pytest.raises(SuccessionError, match=r"takes over from 0x0202\w+, which has named"):
        find_line(contracts.at(THIRD), 7)


def test_a_successor_that_is_no_contract_is_refused(contracts: Contracts) -> None:
    del contracts.links[THIRD]
    with pytest.raises(ChainError, match="there is no contract at 0x0303"):
        find_line(contracts.at(FIRST), 7)


def test_a_circle_is_refused(contracts: Contracts) -> None:
    contracts.links = {FIRST: Links(SECOND, SECOND, 1), SECOND: Links(FIRST, FIRST, 2)}
    with pytest.raises(SuccessionError):
        find_line(contracts.at(FIRST), 7)


def test_a_line_continues_what_it_came_from_and_nothing_else() -> None:
    first, second = Line(domain(FIRST)), Line(domain(SECOND), (Predecessor(domain(FIRST), 1_000),))
    assert second.continues(first)
    assert second.continues(second)
    assert not first.continues(second)
    assert not second.continues(Line(domain(STRANGER)))
    assert (second.closes_at(domain(FIRST)), second.closes_at(domain(SECOND))) == (1_000, None)
