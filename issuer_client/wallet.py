"""A wallet for tests and demos: a file of rider keys and tickets that makes codes.

A rider's wallet lives on a phone, and its keys in hardware that never gives them away (a Secure Enclave, an Android
Keystore, WebCrypto). This one keeps its private keys in a file (mode 0600), in the clear: it is for tests and demos.
It needs no network, and no issuer, to show a code.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import Self

from interline.code import Code, sign_code
from interline.domain import Domain
from interline.errors import MalformedError
from interline.fields import UINT32_MAX
from interline.rider_keys import RiderPrivateKey
from interline.signatures import recover_address, to_checksum
from interline.ticket import Ticket
from issuer_client.database import Database
from issuer_client.errors import DatabaseError, WalletError

_SCHEMA = (
    """CREATE TABLE rider_keys (
        number INTEGER PRIMARY KEY, public BLOB NOT NULL UNIQUE, private BLOB NOT NULL
    ) STRICT""",
    """CREATE TABLE tickets (
        number INTEGER PRIMARY KEY, issuer INTEGER NOT NULL, operator INTEGER NOT NULL, serial INTEGER NOT NULL,
        not_after INTEGER NOT NULL, rider_key BLOB NOT NULL UNIQUE REFERENCES rider_keys (public),
        ticket BLOB NOT NULL, UNIQUE (issuer, operator, serial)
    ) STRICT""",
)


@dataclass(frozen=True, slots=True)
class KeyCount:
    """How many rider keys a wallet has, and how many of them have no ticket yet."""

    keys: int
    without_ticket: int


class Wallet:
    """The wallet in the file `path`, made if there is none, for one domain. Use it in one thread; close it (`with`).

    `clock` gives the time, Unix seconds.

    Raises:
        DatabaseError: the file can't be opened, or is another domain's, or something else.
    """

    def __init__(self, path: Path, domain: Domain, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._domain = domain
        self._clock = clock
        self._database = Database(
            path,
            schema=_SCHEMA,
            belongs_to={
                "kind": "test wallet, version 1",
                "chain id": str(domain.chain_id),
                "clearinghouse": to_checksum(domain.clearinghouse),
            },
        )

    def new_keys(self, count: int) -> list[bytes]:
        """Make `count` rider keys, one for each ticket to come; their public halves (33 bytes each).

        The private halves are on disk when this returns.

        Raises:
            DatabaseError: the file can't be written.
        """
        keys = [RiderPrivateKey.generate() for _ in range(count)]
        with self._database.transaction() as sql:
            sql.executemany(
                "INSERT INTO rider_keys (public, private) VALUES (?, ?)",
                [(key.public.data, key.to_scalar()) for key in keys],
            )
        return [key.public.data for key in keys]

    def has_key(self, public: bytes) -> bool:
        """Whether the wallet holds the private half of a rider key (33 bytes).

        Raises:
            DatabaseError: the file can't be read.
        """
        return bool(self._database.read("SELECT 1 FROM rider_keys WHERE public = ?", (public,)))

    def key_count(self) -> KeyCount:
        """How many rider keys there are.

        Raises:
            DatabaseError: the file can't be read.
        """
        ((keys, tickets),) = self._database.read(
            "SELECT (SELECT count(*) FROM rider_keys), (SELECT count(*) FROM tickets)"
        )
        return KeyCount(keys, keys - tickets)

    def add(self, tickets: Iterable[Ticket], *, issuer_keys: Mapping[tuple[int, int], bytes] | None = None) -> int:
        """Take tickets in, all of them or none; a ticket that is there already is left as it is. How many are new.

        `issuer_keys` are the addresses (20 bytes) of the issuers' keys by (city, key id), from a source that is not
        the ticket; without them the issuer's signature can't be checked, and isn't.

        Raises:
            WalletError: a ticket for a rider key that this wallet doesn't hold or that has a ticket already, another
                ticket with the same serial, or one that its issuer's key didn't sign.
            DatabaseError: the file can't be written.
        """
        added = 0
        with self._database.transaction() as sql:
            for ticket in tickets:
                if issuer_keys is not None:
                    self._check_issuer(ticket, issuer_keys)
                added += _add(sql, ticket)
        return added

    def tickets(
        self, *, issuer: int | None = None, operator: int | None = None, good_at: int | None = None
    ) -> list[Ticket]:
        """The wallet's tickets, oldest first: all, or those of an issuer, for an operator, to begin a ride at a time.

        Raises:
            DatabaseError: the file can't be read, or a ticket in it can't be.
        """
        rows = self._database.read(
            """SELECT ticket FROM tickets WHERE (?1 IS NULL OR issuer = ?1) AND (?2 IS NULL OR operator = ?2)
            AND (?3 IS NULL OR not_after >= ?3) ORDER BY number""",
            (issuer, operator, good_at),
        )
        return [self._ticket(data) for (data,) in rows]

    def code(self, issuer: int, operator: int, serial: int, shown_at: int | None = None) -> Code:
        """The code that shows a ticket at `shown_at` (Unix seconds; by default, now), freshly signed.

        Raises:
            WalletError: the wallet has no such ticket, or the time is none that a code can carry.
            DatabaseError: the file can't be read, or what is in it can't be.
        """
        rows = self._database.read(
            """SELECT ticket, private FROM tickets JOIN rider_keys ON public = rider_key
            WHERE issuer = ? AND operator = ? AND serial = ?""",
            (issuer, operator, serial),
        )
        if not rows:
            raise WalletError(
                f"{self.path}: expected a ticket of the wallet, came serial {serial} of issuer {issuer} for operator "
                f"{operator}; `wallet list` names those that are there"
            )
        ((ticket, private),) = rows
        now = int(self._clock()) if shown_at is None else shown_at
        if not 0 <= now <= UINT32_MAX:
            raise WalletError(f"time: expected Unix seconds from 0 to {UINT32_MAX}, came {now}; set the clock")
        return sign_code(self._domain, self._ticket(ticket), self._private_key(private), now)

    def close(self) -> None:
        """Close the file; the wallet can't be used after this."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_issuer(self, ticket: Ticket, issuer_keys: Mapping[tuple[int, int], bytes]) -> None:
        registered = issuer_keys.get((ticket.issuer, ticket.key_id))
        if registered is None:
            raise WalletError(
                f"{_named(ticket)}: expected a ticket of a key that the city files list, came issuer {ticket.issuer}, "
                f"key {ticket.key_id}; ask the issuer, or add its city file"
            )
        signer = recover_address(ticket.hash(self._domain), ticket.signature)
        if signer != registered:
            came = "no signature" if signer is None else f"one by {to_checksum(signer)}, or of another domain"
            raise WalletError(
                f"{_named(ticket)}: expected a signature by {to_checksum(registered)}, issuer key {ticket.key_id} of "
                f"{ticket.issuer}, came {came}; ask the issuer for the ticket again"
            )

    def _ticket(self, data: bytes) -> Ticket:
        try:
            return Ticket.from_bytes(data)
        except MalformedError as error:
            raise DatabaseError(f"{self.path}: a ticket in it is damaged: {error}; make a new wallet") from error

    def _private_key(self, scalar: bytes) -> RiderPrivateKey:
        try:
            return RiderPrivateKey.from_scalar(scalar)
        except MalformedError as error:
            raise DatabaseError(f"{self.path}: a rider key in it is damaged: {error}; make a new wallet") from error


