"""Text and times that others put on the chain, made safe to show: on a terminal, in HTML, XML, CSV, a workbook, JSON.

Any member can publish any bytes as a name or an address, and any number as a time. What comes out of here is on one
line, holds printable characters alone, none that are invisible or turn the direction of writing, and never raises.
What isn't shown as it is stands as an escape: `\\xff` for a byte that isn't UTF-8, `\\u202e` for a character.
"""

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import Final

from interline.fields import UINT40_MAX
from interline.hashing import keccak256

MOST_CHARACTERS: Final = 1_000
"""Of a text; what is longer ends with its length and its hash."""
MOST_OF_A_NAME: Final = 64
"""Of a city's name in a table; as in city files."""
MARKS: Final = 3
"""Combining marks on one character: more would cover the lines around it."""

_BYTES_OF_A_CHARACTER: Final = 4
_FIRST_STRAY: Final = 0xDC00  # where "surrogateescape" puts a byte that isn't UTF-8
_INVISIBLE: Final = frozenset(
    (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
)
"""Printable by Unicode, and nothing to see: fillers, joiners and variation selectors."""


def text_of(raw: bytes) -> str:
    """A text of the chain, from its bytes. Two that differ never look the same, but for letters that look alike."""
    start = raw[: _BYTES_OF_A_CHARACTER * (MOST_CHARACTERS + 1)].decode("utf-8", "surrogateescape")
    pieces = ("\\\\" if one == "\\" else one for one in _escaped(start))
    shown = _within(pieces, MOST_CHARACTERS)
    if shown is not None:
        return shown
    pieces = ("\\\\" if one == "\\" else one for one in _escaped(start))
    return f"{_cut(pieces, MOST_CHARACTERS)}… ({len(raw):,} bytes, keccak256 0x{keccak256(raw).hex()})"


def safe_text(text: str) -> str:
    """Any text, such as an error's or a file's: as `text_of`, but for backslashes, so that it can be done twice."""
    return "".join(_escaped(text))


def short_name(name: str, most: int = MOST_OF_A_NAME) -> str:
    """A name where there is little room: at most so many characters; `(no name)` if it has none."""
    if not name:
        return "(no name)"
    return name if len(name) <= most else f"{_cut(name, most - 1)}…"


def short_hex(data: bytes, most: int = 64) -> str:
    """Bytes as 0x…; of more than `most` the first ones, how many there are, and their hash."""
    if len(data) <= most:
        return f"0x{data.hex()}"
    return f"0x{data[:most].hex()}… ({len(data):,} bytes, keccak256 0x{keccak256(data).hex()})"


def moment_of(seconds: int, zone: tzinfo = UTC) -> datetime | None:
    """A time (Unix seconds) by a clock; None where no calendar goes that far."""
    try:
        return datetime.fromtimestamp(seconds, UTC).astimezone(zone)
    except (OverflowError, ValueError, OSError):
        return None


def moment_text(seconds: int, form: str = "%Y-%m-%d %H:%M:%S UTC", zone: tzinfo = UTC) -> str:
    """A time (Unix seconds) in words, whichever number it is: `no end` for 2^40 - 1, which stands for it.

    Args:
        form: as strftime has it, for times that a calendar has.
    """
    if seconds == UINT40_MAX:
        return "no end"
    moment = moment_of(seconds, zone)
    if moment is not None:
        return moment.strftime(form)
    return f"far {'future' if seconds > 0 else 'past'} (second {seconds})"


def _escaped(text: str) -> Iterator[str]:
    """The text's characters, each as it is or as an escape."""
    marks, before = MARKS, " "
    last = len(text) - 1
    for at, character in enumerate(text):
        is_mark = unicodedata.category(character) in ("Mn", "Me")
        marks = marks + 1 if is_mark else 0
        if character == " ":
            hidden = before == " " or at == last
        else:
            hidden = marks > MARKS or not character.isprintable() or ord(character) in _INVISIBLE
        yield _escape(ord(character)) if hidden else character
        before = character


def _escape(code: int) -> str:
    if _FIRST_STRAY + 0x80 <= code <= _FIRST_STRAY + 0xFF:
        return f"\\x{code - _FIRST_STRAY:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _within(pieces: Iterator[str], most: int) -> str | None:
    """All of them together, None where that is more than so many characters."""
    found = "".join(islice(pieces, most + 1))
    return found if len(found) <= most else None


def _cut(pieces: Iterator[str] | str, most: int) -> str:
    """As many whole ones as fit."""
    found, length = [], 0
    for piece in pieces:
        length += len(piece)
        if length > most:
            break
        found.append(piece)
    return "".join(found)
