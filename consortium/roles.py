"""Who deploys, and who mints: public test accounts on local networks, named accounts anywhere else."""

from consortium.chain import Chain
from consortium.errors import AccountMissingError, ConsortiumError
from interline.errors import MalformedError
from interline.signatures import parse_address, to_checksum
from network.accounts import BANK, DEPLOYER, test_address


def deployer_of(chain: Chain, alias: str | None) -> str:
    """The checksummed address of the account that deploys.

    Args:
        alias: of an Ape account; None takes a test account, on local networks.

    Raises AccountMissingError where there is no such account.
    """
    if alias is not None:
        return chain.signers.by_alias(alias)
    if not chain.is_local:
        raise AccountMissingError("expected --account with an Ape account that deploys, as this is no local network")
    return test_address(DEPLOYER)


def bank_of(chain: Chain, address: str | None) -> str:
    """The checksummed address that mints the settlement token.

    Args:
        address: 0x and 40 hexadecimal digits; None takes a test account, on local networks.

    Raises ConsortiumError where it is no address, or none is given on a network that isn't local.
    """
    if address is not None:
        try:
            return to_checksum(parse_address(address))
        except MalformedError as error:
            raise ConsortiumError(f"--bank: {error}") from error
    if not chain.is_local:
        raise ConsortiumError("expected --bank with the settlement bank's address, as this is no local network")
    return test_address(BANK)
