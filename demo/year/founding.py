"""The contracts, deployed with their founders at the year's beginning."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from web3.utils.address import get_create_address

from consortium.abi import MANIFEST
from consortium.calls import encode_constructor
from consortium.deployments import DeployedContract, Deployment
from demo.errors import DemoError, NotReadyError
from demo.year.membership import FOUNDED_AT
from demo.year.node import Node
from demo.year.signing import transaction
from demo.year.story import Member
from network.accounts import BANK, DEPLOYER, test_address, test_private_key
from network.chain import CHAIN_ID

_NO_PREDECESSOR: Final = "0x" + "00" * 20


def contract_addresses() -> dict[str, str]:
    """Where the contracts will be, by name: the deployer's first three, and what their constructors make."""
    deployer = test_address(DEPLOYER)
    names = ("Consortium", "SettlementToken", "Clearinghouse")
    found = {name: str(get_create_address(deployer, nonce)) for nonce, name in enumerate(names)}  # type: ignore[arg-type]
    found["CityRegistry"] = str(get_create_address(found["Consortium"], 1))  # type: ignore[arg-type]
    found["Refunds"] = str(get_create_address(found["Clearinghouse"], 1))  # type: ignore[arg-type]
    return found


def found(node: Node, members: Sequence[Member], addresses: Mapping[str, str]) -> Deployment:
    """Deploys the contracts, with the founders.

    Raises:
        NotReadyError: the contracts aren't compiled.
        DemoError: the chain isn't a new one.
    """
    founders = [(it.code, it.name, it.file.admin, it.file.treasury, it.file.recovery) for it in members if it.founder]
    made = (
        ("Consortium", (founders,)),
        ("SettlementToken", (test_address(BANK),)),
        ("Clearinghouse", (addresses["CityRegistry"], addresses["SettlementToken"], _NO_PREDECESSOR)),
    )
    deployment = Deployment(CHAIN_ID, {})
    for nonce, (name, arguments) in enumerate(made):
        data = encode_constructor(name, _bytecode(name), *arguments)
        raw = transaction(test_private_key(DEPLOYER), nonce, None, data, CHAIN_ID)
        (receipt,) = node.mine(FOUNDED_AT + nonce * 60, [raw])
        if int(receipt["contractAddress"], 16) != int(addresses[name], 16):
            raise DemoError(
                f"expected {name} at {addresses[name]}, came {receipt['contractAddress']}: is the chain new?"
            )
        both = {"Consortium": "CityRegistry", "Clearinghouse": "Refunds"}.get(name)
        for one in (name, both) if both else (name,):
            block, hash_ = int(receipt["blockNumber"], 16), receipt["transactionHash"]
            deployment = deployment.plus(**{one: DeployedContract(addresses[one], block, hash_)})
    return deployment


def _bytecode(name: str) -> str:
    try:
        types = json.loads(MANIFEST.read_text(encoding="utf-8"))["contractTypes"]
        return str(types[name]["deploymentBytecode"]["bytecode"])
    except (OSError, ValueError, KeyError) as error:
        raise NotReadyError(f"expected compiled contracts in {MANIFEST}, came {error}: run `make compile`") from error
