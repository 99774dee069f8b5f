"""A city's two folders on a local chain: `gate.toml`, `issuer.toml`, and keystores with its public test keys.

`python -m network.local_city Xuzhou` writes them for the README's tour by hand; the demo does the same for all cities.
The keys are the test mnemonic's, so the keystores are light ones (scrypt with n = 2^12): quick to open.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from interline.cities import CityFile, load_cities
from interline.errors import InterlineError
from interline.keystores import save_keystore
from interline.tariff import load_tariff
from network.accounts import Role, city_index, test_private_key
from network.chain import CHAIN_ID, REPOSITORY
from network.errors import NetworkError

LIGHT_SCRYPT: Final = 2**12
PASSWORD_VARIABLE: Final = "INTERLINE_TEST_PASSWORD"
CITIES: Final = REPOSITORY / "cities"


def write_local_city(
    cities: Sequence[CityFile], code: int, *, clearinghouse: str, rpc: str, out: Path, password: str
) -> None:
    """Writes a city's `gate.toml`, `issuer.toml`, `submitter.json` and `issuer-key.json` to a folder.

    Args:
        cities: all city files, in their order: a test account's index comes from the position.
        code: the city.
        clearinghouse: address, 0x…
        rpc: URL of the chain's node.
        out: the folder; its journal and tickets will lie there too.
        password: of the two keystores.
    Raises:
        InterlineError: a keystore can't be written, or the tariff can't be read.
        OSError: a file can't be written.
    """
    position = [city.code for city in cities].index(code)
    city = cities[position]
    out.mkdir(parents=True, exist_ok=True)
    for name, role in (("submitter.json", Role.SUBMITTER), ("issuer-key.json", Role.ISSUER_KEY)):
        save_keystore(out / name, test_private_key(city_index(position, role)), password, scrypt_n=LIGHT_SCRYPT)
    gate: dict[str, str | int] = {
        "operator": code,
        "station": load_tariff(city.tariff).stations[0].number,
        "rpc": rpc,
        "clearinghouse": clearinghouse,
        "journal": "journal.db",
        "keystore": "submitter.json",
        "tariff": os.path.relpath(city.tariff, out),
    }
    issuer: dict[str, str | int] = {
        "city": code,
        "chain_id": CHAIN_ID,
        "clearinghouse": clearinghouse,
        "key_id": city.issuer_keys[0].id,
        "keystore": "issuer-key.json",
        "database": "tickets.db",
        "wallet": "wallet.db",
        "cities": os.path.relpath(city.path.parent, out),
        "rpc": rpc,
    }
    for name, fields in (("gate.toml", gate), ("issuer.toml", issuer)):
        lines = [f"{key} = {json.dumps(value)}\n" for key, value in fields.items()]  # TOML writes both as JSON does
        (out / name).write_text("".join(lines), encoding="utf-8")


@click.command()
@click.argument("city")
@click.option("--deployment", default="local", show_default=True, help="Of deployments/NAME.json.")
@click.option("--rpc", default="http://127.0.0.1:8545", show_default=True, help="URL of the chain's node.")
@click.option("--out", type=click.Path(path_type=Path), help="The folder; by default out/local/CITY.")
def main(city: str, deployment: str, rpc: str, out: Path | None) -> None:
    """Writes gate.toml, issuer.toml and test keystores of CITY (its name) for a local chain.

    The keystores' password is asked for, or taken from INTERLINE_TEST_PASSWORD.
    """
    try:
        cities = load_cities(CITIES)
        found = next((entry for entry in cities if entry.name.lower() == city.lower()), None)
        if found is None:
            raise NetworkError(f"expected one of {', '.join(entry.name for entry in cities)}, came {city!r}")
        path = REPOSITORY / "deployments" / f"{deployment}.json"
        if not path.is_file():
            raise NetworkError(f"expected deployments/{path.name}, it isn't there: `ape run deploy` writes it")
        clearinghouse = json.loads(path.read_text(encoding="utf-8"))["contracts"]["Clearinghouse"]["address"]
        password = os.environ.get(PASSWORD_VARIABLE) or click.prompt(
            "Password", hide_input=True, confirmation_prompt=True
        )
        folder = out or Path("out") / "local" / found.name.lower()
        write_local_city(cities, found.code, clearinghouse=clearinghouse, rpc=rpc, out=folder, password=password)
    except (NetworkError, InterlineError, OSError, KeyError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{found.name}'s gate.toml, issuer.toml and keystores are in {folder}", err=True)


if __name__ == "__main__":
    main()
