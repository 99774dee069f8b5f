"""Which events are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from interline.settlements import ChainLog


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events.

    Args:
        addresses: of contracts, 20 bytes each.
        topics: for each place the topics (32 bytes) that may stand there; an empty one is for any.
    """

    addresses: Sequence[bytes]
    topics: Sequence[Sequence[bytes]] = ()

    def filter(self, first: int, last: int) -> dict[str, Any]:
        """As eth_getLogs takes it."""
        topics = [[_hex(topic) for topic in some] or None for some in self.topics]
        given: dict[str, Any] = {"address": [_hex(one) for one in self.addresses], "topics": topics}
        return {**given, "fromBlock": hex(first), "toBlock": hex(last)}

    def has(self, log: ChainLog, first: int, last: int) -> bool:
        """Whether an event is among those of a range of blocks, both included."""
        if log.address not in self.addresses or not first <= log.block <= last or len(log.topics) < len(self.topics):
            return False
        return all(not some or topic in some for some, topic in zip(self.topics, log.topics, strict=False))


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}"
