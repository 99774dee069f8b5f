"""An index filled by hand, without a chain: for unit tests of what asks the index.

    world = IndexRows(index)                        # an Index that is open to write; its blocks begin in November 2019
    shanghai, hangzhou = world.admit(3100, "Shanghai"), world.admit(3301, "Hangzhou")
    world.deposit(shanghai, 10_000)
    batch = world.settle(hangzhou, [(shanghai, 400), (shanghai, 500)], at=moment("2019-12-02 09:00"))
    world.dispute(batch, 0)
    world.answer(batch, 0)                          # or world.refund(batch, 0, 400, cause=UNANSWERED)

Each act is a block of its own with its events; batches are real ones, with tickets signed by the issuers' test keys and
registered in the events; money moves by ledger.books, as on the chain.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from interline.batch import Batch
from interline.domain import Domain, batch_digest, ticket_hash
from interline.hashing import keccak256
from interline.operating_day import OperatingDay
from interline.ride import Ride
from interline.signatures import address_of, sign_compact, to_checksum
from ledger.books import Books
from ledger.daily_limits import DAY
from ledger.head import Head
from ledger.index.store import Index
from ledger.index.writing import Rows, keep_blocks

BY_OPERATOR, UNANSWERED, REVOKED = 0, 1, 2
"""IRefunds.Cause."""
FIRST_BLOCK: Final = 1_000
FARE_CAP: Final = 3_000
_CLEARINGHOUSE: Final = keccak256(b"clearinghouse of index_rows")[:20]


def moment(text: str) -> int:
    """Unix seconds of a local time in Shanghai: "2019-12-05 03:59"."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai")).timestamp())


@dataclass(frozen=True)
class WrittenBatch:
    """A batch in the index: its number there, and what it holds."""

    number: int
    batch: Batch
    refused: Mapping[int, int]


