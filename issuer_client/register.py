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

from interline.errors import MalformedError
from interline.signatures import to_checksum
from interline.ticket import Ticket
from issuer_client.config import IssuerConfig
from issuer_client.database import Database
from issuer_client.errors import DatabaseError, RiderKeyError
from issuer_client.serials import BLOCK, SerialPlace

_SCHEMA = (
    """CREATE TABLE serial_places (
        operator INTEGER PRIMARY KEY, block INTEGER NOT NULL, shuffled BLOB NOT NULL, used INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE tickets (
        number INTEGER PRIMARY KEY, operator INTEGER NOT NULL, serial INTEGER NOT NULL,
        rider_key BLOB NOT NULL UNIQUE, ticket BLOB NOT NULL, issued_at INTEGER NOT NULL, UNIQUE (operator, serial)
    ) STRICT""",
)


@dataclass(frozen=True, slots=True)
class IssuedTicket:
    """A ticket as the register has it, and when it was issued (Unix seconds)."""

    ticket: Ticket
    issued_at: int


@dataclass(frozen=True, slots=True)
class SerialCount:
    """How many serials for one operator have been handed out, the block in use, and how many are left in it."""

    operator: int
    handed_out: int
    block: int
    left_in_block: int


class TicketRegister:
    """The register of one issuer in one domain. Use it in one thread, and close it (`with`).

    Raises:
        DatabaseError: the database can't be opened, or is another issuer's or another domain's.
    """

    def __init__(self, config: IssuerConfig) -> None:
        self._database = Database(
            config.database,
            schema=_SCHEMA,
            belongs_to={
                "kind": "ticket office, version 1",
                "city": str(config.city),
                "chain id": str(config.chain_id),
                "clearinghouse": to_checksum(config.clearinghouse),
            },
        )

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
        query = "SELECT ticket, issued_at FROM tickets WHERE ?1 IS NULL OR operator = ?1 ORDER BY number"
        for ticket, issued_at in self._database.read(query, (operator,)):
            try:
                yield IssuedTicket(Ticket.from_bytes(ticket), issued_at)
            except MalformedError as error:
                raise DatabaseError(
                    f"{self._database.path}: a ticket in it is damaged: {error}; restore the file"
                ) from error

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

    def _take_serials(self, sql: Connection, operator: int, count: int) -> list[int]:
        query = "SELECT block, shuffled, used FROM serial_places WHERE operator = ?"
        row = sql.execute(query, (operator,)).fetchone()
        place = self._place(*row) if row else SerialPlace.start()
        serials, place = place.take(count)
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
