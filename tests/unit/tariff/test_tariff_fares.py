"""What a tariff says: fares of pairs, highest fares, lone rides, digest."""

import hashlib
import json

import pytest

from interline.errors import TariffError
from interline.tariff import MAX_FARE, Station, Tariff

from .conftest import LUWO, PENGCHENG_SQUARE, XUZHOU_EAST, TariffFolder

STRANGE_STATION = 2


def test_a_ride_costs_what_the_rule_of_its_two_stations_says(xuzhou: TariffFolder) -> None:
    tariff = xuzhou.load()
    assert tariff.fare(LUWO, PENGCHENG_SQUARE) == 300
    assert tariff.fare(LUWO, XUZHOU_EAST) == 500


def test_the_two_directions_of_a_pair_have_a_rule_each(xuzhou: TariffFolder) -> None:
    tariff = xuzhou.replace("fare_rules.txt", "far,18,1\n", "middle,18,1\n").load()
    assert (tariff.fare(LUWO, XUZHOU_EAST), tariff.fare(XUZHOU_EAST, LUWO)) == (500, 300)


def test_leaving_where_one_entered_costs_the_fare_of_its_own_rule(xuzhou: TariffFolder) -> None:
    assert xuzhou.load().fare(LUWO, LUWO) == 200


def test_prices_are_whole_fen_and_never_floats(xuzhou: TariffFolder) -> None:
    fare = xuzhou.replace("fare_attributes.txt", "3.00", "2.29").load().fare(LUWO, PENGCHENG_SQUARE)
    assert (fare, type(fare)) == (229, int)  # 2.29 * 100 is 228.99999999999997 as a float


@pytest.mark.parametrize(("price", "fen"), [("3", 300), ("3.5", 350), ("0.05", 5), ("0", 0)])
def test_a_price_may_have_fewer_than_two_decimals(xuzhou: TariffFolder, price: str, fen: int) -> None:
    tariff = xuzhou.replace("fare_attributes.txt", "3.00", price).load()
    assert tariff.fare(LUWO, PENGCHENG_SQUARE) == fen


def test_stations_come_in_the_order_of_their_numbers(xuzhou: TariffFolder) -> None:
    xuzhou.replace("stops.txt", "luwo,1,Luwo,34.243,117.095,1\n", "")
    tariff = xuzhou.append("stops.txt", "luwo,1,Luwo,34.243,117.095,1").load()
    assert [s.number for s in tariff.stations] == [LUWO, PENGCHENG_SQUARE, XUZHOU_EAST]
    assert tariff.stations[0] == Station(LUWO, "Luwo")


@pytest.mark.parametrize("stranger", [STRANGE_STATION, 0, -1, 65536])
def test_a_ride_from_or_to_a_station_that_is_not_there_has_no_fare(xuzhou: TariffFolder, stranger: int) -> None:
    tariff = xuzhou.load()
    for ride in ((stranger, LUWO), (LUWO, stranger)):
        with pytest.raises(TariffError, match=rf"expected a station of this tariff .* came {stranger};"):
            tariff.fare(*ride)


def test_the_highest_fare_is_that_of_the_dearest_pair(xuzhou: TariffFolder) -> None:
    assert xuzhou.load().highest_fare == 500


def test_the_highest_fare_from_a_station_counts_no_fares_to_it(xuzhou: TariffFolder) -> None:
    tariff = xuzhou.replace("fare_rules.txt", "far,18,1\n", "middle,18,1\n").load()
    assert (tariff.highest_from(LUWO), tariff.highest_from(XUZHOU_EAST)) == (500, 300)


@pytest.mark.parametrize("station", [0, STRANGE_STATION, 65536])
def test_a_station_that_is_not_there_has_no_highest_fare(xuzhou: TariffFolder, station: int) -> None:
    tariff = xuzhou.load()
    for of in (
        tariff.highest_from,
        tariff.lone_entry_fare,
        tariff.lone_exit_fare,
    ):
        with pytest.raises(TariffError, match=rf"came {station};"):
            of(station)


def test_a_lone_ride_costs_the_highest_fare_from_its_known_station(xuzhou: TariffFolder) -> None:
    tariff = xuzhou.replace("fare_rules.txt", "far,18,1\n", "middle,18,1\n").load()
    assert (tariff.lone_entry_fare(LUWO), tariff.lone_exit_fare(LUWO)) == (500, 500)
    assert (tariff.lone_entry_fare(XUZHOU_EAST), tariff.lone_exit_fare(XUZHOU_EAST)) == (300, 300)


