"""Protocol section 6: the nine reasons, each at both sides of its boundary, and which of several is reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from coincurve import PublicKey

from interline.domain import Domain, ticket_hash
from interline.reasons import RideReason
from interline.signatures import address_of, parse_address, to_checksum
from network.accounts import Role
from tests.contracts.story import (
    ARRIVAL,
    DAY,
    EVENING,
    GRACE,
    HANGZHOU,
    HOUR,
    LANZHOU,
    MAX_FARE,
    NO_END,
    NOON,
    SHANGHAI,
    STRANGER_KEY,
    SUBMISSION_WINDOW,
    XUZHOU,
    City,
    World,
    reason_of,
)

SECP256K1_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
Changes = dict[str, Any]


def test_a_valid_ride_settles(world: World) -> None:
    assert world.judge() is None


# ---------------------------------------------------------------- 1 BadIssuerSignature


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"signer": STRANGER_KEY}, id="a stranger's key"),
        pytest.param({"signer": SHANGHAI.key(Role.ISSUER_KEY)}, id="another city's key"),
        pytest.param({"signer": XUZHOU.key(Role.SUBMITTER)}, id="the issuer's submitter"),
        pytest.param({"key_id": 2}, id="an unknown key id"),
        pytest.param({"issuer": LANZHOU}, id="an unknown issuer"),
        pytest.param({"domain": Domain(1337, bytes(20))}, id="another domain"),
        pytest.param({"wire": {"serial": 8}}, id="another serial than signed"),
        pytest.param({"wire": {"not_after": NOON + DAY + 1}}, id="a later notAfter than signed"),
        pytest.param({"wire": {"fare_cap": 1_501}}, id="a higher cap than signed"),
        pytest.param({"wire": {"rider": bytes(20)}}, id="another rider than signed"),
    ],
)
def test_a_ticket_that_the_registered_key_did_not_sign_as_it_stands_is_refused(world: World, changes: Changes) -> None:
    assert world.judge(**changes) == RideReason.BadIssuerSignature


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(bytes(64), id="zero"),
        pytest.param(b"\xff" * 64, id="ones"),
        pytest.param(SECP256K1_ORDER.to_bytes(32, "big") + bytes(31) + b"\1", id="r of the group's order"),
        pytest.param(bytes(32) + bytes(31) + b"\1", id="r of zero"),
        pytest.param(bytes(31) + b"\1" + bytes(32), id="s of zero"),
        pytest.param(bytes(31) + b"\5" + bytes(31) + b"\1", id="r that is no point"),
    ],
)
def test_a_signature_that_nobody_made_is_refused(world: World, signature: bytes) -> None:
    assert world.judge(wire={"issuer_signature": signature}) == RideReason.BadIssuerSignature


def test_a_ticket_for_another_operator_is_refused(world: World, shanghai: City, hangzhou: City) -> None:
    issuer, key_id, ride = world.ride(operator=shanghai)
    assert reason_of(world.settle((issuer, key_id, ride), operator=hangzhou)) == RideReason.BadIssuerSignature


def test_a_ticket_of_another_key_of_the_issuer_is_refused(world: World, xuzhou: City) -> None:
    world.add_issuer_key(xuzhou, 2, Role.SPARE_ISSUER_KEY)
    _, _, ride = world.ride(key_id=1)
    assert reason_of(world.settle((xuzhou.code, 2, ride))) == RideReason.BadIssuerSignature


def test_a_key_that_two_cities_registered_signs_for_the_city_of_the_ticket_alone(
    world: World, shanghai: City, xuzhou: City
) -> None:
    address = xuzhou.account(Role.ISSUER_KEY)
    world.registry.addIssuerKey(shanghai.code, 2, address, NOON - DAY, NO_END, sender=shanghai.admin)
    _, _, ride = world.ride(issuer=xuzhou, key_id=2)
    assert reason_of(world.settle((shanghai.code, 2, ride))) == RideReason.BadIssuerSignature


def test_the_other_key_of_an_issuer_is_as_good_as_the_first(world: World, xuzhou: City) -> None:
    world.add_issuer_key(xuzhou, 255, Role.SPARE_ISSUER_KEY)
    assert world.judge(key_id=255, signer=xuzhou.key(Role.SPARE_ISSUER_KEY)) is None


@pytest.mark.parametrize("change", [{"entry_station": 9}, {"exit_station": 9}, {"exited_at": ARRIVAL + 1}, {"fare": 1}])
def test_what_the_operator_adds_is_not_the_issuers_to_sign(world: World, change: Changes) -> None:
    assert world.judge(wire=change) is None


# ---------------------------------------------------------------- 2 to 6: the ride itself


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        # The ticket's last second
        ({"not_after": NOON}, None),
        ({"not_after": NOON - 1}, RideReason.TicketExpired),
        ({"not_after": 0}, RideReason.TicketExpired),
        ({"not_after": 2**32 - 1}, None),
        # A day more where only the exit is known
        ({"not_after": NOON - DAY, "exited_at": NOON, "entry_station": 0}, None),
        ({"not_after": NOON - DAY - 1, "exited_at": NOON, "entry_station": 0}, RideReason.TicketExpired),
        ({"not_after": 2**32 - 1, "exited_at": NOON, "entry_station": 0}, None),
        # But not where only the entry is, nor where there are two times
        ({"not_after": NOON - 1, "exited_at": NOON, "exit_station": 0}, RideReason.TicketExpired),
        ({"not_after": NOON, "exited_at": NOON, "exit_station": 0}, None),
        ({"not_after": NOON - 1, "entry_station": 0}, RideReason.TicketExpired),
    ],
)
def test_a_ride_begins_by_the_tickets_last_second(world: World, changes: Changes, reason: RideReason | None) -> None:
    assert world.judge(**changes) == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fare": 1_500}, None),
        ({"fare": 1_501}, RideReason.AboveFareCap),
        ({"fare_cap": 0, "fare": 0}, None),
        ({"fare_cap": 0, "fare": 1}, RideReason.AboveFareCap),
        ({"fare_cap": 2**32 - 1, "fare": MAX_FARE}, None),
        ({"fare_cap": 2**32 - 1, "fare": MAX_FARE + 1}, RideReason.AboveFareCap),
        ({"fare_cap": 2**32 - 1, "fare": 2**32 - 1}, RideReason.AboveFareCap),
        ({"fare_cap": MAX_FARE + 1, "fare": MAX_FARE + 1}, RideReason.AboveFareCap),
    ],
)
def test_a_fare_stays_within_the_tickets_cap_and_the_highest_fare(
    world: World, changes: Changes, reason: RideReason | None
) -> None:
    assert world.judge(**changes) == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        # The chain's clock, with a minute's tolerance
        ({"at": ARRIVAL - 60}, None),
        ({"at": ARRIVAL - 61}, RideReason.BadTimes),
        ({"exited_at": EVENING + 60}, None),
        ({"exited_at": EVENING + 61}, RideReason.BadTimes),
        ({"exited_at": NOON, "exit_station": 0, "at": NOON - 60}, None),
        ({"exited_at": NOON, "exit_station": 0, "at": NOON - 61}, RideReason.BadTimes),
        # In order, and at most a day apart
        ({"exited_at": NOON + 1}, None),
        ({"exited_at": NOON - 1}, RideReason.BadTimes),
        ({"exited_at": 0}, RideReason.BadTimes),
        ({"exited_at": NOON + DAY, "at": NOON + 2 * DAY}, None),
        ({"exited_at": NOON + DAY + 1, "at": NOON + 2 * DAY}, RideReason.BadTimes),
        ({"exited_at": 2**32 - 1}, RideReason.BadTimes),
        # Equal times: exactly one station is unknown
        ({"exited_at": NOON}, RideReason.BadTimes),
        ({"exited_at": NOON, "entry_station": 0, "exit_station": 0}, RideReason.BadTimes),
        ({"exited_at": NOON, "entry_station": 0}, None),
        ({"exited_at": NOON, "exit_station": 0}, None),
        # With two times stations aren't looked at
        ({"entry_station": 0}, None),
        ({"exit_station": 0}, None),
        ({"entry_station": 0, "exit_station": 0}, None),
        ({"entry_station": 65_535, "exit_station": 65_535}, None),
    ],
)
def test_the_times_of_a_ride_make_sense(world: World, changes: Changes, reason: RideReason | None) -> None:
    assert world.judge(**changes) == reason


@pytest.mark.parametrize(
    ("at", "reason"),
    [(ARRIVAL + SUBMISSION_WINDOW, None), (ARRIVAL + SUBMISSION_WINDOW + 1, RideReason.TooLate)],
)
def test_a_ride_is_submitted_within_the_window(world: World, at: int, reason: RideReason | None) -> None:
    assert world.judge(at=at) == reason


# ---------------------------------------------------------------- 4 AlreadySettled


def test_a_serial_pays_once(world: World) -> None:
    assert world.judge() is None
    assert world.judge(at=EVENING + 1, fare=504) == RideReason.AlreadySettled


def test_another_ticket_of_a_spent_serial_does_not_pay(world: World) -> None:
    assert world.judge() is None
    assert world.judge(at=EVENING + 1, rider=bytes(20), not_after=NOON + 2 * DAY) == RideReason.AlreadySettled


def test_a_serial_under_two_keys_of_one_batch_pays_once(world: World, xuzhou: City) -> None:
    world.add_issuer_key(xuzhou, 2, Role.SPARE_ISSUER_KEY)
    second = world.ride(key_id=2, signer=xuzhou.key(Role.SPARE_ISSUER_KEY))
    receipt = world.settle(world.ride(), second)
    assert [(e.args["index"], e.args["reason"]) for e in receipt.named("RideRejected")] == [
        (1, RideReason.AlreadySettled)
    ]


def test_a_refused_ride_does_not_spend_its_serial(world: World) -> None:
    assert world.judge(fare=1_501) == RideReason.AboveFareCap
    assert world.judge(fare=1_500, at=EVENING + 1) is None


def test_serials_are_counted_for_each_pair_of_cities(
    world: World, shanghai: City, hangzhou: City, ningbo: City, xuzhou: City
) -> None:
    pairs = [(xuzhou, hangzhou), (shanghai, hangzhou), (xuzhou, ningbo), (hangzhou, xuzhou)]
    assert [
        world.judge(issuer=issuer, operator=operator, at=EVENING + minute)
        for minute, (issuer, operator) in enumerate(pairs)
    ] == [None] * 4


@pytest.mark.parametrize(
    "serials",
    [
        [0, 1, 255],
        [255, 256, 257, 511, 512],
        [7, 7 + 2**8, 7 + 2**16, 7 + 2**24, 7 + 2**32, 7 + 2**39],
        [2**32 - 1, 2**32, 2**40 - 257, 2**40 - 256, 2**40 - 1],
    ],
    ids=str,
)
def test_neighbouring_and_distant_serials_are_told_apart(
    world: World, serials: list[int], xuzhou: City, hangzhou: City
) -> None:
    for spent in range(len(serials)):
        assert [world.clearinghouse.isSettled(xuzhou.code, hangzhou.code, serial) for serial in serials] == [
            place < spent for place in range(len(serials))
        ]
        assert world.judge(serial=serials[spent], at=EVENING + spent) is None
    again = world.settle(*world.rides(serials, fare=1), at=EVENING + 100)
    assert [e.args["reason"] for e in again.named("RideRejected")] == [RideReason.AlreadySettled] * len(serials)


# ---------------------------------------------------------------- 7 KeyNotValid


@pytest.mark.parametrize(
    ("window", "reason"),
    [
        ((NOON, NO_END), None),
        ((NOON + 1, NO_END), RideReason.KeyNotValid),
        ((0, NOON - GRACE + 1), None),
        ((0, NOON - GRACE), RideReason.KeyNotValid),
        ((NOON, NOON + 1), None),
        ((NO_END - 1, NO_END), RideReason.KeyNotValid),
    ],
)
def test_a_ride_begins_while_its_key_is_valid(
    world: World, xuzhou: City, window: tuple[int, int], reason: RideReason | None
) -> None:
    world.add_issuer_key(xuzhou, 2, Role.SPARE_ISSUER_KEY, valid_from=window[0], valid_until=window[1])
    assert world.judge(key_id=2, signer=xuzhou.key(Role.SPARE_ISSUER_KEY)) == reason


@pytest.mark.parametrize(("entered_at", "reason"), [(NOON - 1, None), (NOON, RideReason.KeyNotValid)])
def test_an_ended_key_is_good_for_a_days_grace(
    world: World, xuzhou: City, entered_at: int, reason: RideReason | None
) -> None:
    end = NOON - GRACE
    world.registry.endIssuerKey(xuzhou.code, 1, end, sender=xuzhou.admin, at=end)
    assert world.judge(entered_at=entered_at) == reason


# ---------------------------------------------------------------- 8 IssuerSuspended, 9 OperatorSuspended

Ending = Callable[[World, City, int], object]


def _suspended(world: World, city: City, at: int) -> None:
    world.suspend(city, at=at)


def _left(world: World, city: City, at: int) -> None:
    world.leave(city, at=at)


def _expelled(world: World, city: City, at: int) -> None:
    world.by_vote(world.registry, "expel", city.code, at=at)


def _left_while_suspended(world: World, city: City, at: int) -> None:
    world.suspend(city, at=at)
    world.leave(city, at=at + HOUR)


def _expelled_while_suspended(world: World, city: City, at: int) -> None:
    world.suspend(city, at=at)
    world.by_vote(world.registry, "expel", city.code, at=at + HOUR)


endings = pytest.mark.parametrize(
    "end", [_suspended, _left, _expelled, _left_while_suspended, _expelled_while_suspended]
)


@endings
@pytest.mark.parametrize(("entered_at", "reason"), [(NOON - 1, None), (NOON, RideReason.IssuerSuspended)])
def test_an_issuers_rides_begin_within_the_grace_after_its_end(
    world: World, xuzhou: City, end: Ending, entered_at: int, reason: RideReason | None
) -> None:
    end(world, xuzhou, NOON - GRACE)
    assert world.judge(entered_at=entered_at) == reason


@endings
@pytest.mark.parametrize(("exited_at", "reason"), [(ARRIVAL - 1, None), (ARRIVAL, RideReason.OperatorSuspended)])
def test_an_operators_rides_end_within_the_grace_after_its_end(
    world: World, hangzhou: City, end: Ending, exited_at: int, reason: RideReason | None
) -> None:
    end(world, hangzhou, ARRIVAL - GRACE)
    assert world.judge(exited_at=exited_at) == reason


def test_a_reinstated_citys_rides_settle_again_from_then_on(world: World, xuzhou: City) -> None:
    """Those of the time in between stay refused: test_suspensions.py."""
    world.suspend(xuzhou, at=NOON - 3 * DAY)
    assert world.judge() == RideReason.IssuerSuspended
    world.reinstate(xuzhou, at=EVENING + 60)
    later = {"entered_at": EVENING + 60, "exited_at": EVENING + 120}
    assert world.judge(serial=8, at=EVENING + 180, **later) is None
    assert world.judge(at=EVENING + 240) == RideReason.IssuerSuspended


def test_a_reinstated_operators_rides_settle_again_from_then_on(world: World, hangzhou: City) -> None:
    world.suspend(hangzhou, at=NOON - 3 * DAY)
    assert world.judge() == RideReason.OperatorSuspended
    world.reinstate(hangzhou, at=EVENING + 60)
    later = {"entered_at": EVENING, "exited_at": EVENING + 60}
    assert world.judge(serial=8, at=EVENING + 120, **later) is None
    assert world.judge(at=EVENING + 180) == RideReason.OperatorSuspended


def test_a_second_suspension_counts_from_its_own_start(world: World, xuzhou: City) -> None:
    world.suspend(xuzhou, at=NOON - 5 * DAY)
    world.reinstate(xuzhou, at=NOON - 4 * DAY)
    world.suspend(xuzhou, at=NOON - GRACE + 1)
    assert world.judge() is None


# ---------------------------------------------------------------- several at once

LONG_AGO = NOON - 3 * DAY

BREACHES: dict[RideReason, Changes] = {
    RideReason.BadIssuerSignature: {"signer": STRANGER_KEY},
    RideReason.TicketExpired: {"not_after": NOON - 1},
    RideReason.AboveFareCap: {"fare": 1_501},
    RideReason.AlreadySettled: {},
    RideReason.BadTimes: {"exited_at": NOON - 1},
    RideReason.TooLate: {"at": NOON + SUBMISSION_WINDOW + DAY},
    RideReason.KeyNotValid: {"key_id": 2},
    RideReason.IssuerSuspended: {},
    RideReason.OperatorSuspended: {},
}
"""How to break each rule by one field of the ride, or by what happened before."""


def _prepare(world: World, reasons: tuple[RideReason, ...]) -> Changes:
    changes: Changes = {}
    spare = XUZHOU.key(Role.SPARE_ISSUER_KEY)
    if RideReason.KeyNotValid in reasons:
        world.add_issuer_key(XUZHOU, 2, Role.SPARE_ISSUER_KEY, valid_until=LONG_AGO)
        changes["signer"] = spare
    for reason in reasons:
        changes |= BREACHES[reason]
    if RideReason.AlreadySettled in reasons:
        early = {"entered_at": LONG_AGO - 2 * HOUR, "exited_at": LONG_AGO - HOUR}
        assert world.judge(at=LONG_AGO - HOUR, **early) is None
    if RideReason.IssuerSuspended in reasons:
        world.suspend(XUZHOU, at=LONG_AGO)
    if RideReason.OperatorSuspended in reasons:
        world.suspend(HANGZHOU, at=LONG_AGO)
    return changes


@pytest.mark.parametrize("reason", RideReason, ids=lambda reason: reason.name)
def test_each_breach_alone_has_its_own_reason(world: World, reason: RideReason) -> None:
    assert world.judge(**_prepare(world, (reason,))) == reason


@pytest.mark.parametrize(("lower", "higher"), combinations(RideReason, 2), ids=lambda reason: reason.name)
def test_of_two_reasons_the_lower_is_reported(world: World, lower: RideReason, higher: RideReason) -> None:
    assert world.judge(**_prepare(world, (lower, higher))) == lower


@pytest.mark.parametrize("first", RideReason, ids=lambda reason: reason.name)
def test_of_all_reasons_from_one_on_that_one_is_reported(world: World, first: RideReason) -> None:
    reasons = tuple(reason for reason in RideReason if reason >= first)
    assert world.judge(**_prepare(world, reasons)) == first


def test_a_refused_ride_blocks_none_of_the_others(world: World) -> None:
    rides = world.rides(range(10))
    rides[4] = world.ride(serial=4, fare=1_501)
    receipt = world.settle(*rides)
    assert receipt.returned[1:] == (9, 1)
    assert [(e.args["index"], e.args["reason"]) for e in receipt.named("RideRejected")] == [
        (4, RideReason.AboveFareCap)
    ]


def test_a_refusals_index_counts_over_the_whole_batch(world: World, shanghai: City, ningbo: City) -> None:
    rides = [*world.rides(range(3), issuer=shanghai), *world.rides(range(2), issuer=ningbo), *world.rides([5, 300])]
    stale = [replace(ride, fare=ride.fare_cap + 1) for _, _, ride in rides]
    claims = [(issuer, key_id, ride) for (issuer, key_id, _), ride in zip(rides, stale, strict=True)]
    claims[0], claims[5] = rides[0], rides[5]  # Shanghai's first and Xuzhou's first are valid
    receipt = world.settle(*claims)
    # In the batch's order: Shanghai 3100, Xuzhou 3203, Ningbo 3302.
    assert [event.args["index"] for event in receipt.named("RideRejected")] == [1, 2, 4, 5, 6]


def test_an_s_in_the_upper_half_counts_too_where_the_compact_form_has_room_for_it(world: World, xuzhou: City) -> None:
    """Section 2: verifiers needn't check. So little of that half fits that the key must be made to the signature."""
    issuer, key_id, ride = world.ride(key_id=2)
    digest = ticket_hash(
        world.domain,
        issuer=issuer,
        key_id=key_id,
        operator=HANGZHOU.code,
        serial=ride.serial,
        not_after=ride.not_after,
        fare_cap=ride.fare_cap,
        rider=ride.rider,
    )
    nonce, s = 3, 2**255 - 1
    assert s > SECP256K1_ORDER // 2
    point = PublicKey.from_valid_secret(nonce.to_bytes(32, "big")).format(compressed=True)
    parity, r = point[0] - 2, point[1:]
    secret = (s * nonce - int.from_bytes(digest, "big")) * pow(int.from_bytes(r, "big"), -1, SECP256K1_ORDER)
    address = to_checksum(address_of((secret % SECP256K1_ORDER).to_bytes(32, "big")))
    world.registry.addIssuerKey(xuzhou.code, 2, address, 0, NO_END, sender=xuzhou.admin)
    signed = replace(ride, issuer_signature=r + (parity << 255 | s).to_bytes(32, "big"))
    assert reason_of(world.settle((issuer, key_id, signed))) is None


def test_the_clearinghouses_domain_is_the_protocols(world: World) -> None:
    fields, name, version, chain_id, contract, salt, extensions = world.clearinghouse.eip712Domain()
    assert (fields, name, version, salt, extensions) == (b"\x0f", "Interline", "1", bytes(32), ())
    assert Domain(chain_id, parse_address(contract)) == world.domain
