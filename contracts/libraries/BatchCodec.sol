// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

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
    uint256 internal constant REFUSAL_BYTES = 3;

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

    /// @notice Where a ride stands in a well-formed batch, and in whose group.
    /// @dev `at` is an offset from the batch's start, 0 where there is no such ride; `rides` are those gone past.
    struct Place {
        uint256 issuer;
        uint256 keyId;
        uint256 rides;
        uint256 at;
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

    /// @notice Puts serial 0 behind a group's last ride, where the next group's header stands.
    /// @return behind What stood there, for {openAt}.
    function closeAt(uint256 pointer) internal pure returns (uint256 behind) {
        assembly ("memory-safe") {
            behind := mload(pointer)
            mstore(pointer, 0)
        }
    }

    /// @notice Puts back what {closeAt} took away.
    function openAt(uint256 pointer, uint256 behind) internal pure {
        assembly ("memory-safe") {
            mstore(pointer, behind)
        }
    }

    /// @notice The fare, in fen, of the ride whose first byte is at `pointer` in memory.
    function fareAt(uint256 pointer) internal pure returns (uint256 fare) {
        assembly ("memory-safe") {
            fare := and(mload(add(pointer, 17)), 0xffffffff)
        }
    }

    /// @notice When the ride ended whose first byte is at `pointer` in memory.
    function exitedAt(uint256 pointer) internal pure returns (uint256 time) {
        assembly ("memory-safe") {
            time := and(mload(add(pointer, 13)), 0xffffffff)
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

    /// @notice Finds a ride by its index over the whole of a well-formed batch, from group header to group header.
    function find(bytes calldata batch, uint256 index) internal pure returns (Place memory place) {
        uint256 offset = OPERATOR_BYTES;
        while (offset < batch.length) {
            uint256 header = uint40(bytes5(batch[offset:offset + GROUP_HEADER_BYTES]));
            uint256 count = header & 0xffff;
            offset += GROUP_HEADER_BYTES;
            if (index < place.rides + count) {
                place.issuer = header >> 24;
                place.keyId = (header >> 16) & 0xff;
                place.at = offset + (index - place.rides) * RIDE_BYTES;
                return place;
            }
            place.rides += count;
            offset += count * RIDE_BYTES;
        }
    }

    /// @notice The fields of the ride that stands at an offset of a batch.
    function rideIn(bytes calldata batch, uint256 at) internal pure returns (Ride memory ride, bytes20 rider) {
        bytes memory copy = batch[at:at + RIDE_BYTES];
        uint256 pointer;
        assembly ("memory-safe") {
            pointer := add(copy, 32) // behind the length
        }
        return (rideAt(pointer), bytes20(batch[at + 13:at + 33]));
    }

    /// @notice Whether a list of refused rides, `index (2) || reason (1)` each, names a ride.
    function names(bytes calldata refused, uint256 index) internal pure returns (bool) {
        for (uint256 at = 0; at < refused.length; at += REFUSAL_BYTES) {
            if (uint16(bytes2(refused[at:at + 2])) == index) return true;
        }
        return false;
    }

    /// @notice Writes a refused ride to memory: index (2) || reason (1).
    /// @return The address behind it.
    function putRefusal(uint256 pointer, uint256 index, uint256 reason) internal pure returns (uint256) {
        assembly ("memory-safe") {
            mstore8(pointer, shr(8, index))
            mstore8(add(pointer, 1), index)
            mstore8(add(pointer, 2), reason)
            pointer := add(pointer, 3)
        }
        return pointer;
    }
}
