"""Reconciliation on a real chain: a city's own records agree with it; in a copy one thing is changed, and named."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from interline.tariff import tariff_hash
from ledger.chain import Chain as LedgerChain
from ledger.errors import RecordFileError
from ledger.index.store import Index
from ledger.reconcile.command import Reconciled, Wish, reconcile
from ledger.reconcile.findings import Finding
from network.accounts import Role
from network.chain import Chain
from rpc.provider import node_of
from scripts.reconcile import cli
from tests.e2e.test_scripts import REPOSITORY, Ended, Network
from tests.support.deploy import Deployment, deploy
from tests.support.disputes import DAY, Place, carry, issue
from tests.support.gates import GateFolder, gate_folder
from tests.support.offices import OfficeFolder, office_folder
from tests.support.small_world import SmallWorld, small_world
from tests.support.year import YearWorld, year_world


@dataclass(frozen=True)
class Records:
    """What happened in Hangzhou, what Hangzhou's back office and Xuzhou's ticket office have of it, and an index."""

    deployment: Deployment
    gate: GateFolder
    office: OfficeFolder
    places: list[Place]
    index: Path

    def __post_init__(self) -> None:
        assert len(self.places) == 4

    def reconcile(self, **wish: Any) -> Reconciled:
        chain = LedgerChain(node_of(self.deployment.web3), self.deployment.clearinghouse.address)
        return reconcile(Wish(**wish), chain, self.index, REPOSITORY / "cities")

    def findings(self, **wish: Any) -> list[Finding]:
        return [finding for result in self.reconcile(**wish).results for finding in result.findings]

    def copy(self, folder: Path) -> Records:
        """The same, with an index of its own."""
        return replace(self, index=Path(shutil.copy(self.index, folder / "copy.duckdb")))


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Records]:
    folder = tmp_path_factory.mktemp("records")
    with Chain(block_time=None) as chain:
        deployment = deploy(chain.url, cities=["Shanghai", "Hangzhou", "Xuzhou"])
        hangzhou, xuzhou = deployment.cities["Hangzhou"], deployment.cities["Xuzhou"]
        published = tariff_hash(hangzhou.file.tariff)
        deployment.as_admin(hangzhou, "publishTariff", "https://hangzhou.example/gtfs.zip", published, 0)
        gate = gate_folder(folder / "hangzhou", deployment, hangzhou)
        gate.json("sync")
        office = office_folder(folder / "xuzhou", deployment, xuzhou)
        places = carry(gate, issue(office, hangzhou, 4))
        treasury = hangzhou.private_key(Role.TREASURY)
        batch = bytes.fromhex(places[0].batch[2:])
        [[data]] = query(gate.journal, "SELECT bytes FROM batches WHERE batch_id = ?", batch)
        deployment.call(treasury, deployment.refunds.functions.refund(data, b"", places[1].index, 100))
        office.json("rides")
        told = Records(deployment, gate, office, places, folder / "index.duckdb")
        told.reconcile()
        yield told


def query(path: Path, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Ask or change an SQLite file."""
    db = sqlite3.connect(path)
    try:
        found = db.execute(sql, parameters).fetchall()
        db.commit()
        return found
    finally:
        db.close()


@pytest.fixture
def journal(records: Records, tmp_path: Path) -> Path:
    """A copy of Hangzhou's journal."""
    return copied(records.gate.journal, tmp_path / "journal.db")


@pytest.fixture
def register(records: Records, tmp_path: Path) -> Path:
    """A copy of Xuzhou's register."""
    return copied(records.office.config.database, tmp_path / "register.db")


def copied(path: Path, to: Path) -> Path:
    source, target = sqlite3.connect(path), sqlite3.connect(to)
    source.backup(target)
    source.close()
    target.close()
    return to


def row_of(records: Records, number: int, journal: Path) -> int:
    """The row in the journal of the ride of that number."""
    place = records.places[number]
    sql = "SELECT ride FROM batch_rides WHERE position = ? AND batch = (SELECT id FROM batches WHERE batch_id = ?)"
    [[row]] = query(journal, sql, place.index, place.id)
    return int(row)


