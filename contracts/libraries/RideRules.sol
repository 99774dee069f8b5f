// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {BatchCodec} from "./BatchCodec.sol";

/// @title When a ride settles
/// @notice The table of protocol section 6, in its order; the one home of these rules.
library RideRules {
    uint256 internal constant SETTLES = 0;
    uint256 internal constant BAD_ISSUER_SIGNATURE = 1;
    uint256 internal constant TICKET_EXPIRED = 2;
    uint256 internal constant ABOVE_FARE_CAP = 3;
    uint256 internal constant ALREADY_SETTLED = 4;
    uint256 internal constant BAD_TIMES = 5;
    uint256 internal constant TOO_LATE = 6;
    uint256 internal constant KEY_NOT_VALID = 7;
    uint256 internal constant ISSUER_SUSPENDED = 8;
    uint256 internal constant OPERATOR_SUSPENDED = 9;

    /// @notice The longest time between two taps of a ride, seconds.
    uint256 internal constant LONGEST_RIDE = 24 hours;
    /// @notice How far a gate's clock may be ahead of the chain's, seconds.
    uint256 internal constant CLOCK_TOLERANCE = 60;

    /// @notice What a group's rides are held against.
    /// @dev The first six fields are the rules as ranges, for a ride that nothing is wrong with: the loop looks at those
    /// alone. The others tell which rule was broken where a ride falls out of the ranges.
    struct Terms {
        uint256 key; // the issuer key's address, or NO_KEY
        uint256 entryFrom; // enteredAt must be in [entryFrom, entryFrom + entrySpan)
        uint256 entrySpan;
        uint256 exitFrom; // exitedAt must be in [exitFrom, exitFrom + exitSpan)
        uint256 exitSpan;
        uint256 maxFare; // fen
        uint256 keyFrom; // enteredAt must be in [keyFrom, keyUntil)
        uint256 keyUntil;
        uint256 issuerUntil; // enteredAt must be below it
        uint256 operatorUntil; // exitedAt must be below it
        uint256 latestExit; // exitedAt must not be above it
        uint256 grace; // seconds, for the windows above
        uint256 keysEnd; // no key is valid from then on
    }

    /// @notice Stands for an issuer key that was never registered: no address equals it.
    uint256 internal constant NO_KEY = type(uint256).max;

    /// @notice Derives the ranges from the rules.
    function deriveRanges(Terms memory t) internal pure {
        t.entryFrom = t.keyFrom;
        t.entrySpan = _span(t.keyFrom, _min(t.keyUntil, t.issuerUntil));
        t.exitSpan = _span(t.exitFrom, _min(t.latestExit + 1, t.operatorUntil));
    }

    /// @notice Why a ride doesn't settle; the lowest code of those that apply, or {SETTLES}.
    /// @param signed Whether the group's key signed the ride's ticket.
    /// @param spent Whether the ticket's serial was settled before.
    function reasonFor(
        Terms memory t,
        BatchCodec.Ride memory ride,
        bool signed,
        bool spent
    ) internal pure returns (uint256) {
        if (!signed) return BAD_ISSUER_SIGNATURE;
        bool loneExit = ride.enteredAt == ride.exitedAt && ride.entryStation == 0;
        if (ride.enteredAt > ride.notAfter + (loneExit ? LONGEST_RIDE : 0)) return TICKET_EXPIRED;
        if (ride.fare > ride.fareCap || ride.fare > t.maxFare) return ABOVE_FARE_CAP;
        if (spent) return ALREADY_SETTLED;
        if (_badTimes(t, ride)) return BAD_TIMES;
        if (ride.exitedAt < t.exitFrom) return TOO_LATE;
        if (ride.enteredAt < t.keyFrom || ride.enteredAt >= t.keyUntil) return KEY_NOT_VALID;
        if (ride.enteredAt >= t.issuerUntil) return ISSUER_SUSPENDED;
        if (ride.exitedAt >= t.operatorUntil) return OPERATOR_SUSPENDED;
        return SETTLES;
    }

    /// @dev Equal times say that one end is unknown; then exactly one station is 0.
    function _badTimes(Terms memory t, BatchCodec.Ride memory ride) private pure returns (bool) {
        if (ride.exitedAt > t.latestExit) return true;
        if (ride.exitedAt < ride.enteredAt || ride.exitedAt > ride.enteredAt + LONGEST_RIDE) return true;
        return ride.enteredAt == ride.exitedAt && (ride.entryStation == 0) == (ride.exitStation == 0);
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }

    function _span(uint256 from, uint256 until) private pure returns (uint256) {
        return until > from ? until - from : 0;
    }
}
