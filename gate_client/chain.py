"""The gate's only way to the network: the Clearinghouse and its registry, through web3.

Importing web3 takes long, so this module is imported by `sync`, `submit` and what has to do with disputes and refunds,
never by `scan`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import requests
from eth_account import Account
from eth_typing import BlockNumber, ChecksumAddress
from hexbytes import HexBytes
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import (
    ContractCustomError,
    ContractLogicError,
    TransactionNotFound,
    Web3Exception,
    Web3RPCError,
)
from web3.middleware import ExtraDataToPOAMiddleware
from web3.types import BlockIdentifier, LogReceipt, TxParams, Wei

from gate_client.errors import ChainError, ChainRefusalError, ChainUnavailableError, StaleNonceError
from gate_client.line import Links
from gate_client.settlement import (
    BATCH_SETTLED,
    FARES_WITHHELD,
    RIDE_REJECTED,
    TICKET_REVOKED,
    WITHHELD_RELEASED,
    BatchRecord,
    Log,
    Receipt,
    RefundCall,
    Settlement,
    SignedTransaction,
    TransactionState,
    Withholding,
    read_withholding,
)
from gate_client.terms import PROTOCOL_TERMS, EvidenceTimes, Terms, TermSets
from gate_client.trust_list import CityStatus, Owing, TrustedCity, TrustedKey
from interline.batch_source import Transaction, find_batch, read_trace, trace_request
from interline.chain_data import decode_answer, decode_error, encode_call
from interline.contracts import load_abi
from interline.disputes import RIDE_DISPUTED, Case, Evidence, RideDispute, RideFacts, Stage, read_dispute
from interline.domain import Domain
from interline.errors import ChainDataError, TraceError
from interline.safe_text import safe_text, short_name
from interline.settlements import ChainLog
from interline.signatures import address_of, to_checksum

REQUEST_TIMEOUT = 20.0
TRACE_CHUNK = 65_536
LOG_CHUNK = 100_000
LOG_CHUNK_LEAST = 100
PAY_ARREARS_GAS = 300_000
RELEASE_GAS = 200_000

_REFUSING = ("Clearinghouse", "Refunds")
"""The contracts whose errors are read."""
_STALE_NONCE = ("nonce too low", "underpriced", "oldnonce", "nonce is too low")
_ALREADY_SENT = ("already known", "already imported", "known transaction")


class Chain:
    """One node's view of one Clearinghouse.

    Raises, from every method:
        ChainUnavailableError: the node doesn't answer, or not with JSON-RPC.
        ChainError: the node refuses the request.
    """

    def __init__(self, rpc: str, clearinghouse: bytes, web3: Web3 | None = None) -> None:
        self.rpc = rpc
        self.clearinghouse = clearinghouse
        self._web3 = web3 or _connect(rpc)
        self._contract = self._at("Clearinghouse", _address(clearinghouse))
        self._registry_address: ChecksumAddress | None = None
        self._refunds_contract: Contract | None = None
        self._chain_id: int | None = None

    def at(self, clearinghouse: bytes) -> Chain:
        """Another Clearinghouse on the same chain, through the same connection."""
        return Chain(self.rpc, clearinghouse, self._web3)

    # ------------------------------------------------------------ what is there

    def domain(self) -> Domain:
        """The domain that tickets and batches are signed in, checked against the contract's own word (ERC-5267).

        Raises:
            ChainError: there is no contract at the address, or it is no Clearinghouse of protocol version 1.
        """
        with self._translated():
            address = _address(self.clearinghouse)
            chain_id = self._web3.eth.chain_id
            if not self._web3.eth.get_code(address):
                raise ChainError(
                    f"{self.rpc}, chain {chain_id}: there is no contract at {address}; "
                    f"correct rpc or clearinghouse in gate.toml"
                )
            try:
                _, name, version, contract_chain, contract, *_ = self._house("eip712Domain")
            except (Web3Exception, ValueError) as error:
                raise ChainError(f"{address} is no Clearinghouse: {safe_text(str(error))}") from None
            found = (name, version, contract_chain, contract.lower())
            expected = ("Interline", "1", chain_id, address.lower())
            if found != expected:
                raise ChainError(f"{address}: expected the EIP-712 domain {expected}, found {found}")
            return Domain(chain_id, self.clearinghouse)

    def head(self) -> int:
        """The newest block's number."""
        return self.head_and_time()[0]

    def head_and_time(self) -> tuple[int, int]:
        """The newest block's number and its time, in Unix seconds."""
        with self._translated():
            block = self._web3.eth.get_block("latest")
            return int(block["number"]), int(block["timestamp"])

    # ------------------------------------------------------------ its neighbours in the line

    def registry(self) -> bytes:
        """The address of its registry, 20 bytes."""
        with self._translated():
            return _bytes(self._registry())

    def links(self, block: int | None) -> Links:
        """What it says of its neighbours, as of one block (None: the newest)."""
        successor = self._neighbour("successor", block)
        closes_at = self._asked("closesAt", block) if successor else None
        return Links(self._neighbour("predecessor", block), successor, closes_at)

    def require_answers(self, block: int | None) -> None:
        """Ask it for all that gates and submitters will: its parameters, batches and rides, arrears and refunds.

        Raises:
            ChainError: an answer is missing, or none that a Clearinghouse gives.
        """
        self.terms(block).require_sane()
        with self._translated():
            for function, *arguments in (
                ("deployedAt",),
                ("batches", bytes(32)),
                ("isSettled", 0, 0, 0),
                ("arrears", 0, 0),
                ("balanceOf", 0),
            ):
                self._house(function, *arguments, block=block)

    def _neighbour(self, function: str, block: int | None) -> bytes | None:
        address = self._asked(function, block)
        return None if address is None or not int(address, 16) else _bytes(address)

    def _asked(self, function: str, block: int | None, *arguments: object) -> Any:
        """The answer to a question that another vendor's contract may not know: then None."""
        with self._translated():
            try:
                return self._house(function, *arguments, block=block)
            except (ContractLogicError, ChainDataError):
                return None

    # ------------------------------------------------------------ for the trust list

    def cities(self, block: int) -> tuple[TrustedCity, ...]:
        """Every city that is or was a member, with all its issuer keys, as of one block."""
        with self._translated():
            return tuple(self._city(code, block) for code in self._of_registry("cities", block=block))

    def terms(self, block: int | None) -> TermSets:
        """Its parameters as of one block; the protocol's of another vendor's that has but single ones, or none."""
        in_force = self._asked("parameters", block)
        if in_force is None:
            return TermSets(self._single_terms(block))
        coming, valid_from = self._asked("pendingParameters", block) or (None, 0)
        before = self._asked("parametersAt", block, 0)
        return TermSets(
            _terms(in_force),
            None if before is None else _terms(before),
            _terms(coming) if coming is not None and valid_from else None,
            int(valid_from),
        )

    def _single_terms(self, block: int | None) -> Terms:
        times = PROTOCOL_TERMS.times
        with self._translated():
            max_fare = int(self._house("maxFare", block=block))
        return Terms(
            max_fare=max_fare,
            grace=self._asked("grace", block) or PROTOCOL_TERMS.grace,
            times=EvidenceTimes(
                submission=self._asked("submissionWindow", block) or times.submission,
                dispute=self._asked("disputeTime", block) or times.dispute,
                answer=self._asked("answerTime", block) or times.answer,
            ),
        )

    def deployed_at(self) -> int:
        """The block from which on there is anything to read of the Clearinghouse."""
        with self._translated():
            return int(self._house("deployedAt"))

    def registry_deployed_at(self) -> int:
        """The block from which on there is anything to read of the registry, which may be older."""
        with self._translated():
            try:
                return int(self._of_registry("deployedAt"))
            except (ContractLogicError, ChainDataError):
                return 0  # another vendor's, that doesn't say

    def revoked(self, operator: int, from_block: int, to_block: int) -> frozenset[tuple[int, int]]:
        """(issuer, serial) of the tickets for an operator that were revoked in these blocks, both included."""
        topics: list[Any] = [_hex(TICKET_REVOKED), None, _hex(operator.to_bytes(32, "big"))]
        with self._translated():
            registry = self._registry()
        logs = self._logs(registry, topics, from_block, to_block)
        return frozenset((int.from_bytes(log.topics[1], "big"), int.from_bytes(log.data, "big")) for log in logs)

    # ------------------------------------------------------------ for settling

    def batch_record(self, batch_id: bytes) -> BatchRecord | None:
        """What the chain stores of a batch, None if it stores nothing."""
        with self._translated():
            operator, settled_at, outcome = self._house("batches", batch_id)
            return BatchRecord(operator, settled_at, bytes(outcome)) if operator else None

    def settlement_logs(self, batch_id: bytes, from_block: int) -> list[Log]:
        """The BatchSettled and RideRejected events that name a batch, in the chain's order."""
        head = self.head()
        topics: list[Any] = [[_hex(BATCH_SETTLED), _hex(RIDE_REJECTED)], _hex(batch_id)]
        return self._logs(_address(self.clearinghouse), topics, from_block, head)

    def is_settled(self, issuer: int, operator: int, serial: int) -> bool:
        """Has this serial paid?"""
        with self._translated():
            return bool(self._house("isSettled", issuer, operator, serial))

    def check_settle(self, sender: bytes, batch: bytes, signature: bytes, gas: int) -> None:
        """Try `settle` without sending it.

        Raises:
            ChainRefusalError: the batch is refused as a whole; `name` is the contract's custom error.
        """
        call: TxParams = {
            "from": _address(sender),
            "to": _address(self.clearinghouse),
            "data": HexBytes(encode_call("Clearinghouse", "settle", batch, signature)),
            "gas": gas,
            "gasPrice": Wei(0),
        }
        with self._translated():
            self._web3.eth.call(call, ccip_read_enabled=False)

    def submission_window(self, exited_at: int) -> int:
        """How long after its end (Unix seconds) a ride may be settled, in seconds: by the parameters of that time."""
        at = self._asked("parametersAt", None, exited_at)
        if at is not None:
            return _terms(at).times.submission
        with self._translated():
            return int(self._house("submissionWindow"))

    def sign_settle(self, private_key: bytes, batch: bytes, signature: bytes, gas: int) -> SignedTransaction:
        """A transaction that calls `settle`, with the account's next nonce."""
        return self._sign(private_key, self._contract, "settle", (batch, signature), gas)

    def owing_cities(self, creditor: int) -> list[Owing]:
        """The cities that owe this one arrears, and what of them is withheld."""
        if self._asked("arrearsDue", None, creditor) == 0:
            return []
        found = []
        with self._translated():
            for city in self._of_registry("cities"):
                owed = int(self._house("arrears", city, creditor))
                if owed:
                    withheld = int(self._asked("withheld", None, city, creditor) or 0)
                    found.append(Owing(self.clearinghouse, city, owed, withheld))
        return found

    def has_funds(self, city: int) -> bool:
        """Is there anything in a city's balance?"""
        with self._translated():
            return bool(self._house("balanceOf", city))

    def withholdings(self, creditor: int, from_block: int, to_block: int) -> list[Withholding]:
        """What was withheld of, and released to, one city in these blocks, both included, in the chain's order."""
        kinds = [_hex(FARES_WITHHELD), _hex(WITHHELD_RELEASED)]
        topics: list[Any] = [kinds, None, _hex(creditor.to_bytes(32, "big"))]
        return [read_withholding(log) for log in self._logs(_address(self.clearinghouse), topics, from_block, to_block)]

    def releasable(self, sender: bytes, debtor: int, creditor: int, day: int) -> int:
        """Try to release what was withheld on a day (since 1970) without sending it; how much it would be now, fen.

        Raises:
            ChainRefusalError: it is too early.
        """
        call: TxParams = {
            "from": _address(sender),
            "to": _address(self.clearinghouse),
            "data": HexBytes(encode_call("Clearinghouse", "releaseWithheld", debtor, creditor, day)),
            "gasPrice": Wei(0),
        }
        with self._translated():
            answer = bytes(self._web3.eth.call(call, ccip_read_enabled=False))
            return int(decode_answer("Clearinghouse", "releaseWithheld", answer))

    def sign_release(self, private_key: bytes, debtor: int, creditor: int, day: int) -> SignedTransaction:
        """A transaction that calls `releaseWithheld`, with the account's next nonce."""
        return self._sign(private_key, self._contract, "releaseWithheld", (debtor, creditor, day), RELEASE_GAS)

    def sign_pay_arrears(self, private_key: bytes, debtor: int, creditor: int) -> SignedTransaction:
        """A transaction that calls `payArrears`, with the account's next nonce."""
        return self._sign(private_key, self._contract, "payArrears", (debtor, creditor), PAY_ARREARS_GAS)

    def send(self, transaction: SignedTransaction) -> None:
        """Send a signed transaction; one that the node has already is as good as sent.

        Raises:
            StaleNonceError: another transaction of the account has taken its nonce; sign it anew.
        """
        try:
            with self._translated():
                self._web3.eth.send_raw_transaction(HexBytes(transaction.raw))
        except ChainUnavailableError:
            raise
        except ChainError as error:
            message = str(error).lower()
            if any(phrase in message for phrase in _ALREADY_SENT):
                return
            if any(phrase in message for phrase in _STALE_NONCE):
                raise StaleNonceError(str(error)) from None
            raise

    def receipt(self, tx: bytes) -> Receipt:
        """What has become of a transaction."""
        with self._translated():
            try:
                receipt = self._web3.eth.get_transaction_receipt(HexBytes(tx))
            except TransactionNotFound:
                return Receipt(self._without_receipt(tx))
            if not receipt["status"]:
                return Receipt(TransactionState.FAILED)
            ours = _address(self.clearinghouse)
            logs = [_decoded(log) for log in receipt["logs"] if log["address"] == ours]
            return Receipt(TransactionState.SUCCEEDED, tuple(logs))

    # ------------------------------------------------------------ for disputes and refunds

    def refunds(self) -> bytes | None:
        """The address of the contract that refunds its rides; None of a Clearinghouse that has none."""
        if self._refunds_contract is None:
            address = self._asked("refunds", None)
            if address is None or not int(address, 16):
                return None
            self._refunds_contract = self._at("Refunds", address)
        return _bytes(self._refunds_contract.address)

    def disputes(self, operator: int, from_block: int, to_block: int) -> list[RideDispute]:
        """The disputes of an operator's rides that were opened in these blocks, both included, in the chain's order."""
        topics: list[Any] = [_hex(RIDE_DISPUTED), None, None, _hex(operator.to_bytes(32, "big"))]
        if (refunds := self.refunds()) is None:
            return []
        return [read_dispute(_placed(log)) for log in self._raw_logs(_address(refunds), topics, from_block, to_block)]

    def case(self, batch_id: bytes, index: int) -> Case:
        """Where the dispute of a ride stands, and what was refunded of it."""
        with self._translated():
            found = self._read("Refunds", self._refunding().address, "caseOf", batch_id, index)
            issuer, operator, fare, refunded, fee, answer_until, stage = found
            return Case(issuer, operator, fare, refunded, fee, answer_until, Stage(stage))

    def answer_gas(self, sender: bytes, batch_id: bytes, index: int, facts: RideFacts, evidence: Evidence) -> int:
        """Try `answer` without sending it; the gas that it takes.

        Raises:
            ChainRefusalError: the contract refuses it.
        """
        return self._gas(sender, "answer", _answer(batch_id, index, facts, evidence))

    def sign_answer(
        self, private_key: bytes, batch_id: bytes, index: int, facts: RideFacts, evidence: Evidence, gas: int
    ) -> SignedTransaction:
        """A transaction that calls `answer`, with the account's next nonce."""
        return self._sign(private_key, self._refunding(), "answer", _answer(batch_id, index, facts, evidence), gas)

    def treasury(self, city: int) -> bytes:
        """The address of a city's treasury, 20 bytes."""
        with self._translated():
            return _bytes(self._of_registry("city", city)[3])

    def batch_bytes(self, settlement: Settlement) -> bytes:
        """The bytes of a settled batch, from its transaction, or from a trace of that.

        Raises:
            BatchNotFoundError: they are in neither.
        """
        transaction = None
        with self._translated(), suppress(TransactionNotFound):
            found = self._web3.eth.get_transaction(HexBytes(settlement.tx))
            to = found.get("to")
            transaction = Transaction(None if to is None else bytes.fromhex(to[2:]), bytes(found["input"]))
        tx = settlement.tx
        return find_batch(settlement.batch_id, self.clearinghouse, transaction, lambda: self._trace(tx)).data

    def _trace(self, tx: bytes) -> object:
        try:
            with requests.post(self.rpc, json=trace_request(tx), stream=True, timeout=REQUEST_TIMEOUT) as answer:
                return read_trace(answer.iter_content(TRACE_CHUNK))
        except requests.RequestException as error:
            raise TraceError(f"{self.rpc} doesn't answer: {type(error).__name__}") from error

    def refund_call(self, refund: RefundCall) -> tuple[bytes, bytes]:
        """The contract (20 bytes) and the data of a transaction that makes a refund, for an account that signs it
        somewhere else."""
        contract = self._refunding()
        data = contract.encode_abi("refund", args=refund.arguments)
        return _bytes(contract.address), bytes.fromhex(data[2:])

    def refund_gas(self, sender: bytes, refund: RefundCall) -> int:
        """Try a refund without sending it; the gas that it takes.

        Raises:
            ChainRefusalError: the contract refuses it.
        """
        return self._gas(sender, "refund", refund.arguments)

    def sign_refund(self, private_key: bytes, refund: RefundCall, gas: int) -> SignedTransaction:
        """A transaction that makes a refund, with the account's next nonce."""
        return self._sign(private_key, self._refunding(), "refund", refund.arguments, gas)

    def under_way(self, account: bytes) -> int:
        """How many transactions of an account (20 bytes) the node holds that are in no block yet."""
        with self._translated():
            count = self._web3.eth.get_transaction_count
            return int(count(_address(account), "pending")) - int(count(_address(account), "latest"))

    def _refunding(self) -> Contract:
        if self.refunds() is None or self._refunds_contract is None:
            raise ChainError(
                f"{_address(self.clearinghouse)}: expected a Clearinghouse with a contract for refunds, came one "
                f"without; correct clearinghouse in gate.toml"
            )
        return self._refunds_contract

    def _gas(self, sender: bytes, function: str, arguments: Sequence[object]) -> int:
        call: TxParams = {
            "from": _address(sender),
            "to": self._refunding().address,
            "data": HexBytes(encode_call("Refunds", function, *arguments)),
            "gasPrice": Wei(0),
        }
        with self._translated():
            return int(self._web3.eth.estimate_gas(call))

    # ------------------------------------------------------------ internals

    def _at(self, name: str, address: ChecksumAddress) -> Contract:
        return self._web3.eth.contract(address=address, abi=load_abi(name))

    def _read(self, contract: str, address: str, function: str, *arguments: Any, block: int | None = None) -> Any:
        """What a view function of one of our contracts returns, decoded by `interline.chain_data`."""
        data = HexBytes(encode_call(contract, function, *arguments))
        call: TxParams = {"to": Web3.to_checksum_address(address), "data": data}
        at: BlockIdentifier = "latest" if block is None else BlockNumber(block)
        return decode_answer(contract, function, bytes(self._web3.eth.call(call, at, ccip_read_enabled=False)))

    def _house(self, function: str, *arguments: Any, block: int | None = None) -> Any:
        return self._read("Clearinghouse", _address(self.clearinghouse), function, *arguments, block=block)

    def _of_registry(self, function: str, *arguments: Any, block: int | None = None) -> Any:
        return self._read("CityRegistry", self._registry(), function, *arguments, block=block)

    def _registry(self) -> ChecksumAddress:
        if self._registry_address is None:
            self._registry_address = Web3.to_checksum_address(self._house("registry"))
        return self._registry_address

    def _city(self, code: int, block: int) -> TrustedCity:
        name, status, *_ = self._of_registry("city", code, block=block)
        keys = []
        for key_id in self._of_registry("issuerKeyIds", code, block=block):
            address, valid_from, valid_until = self._of_registry("issuerKey", code, key_id, block=block)
            keys.append(TrustedKey(key_id, bytes.fromhex(address[2:]), valid_from, valid_until))
        return TrustedCity(code, short_name(name), CityStatus(status), tuple(keys))

    def _logs(self, address: ChecksumAddress, topics: list[Any], from_block: int, to_block: int) -> list[Log]:
        return [_decoded(log) for log in self._raw_logs(address, topics, from_block, to_block)]

    def _raw_logs(
        self, address: ChecksumAddress, topics: list[Any], from_block: int, to_block: int
    ) -> list[LogReceipt]:
        """Logs of a long range, in pieces that get smaller where a node finds them too large."""
        logs: list[LogReceipt] = []
        chunk = LOG_CHUNK
        start = from_block
        while start <= to_block:
            end = min(start + chunk - 1, to_block)
            try:
                with self._translated():
                    found = self._web3.eth.get_logs(
                        {
                            "address": address,
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
            logs.extend(found)
            start = end + 1
        return logs

    def _sign(
        self, private_key: bytes, contract: Contract, function: str, arguments: Sequence[object], gas: int
    ) -> SignedTransaction:
        with self._translated():
            if self._chain_id is None:
                self._chain_id = self._web3.eth.chain_id
            sender = _address(address_of(private_key))
            signed = Account.sign_transaction(
                {
                    "to": contract.address,
                    "data": contract.encode_abi(function, args=arguments),
                    "value": 0,
                    "gas": gas,
                    "gasPrice": self._gas_price(sender, gas),
                    "nonce": self._web3.eth.get_transaction_count(sender, "pending"),
                    "chainId": self._chain_id,
                },
                private_key,
            )
            return SignedTransaction(bytes(signed.hash), bytes(signed.raw_transaction))

    def _gas_price(self, sender: ChecksumAddress, gas: int) -> int:
        """The node's price, or on a chain without fees 0: nodes suggest a tip to accounts that have no ether, too."""
        price = int(self._web3.eth.gas_price)
        if price and self._web3.eth.get_balance(sender) < price * gas:
            return int(self._web3.eth.get_block("latest").get("baseFeePerGas", 0))
        return price

    def _without_receipt(self, tx: bytes) -> TransactionState:
        try:
            self._web3.eth.get_transaction(HexBytes(tx))
        except TransactionNotFound:
            return TransactionState.UNKNOWN
        return TransactionState.PENDING

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what web3 and requests raise into this package's errors."""
        try:
            yield
        except ContractLogicError as error:
            raise self._refusal(error) from None
        except Web3RPCError as error:
            raise ChainError(_rpc_message(error)) from None
        except (requests.RequestException, ConnectionError, TimeoutError) as error:
            raise ChainUnavailableError(
                f"{self.rpc} doesn't answer ({type(error).__name__}); nothing is lost, run the same command again "
                f"when the chain is back"
            ) from None
        except (Web3Exception, ValueError) as error:
            raise ChainError(f"{self.rpc}: {error}") from None

    def _refusal(self, error: ContractLogicError) -> ChainRefusalError:
        data = error.data if isinstance(error.data, str) else str(error.message or "")
        custom = isinstance(error, ContractCustomError) and data.startswith("0x")
        found = decode_error(bytes.fromhex(data[2:]), _REFUSING) if custom else None
        if found is not None:
            return ChainRefusalError(found.name, tuple(map(_shown, found.arguments.values())))
        return ChainRefusalError(safe_text(str(error.message or error)))


def _connect(rpc: str) -> Web3:
    provider = Web3.HTTPProvider(rpc, request_kwargs={"timeout": REQUEST_TIMEOUT}, exception_retry_configuration=None)
    web3 = Web3(provider)
    web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)  # chains of Besu and the like
    return web3


def _address(data: bytes) -> ChecksumAddress:
    return Web3.to_checksum_address(to_checksum(data))


def _bytes(address: str) -> bytes:
    return bytes.fromhex(address[2:])


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _decoded(log: LogReceipt) -> Log:
    return Log(tuple(map(bytes, log["topics"])), bytes(log["data"]), bytes(log["transactionHash"]))


def _placed(log: LogReceipt) -> ChainLog:
    return ChainLog(
        address=_bytes(log["address"]),
        topics=tuple(map(bytes, log["topics"])),
        data=bytes(log["data"]),
        block=int(log["blockNumber"]),
        block_hash=bytes(log["blockHash"]),
        tx=bytes(log["transactionHash"]),
        place=int(log["logIndex"]),
    )


def _terms(values: Sequence[int]) -> Terms:
    """One set of parameters as the contract's struct has it."""
    max_fare, grace, submission, dispute, answer, _ = values
    return Terms(max_fare, grace, EvidenceTimes(submission, dispute, answer))


def _answer(batch_id: bytes, index: int, facts: RideFacts, evidence: Evidence) -> tuple[object, ...]:
    return (
        batch_id,
        index,
        (facts.ticket_hash, facts.rider, facts.entered_at, facts.exited_at),
        (evidence.x, evidence.y, evidence.entry_signature, evidence.exit_signature),
    )


def _rpc_message(error: Web3RPCError) -> str:
    response = error.rpc_response or {}
    detail = response.get("error")
    return str(detail["message"]) if isinstance(detail, Mapping) and "message" in detail else str(error)


def _shown(value: object) -> object:
    return _hex(value) if isinstance(value, bytes) else value
