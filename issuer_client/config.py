"""`issuer.toml`: what a ticket office, and the wallet for tests, have to be told."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from interline.domain import Domain
from interline.errors import InterlineError
from interline.signatures import parse_address
from issuer_client.errors import ConfigError


@dataclass(frozen=True, slots=True)
class IssuerConfig:
    """The settings of one city's ticket office.

    `city` is its code (uint16) and `key_id` that of the issuer key (uint8) that `keystore` holds; `clearinghouse`
    is 20 bytes; `wallet` is the wallet for tests, and `cities` the folder of city files, which gives the operators'
    tariffs and the issuer keys' addresses: both may be None.
    """

    city: int
    chain_id: int
    clearinghouse: bytes
    key_id: int
    keystore: Path
    database: Path
    wallet: Path | None = None
    cities: Path | None = None

    @property
    def domain(self) -> Domain:
        """The domain that tickets are signed for (protocol section 2)."""
        return Domain(chain_id=self.chain_id, clearinghouse=self.clearinghouse)


def load_config(path: Path) -> IssuerConfig:
    """Read `issuer.toml`; relative paths in it are relative to the file.

    Raises:
        ConfigError: no such file, not TOML, an unknown or missing key, or a value that can't be.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; name the office's settings with --config issuer.toml") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read ({error.strerror}); check the file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected TOML, came: {error}; correct the line it names") from None
    _check_keys(path, document)
    fields: dict[str, object] = {}
    for key, value in document.items():
        read, _ = _KEYS[key]
        try:
            fields[key] = read(value, path.parent)
        except (_WrongValue, InterlineError) as error:
            raise ConfigError(f"{path}: {key}: {error}, came {value!r}; correct it") from None
    return IssuerConfig(**fields)  # type: ignore[arg-type]


def _check_keys(path: Path, document: Mapping[str, object]) -> None:
    unknown = [key for key in document if key not in _KEYS]
    if unknown:
        raise ConfigError(f"{path}: unknown key {', '.join(unknown)}; an office knows {', '.join(_KEYS)}")
    needed = [key for key, (_, is_needed) in _KEYS.items() if is_needed]
    missing = [key for key in needed if key not in document]
    if missing:
        raise ConfigError(f"{path}: {', '.join(missing)} is missing; an office needs {', '.join(needed)}")


class _WrongValue(Exception):
    """What was expected."""


def _whole(low: int, high: int) -> Callable[[object, Path], int]:
    def read(value: object, _: Path) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _WrongValue(f"expected a whole number from {low} to {high}")
        return value

    return read


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _WrongValue("expected a text in quotes")
    return value


def _address(value: object, _: Path) -> bytes:
    address = parse_address(_text(value))
    if not any(address):
        raise _WrongValue("expected the Clearinghouse's address, as in deployments/NAME.json")
    return address


def _path(value: object, folder: Path) -> Path:
    try:
        return folder / Path(_text(value)).expanduser()
    except RuntimeError:
        raise _WrongValue("expected a path whose home folder is known") from None


# key -> (how its value is read, whether an office can't do without it)
_KEYS: dict[str, tuple[Callable[[object, Path], object], bool]] = {
    "city": (_whole(1, 0xFFFF), True),
    "chain_id": (_whole(1, 2**63 - 1), True),
    "clearinghouse": (_address, True),
    "key_id": (_whole(0, 0xFF), True),
    "keystore": (_path, True),
    "database": (_path, True),
    "wallet": (_path, False),
    "cities": (_path, False),
}
