"""Protocol section 4, steps 1 to 8: a good code, and for each reason one thing that is wrong with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate_client.tap import Direction
from gate_client.trust_list import CityStatus, TrustedCity, TrustList
from interline.code import Code, sign_code
from interline.reasons import GateReason
from interline.rider_keys import RiderPrivateKey
from network.accounts import Role
from tests.support.deploy import City
from tests.support.riders import Rider, TicketOffice
from tests.unit.gate.conftest import NOW, Check, trusted

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT


def with_status(trust: TrustList, code: int, status: CityStatus) -> tuple[TrustedCity, ...]:
    return tuple(replace(city, status=status) if city.code == code else city for city in trust.cities)


@pytest.mark.parametrize("direction", [ENTRY, EXIT])
def test_a_good_code_passes(check: Check, code: Code, direction: Direction) -> None:
    assert check(code, direction).reason is GateReason.ACCEPTED


def test_the_text_of_a_good_code_passes(check: Check, code: Code) -> None:
    assert check(code.to_text()).reason is GateReason.ACCEPTED


def test_a_decision_names_the_ticket_even_when_it_refuses(check: Check, code: Code, trust: TrustList) -> None:
    refused = check(code, now=NOW + 31)
    assert refused.reason is GateReason.CODE_EXPIRED
    assert refused.code == code
    assert refused.ticket_hash == code.ticket.hash(trust.domain)


class TestStep1:
    @pytest.mark.parametrize(
        "text",
        ["", "IL1:", "il1:" + "0" * 276, "hello", "IL1:abc", "IL1:ZZZ", "IL2:BB8"],
        ids=["empty", "nothing in it", "small letters", "another QR code", "not base45", "overflow", "another prefix"],
    )
    def test_a_text_that_is_no_code_is_malformed(self, check: Check, text: str) -> None:
        decision = check(text)
        assert decision.reason is GateReason.MALFORMED
        assert decision.code is None
        assert decision.ticket_hash is None

    def test_a_code_without_its_last_byte_is_malformed(self, check: Check, code: Code) -> None:
        assert check(code.to_bytes()[:-1]).reason is GateReason.MALFORMED

    def test_a_code_with_one_byte_more_is_malformed(self, check: Check, code: Code) -> None:
        assert check(code.to_bytes() + b"\0").reason is GateReason.MALFORMED

    def test_a_code_whose_rider_signature_was_stripped_is_malformed(self, check: Check, code: Code) -> None:
        """Mistake 1: it must not pass for one that never had a second signature."""
        assert check(code.to_bytes()[:-64]).reason is GateReason.MALFORMED

    def test_a_ticket_alone_is_malformed(self, check: Check, code: Code) -> None:
        """Mistake 1: the ticket is genuine, but nobody has shown that they hold its key."""
        assert check(code.ticket.to_bytes()).reason is GateReason.MALFORMED

    @pytest.mark.parametrize("version", [0, 2, 255])
    def test_another_version_is_unsupported(self, check: Check, code: Code, version: int) -> None:
        decision = check(bytes([version]) + code.to_bytes()[1:])
        assert decision.reason is GateReason.UNSUPPORTED_VERSION
        assert decision.code is None

    def test_another_version_is_unsupported_whatever_its_length(self, check: Check) -> None:
        assert check(b"\x02").reason is GateReason.UNSUPPORTED_VERSION

    def test_a_ticket_of_the_operator_itself_is_malformed(self, check: Check, code: Code) -> None:
        data = code.to_bytes()
        assert check(data[:1] + data[4:6] + data[3:]).reason is GateReason.MALFORMED

    def test_a_rider_key_that_is_no_point_is_malformed(self, check: Check, code: Code) -> None:
        data = code.to_bytes()
        assert check(data[:19] + b"\x02" + b"\xff" * 32 + data[52:]).reason is GateReason.MALFORMED

    def test_a_line_end_behind_the_text_is_stripped(self, check: Check, code: Code) -> None:
        assert check(code.to_text() + "\r\n").reason is GateReason.ACCEPTED

    def test_a_space_before_the_text_is_not(self, check: Check, code: Code) -> None:
        assert check(" " + code.to_text()).reason is GateReason.MALFORMED


class TestStep3:
    def test_a_ticket_for_another_operator_is_refused(self, check: Check, office: TicketOffice, xuzhou: City) -> None:
        """Mistake 8: the ticket names its operator, and the gate holds it to that."""
        rider = office.issue(xuzhou, not_after=NOW + 3_600)
        assert check(rider.shows(NOW)).reason is GateReason.WRONG_OPERATOR

    @pytest.mark.parametrize("direction", [ENTRY, EXIT])
    def test_a_city_that_the_list_does_not_know_is_unknown(
        self, check: Check, code: Code, trust: TrustList, shanghai: City, direction: Direction
    ) -> None:
        others = tuple(city for city in trust.cities if city.code != shanghai.code)
        assert check(code, direction, cities=others).reason is GateReason.UNKNOWN_ISSUER

    @pytest.mark.parametrize(
        ("status", "direction", "reason"),
        [
            (CityStatus.NONE, ENTRY, GateReason.UNKNOWN_ISSUER),
            (CityStatus.NONE, EXIT, GateReason.UNKNOWN_ISSUER),
            (CityStatus.SUSPENDED, ENTRY, GateReason.ISSUER_SUSPENDED),
            (CityStatus.SUSPENDED, EXIT, GateReason.ACCEPTED),
            (CityStatus.EXITED, ENTRY, GateReason.UNKNOWN_ISSUER),
            (CityStatus.EXITED, EXIT, GateReason.ACCEPTED),
        ],
    )
    def test_a_city_that_is_not_active_lets_its_riders_out_but_not_in(
        self,
        check: Check,
        code: Code,
        trust: TrustList,
        shanghai: City,
        status: CityStatus,
        direction: Direction,
        reason: GateReason,
    ) -> None:
        cities = with_status(trust, shanghai.code, status)
        assert check(code, direction, cities=cities).reason is reason


class TestStep4:
    @pytest.mark.parametrize("direction", [ENTRY, EXIT])
    def test_a_key_that_is_not_registered_is_unknown(
        self, check: Check, office: TicketOffice, hangzhou: City, direction: Direction
    ) -> None:
        rider = office.issue(hangzhou, not_after=NOW + 3_600, key_id=2)
        assert check(rider.shows(NOW), direction).reason is GateReason.UNKNOWN_KEY

    def test_a_city_is_not_tied_to_its_first_key(
        self, check: Check, office: TicketOffice, hangzhou: City, shanghai: City, trust: TrustList
    ) -> None:
        """Mistake 6: a city that rotates to key 2 goes on, whatever its first key's number was."""
        first = trusted(shanghai)
        second = replace(first.keys[0], id=2)
        rotated = (replace(first, keys=(second,)), *trust.cities[1:])
        rider = office.issue(hangzhou, not_after=NOW + 3_600, key_id=2)
        assert check(rider.shows(NOW), cities=rotated).reason is GateReason.ACCEPTED


