"""The feed as JSON, as rows for people, and as a CSV file that is brought up to date."""

import csv
import fcntl
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from interline.cities import CityFile
from interline.ride import UNKNOWN_STATION
from interline.safe_text import moment_text
from interline.signatures import to_checksum
from interline.tariff import Tariff, load_tariff
from issuer_client.documents import to_hex
from issuer_client.errors import FeedFileError
from issuer_client.feed import WITHDRAWN, Entry, Feed, Kind, Statement

COLUMNS: Final = (
    "number",
    "kind",
    "amount_fen",
    "clearinghouse",
    "batch_id",
    "index",
    "key_id",
    "operator",
    "operator_name",
    "serial",
    "entry_station",
    "entry_station_name",
    "exit_station",
    "exit_station_name",
    "entered_at",
    "exited_at",
    "fare_fen",
    "notes",
    "settled_at",
    "block",
    "tx",
)


class Names:
    """The names of cities and stations, from the city files that are at hand."""

    def __init__(self, cities: dict[int, CityFile] | None) -> None:
        self._cities = cities or {}
        self._stations: dict[int, dict[int, str]] = {}

    def city(self, code: int) -> str | None:
        """A city's name, None if there is no file of it."""
        return self._cities[code].name if code in self._cities else None

    def station(self, operator: int, number: int | None) -> str | None:
        """A station's name; None for station 0, one that the tariff hasn't, or a city without a file.

        Raises:
            TariffError: the city's tariff is damaged.
        """
        if operator not in self._cities or number in (None, UNKNOWN_STATION):
            return None
        if operator not in self._stations:
            tariff: Tariff = load_tariff(self._cities[operator].tariff)
            self._stations[operator] = {station.number: station.name for station in tariff.stations}
        assert number is not None
        return self._stations[operator].get(number)


@dataclass(slots=True)
class Total:
    """The sum of entries: rides, their fares, what went back of them, and what is left (fen); statements flagged."""

    rides: int = 0
    fares: int = 0
    refunded: int = 0
    flagged: int = 0

    @property
    def net(self) -> int:
        """What the city owes, fen."""
        return self.fares - self.refunded

    def add(self, entry: Entry) -> None:
        """Count an entry."""
        if entry.item.kind is Kind.REFUND:
            self.refunded -= entry.amount
        else:
            self.fares += entry.amount
            self.rides += -entry.item.rides if entry.kind == WITHDRAWN else entry.item.rides

    def document(self) -> dict[str, int]:
        """As JSON; amounts in fen."""
        return {
            "rides": self.rides,
            "fares": self.fares,
            "refunded": self.refunded,
            "net": self.net,
            "flagged": self.flagged,
        }


def totals(statements: Iterable[Statement], after: int) -> dict[int, Total]:
    """The totals of the entries above `after`, by operator, ascending."""
    found: dict[int, Total] = {}
    for statement in statements:
        total = found.setdefault(statement.item.operator, Total())
        for entry in statement.entries:
            if entry.number > after:
                total.add(entry)
        total.flagged += bool(statement.flags) and not statement.was_read_later
    return dict(sorted(found.items()))


def total_of(parts: Iterable[Total]) -> Total:
    """The total of totals."""
    whole = Total()
    for part in parts:
        whole.rides += part.rides
        whole.fares += part.fares
        whole.refunded += part.refunded
        whole.flagged += part.flagged
    return whole


