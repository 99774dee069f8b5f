"""The addresses of the pages, and what each answers; every page works without scripts."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interline.chain_data import decode_call
from interline.cities import CityFile
from ledger.errors import IndexFileError, LedgerError
from ledger.index.store import Index
from ledger.pages import charts, query
from ledger.pages.errors import NoSuchPageError
from ledger.pages.live import Follower, State
from ledger.pages.network import Network, Pages
from ledger.pages.rendering import HEADERS, HERE, Renderer, language_of
from ledger.pages.text import LANGUAGES, Text
from ledger.pages.votes import Proposal
from ledger.statement.build import build_statement
from ledger.statement.formats import FORMATS, file_name, form_of
from ledger.statement.model import Basis
from ledger.statement.period import RelativePeriod, parse_period

logger = logging.getLogger(__name__)

TICK: Final = 0.1
"""Seconds between two looks for a new block, of each page that is open."""
HEARTBEAT: Final = 5.0
ROWS: Final = 50
"""Of a list of batches."""
MOST_WAITING: Final = 8
"""Statements that are asked for at once; more are told to come back."""


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
        middleware=[Middleware(_Finished), Middleware(GZipMiddleware, minimum_size=1_000, compresslevel=4)],
        exception_handlers={
            NoSuchPageError: views.lost,
            HTTPException: views.lost,
            IndexFileError: views.empty,
            LedgerError: views.wrong,
            Exception: views.broken,
        },
    )
    app.state.pages = pages
    return app


class _Views:
    """What each address answers."""

    def __init__(self, pages: Pages, renderer: Renderer) -> None:
        self._pages, self._renderer = pages, renderer
        self._making = CapacityLimiter(1)
        self._asked = 0

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
            account=network.accounts[code],
            corrected=network.corrected(code),
            corrections=figures.corrections,
            others=[other for other in network.members if other != code],
            days=figures.days,
            days_chart=charts.days_chart(figures.days, text.rides, text.settled_fares),
            batches=figures.batches,
            transfers=figures.transfers,
            forms=list(FORMATS),
            period=f"{self._pages.operating_day(code).day_of(network.head.time):%Y-%m}",
        )

    async def statement(self, request: Request) -> Response:
        """A statement in one of its forms, as a file. They are made one at a time, apart from what makes pages."""
        if self._asked >= MOST_WAITING:
            return await run_in_threadpool(self._busy, request)
        self._asked += 1
        try:
            return await to_thread.run_sync(self._make_statement, request, limiter=self._making)
        finally:
            self._asked -= 1

    def _busy(self, request: Request) -> Response:
        answer = self._renderer.page(
            request, "error.html", self._known(), 503, said=self._begin(request)[1].busy, own=True, title="busy_title"
        )
        answer.headers["Retry-After"] = "60"
        return answer

    def _make_statement(self, request: Request) -> Response:
        self._begin(request)
        wanted = request.query_params
        form = form_of(wanted.get("form", ""))
        basis = wanted.get("basis", "")
        if basis not in set(Basis):
            raise NoSuchPageError(f"expected a basis, {' or '.join(Basis)}, came {basis!r}")
        period = parse_period(wanted.get("period") or RelativePeriod.THIS_MONTH)
        code = request.path_params["city"]
        made = build_statement(self._pages.index, code, period, Basis(basis), cities=self._pages.cities.values())
        headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{file_name(made, form)}"'}
        return Response(form.write(made), headers=headers, media_type=form.media_type)

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
        holdings = query.holdings(self._pages.index.cursor())
        return self._renderer.page(request, "votes.html", network, acts=acts, holdings=holdings)

    def lost(self, request: Request, error: Exception) -> Response:
        """There is no such page, or it can't be asked for in that way."""
        if isinstance(error, HTTPException) and error.status_code == 405:
            said = Text(language_of(request)).method
            answer = self._renderer.page(
                request, "error.html", self._known(), 405, said=said, own=True, title="wrong_title"
            )
            answer.headers.update(error.headers or {})
            return answer
        said = str(error) if isinstance(error, NoSuchPageError) else ""
        return self._renderer.page(request, "error.html", self._known(), 404, said=said, own=False, title="lost_title")

    def broken(self, request: Request, error: Exception) -> Response:
        """Nobody foresaw it; the server's log has the error."""
        said = Text(language_of(request)).broken
        return self._renderer.page(request, "error.html", None, 500, said=said, own=True, title="broken_title")

    def empty(self, request: Request, error: Exception) -> Response:
        """Nothing is indexed yet; the page comes by itself when something is."""
        return self._renderer.page(request, "error.html", None, 503, said="", own=True, title="empty_title")

    def wrong(self, request: Request, error: Exception) -> Response:
        """What was asked for can't be made; the error says why."""
        return self._renderer.page(
            request, "error.html", self._known(), 400, said=str(error), own=False, title="wrong_title"
        )

    async def health(self, request: Request) -> Response:
        """For programs that watch the server: how it stands to the chain; 503 where it doesn't follow it."""
        standing = self._pages.follower.standing
        document = {"state": str(standing.state), "block": standing.head, "problem": standing.public_problem}
        well = standing.state in (State.LIVE, State.ARCHIVE)
        return JSONResponse(document, 200 if well else 503, {**HEADERS, "Cache-Control": "no-store"})

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

    def _act(self, proposal: Proposal, text: Text, network: Network) -> str:
        for contract in ("CityRegistry", "Clearinghouse"):
            call = decode_call(contract, bytes.fromhex(proposal.data[2:]))
            if call is not None:
                function, values = call
                arguments = dict(zip((one["name"] for one in function["inputs"]), values, strict=True))
                code = int(arguments.get("code") or arguments.get("city") or 0)
                return text.act_words(function["name"], self._pages.name(code, text.language, network))
        return proposal.data[:10]


class _Finished:
    """Puts the headers of HEADERS on every answer, and how many milliseconds it took into `Server-Timing`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, timed."""
        started = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                spent = (time.perf_counter() - started) * 1_000
                said = {name for name, _ in message["headers"]}
                everywhere = {**HEADERS, "Server-Timing": f"app;dur={spent:.2f}"}
                added = [(name.lower().encode(), value.encode()) for name, value in everywhere.items()]
                message["headers"] = [*message["headers"], *(one for one in added if one[0] not in said)]
            await send(message)

        await self._app(scope, receive, timed if scope["type"] == "http" else send)


def _number(request: Request, key: str) -> int | None:
    """A number in the query of an address; None where it isn't there."""
    text = request.query_params.get(key, "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NoSuchPageError(f"{key}: expected a number, came {text[:40]!r}")
    return int(text) if text else None
