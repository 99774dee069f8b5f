// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {CityRegistry} from "./CityRegistry.sol";
import {IStoppable} from "./interfaces/IStoppable.sol";
import {IConsortium} from "./interfaces/IConsortium.sol";
import {ICityRegistry} from "./interfaces/ICityRegistry.sol";

/// @title The vote of the cities
/// @dev Approvals are bits by seat, so that those of cities that left fall away by one AND, and no act loops over the members.
/// Only {execute} looks at each change of the members during a wait. The approvals of a proposal change nowhere but in its own
/// acts, each of which first looks back over what has changed since the one before ({_keepWait}).
contract Consortium is IConsortium {
    /// @notice How long a proposal can be approved and executed, seconds.
    uint256 public constant VOTING_PERIOD = 30 days;
    /// @notice How long a proposal can be executed after its wait, seconds, if that is later.
    uint256 public constant EXECUTION_PERIOD = 14 days;
    /// @notice How long a suspension, a recovery or a successor's calling off waits after it passed, seconds.
    uint256 public constant SHORT_DELAY = 1 days;
    /// @notice How long whatever else can hurt a member waits, seconds.
    uint256 public constant LONG_DELAY = 7 days;
    /// @notice How long calls for an emergency stop stand, from the first of them on, seconds.
    uint256 public constant CALL_PERIOD = 1 days;

    /// @dev Three storage words and the call.
    struct Proposal {
        address target;
        uint16 proposer;
        uint16 concerned; // the city that has no vote in it, or 0
        uint40 proposedAt;
        bool executed;
        uint216 approvals;
        uint40 keptUntil; // until when the two thirds were seen to be there; only while it waits
        uint40 passedAt; // 0 until its wait begins
        uint24 delay;
        address requester; // of a recovery: the address that asked; zero for all other calls
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
    /// @dev A later request takes the place of the one before.
    mapping(uint16 city => uint256 id) private _requestOf;

    /// @param founders The cities that are members from the first block.
    constructor(ICityRegistry.Founder[] memory founders) {
        if (founders.length == 0) revert NoFounders();
        registry = new CityRegistry(founders);
    }

    // ---------------------------------------------------------------- proposing, approving, executing

    /// @inheritdoc IConsortium
    function propose(uint16 city, address target, bytes calldata data) external returns (uint256 id) {
        uint256 seatBit = _vote(city);
        if (target.code.length == 0) revert TargetHasNoCode(target);
        uint16 concerned = 0;
        if (target == address(registry) && data.length >= 36) {
            bytes4 selector = bytes4(data);
            // Where the word isn't a city's code, the registry refuses the call.
            concerned = uint16(uint256(bytes32(data[4:36])));
            if (selector == ICityRegistry.recover.selector) revert RecoveryNeedsRequest(concerned);
            if (selector != ICityRegistry.suspend.selector && selector != ICityRegistry.expel.selector) concerned = 0;
        }

        Proposal storage p;
        (id, p) = _new(city, concerned, target, data, delayOf(target, data));
        p.approvals = uint216(seatBit); // a seat's
        emit Approved(id, city);
        _beginWait(id, p);
    }

    /// @inheritdoc IConsortium
    function approve(uint256 id, uint16 city) external {
        uint256 seatBit = _vote(city);
        Proposal storage p = _open(id);
        if (p.approvals & seatBit != 0) revert AlreadyApproved(id, city);

        _keepWait(p);
        p.approvals |= uint216(seatBit); // a seat's
        emit Approved(id, city);
        _beginWait(id, p);
    }

    /// @inheritdoc IConsortium
    function withdrawApproval(uint256 id, uint16 city) external {
        uint256 seatBit = _vote(city);
        Proposal storage p = _open(id);
        if (p.approvals & seatBit == 0) revert NotApproved(id, city);

        _keepWait(p);
        p.approvals &= ~uint216(seatBit); // a seat's
        emit ApprovalWithdrawn(id, city);
        if (!_hasTwoThirds(p)) p.passedAt = 0;
    }

    /// @inheritdoc IConsortium
    function markPassed(uint256 id) external {
        Proposal storage p = _open(id);
        _requirePassed(id, p);
        _keepWait(p);
        _beginWait(id, p);
    }

    /// @inheritdoc IConsortium
    function execute(uint256 id) external {
        Proposal storage p = _open(id);
        _requirePassed(id, p);
        if (!_isDue(p)) revert TooEarly(id, _executableFrom(p));

        p.executed = true;
        emit Executed(id);
        Address.functionCall(p.target, p.data);
    }

    // ---------------------------------------------------------------- recovery

    /// @inheritdoc IConsortium
    function requestRecovery(uint16 city) external returns (uint256 id) {
        if (msg.sender != registry.recoveryOf(city)) revert NotRecoveryAddress(city, msg.sender);
        bytes memory data = abi.encodeCall(ICityRegistry.recover, (city, msg.sender));
        Proposal storage p;
        (id, p) = _new(city, city, address(registry), data, SHORT_DELAY);
        p.requester = msg.sender;
        _requestOf[city] = id;
        if (_voters(p, registry.votingSeats()) == 0) p.delay = uint24(LONG_DELAY);
        _beginWait(id, p);
    }

    /// @inheritdoc IConsortium
    function withdrawRequest(uint256 id) external {
        Proposal storage p = _open(id);
        if (msg.sender != p.requester) revert NotRecoveryAddress(p.proposer, msg.sender);
        delete _requestOf[p.proposer];
        emit RequestWithdrawn(id);
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
        if (selector == IStoppable.cancelSuccessor.selector) return SHORT_DELAY;
        if (target != address(registry)) return LONG_DELAY;
        if (selector == ICityRegistry.admit.selector || selector == ICityRegistry.reinstate.selector) return 0;
        if (selector == ICityRegistry.suspend.selector || selector == ICityRegistry.recover.selector)
            return SHORT_DELAY;
        return LONG_DELAY;
    }

    /// @inheritdoc IConsortium
    function stopCalls(address clearinghouse) public view returns (uint256 calls, uint256 needed, uint256 until) {
        StopCalls storage c = _stopCalls[clearinghouse];
        uint256 seats = registry.votingSeats();
        uint256 voters = _countBits(seats);
        needed = Math.min(voters, Math.max(2, Math.ceilDiv(voters, 4)));
        if (block.timestamp >= c.until) return (0, needed, 0);
        return (_countBits(c.seats & seats), needed, c.until);
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
        (votes, votesNeeded) = _tally(p, registry.votingSeats());
        return (
            p.target,
            p.data,
            p.proposer,
            p.proposedAt,
            p.executed,
            votes,
            votesNeeded,
            _executableFrom(p),
            _isWithdrawn(id, p) ? 0 : _expiresAt(p)
        );
    }

    /// @inheritdoc IConsortium
    function hasApproved(uint256 id, uint16 city) external view returns (bool) {
        (ICityRegistry.Status status, , uint8 seat, ) = registry.voterOf(city);
        return status != ICityRegistry.Status.None && _existing(id).approvals & (uint256(1) << seat) != 0;
    }

    /// @inheritdoc IConsortium
    function isPassed(uint256 id) public view returns (bool) {
        Proposal storage p = _existing(id);
        if (p.executed || _isWithdrawn(id, p) || block.timestamp > _expiresAt(p)) return false;
        if (!_hasTwoThirds(p)) return false;
        return p.delay == 0 || _executableFrom(p) != 0;
    }

    /// @inheritdoc IConsortium
    function isExecutable(uint256 id) external view returns (bool) {
        return isPassed(id) && _isDue(_proposals[id]);
    }

    // ---------------------------------------------------------------- internals

    /// @dev The bit of a city's seat, once it is sure that the caller votes for it.
    function _vote(uint16 city) private view returns (uint256 seatBit) {
        (ICityRegistry.Status status, address admin, uint8 seat, uint40 countsFrom) = registry.voterOf(city);
        bool member = status == ICityRegistry.Status.Active || status == ICityRegistry.Status.Suspended;
        if (!member) revert NoVote(city, 0);
        if (msg.sender != admin) revert NotCityAdmin(city, msg.sender);
        if (block.timestamp < countsFrom) revert NoVote(city, countsFrom);
        return uint256(1) << seat;
    }

    function _new(
        uint16 proposer,
        uint16 concerned,
        address target,
        bytes memory data,
        uint256 delay
    ) private returns (uint256 id, Proposal storage p) {
        id = _nextId++;
        p = _proposals[id];
        p.target = target;
        p.proposer = proposer;
        p.concerned = concerned;
        p.proposedAt = uint40(block.timestamp);
        p.data = data;
        if (delay != 0) p.delay = uint24(delay); // a week at most
        emit Proposed(id, proposer, target, data);
    }

    function _existing(uint256 id) private view returns (Proposal storage p) {
        p = _proposals[id];
        if (p.target == address(0)) revert UnknownProposal(id);
    }

    function _open(uint256 id) private view returns (Proposal storage p) {
        p = _existing(id);
        if (p.executed) revert AlreadyExecuted(id);
        if (_isWithdrawn(id, p)) revert RequestIsWithdrawn(id);
        uint256 expiresAt = _expiresAt(p);
        if (block.timestamp > expiresAt) revert ProposalExpired(id, expiresAt);
    }

    function _isWithdrawn(uint256 id, Proposal storage p) private view returns (bool) {
        return p.requester != address(0) && !p.executed && _requestOf[p.proposer] != id;
    }

    function _requirePassed(uint256 id, Proposal storage p) private view {
        (uint256 votes, uint256 votesNeeded) = _tally(p, registry.votingSeats());
        if (votes < votesNeeded) revert NotPassed(id, votes, votesNeeded);
    }

    // ---------------------------------------------------------------- internals: waits

    /// @dev Ends the wait of a proposal that lost its two thirds since its last act, if only for a time.
    function _keepWait(Proposal storage p) private {
        if (p.passedAt == 0) return;
        if (_keptTwoThirds(p)) p.keptUntil = uint40(block.timestamp);
        else p.passedAt = 0;
    }

    /// @dev Starts the wait of a proposal that waits for nothing but that and has its two thirds.
    function _beginWait(uint256 id, Proposal storage p) private {
        if (p.delay == 0 || p.passedAt != 0 || !_hasTwoThirds(p)) return;
        p.passedAt = uint40(block.timestamp);
        p.keptUntil = uint40(block.timestamp);
        emit Passed(id, block.timestamp + p.delay);
    }

    function _isDue(Proposal storage p) private view returns (bool) {
        if (p.delay == 0) return true;
        uint256 executableFrom = _executableFrom(p);
        return executableFrom != 0 && block.timestamp >= executableFrom;
    }

    /// @dev When the wait is over; 0 if there is none, or the two thirds were lost in it.
    function _executableFrom(Proposal storage p) private view returns (uint256) {
        if (p.passedAt == 0 || (!p.executed && !_keptTwoThirds(p))) return 0;
        return p.passedAt + p.delay;
    }

    /// @dev A wait that lost its two thirds doesn't keep a proposal open beyond the time for votes.
    function _expiresAt(Proposal storage p) private view returns (uint256) {
        uint256 votingEnds = p.proposedAt + VOTING_PERIOD;
        uint256 executionEnds = p.passedAt == 0 ? 0 : p.passedAt + p.delay + EXECUTION_PERIOD;
        if (executionEnds <= votingEnds) return votingEnds;
        return p.executed || _keptTwoThirds(p) ? executionEnds : votingEnds;
    }

    // ---------------------------------------------------------------- internals: counting

    /// @dev Whether the approvals, which no act has changed since, were two thirds in each roll that was in force.
    function _keptTwoThirds(Proposal storage p) private view returns (bool) {
        uint256[] memory rolls = registry.rollsSince(p.keptUntil);
        for (uint256 i = 0; i < rolls.length; ++i) {
            (uint256 votes, uint256 votesNeeded) = _tally(p, rolls[i]);
            if (votes < votesNeeded) return false;
        }
        return true;
    }

    function _hasTwoThirds(Proposal storage p) private view returns (bool) {
        (uint256 votes, uint256 votesNeeded) = _tally(p, registry.votingSeats());
        return votes >= votesNeeded;
    }

    /// @dev Approvals by seats that count, without that of the city concerned; and two thirds of those that count, rounded up, at
    /// least one. Of a recovery, two thirds of the others; none where there were none when it was asked for, whoever joins then.
    function _tally(Proposal storage p, uint256 seats) private view returns (uint256 votes, uint256 votesNeeded) {
        votes = _countBits(p.approvals & seats & ~_seatOfConcerned(p));
        if (p.requester != address(0) && p.delay == LONG_DELAY) return (votes, 0);
        votesNeeded = Math.max(1, (2 * _voters(p, seats) + 2) / 3);
    }

    function _voters(Proposal storage p, uint256 seats) private view returns (uint256) {
        return _countBits(p.requester == address(0) ? seats : seats & ~_seatOfConcerned(p));
    }

    /// @dev The bit of the city that has no vote in it; 0 if there is no such city.
    function _seatOfConcerned(Proposal storage p) private view returns (uint256) {
        if (p.concerned == 0) return 0;
        (ICityRegistry.Status status, , uint8 seat, ) = registry.voterOf(p.concerned);
        return status == ICityRegistry.Status.None ? 0 : uint256(1) << seat;
    }

    function _countBits(uint256 bits) private pure returns (uint256 count) {
        for (; bits != 0; bits &= bits - 1) ++count;
    }
}
