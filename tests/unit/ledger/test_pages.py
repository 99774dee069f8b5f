"""The pages' answers, without a browser: languages, errors in words, and what an index must not slip into a page."""

from __future__ import annotations

import io
import socket
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from interline.cities import CityFile, load_cities
from ledger.cli import main
from ledger.errors import BooksError, IndexFileError, LedgerError, NoClearinghouseError
from ledger.index import query as index_query
from ledger.index.store import Index
from ledger.pages import app, live, query
from ledger.pages.app import make_app
from ledger.pages.live import Follower, State
from tests.support.deploy import REPOSITORY
from tests.support.index_rows import IndexRows, moment
from tests.support.patience import PATIENCE

SHANGHAI, HANGZHOU, XUZHOU = 3100, 3301, 3203


@pytest.fixture
def index() -> Iterator[Index]:
    with Index.open(":memory:", write=True) as opened:
        yield opened


@pytest.fixture
def rows(index: Index) -> IndexRows:
    """Two cities; Shanghai's riders rode twice in Hangzhou for 9.00 yuan, and one ride is disputed."""
    rows = IndexRows(index)
    shanghai, hangzhou = rows.admit(SHANGHAI, "Shanghai"), rows.admit(HANGZHOU, "Hangzhou")
    rows.deposit(shanghai, 10_000)
    batch = rows.settle(hangzhou, [(shanghai, 400), (shanghai, 500)], at=moment("2019-12-02 09:00"))
    rows.dispute(batch, 0)
    return rows


def client_of(index: Index, cities: list[CityFile] | None = None) -> TestClient:
    files = load_cities(REPOSITORY / "cities") if cities is None else cities
    return TestClient(make_app(index, Follower(index, None, files), files), follow_redirects=False)


@pytest.fixture
def client(index: Index, rows: IndexRows) -> TestClient:
    return client_of(index)


class TestLanguages:
    @pytest.mark.parametrize(
        ("accepts", "leads_to"),
        [
            ("zh-CN,zh;q=0.9,en;q=0.8", "/zh/"),
            ("en-GB", "/en/"),
            ("fr", "/en/"),
            ("", "/en/"),
            ("fr, zh;q=0.5", "/zh/"),
        ],
    )
    def test_the_front_door_leads_to_the_readers_language(
        self, client: TestClient, accepts: str, leads_to: str
    ) -> None:
        assert client.get("/", headers={"Accept-Language": accepts}).headers["location"] == leads_to

    def test_a_city_has_its_name_in_both(self, client: TestClient) -> None:
        assert "<h1>Shanghai</h1>" in client.get("/en/cities/3100").text
        assert "<h1>上海</h1>" in client.get("/zh/cities/3100").text

    def test_a_language_that_is_none_is_not_found(self, client: TestClient) -> None:
        assert client.get("/fr/").status_code == 404


