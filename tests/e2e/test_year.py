"""The article's first year, small: the chain, and an index of it, come to what the generator reckoned."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from bench import ledger_peer
from demo.year.corrections import Kind
from demo.year.story import FIRST_DAY, PEAK_DAY, REPOSITORY, day_of
from interline.cities import load_cities
from ledger.chain import Chain
from ledger.index.store import Index
from ledger.index.sync import sync
from rpc.provider import node_of
from tests.support.year import YearWorld, year_world

RIDES = 600


@pytest.fixture(scope="module")
def year() -> Iterator[YearWorld]:
    with year_world(RIDES) as world:
        yield world


@pytest.fixture(scope="module")
def index(year: YearWorld) -> Iterator[Index]:
    with Index.open(":memory:", write=True) as index:
        sync(index, Chain(node_of(year.web3), year.clearinghouse), load_cities(REPOSITORY / "cities"), processes=1)
        yield index


def test_the_contracts_hold_what_the_year_was_reckoned_to_come_to(year: YearWorld) -> None:
    books = year.made.plan.schedule.books
    balances = Chain(node_of(year.web3), year.clearinghouse).balances()
    assert {city.code: city.balance for city in balances.cities} == dict(books.balances)
    assert {city.code: city.position for city in balances.cities} == {
        member.code: books.position(member.code) for member in year.made.plan.members
    }
    assert sum(city.arrears_owed for city in balances.cities) > 0


def test_the_index_comes_to_the_same(year: YearWorld, index: Index) -> None:
    books = year.made.plan.schedule.books
    rows = index.cursor().execute("SELECT issuer, operator, count(*), sum(fare) FROM rides GROUP BY ALL").fetchall()
    funds = index.cursor().execute("SELECT city, sum(amount) FROM postings WHERE account = 'funds' GROUP BY ALL")
    assert dict(funds.fetchall()) == dict(books.balances)
    assert {(issuer, operator): (rides, int(fares)) for issuer, operator, rides, fares in rows} == {
        pair: (totals.rides, totals.fares) for pair, totals in books.pairs.items() if totals.rides
    }


def test_every_ride_that_was_to_be_refused_was_and_no_other(year: YearWorld, index: Index) -> None:
    reasons = year.made.plan.rides.reason
    [(settled,)] = index.cursor().execute("SELECT count(*) FROM rides").fetchall()
    refused = index.cursor().execute("SELECT (arguments->>'reason')::INTEGER FROM events WHERE name = 'RideRejected'")
    assert settled == RIDES
    assert Counter(reason for (reason,) in refused.fetchall()) == Counter(reasons[reasons > 0].tolist())


def test_everything_that_may_befall_a_ride_befell_some(year: YearWorld, index: Index) -> None:
    told = dict(index.cursor().execute("SELECT name, count(*) FROM events GROUP BY ALL").fetchall())
    corrected = {kind: len(some) for kind, some in year.made.plan.schedule.corrected.items()}
    disputed = sum(corrected[kind] for kind in (Kind.ANSWERED, Kind.UNANSWERED, Kind.GIVEN_BACK, Kind.OPEN))
    assert told["RideDisputed"] == disputed
    assert told["RideUpheld"] == corrected[Kind.ANSWERED]
    assert told["TicketRevoked"] == corrected[Kind.REVOKED]
    assert told["RideRefunded"] == sum(corrected.values()) - corrected[Kind.ANSWERED] - corrected[Kind.OPEN]
    assert min(told[name] for name in ("Deposited", "Withdrawn", "ArrearsPaid")) > 0
    assert min(corrected.values()) > 0


def test_eight_cities_are_admitted_by_vote_on_their_day(year: YearWorld, index: Index) -> None:
    rows = index.cursor().execute(
        """SELECT (arguments->>'city')::INTEGER, time FROM events JOIN blocks ON block = number
        WHERE name = 'CityAdmitted' ORDER BY block, place"""
    )
    came = {city: day_of(time) for city, time in rows.fetchall()}
    founded = date(2018, 11, 26)
    assert came == {it.code: founded if it.founder else it.joined for it in year.made.plan.members}


def test_blocks_carry_the_dates_of_the_year(year: YearWorld) -> None:
    eth = year.web3.eth
    first, last = eth.get_block(1)["timestamp"], eth.get_block("latest")["timestamp"]
    assert (day_of(first), day_of(last)) == (date(2018, 11, 26), date(2020, 1, 1))


def test_no_day_has_more_rides_than_the_busiest(year: YearWorld) -> None:
    per_day = year.made.plan.rides.per_day
    assert per_day[(PEAK_DAY - FIRST_DAY).days] == per_day.max()


def test_the_banks_book_has_every_deposit_and_withdrawal(year: YearWorld, index: Index) -> None:
    rows = index.cursor().execute(
        "SELECT city, kind = 'deposit', amount, reference FROM transfers ORDER BY block, place"
    )
    came = [(*row, bytes(reference).rstrip(b"\0").decode()) for *row, reference in rows.fetchall()]
    assert came == [(it.city, it.into, it.amount, it.reference) for it in year.made.plan.schedule.transfers]


def test_the_command_makes_a_year_and_says_what_it_came_to(tmp_path: Path) -> None:
    assert _run("--rides", "300", "--out", str(tmp_path)).returncode == 0
    document = json.loads((tmp_path / "report.json").read_text())
    assert (document["settled"], len(document["cities"])) == (300, 11)
    assert {"planning", "playing", "signing, processor time", "node", "comparing", "all"} <= set(document["seconds"])
    transfers = (tmp_path / "bank.csv").read_text().splitlines()[1:]
    assert len(transfers) >= 11


def test_a_port_that_is_taken_is_said_and_nothing_is_made(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = _run("--rides", "300", "--out", str(tmp_path), "--port", str(port))
    assert done.returncode == 2
    assert f"port {port} is taken" in done.stderr
    assert not (tmp_path / "report.json").exists()


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "demo.year", "--deployment", "test-year", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_the_benchmarks_peer_reads_the_same_rides(year: YearWorld, tmp_path: Path) -> None:
    assert ledger_peer.index(year.chain.url, year.clearinghouse, tmp_path / "peer.sqlite")["rides"] == RIDES
