"""Mistake 4: every window of protocol section 4, on both sides of both its ends.

Windows are written with <= and <, and mean it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate_client.tap import Direction
from gate_client.trust_list import TrustList
from interline.reasons import GateReason
from tests.support.deploy import City
from tests.support.riders import Rider, TicketOffice
from tests.unit.gate.conftest import MAX_AGE, NOW, Check

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT
HOUR, DAY = 3_600, 86_400


@pytest.mark.parametrize("direction", [ENTRY, EXIT])
@pytest.mark.parametrize(
    ("shown_at", "reason"),
    [
        (NOW - 8 * HOUR, GateReason.CODE_EXPIRED),
        (NOW - 31, GateReason.CODE_EXPIRED),
        (NOW - 30, GateReason.ACCEPTED),
        (NOW, GateReason.ACCEPTED),
        (NOW + 10, GateReason.ACCEPTED),
        (NOW + 11, GateReason.CODE_IN_FUTURE),
        (NOW + 8 * HOUR, GateReason.CODE_IN_FUTURE),
    ],
)
def test_a_code_is_good_from_30_s_ago_to_10_s_ahead(
    check: Check, office: TicketOffice, hangzhou: City, direction: Direction, shown_at: int, reason: GateReason
) -> None:
    rider = office.issue(hangzhou, not_after=NOW + 2 * DAY)
    assert check(rider.shows(shown_at), direction).reason is reason


@pytest.mark.parametrize(
    ("block_time", "reason"),
    [
        (NOW + 61, GateReason.CLOCK_UNRELIABLE),
        (NOW + 60, GateReason.ACCEPTED),
        (NOW, GateReason.ACCEPTED),
        (NOW - MAX_AGE + 1, GateReason.ACCEPTED),
        (NOW - MAX_AGE, GateReason.TRUST_LIST_EXPIRED),
        (NOW - 10 * MAX_AGE, GateReason.TRUST_LIST_EXPIRED),
    ],
)
@pytest.mark.parametrize("direction", [ENTRY, EXIT])
def test_the_trust_list_is_good_from_60_s_ahead_to_just_under_its_limit(
    check: Check, rider: Rider, direction: Direction, block_time: int, reason: GateReason
) -> None:
    assert check(rider.shows(NOW), direction, block_time=block_time).reason is reason


class TestTicket:
    """A ticket issued once; the gate's clock moves."""

    @pytest.mark.parametrize(
        ("now", "shown_at", "reason"),
        [
            (0, 0, GateReason.ACCEPTED),
            (1, 0, GateReason.TICKET_EXPIRED),
            (0, 1, GateReason.TICKET_EXPIRED),
            (-1, -1, GateReason.ACCEPTED),
        ],
        ids=["the last second", "the gate a second later", "the phone a second later", "a second before"],
    )
    def test_lets_its_rider_in_up_to_not_after(
        self, check: Check, office: TicketOffice, hangzhou: City, now: int, shown_at: int, reason: GateReason
    ) -> None:
        rider = office.issue(hangzhou, not_after=NOW)
        assert check(rider.shows(NOW + shown_at), ENTRY, now=NOW + now).reason is reason

    @pytest.mark.parametrize(
        ("now", "shown_at", "reason"),
        [
            (DAY, DAY, GateReason.ACCEPTED),
            (DAY + 1, DAY, GateReason.TICKET_EXPIRED),
            (DAY, DAY + 1, GateReason.TICKET_EXPIRED),
            (DAY - 1, DAY - 1, GateReason.ACCEPTED),
        ],
        ids=["the last second", "the gate a second later", "the phone a second later", "a second before"],
    )
    def test_lets_its_rider_out_for_24_h_more(
        self, check: Check, office: TicketOffice, hangzhou: City, now: int, shown_at: int, reason: GateReason
    ) -> None:
        rider = office.issue(hangzhou, not_after=NOW)
        decision = check(rider.shows(NOW + shown_at), EXIT, now=NOW + now, block_time=NOW + DAY - 600)
        assert decision.reason is reason


class TestIssuerKey:
    """validFrom <= shownAt < validUntil and now < validUntil, on entry alone."""

    @pytest.mark.parametrize(
        ("valid_from", "valid_until", "shown_at", "reason"),
        [
            (NOW, NOW + 1, NOW, GateReason.ACCEPTED),
            (NOW + 1, NOW + DAY, NOW, GateReason.KEY_NOT_VALID),
            (NOW - DAY, NOW, NOW - 1, GateReason.KEY_NOT_VALID),
            (NOW - DAY, NOW + 5, NOW + 5, GateReason.KEY_NOT_VALID),
            (NOW - DAY, NOW + 5, NOW + 4, GateReason.ACCEPTED),
            (NOW - 5, NOW + DAY, NOW - 6, GateReason.KEY_NOT_VALID),
        ],
        ids=[
            "its only second",
            "a second before its first",
            "over at the gate, though not on the phone",
            "over on the phone, though not at the gate",
            "its last second on the phone",
            "not yet on the phone, though at the gate",
        ],
    )
    def test_counts_within_its_window_on_entry(
        self,
        check: Check,
        rider: Rider,
        trust: TrustList,
        valid_from: int,
        valid_until: int,
        shown_at: int,
        reason: GateReason,
    ) -> None:
        cities = _with_window(trust, valid_from, valid_until)
        assert check(rider.shows(shown_at), ENTRY, cities=cities).reason is reason

    @pytest.mark.parametrize("window", [(NOW + 1, NOW + DAY), (NOW - DAY, NOW)], ids=["not yet", "over"])
    def test_lets_riders_out_whatever_its_window(
        self, check: Check, rider: Rider, trust: TrustList, window: tuple[int, int]
    ) -> None:
        assert check(rider.shows(NOW), EXIT, cities=_with_window(trust, *window)).reason is GateReason.ACCEPTED


def _with_window(trust: TrustList, valid_from: int, valid_until: int) -> tuple[object, ...]:
    shanghai, *others = trust.cities
    key = replace(shanghai.keys[0], valid_from=valid_from, valid_until=valid_until)
    return (replace(shanghai, keys=(key,)), *others)
