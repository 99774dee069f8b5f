"""Where Chromium is, and how it is started. Debian's is used: Playwright's own is never downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")


class NoBrowserError(Exception):
    """There is no Chromium; says what to install."""


def chromium_path() -> Path:
    """The browser that CHROMIUM names, or the first of NAMES on the PATH.

    Raises NoBrowserError where there is none.
    """
    named = os.environ.get("CHROMIUM")
    if named is not None:
        if os.access(named, os.X_OK):
            return Path(named)
        raise NoBrowserError(f"expected a browser at CHROMIUM={named}; no program is there")
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return Path(found)
    raise NoBrowserError(
        f"expected one of {', '.join(NAMES)} on the PATH, found none: run `make tools` (it installs Debian's package "
        "chromium), or name your own: CHROMIUM=/path/to/chromium"
    )


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """A headless browser; its pictures are the same on every screen."""
    arguments = ["--force-color-profile=srgb", "--font-render-hinting=none", "--hide-scrollbars"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium refuses to start with one as root
    executable = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        try:
            yield browser
        finally:
            browser.close()
