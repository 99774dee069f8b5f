"""City files: what a city brings when it joins, one YAML file each.

    code: 3203
    name: Xuzhou
    founder: false
    joined: 2019-12-01
    admin: "0x..."
    treasury: "0x..."
    recovery: "0x..."
    issuer_keys:
      - {id: 1, address: "0x...", valid_from: 2018-12-01T00:00:00+08:00}
    submitters: ["0x..."]
    tariff: tariffs/xuzhou
    deposit: "50000.00"
    operating_day: {timezone: Asia/Shanghai, starts: "04:00"}
    invoicing:
      rate: "3%"
      entities:
        - {name: Xuzhou Metro Operation, name_zh: 徐州地铁运营, tax_id: "TEST-3203-01", stations: [1, 18]}

`recovery` is an address whose key is kept offline: the other members can give the city back to it, and to no other,
when a key was stolen or lost; admin, treasury and recovery are three different ones. `valid_until` of an issuer key may
be left out: then the key has no end. `tariff` is a folder of GTFS, relative to the file (see interline.tariff).
`operating_day` and `invoicing` may be left out. A `cities.csv` beside the files, where there is one, gives the order in
which the cities joined and their Chinese names. No network, no database.
"""

import csv
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import yaml

from interline.errors import CityFileError, OperatingDayError
from interline.money import parse_yuan
from interline.operating_day import OperatingDay
from interline.signatures import to_checksum

NO_END = 2**40 - 1
"""`valid_until` of an issuer key that has no end (protocol section 1)."""
DEFAULT_OPERATING_DAY = OperatingDay()
"""Of a city whose file says nothing of it."""
ROSTER = "cities.csv"
"""The file beside the city files that lists the cities in the order in which they joined."""

_KEYS = (
    "code",
    "name",
    "founder",
    "joined",
    "admin",
    "treasury",
    "recovery",
    "issuer_keys",
    "submitters",
    "tariff",
    "deposit",
)
_ADVICE = {
    "recovery": "add the address of a key that is kept offline, to which the others can give the city back when its "
    "admin's or treasury's key was stolen or lost: `ape accounts generate NAME` makes one"
}
"""What to do where a key is missing, if there is more to say than to add it."""
_BOOK_KEYS = ("operating_day", "invoicing")
_ISSUER_KEY_KEYS = ("id", "address", "valid_from")
_ROSTER_COLUMNS = ("code", "name", "name_zh", "joined", "note")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_RATE = re.compile(r"[0-9]{1,2}(\.[0-9]{1,4})?%|0?\.[0-9]{1,6}|0")
_TAX_ID = re.compile(r"[0-9A-Z][0-9A-Z-]{4,19}")
_LABEL = re.compile(r"[0-9]{4}(-[0-9]{2}){0,2}")
_TIMESTAMP_TAG = "tag:yaml.org,2002:timestamp"
_LAST = 2**31


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A key that signs a city's tickets, as the city registers it (protocol section 1)."""

    id: int
    """Key id, 0 to 255."""
    address: bytes
    """20 bytes."""
    valid_from: int
    """First second at which it is valid, Unix seconds."""
    valid_until: int = NO_END
    """Second from which it is no longer valid, Unix seconds; NO_END if it has no end."""

    @property
    def checksummed(self) -> str:
        """The address as text, with the checksum of EIP-55."""
        return to_checksum(self.address)


@dataclass(frozen=True, slots=True)
class LegalEntity:
    """A company that runs a part of a city's metro and issues the invoices for it."""

    name: str
    name_zh: str
    tax_id: str
    """As it stands on an invoice: in China the 18 characters of the unified social credit code."""
    first_station: int
    last_station: int
    """Station numbers from the first to the last, both included."""


@dataclass(frozen=True, slots=True)
class Invoicing:
    """What invoices for a city's rides are made with."""

    rate: Decimal
    """Value added tax contained in a fare: 0.03 is 3 %."""
    entities: tuple[LegalEntity, ...]
    """By station; no two ranges meet."""

    def entity_of(self, station: int) -> LegalEntity | None:
        """Whose station that is; None if nobody's."""
        return next((one for one in self.entities if one.first_station <= station <= one.last_station), None)


@dataclass(frozen=True, slots=True)
class CityFile:
    """One city file. Addresses are text with the checksum of EIP-55, but for those of the issuer keys."""

    path: Path
    """The file itself."""
    code: int
    """First four digits of the city's GB/T 2260 code, uint16."""
    name: str
    name_zh: str | None
    """The Chinese name, if a `cities.csv` beside the file gives it."""
    founder: bool
    """Whether the city is there from the deployment on."""
    joined: str
    """When it joined: a label, like 2019-12-01, or 2019-12 where the day is not known."""
    admin: str
    treasury: str
    recovery: str
    """The address, kept offline, that the other members can give the city back to."""
    issuer_keys: tuple[IssuerKey, ...]
    submitters: tuple[str, ...]
    tariff: Path
    """The folder of its GTFS tariff."""
    deposit: int
    """What it deposits when it joins, fen."""
    operating_day: OperatingDay = DEFAULT_OPERATING_DAY
    """04:00 in China, unless the file says otherwise."""
    invoicing: Invoicing | None = None
    """None if the file says nothing of it."""


