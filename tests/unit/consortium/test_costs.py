"""What acts cost."""

from consortium.calls import Call, Step
from consortium.costs import Cost, format_fee, total_gas

CALL = Call(Step.ACT, "Ningbo freezes", "0x" + 40 * "1", "admin of Ningbo", "0x" + 40 * "2", b"\1")
GWEI = 10**9


def test_a_fee_is_gas_times_the_chains_price_in_wei() -> None:
    cost = Cost(CALL, 50_000, 3 * GWEI)
    assert cost.fee == 150_000 * GWEI
    assert cost.to_json()["fee"] == "150000000000000"


def test_fees_are_shown_in_the_chains_coin_without_rounding() -> None:
    assert format_fee(150_000 * GWEI) == "0.00015"
    assert format_fee(1) == "0.000000000000000001"
    assert format_fee(2_000 * 10**18) == "2,000"
    assert format_fee(0) == "0"


def test_what_cannot_be_told_yet_is_no_number() -> None:
    unknown = Cost(CALL, None, GWEI)
    assert unknown.fee is None
    assert format_fee(unknown.fee) == "?"
    assert total_gas([Cost(CALL, 50_000, GWEI), unknown]) is None
    assert total_gas([Cost(CALL, 50_000, GWEI)] * 2) == 100_000
