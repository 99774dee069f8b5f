"""What the pages ask the index: all of this subpackage's SQL, with parameters."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from duckdb import DuckDBPyConnection

from interline.safe_text import short_name
from ledger.pages.errors import NoSuchPageError
from ledger.pages.votes import STATUS, Proposal, count_votes

LATEST_BATCHES: Final = 20
LATEST_TRANSFERS: Final = 20
_ONE_PAGE: Final = 1_000
"""The most rides that a batch has: protocol section 5."""


@dataclass(frozen=True, slots=True)
class Day:
    """An operating day's rides: how many ended on it, and their fares, fen."""

    day: date
    rides: int
    fares: int


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch in a list. Times in Unix seconds, amounts in fen."""

    batch_id: str
    operator: int
    block: int
    tx: str
    settled_at: int
    settled: int
    refused: int
    fares: int
    number: int
    """In the index."""
    unread: bool
    """Whether its bytes weren't found: its money counts, and its rides aren't known one by one."""


@dataclass(frozen=True, slots=True)
class RideRow:
    """A ride of a batch. Neither its ticket's serial nor its rider is read."""

    index: int
    issuer: int
    operator: int
    entry_station: int
    exit_station: int
    entered_at: int
    exited_at: int
    exit_day: date
    fare: int
    refunded: int
    dispute: str
    """none, open, upheld, refunded."""


@dataclass(frozen=True, slots=True)
class Correction:
    """Something that happened to a ride after its settlement. `kind` is disputed, upheld or refunded."""

    time: int
    block: int
    tx: str
    kind: str
    amount: int
    cause: int = 0
    """Of a refund, as in IRefunds."""
    until: int = 0
    """Of a dispute: the last second for an answer."""


@dataclass(frozen=True, slots=True)
class CityCorrection:
    """A refund, a dispute or an answer, on a city's page."""

    time: int
    batch_id: str
    index: int
    issuer: int
    operator: int
    kind: str
    """`disputed`, `upheld` or `refunded`."""
    amount: int
    """In dispute, the fee, or what went back; fen."""
    cause: int
    """Of a refund, as in IRefunds."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """A deposit or a withdrawal."""

    time: int
    block: int
    tx: str
    kind: str
    amount: int
    reference: bytes


@dataclass(frozen=True, slots=True)
class OpenDispute:
    """A dispute that waits for its answer."""

    batch_id: str
    index: int
    issuer: int
    operator: int
    amount: int
    until: int


@dataclass(slots=True)
class Holdings:
    """What a member has in the registry, besides its status."""

    admin: str = ""
    treasury: str = ""
    """Empty after a recovery, until the city has another."""
    recovery: str = ""
    daily_limit: int = 0
    """Fen a day (UTC) that its tickets may take from it; 0 for no limit."""
    frozen: bool = False
    keys: dict[int, tuple[int, int]] = field(default_factory=dict)
    """(valid from, valid until) of each issuer key, Unix seconds, by its id."""
    submitters: set[str] = field(default_factory=set)
    tariffs: list[tuple[int, str, str]] = field(default_factory=list)
    """(valid from, hash, address of the file) of each that was published."""


@dataclass(slots=True)
class Member:
    """A city as the registry has it. `status` is active, suspended or left."""

    code: int
    name: str
    since: int
    """Unix seconds of its admission."""
    counts_from: int = 0
    """From when on its seat counts in votes, Unix seconds."""
    status: str = "active"


def days(cursor: DuckDBPyConnection, city: int | None = None) -> list[Day]:
    """Rides by the operating day of their exit; those that a city carried, if one is given."""
    rows = cursor.execute(
        """
        SELECT exit_day, count(*), sum(fare)::BIGINT FROM rides
        WHERE $city IS NULL OR operator = $city GROUP BY exit_day ORDER BY exit_day
        """,
        {"city": city},
    ).fetchall()
    return [Day(*row) for row in rows]


_BATCH: Final = """
    SELECT '0x' || lower(hex(batch_id)), operator, block, '0x' || lower(hex(tx)), settled_at, settled, refused, fares,
        id, data IS NULL
    FROM batches
