// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {vm} from "./Vm.sol";
import {Ride, Rides} from "./Rides.sol";
import {RideActs} from "./RideActs.sol";
import {ICityRegistry} from "../../contracts/interfaces/ICityRegistry.sol";
import {IRefunds} from "../../contracts/interfaces/IRefunds.sol";

/// @notice Settled rides are refunded, disputed and answered for.
abstract contract CaseActs is RideActs {
    using Rides for Ride;

    uint256[] internal _disputed; // numbers of rides

    // ---------------------------------------------------------------- acts

    /// @notice An operator gives back a part of a fare, or what is left of it.
    function refund(uint256 seed, uint256 amount) external act("refund") {
        (Ride memory ride, bool found) = _someSettledRide(seed);
        if (!found || _caseOf(ride).refunded == ride.fare) return _dispute(_next(seed));
        uint256 left = ride.fare - _caseOf(ride).refunded;
        amount = seed % 3 == 0 ? left : _bounded(amount, 1, left);
        bytes memory data = abi.encodeCall(IRefunds.refund, (_batch(ride), _refused(ride), ride.index, amount));
        if (!_asTreasury(ride.operator, ride, data)) return;
        _corrected(ride.house, ride.operator, ride.issuer, amount);
        if (amount == left) _forget(ride);
    }

    /// @notice An operator gives back more than the fare, or something of a ride that was refused.
    function refundWrongly(uint256 seed, uint256 more) external act("refundWrongly") {
        (Ride memory ride, bool found) = _someSettledRide(seed);
        if (!found || registry.isFrozen(ride.operator) || !_hasTreasury(ride.operator)) return;
        bytes memory refused = _refused(ride);
        uint256 index = ride.index;
        uint256 amount = ride.fare - _caseOf(ride).refunded + _bounded(more, 1, type(uint128).max);
        bytes4 why = IRefunds.AboveFare.selector;
        if (seed % 2 == 0 && refused.length != 0) {
            index = (uint256(uint8(refused[0])) << 8) | uint8(refused[1]);
            (amount, why) = (1, IRefunds.RideWasRefused.selector);
        }
        bytes memory data = abi.encodeCall(IRefunds.refund, (_batch(ride), refused, index, amount));
        _mustNot(_treasuryOf(ride.operator), _refunds(ride), data, why);
    }

    /// @notice An issuer asks for evidence of a settled ride.
    function dispute(uint256 seed) external act("dispute") {
        _dispute(seed);
    }

    function _dispute(uint256 seed) private {
        (Ride memory ride, bool found) = _someSettledRide(seed);
        if (!found) return;
        IRefunds.Case memory c = _caseOf(ride);
        bytes memory data = abi.encodeCall(IRefunds.dispute, (_batch(ride), _refused(ride), ride.index));
        bytes4 why;
        if (c.stage != IRefunds.Stage.None) why = IRefunds.AlreadyDisputed.selector;
        else if (_tooLate(ride)) why = IRefunds.DisputeTooLate.selector;
        else if (c.refunded == ride.fare) why = IRefunds.NothingLeft.selector;
        if (why != 0 && !registry.isFrozen(ride.issuer) && _hasTreasury(ride.issuer)) {
            return _mustNot(_treasuryOf(ride.issuer), _refunds(ride), data, why);
        }
        if (!_asTreasury(ride.issuer, ride, data)) return;
        _disputed.push(_numberOf(ride));
    }

    /// @notice Anyone answers a dispute with what the rider's phone showed; late answers are refused.
    function answer(uint256 seed) external act("answer") {
        (Ride memory ride, uint256 place) = _someDisputedRide(seed);
        if (place == type(uint256).max) return _dispute(seed);
        IRefunds.Case memory c = _caseOf(ride);
        bytes memory data = _answer(ride, ride.riderKey, ride.enteredAt);
        if (block.timestamp > c.answerUntil) {
            return _mustNot(STRANGER, _refunds(ride), data, IRefunds.AnswerTooLate.selector);
        }
        _must(STRANGER, _refunds(ride), data);
        _corrected(ride.house, ride.issuer, ride.operator, c.fee);
        _drop(place);
    }

    /// @notice An answer with another's key, or with a code shown at another time, upholds nothing.
    function answerWrongly(uint256 seed) external act("answerWrongly") {
        (Ride memory ride, uint256 place) = _someDisputedRide(seed >> 8);
        if (place == type(uint256).max) return _dispute(seed);
        if (block.timestamp > _caseOf(ride).answerUntil) return;
        bool otherKey = seed % 2 == 0;
        bytes memory data = _answer(
            ride,
            otherKey ? (ride.riderKey + 1) % RIDER_KEYS : ride.riderKey,
            otherKey ? ride.enteredAt : ride.enteredAt - 1
        );
        bytes4 why = otherKey ? IRefunds.WrongRiderKey.selector : IRefunds.BadRiderSignature.selector;
        _mustNot(STRANGER, _refunds(ride), data, why);
    }

    /// @notice Anyone has a dispute refunded that nobody answered in time.
    function refundUnanswered(uint256 seed) external act("refundUnanswered") {
        (Ride memory ride, uint256 place) = _someDisputedRide(seed >> 8);
        if (place == type(uint256).max) return _dispute(seed);
        IRefunds.Case memory c = _caseOf(ride);
        bytes memory data = abi.encodeCall(IRefunds.refundUnanswered, (_idOf(ride), ride.index));
        if (block.timestamp <= c.answerUntil) {
            if (seed % 4 == 0) {
                return _mustNot(STRANGER, _refunds(ride), data, IRefunds.AnswerStillPossible.selector);
            }
            vm.warp(c.answerUntil + 1);
        }
        _must(STRANGER, _refunds(ride), data);
        _corrected(ride.house, ride.operator, ride.issuer, ride.fare - c.refunded);
        _drop(place);
    }

    /// @notice Anyone has a ride refunded that began more than `grace` after its ticket was revoked; others aren't refunded.
    function refundRevoked(uint256 seed) external act("refundRevoked") {
        for (uint256 i = 0; i < _rides.length && i < 40; ++i) {
            Ride memory ride = _rides[_place(seed, i, _rides.length)];
            uint256 revokedAt = registry.revokedAt(ride.issuer, ride.operator, ride.serial);
            if (!ride.settled || revokedAt == 0 || _caseOf(ride).refunded == ride.fare) continue;
            return _refundRevoked(ride, revokedAt);
        }
        _useRevokedTicket(seed);
    }

    /// @dev A ticket is revoked, and used when every gate must know; its operator settles the ride all the same.
    function _useRevokedTicket(uint256 seed) private {
        (uint8 house, uint16 operator) = _someOperator(seed);
        if (operator == 0) return;
        uint16 issuer = _issuerFor(operator, seed >> 8);
        uint40[] memory serials = new uint40[](1);
        serials[0] = _nextSerial[house][issuer][operator];
        bytes memory data = abi.encodeCall(ICityRegistry.revokeTickets, (issuer, operator, serials));
        _must(_adminOf(issuer), address(registry), data);
        vm.warp(block.timestamp + _house(house).grace() + 5 hours);
        if (_refusalOfAll(house, operator) != 0) return;
        uint256[] memory rides = new uint256[](1);
        rides[0] = _carry(house, issuer, operator, _next(seed), 0);
        _send(house, operator, rides);
        Ride memory ride = _rides[rides[0]];
        if (ride.settled) _refundRevoked(ride, registry.revokedAt(issuer, operator, ride.serial));
    }

    function _refundRevoked(Ride memory ride, uint256 revokedAt) private {
        bytes memory data = abi.encodeCall(IRefunds.refundRevoked, (_batch(ride), _refused(ride), ride.index));
        uint256 left = ride.fare - _caseOf(ride).refunded;
        bytes4 why;
        if (_tooLate(ride)) why = IRefunds.DisputeTooLate.selector;
        else if (ride.enteredAt <= revokedAt + _termsAt(ride.house, ride.exitedAt).grace) {
            why = IRefunds.NotRevokedInTime.selector;
        } else if (left == 0) why = IRefunds.NothingLeft.selector;
        if (why != 0) return _mustNot(STRANGER, _refunds(ride), data, why);
        _must(STRANGER, _refunds(ride), data);
        _corrected(ride.house, ride.operator, ride.issuer, left);
        _forget(ride);
    }

    // ---------------------------------------------------------------- what they share

    function _tooLate(Ride memory ride) private view returns (bool) {
        return _sent[ride.batch - 1].settledAt + _termsAt(ride.house, ride.exitedAt).disputeTime < block.timestamp;
    }

    /// @dev A frozen treasury is refused, and whoever says that it is the treasury of a city that has none.
    function _asTreasury(uint16 city, Ride memory ride, bytes memory data) private returns (bool) {
        if (registry.isFrozen(city) || !_hasTreasury(city)) {
            _mustNot(_treasuryOf(city), _refunds(ride), data, IRefunds.NotTreasury.selector);
            return false;
        }
        _must(_treasuryOf(city), _refunds(ride), data);
        return true;
    }

    function _corrected(uint8 house, uint16 debtor, uint16 creditor, uint256 amount) private {
        claim[house][debtor] -= int256(amount);
        claim[house][creditor] += int256(amount);
    }

    function _answer(Ride memory ride, uint256 riderKey, uint32 shownAt) private view returns (bytes memory) {
        uint256 privateKey = _riderPrivateKey(riderKey);
        bytes32 hash = ride.ticketHash(_houses[ride.house].domain);
        (uint256 x, uint256 y) = vm.publicKeyP256(privateKey);
        bytes memory exit =
            ride.enteredAt == ride.exitedAt ? bytes("") : Rides.showCode(hash, ride.exitedAt, privateKey);
        return
            abi.encodeCall(
                IRefunds.answer,
                (
                    _idOf(ride),
                    ride.index,
                    IRefunds.RideFacts(hash, ride.rider, ride.enteredAt, ride.exitedAt),
                    IRefunds.Evidence(bytes32(x), bytes32(y), Rides.showCode(hash, shownAt, privateKey), exit)
                )
            );
    }

    function _someSettledRide(uint256 seed) private view returns (Ride memory ride, bool found) {
        for (uint256 i = 0; i < _rides.length; ++i) {
            ride = _rides[_place(seed, i, _rides.length)];
            if (ride.settled) return (ride, true);
        }
    }

    /// @dev `place`: its place in {_disputed}; none if there is none.
    function _someDisputedRide(uint256 seed) private view returns (Ride memory ride, uint256 place) {
        if (_disputed.length == 0) return (ride, type(uint256).max);
        place = seed % _disputed.length;
        ride = _rides[_disputed[place]];
    }

    /// @dev A ride that was refunded in full isn't disputed any more.
    function _forget(Ride memory ride) private {
        for (uint256 i = 0; i < _disputed.length; ++i) {
            if (_disputed[i] == _numberOf(ride)) return _drop(i);
        }
    }

    function _drop(uint256 place) private {
        _disputed[place] = _disputed[_disputed.length - 1];
        _disputed.pop();
    }

    function _numberOf(Ride memory ride) private view returns (uint256) {
        return _sent[ride.batch - 1].rides[ride.index];
    }

    function _batch(Ride memory ride) private view returns (bytes memory) {
        return _sent[ride.batch - 1].batch;
    }

    function _refused(Ride memory ride) private view returns (bytes memory) {
        return _sent[ride.batch - 1].refused;
    }

    function _idOf(Ride memory ride) internal view returns (bytes32) {
        return keccak256(_sent[ride.batch - 1].batch);
    }

    function _refunds(Ride memory ride) private view returns (address) {
        return address(_houses[ride.house].refunds);
    }

    function _caseOf(Ride memory ride) internal view returns (IRefunds.Case memory) {
        return _houses[ride.house].refunds.caseOf(_idOf(ride), ride.index);
    }
}
