"""A city's recovery address is changed by both of its keys, a wait, and the new address's own word."""

from __future__ import annotations

import pytest

from network.accounts import Role
from tests.contracts.assembly import LONG, Assembly, assemble
from tests.contracts.node import Contract, Event, reverts
from tests.contracts.story import (
    DAY,
    HANGZHOU,
    HOUR,
    LANZHOU,
    NOON,
    SHANGHAI,
    STRANGER,
    XUZHOU,
    ZERO_ADDRESS,
    City,
    World,
)

WAIT = 14 * DAY
"""From the second key's word until the new address may accept."""
PERIOD = 14 * DAY
"""How long the second key may follow the first, and how long the new address may accept."""
HANDOVER = 2 * DAY
NEW = XUZHOU.account(Role.SPARE)
OTHER = XUZHOU.account(Role.SPARE_ISSUER_KEY)
ORDERS = [
    pytest.param((XUZHOU.admin, XUZHOU.treasury), id="the admin first"),
    pytest.param((XUZHOU.treasury, XUZHOU.admin), id="the treasury first"),
]


def name(registry: Contract, by: str, *, to: str = NEW, at: int | None = None):
    return registry.changeRecovery(XUZHOU.code, to, sender=by, at=at)


def agreed(registry: Contract, *, to: str = NEW, at: int = NOON, city: City = XUZHOU) -> int:
    """Both keys name it in one second; from when on it may accept."""
    for key in (city.admin, city.treasury):
        registry.changeRecovery(city.code, to, sender=key, at=at)
    return at + WAIT


def accept(registry: Contract, *, by: str = NEW, at: int | None = None):
    return registry.acceptRecovery(XUZHOU.code, sender=by, at=at)


# ---------------------------------------------------------------- how it goes


@pytest.mark.parametrize("order", ORDERS)
def test_a_recovery_address_changes_when_both_keys_named_it_and_it_accepts_14_days_later(
    registry: Contract, order: tuple[str, str]
) -> None:
    first, second = order
    named = {"city": XUZHOU.code, "recovery": NEW}
    assert name(registry, first, at=NOON).events == (Event("RecoveryProposed", **named, by=first, acceptableFrom=0),)
    assert registry.proposedRecovery(XUZHOU.code) == (NEW, first, 0)
    with reverts(registry, "TooEarly", acceptableFrom=0):
        accept(registry)
    due = NOON + HOUR + WAIT
    receipt = name(registry, second, at=NOON + HOUR)
    assert receipt.events == (Event("RecoveryProposed", **named, by=second, acceptableFrom=due),)
    assert registry.proposedRecovery(XUZHOU.code) == (NEW, first, due)
    with reverts(registry, "TooEarly", acceptableFrom=due):
        accept(registry, at=due - 1)
    assert registry.recoveryOf(XUZHOU.code) == XUZHOU.recovery
    assert accept(registry, at=due).events == (Event("RecoveryChanged", city=XUZHOU.code, recovery=NEW),)
    assert registry.recoveryOf(XUZHOU.code) == NEW
    assert registry.proposedRecovery(XUZHOU.code) == (ZERO_ADDRESS, ZERO_ADDRESS, 0)


@pytest.mark.parametrize("by", [XUZHOU.admin, XUZHOU.treasury], ids=["the admin", "the treasury"])
def test_one_key_alone_changes_no_recovery_address(registry: Contract, by: str) -> None:
    name(registry, by, at=NOON)
    with reverts(registry, "RecoveryAlreadyNamed", city=XUZHOU.code, recovery=NEW):
        name(registry, by)
    with reverts(registry, "TooEarly", acceptableFrom=0):
        accept(registry, at=NOON + WAIT + PERIOD)


def test_only_the_address_that_was_named_accepts(registry: Contract) -> None:
    due = agreed(registry)
    for caller in (XUZHOU.admin, XUZHOU.treasury, XUZHOU.recovery, OTHER, STRANGER):
        with reverts(registry, "NotProposed", city=XUZHOU.code, caller=caller):
            accept(registry, by=caller, at=due)
    accept(registry)
    with reverts(registry, "NotProposed", city=XUZHOU.code, caller=NEW):
        accept(registry)


def test_where_nothing_is_named_nobody_accepts(registry: Contract) -> None:
    for caller in (NEW, ZERO_ADDRESS):
        with reverts(registry, "NotProposed", city=XUZHOU.code, caller=caller):
            accept(registry, by=caller)


# ---------------------------------------------------------------- times


