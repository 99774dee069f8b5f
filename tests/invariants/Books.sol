// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {Vm} from "./Vm.sol";
import {IClearinghouse} from "../../contracts/interfaces/IClearinghouse.sol";
import {IRefunds} from "../../contracts/interfaces/IRefunds.sol";

/// @notice Every number of a Clearinghouse, made from its events and those of its Refunds alone.
contract Books {
    struct Dispute {
        uint256 left; // fen of the fare that hang on it; 0 once it isn't open
        bool open;
    }

    address public immutable house;
    address public immutable refunds;

    uint256 public held;
    /// @dev Within one act it may be below 0: arrears that are set off against a refund are paid before it comes in.
    mapping(uint16 city => int256) public balance;
    mapping(uint16 debtor => mapping(uint16 creditor => uint256)) public arrears;
    mapping(uint16 debtor => mapping(uint16 creditor => uint256)) public withheld;
    mapping(uint16 issuer => mapping(uint16 operator => uint256)) public fares;
    mapping(uint16 issuer => mapping(uint16 operator => uint256)) public refunded;
    mapping(uint16 issuer => mapping(uint16 operator => uint256)) public disputed;
    mapping(bytes32 batchId => mapping(uint256 index => uint256)) public refundedOf;
    mapping(bytes32 batchId => mapping(uint256 index => Dispute)) private _disputes;

    constructor(address house_, address refunds_) {
        house = house_;
        refunds = refunds_;
    }

    /// @notice Enters what was logged; others' logs are passed over.
    function enter(Vm.Log[] calldata logs) external {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == house) _enterMoney(logs[i]);
            else if (logs[i].emitter == refunds) _enterCase(logs[i]);
        }
    }

    function _enterMoney(Vm.Log calldata log) private {
        bytes32 name = log.topics[0];
        if (name == IClearinghouse.Deposited.selector) {
            (uint256 amount, ) = abi.decode(log.data, (uint256, bytes32));
            balance[_city(log.topics[1])] += int256(amount);
            held += amount;
        } else if (name == IClearinghouse.Withdrawn.selector) {
            (uint256 amount, ) = abi.decode(log.data, (uint256, bytes32));
            balance[_city(log.topics[1])] -= int256(amount);
            held -= amount;
        } else if (name == IClearinghouse.PairSettled.selector) {
            (, uint256 owed, uint256 paid) = abi.decode(log.data, (uint256, uint256, uint256));
            fares[_city(log.topics[2])][_city(log.topics[3])] += owed;
            _move(_city(log.topics[2]), _city(log.topics[3]), owed, paid);
        } else if (name == IClearinghouse.ArrearsPaid.selector) {
            (uint16 debtor, uint16 creditor) = (_city(log.topics[1]), _city(log.topics[2]));
            uint256 amount = abi.decode(log.data, (uint256));
            arrears[debtor][creditor] -= amount;
            // What is set off against a refund takes what is withheld last, and says nothing of it.
            if (withheld[debtor][creditor] > arrears[debtor][creditor]) {
                withheld[debtor][creditor] = arrears[debtor][creditor];
            }
            _move(debtor, creditor, amount, amount);
        } else if (name == IClearinghouse.FaresWithheld.selector) {
            (, uint256 amount) = abi.decode(log.data, (uint256, uint256));
            withheld[_city(log.topics[1])][_city(log.topics[2])] += amount;
        } else if (name == IClearinghouse.WithheldReleased.selector) {
            (, uint256 amount) = abi.decode(log.data, (uint256, uint256));
            withheld[_city(log.topics[1])][_city(log.topics[2])] -= amount;
        }
    }

    function _enterCase(Vm.Log calldata log) private {
        (bytes32 name, bytes32 batchId) = (log.topics[0], log.topics[1]);
        (uint16 issuer, uint16 operator) = (_city(log.topics[2]), _city(log.topics[3]));
        uint256 index = uint256(bytes32(log.data[:32]));
        Dispute storage d = _disputes[batchId][index];
        if (name == IRefunds.RideRefunded.selector) {
            (, uint256 amount, uint256 paid, ) = abi.decode(log.data, (uint256, uint256, uint256, IRefunds.Cause));
            refunded[issuer][operator] += amount;
            refundedOf[batchId][index] += amount;
            _move(operator, issuer, amount, paid);
            if (d.open) {
                d.left -= amount;
                disputed[issuer][operator] -= amount;
                if (d.left == 0) d.open = false;
            }
        } else if (name == IRefunds.RideDisputed.selector) {
            (, uint256 amount, , ) = abi.decode(log.data, (uint256, uint256, uint256, uint256));
            disputed[issuer][operator] += amount;
            _disputes[batchId][index] = Dispute(amount, true);
        } else if (name == IRefunds.RideUpheld.selector) {
            (, uint256 fee, uint256 paid) = abi.decode(log.data, (uint256, uint256, uint256));
            disputed[issuer][operator] -= d.left;
            _disputes[batchId][index] = Dispute(0, false);
            _move(issuer, operator, fee, paid);
        }
    }

    /// @dev `paid` moves, what is missing of `owed` becomes arrears.
    function _move(uint16 debtor, uint16 creditor, uint256 owed, uint256 paid) private {
        balance[debtor] -= int256(paid);
        balance[creditor] += int256(paid);
        arrears[debtor][creditor] += owed - paid;
    }

    function _city(bytes32 topic) private pure returns (uint16) {
        return uint16(uint256(topic));
    }
}
