// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICityRegistry} from "./interfaces/ICityRegistry.sol";

/// @title The members of the consortium, their keys and their revocations
/// @dev Made by the Consortium at its own construction, so that no other account ever had power over it.
contract CityRegistry is ICityRegistry {
    /// @notice A key that isn't meant to end has this end.
    uint40 public constant NO_END = type(uint40).max;
    /// @notice A roll of the seats that count, and since when, is one word; so there are that many seats.
    uint256 public constant SEATS = 216;
    /// @notice How long a city is a member until its seat counts in votes, seconds.
    uint256 public constant SEAT_DELAY = 7 days;
    /// @notice How many cities can be admitted in 365 days, so that nobody uses up the seats.
    uint256 public constant ADMISSIONS_A_YEAR = 32;

    /// @notice How long a proposed admin or treasury waits until it may accept, seconds.
    uint256 public constant HANDOVER_DELAY = 2 days;
    /// @notice How long a recovery address waits that both keys named, seconds.
    uint256 public constant RECOVERY_DELAY = 14 days;
    /// @notice How long whoever waited may accept, seconds.
    uint256 public constant HANDOVER_PERIOD = 14 days;
    /// @notice How many tickets for one operator a city can revoke on a day (UTC).
    uint256 public constant REVOCATIONS_A_DAY = 1000;

    /// @inheritdoc ICityRegistry
    address public immutable consortium;
    /// @inheritdoc ICityRegistry
    uint256 public immutable deployedAt;

    /// @dev The word that begins with the treasury holds all that settling asks for.
    struct City {
        string name;
        address admin;
        uint40 exitedAt;
        uint8 seat;
        uint40 admittedAt;
        address treasury;
        Status status;
        uint40 suspendedAt;
        uint40 reinstatedAt;
        address recovery;
        uint40 countsFrom;
    }

    /// @dev One storage word.
    struct IssuerKey {
        address key;
        uint40 validFrom;
        uint40 validUntil;
    }

    /// @dev A change of admin or treasury that waits; one storage word.
    struct Handover {
        address to;
        uint40 acceptableFrom; // 0 as long as a recovery address wasn't named by both keys
    }

    /// @dev Which of a city's keys named a recovery address first, and when; one storage word.
    struct Naming {
        address by;
        uint40 time;
    }

    /// @dev How many tickets were revoked on a day (UTC).
    struct Revoked {
        uint40 day;
        uint16 count;
    }

    struct Tariff {
        string uri;
        bytes32 hash;
        uint40 validFrom;
    }

    uint16[] private _codes;
    mapping(uint16 city => City) private _cities;
    mapping(uint16 city => mapping(uint8 keyId => IssuerKey)) private _issuerKeys;
    mapping(uint16 city => uint8[]) private _issuerKeyIds;
    mapping(uint16 issuer => mapping(uint16 operator => mapping(uint40 serial => uint40))) private _revokedAt;

    mapping(uint16 city => Handover) private _nextAdmin;
    mapping(uint16 city => Handover) private _nextTreasury;
    mapping(uint16 city => Handover) private _nextRecovery;
    mapping(uint16 city => Naming) private _recoveryNamed;
    mapping(uint16 city => Suspension[]) private _suspensions;
    mapping(uint16 issuer => mapping(uint16 operator => Revoked)) private _revokedToday;
    /// @dev From when on (40 bits) which seats (216 bits) count, in the order of time; those of newcomers lie ahead.
    uint256[] private _rolls;
    mapping(uint16 city => Tariff[]) private _tariffs;

    /// @inheritdoc ICityRegistry
    mapping(uint16 city => bool) public isFrozen;
    /// @inheritdoc ICityRegistry
    mapping(uint16 city => mapping(address key => bool)) public isSubmitter;

    modifier onlyConsortium() {
        if (msg.sender != consortium) revert NotConsortium(msg.sender);
        _;
    }

    modifier onlyAdminOf(uint16 code) {
        address admin = _cities[code].admin;
        if (msg.sender != admin || admin == address(0)) revert NotCityAdmin(code, msg.sender);
        _;
    }

    modifier onlyOf(uint16 code) {
        City storage c = _cities[code];
        if ((msg.sender != c.admin && msg.sender != c.treasury) || c.admin == address(0)) {
            revert NotOfCity(code, msg.sender);
        }
        _;
    }

    /// @param founders The cities that are members from the first block, at most {ADMISSIONS_A_YEAR}; their seats count at once.
    constructor(Founder[] memory founders) {
        consortium = msg.sender;
        deployedAt = block.number;
        _rolls.push(_roll(block.timestamp, 0));
        for (uint256 i = 0; i < founders.length; ++i) {
            _admit(founders[i], uint40(block.timestamp));
        }
    }

    // ---------------------------------------------------------------- membership, by vote

    /// @inheritdoc ICityRegistry
    function admit(
        uint16 code,
        string calldata name,
        address admin,
        address treasury,
        address recovery
    ) external onlyConsortium {
        _admit(Founder(code, name, admin, treasury, recovery), uint40(block.timestamp + SEAT_DELAY));
    }

    /// @inheritdoc ICityRegistry
    function suspend(uint16 code) external onlyConsortium {
        City storage c = _cities[code];
        if (c.status != Status.Active) revert WrongStatus(code, c.status);
        c.status = Status.Suspended;
        c.suspendedAt = uint40(block.timestamp);
        emit CitySuspended(code, uint40(block.timestamp));
    }

    /// @inheritdoc ICityRegistry
    function reinstate(uint16 code) external onlyConsortium {
        City storage c = _cities[code];
        if (c.status != Status.Suspended) revert WrongStatus(code, c.status);
        _suspensions[code].push(Suspension(c.suspendedAt, uint40(block.timestamp)));
        c.status = Status.Active;
        c.suspendedAt = 0;
        c.reinstatedAt = uint40(block.timestamp);
        emit CityReinstated(code);
    }

    /// @inheritdoc ICityRegistry
    function expel(uint16 code) external onlyConsortium {
        _exit(code);
    }

    // ---------------------------------------------------------------- a city's own affairs

    /// @inheritdoc ICityRegistry
    function leaveConsortium(uint16 code) external onlyAdminOf(code) {
        _exit(code);
    }

    /// @inheritdoc ICityRegistry
    function addIssuerKey(
        uint16 code,
        uint8 keyId,
        address key,
        uint40 validFrom,
        uint40 validUntil
    ) external onlyAdminOf(code) {
        if (key == address(0)) revert ZeroAddress();
        if (_issuerKeys[code][keyId].key != address(0)) revert IssuerKeyExists(code, keyId);
        if (validFrom >= validUntil) revert InvalidKeyWindow(validFrom, validUntil);
        _issuerKeys[code][keyId] = IssuerKey(key, validFrom, validUntil);
        _issuerKeyIds[code].push(keyId);
        emit IssuerKeyAdded(code, keyId, key, validFrom, validUntil);
    }

    /// @inheritdoc ICityRegistry
    function endIssuerKey(uint16 code, uint8 keyId, uint40 validUntil) external onlyAdminOf(code) {
        IssuerKey storage k = _issuerKeys[code][keyId];
        if (k.key == address(0)) revert UnknownIssuerKey(code, keyId);
        if (validUntil >= k.validUntil || validUntil < block.timestamp) {
            revert InvalidKeyEnd(validUntil, uint40(block.timestamp), k.validUntil);
        }
        k.validUntil = validUntil;
        emit IssuerKeyEnded(code, keyId, validUntil);
    }

    /// @inheritdoc ICityRegistry
    function addSubmitter(uint16 code, address key) external onlyAdminOf(code) {
        if (key == address(0)) revert ZeroAddress();
        if (isSubmitter[code][key]) revert SubmitterExists(code, key);
        isSubmitter[code][key] = true;
        emit SubmitterAdded(code, key);
    }

    /// @inheritdoc ICityRegistry
    function removeSubmitter(uint16 code, address key) external onlyAdminOf(code) {
        if (!isSubmitter[code][key]) revert UnknownSubmitter(code, key);
        isSubmitter[code][key] = false;
        emit SubmitterRemoved(code, key);
    }

    /// @inheritdoc ICityRegistry
    function publishTariff(
        uint16 code,
        string calldata uri,
        bytes32 hash,
        uint40 validFrom
    ) external onlyAdminOf(code) {
        uint40 earliest = uint40(block.timestamp);
        if (validFrom == 0) validFrom = earliest;
        if (validFrom < earliest) revert TariffTooEarly(validFrom, earliest);
        uint256 index = _tariffs[code].length;
        _tariffs[code].push(Tariff(uri, hash, validFrom));
        emit TariffPublished(code, index, uri, hash, validFrom);
    }

    /// @inheritdoc ICityRegistry
    function revokeTickets(uint16 issuer, uint16 operator, uint40[] calldata serials) external onlyAdminOf(issuer) {
        mapping(uint40 => uint40) storage revoked = _revokedAt[issuer][operator];
        uint40 today = uint40(block.timestamp / 1 days);
        Revoked storage done = _revokedToday[issuer][operator];
        uint256 left = REVOCATIONS_A_DAY - (done.day == today ? done.count : 0);
        uint256 fresh = 0;
        for (uint256 i = 0; i < serials.length; ++i) {
            uint40 serial = serials[i];
            if (revoked[serial] != 0) continue;
            if (++fresh > left) revert TooManyRevocations(REVOCATIONS_A_DAY, left);
            revoked[serial] = uint40(block.timestamp);
            emit TicketRevoked(issuer, operator, serial);
        }
        (done.day, done.count) = (today, uint16(REVOCATIONS_A_DAY - left + fresh)); // 1,000 at most
    }

    // ---------------------------------------------------------------- a city's keys

    /// @inheritdoc ICityRegistry
    function proposeAdmin(uint16 code, address admin) external onlyAdminOf(code) {
        emit AdminProposed(code, admin, _propose(_nextAdmin[code], code, admin));
    }

    /// @inheritdoc ICityRegistry
    function acceptAdmin(uint16 code) external {
        _accept(_nextAdmin[code], code);
        delete _nextAdmin[code];
        delete _nextRecovery[code]; // what a key said that isn't the city's any more
        _cities[code].admin = msg.sender;
        emit AdminChanged(code, msg.sender);
    }

    /// @inheritdoc ICityRegistry
    function proposeTreasury(uint16 code, address treasury) external {
        City storage c = _cities[code];
        address proposer = c.treasury == address(0) ? c.admin : c.treasury;
        if (msg.sender != proposer) revert NotTreasury(code, msg.sender);
        if (isFrozen[code]) revert TreasuryIsFrozen(code);
        emit TreasuryProposed(code, treasury, _propose(_nextTreasury[code], code, treasury));
    }

    /// @inheritdoc ICityRegistry
    function acceptTreasury(uint16 code) external {
        _accept(_nextTreasury[code], code);
        if (isFrozen[code]) revert TreasuryIsFrozen(code);
        delete _nextTreasury[code];
        delete _nextRecovery[code]; // what a key said that isn't the city's any more
        _cities[code].treasury = msg.sender;
        emit TreasuryChanged(code, msg.sender);
    }

    /// @inheritdoc ICityRegistry
    function changeRecovery(uint16 code, address recovery) external onlyOf(code) {
        City storage c = _cities[code];
        if (msg.sender == c.treasury && isFrozen[code]) revert TreasuryIsFrozen(code);
        _requireOther(c, recovery);
        Handover storage next = _nextRecovery[code];
        Naming storage named = _recoveryNamed[code];
        bool other = next.to != recovery || block.timestamp > named.time + HANDOVER_PERIOD + RECOVERY_DELAY;
        if (!other && (named.by == msg.sender || next.acceptableFrom != 0)) {
            revert RecoveryAlreadyNamed(code, recovery);
        }
        bool agreed = !other && block.timestamp <= named.time + HANDOVER_PERIOD;
        if (!agreed) (named.by, named.time) = (msg.sender, uint40(block.timestamp));
        next.to = recovery;
        next.acceptableFrom = agreed ? uint40(block.timestamp + RECOVERY_DELAY) : 0;
        emit RecoveryProposed(code, recovery, msg.sender, next.acceptableFrom);
    }

    /// @inheritdoc ICityRegistry
    function acceptRecovery(uint16 code) external {
        _accept(_nextRecovery[code], code);
        delete _nextRecovery[code];
        _cities[code].recovery = msg.sender;
        emit RecoveryChanged(code, msg.sender);
    }

    /// @inheritdoc ICityRegistry
    function cancelChanges(uint16 code) external onlyOf(code) {
        address none = address(0);
        if (_nextAdmin[code].to == none && _nextTreasury[code].to == none && _nextRecovery[code].to == none) {
            revert NotProposed(code, msg.sender);
        }
        _cancelChanges(code);
        emit ChangesCancelled(code, msg.sender);
    }

    /// @inheritdoc ICityRegistry
    function freezeTreasury(uint16 code, bool frozen) external onlyAdminOf(code) {
        if (isFrozen[code] == frozen) revert AlreadySo(code, frozen);
        _freeze(code, frozen);
    }

    /// @inheritdoc ICityRegistry
    function recover(uint16 code, address to) external onlyConsortium {
        City storage c = _cities[code];
        if (to != c.recovery || to == address(0)) revert NotRecoveryAddress(code, to);
        _cancelChanges(code);
        c.admin = to;
        c.treasury = address(0);
        emit CityRecovered(code, to);
        if (isFrozen[code]) _freeze(code, false);
    }

    // ---------------------------------------------------------------- what there is to read

    /// @inheritdoc ICityRegistry
    function cities() external view returns (uint16[] memory) {
        return _codes;
    }

    /// @inheritdoc ICityRegistry
    function city(
        uint16 code
    )
        external
        view
        returns (
            string memory name,
            Status status,
            address admin,
            address treasury,
            uint40 admittedAt,
            uint40 suspendedAt
        )
    {
        City storage c = _cities[code];
        return (c.name, c.status, c.admin, c.treasury, c.admittedAt, c.suspendedAt);
    }

    /// @inheritdoc ICityRegistry
    function exitedAt(uint16 code) external view returns (uint40) {
        return _cities[code].exitedAt;
    }

    /// @inheritdoc ICityRegistry
    function recoveryOf(uint16 code) external view returns (address) {
        return _cities[code].recovery;
    }

    /// @inheritdoc ICityRegistry
    function voterOf(uint16 code) external view returns (Status status, address admin, uint8 seat, uint40 countsFrom) {
        City storage c = _cities[code];
        return (c.status, c.admin, c.seat, c.countsFrom);
    }

    /// @inheritdoc ICityRegistry
    function votingSeats() external view returns (uint256) {
        return _seats(_rolls[_rollsBegun() - 1]);
    }

    /// @inheritdoc ICityRegistry
    function rollsSince(uint256 since) external view returns (uint256[] memory rolls) {
        uint256 last = _rollsBegun() - 1;
        uint256 first = last;
        while (first > 0 && _from(_rolls[first]) > since) --first;
        rolls = new uint256[](last - first + 1);
        for (uint256 i = 0; i < rolls.length; ++i) {
            rolls[i] = _seats(_rolls[last - i]);
        }
    }

    /// @inheritdoc ICityRegistry
    function suspensions(uint16 code) external view returns (Suspension[] memory) {
        return _suspensions[code];
    }

    /// @inheritdoc ICityRegistry
    function suspendedFrom(uint16 code, uint256 time) external view returns (uint256) {
        Suspension[] storage past = _suspensions[code];
        for (uint256 i = past.length; i > 0; --i) {
            if (time >= past[i - 1].to) return 0;
            if (time >= past[i - 1].from) return past[i - 1].from;
        }
        return 0;
    }

    /// @inheritdoc ICityRegistry
    function issuerKey(
        uint16 code,
        uint8 keyId
    ) external view returns (address key, uint40 validFrom, uint40 validUntil) {
        IssuerKey storage k = _issuerKeys[code][keyId];
        return (k.key, k.validFrom, k.validUntil);
    }

    /// @inheritdoc ICityRegistry
    function issuerKeyIds(uint16 code) external view returns (uint8[] memory) {
        return _issuerKeyIds[code];
    }

    /// @inheritdoc ICityRegistry
    function revokedAt(uint16 issuer, uint16 operator, uint40 serial) external view returns (uint40) {
        return _revokedAt[issuer][operator][serial];
    }

    /// @inheritdoc ICityRegistry
    function issuerTerms(
        uint16 code,
        uint8 keyId
    )
        external
        view
        returns (
            address key,
            uint40 validFrom,
            uint40 validUntil,
            Status status,
            uint40 suspendedAt,
            uint40 reinstatedAt
        )
    {
        IssuerKey storage k = _issuerKeys[code][keyId];
        City storage c = _cities[code];
        return (k.key, k.validFrom, k.validUntil, c.status, c.suspendedAt, c.reinstatedAt);
    }

    /// @inheritdoc ICityRegistry
    function operatorTerms(
        uint16 code,
        address submitter
    ) external view returns (bool submits, Status status, uint40 suspendedAt, uint40 reinstatedAt) {
        City storage c = _cities[code];
        return (isSubmitter[code][submitter], c.status, c.suspendedAt, c.reinstatedAt);
    }

    /// @inheritdoc ICityRegistry
    function spendingTreasury(uint16 code) external view returns (address) {
        return isFrozen[code] ? address(0) : _cities[code].treasury;
    }

    /// @inheritdoc ICityRegistry
    function proposedChanges(
        uint16 code
    ) external view returns (address admin, uint40 adminFrom, address treasury, uint40 treasuryFrom) {
        Handover storage a = _nextAdmin[code];
        Handover storage t = _nextTreasury[code];
        return (a.to, a.acceptableFrom, t.to, t.acceptableFrom);
    }

    /// @inheritdoc ICityRegistry
    function proposedRecovery(uint16 code) external view returns (address to, address by, uint40 acceptableFrom) {
        Handover storage next = _nextRecovery[code];
        return (next.to, next.to == address(0) ? next.to : _recoveryNamed[code].by, next.acceptableFrom);
    }

    /// @inheritdoc ICityRegistry
    function tariffCount(uint16 code) external view returns (uint256) {
        return _tariffs[code].length;
    }

    /// @inheritdoc ICityRegistry
    function tariff(
        uint16 code,
        uint256 index
    ) external view returns (string memory uri, bytes32 hash, uint40 validFrom) {
        if (index >= _tariffs[code].length) revert NoSuchTariff(code, index, _tariffs[code].length);
        Tariff storage t = _tariffs[code][index];
        return (t.uri, t.hash, t.validFrom);
    }

    // ---------------------------------------------------------------- internals

    function _admit(Founder memory city_, uint40 countsFrom) private {
        uint16 code = city_.code;
        if (code == 0) revert InvalidCityCode();
        if (_cities[code].status != Status.None) revert CityAlreadyAdmitted(code);
        (address admin, address treasury, address recovery) = (city_.admin, city_.treasury, city_.recovery);
        if (admin == address(0) || treasury == address(0) || recovery == address(0)) revert ZeroAddress();
        if (admin == treasury || admin == recovery) revert SameAddress(admin);
        if (treasury == recovery) revert SameAddress(treasury);
        uint8 seat = _nextSeat();

        _codes.push(code);
        _cities[code] = City({
            name: city_.name,
            admin: admin,
            exitedAt: 0,
            seat: seat,
            admittedAt: uint40(block.timestamp),
            treasury: treasury,
            status: Status.Active,
            suspendedAt: 0,
            reinstatedAt: 0,
            recovery: recovery,
            countsFrom: countsFrom
        });
        _countSeat(seat, countsFrom);
        emit CityAdmitted(code, city_.name, admin, treasury, recovery, countsFrom);
    }

    /// @dev The next free seat, if there is one in this year.
    function _nextSeat() private view returns (uint8) {
        uint256 seat = _codes.length;
        if (seat == SEATS) revert TooManyCities(SEATS);
        if (seat >= ADMISSIONS_A_YEAR) {
            uint256 earliest = uint256(_cities[_codes[seat - ADMISSIONS_A_YEAR]].admittedAt) + 365 days;
            if (block.timestamp < earliest) revert TooManyAdmissions(ADMISSIONS_A_YEAR, earliest);
        }
        return uint8(seat); // below SEATS
    }

    function _exit(uint16 code) private {
        City storage c = _cities[code];
        Status before = c.status;
        if (before != Status.Active && before != Status.Suspended) revert WrongStatus(code, before);
        c.status = Status.Exited;
        c.exitedAt = uint40(block.timestamp);
        if (before == Status.Active) c.suspendedAt = uint40(block.timestamp);
        _dropSeat(c.seat);
        emit CityExited(code, c.suspendedAt);
    }

    function _propose(Handover storage next, uint16 code, address to) private returns (uint40 acceptableFrom) {
        _requireOther(_cities[code], to);
        acceptableFrom = uint40(block.timestamp + HANDOVER_DELAY);
        next.to = to;
        next.acceptableFrom = acceptableFrom;
    }

    /// @dev Makes sure that the caller may take over now what was proposed to it.
    function _accept(Handover storage next, uint16 code) private view {
        if (msg.sender != next.to || next.to == address(0)) revert NotProposed(code, msg.sender);
        uint256 from = next.acceptableFrom;
        if (from == 0 || block.timestamp < from) revert TooEarly(uint40(from));
        if (block.timestamp > from + HANDOVER_PERIOD) revert HandoverExpired(from + HANDOVER_PERIOD);
        _requireOther(_cities[code], msg.sender);
    }

    function _requireOther(City storage c, address to) private view {
        if (to == address(0)) revert ZeroAddress();
        if (to == c.admin || to == c.treasury || to == c.recovery) revert SameAddress(to);
    }

    function _cancelChanges(uint16 code) private {
        delete _nextAdmin[code];
        delete _nextTreasury[code];
        delete _nextRecovery[code];
    }

    function _freeze(uint16 code, bool frozen) private {
        isFrozen[code] = frozen;
        emit TreasuryFrozen(code, frozen);
    }

    // ---------------------------------------------------------------- internals: rolls of the seats that count

    function _roll(uint256 from, uint256 seats) private pure returns (uint256) {
        return (from << SEATS) | seats;
    }

    function _from(uint256 roll) private pure returns (uint256) {
        return roll >> SEATS;
    }

    function _seats(uint256 roll) private pure returns (uint256) {
        return roll & ((uint256(1) << SEATS) - 1);
    }

    /// @dev How many rolls hold or held; those behind them are newcomers'.
    function _rollsBegun() private view returns (uint256 begun) {
        begun = _rolls.length;
        while (_from(_rolls[begun - 1]) > block.timestamp) --begun;
    }

    /// @dev Appends a roll with one seat more. Newcomers all wait equally long, so the order of time is kept.
    function _countSeat(uint8 seat, uint256 from) private {
        uint256 last = _rolls[_rolls.length - 1];
        uint256 roll = _roll(from, _seats(last) | (uint256(1) << seat));
        if (_from(last) == from) _rolls[_rolls.length - 1] = roll;
        else _rolls.push(roll);
    }

    /// @dev Takes a seat out of the roll that holds, and of those ahead.
    function _dropSeat(uint8 seat) private {
        uint256 bit = uint256(1) << seat;
        uint256 begun = _rollsBegun();
        uint256 current = _rolls[begun - 1] & ~bit;
        uint256 carried = _roll(block.timestamp, _seats(current)); // moves the rolls ahead on by one
        if (_from(current) == block.timestamp || _rolls[begun - 1] == current) {
            _rolls[begun - 1] = current;
            for (uint256 i = begun; i < _rolls.length; ++i) _rolls[i] &= ~bit;
            return;
        }
        for (uint256 i = begun; i < _rolls.length; ++i) {
            (carried, _rolls[i]) = (_rolls[i] & ~bit, carried);
        }
        _rolls.push(carried);
    }
}
