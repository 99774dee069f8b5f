"""Gates' journals against rides in the index: several back offices of an operator, refusals, and rides that wait."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gate_client import ride_log
from gate_client.journal import Journal
from interline.batch import Batch
from interline.reasons import RideReason
from ledger.errors import RecordFileError
from ledger.index.store import Index
from ledger.reconcile.findings import Finding, Result
from ledger.reconcile.journal import check_journals
from tests.support.index_rows import IndexRows, WrittenBatch

SHANGHAI, HANGZHOU, XUZHOU = 3100, 3301, 3203
HOUR, DAY = 3_600, 86_400
WINDOW = 30 * DAY


@dataclass
class World:
    """What settled in Hangzhou, and where its journals are."""

    rows: IndexRows
    east: WrittenBatch
    west: WrittenBatch
    folder: Path

    def journal(self, name: str, *batches: WrittenBatch) -> Path:
        """The journal of a back office that settled these batches."""
        path = self.folder / f"{name}.db"
        with self.open(path) as journal:
            for written in batches:
                self._take_in(journal, written.batch, self.rows.now)
                self._send(journal, written.batch)
                [stored] = ride_log.open_batches(journal, self.rows.domain)
                refused = [(index, RideReason(reason)) for index, reason in written.refused.items()]
                ride_log.record_outcome(journal, stored, refused, bytes(32))
        return path

    def open(self, path: Path) -> Journal:
        return Journal(path, operator=HANGZHOU, domain=self.rows.domain)

    def waits(self, path: Path, exited_at: int, *, sent: bool = False) -> Batch:
        """A ride of Xuzhou's that ended then, and didn't settle."""
        batch = self.rows.carry(HANGZHOU, [(XUZHOU, 400, exited_at)])
        with self.open(path) as journal:
            self._take_in(journal, batch, exited_at)
            if sent:
                self._send(journal, batch)
        return batch

    def change(self, path: Path, sql: str, *values: object) -> None:
        with self.open(path) as journal:
            assert journal.db.execute(sql, values).rowcount == 1

    def check(self, *paths: Path) -> Result:
        head = self.rows.index.head()
        [result] = check_journals(self.rows.index.cursor(), paths, self.rows.domain, head)
        return result

    def findings(self, *paths: Path) -> tuple[Finding, ...]:
        return self.check(*paths).findings

    def _take_in(self, journal: Journal, batch: Batch, now: int) -> None:
        domain = journal.domain_id(self.rows.domain)
        journal.db.executemany(
            """
            INSERT INTO rides (domain, issuer, key_id, serial, fare, ride, state, closed_at)
            VALUES (?, ?, ?, ?, ?, ?, 'ready', ?)
            """,
            [
                (domain, issuer, key_id, ride.serial, ride.fare, ride.to_bytes(), now)
                for _, issuer, key_id, ride in batch.iter_rides()
            ],
        )

    def _send(self, journal: Journal, batch: Batch) -> None:
        ride_log.record_signed(
            journal,
            self.rows.domain,
            ride_log.ready_rides(journal, self.rows.domain),
            batch,
            signature=bytes(64),
            signer=bytes(20),
            from_block=1,
            now=self.rows.now,
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two back offices of Hangzhou settled a batch each; in the second, a ride was refused."""
    with Index.open(":memory:", write=True) as index:
        rows = IndexRows(index)
        for code, name in ((SHANGHAI, "Shanghai"), (HANGZHOU, "Hangzhou"), (XUZHOU, "Xuzhou")):
            rows.admit(code, name)
        rows.told(
            "Clearinghouse",
            "ParametersSet",
            parameters={"grace": DAY, "submissionWindow": WINDOW},
            validFrom=rows.now,
        )
        east = rows.settle(HANGZHOU, [(SHANGHAI, 700), (SHANGHAI, 800)])
        west = rows.settle(HANGZHOU, [(SHANGHAI, 300), (SHANGHAI, 310)], refused={1: RideReason.AboveFareCap.value})
        yield World(rows, east, west, tmp_path)


