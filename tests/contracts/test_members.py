"""Protocol sections 1 and 7: who is a member, whose keys count, and who may say so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from network.accounts import Role
from tests.contracts.node import Contract, Event, reverts
from tests.contracts.story import (
    BANK_ACCOUNT,
    DAY,
    DEPLOYER_ACCOUNT,
    EVENING,
    HANGZHOU,
    HOUR,
    KEYS_FROM,
    LANZHOU,
    NINGBO,
    NO_END,
    NO_REFERENCE,
    NOON,
    OPENING,
    SEAT_DELAY,
    SHANGHAI,
    STRANGER,
    XUZHOU,
    ZERO_ADDRESS,
    City,
    World,
)

NONE, ACTIVE, SUSPENDED, EXITED = range(4)
Act = Callable[..., object]


def standing(registry: Contract, city: City) -> tuple[int, int]:
    """(status, suspendedAt)."""
    _, status, _, _, _, suspended_at = registry.city(city.code)
    return status, suspended_at


# ---------------------------------------------------------------- what there is to read


def test_founders_are_members_from_the_first_block_in_the_order_they_were_named(registry: Contract) -> None:
    assert registry.cities() == (SHANGHAI.code, HANGZHOU.code, NINGBO.code, XUZHOU.code)
    assert registry.city(SHANGHAI.code) == ("Shanghai", ACTIVE, SHANGHAI.admin, SHANGHAI.treasury, OPENING, 0)
    assert registry.recoveryOf(SHANGHAI.code) == SHANGHAI.recovery
    assert registry.voterOf(SHANGHAI.code) == (ACTIVE, SHANGHAI.admin, 0, OPENING)


def test_a_city_that_was_never_admitted_is_all_zero(registry: Contract, lanzhou: City) -> None:
    assert registry.city(lanzhou.code) == ("", NONE, ZERO_ADDRESS, ZERO_ADDRESS, 0, 0)
    assert registry.exitedAt(lanzhou.code) == 0
    assert registry.recoveryOf(lanzhou.code) == ZERO_ADDRESS
    assert registry.voterOf(lanzhou.code) == (NONE, ZERO_ADDRESS, 0, 0)
    assert registry.suspensions(lanzhou.code) == ()
    assert registry.proposedRecovery(lanzhou.code) == (ZERO_ADDRESS, ZERO_ADDRESS, 0)
    assert registry.issuerKey(lanzhou.code, 1) == (ZERO_ADDRESS, 0, 0)
    assert registry.issuerKeyIds(lanzhou.code) == ()
    assert not registry.isSubmitter(lanzhou.code, ZERO_ADDRESS)


def test_the_registry_obeys_the_consortium_that_made_it(
    registry: Contract, consortium: Contract, clearinghouse: Contract
) -> None:
    assert registry.consortium() == consortium.address
    assert consortium.registry() == registry.address == clearinghouse.registry()


# ---------------------------------------------------------------- admission


def test_a_city_is_admitted_by_vote(world: World, registry: Contract, lanzhou: City) -> None:
    receipt = world.admit(lanzhou, at=NOON)
    people = {"admin": lanzhou.admin, "treasury": lanzhou.treasury, "recovery": lanzhou.recovery}
    counts_from = NOON + SEAT_DELAY
    assert receipt.events == (Event("CityAdmitted", city=6201, name="Lanzhou", **people, countsFrom=counts_from),)
    assert registry.city(lanzhou.code) == ("Lanzhou", ACTIVE, lanzhou.admin, lanzhou.treasury, NOON, 0)
    assert registry.recoveryOf(lanzhou.code) == lanzhou.recovery
    assert registry.voterOf(lanzhou.code) == (ACTIVE, lanzhou.admin, 4, counts_from)
    assert registry.cities()[-1] == lanzhou.code


def test_a_city_rides_on_the_day_it_joins(world: World, lanzhou: City) -> None:
    """Only its seat waits for a week."""
    world.admit(lanzhou, at=NOON - HOUR)
    world.register_keys(lanzhou)
    assert world.judge(issuer=lanzhou) is None


def test_a_city_has_a_code(world: World, registry: Contract, lanzhou: City) -> None:
    with reverts(registry, "InvalidCityCode"):
        world.by_vote(registry, "admit", 0, "Nowhere", lanzhou.admin, lanzhou.treasury, lanzhou.recovery)


@pytest.mark.parametrize("before", ["active", "suspended", "left"])
def test_a_city_is_admitted_once(world: World, registry: Contract, xuzhou: City, before: str) -> None:
    if before == "suspended":
        world.suspend(xuzhou, at=NOON)
    if before == "left":
        world.leave(xuzhou, at=NOON)
    with reverts(registry, "CityAlreadyAdmitted", city=xuzhou.code):
        world.admit(xuzhou)


@pytest.mark.parametrize("missing", ["admin", "treasury", "recovery"])
def test_a_city_has_an_admin_a_treasury_and_a_recovery_address(
    world: World, registry: Contract, lanzhou: City, missing: str
) -> None:
    people = {role: getattr(lanzhou, role) for role in ("admin", "treasury", "recovery")} | {missing: ZERO_ADDRESS}
    with reverts(registry, "ZeroAddress"):
        world.by_vote(registry, "admit", lanzhou.code, "Lanzhou", *people.values())


@pytest.mark.parametrize(("role", "other"), [("admin", "treasury"), ("admin", "recovery"), ("treasury", "recovery")])
def test_a_citys_three_addresses_are_three(
    world: World, registry: Contract, lanzhou: City, role: str, other: str
) -> None:
    people = {role: getattr(lanzhou, role) for role in ("admin", "treasury", "recovery")}
    people[other] = people[role]
    with reverts(registry, "SameAddress", account=people[role]):
        world.by_vote(registry, "admit", lanzhou.code, "Lanzhou", *people.values())


def test_two_cities_may_have_one_address(world: World, registry: Contract, lanzhou: City) -> None:
    """A city's treasury may be run by whoever runs another's; who votes for whom is said with each call."""
    people = (lanzhou.admin, XUZHOU.treasury, lanzhou.recovery)
    world.by_vote(registry, "admit", lanzhou.code, "Lanzhou", *people)
    assert registry.city(lanzhou.code)[3] == XUZHOU.treasury


# ---------------------------------------------------------------- suspension and exit


def test_a_suspended_city_is_suspended_since_its_block(world: World, registry: Contract, xuzhou: City) -> None:
    assert world.suspend(xuzhou, at=NOON).events == (Event("CitySuspended", city=xuzhou.code, since=NOON),)
    assert standing(registry, xuzhou) == (SUSPENDED, NOON)
    assert registry.exitedAt(xuzhou.code) == 0
    assert registry.votingSeats() == 0b1111
    assert registry.suspensions(xuzhou.code) == ()


def test_a_reinstated_city_is_active_again_and_its_suspension_stays_on_record(
    world: World, registry: Contract, xuzhou: City
) -> None:
    before = registry.city(xuzhou.code)
    world.suspend(xuzhou, at=NOON)
    assert world.reinstate(xuzhou, at=NOON + DAY).events == (Event("CityReinstated", city=xuzhou.code),)
    assert registry.city(xuzhou.code) == before
    assert registry.suspensions(xuzhou.code) == ((NOON, NOON + DAY),)


def test_a_time_lies_in_the_past_suspension_that_began_before_and_ended_after_it(
    world: World, registry: Contract, xuzhou: City
) -> None:
    """Two of them, each at both sides of both ends; and the present one is none of them."""
    first, second = (NOON, NOON + DAY), (NOON + 3 * DAY, NOON + 4 * DAY)
    for begin, end in (first, second):
        world.suspend(xuzhou, at=begin)
        world.reinstate(xuzhou, at=end)
    world.suspend(xuzhou, at=NOON + 9 * DAY)
    assert registry.suspensions(xuzhou.code) == (first, second)
    for begin, end in (first, second):
        starts = [registry.suspendedFrom(xuzhou.code, time) for time in (begin - 1, begin, end - 1, end)]
        assert starts == [0, begin, begin, 0]
    assert registry.suspendedFrom(xuzhou.code, NOON + 9 * DAY) == 0
    assert registry.suspendedFrom(xuzhou.code, 0) == 0
    assert registry.suspendedFrom(xuzhou.code, 2**256 - 1) == 0


def test_a_city_leaves_by_its_own_will(world: World, registry: Contract, xuzhou: City) -> None:
    assert world.leave(xuzhou, at=NOON).events == (Event("CityExited", city=xuzhou.code, since=NOON),)
    assert standing(registry, xuzhou) == (EXITED, NOON)
    assert registry.exitedAt(xuzhou.code) == NOON
    assert registry.votingSeats() == 0b0111
    assert xuzhou.code in registry.cities()


def test_a_city_is_expelled_by_vote(world: World, registry: Contract, xuzhou: City) -> None:
    receipt = world.by_vote(registry, "expel", xuzhou.code, at=NOON)
    assert receipt.events == (Event("CityExited", city=xuzhou.code, since=NOON),)
    assert standing(registry, xuzhou) == (EXITED, NOON)


def test_a_city_that_leaves_while_suspended_keeps_the_start_of_its_suspension(
    world: World, registry: Contract, xuzhou: City
) -> None:
    world.suspend(xuzhou, at=NOON)
    receipt = world.leave(xuzhou, at=NOON + DAY)
    assert receipt.events == (Event("CityExited", city=xuzhou.code, since=NOON),)
    assert standing(registry, xuzhou) == (EXITED, NOON)
    assert registry.exitedAt(xuzhou.code) == NOON + DAY
    assert registry.votingSeats() == 0b0111


@pytest.mark.parametrize(
    ("before", "act", "status"),
    [
        ("suspended", "suspend", SUSPENDED),
        ("left", "suspend", EXITED),
        ("never", "suspend", NONE),
        ("active", "reinstate", ACTIVE),
        ("left", "reinstate", EXITED),
        ("never", "reinstate", NONE),
        ("left", "expel", EXITED),
        ("never", "expel", NONE),
    ],
)
def test_a_vote_cannot_do_to_a_city_what_its_standing_does_not_allow(
    world: World, registry: Contract, before: str, act: str, status: int
) -> None:
    city = LANZHOU if before == "never" else XUZHOU
    if before == "suspended":
        world.suspend(city, at=NOON)
    if before == "left":
        world.leave(city, at=NOON)
    with reverts(registry, "WrongStatus", city=city.code, status=status):
        world.by_vote(registry, act, city.code)


def test_a_city_leaves_once(world: World, registry: Contract, xuzhou: City) -> None:
    world.leave(xuzhou, at=NOON)
    with reverts(registry, "WrongStatus", city=xuzhou.code, status=EXITED):
        world.leave(xuzhou, at=NOON + 1)


# ---------------------------------------------------------------- authority

BY_VOTE = [
    ("admit", (LANZHOU.code, "Lanzhou", LANZHOU.admin, LANZHOU.treasury, LANZHOU.recovery)),
    ("suspend", (XUZHOU.code,)),
    ("reinstate", (XUZHOU.code,)),
    ("expel", (XUZHOU.code,)),
    ("recover", (XUZHOU.code, XUZHOU.recovery)),
]
BY_ADMIN = [
    ("leaveConsortium", ()),
    ("addIssuerKey", (2, XUZHOU.account(Role.SPARE), KEYS_FROM, NO_END)),
    ("endIssuerKey", (1, NO_END - 1)),
    ("addSubmitter", (XUZHOU.account(Role.SPARE),)),
    ("removeSubmitter", (XUZHOU.submitter,)),
    ("proposeAdmin", (XUZHOU.account(Role.SPARE),)),
    ("freezeTreasury", (True,)),
    ("publishTariff", ("https://example.org/xuzhou.zip", b"\x11" * 32, 0)),
    ("revokeTickets", (HANGZHOU.code, [7])),
]
OUTSIDERS = {
    "another city's admin": SHANGHAI.admin,
    "the treasury": XUZHOU.treasury,
    "the recovery address": XUZHOU.recovery,
    "the submitter": XUZHOU.submitter,
    "the issuer key": XUZHOU.account(Role.ISSUER_KEY),
    "the bank": BANK_ACCOUNT,
    "the deployer": DEPLOYER_ACCOUNT,
    "a stranger": STRANGER,
}


@pytest.mark.parametrize(("act", "arguments"), BY_VOTE, ids=[act for act, _ in BY_VOTE])
@pytest.mark.parametrize("caller", [XUZHOU.admin, *OUTSIDERS.values()], ids=["its own admin", *OUTSIDERS])
def test_membership_changes_by_vote_alone(
    registry: Contract, act: str, arguments: tuple[object, ...], caller: str
) -> None:
    with reverts(registry, "NotConsortium", caller=caller):
        getattr(registry, act)(*arguments, sender=caller)


@pytest.mark.parametrize(("act", "arguments"), BY_ADMIN, ids=[act for act, _ in BY_ADMIN])
@pytest.mark.parametrize("caller", OUTSIDERS.values(), ids=OUTSIDERS)
def test_a_citys_own_affairs_are_its_admins_alone(
    registry: Contract, act: str, arguments: tuple[object, ...], caller: str
) -> None:
    with reverts(registry, "NotCityAdmin", city=XUZHOU.code, caller=caller):
        getattr(registry, act)(XUZHOU.code, *arguments, sender=caller)


@pytest.mark.parametrize(("act", "arguments"), BY_ADMIN, ids=[act for act, _ in BY_ADMIN])
def test_a_citys_own_affairs_are_not_the_consortiums(
    world: World, registry: Contract, act: str, arguments: tuple[object, ...]
) -> None:
    with reverts(registry, "NotCityAdmin", city=XUZHOU.code, caller=world.consortium.address):
        world.by_vote(registry, act, XUZHOU.code, *arguments)


@pytest.mark.parametrize(("act", "arguments"), BY_ADMIN, ids=[act for act, _ in BY_ADMIN])
def test_a_citys_own_affairs_are_its_admins_to_settle(
    registry: Contract, act: str, arguments: tuple[object, ...]
) -> None:
    assert getattr(registry, act)(XUZHOU.code, *arguments, sender=XUZHOU.admin).events != ()


@pytest.mark.parametrize(("act", "arguments"), BY_ADMIN, ids=[act for act, _ in BY_ADMIN])
def test_a_city_that_was_never_admitted_has_no_affairs(
    registry: Contract, lanzhou: City, act: str, arguments: tuple[object, ...]
) -> None:
    for caller in (lanzhou.admin, ZERO_ADDRESS):
        with reverts(registry, "NotCityAdmin", city=lanzhou.code, caller=caller):
            getattr(registry, act)(lanzhou.code, *arguments, sender=caller)


@pytest.mark.parametrize("end", ["suspend", "leave"])
def test_a_city_that_is_suspended_or_left_still_puts_its_affairs_in_order(
    world: World, registry: Contract, clearinghouse: Contract, xuzhou: City, hangzhou: City, end: str
) -> None:
    """It ends its keys, revokes its tickets, and moves its treasury."""
    getattr(world, end)(xuzhou, at=NOON)
    new = xuzhou.account(Role.SPARE)
    registry.endIssuerKey(xuzhou.code, 1, NOON + HOUR, sender=xuzhou.admin)
    registry.revokeTickets(xuzhou.code, hangzhou.code, [7], sender=xuzhou.admin)
    registry.removeSubmitter(xuzhou.code, xuzhou.submitter, sender=xuzhou.admin)
    world.move_treasury(xuzhou, new)
    clearinghouse.withdraw(xuzhou.code, 1, NO_REFERENCE, sender=new)
    assert registry.issuerKey(xuzhou.code, 1)[2] == NOON + HOUR
    assert not registry.isSubmitter(xuzhou.code, xuzhou.submitter)


# ---------------------------------------------------------------- issuer keys


def test_an_issuer_key_is_registered_with_its_window(registry: Contract, xuzhou: City) -> None:
    key = xuzhou.account(Role.SPARE_ISSUER_KEY)
    receipt = registry.addIssuerKey(xuzhou.code, 9, key, NOON, NOON + DAY, sender=xuzhou.admin)
    window = {"key": key, "validFrom": NOON, "validUntil": NOON + DAY}
    assert receipt.events == (Event("IssuerKeyAdded", city=xuzhou.code, keyId=9, **window),)
    assert registry.issuerKey(xuzhou.code, 9) == (key, NOON, NOON + DAY)
    assert registry.issuerKeyIds(xuzhou.code) == (1, 9)


@pytest.mark.parametrize("window", [(0, 1), (0, NO_END), (NOON - 365 * DAY, NOON - 364 * DAY), (NO_END - 1, NO_END)])
def test_a_window_may_lie_in_the_past_or_never_end(registry: Contract, xuzhou: City, window: tuple[int, int]) -> None:
    key = xuzhou.account(Role.SPARE_ISSUER_KEY)
    registry.addIssuerKey(xuzhou.code, 0, key, *window, sender=xuzhou.admin)
    assert registry.issuerKey(xuzhou.code, 0) == (key, *window)


@pytest.mark.parametrize("window", [(NOON, NOON), (NOON + 1, NOON), (0, 0), (NO_END, NO_END)])
def test_a_window_is_not_empty(registry: Contract, xuzhou: City, window: tuple[int, int]) -> None:
    with reverts(registry, "InvalidKeyWindow", validFrom=window[0], validUntil=window[1]):
        registry.addIssuerKey(xuzhou.code, 2, STRANGER, *window, sender=xuzhou.admin)


def test_an_issuer_key_is_somebodys(registry: Contract, xuzhou: City) -> None:
    with reverts(registry, "ZeroAddress"):
        registry.addIssuerKey(xuzhou.code, 2, ZERO_ADDRESS, NOON, NO_END, sender=xuzhou.admin)


@pytest.mark.parametrize("ended", [False, True], ids=["running", "ended"])
def test_a_key_keeps_its_address_and_start_for_ever(registry: Contract, xuzhou: City, ended: bool) -> None:
    if ended:
        registry.endIssuerKey(xuzhou.code, 1, NOON, sender=xuzhou.admin, at=NOON)
    before = registry.issuerKey(xuzhou.code, 1)
    with reverts(registry, "IssuerKeyExists", city=xuzhou.code, keyId=1):
        registry.addIssuerKey(xuzhou.code, 1, STRANGER, NOON, NO_END, sender=xuzhou.admin, at=NOON + DAY)
    assert registry.issuerKey(xuzhou.code, 1) == before


@pytest.mark.parametrize("end", [NOON, NOON + 1, NO_END - 1])
def test_a_keys_end_is_brought_forward(registry: Contract, xuzhou: City, end: int) -> None:
    receipt = registry.endIssuerKey(xuzhou.code, 1, end, sender=xuzhou.admin, at=NOON)
    assert receipt.events == (Event("IssuerKeyEnded", city=xuzhou.code, keyId=1, validUntil=end),)
    assert registry.issuerKey(xuzhou.code, 1) == (xuzhou.account(Role.ISSUER_KEY), KEYS_FROM, end)


def test_a_keys_end_is_not_before_the_block(registry: Contract, xuzhou: City) -> None:
    with reverts(registry, "InvalidKeyEnd", validUntil=NOON - 1, earliest=NOON, current=NO_END):
        registry.endIssuerKey(xuzhou.code, 1, NOON - 1, sender=xuzhou.admin, at=NOON)


@pytest.mark.parametrize("end", [NOON + DAY, NOON + DAY + 1, NO_END])
def test_a_keys_end_is_never_put_off(registry: Contract, xuzhou: City, end: int) -> None:
    registry.endIssuerKey(xuzhou.code, 1, NOON + DAY, sender=xuzhou.admin, at=NOON)
    with reverts(registry, "InvalidKeyEnd", validUntil=end, earliest=NOON + 1, current=NOON + DAY):
        registry.endIssuerKey(xuzhou.code, 1, end, sender=xuzhou.admin, at=NOON + 1)


def test_a_keys_end_is_brought_forward_again(registry: Contract, xuzhou: City) -> None:
    registry.endIssuerKey(xuzhou.code, 1, NOON + DAY, sender=xuzhou.admin, at=NOON)
    registry.endIssuerKey(xuzhou.code, 1, NOON + HOUR, sender=xuzhou.admin)
    assert registry.issuerKey(xuzhou.code, 1)[2] == NOON + HOUR


def test_a_key_that_ended_stays_ended(registry: Contract, xuzhou: City) -> None:
    registry.endIssuerKey(xuzhou.code, 1, NOON, sender=xuzhou.admin, at=NOON)
    with reverts(registry, "InvalidKeyEnd", validUntil=NOON - 1, earliest=NOON + 1, current=NOON):
        registry.endIssuerKey(xuzhou.code, 1, NOON - 1, sender=xuzhou.admin, at=NOON + 1)


def test_a_key_that_is_not_there_has_no_end(registry: Contract, xuzhou: City) -> None:
    with reverts(registry, "UnknownIssuerKey", city=xuzhou.code, keyId=2):
        registry.endIssuerKey(xuzhou.code, 2, NO_END - 1, sender=xuzhou.admin)


# ---------------------------------------------------------------- submitters


def test_a_submitter_comes_and_goes(registry: Contract, xuzhou: City) -> None:
    key = xuzhou.account(Role.SPARE)
    added = registry.addSubmitter(xuzhou.code, key, sender=xuzhou.admin)
    assert added.events == (Event("SubmitterAdded", city=xuzhou.code, key=key),)
    assert registry.isSubmitter(xuzhou.code, key)
    assert not registry.isSubmitter(SHANGHAI.code, key)
    removed = registry.removeSubmitter(xuzhou.code, key, sender=xuzhou.admin)
    assert removed.events == (Event("SubmitterRemoved", city=xuzhou.code, key=key),)
    assert not registry.isSubmitter(xuzhou.code, key)
    registry.addSubmitter(xuzhou.code, key, sender=xuzhou.admin)
    assert registry.isSubmitter(xuzhou.code, key)


def test_a_submitter_is_added_once(registry: Contract, xuzhou: City) -> None:
    with reverts(registry, "SubmitterExists", city=xuzhou.code, key=xuzhou.submitter):
        registry.addSubmitter(xuzhou.code, xuzhou.submitter, sender=xuzhou.admin)


def test_a_submitter_is_somebody(registry: Contract, xuzhou: City) -> None:
    """Or else a signature that nobody made would be a submitter's."""
    with reverts(registry, "ZeroAddress"):
        registry.addSubmitter(xuzhou.code, ZERO_ADDRESS, sender=xuzhou.admin)


