"""Opening a page as a person would, on a desk or on a phone, and writing down what went wrong meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize

from tests.support.patience import PATIENCE

Language = Literal["en", "zh"]
Device = Literal["desktop", "phone"]
Scheme = Literal["light", "dark"]

LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")
DEVICES: Final[tuple[Device, ...]] = ("desktop", "phone")
VIEWPORTS: Final[dict[Device, ViewportSize]] = {
    "desktop": {"width": 1340, "height": 900},
    "phone": {"width": 390, "height": 844},
}
LOCALES: Final = {"en": "en-GB", "zh": "zh-CN"}


@dataclass
class Visit:
    """A page that is open, and what its visitor would complain about."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """Errors on the console, failed requests, answers from 400 on."""
    strangers: list[str] = field(default_factory=list)
    """Requests to any other host than the pages' own."""

    def overflow(self) -> int:
        """By how many pixels the page is wider than the screen."""
        wide: int = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return wide


@dataclass(frozen=True)
class Visitor:
    """Someone with a browser, before the pages of one server."""

    browser: Browser
    url: str
    """Of the server, without a slash at its end."""

    @contextmanager
    def visit(
        self,
        path: str,
        *,
        device: Device = "desktop",
        scheme: Scheme = "light",
        language: Language = "en",
        scripts: bool = True,
        bypass_csp: bool = False,
        scale: float = 1,
    ) -> Iterator[Visit]:
        """Open a page in a profile of its own; motion is reduced, so that nothing is seen half-way."""
        context = self.browser.new_context(
            base_url=self.url,
            viewport=VIEWPORTS[device],
            device_scale_factor=scale,
            is_mobile=device == "phone",
            has_touch=device == "phone",
            color_scheme=scheme,
            locale=LOCALES[language],
            timezone_id="Asia/Shanghai",
            reduced_motion="reduce",
            java_script_enabled=scripts,
            bypass_csp=bypass_csp,
            accept_downloads=True,
        )
        context.set_default_timeout(1_000 * PATIENCE)
        try:
            page = context.new_page()
            visit = Visit(page)
            self._listen(visit)
            page.goto(path, wait_until="load")
            yield visit
        finally:
            context.close()

    def _listen(self, visit: Visit) -> None:
        def console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                visit.complaints.append(f"{message.type}: {message.text}")

        def requested(request: Request) -> None:
            if not request.url.startswith((self.url + "/", "data:", "blob:")):
                visit.strangers.append(request.url)

        def answered(response: Any) -> None:
            if response.status >= 400:
                visit.complaints.append(f"{response.status} of {response.url}")

        visit.page.on("console", console)
        visit.page.on("pageerror", lambda error: visit.complaints.append(f"uncaught: {error}"))
        visit.page.on("request", requested)
        visit.page.on("response", answered)