"""


def city_corrections(cursor: DuckDBPyConnection, city: int) -> list[CityCorrection]:
    """A city's last refunds, disputes and answers, whichever side it was on; the newest first."""
    rows = cursor.execute(
        """
        SELECT t.time, '0x' || lower(hex(b.batch_id)), t.index, t.issuer, t.operator, t.kind, t.amount, t.cause FROM (
            SELECT time, block, place, batch, index, issuer, operator, 'disputed' AS kind, amount, 0 AS cause
            FROM disputes
            UNION ALL
            SELECT time, block, place, batch, index, issuer, operator, 'upheld', fee, 0 FROM answers
            UNION ALL
            SELECT time, block, place, batch, index, issuer, operator, 'refunded', amount, cause FROM refunds
        ) t JOIN batches b ON b.id = t.batch
        WHERE t.issuer = $city OR t.operator = $city ORDER BY t.block DESC, t.place DESC LIMIT $most
        """,
        {"city": city, "most": LATEST_TRANSFERS},
    ).fetchall()
    return [CityCorrection(*row) for row in rows]


def batches(
    cursor: DuckDBPyConnection, *, issuer: int | None, operator: int | None, below: int | None, most: int
) -> list[BatchRow]:
    """Batches with rides of an issuer, of an operator, with numbers below one, where these are given; newest first."""
    rows = cursor.execute(
        f"""
        {_BATCH} WHERE ($below IS NULL OR id < $below) AND ($operator IS NULL OR operator = $operator)
            AND ($issuer IS NULL OR id IN (SELECT batch FROM pairs WHERE issuer = $issuer))
        ORDER BY id DESC LIMIT $most
        """,
        {"below": below, "operator": operator, "issuer": issuer, "most": most},
    ).fetchall()
    return [BatchRow(*row) for row in rows]


def unread_batches(cursor: DuckDBPyConnection) -> list[BatchRow]:
    """Those whose bytes weren't found; the newest first."""
    return [BatchRow(*row) for row in cursor.execute(f"{_BATCH} WHERE data IS NULL ORDER BY id DESC").fetchall()]


def latest_batches(cursor: DuckDBPyConnection, city: int | None = None) -> list[BatchRow]:
    """The last ones, of an operator if one is given; the newest first."""
    rows = cursor.execute(
        f"{_BATCH} WHERE $city IS NULL OR operator = $city ORDER BY id DESC LIMIT $most",
        {"city": city, "most": LATEST_BATCHES},
    ).fetchall()
    return [BatchRow(*row) for row in rows]


def batch(cursor: DuckDBPyConnection, batch_id: str) -> BatchRow:
    """A batch by its id, 0x and 64 hexadecimal digits. Raises NoSuchPageError where there is none."""
    row = cursor.execute(f"{_BATCH} WHERE batch_id = $id", {"id": _bytes(batch_id)}).fetchone()
    if row is None:
        raise NoSuchPageError(f"expected a batch of which a ride settled, there is none with the id {batch_id}")
    return BatchRow(*row)


_RIDE: Final = """
    WITH back AS (SELECT index, sum(amount)::BIGINT AS amount FROM refunds WHERE batch = $batch GROUP BY index)
    SELECT r.index, r.issuer, r.operator, r.entry_station, r.exit_station, r.entered_at, r.exited_at, r.exit_day,
        r.fare, coalesce(back.amount, 0),
        CASE WHEN back.amount = r.fare THEN 'refunded'
            WHEN EXISTS (FROM answers a WHERE a.batch = $batch AND a.index = r.index) THEN 'upheld'
            WHEN EXISTS (FROM disputes d WHERE d.batch = $batch AND d.index = r.index) THEN 'open'
            ELSE 'none' END
    FROM rides r LEFT JOIN back ON back.index = r.index WHERE r.batch = $batch
"""


