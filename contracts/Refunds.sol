// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {ICityRegistry} from "./interfaces/ICityRegistry.sol";
import {IClearinghouse} from "./interfaces/IClearinghouse.sol";
import {IRefunds} from "./interfaces/IRefunds.sol";
import {BatchCodec} from "./libraries/BatchCodec.sol";
import {ProtocolHashes} from "./libraries/ProtocolHashes.sol";

/// @title Refunds and disputes of settled rides
/// @dev It holds no money and calls nobody but its Clearinghouse and the registry: nothing can be entered twice.
contract Refunds is IRefunds {
    using BatchCodec for bytes;

    /// @inheritdoc IRefunds
    IClearinghouse public immutable clearinghouse;
    ICityRegistry private immutable _registry;

    /// @dev Two storage words; the second is there for disputed rides alone.
    struct Record {
        Case state;
        bytes32 facts; // keccak256 of the ride's {RideFacts}
    }

    /// @dev A ride that was found in its batch, and settled.
    struct SettledRide {
        bytes32 batchId;
        uint256 settledAt;
        uint256 index;
        uint16 operator;
        uint16 issuer;
        uint256 keyId;
        bytes20 rider;
        BatchCodec.Ride fields;
    }

    mapping(bytes32 batchId => mapping(uint256 index => Record)) private _records;

    /// @inheritdoc IRefunds
    mapping(uint16 issuer => mapping(uint16 operator => uint256)) public disputed;

    /// @param clearinghouse_ Whoever makes this contract: the Clearinghouse, at its own construction.
    /// @param registry_ The Clearinghouse's, which can't be asked yet.
    constructor(IClearinghouse clearinghouse_, ICityRegistry registry_) {
        clearinghouse = clearinghouse_;
        _registry = registry_;
    }

    // ---------------------------------------------------------------- refunds

    /// @inheritdoc IRefunds
    function refund(bytes calldata batch, bytes calldata refused, uint256 index, uint256 amount) external {
        SettledRide memory ride = _find(batch, refused, index);
        _requireTreasury(ride.operator);
        if (amount == 0) revert ZeroAmount();
        Case storage state = _caseOf(ride);
        if (amount > _left(state)) revert AboveFare(_left(state), amount);
        _refund(state, ride.batchId, index, amount, Cause.ByOperator);
    }

    /// @inheritdoc IRefunds
    function refundRevoked(bytes calldata batch, bytes calldata refused, uint256 index) external {
        SettledRide memory ride = _find(batch, refused, index);
        IClearinghouse.Parameters memory p = _requireDisputable(ride);
        uint256 revokedAt = _registry.revokedAt(ride.issuer, ride.operator, uint40(ride.fields.serial));
        if (revokedAt == 0 || ride.fields.enteredAt <= revokedAt + p.grace) {
            revert NotRevokedInTime(ride.fields.enteredAt, revokedAt, p.grace);
        }
        Case storage state = _caseOf(ride);
        _refund(state, ride.batchId, index, _someLeft(state, ride), Cause.Revoked);
    }

    // ---------------------------------------------------------------- disputes

    /// @inheritdoc IRefunds
    function dispute(bytes calldata batch, bytes calldata refused, uint256 index) external {
        SettledRide memory ride = _find(batch, refused, index);
        _requireTreasury(ride.issuer);
        Case storage state = _caseOf(ride);
        if (state.stage != Stage.None) revert AlreadyDisputed(ride.batchId, index);
        IClearinghouse.Parameters memory p = _requireDisputable(ride);
        uint256 amount = _someLeft(state, ride);

        state.stage = Stage.Open;
        state.fee = p.disputeFee;
        state.answerUntil = uint40(block.timestamp + p.answerTime);
        _records[ride.batchId][index].facts = _hash(_factsOf(ride));
        disputed[ride.issuer][ride.operator] += amount;
        emit RideDisputed(ride.batchId, index, ride.issuer, ride.operator, amount, state.answerUntil, state.fee);
    }

    /// @inheritdoc IRefunds
    function answer(bytes32 batchId, uint256 index, RideFacts calldata facts, Evidence calldata evidence) external {
        Case storage state = _openDispute(batchId, index);
        if (block.timestamp > state.answerUntil) revert AnswerTooLate(state.answerUntil);
        bytes32 expected = _records[batchId][index].facts;
        if (_hash(facts) != expected) revert WrongRideFacts(expected, _hash(facts));
        _requireEvidence(facts, evidence);

        (uint16 issuer, uint16 operator, uint256 fee) = (state.issuer, state.operator, state.fee);
        state.stage = Stage.Upheld;
        disputed[issuer][operator] -= _left(state);
        uint256 paid = fee == 0 ? 0 : clearinghouse.post(issuer, operator, fee);
        emit RideUpheld(batchId, index, issuer, operator, fee, paid);
    }

    /// @inheritdoc IRefunds
    function refundUnanswered(bytes32 batchId, uint256 index) external {
        Case storage state = _openDispute(batchId, index);
        if (block.timestamp <= state.answerUntil) revert AnswerStillPossible(state.answerUntil);
        _refund(state, batchId, index, _left(state), Cause.Unanswered);
    }

    // ---------------------------------------------------------------- what there is to read

    /// @inheritdoc IRefunds
    function caseOf(bytes32 batchId, uint256 index) external view returns (Case memory) {
        return _records[batchId][index].state;
    }

    // ---------------------------------------------------------------- the ride

    /// @dev A settled ride, from the bytes that were settled and the list of those refused.
    function _find(
        bytes calldata batch,
        bytes calldata refused,
        uint256 index
    ) private view returns (SettledRide memory ride) {
        ride.batchId = keccak256(batch);
        bytes25 outcome;
        (ride.operator, ride.settledAt, outcome) = clearinghouse.batches(ride.batchId);
        if (ride.operator == 0) revert UnknownBatch(ride.batchId);
        bytes25 came = refused.length == 0 ? bytes25(0) : bytes25(keccak256(refused));
        if (came != outcome) revert WrongRefusedList(ride.batchId, outcome, came);

        BatchCodec.Place memory place = batch.find(index);
        if (place.at == 0) revert NoSuchRide(index, place.rides);
        if (refused.names(index)) revert RideWasRefused(ride.batchId, index);
        (ride.fields, ride.rider) = batch.rideIn(place.at);
        (ride.index, ride.issuer, ride.keyId) = (index, uint16(place.issuer), place.keyId);
    }

    /// @dev The ride's case; the first act on a ride opens it.
    function _caseOf(SettledRide memory ride) private returns (Case storage state) {
        state = _records[ride.batchId][ride.index].state;
        if (state.operator != 0) return state;
        (state.issuer, state.operator, state.fare) = (ride.issuer, ride.operator, uint32(ride.fields.fare));
    }

    function _factsOf(SettledRide memory ride) private view returns (RideFacts memory) {
        BatchCodec.Ride memory r = ride.fields;
        bytes32 ticket = ProtocolHashes.ticket(
            ride.issuer,
            ride.keyId,
            ride.operator,
            r.serial,
            r.notAfter,
            r.fareCap,
            ride.rider
        );
        bytes32 domain = ProtocolHashes.domainSeparator(address(clearinghouse));
        bytes32 ticketHash = keccak256(abi.encodePacked(hex"1901", domain, ticket));
        return RideFacts(ticketHash, ride.rider, uint32(r.enteredAt), uint32(r.exitedAt));
    }

    function _hash(RideFacts memory facts) private pure returns (bytes32) {
        return keccak256(abi.encode(facts));
    }

    // ---------------------------------------------------------------- internals

    /// @dev Books a refund; one of all that is left ends an open dispute.
    function _refund(Case storage state, bytes32 batchId, uint256 index, uint256 amount, Cause cause) private {
        (uint16 issuer, uint16 operator) = (state.issuer, state.operator);
        state.refunded += uint32(amount);
        if (state.stage == Stage.Open) {
            disputed[issuer][operator] -= amount;
            if (_left(state) == 0) state.stage = Stage.Closed;
        }
        uint256 paid = clearinghouse.post(operator, issuer, amount);
        emit RideRefunded(batchId, index, issuer, operator, amount, paid, cause);
    }

    function _left(Case storage state) private view returns (uint256) {
        return state.fare - state.refunded;
    }

    function _someLeft(Case storage state, SettledRide memory ride) private view returns (uint256 left) {
        left = _left(state);
        if (left == 0) revert NothingLeft(ride.batchId, ride.index);
    }

    function _openDispute(bytes32 batchId, uint256 index) private view returns (Case storage state) {
        state = _records[batchId][index].state;
        if (state.stage != Stage.Open) revert NotDisputed(batchId, index);
    }

    function _requireTreasury(uint16 city) private view {
        if (msg.sender != _registry.spendingTreasury(city)) revert NotTreasury(city, msg.sender);
    }

    /// @dev Makes sure that there is time for a dispute; gives the parameters of when the ride ended.
    function _requireDisputable(SettledRide memory ride) private view returns (IClearinghouse.Parameters memory p) {
        p = clearinghouse.parametersAt(ride.fields.exitedAt);
        uint256 from = block.timestamp - p.disputeTime;
        if (ride.settledAt < from) revert DisputeTooLate(ride.settledAt, from);
    }

    /// @dev What only the rider's phone could have made: the ticket's key, and its signatures at both times.
    function _requireEvidence(RideFacts calldata facts, Evidence calldata evidence) private view {
        bytes20 rider = ProtocolHashes.rider(evidence.x, evidence.y);
        if (rider != facts.rider) revert WrongRiderKey(facts.rider, rider);
        _requireShown(facts.ticketHash, facts.enteredAt, evidence, evidence.entrySignature);
        if (facts.exitedAt != facts.enteredAt) {
            _requireShown(facts.ticketHash, facts.exitedAt, evidence, evidence.exitSignature);
        } else if (evidence.exitSignature.length != 0) {
            revert BadRiderSignature(facts.exitedAt);
        }
    }

    function _requireShown(
        bytes32 ticketHash,
        uint32 shownAt,
        Evidence calldata key,
        bytes calldata signature
    ) private view {
        if (signature.length != 64) revert BadRiderSignature(shownAt);
        (bytes32 r, bytes32 s) = (bytes32(signature[:32]), bytes32(signature[32:]));
        bytes32 digest = ProtocolHashes.code(ticketHash, shownAt);
        if (!P256.verify(digest, r, s, key.x, key.y)) revert BadRiderSignature(shownAt);
    }
}
