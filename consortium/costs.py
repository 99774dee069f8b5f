"""What transactions cost: gas, and the fee at the chain's price. No network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from consortium.calls import Call

_WEI: Final = 10**18


@dataclass(frozen=True, slots=True)
class Cost:
    """What a transaction would take."""

    call: Call
    gas: int | None
    """None where it can't be told before the transactions before it are there."""
    price: int
    """Wei for a unit of gas, as the chain asks now."""

    @property
    def fee(self) -> int | None:
        """Wei."""
        return None if self.gas is None else self.gas * self.price

    def to_json(self) -> dict[str, Any]:
        """Its entry in a dry run's document. Wei as text, for it may be too long for a float."""
        return {
            "step": str(self.call.step),
            "what": self.call.what,
            "sender": self.call.sender,
            "gas": self.gas,
            "gas_price": str(self.price),
            "fee": None if self.fee is None else str(self.fee),
        }


def format_fee(wei: int | None) -> str:
    """Wei for people, in the chain's coin of 18 decimals: `0.00042`; `?` where it isn't known."""
    if wei is None:
        return "?"
    whole, rest = divmod(wei, _WEI)
    decimals = f"{rest:018}".rstrip("0")
    return f"{whole:,}.{decimals}" if decimals else f"{whole:,}"


def total_gas(costs: Sequence[Cost]) -> int | None:
    """Gas of all; None where that of one isn't known."""
    known = [cost.gas for cost in costs if cost.gas is not None]
    return sum(known) if len(known) == len(costs) else None
