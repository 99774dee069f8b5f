"""Making the trust list: all as of one block, and never for a city that isn't there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from gate_client.errors import ChainError, ChainUnavailableError, SuccessionError, TrustListError
from gate_client.line import Links, Predecessor
from gate_client.sync import OVERLAP, make_trust_list
from gate_client.terms import DELAYED_BY_STOPS, EvidenceTimes, Terms, TermSets
from gate_client.trust_list import CityStatus, Owing, TrustedCity, TrustList
from interline.domain import Domain
from interline.tariff import Tariff
from tests.unit.gate.conftest import NOW

TIMES = EvidenceTimes(submission=20 * 86_400, dispute=7 * 86_400, answer=3 * 86_400)
TERMS = Terms(max_fare=20_000, grace=86_400, times=TIMES)


@dataclass
class FakeRegistry:
    """A registry whose state, as of `block`, is a trust list."""

    state: TrustList
    deployed: int = 3
    now: Terms = TERMS
    failures: list[Exception] = field(default_factory=list)
    asked: list[tuple[int, int, int]] = field(default_factory=list)
    start: Domain | None = None
    coming: Terms | None = None
    owing: list[Owing] = field(default_factory=list)
    problem: ChainError | None = None
    """What the named successor answers with."""

    @property
    def clearinghouse(self) -> bytes:
        return self.domain().clearinghouse

    def at(self, clearinghouse: bytes) -> FakeRegistry:
        return replace(self, start=Domain(self.state.domain.chain_id, clearinghouse))

    def domain(self) -> Domain:
        return self.start or self.state.domain

    def registry(self) -> bytes:
        return bytes(20)

    def links(self, block: int | None) -> Links:
        assert block == self.state.block
        addresses: list[bytes | None] = [None, *(each.clearinghouse for each in self.state.line.domains), None]
        place = addresses.index(self.clearinghouse)
        return Links(addresses[place + 1], addresses[place - 1], self.state.line.closes_at(self.domain()))

    def head_and_time(self) -> tuple[int, int]:
        return self.state.block, self.state.block_time

    def cities(self, block: int) -> tuple[TrustedCity, ...]:
        if self.failures:
            raise self.failures.pop(0)
        assert block == self.state.block
        return self.state.cities

    def terms(self, block: int | None) -> TermSets:
        assert block == self.state.block
        return TermSets(self.now, coming=self.coming, valid_from=NOW + 3_600 if self.coming else 0)

    def owing_cities(self, creditor: int) -> list[Owing]:
        return self.owing

    def require_answers(self, block: int | None) -> None:
        if self.problem is not None:
            raise self.problem

    def registry_deployed_at(self) -> int:
        return self.deployed

    def revoked(self, operator: int, from_block: int, to_block: int) -> frozenset[tuple[int, int]]:
        self.asked.append((operator, from_block, to_block))
        return self.state.revoked


@pytest.fixture
def registry(trust: TrustList) -> FakeRegistry:
    known = {"revoked_from": 3, "evidence_for": TIMES.total, "grace": 86_400}
    return FakeRegistry(replace(trust, block=50_000, revoked=frozenset({(3100, 9)}), **known))


def test_the_list_is_what_the_chain_says_at_its_newest_block(registry: FakeRegistry, hangzhou_tariff: Tariff) -> None:
    assert make_trust_list(registry, 3301, hangzhou_tariff, None) == registry.state
    assert registry.asked == [(3301, 3, 50_000)]


def test_revocations_are_read_from_where_the_old_list_ended(
    registry: FakeRegistry, trust: TrustList, hangzhou_tariff: Tariff
) -> None:
    old = replace(trust, block=40_000, revoked_from=3, revoked=frozenset({(3203, 4)}))
    new = make_trust_list(registry, 3301, hangzhou_tariff, old)
    assert new.revoked == {(3203, 4), (3100, 9)}
    assert registry.asked == [(3301, 40_000 - OVERLAP, 50_000)]


def test_an_old_list_of_another_domain_lends_nothing(
    registry: FakeRegistry, trust: TrustList, hangzhou_tariff: Tariff
) -> None:
    old = replace(trust, domain=Domain(1, bytes(20)), revoked_from=3, revoked=frozenset({(3203, 4)}))
    assert make_trust_list(registry, 3301, hangzhou_tariff, old).revoked == {(3100, 9)}
    assert registry.asked == [(3301, 3, 50_000)]


class TestHowLongEvidenceIsKept:
    def test_it_is_the_sum_of_all_times_and_of_what_stops_may_delay(self) -> None:
        assert TIMES.total == 30 * 86_400 + DELAYED_BY_STOPS

    @pytest.mark.parametrize("days", [1, -1])
    def test_it_never_gets_shorter_for_disputes_keep_the_times_they_were_opened_with(
        self, registry: FakeRegistry, trust: TrustList, hangzhou_tariff: Tariff, days: int
    ) -> None:
        before = TIMES.total + days * 86_400
        new = make_trust_list(registry, 3301, hangzhou_tariff, replace(trust, evidence_for=before))
        assert new.evidence_for == max(before, TIMES.total)


class TestSuccession:
    """The registry is one for all Clearinghouses: so are its revocations."""

    NEW = Domain(1337, b"\x02" * 20)

    @pytest.fixture
    def succeeded(self, registry: FakeRegistry, trust: TrustList) -> FakeRegistry:
        """The predecessor, after its successor was named."""
        before = (Predecessor(trust.domain, NOW + 86_400),)
        registry.state = replace(registry.state, domain=self.NEW, predecessors=before)
        registry.start = trust.domain
        return registry

    def test_the_list_is_the_newests_whichever_is_asked(self, succeeded: FakeRegistry, hangzhou_tariff: Tariff) -> None:
        assert make_trust_list(succeeded, 3301, hangzhou_tariff, None) == succeeded.state
        succeeded.start = self.NEW
        assert make_trust_list(succeeded, 3301, hangzhou_tariff, None) == succeeded.state

    def test_revocations_are_read_from_the_registrys_first_block_on(
        self, succeeded: FakeRegistry, hangzhou_tariff: Tariff
    ) -> None:
        make_trust_list(succeeded, 3301, hangzhou_tariff, None)
        assert succeeded.asked == [(3301, 3, 50_000)]

    def test_the_predecessors_list_lends_its_revocations(
        self, succeeded: FakeRegistry, trust: TrustList, hangzhou_tariff: Tariff
    ) -> None:
        old = replace(trust, block=40_000, revoked=frozenset({(3203, 4)}), revoked_from=3)
        assert make_trust_list(succeeded, 3301, hangzhou_tariff, old).revoked == {(3203, 4), (3100, 9)}
        assert succeeded.asked == [(3301, 40_000 - OVERLAP, 50_000)]

    @pytest.mark.parametrize("since", [None, 4], ids=["of the version before", "read from too late on"])
    def test_a_list_that_may_lack_some_lends_none(
        self, registry: FakeRegistry, trust: TrustList, hangzhou_tariff: Tariff, since: int | None
    ) -> None:
        old = replace(trust, block=40_000, revoked=frozenset({(3203, 4)}), revoked_from=since)
        assert make_trust_list(registry, 3301, hangzhou_tariff, old).revoked == {(3100, 9)}
        assert registry.asked == [(3301, 3, 50_000)]


@pytest.mark.parametrize("status", [None, CityStatus.NONE])
def test_an_operator_that_was_never_a_member_gets_no_list(
    registry: FakeRegistry, hangzhou_tariff: Tariff, status: CityStatus | None
) -> None:
    with pytest.raises(TrustListError, match="operator 3302 has never been a member; the members are 3100, 3301, 3203"):
        make_trust_list(registry, 3302, hangzhou_tariff, None)


@pytest.mark.parametrize("status", [CityStatus.SUSPENDED, CityStatus.EXITED])
def test_an_operator_that_is_not_active_is_warned(
    registry: FakeRegistry, hangzhou_tariff: Tariff, status: CityStatus, caplog: pytest.LogCaptureFixture
) -> None:
    cities = tuple(replace(c, status=status) if c.code == 3301 else c for c in registry.state.cities)
    registry.state = replace(registry.state, cities=cities)
    make_trust_list(registry, 3301, hangzhou_tariff, None)
    assert f"operator 3301 is {status.name.lower()}" in caplog.text


def test_a_tariff_above_what_the_chain_settles_is_warned_of(
    registry: FakeRegistry, hangzhou_tariff: Tariff, caplog: pytest.LogCaptureFixture
) -> None:
    registry.now = replace(TERMS, max_fare=hangzhou_tariff.highest_fare - 1)
    make_trust_list(registry, 3301, hangzhou_tariff, None)
    assert "rides will be rejected" in caplog.text


def test_a_block_that_the_node_has_just_dropped_is_asked_for_anew(
    registry: FakeRegistry, hangzhou_tariff: Tariff
) -> None:
    registry.failures = [ChainError("block out of range"), ChainError("block out of range")]
    assert make_trust_list(registry, 3301, hangzhou_tariff, None).block == 50_000


@pytest.mark.parametrize("error", [ChainUnavailableError("away"), ChainError("broken")])
def test_a_chain_that_cannot_tell_is_an_error(
    registry: FakeRegistry, hangzhou_tariff: Tariff, error: ChainError
) -> None:
    registry.failures = [error] * 3
    with pytest.raises(type(error), match=str(error)):
        make_trust_list(registry, 3301, hangzhou_tariff, None)


def test_the_time_of_a_list_is_its_blocks(registry: FakeRegistry, hangzhou_tariff: Tariff) -> None:
    assert make_trust_list(registry, 3301, hangzhou_tariff, None).block_time == NOW - 600


class TestWhatTheChainAllowsAndOwes:
    def test_the_limit_is_the_least_of_the_graces_in_force_and_to_come(
        self, registry: FakeRegistry, hangzhou_tariff: Tariff
    ) -> None:
        registry.coming = replace(TERMS, grace=3_600)
        assert make_trust_list(registry, 3301, hangzhou_tariff, None).grace == 3_600
        registry.coming = replace(TERMS, grace=7 * 86_400)
        assert make_trust_list(registry, 3301, hangzhou_tariff, None).grace == 86_400

    def test_evidence_is_kept_for_the_longest_times_of_any_set(
        self, registry: FakeRegistry, hangzhou_tariff: Tariff
    ) -> None:
        registry.coming = replace(TERMS, times=replace(TIMES, dispute=90 * 86_400))
        trust = make_trust_list(registry, 3301, hangzhou_tariff, None)
        assert trust.evidence_for == TIMES.total + 83 * 86_400

    def test_a_tariff_above_what_the_chain_will_settle_is_warned_of(
        self, registry: FakeRegistry, hangzhou_tariff: Tariff, caplog: pytest.LogCaptureFixture
    ) -> None:
        registry.coming = replace(TERMS, max_fare=hangzhou_tariff.highest_fare - 1)
        make_trust_list(registry, 3301, hangzhou_tariff, None)
        assert f"of rides that end from {NOW + 3_600} on" in caplog.text

    def test_what_others_owe_is_in_it(self, registry: FakeRegistry, hangzhou_tariff: Tariff) -> None:
        registry.owing = [Owing(registry.clearinghouse, 3203, 900, 500)]
        assert make_trust_list(registry, 3301, hangzhou_tariff, None).owing == tuple(registry.owing)


class TestASuccessorThatCanNotBeUsed:
    NEW = Domain(1337, b"\x02" * 20)

    @pytest.fixture
    def named(self, registry: FakeRegistry, trust: TrustList) -> FakeRegistry:
        """The predecessor, whose successor has but three getters."""
        before = (Predecessor(trust.domain, NOW + 86_400),)
        registry.state = replace(registry.state, domain=self.NEW, predecessors=before)
        registry.start = trust.domain
        registry.problem = ChainError("execution reverted")
        return registry

    def test_the_list_is_made_without_it(
        self, named: FakeRegistry, trust: TrustList, hangzhou_tariff: Tariff, caplog: pytest.LogCaptureFixture
    ) -> None:
        made = make_trust_list(named, 3301, hangzhou_tariff, None)
        assert (made.domain, made.predecessors, made.ends) == (trust.domain, (), NOW + 86_400)
        assert made.problem is not None
        assert "can't be used: execution reverted" in caplog.text

    def test_one_that_was_in_the_list_drops_out_with_a_word(
        self, named: FakeRegistry, trust: TrustList, hangzhou_tariff: Tariff, caplog: pytest.LogCaptureFixture
    ) -> None:
        old = replace(trust, domain=self.NEW, predecessors=(Predecessor(trust.domain, NOW + 86_400),))
        made = make_trust_list(named, 3301, hangzhou_tariff, old)
        assert made.called_off == (self.NEW,)
        assert "is in the line no more: its tickets are refused from now on" in caplog.text
        caplog.clear()
        make_trust_list(named, 3301, hangzhou_tariff, made)
        assert "in the line no more" not in caplog.text

    def test_once_it_has_taken_over_the_old_list_stays(
        self, named: FakeRegistry, trust: TrustList, hangzhou_tariff: Tariff
    ) -> None:
        closed = (Predecessor(trust.domain, named.state.block_time),)
        named.state = replace(named.state, predecessors=closed)
        old = replace(trust, domain=self.NEW, predecessors=closed)
        with pytest.raises(SuccessionError, match="the old list stays"):
            make_trust_list(named, 3301, hangzhou_tariff, old)
