// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IMessageRecipient} from "./interfaces/IMessageRecipient.sol";
import {IMessageSender} from "./interfaces/IMessageSender.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {MessageLib} from "./libraries/MessageLib.sol";
import {Words} from "./libraries/Words.sol";
import {ChannelId, DestinationId, MessageId} from "./types/Ids.sol";
import {Channel, Outcome} from "./types/Mail.sol";

/// @title Base of contracts that are an end of channels
/// @dev A contract derived from it opens its end with `_open`, sends with `_send`, and says what an acknowledgement
/// does (`_onAcknowledged`) and what a message does (`_onMessage`; by default it is refused). docs/spec/ethereum.md.
abstract contract MessageSender is IMessageRecipient, IMessageSender {
    /// @notice Thrown when the sender is not the mailbox
    error NotMailbox(address sender);

    /// @notice Thrown when the contract takes no messages
    error TakesNoMessages();

    /// @notice Returns the settlement contract, whose mailbox this contract uses
    ISettlement public immutable mailbox;
    DestinationId private immutable ledger;

    constructor(ISettlement mailbox_) {
        mailbox = mailbox_;
        ledger = mailbox_.destinationId();
    }

    /// @dev Functions with it are for the mailbox alone.
    modifier onlyMailbox() {
        if (msg.sender != address(mailbox)) revert NotMailbox(msg.sender);
        _;
    }

    /// @inheritdoc IMessageRecipient
    function onMessage(bytes calldata message, bytes calldata body)
        external
        override
        onlyMailbox
        returns (bytes memory)
    {
        return _onMessage(message, body);
    }

    /// @inheritdoc IMessageSender
    function onAcknowledged(bytes32 message, uint8 outcome, bytes calldata result) external override onlyMailbox {
        _onAcknowledged(MessageId.wrap(message), Outcome(outcome), result);
    }

    /// @dev Opens this contract's end of a channel; again changes nothing.
    /// @param channel the ten words of a channel
    function _open(bytes calldata channel) internal returns (ChannelId) {
        mailbox.openChannel(channel);
        return ChannelId.wrap(sha256(channel));
    }

    /// @dev Sends the next message of an open channel.
    /// @param expiry last time of the other ledger at which it may be delivered, Unix seconds
    function _send(ChannelId channel, bytes memory body, uint64 expiry) internal returns (MessageId) {
        Channel memory end = mailbox.channelOf(channel);
        bytes memory message = abi.encode(
            MessageLib.TAG,
            channel,
            ledger,
            end.otherDestination,
            Words.pad(address(this)),
            end.otherAccount,
            uint256(end.sequence),
            uint256(expiry),
            sha256(body)
        );
        mailbox.send(message, body);
        return MessageId.wrap(sha256(message));
    }

    /// @dev Does what a message says; it was stored as delivered before.
    function _onMessage(bytes calldata, bytes calldata) internal virtual returns (bytes memory) {
        revert TakesNoMessages();
    }

    /// @dev Does what follows from a message's outcome; it is called once for each message that was sent.
    function _onAcknowledged(MessageId message, Outcome outcome, bytes calldata result) internal virtual;
}
