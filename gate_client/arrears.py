"""Collecting what other cities owe this one: `payArrears` for every debtor with funds (protocol section 6).

What their daily limits withheld is released first, as far as it is due.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

from gate_client.errors import ChainError, ChainUnavailableError
from gate_client.sending import send_signed
from gate_client.settlement import (
    SettlementChain,
    SignedTransaction,
    TransactionState,
    decode_arrears_paid,
    decode_released,
)
from gate_client.trust_list import Owing
from gate_client.withheld import MOST_AT_ONCE, WithheldDays, WithheldRelease
from interline.domain import Domain
from interline.signatures import address_of, to_checksum

_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class ArrearsPayment:
    """A debtor's arrears, or a part of them, paid: fen, and the transaction's hash."""

    domain: Domain
    debtor: int
    amount: int
    tx: bytes


class ArrearsCollector:
    """Calls one Clearinghouse's `releaseWithheld` and `payArrears`, and waits for what comes of it.

    Nothing is journalled: asking twice changes nothing.
    """

    def __init__(self, chain: SettlementChain, private_key: bytes, operator: int, domain: Domain) -> None:
        self._chain = chain
        self._domain = domain
        self._private_key = private_key
        self._sender = address_of(private_key)
        self._operator = operator
        self._withheld = WithheldDays(chain, operator)
        self._releasing: dict[tuple[int, int], bytes] = {}
        self._flying: dict[int, bytes] = {}
        self._released: list[WithheldRelease] = []

    @property
    def busy(self) -> bool:
        """Is any release or payment on its way?"""
        return bool(self._flying or self._releasing)

    def start(self) -> None:
        """Release what is due of what is withheld, and ask every city that owes arrears and has funds to pay, unless it
        is being asked already.

        Raises:
            ChainUnavailableError: the node doesn't answer.
        """
        owing = self._asked(lambda: self._chain.owing_cities(self._operator)) or []
        released = set(self._asked(lambda: self._release(owing)) or ())
        for one in owing:
            payable = one.arrears > one.withheld or one.debtor in released
            if payable and one.debtor not in self._flying and self._asked(partial(self._chain.has_funds, one.debtor)):
                tx = self._asked(partial(send_signed, self._chain, partial(self._sign, one.debtor)))
                if tx is not None:
                    self._flying[one.debtor] = tx

    def poll(self) -> list[ArrearsPayment]:
        """The payments that have come in since the last time.

        Raises:
            ChainUnavailableError: the node doesn't answer.
        """
        for (debtor, day), tx in list(self._releasing.items()):
            receipt = self._chain.receipt(tx)
            if receipt.state is TransactionState.PENDING:
                continue
            del self._releasing[debtor, day]
            if receipt.state is TransactionState.SUCCEEDED:
                self._withheld.forget(debtor, day)
            amount = decode_released(receipt.logs, debtor, self._operator)
            if amount:
                self._released.append(WithheldRelease(self._domain, debtor, day, amount, tx))
        paid: list[ArrearsPayment] = []
        for debtor, tx in list(self._flying.items()):
            receipt = self._chain.receipt(tx)
            if receipt.state is TransactionState.PENDING:
                continue
            del self._flying[debtor]
            amount = decode_arrears_paid(receipt.logs, debtor, self._operator)
            if amount:
                paid.append(ArrearsPayment(self._domain, debtor, amount, tx))
        return paid

    def take_released(self) -> list[WithheldRelease]:
        """What was released since the last time, as far as :meth:`poll` has seen it."""
        released, self._released = self._released, []
        return released

    def _release(self, owing: Iterable[Owing]) -> list[int]:
        """Send the releases that are due, so many at once; gives the debtors. A payment that is sent after them by the
        same account comes after them in the chain, too."""
        debtors = [one.debtor for one in owing if one.withheld]
        if not debtors:
            return []
        due = (one for one in self._withheld.due(self._sender, debtors) if one not in self._releasing)
        for debtor, day in islice(due, MOST_AT_ONCE - len(self._releasing)):
            sign = partial(self._chain.sign_release, self._private_key, debtor, self._operator, day)
            self._releasing[debtor, day] = send_signed(self._chain, sign)
        return [debtor for debtor, _ in self._releasing]

    def _asked(self, ask: Callable[[], _Answer]) -> _Answer | None:
        """What the chain answers; None, with a warning, where it doesn't: of one Clearinghouse, whose trouble is not
        the others'."""
        try:
            return ask()
        except ChainUnavailableError:
            raise
        except ChainError as error:
            _log.warning("arrears in %s can't be asked for: %s", to_checksum(self._domain.clearinghouse), error)
            return None

    def _sign(self, debtor: int) -> SignedTransaction:
        return self._chain.sign_pay_arrears(self._private_key, debtor, self._operator)
