"""Two Clearinghouses while one takes over from the other (end of protocol section 7): which tickets open, and when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate_client.line import Predecessor
from gate_client.tap import Direction
from gate_client.trust_list import TrustList
from gate_client.verifier import Decision
from interline.code import sign_code
from interline.domain import Domain
from interline.reasons import GateReason
from interline.rider_keys import RiderPrivateKey
from network.accounts import Role
from tests.support.deploy import City
from tests.support.riders import Rider, TicketOffice
from tests.unit.gate.conftest import MAX_AGE, NOW, Check

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT
DAY = 86_400
OLD, OLDER = Domain(1337, b"\x0b" * 20), Domain(1337, b"\x0a" * 20)


def closing(closes_at: int, *older: Predecessor) -> dict[str, object]:
    """The change to a trust list after which OLD closes at that time."""
    return {"predecessors": (Predecessor(OLD, closes_at), *older)}


@pytest.fixture
def old_rider(shanghai: City, hangzhou: City) -> Rider:
    """A rider whose ticket was signed for the predecessor."""
    return TicketOffice(OLD, shanghai).issue(hangzhou, not_after=NOW + 2 * DAY)


@pytest.mark.parametrize("direction", [ENTRY, EXIT])
def test_tickets_of_both_open_until_the_old_one_closes(
    check: Check, rider: Rider, old_rider: Rider, direction: Direction, domain: Domain
) -> None:
    decisions = [check(each.shows(NOW), direction, **closing(NOW + 1)) for each in (rider, old_rider)]
    assert [decision.reason for decision in decisions] == [GateReason.ACCEPTED] * 2
    assert [decision.domain for decision in decisions] == [domain, OLD]
    assert [decision.ticket_hash for decision in decisions] == [rider.ticket.hash(domain), old_rider.ticket.hash(OLD)]


@pytest.mark.parametrize(
    ("closes_at", "shown_at", "reason"),
    [
        (NOW + 1, NOW, GateReason.ACCEPTED),
        (NOW, NOW - 1, GateReason.KEY_NOT_VALID),
        (NOW + 5, NOW + 4, GateReason.ACCEPTED),
        (NOW + 5, NOW + 5, GateReason.KEY_NOT_VALID),
        (NOW - DAY, NOW, GateReason.KEY_NOT_VALID),
    ],
    ids=[
        "its last second",
        "closed at the gate, not on the phone",
        "the phone's last",
        "closed on the phone",
        "long ago",
    ],
)
def test_every_key_of_the_old_one_ends_when_it_closes(
    check: Check, old_rider: Rider, closes_at: int, shown_at: int, reason: GateReason
) -> None:
    assert check(old_rider.shows(shown_at), ENTRY, **closing(closes_at)).reason is reason


class TestANewestThatClosesWithoutASuccessorThatCanBeUsed:
    @pytest.mark.parametrize(
        ("ends", "reason"), [(NOW + 1, GateReason.ACCEPTED), (NOW, GateReason.KEY_NOT_VALID)], ids=["before", "at it"]
    )
    def test_its_tickets_let_riders_in_until_then(
        self, check: Check, rider: Rider, ends: int, reason: GateReason
    ) -> None:
        assert check(rider.shows(NOW), ENTRY, ends=ends).reason is reason

    def test_and_out_afterwards(self, check: Check, rider: Rider) -> None:
        assert check(rider.shows(NOW), EXIT, ends=NOW - DAY).reason is GateReason.ACCEPTED


def test_tickets_of_one_that_was_called_off_let_nobody_in_and_everybody_out(check: Check, old_rider: Rider) -> None:
    assert check(old_rider.shows(NOW), ENTRY, called_off=(OLD,)).reason is GateReason.BAD_ISSUER_SIGNATURE
    decision = check(old_rider.shows(NOW), EXIT, called_off=(OLD,))
    assert (decision.reason, decision.domain) == (GateReason.ACCEPTED, OLD)
    assert check(old_rider.shows(NOW), EXIT).reason is GateReason.BAD_ISSUER_SIGNATURE


@pytest.mark.parametrize(
    ("grace", "reason"),
    [(601, GateReason.ACCEPTED), (600, GateReason.TRUST_LIST_EXPIRED), (10 * DAY, GateReason.ACCEPTED)],
)
def test_a_list_is_never_older_than_the_chains_grace(
    check: Check, rider: Rider, grace: int, reason: GateReason
) -> None:
    """The fixture's is 600 s old, and the gate's setting a day."""
    assert check(rider.shows(NOW), ENTRY, grace=grace).reason is reason


def test_nor_than_the_setting(check: Check, rider: Rider) -> None:
    late = NOW - 600 + MAX_AGE
    decision = check(rider.shows(late), ENTRY, now=late, grace=10 * DAY)
    assert decision.reason is GateReason.TRUST_LIST_EXPIRED


def test_the_new_ones_keys_do_not(check: Check, rider: Rider) -> None:
    assert check(rider.shows(NOW), ENTRY, **closing(NOW - DAY)).reason is GateReason.ACCEPTED


@pytest.mark.parametrize("closes_at", [NOW + 1, NOW, NOW - DAY])
def test_who_entered_in_time_gets_out_after_the_closing(check: Check, old_rider: Rider, closes_at: int) -> None:
    decision = check(old_rider.shows(NOW), EXIT, **closing(closes_at))
    assert (decision.reason, decision.domain) == (GateReason.ACCEPTED, OLD)


def test_a_key_that_ended_before_the_closing_has_ended(check: Check, old_rider: Rider, trust: TrustList) -> None:
    shanghai, *others = trust.cities
    ended = replace(shanghai, keys=tuple(replace(key, valid_until=NOW) for key in shanghai.keys))
    decision = check(old_rider.shows(NOW), ENTRY, cities=(ended, *others), **closing(NOW + DAY))
    assert decision.reason is GateReason.KEY_NOT_VALID


def test_a_line_of_three_is_tried_to_its_end(check: Check, shanghai: City, hangzhou: City) -> None:
    """A successor may be named before its predecessor's predecessor has closed."""
    oldest = TicketOffice(OLDER, shanghai).issue(hangzhou, not_after=NOW + DAY)
    decision = check(oldest.shows(NOW), ENTRY, **closing(NOW + DAY, Predecessor(OLDER, NOW + 60)))
    assert (decision.reason, decision.domain) == (GateReason.ACCEPTED, OLDER)


