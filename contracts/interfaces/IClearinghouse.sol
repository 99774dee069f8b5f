// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ICityRegistry} from "./ICityRegistry.sol";
import {IRefunds} from "./IRefunds.sol";

/// @title The settlement of rides between cities
/// @notice Checks each ride of a signed batch, and pays the city that carried the rider from the rider's home city.
/// @dev Amounts are fen, times Unix seconds. Protocol sections 5 to 7.
interface IClearinghouse {
    /// @notice What the members set by vote. A ride is judged by those that were in force when it ended.
    /// @param maxFare Highest fare of a ride, fen.
    /// @param grace How stale a gate's trust list may be, seconds.
    /// @param submissionWindow How long after its end a ride may be submitted, seconds.
    /// @param disputeTime How long after its settlement a ride may be disputed, seconds.
    /// @param answerTime How long a dispute waits for an answer, seconds.
    /// @param disputeFee What the issuer pays the operator for a dispute that was answered, fen.
    struct Parameters {
        uint24 maxFare;
        uint24 grace;
        uint32 submissionWindow;
        uint24 disputeTime;
        uint24 answerTime;
        uint16 disputeFee;
    }

    /// @notice A batch was settled: `settled` of its rides, worth `fares` fen together; `rejected` of them were refused.
    event BatchSettled(
        bytes32 indexed batchId,
        uint16 indexed operator,
        uint256 settled,
        uint256 rejected,
        uint256 fares
    );
    /// @notice One issuer's settled rides of a batch: `fares` fen are owed, `paid` of it came from its balance, the rest is arrears
    /// ({FaresWithheld} says what of them is above the issuer's daily limit).
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
    /// @notice A city's treasury set what its tickets may take from it in a day (UTC), in fen; 0 for no limit.
    event DailyLimitSet(uint16 indexed city, uint256 limit);
    /// @notice `amount` fen of fares that settled on `day` (UTC, since 1970) are above the issuer's daily limit: arrears that can't be
    /// paid before they are released.
    event FaresWithheld(uint16 indexed issuer, uint16 indexed operator, uint256 day, uint256 amount);
    /// @notice `amount` fen that were withheld on `day` are arrears as others from now on.
    event WithheldReleased(uint16 indexed issuer, uint16 indexed operator, uint256 day, uint256 amount);
    /// @notice The parameters were set; they hold for rides that end from `validFrom` on, and those that were to hold later never will.
    event ParametersSet(Parameters parameters, uint256 validFrom);
    /// @notice Settlement stands still until `until`: members made use of the emergency stop.
    event SettlementStopped(uint256 until);
    /// @notice The emergency stop was lifted by vote.
    event SettlementResumed();
    /// @notice A successor was named by vote; this Clearinghouse closes at `closesAt`.
    event SuccessorNamed(address successor, uint256 closesAt);
    /// @notice The successor that was named was called off by vote: this Clearinghouse doesn't close.
    event SuccessorCancelled(address successor);

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
    /// @notice The city's admin has frozen its treasury.
    error TreasuryFrozen(uint16 city);
    /// @notice The caller is not the contract that refunds rides.
    error NotRefunds(address caller);
    /// @notice Settlement stands still until `until`; send the batch again then.
    error SettlementIsStopped(uint256 until);
    /// @notice Stops can't be chained: the next one is possible from `earliest` on.
    error StopTooSoon(uint256 earliest);
    /// @notice There is no stop to lift.
    error NotStopped();
    /// @notice This Clearinghouse closed at `closedAt`: its successor stays.
    error AlreadyClosed(uint256 closedAt);
    /// @notice What is above a city's daily limit waits until `releasableFrom`, if the city doesn't confirm it.
    error StillWithheld(uint256 releasableFrom);
    /// @notice There is no successor to call off.
    error NoSuccessor();
    /// @notice The successor doesn't take over from this contract, has another registry or token, or doesn't answer as a Clearinghouse.
    error NotASuccessor(address successor);
    /// @notice The settlement currency has 2 decimals, not `decimals`.
    error WrongDecimals(uint8 decimals);
    /// @notice As long as rides may come that are judged by the parameters before the last change, no other can be set: not before
    /// `earliest`.
    error ParametersTooSoon(uint256 earliest);
    /// @notice A successor is named at least 30 days ahead, for a time of at most 40 bits.
    error ClosesTooSoon(uint256 closesAt, uint256 earliest);
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
    /// - settlement is not stopped: {SettlementIsStopped}
    /// - it was not settled before: {BatchAlreadySettled}
    function settle(
        bytes calldata batch,
        bytes calldata signature
    ) external returns (bytes32 batchId, uint256 settled, uint256 rejected);

