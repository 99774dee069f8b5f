// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The members of the consortium, their keys and their revocations
/// @notice Says which cities there are, which keys speak for them and since when.
/// @dev Only the Consortium's votes change who is a member; only a city's own admin changes that city's keys. Times are
/// Unix seconds; a city is the first four digits of its GB/T 2260 code.
interface ICityRegistry {
    /// @notice Where a city stands: never a member, active, suspended by vote, or gone.
    enum Status {
        None,
        Active,
        Suspended,
        Exited
    }

    /// @notice A city that is a member from the first block.
    /// @param code The city's code.
    /// @param name Its name, for people.
    /// @param admin The address that votes and manages keys for it.
    /// @param treasury The address that its withdrawals go to.
    /// @param recovery The address, kept offline, that the others can give the city back to.
    struct Founder {
        uint16 code;
        string name;
        address admin;
        address treasury;
        address recovery;
    }

    /// @notice A past suspension of a city: from `from` up to, not including, `to`.
    struct Suspension {
        uint40 from;
        uint40 to;
    }

    /// @notice A city was admitted by vote, or was a founder; its seat counts in votes from `countsFrom` on.
    event CityAdmitted(
        uint16 indexed city,
        string name,
        address admin,
        address treasury,
        address recovery,
        uint40 countsFrom
    );
    /// @notice A city was suspended by vote; rides begun on its tickets `grace` after `since` no longer settle.
    event CitySuspended(uint16 indexed city, uint40 since);
    /// @notice A suspended city was reinstated by vote.
    event CityReinstated(uint16 indexed city);
    /// @notice A city left or was expelled; `since` is the start of the suspension it left in, or the time it left.
    event CityExited(uint16 indexed city, uint40 since);
    /// @notice An issuer key was registered; it signs tickets shown from `validFrom` up to, not including, `validUntil`.
    event IssuerKeyAdded(uint16 indexed city, uint8 indexed keyId, address key, uint40 validFrom, uint40 validUntil);
    /// @notice The end of an issuer key was brought forward to `validUntil`.
    event IssuerKeyEnded(uint16 indexed city, uint8 indexed keyId, uint40 validUntil);
    /// @notice A key may from now on sign the city's batches.
    event SubmitterAdded(uint16 indexed city, address indexed key);
    /// @notice A key may no longer sign the city's batches.
    event SubmitterRemoved(uint16 indexed city, address indexed key);
    /// @notice The admin proposed another; the new one may accept from `acceptableFrom` on.
    event AdminProposed(uint16 indexed city, address admin, uint40 acceptableFrom);
    /// @notice The city's admin is from now on `admin`.
    event AdminChanged(uint16 indexed city, address admin);
    /// @notice The admin proposed another treasury; it may accept from `acceptableFrom` on.
    event TreasuryProposed(uint16 indexed city, address treasury, uint40 acceptableFrom);
    /// @notice The proposed changes of admin, treasury and recovery address, if any, were called off by `by`.
    event ChangesCancelled(uint16 indexed city, address by);
    /// @notice The admin stopped (or allowed again) the treasury's withdrawals, refunds and disputes.
    event TreasuryFrozen(uint16 indexed city, bool frozen);
    /// @notice The city was given back by vote to its recovery address, which is its admin from now on; it has no treasury until
    /// that admin names one.
    event CityRecovered(uint16 indexed city, address admin);
    /// @notice One of the city's keys, `by`, named another recovery address; with the other key's word, it may accept from
    /// `acceptableFrom` on, which is 0 before.
    event RecoveryProposed(uint16 indexed city, address recovery, address by, uint40 acceptableFrom);
    /// @notice The city's recovery address is from now on `recovery`.
    event RecoveryChanged(uint16 indexed city, address recovery);
    /// @notice A tariff was published. Of those that have begun, the one published last holds.
    event TariffPublished(uint16 indexed city, uint256 index, string uri, bytes32 hash, uint40 validFrom);
    /// @notice The city's withdrawals go from now on to `treasury`.
    event TreasuryChanged(uint16 indexed city, address treasury);
    /// @notice A ticket was revoked by the city that issued it.
    event TicketRevoked(uint16 indexed issuer, uint16 indexed operator, uint40 serial);

