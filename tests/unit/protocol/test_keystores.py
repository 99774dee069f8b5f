"""Keystores: the usual JSON, readable by nobody else, never half written."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from interline.errors import KeystoreError, MalformedError
from interline.keystores import load_keystore, save_keystore
from interline.signatures import address_of

from .conftest import City

PASSWORD = "老虎 tiger"
LIGHT = 2


@pytest.fixture
def keystore(tmp_path: Path, xuzhou: City) -> Path:
    path = tmp_path / "issuer-key.json"
    save_keystore(path, xuzhou.issuer_key, PASSWORD, scrypt_n=LIGHT)
    return path


def changed(path: Path, *names: str, value: Any) -> Path:
    """The keystore with one entry of its JSON replaced."""
    document = json.loads(path.read_text())
    place = document
    for name in names[:-1]:
        place = place[name]
    place[names[-1]] = value
    path.write_text(json.dumps(document))
    return path


def test_a_key_comes_back_with_its_password(keystore: Path, xuzhou: City) -> None:
    assert load_keystore(keystore, PASSWORD) == xuzhou.issuer_key


def test_a_keystore_is_the_usual_one(keystore: Path, xuzhou: City) -> None:
    document = json.loads(keystore.read_text())
    assert document["version"] == 3
    assert document["crypto"]["kdf"] == "scrypt"
    assert bytes.fromhex(document["address"].removeprefix("0x")) == xuzhou.issuer_address
    assert xuzhou.issuer_key.hex() not in keystore.read_text()


@pytest.mark.parametrize("kdf", ["scrypt", "pbkdf2"])
def test_a_keystore_of_another_tool_is_read(tmp_path: Path, xuzhou: City, kdf: Any) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps(Account.encrypt(xuzhou.issuer_key, "tiger", kdf=kdf, iterations=LIGHT)))
    assert load_keystore(path, "tiger") == xuzhou.issuer_key


def test_nobody_else_may_read_a_keystore(tmp_path: Path, xuzhou: City) -> None:
    before = os.umask(0)
    try:
        save_keystore(tmp_path / "key.json", xuzhou.issuer_key, PASSWORD, scrypt_n=LIGHT)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key.json").stat().st_mode) == 0o600


def test_a_keystore_replaces_the_one_before_and_leaves_no_drafts(keystore: Path, shanghai: City) -> None:
    keystore.chmod(0o644)
    save_keystore(keystore, shanghai.issuer_key, PASSWORD, scrypt_n=LIGHT)
    assert load_keystore(keystore, PASSWORD) == shanghai.issuer_key
    assert stat.S_IMODE(keystore.stat().st_mode) == 0o600
    assert [path.name for path in keystore.parent.iterdir()] == [keystore.name]


def test_a_write_that_fails_leaves_what_was_there(
    keystore: Path, xuzhou: City, shanghai: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeystoreError, match="could not: No space left on device"):
        save_keystore(keystore, shanghai.issuer_key, PASSWORD, scrypt_n=LIGHT)
    assert load_keystore(keystore, PASSWORD) == xuzhou.issuer_key
    assert [path.name for path in keystore.parent.iterdir()] == [keystore.name]


@pytest.mark.parametrize("password", ["", "老虎 tigers", "tiger"])
def test_a_wrong_password_is_told_as_that(keystore: Path, password: str) -> None:
    with pytest.raises(KeystoreError, match="expected the keystore's password, came another"):
        load_keystore(keystore, password)


def test_a_missing_keystore_is_told_as_that(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="could not read it: No such file or directory"):
        load_keystore(tmp_path / "nothing.json", PASSWORD)


def test_a_folder_is_no_keystore(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="could not read it: Is a directory"):
        load_keystore(tmp_path, PASSWORD)


@pytest.mark.parametrize("content", [b"", b"not json", b"\xff\xfe", b"[]", b"3", b"null"])
def test_a_file_of_something_else_is_no_keystore(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.json"
    path.write_bytes(content)
    with pytest.raises(KeystoreError, match="expected a keystore"):
        load_keystore(path, PASSWORD)


@pytest.mark.parametrize(
    ("names", "value"),
    [
        (["version"], 7),
        (["version"], None),
        (["crypto"], None),
        (["crypto", "kdf"], "guess"),
        (["crypto", "ciphertext"], "xyz"),
        (["crypto", "kdfparams"], {}),
        (["crypto", "kdfparams", "n"], 3),
        (["crypto", "kdfparams", "n"], "many"),
        (["crypto", "cipherparams"], {}),
        (["crypto", "mac"], 5),
    ],
)
def test_a_damaged_keystore_is_told_as_that(keystore: Path, names: list[str], value: Any) -> None:
    with pytest.raises(KeystoreError, match="can't be used"):
        load_keystore(changed(keystore, *names, value=value), PASSWORD)


def test_a_keystore_under_another_address_is_refused(keystore: Path, shanghai: City, xuzhou: City) -> None:
    path = changed(keystore, "address", value=shanghai.issuer_address.hex())
    with pytest.raises(KeystoreError, match=f"came that of 0x{xuzhou.issuer_address.hex()}"):
        load_keystore(path, PASSWORD)


def test_a_keystore_that_names_no_address_is_read(keystore: Path, xuzhou: City) -> None:
    document = json.loads(keystore.read_text())
    del document["address"]
    keystore.write_text(json.dumps(document))
    assert load_keystore(keystore, PASSWORD) == xuzhou.issuer_key


def test_what_is_no_key_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(MalformedError, match="private key: expected"):
        save_keystore(tmp_path / "key.json", bytes(32), PASSWORD, scrypt_n=LIGHT)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_told_as_that(tmp_path: Path, xuzhou: City) -> None:
    with pytest.raises(KeystoreError, match="expected to write a keystore, could not: No such file or directory"):
        save_keystore(tmp_path / "nowhere" / "key.json", xuzhou.issuer_key, PASSWORD, scrypt_n=LIGHT)


@pytest.mark.parametrize("scrypt_n", [0, 1, 3, -2])
def test_a_work_factor_that_is_none_is_refused(tmp_path: Path, xuzhou: City, scrypt_n: int) -> None:
    with pytest.raises(KeystoreError, match=f"power of two, came {scrypt_n}"):
        save_keystore(tmp_path / "key.json", xuzhou.issuer_key, PASSWORD, scrypt_n=scrypt_n)


def test_the_address_is_the_keys(keystore: Path, xuzhou: City) -> None:
    assert address_of(load_keystore(keystore, PASSWORD)) == xuzhou.issuer_address
