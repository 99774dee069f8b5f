"""The ticket office: signs tickets with the city's issuer key, for riders' keys that phones (or a wallet) hold.

What it issues is in its register, on disk, before `issue` returns (:mod:`issuer_client.register`).
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Self

from interline.cities import CityFile, IssuerKey, load_cities
from interline.errors import MalformedError
from interline.fields import UINT16_MAX, UINT32_MAX
from interline.keystores import load_keystore
from interline.rider_keys import RiderPublicKey
from interline.signatures import address_of, to_checksum
from interline.tariff import load_tariff
from interline.ticket import Ticket, sign_ticket
from issuer_client.config import IssuerConfig
from issuer_client.errors import ConfigError, RiderKeyError, TicketRefusedError
from issuer_client.register import TicketRegister
from issuer_client.serials import SYSTEM_SHUFFLE, Shuffle

log = logging.getLogger(__name__)

LEAST_VALID_FOR = 7 * 86_400
"""How long a ticket is good for, at the least, where nothing else is said, seconds."""
PERIOD = 91 * 86_400
"""Where nothing else is said, tickets end together with the period in which they may still be used, seconds: a last
second of its own would tell a rider's tickets from others on the chain."""
DAY_ENDS = 20 * 3_600
"""When an operating day, and with it a period, ends: 4 o'clock in the morning in all of China, seconds of a UTC day."""


class TicketOffice:
    """A city's ticket office, with its issuer key. Use it in one thread, and close it (`with`).

    `private_key` (32 bytes, secp256k1) is the issuer key `config.key_id`; `clock` gives the time, Unix seconds;
    `register` is what the office has issued. `shuffle` is for experiments alone: serials that can be foretold betray
    riders, so neither `unlock` nor a setting takes one.

    Raises:
        ConfigError: the folder of city files has no such city or key, or another address for the key.
        CityFileError: a city file is damaged.
        MalformedError: the private key is none.
        DatabaseError: the register can't be opened, or is another issuer's or another domain's.
    """

    def __init__(
        self,
        config: IssuerConfig,
        private_key: bytes,
        *,
        clock: Callable[[], float] = time.time,
        shuffle: Shuffle = SYSTEM_SHUFFLE,
    ) -> None:
        self.config = config
        self._private_key = private_key
        self._domain = config.domain
        self._clock = clock
        self._cities = city_files(config)
        self._key = None if self._cities is None else _registered_key(config, self._cities, address_of(private_key))
        self._highest_fares: dict[int, int] = {}
        self.register = TicketRegister(config, shuffle=shuffle)

    @classmethod
    def unlock(cls, config: IssuerConfig, password: str, *, clock: Callable[[], float] = time.time) -> Self:
        """The office whose issuer key is in the keystore that `config` names.

        Raises:
            KeystoreError: there is no keystore, it is damaged, or the password is another one.
            ConfigError, CityFileError, DatabaseError: as the class itself.
        """
        return cls(config, load_keystore(config.keystore, password), clock=clock)

    def issue(
        self,
        operator: int,
        rider_keys: Sequence[bytes],
        *,
        fare_cap: int | None = None,
        valid_for: int | None = None,
    ) -> list[Ticket]:
        """Issue one ticket for each rider key, all of them or none; they are on disk when this returns.

        `operator` is the city that will carry the riders; `rider_keys` are compressed P-256 points (33 bytes each,
        none used before); `fare_cap` is in fen, and by default the operator's highest fare, which is what its gates
        ask for; a ride may begin up to `valid_for` seconds from now, and by default up to the end of a period that is
        at least `LEAST_VALID_FOR` away. The defaults are the same for all riders: both fields stand on the chain, and
        others tell these tickets from the rest.

        Raises:
            TicketRefusedError: the operator, cap or length of time can't be, or the issuer key isn't valid as long.
            RiderKeyError: a rider key is no point of the curve, or has a ticket already.
            SerialsExhaustedError: there are fewer serials left.
            ConfigError: the fare cap was left out and the configuration names no city files.
            TariffError: the operator's tariff is damaged.
            DatabaseError: the register can't be written; nothing was issued.
        """
        now = int(self._clock())
        self.check_operator(operator)
        cap = self.highest_fare(operator) if fare_cap is None else fare_cap
        if not 0 <= cap <= UINT32_MAX:
            raise TicketRefusedError(f"fare cap: expected 0 to {UINT32_MAX} fen, came {cap}; correct it")
        not_after = self._last_second(now, valid_for)

        def sign(serial: int, rider_key: bytes) -> Ticket:
            return sign_ticket(
                self._domain,
                self._private_key,
                issuer=self.config.city,
                key_id=self.config.key_id,
                operator=operator,
                serial=serial,
                not_after=not_after,
                fare_cap=cap,
                rider_key=rider_key,
            )

        tickets = self.register.issue(operator, _checked_rider_keys(rider_keys), sign, now)
        log.info("issued %d tickets for operator %d, fare cap %d fen", len(tickets), operator, cap)
        return tickets

    def check_operator(self, operator: int) -> None:
        """Check that this office may issue tickets for `operator`.

        Raises:
            TicketRefusedError: it is no city, this one, or one without a city file where there are city files.
        """
        if not 1 <= operator <= UINT16_MAX:
            raise TicketRefusedError(f"operator: expected a city code from 1 to {UINT16_MAX}, came {operator}")
        if operator == self.config.city:
            raise TicketRefusedError(
                f"operator: expected another city than the issuer, came {operator}, itself; a ride at home needs no "
                "ticket of this kind"
            )
        if self._cities is not None:
            self._city_file(operator, self._cities)

    def highest_fare(self, operator: int) -> int:
        """The highest fare, in fen, of the operator's tariff: the lowest cap with which its gates let riders in.

        Raises:
            ConfigError: the configuration names no city files.
            TicketRefusedError: there is no such city among them.
            TariffError: the operator's tariff is damaged.
        """
        if self._cities is None:
            raise ConfigError(
                "fare cap: expected one in fen, since the configuration names no folder of city files to find the "
                "operator's highest fare in, came none; give --fare-cap, or set `cities`"
            )
        if operator not in self._highest_fares:
            tariff = load_tariff(self._city_file(operator, self._cities).tariff)
            self._highest_fares[operator] = tariff.highest_fare
        return self._highest_fares[operator]

    @property
    def knows_fares(self) -> bool:
        """Whether there are city files, and `highest_fare` can answer."""
        return self._cities is not None

    def close(self) -> None:
        """Close the register; the office can't be used after this."""
        self.register.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _city_file(self, code: int, cities: dict[int, CityFile]) -> CityFile:
        if code not in cities:
            known = ", ".join(f"{city.code} {city.name}" for city in cities.values())
            raise TicketRefusedError(
                f"operator: expected one of {known}, came {code}; correct it, or add the city's file to "
                f"{self.config.cities}"
            )
        return cities[code]

    def _last_second(self, now: int, valid_for: int | None) -> int:
        """A ticket's `notAfter`; the issuer key must be valid until then (protocol section 4, step 4)."""
        if valid_for is None:
            not_after = end_of_period(now + LEAST_VALID_FOR)
            if self._key is not None and self._key.valid_until <= not_after:
                not_after = max(self._key.valid_until - 1, now + LEAST_VALID_FOR)
            valid_for = not_after - now
        not_after = now + valid_for
        if valid_for < 1 or not_after > UINT32_MAX:
            raise TicketRefusedError(
                f"length of time: expected 1 to {UINT32_MAX - now} seconds, came {valid_for}; correct it"
            )
        key = self._key
        if key is not None and not (key.valid_from <= now and not_after < key.valid_until):
            raise TicketRefusedError(
                f"issuer key {key.id}: expected one that is valid from now, {now}, to the ticket's last second, "
                f"{not_after}, came one valid from {key.valid_from} up to, not including, {key.valid_until}; use "
                "another key, or a shorter time"
            )
        return not_after


