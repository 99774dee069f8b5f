"""A city that lost its keys is given back to its recovery address, which asks for it, by two thirds of the others."""

from __future__ import annotations

import pytest

from network.accounts import Role
from tests.contracts.assembly import EXITED, LONG, SHORT, VOTING_PERIOD, Assembly, assemble
from tests.contracts.node import Contract, Event, reverts
from tests.contracts.story import (
    DAY,
    DEPOSIT,
    HANGZHOU,
    HOUR,
    LANZHOU,
    NINGBO,
    NO_REFERENCE,
    NOON,
    SHANGHAI,
    STRANGER,
    XUZHOU,
    ZERO_ADDRESS,
    City,
    World,
)
from tests.contracts.test_crafted_proposals import forwarder

HANDOVER = 2 * DAY
RECOVERY_DELAY = 14 * DAY
NEW = XUZHOU.account(Role.SPARE)
OTHERS = (SHANGHAI, HANGZHOU, NINGBO)


@pytest.fixture
def four(world: World) -> Assembly:
    """The story's own consortium: Shanghai, Hangzhou, Ningbo and Xuzhou, which has money."""
    return Assembly(world.node, world.consortium, world.registry, [*OTHERS, XUZHOU])


@pytest.fixture
def alone(world: World) -> Assembly:
    """Shanghai and nobody else."""
    return assemble(world.node, 1)


def request(of: Assembly, city: City = XUZHOU, *, at: int | None = None) -> int:
    number: int = of.consortium.requestRecovery(city.code, sender=city.recovery, at=at).returned
    return number


