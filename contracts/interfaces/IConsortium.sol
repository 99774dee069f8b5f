// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICityRegistry} from "./ICityRegistry.sol";

/// @title The vote of the cities
/// @notice One city, one vote: what two thirds of the members approve can be executed by anyone.
/// @dev A proposal is a call that the Consortium makes. Its power is what other contracts grant to it, no more: it holds
/// no funds, and nobody, its deployer included, has power over it. A member is who was admitted and didn't leave; a suspended one
/// keeps its vote, so that nobody gets a majority by suspending others. A newcomer's seat counts after a week.
interface IConsortium {
    /// @notice A city proposed a call, and by that approved it; or its recovery address asked for its recovery, which approves nothing.
    event Proposed(uint256 indexed id, uint16 indexed city, address target, bytes data);
    /// @notice A city approved a proposal.
    event Approved(uint256 indexed id, uint16 indexed city);
    /// @notice A city took its approval back.
    event ApprovalWithdrawn(uint256 indexed id, uint16 indexed city);
    /// @notice The recovery address took its request back; by a new one it does so, too, without this event.
    event RequestWithdrawn(uint256 indexed id);
    /// @notice A proposal whose call waits got its two thirds; it can be carried out from `executableFrom` on, if it keeps them.
    event Passed(uint256 indexed id, uint256 executableFrom);
    /// @notice A city asked for an emergency stop of settlement.
    event StopCalled(address indexed clearinghouse, uint16 indexed city);
    /// @notice A proposal was carried out.
    event Executed(uint256 indexed id);

    /// @notice A consortium needs a founder.
    error NoFounders();
    /// @notice The caller is not the admin of the city.
    error NotCityAdmin(uint16 city, address caller);
    /// @notice Only a member whose seat counts proposes and approves: from `countsFrom` on; 0 if the city is no member.
    error NoVote(uint16 city, uint256 countsFrom);
    /// @notice A recovery is asked for by the city's recovery address ({requestRecovery}), not proposed by a member.
    error RecoveryNeedsRequest(uint16 city);
    /// @notice The caller is not the recovery address of the city, or not the one that asked.
    error NotRecoveryAddress(uint16 city, address caller);
    /// @notice The recovery address took its request back, or asked anew.
    error RequestIsWithdrawn(uint256 id);
    /// @notice A proposal calls a contract.
    error TargetHasNoCode(address target);
    /// @notice There is no such proposal.
    error UnknownProposal(uint256 id);
    /// @notice The proposal was carried out before.
    error AlreadyExecuted(uint256 id);
    /// @notice The time for votes and for execution is over.
    error ProposalExpired(uint256 id, uint256 expiredAt);
    /// @notice The city approved before.
    error AlreadyApproved(uint256 id, uint16 city);
    /// @notice The city did not approve.
    error NotApproved(uint256 id, uint16 city);
    /// @notice What hurts a member waits: the proposal can be carried out from `executableFrom` on; 0 if {markPassed} has to come first.
    error TooEarly(uint256 id, uint256 executableFrom);
    /// @notice The city has asked for this stop already.
    error StopAlreadyCalled(uint16 city);
    /// @notice Too few of the active members approved.
    error NotPassed(uint256 id, uint256 votes, uint256 votesNeeded);

    /// @notice Proposes a call and approves it in the city's name.
    /// @param city The proposing city.
    /// @param target The contract to call.
    /// @param data The call, ABI-encoded with its selector.
    /// @return id The proposal's number, from 1.
    /// Requirements:
    /// - the city's seat counts: {NoVote}; the caller is its admin: {NotCityAdmin}
    /// - the target is a contract: {TargetHasNoCode}; it is no recovery: {RecoveryNeedsRequest}
    function propose(uint16 city, address target, bytes calldata data) external returns (uint256 id);

    /// @notice The city's recovery address asks the others to give the city back to it. It needs two thirds of the others, none of
    /// the city concerned; where there are no others, the request alone passes, and waits a week. It takes the
    /// place of an earlier request for the city.
    /// @return id The proposal's number.
    /// Requirements:
    /// - the caller is the city's recovery address: {NotRecoveryAddress}
    function requestRecovery(uint16 city) external returns (uint256 id);

