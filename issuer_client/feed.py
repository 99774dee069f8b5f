"""The feed: every ride that settled on an office's tickets, and what became of it, in the order in which it was read.

It is kept in the register's file as a list of numbered entries that only grows: a ride (its fare), a refund (less
that), a batch that couldn't be read (its fares), and the withdrawal of an earlier entry: where blocks were replaced by
others that lack it, and where the bytes of an unread batch turned up, right before its rides. The amounts of all
entries add up to what the city owes by the chain. What one block range brought is written down in one transaction
together with how far the chain was read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum, StrEnum
from sqlite3 import Connection
from typing import Any, Final, Self

from interline.ride import Ride
from issuer_client.config import IssuerConfig
from issuer_client.database import Database
from issuer_client.register import open_database
from issuer_client.ride_checks import RideFlag

CHECKPOINTS: Final = 500
"""How many of the blocks read last are remembered by their hashes."""

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS feed_blocks (number INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS feed_houses (address BLOB PRIMARY KEY) WITHOUT ROWID, STRICT",
    "CREATE TABLE IF NOT EXISTS feed_place (delivered INTEGER NOT NULL) STRICT",
    """CREATE TABLE IF NOT EXISTS feed_revocations (
        operator INTEGER, serial INTEGER, at INTEGER NOT NULL, block INTEGER NOT NULL, PRIMARY KEY (operator, serial)
    ) WITHOUT ROWID, STRICT""",
    """CREATE TABLE IF NOT EXISTS feed_items (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, house BLOB NOT NULL, batch_id BLOB NOT NULL,
        place INTEGER NOT NULL, part INTEGER NOT NULL, operator INTEGER NOT NULL, serial INTEGER, key_id INTEGER,
        ride BLOB, rides INTEGER NOT NULL, amount INTEGER NOT NULL, notes TEXT NOT NULL, exited_at INTEGER,
        block INTEGER NOT NULL, time INTEGER NOT NULL, tx BLOB NOT NULL, state INTEGER NOT NULL,
        UNIQUE (house, batch_id, place, part, kind)
    ) STRICT""",
    "CREATE INDEX IF NOT EXISTS feed_by_serial ON feed_items (operator, serial)",
    "CREATE INDEX IF NOT EXISTS feed_by_block ON feed_items (block)",
    """CREATE TABLE IF NOT EXISTS feed_entries (
        number INTEGER PRIMARY KEY, item INTEGER NOT NULL REFERENCES feed_items, kind TEXT NOT NULL,
        amount INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX IF NOT EXISTS feed_entries_by_item ON feed_entries (item)",
    # bytes of batches that were given by hand, by their hash
    "CREATE TABLE IF NOT EXISTS feed_batches (batch_id BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID, STRICT",
)


class Kind(StrEnum):
    """What an item of the feed is."""

    RIDE = "ride"
    REFUND = "refund"
    UNREAD = "unread"
    """A settled batch whose bytes weren't found; withdrawn when its rides are entered in its place."""


WITHDRAWN: Final = "withdrawn"
"""The kind of an entry that takes an earlier one back."""


class State(IntEnum):
    """Whether an item is on the chain, as far as it was read."""

    THERE = 0
    UNSURE = 1  # its block was replaced, and the blocks in its place aren't all read yet
    GONE = 2