    /// @notice The caller is not the Consortium.
    error NotConsortium(address caller);
    /// @notice The caller is not the admin of the city.
    error NotCityAdmin(uint16 city, address caller);
    /// @notice A city's code must not be 0.
    error InvalidCityCode();
    /// @notice A city's code can be admitted once only.
    error CityAlreadyAdmitted(uint16 city);
    /// @notice The consortium's votes are counted in one word: it has at most `limit` seats.
    error TooManyCities(uint256 limit);
    /// @notice At most `limit` cities are admitted in 365 days; the next one from `earliest` on.
    error TooManyAdmissions(uint256 limit, uint256 earliest);
    /// @notice The act needs a city that stands otherwise.
    error WrongStatus(uint16 city, Status status);
    /// @notice An address of that role must not be zero.
    error ZeroAddress();
    /// @notice A city's admin, treasury and recovery address are three different ones.
    error SameAddress(address account);
    /// @notice An issuer key keeps its address and `validFrom` for ever: its id can't be used again.
    error IssuerKeyExists(uint16 city, uint8 keyId);
    /// @notice There is no such issuer key.
    error UnknownIssuerKey(uint16 city, uint8 keyId);
    /// @notice A key's window must not be empty, and must end by `NO_END`.
    error InvalidKeyWindow(uint40 validFrom, uint40 validUntil);
    /// @notice A key's end may be brought forward only, and not to before `earliest`, the time of the block.
    error InvalidKeyEnd(uint40 validUntil, uint40 earliest, uint40 current);
    /// @notice The key is a submitter of the city already.
    error SubmitterExists(uint16 city, address key);
    /// @notice The key is no submitter of the city.
    error UnknownSubmitter(uint16 city, address key);
    /// @notice Nobody, or another, was proposed.
    error NotProposed(uint16 city, address caller);
    /// @notice What was proposed can be accepted from `acceptableFrom` on; 0 if the city's other key has to agree first.
    error TooEarly(uint40 acceptableFrom);
    /// @notice What was proposed could be accepted until `until`.
    error HandoverExpired(uint256 until);
    /// @notice The caller is not the treasury of the city (nor, where it has none, its admin).
    error NotTreasury(uint16 city, address caller);
    /// @notice The city's admin has frozen its treasury.
    error TreasuryIsFrozen(uint16 city);
    /// @notice The key has named this recovery address already, or both have; {cancelChanges} comes before a change of mind.
    error RecoveryAlreadyNamed(uint16 city, address recovery);
    /// @notice The city's recovery address is another one.
    error NotRecoveryAddress(uint16 city, address account);
    /// @notice Of one issuer's tickets for one operator only `left` more can be revoked on this day (UTC), of `limit`.
    error TooManyRevocations(uint256 limit, uint256 left);
    /// @notice The caller is neither the admin nor the treasury of the city.
    error NotOfCity(uint16 city, address caller);
    /// @notice The treasury is (or isn't) frozen already.
    error AlreadySo(uint16 city, bool frozen);
    /// @notice A tariff holds from `earliest`, the block's time, on at the earliest.
    error TariffTooEarly(uint40 validFrom, uint40 earliest);
    /// @notice The city has published only `count` tariffs.
    error NoSuchTariff(uint16 city, uint256 index, uint256 count);

