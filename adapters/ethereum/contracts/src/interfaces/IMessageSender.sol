// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @title A contract that sends messages to other ledgers and is told what became of them
/// @notice It MUST refuse every sender but the mailbox.
interface IMessageSender {
    /// @notice Told once for each message; when it reverts, the message stays open and may be acknowledged again
    /// @param message id of the message
    /// @param outcome 1 delivered; 2 expired: it never will be, so that what was spent on it can be given back
    /// @param result what the recipient returned; of an expired message nothing
    function onAcknowledged(bytes32 message, uint8 outcome, bytes calldata result) external;
}
