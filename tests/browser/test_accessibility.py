"""Every page, in both languages, on a desk and on a phone, light and dark: nothing that WCAG 2.2 AA forbids."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.axe import violations
from tests.browser.places import PLACES
from tests.browser.visiting import DEVICES, LANGUAGES, Device, Language, Scheme, Visitor

pytestmark = pytest.mark.browser


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Language:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> Device:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=PLACES)
def path(request: pytest.FixtureRequest, paths: dict[str, str]) -> str:
    """Of one of the pages, without its language."""
    return paths[request.param]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(visitor: Visitor, path: str, language: Language, device: Device, scheme: Scheme) -> None:
    with visitor.visit(f"/{language}{path}", device=device, scheme=scheme, language=language, bypass_csp=True) as visit:
        assert violations(visit.page) == []


def test_nothing_is_wider_than_the_screen_and_nobody_else_is_asked(
    visitor: Visitor, path: str, language: Language, device: Device
) -> None:
    with visitor.visit(f"/{language}{path}", device=device, language=language) as visit:
        visit.page.wait_for_timeout(300)
        assert visit.overflow() == 0
        assert (visit.complaints, visit.strangers) == ([], [])


def test_a_planted_violation_would_be_found(visitor: Visitor, paths: dict[str, str]) -> None:
    with visitor.visit(f"/en{paths['city']}", bypass_csp=True) as visit:
        visit.page.evaluate("document.documentElement.removeAttribute('lang')")
        assert [line.partition(":")[0] for line in violations(visit.page)] == ["html-has-lang"]


def test_the_page_says_its_language_and_its_title(visitor: Visitor, path: str, language: Language) -> None:
    with visitor.visit(f"/{language}{path}", language=language) as visit:
        expect(visit.page.locator("html")).to_have_attribute("lang", {"en": "en", "zh": "zh-Hans"}[language])
        assert visit.page.title()
        assert visit.page.locator("h1").count() == 1
