"""A block that the books are read at."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Head:
    """A block: its number, its hash (0x and 64 hexadecimal digits), and its time (Unix seconds)."""

    number: int
    hash: str
    time: int