    /// @notice Pays a debtor's arrears to a creditor, but for what is withheld, as far as the debtor's balance reaches; anyone may
    /// call it.
    /// @return paid fen; 0, without an event, where there is nothing to pay or to pay it from.
    function payArrears(uint16 debtor, uint16 creditor) external returns (uint256 paid);

    /// @notice Sets how much a city's tickets may take from it in a day (UTC, by the block's time). What settles above that is owed,
    /// but withheld: it can't be paid before `answerTime` and 4 days have passed, in which the city can end a stolen key and dispute.
    /// Meanwhile fares within the limit are paid as always, and the city can't withdraw.
    /// @param limit fen; 0 for no limit.
    /// Requirements:
    /// - the caller is the city's treasury: {NotTreasury}; its admin didn't freeze it: {TreasuryFrozen}
    function setDailyLimit(uint16 city, uint256 limit) external;

    /// @notice Lets what was withheld on a day, less what was set off since, be paid as other arrears: the debtor's treasury at once,
    /// as a confirmation, anyone once `answerTime` and 4 days have passed since that day.
    /// @param day UTC, since 1970.
    /// @return released fen; 0, without an event, where nothing was withheld on that day.
    /// Requirements:
    /// - the time is over, or the caller is the debtor's treasury, and not frozen: {StillWithheld}
    function releaseWithheld(uint16 debtor, uint16 creditor, uint256 day) external returns (uint256 released);

    /// @notice Takes `amount` fen of the caller's tokens into a city's balance.
    /// @param bankReference Of the bank transfer it stands for, or 0.
    /// Requirements:
    /// - the city is or was a member: {NotMember}; the amount isn't 0: {ZeroAmount}
    /// - all of it arrives: {TokensShort}
    function deposit(uint16 city, uint256 amount, bytes32 bankReference) external;

    /// @notice Pays `amount` fen of a city's balance out to its treasury.
    /// @param bankReference Of the bank transfer it stands for, or 0.
    /// Requirements:
    /// - the caller is the city's treasury: {NotTreasury}; its admin didn't freeze it: {TreasuryFrozen}
    /// - the amount isn't 0: {ZeroAmount}
    /// - the city can withdraw that much: {InsufficientFunds}
    /// - the tokens left cover all balances: {TokensShort}
    function withdraw(uint16 city, uint256 amount, bytes32 bankReference) external;

    /// @notice Sets what a city must leave in its balance; called by the Consortium after a vote.
    /// Requirements:
    /// - the caller is the Consortium: {NotConsortium}; the city is or was a member: {NotMember}
    function setReserve(uint16 city, uint256 amount) external;

    /// @notice Sets the parameters; called by the Consortium after a vote. They hold for rides that end from one `grace` later on,
    /// when every gate's list tells of them; rides that ended before stay under those in force then, for settling, refunds and disputes.
    /// @dev Parameters that were set before and don't hold yet are forgotten. Two sets are kept, so that a change has to wait until
    /// nothing can come any more of rides that ended before the last one.
    /// Requirements:
    /// - the caller is the Consortium: {NotConsortium}; each is within its bounds: {ParameterOutOfBounds}
    /// - no ride may come any more of before the last change: {ParametersTooSoon}
    function setParameters(Parameters calldata parameters) external;

    /// @notice Stops settlement for 3 days; called by the Consortium when enough members asked for it. It stops neither
    /// deposits, withdrawals and arrears, nor refunds, disputes and answers. Rides that were not too late when it began
    /// may be sent up to 3 days after its end.
    /// Requirements:
    /// - the caller is the Consortium: {NotConsortium}; the last stop ended at least 27 days ago: {StopTooSoon}
    function stopSettlement() external;

    /// @notice Lifts a stop; called by the Consortium after a vote.
    /// Requirements:
    /// - the caller is the Consortium: {NotConsortium}; settlement is stopped: {NotStopped}
    function resumeSettlement() external;

