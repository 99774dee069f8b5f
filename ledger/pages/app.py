"""The pages: each is made anew at the server from the index, in English or Chinese, and works without scripts."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from web3 import Web3

from interline.cities import NO_END, CityFile
from interline.contracts import load_abi
from interline.errors import InterlineError
from interline.money import format_yuan
from interline.tariff import Station, load_tariff
from ledger.bank_reference import reference_text
from ledger.errors import IndexFileError, LedgerError
from ledger.head import Head
from ledger.index.store import Index
from ledger.pages import charts, query
from ledger.pages.errors import NoSuchPageError
from ledger.pages.live import Follower, State
from ledger.pages.text import LANGUAGES, NAMES, Text
from ledger.statement.build import build_statement
from ledger.statement.formats import FORMATS, file_name, form_of
from ledger.statement.model import Basis
from ledger.statement.period import Period

logger = logging.getLogger(__name__)

HERE: Final = Path(__file__).resolve().parent
CLOCK: Final = ZoneInfo("Asia/Shanghai")
"""By which pages name times."""
TICK: Final = 0.1
"""Seconds between two looks for a new block, of each page that is open."""
HEARTBEAT: Final = 5.0
ROWS: Final = 50
"""Of a list of batches."""
SHADES: Final = 5
"""Of the matrix: more is darker."""
_PATIENCE: Final = 20.0  # seconds for other statements to be made first
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class CityFigures:
    """What a city's page says besides: its days as an operator, its batches, transfers and corrections."""

    days: list[query.Day]
    batches: list[query.BatchRow]
    transfers: list[query.Transfer]
    corrected: Mapping[int, tuple[int, int]]
    corrections: list[query.CityCorrection]


@dataclass(frozen=True)
class Network:
    """What the overview says, as of one block: asked once for each block, and kept."""

    head: Head
    accounts: Mapping[int, query.Account]
    arrears: Mapping[tuple[int, int], int]
    fares: Mapping[tuple[int, int], tuple[int, int]]
    days: list[query.Day]
    members: Mapping[int, query.Member]
    proposals: list[query.Proposal]
    disputes: list[query.OpenDispute]
    batches: list[query.BatchRow]
    deposits: int
    withdrawals: int
    by_city: dict[int, CityFigures] = field(default_factory=dict)
    """Those that were asked for."""

    @property
    def rides(self) -> int:
        """All that settled."""
        return sum(rides for rides, _ in self.fares.values())

    @property
    def amount(self) -> int:
        """Their fares, fen."""
        return sum(amount for _, amount in self.fares.values())

    @property
    def held(self) -> int:
        """All balances together, fen."""
        return sum(one.balance for one in self.accounts.values())

    @property
    def adds_up(self) -> bool:
        """Whether the balances are what came in less what went out."""
        return self.held == self.deposits - self.withdrawals

    @cached_property
    def shades(self) -> Mapping[tuple[int, int], int]:
        """1 to SHADES for each pair with fares, by their share of the most."""
        most = max((amount for _, amount in self.fares.values()), default=0) + 1
        return {pair: 1 + SHADES * amount // most for pair, (_, amount) in self.fares.items()}

    @cached_property
    def active(self) -> set[int]:
        """The members that have a vote."""
        return {code for code, one in self.members.items() if one.status == "active"}

    def open_votes(self) -> list[query.Proposal]:
        """Those that weren't carried out."""
        return [one for one in self.proposals if not one.executed_at]


@dataclass
class Pages:
    """All that the pages are made from."""

    index: Index
    follower: Follower
    cities: Mapping[int, CityFile]
    _network: Network | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stations: dict[int, Mapping[int, Station]] = field(default_factory=dict)
    making: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(1))
    """Statements are made one at a time: together they could take all of the memory."""

    def network(self) -> Network:
        """As of the newest block. Raises IndexFileError where nothing is indexed yet."""
        with self._lock:
            head = self.index.head()
            if self._network is None or self._network.head != head:
                cursor = self.index.cursor()
                cursor.begin()  # all of it as of one block, whatever is indexed meanwhile
                try:
                    self._network = Network(
                        head,
                        query.accounts(cursor),
                        query.arrears(cursor),
                        query.fares(cursor),
                        query.days(cursor),
                        query.members(cursor),
                        query.proposals(cursor),
                        query.open_disputes(cursor),
                        query.latest_batches(cursor),
                        *query.transferred(cursor),
                    )
                finally:
                    cursor.rollback()
            return self._network

    def city(self, code: int, network: Network) -> CityFigures:
        """Of one city, asked once for each block."""
        if code not in network.by_city:
            cursor = self.index.cursor()
            network.by_city[code] = CityFigures(
                query.days(cursor, code),
                query.latest_batches(cursor, code),
                query.transfers(cursor, code),
                query.corrected(cursor, code),
                query.city_corrections(cursor, code),
            )
        return network.by_city[code]

    def stations(self, operator: int) -> Mapping[int, Station]:
        """A city's by their numbers, as far as its file is there."""
        if operator not in self._stations:
            self._stations[operator] = {}
            if operator in self.cities:
                try:
                    tariff = load_tariff(self.cities[operator].tariff)
                    self._stations[operator] = {station.number: station for station in tariff.stations}
                except InterlineError as error:
                    logger.warning("stations of %d have no names: %s", operator, error)
        return self._stations[operator]

    def name(self, code: int, language: str, network: Network) -> str:
        """A city's name in a language: its file's Chinese one, the registry's, or its code."""
        file, member = self.cities.get(code), network.members.get(code)
        if language == "zh" and file is not None and file.name_zh:
            return file.name_zh
        return member.name if member else file.name if file else str(code)

    def station(self, operator: int, number: int, text: Text) -> str:
        """A station's name, or its number."""
        if not number:
            return text.unknown_station
        found = self.stations(operator).get(number)
        if found is None:
            return str(number)
        return (text.language == "zh" and found.name_zh) or found.name


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
        self._templates.filters |= {"yuan": _yuan, "count": _count, "when": _when, "day": _day, "reference": _reference}
        self._templates.globals |= {
            "no_end": NO_END,
            "version": _version(),
            "has_charts": (HERE / "static/vendor/echarts.min.js").exists(),
        }

    def page(
        self, request: Request, template: str, network: Network | None, status: int = 200, **values: Any
    ) -> Response:
        """One page in the language of its address."""
        language = request.path_params.get("language", "en")
        language = language if language in LANGUAGES else "en"
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
        return HTMLResponse(body, status, {**_HEADERS, "Cache-Control": "no-cache"})


