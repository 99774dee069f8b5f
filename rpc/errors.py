"""What a node may answer instead of what it was asked for. Every message says which node, what was asked, what came."""

import re
from collections.abc import Mapping
from typing import Any, Final

_DATA: Final = re.compile(r"(?:Reverted )?0x((?:[0-9a-fA-F]{2})*)")


class RpcError(Exception):
    """Anything that keeps a node's answer from being had.

    Args:
        asked: which node was asked, and what.
        came: what came instead of the answer.
    """

    def __init__(self, asked: str, came: str) -> None:
        super().__init__(f"{asked}: {came}")
        self.asked = asked
        self.came = came

    @property
    def lacks_function(self) -> bool:
        """Whether what was called may be another vendor's contract, which hasn't got the function."""
        return False


class NodeAwayError(RpcError):
    """The node doesn't answer, or says that it can't just now: the same may be asked again later."""


class BadAnswerError(RpcError):
    """The node answers what JSON-RPC, or what was asked for, doesn't allow."""


class BadReturnError(BadAnswerError):
    """What came of a call can't be what the function returns: the contract is another one, or there is none."""

    @property
    def lacks_function(self) -> bool:
        """It returned something else, or nothing."""
        return True


class NodeBehindError(BadAnswerError):
    """The node leaves out what other nodes have: it is behind them. The same may be asked again later."""


class NodeRefusalError(RpcError):
    """The node refuses the request, or the contract that it was to call does.

    Args:
        code: of JSON-RPC's error, or HTTP's status where there is none.
        message: the node's words.
        data: what else it says, as it came.
    """

    def __init__(self, asked: str, code: int, message: str, data: Any = None) -> None:
        super().__init__(asked, message)
        self.code = code
        self.message = message
        self.data = data

    @property
    def revert(self) -> bytes | None:
        """What the contract refused with; None where the node doesn't say so."""
        data = self.data.get("data") if isinstance(self.data, Mapping) else self.data  # as some nodes have it
        found = _DATA.fullmatch(data) if isinstance(data, str) else None
        return None if found is None else bytes.fromhex(found[1])

    @property
    def by_contract(self) -> bool:
        """Whether the contract refuses, and not the node."""
        return self.revert is not None or "revert" in self.message.lower()

    @property
    def lacks_function(self) -> bool:
        """A contract refuses functions that it hasn't got."""
        return self.by_contract
