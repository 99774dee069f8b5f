"""One code's way through the gate: read, verify, journal, answer."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from gate_client.answers import to_json, to_line
from gate_client.errors import JournalError, TrustListError
from gate_client.gate import Gate, check_trust_list
from gate_client.journal import Journal
from gate_client.tap import Direction
from gate_client.trust_list import TrustList, TrustListFile, replace_trust_list
from interline.code import Code
from interline.reasons import GateReason
from tests.support.riders import Rider, qr_picture
from tests.unit.gate.conftest import MAX_AGE, NOW


class Clock:
    now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trust_file(tmp_path: Path, trust: TrustList) -> Path:
    path = tmp_path / "gate.db.trust-list.json"
    replace_trust_list(path, trust)
    return path


def make_gate(
    journal: Journal, trust_file: Path, clock: Clock, direction: Direction = Direction.ENTRY, station: int = 1
) -> Gate:
    return Gate(
        journal,
        TrustListFile(trust_file),
        direction=direction,
        station=station,
        trust_list_max_age=MAX_AGE,
        clock=clock,
    )


@pytest.fixture
def gate(journal: Journal, trust_file: Path, clock: Clock) -> Gate:
    return make_gate(journal, trust_file, clock)


def test_a_good_code_opens_the_gate_once(gate: Gate, code: Code) -> None:
    assert gate.scan_text(code.to_text()).reason is GateReason.ACCEPTED
    assert gate.scan_text(code.to_text()).reason is GateReason.ALREADY_ENTERED


def test_the_tap_is_on_disk_when_the_answer_comes(gate: Gate, journal: Journal, code: Code) -> None:
    gate.scan_text(code.to_text())
    other = sqlite3.connect(journal.path)
    assert other.execute("SELECT issuer, serial FROM taps").fetchall() == [(3100, code.ticket.serial)]
    other.close()


def test_a_gate_that_cannot_write_stays_shut(gate: Gate, journal: Journal, code: Code) -> None:
    journal.db.execute("PRAGMA query_only = ON")
    with pytest.raises(JournalError):
        gate.scan_text(code.to_text())


def test_a_line_end_is_stripped_and_nothing_else(gate: Gate, journal: Journal, code: Code) -> None:
    assert gate.scan_text(code.to_text() + "\r\n").accepted
    assert journal.db.execute("SELECT code FROM scans").fetchone()[0] == code.to_text().encode()


def test_a_picture_is_read_and_answered(gate: Gate, code: Code, tmp_path: Path) -> None:
    path = qr_picture(code.to_text(), tmp_path / "code.png")
    [answer] = gate.scan_picture(path)
    assert answer.accepted
    assert answer.image == str(path)


def test_a_picture_without_a_code_is_malformed_and_journalled(gate: Gate, journal: Journal, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (64, 64), 170).save(tmp_path / "wall.png")
    [answer] = gate.scan_picture(tmp_path / "wall.png")
    assert answer.reason is GateReason.MALFORMED
    assert journal.db.execute("SELECT reason, code FROM scans").fetchall() == [("malformed", None)]


def test_a_ride_across_two_gates(journal: Journal, trust_file: Path, clock: Clock, rider: Rider) -> None:
    entry = make_gate(journal, trust_file, clock)
    exit_ = make_gate(journal, trust_file, clock, Direction.EXIT, station=9)
    assert entry.scan_text(rider.shows(NOW).to_text()).accepted
    clock.now += 900
    assert exit_.scan_text(rider.shows(NOW).to_text()).reason is GateReason.CODE_EXPIRED
    assert exit_.scan_text(rider.shows(NOW + 900).to_text()).accepted


def test_a_new_trust_list_counts_from_the_next_code_on(
    gate: Gate, trust_file: Path, trust: TrustList, code: Code
) -> None:
    revoked = frozenset({(3100, code.ticket.serial)})
    replace_trust_list(trust_file, replace(trust, block=trust.block + 1, revoked=revoked))
    assert gate.scan_text(code.to_text()).reason is GateReason.REVOKED


def test_every_scan_names_the_trust_list_it_was_judged_by(
    gate: Gate, journal: Journal, trust_file: Path, trust: TrustList, code: Code
) -> None:
    gate.scan_text("no code")
    replace_trust_list(trust_file, replace(trust, block=2_000))
    gate.scan_text(code.to_text())
    assert journal.db.execute("SELECT trust_list_block FROM scans ORDER BY id").fetchall() == [(1_000,), (2_000,)]


@pytest.mark.parametrize("station", [0, 999])
def test_a_station_that_is_not_in_the_tariff_is_no_gate(
    journal: Journal, trust_file: Path, clock: Clock, station: int
) -> None:
    with pytest.raises(TrustListError, match=f"station {station} is not in the tariff"):
        make_gate(journal, trust_file, clock, station=station)


def test_the_trust_list_must_be_made_for_this_gate(trust: TrustList) -> None:
    check_trust_list(trust, operator=3301, clearinghouse=trust.domain.clearinghouse)
    with pytest.raises(TrustListError, match=r"operator 3301's, gate\.toml says 3302"):
        check_trust_list(trust, operator=3302, clearinghouse=trust.domain.clearinghouse)
    with pytest.raises(TrustListError, match="of Clearinghouse"):
        check_trust_list(trust, operator=3301, clearinghouse=bytes(20))


class TestAnswers:
    def test_a_program_gets_one_compact_object(self, gate: Gate, code: Code, trust: TrustList) -> None:
        text = to_json(gate.scan_text(code.to_text()))
        document = json.loads(text)
        assert document.pop("elapsed_ms") > 0
        assert document == {
            "decision": "accept",
            "reason": "accepted",
            "issuer": 3100,
            "operator": 3301,
            "serial": code.ticket.serial,
            "ticket_hash": "0x" + code.ticket.hash(trust.domain).hex(),
            "shown_at": NOW,
            "direction": "entry",
            "station": 1,
            "image": None,
        }
        assert "\n" not in text
        assert ": " not in text

    def test_what_could_not_be_read_is_null(self, gate: Gate) -> None:
        document = json.loads(to_json(gate.scan_text("no code")))
        assert document["decision"] == "reject"
        assert document["reason"] == "malformed"
        assert [document[key] for key in ("issuer", "operator", "serial", "ticket_hash", "shown_at")] == [None] * 5

    def test_what_could_be_read_of_a_refused_code_is_not(self, gate: Gate, clock: Clock, code: Code) -> None:
        clock.now += 31
        document = json.loads(to_json(gate.scan_text(code.to_text())))
        assert (document["decision"], document["reason"]) == ("reject", "code_expired")
        assert (document["issuer"], document["operator"], document["serial"]) == (3100, 3301, code.ticket.serial)
        assert document["ticket_hash"].startswith("0x")

    def test_people_get_one_line(self, gate: Gate, code: Code) -> None:
        assert "open  accepted" in to_line(gate.scan_text(code.to_text()))
        assert "shut  malformed" in to_line(gate.scan_text("no code"))
