// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {vm} from "./Vm.sol";

/// @notice A ride as the tests know it: the 113 bytes of protocol section 5, and who was asked to sign the ticket.
struct Ride {
    uint16 issuer;
    uint8 keyId;
    uint16 operator;
    uint40 serial;
    uint32 notAfter;
    uint32 fareCap;
    bytes20 rider;
    uint16 entryStation;
    uint16 exitStation;
    uint32 enteredAt;
    uint32 exitedAt;
    uint32 fare;
    bytes32 r;
    bytes32 vs;
    address signer; // whose signature it is, in this domain; zero if it is nobody's
    uint8 riderKey; // which of the tests' rider keys
    uint8 house; // which Clearinghouse it was signed for
    bool settled;
    uint32 batch; // 1 + the number of the batch in which it settled
    uint16 index; // its index in that batch
}

/// @notice The bytes and hashes of the protocol, written a second time: from the text, not from the contracts.
library Rides {
    bytes32 private constant DOMAIN = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant TICKET = keccak256(
        "Ticket(uint16 issuer,uint8 keyId,uint16 operator,uint40 serial,uint32 notAfter,uint32 fareCap,bytes20 rider)"
    );
    bytes32 private constant BATCH = keccak256("Batch(uint16 operator,bytes32 batchId)");
    uint256 private constant P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;

    function domain(uint256 chain, address house) internal pure returns (bytes32) {
        return keccak256(abi.encode(DOMAIN, keccak256("Interline"), keccak256("1"), chain, house));
    }

    function ticketHash(Ride memory ride, bytes32 domain_) internal pure returns (bytes32) {
        bytes32 ticket = keccak256(
            abi.encode(
                TICKET,
                ride.issuer,
                ride.keyId,
                ride.operator,
                ride.serial,
                ride.notAfter,
                ride.fareCap,
                ride.rider
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain_, ticket));
    }

    /// @notice Lets an issuer key sign the ride's ticket.
    function signTicket(Ride memory ride, bytes32 domain_, uint256 privateKey) internal pure {
        (ride.r, ride.vs) = compact(privateKey, ticketHash(ride, domain_));
        ride.signer = vm.addr(privateKey);
    }

    function signBatch(
        bytes memory batch,
        uint16 operator,
        bytes32 domain_,
        uint256 privateKey
    ) internal pure returns (bytes memory) {
        bytes32 struct_ = keccak256(abi.encode(BATCH, operator, keccak256(batch)));
        (bytes32 r, bytes32 vs) = compact(privateKey, keccak256(abi.encodePacked(hex"1901", domain_, struct_)));
        return abi.encodePacked(r, vs);
    }

    /// @notice An EIP-2098 signature.
    function compact(uint256 privateKey, bytes32 digest) internal pure returns (bytes32 r, bytes32 vs) {
        uint8 v;
        (v, r, vs) = vm.sign(privateKey, digest);
        if (v == 28) vs |= bytes32(uint256(1) << 255);
    }

    /// @notice What a phone shows at a gate: the rider key's signature over the code's message, s in the lower half.
    function showCode(bytes32 ticketHash_, uint32 shownAt, uint256 privateKey) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 s) = vm.signP256(
            privateKey,
            sha256(abi.encodePacked("Interline code v1", ticketHash_, shownAt))
        );
        if (uint256(s) > P256_ORDER / 2) s = bytes32(P256_ORDER - uint256(s));
        return abi.encodePacked(r, s);
    }

    function encode(Ride memory ride) internal pure returns (bytes memory) {
        return
            bytes.concat(
                abi.encodePacked(ride.serial, ride.notAfter, ride.fareCap, ride.rider),
                abi.encodePacked(ride.entryStation, ride.exitStation, ride.enteredAt, ride.exitedAt, ride.fare),
                abi.encodePacked(ride.r, ride.vs)
            );
    }

    /// @notice What rides and groups are ordered by.
    function rank(Ride memory ride) internal pure returns (uint256) {
        return (uint256(ride.issuer) << 48) | (uint256(ride.keyId) << 40) | ride.serial;
    }

    /// @notice A batch of rides that stand in order.
    function encodeBatch(uint16 operator, Ride[] memory rides) internal pure returns (bytes memory batch) {
        batch = abi.encodePacked(operator);
        for (uint256 from = 0; from < rides.length;) {
            uint256 until = from;
            bytes memory group;
            while (until < rides.length && rank(rides[until]) >> 40 == rank(rides[from]) >> 40) {
                group = bytes.concat(group, encode(rides[until++]));
            }
            batch = bytes.concat(
                batch,
                abi.encodePacked(rides[from].issuer, rides[from].keyId, uint16(until - from)),
                group
            );
            from = until;
        }
    }
}
