// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ICityRegistry} from "../interfaces/ICityRegistry.sol";
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

    /// @notice What a group's rides are held against. Which parameters hold for a ride its exit says: those before `changedAt`, or
    /// those from then on.
    /// @dev The first three fields are the rules for a ride that nothing is wrong with, as {deriveRanges} makes them: the
    /// loop looks at those alone. The others tell which rule was broken where a ride falls out of the ranges.
    struct Terms {
        uint256 key; // the issuer key's address, or NO_KEY
        uint256 lowest; // enteredAt, exitedAt and fare, in 32 bits each
        uint256 highest; // the same
        uint256 changedAt; // exits before it are judged by the first three, others by the three after
        uint256 maxFareBefore; // fen
        uint256 graceBefore; // seconds
        uint256 exitFromBefore; // exitedAt must not be below it
        uint256 maxFare;
        uint256 grace;
        uint256 exitFrom;
        uint256 latestExit; // exitedAt must not be above it
        uint256 keyFrom; // enteredAt must not be below it
        uint256 keyEnd; // enteredAt must be below it and the grace that follows it
        uint256 issuer;
        uint256 issuerStoppedAt; // when its present suspension or its exit began, or NEVER
        uint256 issuerReinstatedAt; // enteredAt below it may lie in a past suspension
        uint256 operator;
        uint256 operatorStoppedAt;
        uint256 operatorReinstatedAt; // the same of exitedAt
        uint256 registry; // the CityRegistry's address, which knows past suspensions
        uint256 keysEnd; // no key is valid from then on; or NEVER
    }

    /// @notice Stands for an issuer key that was never registered: no address equals it.
    uint256 internal constant NO_KEY = type(uint256).max;
    /// @notice Stands for a time that won't come.
    uint256 internal constant NEVER = type(uint64).max;

    /// @notice Derives the ranges from the rules. They may be narrower than the rules, never wider: they are those of the rides
    /// that ended on the same side of `changedAt` as the group's first.
    /// @dev A ride of the ranges ends after it begins and within LONGEST_RIDE; so its entry's range follows from its exit's.
    /// @param firstExit When the group's first ride ended.
    function deriveRanges(Terms memory t, uint256 firstExit) internal pure {
        unchecked {
            bool before = firstExit < t.changedAt;
            (uint256 maxFare, uint256 grace, uint256 exitFrom) = _parameters(t, firstExit);
            exitFrom = Math.max(exitFrom, maxFare + 1); // any time is above any fare
            exitFrom = Math.max(exitFrom, Math.max(before ? 0 : t.changedAt, t.operatorReinstatedAt));
            uint256 exitUntil = Math.min(t.latestExit, type(uint32).max) + 1;
            exitUntil = Math.min(exitUntil, _withGrace(t, t.operatorStoppedAt, grace));
            if (before) exitUntil = Math.min(exitUntil, t.changedAt);
            uint256 entryFrom = Math.max(t.keyFrom, Math.saturatingSub(exitFrom, LONGEST_RIDE));
            entryFrom = Math.max(entryFrom, t.issuerReinstatedAt);
            uint256 entryUntil = Math.min(_withGrace(t, t.keyEnd, grace), _withGrace(t, t.issuerStoppedAt, grace));
            entryUntil = Math.min(exitUntil, entryUntil);
            if (exitFrom < exitUntil && entryFrom < entryUntil) {
                t.lowest = (entryFrom << 64) | (exitFrom << 32);
                t.highest = ((entryUntil - 1) << 64) | ((exitUntil - 1) << 32) | maxFare;
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
    ) internal view returns (uint256) {
        if (!signed) return BAD_ISSUER_SIGNATURE;
        bool loneExit = ride.enteredAt == ride.exitedAt && ride.entryStation == 0;
        if (ride.enteredAt > ride.notAfter + (loneExit ? LONGEST_RIDE : 0)) return TICKET_EXPIRED;
        (uint256 maxFare, uint256 grace, uint256 exitFrom) = _parameters(t, ride.exitedAt);
        if (ride.fare > ride.fareCap || ride.fare > maxFare) return ABOVE_FARE_CAP;
        if (spent) return ALREADY_SETTLED;
        if (_badTimes(t, ride)) return BAD_TIMES;
        if (ride.exitedAt < exitFrom) return TOO_LATE;
        if (ride.enteredAt < t.keyFrom || ride.enteredAt >= _withGrace(t, t.keyEnd, grace)) return KEY_NOT_VALID;
        uint256 stoppedAt = _stoppedAt(t, t.issuer, ride.enteredAt, t.issuerStoppedAt, t.issuerReinstatedAt);
        if (ride.enteredAt >= _withGrace(t, stoppedAt, grace)) return ISSUER_SUSPENDED;
        stoppedAt = _stoppedAt(t, t.operator, ride.exitedAt, t.operatorStoppedAt, t.operatorReinstatedAt);
        if (ride.exitedAt >= _withGrace(t, stoppedAt, grace)) return OPERATOR_SUSPENDED;
        return SETTLES;
    }

    /// @dev The parameters of a ride, by when it ended.
    function _parameters(
        Terms memory t,
        uint256 exitedAt
    ) private pure returns (uint256 maxFare, uint256 grace, uint256 exitFrom) {
        if (exitedAt < t.changedAt) return (t.maxFareBefore, t.graceBefore, t.exitFromBefore);
        return (t.maxFare, t.grace, t.exitFrom);
    }

    /// @dev A moment, and the grace that follows it: a longer one that came later doesn't reach back to before it came.
    function _withGrace(Terms memory t, uint256 moment, uint256 grace) private pure returns (uint256) {
        return moment + (moment < t.changedAt ? Math.min(t.graceBefore, grace) : grace);
    }

    /// @dev Since when a city was suspended, or out, as to a time: in a past suspension, or the present one; NEVER if neither.
    function _stoppedAt(
        Terms memory t,
        uint256 city,
        uint256 time,
        uint256 stoppedAt,
        uint256 reinstatedAt
    ) private view returns (uint256) {
        if (time >= reinstatedAt) return stoppedAt;
        uint256 past = ICityRegistry(address(uint160(t.registry))).suspendedFrom(uint16(city), time); // cities' codes
        return past == 0 ? stoppedAt : past;
    }

    /// @dev Equal times say that one end is unknown; then exactly one station is 0.
    function _badTimes(Terms memory t, BatchCodec.Ride memory ride) private pure returns (bool) {
        if (ride.exitedAt > t.latestExit) return true;
        if (ride.exitedAt < ride.enteredAt || ride.exitedAt > ride.enteredAt + LONGEST_RIDE) return true;
        return ride.enteredAt == ride.exitedAt && (ride.entryStation == 0) == (ride.exitStation == 0);
    }
}
