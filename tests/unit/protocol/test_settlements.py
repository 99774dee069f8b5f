"""What became of batches on chain: their bytes found again, their events read, one held against the other."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from eth_abi import encode
from hypothesis import given
from hypothesis import strategies as st

from interline.batch import Batch, Group, outcome
from interline.batch_source import SETTLE, batch_bytes
from interline.errors import SettlementError
from interline.hashing import keccak256
from interline.ride import Ride
from interline.settlements import (
    BATCH_SETTLED,
    PAIR_SETTLED,
    RIDE_REFUNDED,
    RIDE_REJECTED,
    ChainLog,
    Settlement,
    read_refund,
    read_settlements,
    refused_list,
    settled_rides,
)

HOUSE, STRANGER = bytes([1] * 20), bytes([2] * 20)
SHANGHAI, XUZHOU, HANGZHOU = 3100, 3203, 3301
TX = bytes([7] * 32)
SIGNATURE = bytes([5] * 64)


def ride(serial: int, fare: int = 500) -> Ride:
    return Ride(serial, 2_000, 2_000, bytes([serial] * 20), 1, 2, 1_000, 1_500, fare, bytes(64))


@pytest.fixture
def batch() -> Batch:
    """Two rides of Shanghai and three of Xuzhou, under two keys, in Hangzhou."""
    return Batch(
        HANGZHOU,
        (
            Group(SHANGHAI, 1, (ride(1, 300), ride(2, 400))),
            Group(XUZHOU, 1, (ride(1, 500), ride(9, 600))),
            Group(XUZHOU, 2, (ride(3, 700),)),
        ),
    )


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def log(place: int, topics: list[bytes], *words: int, address: bytes = HOUSE, tx: bytes = TX) -> ChainLog:
    return ChainLog(address, tuple(topics), b"".join(map(word, words)), 8, bytes(32), tx, place)


@pytest.fixture
def logs(batch: Batch) -> list[ChainLog]:
    """The events of a settlement in which Xuzhou's ticket 9 (index 3) was refused."""
    return [
        log(0, [RIDE_REJECTED, batch.id], 3, 4),
        log(1, [PAIR_SETTLED, batch.id, word(SHANGHAI), word(HANGZHOU)], 2, 700, 700),
        log(2, [PAIR_SETTLED, batch.id, word(XUZHOU), word(HANGZHOU)], 2, 1_200, 0),
        log(3, [BATCH_SETTLED, batch.id, word(HANGZHOU)], 4, 1, 1_900),
    ]


@pytest.fixture
def settlement(logs: list[ChainLog]) -> Settlement:
    [found] = read_settlements(logs)
    return found


def settle_call(batch: bytes) -> bytes:
    return SETTLE + encode(["bytes", "bytes"], [batch, SIGNATURE])


def direct(data: bytes) -> bytes:
    return settle_call(data)


def multicall(data: bytes) -> bytes:
    return keccak256(b"multicall(bytes[])")[:4] + encode(["bytes[]"], [[b"\x01" * 7, settle_call(data)]])


def relay(data: bytes) -> bytes:
    """A relay that takes the two arguments and makes the call itself."""
    return keccak256(b"relay(address,bytes,bytes)")[:4] + encode(
        ["address", "bytes", "bytes"], [STRANGER, data, SIGNATURE]
    )


def packed(data: bytes) -> bytes:
    """As Safe's multiSend packs its calls: operation, address, value, length, data, at no word's bounds."""
    call = settle_call(data)
    return keccak256(b"multiSend(bytes)")[:4] + encode(["bytes"], [b"\x00" + HOUSE + word(0) + word(len(call)) + call])


class TestBytes:
    @pytest.mark.parametrize("way", [direct, multicall, relay, packed])
    def test_a_batch_is_found_however_settle_was_called(self, batch: Batch, way: Callable[[bytes], bytes]) -> None:
        assert batch_bytes(way(batch.to_bytes()), batch.id) == batch.to_bytes()

    @pytest.mark.parametrize("way", [direct, multicall, relay, packed])
    def test_bytes_with_another_hash_are_not_taken(self, batch: Batch, way: Callable[[bytes], bytes]) -> None:
        data = bytearray(batch.to_bytes())
        data[-1] ^= 1
        with pytest.raises(SettlementError, match=f"batch 0x{batch.id.hex()}: expected its bytes in the input"):
            batch_bytes(way(bytes(data)), batch.id)

    def test_the_right_one_of_several_batches_is_found(self, batch: Batch) -> None:
        other = Batch(HANGZHOU, batch.groups[:1])
        data = encode(["bytes[]"], [[settle_call(other.to_bytes()), settle_call(batch.to_bytes())]])
        assert batch_bytes(data, batch.id) == batch.to_bytes()
        assert batch_bytes(data, other.id) == other.to_bytes()

    def test_a_call_of_settle_with_a_false_offset_is_searched(self, batch: Batch) -> None:
        call = bytearray(settle_call(batch.to_bytes()))
        call[4:36] = word(2**255)
        assert batch_bytes(bytes(call), batch.id) == batch.to_bytes()

    @given(st.binary(max_size=400))
    def test_any_input_is_searched_without_another_error(self, data: bytes) -> None:
        for one in (data, SETTLE + data, bytes(40) + data):
            with pytest.raises(SettlementError):
                batch_bytes(one, bytes(32))

    def test_a_long_input_of_zeros_does_not_hold_it_up(self) -> None:
        with pytest.raises(SettlementError):
            batch_bytes(bytes(128 * 1024), bytes(32))


