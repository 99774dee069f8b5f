"""A local chain: anvil as a child process, its state kept in a file between runs.

`python -m network.chain` (`make chain`) runs one in the foreground. Chain id 1337 is what ape takes any local node for.
"""

import json
import platform
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import click

from network.errors import NetworkError

CHAIN_ID: Final = 1337
HOST: Final = "127.0.0.1"
REPOSITORY: Final = Path(__file__).resolve().parent.parent
STATE_INTERVAL: Final = 5  # seconds between two writes of the state, so that a killed chain loses little
START_SECONDS: Final = 20.0
STOP_SECONDS: Final = 30.0


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

    Args:
        port: 0 takes a free one, and keeps it for later starts.
        state: file that blocks, receipts and storage are kept in between runs; None keeps nothing.
        block_time: seconds between two blocks; None makes one for each transaction.
        chain_id: of the chain.
        hardfork: the EVM's version.
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
    ) -> None:
        self.port = port or _free_port()
        self._state = state
        self._block_time = block_time
        self._chain_id = chain_id
        self._hardfork = hardfork
        self._extra = extra
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its JSON-RPC is."""
        return f"http://{HOST}:{self.port}"

    def command(self) -> list[str]:
        """The command line that runs it."""
        command = [str(anvil_binary()), "--host", HOST, "--port", str(self.port), "--chain-id", str(self._chain_id)]
        command += ["--hardfork", self._hardfork, "--gas-price", "0", "--block-base-fee-per-gas", "0"]
        if self._block_time is not None:
            command += ["--block-time", f"{self._block_time:g}"]
        if self._state is not None:
            self._state.parent.mkdir(parents=True, exist_ok=True)
            command += ["--state", str(self._state), "--state-interval", str(STATE_INTERVAL)]
        return [*command, *self._extra]

    def start(self) -> None:
        """Starts the process and waits until it answers.

        Raises NetworkError where the port is taken or it doesn't come up.
        """
        _require_free(self.port)
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen([*self.command(), "--silent"], stdin=quiet, stdout=quiet, stderr=quiet)
        until = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise NetworkError(f"expected a chain at {self.url} within {START_SECONDS:.0f} s, it didn't come up")
            time.sleep(0.05)

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
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise NetworkError(
                f"port {port} is taken; end what listens there, or choose another: `make chain PORT=…`"
            ) from error


@click.command()
@click.option("--port", default=8545, show_default=True)
@click.option("--state", type=click.Path(path_type=Path), default=Path("out/chain/state.json"), show_default=True)
@click.option("--block-time", default=1.0, show_default=True, help="Seconds between two blocks.")
def main(port: int, state: Path, block_time: float) -> None:
    """Runs a local chain in the foreground; Ctrl-C ends it and keeps its state."""
    chain = Chain(port=port, state=state, block_time=block_time)
    try:
        _require_free(port)
        process = subprocess.Popen(chain.command())
    except (NetworkError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"chain {CHAIN_ID} at {chain.url}, state in {state}; Ctrl-C ends it", err=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: process.send_signal(signal.SIGINT))
    raise SystemExit(max(0, process.wait()))


if __name__ == "__main__":
    main()
