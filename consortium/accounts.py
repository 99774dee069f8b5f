"""Ape's accounts, found by their address: keyfiles, accounts of plugins and, on local networks, test accounts."""

import os
from typing import Any

from ape.exceptions import ApeException

from consortium.errors import AccountMissingError


class Signers:
    """The accounts that can sign here.

    Args:
        accounts: Ape's account manager.
        with_test_accounts: whether its test accounts count, whose keys everybody knows: on local networks alone.
    """

    def __init__(self, accounts: Any, *, with_test_accounts: bool) -> None:
        self._accounts = accounts
        self._with_test_accounts = with_test_accounts
        self._by_address: dict[str, Any] | None = None
        self._unlocked: set[str] = set()

    def __contains__(self, address: object) -> bool:
        return address in self._all()

    def has(self, address: str) -> bool:
        """Whether the account of a checksummed address can sign here."""
        return address in self

    def require(self, address: str, role: str) -> Any:
        """The Ape account of a checksummed address.

        Args:
            role: what the account is, such as "admin of Xuzhou".

        A keyfile account signs unattended where its passphrase is in the environment variable that Ape defines for it;
        else Ape asks.

        Raises AccountMissingError where it isn't among Ape's accounts, or that passphrase is wrong.
        """
        account = self._all().get(address)
        if account is None:
            raise AccountMissingError(
                f"expected the account {address} ({role}) among Ape's accounts, {how_to_get(address)}"
            )
        if address not in self._unlocked:
            _sign_unattended(account)
            self._unlocked.add(address)
        return account

    def by_alias(self, alias: str) -> str:
        """The checksummed address of the account of an alias, such as a keyfile's name or TEST::1.

        Raises AccountMissingError where there is no such account.
        """
        for address, account in self._all().items():
            if account.alias == alias:
                return address
        raise AccountMissingError(
            f"expected an account named {alias!r} among Ape's accounts, there is none: see `ape accounts list`, "
            f"or import it with `ape accounts import {alias}`"
        )

    def _all(self) -> dict[str, Any]:
        if self._by_address is None:
            found = {str(account.address): account for account in self._accounts}
            if self._with_test_accounts:
                found |= {str(account.address): account for account in self._accounts.test_accounts}
            self._by_address = found
        return self._by_address


def how_to_get(address: str) -> str:
    """What to do where an account isn't here."""
    return (
        f"it isn't there: import its key with `ape accounts import NAME`, or let the holder of {address} run this "
        "command on their machine"
    )


def _sign_unattended(account: Any) -> None:
    variable = f"APE_ACCOUNTS_{account.alias}_PASSPHRASE"
    if not os.environ.get(variable) or not hasattr(account, "set_autosign"):
        return
    try:
        account.set_autosign(True)
    except ApeException as error:
        raise AccountMissingError(
            f"expected the passphrase of {account.alias} ({account.address}) in {variable}, it opens nothing: {error}. "
            "Correct it, or unset it to be asked"
        ) from error