def load_city(path: Path) -> CityFile:
    """Read one city file, strictly.

    Raises:
        CityFileError: the file is not there or no YAML, a key is missing, unknown or twice there, or a value
            is not what it must be; the message says file, key, what was expected, what came, what to do.
    """
    path = Path(path)
    entries = _Entries(path, "", _read_yaml(path), _KEYS, _BOOK_KEYS)
    code = entries.integer("code", 1, 0xFFFF, "the first four digits of the city's GB/T 2260 code")
    name, joined = entries.name("name"), entries.label("joined")
    _, name_zh = _place(path, code, name, joined)
    return CityFile(
        path=path,
        code=code,
        name=name,
        name_zh=name_zh,
        founder=entries.truth("founder"),
        joined=joined,
        admin=entries.address("admin"),
        treasury=entries.address("treasury"),
        recovery=_recovery(entries),
        issuer_keys=_issuer_keys(entries),
        submitters=_submitters(entries),
        tariff=_tariff(entries),
        deposit=entries.yuan("deposit"),
        operating_day=_operating_day(entries),
        invoicing=_invoicing(entries),
    )


def _recovery(entries: "_Entries") -> str:
    """The recovery address, once it is sure that the city's three addresses are different ones."""
    admin, treasury, recovery = (entries.address(role) for role in ("admin", "treasury", "recovery"))
    for role, address, others in (("treasury", treasury, (admin,)), ("recovery", recovery, (admin, treasury))):
        if address in others:
            advice = "name another: admin, treasury and recovery are held by different people"
            entries.fail(role, "an address of its own", f"{address} a second time", advice)
    return recovery


def load_cities(folder: Path) -> list[CityFile]:
    """Read all city files (`*.yaml`) of `folder`, in the order in which the cities joined.

    That is the order of `cities.csv`; cities that are not in it follow: founders first, then by `joined`,
    then by code.

    Raises:
        CityFileError: there is no city file, one of them is wrong (see load_city), two have the same code or
            name, or one disagrees with `cities.csv`.
    """
    folder = Path(folder)
    cities = [load_city(path) for path in sorted(folder.glob("*.yaml"))]
    if not cities:
        raise CityFileError(f"{folder}: expected city files (*.yaml), came none; check the folder's name")
    for what in ("code", "name"):
        seen: dict[object, CityFile] = {}
        for city in cities:
            value = getattr(city, what)
            if value in seen:
                raise CityFileError(
                    f"{city.path}: {what}: expected one that no other city has, came {value!r}, as in "
                    f"{seen[value].path.name}; correct one of the two"
                )
            seen[value] = city
    return sorted(cities, key=_joining_order)


def _joining_order(city: CityFile) -> tuple[int, bool, str, int]:
    position, _ = _place(city.path, city.code, city.name, city.joined)
    return position, not city.founder, city.joined, city.code


def _place(path: Path, code: int, name: str, joined: str) -> tuple[int, str | None]:
    """Position and Chinese name in the roster beside `path`; last, and None, for a city that isn't in it."""
    roster = path.parent / ROSTER
    try:
        with roster.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except FileNotFoundError:
        return _LAST, None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CityFileError(f"{roster}: expected a table in UTF-8, came: {error}; save it again") from error
    if tuple(reader.fieldnames or ()) != _ROSTER_COLUMNS:
        raise CityFileError(
            f"{roster}: expected the columns {','.join(_ROSTER_COLUMNS)}, "
            f"came {','.join(reader.fieldnames or ())}; correct its first line"
        )
    for position, row in enumerate(rows):
        if row["code"] == str(code):
            for key, value in (("name", name), ("joined", joined)):
                if row[key] != value and (row[key] or key == "name"):
                    raise CityFileError(
                        f"{path}: {key}: expected {row[key]!r}, as in {ROSTER}, came {value!r}; correct one of the two"
                    )
            return position, row["name_zh"] or None
    return _LAST, None


