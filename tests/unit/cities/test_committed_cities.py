"""The thirteen city files and tariffs of this repository."""

import importlib.util
import sys
from decimal import Decimal
from math import asin, cos, radians, sin, sqrt
from pathlib import Path
from types import ModuleType

import pytest
from eth_account import Account
from eth_account.hdaccount import key_from_seed, seed_from_mnemonic

from interline.cities import CityFile, load_cities
from interline.signatures import to_checksum
from interline.tariff import Tariff, load_tariff

CITIES = Path(__file__).parents[3] / "cities"
# The seed of anvil's public mnemonic: nobody's money.
ANVIL_SEED = seed_from_mnemonic("test test test test test test test test test test test junk", passphrase="")
FIRST_DAY = 1_543_593_600  # 2018-12-01T00:00:00+08:00
ADMIN, TREASURY, ISSUER_KEY, SUBMITTER = range(4)
RECOVERY = 6

JOINED = [
    (3100, "Shanghai", "上海", "2018-12-01"),
    (3301, "Hangzhou", "杭州", "2018-12-01"),
    (3302, "Ningbo", "宁波", "2018-12-01"),
    (3303, "Wenzhou", "温州", "2019-05-22"),
    (3401, "Hefei", "合肥", "2019-05-22"),
    (3201, "Nanjing", "南京", "2019-05-22"),
    (3205, "Suzhou", "苏州", "2019-05-22"),
    (3702, "Qingdao", "青岛", "2019-08-06"),
    (3502, "Xiamen", "厦门", "2019-08-06"),
    (3202, "Wuxi", "无锡", "2019-08-13"),
    (3203, "Xuzhou", "徐州", "2019-12-01"),
    (3204, "Changzhou", "常州", "2019-12-25"),
    (6201, "Lanzhou", "兰州", "2019-12"),
]

# Fares that newspapers and travel guides name, in yuan; where they come from stands in cities/README.md.
KNOWN_FARES = [
    ("Shanghai", "East Xujing", "Pudong International Airport", 9),
    ("Nanjing", "Xinjiekou", "Nanjing South Railway Station", 4),
    ("Hefei", "Hefei Railway Station", "Jiulianwei", 5),
    ("Hefei", "Hefei Railway Station", "Hefei South Railway Station", 3),
    ("Qingdao", "Qingdao Railway Station", "Qingdao North Railway Station", 5),
    ("Xiamen", "Zhenhai Road", "Yannei", 7),
]


@pytest.fixture(scope="module")
def cities() -> list[CityFile]:
    return load_cities(CITIES)


@pytest.fixture(scope="module")
def tariffs(cities: list[CityFile]) -> dict[str, Tariff]:
    return {city.name: load_tariff(city.tariff) for city in cities}


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """`cities/make_tariffs.py`, which is a script beside the data and no part of a package."""
    spec = importlib.util.spec_from_file_location("make_tariffs", CITIES / "make_tariffs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_tariffs"] = module
    spec.loader.exec_module(module)
    return module


def anvil_address(index: int) -> bytes:
    """Address of anvil's test account `index`, 20 bytes."""
    return bytes.fromhex(Account.from_key(key_from_seed(ANVIL_SEED, f"m/44'/60'/0'/0/{index}")).address[2:])


def test_the_thirteen_cities_come_in_the_order_in_which_they_joined(cities: list[CityFile]) -> None:
    assert [(city.code, city.name, city.name_zh, city.joined) for city in cities] == JOINED


def test_each_city_file_is_named_after_its_city(cities: list[CityFile]) -> None:
    for city in cities:
        assert city.path == CITIES / f"{city.name.lower()}.yaml"
        assert city.tariff == CITIES / "tariffs" / city.name.lower()


def test_shanghai_hangzhou_and_ningbo_are_the_founders(cities: list[CityFile]) -> None:
    assert [city.name for city in cities if city.founder] == ["Shanghai", "Hangzhou", "Ningbo"]


def test_each_city_has_the_test_accounts_of_its_place_in_the_list(cities: list[CityFile]) -> None:
    for position, city in enumerate(cities):
        first = 100 + 10 * position
        assert city.admin == to_checksum(anvil_address(first + ADMIN)), city.name
        assert city.treasury == to_checksum(anvil_address(first + TREASURY)), city.name
        assert city.recovery == to_checksum(anvil_address(first + RECOVERY)), city.name
        assert city.submitters == (to_checksum(anvil_address(first + SUBMITTER)),), city.name
        (key,) = city.issuer_keys
        assert (key.id, key.address) == (1, anvil_address(first + ISSUER_KEY)), city.name


def test_each_city_brings_one_key_without_an_end_and_50000_yuan(cities: list[CityFile]) -> None:
    for city in cities:
        (key,) = city.issuer_keys
        assert (key.valid_from, key.valid_until) == (FIRST_DAY, 2**40 - 1)
        assert city.deposit == 5_000_000


