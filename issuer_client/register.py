"""The register: every ticket that an office has issued, and how far its serials have been handed out.

The place in an operator's serials and the tickets themselves are written in one transaction, which is on disk
(SQLite, WAL, synchronous=FULL) before anybody sees the tickets. A crash before that leaves no trace, a crash after
it tickets that are in the register and that nobody holds; in neither case is a serial given again. Several
processes may use one register at once. It is the only place where a rider's tickets can be told from others': keep
it as carefully as the issuer key.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Self

from interline.domain import Domain
from interline.errors import MalformedError
from interline.signatures import parse_address, to_checksum
from interline.ticket import Ticket
from issuer_client.config import IssuerConfig
from issuer_client.database import Database
from issuer_client.errors import DatabaseError, DomainRefusedError, RiderKeyError
from issuer_client.serials import BLOCK, SYSTEM_SHUFFLE, SerialPlace, Shuffle

_SCHEMA = (
    """CREATE TABLE serial_places (
        operator INTEGER PRIMARY KEY, block INTEGER NOT NULL, shuffled BLOB NOT NULL, used INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE tickets (
        number INTEGER PRIMARY KEY, operator INTEGER NOT NULL, serial INTEGER NOT NULL,
        rider_key BLOB NOT NULL UNIQUE, ticket BLOB NOT NULL, issued_at INTEGER NOT NULL, UNIQUE (operator, serial)
    ) STRICT""",
)


_LATER = (
    """CREATE TABLE IF NOT EXISTS domains (
        first_ticket INTEGER PRIMARY KEY, clearinghouse BLOB NOT NULL
    ) STRICT""",
)
"""`domains`: the tickets from that number on are of that Clearinghouse, up to the next row; none: the only one."""


@dataclass(frozen=True, slots=True)
class IssuedTicket:
    """A ticket as the register has it, the domain it was signed in, and when it was issued (Unix seconds)."""

    ticket: Ticket
    issued_at: int
    domain: Domain


_ISSUED = """ticket, issued_at,
    (SELECT clearinghouse FROM domains WHERE first_ticket <= number ORDER BY first_ticket DESC LIMIT 1)"""


@dataclass(frozen=True, slots=True)
class SerialCount:
    """How many serials for one operator have been handed out, the block in use, and how many are left in it."""

    operator: int
    handed_out: int
    block: int
    left_in_block: int


def open_database(config: IssuerConfig, *, later: Sequence[str] = (), anywhere: bool = False) -> Database:
    """The register's file, with the tables that `later` adds; with `anywhere`, whichever Clearinghouse it is for.

    Raises:
        DatabaseError: it can't be opened, is another issuer's, or was moved to another domain.
    """
    return Database(
        config.database,
        schema=_SCHEMA,
        later=(*_LATER, *later),
        belongs_to={
            "kind": "ticket office, version 1",
            "city": str(config.city),
            "chain id": str(config.chain_id),
            "clearinghouse": None if anywhere else to_checksum(config.clearinghouse),
        },
    )


class TicketRegister:
    """The register of one issuer, which issues in one domain at a time. Use it in one thread, and close it (`with`).

    `shuffle` is how serials are shuffled: by the operating system's randomness, but in an experiment.

    Raises:
        DatabaseError: the database can't be opened, or is another issuer's, or another domain's now.
    """

    def __init__(self, config: IssuerConfig, *, shuffle: Shuffle = SYSTEM_SHUFFLE) -> None:
        self._domain = config.domain
        self._shuffle = shuffle
        self._database = open_database(config)

    def issue(
        self, operator: int, rider_keys: Sequence[bytes], sign: Callable[[int, bytes], Ticket], now: int
    ) -> list[Ticket]:
        """Take a serial for each rider key, have each ticket signed, and write all of it down, or nothing.

        `sign` makes the ticket of a serial and a rider key (33 bytes); `now` is the time of issue, Unix seconds.
        The tickets are on disk when this returns.

        Raises:
            RiderKeyError: a rider key has a ticket already.
            SerialsExhaustedError: there are fewer serials left.
            DatabaseError: the database can't be written.
        """
        with self._database.transaction() as sql:
            self._check_domain(sql)
            _refuse_used_keys(sql, rider_keys)
            serials = self._take_serials(sql, operator, len(rider_keys))
            tickets = [sign(serial, key) for serial, key in zip(serials, rider_keys, strict=True)]
            sql.executemany(
                "INSERT INTO tickets (operator, serial, rider_key, ticket, issued_at) VALUES (?, ?, ?, ?, ?)",
                [(operator, ticket.serial, ticket.rider_key, ticket.to_bytes(), now) for ticket in tickets],
            )
        return tickets

    def tickets(self, operator: int | None = None) -> Iterator[IssuedTicket]:
        """Every ticket issued, or every one for `operator`, in the order in which they were issued.

        Raises:
            DatabaseError: the database can't be read, or a ticket in it can't be.
        """
        query = f"SELECT {_ISSUED} FROM tickets WHERE ?1 IS NULL OR operator = ?1 ORDER BY number"
        for row in self._database.read(query, (operator,)):
            yield self._issued(*row)

    def ticket(self, operator: int, serial: int) -> IssuedTicket | None:
        """The ticket of that serial for that operator; None if none was issued.

        Raises:
            DatabaseError: the database can't be read, or the ticket in it can't be.
        """
        query = f"SELECT {_ISSUED} FROM tickets WHERE operator = ? AND serial = ?"
        rows = self._database.read(query, (operator, serial))
        return self._issued(*rows[0]) if rows else None

    def namesakes(self, operator: int, serial: int) -> list[Ticket]:
        """The tickets of that serial for other operators than that one.

        Raises:
            DatabaseError: the database can't be read, or a ticket in it can't be.
        """
        others = self._database.read("SELECT operator FROM serial_places WHERE operator <> ?", (operator,))
        found = (self.ticket(other, serial) for (other,) in others)
        return [issued.ticket for issued in found if issued is not None]

    def key_ids(self) -> frozenset[int]:
        """The key ids that tickets were issued under."""
        keys = self._database.read("SELECT DISTINCT substr(ticket, 4, 1) FROM tickets")
        return frozenset(key for ((key,),) in keys)

    def has_left(self, clearinghouse: bytes) -> bool:
        """Was the office in the domain of that Clearinghouse before, and has gone on to another?"""
        rows = self._database.read("SELECT clearinghouse FROM domains ORDER BY first_ticket")
        return clearinghouse in [bytes(address) for (address,) in rows[:-1]] and rows[-1][0] != clearinghouse

    def move(self, clearinghouse: bytes, *, back: bool = False) -> int:
        """Go on in the domain of another Clearinghouse (20 bytes) of the same chain; how many tickets there are so far.

        Serials go on where they are, and tickets keep the domain that they were signed in. Offices that are open in
        another process issue no more until they are opened anew, with the new settings. `back` is for an office whose
        Clearinghouse was called off: it may go where it was before.

        Raises:
            DomainRefusedError: the office was there before, and has gone on to another.
            DatabaseError: the database can't be written.
        """
        with self._database.transaction() as sql:
            ((issued,),) = sql.execute("SELECT coalesce(max(number), 0) FROM tickets").fetchall()
            if self._current(sql) == clearinghouse:
                return int(issued)
            left = sql.execute("SELECT 1 FROM domains WHERE clearinghouse = ?", (clearinghouse,)).fetchone()
            if left and not back:
                raise DomainRefusedError(
                    f"Clearinghouse: expected one that the office has not left, came {to_checksum(clearinghouse)}; it "
                    f"is at {to_checksum(self._current(sql))}: name its successor"
                )
            sql.execute(
                "INSERT INTO domains SELECT 0, ? WHERE NOT EXISTS (SELECT 1 FROM domains)", (self._current(sql),)
            )
            sql.execute("INSERT OR REPLACE INTO domains VALUES (?, ?)", (issued + 1, clearinghouse))
            sql.execute("UPDATE meta SET value = ? WHERE name = 'clearinghouse'", (to_checksum(clearinghouse),))
        return int(issued)

    def serials(self) -> list[SerialCount]:
        """How far each operator's serials have been handed out, by operator.

        Raises:
            DatabaseError: the database can't be read, or a place in it can't be.
        """
        rows = self._database.read("SELECT operator, block, shuffled, used FROM serial_places ORDER BY operator")
        places = [(operator, self._place(*stored)) for operator, *stored in rows]
        return [SerialCount(operator, place.handed_out, place.block, BLOCK - place.used) for operator, place in places]

    def close(self) -> None:
        """Close the database; the register can't be used after this."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _current(self, sql: Connection) -> bytes:
        ((clearinghouse,),) = sql.execute("SELECT value FROM meta WHERE name = 'clearinghouse'").fetchall()
        return parse_address(clearinghouse)

    def _check_domain(self, sql: Connection) -> None:
        current = self._current(sql)
        if current != self._domain.clearinghouse:
            raise DatabaseError(
                f"{self._database.path}: expected the office of {to_checksum(self._domain.clearinghouse)}, came one "
                f"that has moved to {to_checksum(current)}; set `clearinghouse` to it, and start again"
            )

    def _issued(self, data: bytes, issued_at: int, clearinghouse: bytes | None) -> IssuedTicket:
        domain = Domain(self._domain.chain_id, clearinghouse) if clearinghouse else self._domain
        try:
            return IssuedTicket(Ticket.from_bytes(data), issued_at, domain)
        except MalformedError as error:
            raise DatabaseError(
                f"{self._database.path}: a ticket in it is damaged: {error}; restore the file"
            ) from error

    def _take_serials(self, sql: Connection, operator: int, count: int) -> list[int]:
        query = "SELECT block, shuffled, used FROM serial_places WHERE operator = ?"
        row = sql.execute(query, (operator,)).fetchone()
        place = self._place(*row) if row else SerialPlace.start(self._shuffle)
        serials, place = place.take(count, self._shuffle)
        sql.execute(
            "INSERT OR REPLACE INTO serial_places VALUES (?, ?, ?, ?)",
            (operator, place.block, place.shuffled, place.used),
        )
        return serials

    def _place(self, block: int, shuffled: bytes, used: int) -> SerialPlace:
        try:
            return SerialPlace(block=block, shuffled=shuffled, used=used)
        except ValueError as error:
            raise DatabaseError(
                f"{self._database.path}: a place in the serials is damaged: {error}; restore the file"
            ) from error


def _refuse_used_keys(sql: Connection, rider_keys: Sequence[bytes]) -> None:
    for key in rider_keys:
        row = sql.execute("SELECT operator, serial FROM tickets WHERE rider_key = ?", (key,)).fetchone()
        if row:
            operator, serial = row
            raise RiderKeyError(
                f"rider key 0x{key.hex()}: expected one that no other ticket has, came that of ticket {serial} for "
                f"operator {operator}; make a new key for each ticket"
            )
