"""The trust list: all that a gate believes when it has no network (protocol, section 4)."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from gate_client.errors import TrustListError
from gate_client.files import locked, write_durably
from gate_client.line import Line, Predecessor, predecessor_documents
from interline.domain import Domain
from interline.errors import InterlineError
from interline.safe_text import safe_text
from interline.signatures import parse_address, to_checksum

_log = logging.getLogger(__name__)
_VERSION = 2
_WITHOUT_PREDECESSORS = 1
"""The version before: read as a list of a Clearinghouse without predecessors."""


class CityStatus(IntEnum):
    """A city's standing in the registry (section 7); a city that isn't listed has status 0."""

    NONE = 0
    ACTIVE = 1
    SUSPENDED = 2
    EXITED = 3


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """An issuer key: its id, address (20 bytes) and window, `valid_from <= t < valid_until`, in Unix seconds."""

    id: int
    address: bytes
    valid_from: int
    valid_until: int


@dataclass(frozen=True, slots=True)
class TrustedCity:
    """A city that is or was a member, with every issuer key it ever had."""

    code: int
    name: str
    status: CityStatus
    keys: tuple[TrustedKey, ...]


@dataclass(frozen=True, slots=True)
class TrustedTariff:
    """What the gate needs of its operator's tariff: the highest fare (fen) and the station numbers."""

    digest: str
    highest_fare: int
    stations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Owing:
    """What a city owes this operator in arrears at one Clearinghouse (20 bytes), fen; `withheld` of it can't be paid
    yet, because it is above the city's daily limit."""

    clearinghouse: bytes
    debtor: int
    arrears: int
    withheld: int


