"""The way of rides to the chain: outcomes, refusals, and being killed anywhere on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gate_client import ride_log, rounds, submitter
from gate_client.arrears import ArrearsCollector
from gate_client.errors import ChainRefusalError
from gate_client.journal import Journal
from gate_client.rounds import Lane, Report, submit_once
from gate_client.submitter import Submitter
from gate_client.tap import Direction
from gate_client.tap_log import Attempt, count_taps, record_attempt
from gate_client.verifier import Decision
from interline.batch import Batch
from interline.domain import Domain
from interline.reasons import GateReason, RideReason
from interline.signatures import to_checksum
from interline.tariff import Tariff
from network.accounts import Role
from tests.support.deploy import City
from tests.support.patience import PATIENCE
from tests.support.riders import Rider, TicketOffice
from tests.unit.gate.conftest import NOW
from tests.unit.gate.fake_chain import FakeChain, Killed

DAY = 86_400


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "POLL", 0.0)


@pytest.fixture
def chain(hangzhou: City) -> FakeChain:
    return FakeChain(hangzhou.code)


Submit = Callable[..., Report]


@pytest.fixture
def submit(journal: Journal, chain: FakeChain, hangzhou_tariff: Tariff, hangzhou: City) -> Submit:
    """One `gate-client submit`: every call is a process of its own, as far as memory goes."""

    def run(
        *,
        max_rides: int = 256,
        timeout: float = PATIENCE,
        retry: bool = False,
        now: int = NOW + 1_000,
        role: Role = Role.SUBMITTER,
    ) -> Report:
        key = hangzhou.private_key(role)
        domain = journal.line.domain
        worker = Submitter(journal, chain, hangzhou_tariff, key, domain=domain, max_rides=max_rides, clock=lambda: now)
        if retry:
            worker.retry_rejected()
        return submit_once([Lane(worker, ArrearsCollector(chain, key, hangzhou.code, domain))], timeout=timeout)

    return run


def tap(journal: Journal, rider: Rider, direction: Direction, shown_at: int, station: int) -> None:
    code = rider.shows(shown_at)
    decision = Decision(GateReason.ACCEPTED, code, rider.ticket.hash(rider.domain), rider.domain)
    reason = record_attempt(journal, Attempt(direction, station, shown_at, 1_000, None), decision)
    assert reason is GateReason.ACCEPTED


def ride(journal: Journal, rider: Rider, entry: int = 1, exit_: int = 9) -> None:
    tap(journal, rider, Direction.ENTRY, NOW, entry)
    tap(journal, rider, Direction.EXIT, NOW + 600, exit_)


@pytest.fixture
def ridden(journal: Journal, office: TicketOffice, hangzhou: City, hangzhou_tariff: Tariff) -> list[Rider]:
    """Five riders from Shanghai, all of whom rode from station 1 to station 9."""
    riders = [office.issue(hangzhou, not_after=NOW + 3_600) for _ in range(5)]
    for rider in riders:
        ride(journal, rider)
    return riders


def states(journal: Journal) -> dict[str, int]:
    return ride_log.count_rides(journal)


class TestOutcomes:
    def test_nothing_to_do_is_done(self, submit: Submit) -> None:
        report = submit()
        assert report.exit_code == 0
        kinds = ("batches", "waiting", "arrears_paid", "withheld_released", "unpriced")
        assert report.to_document() == {kind: [] for kind in kinds}

    def test_rides_are_settled_at_their_fares(
        self, submit: Submit, ridden: list[Rider], journal: Journal, chain: FakeChain, hangzhou_tariff: Tariff
    ) -> None:
        report = submit()
        [batch] = report.batches
        assert (batch.rides, batch.settled, batch.rejected) == (5, 5, ())
        assert batch.tx == chain.sent[0]
        assert report.exit_code == 0
        fare = hangzhou_tariff.fare(1, 9)
        assert chain.settled == {(3100, serial): fare for serial in range(5)}
        assert states(journal) == {"settled": 5}
        assert ride_log.settled_fares(journal) == 5 * fare

    def test_a_rejected_ride_keeps_its_reason_and_blocks_no_other(
        self, submit: Submit, ridden: list[Rider], journal: Journal, chain: FakeChain
    ) -> None:
        """Mistake 10: one bad row blocks nothing behind it, and is not dropped."""
        chain.refused = {(3100, 2): RideReason.KeyNotValid}
        report = submit()
        assert report.exit_code == 1
        assert report.to_document()["batches"][0]["rejected"] == [  # type: ignore[index]
            {"issuer": 3100, "serial": 2, "reason": "KeyNotValid"}
        ]
        assert states(journal) == {"rejected": 1, "settled": 4}
        assert ride_log.count_rejected(journal) == {"KeyNotValid": 1}

    def test_what_is_settled_is_not_sent_again(self, submit: Submit, ridden: list[Rider], chain: FakeChain) -> None:
        submit()
        assert submit().batches == []
        assert len(chain.sent) == 1

    def test_rides_are_cut_into_batches_that_fly_together(
        self, submit: Submit, ridden: list[Rider], chain: FakeChain
    ) -> None:
        chain.mine_at_once = False
        assert submit(max_rides=2, timeout=0.01).problem is not None
        assert len(chain.pending) == 3
        chain.mine()
        report = submit(max_rides=2)
        assert [batch.settled for batch in report.batches] == [2, 2, 1]
        assert len(chain.sent) == 3

    def test_no_outcome_in_time_is_said_and_nothing_is_lost(
        self, submit: Submit, ridden: list[Rider], journal: Journal, chain: FakeChain
    ) -> None:
        chain.mine_at_once = False
        report = submit(timeout=0.01)
        assert report.exit_code == 2
        assert "no outcome within" in str(report.problem)
        assert states(journal) == {"batched": 5}


class TestRidesWithoutAnEnd:
    def test_a_rider_who_is_still_inside_is_waited_for(
        self, submit: Submit, journal: Journal, rider: Rider, chain: FakeChain
    ) -> None:
        tap(journal, rider, Direction.ENTRY, NOW, 1)
        assert submit(now=NOW + DAY + 30).batches == []
        assert chain.sent == []

    @pytest.mark.parametrize("direction", [Direction.ENTRY, Direction.EXIT])
    def test_a_lone_tap_is_settled_after_24_h(
        self, submit: Submit, journal: Journal, rider: Rider, chain: FakeChain, direction: Direction
    ) -> None:
        tap(journal, rider, direction, NOW, 1)
        [batch] = submit(now=NOW + DAY + 31).batches
        assert batch.settled == 1
        assert count_taps(journal) == {"paired": 1}

    def test_an_exit_after_more_than_24_h_is_unused_and_the_entry_alone_is_submitted(
        self,
        submit: Submit,
        journal: Journal,
        office: TicketOffice,
        hangzhou: City,
        hangzhou_tariff: Tariff,
        chain: FakeChain,
    ) -> None:
        rider = office.issue(hangzhou, not_after=NOW + DAY)
        tap(journal, rider, Direction.ENTRY, NOW, 1)
        tap(journal, rider, Direction.EXIT, NOW + DAY + 1, 2)
        assert submit(now=NOW + DAY + 30).batches == []
        submit(now=NOW + DAY + 31)
        assert chain.settled == {(3100, rider.ticket.serial): hangzhou_tariff.lone_entry_fare(1)}
        assert count_taps(journal) == {"paired": 1, "unused": 1}

    def test_an_exit_that_comes_when_the_entry_was_closed_alone_is_unused(
        self, submit: Submit, journal: Journal, office: TicketOffice, hangzhou: City, chain: FakeChain
    ) -> None:
        rider = office.issue(hangzhou, not_after=NOW + DAY)
        tap(journal, rider, Direction.ENTRY, NOW, 1)
        submit(now=NOW + DAY + 31)
        tap(journal, rider, Direction.EXIT, NOW + DAY + 40, 2)
        submit(now=NOW + DAY + 41)
        submit(now=NOW + 3 * DAY)
        assert len(chain.sent) == 1
        assert count_taps(journal) == {"paired": 1, "unused": 1}

    def test_a_ride_that_has_no_price_waits_and_blocks_no_other(
        self, submit: Submit, journal: Journal, ridden: list[Rider], office: TicketOffice, hangzhou: City
    ) -> None:
        ride(journal, office.issue(hangzhou, not_after=NOW + 3_600), exit_=999)
        report = submit()
        assert report.exit_code == 2
        assert [batch.settled for batch in report.batches] == [5]
        assert report.to_document()["unpriced"][0]["serial"] == 5  # type: ignore[index]
        assert count_taps(journal) == {"paired": 10, "waiting": 2}


class TestRefusedAsAWhole:
    def test_a_batch_that_the_chain_refuses_waits_and_the_others_go_on(
        self, submit: Submit, ridden: list[Rider], journal: Journal, chain: FakeChain
    ) -> None:
        """Mistake 10."""

        def refuse_the_first(batch: Batch) -> ChainRefusalError | None:
            first = any(ride.serial == 0 for _, _, _, ride in batch.iter_rides())
            return ChainRefusalError("MalformedBatch", (7,)) if first else None

        chain.refused_whole = refuse_the_first
        report = submit(max_rides=2)
        assert report.exit_code == 2
        assert [batch.settled for batch in report.batches] == [2, 1]
        assert [waiting.problem for waiting in report.waiting] == ["MalformedBatch(7)"]
        assert states(journal) == {"batched": 2, "settled": 3}
        [(_, _, state, rides, refusal)] = ride_log.waiting_batches(journal)
        assert (state, rides, refusal) == ("signed", 2, "MalformedBatch(7)")

    def test_it_is_sent_as_it_was_once_the_chain_takes_it(
        self, submit: Submit, ridden: list[Rider], journal: Journal, chain: FakeChain
    ) -> None:
        chain.refused_whole = lambda batch: ChainRefusalError("NotSubmitter", (3301, "0x01"))
        report = submit()
        assert "register this key as a submitter" in report.waiting[0].problem
        chain.refused_whole = lambda batch: None
        [batch] = submit().batches
        assert batch.batch_id == report.waiting[0].batch_id
        assert states(journal) == {"settled": 5}

    def test_another_submitters_key_signs_the_same_bytes_anew(
        self, submit: Submit, ridden: list[Rider], journal: Journal, chain: FakeChain, hangzhou: City
    ) -> None:
        chain.refused_whole = lambda batch: ChainRefusalError("NotSubmitter", (3301, "0x01"))
        submit()
        [before] = ride_log.open_batches(journal, journal.line.domain)
        submit(role=Role.SPARE)
        [after] = ride_log.open_batches(journal, journal.line.domain)
        assert after.data == before.data
        assert after.signature != before.signature
        assert after.signer == bytes.fromhex(hangzhou_address(hangzhou, Role.SPARE))


def hangzhou_address(hangzhou: City, role: Role) -> str:
    from interline.signatures import address_of

    return address_of(hangzhou.private_key(role)).hex()


class TestSomeoneElseWasFaster:
    def test_a_batch_that_another_relayed_counts_as_sent(
        self, submit: Submit, ridden: list[Rider], journal: Journal, chain: FakeChain
    ) -> None:
        chain.mine_at_once = False
        submit(timeout=0.01)
        ours, [stored] = chain.sent[0], ride_log.open_batches(journal, journal.line.domain)
        del chain.pending[ours]
        chain.relay(stored.data)
        chain.mine_at_once = True
        [batch] = submit().batches
        assert batch.settled == 5
        assert batch.tx is not None
        assert batch.tx != ours
        assert chain.sent == [ours]

    def test_so_does_one_whose_own_transaction_failed_for_that_reason(
        self, submit: Submit, ridden: list[Rider], journal: Journal, chain: FakeChain
    ) -> None:
        chain.mine_at_once = False
        submit(timeout=0.01)
        [stored] = ride_log.open_batches(journal, journal.line.domain)
        theirs = {b"\x99" * 32: lambda tx: chain._settle(stored.data, tx)}
        chain.pending = theirs | chain.pending
        chain.mine()
        [batch] = submit().batches
        assert (batch.settled, batch.tx) == (5, b"\x99" * 32)

    def test_one_that_was_on_chain_before_we_signed_it_is_found_with_its_reasons(
        self, submit: Submit, ridden: list[Rider], journal: Journal, chain: FakeChain
    ) -> None:
        """A journal that was put back from a copy signs the same bytes once more, in a later block."""
        chain.refused = {(3100, 2): RideReason.KeyNotValid}
        chain.refused_whole = lambda batch: ChainRefusalError("NotSubmitter", (3301, "0x01"))
        submit()
        chain.refused_whole = lambda batch: None
        [stored] = ride_log.open_batches(journal, journal.line.domain)
        chain.relay(stored.data)
        chain.block += 50
        journal.db.execute("UPDATE batches SET signed_block = ?, from_block = ?", (chain.block, chain.block))
        [batch] = submit().batches
        assert (batch.settled, batch.tx) == (4, chain.logs[-1][1].tx)
        assert [ride.reason for ride in batch.rejected] == [RideReason.KeyNotValid]
        assert chain.sent == []

    def test_a_lost_nonce_is_signed_anew(self, submit: Submit, ridden: list[Rider], chain: FakeChain) -> None:
        chain.stale_nonces = 3
        [batch] = submit().batches
        assert batch.settled == 5
        assert len(chain.sent) == 1


class TestWithoutEvents:
    """A node that has the state, but no longer the logs: `tx` is null."""

    def test_a_batch_that_settled_whole_is_known_to_have(
        self, submit: Submit, ridden: list[Rider], journal: Journal, chain: FakeChain
    ) -> None:
        chain.mine_at_once = False
        submit(timeout=0.01)
        chain.mine()
        chain.mined.clear()
        chain.without_logs = True
        [batch] = submit().batches
        assert (batch.settled, batch.tx) == (5, None)
        assert states(journal) == {"settled": 5}

    def test_which_rides_were_refused_is_asked_one_by_one(
        self, submit: Submit, ridden: list[Rider], journal: Journal, chain: FakeChain
    ) -> None:
        chain.refused = {(3100, 2): RideReason.KeyNotValid}
        chain.mine_at_once = False
        submit(timeout=0.01)
        chain.mine()
        chain.mined.clear()
        chain.without_logs = True
        report = submit()
        assert report.to_document()["batches"] == [
            {
                "batch_id": "0x" + report.batches[0].batch_id.hex(),
                "clearinghouse": to_checksum(journal.line.domain.clearinghouse),
                "tx": None,
                "rides": 5,
                "settled": 4,
                "rejected": [{"issuer": 3100, "serial": 2, "reason": None}],
            }
        ]
        assert ride_log.count_rejected(journal) == {"Unknown": 1}


class TestRetry:
    def test_rejected_rides_stay_where_they_are_unless_told_otherwise(
        self, submit: Submit, ridden: list[Rider], chain: FakeChain, journal: Journal
    ) -> None:
        chain.refused = {(3100, 2): RideReason.IssuerSuspended}
        submit()
        chain.refused = {}
        assert submit().batches == []
        assert states(journal) == {"rejected": 1, "settled": 4}

    def test_a_rejected_ride_is_settled_in_a_new_batch(
        self, submit: Submit, ridden: list[Rider], chain: FakeChain, journal: Journal
    ) -> None:
        chain.refused = {(3100, 2): RideReason.IssuerSuspended}
        first = submit()
        chain.refused = {}
        second = submit(retry=True)
        assert [batch.settled for batch in second.batches] == [1]
        assert second.batches[0].batch_id != first.batches[0].batch_id
        assert states(journal) == {"settled": 5}

    def test_a_ride_whose_serial_has_paid_is_not_tried_again(
        self, submit: Submit, ridden: list[Rider], chain: FakeChain, journal: Journal
    ) -> None:
        chain.settled[3100, 2] = 1
        submit()
        assert submit(retry=True).batches == []
        assert ride_log.count_rejected(journal) == {"AlreadySettled": 1}

    def test_a_batch_of_which_nothing_settled_is_sent_again_as_it_was(
        self, submit: Submit, ridden: list[Rider], chain: FakeChain, journal: Journal
    ) -> None:
        """Protocol section 6: it isn't stored and can still land, so its rides go into no other batch."""
        chain.refused = {(3100, serial): RideReason.IssuerSuspended for serial in range(5)}
        [first] = submit().batches
        assert (first.settled, len(first.rejected)) == (0, 5)
        chain.block += 10
        chain.refused = {(3100, 0): RideReason.IssuerSuspended}
        [second] = submit(retry=True).batches
        assert second.batch_id == first.batch_id
        assert (second.settled, len(second.rejected)) == (4, 1)
        assert len(chain.sent) == 2
        assert states(journal) == {"rejected": 1, "settled": 4}

    def test_its_first_outcome_is_not_taken_for_its_second(
        self, submit: Submit, ridden: list[Rider], chain: FakeChain
    ) -> None:
        chain.refused = {(3100, serial): RideReason.IssuerSuspended for serial in range(5)}
        submit()
        chain.refused = {(3100, serial): RideReason.BadTimes for serial in range(5)}
        [second] = submit(retry=True).batches
        assert {ride.reason for ride in second.rejected} == {RideReason.BadTimes}
        assert len(chain.sent) == 2

    def test_if_someone_else_sent_it_meanwhile_that_counts(
        self, submit: Submit, ridden: list[Rider], chain: FakeChain, journal: Journal
    ) -> None:
        chain.refused = {(3100, serial): RideReason.IssuerSuspended for serial in range(5)}
        chain.mine_at_once = False
        submit(timeout=0.01)
        [stored] = ride_log.open_batches(journal, journal.line.domain)
        chain.mine()
        submit()
        chain.refused = {}
        chain.relay(stored.data)
        chain.block += 5
        chain.mine_at_once = True
        [second] = submit(retry=True).batches
        assert second.settled == 5
        assert len(chain.sent) == 1
        assert states(journal) == {"settled": 5}


