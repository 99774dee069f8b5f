// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {CityRegistry} from "./CityRegistry.sol";
import {IConsortium} from "./interfaces/IConsortium.sol";
import {ICityRegistry} from "./interfaces/ICityRegistry.sol";

/// @title The vote of the cities
/// @dev Approvals are bits by seat, so that those of cities no longer active fall away by one AND, and no act loops over
/// the members.
contract Consortium is IConsortium {
    /// @notice How long a proposal can be approved and executed, seconds.
    uint256 public constant VOTING_PERIOD = 30 days;

    struct Proposal {
        address target;
        uint16 proposer;
        uint40 proposedAt;
        bool executed;
        uint256 approvals;
        bytes data;
    }

    /// @inheritdoc IConsortium
    ICityRegistry public immutable registry;
    /// @dev From 1, so that the first proposal costs what every other does.
    uint256 private _nextId = 1;
    mapping(uint256 id => Proposal) private _proposals;

    /// @param founders The cities that are members from the first block.
    constructor(Founder[] memory founders) {
        if (founders.length == 0) revert NoFounders();
        registry = new CityRegistry();
        for (uint256 i = 0; i < founders.length; ++i) {
            registry.admit(founders[i].code, founders[i].name, founders[i].admin, founders[i].treasury);
        }
    }

    // ---------------------------------------------------------------- proposing, approving, executing

    /// @inheritdoc IConsortium
    function propose(uint16 city, address target, bytes calldata data) external returns (uint256 id) {
        uint256 seatBit = _vote(city);
        if (target.code.length == 0) revert TargetHasNoCode(target);

        id = _nextId++;
        Proposal storage p = _proposals[id];
        p.target = target;
        p.proposer = city;
        p.proposedAt = uint40(block.timestamp);
        p.approvals = seatBit;
        p.data = data;
        emit Proposed(id, city, target, data);
        emit Approved(id, city);
    }

    /// @inheritdoc IConsortium
    function approve(uint256 id, uint16 city) external {
        uint256 seatBit = _vote(city);
        Proposal storage p = _open(id);
        if (p.approvals & seatBit != 0) revert AlreadyApproved(id, city);

        p.approvals |= seatBit;
        emit Approved(id, city);
    }

    /// @inheritdoc IConsortium
    function execute(uint256 id) external {
        Proposal storage p = _open(id);
        (uint256 votes, uint256 votesNeeded) = _tally(p.approvals);
        if (votes < votesNeeded) revert NotPassed(id, votes, votesNeeded);

        p.executed = true;
        emit Executed(id);
        Address.functionCall(p.target, p.data);
    }

    // ---------------------------------------------------------------- what there is to read

    /// @inheritdoc IConsortium
    function proposalCount() external view returns (uint256) {
        return _nextId - 1;
    }

    /// @inheritdoc IConsortium
    function proposal(
        uint256 id
    )
        external
        view
        returns (
            address target,
            bytes memory data,
            uint16 proposer,
            uint40 proposedAt,
            bool executed,
            uint256 votes,
            uint256 votesNeeded
        )
    {
        Proposal storage p = _existing(id);
        (votes, votesNeeded) = _tally(p.approvals);
        return (p.target, p.data, p.proposer, p.proposedAt, p.executed, votes, votesNeeded);
    }

    /// @inheritdoc IConsortium
    function hasApproved(uint256 id, uint16 city) external view returns (bool) {
        (, ICityRegistry.Status status, , , , ) = registry.city(city);
        return status != ICityRegistry.Status.None && _existing(id).approvals & _seatBit(city) != 0;
    }

    /// @inheritdoc IConsortium
    function isPassed(uint256 id) external view returns (bool) {
        Proposal storage p = _existing(id);
        (uint256 votes, uint256 votesNeeded) = _tally(p.approvals);
        return !p.executed && block.timestamp <= p.proposedAt + VOTING_PERIOD && votes >= votesNeeded;
    }

    // ---------------------------------------------------------------- internals

    /// @dev The bit of a city's seat, once it is sure that the caller votes for it.
    function _vote(uint16 city) private view returns (uint256 seatBit) {
        (, ICityRegistry.Status status, address admin, , , ) = registry.city(city);
        if (status != ICityRegistry.Status.Active) revert CityNotActive(city);
        if (msg.sender != admin) revert NotCityAdmin(city, msg.sender);
        return _seatBit(city);
    }

    function _seatBit(uint16 city) private view returns (uint256) {
        return uint256(1) << registry.seatOf(city);
    }

    function _existing(uint256 id) private view returns (Proposal storage p) {
        p = _proposals[id];
        if (p.target == address(0)) revert UnknownProposal(id);
    }

    function _open(uint256 id) private view returns (Proposal storage p) {
        p = _existing(id);
        if (p.executed) revert AlreadyExecuted(id);
        uint256 expiresAt = p.proposedAt + VOTING_PERIOD;
        if (block.timestamp > expiresAt) revert ProposalExpired(id, expiresAt);
    }

    /// @dev Approvals by cities that are active now, and two thirds of those, rounded up. Where no city is left, no
    /// number of votes is enough.
    function _tally(uint256 approvals) private view returns (uint256 votes, uint256 votesNeeded) {
        uint256 active = registry.activeCount();
        votes = _countBits(approvals & registry.activeSeats());
        votesNeeded = active == 0 ? 1 : (2 * active + 2) / 3;
    }

    function _countBits(uint256 bits) private pure returns (uint256 count) {
        for (; bits != 0; bits &= bits - 1) ++count;
    }
}