def make_app(index: Index, follower: Follower, cities: Iterable[CityFile]) -> Starlette:
    """The application: of an index that a follower keeps up to date, with the cities' files."""
    pages = Pages(index, follower, {city.code: city for city in cities})
    views = _Views(pages, Renderer(pages))
    app = Starlette(
        routes=[
            Route("/", views.home),
            Route("/live", views.live),
            Route("/healthz", views.health),
            Mount("/static", StaticFiles(directory=HERE / "static")),
            Route("/{language}/", views.overview),
            Route("/{language}/cities/{city:int}", views.city),
            Route("/{language}/cities/{city:int}/statement", views.statement),
            Route("/{language}/batches", views.batches),
            Route("/{language}/batches/{batch}", views.batch),
            Route("/{language}/batches/{batch}/rides/{index:int}", views.ride),
            Route("/{language}/votes", views.votes),
        ],
        middleware=[Middleware(_Timed), Middleware(GZipMiddleware, minimum_size=1_000, compresslevel=4)],
        exception_handlers={
            NoSuchPageError: views.lost,
            HTTPException: views.lost,
            IndexFileError: views.empty,
            LedgerError: views.wrong,
        },
    )
    app.state.pages = pages
    return app


class _Views:
    """What each address answers."""

    def __init__(self, pages: Pages, renderer: Renderer) -> None:
        self._pages, self._renderer = pages, renderer

    def home(self, request: Request) -> Response:
        """To the reader's language."""
        wanted = [one.split(";")[0].strip().lower() for one in request.headers.get("accept-language", "").split(",")]
        language = next((one[:2] for one in wanted if one[:2] in LANGUAGES), "en")
        return RedirectResponse(f"/{language}/", headers={"Vary": "Accept-Language"})

    def overview(self, request: Request) -> Response:
        """The network at a glance."""
        network, text = self._begin(request)
        flows = charts.net_flows(network.fares)
        return self._renderer.page(
            request,
            "overview.html",
            network,
            codes=list(network.members),
            flows=flows,
            flows_chart=charts.flows_chart(flows, lambda code: self._pages.name(code, text.language, network)),
            days_chart=charts.days_chart(network.days, text.rides, text.settled_fares),
            batches=network.batches,
        )

    def city(self, request: Request) -> Response:
        """A city's account, and its statements."""
        network, text = self._begin(request)
        code = request.path_params["city"]
        if code not in network.members:
            raise NoSuchPageError(f"expected the code of a city that is or was a member, came {code}")
        figures = self._pages.city(code, network)
        return self._renderer.page(
            request,
            "city.html",
            network,
            code=code,
            member=network.members[code],
            account=network.accounts.get(code, query.Account()),
            corrected=figures.corrected,
            corrections=figures.corrections,
            others=[other for other in network.members if other != code],
            days=figures.days,
            days_chart=charts.days_chart(figures.days, text.rides, text.settled_fares),
            batches=figures.batches,
            transfers=figures.transfers,
            forms=list(FORMATS),
            period=_when(network.head.time)[:7],
        )

    def statement(self, request: Request) -> Response:
        """A statement in one of its forms, as a file."""
        self._begin(request)
        wanted = request.query_params
        form = form_of(wanted.get("form", ""))
        basis = wanted.get("basis", "")
        if basis not in set(Basis):
            raise NoSuchPageError(f"expected a basis, {' or '.join(Basis)}, came {basis!r}")
        period = Period.parse(wanted.get("period", ""))
        code = request.path_params["city"]
        if not self._pages.making.acquire(timeout=_PATIENCE):
            raise LedgerError("expected a free moment, other statements are being made: try again in a few seconds")
        try:
            made = build_statement(self._pages.index, code, period, Basis(basis), cities=self._pages.cities.values())
            body = form.write(made)
        finally:
            self._pages.making.release()
        headers = {**_HEADERS, "Content-Disposition": f'attachment; filename="{file_name(made, form)}"'}
        return Response(body, headers=headers, media_type=form.media_type)

    def batches(self, request: Request) -> Response:
        """All batches, a piece at a time, the newest first."""
        network, _ = self._begin(request)
        asked: dict[str, Any] = {key: _number(request, key) for key in ("issuer", "operator", "below")}
        for key in ("issuer", "operator"):
            if asked[key] is not None and asked[key] not in network.members:
                raise NoSuchPageError(f"expected the code of a city that is or was a member, came {asked[key]}")
        found = query.batches(self._pages.index.cursor(), **asked, most=ROWS + 1)
        older = found[ROWS - 1].number if len(found) > ROWS else None
        return self._renderer.page(request, "batches.html", network, batches=found[:ROWS], older=older, **asked)

    def batch(self, request: Request) -> Response:
        """A batch and its rides."""
        network, _ = self._begin(request)
        cursor = self._pages.index.cursor()
        batch = query.batch(cursor, request.path_params["batch"])
        rides, refused = query.rides(cursor, batch), query.refused(cursor, batch)
        return self._renderer.page(request, "batch.html", network, batch=batch, rides=rides, refused=refused)

    def ride(self, request: Request) -> Response:
        """A ride, and what became of it."""
        network, _ = self._begin(request)
        cursor, index = self._pages.index.cursor(), request.path_params["index"]
        batch = query.batch(cursor, request.path_params["batch"])
        ride = query.ride(cursor, batch, index)
        history = query.corrections(cursor, batch, index)
        return self._renderer.page(request, "ride.html", network, batch=batch, ride=ride, history=history)

    def votes(self, request: Request) -> Response:
        """The members, and what they vote on."""
        network, text = self._begin(request)
        acts = {one.number: self._act(one, text, network) for one in network.proposals}
        needed = {one.number: _votes_needed(one, network.active) for one in network.proposals}
        holdings = query.holdings(self._pages.index.cursor())
        return self._renderer.page(request, "votes.html", network, acts=acts, needed=needed, holdings=holdings)

    def lost(self, request: Request, error: Exception) -> Response:
        """There is no such page."""
        said = str(error) if isinstance(error, NoSuchPageError) else ""
        return self._renderer.page(request, "error.html", self._known(), 404, said=said, title="lost_title")

    def empty(self, request: Request, error: Exception) -> Response:
        """Nothing is indexed yet; the page comes by itself when something is."""
        return self._renderer.page(request, "error.html", None, 503, said="", title="empty_title")

    def wrong(self, request: Request, error: Exception) -> Response:
        """What was asked for can't be made; the error says why."""
        return self._renderer.page(request, "error.html", self._known(), 400, said=str(error), title="wrong_title")

    def health(self, request: Request) -> Response:
        """For programs that watch the server: how it stands to the chain; 503 where it doesn't follow it."""
        standing = self._pages.follower.standing
        document = {"state": str(standing.state), "block": standing.head, "problem": standing.problem}
        well = standing.state in (State.LIVE, State.ARCHIVE)
        return JSONResponse(document, 200 if well else 503, {**_HEADERS, "Cache-Control": "no-store"})

    async def live(self, request: Request) -> Response:
        """An event for each new block and each change of how the pages stand to the chain."""
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._events(), media_type="text/event-stream", headers=headers)

    async def _events(self) -> AsyncIterator[str]:
        told, at = None, 0.0
        while True:
            standing, now = self._pages.follower.standing, time.monotonic()
            if standing != told or now > at + HEARTBEAT:
                told, at = standing, now
                yield f"data: {json.dumps({'state': standing.state, 'head': standing.head})}\n\n"
            await asyncio.sleep(TICK)

    def _begin(self, request: Request) -> tuple[Network, Text]:
        if request.path_params["language"] not in LANGUAGES:
            raise HTTPException(404)
        return self._pages.network(), Text(request.path_params["language"])

    def _known(self) -> Network | None:
        try:
            return self._pages.network()
        except IndexFileError:
            return None

    def _act(self, proposal: query.Proposal, text: Text, network: Network) -> str:
        for contract in ("CityRegistry", "Clearinghouse"):
            try:
                abi = Web3().eth.contract(abi=load_abi(contract))
                function, arguments = abi.decode_function_input(proposal.data)
            except ValueError:
                continue
            code = arguments.get("code", arguments.get("city", 0))
            return text.act_words(function.fn_name, self._pages.name(code, text.language, network))
        return proposal.data[:10]


