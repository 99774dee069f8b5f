"""Rides that both sides know: a home city's office issued their tickets, and an operator's gates took their codes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass

from interline.batch import Batch
from interline.rider_keys import RiderPrivateKey
from tests.support.deploy import City, Deployment
from tests.support.gates import GateFolder
from tests.support.offices import OfficeFolder
from tests.support.riders import Rider

DAY = 86_400


@dataclass(frozen=True)
class Place:
    """Where a ride stands on chain, as commands take it."""

    batch: str
    index: int

    @property
    def arguments(self) -> tuple[str, str]:
        return self.batch, str(self.index)

    @property
    def id(self) -> bytes:
        return bytes.fromhex(self.batch[2:])


def chain_time(deployment: Deployment) -> int:
    """The newest block's time."""
    return int(deployment.web3.eth.get_block("latest")["timestamp"])


def pass_time(deployment: Deployment, seconds: int) -> None:
    """Let time pass on the chain."""
    request = deployment.web3.provider.make_request
    request("evm_increaseTime", [seconds])  # type: ignore[arg-type]
    request("anvil_mine", ["0x1"])  # type: ignore[arg-type]


def issue(office: OfficeFolder, operator: City, count: int) -> list[Rider]:
    """Riders with tickets that the office issued a while ago."""
    phones = [RiderPrivateKey.generate() for _ in range(count)]
    with office.open(lambda: time.time() - 2 * DAY) as opened:
        tickets = opened.issue(operator.code, [phone.public.data for phone in phones])
    return [Rider(office.config.domain, ticket, phone) for ticket, phone in zip(tickets, phones, strict=True)]


def carry(gate: GateFolder, riders: list[Rider], *, lone: bool = False) -> list[Place]:
    """Let riders through the gates, settle their rides in one batch, and say where each of them stands.

    With `lone`, none of them left through a gate, and a day has passed.
    """
    if lone:
        entered = int(time.time())
        answers = gate.scan_texts("entry", [rider.shows(entered).to_text() for rider in riders], station=1)
        assert {answer["reason"] for answer in answers} == {"accepted"}
        _let_a_day_pass(gate, riders, entered)
    else:
        gate.pass_through(riders)
    [batch] = gate.json("submit")["batches"]
    assert (batch["settled"], batch["rejected"]) == (len(riders), [])
    return places(gate, batch["batch_id"], riders)


def places(gate: GateFolder, batch_id: str, riders: list[Rider]) -> list[Place]:
    """Where the riders' rides stand in a batch of the journal."""
    [[data]] = rows(gate, "SELECT bytes FROM batches WHERE batch_id = ?", bytes.fromhex(batch_id[2:]))
    index = {(issuer, ride.serial): i for i, issuer, _, ride in Batch.from_bytes(data).iter_rides()}
    return [Place(batch_id, index[rider.ticket.issuer, rider.ticket.serial]) for rider in riders]


def rows(gate: GateFolder, query: str, *parameters: object) -> list[tuple[object, ...]]:
    """What a statement gives on a gate's journal; it may change it, too."""
    db = sqlite3.connect(gate.journal)
    try:
        found = db.execute(query, parameters).fetchall()
        db.commit()
        return found
    finally:
        db.close()


def _let_a_day_pass(gate: GateFolder, riders: list[Rider], entered: int) -> None:
    """Put the riders' codes of more than a day ago in the place of those just shown."""
    for rider in riders:
        before = rider.shows(entered - DAY - 60)
        rows(
            gate,
            "UPDATE taps SET shown_at = ?, code = ? WHERE issuer = ? AND serial = ? AND direction = 'entry'",
            before.shown_at,
            before.to_bytes(),
            rider.ticket.issuer,
            rider.ticket.serial,
        )


def dispute_of(deployment: Deployment, place: Place) -> Iterator[object]:
    """What the chain says of a ride's case."""
    yield from deployment.refunds.functions.caseOf(place.id, place.index).call()
