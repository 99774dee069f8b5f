"""`gate.toml`: what it may say, and what the gate answers to the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate_client.config import GateConfig, load_config
from gate_client.errors import ConfigError

COMPLETE = {
    "operator": "3301",
    "station": "12",
    "rpc": '"http://127.0.0.1:8545"',
    "clearinghouse": '"0x93041E2f1E1E4caAc8C8141ae91e2fd3E50c1eF4"',
    "journal": '"data/gate.db"',
    "keystore": '"submitter.json"',
    "tariff": '"tariff"',
    "trust_list_max_age": "3600",
    "batch_max_rides": "64",
}


def load(folder: Path, without: str = "", **changes: str) -> GateConfig:
    settings = {key: value for key, value in (COMPLETE | changes).items() if key != without}
    path = folder / "gate.toml"
    path.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
    return load_config(path)


def test_every_setting_is_read_and_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert config == GateConfig(
        operator=3301,
        station=12,
        rpc="http://127.0.0.1:8545",
        clearinghouse=bytes.fromhex("93041E2f1E1E4caAc8C8141ae91e2fd3E50c1eF4"),
        journal=tmp_path / "data/gate.db",
        keystore=tmp_path / "submitter.json",
        tariff=tmp_path / "tariff",
        trust_list_max_age=3_600,
        batch_max_rides=64,
    )


def test_absolute_paths_stay_as_they_are(tmp_path: Path) -> None:
    assert load(tmp_path, journal='"/var/lib/gate.db"').journal == Path("/var/lib/gate.db")


def test_the_trust_list_lies_beside_the_journal(tmp_path: Path) -> None:
    assert load(tmp_path).trust_list.parent == load(tmp_path).journal.parent


def test_two_journals_in_one_folder_have_two_trust_lists(tmp_path: Path) -> None:
    assert load(tmp_path, journal='"a.db"').trust_list != load(tmp_path, journal='"b.db"').trust_list


@pytest.mark.parametrize(
    ("key", "default"), [("trust_list_max_age", 86_400), ("batch_max_rides", 256), ("keystore", None)]
)
def test_a_setting_with_a_default_may_be_left_out(tmp_path: Path, key: str, default: object) -> None:
    assert getattr(load(tmp_path, without=key), key) == default


@pytest.mark.parametrize("key", ["operator", "station", "rpc", "clearinghouse", "journal", "tariff"])
def test_a_setting_without_a_default_may_not(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"{key} is missing; a gate needs operator, station"):
        load(tmp_path, without=key)


def test_an_unknown_setting_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown key trust_list_maxage; a gate knows .*trust_list_max_age"):
        load(tmp_path, trust_list_maxage="5")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("operator", "0", "from 1 to 65535"),
        ("operator", "65536", "from 1 to 65535"),
        ("operator", '"3301"', "whole number"),
        ("operator", "true", "whole number"),
        ("operator", "3301.0", "whole number"),
        ("station", "0", "from 1 to 65535"),
        ("station", "65536", "from 1 to 65535"),
        ("rpc", '"127.0.0.1:8545"', "http://"),
        ("rpc", "8545", "a text"),
        ("clearinghouse", '"0x1234"', "40 hex"),
        ("clearinghouse", '"0x93041e2f1E1E4caAc8C8141ae91e2fd3E50c1eF4"', "EIP-55"),
        ("journal", '""', "a text"),
        ("trust_list_max_age", "0", "whole number"),
        ("trust_list_max_age", "-1", "whole number"),
        ("batch_max_rides", "0", "from 1 to 1000"),
        ("batch_max_rides", "1001", "from 1 to 1000"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_what_was_expected(
    tmp_path: Path, key: str, value: str, expected: str
) -> None:
    with pytest.raises(ConfigError, match=rf"gate\.toml: {key}: .*{expected}"):
        load(tmp_path, **{key: value})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gate\.toml: no such file"):
        load_config(tmp_path / "gate.toml")


@pytest.mark.parametrize("content", [b"operator = ", b"\xff\xfe"], ids=["not TOML", "not UTF-8"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "gate.toml").write_bytes(content)
    with pytest.raises(ConfigError, match="expected TOML, came"):
        load_config(tmp_path / "gate.toml")
