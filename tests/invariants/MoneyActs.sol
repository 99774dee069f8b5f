// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {vm} from "./Vm.sol";
import {World} from "./World.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IClearinghouse} from "../../contracts/interfaces/IClearinghouse.sol";

/// @notice Money comes in and goes out, and arrears are paid.
abstract contract MoneyActs is World {
    /// @notice Anybody's tokens come in for a city.
    function deposit(uint256 seed, uint256 amount) external act("deposit") {
        uint16 city = _anyMember(seed);
        uint8 house = _someHouse(seed >> 16);
        _deposit(house, city, _bounded(amount, 1, 30_000), seed);
    }

    function _deposit(uint8 house, uint16 city, uint256 amount, uint256 seed) internal {
        address target = address(_house(house));
        _mint(STRANGER, amount);
        _must(STRANGER, address(token), abi.encodeCall(IERC20.approve, (target, amount)));
        _must(STRANGER, target, abi.encodeCall(IClearinghouse.deposit, (city, amount, bytes32(seed))));
        claim[house][city] += int256(amount);
        depositedBy[house][city] += amount;
    }

    /// @notice A treasury takes out as much as it can, or a part of it.
    function withdraw(uint256 seed, uint256 amount) external act("withdraw") {
        (uint8 house, uint16 city) = _someRichCity(seed);
        if (city == 0) return;
        IClearinghouse h = _house(house);
        amount = seed % 8 == 0 ? h.withdrawable(city) : _bounded(amount, 1, h.withdrawable(city) / 4 + 1);
        address treasury = _treasuryOf(city);
        bytes memory data = abi.encodeCall(IClearinghouse.withdraw, (city, amount, bytes32(seed)));
        if (registry.isFrozen(city)) {
            return _mustNot(treasury, address(h), data, IClearinghouse.TreasuryFrozen.selector);
        }
        if (!_hasTreasury(city)) {
            return _mustNot(treasury, address(h), data, IClearinghouse.NotTreasury.selector);
        }
        uint256 before = token.balanceOf(treasury);
        _must(treasury, address(h), data);
        if (token.balanceOf(treasury) != before + amount) revert Broken("another amount came out");
        claim[house][city] -= int256(amount);
        withdrawnBy[house][city] += amount;
        _mayHaveHad(house, city);
    }

    /// @notice A treasury asks for more than its city can withdraw; or somebody else asks for a city's money: another city's
    /// treasury, its own admin, a stranger.
    function withdrawWrongly(uint256 seed, uint256 more) external act("withdrawWrongly") {
        uint16 city = _anyMember(seed);
        IClearinghouse h = _house((seed >> 16) % 2);
        bool tooMuch = seed % 2 == 0;
        uint256 amount = tooMuch ? h.withdrawable(city) + _bounded(more, 1, type(uint128).max) : 1;
        address thief =
            more % 3 == 0
                ? STRANGER
                : more % 3 == 1
                    ? _adminOf(city)
                    : _treasuryOf(_anyMember(seed >> 32));
        if (tooMuch || thief == _treasuryOf(city)) thief = tooMuch ? _treasuryOf(city) : STRANGER;
        bool own = tooMuch && _hasTreasury(city);
        bytes4 why = own ? IClearinghouse.InsufficientFunds.selector : IClearinghouse.NotTreasury.selector;
        if (registry.isFrozen(city)) why = IClearinghouse.TreasuryFrozen.selector;
        _mustNot(thief, address(h), abi.encodeCall(IClearinghouse.withdraw, (city, amount, 0)), why);
    }

    /// @notice A treasury limits what its city's tickets may take in a day, or lifts the limit.
    function limitDay(uint256 seed) external act("limitDay") {
        _limitDay(seed);
    }

    function _limitDay(uint256 seed) private {
        uint16 city = _anyMember(seed);
        uint8 house = _someHouse(seed >> 16);
        uint256 limit = (seed >> 24) % 4 == 0 ? 0 : _bounded(seed >> 32, 1, 1_000);
        bytes memory data = abi.encodeCall(IClearinghouse.setDailyLimit, (city, limit));
        address treasury = _treasuryOf(city);
        if (registry.isFrozen(city)) {
            return _mustNot(treasury, address(_house(house)), data, IClearinghouse.TreasuryFrozen.selector);
        }
        if (!_hasTreasury(city)) {
            return _mustNot(treasury, address(_house(house)), data, IClearinghouse.NotTreasury.selector);
        }
        _must(treasury, address(_house(house)), data);
        if (_limit[house][city] == 0) _taken[house][city][block.timestamp / 1 days] = 0;
        _limit[house][city] = limit;
    }

    /// @notice What was withheld on a day is released: the debtor's treasury confirms it, or time has passed.
    function releaseWithheld(uint256 seed) external act("releaseWithheld") {
        uint8 house = _withheld[1].length != 0 && seed % 2 == 0 ? 1 : 0;
        if (_withheld[house].length == 0) return _limitDay(seed);
        uint256 place = (seed >> 8) % _withheld[house].length;
        Withheld memory w = _withheld[house][place];
        IClearinghouse h = _house(house);
        bytes memory data = abi.encodeCall(IClearinghouse.releaseWithheld, (w.debtor, w.creditor, w.day));
        uint256 from = (w.day + 1) * 1 days + _longestAnswer(house) + 4 days;
        bool confirmed = (seed >> 16) % 2 == 0 && _hasTreasury(w.debtor);
        address sender = confirmed ? _treasuryOf(w.debtor) : STRANGER;
        if (block.timestamp < from && (!confirmed || registry.isFrozen(w.debtor))) {
            if ((seed >> 24) % 4 != 0) return _mustNot(sender, address(h), data, IClearinghouse.StillWithheld.selector);
            vm.warp(from);
        }
        uint256 before = h.withheld(w.debtor, w.creditor);
        uint256 released = abi.decode(_must(sender, address(h), data), (uint256));
        if (before - h.withheld(w.debtor, w.creditor) != released) revert Broken("another amount was released");
        if (released > _withheldOn(house, w)) revert Broken("more was released than was withheld on that day");
        if (abi.decode(_must(sender, address(h), data), (uint256)) != 0) revert Broken("a day was released twice");
    }

    function _longestAnswer(uint8 house) private view returns (uint256) {
        (uint256 before, uint256 later) = (_terms[house].before.answerTime, _terms[house].later.answerTime);
        return before > later ? before : later;
    }

    /// @dev What was withheld of the pair on its day; those entries are gone then.
    function _withheldOn(uint8 house, Withheld memory w) private returns (uint256 sum) {
        for (uint256 i = _withheld[house].length; i != 0; --i) {
            Withheld memory other = _withheld[house][i - 1];
            if (other.debtor != w.debtor || other.creditor != w.creditor || other.day != w.day) continue;
            sum += other.amount;
            _withheld[house][i - 1] = _withheld[house][_withheld[house].length - 1];
            _withheld[house].pop();
        }
    }

    /// @notice Anybody has arrears paid, as far as the debtor's balance reaches, but for what is withheld.
    function payArrears(uint256 seed) external act("payArrears") {
        IClearinghouse h = _house(_someHouse(seed));
        (uint16 debtor, uint16 creditor) = (_anyMember(seed >> 8), _anyMember(seed >> 16));
        for (uint256 i = 0; i < codes.length * codes.length; ++i) {
            uint256 place = _place(seed >> 8, i, codes.length * codes.length);
            if (h.arrears(codes[place / codes.length], codes[place % codes.length]) == 0) continue;
            (debtor, creditor) = (codes[place / codes.length], codes[place % codes.length]);
            if (h.balanceOf(debtor) != 0) break;
        }
        uint256 due = h.arrears(debtor, creditor) - h.withheld(debtor, creditor);
        if (due > h.balanceOf(debtor)) due = h.balanceOf(debtor);
        bytes memory data = abi.encodeCall(IClearinghouse.payArrears, (debtor, creditor));
        if (abi.decode(_must(STRANGER, address(h), data), (uint256)) != due)
            revert Broken("payArrears paid something else");
    }

    /// @notice A stranger sends tokens that belong to nobody: they change nobody's balance.
    function donate(uint256 seed, uint256 amount) external act("donate") {
        uint8 house = uint8(seed % 2);
        amount = _bounded(amount, 1, 30_000);
        _mint(STRANGER, amount);
        _must(STRANGER, address(token), abi.encodeCall(IERC20.transfer, (address(_house(house)), amount)));
        donatedTo[house] += amount;
    }

    function _mint(address to, uint256 amount) private {
        _must(BANK, address(token), abi.encodeWithSignature("mint(address,uint256)", to, amount));
    }

    function _someRichCity(uint256 seed) private view returns (uint8 house, uint16 city) {
        for (uint256 i = 0; i < 2 * codes.length; ++i) {
            house = uint8(_place(seed, i, 2));
            city = codes[_place(seed >> 8, i / 2, codes.length)];
            if (_house(house).withdrawable(city) != 0) return (house, city);
        }
        return (0, 0);
    }

    /// @dev By the tests' own count: what a city took out was its own, and didn't need what others still owe it.
    function _mayHaveHad(uint8 house, uint16 city) private view {
        if (claim[house][city] < int256(_house(house).arrearsDue(city)))
            revert Broken("a city withdrew another's money");
    }
}
