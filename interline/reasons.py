"""Why a gate or the chain refused: the protocol's own names, and no others."""

from enum import IntEnum, StrEnum


class GateReason(StrEnum):
    """What a gate answers (protocol section 4), in the order of its checks."""

    ACCEPTED = "accepted"
    # Step 1
    MALFORMED = "malformed"
    UNSUPPORTED_VERSION = "unsupported_version"
    # Step 2
    CLOCK_UNRELIABLE = "clock_unreliable"
    TRUST_LIST_EXPIRED = "trust_list_expired"
    # Step 3
    WRONG_OPERATOR = "wrong_operator"
    UNKNOWN_ISSUER = "unknown_issuer"
    ISSUER_SUSPENDED = "issuer_suspended"
    # Step 4
    UNKNOWN_KEY = "unknown_key"
    KEY_NOT_VALID = "key_not_valid"
    # Step 5
    BAD_ISSUER_SIGNATURE = "bad_issuer_signature"
    # Step 6
    REVOKED = "revoked"
    TICKET_EXPIRED = "ticket_expired"
    FARE_CAP_TOO_LOW = "fare_cap_too_low"
    # Step 7
    CODE_EXPIRED = "code_expired"
    CODE_IN_FUTURE = "code_in_future"
    # Step 8
    BAD_RIDER_SIGNATURE = "bad_rider_signature"
    # Step 9
    SERIAL_CONFLICT = "serial_conflict"
    ALREADY_ENTERED = "already_entered"
    ALREADY_USED = "already_used"


class RideReason(IntEnum):
    """Why the chain did not settle a ride (protocol section 6); names and numbers are the protocol's."""

    BadIssuerSignature = 1
    TicketExpired = 2
    AboveFareCap = 3
    AlreadySettled = 4
    BadTimes = 5
    TooLate = 6
    KeyNotValid = 7
    IssuerSuspended = 8
    OperatorSuspended = 9