@dataclass(frozen=True, slots=True)
class Item:
    """A ride, a refund or an unread batch, as it stands on the chain.

    `house` is the Clearinghouse (20 bytes); `place` the ride's index in the batch, -1 for the batch as a whole;
    `part` counts the refunds of a ride from 0. `amount` is what it adds to what the issuer owes: the fare, less than
    nothing for a refund (fen); `rides` how many rides it adds. `notes` are a ride's flags, a refund's cause, or why a
    batch couldn't be read. `time` is the block's, Unix seconds.
    """

    kind: Kind
    house: bytes
    batch_id: bytes
    place: int
    operator: int
    amount: int
    block: int
    time: int
    tx: bytes
    part: int = 0
    rides: int = 0
    key_id: int | None = None
    ride: Ride | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the feed: its number (from 1, without gaps), what it is, and what it adds (fen)."""

    number: int
    kind: str
    amount: int
    item: Item


@dataclass(frozen=True, slots=True)
class Statement:
    """A ride or an unread batch, all its entries so far, and whether it is on the chain.

    `entries` are its own and those of its refunds, ascending. A refund of a ride of an unread batch has
    a statement of its own.
    """

    item: Item
    there: bool
    entries: tuple[Entry, ...]

    @property
    def flags(self) -> tuple[str, ...]:
        """Why it doesn't match what was issued; for an unread batch, `unread`."""
        if self.item.kind is Kind.UNREAD:
            return (Kind.UNREAD.value,)
        return self.item.notes if self.item.kind is Kind.RIDE else ()

    @property
    def was_read_later(self) -> bool:
        """Whether it is an unread batch that isn't there any more: its rides are entered, or it isn't on the chain."""
        return self.item.kind is Kind.UNREAD and not self.there

    @property
    def fare(self) -> int:
        """What was settled, fen; 0 once it was withdrawn."""
        return self.item.amount if self.there and self.item.kind is not Kind.REFUND else 0

    @property
    def net(self) -> int:
        """What the issuer owes for it, all in all, fen."""
        return sum(entry.amount for entry in self.entries)

    @property
    def refunded(self) -> int:
        """What went back, fen."""
        return self.fare - self.net


@dataclass(frozen=True, slots=True)
class Reading:
    """What one range of blocks brought; `block` and `block_hash` are its last."""

    block: int
    block_hash: bytes
    items: tuple[Item, ...]
    revocations: tuple[tuple[int, int, int, int], ...] = field(default=())
    """(operator, serial, time, block)."""


