"""Batches of another vendor's back office at our Clearinghouse, and beside our gate-client."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest
from web3.exceptions import ContractCustomError

from interline.contracts import load_abi
from interline.reasons import RideReason
from interline.tariff import load_tariff
from network.accounts import Role
from tests.foreign.conftest import ForeignVendor, Gate, Json
from tests.support.deploy import City, Deployment

pytestmark = pytest.mark.foreign

HEADER, GROUP, RIDE = 2, 5, 113  # bytes, protocol section 5
ENTRY_STATION, EXIT_STATION = 3, 11

# Offsets within a batch of one ride, protocol section 5: the last byte of each field, and of the signature beside it.
BATCH_FIELDS = {
    "operator": (1, "OperatorNotMember"),
    "issuer": (3, "NotSubmitter"),
    "keyId": (4, "NotSubmitter"),
    "count": (6, "NotSubmitter"),
    "serial": (11, "NotSubmitter"),
    "notAfter": (15, "NotSubmitter"),
    "fareCap": (19, "NotSubmitter"),
    "rider": (39, "NotSubmitter"),
    "entryStation": (41, "NotSubmitter"),
    "exitStation": (43, "NotSubmitter"),
    "enteredAt": (47, "NotSubmitter"),
    "exitedAt": (51, "NotSubmitter"),
    "fare": (55, "NotSubmitter"),
    "issuerSignature": (119, "NotSubmitter"),
}

# Fields that the operator itself might get wrong and sign: offset within the ride, what is added there, the outcome.
RIDE_FIELDS = {
    "serial": (4, +1, RideReason.BadIssuerSignature),
    "notAfter": (8, -1, RideReason.BadIssuerSignature),
    "fareCap": (12, +1, RideReason.BadIssuerSignature),
    "rider": (32, +1, RideReason.BadIssuerSignature),
    "enteredAt": (37, -1, RideReason.BadTimes),  # 194 days sooner
    "exitedAt": (41, +1, RideReason.BadTimes),  # 194 days later
    "fare": (45, +1, RideReason.AboveFareCap),
    "issuerSignature": (112, +1, RideReason.BadIssuerSignature),
}


@pytest.fixture(scope="module")
def serials() -> Iterator[int]:
    """Serials that no test has used, with room between them for one that is altered."""
    return count(10_000, 2)


@dataclass(frozen=True)
class Books:
    """What the chain says of some cities' money, in fen."""

    balances: dict[str, int]
    held: int

    @classmethod
    def of(cls, deployment: Deployment) -> Books:
        calls = deployment.clearinghouse.functions
        balances = {name: calls.balanceOf(city.code).call() for name, city in deployment.cities.items()}
        return cls(balances, calls.held().call())


def ride(ticket: Json, fare: int, minutes_ago: int = 30) -> Json:
    """A ride of 20 minutes with a ticket, as a back office keeps it."""
    entered_at = int(time.time()) - 60 * minutes_ago
    return {
        "ticket": ticket["ticket"],
        "entryStation": ENTRY_STATION,
        "exitStation": EXIT_STATION,
        "enteredAt": entered_at,
        "exitedAt": entered_at + 20 * 60,
        "fare": fare,
    }


def events(receipt: Json, name: str) -> list[Json]:
    return [event for event in receipt["events"] if event["event"] == name]


def refusal(deployment: Deployment, batch: bytes, signature: bytes) -> str | None:
    """The custom error with which the Clearinghouse refuses a whole batch; None if it doesn't."""
    errors = {
        deployment.web3.keccak(text=f"{e['name']}({','.join(i['type'] for i in e['inputs'])})")[:4].hex(): e["name"]
        for e in load_abi("Clearinghouse")
        if e["type"] == "error"
    }
    try:
        deployment.clearinghouse.functions.settle(batch, signature).call()
    except ContractCustomError as error:
        return str(errors[str(error.data)[2:10]])
    return None