class TestReasonsStayDistinct:
    def test_a_ticket_of_neither(self, check: Check, shanghai: City, hangzhou: City, domain: Domain) -> None:
        rider = TicketOffice(OLDER, shanghai).issue(hangzhou, not_after=NOW + DAY)
        decision = check(rider.shows(NOW), ENTRY, **closing(NOW + DAY))
        assert decision == Decision(GateReason.BAD_ISSUER_SIGNATURE, decision.code, rider.ticket.hash(domain))

    def test_a_ticket_signed_with_another_key(self, check: Check, shanghai: City, hangzhou: City) -> None:
        rider = TicketOffice(OLD, shanghai).issue(hangzhou, not_after=NOW + DAY, role=Role.SPARE)
        assert check(rider.shows(NOW), ENTRY, **closing(NOW + DAY)).reason is GateReason.BAD_ISSUER_SIGNATURE

    def test_a_rider_that_signs_for_the_other_domain(self, check: Check, old_rider: Rider, domain: Domain) -> None:
        """Step 8 is in the domain that verified in step 5."""
        code = sign_code(domain, old_rider.ticket, old_rider.phone, NOW)
        assert check(code, ENTRY, **closing(NOW + DAY)).reason is GateReason.BAD_RIDER_SIGNATURE

    def test_a_thiefs_phone(self, check: Check, old_rider: Rider) -> None:
        code = sign_code(OLD, old_rider.ticket, RiderPrivateKey.generate(), NOW)
        assert check(code, ENTRY, **closing(NOW + DAY)).reason is GateReason.BAD_RIDER_SIGNATURE

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"block_time": NOW - MAX_AGE}, GateReason.TRUST_LIST_EXPIRED),
            ({"operator": 3203}, GateReason.WRONG_OPERATOR),
            ({"revoked": frozenset({(3100, 0)})}, GateReason.REVOKED),
        ],
        ids=lambda value: "" if isinstance(value, dict) else value.value,
    )
    def test_what_is_wrong_with_it_is_named_as_for_any_other(
        self, check: Check, old_rider: Rider, changes: dict[str, object], reason: GateReason
    ) -> None:
        assert check(old_rider.shows(NOW), ENTRY, **closing(NOW + DAY), **changes).reason is reason

    def test_closed_comes_before_revoked_and_expired(self, check: Check, shanghai: City, hangzhou: City) -> None:
        """It is step 4's reason, and steps are told in their order."""
        rider = TicketOffice(OLD, shanghai).issue(hangzhou, not_after=NOW - 1)
        revoked = frozenset({(3100, rider.ticket.serial)})
        assert check(rider.shows(NOW), ENTRY, revoked=revoked, **closing(NOW)).reason is GateReason.KEY_NOT_VALID

    def test_without_a_predecessor_in_the_list_its_tickets_are_a_strangers(
        self, check: Check, old_rider: Rider
    ) -> None:
        assert check(old_rider.shows(NOW), ENTRY).reason is GateReason.BAD_ISSUER_SIGNATURE
