// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {BatchId, ChannelId, MessageId} from "../types/Ids.sol";
import {Channel, Delivery, Message, MessageState} from "../types/Mail.sol";

/// @title Messages between ledgers: delivered xor expired, at most once, then acknowledged or refunded
/// @notice Delivery and tombstone are writes under one key of the destination, and each reads that key first.
interface IMailbox {
    /// @notice Thrown when the channel is not open at this end
    error ChannelNotOpen(ChannelId channel);

    /// @notice Thrown when the sender is not the account of the channel's end here
    error NotChannelEnd(address sender, bytes32 account);

    /// @notice Thrown when the message's ledgers or accounts are not those of its channel's ends
    error WrongChannel(ChannelId channel);

    /// @notice Thrown when the message is not the next one of its channel and direction
    error WrongSequence(uint256 sequence, uint256 expected);

    /// @notice Thrown when the body is not the one whose digest the message carries
    error WrongBody(bytes32 digest, bytes32 expected);

    /// @notice Thrown when the body has more than 30,720 bytes
    error BodyTooLong(uint256 length);

    /// @notice Thrown when the message's last time is over, or its tombstone stands
    error MessageExpired(uint256 time, uint256 expiry);

    /// @notice Thrown when the message was delivered, so that it cannot expire
    error MessageDelivered(MessageId message);

    /// @notice Thrown when the message may still be delivered
    error NotYetExpired(uint256 time, uint256 expiry);

    /// @notice Thrown when the message was not sent here
    error UnknownMessage(MessageId message);

    /// @notice Thrown when the message was closed with the other outcome
    error MessageClosed(MessageId message, MessageState state);

    /// @notice Thrown when the other ledger's event was only asserted, and this end takes proven ones alone
    error AssertedSource();

    /// @notice Thrown when the record was made under another binding than the one of this end
    error WrongBinding(bytes32 binding, bytes32 expected);

    /// @notice Thrown when the record is of another method than the one that makes such records
    error WrongMethod(bytes32 method);

    /// @notice Thrown when the payload is not the one whose digest the record carries
    error WrongPayload(bytes32 digest, bytes32 expected);

    /// @notice Thrown when the contract that was told of a message reverted
    /// @param reason what it reverted with, cut off after 1,024 bytes
    error CallReverted(address account, bytes reason);

    /// @notice Thrown when what a recipient returned is not the ABI encoding of `bytes`
    error BadResult(address account);

    /// @notice Thrown when a recipient returned more than 1,024 bytes
    error ResultTooLong(uint256 length);

    /// @notice Emitted when an account opened its end of a channel; the index of this event and of the next three is
    /// contiguous from 0, so that a reader can prove to have them all
    event ChannelOpened(uint64 indexed index, ChannelId indexed channel, address indexed account, bytes words);

    /// @notice Emitted when a message waits to be carried
    event Sent(uint64 indexed index, MessageId indexed message, ChannelId indexed channel, bytes words, bytes body);

    /// @notice Emitted when a message reached its recipient, who answered with `result`
    event Delivered(
        uint64 indexed index, MessageId indexed message, ChannelId indexed channel, bytes words, bytes result
    );

    /// @notice Emitted when a message will never be delivered
    event Expired(uint64 indexed index, MessageId indexed message, ChannelId indexed channel, bytes words);

    /// @notice Emitted when a message's sender knows what became of it
    event Acknowledged(MessageId indexed message, uint8 outcome, bytes result);

    /// @notice Opens the sender's end of a channel; again changes nothing
    /// @param channel the ten words of a channel
    function openChannel(bytes calldata channel) external;

    /// @notice Sends a message from the sender's end of a channel; the same again changes nothing
    /// @param message the nine words of a message
    /// @param body the bytes whose digest it carries, at most 30,720
    function send(bytes calldata message, bytes calldata body) external;

    /// @notice Brings a message to its recipient; again changes nothing, whatever record brings it
    /// @param record the seventeen words of a record for this mailbox
    /// @param payload the delivery whose digest the record carries
    /// @param batchId the settled batch that holds it
    /// @param index its place in the batch
    /// @param path RFC 6962 audit path, lowest sibling first
    function deliver(
        bytes calldata record,
        bytes calldata payload,
        BatchId batchId,
        uint256 index,
        bytes32[] calldata path
    ) external;

    /// @notice Closes a message at its source and tells its sender; again changes nothing
    /// @param payload the acknowledgement whose digest the record carries; the others as of `deliver`
    function acknowledge(
        bytes calldata record,
        bytes calldata payload,
        BatchId batchId,
        uint256 index,
        bytes32[] calldata path
    ) external;

    /// @notice Ends a message that was not delivered in time; again changes nothing. It needs no channel
    /// @param message the nine words of a message
    function expire(bytes calldata message) external;

    /// @notice Returns what is kept of a channel; all zero when it is not open here
    function channelOf(ChannelId channel) external view returns (Channel memory);

    /// @notice Returns the sequence that the own end's next message must have
    function nextSequence(ChannelId channel) external view returns (uint64);

    /// @notice Returns what is kept of a message that was sent here; all zero of any other
    function messageOf(MessageId message) external view returns (Message memory);

    /// @notice Returns what became of a message for this ledger; all zero before
    function deliveryOf(MessageId message) external view returns (Delivery memory);

    /// @notice Returns the number of events with an index so far
    function mailboxCount() external view returns (uint64);

    /// @notice Returns the id of the channel or message that an event is of, or zero
    function mailboxAt(uint64 index) external view returns (bytes32);
}
