"""A city's admin and treasury: each hands itself on in two steps, and the admin can freeze the treasury. Tariffs."""

from __future__ import annotations

import pytest

from network.accounts import Role
from tests.contracts.node import Contract, Event, reverts
from tests.contracts.story import (
    ANSWER_TIME,
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
PERIOD = 14 * DAY
"""How long whoever waited may accept."""
NEW = XUZHOU.account(Role.SPARE)
OTHER = XUZHOU.account(Role.SPARE_ISSUER_KEY)
MOVES = {
    "admin": ("proposeAdmin", "acceptAdmin", "AdminProposed", "AdminChanged"),
    "treasury": ("proposeTreasury", "acceptTreasury", "TreasuryProposed", "TreasuryChanged"),
}
HOLDER = {"admin": XUZHOU.admin, "treasury": XUZHOU.treasury}
"""Who hands it on: itself."""
NOT_THE_HOLDER = {"admin": "NotCityAdmin", "treasury": "NotTreasury"}
OUTSIDERS = {
    "another city's admin": SHANGHAI.admin,
    "another city's treasury": SHANGHAI.treasury,
    "the recovery address": XUZHOU.recovery,
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
    receipt = getattr(registry, propose)(XUZHOU.code, NEW, sender=HOLDER[move], at=NOON)
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
    getattr(registry, propose)(XUZHOU.code, NEW, sender=HOLDER[move], at=NOON)
    getattr(registry, accept)(XUZHOU.code, sender=NEW, at=NOON + WAIT)
    with reverts(registry, "NotProposed", city=XUZHOU.code, caller=NEW):
        getattr(registry, accept)(XUZHOU.code, sender=NEW)


def test_a_new_proposal_takes_the_place_of_the_one_before(registry: Contract, move: str) -> None:
    propose, accept, _, _ = MOVES[move]
    getattr(registry, propose)(XUZHOU.code, NEW, sender=HOLDER[move], at=NOON)
    getattr(registry, propose)(XUZHOU.code, OTHER, sender=HOLDER[move], at=NOON + DAY)
    with reverts(registry, "NotProposed", city=XUZHOU.code, caller=NEW):
        getattr(registry, accept)(XUZHOU.code, sender=NEW, at=NOON + WAIT)
    with reverts(registry, "TooEarly", acceptableFrom=NOON + DAY + WAIT):
        getattr(registry, accept)(XUZHOU.code, sender=OTHER)
    getattr(registry, accept)(XUZHOU.code, sender=OTHER, at=NOON + DAY + WAIT)


def test_nobody_is_no_key(registry: Contract, move: str) -> None:
    with reverts(registry, "ZeroAddress"):
        getattr(registry, MOVES[move][0])(XUZHOU.code, ZERO_ADDRESS, sender=HOLDER[move])


def test_where_nothing_is_proposed_nobody_accepts(registry: Contract, move: str) -> None:
    for caller in (NEW, ZERO_ADDRESS):
        with reverts(registry, "NotProposed", city=XUZHOU.code, caller=caller):
            getattr(registry, MOVES[move][1])(XUZHOU.code, sender=caller)


@pytest.mark.parametrize("by", [XUZHOU.admin, XUZHOU.treasury], ids=["the admin", "the treasury"])
def test_admin_or_treasury_calls_changes_off(registry: Contract, move: str, by: str) -> None:
    propose, accept, _, _ = MOVES[move]
    getattr(registry, propose)(XUZHOU.code, NEW, sender=HOLDER[move], at=NOON)
    receipt = registry.cancelChanges(XUZHOU.code, sender=by)
    assert receipt.events == (Event("ChangesCancelled", city=XUZHOU.code, by=by),)
    with reverts(registry, "NotProposed", city=XUZHOU.code, caller=NEW):
        getattr(registry, accept)(XUZHOU.code, sender=NEW, at=NOON + WAIT)
    with reverts(registry, "NotProposed", city=XUZHOU.code, caller=by):
        registry.cancelChanges(XUZHOU.code, sender=by)


@pytest.mark.parametrize("caller", OUTSIDERS.values(), ids=OUTSIDERS)
def test_nobody_else_calls_changes_off(registry: Contract, caller: str) -> None:
    registry.proposeAdmin(XUZHOU.code, NEW, sender=XUZHOU.admin)
    with reverts(registry, "NotOfCity", city=XUZHOU.code, caller=caller):
        registry.cancelChanges(XUZHOU.code, sender=caller)


def test_a_city_that_was_never_admitted_belongs_to_nobody(registry: Contract) -> None:
    for caller in (LANZHOU.admin, ZERO_ADDRESS):
        with reverts(registry, "NotOfCity", city=LANZHOU.code, caller=caller):
            registry.cancelChanges(LANZHOU.code, sender=caller)


@pytest.mark.parametrize("role", ["admin", "treasury", "recovery"])
def test_only_a_key_itself_hands_itself_on(registry: Contract, move: str, role: str) -> None:
    """So that no admin's key ever becomes a treasury's, nor the other way round."""
    caller = getattr(XUZHOU, role)
    if caller == HOLDER[move]:
        caller = SHANGHAI.account(Role[move.upper()])
    with reverts(registry, NOT_THE_HOLDER[move], city=XUZHOU.code, caller=caller):
        getattr(registry, MOVES[move][0])(XUZHOU.code, NEW, sender=caller)


def test_a_city_that_was_never_admitted_has_no_treasury_to_hand_on(registry: Contract) -> None:
    with reverts(registry, "NotTreasury", city=LANZHOU.code, caller=LANZHOU.treasury):
        registry.proposeTreasury(LANZHOU.code, NEW, sender=LANZHOU.treasury)


def test_a_proposed_key_accepts_in_the_last_second_of_14_days(registry: Contract, move: str) -> None:
    propose, accept, _, _ = MOVES[move]
    getattr(registry, propose)(XUZHOU.code, NEW, sender=HOLDER[move], at=NOON)
    getattr(registry, accept)(XUZHOU.code, sender=NEW, at=NOON + WAIT + PERIOD)
    assert NEW in keys(registry)


def test_a_proposed_key_does_not_accept_a_second_later(registry: Contract, move: str) -> None:
    propose, accept, _, _ = MOVES[move]
    getattr(registry, propose)(XUZHOU.code, NEW, sender=HOLDER[move], at=NOON)
    with reverts(registry, "HandoverExpired", until=NOON + WAIT + PERIOD):
        getattr(registry, accept)(XUZHOU.code, sender=NEW, at=NOON + WAIT + PERIOD + 1)


def test_what_expired_is_proposed_again(registry: Contract, move: str) -> None:
    propose, accept, _, _ = MOVES[move]
    getattr(registry, propose)(XUZHOU.code, NEW, sender=HOLDER[move], at=NOON)
    again = NOON + WAIT + PERIOD + 1
    getattr(registry, propose)(XUZHOU.code, NEW, sender=HOLDER[move], at=again)
    getattr(registry, accept)(XUZHOU.code, sender=NEW, at=again + WAIT)
    assert NEW in keys(registry)


# ---------------------------------------------------------------- three addresses that stay three


@pytest.mark.parametrize("role", ["admin", "treasury", "recovery"])
def test_a_key_is_handed_to_none_of_the_citys_own_addresses(registry: Contract, move: str, role: str) -> None:
    account = getattr(XUZHOU, role)
    with reverts(registry, "SameAddress", account=account):
        getattr(registry, MOVES[move][0])(XUZHOU.code, account, sender=HOLDER[move])


FIRST_STEPS = {
    "admin": lambda registry: registry.proposeAdmin(XUZHOU.code, NEW, sender=XUZHOU.admin),
    "treasury": lambda registry: registry.proposeTreasury(XUZHOU.code, NEW, sender=XUZHOU.treasury),
    "recovery": lambda registry: [
        registry.changeRecovery(XUZHOU.code, NEW, sender=key) for key in (XUZHOU.admin, XUZHOU.treasury)
    ],
}
LAST_STEPS = {"admin": "acceptAdmin", "treasury": "acceptTreasury", "recovery": "acceptRecovery"}


@pytest.mark.parametrize("first", FIRST_STEPS)
@pytest.mark.parametrize("second", FIRST_STEPS)
def test_one_address_that_is_proposed_for_two_roles_gets_one(registry: Contract, first: str, second: str) -> None:
    """In whatever order: it was nobody's when it was proposed. Handing a key on calls the third role's change off."""
    for role in dict.fromkeys((first, second)):
        FIRST_STEPS[role](registry)
    due = registry.proposedRecovery(XUZHOU.code)[2] or registry.node.now + WAIT
    getattr(registry, LAST_STEPS[first])(XUZHOU.code, sender=NEW, at=due)  # after 14 days both may accept
    called_off = second in (first, "recovery")
    refusal = ("NotProposed", {"city": XUZHOU.code, "caller": NEW}) if called_off else ("SameAddress", {"account": NEW})
    with reverts(registry, refusal[0], **refusal[1]):
        getattr(registry, LAST_STEPS[second])(XUZHOU.code, sender=NEW)


def test_a_new_admin_speaks_for_the_city_and_the_old_one_no_longer_does(
    registry: Contract, consortium: Contract
) -> None:
    """Also on proposals that the old one approved: the approval is the city's."""
    people = (LANZHOU.admin, LANZHOU.treasury, LANZHOU.recovery)
    call = registry.call("admit", LANZHOU.code, "Lanzhou", *people)
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


def test_a_frozen_treasury_does_not_hand_itself_on(registry: Contract) -> None:
    registry.freezeTreasury(XUZHOU.code, True, sender=XUZHOU.admin)
    with reverts(registry, "TreasuryIsFrozen", city=XUZHOU.code):
        registry.proposeTreasury(XUZHOU.code, NEW, sender=XUZHOU.treasury)


def test_a_treasury_that_was_proposed_before_a_freeze_takes_over_only_after_it(
    world: World, registry: Contract, clearinghouse: Contract
) -> None:
    registry.proposeTreasury(XUZHOU.code, NEW, sender=XUZHOU.treasury, at=NOON)
    registry.freezeTreasury(XUZHOU.code, True, sender=XUZHOU.admin)
    with reverts(registry, "TreasuryIsFrozen", city=XUZHOU.code):
        registry.acceptTreasury(XUZHOU.code, sender=NEW, at=NOON + WAIT)
    registry.freezeTreasury(XUZHOU.code, False, sender=XUZHOU.admin)
    registry.acceptTreasury(XUZHOU.code, sender=NEW)
    clearinghouse.withdraw(XUZHOU.code, 1, NO_REFERENCE, sender=NEW)


def test_a_frozen_treasury_sets_no_limit_and_confirms_nothing(registry: Contract, clearinghouse: Contract) -> None:
    """Or else a thief who was noticed would raise the limit for the thief of an issuer key."""
    registry.freezeTreasury(XUZHOU.code, True, sender=XUZHOU.admin)
    with reverts(clearinghouse, "TreasuryFrozen", city=XUZHOU.code):
        clearinghouse.setDailyLimit(XUZHOU.code, 1, sender=XUZHOU.treasury)
    today = registry.node.now // DAY
    releasable = (today + 1) * DAY + ANSWER_TIME + 4 * DAY
    with reverts(clearinghouse, "StillWithheld", releasableFrom=releasable):
        clearinghouse.releaseWithheld(XUZHOU.code, SHANGHAI.code, today, sender=XUZHOU.treasury)


def test_a_frozen_treasury_can_still_call_changes_off(registry: Contract) -> None:
    """Or else a stolen admin's key would freeze it first."""
    registry.freezeTreasury(XUZHOU.code, True, sender=XUZHOU.admin)
    registry.proposeAdmin(XUZHOU.code, STRANGER, sender=XUZHOU.admin)
    registry.cancelChanges(XUZHOU.code, sender=XUZHOU.treasury)


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
