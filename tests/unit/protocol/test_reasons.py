"""The protocol's names for refusals: other vendors' programs compare them as text and numbers."""

from interline.reasons import GateReason, RideReason


def test_a_gates_reasons_are_those_of_section_4_in_its_order() -> None:
    # Mistake 3: distinct reasons, always.
    assert [str(reason) for reason in GateReason if reason is not GateReason.ACCEPTED] == [
        "malformed",
        "unsupported_version",
        "clock_unreliable",
        "trust_list_expired",
        "wrong_operator",
        "unknown_issuer",
        "issuer_suspended",
        "unknown_key",
        "key_not_valid",
        "bad_issuer_signature",
        "revoked",
        "ticket_expired",
        "fare_cap_too_low",
        "code_expired",
        "code_in_future",
        "bad_rider_signature",
        "serial_conflict",
        "already_entered",
        "already_used",
    ]
    assert GateReason.ACCEPTED == "accepted"


def test_the_chains_reasons_are_those_of_section_6() -> None:
    assert {int(reason): reason.name for reason in RideReason} == {
        1: "BadIssuerSignature",
        2: "TicketExpired",
        3: "AboveFareCap",
        4: "AlreadySettled",
        5: "BadTimes",
        6: "TooLate",
        7: "KeyNotValid",
        8: "IssuerSuspended",
        9: "OperatorSuspended",
    }
