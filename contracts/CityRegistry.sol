// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {ICityRegistry} from "./interfaces/ICityRegistry.sol";

/// @title The members of the consortium, their keys and their revocations
/// @dev Made by the Consortium at its own construction, so that no other account ever had power over it.
contract CityRegistry is ICityRegistry {
    /// @notice A key that isn't meant to end has this end.
    uint40 public constant NO_END = type(uint40).max;
    /// @notice The votes of the cities are counted in one word, so there is a seat for each of its bits.
    uint256 public constant SEATS = 256;

    /// @notice How long a proposed admin or treasury waits until it may accept, seconds.
    uint256 public constant HANDOVER_DELAY = 2 days;

    /// @inheritdoc ICityRegistry
    address public immutable consortium;
    /// @inheritdoc ICityRegistry
    uint256 public immutable deployedAt;

    /// @dev The last storage word holds all that settling asks for.
    struct City {
        string name;
        address admin;
        uint40 exitedAt;
        address treasury;
        Status status;
        uint8 seat;
        uint40 admittedAt;
        uint40 suspendedAt;
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
        uint40 acceptableFrom;
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
    mapping(uint16 city => mapping(bytes32 change => bool)) private _consents;
    mapping(uint16 city => Tariff[]) private _tariffs;

    /// @inheritdoc ICityRegistry
    mapping(uint16 city => bool) public isFrozen;
    /// @inheritdoc ICityRegistry
    mapping(uint16 city => mapping(address key => bool)) public isSubmitter;
    /// @inheritdoc ICityRegistry
    uint256 public activeSeats;
    /// @inheritdoc ICityRegistry
    uint256 public activeCount;

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

    constructor() {
        consortium = msg.sender;
        deployedAt = block.number;
    }

    // ---------------------------------------------------------------- membership, by vote

    /// @inheritdoc ICityRegistry
    function admit(uint16 code, string calldata name, address admin, address treasury) external onlyConsortium {
        if (code == 0) revert InvalidCityCode();
        if (_cities[code].status != Status.None) revert CityAlreadyAdmitted(code);
        if (admin == address(0) || treasury == address(0)) revert ZeroAddress();
        uint256 seat = _codes.length;
        if (seat == SEATS) revert TooManyCities(SEATS);

        _codes.push(code);
        _cities[code] = City({
            name: name,
            admin: admin,
            exitedAt: 0,
            treasury: treasury,
            status: Status.Active,
            seat: uint8(seat),
            admittedAt: uint40(block.timestamp),
            suspendedAt: 0
        });
        _takeSeat(uint8(seat));
        emit CityAdmitted(code, name, admin, treasury);
    }

    /// @inheritdoc ICityRegistry
    function suspend(uint16 code) external onlyConsortium {
        City storage c = _cities[code];
        if (c.status != Status.Active) revert WrongStatus(code, c.status);
        c.status = Status.Suspended;
        c.suspendedAt = uint40(block.timestamp);
        _leaveSeat(c.seat);
        emit CitySuspended(code, uint40(block.timestamp));
    }

    /// @inheritdoc ICityRegistry
    function reinstate(uint16 code) external onlyConsortium {
        City storage c = _cities[code];
        if (c.status != Status.Suspended) revert WrongStatus(code, c.status);
        c.status = Status.Active;
        c.suspendedAt = 0;
        _takeSeat(c.seat);
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
        for (uint256 i = 0; i < serials.length; ++i) {
            uint40 serial = serials[i];
            if (revoked[serial] != 0) continue;
            revoked[serial] = uint40(block.timestamp);
            emit TicketRevoked(issuer, operator, serial);
        }
    }

    // ---------------------------------------------------------------- a city's two keys

    /// @inheritdoc ICityRegistry
    function proposeAdmin(uint16 code, address admin) external onlyAdminOf(code) {
        emit AdminProposed(code, admin, _propose(_nextAdmin[code], admin));
    }

    /// @inheritdoc ICityRegistry
    function acceptAdmin(uint16 code) external {
        _accept(_nextAdmin[code], code);
        delete _nextAdmin[code];
        _cities[code].admin = msg.sender;
        emit AdminChanged(code, msg.sender);
    }

    /// @inheritdoc ICityRegistry
    function proposeTreasury(uint16 code, address treasury) external onlyAdminOf(code) {
        emit TreasuryProposed(code, treasury, _propose(_nextTreasury[code], treasury));
    }

    /// @inheritdoc ICityRegistry
    function acceptTreasury(uint16 code) external {
        _accept(_nextTreasury[code], code);
        delete _nextTreasury[code];
        _cities[code].treasury = msg.sender;
        emit TreasuryChanged(code, msg.sender);
        _unfreeze(code);
    }

    /// @inheritdoc ICityRegistry
    function cancelChanges(uint16 code) external onlyOf(code) {
        if (_nextAdmin[code].to == address(0) && _nextTreasury[code].to == address(0)) {
            revert NotProposed(code, msg.sender);
        }
        delete _nextAdmin[code];
        delete _nextTreasury[code];
        emit ChangesCancelled(code, msg.sender);
    }

    /// @inheritdoc ICityRegistry
    function freezeTreasury(uint16 code, bool frozen) external onlyAdminOf(code) {
        if (isFrozen[code] == frozen) revert AlreadySo(code, frozen);
        isFrozen[code] = frozen;
        emit TreasuryFrozen(code, frozen);
    }

    /// @inheritdoc ICityRegistry
    function consentToRecovery(uint16 code, address admin, address treasury) external onlyOf(code) {
        if (admin == address(0) || treasury == address(0)) revert ZeroAddress();
        _consents[code][_consentKey(code, admin, treasury)] = true;
        emit RecoveryConsented(code, msg.sender, admin, treasury);
    }

    /// @inheritdoc ICityRegistry
    function recover(uint16 code, address admin, address treasury) external onlyConsortium {
        if (!hasConsented(code, admin, treasury)) revert NoConsent(code, admin, treasury);
        delete _nextAdmin[code];
        delete _nextTreasury[code];
        City storage c = _cities[code];
        c.admin = admin;
        c.treasury = treasury;
        emit CityRecovered(code, admin, treasury);
        _unfreeze(code);
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
    function seatOf(uint16 code) external view returns (uint8) {
        return _cities[code].seat;
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
    ) external view returns (address key, uint40 validFrom, uint40 validUntil, Status status, uint40 suspendedAt) {
        IssuerKey storage k = _issuerKeys[code][keyId];
        City storage c = _cities[code];
        return (k.key, k.validFrom, k.validUntil, c.status, c.suspendedAt);
    }

    /// @inheritdoc ICityRegistry
    function operatorTerms(
        uint16 code,
        address submitter
    ) external view returns (bool submits, Status status, uint40 suspendedAt) {
        City storage c = _cities[code];
        return (isSubmitter[code][submitter], c.status, c.suspendedAt);
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
    function hasConsented(uint16 code, address admin, address treasury) public view returns (bool) {
        return _consents[code][_consentKey(code, admin, treasury)];
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

    function _exit(uint16 code) private {
        City storage c = _cities[code];
        Status before = c.status;
        if (before != Status.Active && before != Status.Suspended) revert WrongStatus(code, before);
        c.status = Status.Exited;
        c.exitedAt = uint40(block.timestamp);
        if (before == Status.Active) {
            c.suspendedAt = uint40(block.timestamp);
            _leaveSeat(c.seat);
        }
        emit CityExited(code, c.suspendedAt);
    }

    function _propose(Handover storage next, address to) private returns (uint40 acceptableFrom) {
        if (to == address(0)) revert ZeroAddress();
        acceptableFrom = uint40(block.timestamp + HANDOVER_DELAY);
        next.to = to;
        next.acceptableFrom = acceptableFrom;
    }

    function _accept(Handover storage next, uint16 code) private view {
        if (msg.sender != next.to || next.to == address(0)) revert NotProposed(code, msg.sender);
        if (block.timestamp < next.acceptableFrom) revert TooEarly(next.acceptableFrom);
    }

    /// @dev A consent holds as long as the city's admin and treasury stay those that it was given under.
    function _consentKey(uint16 code, address admin, address treasury) private view returns (bytes32) {
        return keccak256(abi.encode(_cities[code].admin, _cities[code].treasury, admin, treasury));
    }

    function _unfreeze(uint16 code) private {
        if (!isFrozen[code]) return;
        isFrozen[code] = false;
        emit TreasuryFrozen(code, false);
    }

    function _takeSeat(uint8 seat) private {
        activeSeats |= uint256(1) << seat;
        ++activeCount;
    }

    function _leaveSeat(uint8 seat) private {
        activeSeats &= ~(uint256(1) << seat);
        --activeCount;
    }
}