def statement_document(statement: Statement, names: Names) -> dict[str, Any]:
    """A ride as JSON, with all its entries; amounts in fen, times in Unix seconds, None for what has no name."""
    item = statement.item
    document: dict[str, Any] = {
        "clearinghouse": to_checksum(item.house),
        "batch_id": to_hex(item.batch_id),
        "operator": item.operator,
        "operator_name": names.city(item.operator),
        "net": statement.net,
        "refunded": statement.refunded,
        "withdrawn": not statement.there,
        "flags": list(statement.flags),
        "block": item.block,
        "settled_at": item.time,
        "tx": to_hex(item.tx),
        "entries": [_entry_document(entry) for entry in statement.entries],
    }
    if (ride := item.ride) is None:
        return document | {"rides": item.rides, "fares": statement.fare, "reason": " ".join(item.notes)}
    return document | {
        "index": item.place,
        "key_id": item.key_id,
        "serial": ride.serial,
        "entry_station": ride.entry_station,
        "entry_station_name": names.station(item.operator, ride.entry_station),
        "exit_station": ride.exit_station,
        "exit_station_name": names.station(item.operator, ride.exit_station),
        "entered_at": ride.entered_at,
        "exited_at": ride.exited_at,
        "fare": ride.fare,
    }


def update_csv(path: Path, feed: Feed, names: Names) -> int:
    """Bring a CSV file up to the feed's end, an entry a line, each once; how many lines were added.

    The file says itself how far it goes, by the number in its last whole line: it may have been cut anywhere by a
    crash, or be new. It is readable by its owner alone.

    Raises:
        FeedFileError: it can't be written, or is another file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            after = _cut_to_whole_lines(path, file)
            if after > feed.last_number():
                raise FeedFileError(
                    f"{path}: expected entries up to {feed.last_number()}, came {after}: it is of another register, or "
                    "the register is an older copy; name another file"
                )
            added = 0
            for entry in feed.entries(after):
                file.write(_line(_row(entry, names)))
                added += 1
            file.flush()
            os.fsync(file.fileno())
            return added
    except OSError as error:
        raise FeedFileError(f"{path}: can't be written ({error.strerror}); check the path") from None


def _entry_document(entry: Entry) -> dict[str, Any]:
    document: dict[str, Any] = {"number": entry.number, "kind": entry.kind, "amount": entry.amount}
    if entry.item.kind is Kind.REFUND:
        document["cause"] = " ".join(entry.item.notes)
    return document | {"block": entry.item.block, "tx": to_hex(entry.item.tx)}


def _cut_to_whole_lines(path: Path, file: BinaryIO) -> int:
    """Cut off half a line at the end, write the header into an empty file; the last entry's number."""
    header = _line(COLUMNS)
    data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    if not whole.startswith(header) and not (header.startswith(data) and not whole):
        raise FeedFileError(f"{path}: expected the feed's columns, came another file; name another one")
    file.seek(len(whole))
    file.truncate()
    if not whole:
        file.write(header)
        return 0
    last = whole[:-1].rpartition(b"\n")[2].partition(b",")[0] if len(whole) > len(header) else b"0"
    if not last.isdigit():
        raise FeedFileError(f"{path}: expected an entry's number in its last line, came {last!r}; name another file")
    return int(last)


def _row(entry: Entry, names: Names) -> Sequence[object]:
    item, ride = entry.item, entry.item.ride
    operator = item.operator
    return (
        entry.number,
        entry.kind,
        entry.amount,
        to_checksum(item.house),
        to_hex(item.batch_id),
        None if item.place < 0 else item.place,
        item.key_id,
        operator,
        names.city(operator),
        ride and ride.serial,
        ride and ride.entry_station,
        ride and names.station(operator, ride.entry_station),
        ride and ride.exit_station,
        ride and names.station(operator, ride.exit_station),
        ride and _utc(ride.entered_at),
        ride and _utc(ride.exited_at),
        ride and ride.fare,
        " ".join(item.notes),
        _utc(item.time),
        item.block,
        to_hex(item.tx),
    )


def _line(values: Sequence[object]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(["" if value is None else value for value in values])
    line = text.getvalue()
    return (line[:-1].replace("\n", " ").replace("\r", " ") + "\n").encode("utf-8")


def _utc(seconds: int) -> str:
    return moment_text(seconds, "%Y-%m-%dT%H:%M:%SZ")