@pytest.mark.parametrize("order", ORDERS)
def test_the_second_key_may_follow_within_14_days_of_the_first(registry: Contract, order: tuple[str, str]) -> None:
    name(registry, order[0], at=NOON)
    name(registry, order[1], at=NOON + PERIOD)
    assert registry.proposedRecovery(XUZHOU.code)[2] == NOON + PERIOD + WAIT


@pytest.mark.parametrize("order", ORDERS)
def test_a_half_lapses_a_second_later_and_the_second_keys_word_is_a_first(
    registry: Contract, order: tuple[str, str]
) -> None:
    name(registry, order[0], at=NOON)
    later = NOON + PERIOD + 1
    name(registry, order[1], at=later)
    assert registry.proposedRecovery(XUZHOU.code) == (NEW, order[1], 0)
    name(registry, order[0], at=later + 1)
    assert registry.proposedRecovery(XUZHOU.code)[2] == later + 1 + WAIT


def test_the_new_address_accepts_in_the_last_second_of_14_days(registry: Contract) -> None:
    accept(registry, at=agreed(registry) + PERIOD)
    assert registry.recoveryOf(XUZHOU.code) == NEW


def test_the_new_address_does_not_accept_a_second_later(registry: Contract) -> None:
    until = agreed(registry) + PERIOD
    with reverts(registry, "HandoverExpired", until=until):
        accept(registry, at=until + 1)


@pytest.mark.parametrize("by", [XUZHOU.admin, XUZHOU.treasury], ids=["the admin", "the treasury"])
def test_what_both_keys_named_is_named_again_once_it_has_lapsed_or_was_called_off(registry: Contract, by: str) -> None:
    until = agreed(registry) + PERIOD
    with reverts(registry, "RecoveryAlreadyNamed", city=XUZHOU.code, recovery=NEW):
        name(registry, by, at=until)
    name(registry, by, at=until + 1)
    assert registry.proposedRecovery(XUZHOU.code) == (NEW, by, 0)
    registry.cancelChanges(XUZHOU.code, sender=by)
    name(registry, by)


# ---------------------------------------------------------------- what calls it off


def test_another_address_takes_the_place_of_the_one_before(registry: Contract) -> None:
    """With what the other key said of that: nothing of it counts for the new one."""
    agreed(registry)
    name(registry, XUZHOU.treasury, to=OTHER, at=NOON + DAY)
    assert registry.proposedRecovery(XUZHOU.code) == (OTHER, XUZHOU.treasury, 0)
    with reverts(registry, "NotProposed", city=XUZHOU.code, caller=NEW):
        accept(registry, at=NOON + WAIT)
    with reverts(registry, "TooEarly", acceptableFrom=0):
        accept(registry, by=OTHER)


@pytest.mark.parametrize("by", [XUZHOU.admin, XUZHOU.treasury], ids=["the admin", "the treasury"])
@pytest.mark.parametrize("half", [True, False], ids=["one key's word", "both keys' word"])
def test_admin_or_treasury_calls_it_off(registry: Contract, by: str, half: bool) -> None:
    """Half of it is gone with it, too: the other key alone can't complete it."""
    if half:
        name(registry, XUZHOU.admin, at=NOON)
    else:
        agreed(registry)
    registry.cancelChanges(XUZHOU.code, sender=by)
    name(registry, XUZHOU.treasury)
    assert registry.proposedRecovery(XUZHOU.code) == (NEW, XUZHOU.treasury, 0)
    with reverts(registry, "TooEarly", acceptableFrom=0):
        accept(registry, at=NOON + WAIT + HOUR)


@pytest.mark.parametrize("role", ["admin", "treasury"])
@pytest.mark.parametrize("half", [True, False], ids=["that key's word", "both keys' word"])
def test_a_key_that_is_handed_on_takes_its_word_with_it(registry: Contract, role: str, half: bool) -> None:
    """What a thief said in March isn't completed with the other key in December."""
    key, proposes, accepts = getattr(XUZHOU, role), f"propose{role.title()}", f"accept{role.title()}"
    getattr(registry, proposes)(XUZHOU.code, OTHER, sender=key, at=NOON)
    if half:
        name(registry, key, at=NOON + DAY)
    else:
        agreed(registry, at=NOON + DAY)
    getattr(registry, accepts)(XUZHOU.code, sender=OTHER, at=NOON + HANDOVER)
    assert registry.proposedRecovery(XUZHOU.code) == (ZERO_ADDRESS, ZERO_ADDRESS, 0)
    with reverts(registry, "NotProposed", city=XUZHOU.code, caller=NEW):
        accept(registry, at=NOON + DAY + WAIT)
    still = XUZHOU.treasury if role == "admin" else XUZHOU.admin
    name(registry, still)
    assert registry.proposedRecovery(XUZHOU.code) == (NEW, still, 0)


