"""Sending a transaction whose nonce someone else may take first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gate_client.errors import ChainError, StaleNonceError
from gate_client.settlement import SignedTransaction

NONCE_ATTEMPTS = 8


class SendingChain(Protocol):
    """What sending needs of a chain."""

    def send(self, transaction: SignedTransaction) -> None:
        """Send it; raises StaleNonceError where another transaction has taken its nonce."""
        ...


def send_signed(
    chain: SendingChain,
    sign: Callable[[], SignedTransaction],
    before_sending: Callable[[bytes], None] = lambda tx: None,
) -> bytes:
    """Sign and send; sign anew where another process with the same key was faster. Returns the hash (32 bytes).

    `before_sending` gets the hash of every transaction before it is sent.

    Raises:
        ChainUnavailableError: the node doesn't answer; it may have got the transaction or not.
        ChainError: the node doesn't take it.
    """
    for _ in range(NONCE_ATTEMPTS):
        transaction = sign()
        before_sending(transaction.hash)
        try:
            chain.send(transaction)
        except StaleNonceError:
            continue
        return transaction.hash
    raise ChainError(f"{NONCE_ATTEMPTS} transactions of this account lost their nonce to others; run it again")
