"""The cities' balances at one block, and the proof that they add up to what is held (protocol section 6).

No network here: :mod:`ledger.chain` reads them.
"""

from dataclasses import dataclass
from typing import Any

from interline.money import format_yuan


@dataclass(frozen=True, slots=True)
class CityBalance:
    """One city's account. Amounts in fen."""

    code: int
    """City, uint16."""
    name: str
    balance: int
    """Funds it holds."""
    position: int
    """Balance + arrears due to it - arrears it owes; may be negative."""
    arrears_owed: int
    """What it owes to other cities, in all."""
    arrears_due: int
    """What other cities owe to it, in all."""
    arrears_withheld: int = 0
    """What of the arrears that it owes is above its daily limit, and can't be paid yet."""


@dataclass(frozen=True, slots=True)
class Balances:
    """All cities' accounts at one block. Amounts in fen."""

    block_number: int
    block_hash: str
    """0x and 64 hexadecimal digits."""
    cities: tuple[CityBalance, ...]
    """Every city that is or was a member, in the order in which they were admitted."""
    held: int
    """What the Clearinghouse says it holds for all cities."""
    tokens_held: int
    """Settlement tokens that its address owns."""

    @property
    def total(self) -> int:
        """The sum of the balances, fen."""
        return sum(city.balance for city in self.cities)

    @property
    def total_owed(self) -> int:
        """The sum of the arrears owed, fen."""
        return sum(city.arrears_owed for city in self.cities)

    @property
    def total_due(self) -> int:
        """The sum of the arrears due, fen."""
        return sum(city.arrears_due for city in self.cities)

    @property
    def total_withheld(self) -> int:
        """The sum of what is withheld, fen."""
        return sum(city.arrears_withheld for city in self.cities)

    def faults(self) -> list[str]:
        """What doesn't add up, a sentence each; empty where the books are right.

        What must always be true: balances add up to held(); held() <= tokens held; what cities owe is what others are
        owed; each position is balance + arrears due - arrears owed; and no more is withheld than is owed (protocol
        sections 6 and 7).
        """
        faults = []
        if self.total != self.held:
            faults.append(f"balances add up to {format_yuan(self.total)}, held() says {format_yuan(self.held)} yuan")
        if self.held > self.tokens_held:
            faults.append(f"held() is {format_yuan(self.held)}, tokens held are {format_yuan(self.tokens_held)} yuan")
        if self.total_owed != self.total_due:
            faults.append(
                f"cities owe {format_yuan(self.total_owed)}, others are owed {format_yuan(self.total_due)} yuan"
            )
        for city in self.cities:
            position = city.balance + city.arrears_due - city.arrears_owed
            if city.position != position:
                parts = f"its parts make {format_yuan(position)} yuan"
                faults.append(f"{city.name}: position is {format_yuan(city.position)}, {parts}")
            if city.arrears_withheld > city.arrears_owed:
                withheld, owed = format_yuan(city.arrears_withheld), format_yuan(city.arrears_owed)
                faults.append(f"{city.name}: {withheld} yuan are withheld, of {owed} yuan of arrears")
        return faults

    def proof(self) -> str:
        """One line for people: that, or how, the balances add up."""
        sums = (
            f"balances {format_yuan(self.total)} = held() {format_yuan(self.held)} "
            f"<= tokens held {format_yuan(self.tokens_held)} yuan, at block {self.block_number}"
        )
        faults = self.faults()
        return f"DOES NOT ADD UP: {'; '.join(faults)}; at block {self.block_number}" if faults else f"adds up: {sums}"

    def to_json(self) -> dict[str, Any]:
        """The document of `ape run balances --json`; amounts in fen, integers."""
        return {
            "block_number": self.block_number,
            "block_hash": self.block_hash,
            "cities": [
                {
                    "code": city.code,
                    "name": city.name,
                    "balance": city.balance,
                    "position": city.position,
                    "arrears_owed": city.arrears_owed,
                    "arrears_due": city.arrears_due,
                    "arrears_withheld": city.arrears_withheld,
                }
                for city in self.cities
            ],
            "held": self.held,
            "tokens_held": self.tokens_held,
        }
