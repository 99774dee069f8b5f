"""The peer of the gas benchmark: `contracts/NaiveSettlement.sol`, with the same cities, rides and chain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from bench.compiler import compile_contract
from bench.settlement import DEPOSIT, KEY_ID, Consortium
from interline.domain import Domain, ticket_hash
from interline.ride import Ride
from interline.signatures import sign_compact
from network.accounts import DEPLOYER, Role, test_private_key
from tests.support.deploy import City, send_all

SOURCE: Final = "bench/contracts/NaiveSettlement.sol"


class NaiveSettlement:
    """It, deployed beside a consortium's Clearinghouse, with every city's money in it."""

    def __init__(self, consortium: Consortium) -> None:
        self._consortium = consortium
        abi, bytecode = compile_contract(SOURCE)
        web3 = consortium.web3
        constructor = web3.eth.contract(abi=abi, bytecode=bytecode).constructor(consortium.deployment.registry.address)
        deployer = test_private_key(DEPLOYER)
        [receipt] = send_all(web3, [(deployer, constructor)])
        self.contract = web3.eth.contract(address=receipt["contractAddress"], abi=abi)
        cities = [consortium.operator, *consortium.issuers]
        send_all(web3, [(deployer, self.contract.functions.fund(city.code, DEPOSIT)) for city in cities])
        self._domain = Domain(web3.eth.chain_id, bytes.fromhex(self.contract.address[2:]))

    def gas(self, issuer: City, serials: Iterable[int]) -> int:
        """What it takes to settle the rides with these tickets."""
        rides = [self._argument(issuer, self._consortium.ride(issuer, serial)) for serial in serials]
        data = self.contract.encode_abi("settle", [self._consortium.operator.code, rides])
        receipt = self._consortium.send(self.contract.address, bytes.fromhex(data[2:]))
        events = self.contract.events.RideSettled().process_receipt(receipt)
        if len(events) != len(rides):
            raise RuntimeError(f"expected {len(rides)} rides to settle, {len(events)} did")
        return int(receipt["gasUsed"])

    def _argument(self, issuer: City, ride: Ride) -> tuple[Any, ...]:
        """A ride as the contract takes it; the ticket is signed for its domain."""
        digest = ticket_hash(
            self._domain,
            issuer=issuer.code,
            key_id=KEY_ID,
            operator=self._consortium.operator.code,
            serial=ride.serial,
            not_after=ride.not_after,
            fare_cap=ride.fare_cap,
            rider=ride.rider,
        )
        compact = sign_compact(issuer.private_key(Role.ISSUER_KEY), digest)
        s = bytes((compact[32] & 0x7F,)) + compact[33:]
        signature = compact[:32] + s + bytes((27 + (compact[32] >> 7),))
        head = (issuer.code, KEY_ID, ride.serial, ride.not_after, ride.fare_cap, ride.rider)
        journey = (ride.entry_station, ride.exit_station, ride.entered_at, ride.exited_at, ride.fare)
        return (*head, *journey, signature)
