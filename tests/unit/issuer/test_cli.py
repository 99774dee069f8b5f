"""`issuer-client`: its commands, what they print for people and programs, and their exit statuses."""

import json
import os
import pty
import signal
import sqlite3
import sys
import termios
import time
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from interline.cities import load_city
from interline.code import Code
from interline.domain import Domain, code_message
from interline.signatures import address_of, recover_address
from interline.tariff import load_tariff

from .conftest import CHAIN_ID, CITIES, CLEARINGHOUSE, HANGZHOU, PASSWORD, SHANGHAI, XUZHOU, Desk, rider_keys

DOMAIN = Domain(CHAIN_ID, CLEARINGHOUSE)


def decoded(path: Path) -> str:
    """The text of the one QR symbol in a picture."""
    with Image.open(path) as image:
        (barcode,) = zxingcpp.read_barcodes(image, formats=zxingcpp.BarcodeFormat.QRCode)
    return barcode.text


def verifies(text: str, issuer_key: bytes) -> Code:
    """The code in `text`, both of whose signatures must be right."""
    code = Code.from_text(text)
    digest = code.ticket.hash(DOMAIN)
    assert recover_address(digest, code.ticket.signature) == address_of(issuer_key)
    assert code.rider.verify(code_message(digest, code.shown_at), code.rider_signature)
    return code


# issue


def test_issue_puts_tickets_at_the_operators_highest_fare_into_the_test_wallet(desk: Desk) -> None:
    document = desk.json("issue", "--operator", HANGZHOU, "--count", 5)
    assert (document["issuer"], document["operator"]) == (XUZHOU, HANGZHOU)
    assert document["fare_cap"] == load_tariff(load_city(CITIES / "hangzhou.yaml").tariff).highest_fare
    assert len({ticket["serial"] for ticket in document["tickets"]}) == 5
    assert document["wallet"] == str(desk.folder / "wallet.db")
    issued = desk.json("tickets")["tickets"]
    assert [{k: v for k, v in ticket.items() if k != "issued_at"} for ticket in issued] == document["tickets"]
    assert desk.json("wallet", "list")["tickets"] == document["tickets"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--valid-for", "7d"], "--valid-for"),
        (["--fare-cap", "1999"], "--fare-cap"),
        (["--fare-cap", "1999", "--valid-for", "7d"], "--fare-cap and --valid-for"),
    ],
)
def test_what_marks_tickets_on_the_chain_is_warned_of(desk: Desk, options: list[str], named: str) -> None:
    done = desk.run("issue", "--operator", HANGZHOU, *options)
    assert f"Warning: {named} can be seen on the chain" in done.stderr


def test_tickets_as_everybody_has_them_need_no_warning(desk: Desk) -> None:
    assert desk.run("issue", "--operator", HANGZHOU).stderr == ""


def test_issue_without_a_count_issues_one(desk: Desk) -> None:
    assert len(desk.json("issue", "--operator", HANGZHOU)["tickets"]) == 1


def test_issue_shows_people_a_table(desk: Desk) -> None:
    result = desk.run("issue", "--operator", HANGZHOU, "--fare-cap", 1234)
    assert result.exit_code == 0
    assert "1 ticket for 3301" in result.stdout
    assert "12.34" in result.stdout


def test_issue_prints_tickets_for_given_rider_keys_as_lines(desk: Desk) -> None:
    first, second, third = rider_keys(3)
    (desk.folder / "keys").write_text(f"{second.hex()}\n0x{third.hex()}\n")
    arguments = ["issue", "--operator", HANGZHOU, "--rider-key", first.hex(), "--rider-keys", desk.folder / "keys"]
    result = desk.run(*arguments)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [bytes.fromhex(line[2:])[19:52] for line in lines] == [first, second, third]
    assert desk.json("wallet", "list")["tickets"] == []


