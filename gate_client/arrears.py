"""Collecting what other cities owe this one: `payArrears` for every debtor with funds (protocol section 6)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial

from gate_client.errors import ChainError, ChainUnavailableError
from gate_client.sending import send_signed
from gate_client.settlement import SettlementChain, SignedTransaction, TransactionState, decode_arrears_paid
from interline.domain import Domain
from interline.signatures import to_checksum

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ArrearsPayment:
    """A debtor's arrears, or a part of them, paid: fen, and the transaction's hash."""

    domain: Domain
    debtor: int
    amount: int
    tx: bytes


class ArrearsCollector:
    """Calls one Clearinghouse's `payArrears` and waits for what comes of it.

    Nothing is journalled: asking twice changes nothing.
    """

    def __init__(self, chain: SettlementChain, private_key: bytes, operator: int, domain: Domain) -> None:
        self._chain = chain
        self._domain = domain
        self._private_key = private_key
        self._operator = operator
        self._flying: dict[int, bytes] = {}

    @property
    def busy(self) -> bool:
        """Is any payment on its way?"""
        return bool(self._flying)

    def start(self) -> None:
        """Ask every city that owes arrears and has funds to pay, unless it is being asked already.

        Raises:
            ChainUnavailableError: the node doesn't answer.
        """
        for debtor in self._owing():
            if debtor not in self._flying:
                try:
                    self._flying[debtor] = send_signed(self._chain, partial(self._sign, debtor))
                except ChainUnavailableError:
                    raise
                except ChainError as error:
                    _log.warning("arrears of %d can't be asked for: %s", debtor, error)

    def poll(self) -> list[ArrearsPayment]:
        """The payments that have come in since the last time.

        Raises:
            ChainUnavailableError: the node doesn't answer.
        """
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

    def _owing(self) -> list[int]:
        try:
            return self._chain.owing_cities(self._operator)
        except ChainUnavailableError:
            raise
        except ChainError as error:  # of one Clearinghouse, whose trouble is not the others'
            _log.warning("arrears in %s can't be asked for: %s", to_checksum(self._domain.clearinghouse), error)
            return []

    def _sign(self, debtor: int) -> SignedTransaction:
        return self._chain.sign_pay_arrears(self._private_key, debtor, self._operator)
