"""Bad codes and bad batches, each made to be refused with a reason of its own.

They are made with the real test keys, as someone would who has stolen or misuses one: what stops them is the rule,
not the lack of a key.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import qrcode
from PIL import Image

from interline.batch import Batch
from interline.code import Code, sign_code
from interline.domain import Domain
from interline.reasons import GateReason, RideReason
from interline.ride import Ride
from interline.rider_keys import RiderPrivateKey
from interline.ticket import Ticket, sign_ticket
from issuer_client.qr import write_png
from network.accounts import Role, city_index, test_private_key

ISSUER: Final = 3100  # Shanghai, the first of the city files: its tickets are the ones that are forged
STRANGER: Final = 9999  # no city has this code
ENDED_KEY: Final = 2  # Shanghai's second issuer key, good in 2019 alone
ENDED_KEY_WINDOW: Final = (1_546_272_000, 1_577_808_000)  # 2019-01-01 and 2020-01-01, Asia/Shanghai
BAD_SERIALS: Final = 1 << 32  # far from what the ticket office has handed out
REVOKED_SERIAL: Final = BAD_SERIALS + 99


@dataclass(frozen=True, slots=True)
class Planted:
    """A bad code at an entry, and the reason that the gate must give for it."""

    picture: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Forger:
    """Someone with keys, who makes codes for the gates of one operator."""

    domain: Domain
    operator: int
    elsewhere: int
    """Another operator, neither this one nor `ISSUER`."""
    highest_fare: int
    """The operator's, fen: what its gates ask of a fare cap."""
    pictures: Path

    def plant(self, honest_serial: int) -> tuple[Planted, ...]:
        """Makes bad codes; they must be shown at once, like any code.

        Args:
            honest_serial: of an `ISSUER` ticket whose rider is inside already.
        """
        twin = self._entry(GateReason.SERIAL_CONFLICT, self._ticket(honest_serial - BAD_SERIALS))
        return (*self._entries(), twin, *self._unreadable())

    def _entries(self) -> Iterator[Planted]:
        """Codes at an entry that differ from a good one in one thing each."""
        now = int(time.time())
        yield self._entry(GateReason.WRONG_OPERATOR, self._ticket(1, operator=self.elsewhere))
        yield self._entry(GateReason.UNKNOWN_ISSUER, self._ticket(2, issuer=STRANGER))
        yield self._entry(GateReason.UNKNOWN_KEY, self._ticket(3, key_id=9))
        yield self._entry(GateReason.KEY_NOT_VALID, self._ticket(4, key_id=ENDED_KEY))
        yield self._entry(GateReason.BAD_ISSUER_SIGNATURE, self._ticket(5, signer=test_private_key(2)))
        yield self._entry(GateReason.REVOKED, self._ticket(REVOKED_SERIAL - BAD_SERIALS))
        yield self._entry(GateReason.TICKET_EXPIRED, self._ticket(6, not_after=now - 1))
        yield self._entry(GateReason.FARE_CAP_TOO_LOW, self._ticket(7, fare_cap=self.highest_fare - 1))
        yield self._entry(GateReason.CODE_EXPIRED, self._ticket(8), shown_at=now - 40)
        yield self._entry(GateReason.CODE_IN_FUTURE, self._ticket(9), shown_at=now + 600)
        yield self._entry(GateReason.BAD_RIDER_SIGNATURE, self._ticket(10), thief=RiderPrivateKey.generate())

    def _unreadable(self) -> Iterator[Planted]:
        """Pictures that hold no code of version 1."""
        blank = self.pictures / f"{self.operator}-blank.png"
        Image.new("L", (640, 480), 180).save(blank)
        yield Planted(blank, GateReason.MALFORMED)
        advert = self.pictures / f"{self.operator}-advert.png"
        qrcode.make("https://example.org/not-a-ticket").save(advert)
        yield Planted(advert, GateReason.MALFORMED)
        newer = self.pictures / f"{self.operator}-version-2.png"
        qrcode.make("IL1:" + _base45(b"\x02" + bytes(range(183)))).save(newer)
        yield Planted(newer, GateReason.UNSUPPORTED_VERSION)

    def _entry(
        self,
        reason: GateReason,
        ticket: tuple[Ticket, RiderPrivateKey],
        *,
        shown_at: int | None = None,
        thief: RiderPrivateKey | None = None,
    ) -> Planted:
        shown = int(time.time()) if shown_at is None else shown_at
        code: Code = sign_code(self.domain, ticket[0], thief or ticket[1], shown)
        picture = self.pictures / f"{self.operator}-{reason}.png"
        write_png(code.to_text(), picture)
        return Planted(picture, reason)

    def _ticket(
        self,
        number: int,
        *,
        issuer: int = ISSUER,
        key_id: int = 1,
        operator: int | None = None,
        not_after: int | None = None,
        fare_cap: int | None = None,
        signer: bytes | None = None,
    ) -> tuple[Ticket, RiderPrivateKey]:
        """A ticket that Shanghai's ticket office never issued, and its rider."""
        rider = RiderPrivateKey.generate()
        role = Role.SPARE_ISSUER_KEY if key_id == ENDED_KEY else Role.ISSUER_KEY
        key = signer or test_private_key(city_index(0, role))
        ticket = sign_ticket(
            self.domain,
            key,
            issuer=issuer,
            key_id=key_id,
            operator=self.operator if operator is None else operator,
            serial=BAD_SERIALS + number,
            not_after=int(time.time()) + 86_400 if not_after is None else not_after,
            fare_cap=self.highest_fare if fare_cap is None else fare_cap,
            rider_key=rider.public.data,
        )
        return ticket, rider


