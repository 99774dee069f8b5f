"""One journal through a succession: the line it is bound to, serials that begin anew, and journals of version 1."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gate_client.errors import JournalError
from gate_client.journal import SCHEMA_VERSION, Journal, bound_line
from gate_client.line import Line, Predecessor
from gate_client.pairing import ALONE_AFTER
from gate_client.ride_log import close_rides, count_rides, ready_rides
from gate_client.tap import Direction
from gate_client.tap_log import count_taps, waiting_taps
from interline.domain import Domain
from interline.reasons import GateReason
from interline.tariff import Tariff
from tests.support.deploy import City
from tests.support.riders import TicketOffice
from tests.unit.gate.conftest import NOW
from tests.unit.gate.journal_before import write_journal
from tests.unit.gate.test_journal import tap

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT
NEW, NEWER = Domain(1337, b"\x02" * 20), Domain(1337, b"\x03" * 20)
CLOSES_AT = NOW + 86_400


@pytest.fixture
def line(domain: Domain) -> Line:
    """The line after a successor was named."""
    return Line(NEW, (Predecessor(domain, CLOSES_AT),))


@pytest.fixture
def two(journal: Journal, line: Line) -> Journal:
    """A journal that has learnt of the successor."""
    journal.extend(line)
    return journal


class TestTheLineItIsBoundTo:
    def test_it_learns_of_a_successor_for_good(self, two: Journal, line: Line, domain: Domain) -> None:
        two.close()
        assert bound_line(two.path) == line
        with Journal(two.path, operator=3301, domain=domain) as journal:
            assert journal.line == line

    def test_it_can_be_opened_by_a_successor_at_once(self, journal: Journal, line: Line) -> None:
        journal.close()
        with Journal(journal.path, operator=3301, domain=line.domain, predecessors=line.predecessors) as journal:
            assert journal.line == line

    def test_two_successions_may_be_learnt_of_together(self, journal: Journal, line: Line) -> None:
        later = Line(NEWER, (Predecessor(NEW, CLOSES_AT + 5), *line.predecessors))
        journal.extend(later)
        assert journal.line == later

    def test_a_view_that_has_not_come_as_far_takes_nothing_away(self, two: Journal, line: Line, domain: Domain) -> None:
        two.extend(Line(domain))
        assert two.line == line

    def test_a_view_that_reaches_further_back_adds_to_it(self, tmp_path: Path, line: Line) -> None:
        with Journal(tmp_path / "late.db", operator=3301, domain=NEW) as journal:
            journal.extend(line)
            assert journal.line == line

    def test_a_successor_that_was_called_off_leaves_the_line_and_keeps_its_rides(
        self, two: Journal, line: Line, domain: Domain
    ) -> None:
        number = two.domain_id(NEW)
        two.extend(Line(domain, called_off=(NEW,)))
        assert two.line == Line(domain, called_off=(NEW,))
        assert two.domain_id(NEW) == number
        two.close()
        assert bound_line(two.path) == Line(domain, called_off=(NEW,))
        with Journal(two.path, operator=3301, domain=domain) as journal:
            assert journal.line.called_off == (NEW,)

    def test_another_that_is_named_takes_its_place(self, two: Journal, domain: Domain) -> None:
        two.extend(Line(NEWER, (Predecessor(domain, CLOSES_AT + 5),)))
        assert two.line == Line(NEWER, (Predecessor(domain, CLOSES_AT + 5),), called_off=(NEW,))

    def test_one_that_is_named_again_is_back(self, two: Journal, line: Line, domain: Domain) -> None:
        two.extend(Line(domain, called_off=(NEW,)))
        two.extend(line)
        assert two.line == line

    def test_a_closing_that_was_put_off_is_learnt_of(self, two: Journal, domain: Domain) -> None:
        two.extend(Line(NEW, (Predecessor(domain, CLOSES_AT + 86_400),)))
        assert two.line.closes_at(domain) == CLOSES_AT + 86_400

    def test_a_newest_that_closes_without_a_successor_is_kept_so(self, journal: Journal, domain: Domain) -> None:
        journal.extend(Line(domain, ends=CLOSES_AT))
        journal.close()
        assert bound_line(journal.path) == Line(domain, ends=CLOSES_AT)

    def test_what_leads_back_to_none_of_it_is_another_line(self, two: Journal) -> None:
        with pytest.raises(JournalError, match="which isn't its successor; use a new journal for a new domain"):
            two.extend(Line(NEWER, (Predecessor(Domain(1337, b"\x09" * 20), 1),)))

    def test_what_another_process_learnt_is_known_here(self, journal: Journal, line: Line, domain: Domain) -> None:
        with Journal(journal.path, operator=3301, domain=domain) as other:
            other.extend(line)
        assert journal.domain_id(NEW) != journal.domain_id(domain)

    def test_a_domain_that_it_does_not_know_takes_no_tap(
        self, journal: Journal, shanghai: City, hangzhou: City
    ) -> None:
        rider = TicketOffice(NEW, shanghai).issue(hangzhou, not_after=NOW + 60)
        with pytest.raises(JournalError, match=f"not a journal of chain 1337, Clearinghouse 0x{'02' * 20}"):
            tap(journal, rider, ENTRY, NOW)
        assert count_taps(journal) == {}


class TestSerials:
    """An issuer may count anew under the successor: a serial is one ticket's within a domain."""

    def test_the_same_serial_in_both_domains_is_two_rides(
        self,
        two: Journal,
        office: TicketOffice,
        shanghai: City,
        hangzhou: City,
        hangzhou_tariff: Tariff,
        domain: Domain,
    ) -> None:
        old = office.issue(hangzhou, not_after=NOW + 3_600, serial=5)
        new = TicketOffice(NEW, shanghai).issue(hangzhou, not_after=NOW + 3_600, serial=5)
        for rider in (old, new):
            assert tap(two, rider, ENTRY, NOW) is GateReason.ACCEPTED
        for rider in (old, new):
            assert tap(two, rider, EXIT, NOW + 600, station=9) is GateReason.ACCEPTED
        for each in (domain, NEW):
            assert close_rides(two, each, hangzhou_tariff, NOW + 700) == (1, [])
        [[mine], [theirs]] = ready_rides(two, domain), ready_rides(two, NEW)
        assert mine.priced.ride.issuer_signature == old.ticket.signature
        assert theirs.priced.ride.issuer_signature == new.ticket.signature

    def test_a_twin_within_one_domain_still_conflicts(self, two: Journal, office: TicketOffice, hangzhou: City) -> None:
        ticket, twin = (office.issue(hangzhou, not_after=NOW + 3_600, serial=5) for _ in range(2))
        assert tap(two, ticket, ENTRY, NOW) is GateReason.ACCEPTED
        assert tap(two, twin, EXIT, NOW + 1) is GateReason.SERIAL_CONFLICT

    def test_an_entry_and_an_exit_of_two_domains_are_no_pair(
        self,
        two: Journal,
        office: TicketOffice,
        shanghai: City,
        hangzhou: City,
        hangzhou_tariff: Tariff,
        domain: Domain,
    ) -> None:
        entered = office.issue(hangzhou, not_after=NOW + 3_600, serial=5)
        left = TicketOffice(NEW, shanghai).issue(hangzhou, not_after=NOW + 3_600, serial=5)
        assert tap(two, entered, ENTRY, NOW) is GateReason.ACCEPTED
        assert tap(two, left, EXIT, NOW + 600, station=9) is GateReason.ACCEPTED
        assert [len(waiting_taps(two, each, alone_before=0)) for each in (domain, NEW)] == [0, 0]
        for each in (domain, NEW):
            assert close_rides(two, each, hangzhou_tariff, NOW + 700 + ALONE_AFTER) == (1, [])
        [[mine], [theirs]] = ready_rides(two, domain), ready_rides(two, NEW)
        assert (mine.priced.ride.entry_station, mine.priced.ride.exit_station) == (1, 0)
        assert (theirs.priced.ride.entry_station, theirs.priced.ride.exit_station) == (0, 9)