def recovered(of: Assembly, city: City = XUZHOU, *, at: int | None = None) -> None:
    """Two thirds of the others approve at once, and it is carried out a day later."""
    number = request(of, city, at=at)
    others = [voter for voter in of.voters() if voter != city]
    of.approve(number, *others[: -(-2 * len(others) // 3)])
    of.execute_when_it_may(number)


def keys(registry: Contract, city: City = XUZHOU) -> tuple[str, str, str]:
    """Admin, treasury and recovery address."""
    return (*registry.city(city.code)[2:4], registry.recoveryOf(city.code))


# ---------------------------------------------------------------- how it goes


def test_a_recovery_is_asked_for_without_a_vote_and_waits_a_day_after_two_thirds_of_the_others(four: Assembly) -> None:
    receipt = four.consortium.requestRecovery(XUZHOU.code, sender=XUZHOU.recovery, at=NOON)
    number, call = receipt.returned, four.registry.call("recover", XUZHOU.code, XUZHOU.recovery)
    assert receipt.events == (
        Event("Proposed", id=number, city=XUZHOU.code, target=four.registry.address, data=call.data),
    )
    whole = (four.registry.address, call.data, XUZHOU.code, NOON, False, 0, 2, 0, NOON + VOTING_PERIOD)
    assert four.consortium.proposal(number) == whole
    four.approve(number, SHANGHAI)
    with reverts(four.consortium, "NotPassed", id=number, votes=1, votesNeeded=2):
        four.execute(number)
    passed = four.approve(number, NINGBO, at=NOON + HOUR)
    executable_from = NOON + HOUR + SHORT
    assert passed.named("Passed") == (Event("Passed", id=number, executableFrom=executable_from),)
    with reverts(four.consortium, "TooEarly", id=number, executableFrom=executable_from):
        four.execute(number, at=executable_from - 1)
    assert four.execute(number, at=executable_from).events == (
        Event("Executed", id=number),
        Event("CityRecovered", city=XUZHOU.code, admin=XUZHOU.recovery),
    )


def test_a_recovered_city_has_its_recovery_address_as_admin_and_no_treasury(
    world: World, four: Assembly, clearinghouse: Contract
) -> None:
    recovered(four)
    assert keys(four.registry) == (XUZHOU.recovery, ZERO_ADDRESS, XUZHOU.recovery)
    assert four.registry.spendingTreasury(XUZHOU.code) == ZERO_ADDRESS
    for caller in (XUZHOU.treasury, XUZHOU.admin, XUZHOU.recovery):
        with reverts(clearinghouse, "NotTreasury", city=XUZHOU.code, caller=caller):
            clearinghouse.withdraw(XUZHOU.code, 1, NO_REFERENCE, sender=caller)
    with reverts(four.registry, "NotCityAdmin", city=XUZHOU.code, caller=XUZHOU.admin):
        four.registry.freezeTreasury(XUZHOU.code, True, sender=XUZHOU.admin)


def test_a_recovered_citys_admin_names_a_treasury_and_hands_its_own_role_on(
    four: Assembly, clearinghouse: Contract
) -> None:
    """In two steps, as always; from then on the three are three again."""
    recovered(four)
    registry, treasury = four.registry, XUZHOU.account(Role.SPARE_ISSUER_KEY)
    registry.proposeTreasury(XUZHOU.code, treasury, sender=XUZHOU.recovery)
    registry.proposeAdmin(XUZHOU.code, NEW, sender=XUZHOU.recovery)
    _, _, _, acceptable_from = registry.proposedChanges(XUZHOU.code)
    with reverts(registry, "TooEarly", acceptableFrom=acceptable_from):
        registry.acceptTreasury(XUZHOU.code, sender=treasury, at=acceptable_from - 1)
    registry.acceptTreasury(XUZHOU.code, sender=treasury)
    registry.acceptAdmin(XUZHOU.code, sender=NEW)
    assert keys(registry) == (NEW, treasury, XUZHOU.recovery)
    clearinghouse.withdraw(XUZHOU.code, DEPOSIT, NO_REFERENCE, sender=treasury)
    with reverts(registry, "NotTreasury", city=XUZHOU.code, caller=NEW):
        registry.proposeTreasury(XUZHOU.code, STRANGER, sender=NEW)


def test_a_recovery_lifts_the_freeze_and_calls_off_all_that_is_proposed(four: Assembly) -> None:
    registry, code = four.registry, XUZHOU.code
    number = request(four, at=NOON)
    registry.proposeTreasury(code, STRANGER, sender=XUZHOU.treasury)
    registry.proposeAdmin(code, STRANGER, sender=XUZHOU.admin)
    registry.changeRecovery(code, STRANGER, sender=XUZHOU.treasury)
    registry.changeRecovery(code, STRANGER, sender=XUZHOU.admin)
    registry.freezeTreasury(code, True, sender=XUZHOU.admin)
    four.approve(number, SHANGHAI, HANGZHOU)
    receipt = four.execute_when_it_may(number)
    assert receipt.named("TreasuryFrozen") == (Event("TreasuryFrozen", city=code, frozen=False),)
    assert not registry.isFrozen(code)
    assert registry.proposedChanges(code) == (ZERO_ADDRESS, 0, ZERO_ADDRESS, 0)
    assert registry.proposedRecovery(code) == (ZERO_ADDRESS, ZERO_ADDRESS, 0)
    for accept in ("acceptAdmin", "acceptTreasury", "acceptRecovery"):
        with reverts(registry, "NotProposed", city=code, caller=STRANGER):
            getattr(registry, accept)(code, sender=STRANGER)


# ---------------------------------------------------------------- who asks, who votes


@pytest.mark.parametrize(
    "caller",
    [
        pytest.param(XUZHOU.admin, id="its admin"),
        pytest.param(XUZHOU.treasury, id="its treasury"),
        pytest.param(SHANGHAI.recovery, id="another city's recovery address"),
        pytest.param(SHANGHAI.admin, id="another city's admin"),
        pytest.param(STRANGER, id="a stranger"),
    ],
)
def test_only_a_citys_recovery_address_asks_for_its_recovery(four: Assembly, caller: str) -> None:
    with reverts(four.consortium, "NotRecoveryAddress", city=XUZHOU.code, caller=caller):
        four.consortium.requestRecovery(XUZHOU.code, sender=caller)


def test_nobody_asks_for_a_city_that_was_never_a_member(four: Assembly) -> None:
    with reverts(four.consortium, "NotRecoveryAddress", city=LANZHOU.code, caller=LANZHOU.recovery):
        request(four, LANZHOU)


@pytest.mark.parametrize("to", [XUZHOU.recovery, STRANGER], ids=["its recovery address", "another"])
@pytest.mark.parametrize("by", [XUZHOU, SHANGHAI], ids=["itself", "another member"])
def test_a_recovery_is_never_proposed_by_a_member(four: Assembly, by: City, to: str) -> None:
    with reverts(four.consortium, "RecoveryNeedsRequest", city=XUZHOU.code):
        four.propose(four.registry.call("recover", XUZHOU.code, to), by=by)


@pytest.mark.parametrize(("members", "needed"), [(2, 1), (3, 2), (4, 2), (5, 3), (6, 4), (7, 4), (8, 5), (9, 6)])
def test_two_thirds_of_the_others_decide_on_a_recovery(world: World, members: int, needed: int) -> None:
    """The city's own vote, which a thief may have, is neither needed nor counted."""
    assembly = assemble(world.node, members)
    city, others = assembly.members[-1], assembly.members[:-1]
    number = request(assembly, city)
    assembly.approve(number, city)
    for votes, other in enumerate(others[:needed]):
        assert assembly.tally(number) == (votes, needed)
        with reverts(assembly.consortium, "NotPassed", id=number, votes=votes, votesNeeded=needed):
            assembly.consortium.markPassed(number, sender=STRANGER)
        assembly.approve(number, other)
    assembly.execute_when_it_may(number)
    assert keys(assembly.registry, city)[0] == city.recovery


def test_a_member_whose_seat_does_not_count_yet_is_given_back_by_all_whose_seats_do(four: Assembly) -> None:
    four.admit(LANZHOU)
    number = request(four, LANZHOU)
    four.approve(number, *OTHERS[:2])
    assert four.tally(number) == (2, 3)
    four.approve(number, XUZHOU)
    four.execute_when_it_may(number)
    assert keys(four.registry, LANZHOU)[0] == LANZHOU.recovery


@pytest.mark.parametrize("end", ["leave", "expel"])
def test_a_city_that_is_out_is_given_back_with_its_balance(four: Assembly, clearinghouse: Contract, end: str) -> None:
    """A thief's freeze and leaving lock nothing up."""
    four.registry.freezeTreasury(XUZHOU.code, True, sender=XUZHOU.admin)
    if end == "leave":
        four.leave(XUZHOU)
    else:
        four.registry.expel(XUZHOU.code, sender=four.consortium.address)
    recovered(four)
    treasury = NEW
    four.registry.proposeTreasury(XUZHOU.code, treasury, sender=XUZHOU.recovery)
    acceptable_from = four.registry.proposedChanges(XUZHOU.code)[3]
    four.registry.acceptTreasury(XUZHOU.code, sender=treasury, at=acceptable_from)
    clearinghouse.withdraw(XUZHOU.code, DEPOSIT, NO_REFERENCE, sender=treasury)
    assert four.status(XUZHOU) == EXITED


# ---------------------------------------------------------------- where there are no others


def test_where_there_are_no_others_a_request_waits_a_week(alone: Assembly) -> None:
    receipt = alone.consortium.requestRecovery(SHANGHAI.code, sender=SHANGHAI.recovery, at=NOON)
    number, executable_from = receipt.returned, NOON + LONG
    assert receipt.named("Passed") == (Event("Passed", id=number, executableFrom=executable_from),)
    assert alone.tally(number) == (0, 0)
    assert (alone.consortium.isPassed(number), alone.consortium.isExecutable(number)) == (True, False)
    with reverts(alone.consortium, "TooEarly", id=number, executableFrom=executable_from):
        alone.execute(number, at=executable_from - 1)
    alone.execute(number, at=executable_from)
    assert keys(alone.registry, SHANGHAI)[0] == SHANGHAI.recovery


def test_a_puppet_that_came_to_count_meanwhile_has_no_vote_on_it(alone: Assembly) -> None:
    """A thief of the only admin's key admits one at once; it counts from the second on in which the wait is over."""
    counts_from = alone.admit(LANZHOU, at=NOON)
    number = request(alone, SHANGHAI, at=counts_from - 1)
    alone.node.mine(at=counts_from)
    assert alone.tally(number) == (0, 0)
    alone.execute(number, at=counts_from - 1 + LONG)


def test_a_puppet_that_counts_when_a_recovery_is_asked_for_is_the_others(alone: Assembly) -> None:
    """The price of a consortium of one: who notices within a week is back."""
    number = request(alone, SHANGHAI, at=alone.admit(LANZHOU, at=NOON))
    assert alone.tally(number) == (0, 1)
    with reverts(alone.consortium, "NotPassed", id=number, votes=0, votesNeeded=1):
        alone.execute(number, at=NOON + 3 * LONG)


def test_a_request_that_needed_votes_needs_one_even_when_all_others_have_left(world: World) -> None:
    """It was to wait a day, as one that the others vote for; without others another one is made, which waits a week."""
    two = assemble(world.node, 2)
    number = request(two, HANGZHOU)
    two.leave(SHANGHAI)
    assert two.tally(number) == (0, 1)
    later = request(two, HANGZHOU, at=NOON)
    two.execute(later, at=NOON + LONG)


# ---------------------------------------------------------------- requests that end


def test_a_later_request_takes_the_place_of_the_one_before(four: Assembly) -> None:
    first = request(four, at=NOON)
    four.approve(first, SHANGHAI, HANGZHOU)
    second = request(four)
    assert (four.tally(second), four.expires_at(first)) == ((0, 2), 0)
    assert (four.consortium.isPassed(first), four.consortium.isExecutable(first)) == (False, False)
    for act in (
        lambda: four.execute(first, at=NOON + DAY + HOUR),
        lambda: four.approve(first, NINGBO),
        lambda: four.consortium.withdrawApproval(first, SHANGHAI.code, sender=SHANGHAI.admin),
        lambda: four.consortium.markPassed(first, sender=STRANGER),
        lambda: four.consortium.withdrawRequest(first, sender=XUZHOU.recovery),
    ):
        with reverts(four.consortium, "RequestIsWithdrawn", id=first):
            act()
    four.approve(second, SHANGHAI, HANGZHOU)
    four.execute_when_it_may(second)


def test_another_citys_request_takes_nobodys_place(four: Assembly) -> None:
    first = request(four)
    request(four, SHANGHAI)
    four.approve(first, SHANGHAI, HANGZHOU)
    four.execute_when_it_may(first)


def test_a_request_is_taken_back_by_whoever_made_it(four: Assembly) -> None:
    number = request(four)
    four.approve(number, SHANGHAI, HANGZHOU)
    for caller in (XUZHOU.admin, XUZHOU.treasury, SHANGHAI.admin, SHANGHAI.recovery, STRANGER):
        with reverts(four.consortium, "NotRecoveryAddress", city=XUZHOU.code, caller=caller):
            four.consortium.withdrawRequest(number, sender=caller)
    executable_from = four.executable_from(number)
    receipt = four.consortium.withdrawRequest(number, sender=XUZHOU.recovery)
    assert receipt.events == (Event("RequestWithdrawn", id=number),)
    with reverts(four.consortium, "RequestIsWithdrawn", id=number):
        four.execute(number, at=executable_from)


def test_what_is_no_request_is_not_taken_back(four: Assembly) -> None:
    number = four.propose(four.expulsion(NINGBO), by=XUZHOU)
    with reverts(four.consortium, "NotRecoveryAddress", city=XUZHOU.code, caller=XUZHOU.recovery):
        four.consortium.withdrawRequest(number, sender=XUZHOU.recovery)


def test_a_recovery_that_was_carried_out_is_not_taken_back(four: Assembly) -> None:
    number = request(four)
    four.approve(number, SHANGHAI, HANGZHOU)
    four.execute_when_it_may(number)
    with reverts(four.consortium, "AlreadyExecuted", id=number):
        four.consortium.withdrawRequest(number, sender=XUZHOU.recovery)
    request(four)
    with reverts(four.consortium, "AlreadyExecuted", id=number):
        four.execute(number)


def test_a_request_expires_as_every_proposal_does(four: Assembly) -> None:
    number = request(four, at=NOON)
    four.approve(number, SHANGHAI)
    with reverts(four.consortium, "ProposalExpired", id=number, expiredAt=NOON + VOTING_PERIOD):
        four.approve(number, HANGZHOU, at=NOON + VOTING_PERIOD + 1)


def test_a_request_of_an_address_that_was_changed_meanwhile_is_void(four: Assembly) -> None:
    registry, code = four.registry, XUZHOU.code
    registry.changeRecovery(code, NEW, sender=XUZHOU.admin, at=NOON)
    registry.changeRecovery(code, NEW, sender=XUZHOU.treasury, at=NOON)
    number = request(four, at=NOON + RECOVERY_DELAY - HOUR)
    four.approve(number, SHANGHAI, HANGZHOU)
    registry.acceptRecovery(code, sender=NEW, at=NOON + RECOVERY_DELAY)
    with reverts(registry, "NotRecoveryAddress", city=code, account=XUZHOU.recovery):
        four.execute_when_it_may(number)
    with reverts(four.consortium, "NotRecoveryAddress", city=code, caller=XUZHOU.recovery):
        request(four)


def test_a_wait_of_a_recovery_is_lost_with_its_two_thirds_too(four: Assembly) -> None:
    """Two of three others; one of them leaves: two of two are needed."""
    number = request(four, at=NOON)
    four.approve(number, SHANGHAI, HANGZHOU)
    executable_from = four.executable_from(number)
    four.leave(HANGZHOU)
    with reverts(four.consortium, "NotPassed", id=number, votes=1, votesNeeded=2):
        four.execute(number, at=executable_from)


# ---------------------------------------------------------------- thieves


def test_a_thief_of_every_admins_key_installs_nobody_as_a_treasury(
    world: World, four: Assembly, clearinghouse: Contract
) -> None:
    """All four: they freeze Xuzhou's treasury, vote for a recovery of theirs, and whatever may come to that."""
    registry, code = four.registry, XUZHOU.code
    registry.freezeTreasury(code, True, sender=XUZHOU.admin)
    with reverts(four.consortium, "RecoveryNeedsRequest", city=code):
        four.propose(registry.call("recover", code, STRANGER), by=XUZHOU)
    with reverts(registry, "NotTreasury", city=code, caller=XUZHOU.admin):
        registry.proposeTreasury(code, STRANGER, sender=XUZHOU.admin)
    with reverts(registry, "NotConsortium", caller=XUZHOU.admin):
        registry.recover(code, STRANGER, sender=XUZHOU.admin)
    with reverts(registry, "NotRecoveryAddress", city=code, account=STRANGER):
        registry.recover(code, STRANGER, sender=four.consortium.address)
    for name, arguments in (("proposeTreasury", (code, STRANGER)), ("acceptTreasury", (code,))):
        number = four.propose(registry.call(name, *arguments), by=SHANGHAI)
        four.approve(number, HANGZHOU, NINGBO, XUZHOU)
        error = "NotTreasury" if name == "proposeTreasury" else "NotProposed"
        with reverts(registry, error, city=code, caller=four.consortium.address):
            four.execute_when_it_may(number)
    thiefs = forwarder(world, registry.call("recover", code, STRANGER))
    number = four.propose(four.consortium.call("requestRecovery", code), by=SHANGHAI)
    four.approve(number, HANGZHOU, NINGBO, XUZHOU)
    with reverts(four.consortium, "NotRecoveryAddress", city=code, caller=four.consortium.address):
        four.execute_when_it_may(number)
    with reverts(registry, "NotConsortium", caller=thiefs.address):
        world.node.contract(thiefs.address, clearinghouse.abi).payArrears(code, code, sender=STRANGER)
    assert (clearinghouse.balanceOf(code), keys(registry)[1]) == (DEPOSIT, XUZHOU.treasury)


@pytest.mark.parametrize(("members", "stolen"), [(2, 1), (2, 2), (4, 2), (4, 3), (4, 4)])
def test_admins_keys_that_freeze_and_vote_reach_no_treasury(world: World, members: int, stolen: int) -> None:
    """Freeze, agree as the admin, vote, and be the treasury a day later: there is nothing to agree to any more."""
    assembly = assemble(world.node, members)
    thieves, victim = assembly.members[-stolen:], assembly.members[-1]
    assembly.registry.freezeTreasury(victim.code, True, sender=victim.admin)
    for thief in thieves:
        with reverts(assembly.consortium, "RecoveryNeedsRequest", city=victim.code):
            assembly.propose(assembly.registry.call("recover", victim.code, STRANGER), by=thief)
        with reverts(assembly.registry, "NotTreasury", city=victim.code, caller=thief.admin):
            assembly.registry.proposeTreasury(victim.code, STRANGER, sender=thief.admin)
    number = request(assembly, victim)
    assembly.approve(number, *[city for city in assembly.members if city != victim])
    assembly.execute_when_it_may(number)
    assert keys(assembly.registry, victim) == (victim.recovery, ZERO_ADDRESS, victim.recovery)


def test_nothing_can_be_voted_for_beforehand_that_waits_for_a_stolen_key(four: Assembly) -> None:
    """A request is the recovery address's alone: two thirds have nothing to pass before one is made."""
    for by in OTHERS:
        with reverts(four.consortium, "RecoveryNeedsRequest", city=XUZHOU.code):
            four.propose(four.registry.call("recover", XUZHOU.code, XUZHOU.recovery), by=by)


def test_a_recovery_address_alone_gets_nothing(four: Assembly) -> None:
    number = request(four, at=NOON)
    with reverts(four.consortium, "NotPassed", id=number, votes=0, votesNeeded=2):
        four.execute(number, at=NOON + VOTING_PERIOD)
    for act, error in (("freezeTreasury", "NotCityAdmin"), ("proposeTreasury", "NotTreasury")):
        argument = True if act == "freezeTreasury" else STRANGER
        with reverts(four.registry, error, city=XUZHOU.code, caller=XUZHOU.recovery):
            getattr(four.registry, act)(XUZHOU.code, argument, sender=XUZHOU.recovery)


def test_a_frozen_thief_of_a_treasurys_key_gets_no_more_and_is_out_with_the_recovery(
    world: World, four: Assembly, clearinghouse: Contract
) -> None:
    """He has proposed himself as another treasury before he is noticed; the freeze keeps that from being accepted."""
    registry, code = four.registry, XUZHOU.code
    registry.proposeTreasury(code, STRANGER, sender=XUZHOU.treasury, at=NOON)
    registry.freezeTreasury(code, True, sender=XUZHOU.admin, at=NOON + HOUR)
    with reverts(registry, "TreasuryIsFrozen", city=code):
        registry.acceptTreasury(code, sender=STRANGER, at=NOON + HANDOVER)
    with reverts(clearinghouse, "TreasuryFrozen", city=code):
        world.withdraw(XUZHOU, 1)
    recovered(four)
    assert keys(registry) == (XUZHOU.recovery, ZERO_ADDRESS, XUZHOU.recovery)
    with reverts(registry, "NotProposed", city=code, caller=STRANGER):
        registry.acceptTreasury(code, sender=STRANGER)
    assert clearinghouse.balanceOf(code) == DEPOSIT
