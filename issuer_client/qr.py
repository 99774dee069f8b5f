"""QR symbols of codes: version 10, error correction M, alphanumeric mode (protocol section 3; ISO/IEC 18004).

`qrcode` works out the modules; they are drawn here, as whole rows, which is quicker than its own way, a rectangle for
each module. Of its work on one symbol the search for the best mask takes five sixths: the eight masks are all valid, a
reader learns from the symbol which one it is, and the data of a code looks random under each of them, so by default
one mask is always taken. Ask for `mask=None` for the standard's choice.
"""

from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image
from qrcode.constants import ERROR_CORRECT_M
from qrcode.exceptions import DataOverflowError
from qrcode.main import QRCode
from qrcode.util import MODE_ALPHA_NUM, QRData

from issuer_client.errors import QrError

QR_VERSION: Final = 10
MODULES: Final = 57
"""Modules along a side, without the border."""
QUIET_ZONE: Final = 4
"""Light modules that the standard asks for on each side."""
DEFAULT_BOX: Final = 4
"""Pixels along a module's side."""
FAST_MASK: Final = 3
"""The mask that is taken without a search."""

_CAPACITY: Final = 311
_SEGMENT: Final = 56  # 308 bits: less than a block of error correction, 344
# Upper and lower half of a character cell: light or dark. A dark pair is a space on black.
_HALVES: Final = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
_WHITE_ON_BLACK: Final = "\x1b[97;40m"
_RESET: Final = "\x1b[0m"


def qr_modules(text: str, *, mask: int | None = FAST_MASK) -> list[list[bool]]:
    """The 57 x 57 modules of the symbol that holds `text`, row by row; True is dark.

    `mask` is 0 to 7, or None for the one that the standard's rules prefer.

    Raises:
        QrError: the text doesn't fit, or isn't all of the alphanumeric mode's 45 characters.
    """
    try:
        data = text.encode("ascii")
        QRData(data, mode=MODE_ALPHA_NUM)
        try:
            return _compile([data], mask)
        except ValueError:
            # qrcode 8.2 can't compute the error correction of a block of zeros, as in a code whose signature is zeros.
            # In short segments, whose headers are not zero, there is no such block.
            return _compile([data[start : start + _SEGMENT] for start in range(0, len(data), _SEGMENT)], mask)
    except (DataOverflowError, ValueError) as error:
        raise QrError(
            f"code: expected at most {_CAPACITY} characters of QR's alphanumeric mode, as Code.to_text() gives them, "
            f"came {len(text)}: {text[:12]!r}...; other texts have no place in this symbol"
        ) from error


def _compile(segments: list[bytes], mask: int | None) -> list[list[bool]]:
    code: QRCode[Image.Image] = QRCode(version=QR_VERSION, error_correction=ERROR_CORRECT_M, mask_pattern=mask)
    for segment in segments:
        code.add_data(QRData(segment, mode=MODE_ALPHA_NUM))
    code.make(fit=False)
    return [[bool(module) for module in row] for row in code.modules]


def qr_image(
    text: str, *, box: int = DEFAULT_BOX, border: int = QUIET_ZONE, mask: int | None = FAST_MASK
) -> Image.Image:
    """The symbol that holds `text` as a picture of one bit a pixel: `box` pixels to a module, `border` modules around.

    Raises:
        QrError: as `qr_modules`, or a box or border that is none.
    """
    if box < 1 or border < 0:
        raise QrError(f"picture: expected a box of 1 pixel or more and a border of 0 or more, came {box} and {border}")
    light = b"\xff" * border
    rows = [light + bytes(0 if dark else 255 for dark in row) + light for row in qr_modules(text, mask=mask)]
    side = MODULES + 2 * border
    edge = b"\xff" * (side * border)
    picture = Image.frombytes("L", (side, side), edge + b"".join(rows) + edge)
    return picture.resize((side * box, side * box), Image.Resampling.NEAREST).convert("1", dither=Image.Dither.NONE)


def write_png(
    text: str, path: Path, *, box: int = DEFAULT_BOX, border: int = QUIET_ZONE, mask: int | None = FAST_MASK
) -> None:
    """Write the picture of `qr_image` as a PNG file.

    Raises:
        QrError: as `qr_image`, or the file can't be written.
    """
    data = BytesIO()
    qr_image(text, box=box, border=border, mask=mask).save(data, format="PNG", compress_level=1)
    try:
        path.write_bytes(data.getvalue())
    except OSError as error:
        raise QrError(f"{path}: can't be written ({error.strerror}); check the folder") from None


def terminal_text(text: str, *, mask: int | None = FAST_MASK) -> str:
    """The symbol that holds `text` for a terminal: 33 lines of 65 characters, two modules in each, white on black.

    Raises:
        QrError: as `qr_modules`.
    """
    width = MODULES + 2 * QUIET_ZONE
    side = [False] * QUIET_ZONE
    rows = [side + row + side for row in qr_modules(text, mask=mask)]
    blank = [[False] * width] * QUIET_ZONE
    rows = [*blank, *rows, *blank]
    if len(rows) % 2:
        rows.append([False] * width)
    lines = []
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        cells = "".join(_HALVES[pair] for pair in zip(upper, lower, strict=True))
        lines.append(f"{_WHITE_ON_BLACK}{cells}{_RESET}")
    return "\n".join(lines)