def test_who_is_no_submitter_cannot_be_removed(registry: Contract, xuzhou: City) -> None:
    with reverts(registry, "UnknownSubmitter", city=xuzhou.code, key=SHANGHAI.submitter):
        registry.removeSubmitter(xuzhou.code, SHANGHAI.submitter, sender=xuzhou.admin)


# ---------------------------------------------------------------- revocations


def test_a_revoked_ticket_is_named_by_issuer_operator_and_serial(
    registry: Contract, xuzhou: City, hangzhou: City, ningbo: City
) -> None:
    """Mistake 12: by its serial, not by a hash that two implementations may compute differently."""
    serials = [0, 7, 2**40 - 1]
    receipt = registry.revokeTickets(xuzhou.code, hangzhou.code, serials, sender=xuzhou.admin, at=NOON)
    assert receipt.events == tuple(
        Event("TicketRevoked", issuer=xuzhou.code, operator=hangzhou.code, serial=serial) for serial in serials
    )
    assert [registry.revokedAt(xuzhou.code, hangzhou.code, serial) for serial in serials] == [NOON] * 3
    assert registry.revokedAt(xuzhou.code, hangzhou.code, 8) == 0
    assert registry.revokedAt(xuzhou.code, ningbo.code, 7) == 0
    assert registry.revokedAt(hangzhou.code, xuzhou.code, 7) == 0


