"""What a city that leaves can still owe, how long its reserve stays for that, and what no reserve keeps it from."""

from __future__ import annotations

import pytest

from tests.contracts.corrections import UNANSWERED, Corrections, refunded, ridden, settled
from tests.contracts.node import Contract, reverts
from tests.contracts.story import (
    ANSWER_TIME,
    DAY,
    DEPOSIT,
    DISPUTE_TIME,
    GRACE,
    HANGZHOU,
    HOUR,
    NINGBO,
    NO_REFERENCE,
    NOON,
    SHANGHAI,
    STOP_LENGTH,
    STRANGER,
    SUBMISSION_WINDOW,
    XUZHOU,
    City,
    World,
)

EXIT = NOON
RESERVE = 1_000_000
"""10,000.00 yuan."""


def keep(world: World, city: City, amount: int = RESERVE) -> None:
    """A reserve, and what else the city had is withdrawn."""
    world.by_vote(world.clearinghouse, "setReserve", city.code, amount)
    world.withdraw(city, DEPOSIT - amount)


# ---------------------------------------------------------------- the last refund of an operator that left


@pytest.mark.parametrize(
    ("stopped", "days"),
    [pytest.param(False, 71, id="no stop"), pytest.param(True, 77, id="a stop in the last days of its window")],
)
def test_the_last_refund_that_can_fall_due_is_covered(
    world: World, corrections: Corrections, clearinghouse: Contract, stopped: bool, days: int
) -> None:
    """Hangzhou leaves. Its last ride ends in the last second of the grace, is sent in the last second of its window,
    disputed in the last one and not answered: 71 days after the exit, or 77.
    """
    keep(world, HANGZHOU)
    world.leave(HANGZHOU, at=EXIT)
    last_ride = EXIT + GRACE - 1
    sent = last_ride + SUBMISSION_WINDOW
    if stopped:
        world.by_vote(clearinghouse, "stopSettlement", at=sent)
        sent += 2 * STOP_LENGTH
    ride = ridden(world, fare=503, entered_at=last_ride - HOUR, exited_at=last_ride, not_after=last_ride, at=sent)
    world.withdraw(HANGZHOU, 503)
    corrections.dispute(ride, at=sent + DISPUTE_TIME)
    due = sent + DISPUTE_TIME + ANSWER_TIME + 1
    assert due == EXIT + days * DAY
    error = {"city": HANGZHOU.code, "withdrawable": 0, "amount": RESERVE}
    with reverts(clearinghouse, "InsufficientFunds", **error):
        world.withdraw(HANGZHOU, RESERVE, at=due - 1)
    assert corrections.refund_unanswered(ride, at=due).events == (refunded(ride, 503, cause=UNANSWERED),)
    assert clearinghouse.balanceOf(HANGZHOU.code) == RESERVE - 503


def test_after_that_the_reserve_is_the_citys_to_withdraw(world: World, clearinghouse: Contract) -> None:
    keep(world, HANGZHOU)
    world.leave(HANGZHOU, at=EXIT)
    ends = EXIT + GRACE + DAY + SUBMISSION_WINDOW + 2 * STOP_LENGTH + DISPUTE_TIME + ANSWER_TIME
    assert ends == EXIT + 78 * DAY
    with reverts(clearinghouse, "InsufficientFunds", city=HANGZHOU.code, withdrawable=0, amount=RESERVE):
        world.withdraw(HANGZHOU, RESERVE, at=ends)
    world.withdraw(HANGZHOU, RESERVE, at=ends + 1)


def test_the_last_fares_of_an_issuer_that_left_are_paid_from_its_reserve(world: World, clearinghouse: Contract) -> None:
    """A ride that began in the last second of the grace, lasted a day, and was sent in the last second."""
    keep(world, XUZHOU)
    world.leave(XUZHOU, at=EXIT)
    entered_at = EXIT + GRACE - 1
    times = {"entered_at": entered_at, "exited_at": entered_at + DAY, "not_after": entered_at}
    receipt = world.settle(world.ride(**times), at=entered_at + DAY + SUBMISSION_WINDOW)
    assert receipt.named("PairSettled")[0].args["paid"] == 503