TABLES = ("scans", "taps", "rides", "batches", "batch_rides")


def dump(path: Path, *, without: str = "") -> dict[str, list[dict[str, object]]]:
    """Every row of a journal, by table; without one column."""
    db = sqlite3.connect(path)
    db.row_factory = sqlite3.Row
    rows = {table: [dict(row) for row in db.execute(f"SELECT * FROM {table}")] for table in TABLES}
    db.close()
    return {table: [{k: v for k, v in row.items() if k != without} for row in each] for table, each in rows.items()}


def schema(path: Path) -> list[tuple[str, str]]:
    db = sqlite3.connect(path)
    rows = db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    db.close()
    return rows


class TestMigration:
    @pytest.fixture
    def before(self, tmp_path: Path, domain: Domain) -> Path:
        """A journal of version 1."""
        write_journal(tmp_path / "before.db", 3301, domain)
        return tmp_path / "before.db"

    def test_a_journal_of_version_1_keeps_every_row_and_knows_its_domain(self, before: Path, domain: Domain) -> None:
        rows = dump(before)
        with Journal(before, operator=3301, domain=domain) as journal:
            assert journal.line == Line(domain)
            assert count_rides(journal, domain) == {"ready": 1, "batched": 1, "settled": 1, "rejected": 1}
            assert count_taps(journal, domain) == {"paired": 8, "waiting": 1}
        assert dump(before, without="domain") == rows
        assert {row["domain"] for table in ("taps", "rides", "batches") for row in dump(before)[table]} == {1}
        assert {(row["reason"], row["domain"]) for row in dump(before)["scans"]} == {
            ("accepted", 1),
            ("already_used", None),
        }

    def test_it_is_then_as_if_it_had_been_made_so(self, before: Path, journal: Journal, domain: Domain) -> None:
        Journal(before, operator=3301, domain=domain).close()
        assert schema(before) == schema(journal.path)
        db = sqlite3.connect(before)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()

    def test_what_can_be_known_before_is(self, before: Path, domain: Domain) -> None:
        assert bound_line(before) == Line(domain)

    def test_a_successor_may_come_at_the_same_time(self, before: Path, line: Line) -> None:
        with Journal(before, operator=3301, domain=line.domain, predecessors=line.predecessors) as journal:
            assert journal.line == line

    def test_another_operator_leaves_it_as_it_was_but_for_the_version(self, before: Path, domain: Domain) -> None:
        rows = dump(before)
        with pytest.raises(JournalError, match="the journal of operator 3301, not of 3302"):
            Journal(before, operator=3302, domain=domain)
        assert dump(before, without="domain") == rows

    @pytest.mark.parametrize("statement", [2, 6, 9, 12, 20, 30, 34])
    def test_killed_in_the_middle_it_is_whole_and_of_version_1(
        self, before: Path, domain: Domain, statement: int
    ) -> None:
        """SIGKILL before one of the statements of the migration; the next gate starts it over."""
        rows, tables = dump(before), schema(before)
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(before), str(statement)], capture_output=True, text=True, check=False
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert (dump(before), schema(before)) == (rows, tables)
        db = sqlite3.connect(before)
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()
        Journal(before, operator=3301, domain=domain).close()
        assert dump(before, without="domain") == rows

    def test_the_kills_cover_it(self, before: Path) -> None:
        """There are more statements than the highest above, and not many more."""
        command = [sys.executable, "-c", KILLED, str(before), "10000"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert 34 <= int(done.stdout) < 50
        db = sqlite3.connect(before)
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        db.close()


KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from gate_client import journal

count, last = 0, int(sys.argv[2])

def watch(statement):
    global count
    count += 1
    if count == last:
        os.kill(os.getpid(), signal.SIGKILL)

connect = journal._connect

def watched(path):
    db = connect(path)
    db.execute("PRAGMA cache_size = 1")  # what doesn't fit is written to the disk before the end
    db.set_trace_callback(watch)
    return db

journal._connect = watched
db = sqlite3.connect(sys.argv[1])
operator, chain_id, clearinghouse = db.execute("SELECT * FROM binding").fetchone()
db.close()
journal.Journal(Path(sys.argv[1]), operator=operator, domain=journal.Domain(chain_id, clearinghouse)).close()
print(count)
"""
