// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.34;

/// @title What the Consortium can stop in an emergency
interface IStoppable {
    /// @notice Stops settlement for a time; called by the Consortium when enough members asked for it.
    function stopSettlement() external;

    /// @notice Lifts a stop; called by the Consortium after a vote.
    function resumeSettlement() external;
}
