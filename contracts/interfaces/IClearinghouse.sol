// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ICityRegistry} from "./ICityRegistry.sol";

/// @title The settlement of rides between cities
/// @notice Checks each ride of a signed batch, and pays the city that carried the rider from the rider's home city.
/// @dev Amounts are fen, times Unix seconds. Protocol sections 5 to 7.
interface IClearinghouse {
    /// @notice A batch was settled: `settled` of its rides, worth `fares` fen together; `rejected` of them were refused.
    event BatchSettled(
        bytes32 indexed batchId,
        uint16 indexed operator,
        uint256 settled,
        uint256 rejected,
        uint256 fares
    );
    /// @notice One issuer's settled rides of a batch: `fares` fen are owed, `paid` of it came from its balance, the rest is arrears.
    event PairSettled(
        bytes32 indexed batchId,
        uint16 indexed issuer,
        uint16 indexed operator,
        uint256 rides,
        uint256 fares,
        uint256 paid
    );
    /// @notice A ride was refused; `index` counts over the whole batch from 0; `reason` as in protocol section 6.
    event RideRejected(bytes32 indexed batchId, uint256 index, uint8 reason);
    /// @notice `amount` fen came in for a city.
    event Deposited(uint16 indexed city, address indexed from, uint256 amount, bytes32 bankReference);
    /// @notice `amount` fen went out to a city's treasury.
    event Withdrawn(uint16 indexed city, address indexed to, uint256 amount, bytes32 bankReference);
    /// @notice `amount` fen of arrears were paid.
    event ArrearsPaid(uint16 indexed debtor, uint16 indexed creditor, uint256 amount);
    /// @notice A city's reserve was set by vote, in fen.
    event ReserveSet(uint16 indexed city, uint256 amount);
    /// @notice The parameters were set by vote: fen, seconds, seconds.
    event ParametersSet(uint256 maxFare, uint256 grace, uint256 submissionWindow);

    /// @notice The caller is not the Consortium.
    error NotConsortium(address caller);
    /// @notice The batch breaks the format at `offset` bytes from its start.
    error MalformedBatch(uint256 offset);
    /// @notice Groups and rides stand in strictly ascending order; those at `offset` do not.
    error OutOfOrder(uint256 offset);
    /// @notice A batch has at most `limit` rides.
    error TooManyRides(uint256 count, uint256 limit);
    /// @notice A city's own riders are no business of the consortium.
    error OwnTickets(uint16 city);
    /// @notice The batch's operator was never a member.
    error OperatorNotMember(uint16 operator);
    /// @notice A batch signature has 64 bytes (EIP-2098).
    error InvalidSignatureLength(uint256 length);
    /// @notice The batch is not signed by a submitter of its operator; `signer` is who signed, zero if nobody did.
    error NotSubmitter(uint16 operator, address signer);
    /// @notice The batch was settled before.
    error BatchAlreadySettled(bytes32 batchId);
    /// @notice Only a city that is or was a member has an account.
    error NotMember(uint16 city);
    /// @notice The caller is not the city's treasury.
    error NotTreasury(uint16 city, address caller);
    /// @notice The amount must not be zero.
    error ZeroAmount();
    /// @notice The city can withdraw less than that now.
    error InsufficientFunds(uint16 city, uint256 withdrawable, uint256 amount);
    /// @notice The contract would hold fewer tokens than its cities' balances: the token took a fee, or took some back.
    error TokensShort(uint256 held, uint256 tokens);
    /// @notice A parameter lies outside its bounds.
    error ParameterOutOfBounds(uint256 value, uint256 lowest, uint256 highest);

    /// @notice Settles a batch of rides: each ride stands for itself, a refused one is reported and blocks no other.
    /// @param batch The batch, protocol section 5.
    /// @param signature EIP-2098 signature of the batch by a submitter of its operator; whoever sends it does not matter.
    /// @return batchId keccak256 of the batch.
    /// @return settled How many rides settled.
    /// @return rejected How many were refused.
    /// Requirements, or nothing changes at all:
    /// - the batch is well formed: {MalformedBatch}, {OutOfOrder}, {TooManyRides}, {OwnTickets}
    /// - the operator is or was a member: {OperatorNotMember}
    /// - it is signed by one of its submitters: {InvalidSignatureLength}, {NotSubmitter}
    /// - it was not settled before: {BatchAlreadySettled}
    function settle(
        bytes calldata batch,
        bytes calldata signature
    ) external returns (bytes32 batchId, uint256 settled, uint256 rejected);

