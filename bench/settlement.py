"""A consortium on a chain of its own, and batches of rides to settle in it: the same bytes in every run.

Keys, riders, serials, stations and block times are all derived from constants, so that gas figures come out the
same to the unit wherever the benchmark runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from eth_account import Account
from web3 import Web3
from web3.logs import DISCARD
from web3.types import RPCEndpoint

from interline.batch import Batch, sign_batch
from interline.hashing import keccak256
from interline.ride import Ride
from interline.rider_keys import RiderPrivateKey
from interline.tariff import Tariff, load_tariff
from interline.ticket import sign_ticket
from network.accounts import Role
from network.chain import Chain
from tests.support.deploy import City, Deployment, deploy

OPERATOR: Final = "Hangzhou"
ISSUERS: Final = (
    "Shanghai",
    "Ningbo",
    "Wenzhou",
    "Hefei",
    "Nanjing",
    "Suzhou",
    "Wuxi",
    "Xuzhou",
    "Xiamen",
    "Qingdao",
)
CHAIN_START: Final = 1_767_225_600  # 2026-01-01T00:00:00Z
SETTLED_AT: Final = CHAIN_START + 86_400
FIRST_SERIAL: Final = 1_000_192  # the first of a storage word; a million tickets in, as a serial of some age looks
DEPOSIT: Final = 100_000_000  # fen: nobody runs into arrears
KEY_ID: Final = 1
GAS_LIMIT: Final = 30_000_000


@dataclass(frozen=True)
class Settled:
    """One `settle` that was carried out: its transaction, calldata (bytes), rides and gas."""

    transaction: str
    calldata: bytes
    rides: int
    gas: int


class Consortium:
    """Eleven cities with deposits and keys, on a chain at whose head every measurement starts afresh."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.web3 = deployment.web3
        self.operator: City = deployment.cities[OPERATOR]
        self.issuers = [deployment.cities[name] for name in ISSUERS]
        self.tariff: Tariff = load_tariff(self.operator.file.tariff)
        self._made: dict[tuple[int, int], Ride] = {}

    def ride(self, issuer: City, serial: int) -> Ride:
        """The ride with an issuer's ticket of this serial: always the same one."""
        if (issuer.code, serial) not in self._made:
            self._made[issuer.code, serial] = self._make(issuer, serial)
        return self._made[issuer.code, serial]

    def batch(self, serials: Iterable[tuple[City, Iterable[int]]]) -> Batch:
        """The operator's batch of rides with these issuers' tickets."""
        rides = [(issuer.code, KEY_ID, self.ride(issuer, serial)) for issuer, some in serials for serial in some]
        return Batch.build(self.operator.code, rides)

    def calldata(self, batch: Batch) -> bytes:
        """The calldata of `settle` for a batch."""
        signature = sign_batch(self.deployment.domain, self.operator.private_key(Role.SUBMITTER), batch)
        data = self.deployment.clearinghouse.encode_abi("settle", [batch.to_bytes(), signature])
        return bytes.fromhex(data[2:])

    def settle(self, batch: Batch) -> Settled:
        """Send a batch; every ride of it must settle."""
        calldata = self.calldata(batch)
        receipt = self.send(self.deployment.clearinghouse.address, calldata)
        [event] = self.deployment.clearinghouse.events.BatchSettled().process_receipt(receipt, errors=DISCARD)
        if event["args"]["settled"] != batch.ride_count:
            raise RuntimeError(f"expected {batch.ride_count} rides to settle, {event['args']['settled']} did")
        return Settled(receipt["transactionHash"].to_0x_hex(), calldata, batch.ride_count, receipt["gasUsed"])

    def send(self, to: str, calldata: bytes) -> Any:
        """Send a call as the submitter, in a block of its own at a set time; returns the receipt."""
        key = self.operator.private_key(Role.SUBMITTER)
        sender = Account.from_key(key).address
        newest = self.web3.eth.get_block("latest")["timestamp"]
        self._rpc("evm_setNextBlockTimestamp", [max(SETTLED_AT, newest + 1)])
        transaction = {
            "to": to,
            "data": Web3.to_hex(calldata),
            "nonce": self.web3.eth.get_transaction_count(sender),
            "gas": GAS_LIMIT,
            "gasPrice": 0,
            "chainId": self.web3.eth.chain_id,
            "value": 0,
        }
        signed = Account.sign_transaction(transaction, key)
        receipt = self.web3.eth.wait_for_transaction_receipt(
            self.web3.eth.send_raw_transaction(signed.raw_transaction), poll_latency=0.01
        )
        if receipt["status"] != 1:
            raise RuntimeError(f"expected the call of {to} to succeed, it reverted")
        return receipt

    def phone(self, issuer: City, serial: int) -> RiderPrivateKey:
        """The rider key of the ticket of this serial."""
        return RiderPrivateKey.from_scalar(b"\0" + _dice(issuer, serial)[1:])

    def next_block_at(self, moment: int) -> None:
        """Give the next block that time, Unix seconds."""
        self._rpc("evm_setNextBlockTimestamp", [moment])

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What is settled inside is undone afterwards, so that measurements don't see one another."""
        snapshot = self._rpc("evm_snapshot", [])
        try:
            yield
        finally:
            self._rpc("evm_revert", [snapshot])

    def trace(self, transaction: str, *, stacks: bool = False) -> list[dict[str, Any]]:
        """The steps of a transaction, as debug_traceTransaction gives them."""
        options = {"disableStorage": True, "disableMemory": True, "disableStack": not stacks}
        steps: list[dict[str, Any]] = self._rpc("debug_traceTransaction", [transaction, options])["structLogs"]
        return steps

    def creations(self) -> dict[str, int]:
        """Gas of each contract creation so far, by address."""
        found = {}
        for number in range(self.web3.eth.block_number + 1):
            for transaction in self.web3.eth.get_block(number, full_transactions=True)["transactions"]:
                if not isinstance(transaction, bytes) and transaction.get("to") is None:
                    receipt = self.web3.eth.get_transaction_receipt(transaction["hash"])
                    found[str(receipt["contractAddress"])] = receipt["gasUsed"]
        return found

    def _make(self, issuer: City, serial: int) -> Ride:
        dice = _dice(issuer, serial)
        phone = self.phone(issuer, serial)
        stations = [station.number for station in self.tariff.stations]
        entry, exit_ = stations[dice[0] % len(stations)], stations[dice[1] % len(stations)]
        entered_at = SETTLED_AT - 14_400 + int.from_bytes(dice[2:4], "big") % 7_200
        ticket = sign_ticket(
            self.deployment.domain,
            issuer.private_key(Role.ISSUER_KEY),
            issuer=issuer.code,
            key_id=KEY_ID,
            operator=self.operator.code,
            serial=serial,
            not_after=SETTLED_AT + int.from_bytes(dice[4:8], "big") % 604_800,
            fare_cap=self.tariff.highest_fare,
            rider_key=phone.public.data,
        )
        return Ride(
            serial=serial,
            not_after=ticket.not_after,
            fare_cap=ticket.fare_cap,
            rider=ticket.rider,
            entry_station=entry,
            exit_station=exit_,
            entered_at=entered_at,
            exited_at=entered_at + 300 + int.from_bytes(dice[8:10], "big") % 3_600,
            fare=self.tariff.fare(entry, exit_),
            issuer_signature=ticket.signature,
        )

    def _rpc(self, method: str, parameters: Sequence[object]) -> Any:
        answer = self.web3.provider.make_request(RPCEndpoint(method), list(parameters))
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]


def _dice(issuer: City, serial: int) -> bytes:
    """What everything random about a ride comes from."""
    return keccak256(b"benchmark ride" + issuer.code.to_bytes(2, "big") + serial.to_bytes(5, "big"))


@contextmanager
def consortium() -> Iterator[Consortium]:
    """A fresh chain with the consortium deployed; each pair that is measured has settled a ride before."""
    with Chain(block_time=None, extra=("--timestamp", str(CHAIN_START), "--steps-tracing")) as chain:
        deployment = deploy(chain.url, cities=[OPERATOR, *ISSUERS], deposit=DEPOSIT)
        yield Consortium(deployment)
