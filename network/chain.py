"""A local chain: anvil as a child process, its state kept in a file between runs.

`python -m network.chain` (`make chain`) runs one in the foreground. Chain id 1337 is what ape takes any local node for.
"""

import atexit
import contextlib
import fcntl
import json
import os
import platform
import random
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import click

from network.errors import NetworkError

CHAIN_ID: Final = 1337
HOST: Final = "127.0.0.1"
REPOSITORY: Final = Path(__file__).resolve().parent.parent
STATE_INTERVAL: Final = 5  # seconds between two writes of the state, so that a killed chain loses little
PORTS: Final = range(20_000, 32_000)  # below those that systems give to outgoing connections
START_SECONDS: Final = 120.0  # it takes less than one; a busy machine mustn't decide
STOP_SECONDS: Final = 120.0  # until then it writes its state, which a kill would lose


def anvil_binary() -> Path:
    """The anvil that npm installed for this platform.

    Raises NetworkError where it isn't there.
    """
    machine = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine().lower(), ""
    )
    package = f"anvil-{platform.system().lower()}-{machine}"
    binary = REPOSITORY / "node_modules" / "@foundry-rs" / package / "bin" / "anvil"
    if not binary.is_file():
        raise NetworkError(f"expected anvil at node_modules/@foundry-rs/{package}; it isn't there. Run `make setup`")
    return binary


class Chain:
    """An anvil process that listens on this machine alone; a context manager.

    The gas price is 0: accounts without ether can send, and `eth_gasPrice` says 0. It ends with its program.

    Args:
        port: 0 takes a free one, and keeps it for later starts.
        state: file that blocks, receipts, logs and storage are kept in between runs; None keeps nothing. Storage is the
            last block's alone: after a restart, calls at older blocks fail.
        block_time: seconds between two blocks; None makes one for each transaction.
        chain_id: of the chain.
        hardfork: the EVM's version.
        extra: more arguments of anvil.
        verbose: let anvil write its log to standard output.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        state: Path | None = None,
        block_time: float | None = 1,
        chain_id: int = CHAIN_ID,
        hardfork: str = "prague",
        extra: tuple[str, ...] = (),
        verbose: bool = False,
    ) -> None:
        self.port = port or free_port()
        self._state = state
        self._block_time = block_time
        self._chain_id = chain_id
        self._hardfork = hardfork
        self._extra = extra
        self._verbose = verbose
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its JSON-RPC is."""
        return f"http://{HOST}:{self.port}"

    def command(self) -> list[str]:
        """The command line that runs it."""
        command = [str(anvil_binary()), "--host", HOST, "--port", str(self.port), "--chain-id", str(self._chain_id)]
        command += ["--hardfork", self._hardfork]
        command += ["--gas-price", "0", "--block-base-fee-per-gas", "0", "--disable-min-priority-fee"]
        if self._block_time is not None:
            command += ["--block-time", f"{self._block_time:g}"]
        if self._state is not None:
            if self._state.exists():
                command += ["--load-state", str(self._state)]
            command += ["--dump-state", str(self._written), "--state-interval", str(STATE_INTERVAL)]
        if not self._verbose:
            command.append("--silent")
        return [*command, *self._extra]

    def start(self) -> None:
        """Starts the process and waits until it answers.

        Raises NetworkError where the port is taken or it doesn't come up, with anvil's own words.
        """
        _require_free(self.port)
        self._keep_state()
        with tempfile.TemporaryFile() as errors:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=None if self._verbose else subprocess.DEVNULL,
                stderr=errors,
            )
            atexit.register(self.stop)
            self._wait_until_up(errors)

    def _wait_until_up(self, errors: IO[bytes]) -> None:
        until = time.monotonic() + START_SECONDS
        while not self.answers():
            if not self.runs() or time.monotonic() > until:
                self.kill()
                errors.seek(0)
                said = errors.read().decode(errors="replace").strip() or "nothing"
                raise NetworkError(f"expected a chain at {self.url} within {START_SECONDS:.0f} s; anvil said: {said}")
            time.sleep(0.02)

    def runs(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def wait(self) -> int:
        """Waits until the process ends by itself, and returns its exit status."""
        return self._process.wait() if self._process is not None else 0

    def answers(self) -> bool:
        """Whether it answers a request now."""
        call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}).encode()
        request = urllib.request.Request(self.url, call, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=2) as answer:
                return "result" in json.load(answer)
        except (OSError, ValueError):
            return False

    def stop(self) -> None:
        """Ends the process and waits until its state is written; does nothing if it doesn't run."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Ends the process at once; what isn't in the state file yet is lost."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        atexit.unregister(self.stop)
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._keep_state()

    @property
    def _written(self) -> Path:
        """Where anvil writes its state: not in place, for a kill may cut it short."""
        assert self._state is not None
        return self._state.with_name(self._state.name + ".written")

    def _keep_state(self) -> None:
        """Lets what anvil wrote last take the state file's place, if it is whole."""
        if self._state is None:
            return
        self._state.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError, ValueError):
            json.loads(self._written.read_bytes())
            os.replace(self._written, self._state)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def free_port() -> int:
    """A port that nobody listens on, of those that no outgoing connection takes while the chain is stopped.

    It is this process's until its end: two that ask at the same moment, or while one's chain is stopped, get two ports.
    """
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        if _is_free(port) and _reserve(port):
            return port
    raise NetworkError(f"expected a free port from {PORTS[0]} to {PORTS[-1]}, found none")


_reserved: Final[dict[int, IO[bytes]]] = {}
"""The open file by whose lock a port is this process's; the system takes the lock away with the process."""


def _reserve(port: int) -> bool:
    if port in _reserved:
        return False
    folder = Path(tempfile.gettempdir()) / f"interline-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    file = (folder / str(port)).open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return False
    _reserved[port] = file
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _require_free(port: int) -> None:
    if not _is_free(port):
        raise NetworkError(f"port {port} is taken; end what listens there, or choose another: `make chain PORT=…`")


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8545, show_default=True)
@click.option("--state", type=click.Path(path_type=Path), default=Path("out/chain/state.json"), show_default=True)
@click.option("--block-time", default=1.0, show_default=True, help="Seconds between two blocks.")
@click.option("--verbose", is_flag=True, help="Show anvil's log.")
def main(port: int, state: Path, block_time: float, verbose: bool) -> None:
    """Runs a local chain in the foreground; Ctrl-C ends it and keeps its state.

    Exit status: 0 ended by a signal, 1 it can't run or ended by itself.
    """
    chain = Chain(port=port, state=state, block_time=block_time, verbose=verbose)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # anvil takes this over: a closed terminal would end it unsaved
        chain.start()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # Ctrl-C too: scripts' background jobs ignore it
            signal.signal(number, signal.default_int_handler)
        click.echo(f"chain {CHAIN_ID} at {chain.url}, gas price 0, its state in {state}; Ctrl-C ends it", err=True)
        raise NetworkError(f"expected anvil to go on; it ended with status {chain.wait()}")
    except KeyboardInterrupt:
        chain.stop()
        click.echo(f"ended; the state is kept in {state}", err=True)
    except (NetworkError, OSError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        chain.stop()


if __name__ == "__main__":
    main()
