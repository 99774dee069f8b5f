// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A token that calls somebody back, once, before each transfer that it was told to
/// @dev For tests: it is the treasury of a city, too.
contract HostileToken is ERC20 {
    address private _target;
    bytes private _plan;

    /// @notice Whether the last call back went through.
    bool public succeeded;
    /// @notice What it returned, or reverted with.
    bytes public answer;

    constructor() ERC20("Hostile", "H") {}

    function decimals() public pure override returns (uint8) {
        return 2;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function plan(address target, bytes calldata data) external {
        _target = target;
        _plan = data;
    }

    function approveFor(address spender, uint256 amount) external {
        _approve(address(this), spender, amount);
    }

    function _update(address from, address to, uint256 value) internal override {
        bytes memory data = _plan;
        if (data.length != 0) {
            delete _plan;
            (succeeded, answer) = _target.call(data);
        }
        super._update(from, to, value);
    }
}