class TestEvents:
    def test_a_settlement_is_told_whole(self, batch: Batch, settlement: Settlement) -> None:
        assert settlement.batch_id == batch.id
        assert (settlement.settled, settlement.rejected, settlement.fares) == (4, 1, 1_900)
        assert settlement.refused == ((3, 4),)
        assert [(pair.issuer, pair.rides, pair.fares, pair.paid) for pair in settlement.pairs] == [
            (SHANGHAI, 2, 700, 700),
            (XUZHOU, 2, 1_200, 0),
        ]

    def test_their_order_in_the_list_does_not_matter(self, logs: list[ChainLog], settlement: Settlement) -> None:
        assert read_settlements(reversed(logs)) == [settlement]

    def test_refusals_of_an_earlier_try_in_the_same_transaction_are_not_the_settlements(
        self, batch: Batch, logs: list[ChainLog]
    ) -> None:
        """A relay sends a batch of which nothing settles, lifts what was in the way, and sends it again."""
        tried = [log(place, [RIDE_REJECTED, batch.id], place, 8) for place in range(5)]
        tried.append(log(5, [BATCH_SETTLED, batch.id, word(HANGZHOU)], 0, 5, 0))
        first, second = read_settlements([*tried, *(replace(one, place=one.place + 6) for one in logs)])
        assert (first.settled, len(first.refused), first.pairs) == (0, 5, ())
        assert (second.settled, second.refused) == (4, ((3, 4),))

    def test_two_clearinghouses_in_one_transaction_are_kept_apart(self, batch: Batch, logs: list[ChainLog]) -> None:
        others = [replace(one, address=STRANGER, place=one.place + 4) for one in logs[1:]]
        first, second = read_settlements([*logs, *others])
        assert (first.clearinghouse, first.refused) == (HOUSE, ((3, 4),))
        assert (second.clearinghouse, second.refused) == (STRANGER, ())

    def test_an_event_cut_short_is_refused(self, logs: list[ChainLog]) -> None:
        with pytest.raises(SettlementError, match="expected an event with 3 topics and 3 words"):
            read_settlements([replace(logs[-1], data=logs[-1].data[:-1])])

    def test_a_refund_is_read(self, batch: Batch) -> None:
        event = log(0, [RIDE_REFUNDED, batch.id, word(XUZHOU), word(HANGZHOU)], 2, 500, 300, 1, address=STRANGER)
        refund = read_refund(event)
        assert (refund.refunds, refund.batch_id, refund.index) == (STRANGER, batch.id, 2)
        assert (refund.issuer, refund.operator) == (XUZHOU, HANGZHOU)
        assert (refund.amount, refund.paid, refund.cause) == (500, 300, 1)

    def test_another_event_is_no_refund(self, logs: list[ChainLog]) -> None:
        with pytest.raises(SettlementError, match="expected RideRefunded"):
            read_refund(logs[0])


class TestRides:
    def test_those_that_settled_are_given_with_their_places(self, batch: Batch, settlement: Settlement) -> None:
        rides = settled_rides(settlement, batch.to_bytes(), outcome([(3, 4)]))
        assert [(one.index, one.issuer, one.key_id, one.ride.serial) for one in rides] == [
            (0, SHANGHAI, 1, 1),
            (1, SHANGHAI, 1, 2),
            (2, XUZHOU, 1, 1),
            (4, XUZHOU, 2, 3),
        ]

    def test_another_batch_is_refused(self, batch: Batch, settlement: Settlement) -> None:
        with pytest.raises(SettlementError, match="expected bytes with this hash"):
            settled_rides(settlement, Batch(HANGZHOU, batch.groups[:1]).to_bytes())

    def test_another_stored_outcome_is_refused(self, batch: Batch, settlement: Settlement) -> None:
        with pytest.raises(SettlementError, match="expected refused rides whose outcome is"):
            settled_rides(settlement, batch.to_bytes(), outcome([(2, 4)]))

    def test_a_missing_refusal_is_found_by_the_counts(self, batch: Batch, settlement: Settlement) -> None:
        with pytest.raises(SettlementError, match="as rides settled, rides refused and fares"):
            settled_rides(replace(settlement, refused=()), batch.to_bytes())

    def test_another_refused_ride_is_found_by_the_sums_of_the_pairs(self, batch: Batch, settlement: Settlement) -> None:
        """The whole batch's sum is made to fit: only the pair's tells."""
        wrong = replace(settlement, refused=((0, 4),), fares=settlement.fares + 300)
        with pytest.raises(SettlementError, match="expected 2 rides of 3100 with fares of 700 fen"):
            settled_rides(wrong, batch.to_bytes())

    def test_a_refused_ride_beyond_the_batch_is_refused(self, batch: Batch, settlement: Settlement) -> None:
        with pytest.raises(SettlementError, match="expected refused rides once each, below 5"):
            settled_rides(replace(settlement, refused=((5, 4),)), batch.to_bytes())

    def test_the_list_for_refunds_is_what_the_outcome_hashes(self) -> None:
        refused = [(3, 4), (256, 1)]
        assert refused_list(refused) == bytes.fromhex("000304 010001")
        assert keccak256(refused_list(refused))[:25] == outcome(refused)
