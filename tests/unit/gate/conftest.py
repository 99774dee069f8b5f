"""Hangzhou's gates, and riders from Shanghai and Xuzhou, at one fixed moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gate_client.journal import Journal
from gate_client.tap import Direction
from gate_client.trust_list import CityStatus, TrustedCity, TrustedKey, TrustedTariff, TrustList
from gate_client.verifier import Decision, Verifier
from interline.code import Code
from interline.domain import Domain
from interline.tariff import Tariff, load_tariff
from tests.support.deploy import City, city
from tests.support.riders import Rider, TicketOffice

NOW = 1_800_000_000
MAX_AGE = 86_400


@pytest.fixture
def shanghai() -> City:
    return city("Shanghai")


@pytest.fixture
def hangzhou() -> City:
    return city("Hangzhou")


@pytest.fixture
def xuzhou() -> City:
    return city("Xuzhou")


@pytest.fixture
def stranger() -> City:
    """A city that the trust list doesn't know."""
    return city("Lanzhou")


@pytest.fixture
def domain() -> Domain:
    return Domain(1337, bytes.fromhex("c1ea419400000000000000000000000000000001"))


def trusted(member: City, status: CityStatus = CityStatus.ACTIVE) -> TrustedCity:
    """A city as a trust list has it, with the keys of its city file."""
    keys = tuple(TrustedKey(key.id, key.address, key.valid_from, key.valid_until) for key in member.file.issuer_keys)
    return TrustedCity(member.code, member.name, status, keys)


@pytest.fixture
def hangzhou_tariff(hangzhou: City) -> Tariff:
    return load_tariff(hangzhou.file.tariff)


@pytest.fixture
def trust(domain: Domain, shanghai: City, hangzhou: City, xuzhou: City, hangzhou_tariff: Tariff) -> TrustList:
    """Hangzhou's trust list, 10 minutes old."""
    return TrustList(
        domain=domain,
        operator=hangzhou.code,
        block=1_000,
        block_time=NOW - 600,
        cities=(trusted(shanghai), trusted(hangzhou), trusted(xuzhou)),
        revoked=frozenset(),
        tariff=TrustedTariff(
            digest=hangzhou_tariff.digest.hex(),
            highest_fare=hangzhou_tariff.highest_fare,
            stations=tuple(station.number for station in hangzhou_tariff.stations),
        ),
    )


@pytest.fixture
def office(domain: Domain, shanghai: City) -> TicketOffice:
    """Shanghai's ticket office."""
    return TicketOffice(domain, shanghai)


@pytest.fixture
def rider(office: TicketOffice, hangzhou: City) -> Rider:
    """A rider from Shanghai with a ticket for Hangzhou that is good for one more hour."""
    return office.issue(hangzhou, not_after=NOW + 3_600)


@pytest.fixture
def code(rider: Rider) -> Code:
    """What the rider's phone shows now."""
    return rider.shows(NOW)


@pytest.fixture
def journal(tmp_path: Path, hangzhou: City, domain: Domain) -> Journal:
    return Journal(tmp_path / "gate.db", operator=hangzhou.code, domain=domain)


Check = Callable[..., Decision]


@pytest.fixture
def check(trust: TrustList) -> Check:
    """Steps 1 to 8 for a code, at NOW and with the fixture's trust list unless told otherwise."""

    def run(
        code: Code | bytes | str,
        direction: Direction = Direction.ENTRY,
        *,
        now: int = NOW,
        trust: TrustList = trust,
        **changes: object,
    ) -> Decision:
        verifier = Verifier(replace(trust, **changes), max_age=MAX_AGE)  # type: ignore[arg-type]
        if isinstance(code, str):
            return verifier.check_text(code, direction, now)
        return verifier.check_bytes(code if isinstance(code, bytes) else code.to_bytes(), direction, now)

    return run
