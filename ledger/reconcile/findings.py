"""What a reconciliation finds: each difference with its place, its cause, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

MOST: Final = 1_000
"""Findings of one check that are listed; further ones are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference, in sentences for people; `batch` and `index` name the ride for programs."""

    check: str
    """Which check found it: contracts, index, bank, tariff, journal, issued."""
    where: str
    expected: str
    came: str
    cause: str
    """How that comes about, most often."""
    action: str
    """What to do."""
    batch: str | None = None
    """The batch's id, 0x and 64 digits, where it is about one."""
    index: int | None = None
    """The ride's place in the batch, where it is about one."""

    def to_json(self) -> dict[str, Any]:
        """One entry of the document of `ape run reconcile --json`."""
        return {
            "check": self.check,
            "where": self.where,
            "expected": self.expected,
            "came": self.came,
            "cause": self.cause,
            "action": self.action,
            "batch": self.batch,
            "index": self.index,
        }


@dataclass(frozen=True, slots=True)
class Result:
    """What one check compared, and what it found."""

    check: str
    compared: str
    """What was held against what, and how much of it, for people."""
    findings: tuple[Finding, ...]
    count: int
    """How many differences there are; more than `findings` where there are more than MOST."""
    notes: tuple[str, ...] = ()
    """What couldn't be compared, and what to do about it: no difference."""

    @property
    def verdict(self) -> str:
        """One line for people."""
        if not self.count:
            return f"{self.check}: nothing differs: {self.compared}"
        more = f", of which {len(self.findings)} are listed" if self.count > len(self.findings) else ""
        return f"{self.check}: {self.count} DIFFER{more}: {self.compared}"

    def to_json(self) -> dict[str, Any]:
        """One check of the document of `ape run reconcile --json`."""
        return {
            "check": self.check,
            "compared": self.compared,
            "count": self.count,
            "findings": [finding.to_json() for finding in self.findings],
            "notes": list(self.notes),
        }


class Findings:
    """Collects what one check finds: keeps the first MOST, and counts all, so that memory stays bounded."""

    def __init__(self, check: str) -> None:
        self.count = 0
        self.notes: list[str] = []
        self._check = check
        self._kept: list[Finding] = []

    def add(self, findings: Iterable[Finding]) -> None:
        """Some more."""
        for finding in findings:
            self.count += 1
            if len(self._kept) < MOST:
                self._kept.append(finding)

    def result(self, compared: str) -> Result:
        """The check's result, once it is done."""
        return Result(self._check, compared, tuple(self._kept), self.count, tuple(self.notes))


def unread_note(unread: int) -> list[str]:
    """What is said of batches whose rides a check had to leave out, none to begin with."""
    if not unread:
        return []
    batches = "1 batch" if unread == 1 else f"{unread:,} batches"
    return [
        f"the rides of {batches} were left out, whose bytes weren't found: their money is in every account; `ledger "
        "index` lists them, and takes the bytes from their operators with --batch FILE"
    ]


def result_of(check: str, compared: str, findings: Iterable[Finding]) -> Result:
    """The result of a check whose findings are all at hand."""
    collected = Findings(check)
    collected.add(findings)
    return collected.result(compared)


def ride_name(batch: str | bytes, index: int | None = None) -> str:
    """A batch, or a ride of it, in a finding's `where`."""
    name = batch if isinstance(batch, str) else f"0x{batch.hex()}"
    return f"batch {name}" if index is None else f"batch {name}, ride {index}"
