// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ISettlement} from "../interfaces/ISettlement.sol";
import {ChannelId, DestinationId, MessageId} from "../types/Ids.sol";
import {Words} from "./Words.sol";

/// @title Message: bytes from an account on one ledger to an account on another, nine words and a body
/// @dev The counterpart of `Message` in fabric/trust/message.py; docs/spec/message.md. Call `check` first.
library MessageLib {
    using Words for bytes;

    bytes32 internal constant TAG = "cryptlet-fabric/message/v1";
    bytes32 internal constant NAME = "message";
    uint256 internal constant WORDS = 9;
    uint256 internal constant MAX_BODY = 30_720;
    uint256 internal constant MAX_RESULT = 1024;
    uint256 private constant MAX_NUMBER = 2 ** 53 - 1;

    /// @dev Refuses anything but a message: length, tag, and the range of the two integers, which JSON must be able to say.
    function check(bytes calldata message) internal pure {
        message.check(TAG, WORDS, NAME);
        if (uint256(message.wordAt(6)) > MAX_NUMBER || uint256(message.wordAt(7)) > MAX_NUMBER) {
            revert ISettlement.Malformed(NAME);
        }
    }

    function channel(bytes calldata message) internal pure returns (ChannelId) {
        return ChannelId.wrap(message.wordAt(1));
    }

    function source(bytes calldata message) internal pure returns (DestinationId) {
        return DestinationId.wrap(message.wordAt(2));
    }

    function destination(bytes calldata message) internal pure returns (DestinationId) {
        return DestinationId.wrap(message.wordAt(3));
    }

    function sender(bytes calldata message) internal pure returns (bytes32) {
        return message.wordAt(4);
    }

    function recipient(bytes calldata message) internal pure returns (bytes32) {
        return message.wordAt(5);
    }

    function sequence(bytes calldata message) internal pure returns (uint64) {
        return message.uint64At(6, NAME);
    }

    function expiry(bytes calldata message) internal pure returns (uint64) {
        return message.uint64At(7, NAME);
    }

    function body(bytes calldata message) internal pure returns (bytes32) {
        return message.wordAt(8);
    }

    function idOf(bytes calldata message) internal pure returns (MessageId) {
        return MessageId.wrap(sha256(message));
    }
}
