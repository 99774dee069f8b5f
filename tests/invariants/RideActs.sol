// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {Vm, vm} from "./Vm.sol";
import {Ride, Rides} from "./Rides.sol";
import {World} from "./World.sol";
import {IClearinghouse} from "../../contracts/interfaces/IClearinghouse.sol";
import {ICityRegistry} from "../../contracts/interfaces/ICityRegistry.sol";

/// @notice Rides are carried and settled: good ones and bad ones, in any order and splitting, again and elsewhere.
abstract contract RideActs is World {
    using Rides for Ride;

    uint256 private constant DAY = 24 hours;
    uint256 private constant STOP = 3 days;

    mapping(uint8 house => mapping(uint16 issuer => mapping(uint16 operator => uint40))) internal _nextSerial;
    uint256[] internal _pool; // rides that were carried and not sent yet, or refused

    // ---------------------------------------------------------------- acts

    /// @notice One ride, settled at once.
    function carryOneRide(uint256 seed) external act("carryOneRide") {
        (uint8 house, uint16 operator) = _someOperator(seed);
        if (operator == 0) return;
        uint256[] memory rides = new uint256[](1);
        rides[0] = _carry(house, _issuerFor(operator, seed >> 16), operator, _next(seed), 0);
        _send(house, operator, rides);
    }

    /// @notice A few rides of several issuers and keys in one batch.
    function carryRides(uint256 seed) external act("carryRides") {
        (uint8 house, uint16 operator) = _someOperator(seed);
        if (operator == 0) return;
        _send(house, operator, _carrySome(house, operator, seed, 2 + ((seed >> 8) % 6), 0));
    }

    /// @notice A batch in which about half of the rides have a flaw, one each.
    function carryFlawedRides(uint256 seed) external act("carryFlawedRides") {
        (uint8 house, uint16 operator) = _someOperator(seed);
        if (operator == 0) return;
        _send(house, operator, _carrySome(house, operator, seed, 1 + ((seed >> 8) % 6), 2));
    }

    /// @notice A batch in which every ride has a flaw: it changes nothing at all.
    function carryNothingButFlawedRides(uint256 seed) external act("carryNothingButFlawedRides") {
        (uint8 house, uint16 operator) = _someOperator(seed);
        if (operator == 0) return;
        bytes32 before = _numbers(house);
        uint256 settled = ridesSettled;
        _send(house, operator, _carrySome(house, operator, seed, 1 + ((seed >> 8) % 3), 1));
        if (ridesSettled != settled || _numbers(house) != before) revert Broken("a refused ride changed something");
    }

    /// @notice Rides are carried now and sent later.
    function carryForLater(uint256 seed) external act("carryForLater") {
        (uint8 house, uint16 operator) = _someOperator(seed);
        if (operator == 0) return;
        _waitWith(_carrySome(house, operator, seed, 2 + ((seed >> 8) % 4), 0));
    }

    function _waitWith(uint256[] memory rides) private {
        for (uint256 i = 0; i < rides.length; ++i) _pool.push(rides[i]);
        _done();
    }

    /// @notice Some of the rides that wait, from anywhere in the pool, and a few that may have settled before.
    function sendFromPool(uint256 seed) external act("sendFromPool") {
        if (_pool.length == 0) {
            (uint8 house, uint16 operator) = _someOperator(seed);
            if (operator != 0) _waitWith(_carrySome(house, operator, seed, 2 + ((seed >> 8) % 4), 0));
            return;
        }
        Ride storage first = _rides[_pool[seed % _pool.length]];
        uint256[] memory rides = new uint256[](8);
        uint256 count;
        for (uint256 i = 0; i < _pool.length && count < 6; ++i) {
            uint256 number = _pool[_place(seed, i, _pool.length)];
            if (_rides[number].house == first.house && _rides[number].operator == first.operator)
                rides[count++] = number;
        }
        for (uint256 i = 0; i < _rides.length && i < 20 && count < 8; ++i) {
            uint256 number = _place(seed, i, _rides.length);
            if (_rides[number].house == first.house && _rides[number].operator == first.operator)
                rides[count++] = number;
        }
        assembly ("memory-safe") {
            mstore(rides, count)
        }
        if (_isMember(first.operator)) _send(first.house, first.operator, rides);
    }

    /// @notice A batch that settled is sent again as it was: refused as a whole.
    function sendAgain(uint256 seed) external act("sendAgain") {
        if (_sent.length == 0) return;
        Sent storage s = _sent[seed % _sent.length];
        bytes32 before = _numbers(s.house);
        bytes4 why = _refusalOfAll(s.house, s.operator);
        _mustNot(
            STRANGER,
            address(_house(s.house)),
            abi.encodeCall(IClearinghouse.settle, (s.batch, s.signature)),
            why == 0 ? IClearinghouse.BatchAlreadySettled.selector : why
        );
        if (_numbers(s.house) != before) revert Broken("a batch sent again changed something");
    }

    /// @notice Rides that settled are sent again in a batch of another cut: each is refused as settled before.
    function sendSettledRidesAgain(uint256 seed) external act("sendSettledRidesAgain") {
        if (_sent.length == 0) return;
        Sent storage s = _sent[seed % _sent.length];
        if (_refusalOfAll(s.house, s.operator) != 0) return;
        uint256[] memory rides = new uint256[](s.rides.length + 1);
        for (uint256 i = 0; i < s.rides.length; ++i) rides[i] = s.rides[i];
        rides[s.rides.length] = _carry(s.house, _issuerFor(s.operator, seed >> 8), s.operator, _next(seed), 0);
        _send(s.house, s.operator, rides);
    }

    /// @notice Good rides whose tickets were signed for another chain, another Clearinghouse or another operator: none settles.
    function sendElsewhere(uint256 seed) external act("sendElsewhere") {
        (uint8 house, uint16 operator) = _someOperator(seed);
        if (operator == 0) return;
        uint256[] memory rides = _carrySome(house, operator, seed, 1 + ((seed >> 8) % 3), 0);
        if (_sent.length != 0 && seed % 2 == 0) {
            Sent storage s = _sent[(seed >> 16) % _sent.length];
            (house, operator, rides) = (s.house, s.operator, s.rides);
        }
        (uint8 toHouse, uint16 toOperator, uint256 chain) = (house, operator, CHAIN);
        if ((seed >> 24) % 3 == 0) chain = 1 + ((seed >> 32) % 30_000);
        else if ((seed >> 24) % 3 == 1) toHouse = 1 - house;
        else toOperator = _issuerFor(operator, seed >> 32);
        if (_refusalOfAll(toHouse, toOperator) != 0) return;
        _sendUnchanged(toHouse, toOperator, chain, rides);
    }

    /// @notice One bit of a signed batch was changed under way: refused as a whole.
    function sendDamaged(uint256 seed) external act("sendDamaged") {
        if (_sent.length == 0) return;
        Sent storage s = _sent[seed % _sent.length];
        bytes memory batch = s.batch;
        batch[2 + ((seed >> 8) % (batch.length - 2))] ^= bytes1(uint8(1 << ((seed >> 24) % 8)));
        bytes memory data = abi.encodeCall(IClearinghouse.settle, (batch, s.signature));
        _mustNot(STRANGER, address(_house(s.house)), data, 0);
    }

    // ---------------------------------------------------------------- making rides

    function _someOperator(uint256 seed) internal view returns (uint8 house, uint16 operator) {
        house = _someHouse(seed);
        for (uint256 i = 0; i < codes.length; ++i) {
            operator = codes[_place(seed >> 4, i, codes.length)];
            if (_refusalOfAll(house, operator) == 0) return (house, operator);
        }
        return (house, 0);
    }

    /// @dev Another member.
    function _issuerFor(uint16 operator, uint256 seed) internal view returns (uint16 issuer) {
        issuer = _anyMember(seed);
        for (uint256 i = 0; issuer == operator; ++i) issuer = codes[_place(seed, i, FOUNDERS)];
    }

    /// @param flawed Every how many-th ride has a flaw, about; 0 for none.
    function _carrySome(
        uint8 house,
        uint16 operator,
        uint256 seed,
        uint256 count,
        uint256 flawed
    ) private returns (uint256[] memory rides) {
        rides = new uint256[](count);
        uint16 issuer = _issuerFor(operator, seed >> 40);
        for (uint256 i = 0; i < count; ++i) {
            seed = _next(seed);
            if (seed % 3 == 0) issuer = _issuerFor(operator, seed >> 8);
            bool hasFlaw = flawed != 0 && (seed >> 16) % flawed == 0;
            rides[i] = _carry(house, issuer, operator, seed, hasFlaw ? 1 + ((seed >> 24) % 10) : 0);
        }
    }

    function _carry(
        uint8 house,
        uint16 issuer,
        uint16 operator,
        uint256 seed,
        uint256 flaw
    ) internal returns (uint256 number) {
        Ride memory ride;
        (ride.house, ride.issuer, ride.operator) = (house, issuer, operator);
        ride.keyId = uint8(1 + ((seed >> 60) % 2));
        ride.serial = _newSerial(house, issuer, operator, seed);
        ride.riderKey = uint8((seed >> 70) % RIDER_KEYS);
        ride.rider = _riders[ride.riderKey];
        ride.exitedAt = uint32(block.timestamp - ((seed >> 80) % 2 hours));
        ride.enteredAt = uint32(ride.exitedAt - _bounded(seed >> 100, 60, 2 hours));
        (ride.entryStation, ride.exitStation) = (uint16(1 + ((seed >> 116) % 300)), uint16(1 + ((seed >> 132) % 300)));
        if ((seed >> 148) % 8 == 0) {
            ride.enteredAt = ride.exitedAt;
            if ((seed >> 152) % 2 == 0) ride.entryStation = 0;
            else ride.exitStation = 0;
        }
        ride.notAfter = uint32(ride.enteredAt + ((seed >> 160) % DAY));
        ride.fare = uint32(_bounded(seed >> 180, 1, _house(house).maxFare() < 900 ? _house(house).maxFare() : 900));
        ride.fareCap = uint32(ride.fare + ((seed >> 200) % 500));
        if (flaw != 0) _spoil(ride, flaw);
        ride.signTicket(_houses[house].domain, _issuerPrivateKey(issuer, flaw == 1 ? 99 : ride.keyId));
        if (flaw == 2) (ride.r, ride.signer) = (bytes32(type(uint256).max), address(0));
        number = _rides.length;
        _rides.push(ride);
    }

    function _newSerial(uint8 house, uint16 issuer, uint16 operator, uint256 seed) private returns (uint40 serial) {
        serial = _nextSerial[house][issuer][operator];
        _nextSerial[house][issuer][operator] = uint40(serial + 1 + (seed % 16 == 0 ? 250 : seed % 3));
    }

    /// @dev Flaws 1 and 2 are the signature's.
    function _spoil(Ride memory ride, uint256 flaw) private view {
        if (flaw == 3) ride.notAfter = uint32(ride.enteredAt - 24 hours - 1);
        if (flaw == 4) ride.fare = ride.fareCap + 1;
        if (flaw == 5) (ride.fare, ride.fareCap) = (100_001, 200_000);
        if (flaw == 6) ride.exitedAt = uint32(block.timestamp + 61);
        if (flaw == 7) ride.exitedAt = ride.enteredAt - 1;
        if (flaw == 8) (ride.exitedAt, ride.entryStation, ride.exitStation) = (ride.enteredAt, 7, 7);
        if (flaw == 9) ride.enteredAt = uint32(ride.exitedAt - 24 hours - 1);
        if (flaw == 10) {
            (ride.enteredAt, ride.exitedAt) = (uint32(OPENING - 370 days), uint32(OPENING - 369 days - 12 hours));
        }
    }

    // ---------------------------------------------------------------- sending rides

    /// @dev Sends rides of one operator, whatever their order, and holds what happens against the rules.
    function _send(uint8 house, uint16 operator, uint256[] memory numbers) internal {
        numbers = _ordered(numbers);
        (bytes memory batch, bytes memory signature) = _batch(operator, numbers, _houses[house].domain);
        bytes4 why = _refusalOfAll(house, operator);
        if (why == 0 && _isThere(house, keccak256(batch))) why = IClearinghouse.BatchAlreadySettled.selector;
        bytes memory data = abi.encodeCall(IClearinghouse.settle, (batch, signature));
        if (why != 0) return _mustNot(STRANGER, address(_house(house)), data, why);

        (bytes memory refused, uint256 settled) = _expected(house, numbers);
        _enterLogs();
        bytes memory result = _must(STRANGER, address(_house(house)), data);
        if (keccak256(result) != keccak256(abi.encode(keccak256(batch), settled, numbers.length - settled))) {
            revert Broken("settle returned something else");
        }
        Vm.Log[] memory logs = _enterLogs();
        if (keccak256(_refusedIn(logs)) != keccak256(refused)) revert Broken("other rides were refused");
        _takenWithinLimits(house, operator, logs);
        ridesSettled += settled;
        ridesRefused += numbers.length - settled;
        _remember(house, operator, batch, signature, refused, numbers, settled);
    }

    /// @dev Sends good rides where they don't belong, with a batch signature that is good there.
    function _sendUnchanged(uint8 house, uint16 operator, uint256 chain, uint256[] memory numbers) private {
        address target = address(_house(house));
        (bytes memory batch, bytes memory signature) = _batch(
            operator,
            _withoutIssuer(_ordered(numbers), operator),
            Rides.domain(chain, target)
        );
        if (batch.length == 2) return;
        bytes memory data = abi.encodeCall(IClearinghouse.settle, (batch, signature));
        bytes32 before = _numbers(house);
        bool isThere = _isThere(house, keccak256(batch));
        vm.chainId(chain);
        if (isThere) _mustNot(STRANGER, target, data, IClearinghouse.BatchAlreadySettled.selector);
        bytes memory result = isThere ? abi.encode(uint256(0), uint256(0), uint256(0)) : _must(STRANGER, target, data);
        vm.chainId(CHAIN);
        (, uint256 settled, ) = abi.decode(result, (bytes32, uint256, uint256));
        if (settled != 0) revert Broken("rides settled elsewhere");
        if (_numbers(house) != before || _isThere(house, keccak256(batch)) != isThere)
            revert Broken("rides changed something elsewhere");
    }

    function _batch(
        uint16 operator,
        uint256[] memory numbers,
        bytes32 domain
    ) private view returns (bytes memory batch, bytes memory signature) {
        Ride[] memory rides = new Ride[](numbers.length);
        for (uint256 i = 0; i < numbers.length; ++i) rides[i] = _rides[numbers[i]];
        batch = Rides.encodeBatch(operator, rides);
        signature = Rides.signBatch(batch, operator, domain, _submitterPrivateKey(operator));
    }

    /// @dev What each ride must come to, and the list of the refused ones. Marks those that must settle.
    function _expected(uint8 house, uint256[] memory numbers) private returns (bytes memory refused, uint256 settled) {
        for (uint256 i = 0; i < numbers.length; ++i) {
            Ride storage ride = _rides[numbers[i]];
            uint8 reason = _reason(house, ride);
            if (reason != 0) {
                refused = abi.encodePacked(refused, uint16(i), reason);
                continue;
            }
            ++settled;
            (ride.settled, ride.index) = (true, uint16(i));
            claim[house][ride.issuer] -= int256(uint256(ride.fare));
            claim[house][ride.operator] += int256(uint256(ride.fare));
        }
    }

    /// @dev Protocol section 6, read once more: the lowest reason for which a ride is refused now, or 0.
    function _reason(uint8 house, Ride storage ride) private view returns (uint8) {
        (uint256 entered, uint256 exited) = (ride.enteredAt, ride.exitedAt);
        IClearinghouse.Parameters memory p = _termsAt(house, exited);
        (address key, uint256 from, uint256 until) = registry.issuerKey(ride.issuer, ride.keyId);
        uint256 closesAt = _house(house).closesAt();
        if (closesAt != 0 && closesAt < until) until = closesAt;
        if (ride.signer == address(0) || ride.signer != key) return 1;
        if (entered > ride.notAfter + (entered == exited && ride.entryStation == 0 ? DAY : 0)) return 2;
        if (ride.fare > ride.fareCap || ride.fare > p.maxFare) return 3;
        if (ride.settled) return 4;
        if (exited > block.timestamp + 60 || exited < entered || exited > entered + DAY) return 5;
        if (entered == exited && (ride.entryStation == 0) == (ride.exitStation == 0)) return 5;
        if (exited + p.submissionWindow < _sentBy(_house(house))) return 6;
        if (entered < from || entered >= until + _graceAfter(house, until, p)) return 7;
        if (_isStopped(house, ride.issuer, entered, p)) return 8;
        return _isStopped(house, ride.operator, exited, p) ? 9 : 0;
    }

    /// @dev What would have been too late by a stop may still be sent within 3 days after it, as if sent when that began.
    function _sentBy(IClearinghouse h) internal view returns (uint256) {
        uint256 stopped = h.stoppedUntil();
        bool justAfter = stopped != 0 && block.timestamp >= stopped && block.timestamp <= stopped + STOP;
        return justAfter ? _stoppedFrom[address(h)] : block.timestamp;
    }

    /// @dev Whether a time lies in a suspension of a city's, a past one too, or after its exit, and the grace is over.
    function _isStopped(
        uint8 house,
        uint16 city,
        uint256 time,
        IClearinghouse.Parameters memory p
    ) private view returns (bool) {
        ICityRegistry.Suspension[] memory past = registry.suspensions(city);
        for (uint256 i = 0; i < past.length; ++i) {
            uint256 from = past[i].from;
            if (time >= from + _graceAfter(house, from, p) && time < past[i].to) return true;
        }
        (, ICityRegistry.Status status, , , , uint256 since) = registry.city(city);
        return status != ICityRegistry.Status.Active && time >= since + _graceAfter(house, since, p);
    }

    /// @dev Of each issuer no more was paid than was left of its daily limit, and what is above that was withheld.
    function _takenWithinLimits(uint8 house, uint16 operator, Vm.Log[] memory logs) private {
        uint256 withheld;
        for (uint256 i = 0; i < logs.length; ++i) {
            bytes32 name = logs[i].topics[0];
            if (name == IClearinghouse.FaresWithheld.selector) (, withheld) = abi.decode(logs[i].data, (uint256, uint256));
            if (name != IClearinghouse.PairSettled.selector) continue;
            uint16 issuer = uint16(uint256(logs[i].topics[2]));
            (, uint256 fares, uint256 paid) = abi.decode(logs[i].data, (uint256, uint256, uint256));
            uint256 within = _take(house, issuer, fares);
            if (paid > within) revert Broken("more was taken in a day than the limit");
            if (withheld != fares - within) revert Broken("another amount was withheld");
            if (withheld != 0) _withheld[house].push(Withheld(issuer, operator, block.timestamp / 1 days, withheld));
            withheld = 0;
        }
    }

    function _take(uint8 house, uint16 issuer, uint256 fares) private returns (uint256 within) {
        uint256 limit = _limit[house][issuer];
        if (limit == 0) return fares;
        uint256 today = block.timestamp / 1 days;
        uint256 taken = _taken[house][issuer][today];
        uint256 room = limit > taken ? limit - taken : 0;
        within = fares < room ? fares : room;
        _taken[house][issuer][today] = taken + within;
    }

    /// @dev Why any batch of this operator would be refused now, or 0.
    function _refusalOfAll(uint8 house, uint16 operator) internal view returns (bytes4) {
        if (!_isMember(operator)) return IClearinghouse.OperatorNotMember.selector;
        address submitter = vm.addr(_submitterPrivateKey(operator));
        if (!registry.isSubmitter(operator, submitter)) return IClearinghouse.NotSubmitter.selector;
        bool stopped = block.timestamp < _house(house).stoppedUntil();
        return stopped ? IClearinghouse.SettlementIsStopped.selector : bytes4(0);
    }

    function _isThere(uint8 house, bytes32 batchId) internal view returns (bool) {
        (uint16 operator, , ) = _house(house).batches(batchId);
        return operator != 0;
    }

    function _remember(
        uint8 house,
        uint16 operator,
        bytes memory batch,
        bytes memory signature,
        bytes memory refused,
        uint256[] memory numbers,
        uint256 settled
    ) private {
        if (settled == 0) {
            if (_isThere(house, keccak256(batch))) revert Broken("a batch of which nothing settled was stored");
            return;
        }
        _sent.push(Sent(house, operator, batch, signature, refused, uint40(block.timestamp), numbers));
        for (uint256 i = 0; i < numbers.length; ++i) {
            Ride storage ride = _rides[numbers[i]];
            if (ride.settled && ride.batch == 0) ride.batch = uint32(_sent.length);
        }
        for (uint256 i = _pool.length; i != 0; --i) {
            if (!_rides[_pool[i - 1]].settled) continue;
            _pool[i - 1] = _pool[_pool.length - 1];
            _pool.pop();
        }
    }

    function _refusedIn(Vm.Log[] memory logs) private pure returns (bytes memory refused) {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != IClearinghouse.RideRejected.selector) continue;
            (uint256 index, uint8 reason) = abi.decode(logs[i].data, (uint256, uint8));
            refused = abi.encodePacked(refused, uint16(index), reason);
        }
    }

    /// @dev In the order of a batch, each ride once.
    function _ordered(uint256[] memory numbers) private view returns (uint256[] memory ordered) {
        ordered = new uint256[](numbers.length);
        uint256 count;
        for (uint256 i = 0; i < numbers.length; ++i) {
            uint256 rank = Rides.rank(_rides[numbers[i]]);
            uint256 place = count;
            while (place != 0 && Rides.rank(_rides[ordered[place - 1]]) > rank) --place;
            if (place != 0 && Rides.rank(_rides[ordered[place - 1]]) == rank) continue;
            for (uint256 j = count; j > place; --j) ordered[j] = ordered[j - 1];
            ordered[place] = numbers[i];
            ++count;
        }
        assembly ("memory-safe") {
            mstore(ordered, count)
        }
    }

    function _withoutIssuer(uint256[] memory numbers, uint16 issuer) private view returns (uint256[] memory others) {
        others = new uint256[](numbers.length);
        uint256 count;
        for (uint256 i = 0; i < numbers.length; ++i) {
            if (_rides[numbers[i]].issuer != issuer) others[count++] = numbers[i];
        }
        assembly ("memory-safe") {
            mstore(others, count)
        }
    }
}
