"""What axe-core finds wrong with a page: WCAG 2.2 at level AA.

The page must come from a context with `bypass_csp=True`: axe is put into it as a script, which its policy forbids.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

AXE: Final = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
TAGS: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
SHOWN: Final = 5
"""Elements named of each violation."""


def violations(page: Page) -> list[str]:
    """A line for each broken rule, with the elements that break it; empty where all is well."""
    page.add_script_tag(path=AXE)
    options = {"runOnly": {"type": "tag", "values": list(TAGS)}, "resultTypes": ["violations"]}
    found: list[dict[str, Any]] = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [_line(one) for one in found]


def _line(violation: dict[str, Any]) -> str:
    nodes = violation["nodes"]
    places = "; ".join(f"{' '.join(map(str, node['target']))} ({_why(node)})" for node in nodes[:SHOWN])
    more = f"; {len(nodes) - SHOWN} more" if len(nodes) > SHOWN else ""
    return f"{violation['id']}: {violation['help']}: {places}{more}"


def _why(node: dict[str, Any]) -> str:
    return " ".join(str(node["failureSummary"]).split())[:200]
