// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {vm} from "../invariants/Vm.sol";
import {Ride, Rides} from "../invariants/Rides.sol";
import {World} from "../invariants/World.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IClearinghouse} from "../../contracts/interfaces/IClearinghouse.sol";
import {ICityRegistry} from "../../contracts/interfaces/ICityRegistry.sol";
import {IConsortium} from "../../contracts/interfaces/IConsortium.sol";
import {IRefunds} from "../../contracts/interfaces/IRefunds.sol";

/// @notice What each act costs as a transaction of its own, calldata and all; forge writes it down, `tests/gas` compares.
contract GasSnapshots is World {
    using Rides for Ride;

    uint16 private constant OPERATOR = 3301;
    uint16 private constant ISSUER = 3100;
    string private constant GROUP = "interline";

    IClearinghouse private _h;
    IRefunds private _r;

    function setUp() external {
        _found();
        (_h, _r) = (_houses[0].clearinghouse, _houses[0].refunds);
        for (uint16 i = 0; i < 7; ++i) {
            codes.push(7001 + i);
            _admit(7001 + i);
            _moveIn(7001 + i);
        }
        for (uint256 i = 0; i < codes.length; ++i) if (_isMember(codes[i])) _deposit(codes[i], 5_000_000);
        vm.warp(block.timestamp + 8 days); // so that all seats count
        _settle(_rides_(ISSUER, 256 * 40, 1));
    }

    // ---------------------------------------------------------------- settling

    function test_settle() external {
        _measure("settle 1 ride, fresh storage word", _rides_(ISSUER, 0, 1));
        _measure("settle 1 ride, storage word in use", _rides_(ISSUER, 1, 1));
        _measure("settle 16 rides, storage word in use", _rides_(ISSUER, 2, 16));
        _measure("settle 256 rides, fresh storage word", _rides_(ISSUER, 256, 256));
        _measure("settle 255 rides, storage word in use", _rides_(ISSUER, 256 * 40 + 1, 255));
    }

    function test_settleTenIssuers() external {
        _settle(_tenIssuers(0));
        _measure("settle 10 issuers x 26 rides, storage words in use", _tenIssuers(1));
    }

    /// @dev Each of the ten has room in its limit; then none has.
    function test_settleWithinDailyLimits() external {
        _settle(_tenIssuers(0));
        for (uint256 i = 0; i < 10; ++i) _limitDay(_issuer(i), 100_000);
        _settle(_tenIssuers(1));
        _measure("settle 10 issuers x 26 rides, within daily limits", _tenIssuers(2));
        for (uint256 i = 0; i < 10; ++i) _limitDay(_issuer(i), 1);
        _settle(_tenIssuers(3));
        _measure("settle 10 issuers x 26 rides, above daily limits", _tenIssuers(4));
    }

    function test_settleAfterAChange() external {
        vm.prank(address(consortium));
        _h.setParameters(IClearinghouse.Parameters(20_000, 12 hours, 30 days, 30 days, 10 days, 500));
        vm.warp(block.timestamp + 3 days);
        _settle(_rides_(ISSUER, 256 * 40 + 2, 1));
        _measure("settle 253 rides after a change of parameters", _rides_(ISSUER, 256 * 40 + 3, 253));
    }

    function test_settleRefusals() external {
        Ride[] memory rides = _rides_(ISSUER, 512, 16);
        for (uint256 i = 0; i < 16; i += 2) rides[i].fare = rides[i].fareCap + 1;
        _measure("settle 16 rides, 8 of them refused", rides);
    }

    // ---------------------------------------------------------------- money

    function test_money() external {
        address treasury = _treasuryOf(ISSUER);
        vm.prank(treasury);
        _h.withdraw(ISSUER, 1_000, 0);
        _snap("withdraw");
        _withdrawAll(7001);
        _settle(_rides_(7001, 0, 2));
        _deposit(7001, 150);
        _h.payArrears(7001, OPERATOR);
        _snap("pay a part of arrears");
        _deposit(7001, 5_000);
        _h.payArrears(7001, OPERATOR);
        _snap("pay the rest of arrears");
    }

    // ---------------------------------------------------------------- members

    function test_members() external {
        bytes memory data = abi.encodeCall(
            ICityRegistry.admit,
            (4403, "Shenzhen", address(0xad), address(0x7e), address(0x4e))
        );
        vm.prank(_adminOf(ISSUER));
        uint256 id = consortium.propose(ISSUER, address(registry), data);
        _snap("propose to admit a city");
        for (uint256 i = 1; i < 8; ++i) {
            uint16 city = i < FOUNDERS ? codes[i] : codes[i + 2];
            vm.prank(_adminOf(city));
            consortium.approve(id, city);
            _snap("approve");
        }
        consortium.execute(id);
        _snap("execute: admit a city");
        vm.prank(address(0xad));
        registry.addIssuerKey(4403, 1, address(0x1), 0, type(uint40).max);
        _snap("add the first issuer key");
        vm.prank(address(0xad));
        registry.addSubmitter(4403, address(0x2));
        _snap("add a submitter");
        vm.prank(address(0xad));
        registry.endIssuerKey(4403, 1, uint40(block.timestamp + 1 days));
        _snap("end an issuer key");
        uint40[] memory serials = new uint40[](1);
        vm.prank(address(0xad));
        registry.revokeTickets(4403, OPERATOR, serials);
        _snap("revoke a ticket");
        vm.prank(_adminOf(ISSUER));
        consortium.callStop(ISSUER, address(_h));
        _snap("call for a stop");
    }

    function test_recovery() external {
        vm.prank(_person("recovery", ISSUER));
        uint256 id = consortium.requestRecovery(ISSUER);
        _snap("ask for a recovery");
        for (uint256 i = 1; i < 8; ++i) {
            uint16 city = i < FOUNDERS ? codes[i] : codes[i + 2];
            vm.prank(_adminOf(city));
            consortium.approve(id, city);
        }
        vm.warp(block.timestamp + 1 days);
        consortium.execute(id);
        _snap("execute: recover a city");
    }

    // ---------------------------------------------------------------- refunds and disputes

    function test_cases() external {
        Ride[] memory rides = _rides_(ISSUER, 1024, 256);
        bytes memory batch = _settle(rides);
        bytes32 id = keccak256(batch);
        vm.prank(_treasuryOf(OPERATOR));
        _r.refund(batch, "", 0, 100);
        _snap("refund a ride of 256");
        vm.prank(_treasuryOf(ISSUER));
        _r.dispute(batch, "", 1);
        _snap("dispute a ride of 256");
        vm.prank(_treasuryOf(ISSUER));
        _r.dispute(batch, "", 2);
        (IRefunds.RideFacts memory facts, IRefunds.Evidence memory evidence) = _evidence(rides[1]);
        _r.answer(id, 1, facts, evidence);
        _snap("answer a dispute, two signatures");
        vm.warp(block.timestamp + 11 days);
        _r.refundUnanswered(id, 2);
        _snap("refund a dispute that nobody answered");
    }

    function test_revoked() external {
        uint40[] memory serials = new uint40[](1);
        serials[0] = 2048;
        vm.prank(_adminOf(ISSUER));
        registry.revokeTickets(ISSUER, OPERATOR, serials);
        vm.warp(block.timestamp + 2 days);
        bytes memory batch = _settle(_rides_(ISSUER, 2048, 256));
        _r.refundRevoked(batch, "", 0);
        _snap("refund a ride on a revoked ticket, of 256");
    }

    // ---------------------------------------------------------------- how

    function _snap(string memory name) private {
        vm.snapshotGasLastCall(GROUP, name);
    }

    function _measure(string memory name, Ride[] memory rides) private {
        _settle(rides);
        _snap(name);
    }

    function _settle(Ride[] memory rides) private returns (bytes memory batch) {
        batch = Rides.encodeBatch(OPERATOR, rides);
        bytes memory signature = Rides.signBatch(batch, OPERATOR, _houses[0].domain, _submitterPrivateKey(OPERATOR));
        _h.settle(batch, signature);
    }

    function _rides_(uint16 issuer, uint256 first, uint256 count) private view returns (Ride[] memory rides) {
        rides = new Ride[](count);
        for (uint256 i = 0; i < count; ++i) rides[i] = _ride(issuer, uint40(first + i));
    }

    function _tenIssuers(uint256 part) private view returns (Ride[] memory rides) {
        rides = new Ride[](260);
        uint256 count;
        for (uint256 i = 0; i < 10; ++i) {
            for (uint256 j = 0; j < 26; ++j) rides[count++] = _ride(_issuer(i), uint40(256 * 20 + part * 26 + j));
        }
    }

    function _issuer(uint256 i) private pure returns (uint16) {
        uint16[10] memory issuers = [3100, 3203, 3302, 7001, 7002, 7003, 7004, 7005, 7006, 7007];
        return issuers[i];
    }

    function _limitDay(uint16 city, uint256 limit) private {
        vm.prank(_treasuryOf(city));
        _h.setDailyLimit(city, limit);
    }

    function _ride(uint16 issuer, uint40 serial) private view returns (Ride memory ride) {
        (ride.issuer, ride.keyId, ride.operator, ride.serial) = (issuer, 1, OPERATOR, serial);
        (ride.exitedAt, ride.enteredAt) = (uint32(block.timestamp - 600), uint32(block.timestamp - 2_400));
        (ride.notAfter, ride.fare, ride.fareCap) = (uint32(block.timestamp + 1 days), 400, 2_000);
        (ride.rider, ride.entryStation, ride.exitStation) = (_riders[0], 0x1234, 0x5678);
        ride.signTicket(_houses[0].domain, _issuerPrivateKey(issuer, 1));
    }

    function _evidence(
        Ride memory ride
    ) private view returns (IRefunds.RideFacts memory facts, IRefunds.Evidence memory evidence) {
        uint256 privateKey = _riderPrivateKey(0);
        bytes32 hash = ride.ticketHash(_houses[0].domain);
        (uint256 x, uint256 y) = vm.publicKeyP256(privateKey);
        facts = IRefunds.RideFacts(hash, ride.rider, ride.enteredAt, ride.exitedAt);
        evidence = IRefunds.Evidence(
            bytes32(x),
            bytes32(y),
            Rides.showCode(hash, ride.enteredAt, privateKey),
            Rides.showCode(hash, ride.exitedAt, privateKey)
        );
    }

    function _deposit(uint16 city, uint256 amount) private {
        if (!_isMember(city)) return;
        vm.prank(BANK);
        (bool ok, ) = address(token).call(abi.encodeWithSignature("mint(address,uint256)", address(this), amount));
        require(ok, "minted");
        token.approve(address(_h), amount);
        _h.deposit(city, amount, 0);
        _snap("deposit, to an account in use");
    }

    function _withdrawAll(uint16 city) private {
        uint256 amount = _h.withdrawable(city);
        vm.prank(_treasuryOf(city));
        _h.withdraw(city, amount, 0);
    }

    function _admit(uint16 city) private {
        vm.prank(address(consortium));
        registry.admit(city, "a city", _person("admin", city), _person("treasury", city), _person("recovery", city));
    }
}
