"""`make screenshots`: every page of the small world, on a desk and on a phone, in English and Chinese.

    python -m tests.browser.screenshots [--out docs/images/pages] [PLACE …]

The pictures are the same each time, for the same browser and fonts. Exit status: 0 made, 2 there is no browser.
"""

from __future__ import annotations

import io
import itertools
import tempfile
from pathlib import Path
from typing import Final

import click
from PIL import Image

from tests.browser.chromium import NoBrowserError, running_chromium
from tests.browser.places import PLACES, paths_in
from tests.browser.server import serving
from tests.browser.visiting import DEVICES, LANGUAGES, Device, Language, Visitor
from tests.support.deploy import REPOSITORY
from tests.support.small_world import small_world

OUT: Final = REPOSITORY / "docs" / "images" / "pages"
_DRAWN: Final = 800
"""Milliseconds in which the charts are drawn."""
COLOURS: Final = 255
TALLEST: Final = {"desktop": 2_400, "phone": 3_200}
"""Pixels of a page that a picture shows, from its top."""


@click.command()
@click.argument("places", nargs=-1, type=click.Choice(PLACES))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=OUT, help="Folder of the pictures.")
def main(places: tuple[str, ...], out: Path) -> None:
    """Takes the pictures of the pages (of PLACES, or all)."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        with (
            running_chromium() as browser,
            small_world() as small,
            tempfile.TemporaryDirectory() as folder,
            serving(Path(folder), small.deployment(), small.url) as server,
        ):
            visitor, paths = Visitor(browser, server.url), paths_in(small)
            for place, device, language in itertools.product(places or PLACES, DEVICES, LANGUAGES):
                picture = _take(visitor, paths[place], device, language)
                path = out / f"{place}-{device}-{language}.png"
                path.write_bytes(picture)
                click.echo(f"{path.name}: {len(picture) // 1024} KiB")
    except NoBrowserError as error:
        raise SystemExit(f"{error}") from error


def _take(visitor: Visitor, path: str, device: Device, language: Language) -> bytes:
    with visitor.visit(f"/{language}{path}", device=device, language=language) as visit:
        visit.page.wait_for_timeout(_DRAWN)
        shown = visit.page.screenshot(full_page=True)
    return _small(shown, TALLEST[device])


def _small(picture: bytes, tallest: int) -> bytes:
    """The same picture in fewer bytes: its top, in a palette."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image = image.crop((0, 0, image.width, min(image.height, tallest)))
    image = image.quantize(COLOURS, dither=Image.Dither.NONE)
    saved = io.BytesIO()
    image.save(saved, "PNG", optimize=True)
    return saved.getvalue()


if __name__ == "__main__":
    main(prog_name="python -m tests.browser.screenshots")
