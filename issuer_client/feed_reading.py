"""Reading the feed: from where it was read last to the chain's head, one range of blocks after the other.

Every range is read between two looks at its last block: if that has another hash then, nothing of the range is taken.
When the block that was read last isn't on the chain any more, reading goes back to the newest one that is; what stood
in the blocks between must be found again, or is withdrawn.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Final, Protocol

from interline.cities import CityFile
from interline.errors import BatchNotFoundError, SettlementError
from interline.settlements import Pair, RideRefund, Settlement, settled_rides
from interline.signatures import to_checksum
from interline.tariff import Tariff, load_tariff
from issuer_client.chain_types import Block, House, Revocation, Terms
from issuer_client.errors import ChainError, ChainMovedError, ChainUnavailableError
from issuer_client.feed import Feed, Item, Kind, Reading
from issuer_client.register import TicketRegister
from issuer_client.ride_checks import Circumstances, RideFlag, check_ride

log = logging.getLogger(__name__)

RANGE: Final = 10_000
"""How many blocks are read and written down at once."""
TRIES: Final = 5
"""How often a range is read again because blocks were replaced meanwhile."""
CAUSES: Final = ("by_operator", "unanswered", "revoked")
"""What made a refund: `IRefunds.Cause` by its numbers."""


class FeedChain(Protocol):
    """What the feed needs of a chain; :class:`issuer_client.chain.Chain` is the real one."""

    def head(self) -> Block:
        """The newest block."""
        ...

    def block(self, number: int | None) -> Block | None:
        """The block of that number; None if the chain has no such block."""
        ...

    def first_block(self) -> int:
        """The block before which there is nothing to read."""
        ...

    def line(self) -> tuple[House, ...]:
        """The Clearinghouses of the line of succession, the oldest first."""
        ...

    def house(self, address: bytes) -> House:
        """One Clearinghouse."""
        ...

    def settlements(self, house: bytes, issuer: int, from_block: int, to_block: int) -> list[Settlement]:
        """The settlements of batches with rides on an issuer's tickets, in these blocks, both included."""
        ...

    def batch(self, settlement: Settlement, given: Mapping[bytes, bytes]) -> bytes:
        """The bytes of a settled batch; BatchNotFoundError if they are nowhere."""
        ...

    def outcome(self, house: bytes, batch_id: bytes) -> bytes:
        """What the chain stores of a batch's refused rides, 25 bytes."""
        ...

    def refunded(self, refunds: bytes, issuer: int, from_block: int, to_block: int) -> list[RideRefund]:
        """The refunds of rides on an issuer's tickets, in these blocks, both included."""
        ...

    def terms(self, house: bytes, exited_at: int) -> Terms:
        """What holds for a ride that ended then."""
        ...

    def revocations(self, issuer: int, from_block: int, to_block: int) -> list[Revocation]:
        """The tickets that an issuer revoked in these blocks, both included."""
        ...


