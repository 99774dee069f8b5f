"""What contracts refuse, in words."""

import pytest
from eth_abi.abi import encode

from consortium.refusals import explain_revert, has_sentence
from interline.chain_data import topic_of, type_of
from interline.contracts import CONTRACTS, load_abi
from interline.hashing import keccak256

ADDRESS = "0xCD5691EA878D262516be278cb46f2fd7fF132083"
LIBRARIES = {
    "AddressEmptyCode",
    "ERC20InvalidApprover",
    "ERC20InvalidReceiver",
    "ERC20InvalidSender",
    "ERC20InvalidSpender",
    "FailedCall",
    "InsufficientBalance",
    "InvalidShortString",
    "SafeCastOverflowedUintDowncast",
    "SafeERC20FailedOperation",
    "StringTooLong",
}
"""Errors of OpenZeppelin's parts, whose names say it."""


def refusal(signature: str, *arguments: object) -> bytes:
    types = signature[signature.index("(") + 1 : -1].split(",")
    return keccak256(signature.encode())[:4] + encode(types, arguments)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            refusal("NotPassed(uint256,uint256,uint256)", 7, 1, 2),
            "NotPassed(id=7, votes=1, votesNeeded=2): proposal 7 has 1 of the 2 votes it needs",
        ),
        (
            refusal("NotCityAdmin(uint16,address)", 3301, ADDRESS),
            f"NotCityAdmin(city=3301, caller={ADDRESS}): only the admin of city 3301 may, and {ADDRESS} isn't it",
        ),
        (
            refusal("TooEarly(uint40)", 1_575_172_800),
            "TooEarly(acceptableFrom=1575172800): it can be accepted from 2019-12-01 04:00:00 UTC on",
        ),
        (
            refusal("TooEarly(uint256,uint256)", 7, 1_575_172_800),
            "TooEarly(id=7, executableFrom=1575172800): proposal 7 waits: it can be carried out from "
            "2019-12-01 04:00:00 UTC on",
        ),
        (
            refusal("InsufficientFunds(uint16,uint256,uint256)", 3301, 120_000, 120_001),
            "InsufficientFunds(city=3301, withdrawable=120000, amount=120001): city 3301 can withdraw 1,200.00 yuan "
            "now, came 1,200.01 yuan",
        ),
        (
            refusal("WrongStatus(uint16,uint8)", 3301, 1),
            "WrongStatus(city=3301, status=1): city 3301 is active, and this needs one that stands otherwise",
        ),
        (
            refusal("TooEarly(uint40)", 0),
            "TooEarly(acceptableFrom=0): the city's other key has to name it first, with `change-recovery`",
        ),
        (
            refusal("TooEarly(uint256,uint256)", 7, 0),
            "TooEarly(id=7, executableFrom=0): proposal 7 has its votes, but its wait hasn't begun, or was lost: "
            "`mark-passed 7` begins it anew",
        ),
        (
            refusal("NoVote(uint16,uint256)", 3203, 1_575_172_800),
            "NoVote(city=3203, countsFrom=1575172800): the seat of city 3203 counts in votes from 2019-12-01 "
            "04:00:00 UTC on, a week after it joined",
        ),
        (
            refusal("NoVote(uint16,uint256)", 3203, 0),
            "NoVote(city=3203, countsFrom=0): city 3203 is no member, and has no vote",
        ),
        (
            refusal("StillWithheld(uint256)", 1_575_172_800),
            "StillWithheld(releasableFrom=1575172800): it is above the city's daily limit, and withheld until "
            "2019-12-01 04:00:00 UTC unless its treasury confirms it before",
        ),
        (b"\x01\x02\x03\x04", "0x01020304"),
        (b"", "no reason"),
    ],
)
def test_a_refusal_is_named_with_its_arguments_and_said_in_words(data: bytes, said: str) -> None:
    assert explain_revert(data) == said


def test_every_error_of_our_contracts_is_said_in_words() -> None:
    errors = [entry for contract in CONTRACTS for entry in load_abi(contract) if entry["type"] == "error"]
    for entry in errors:
        selector, types = topic_of(entry)[:4], [*map(type_of, entry["inputs"])]
        values = ["0x" + 40 * "1" if kind == "address" else _some(kind) for kind in types]
        said = explain_revert(selector + encode(types, values))
        known = has_sentence(entry["name"], f"{entry['name']}({','.join(types)})")
        assert known != (entry["name"] in LIBRARIES), entry["name"]
        assert said.startswith(f"{entry['name']}("), said
        assert known == ("): " in said), said


def _some(kind: str) -> object:
    if kind.startswith("bytes"):
        return bytes(int(kind.removeprefix("bytes") or 1))
    return {"bool": True, "string": "word"}.get(kind, 1)
