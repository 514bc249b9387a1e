// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ISettlement} from "../interfaces/ISettlement.sol";
import {ChannelId, DestinationId} from "../types/Ids.sol";
import {Shown} from "../types/Mail.sol";
import {Words} from "./Words.sol";

/// @title Channel: two accounts on two ledgers and what each asks of the other, ten words
/// @dev The counterpart of `Channel` in fabric/trust/message.py; docs/spec/message.md. Call `check` first. An end is
/// four words and is named by the place of its first: `FIRST` or `SECOND`.
library ChannelLib {
    using Words for bytes;

    bytes32 internal constant TAG = "cryptlet-fabric/channel/v1";
    bytes32 internal constant NAME = "channel";
    uint256 internal constant WORDS = 10;
    uint256 internal constant FIRST = 1;
    uint256 internal constant SECOND = 5;

    /// @dev Refuses anything but a channel: length, tag, order of the ends, and what each accepts.
    function check(bytes calldata channel) internal pure {
        channel.check(TAG, WORDS, NAME);
        bool ordered = channel.wordAt(FIRST) < channel.wordAt(SECOND);
        if (!ordered || !_isShown(channel.wordAt(FIRST + 3)) || !_isShown(channel.wordAt(SECOND + 3))) {
            revert ISettlement.Malformed(NAME);
        }
    }

    /// @dev Returns the places of the end on a ledger and of the other one; zero and zero where it has none there.
    function endsFrom(bytes calldata channel, DestinationId own) internal pure returns (uint256 here, uint256 there) {
        if (destinationAt(channel, FIRST) == own) return (FIRST, SECOND);
        if (destinationAt(channel, SECOND) == own) return (SECOND, FIRST);
    }

    function destinationAt(bytes calldata channel, uint256 end) internal pure returns (DestinationId) {
        return DestinationId.wrap(channel.wordAt(end));
    }

    function accountAt(bytes calldata channel, uint256 end) internal pure returns (bytes32) {
        return channel.wordAt(end + 1);
    }

    function bindingAt(bytes calldata channel, uint256 end) internal pure returns (bytes32) {
        return channel.wordAt(end + 2);
    }

    function acceptsAt(bytes calldata channel, uint256 end) internal pure returns (Shown) {
        return Shown(uint256(channel.wordAt(end + 3)));
    }

    function idOf(bytes calldata channel) internal pure returns (ChannelId) {
        return ChannelId.wrap(sha256(channel));
    }

    function _isShown(bytes32 word) private pure returns (bool) {
        return uint256(word) == uint256(Shown.Proven) || uint256(word) == uint256(Shown.Asserted);
    }
}
