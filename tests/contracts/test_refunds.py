"""Protocol section 8: refunds, which name a ride and go to the same two cities the other way round."""

from __future__ import annotations

import pytest

from interline.batch import Batch
from interline.hashing import keccak256
from interline.reasons import RideReason
from network.accounts import Role
from tests.contracts.corrections import (
    CLOSED,
    NEVER,
    REVOKED,
    UPHELD,
    Corrections,
    Settled,
    evidence_of,
    list_of,
    refunded,
    ridden,
    settled,
)
from tests.contracts.node import Contract, Event, Reverted, reverts
from tests.contracts.story import (
    BANK_ACCOUNT,
    DAY,
    DEPLOYER_ACCOUNT,
    DEPOSIT,
    DISPUTE_TIME,
    EVENING,
    GRACE,
    HANGZHOU,
    HOUR,
    MAX_FARE,
    NINGBO,
    NOON,
    SHANGHAI,
    STRANGER,
    XUZHOU,
    City,
    World,
)

NOBODYS = bytes(64)
"""An issuer signature that makes a ride refused."""


def mixed(world: World) -> Settled:
    """Eight rides of two issuers, three groups; those with index 1, 4 and 7 are refused."""
    bad = {"issuer_signature": NOBODYS}
    spare = XUZHOU.key(Role.SPARE_ISSUER_KEY)
    world.add_issuer_key(XUZHOU, 2, Role.SPARE_ISSUER_KEY)
    return settled(
        world,
        world.ride(issuer=SHANGHAI, serial=1, fare=100),
        world.ride(issuer=SHANGHAI, serial=5, fare=101, wire=bad),
        world.ride(serial=1, fare=200),
        world.ride(serial=3, fare=201),
        world.ride(serial=9, fare=202, wire=bad),
        world.ride(key_id=2, signer=spare, serial=2, fare=300),
        world.ride(key_id=2, signer=spare, serial=4, fare=301),
        world.ride(key_id=2, signer=spare, serial=8, fare=302, wire=bad),
    )


MIXED_RIDES = {0: (SHANGHAI, 100), 2: (XUZHOU, 200), 3: (XUZHOU, 201), 5: (XUZHOU, 300), 6: (XUZHOU, 301)}


# ---------------------------------------------------------------- in parts, and no more than the fare


def test_a_refund_goes_back_to_the_issuer_and_says_which_ride_it_corrects(
    world: World, corrections: Corrections, xuzhou: City, hangzhou: City
) -> None:
    ride = ridden(world)
    receipt = corrections.refund(ride, 503)
    assert receipt.events == (refunded(ride, 503),)
    assert world.balances(xuzhou, hangzhou) == {xuzhou: DEPOSIT, hangzhou: DEPOSIT}
    assert corrections.case(ride) == (xuzhou.code, hangzhou.code, 503, 503, 0, 0, NEVER)


def test_parts_add_up_to_the_fare_and_no_more(world: World, corrections: Corrections, xuzhou: City) -> None:
    ride = ridden(world)
    for amount in (1, 200, 302):
        assert corrections.refund(ride, amount).events == (refunded(ride, amount),)
    for amount in (1, 503, 2**32, 2**32 - 503, 2**256 - 1):
        with reverts(corrections.contract, "AboveFare", left=0, amount=amount):
            corrections.refund(ride, amount)
    assert world.balances(xuzhou) == {xuzhou: DEPOSIT}


@pytest.mark.parametrize("amount", [504, 2**32 + 503, 2**256 - 1])
def test_more_than_the_fare_is_refused(world: World, corrections: Corrections, amount: int) -> None:
    ride = ridden(world)
    with reverts(corrections.contract, "AboveFare", left=503, amount=amount):
        corrections.refund(ride, amount)


def test_a_refund_of_nothing_is_refused(world: World, corrections: Corrections) -> None:
    ride = ridden(world)
    with reverts(corrections.contract, "ZeroAmount"):
        corrections.refund(ride, 0)


