"""Tariffs: the stations of an operator and what a ride between them costs.

A tariff is a folder of GTFS (gtfs.org, schedule reference, fares version 1). This reads what prices a ride:

- `stops.txt`: one row per station; `stop_code` is the station number (1 to 65535), and `zone_id` is the same.
- `fare_attributes.txt`: prices in yuan (`currency_type` CNY, two decimals at most).
- `fare_rules.txt`: for each ordered pair of stations, entry = exit included, the fare that applies.
- `translations.txt`, if it is there: the stations' Chinese names.

A rule with an origin alone is the tariff's own rule for a ride whose exit is unknown, and a rule with a
destination alone that for one whose entry is unknown (protocol section 4, lone rides).

No network, no database.
"""

import csv
import hashlib
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from interline.errors import TariffError
from interline.hashing import keccak256
from interline.money import parse_yuan

MAX_STATION = 0xFFFF
"""Highest station number: stations are uint16, and 0 is one that is not known (protocol section 5)."""
MAX_FARE = 0xFFFF_FFFF
"""Highest fare in fen that a ride can carry (uint32, protocol section 5)."""

_STATION_NUMBER = re.compile(r"[1-9][0-9]{0,4}")
_CHINESE = re.compile(r"zh(-.+)?", re.IGNORECASE)
_DIGEST_PREFIX = b"Interline tariff v1\n"


@dataclass(frozen=True, slots=True)
class Station:
    """A station of one operator: its number (1 to 65535), name, and Chinese name if the tariff gives it."""

    number: int
    name: str
    name_zh: str | None = None


