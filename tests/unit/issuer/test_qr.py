"""The QR symbols of codes: what is drawn is what a gate's decoder reads."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from interline.code import Code
from issuer_client.errors import QrError
from issuer_client.qr import FAST_MASK, MODULES, qr_image, qr_modules, terminal_text, write_png
from issuer_client.wallet import Wallet

ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
texts = st.text(ALPHANUMERIC, min_size=276, max_size=276).map("IL1:".__add__)


def read(image: Image.Image) -> zxingcpp.Barcode:
    """The one QR symbol in a picture; asked for every kind, the decoder sees bar codes in 6 of 1,000 of them too."""
    (barcode,) = zxingcpp.read_barcodes(image.convert("L"), formats=zxingcpp.BarcodeFormat.QRCode)
    return barcode


@pytest.fixture
def text(a_code: Callable[[], Code]) -> str:
    return a_code().to_text()


@settings(max_examples=25, deadline=None)
@given(texts, st.sampled_from([None, *range(8)]))
def test_any_text_of_a_codes_length_is_read_back_under_every_mask(text: str, mask: int | None) -> None:
    assert read(qr_image(text, mask=mask)).text == text


def test_a_text_that_ends_in_spaces_keeps_them() -> None:
    text = "IL1:" + "A" * 273 + "   "
    assert read(qr_image(text)).text == text


def test_a_code_with_a_signature_of_zeros_can_be_drawn(a_code: Callable[[], Code]) -> None:
    """A forger's code: qrcode itself fails on a block of zeros."""
    text = replace(a_code(), rider_signature=bytes(64)).to_text()
    for mask in (None, FAST_MASK):
        assert read(qr_image(text, mask=mask)).text == text


def test_the_symbol_is_version_10_with_error_correction_m(text: str) -> None:
    modules = qr_modules(text)
    assert len(modules) == MODULES == 57
    assert {len(row) for row in modules} == {57}
    barcode = read(qr_image(text))
    assert (barcode.ec_level, barcode.symbology) == ("M", zxingcpp.BarcodeFormat.QRCode)


def test_the_text_is_in_alphanumeric_mode(text: str) -> None:
    """In byte mode, 280 characters would need version 12."""
    assert len(text) == 280
    with pytest.raises(QrError, match="alphanumeric"):
        qr_modules(text.lower())


@pytest.mark.parametrize("text", ["IL1:" + "A" * 308, "IL1:é", "IL1:_"])
def test_a_text_that_has_no_place_in_the_symbol_is_refused(text: str) -> None:
    assert qr_modules("IL1:" + "A" * 307)
    with pytest.raises(QrError, match="expected at most 311 characters"):
        qr_modules(text)


@pytest.mark.parametrize("box", [1, 2, 3, 4, 10])
@pytest.mark.parametrize("border", [1, 4, 10])
def test_a_picture_has_the_size_that_was_asked_for(text: str, box: int, border: int) -> None:
    image = qr_image(text, box=box, border=border)
    assert image.size == ((57 + 2 * border) * box,) * 2
    assert image.mode == "1"
    if box > 1:
        assert read(image).text == text


def test_a_pictures_border_is_light_and_its_pixels_are_the_modules(text: str) -> None:
    image = qr_image(text, box=3, border=4)
    modules = qr_modules(text)
    for y in range(65):
        for x in range(65):
            inside = 4 <= x < 61 and 4 <= y < 61
            dark = inside and modules[y - 4][x - 4]
            assert image.getpixel((3 * x + 1, 3 * y + 1)) == (0 if dark else 255)


@pytest.mark.parametrize("size", [{"box": 0}, {"border": -1}])
def test_a_picture_without_size_is_refused(text: str, size: dict[str, int]) -> None:
    with pytest.raises(QrError, match="expected a box of 1 pixel"):
        qr_image(text, **size)


def test_a_mask_that_is_not_asked_for_is_always_the_same(text: str) -> None:
    assert qr_modules(text) == qr_modules(text, mask=FAST_MASK)
    assert len({str(qr_modules(text, mask=mask)) for mask in range(8)}) == 8


def test_a_png_goes_from_the_wallet_through_the_decoder_to_a_code_that_verifies(
    wallet: Wallet, a_code: Callable[[], Code], tmp_path: Path
) -> None:
    code = a_code()
    write_png(code.to_text(), tmp_path / "code.png")
    with Image.open(tmp_path / "code.png") as image:
        assert image.format == "PNG"
        assert Code.from_text(read(image).text) == code


def test_a_folder_that_is_not_there_is_an_error(text: str, tmp_path: Path) -> None:
    with pytest.raises(QrError, match=r"code\.png: can't be written \(No such file or directory\)"):
        write_png(text, tmp_path / "nowhere" / "code.png")


def from_terminal(drawn: str) -> Image.Image:
    """What a terminal with white letters on black shows, a pixel for each half of a cell."""
    lit = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
    lines = [line.removeprefix("\x1b[97;40m").removesuffix("\x1b[0m") for line in drawn.splitlines()]
    image = Image.new("L", (len(lines[0]), 2 * len(lines)))
    for y, line in enumerate(lines):
        for x, cell in enumerate(line):
            for half in (0, 1):
                image.putpixel((x, 2 * y + half), 255 * lit[cell][half])
    return image.resize((4 * image.width, 4 * image.height), Image.Resampling.NEAREST)


def test_a_symbol_drawn_in_a_terminal_is_read_back(text: str) -> None:
    drawn = terminal_text(text)
    assert all(line.startswith("\x1b[97;40m") and line.endswith("\x1b[0m") for line in drawn.splitlines())
    picture = from_terminal(drawn)
    assert read(picture).text == text
    assert picture.size == (4 * 65, 4 * 66)
    assert len(drawn.splitlines()) == 33


def test_a_symbol_drawn_without_colours_is_read_back_from_a_light_terminal_too(text: str) -> None:
    drawn = terminal_text(text).replace("\x1b[97;40m", "").replace("\x1b[0m", "")
    assert read(ImageOps.expand(ImageOps.invert(from_terminal(drawn)), border=16, fill=0)).text == text
