"""One batch with tickets of two domains: it settles at two Clearinghouses under one id, each its own rides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gate_client.chain import Chain as GateChain
from gate_client.errors import RefundError
from gate_client.refunding import plan_refund
from interline.batch import Batch, sign_batch
from interline.ride import Ride
from interline.rider_keys import RiderPrivateKey
from interline.signatures import to_checksum
from interline.ticket import sign_ticket
from ledger.chain import Chain as LedgerChain
from ledger.index.store import Index
from ledger.recompute import recompute
from network.accounts import Role
from network.chain import Chain
from rpc import Node
from tests.e2e.test_rides_feed import succeeded
from tests.support.deploy import City, Deployment, deploy
from tests.support.gates import gate_folder
from tests.support.node_proxy import NodeProxy
from tests.support.offices import OfficeFolder, office_folder
from tests.support.relays import hoard_of, send_data


@dataclass
class World:
    """Two Clearinghouses of a succession, and a batch whose ride 0 settled at the old one, ride 1 at the new one."""

    old: Deployment
    new: Deployment
    batch: Batch

    @property
    def hangzhou(self) -> City:
        return self.old.cities["Hangzhou"]

    @property
    def xuzhou(self) -> City:
        return self.old.cities["Xuzhou"]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Chain(block_time=None) as chain:
        old = deploy(chain.url, cities=["Shanghai", "Hangzhou", "Xuzhou"])
        new = succeeded(old)
        xuzhou, hangzhou = old.cities["Xuzhou"], old.cities["Hangzhou"]
        rides = [(xuzhou.code, 1, _ride(one, xuzhou, hangzhou, serial)) for serial, one in enumerate((old, new))]
        batch = Batch.build(hangzhou.code, rides)
        for one in (old, new):
            signature = sign_batch(one.domain, hangzhou.private_key(Role.SUBMITTER), batch)
            send_data(one, hoard_of(one, batch, signature), b"")
        yield World(old, new, batch)


def _ride(at: Deployment, issuer: City, operator: City, serial: int) -> Ride:
    now = int(at.web3.eth.get_block("latest")["timestamp"])
    fields: dict[str, Any] = {"serial": serial, "not_after": now + 86_400, "fare_cap": 2_000}
    ticket = sign_ticket(
        at.domain,
        issuer.private_key(Role.ISSUER_KEY),
        issuer=issuer.code,
        key_id=1,
        operator=operator.code,
        rider_key=RiderPrivateKey.generate().public.data,
        **fields,
    )
    way = {"entry_station": 1, "exit_station": 9, "entered_at": now - 600, "exited_at": now - 60, "fare": 400 + serial}
    return Ride(**fields, **way, rider=ticket.rider, issuer_signature=ticket.signature)


@pytest.fixture
def office(world: World, tmp_path: Path) -> OfficeFolder:
    """Xuzhou's, which issues for the old one still."""
    return office_folder(tmp_path / "xuzhou", world.old, world.xuzhou)


def address(one: Deployment) -> str:
    return to_checksum(one.domain.clearinghouse)


def test_each_clearinghouses_books_have_its_own_ride(world: World) -> None:
    for one, fare in ((world.old, 400), (world.new, 401)):
        view = LedgerChain(Node.at(one.url), one.clearinghouse.address)
        with Index.open(":memory:", write=True) as index:
            found = recompute(view, index)
            assert (found.differences, found.rides, found.unread, found.unseen) == ((), 1, (), 0)
            assert index.cursor().execute("SELECT fare FROM rides").fetchall() == [(fare,)]


def test_the_feed_has_each_ride_once_with_its_clearinghouse(world: World, office: OfficeFolder) -> None:
    rides = office.json("rides", status=1)["rides"]  # never issued by this register, so flagged
    assert sorted((one["clearinghouse"], one["index"], one["fare"]) for one in rides) == sorted(
        [(address(world.old), 0, 400), (address(world.new), 1, 401)]
    )


