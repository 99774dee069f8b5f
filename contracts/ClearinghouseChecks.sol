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
    /// @notice How long fares above a city's daily limit wait after their day, beyond the time for an answer to a dispute, seconds.
    uint256 public constant WITHHOLDING = 4 days;
    /// @dev As the Clearinghouse's; a ride may come as long again after a stop.
    uint256 private constant STOP_LENGTH = 3 days;
    IClearinghouse private immutable _clearinghouse;

    /// @param clearinghouse_ Whoever makes this contract.
    constructor(IClearinghouse clearinghouse_) {
        _clearinghouse = clearinghouse_;
    }

    /// @notice Makes sure that parameters can be set now.
    /// @param changedAt When the parameters changed or will change that were set last, Unix seconds; 0 if none were.
    /// Requirements:
    /// - each is within its bounds: {IClearinghouse.ParameterOutOfBounds}
    /// - no ride may come any more that ended before they changed: {IClearinghouse.ParametersTooSoon}
    function requireSettable(IClearinghouse.Parameters calldata to, uint256 changedAt) external view {
        _requireWithin(to.maxFare, 100, 100_000);
        _requireWithin(to.grace, 1 hours, 7 days);
        _requireWithin(to.submissionWindow, 2 days, 365 days);
        _requireWithin(to.disputeTime, 7 days, 90 days);
        _requireWithin(to.answerTime, 3 days, 30 days);
        _requireWithin(to.disputeFee, 0, 5_000);
        if (changedAt == 0 || block.timestamp < changedAt) return; // those that don't hold yet are replaced
        uint256 earliest = changedAt + longestClaim();
        if (block.timestamp < earliest) revert IClearinghouse.ParametersTooSoon(earliest);
    }

    /// @notice Makes sure that what was withheld from a debtor's creditors on a day can be released.
    /// @dev The longer of the times for an answer counts, so that a dispute of one of those rides, opened at once, comes first.
    /// Requirements:
    /// - `answerTime` and {WITHHOLDING} have passed since that day, or `caller` is the debtor's treasury, and not frozen:
    ///   {IClearinghouse.StillWithheld}
    function requireReleasable(uint16 debtor, uint256 day, address caller) external view {
        (IClearinghouse.Parameters memory before, IClearinghouse.Parameters memory later) = _parameters();
        uint256 from = (day + 1) * 1 days + Math.max(before.answerTime, later.answerTime) + WITHHOLDING;
        if (block.timestamp >= from || caller == _clearinghouse.registry().spendingTreasury(debtor)) return;
        revert IClearinghouse.StillWithheld(from);
    }

    /// @notice How long after something that bounds rides (a city's exit, a change of parameters) one of them can still lead to a
    /// refund, seconds: it begins within `grace`, ends, is sent (after a stop, too), disputed and not answered. Of each time the
    /// longer one of the two sets of parameters.
    function longestClaim() public view returns (uint256) {
        (IClearinghouse.Parameters memory a, IClearinghouse.Parameters memory b) = _parameters();
        uint256 ended = Math.max(a.grace, b.grace) + RideRules.LONGEST_RIDE;
        uint256 sent = ended + Math.max(a.submissionWindow, b.submissionWindow) + 2 * STOP_LENGTH;
        return sent + Math.max(a.disputeTime, b.disputeTime) + Math.max(a.answerTime, b.answerTime);
    }

    /// @notice Makes sure that a contract answers as a successor must, and that it takes over late enough.
    /// Requirements:
    /// - no successor has taken over: {IClearinghouse.AlreadyClosed}
    /// - it does: {IClearinghouse.NotASuccessor}
    /// - not before {CLOSING_NOTICE} from now, and within 40 bits: {IClearinghouse.ClosesTooSoon}
    function requireTakesOver(address other, uint256 closesAt) external view {
        requireNotClosed();
        if (!_takesOver(other)) revert IClearinghouse.NotASuccessor(other);
        uint256 earliest = block.timestamp + CLOSING_NOTICE;
        if (closesAt < earliest || closesAt > type(uint40).max) {
            revert IClearinghouse.ClosesTooSoon(closesAt, earliest);
        }
    }

    /// @notice Makes sure that no successor has taken over.
    /// Requirements: none has: {IClearinghouse.AlreadyClosed}
    function requireNotClosed() public view {
        uint256 closedAt = _clearinghouse.closesAt();
        if (closedAt != 0 && block.timestamp >= closedAt) revert IClearinghouse.AlreadyClosed(closedAt);
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

    /// @dev Those of rides that ended before the last change, and of later ones.
    function _parameters()
        private
        view
        returns (IClearinghouse.Parameters memory before, IClearinghouse.Parameters memory later)
    {
        return (_clearinghouse.parametersAt(0), _clearinghouse.parametersAt(type(uint256).max));
    }

    function _requireWithin(uint256 value, uint256 lowest, uint256 highest) private pure {
        if (value < lowest || value > highest) revert IClearinghouse.ParameterOutOfBounds(value, lowest, highest);
    }
}
