"""People who work beside each other while processes are killed: who hangs or fails is named; nobody waits for ever."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.killing import Kills, run_and_kill, work_together

REPOSITORY = Path(__file__).resolve().parents[3]
FOREVER = 3_600.0


def killer_of(party: str, kills: Kills) -> Callable[[], None]:
    """Kills as long as anybody lacks kills."""

    def work() -> None:
        while kills.go_on:
            kills.add(party)
            kills.over.wait(0.001)

    return work


def test_all_go_on_until_each_has_had_its_kills() -> None:
    """The exit gates need riders whom only entry gates bring: those mustn't stop at their own last kill."""
    kills, inside = Kills({"entry": 2, "exit": 20}), threading.Semaphore(0)

    def entries() -> None:
        while kills.go_on:
            kills.add("entry")
            inside.release()
            kills.over.wait(0.001)

    def exits() -> None:
        while kills.go_on:
            if inside.acquire(timeout=0.01):
                kills.add("exit")

    assert work_together([entries, exits], kills) == []
    assert kills.counts["entry"] >= kills.counts["exit"] >= 20


def test_who_gets_no_kills_any_more_is_named_and_ends_it_for_all() -> None:
    kills = Kills({"entry": 1, "exit": 1})
    [failure] = work_together([killer_of("entry", kills)] * 2, kills, patience=0.2)
    assert failure.startswith("no kill of exit for 0.2 s; killed so far: {'entry': ")
    assert kills.over.is_set()


def test_what_one_of_them_fails_of_is_told_and_ends_it_for_all() -> None:
    kills = Kills({"entry": 10**9})

    def fails() -> None:
        raise ValueError("a ride is lost")

    [failure] = work_together([killer_of("entry", kills), fails], kills)
    assert failure.startswith("fails: Traceback")
    assert "ValueError: a ride is lost" in failure


def test_who_does_not_end_is_named() -> None:
    kills = Kills({"entry": 1})

    def hangs() -> None:
        threading.Event().wait(FOREVER)

    failures = work_together([killer_of("entry", kills), hangs], kills, last_words=0.2)
    assert failures == ["hangs still runs 0.2 s after it was over"]


def test_a_process_that_outlives_its_moment_is_killed_and_one_that_does_not_says_how_it_ended() -> None:
    python = [sys.executable, "-c"]
    killed = run_and_kill([*python, f"import time; time.sleep({FOREVER})"], os.environ, after=0.01)
    assert (killed.was_killed, killed.status) == (True, -9)
    ended = run_and_kill([*python, "raise SystemExit('said why')"], os.environ, after=FOREVER)
    assert (ended.was_killed, ended.status, ended.errors) == (False, 1, "said why\n")


@pytest.mark.parametrize("daemon", [False, True], ids=["a thread that keeps the process", "a daemon"])
def test_a_test_that_leaves_a_thread_behind_does_not_keep_the_process_for_ever(tmp_path: Path, daemon: bool) -> None:
    """conftest.py: what is left over is shown, and the process ends."""
    (tmp_path / "conftest.py").write_text(
        f"from tests import conftest\nconftest.LEFT_OVER = {FOREVER if daemon else 1}\n"
        "pytest_unconfigure = conftest.pytest_unconfigure\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import threading\n"
        "def left_over():\n"
        f"    threading.Event().wait({FOREVER})\n"
        "def test_passes():\n"
        f"    threading.Thread(target=left_over, daemon={daemon}).start()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=FOREVER)
    assert "1 passed" in done.stdout
    assert (done.returncode, "in left_over" in done.stderr) == ((0, False) if daemon else (1, True)), done.stderr