def test_a_ticket_revoked_before_keeps_its_time_and_blocks_none_of_the_others(
    registry: Contract, xuzhou: City, hangzhou: City
) -> None:
    """Mistake 10: one bad row doesn't block those behind it."""
    registry.revokeTickets(xuzhou.code, hangzhou.code, [7], sender=xuzhou.admin, at=NOON)
    receipt = registry.revokeTickets(xuzhou.code, hangzhou.code, [6, 7, 8, 8], sender=xuzhou.admin, at=NOON + 1)
    revoked = [registry.revokedAt(xuzhou.code, hangzhou.code, serial) for serial in (6, 7, 8)]
    assert revoked == [NOON + 1, NOON, NOON + 1]
    assert len(receipt.named("TicketRevoked")) == 2


MIDNIGHT = NOON // DAY * DAY + DAY
"""UTC."""


def revoke(registry: Contract, first: int, count: int, *, operator: City = HANGZHOU, at: int | None = None) -> None:
    """So many serials of Xuzhou's, 500 in a transaction."""
    for start in range(first, first + count, 500):
        serials = list(range(start, min(start + 500, first + count)))
        registry.revokeTickets(XUZHOU.code, operator.code, serials, sender=XUZHOU.admin, at=at)


def test_a_thousand_tickets_of_a_pair_are_revoked_on_a_day(registry: Contract, ningbo: City) -> None:
    """Another operator's, or those that were revoked before, don't count among them."""
    revoke(registry, 0, 999, at=MIDNIGHT)
    registry.revokeTickets(XUZHOU.code, HANGZHOU.code, [998, 999, 999, 0], sender=XUZHOU.admin, at=MIDNIGHT)
    with reverts(registry, "TooManyRevocations", limit=1000, left=0):
        revoke(registry, 1000, 1, at=MIDNIGHT + DAY - 1)
    registry.revokeTickets(XUZHOU.code, HANGZHOU.code, [0, 999], sender=XUZHOU.admin, at=MIDNIGHT + DAY - 1)
    revoke(registry, 1000, 1, operator=ningbo, at=MIDNIGHT + DAY - 1)
    revoke(registry, 1000, 1, at=MIDNIGHT + DAY)
    assert registry.revokedAt(XUZHOU.code, HANGZHOU.code, 1000) == MIDNIGHT + DAY