    /// @notice The recovery address takes its request back.
    /// Requirements:
    /// - the proposal exists: {UnknownProposal}, is open: {AlreadyExecuted}, {ProposalExpired}, {RequestIsWithdrawn}
    /// - the caller asked for it: {NotRecoveryAddress}
    function withdrawRequest(uint256 id) external;

    /// @notice Approves a proposal in the city's name.
    /// Requirements:
    /// - the city's seat counts: {NoVote}; the caller is its admin: {NotCityAdmin}
    /// - the proposal exists: {UnknownProposal}, is open: {AlreadyExecuted}, {ProposalExpired}, {RequestIsWithdrawn}
    /// - the city did not approve before: {AlreadyApproved}
    function approve(uint256 id, uint16 city) external;

    /// @notice Takes an approval back, in the city's name.
    /// Requirements:
    /// - as for {approve}, but the city approved: {NotApproved}
    function withdrawApproval(uint256 id, uint16 city) external;

    /// @notice Starts the wait of a proposal that got its two thirds because other members left, or anew of one that had lost them
    /// for a time; anyone may call it. An approval that makes up the two thirds starts it by itself.
    /// Requirements:
    /// - the proposal exists: {UnknownProposal}, is open: {AlreadyExecuted}, {ProposalExpired}, {RequestIsWithdrawn}
    /// - two thirds approve: {NotPassed}
    function markPassed(uint256 id) external;

    /// @notice Carries a proposal out; anyone may call it.
    /// Requirements:
    /// - the proposal exists: {UnknownProposal}, is open: {AlreadyExecuted}, {ProposalExpired}, {RequestIsWithdrawn}
    /// - at least two thirds of the members approve: {NotPassed}
    /// - its wait is over, and it had them all the time: {TooEarly}
    /// - the call itself succeeds; its error is passed on
    function execute(uint256 id) external;

    /// @notice Asks for an emergency stop of settlement in the city's name; when a quarter of the members (at least two) have
    /// within one day, it stops.
    /// Requirements:
    /// - the city's seat counts: {NoVote}; the caller is its admin: {NotCityAdmin}; it didn't ask before: {StopAlreadyCalled}
    /// - the Clearinghouse can be stopped, once there are enough: its error is passed on
    function callStop(uint16 city, address clearinghouse) external;

    /// @notice How long a call has to wait after it passed, seconds: none to admit or reinstate a city or to lift a stop, one day to
    /// suspend one, to recover it or to call a successor off, a week for all else.
    function delayOf(address target, bytes calldata data) external view returns (uint256);

    /// @notice The calls for a stop that stand.
    /// @return calls How many members asked for it.
    /// @return needed How many have to.
    /// @return until When those lapse, Unix seconds; 0 if there are none.
    function stopCalls(address clearinghouse) external view returns (uint256 calls, uint256 needed, uint256 until);

    /// @notice The registry of members, made by this contract at its own construction.
    function registry() external view returns (ICityRegistry);

    /// @notice How many proposals there are; they are numbered from 1.
    function proposalCount() external view returns (uint256);

    /// @notice One proposal.
    /// @return target The contract to call.
    /// @return data The call.
    /// @return proposer The city that proposed it; of a recovery, the one to be recovered.
    /// @return proposedAt Unix seconds.
    /// @return executed Whether it was carried out.
    /// @return votes Approvals by members whose seats count now, without the city that is suspended, expelled or recovered.
    /// @return votesNeeded Two thirds of the members whose seats count, rounded up, at least 1; of the others alone for a recovery.
    /// @return executableFrom When its wait is or was over; 0 if it hasn't passed, lost its two thirds since, or needs none.
    /// @return expiresAt The last second in which it can be carried out as things are; 0 if it was taken back.
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
        );

    /// @notice Whether a city approved a proposal.
    function hasApproved(uint256 id, uint16 city) external view returns (bool);

    /// @notice Whether a proposal that is still open has its two thirds, and began its wait with them if its call waits.
    function isPassed(uint256 id) external view returns (bool);

    /// @notice Whether a proposal could be executed now, as far as its call lets it.
    function isExecutable(uint256 id) external view returns (bool);
}
