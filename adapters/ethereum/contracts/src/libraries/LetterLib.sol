// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ISettlement} from "../interfaces/ISettlement.sol";
import {Outcome, Shown} from "../types/Mail.sol";
import {MessageLib} from "./MessageLib.sol";
import {Words} from "./Words.sol";

/// @title Letter: what a mailbox takes as the payload of a record, a delivery or an acknowledgement
/// @dev The counterpart of fabric/trust/letter.py; docs/spec/message.md.
library LetterLib {
    using MessageLib for bytes;
    using Words for bytes;

    bytes32 internal constant DELIVERY_TAG = "cryptlet-fabric/delivery/v1";
    bytes32 internal constant DELIVERY = "delivery";
    bytes32 internal constant ACKNOWLEDGEMENT_TAG = "cryptlet-fabric/ack/v1";
    bytes32 internal constant ACKNOWLEDGEMENT = "acknowledgement";
    uint256 private constant SIZE = 32;

    /// @dev Reads a delivery: tag, source, message, body.
    function readDelivery(bytes calldata payload)
        internal
        pure
        returns (Shown shown, bytes calldata message, bytes calldata body)
    {
        (message, body) = _split(payload, DELIVERY_TAG, 2, DELIVERY);
        shown = Shown(_oneOrTwo(payload, 1, DELIVERY));
    }

    /// @dev Reads an acknowledgement: tag, source, outcome, time, message, result.
    function readAcknowledgement(bytes calldata payload)
        internal
        pure
        returns (Shown shown, Outcome outcome, bytes calldata message, bytes calldata result)
    {
        (message, result) = _split(payload, ACKNOWLEDGEMENT_TAG, 4, ACKNOWLEDGEMENT);
        shown = Shown(_oneOrTwo(payload, 1, ACKNOWLEDGEMENT));
        outcome = Outcome(_oneOrTwo(payload, 2, ACKNOWLEDGEMENT));
        payload.uint64At(3, ACKNOWLEDGEMENT);
        uint256 limit = outcome == Outcome.Delivered ? MessageLib.MAX_RESULT : 0;
        if (result.length > limit) revert ISettlement.Malformed(ACKNOWLEDGEMENT);
    }

    /// @dev Returns the message after `head` words, and the bytes after the message.
    function _split(bytes calldata payload, bytes32 tag, uint256 head, bytes32 name)
        private
        pure
        returns (bytes calldata message, bytes calldata rest)
    {
        (uint256 start, uint256 end) = (head * SIZE, (head + MessageLib.WORDS) * SIZE);
        if (payload.length < end || payload.wordAt(0) != tag) revert ISettlement.Malformed(name);
        message = payload[start:end];
        message.check();
        rest = payload[end:];
    }

    function _oneOrTwo(bytes calldata payload, uint256 index, bytes32 name) private pure returns (uint256 value) {
        value = uint256(payload.wordAt(index));
        if (value != 1 && value != 2) revert ISettlement.Malformed(name);
    }
}
