"""The benchmark's own arithmetic: prices, traces, and the serials of a long-running pair of cities."""

from __future__ import annotations

from bench import evm
from bench.bound import ONE_TICKET_HASH
from bench.issued import Habit, one_per_word, ridden
from bench.timing import percentile
from bench.trace import (
    CONDITIONS,
    ECRECOVER,
    ECRECOVER_INPUT,
    FIELDS,
    HASHING,
    LOOP,
    MOVES,
    STRUCT,
    TOTALS,
    loop_purposes,
    read_steps,
)

BATCH_AT = 0x400


def step(op: str, gas: int, *, cost: int = 3, depth: int = 1, pc: int = 0, stack: tuple[int, ...] = ()) -> dict:
    """One entry of structLogs; `stack` has its top last."""
    return {
        "op": op,
        "pc": pc,
        "gas": gas,
        "gasCost": cost,
        "depth": depth,
        "stack": [hex(word) for word in stack],
    }


def test_calldata_is_priced_by_its_zero_and_its_other_bytes() -> None:
    assert evm.calldata_gas(bytes((0, 0, 1))) == 4 + 4 + 16


def test_hashing_a_ticket_takes_the_126_gas_that_everybody_counts() -> None:
    assert ONE_TICKET_HASH == 126


def test_a_call_is_charged_without_what_its_callee_takes() -> None:
    steps = read_steps(
        [
            step("STATICCALL", 10_000),
            step("SLOAD", 9_000, cost=2_100, depth=2),
            step("RETURN", 6_900, cost=0, depth=2),
            step("POP", 7_300, cost=2),
        ]
    )
    assert [one.gas for one in steps] == [600, 2_100, 0, 2]
    assert sum(one.gas for one in steps) == 10_000 - 7_300 + 2


def test_each_step_of_a_round_is_put_down_to_the_purpose_of_its_result() -> None:
    assert loop_purposes(read_steps(one_round_and_more())) == {
        9: FIELDS,  # the ride, copied
        10: MOVES,  # the call's success, dropped
        11: MOVES,  # the cursor, copied
        12: FIELDS,  # a word of the batch
        13: CONDITIONS,
        14: CONDITIONS,  # the recovered address
        15: CONDITIONS,
        16: CONDITIONS,
        17: CONDITIONS,
        18: MOVES,
        19: STRUCT,
        20: STRUCT,
        21: HASHING,
        22: HASHING,
        23: HASHING,
        24: TOTALS,  # left for the next round
        25: LOOP,
        **dict.fromkeys(range(26, 32), ECRECOVER_INPUT),
        32: ECRECOVER,
    }


def one_round_and_more() -> list[dict]:
    """A whole round and the start of the next, as a compiler could have made it."""
    call = (0x20, 0, 0x80, 0x200, 1, 5_000)
    ops: list[tuple[str, tuple[int, ...]]] = [
        ("POP", (7, BATCH_AT, 1)),
        ("DUP1", (7, BATCH_AT)),
        ("MLOAD", (7, BATCH_AT, BATCH_AT)),
        ("PUSH1", (7, BATCH_AT, 99)),
        ("MLOAD", (7, BATCH_AT, 99, 0x200)),
        ("EQ", (7, BATCH_AT, 99, 5)),
        ("PUSH1", (7, BATCH_AT, 0)),
        ("JUMPI", (7, BATCH_AT, 0, 0x50)),
        ("DUP1", (7, BATCH_AT)),
        ("PUSH1", (7, BATCH_AT, BATCH_AT)),
        ("MSTORE", (7, BATCH_AT, BATCH_AT, 0x110)),
        ("PUSH1", (7, BATCH_AT)),
        ("PUSH1", (7, BATCH_AT, 0x40)),
        ("KECCAK256", (7, BATCH_AT, 0x40, 0x100)),
        ("ADD", (7, BATCH_AT, 3)),
        ("JUMPDEST", (7, BATCH_AT + 3)),
        *(("PUSH1", (7, BATCH_AT + 3, *call[:count])) for count in range(6)),
        ("STATICCALL", (7, *call)),
    ]
    copy = (113, BATCH_AT, 0x300)
    logs = [
        step("CALLDATACOPY", 90_100, stack=(0x200, 4, BATCH_AT), pc=1),
        step("MCOPY", 90_000, stack=(7, BATCH_AT, 1, *copy), pc=9),
    ]
    logs += [step(op, 80_000 - 3 * place, stack=stack, pc=10 + place) for place, (op, stack) in enumerate(ops)]
    logs.append(step("MCOPY", 72_000, stack=(7, BATCH_AT + 3, 1, *copy), pc=9))
    return [*logs, step("STOP", 70_000, cost=0, pc=99)]


def test_rides_are_of_tickets_that_were_issued_once_and_some_never_used() -> None:
    window = ridden(Habit(used=0.3, delay=1_000), 256)
    serials = window.before + window.serials
    assert len(window.serials) == 256
    assert len(set(serials)) == len(serials)
    assert 0.2 < len(serials) / (max(serials) - min(serials)) < 0.4


def test_a_pair_that_has_run_for_long_has_known_its_words_before() -> None:
    window = ridden(Habit(used=0.3, delay=1_000), 26)
    known = {serial >> 8 for serial in one_per_word(window.before)}
    assert len({serial >> 8 for serial in window.serials} - known) <= 2


def test_a_percentile_is_one_of_the_times() -> None:
    assert percentile([5.0, 1.0, 3.0], 50) == 3.0
    assert percentile([5.0, 1.0, 3.0], 99) == 5.0
