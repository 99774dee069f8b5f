"""The office's only way to the network: the Clearinghouses, their refunds and the registry, through web3.

Importing web3 takes long, and issuing needs no network: this module is imported by the commands that read or send
rides, refunds and disputes, never by those of tickets.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import requests
from eth_account import Account
from eth_typing import BlockNumber, ChecksumAddress
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import (
    BlockNotFound,
    ContractCustomError,
    ContractLogicError,
    TransactionNotFound,
    Web3Exception,
    Web3RPCError,
)
from web3.middleware import ExtraDataToPOAMiddleware
from web3.types import LogReceipt, TxParams, Wei

from interline.batch_source import Transaction, find_batch, read_trace, trace_request
from interline.chain_data import decode_answer, decode_error, encode_call
from interline.disputes import RIDE_DISPUTED, Case, RideDispute, Stage, read_dispute
from interline.domain import Domain
from interline.errors import ChainDataError, TraceError
from interline.hashing import keccak256
from interline.safe_text import safe_text
from interline.settlements import (
    BATCH_SETTLED,
    PAIR_SETTLED,
    RIDE_REFUNDED,
    RIDE_REJECTED,
    TICKET_REVOKED,
    ChainLog,
    RideRefund,
    Settlement,
    read_refund,
    read_settlements,
)
from interline.signatures import address_of, to_checksum
from issuer_client.chain_types import Block, Call, House, Revocation, Terms
from issuer_client.errors import ChainError, ChainRefusalError, ChainUnavailableError

log = logging.getLogger(__name__)

REQUEST_TIMEOUT: Final = 20.0
TRACE_CHUNK: Final = 65_536
LOG_CHUNK: Final = 10_000
LOG_CHUNK_LEAST: Final = 50
IDS_AT_ONCE: Final = 200
NONCE_ATTEMPTS: Final = 8
LONGEST_LINE: Final = 100
"""More Clearinghouses than one line of succession will ever have."""


_STALE_NONCE: Final = ("nonce too low", "nonce is too low", "underpriced", "oldnonce")
_ALREADY_SENT: Final = ("already known", "already imported", "known transaction")


class Chain:
    """One node's view of one Clearinghouse, of those before and after it, and of their registry.

    Raises, from every method:
        ChainUnavailableError: the node doesn't answer, or not with JSON-RPC.
        ChainError: the node refuses the request.
    """

    def __init__(self, rpc: str, clearinghouse: bytes) -> None:
        self.rpc = rpc
        self.clearinghouse = clearinghouse
        provider = Web3.HTTPProvider(
            rpc, request_kwargs={"timeout": REQUEST_TIMEOUT}, exception_retry_configuration=None
        )
        self._web3 = Web3(provider)
        self._web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)  # chains of Besu and the like
        self._registry_address: ChecksumAddress | None = None

    # ------------------------------------------------------------ what is there

    def check_domain(self, domain: Domain) -> None:
        """Check that the Clearinghouse is there, and that its domain is the one that tickets are signed for (ERC-5267).

        Raises:
            ChainError: there is no contract at the address, it is no Clearinghouse of protocol version 1, or the
                chain is another one.
        """
        address = _address(self.clearinghouse)
        with self._translated():
            chain_id = self._web3.eth.chain_id
            if chain_id != domain.chain_id:
                raise ChainError(f"{self.rpc}: expected chain {domain.chain_id}, came {chain_id}; correct rpc")
            if not self._web3.eth.get_code(address):
                raise ChainError(
                    f"{self.rpc}, chain {chain_id}: there is no contract at {address}; correct rpc or clearinghouse"
                )
            try:
                _, name, version, contract_chain, contract, *_ = self._house(self.clearinghouse, "eip712Domain")
            except (Web3Exception, ValueError) as error:
                raise ChainError(f"{address} is no Clearinghouse: {error}") from None
        found = (name, version, contract_chain, contract.lower())
        expected = ("Interline", "1", domain.chain_id, address.lower())
        if found != expected:
            raise ChainError(f"{address}: expected the EIP-712 domain {expected}, came {found}")

    def head(self) -> Block:
        """The newest block."""
        block = self.block(None)
        assert block is not None
        return block

    def block(self, number: int | None) -> Block | None:
        """The block of that number, the newest one for None; None if the chain has no such block (any more)."""
        with self._translated():
            try:
                found = self._web3.eth.get_block("latest" if number is None else BlockNumber(number))
            except BlockNotFound:
                return None
            return Block(int(found["number"]), bytes(found["hash"]), int(found["timestamp"]))

    def line(self) -> tuple[House, ...]:
        """This Clearinghouse, all that it took over from, and all that took over from it, the oldest first.

        A successor that was named and can't be used ends the line, with a warning: rides go on settling here.

        Raises:
            ChainError: it says that it takes over from another, which doesn't name it.
        """
        line = [self.clearinghouse]
        while (before := self._neighbour(line[0], "predecessor")) is not None:
            self._check_neighbours(before, line[0])
            line.insert(0, before)
            _check_line(line)
        while (after := self._neighbour(line[-1], "successor")) is not None:
            problem = self._problem(line, after)
            if problem is not None:
                log.warning(
                    "%s names %s as its successor, which can't be used: %s; ask the consortium to call it off or to "
                    "name another",
                    to_checksum(line[-1]),
                    to_checksum(after),
                    problem,
                )
                break
            line.append(after)
        return tuple(map(self.house, line))

    def first_block(self) -> int:
        """The block before which there is nothing to read: the registry's, or, if it doesn't say, this contract's."""
        with self._translated():
            try:
                return int(self._read("CityRegistry", self._registry(), "deployedAt"))
            except (ContractLogicError, ChainDataError):
                return int(self._house(self.clearinghouse, "deployedAt"))

    def house(self, address: bytes) -> House:
        """One Clearinghouse and where its refunds are."""
        with self._translated():
            return House(
                address=address,
                refunds=self._neighbour(address, "refunds"),
                deployed_at=int(self._house(address, "deployedAt")),
            )

    # ------------------------------------------------------------ rides

    def settlements(self, house: bytes, issuer: int, from_block: int, to_block: int) -> list[Settlement]:
        """The settlements of batches with rides on an issuer's tickets, in these blocks, both included."""
        topics: list[Any] = [_hex(PAIR_SETTLED), None, _hex(_word(issuer))]
        ids = sorted({log.topics[1] for log in self._logs(house, topics, from_block, to_block)})
        logs: list[ChainLog] = []
        for start in range(0, len(ids), IDS_AT_ONCE):
            some = [_hex(one) for one in ids[start : start + IDS_AT_ONCE]]
            kinds = [_hex(BATCH_SETTLED), _hex(PAIR_SETTLED), _hex(RIDE_REJECTED)]
            logs += self._logs(house, [kinds, some], from_block, to_block)
        return [one for one in read_settlements(logs) if any(pair.issuer == issuer for pair in one.pairs)]

    def settlement(self, house: bytes, batch_id: bytes, from_block: int) -> Settlement | None:
        """The settlement of one batch, None if no ride of it settled."""
        kinds = [_hex(BATCH_SETTLED), _hex(PAIR_SETTLED), _hex(RIDE_REJECTED)]
        logs = self._logs(house, [kinds, _hex(batch_id)], from_block, self.head().number)
        return next((one for one in read_settlements(logs) if one.settled), None)

    def batch(self, settlement: Settlement, given: Mapping[bytes, bytes] | None = None) -> bytes:
        """The bytes of a settled batch, from its transaction, from those given by hand (by their ids), or from a trace.

        Raises:
            BatchNotFoundError: they are in none of them.
        """
        transaction = None
        with self._translated(), suppress(TransactionNotFound):
            found = self._web3.eth.get_transaction(HexBytes(settlement.tx))
            to = found.get("to")
            transaction = Transaction(None if to is None else bytes.fromhex(to[2:]), bytes(found["input"]))
        tx, house = settlement.tx, settlement.clearinghouse
        return find_batch(settlement.batch_id, house, transaction, lambda: self._trace(tx), given).data

    def _trace(self, tx: bytes) -> object:
        try:
            with requests.post(self.rpc, json=trace_request(tx), stream=True, timeout=REQUEST_TIMEOUT) as answer:
                return read_trace(answer.iter_content(TRACE_CHUNK))
        except requests.RequestException as error:
            raise TraceError(f"{self.rpc} doesn't answer: {type(error).__name__}") from error

    def outcome(self, house: bytes, batch_id: bytes) -> bytes:
        """What the chain stores of a batch's refused rides, 25 bytes (protocol section 7)."""
        with self._translated():
            return bytes(self._house(house, "batches", batch_id)[2])

    def refunded(self, refunds: bytes, issuer: int, from_block: int, to_block: int) -> list[RideRefund]:
        """The refunds of rides on an issuer's tickets, in these blocks, both included, in the chain's order."""
        topics: list[Any] = [_hex(RIDE_REFUNDED), None, _hex(_word(issuer))]
        return [read_refund(log) for log in self._logs(refunds, topics, from_block, to_block)]

    def revocations(self, issuer: int, from_block: int, to_block: int) -> list[Revocation]:
        """The tickets that an issuer revoked in these blocks, both included."""
        topics: list[Any] = [_hex(TICKET_REVOKED), _hex(_word(issuer))]
        logs = self._logs(bytes.fromhex(self._registry()[2:]), topics, from_block, to_block)
        return [
            Revocation(int.from_bytes(log.topics[2], "big"), int.from_bytes(log.data, "big"), log.block) for log in logs
        ]

    # ------------------------------------------------------------ disputes

    def disputes(self, refunds: bytes, issuer: int, from_block: int, to_block: int) -> list[RideDispute]:
        """The disputes of rides on an issuer's tickets that were opened in these blocks, both included."""
        topics: list[Any] = [_hex(RIDE_DISPUTED), None, _hex(_word(issuer))]
        return [read_dispute(log) for log in self._logs(refunds, topics, from_block, to_block)]

    def case(self, refunds: bytes, batch_id: bytes, index: int) -> Case:
        """Where the dispute of a ride stands, and what was refunded of it; all zero if neither was asked for."""
        with self._translated():
            found = self._read("Refunds", _address(refunds), "caseOf", batch_id, index)
        issuer, operator, fare, refunded, fee, answer_until, stage = found
        return Case(issuer, operator, fare, refunded, fee, answer_until, Stage(stage))

    def terms(self, house: bytes, exited_at: int) -> Terms:
        """What holds at a Clearinghouse for a ride that ended then (Unix seconds)."""
        with self._translated():
            _, grace, _, dispute_time, answer_time, fee = self._house(house, "parametersAt", exited_at)
        return Terms(int(grace), int(dispute_time), int(answer_time), int(fee))

    def settled_at(self, house: bytes, batch_id: bytes) -> int | None:
        """When a batch settled at a Clearinghouse (Unix seconds); None if it didn't."""
        with self._translated():
            operator, settled_at, _ = self._house(house, "batches", batch_id)
            return int(settled_at) if operator else None

    def treasury(self, city: int) -> bytes:
        """The address of a city's treasury, 20 bytes."""
        with self._translated():
            return bytes.fromhex(self._read("CityRegistry", self._registry(), "city", city)[3][2:])

    def refunds_call(self, refunds: bytes, function: str, *arguments: object) -> Call:
        """A call to a contract for refunds."""
        return Call(refunds, encode_call("Refunds", function, *arguments))

    def gas(self, sender: bytes, call: Call) -> int:
        """Try a call without sending it; the gas that it takes.

        Raises:
            ChainRefusalError: the contract refuses it.
        """
        transaction: TxParams = {
            "from": _address(sender),
            "to": _address(call.to),
            "data": HexBytes(call.data),
            "gasPrice": Wei(0),
        }
        with self._translated():
            return int(self._web3.eth.estimate_gas(transaction))

    def send(self, private_key: bytes, call: Call, gas: int) -> bytes:
        """Sign and send a call with the account's next nonce; the transaction's hash, 32 bytes.

        Raises:
            ChainUnavailableError: the node doesn't answer; it may have got the transaction or not.
            ChainError: the node doesn't take it.
        """
        for _ in range(NONCE_ATTEMPTS):
            with self._translated():
                signed = self._signed(private_key, call, gas)
            try:
                with self._translated():
                    self._web3.eth.send_raw_transaction(signed.raw_transaction)
            except ChainUnavailableError:
                raise
            except ChainError as error:
                message = str(error).lower()
                if any(phrase in message for phrase in _STALE_NONCE):
                    continue  # another process with this key was faster
                if not any(phrase in message for phrase in _ALREADY_SENT):
                    raise
            return bytes(signed.hash)
        raise ChainError(
            f"{NONCE_ATTEMPTS} transactions of this account lost their nonce to others; run the command again"
        )

    def succeeded(self, tx: bytes) -> bool | None:
        """Did a transaction do what it was for? None while it is in no block."""
        with self._translated():
            try:
                return bool(self._web3.eth.get_transaction_receipt(HexBytes(tx))["status"])
            except TransactionNotFound:
                return None

    # ------------------------------------------------------------ internals

    def _signed(self, private_key: bytes, call: Call, gas: int) -> Any:
        sender = _address(address_of(private_key))
        eth = self._web3.eth
        price = int(eth.gas_price)
        if price and eth.get_balance(sender) < price * gas:  # on a chain without fees nodes suggest some all the same
            price = int(eth.get_block("latest").get("baseFeePerGas", 0))
        return Account.sign_transaction(
            {
                "to": _address(call.to),
                "data": _hex(call.data),
                "value": 0,
                "gas": gas,
                "gasPrice": price,
                "nonce": eth.get_transaction_count(sender, "pending"),
                "chainId": eth.chain_id,
            },
            private_key,
        )

    def _house(self, address: bytes, function: str, *arguments: Any) -> Any:
        return self._read("Clearinghouse", _address(address), function, *arguments)

    def _read(self, contract: str, address: ChecksumAddress, function: str, *arguments: Any) -> Any:
        """What a view function of one of our contracts returns, decoded by `interline.chain_data`."""
        call: TxParams = {"to": address, "data": HexBytes(encode_call(contract, function, *arguments))}
        return decode_answer(contract, function, bytes(self._web3.eth.call(call, ccip_read_enabled=False)))

    def _registry(self) -> ChecksumAddress:
        if self._registry_address is None:
            with self._translated():
                self._registry_address = Web3.to_checksum_address(self._house(self.clearinghouse, "registry"))
        return self._registry_address

    def _problem(self, line: Sequence[bytes], successor: bytes) -> str | None:
        """What keeps a successor of the last of a line from being used; None if nothing does. It may say anything."""
        try:
            if self._neighbour(successor, "predecessor") != line[-1]:
                return "it doesn't name it as its predecessor"
            if successor in line or len(line) >= LONGEST_LINE:
                return "the successors lead back to where they began, or never end"
            registries = [self._neighbour(house, "registry") for house in (line[-1], successor)]
            if registries[0] != registries[1]:
                return "its registry is another one"
            self.house(successor)
            self.terms(successor, 0)
            self.settled_at(successor, bytes(32))
        except ChainError as error:
            self.house(line[-1])  # if this fails as well, it is the node
            return str(error)
        return None

    def _check_neighbours(self, before: bytes, after: bytes) -> None:
        """Anyone can deploy a contract that says it takes over: both must say it."""
        if (self._neighbour(before, "successor"), self._neighbour(after, "predecessor")) != (after, before):
            raise ChainError(
                f"{to_checksum(before)} and {to_checksum(after)}: expected each to name the other, as successor and as "
                "predecessor; correct clearinghouse, wait until the consortium has named the successor, or, if it was "
                "called off, go back with issuer-client move-domain"
            )

    def _neighbour(self, house: bytes, view: str) -> bytes | None:
        """The address that a view of a Clearinghouse gives; None for zero, or if it has no such view."""
        with self._translated():
            call = {"to": _address(house), "data": HexBytes(keccak256(f"{view}()".encode())[:4])}
            try:
                answer = bytes(self._web3.eth.call(call, ccip_read_enabled=False))  # type: ignore[arg-type]
            except ContractLogicError:
                return None
        address = answer[12:32]
        return address if len(address) == 20 and any(address) else None

    def _logs(self, address: bytes, topics: list[Any], from_block: int, to_block: int) -> list[ChainLog]:
        """Logs of a long range, in pieces that get smaller where a node finds them too large."""
        logs: list[ChainLog] = []
        chunk = LOG_CHUNK
        start = from_block
        while start <= to_block:
            end = min(start + chunk - 1, to_block)
            try:
                with self._translated():
                    found = self._web3.eth.get_logs(
                        {
                            "address": _address(address),
                            "topics": topics,
                            "fromBlock": BlockNumber(start),
                            "toBlock": BlockNumber(end),
                        }
                    )
            except ChainUnavailableError:
                raise
            except ChainError:
                if chunk <= LOG_CHUNK_LEAST:
                    raise
                chunk = max(chunk // 10, LOG_CHUNK_LEAST)
                continue
            logs.extend(map(_decoded, found))
            start = end + 1
        return logs

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what web3 and requests raise into this package's errors."""
        try:
            yield
        except ContractLogicError as error:
            raise self._refusal(error) from None
        except Web3RPCError as error:
            raise ChainError(f"{self.rpc}: {_rpc_message(error)}") from None
        except (requests.RequestException, ConnectionError, TimeoutError) as error:
            raise ChainUnavailableError(
                f"{self.rpc} doesn't answer ({type(error).__name__}); nothing is lost, run the same command again "
                "when the chain is back"
            ) from None
        except (Web3Exception, ValueError) as error:
            raise ChainError(f"{self.rpc}: {error}") from None

    def _refusal(self, error: ContractLogicError) -> ChainRefusalError:
        data = error.data if isinstance(error.data, str) else str(error.message or "")
        custom = isinstance(error, ContractCustomError) and data.startswith("0x")
        found = decode_error(bytes.fromhex(data[2:])) if custom else None
        if found is not None:
            return ChainRefusalError(found.name, tuple(map(_shown, found.arguments.values())))
        return ChainRefusalError(safe_text(str(error.message or error)))


def _check_line(line: list[bytes]) -> None:
    if len(set(line)) != len(line) or len(line) > LONGEST_LINE:
        raise ChainError(
            f"{to_checksum(line[0])}: expected a line of Clearinghouses, came one that returns to itself or never ends"
        )


def _address(data: bytes) -> ChecksumAddress:
    return Web3.to_checksum_address(to_checksum(data))


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _decoded(log: LogReceipt) -> ChainLog:
    return ChainLog(
        address=bytes.fromhex(log["address"][2:]),
        topics=tuple(map(bytes, log["topics"])),
        data=bytes(log["data"]),
        block=int(log["blockNumber"]),
        block_hash=bytes(log["blockHash"]),
        tx=bytes(log["transactionHash"]),
        place=int(log["logIndex"]),
    )


def _rpc_message(error: Web3RPCError) -> str:
    response = error.rpc_response or {}
    detail = response.get("error")
    return str(detail["message"]) if isinstance(detail, Mapping) and "message" in detail else str(error)


def _shown(value: object) -> object:
    return _hex(value) if isinstance(value, bytes) else value
