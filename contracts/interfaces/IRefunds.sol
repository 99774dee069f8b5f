// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IClearinghouse} from "./IClearinghouse.sol";

/// @title Refunds and disputes of settled rides
/// @notice A settled ride is never edited: what corrects it is a refund that names it, posted to the same two cities the
/// other way round. The issuer may ask once for the evidence that only the rider's phone could have made.
/// @dev Made by its Clearinghouse, which moves money for this contract alone. Amounts are fen, times Unix seconds.
/// Protocol section 8. A ride is named by its batch's id and its index over the whole batch, from 0.
interface IRefunds {
    /// @notice Why a refund was made.
    enum Cause {
        ByOperator, // the operator gave it
        Unanswered, // a dispute had no answer in time
        Revoked // the ride began more than `grace` after its ticket was revoked
    }

    /// @notice Where the dispute of a ride stands.
    enum Stage {
        None, // never disputed
        Open, // waits for an answer
        Upheld, // answered with evidence
        Closed // nothing of the fare is left: for want of an answer, by the operator, or because of a revocation
    }

    /// @notice What there is about one ride.
    /// @param issuer The city that paid.
    /// @param operator The city that was paid.
    /// @param fare What was settled, fen.
    /// @param refunded What of it was refunded, fen.
    /// @param fee What the issuer owes the operator if the ride is upheld, fen; fixed when the dispute was opened.
    /// @param answerUntil The last second for an answer; 0 if it was never disputed.
    /// @param stage Where its dispute stands.
    struct Case {
        uint16 issuer;
        uint16 operator;
        uint32 fare;
        uint32 refunded;
        uint16 fee;
        uint40 answerUntil;
        Stage stage;
    }

    /// @notice What an answer says about the ride; the dispute holds the hash of it.
    struct RideFacts {
        bytes32 ticketHash;
        bytes20 rider;
        uint32 enteredAt;
        uint32 exitedAt;
    }

    /// @notice What only the rider's phone could have made: protocol sections 3 and 8.
    /// @param x The rider key's x.
    /// @param y The rider key's y.
    /// @param entrySignature r and s (64 bytes) over the code shown at `enteredAt`, s in the lower half.
    /// @param exitSignature The same at `exitedAt`; empty where the two times are equal.
    struct Evidence {
        bytes32 x;
        bytes32 y;
        bytes entrySignature;
        bytes exitSignature;
    }

    /// @notice `amount` fen of a ride's fare went back; `paid` of it at once, the rest is arrears of the operator.
    event RideRefunded(
        bytes32 indexed batchId,
        uint256 index,
        uint16 indexed issuer,
        uint16 indexed operator,
        uint256 amount,
        uint256 paid,
        Cause cause
    );
    /// @notice The issuer asked for evidence; `amount` fen, what is left of the fare, hang on it until `answerUntil`.
    event RideDisputed(
        bytes32 indexed batchId,
        uint256 index,
        uint16 indexed issuer,
        uint16 indexed operator,
        uint256 amount,
        uint256 answerUntil,
        uint256 fee
    );
    /// @notice The evidence was given; `fee` fen are the issuer's to pay, `paid` of it was paid at once.
    event RideUpheld(
        bytes32 indexed batchId,
        uint256 index,
        uint16 indexed issuer,
        uint16 indexed operator,
        uint256 fee,
        uint256 paid
    );

