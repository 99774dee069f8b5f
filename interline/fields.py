"""Checks of single fields, shared by everything that has a wire format."""

from typing import Final

from interline.errors import MalformedError

UINT8_MAX: Final = 2**8 - 1
UINT16_MAX: Final = 2**16 - 1
UINT32_MAX: Final = 2**32 - 1
UINT40_MAX: Final = 2**40 - 1
UINT256_MAX: Final = 2**256 - 1


def check_uint(name: str, value: int, highest: int) -> None:
    """Refuses a value that is no integer from 0 to `highest`.

    Raises:
        MalformedError: it isn't one.
    """
    if type(value) is not int or not 0 <= value <= highest:
        raise MalformedError(f"{name}: expected an integer from 0 to {highest}, came {value!r}")


def check_bytes(name: str, value: bytes, length: int) -> None:
    """Refuses a value that is not `length` bytes.

    Raises:
        MalformedError: it isn't.
    """
    if type(value) is not bytes:
        raise MalformedError(f"{name}: expected {length} bytes, came {type(value).__name__}")
    if len(value) != length:
        raise MalformedError(f"{name}: expected {length} bytes, came {len(value)}")
