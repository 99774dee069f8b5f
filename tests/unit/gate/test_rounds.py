"""`submit --watch`: rounds that never wait, while the chain comes and goes."""

from __future__ import annotations

from itertools import islice

import pytest

from gate_client import ride_log
from gate_client.arrears import ArrearsCollector
from gate_client.errors import ChainRefusalError, ChainUnavailableError
from gate_client.journal import Journal
from gate_client.rounds import BACK_OFF_MOST, Lane, Watch, back_off
from gate_client.submitter import Submitter
from interline.tariff import Tariff
from network.accounts import Role
from tests.support.deploy import City
from tests.support.riders import TicketOffice
from tests.unit.gate.conftest import NOW
from tests.unit.gate.fake_chain import FakeChain
from tests.unit.gate.test_submitter import ride


@pytest.fixture
def chain(hangzhou: City) -> FakeChain:
    return FakeChain(hangzhou.code, mine_at_once=False)


@pytest.fixture
def watch(journal: Journal, chain: FakeChain, hangzhou: City, hangzhou_tariff: Tariff) -> Watch:
    key = hangzhou.private_key(Role.SUBMITTER)
    domain = journal.line.domain
    worker = Submitter(journal, chain, hangzhou_tariff, key, domain=domain, max_rides=256, clock=lambda: NOW + 1_000)
    return Watch([Lane(worker, ArrearsCollector(chain, key, hangzhou.code, domain))])


def test_rides_that_become_ready_while_a_batch_flies_are_sent_at_once(
    watch: Watch, journal: Journal, chain: FakeChain, office: TicketOffice, hangzhou: City
) -> None:
    ride(journal, office.issue(hangzhou, not_after=NOW + 3_600))
    assert watch.step().batches == []
    ride(journal, office.issue(hangzhou, not_after=NOW + 3_600))
    assert watch.step().batches == []
    assert len(chain.pending) == 2
    assert watch.busy
    chain.mine()
    assert [batch.settled for batch in watch.step().batches] == [1, 1]
    assert not watch.busy


def test_a_round_in_which_nothing_came_in_is_empty(watch: Watch) -> None:
    report = watch.step()
    assert (report.batches, report.arrears_paid) == ([], [])


def test_arrears_come_in_on_their_own(watch: Watch, chain: FakeChain) -> None:
    chain.owed = {3203: 900}
    assert watch.step().arrears_paid == []
    chain.mine()
    [paid] = watch.step().arrears_paid
    assert (paid.debtor, paid.amount) == (3203, 900)


def test_what_was_read_before_the_chain_went_away_is_not_forgotten(
    watch: Watch,
    journal: Journal,
    chain: FakeChain,
    office: TicketOffice,
    hangzhou: City,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ride(journal, office.issue(hangzhou, not_after=NOW + 3_600))
    watch.step()
    chain.mine()

    def away(creditor: int) -> list[int]:
        raise ChainUnavailableError("gone")

    monkeypatch.setattr(chain, "owing_cities", away)
    with pytest.raises(ChainUnavailableError):
        watch.step()
    assert [batch.settled for batch in watch.interrupted().batches] == [1]
    assert watch.interrupted().batches == []


def test_it_goes_on_where_it_was_when_the_chain_is_back(
    watch: Watch, journal: Journal, chain: FakeChain, office: TicketOffice, hangzhou: City
) -> None:
    ride(journal, office.issue(hangzhou, not_after=NOW + 3_600))
    watch.step()
    chain.away = True
    with pytest.raises(ChainUnavailableError):
        watch.step()
    watch.interrupted()
    chain.away = False
    chain.drop_pending()
    watch.step()
    chain.mine()
    assert [batch.settled for batch in watch.step().batches] == [1]
    assert ride_log.count_rides(journal) == {"settled": 1}


def test_a_batch_that_was_refused_is_tried_again_after_a_while(
    watch: Watch,
    journal: Journal,
    chain: FakeChain,
    office: TicketOffice,
    hangzhou: City,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chain.refused_whole = lambda batch: ChainRefusalError("NotSubmitter", (3301, "0x01"))
    ride(journal, office.issue(hangzhou, not_after=NOW + 3_600))
    watch.step()
    chain.refused_whole = lambda batch: None
    watch.step()
    assert not chain.pending
    monkeypatch.setattr(watch, "_reconsider_due", 0.0)
    watch.step()
    chain.mine()
    assert [batch.settled for batch in watch.step().batches] == [1]


def test_the_waits_get_longer_up_to_a_limit() -> None:
    waits = list(islice(back_off(), 10))
    assert waits == sorted(waits)
    assert waits[0] < 1
    assert waits[-1] == BACK_OFF_MOST
