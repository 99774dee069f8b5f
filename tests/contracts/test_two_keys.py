"""A city's two keys move in two steps, can be frozen, and are recovered by vote with the consent of one of them."""

from __future__ import annotations

import pytest

from network.accounts import Role
from tests.contracts.node import Contract, Event, reverts
from tests.contracts.story import (
    BANK_ACCOUNT,
    DAY,
    LANZHOU,
    NO_REFERENCE,
    NOON,
    SHANGHAI,
    STRANGER,
    XUZHOU,
    ZERO_ADDRESS,
    City,
    World,
)

WAIT = 2 * DAY
NEW = XUZHOU.account(Role.SPARE)
OTHER = XUZHOU.account(Role.SPARE_ISSUER_KEY)
MOVES = {
    "admin": ("proposeAdmin", "acceptAdmin", "AdminProposed", "AdminChanged"),
    "treasury": ("proposeTreasury", "acceptTreasury", "TreasuryProposed", "TreasuryChanged"),
}
OUTSIDERS = {
    "another city's admin": SHANGHAI.admin,
    "another city's treasury": SHANGHAI.treasury,
    "the submitter": XUZHOU.submitter,
    "the address proposed": NEW,
    "the bank": BANK_ACCOUNT,
    "a stranger": STRANGER,
}


def keys(registry: Contract, city: City = XUZHOU) -> tuple[str, str]:
    """Its admin and its treasury."""
    _, _, admin, treasury, _, _ = registry.city(city.code)
    return admin, treasury


@pytest.fixture(params=MOVES)
def move(request: pytest.FixtureRequest) -> str:
    """Which of the two keys moves."""
    return str(request.param)


# ---------------------------------------------------------------- two steps


def test_a_key_moves_when_the_new_one_accepts_two_days_later(registry: Contract, move: str) -> None:
    propose, accept, was_proposed, changed = MOVES[move]
    receipt = getattr(registry, propose)(XUZHOU.code, NEW, sender=XUZHOU.admin, at=NOON)
    assert receipt.events == (Event(was_proposed, city=XUZHOU.code, **{move: NEW}, acceptableFrom=NOON + WAIT),)
    assert keys(registry) == (XUZHOU.admin, XUZHOU.treasury)
    with reverts(registry, "TooEarly", acceptableFrom=NOON + WAIT):
        getattr(registry, accept)(XUZHOU.code, sender=NEW, at=NOON + WAIT - 1)
    receipt = getattr(registry, accept)(XUZHOU.code, sender=NEW, at=NOON + WAIT)
    assert receipt.events == (Event(changed, city=XUZHOU.code, **{move: NEW}),)
    assert keys(registry) == ((NEW, XUZHOU.treasury) if move == "admin" else (XUZHOU.admin, NEW))
    assert registry.proposedChanges(XUZHOU.code) == (ZERO_ADDRESS, 0, ZERO_ADDRESS, 0)


def test_a_change_is_accepted_once(registry: Contract, move: str) -> None:
    propose, accept, _, _ = MOVES[move]
    getattr(registry, propose)(XUZHOU.code, NEW, sender=XUZHOU.admin, at=NOON)
    getattr(registry, accept)(XUZHOU.code, sender=NEW, at=NOON + WAIT)
    with reverts(registry, "NotProposed", city=XUZHOU.code, caller=NEW):
        getattr(registry, accept)(XUZHOU.code, sender=NEW)


def test_a_new_proposal_takes_the_place_of_the_one_before(registry: Contract, move: str) -> None:
    propose, accept, _, _ = MOVES[move]
    getattr(registry, propose)(XUZHOU.code, NEW, sender=XUZHOU.admin, at=NOON)
    getattr(registry, propose)(XUZHOU.code, OTHER, sender=XUZHOU.admin, at=NOON + DAY)
    with reverts(registry, "NotProposed", city=XUZHOU.code, caller=NEW):
        getattr(registry, accept)(XUZHOU.code, sender=NEW, at=NOON + WAIT)
    with reverts(registry, "TooEarly", acceptableFrom=NOON + DAY + WAIT):
        getattr(registry, accept)(XUZHOU.code, sender=OTHER)
    getattr(registry, accept)(XUZHOU.code, sender=OTHER, at=NOON + DAY + WAIT)


