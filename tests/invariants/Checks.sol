// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {vm} from "./Vm.sol";
import {Books} from "./Books.sol";
import {Ride} from "./Rides.sol";
import {CaseActs} from "./CaseActs.sol";
import {MemberActs} from "./MemberActs.sol";
import {MoneyActs} from "./MoneyActs.sol";
import {RideActs} from "./RideActs.sol";
import {IClearinghouse} from "../../contracts/interfaces/IClearinghouse.sol";
import {ICityRegistry} from "../../contracts/interfaces/ICityRegistry.sol";
import {IRefunds} from "../../contracts/interfaces/IRefunds.sol";

/// @notice The invariants, each under the name that README.md says it by.
abstract contract Checks is RideActs, CaseActs, MoneyActs, MemberActs {
    /// @dev What was seen of an issuer key first, and its earliest end.
    mapping(uint16 city => mapping(uint8 keyId => bytes32)) private _keySeen;

    /// @notice After every act.
    function check() external view {
        for (uint8 house = 0; house < 2; ++house) {
            _everyFenIsSomebodys(house);
            _numbersFollowFromEvents(house);
            _positionsFollowFromActs(house);
            _parametersStayInBounds(house);
        }
        _seatsAreTheMembers();
        _waitsHoldWithTheirTwoThirds();
        if (_sent.length != 0) _settledStaysSettled(_sent.length - 1);
    }

    /// @notice At the end of a run: over all rides and batches there were.
    function checkAll() external view {
        for (uint256 i = 0; i < _sent.length; ++i) _settledStaysSettled(i);
        for (uint256 i = 0; i < _rides.length; ++i) {
            _serialsSettleOnce(_rides[i]);
            if (_rides[i].settled) _refundsStayBelowFare(_rides[i]);
        }
    }

    // ---------------------------------------------------------------- money

    /// @dev Balances add up to held(), which the tokens held never fall short of.
    function _everyFenIsSomebodys(uint8 number) private view {
        IClearinghouse h = _house(number);
        uint256 sum;
        int256 positions;
        uint256 came;
        uint256 went;
        for (uint256 i = 0; i < codes.length; ++i) {
            sum += h.balanceOf(codes[i]);
            positions += h.position(codes[i]);
            came += depositedBy[number][codes[i]];
            went += withdrawnBy[number][codes[i]];
        }
        uint256 held = h.held();
        if (sum != held) revert Broken("the balances don't add up to held()");
        if (positions != int256(held)) revert Broken("the positions don't add up to held()");
        if (held != came - went) revert Broken("held() isn't what came in less what went out");
        if (token.balanceOf(address(h)) != held + donatedTo[number]) revert Broken("tokens are missing, or too many");
    }

    /// @dev Every number is what the events say.
    function _numbersFollowFromEvents(uint8 number) private view {
        IClearinghouse h = _house(number);
        Books books = _houses[number].books;
        if (books.held() != h.held()) revert Broken("events say another held()");
        for (uint256 i = 0; i < codes.length; ++i) {
            uint16 city = codes[i];
            if (books.balance(city) != int256(h.balanceOf(city))) revert Broken("events say another balance");
            uint256 owed;
            uint256 due;
            for (uint256 j = 0; j < codes.length; ++j) {
                if (i == j) continue;
                uint256 arrears = h.arrears(city, codes[j]);
                if (books.arrears(city, codes[j]) != arrears) revert Broken("events say other arrears");
                uint256 withheld = h.withheld(city, codes[j]);
                if (withheld > arrears) revert Broken("more is withheld than owed");
                if (books.withheld(city, codes[j]) != withheld) revert Broken("events say another withheld amount");
                owed += arrears;
                due += h.arrears(codes[j], city);
                _disputesHangOnFares(number, city, codes[j]);
            }
            if (h.arrears(city, city) != 0) revert Broken("a city owes to itself");
            if (owed != h.arrearsOf(city) || due != h.arrearsDue(city))
                revert Broken("the pairs' arrears don't add up");
        }
    }

    /// @dev What hangs on disputes is what the events say, and at most what was settled and not refunded.
    function _disputesHangOnFares(uint8 number, uint16 issuer, uint16 operator) private view {
        Books books = _houses[number].books;
        uint256 disputed = _houses[number].refunds.disputed(issuer, operator);
        if (books.disputed(issuer, operator) != disputed) revert Broken("events say another disputed amount");
        if (disputed + books.refunded(issuer, operator) > books.fares(issuer, operator)) {
            revert Broken("more hangs on disputes than was settled and not refunded");
        }
    }

    /// @dev Every fen credited to one city is a fen debited to another: positions are what the tests count of the acts.
    function _positionsFollowFromActs(uint8 number) private view {
        for (uint256 i = 0; i < codes.length; ++i) {
            if (_house(number).position(codes[i]) != claim[number][codes[i]])
                revert Broken("a city has what is another's");
            if (_house(number).withdrawable(codes[i]) > _house(number).balanceOf(codes[i])) {
                revert Broken("more can be withdrawn than is there");
            }
        }
    }

    function _parametersStayInBounds(uint8 number) private view {
        IClearinghouse h = _house(number);
        bool good = h.maxFare() >= 100 && h.maxFare() <= 100_000 && h.grace() >= 1 hours && h.grace() <= 7 days;
        good = good && h.submissionWindow() >= 2 days && h.submissionWindow() <= 365 days && h.disputeFee() <= 5_000;
        good = good && h.disputeTime() >= 7 days && h.disputeTime() <= 90 days;
        good = good && h.answerTime() >= 3 days && h.answerTime() <= 30 days;
        if (!good) revert Broken("a parameter is out of its bounds");
        if (h.stoppedUntil() > block.timestamp + 3 days) revert Broken("a stop is longer than 3 days");
    }

    // ---------------------------------------------------------------- members

    /// @dev The seats that count are those of the members a week after they joined.
    function _seatsAreTheMembers() private view {
        uint256 seats;
        for (uint256 i = 0; i < codes.length; ++i) {
            (, , uint8 seat, ) = registry.voterOf(codes[i]);
            if (_counts(codes[i], block.timestamp)) seats |= uint256(1) << seat;
        }
        if (seats != registry.votingSeats()) revert Broken("the seats aren't those of the members");
    }

    /// @dev What the Consortium says of each proposal that waits is what follows from who approved and who was a member when.
    function _waitsHoldWithTheirTwoThirds() private view {
        for (uint256 i = 0; i < _waiting.length; ++i) {
            Waiting memory w = _waiting[i];
            (, , , , , uint256 votes, uint256 needed, uint256 from, uint256 until) = consortium.proposal(w.id);
            (uint256 votes_, uint256 needed_) = _tally(w, block.timestamp);
            if (votes != votes_ || needed != needed_) revert Broken("votes are counted otherwise");
            if (from != _executableFrom(w)) revert Broken("a wait goes on without its two thirds, or ended with them");
            if (until != (_isReplaced(w) ? 0 : _expiresAt(w))) revert Broken("a proposal ends at another time");
            bool passed = votes >= needed && from != 0 && block.timestamp <= until;
            if (consortium.isPassed(w.id) != passed) revert Broken("isPassed says otherwise");
            if (consortium.isExecutable(w.id) != (passed && block.timestamp >= from)) {
                revert Broken("isExecutable says otherwise");
            }
        }
    }

    // ---------------------------------------------------------------- rides

    /// @dev Nobody changes a settled number.
    function _settledStaysSettled(uint256 i) private view {
        Sent storage s = _sent[i];
        (uint16 operator, uint40 settledAt, bytes25 outcome) = _house(s.house).batches(keccak256(s.batch));
        bytes25 expected = s.refused.length == 0 ? bytes25(0) : bytes25(keccak256(s.refused));
        if (operator != s.operator || settledAt != s.settledAt || outcome != expected) {
            revert Broken("a settled batch changed");
        }
    }

    /// @dev A serial is settled if the tests saw it settle, which is once at most; others never are.
    function _serialsSettleOnce(Ride storage ride) private view {
        IClearinghouse h = _house(ride.house);
        if (ride.settled != h.isSettled(ride.issuer, ride.operator, ride.serial))
            revert Broken("another serial settled");
        if (h.isSettled(ride.operator, ride.issuer, ride.serial + 1_000_000))
            revert Broken("a serial settled by itself");
    }

    function _refundsStayBelowFare(Ride storage ride) private view {
        IRefunds.Case memory c = _caseOf(ride);
        if (c.refunded > ride.fare) revert Broken("more was refunded than the fare");
        if (c.refunded != _houses[ride.house].books.refundedOf(_idOf(ride), ride.index)) {
            revert Broken("events say another refund");
        }
    }
}
