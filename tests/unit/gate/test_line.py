"""The line of Clearinghouses: followed from anywhere in it, and only where both sides agree."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import pytest

from gate_client.errors import ChainError, ChainUnavailableError, SuccessionError
from gate_client.line import LONGEST, Line, Links, Predecessor, find_line
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
    lacking: set[bytes] = field(default_factory=set)
    """Those that don't answer all that is asked of a Clearinghouse."""
    silent: set[bytes] = field(default_factory=set)
    """Those at which a call takes longer than anybody waits."""
    last: bytes = b""
    """The one with whose first call the node goes away."""

    def at(self, address: bytes) -> FakeLinks:
        return FakeLinks(self, address)


@dataclass
class FakeLinks:
    contracts: Contracts
    clearinghouse: bytes

    def at(self, clearinghouse: bytes) -> FakeLinks:
        return FakeLinks(self.contracts, clearinghouse)

    def domain(self) -> Domain:
        if self.clearinghouse == self.contracts.last:
            self.contracts.silent |= self.contracts.links.keys()
        if self.clearinghouse in self.contracts.silent:
            raise ChainUnavailableError("the node doesn't answer (ReadTimeout)")
        if self.clearinghouse not in self.contracts.links:
            raise ChainError(f"there is no contract at 0x{self.clearinghouse.hex()}")
        return domain(self.clearinghouse)

    def registry(self) -> bytes:
        return self.contracts.registries.get(self.clearinghouse, REGISTRY)

    def links(self, block: int | None) -> Links:
        assert block == 7
        if self.clearinghouse in self.contracts.silent:
            raise ChainUnavailableError("the node doesn't answer (ReadTimeout)")
        return self.contracts.links.get(self.clearinghouse, NONE)

    def require_answers(self, block: int | None) -> None:
        assert block == 7
        if self.clearinghouse in self.contracts.lacking:
            raise ChainError("execution reverted: maxFare()")


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


