// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A settlement currency for test networks
/// @notice One token is one yuan in a bank's trust account, with 2 decimals: its smallest unit is the fen.
/// @dev A consortium in production names the token of its settlement bank instead.
contract SettlementToken is ERC20 {
    /// @notice The account that mints: the bank's.
    address public immutable bank;

    /// @notice The caller is not the bank.
    error NotBank(address caller);
    /// @notice The bank must not be the zero address.
    error ZeroBank();

    constructor(address bank_) ERC20("Interline Settlement Yuan", "iCNY") {
        if (bank_ == address(0)) revert ZeroBank();
        bank = bank_;
    }

    /// @notice Mints `amount` fen for money that came in at the bank.
    /// Requirements:
    /// - the caller is the bank: {NotBank}
    function mint(address to, uint256 amount) external {
        if (msg.sender != bank) revert NotBank(msg.sender);
        _mint(to, amount);
    }

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 2;
    }
}
