"""`issuer.toml`: what a ticket office, and the wallet for tests, have to be told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from interline.domain import Domain
from interline.errors import SettingsError
from interline.settings import Key, contract_address, file_path, read_settings, url, whole
from issuer_client.errors import ConfigError


@dataclass(frozen=True, slots=True)
class IssuerConfig:
    """The settings of one city's ticket office.

    `city` is its code (uint16) and `key_id` that of the issuer key (uint8) that `keystore` holds; `clearinghouse`
    is 20 bytes; `wallet` is the wallet for tests, and `cities` the folder of city files, which gives the operators'
    tariffs and the issuer keys' addresses: both may be None. `rpc` is a node's address, for what is read from the
    chain alone (rides and disputes; never for issuing), and `confirmations` how many blocks must stand on one before
    it is read. `treasury_keystore` holds the key that disputes rides and has them refunded; it may be None.
    """

    city: int
    chain_id: int
    clearinghouse: bytes
    key_id: int
    keystore: Path
    database: Path
    wallet: Path | None = None
    cities: Path | None = None
    rpc: str | None = None
    confirmations: int = 0
    treasury_keystore: Path | None = None

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
        return IssuerConfig(**read_settings(path, _KEYS, whose="an office"))
    except SettingsError as error:
        raise ConfigError(str(error)) from None


_KEYS: Final = {
    "city": Key(whole(1, 0xFFFF)),
    "chain_id": Key(whole(1, 2**63 - 1)),
    "clearinghouse": Key(contract_address),
    "key_id": Key(whole(0, 0xFF)),
    "keystore": Key(file_path),
    "database": Key(file_path),
    "wallet": Key(file_path, needed=False),
    "cities": Key(file_path, needed=False),
    "rpc": Key(url, needed=False),
    "confirmations": Key(whole(0, 10_000), needed=False),
    "treasury_keystore": Key(file_path, needed=False),
}
