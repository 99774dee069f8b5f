"""Statements of account of a real chain: they tie to the contracts, and can be made again."""

from __future__ import annotations

import io
import json
import re
import shlex
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from interline.cities import CityFile, load_cities
from interline.hashing import keccak256
from interline.settlements import ChainLog
from ledger.chain import Chain
from ledger.index.store import Index
from ledger.index.sync import sync
from ledger.statement.build import build_statement
from ledger.statement.csv_form import csv_tables
from ledger.statement.formats import FORMATS
from ledger.statement.model import Basis, Kind, Statement
from ledger.statement.period import Period
from rpc import Node
from scripts.statement import FORMS, cli
from tests.contracts.story import HANGZHOU, HEFEI, NINGBO, XUZHOU
from tests.e2e.test_scripts import REPOSITORY, Ended, Network
from tests.support.small_world import MEMBERS, SmallWorld, small_world

DEPOSITED = keccak256(b"Deposited(uint16,address,uint256,bytes32)")
NOVEMBER, DECEMBER = Period.parse("2019-11"), Period.parse("2019-12")


@dataclass
class Ledger:
    """The small world, and an index of it that is brought up to date when asked."""

    small: SmallWorld
    index: Index
    cities: list[CityFile]

    @property
    def chain(self) -> Chain:
        return Chain(Node.at(self.small.url), self.small.clearinghouse)

    def sync(self) -> None:
        sync(self.index, self.chain, self.cities)

    def statement(self, city: int, period: Period, basis: Basis, block: int | None = None) -> Statement:
        return build_statement(self.index, city, period, basis, block=block, cities=self.cities)


@pytest.fixture(scope="module")
def ledger() -> Iterator[Ledger]:
    with small_world() as small, Index.open(":memory:", write=True) as index:
        made = Ledger(small, index, load_cities(REPOSITORY / "cities"))
        made.sync()
        yield made