def named(findings: list[Finding]) -> list[tuple[str | None, int | None]]:
    assert all(one.cause and one.action and one.where for one in findings)
    return [(one.batch, one.index) for one in findings]


def test_all_that_a_city_has_agrees_with_the_chain(records: Records, journal: Path, register: Path) -> None:
    found = records.reconcile(journals=(journal,), registers=(register,), tariff=True)
    assert [result.check for result in found.results] == ["contracts", "index", "journal", "issued", "tariff"]
    assert not found.differs, found.document()
    assert "4 rides in 1 batches that 3301 settled with 4 rides in journal.db" in found.results[2].compared
    assert "4 rides on tickets of 3203 with 4 tickets" in found.results[3].compared
    assert "and 4 of them with its feed, which was read up to block " in found.results[3].compared
    assert found.results[4].compared == "4 of 4 rides priced by 1 published tariffs"


# ---------------------------------------------------------------- the journal


def test_one_fen_more_in_the_journal_is_named(records: Records, journal: Path) -> None:
    query(journal, "UPDATE rides SET fare = fare + 1 WHERE id = ?", row_of(records, 2, journal))
    found = records.findings(journals=(journal,), quick=True)
    assert named(found) == [(records.places[2].batch, records.places[2].index)]
    assert (found[0].expected, found[0].came) == (
        "fare column 5.00 yuan, as settled",
        "fare column 5.01 yuan, in the journal",
    )


def test_one_fen_more_in_a_rides_bytes_is_named(records: Records, journal: Path) -> None:
    row = row_of(records, 2, journal)
    [[data]] = query(journal, "SELECT ride FROM rides WHERE id = ?", row)
    fare = int.from_bytes(data[45:49])
    changed = data[:45] + (fare + 1).to_bytes(4) + data[49:]
    query(journal, "UPDATE rides SET ride = ? WHERE id = ?", changed, row)
    found = records.findings(journals=(journal,), quick=True)
    assert named(found) == [(records.places[2].batch, records.places[2].index)]
    assert found[0].came == "fare 5.01 yuan, in the journal"


def test_a_bad_signature_in_the_journal_is_named(records: Records, journal: Path) -> None:
    row = row_of(records, 0, journal)
    [[data]] = query(journal, "SELECT ride FROM rides WHERE id = ?", row)
    query(journal, "UPDATE rides SET ride = ? WHERE id = ?", data[:-1] + bytes([data[-1] ^ 1]), row)
    found = records.findings(journals=(journal,), quick=True)
    assert named(found) == [(records.places[0].batch, records.places[0].index)]
    assert found[0].came.startswith("issuer_signature 0x")


def test_a_ride_dropped_from_the_journal_is_named(records: Records, journal: Path) -> None:
    row = row_of(records, 3, journal)
    for sql in (
        "DELETE FROM taps WHERE ride = ?",
        "DELETE FROM batch_rides WHERE ride = ?",
        "DELETE FROM rides WHERE id = ?",
    ):
        query(journal, sql, row)
    found = records.findings(journals=(journal,), quick=True)
    assert named(found) == [(records.places[3].batch, records.places[3].index)]
    assert found[0].came == "none in the journal"


def test_a_batch_that_the_journal_lacks_or_has_otherwise_is_named(records: Records, journal: Path) -> None:
    query(journal, "UPDATE batches SET bytes = substr(bytes, 1, 100)")
    assert named(records.findings(journals=(journal,), quick=True)) == [(records.places[0].batch, None)]
    query(journal, "DELETE FROM batch_rides")
    query(journal, "DELETE FROM batches")
    assert named(records.findings(journals=(journal,), quick=True)) == [(records.places[0].batch, None)]


def test_a_ride_that_the_journal_only_says_settled_is_named(records: Records, journal: Path) -> None:
    row = row_of(records, 1, journal)
    query(journal, "UPDATE rides SET serial = serial + 100000 WHERE id = ?", row)
    found = records.findings(journals=(journal,), quick=True)
    place = records.places[1]
    assert named(found) == [(place.batch, place.index)] * 2
    assert [one.came for one in found] == ["none in the journal", "settled for 5.00 yuan, in the journal"]


