"""Protocol section 7: the names and types that other vendors rely on, and the ABIs that this repository ships."""

from __future__ import annotations

import re

import pytest
from eth_utils.abi import collapse_if_tuple

from interline.contracts import CONTRACTS, load_abi, sorted_abi
from tests.support.deploy import compiled

CLEARINGHOUSE = """
settle(bytes batch, bytes signature) returns (bytes32 batchId, uint256 settled, uint256 rejected)
payArrears(uint16 debtor, uint16 creditor) returns (uint256 paid)
deposit(uint16 city, uint256 amount, bytes32 bankReference)
withdraw(uint16 city, uint256 amount, bytes32 bankReference)
balanceOf(uint16 city) view returns (uint256)
withdrawable(uint16 city) view returns (uint256)
reserve(uint16 city) view returns (uint256)
arrears(uint16 debtor, uint16 creditor) view returns (uint256)
arrearsOf(uint16 debtor) view returns (uint256)
position(uint16 city) view returns (int256)
isSettled(uint16 issuer, uint16 operator, uint40 serial) view returns (bool)
batches(bytes32 batchId) view returns (uint16 operator, uint40 settledAt, bytes25 outcome)
held() view returns (uint256)
token() view returns (address)
deployedAt() view returns (uint256)
registry() view returns (address)
maxFare() view returns (uint256)
grace() view returns (uint256)
submissionWindow() view returns (uint256)
setDailyLimit(uint16 city, uint256 limit)
dailyLimit(uint16 city) view returns (uint256 limit, uint256 taken)
withheld(uint16 debtor, uint16 creditor) view returns (uint256)
releaseWithheld(uint16 debtor, uint16 creditor, uint256 day) returns (uint256 released)
parametersAt(uint256 exitedAt) view returns ((uint24,uint24,uint32,uint24,uint24,uint16))
cancelSuccessor()
event DailyLimitSet(uint16 indexed city, uint256 limit)
event FaresWithheld(uint16 indexed issuer, uint16 indexed operator, uint256 day, uint256 amount)
event WithheldReleased(uint16 indexed issuer, uint16 indexed operator, uint256 day, uint256 amount)
event SuccessorCancelled(address successor)
event BatchSettled(bytes32 indexed batchId, uint16 indexed operator, uint256 settled, uint256 rejected, uint256 fares)
event PairSettled(bytes32 indexed batchId, uint16 indexed issuer, uint16 indexed operator, uint256 rides, uint256 fares, uint256 paid)
event RideRejected(bytes32 indexed batchId, uint256 index, uint8 reason)
event Deposited(uint16 indexed city, address indexed from, uint256 amount, bytes32 bankReference)
event Withdrawn(uint16 indexed city, address indexed to, uint256 amount, bytes32 bankReference)
event ArrearsPaid(uint16 indexed debtor, uint16 indexed creditor, uint256 amount)
error BatchAlreadySettled(bytes32 batchId)
"""  # noqa: E501

CITY_REGISTRY = """
cities() view returns (uint16[])
city(uint16 code) view returns (string name, uint8 status, address admin, address treasury, uint40 admittedAt, uint40 suspendedAt)
issuerKey(uint16 city, uint8 keyId) view returns (address key, uint40 validFrom, uint40 validUntil)
issuerKeyIds(uint16 city) view returns (uint8[])
isSubmitter(uint16 city, address key) view returns (bool)
revokedAt(uint16 issuer, uint16 operator, uint40 serial) view returns (uint40)
event IssuerKeyAdded(uint16 indexed city, uint8 indexed keyId, address key, uint40 validFrom, uint40 validUntil)
event IssuerKeyEnded(uint16 indexed city, uint8 indexed keyId, uint40 validUntil)
event TicketRevoked(uint16 indexed issuer, uint16 indexed operator, uint40 serial)
"""  # noqa: E501

FACES = [("Clearinghouse", line) for line in CLEARINGHOUSE.strip().splitlines()]
FACES += [("CityRegistry", line) for line in CITY_REGISTRY.strip().splitlines()]


def _types(entries: list[dict]) -> tuple[str, ...]:
    return tuple(collapse_if_tuple(entry) + (" indexed" if entry.get("indexed") else "") for entry in entries)


def _faces(abi: list[dict]) -> set[tuple[str, str, tuple[str, ...], tuple[str, ...], bool]]:
    """(kind, name, types of the inputs, types of the outputs, reads only)"""
    return {
        (
            entry["type"],
            entry["name"],
            _types(entry["inputs"]),
            _types(entry.get("outputs", [])),
            entry.get("stateMutability") == "view",
        )
        for entry in abi
        if "name" in entry
    }


def _face(line: str) -> tuple[str, str, tuple[str, ...], tuple[str, ...], bool]:
    match = re.fullmatch(r"(event |error )?(\w+)\((.*?)\)( view)?( returns \((.*)\))?", line)
    assert match is not None, line
    kind, name, inputs, view, _, outputs = match.groups()

    def types(text: str | None) -> tuple[str, ...]:
        fields = [field.split() for field in (text or "").split(", ") if field]
        return tuple(f"{field[0]}{' indexed' if 'indexed' in field else ''}" for field in fields)

    return (kind or "function").strip(), name, types(inputs), types(outputs), view is not None


@pytest.mark.parametrize(("contract", "line"), FACES, ids=[line.split("(")[0] for _, line in FACES])
def test_the_contracts_have_the_protocols_outward_face(contract: str, line: str) -> None:
    assert _face(line) in _faces(compiled(contract)[0])


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_abis_that_clients_load_are_those_of_the_contracts(contract: str) -> None:
    """If not: `make abi`."""
    assert load_abi(contract) == sorted_abi(compiled(contract)[0])
