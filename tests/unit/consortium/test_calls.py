"""Calldata of our contracts, and their refusals in words."""

from eth_abi.abi import encode

from consortium.calls import decode_call, describe_revert, encode_call
from interline.hashing import keccak256

ADDRESS = "0xCD5691EA878D262516be278cb46f2fd7fF132083"


def test_a_call_decodes_to_its_arguments() -> None:
    data = encode_call("CityRegistry", "admit", 3203, "Xuzhou", ADDRESS, ADDRESS)
    assert data[:4] == keccak256(b"admit(uint16,string,address,address)")[:4]
    assert decode_call("CityRegistry", "admit", data) == (3203, "Xuzhou", ADDRESS.lower(), ADDRESS.lower())


def test_other_data_is_no_call_of_that_function() -> None:
    data = encode_call("CityRegistry", "suspend", 3203)
    assert decode_call("CityRegistry", "admit", data) is None
    cut = encode_call("CityRegistry", "admit", 3203, "Xuzhou", ADDRESS, ADDRESS)[:-1]
    assert decode_call("CityRegistry", "admit", cut[:40]) is None
    assert decode_call("CityRegistry", "admit", b"") is None


def test_a_refusal_is_named_with_its_arguments() -> None:
    data = keccak256(b"NotPassed(uint256,uint256,uint256)")[:4] + encode(["uint256"] * 3, [7, 1, 2])
    assert describe_revert(data) == "NotPassed(id=7, votes=1, votesNeeded=2)"


def test_an_unknown_refusal_is_shown_as_it_came() -> None:
    assert describe_revert(b"\x01\x02\x03\x04") == "0x01020304"
    assert describe_revert(b"") == "no reason"
