"""A node between a test and its chain, which passes everything on but the traces: those it refuses, or makes up.

with NodeProxy(chain.url) as node:
    node.url                                 # refuses traces, as most nodes do
    node.trace = lambda tx: b"..."           # the body of the answer to a request for one
    node.lost.add("0x...")                   # a transaction that it says it hasn't got
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import requests

REFUSED = (
    b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"the method debug_traceTransaction does not exist"}}'
)


class NodeProxy:
    """The node; use it with `with`. `asked` counts the traces that were asked for."""

    def __init__(self, url: str) -> None:
        self.trace: Callable[[str], bytes] | None = lambda tx: REFUSED
        """Makes the answer for a transaction; None passes the request on."""
        self.lost: set[str] = set()
        self.asked = 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = proxy._answer(url, body)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                try:
                    self.wfile.write(answer)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # the client has read enough

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _answer(self, url: str, body: bytes) -> bytes:
        asked = json.loads(body)
        if isinstance(asked, dict) and asked["method"] == "debug_traceTransaction":
            self.asked += 1
            if self.trace is not None:
                return self.trace(asked["params"][0])
        answer = requests.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=60).content
        if not self.lost:
            return answer
        calls = asked if isinstance(asked, list) else [asked]
        found = json.loads(answer)
        for call, one in zip(calls, found if isinstance(found, list) else [found], strict=True):
            if call["method"] == "eth_getTransactionByHash" and call["params"][0] in self.lost:
                one["result"] = None
        return json.dumps(found).encode()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