def rides(cursor: DuckDBPyConnection, of: BatchRow) -> list[RideRow]:
    """The rides of a batch that settled, in its order."""
    return [RideRow(*row) for row in cursor.execute(f"{_RIDE} ORDER BY r.index", {"batch": of.number}).fetchall()]


def ride(cursor: DuckDBPyConnection, of: BatchRow, index: int) -> RideRow:
    """One of them. Raises NoSuchPageError where there is none."""
    query = f"{_RIDE} AND r.index = $index"
    row = cursor.execute(query, {"batch": of.number, "index": index}).fetchone() if index < _ONE_PAGE else None
    if row is None:
        if of.unread:
            raise NoSuchPageError(
                f"the rides of this batch weren't read, since its bytes weren't found: ride {index} neither"
            )
        raise NoSuchPageError(f"expected a ride of the batch that settled, number {index} is none")
    return RideRow(*row)


def refused(cursor: DuckDBPyConnection, of: BatchRow) -> list[tuple[int, int]]:
    """(index, reason of protocol section 6) of the rides that the chain refused."""
    query = "SELECT index, reason FROM refused_rides WHERE batch = ? ORDER BY index"
    return [(index, reason) for index, reason in cursor.execute(query, [of.number]).fetchall()]


def corrections(cursor: DuckDBPyConnection, of: BatchRow, index: int) -> list[Correction]:
    """What happened to a ride after it settled, in order."""
    rows = cursor.execute(
        """
        SELECT time, block, '0x' || lower(hex(tx)), kind, amount, cause, until FROM (
            SELECT time, block, place, tx, 'disputed' AS kind, amount, 0 AS cause, answer_until AS until
            FROM disputes WHERE batch = $batch AND index = $index
            UNION ALL
            SELECT time, block, place, tx, 'upheld', fee, 0, 0 FROM answers WHERE batch = $batch AND index = $index
            UNION ALL
            SELECT time, block, place, tx, 'refunded', amount, cause, 0
            FROM refunds WHERE batch = $batch AND index = $index
        ) ORDER BY block, place
        """,
        {"batch": of.number, "index": index},
    ).fetchall()
    return [Correction(*row) for row in rows]


def transfers(cursor: DuckDBPyConnection, city: int) -> list[Transfer]:
    """A city's last deposits and withdrawals, the newest first."""
    rows = cursor.execute(
        """
        SELECT time, block, '0x' || lower(hex(tx)), kind, amount, reference FROM transfers WHERE city = ?
        ORDER BY block DESC, place DESC LIMIT ?
        """,
        [city, LATEST_TRANSFERS],
    ).fetchall()
    return [Transfer(*row) for row in rows]


def open_disputes(cursor: DuckDBPyConnection) -> list[OpenDispute]:
    """All of them, the one that ends first first."""
    rows = cursor.execute(
        """
        WITH back AS (  -- since the dispute, whose amount is what was left of the fare then
            SELECT f.batch, f.index, sum(f.amount)::BIGINT AS amount FROM refunds f
            JOIN disputes d ON d.batch = f.batch AND d.index = f.index AND (f.block, f.place) > (d.block, d.place)
            GROUP BY f.batch, f.index
        )
        SELECT '0x' || lower(hex(b.batch_id)), d.index, d.issuer, d.operator, d.amount - coalesce(back.amount, 0),
            d.answer_until
        FROM disputes d
        JOIN batches b ON b.id = d.batch
        LEFT JOIN back ON back.batch = d.batch AND back.index = d.index
        WHERE NOT EXISTS (FROM answers a WHERE a.batch = d.batch AND a.index = d.index)
            AND d.amount > coalesce(back.amount, 0)
        ORDER BY d.answer_until, d.block, d.place
        """
    ).fetchall()
    return [OpenDispute(*row) for row in rows]


