"""Settings in TOML, read strictly: no unknown key, none missing, and each value what it should be."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interline.errors import InterlineError, SettingsError
from interline.signatures import parse_address

Reader = Callable[[object, Path], object]
"""Reads a value, given the folder that relative paths start from; raises InterlineError with what it expected."""


@dataclass(frozen=True, slots=True)
class Key:
    """How a key's value is read, and whether one can do without it."""

    read: Reader
    needed: bool = True


def read_settings(path: Path, keys: Mapping[str, Key], *, whose: str) -> dict[str, Any]:
    """The settings in a TOML file, by key, as their readers gave them.

    Args:
        whose: who needs them, for errors: "a gate".
    Raises:
        SettingsError: no such file, not TOML, an unknown or missing key, or a value that its reader refuses.
    """
    document = _read_toml(path, whose)
    unknown = [key for key in document if key not in keys]
    if unknown:
        raise SettingsError(f"{path}: unknown key {', '.join(unknown)}; {whose} knows {', '.join(keys)}")
    needed = [key for key, how in keys.items() if how.needed]
    missing = [key for key in needed if key not in document]
    if missing:
        raise SettingsError(f"{path}: {', '.join(missing)} is missing; {whose} needs {', '.join(needed)}")
    return {key: _read(path, key, value, keys[key].read) for key, value in document.items()}


def _read_toml(path: Path, whose: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file; name the settings of {whose} with --config {path.name}") from None
    except OSError as error:
        raise SettingsError(f"{path}: can't be read ({error.strerror}); check the file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: expected TOML, came: {error}; correct the line it names") from None


def _read(path: Path, key: str, value: object, read: Reader) -> object:
    try:
        return read(value, path.parent)
    except InterlineError as error:
        raise SettingsError(f"{path}: {key}: {error}, came {value!r}; correct it") from None


def whole(low: int, high: int) -> Reader:
    """A whole number from `low` to `high`."""

    def read(value: object, _: Path) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise SettingsError(f"expected a whole number from {low} to {high}")
        return value

    return read


def text(value: object, _: Path) -> str:
    """A text that isn't empty."""
    if not isinstance(value, str) or not value:
        raise SettingsError("expected a text in quotes")
    return value


def url(value: object, folder: Path) -> str:
    """The URL of a node's JSON-RPC."""
    found = text(value, folder)
    if not found.startswith(("http://", "https://")):
        raise SettingsError("expected an address that begins with http:// or https://")
    return found


def contract_address(value: object, folder: Path) -> bytes:
    """The 20 bytes of a contract's address."""
    address = parse_address(text(value, folder))
    if not any(address):
        raise SettingsError("expected the Clearinghouse's address, as in deployments/NAME.json")
    return address


def file_path(value: object, folder: Path) -> Path:
    """A path, relative to the folder of the settings."""
    try:
        path = folder / Path(text(value, folder)).expanduser()
    except RuntimeError:
        raise SettingsError("expected a path whose home folder is known") from None
    if not path.name:
        raise SettingsError("expected the path of a file or folder that has a name")
    return path
