"""Phones with tickets, and the trust list of the gates that they are held to: made from constants, without a chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bench.compiler import REPOSITORY
from gate_client.trust_list import CityStatus, TrustedCity, TrustedKey, TrustedTariff, TrustList
from interline.cities import load_cities
from interline.code import Code, sign_code
from interline.domain import Domain
from interline.hashing import keccak256
from interline.rider_keys import RiderPrivateKey
from interline.tariff import load_tariff
from interline.ticket import Ticket, sign_ticket
from network.accounts import Role, city_index, test_private_key

NOW: Final = 1_767_312_000  # 2026-01-02T00:00:00Z
SHOWN_AT: Final = NOW - 2
CITIES: Final = load_cities(REPOSITORY / "cities")
OPERATOR: Final = next(city for city in CITIES if city.name == "Hangzhou")
ISSUER_POSITION: Final = next(position for position, city in enumerate(CITIES) if city.name == "Xuzhou")
TARIFF: Final = load_tariff(OPERATOR.tariff)
STATIONS: Final = tuple(station.number for station in TARIFF.stations)
DOMAIN: Final = Domain(1337, keccak256(b"the Clearinghouse of the benchmark")[12:])
VALID_FOR: Final = 10 * 365 * 86_400


@dataclass(frozen=True)
class Phone:
    """A rider's phone with one ticket, and the code that it shows at SHOWN_AT."""

    ticket: Ticket
    key: RiderPrivateKey
    code: Code

    def shows(self, shown_at: int) -> Code:
        """The code at another time."""
        return sign_code(DOMAIN, self.ticket, self.key, shown_at)


def phones(count: int, *, first_serial: int = 0) -> list[Phone]:
    """So many phones with tickets of Xuzhou for Hangzhou: the same ones in every run."""
    return [_phone(serial) for serial in range(first_serial, first_serial + count)]


def trust_list(*, block_time: int = NOW - 3_600) -> TrustList:
    """The trust list of Hangzhou's gates: all thirteen cities, with the keys of their files."""
    return TrustList(
        domain=DOMAIN,
        operator=OPERATOR.code,
        block=1_000,
        block_time=block_time,
        cities=tuple(
            TrustedCity(
                city.code,
                city.name,
                CityStatus.ACTIVE,
                tuple(TrustedKey(key.id, key.address, key.valid_from, key.valid_until) for key in city.issuer_keys),
            )
            for city in CITIES
        ),
        revoked=frozenset((CITIES[ISSUER_POSITION].code, serial) for serial in range(10_000_000, 10_001_000)),
        tariff=TrustedTariff(
            TARIFF.digest.hex(), TARIFF.highest_fare, tuple(station.number for station in TARIFF.stations)
        ),
    )


TRUST: Final = trust_list()


def _phone(serial: int) -> Phone:
    dice = keccak256(b"phone of the benchmark" + serial.to_bytes(5, "big"))
    key = RiderPrivateKey.from_scalar(b"\0" + dice[1:])
    ticket = sign_ticket(
        DOMAIN,
        test_private_key(city_index(ISSUER_POSITION, Role.ISSUER_KEY)),
        issuer=CITIES[ISSUER_POSITION].code,
        key_id=1,
        operator=OPERATOR.code,
        serial=serial,
        not_after=NOW + VALID_FOR,
        fare_cap=TARIFF.highest_fare,
        rider_key=key.public.data,
    )
    return Phone(ticket, key, sign_code(DOMAIN, ticket, key, SHOWN_AT))
