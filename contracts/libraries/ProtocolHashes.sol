// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

/// @title What the protocol signs
/// @notice The EIP-712 types of protocol sections 2 and 5, and who signed a digest.
library ProtocolHashes {
    string internal constant NAME = "Interline";
    string internal constant VERSION = "1";

    bytes32 internal constant TICKET_TYPEHASH = keccak256(
        "Ticket(uint16 issuer,uint8 keyId,uint16 operator,uint40 serial,uint32 notAfter,uint32 fareCap,bytes20 rider)"
    );
    bytes32 internal constant BATCH_TYPEHASH = keccak256("Batch(uint16 operator,bytes32 batchId)");

    /// @notice The EIP-712 struct hash of a batch.
    function batch(uint256 operator, bytes32 batchId) internal pure returns (bytes32) {
        return keccak256(abi.encode(BATCH_TYPEHASH, operator, batchId));
    }

    /// @notice Who signed a digest; zero if nobody did.
    /// @param signature EIP-2098: 64 bytes, r, then yParity in the top bit of s. Its length is the caller's to check.
    function signerOf(bytes32 digest, bytes calldata signature) internal pure returns (address) {
        bytes32 vs = bytes32(signature[32:64]);
        uint8 v = 27 + uint8(uint256(vs) >> 255);
        return ecrecover(digest, v, bytes32(signature[:32]), (vs << 1) >> 1);
    }
}