def test_every_ride_of_a_foreign_batch_settles_and_moves_its_fare(
    vendor: ForeignVendor, deployment: Deployment, serials: Iterator[int], shanghai: City, xuzhou: City, hangzhou: City
) -> None:
    from_xuzhou = vendor.issue(xuzhou, hangzhou, [next(serials) for _ in range(3)])
    from_shanghai = vendor.issue(shanghai, hangzhou, [next(serials) for _ in range(2)])
    before = Books.of(deployment)

    batch = vendor.batch(
        hangzhou, [ride(t, fare=500) for t in from_xuzhou] + [ride(t, fare=2_100) for t in from_shanghai]
    )
    receipt = vendor.settle(batch)

    after = Books.of(deployment)
    [settled] = events(receipt, "BatchSettled")
    assert settled == {
        "event": "BatchSettled",
        "batchId": batch["batchId"],
        "operator": hangzhou.code,
        "settled": 5,
        "rejected": 0,
        "fares": 5_500,  # the cap of 2,000 holds for Shanghai's
    }
    pairs = [(p["issuer"], p["operator"], p["rides"], p["fares"], p["paid"]) for p in events(receipt, "PairSettled")]
    assert pairs == [
        (shanghai.code, hangzhou.code, 2, 4_000, 4_000),
        (xuzhou.code, hangzhou.code, 3, 1_500, 1_500),
    ]
    assert events(receipt, "RideRejected") == []
    assert receipt["stored"]["operator"] == hangzhou.code
    assert receipt["stored"]["outcome"] == "0x" + "00" * 25
    moved = {name: after.balances[name] - before.balances[name] for name in after.balances}
    assert moved == {"Shanghai": -4_000, "Hangzhou": 5_500, "Ningbo": 0, "Xuzhou": -1_500}
    assert after.held == before.held == sum(after.balances.values())


def test_a_foreign_batch_sent_twice_is_refused_by_name(
    vendor: ForeignVendor, serials: Iterator[int], xuzhou: City, hangzhou: City
) -> None:
    batch = vendor.batch(hangzhou, [ride(t, fare=300) for t in vendor.issue(xuzhou, hangzhou, [next(serials)])])
    vendor.settle(batch)

    again = vendor.settle(batch, expect=1)

    assert again["error"] == "BatchAlreadySettled"
    assert again["data"].endswith(batch["batchId"][2:])


def test_a_foreign_batch_of_which_any_field_differs_from_what_was_signed_is_refused_whole(
    vendor: ForeignVendor, deployment: Deployment, serials: Iterator[int], xuzhou: City, hangzhou: City
) -> None:
    signed = vendor.batch(hangzhou, [ride(t, fare=300) for t in vendor.issue(xuzhou, hangzhou, [next(serials)])])
    batch, signature = bytes.fromhex(signed["batch"][2:]), bytes.fromhex(signed["signature"][2:])
    assert len(batch) == HEADER + GROUP + RIDE

    def flipped(data: bytes, offset: int) -> bytes:
        return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :]

    refusals = {
        field: refusal(deployment, flipped(batch, offset), signature) for field, (offset, _) in BATCH_FIELDS.items()
    }

    assert refusals == {field: error for field, (_, error) in BATCH_FIELDS.items()}
    assert refusal(deployment, batch, flipped(signature, 63)) == "NotSubmitter"
    recounted = vendor.sign(hangzhou, flipped(batch, 6))  # by the submitter, but a ride short
    recounted_signature = bytes.fromhex(recounted["signature"][2:])
    assert refusal(deployment, flipped(batch, 6), recounted_signature) == "MalformedBatch"
    assert refusal(deployment, batch, signature[:63]) == "InvalidSignatureLength"
    assert refusal(deployment, batch, signature) is None