class TestStep5:
    @pytest.mark.parametrize("direction", [ENTRY, EXIT])
    def test_a_ticket_that_another_key_signed_is_refused(
        self, check: Check, office: TicketOffice, hangzhou: City, direction: Direction
    ) -> None:
        forged = office.issue(hangzhou, not_after=NOW + 3_600, role=Role.SPARE)
        assert check(forged.shows(NOW), direction).reason is GateReason.BAD_ISSUER_SIGNATURE

    def test_only_the_trust_list_says_what_an_issuers_key_is(
        self, check: Check, office: TicketOffice, hangzhou: City, stranger: City
    ) -> None:
        """Mistake 5: nothing inside a code can vouch for the code; here Lanzhou's key signs as Shanghai."""
        forger = TicketOffice(office.domain, stranger)
        genuine = office.issue(hangzhou, not_after=NOW + 3_600)
        signature = forger.issue(hangzhou, not_after=NOW + 3_600, phone=genuine.phone).ticket.signature
        ticket = replace(genuine.ticket, signature=signature)
        code = sign_code(office.domain, ticket, genuine.phone, NOW)
        assert check(code).reason is GateReason.BAD_ISSUER_SIGNATURE

    @pytest.mark.parametrize(
        "changes", [{"serial": 7_777}, {"not_after": NOW + 7_200}, {"fare_cap": 2_001}], ids=lambda c: next(iter(c))
    )
    def test_a_field_that_was_changed_after_signing_is_noticed(
        self, check: Check, rider: Rider, changes: dict[str, int]
    ) -> None:
        ticket = replace(rider.ticket, **changes)  # type: ignore[arg-type]
        code = sign_code(rider.domain, ticket, rider.phone, NOW)
        assert check(code).reason is GateReason.BAD_ISSUER_SIGNATURE

    def test_another_riders_key_in_the_ticket_is_noticed(self, check: Check, rider: Rider) -> None:
        thief = RiderPrivateKey.generate()
        ticket = replace(rider.ticket, rider_key=thief.public.data)
        assert check(sign_code(rider.domain, ticket, thief, NOW)).reason is GateReason.BAD_ISSUER_SIGNATURE

    def test_a_ticket_of_another_chain_is_refused(self, check: Check, office: TicketOffice, hangzhou: City) -> None:
        elsewhere = TicketOffice(replace(office.domain, chain_id=1), office.issuer)
        rider = elsewhere.issue(hangzhou, not_after=NOW + 3_600)
        assert check(rider.shows(NOW)).reason is GateReason.BAD_ISSUER_SIGNATURE

    def test_a_signature_that_no_key_can_have_made_is_refused(self, check: Check, rider: Rider) -> None:
        ticket = replace(rider.ticket, signature=b"\xff" * 64)
        code = sign_code(rider.domain, ticket, rider.phone, NOW)
        assert check(code).reason is GateReason.BAD_ISSUER_SIGNATURE