class _Loader(yaml.SafeLoader):
    """YAML without surprises: times stay text, and a key that is there twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is there twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP_TAG]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _read_yaml(path: Path) -> object:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CityFileError(f"{path}: expected a city file, came none; check its name") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CityFileError(f"{path}: expected a readable file in UTF-8, came: {error}; check the file") from error
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise CityFileError(f"{path}: expected YAML, came: {error}; correct the line it names") from error


class _Entries:
    """The keys and values of one mapping of a city file; each method reads a value, or says what is wrong."""

    def __init__(
        self, path: Path, where: str, data: object, required: tuple[str, ...], optional: tuple[str, ...]
    ) -> None:
        self.path = path
        self._where = where
        if not isinstance(data, dict):
            shown = where.removesuffix(".") or "the file"
            raise CityFileError(
                f"{path}: {shown}: expected keys with values, came {_shown(data)}; "
                f"write {', '.join(required)}, one each"
            )
        self._data: Mapping[Any, Any] = data
        for key in required:
            if key not in data:
                self.fail(key, "a value", "no such key", _ADVICE.get(key, "add it"))
        for key in data:
            if key not in required and key not in optional:
                allowed = ", ".join((*required, *optional))
                self.fail(
                    str(key),
                    f"one of the keys {allowed}",
                    f"the key {key!r}",
                    "remove it, or correct its name",
                )

    def fail(self, key: str, expected: str, came: str, advice: str) -> NoReturn:
        raise CityFileError(f"{self.path}: {self._where}{key}: expected {expected}, came {came}; {advice}")

    def has(self, key: str) -> bool:
        return key in self._data

    def integer(self, key: str, least: int, most: int, what: str) -> int:
        value = self._data[key]
        if type(value) is not int or not least <= value <= most:
            self.fail(key, f"an integer from {least} to {most}", _shown(value), f"write {what}")
        return value

    def truth(self, key: str) -> bool:
        value = self._data[key]
        if type(value) is not bool:
            self.fail(key, "true or false", _shown(value), "write it without quotes")
        return value

    def text(self, key: str, what: str) -> str:
        value = self._data[key]
        if not isinstance(value, str):
            self.fail(key, what, _shown(value), "write it as text, in quotes")
        return value

    def name(self, key: str, whose: str = "the city's English name") -> str:
        value = self.text(key, "a name")
        if not value.strip() or value != value.strip() or not value.isprintable() or len(value) > 64:
            self.fail(key, "a name of 1 to 64 characters", _shown(value), f"write {whose}")
        return value

    def label(self, key: str) -> str:
        what = "a day, a month or a year, like 2019-12-01, 2019-12 or 2019"
        value = str(self._data[key]) if type(self._data[key]) is int else self.text(key, what)
        try:
            known = _LABEL.fullmatch(value) is not None
            date.fromisoformat((value + "-01-01")[:10] if len(value) < 7 else (value + "-01")[:10])
        except ValueError:
            known = False
        if not known:
            self.fail(key, what, _shown(value), "leave out what is not known")
        return value

    def address(self, key: str) -> str:
        return self.as_address(key, self._data[key])

    def as_address(self, key: str, value: object) -> str:
        what = "an address: 0x and 40 hexadecimal digits"
        if not isinstance(value, str):
            self.fail(key, what, _shown(value), "write it in quotes")
        if not _ADDRESS.fullmatch(value):
            self.fail(key, what, _shown(value), "copy it again")
        raw = bytes.fromhex(value[2:])
        if not any(raw):
            self.fail(key, "an address that somebody holds", _shown(value), "write the account's own")
        if value != to_checksum(raw):
            self.fail(
                key,
                f"the checksum of EIP-55 ({to_checksum(raw)}, if the digits are right)",
                _shown(value),
                "compare the digits with their source, then write it so",
            )
        return value

    def second(self, key: str) -> int:
        what = "a time with its offset, like 2018-12-01T00:00:00+08:00"
        value = self.text(key, what)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(key, what, _shown(value), "write day, time and offset")
        if moment.tzinfo is None:
            self.fail(key, what, _shown(value), "add the offset from UTC, +08:00 in China")
        seconds = int(moment.timestamp())
        if moment.microsecond or not 0 <= seconds < NO_END:
            self.fail(key, "a whole second, in or after 1970", _shown(value), "correct the time")
        return seconds

    def yuan(self, key: str) -> int:
        what = 'an amount in yuan in quotes, like "50000.00"'
        value = self._data[key]
        if not isinstance(value, str):
            self.fail(key, what, _shown(value), "put it in quotes, so that it is not read as a float")
        try:
            return parse_yuan(value)
        except ValueError:
            self.fail(key, what, _shown(value), "not negative, two decimals at most, no separators")

    def mapping(self, key: str, required: tuple[str, ...]) -> "_Entries":
        return _Entries(self.path, f"{self._where}{key}.", self._data[key], required, ())

    def items(self, key: str, what: str) -> list[Any]:
        value = self._data[key]
        if not isinstance(value, list) or not value:
            self.fail(key, f"a list of {what}, at least one", _shown(value), f"list the city's {what}")
        return value


def _issuer_keys(entries: _Entries) -> tuple[IssuerKey, ...]:
    keys: dict[int, IssuerKey] = {}
    for number, item in enumerate(entries.items("issuer_keys", "issuer keys")):
        where = f"issuer_keys[{number}]."
        one = _Entries(entries.path, where, item, _ISSUER_KEY_KEYS, ("valid_until",))
        key_id = one.integer("id", 0, 0xFF, "the key's id")
        address = bytes.fromhex(one.address("address")[2:])
        valid_from = one.second("valid_from")
        valid_until = one.second("valid_until") if one.has("valid_until") else NO_END
        if key_id in keys:
            one.fail("id", "an id that no key before has", str(key_id), "give each key its own")
        if any(key.address == address for key in keys.values()):
            one.fail("address", "an address that no key before has", to_checksum(address), "list each key once")
        if valid_until <= valid_from:
            one.fail("valid_until", "a time after valid_from", "one that is not", "correct one of the two")
        keys[key_id] = IssuerKey(key_id, address, valid_from, valid_until)
    return tuple(keys.values())


def _submitters(entries: _Entries) -> tuple[str, ...]:
    submitters: list[str] = []
    for number, item in enumerate(entries.items("submitters", "submitters' addresses")):
        address = entries.as_address(f"submitters[{number}]", item)
        if address in submitters:
            entries.fail(f"submitters[{number}]", "an address that is not listed yet", address, "list each once")
        submitters.append(address)
    return tuple(submitters)


def _tariff(entries: _Entries) -> Path:
    value = entries.text("tariff", "the folder of the city's GTFS tariff")
    folder = entries.path.parent / value
    if not value or not folder.is_dir():
        entries.fail(
            "tariff",
            "a folder of GTFS files, relative to this file",
            f"{value!r}, which is no folder",
            "correct the path, or put the tariff there",
        )
    return folder


def _operating_day(entries: _Entries) -> OperatingDay:
    if not entries.has("operating_day"):
        return DEFAULT_OPERATING_DAY
    one = entries.mapping("operating_day", ("timezone", "starts"))
    timezone = one.text("timezone", "a time zone like Asia/Shanghai")
    starts = one.text("starts", 'a time of night like "04:00"')
    try:
        OperatingDay(timezone)
    except OperatingDayError as error:
        one.fail("timezone", "one that is known", repr(timezone), str(error))
    try:
        return OperatingDay(timezone, starts)
    except OperatingDayError:
        one.fail("starts", 'a time of night like "04:00"', repr(starts), "write HH:MM in quotes")


def _invoicing(entries: _Entries) -> Invoicing | None:
    if not entries.has("invoicing"):
        return None
    one = entries.mapping("invoicing", ("rate", "entities"))
    rate = one.text("rate", 'a rate of value added tax in quotes, like "3%"')
    if not _RATE.fullmatch(rate):
        one.fail("rate", 'a rate like "3%" or "0.03"', repr(rate), "from 0% to 99.9999%")
    fraction = Decimal(rate.removesuffix("%")).scaleb(-2) if rate.endswith("%") else Decimal(rate)
    entities: list[LegalEntity] = []
    for number, item in enumerate(one.items("entities", "legal entities")):
        where = f"invoicing.entities[{number}]."
        entity = _entity(_Entries(entries.path, where, item, ("name", "name_zh", "tax_id", "stations"), ()))
        for other in entities:
            if entity.first_station <= other.last_station and other.first_station <= entity.last_station:
                entries.fail(
                    f"{where.removesuffix('.')}.stations",
                    "stations that no other entity has",
                    f"{[entity.first_station, entity.last_station]}, which meets {other.name}'s "
                    f"{[other.first_station, other.last_station]}",
                    "give each station to one entity",
                )
        entities.append(entity)
    return Invoicing(fraction, tuple(sorted(entities, key=lambda entity: entity.first_station)))


def _entity(one: _Entries) -> LegalEntity:
    tax_id = one.text("tax_id", "a tax number")
    if not _TAX_ID.fullmatch(tax_id):
        one.fail("tax_id", "5 to 20 digits, capital letters and hyphens", repr(tax_id), "write it as on an invoice")
    stations = one.items("stations", "two station numbers")
    if (
        len(stations) != 2
        or not all(type(n) is int and 1 <= n <= 0xFFFF for n in stations)
        or stations[0] > stations[1]
    ):
        one.fail("stations", "the first and the last station number, from 1 on", _shown(stations), "write like [1, 22]")
    return LegalEntity(
        name=one.name("name", "the company's English name"),
        name_zh=one.name("name_zh", "the company's Chinese name"),
        tax_id=tax_id,
        first_station=stations[0],
        last_station=stations[1],
    )


def _shown(value: object) -> str:
    return "nothing" if value is None else f"{value!r} ({type(value).__name__})"