def test_a_rule_without_a_destination_prices_a_ride_that_was_never_left(xuzhou: TariffFolder) -> None:
    tariff = xuzhou.append("fare_rules.txt", "near,1,").load()
    assert (tariff.lone_entry_fare(LUWO), tariff.lone_exit_fare(LUWO)) == (200, 500)
    assert tariff.highest_from(LUWO) == 500
    assert tariff.lone_entry_fare(PENGCHENG_SQUARE) == 300


def test_a_rule_without_an_origin_prices_a_ride_that_was_never_entered(xuzhou: TariffFolder) -> None:
    tariff = xuzhou.append("fare_rules.txt", "near,,1").load()
    assert (tariff.lone_entry_fare(LUWO), tariff.lone_exit_fare(LUWO)) == (500, 200)


def test_the_highest_fare_counts_lone_rides_too(xuzhou: TariffFolder) -> None:
    xuzhou.append("fare_attributes.txt", "lost,20.00,CNY,1,")
    assert xuzhou.append("fare_rules.txt", "lost,1,").load().highest_fare == 2000


def test_the_chinese_names_come_from_the_translations(xuzhou: TariffFolder) -> None:
    (xuzhou.path / "translations.txt").write_text(
        "table_name,field_name,language,translation,record_id\n"
        "stops,stop_name,zh-Hans,路窝,luwo\n"
        "stops,stop_name,ru,Луво,pengcheng\n"
        "routes,route_long_name,zh,一号线,east\n",
        encoding="utf-8",
    )
    assert [s.name_zh for s in xuzhou.load().stations] == ["路窝", None, None]


def test_the_digest_is_that_of_the_canonical_contents(xuzhou: TariffFolder) -> None:
    fares = [[1, 1, 200], [1, 8, 300], [1, 18, 500], [8, 1, 300], [8, 8, 200], [8, 18, 300]]
    says = {
        "fares": [*fares, [18, 1, 500], [18, 8, 300], [18, 18, 200]],
        "lone_entries": [],
        "lone_exits": [],
        "stations": [
            [1, "Luwo", None],
            [8, "Pengcheng Square", None],
            [18, "Xuzhou East Railway Station", None],
        ],
    }
    canonical = "Interline tariff v1\n" + json.dumps(says, separators=(",", ":"))
    assert xuzhou.load().digest == hashlib.sha256(canonical.encode()).digest()


def test_the_digest_does_not_depend_on_how_the_files_are_written(xuzhou: TariffFolder) -> None:
    before = xuzhou.load().digest
    for name in ("stops.txt", "fare_attributes.txt", "fare_rules.txt"):
        header, *rows = (xuzhou.path / name).read_text(encoding="utf-8").splitlines()
        text = "\r\n".join([header, *reversed(rows), ""])
        (xuzhou.path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert xuzhou.load().digest == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("fare_attributes.txt", "5.00", "5.01"),
        ("stops.txt", "Luwo", "Luwocun"),
        ("fare_rules.txt", "far,1,18\n", "middle,1,18\n"),
        ("fare_rules.txt", "near,18,18\n", "near,18,18\nfar,18,\n"),
        ("fare_rules.txt", "near,18,18\n", "near,18,18\nfar,,18\n"),
    ],
)
def test_the_digest_changes_with_what_the_tariff_says(xuzhou: TariffFolder, name: str, old: str, new: str) -> None:
    before = xuzhou.load().digest
    assert xuzhou.replace(name, old, new).load().digest != before


def test_a_tariff_built_by_hand_must_be_complete_as_well() -> None:
    stations = (Station(1, "Luwo"), Station(8, "Pengcheng Square"))
    with pytest.raises(TariffError, match="came none from 8 to 1;"):
        Tariff(stations, {(1, 1): 200, (1, 8): 300, (8, 8): 200})


def test_a_fare_beyond_what_a_ride_can_carry_is_refused() -> None:
    assert Tariff((Station(1, "Luwo"),), {(1, 1): MAX_FARE}).highest_fare == MAX_FARE
    with pytest.raises(TariffError, match=f"came {MAX_FARE + 1};"):
        Tariff((Station(1, "Luwo"),), {(1, 1): MAX_FARE + 1})
