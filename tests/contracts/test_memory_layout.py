"""The ride loop works at fixed addresses; here they are held to the structs and the ride's bytes that they stand for.

In memory each field of a struct takes a word of 32 bytes, in the order in which it is declared. So a field that is
inserted in front of those that the loop reads, or a struct that grows into what follows it, shows in the sources alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.deploy import CONTRACTS

LIBRARIES = CONTRACTS / "libraries"
WORD = 32
TICKET_FIELDS = ("typehash", "issuer", "keyId", "operator", "serial", "notAfter", "fareCap", "rider")
"""The words of the EIP-712 struct of a ticket."""
RIDE_FIELDS = {
    "serial": 0,
    "notAfter": 5,
    "fareCap": 9,
    "rider": 13,
    "enteredAt": 37,
    "exitedAt": 41,
    "fare": 45,
    "r": 49,
    "s": 81,
}
"""Where a ride's fields begin in its bytes: protocol section 5."""
RIDE_BYTES = 113
IN_USE_BEFORE = 0x600
"""What is below it is Solidity's."""


def fields_of(source: str, struct: str) -> list[str]:
    """The names of a struct's fields, each of which must be of a type that takes a word."""
    found = re.search(rf"struct {struct} \{{(.*?)\}}", source, re.DOTALL)
    assert found is not None, f"expected a struct {struct}, found none"
    lines = [line.split("//")[0].strip() for line in found[1].splitlines()]
    declared = [line.rstrip(";").split() for line in lines if line]
    assert {kind for kind, _ in declared} <= {"uint256", "bytes32"}, f"expected words, found {declared}"
    return [name for _, name in declared]


def constants_of(source: str) -> dict[str, int]:
    """The numbers that a library names."""
    return {
        name: int(value, 0)
        for name, value in re.findall(r"uint256 private constant (\w+) = (0x[0-9a-f]+|\d+);", source)
    }


def faults(loop: str, rules: str) -> Iterator[str]:
    """What of the loop's addresses isn't where it has to be, in words; nothing if all is."""
    at, terms, run = constants_of(loop), fields_of(rules, "Terms"), fields_of(loop, "Run")
    ride, ticket = at["RIDE_AT"], at["TICKET_AT"]
    expected = {
        "TERMS_AT": (ride + RIDE_BYTES + WORD - 1) // WORD * WORD,
        "KEY_AT": at["TERMS_AT"] + WORD * terms.index("key"),
        "LOWEST_AT": at["TERMS_AT"] + WORD * terms.index("lowest"),
        "HIGHEST_AT": at["TERMS_AT"] + WORD * terms.index("highest"),
        "RUN_AT": at["TERMS_AT"] + WORD * len(terms),
        "BATCH_AT": at["RUN_AT"] + WORD * len(run),
        "TICKET_AT": IN_USE_BEFORE,
        "TICKET_ISSUER_AT": ticket + WORD * TICKET_FIELDS.index("issuer"),
        "TICKET_KEY_ID_AT": ticket + WORD * TICKET_FIELDS.index("keyId"),
        "TICKET_OPERATOR_AT": ticket + WORD * TICKET_FIELDS.index("operator"),
        "TICKET_SERIAL_AT": ticket + WORD * TICKET_FIELDS.index("serial"),
        "TICKET_NOT_AFTER_AT": ticket + WORD * TICKET_FIELDS.index("notAfter"),
        "TICKET_FARE_CAP_AT": ticket + WORD * TICKET_FIELDS.index("fareCap"),
        "TICKET_RIDER_AT": ticket + WORD * TICKET_FIELDS.index("rider"),
        "TICKET_BYTES": WORD * len(TICKET_FIELDS),
        "DOMAIN_AT": at["PREFIX_AT"] + 2,
        "TICKET_HASH_AT": at["DOMAIN_AT"] + WORD,
        "PREFIXED_BYTES": 2 + 2 * WORD,
        "DIGEST_AT": (at["PREFIX_AT"] + at["PREFIXED_BYTES"] + WORD - 1) // WORD * WORD,
        "V_AT": at["DIGEST_AT"] + WORD,
        "RIDE_AT": at["DIGEST_AT"] + 2 * WORD - RIDE_FIELDS["r"],
        "S_AT": at["DIGEST_AT"] + 3 * WORD,
        "RECOVERED_AT": at["DIGEST_AT"],
        "NOT_AFTER_AT": ride + RIDE_FIELDS["notAfter"],
        "FARE_CAP_AT": ride + RIDE_FIELDS["fareCap"],
        "ENTERED_AT": ride + RIDE_FIELDS["enteredAt"],
        "EXITED_AT": ride + RIDE_FIELDS["exitedAt"],
        "TIMES_AT": ride + RIDE_FIELDS["fare"] + 4 - WORD,
    }
    for name, value in expected.items():
        if at[name] != value:
            yield f"{name} is {at[name]:#x}, expected {value:#x}"
    if at["PREFIX_AT"] < ticket + at["TICKET_BYTES"]:
        # The prefix may overlap what pads the rider's word, nothing that is written.
        rider_ends = at["TICKET_RIDER_AT"] + 20
        if at["PREFIX_AT"] < rider_ends:
            yield f"the prefix at {at['PREFIX_AT']:#x} overlaps the rider, which ends at {rider_ends:#x}"
    unnamed = re.findall(r"\b0x[0-9a-f]{3}\b", _without_constants(loop))
    if unnamed:
        yield f"addresses without a name: {unnamed}"