def test_a_ride_for_nothing_has_nothing_to_refund(world: World, corrections: Corrections) -> None:
    ride = ridden(world, fare=0)
    with reverts(corrections.contract, "AboveFare", left=0, amount=1):
        corrections.refund(ride, 1)


def test_the_highest_fare_can_be_refunded(world: World, corrections: Corrections) -> None:
    ride = ridden(world, fare=MAX_FARE, fare_cap=2**32 - 1)
    corrections.refund(ride, MAX_FARE)
    assert corrections.case(ride)[2:4] == (MAX_FARE, MAX_FARE)


def test_the_operator_may_refund_at_any_time(world: World, corrections: Corrections) -> None:
    ride = ridden(world)
    assert corrections.refund(ride, 503, at=EVENING + 10 * 365 * DAY).events == (refunded(ride, 503),)


# ---------------------------------------------------------------- which ride


@pytest.mark.parametrize("index", MIXED_RIDES)
def test_the_ride_is_found_in_its_group(world: World, corrections: Corrections, hangzhou: City, index: int) -> None:
    batch = mixed(world)
    issuer, fare = MIXED_RIDES[index]
    before = world.balances(issuer, hangzhou)
    receipt = corrections.refund(batch, fare, index=index)
    assert receipt.events == (refunded(batch, fare, index=index, issuer=issuer),)
    assert world.balances(issuer, hangzhou) == {issuer: before[issuer] + fare, hangzhou: before[hangzhou] - fare}
    with reverts(corrections.contract, "AboveFare", left=0, amount=1):
        corrections.refund(batch, 1, index=index)


def test_every_ride_of_a_batch_has_a_fare_of_its_own(world: World, corrections: Corrections, hangzhou: City) -> None:
    batch = mixed(world)
    for index, (_, fare) in MIXED_RIDES.items():
        corrections.refund(batch, fare, index=index)
    assert world.balances(SHANGHAI, XUZHOU, hangzhou) == {SHANGHAI: DEPOSIT, XUZHOU: DEPOSIT, hangzhou: DEPOSIT}


def test_the_same_index_of_another_batch_is_another_ride(world: World, corrections: Corrections) -> None:
    one, other = ridden(world, serial=1), ridden(world, serial=2, at=EVENING + 1)
    corrections.refund(one, 503)
    assert corrections.refund(other, 503).events == (refunded(other, 503),)


@pytest.mark.parametrize("index", [1, 4, 7])
@pytest.mark.parametrize("act", ["refund", "dispute", "refundRevoked"])
def test_a_refused_ride_can_be_neither_refunded_nor_disputed(
    world: World, corrections: Corrections, act: str, index: int
) -> None:
    batch = mixed(world)
    amount = [1] if act == "refund" else []
    for sender in (HANGZHOU.treasury, XUZHOU.treasury, SHANGHAI.treasury):
        with reverts(corrections.contract, "RideWasRefused", batchId=batch.id, index=index):
            getattr(corrections.contract, act)(batch.data, batch.refused, index, *amount, sender=sender)


@pytest.mark.parametrize("index", [8, 9, 2**16 + 2, 2**255, 2**256 - 1])
def test_an_index_behind_the_last_ride_is_none(world: World, corrections: Corrections, index: int) -> None:
    batch = mixed(world)
    with reverts(corrections.contract, "NoSuchRide", index=index, rides=8):
        corrections.refund(batch, 1, index=index)


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(b"", id="none"),
        pytest.param(list_of([(1, 1), (4, 1)]), id="one missing"),
        pytest.param(list_of([(1, 1), (4, 1), (6, 1)]), id="another one"),
        pytest.param(list_of([(1, 1), (4, 2), (7, 1)]), id="another reason"),
        pytest.param(list_of([(4, 1), (1, 1), (7, 1)]), id="another order"),
        pytest.param(list_of([(1, 1), (4, 1), (7, 1)]) + b"\0", id="a byte more"),
    ],
)
def test_the_list_of_refused_rides_must_be_the_batchs(world: World, corrections: Corrections, refused: bytes) -> None:
    batch = mixed(world)
    expected = world.clearinghouse.batches(batch.id)[2]
    came = keccak256(refused)[:25] if refused else bytes(25)
    with reverts(corrections.contract, "WrongRefusedList", batchId=batch.id, expected=expected, came=came):
        corrections.contract.refund(batch.data, refused, 0, 1, sender=HANGZHOU.treasury)