def test_rider_keys_of_a_wallet_elsewhere_come_by_pipe_and_tickets_go_back_by_pipe(desk: Desk) -> None:
    keys = desk.run("wallet", "new-keys", "--count", 3).stdout
    tickets = desk.run("issue", "--operator", HANGZHOU, "--rider-keys", "-", input=keys).stdout
    assert desk.json("wallet", "add", "-", input=tickets) == {"added": 3, "known": 0}
    keys_as_json = desk.run("wallet", "new-keys", "--count", 2, "--json").stdout
    document = desk.json("issue", "--operator", SHANGHAI, "--rider-keys", "-", input=keys_as_json)
    assert document["wallet"] is None
    assert desk.json("wallet", "add", "-", input=json.dumps(document)) == {"added": 2, "known": 0}
    assert desk.json("wallet", "list")["rider_keys_without_ticket"] == 0


def test_issue_takes_a_cap_and_a_length_of_time(desk: Desk) -> None:
    document = desk.json("issue", "--operator", HANGZHOU, "--fare-cap", 2000, "--valid-for", "90s")
    (ticket,) = desk.json("tickets")["tickets"]
    assert document["fare_cap"] == ticket["fare_cap"] == 2000
    assert ticket["not_after"] == ticket["issued_at"] + 90


def test_issue_warns_of_a_cap_that_the_gates_will_refuse(desk: Desk) -> None:
    result = desk.run("issue", "--operator", HANGZHOU, "--fare-cap", 1, "--json")
    assert result.exit_code == 0
    assert "fare_cap_too_low" in result.stderr
    assert json.loads(result.stdout)["fare_cap"] == 1
    assert desk.run("issue", "--operator", HANGZHOU, "--json").stderr == ""


def test_issue_works_without_city_files_if_a_cap_is_given(desk: Desk) -> None:
    desk.change(f"cities = {json.dumps(str(CITIES))}\n", "")
    assert desk.json("issue", "--operator", HANGZHOU, "--fare-cap", 900)["fare_cap"] == 900
    result = desk.run("issue", "--operator", HANGZHOU)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "give --fare-cap, or set `cities`" in result.stderr


