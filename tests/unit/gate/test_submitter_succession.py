"""Rides in flight while one Clearinghouse takes over from another: each settles once, where its ticket belongs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from gate_client import ride_log, rounds
from gate_client.arrears import ArrearsCollector
from gate_client.errors import ChainError, ChainRefusalError
from gate_client.journal import Journal
from gate_client.line import Line, Predecessor
from gate_client.output import show_report
from gate_client.rounds import Lane, Report, submit_once
from gate_client.submitter import AFTER_A_STOP, STOP_LENGTH, Submitter
from gate_client.tap import Direction
from interline.domain import Domain, batch_digest
from interline.reasons import RideReason
from interline.signatures import address_of, recover_address
from interline.tariff import Tariff
from network.accounts import Role
from tests.support.deploy import City
from tests.support.patience import PATIENCE
from tests.support.riders import Rider, TicketOffice
from tests.unit.gate.conftest import NOW
from tests.unit.gate.fake_chain import FakeChain, Killed
from tests.unit.gate.test_submitter import ride, states, tap

NEW = Domain(1337, b"\x02" * 20)
CLOSES_AT = NOW + 300
DAY = 86_400


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "POLL", 0.0)


@pytest.fixture
def chains(hangzhou: City, domain: Domain) -> dict[Domain, FakeChain]:
    """The new Clearinghouse and the old one."""
    return {NEW: FakeChain(hangzhou.code), domain: FakeChain(hangzhou.code)}


@pytest.fixture
def old(chains: dict[Domain, FakeChain], domain: Domain) -> FakeChain:
    return chains[domain]


@pytest.fixture
def new(chains: dict[Domain, FakeChain]) -> FakeChain:
    return chains[NEW]


@pytest.fixture
def new_office(shanghai: City) -> TicketOffice:
    """Shanghai's office after the succession: it counts its serials anew."""
    return TicketOffice(NEW, shanghai)


Submit = Callable[..., Report]


@pytest.fixture
def submit(
    journal: Journal, chains: dict[Domain, FakeChain], hangzhou_tariff: Tariff, hangzhou: City, domain: Domain
) -> Submit:
    """One `gate-client submit`, before or after the successor was named."""

    def run(
        *, succeeded: bool = True, timeout: float = PATIENCE, retry: bool = False, now: int = NOW + 1_000
    ) -> Report:
        key = hangzhou.private_key(Role.SUBMITTER)
        line = Line(NEW, (Predecessor(domain, CLOSES_AT),)) if succeeded else Line(domain)
        journal.extend(line)
        lanes = [
            Lane(
                Submitter(journal, chains[each], hangzhou_tariff, key, domain=each, max_rides=2, clock=lambda: now),
                ArrearsCollector(chains[each], key, hangzhou.code, each),
            )
            for each in line.domains
        ]
        if retry:
            for lane in lanes:
                lane.submitter.retry_rejected()
        return submit_once(lanes, timeout=timeout)

    return run


@pytest.fixture
def in_flight(
    journal: Journal, office: TicketOffice, new_office: TicketOffice, hangzhou: City, domain: Domain
) -> list[Rider]:
    """Three rides on the old one's tickets, then two on the new one's, with the same serials."""
    journal.extend(Line(NEW, (Predecessor(domain, CLOSES_AT),)))
    riders = [office.issue(hangzhou, not_after=NOW + 3_600) for _ in range(3)]
    riders += [new_office.issue(hangzhou, not_after=NOW + 3_600) for _ in range(2)]
    for rider in riders:
        ride(journal, rider)
    return riders


def serials(*numbers: int) -> set[tuple[int, int]]:
    return {(3100, number) for number in numbers}


def test_each_ride_settles_where_its_ticket_was_signed_for(
    submit: Submit, in_flight: list[Rider], old: FakeChain, new: FakeChain, journal: Journal, domain: Domain
) -> None:
    report = submit()
    assert report.exit_code == 0
    assert {(batch.domain, batch.settled) for batch in report.batches} == {(domain, 2), (domain, 1), (NEW, 2)}
    assert (old.settled.keys(), new.settled.keys()) == (serials(0, 1, 2), serials(0, 1))
    assert [ride_log.count_rides(journal, each) for each in (domain, NEW)] == [{"settled": 3}, {"settled": 2}]
    documents = report.to_document()["batches"]
    assert len({batch["clearinghouse"] for batch in documents}) == 2  # type: ignore[attr-defined]


