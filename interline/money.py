"""Money: fen (1/100 CNY) as an int inside, yuan as text at the edges. Never a float."""

import re
from typing import Final

from interline.errors import MoneyError

FEN_PER_YUAN: Final = 100

_YUAN: Final = re.compile(r"([0-9]+)(?:\.([0-9]{1,2}))?")


def parse_yuan(text: str) -> int:
    """Fen of an amount in yuan: "50000.00" is 5,000,000, "3.5" is 350.

    Raises:
        MoneyError: not text (a float has already lost its fen), negative, more than two decimals, or no number.
    """
    if not isinstance(text, str):
        raise MoneyError(
            f'expected yuan as text such as "50000.00", came {type(text).__name__} {text!r}: put it in quotes'
        )
    match = _YUAN.fullmatch(text)
    if match is None:
        raise MoneyError(f'expected yuan such as "50000.00", at most two decimals, came {text!r}')
    yuan, decimals = match.groups(default="")
    return int(yuan) * FEN_PER_YUAN + int(decimals.ljust(2, "0"))


def format_yuan(fen: int) -> str:
    """Fen as yuan for people: -123456 is "-1,234.56".

    Raises:
        MoneyError: not an int.
    """
    if type(fen) is not int:
        raise MoneyError(f"expected fen as an int, came {type(fen).__name__} {fen!r}")
    yuan, rest = divmod(abs(fen), FEN_PER_YUAN)
    return f"{'-' if fen < 0 else ''}{yuan:,}.{rest:02}"