@pytest.mark.parametrize(
    ("state", "reason", "came"), [("batched", None, "batched"), ("rejected", 6, "refused for TooLate")]
)
def test_a_ride_that_settled_and_the_journal_does_not_know_is_named(
    records: Records, journal: Path, state: str, reason: int | None, came: str
) -> None:
    query(journal, "UPDATE rides SET state = ?, reason = ? WHERE id = ?", state, reason, row_of(records, 0, journal))
    found = records.findings(journals=(journal,), quick=True)
    assert named(found) == [(records.places[0].batch, records.places[0].index)]
    assert found[0].came == came


def test_a_journal_of_another_city_or_of_nobody_is_refused(records: Records, register: Path, journal: Path) -> None:
    with pytest.raises(RecordFileError, match="expected a journal of 3100, came one of 3301"):
        records.reconcile(journals=(journal,), city="Shanghai", quick=True)
    with pytest.raises(RecordFileError, match="expected a gate's journal"):
        records.reconcile(journals=(register,), quick=True)
    with pytest.raises(RecordFileError, match="expected a ticket office's register"):
        records.reconcile(registers=(journal,), quick=True)
    query(journal, "UPDATE domains SET chain_id = 1")
    with pytest.raises(RecordFileError, match="came one for others"):
        records.reconcile(journals=(journal,), quick=True)


# ---------------------------------------------------------------- the register


def test_a_ticket_that_was_never_issued_is_named(records: Records, register: Path) -> None:
    serial = serial_of(records, 1)
    query(register, "DELETE FROM tickets WHERE serial = ?", serial)
    found = records.findings(registers=(register,), quick=True)
    assert named(found) == [(records.places[1].batch, records.places[1].index)]
    assert "(never_issued)" in found[0].where
    assert "end the issuer key" in found[0].action


def test_a_ticket_with_another_cap_is_named(records: Records, register: Path) -> None:
    serial = serial_of(records, 2)
    [[data]] = query(register, "SELECT ticket FROM tickets WHERE serial = ?", serial)
    cap = int.from_bytes(data[15:19])
    query(
        register,
        "UPDATE tickets SET ticket = ? WHERE serial = ?",
        data[:15] + (cap + 1).to_bytes(4) + data[19:],
        serial,
    )
    found = records.findings(registers=(register,), quick=True)
    assert named(found) == [(records.places[2].batch, records.places[2].index)]
    assert "(fare_cap_differs)" in found[0].where


def test_a_ride_from_before_its_ticket_was_issued_is_named(records: Records, register: Path) -> None:
    query(register, "UPDATE tickets SET issued_at = issued_at + ? WHERE serial = ?", 3 * DAY, serial_of(records, 0))
    found = records.findings(registers=(register,), quick=True)
    assert named(found) == [(records.places[0].batch, records.places[0].index)]
    assert "(before_issue)" in found[0].where


FEED_OF = "(SELECT id FROM feed_items WHERE place = ? AND kind = ?)"


@pytest.mark.parametrize(
    ("number", "kind", "expected"),
    [(1, "refund", "refunds of 1.00 yuan, as on chain"), (2, "ride", "the ride, 5.00 yuan")],
)
def test_what_is_dropped_from_the_feed_is_named(
    records: Records, register: Path, number: int, kind: str, expected: str
) -> None:
    place = records.places[number]
    query(register, f"DELETE FROM feed_entries WHERE item = {FEED_OF}", place.index, kind)
    query(register, f"DELETE FROM feed_items WHERE id = {FEED_OF}", place.index, kind)
    [found] = records.findings(registers=(register,), quick=True)
    assert named([found]) == [(place.batch, place.index)]
    assert found.expected == expected


