"""Xuzhou, which wants to join, and the three founders."""

from pathlib import Path

import pytest

from consortium.steps import CityState, Contracts, Member, Proposal, Status
from interline.cities import CityFile, load_city
from network.accounts import BANK, test_address

CITIES = Path(__file__).resolve().parents[3] / "cities"
NOWHERE = "0x" + 40 * "0"


@pytest.fixture
def xuzhou() -> CityFile:
    return load_city(CITIES / "xuzhou.yaml")


@pytest.fixture
def founders() -> tuple[Member, ...]:
    """Shanghai, Hangzhou, Ningbo."""
    files = [load_city(CITIES / f"{name}.yaml") for name in ("shanghai", "hangzhou", "ningbo")]
    return tuple(Member(city.code, city.name, city.admin) for city in files)


@pytest.fixture
def contracts() -> Contracts:
    return Contracts(*("0x" + 40 * digit for digit in "1234"))


@pytest.fixture
def outside(founders: tuple[Member, ...]) -> CityState:
    """What the chain says about Xuzhou before anyone proposed it."""
    return CityState(
        block=10,
        now=1_575_172_800,
        status=Status.NONE,
        name="",
        admin=NOWHERE,
        treasury=NOWHERE,
        recovery=NOWHERE,
        counts_from=0,
        issuer_keys={},
        submitters=frozenset(),
        balance=0,
        deposited=0,
        tokens=0,
        allowance=0,
        bank=test_address(BANK),
        members=founders,
        members_before=3,
        proposal=None,
        rivals=(),
    )


@pytest.fixture
def proposed() -> Proposal:
    """By Shanghai alone; two votes are needed."""
    return Proposal(id=1, votes=1, votes_needed=2, approved_by=frozenset({3100}))
