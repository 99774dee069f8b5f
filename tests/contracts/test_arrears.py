"""Protocol section 6: what a city's balance can't pay becomes arrears, and how they are paid."""

from __future__ import annotations

from tests.contracts.node import Contract, Event, reverts
from tests.contracts.story import (
    DEPOSIT,
    EVENING,
    LANZHOU,
    NO_REFERENCE,
    City,
    World,
)


def ride_in(world: World, operator: City, *, issuer: City, fare: int, serial: int = 0, at: int = EVENING) -> Event:
    """One settled ride; its pair's event."""
    claim = world.ride(issuer=issuer, operator=operator, fare=fare, serial=serial)
    [pair] = world.settle(claim, operator=operator, at=at).named("PairSettled")
    return pair


def test_a_city_without_money_owes_the_whole_fare(
    world: World, clearinghouse: Contract, ningbo: City, hangzhou: City
) -> None:
    pair = ride_in(world, hangzhou, issuer=ningbo, fare=503)
    assert (pair.args["fares"], pair.args["paid"]) == (503, 0)
    assert clearinghouse.arrears(ningbo.code, hangzhou.code) == 503
    assert clearinghouse.arrearsOf(ningbo.code) == 503
    assert clearinghouse.arrearsDue(hangzhou.code) == 503
    assert clearinghouse.balanceOf(hangzhou.code) == DEPOSIT


def test_a_balance_pays_as_far_as_it_reaches(
    world: World, clearinghouse: Contract, ningbo: City, hangzhou: City
) -> None:
    world.deposit(ningbo, 300)
    pair = ride_in(world, hangzhou, issuer=ningbo, fare=503)
    assert pair.args["paid"] == 300
    assert clearinghouse.arrears(ningbo.code, hangzhou.code) == 203
    assert world.balances(ningbo, hangzhou) == {ningbo: 0, hangzhou: DEPOSIT + 300}


def test_a_balance_that_just_reaches_leaves_no_arrears(
    world: World, clearinghouse: Contract, ningbo: City, hangzhou: City
) -> None:
    world.deposit(ningbo, 503)
    assert ride_in(world, hangzhou, issuer=ningbo, fare=503).args["paid"] == 503
    assert clearinghouse.arrearsOf(ningbo.code) == 0
    assert clearinghouse.balanceOf(ningbo.code) == 0


def test_the_reserve_pays_fares_too(world: World, clearinghouse: Contract, ningbo: City, hangzhou: City) -> None:
    world.deposit(ningbo, 503)
    world.by_vote(clearinghouse, "setReserve", ningbo.code, 503)
    assert ride_in(world, hangzhou, issuer=ningbo, fare=503).args["paid"] == 503


def test_while_a_city_has_arrears_its_new_fares_become_arrears_too(
    world: World, clearinghouse: Contract, ningbo: City, hangzhou: City, shanghai: City
) -> None:
    """Whoever has waited longest is not overtaken, even where the money has come in since."""
    ride_in(world, hangzhou, issuer=ningbo, fare=503)
    world.deposit(ningbo, 10_000)
    pair = ride_in(world, shanghai, issuer=ningbo, fare=200, at=EVENING + 60)
    assert pair.args["paid"] == 0
    assert clearinghouse.arrears(ningbo.code, hangzhou.code) == 503
    assert clearinghouse.arrears(ningbo.code, shanghai.code) == 200
    assert clearinghouse.arrearsOf(ningbo.code) == 703
    assert clearinghouse.balanceOf(ningbo.code) == 10_000


def test_arrears_to_one_creditor_hold_up_fares_to_another_until_all_are_paid(
    world: World, clearinghouse: Contract, ningbo: City, hangzhou: City, shanghai: City, stranger: str
) -> None:
    ride_in(world, hangzhou, issuer=ningbo, fare=503)
    ride_in(world, shanghai, issuer=ningbo, fare=200, at=EVENING + 1)
    world.deposit(ningbo, 10_000)
    clearinghouse.payArrears(ningbo.code, hangzhou.code, sender=stranger)
    assert ride_in(world, hangzhou, issuer=ningbo, fare=1, serial=1, at=EVENING + 60).args["paid"] == 0
    clearinghouse.payArrears(ningbo.code, shanghai.code, sender=stranger)
    clearinghouse.payArrears(ningbo.code, hangzhou.code, sender=stranger)
    assert ride_in(world, hangzhou, issuer=ningbo, fare=1, serial=2, at=EVENING + 120).args["paid"] == 1


def test_a_city_in_arrears_can_withdraw_nothing(
    world: World, clearinghouse: Contract, ningbo: City, hangzhou: City
) -> None:
    ride_in(world, hangzhou, issuer=ningbo, fare=503)
    world.deposit(ningbo, 10_000)
    assert clearinghouse.withdrawable(ningbo.code) == 0
    with reverts(clearinghouse, "InsufficientFunds", city=ningbo.code, withdrawable=0, amount=1):
        world.withdraw(ningbo, 1)


