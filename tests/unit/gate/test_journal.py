"""The journal: whose it is, what it keeps of every attempt, and that two gates can share it."""

from __future__ import annotations

import multiprocessing
import sqlite3
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from gate_client.errors import JournalError
from gate_client.journal import Journal, bound_line
from gate_client.line import Line
from gate_client.tap import Direction
from gate_client.tap_log import CODE_KEPT, Attempt, count_scans, record_attempt, ticket_state
from gate_client.verifier import Decision
from interline.code import Code
from interline.domain import Domain
from interline.reasons import GateReason
from tests.support.deploy import City
from tests.support.patience import PATIENCE
from tests.support.riders import Rider, TicketOffice
from tests.unit.gate.conftest import NOW

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT


def tap(journal: Journal, rider: Rider, direction: Direction, shown_at: int, station: int = 1) -> GateReason:
    """A code that passed steps 1 to 8 taps."""
    code = rider.shows(shown_at)
    decision = Decision(GateReason.ACCEPTED, code, rider.ticket.hash(rider.domain), rider.domain)
    return record_attempt(journal, Attempt(direction, station, shown_at, 1_000, code.to_text()), decision)


class TestWhoseItIs:
    def test_it_is_written_through_to_the_disk(self, journal: Journal) -> None:
        assert journal.db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert journal.db.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL

    def test_it_can_be_opened_again(self, journal: Journal, domain: Domain) -> None:
        journal.close()
        Journal(journal.path, operator=3301, domain=domain).close()
        assert bound_line(journal.path) == Line(domain)

    def test_it_is_one_operators(self, journal: Journal, domain: Domain) -> None:
        with pytest.raises(JournalError, match="the journal of operator 3301, not of 3302"):
            Journal(journal.path, operator=3302, domain=domain)

    @pytest.mark.parametrize("changes", [{"chain_id": 1}, {"clearinghouse": bytes(20)}], ids=lambda c: next(iter(c)))
    def test_it_is_one_domains(self, journal: Journal, domain: Domain, changes: dict[str, object]) -> None:
        with pytest.raises(JournalError, match="use a new journal for a new domain"):
            Journal(journal.path, operator=3301, domain=replace(domain, **changes))  # type: ignore[arg-type]

    def test_a_journal_of_a_later_version_is_left_alone(self, journal: Journal, domain: Domain) -> None:
        journal.db.execute("PRAGMA user_version = 99")
        with pytest.raises(JournalError, match="a journal of version 99"):
            Journal(journal.path, operator=3301, domain=domain)

    def test_a_database_of_something_else_is_left_alone(self, tmp_path: Path, domain: Domain) -> None:
        other = sqlite3.connect(tmp_path / "other.db")
        other.execute("CREATE TABLE diary (entry TEXT)")
        other.close()
        with pytest.raises(JournalError, match="a database of something else"):
            Journal(tmp_path / "other.db", operator=3301, domain=domain)

    def test_a_file_that_is_no_database_is_refused(self, tmp_path: Path, domain: Domain) -> None:
        (tmp_path / "text.db").write_text("not a database, by far" * 100)
        with pytest.raises(JournalError, match="can't be opened"):
            Journal(tmp_path / "text.db", operator=3301, domain=domain)

    def test_a_folder_that_is_not_there_is_refused(self, tmp_path: Path, domain: Domain) -> None:
        with pytest.raises(JournalError, match="can't be opened"):
            Journal(tmp_path / "nowhere" / "gate.db", operator=3301, domain=domain)

    def test_there_is_no_domain_without_a_journal(self, tmp_path: Path) -> None:
        assert bound_line(tmp_path / "gate.db") is None

    def test_a_journal_that_was_only_begun_is_bound_to_nothing_and_gone_on_with(
        self, tmp_path: Path, domain: Domain
    ) -> None:
        """A process was killed between the file and its tables."""
        path = tmp_path / "gate.db"
        path.touch()
        assert bound_line(path) is None
        Journal(path, operator=3301, domain=domain).close()
        assert bound_line(path) == Line(domain)

    def test_a_journal_is_read_while_another_process_makes_it(self, tmp_path: Path, domain: Domain) -> None:
        for number in range(100):
            path = tmp_path / f"{number}.db"
            with ThreadPoolExecutor(1) as pool:
                made = pool.submit(lambda at: Journal(at, operator=3301, domain=domain).close(), path)
                while not made.done():
                    assert bound_line(path) in (None, Line(domain))
                made.result()
            assert bound_line(path) == Line(domain)


