// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {vm} from "./Vm.sol";
import {RideActs} from "./RideActs.sol";
import {IClearinghouse} from "../../contracts/interfaces/IClearinghouse.sol";
import {ICityRegistry} from "../../contracts/interfaces/ICityRegistry.sol";
import {IConsortium} from "../../contracts/interfaces/IConsortium.sol";

/// @notice Cities join, leave, are suspended and expelled, vote, and manage their keys and tickets.
abstract contract MemberActs is RideActs {
    enum Kind {
        Suspend,
        Expel,
        Reserve,
        Parameters,
        Successor
    }

    /// @notice A proposal that has its votes and waits.
    struct Waiting {
        uint256 id;
        Kind kind;
        uint16 city;
        uint256 number;
    }

    uint256 private constant HANDOVER = 2 days;

    Waiting[] private _waiting;
    mapping(uint16 city => uint256) private _handovers;

    // ---------------------------------------------------------------- by vote, at once

    /// @notice The members decide what needs no wait: a stop, or its end; a city that was never a member is admitted, a suspended one
    /// reinstated.
    function decideAtOnce(uint256 seed) external act("decideAtOnce") {
        if (_activeCities().length == 0) return;
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
            (city, "another city", _person("admin", city), _person("treasury", city))
        );
        _execute(_approveByVote(address(registry), data, 0));
        _moveIn(city);
    }

    function _stop(IClearinghouse h) private {
        uint16[] memory active = _activeCities();
        (, uint256 needed, ) = consortium.stopCalls(address(h));
        for (uint256 i = 0; i < needed; ++i) {
            bytes memory data = abi.encodeCall(IConsortium.callStop, (active[i], address(h)));
            _must(_adminOf(active[i]), address(consortium), data);
        }
        _stoppedFrom[address(h)] = block.timestamp;
        if (h.stoppedUntil() != block.timestamp + 3 days) revert Broken("enough members asked, and it didn't stop");
    }

    // ---------------------------------------------------------------- by vote, after a wait

    /// @notice The members approve what has to wait: a city's suspension or expulsion, a reserve, parameters, a successor.
    function propose(uint256 seed) external act("propose") {
        _propose(seed);
    }

    function _propose(uint256 seed) private {
        uint16[] memory active = _activeCities();
        if (active.length == 0) return;
        uint256 what = seed % 8;
        if (_waiting.length > 3) _carryOut(seed);
        else if (what == 0 && address(_house(0).successor()) == address(0)) _proposeSuccessor();
        else if (what < 3 && active.length > 2) _proposeAgainst(active[(seed >> 8) % active.length], seed >> 16);
        else if (what < 6) _proposeReserve(seed >> 8);
        else _proposeParameters(seed >> 8);
    }

    function _proposeAgainst(uint16 city, uint256 seed) private {
        bool expel = seed % 4 == 0;
        bytes memory data =
            expel ? abi.encodeCall(ICityRegistry.expel, (city)) : abi.encodeCall(ICityRegistry.suspend, (city));
        uint256 id = _approveByVote(address(registry), data, city);
        _waiting.push(Waiting(id, expel ? Kind.Expel : Kind.Suspend, city, 0));
    }

    function _proposeReserve(uint256 seed) private {
        uint16 city = _anyMember(seed);
        address house = address(_house(_someHouse(seed >> 8)));
        uint256 amount = (seed >> 16) % 2 == 0 ? 0 : (seed >> 32) % 10_000;
        bytes memory data = abi.encodeCall(IClearinghouse.setReserve, (city, amount));
        _waiting.push(Waiting(_approveByVote(house, data, 0), Kind.Reserve, city, amount));
    }

    /// @dev Other parameters, within their bounds.
    function _proposeParameters(uint256 seed) private {
        IClearinghouse.Parameters memory p = IClearinghouse.Parameters({
            maxFare: uint24(_bounded(seed, 100, 100_000)),
            grace: uint24(_bounded(seed >> 20, 1 hours, 7 days)),
            submissionWindow: uint32(_bounded(seed >> 40, 2 days, 365 days)),
            disputeTime: uint24(_bounded(seed >> 70, 7 days, 90 days)),
            answerTime: uint24(_bounded(seed >> 100, 3 days, 30 days)),
            disputeFee: uint16(_bounded(seed >> 130, 0, 5_000))
        });
        bytes memory data = abi.encodeCall(IClearinghouse.setParameters, (p));
        uint256 id = _approveByVote(address(_house(_someHouse(seed >> 150))), data, 0);
        _waiting.push(Waiting(id, Kind.Parameters, 0, 0));
    }

    /// @dev The second Clearinghouse is to take over from the first.
    function _proposeSuccessor() private {
        uint256 closesAt = block.timestamp + 45 days;
        bytes memory data = abi.encodeCall(IClearinghouse.nameSuccessor, (_house(1), closesAt));
        _waiting.push(Waiting(_approveByVote(address(_house(0)), data, 0), Kind.Successor, 0, closesAt));
    }

    /// @notice A proposal is carried out, or refused because its wait isn't over or because things have changed.
    function carryOut(uint256 seed) external act("carryOut") {
        if (_waiting.length == 0) _propose(seed);
        else _carryOut(seed);
    }

    function _carryOut(uint256 seed) private {
        uint256 place = seed % _waiting.length;
        Waiting memory w = _waiting[place];
        (, , , , , uint256 votes, uint256 needed, uint256 from, uint256 until) = consortium.proposal(w.id);
        bytes memory data = abi.encodeCall(IConsortium.execute, (w.id));
        if (block.timestamp < from && votes >= needed) {
            if (seed % 4 == 0) return _mustNot(STRANGER, address(consortium), data, IConsortium.TooEarly.selector);
            vm.warp(from);
        }
        _waiting[place] = _waiting[_waiting.length - 1];
        _waiting.pop();
        if (block.timestamp > until) {
            return _mustNot(STRANGER, address(consortium), data, IConsortium.ProposalExpired.selector);
        }
        if (votes < needed) return _mustNot(STRANGER, address(consortium), data, IConsortium.NotPassed.selector);
        bytes4 why = _refusal(w);
        if (why == 0) _must(STRANGER, address(consortium), data);
        else _mustNot(STRANGER, address(consortium), data, why);
    }

    function _refusal(Waiting memory w) private view returns (bytes4) {
        ICityRegistry.Status status = _statusOf(w.city);
        bool active = status == ICityRegistry.Status.Active;
        bool suspended = status == ICityRegistry.Status.Suspended;
        if (w.kind == Kind.Suspend && !active) return ICityRegistry.WrongStatus.selector;
        if (w.kind == Kind.Expel && !active && !suspended) return ICityRegistry.WrongStatus.selector;
        if (w.kind != Kind.Successor) return 0;
        if (address(_house(0).successor()) != address(0)) return IClearinghouse.SuccessorAlreadyNamed.selector;
        return w.number < block.timestamp + 30 days ? IClearinghouse.ClosesTooSoon.selector : bytes4(0);
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

    /// @notice A city's treasury or admin moves, in two steps; or the move is called off.
    function handOver(uint256 seed) external act("handOver") {
        uint16 city = _anyMember(seed);
        address r = address(registry);
        (address admin, uint40 adminFrom, address treasury, uint40 treasuryFrom) = registry.proposedChanges(city);
        if (admin != address(0) && seed % 5 == 0) {
            _must(_treasuryOf(city), r, abi.encodeCall(ICityRegistry.cancelChanges, (city)));
        } else if (admin != address(0)) {
            bytes memory data = abi.encodeCall(ICityRegistry.acceptAdmin, (city));
            if (block.timestamp >= adminFrom) _must(admin, r, data);
            else _mustNot(admin, r, data, ICityRegistry.TooEarly.selector);
        } else if (treasury != address(0)) {
            bytes memory data = abi.encodeCall(ICityRegistry.acceptTreasury, (city));
            if (block.timestamp >= treasuryFrom) _must(treasury, r, data);
            else _mustNot(treasury, r, data, ICityRegistry.TooEarly.selector);
        } else if (seed % 2 == 0) {
            address to = _person("treasury", uint256(city) << (16 * (++_handovers[city] % 4)));
            _must(_adminOf(city), r, abi.encodeCall(ICityRegistry.proposeTreasury, (city, to)));
        } else {
            address to = _person("admin", uint256(city) << (16 * (++_handovers[city] % 4)));
            _must(_adminOf(city), r, abi.encodeCall(ICityRegistry.proposeAdmin, (city, to)));
        }
    }

    /// @notice An admin freezes its treasury, or frees it again; or its city leaves, as long as enough others stay.
    function freezeOrLeave(uint256 seed) external act("freezeOrLeave") {
        uint16 city = _anyMember(seed);
        for (uint256 i = 0; i < codes.length; ++i) if (registry.isFrozen(codes[i])) city = codes[i];
        bool leaves = seed % 8 == 0 && _activeCities().length > 3 && _statusOf(city) == ICityRegistry.Status.Active;
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
        uint256 what = (seed >> 24) % 9;
        bytes4 why = what < 4 ? ICityRegistry.NotCityAdmin.selector : ICityRegistry.NotConsortium.selector;
        address target = what < 7 ? address(registry) : address(_house(seed % 2));
        bytes memory data;
        if (what == 0) data = abi.encodeCall(ICityRegistry.addSubmitter, (city, thief));
        if (what == 1) data = abi.encodeCall(ICityRegistry.addIssuerKey, (city, 200, thief, 0, type(uint40).max));
        if (what == 2) data = abi.encodeCall(ICityRegistry.proposeTreasury, (city, thief));
        if (what == 3) data = abi.encodeCall(ICityRegistry.leaveConsortium, (city));
        if (what == 4) data = abi.encodeCall(ICityRegistry.expel, (city));
        if (what == 5) data = abi.encodeCall(ICityRegistry.recover, (city, thief, thief));
        if (what == 6) data = abi.encodeCall(ICityRegistry.suspend, (city));
        if (what == 7) data = abi.encodeCall(IClearinghouse.setReserve, (city, 0));
        if (what == 8) {
            data = abi.encodeCall(IClearinghouse.post, (city, other, 1));
            why = IClearinghouse.NotRefunds.selector;
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
