"""Encrypted keystores: the usual Ethereum JSON (Web3 Secret Storage, version 3)."""

import json
import os
import secrets
from pathlib import Path
from typing import Any, Final

from eth_keyfile.keyfile import create_keyfile_json, decode_keyfile_json

from interline.errors import KeystoreError, MalformedError
from interline.signatures import PRIVATE_KEY_BYTES, address_of

DEFAULT_SCRYPT_N: Final = 2**18
"""scrypt's work factor: about a second and 256 MB for each guess of a password."""


def load_keystore(path: Path, password: str) -> bytes:
    """The private key (32 bytes) in an encrypted keystore.

    Raises:
        KeystoreError: no such file, no keystore, one that is damaged, or a wrong password.
    """
    document = _read(path)
    try:
        key = bytes(decode_keyfile_json(document, _encode_password(password)))
    except ValueError as error:
        if "mismatch" not in str(error):
            raise _damaged(path, error) from error
        raise KeystoreError(f"{path}: expected the keystore's password, came another: try again") from None
    except (KeyError, TypeError, AttributeError, NotImplementedError, ArithmeticError, MemoryError) as error:
        raise _damaged(path, error) from error
    _check_key(path, key, document)
    return key


def save_keystore(path: Path, private_key: bytes, password: str, *, scrypt_n: int = DEFAULT_SCRYPT_N) -> None:
    """Writes an encrypted keystore that only its owner may read (mode 0600), whole or not at all; replaces one there.

    `scrypt_n` is the work factor, a power of two; a low one is for tests only.

    Raises:
        MalformedError: the private key is none of secp256k1's.
        KeystoreError: the file can't be written, or the work factor is none.
    """
    address_of(private_key)
    if scrypt_n < 2 or scrypt_n & (scrypt_n - 1):
        raise KeystoreError(f"{path}: expected a work factor that is a power of two, came {scrypt_n}")
    try:
        document = create_keyfile_json(private_key, _encode_password(password), kdf="scrypt", iterations=scrypt_n)
    except (ValueError, OverflowError) as error:
        raise KeystoreError(f"{path}: expected a work factor below 2^32, came {scrypt_n}: {error}") from error
    _write_private(path, json.dumps(document, indent=2) + "\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KeystoreError(f"{path}: expected a keystore, could not read it: {error.strerror}") from error
    except ValueError as error:
        raise KeystoreError(f"{path}: expected a keystore (JSON), came something else: {error}") from error
    if not isinstance(document, dict):
        raise KeystoreError(f"{path}: expected a keystore (a JSON object), came a {type(document).__name__}")
    return document


def _check_key(path: Path, key: bytes, document: dict[str, Any]) -> None:
    """The MAC does not cover the address, nor say that what was encrypted is a key."""
    try:
        address = address_of(key).hex()
    except MalformedError:
        raise KeystoreError(
            f"{path}: expected a private key of {PRIVATE_KEY_BYTES} bytes in it, came something else"
        ) from None
    named = document.get("address")
    if named is not None and str(named).lower().removeprefix("0x") != address:
        raise KeystoreError(f"{path}: expected the key of address {named}, came that of 0x{address}")


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise KeystoreError(f"{path}: expected to write a keystore, could not: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _encode_password(password: str) -> Any:
    # As bytes, whatever the library's hints say: scrypt would take a str for Latin-1 and refuse all else, and
    # PBKDF2 takes no str at all.
    return password.encode("utf-8")


def _damaged(path: Path, error: BaseException) -> KeystoreError:
    detail = f"{type(error).__name__}: {error}"
    return KeystoreError(f"{path}: expected a keystore of version 3, came one that can't be used ({detail})")