def _add(sql: Connection, ticket: Ticket) -> int:
    data = ticket.to_bytes()
    rows = sql.execute(
        "SELECT ticket FROM tickets WHERE rider_key = ?1 OR (issuer = ?2 AND operator = ?3 AND serial = ?4)",
        (ticket.rider_key, ticket.issuer, ticket.operator, ticket.serial),
    ).fetchall()
    if rows == [(data,)]:
        return 0
    if rows:
        raise WalletError(
            f"{_named(ticket)}: expected a serial and a rider key that no other ticket has, came those of "
            f"{_named(Ticket.from_bytes(rows[0][0]))}; ask the issuer for another ticket"
        )
    if not sql.execute("SELECT 1 FROM rider_keys WHERE public = ?", (ticket.rider_key,)).fetchone():
        raise WalletError(
            f"{_named(ticket)}: expected a ticket for a rider key of this wallet, came one for "
            f"0x{ticket.rider_key.hex()}; add it to the wallet that made that key"
        )
    sql.execute(
        """INSERT INTO tickets (issuer, operator, serial, not_after, rider_key, ticket)
        VALUES (?, ?, ?, ?, ?, ?)""",
        (ticket.issuer, ticket.operator, ticket.serial, ticket.not_after, ticket.rider_key, data),
    )
    return 1


def _named(ticket: Ticket) -> str:
    return f"ticket {ticket.serial} of {ticket.issuer} for {ticket.operator}"