class TestErrors:
    @pytest.mark.parametrize(
        ("path", "words"),
        [
            ("/en/cities/3203", "the code of a city that is or was a member, came 3203"),
            ("/en/batches/0xab", "0x and 64 hexadecimal digits"),
            (f"/en/batches/0x{'ab' * 32}", "of which a ride settled, there is none"),
            ("/en/nowhere", "Not found"),
        ],
    )
    def test_what_is_not_there_is_said(self, client: TestClient, path: str, words: str) -> None:
        answer = client.get(path)
        assert answer.status_code == 404
        assert words in answer.text

    @pytest.mark.parametrize(
        ("query", "status", "words"),
        [
            ("period=last+month&basis=accrual&form=csv", 400, "like 2019-12, 2019-12-05 or 2019, or one of this-month"),
            ("period=2019-12&basis=accrual&form=pdf", 400, "expected one of the forms"),
            ("period=2019-12&basis=mine&form=csv", 404, "expected a basis, accrual or settlement"),
            ("", 400, "expected one of the forms"),
        ],
    )
    def test_a_statement_that_cannot_be_made_is_answered_with_what_to_write(
        self, client: TestClient, query: str, status: int, words: str
    ) -> None:
        answer = client.get(f"/en/cities/3100/statement?{query}")
        assert (answer.status_code, words in answer.text) == (status, True)

    def test_an_empty_index_says_so(self, index: Index) -> None:
        answer = client_of(index).get("/en/")
        assert (answer.status_code, "Nothing is indexed yet" in answer.text) == (503, True)

    @pytest.mark.parametrize(("language", "words"), [("en", "Something went wrong"), ("zh", "服务器出错")])
    def test_an_error_that_nobody_foresaw_is_said_in_the_readers_language(
        self, index: Index, rows: IndexRows, monkeypatch: pytest.MonkeyPatch, language: str, words: str
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("the disk at /srv/books is full")

        monkeypatch.setattr(query, "batches", fail)
        client = TestClient(make_app(index, Follower(index, None, []), []), raise_server_exceptions=False)
        answer = client.get(f"/{language}/batches")
        assert (answer.status_code, words in answer.text, "/srv" in answer.text) == (500, True, False)
        assert "content-security-policy" in answer.headers

    def test_an_address_that_leads_nowhere_is_answered_in_its_language(self, client: TestClient) -> None:
        answer = client.get("/zh/nowhere")
        assert (answer.status_code, "未找到" in answer.text) == (404, True)

    def test_who_writes_is_told_that_pages_are_only_read(self, client: TestClient) -> None:
        answer = client.post("/en/")
        assert (answer.status_code, "only read" in answer.text) == (405, True)
        assert "GET" in answer.headers["allow"]

    def test_a_ride_number_beyond_all_numbers_is_none(self, client: TestClient, index: Index) -> None:
        batch = query.latest_batches(index.cursor())[0].batch_id
        assert client.get(f"/en/batches/{batch}/rides/{10**45}").status_code == 404


class TestSafety:
    def test_nobody_reads_the_nodes_address_in_what_keeps_it_from_answering(
        self, index: Index, rows: IndexRows, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def sync(*_: object, **__: object) -> None:
            raise LedgerError("expected the node's answer, came: Max retries exceeded with url: /v3/SECRET")

        monkeypatch.setattr(live, "sync", sync)
        monkeypatch.setattr(live, "INTERVAL", 0.01)
        follower = Follower(index, lambda: object(), [])  # type: ignore[arg-type, return-value]
        follower.start()
        try:
            assert _becomes(follower, State.LOST)
            client = TestClient(make_app(index, follower, []))
            assert not any("SECRET" in client.get(path).text for path in ("/healthz", "/en/", "/en/nowhere"))
        finally:
            follower.stop()

    def test_a_citys_name_is_text_and_no_markup(self, index: Index) -> None:
        IndexRows(index).admit(XUZHOU, "<script>alert(1)</script>")
        page = client_of(index, []).get("/en/").text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page

    def test_a_page_may_load_nothing_from_elsewhere(self, client: TestClient) -> None:
        policy = client.get("/en/").headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "script-src" not in policy

    def test_nothing_below_the_static_files_is_served(self, client: TestClient) -> None:
        assert client.get("/static/%2e%2e/app.py").status_code == 404

    def test_every_answer_says_how_long_it_took(self, client: TestClient) -> None:
        assert client.get("/en/").headers["server-timing"].startswith("app;dur=")


@pytest.mark.parametrize(
    ("at", "month"),
    [("2019-12-31 23:59", "2019-12"), ("2020-01-01 03:59", "2019-12"), ("2020-01-01 04:00", "2020-01")],
)
def test_the_month_that_a_citys_page_proposes_has_begun_by_the_citys_own_day(
    client: TestClient, rows: IndexRows, at: str, month: str
) -> None:
    rows.empty_block(at=moment(at))
    page = client.get(f"/en/cities/{HANGZHOU}").text
    assert f'name="period" value="{month}"' in page
    for period in (month, "this-month", "today", ""):
        answer = client.get(f"/en/cities/{HANGZHOU}/statement?period={period}&basis=accrual&form=json")
        assert (answer.status_code, answer.json()["period"]["is_over"]) == (200, False)
        assert answer.json()["period"]["name"].startswith(month)


def test_a_statement_of_a_time_before_the_membership_is_empty(client: TestClient) -> None:
    answer = client.get(f"/en/cities/{HANGZHOU}/statement?period=2018&basis=settlement&form=json")
    assert (answer.status_code, answer.json()["lines"]) == (200, [])


def test_a_new_block_is_on_the_next_page(client: TestClient, rows: IndexRows) -> None:
    before = client.get("/en/").text
    rows.deposit(HANGZHOU, 123_456)
    after = client.get("/en/").text
    assert "1,243.56" not in before
    assert "1,243.56" in after


class TestTheFollower:
    @pytest.mark.parametrize(
        ("error", "state"),
        [
            (LedgerError("expected the node's answer"), State.LOST),
            (BooksError("expected a balance above 0"), State.WRONG),
            (IndexFileError("expected an index of clearinghouse 0x01, it is of 0x02"), State.UNFIT),
            (NoClearinghouseError("there is no contract"), State.UNFIT),
            (RuntimeError("no space left on the disk"), State.BROKEN),
        ],
    )
    def test_it_says_how_it_stands_to_the_chain(
        self, index: Index, monkeypatch: pytest.MonkeyPatch, error: Exception, state: State
    ) -> None:
        problems = [error]

        def sync(*_: object, **__: object) -> None:
            if problems:
                raise problems[0]

        monkeypatch.setattr(live, "sync", sync)
        monkeypatch.setattr(live, "INTERVAL", 0.01)
        follower = Follower(index, lambda: object(), [])  # type: ignore[arg-type, return-value]
        follower.start()
        try:
            assert _becomes(follower, state)
            assert str(error) in follower.standing.problem
            problems.clear()
            assert _becomes(follower, State.LIVE)
        finally:
            follower.stop()


def _becomes(follower: Follower, state: State) -> bool:
    until = time.monotonic() + PATIENCE
    while follower.standing.state is not state and time.monotonic() < until:
        time.sleep(0.01)
    return follower.standing.state is state


class TestStatements:
    def test_who_asks_while_too_many_are_made_is_told_to_come_back(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(app, "MOST_WAITING", 0)
        answer = client.get(f"/en/cities/{HANGZHOU}/statement?period=2019-12&basis=accrual&form=json")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        assert "try again in a minute" in answer.text

    def test_no_form_of_a_statement_shows_a_tickets_serial(self, client: TestClient) -> None:
        address = f"/en/cities/{HANGZHOU}/statement?period=2019-12&basis=accrual"
        assert "serial" not in client.get(f"{address}&form=json").text
        with zipfile.ZipFile(io.BytesIO(client.get(f"{address}&form=csv").content)) as tables:
            assert not any(b"serial" in tables.read(name) for name in tables.namelist())


def test_what_does_not_add_up_is_named_on_every_page(
    index: Index, rows: IndexRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sync(*_: object, **__: object) -> None:
        raise BooksError("batch 0xabcd, ride 7: expected a signature of 3100")

    monkeypatch.setattr(live, "sync", sync)
    monkeypatch.setattr(live, "INTERVAL", 0.01)
    follower = Follower(index, lambda: object(), [])  # type: ignore[arg-type, return-value]
    follower.start()
    try:
        assert _becomes(follower, State.WRONG)
        client = TestClient(make_app(index, follower, []))
        for path in ("/en/", "/zh/batches", "/en/votes", f"/en/cities/{SHANGHAI}", "/healthz"):
            assert "batch 0xabcd, ride 7" in client.get(path).text
    finally:
        follower.stop()


def test_a_free_ride_was_not_refunded(rows: IndexRows, index: Index) -> None:
    rows.settle(HANGZHOU, [(SHANGHAI, 0)], at=moment("2019-12-02 10:00"))
    newest = query.latest_batches(index.cursor())[0]
    assert query.ride(index.cursor(), newest, 0).dispute == "none"


def test_a_dispute_hangs_on_what_was_not_refunded(client: TestClient, rows: IndexRows, index: Index) -> None:
    assert [one.amount for one in query.open_disputes(index.cursor())] == [400]
    batch = rows.settle(HANGZHOU, [(SHANGHAI, 700)], at=moment("2019-12-02 10:00"))
    rows.refund(batch, 0, 100)
    rows.dispute(batch, 0)
    rows.refund(batch, 0, 250)
    assert [one.amount for one in query.open_disputes(index.cursor())] == [400, 350]
    assert index_query.books(index.cursor()).pairs[SHANGHAI, HANGZHOU].disputed == 750


@pytest.mark.parametrize("path", ["/", "/static/pages.css", "/healthz", "/en/"])
def test_every_answer_has_the_headers_that_browsers_heed(client: TestClient, path: str) -> None:
    assert client.get(path).headers["x-content-type-options"] == "nosniff"


class TestTheCommand:
    def test_a_deployment_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        arguments = ["serve", "--deployments", str(tmp_path), "--index", str(tmp_path / "index.duckdb")]
        done = CliRunner().invoke(main, [*arguments, "--cities", str(REPOSITORY / "cities")])
        assert done.exit_code == 2
        assert f"expected a deployment's file at {tmp_path}/local.json" in done.output

    def test_a_file_that_is_no_deployments_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "local.json").write_text("[]")
        arguments = ["serve", "--deployments", str(tmp_path), "--index", str(tmp_path / "index.duckdb")]
        done = CliRunner().invoke(main, [*arguments, "--cities", str(REPOSITORY / "cities")])
        assert (done.exit_code, "it isn't one" in done.output) == (2, True)

    def test_a_port_that_is_taken_is_named(self, tmp_path: Path) -> None:
        with Index.open(tmp_path / "index.duckdb", write=True) as made:
            IndexRows(made).admit(SHANGHAI, "Shanghai")
        arguments = ["serve", "--archive", "--index", str(tmp_path / "index.duckdb")]
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = str(other.getsockname()[1])
            done = CliRunner().invoke(main, [*arguments, "--cities", str(REPOSITORY / "cities"), "--port", port])
        assert (done.exit_code, f"port {port}" in done.output) == (2, True)

    def test_an_archive_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        arguments = ["serve", "--archive", "--index", str(tmp_path / "none.duckdb")]
        done = CliRunner().invoke(main, [*arguments, "--cities", str(REPOSITORY / "cities")])
        assert (done.exit_code, "there is no such file" in done.output) == (2, True)
