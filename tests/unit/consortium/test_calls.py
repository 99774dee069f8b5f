"""Calldata of our contracts."""

from consortium.calls import decode_call, encode_call, function_of
from interline.hashing import keccak256

ADDRESS = "0xCD5691EA878D262516be278cb46f2fd7fF132083"


def test_a_call_decodes_to_its_arguments() -> None:
    data = encode_call("CityRegistry", "admit", 3203, "Xuzhou", ADDRESS, ADDRESS, ADDRESS)
    assert data[:4] == keccak256(b"admit(uint16,string,address,address,address)")[:4]
    assert decode_call("CityRegistry", "admit", data) == (3203, "Xuzhou", *[ADDRESS] * 3)


def test_other_data_is_no_call_of_that_function() -> None:
    data = encode_call("CityRegistry", "suspend", 3203)
    assert decode_call("CityRegistry", "admit", data) is None
    cut = encode_call("CityRegistry", "admit", 3203, "Xuzhou", ADDRESS, ADDRESS, ADDRESS)[:-1]
    assert decode_call("CityRegistry", "admit", cut[:40]) is None
    assert decode_call("CityRegistry", "admit", b"") is None


def test_a_call_is_read_with_the_names_of_its_arguments() -> None:
    data = encode_call("CityRegistry", "recover", 3203, ADDRESS)
    read = function_of("CityRegistry", data)
    assert read is not None
    assert (read.function, list(read.arguments.values())) == ("recover", [3203, ADDRESS])
    assert str(read).endswith(f"to={ADDRESS})")


def test_a_struct_is_encoded_and_read_as_a_tuple() -> None:
    parameters = (20_000, 86_400, 2_592_000, 2_592_000, 864_000, 500)
    data = encode_call("Clearinghouse", "setParameters", parameters)
    signature = b"setParameters((uint24,uint24,uint32,uint24,uint24,uint16))"
    assert data[:4] == keccak256(signature)[:4]
    read = function_of("Clearinghouse", data)
    assert read is not None
    assert list(read.arguments.values()) == [parameters]


def test_what_says_more_or_less_than_a_call_needs_is_no_call() -> None:
    data = encode_call("Clearinghouse", "setReserve", 3203, 5)
    assert function_of("Clearinghouse", data) is not None
    assert function_of("Clearinghouse", data + b"\0") is None
    assert function_of("Clearinghouse", data[:-1]) is None
    assert function_of("Clearinghouse", data[:4] + b"\1" + data[5:]) is None  # dirt above a uint16
    assert function_of("CityRegistry", data) is None