def test_rides_of_which_one_field_is_wrong_are_refused_each_for_its_reason_and_block_no_other(
    vendor: ForeignVendor,
    deployment: Deployment,
    serials: Iterator[int],
    shanghai: City,
    xuzhou: City,
    ningbo: City,
    hangzhou: City,
) -> None:
    # Groups ascend by city: Shanghai's gets another keyId, Xuzhou's stays, Ningbo's gets another issuer.
    of_key, *from_xuzhou, of_issuer = (
        *vendor.issue(shanghai, hangzhou, [next(serials)]),
        *vendor.issue(xuzhou, hangzhou, [next(serials) for _ in range(len(RIDE_FIELDS) + 1)]),
        *vendor.issue(ningbo, hangzhou, [next(serials)]),
    )
    well_formed = vendor.batch(hangzhou, [ride(t, fare=400) for t in (of_key, *from_xuzhou, of_issuer)])
    batch = bytearray.fromhex(well_formed["batch"][2:])
    first = HEADER + GROUP + RIDE + GROUP
    batch[HEADER + 2] += 1  # keyId of the first group
    for index, (offset, change, _) in enumerate(RIDE_FIELDS.values()):
        position = first + index * RIDE + offset
        batch[position] = (batch[position] + change) % 256
    batch[first + RIDE * len(from_xuzhou) + 1] += 1  # issuer of the last group
    before = Books.of(deployment)

    receipt = vendor.settle(vendor.sign(hangzhou, bytes(batch)))

    outcomes = {event["index"]: RideReason(event["reason"]) for event in events(receipt, "RideRejected")}
    assert outcomes == {
        0: RideReason.BadIssuerSignature,
        **{1 + index: reason for index, (_, _, reason) in enumerate(RIDE_FIELDS.values())},
        len(RIDE_FIELDS) + 2: RideReason.BadIssuerSignature,
    }
    after = Books.of(deployment)
    moved = {name: after.balances[name] - before.balances[name] for name in after.balances}
    assert moved == {"Shanghai": 0, "Hangzhou": 400, "Ningbo": 0, "Xuzhou": -400}


def test_a_batch_signed_by_a_key_that_is_no_submitters_is_refused_whole(
    vendor: ForeignVendor, deployment: Deployment, serials: Iterator[int], xuzhou: City, hangzhou: City
) -> None:
    good = vendor.batch(hangzhou, [ride(t, fare=300) for t in vendor.issue(xuzhou, hangzhou, [next(serials)])])
    stranger = {"operator": hangzhou.code, "submitterKey": "0x" + hangzhou.private_key(Role.SPARE).hex()}
    bad = vendor.ask("batch", stranger | {"batch": good["batch"]})

    batch, signature = bytes.fromhex(bad["batch"][2:]), bytes.fromhex(bad["signature"][2:])

    assert bad["batchId"] == good["batchId"]
    assert refusal(deployment, batch, signature) == "NotSubmitter"


@pytest.fixture
def taps(
    vendor: ForeignVendor, gate: Gate, serials: Iterator[int], shanghai: City, xuzhou: City, hangzhou: City
) -> list[Json]:
    """Two riders with foreign tickets went through our gates; their rides, as a foreign back office keeps them."""
    tickets = [*vendor.issue(shanghai, hangzhou, [next(serials)]), *vendor.issue(xuzhou, hangzhou, [next(serials)])]
    fare = load_tariff(hangzhou.file.tariff).fare(ENTRY_STATION, EXIT_STATION)
    now = int(time.time())
    rides = []
    for ticket in tickets:
        entry, exit_ = vendor.show(ticket, now - 12, now)
        assert gate.scan("entry", ENTRY_STATION, entry["text"])[0] == 0
        assert gate.scan("exit", EXIT_STATION, exit_["text"])[0] == 0
        rides.append(ride(ticket, fare) | {"enteredAt": now - 12, "exitedAt": now})
    return rides


def test_our_gate_settles_rides_of_foreign_codes(
    gate: Gate, taps: list[Json], deployment: Deployment, xuzhou: City, shanghai: City
) -> None:
    before = Books.of(deployment)

    status, [report] = gate.run("submit", "--json")

    after = Books.of(deployment)
    [batch] = report["batches"]
    assert (status, batch["settled"], batch["rejected"]) == (0, len(taps), [])
    assert {name: before.balances[name] - after.balances[name] for name in ("Shanghai", "Xuzhou")} == {
        "Shanghai": taps[0]["fare"],
        "Xuzhou": taps[1]["fare"],
    }


def test_our_gate_counts_the_same_batch_sent_by_a_foreign_back_office_as_sent(
    vendor: ForeignVendor, gate: Gate, taps: list[Json], deployment: Deployment, hangzhou: City
) -> None:
    foreign = vendor.batch(hangzhou, taps)
    receipt = vendor.settle(foreign)
    before = Books.of(deployment)

    status, [report] = gate.run("submit", "--json")

    [batch] = report["batches"]
    assert (status, batch["batch_id"]) == (0, foreign["batchId"])  # two codecs, the same bytes
    assert (batch["settled"], batch["rejected"]) == (len(taps), [])
    assert batch["tx"] in (None, receipt["tx"])  # it wasn't ours: we may not know it, but name no other
    assert Books.of(deployment) == before  # nothing was paid twice
