"""The order of serials: dense, shuffled within aligned blocks of 256, by nobody's clock or seed."""

import ast
import inspect
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer_client.errors import SerialsExhaustedError
from issuer_client.office import TicketOffice
from issuer_client.serials import BLOCK, BLOCKS, SERIALS, SerialPlace, shuffled_block
from tests.support.deploy import REPOSITORY


def blocks_of(serials: list[int]) -> list[list[int]]:
    return [serials[start : start + BLOCK] for start in range(0, len(serials), BLOCK)]


@given(st.lists(st.integers(1, 700), min_size=1, max_size=8))
def test_every_aligned_block_of_256_is_handed_out_whole_before_the_next(counts: list[int]) -> None:
    place, serials = SerialPlace.start(), list[int]()
    for count in counts:
        taken, place = place.take(count)
        assert len(taken) == count
        serials += taken
    for number, block in enumerate(blocks_of(serials)):
        assert len(set(block)) == len(block)
        assert {serial // BLOCK for serial in block} == {number}
        if len(block) == BLOCK:
            assert sorted(block) == list(range(number * BLOCK, (number + 1) * BLOCK))
    assert place.handed_out == len(serials)


def test_serials_within_a_block_are_in_no_order() -> None:
    serials, _ = SerialPlace.start().take(200 * BLOCK)
    neighbours = sum(abs(b - a) == 1 for block in blocks_of(serials) for a, b in itertools.pairwise(block))
    ascents = sum(b > a for block in blocks_of(serials) for a, b in itertools.pairwise(block))
    # Of a fair shuffle 398 on average (2 a block), with a standard deviation of 20; and half of 51,000 steps go
    # up, with one of 65. The bounds are ten and fifteen away: a fair shuffle fails less than once in 10^20 runs.
    assert 200 < neighbours < 600
    assert 24_500 < ascents < 26_500


def test_the_first_serial_of_a_block_can_be_any_of_it() -> None:
    firsts = {shuffled_block()[0] for _ in range(512)}
    # 221 different ones on average, with a standard deviation of 5: a fair one fails less than once in 10^20 runs.
    assert len(firsts) > 170


def test_a_shuffle_that_is_handed_in_is_had_again() -> None:
    first, second = (
        SerialPlace.start(random.Random(1).shuffle).take(3 * BLOCK, random.Random(2).shuffle) for _ in "ab"
    )
    assert first == second


def test_no_program_hands_in_a_shuffle_of_its_own() -> None:
    """Only experiments do: what can be foretold betrays riders. An office unlocked by its keystore takes none."""
    assert "shuffle" not in inspect.signature(TicketOffice.unlock).parameters
    calls = [
        (path.name, call.func.id if isinstance(call.func, ast.Name) else call.func.attr)
        for package in ("issuer_client", "gate_client", "consortium", "scripts", "demo", "network", "bench")
        for path in sorted((REPOSITORY / package).rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name | ast.Attribute)
        if "shuffle" in {keyword.arg for keyword in call.keywords}
    ]
    assert calls == [("office.py", "TicketRegister")]


def test_the_shuffle_does_not_follow_a_seed() -> None:
    random.seed(1)
    first = shuffled_block()
    random.seed(1)
    assert shuffled_block() != first


def test_serials_are_taken_up_to_the_last_of_two_to_the_forty() -> None:
    last_block = SerialPlace(block=BLOCKS - 1, shuffled=shuffled_block(), used=0)
    serials, place = last_block.take(BLOCK)
    assert max(serials) == SERIALS - 1 == 2**40 - 1
    assert place.left == 0


def test_the_end_of_the_serials_is_refused_and_not_wrapped_around() -> None:
    almost = SerialPlace(block=BLOCKS - 1, shuffled=shuffled_block(), used=BLOCK - 3)
    with pytest.raises(SerialsExhaustedError, match=r"expected at most 3 tickets.*came 4"):
        almost.take(4)
    assert len(almost.take(3)[0]) == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("block", -1),
        ("block", BLOCKS),
        ("shuffled", bytes(BLOCK)),
        ("shuffled", b"\x00\x01"),
        ("used", -1),
        ("used", 257),
    ],
)
def test_a_damaged_place_is_refused(field: str, value: object) -> None:
    fields: dict[str, object] = {"block": 0, "shuffled": bytes(range(BLOCK)), "used": 0}
    SerialPlace(**fields)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected"):
        SerialPlace(**(fields | {field: value}))  # type: ignore[arg-type]
