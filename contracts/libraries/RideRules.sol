// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
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
    /// @dev The first three fields are the rules for a ride that nothing is wrong with, as {deriveRanges} makes them: the
    /// loop looks at those alone. The others tell which rule was broken where a ride falls out of the ranges.
    struct Terms {
        uint256 key; // the issuer key's address, or NO_KEY
        uint256 lowest; // enteredAt, exitedAt and fare, in 32 bits each
        uint256 highest; // the same
        uint256 maxFare; // fen
        uint256 exitFrom; // exitedAt must not be below it
        uint256 latestExit; // exitedAt must not be above it
        uint256 operatorUntil; // exitedAt must be below it
        uint256 keyFrom; // enteredAt must be in [keyFrom, keyUntil)
        uint256 keyUntil;
        uint256 issuerUntil; // enteredAt must be below it
        uint256 grace; // seconds, for the windows above
        uint256 keysEnd; // no key is valid from then on
    }

    /// @notice Stands for an issuer key that was never registered: no address equals it.
    uint256 internal constant NO_KEY = type(uint256).max;

    /// @notice Derives the ranges from the rules. They may be narrower than the rules, never wider.
    /// @dev A ride of the ranges ends after it begins and within LONGEST_RIDE; so its entry's range follows from its exit's.
    function deriveRanges(Terms memory t) internal pure {
        unchecked {
            uint256 exitFrom = Math.max(t.exitFrom, t.maxFare + 1); // any time is above any fare
            uint256 exitUntil = Math.min(Math.min(t.latestExit, type(uint32).max) + 1, t.operatorUntil);
            uint256 entryFrom = Math.max(t.keyFrom, Math.saturatingSub(exitFrom, LONGEST_RIDE));
            uint256 entryUntil = Math.min(exitUntil, Math.min(t.keyUntil, t.issuerUntil));
            if (exitFrom < exitUntil && entryFrom < entryUntil) {
                t.lowest = (entryFrom << 64) | (exitFrom << 32);
                t.highest = ((entryUntil - 1) << 64) | ((exitUntil - 1) << 32) | t.maxFare;
            } else {
                (t.lowest, t.highest) = (1, 0);
            }
        }
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
}
