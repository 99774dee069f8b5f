// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {CityRegistry} from "./CityRegistry.sol";
import {IStoppable} from "./interfaces/IStoppable.sol";
import {IConsortium} from "./interfaces/IConsortium.sol";
import {ICityRegistry} from "./interfaces/ICityRegistry.sol";

/// @title The vote of the cities
/// @dev Approvals are bits by seat, so that those of cities no longer active fall away by one AND, and no act loops over
/// the members.
contract Consortium is IConsortium {
    /// @notice How long a proposal can be approved and executed, seconds.
    uint256 public constant VOTING_PERIOD = 30 days;
    /// @notice How long a proposal can be executed after its wait, seconds, if that is later.
    uint256 public constant EXECUTION_PERIOD = 14 days;
    /// @notice How long a suspension or a recovery waits after it passed, seconds.
    uint256 public constant SHORT_DELAY = 1 days;
    /// @notice How long whatever else can hurt a member waits, seconds.
    uint256 public constant LONG_DELAY = 7 days;
    /// @notice How long calls for an emergency stop stand, from the first of them on, seconds.
    uint256 public constant CALL_PERIOD = 1 days;

    struct Proposal {
        address target;
        uint16 proposer;
        uint16 concerned; // the city that has no vote in it, or 0
        uint40 proposedAt;
        bool executed;
        uint256 approvals;
        uint40 passedAt; // 0 until its wait begins
        uint24 delay;
        bytes data;
    }

    /// @dev Calls for one Clearinghouse's stop: bits by seat.
    struct StopCalls {
        uint256 seats;
        uint40 until;
    }

    /// @inheritdoc IConsortium
    ICityRegistry public immutable registry;
    /// @dev From 1, so that the first proposal costs what every other does.
    uint256 private _nextId = 1;
    mapping(uint256 id => Proposal) private _proposals;
    mapping(address clearinghouse => StopCalls) private _stopCalls;

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
        p.concerned = _concerned(target, data);
        p.proposedAt = uint40(block.timestamp);
        p.approvals = seatBit;
        p.data = data;
        uint24 delay = uint24(delayOf(target, data));
        if (delay != 0) p.delay = delay;
        emit Proposed(id, city, target, data);
        emit Approved(id, city);
        if (delay != 0) _beginWait(id, p);
    }

    /// @inheritdoc IConsortium
    function approve(uint256 id, uint16 city) external {
        uint256 seatBit = _vote(city);
        Proposal storage p = _open(id);
        if (p.approvals & seatBit != 0) revert AlreadyApproved(id, city);

        p.approvals |= seatBit;
        emit Approved(id, city);
        if (p.delay != 0) _beginWait(id, p);
    }

    /// @inheritdoc IConsortium
    function withdrawApproval(uint256 id, uint16 city) external {
        uint256 seatBit = _vote(city);
        Proposal storage p = _open(id);
        if (p.approvals & seatBit == 0) revert NotApproved(id, city);

        p.approvals &= ~seatBit;
        emit ApprovalWithdrawn(id, city);
        (uint256 votes, uint256 votesNeeded) = _tally(p);
        if (votes < votesNeeded) p.passedAt = 0;
    }

    /// @inheritdoc IConsortium
    function markPassed(uint256 id) external {
        Proposal storage p = _open(id);
        _requirePassed(id, p);
        if (p.delay != 0) _beginWait(id, p);
    }

    /// @inheritdoc IConsortium
    function execute(uint256 id) external {
        Proposal storage p = _open(id);
        _requirePassed(id, p);
        uint256 executableFrom = _executableFrom(p);
        if (p.delay != 0 && (executableFrom == 0 || block.timestamp < executableFrom))
            revert TooEarly(id, executableFrom);

        p.executed = true;
        emit Executed(id);
        Address.functionCall(p.target, p.data);
    }

    // ---------------------------------------------------------------- emergency stop

    /// @inheritdoc IConsortium
    function callStop(uint16 city, address clearinghouse) external {
        uint256 seatBit = _vote(city);
        StopCalls storage c = _stopCalls[clearinghouse];
        if (block.timestamp >= c.until) {
            c.seats = 0;
            c.until = uint40(block.timestamp + CALL_PERIOD);
        }
        if (c.seats & seatBit != 0) revert StopAlreadyCalled(city);

        c.seats |= seatBit;
        emit StopCalled(clearinghouse, city);
        (uint256 calls, uint256 needed, ) = stopCalls(clearinghouse);
        if (calls < needed) return;
        delete _stopCalls[clearinghouse];
        IStoppable(clearinghouse).stopSettlement();
    }

    // ---------------------------------------------------------------- what there is to read

    /// @inheritdoc IConsortium
    function proposalCount() external view returns (uint256) {
        return _nextId - 1;
    }

    /// @inheritdoc IConsortium
    function delayOf(address target, bytes calldata data) public view returns (uint256) {
        bytes4 selector = bytes4(data);
        if (selector == IStoppable.resumeSettlement.selector) return 0;
        if (target != address(registry)) return LONG_DELAY;
        if (selector == ICityRegistry.admit.selector || selector == ICityRegistry.reinstate.selector) return 0;
        if (selector == ICityRegistry.suspend.selector || selector == ICityRegistry.recover.selector)
            return SHORT_DELAY;
        return LONG_DELAY;
    }

    /// @inheritdoc IConsortium
    function stopCalls(address clearinghouse) public view returns (uint256 calls, uint256 needed, uint256 until) {
        StopCalls storage c = _stopCalls[clearinghouse];
        uint256 active = registry.activeCount();
        needed = Math.min(active, Math.max(2, Math.ceilDiv(active, 4)));
        if (block.timestamp >= c.until) return (0, needed, 0);
        return (_countBits(c.seats & registry.activeSeats()), needed, c.until);
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
            uint256 votesNeeded,
            uint256 executableFrom,
            uint256 expiresAt
        )
    {
        Proposal storage p = _existing(id);
        (votes, votesNeeded) = _tally(p);
        return (
            p.target,
            p.data,
            p.proposer,
            p.proposedAt,
            p.executed,
            votes,
            votesNeeded,
            _executableFrom(p),
            _expiresAt(p)
        );
    }

    /// @inheritdoc IConsortium
    function hasApproved(uint256 id, uint16 city) external view returns (bool) {
        (, ICityRegistry.Status status, , , , ) = registry.city(city);
        return _existing(id).approvals & _seatBit(city) != 0 && status != ICityRegistry.Status.None;
    }

    /// @inheritdoc IConsortium
    function isPassed(uint256 id) external view returns (bool) {
        Proposal storage p = _existing(id);
        (uint256 votes, uint256 votesNeeded) = _tally(p);
        return !p.executed && block.timestamp <= _expiresAt(p) && votes >= votesNeeded;
    }

    // ---------------------------------------------------------------- internals

    /// @dev The bit of a city's seat, once it is sure that the caller votes for it.
    function _vote(uint16 city) private view returns (uint256 seatBit) {
        (, ICityRegistry.Status status, address admin, , , ) = registry.city(city);
        if (status != ICityRegistry.Status.Active) revert CityNotActive(city);
        if (msg.sender != admin) revert NotCityAdmin(city, msg.sender);
        return _seatBit(city);
    }

    /// @dev A city that was never admitted has no seat: to be asked only for one that was, or is {_isActive}.
    function _seatBit(uint16 city) private view returns (uint256) {
        return uint256(1) << registry.seatOf(city);
    }

    function _isActive(uint16 city) private view returns (bool) {
        (, ICityRegistry.Status status, , , , ) = registry.city(city);
        return status == ICityRegistry.Status.Active;
    }

    function _existing(uint256 id) private view returns (Proposal storage p) {
        p = _proposals[id];
        if (p.target == address(0)) revert UnknownProposal(id);
    }

    function _open(uint256 id) private view returns (Proposal storage p) {
        p = _existing(id);
        if (p.executed) revert AlreadyExecuted(id);
        uint256 expiresAt = _expiresAt(p);
        if (block.timestamp > expiresAt) revert ProposalExpired(id, expiresAt);
    }

    function _requirePassed(uint256 id, Proposal storage p) private view {
        (uint256 votes, uint256 votesNeeded) = _tally(p);
        if (votes < votesNeeded) revert NotPassed(id, votes, votesNeeded);
    }

    /// @dev Starts the wait of a proposal that has its two thirds, once.
    function _beginWait(uint256 id, Proposal storage p) private {
        if (p.passedAt != 0) return;
        (uint256 votes, uint256 votesNeeded) = _tally(p);
        if (votes < votesNeeded) return;
        p.passedAt = uint40(block.timestamp);
        emit Passed(id, _executableFrom(p));
    }

    function _executableFrom(Proposal storage p) private view returns (uint256) {
        return p.passedAt == 0 ? 0 : p.passedAt + p.delay;
    }

    function _expiresAt(Proposal storage p) private view returns (uint256) {
        uint256 votingEnds = p.proposedAt + VOTING_PERIOD;
        return p.passedAt == 0 ? votingEnds : Math.max(votingEnds, _executableFrom(p) + EXECUTION_PERIOD);
    }

    /// @dev The city that a call suspends or expels, which has no vote in that; 0 for any other call. Where the word isn't a
    /// city's code, the registry refuses the call.
    function _concerned(address target, bytes calldata data) private view returns (uint16) {
        if (target != address(registry) || data.length < 36) return 0;
        bytes4 selector = bytes4(data);
        if (selector != ICityRegistry.suspend.selector && selector != ICityRegistry.expel.selector) return 0;
        return uint16(uint256(bytes32(data[4:36])));
    }

    /// @dev Approvals by cities that are active now, and two thirds of those, rounded up; without the city that is
    /// concerned. At least one vote is needed, whoever is left.
    function _tally(Proposal storage p) private view returns (uint256 votes, uint256 votesNeeded) {
        uint256 seats = registry.activeSeats();
        uint256 voters = registry.activeCount();
        if (p.concerned != 0 && _isActive(p.concerned)) {
            seats ^= _seatBit(p.concerned);
            --voters;
        }
        votes = _countBits(p.approvals & seats);
        votesNeeded = Math.max(1, (2 * voters + 2) / 3);
    }

    function _countBits(uint256 bits) private pure returns (uint256 count) {
        for (; bits != 0; bits &= bits - 1) ++count;
    }
}