def test_issue_needs_a_wallet_or_rider_keys(desk: Desk) -> None:
    desk.change('wallet = "wallet.db"\n', "")
    result = desk.run("issue", "--operator", HANGZHOU)
    assert result.exit_code == 2
    assert "give --wallet, or set `wallet`" in result.stderr
    document = desk.json("issue", "--operator", HANGZHOU, "--wallet", desk.folder / "other.db")
    assert document["wallet"] == str(desk.folder / "other.db")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--operator", XUZHOU], "expected another city than the issuer"),
        (["--operator", 3310], "expected one of 3100 Shanghai"),
        (["--operator", 0], "expected a city code from 1"),
        (["--operator", HANGZHOU, "--rider-key", "02" + "ff" * 32], "point of P-256"),
        (["--operator", HANGZHOU, "--rider-key", "02ff"], "expected 33 bytes, came 2"),
        (["--operator", HANGZHOU, "--rider-key", "key"], "in hexadecimals, came 'key'"),
        (["--operator", HANGZHOU, "--rider-keys", "-"], "expected at least one, came none"),
        (["--operator", HANGZHOU, "--valid-for", "5000000000"], "length of time: expected"),
    ],
)
def test_what_may_not_be_issued_is_refused_with_status_1(desk: Desk, arguments: list[object], message: str) -> None:
    result = desk.run("issue", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert desk.json("tickets")["tickets"] == []
    assert desk.json("serials")["operators"] == []


def test_a_rider_key_with_a_ticket_is_refused_with_status_1(desk: Desk) -> None:
    (key,) = rider_keys(1)
    assert desk.run("issue", "--operator", HANGZHOU, "--rider-key", key.hex()).exit_code == 0
    result = desk.run("issue", "--operator", SHANGHAI, "--rider-key", key.hex())
    assert (result.exit_code, result.stdout) == (1, "")
    assert "expected one that no other ticket has" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--operator", "Hangzhou"],
        ["--operator", 65536],
        ["--operator", HANGZHOU, "--count", 0],
        ["--operator", HANGZHOU, "--fare-cap", -1],
        ["--operator", HANGZHOU, "--fare-cap", "15.00"],
        ["--operator", HANGZHOU, "--valid-for", "soon"],
        ["--operator", HANGZHOU, "--rider-keys", "no-such-file"],
        ["--operator", HANGZHOU, "--rider-key", "02" * 33, "--count", 2],
        ["--operator", HANGZHOU, "--rider-key", "02" * 33, "--wallet", "wallet.db"],
        ["--operator", HANGZHOU, "--password", PASSWORD],
    ],
)
def test_a_wrong_command_line_is_status_2(desk: Desk, arguments: list[object]) -> None:
    result = desk.run("issue", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage:" in result.stderr


# What it can't work with


def test_settings_that_are_not_there_are_status_2(desk: Desk) -> None:
    desk.settings.unlink()
    result = desk.run("tickets")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no such file" in result.stderr


def test_a_wrong_password_is_status_2(desk: Desk) -> None:
    result = desk.run("issue", "--operator", HANGZHOU, password="another password")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "expected the keystore's password, came another" in result.stderr
    assert not (desk.folder / "tickets.db").exists()


def test_without_a_terminal_the_password_must_be_in_the_environment(desk: Desk) -> None:
    result = desk.run("issue", "--operator", HANGZHOU, password=None, input=f"{PASSWORD}\n")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "expected one in ISSUER_KEYSTORE_PASSWORD, or a terminal" in result.stderr


def test_a_keystore_of_another_key_is_status_2(desk: Desk) -> None:
    desk.change("city = 3203", "city = 3204")
    result = desk.run("issue", "--operator", HANGZHOU)
    assert result.exit_code == 2
    assert "issuer key 1 of Changzhou" in result.stderr


def test_a_database_of_another_clearinghouse_is_status_2(desk: Desk) -> None:
    desk.json("issue", "--operator", HANGZHOU)
    desk.change("chain_id = 1337", "chain_id = 1338")
    for command in (["tickets"], ["wallet", "list"]):
        result = desk.run(*command)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "came one of chain id 1337" in result.stderr


def test_a_database_that_is_locked_for_too_long_is_status_2(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.json("issue", "--operator", HANGZHOU)
    monkeypatch.setattr("issuer_client.database.BUSY_SECONDS", 0.1)
    with sqlite3.connect(desk.folder / "tickets.db", isolation_level=None) as sql:
        sql.execute("BEGIN IMMEDIATE")
        result = desk.run("issue", "--operator", HANGZHOU)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "database is locked" in result.stderr


def end(process: int) -> None:
    """Kill a child, if it is still ours and there."""
    try:
        if os.waitpid(process, os.WNOHANG)[0] == 0:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
    except ChildProcessError:
        pass  # it ended, and was waited for


def test_the_password_is_asked_for_at_a_terminal_and_not_shown(desk: Desk, request: pytest.FixtureRequest) -> None:
    process, terminal = pty.fork()
    if process == 0:
        os.environ.pop("ISSUER_KEYSTORE_PASSWORD", None)
        arguments = ["--config", str(desk.settings), "issue", "--operator", str(HANGZHOU), "--json"]
        os.execv(sys.executable, [sys.executable, "-m", "issuer_client", *arguments])
    request.addfinalizer(lambda: end(process))
    shown = b""
    while b"Password of" not in shown:
        shown += os.read(terminal, 1024)
    while termios.tcgetattr(terminal)[3] & termios.ECHO:
        time.sleep(0.01)  # what is typed before the echo is off would be thrown away
    os.write(terminal, f"{PASSWORD}\n".encode())
    try:
        while piece := os.read(terminal, 1024):
            shown += piece
    except OSError:
        pass  # how Linux says that the other end of a terminal is closed
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    assert PASSWORD.encode() not in shown
    assert b'"tickets"' in shown
    assert len(desk.json("tickets")["tickets"]) == 1


# tickets, serials


def test_tickets_lists_those_for_one_operator(desk: Desk) -> None:
    for operator in (HANGZHOU, SHANGHAI, HANGZHOU):
        desk.json("issue", "--operator", operator)
    document = desk.json("tickets", "--operator", HANGZHOU)
    assert [ticket["operator"] for ticket in document["tickets"]] == [HANGZHOU, HANGZHOU]
    assert "3 tickets issued by 3203" in desk.run("tickets").stdout


def test_serials_shows_how_many_are_handed_out(desk: Desk) -> None:
    desk.json("issue", "--operator", HANGZHOU, "--count", 300)
    assert desk.json("serials") == {
        "issuer": XUZHOU,
        "operators": [{"operator": HANGZHOU, "handed_out": 300, "block": 1, "left_in_block": 212}],
    }
    assert "300" in desk.run("serials").stdout


def test_tickets_needs_no_password(desk: Desk) -> None:
    assert desk.run("tickets", password=None).exit_code == 0


# wallet


def test_a_picture_of_a_code_is_read_back_and_verifies(desk: Desk, xuzhou_key: bytes) -> None:
    (ticket,) = desk.json("issue", "--operator", HANGZHOU)["tickets"]
    picture = desk.folder / "code.png"
    result = desk.run("wallet", "show", "--operator", HANGZHOU, "--png", picture)
    assert result.exit_code == 0
    assert f"ticket {ticket['serial']} of 3203 for 3301" in result.stdout
    assert verifies(decoded(picture), xuzhou_key).ticket.serial == ticket["serial"]


def test_pictures_of_several_codes_go_into_a_folder(desk: Desk, xuzhou_key: bytes) -> None:
    tickets = desk.json("issue", "--operator", HANGZHOU, "--count", 3)["tickets"]
    desk.json("issue", "--operator", SHANGHAI)
    codes = desk.json("wallet", "show", "--operator", HANGZHOU, "--all", "--png", desk.folder / "codes")["codes"]
    assert [code["serial"] for code in codes] == [ticket["serial"] for ticket in tickets]
    assert [code["ticket_hash"] for code in codes] == [ticket["ticket_hash"] for ticket in tickets]
    for code in codes:
        assert code["png"] == str(desk.folder / "codes" / f"3203-3301-{code['serial']}.png")
        assert decoded(Path(code["png"])) == code["text"]
        assert verifies(code["text"], xuzhou_key).shown_at == code["shown_at"]


def test_codes_are_printed_as_text_one_on_a_line(desk: Desk, xuzhou_key: bytes) -> None:
    desk.json("issue", "--operator", HANGZHOU, "--count", 3)
    result = desk.run("wallet", "show", "--operator", HANGZHOU, "--all", "--text")
    lines = result.stdout.removesuffix("\n").split("\n")
    assert len({verifies(line, xuzhou_key).ticket.serial for line in lines}) == 3


def test_a_code_is_drawn_in_the_terminal(desk: Desk) -> None:
    desk.json("issue", "--operator", HANGZHOU)
    lines = desk.run("wallet", "show", "--operator", HANGZHOU, "--terminal").stdout.splitlines()
    assert [len(line) for line in lines[:33]] == [65] * 33
    assert lines[33].startswith("Shown: ticket ")


def test_show_takes_the_oldest_ticket_that_can_still_begin_a_ride(desk: Desk) -> None:
    expired = desk.json("issue", "--operator", HANGZHOU, "--valid-for", "90s")["tickets"][0]
    oldest = desk.json("issue", "--operator", HANGZHOU)["tickets"][0]
    desk.json("issue", "--operator", HANGZHOU, "--count", 2)
    with sqlite3.connect(desk.folder / "wallet.db") as sql:
        sql.execute("UPDATE tickets SET not_after = 1 WHERE serial = ?", (expired["serial"],))
    for _ in range(2):
        (code,) = desk.json("wallet", "show", "--operator", HANGZHOU)["codes"]
        assert code["serial"] == oldest["serial"]
    (code,) = desk.json("wallet", "show", "--operator", HANGZHOU, "--serial", expired["serial"])["codes"]
    assert code["serial"] == expired["serial"]
    assert len(desk.json("wallet", "show", "--operator", HANGZHOU, "--all")["codes"]) == 4


def test_show_takes_the_tickets_that_are_named(desk: Desk) -> None:
    serials = [ticket["serial"] for ticket in desk.json("issue", "--operator", HANGZHOU, "--count", 4)["tickets"]]
    arguments = ["--serial", serials[1], "--serial", serials[3]]
    codes = desk.json("wallet", "show", "--operator", HANGZHOU, "--issuer", XUZHOU, *arguments)["codes"]
    assert [code["serial"] for code in codes] == [serials[1], serials[3]]


@pytest.mark.parametrize(
    "arguments",
    [["--operator", SHANGHAI], ["--operator", HANGZHOU, "--serial", 999], ["--operator", HANGZHOU, "--issuer", 1]],
)
def test_a_ticket_that_is_not_in_the_wallet_is_status_1(desk: Desk, arguments: list[object]) -> None:
    desk.json("issue", "--operator", HANGZHOU)
    result = desk.run("wallet", "show", *arguments, "--text")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "expected a ticket" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [[], ["--text", "--terminal"], ["--json", "--text"], ["--png", "x", "--text"], ["--text", "--all", "--serial", 1]],
)
def test_show_takes_one_way_of_showing(desk: Desk, arguments: list[object]) -> None:
    result = desk.run("wallet", "show", "--operator", HANGZHOU, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_picture_that_cannot_be_written_is_status_2(desk: Desk) -> None:
    desk.json("issue", "--operator", HANGZHOU, "--count", 2)
    (desk.folder / "file").write_text("")
    for arguments in (["--png", desk.folder / "file" / "code.png"], ["--all", "--png", desk.folder / "file"]):
        result = desk.run("wallet", "show", "--operator", HANGZHOU, *arguments)
        assert (result.exit_code, result.stdout) == (2, "")


def test_the_wallet_refuses_what_is_not_for_it(desk: Desk) -> None:
    tickets = desk.run("issue", "--operator", HANGZHOU, "--rider-key", rider_keys(1)[0].hex()).stdout
    result = desk.run("wallet", "add", "-", input=tickets)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "expected a ticket for a rider key of this wallet" in result.stderr


def test_the_wallet_refuses_a_ticket_that_the_issuers_key_did_not_sign(desk: Desk) -> None:
    keys = desk.run("wallet", "new-keys").stdout
    ticket = desk.run("issue", "--operator", HANGZHOU, "--rider-keys", "-", input=keys).stdout.strip()
    forged = ticket[:-1] + ("0" if ticket[-1] != "0" else "1")
    result = desk.run("wallet", "add", "-", input=forged)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "expected a signature by" in result.stderr
    assert desk.run("wallet", "add", "-", input=ticket).stdout == "1 ticket added, 0 there already\n"


def test_tickets_lost_in_a_crash_are_found_in_the_register(desk: Desk) -> None:
    keys = desk.run("wallet", "new-keys", "--count", 2).stdout
    desk.run("issue", "--operator", HANGZHOU, "--rider-keys", "-", input=keys)
    desk.run("issue", "--operator", HANGZHOU, "--rider-key", rider_keys(1)[0].hex())
    register = desk.run("tickets", "--json").stdout
    assert desk.json("wallet", "add", "--mine", "-", input=register) == {"added": 2, "known": 0}


def test_the_wallet_lists_its_tickets_for_people(desk: Desk) -> None:
    desk.json("issue", "--operator", HANGZHOU, "--count", 2)
    desk.run("wallet", "new-keys")
    assert "2 tickets; 1 rider key without one" in desk.run("wallet", "list").stdout


def test_the_help_says_that_this_is_no_riders_wallet(desk: Desk) -> None:
    assert "NOT a rider's wallet" in desk.run("wallet", "--help").stdout
    for command in ([], ["issue"], ["tickets"], ["serials"], ["wallet", "show"], ["wallet", "add"]):
        assert desk.run(*command, "--help").exit_code == 0