def end_of_period(time: int) -> int:
    """The last second of the period that `time` (Unix seconds) is in."""
    return time + PERIOD - 1 - (time - DAY_ENDS) % PERIOD


def city_files(config: IssuerConfig) -> dict[int, CityFile] | None:
    """The city files by code, in the order in which the cities joined; None where the configuration names none.

    Raises:
        CityFileError: a city file is damaged, or there is none.
    """
    return None if config.cities is None else {city.code: city for city in load_cities(config.cities)}


def _registered_key(config: IssuerConfig, cities: dict[int, CityFile], address: bytes) -> IssuerKey:
    """The issuer key as its city's file has it; its address must be that of the keystore's key."""
    city = cities.get(config.city)
    if city is None:
        raise ConfigError(
            f"city: expected one that has a file in {config.cities}, came {config.city}; correct it, or add the file"
        )
    key = next((key for key in city.issuer_keys if key.id == config.key_id), None)
    if key is None:
        known = ", ".join(str(key.id) for key in city.issuer_keys)
        raise ConfigError(
            f"key_id: expected one that {city.path} lists ({known}), came {config.key_id}; correct it, or add the key "
            "there"
        )
    if key.address != address:
        raise ConfigError(
            f"{config.keystore}: expected the key of {to_checksum(key.address)}, issuer key {key.id} of {city.name} by "
            f"{city.path}, came that of {to_checksum(address)}; name the right keystore, or correct key_id"
        )
    return key


def _checked_rider_keys(rider_keys: Sequence[bytes]) -> list[bytes]:
    if not rider_keys:
        raise RiderKeyError("rider keys: expected at least one, came none; give one for each ticket")
    points: dict[bytes, int] = {}
    for position, data in enumerate(rider_keys, start=1):
        try:
            point = RiderPublicKey.from_bytes(bytes(data)).data
        except MalformedError as error:
            raise RiderKeyError(f"rider key {position}: {error}; have the phone send it again") from None
        if point in points:
            raise RiderKeyError(
                f"rider key {position}: expected one that no other ticket has, came 0x{point.hex()}, as rider key "
                f"{points[point]}; make a new key for each ticket"
            )
        points[point] = position
    return list(points)