class _Timed:
    """Says in `Server-Timing` how many milliseconds the application took."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, timed."""
        started = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                spent = (time.perf_counter() - started) * 1_000
                message["headers"].append((b"server-timing", f"app;dur={spent:.2f}".encode()))
            await send(message)

        await self._app(scope, receive, timed if scope["type"] == "http" else send)


def _number(request: Request, key: str) -> int | None:
    """A number in the query of an address; None where it isn't there."""
    text = request.query_params.get(key, "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NoSuchPageError(f"{key}: expected a number, came {text[:40]!r}")
    return int(text) if text else None


def _votes_needed(proposal: query.Proposal, active: set[int]) -> int:
    """Two thirds of the active members, rounded up; of the others, where it suspends or expels one."""
    voters = set(active)
    for name in ("suspend", "expel"):
        if proposal.data.startswith(_selector(name)):
            voters.discard(int(proposal.data[10:74], 16))
    return max(1, (2 * len(voters) + 2) // 3)


def _selector(name: str) -> str:
    return Web3.to_hex(Web3.keccak(text=f"{name}(uint16)")[:4])


def _yuan(fen: int) -> str:
    return format_yuan(fen).replace("-", "−")


def _count(number: int) -> str:
    return f"{number:,}"


def _when(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).astimezone(CLOCK).strftime("%Y-%m-%d %H:%M")


def _day(second: int) -> str:
    return _when(second)[:10]


def _reference(raw: bytes) -> str:
    return reference_text(raw) or ""


def _version() -> str:
    """Changes with the static files, so that browsers keep no old ones."""
    return str(max(int(path.stat().st_mtime) for path in (HERE / "static").rglob("*") if path.is_file()))
