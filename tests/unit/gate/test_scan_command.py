"""`gate-client scan` and `status` as processes: what they print, how they end, and what they never touch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gate_client.config import load_config
from gate_client.line import Predecessor
from gate_client.output import trust_list_document
from gate_client.trust_list import TrustList, replace_trust_list
from interline.code import Code
from interline.domain import Domain
from interline.keystores import save_keystore
from interline.signatures import to_checksum
from tests.support.deploy import City
from tests.support.gates import PASSWORD, GateFolder
from tests.support.patience import PATIENCE, running
from tests.support.riders import Rider, TicketOffice, qr_picture

UNREACHABLE = "http://127.0.0.1:1"


@pytest.fixture
def now() -> int:
    """The commands have a real clock, and no option that sets it."""
    return int(time.time())


@pytest.fixture
def gate(tmp_path: Path, trust: TrustList, hangzhou: City, now: int) -> GateFolder:
    """A gate that was synced a minute ago, with no network and no keystore."""
    config = tmp_path / "gate.toml"
    config.write_text(
        f'operator = {hangzhou.code}\nstation = 1\nrpc = "{UNREACHABLE}"\njournal = "gate.db"\n'
        f'clearinghouse = "0x{trust.domain.clearinghouse.hex()}"\ntariff = "{hangzhou.file.tariff.resolve()}"\n'
    )
    replace_trust_list(load_config(config).trust_list, replace(trust, block_time=now - 60))
    return GateFolder(config)


@pytest.fixture
def rider(office: TicketOffice, hangzhou: City, now: int) -> Rider:
    return office.issue(hangzhou, not_after=now + 3_600)


@pytest.fixture
def code(rider: Rider, now: int) -> Code:
    return rider.shows(now)


def with_keystore(gate: GateFolder) -> None:
    save_keystore(gate.folder / "submitter.json", bytes(31) + b"\x07", PASSWORD, scrypt_n=2)
    gate.config.write_text(gate.config.read_text() + 'keystore = "submitter.json"\n')


def test_help_says_that_there_may_be_no_picture(gate: GateFolder) -> None:
    assert "[OPTIONS] [IMAGE]..." in gate.run("scan", "--help").stdout


def test_pictures_texts_and_lines_are_all_answered(
    gate: GateFolder, office: TicketOffice, hangzhou: City, now: int, tmp_path: Path
) -> None:
    codes = [office.issue(hangzhou, not_after=now + 3_600).shows(now).to_text() for _ in range(4)]
    png = qr_picture(codes[0], tmp_path / "code.png")
    jpeg = qr_picture(codes[1], tmp_path / "code.jpg")
    arguments = ["--direction", "entry", "--json", "--text", codes[2], str(png), str(jpeg), "-"]
    done = gate.run("scan", *arguments, stdin=codes[3] + "\r\n")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert sorted(answer["serial"] for answer in answers) == [0, 1, 2, 3]
    assert [answer["image"] for answer in answers] == [str(png), str(jpeg), None, None]
    assert {answer["decision"] for answer in answers} == {"accept"}


def test_each_answer_is_one_compact_object_on_standard_output_alone(gate: GateFolder, code: Code) -> None:
    done = gate.run("scan", "--direction", "entry", "--json", "--text", code.to_text())
    assert done.stderr == ""
    [line] = done.stdout.splitlines()
    assert line == json.dumps(json.loads(line), separators=(",", ":"))


def test_the_status_is_1_when_something_is_refused(gate: GateFolder, code: Code) -> None:
    done = gate.run("scan", "--direction", "entry", "--json", "--text", code.to_text(), "--text", code.to_text())
    assert done.returncode == 1
    assert [json.loads(line)["reason"] for line in done.stdout.splitlines()] == ["accepted", "already_entered"]


def test_a_file_that_cannot_be_read_is_an_error_and_the_others_are_answered(
    gate: GateFolder, code: Code, tmp_path: Path
) -> None:
    good = qr_picture(code.to_text(), tmp_path / "good.png")
    done = gate.run("scan", "--direction", "entry", "--json", str(tmp_path / "none.png"), str(good))
    assert done.returncode == 2
    assert [json.loads(line)["decision"] for line in done.stdout.splitlines()] == ["accept"]
    assert "none.png" in done.stderr


def test_a_picture_without_a_code_is_malformed(gate: GateFolder, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (640, 480), 170).save(tmp_path / "wall.png")
    done = gate.run("scan", "--direction", "entry", "--json", str(tmp_path / "wall.png"))
    assert done.returncode == 1
    assert json.loads(done.stdout)["reason"] == "malformed"


@pytest.mark.parametrize("line", ["", "no code", "\x00\x01", "IL1:", "é"], ids=repr)
def test_a_line_that_is_no_code_is_answered_as_malformed(gate: GateFolder, line: str) -> None:
    done = gate.run("scan", "--direction", "entry", "--json", "-", stdin=line + "\n")
    assert done.returncode == 1
    assert json.loads(done.stdout)["reason"] == "malformed"


def test_lines_that_are_no_text_are_answered_too(gate: GateFolder) -> None:
    command = gate.command("scan", "--direction", "entry", "--json", "-")
    done = subprocess.run(command, input=b"\xff\xfe\n\xff", capture_output=True, check=False)
    assert [json.loads(line)["reason"] for line in done.stdout.splitlines()] == ["malformed"] * 2


def test_a_line_is_answered_before_the_next_one_comes(gate: GateFolder, code: Code) -> None:
    command = gate.command("scan", "--direction", "entry", "--json", "-")
    with running(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for expected in ("accepted", "already_entered"):
            process.stdin.write(code.to_text() + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["reason"] == expected
        process.stdin.close()
        assert process.wait(PATIENCE) == 1


def test_the_station_of_the_command_line_goes_before_that_of_the_file(gate: GateFolder, code: Code) -> None:
    done = gate.run("scan", "--direction", "entry", "--station", "14", "--json", "--text", code.to_text())
    assert json.loads(done.stdout)["station"] == 14


@pytest.mark.parametrize("station", ["0", "999", "-1", "x"])
def test_a_station_that_cannot_be_is_refused(gate: GateFolder, code: Code, station: str) -> None:
    done = gate.run("scan", "--direction", "entry", "--station", station, "--text", code.to_text())
    assert done.returncode == 2
    assert done.stdout == ""


def test_a_ride_needs_neither_chain_nor_keystore(gate: GateFolder, rider: Rider, now: int) -> None:
    """Mistake 13: the gate works without a network; `rpc` leads nowhere here."""
    entry = gate.run("scan", "--direction", "entry", "--json", "--text", rider.shows(now - 1).to_text())
    later = rider.shows(int(time.time())).to_text()
    exit_ = gate.run("scan", "--direction", "exit", "--station", "9", "--json", "--text", later)
    assert (entry.returncode, exit_.returncode) == (0, 0), entry.stderr + exit_.stderr


@pytest.mark.parametrize("module", ["web3", "requests", "eth_account", "rich", "numpy", "ape", "yaml"])
def test_scanning_loads_nothing_that_it_does_not_need(
    gate: GateFolder, code: Code, tmp_path: Path, module: str
) -> None:
    picture = qr_picture(code.to_text(), tmp_path / "code.png")
    program = (
        "import sys; from gate_client.cli import main\n"
        f"arguments = ['--config', {str(gate.config)!r}, 'scan', '--direction', 'entry', {str(picture)!r}]\n"
        "main(arguments, standalone_mode=False)\n"
        f"sys.exit(7 if {module!r} in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_setting_and_no_option_moves_the_clock(gate: GateFolder, rider: Rider, now: int) -> None:
    """A rider's code of an hour ago stays one, whatever the environment says."""
    environment = os.environ | {"GATE_CLOCK": str(now - 3_600), "GATE_NOW": str(now - 3_600)}
    done = subprocess.run(
        gate.command("scan", "--direction", "entry", "--json", "--text", rider.shows(now - 3_600).to_text()),
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert json.loads(done.stdout)["reason"] == "code_expired"


class TestWhatCannotWork:
    def expect(self, gate: GateFolder, *arguments: str, says: str) -> None:
        done = gate.run(*arguments)
        assert done.returncode == 2
        assert says in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""

    SCAN = ("scan", "--direction", "entry", "--text", "IL1:")

    def test_without_a_trust_list_it_says_to_sync(self, gate: GateFolder) -> None:
        load_config(gate.config).trust_list.unlink()
        self.expect(gate, *self.SCAN, says="run gate-client sync")

    def test_a_damaged_trust_list_is_named(self, gate: GateFolder) -> None:
        load_config(gate.config).trust_list.write_text("{")
        self.expect(gate, *self.SCAN, says="damaged")

    def test_another_clearinghouse_in_the_settings_is_noticed(self, gate: GateFolder) -> None:
        text = gate.config.read_text()
        gate.config.write_text(text.replace("0xc1ea", "0xc1eb"))
        self.expect(gate, *self.SCAN, says="gate.toml says 0xc1eb")

    def test_the_journal_of_another_operator_is_refused(self, gate: GateFolder, trust: TrustList) -> None:
        gate.run(*self.SCAN)
        gate.config.write_text(gate.config.read_text().replace("operator = 3301", "operator = 3203"))
        path = load_config(gate.config).trust_list
        path.write_text(replace(trust, operator=3203).to_json())
        self.expect(gate, *self.SCAN, says="the journal of operator 3301, not of 3203")

    def test_a_journal_in_a_folder_that_is_not_there_is_named(self, gate: GateFolder, trust: TrustList) -> None:
        gate.config.write_text(gate.config.read_text().replace('"gate.db"', '"nowhere/gate.db"'))
        self.expect(gate, *self.SCAN, says="run gate-client sync")

    def test_a_journal_that_is_something_else_is_named(self, gate: GateFolder) -> None:
        gate.journal.write_bytes(b"something else" * 200)
        self.expect(gate, *self.SCAN, says="can't be opened")

    def test_no_settings_at_all(self, gate: GateFolder) -> None:
        gate.config.unlink()
        self.expect(gate, *self.SCAN, says="no such file")

    def test_nothing_to_scan(self, gate: GateFolder) -> None:
        self.expect(gate, "scan", "--direction", "entry", says="expected pictures")

    def test_no_direction(self, gate: GateFolder) -> None:
        self.expect(gate, "scan", "--text", "IL1:", says="--direction")

    def test_submit_without_a_keystore_says_which_setting_is_missing(self, gate: GateFolder) -> None:
        self.expect(gate, "submit", says="keystore is missing")

    @pytest.mark.parametrize("stdin", ["closed", "empty"])
    def test_submit_without_anyone_to_give_the_password_says_what_to_set(self, gate: GateFolder, stdin: str) -> None:
        with_keystore(gate)
        command = ["sh", "-c", 'exec "$@" <&-' if stdin == "closed" else 'exec "$@" </dev/null', "sh"]
        environment = {name: value for name, value in os.environ.items() if name != "GATE_KEYSTORE_PASSWORD"}
        done = subprocess.run(
            [*command, *gate.command("submit")],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
            start_new_session=True,  # no terminal
        )
        assert done.returncode == 2
        assert "set GATE_KEYSTORE_PASSWORD" in done.stderr
        assert "Traceback" not in done.stderr

    def test_sync_without_a_chain_says_so_and_keeps_the_old_list(self, gate: GateFolder) -> None:
        before = load_config(gate.config).trust_list.read_bytes()
        self.expect(gate, "sync", says=f"{UNREACHABLE} doesn't answer")
        assert load_config(gate.config).trust_list.read_bytes() == before


class TestStatus:
    def test_it_counts_scans_taps_and_rides(self, gate: GateFolder, rider: Rider, now: int) -> None:
        gate.scan_texts("entry", [rider.shows(now).to_text(), rider.shows(now).to_text(), "no code"])
        document = gate.json("status")
        assert document["scans"] == {"accepted": 1, "already_entered": 1, "malformed": 1}
        assert document["taps"] == {"waiting": 1, "paired": 0, "unused": 0}
        assert document["rides"] == {"ready": 0, "batched": 0, "settled": 0, "rejected": 0}
        assert document["waiting"] == []
        assert document["trust_list"]["block"] == 1_000
        assert 60 <= document["trust_list"]["age"] < 120
        assert document["trust_list"]["expired"] is False

    def test_it_works_before_the_first_scan_and_makes_no_journal(self, gate: GateFolder) -> None:
        assert gate.json("status")["scans"] == {}
        assert not gate.journal.exists()

    def test_it_works_without_a_trust_list(self, gate: GateFolder) -> None:
        gate.scan_texts("entry", ["no code"])
        load_config(gate.config).trust_list.unlink()
        assert "run gate-client sync" in gate.json("status")["trust_list"]["problem"]

    @pytest.mark.parametrize("command", ["status", "submit"])
    def test_a_path_where_there_is_nothing_is_a_slip_and_stays_empty(self, gate: GateFolder, command: str) -> None:
        with_keystore(gate)
        gate.config.write_text(gate.config.read_text().replace('"gate.db"', '"gaet.db"'))
        done = gate.run(command)
        assert done.returncode == 2
        assert "gaet.db: there is no journal, and no trust list beside it; correct journal in gate.toml" in done.stderr
        assert not (gate.folder / "gaet.db").exists()

    def test_it_names_the_clearinghouse_as_sync_does(self, gate: GateFolder, trust: TrustList) -> None:
        gate.scan_texts("entry", ["no code"])
        document = gate.json("status")
        address = to_checksum(trust.domain.clearinghouse)
        assert document["trust_list"]["clearinghouse"] == trust_list_document(trust)["clearinghouse"] == address
        assert [domain["clearinghouse"] for domain in document["domains"]] == [address]

    def test_it_has_both_clearinghouses_and_when_the_old_one_closes(
        self, gate: GateFolder, trust: TrustList, office: TicketOffice, hangzhou: City, now: int
    ) -> None:
        gate.scan_texts("entry", [office.issue(hangzhou, not_after=now + 60).shows(now).to_text()])
        new = Domain(1337, b"\x02" * 20)
        before = Predecessor(trust.domain, now + 86_400)
        replace_trust_list(
            load_config(gate.config).trust_list,
            replace(trust, domain=new, predecessors=(before,), block=2_000, block_time=now - 30),
        )
        theirs = TicketOffice(new, office.issuer)
        tickets = [theirs.issue(hangzhou, not_after=now + 60) for _ in range(2)]
        answers = gate.scan_texts("entry", [ticket.shows(now).to_text() for ticket in tickets])
        assert {answer["reason"] for answer in answers} == {"accepted"}
        document = gate.json("status")
        assert document["trust_list"]["predecessors"] == [
            {"clearinghouse": to_checksum(trust.domain.clearinghouse), "closes_at": now + 86_400}
        ]
        assert [(d["clearinghouse"], d["closes_at"], d["taps"]["waiting"]) for d in document["domains"]] == [
            (to_checksum(new.clearinghouse), None, 2),
            (to_checksum(trust.domain.clearinghouse), now + 86_400, 1),
        ]
        shown = gate.run("status").stdout
        assert datetime.fromtimestamp(now + 86_400, UTC).strftime("%Y-%m-%d") in shown

    def test_people_get_tables(self, gate: GateFolder, code: Code) -> None:
        gate.scan_texts("entry", [code.to_text()])
        done = gate.run("status")
        assert done.returncode == 0
        assert "accepted" in done.stdout