def test_nobody_is_no_key(registry: Contract, move: str) -> None:
    with reverts(registry, "ZeroAddress"):
        getattr(registry, MOVES[move][0])(XUZHOU.code, ZERO_ADDRESS, sender=XUZHOU.admin)


def test_where_nothing_is_proposed_nobody_accepts(registry: Contract, move: str) -> None:
    for caller in (NEW, ZERO_ADDRESS):
        with reverts(registry, "NotProposed", city=XUZHOU.code, caller=caller):
            getattr(registry, MOVES[move][1])(XUZHOU.code, sender=caller)


@pytest.mark.parametrize("by", [XUZHOU.admin, XUZHOU.treasury], ids=["the admin", "the treasury"])
def test_admin_or_treasury_calls_changes_off(registry: Contract, move: str, by: str) -> None:
    propose, accept, _, _ = MOVES[move]
    getattr(registry, propose)(XUZHOU.code, NEW, sender=XUZHOU.admin, at=NOON)
    receipt = registry.cancelChanges(XUZHOU.code, sender=by)
    assert receipt.events == (Event("ChangesCancelled", city=XUZHOU.code, by=by),)
    with reverts(registry, "NotProposed", city=XUZHOU.code, caller=NEW):
        getattr(registry, accept)(XUZHOU.code, sender=NEW, at=NOON + WAIT)
    with reverts(registry, "NotProposed", city=XUZHOU.code, caller=by):
        registry.cancelChanges(XUZHOU.code, sender=by)


@pytest.mark.parametrize("caller", OUTSIDERS.values(), ids=OUTSIDERS)
def test_nobody_else_calls_changes_off_or_agrees_to_a_recovery(registry: Contract, caller: str) -> None:
    registry.proposeAdmin(XUZHOU.code, NEW, sender=XUZHOU.admin)
    with reverts(registry, "NotOfCity", city=XUZHOU.code, caller=caller):
        registry.cancelChanges(XUZHOU.code, sender=caller)
    with reverts(registry, "NotOfCity", city=XUZHOU.code, caller=caller):
        registry.consentToRecovery(XUZHOU.code, NEW, NEW, sender=caller)


def test_a_city_that_was_never_admitted_belongs_to_nobody(registry: Contract) -> None:
    for caller in (LANZHOU.admin, ZERO_ADDRESS):
        with reverts(registry, "NotOfCity", city=LANZHOU.code, caller=caller):
            registry.consentToRecovery(LANZHOU.code, NEW, NEW, sender=caller)


def test_a_new_admin_speaks_for_the_city_and_the_old_one_no_longer_does(
    registry: Contract, consortium: Contract
) -> None:
    """Also on proposals that the old one approved: the approval is the city's."""
    call = registry.call("admit", LANZHOU.code, "Lanzhou", LANZHOU.admin, LANZHOU.treasury)
    number = consortium.propose(XUZHOU.code, call.contract, call.data, sender=XUZHOU.admin, at=NOON - 60).returned
    registry.proposeAdmin(XUZHOU.code, NEW, sender=XUZHOU.admin, at=NOON)
    registry.acceptAdmin(XUZHOU.code, sender=NEW, at=NOON + WAIT)
    with reverts(registry, "NotCityAdmin", city=XUZHOU.code, caller=XUZHOU.admin):
        registry.addSubmitter(XUZHOU.code, STRANGER, sender=XUZHOU.admin)
    with reverts(consortium, "NotCityAdmin", city=XUZHOU.code, caller=XUZHOU.admin):
        consortium.withdrawApproval(number, XUZHOU.code, sender=XUZHOU.admin)
    consortium.withdrawApproval(number, XUZHOU.code, sender=NEW)