def test_a_dispute_is_asked_for_where_the_ride_settled(world: World, office: OfficeFolder) -> None:
    found = office.json("dispute", f"0x{world.batch.id.hex()}", 0, 1, "--dry-run")["disputes"]
    assert [(one["index"], one["clearinghouse"], one["amount"], one["state"]) for one in found] == [
        (0, address(world.old), 400, "would_dispute"),
        (1, address(world.new), 401, "would_dispute"),
    ]


def test_a_clearinghouse_that_is_named_is_taken(world: World, office: OfficeFolder) -> None:
    batch = f"0x{world.batch.id.hex()}"
    [found] = office.json("dispute", batch, 1, "--clearinghouse", address(world.old), "--dry-run", status=1)["disputes"]
    assert "was refused on chain (BadIssuerSignature)" in found["problem"]
    done = office.run("dispute", batch, 1, "--clearinghouse", "0x" + "11" * 20, "--dry-run")
    assert done.returncode != 0
    assert "is none of them" in done.stderr


def test_a_dispute_that_is_opened_is_listed_and_its_ride_named(world: World, office: OfficeFolder) -> None:
    [opened] = office.json("dispute", f"0x{world.batch.id.hex()}", 1)["disputes"]
    assert (opened["state"], opened["clearinghouse"]) == ("disputed", address(world.new))
    [case] = office.json("disputes")["cases"]
    assert (case["clearinghouse"], case["index"], case["serial"]) == (address(world.new), 1, 1)


def test_a_refund_is_made_where_the_ride_settled(world: World) -> None:
    chains = [GateChain(one.url, one.domain.clearinghouse) for one in (world.old, world.new)]
    for index, one, fare in ((0, world.old, 400), (1, world.new, 401)):
        planned = plan_refund(chains, world.hangzhou.code, world.batch.id, index, None)
        assert (planned.domain.clearinghouse, planned.call.amount) == (one.domain.clearinghouse, fare)
    with pytest.raises(RefundError, match=r"ride 1 was refused on chain \(BadIssuerSignature\)"):
        plan_refund(chains, world.hangzhou.code, world.batch.id, 1, None, clearinghouse=world.old.domain.clearinghouse)
    with pytest.raises(RefundError, match="is none of them"):
        plan_refund(chains, world.hangzhou.code, world.batch.id, 1, None, clearinghouse=bytes([1] * 20))


def test_a_refund_takes_bytes_by_hand_where_neither_journal_nor_node_has_them(world: World, tmp_path: Path) -> None:
    (tmp_path / "batch").write_text(f"0x{world.batch.to_bytes().hex()}\n")
    with NodeProxy(world.old.url) as node:
        gate = gate_folder(tmp_path / "gate", world.old, world.hangzhou, rpc=node.url)
        refund = ["refund", f"0x{world.batch.id.hex()}", "0", "all", "--dry-run"]
        without = gate.run(*refund)
        assert without.returncode == 2
        assert "expected its bytes in the input of the transaction that settled it, got 0 bytes" in without.stderr
        found = gate.json(*refund, "--batch", str(tmp_path / "batch"))
        assert (found["amount"], found["clearinghouse"]) == (400, address(world.old))
        (tmp_path / "batch").write_bytes(world.batch.to_bytes()[:-113])
        cut = gate.run(*refund, "--batch", str(tmp_path / "batch"))
        assert (cut.returncode, "expected a whole batch" in cut.stderr) == (2, True)


def test_a_dispute_takes_bytes_by_hand_where_the_node_has_none(world: World, office: OfficeFolder) -> None:
    batch, path = f"0x{world.batch.id.hex()}", office.folder / "batch"
    path.write_bytes(world.batch.to_bytes())
    with NodeProxy(world.old.url) as node:
        asked = ["dispute", batch, 0, "--rpc", node.url, "--dry-run"]
        without = office.run(*asked)
        assert without.returncode == 2
        assert "give it with --batch FILE" in without.stderr
        [found] = office.json(*asked, "--batch", path)["disputes"]
        assert (found["state"], found["amount"]) == ("would_dispute", 400)
        other = office.run("dispute", "0x" + "11" * 32, 0, "--rpc", node.url, "--dry-run", "--batch", path)
        assert other.returncode == 2
        assert "they are of another batch, or were changed" in other.stderr
