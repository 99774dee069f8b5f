"""The client of the contract tests itself."""

from tests.contracts.node import CALLS_AT_ONCE
from tests.contracts.story import SHANGHAI, World


def test_more_calls_than_one_request_takes_are_answered_in_their_order(world: World) -> None:
    """Long fuzz runs ask for everything that ever settled: 12,000 calls are more than anvil takes at once."""
    register, number = world.clearinghouse, 12 * CALLS_AT_ONCE + 1
    balance, nothing = register.balanceOf(SHANGHAI.code), register.balanceOf(9_999)
    assert balance != nothing
    calls = [register.call("balanceOf", SHANGHAI.code if index % 7 == 0 else 9_999) for index in range(number)]
    assert world.node.read_all(calls) == [nothing if index % 7 else balance for index in range(number)]


def test_no_calls_have_no_answers(world: World) -> None:
    assert world.node.read_all([]) == []
