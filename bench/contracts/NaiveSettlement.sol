// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ICityRegistry} from "../../contracts/interfaces/ICityRegistry.sol";

/// @title Settlement written plainly, to compare the Clearinghouse's gas with
/// @notice The same tickets, rides and checks, the way one writes them at first: an array of structs, OpenZeppelin's
/// ECDSA, a storage slot, two balances and an event for every ride. For benchmarks alone: anybody may fund a city, and
/// a ride that fails reverts the whole batch.
contract NaiveSettlement is EIP712 {
    struct Ride {
        uint16 issuer;
        uint8 keyId;
        uint40 serial;
        uint32 notAfter;
        uint32 fareCap;
        bytes20 rider;
        uint16 entryStation;
        uint16 exitStation;
        uint32 enteredAt;
        uint32 exitedAt;
        uint32 fare;
        bytes issuerSignature; // r (32) || s (32) || v (1)
    }

    bytes32 private constant TICKET_TYPEHASH =
        keccak256(
            "Ticket(uint16 issuer,uint8 keyId,uint16 operator,uint40 serial,uint32 notAfter,uint32 fareCap,bytes20 rider)"
        );

    ICityRegistry public immutable registry;
    uint256 public maxFare = 20_000;
    uint256 public grace = 24 hours;
    uint256 public submissionWindow = 30 days;
    mapping(uint16 city => uint256) public balanceOf;
    mapping(bytes32 ticketHash => bool) public settled;

    event RideSettled(bytes32 indexed ticketHash, uint16 indexed issuer, uint16 indexed operator, uint256 fare);

    error NotSubmitter(address sender);
    error BadIssuerSignature(bytes32 ticketHash);
    error TicketExpired(bytes32 ticketHash);
    error AboveFareCap(bytes32 ticketHash);
    error AlreadySettled(bytes32 ticketHash);
    error BadTimes(bytes32 ticketHash);
    error TooLate(bytes32 ticketHash);
    error KeyNotValid(bytes32 ticketHash);
    error CityNotActive(uint16 city);

    constructor(ICityRegistry registry_) EIP712("Interline", "1") {
        registry = registry_;
    }

    function fund(uint16 city, uint256 amount) external {
        balanceOf[city] += amount;
    }

    function settle(uint16 operator, Ride[] calldata rides) external {
        if (!registry.isSubmitter(operator, msg.sender)) revert NotSubmitter(msg.sender);
        _requireActive(operator);
        for (uint256 i = 0; i < rides.length; i++) _settleRide(operator, rides[i]);
    }

    function _settleRide(uint16 operator, Ride calldata ride) private {
        bytes32 ticketHash = _ticketHash(operator, ride);
        (address key, uint40 validFrom, uint40 validUntil) = registry.issuerKey(ride.issuer, ride.keyId);
        if (ECDSA.recover(ticketHash, ride.issuerSignature) != key) revert BadIssuerSignature(ticketHash);
        if (ride.enteredAt > ride.notAfter) revert TicketExpired(ticketHash);
        if (ride.fare > ride.fareCap || ride.fare > maxFare) revert AboveFareCap(ticketHash);
        if (settled[ticketHash]) revert AlreadySettled(ticketHash);
        if (
            ride.exitedAt > block.timestamp + 60 ||
            ride.exitedAt <= ride.enteredAt ||
            ride.exitedAt > ride.enteredAt + 24 hours
        ) revert BadTimes(ticketHash);
        if (block.timestamp > ride.exitedAt + submissionWindow) revert TooLate(ticketHash);
        if (ride.enteredAt < validFrom || ride.enteredAt >= validUntil + grace) revert KeyNotValid(ticketHash);
        _requireActive(ride.issuer);

        settled[ticketHash] = true;
        balanceOf[ride.issuer] -= ride.fare;
        balanceOf[operator] += ride.fare;
        emit RideSettled(ticketHash, ride.issuer, operator, ride.fare);
    }

    function _ticketHash(uint16 operator, Ride calldata ride) private view returns (bytes32) {
        return
            _hashTypedDataV4(
                keccak256(
                    abi.encode(
                        TICKET_TYPEHASH,
                        ride.issuer,
                        ride.keyId,
                        operator,
                        ride.serial,
                        ride.notAfter,
                        ride.fareCap,
                        ride.rider
                    )
                )
            );
    }

    function _requireActive(uint16 city) private view {
        (, ICityRegistry.Status status, , , , ) = registry.city(city);
        if (status != ICityRegistry.Status.Active) revert CityNotActive(city);
    }
}