def test_each_city_has_a_line_of_at_least_ten_stations_numbered_from_1(tariffs: dict[str, Tariff]) -> None:
    for name, tariff in tariffs.items():
        assert len(tariff.stations) >= 10, name
        assert [s.number for s in tariff.stations] == list(range(1, len(tariff.stations) + 1)), name
        assert all(s.name_zh for s in tariff.stations), name
        for names in ([s.name for s in tariff.stations], [s.name_zh for s in tariff.stations]):
            assert len(set(names)) == len(names), name


def test_fares_do_not_fall_with_the_distance_and_are_the_same_both_ways(tariffs: dict[str, Tariff]) -> None:
    for name, tariff in tariffs.items():
        numbers = [s.number for s in tariff.stations]
        for entry in numbers:
            away = [tariff.fare(entry, exit_) for exit_ in numbers if exit_ >= entry]
            assert away == sorted(away), (name, entry)
            assert away == [tariff.fare(exit_, entry) for exit_ in numbers if exit_ >= entry], (name, entry)


def test_leaving_where_one_entered_costs_the_lowest_fare(tariffs: dict[str, Tariff]) -> None:
    for name, tariff in tariffs.items():
        lowest = 300 if name == "Shanghai" else 200
        assert min(tariff.fares.values()) == lowest, name
        assert {tariff.fare(s.number, s.number) for s in tariff.stations} == {lowest}, name


@pytest.mark.parametrize(("city", "entry", "exit_", "yuan"), KNOWN_FARES)
def test_known_fares_are_met(tariffs: dict[str, Tariff], city: str, entry: str, exit_: str, yuan: int) -> None:
    number = {s.name: s.number for s in tariffs[city].stations}
    assert tariffs[city].fare(number[entry], number[exit_]) == yuan * 100


def test_the_committed_tariffs_are_what_the_generator_makes(generator: ModuleType, cities: list[CityFile]) -> None:
    lines = sorted(path.stem for path in (CITIES / "lines").glob("*.yaml"))
    assert lines == sorted(city.name.lower() for city in cities)
    assert lines == sorted(path.name for path in (CITIES / "tariffs").iterdir())
    for name in lines:
        line = generator.read_line(CITIES / "lines" / f"{name}.yaml")
        assert generator.outdated(line, CITIES / "tariffs" / name) == []


def test_a_changed_missing_or_additional_file_is_outdated(generator: ModuleType, tmp_path: Path) -> None:
    line = generator.read_line(CITIES / "lines" / "xuzhou.yaml")
    generator.write(line, tmp_path)
    assert generator.outdated(line, tmp_path) == []
    (tmp_path / "agency.txt").unlink()
    (tmp_path / "calendar.txt").write_text("")
    with (tmp_path / "stops.txt").open("a") as file:
        file.write("99,99,Nowhere,0,0,99\n")
    stale = [path.name for path in generator.outdated(line, tmp_path)]
    assert stale == ["agency.txt", "calendar.txt", "stops.txt"]


# Qingdao's bands as published: 2 yuan up to 5 km, 3 up to 10, 4 up to 17, 5 up to 27, 6 up to 38, then 20 km a yuan.
@pytest.mark.parametrize(
    ("metres", "yuan"),
    [
        (0, 2),
        (5_000, 2),
        (5_001, 3),
        (10_000, 3),
        (10_001, 4),
        (17_000, 4),
        (17_001, 5),
        (27_000, 5),
        (27_001, 6),
        (38_000, 6),
        (38_001, 7),
        (58_000, 7),
        (58_001, 8),
    ],
)
def test_a_step_of_the_fare_that_is_begun_is_paid_whole(generator: ModuleType, metres: int, yuan: int) -> None:
    line = generator.read_line(CITIES / "lines" / "qingdao.yaml")
    assert generator.fare_yuan(line.steps, metres) == yuan


def test_the_metres_along_a_line_fit_the_places_of_its_stations(generator: ModuleType) -> None:
    """Two stations are at least as far apart on the line as in the air, but for what their places lack in accuracy."""
    for path in sorted((CITIES / "lines").glob("*.yaml")):
        stops = generator.read_line(path).stops
        for i, one in enumerate(stops):
            for other in stops[i + 1 :]:
                a, b = radians(one.latitude), radians(other.latitude)
                h = sin((b - a) / 2) ** 2
                h += cos(a) * cos(b) * sin(radians(other.longitude - one.longitude) / 2) ** 2
                in_the_air = 2 * 6_371_009 * asin(sqrt(h))
                assert in_the_air <= other.metres - one.metres + 1_000, (path.stem, one.name, other.name)


def test_every_station_belongs_to_a_company_that_is_marked_as_test_data(
    cities: list[CityFile], tariffs: dict[str, Tariff]
) -> None:
    for city in cities:
        assert city.invoicing is not None
        assert city.invoicing.rate == Decimal("0.03")
        for station in tariffs[city.name].stations:
            entity = city.invoicing.entity_of(station.number)
            assert entity is not None, f"{city.name}, station {station.number}"
            assert entity.tax_id.startswith(f"TEST-{city.code}-")


def test_shanghai_has_two_companies_on_its_line(cities: list[CityFile]) -> None:
    invoicing = cities[0].invoicing
    assert invoicing is not None
    assert [(one.first_station, one.last_station) for one in invoicing.entities] == [(1, 22), (23, 30)]
