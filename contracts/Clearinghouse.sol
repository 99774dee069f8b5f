// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ClearinghouseChecks} from "./ClearinghouseChecks.sol";
import {Refunds} from "./Refunds.sol";
import {ICityRegistry} from "./interfaces/ICityRegistry.sol";
import {IClearinghouse} from "./interfaces/IClearinghouse.sol";
import {IRefunds} from "./interfaces/IRefunds.sol";
import {BatchCodec} from "./libraries/BatchCodec.sol";
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

    /// @notice How long an emergency stop lasts if it isn't lifted, and how long late rides may be sent after it, seconds.
    uint256 public constant STOP_LENGTH = 3 days;
    /// @notice How long settlement can't be stopped again after a stop, seconds.
    uint256 public constant STOP_PAUSE = 27 days;

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
    ClearinghouseChecks private immutable _checks;
    /// @dev The registry's, read once.
    address private immutable _consortium;

    /// @dev Two storage words; the first is all that settling writes where no arrears arise.
    struct Account {
        uint80 balance;
        uint80 arrearsOwed;
        uint40 dailyLimit; // 0 for none
        uint40 takenToday; // on `day`, while there is a limit
        uint16 day; // UTC, since 1970
        uint80 arrearsDue;
        uint80 withheldOwed; // of arrearsOwed
        uint80 reserve;
    }

    /// @dev One storage word.
    struct SettledBatch {
        uint16 operator;
        uint40 settledAt;
        bytes25 outcome;
    }

    /// @dev One storage word: all that settling asks for.
    struct Terms {
        uint24 maxFare; // the first three are of _parameters[1]
        uint24 grace;
        uint32 submissionWindow;
        uint40 stoppedFrom;
        uint40 stoppedUntil;
        uint40 closesAt;
        uint40 changedAt; // rides that ended before it are judged by _parameters[0], later ones by [1]
    }

    Terms private _terms;
    Parameters[2] private _parameters;
    uint128 private _held;
    mapping(uint16 city => Account) private _accounts;
    SerialBitmap.Bitmap private _settledSerials;
    /// @dev What was withheld of a pair on each day and not released, and what of all that was set off: `withheld` is the
    /// difference.
    mapping(uint16 debtor => mapping(uint16 creditor => mapping(uint256 day => uint256))) private _withheldOn;
    mapping(uint16 debtor => mapping(uint16 creditor => uint256)) private _setOff;

    /// @inheritdoc IClearinghouse
    mapping(uint16 debtor => mapping(uint16 creditor => uint256)) public arrears;
    /// @inheritdoc IClearinghouse
    mapping(uint16 debtor => mapping(uint16 creditor => uint256)) public withheld;
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
        uint8 decimals = IERC20Metadata(address(token_)).decimals();
        if (decimals != 2) revert WrongDecimals(decimals);
        registry = registry_;
        token = token_;
        predecessor = predecessor_;
        deployedAt = block.number;
        _consortium = registry_.consortium();
        refunds = new Refunds(this, registry_);
        _checks = new ClearinghouseChecks(this);
        Parameters memory first = Parameters(20_000, 24 hours, 30 days, 30 days, 10 days, 500);
        if (address(predecessor_) != address(0)) first = predecessor_.parameters();
        _parameters[0] = first;
        _apply(first, 0);
        emit ParametersSet(first, block.timestamp);
    }

    // ---------------------------------------------------------------- settling rides

    /// @inheritdoc IClearinghouse
    function settle(
        bytes calldata batch,
        bytes calldata signature
    ) external returns (bytes32 batchId, uint256 settled, uint256 rejected) {
        (RideLoop.Run memory run, RideRules.Terms memory terms) = RideLoop.open(batch, _domainSeparatorV4());
        batchId = run.batchId;
        uint16 operator = uint16(run.operator); // two bytes of the batch
        _operatorTerms(terms, operator, batchId, signature);
        _timeTerms(terms);
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
        paid = Math.min(arrears[debtor][creditor] - withheld[debtor][creditor], payer.balance);
        if (paid == 0) return 0;

        _clearArrears(debtor, creditor, paid);
        _move(payer, creditor, paid);
        emit ArrearsPaid(debtor, creditor, paid);
    }

    /// @inheritdoc IClearinghouse
    function releaseWithheld(uint16 debtor, uint16 creditor, uint256 day) external returns (uint256 released) {
        _checks.requireReleasable(debtor, day, msg.sender);
        uint256 amount = _withheldOn[debtor][creditor][day];
        uint256 setOff = Math.min(amount, _setOff[debtor][creditor]);
        released = amount - setOff;
        if (amount == 0) return 0;

        _withheldOn[debtor][creditor][day] = 0;
        _setOff[debtor][creditor] -= setOff;
        _endWithholding(debtor, creditor, released);
        emit WithheldReleased(debtor, creditor, day, released);
    }

    /// @inheritdoc IClearinghouse
    function post(uint16 debtor, uint16 creditor, uint256 amount) external returns (uint256 paid) {
        if (msg.sender != address(refunds)) revert NotRefunds(msg.sender);
        paid = Math.min(amount, arrears[creditor][debtor]);
        if (paid != 0) {
            _clearArrears(creditor, debtor, paid);
            uint256 above = Math.saturatingSub(withheld[creditor][debtor], arrears[creditor][debtor]);
            if (above != 0) {
                _setOff[creditor][debtor] += above;
                _endWithholding(creditor, debtor, above);
            }
            emit ArrearsPaid(creditor, debtor, paid);
        }

        Account storage payer = _accounts[debtor];
        uint256 fromBalance = _owesNothingDue(payer) ? Math.min(amount - paid, payer.balance) : 0;
        _move(payer, creditor, fromBalance);
        paid += fromBalance;
        if (paid < amount) _addArrears(debtor, creditor, amount - paid);
    }

    // ---------------------------------------------------------------- funds

    /// @inheritdoc IClearinghouse
    function deposit(uint16 city, uint256 amount, bytes32 bankReference) external {
        _requireMember(city);
        if (amount == 0) revert ZeroAmount();

        uint80 fen = amount.toUint80();
        _accounts[city].balance += fen;
        _held += fen;
        emit Deposited(city, msg.sender, amount, bankReference);
        token.safeTransferFrom(msg.sender, address(this), amount);
        _requireTokens();
    }

    /// @inheritdoc IClearinghouse
    function withdraw(uint16 city, uint256 amount, bytes32 bankReference) external {
        _requireTreasury(city);
        if (amount == 0) revert ZeroAmount();
        uint256 most = withdrawable(city);
        if (amount > most) revert InsufficientFunds(city, most, amount);

        _accounts[city].balance -= uint80(amount); // at most the balance, which is part of what is held
        _held -= uint128(amount);
        emit Withdrawn(city, msg.sender, amount, bankReference);
        token.safeTransfer(msg.sender, amount);
        _requireTokens();
    }

    /// @inheritdoc IClearinghouse
    function setDailyLimit(uint16 city, uint256 limit) external {
        _requireTreasury(city);
        Account storage account = _accounts[city];
        if (account.dailyLimit == 0) account.takenToday = 0;
        account.dailyLimit = limit.toUint40();
        emit DailyLimitSet(city, limit);
    }

    // ---------------------------------------------------------------- by vote

    /// @inheritdoc IClearinghouse
    function setReserve(uint16 city, uint256 amount) external onlyConsortium {
        _requireMember(city);
        _accounts[city].reserve = amount.toUint80();
        emit ReserveSet(city, amount);
    }

    /// @inheritdoc IClearinghouse
    function setParameters(Parameters calldata to) external onlyConsortium {
        uint256 changedAt = _terms.changedAt;
        _checks.requireSettable(to, changedAt);
        if (block.timestamp >= changedAt) _parameters[0] = _parameters[1];
        uint256 validFrom = block.timestamp + _parameters[0].grace;
        _apply(to, uint40(validFrom));
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
        _checks.requireTakesOver(address(successor_), closesAt_);
        successor = successor_;
        _terms.closesAt = uint40(closesAt_); // the checks see to that
        emit SuccessorNamed(address(successor_), closesAt_);
    }

    /// @inheritdoc IClearinghouse
    function cancelSuccessor() external onlyConsortium {
        address named = address(successor);
        if (named == address(0)) revert NoSuccessor();
        _checks.requireNotClosed();
        successor = IClearinghouse(address(0));
        _terms.closesAt = 0;
        emit SuccessorCancelled(named);
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
        if (exitedAt != 0 && block.timestamp > exitedAt + _checks.longestClaim()) return 0;
        return _accounts[city].reserve;
    }

    /// @inheritdoc IClearinghouse
    function dailyLimit(uint16 city) external view returns (uint256 limit, uint256 taken) {
        Account storage account = _accounts[city];
        return (account.dailyLimit, account.day == _today() ? account.takenToday : 0);
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
        // Each is below 2^81.
        return int256(uint256(account.balance) + account.arrearsDue) - int256(uint256(account.arrearsOwed));
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
        return _parametersAt(block.timestamp).maxFare;
    }

    /// @inheritdoc IClearinghouse
    function grace() external view returns (uint256) {
        return _parametersAt(block.timestamp).grace;
    }

    /// @inheritdoc IClearinghouse
    function submissionWindow() external view returns (uint256) {
        return _parametersAt(block.timestamp).submissionWindow;
    }

    /// @inheritdoc IClearinghouse
    function disputeTime() external view returns (uint256) {
        return _parametersAt(block.timestamp).disputeTime;
    }

    /// @inheritdoc IClearinghouse
    function answerTime() external view returns (uint256) {
        return _parametersAt(block.timestamp).answerTime;
    }

    /// @inheritdoc IClearinghouse
    function disputeFee() external view returns (uint256) {
        return _parametersAt(block.timestamp).disputeFee;
    }

    /// @inheritdoc IClearinghouse
    function parameters() external view returns (Parameters memory) {
        return _parametersAt(block.timestamp);
    }

    /// @inheritdoc IClearinghouse
    function parametersAt(uint256 exitedAt) external view returns (Parameters memory) {
        return _parametersAt(exitedAt);
    }

    /// @inheritdoc IClearinghouse
    function pendingParameters() external view returns (Parameters memory pending, uint256 validFrom) {
        if (block.timestamp >= _terms.changedAt) return (pending, 0);
        return (_parameters[1], _terms.changedAt);
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

    /// @dev Makes sure that a submitter of the operator signed, and gives what there is about the operator.
    function _operatorTerms(
        RideRules.Terms memory terms,
        uint16 operator,
        bytes32 batchId,
        bytes calldata signature
    ) private view {
        if (signature.length != 64) revert InvalidSignatureLength(signature.length);
        address signer = ProtocolHashes.signerOf(_hashTypedDataV4(ProtocolHashes.batch(operator, batchId)), signature);
        (bool submits, ICityRegistry.Status status, uint40 suspendedAt, uint40 reinstatedAt) = registry.operatorTerms(
            operator,
            signer
        );
        if (status == ICityRegistry.Status.None) revert OperatorNotMember(operator);
        if (!submits) revert NotSubmitter(operator, signer);
        terms.operator = operator;
        terms.operatorStoppedAt = _stoppedAt(status, suspendedAt);
        terms.operatorReinstatedAt = reinstatedAt;
        terms.registry = uint160(address(registry));
    }

    /// @dev Makes sure that settlement isn't stopped, and gives what the block's time says of rides.
    function _timeTerms(RideRules.Terms memory terms) private view {
        Terms memory p = _terms;
        if (block.timestamp < p.stoppedUntil) revert SettlementIsStopped(p.stoppedUntil);
        bool late = p.stoppedUntil != 0 && block.timestamp <= p.stoppedUntil + STOP_LENGTH;
        uint256 sentBy = late ? p.stoppedFrom : block.timestamp;
        (terms.maxFare, terms.grace) = (p.maxFare, p.grace);
        terms.exitFrom = Math.saturatingSub(sentBy, p.submissionWindow);
        terms.latestExit = block.timestamp + RideRules.CLOCK_TOLERANCE;
        terms.keysEnd = p.closesAt == 0 ? RideRules.NEVER : p.closesAt;
        terms.changedAt = p.changedAt;
        if (p.changedAt == 0) return;
        Parameters storage before = _parameters[0];
        (terms.maxFareBefore, terms.graceBefore) = (before.maxFare, before.grace);
        terms.exitFromBefore = Math.saturatingSub(sentBy, before.submissionWindow);
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
                _groupTerms(terms, run);
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
        if (paid != 0) _accounts[uint16(run.operator)].balance += uint80(paid); // of 1,000 rides at most
    }

    /// @dev Completes the terms with those of a group's issuer and key.
    function _groupTerms(RideRules.Terms memory terms, RideLoop.Run memory run) private view {
        (
            address key,
            uint40 validFrom,
            uint40 validUntil,
            ICityRegistry.Status status,
            uint40 suspendedAt,
            uint40 reinstatedAt
        ) = registry.issuerTerms(uint16(run.issuer), uint8(run.keyId)); // two bytes and one of the batch
        terms.key = key == address(0) ? RideRules.NO_KEY : uint256(uint160(key));
        terms.keyFrom = validFrom;
        terms.keyEnd = Math.min(validUntil, terms.keysEnd);
        terms.issuer = run.issuer;
        terms.issuerStoppedAt = _stoppedAt(status, suspendedAt);
        terms.issuerReinstatedAt = reinstatedAt;
        RideRules.deriveRanges(terms, BatchCodec.exitedAt(run.cursor));
    }

    /// @dev Pays an issuer's fares from its balance as far as that and its daily limit reach. What the balance can't pay is recorded
    /// as arrears, what is above the limit is withheld; the operator is credited with what all issuers paid at the end of the batch.
    function _post(RideLoop.Run memory run, uint256 rides, uint256 fares) private returns (uint256 paid) {
        uint16 issuer = uint16(run.issuer); // two bytes of the batch, as the operator
        uint16 operator = uint16(run.operator);
        uint256 within;
        (within, paid) = _pay(_accounts[issuer], fares);
        if (paid < fares) _addArrears(issuer, operator, fares - paid);
        if (within < fares) _withhold(issuer, operator, fares - within);
        emit PairSettled(run.batchId, issuer, operator, rides, fares, paid);
    }

    /// @dev Takes fares from a city's balance, as far as that and its daily limit reach. Written so that the compiler reads and writes
    /// the account's word once: each field by itself costs some hundred gas more.
    /// @return within What of the fares is within the limit.
    /// @return paid What of that the balance paid.
    function _pay(Account storage payer, uint256 fares) private returns (uint256 within, uint256 paid) {
        (uint80 balance, uint80 owed, uint40 limit) = (payer.balance, payer.arrearsOwed, payer.dailyLimit);
        bool pays = owed == 0 || owed == payer.withheldOwed; // as _owesNothingDue, which reads the word again
        if (limit == 0) {
            paid = pays ? Math.min(fares, balance) : 0;
            unchecked {
                payer.balance = balance - uint80(paid); // at most the balance
            }
            return (fares, paid);
        }
        uint16 today = _today();
        uint256 taken = payer.takenToday;
        if (payer.day != today) taken = 0;
        within = Math.min(fares, Math.saturatingSub(limit, taken));
        paid = pays ? Math.min(within, balance) : 0;
        unchecked {
            payer.balance = balance - uint80(paid); // at most the balance
            payer.takenToday = uint40(taken + within); // at most the greater of two limits
            payer.day = today;
        }
    }

    /// @dev Since when, if at all, a city is suspended or out.
    function _stoppedAt(ICityRegistry.Status status, uint256 suspendedAt) private pure returns (uint256) {
        return status == ICityRegistry.Status.Active ? RideRules.NEVER : suspendedAt;
    }

    // ---------------------------------------------------------------- internals

    function _requireMember(uint16 city) private view {
        (ICityRegistry.Status status, , , ) = registry.voterOf(city);
        if (status == ICityRegistry.Status.None) revert NotMember(city);
    }

    /// @dev A city's money is moved by its treasury, as long as that isn't frozen.
    function _requireTreasury(uint16 city) private view {
        if (msg.sender == registry.spendingTreasury(city)) return;
        if (registry.isFrozen(city)) revert TreasuryFrozen(city);
        revert NotTreasury(city, msg.sender);
    }

    /// @dev The tokens held never fall short of what the cities hold.
    function _requireTokens() private view {
        uint256 tokens = token.balanceOf(address(this));
        if (tokens < _held) revert TokensShort(_held, tokens);
    }

    /// @dev Moves a part of a city's balance to another city.
    function _move(Account storage payer, uint16 to, uint256 amount) private {
        payer.balance -= uint80(amount); // at most the balance
        _accounts[to].balance += uint80(amount);
    }

    /// @dev Whether a city has no arrears but what is withheld.
    function _owesNothingDue(Account storage account) private view returns (bool) {
        return account.arrearsOwed == 0 || account.arrearsOwed == account.withheldOwed;
    }

    function _addArrears(uint16 debtor, uint16 creditor, uint256 amount) private {
        arrears[debtor][creditor] += amount;
        _accounts[debtor].arrearsOwed += uint80(amount); // of fares or of a correction, so of 1,000 rides at most
        _accounts[creditor].arrearsDue += uint80(amount);
    }

    function _clearArrears(uint16 debtor, uint16 creditor, uint256 amount) private {
        arrears[debtor][creditor] -= amount;
        _accounts[debtor].arrearsOwed -= uint80(amount); // at most what is there
        _accounts[creditor].arrearsDue -= uint80(amount);
    }

    /// @dev Keeps arrears above the daily limit from being paid.
    function _withhold(uint16 debtor, uint16 creditor, uint256 amount) private {
        uint256 day = _today();
        _withheldOn[debtor][creditor][day] += amount;
        withheld[debtor][creditor] += amount;
        _accounts[debtor].withheldOwed += uint80(amount); // of arrears that fit
        emit FaresWithheld(debtor, creditor, day, amount);
    }

    function _endWithholding(uint16 debtor, uint16 creditor, uint256 amount) private {
        withheld[debtor][creditor] -= amount;
        _accounts[debtor].withheldOwed -= uint80(amount); // at most what is there
    }

    function _parametersAt(uint256 exitedAt) private view returns (Parameters storage) {
        return _parameters[exitedAt < _terms.changedAt ? 0 : 1];
    }

    function _today() private view returns (uint16) {
        return uint16(block.timestamp / 1 days); // until 2149
    }

    /// @dev Writes the parameters of rides that end from a time on.
    function _apply(Parameters memory to, uint40 changedAt) private {
        _parameters[1] = to;
        Terms storage terms = _terms;
        (terms.maxFare, terms.grace, terms.submissionWindow) = (to.maxFare, to.grace, to.submissionWindow);
        terms.changedAt = changedAt;
    }
}