def test_a_batch_without_refused_rides_has_an_empty_list(world: World, corrections: Corrections) -> None:
    ride = ridden(world)
    refused = list_of([(0, 1)])
    error = {"batchId": ride.id, "expected": bytes(25), "came": keccak256(refused)[:25]}
    with reverts(corrections.contract, "WrongRefusedList", **error):
        corrections.contract.refund(ride.data, refused, 0, 1, sender=HANGZHOU.treasury)


@pytest.mark.parametrize("change", ["a bit", "a byte less", "a byte more", "none at all", "another operator"])
def test_other_bytes_are_no_batch(world: World, corrections: Corrections, change: str) -> None:
    data = ridden(world).data
    other = {
        "a bit": data[:-1] + bytes([data[-1] ^ 1]),
        "a byte less": data[:-1],
        "a byte more": data + b"\0",
        "none at all": b"",
        "another operator": SHANGHAI.code.to_bytes(2, "big") + data[2:],
    }[change]
    with reverts(corrections.contract, "UnknownBatch", batchId=keccak256(other)):
        corrections.contract.refund(other, b"", 0, 1, sender=HANGZHOU.treasury)


def test_a_batch_of_which_no_ride_settled_has_nothing_to_refund(world: World, corrections: Corrections) -> None:
    batch = settled(world, world.ride(wire={"issuer_signature": NOBODYS}))
    assert batch.refusals == ((0, RideReason.BadIssuerSignature),)
    with reverts(corrections.contract, "UnknownBatch", batchId=batch.id):
        corrections.refund(batch, 1)


def test_a_ride_refused_first_and_settled_later_is_refunded_where_it_settled(
    world: World, corrections: Corrections
) -> None:
    """And only there: the index in the first batch names a ride that was refused."""
    late, good = world.ride(serial=1, exited_at=EVENING + 61), world.ride(serial=2)
    first = settled(world, late, good)
    second = settled(world, late, at=EVENING + HOUR)
    assert first.refusals == ((0, RideReason.BadTimes),)
    with reverts(corrections.contract, "RideWasRefused", batchId=first.id, index=0):
        corrections.refund(first, 503)
    assert corrections.refund(second, 503).events == (refunded(second, 503),)


def test_a_ride_that_came_twice_is_refunded_once(world: World, corrections: Corrections) -> None:
    ride = world.ride(serial=1)
    first = settled(world, ride)
    second = settled(world, ride, world.ride(serial=2), at=EVENING + 1)
    corrections.refund(first, 503)
    with reverts(corrections.contract, "RideWasRefused", batchId=second.id, index=0):
        corrections.refund(second, 503)


@pytest.mark.parametrize("index", [0, 499, 500, 999])
def test_a_ride_of_the_largest_batch_is_found(world: World, corrections: Corrections, index: int) -> None:
    rides = [*world.rides(range(500), fare=1), *world.rides(range(500), issuer=SHANGHAI, fare=2)]
    batch = settled(world, *rides)
    issuer, fare = (SHANGHAI, 2) if index < 500 else (XUZHOU, 1)
    receipt = corrections.refund(batch, fare, index=index)
    assert receipt.events == (refunded(batch, fare, index=index, issuer=issuer),)


# ---------------------------------------------------------------- who


