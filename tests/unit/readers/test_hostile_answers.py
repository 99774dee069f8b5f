"""Every answer of every contract with hostile values in it, read by each program's own way to the chain."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from web3 import Web3

import consortium.chain
import gate_client.chain
import issuer_client.chain
import ledger.chain
from consortium.errors import ChainError as ConsortiumChainError
from gate_client.errors import ChainError as GateChainError
from gate_client.sync import make_trust_list
from gate_client.trust_list import CityStatus, TrustList, load_trust_list, replace_trust_list
from interline.chain_data import encode_call
from interline.contracts import CONTRACTS, load_abi
from interline.safe_text import short_name, text_of
from interline.tariff import Tariff, load_tariff
from issuer_client.errors import ChainError as IssuerChainError
from ledger.errors import LedgerError
from rpc.provider import node_of
from tests.support.deploy import REPOSITORY
from tests.support.hostile import TEXTS, hostile_answers, hostile_values
from tests.support.hostile_node import HostileNode

ADDRESS = "0xCD5691EA878D262516be278cb46f2fd7fF132083"
RAW_ADDRESS = bytes.fromhex(ADDRESS[2:])
GETTERS = [
    (contract, entry)
    for contract in CONTRACTS
    for entry in load_abi(contract)
    if entry["type"] == "function" and entry["stateMutability"] in ("view", "pure")
]
NO_END = 2**40 - 1

Read = Callable[..., Any]


def gate(node: HostileNode) -> gate_client.chain.Chain:
    return gate_client.chain.Chain("node", RAW_ADDRESS, node_of(Web3(node)))


def gate_reads(node: HostileNode) -> Read:
    chain = gate(node)
    return lambda contract, function, *arguments: chain._read(contract, RAW_ADDRESS, function, *arguments)


def office_reads(node: HostileNode) -> Read:
    chain = issuer_client.chain.Chain("http://127.0.0.1:1", RAW_ADDRESS)
    chain._node = node_of(Web3(node))
    return lambda contract, function, *arguments: chain._read(contract, RAW_ADDRESS, function, *arguments)


def accountant_reads(node: HostileNode) -> Read:
    chain = ledger.chain.Chain.__new__(ledger.chain.Chain)
    chain._node = node_of(Web3(node))
    chain.head = SimpleNamespace(number=100)  # type: ignore[assignment]
    contract_at = ledger.chain._Contract
    return lambda contract, function, *arguments: chain._call(contract_at(contract, RAW_ADDRESS), function, *arguments)


def administrator(node: HostileNode) -> consortium.chain.Chain:
    chain = consortium.chain.Chain.__new__(consortium.chain.Chain)
    chain.web3 = Web3(node)
    chain._node = node_of(chain.web3)
    return chain


def administrator_reads(node: HostileNode) -> Read:
    chain = administrator(node)
    return lambda contract, function, *arguments: chain.read(contract, ADDRESS, function, *arguments)


READERS = (gate_reads, office_reads, accountant_reads, administrator_reads)


@pytest.mark.parametrize("reader", READERS)
def test_every_program_reads_every_answer(reader: Callable[[HostileNode], Read]) -> None:
    node = HostileNode()
    read = reader(node)
    for contract, entry in GETTERS:
        arguments = [hostile_values(one)[0][0] for one in entry["inputs"]]
        for data, what in hostile_answers(contract, entry):
            node.data = data
            assert read(contract, entry["name"], *arguments) is not None, what


@pytest.mark.parametrize("data", [b"", b"\xff" * 32, b"\xff" * 1_000], ids=["nothing", "a word", "many"])
def test_an_answer_that_no_contract_gives_is_an_error_of_the_node_in_words(data: bytes) -> None:
    node = HostileNode(data=data)
    with pytest.raises(GateChainError, match="expected"):
        gate(node).cities(100)
    with pytest.raises(ConsortiumChainError, match=r"CityRegistry\.cities at 0x.*: expected an answer"):
        administrator(node).read("CityRegistry", ADDRESS, "cities")
    office = issuer_client.chain.Chain("http://127.0.0.1:1", RAW_ADDRESS)
    office._node = node_of(Web3(node))
    with pytest.raises(IssuerChainError, match="expected"):
        office.treasury(3100)
    with pytest.raises(LedgerError, match="expected"):
        ledger.chain.Chain(node_of(Web3(node)), ADDRESS)


# ---------------------------------------------------------------- the gate's trust list

NAMES = dict(enumerate(TEXTS.values(), 5_000))
WINDOWS = [(0, 1), (0, NO_END), (NO_END - 1, NO_END), (2**33, 2**39), (253_402_300_800, 253_402_300_801)]


def registry() -> HostileNode:
    """256 cities, a hostile name each, with keys whose windows are at the extremes."""
    codes = [3301, *NAMES, *range(6_000, 6_000 + 255 - len(NAMES))]
    return HostileNode(
        {
            ("CityRegistry", "cities"): lambda: [codes],
            ("CityRegistry", "city"): lambda code: [NAMES.get(code, b"x"), 1, ADDRESS, ADDRESS, NO_END, 0],
            ("CityRegistry", "issuerKeyIds"): lambda code: [[*range(len(WINDOWS))] if code in NAMES else [0]],
            ("CityRegistry", "issuerKey"): lambda code, key_id: [ADDRESS, *WINDOWS[key_id]],
            ("Clearinghouse", "eip712Domain"): lambda: [
                *(b"\x0f", b"Interline", b"1", 1337, ADDRESS, bytes(32), []),
            ],
            ("Clearinghouse", "predecessor"): lambda: ["0x" + 40 * "0"],
            ("Clearinghouse", "successor"): lambda: ["0x" + 40 * "0"],
        }
    )


@pytest.fixture(scope="module")
def tariff() -> Tariff:
    return load_tariff(REPOSITORY / "cities" / "tariffs" / "hangzhou")


@pytest.fixture(scope="module")
def trust(tariff: Tariff) -> TrustList:
    return make_trust_list(gate(registry()), 3301, tariff, None)


def test_a_sync_takes_any_names_windows_and_number_of_cities(trust: TrustList) -> None:
    assert len(trust.cities) == 256
    assert {city.code: city.name for city in trust.cities if city.code in NAMES} == {
        code: short_name(text_of(name)) for code, name in NAMES.items()
    }
    assert [(key.valid_from, key.valid_until) for key in trust.cities[5].keys] == WINDOWS


def test_such_a_list_is_read_as_it_was_written(trust: TrustList, tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    replace_trust_list(path, trust)
    assert load_trust_list(path) == trust


@pytest.mark.parametrize("name", ["\\ud800", "\\u0000", "\\u202e", "[/red]", "\\u001b[2J"])
def test_a_list_of_an_earlier_version_loads_with_any_name(trust: TrustList, tmp_path: Path, name: str) -> None:
    path = tmp_path / "list.json"
    text = replace(trust, cities=(replace(trust.cities[0], name="NAME", status=CityStatus.ACTIVE),)).to_json()
    path.write_text(text.replace("NAME", name))
    [city] = load_trust_list(path).cities
    assert city.name.isprintable()
    city.name.encode()


# ---------------------------------------------------------------- refusals of strangers' contracts


def error_string(text: bytes) -> str:
    length = len(text).to_bytes(32, "big").hex()
    return "0x08c379a0" + (32).to_bytes(32, "big").hex() + length + text.hex()


LOOKUP = "0x556f1830" + "00" * 12 + ADDRESS[2:] + "00" * 300
"""OffchainLookup of ERC-3668: web3 would ask an address on the web."""


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (error_string(b"no\xff\x1b[2J"), r"Error(reason=no\xff\x1b[2J): no\xff\x1b[2J"),
        (error_string(b"x")[:60], "Error(malformed: 0x08c379a0"),
        ("0x4e487b71" + "ff" * 32, "Panic(code="),
        ("0x4e487b71" + "ff" * 3, "Panic(malformed: 0x4e487b71ffffff)"),
        (LOOKUP, "0x556f1830"),
        ("0x" + "ff" * 1_000_000, "0xffff"),
        ("0x", "no reason"),
        ("not hexadecimal", "execution reverted"),
        (None, "execution reverted"),
        ({"data": "0x"}, "no reason"),
        (7, "execution reverted"),
    ],
    ids=["text", "text cut", "panic", "panic cut", "lookup", "1 MB", "empty", "no hex", "none", "nested", "number"],
)
def test_whatever_a_proposals_contract_refuses_with_is_words(data: Any, said: str) -> None:
    node = HostileNode(error={"code": 3, "message": "execution reverted", "data": data})
    found = administrator(node).refusal(ADDRESS, ADDRESS, b"\1\2\3\4")
    assert found is not None
    assert found.startswith(said)
    assert found.isprintable()
    assert len(found) < 1_000


def test_every_error_of_ours_cut_short_is_words() -> None:
    for contract in CONTRACTS:
        for entry in load_abi(contract):
            if entry["type"] == "function" and entry["inputs"]:
                data = encode_call(contract, entry["name"], *(_filled(one) for one in entry["inputs"]))
                node = HostileNode(error={"code": 3, "message": "execution reverted", "data": f"0x{data.hex()}"})
                assert administrator(node).refusal(ADDRESS, ADDRESS, b"") is not None


def _filled(parameter: Any) -> Any:
    value = hostile_values(parameter)[0][0]
    return value.decode() if parameter["type"] == "string" else value


@pytest.mark.parametrize("error", [{"code": -32000, "message": "out of gas\x1b[2J"}, "text", {"code": 1}, ["list"]])
def test_a_node_that_cannot_try_a_call_is_said_to(error: Any) -> None:
    found = administrator(HostileNode(error=error)).refusal(ADDRESS, ADDRESS, b"")
    assert found
    assert found.isprintable()


# ---------------------------------------------------------------- one decoder

PROGRAMS = ("interline", "gate_client", "issuer_client", "ledger", "consortium", "scripts")
DECODERS = {"codec", "functions", "decode_function_input", "process_log", "process_receipt"}
"""What decodes in web3, by the attribute's name."""