class TestWhatItKeeps:
    def test_an_accepted_tap_is_there_for_another_process_at_once(self, journal: Journal, rider: Rider) -> None:
        """Step 10: durable before the answer, so not only in this connection."""
        tap(journal, rider, ENTRY, NOW, station=7)
        other = sqlite3.connect(journal.path)
        row = other.execute("SELECT issuer, serial, direction, station, shown_at, code, state FROM taps").fetchone()
        assert row == (3100, 0, "entry", 7, NOW, rider.shows(NOW).to_bytes()[:-64] + row[5][-64:], "waiting")
        other.close()

    def test_every_attempt_is_kept_with_reason_list_and_code(self, journal: Journal, rider: Rider) -> None:
        code = rider.shows(NOW)
        decision = Decision(GateReason.CODE_EXPIRED, code, rider.ticket.hash(rider.domain), rider.domain)
        record_attempt(journal, Attempt(EXIT, 3, NOW + 60, 1_234, code.to_text()), decision)
        row = journal.db.execute(
            """SELECT scanned_at, direction, station, reason, trust_list_block, code, issuer, serial, ticket_hash
               FROM scans"""
        ).fetchone()
        expected = (NOW + 60, "exit", 3, "code_expired", 1_234, code.to_text().encode(), 3100, 0, decision.ticket_hash)
        assert row == expected
        assert journal.db.execute("SELECT count(*) FROM taps").fetchone() == (0,)

    @pytest.mark.parametrize(
        ("text", "kept"),
        [
            (None, None),
            ("", b""),
            ("小王", "小王".encode()),
            ("\udcff\x00", b"\xff\x00"),
            ("x" * (CODE_KEPT + 1), b"x" * CODE_KEPT),
        ],
        ids=["a picture without a code", "an empty line", "Chinese", "bytes that are no text", "far too long"],
    )
    def test_what_could_not_be_read_is_kept_as_it_came(
        self, journal: Journal, text: str | None, kept: bytes | None
    ) -> None:
        record_attempt(journal, Attempt(ENTRY, 1, NOW, 1_000, text), Decision(GateReason.MALFORMED))
        assert journal.db.execute("SELECT code, issuer, ticket_hash FROM scans").fetchone() == (kept, None, None)
        assert count_scans(journal) == {"malformed": 1}

    def test_a_tap_that_cannot_be_written_is_not_accepted(self, journal: Journal, rider: Rider) -> None:
        journal.db.execute("PRAGMA query_only = ON")
        with pytest.raises(JournalError, match="nothing was recorded"):
            tap(journal, rider, ENTRY, NOW)