    /// @notice Admits a city; called by the Consortium after a vote.
    /// @param code The city's code, not 0.
    /// @param name The city's name, for people.
    /// @param admin The address that votes and manages keys for the city.
    /// @param treasury The address that the city's withdrawals go to.
    /// @param recovery The address, kept offline, that the others can give the city back to.
    /// @dev The city rides on the day it joins; its seat counts in votes a week later.
    /// Requirements:
    /// - the caller is the Consortium: {NotConsortium}
    /// - the code is not 0: {InvalidCityCode}; it was never admitted: {CityAlreadyAdmitted}
    /// - there is a seat left: {TooManyCities}, {TooManyAdmissions}
    /// - no address is zero: {ZeroAddress}; the three are different: {SameAddress}
    function admit(uint16 code, string calldata name, address admin, address treasury, address recovery) external;

    /// @notice Suspends an active city; called by the Consortium after a vote. It settles nothing new, but keeps its vote.
    /// Requirements:
    /// - the caller is the Consortium: {NotConsortium}; the city is active: {WrongStatus}
    function suspend(uint16 city) external;

    /// @notice Ends a city's suspension; called by the Consortium after a vote. Rides of the time in between stay refused.
    /// Requirements:
    /// - the caller is the Consortium: {NotConsortium}; the city is suspended: {WrongStatus}
    function reinstate(uint16 city) external;

    /// @notice Ends an active or suspended city's membership; called by the Consortium after a vote.
    /// Requirements:
    /// - the caller is the Consortium: {NotConsortium}; the city is active or suspended: {WrongStatus}
    function expel(uint16 city) external;

    /// @notice Ends the city's own membership.
    /// Requirements:
    /// - the caller is the city's admin: {NotCityAdmin}; the city is active or suspended: {WrongStatus}
    function leaveConsortium(uint16 city) external;

    /// @notice Registers an issuer key, for ever.
    /// @param city The city whose tickets the key will sign.
    /// @param keyId The key's number, unused so far.
    /// @param key The address of the secp256k1 key.
    /// @param validFrom Unix seconds; may lie in the past.
    /// @param validUntil Unix seconds, not included; `NO_END` for none.
    /// Requirements:
    /// - the caller is the city's admin: {NotCityAdmin}; the key isn't zero: {ZeroAddress}
    /// - the id is unused: {IssuerKeyExists}; the window isn't empty: {InvalidKeyWindow}
    function addIssuerKey(uint16 city, uint8 keyId, address key, uint40 validFrom, uint40 validUntil) external;

    /// @notice Brings the end of an issuer key forward.
    /// Requirements:
    /// - the caller is the city's admin: {NotCityAdmin}; the key exists: {UnknownIssuerKey}
    /// - the new end is before the present one and not before the block's time: {InvalidKeyEnd}
    function endIssuerKey(uint16 city, uint8 keyId, uint40 validUntil) external;

    /// @notice Lets a key sign the city's batches.
    /// Requirements:
    /// - the caller is the city's admin: {NotCityAdmin}; the key isn't zero: {ZeroAddress}; it is new: {SubmitterExists}
    function addSubmitter(uint16 city, address key) external;

    /// @notice Stops a key from signing the city's batches.
    /// Requirements:
    /// - the caller is the city's admin: {NotCityAdmin}; the key is a submitter: {UnknownSubmitter}
    function removeSubmitter(uint16 city, address key) external;

    /// @notice Proposes another admin, who may accept 2 days later, for 14 days; until then admin or treasury can call it off.
    /// Requirements:
    /// - the caller is the city's admin: {NotCityAdmin}
    /// - the address isn't zero: {ZeroAddress}, nor another of the city's: {SameAddress}
    function proposeAdmin(uint16 city, address admin) external;

    /// @notice The proposed admin takes over.
    /// Requirements:
    /// - the caller was proposed: {NotProposed}; 2 days have passed: {TooEarly}, no more than 16: {HandoverExpired}
    /// - it isn't another of the city's addresses by now: {SameAddress}
    function acceptAdmin(uint16 city) external;