def test_each_batch_is_signed_for_its_own_clearinghouse(
    submit: Submit, in_flight: list[Rider], journal: Journal, domain: Domain, hangzhou: City
) -> None:
    submit()
    submitter = address_of(hangzhou.private_key(Role.SUBMITTER))
    rows = journal.db.execute("SELECT domain, batch_id, signature FROM batches").fetchall()
    assert len(rows) == 3
    for row, batch_id, signature in rows:
        signed_in = next(each for each in (domain, NEW) if journal.domain_id(each) == row)
        other = NEW if signed_in == domain else domain
        assert recover_address(batch_digest(signed_in, hangzhou.code, batch_id), signature) == submitter
        assert recover_address(batch_digest(other, hangzhou.code, batch_id), signature) != submitter


def test_a_batch_that_was_signed_before_the_succession_still_goes_to_the_old_one(
    submit: Submit, journal: Journal, office: TicketOffice, hangzhou: City, old: FakeChain, new: FakeChain
) -> None:
    ride(journal, office.issue(hangzhou, not_after=NOW + 3_600))
    old.kill_at = 3  # signed and on disk, not sent
    with pytest.raises(Killed):
        submit(succeeded=False)
    assert (states(journal), old.sent) == ({"batched": 1}, [])
    old.kill_at = None
    submit()
    assert (old.settled.keys(), new.settled.keys(), new.sent) == (serials(0), set(), [])


def test_a_ride_that_ends_after_the_closing_settles_in_the_old_one(
    submit: Submit, journal: Journal, office: TicketOffice, hangzhou: City, old: FakeChain, new: FakeChain
) -> None:
    rider = office.issue(hangzhou, not_after=NOW + 3_600)
    tap(journal, rider, Direction.ENTRY, CLOSES_AT - 10, 1)
    assert submit().batches == []
    tap(journal, rider, Direction.EXIT, CLOSES_AT + 600, 9)
    [batch] = submit().batches
    assert batch.settled == 1
    assert (old.settled.keys(), new.settled.keys()) == (serials(0), set())


def test_when_all_has_settled_the_old_one_is_asked_for_arrears_alone(
    submit: Submit, in_flight: list[Rider], old: FakeChain, new_office: TicketOffice, hangzhou: City, journal: Journal
) -> None:
    submit()
    ride(journal, new_office.issue(hangzhou, not_after=NOW + 3_600))
    before = old.calls
    assert [batch.domain for batch in submit().batches] == [NEW]
    assert old.calls == before + 1


def test_arrears_are_asked_for_in_both(submit: Submit, old: FakeChain, new: FakeChain, domain: Domain) -> None:
    old.owed, new.owed = {3203: 700}, {3203: 40}
    paid = submit().arrears_paid
    assert {(each.domain, each.debtor, each.amount) for each in paid} == {(domain, 3203, 700), (NEW, 3203, 40)}