@dataclass(frozen=True, slots=True)
class Tariff:
    """What an operator's rides cost. All fares in fen.

    `fares` holds every ordered pair (entry station, exit station); `lone_entries` and `lone_exits` hold the
    tariff's own rules, by the known station, for rides whose other end is not known, and may be empty.

    Raises:
        TariffError: a station number is out of range or twice there, a pair of stations has no fare, or a
            fare is for a station that is not there or does not fit a ride.
    """

    stations: tuple[Station, ...]
    fares: Mapping[tuple[int, int], int]
    lone_entries: Mapping[int, int] = field(default_factory=dict)
    lone_exits: Mapping[int, int] = field(default_factory=dict)
    highest_fare: int = field(init=False)
    """The most that a ride can cost, lone rides included: what a ticket's cap must reach."""
    digest: bytes = field(init=False)
    """SHA-256 (32 bytes) of what the tariff says; rows' order, line ends and fare names don't matter."""
    _highest_from: Mapping[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = _checked_numbers(self.stations)
        _check_fares(numbers, self.fares, self.lone_entries, self.lone_exits)
        highest_from = dict.fromkeys(numbers, 0)
        for (entry, _), fare in self.fares.items():
            highest_from[entry] = max(highest_from[entry], fare)
        every = [*self.fares.values(), *self.lone_entries.values(), *self.lone_exits.values()]
        object.__setattr__(self, "stations", tuple(sorted(self.stations, key=lambda s: s.number)))
        object.__setattr__(self, "_highest_from", highest_from)
        object.__setattr__(self, "highest_fare", max(every))
        object.__setattr__(self, "digest", _digest(self))

    def fare(self, entry: int, exit: int) -> int:
        """Fare in fen of a ride from station `entry` to station `exit`.

        Raises:
            TariffError: one of the two is not a station of this tariff.
        """
        try:
            return self.fares[entry, exit]
        except KeyError:
            self._check_station(entry)
            self._check_station(exit)
            raise

    def highest_from(self, station: int) -> int:
        """The most, in fen, that a ride entered at `station` can cost.

        Raises:
            TariffError: `station` is not a station of this tariff.
        """
        self._check_station(station)
        return self._highest_from[station]

    def lone_entry_fare(self, station: int) -> int:
        """Fare in fen of a ride entered at `station` whose exit never came (protocol section 4): by the
        tariff's own rule for it, else the highest fare from there.

        Raises:
            TariffError: `station` is not a station of this tariff.
        """
        highest = self.highest_from(station)
        return self.lone_entries.get(station, highest)

    def lone_exit_fare(self, station: int) -> int:
        """Fare in fen of a ride left at `station` whose entry never came (protocol section 4): by the
        tariff's own rule for it, else the highest fare from there, as for a ride that was never left.

        Raises:
            TariffError: `station` is not a station of this tariff.
        """
        highest = self.highest_from(station)
        return self.lone_exits.get(station, highest)

    def _check_station(self, station: int) -> None:
        if station not in self._highest_from:
            known = f"{len(self.stations)}, from {self.stations[0].number} to {self.stations[-1].number}"
            raise TariffError(
                f"expected a station of this tariff ({known}), came {station}; "
                "check the station number in the gate's settings and in stops.txt"
            )


def load_tariff(folder: Path) -> Tariff:
    """Read the tariff in `folder` (GTFS, see this module).

    Raises:
        TariffError: a file or column is missing, a row does not say what it must, or a pair of stations has
            no fare or two; the message says file, line, what was expected, what came, what to do.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise TariffError(
            f"{folder}: expected a folder of GTFS files, came none; check `tariff` in the settings or in the city file"
        )
    stations = _read_stations(folder)
    fares, lone_entries, lone_exits = _read_rules(folder, _read_prices(folder), {s.number for s in stations})
    try:
        return Tariff(tuple(stations), fares, lone_entries, lone_exits)
    except TariffError as error:
        raise TariffError(f"{folder}: {error}") from error


def tariff_hash(path: Path) -> bytes:
    """The hash (32 bytes) that a city publishes with a tariff, of a GTFS folder or of a zip of its files.

    keccak256 over keccak256(name) || keccak256(contents) of each file, in ascending order of the names' UTF-8 bytes.
    The files are those of the folder itself, as they are, byte by byte; folders in it and names that begin with a dot
    don't count. A zip of the same files has the same hash.

    Raises:
        TariffError: it is no folder and no zip, can't be read, or isn't a tariff (see load_tariff).
    """
    path = Path(path)
    files = _files_of_zip(path) if path.is_file() else _files_of_folder(path)
    with tempfile.TemporaryDirectory() as copy:
        for name, contents in files.items():
            (Path(copy) / name).write_bytes(contents)
        try:
            load_tariff(Path(copy))
        except TariffError as error:
            raise TariffError(str(error).replace(copy, str(path))) from error
    ordered = sorted((name.encode("utf-8"), contents) for name, contents in files.items())
    return keccak256(b"".join(keccak256(name) + keccak256(contents) for name, contents in ordered))


def _files_of_folder(folder: Path) -> dict[str, bytes]:
    try:
        return {
            path.name: path.read_bytes()
            for path in folder.iterdir()
            if path.is_file() and not path.name.startswith(".")
        }
    except OSError as error:
        raise TariffError(
            f"{folder}: expected a folder or a zip of GTFS files, came: {error}; check the path"
        ) from error


def _files_of_zip(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if "/" not in name and not name.startswith(".")]
            return {name: archive.read(name) for name in names}
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise TariffError(f"{path}: expected a zip of GTFS files, came: {error}; make it anew") from error


def _checked_numbers(stations: tuple[Station, ...]) -> list[int]:
    numbers = [station.number for station in stations]
    if not numbers:
        raise TariffError("expected at least one station, came none; list the operator's stations in stops.txt")
    for number in numbers:
        if not 1 <= number <= MAX_STATION:
            raise TariffError(
                f"expected a station number from 1 to {MAX_STATION}, came {number}; "
                "number the stations from 1, for 0 stands for one that is not known"
            )
    if len(set(numbers)) != len(numbers):
        twice = sorted({n for n in numbers if numbers.count(n) > 1})
        raise TariffError(f"expected each station number once, came {twice} more than once; renumber the stations")
    return numbers


def _check_fares(
    numbers: list[int],
    fares: Mapping[tuple[int, int], int],
    lone_entries: Mapping[int, int],
    lone_exits: Mapping[int, int],
) -> None:
    for entry in numbers:
        for exit_ in numbers:
            if (entry, exit_) not in fares:
                raise TariffError(
                    f"expected a fare for every ordered pair of stations, came none from {entry} to {exit_}; "
                    "add its rule to fare_rules.txt"
                )
    known = set(numbers)
    strangers = {n for pair in fares for n in pair if n not in known}
    strangers |= (lone_entries.keys() | lone_exits.keys()) - known
    if strangers:
        raise TariffError(
            f"expected fares between the tariff's own stations, came fares for {sorted(strangers)}; "
            "add these stations to stops.txt or remove their rules"
        )
    for fare in [*fares.values(), *lone_entries.values(), *lone_exits.values()]:
        if not 0 <= fare <= MAX_FARE:
            raise TariffError(f"expected a fare from 0 to {MAX_FARE} fen, came {fare}; correct its price")


def _digest(tariff: Tariff) -> bytes:
    says = {
        "stations": [[s.number, s.name, s.name_zh] for s in tariff.stations],
        "fares": [[*pair, fare] for pair, fare in sorted(tariff.fares.items())],
        "lone_entries": sorted(tariff.lone_entries.items()),
        "lone_exits": sorted(tariff.lone_exits.items()),
    }
    canonical = json.dumps(says, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(_DIGEST_PREFIX + canonical.encode("utf-8")).digest()


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of a GTFS table, and where it stands."""

    path: Path
    line: int
    cells: Mapping[str, str]

    def wrong(self, column: str, expected: str, advice: str) -> TariffError:
        came = self.cells.get(column, "")
        return TariffError(f"{self.path}, line {self.line}: {column}: expected {expected}, came {came!r}; {advice}")


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[_Row]:
    """The rows of the GTFS table at `path`, which must have `columns`."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise TariffError(f"{path}: expected this GTFS file, came none; add it to the tariff's folder") from None
    except (OSError, UnicodeDecodeError) as error:
        raise TariffError(
            f"{path}: expected a readable file in UTF-8, came: {error}; save it again as UTF-8"
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        _check_header(path, header, columns)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise TariffError(
                    f"{path}, line {reader.line_num}: expected {len(header)} values, as in the header, came "
                    f"{len(cells)}; correct the row's commas and quotes"
                )
            yield _Row(path, reader.line_num, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise TariffError(f"{path}, line {reader.line_num}: expected CSV, came: {error}; correct its quotes") from error


def _check_header(path: Path, header: list[str], columns: tuple[str, ...]) -> None:
    missing = [column for column in columns if column not in header]
    if missing:
        raise TariffError(
            f"{path}, line 1: expected the columns {', '.join(columns)}, "
            f"came {', '.join(header) or 'nothing'}; add {', '.join(missing)}"
        )
    if len(set(header)) != len(header):
        raise TariffError(f"{path}, line 1: expected each column once, came {', '.join(header)}; remove the double")


def _read_stations(folder: Path) -> list[Station]:
    numbers: dict[str, int] = {}
    names: dict[str, str] = {}
    for row in _rows(folder / "stops.txt", ("stop_id", "stop_code", "stop_name", "zone_id")):
        stop_id, code, name = row.cells["stop_id"], row.cells["stop_code"], row.cells["stop_name"]
        if not stop_id or stop_id in numbers:
            raise row.wrong("stop_id", "an id that no row before has", "give each station its own")
        if not _STATION_NUMBER.fullmatch(code) or int(code) > MAX_STATION:
            raise row.wrong("stop_code", f"a station number from 1 to {MAX_STATION}", "0 is never a station's number")
        if int(code) in numbers.values():
            raise row.wrong("stop_code", "a station number that no row before has", "give each station its own")
        if row.cells["zone_id"] != code:
            raise row.wrong("zone_id", f"the station number, {code}", "each station is a fare zone of its own")
        if not name.strip():
            raise row.wrong("stop_name", "a name", "give the station's name")
        if row.cells.get("location_type", "") not in ("", "0", "1") or row.cells.get("parent_station", ""):
            column = "parent_station" if row.cells.get("parent_station", "") else "location_type"
            raise row.wrong(column, "a station", "leave out its platforms and entrances, which have no fare")
        numbers[stop_id], names[stop_id] = int(code), name
    chinese = _read_chinese_names(folder / "translations.txt")
    return [Station(numbers[i], names[i], chinese.get(i)) for i in numbers]


def _read_chinese_names(path: Path) -> dict[str, str]:
    """The Chinese names of stations by `stop_id`; other translations are left alone."""
    if not path.exists():
        return {}
    columns = ("table_name", "field_name", "language", "translation", "record_id")
    return {
        row.cells["record_id"]: row.cells["translation"]
        for row in _rows(path, columns)
        if (row.cells["table_name"], row.cells["field_name"]) == ("stops", "stop_name")
        and _CHINESE.fullmatch(row.cells["language"])
    }


def _read_prices(folder: Path) -> dict[str, int]:
    """Prices in fen by `fare_id`."""
    prices: dict[str, int] = {}
    for row in _rows(folder / "fare_attributes.txt", ("fare_id", "price", "currency_type")):
        fare_id, price = row.cells["fare_id"], row.cells["price"]
        if not fare_id or fare_id in prices:
            raise row.wrong("fare_id", "an id that no row before has", "give each fare its own")
        if row.cells["currency_type"] != "CNY":
            raise row.wrong("currency_type", "CNY", "fares are settled in yuan")
        try:
            fen = parse_yuan(price)
        except ValueError as error:
            advice = "a fen is the smallest amount"
            raise row.wrong("price", "yuan with at most two decimals, like 3.00", advice) from error
        if fen > MAX_FARE:
            raise row.wrong("price", f"at most {MAX_FARE} fen", "correct the price")
        prices[fare_id] = fen
    return prices


def _read_rules(
    folder: Path, prices: Mapping[str, int], numbers: set[int]
) -> tuple[dict[tuple[int, int], int], dict[int, int], dict[int, int]]:
    """Fares in fen by pair of stations, and those of lone rides by entry and by exit."""
    fares: dict[tuple[int, int], int] = {}
    lone_entries: dict[int, int] = {}
    lone_exits: dict[int, int] = {}
    zones = {str(number): number for number in numbers}
    for row in _rows(folder / "fare_rules.txt", ("fare_id", "origin_id", "destination_id")):
        fare_id = row.cells["fare_id"]
        if fare_id not in prices:
            raise row.wrong("fare_id", "a fare of fare_attributes.txt", "add the fare there, or correct the rule")
        for column in ("route_id", "contains_id"):
            if row.cells.get(column, ""):
                raise row.wrong(column, "nothing", "a fare goes by the stations of entry and exit alone")
        entry, exit_ = _zone(row, "origin_id", zones), _zone(row, "destination_id", zones)
        price = prices[fare_id]
        if entry is not None and exit_ is not None:
            same = fares.setdefault((entry, exit_), price) == price
        elif entry is not None:
            same = lone_entries.setdefault(entry, price) == price
        elif exit_ is not None:
            same = lone_exits.setdefault(exit_, price) == price
        else:
            raise row.wrong("origin_id", "a zone here or in destination_id", "a rule names one station at least")
        if not same:
            raise row.wrong("fare_id", "the same fare as the rule before for these stations", "keep one of the two")
    return fares, lone_entries, lone_exits


def _zone(row: _Row, column: str, zones: Mapping[str, int]) -> int | None:
    value = row.cells[column]
    if not value:
        return None
    if value not in zones:
        raise row.wrong(column, "a zone_id of stops.txt", "add the station there, or correct the rule")
    return zones[value]