    /// @notice The treasury proposes another one, which may accept 2 days later, for 14 days; until then admin or treasury can call
    /// it off. Where the city has no treasury, because it was recovered, its admin proposes one.
    /// Requirements:
    /// - the caller is the city's treasury, or there is none and it is its admin: {NotTreasury}; it isn't frozen: {TreasuryIsFrozen}
    /// - the address isn't zero: {ZeroAddress}, nor another of the city's: {SameAddress}
    function proposeTreasury(uint16 city, address treasury) external;

    /// @notice The proposed treasury takes over.
    /// Requirements:
    /// - as for {acceptAdmin}; the treasury isn't frozen: {TreasuryIsFrozen}
    function acceptTreasury(uint16 city) external;

    /// @notice Names another recovery address: once admin and treasury have both named it, within 14 days, it may
    /// accept 14 days later, for 14 days. Whoever hands on its role calls that off.
    /// @dev The wait is longer than a recovery's, so that a thief of both keys can't outrun the true recovery address.
    /// Requirements:
    /// - the caller is the city's admin or treasury: {NotOfCity}; a treasury isn't frozen: {TreasuryIsFrozen}
    /// - the address isn't zero: {ZeroAddress}, nor another of the city's: {SameAddress}
    /// - the caller didn't name it before: {RecoveryAlreadyNamed}
    function changeRecovery(uint16 city, address recovery) external;

    /// @notice The new recovery address takes its place, and shows by that that somebody holds its key.
    /// Requirements:
    /// - as for {acceptAdmin}, with 14 days
    function acceptRecovery(uint16 city) external;

    /// @notice Calls off the proposed changes of admin, treasury and recovery address.
    /// Requirements:
    /// - the caller is the city's admin or treasury: {NotOfCity}; something is proposed: {NotProposed}
    function cancelChanges(uint16 city) external;

    /// @notice Stops all that the treasury can do with the city's money, and its handing on; or allows it again.
    /// Requirements:
    /// - the caller is the city's admin: {NotCityAdmin}; it isn't so already: {AlreadySo}
    function freezeTreasury(uint16 city, bool frozen) external;

    /// @notice Gives a city whose keys were stolen or lost back to its recovery address, which becomes its admin; called by the
    /// Consortium after that address asked for it and the others voted. The city has no treasury then until its admin names one. The
    /// recovery address stays what it is until both keys change it, so that admin and recovery address are one until the admin hands
    /// its role on. A city that left can be given back, too: its funds are still there.
    /// @param to The city's recovery address: a vote can't bring another along.
    /// Requirements:
    /// - the caller is the Consortium: {NotConsortium}; `to` is the city's recovery address: {NotRecoveryAddress}
    function recover(uint16 city, address to) external;

    /// @notice Publishes a tariff. Of those that have begun, the one published last holds: so a wrong one that hasn't begun is
    /// replaced by another that begins no later.
    /// @param uri Where it can be had.
    /// @param hash keccak256 that it can be told by; for a GTFS folder see docs/protocol.md.
    /// @param validFrom Unix seconds; 0 for the block's time.
    /// Requirements:
    /// - the caller is the city's admin: {NotCityAdmin}
    /// - it doesn't hold for the past: {TariffTooEarly}
    function publishTariff(uint16 city, string calldata uri, bytes32 hash, uint40 validFrom) external;

    /// @notice Revokes tickets that the city issued for one operator: gates refuse them from their next sync on.
    /// @dev One that was revoked before keeps its time, without an event, and blocks none of the others. Every gate loads
    /// what is revoked, so that there is a bound for each pair of cities and day.
    /// Requirements:
    /// - the caller is the issuer's admin: {NotCityAdmin}; no more than 1,000 a day: {TooManyRevocations}
    function revokeTickets(uint16 issuer, uint16 operator, uint40[] calldata serials) external;

    /// @notice The contract whose votes decide who is a member.
    function consortium() external view returns (address);

    /// @notice The codes of all cities ever admitted, in that order.
    function cities() external view returns (uint16[] memory);

