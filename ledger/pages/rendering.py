"""HTML of the templates, in one language, and how figures and times are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from interline.cities import NO_END
from interline.money import format_yuan
from interline.safe_text import moment_text
from ledger.bank_reference import reference_text
from ledger.pages.network import Network, Pages
from ledger.pages.text import LANGUAGES, NAMES, Text

HERE: Final = Path(__file__).resolve().parent
CLOCK: Final = ZoneInfo("Asia/Shanghai")
"""By which pages name times."""
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Renderer:
    """Makes HTML of the templates."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"yuan": _yuan, "count": _count, "when": when, "day": _day, "reference": _reference}
        self._templates.globals |= {
            "no_end": NO_END,
            "version": _version(),
            "has_charts": (HERE / "static/vendor/echarts.min.js").exists(),
        }

    def page(
        self, request: Request, template: str, network: Network | None, status: int = 200, **values: Any
    ) -> Response:
        """One page in the language of its address."""
        language = language_of(request)
        text = Text(language)
        other = next(one for one in LANGUAGES if one != language)
        rest = request.url.path.removeprefix(f"/{language}")
        query_ = f"?{request.url.query}" if request.url.query else ""
        body = self._templates.get_template(template).render(
            t=text,
            root=f"/{language}",
            other=other,
            other_name=NAMES[other],
            other_lang=LANGUAGES[other],
            other_path=f"/{other}{rest or '/'}{query_}",
            standing=self._pages.follower.standing,
            network=network,
            head=network.head if network else None,
            name=(lambda code: self._pages.name(code, language, network)) if network else str,
            station=lambda operator, number: self._pages.station(operator, number, text),
            path=rest,
            **values,
        )
        return HTMLResponse(body, status, {**HEADERS, "Cache-Control": "no-cache"})


def language_of(request: Request) -> str:
    """Of the address, also of one that leads nowhere; English where it says none."""
    first = request.url.path.split("/")[1] if "/" in request.url.path else ""
    return first if first in LANGUAGES else "en"


def _yuan(fen: int) -> str:
    return format_yuan(fen).replace("-", "−")


def _count(number: int) -> str:
    return f"{number:,}"


def when(second: int) -> str:
    """A time as pages show it: 2019-12-01 07:41."""
    return moment_text(second, "%Y-%m-%d %H:%M", CLOCK)


def _day(second: int) -> str:
    return moment_text(second, "%Y-%m-%d", CLOCK)


def _reference(raw: bytes) -> str:
    return reference_text(raw) or ""


def _version() -> str:
    """Changes with the static files, so that browsers keep no old ones."""
    return str(max(int(path.stat().st_mtime) for path in (HERE / "static").rglob("*") if path.is_file()))