class Feed:
    """The feed in the register's file. Use it in one thread, and close it (`with`).

    Raises, from every method:
        DatabaseError: the file can't be read or written.
    """

    def __init__(self, config: IssuerConfig) -> None:
        self._database: Database = open_database(config, later=_TABLES)

    # ------------------------------------------------------------ how far it was read

    def checkpoints(self) -> list[tuple[int, bytes]]:
        """Number and hash of the blocks up to which the chain was read, the newest first."""
        return self._database.read("SELECT number, hash FROM feed_blocks ORDER BY number DESC")

    def houses(self) -> set[bytes]:
        """The Clearinghouses that were read so far."""
        return {address for (address,) in self._database.read("SELECT address FROM feed_houses")}

    def start_over(self, houses: Iterable[bytes]) -> None:
        """Read everything again, from these Clearinghouses; what is known already makes no new entries."""
        with self._database.transaction() as sql:
            sql.execute("DELETE FROM feed_blocks")
            sql.executemany("INSERT OR IGNORE INTO feed_houses VALUES (?)", [(house,) for house in houses])

    def doubt(self, block: int) -> None:
        """Everything after `block` was replaced: what is there of it must be found again."""
        with self._database.transaction() as sql:
            sql.execute("DELETE FROM feed_blocks WHERE number > ?", (block,))
            sql.execute("DELETE FROM feed_revocations WHERE block > ?", (block,))
            sql.execute(
                "UPDATE feed_items SET state = ? WHERE block > ? AND state = ?", (State.UNSURE, block, State.THERE)
            )

    def record(self, reading: Reading, check: Callable[[Item], tuple[RideFlag, ...]]) -> int:
        """Write down what a range of blocks brought, and that it was read, in one transaction; how many new entries.

        `check` gives the flags of a ride that wasn't known.
        """
        with self._database.transaction() as sql:
            before = _last_number(sql)
            sql.executemany("INSERT OR IGNORE INTO feed_revocations VALUES (?, ?, ?, ?)", reading.revocations)
            read = ((item.house, item.batch_id) for item in reading.items if item.kind is Kind.RIDE)
            for batch in dict.fromkeys(read):
                _withdraw_unread(sql, *batch)  # it may have been unread when it was read before
            for item in _numbered(sql, reading.items):
                _write(sql, item, check)
            sql.execute("INSERT OR REPLACE INTO feed_blocks VALUES (?, ?)", (reading.block, reading.block_hash))
            sql.execute(
                """DELETE FROM feed_blocks
                WHERE number NOT IN (SELECT number FROM feed_blocks ORDER BY number DESC LIMIT ?)""",
                (CHECKPOINTS,),
            )
            return _last_number(sql) - before

    # ------------------------------------------------------------ batches that weren't read

    def unread(self) -> list[Item]:
        """The batches on the chain whose bytes weren't found, as they were entered."""
        query = f"SELECT {', '.join(_ITEM_FIELDS)} FROM feed_items WHERE kind = ? AND state = ? ORDER BY id"
        return [_item(row) for row in self._database.read(query, (Kind.UNREAD, State.THERE))]

    def rides_of(self, house: bytes, batch_id: bytes) -> list[Item]:
        """The rides of a batch that are entered and weren't withdrawn, by their places."""
        query = f"""SELECT {", ".join(_ITEM_FIELDS)} FROM feed_items
            WHERE house = ? AND batch_id = ? AND kind = ? AND state <> ? ORDER BY place"""
        return [_item(row) for row in self._database.read(query, (house, batch_id, Kind.RIDE, State.GONE))]

    def enter_late(self, unread: Item, rides: Sequence[Item], check: Callable[[Item], tuple[RideFlag, ...]]) -> bool:
        """Enter the rides of an unread batch in its place, in one transaction; False where it isn't unread any more."""
        with self._database.transaction() as sql:
            if not _withdraw_unread(sql, unread.house, unread.batch_id):
                return False
            for item in rides:
                _write(sql, item, check)
            return True

    def has_batch(self, batch_id: bytes) -> bool:
        """Is anything of a batch of that id entered?"""
        return bool(self._database.read("SELECT 1 FROM feed_items WHERE batch_id = ? LIMIT 1", (batch_id,)))

    def given(self) -> dict[bytes, bytes]:
        """The bytes of batches that were given by hand, by their ids."""
        return {bytes(one): bytes(data) for one, data in self._database.read("SELECT batch_id, data FROM feed_batches")}

    def keep_given(self, given: Mapping[bytes, bytes]) -> None:
        """Keep bytes that were given by hand: they may be asked for again when blocks are replaced."""
        with self._database.transaction() as sql:
            sql.executemany("INSERT OR IGNORE INTO feed_batches VALUES (?, ?)", given.items())

    # ------------------------------------------------------------ blocks that were replaced

    def withdraw_unsure(self) -> int:
        """Take back what stood in replaced blocks and isn't in those that took their place; how many items."""
        with self._database.transaction() as sql:
            unsure = sql.execute(
                "SELECT id, amount FROM feed_items WHERE state = ? ORDER BY id DESC", (State.UNSURE,)
            ).fetchall()
            for id_, amount in unsure:
                _withdraw(sql, id_, amount)
            return len(unsure)

    def revoked_at(self, operator: int, serial: int) -> int | None:
        """When a ticket was revoked (Unix seconds), None if it wasn't."""
        rows = self._database.read(
            "SELECT at FROM feed_revocations WHERE operator = ? AND serial = ?", (operator, serial)
        )
        return int(rows[0][0]) if rows else None

    def has_other_ride(self, item: Item) -> bool:
        """Is there another ride on the same ticket?"""
        assert item.ride is not None
        return bool(
            self._database.read(
                """SELECT 1 FROM feed_items WHERE operator = ? AND serial = ? AND kind = 'ride' AND state <> ?
                AND NOT (house = ? AND batch_id = ? AND place = ?)""",
                (item.operator, item.ride.serial, State.GONE, item.house, item.batch_id, item.place),
            )
        )

    def rides_on_revoked_tickets(self) -> list[tuple[Item, int]]:
        """The rides on the chain whose ticket was revoked at some time, and when (Unix seconds)."""
        columns = ", ".join(f"i.{column}" for column in _ITEM_FIELDS)
        query = f"""SELECT r.at, {columns} FROM feed_revocations r
            JOIN feed_items i ON i.operator = r.operator AND i.serial = r.serial
            WHERE i.kind = 'ride' AND i.state = ? ORDER BY i.id"""
        return [(_item(row), int(at)) for at, *row in self._database.read(query, (State.THERE,))]

    # ------------------------------------------------------------ what is in it

    def last_number(self) -> int:
        """The number of the last entry, 0 if there is none."""
        ((number,),) = self._database.read("SELECT coalesce(max(number), 0) FROM feed_entries")
        return int(number)

    def delivered(self) -> int:
        """The number of the last entry that was handed out."""
        ((number,),) = self._database.read("SELECT coalesce(max(delivered), 0) FROM feed_place")
        return int(number)

    def deliver(self, number: int) -> None:
        """Everything up to entry `number` was handed out."""
        with self._database.transaction() as sql:
            sql.execute("DELETE FROM feed_place")
            sql.execute("INSERT INTO feed_place VALUES (?)", (number,))

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """The entries with a number above `after`, ascending."""
        query = (
            f"SELECT {_ENTRY} FROM feed_entries e JOIN feed_items i ON i.id = e.item WHERE number > ? ORDER BY number"
        )
        for number, kind, amount, *row in self._database.read(query, (after,)):
            yield Entry(number, kind, amount, _item(row))

    def statements(
        self, *, after: int = 0, since: int | None = None, until: int | None = None, operator: int | None = None
    ) -> list[Statement]:
        """The rides and unread batches with an entry above `after`, in the order of their first entries.

        `since` and `until` (not included) are Unix seconds, and ask when the ride ended; for an unread batch, when it
        was settled. `operator` leaves out other cities'.
        """
        query = f"""
            WITH wanted AS (
                SELECT DISTINCT i.house, i.batch_id, i.place
                FROM feed_entries e JOIN feed_items i ON i.id = e.item WHERE e.number > ?1
            )
            SELECT i.state, {_ENTRY} FROM wanted w
            JOIN feed_items i ON i.house = w.house AND i.batch_id = w.batch_id AND i.place = w.place
            JOIN feed_entries e ON e.item = i.id
            WHERE ?2 IS NULL OR i.operator = ?2
            ORDER BY e.number"""
        grouped: dict[tuple[bytes, bytes, int], list[tuple[State, Entry]]] = {}
        for state, number, kind, amount, *row in self._database.read(query, (after, operator)):
            item = _item(row)
            entry = Entry(number, kind, amount, item)
            grouped.setdefault((item.house, item.batch_id, item.place), []).append((State(state), entry))
        statements = [_statement(entries) for entries in grouped.values()]
        return [one for one in statements if _within(one, since, until)]

    def close(self) -> None:
        """Close the file; the feed can't be used after this."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_ITEM_FIELDS: Final = [column.name for column in fields(Item)]
_ENTRY: Final = ", ".join(["e.number", "e.kind", "e.amount", *(f"i.{column}" for column in _ITEM_FIELDS)])


def _item(row: Sequence[Any]) -> Item:
    values = dict(zip(_ITEM_FIELDS, row, strict=True))
    ride = values["ride"]
    values |= {
        "kind": Kind(values["kind"]),
        "ride": ride and Ride.from_bytes(ride),
        "notes": tuple(json.loads(values["notes"])),
    }
    return Item(**values)


def _statement(entries: list[tuple[State, Entry]]) -> Statement:
    """Those of one place in a batch, ascending."""
    state, first = next((one for one in entries if one[1].item.kind is not Kind.REFUND), entries[0])
    return Statement(first.item, state is not State.GONE, tuple(entry for _, entry in entries))


def _within(statement: Statement, since: int | None, until: int | None) -> bool:
    ride = statement.item.ride
    ended = statement.item.time if ride is None else ride.exited_at
    return (since is None or since <= ended) and (until is None or ended < until)


def _last_number(sql: Connection) -> int:
    ((number,),) = sql.execute("SELECT coalesce(max(number), 0) FROM feed_entries").fetchall()
    return int(number)


def _numbered(sql: Connection, items: Iterable[Item]) -> Iterator[Item]:
    """The items, refunds with their parts: they count on from those of the same ride in blocks that stand."""
    parts: dict[tuple[bytes, bytes, int], int] = {}
    for item in items:
        if item.kind is not Kind.REFUND:
            yield item
            continue
        ride = (item.house, item.batch_id, item.place)
        if ride not in parts:
            query = """SELECT count(*) FROM feed_items WHERE house = ? AND batch_id = ? AND place = ?
                AND kind = 'refund' AND state = ? AND block < ?"""
            ((parts[ride],),) = sql.execute(query, (*ride, State.THERE, item.block)).fetchall()
        yield replace(item, part=parts[ride])
        parts[ride] += 1


def _write(sql: Connection, item: Item, check: Callable[[Item], tuple[RideFlag, ...]]) -> None:
    """Write an item that is on the chain; it makes an entry, unless it is known."""
    query = """SELECT id, amount, state FROM feed_items
        WHERE house = ? AND batch_id = ? AND place = ? AND part = ? AND kind = ?"""
    row = sql.execute(query, (item.house, item.batch_id, item.place, item.part, item.kind)).fetchone()
    if row is not None:
        id_, amount, state = row
        same = amount == item.amount
        if state == State.UNSURE and not same:
            _withdraw(sql, id_, amount)
        sql.execute(
            "UPDATE feed_items SET amount = ?, block = ?, time = ?, tx = ?, state = ? WHERE id = ?",
            (item.amount, item.block, item.time, item.tx, State.THERE, id_),
        )
        if item.kind is not Kind.RIDE:  # a ride's flags stay as they were found
            sql.execute("UPDATE feed_items SET notes = ? WHERE id = ?", (json.dumps([*item.notes]), id_))
        if state != State.GONE and same:
            return
    else:
        id_ = _insert(sql, item, check(item) if item.kind is Kind.RIDE else item.notes)
    sql.execute("INSERT INTO feed_entries (item, kind, amount) VALUES (?, ?, ?)", (id_, item.kind, item.amount))


def _insert(sql: Connection, item: Item, notes: Sequence[str]) -> int:
    ride = item.ride
    cursor = sql.execute(
        """INSERT INTO feed_items (kind, house, batch_id, place, part, operator, serial, key_id, ride, rides, amount,
            notes, exited_at, block, time, tx, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            item.kind,
            item.house,
            item.batch_id,
            item.place,
            item.part,
            item.operator,
            ride and ride.serial,
            item.key_id,
            ride and ride.to_bytes(),
            item.rides,
            item.amount,
            json.dumps([*notes]),
            ride and ride.exited_at,
            item.block,
            item.time,
            item.tx,
            State.THERE,
        ),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _withdraw_unread(sql: Connection, house: bytes, batch_id: bytes) -> bool:
    """Take back the entry of an unread batch; False if there is none."""
    query = "SELECT id, amount FROM feed_items WHERE house = ? AND batch_id = ? AND kind = ? AND state <> ?"
    rows = sql.execute(query, (house, batch_id, Kind.UNREAD, State.GONE)).fetchall()
    for id_, amount in rows:
        _withdraw(sql, id_, amount)
    return bool(rows)


def _withdraw(sql: Connection, id_: int, amount: int) -> None:
    sql.execute("UPDATE feed_items SET state = ? WHERE id = ?", (State.GONE, id_))
    sql.execute("INSERT INTO feed_entries (item, kind, amount) VALUES (?, ?, ?)", (id_, WITHDRAWN, -amount))