@pytest.mark.parametrize(
    "caller",
    [
        pytest.param(HANGZHOU.admin, id="the operator's admin"),
        pytest.param(HANGZHOU.submitter, id="its submitter"),
        pytest.param(XUZHOU.treasury, id="the issuer's treasury"),
        pytest.param(SHANGHAI.treasury, id="another city's treasury"),
        pytest.param(BANK_ACCOUNT, id="the bank"),
        pytest.param(DEPLOYER_ACCOUNT, id="the deployer"),
        pytest.param(STRANGER, id="a stranger"),
    ],
)
def test_only_the_operators_treasury_refunds(world: World, corrections: Corrections, caller: str) -> None:
    ride = ridden(world)
    with reverts(corrections.contract, "NotTreasury", city=HANGZHOU.code, caller=caller):
        corrections.refund(ride, 1, sender=caller)


def test_the_consortium_refunds_nothing(world: World, corrections: Corrections) -> None:
    ride = ridden(world)
    with reverts(corrections.contract, "NotTreasury", city=HANGZHOU.code, caller=world.consortium.address):
        corrections.refund(ride, 1, sender=world.consortium.address)


@pytest.mark.parametrize(
    "caller", [XUZHOU.treasury, HANGZHOU.treasury, STRANGER, DEPLOYER_ACCOUNT], ids=["issuer", "operator", "?", "bare"]
)
def test_nobody_but_the_refunds_contract_posts(world: World, clearinghouse: Contract, caller: str) -> None:
    for sender in (caller, world.consortium.address):
        with reverts(clearinghouse, "NotRefunds", caller=sender):
            clearinghouse.post(HANGZHOU.code, XUZHOU.code, 1, sender=sender)


@pytest.mark.parametrize("end", ["suspend", "leave"])
@pytest.mark.parametrize("who", [XUZHOU, HANGZHOU], ids=["issuer", "operator"])
def test_a_ride_is_refunded_after_one_of_the_two_left(
    world: World, corrections: Corrections, who: City, end: str
) -> None:
    ride = ridden(world)
    getattr(world, end)(who, at=EVENING + DAY)
    assert corrections.refund(ride, 503).events == (refunded(ride, 503),)


def test_a_ride_is_refunded_after_an_expulsion(world: World, corrections: Corrections) -> None:
    ride = ridden(world)
    world.by_vote(world.registry, "expel", HANGZHOU.code, at=EVENING + DAY)
    assert corrections.refund(ride, 503).events == (refunded(ride, 503),)


# ---------------------------------------------------------------- where the money comes from


@pytest.fixture
def poor_ride(world: World, ningbo: City) -> Settled:
    """Ningbo carried a rider of Xuzhou's for 5.03 yuan, and has withdrawn what it got."""
    ride = settled(world, world.ride(operator=ningbo), operator=ningbo)
    world.withdraw(ningbo, 503)
    return ride


def test_an_operator_without_funds_owes_the_refund(
    world: World, corrections: Corrections, clearinghouse: Contract, poor_ride: Settled, ningbo: City
) -> None:
    receipt = corrections.refund(poor_ride, 503, sender=ningbo.treasury)
    assert receipt.events == (refunded(poor_ride, 503, paid=0, operator=ningbo),)
    assert clearinghouse.arrears(ningbo.code, XUZHOU.code) == 503
    assert clearinghouse.position(ningbo.code) == -503
    assert clearinghouse.position(XUZHOU.code) == DEPOSIT


def test_a_refund_comes_from_the_balance_as_far_as_it_reaches(
    world: World, corrections: Corrections, clearinghouse: Contract, poor_ride: Settled, ningbo: City
) -> None:
    world.deposit(ningbo, 200)
    receipt = corrections.refund(poor_ride, 503, sender=ningbo.treasury)
    assert receipt.events == (refunded(poor_ride, 503, paid=200, operator=ningbo),)
    assert clearinghouse.arrears(ningbo.code, XUZHOU.code) == 303
    assert clearinghouse.balanceOf(ningbo.code) == 0


