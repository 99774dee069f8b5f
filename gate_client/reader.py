"""From a picture to the texts of the QR symbols in it: zxing-cpp on PNG and JPEG."""

from __future__ import annotations

from pathlib import Path

import zxingcpp
from PIL import Image

from gate_client.errors import PictureError

FORMATS = ("PNG", "JPEG")
MAX_PIXELS = 50_000_000
"""Pictures larger than this are no frames of a gate's camera."""

PREFIX = "IL1:"

Image.preinit()  # the plugins for FORMATS, now rather than with the first picture
_QR_CODE = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])


def read_picture(path: Path) -> list[str]:
    """The codes in a picture: the texts of its QR symbols that begin with `IL1:`, each once, in the order found.

    Where none does, the first text of another kind, if there is one: the gate will call it malformed. An
    empty list means that there is no QR symbol that can be read.

    Raises:
        PictureError: the file can't be read, or is no PNG or JPEG picture.
    """
    try:
        with Image.open(path, formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise PictureError(f"{path}: {picture.width} x {picture.height} pixels are more than {MAX_PIXELS}")
            grey = picture.convert("L")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PictureError(f"{path}: expected a PNG or JPEG picture: {_cause(error)}") from None
    texts = _decode(grey)
    ours = [text for text in dict.fromkeys(texts) if text.startswith(PREFIX)]
    return ours or texts[:1]


def _decode(grey: Image.Image) -> list[str]:
    pixels = memoryview(grey.tobytes()).cast("B", (grey.height, grey.width))
    symbols = zxingcpp.read_barcodes(pixels, formats=_QR_CODE, text_mode=zxingcpp.TextMode.Plain)
    return [symbol.text for symbol in symbols]


def _cause(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