def decoding(node: ast.AST) -> bool:
    """Whether a piece of a program decodes by eth_abi or web3 rather than by `interline.chain_data`."""
    match node:
        case ast.ImportFrom(module=str(module), names=names) if module.startswith("eth_abi"):
            return any("decode" in one.name.lower() for one in names)
        case ast.Subscript(value=ast.Attribute(attr="events")):
            return True
        case ast.Call(func=ast.Attribute(attr="call", value=owner)):
            return not ast.unparse(owner).endswith(".eth")  # that gives bytes
        case ast.Attribute(attr=attribute):
            return attribute in DECODERS
    return False


def test_no_program_decodes_by_another_decoder() -> None:
    files = [path for program in PROGRAMS for path in (REPOSITORY / program).rglob("*.py")]
    found = [
        f"{path.relative_to(REPOSITORY)}:{getattr(node, 'lineno', 0)}: {ast.unparse(node)}"
        for path in sorted(files)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if decoding(node)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "from eth_abi.abi import decode",
        "contract.functions.city(1).call()",
        "contract.events[event]().get_logs()",
        "web3.codec.decode(types, data)",
        "contract.decode_function_input(data)",
    ],
)
def test_another_decoder_would_be_found(line: str) -> None:
    assert any(map(decoding, ast.walk(ast.parse(line))))
