// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IClearinghouse} from "./interfaces/IClearinghouse.sol";
import {ICityRegistry} from "./interfaces/ICityRegistry.sol";
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

    /// @inheritdoc IClearinghouse
    ICityRegistry public immutable registry;
    /// @inheritdoc IClearinghouse
    IERC20 public immutable token;
    /// @inheritdoc IClearinghouse
    uint256 public immutable deployedAt;
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

    /// @dev One storage word.
    struct Parameters {
        uint32 maxFare;
        uint40 grace;
        uint40 submissionWindow;
    }

    Parameters private _parameters;
    uint128 private _held;
    mapping(uint16 city => Account) private _accounts;
    SerialBitmap.Bitmap private _settledSerials;

    /// @inheritdoc IClearinghouse
    mapping(uint16 debtor => mapping(uint16 creditor => uint256)) public arrears;
    /// @inheritdoc IClearinghouse
    mapping(bytes32 batchId => SettledBatch) public batches;

    modifier onlyConsortium() {
        if (msg.sender != _consortium) revert NotConsortium(msg.sender);
        _;
    }

    /// @param registry_ The members and their keys; its Consortium is this contract's.
    /// @param token_ The settlement currency, with 2 decimals.
    constructor(ICityRegistry registry_, IERC20 token_) EIP712(ProtocolHashes.NAME, ProtocolHashes.VERSION) {
        registry = registry_;
        token = token_;
        deployedAt = block.number;
        _consortium = registry_.consortium();
        _setParameters(20_000, 24 hours, 30 days);
    }

    // ---------------------------------------------------------------- settling rides

    /// @inheritdoc IClearinghouse
    function settle(
        bytes calldata batch,
        bytes calldata signature
    ) external returns (bytes32 batchId, uint256 settled, uint256 rejected) {
        RideLoop.Run memory run = RideLoop.open(batch, _domainSeparatorV4());
        batchId = run.batchId;
        uint16 operator = uint16(run.operator);
        RideRules.Terms memory terms = _batchTerms(operator, batchId, signature);
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

        Account storage payee = _accounts[creditor];
        uint128 amount = paid.toUint128();
        arrears[debtor][creditor] -= amount;
        payer.arrearsOwed -= amount;
        payee.arrearsDue -= amount;
        payer.balance -= amount;
        payee.balance += amount;
        emit ArrearsPaid(debtor, creditor, amount);
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
    function setParameters(uint256 maxFare_, uint256 grace_, uint256 submissionWindow_) external onlyConsortium {
        _setParameters(maxFare_, grace_, submissionWindow_);
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
        return _parameters.maxFare;
    }

    /// @inheritdoc IClearinghouse
    function grace() external view returns (uint256) {
        return _parameters.grace;
    }

    /// @inheritdoc IClearinghouse
    function submissionWindow() external view returns (uint256) {
        return _parameters.submissionWindow;
    }

    // ---------------------------------------------------------------- internals of settling

    /// @dev Makes sure that a submitter of the operator signed, and gives the terms that hold for all of its rides.
    function _batchTerms(
        uint16 operator,
        bytes32 batchId,
        bytes calldata signature
    ) private view returns (RideRules.Terms memory terms) {
        if (signature.length != 64) revert InvalidSignatureLength(signature.length);
        address signer = ProtocolHashes.signerOf(_hashTypedDataV4(ProtocolHashes.batch(operator, batchId)), signature);
        (bool submits, ICityRegistry.Status status, uint40 suspendedAt) = registry.operatorTerms(operator, signer);
        if (status == ICityRegistry.Status.None) revert OperatorNotMember(operator);
        if (!submits) revert NotSubmitter(operator, signer);

        Parameters memory p = _parameters;
        terms.maxFare = p.maxFare;
        terms.grace = p.grace;
        terms.exitFrom = Math.saturatingSub(block.timestamp, p.submissionWindow);
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
                pairRides += groupRides;
                pairFares += groupFares;
            } while (run.hasMoreOfIssuer());
            if (pairRides != 0) paid += _post(run, pairRides, pairFares);
            settled += pairRides;
            fares += pairFares;
        }
        if (paid != 0) _accounts[uint16(run.operator)].balance += paid.toUint128();
    }

    /// @dev Completes the terms with those of a group's issuer and key.
    function _groupTerms(RideRules.Terms memory terms, uint16 issuer, uint8 keyId) private view {
        (address key, uint40 validFrom, uint40 validUntil, ICityRegistry.Status status, uint40 suspendedAt) = registry
            .issuerTerms(issuer, keyId);
        terms.key = key == address(0) ? RideRules.NO_KEY : uint256(uint160(key));
        terms.keyFrom = validFrom;
        terms.keyUntil = validUntil + terms.grace;
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
            uint128 rest = (fares - paid).toUint128();
            arrears[issuer][operator] += rest;
            payer.arrearsOwed += rest;
            _accounts[operator].arrearsDue += rest;
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

    function _setParameters(uint256 maxFare_, uint256 grace_, uint256 submissionWindow_) private {
        _requireWithin(maxFare_, 100, 100_000);
        _requireWithin(grace_, 1 hours, 7 days);
        _requireWithin(submissionWindow_, 2 days, 365 days);
        _parameters = Parameters(uint32(maxFare_), uint40(grace_), uint40(submissionWindow_));
        emit ParametersSet(maxFare_, grace_, submissionWindow_);
    }

    function _requireWithin(uint256 value, uint256 lowest, uint256 highest) private pure {
        if (value < lowest || value > highest) revert ParameterOutOfBounds(value, lowest, highest);
    }
}
