// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {CityRegistry} from "../../contracts/CityRegistry.sol";
import {Clearinghouse} from "../../contracts/Clearinghouse.sol";
import {SettlementToken} from "../../contracts/SettlementToken.sol";
import {ICityRegistry} from "../../contracts/interfaces/ICityRegistry.sol";
import {IClearinghouse} from "../../contracts/interfaces/IClearinghouse.sol";
import {Vm, vm} from "../invariants/Vm.sol";

/// @notice The arithmetic of balances and arrears, for all amounts at once: the real contracts, this contract being the
/// Consortium, the bank, every treasury, and now and then the Refunds.
contract MoneyProofs {
    uint16 private constant A = 3100;
    uint16 private constant B = 3301;
    uint16 private constant C = 3203;

    CityRegistry private _registry;
    SettlementToken private _token;
    Clearinghouse private _house;

    /// @dev All that is kept of the three cities.
    struct Numbers {
        uint256[3] balance;
        uint256[3] owed;
        uint256[3] due;
        int256[3] position;
        uint256 held;
    }

    function setUp() external {
        ICityRegistry.Founder[] memory founders = new ICityRegistry.Founder[](3);
        founders[0] = ICityRegistry.Founder(A, "A", address(0xa), address(this), address(0xaa));
        founders[1] = ICityRegistry.Founder(B, "B", address(0xb), address(this), address(0xbb));
        founders[2] = ICityRegistry.Founder(C, "C", address(0xc), address(this), address(0xcc));
        _registry = new CityRegistry(founders);
        _token = new SettlementToken(address(this));
        _house = new Clearinghouse(_registry, _token, IClearinghouse(address(0)));
        _token.mint(address(this), type(uint128).max);
        _token.approve(address(_house), type(uint256).max);
    }

    /// @notice A deposit raises one balance and held() by just its amount.
    function check_depositRaisesOneBalance(uint64 before, uint64 amount) external {
        _deposit(A, before);
        Numbers memory n = _numbers();
        _deposit(A, amount);
        Numbers memory m = _numbers();
        assert(m.balance[0] == n.balance[0] + amount && m.held == n.held + amount);
        assert(m.balance[1] == n.balance[1] && m.owed[0] == n.owed[0] && m.due[0] == n.due[0]);
        _holds(m);
    }

    /// @notice What a city may withdraw is its balance less its reserve, and nothing while it has arrears.
    function check_whatMayBeWithdrawn(uint64 had, uint64 reserve, uint64 owed) external {
        _deposit(A, had);
        _house.setReserve(A, reserve);
        _post(A, B, owed);
        uint256 balance = _house.balanceOf(A);
        uint256 most = _house.withdrawable(A);
        assert(most == (_house.arrearsOf(A) != 0 || balance < reserve ? 0 : balance - reserve));
    }

    /// @notice A withdrawal within that goes through, and takes just its amount; any other is refused.
    function check_withdrawalsStayWithinThat(uint64 had, uint64 reserve, uint64 amount) external {
        _deposit(A, had);
        _house.setReserve(A, reserve);
        uint256 most = _house.withdrawable(A);
        (bool done, ) = address(_house).call(abi.encodeCall(IClearinghouse.withdraw, (A, amount, 0)));
        assert(done == (amount != 0 && amount <= most));
        assert(_house.balanceOf(A) == (done ? had - amount : had) && _house.held() == _house.balanceOf(A));
        assert(_token.balanceOf(address(_house)) == _house.held());
    }

    /// @notice A posting moves its amount from one position to another, from the balance first, if there are no arrears.
    function check_postingMovesPositions(uint64 a, uint64 b, uint64 first, uint64 amount) external {
        _deposit(A, a);
        _deposit(B, b);
        _post(A, B, first);
        Numbers memory n = _numbers();
        uint256 paid = _post(A, B, amount);
        Numbers memory m = _numbers();
        assert(
            paid ==
                (
                    n.owed[0] != 0
                        ? 0
                        : amount < n.balance[0]
                            ? amount
                            : n.balance[0]
                )
        );
        assert(m.position[0] == n.position[0] - int256(uint256(amount)));
        assert(m.position[1] == n.position[1] + int256(uint256(amount)));
        assert(m.balance[0] == n.balance[0] - paid && m.balance[1] == n.balance[1] + paid);
        assert(m.owed[0] == n.owed[0] + amount - paid && m.held == n.held);
        _holds(m);
    }

    /// @notice A posting to a city that owes to the debtor is set off against that first: nobody is paid out by one whom it owes.
    function check_postingBackPaysArrearsFirst(uint64 b, uint64 owed, uint64 back) external {
        _deposit(B, b);
        _post(A, B, owed);
        uint256 paid = _post(B, A, back);
        uint256 setOff = back < owed ? back : owed;
        assert(_house.arrears(A, B) == owed - setOff && _house.arrearsOf(A) == owed - setOff);
        assert(_house.balanceOf(A) == paid - setOff && _house.balanceOf(B) == b - (paid - setOff));
        assert(paid == (back - setOff < b ? back : setOff + b) && _house.arrears(B, A) == back - paid);
        assert(_house.position(A) == int256(uint256(back)) - int256(uint256(owed)));
        assert(_house.held() == b);
    }

    /// @notice Arrears are paid as far as the balance reaches; positions stay, and the third city isn't touched.
    function check_payingArrearsMovesNoPosition(uint64 a, uint64 toB, uint64 toC, uint64 later) external {
        _deposit(A, a);
        _post(A, B, toB);
        _post(A, C, toC);
        _deposit(A, later);
        Numbers memory n = _numbers();
        uint256 arrears = _house.arrears(A, B);
        uint256 paid = _house.payArrears(A, B);
        Numbers memory m = _numbers();
        assert(paid == (arrears < n.balance[0] ? arrears : n.balance[0]));
        assert(_house.arrears(A, B) == arrears - paid && m.owed[0] == n.owed[0] - paid);
        assert(m.balance[0] == n.balance[0] - paid && m.balance[1] == n.balance[1] + paid);
        assert(m.position[0] == n.position[0] && m.position[1] == n.position[1] && m.position[2] == n.position[2]);
        assert(m.balance[2] == n.balance[2] && m.held == n.held);
        _holds(m);
    }

    // ---------------------------------------------------------------- what holds after each

    function _holds(Numbers memory n) private view {
        assert(n.balance[0] + n.balance[1] + n.balance[2] == n.held);
        assert(_token.balanceOf(address(_house)) == n.held);
        assert(n.position[0] + n.position[1] + n.position[2] == int256(n.held));
        assert(n.owed[0] == _house.arrears(A, B) + _house.arrears(A, C));
        assert(n.owed[1] == _house.arrears(B, A) + _house.arrears(B, C));
        assert(n.due[0] == _house.arrears(B, A) + _house.arrears(C, A));
        assert(n.due[1] == _house.arrears(A, B) + _house.arrears(C, B));
    }

    function _numbers() private view returns (Numbers memory n) {
        uint16[3] memory cities = [A, B, C];
        for (uint256 i = 0; i < 3; ++i) {
            n.balance[i] = _house.balanceOf(cities[i]);
            n.owed[i] = _house.arrearsOf(cities[i]);
            n.due[i] = _house.arrearsDue(cities[i]);
            n.position[i] = _house.position(cities[i]);
        }
        n.held = _house.held();
    }

    function _deposit(uint16 city, uint256 amount) private {
        vm.assume(amount != 0);
        _house.deposit(city, amount, 0);
    }

    function _post(uint16 debtor, uint16 creditor, uint256 amount) private returns (uint256) {
        vm.assume(amount != 0);
        vm.prank(address(_house.refunds()));
        return _house.post(debtor, creditor, amount);
    }
}