class IndexRows:
    """Writes acts into an index, one block after another. Amounts in fen, times in Unix seconds."""

    def __init__(
        self,
        index: Index,
        *,
        start: int | None = None,
        clocks: Mapping[int, OperatingDay] | None = None,
        chain_id: int = 1337,
    ) -> None:
        self.index = index
        self.now = moment("2019-11-01 12:00") if start is None else start
        self.domain = Domain(chain_id, _CLEARINGHOUSE)
        self.books = Books()
        self.block = FIRST_BLOCK - 1
        self._clocks = clocks or {}
        self._serials: dict[tuple[int, int], int] = {}
        self._batches = 0
        self._rows = Rows()
        self._place = 0
        contracts = ("registry", "refunds", "consortium", "token")
        addresses = {name: to_checksum(keccak256(name.encode())[:20]) for name in contracts}
        index.bind(
            {
                "chain_id": str(chain_id),
                "clearinghouse": to_checksum(_CLEARINGHOUSE),
                **addresses,
                "since": str(FIRST_BLOCK),
            }
        )

    # ------------------------------------------------------------ members

    def admit(self, code: int, name: str, at: int | None = None) -> int:
        """A city becomes a member, with issuer key 1 and a submitter; gives its code."""
        self._begin(at)
        key = to_checksum(address_of(issuer_key(code)))
        roles = ("admin", "treasury", "recovery")
        addresses = {role: to_checksum(keccak256(b"%s %d" % (role.encode(), code))[:20]) for role in roles}
        self.event("CityRegistry", "CityAdmitted", city=code, name=name, **addresses, countsFrom=self.now)
        self.event(
            "CityRegistry", "IssuerKeyAdded", city=code, keyId=1, key=key, validFrom=self.now, validUntil=2**40 - 1
        )
        submitter = to_checksum(address_of(submitter_key(code)))
        self.event("CityRegistry", "SubmitterAdded", city=code, key=submitter)
        self._end()
        return code

    def told(self, contract: str, name: str, /, *, at: int | None = None, **arguments: Any) -> int:
        """Any other event, in a block of its own; gives the block's number."""
        self._begin(at)
        self.event(contract, name, **arguments)
        return self._end()

    # ------------------------------------------------------------ money

    def deposit(self, city: int, amount: int, reference: bytes = bytes(32), at: int | None = None) -> int:
        """Funds come in; gives the block's number."""
        return self._transfer("deposit", "Deposited", "from", city, amount, reference, at)

    def withdraw(self, city: int, amount: int, reference: bytes = bytes(32), at: int | None = None) -> int:
        """Funds go out; gives the block's number."""
        return self._transfer("withdrawal", "Withdrawn", "to", city, amount, reference, at)

    def pay_arrears(self, debtor: int, creditor: int, at: int | None = None) -> int:
        """Arrears are paid as far as the balance reaches; gives the block's number."""
        self._begin(at)
        owed = self.books.arrears[debtor, creditor] - self.books.withheld[debtor, creditor]
        amount = min(owed, self.books.balances[debtor])
        place = self._arrears_paid(debtor, creditor, amount)
        self._rows.add_entry(self.books.pay_arrears(debtor, creditor, amount), **self._at(place))
        return self._end()

    def limit(self, city: int, most: int, at: int | None = None) -> int:
        """A city's treasury sets its daily limit (fen; 0 for none); gives the block's number."""
        self.books.limits.set(city, most)
        return self.told("Clearinghouse", "DailyLimitSet", at=at, city=city, limit=most)

    def release(self, debtor: int, creditor: int, day: int, at: int | None = None) -> int:
        """What was withheld on a day (since 1970) can be paid from now on; gives the block's number."""
        self._begin(at)
        on_days = {one: of for one, of in self.books.withheld_on.items() if one[:2] == (debtor, creditor)}
        set_off = sum(on_days.values()) - self.books.withheld[debtor, creditor]
        amount = max(on_days[debtor, creditor, day] - set_off, 0)
        self.books.release(debtor, creditor, day, amount)
        told = {"issuer": debtor, "operator": creditor, "day": day, "amount": amount}
        place = self.event("Clearinghouse", "WithheldReleased", **told)
        self._rows.add("withholdings", *self._where(place), "released", debtor, creditor, day, -amount)
        return self._end()

    # ------------------------------------------------------------ rides

    def settle(
        self,
        operator: int,
        rides: Sequence[tuple[int, int] | tuple[int, int, int]],
        *,
        at: int | None = None,
        refused: Mapping[int, int] | None = None,
    ) -> WrittenBatch:
        """Settle rides, each (issuer, fare) or (issuer, fare, exited_at), by default half an hour old.

        `refused` has the reasons of those that don't settle, by their index in the batch: issuers ascend in it, and
        rides of one issuer stand as they are given.
        """
        self._begin(at)
        refused = refused or {}
        batch = self.carry(operator, rides)
        self._batches += 1
        for index, reason in sorted(refused.items()):
            self._rows.add("refused_rides", self._batches, index, reason, self.block)
            self.event("Clearinghouse", "RideRejected", batchId=_hex(batch.id), index=index, reason=reason)
        settled = [one for one in batch.iter_rides() if one[0] not in refused]
        for issuer in sorted({issuer for _, issuer, _, _ in settled}):
            self._pair(batch, issuer, [ride.fare for _, of, _, ride in settled if of == issuer])
        for index, issuer, key_id, ride in settled:
            self._add_ride(operator, index, issuer, key_id, ride)
        counts = (len(settled), len(refused), sum(ride.fare for *_, ride in settled))
        told = dict(zip(("settled", "rejected", "fares"), counts, strict=True))
        place = self.event("Clearinghouse", "BatchSettled", batchId=_hex(batch.id), operator=operator, **told)
        self._rows.add(
            "batches",
            self._batches,
            batch.id,
            operator,
            self.block,
            place,
            self._tx,
            self.now,
            *counts,
            batch.to_bytes(),
            sign_compact(submitter_key(operator), batch_digest(self.domain, operator, batch.id)),
        )
        self._end()
        return WrittenBatch(self._batches, batch, refused)

    def carry(self, operator: int, rides: Sequence[tuple[int, int] | tuple[int, int, int]]) -> Batch:
        """Rides as for `settle` in a batch that isn't sent."""
        return Batch.build(operator, [self._ride(operator, *ride) for ride in rides])

    def refund(
        self, batch: WrittenBatch, index: int, amount: int, *, cause: int = BY_OPERATOR, at: int | None = None
    ) -> int:
        """A part of a ride's fare goes back; gives the block's number."""
        self._begin(at)
        issuer, operator = self._between(batch, index)
        paid, set_off = self._obligation(operator, issuer, amount)
        told = {"amount": amount, "paid": paid, "cause": cause}
        place = self._about(batch, index, "RideRefunded", issuer, operator, **told)
        self._rows.add("refunds", *self._where(place), batch.number, index, issuer, operator, amount, paid, cause)
        withheld = self.books.withheld[issuer, operator]
        entry = self.books.refund(issuer, operator, amount, paid, set_off)
        self._cap(place, issuer, operator, withheld)
        self._rows.add_entry(entry, **self._at(place), batch=batch.number, index=index)
        return self._end()

    def dispute(self, batch: WrittenBatch, index: int, *, fee: int = 500, at: int | None = None) -> int:
        """A ride's fare is disputed, all of it that there is; gives the block's number."""
        self._begin(at)
        issuer, operator = self._between(batch, index)
        amount, until = self._fare(batch, index), self.now + 10 * 86_400
        place = self._about(batch, index, "RideDisputed", issuer, operator, amount=amount, answerUntil=until, fee=fee)
        self._rows.add("disputes", *self._where(place), batch.number, index, issuer, operator, amount, until, fee)
        return self._end()

    def answer(self, batch: WrittenBatch, index: int, *, fee: int = 500, at: int | None = None) -> int:
        """A dispute is answered: the issuer owes the operator the fee; gives the block's number."""
        self._begin(at)
        issuer, operator = self._between(batch, index)
        paid, set_off = self._obligation(issuer, operator, fee)
        place = self._about(batch, index, "RideUpheld", issuer, operator, fee=fee, paid=paid)
        self._rows.add("answers", *self._where(place), batch.number, index, issuer, operator, fee, paid)
        withheld = self.books.withheld[operator, issuer]
        entry = self.books.fee(issuer, operator, fee, paid, set_off)
        self._cap(place, operator, issuer, withheld)
        self._rows.add_entry(entry, **self._at(place), batch=batch.number, index=index)
        return self._end()

    # ------------------------------------------------------------ blocks and events

    def empty_block(self, at: int | None = None) -> int:
        """A block without events; gives its number."""
        self._begin(at)
        return self._end()

    def event(self, contract: str, name: str, /, **arguments: Any) -> int:
        """An event of the block that is being made; gives its place."""
        place, self._place = self._place, self._place + 1
        text = json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
        self._rows.add("events", self.block, place, self._tx, contract, name, text)
        return place

    def _begin(self, at: int | None) -> None:
        self.block += 1
        self._place = 0
        self._rows = Rows()
        self.now = self.now + 60 if at is None else at

    def _end(self) -> int:
        head = Head(self.block, _hex(keccak256(b"block %d" % self.block)), self.now)
        with self.index.writing() as cursor:
            self._rows.insert(cursor)
            keep_blocks(cursor, [head])
        return self.block

    @property
    def _tx(self) -> bytes:
        return keccak256(b"transaction of block %d" % self.block)

    def _where(self, place: int) -> tuple[int, int, bytes, int]:
        return self.block, place, self._tx, self.now

    def _at(self, place: int) -> dict[str, int]:
        return {"block": self.block, "place": place, "time": self.now}

    # ------------------------------------------------------------ parts

    def _transfer(
        self, kind: str, name: str, role: str, city: int, amount: int, reference: bytes, at: int | None
    ) -> int:
        self._begin(at)
        address = keccak256(b"treasury %d" % city)[:20]
        told = {"city": city, role: to_checksum(address), "amount": amount, "bankReference": _hex(reference)}
        place = self.event("Clearinghouse", name, **told)
        self._rows.add("transfers", *self._where(place), kind, city, address, amount, reference)
        post = self.books.deposit if kind == "deposit" else self.books.withdraw
        self._rows.add_entry(post(city, amount), **self._at(place))
        return self._end()

    def _arrears_paid(self, debtor: int, creditor: int, amount: int) -> int:
        place = self.event("Clearinghouse", "ArrearsPaid", debtor=debtor, creditor=creditor, amount=amount)
        self._rows.add("arrears_payments", *self._where(place), debtor, creditor, amount)
        return place

    def _obligation(self, debtor: int, creditor: int, amount: int) -> tuple[int, int]:
        """(paid, of which set off); tells of what is set off, as the contract does, before what it belongs to."""
        set_off = min(amount, self.books.arrears[creditor, debtor])
        if set_off:
            self._arrears_paid(creditor, debtor, set_off)
        return set_off + self.books.payable(debtor, amount - set_off), set_off

    def _pair(self, batch: Batch, issuer: int, fares: Sequence[int]) -> None:
        operator, total, day = batch.operator, sum(fares), self.now // DAY
        within = self.books.limits.room(issuer, day, total)
        if within < total:
            told = {"issuer": issuer, "operator": operator, "day": day, "amount": total - within}
            place = self.event("Clearinghouse", "FaresWithheld", **told)
            self._rows.add("withholdings", *self._where(place), "withheld", issuer, operator, day, total - within)
        paid = self.books.payable(issuer, within)
        told = {"rides": len(fares), "fares": total, "paid": paid}
        place = self.event(
            "Clearinghouse", "PairSettled", batchId=_hex(batch.id), issuer=issuer, operator=operator, **told
        )
        self._rows.add("pairs", self._batches, issuer, operator, len(fares), total, paid, self.now, self.block, place)
        entry = self.books.settle(issuer, operator, len(fares), total, paid, withheld=total - within, day=day)
        self._rows.add_entry(entry, **self._at(place), batch=self._batches)

    def _cap(self, place: int, debtor: int, creditor: int, before: int) -> None:
        """What a correction cancelled of what was withheld."""
        less = before - self.books.withheld[debtor, creditor]
        if less:
            self._rows.add("withholdings", *self._where(place), "set_off", debtor, creditor, 0, -less)

    def _ride(self, operator: int, issuer: int, fare: int, exited_at: int | None = None) -> tuple[int, int, Ride]:
        serial = self._serials.get((issuer, operator), 0)
        self._serials[issuer, operator] = serial + 1
        exited_at = self.now - 1_800 if exited_at is None else exited_at
        rider = keccak256(b"rider %d %d %d" % (issuer, operator, serial))[12:]
        signed = {"serial": serial, "not_after": exited_at + 86_400, "fare_cap": FARE_CAP, "rider": rider}
        digest = ticket_hash(self.domain, issuer=issuer, key_id=1, operator=operator, **signed)  # type: ignore[arg-type]
        ride = Ride(
            serial=serial,
            not_after=exited_at + 86_400,
            fare_cap=FARE_CAP,
            rider=rider,
            entry_station=1 + serial % 9,
            exit_station=10 + serial % 7,
            entered_at=exited_at - 1_200,
            exited_at=exited_at,
            fare=fare,
            issuer_signature=sign_compact(issuer_key(issuer), digest),
        )
        return issuer, 1, ride

    def _add_ride(self, operator: int, index: int, issuer: int, key_id: int, ride: Ride) -> None:
        day = self._clocks.get(operator, OperatingDay()).day_of(ride.exited_at)
        self._rows.add(
            "rides",
            self._batches,
            index,
            issuer,
            key_id,
            operator,
            ride.serial,
            ride.entry_station,
            ride.exit_station,
            ride.entered_at,
            ride.exited_at,
            ride.fare_cap,
            ride.fare,
            self.now,
            (day - date(1970, 1, 1)).days,
            self.block,
        )

    def _about(self, batch: WrittenBatch, index: int, name: str, issuer: int, operator: int, **told: int) -> int:
        about = {"batchId": _hex(batch.batch.id), "index": index, "issuer": issuer, "operator": operator}
        return self.event("Refunds", name, **about, **told)

    @staticmethod
    def _between(batch: WrittenBatch, index: int) -> tuple[int, int]:
        [issuer] = [issuer for place, issuer, _, _ in batch.batch.iter_rides() if place == index]
        return issuer, batch.batch.operator

    def _fare(self, batch: WrittenBatch, index: int) -> int:
        [fare] = [ride.fare for place, _, _, ride in batch.batch.iter_rides() if place == index]
        row = (
            self.index.cursor()
            .execute(
                "SELECT coalesce(sum(amount), 0) FROM refunds WHERE batch = ? AND index = ?", [batch.number, index]
            )
            .fetchone()
        )
        assert row is not None
        return int(fare - row[0])


def issuer_key(city: int) -> bytes:
    """A city's private issuer key (key 1), 32 bytes."""
    return keccak256(b"issuer key of %d" % city)


def submitter_key(city: int) -> bytes:
    """The private key of a city's submitter, 32 bytes."""
    return keccak256(b"submitter key of %d" % city)


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}"
