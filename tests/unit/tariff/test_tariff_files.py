"""What a tariff's files must not say; each test changes the valid tariff in one place."""

import re

import pytest

from interline.errors import TariffError
from interline.tariff import load_tariff

from .conftest import TariffFolder


def refused(folder: TariffFolder, *parts: str) -> str:
    """Load `folder`, which must be refused with a message that has `parts` in this order."""
    with pytest.raises(TariffError) as caught:
        folder.load()
    message = str(caught.value)
    assert re.search(".*".join(re.escape(part) for part in parts), message, re.DOTALL), message
    return message


def test_a_folder_that_is_not_there_is_refused(xuzhou: TariffFolder) -> None:
    with pytest.raises(TariffError, match="nowhere: expected a folder of GTFS files, came none"):
        load_tariff(xuzhou.path / "nowhere")


@pytest.mark.parametrize("name", ["stops.txt", "fare_attributes.txt", "fare_rules.txt"])
def test_a_missing_file_is_named(xuzhou: TariffFolder, name: str) -> None:
    (xuzhou.path / name).unlink()
    refused(xuzhou, name, "expected this GTFS file, came none", "add it")


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("stops.txt", "stop_id"),
        ("stops.txt", "stop_code"),
        ("stops.txt", "stop_name"),
        ("stops.txt", "zone_id"),
        ("fare_attributes.txt", "fare_id"),
        ("fare_attributes.txt", "price"),
        ("fare_attributes.txt", "currency_type"),
        ("fare_rules.txt", "fare_id"),
        ("fare_rules.txt", "origin_id"),
        ("fare_rules.txt", "destination_id"),
    ],
)
def test_a_missing_column_is_named(xuzhou: TariffFolder, name: str, column: str) -> None:
    refused(xuzhou.replace(name, column, "other"), name, "line 1", f"add {column}")


def test_an_empty_file_has_no_columns(xuzhou: TariffFolder) -> None:
    (xuzhou.path / "fare_rules.txt").write_text("")
    refused(xuzhou, "fare_rules.txt, line 1", "came nothing")


def test_a_column_that_is_there_twice_is_refused(xuzhou: TariffFolder) -> None:
    refused(xuzhou.replace("stops.txt", "stop_lon", "stop_lat"), "stops.txt, line 1", "each column once")


@pytest.mark.parametrize("row", ["near,1,1,1", "near,1"])
def test_a_row_with_more_or_fewer_values_than_columns_is_refused(xuzhou: TariffFolder, row: str) -> None:
    refused(xuzhou.replace("fare_rules.txt", "near,1,1\n", row + "\n"), "line 2", "expected 3 values")


def test_a_row_with_a_broken_quote_is_refused(xuzhou: TariffFolder) -> None:
    refused(xuzhou.replace("stops.txt", "Luwo", '"Luwo"x'), "stops.txt, line 2", "expected CSV")


def test_a_file_in_another_encoding_is_refused(xuzhou: TariffFolder) -> None:
    (xuzhou.path / "stops.txt").write_bytes("路窝".encode("gb18030"))
    refused(xuzhou, "stops.txt", "expected a readable file in UTF-8")


@pytest.mark.parametrize("number", ["0", "65536", "-1", "08", "8.0", " 8", "", "eight", "８"])
def test_a_station_number_is_a_number_from_1_to_65535(xuzhou: TariffFolder, number: str) -> None:
    xuzhou.replace("stops.txt", "pengcheng,8,", f"pengcheng,{number},")
    refused(xuzhou, "stops.txt, line 3: stop_code", "from 1 to 65535", f"came {number!r}")


def test_station_65535_is_the_last_one_possible(xuzhou: TariffFolder) -> None:
    xuzhou.replace("stops.txt", "east,18,", "east,65535,").replace("stops.txt", "117.301,18", "117.301,65535")
    rules = (xuzhou.path / "fare_rules.txt").read_text().replace("18", "65535")
    (xuzhou.path / "fare_rules.txt").write_text(rules)
    assert xuzhou.load().fare(1, 65535) == 500


def test_two_stations_cannot_have_the_same_number(xuzhou: TariffFolder) -> None:
    xuzhou.replace("stops.txt", "east,18,", "east,8,")
    refused(xuzhou, "stops.txt, line 4: stop_code", "no row before has", "came '8'")


def test_two_stations_cannot_have_the_same_id(xuzhou: TariffFolder) -> None:
    refused(xuzhou.replace("stops.txt", "east,18", "luwo,18"), "stops.txt, line 4: stop_id", "came 'luwo'")


def test_the_zone_of_a_station_is_its_number(xuzhou: TariffFolder) -> None:
    xuzhou.replace("stops.txt", "117.182,8", "117.182,18")
    refused(xuzhou, "stops.txt, line 3: zone_id", "the station number, 8", "came '18'")


def test_a_station_has_a_name(xuzhou: TariffFolder) -> None:
    refused(xuzhou.replace("stops.txt", "Luwo", " "), "stops.txt, line 2: stop_name")


