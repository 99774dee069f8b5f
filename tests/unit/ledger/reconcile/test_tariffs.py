"""Every ride priced again by the tariff that its operator had published for its time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from interline.cities import load_cities
from interline.tariff import load_tariff, tariff_hash
from ledger.index.store import Index
from ledger.reconcile.tariffs import PriceTable, check_tariffs
from tests.support.deploy import REPOSITORY
from tests.support.index_rows import FARE_CAP, IndexRows, moment

SHANGHAI, HANGZHOU = 3100, 3301
OLD, NEW = b"\x01" * 32, b"\x02" * 32
CHANGE = moment("2019-12-05 04:00")


def table(digest: bytes, fare: int) -> PriceTable:
    """A tariff by which everything costs the same; IndexRows' rides go from station 1 to 10 and so on."""
    return PriceTable(digest, np.full((30, 30), fare, np.int64))


@pytest.fixture
def world() -> Iterator[IndexRows]:
    """Hangzhou publishes a tariff of 4 yuan in November, and one of 5 yuan from 5 December on."""
    with Index.open(":memory:", write=True) as index:
        rows = IndexRows(index)
        rows.admit(SHANGHAI, "Shanghai")
        rows.admit(HANGZHOU, "Hangzhou")
        for number, (digest, since) in enumerate(((OLD, rows.now - 7_200), (NEW, CHANGE))):
            uri, told = f"https://hangzhou.example/{number}", f"0x{digest.hex()}"
            rows.told(
                "CityRegistry", "TariffPublished", city=HANGZHOU, index=number, uri=uri, hash=told, validFrom=since
            )
        yield rows


BOTH = (table(OLD, 400), table(NEW, 500))


def test_rides_at_the_published_fares_have_no_findings(world: IndexRows) -> None:
    rides = [(SHANGHAI, 400, CHANGE - 1), (SHANGHAI, 500, CHANGE + 1_300), (SHANGHAI, 500, CHANGE + 4_000)]
    world.settle(HANGZHOU, rides, at=CHANGE + 8_000)
    result = check_tariffs(world.index.cursor(), BOTH, world.block)
    assert result.findings == ()
    assert result.compared == "3 of 3 rides priced by 2 published tariffs"


def test_a_ride_one_fen_dearer_is_named(world: IndexRows) -> None:
    batch = world.settle(HANGZHOU, [(SHANGHAI, 400), (SHANGHAI, 401)])
    [found] = check_tariffs(world.index.cursor(), BOTH, world.block).findings
    assert (found.batch, found.index) == (f"0x{batch.batch.id.hex()}", 1)
    assert found.expected == f"4.00 yuan from station 2 to 11, by the tariff 0x{OLD.hex()}"
    assert found.came == "4.01 yuan"
    assert "refunds" in found.action


def test_a_ride_one_fen_cheaper_is_named_and_nothing_is_owed(world: IndexRows) -> None:
    world.settle(HANGZHOU, [(SHANGHAI, 399)])
    [found] = check_tariffs(world.index.cursor(), BOTH, world.block).findings
    assert found.action.startswith("nothing is owed")


def test_the_old_fare_after_the_change_is_named(world: IndexRows) -> None:
    world.settle(HANGZHOU, [(SHANGHAI, 400, CHANGE + 4_000)], at=CHANGE + 8_000)
    [found] = check_tariffs(world.index.cursor(), BOTH, world.block).findings
    assert NEW.hex() in found.expected


@pytest.mark.parametrize("fare", [400, 500])
def test_a_ride_across_the_change_may_have_either_fare(world: IndexRows, fare: int) -> None:
    world.settle(HANGZHOU, [(SHANGHAI, fare, CHANGE + 600)], at=CHANGE + 8_000)  # it took 20 minutes
    assert check_tariffs(world.index.cursor(), BOTH, world.block).findings == ()


def test_a_fare_above_the_tickets_cap_is_the_cap(world: IndexRows) -> None:
    world.settle(HANGZHOU, [(SHANGHAI, FARE_CAP)])
    tables = (table(OLD, FARE_CAP + 1), BOTH[1])
    assert check_tariffs(world.index.cursor(), tables, world.block).findings == ()
    [found] = check_tariffs(world.index.cursor(), BOTH, world.block).findings
    assert found.came == "30.00 yuan"


def test_a_station_that_the_tariff_lacks_is_named(world: IndexRows) -> None:
    world.settle(HANGZHOU, [(SHANGHAI, 400)])
    short = PriceTable(OLD, np.full((5, 5), 400, np.int64))
    [found] = check_tariffs(world.index.cursor(), (short, BOTH[1]), world.block).findings
    assert found.expected.startswith("stations of the tariff, from station 1 to 10")


def test_a_tariff_whose_files_are_not_here_is_named_with_its_rides(world: IndexRows) -> None:
    world.settle(HANGZHOU, [(SHANGHAI, 400), (SHANGHAI, 400)])
    result = check_tariffs(world.index.cursor(), BOTH[1:], world.block)
    [found] = result.findings
    assert OLD.hex() in found.expected
    assert "https://hangzhou.example/0" in found.expected
    assert found.came == "none; 2 rides not priced"
    assert "--tariffs" in found.action
    assert result.compared.startswith("0 of 2 rides")


def test_rides_before_any_tariff_are_named(world: IndexRows) -> None:
    world.settle(SHANGHAI, [(HANGZHOU, 400)])
    [found] = check_tariffs(world.index.cursor(), BOTH, world.block).findings
    assert found.where == f"operator {SHANGHAI}"
    assert found.expected.startswith("a tariff that was published")


def test_one_city_can_be_asked_for(world: IndexRows) -> None:
    world.settle(SHANGHAI, [(HANGZHOU, 400)])
    world.settle(HANGZHOU, [(SHANGHAI, 400)])
    result = check_tariffs(world.index.cursor(), BOTH, world.block, HANGZHOU)
    assert (result.count, result.compared) == (0, "1 of 1 rides priced by 1 published tariffs")


def test_the_tables_say_what_the_tariff_says() -> None:
    folder = next(city.tariff for city in load_cities(REPOSITORY / "cities") if city.code == HANGZHOU)
    tariff, loaded = load_tariff(folder), PriceTable.load(folder)
    assert loaded.digest == tariff_hash(folder)
    entry, exit_ = (np.array(column) for column in zip(*tariff.fares, strict=True))
    assert loaded.price(entry, exit_).tolist() == list(tariff.fares.values())
    one = tariff.stations[-1].number
    lone = loaded.price(np.array([one, 0, one + 1]), np.array([0, one, one]))
    assert lone.tolist() == [tariff.lone_entry_fare(one), tariff.lone_exit_fare(one), -1]