    /// @notice Pays a debtor's arrears to a creditor as far as the debtor's balance reaches; anyone may call it.
    /// @return paid fen; 0, without an event, where there is nothing to pay or to pay it from.
    function payArrears(uint16 debtor, uint16 creditor) external returns (uint256 paid);

    /// @notice Takes `amount` fen of the caller's tokens into a city's balance.
    /// @param bankReference Of the bank transfer it stands for, or 0.
    /// Requirements:
    /// - the city is or was a member: {NotMember}; the amount isn't 0: {ZeroAmount}
    /// - all of it arrives: {TokensShort}
    function deposit(uint16 city, uint256 amount, bytes32 bankReference) external;

    /// @notice Pays `amount` fen of a city's balance out to its treasury.
    /// @param bankReference Of the bank transfer it stands for, or 0.
    /// Requirements:
    /// - the caller is the city's treasury: {NotTreasury}; the amount isn't 0: {ZeroAmount}
    /// - the city can withdraw that much: {InsufficientFunds}
    /// - the tokens left cover all balances: {TokensShort}
    function withdraw(uint16 city, uint256 amount, bytes32 bankReference) external;

    /// @notice Sets what a city must leave in its balance; called by the Consortium after a vote.
    /// Requirements:
    /// - the caller is the Consortium: {NotConsortium}; the city is or was a member: {NotMember}
    function setReserve(uint16 city, uint256 amount) external;

    /// @notice Sets the parameters; called by the Consortium after a vote.
    /// @param maxFare Highest fare of a ride, fen.
    /// @param grace How stale a gate's trust list may be, seconds.
    /// @param submissionWindow How long after its end a ride may be submitted, seconds.
    /// Requirements:
    /// - the caller is the Consortium: {NotConsortium}; each is within its bounds: {ParameterOutOfBounds}
    function setParameters(uint256 maxFare, uint256 grace, uint256 submissionWindow) external;

    /// @notice The funds a city holds, fen.
    function balanceOf(uint16 city) external view returns (uint256);

    /// @notice What a city could withdraw now, fen: its balance less its reserve; 0 while it has arrears.
    function withdrawable(uint16 city) external view returns (uint256);

    /// @notice What a city must leave in its balance, fen; ends 45 days after the city left.
    function reserve(uint16 city) external view returns (uint256);

    /// @notice What a debtor owes to a creditor beyond what its balance could pay, fen.
    function arrears(uint16 debtor, uint16 creditor) external view returns (uint256);

    /// @notice What a debtor owes in arrears in all, fen.
    function arrearsOf(uint16 debtor) external view returns (uint256);

    /// @notice What a creditor is owed in arrears in all, fen.
    function arrearsDue(uint16 creditor) external view returns (uint256);

    /// @notice Balance + arrears owed to the city - arrears it owes, fen.
    function position(uint16 city) external view returns (int256);

    /// @notice Whether the ticket of that serial has paid for a ride.
    function isSettled(uint16 issuer, uint16 operator, uint40 serial) external view returns (bool);

    /// @notice A settled batch; all zero if there is none.
    /// @return operator The city whose batch it was.
    /// @return settledAt Unix seconds.
    /// @return outcome 0 if every ride settled, else the first 25 bytes of keccak256 over index (2) || reason (1) of each
    /// refused ride, ascending.
    function batches(bytes32 batchId) external view returns (uint16 operator, uint40 settledAt, bytes25 outcome);

    /// @notice The sum of all balances, fen; the tokens held never fall short of it.
    function held() external view returns (uint256);

    /// @notice The settlement currency, an ERC-20 with 2 decimals.
    function token() external view returns (IERC20);

    /// @notice The members and their keys.
    function registry() external view returns (ICityRegistry);

    /// @notice The block to read logs from.
    function deployedAt() external view returns (uint256);

    /// @notice The highest fare of a ride, fen.
    function maxFare() external view returns (uint256);

    /// @notice How stale a gate's trust list may be, seconds.
    function grace() external view returns (uint256);

    /// @notice How long after its end a ride may be submitted, seconds.
    function submissionWindow() external view returns (uint256);
}
