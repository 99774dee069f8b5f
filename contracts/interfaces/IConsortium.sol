// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {ICityRegistry} from "./ICityRegistry.sol";

/// @title The vote of the cities
/// @notice One city, one vote: what two thirds of the active members approve can be executed by anyone.
/// @dev A proposal is a call that the Consortium makes. Its power is what other contracts grant to it, no more: it holds
/// no funds, and nobody, its deployer included, has power over it.
interface IConsortium {
    /// @notice A city that is a member from the first block.
    /// @param code The city's code.
    /// @param name Its name, for people.
    /// @param admin The address that votes and manages keys for it.
    /// @param treasury The address that its withdrawals go to.
    struct Founder {
        uint16 code;
        string name;
        address admin;
        address treasury;
    }

    /// @notice A city proposed a call, and by that approved it.
    event Proposed(uint256 indexed id, uint16 indexed city, address target, bytes data);
    /// @notice A city approved a proposal.
    event Approved(uint256 indexed id, uint16 indexed city);
    /// @notice A city took its approval back.
    event ApprovalWithdrawn(uint256 indexed id, uint16 indexed city);
    /// @notice A proposal whose call waits got its two thirds; it can be carried out from `executableFrom` on.
    event Passed(uint256 indexed id, uint256 executableFrom);
    /// @notice A city asked for an emergency stop of settlement.
    event StopCalled(address indexed clearinghouse, uint16 indexed city);
    /// @notice A proposal was carried out.
    event Executed(uint256 indexed id);

    /// @notice A consortium needs a founder.
    error NoFounders();
    /// @notice The caller is not the admin of the city.
    error NotCityAdmin(uint16 city, address caller);
    /// @notice Only an active city proposes and approves.
    error CityNotActive(uint16 city);
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
    /// - the city is active: {CityNotActive}; the caller is its admin: {NotCityAdmin}
    /// - the target is a contract: {TargetHasNoCode}
    function propose(uint16 city, address target, bytes calldata data) external returns (uint256 id);

    /// @notice Approves a proposal in the city's name.
    /// Requirements:
    /// - the city is active: {CityNotActive}; the caller is its admin: {NotCityAdmin}
    /// - the proposal exists: {UnknownProposal}, is open: {AlreadyExecuted}, {ProposalExpired}
    /// - the city did not approve before: {AlreadyApproved}
    function approve(uint256 id, uint16 city) external;

    /// @notice Takes an approval back, in the city's name.
    /// Requirements:
    /// - as for {approve}, but the city approved: {NotApproved}
    function withdrawApproval(uint256 id, uint16 city) external;

    /// @notice Starts the wait of a proposal that got its two thirds because other members left; anyone may call it. An
    /// approval that makes up the two thirds starts it by itself.
    /// Requirements:
    /// - the proposal exists: {UnknownProposal}, is open: {AlreadyExecuted}, {ProposalExpired}
    /// - two thirds approve: {NotPassed}
    function markPassed(uint256 id) external;

    /// @notice Carries a proposal out; anyone may call it.
    /// Requirements:
    /// - the proposal exists: {UnknownProposal}, is open: {AlreadyExecuted}, {ProposalExpired}
    /// - at least two thirds of the now active members approve (of the others, where it suspends or expels one): {NotPassed}
    /// - its wait is over: {TooEarly}
    /// - the call itself succeeds; its error is passed on
    function execute(uint256 id) external;

    /// @notice Asks for an emergency stop of settlement in the city's name; when a quarter of the active members (at least two) have
    /// within one day, it stops.
    /// Requirements:
    /// - the city is active: {CityNotActive}; the caller is its admin: {NotCityAdmin}; it didn't ask before: {StopAlreadyCalled}
    /// - the Clearinghouse can be stopped, once there are enough: its error is passed on
    function callStop(uint16 city, address clearinghouse) external;

    /// @notice How long a call has to wait after it passed, seconds: none to admit or reinstate a city or to lift a stop, one day to
    /// suspend one or to recover its keys, a week for all else.
    function delayOf(address target, bytes calldata data) external view returns (uint256);

    /// @notice The calls for a stop that stand.
    /// @return calls How many active members asked for it.
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
    /// @return proposer The city that proposed it.
    /// @return proposedAt Unix seconds.
    /// @return executed Whether it was carried out.
    /// @return votes Approvals by cities that are active now.
    /// @return votesNeeded Two thirds of the now active members (of the others, where it suspends or expels one), rounded up, at least 1.
    /// @return executableFrom When its wait is or was over; 0 if it hasn't passed, or needs none.
    /// @return expiresAt The last second in which it can be carried out as things are.
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

    /// @notice Whether a proposal could be executed now.
    function isPassed(uint256 id) external view returns (bool);
}