class TestArrears:
    def test_what_is_owed_is_asked_for(self, submit: Submit, chain: FakeChain, domain: Domain) -> None:
        chain.owed = {3203: 700, 3100: 0}
        report = submit()
        [paid] = report.arrears_paid
        assert (paid.debtor, paid.amount) == (3203, 700)
        assert report.exit_code == 0
        assert report.to_document()["arrears_paid"] == [
            {
                "debtor": 3203,
                "amount": 700,
                "tx": "0x" + chain.sent[0].hex(),
                "clearinghouse": to_checksum(domain.clearinghouse),
            }
        ]
        assert submit().arrears_paid == []


class TestAChainThatIsAway:
    def test_nothing_is_signed_while_it_is_away(
        self, submit: Submit, ridden: list[Rider], journal: Journal, chain: FakeChain
    ) -> None:
        chain.away = True
        report = submit()
        assert report.exit_code == 2
        assert "doesn't answer" in str(report.problem)
        assert states(journal) == {"ready": 5}
        chain.away = False
        assert [batch.settled for batch in submit().batches] == [5]

    def test_a_transaction_that_the_node_forgot_is_sent_again(
        self, submit: Submit, ridden: list[Rider], chain: FakeChain
    ) -> None:
        chain.mine_at_once = False
        submit(timeout=0.01)
        chain.drop_pending()
        chain.mine_at_once = True
        assert [batch.settled for batch in submit().batches] == [5]
        assert len(chain.sent) == 2

    def test_even_within_one_process(
        self, submit: Submit, ridden: list[Rider], chain: FakeChain, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(submitter, "UNKNOWN_PATIENCE", -1.0)
        original, forgotten = chain.receipt, []

        def forget_once(tx: bytes) -> object:
            if not forgotten:
                forgotten.append(tx)
                chain.drop_pending()
                chain.mine_at_once = True
            return original(tx)

        chain.mine_at_once = False
        monkeypatch.setattr(chain, "receipt", forget_once)
        assert [batch.settled for batch in submit().batches] == [5]

    def test_one_that_is_still_pending_is_waited_for(
        self, submit: Submit, ridden: list[Rider], chain: FakeChain
    ) -> None:
        chain.mine_at_once = False
        submit(timeout=0.01)
        submit(timeout=0.01)
        assert len(chain.sent) == 1


class TestWrongWords:
    """A node whose events don't agree with the chain's record is not believed."""

    def test_events_that_leave_out_a_refusal_leave_the_batch_waiting(
        self, submit: Submit, ridden: list[Rider], chain: FakeChain, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        chain.refused = {(3100, 2): RideReason.KeyNotValid}
        original = chain._settle

        def dishonest(data: bytes, tx: bytes) -> object:
            return original(data, tx)[-1:]  # type: ignore[index]

        monkeypatch.setattr(chain, "_settle", dishonest)
        report = submit()
        assert report.exit_code == 2
        assert "don't agree" in report.waiting[0].problem
        assert states(journal) == {"batched": 5}

    def test_a_record_that_names_another_operator_is_refused(
        self, submit: Submit, ridden: list[Rider], chain: FakeChain, journal: Journal
    ) -> None:
        chain.mine_at_once = False
        submit(timeout=0.01)
        chain.mine()
        chain.mined.clear()
        for batch_id, record in chain.records.items():
            chain.records[batch_id] = type(record)(3302, record.settled_at, record.outcome)
        report = submit()
        assert "names 3302" in report.waiting[0].problem
        assert states(journal) == {"batched": 5}


class TestKilled:
    """SIGKILL at every single look at the chain, before and after what it does."""

    def run_with_kill(
        self,
        submit: Submit,
        chain: FakeChain,
        kill_at: int,
        then: Callable[[], None] = lambda: None,
        timeout: float = 0.2,
    ) -> tuple[bool, list[Report]]:
        chain.refused = {(3100, 2): RideReason.KeyNotValid}
        chain.kill_at = kill_at
        killed = False
        reports = []
        try:
            reports.append(submit(max_rides=2, timeout=timeout))
        except Killed:
            killed = True
        chain.kill_at = None
        then()
        reports.append(submit(max_rides=2, timeout=timeout))
        return killed, reports

    @pytest.mark.parametrize("meanwhile", ["nothing", "a block", "the node forgets"])
    @pytest.mark.parametrize("kill_at", range(1, 40))
    def test_at_any_point_neither_loses_nor_doubles_a_ride(
        self,
        submit: Submit,
        ridden: list[Rider],
        journal: Journal,
        chain: FakeChain,
        hangzhou_tariff: Tariff,
        kill_at: int,
        meanwhile: str,
    ) -> None:
        then = {"nothing": lambda: None, "a block": chain.mine, "the node forgets": chain.drop_pending}[meanwhile]
        _, reports = self.run_with_kill(submit, chain, kill_at, then)
        if chain.pending:  # sent again while the first was still on its way: either may settle it
            chain.mine()
        reports.append(submit(max_rides=2))  # reads back what the short rounds left, on a slow machine too
        fare = hangzhou_tariff.fare(1, 9)
        assert chain.settled == {(3100, serial): fare for serial in (0, 1, 3, 4)}
        assert states(journal) == {"rejected": 1, "settled": 4}
        assert ride_log.count_rejected(journal) == {"KeyNotValid": 1}
        assert reports[-1].exit_code in (0, 1)
        ids = [batch.batch_id for report in reports for batch in report.batches]
        assert len(ids) == len(set(ids))

    def test_the_points_cover_a_whole_run(self, submit: Submit, ridden: list[Rider], chain: FakeChain) -> None:
        killed, _ = self.run_with_kill(submit, chain, 39, timeout=PATIENCE)
        assert not killed
        assert chain.calls > 15


def test_a_batch_is_on_disk_before_it_is_sent(
    submit: Submit,
    ridden: list[Rider],
    journal: Journal,
    chain: FakeChain,
    domain: Domain,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    original = chain.send

    def look_first(transaction: object) -> None:
        with Journal(Path(journal.path), operator=3301, domain=domain) as other:
            seen.extend(other.db.execute("SELECT state, tx, length(bytes) FROM batches"))
            seen.extend(other.db.execute("SELECT state, count(*) FROM rides GROUP BY state"))
        seen.append(transaction.hash)  # type: ignore[attr-defined]
        original(transaction)  # type: ignore[arg-type]

    monkeypatch.setattr(chain, "send", look_first)
    submit()
    (state, tx, length), rides, sent = seen
    assert (state, tx, length) == ("sent", sent, 2 + 5 + 5 * 113)
    assert rides == ("batched", 5)