@dataclass(frozen=True, slots=True)
class TrustList:
    """The state of the consortium at one block, as far as one operator's gates need it.

    `domain` is the newest Clearinghouse's; `predecessors` are those before it, the nearest first. `block_time` is in
    Unix seconds; `revoked` holds (issuer, serial) of tickets for this operator, in whichever domain, that were revoked
    from block `revoked_from` on (None: not known). `evidence_for` is how long after a ride its codes may be asked for,
    in seconds: the longest of any sync of any Clearinghouse of the line (None: no sync has asked).

    `grace` is how old the list may be by the chain: the least of the Clearinghouses' graces in force and to come, in
    seconds (None: no sync has asked). `ends` is when the newest closes without a successor that can be used, and
    `problem` why the one that was named can't be; `called_off` are domains that the list had and has no more. `owing`
    is what others owe the operator.
    """

    domain: Domain
    operator: int
    block: int
    block_time: int
    cities: tuple[TrustedCity, ...]
    revoked: frozenset[tuple[int, int]]
    tariff: TrustedTariff
    predecessors: tuple[Predecessor, ...] = ()
    revoked_from: int | None = None
    evidence_for: int | None = None
    grace: int | None = None
    ends: int | None = None
    problem: str | None = None
    called_off: tuple[Domain, ...] = ()
    owing: tuple[Owing, ...] = ()

    @property
    def line(self) -> Line:
        """The Clearinghouses whose tickets count, the newest and those before it."""
        return Line(self.domain, self.predecessors, self.ends, self.problem, self.called_off)

    def limit(self, setting: int) -> int:
        """How old the list may be, in seconds: as the gate's settings say, but never older than the chain allows."""
        return setting if self.grace is None else min(setting, self.grace)

    def city(self, code: int) -> TrustedCity | None:
        """The city with this code, None where the registry has never had one."""
        return next((city for city in self.cities if city.code == code), None)

    def check_station(self, station: int) -> None:
        """Refuse a station that the operator's tariff doesn't know.

        Raises:
            TrustListError: the station isn't in the tariff of the last sync.
        """
        if station not in self.tariff.stations:
            known = _ranges(self.tariff.stations)
            raise TrustListError(
                f"station {station} is not in the tariff of {self.operator}, which knows {known}; "
                f"correct the number, or run gate-client sync after a new tariff"
            )

    def to_json(self) -> str:
        """The list as the text that lies beside the journal."""
        revoked: dict[str, list[int]] = {}
        for issuer, serial in sorted(self.revoked):
            revoked.setdefault(str(issuer), []).append(serial)
        document = {
            "version": _VERSION,
            "chain_id": self.domain.chain_id,
            "clearinghouse": to_checksum(self.domain.clearinghouse),
            "predecessors": predecessor_documents(self.line),
            "operator": self.operator,
            "block": self.block,
            "block_time": self.block_time,
            "cities": [_city_document(city) for city in self.cities],
            "revoked": revoked,
            "revoked_from": self.revoked_from,
            "evidence_for": self.evidence_for,
            "grace": self.grace,
            "ends": self.ends,
            "problem": self.problem,
            "called_off": [to_checksum(domain.clearinghouse) for domain in self.called_off],
            "owing": [_owing_document(one) for one in self.owing],
            "tariff": {
                "digest": self.tariff.digest,
                "highest_fare": self.tariff.highest_fare,
                "stations": list(self.tariff.stations),
            },
        }
        return json.dumps(document, ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> TrustList:
        """Read what `to_json` wrote.

        Raises:
            TrustListError: the text is damaged or of another version.
        """
        try:
            document = json.loads(text)
            if document["version"] == _WITHOUT_PREDECESSORS:
                document |= {"predecessors": [], "revoked_from": None}
            elif document["version"] != _VERSION:
                raise ValueError(f"expected version {_VERSION}, found {document['version']!r}")
            chain_id = _whole(document["chain_id"])
            since, evidence_for = document["revoked_from"], document.get("evidence_for")
            return cls(
                domain=Domain(chain_id, parse_address(document["clearinghouse"])),
                operator=_whole(document["operator"]),
                block=_whole(document["block"]),
                block_time=_whole(document["block_time"]),
                cities=tuple(_city(city) for city in document["cities"]),
                revoked=frozenset(
                    (int(issuer), _whole(serial))
                    for issuer, serials in document["revoked"].items()
                    for serial in serials
                ),
                tariff=_tariff(document["tariff"]),
                predecessors=tuple(_predecessor(chain_id, before) for before in document["predecessors"]),
                revoked_from=None if since is None else _whole(since),
                evidence_for=None if evidence_for is None else _whole(evidence_for),
                grace=_whole_or_none(document.get("grace")),
                ends=_whole_or_none(document.get("ends")),
                problem=None if document.get("problem") is None else _text(document["problem"]),
                called_off=tuple(Domain(chain_id, parse_address(each)) for each in document.get("called_off", ())),
                owing=tuple(_owing(each) for each in document.get("owing", ())),
            )
        except KeyError as error:
            raise TrustListError(f"{error} is missing") from None
        except (ValueError, TypeError, AttributeError, InterlineError) as error:
            raise TrustListError(str(error)) from None


def load_trust_list(path: Path) -> TrustList:
    """Read the list that the last sync wrote.

    Raises:
        TrustListError: there is none, or it is damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise TrustListError(f"{path}: no trust list yet; run gate-client sync while there is a network") from None
    except (OSError, UnicodeDecodeError) as error:
        raise TrustListError(f"{path}: the trust list can't be read ({error})") from None
    try:
        return TrustList.from_json(text)
    except TrustListError as error:
        raise TrustListError(
            f"{path}: the trust list is damaged ({error}); remove the file and run gate-client sync"
        ) from None


def replace_trust_list(path: Path, new: TrustList) -> TrustList | None:
    """Put a new list in the place of the old one, durably; returns the old one, if there was one.

    Raises:
        TrustListError: the old list is damaged, of a higher block, of another operator or of another domain.
        OSError: the folder can't be written.
    """
    with locked(path.with_name(path.name + ".lock")):
        old = load_trust_list(path) if path.exists() else None
        if old is not None:
            check_replacement(old, new)
        write_durably(path, new.to_json().encode())
    return old


def check_replacement(old: TrustList, new: TrustList) -> None:
    """May `new` take the place of `old`? Section 4: never a list of a lower block.

    Raises:
        TrustListError: it may not.
    """
    if not new.line.meets(old.line):
        raise TrustListError(
            f"the trust list is of {_domain_text(old.domain)}, the new one of {_domain_text(new.domain)}, which isn't "
            f"its successor: a gate doesn't change its domain; use a new journal for the new one"
        )
    if new.operator != old.operator:
        raise TrustListError(
            f"the trust list is operator {old.operator}'s, the new one {new.operator}'s; a journal is one operator's"
        )
    if new.block < old.block:
        raise TrustListError(
            f"the chain is at block {new.block}, the trust list already at block {old.block}: the old list stays; "
            f"ask a node that is up to date"
        )


class TrustListFile:
    """A trust list that follows its file, so that a gate that runs for weeks sees every sync.

    Raises:
        TrustListError: on making one, where there is no usable list yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._stamp()
        self._list = load_trust_list(path)

    def current(self) -> TrustList:
        """The newest usable list; one that is damaged or older than the last stays unused, with a warning."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            try:
                new = load_trust_list(self._path)
                check_replacement(self._list, new)
                self._list = new
            except TrustListError as error:
                _log.warning("the gate goes on with the trust list of block %d: %s", self._list.block, error)
        return self._list

    def _stamp(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError:
            return (0, 0, 0)
        return (status.st_ino, status.st_mtime_ns, status.st_size)


def _ranges(numbers: Iterable[int]) -> str:
    """Numbers as people write them: `1 to 9, 12, 14 to 20`."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number <= ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], number]
        else:
            ranges.append([number])
    return ", ".join(" to ".join(map(str, each)) for each in ranges)


def _domain_text(domain: Domain) -> str:
    return f"chain {domain.chain_id}, Clearinghouse {to_checksum(domain.clearinghouse)}"


def _city_document(city: TrustedCity) -> dict[str, object]:
    keys = [
        {
            "id": key.id,
            "address": to_checksum(key.address),
            "valid_from": key.valid_from,
            "valid_until": key.valid_until,
        }
        for key in city.keys
    ]
    return {"code": city.code, "name": city.name, "status": int(city.status), "keys": keys}


def _city(document: Mapping[str, object]) -> TrustedCity:
    keys = document["keys"]
    if not isinstance(keys, list):
        raise ValueError("a city's keys should be a list")
    return TrustedCity(
        code=_whole(document["code"]),
        name=safe_text(_text(document["name"])),
        status=CityStatus(_whole(document["status"])),
        keys=tuple(_key(key) for key in keys),
    )


def _key(document: Mapping[str, object]) -> TrustedKey:
    return TrustedKey(
        id=_whole(document["id"]),
        address=parse_address(_text(document["address"])),
        valid_from=_whole(document["valid_from"]),
        valid_until=_whole(document["valid_until"]),
    )


def _predecessor(chain_id: int, document: Mapping[str, object]) -> Predecessor:
    address = parse_address(_text(document["clearinghouse"]))
    return Predecessor(Domain(chain_id, address), _whole(document["closes_at"]))


def _owing_document(owing: Owing) -> dict[str, object]:
    address = to_checksum(owing.clearinghouse)
    return {
        "clearinghouse": address,
        "debtor": owing.debtor,
        "arrears": owing.arrears,
        "withheld": owing.withheld,
    }


def _owing(document: Mapping[str, object]) -> Owing:
    return Owing(
        clearinghouse=parse_address(_text(document["clearinghouse"])),
        debtor=_whole(document["debtor"]),
        arrears=_whole(document["arrears"]),
        withheld=_whole(document["withheld"]),
    )


def _tariff(document: Mapping[str, object]) -> TrustedTariff:
    stations = document["stations"]
    if not isinstance(stations, list):
        raise ValueError("the tariff's stations should be a list")
    return TrustedTariff(
        digest=_text(document["digest"]),
        highest_fare=_whole(document["highest_fare"]),
        stations=tuple(_whole(station) for station in stations),
    )


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"expected a whole number, found {value!r}")
    return value


def _whole_or_none(value: object) -> int | None:
    return None if value is None else _whole(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a text, found {value!r}")
    return value