def members(cursor: DuckDBPyConnection) -> dict[int, Member]:
    """All cities that ever joined, by code, in the order in which they did."""
    found: dict[int, Member] = {}
    for name, arguments, time in _events(cursor, "CityRegistry"):
        if name == "CityAdmitted":
            told = arguments["city"], short_name(arguments["name"]), time
            found[arguments["city"]] = Member(*told, counts_from=arguments["countsFrom"])
        elif name in STATUS:
            found[arguments["city"]].status = STATUS[name]
    return found


def holdings(cursor: DuckDBPyConnection) -> dict[int, Holdings]:
    """Each city's addresses, keys, daily limit and published tariffs, by its code."""
    found: dict[int, Holdings] = {}
    rows = cursor.execute(
        "SELECT name, arguments FROM events WHERE contract IN ('CityRegistry', 'Clearinghouse') "
        "AND name IN (SELECT unnest($names)) ORDER BY block, place",
        {"names": list(_HOLDINGS)},
    ).fetchall()
    for name, text in rows:
        told = json.loads(text)
        _HOLDINGS[name](found.setdefault(told["city"], Holdings()), told)
    return found


def _addresses(of: Holdings, told: dict[str, Any]) -> None:
    of.admin, of.treasury = told.get("admin", of.admin), told.get("treasury", of.treasury)
    of.recovery = told.get("recovery", of.recovery)


def _recovered(of: Holdings, told: dict[str, Any]) -> None:
    of.admin, of.treasury = told["admin"], ""


def _key_added(of: Holdings, told: dict[str, Any]) -> None:
    of.keys[told["keyId"]] = (told["validFrom"], told["validUntil"])


def _key_ended(of: Holdings, told: dict[str, Any]) -> None:
    of.keys[told["keyId"]] = (of.keys[told["keyId"]][0], told["validUntil"])


_HOLDINGS: Final[dict[str, Callable[[Holdings, dict[str, Any]], None]]] = {
    "CityAdmitted": _addresses,
    "AdminChanged": _addresses,
    "TreasuryChanged": _addresses,
    "CityRecovered": _recovered,
    "RecoveryChanged": _addresses,
    "DailyLimitSet": lambda of, told: setattr(of, "daily_limit", told["limit"]),
    "IssuerKeyAdded": _key_added,
    "IssuerKeyEnded": _key_ended,
    "SubmitterAdded": lambda of, told: of.submitters.add(told["key"]),
    "SubmitterRemoved": lambda of, told: of.submitters.discard(told["key"]),
    "TreasuryFrozen": lambda of, told: setattr(of, "frozen", told["frozen"]),
    "TariffPublished": lambda of, told: of.tariffs.append((told["validFrom"], told["hash"], told["uri"])),
}


def proposals(cursor: DuckDBPyConnection, now: int) -> list[Proposal]:
    """All votes as of the index's last block, whose time is given, the newest first."""
    registry = cursor.execute("SELECT value FROM meta WHERE key = 'registry'").fetchone()
    return count_votes(_events(cursor, "CityRegistry", "Consortium"), registry[0] if registry else "", now)


def _events(cursor: DuckDBPyConnection, *contracts: str) -> list[tuple[str, dict[str, Any], int]]:
    rows = cursor.execute(
        """
        SELECT e.name, e.arguments, b.time FROM events e JOIN blocks b ON b.number = e.block
        WHERE e.contract IN (SELECT unnest($contracts))
            AND e.name NOT IN ('TicketRevoked', 'IssuerKeyAdded', 'SubmitterAdded', 'TariffPublished')
        ORDER BY e.block, e.place
        """,
        {"contracts": list(contracts)},
    ).fetchall()
    return [(name, json.loads(arguments), time) for name, arguments, time in rows]


def _bytes(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise NoSuchPageError(f"expected a batch id, 0x and 64 hexadecimal digits, came {text[:80]!r}")
    return raw
