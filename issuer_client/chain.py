"""The office's only way to the network: the Clearinghouses, their refunds and the registry, through `rpc`.

Importing what asks a node takes long, and issuing needs no network: this module is imported by the commands that read
or send rides, refunds and disputes, never by those of tickets.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from interline.batch_source import find_batch
from interline.chain_data import decode_error, encode_call
from interline.disputes import RIDE_DISPUTED, Case, RideDispute, Stage, read_dispute
from interline.domain import Domain
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
from interline.signatures import to_checksum
from issuer_client.chain_types import Block, Call, House, Revocation, Terms
from issuer_client.errors import ChainError, ChainRefusalError, ChainUnavailableError
from rpc import (
    BadAnswerError,
    Node,
    NodeAwayError,
    NodeRefusalError,
    RpcError,
    Wanted,
    answers,
    read,
    read_logs,
    transactions,
)
from rpc.blocks import get_block, head
from rpc.logs import Pieces
from rpc.transactions import (
    StaleNonceError,
    estimate_gas,
    get_receipt,
    get_trace,
    get_transaction,
    send,
    sign,
    try_call,
)

log = logging.getLogger(__name__)

IDS_AT_ONCE: Final = 200
NONCE_ATTEMPTS: Final = 8
LONGEST_LINE: Final = 100
"""More Clearinghouses than one line of succession will ever have."""


class Chain:
    """One node's view of one Clearinghouse, of those before and after it, and of their registry.

    Raises, from every method:
        ChainUnavailableError: the node doesn't answer, or not with JSON-RPC.
        ChainError: the node refuses the request.
    """

    def __init__(self, rpc: str, clearinghouse: bytes) -> None:
        self._node = Node.at(rpc)
        self.rpc = self._node.name
        self.clearinghouse = clearinghouse
        self._registry_address: bytes | None = None
        self._pieces = Pieces()

    # ------------------------------------------------------------ what is there

    def check_domain(self, domain: Domain) -> None:
        """Check that the Clearinghouse is there, and that its domain is the one that tickets are signed for (ERC-5267).

        Raises:
            ChainError: there is no contract at the address, it is no Clearinghouse of protocol version 1, or the
                chain is another one.
        """
        address = to_checksum(self.clearinghouse)
        with self._translated():
            chain_id = answers.quantity(self._node.ask("eth_chainId"), f"{self.rpc}, chain id")
            if chain_id != domain.chain_id:
                raise ChainError(f"{self.rpc}: expected chain {domain.chain_id}, came {chain_id}; correct rpc")
            code = self._node.ask("eth_getCode", address, "latest")
            if not answers.data(code, f"{self.rpc}, code of {address}"):
                raise ChainError(
                    f"{self.rpc}, chain {chain_id}: there is no contract at {address}; correct rpc or clearinghouse"
                )
            try:
                _, name, version, contract_chain, contract, *_ = self._house(self.clearinghouse, "eip712Domain")
            except (NodeRefusalError, BadAnswerError) as error:
                raise ChainError(f"{address} is no Clearinghouse: {error}") from None
        found = (name, version, contract_chain, contract.lower())
        expected = ("Interline", "1", domain.chain_id, address.lower())
        if found != expected:
            raise ChainError(f"{address}: expected the EIP-712 domain {expected}, came {found}")

    def head(self) -> Block:
        """The newest block."""
        with self._translated():
            found = head(self._node)
        return Block(found.number, found.hash, found.time)

    def block(self, number: int | None) -> Block | None:
        """The block of that number, the newest one for None; None if the chain has no such block (any more)."""
        with self._translated():
            found = get_block(self._node, "latest" if number is None else number)
        return None if found is None else Block(found.number, found.hash, found.time)

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
            except RpcError as error:
                if not error.lacks_function:
                    raise
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
        topics = [[PAIR_SETTLED], [], [_word(issuer)]]
        ids = sorted({log.topics[1] for log in self._logs(house, topics, from_block, to_block)})
        logs: list[ChainLog] = []
        for start in range(0, len(ids), IDS_AT_ONCE):
            some = ids[start : start + IDS_AT_ONCE]
            kinds = [BATCH_SETTLED, PAIR_SETTLED, RIDE_REJECTED]
            logs += self._logs(house, [kinds, some], from_block, to_block)
        return [one for one in read_settlements(logs) if any(pair.issuer == issuer for pair in one.pairs)]

    def settlement(self, house: bytes, batch_id: bytes, from_block: int) -> Settlement | None:
        """The settlement of one batch, None if no ride of it settled."""
        kinds = [BATCH_SETTLED, PAIR_SETTLED, RIDE_REJECTED]
        logs = self._logs(house, [kinds, [batch_id]], from_block, self.head().number)
        return next((one for one in read_settlements(logs) if one.settled), None)

    def batch(self, settlement: Settlement, given: Mapping[bytes, bytes] | None = None) -> bytes:
        """The bytes of a settled batch, from its transaction, from those given by hand (by their ids), or from a trace.

        Raises:
            BatchNotFoundError: they are in none of them.
        """
        tx, house = settlement.tx, settlement.clearinghouse
        with self._translated():
            transaction = get_transaction(self._node, tx)
        return find_batch(settlement.batch_id, house, transaction, lambda: get_trace(self._node, tx), given).data

    def outcome(self, house: bytes, batch_id: bytes) -> bytes:
        """What the chain stores of a batch's refused rides, 25 bytes (protocol section 7)."""
        with self._translated():
            return bytes(self._house(house, "batches", batch_id)[2])

    def refunded(self, refunds: bytes, issuer: int, from_block: int, to_block: int) -> list[RideRefund]:
        """The refunds of rides on an issuer's tickets, in these blocks, both included, in the chain's order."""
        topics = [[RIDE_REFUNDED], [], [_word(issuer)]]
        return [read_refund(log) for log in self._logs(refunds, topics, from_block, to_block)]

    def revocations(self, issuer: int, from_block: int, to_block: int) -> list[Revocation]:
        """The tickets that an issuer revoked in these blocks, both included."""
        topics = [[TICKET_REVOKED], [_word(issuer)]]
        logs = self._logs(self._registry(), topics, from_block, to_block)
        return [
            Revocation(int.from_bytes(log.topics[2], "big"), int.from_bytes(log.data, "big"), log.block) for log in logs
        ]

    # ------------------------------------------------------------ disputes

    def disputes(self, refunds: bytes, issuer: int, from_block: int, to_block: int) -> list[RideDispute]:
        """The disputes of rides on an issuer's tickets that were opened in these blocks, both included."""
        topics = [[RIDE_DISPUTED], [], [_word(issuer)]]
        return [read_dispute(log) for log in self._logs(refunds, topics, from_block, to_block)]

    def case(self, refunds: bytes, batch_id: bytes, index: int) -> Case:
        """Where the dispute of a ride stands, and what was refunded of it; all zero if neither was asked for."""
        with self._translated():
            found = self._read("Refunds", refunds, "caseOf", batch_id, index)
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
        with self._translated():
            return estimate_gas(self._node, sender, transactions.Call(call.to, call.data))

    def send(self, private_key: bytes, call: Call, gas: int) -> bytes:
        """Sign and send a call with the account's next nonce; the transaction's hash, 32 bytes.

        Raises:
            ChainUnavailableError: the node doesn't answer; it may have got the transaction or not.
            ChainError: the node doesn't take it.
        """
        for _ in range(NONCE_ATTEMPTS):
            with self._translated():
                signed = sign(self._node, private_key, transactions.Call(call.to, call.data), gas)
                try:
                    send(self._node, signed)
                except StaleNonceError:
                    continue  # another process with this key was faster
                return signed.hash
        raise ChainError(
            f"{NONCE_ATTEMPTS} transactions of this account lost their nonce to others; run the command again"
        )

    def succeeded(self, tx: bytes) -> bool | None:
        """Did a transaction do what it was for? None while it is in no block."""
        with self._translated():
            receipt = get_receipt(self._node, tx)
        return None if receipt is None else receipt.succeeded

    # ------------------------------------------------------------ internals

    def _house(self, address: bytes, function: str, *arguments: Any) -> Any:
        return self._read("Clearinghouse", address, function, *arguments)

    def _read(self, contract: str, address: bytes, function: str, *arguments: Any) -> Any:
        """What a view function of one of our contracts returns now."""
        return read(self._node, contract, address, function, *arguments)

    def _registry(self) -> bytes:
        if self._registry_address is None:
            with self._translated():
                self._registry_address = bytes.fromhex(self._house(self.clearinghouse, "registry")[2:])
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
        call = transactions.Call(house, keccak256(f"{view}()".encode())[:4])
        with self._translated():
            try:
                answer = try_call(self._node, None, call)
            except NodeRefusalError as error:
                if not error.by_contract:
                    raise
                return None
        address = answer[12:32]
        return address if len(address) == 20 and any(address) else None

    def _logs(
        self, address: bytes, topics: Sequence[Sequence[bytes]], from_block: int, to_block: int
    ) -> list[ChainLog]:
        wanted = Wanted([address], topics)
        with self._translated():
            newest = head(self._node).number
            found = read_logs(self._node, wanted, from_block, to_block, newest=newest, pieces=self._pieces)
            return [one for _, logs in found for one in logs]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what may come of a node into this package's errors."""
        try:
            yield
        except NodeAwayError as error:
            raise ChainUnavailableError(
                f"{self.rpc} doesn't answer ({error.came}); nothing is lost, run the same command again when the chain "
                "is back"
            ) from None
        except NodeRefusalError as error:
            raise _refusal(error) if error.by_contract else ChainError(f"{self.rpc}: {error.message}") from None
        except RpcError as error:
            raise ChainError(str(error)) from None


def _refusal(error: NodeRefusalError) -> ChainRefusalError:
    found = None if error.revert is None else decode_error(error.revert)
    if found is not None:
        return ChainRefusalError(found.name, tuple(map(_shown, found.arguments.values())))
    return ChainRefusalError(safe_text(error.message))


def _check_line(line: list[bytes]) -> None:
    if len(set(line)) != len(line) or len(line) > LONGEST_LINE:
        raise ChainError(
            f"{to_checksum(line[0])}: expected a line of Clearinghouses, came one that returns to itself or never ends"
        )


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _shown(value: object) -> object:
    return f"0x{value.hex()}" if isinstance(value, bytes) else value