def test_a_call_that_revokes_more_than_is_left_of_a_day_revokes_nothing(registry: Contract) -> None:
    revoke(registry, 0, 998, at=MIDNIGHT)
    with reverts(registry, "TooManyRevocations", limit=1000, left=2):
        revoke(registry, 2000, 3, at=MIDNIGHT)
    assert registry.revokedAt(XUZHOU.code, HANGZHOU.code, 2000) == 0
    revoke(registry, 2000, 2, at=MIDNIGHT)


def test_what_was_revoked_yesterday_takes_nothing_from_today(registry: Contract) -> None:
    revoke(registry, 0, 1000, at=MIDNIGHT - 1)
    revoke(registry, 1000, 1000, at=MIDNIGHT)
    with reverts(registry, "TooManyRevocations", limit=1000, left=0):
        revoke(registry, 2000, 1, at=MIDNIGHT)


def test_a_ride_on_a_revoked_ticket_settles_all_the_same(
    world: World, registry: Contract, xuzhou: City, hangzhou: City
) -> None:
    """Section 6 has no such reason: gates refuse it, and section 8 refunds it."""
    registry.revokeTickets(xuzhou.code, hangzhou.code, [7], sender=xuzhou.admin, at=NOON - 2 * DAY)
    assert world.judge(at=EVENING) is None