def test_a_recovery_calls_it_off(world: World, registry: Contract) -> None:
    due = agreed(registry)
    world.by_vote(registry, "recover", XUZHOU.code, XUZHOU.recovery)
    with reverts(registry, "NotProposed", city=XUZHOU.code, caller=NEW):
        accept(registry, at=due)
    assert registry.recoveryOf(XUZHOU.code) == XUZHOU.recovery


# ---------------------------------------------------------------- who may not, and what not


def test_a_frozen_treasury_names_no_recovery_address(registry: Contract) -> None:
    """Its admin may name one meanwhile, which the treasury agrees to when it is let again."""
    registry.freezeTreasury(XUZHOU.code, True, sender=XUZHOU.admin)
    name(registry, XUZHOU.admin, at=NOON)
    with reverts(registry, "TreasuryIsFrozen", city=XUZHOU.code):
        name(registry, XUZHOU.treasury)
    registry.freezeTreasury(XUZHOU.code, False, sender=XUZHOU.admin)
    name(registry, XUZHOU.treasury, at=NOON + DAY)
    assert registry.proposedRecovery(XUZHOU.code)[2] == NOON + DAY + WAIT


@pytest.mark.parametrize(
    "caller",
    [
        pytest.param(XUZHOU.recovery, id="the recovery address"),
        pytest.param(SHANGHAI.admin, id="another city's admin"),
        pytest.param(SHANGHAI.treasury, id="another city's treasury"),
        pytest.param(NEW, id="the address named"),
        pytest.param(STRANGER, id="a stranger"),
    ],
)
def test_nobody_else_names_a_recovery_address(registry: Contract, caller: str) -> None:
    name(registry, XUZHOU.admin)
    with reverts(registry, "NotOfCity", city=XUZHOU.code, caller=caller):
        name(registry, caller)


def test_a_city_that_was_never_admitted_has_no_recovery_address_to_change(registry: Contract) -> None:
    for caller in (LANZHOU.admin, ZERO_ADDRESS):
        with reverts(registry, "NotOfCity", city=LANZHOU.code, caller=caller):
            registry.changeRecovery(LANZHOU.code, NEW, sender=caller)


def test_nobody_is_no_recovery_address(registry: Contract) -> None:
    with reverts(registry, "ZeroAddress"):
        name(registry, XUZHOU.admin, to=ZERO_ADDRESS)


@pytest.mark.parametrize("role", ["admin", "treasury", "recovery"])
def test_none_of_the_citys_own_addresses_is_named(registry: Contract, role: str) -> None:
    with reverts(registry, "SameAddress", account=getattr(XUZHOU, role)):
        name(registry, XUZHOU.admin, to=getattr(XUZHOU, role))


# ---------------------------------------------------------------- a thief of both keys


@pytest.mark.parametrize(("members", "noticed"), [(1, 7 * DAY), (2, 13 * DAY - HOUR), (4, 13 * DAY - HOUR)])
def test_a_thief_of_both_keys_does_not_outrun_the_recovery_address(world: World, members: int, noticed: int) -> None:
    """He names his own at once. Who notices within 13 days, or 7 where there are no others, is back before him."""
    assembly = assemble(world.node, members)
    victim = assembly.members[-1]
    due = agreed(assembly.registry, to=STRANGER, city=victim)
    _recovered(assembly, victim, at=NOON + noticed)
    assert assembly.registry.city(victim.code)[2:4] == (victim.recovery, ZERO_ADDRESS)
    with reverts(assembly.registry, "NotProposed", city=victim.code, caller=STRANGER):
        assembly.registry.acceptRecovery(victim.code, sender=STRANGER, at=max(due, world.node.now))


def _recovered(assembly: Assembly, city: City, *, at: int) -> None:
    number = assembly.consortium.requestRecovery(city.code, sender=city.recovery, at=at).returned
    assembly.approve(number, *[member for member in assembly.members if member != city])
    assert assembly.execute_when_it_may(number).timestamp <= NOON + WAIT
    assert LONG == WAIT // 2


def test_nobody_else_joins_in_that(registry: Contract) -> None:
    """Another city's keys name nothing for this one, whichever city they say."""
    registry.changeRecovery(HANGZHOU.code, NEW, sender=HANGZHOU.admin)
    with reverts(registry, "NotOfCity", city=HANGZHOU.code, caller=XUZHOU.treasury):
        registry.changeRecovery(HANGZHOU.code, NEW, sender=XUZHOU.treasury)