@pytest.fixture(scope="module")
def network(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Network:
    """The command lines' chain: the same."""
    folder = tmp_path_factory.mktemp("deployments")
    (folder / "local.json").write_text(json.dumps(ledger.small.deployment()))
    return Network(ledger.small.url, folder)


def run(network: Network, *arguments: str) -> Ended:
    """`ape run statement`, its index beside the deployments."""
    return network.run("statement", *arguments, "--index", str(network.deployments / "index.duckdb"))


# ---- what statements say is what the contracts say


@pytest.mark.parametrize("city", MEMBERS, ids=lambda city: city.name)
def test_the_closing_is_what_the_contracts_say(ledger: Ledger, city: Any) -> None:
    house = ledger.small.world.clearinghouse
    statement = ledger.statement(city.code, DECEMBER, Basis.SETTLEMENT)
    assert not statement.is_over
    assert statement.closing.balance == house.balanceOf(city.code)
    assert statement.closing.position == house.position(city.code)
    assert statement.closing.owed == house.arrearsOf(city.code)
    for one in statement.counterparties:
        assert one.due_closing == house.arrears(one.code, city.code)
        assert one.owed_closing == house.arrears(city.code, one.code)
        assert one.disputed_carried == ledger.small.world.refunds.disputed(one.code, city.code)
        assert one.disputed_taken == ledger.small.world.refunds.disputed(city.code, one.code)


def test_no_statement_is_made_of_an_index_that_says_else_than_the_contracts(
    ledger: Ledger, network: Network, tmp_path: Path
) -> None:
    """As one that was read from a node which left a deposit out."""

    class LeavesOut(Chain):
        def logs(self, first: int, last: int) -> list[ChainLog]:
            deposits = [log for log in super().logs(first, last) if log.topics[0] == DEPOSITED]
            return [log for log in super().logs(first, last) if log not in deposits[-1:]]

    path = tmp_path / "index.duckdb"
    with Index.open(path, write=True) as index:
        sync(index, LeavesOut(Node.at(ledger.small.url), ledger.small.clearinghouse), ledger.cities)
    done = network.run("statement", "Xuzhou", "--period", "2019-12", "--index", str(path), "--json")
    assert (done.status, done.out) == (2, "")
    assert "expected the index's books to be the contracts'" in done.err
    assert "read it again into another file (--index)" in done.err


@pytest.mark.parametrize("basis", Basis)
def test_all_cities_together_have_what_came_in_less_what_went_out(ledger: Ledger, basis: Basis) -> None:
    statements = [ledger.statement(c.code, p, basis) for c in MEMBERS for p in (NOVEMBER, DECEMBER) if c is not XUZHOU]
    statements.append(ledger.statement(XUZHOU.code, DECEMBER, basis))
    lines = [line for statement in statements for line in statement.lines]
    assert sum(line.amount for line in lines if line.other) == 0
    assert sum(line.amount for line in lines) == ledger.small.world.clearinghouse.held()


def test_november_has_hefeis_rides_that_settled_in_december(ledger: Ledger) -> None:
    november = ledger.statement(HEFEI.code, NOVEMBER, Basis.ACCRUAL)
    late = sum(line.late for line in november.lines)
    assert late >= len(ledger.small.kept_back) > 0
    assert november.closing.unsettled == sum(line.late_amount for line in november.lines) != 0
    settled = ledger.statement(HEFEI.code, DECEMBER, Basis.SETTLEMENT)
    assert sum(line.late for line in settled.lines) == late


def test_a_city_in_arrears_shows_them_and_their_payment(ledger: Ledger) -> None:
    statement = ledger.statement(NINGBO.code, DECEMBER, Basis.SETTLEMENT)
    paid = [line for line in statement.lines if line.kind is Kind.ARREARS_PAID]
    assert sum(line.paid or 0 for line in paid) < 0
    assert statement.closing.owed > 0
    deposits = [entry.bank_reference for line in statement.lines for entry in statement.entries_of(line)]
    assert "ABC 2019-12-09 0007" in deposits


# ---- the command


def test_the_command_knows_every_form() -> None:
    assert set(FORMS) == set(FORMATS)


def test_the_pages_commands_have_the_options_that_the_command_has() -> None:
    lines = re.findall(r"^ape run statement (.*)$", (REPOSITORY / "docs/statements.md").read_text(), re.MULTILINE)
    known = {option for parameter in cli.params for option in parameter.opts}
    used = {word for line in lines for word in shlex.split(line) if word.startswith("--")}
    assert len(lines) >= 3
    assert used <= known


def test_every_form_made_again_at_its_block_is_the_same_bytes(ledger: Ledger, network: Network, tmp_path: Path) -> None:
    ended = run(network, "Hangzhou", "--period", "2019-12", "--json")
    assert ended.status == 0, ended.err
    block = ended.document["block"]["number"]
    before = {
        (name, basis): form.write(ledger.statement(HANGZHOU.code, DECEMBER, basis, block=block))
        for name, form in FORMATS.items()
        for basis in form.bases
    }
    ledger.small.settle_some(XUZHOU, HANGZHOU, 3)
    ledger.small.deposit(HANGZHOU, 7_700, "ICBC 2019-12-15 0009", ledger.small.head_time + 600)
    ledger.sync()
    for (name, basis), content in before.items():
        again = ledger.statement(HANGZHOU.code, DECEMBER, basis, block=block)
        assert FORMATS[name].write(again) == content, (name, basis)
    newest = ledger.statement(HANGZHOU.code, DECEMBER, Basis.ACCRUAL)
    assert newest.closing_amount > ledger.statement(HANGZHOU.code, DECEMBER, Basis.ACCRUAL, block=block).closing_amount

    out = tmp_path / "statement.zip"
    again_by_command = run(
        *(network, "3301", "--from", "2019-12-01", "--to", "2019-12-31", "--basis", "settlement", "--format", "csv"),
        *("--out", str(out), "--block", str(block)),
    )
    assert again_by_command.status == 0, again_by_command.err
    assert f"wrote {out}, at block {block}, " in again_by_command.err
    assert out.read_bytes() == before["csv", Basis.SETTLEMENT]
    with zipfile.ZipFile(io.BytesIO(out.read_bytes())) as archive:
        statement = ledger.statement(HANGZHOU.code, DECEMBER, Basis.SETTLEMENT, block=block)
        assert {name: archive.read(name) for name in archive.namelist()} == csv_tables(statement)


def test_a_table_goes_to_standard_output_and_says_that_the_period_is_not_over(network: Network) -> None:
    ended = run(network, "Shanghai", "--period", "2019-12")
    assert ended.status == 0, ended.err
    assert "Shanghai 上海 (3100): statement of account, 2019-12, accrual" in ended.out
    assert "The period is not over" in ended.out


@pytest.mark.parametrize("form", FORMS)
def test_a_time_before_the_membership_is_an_empty_statement_in_every_form(
    network: Network, tmp_path: Path, form: str
) -> None:
    out = tmp_path / "statement"
    ended = run(network, "Hangzhou", "--period", "2018-01", "--format", form, "--out", str(out))
    assert ended.status == 0, ended.err
    assert re.search(r"Hangzhou was admitted on 2019-\d\d-\d\d, after the period", ended.err)
    assert out.exists()


def test_without_a_period_it_is_this_month_by_the_chains_clock(network: Network) -> None:
    """The small world's clock stands in December 2019, whatever the machine's says."""
    for period in ((), ("--period", "this-month")):
        ended = run(network, "Hangzhou", *period, "--json")
        assert ended.status == 0, ended.err
        assert (ended.document["period"]["name"], ended.document["period"]["is_over"]) == ("2019-12", False)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("Atlantis", "--period", "2019-12"), "came 'Atlantis'"),
        (("Shanghai", "--period", "2019-12", "--block", "999999"), "came 999999"),
        (("Shanghai", "--period", "2019-12", "--format", "camt053", "--basis", "accrual"), "settlement basis"),
    ],
)
def test_bad_input_ends_with_status_2_and_a_sentence(network: Network, arguments: tuple[str, ...], told: str) -> None:
    ended = run(network, *arguments)
    assert (ended.status, ended.out) == (2, ""), ended.err
    assert told in ended.err
    assert "Traceback" not in ended.err