def named(batch: WrittenBatch | Batch) -> str:
    return f"0x{(batch.batch if isinstance(batch, WrittenBatch) else batch).id.hex()}"


# ---------------------------------------------------------------- several back offices


def test_two_back_offices_of_an_operator_have_all_that_it_settled(world: World) -> None:
    result = world.check(world.journal("east", world.east), world.journal("west", world.west))
    assert result.findings == ()
    assert result.compared == ("3 rides in 2 batches that 3301 settled with 2 rides in east.db and 2 rides in west.db")


def unread(world: World, batch: WrittenBatch) -> None:
    """As the index has a batch whose bytes weren't found."""
    with world.rows.index.writing() as cursor:
        cursor.execute("UPDATE batches SET data = NULL, signature = NULL WHERE id = ?", [batch.number])
        cursor.execute("DELETE FROM rides WHERE batch = ?", [batch.number])


def test_a_batch_that_the_index_could_not_read_is_compared_by_the_journals_own_bytes(world: World) -> None:
    paths = world.journal("east", world.east), world.journal("west", world.west)
    unread(world, world.west)
    result = world.check(*paths)
    assert result.findings == ()
    assert result.compared.startswith("3 rides in 2 batches")
    assert "the rides of 1 batch were left out, whose bytes weren't found" in result.notes[0]


def test_a_ride_that_differs_from_an_unread_batch_is_named_all_the_same(world: World) -> None:
    paths = world.journal("east", world.east), world.journal("west", world.west)
    unread(world, world.east)
    world.change(paths[0], "UPDATE rides SET fare = 701 WHERE fare = 700")
    [found] = world.findings(*paths)
    assert (found.batch, found.index) == (named(world.east), 0)


def test_a_batch_whose_bytes_nobody_has_is_no_finding(world: World) -> None:
    path = world.journal("east", world.east)
    unread(world, world.west)
    result = world.check(path)
    assert result.findings == ()
    assert len(result.notes) == 1


def test_a_batch_of_the_other_back_office_is_named_where_its_journal_is_not_given(world: World) -> None:
    [found] = world.findings(world.journal("east", world.east))
    assert (found.batch, found.index, found.came) == (named(world.west), None, "none")
    assert "name the other journal, too" in found.action


def test_a_ride_dropped_from_one_of_two_journals_is_named(world: World) -> None:
    east, west = world.journal("east", world.east), world.journal("west", world.west)
    with world.open(east) as journal:
        journal.db.execute("DELETE FROM batch_rides WHERE position = 1")
        journal.db.execute("DELETE FROM rides WHERE fare = 800")
    [found] = world.findings(east, west)
    assert (found.batch, found.index) == (named(world.east), 1)
    assert found.came == "none in any of the journals"


def test_a_journal_that_is_named_twice_counts_once(world: World) -> None:
    both = world.journal("both", world.east, world.west)
    assert world.check(both, both).compared.endswith("with 4 rides in both.db")


def test_a_damaged_one_of_two_journals_is_named(world: World) -> None:
    east, west = world.journal("east", world.east), world.journal("west", world.west)
    with world.open(east) as journal:
        journal.db.execute("DROP TABLE batch_rides")
    with pytest.raises(RecordFileError, match=r"east\.db: expected a gate's journal"):
        world.findings(east, west)


# ---------------------------------------------------------------- what was refused


def test_another_reason_than_the_chains_is_named(world: World) -> None:
    both = world.journal("both", world.east, world.west)
    world.change(both, "UPDATE rides SET reason = ? WHERE state = 'rejected'", RideReason.TooLate.value)
    [found] = world.findings(both)
    assert (found.batch, found.index) == (named(world.west), 1)
    assert (found.expected, found.came) == ("refused for AboveFareCap, as on chain", "refused for TooLate")


