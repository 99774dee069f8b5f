"""Reading a batch's outcome from the Clearinghouse's events, in the layout of protocol section 7."""

from __future__ import annotations

from gate_client.settlement import (
    ARREARS_PAID,
    BATCH_SETTLED,
    RIDE_REJECTED,
    TICKET_REVOKED,
    Log,
    Settlement,
    decode_arrears_paid,
    decode_settlements,
)
from interline.contracts import load_abi
from interline.hashing import keccak256

BATCH, OTHER_BATCH = b"\x0a" * 32, b"\x0b" * 32
TX, OTHER_TX = b"\x01" * 32, b"\x02" * 32


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def settled(rides: int, refused: int, *, batch: bytes = BATCH, tx: bytes = TX) -> Log:
    return Log((BATCH_SETTLED, batch, word(3301)), word(rides) + word(refused) + word(500 * rides), tx)


def rejected(index: int, reason: int, *, batch: bytes = BATCH, tx: bytes = TX) -> Log:
    return Log((RIDE_REJECTED, batch), word(index) + word(reason), tx)


def test_the_topics_are_those_of_the_contracts() -> None:
    abi = [entry for name in ("Clearinghouse", "CityRegistry") for entry in load_abi(name)]
    topics = {
        entry["name"]: keccak256(f"{entry['name']}({','.join(i['type'] for i in entry['inputs'])})".encode())
        for entry in abi
        if entry["type"] == "event"
    }
    expected = {
        "BatchSettled": BATCH_SETTLED,
        "RideRejected": RIDE_REJECTED,
        "ArrearsPaid": ARREARS_PAID,
        "TicketRevoked": TICKET_REVOKED,
    }
    assert expected.items() <= topics.items()


def test_an_outcome_is_read_whole() -> None:
    logs = [rejected(1, 3), rejected(4, 9), settled(3, 2)]
    assert decode_settlements(logs, BATCH) == [Settlement(BATCH, 3301, 3, 2, 1_500, TX, ((1, 3), (4, 9)))]


def test_another_batchs_events_do_not_count() -> None:
    logs = [rejected(0, 1, batch=OTHER_BATCH), settled(9, 1, batch=OTHER_BATCH), settled(1, 0)]
    assert decode_settlements(logs, BATCH) == [Settlement(BATCH, 3301, 1, 0, 500, TX, ())]


def test_two_settlings_of_a_refused_batch_stay_apart() -> None:
    logs = [rejected(0, 8), settled(0, 1), rejected(0, 5, tx=OTHER_TX), settled(0, 1, tx=OTHER_TX)]
    assert [s.refused for s in decode_settlements(logs, BATCH)] == [((0, 8),), ((0, 5),)]


def test_so_do_two_in_one_transaction() -> None:
    logs = [rejected(0, 8), settled(0, 1), rejected(0, 5), settled(0, 1)]
    assert [s.refused for s in decode_settlements(logs, BATCH)] == [((0, 8),), ((0, 5),)]


def test_rejections_without_a_settling_are_no_outcome() -> None:
    assert decode_settlements([rejected(0, 1)], BATCH) == []


def test_arrears_that_were_paid_are_read_for_this_pair_alone() -> None:
    logs = [
        Log((ARREARS_PAID, word(3100), word(3301)), word(700), TX),
        Log((ARREARS_PAID, word(3203), word(3301)), word(5), TX),
        Log((ARREARS_PAID, word(3100), word(3302)), word(6), TX),
        Log((BATCH_SETTLED, word(3100), word(3301)), word(7), TX),
    ]
    assert decode_arrears_paid(logs, 3100, 3301) == 700
    assert decode_arrears_paid([], 3100, 3301) == 0
