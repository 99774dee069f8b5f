"""The order in which serials are handed out: dense, and shuffled within aligned blocks of 256.

Dense, because one storage word on chain marks 256 serials; shuffled, because neighbouring serials must not betray
that two tickets went to one rider (protocol section 1). The shuffle comes from the operating system's randomness
and nothing else, unless who calls hands in one of its own: an experiment that is to be had again does, no program of an
office can. This module only computes; :mod:`issuer_client.office` keeps the place durably.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from issuer_client.errors import SerialsExhaustedError

BLOCK = 256
"""Serials in a block: as many as one storage word on chain has bits."""
SERIALS = 2**40
"""How many serials there are for one issuer and operator (protocol section 2: five bytes)."""
BLOCKS = SERIALS // BLOCK
Shuffle = Callable[[list[int]], None]
"""Puts a list into another order, in place."""
SYSTEM_SHUFFLE: Final[Shuffle] = secrets.SystemRandom().shuffle
"""By the operating system's randomness: nobody can foretell it, and no seed brings it back."""


@dataclass(frozen=True, slots=True)
class SerialPlace:
    """How far the serials of one issuer and operator have been handed out.

    `block` is the number of the block in use; `shuffled` are the offsets in it, in the order in which they are handed
    out (256 bytes, each value once); `used` says how many of them, from the front, have been.
    """

    block: int
    shuffled: bytes
    used: int

    def __post_init__(self) -> None:
        if not 0 <= self.block < BLOCKS:
            raise ValueError(f"expected a block from 0 to {BLOCKS - 1}, came {self.block}")
        if len(self.shuffled) != BLOCK or len(set(self.shuffled)) != BLOCK:
            raise ValueError(f"expected each offset from 0 to {BLOCK - 1} once, came others")
        if not 0 <= self.used <= BLOCK:
            raise ValueError(f"expected 0 to {BLOCK} offsets used, came {self.used}")

    @classmethod
    def start(cls, shuffle: Shuffle = SYSTEM_SHUFFLE) -> Self:
        """The place before the first serial: nothing of block 0 is handed out."""
        return cls(block=0, shuffled=shuffled_block(shuffle), used=0)

    @property
    def handed_out(self) -> int:
        """How many serials have been handed out so far."""
        return self.block * BLOCK + self.used

    @property
    def left(self) -> int:
        """How many serials are left for ever."""
        return SERIALS - self.handed_out

    def take(self, count: int, shuffle: Shuffle = SYSTEM_SHUFFLE) -> tuple[list[int], "SerialPlace"]:
        """The next `count` serials, and the place after them.

        Raises:
            SerialsExhaustedError: fewer than `count` are left.
        """
        if count > self.left:
            raise SerialsExhaustedError(
                f"expected at most {self.left} tickets, as many as there are serials left for this operator, "
                f"came {count}; the serials of one issuer and operator end at 2^40"
            )
        block, shuffled, used = self.block, self.shuffled, self.used
        taken: list[int] = []
        while len(taken) < count:
            if used == BLOCK:
                block, shuffled, used = block + 1, shuffled_block(shuffle), 0
            some = shuffled[used : used + count - len(taken)]
            taken.extend(block * BLOCK + offset for offset in some)
            used += len(some)
        return taken, SerialPlace(block=block, shuffled=shuffled, used=used)


def shuffled_block(shuffle: Shuffle = SYSTEM_SHUFFLE) -> bytes:
    """The offsets 0 to 255 in an order that nobody can foretell (256 bytes), unless the shuffle is another's."""
    offsets = list(range(BLOCK))
    shuffle(offsets)
    return bytes(offsets)