@pytest.mark.parametrize(
    ("number", "kind", "sql", "came"),
    [
        (0, "ride", f"UPDATE feed_entries SET amount = amount + 1 WHERE item = {FEED_OF}", "5.01 yuan, by its entries"),
        (1, "refund", f"DELETE FROM feed_entries WHERE item = {FEED_OF}", "5.00 yuan, by its entries"),
        (1, "refund", f"UPDATE feed_items SET place = place + 100 WHERE id = {FEED_OF}", "no refund"),
    ],
)
def test_what_is_billed_otherwise_than_settled_is_named(
    records: Records, register: Path, number: int, kind: str, sql: str, came: str
) -> None:
    place = records.places[number]
    query(register, sql, place.index, kind)
    found = records.findings(registers=(register,), quick=True)
    assert (place.batch, place.index, came) in [(one.batch, one.index, one.came) for one in found]
    assert {one.batch for one in found} == {place.batch}


def test_a_fare_one_fen_higher_in_the_feed_is_named(records: Records, register: Path) -> None:
    place = records.places[3]
    query(register, f"UPDATE feed_entries SET amount = amount + 1 WHERE item = {FEED_OF}", place.index, "ride")
    query(register, f"UPDATE feed_items SET amount = amount + 1 WHERE id = {FEED_OF}", place.index, "ride")
    [found] = records.findings(registers=(register,), quick=True)
    assert named([found]) == [(place.batch, place.index)]
    assert (found.expected, found.came) == ("5.00 yuan, as settled", "5.01 yuan")


def test_a_ride_that_only_the_feed_has_is_named(records: Records, register: Path) -> None:
    place, other = records.places[2], bytes(31) + b"\7"
    query(register, f"UPDATE feed_items SET batch_id = ? WHERE id = {FEED_OF}", other, place.index, "ride")
    missing, invented = records.findings(registers=(register,), quick=True)
    assert named([missing, invented]) == [(place.batch, place.index), (f"0x{other.hex()}", place.index)]
    assert (missing.came, invented.came) == ("none", "5.00 yuan in the feed")


def serial_of(records: Records, number: int) -> int:
    [[serial]] = query(
        records.gate.journal, "SELECT serial FROM rides WHERE id = ?", row_of(records, number, records.gate.journal)
    )
    return int(serial)


@pytest.mark.parametrize(("days", "flag"), [(0.1, "revoked_within_grace"), (9, "revoked")])
def test_a_ride_on_a_revoked_ticket_is_named(
    records: Records, register: Path, tmp_path: Path, days: float, flag: str
) -> None:
    """In a copy of the index, for gates refuse such rides: the ticket was revoked so many days before it."""
    copy, place = records.copy(tmp_path), records.places[3]
    told = {"issuer": 3203, "operator": 3301, "serial": serial_of(records, 3)}
    with Index.open(copy.index, write=True) as index, index.writing() as cursor:
        cursor.execute(
            "UPDATE blocks SET time = time - ? WHERE number = (SELECT min(number) FROM blocks)", [days * DAY]
        )
        cursor.execute(
            """
            INSERT INTO events SELECT min(number), 99, 'tx'::BLOB, 'CityRegistry', 'TicketRevoked', ? FROM blocks
            """,
            [json.dumps(told)],
        )
    found = copy.findings(registers=(register,), quick=True)
    assert named(found) == [(place.batch, place.index)]
    assert f"({flag})" in found[0].where


# ---------------------------------------------------------------- a copy of the index


@pytest.mark.parametrize("dropped", ["refunds", "rides"])
def test_what_is_dropped_from_a_copy_of_the_index_is_named(records: Records, tmp_path: Path, dropped: str) -> None:
    copy, place = records.copy(tmp_path), records.places[1]
    with Index.open(copy.index, write=True) as index, index.writing() as cursor:
        cursor.execute(f"DELETE FROM {dropped} WHERE batch = 1 AND index = ?", [place.index])
    found = [one for one in copy.findings() if one.check == "index"]
    assert named(found) == [(place.batch, place.index)]
    assert found[0].came == "no such row"


