"""Pictures of codes, as a gate's camera or a rider's screenshot gives them."""

from __future__ import annotations

from pathlib import Path

import pytest
import qrcode
from PIL import Image, ImageOps

from gate_client.errors import PictureError
from gate_client.reader import read_picture
from interline.code import Code
from tests.support.riders import qr_picture


@pytest.fixture
def picture(code: Code, tmp_path: Path) -> Path:
    return qr_picture(code.to_text(), tmp_path / "code.png")


def test_a_code_in_a_frame_is_read_to_the_character(picture: Path, code: Code) -> None:
    assert read_picture(picture) == [code.to_text()]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.rotate(90, expand=True),
        lambda image: image.rotate(7, fillcolor=170, expand=True),
        lambda image: image.resize((480, 360)),
        lambda image: ImageOps.invert(image),
        lambda image: image.convert("RGB"),
        lambda image: image.convert("RGBA"),
        lambda image: image.point(lambda v: 60 + v // 3),
    ],
    ids=["turned", "tilted", "smaller", "light on dark", "in colour", "with transparency", "pale"],
)
def test_a_code_is_read_however_it_is_held(picture: Path, code: Code, change: object, tmp_path: Path) -> None:
    with Image.open(picture) as image:
        change(image).save(tmp_path / "changed.png")  # type: ignore[operator]
    assert read_picture(tmp_path / "changed.png") == [code.to_text()]


def test_a_jpeg_is_read_too(picture: Path, code: Code, tmp_path: Path) -> None:
    with Image.open(picture) as image:
        image.save(tmp_path / "code.jpg", quality=75)
    assert read_picture(tmp_path / "code.jpg") == [code.to_text()]


@pytest.mark.parametrize("level", ["L", "M", "Q"])
@pytest.mark.parametrize("mode", [2, 4], ids=["alphanumeric", "bytes"])
def test_a_code_is_read_in_whatever_mode_and_level_it_comes(code: Code, tmp_path: Path, level: str, mode: int) -> None:
    """Protocol section 3."""
    symbol = qrcode.QRCode(error_correction=getattr(qrcode.constants, f"ERROR_CORRECT_{level}"), box_size=5)
    symbol.add_data(qrcode.util.QRData(code.to_text().encode(), mode=mode))
    symbol.make()
    symbol.make_image().get_image().save(tmp_path / "code.png")
    assert read_picture(tmp_path / "code.png") == [code.to_text()]


def test_a_space_at_the_end_of_a_text_is_kept(tmp_path: Path) -> None:
    """Base45 may end in a space."""
    assert read_picture(qr_picture("IL1:ABC ", tmp_path / "space.png")) == ["IL1:ABC "]


def test_a_picture_without_a_code_has_none(tmp_path: Path) -> None:
    Image.new("L", (640, 480), 170).save(tmp_path / "wall.png")
    assert read_picture(tmp_path / "wall.png") == []


def test_of_a_picture_with_other_codes_the_interline_code_is_taken(code: Code, tmp_path: Path) -> None:
    poster = qr_picture("https://example.org/", tmp_path / "poster.png")
    phone = qr_picture(code.to_text(), tmp_path / "phone.png")
    side_by_side(tmp_path / "both.png", poster, phone)
    assert read_picture(tmp_path / "both.png") == [code.to_text()]


def test_of_a_picture_with_other_codes_alone_one_is_taken(tmp_path: Path) -> None:
    poster = qr_picture("https://example.org/", tmp_path / "poster.png")
    assert read_picture(poster) == ["https://example.org/"]


def test_two_phones_in_one_picture_are_two_codes(code: Code, picture: Path, tmp_path: Path, rider: object) -> None:
    companion = rider.shows(code.shown_at + 1).to_text()  # type: ignore[attr-defined]
    side_by_side(tmp_path / "both.png", picture, qr_picture(companion, tmp_path / "companion.png"))
    assert sorted(read_picture(tmp_path / "both.png")) == sorted([code.to_text(), companion])


def test_the_same_code_twice_in_a_picture_is_one_code(code: Code, picture: Path, tmp_path: Path) -> None:
    side_by_side(tmp_path / "both.png", picture, picture)
    assert read_picture(tmp_path / "both.png") == [code.to_text()]


class TestFilesThatAreNoPictures:
    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(PictureError, match="No such file"):
            read_picture(tmp_path / "nothing.png")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(PictureError, match="Is a directory"):
            read_picture(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n"], ids=["empty", "text", "a PNG's head"])
    def test_one_with_something_else_in_it(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "broken.png").write_bytes(content)
        with pytest.raises(PictureError, match="expected a PNG or JPEG picture"):
            read_picture(tmp_path / "broken.png")

    @pytest.mark.parametrize("suffix", [".png", ".jpg"])
    def test_one_that_was_cut_off(self, picture: Path, tmp_path: Path, suffix: str) -> None:
        whole = tmp_path / f"whole{suffix}"
        with Image.open(picture) as image:
            image.save(whole)
        (tmp_path / f"half{suffix}").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        with pytest.raises(PictureError, match="expected a PNG or JPEG picture"):
            read_picture(tmp_path / f"half{suffix}")

    def test_another_format(self, picture: Path, tmp_path: Path) -> None:
        with Image.open(picture) as image:
            image.save(tmp_path / "code.gif")
        with pytest.raises(PictureError, match="expected a PNG or JPEG picture"):
            read_picture(tmp_path / "code.gif")

    def test_one_that_is_far_too_large(self, tmp_path: Path) -> None:
        Image.new("1", (12_000, 5_000)).save(tmp_path / "poster.png")
        with pytest.raises(PictureError, match="12000 x 5000 pixels"):
            read_picture(tmp_path / "poster.png")


def side_by_side(path: Path, *pictures: Path) -> None:
    images = [Image.open(picture) for picture in pictures]
    frame = Image.new("L", (sum(image.width for image in images), max(image.height for image in images)), 170)
    left = 0
    for image in images:
        frame.paste(image, (left, 0))
        left += image.width
    frame.save(path)
