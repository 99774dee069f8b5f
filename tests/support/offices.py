"""A ticket office as a home city would set it up, its command run as a process, and rides on its tickets settled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from eth_account import Account

from interline.batch import Batch, sign_batch
from interline.cities import load_cities
from interline.keystores import save_keystore
from interline.ride import Ride
from interline.signatures import to_checksum
from interline.tariff import Tariff, load_tariff
from interline.ticket import Ticket
from issuer_client.config import IssuerConfig, load_config
from issuer_client.office import TicketOffice
from network.accounts import Role
from tests.support.deploy import REPOSITORY, City, Deployment, send_all
from tests.support.programs import run_program

PASSWORD = "a password for tests"
CITIES = REPOSITORY / "cities"


@dataclass(frozen=True)
class OfficeFolder:
    """`issuer.toml`, keystore and register of one city's office."""

    settings: Path
    city: City

    @property
    def folder(self) -> Path:
        return self.settings.parent

    @property
    def config(self) -> IssuerConfig:
        return load_config(self.settings)

    def open(self, clock: Callable[[], float] = time.time) -> TicketOffice:
        """The office itself; close it."""
        return TicketOffice(self.config, self.city.private_key(Role.ISSUER_KEY), clock=clock)

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "issuer_client", "--config", str(self.settings), *map(str, arguments)]

    @property
    def environment(self) -> dict[str, str]:
        passwords = {"ISSUER_KEYSTORE_PASSWORD": PASSWORD, "ISSUER_TREASURY_PASSWORD": PASSWORD}
        return os.environ | passwords | {"COLUMNS": "200"}

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run `issuer-client` and wait for it."""
        done = run_program(self.command(*arguments), env=self.environment)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def json(self, *arguments: object, status: int = 0) -> Any:
        """Run a command with `--json` and return its document, holding it to an exit status."""
        done = self.run(*arguments, "--json")
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)


def office_folder(folder: Path, deployment: Deployment, issuer: City, **settings: object) -> OfficeFolder:
    """Make the folder of a city's ticket office, with the committed city files."""
    folder.mkdir(parents=True, exist_ok=True)
    save_keystore(folder / "issuer-key.json", issuer.private_key(Role.ISSUER_KEY), PASSWORD, scrypt_n=2)
    save_keystore(folder / "treasury.json", issuer.private_key(Role.TREASURY), PASSWORD, scrypt_n=2)
    document: dict[str, object] = {
        "city": issuer.code,
        "chain_id": deployment.domain.chain_id,
        "clearinghouse": to_checksum(deployment.domain.clearinghouse),
        "key_id": 1,
        "keystore": "issuer-key.json",
        "treasury_keystore": "treasury.json",
        "database": "tickets.db",
        "wallet": "wallet.db",
        "cities": str(CITIES),
        "rpc": deployment.url,
    }
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in (document | settings).items()]
    path = folder / "issuer.toml"
    path.write_text("".join(lines))
    return OfficeFolder(path, issuer)


@cache
def tariff_of(operator: int) -> Tariff:
    """The committed tariff of a city."""
    return load_tariff(next(city.tariff for city in load_cities(CITIES) if city.code == operator))


def ride_on(
    ticket: Ticket, *, entered_at: int, exited_at: int, stations: tuple[int, int] = (1, 9), **changes: Any
) -> Ride:
    """A ride on a ticket, at the operator's fare; `changes` are fields that say otherwise."""
    fields: dict[str, Any] = {
        "serial": ticket.serial,
        "not_after": ticket.not_after,
        "fare_cap": ticket.fare_cap,
        "rider": ticket.rider,
        "entry_station": stations[0],
        "exit_station": stations[1],
        "entered_at": entered_at,
        "exited_at": exited_at,
        "fare": tariff_of(ticket.operator).fare(*stations),
        "issuer_signature": ticket.signature,
    }
    return Ride(**fields | changes)


def signed_batch(deployment: Deployment, operator: City, rides: Iterable[tuple[Ticket, Ride]]) -> tuple[Batch, bytes]:
    """The batch of rides, each with its ticket, and the operator's signature of it."""
    batch = Batch.build(operator.code, [(ticket.issuer, ticket.key_id, ride) for ticket, ride in rides])
    return batch, sign_batch(deployment.domain, operator.private_key(Role.SUBMITTER), batch)


def settle(deployment: Deployment, operator: City, rides: Iterable[tuple[Ticket, Ride]]) -> Batch:
    """Settle rides, each with its ticket, as one batch that a stranger brings."""
    batch, signature = signed_batch(deployment, operator, rides)
    call = deployment.clearinghouse.functions.settle(batch.to_bytes(), signature)
    send_all(deployment.web3, [(bytes(Account.create().key), call)])
    return batch