class TestStep6:
    def test_a_revoked_ticket_lets_nobody_in(self, check: Check, code: Code, shanghai: City) -> None:
        revoked = frozenset({(shanghai.code, code.ticket.serial)})
        assert check(code, revoked=revoked).reason is GateReason.REVOKED

    def test_a_revoked_ticket_lets_its_rider_out(self, check: Check, code: Code, shanghai: City) -> None:
        revoked = frozenset({(shanghai.code, code.ticket.serial)})
        assert check(code, EXIT, revoked=revoked).reason is GateReason.ACCEPTED

    @pytest.mark.parametrize("beside", [(3100, 1), (3203, 0)], ids=["its neighbour", "another city's"])
    def test_the_revocation_of_another_ticket_does_not_count(
        self, check: Check, code: Code, beside: tuple[int, int]
    ) -> None:
        assert (code.ticket.issuer, code.ticket.serial) == (3100, 0)
        assert check(code, revoked=frozenset({beside})).reason is GateReason.ACCEPTED

    def test_a_freshly_signed_twin_of_a_revoked_ticket_is_revoked_too(
        self, check: Check, office: TicketOffice, rider: Rider, hangzhou: City, shanghai: City
    ) -> None:
        """Mistakes 11 and 12: what is revoked is the serial, not one signing of it, and not a hash."""
        twin = office.issue(hangzhou, not_after=NOW + 7_200, serial=rider.ticket.serial)
        assert twin.ticket != rider.ticket
        revoked = frozenset({(shanghai.code, rider.ticket.serial)})
        assert check(twin.shows(NOW), revoked=revoked).reason is GateReason.REVOKED

    def test_a_cap_below_the_highest_fare_lets_nobody_in(
        self, check: Check, office: TicketOffice, hangzhou: City, trust: TrustList
    ) -> None:
        rider = office.issue(hangzhou, not_after=NOW + 3_600, fare_cap=trust.tariff.highest_fare - 1)
        assert check(rider.shows(NOW)).reason is GateReason.FARE_CAP_TOO_LOW

    def test_a_cap_of_just_the_highest_fare_is_enough(
        self, check: Check, office: TicketOffice, hangzhou: City, trust: TrustList
    ) -> None:
        rider = office.issue(hangzhou, not_after=NOW + 3_600, fare_cap=trust.tariff.highest_fare)
        assert check(rider.shows(NOW)).reason is GateReason.ACCEPTED

    def test_the_cap_is_not_looked_at_on_the_way_out(self, check: Check, office: TicketOffice, hangzhou: City) -> None:
        rider = office.issue(hangzhou, not_after=NOW + 3_600, fare_cap=1)
        assert check(rider.shows(NOW), EXIT).reason is GateReason.ACCEPTED


class TestStep8:
    @pytest.mark.parametrize("direction", [ENTRY, EXIT])
    def test_a_copied_ticket_without_the_phone_is_refused(
        self, check: Check, rider: Rider, direction: Direction
    ) -> None:
        """Mistake 13: the ticket's bytes are no secret; only the phone's key makes a code of them."""
        copied = sign_code(rider.domain, rider.ticket, RiderPrivateKey.generate(), NOW)
        assert check(copied, direction).reason is GateReason.BAD_RIDER_SIGNATURE

    def test_an_old_signature_under_a_new_time_is_refused(self, check: Check, rider: Rider) -> None:
        old = rider.shows(NOW - 10)
        assert check(replace(old, shown_at=NOW)).reason is GateReason.BAD_RIDER_SIGNATURE

    def test_the_signature_of_another_ticket_of_the_same_phone_is_refused(
        self, check: Check, office: TicketOffice, rider: Rider, hangzhou: City
    ) -> None:
        """Mistake 16: what is signed names the ticket, so a signature can't be taken to another one."""
        other = office.issue(hangzhou, not_after=NOW + 3_600, phone=rider.phone)
        code = replace(other.shows(NOW), rider_signature=rider.shows(NOW).rider_signature)
        assert check(code).reason is GateReason.BAD_RIDER_SIGNATURE

    def test_an_empty_signature_is_refused(self, check: Check, code: Code) -> None:
        """Mistake 1: 64 bytes of nothing are not `no signature needed`."""
        assert check(replace(code, rider_signature=bytes(64))).reason is GateReason.BAD_RIDER_SIGNATURE


@pytest.mark.parametrize("serial", [255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**40 - 1])
def test_large_serials_are_read_whole(check: Check, office: TicketOffice, hangzhou: City, serial: int) -> None:
    """Mistake 7: a length or number that is shifted wrongly is right for small values only."""
    decision = check(office.issue(hangzhou, not_after=NOW + 3_600, serial=serial).shows(NOW))
    assert decision.reason is GateReason.ACCEPTED
    assert decision.code is not None
    assert decision.code.ticket.serial == serial


def test_a_rider_signature_with_s_in_either_half_is_good(check: Check, code: Code) -> None:
    """Mistake 2: what was received is verified, not what we would have written; phones give s in either half."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    r, s = code.rider_signature[:32], int.from_bytes(code.rider_signature[32:], "big")
    other_half = replace(code, rider_signature=r + (order - s).to_bytes(32, "big"))
    assert check(other_half).reason is GateReason.ACCEPTED
