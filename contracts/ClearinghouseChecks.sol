// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IClearinghouse} from "./interfaces/IClearinghouse.sol";
import {IRefunds} from "./interfaces/IRefunds.sol";
import {ProtocolHashes} from "./libraries/ProtocolHashes.sol";
import {RideRules} from "./libraries/RideRules.sol";

/// @title What a Clearinghouse makes sure of before it does what a vote says
/// @notice That parameters lie within their bounds, and that a successor answers all that gates, offices and accountants will ask
/// it for. That its code is the right one, the voters see to. And how long claims on a city that left can arise.
/// @dev Made by its Clearinghouse, at its own construction, which has no room for this. It changes nothing.
contract ClearinghouseChecks {
    /// @notice How far ahead a successor is named, seconds.
    uint256 public constant CLOSING_NOTICE = 30 days;
    /// @dev As the Clearinghouse's.
    uint256 private constant STOP_LENGTH = 3 days;
    IClearinghouse private immutable _clearinghouse;

    /// @param clearinghouse_ Whoever makes this contract.
    constructor(IClearinghouse clearinghouse_) {
        _clearinghouse = clearinghouse_;
    }

    /// @notice Makes sure that each parameter lies within its bounds.
    /// Requirements: each does: {IClearinghouse.ParameterOutOfBounds}
    function requireWithinBounds(IClearinghouse.Parameters calldata to) external pure {
        _requireWithin(to.maxFare, 100, 100_000);
        _requireWithin(to.grace, 1 hours, 7 days);
        _requireWithin(to.submissionWindow, 2 days, 365 days);
        _requireWithin(to.disputeTime, 7 days, 90 days);
        _requireWithin(to.answerTime, 3 days, 30 days);
        _requireWithin(to.disputeFee, 0, 5_000);
    }

    /// @notice How long after a city left its last ride can lead to a refund, seconds: it ends, is sent, disputed and not answered.
    function longestClaim() external view returns (uint256) {
        IClearinghouse.Parameters memory before = _clearinghouse.parametersAt(0);
        return Math.max(_claim(before), _claim(_clearinghouse.parametersAt(type(uint256).max)));
    }

    /// @notice Makes sure that a contract answers as a successor must, and that it takes over late enough.
    /// Requirements:
    /// - it does: {IClearinghouse.NotASuccessor}
    /// - not before {CLOSING_NOTICE} from now, and within 40 bits: {IClearinghouse.ClosesTooSoon}
    function requireTakesOver(address other, uint256 closesAt) external view {
        if (!_takesOver(other)) revert IClearinghouse.NotASuccessor(other);
        uint256 earliest = block.timestamp + CLOSING_NOTICE;
        if (closesAt < earliest || closesAt > type(uint40).max) {
            revert IClearinghouse.ClosesTooSoon(closesAt, earliest);
        }
    }

    /// @notice Whether a contract answers as a successor must; reverts where a function is missing.
    function answersAsSuccessor(IClearinghouse other) external view returns (bool) {
        IClearinghouse present = _clearinghouse;
        if (address(other.predecessor()) != address(present)) return false;
        if (address(other.registry()) != address(present.registry())) return false;
        if (address(other.token()) != address(present.token())) return false;
        if (address(other.successor()) != address(0) || other.closesAt() != 0) return false;
        if (other.deployedAt() > block.number || other.deployedAt() < present.deployedAt()) return false;
        if (other.parameters().maxFare == 0) return false;
        other.pendingParameters();
        other.stoppedUntil();
        other.held();
        return _hasRefunds(other) && _hasDomain(other);
    }

    function _takesOver(address other) private view returns (bool) {
        if (other.code.length == 0 || other == address(_clearinghouse)) return false;
        try this.answersAsSuccessor(IClearinghouse(other)) returns (bool answers) {
            return answers;
        } catch {
            return false; // it lacks a function, or answers something else
        }
    }

    function _hasRefunds(IClearinghouse other) private view returns (bool) {
        IRefunds refunds = other.refunds();
        return address(refunds).code.length != 0 && address(refunds.clearinghouse()) == address(other);
    }

    function _hasDomain(IClearinghouse other) private view returns (bool) {
        (, string memory name, string memory version, uint256 chainId, address verifyingContract, , ) = IERC5267(
            address(other)
        ).eip712Domain();
        return
            keccak256(bytes(name)) == keccak256(bytes(ProtocolHashes.NAME)) &&
            keccak256(bytes(version)) == keccak256(bytes(ProtocolHashes.VERSION)) &&
            chainId == block.chainid &&
            verifyingContract == address(other);
    }

    /// @dev The respite after a stop counts twice: a second stop can come in the first one's.
    function _claim(IClearinghouse.Parameters memory p) private pure returns (uint256) {
        uint256 sent = uint256(p.grace) + RideRules.LONGEST_RIDE + p.submissionWindow + 2 * STOP_LENGTH;
        return sent + p.disputeTime + p.answerTime;
    }

    function _requireWithin(uint256 value, uint256 lowest, uint256 highest) private pure {
        if (value < lowest || value > highest) revert IClearinghouse.ParameterOutOfBounds(value, lowest, highest);
    }
}
