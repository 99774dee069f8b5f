"""What the EVM charges (Prague): calldata, hashing, memory, logs. Used for bounds, and to read traces.

Sources: the yellow paper's appendix G with EIP-2028 and EIP-7623 (calldata), EIP-2929 (cold and warm access),
EIP-3529 (storage).
"""

from __future__ import annotations

from typing import Final

TRANSACTION: Final = 21_000
ZERO_BYTE: Final = 4
NONZERO_BYTE: Final = 16
FLOOR_TOKEN: Final = 10  # EIP-7623; a zero byte is one token, another four
ECRECOVER: Final = 3_000
WARM: Final = 100
COLD_SLOT: Final = 2_100
COLD_ACCOUNT: Final = 2_600
SSTORE_FRESH: Final = 20_000
SSTORE_USED: Final = 2_900
CODE_LIMIT: Final = 24_576  # bytes, EIP-170
INITCODE_LIMIT: Final = 49_152  # bytes, EIP-3860


def calldata_gas(data: bytes) -> int:
    """What the bytes of a transaction's calldata cost."""
    zeros = data.count(0)
    return ZERO_BYTE * zeros + NONZERO_BYTE * (len(data) - zeros)


def floor_gas(data: bytes) -> int:
    """The least that a transaction with this calldata costs, whatever it does (EIP-7623)."""
    zeros = data.count(0)
    return TRANSACTION + FLOOR_TOKEN * (zeros + 4 * (len(data) - zeros))


def words(size: int) -> int:
    """How many words of 32 bytes hold `size` bytes."""
    return -(-size // 32)


def keccak_gas(size: int) -> int:
    """KECCAK256 of `size` bytes in memory."""
    return 30 + 6 * words(size)


def copy_gas(size: int) -> int:
    """CALLDATACOPY of `size` bytes, without the memory."""
    return 3 + 3 * words(size)


def memory_gas(size: int) -> int:
    """Memory that reaches `size` bytes."""
    return 3 * words(size) + words(size) ** 2 // 512


def log_gas(topics: int, size: int) -> int:
    """An event with `topics` topics, its signature's hash among them, and `size` bytes of data."""
    return 375 + 375 * topics + 8 * size
