"""The story: a rider of Xuzhou travels in Hangzhou; Shanghai settles with both; a stranger tries his luck."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from interline.batch import Batch
from interline.code import Code, sign_code
from interline.domain import Domain
from interline.ride import Ride
from interline.rider_keys import RiderPrivateKey
from interline.signatures import address_of
from interline.ticket import Ticket, sign_ticket
from network.accounts import Role, city_index, test_private_key

# How long an example takes says how busy the machine is.
settings.register_profile("codecs", deadline=None)
settings.load_profile("codecs")

VECTORS = Path(__file__).parents[2] / "vectors" / "v1.json"
NOON = 1_575_172_800
"""2019-12-01 12:00 in Xuzhou."""


@dataclass(frozen=True)
class City:
    """A city with the keys that the tests sign with."""

    code: int
    issuer_key: bytes
    submitter_key: bytes

    @property
    def issuer_address(self) -> bytes:
        return address_of(self.issuer_key)


def _city(code: int, position: int) -> City:
    return City(
        code,
        test_private_key(city_index(position, Role.ISSUER_KEY)),
        test_private_key(city_index(position, Role.SUBMITTER)),
    )


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="session")
def shanghai() -> City:
    return _city(3100, 0)


@pytest.fixture(scope="session")
def hangzhou() -> City:
    return _city(3301, 1)


@pytest.fixture(scope="session")
def xuzhou() -> City:
    return _city(3203, 10)


@pytest.fixture(scope="session")
def stranger() -> bytes:
    """The private key of somebody who is no city."""
    return test_private_key(0)


@pytest.fixture(scope="session")
def domain() -> Domain:
    return Domain(1337, bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3"))


@pytest.fixture(scope="session")
def rider() -> RiderPrivateKey:
    return RiderPrivateKey.from_scalar((0xC0FFEE).to_bytes(32, "big"))


@pytest.fixture(scope="session")
def make_ticket(domain: Domain, xuzhou: City, hangzhou: City, rider: RiderPrivateKey) -> Callable[..., Ticket]:
    """Makes Xuzhou's ticket for one ride with Hangzhou; `signer` and any field may be another."""

    def make(*, signer: bytes = xuzhou.issuer_key, **changed: Any) -> Ticket:
        fields = {
            "issuer": xuzhou.code,
            "key_id": 1,
            "operator": hangzhou.code,
            "serial": 0x0102030405,
            "not_after": NOON + 86_400,
            "fare_cap": 1_500,
            "rider_key": rider.public.data,
        }
        return sign_ticket(domain, signer, **{**fields, **changed})

    return make


@pytest.fixture(scope="session")
def ticket(make_ticket: Callable[..., Ticket]) -> Ticket:
    return make_ticket()


@pytest.fixture(scope="session")
def code(domain: Domain, ticket: Ticket, rider: RiderPrivateKey) -> Code:
    return sign_code(domain, ticket, rider, NOON)


@pytest.fixture(scope="session")
def make_ride(ticket: Ticket) -> Callable[..., Ride]:
    """Makes a ride of 20 minutes for 5.03 yuan; any field may be another."""

    def make(**changed: Any) -> Ride:
        fields: dict[str, Any] = {
            "serial": 7,
            "not_after": ticket.not_after,
            "fare_cap": ticket.fare_cap,
            "rider": ticket.rider,
            "entry_station": 241,
            "exit_station": 1019,
            "entered_at": NOON,
            "exited_at": NOON + 1_200,
            "fare": 503,
            "issuer_signature": ticket.signature,
        }
        return Ride(**{**fields, **changed})

    return make


@pytest.fixture(scope="session")
def batch(hangzhou: City, shanghai: City, xuzhou: City, make_ride: Callable[..., Ride]) -> Batch:
    """Hangzhou's batch: two rides of Shanghai's key 1, one of its key 2, two of Xuzhou's key 1."""
    rides = [(xuzhou.code, 1, 9), (shanghai.code, 2, 7), (shanghai.code, 1, 300), (xuzhou.code, 1, 7)]
    rides.append((shanghai.code, 1, 2**40 - 1))
    return Batch.build(hangzhou.code, [(city, key, make_ride(serial=serial)) for city, key, serial in rides])