# ---------------------------------------------------------------- freezing


def test_a_frozen_treasury_moves_nothing_until_it_is_let_again(
    world: World, registry: Contract, clearinghouse: Contract
) -> None:
    receipt = registry.freezeTreasury(XUZHOU.code, True, sender=XUZHOU.admin)
    assert receipt.events == (Event("TreasuryFrozen", city=XUZHOU.code, frozen=True),)
    assert (registry.isFrozen(XUZHOU.code), registry.spendingTreasury(XUZHOU.code)) == (True, ZERO_ADDRESS)
    with reverts(clearinghouse, "TreasuryFrozen", city=XUZHOU.code):
        world.withdraw(XUZHOU, 1)
    world.withdraw(SHANGHAI, 1)
    receipt = registry.freezeTreasury(XUZHOU.code, False, sender=XUZHOU.admin)
    assert receipt.events == (Event("TreasuryFrozen", city=XUZHOU.code, frozen=False),)
    assert registry.spendingTreasury(XUZHOU.code) == XUZHOU.treasury
    world.withdraw(XUZHOU, 1)


@pytest.mark.parametrize("frozen", [True, False])
def test_what_is_so_already_is_not_done_again(registry: Contract, frozen: bool) -> None:
    if frozen:
        registry.freezeTreasury(XUZHOU.code, True, sender=XUZHOU.admin)
    with reverts(registry, "AlreadySo", city=XUZHOU.code, frozen=frozen):
        registry.freezeTreasury(XUZHOU.code, frozen, sender=XUZHOU.admin)


def test_a_new_treasury_is_not_frozen(world: World, registry: Contract, clearinghouse: Contract) -> None:
    registry.freezeTreasury(XUZHOU.code, True, sender=XUZHOU.admin)
    world.move_treasury(XUZHOU, NEW)
    assert not registry.isFrozen(XUZHOU.code)
    clearinghouse.withdraw(XUZHOU.code, 1, NO_REFERENCE, sender=NEW)


def test_a_frozen_treasury_can_still_call_changes_off(registry: Contract) -> None:
    """Or else a stolen admin's key would freeze it first."""
    registry.freezeTreasury(XUZHOU.code, True, sender=XUZHOU.admin)
    registry.proposeTreasury(XUZHOU.code, STRANGER, sender=XUZHOU.admin)
    registry.cancelChanges(XUZHOU.code, sender=XUZHOU.treasury)


# ---------------------------------------------------------------- recovery


@pytest.mark.parametrize("by", [XUZHOU.admin, XUZHOU.treasury], ids=["the admin", "the treasury"])
def test_a_city_is_recovered_with_the_consent_of_one_of_its_keys(world: World, registry: Contract, by: str) -> None:
    receipt = registry.consentToRecovery(XUZHOU.code, NEW, OTHER, sender=by)
    assert receipt.events == (Event("RecoveryConsented", city=XUZHOU.code, by=by, admin=NEW, treasury=OTHER),)
    assert registry.hasConsented(XUZHOU.code, NEW, OTHER)
    registry.proposeTreasury(XUZHOU.code, STRANGER, sender=XUZHOU.admin)
    registry.freezeTreasury(XUZHOU.code, True, sender=XUZHOU.admin)
    receipt = world.by_vote(registry, "recover", XUZHOU.code, NEW, OTHER)
    assert receipt.events == (
        Event("CityRecovered", city=XUZHOU.code, admin=NEW, treasury=OTHER),
        Event("TreasuryFrozen", city=XUZHOU.code, frozen=False),
    )
    assert keys(registry) == (NEW, OTHER)
    assert registry.proposedChanges(XUZHOU.code) == (ZERO_ADDRESS, 0, ZERO_ADDRESS, 0)