def test_a_fen_in_the_postings_differs_from_the_contracts_and_is_named(records: Records, tmp_path: Path) -> None:
    copy, place = records.copy(tmp_path), records.places[1]
    with Index.open(copy.index, write=True) as index, index.writing() as cursor:
        cursor.execute(
            "UPDATE postings SET amount = amount + 1 WHERE kind = 'refund' AND account = 'funds' AND city = 3301"
        )
    found = copy.findings()
    assert [one.where for one in found if one.check == "contracts"] == ["held()", "Hangzhou: balance"]
    assert named([one for one in found if one.check == "index"]) == [(place.batch, place.index)]
    assert [one.where for one in copy.findings(quick=True)] == ["held()", "Hangzhou: balance"]


# ---------------------------------------------------------------- a year


@pytest.fixture(scope="module")
def year() -> Iterator[YearWorld]:
    with year_world(rides=600) as world:
        yield world


@dataclass(frozen=True)
class Books:
    """A year's index, and the bank's book of it."""

    year: YearWorld
    index: Path
    book: Path

    def findings(self, **wish: Any) -> list[Finding]:
        chain = LedgerChain(node_of(self.year.web3), self.year.clearinghouse)
        found = reconcile(Wish(bank=self.book, tariff=True, **wish), chain, self.index, REPOSITORY / "cities")
        assert [result.check for result in found.results if result.check != "index"] == ["contracts", "bank", "tariff"]
        return [finding for result in found.results for finding in result.findings]


@pytest.fixture(scope="module")
def made(year: YearWorld, tmp_path_factory: pytest.TempPathFactory) -> Books:
    folder = tmp_path_factory.mktemp("year")
    return Books(year, folder / "index.duckdb", year.bank_book(folder))


@pytest.fixture
def copy(made: Books, tmp_path: Path) -> Books:
    """A copy of the index and of the bank's book."""
    if not made.index.exists():
        made.findings(quick=True)
    index, book = tmp_path / "index.duckdb", tmp_path / "bank.csv"
    return Books(made.year, Path(shutil.copy(made.index, index)), Path(shutil.copy(made.book, book)))


def test_eleven_cities_first_year_agrees_with_everything(made: Books) -> None:
    assert made.findings() == []


def test_a_batch_of_the_year_that_is_there_twice_is_named(copy: Books) -> None:
    with Index.open(copy.index, write=True) as index, index.writing() as cursor:
        for table, column in (("batches", "id"), ("pairs", "batch"), ("rides", "batch"), ("postings", "batch")):
            cursor.execute(f"INSERT INTO {table} FROM {table} WHERE {column} = 7")
        [batch_id] = cursor.execute("SELECT DISTINCT batch_id FROM batches WHERE id = 7").fetchone() or ()
    found = copy.findings()
    of_index = [one for one in found if one.check == "index"]
    assert {one.batch for one in of_index} == {f"0x{batch_id.hex()}"}
    assert any(one.check == "contracts" for one in found)


def test_a_ride_of_the_year_one_fen_dearer_is_named_by_the_index_and_by_the_tariff(copy: Books) -> None:
    with Index.open(copy.index, write=True) as index, index.writing() as cursor:
        cursor.execute("UPDATE rides SET fare = fare + 1 WHERE batch = 9 AND index = 0 AND fare < fare_cap")
        row = cursor.execute("SELECT batch_id FROM batches WHERE id = 9").fetchone()
    assert row is not None
    found = copy.findings()
    assert named(found) == [(f"0x{row[0].hex()}", 0)] * 2
    assert [one.check for one in found] == ["index", "tariff"]


def test_a_deposits_reference_changed_in_the_index_is_named_by_the_index_and_by_the_bank(copy: Books) -> None:
    with Index.open(copy.index, write=True) as index, index.writing() as cursor:
        first = "(SELECT min(block) FROM transfers)"
        cursor.execute(
            f"UPDATE transfers SET reference = encode('D-WRONG') WHERE block = {first} AND city = 3100 AND place = "
            f"(SELECT min(place) FROM transfers WHERE block = {first} AND city = 3100)"
        )
    found = copy.findings()
    assert [one.check for one in found] == ["index", "bank"]
    assert found[0].expected.startswith("reference 0x")
    assert found[1].came.startswith("D-WRONG on chain")


