"""`gate.toml`: what one gate has to be told. All else it finds through the Clearinghouse."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gate_client.errors import ConfigError
from interline.errors import InterlineError
from interline.signatures import parse_address

DEFAULT_TRUST_LIST_MAX_AGE = 86_400
DEFAULT_BATCH_MAX_RIDES = 256
BATCH_RIDES_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class GateConfig:
    """The settings of one gate.

    `operator` and `station` are numbers (uint16, station never 0); `trust_list_max_age` is in seconds;
    `keystore` is needed by `submit` alone and may be None.
    """

    operator: int
    station: int
    rpc: str
    clearinghouse: bytes
    journal: Path
    tariff: Path
    keystore: Path | None = None
    trust_list_max_age: int = DEFAULT_TRUST_LIST_MAX_AGE
    batch_max_rides: int = DEFAULT_BATCH_MAX_RIDES

    @property
    def trust_list(self) -> Path:
        """The trust list's file: beside the journal, and shared by every station that shares it."""
        return self.journal.with_name(self.journal.name + ".trust-list.json")


def load_config(path: Path) -> GateConfig:
    """Read `gate.toml`; relative paths in it are relative to the file.

    Raises:
        ConfigError: no such file, not TOML, an unknown or missing key, or a value that can't be.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; name the gate's settings with --config gate.toml") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    return _from_document(path, document)


def _from_document(path: Path, document: Mapping[str, object]) -> GateConfig:
    _check_keys(path, document)
    fields: dict[str, object] = {}
    for key, (read, _) in _KEYS.items():
        if key in document:
            try:
                fields[key] = read(document[key], path.parent)
            except (_WrongValue, InterlineError) as error:
                raise ConfigError(f"{path}: {key} = {document[key]!r}: {error}") from None
    return GateConfig(**fields)  # type: ignore[arg-type]


def _check_keys(path: Path, document: Mapping[str, object]) -> None:
    unknown = [key for key in document if key not in _KEYS]
    if unknown:
        raise ConfigError(f"{path}: unknown key {', '.join(unknown)}; a gate knows {', '.join(_KEYS)}")
    missing = [key for key, (_, needed) in _KEYS.items() if needed and key not in document]
    if missing:
        needed_keys = ", ".join(key for key, (_, needed) in _KEYS.items() if needed)
        raise ConfigError(f"{path}: {', '.join(missing)} is missing; a gate needs {needed_keys}")


class _WrongValue(Exception):
    pass


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


def _rpc(value: object, _: Path) -> str:
    text = _text(value)
    if not text.startswith(("http://", "https://")):
        raise _WrongValue("expected an address that begins with http:// or https://")
    return text


def _address(value: object, _: Path) -> bytes:
    return parse_address(_text(value))


def _path(value: object, folder: Path) -> Path:
    return folder / Path(_text(value)).expanduser()


# key -> (how its value is read, whether a gate can't do without it)
_KEYS: dict[str, tuple[Callable[[object, Path], object], bool]] = {
    "operator": (_whole(1, 0xFFFF), True),
    "station": (_whole(1, 0xFFFF), True),
    "rpc": (_rpc, True),
    "clearinghouse": (_address, True),
    "journal": (_path, True),
    "keystore": (_path, False),
    "tariff": (_path, True),
    "trust_list_max_age": (_whole(1, 10 * 365 * 86_400), False),
    "batch_max_rides": (_whole(1, BATCH_RIDES_LIMIT), False),
}
