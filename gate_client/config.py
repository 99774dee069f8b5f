"""`gate.toml`: what one gate has to be told. All else it finds through the Clearinghouse."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gate_client.errors import ConfigError
from interline.errors import SettingsError
from interline.settings import Key, contract_address, file_path, read_settings, url, whole

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
        return GateConfig(**read_settings(path, _KEYS, whose="a gate"))
    except SettingsError as error:
        raise ConfigError(str(error)) from None


_KEYS: Final = {
    "operator": Key(whole(1, 0xFFFF)),
    "station": Key(whole(1, 0xFFFF)),
    "rpc": Key(url),
    "clearinghouse": Key(contract_address),
    "journal": Key(file_path),
    "keystore": Key(file_path, needed=False),
    "tariff": Key(file_path),
    "trust_list_max_age": Key(whole(1, 10 * 365 * 86_400), needed=False),
    "batch_max_rides": Key(whole(1, BATCH_RIDES_LIMIT), needed=False),
}
