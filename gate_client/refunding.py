"""A refund that the operator makes: the ride, the proof that it settled, and what is left of its fare (section 8)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gate_client.errors import ChainError, RefundError
from gate_client.sending import send_signed
from gate_client.settlement import (
    BatchRecord,
    Log,
    Receipt,
    RefundCall,
    Settlement,
    SignedTransaction,
    TransactionState,
    decode_settlements,
)
from interline.batch import Batch, outcome
from interline.disputes import Case, Stage, ride_at
from interline.domain import Domain
from interline.errors import MalformedError
from interline.hashing import keccak256
from interline.reasons import RideReason
from interline.settlements import SettledRide, refused_list
from interline.signatures import address_of, to_checksum

POLL = 0.2
"""Seconds between two looks at a refund that is on its way."""


class RefundChain(Protocol):
    """What a refund needs of a chain; :class:`gate_client.chain.Chain` is the real one."""

    def domain(self) -> Domain:
        """The Clearinghouse's domain."""
        ...

    def deployed_at(self) -> int:
        """The block from which on there is anything to read."""
        ...

    def batch_record(self, batch_id: bytes) -> BatchRecord | None:
        """What the chain stores of a batch."""
        ...

    def settlement_logs(self, batch_id: bytes, from_block: int) -> list[Log]:
        """The events that name a batch."""
        ...

    def batch_bytes(self, settlement: Settlement) -> bytes:
        """The bytes of a settled batch."""
        ...

    def case(self, batch_id: bytes, index: int) -> Case:
        """What was refunded before."""
        ...

    def treasury(self, city: int) -> bytes:
        """The only address that may refund."""
        ...

    def under_way(self, account: bytes) -> int:
        """How many of an account's transactions are in no block yet."""
        ...

    def refund_gas(self, sender: bytes, refund: RefundCall) -> int:
        """Try it; raises ChainRefusalError where the contract refuses it."""
        ...

    def sign_refund(self, private_key: bytes, refund: RefundCall, gas: int) -> SignedTransaction:
        """A transaction that refunds."""
        ...

    def send(self, transaction: SignedTransaction) -> None:
        """Send it."""
        ...

    def receipt(self, tx: bytes) -> Receipt:
        """What has become of a transaction."""
        ...


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund that can be made: of which ride, how much (fen), and from which account (the treasury, 20 bytes).

    `before` was refunded earlier; `stage` is where a dispute of it stands.
    """

    domain: Domain
    batch_id: bytes
    ride: SettledRide
    call: RefundCall
    treasury: bytes
    before: int
    stage: Stage

    @property
    def left(self) -> int:
        """What of the fare is left after it, fen."""
        return self.ride.ride.fare - self.before - self.call.amount


def plan_refund(
    chains: Sequence[RefundChain],
    operator: int,
    batch_id: bytes,
    index: int,
    amount: int | None,
    stored: bytes | None = None,
    clearinghouse: bytes | None = None,
) -> Refund:
    """The refund of `amount` fen (None: all that is left) of a ride, by the operator that carried it.

    Args:
        chains: the Clearinghouses of the line.
        stored: the batch's bytes, where the journal has them or they were given by hand, for a node that hasn't.
        clearinghouse: where it settled; None takes the one where the ride did.
    Raises:
        RefundError: there is no such ride, it was refused, isn't the operator's, or less is left of its fare.
        ChainError: the chain can't be asked.
        BatchNotFoundError: nobody has its bytes.
    """
    settled = _settled(chains, batch_id, clearinghouse)
    for _, record in settled:
        if record.operator != operator:
            raise RefundError(
                f"expected a batch of {operator}, came one of {record.operator}: only its operator refunds"
            )
    found = [(chain, _settlement(chain, batch_id, record)) for chain, record in settled]
    chain, settlement = _choose(found, index)
    batch = _batch(chain, settlement, stored)
    ride = _ride(batch, index)
    reason = dict(settlement.refused).get(index)
    if reason is not None:
        raise RefundError(
            f"ride {index} was refused on chain ({RideReason(reason).name}): nobody paid, so nothing can go back"
        )
    case = chain.case(batch_id, index)
    left = ride.ride.fare - case.refunded
    amount = left if amount is None else amount
    if not 1 <= amount <= left:
        raise RefundError(f"expected an amount from 1 to {left} fen, which is left of the fare, came {amount}")
    call = RefundCall(batch.to_bytes(), refused_list(settlement.refused), index, amount)
    return Refund(chain.domain(), batch_id, ride, call, chain.treasury(operator), case.refunded, case.stage)


def send_refund(chain: RefundChain, private_key: bytes, refund: Refund, *, timeout: float) -> bytes:
    """Send a refund and wait for its block; the transaction's hash.

    Raises:
        RefundError: the key isn't the treasury's, its account has transactions on their way, or no block took it.
        ChainRefusalError: the contract refuses it.
    """
    sender = address_of(private_key)
    if sender != refund.treasury:
        raise RefundError(
            f"expected the key of the treasury, {to_checksum(refund.treasury)}, came that of {to_checksum(sender)}; "
            f"name its keystore with --keystore, or use --calldata"
        )
    if chain.under_way(sender):
        raise RefundError(
            f"{to_checksum(sender)} has transactions that are in no block yet, which may be this refund; wait for them"
        )
    gas = chain.refund_gas(sender, refund.call) * 5 // 4
    tx = send_signed(chain, lambda: chain.sign_refund(private_key, refund.call, gas))
    deadline = time.monotonic() + timeout
    while (state := chain.receipt(tx).state) is not TransactionState.SUCCEEDED:
        if state is TransactionState.FAILED:
            raise RefundError(f"transaction 0x{tx.hex()} failed: nothing was refunded; run it again")
        if time.monotonic() > deadline:
            raise RefundError(f"transaction 0x{tx.hex()} is in no block after {timeout:g} s; wait for it")
        time.sleep(POLL)
    return tx


def _settled(
    chains: Sequence[RefundChain], batch_id: bytes, clearinghouse: bytes | None
) -> list[tuple[RefundChain, BatchRecord]]:
    """The Clearinghouses where a batch settled: with tickets of two domains, it settles in two under one id."""
    asked = [chain for chain in chains if clearinghouse in (None, chain.domain().clearinghouse)]
    found = [(chain, record) for chain in asked if (record := chain.batch_record(batch_id)) is not None]
    if not found:
        houses = ", ".join(to_checksum(chain.domain().clearinghouse) for chain in asked or chains)
        other = "" if asked else f"; {to_checksum(clearinghouse or b'')} is none of them"
        raise RefundError(
            f"expected a batch that settled at {houses}, came 0x{batch_id.hex()}, which didn't; correct it{other}"
        )
    return found


def _choose(found: Sequence[tuple[RefundChain, Settlement]], index: int) -> tuple[RefundChain, Settlement]:
    """The Clearinghouse where a ride settled; any, where it settled at none."""
    there = [(chain, settlement) for chain, settlement in found if index not in dict(settlement.refused)]
    if len(there) > 1:
        houses = " and ".join(to_checksum(chain.domain().clearinghouse) for chain, _ in there)
        raise RefundError(f"ride {index} settled at {houses}; say at which, with --clearinghouse ADDRESS")
    return (there or found)[0]


def _settlement(chain: RefundChain, batch_id: bytes, record: BatchRecord) -> Settlement:
    logs = chain.settlement_logs(batch_id, chain.deployed_at())
    for settlement in decode_settlements(logs, batch_id):
        if settlement.settled and outcome(settlement.refused) == record.outcome:
            return settlement
    raise ChainError(
        f"expected the events of batch 0x{batch_id.hex()}, came none that agree with what the chain stores; use a node "
        f"that keeps all events"
    )


def _batch(chain: RefundChain, settlement: Settlement, stored: bytes | None) -> Batch:
    if stored is not None and keccak256(stored) == settlement.batch_id:
        return Batch.from_bytes(stored)
    return Batch.from_bytes(chain.batch_bytes(settlement))


def _ride(batch: Batch, index: int) -> SettledRide:
    try:
        return ride_at(batch, index)
    except MalformedError as error:
        raise RefundError(str(error)) from None
