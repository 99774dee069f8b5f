"""The contracts' application binary interfaces, for clients that have no compiler.

The files in `interline/abi/` are written by `make abi` from the compiled contracts; a test holds them to it.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

_FOLDER: Final = Path(__file__).resolve().parent / "abi"
CONTRACTS: Final = ("CityRegistry", "Clearinghouse", "Consortium", "Refunds", "SettlementToken")


@cache
def load_abi(contract: str) -> list[dict[str, Any]]:
    """The ABI of one of `CONTRACTS`, as the Solidity ABI specification's list of JSON objects.

    Raises:
        ValueError: the contract is none of `CONTRACTS`.
    """
    if contract not in CONTRACTS:
        raise ValueError(f"expected one of {', '.join(CONTRACTS)}, came {contract!r}")
    text = (_FOLDER / f"{contract}.json").read_text(encoding="utf-8")
    abi: list[dict[str, Any]] = json.loads(text)
    return abi


def sorted_abi(abi: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An ABI in the order in which `interline/abi/` keeps it: by type, name and content."""
    return sorted(abi, key=lambda entry: (entry["type"], entry.get("name", ""), json.dumps(entry)))
