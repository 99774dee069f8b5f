// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {SerialBitmap} from "../../contracts/libraries/SerialBitmap.sol";

/// @notice The bitmap of serials, for all issuers, operators and serials at once.
contract BitmapProofs {
    using SerialBitmap for SerialBitmap.Bitmap;

    SerialBitmap.Bitmap private _map;

    /// @notice The serial that is marked is the one that is set; no other is set by it, of whatever pair of cities.
    function check_markingOneSerialMarksNoOther(
        uint16 issuer,
        uint16 operator,
        uint40 serial,
        uint16 issuer2,
        uint16 operator2,
        uint40 serial2
    ) external {
        bool before = _map.isSet(issuer2, operator2, serial2);
        _mark(issuer, operator, serial);
        bool same = issuer == issuer2 && operator == operator2 && serial == serial2;
        assert(_map.isSet(issuer, operator, serial));
        assert(_map.isSet(issuer2, operator2, serial2) == (before || same));
    }

    /// @notice What was marked stays marked.
    function check_nothingIsUnmarked(
        uint16 issuer,
        uint16 operator,
        uint40 serial,
        uint16 issuer2,
        uint16 operator2,
        uint40 serial2
    ) external {
        _mark(issuer, operator, serial);
        _mark(issuer2, operator2, serial2);
        assert(_map.isSet(issuer, operator, serial));
    }

    /// @notice Two words are at one place only if they are of the same pair of cities and the same 256 serials.
    function check_wordsOfDifferentPagesLieApart(
        uint16 issuer,
        uint16 operator,
        uint40 serial,
        uint16 issuer2,
        uint16 operator2,
        uint40 serial2
    ) external view {
        bool same = issuer == issuer2 && operator == operator2 && serial >> 8 == serial2 >> 8;
        bytes32 slot = SerialBitmap.slotOf(_map, issuer, operator, serial);
        assert((slot == SerialBitmap.slotOf(_map, issuer2, operator2, serial2)) == same);
    }

    /// @notice A serial has one bit, and no other of its word has the same.
    function check_bitsDiffer(uint40 serial, uint40 serial2) external pure {
        uint256 bit = SerialBitmap.bitOf(serial);
        assert(bit != 0 && bit & (bit - 1) == 0);
        assert((bit == SerialBitmap.bitOf(serial2)) == (serial & 0xff == serial2 & 0xff));
    }

    function _mark(uint16 issuer, uint16 operator, uint40 serial) private {
        bytes32 slot = SerialBitmap.slotOf(_map, issuer, operator, serial);
        SerialBitmap.store(slot, SerialBitmap.load(slot) | SerialBitmap.bitOf(serial));
    }
}
