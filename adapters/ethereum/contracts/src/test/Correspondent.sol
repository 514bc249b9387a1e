// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {MessageSender} from "../MessageSender.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {ChannelId, MessageId} from "../types/Ids.sol";
import {Outcome} from "../types/Mail.sol";

/// @title An end of channels that answers, or attacks, as a test wants it
contract Correspondent is MessageSender {
    /// @dev How it answers the mailbox: with a result, with raw bytes, with a revert of raw bytes, or never.
    enum Mood {
        Kind,
        Raw,
        Reverting,
        Burning
    }

    /// @dev A call that it made from within a call of the mailbox, and the answer.
    struct Attempt {
        bool succeeded;
        bytes answer;
    }

    /// @notice Thrown when a refusing correspondent gives a reason of its own
    error Unwilling(uint256 number);

    Mood private mood;
    bytes private answer;
    uint256 private zeros;
    bytes[] private attacks;
    Attempt[] private attempts;
    /// @notice How many messages it was brought
    uint256 public received;
    /// @notice How often it was told of an outcome, by the outcome
    mapping(uint8 outcome => uint256) public told;
    /// @notice SHA-256 of the last message's body, or of the last acknowledgement's result
    bytes32 public last;

    constructor(ISettlement mailbox_) MessageSender(mailbox_) {}

    /// @notice Says how it answers from now on
    /// @param answer_ the result, or raw bytes to return or revert with
    /// @param zeros_ how many zero bytes follow the raw ones
    function arm(Mood mood_, bytes calldata answer_, uint256 zeros_) external {
        (mood, answer, zeros) = (mood_, answer_, zeros_);
    }

    /// @notice Says which calls it makes to the mailbox from within its next calls
    function load(bytes[] calldata attacks_) external {
        attacks = attacks_;
    }

    function open(bytes calldata channel) external returns (ChannelId) {
        return _open(channel);
    }

    function send(ChannelId channel, bytes calldata body, uint64 expiry) external returns (MessageId) {
        return _send(channel, body, expiry);
    }

    function tried() external view returns (Attempt[] memory) {
        return attempts;
    }

    function _onMessage(bytes calldata, bytes calldata body) internal override returns (bytes memory) {
        ++received;
        last = sha256(body);
        return _act();
    }

    function _onAcknowledged(MessageId, Outcome outcome, bytes calldata result) internal override {
        ++told[uint8(outcome)];
        last = sha256(result);
        _act();
    }

    function _act() private returns (bytes memory) {
        for (uint256 index; index < attacks.length; ++index) {
            (bool done, bytes memory given) = address(mailbox).call(attacks[index]);
            attempts.push(Attempt(done, given));
        }
        if (mood == Mood.Kind) return answer;
        // What never ends: it uses up its gas.
        while (mood == Mood.Burning) ++received;
        bytes memory raw = bytes.concat(answer, new bytes(zeros));
        if (mood == Mood.Reverting) {
            assembly ("memory-safe") {
                revert(add(raw, 32), mload(raw))
            }
        }
        assembly ("memory-safe") {
            return(add(raw, 32), mload(raw))
        }
    }
}
