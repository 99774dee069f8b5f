"""One browser for all tests of the pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import NoBrowserError, running_chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium. No skip where it isn't there: who runs these tests wants to know of the pages."""
    try:
        with running_chromium() as running:
            yield running
    except NoBrowserError as error:
        pytest.fail(str(error), pytrace=False)
