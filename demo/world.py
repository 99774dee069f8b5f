"""The places of the demo: its folder, its chain, and the commands that its people run there.

Nothing here reaches into the programs: cities join by `ape run …`, and gates work by `gate-client …`, as elsewhere.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from demo.errors import DemoError
from interline.cities import CityFile, load_cities
from interline.domain import Domain
from interline.signatures import parse_address
from network.accounts import Role, city_index
from network.chain import Chain
from network.local_city import write_local_city

REPOSITORY: Final = Path(__file__).resolve().parent.parent
DEPLOYMENT: Final = "demo"
HANGS: Final = 1_800
"""Seconds after which a command that should end by itself never will."""
TEST_PASSWORD: Final = "public test password"  # of keystores that hold keys of the public test mnemonic


@dataclass(slots=True)
class World:
    """One run of the demo."""

    out: Path
    chain: Chain
    cities: list[CityFile]
    seconds: dict[str, float] = field(default_factory=dict)
    """Seconds each chapter took, by its name."""

    @classmethod
    def create(cls, out: Path) -> "World":
        """A world with an empty folder and a chain that isn't started yet, its state kept in a file."""
        chain = Chain(port=0, state=out / "chain" / "state.json", block_time=1)
        return cls(out=out, chain=chain, cities=load_cities(REPOSITORY / "cities"))

    @property
    def contracts(self) -> dict[str, dict[str, Any]]:
        """The contracts of the demo's deployment, by name."""
        text = (REPOSITORY / "deployments" / f"{DEPLOYMENT}.json").read_text(encoding="utf-8")
        contracts: dict[str, dict[str, Any]] = json.loads(text)["contracts"]
        return contracts

    @property
    def domain(self) -> Domain:
        """The EIP-712 domain of the demo's Clearinghouse."""
        return Domain(chain_id=1337, clearinghouse=parse_address(self.contracts["Clearinghouse"]["address"]))

    def city(self, code: int) -> CityFile:
        """The city of a code."""
        return next(city for city in self.cities if city.code == code)

    def account_index(self, code: int, role: Role) -> int:
        """The test account of a city's role."""
        return city_index([city.code for city in self.cities].index(code), role)

    def folder(self, code: int) -> Path:
        """Where a city keeps its configuration, keystores, tickets and journal."""
        return self.out / "cities" / self.city(code).name.lower()

    def equip(self, codes: Sequence[int]) -> None:
        """Writes each city's gate.toml, issuer.toml and keystores."""
        for code in codes:
            write_local_city(
                self.cities,
                code,
                clearinghouse=self.contracts["Clearinghouse"]["address"],
                rpc=self.chain.url,
                out=self.folder(code),
                password=TEST_PASSWORD,
            )

    def ape(self, *arguments: str) -> Any:
        """Runs one of our Ape scripts with `--json` on the demo's chain.

        Returns: the document that it printed.
        Raises DemoError where it fails.
        """
        network = f"ethereum:local:{self.chain.url}"
        command = [program("ape"), "run", *arguments, "--json", "--network", network]
        return run_json(command, accept=(0,))

    def gate(self, code: int, *arguments: str, accept: Sequence[int] = (0,)) -> Any:
        """Runs `gate-client` of a city; its last line of output is the document."""
        return run_json(gate_command(self.folder(code), *arguments), accept=accept)


def program(name: str) -> str:
    """The path of a program of this virtual environment."""
    return str(Path(sys.executable).parent / name)


def gate_command(folder: Path, *arguments: str) -> list[str]:
    """The command line of a city's gate."""
    return [program("gate-client"), "--config", str(folder / "gate.toml"), *arguments]


def issuer_command(folder: Path, *arguments: str) -> list[str]:
    """The command line of a city's ticket office."""
    return [program("issuer-client"), "--config", str(folder / "issuer.toml"), *arguments]


def environment() -> dict[str, str]:
    """The environment of the demo's programs: the keystores' password isn't on any command line."""
    whose = ("GATE_KEYSTORE", "GATE_TREASURY", "ISSUER_KEYSTORE", "ISSUER_TREASURY")
    return {**os.environ, **{f"{one}_PASSWORD": TEST_PASSWORD for one in whose}}


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, cwd=REPOSITORY, env=environment(), capture_output=True, text=True, check=False, timeout=HANGS
        )
    except subprocess.TimeoutExpired as error:
        raise DemoError(f"expected the end of `{' '.join(command[:8])} …` within {HANGS} s, it hangs") from error


def run_lines(command: Sequence[str], accept: Sequence[int] = (0,)) -> list[Any]:
    """Runs a command that prints a JSON document per line.

    Raises DemoError where its exit status isn't one of `accept`, with what it said.
    """
    done = _run(command)
    if done.returncode not in accept:
        raise DemoError(
            f"expected exit status {' or '.join(map(str, accept))} of `{' '.join(command[:8])} …`, "
            f"came {done.returncode}: {done.stderr.strip()[-2000:] or done.stdout.strip()[-2000:]}"
        )
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]


def run_json(command: Sequence[str], accept: Sequence[int] = (0,)) -> Any:
    """Runs a command that prints one JSON document, on however many lines."""
    done = _run(command)
    if done.returncode not in accept:
        raise DemoError(
            f"expected exit status {' or '.join(map(str, accept))} of `{' '.join(command)}`, "
            f"came {done.returncode}: {done.stderr.strip()[-2000:] or done.stdout.strip()[-2000:]}"
        )
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        raise DemoError(f"expected a JSON document of `{' '.join(command)}`, came {done.stdout[:500]!r}") from error


class Stopwatch:
    """Adds the time of a `with` block to a chapter of the world."""

    def __init__(self, world: World, chapter: str) -> None:
        self._world, self._chapter = world, chapter

    def __enter__(self) -> None:
        self._from = time.monotonic()

    def __exit__(self, *_: object) -> None:
        spent = time.monotonic() - self._from
        self._world.seconds[self._chapter] = self._world.seconds.get(self._chapter, 0.0) + spent