    /// @notice Names the Clearinghouse that takes over; called by the Consortium after a vote. For this one every issuer
    /// key ends at `closesAt`: rides that began before it (and `grace`) settle within their submission window; funds,
    /// refunds and disputes have no end.
    /// @param successor Made with this contract as its predecessor.
    /// @param closesAt Unix seconds, at least 30 days ahead.
    /// Requirements:
    /// - the caller is the Consortium: {NotConsortium}; no successor has taken over: {AlreadyClosed}
    /// - it names this one as predecessor, with the same registry and token, and answers all that is asked of a Clearinghouse:
    ///   {NotASuccessor}; in time: {ClosesTooSoon}
    /// @dev A successor that was named before is replaced by it.
    function nameSuccessor(IClearinghouse successor, uint256 closesAt) external;

    /// @notice Calls off the successor that was named, before it took over; called by the Consortium after a vote.
    /// Requirements:
    /// - the caller is the Consortium: {NotConsortium}; one was named: {NoSuccessor}; it hasn't taken over: {AlreadyClosed}
    function cancelSuccessor() external;

    /// @notice Owes `amount` fen from one city to another, as a correction of what was settled. First it is set off against
    /// the creditor's own arrears to the debtor, withheld ones last ({ArrearsPaid}: nobody pays one that owes him); then it comes from the
    /// debtor's balance, if it has no arrears, as far as that reaches; the rest becomes the debtor's arrears.
    /// @return paid What was set off or came from the balance, fen.
    /// Requirements:
    /// - the caller is {refunds}: {NotRefunds}
    function post(uint16 debtor, uint16 creditor, uint256 amount) external returns (uint256 paid);

    /// @notice The funds a city holds, fen.
    function balanceOf(uint16 city) external view returns (uint256);

    /// @notice What a city could withdraw now, fen: its balance less its reserve; 0 while it has arrears.
    function withdrawable(uint16 city) external view returns (uint256);

    /// @notice What a city must leave in its balance, fen; ends when no ride of a city that left can be refunded
    /// any more for want of an answer: `grace`, a day, `submissionWindow`, 6 days, `disputeTime` and `answerTime` after it left.
    function reserve(uint16 city) external view returns (uint256);

    /// @notice What a city's tickets may take from it in a day (UTC), fen, 0 for no limit; and what they took today.
    function dailyLimit(uint16 city) external view returns (uint256 limit, uint256 taken);

    /// @notice What of a pair's arrears is withheld, fen.
    function withheld(uint16 debtor, uint16 creditor) external view returns (uint256);

    /// @notice What a debtor owes to a creditor beyond what its balance could pay or its daily limit allowed, fen.
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

    /// @notice The parameters in force.
    function parameters() external view returns (Parameters memory);

    /// @notice The parameters of a ride that ended at a time, Unix seconds: those before the last change, or those after it.
    function parametersAt(uint256 exitedAt) external view returns (Parameters memory);

    /// @notice How stale a gate's trust list may be, seconds.
    function grace() external view returns (uint256);

    /// @notice How long after its end a ride may be submitted, seconds.
    function submissionWindow() external view returns (uint256);

    /// @notice How long after its settlement a ride may be disputed, seconds.
    function disputeTime() external view returns (uint256);

    /// @notice How long a dispute waits for an answer, seconds.
    function answerTime() external view returns (uint256);

    /// @notice What the issuer pays the operator for a dispute that was answered, fen.
    function disputeFee() external view returns (uint256);

    /// @notice Parameters that were set and don't hold yet; `validFrom` is 0 if there are none.
    function pendingParameters() external view returns (Parameters memory parameters, uint256 validFrom);

    /// @notice Until when, not included, settlement stands still or last stood still, Unix seconds; 0 if never.
    function stoppedUntil() external view returns (uint256);

    /// @notice The Clearinghouse that this one takes over from; zero if there was none.
    function predecessor() external view returns (IClearinghouse);

    /// @notice The Clearinghouse that takes over from this one; zero as long as none is named.
    function successor() external view returns (IClearinghouse);

    /// @notice When this Clearinghouse closes, Unix seconds; 0 as long as no successor is named.
    function closesAt() external view returns (uint256);

    /// @notice The contract that refunds rides, made by this one at its own construction.
    function refunds() external view returns (IRefunds);
}
