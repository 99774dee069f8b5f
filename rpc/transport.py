"""How a request gets to a node and its answer back: bytes each way, or why none came."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import requests

from interline.safe_text import safe_text

TIMEOUT: Final = 20.0
"""Seconds without a byte from the node until it counts as away."""
PATIENCE: Final = 30.0
"""Seconds that a node which says "too many requests" is waited for in all."""
LONGEST: Final = 120.0
"""Seconds that an answer may take to come in, whatever trickles in meanwhile."""
MOST_ANSWERED: Final = 256 * 1024 * 1024
"""Bytes of an answer."""
_PAUSE: Final = 0.5  # seconds, where the node doesn't say how long; doubled each time
_CHUNK: Final = 65_536
_SHOWN: Final = 200  # characters of an answer in a message
_TOO_MANY: Final = 429
_AWAY: Final = (500, 502, 503, 504, 520, 521, 522, 523, 524)
"""Statuses of a node, or of what stands before it, that can't answer just now."""


class AwayError(Exception):
    """No answer came; says why."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came: HTTP's status, and the body."""

    status: int
    body: bytes
    retry_after: float = 0.0
    """Seconds that the node asks to wait for; 0 where it doesn't say."""

    @property
    def shown(self) -> str:
        """The body's beginning, for a message."""
        text = self.body[: 4 * _SHOWN].decode("utf-8", "replace")[:_SHOWN]
        return safe_text(" ".join(text.split())) or "nothing"


class Transport(Protocol):
    """A way to a node."""

    name: str
    """For messages."""

    def post(self, body: bytes) -> Response:
        """Send a request; raises AwayError where no answer comes."""

    def stream(self, body: bytes) -> AbstractContextManager[Iterator[bytes]]:
        """Send a request whose answer may be longer than one wants to have, and read it piece by piece.

        Raises AwayError where no answer comes, or no more of it.
        """


class HttpTransport:
    """A node at an address on the web.

    Args:
        url: where it is; what stands in it before the host, or in its path, isn't shown in messages: it may be a key.
        headers: of HTTP, such as those that a provider wants to see.
        wait: called with seconds before a request is sent again.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url
        self._headers = dict(headers or {})
        self.name = shown_address(url)
        self._timeout = timeout
        self._wait = wait
        self._session = requests.Session()

    def post(self, body: bytes) -> Response:
        """Send a request; one that the node calls one too many is sent again, when it says or after a while."""
        waited, pause = 0.0, _PAUSE
        while (response := self._once(body)).status == _TOO_MANY:
            after = min(response.retry_after or pause, PATIENCE)
            if waited + after > PATIENCE:
                raise AwayError(f"too many requests (HTTP 429), also after {waited:.0f} s: {response.shown}")
            self._wait(after)
            waited, pause = waited + after, 2 * pause
        if response.status in _AWAY and not _is_json(response.body):
            raise AwayError(f"HTTP {response.status}: {response.shown}")
        return response

    @contextmanager
    def stream(self, body: bytes) -> Iterator[Iterator[bytes]]:
        """The answer's bytes as they come; its status is not looked at."""
        with _away(), self._sent(body) as answer:
            yield answer.iter_content(_CHUNK)

    def _sent(self, body: bytes) -> requests.Response:
        headers = {"Content-Type": "application/json"} | self._headers
        return self._session.post(
            self.url, data=body, headers=headers, timeout=self._timeout, stream=True, allow_redirects=False
        )

    def _once(self, body: bytes) -> Response:
        with _away(), self._sent(body) as answer:
            return Response(answer.status_code, _whole(answer), _seconds(answer.headers.get("Retry-After")))


@contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except (requests.RequestException, OSError) as error:
        raise AwayError(f"no answer ({type(error).__name__})") from None
    except ValueError as error:  # an address that is none
        raise AwayError(f"no such address ({type(error).__name__})") from None


def shown_address(url: str) -> str:
    """A node's address without what may be a secret in it: user, password, path, and query."""
    scheme, _, rest = url.partition("://")
    host = rest.split("/")[0].split("?")[0].rpartition("@")[2]
    hidden = "/…" if rest.partition("/")[2] else ""
    return safe_text(f"{scheme}://{host}{hidden}") if host else safe_text(scheme)


def _whole(answer: Any) -> bytes:
    found, until = bytearray(), time.monotonic() + LONGEST
    for chunk in answer.iter_content(_CHUNK):
        found += chunk
        if len(found) > MOST_ANSWERED:
            raise OSError(f"an answer of more than {MOST_ANSWERED} bytes")
        if time.monotonic() > until:
            raise OSError(f"an answer that isn't whole after {LONGEST:.0f} s")
    return bytes(found)


def _seconds(text: str | None) -> float:
    """Of a Retry-After header; a date, or nothing, is 0."""
    return float(text) if text is not None and text.strip().isascii() and text.strip().isdigit() else 0.0


def _is_json(body: bytes) -> bool:
    return body.lstrip()[:1] in (b"{", b"[")
