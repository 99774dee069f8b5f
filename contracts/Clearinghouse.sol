// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Refunds} from "./Refunds.sol";
import {ICityRegistry} from "./interfaces/ICityRegistry.sol";
import {IClearinghouse} from "./interfaces/IClearinghouse.sol";
import {IRefunds} from "./interfaces/IRefunds.sol";
import {ProtocolHashes} from "./libraries/ProtocolHashes.sol";
import {RideLoop} from "./libraries/RideLoop.sol";
import {RideRules} from "./libraries/RideRules.sol";
import {SerialBitmap} from "./libraries/SerialBitmap.sol";

/// @title The settlement of rides between cities
contract Clearinghouse is IClearinghouse, EIP712 {
    using RideLoop for RideLoop.Run;
    using SafeERC20 for IERC20;
    using SafeCast for uint256;
    using SerialBitmap for SerialBitmap.Bitmap;

    /// @notice How long a city's reserve stays after it left, seconds.
    uint256 public constant RESERVE_AFTER_EXIT = 45 days;
    /// @notice How long an emergency stop lasts if it isn't lifted, and how long late rides may be sent after it, seconds.
    uint256 public constant STOP_LENGTH = 3 days;
    /// @notice How long settlement can't be stopped again after a stop, seconds.
    uint256 public constant STOP_PAUSE = 27 days;
    /// @notice How far ahead a successor is named, seconds.
    uint256 public constant CLOSING_NOTICE = 30 days;

    /// @inheritdoc IClearinghouse
    ICityRegistry public immutable registry;
    /// @inheritdoc IClearinghouse
    IERC20 public immutable token;
    /// @inheritdoc IClearinghouse
    uint256 public immutable deployedAt;
    /// @inheritdoc IClearinghouse
    IClearinghouse public immutable predecessor;
    /// @inheritdoc IClearinghouse
    IRefunds public immutable refunds;
    /// @dev The registry's, read once.
    address private immutable _consortium;

    /// @dev Two storage words; the first is all that settling writes where no arrears arise.
    struct Account {
        uint128 balance;
        uint128 arrearsOwed;
        uint128 arrearsDue;
        uint128 reserve;
    }

    /// @dev One storage word.
    struct SettledBatch {
        uint16 operator;
        uint40 settledAt;
        bytes25 outcome;
    }

    /// @dev One storage word: all that settling asks for.
    struct Terms {
        uint24 maxFare;
        uint24 grace;
        uint32 submissionWindow;
        uint40 stoppedFrom;
        uint40 stoppedUntil;
        uint40 closesAt;
        uint40 pendingFrom; // when _pending holds; 0 if nothing is pending
    }

    /// @dev One storage word: all that disputing asks for.
    struct DisputeTerms {
        uint24 disputeTime;
        uint24 answerTime;
        uint16 disputeFee;
        uint40 closedBefore; // settlements before it could once not be disputed any more
    }

    Terms private _terms;
    DisputeTerms private _disputeTerms;
    Parameters private _pending;
    uint128 private _held;
    mapping(uint16 city => Account) private _accounts;
    SerialBitmap.Bitmap private _settledSerials;

    /// @inheritdoc IClearinghouse
    mapping(uint16 debtor => mapping(uint16 creditor => uint256)) public arrears;
    /// @inheritdoc IClearinghouse
    mapping(bytes32 batchId => SettledBatch) public batches;
    /// @inheritdoc IClearinghouse
    IClearinghouse public successor;

    modifier onlyConsortium() {
        if (msg.sender != _consortium) revert NotConsortium(msg.sender);
        _;
    }

    /// @param registry_ The members and their keys; its Consortium is this contract's.
    /// @param token_ The settlement currency, with 2 decimals.
    /// @param predecessor_ The Clearinghouse that this one is to take over from, with its parameters; zero for the first.
    constructor(
        ICityRegistry registry_,
        IERC20 token_,
        IClearinghouse predecessor_
    ) EIP712(ProtocolHashes.NAME, ProtocolHashes.VERSION) {
        registry = registry_;
        token = token_;
        predecessor = predecessor_;
        deployedAt = block.number;
        _consortium = registry_.consortium();
        refunds = new Refunds(this, registry_);
        Parameters memory first = Parameters(20_000, 24 hours, 30 days, 30 days, 10 days, 500);
        _apply(address(predecessor_) == address(0) ? first : predecessor_.parameters(), block.timestamp);
    }

    // ---------------------------------------------------------------- settling rides

    /// @inheritdoc IClearinghouse
    function settle(
        bytes calldata batch,
        bytes calldata signature
    ) external returns (bytes32 batchId, uint256 settled, uint256 rejected) {
        (RideLoop.Run memory run, RideRules.Terms memory terms) = RideLoop.open(batch, _domainSeparatorV4());
        batchId = run.batchId;
        uint16 operator = uint16(run.operator);
        _batchTerms(terms, operator, batchId, signature);
        if (batches[batchId].operator != 0) revert BatchAlreadySettled(batchId);

        uint256 fares;
        (settled, fares) = _settleGroups(run, terms);
        rejected = run.rides - settled;
        if (settled != 0) {
            batches[batchId] = SettledBatch(operator, uint40(block.timestamp), run.outcome());
        }
        emit BatchSettled(batchId, operator, settled, rejected, fares);
    }

    /// @inheritdoc IClearinghouse
    function payArrears(uint16 debtor, uint16 creditor) external returns (uint256 paid) {
        Account storage payer = _accounts[debtor];
        paid = Math.min(arrears[debtor][creditor], payer.balance);
        if (paid == 0) return 0;

        _clearArrears(debtor, creditor, paid);
        payer.balance -= uint128(paid);
        _accounts[creditor].balance += uint128(paid);
        emit ArrearsPaid(debtor, creditor, paid);
    }

    /// @inheritdoc IClearinghouse
    function post(uint16 debtor, uint16 creditor, uint256 amount) external returns (uint256 paid) {
        if (msg.sender != address(refunds)) revert NotRefunds(msg.sender);
        paid = Math.min(amount, arrears[creditor][debtor]);
        if (paid != 0) {
            _clearArrears(creditor, debtor, paid);
            emit ArrearsPaid(creditor, debtor, paid);
        }

        Account storage payer = _accounts[debtor];
        uint256 fromBalance = payer.arrearsOwed == 0 ? Math.min(amount - paid, payer.balance) : 0;
        payer.balance -= uint128(fromBalance);
        _accounts[creditor].balance += uint128(fromBalance);
        paid += fromBalance;
        if (paid < amount) _addArrears(debtor, creditor, amount - paid);
    }

    // ---------------------------------------------------------------- funds

    /// @inheritdoc IClearinghouse
    function deposit(uint16 city, uint256 amount, bytes32 bankReference) external {
        _requireMember(city);
        if (amount == 0) revert ZeroAmount();

        _accounts[city].balance += amount.toUint128();
        _held += amount.toUint128();
        emit Deposited(city, msg.sender, amount, bankReference);
        token.safeTransferFrom(msg.sender, address(this), amount);
        _requireTokens();
    }

    /// @inheritdoc IClearinghouse
    function withdraw(uint16 city, uint256 amount, bytes32 bankReference) external {
        (, , , address treasury, , ) = registry.city(city);
        if (msg.sender != treasury) revert NotTreasury(city, msg.sender);
        if (registry.isFrozen(city)) revert TreasuryFrozen(city);
        if (amount == 0) revert ZeroAmount();
        uint256 most = withdrawable(city);
        if (amount > most) revert InsufficientFunds(city, most, amount);

        _accounts[city].balance -= amount.toUint128();
        _held -= amount.toUint128();
        emit Withdrawn(city, treasury, amount, bankReference);
        token.safeTransfer(treasury, amount);
        _requireTokens();
    }

    // ---------------------------------------------------------------- by vote

    /// @inheritdoc IClearinghouse
    function setReserve(uint16 city, uint256 amount) external onlyConsortium {
        _requireMember(city);
        _accounts[city].reserve = amount.toUint128();
        emit ReserveSet(city, amount);
    }

    /// @inheritdoc IClearinghouse
    function setParameters(Parameters calldata to) external onlyConsortium {
        _requireWithin(to.maxFare, 100, 100_000);
        _requireWithin(to.grace, 1 hours, 7 days);
        _requireWithin(to.submissionWindow, 2 days, 365 days);
        _requireWithin(to.disputeTime, 7 days, 90 days);
        _requireWithin(to.answerTime, 3 days, 30 days);
        _requireWithin(to.disputeFee, 0, 5_000);

        _promoteDue();
        Parameters memory present = parameters();
        if (_onlyLengthens(present, to)) return _apply(to, block.timestamp);
        uint256 validFrom = block.timestamp + present.submissionWindow + 2 * STOP_LENGTH + present.disputeTime;
        _pending = to;
        _terms.pendingFrom = validFrom.toUint40();
        emit ParametersSet(to, validFrom);
    }

    /// @inheritdoc IClearinghouse
    function stopSettlement() external onlyConsortium {
        Terms storage terms = _terms;
        uint256 earliest = terms.stoppedUntil == 0 ? 0 : terms.stoppedUntil + STOP_PAUSE;
        if (block.timestamp < earliest) revert StopTooSoon(earliest);
        uint256 until = block.timestamp + STOP_LENGTH;
        terms.stoppedFrom = uint40(block.timestamp);
        terms.stoppedUntil = uint40(until);
        emit SettlementStopped(until);
    }

    /// @inheritdoc IClearinghouse
    function resumeSettlement() external onlyConsortium {
        if (block.timestamp >= _terms.stoppedUntil) revert NotStopped();
        _terms.stoppedUntil = uint40(block.timestamp);
        emit SettlementResumed();
    }

    /// @inheritdoc IClearinghouse
    function nameSuccessor(IClearinghouse successor_, uint256 closesAt_) external onlyConsortium {
        if (address(successor) != address(0)) revert SuccessorAlreadyNamed(address(successor));
        if (!_takesOver(successor_)) revert NotASuccessor(address(successor_));
        uint256 earliest = block.timestamp + CLOSING_NOTICE;
        if (closesAt_ < earliest) revert ClosesTooSoon(closesAt_, earliest);
        successor = successor_;
        _terms.closesAt = closesAt_.toUint40();
        emit SuccessorNamed(address(successor_), closesAt_);
    }

    // ---------------------------------------------------------------- what there is to read

    /// @inheritdoc IClearinghouse
    function balanceOf(uint16 city) external view returns (uint256) {
        return _accounts[city].balance;
    }

    /// @inheritdoc IClearinghouse
    function withdrawable(uint16 city) public view returns (uint256) {
        Account storage account = _accounts[city];
        if (account.arrearsOwed != 0) return 0;
        return Math.saturatingSub(account.balance, reserve(city));
    }

    /// @inheritdoc IClearinghouse
    function reserve(uint16 city) public view returns (uint256) {
        uint256 exitedAt = registry.exitedAt(city);
        if (exitedAt != 0 && block.timestamp > exitedAt + RESERVE_AFTER_EXIT) return 0;
        return _accounts[city].reserve;
    }

    /// @inheritdoc IClearinghouse
    function arrearsOf(uint16 debtor) external view returns (uint256) {
        return _accounts[debtor].arrearsOwed;
    }

    /// @inheritdoc IClearinghouse
    function arrearsDue(uint16 creditor) external view returns (uint256) {
        return _accounts[creditor].arrearsDue;
    }

    /// @inheritdoc IClearinghouse
    function position(uint16 city) external view returns (int256) {
        Account storage account = _accounts[city];
        return
            int256(uint256(account.balance)) +
            int256(uint256(account.arrearsDue)) -
            int256(uint256(account.arrearsOwed));
    }

    /// @inheritdoc IClearinghouse
    function isSettled(uint16 issuer, uint16 operator, uint40 serial) external view returns (bool) {
        return _settledSerials.isSet(issuer, operator, serial);
    }

    /// @inheritdoc IClearinghouse
    function held() external view returns (uint256) {
        return _held;
    }

    /// @inheritdoc IClearinghouse
    function maxFare() external view returns (uint256) {
        return parameters().maxFare;
    }

    /// @inheritdoc IClearinghouse
    function grace() external view returns (uint256) {
        return parameters().grace;
    }

    /// @inheritdoc IClearinghouse
    function submissionWindow() external view returns (uint256) {
        return parameters().submissionWindow;
    }

    /// @inheritdoc IClearinghouse
    function disputeTime() external view returns (uint256) {
        return parameters().disputeTime;
    }

    /// @inheritdoc IClearinghouse
    function answerTime() external view returns (uint256) {
        return parameters().answerTime;
    }

    /// @inheritdoc IClearinghouse
    function disputeFee() external view returns (uint256) {
        return parameters().disputeFee;
    }

    /// @inheritdoc IClearinghouse
    function parameters() public view returns (Parameters memory) {
        Terms memory t = _terms;
        if (_isDue(t)) return _pending;
        DisputeTerms memory d = _disputeTerms;
        return Parameters(t.maxFare, t.grace, t.submissionWindow, d.disputeTime, d.answerTime, d.disputeFee);
    }

    /// @inheritdoc IClearinghouse
    function pendingParameters() external view returns (Parameters memory pending, uint256 validFrom) {
        Terms memory t = _terms;
        if (t.pendingFrom == 0 || _isDue(t)) return (pending, 0);
        return (_pending, t.pendingFrom);
    }

    /// @inheritdoc IClearinghouse
    function disputableFrom() external view returns (uint256) {
        Terms memory t = _terms;
        DisputeTerms memory d = _disputeTerms;
        if (!_isDue(t)) return Math.max(d.closedBefore, block.timestamp - d.disputeTime);
        uint256 closedBefore = Math.max(d.closedBefore, t.pendingFrom - d.disputeTime);
        return Math.max(closedBefore, block.timestamp - _pending.disputeTime);
    }

    /// @inheritdoc IClearinghouse
    function stoppedUntil() external view returns (uint256) {
        return _terms.stoppedUntil;
    }

    /// @inheritdoc IClearinghouse
    function closesAt() external view returns (uint256) {
        return _terms.closesAt;
    }

    // ---------------------------------------------------------------- internals of settling

    /// @dev Makes sure that a submitter of the operator signed, and gives the terms that hold for all of its rides.
    function _batchTerms(
        RideRules.Terms memory terms,
        uint16 operator,
        bytes32 batchId,
        bytes calldata signature
    ) private {
        if (signature.length != 64) revert InvalidSignatureLength(signature.length);
        address signer = ProtocolHashes.signerOf(_hashTypedDataV4(ProtocolHashes.batch(operator, batchId)), signature);
        (bool submits, ICityRegistry.Status status, uint40 suspendedAt) = registry.operatorTerms(operator, signer);
        if (status == ICityRegistry.Status.None) revert OperatorNotMember(operator);
        if (!submits) revert NotSubmitter(operator, signer);

        Terms memory p = _promoteDue();
        if (block.timestamp < p.stoppedUntil) revert SettlementIsStopped(p.stoppedUntil);
        terms.maxFare = p.maxFare;
        terms.grace = p.grace;
        terms.keysEnd = p.closesAt == 0 ? type(uint40).max : p.closesAt;
        bool late = p.stoppedUntil != 0 && block.timestamp <= p.stoppedUntil + STOP_LENGTH;
        terms.exitFrom = Math.saturatingSub(late ? p.stoppedFrom : block.timestamp, p.submissionWindow);
        terms.latestExit = block.timestamp + RideRules.CLOCK_TOLERANCE;
        terms.operatorUntil = _activeUntil(status, suspendedAt, p.grace);
    }

    /// @dev Settles group by group, and posts each issuer's fares once its last key's group is done.
    function _settleGroups(
        RideLoop.Run memory run,
        RideRules.Terms memory terms
    ) private returns (uint256 settled, uint256 fares) {
        uint256 paid;
        while (run.cursor != run.end) {
            uint256 pairRides;
            uint256 pairFares;
            do {
                run.nextGroup();
                _groupTerms(terms, uint16(run.issuer), uint8(run.keyId));
                (uint256 groupRides, uint256 groupFares) = run.settleGroup(terms, _settledSerials);
                unchecked {
                    pairRides += groupRides; // 1,000 rides of 100,000 fen at most
                    pairFares += groupFares;
                }
            } while (run.hasMoreOfIssuer());
            unchecked {
                if (pairRides != 0) paid += _post(run, pairRides, pairFares);
                settled += pairRides;
                fares += pairFares;
            }
        }
        if (paid != 0) _accounts[uint16(run.operator)].balance += paid.toUint128();
    }

    /// @dev Completes the terms with those of a group's issuer and key.
    function _groupTerms(RideRules.Terms memory terms, uint16 issuer, uint8 keyId) private view {
        (address key, uint40 validFrom, uint40 validUntil, ICityRegistry.Status status, uint40 suspendedAt) = registry
            .issuerTerms(issuer, keyId);
        terms.key = key == address(0) ? RideRules.NO_KEY : uint256(uint160(key));
        terms.keyFrom = validFrom;
        terms.keyUntil = Math.min(validUntil, terms.keysEnd) + terms.grace;
        terms.issuerUntil = _activeUntil(status, suspendedAt, terms.grace);
        RideRules.deriveRanges(terms);
    }

    /// @dev Pays an issuer's fares from its balance as far as it reaches and records the rest as arrears; the operator is
    /// credited with what all issuers paid at the end of the batch.
    function _post(RideLoop.Run memory run, uint256 rides, uint256 fares) private returns (uint256 paid) {
        uint16 issuer = uint16(run.issuer);
        uint16 operator = uint16(run.operator);
        Account storage payer = _accounts[issuer];
        paid = payer.arrearsOwed == 0 ? Math.min(fares, payer.balance) : 0;
        payer.balance -= uint128(paid);
        if (paid < fares) {
            _addArrears(issuer, operator, fares - paid);
        }
        emit PairSettled(run.batchId, issuer, operator, rides, fares, paid);
    }

    /// @dev Until when, not included, a city's rides may have been: for ever, or `grace` after it was suspended or left.
    function _activeUntil(
        ICityRegistry.Status status,
        uint256 suspendedAt,
        uint256 grace_
    ) private pure returns (uint256) {
        return status == ICityRegistry.Status.Active ? type(uint256).max : suspendedAt + grace_;
    }

    // ---------------------------------------------------------------- internals

    function _requireMember(uint16 city) private view {
        (, ICityRegistry.Status status, , , , ) = registry.city(city);
        if (status == ICityRegistry.Status.None) revert NotMember(city);
    }

    /// @dev The tokens held never fall short of what the cities hold.
    function _requireTokens() private view {
        uint256 tokens = token.balanceOf(address(this));
        if (tokens < _held) revert TokensShort(_held, tokens);
    }

    function _addArrears(uint16 debtor, uint16 creditor, uint256 amount) private {
        arrears[debtor][creditor] += amount;
        _accounts[debtor].arrearsOwed += amount.toUint128();
        _accounts[creditor].arrearsDue += amount.toUint128();
    }

    function _clearArrears(uint16 debtor, uint16 creditor, uint256 amount) private {
        arrears[debtor][creditor] -= amount;
        _accounts[debtor].arrearsOwed -= amount.toUint128();
        _accounts[creditor].arrearsDue -= amount.toUint128();
    }

    /// @dev Whether parameters that were to hold later hold by now.
    function _isDue(Terms memory terms) private view returns (bool) {
        return terms.pendingFrom != 0 && block.timestamp >= terms.pendingFrom;
    }

    /// @dev Puts parameters that hold by now where settling finds them at once.
    function _promoteDue() private returns (Terms memory terms) {
        terms = _terms;
        if (!_isDue(terms)) return terms;
        _write(_pending, terms.pendingFrom);
        return _terms;
    }

    function _apply(Parameters memory to, uint256 from) private {
        _write(to, from);
        emit ParametersSet(to, from);
    }

    /// @dev Writes parameters that hold from a time that isn't in the future; what couldn't be disputed then never can.
    function _write(Parameters memory to, uint256 from) private {
        (Terms storage terms, DisputeTerms storage disputes) = (_terms, _disputeTerms);
        (terms.maxFare, terms.grace, terms.submissionWindow) = (to.maxFare, to.grace, to.submissionWindow);
        terms.pendingFrom = 0;
        disputes.closedBefore = uint40(Math.max(disputes.closedBefore, from - disputes.disputeTime));
        (disputes.disputeTime, disputes.answerTime, disputes.disputeFee) = (
            to.disputeTime,
            to.answerTime,
            to.disputeFee
        );
    }

    /// @dev Whether no time gets shorter, no fare lower and no fee other.
    function _onlyLengthens(Parameters memory from, Parameters calldata to) private pure returns (bool) {
        return
            to.maxFare >= from.maxFare &&
            to.grace >= from.grace &&
            to.submissionWindow >= from.submissionWindow &&
            to.disputeTime >= from.disputeTime &&
            to.answerTime >= from.answerTime &&
            to.disputeFee == from.disputeFee;
    }

    function _takesOver(IClearinghouse other) private view returns (bool) {
        if (address(other).code.length == 0) return false;
        return other.predecessor() == this && other.registry() == registry && other.token() == token;
    }

    function _requireWithin(uint256 value, uint256 lowest, uint256 highest) private pure {
        if (value < lowest || value > highest) revert ParameterOutOfBounds(value, lowest, highest);
    }
}