def _without_constants(source: str) -> str:
    """Code that isn't a comment, and gives no number its name."""
    lines = (line.split("//")[0] for line in source.splitlines())
    return "\n".join(line for line in lines if " constant " not in line)


def _source(name: str) -> str:
    return Path(LIBRARIES / name).read_text()


@pytest.fixture
def loop() -> str:
    return _source("RideLoop.sol")


@pytest.fixture
def rules() -> str:
    return _source("RideRules.sol")


def test_the_loops_addresses_are_those_of_what_it_reads(loop: str, rules: str) -> None:
    assert list(faults(loop, rules)) == []


def test_the_loops_comment_names_the_addresses_that_it_uses(loop: str) -> None:
    at = constants_of(loop)
    for shown, name in [("{RideRules.Terms}", "TERMS_AT"), ("{Run}", "RUN_AT"), ("the batch's bytes", "BATCH_AT")]:
        assert re.search(rf"///\s+{at[name]:#x}  {re.escape(shown)}", loop), f"expected {at[name]:#x} beside {shown}"


def test_solidity_goes_on_behind_the_longest_list_of_refusals(loop: str) -> None:
    assert "mstore(0x40, and(add(add(BATCH_AT, batch.length), add(div(batch.length, 37), 95)), not(31)))" in loop
    for rides in (1, 2, 36, 37, 38, 255, 999, 1_000):
        length = 2 + 5 * rides + RIDE_BYTES * rides  # a group for each ride: the most bytes
        for size in (7 + RIDE_BYTES * rides, length):
            free = (size + size // 37 + 95) & ~31
            assert free >= size + WORD + 3 * rides, "32 bytes behind the batch, and 3 for each ride"


INSERTIONS = [
    pytest.param("rules", "struct Terms {", "struct Terms {\n        uint256 first;", id="in front of the terms"),
    pytest.param("rules", "uint256 lowest;", "uint256 between;\n        uint256 lowest;", id="between key and lowest"),
    pytest.param("rules", "uint256 keysEnd;", "uint256 keysEnd;\n        uint256 last;", id="behind the terms"),
    pytest.param("loop", "struct Run {", "struct Run {\n        uint256 first;", id="in front of the run"),
    pytest.param("loop", "uint256 rides;", "uint256 rides;\n        uint256 more;", id="within the run"),
    pytest.param("loop", "KEY_AT = 0x7e0", "KEY_AT = 0x800", id="another key"),
    pytest.param("loop", "HIGHEST_AT = 0x820", "HIGHEST_AT = 0x840", id="another highest"),
    pytest.param("loop", "RUN_AT = 0xa80", "RUN_AT = 0xa60", id="a run within the terms"),
    pytest.param("loop", "BATCH_AT = 0xba0", "BATCH_AT = 0xb80", id="a batch within the run"),
    pytest.param("loop", "EXITED_AT = 0x798", "EXITED_AT = 0x794", id="another exit"),
    pytest.param("loop", "mload(KEY_AT)", "mload(0x7e0)", id="an address without a name, of one that has one"),
    pytest.param("loop", "mload(LOWEST_AT)", "mload(0x801)", id="an address without a name"),
]


@pytest.mark.parametrize(("which", "found", "instead"), INSERTIONS)
def test_what_moves_a_field_or_an_address_is_seen(loop: str, rules: str, which: str, found: str, instead: str) -> None:
    """Or else the test above would hold nothing."""
    changed = (loop if which == "loop" else rules).replace(found, instead, 1)
    assert changed not in (loop, rules), f"expected {found!r} in the sources"
    assert list(faults(changed if which == "loop" else loop, changed if which == "rules" else rules)) != []
