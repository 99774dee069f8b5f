// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {vm} from "./Vm.sol";
import {Checks} from "./Checks.sol";

/// @notice All acts there are; forge calls them in any order, with any arguments.
contract Handler is Checks {
    constructor() {
        _found();
        vm.recordLogs();
        _deposit(0, codes[0], 20_000, 0);
        _deposit(0, codes[1], 5_000, 0);
        _enterLogs();
    }

    /// @notice Time passes: mostly hours, at times weeks.
    function pass(uint256 seed) external act("pass") {
        uint256 most =
            seed % 16 == 0
                ? 20 days
                : seed % 4 == 0
                    ? 2 days
                    : 6 hours;
        vm.warp(block.timestamp + ((seed >> 8) % most));
        _done();
    }
}