@pytest.mark.parametrize("answer_time", [ANSWER_TIME, 30 * DAY])
def test_the_reserve_outlasts_the_parameters_by_which_the_last_refund_falls_due(
    world: World, corrections: Corrections, clearinghouse: Contract, answer_time: int
) -> None:
    """A day after the exit all times get as short as they can, and again as soon as they may be changed."""
    world.set_parameters(answer_time=answer_time, at=EXIT - 100 * DAY + 30 * DAY)
    keep(world, HANGZHOU)
    short = {"grace": HOUR, "submission_window": 2 * DAY, "dispute_time": 7 * DAY, "answer_time": 3 * DAY}
    first = EXIT + 30 * DAY
    world.leave(HANGZHOU, at=first - GRACE)
    world.set_parameters(at=first, **short)
    last_ride = first - 1
    sent = last_ride + SUBMISSION_WINDOW
    ride = ridden(world, entered_at=last_ride - HOUR, exited_at=last_ride, not_after=last_ride, at=sent)
    corrections.dispute(ride, at=sent + DISPUTE_TIME)
    due = sent + DISPUTE_TIME + answer_time + 1
    world.node.mine(at=due - 1)
    assert clearinghouse.reserve(HANGZHOU.code) == RESERVE
    earliest = first + GRACE + GRACE + DAY + SUBMISSION_WINDOW + 2 * STOP_LENGTH + DISPUTE_TIME + answer_time
    assert earliest > due
    with reverts(clearinghouse, "ParametersTooSoon", earliest=earliest):
        world.set_parameters(at=due - 1, **short)
    corrections.refund_unanswered(ride, at=due)


# ---------------------------------------------------------------- what a reserve is no protection against


def invented(world: World, *, at: int, count: int) -> None:
    """Rides that nobody rode, in a batch of Ningbo's, on tickets that Xuzhou's office signed for them: 200 yuan
    each.
    """
    times = {"entered_at": EXIT - HOUR, "exited_at": EXIT - HOUR + 60, "not_after": EXIT}
    rides = [world.ride(operator=NINGBO, serial=s, fare=20_000, fare_cap=20_000, **times) for s in range(count)]
    settled(world, *rides, operator=NINGBO, at=at)


def test_a_leaver_hands_its_reserve_to_an_accomplice_and_an_honest_operator_gets_nothing(
    world: World, corrections: Corrections, clearinghouse: Contract
) -> None:
    """Xuzhou keeps its reserve of 10,000 yuan in its account and leaves. Hangzhou carried its riders on the last day
    for 3,000. Xuzhou's office signs tickets for 50 rides that nobody rode, at 200 yuan, and Ningbo sends those first:
    the 10,000 are Ningbo's, and Hangzhou's 3,000 are arrears that nobody pays. Only the issuer could dispute them.
    """
    keep(world, XUZHOU)
    world.leave(XUZHOU, at=EXIT)
    invented(world, at=EXIT + 1, count=50)
    times = {"entered_at": EXIT - HOUR, "exited_at": EXIT - 60, "not_after": EXIT}
    honest = world.rides(range(15), fare=20_000, fare_cap=20_000, **times)
    [pair] = world.settle(*honest, at=EXIT + 2).named("PairSettled")
    assert (pair.args["fares"], pair.args["paid"]) == (300_000, 0)
    clearinghouse.withdraw(NINGBO.code, RESERVE, NO_REFERENCE, sender=NINGBO.treasury)
    assert world.balances(XUZHOU, NINGBO, HANGZHOU) == {XUZHOU: 0, NINGBO: 0, HANGZHOU: DEPOSIT}
    assert clearinghouse.arrears(XUZHOU.code, HANGZHOU.code) == 300_000
    assert clearinghouse.payArrears(XUZHOU.code, HANGZHOU.code, sender=STRANGER).returned == 0


def test_it_costs_others_what_they_carry_from_the_leavers_last_batches_on_and_no_more(
    world: World, clearinghouse: Contract
) -> None:
    """What was settled before is paid and stays so; nobody else's balance is touched."""
    keep(world, XUZHOU)
    world.settle(world.ride(fare=503, exited_at=NOON - HOUR, entered_at=NOON - 2 * HOUR), at=EXIT - 60)
    world.leave(XUZHOU, at=EXIT)
    invented(world, at=EXIT + 1, count=60)
    assert world.balances(XUZHOU, NINGBO, HANGZHOU, SHANGHAI) == {
        XUZHOU: 0,
        NINGBO: RESERVE - 503,
        HANGZHOU: DEPOSIT + 503,
        SHANGHAI: DEPOSIT,
    }
    assert clearinghouse.arrears(XUZHOU.code, NINGBO.code) == 60 * 20_000 - (RESERVE - 503)


def test_a_reserve_keeps_a_leaver_without_an_accomplice_from_taking_it_along(
    world: World, clearinghouse: Contract
) -> None:
    """What it is for."""
    keep(world, XUZHOU)
    world.leave(XUZHOU, at=EXIT)
    with reverts(clearinghouse, "InsufficientFunds", city=XUZHOU.code, withdrawable=0, amount=RESERVE):
        world.withdraw(XUZHOU, RESERVE)
    times = {"entered_at": EXIT - HOUR, "exited_at": EXIT - 60, "not_after": EXIT}
    honest = world.rides(range(15), fare=20_000, fare_cap=20_000, **times)
    [pair] = world.settle(*honest, at=EXIT + 2 * DAY).named("PairSettled")
    assert pair.args["paid"] == 300_000
