// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The serials that have paid
/// @notice A bit for each serial of a pair of cities; 256 neighbouring serials share a storage word.
/// @dev Serials are dense per (issuer, operator), so that a new word is bought once in 256 rides.
library SerialBitmap {
    struct Bitmap {
        mapping(uint256 wordKey => uint256 bits) words;
    }

    /// @notice Whether a serial has paid.
    function isSet(Bitmap storage self, uint256 issuer, uint256 operator, uint256 serial) internal view returns (bool) {
        return load(slotOf(self, issuer, operator, serial)) & bitOf(serial) != 0;
    }

    /// @notice A serial's bit within its word.
    function bitOf(uint256 serial) internal pure returns (uint256) {
        return 1 << (serial & 0xff);
    }

    /// @notice The storage slot of the word that holds a serial: that of the mapping's entry for issuer, operator and
    /// the serial without its last 8 bits.
    function slotOf(
        Bitmap storage self,
        uint256 issuer,
        uint256 operator,
        uint256 serial
    ) internal pure returns (bytes32 slot) {
        uint256 wordKey = (issuer << 48) | (operator << 32) | (serial >> 8);
        assembly ("memory-safe") {
            mstore(0x00, wordKey)
            mstore(0x20, self.slot)
            slot := keccak256(0x00, 0x40)
        }
    }

    /// @notice The word at a slot.
    function load(bytes32 slot) internal view returns (uint256 bits) {
        assembly ("memory-safe") {
            bits := sload(slot)
        }
    }

    /// @notice Writes the word at a slot.
    function store(bytes32 slot, uint256 bits) internal {
        assembly ("memory-safe") {
            sstore(slot, bits)
        }
    }
}
