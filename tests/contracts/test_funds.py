"""Protocol section 7: deposits, withdrawals and reserves."""

from __future__ import annotations

import pytest

from interline.signatures import parse_address, to_checksum
from network.accounts import Role
from tests.contracts.corrections import Corrections, refunded, ridden
from tests.contracts.node import Contract, Event, Reverted, reverts
from tests.contracts.story import (
    ANSWER_TIME,
    BANK_ACCOUNT,
    DAY,
    DEPLOYER_ACCOUNT,
    DEPOSIT,
    DISPUTE_TIME,
    EVENING,
    GRACE,
    HANGZHOU,
    LANZHOU,
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

TRANSFER = bytes.fromhex("20191201") + bytes(28)
"""The reference of a bank transfer."""
EXIT = NOON
CLAIMS = GRACE + DAY + SUBMISSION_WINDOW + 2 * STOP_LENGTH + DISPUTE_TIME + ANSWER_TIME
"""How long after a city left a ride of its own can be refunded: it ends within the grace, a day later at the most, is
sent in the last second after a stop, disputed in the last one and not answered.
"""
RESERVE_ENDS = EXIT + CLAIMS
UINT80_MAX = 2**80 - 1


@pytest.fixture
def patron(world: World, stranger: str) -> str:
    """The stranger, with 10.00 yuan that the Clearinghouse may take."""
    world.token.mint(stranger, 1_000, sender=BANK_ACCOUNT)
    world.token.approve(world.clearinghouse, 1_000, sender=stranger)
    return stranger


# ---------------------------------------------------------------- deposits


def test_anyone_deposits_their_own_tokens_to_a_member(
    world: World, clearinghouse: Contract, token: Contract, patron: str, ningbo: City
) -> None:
    held = clearinghouse.held()
    receipt = clearinghouse.deposit(ningbo.code, 400, TRANSFER, sender=patron)
    assert receipt.events == (
        Event("Deposited", **{"city": ningbo.code, "from": patron, "amount": 400, "bankReference": TRANSFER}),
        Event("Transfer", **{"from": patron, "to": clearinghouse.address, "value": 400}),
    )
    assert clearinghouse.balanceOf(ningbo.code) == 400
    assert clearinghouse.held() == held + 400
    assert token.balanceOf(patron) == 600
    assert token.balanceOf(clearinghouse.address) == held + 400


def test_a_city_that_left_can_be_deposited_to(world: World, clearinghouse: Contract, patron: str, ningbo: City) -> None:
    world.leave(ningbo, at=EXIT)
    clearinghouse.deposit(ningbo.code, 400, NO_REFERENCE, sender=patron)
    assert clearinghouse.balanceOf(ningbo.code) == 400


def test_a_suspended_city_can_be_deposited_to(world: World, clearinghouse: Contract, patron: str, ningbo: City) -> None:
    world.suspend(ningbo, at=NOON)
    clearinghouse.deposit(ningbo.code, 400, NO_REFERENCE, sender=patron)
    assert clearinghouse.balanceOf(ningbo.code) == 400


@pytest.mark.parametrize("code", [LANZHOU.code, 0, 65_535])
def test_a_city_that_was_never_a_member_has_no_account(clearinghouse: Contract, patron: str, code: int) -> None:
    with reverts(clearinghouse, "NotMember", city=code):
        clearinghouse.deposit(code, 400, NO_REFERENCE, sender=patron)


def test_nothing_cannot_be_deposited(clearinghouse: Contract, patron: str, ningbo: City) -> None:
    with reverts(clearinghouse, "ZeroAmount"):
        clearinghouse.deposit(ningbo.code, 0, NO_REFERENCE, sender=patron)


def test_more_than_was_allowed_cannot_be_deposited(
    clearinghouse: Contract, token: Contract, patron: str, ningbo: City
) -> None:
    expected = {"spender": clearinghouse.address, "allowance": 1_000, "needed": 1_001}
    with reverts(token, "ERC20InsufficientAllowance", **expected):
        clearinghouse.deposit(ningbo.code, 1_001, NO_REFERENCE, sender=patron)
    assert clearinghouse.balanceOf(ningbo.code) == 0


def test_more_than_there_is_cannot_be_deposited(
    clearinghouse: Contract, token: Contract, patron: str, ningbo: City
) -> None:
    token.approve(clearinghouse, 10**9, sender=patron)
    with reverts(token, "ERC20InsufficientBalance", sender=patron, balance=1_000, needed=1_001):
        clearinghouse.deposit(ningbo.code, 1_001, NO_REFERENCE, sender=patron)


def test_more_than_all_money_cannot_be_deposited(
    world: World, clearinghouse: Contract, token: Contract, patron: str, ningbo: City
) -> None:
    """An account holds 2^80 - 1 fen, 12 billion times a trillion yuan; more would be cut off."""
    token.mint(patron, 2**90, sender=BANK_ACCOUNT)
    token.approve(clearinghouse, 2**256 - 1, sender=patron)
    for amount in (UINT80_MAX + 1, 2**90):
        with reverts(clearinghouse, "SafeCastOverflowedUintDowncast", bits=80, value=amount):
            clearinghouse.deposit(ningbo.code, amount, NO_REFERENCE, sender=patron)
    clearinghouse.deposit(ningbo.code, UINT80_MAX, NO_REFERENCE, sender=patron)
    assert clearinghouse.balanceOf(ningbo.code) == UINT80_MAX


def test_deposits_that_do_not_fit_into_an_account_together_are_refused(
    world: World, clearinghouse: Contract, token: Contract, patron: str, ningbo: City
) -> None:
    token.mint(patron, 2**90, sender=BANK_ACCOUNT)
    token.approve(clearinghouse, 2**256 - 1, sender=patron)
    clearinghouse.deposit(ningbo.code, UINT80_MAX, NO_REFERENCE, sender=patron)
    with pytest.raises(Reverted):
        clearinghouse.deposit(ningbo.code, 1, NO_REFERENCE, sender=patron)
    assert clearinghouse.balanceOf(ningbo.code) == UINT80_MAX
    world.settle(world.ride(issuer=ningbo))
    clearinghouse.deposit(ningbo.code, 503, NO_REFERENCE, sender=patron)
    assert clearinghouse.balanceOf(ningbo.code) == UINT80_MAX


def test_tokens_that_do_not_arrive_are_not_credited(
    world: World, clearinghouse: Contract, token: Contract, patron: str, ningbo: City
) -> None:
    """A token that says 1 to everything: to whether it transferred, and to how much there is."""
    held = clearinghouse.held()
    push_1_and_return = "0x600160005260206000f3"
    world.node.request("anvil_setCode", token.address, push_1_and_return)
    with reverts(clearinghouse, "TokensShort", held=held + 400, tokens=1):
        clearinghouse.deposit(ningbo.code, 400, NO_REFERENCE, sender=patron)


@pytest.fixture
def short(world: World, clearinghouse: Contract, token: Contract) -> int:
    """A fen of what the Clearinghouse holds is missing from its tokens: the token took it back. How many it holds."""
    sent = world.node.send(clearinghouse.address, token.address, token.call("transfer", DEPLOYER_ACCOUNT, 1).data)
    assert sent["status"] == "0x1"
    held: int = clearinghouse.held()
    return held


def test_a_missing_fen_stops_withdrawals_until_it_is_there_again(
    world: World, clearinghouse: Contract, token: Contract, xuzhou: City, short: int
) -> None:
    """Whoever is first doesn't take what others would miss."""
    with reverts(clearinghouse, "TokensShort", held=short - 1, tokens=short - 2):
        world.withdraw(xuzhou, 1)
    token.mint(clearinghouse, 1, sender=BANK_ACCOUNT)
    world.withdraw(xuzhou, 1)


def test_a_missing_fen_stops_deposits_too(
    world: World, clearinghouse: Contract, token: Contract, patron: str, ningbo: City, short: int
) -> None:
    """Nobody pays in what would be for others to take out."""
    with reverts(clearinghouse, "TokensShort", held=short + 400, tokens=short + 399):
        clearinghouse.deposit(ningbo.code, 400, NO_REFERENCE, sender=patron)
    token.transfer(clearinghouse, 1, sender=patron)
    clearinghouse.deposit(ningbo.code, 400, NO_REFERENCE, sender=patron)


def test_a_missing_fen_stops_no_ride_and_no_correction(
    world: World, clearinghouse: Contract, corrections: Corrections, short: int
) -> None:
    ride = ridden(world)
    assert corrections.refund(ride, 503).events == (refunded(ride, 503),)


def test_tokens_sent_without_a_deposit_are_nobodys(
    world: World, clearinghouse: Contract, token: Contract, patron: str
) -> None:
    held = clearinghouse.held()
    token.transfer(clearinghouse, 1_000, sender=patron)
    assert clearinghouse.held() == held
    assert sum(world.balances(SHANGHAI, HANGZHOU, XUZHOU).values()) == held
    assert token.balanceOf(clearinghouse.address) == held + 1_000


# ---------------------------------------------------------------- withdrawals


def test_a_treasury_withdraws_to_itself(clearinghouse: Contract, token: Contract, xuzhou: City) -> None:
    held = clearinghouse.held()
    receipt = clearinghouse.withdraw(xuzhou.code, 400, TRANSFER, sender=xuzhou.treasury)
    assert receipt.events == (
        Event("Withdrawn", city=xuzhou.code, to=xuzhou.treasury, amount=400, bankReference=TRANSFER),
        Event("Transfer", **{"from": clearinghouse.address, "to": xuzhou.treasury, "value": 400}),
    )
    assert clearinghouse.balanceOf(xuzhou.code) == DEPOSIT - 400
    assert clearinghouse.held() == held - 400
    assert token.balanceOf(xuzhou.treasury) == 400


def test_a_city_can_withdraw_all_it_has(world: World, clearinghouse: Contract, xuzhou: City) -> None:
    world.withdraw(xuzhou, DEPOSIT)
    assert clearinghouse.balanceOf(xuzhou.code) == 0


def test_a_city_cannot_withdraw_more_than_it_has(world: World, clearinghouse: Contract, xuzhou: City) -> None:
    with reverts(clearinghouse, "InsufficientFunds", city=xuzhou.code, withdrawable=DEPOSIT, amount=DEPOSIT + 1):
        world.withdraw(xuzhou, DEPOSIT + 1)


def test_a_withdrawal_of_more_than_all_money_is_refused(world: World, clearinghouse: Contract, xuzhou: City) -> None:
    amount = 2**256 - 1
    with reverts(clearinghouse, "InsufficientFunds", city=xuzhou.code, withdrawable=DEPOSIT, amount=amount):
        world.withdraw(xuzhou, amount)


def test_nothing_cannot_be_withdrawn(world: World, clearinghouse: Contract, xuzhou: City) -> None:
    with reverts(clearinghouse, "ZeroAmount"):
        world.withdraw(xuzhou, 0)


@pytest.mark.parametrize(
    "caller",
    [
        pytest.param(XUZHOU.admin, id="its admin"),
        pytest.param(XUZHOU.submitter, id="its submitter"),
        pytest.param(SHANGHAI.treasury, id="another city's treasury"),
        pytest.param(BANK_ACCOUNT, id="the bank"),
        pytest.param(DEPLOYER_ACCOUNT, id="the deployer"),
        pytest.param(STRANGER, id="a stranger"),
    ],
)
def test_only_the_treasury_withdraws(clearinghouse: Contract, xuzhou: City, caller: str) -> None:
    with reverts(clearinghouse, "NotTreasury", city=xuzhou.code, caller=caller):
        clearinghouse.withdraw(xuzhou.code, 1, NO_REFERENCE, sender=caller)


def test_the_consortium_cannot_withdraw(world: World, clearinghouse: Contract, xuzhou: City) -> None:
    with reverts(clearinghouse, "NotTreasury", city=xuzhou.code, caller=world.consortium.address):
        world.by_vote(clearinghouse, "withdraw", xuzhou.code, 1, NO_REFERENCE)


def test_a_city_that_was_never_a_member_has_no_treasury(clearinghouse: Contract, lanzhou: City) -> None:
    with reverts(clearinghouse, "NotTreasury", city=lanzhou.code, caller=lanzhou.treasury):
        clearinghouse.withdraw(lanzhou.code, 1, NO_REFERENCE, sender=lanzhou.treasury)


def test_a_new_treasury_withdraws_and_the_old_one_no_longer_does(
    world: World, clearinghouse: Contract, token: Contract, xuzhou: City
) -> None:
    new = xuzhou.account(Role.SPARE)
    world.move_treasury(xuzhou, new)
    clearinghouse.withdraw(xuzhou.code, 100, NO_REFERENCE, sender=new)
    assert token.balanceOf(new) == 100
    with reverts(clearinghouse, "NotTreasury", city=xuzhou.code, caller=xuzhou.treasury):
        world.withdraw(xuzhou, 1)


@pytest.mark.parametrize("end", ["suspend", "leave"])
def test_a_suspended_city_and_one_that_left_withdraw_what_is_theirs(
    world: World, clearinghouse: Contract, xuzhou: City, end: str
) -> None:
    getattr(world, end)(xuzhou, at=NOON)
    world.withdraw(xuzhou, DEPOSIT)
    assert clearinghouse.balanceOf(xuzhou.code) == 0


def test_what_was_earned_can_be_withdrawn(world: World, token: Contract, ningbo: City) -> None:
    world.settle(world.ride(operator=ningbo, fare=503), operator=ningbo)
    world.withdraw(ningbo, 503)
    assert token.balanceOf(ningbo.treasury) == 503


def test_a_city_that_is_owed_cannot_withdraw_what_others_deposited(
    world: World, clearinghouse: Contract, ningbo: City, hangzhou: City
) -> None:
    """Mistake 19: Hangzhou's claim on Ningbo is paid from Ningbo's money, or not at all."""
    world.withdraw(hangzhou, DEPOSIT)
    world.settle(world.ride(issuer=ningbo, fare=503))
    assert clearinghouse.position(hangzhou.code) == 503
    assert clearinghouse.held() == 2 * DEPOSIT  # Shanghai's and Xuzhou's
    assert clearinghouse.withdrawable(hangzhou.code) == 0
    with reverts(clearinghouse, "InsufficientFunds", city=hangzhou.code, withdrawable=0, amount=503):
        world.withdraw(hangzhou, 503)
    assert clearinghouse.payArrears(ningbo.code, hangzhou.code, sender=STRANGER).returned == 0
    world.deposit(ningbo, 503)
    clearinghouse.payArrears(ningbo.code, hangzhou.code, sender=STRANGER)
    world.withdraw(hangzhou, 503)
    assert world.balances(ningbo, hangzhou) == {ningbo: 0, hangzhou: 0}


# ---------------------------------------------------------------- reserves


def test_a_city_has_no_reserve_until_one_is_voted(clearinghouse: Contract, xuzhou: City) -> None:
    assert clearinghouse.reserve(xuzhou.code) == 0
    assert clearinghouse.withdrawable(xuzhou.code) == DEPOSIT


def test_a_reserve_stays_in_the_balance(world: World, clearinghouse: Contract, xuzhou: City) -> None:
    receipt = world.by_vote(clearinghouse, "setReserve", xuzhou.code, 4_000_000)
    assert receipt.events == (Event("ReserveSet", city=xuzhou.code, amount=4_000_000),)
    assert clearinghouse.withdrawable(xuzhou.code) == 1_000_000
    with reverts(clearinghouse, "InsufficientFunds", city=xuzhou.code, withdrawable=1_000_000, amount=1_000_001):
        world.withdraw(xuzhou, 1_000_001)
    world.withdraw(xuzhou, 1_000_000)
    assert clearinghouse.balanceOf(xuzhou.code) == 4_000_000


@pytest.mark.parametrize("reserve", [DEPOSIT, DEPOSIT + 1, UINT80_MAX])
def test_a_reserve_may_exceed_the_balance(world: World, clearinghouse: Contract, xuzhou: City, reserve: int) -> None:
    world.by_vote(clearinghouse, "setReserve", xuzhou.code, reserve)
    assert clearinghouse.withdrawable(xuzhou.code) == 0


def test_a_reserve_beyond_all_money_is_refused(world: World, clearinghouse: Contract, xuzhou: City) -> None:
    with reverts(clearinghouse, "SafeCastOverflowedUintDowncast", bits=80, value=UINT80_MAX + 1):
        world.by_vote(clearinghouse, "setReserve", xuzhou.code, UINT80_MAX + 1)


def test_a_reserve_is_set_by_vote_alone(clearinghouse: Contract, xuzhou: City, stranger: str, deployer: str) -> None:
    for caller in (xuzhou.admin, xuzhou.treasury, deployer, stranger):
        with reverts(clearinghouse, "NotConsortium", caller=caller):
            clearinghouse.setReserve(xuzhou.code, 0, sender=caller)


def test_a_city_that_was_never_a_member_has_no_reserve(world: World, clearinghouse: Contract, lanzhou: City) -> None:
    with reverts(clearinghouse, "NotMember", city=lanzhou.code):
        world.by_vote(clearinghouse, "setReserve", lanzhou.code, 1)


@pytest.mark.parametrize(("moment", "reserve"), [(RESERVE_ENDS, 4_000_000), (RESERVE_ENDS + 1, 0)])
def test_a_reserve_stays_until_nothing_can_fall_due_any_more_of_a_city_that_left(
    world: World, clearinghouse: Contract, xuzhou: City, moment: int, reserve: int
) -> None:
    world.by_vote(clearinghouse, "setReserve", xuzhou.code, 4_000_000)
    world.leave(xuzhou, at=EXIT)
    world.node.mine(at=moment)
    assert clearinghouse.reserve(xuzhou.code) == reserve
    assert clearinghouse.withdrawable(xuzhou.code) == DEPOSIT - reserve


def test_a_reserve_of_a_city_that_leaves_suspended_stays_as_long_after_it_left(
    world: World, clearinghouse: Contract, xuzhou: City
) -> None:
    world.by_vote(clearinghouse, "setReserve", xuzhou.code, 4_000_000)
    world.suspend(xuzhou, at=EXIT - 5 * DAY)
    world.leave(xuzhou, at=EXIT)
    world.node.mine(at=RESERVE_ENDS)
    assert clearinghouse.reserve(xuzhou.code) == 4_000_000


def test_a_reserve_of_a_suspended_city_does_not_end(world: World, clearinghouse: Contract, xuzhou: City) -> None:
    world.by_vote(clearinghouse, "setReserve", xuzhou.code, 4_000_000)
    world.suspend(xuzhou, at=EXIT)
    world.node.mine(at=RESERVE_ENDS + DAY)
    assert clearinghouse.reserve(xuzhou.code) == 4_000_000


def test_a_withdrawal_after_that_takes_the_reserve_too(world: World, clearinghouse: Contract, xuzhou: City) -> None:
    world.by_vote(clearinghouse, "setReserve", xuzhou.code, 4_000_000)
    world.leave(xuzhou, at=EXIT)
    world.withdraw(xuzhou, DEPOSIT, at=RESERVE_ENDS + 1)
    assert clearinghouse.balanceOf(xuzhou.code) == 0


@pytest.mark.parametrize("longer", ["before", "after"])
def test_of_each_time_the_longer_counts_where_the_parameters_changed(
    world: World, clearinghouse: Contract, hangzhou: City, longer: str
) -> None:
    """Rides of before the change and of after it may be on their way when a city leaves."""
    mine = {"submission_window": 60 * DAY} if longer == "before" else {"answer_time": 30 * DAY}
    world.by_vote(clearinghouse, "setReserve", hangzhou.code, 4_000_000)
    world.set_parameters(at=EXIT - GRACE, **mine)
    ends = RESERVE_ENDS + (30 * DAY if longer == "before" else 20 * DAY)
    world.leave(hangzhou, at=EXIT)
    for moment, reserve in ((ends, 4_000_000), (ends + 1, 0)):
        world.node.mine(at=moment)
        assert clearinghouse.reserve(hangzhou.code) == reserve


# ---------------------------------------------------------------- what is read once


def test_the_clearinghouse_says_what_it_stands_on(world: World, clearinghouse: Contract) -> None:
    assert clearinghouse.token() == world.token.address
    assert clearinghouse.registry() == world.registry.address
    # Not its code a block before: after some thousand blocks, anvil has forgotten states as old as that.
    block = world.node.request("eth_getBlockByNumber", hex(clearinghouse.deployedAt()), False)
    receipts = [world.node.request("eth_getTransactionReceipt", made) for made in block["transactions"]]
    assert to_checksum(parse_address(receipts[0]["contractAddress"])) == clearinghouse.address


def test_held_and_tokens_agree_from_the_start(world: World, clearinghouse: Contract, token: Contract) -> None:
    assert clearinghouse.held() == 3 * DEPOSIT == token.balanceOf(clearinghouse.address)
    assert world.node.now < EVENING