    /// @notice No such batch is there: none of its rides settled, or the bytes were never sent.
    error UnknownBatch(bytes32 batchId);
    /// @notice `refused` isn't the list that the batch's outcome was made from.
    error WrongRefusedList(bytes32 batchId, bytes25 expected, bytes25 came);
    /// @notice The batch has only `rides` rides.
    error NoSuchRide(uint256 index, uint256 rides);
    /// @notice The ride was refused: there is nothing to correct.
    error RideWasRefused(bytes32 batchId, uint256 index);
    /// @notice The caller is not the treasury of the city, or it is frozen.
    error NotTreasury(uint16 city, address caller);
    /// @notice The amount must not be zero.
    error ZeroAmount();
    /// @notice No more than what is left of the fare can be refunded.
    error AboveFare(uint256 left, uint256 amount);
    /// @notice All of the ride's fare was refunded.
    error NothingLeft(bytes32 batchId, uint256 index);
    /// @notice A ride can be disputed once.
    error AlreadyDisputed(bytes32 batchId, uint256 index);
    /// @notice Only rides settled from `disputableFrom` on can be disputed, or refunded because of a revocation.
    error DisputeTooLate(uint256 settledAt, uint256 disputableFrom);
    /// @notice There is no open dispute of this ride.
    error NotDisputed(bytes32 batchId, uint256 index);
    /// @notice The time for an answer ended at `until`.
    error AnswerTooLate(uint256 until);
    /// @notice There is time for an answer until `until`.
    error AnswerStillPossible(uint256 until);
    /// @notice The facts aren't those of the disputed ride.
    error WrongRideFacts(bytes32 expected, bytes32 came);
    /// @notice The key isn't the one that the ticket names.
    error WrongRiderKey(bytes20 expected, bytes20 came);
    /// @notice A signature isn't the rider key's over the code shown at `shownAt`, in 64 bytes and with s in the lower half;
    /// or there is one for an exit that the ride doesn't have.
    error BadRiderSignature(uint256 shownAt);
    /// @notice The ride didn't begin more than `grace` after a revocation; `revokedAt` is 0 if there was none.
    error NotRevokedInTime(uint256 enteredAt, uint256 revokedAt, uint256 grace);

    /// @notice The operator gives back a part of a ride's fare, or all of it, at any time; all of it ends an open dispute.
    /// @param batch The batch.
    /// @param refused `index (2) || reason (1)` of each of its refused rides, ascending.
    /// @param index The ride's index.
    /// @param amount fen.
    /// Requirements:
    /// - the batch settled: {UnknownBatch}; the list is its: {WrongRefusedList}
    /// - the ride is in it, and settled: {NoSuchRide}, {RideWasRefused}
    /// - the caller is the operator's treasury: {NotTreasury}
    /// - the amount isn't 0: {ZeroAmount}; parts add up to at most the fare: {AboveFare}
    function refund(bytes calldata batch, bytes calldata refused, uint256 index, uint256 amount) external;

    /// @notice The issuer asks for evidence of a settled ride, once.
    /// Requirements:
    /// - batch, list and ride as for {refund}; the caller is the issuer's treasury: {NotTreasury}
    /// - it wasn't disputed before: {AlreadyDisputed}; within `disputeTime` of its settlement: {DisputeTooLate}
    /// - something of the fare is left: {NothingLeft}
    function dispute(bytes calldata batch, bytes calldata refused, uint256 index) external;

    /// @notice Anyone answers a dispute; evidence that verifies upholds the ride.
    /// Requirements:
    /// - the dispute is open: {NotDisputed}; in time: {AnswerTooLate}
    /// - facts and evidence are the ride's: {WrongRideFacts}, {WrongRiderKey}, {BadRiderSignature}
    function answer(bytes32 batchId, uint256 index, RideFacts calldata facts, Evidence calldata evidence) external;

    /// @notice Anyone makes the refund of what is left happen that follows from a dispute without an answer.
    /// Requirements:
    /// - the dispute is open: {NotDisputed}; the time for an answer is over: {AnswerStillPossible}
    function refundUnanswered(bytes32 batchId, uint256 index) external;

    /// @notice Anyone has what is left of a ride refunded that began more than `grace` after its ticket was revoked on chain.
    /// Requirements:
    /// - batch, list and ride as for {refund}; within `disputeTime` of its settlement: {DisputeTooLate}
    /// - it began late enough: {NotRevokedInTime}; something of the fare is left: {NothingLeft}
    function refundRevoked(bytes calldata batch, bytes calldata refused, uint256 index) external;

    /// @notice What there is about a ride; all zero if it was neither disputed nor refunded.
    function caseOf(bytes32 batchId, uint256 index) external view returns (Case memory);

    /// @notice What hangs on open disputes between two cities, fen: still posted to the operator, not yet sure.
    function disputed(uint16 issuer, uint16 operator) external view returns (uint256);

    /// @notice The settlement whose rides are corrected here.
    function clearinghouse() external view returns (IClearinghouse);
}