def test_a_refund_is_owed_while_the_operator_has_arrears_to_anybody(
    world: World, corrections: Corrections, clearinghouse: Contract, poor_ride: Settled, ningbo: City
) -> None:
    world.settle(world.ride(issuer=ningbo, serial=1, fare=100), at=EVENING + HOUR)
    world.deposit(ningbo, 1_000)
    receipt = corrections.refund(poor_ride, 503, sender=ningbo.treasury)
    assert receipt.events == (refunded(poor_ride, 503, paid=0, operator=ningbo),)
    assert clearinghouse.balanceOf(ningbo.code) == 1_000
    assert clearinghouse.arrearsOf(ningbo.code) == 603


def test_the_reserve_does_not_keep_a_refund_from_being_paid(
    world: World, corrections: Corrections, poor_ride: Settled, ningbo: City
) -> None:
    world.deposit(ningbo, 503)
    world.by_vote(world.clearinghouse, "setReserve", ningbo.code, 503)
    receipt = corrections.refund(poor_ride, 503, sender=ningbo.treasury)
    assert receipt.events == (refunded(poor_ride, 503, operator=ningbo),)


@pytest.fixture
def unpaid_ride(world: World, ningbo: City) -> Settled:
    """Hangzhou carried a rider of Ningbo's, which couldn't pay: 5.03 yuan of arrears."""
    return settled(world, world.ride(issuer=ningbo))


def test_a_refund_of_a_fare_that_was_never_paid_cancels_what_is_owed(
    world: World, corrections: Corrections, clearinghouse: Contract, unpaid_ride: Settled, ningbo: City, hangzhou: City
) -> None:
    """Mistake 19: Hangzhou hands none of its own money to one that owes it the fare."""
    receipt = corrections.refund(unpaid_ride, 500)
    assert receipt.events == (
        Event("ArrearsPaid", debtor=ningbo.code, creditor=hangzhou.code, amount=500),
        refunded(unpaid_ride, 500, issuer=ningbo),
    )
    assert world.balances(ningbo, hangzhou) == {ningbo: 0, hangzhou: DEPOSIT}
    assert clearinghouse.arrears(ningbo.code, hangzhou.code) == 3
    assert clearinghouse.arrears(hangzhou.code, ningbo.code) == 0


def test_what_is_not_set_off_is_paid(
    world: World, corrections: Corrections, clearinghouse: Contract, unpaid_ride: Settled, ningbo: City, hangzhou: City
) -> None:
    world.deposit(ningbo, 400)
    clearinghouse.payArrears(ningbo.code, hangzhou.code, sender=STRANGER)
    receipt = corrections.refund(unpaid_ride, 503)
    assert receipt.events == (
        Event("ArrearsPaid", debtor=ningbo.code, creditor=hangzhou.code, amount=103),
        refunded(unpaid_ride, 503, issuer=ningbo),
    )
    assert world.balances(ningbo, hangzhou) == {ningbo: 400, hangzhou: DEPOSIT}
    assert clearinghouse.arrearsOf(ningbo.code) == 0
    assert clearinghouse.withdrawable(ningbo.code) == 400


def test_arrears_cancel_each_other_where_neither_city_has_money(
    world: World, corrections: Corrections, clearinghouse: Contract, unpaid_ride: Settled, ningbo: City, hangzhou: City
) -> None:
    world.withdraw(hangzhou, DEPOSIT)
    receipt = corrections.refund(unpaid_ride, 503)
    assert receipt.named("RideRefunded") == (refunded(unpaid_ride, 503, issuer=ningbo),)
    assert clearinghouse.arrearsOf(ningbo.code) == clearinghouse.arrearsDue(hangzhou.code) == 0
    assert clearinghouse.position(ningbo.code) == clearinghouse.position(hangzhou.code) == 0