class FeedReader:
    """Brings one office's feed up to the chain.

    Args:
        feed: where it is kept; `register`: what the office issued.
        cities: the city files by code, whose tariffs the fares are held against; None leaves that out.
        confirmations: how many blocks must stand on one before it is read.
        given: bytes of batches that were given by hand, by their ids.
        again: look again for the bytes of batches that were unread before.
    """

    def __init__(
        self,
        issuer: int,
        chain: FeedChain,
        feed: Feed,
        register: TicketRegister,
        cities: dict[int, CityFile] | None = None,
        *,
        confirmations: int = 0,
        given: Mapping[bytes, bytes] | None = None,
        again: bool = True,
    ) -> None:
        self._issuer = issuer
        self._chain = chain
        self._feed = feed
        self._register = register
        self._cities = cities or {}
        self._confirmations = confirmations
        self._given = feed.given() | dict(given or {})
        self._again = again
        self._tariffs: dict[int, Tariff] = {}
        self._key_ids: frozenset[int] = frozenset()

    def read(self, progress: Callable[[int, int], None] = lambda block, last: None) -> Block | None:
        """Read everything up to the chain's head, less the confirmations; the last block read, None if there is none.

        `progress` is told each block up to which was read, and the last one there is.

        Raises:
            ChainError: the chain can't be asked, or is behind what was read before.
            ChainMovedError: blocks went on being replaced.
            SettlementError: the node's answers don't fit together.
            TariffError: the tariff of an operator is damaged.
            DatabaseError: the feed can't be read or written.
        """
        head = self._chain.head()
        line = self._line()
        unread = {(one.house, one.batch_id) for one in self._feed.unread()} if self._again else set()
        self._key_ids = self._register.key_ids()
        if new := {house.address for house in line} - self._feed.houses():
            self._feed.start_over(new)
        before = self._feed.checkpoints()
        stands = self._last_that_stands(head, before)
        last = head.number - self._confirmations
        start = min(self._chain.first_block(), *(h.deployed_at for h in line)) if stands is None else stands + 1
        while start <= last:
            end = min(start + RANGE - 1, last)
            self._read_range(line, start, end)
            progress(end, last)
            start = end + 1
        if not before or last >= before[0][0]:
            withdrawn = self._feed.withdraw_unsure()
            if withdrawn:
                log.warning("%d entries were withdrawn: blocks were replaced by others that lack them", withdrawn)
        read = self._feed.checkpoints()
        if unread and read:
            self._read_late(unread, read[0])
        return self._chain.block(read[0][0]) if read else None

    def _line(self) -> tuple[House, ...]:
        """The line, and what was read before and isn't of it any more: who was called off keeps the rides."""
        line = list(self._chain.line())
        for address in sorted(self._feed.houses() - {house.address for house in line}):
            name = to_checksum(address)
            try:
                line.append(self._chain.house(address))
                log.warning("Clearinghouse %s was called off; rides that settled there stay in the feed", name)
            except ChainUnavailableError:
                raise
            except ChainError as error:
                log.warning("Clearinghouse %s was called off, and answers no more: %s", name, error)
        return tuple(line)

    def _last_that_stands(self, head: Block, checkpoints: list[tuple[int, bytes]]) -> int | None:
        """The newest block read that is still on the chain; None if none is."""
        if checkpoints and head.number < checkpoints[0][0]:
            raise ChainError(
                f"expected block {checkpoints[0][0]}, up to which the rides were read, or a later one, came "
                f"{head.number}: the node is behind, or of another chain; wait, or ask another node"
            )
        for number, block_hash in checkpoints:
            block = self._chain.block(number)
            if block is not None and block.hash == block_hash:
                if number != checkpoints[0][0]:
                    log.warning("the blocks after %d were replaced: reading them again", number)
                    self._feed.doubt(number)
                return number
        self._feed.doubt(-1)
        return None

    def _read_late(self, wanted: Collection[tuple[bytes, bytes]], last: tuple[int, bytes]) -> None:
        """Look again for the bytes of batches, (Clearinghouse, id) each, and enter the rides of those that turned up.

        `last` are number and hash of the block that was read last: nothing is entered if that was replaced meanwhile.
        """
        for item in self._feed.unread():
            if (item.house, item.batch_id) not in wanted:
                continue
            there = self._chain.settlements(item.house, self._issuer, item.block, item.block)
            settlement = next((one for one in there if (one.batch_id, one.tx) == (item.batch_id, item.tx)), None)
            if settlement is None:
                continue
            try:
                rides = [*self._rides(settlement, item.time)]
            except BatchNotFoundError as error:
                log.info("transaction 0x%s: %s", item.tx.hex(), error)
                continue
            block = self._chain.block(last[0])
            if block is None or block.hash != last[1]:
                return  # the next reading finds out what became of it
            if self._feed.enter_late(item, rides, self._check):
                log.info("batch 0x%s: its bytes turned up, %d rides are entered", item.batch_id.hex(), len(rides))

    def _read_range(self, line: tuple[House, ...], start: int, end: int) -> None:
        for _ in range(TRIES):
            last = self._chain.block(end)
            if last is None:
                continue
            try:
                reading = self._reading(line, start, last)
            except (ChainError, SettlementError):
                if self._chain.block(end) == last:
                    raise
                continue
            if self._chain.block(end) == last:
                made = self._feed.record(reading, self._check)
                log.info("blocks %d to %d: %d new entries", start, end, made)
                return
        raise ChainMovedError(
            f"expected block {end} to stay, others took its place {TRIES} times; ask for more confirmations"
        )

    def _reading(self, line: tuple[House, ...], start: int, last: Block) -> Reading:
        times: dict[int, int] = {last.number: last.time}

        def time(block: int) -> int:
            if block not in times:
                found = self._chain.block(block)
                if found is None:
                    raise ChainMovedError(f"expected block {block}, came none: it was replaced")
                times[block] = found.time
            return times[block]

        items: list[Item] = []
        for house in line:
            if house.deployed_at > last.number:
                continue
            for settlement in self._chain.settlements(house.address, self._issuer, start, last.number):
                items += self._settled(settlement, time(settlement.block))
            if house.refunds is not None:
                refunds = self._chain.refunded(house.refunds, self._issuer, start, last.number)
                items += [_refund(house.address, one, time(one.block)) for one in refunds]
        items.sort(key=lambda item: item.block)  # a ride stays before its refunds in the same block
        revocations = [
            (one.operator, one.serial, time(one.block), one.block)
            for one in self._chain.revocations(self._issuer, start, last.number)
        ]
        return Reading(last.number, last.hash, tuple(items), tuple(revocations))

    def _settled(self, settlement: Settlement, time: int) -> Iterator[Item]:
        try:
            yield from [*self._rides(settlement, time)]
        except BatchNotFoundError as error:
            [pair] = [pair for pair in settlement.pairs if pair.issuer == self._issuer]
            known = self._known(settlement, pair)
            if known:  # entered before, from a block that was replaced, or from another node
                yield from (replace(one, block=settlement.block, time=time, tx=settlement.tx) for one in known)
                return
            log.warning("transaction 0x%s: %s", settlement.tx.hex(), error)
            unread = _item(settlement, time, Kind.UNREAD, -1, pair.fares)
            yield replace(unread, rides=pair.rides, notes=(str(error),))

    def _rides(self, settlement: Settlement, time: int) -> Iterator[Item]:
        """The rides on this issuer's tickets; BatchNotFoundError if the batch's bytes are nowhere."""
        data = self._chain.batch(settlement, self._given)
        outcome = self._chain.outcome(settlement.clearinghouse, settlement.batch_id)
        for one in settled_rides(settlement, data, outcome):
            if one.issuer == self._issuer:
                item = _item(settlement, time, Kind.RIDE, one.index, one.ride.fare)
                yield replace(item, key_id=one.key_id, ride=one.ride)

    def _known(self, settlement: Settlement, pair: Pair) -> list[Item]:
        """The batch's rides as the feed has them, if they are those that settled: count, sum, none refused."""
        known = self._feed.rides_of(settlement.clearinghouse, settlement.batch_id)
        refused = {index for index, _ in settlement.refused}
        same = (len(known), sum(one.amount for one in known)) == (pair.rides, pair.fares)
        return known if same and not any(one.place in refused for one in known) else []

    def _check(self, item: Item) -> tuple[RideFlag, ...]:
        assert item.ride is not None
        assert item.key_id is not None
        serial = item.ride.serial
        revoked_at = self._feed.revoked_at(item.operator, serial)
        issued = self._register.ticket(item.operator, serial)
        return check_ride(
            item.ride,
            Circumstances(
                key_id=item.key_id,
                clearinghouse=item.house,
                issued=issued,
                namesakes=() if issued else self._register.namesakes(item.operator, serial),
                key_ids=self._key_ids,
                revoked_at=revoked_at,
                grace=0 if revoked_at is None else self._chain.terms(item.house, item.ride.exited_at).grace,
                billed_before=self._feed.has_other_ride(item),
                tariff=self._tariff(item.operator),
            ),
        )

    def _tariff(self, operator: int) -> Tariff | None:
        if operator not in self._cities:
            return None
        if operator not in self._tariffs:
            self._tariffs[operator] = load_tariff(self._cities[operator].tariff)
        return self._tariffs[operator]


def _item(settlement: Settlement, time: int, kind: Kind, place: int, amount: int) -> Item:
    return Item(
        kind=kind,
        house=settlement.clearinghouse,
        batch_id=settlement.batch_id,
        place=place,
        operator=settlement.operator,
        amount=amount,
        block=settlement.block,
        time=time,
        tx=settlement.tx,
        rides=1,
    )


def _refund(house: bytes, refund: RideRefund, time: int) -> Item:
    cause = CAUSES[refund.cause] if refund.cause < len(CAUSES) else str(refund.cause)
    return Item(
        kind=Kind.REFUND,
        house=house,
        batch_id=refund.batch_id,
        place=refund.index,
        operator=refund.operator,
        amount=-refund.amount,
        block=refund.block,
        time=time,
        tx=refund.tx,
        notes=(cause,),
    )
