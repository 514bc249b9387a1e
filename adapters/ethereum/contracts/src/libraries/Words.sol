// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ISettlement} from "../interfaces/ISettlement.sol";

/// @title Fixed-width structures: a format tag, then one big-endian 32-byte word a field
/// @dev The counterpart of fabric/trust/words.py; docs/spec/words.md.
library Words {
    uint256 private constant SIZE = 32;

    /// @dev Refuses bytes that are not `count` words, the tag among them.
    function check(bytes calldata data, bytes32 tag, uint256 count, bytes32 name) internal pure {
        if (data.length != count * SIZE || wordAt(data, 0) != tag) revert ISettlement.Malformed(name);
    }

    /// @dev Returns the word at an index; the tag is word 0.
    function wordAt(bytes calldata data, uint256 index) internal pure returns (bytes32) {
        return bytes32(data[index * SIZE:(index + 1) * SIZE]);
    }

    /// @dev Returns an integer word; refuses 2**64 and more, as every implementation does.
    function uint64At(bytes calldata data, uint256 index, bytes32 name) internal pure returns (uint64) {
        uint256 value = uint256(wordAt(data, index));
        if (value > type(uint64).max) revert ISettlement.Malformed(name);
        return uint64(value);
    }

    /// @dev Returns an account word; refuses one whose upper twelve bytes are not zero.
    function addressAt(bytes calldata data, uint256 index, bytes32 name) internal pure returns (address) {
        uint256 value = uint256(wordAt(data, index));
        if (value > type(uint160).max) revert ISettlement.Malformed(name);
        return address(uint160(value));
    }

    /// @dev Returns an address as an account word.
    function pad(address account) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }
}