def test_a_refusal_that_the_back_office_has_not_read_is_named(world: World) -> None:
    both = world.journal("both", world.east, world.west)
    world.change(both, "UPDATE rides SET state = 'batched', reason = NULL WHERE state = 'rejected'")
    [found] = world.findings(both)
    assert (found.batch, found.index) == (named(world.west), 1)
    assert (found.expected, found.came) == ("refused for AboveFareCap, as on chain", "batched")


def test_a_refused_ride_that_the_journal_says_settled_is_named(world: World) -> None:
    both = world.journal("both", world.east, world.west)
    world.change(both, "UPDATE rides SET state = 'settled', reason = NULL WHERE state = 'rejected'")
    [found] = world.findings(both)
    assert (found.batch, found.index) == (named(world.west), 1)
    assert found.came == "settled for 3.10 yuan, in the journal"


# ---------------------------------------------------------------- rides that wait


def test_a_ride_that_has_time_yet_is_counted_only(world: World) -> None:
    both = world.journal("both", world.east, world.west)
    world.waits(both, world.rows.now - WINDOW + DAY)
    result = world.check(both)
    assert result.findings == ()
    assert result.compared.endswith("; 1 didn't settle yet")


def test_a_ride_that_will_be_too_late_within_a_day_is_named(world: World) -> None:
    both = world.journal("both", world.east, world.west)
    world.waits(both, world.rows.now - WINDOW + DAY - 1)
    [found] = world.findings(both)
    assert found.where == "serial 0 of 3203 in both.db"
    assert found.came.startswith("ready, 4.00 yuan, at 2019-11-01 ")
    assert "run gate-client submit now" in found.action


@pytest.mark.parametrize(("past", "action"), [(0, "run gate-client submit now"), (1, "the fare is lost")])
def test_a_ride_in_flight_is_named_with_its_batch_and_whether_it_is_late(world: World, past: int, action: str) -> None:
    both = world.journal("both", world.east, world.west)
    batch = world.waits(both, world.rows.now - WINDOW - past, sent=True)
    [found] = world.findings(both)
    assert (found.batch, found.index) == (named(batch), 0)
    assert found.came.startswith("batched, ")
    assert action in found.action


def test_after_a_stop_rides_that_were_in_time_when_it_began_have_as_long_again(world: World) -> None:
    both = world.journal("both", world.east, world.west)
    began = world.rows.now + HOUR
    world.waits(both, began - WINDOW)
    world.rows.told("Clearinghouse", "SettlementStopped", at=began, until=began + 3 * DAY)
    world.rows.told("Clearinghouse", "SettlementResumed", at=began + 2 * DAY)
    assert world.findings(both) == ()
    world.rows.empty_block(at=began + 4 * DAY + 1)
    [soon] = world.findings(both)
    assert "run gate-client submit now" in soon.action
    world.rows.empty_block(at=began + 5 * DAY + 1)
    [late] = world.findings(both)
    assert "the fare is lost" in late.action


@pytest.mark.parametrize(("ended", "count"), [(-1, 0), (0, 1)])
def test_a_shorter_window_counts_for_rides_that_ended_since_it_holds(world: World, ended: int, count: int) -> None:
    both = world.journal("both", world.east, world.west)
    begins = world.rows.now + 10 * DAY
    world.rows.told(
        "Clearinghouse", "ParametersSet", parameters={"grace": DAY, "submissionWindow": 2 * DAY}, validFrom=begins
    )
    world.waits(both, begins + ended)
    world.rows.empty_block(at=begins + 2 * DAY)
    assert len(world.findings(both)) == count


def test_a_window_that_was_taken_back_before_it_held_never_counts(world: World) -> None:
    both = world.journal("both", world.east, world.west)
    begins = world.rows.now + 10 * DAY
    shorter, longer = ({"grace": DAY, "submissionWindow": days * DAY} for days in (2, 31))
    world.rows.told("Clearinghouse", "ParametersSet", parameters=shorter, validFrom=begins)
    world.rows.told("Clearinghouse", "ParametersSet", parameters=longer, validFrom=world.rows.now + 60)
    world.waits(both, begins)
    world.rows.empty_block(at=begins + 2 * DAY)
    assert world.findings(both) == ()