def test_arrears_to_a_third_city_are_not_set_off(
    world: World, corrections: Corrections, clearinghouse: Contract, ningbo: City
) -> None:
    """Ningbo owes Shanghai; what Hangzhou refunds to it is Ningbo's, and for Shanghai to claim."""
    world.deposit(ningbo, 503)
    ride = settled(world, world.ride(issuer=ningbo))
    world.settle(world.ride(issuer=ningbo, operator=SHANGHAI, fare=900), operator=SHANGHAI, at=EVENING + 1)
    receipt = corrections.refund(ride, 503)
    assert receipt.events == (refunded(ride, 503, issuer=ningbo),)
    assert clearinghouse.arrears(ningbo.code, SHANGHAI.code) == 900
    assert clearinghouse.payArrears(ningbo.code, SHANGHAI.code, sender=STRANGER).returned == 503


# ---------------------------------------------------------------- revoked tickets


REVOCATION = NOON - 2 * DAY


def revoke(world: World, *serials: int, at: int = REVOCATION, issuer: City = XUZHOU, operator: City = HANGZHOU) -> None:
    world.registry.revokeTickets(issuer.code, operator.code, serials, sender=issuer.admin, at=at)


@pytest.mark.parametrize("caller", [STRANGER, XUZHOU.treasury, HANGZHOU.submitter], ids=["stranger", "issuer", "?"])
def test_anyone_has_a_ride_on_a_revoked_ticket_refunded_at_once(
    world: World, corrections: Corrections, xuzhou: City, hangzhou: City, caller: str
) -> None:
    revoke(world, 7)
    ride = ridden(world)
    receipt = corrections.refund_revoked(ride, sender=caller)
    assert receipt.events == (refunded(ride, 503, cause=REVOKED),)
    assert world.balances(xuzhou, hangzhou) == {xuzhou: DEPOSIT, hangzhou: DEPOSIT}


@pytest.mark.parametrize(("revoked_at", "allowed"), [(NOON - GRACE - 1, True), (NOON - GRACE, False), (NOON, False)])
def test_a_gate_that_could_not_know_yet_is_paid(
    world: World, corrections: Corrections, revoked_at: int, allowed: bool
) -> None:
    """A ride that began more than `grace` after the revocation, not one that began just then."""
    revoke(world, 7, at=revoked_at)
    ride = ridden(world)
    if allowed:
        corrections.refund_revoked(ride)
        return
    with reverts(corrections.contract, "NotRevokedInTime", enteredAt=NOON, revokedAt=revoked_at, grace=GRACE):
        corrections.refund_revoked(ride)


@pytest.mark.parametrize("other", ["serial", "operator", "issuer"])
def test_only_the_rides_own_ticket_counts(world: World, corrections: Corrections, other: str) -> None:
    revoke(
        world,
        8 if other == "serial" else 7,
        issuer=SHANGHAI if other == "issuer" else XUZHOU,
        operator=NINGBO if other == "operator" else HANGZHOU,
    )
    ride = ridden(world)
    with reverts(corrections.contract, "NotRevokedInTime", enteredAt=NOON, revokedAt=0, grace=GRACE):
        corrections.refund_revoked(ride)


@pytest.mark.parametrize("late", [0, 1])
def test_a_revocation_counts_as_long_as_the_ride_can_be_disputed(
    world: World, corrections: Corrections, late: int
) -> None:
    revoke(world, 7)
    ride = ridden(world)
    at = EVENING + DISPUTE_TIME + late
    if not late:
        corrections.refund_revoked(ride, at=at)
        return
    with reverts(corrections.contract, "DisputeTooLate", settledAt=EVENING, disputableFrom=EVENING + 1):
        corrections.refund_revoked(ride, at=at)


def test_what_was_refunded_before_is_not_refunded_again(world: World, corrections: Corrections) -> None:
    revoke(world, 7)
    ride = ridden(world)
    corrections.refund(ride, 500)
    assert corrections.refund_revoked(ride).events == (refunded(ride, 3, cause=REVOKED),)
    with reverts(corrections.contract, "NothingLeft", batchId=ride.id, index=0):
        corrections.refund_revoked(ride)


