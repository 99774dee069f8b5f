"""Killed at any moment, the office may lose a ticket that nobody saw; it never gives a serial twice."""

import json
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.support.patience import PATIENCE, running

from .conftest import HANGZHOU, XUZHOU, Desk, issuer_key

# An office that waits for a line, then issues two tickets at a time, without end, and prints what it issued.
LOOP = """
import sys
from pathlib import Path
from issuer_client.config import IssuerConfig
from issuer_client.office import TicketOffice
from interline.rider_keys import RiderPrivateKey

folder, private_key = Path(sys.argv[1]), bytes.fromhex(sys.argv[3])
operator, rounds = int(sys.argv[2]), int(sys.argv[4])
config = IssuerConfig(3203, 1337, bytes(range(1, 21)), 1, folder / "none.json", folder / "tickets.db")
print("ready", flush=True)
sys.stdin.readline()
with TicketOffice(config, private_key) as office:
    while rounds:
        rounds -= 1
        keys = [RiderPrivateKey.generate().public.data for _ in range(2)]
        for ticket in office.issue(operator, keys, fare_cap=900):
            print(ticket.to_bytes().hex(), flush=True)
"""


@contextmanager
def start_loop(folder: Path, rounds: int = -1) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-c", LOOP, str(folder), str(HANGZHOU), issuer_key(XUZHOU).hex(), str(rounds)]
    with running(command, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


def let_go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def in_register(folder: Path) -> list[tuple[int, str]]:
    """Serial and bytes, in hexadecimals, of every ticket in the register."""
    with sqlite3.connect(folder / "tickets.db") as sql:
        return sql.execute("SELECT serial, lower(hex(ticket)) FROM tickets ORDER BY number").fetchall()


def assert_every_ticket_is_there_once(folder: Path, printed: list[str]) -> None:
    register = in_register(folder)
    assert Counter(printed) - Counter(ticket for _, ticket in register) == Counter()
    serials = [serial for serial, _ in register]
    assert len(set(serials)) == len(serials)
    # Dense: no block is begun before the one before it is used up, whatever was killed.
    for number in range(len(serials) // 256):
        assert sorted(serials[number * 256 : (number + 1) * 256]) == list(range(number * 256, (number + 1) * 256))


def test_an_office_that_is_killed_again_and_again_gives_no_serial_twice(tmp_path: Path) -> None:
    moments = random.Random(7)
    printed: list[str] = []
    kills = 0
    while kills < 20 or len(printed) <= 256:
        with start_loop(tmp_path) as process:
            assert process.stdout is not None
            let_go(process)
            lines = [process.stdout.readline() for _ in range(moments.randrange(40))]
            time.sleep(moments.uniform(0.0, 0.02))
            process.kill()
            lines += process.stdout.readlines()
            kills += 1
        printed += [line[:-1] for line in lines if len(line) == 233]  # the last one may be cut off
    assert_every_ticket_is_there_once(tmp_path, printed)


def test_an_issue_command_that_is_killed_leaves_all_of_its_tickets_or_none(desk: Desk) -> None:
    started = time.monotonic()
    with desk.start("issue", "--operator", HANGZHOU, "--json") as process:
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
    whole = time.monotonic() - started
    moments = random.Random(7)
    printed, killed, runs = list[str](), 0, 0
    while killed == 0 or runs < 16:
        runs += 1
        with desk.start("issue", "--operator", HANGZHOU, "--count", 7, "--json") as process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(moments.uniform(0.3, 1.1) * whole)
            process.kill()
            output, _ = process.communicate()
        killed += process.returncode != 0
        if output.endswith("}\n"):
            printed += [ticket["ticket"][2:] for ticket in json.loads(output)["tickets"]]
        assert runs < 200, "expected a kill before the end, found none"
    assert_every_ticket_is_there_once(desk.folder, printed)
    assert len(in_register(desk.folder)) % 7 == 1
    # The wallet works, and takes in what the register has and it doesn't.
    register = desk.run("tickets", "--json").stdout
    recovered = desk.json("wallet", "add", "--mine", "-", input=register)
    assert recovered["added"] + recovered["known"] == len(in_register(desk.folder))


def test_offices_that_issue_at_once_from_one_database_give_no_serial_twice(tmp_path: Path) -> None:
    with ExitStack() as until_the_end:
        processes = [until_the_end.enter_context(start_loop(tmp_path, rounds=60)) for _ in range(3)]
        for process in processes:
            let_go(process)
        printed = [line for process in processes for line in process.communicate(timeout=PATIENCE)[0].split()]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(printed) == 360
    assert len(in_register(tmp_path)) == 360
    assert_every_ticket_is_there_once(tmp_path, printed)
