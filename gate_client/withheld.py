"""Releasing what other cities' daily limits withheld of this one's fares, once it is due (protocol section 6).

What was withheld on a day is told by events; that its time has come, the contract says itself. Anyone may release it
then, and what is released is arrears as others, which `payArrears` pays. Days go in their order, those too of which
corrections left nothing: what was set off lessens the first day that is released, whichever it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from gate_client.errors import ChainRefusalError
from gate_client.settlement import SettlementChain
from interline.domain import Domain

MOST_AT_ONCE: Final = 16
"""Releases that are sent together, so that a long list keeps no round from ending; the next round goes on."""

OVERLAP: Final = 1_000
"""Blocks before the last one read that are read again: they may have been replaced."""


@dataclass(frozen=True, slots=True)
class WithheldRelease:
    """What of a debtor's fares of a day (UTC, since 1970) was withheld, released: fen, and the transaction's hash."""

    domain: Domain
    debtor: int
    day: int
    amount: int
    tx: bytes


class WithheldDays:
    """The days of which something is withheld of one city's fares, read from the events of one Clearinghouse."""

    def __init__(self, chain: SettlementChain, creditor: int) -> None:
        self._chain = chain
        self._creditor = creditor
        self._read_to: int | None = None
        self._days: dict[int, set[int]] = {}
        self._done: set[tuple[int, int]] = set()

    def due(self, sender: bytes, debtors: Iterable[int]) -> Iterator[tuple[int, int]]:
        """(debtor, day) of what can be released now, of these debtors; the oldest days of each first.

        Raises:
            ChainError: the node doesn't answer, or not with what was asked for.
        """
        self._read()
        for debtor in debtors:
            for day in sorted(self._days.get(debtor, ())):
                if (debtor, day) in self._done:
                    continue
                try:
                    self._chain.releasable(sender, debtor, self._creditor, day)
                except ChainRefusalError as refusal:
                    if refusal.name != "StillWithheld":
                        raise
                    break  # later days are due later
                yield debtor, day

    def forget(self, debtor: int, day: int) -> None:
        """A day was released, or there was nothing of it after all; nothing more is withheld of a day that is due."""
        self._done.add((debtor, day))

    def _read(self) -> None:
        head = self._chain.head()
        start = self._chain.deployed_at()
        if self._read_to is not None:
            start = max(start, self._read_to - OVERLAP)
        for one in self._chain.withholdings(self._creditor, start, head):
            days = self._days.setdefault(one.debtor, set())
            (days.discard if one.released else days.add)(one.day)
        self._read_to = head