def test_a_booking_one_fen_off_in_the_banks_book_is_named(copy: Books) -> None:
    lines = copy.book.read_text(encoding="utf-8").splitlines()
    lines[5] = lines[5].replace(".00,", ".01,")
    copy.book.write_text("\n".join(lines), encoding="utf-8")
    [found] = copy.findings(quick=True)
    assert found.where.startswith("bank.csv, line 6, reference ")
    assert "(-1 fen)" in found.came


# ---------------------------------------------------------------- the command


@pytest.fixture(scope="module")
def small() -> Iterator[SmallWorld]:
    with small_world() as world:
        yield world


@pytest.fixture
def network(small: SmallWorld, tmp_path: Path) -> Network:
    (tmp_path / "local.json").write_text(json.dumps(small.deployment()))
    return Network(small.url, tmp_path)


def run(network: Network, *arguments: object) -> Ended:
    """`ape run reconcile`, its index beside the deployments."""
    return network.run("reconcile", *map(str, arguments), "--index", str(network.deployments / "index.duckdb"))


def bank_book(network: Network, small: SmallWorld) -> Path:
    """What the bank booked, as the chain has it."""
    with Index.open(network.deployments / "index.duckdb", write=False) as index:
        rows = index.cursor().execute(
            """
            SELECT strftime(make_timestamp((time + 28800) * 1000000), '%Y-%m-%d'), city,
                if(kind = 'deposit', 'in', 'out'), printf('%d.%02d', amount // 100, amount % 100),
                rtrim(decode(reference), chr(0))
            FROM transfers ORDER BY block, place
            """
        )
        lines = [",".join(map(str, row)) for row in rows.fetchall()]
    path = network.deployments / "bank.csv"
    path.write_text("\n".join(("date,city,direction,amount,reference", *lines)) + "\n", encoding="utf-8")
    return path


def test_the_pages_commands_have_the_options_that_the_command_has() -> None:
    text = (REPOSITORY / "docs/reconciliation.md").read_text(encoding="utf-8")
    used = set(re.findall(r"(--[a-z]+)", "".join(re.findall(r"^ape run reconcile (.*)$", text, re.MULTILINE))))
    known = {option for parameter in cli.params for option in parameter.opts} | {"--network"}
    assert {"--journal", "--issued", "--bank", "--tariff", "--quick"} <= used <= known


def test_the_command_says_that_nothing_differs_and_then_what_does(network: Network, small: SmallWorld) -> None:
    first = run(network, "--json")
    assert first.status == 0, first.err
    document = json.loads(first.out)
    assert (document["block_number"], document["differences"]) == (small.head, 0)
    assert [check["check"] for check in document["checks"]] == ["contracts", "index"]

    book = bank_book(network, small)
    agreed = run(network, "--bank", book, "--quick")
    assert (agreed.status, agreed.out) == (0, "")
    assert "bank: nothing differs: " in agreed.err

    text = book.read_text(encoding="utf-8")
    assert "ABC 2019-12-09 0007" in text
    book.write_text(text.replace("ABC 2019-12-09 0007", "ABC 2019-12-09 0070"), encoding="utf-8")
    differs = run(network, "Ningbo", "--bank", book, "--quick", "--json")
    assert differs.status == 1
    [finding] = json.loads(differs.out)["checks"][1]["findings"]
    assert finding["expected"] == "reference ABC 2019-12-09 0070, as the bank booked"
    assert finding["came"].startswith("ABC 2019-12-09 0007 on chain")
    shown = run(network, "--bank", book, "--quick")
    assert shown.status == 1
    assert "What to do: see the voucher" in shown.out

    assert run(network, "Atlantis").status == 2
    book.write_text("nothing\n", encoding="utf-8")
    refused = run(network, "--bank", book)
    assert refused.status == 2
    assert "expected the columns" in refused.err
