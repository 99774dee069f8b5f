"""The node that the year is played on: transactions into blocks at set times. Nothing else here uses the network."""

import http.client
import json
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from demo.errors import DemoError
from interline.hashing import keccak256

_TIMEOUT: Final = 600.0


class Node:
    """An anvil that makes blocks when told to.

    Raises, from every method:
        DemoError: it doesn't answer, or refuses.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT)

    def ask(self, method: str, *parameters: Any) -> Any:
        """One request; what it returns."""
        return self._post(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode())

    def mine(self, time: int, transactions: Sequence[bytes]) -> list[dict[str, Any]]:
        """A block at a time (Unix seconds) with just these transactions in their order; returns their receipts.

        Raises DemoError where one is left out, out of its order, or reverted.
        """
        for raw in transactions:
            self._send(raw)
        self.ask("evm_setNextBlockTimestamp", time)
        self.ask("evm_mine")
        receipts: list[dict[str, Any]] = self.ask("eth_getBlockReceipts", "latest")
        came = [(receipt["transactionHash"], receipt["status"]) for receipt in receipts]
        expected = [("0x" + keccak256(raw).hex(), "0x1") for raw in transactions]
        if came != expected:
            wrong = next((pair for pair in zip(expected, came, strict=False) if pair[0] != pair[1]), "fewer or more")
            raise DemoError(
                f"expected a block at {time} with {len(expected)} transactions carried out in their order, came "
                f"{len(came)}; the first that differs: {wrong}"
            )
        return receipts

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _send(self, raw: bytes) -> None:
        head = b'{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x'
        self._post(head + raw.hex().encode("ascii") + b'"]}')

    def _post(self, body: bytes) -> Any:
        try:
            self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
            answer = json.loads(self._connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DemoError(
                f"expected the node's answer at {self.url}, came {type(error).__name__}: {error}"
            ) from error
        if "error" in answer:
            raise DemoError(f"expected the node to carry out {body[:80]!r}, it says {str(answer['error'])[:500]}")
        return answer["result"]
