// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

/// @title The bytes of a batch
/// @notice Where each field of protocol section 5 stands, and how it is read from memory.
/// @dev A batch is `operator (2) || groups`, a group `issuer (2) || keyId (1) || count (2) || count x ride (113)`:
///
///     ride   0 serial (5)      5 notAfter (4)   9 fareCap (4)    13 rider (20)   33 entryStation (2)  35 exitStation (2)
///           37 enteredAt (4)  41 exitedAt (4)  45 fare (4)       49 r (32)       81 yParity and s (32)
library BatchCodec {
    uint256 internal constant OPERATOR_BYTES = 2;
    uint256 internal constant GROUP_HEADER_BYTES = 5;
    uint256 internal constant RIDE_BYTES = 113;
    uint256 internal constant MAX_RIDES = 1000;

    struct Ride {
        uint256 serial;
        uint256 notAfter;
        uint256 fareCap;
        uint256 entryStation;
        uint256 exitStation;
        uint256 enteredAt;
        uint256 exitedAt;
        uint256 fare;
    }

    /// @notice The operator of a batch that has at least two bytes.
    function operatorOf(bytes calldata batch) internal pure returns (uint256) {
        return uint16(bytes2(batch[:OPERATOR_BYTES]));
    }

    /// @notice The header of the group whose first byte is at `pointer` in memory.
    function groupAt(uint256 pointer) internal pure returns (uint256 issuer, uint256 keyId, uint256 count) {
        uint256 word;
        assembly ("memory-safe") {
            word := mload(pointer)
        }
        issuer = word >> 240;
        keyId = (word >> 232) & 0xff;
        count = (word >> 216) & 0xffff;
    }

    /// @notice The serial of the ride whose first byte is at `pointer` in memory.
    function serialAt(uint256 pointer) internal pure returns (uint256 serial) {
        assembly ("memory-safe") {
            serial := shr(216, mload(pointer))
        }
    }

    /// @notice The fare, in fen, of the ride whose first byte is at `pointer` in memory.
    function fareAt(uint256 pointer) internal pure returns (uint256 fare) {
        assembly ("memory-safe") {
            fare := and(mload(add(pointer, 17)), 0xffffffff)
        }
    }

    /// @notice The fields, but for rider and signature, of the ride whose first byte is at `pointer` in memory.
    function rideAt(uint256 pointer) internal pure returns (Ride memory ride) {
        uint256 head;
        uint256 tail;
        assembly ("memory-safe") {
            head := mload(pointer)
            tail := mload(add(pointer, 33))
        }
        ride.serial = head >> 216;
        ride.notAfter = (head >> 184) & 0xffffffff;
        ride.fareCap = (head >> 152) & 0xffffffff;
        ride.entryStation = tail >> 240;
        ride.exitStation = (tail >> 224) & 0xffff;
        ride.enteredAt = (tail >> 192) & 0xffffffff;
        ride.exitedAt = (tail >> 160) & 0xffffffff;
        ride.fare = (tail >> 128) & 0xffffffff;
    }
}
