"""The cities' balances at one block, and the proof that they add up to what is held (protocol section 6).

The only module of this package that touches the network. It needs a web3 and nothing of Ape.
"""

import logging
from dataclasses import dataclass
from typing import Any, Final

from web3 import Web3
from web3.exceptions import BlockNotFound, Web3Exception
from web3.types import BlockIdentifier

from interline.contracts import load_abi
from interline.money import format_yuan
from ledger.errors import ChainMovedError, LedgerError, NoClearinghouseError

logger = logging.getLogger(__name__)

_NAME: Final = 0  # of what CityRegistry.city returns


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

    def faults(self) -> list[str]:
        """What doesn't add up, a sentence each; empty where the books are right.

        What must always be true: balances add up to held(); held() <= tokens held; what cities owe is what others are
        owed; and each position is balance + arrears due - arrears owed (protocol sections 6 and 7).
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
                }
                for city in self.cities
            ],
            "held": self.held,
            "tokens_held": self.tokens_held,
        }


def read_balances(web3: Web3, clearinghouse: str, block: BlockIdentifier = "latest") -> Balances:
    """Read all accounts, and what backs them, at one block.

    Args:
        web3: connected to the chain.
        clearinghouse: address of the Clearinghouse, 0x and 40 hexadecimal digits; all else is found through it.
        block: number, hash or name of the block to read at.

    Raises:
        NoClearinghouseError: no Clearinghouse is there.
        ChainMovedError: the block was replaced by another one meanwhile.
        LedgerError: the node doesn't answer, or has no such block.
    """
    try:
        head = web3.eth.get_block(block)
        number, block_hash = int(head["number"]), Web3.to_hex(head["hash"])
        balances = _read_at(web3, Web3.to_checksum_address(clearinghouse), number, block_hash)
        if Web3.to_hex(web3.eth.get_block(number)["hash"]) != block_hash:
            raise ChainMovedError(f"expected block {number} to stay {block_hash}, another took its place: read again")
    except BlockNotFound as error:
        raise LedgerError(f"expected a block {block!r}, the node has none: name a block that it still keeps") from error
    except (Web3Exception, OSError) as error:
        raise LedgerError(
            f"expected the node's answer, came {type(error).__name__}: {error}; is it still there?"
        ) from error
    logger.info("read the balances of %d cities at block %d", len(balances.cities), number)
    return balances


def _read_at(web3: Web3, address: str, number: int, block_hash: str) -> Balances:
    if not web3.eth.get_code(Web3.to_checksum_address(address), number):
        raise NoClearinghouseError(
            f"expected the Clearinghouse at {address}, there is no contract at block {number}: "
            "is this the chain that it was deployed on?"
        )

    def call(contract: Any, function: str, *arguments: Any) -> Any:
        return contract.functions[function](*arguments).call(block_identifier=number)

    house: Any = web3.eth.contract(address=Web3.to_checksum_address(address), abi=load_abi("Clearinghouse"))
    registry: Any = web3.eth.contract(address=call(house, "registry"), abi=load_abi("CityRegistry"))
    token: Any = web3.eth.contract(address=call(house, "token"), abi=load_abi("SettlementToken"))
    cities = tuple(
        CityBalance(
            code=code,
            name=call(registry, "city", code)[_NAME],
            balance=call(house, "balanceOf", code),
            position=call(house, "position", code),
            arrears_owed=call(house, "arrearsOf", code),
            arrears_due=call(house, "arrearsDue", code),
        )
        for code in call(registry, "cities")
    )
    held, tokens_held = call(house, "held"), call(token, "balanceOf", address)
    return Balances(number, block_hash, cities, held, tokens_held)
