// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {MessageSender} from "../MessageSender.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {ChannelId, MessageId} from "../types/Ids.sol";
import {Outcome} from "../types/Mail.sol";

/// @title An end of channels that sends in numbers and keeps books of what becomes of it
/// @dev Each message that it sends puts one unit into escrow, which ends paid or returned. Nothing in here forgives the
/// mailbox a second call: it counts, or the escrow runs below zero and the call reverts.
contract Bookkeeper is MessageSender {
    /// @notice Thrown when a refusing bookkeeper is brought a message
    error Refusing();

    bool private immutable isRefusing;
    /// @notice Units of messages whose outcome is not known
    uint256 public escrow;
    /// @notice Units of messages that were delivered
    uint256 public paid;
    /// @notice Units of messages that expired
    uint256 public returned;
    /// @notice How many messages it was brought
    uint256 public received;
    /// @notice How often it was brought a message, or told of its outcome
    mapping(MessageId message => uint256) public times;

    constructor(ISettlement mailbox_, bool isRefusing_) MessageSender(mailbox_) {
        isRefusing = isRefusing_;
    }

    function open(bytes calldata channel) external returns (ChannelId) {
        return _open(channel);
    }

    /// @notice Sends so many messages over an open channel
    function sendMany(ChannelId channel, uint256 count, uint64 expiry) external {
        escrow += count;
        for (uint256 number; number < count; ++number) {
            _send(channel, abi.encode(block.number, number), expiry);
        }
    }

    function _onMessage(bytes calldata message, bytes calldata) internal override returns (bytes memory) {
        if (isRefusing) revert Refusing();
        ++times[MessageId.wrap(sha256(message))];
        return abi.encode(++received);
    }

    function _onAcknowledged(MessageId message, Outcome outcome, bytes calldata) internal override {
        ++times[message];
        --escrow;
        if (outcome == Outcome.Delivered) ++paid;
        else ++returned;
    }
}
