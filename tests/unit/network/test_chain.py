"""The local chain: what it keeps, how it ends, what it says."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3RPCError

import network.chain as chain_module
from network.accounts import test_address
from network.chain import CHAIN_ID, REPOSITORY, Chain, anvil_binary, free_port
from network.errors import NetworkError
from tests.support.patience import PATIENCE, running, wait_until
from tests.unit.network.conftest import XUZHOU_SUBMITTER, Town, open_town


def answers(port: int) -> bool:
    return Chain(port=port).answers()


def wait_for_a_block(port: int) -> None:
    """Until the chain has something to keep."""
    eth = Web3(HTTPProvider(f"http://127.0.0.1:{port}")).eth
    wait_until(lambda: eth.block_number > 0, "a block")


@contextmanager
def foreground(port: int, state: Path, before: Callable[[], object] | None = None) -> Iterator[subprocess.Popen[str]]:
    """`make chain`, leader of a group of processes; its first line comes when the chain answers.

    At the end nothing of the group is left, whatever happened.
    """
    command = [sys.executable, "-m", "network.chain", "--port", str(port), "--state", str(state)]
    pipe = subprocess.PIPE
    with running(
        command, cwd=REPOSITORY, stdout=None, stderr=pipe, start_new_session=True, preexec_fn=before
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_an_account_without_ether_sends_at_the_gas_price_that_the_node_names(town: Town) -> None:
    assert town.web3.eth.get_balance(test_address(XUZHOU_SUBMITTER)) == 0
    assert town.web3.eth.gas_price == 0
    assert town.install_meter() is not None


def test_the_chain_has_the_id_that_ape_takes_a_local_node_for(town: Town) -> None:
    assert town.web3.eth.chain_id == CHAIN_ID == 1337


def test_a_chain_listens_on_this_machine_alone(town: Town) -> None:
    command = town.chain.command()
    assert command[command.index("--host") + 1] == "127.0.0.1"


def test_a_chain_stopped_and_started_keeps_blocks_receipts_logs_and_storage(town: Town) -> None:
    meter = town.install_meter()
    receipt = town.send(meter)
    block = town.web3.eth.get_block(receipt["blockNumber"])

    town.chain.stop()
    assert not town.chain.answers()
    town.chain.start()

    eth = town.web3.eth
    assert eth.block_number == receipt["blockNumber"]
    assert eth.get_block(receipt["blockNumber"]) == block
    assert eth.get_transaction_receipt(receipt["transactionHash"]) == receipt
    assert eth.get_transaction(receipt["transactionHash"])["from"] == test_address(XUZHOU_SUBMITTER)
    assert eth.get_logs({"address": meter, "fromBlock": 0}) == receipt["logs"]
    assert town.read_meter(meter) == receipt["blockNumber"]


def test_a_chain_started_again_goes_on_where_it_was(town: Town) -> None:
    meter = town.install_meter()
    before = town.send(meter)["blockNumber"]

    town.chain.stop()
    town.chain.start()

    assert town.send(meter)["blockNumber"] == before + 1
    assert town.read_meter(meter) == before + 1
    assert town.web3.eth.get_transaction_count(test_address(XUZHOU_SUBMITTER)) == 3


def test_after_a_restart_the_last_block_can_be_read_at_its_number_and_older_ones_cannot(town: Town) -> None:
    meter = town.install_meter()
    last = town.send(meter)["blockNumber"]

    town.chain.stop()
    town.chain.start()
    town.send(meter)

    assert int.from_bytes(town.web3.eth.get_storage_at(meter, 0, last)) == last
    with pytest.raises(Web3RPCError, match="BlockOutOfRange"):
        town.web3.eth.get_storage_at(meter, 0, last - 1)


def test_blocks_follow_the_clock_before_and_after_a_stop(state: Path) -> None:
    with Chain(state=state, block_time=1) as chain:
        eth = open_town(chain).web3.eth

        def latest() -> int:
            return int(eth.get_block("latest")["timestamp"])

        wait_until(lambda: eth.block_number >= 2, "two blocks")
        chain.stop()
        stopped = time.time()
        time.sleep(3)
        resumed = time.time()
        chain.start()
        wait_until(lambda: latest() >= int(resumed), "a block that has caught up with the clock")
        later = time.time() + 2
        wait_until(lambda: latest() >= int(later), "a block that goes on with the clock")
        assert latest() <= time.time() + 1, "ahead of the clock"
        times = [int(eth.get_block(number)["timestamp"]) for number in range(1, eth.block_number + 1)]
    assert all(earlier < later for earlier, later in itertools.pairwise(times))
    assert not [at for at in times if stopped + 1 < at < int(resumed)]


def test_a_client_that_retries_sees_the_chain_come_back_at_its_url(town: Town) -> None:
    meter = town.install_meter()
    url = town.chain.url
    town.chain.stop()
    with pytest.raises(OSError):  # noqa: PT011 - requests' own hierarchy
        town.web3.eth.get_block("latest")
    town.chain.start()
    assert town.chain.url == url
    assert town.send(meter)["status"] == 1


def test_a_killed_chain_comes_back_with_what_was_written(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_module, "STATE_INTERVAL", 1)
    with Chain(state=state, block_time=None) as chain:
        town = open_town(chain)
        meter = town.install_meter()
        number = town.send(meter)["blockNumber"]
        wait_until(lambda: written_up_to(state) >= number, "the state of that block in its file")
        chain.kill()
        assert not chain.answers()
        chain.start()
        assert town.read_meter(meter) == number


def written_up_to(state: Path) -> int:
    """The last block that anvil's own file holds; -1 while there is none, or half of one."""
    try:
        document = json.loads(state.with_name(state.name + ".written").read_bytes())
    except (FileNotFoundError, ValueError):
        return -1
    number = document["best_block_number"]
    return int(number, 16) if isinstance(number, str) else int(number)


