// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {ICityRegistry} from "../../contracts/interfaces/ICityRegistry.sol";
import {IClearinghouse} from "../../contracts/interfaces/IClearinghouse.sol";
import {BatchCodec} from "../../contracts/libraries/BatchCodec.sol";
import {ProtocolHashes} from "../../contracts/libraries/ProtocolHashes.sol";
import {RideRules} from "../../contracts/libraries/RideRules.sol";

/// @title What `settle` does, said as plainly as Solidity allows
/// @notice The twin of the Clearinghouse: the same bytes give the same result, events, errors and books.
/// @dev For tests alone, and dear. No assembly, no copy in memory, no ranges, no packing: each field is sliced out of the
/// calldata, each ride judged by the table of {RideRules}, each serial a bool. It shares that table, the hashes and the
/// events with the contract; everything between is its own. The test says what the situation is, and moves the money
/// that isn't settled rides.
contract PlainClearinghouse {
    /// @notice What holds besides the members and their keys: parameters, stop and closing, as the test has brought
    /// them about. `changedAt` is 0 before the first change of the parameters, `stoppedFrom` and `stoppedUntil` before the
    /// first stop, `closesAt` while no successor is named.
    struct Situation {
        Rules before; // for rides that ended before `changedAt`
        Rules afterwards;
        uint256 changedAt;
        uint256 stoppedFrom;
        uint256 stoppedUntil;
        uint256 closesAt;
    }

    struct Rules {
        uint256 maxFare;
        uint256 grace;
        uint256 submissionWindow;
    }

    struct SettledBatch {
        uint16 operator;
        uint40 settledAt;
        bytes25 outcome;
    }

    /// @dev A batch while it is settled.
    struct Work {
        bytes32 batchId;
        uint16 operator;
        uint256 settled;
        uint256 rejected;
        uint256 fares;
        bytes refused;
        uint16 issuer; // of the present group, and what its rides came to so far
        uint256 pairRides;
        uint256 pairFares;
    }

    uint256 private constant STOP_LENGTH = 3 days;

    ICityRegistry public immutable registry;
    bytes32 private immutable _domainSeparator;

    Situation public situation;
    mapping(uint16 city => uint256) public balanceOf;
    mapping(uint16 debtor => mapping(uint16 creditor => uint256)) public arrears;
    mapping(uint16 debtor => uint256) public arrearsOf;
    mapping(uint16 debtor => mapping(uint16 creditor => uint256)) public withheld;
    mapping(uint16 debtor => uint256) public withheldOf;
    mapping(uint16 debtor => mapping(uint16 creditor => mapping(uint256 day => uint256))) public withheldOn;
    mapping(uint16 city => uint256) public dailyLimit;
    mapping(uint16 city => mapping(uint256 day => uint256)) public takenOn;
    mapping(uint16 issuer => mapping(uint16 operator => mapping(uint40 serial => bool))) public isSettled;
    mapping(bytes32 batchId => SettledBatch) public batches;

    /// @param registry_ The members and their keys, shared with the contract.
    /// @param clearinghouse The contract, in whose domain tickets and batches are signed.
    constructor(ICityRegistry registry_, address clearinghouse) {
        registry = registry_;
        _domainSeparator = ProtocolHashes.domainSeparator(clearinghouse);
    }

    // ---------------------------------------------------------------- what the test brings about

    function tell(Situation calldata situation_) external {
        situation = situation_;
    }

    function give(uint16 city, uint256 amount) external {
        balanceOf[city] += amount;
    }

    function take(uint16 city, uint256 amount) external {
        balanceOf[city] -= amount;
    }

    function payArrears(uint16 debtor, uint16 creditor) external {
        uint256 owed = arrears[debtor][creditor] - withheld[debtor][creditor];
        uint256 paid = owed < balanceOf[debtor] ? owed : balanceOf[debtor];
        arrears[debtor][creditor] -= paid;
        arrearsOf[debtor] -= paid;
        balanceOf[debtor] -= paid;
        balanceOf[creditor] += paid;
    }

    function setDailyLimit(uint16 city, uint256 limit) external {
        if (dailyLimit[city] == 0) takenOn[city][block.timestamp / 1 days] = 0;
        dailyLimit[city] = limit;
    }

    function releaseWithheld(uint16 debtor, uint16 creditor, uint256 day) external {
        uint256 released = withheldOn[debtor][creditor][day];
        withheldOn[debtor][creditor][day] = 0;
        withheld[debtor][creditor] -= released;
        withheldOf[debtor] -= released;
    }

    // ---------------------------------------------------------------- settling

    function settle(
        bytes calldata batch,
        bytes calldata signature
    ) external returns (bytes32 batchId, uint256 settled, uint256 rejected) {
        if (batch.length < 7) revert IClearinghouse.MalformedBatch(batch.length);
        Work memory work;
        work.batchId = keccak256(batch);
        work.operator = uint16(bytes2(batch[0:2]));
        RideRules.Terms memory terms = _batchTerms(work, signature);
        if (batches[work.batchId].operator != 0) revert IClearinghouse.BatchAlreadySettled(work.batchId);

        _settleGroups(batch, work, terms);
        if (work.settled != 0) {
            bytes25 outcome = work.refused.length == 0 ? bytes25(0) : bytes25(keccak256(work.refused));
            batches[work.batchId] = SettledBatch(work.operator, uint40(block.timestamp), outcome);
        }
        emit IClearinghouse.BatchSettled(work.batchId, work.operator, work.settled, work.rejected, work.fares);
        return (work.batchId, work.settled, work.rejected);
    }

    function _settleGroups(bytes calldata batch, Work memory work, RideRules.Terms memory terms) private {
        uint256 at = 2;
        uint256 rides = 0;
        uint256 keyBefore = 0;
        while (at != batch.length) {
            if (batch.length - at < 5) revert IClearinghouse.MalformedBatch(at);
            uint16 issuer = uint16(bytes2(batch[at:at + 2]));
            uint8 keyId = uint8(batch[at + 2]);
            uint256 count = uint16(bytes2(batch[at + 3:at + 5]));

            uint256 key = uint256(issuer) * 256 + keyId;
            if (rides != 0 && key <= keyBefore) revert IClearinghouse.OutOfOrder(at);
            if (count == 0 || batch.length - at < 5 + count * 113) revert IClearinghouse.MalformedBatch(at);
            if (issuer == work.operator) revert IClearinghouse.OwnTickets(issuer);
            if (rides + count > 1000) revert IClearinghouse.TooManyRides(rides + count, 1000);

            if (issuer != work.issuer) {
                _post(work);
                work.issuer = issuer;
            }
            _groupTerms(terms, issuer, keyId);
            for (uint256 i = 0; i < count; ++i) {
                _settleRide(batch, at + 5 + i * 113, i == 0, rides + i, keyId, work, terms);
            }
            rides += count;
            keyBefore = key;
            at += 5 + count * 113;
        }
        _post(work);
    }

    function _settleRide(
        bytes calldata batch,
        uint256 at,
        bool first,
        uint256 index,
        uint8 keyId,
        Work memory work,
        RideRules.Terms memory terms
    ) private {
        bytes calldata ride = batch[at:at + 113];
        uint40 serial = uint40(bytes5(ride[0:5]));
        if (!first && serial <= uint40(bytes5(batch[at - 113:at - 108]))) revert IClearinghouse.OutOfOrder(at);

        bool signed = terms.key == uint160(_ticketSigner(ride, keyId, work));
        bool spent = isSettled[work.issuer][work.operator][serial];
        uint256 reason = RideRules.reasonFor(terms, _fields(ride), signed, spent);
        if (reason != RideRules.SETTLES) {
            work.refused = bytes.concat(work.refused, bytes2(uint16(index)), bytes1(uint8(reason)));
            work.rejected += 1;
            emit IClearinghouse.RideRejected(work.batchId, index, uint8(reason));
            return;
        }
        isSettled[work.issuer][work.operator][serial] = true;
        work.pairRides += 1;
        work.pairFares += uint32(bytes4(ride[45:49]));
    }

    /// @dev Who signed the ticket of a ride; zero if nobody did, and a group without a key has a key that is no address.
    function _ticketSigner(bytes calldata ride, uint8 keyId, Work memory work) private view returns (address) {
        bytes32 ticket = ProtocolHashes.ticket(
            work.issuer,
            keyId,
            work.operator,
            uint40(bytes5(ride[0:5])),
            uint32(bytes4(ride[5:9])),
            uint32(bytes4(ride[9:13])),
            bytes20(ride[13:33])
        );
        return _signer(ticket, ride[49:113]);
    }

    function _fields(bytes calldata ride) private pure returns (BatchCodec.Ride memory fields) {
        fields.serial = uint40(bytes5(ride[0:5]));
        fields.notAfter = uint32(bytes4(ride[5:9]));
        fields.fareCap = uint32(bytes4(ride[9:13]));
        fields.entryStation = uint16(bytes2(ride[33:35]));
        fields.exitStation = uint16(bytes2(ride[35:37]));
        fields.enteredAt = uint32(bytes4(ride[37:41]));
        fields.exitedAt = uint32(bytes4(ride[41:45]));
        fields.fare = uint32(bytes4(ride[45:49]));
    }

    /// @dev Moves the money of the issuer whose last group is done.
    function _post(Work memory work) private {
        if (work.pairRides != 0) _pay(work);
        work.settled += work.pairRides;
        work.fares += work.pairFares;
        (work.pairRides, work.pairFares) = (0, 0);
    }

    function _pay(Work memory work) private {
        (uint16 issuer, uint16 operator, uint256 fares) = (work.issuer, work.operator, work.pairFares);
        uint256 day = block.timestamp / 1 days;
        uint256 within = _within(issuer, day, fares);
        uint256 paid = 0;
        if (arrearsOf[issuer] == withheldOf[issuer]) {
            paid = within < balanceOf[issuer] ? within : balanceOf[issuer];
        }
        balanceOf[issuer] -= paid;
        balanceOf[operator] += paid;
        arrears[issuer][operator] += fares - paid;
        arrearsOf[issuer] += fares - paid;
        if (within != fares) {
            withheld[issuer][operator] += fares - within;
            withheldOf[issuer] += fares - within;
            withheldOn[issuer][operator][day] += fares - within;
            emit IClearinghouse.FaresWithheld(issuer, operator, day, fares - within);
        }
        emit IClearinghouse.PairSettled(work.batchId, issuer, operator, work.pairRides, fares, paid);
    }

    /// @dev What of some fares is within the issuer's daily limit, against which it is counted.
    function _within(uint16 issuer, uint256 day, uint256 fares) private returns (uint256 within) {
        uint256 limit = dailyLimit[issuer];
        if (limit == 0) return fares;
        uint256 taken = takenOn[issuer][day];
        uint256 room = taken < limit ? limit - taken : 0;
        within = fares < room ? fares : room;
        takenOn[issuer][day] = taken + within;
    }

    // ---------------------------------------------------------------- what rides are held against

    function _batchTerms(
        Work memory work,
        bytes calldata signature
    ) private view returns (RideRules.Terms memory terms) {
        if (signature.length != 64) revert IClearinghouse.InvalidSignatureLength(signature.length);
        address signer = _signer(ProtocolHashes.batch(work.operator, work.batchId), signature);
        (, ICityRegistry.Status status, , , , uint40 suspendedAt) = registry.city(work.operator);
        if (status == ICityRegistry.Status.None) revert IClearinghouse.OperatorNotMember(work.operator);
        if (!registry.isSubmitter(work.operator, signer)) revert IClearinghouse.NotSubmitter(work.operator, signer);

        Situation memory s = situation;
        if (block.timestamp < s.stoppedUntil) revert IClearinghouse.SettlementIsStopped(s.stoppedUntil);
        bool justResumed = s.stoppedUntil != 0 && block.timestamp <= s.stoppedUntil + STOP_LENGTH;
        uint256 sentBy = justResumed ? s.stoppedFrom : block.timestamp;
        terms.changedAt = s.changedAt;
        (terms.maxFareBefore, terms.graceBefore) = (s.before.maxFare, s.before.grace);
        terms.exitFromBefore = _windowStart(s.before, sentBy);
        (terms.maxFare, terms.grace) = (s.afterwards.maxFare, s.afterwards.grace);
        terms.exitFrom = _windowStart(s.afterwards, sentBy);
        terms.latestExit = block.timestamp + 60;
        terms.operator = work.operator;
        terms.operatorStoppedAt = _stoppedAt(status, suspendedAt);
        terms.operatorReinstatedAt = type(uint256).max; // asks the registry for past suspensions, whatever the time
        terms.registry = uint160(address(registry));
    }

    function _windowStart(Rules memory rules, uint256 sentBy) private pure returns (uint256) {
        return sentBy < rules.submissionWindow ? 0 : sentBy - rules.submissionWindow;
    }

    function _groupTerms(RideRules.Terms memory terms, uint16 issuer, uint8 keyId) private view {
        (address key, uint40 validFrom, uint40 validUntil) = registry.issuerKey(issuer, keyId);
        (, ICityRegistry.Status status, , , , uint40 suspendedAt) = registry.city(issuer);
        uint256 closesAt = situation.closesAt;
        uint256 end = closesAt != 0 && closesAt < validUntil ? closesAt : validUntil;
        terms.key = key == address(0) ? RideRules.NO_KEY : uint160(key);
        terms.keyFrom = validFrom;
        terms.keyEnd = end;
        terms.issuer = issuer;
        terms.issuerStoppedAt = _stoppedAt(status, suspendedAt);
        terms.issuerReinstatedAt = type(uint256).max; // as the operator's
    }

    function _stoppedAt(ICityRegistry.Status status, uint256 suspendedAt) private pure returns (uint256) {
        return status == ICityRegistry.Status.Active ? RideRules.NEVER : suspendedAt;
    }

    function _signer(bytes32 structHash, bytes calldata signature) private view returns (address) {
        return ProtocolHashes.signerOf(MessageHashUtils.toTypedDataHash(_domainSeparator, structHash), signature);
    }
}
