"""Live rides: how long it takes from the exit tap until the ride's fare is in the operator's balance."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from web3 import HTTPProvider, Web3

from demo.errors import DemoError
from demo.shifts import Rider, draw
from demo.world import World, environment, gate_command
from gate_client.config import load_config
from gate_client.gate import Gate
from gate_client.journal import Journal
from gate_client.tap import Direction
from gate_client.trust_list import TrustListFile
from interline.contracts import load_abi
from issuer_client.wallet import Wallet

DAY = 86_400
PATIENCE = 300.0
"""Seconds after which a live ride that isn't in the balance is an error."""


@dataclass(slots=True)
class Watcher:
    """`gate-client submit --watch`, one process for each operator, submitting rides as they become ready."""

    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    logs: list[IO[bytes]] = field(default_factory=list)

    def start(self, folder: Path) -> None:
        """Starts it for the operator whose folder this is."""
        log = (folder / "submit.log").open("wb")
        command = gate_command(folder, "submit", "--json", "--watch", "0.2")
        self.processes.append(subprocess.Popen(command, env=environment(), stdout=log, stderr=log))
        self.logs.append(log)

    def stop(self) -> None:
        """Ends all of them as a service manager does."""
        for process in self.processes:
            process.terminate()
        try:
            for process in self.processes:
                process.wait(timeout=PATIENCE)
        finally:
            for process in self.processes:
                process.kill()
            for log in self.logs:
                log.close()
            self.processes.clear()


@dataclass(slots=True)
class Balances:
    """Watches the chain block by block, and notes when each ride's fare has moved."""

    world: World
    _waiting: dict[tuple[int, int, int], float] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def tapped(self, issuer: int, operator: int, serial: int) -> None:
        """A rider has just left: the clock runs."""
        with self._lock:
            self._waiting[issuer, operator, serial] = time.monotonic()

    def run(self) -> None:
        """Looks at each new block until `stop`."""
        web3 = Web3(HTTPProvider(self.world.chain.url))
        address = Web3.to_checksum_address(self.world.contracts["Clearinghouse"]["address"])
        clearinghouse = web3.eth.contract(address=address, abi=load_abi("Clearinghouse"))
        last = 0
        while not self._stopped.is_set():
            block = web3.eth.block_number
            if block != last:
                last = block
                self._look(clearinghouse)
            time.sleep(0.02)

    def _look(self, clearinghouse: object) -> None:
        with self._lock:
            waiting = list(self._waiting.items())
        for key, tapped_at in waiting:
            # `settle` marks the serial and moves the money in one transaction: seen settled is seen in the balance.
            if clearinghouse.functions.isSettled(*key).call():  # type: ignore[attr-defined]
                with self._lock:
                    self.seconds.append(time.monotonic() - tapped_at)
                    del self._waiting[key]

    def wait(self) -> None:
        """Waits until no ride is outstanding; raises DemoError where one stays so."""
        until = time.monotonic() + PATIENCE
        while self._waiting:
            if time.monotonic() > until:
                late = len(self._waiting)
                raise DemoError(f"expected every live ride in a balance within {PATIENCE:.0f} s, {late} are not")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends `run`."""
        self._stopped.set()


def ride_live(world: World, riders: Sequence[tuple[int, Rider]], pause: float, balances: Balances) -> list[float]:
    """Each rider enters, and all leave one after another, `pause` seconds apart.

    Args:
        riders: (operator, rider).
    Returns: the gates' time for each code, milliseconds.
    Raises DemoError where a gate refuses one.
    """
    elapsed: list[float] = []
    with contextlib.ExitStack() as open_journals:
        journals = {operator: _open_journal(world, operator, open_journals) for operator, _ in riders}

        def tap(operator: int, rider: Rider, direction: Direction) -> None:
            wallet = open_journals.enter_context(Wallet(rider.wallet, world.domain))
            code = wallet.code(rider.issuer, operator, rider.serial)
            name = f"live-{operator}-{rider.issuer}-{rider.serial}-{direction}.png"
            picture = draw(code, world.out / "codes" / name)
            station = rider.entry_station if direction is Direction.ENTRY else rider.exit_station
            gate = Gate(*journals[operator], direction=direction, station=station, trust_list_max_age=DAY)
            for answer in gate.scan_picture(picture):
                if not answer.accepted:
                    raise DemoError(f"expected a live {direction} to be accepted, came {answer.reason}")
                elapsed.append(answer.elapsed_ms)

        for operator, rider in riders:
            tap(operator, rider, Direction.ENTRY)
        time.sleep(1.1)  # a code at the exit is a later second's
        for operator, rider in riders:
            tap(operator, rider, Direction.EXIT)
            balances.tapped(rider.issuer, operator, rider.serial)
            time.sleep(pause)
    return elapsed


def _open_journal(world: World, operator: int, until: contextlib.ExitStack) -> tuple[Journal, TrustListFile]:
    config = load_config(world.folder(operator) / "gate.toml")
    trust = TrustListFile(config.trust_list)
    journal = Journal(config.journal, operator=operator, domain=trust.current().domain)
    return until.enter_context(journal), trust
