// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

import {vm} from "./Vm.sol";
import {Handler} from "./Handler.sol";

/// @notice What is true after every act, whatever the order. README.md says it in words, by the same names.
contract SystemInvariants {
    Handler private _handler;

    function setUp() external {
        _handler = new Handler();
    }

    /// @dev forge calls the handler alone.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function invariant_theSystemHolds() external view {
        _handler.check();
    }

    /// @dev Once at the end of each run: what is too much to look at after each act; and the run's story is written down.
    function afterInvariant() external {
        _handler.checkAll();
        vm.writeLine(vm.envOr("INVARIANTS_STORY", "out/invariants/story.jsonl"), _handler.story());
    }
}