def bad_rides(domain: Domain, operator: int, settled: Ride, now: int) -> list[tuple[RideReason, int, Ride]]:
    """Rides that a rogue submitter of `operator` signs: each with its reason, and the id of its issuer key.

    Args:
        settled: a ride of an `ISSUER` ticket with this operator that has been settled.
        now: the chain's time, Unix seconds.
    """

    def ride(number: int, *, key_id: int = 1, forged: bool = False, **changed: int) -> Ride:
        fields = {
            "not_after": now + 86_400,
            "fare_cap": 1_500,
            "entry_station": 1,
            "exit_station": 2,
            "entered_at": now - 600,
            "exited_at": now - 60,
            "fare": 400,
            **changed,
        }
        role = Role.SPARE_ISSUER_KEY if key_id == ENDED_KEY else Role.ISSUER_KEY
        key = test_private_key(2 if forged else city_index(0, role))
        ticket = sign_ticket(
            domain,
            key,
            issuer=ISSUER,
            key_id=key_id,
            operator=operator,
            serial=BAD_SERIALS + 1000 + number,
            not_after=fields["not_after"],
            fare_cap=fields["fare_cap"],
            rider_key=RiderPrivateKey.generate().public.data,
        )
        return Ride(serial=ticket.serial, rider=ticket.rider, issuer_signature=ticket.signature, **fields)

    day = 86_400
    return [
        (RideReason.BadIssuerSignature, 1, ride(1, forged=True)),
        (RideReason.TicketExpired, 1, ride(2, not_after=now - 601)),
        (RideReason.AboveFareCap, 1, ride(3, fare=1_501)),
        (RideReason.AlreadySettled, 1, settled),
        (RideReason.BadTimes, 1, ride(4, exited_at=now - 601)),
        (RideReason.TooLate, 1, ride(5, entered_at=now - 31 * day, exited_at=now - 31 * day + 60)),
        (RideReason.KeyNotValid, ENDED_KEY, ride(6, key_id=ENDED_KEY)),
    ]


def bad_batch(operator: int, rides: list[tuple[RideReason, int, Ride]]) -> tuple[Batch, list[RideReason]]:
    """The rides as a batch, and the reason that the chain must give for each, in the batch's order."""
    batch = Batch.build(operator, [(ISSUER, key_id, ride) for _, key_id, ride in rides])
    reasons = {(key_id, ride.serial): reason for reason, key_id, ride in rides}
    return batch, [reasons[key_id, ride.serial] for _, _, key_id, ride in batch.iter_rides()]


def _base45(data: bytes) -> str:
    import base45

    text: str = base45.b45encode(data).decode("ascii")
    return text