def test_a_state_that_a_kill_cut_short_does_not_replace_the_whole_one(town: Town, state: Path) -> None:
    meter = town.install_meter()
    town.chain.stop()
    whole = state.read_bytes()
    state.with_name(state.name + ".written").write_bytes(whole[: len(whole) // 2])

    town.chain.start()

    assert town.web3.eth.get_code(meter) != b""


def test_a_chain_without_a_state_file_begins_anew(tmp_path: Path) -> None:
    with Chain(block_time=None) as chain:
        town = open_town(chain)
        town.install_meter()
        chain.stop()
        chain.start()
        assert town.web3.eth.block_number == 0


def test_a_damaged_state_file_is_an_error_in_anvils_words(state: Path) -> None:
    state.parent.mkdir()
    state.write_text("{", encoding="utf-8")
    chain = Chain(state=state)
    with pytest.raises(NetworkError, match="failed to parse json file"):
        chain.start()
    assert not chain.runs()


def test_a_taken_port_is_an_error_that_says_what_to_do(town: Town) -> None:
    with pytest.raises(NetworkError, match=f"port {town.chain.port} is taken.*make chain PORT="):
        Chain(port=town.chain.port).start()
    assert town.chain.answers()


def test_no_two_ask_for_a_port_and_get_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither here nor in another process, though nobody listens on any of them."""
    first = free_port()
    monkeypatch.setattr(chain_module, "PORTS", range(first, first + 1))
    with pytest.raises(NetworkError, match=f"free port from {first} to {first}, found none"):
        free_port()
    program = f"from network import chain\nchain.PORTS = range({first}, {first + 2})\nprint(chain.free_port())"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert int(done.stdout) == first + 1


def test_a_missing_anvil_is_an_error_that_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_module, "REPOSITORY", tmp_path)
    with pytest.raises(NetworkError, match="Run `make setup`"):
        anvil_binary()


def test_stopping_a_chain_that_does_not_run_does_nothing(state: Path) -> None:
    chain = Chain(state=state)
    chain.stop()
    chain.kill()
    assert not chain.runs()


def test_a_chain_ends_with_the_program_that_forgot_it() -> None:
    program = (
        "from network.chain import Chain\n"
        "chain = Chain(block_time=None)\n"
        "chain.start()\n"
        "print(chain.port, flush=True)\n"
        "raise RuntimeError('forgot to stop it')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE
    )
    assert "forgot to stop it" in done.stderr
    assert not answers(int(done.stdout))


@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["alone", "with all that it started"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda how: how.name)
def test_make_chain_ended_by_a_signal_keeps_its_state(
    how: signal.Signals, send: Callable[[int, int], None], state: Path
) -> None:
    port = Chain().port
    with foreground(port, state) as process:
        assert process.stderr is not None
        assert f"http://127.0.0.1:{port}" in process.stderr.readline()
        wait_for_a_block(port)
        send(process.pid, how)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert f"kept in {state}" in said
    assert not answers(port)
    assert os.listdir(state.parent) == [state.name]


def test_make_chain_in_a_scripts_background_can_be_interrupted(state: Path) -> None:
    port = Chain().port
    with foreground(port, state, before=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert not answers(port)


def test_make_chain_killed_with_all_that_it_started_leaves_its_port(state: Path) -> None:
    port = Chain().port
    with foreground(port, state) as process:
        assert process.stderr is not None
        process.stderr.readline()
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
    assert not answers(port)


def test_make_chain_on_a_taken_port_is_an_error_without_a_traceback(town: Town, tmp_path: Path) -> None:
    with foreground(town.chain.port, tmp_path / "other.json") as process:
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert f"port {town.chain.port} is taken" in said
    assert "Traceback" not in said
