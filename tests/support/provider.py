"""A node behind a provider with habits: it limits, refuses, leaves out and breaks off as providers have been seen to.

    with Provider(chain.url, limited_range(10, status=413)) as provider:
        provider.url                # asks the chain, and answers by that habit
        provider.asked              # the methods that were asked for, in their order; a list for many at once

A habit is a function of what is asked (a request, or a list of them) and of a way to ask the chain; it gives HTTP's
status, headers and body.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import requests

Came = tuple[int, Mapping[str, str], bytes]
"""Status, headers and body; a status of 0 breaks the connection off."""
Habit = Callable[[Any, Callable[[Any], Any]], Came]


class Provider:
    """The provider; use it with `with`."""

    def __init__(self, url: str, habit: Habit) -> None:
        self.habit = habit
        self.asked: list[Any] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                many = isinstance(asked, list)
                provider.asked.append([one["method"] for one in asked] if many else asked["method"])
                status, headers, body = provider.habit(
                    asked, lambda ask: requests.post(url, json=ask, timeout=60).json()
                )
                if not status:
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _of_the_chain(url: str, asked: Any) -> Any:
    return requests.post(url, json=asked, timeout=60).json()


def said(document: Any, status: int = 200, **headers: str) -> Came:
    """A JSON document as what came."""
    return status, headers, json.dumps(document).encode()


def well(asked: Any, ask: Callable[[Any], Any]) -> Came:
    """No habit at all."""
    return said(ask(asked))


def limited_range(most: int, status: int = 200) -> Habit:
    """Logs of at most so many blocks."""

    def habit(asked: Any, ask: Callable[[Any], Any]) -> Came:
        for one in asked if isinstance(asked, list) else [asked]:
            if one["method"] == "eth_getLogs":
                given = one["params"][0]
                if int(given["toBlock"], 16) - int(given["fromBlock"], 16) + 1 > most:
                    return said(refusal(one, -32602, f"at most {most} blocks"), status)
        return well(asked, ask)

    return habit


def limited_results(most: int) -> Habit:
    """At most so many logs."""

    def habit(asked: Any, ask: Callable[[Any], Any]) -> Came:
        found = ask(asked)
        if isinstance(asked, dict) and asked["method"] == "eth_getLogs" and len(found["result"]) > most:
            return said(refusal(asked, -32005, f"query returned more than {most} results"))
        return said(found)

    return habit


def limited_batch(most: int, status: int = 200) -> Habit:
    """At most so many requests at once; 0: none together."""

    def habit(asked: Any, ask: Callable[[Any], Any]) -> Came:
        if isinstance(asked, list) and len(asked) > most:
            return said({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "too many"}}, status)
        return well(asked, ask)

    return habit


def one_too_many(each: int, **headers: str) -> Habit:
    """Each so-manieth request is one too many."""
    numbers = itertools.count(1)

    def habit(asked: Any, ask: Callable[[Any], Any]) -> Came:
        if next(numbers) % each == 0:
            return said({"error": "too many requests"}, 429, **headers)
        return well(asked, ask)

    return habit


def changed(method: str, change: Callable[[Any], Any]) -> Habit:
    """The results of one method are others."""

    def habit(asked: Any, ask: Callable[[Any], Any]) -> Came:
        found = ask(asked)
        answers = found if isinstance(found, list) else [found]
        for one, answer in zip(asked if isinstance(asked, list) else [asked], answers, strict=True):
            if one["method"] == method and "result" in answer:
                answer["result"] = change(answer["result"])
        return said(found)

    return habit


def always(status: int, body: bytes, **headers: str) -> Habit:
    """The same, whatever is asked."""
    return lambda asked, ask: (status, headers, body)


def refusal(asked: Mapping[str, Any], code: int, message: str) -> dict[str, Any]:
    """An error of JSON-RPC to a request."""
    return {"jsonrpc": "2.0", "id": asked["id"], "error": {"code": code, "message": message}}