    /// @notice One city; all zero if it was never admitted.
    /// @return name The city's name, for people.
    /// @return status Where it stands.
    /// @return admin The address that votes and manages keys for it.
    /// @return treasury The address that its withdrawals go to.
    /// @return admittedAt Unix seconds.
    /// @return suspendedAt Start of the present suspension or exit, Unix seconds; 0 while active.
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
        );

    /// @notice When a city left or was expelled, Unix seconds; 0 if it did not.
    function exitedAt(uint16 city) external view returns (uint40);

    /// @notice The address that the others can give a city back to; zero if it was never admitted.
    function recoveryOf(uint16 city) external view returns (address);

    /// @notice All that a vote needs to know of a city, in one call.
    /// @return status Where it stands.
    /// @return admin Who votes for it.
    /// @return seat The number of its bit in {votingSeats}; 0, too, for a city that was never admitted.
    /// @return countsFrom From when on its seat counts, Unix seconds, as long as it is a member.
    function voterOf(uint16 city) external view returns (Status status, address admin, uint8 seat, uint40 countsFrom);

    /// @notice The seats that count in votes now, a bit each: those of all members, suspended ones too, a week after they joined.
    function votingSeats() external view returns (uint256);

    /// @notice The seats that counted at any moment from a time on until now: a word for each change, the latest first.
    /// @param since Unix seconds, not in the future.
    function rollsSince(uint256 since) external view returns (uint256[] memory rolls);

    /// @notice A city's past suspensions, in their order.
    function suspensions(uint16 city) external view returns (Suspension[] memory);

    /// @notice When the past suspension began in which a time lies, Unix seconds; 0 if it lies in none.
    function suspendedFrom(uint16 city, uint256 time) external view returns (uint256);

    /// @notice An issuer key; all zero if there is none.
    function issuerKey(
        uint16 city,
        uint8 keyId
    ) external view returns (address key, uint40 validFrom, uint40 validUntil);

    /// @notice The ids of all issuer keys a city ever registered, in that order.
    function issuerKeyIds(uint16 city) external view returns (uint8[] memory);

    /// @notice Whether a key may sign the city's batches now.
    function isSubmitter(uint16 city, address key) external view returns (bool);

    /// @notice When a ticket was revoked, Unix seconds; 0 if it wasn't.
    function revokedAt(uint16 issuer, uint16 operator, uint40 serial) external view returns (uint40);

    /// @notice All that settling a group of rides needs to know of its issuer, in one call; `reinstatedAt` is the end of its last
    /// suspension, 0 if there was none.
    function issuerTerms(
        uint16 city,
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
        );

    /// @notice All that settling a batch needs to know of its operator, in one call.
    function operatorTerms(
        uint16 city,
        address submitter
    ) external view returns (bool submits, Status status, uint40 suspendedAt, uint40 reinstatedAt);

    /// @notice The treasury that may move the city's money now: zero while it is frozen, or if there is no such city.
    function spendingTreasury(uint16 city) external view returns (address);

    /// @notice Whether the city's admin froze the treasury.
    function isFrozen(uint16 city) external view returns (bool);

    /// @notice The changes of admin and treasury that are proposed; zeros where there are none.
    function proposedChanges(
        uint16 city
    ) external view returns (address admin, uint40 adminFrom, address treasury, uint40 treasuryFrom);

    /// @notice The recovery address that is proposed; zeros where there is none.
    /// @return to The address.
    /// @return by The key of the city that named it first.
    /// @return acceptableFrom Unix seconds; 0 as long as only one of the keys named it.
    function proposedRecovery(uint16 city) external view returns (address to, address by, uint40 acceptableFrom);

    /// @notice How many tariffs a city has published.
    function tariffCount(uint16 city) external view returns (uint256);

    /// @notice A published tariff, by its index from 0.
    /// Requirements: there is one: {NoSuchTariff}
    function tariff(
        uint16 city,
        uint256 index
    ) external view returns (string memory uri, bytes32 hash, uint40 validFrom);

    /// @notice The block to read logs from.
    function deployedAt() external view returns (uint256);
}