class TestASuccessorThatCanNotBeUsed:
    """Whatever a vote named, gates go on with the one that named it, until that closes."""

    UNTIL_SECOND = Line(domain(SECOND), (Predecessor(domain(FIRST), 1_000),), ends=2_000)

    def found(self, contracts: Contracts, start: bytes = FIRST) -> Line:
        return find_line(contracts.at(start), 7)

    @pytest.mark.parametrize("claims", [None, THIRD, STRANGER], ids=["nobody", "itself", "another"])
    def test_one_that_names_another_predecessor(
        self, contracts: Contracts, claims: bytes | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        contracts.links[THIRD] = replace(contracts.links[THIRD], predecessor=claims)
        line = self.found(contracts)
        assert line == self.UNTIL_SECOND
        assert line.problem is not None
        assert re.search(
            r"0x0202\w+ names 0x0303\w+ as its successor, which can't be used: it doesn't name it", caplog.text
        )

    def test_one_with_another_registry(self, contracts: Contracts) -> None:
        contracts.registries[THIRD] = OTHER_REGISTRY
        line = self.found(contracts, SECOND)
        assert line == self.UNTIL_SECOND
        assert re.search(r"its registry is 0x7878\w+, not 0x7777", line.problem or "")

    def test_one_that_is_no_contract(self, contracts: Contracts) -> None:
        del contracts.links[THIRD]
        line = self.found(contracts)
        assert line == self.UNTIL_SECOND
        assert "there is no contract at 0x0303" in (line.problem or "")

    def test_one_that_has_but_three_getters(self, contracts: Contracts) -> None:
        contracts.lacking.add(THIRD)
        line = self.found(contracts)
        assert line == self.UNTIL_SECOND
        assert "execution reverted: maxFare()" in (line.problem or "")

    def test_one_that_keeps_the_node_busy(self, contracts: Contracts) -> None:
        contracts.silent.add(THIRD)
        assert self.found(contracts) == self.UNTIL_SECOND

    def test_a_node_that_is_away_is_no_fault_of_the_successor(self, contracts: Contracts) -> None:
        contracts.last = THIRD
        with pytest.raises(ChainUnavailableError):
            self.found(contracts)

    def test_one_that_leads_back(self, contracts: Contracts) -> None:
        contracts.links[THIRD] = Links(SECOND, SECOND, 3_000)
        line = self.found(contracts)
        assert (line.domain, line.ends) == (domain(THIRD), 3_000)
        assert "lead back" in (line.problem or "")

    def test_successors_without_end_end(self, contracts: Contracts) -> None:
        many = [number.to_bytes(20, "big") for number in range(1, 200)]
        for place, address in enumerate(many[:-1]):
            contracts.links[address] = Links(many[place - 1] if place else None, many[place + 1], 1_000 + place)
        line = self.found(contracts, many[0])
        assert len(line.domains) == LONGEST
        assert "never end" in (line.problem or "")

    def test_one_that_the_predecessor_of_a_good_one_did_not_name_is_still_refused(self, contracts: Contracts) -> None:
        contracts.registries[THIRD] = OTHER_REGISTRY
        with pytest.raises(SuccessionError, match=r"its registry is 0x7878\w+, not 0x7777"):
            self.found(contracts, THIRD)


class TestOneThatWasCalledOff:
    KNOWN = Line(domain(THIRD), (Predecessor(domain(SECOND), 2_000), Predecessor(domain(FIRST), 1_000)))

    @pytest.fixture
    def called_off(self, contracts: Contracts) -> Contracts:
        """The second has named nobody any more."""
        contracts.links[SECOND] = Links(FIRST, None, None)
        return contracts

    def test_the_line_ends_before_it(self, called_off: Contracts) -> None:
        line = find_line(called_off.at(FIRST), 7).after(self.KNOWN)
        assert line == Line(domain(SECOND), (Predecessor(domain(FIRST), 1_000),), called_off=(domain(THIRD),))

    def test_settings_that_name_it_lead_to_the_one_before(
        self, called_off: Contracts, caplog: pytest.LogCaptureFixture
    ) -> None:
        line = find_line(called_off.at(THIRD), 7, self.KNOWN)
        assert line.domain == domain(SECOND)
        assert re.search(r"put 0x0202\w+ into gate.toml", caplog.text)
        again = find_line(called_off.at(THIRD), 7, line.after(self.KNOWN))
        assert again.domain == domain(SECOND)

    def test_settings_that_name_one_that_never_was_in_the_line_are_refused(self, called_off: Contracts) -> None:
        with pytest.raises(SuccessionError, match="which has named nobody"):
            find_line(called_off.at(THIRD), 7, Line(domain(SECOND), (Predecessor(domain(FIRST), 1_000),)))

    def test_another_takes_its_place(self, called_off: Contracts) -> None:
        called_off.links[SECOND] = Links(FIRST, STRANGER, 3_000)
        called_off.links[STRANGER] = Links(SECOND, None, None)
        line = find_line(called_off.at(FIRST), 7).after(self.KNOWN)
        assert line.domains == (domain(STRANGER), domain(SECOND), domain(FIRST))
        assert line.called_off == (domain(THIRD),)
        assert line.meets(self.KNOWN)

    def test_one_that_is_named_again_is_back(self, contracts: Contracts) -> None:
        before = Line(domain(SECOND), (Predecessor(domain(FIRST), 1_000),), called_off=(domain(THIRD),))
        assert find_line(contracts.at(FIRST), 7).after(before) == self.KNOWN


@pytest.mark.parametrize("named", [None, STRANGER], ids=["nobody", "another"])
def test_one_that_its_predecessor_has_not_named_is_refused(contracts: Contracts, named: bytes | None) -> None:
    """Anyone can put a contract on chain that says it takes over."""
    contracts.links[SECOND] = Links(FIRST, named, 5_000 if named else None)
    contracts.links[STRANGER] = NONE
    with pytest.raises(SuccessionError, match=r"takes over from 0x0202\w+, which has named"):
        find_line(contracts.at(THIRD), 7)


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