class TestSharing:
    """Mistake 9: a duplicate is a ticket that comes again, whatever its bytes and wherever it is shown."""

    @pytest.fixture
    def other_gate(self, journal: Journal, domain: Domain) -> Journal:
        return Journal(journal.path, operator=3301, domain=domain)

    def test_a_fresh_code_of_the_same_ticket_is_a_duplicate_a_second_later(
        self, journal: Journal, rider: Rider
    ) -> None:
        assert tap(journal, rider, ENTRY, NOW) is GateReason.ACCEPTED
        assert tap(journal, rider, ENTRY, NOW + 1) is GateReason.ALREADY_ENTERED

    def test_and_at_the_next_gate(self, journal: Journal, other_gate: Journal, rider: Rider) -> None:
        assert tap(journal, rider, ENTRY, NOW) is GateReason.ACCEPTED
        assert tap(other_gate, rider, ENTRY, NOW + 1, station=2) is GateReason.ALREADY_ENTERED

    def test_a_ride_may_begin_at_one_gate_and_end_at_another(
        self, journal: Journal, other_gate: Journal, rider: Rider
    ) -> None:
        assert tap(journal, rider, ENTRY, NOW) is GateReason.ACCEPTED
        assert tap(other_gate, rider, EXIT, NOW + 600, station=9) is GateReason.ACCEPTED
        assert tap(journal, rider, ENTRY, NOW + 601) is GateReason.ALREADY_USED

    def test_an_exit_without_its_entry_opens_the_gate_and_waits(self, journal: Journal, rider: Rider) -> None:
        assert tap(journal, rider, EXIT, NOW) is GateReason.ACCEPTED
        assert tap(journal, rider, EXIT, NOW + 1) is GateReason.ALREADY_USED

    def test_the_exit_must_be_shown_after_the_entry(self, journal: Journal, rider: Rider) -> None:
        assert tap(journal, rider, ENTRY, NOW) is GateReason.ACCEPTED
        assert tap(journal, rider, EXIT, NOW) is GateReason.CODE_EXPIRED
        assert tap(journal, rider, EXIT, NOW + 1) is GateReason.ACCEPTED

    def test_a_twin_under_the_same_serial_conflicts_in_both_directions(
        self, journal: Journal, office: TicketOffice, rider: Rider, hangzhou: City
    ) -> None:
        twin = office.issue(hangzhou, not_after=NOW + 3_600, serial=rider.ticket.serial)
        assert tap(journal, rider, ENTRY, NOW) is GateReason.ACCEPTED
        assert tap(journal, twin, ENTRY, NOW + 1) is GateReason.SERIAL_CONFLICT
        assert tap(journal, twin, EXIT, NOW + 1) is GateReason.SERIAL_CONFLICT

    def test_the_same_serial_of_another_city_is_another_ticket(
        self, journal: Journal, rider: Rider, domain: Domain, hangzhou: City, xuzhou: City
    ) -> None:
        theirs = TicketOffice(domain, xuzhou).issue(hangzhou, not_after=NOW + 3_600, serial=rider.ticket.serial)
        assert tap(journal, rider, ENTRY, NOW) is GateReason.ACCEPTED
        assert tap(journal, theirs, ENTRY, NOW) is GateReason.ACCEPTED

    def test_a_refused_attempt_does_not_hold_the_serial(self, journal: Journal, rider: Rider) -> None:
        code = rider.shows(NOW)
        ticket_hash = rider.ticket.hash(rider.domain)
        refused = Decision(GateReason.BAD_RIDER_SIGNATURE, code, ticket_hash, rider.domain)
        record_attempt(journal, Attempt(ENTRY, 1, NOW, 1_000, None), refused)
        assert ticket_state(journal, refused) is None
        assert tap(journal, rider, ENTRY, NOW) is GateReason.ACCEPTED

    def test_of_many_gates_with_one_code_at_the_same_moment_one_opens(
        self, tmp_path: Path, domain: Domain, office: TicketOffice, hangzhou: City
    ) -> None:
        path = tmp_path / "shared.db"
        codes = [office.issue(hangzhou, not_after=NOW + 3_600).shows(NOW).to_bytes() for _ in range(25)]
        gates = 4
        context = multiprocessing.get_context("fork")
        start = context.Barrier(gates)
        with ProcessPoolExecutor(gates, context, initializer=_remember, initargs=(start,)) as pool:
            answers = list(pool.map(_race, [path] * gates, [domain] * gates, [codes] * gates))
        for reasons in zip(*answers, strict=True):
            assert sorted(reasons) == ["accepted"] + ["already_entered"] * (gates - 1)
        with Journal(path, operator=3301, domain=domain) as journal:
            assert count_scans(journal) == {"accepted": 25, "already_entered": 25 * (gates - 1)}


def _remember(barrier: object) -> None:
    globals()["_start"] = barrier


def _race(path: Path, domain: Domain, codes: list[bytes]) -> list[str]:
    _start.wait(PATIENCE)  # type: ignore[name-defined]  # noqa: F821
    with Journal(path, operator=3301, domain=domain) as journal:
        return [_tap_code(journal, Code.from_bytes(data)).value for data in codes]


def _tap_code(journal: Journal, code: Code) -> GateReason:
    decision = Decision(GateReason.ACCEPTED, code, code.ticket.hash(journal.line.domain), journal.line.domain)
    return record_attempt(journal, Attempt(ENTRY, 1, NOW, 1_000, code.to_text()), decision)
