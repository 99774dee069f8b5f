"""The gate's only way to the network: the Clearinghouse and its registry, through `rpc`.

Importing what asks a node takes long, so this module is imported by `sync`, `submit` and what has to do with disputes
and refunds, never by `scan`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

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
from interline.batch_source import find_batch
from interline.chain_data import decode_answer, decode_error, encode_call
from interline.disputes import RIDE_DISPUTED, Case, Evidence, RideDispute, RideFacts, Stage, read_dispute
from interline.domain import Domain
from interline.errors import ChainDataError
from interline.safe_text import safe_text, short_name
from interline.settlements import ChainLog
from interline.signatures import to_checksum
from rpc import (
    BadAnswerError,
    Node,
    NodeAwayError,
    NodeRefusalError,
    Reads,
    RpcError,
    Wanted,
    answers,
    read,
    read_logs,
    transactions,
)
from rpc.blocks import head
from rpc.logs import Pieces
from rpc.transactions import Call, estimate_gas, get_receipt, get_trace, get_transaction, nonce, sign, try_call

PAY_ARREARS_GAS = 300_000
RELEASE_GAS = 200_000

_REFUSING = ("Clearinghouse", "Refunds")
"""The contracts whose errors are read."""


class Chain:
    """One node's view of one Clearinghouse.

    Raises, from every method:
        ChainUnavailableError: the node doesn't answer, or not with JSON-RPC.
        ChainError: the node refuses the request.
    """

    def __init__(self, rpc: str, clearinghouse: bytes, node: Node | None = None) -> None:
        self._node = node or Node.at(rpc)
        self.rpc = self._node.name
        self.clearinghouse = clearinghouse
        self._registry_address: bytes | None = None
        self._refunds_address: bytes | None = None
        self._pieces = Pieces()

    def at(self, clearinghouse: bytes) -> Chain:
        """Another Clearinghouse on the same chain, through the same connection."""
        return Chain(self.rpc, clearinghouse, self._node)

    # ------------------------------------------------------------ what is there

    def domain(self) -> Domain:
        """The domain that tickets and batches are signed in, checked against the contract's own word (ERC-5267).

        Raises:
            ChainError: there is no contract at the address, or it is no Clearinghouse of protocol version 1.
        """
        with self._translated():
            address = to_checksum(self.clearinghouse)
            chain_id = answers.quantity(self._node.ask("eth_chainId"), f"{self.rpc}, chain id")
            code = self._node.ask("eth_getCode", address, "latest")
            if not answers.data(code, f"{self.rpc}, code of {address}"):
                raise ChainError(
                    f"{self.rpc}, chain {chain_id}: there is no contract at {address}; "
                    f"correct rpc or clearinghouse in gate.toml"
                )
            try:
                _, name, version, contract_chain, contract, *_ = self._house("eip712Domain")
            except (NodeRefusalError, BadAnswerError) as error:
                raise ChainError(f"{address} is no Clearinghouse: {error}") from None
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
            block = head(self._node)
            return block.number, block.time

    # ------------------------------------------------------------ its neighbours in the line

    def registry(self) -> bytes:
        """The address of its registry, 20 bytes."""
        with self._translated():
            return self._registry()

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
            except RpcError as error:
                if not error.lacks_function:
                    raise
                return None

    # ------------------------------------------------------------ for the trust list

    def cities(self, block: int) -> tuple[TrustedCity, ...]:
        """Every city that is or was a member, with all its issuer keys, as of one block."""
        with self._translated():
            ask, registry = Reads(self._node, block), self._registry()
            entries = {
                code: ask("CityRegistry", registry, "city", code) for code in self._of_registry("cities", block=block)
            }
            ids = {code: ask("CityRegistry", registry, "issuerKeyIds", code) for code in entries}
            keys = {
                code: {one: ask("CityRegistry", registry, "issuerKey", code, one) for one in found()}
                for code, found in ids.items()
            }
            cities = []
            for code, entry in entries.items():
                name, status, *_ = entry()
                trusted = []
                for key_id, key in keys[code].items():
                    address, valid_from, valid_until = key()
                    trusted.append(TrustedKey(key_id, _bytes(address), valid_from, valid_until))
                cities.append(TrustedCity(code, short_name(name), CityStatus(status), tuple(trusted)))
            return tuple(cities)

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
            except RpcError as error:
                if not error.lacks_function:
                    raise
                return 0  # another vendor's, that doesn't say

    def revoked(self, operator: int, from_block: int, to_block: int) -> frozenset[tuple[int, int]]:
        """(issuer, serial) of the tickets for an operator that were revoked in these blocks, both included."""
        topics = [[TICKET_REVOKED], [], [_word(operator)]]
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
        topics = [[BATCH_SETTLED, RIDE_REJECTED], [batch_id]]
        return [_decoded(log) for log in self._logs(self.clearinghouse, topics, from_block, self.head())]

    def is_settled(self, issuer: int, operator: int, serial: int) -> bool:
        """Has this serial paid?"""
        with self._translated():
            return bool(self._house("isSettled", issuer, operator, serial))

    def check_settle(self, sender: bytes, batch: bytes, signature: bytes, gas: int) -> None:
        """Try `settle` without sending it.

        Raises:
            ChainRefusalError: the batch is refused as a whole; `name` is the contract's custom error.
        """
        call = Call(self.clearinghouse, encode_call("Clearinghouse", "settle", batch, signature))
        with self._translated():
            try_call(self._node, sender, call, gas)

    def submission_window(self, exited_at: int) -> int:
        """How long after its end (Unix seconds) a ride may be settled, in seconds: by the parameters of that time."""
        at = self._asked("parametersAt", None, exited_at)
        if at is not None:
            return _terms(at).times.submission
        with self._translated():
            return int(self._house("submissionWindow"))

    def sign_settle(self, private_key: bytes, batch: bytes, signature: bytes, gas: int) -> SignedTransaction:
        """A transaction that calls `settle`, with the account's next nonce."""
        return self._sign(private_key, self._call("settle", batch, signature), gas)

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
        topics = [[FARES_WITHHELD, WITHHELD_RELEASED], [], [_word(creditor)]]
        logs = self._logs(self.clearinghouse, topics, from_block, to_block)
        return [read_withholding(_decoded(log)) for log in logs]

    def releasable(self, sender: bytes, debtor: int, creditor: int, day: int) -> int:
        """Try to release what was withheld on a day (since 1970) without sending it; how much it would be now, fen.

        Raises:
            ChainRefusalError: it is too early.
        """
        call = self._call("releaseWithheld", debtor, creditor, day)
        with self._translated():
            answer = try_call(self._node, sender, call)
            try:
                return int(decode_answer("Clearinghouse", "releaseWithheld", answer))
            except ChainDataError as error:
                raise ChainError(f"{self.rpc}: {error}") from None

    def sign_release(self, private_key: bytes, debtor: int, creditor: int, day: int) -> SignedTransaction:
        """A transaction that calls `releaseWithheld`, with the account's next nonce."""
        return self._sign(private_key, self._call("releaseWithheld", debtor, creditor, day), RELEASE_GAS)

    def sign_pay_arrears(self, private_key: bytes, debtor: int, creditor: int) -> SignedTransaction:
        """A transaction that calls `payArrears`, with the account's next nonce."""
        return self._sign(private_key, self._call("payArrears", debtor, creditor), PAY_ARREARS_GAS)

    def send(self, transaction: SignedTransaction) -> None:
        """Send a signed transaction; one that the node has already is as good as sent.

        Raises:
            StaleNonceError: another transaction of the account has taken its nonce; sign it anew.
        """
        with self._translated():
            try:
                transactions.send(self._node, transactions.SignedTransaction(transaction.hash, transaction.raw))
            except transactions.StaleNonceError as error:
                raise StaleNonceError(error.message) from None

    def receipt(self, tx: bytes) -> Receipt:
        """What has become of a transaction."""
        with self._translated():
            found = get_receipt(self._node, tx)
            if found is None:
                known = get_transaction(self._node, tx) is not None
                return Receipt(TransactionState.PENDING if known else TransactionState.UNKNOWN)
        if not found.succeeded:
            return Receipt(TransactionState.FAILED)
        logs = tuple(_decoded(log) for log in found.logs if log.address == self.clearinghouse)
        return Receipt(TransactionState.SUCCEEDED, logs)

    # ------------------------------------------------------------ for disputes and refunds

    def refunds(self) -> bytes | None:
        """The address of the contract that refunds its rides; None of a Clearinghouse that has none."""
        if self._refunds_address is None:
            address = self._asked("refunds", None)
            if address is None or not int(address, 16):
                return None
            self._refunds_address = _bytes(address)
        return self._refunds_address

    def disputes(self, operator: int, from_block: int, to_block: int) -> list[RideDispute]:
        """The disputes of an operator's rides that were opened in these blocks, both included, in the chain's order."""
        topics = [[RIDE_DISPUTED], [], [], [_word(operator)]]
        if (refunds := self.refunds()) is None:
            return []
        return [read_dispute(log) for log in self._logs(refunds, topics, from_block, to_block)]

    def case(self, batch_id: bytes, index: int) -> Case:
        """Where the dispute of a ride stands, and what was refunded of it."""
        with self._translated():
            found = self._read("Refunds", self._refunding(), "caseOf", batch_id, index)
            issuer, operator, fare, refunded, fee, answer_until, stage = found
            return Case(issuer, operator, fare, refunded, fee, answer_until, Stage(stage))

    def answer_gas(self, sender: bytes, batch_id: bytes, index: int, facts: RideFacts, evidence: Evidence) -> int:
        """Try `answer` without sending it; the gas that it takes.

        Raises:
            ChainRefusalError: the contract refuses it.
        """
        return self._gas(sender, self._refunds_call("answer", *_answer(batch_id, index, facts, evidence)))

    def sign_answer(
        self, private_key: bytes, batch_id: bytes, index: int, facts: RideFacts, evidence: Evidence, gas: int
    ) -> SignedTransaction:
        """A transaction that calls `answer`, with the account's next nonce."""
        return self._sign(private_key, self._refunds_call("answer", *_answer(batch_id, index, facts, evidence)), gas)

    def treasury(self, city: int) -> bytes:
        """The address of a city's treasury, 20 bytes."""
        with self._translated():
            return _bytes(self._of_registry("city", city)[3])

    def batch_bytes(self, settlement: Settlement) -> bytes:
        """The bytes of a settled batch, from its transaction, or from a trace of that.

        Raises:
            BatchNotFoundError: they are in neither.
        """
        tx = settlement.tx
        with self._translated():
            transaction = get_transaction(self._node, tx)
        return find_batch(settlement.batch_id, self.clearinghouse, transaction, lambda: get_trace(self._node, tx)).data

    def refund_call(self, refund: RefundCall) -> tuple[bytes, bytes]:
        """The contract (20 bytes) and the data of a transaction that makes a refund, for an account that signs it
        somewhere else."""
        call = self._refunds_call("refund", *refund.arguments)
        return call.to, call.data

    def refund_gas(self, sender: bytes, refund: RefundCall) -> int:
        """Try a refund without sending it; the gas that it takes.

        Raises:
            ChainRefusalError: the contract refuses it.
        """
        return self._gas(sender, self._refunds_call("refund", *refund.arguments))

    def sign_refund(self, private_key: bytes, refund: RefundCall, gas: int) -> SignedTransaction:
        """A transaction that makes a refund, with the account's next nonce."""
        return self._sign(private_key, self._refunds_call("refund", *refund.arguments), gas)

    def under_way(self, account: bytes) -> int:
        """How many transactions of an account (20 bytes) the node holds that are in no block yet."""
        with self._translated():
            return nonce(self._node, account, "pending") - nonce(self._node, account, "latest")

    def _refunding(self) -> bytes:
        refunds = self.refunds()
        if refunds is None:
            raise ChainError(
                f"{to_checksum(self.clearinghouse)}: expected a Clearinghouse with a contract for refunds, came one "
                f"without; correct clearinghouse in gate.toml"
            )
        return refunds

    def _refunds_call(self, function: str, *arguments: object) -> Call:
        return Call(self._refunding(), encode_call("Refunds", function, *arguments))

    def _call(self, function: str, *arguments: object) -> Call:
        return Call(self.clearinghouse, encode_call("Clearinghouse", function, *arguments))

    def _gas(self, sender: bytes, call: Call) -> int:
        with self._translated():
            return estimate_gas(self._node, sender, call)

    # ------------------------------------------------------------ internals

    def _read(self, contract: str, address: bytes, function: str, *arguments: Any, block: int | None = None) -> Any:
        """What a view function of one of our contracts returns."""
        at = "latest" if block is None else block
        return read(self._node, contract, address, function, *arguments, block=at)

    def _house(self, function: str, *arguments: Any, block: int | None = None) -> Any:
        return self._read("Clearinghouse", self.clearinghouse, function, *arguments, block=block)

    def _of_registry(self, function: str, *arguments: Any, block: int | None = None) -> Any:
        return self._read("CityRegistry", self._registry(), function, *arguments, block=block)

    def _registry(self) -> bytes:
        if self._registry_address is None:
            self._registry_address = _bytes(self._house("registry"))
        return self._registry_address

    def _logs(
        self, address: bytes, topics: Sequence[Sequence[bytes]], from_block: int, to_block: int
    ) -> list[ChainLog]:
        with self._translated():
            newest = head(self._node).number
            wanted = Wanted([address], topics)
            found = read_logs(self._node, wanted, from_block, to_block, newest=newest, pieces=self._pieces)
            return [one for _, logs in found for one in logs]

    def _sign(self, private_key: bytes, call: Call, gas: int) -> SignedTransaction:
        with self._translated():
            signed = sign(self._node, private_key, call, gas)
            return SignedTransaction(signed.hash, signed.raw)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what may come of a node into this package's errors."""
        try:
            yield
        except NodeAwayError as error:
            raise ChainUnavailableError(
                f"{self.rpc} doesn't answer ({error.came}); nothing is lost, run the same command again when the chain "
                f"is back"
            ) from None
        except NodeRefusalError as error:
            raise _refusal(error) if error.by_contract else ChainError(error.message) from None
        except RpcError as error:
            raise ChainError(str(error)) from None


def _refusal(error: NodeRefusalError) -> ChainRefusalError:
    found = None if error.revert is None else decode_error(error.revert, _REFUSING)
    if found is not None:
        return ChainRefusalError(found.name, tuple(map(_shown, found.arguments.values())))
    return ChainRefusalError(safe_text(error.message))


def _bytes(address: str) -> bytes:
    return bytes.fromhex(address[2:])


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _decoded(log: ChainLog) -> Log:
    return Log(log.topics, log.data, log.tx)


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


def _shown(value: object) -> object:
    return f"0x{value.hex()}" if isinstance(value, bytes) else value
