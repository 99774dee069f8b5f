"""Test accounts, derived from the public test mnemonic that anvil and hardhat start with.

Everybody knows these keys. They are for local chains and tests alone.
"""

from enum import IntEnum
from functools import cache
from typing import Final

from eth_account.hdaccount import seed_from_mnemonic
from eth_account.hdaccount.deterministic import HDPath

from interline.signatures import address_of, to_checksum

TEST_MNEMONIC: Final = "test test test test test test test test test test test junk"
HD_PATH: Final = "m/44'/60'/0'/0/{}"
BANK: Final = 0
"""Index of the account that mints test networks' settlement token."""
DEPLOYER: Final = 1
"""Index of the account that deploys contracts; it has no power over them."""
FIRST_CITY: Final = 100
PER_CITY: Final = 10


class Role(IntEnum):
    """What a city's test account is for."""

    ADMIN = 0
    TREASURY = 1
    ISSUER_KEY = 2
    SUBMITTER = 3
    SPARE_ISSUER_KEY = 4
    SPARE = 5
    RECOVERY = 6


def city_index(position: int, role: Role) -> int:
    """The account index of a role of the city at `position` in the order of `cities/` (Shanghai 0)."""
    return FIRST_CITY + PER_CITY * position + role


@cache
def _seed() -> bytes:
    return seed_from_mnemonic(TEST_MNEMONIC, "")


@cache
def test_private_key(index: int) -> bytes:
    """The 32-byte secp256k1 key of a test account, at BIP-44 path m/44'/60'/0'/0/index."""
    return bytes(HDPath(HD_PATH.format(index)).derive(_seed()))


def test_address(index: int) -> str:
    """The checksummed address of a test account."""
    return to_checksum(address_of(test_private_key(index)))


# Their names begin with `test`, but they are no tests.
test_private_key.__test__ = False  # type: ignore[attr-defined]
test_address.__test__ = False  # type: ignore[attr-defined]
