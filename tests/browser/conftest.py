"""One browser, one world and one server for all tests of the pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import NoBrowserError, running_chromium
from tests.browser.places import paths_in
from tests.browser.server import Server, serving
from tests.browser.visiting import Visitor
from tests.browser.wire import Wire
from tests.support.patience import PATIENCE
from tests.support.small_world import SmallWorld, small_world

expect.set_options(timeout=1_000 * PATIENCE)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium. No skip where it isn't there: who runs these tests wants to know of the pages."""
    try:
        with running_chromium() as running:
            yield running
    except NoBrowserError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def small() -> Iterator[SmallWorld]:
    """Its tests only ever add to it."""
    with small_world() as world:
        yield world


@pytest.fixture(scope="session")
def wire(small: SmallWorld) -> Iterator[Wire]:
    """Between the server and the node."""
    wire = Wire(small.chain.port)
    yield wire
    wire.close()


@pytest.fixture(scope="session")
def server(small: SmallWorld, wire: Wire, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`ledger serve` on the world."""
    with serving(tmp_path_factory.mktemp("server"), small.deployment(), wire.url) as running:
        yield running


@pytest.fixture(scope="session")
def visitor(browser: Browser, server: Server) -> Visitor:
    """Before the server's pages."""
    return Visitor(browser, server.url)


@pytest.fixture(scope="session")
def paths(small: SmallWorld) -> dict[str, str]:
    """Each page's path without its language, by its name in PLACES."""
    return paths_in(small)