def test_anyone_may_have_arrears_paid(
    world: World, clearinghouse: Contract, ningbo: City, hangzhou: City, stranger: str
) -> None:
    ride_in(world, hangzhou, issuer=ningbo, fare=503)
    world.deposit(ningbo, 10_000)
    receipt = clearinghouse.payArrears(ningbo.code, hangzhou.code, sender=stranger)
    assert receipt.returned == 503
    assert receipt.events == (Event("ArrearsPaid", debtor=ningbo.code, creditor=hangzhou.code, amount=503),)
    assert world.balances(ningbo, hangzhou) == {ningbo: 9_497, hangzhou: DEPOSIT + 503}
    assert clearinghouse.arrears(ningbo.code, hangzhou.code) == 0
    assert clearinghouse.arrearsOf(ningbo.code) == 0
    assert clearinghouse.arrearsDue(hangzhou.code) == 0
    assert clearinghouse.withdrawable(ningbo.code) == 9_497


def test_arrears_are_paid_as_far_as_the_balance_reaches(
    world: World, clearinghouse: Contract, ningbo: City, hangzhou: City, stranger: str
) -> None:
    ride_in(world, hangzhou, issuer=ningbo, fare=503)
    world.deposit(ningbo, 500)
    assert clearinghouse.payArrears(ningbo.code, hangzhou.code, sender=stranger).returned == 500
    assert clearinghouse.arrears(ningbo.code, hangzhou.code) == 3
    assert clearinghouse.arrearsOf(ningbo.code) == 3
    assert clearinghouse.balanceOf(ningbo.code) == 0


def test_where_the_debtor_has_nothing_0_is_returned_without_an_event(
    world: World, clearinghouse: Contract, ningbo: City, hangzhou: City, stranger: str
) -> None:
    ride_in(world, hangzhou, issuer=ningbo, fare=503)
    receipt = clearinghouse.payArrears(ningbo.code, hangzhou.code, sender=stranger)
    assert (receipt.returned, receipt.events) == (0, ())
    assert clearinghouse.arrears(ningbo.code, hangzhou.code) == 503


def test_where_nothing_is_owed_0_is_returned_without_an_event(
    world: World, clearinghouse: Contract, ningbo: City, hangzhou: City, shanghai: City, stranger: str
) -> None:
    ride_in(world, hangzhou, issuer=ningbo, fare=503)
    world.deposit(ningbo, 10_000)
    for debtor, creditor in [(hangzhou, ningbo), (ningbo, shanghai), (ningbo, ningbo), (LANZHOU, hangzhou)]:
        receipt = clearinghouse.payArrears(debtor.code, creditor.code, sender=stranger)
        assert (receipt.returned, receipt.events) == (0, ())
    assert clearinghouse.arrears(ningbo.code, hangzhou.code) == 503


def test_arrears_paid_twice_pay_once(
    world: World, clearinghouse: Contract, ningbo: City, hangzhou: City, stranger: str
) -> None:
    ride_in(world, hangzhou, issuer=ningbo, fare=503)
    world.deposit(ningbo, 10_000)
    assert clearinghouse.payArrears(ningbo.code, hangzhou.code, sender=stranger).returned == 503
    assert clearinghouse.payArrears(ningbo.code, hangzhou.code, sender=stranger).returned == 0


def test_what_a_debtor_earns_pays_its_arrears_once_asked_for(
    world: World, clearinghouse: Contract, ningbo: City, hangzhou: City, xuzhou: City, stranger: str
) -> None:
    ride_in(world, hangzhou, issuer=ningbo, fare=503)
    assert ride_in(world, ningbo, issuer=xuzhou, fare=1_200, at=EVENING + 60).args["paid"] == 1_200
    assert clearinghouse.balanceOf(ningbo.code) == 1_200
    assert clearinghouse.arrearsOf(ningbo.code) == 503
    assert clearinghouse.payArrears(ningbo.code, hangzhou.code, sender=stranger).returned == 503
    assert clearinghouse.balanceOf(ningbo.code) == 697


def test_two_cities_can_owe_each_other(
    world: World, clearinghouse: Contract, ningbo: City, xuzhou: City, stranger: str
) -> None:
    world.withdraw(xuzhou, DEPOSIT)
    ride_in(world, xuzhou, issuer=ningbo, fare=500)
    ride_in(world, ningbo, issuer=xuzhou, fare=300, at=EVENING + 1)
    assert (clearinghouse.arrears(ningbo.code, xuzhou.code), clearinghouse.arrears(xuzhou.code, ningbo.code)) == (
        500,
        300,
    )
    assert (clearinghouse.position(ningbo.code), clearinghouse.position(xuzhou.code)) == (-200, 200)
    assert clearinghouse.payArrears(ningbo.code, xuzhou.code, sender=stranger).returned == 0


def test_arrears_of_a_city_that_left_are_still_paid(
    world: World, clearinghouse: Contract, ningbo: City, hangzhou: City, stranger: str
) -> None:
    ride_in(world, hangzhou, issuer=ningbo, fare=503)
    world.leave(ningbo, at=EVENING + 60)
    clearinghouse_deposit = world.deposit(ningbo, 600)
    assert clearinghouse_deposit.named("Deposited")[0].args["bankReference"] == NO_REFERENCE
    assert clearinghouse.payArrears(ningbo.code, hangzhou.code, sender=stranger).returned == 503


def test_a_position_counts_what_is_owed_both_ways(
    world: World, clearinghouse: Contract, ningbo: City, hangzhou: City, shanghai: City
) -> None:
    world.deposit(ningbo, 100)
    ride_in(world, hangzhou, issuer=ningbo, fare=503)
    assert clearinghouse.position(ningbo.code) == -403
    assert clearinghouse.position(hangzhou.code) == DEPOSIT + 503
    assert clearinghouse.position(shanghai.code) == DEPOSIT
    assert clearinghouse.position(LANZHOU.code) == 0
