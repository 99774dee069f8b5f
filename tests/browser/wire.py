"""The wire between the server of the pages and its node, which a test can cut and mend."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from network.chain import HOST

_BYTES: Final = 65_536


class Wire:
    """Passes on what comes at its port to another one, while it isn't cut."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server((HOST, 0))
        self.port = int(self._listener.getsockname()[1])
        self._whole = threading.Event()
        self._whole.set()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """What the server takes for its node."""
        return f"http://{HOST}:{self.port}"

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Within, whoever is connected is thrown out, and so is whoever comes."""
        self._whole.clear()
        for one in list(self._open):
            _end(one)
        try:
            yield
        finally:
            self._whole.set()

    def close(self) -> None:
        """For good."""
        _end(self._listener)
        for one in list(self._open):
            _end(one)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._whole.is_set():
                    _end(near)
                    continue
                far = socket.create_connection((HOST, self._to))
                self._open |= {near, far}
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_BYTES):
                sink.sendall(data)
        for one in (source, sink):
            _end(one)
            self._open.discard(one)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