def test_a_clearinghouse_that_cannot_tell_its_arrears_keeps_nobody_from_theirs(
    submit: Submit, old: FakeChain, new: FakeChain, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(creditor: int) -> list[int]:
        raise ChainError("broken")

    monkeypatch.setattr(old, "owing_cities", broken)
    new.owed = {3203: 40}
    assert [paid.amount for paid in submit().arrears_paid] == [40]
    assert "can't be asked for: broken" in caplog.text


def test_people_see_which_clearinghouse_a_batch_went_to(
    submit: Submit, in_flight: list[Rider], domain: Domain, capsys: pytest.CaptureFixture[str]
) -> None:
    show_report(submit())
    shown = capsys.readouterr().out
    assert all(f"0x{each.clearinghouse.hex()[:12]}" in shown for each in (domain, NEW))


def test_rejected_rides_are_tried_again_where_they_belong(
    submit: Submit, in_flight: list[Rider], old: FakeChain, new: FakeChain
) -> None:
    old.refused = new.refused = {(3100, 0): RideReason.IssuerSuspended}
    assert len([ride for batch in submit().batches for ride in batch.rejected]) == 2
    old.refused = new.refused = {}
    submit(retry=True)
    assert (old.settled.keys(), new.settled.keys()) == (serials(0, 1, 2), serials(0, 1))


class TestStopped:
    """An emergency stop of one Clearinghouse: SettlementIsStopped(until)."""

    UNTIL = NOW + 2 * DAY

    @pytest.fixture
    def stopped(self, old: FakeChain) -> FakeChain:
        old.refused_whole = lambda batch: ChainRefusalError("SettlementIsStopped", (self.UNTIL,))
        return old

    def test_its_batches_wait_with_the_deadline_and_the_others_go_on(
        self, submit: Submit, in_flight: list[Rider], stopped: FakeChain, new: FakeChain, journal: Journal
    ) -> None:
        report = submit()
        assert report.exit_code == 2
        assert new.settled.keys() == serials(0, 1)
        assert len(report.waiting) == 2
        settle_by = NOW + 600 + 30 * DAY
        for waiting in report.waiting:
            assert f"settlement is stopped until {day(self.UNTIL)}" in waiting.problem
            assert f"can be settled until {day(settle_by)}" in waiting.problem
        assert [refusal for *_, refusal in ride_log.waiting_batches(journal)] == [w.problem for w in report.waiting]

    def test_they_go_out_afterwards_without_loss(
        self, submit: Submit, in_flight: list[Rider], stopped: FakeChain, journal: Journal
    ) -> None:
        waiting = {batch.batch_id for batch in submit().waiting}
        stopped.refused_whole = lambda batch: None
        assert {batch.batch_id for batch in submit().batches} == waiting
        assert stopped.settled.keys() == serials(0, 1, 2)
        assert states(journal) == {"settled": 5}

    def test_so_does_one_that_was_on_its_way(
        self, submit: Submit, in_flight: list[Rider], old: FakeChain, journal: Journal
    ) -> None:
        old.mine_at_once = False
        submit(timeout=0.01)
        old.refused_whole = lambda batch: ChainRefusalError("SettlementIsStopped", (self.UNTIL,))
        old.mine()
        assert len(submit().waiting) == 2
        old.mine_at_once = True
        old.refused_whole = lambda batch: None
        submit()
        assert old.settled.keys() == serials(0, 1, 2)
        assert states(journal) == {"settled": 5}

    def test_a_window_that_ends_during_the_stop_is_made_longer(
        self, submit: Submit, in_flight: list[Rider], stopped: FakeChain, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stopped, "submission_window", lambda exited_at: DAY)
        assert f"can be settled until {day(self.UNTIL + AFTER_A_STOP)}" in submit().waiting[0].problem

    def test_one_that_ended_before_the_stop_is_not(
        self, submit: Submit, in_flight: list[Rider], stopped: FakeChain, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        window = self.UNTIL - STOP_LENGTH - 1 - (NOW + 600)
        monkeypatch.setattr(stopped, "submission_window", lambda exited_at: window)
        assert f"can be settled until {day(NOW + 600 + window)}" in submit().waiting[0].problem

    def test_each_ride_has_the_window_of_when_it_ended(
        self, submit: Submit, in_flight: list[Rider], stopped: FakeChain, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All ended at the same time here; a window that changed at their end is asked for by that."""
        asked: list[int] = []

        def window(exited_at: int) -> int:
            asked.append(exited_at)
            return 60 * DAY

        monkeypatch.setattr(stopped, "submission_window", window)
        assert f"can be settled until {day(NOW + 600 + 60 * DAY)}" in submit().waiting[0].problem
        assert set(asked) == {NOW + 600}


def day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


class TestKilled:
    """SIGKILL at every single look at either Clearinghouse, before and while the successor takes over."""

    @pytest.mark.parametrize("meanwhile", ["nothing", "a block", "the node forgets"])
    @pytest.mark.parametrize("which", ["old", "new"])
    @pytest.mark.parametrize("kill_at", range(1, 24))
    def test_at_any_point_neither_loses_nor_doubles_a_ride(
        self,
        submit: Submit,
        in_flight: list[Rider],
        journal: Journal,
        chains: dict[Domain, FakeChain],
        domain: Domain,
        kill_at: int,
        which: str,
        meanwhile: str,
    ) -> None:
        chain = chains[domain if which == "old" else NEW]
        chain.kill_at = kill_at
        reports = []
        try:
            reports.append(submit(succeeded=False, timeout=0.2))
            reports.append(submit(timeout=0.2))
        except Killed:
            pass
        chain.kill_at = None
        for each in chains.values():
            {"nothing": lambda: None, "a block": each.mine, "the node forgets": each.drop_pending}[meanwhile]()
        reports.append(submit(timeout=0.2))
        for each in chains.values():
            if each.pending:
                each.mine()
        reports.append(submit())
        assert [chains[each].settled.keys() for each in (domain, NEW)] == [serials(0, 1, 2), serials(0, 1)]
        assert [ride_log.count_rides(journal, each) for each in (domain, NEW)] == [{"settled": 3}, {"settled": 2}]
        assert reports[-1].exit_code == 0
        ids = [(batch.domain, batch.batch_id) for report in reports for batch in report.batches]
        assert len(ids) == len(set(ids))

    def test_the_points_cover_a_whole_run(
        self, submit: Submit, in_flight: list[Rider], old: FakeChain, new: FakeChain
    ) -> None:
        submit(succeeded=False)
        submit()
        assert 10 < old.calls < 24
        assert 7 < new.calls < 24