def test_an_entrance_of_a_station_is_no_station(xuzhou: TariffFolder) -> None:
    header, *rows = (xuzhou.path / "stops.txt").read_text().splitlines()
    lines = [header + ",location_type", *(row + ",0" for row in rows[:-1]), rows[-1] + ",2"]
    (xuzhou.path / "stops.txt").write_text("\n".join(lines) + "\n")
    refused(xuzhou, "stops.txt, line 4: location_type", "came '2'")


def test_a_tariff_without_stations_is_refused(xuzhou: TariffFolder) -> None:
    for name in ("stops.txt", "fare_rules.txt"):
        header, *_ = (xuzhou.path / name).read_text().splitlines()
        (xuzhou.path / name).write_text(header + "\n")
    refused(xuzhou, "expected at least one station")


def test_fares_in_another_currency_are_refused(xuzhou: TariffFolder) -> None:
    xuzhou.replace("fare_attributes.txt", "3.00,CNY", "3.00,HKD")
    refused(xuzhou, "fare_attributes.txt, line 3: currency_type", "expected CNY", "came 'HKD'")


@pytest.mark.parametrize(
    "price", ["3.005", "-3.00", "+3.00", "3,00", "3e0", "NaN", "", " 3.00", "¥3", "3.", ".5", "３", "9" * 5000]
)
def test_a_price_is_yuan_with_two_decimals_at_most(xuzhou: TariffFolder, price: str) -> None:
    xuzhou.replace("fare_attributes.txt", "middle,3.00", f'middle,"{price}"')
    refused(xuzhou, "fare_attributes.txt, line 3: price", f"came {price!r}")


def test_a_price_beyond_what_a_ride_can_carry_is_refused(xuzhou: TariffFolder) -> None:
    xuzhou.replace("fare_attributes.txt", "3.00", "42949672.96")
    refused(xuzhou, "fare_attributes.txt, line 3: price", "at most 4294967295 fen")


def test_a_fare_that_is_there_twice_is_refused(xuzhou: TariffFolder) -> None:
    xuzhou.replace("fare_attributes.txt", "far,", "near,")
    refused(xuzhou, "fare_attributes.txt, line 4: fare_id", "came 'near'")


@pytest.mark.parametrize("pair", ["1,18", "18,1", "8,8"])
def test_a_pair_of_stations_without_a_rule_is_refused(xuzhou: TariffFolder, pair: str) -> None:
    rules = (xuzhou.path / "fare_rules.txt").read_text()
    (xuzhou.path / "fare_rules.txt").write_text(re.sub(rf"\w+,{pair}\n", "", rules))
    entry, exit_ = pair.split(",")
    refused(xuzhou, "a fare for every ordered pair", f"came none from {entry} to {exit_}", "fare_rules.txt")


def test_a_pair_with_two_different_fares_is_refused(xuzhou: TariffFolder) -> None:
    xuzhou.append("fare_rules.txt", "near,1,18")
    refused(xuzhou, "fare_rules.txt, line 11: fare_id", "the same fare as the rule before", "came 'near'")


def test_a_pair_with_the_same_fare_twice_is_taken(xuzhou: TariffFolder) -> None:
    assert xuzhou.append("fare_rules.txt", "far,1,18").load().fare(1, 18) == 500


@pytest.mark.parametrize(("first", "second"), [("far,1,", "near,1,"), ("far,,1", "near,,1")])
def test_a_lone_ride_with_two_different_fares_is_refused(xuzhou: TariffFolder, first: str, second: str) -> None:
    xuzhou.append("fare_rules.txt", first).append("fare_rules.txt", second)
    refused(xuzhou, "fare_rules.txt, line 12: fare_id", "the same fare as the rule before")


def test_a_rule_for_no_station_at_all_is_refused(xuzhou: TariffFolder) -> None:
    refused(xuzhou.append("fare_rules.txt", "near,,"), "fare_rules.txt, line 11: origin_id", "came ''")


def test_a_rule_with_a_fare_that_is_not_there_is_refused(xuzhou: TariffFolder) -> None:
    xuzhou.replace("fare_rules.txt", "far,1,18", "farther,1,18")
    refused(xuzhou, "fare_rules.txt, line 4: fare_id", "came 'farther'", "add the fare there")


@pytest.mark.parametrize(("rule", "column"), [("far,2,18", "origin_id"), ("far,1,2", "destination_id")])
def test_a_rule_for_a_zone_that_is_not_there_is_refused(xuzhou: TariffFolder, rule: str, column: str) -> None:
    xuzhou.replace("fare_rules.txt", "far,1,18", rule)
    refused(xuzhou, f"fare_rules.txt, line 4: {column}", "a zone_id of stops.txt", "came '2'")


@pytest.mark.parametrize("column", ["route_id", "contains_id"])
def test_a_rule_that_depends_on_more_than_the_two_stations_is_refused(xuzhou: TariffFolder, column: str) -> None:
    header, *rows = (xuzhou.path / "fare_rules.txt").read_text().splitlines()
    lines = [f"{header},{column}", rows[0] + ",1", *(row + "," for row in rows[1:])]
    (xuzhou.path / "fare_rules.txt").write_text("\n".join(lines) + "\n")
    refused(xuzhou, f"fare_rules.txt, line 2: {column}", "expected nothing", "came '1'")
