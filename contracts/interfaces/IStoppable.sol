// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the Consortium does to a Clearinghouse with a wait of its own
interface IStoppable {
    /// @notice Stops settlement for a time; called by the Consortium when enough members asked for it.
    function stopSettlement() external;

    /// @notice Lifts a stop; called by the Consortium after a vote.
    function resumeSettlement() external;

    /// @notice Calls off the successor that was named; called by the Consortium after a vote.
    function cancelSuccessor() external;
}