@pytest.mark.parametrize("addresses", [(OTHER, NEW), (NEW, NEW), (NEW, STRANGER)])
def test_a_city_is_recovered_to_just_what_it_agreed_to(
    world: World, registry: Contract, addresses: tuple[str, str]
) -> None:
    registry.consentToRecovery(XUZHOU.code, NEW, OTHER, sender=XUZHOU.treasury)
    with reverts(registry, "NoConsent", city=XUZHOU.code, admin=addresses[0], treasury=addresses[1]):
        world.by_vote(registry, "recover", XUZHOU.code, *addresses)


def test_another_citys_consent_is_none(world: World, registry: Contract) -> None:
    registry.consentToRecovery(SHANGHAI.code, NEW, OTHER, sender=SHANGHAI.admin)
    with reverts(registry, "NoConsent", city=XUZHOU.code, admin=NEW, treasury=OTHER):
        world.by_vote(registry, "recover", XUZHOU.code, NEW, OTHER)


def test_a_consent_ends_with_the_keys_under_which_it_was_given(world: World, registry: Contract) -> None:
    """A thief's consent doesn't outlive his key."""
    registry.consentToRecovery(XUZHOU.code, STRANGER, STRANGER, sender=XUZHOU.admin)
    registry.consentToRecovery(XUZHOU.code, NEW, XUZHOU.treasury, sender=XUZHOU.treasury)
    world.by_vote(registry, "recover", XUZHOU.code, NEW, XUZHOU.treasury)
    assert not registry.hasConsented(XUZHOU.code, STRANGER, STRANGER)
    with reverts(registry, "NoConsent", city=XUZHOU.code, admin=STRANGER, treasury=STRANGER):
        world.by_vote(registry, "recover", XUZHOU.code, STRANGER, STRANGER)


@pytest.mark.parametrize("addresses", [(ZERO_ADDRESS, NEW), (NEW, ZERO_ADDRESS)])
def test_nobody_agrees_to_being_recovered_to_nobody(registry: Contract, addresses: tuple[str, str]) -> None:
    with reverts(registry, "ZeroAddress"):
        registry.consentToRecovery(XUZHOU.code, *addresses, sender=XUZHOU.admin)


# ---------------------------------------------------------------- tariffs

URI, HASH = "https://example.org/xuzhou.zip", b"\x11" * 32


def test_a_tariff_is_published_with_the_time_from_which_it_holds(registry: Contract) -> None:
    receipt = registry.publishTariff(XUZHOU.code, URI, HASH, NOON + DAY, sender=XUZHOU.admin, at=NOON)
    told = {"city": XUZHOU.code, "index": 0, "uri": URI, "hash": HASH, "validFrom": NOON + DAY}
    assert receipt.events == (Event("TariffPublished", **told),)
    assert registry.tariffCount(XUZHOU.code) == 1
    assert registry.tariff(XUZHOU.code, 0) == (URI, HASH, NOON + DAY)
    with reverts(registry, "NoSuchTariff", city=XUZHOU.code, index=1, count=1):
        registry.tariff(XUZHOU.code, 1)


def test_a_tariff_without_a_time_holds_from_its_block(registry: Contract) -> None:
    registry.publishTariff(XUZHOU.code, URI, HASH, 0, sender=XUZHOU.admin, at=NOON)
    assert registry.tariff(XUZHOU.code, 0)[2] == NOON


def test_a_tariff_does_not_hold_for_the_past(registry: Contract) -> None:
    with reverts(registry, "TariffTooEarly", validFrom=NOON - 1, earliest=NOON):
        registry.publishTariff(XUZHOU.code, URI, HASH, NOON - 1, sender=XUZHOU.admin, at=NOON)


def test_a_tariff_follows_another(registry: Contract) -> None:
    registry.publishTariff(XUZHOU.code, URI, HASH, NOON + DAY, sender=XUZHOU.admin, at=NOON)
    receipt = registry.publishTariff(XUZHOU.code, URI, HASH, NOON + 2 * DAY, sender=XUZHOU.admin)
    assert receipt.events[0].args["index"] == 1
    assert registry.tariffCount(XUZHOU.code) == 2
