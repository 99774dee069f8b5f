"""What an act of governing did, or would do. Facts alone; no network."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from consortium.chain import Receipt
from consortium.costs import Cost, total_gas


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run did, or would do."""

    act: str
    says: tuple[str, ...]
    """What changed or would change, a line each."""
    dry_run: bool
    receipts: tuple[Receipt, ...] = ()
    costs: tuple[Cost, ...] = ()
    """Of a dry run."""
    proposals: tuple[dict[str, Any], ...] = ()
    """Those that it is about, as they stand after it."""
    waits_for: tuple[str, ...] = ()
    """What keeps that which was asked for from being done now."""
    notes: tuple[str, ...] = ()
    """What people should know."""
    more: dict[str, Any] = field(default_factory=dict)
    """What else there is for programs."""

    def to_json(self) -> dict[str, Any]:
        """The document of every `ape run consortium` act with --json."""
        return {
            "act": self.act,
            "dry_run": self.dry_run,
            "says": list(self.says),
            "transactions": [
                {
                    "step": str(it.call.step),
                    "what": it.call.what,
                    "sender": it.call.sender,
                    "transaction": it.transaction,
                    "block": it.block,
                    "gas": it.gas,
                }
                for it in self.receipts
            ],
            "costs": [cost.to_json() for cost in self.costs],
            "gas": total_gas(self.costs) if self.dry_run else sum(receipt.gas for receipt in self.receipts),
            "proposals": list(self.proposals),
            "waits_for": list(self.waits_for),
            "notes": list(self.notes),
            **self.more,
        }

    def saying(self, *lines: str, waits_for: Sequence[str] = ()) -> "Outcome":
        """The same, with more to say."""
        return replace(self, says=(*self.says, *lines), waits_for=(*self.waits_for, *waits_for))