def test_an_open_dispute_ends_with_the_refund_for_a_revocation(
    world: World, corrections: Corrections, xuzhou: City
) -> None:
    revoke(world, 7)
    ride = ridden(world)
    corrections.dispute(ride)
    corrections.refund_revoked(ride)
    assert (corrections.stage(ride), corrections.disputed()) == (CLOSED, 0)
    with reverts(corrections.contract, "NotDisputed", batchId=ride.id, index=0):
        corrections.answer(ride, evidence_of(world.domain, ride.claim()))
    assert world.balances(xuzhou) == {xuzhou: DEPOSIT}


def test_a_ride_that_was_upheld_is_refunded_if_its_ticket_was_revoked(
    world: World, corrections: Corrections, xuzhou: City
) -> None:
    """The rider was there, but the gate had to know. The fee for having asked stays paid."""
    revoke(world, 7)
    ride = ridden(world)
    corrections.dispute(ride)
    corrections.answer(ride, evidence_of(world.domain, ride.claim()))
    corrections.refund_revoked(ride)
    assert corrections.stage(ride) == UPHELD
    assert world.balances(xuzhou) == {xuzhou: DEPOSIT - 500}


def test_a_ride_of_a_suspended_or_departed_city_on_a_revoked_ticket_is_refunded(
    world: World, corrections: Corrections
) -> None:
    revoke(world, 7)
    ride = ridden(world)
    world.leave(HANGZHOU, at=EVENING + 1)
    assert corrections.refund_revoked(ride).events == (refunded(ride, 503, cause=REVOKED),)


# ---------------------------------------------------------------- what nothing may do


def test_a_refund_leaves_the_batch_and_the_serial_as_they_were(
    world: World, corrections: Corrections, clearinghouse: Contract
) -> None:
    ride = ridden(world)
    before = clearinghouse.batches(ride.id)
    corrections.refund(ride, 503)
    assert clearinghouse.batches(ride.id) == before
    assert clearinghouse.isSettled(XUZHOU.code, HANGZHOU.code, 7)
    assert world.judge(at=EVENING + HOUR, fare=100) == RideReason.AlreadySettled


def test_the_refunds_contract_is_its_clearinghouses(world: World, clearinghouse: Contract, refunds: Contract) -> None:
    assert clearinghouse.refunds() == refunds.address
    assert refunds.clearinghouse() == clearinghouse.address


def test_calldata_that_lies_about_its_lengths_is_refused(world: World, corrections: Corrections) -> None:
    """A batch cut short in calldata, whose length word says that it is all there."""
    ride = ridden(world)
    whole = corrections.contract.call("refund", ride.data, b"", 0, 1).data
    cut = whole[:4] + whole[4 : 4 + 5 * 32 + 64]
    receipt = world.node.send(HANGZHOU.treasury, corrections.contract.address, cut)
    assert receipt["status"] == "0x0"


def test_a_case_of_no_ride_is_empty(corrections: Corrections, world: World) -> None:
    assert corrections.contract.caseOf(bytes(32), 0) == (0,) * 7
    assert corrections.case(ridden(world), 1) == (0,) * 7


def test_batch_bytes_are_needed_in_full(world: World, corrections: Corrections) -> None:
    """One group of a batch is a batch too, but not that one."""
    whole = mixed(world)
    part = Settled(Batch(whole.batch.operator, whole.batch.groups[:1]))
    with reverts(corrections.contract, "UnknownBatch", batchId=part.id):
        corrections.refund(part, 1)


def test_a_refused_act_leaves_no_case_behind(world: World, corrections: Corrections) -> None:
    ride = ridden(world)
    with pytest.raises(Reverted):
        corrections.refund(ride, 504)
    assert corrections.case(ride) == (0,) * 7
