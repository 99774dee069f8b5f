"""`issuer.toml`: each test changes one key."""

import re
from pathlib import Path
from typing import Any

import pytest

from interline.domain import Domain
from issuer_client.config import IssuerConfig, load_config
from issuer_client.errors import ConfigError

XUZHOU = {
    "city": "3203",
    "chain_id": "1337",
    "clearinghouse": '"0x0102030405060708090a0b0c0d0e0f1011121314"',
    "key_id": "1",
    "keystore": '"keys/issuer.json"',
    "database": '"tickets.db"',
    "wallet": '"/tmp/wallet.db"',
    "cities": '"../cities"',
}


def written(folder: Path, **changes: str | None) -> Path:
    """Xuzhou's settings with some keys changed, or, with None, left out."""
    path = folder / "issuer.toml"
    keys: dict[str, Any] = XUZHOU | changes
    path.write_text("".join(f"{key} = {value}\n" for key, value in keys.items() if value is not None), encoding="utf-8")
    return path


def test_settings_are_read_and_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load_config(written(tmp_path))
    assert config == IssuerConfig(
        city=3203,
        chain_id=1337,
        clearinghouse=bytes(range(1, 21)),
        key_id=1,
        keystore=tmp_path / "keys" / "issuer.json",
        database=tmp_path / "tickets.db",
        wallet=Path("/tmp/wallet.db"),
        cities=tmp_path / ".." / "cities",
    )
    assert config.domain == Domain(1337, bytes(range(1, 21)))


def test_wallet_and_cities_may_be_left_out(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, wallet=None, cities=None))
    assert (config.wallet, config.cities) == (None, None)


@pytest.mark.parametrize("key", ["city", "chain_id", "clearinghouse", "key_id", "keystore", "database"])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    path = written(tmp_path, **{key: None})
    with pytest.raises(ConfigError, match=rf"{re.escape(str(path))}: {key} is missing; an office needs city, "):
        load_config(path)


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown key keystroke; an office knows .*keystore"):
        load_config(written(tmp_path, keystroke='"key.json"'))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("city", "0", "a whole number from 1 to 65535, came 0"),
        ("city", "65536", "a whole number from 1 to 65535, came 65536"),
        ("city", '"3203"', "a whole number from 1 to 65535, came '3203'"),
        ("city", "true", "a whole number from 1 to 65535, came True"),
        ("chain_id", "0", "a whole number from 1"),
        ("chain_id", "1337.0", "a whole number from 1"),
        ("key_id", "-1", "a whole number from 0 to 255, came -1"),
        ("key_id", "256", "a whole number from 0 to 255, came 256"),
        ("clearinghouse", '"0x0102"', "0x and 40 hex digits"),
        ("clearinghouse", '"0xB10e6d9F4eD07F7f6CD0C9f0B4F5a2a10b1a7E9f"', "EIP-55"),
        ("clearinghouse", '"0x0000000000000000000000000000000000000000"', "the Clearinghouse's address"),
        ("clearinghouse", "1", "a text in quotes, came 1"),
        ("keystore", '""', "a text in quotes, came ''"),
        ("database", "[]", "a text in quotes"),
        ("wallet", "1", "a text in quotes, came 1"),
        ("cities", "false", "a text in quotes, came False"),
        ("cities", '"~nobody-of-this-name/cities"', "home folder is known"),
    ],
)
def test_a_value_that_cannot_be_is_refused(tmp_path: Path, key: str, value: str, expected: str) -> None:
    load_config(written(tmp_path))
    with pytest.raises(ConfigError, match=rf"issuer\.toml: {key}: .*{re.escape(expected)}.*; correct it"):
        load_config(written(tmp_path, **{key: value}))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.toml: no such file; .*--config"):
        load_config(tmp_path / "nothing.toml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        load_config(tmp_path)


@pytest.mark.parametrize("content", [b"city = ", b"city = 1\ncity = 2\n", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "issuer.toml").write_bytes(content)
    with pytest.raises(ConfigError, match="expected TOML, came"):
        load_config(tmp_path / "issuer.toml")
