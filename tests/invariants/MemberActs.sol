// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {vm} from "./Vm.sol";
import {Votes} from "./Votes.sol";
import {IClearinghouse} from "../../contracts/interfaces/IClearinghouse.sol";
import {ICityRegistry} from "../../contracts/interfaces/ICityRegistry.sol";
import {IConsortium} from "../../contracts/interfaces/IConsortium.sol";

/// @notice Cities join and leave, decide what needs no wait, and manage their keys and tickets.
abstract contract MemberActs is Votes {
    uint256 private constant HANDOVER_PERIOD = 14 days;

    mapping(uint16 city => uint256) private _handovers;

    // ---------------------------------------------------------------- by vote, at once

    /// @notice The members decide what needs no wait: a stop, or its end; a city that was never a member is admitted, a suspended one
    /// reinstated.
    function decideAtOnce(uint256 seed) external act("decideAtOnce") {
        if (_voters().length == 0) return;
        uint8 house = _someHouse(seed);
        IClearinghouse h = _house(house);
        uint256 stopped = h.stoppedUntil();
        if (block.timestamp < stopped) {
            if (seed % 2 == 0) return _execute(_approveByVote(address(h), abi.encodeCall(h.resumeSettlement, ()), 0));
        } else if (seed % 8 == 1 && (stopped == 0 || block.timestamp >= stopped + 27 days)) {
            return _stop(h);
        }
        uint16 city = _someWithStatus(seed >> 8, ICityRegistry.Status.Suspended);
        if (city != 0) {
            return _execute(_approveByVote(address(registry), abi.encodeCall(ICityRegistry.reinstate, (city)), 0));
        }
        city = _someWithStatus(seed >> 8, ICityRegistry.Status.None);
        if (city == 0) return _propose(seed >> 16);
        bytes memory data = abi.encodeCall(
            ICityRegistry.admit,
            (city, "another city", _person("admin", city), _person("treasury", city), _person("recovery", city))
        );
        _execute(_approveByVote(address(registry), data, 0));
        _moveIn(city);
    }

    function _stop(IClearinghouse h) private {
        uint16[] memory voters = _voters();
        (, uint256 needed, ) = consortium.stopCalls(address(h));
        uint256 quarter = (voters.length + 3) / 4;
        if (quarter < 2) quarter = voters.length < 2 ? voters.length : 2;
        if (needed != quarter) revert Broken("another number of calls makes a stop");
        for (uint256 i = 0; i < needed; ++i) {
            bytes memory data = abi.encodeCall(IConsortium.callStop, (voters[i], address(h)));
            _must(_adminOf(voters[i]), address(consortium), data);
        }
        _stoppedFrom[address(h)] = block.timestamp;
        if (h.stoppedUntil() != block.timestamp + 3 days) revert Broken("enough members asked, and it didn't stop");
    }

    function _execute(uint256 id) private {
        _must(STRANGER, address(consortium), abi.encodeCall(IConsortium.execute, (id)));
    }

    // ---------------------------------------------------------------- a city alone

    /// @notice A city registers one more issuer key.
    function addIssuerKey(uint256 seed) external act("addIssuerKey") {
        uint16 city = _anyMember(seed);
        uint256 count = registry.issuerKeyIds(city).length;
        uint8 keyId = uint8(count + 1);
        uint40 from = uint40(block.timestamp - ((seed >> 16) % 3 days));
        uint40 until = (seed >> 8) % 2 == 0 ? type(uint40).max : uint40(block.timestamp + ((seed >> 40) % 9 days) + 1);
        bytes memory data = abi.encodeCall(
            ICityRegistry.addIssuerKey,
            (city, keyId, vm.addr(_issuerPrivateKey(city, keyId)), from, until)
        );
        _must(_adminOf(city), address(registry), data);
    }

    /// @notice A city brings the end of an issuer key forward.
    function endIssuerKey(uint256 seed) external act("endIssuerKey") {
        uint16 city = _anyMember(seed);
        uint8[] memory ids = registry.issuerKeyIds(city);
        uint8 keyId = ids[(seed >> 8) % ids.length];
        (, , uint40 until) = registry.issuerKey(city, keyId);
        uint40 end = uint40(block.timestamp + ((seed >> 16) % 3 days));
        bytes memory data = abi.encodeCall(ICityRegistry.endIssuerKey, (city, keyId, end));
        if (end < until) _must(_adminOf(city), address(registry), data);
        else _mustNot(_adminOf(city), address(registry), data, ICityRegistry.InvalidKeyEnd.selector);
    }

    /// @notice A city takes its submitter key back, gives it again, or adds another.
    function changeSubmitter(uint256 seed) external act("changeSubmitter") {
        uint16 city = _anyMember(seed);
        address key = vm.addr(_submitterPrivateKey(city));
        if (!registry.isSubmitter(city, key)) {
            _must(_adminOf(city), address(registry), abi.encodeCall(ICityRegistry.addSubmitter, (city, key)));
        } else if (seed % 8 == 0) {
            _must(_adminOf(city), address(registry), abi.encodeCall(ICityRegistry.removeSubmitter, (city, key)));
        } else {
            key = _person("submitter", seed);
            if (registry.isSubmitter(city, key)) return;
            _must(_adminOf(city), address(registry), abi.encodeCall(ICityRegistry.addSubmitter, (city, key)));
        }
    }

    /// @notice A city revokes tickets, some of which were used and some of which will be.
    function revokeTickets(uint256 seed) external act("revokeTickets") {
        (uint16 issuer, uint16 operator) = (_anyMember(seed), _anyMember(seed >> 8));
        uint40 next = _nextSerial[_someHouse(seed >> 16)][issuer][operator];
        uint40 back = uint40((seed >> 24) % 8);
        uint40[] memory serials = new uint40[](10);
        for (uint40 i = 0; i < 10; ++i) serials[i] = (next < back ? 0 : next - back) + i;
        bytes memory data = abi.encodeCall(ICityRegistry.revokeTickets, (issuer, operator, serials));
        _must(_adminOf(issuer), address(registry), data);
    }

    /// @notice A city's admin or treasury hands itself on, in two steps; or that is called off, or comes too late.
    function handOver(uint256 seed) external act("handOver") {
        uint16 city = _anyMember(seed);
        address r = address(registry);
        (address admin, uint40 adminFrom, address treasury, uint40 treasuryFrom) = registry.proposedChanges(city);
        if (admin != address(0) && (seed % 5 == 0 || _hasLapsed(adminFrom, seed))) {
            address by = _hasTreasury(city) ? _treasuryOf(city) : _adminOf(city);
            _must(by, r, abi.encodeCall(ICityRegistry.cancelChanges, (city)));
        } else if (admin != address(0)) {
            _accept(admin, adminFrom, abi.encodeCall(ICityRegistry.acceptAdmin, (city)), 0);
        } else if (treasury != address(0) && !_hasLapsed(treasuryFrom, seed)) {
            bytes4 why = registry.isFrozen(city) ? ICityRegistry.TreasuryIsFrozen.selector : bytes4(0);
            _accept(treasury, treasuryFrom, abi.encodeCall(ICityRegistry.acceptTreasury, (city)), why);
        } else if (seed % 2 == 0 || !_hasTreasury(city)) {
            bytes memory data = abi.encodeCall(ICityRegistry.proposeTreasury, (city, _newPerson("treasury", city)));
            address by = _hasTreasury(city) ? _treasuryOf(city) : _adminOf(city);
            if (registry.isFrozen(city)) _mustNot(by, r, data, ICityRegistry.TreasuryIsFrozen.selector);
            else _must(by, r, data);
        } else {
            _must(_adminOf(city), r, abi.encodeCall(ICityRegistry.proposeAdmin, (city, _newPerson("admin", city))));
        }
    }

    /// @notice A city's keys name another recovery address, one after the other, and it accepts two weeks later.
    function changeRecovery(uint256 seed) external act("changeRecovery") {
        uint16 city = _anyMember(seed);
        (address to, address by, uint40 from) = registry.proposedRecovery(city);
        if (from != 0 && !_hasLapsed(from, seed)) {
            return _accept(to, from, abi.encodeCall(ICityRegistry.acceptRecovery, (city)), 0);
        }
        if (to == address(0) || from != 0) to = _newPerson("recovery", city);
        address key = by != _adminOf(city) || !_hasTreasury(city) ? _adminOf(city) : _treasuryOf(city);
        bytes memory data = abi.encodeCall(ICityRegistry.changeRecovery, (city, to));
        if (key == _treasuryOf(city) && registry.isFrozen(city)) {
            _mustNot(key, address(registry), data, ICityRegistry.TreasuryIsFrozen.selector);
        } else if (by == key && from == 0 && !_canNameAgain(city, to)) {
            _mustNot(key, address(registry), data, ICityRegistry.RecoveryAlreadyNamed.selector);
        } else {
            _must(key, address(registry), data);
            _namedAt[city][to] = block.timestamp;
        }
    }

    mapping(uint16 city => mapping(address to => uint256)) private _namedAt;

    /// @dev A half that lapsed, four weeks after it was said, can be said again.
    function _canNameAgain(uint16 city, address to) private view returns (bool) {
        return block.timestamp > _namedAt[city][to] + 28 days;
    }

    function _newPerson(string memory role, uint16 city) private returns (address) {
        return _person(role, (uint256(city) << 32) | ++_handovers[city]);
    }

    function _hasLapsed(uint256 from, uint256 seed) private view returns (bool) {
        return block.timestamp > from + HANDOVER_PERIOD && (seed >> 64) % 2 == 0;
    }

    function _accept(address to, uint256 from, bytes memory data, bytes4 otherwise) private {
        bytes4 why = otherwise;
        if (block.timestamp < from) why = ICityRegistry.TooEarly.selector;
        else if (block.timestamp > from + HANDOVER_PERIOD) why = ICityRegistry.HandoverExpired.selector;
        if (why == 0) _must(to, address(registry), data);
        else _mustNot(to, address(registry), data, why);
    }

    /// @notice An admin freezes its treasury, or frees it again; or its city leaves, as long as enough others stay.
    function freezeOrLeave(uint256 seed) external act("freezeOrLeave") {
        uint16 city = _anyMember(seed);
        for (uint256 i = 0; i < codes.length; ++i) if (registry.isFrozen(codes[i])) city = codes[i];
        bool leaves = seed % 8 == 0 && _activeCities() > 3 && _statusOf(city) == ICityRegistry.Status.Active;
        bytes memory data =
            leaves
                ? abi.encodeCall(ICityRegistry.leaveConsortium, (city))
                : abi.encodeCall(ICityRegistry.freezeTreasury, (city, !registry.isFrozen(city)));
        _must(_adminOf(city), address(registry), data);
    }

    // ---------------------------------------------------------------- whoever has no right to it

    /// @notice A stranger, a treasury or another city's admin tries what is a city's own, or the vote's.
    function intrude(uint256 seed) external act("intrude") {
        uint16 city = _anyMember(seed);
        uint16 other = _anyMember(seed >> 8);
        address thief =
            other == city
                ? STRANGER
                : (seed >> 16) % 2 == 0
                    ? _adminOf(other)
                    : _treasuryOf(other);
        uint256 what = (seed >> 24) % 11;
        bytes4 why = what < 4 ? ICityRegistry.NotCityAdmin.selector : ICityRegistry.NotConsortium.selector;
        address target = what < 7 ? address(registry) : address(_house(seed % 2));
        bytes memory data;
        if (what == 0) data = abi.encodeCall(ICityRegistry.addSubmitter, (city, thief));
        if (what == 1) data = abi.encodeCall(ICityRegistry.addIssuerKey, (city, 200, thief, 0, type(uint40).max));
        if (what == 2) {
            data = abi.encodeCall(ICityRegistry.proposeTreasury, (city, thief));
            why = ICityRegistry.NotTreasury.selector;
        }
        if (what == 3) data = abi.encodeCall(ICityRegistry.leaveConsortium, (city));
        if (what == 4) data = abi.encodeCall(ICityRegistry.expel, (city));
        if (what == 5) data = abi.encodeCall(ICityRegistry.recover, (city, thief));
        if (what == 6) data = abi.encodeCall(ICityRegistry.suspend, (city));
        if (what == 7) data = abi.encodeCall(IClearinghouse.setReserve, (city, 0));
        if (what == 8) {
            data = abi.encodeCall(IClearinghouse.post, (city, other, 1));
            why = IClearinghouse.NotRefunds.selector;
        }
        if (what == 9) {
            data = abi.encodeCall(IClearinghouse.setDailyLimit, (city, 0));
            why = IClearinghouse.NotTreasury.selector;
            if (registry.isFrozen(city)) why = IClearinghouse.TreasuryFrozen.selector;
        }
        if (what == 10) {
            (target, data) = (address(consortium), abi.encodeCall(IConsortium.requestRecovery, (city)));
            why = IConsortium.NotRecoveryAddress.selector;
        }
        _mustNot(thief, target, data, why);
    }

    function _someWithStatus(uint256 seed, ICityRegistry.Status status) private view returns (uint16) {
        for (uint256 i = 0; i < codes.length; ++i) {
            uint16 city = codes[_place(seed, i, codes.length)];
            if (_statusOf(city) == status) return city;
        }
        return 0;
    }
}
