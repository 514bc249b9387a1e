// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @title A contract that receives messages from other ledgers
/// @notice It MUST refuse every sender but the mailbox. Anyone may bring a delivery and chooses its gas: a recipient
/// MUST NOT catch a failure that want of gas can cause and go on, or whoever delivers decides what the message does.
interface IMessageRecipient {
    /// @notice Takes a message, once; when it reverts, the message is not delivered and may be brought again
    /// @param message the nine words of the message
    /// @param body its bytes
    /// @return result what the sender is told, at most 1,024 bytes
    function onMessage(bytes calldata message, bytes calldata body) external returns (bytes memory result);
}
