// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {Vm, vm} from "./Vm.sol";
import {Books} from "./Books.sol";
import {Ride, Rides} from "./Rides.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IClearinghouse} from "../../contracts/interfaces/IClearinghouse.sol";
import {ICityRegistry} from "../../contracts/interfaces/ICityRegistry.sol";
import {IConsortium} from "../../contracts/interfaces/IConsortium.sol";
import {IRefunds} from "../../contracts/interfaces/IRefunds.sol";

/// @notice The people, the places and the contracts; how an act is tried, and what the tests remember of all acts.
abstract contract World {
    using Rides for Ride;

    /// @notice A Clearinghouse with its Refunds, and its books as its events tell them.
    struct House {
        IClearinghouse clearinghouse;
        IRefunds refunds;
        Books books;
        bytes32 domain;
    }

    /// @notice A batch that was sent and has rides that settled.
    struct Sent {
        uint8 house;
        uint16 operator;
        bytes batch;
        bytes signature;
        bytes refused; // index (2) || reason (1) of each refused ride
        uint40 settledAt;
        uint256[] rides; // their numbers in {rides}, by index
    }

    /// @notice The parameters of rides that ended before a moment, and of later ones, as the members set them.
    struct Terms {
        IClearinghouse.Parameters before;
        IClearinghouse.Parameters later;
        uint256 changedAt;
    }

    /// @notice Fares above a debtor's daily limit, of one batch.
    struct Withheld {
        uint16 debtor;
        uint16 creditor;
        uint256 day;
        uint256 amount;
    }

    /// @notice What became of the acts of one kind.
    struct Tally {
        uint32 done; // valid, and went through
        uint32 refused; // not valid on purpose, and refused
        uint32 idle; // there was nothing to do it with
    }

    enum Outcome {
        Idle,
        Done,
        Refused
    }

    uint256 internal constant OPENING = 1_800_000_000;
    uint256 internal constant CHAIN = 31337;
    uint256 internal constant FOUNDERS = 4;
    uint256 internal constant RIDER_KEYS = 4;
    address internal constant STRANGER = address(0x57a4);
    address internal constant BANK = address(0xba4c);
    /// @dev Stands for the treasury of a city that has none.
    address internal constant NOBODY = address(0xdead);

    IConsortium public consortium;
    ICityRegistry public registry;
    IERC20 public token;
    House[2] internal _houses;
    uint16[] public codes; // all that are or may become members
    bytes20[RIDER_KEYS] internal _riders;

    Ride[] internal _rides;
    Sent[] internal _sent;

    /// @notice What each city is owed by the tests' own count of acts, fen; no contract and no event is asked.
    mapping(uint8 house => mapping(uint16 city => int256)) public claim;
    mapping(uint8 house => mapping(uint16 city => uint256)) public depositedBy;
    mapping(uint8 house => mapping(uint16 city => uint256)) public withdrawnBy;
    mapping(uint8 house => uint256) public donatedTo;

    mapping(address house => uint256) internal _stoppedFrom;
    Terms[2] internal _terms;
    mapping(uint8 house => mapping(uint16 city => uint256)) internal _limit;
    mapping(uint8 house => mapping(uint16 city => mapping(uint256 day => uint256))) internal _taken;
    mapping(uint8 house => Withheld[]) internal _withheld;
    /// @dev Which cities approve a proposal, by the tests' own count.
    mapping(uint256 id => mapping(uint16 city => bool)) internal _approves;

    string[] internal _acts;
    mapping(string act => Tally) internal _tallies;
    Outcome private _outcome;
    uint256 public calls;
    uint256 public callsThatSucceeded;
    uint256 public callsRefusedOnPurpose;
    uint256 public ridesSettled;
    uint256 public ridesRefused;

    error ActRefused(string act, bytes why);
    error ForbiddenActDone(string act, bytes result);
    error Broken(string what);

    /// @dev Each act of the handler: counted, and its events entered into the books.
    modifier act(string memory name) {
        _outcome = Outcome.Idle;
        vm.recordLogs();
        _;
        _enterLogs();
        _count(name);
    }

    // ---------------------------------------------------------------- the beginning

    function _found() internal {
        vm.warp(OPENING);
        vm.chainId(CHAIN);
        codes = [3100, 3301, 3302, 3203, 6201, 4403];
        for (uint256 i = 0; i < RIDER_KEYS; ++i) {
            (uint256 x, uint256 y) = vm.publicKeyP256(_riderPrivateKey(i));
            _riders[i] = bytes20(uint160(uint256(keccak256(abi.encode(x, y)))));
        }
        ICityRegistry.Founder[] memory founders = new ICityRegistry.Founder[](FOUNDERS);
        for (uint256 i = 0; i < FOUNDERS; ++i) {
            founders[i] = ICityRegistry.Founder(
                codes[i],
                "a city",
                _person("admin", codes[i]),
                _person("treasury", codes[i]),
                _person("recovery", codes[i])
            );
        }
        consortium = IConsortium(vm.deployCode("Consortium.sol:Consortium", abi.encode(founders)));
        registry = consortium.registry();
        token = IERC20(vm.deployCode("SettlementToken.sol:SettlementToken", abi.encode(BANK)));
        _open(0, address(0));
        _open(1, address(_houses[0].clearinghouse));
        for (uint256 i = 0; i < FOUNDERS; ++i) _moveIn(codes[i]);
    }

    function _open(uint8 number, address predecessor) private {
        House storage h = _houses[number];
        bytes memory arguments = abi.encode(registry, token, predecessor);
        h.clearinghouse = IClearinghouse(vm.deployCode("Clearinghouse.sol:Clearinghouse", arguments));
        h.refunds = h.clearinghouse.refunds();
        h.books = new Books(address(h.clearinghouse), address(h.refunds));
        h.domain = Rides.domain(CHAIN, address(h.clearinghouse));
        _terms[number].later = IClearinghouse.Parameters(20_000, 24 hours, 30 days, 30 days, 10 days, 500);
    }

    /// @dev A new member registers two issuer keys and a submitter.
    function _moveIn(uint16 city) internal {
        address admin = _person("admin", city);
        for (uint8 keyId = 1; keyId <= 2; ++keyId) {
            vm.prank(admin);
            registry.addIssuerKey(city, keyId, vm.addr(_issuerPrivateKey(city, keyId)), 0, type(uint40).max);
        }
        vm.prank(admin);
        registry.addSubmitter(city, vm.addr(_submitterPrivateKey(city)));
    }

    // ---------------------------------------------------------------- people

    function _person(string memory role, uint256 number) internal pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode(role, number)))));
    }

    function _issuerPrivateKey(uint16 city, uint8 keyId) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("issuer", city, keyId))) >> 1;
    }

    function _submitterPrivateKey(uint16 city) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("submitter", city))) >> 1;
    }

    function _riderPrivateKey(uint256 number) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("rider", number))) >> 1;
    }

    function _statusOf(uint16 city) internal view returns (ICityRegistry.Status status) {
        (, status, , , , ) = registry.city(city);
    }

    function _isMember(uint16 city) internal view returns (bool) {
        return _statusOf(city) != ICityRegistry.Status.None;
    }

    function _adminOf(uint16 city) internal view returns (address admin) {
        (, , admin, , , ) = registry.city(city);
    }

    function _treasuryOf(uint16 city) internal view returns (address treasury) {
        (, , , treasury, , ) = registry.city(city);
        if (treasury == address(0)) treasury = NOBODY;
    }

    function _hasTreasury(uint16 city) internal view returns (bool) {
        return _treasuryOf(city) != NOBODY;
    }

    /// @dev A city that is or was a member; the founders always are.
    function _anyMember(uint256 seed) internal view returns (uint16 city) {
        city = codes[seed % codes.length];
        if (!_isMember(city)) city = codes[(seed >> 8) % FOUNDERS];
    }

    function _activeCities() internal view returns (uint256 count) {
        for (uint256 i = 0; i < codes.length; ++i) {
            if (_statusOf(codes[i]) == ICityRegistry.Status.Active) ++count;
        }
    }

    /// @dev The members whose seats count now.
    function _voters() internal view returns (uint16[] memory voters) {
        voters = new uint16[](codes.length);
        uint256 count;
        for (uint256 i = 0; i < codes.length; ++i) {
            if (_counts(codes[i], block.timestamp)) voters[count++] = codes[i];
        }
        assembly ("memory-safe") {
            mstore(voters, count)
        }
    }

    /// @dev Whether a city's seat counted at the end of a second: a week after it joined, founders' at once, until it left.
    function _counts(uint16 city, uint256 moment) internal view returns (bool) {
        (ICityRegistry.Status status, , , uint256 countsFrom) = registry.voterOf(city);
        if (status == ICityRegistry.Status.None || moment < countsFrom) return false;
        uint256 exitedAt = registry.exitedAt(city);
        return exitedAt == 0 || moment < exitedAt;
    }

    function _house(uint256 number) internal view returns (IClearinghouse) {
        return _houses[number].clearinghouse;
    }

    /// @dev Where rides are signed for now: mostly the newest, at times its predecessor.
    function _someHouse(uint256 seed) internal view returns (uint8) {
        if (address(_house(0).successor()) == address(0)) return 0;
        return seed % 4 == 0 ? 0 : 1;
    }

    // ---------------------------------------------------------------- parameters, by the tests' own count

    /// @dev The parameters of a ride, by when it ended.
    function _termsAt(uint8 house, uint256 exitedAt) internal view returns (IClearinghouse.Parameters memory) {
        return exitedAt < _terms[house].changedAt ? _terms[house].before : _terms[house].later;
    }

    /// @dev The grace after a moment, for a ride of these parameters: a longer one that came later revives nothing.
    function _graceAfter(
        uint8 house,
        uint256 moment,
        IClearinghouse.Parameters memory p
    ) internal view returns (uint256) {
        Terms storage t = _terms[house];
        return moment < t.changedAt && t.before.grace < p.grace ? t.before.grace : p.grace;
    }

    // ---------------------------------------------------------------- acts

    /// @dev A call that must go through.
    function _must(address sender, address target, bytes memory data) internal returns (bytes memory result) {
        bool ok;
        (ok, result) = _call(sender, target, data);
        if (!ok) revert ActRefused(_name(data), result);
        _outcome = Outcome.Done;
    }

    /// @dev A call that must be refused, and why; 0 where any reason will do.
    function _mustNot(address sender, address target, bytes memory data, bytes4 why) internal {
        (bool ok, bytes memory result) = _call(sender, target, data);
        if (ok || (why != 0 && bytes4(result) != why)) revert ForbiddenActDone(_name(data), result);
        ++callsRefusedOnPurpose;
        _outcome = Outcome.Refused;
    }

    function _call(address sender, address target, bytes memory data) private returns (bool ok, bytes memory result) {
        ++calls;
        vm.prank(sender);
        (ok, result) = target.call(data);
        if (ok) ++callsThatSucceeded;
    }

    function _name(bytes memory data) private pure returns (string memory) {
        return vm.toString(uint256(uint32(bytes4(data))));
    }

    function _done() internal {
        _outcome = Outcome.Done;
    }

    /// @dev As many members as it takes propose and approve a call; the city concerned isn't among them, but its seat counts.
    function _approveByVote(address target, bytes memory data, uint16 concerned) internal returns (uint256 id) {
        uint16[] memory voters = _voters();
        uint256 needed = (2 * voters.length + 2) / 3;
        uint256 votes;
        for (uint256 i = 0; i < voters.length && votes < needed; ++i) {
            if (voters[i] == concerned) continue;
            bytes memory data_ =
                id == 0
                    ? abi.encodeCall(IConsortium.propose, (voters[i], target, data))
                    : abi.encodeCall(IConsortium.approve, (id, voters[i]));
            bytes memory result = _must(_adminOf(voters[i]), address(consortium), data_);
            if (id == 0) id = abi.decode(result, (uint256));
            _approves[id][voters[i]] = true;
            ++votes;
        }
    }

    // ---------------------------------------------------------------- what is remembered

    /// @dev Enters what was logged since it was last asked.
    function _enterLogs() internal returns (Vm.Log[] memory logs) {
        logs = vm.getRecordedLogs();
        if (logs.length == 0) return logs;
        _houses[0].books.enter(logs);
        _houses[1].books.enter(logs);
    }

    function _count(string memory name) private {
        Tally storage t = _tallies[name];
        if (t.done + t.refused + t.idle == 0) _acts.push(name);
        if (_outcome == Outcome.Done) ++t.done;
        else if (_outcome == Outcome.Refused) ++t.refused;
        else ++t.idle;
    }

    /// @dev Every number of a house, as one: two that are equal say that nothing changed.
    function _numbers(uint8 number) internal view returns (bytes32 digest) {
        IClearinghouse house = _house(number);
        digest = keccak256(abi.encode(house.held(), token.balanceOf(address(house))));
        for (uint256 i = 0; i < codes.length; ++i) {
            digest = keccak256(
                abi.encode(digest, house.balanceOf(codes[i]), house.arrearsOf(codes[i]), house.position(codes[i]))
            );
            for (uint256 j = 0; j < codes.length; ++j) {
                digest = keccak256(abi.encode(digest, house.arrears(codes[i], codes[j])));
            }
        }
    }

    function _bounded(uint256 seed, uint256 lowest, uint256 highest) internal pure returns (uint256) {
        return lowest + (seed % (highest - lowest + 1));
    }

    /// @dev The i-th from a random place on, in a ring.
    function _place(uint256 seed, uint256 i, uint256 length) internal pure returns (uint256) {
        return ((seed % length) + i) % length;
    }

    function _next(uint256 seed) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed)));
    }

    /// @notice What this run did, as a line of JSON.
    function story() external view returns (string memory line) {
        line = string.concat('{"acts":{');
        for (uint256 i = 0; i < _acts.length; ++i) {
            Tally storage t = _tallies[_acts[i]];
            line = string.concat(
                line,
                i == 0 ? '"' : ',"',
                _acts[i],
                '":[',
                string.concat(vm.toString(t.done), ",", vm.toString(t.refused), ",", vm.toString(t.idle), "]")
            );
        }
        line = string.concat(line, '},"calls":', vm.toString(calls), ',"succeeded":', vm.toString(callsThatSucceeded));
        line = string.concat(line, ',"refusedOnPurpose":', vm.toString(callsRefusedOnPurpose));
        line = string.concat(line, ',"settled":', vm.toString(ridesSettled), ',"refused":', vm.toString(ridesRefused));
        return string.concat(line, "}");
    }
}
