"""How a request gets to a node: what HTTP may do on the way."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from rpc.transport import PATIENCE, AwayError, HttpTransport, Response, shown_address
from tests.support.provider import Came, Habit, Provider, always, said

ASKED = b'{"id": 1, "method": "eth_chainId"}'


def post(habit: Habit, wait: Callable[[float], None] = time.sleep, **given: Any) -> Response:
    with Provider("http://127.0.0.1:1", habit) as provider:
        return HttpTransport(provider.url, wait=wait, **given).post(ASKED)


def in_turn(*came: Came) -> Habit:
    left = list(came)
    return lambda asked, ask: left.pop(0) if len(left) > 1 else left[0]


def test_what_comes_is_handed_on_with_its_status() -> None:
    assert post(always(200, b"{}")) == Response(200, b"{}")
    assert post(always(413, b'{"error": 1}')) == Response(413, b'{"error": 1}')
    assert post(always(404, b"nothing here")) == Response(404, b"nothing here")


def test_one_request_too_many_is_sent_again_when_the_node_says() -> None:
    waited: list[float] = []
    habit = in_turn(said({}, 429, **{"Retry-After": "7"}), said({}, 429), said({"result": 1}))
    assert post(habit, waited.append).status == 200
    assert waited == [7.0, 1.0]


@pytest.mark.parametrize("after", ["Wed, 21 Oct 2026 07:28:00 GMT", "-3", "", "soon", "1e9", "٣"])
def test_a_time_to_wait_that_can_t_be_read_is_the_clients_own(after: str) -> None:
    waited: list[float] = []
    habit = in_turn(said({}, 429, **{"Retry-After": after.encode("ascii", "replace").decode()}), said({"result": 1}))
    assert post(habit, waited.append).status == 200
    assert waited == [0.5]


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "3600"}, {"Retry-After": "1"}])
def test_a_node_that_goes_on_saying_so_counts_as_away(headers: dict[str, str]) -> None:
    waited: list[float] = []
    with pytest.raises(AwayError, match="too many requests"):
        post(in_turn(said({"error": "slow down"}, 429, **headers)), waited.append)
    assert sum(waited) <= PATIENCE


@pytest.mark.parametrize("status", [500, 502, 503, 504, 522])
def test_what_stands_before_a_node_that_is_away_says_so(status: int) -> None:
    with pytest.raises(AwayError, match=f"HTTP {status}: <html>bad gateway</html>"):
        post(always(status, b"<html>bad\n gateway</html>"))


def test_an_answer_with_a_status_of_failure_is_an_answer() -> None:
    assert post(always(500, b' {"error": {"code": 1}}')).status == 500


def test_a_connection_that_breaks_or_stays_silent_is_a_node_that_is_away() -> None:
    with pytest.raises(AwayError, match=r"no answer \(ConnectionError\)"):
        post(always(0, b""))
    with pytest.raises(AwayError, match=r"no answer \(ConnectionError\)"):
        HttpTransport("http://127.0.0.1:1").post(b"{}")
    with pytest.raises(AwayError, match=r"no answer \(ReadTimeout\)"):
        post(lambda asked, ask: (time.sleep(1), always(200, b"{}")(asked, ask))[1], timeout=0.2)


@pytest.mark.parametrize("url", ["", "no address", "ftp://node", "http://", "http://[", "http://node:port"])
def test_an_address_that_is_none_is_a_node_that_is_away(url: str) -> None:
    with pytest.raises(AwayError, match="no "):
        HttpTransport(url).post(b"{}")


def test_no_redirect_is_followed() -> None:
    assert post(always(307, b"", Location="http://127.0.0.1:9/")).status == 307


def test_headers_go_with_each_request() -> None:
    assert HttpTransport("http://node", headers={"X-Key": "1"})._headers == {"X-Key": "1"}


def test_a_long_answer_can_be_read_piece_by_piece() -> None:
    with Provider("http://127.0.0.1:1", always(200, b"x" * 200_000)) as provider:
        with HttpTransport(provider.url).stream(ASKED) as pieces:
            assert len(next(pieces)) == 65_536
        with HttpTransport(provider.url).stream(ASKED) as pieces:
            assert sum(map(len, pieces)) == 200_000
    with pytest.raises(AwayError), HttpTransport("http://127.0.0.1:1").stream(ASKED) as pieces:
        list(pieces)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("http://127.0.0.1:8545/", "http://127.0.0.1:8545"),
        ("https://node.example/v3/0123456789abcdef", "https://node.example/…"),
        ("https://user:secret@node.example/?key=1", "https://node.example/…"),
        ("https://node.example?key=secret", "https://node.example"),
        ("node\u202e.example", "node\\u202e.example"),
    ],
)
def test_an_address_is_shown_without_what_may_be_a_key(url: str, shown: str) -> None:
    assert shown_address(url) == shown
