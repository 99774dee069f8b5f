// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the protocol signs
/// @notice The EIP-712 types of protocol sections 2 and 5, and who signed a digest.
library ProtocolHashes {
    string internal constant NAME = "Interline";
    string internal constant VERSION = "1";

    bytes32 internal constant TICKET_TYPEHASH = keccak256(
        "Ticket(uint16 issuer,uint8 keyId,uint16 operator,uint40 serial,uint32 notAfter,uint32 fareCap,bytes20 rider)"
    );
    bytes32 internal constant BATCH_TYPEHASH = keccak256("Batch(uint16 operator,bytes32 batchId)");

    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    string private constant CODE_PREFIX = "Interline code v1";

    /// @notice The separator of a Clearinghouse's domain, for contracts beside it.
    function domainSeparator(address clearinghouse) internal view returns (bytes32) {
        bytes32 name = keccak256(bytes(NAME));
        bytes32 version = keccak256(bytes(VERSION));
        return keccak256(abi.encode(DOMAIN_TYPEHASH, name, version, block.chainid, clearinghouse));
    }

    /// @notice The EIP-712 struct hash of a ticket.
    function ticket(
        uint256 issuer,
        uint256 keyId,
        uint256 operator,
        uint256 serial,
        uint256 notAfter,
        uint256 fareCap,
        bytes20 rider
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(TICKET_TYPEHASH, issuer, keyId, operator, serial, notAfter, fareCap, rider));
    }

    /// @notice What a rider key signs to show a code: protocol section 3.
    function code(bytes32 ticketHash, uint256 shownAt) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(CODE_PREFIX, ticketHash, uint32(shownAt)));
    }

    /// @notice How a ticket names its rider key: the last 20 bytes of keccak256(x || y).
    function rider(bytes32 x, bytes32 y) internal pure returns (bytes20) {
        return bytes20(uint160(uint256(keccak256(abi.encode(x, y)))));
    }

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
