"""Deleting codes: as soon as nobody can ask for them, and never before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate_client.dispute_log import DisputeState, record_disputes, record_state, stored_disputes
from gate_client.errors import TrustListError
from gate_client.journal import Journal
from gate_client.pruning import prune
from gate_client.trust_list import TrustList
from interline.batch import Batch
from interline.disputes import RideDispute
from interline.tariff import Tariff
from tests.support.deploy import City
from tests.support.riders import Rider, TicketOffice
from tests.unit.gate.conftest import NOW
from tests.unit.gate.settled_rides import ride_through, settle_all

KEPT = 76 * 86_400


@pytest.fixture
def riders(journal: Journal, office: TicketOffice, hangzhou: City) -> list[Rider]:
    """Three riders who rode at NOW."""
    found = [office.issue(hangzhou, not_after=NOW + 3_600) for _ in range(3)]
    for rider in found:
        ride_through(journal, rider, NOW - 600, NOW)
    return found


@pytest.fixture
def later(trust: TrustList) -> TrustList:
    """The first trust list by which nobody can ask for the codes of NOW."""
    return replace(trust, evidence_for=KEPT, block_time=NOW + KEPT + 1)


@pytest.fixture
def batch(journal: Journal, riders: list[Rider], hangzhou_tariff: Tariff) -> Batch:
    return settle_all(journal, hangzhou_tariff)


def codes(journal: Journal) -> tuple[int, int]:
    """How many codes there are, of taps and of scans."""
    count = journal.db.execute("SELECT (SELECT count(code) FROM taps), (SELECT count(code) FROM scans)").fetchone()
    return count[0], count[1]


def dispute(journal: Journal, batch: Batch, answer_until: int) -> None:
    domain = journal.line.domain
    opened = RideDispute(bytes(20), batch.id, 0, 3100, journal.operator, 400, answer_until, 500, 9, bytes(32))
    record_disputes(journal, domain, [opened], 9)


def test_what_nobody_can_ask_for_goes_taps_and_scans(journal: Journal, batch: Batch, later: TrustList) -> None:
    assert codes(journal) == (6, 6)
    found = prune(journal, later, dry_run=False)
    assert (found.before, found.taps, found.scans, found.unsettled, found.disputed) == (NOW + 1, 6, 6, 0, 0)
    assert codes(journal) == (0, 0)
    assert journal.db.execute("SELECT count(*) FROM taps").fetchone() == (6,)
    again = prune(journal, later, dry_run=False)
    assert (again.taps, again.scans) == (0, 0)


def test_in_the_last_second_everything_stays(journal: Journal, batch: Batch, later: TrustList) -> None:
    found = prune(journal, replace(later, block_time=NOW + KEPT), dry_run=False)
    assert (found.taps, found.scans) == (3, 3)  # the entries, 10 minutes older
    assert codes(journal) == (3, 3)


def test_a_dry_run_deletes_nothing_and_counts_the_same(journal: Journal, batch: Batch, later: TrustList) -> None:
    tried = prune(journal, later, dry_run=True)
    assert codes(journal) == (6, 6)
    assert prune(journal, later, dry_run=False) == tried


def test_codes_of_rides_that_have_not_settled_stay(journal: Journal, riders: list[Rider], later: TrustList) -> None:
    assert prune(journal, later, dry_run=False).unsettled == 6
    assert codes(journal) == (6, 6)


def test_codes_of_a_refused_ride_stay(
    journal: Journal, riders: list[Rider], hangzhou_tariff: Tariff, later: TrustList
) -> None:
    settle_all(journal, hangzhou_tariff, refused=(1,))
    found = prune(journal, later, dry_run=False)
    assert (found.taps, found.unsettled) == (4, 2)
    assert codes(journal) == (2, 2)


class TestDisputed:
    def test_codes_of_a_ride_with_a_dispute_that_can_be_answered_stay(
        self, journal: Journal, batch: Batch, later: TrustList
    ) -> None:
        dispute(journal, batch, answer_until=later.block_time)
        found = prune(journal, later, dry_run=False)
        assert (found.taps, found.disputed) == (4, 2)
        assert codes(journal) == (2, 2)

    def test_they_go_when_the_deadline_is_over(self, journal: Journal, batch: Batch, later: TrustList) -> None:
        dispute(journal, batch, answer_until=later.block_time - 1)
        assert prune(journal, later, dry_run=False).taps == 6

    def test_they_go_when_it_was_upheld(self, journal: Journal, batch: Batch, later: TrustList) -> None:
        dispute(journal, batch, answer_until=later.block_time)
        [stored] = stored_disputes(journal, journal.line.domain)
        record_state(journal, journal.line.domain, stored, DisputeState.UPHELD)
        assert prune(journal, later, dry_run=False).taps == 6


def test_nothing_of_them_is_left_in_the_file(journal: Journal, batch: Batch, later: TrustList) -> None:
    [[code], *_] = journal.db.execute("SELECT code FROM taps").fetchall()
    [[text], *_] = journal.db.execute("SELECT code FROM scans").fetchall()
    journal.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = journal.path.read_bytes()
    assert code[-64:] in before
    assert text[-80:] in before
    prune(journal, later, dry_run=False)
    for path in journal.path.parent.glob("gate.db*"):
        data = path.read_bytes()
        assert code[-64:] not in data, path
        assert text[-80:] not in data, path


def test_a_trust_list_that_does_not_say_how_long_is_not_enough(
    journal: Journal, batch: Batch, later: TrustList
) -> None:
    with pytest.raises(TrustListError, match="run gate-client sync"):
        prune(journal, replace(later, evidence_for=None), dry_run=False)
