// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {vm} from "./Vm.sol";
import {RideActs} from "./RideActs.sol";
import {IClearinghouse} from "../../contracts/interfaces/IClearinghouse.sol";
import {ICityRegistry} from "../../contracts/interfaces/ICityRegistry.sol";
import {IConsortium} from "../../contracts/interfaces/IConsortium.sol";

/// @notice What the members vote for and that waits; and a second count of its votes and its wait, from who was a member when.
abstract contract Votes is RideActs {
    enum Kind {
        Suspend,
        Expel,
        Reserve,
        Parameters,
        Successor,
        NoSuccessor,
        Recover
    }

    /// @notice A proposal that waits, or lost its wait.
    struct Waiting {
        uint256 id;
        Kind kind;
        uint16 city;
        uint8 house;
        uint256 number; // fen, Unix seconds, or the address that asked
        uint256 proposedAt;
        uint256 delay;
        uint256 passedAt; // 0 without a wait
        uint256 touchedAt; // its last act
    }

    uint256 private constant VOTING = 30 days;
    uint256 private constant EXECUTION = 14 days;

    Waiting[] internal _waiting;
    mapping(uint256 id => IClearinghouse.Parameters) private _proposed;
    mapping(uint16 city => uint256 id) private _requestOf;

    // ---------------------------------------------------------------- the second count

    /// @dev Votes and how many are needed, at the end of a second: two thirds of all members whose seats count, without the vote of the
    /// one concerned; of the others alone for a recovery, and none where there were none.
    function _tally(Waiting memory w, uint256 moment) internal view returns (uint256 votes, uint256 needed) {
        uint256 seats;
        bool recovery = w.kind == Kind.Recover;
        bool against = recovery || w.kind == Kind.Suspend || w.kind == Kind.Expel;
        for (uint256 i = 0; i < codes.length; ++i) {
            if (!_counts(codes[i], moment)) continue;
            bool concerned = against && codes[i] == w.city;
            if (!concerned && _approves[w.id][codes[i]]) ++votes;
            if (!concerned || !recovery) ++seats;
        }
        needed = (2 * seats + 2) / 3;
        if (needed == 0) needed = 1;
        if (recovery && w.delay == 7 days) needed = 0;
    }

    function _passes(Waiting memory w, uint256 moment) private view returns (bool) {
        (uint256 votes, uint256 needed) = _tally(w, moment);
        return votes >= needed;
    }

    /// @dev Whether the two thirds stood at every moment since the last act: then, now, and whenever a seat came or went.
    function _kept(Waiting memory w) private view returns (bool) {
        if (!_passes(w, w.touchedAt) || !_passes(w, block.timestamp)) return false;
        for (uint256 i = 0; i < codes.length; ++i) {
            (, , , uint256 countsFrom) = registry.voterOf(codes[i]);
            uint256 exitedAt = registry.exitedAt(codes[i]);
            if (_isSince(w, countsFrom) && !_passes(w, countsFrom)) return false;
            if (_isSince(w, exitedAt) && !_passes(w, exitedAt)) return false;
        }
        return true;
    }

    function _isSince(Waiting memory w, uint256 moment) private view returns (bool) {
        return moment > w.touchedAt && moment <= block.timestamp;
    }

    /// @dev When its wait is over; 0 if there is none, or it was lost.
    function _executableFrom(Waiting memory w) internal view returns (uint256) {
        return w.passedAt == 0 || !_kept(w) ? 0 : w.passedAt + w.delay;
    }

    function _expiresAt(Waiting memory w) internal view returns (uint256) {
        uint256 from = _executableFrom(w);
        uint256 voting = w.proposedAt + VOTING;
        return from == 0 || from + EXECUTION < voting ? voting : from + EXECUTION;
    }

    function _isReplaced(Waiting memory w) internal view returns (bool) {
        return w.kind == Kind.Recover && _requestOf[w.city] != w.id;
    }

    // ---------------------------------------------------------------- proposing

    /// @notice The members approve what has to wait: a city's suspension or expulsion, its recovery, a reserve, parameters, a
    /// successor or none.
    function propose(uint256 seed) external act("propose") {
        _propose(seed);
    }

    function _propose(uint256 seed) internal {
        uint16[] memory voters = _voters();
        if (voters.length == 0) return;
        uint256 what = seed % 9;
        if (_waiting.length > 3) _carryOut(seed);
        else if (what == 0) _proposeSuccessor(seed >> 8);
        else if (what < 3 && voters.length > 2) _proposeAgainst(voters[(seed >> 8) % voters.length], seed >> 16);
        else if (what < 5) _proposeReserve(seed >> 8);
        else if (what < 7) _request(seed >> 8);
        else _proposeParameters(seed >> 8);
    }

    function _proposeAgainst(uint16 city, uint256 seed) private {
        bool expel = seed % 4 == 0;
        bytes memory data =
            expel ? abi.encodeCall(ICityRegistry.expel, (city)) : abi.encodeCall(ICityRegistry.suspend, (city));
        _push(_approveByVote(address(registry), data, city), expel ? Kind.Expel : Kind.Suspend, city, 0, 0);
    }

    function _proposeReserve(uint256 seed) private {
        uint16 city = _anyMember(seed);
        uint8 house = _someHouse(seed >> 8);
        uint256 amount = (seed >> 16) % 2 == 0 ? 0 : (seed >> 32) % 10_000;
        bytes memory data = abi.encodeCall(IClearinghouse.setReserve, (city, amount));
        _push(_approveByVote(address(_house(house)), data, 0), Kind.Reserve, city, house, amount);
    }

    /// @dev Other parameters, within their bounds.
    function _proposeParameters(uint256 seed) private {
        IClearinghouse.Parameters memory p = IClearinghouse.Parameters({
            maxFare: uint24(_bounded(seed, 100, 100_000)),
            grace: uint24(_bounded(seed >> 20, 1 hours, 7 days)),
            submissionWindow: uint32(_bounded(seed >> 40, 2 days, seed % 2 == 0 ? 5 days : 365 days)),
            disputeTime: uint24(_bounded(seed >> 70, 7 days, seed % 2 == 0 ? 10 days : 90 days)),
            answerTime: uint24(_bounded(seed >> 100, 3 days, 30 days)),
            disputeFee: uint16(_bounded(seed >> 130, 0, 5_000))
        });
        uint8 house = _someHouse(seed >> 150);
        bytes memory data = abi.encodeCall(IClearinghouse.setParameters, (p));
        uint256 id = _approveByVote(address(_house(house)), data, 0);
        _proposed[id] = p;
        _push(id, Kind.Parameters, 0, house, 0);
    }

    /// @dev The second Clearinghouse is to take over from the first; or, where that was said, no longer.
    function _proposeSuccessor(uint256 seed) private {
        address house = address(_house(0));
        if (address(_house(0).successor()) != address(0) && seed % 4 != 0) {
            bytes memory call = abi.encodeCall(IClearinghouse.cancelSuccessor, ());
            return _push(_approveByVote(house, call, 0), Kind.NoSuccessor, 0, 0, 0);
        }
        uint256 closesAt = block.timestamp + 45 days;
        bytes memory data = abi.encodeCall(IClearinghouse.nameSuccessor, (_house(1), closesAt));
        _push(_approveByVote(house, data, 0), Kind.Successor, 0, 0, closesAt);
    }

    /// @dev A city's recovery address asks for it, and two thirds of the others approve, if there are others.
    function _request(uint256 seed) private {
        uint16 city = _anyMember(seed);
        address recovery = registry.recoveryOf(city);
        bytes memory data = abi.encodeCall(IConsortium.requestRecovery, (city));
        uint256 id = abi.decode(_must(recovery, address(consortium), data), (uint256));
        _requestOf[city] = id;
        uint16[] memory voters = _voters();
        uint256 others = voters.length;
        for (uint256 i = 0; i < voters.length; ++i) if (voters[i] == city) --others;
        uint256 votes;
        for (uint256 i = 0; i < voters.length && 3 * votes < 2 * others; ++i) {
            if (voters[i] == city) continue;
            _must(_adminOf(voters[i]), address(consortium), abi.encodeCall(IConsortium.approve, (id, voters[i])));
            _approves[id][voters[i]] = true;
            ++votes;
        }
        _push(id, Kind.Recover, city, 0, uint160(recovery));
        if (others == 0) _waiting[_waiting.length - 1].delay = 7 days;
    }

    function _push(uint256 id, Kind kind, uint16 city, uint8 house, uint256 number) private {
        bool short = kind == Kind.Suspend || kind == Kind.Recover || kind == Kind.NoSuccessor;
        uint256 now_ = block.timestamp;
        _waiting.push(Waiting(id, kind, city, house, number, now_, short ? 1 days : 7 days, now_, now_));
    }

    // ---------------------------------------------------------------- changing one's mind

    /// @notice A member takes its approval of something back, or gives one more; or anyone has a wait start anew that was lost.
    function changeMind(uint256 seed) external act("changeMind") {
        uint16[] memory voters = _voters();
        if (_waiting.length == 0 || voters.length == 0) return;
        Waiting storage w = _waiting[seed % _waiting.length];
        uint16 city = voters[(seed >> 8) % voters.length];
        bool mark = (seed >> 16) % 4 == 0;
        bool approves = _approves[w.id][city];
        bytes memory data = abi.encodeCall(IConsortium.markPassed, (w.id));
        if (!mark && approves) data = abi.encodeCall(IConsortium.withdrawApproval, (w.id, city));
        if (!mark && !approves) data = abi.encodeCall(IConsortium.approve, (w.id, city));
        address sender = mark ? STRANGER : _adminOf(city);
        bytes4 why = _refusalOfActs(w);
        if (why == 0 && mark && !_passes(w, block.timestamp)) why = IConsortium.NotPassed.selector;
        if (why != 0) return _mustNot(sender, address(consortium), data, why);
        _must(sender, address(consortium), data);
        if (w.passedAt != 0 && !_kept(w)) w.passedAt = 0;
        w.touchedAt = block.timestamp;
        if (!mark) _approves[w.id][city] = !approves;
        if (!_passes(w, block.timestamp)) w.passedAt = 0;
        else if (w.passedAt == 0 && (mark || !approves)) w.passedAt = block.timestamp;
    }

    /// @dev Why nothing can be done with a proposal any more, or 0.
    function _refusalOfActs(Waiting memory w) private view returns (bytes4) {
        if (_isReplaced(w)) return IConsortium.RequestIsWithdrawn.selector;
        return block.timestamp > _expiresAt(w) ? IConsortium.ProposalExpired.selector : bytes4(0);
    }

    // ---------------------------------------------------------------- carrying out

    /// @notice A proposal is carried out, or refused because its wait isn't over or because things have changed.
    function carryOut(uint256 seed) external act("carryOut") {
        if (_waiting.length == 0) _propose(seed);
        else _carryOut(seed);
    }

    function _carryOut(uint256 seed) private {
        uint256 place = seed % _waiting.length;
        Waiting memory w = _waiting[place];
        bytes memory data = abi.encodeCall(IConsortium.execute, (w.id));
        if (block.timestamp < _executableFrom(w) && !_isReplaced(w)) {
            if (seed % 4 == 0) return _mustNot(STRANGER, address(consortium), data, IConsortium.TooEarly.selector);
            vm.warp(_executableFrom(w));
        }
        _waiting[place] = _waiting[_waiting.length - 1];
        _waiting.pop();
        bytes4 why = _refusalOfActs(w);
        if (why == 0 && !_passes(w, block.timestamp)) why = IConsortium.NotPassed.selector;
        if (why == 0 && _executableFrom(w) == 0) why = IConsortium.TooEarly.selector;
        if (why == 0) why = _refusal(w);
        if (why != 0) return _mustNot(STRANGER, address(consortium), data, why);
        _must(STRANGER, address(consortium), data);
        if (w.kind == Kind.Parameters) _change(w);
        if (w.kind == Kind.Recover && (_adminOf(w.city) != address(uint160(w.number)) || _hasTreasury(w.city))) {
            revert Broken("a recovered city isn't its recovery address's");
        }
    }

    /// @dev Why the call itself is refused, or 0.
    function _refusal(Waiting memory w) private view returns (bytes4) {
        ICityRegistry.Status status = _statusOf(w.city);
        bool active = status == ICityRegistry.Status.Active;
        bool suspended = status == ICityRegistry.Status.Suspended;
        IClearinghouse h = _house(w.house);
        bool closed = h.closesAt() != 0 && block.timestamp >= h.closesAt();
        if (w.kind == Kind.Suspend && !active) return ICityRegistry.WrongStatus.selector;
        if (w.kind == Kind.Expel && !active && !suspended) return ICityRegistry.WrongStatus.selector;
        if (w.kind == Kind.Parameters && block.timestamp < _settableFrom(w.house)) {
            return IClearinghouse.ParametersTooSoon.selector;
        }
        if (w.kind == Kind.Recover && registry.recoveryOf(w.city) != address(uint160(w.number))) {
            return ICityRegistry.NotRecoveryAddress.selector;
        }
        if (w.kind == Kind.NoSuccessor && address(h.successor()) == address(0)) {
            return IClearinghouse.NoSuccessor.selector;
        }
        if (w.kind != Kind.Successor && w.kind != Kind.NoSuccessor) return 0;
        if (closed) return IClearinghouse.AlreadyClosed.selector;
        if (w.kind == Kind.NoSuccessor) return 0;
        return w.number < block.timestamp + 30 days ? IClearinghouse.ClosesTooSoon.selector : bytes4(0);
    }

    /// @dev Once they hold, parameters stay until nothing can come any more of rides of before; until they hold, they can be replaced.
    function _settableFrom(uint8 house) private view returns (uint256) {
        Terms storage t = _terms[house];
        if (t.changedAt == 0 || block.timestamp < t.changedAt) return 0;
        (IClearinghouse.Parameters memory a, IClearinghouse.Parameters memory b) = (t.before, t.later);
        uint256 sent = _most(a.grace, b.grace) + 24 hours + _most(a.submissionWindow, b.submissionWindow) + 6 days;
        return t.changedAt + sent + _most(a.disputeTime, b.disputeTime) + _most(a.answerTime, b.answerTime);
    }

    function _change(Waiting memory w) private {
        Terms storage t = _terms[w.house];
        if (block.timestamp >= t.changedAt) t.before = t.later;
        t.changedAt = block.timestamp + t.before.grace;
        t.later = _proposed[w.id];
    }

    function _most(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a : b;
    }
}
