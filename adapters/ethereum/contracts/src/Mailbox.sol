// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Deployment} from "./Deployment.sol";
import {IMailbox} from "./interfaces/IMailbox.sol";
import {IMessageRecipient} from "./interfaces/IMessageRecipient.sol";
import {IMessageSender} from "./interfaces/IMessageSender.sol";
import {CallLib} from "./libraries/CallLib.sol";
import {ChannelLib} from "./libraries/ChannelLib.sol";
import {LetterLib} from "./libraries/LetterLib.sol";
import {MessageLib} from "./libraries/MessageLib.sol";
import {RecordLib} from "./libraries/RecordLib.sol";
import {Words} from "./libraries/Words.sol";
import {BatchId, ChannelId, MessageId} from "./types/Ids.sol";
import {Channel, Delivery, Message, MessageState, Outcome, Shown} from "./types/Mail.sol";

/// @title Mailbox: channels, and messages that are delivered xor expired
/// @dev The counterpart of fabric/ledger/rules/mailbox.py; docs/spec/message.md. Its account is this contract's own
/// address, from which nobody else can send. Everything is stored before a stranger is called, so that a call back
/// finds the final state.
abstract contract Mailbox is Deployment {
    using MessageLib for bytes;

    bytes32 private immutable DELIVER = sha256("deliver");
    bytes32 private immutable ACKNOWLEDGE = sha256("acknowledge");

    /// @inheritdoc IMailbox
    uint64 public override mailboxCount;
    /// @inheritdoc IMailbox
    mapping(uint64 index => bytes32) public override mailboxAt;
    mapping(ChannelId id => Channel) private channels;
    mapping(MessageId id => Message) private messages;
    mapping(MessageId id => Delivery) private deliveries;

    /// @inheritdoc IMailbox
    function openChannel(bytes calldata channel) external override onOwnChain {
        ChannelLib.check(channel);
        (uint256 here, uint256 there) = ChannelLib.endsFrom(channel, destinationId);
        if (here == 0) revert WrongDestination(ChannelLib.destinationAt(channel, ChannelLib.FIRST));
        bytes32 account = ChannelLib.accountAt(channel, here);
        if (account != Words.pad(msg.sender)) revert NotChannelEnd(msg.sender, account);
        ChannelId id = ChannelLib.idOf(channel);
        if (channels[id].time != 0) return;
        channels[id] = Channel({
            account: msg.sender,
            time: uint40(block.timestamp),
            accepts: ChannelLib.acceptsAt(channel, here),
            sequence: 0,
            otherDestination: ChannelLib.destinationAt(channel, there),
            otherAccount: ChannelLib.accountAt(channel, there),
            binding: ChannelLib.bindingAt(channel, here)
        });
        emit ChannelOpened(_takeIndex(ChannelId.unwrap(id)), id, msg.sender, channel);
    }

    /// @inheritdoc IMailbox
    function send(bytes calldata message, bytes calldata body) external override onOwnChain {
        message.check();
        if (message.source() != destinationId) revert WrongDestination(message.source());
        Channel storage end = _openEnd(message);
        if (end.account != msg.sender) revert NotChannelEnd(msg.sender, Words.pad(end.account));
        bool fits = message.sender() == Words.pad(end.account) && message.recipient() == end.otherAccount;
        if (!fits || message.destination() != end.otherDestination) revert WrongChannel(message.channel());
        _checkBody(message, body);
        MessageId id = message.idOf();
        if (messages[id].state != MessageState.Unknown) return;
        if (message.sequence() != end.sequence) revert WrongSequence(message.sequence(), end.sequence);
        if (message.expiry() <= block.timestamp) revert MessageExpired(block.timestamp, message.expiry());
        ++end.sequence;
        messages[id] = Message(MessageState.Sent, uint64(block.timestamp), 0);
        emit Sent(_takeIndex(MessageId.unwrap(id)), id, message.channel(), message, body);
    }

    /// @inheritdoc IMailbox
    function deliver(
        bytes calldata record,
        bytes calldata payload,
        BatchId batchId,
        uint256 index,
        bytes32[] calldata path
    ) external override onOwnChain {
        RecordLib.check(record);
        (Shown shown, bytes calldata message, bytes calldata body) = LetterLib.readDelivery(payload);
        if (message.destination() != destinationId) revert WrongDestination(message.destination());
        MessageId id = message.idOf();
        Outcome outcome = deliveries[id].outcome;
        if (outcome == Outcome.Delivered) return;
        if (outcome == Outcome.Expired) revert MessageExpired(deliveries[id].time, message.expiry());
        Channel storage end = _openEnd(message);
        _checkDelivery(end, message, body, shown);
        _checkLetter(end, record, DELIVER, payload);
        _checkRecord(record, address(this), batchId, index, path);
        deliveries[id] = Delivery(Outcome.Delivered, uint64(block.timestamp));
        uint64 place = _takeIndex(MessageId.unwrap(id));
        bytes memory call = abi.encodeCall(IMessageRecipient.onMessage, (message, body));
        bytes memory result = CallLib.ask(end.account, call, MessageLib.MAX_RESULT);
        emit Delivered(place, id, message.channel(), message, result);
    }

    /// @inheritdoc IMailbox
    function acknowledge(
        bytes calldata record,
        bytes calldata payload,
        BatchId batchId,
        uint256 index,
        bytes32[] calldata path
    ) external override onOwnChain {
        RecordLib.check(record);
        (Shown shown, Outcome outcome, bytes calldata message, bytes calldata result) =
            LetterLib.readAcknowledgement(payload);
        if (message.source() != destinationId) revert WrongDestination(message.source());
        MessageId id = message.idOf();
        MessageState closed = outcome == Outcome.Delivered ? MessageState.Acknowledged : MessageState.Refunded;
        if (!_isOpen(id, closed)) return;
        Channel storage end = _openEnd(message);
        if (shown > end.accepts) revert AssertedSource();
        _checkLetter(end, record, ACKNOWLEDGE, payload);
        _checkRecord(record, address(this), batchId, index, path);
        (messages[id].state, messages[id].closed) = (closed, uint64(block.timestamp));
        emit Acknowledged(id, uint8(outcome), result);
        bytes32 word = MessageId.unwrap(id);
        CallLib.tell(end.account, abi.encodeCall(IMessageSender.onAcknowledged, (word, uint8(outcome), result)));
    }

    /// @inheritdoc IMailbox
    function expire(bytes calldata message) external override onOwnChain {
        message.check();
        if (message.destination() != destinationId) revert WrongDestination(message.destination());
        MessageId id = message.idOf();
        Outcome outcome = deliveries[id].outcome;
        if (outcome == Outcome.Expired) return;
        if (outcome == Outcome.Delivered) revert MessageDelivered(id);
        if (block.timestamp <= message.expiry()) revert NotYetExpired(block.timestamp, message.expiry());
        deliveries[id] = Delivery(Outcome.Expired, uint64(block.timestamp));
        emit Expired(_takeIndex(MessageId.unwrap(id)), id, message.channel(), message);
    }

    /// @inheritdoc IMailbox
    function channelOf(ChannelId channel) external view override returns (Channel memory) {
        return channels[channel];
    }

    /// @inheritdoc IMailbox
    function nextSequence(ChannelId channel) external view override returns (uint64) {
        return channels[channel].sequence;
    }

    /// @inheritdoc IMailbox
    function messageOf(MessageId message) external view override returns (Message memory) {
        return messages[message];
    }

    /// @inheritdoc IMailbox
    function deliveryOf(MessageId message) external view override returns (Delivery memory) {
        return deliveries[message];
    }

    /// @dev Checks that a settled record is for this deployment and recipient, and may still take effect.
    function _checkRecord(
        bytes calldata record,
        address recipient,
        BatchId batchId,
        uint256 index,
        bytes32[] calldata path
    ) internal view virtual;

    function _checkDelivery(Channel storage end, bytes calldata message, bytes calldata body, Shown shown)
        private
        view
    {
        bool fits = message.recipient() == Words.pad(end.account) && message.sender() == end.otherAccount;
        if (!fits || message.source() != end.otherDestination) revert WrongChannel(message.channel());
        _checkBody(message, body);
        if (shown > end.accepts) revert AssertedSource();
        if (block.timestamp > message.expiry()) revert MessageExpired(block.timestamp, message.expiry());
    }

    /// @dev Checks what a record must say, beside what every record must.
    function _checkLetter(Channel storage end, bytes calldata record, bytes32 method, bytes calldata payload)
        private
        view
    {
        if (RecordLib.binding(record) != end.binding) revert WrongBinding(RecordLib.binding(record), end.binding);
        if (RecordLib.method(record) != method) revert WrongMethod(RecordLib.method(record));
        (bytes32 digest, bytes32 expected) = (sha256(payload), RecordLib.payload(record));
        if (digest != expected) revert WrongPayload(digest, expected);
    }

    function _checkBody(bytes calldata message, bytes calldata body) private pure {
        bytes32 digest = sha256(body);
        if (digest != message.body()) revert WrongBody(digest, message.body());
        if (body.length > MessageLib.MAX_BODY) revert BodyTooLong(body.length);
    }

    /// @dev Says whether a message awaits this ending; not where it has it, and refuses any other.
    function _isOpen(MessageId id, MessageState closed) private view returns (bool) {
        MessageState state = messages[id].state;
        if (state == MessageState.Unknown) revert UnknownMessage(id);
        if (state != MessageState.Sent && state != closed) revert MessageClosed(id, state);
        return state == MessageState.Sent;
    }

    function _openEnd(bytes calldata message) private view returns (Channel storage end) {
        end = channels[message.channel()];
        if (end.time == 0) revert ChannelNotOpen(message.channel());
    }

    /// @dev Counts an event and keeps what it is of.
    function _takeIndex(bytes32 subject) private returns (uint64 index) {
        index = mailboxCount++;
        mailboxAt[index] = subject;
    }
}
