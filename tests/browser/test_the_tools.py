"""The tools of these tests themselves: what they would find."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.axe import violations
from tests.browser.chromium import NoBrowserError, chromium_path

pytestmark = pytest.mark.browser

GOOD = '<html lang="en"><title>A form</title><main><h1>Form</h1><label>City <input></label></main>'


class TestAxe:
    def test_a_form_with_its_label_has_no_violation(self, browser: Browser) -> None:
        page = browser.new_page()
        page.set_content(GOOD)
        assert violations(page) == []

    @pytest.mark.parametrize(
        ("good", "bad", "rule"),
        [
            ("<label>City <input></label>", "<input>", "label"),
            ('lang="en"', "", "html-has-lang"),
            ("<h1>", '<h1 style="color: #999; background: #fff">', "color-contrast"),
        ],
    )
    def test_a_planted_violation_is_named(self, browser: Browser, good: str, bad: str, rule: str) -> None:
        page = browser.new_page()
        page.set_content(GOOD.replace(good, bad))
        assert [line.partition(":")[0] for line in violations(page)] == [rule]


class TestTheBrowser:
    def test_without_one_it_is_said_what_to_install(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("CHROMIUM", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(NoBrowserError, match="run `make tools`"):
            chromium_path()

    def test_a_path_that_leads_nowhere_is_named(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("CHROMIUM", str(tmp_path / "chromium"))
        with pytest.raises(NoBrowserError, match=f"CHROMIUM={tmp_path}/chromium"):
            chromium_path()
