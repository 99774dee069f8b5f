"""Riders with valid tickets: made from test keys, without a ticket office or a database."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import qrcode
from PIL import Image

from interline.code import Code, sign_code
from interline.domain import Domain
from interline.rider_keys import RiderPrivateKey
from interline.ticket import Ticket, sign_ticket
from network.accounts import Role
from tests.support.deploy import City


@dataclass(frozen=True)
class Rider:
    """A ticket and the phone that holds its key."""

    domain: Domain
    ticket: Ticket
    phone: RiderPrivateKey

    def shows(self, shown_at: int) -> Code:
        """The code on the phone at that time (Unix seconds)."""
        return sign_code(self.domain, self.ticket, self.phone, shown_at)


@dataclass
class TicketOffice:
    """Issues one city's tickets in a domain; serials from 0 for each operator."""

    domain: Domain
    issuer: City
    serials: dict[int, Iterator[int]] = field(default_factory=dict)

    def issue(
        self,
        operator: City,
        *,
        not_after: int,
        fare_cap: int = 2_000,
        serial: int | None = None,
        key_id: int = 1,
        role: Role = Role.ISSUER_KEY,
        phone: RiderPrivateKey | None = None,
    ) -> Rider:
        """A rider with a ticket for one ride with an operator."""
        phone = phone or RiderPrivateKey.generate()
        if serial is None:
            serial = next(self.serials.setdefault(operator.code, itertools.count()))
        ticket = sign_ticket(
            self.domain,
            self.issuer.private_key(role),
            issuer=self.issuer.code,
            key_id=key_id,
            operator=operator.code,
            serial=serial,
            not_after=not_after,
            fare_cap=fare_cap,
            rider_key=phone.public.data,
        )
        return Rider(self.domain, ticket, phone)


def qr_picture(text: str, path: Path, *, size: tuple[int, int] = (640, 480)) -> Path:
    """A frame of a gate's camera with one QR symbol in the middle, grey around it."""
    symbol = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, box_size=6, border=4)
    symbol.add_data(text)
    symbol.make()
    image = symbol.make_image().get_image().convert("L")
    frame = Image.new("L", size, 170)
    frame.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    frame.save(path)
    return path
