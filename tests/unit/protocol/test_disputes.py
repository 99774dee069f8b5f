"""Disputes: the facts of a ride, the evidence made of its codes, and the check before it is sent."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from eth_abi.abi import encode

from interline.batch import Batch
from interline.code import Code, sign_code
from interline.disputes import (
    P256_ORDER,
    RIDE_DISPUTED,
    Evidence,
    RideFacts,
    check_evidence,
    evidence_of,
    in_lower_half,
    read_dispute,
    ride_at,
)
from interline.domain import Domain, code_message
from interline.errors import EvidenceError, MalformedError, SettlementError
from interline.hashing import keccak256
from interline.ride import Ride
from interline.rider_keys import RiderPrivateKey
from interline.settlements import ChainLog
from interline.ticket import Ticket, sign_ticket

ENTERED, EXITED = 1_790_000_000, 1_790_001_200
SHANGHAI, HANGZHOU = 3100, 3301
DOMAIN = Domain(1337, bytes(range(20)))
PHONE = RiderPrivateKey.from_scalar(bytes(31) + b"\x07")


def ticket(serial: int = 5, phone: RiderPrivateKey = PHONE) -> Ticket:
    return sign_ticket(
        DOMAIN,
        bytes(31) + b"\x01",
        issuer=SHANGHAI,
        key_id=1,
        operator=HANGZHOU,
        serial=serial,
        not_after=ENTERED + 60,
        fare_cap=900,
        rider_key=phone.public.data,
    )


def ride(entered_at: int = ENTERED, exited_at: int = EXITED, serial: int = 5) -> Ride:
    made = ticket(serial)
    return Ride(
        serial, made.not_after, made.fare_cap, made.rider, 1, 9, entered_at, exited_at, 400, made.signature
    )  # fmt: skip


def facts(**times: int) -> RideFacts:
    return RideFacts.of(DOMAIN, HANGZHOU, SHANGHAI, 1, ride(**times))


def code(shown_at: int, serial: int = 5, phone: RiderPrivateKey = PHONE) -> Code:
    return sign_code(DOMAIN, ticket(serial, phone), phone, shown_at)


def in_upper_half(signature: bytes) -> bytes:
    s = int.from_bytes(in_lower_half(signature)[32:], "big")
    return signature[:32] + (P256_ORDER - s).to_bytes(32, "big")


CODES = [code(ENTERED), code(EXITED)]


class TestFacts:
    def test_they_are_what_the_issuer_signed_and_the_times(self) -> None:
        assert facts() == RideFacts(ticket().hash(DOMAIN), PHONE.public.address, ENTERED, EXITED)

    def test_the_commitment_is_the_hash_of_their_abi_encoding(self) -> None:
        kinds = ["bytes32", "bytes20", "uint32", "uint32"]
        values = [ticket().hash(DOMAIN), PHONE.public.address, ENTERED, EXITED]
        assert facts().commitment == keccak256(encode(kinds, values))

    def test_a_lone_ride_has_one_time(self) -> None:
        assert facts().shown_at == (ENTERED, EXITED)
        assert facts(exited_at=ENTERED).shown_at == (ENTERED,)

    def test_a_hash_of_another_length_is_refused(self) -> None:
        with pytest.raises(MalformedError, match="ticket hash: expected 32 bytes, came 31"):
            RideFacts(bytes(31), bytes(20), 1, 2)


class TestEvidence:
    def test_it_is_the_key_and_both_signatures_whatever_the_order_of_the_codes(self) -> None:
        evidence = evidence_of(facts(), CODES)
        assert evidence == evidence_of(facts(), reversed(CODES))
        assert (evidence.x, evidence.y) == (PHONE.public.x, PHONE.public.y)
        message = code_message(ticket().hash(DOMAIN), EXITED)
        assert PHONE.public.verify(message, evidence.exit_signature)

    def test_signatures_are_brought_to_the_lower_half(self) -> None:
        upper = [replace(one, rider_signature=in_upper_half(one.rider_signature)) for one in CODES]
        evidence = evidence_of(facts(), upper)
        assert all(int.from_bytes(one[32:], "big") <= P256_ORDER // 2 for one in evidence.signatures)
        assert evidence == evidence_of(facts(), CODES)

    def test_a_lone_ride_needs_one_signature(self) -> None:
        evidence = evidence_of(facts(exited_at=ENTERED), CODES[:1])
        assert evidence.exit_signature == b""
        assert len(evidence.signatures) == 1

    def test_a_code_that_is_not_there_is_named_by_its_time(self) -> None:
        with pytest.raises(EvidenceError, match=f"came none of {EXITED}, only of {ENTERED}"):
            evidence_of(facts(), CODES[:1])

    def test_no_code_at_all_is_no_evidence(self) -> None:
        with pytest.raises(EvidenceError, match="only of no time"):
            evidence_of(facts(), [])

    def test_the_code_of_another_ticket_of_the_same_rider_key_is_refused(self) -> None:
        with pytest.raises(EvidenceError, match=f"this ticket's code shown at {EXITED}, came another"):
            evidence_of(facts(), [CODES[0], code(EXITED, serial=6)])

    def test_the_codes_of_another_phone_are_refused(self) -> None:
        other = RiderPrivateKey.generate()
        with pytest.raises(EvidenceError, match="which the ticket names"):
            evidence_of(facts(), [code(ENTERED, phone=other), code(EXITED, phone=other)])

    def test_a_code_with_another_time_written_over_it_is_refused(self) -> None:
        stale = replace(code(EXITED - 60), shown_at=EXITED)
        with pytest.raises(EvidenceError, match=f"shown at {EXITED}, came another"):
            evidence_of(facts(), [CODES[0], stale])


class TestTheCheck:
    evidence = evidence_of(facts(), CODES)

    def test_good_evidence_passes(self) -> None:
        check_evidence(facts(), self.evidence)

    def test_swapped_signatures_do_not(self) -> None:
        swapped = replace(
            self.evidence,
            entry_signature=self.evidence.exit_signature,
            exit_signature=self.evidence.entry_signature,
        )
        with pytest.raises(EvidenceError, match=f"shown at {ENTERED}"):
            check_evidence(facts(), swapped)

    def test_an_upper_half_does_not(self) -> None:
        upper = replace(self.evidence, exit_signature=in_upper_half(self.evidence.exit_signature))
        with pytest.raises(EvidenceError, match=f"shown at {EXITED}"):
            check_evidence(facts(), upper)

    def test_a_missing_exit_signature_does_not(self) -> None:
        with pytest.raises(EvidenceError, match="expected 2 signatures, came 1"):
            check_evidence(facts(), replace(self.evidence, exit_signature=b""))

    def test_an_exit_signature_of_a_lone_ride_does_not(self) -> None:
        with pytest.raises(EvidenceError, match="expected 1 signatures, came 2"):
            check_evidence(facts(exited_at=ENTERED), self.evidence)

    @pytest.mark.parametrize("changed", [{"x": bytes(32)}, {"y": b""}, {"y": bytes(32)}, {"x": b"\1"}])
    def test_a_key_that_is_no_point_does_not(self, changed: dict[str, bytes]) -> None:
        with pytest.raises(EvidenceError, match="came no point of P-256"):
            check_evidence(facts(), replace(self.evidence, **changed))

    def test_the_y_of_the_other_parity_does_not(self) -> None:
        prime = 2**256 - 2**224 + 2**192 + 2**96 - 1
        other = (prime - int.from_bytes(self.evidence.y, "big")).to_bytes(32, "big")
        with pytest.raises(EvidenceError, match="which the ticket names, came 0x"):
            check_evidence(facts(), replace(self.evidence, y=other))


class TestLowerHalf:
    def test_it_verifies_as_the_other_half_did(self) -> None:
        for _ in range(8):
            phone = RiderPrivateKey(ec.generate_private_key(ec.SECP256R1()))
            signature = in_upper_half(phone.sign(b"message"))
            assert phone.public.verify(b"message", signature)
            assert phone.public.verify(b"message", in_lower_half(signature))

    def test_a_signature_of_another_length_is_refused(self) -> None:
        with pytest.raises(MalformedError, match="expected 64 bytes, came 65"):
            in_lower_half(bytes(65))


class TestRidesAndEvents:
    def test_a_ride_is_found_by_its_index_over_all_groups(self) -> None:
        batch = Batch.build(HANGZHOU, [(3203, 1, ride(serial=9)), (SHANGHAI, 1, ride(serial=5))])
        assert [(ride_at(batch, i).issuer, ride_at(batch, i).ride.serial) for i in (0, 1)] == [(3100, 5), (3203, 9)]
        with pytest.raises(MalformedError, match="expected an index below 2, came 2"):
            ride_at(batch, 2)

    def log(self, **changed: object) -> ChainLog:
        topics = (RIDE_DISPUTED, b"\7" * 32, SHANGHAI.to_bytes(32, "big"), HANGZHOU.to_bytes(32, "big"))
        data = b"".join(number.to_bytes(32, "big") for number in (3, 400, EXITED, 500))
        fields: dict[str, object] = {"address": bytes(20), "topics": topics, "data": data}
        return ChainLog(**fields | {"block": 8, "block_hash": bytes(32), "tx": b"\2" * 32, "place": 0} | changed)  # type: ignore[arg-type]

    def test_a_dispute_is_read_from_its_event(self) -> None:
        found = read_dispute(self.log())
        assert (found.batch_id, found.index, found.issuer, found.operator) == (b"\7" * 32, 3, SHANGHAI, HANGZHOU)
        assert (found.amount, found.answer_until, found.fee, found.block) == (400, EXITED, 500, 8)

    def test_another_event_is_none(self) -> None:
        with pytest.raises(SettlementError, match="expected RideDisputed"):
            read_dispute(self.log(topics=(bytes(32),)))
        with pytest.raises(SettlementError, match="expected an event with 4 topics and 4 words"):
            read_dispute(self.log(data=bytes(64)))


def test_evidence_says_how_many_signatures_it_has() -> None:
    assert Evidence(bytes(32), bytes(32), b"a", b"").signatures == (b"a",)
