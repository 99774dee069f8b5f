"""The story: Xuzhou's ticket office sells rides in Hangzhou, and a rider of Xuzhou holds them in a wallet."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from interline.cities import load_cities
from interline.code import Code
from interline.keystores import save_keystore
from interline.rider_keys import RiderPrivateKey
from issuer_client.cli import main
from issuer_client.config import IssuerConfig
from issuer_client.office import TicketOffice
from issuer_client.wallet import Wallet
from network.accounts import Role, city_index, test_private_key
from tests.support.patience import running

CITIES = Path(__file__).parents[3] / "cities"
CHAIN_ID = 1337
CLEARINGHOUSE = bytes(range(1, 21))
XUZHOU, HANGZHOU, SHANGHAI, LANZHOU = 3203, 3301, 3100, 6201
NOON = 1_575_172_800
"""2019-12-01 12:00 in Xuzhou."""
PASSWORD = "a password for tests"
LIGHT_SCRYPT = 2**4


def issuer_key(code: int, role: Role = Role.ISSUER_KEY) -> bytes:
    """A city's issuer key: one of the public test accounts."""
    position = [city.code for city in load_cities(CITIES)].index(code)
    return test_private_key(city_index(position, role))


def rider_keys(count: int) -> list[bytes]:
    """The public halves of as many new rider keys."""
    return [RiderPrivateKey.generate().public.data for _ in range(count)]


@pytest.fixture
def config(tmp_path: Path) -> IssuerConfig:
    """The settings of Xuzhou's office, with the committed city files."""
    return IssuerConfig(
        city=XUZHOU,
        chain_id=CHAIN_ID,
        clearinghouse=CLEARINGHOUSE,
        key_id=1,
        keystore=tmp_path / "issuer-key.json",
        database=tmp_path / "tickets.db",
        wallet=tmp_path / "wallet.db",
        cities=CITIES,
    )


@pytest.fixture(scope="session")
def xuzhou_key() -> bytes:
    """Xuzhou's issuer key."""
    return issuer_key(XUZHOU)


@pytest.fixture
def open_office(config: IssuerConfig, xuzhou_key: bytes) -> Iterator[Callable[..., TicketOffice]]:
    """Opens Xuzhou's office at noon; arguments change its settings."""
    opened: list[TicketOffice] = []

    def open_it(private_key: bytes = xuzhou_key, now: float = NOON, **changes: Any) -> TicketOffice:
        opened.append(TicketOffice(replace(config, **changes), private_key, clock=lambda: now))
        return opened[-1]

    yield open_it
    for office in opened:
        office.close()


@pytest.fixture
def office(open_office: Callable[..., TicketOffice]) -> TicketOffice:
    """Xuzhou's ticket office."""
    return open_office()


@pytest.fixture
def wallet(tmp_path: Path, config: IssuerConfig) -> Iterator[Wallet]:
    """The rider's wallet, at noon."""
    with Wallet(tmp_path / "wallet.db", config.domain, clock=lambda: NOON) as opened:
        yield opened


@pytest.fixture
def own_cities(tmp_path: Path) -> Path:
    """A copy of the city files, which a test may change in one place."""
    return shutil.copytree(CITIES, tmp_path / "cities")


@dataclass(frozen=True)
class Desk:
    """A folder with an `issuer.toml` and a keystore, where `issuer-client` is run."""

    folder: Path

    @property
    def settings(self) -> Path:
        return self.folder / "issuer.toml"

    def change(self, old: str, new: str) -> None:
        """Replace `old` in the settings, where it must be exactly once."""
        text = self.settings.read_text(encoding="utf-8")
        assert text.count(old) == 1
        self.settings.write_text(text.replace(old, new), encoding="utf-8")

    def run(self, *arguments: object, password: str | None = PASSWORD, input: str | None = None) -> Result:
        """Run a command in this process."""
        runner = CliRunner(mix_stderr=False, env={"ISSUER_KEYSTORE_PASSWORD": password, "COLUMNS": "200"})
        result = runner.invoke(main, ["--config", str(self.settings), *map(str, arguments)], input=input)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def json(self, *arguments: object, input: str | None = None) -> Any:
        """Run a command with --json that must succeed; its document."""
        result = self.run(*arguments, "--json", input=input)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    def start(self, *arguments: object) -> "AbstractContextManager[subprocess.Popen[str]]":
        """Start a command in a process of its own, which is gone at the end."""
        command = [sys.executable, "-m", "issuer_client", "--config", str(self.settings), *map(str, arguments)]
        environment = os.environ | {"ISSUER_KEYSTORE_PASSWORD": PASSWORD}
        return running(command, env=environment, stderr=subprocess.PIPE)


@pytest.fixture
def desk(tmp_path: Path, config: IssuerConfig, xuzhou_key: bytes) -> Desk:
    """Xuzhou's desk, with the committed city files."""
    save_keystore(config.keystore, xuzhou_key, PASSWORD, scrypt_n=LIGHT_SCRYPT)
    lines = [
        f"city = {XUZHOU}",
        f"chain_id = {CHAIN_ID}",
        f'clearinghouse = "0x{CLEARINGHOUSE.hex()}"',
        "key_id = 1",
        'keystore = "issuer-key.json"',
        'database = "tickets.db"',
        'wallet = "wallet.db"',
        f"cities = {json.dumps(str(CITIES))}",
    ]
    desk = Desk(tmp_path)
    desk.settings.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return desk


@pytest.fixture
def a_code(office: TicketOffice, wallet: Wallet) -> Callable[[], Code]:
    """Makes codes of new tickets of Xuzhou for Hangzhou, shown at noon."""

    def make() -> Code:
        (ticket,) = office.issue(HANGZHOU, wallet.new_keys(1))
        wallet.add([ticket])
        return wallet.code(XUZHOU, HANGZHOU, ticket.serial)

    return make
